namespace RelayCore.Load.Http;

/// <summary>What RFC 7541 fixes: the static table (Appendix A) and the Huffman code (Appendix B), which is canonical, so that lengths suffice.</summary>
internal static class HpackTables
{
    /// <summary>Entry n of the RFC is element n - 1.</summary>
    private static readonly (string Name, string Value)[] s_fields =
    [
        (":authority", ""), (":method", "GET"), (":method", "POST"), (":path", "/"), (":path", "/index.html"), (":scheme", "http"),
        (":scheme", "https"), (":status", "200"), (":status", "204"), (":status", "206"), (":status", "304"), (":status", "400"),
        (":status", "404"), (":status", "500"), ("accept-charset", ""), ("accept-encoding", "gzip, deflate"), ("accept-language", ""),
        ("accept-ranges", ""), ("accept", ""), ("access-control-allow-origin", ""), ("age", ""), ("allow", ""), ("authorization", ""),
        ("cache-control", ""), ("content-disposition", ""), ("content-encoding", ""), ("content-language", ""), ("content-length", ""),
        ("content-location", ""), ("content-range", ""), ("content-type", ""), ("cookie", ""), ("date", ""), ("etag", ""), ("expect", ""),
        ("expires", ""), ("from", ""), ("host", ""), ("if-match", ""), ("if-modified-since", ""), ("if-none-match", ""), ("if-range", ""),
        ("if-unmodified-since", ""), ("last-modified", ""), ("link", ""), ("location", ""), ("max-forwards", ""), ("proxy-authenticate", ""),
        ("proxy-authorization", ""), ("range", ""), ("referer", ""), ("refresh", ""), ("retry-after", ""), ("server", ""), ("set-cookie", ""),
        ("strict-transport-security", ""), ("transfer-encoding", ""), ("user-agent", ""), ("vary", ""), ("via", ""), ("www-authenticate", ""),
    ];

    private const int LongestCode = 30;
    private static readonly uint[] s_firstCode = new uint[LongestCode + 1];
    private static readonly int[] s_firstRank = new int[LongestCode + 1];
    private static readonly int[] s_codes = new int[LongestCode + 1];
    private static readonly short[] s_symbolOfRank = new short[257];

    /// <summary>Octets of each name, by index - 1.</summary>
    public static readonly byte[][] Names = [.. s_fields.Select(field => System.Text.Encoding.ASCII.GetBytes(field.Name))];

    /// <summary>Octets of each value, by index - 1.</summary>
    public static readonly byte[][] Values = [.. s_fields.Select(field => System.Text.Encoding.ASCII.GetBytes(field.Value))];

    static HpackTables()
    {
        var (rank, code) = (0, 0u);
        var lengths = CodeLengths;
        for (var bits = 1; bits <= LongestCode; bits++, code <<= 1)
        {
            (s_firstCode[bits], s_firstRank[bits]) = (code, rank);
            for (var symbol = 0; symbol < lengths.Length; symbol++)
            {
                if (lengths[symbol] == bits)
                {
                    s_symbolOfRank[rank++] = (short)symbol;
                    code++;
                }
            }

            s_codes[bits] = rank - s_firstRank[bits];
        }
    }

    private static ReadOnlySpan<byte> CodeLengths =>
    [
        13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28,
        6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10,
        13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6,
        15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28,
        20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24,
        22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
        26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27,
        20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
        30,
    ];

    /// <summary>Decodes a Huffman string; <paramref name="destination"/> holds what fits, the result says how long the whole is.</summary>
    /// <returns>Octets of the decoded string; -1 when it is not one (RFC 7541 §5.2).</returns>
    public static int Decode(ReadOnlySpan<byte> source, Span<byte> destination)
    {
        var (length, code, bits) = (0, 0u, 0);
        foreach (var octet in source)
        {
            for (var bit = 7; bit >= 0; bit--)
            {
                code = (code << 1) | (uint)((octet >> bit) & 1);
                if (++bits > LongestCode)
                {
                    return -1;
                }

                var rank = code - s_firstCode[bits];
                if (code >= s_firstCode[bits] && rank < (uint)s_codes[bits])
                {
                    var symbol = s_symbolOfRank[s_firstRank[bits] + (int)rank];
                    if (symbol == 256)
                    {
                        return -1;
                    }

                    if (length < destination.Length)
                    {
                        destination[length] = (byte)symbol;
                    }

                    (length, code, bits) = (length + 1, 0, 0);
                }
            }
        }

        // Padding is the start of the code for the end of the string: fewer than eight ones.
        return bits < 8 && code == (1u << bits) - 1 ? length : -1;
    }
}
