namespace RelayCore.Formats;

/// <summary>How decoding compressed octets ended.</summary>
internal enum InflateEnd
{
    /// <summary>Whole.</summary>
    Done,

    /// <summary>The input ends in the middle.</summary>
    Truncated,

    /// <summary>A rule of the format is broken.</summary>
    Damaged,

    /// <summary>The output reached its bound.</summary>
    TooLarge,
}

/// <summary>
/// Decodes DEFLATE (RFC 1951). The streams of the framework take an input that ends anywhere for a whole one and do not say where a
/// stream ended, and a capture has to know both. Keeps whatever was decoded before a mistake.
/// </summary>
internal sealed class Inflater(long maxOctets)
{
    private const int MaxBits = 15;
    private const int ShortBits = 9;
    private static readonly byte[] s_order = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];
    private static readonly ushort[] s_lengths = [3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258];
    private static readonly byte[] s_lengthBits = [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0];
    private static readonly ushort[] s_distances =
        [1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537, 2049, 3073, 4097, 6145, 8193, 12289, 16385, 24577];

    private static readonly byte[] s_distanceBits = [0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13];
    private static readonly (Huffman Literals, Huffman Distances) s_fixed = Fixed();

    private byte[] _output = new byte[4096];
    private int _window;

    /// <summary>Everything decoded so far, of all streams.</summary>
    public ReadOnlyMemory<byte> Output => _output.AsMemory(0, Length);

    /// <summary>Octets decoded so far.</summary>
    public int Length { get; private set; }

    /// <summary>Decodes one stream.</summary>
    /// <param name="input">Octets from the start of the stream.</param>
    /// <param name="consumed">Octets the stream occupies, when it is whole.</param>
    public InflateEnd Decode(ReadOnlySpan<byte> input, out int consumed)
    {
        _window = Length;
        var bits = new BitReader(input);
        InflateEnd end;
        bool isLast;
        do
        {
            isLast = bits.Take(1) == 1;
            end = bits.Take(2) switch
            {
                _ when bits.IsExhausted => InflateEnd.Truncated,
                0 => Stored(ref bits),
                1 => Block(ref bits, s_fixed.Literals, s_fixed.Distances),
                2 => Dynamic(ref bits),
                _ => InflateEnd.Damaged,
            };
        }
        while (end == InflateEnd.Done && !isLast);
        consumed = bits.Consumed;
        return end;
    }

    private static (Huffman Literals, Huffman Distances) Fixed()
    {
        Span<byte> lengths = stackalloc byte[288];
        lengths.Fill(8);
        lengths[144..256].Fill(9);
        lengths[256..280].Fill(7);
        Span<byte> distances = stackalloc byte[30];
        distances.Fill(5);
        var (literals, far) = (new Huffman(), new Huffman());
        literals.TryBuild(lengths);
        far.TryBuild(distances);
        return (literals, far);
    }

    private InflateEnd Stored(ref BitReader bits)
    {
        bits.AlignToOctet();
        var (length, complement) = (bits.Take(16), bits.Take(16));
        if (bits.IsExhausted)
        {
            return InflateEnd.Truncated;
        }

        if ((length ^ 0xFFFF) != complement)
        {
            return InflateEnd.Damaged;
        }

        var octets = bits.Octets(length);
        var count = (int)Math.Min(octets.Length, maxOctets - Length);
        octets[..count].CopyTo(Room(count));
        Length += count;
        return count < octets.Length ? InflateEnd.TooLarge : octets.Length < length ? InflateEnd.Truncated : InflateEnd.Done;
    }

    private InflateEnd Dynamic(ref BitReader bits)
    {
        var (literals, distances, codes) = (bits.Take(5) + 257, bits.Take(5) + 1, bits.Take(4) + 4);
        Span<byte> lengths = stackalloc byte[320];
        lengths.Clear();
        for (var i = 0; i < codes; i++)
        {
            lengths[s_order[i]] = (byte)bits.Take(3);
        }

        if (bits.IsExhausted)
        {
            return InflateEnd.Truncated;
        }

        var lengthCode = new Huffman();
        if (literals > 286 || distances > 30 || !lengthCode.TryBuild(lengths[..19]))
        {
            return InflateEnd.Damaged;
        }

        lengths.Clear();
        for (var at = 0; at < literals + distances;)
        {
            var symbol = lengthCode.Take(ref bits);
            var (value, repeat) = symbol switch
            {
                16 => (at > 0 ? lengths[at - 1] : (byte)255, 3 + bits.Take(2)),
                17 => ((byte)0, 3 + bits.Take(3)),
                18 => ((byte)0, 11 + bits.Take(7)),
                _ => ((byte)symbol, 1),
            };
            if (bits.IsExhausted)
            {
                return InflateEnd.Truncated;
            }

            if (symbol < 0 || value == 255 || at + repeat > literals + distances)
            {
                return InflateEnd.Damaged;
            }

            lengths.Slice(at, repeat).Fill(value);
            at += repeat;
        }

        var (literalCode, distanceCode) = (new Huffman(), new Huffman());
        return lengths[256] != 0 && literalCode.TryBuild(lengths[..literals]) && distanceCode.TryBuild(lengths.Slice(literals, distances))
            ? Block(ref bits, literalCode, distanceCode)
            : InflateEnd.Damaged;
    }

    private InflateEnd Block(ref BitReader bits, Huffman literals, Huffman distances)
    {
        while (true)
        {
            var symbol = literals.Take(ref bits);
            if (bits.IsExhausted)
            {
                return InflateEnd.Truncated;
            }

            if (symbol == 256)
            {
                return InflateEnd.Done;
            }

            if (symbol is < 0 or > 285)
            {
                return InflateEnd.Damaged;
            }

            if (symbol < 256)
            {
                if (Length >= maxOctets)
                {
                    return InflateEnd.TooLarge;
                }

                Room(1)[0] = (byte)symbol;
                Length++;
                continue;
            }

            var length = s_lengths[symbol - 257] + bits.Take(s_lengthBits[symbol - 257]);
            var code = distances.Take(ref bits);
            var distance = code is >= 0 and < 30 ? s_distances[code] + bits.Take(s_distanceBits[code]) : 0;
            if (bits.IsExhausted)
            {
                return InflateEnd.Truncated;
            }

            if (distance == 0 || distance > Length - _window)
            {
                return InflateEnd.Damaged;
            }

            var count = (int)Math.Min(length, maxOctets - Length);
            Repeat(distance, count);
            if (count < length)
            {
                return InflateEnd.TooLarge;
            }
        }
    }

    private void Repeat(int distance, int count)
    {
        var room = Room(count);
        var source = _output.AsSpan(Length - distance);
        if (distance >= count)
        {
            source[..count].CopyTo(room);
        }
        else
        {
            for (var i = 0; i < count; i++)
            {
                room[i] = source[i]; // the source grows as it is copied
            }
        }

        Length += count;
    }

    private Span<byte> Room(int count)
    {
        if (_output.Length - Length < count)
        {
            Array.Resize(ref _output, Math.Max(Length + count, (int)Math.Min(_output.Length * 2L, Array.MaxLength)));
        }

        return _output.AsSpan(Length);
    }

    /// <summary>Bits of octets, least significant first (RFC 1951 §3.1.1). Past the end come zeros and a note of it.</summary>
    internal ref struct BitReader(ReadOnlySpan<byte> input)
    {
        private readonly ReadOnlySpan<byte> _input = input;
        private uint _buffer;
        private int _count;
        private int _next;

        public bool IsExhausted { get; private set; }

        /// <summary>Octets begun.</summary>
        public readonly int Consumed => _next - (_count / 8);

        public int Take(int bits)
        {
            var value = Peek(bits);
            Drop(bits);
            return value;
        }

        /// <summary>The next bits, at most 16, with zeros for those behind the end.</summary>
        public int Peek(int bits)
        {
            while (_count < bits && _next < _input.Length)
            {
                _buffer |= (uint)_input[_next++] << _count;
                _count += 8;
            }

            return (int)(_buffer & ((1u << bits) - 1));
        }

        public void Drop(int bits)
        {
            IsExhausted |= bits > _count;
            _buffer >>= bits;
            _count = Math.Max(0, _count - bits);
        }

        public void AlignToOctet()
        {
            _next = Consumed;
            (_buffer, _count) = (0, 0);
        }

        public ReadOnlySpan<byte> Octets(int count)
        {
            AlignToOctet();
            var octets = _input.Slice(_next, Math.Min(count, _input.Length - _next));
            _next += octets.Length;
            return octets;
        }
    }

    /// <summary>A canonical Huffman code (RFC 1951 §3.2.2): short codes by a table, long ones bit by bit.</summary>
    internal sealed class Huffman
    {
        private readonly ushort[] _counts = new ushort[MaxBits + 1];
        private readonly ushort[] _short = new ushort[1 << ShortBits]; // symbol and length of the code the bits begin with; 0 for none
        private ushort[] _symbols = [];

        /// <summary>Builds the code.</summary>
        /// <returns><see langword="false"/> when the lengths are no prefix code. A code of one symbol may be incomplete.</returns>
        public bool TryBuild(ReadOnlySpan<byte> lengths)
        {
            _symbols = new ushort[lengths.Length];
            foreach (var length in lengths)
            {
                _counts[length]++;
            }

            var (used, next) = (lengths.Length - _counts[0], 0);
            _counts[0] = 0;
            var left = 1;
            Span<int> offsets = stackalloc int[MaxBits + 2];
            offsets.Clear();
            for (var bits = 1; bits <= MaxBits; bits++)
            {
                left = (left << 1) - _counts[bits];
                if (left < 0)
                {
                    return false;
                }

                offsets[bits + 1] = offsets[bits] + _counts[bits];
                next = FillShort(lengths, bits, next);
            }

            for (var symbol = 0; symbol < lengths.Length; symbol++)
            {
                if (lengths[symbol] != 0)
                {
                    _symbols[offsets[lengths[symbol]]++] = (ushort)symbol;
                }
            }

            return left == 0 || used <= 1 || (lengths.Length == 30 && used == 30);
        }

        /// <summary>Reads a symbol; -1 when the bits stand for none.</summary>
        public int Take(ref BitReader bits)
        {
            var peeked = bits.Peek(MaxBits);
            var entry = _short[peeked & ((1 << ShortBits) - 1)];
            if (entry != 0)
            {
                bits.Drop(entry & 0xF);
                return entry >> 4;
            }

            var (code, first, index) = (0, 0, 0);
            for (var length = 1; length <= MaxBits; length++)
            {
                code |= (peeked >> (length - 1)) & 1;
                int count = _counts[length];
                if (code - count < first)
                {
                    bits.Drop(length);
                    return _symbols[index + (code - first)];
                }

                index += count;
                first = (first + count) << 1;
                code <<= 1;
            }

            bits.Drop(MaxBits);
            return -1;
        }

        // Codes of one length are consecutive and come most significant bit first, the stream's bits least significant first.
        private int FillShort(ReadOnlySpan<byte> lengths, int bits, int code)
        {
            for (var symbol = 0; bits <= ShortBits && symbol < lengths.Length; symbol++)
            {
                if (lengths[symbol] != bits)
                {
                    continue;
                }

                var reversed = 0;
                for (var i = 0; i < bits; i++)
                {
                    reversed |= ((code >> i) & 1) << (bits - 1 - i);
                }

                for (var i = reversed; i < _short.Length; i += 1 << bits)
                {
                    _short[i] = (ushort)((symbol << 4) | bits);
                }

                code++;
            }

            return code << 1;
        }
    }
}
