using System.Buffers.Binary;
using System.Text;

namespace RelayCore.Protocols.Tests.Tls;

/// <summary>Writes ClientHellos octet by octet, right or wrong, and cuts them into records. Shares nothing with the reader.</summary>
internal sealed class HelloBuilder
{
    public ushort Version { get; init; } = 0x0303;

    public byte[] SessionId { get; init; } = [];

    public byte[] Ciphers { get; init; } = [0x13, 0x01];

    public byte[] Compression { get; init; } = [0];

    /// <summary>Number and content of each extension; <see langword="null"/> leaves the whole block out.</summary>
    public List<(ushort Number, byte[] Content)>? Extensions { get; init; } = [];

    /// <summary>Octets after the extension block, which no ClientHello has.</summary>
    public byte[] Surplus { get; init; } = [];

    public static byte[] Octets(IEnumerable<ushort> numbers) => [.. numbers.SelectMany(n => new[] { (byte)(n >> 8), (byte)n })];

    public static byte[] Vector8(byte[] content) => [(byte)content.Length, .. content];

    public static byte[] Vector16(byte[] content) => [(byte)(content.Length >> 8), (byte)content.Length, .. content];

    public static byte[] ServerName(string name) => Vector16([0, .. Vector16(Encoding.Latin1.GetBytes(name))]);

    public static byte[] Protocols(params string[] names) => Vector16([.. names.SelectMany(n => Vector8(Encoding.Latin1.GetBytes(n)))]);

    public byte[] Message()
    {
        byte[] block = Extensions is null ? [] : Vector16([.. Extensions.SelectMany(e => (byte[])[.. Octets([e.Number]), .. Vector16(e.Content)])]);
        byte[] body = [.. Octets([Version]), .. Enumerable.Range(0, 32).Select(i => (byte)i), .. Vector8(SessionId),
            .. Vector16(Ciphers), .. Vector8(Compression), .. block, .. Surplus];
        var message = new byte[4 + body.Length];
        BinaryPrimitives.WriteInt32BigEndian(message, body.Length);
        message[0] = 1;
        body.CopyTo(message, 4);
        return message;
    }

    public byte[] Wire(int fragmentOctets = 16384) => Records(Message(), fragmentOctets);

    public static byte[] Records(byte[] message, int fragmentOctets) =>
        [.. message.Chunk(fragmentOctets).SelectMany(piece => (byte[])[22, 3, 1, .. Vector16(piece)])];
}
