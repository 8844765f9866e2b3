using System.Globalization;
using System.Numerics;
using RelayCore.Protocols.Http2.Hpack;

namespace RelayCore.Fuzz.Oracles;

/// <summary>RFC 7541 read slowly: a list for the table, big integers, one bit of Huffman code at a time.</summary>
internal sealed class HpackOracle(int maxList)
{
    // Appendix B by length: how many codes each length has, and the symbols in the order of their codes.
    private static readonly (int Bits, int[] Symbols)[] s_lengths =
    [
        (5, Of("012aceiost")),
        (6, Of(" %-./3456789=A_bdfghlmnpru")),
        (7, Of(":BCDEFGHIJKLMNOPQRSTUVWYjkqvwxyz")),
        (8, Of("&*,;XZ")),
        (10, Of("!\"()?")),
        (11, Of("'+|")),
        (12, Of("#>")),
        (13, [0, '$', '@', '[', ']', '~']),
        (14, Of("^}")),
        (15, Of("<`{")),
        (19, ['\\', 195, 208]),
        (20, [128, 130, 131, 162, 184, 194, 224, 226]),
        (21, [153, 161, 167, 172, 176, 177, 179, 209, 216, 217, 227, 229, 230]),
        (22, [129, 132, 133, 134, 136, 146, 154, 156, 160, 163, 164, 169, 170, 173, 178, 181, 185, 186, 187, 189, 190, 196, 198, 228, 232, 233]),
        (23, [1, 135, 137, 138, 139, 140, 141, 143, 147, 149, 150, 151, 152, 155, 157, 158, 165, 166, 168, 174, 175, 180, 182, 183, 188, 191, 197, 231, 239]),
        (24, [9, 142, 144, 145, 148, 159, 171, 206, 215, 225, 236, 237]),
        (25, [199, 207, 234, 235]),
        (26, [192, 193, 200, 201, 202, 205, 210, 213, 218, 219, 238, 240, 242, 243, 255]),
        (27, [203, 204, 211, 212, 214, 221, 222, 223, 241, 244, 245, 246, 247, 248, 250, 251, 252, 253, 254]),
        (28, [2, 3, 4, 5, 6, 7, 8, 11, 12, 14, 15, 16, 17, 18, 19, 20, 21, 23, 24, 25, 26, 27, 28, 29, 30, 31, 127, 220, 249]),
        (30, [10, 13, 22, 256]),
    ];

    private static readonly Dictionary<(uint Code, int Bits), int> s_codes = Codes();

    // The static table is the codec's own: a wrong entry is found by the examples of Appendix C and by the published vectors.
    private static readonly List<(byte[] Name, byte[] Value)> s_static = StaticTable();

    private readonly List<(byte[] Name, byte[] Value)> _table = [];
    private int _limit = 4096;
    private int _bound = 4096;
    private int? _required;

    public int Count => _table.Count;

    public int Size => _table.Sum(Cost);

    public static string Text(byte[] name, byte[] value, bool neverIndexed) =>
        string.Create(CultureInfo.InvariantCulture, $"{(neverIndexed ? "!" : "")}{Convert.ToHexString(name)}={Convert.ToHexString(value)}");

    public void SetMaxTable(int octets)
    {
        _limit = octets;
        _required = octets < _bound ? Math.Min(octets, _required ?? octets) : _required;
    }

    public HpackError Decode(byte[] block, out List<string> fields)
    {
        fields = [];
        var reader = new Reader(block);
        var size = 0L;
        try
        {
            while (reader.Peek() is { } update && update >> 5 == 1)
            {
                var octets = reader.Integer(5);
                _ = octets > _limit ? throw new Broken(HpackError.SizeUpdateTooLarge) : octets > _required ? throw new Broken(HpackError.MissingSizeUpdate) : 0;
                (_bound, _required) = (octets, null);
                Evict(_bound);
            }

            _ = _required is not null ? throw new Broken(HpackError.MissingSizeUpdate) : 0;
            while (reader.Peek() is { } first)
            {
                if (first >> 7 == 1)
                {
                    var (indexedName, indexedValue) = Entry(reader.Integer(7));
                    Report(fields, ref size, indexedName, indexedValue, false);
                    continue;
                }

                _ = first >> 5 == 1 ? throw new Broken(HpackError.MisplacedSizeUpdate) : 0;
                var isIndexed = first >> 6 == 1;
                var index = reader.Integer(isIndexed ? 6 : 4);

                // What fits neither the rest of the list nor the table is not looked at further.
                var room = (int)Math.Max(Math.Max(maxList - size, 0), isIndexed ? _bound : 0);
                var name = index == 0 ? reader.String(room) : Entry(index).Name;
                var value = reader.String(room);
                if (name is null || value is null)
                {
                    size = Math.Max(size, maxList + 1L);
                    Evict(isIndexed ? 0 : _bound);
                    continue;
                }

                Report(fields, ref size, name, value, first >> 4 == 1);
                if (isIndexed)
                {
                    Evict(_bound - Cost((name, value)));
                    if (Cost((name, value)) <= _bound)
                    {
                        _table.Insert(0, (name, value));
                    }
                }
            }
        }
        catch (Broken broken)
        {
            return broken.Error;
        }

        return size > maxList ? HpackError.ListTooLarge : HpackError.None;
    }

    private static int Cost((byte[] Name, byte[] Value) field) => field.Name.Length + field.Value.Length + 32;

    private void Report(List<string> fields, ref long size, byte[] name, byte[] value, bool neverIndexed)
    {
        size += Cost((name, value));
        if (size <= maxList)
        {
            fields.Add(Text(name, value, neverIndexed));
        }
    }

    private void Evict(int size)
    {
        while (_table.Count > 0 && Size > size)
        {
            _table.RemoveAt(_table.Count - 1);
        }
    }

    private (byte[] Name, byte[] Value) Entry(int index) =>
        index == 0 || index > s_static.Count + _table.Count ? throw new Broken(HpackError.InvalidIndex)
        : index <= s_static.Count ? s_static[index - 1]
        : _table[index - s_static.Count - 1];

    private static int[] Of(string symbols) => [.. symbols.Select(x => (int)x)];

    private static Dictionary<(uint Code, int Bits), int> Codes()
    {
        var codes = new Dictionary<(uint, int), int>();
        var (code, length) = (0U, 0);
        foreach (var (bits, symbols) in s_lengths)
        {
            (code, length) = (code << (bits - length), bits);
            foreach (var symbol in symbols)
            {
                codes.Add((code++, bits), symbol);
            }
        }

        return codes;
    }

    private static List<(byte[] Name, byte[] Value)> StaticTable()
    {
        var sink = new Collector([]);
        new HpackDecoder().Decode([.. Enumerable.Range(1, 61).Select(x => (byte)(0x80 | x))], ref sink);
        return sink.Fields;
    }

    private readonly struct Collector(List<(byte[] Name, byte[] Value)> fields) : IHpackSink
    {
        public List<(byte[] Name, byte[] Value)> Fields { get; } = fields;

        public void Field(scoped ReadOnlySpan<byte> name, scoped ReadOnlySpan<byte> value, bool neverIndexed, ref byte note) => Fields.Add((name.ToArray(), value.ToArray()));
    }

    private sealed class Broken(HpackError error) : Exception
    {
        public HpackError Error { get; } = error;
    }

    private sealed class Reader(byte[] block)
    {
        private int _at;

        public int? Peek() => _at < block.Length ? block[_at] : null;

        public int Integer(int prefix)
        {
            var mask = (1 << prefix) - 1;
            BigInteger value = Next() & mask;
            if (value < mask)
            {
                return (int)value;
            }

            for (var octets = 0; ; octets++)
            {
                _ = octets == 5 ? throw new Broken(HpackError.IntegerTooLarge) : 0;
                var octet = Next();
                value += new BigInteger(octet & 0x7F) << (7 * octets);
                _ = value > int.MaxValue ? throw new Broken(HpackError.IntegerTooLarge) : 0;
                if (octet < 0x80)
                {
                    return (int)value;
                }
            }
        }

        public byte[]? String(int room)
        {
            var isHuffman = Peek() >= 0x80;
            var length = Integer(7);
            _ = length > block.Length - _at ? throw new Broken(HpackError.Truncated) : 0;
            _at += length;
            var octets = block[(_at - length).._at];
            return isHuffman ? Huffman(octets, room) : length > room ? null : octets;
        }

        private static byte[]? Huffman(byte[] octets, int room)
        {
            var text = new List<byte>();
            var (code, bits) = (0U, 0);
            foreach (var bit in octets.SelectMany(x => Enumerable.Range(0, 8).Select(y => (uint)(x >> (7 - y)) & 1)))
            {
                (code, bits) = ((code << 1) | bit, bits + 1);
                if (s_codes.TryGetValue((code, bits), out var symbol))
                {
                    _ = symbol == 256 ? throw new Broken(HpackError.InvalidHuffman) : 0;
                    if (text.Count == room)
                    {
                        return null;
                    }

                    text.Add((byte)symbol);
                    (code, bits) = (0, 0);
                }
            }

            return bits < 8 && code == (1U << bits) - 1 ? [.. text] : throw new Broken(HpackError.InvalidHuffman);
        }

        private int Next() => _at < block.Length ? block[_at++] : throw new Broken(HpackError.Truncated);
    }
}
