using System.Text;

namespace RelayCore.Load.Http;

/// <summary>Header blocks made beforehand: a first one that fills the peer's dynamic table, then one that only refers to it. RFC 7541 §6.</summary>
internal static class HpackBlocks
{
    private const int StaticEntries = 61;
    private const int Authority = 1;
    private const int MethodGet = 2;
    private const int Path = 4;
    private const int SchemeHttp = 6;
    private const int SchemeHttps = 7;
    private const int Status200 = 8;
    private const int Accept = 19;
    private const int ContentLength = 28;
    private const int ContentType = 31;
    private const int Server = 54;
    private const int UserAgent = 58;

    /// <param name="scheme">http or https.</param>
    /// <param name="authority">Host and port.</param>
    /// <param name="path">Path and query.</param>
    /// <param name="isAdded">Whether the peer's table takes the fields; otherwise the block also sets that table to nothing.</param>
    public static byte[] Request(string scheme, string authority, string path, bool isAdded) =>
    [
        .. isAdded ? [] : new byte[] { 0x20 },
        0x80 | MethodGet,
        Scheme(scheme),
        .. Literal(Authority, authority, isAdded),
        .. Literal(Path, path, isAdded),
        .. Literal(UserAgent, "relaycore-load", isAdded),
        .. Literal(Accept, "*/*", isAdded),
    ];

    /// <summary>The request again, once its fields are the newest four of the table.</summary>
    public static byte[] RepeatedRequest(string scheme) => [0x80 | MethodGet, Scheme(scheme), .. Newest(4)];

    /// <summary>Response head: 200 with length, type and server.</summary>
    public static byte[] Response(string contentLength, bool isAdded) =>
    [
        .. isAdded ? [] : new byte[] { 0x20 },
        0x80 | Status200,
        .. Literal(Server, "relaycore-load", isAdded),
        .. Literal(ContentType, "application/octet-stream", isAdded),
        .. Literal(ContentLength, contentLength, isAdded),
    ];

    /// <summary>The response again, once its fields are the newest three of the table.</summary>
    public static byte[] RepeatedResponse => [0x80 | Status200, .. Newest(3)];

    private static byte Scheme(string scheme) => (byte)(0x80 | (scheme == "https" ? SchemeHttps : SchemeHttp));

    private static IEnumerable<byte> Newest(int count) => Enumerable.Range(StaticEntries + 1, count).Reverse().Select(index => (byte)(0x80 | index));

    /// <summary>A literal with an indexed name, added to the table or not; the value is not Huffman-coded.</summary>
    private static byte[] Literal(int name, string value, bool isAdded)
    {
        var octets = Encoding.ASCII.GetBytes(value);
        return
        [
            .. isAdded ? [(byte)(0x40 | name)] : Integer(0, 4, name),
            .. Integer(0, 7, octets.Length),
            .. octets,
        ];
    }

    /// <remarks>RFC 7541 §5.1.</remarks>
    private static byte[] Integer(int firstBits, int prefixBits, int value)
    {
        var most = (1 << prefixBits) - 1;
        if (value < most)
        {
            return [(byte)(firstBits | value)];
        }

        List<byte> octets = [(byte)(firstBits | most)];
        for (value -= most; value >= 0x80; value >>= 7)
        {
            octets.Add((byte)(value | 0x80));
        }

        octets.Add((byte)value);
        return [.. octets];
    }
}
