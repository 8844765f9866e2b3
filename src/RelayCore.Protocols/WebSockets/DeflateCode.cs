namespace RelayCore.Protocols.WebSockets;

/// <summary>
/// A canonical Huffman code of DEFLATE (RFC 1951 §3.2.2), rebuilt for each block: codes of up to ten bits by a table, longer ones bit by bit.
/// </summary>
internal sealed class DeflateCode
{
    public const int MaxBits = 15;
    private const int ShortBits = 10;

    private readonly ushort[] _counts = new ushort[MaxBits + 1];
    private readonly ushort[] _short = new ushort[1 << ShortBits]; // symbol and length of the code the bits begin with; 0 for none
    private readonly ushort[] _symbols = new ushort[288];

    /// <summary>Builds the code.</summary>
    /// <param name="lengths">Length of each symbol's code in bits, 0 for none; at most 288.</param>
    /// <returns>
    /// <see langword="false"/> when that is no complete prefix code. No code at all, and one of a single bit, are let pass as everybody does.
    /// </returns>
    public bool TryBuild(ReadOnlySpan<byte> lengths)
    {
        _counts.AsSpan().Clear();
        _short.AsSpan().Clear();
        foreach (var length in lengths)
        {
            _counts[length]++;
        }

        _counts[0] = 0;
        Span<ushort> next = stackalloc ushort[MaxBits + 2];
        Span<ushort> offsets = stackalloc ushort[MaxBits + 2];
        (next[0], next[1], offsets[0], offsets[1]) = (0, 0, 0, 0);
        var (left, longest) = (1, 0);
        for (var bits = 1; bits <= MaxBits; bits++)
        {
            left = (left << 1) - _counts[bits];
            if (left < 0)
            {
                return false;
            }

            longest = _counts[bits] > 0 ? bits : longest;
            next[bits + 1] = (ushort)((next[bits] + _counts[bits]) << 1);
            offsets[bits + 1] = (ushort)(offsets[bits] + _counts[bits]);
        }

        if (left > 0 && longest > 1)
        {
            return false;
        }

        for (var symbol = 0; symbol < lengths.Length; symbol++)
        {
            int length = lengths[symbol];
            if (length != 0)
            {
                _symbols[offsets[length]++] = (ushort)symbol;
                Fill(symbol, length, next[length]++);
            }
        }

        return true;
    }

    /// <summary>The symbol the bits begin with.</summary>
    /// <param name="bits">The next bits, first one lowest; zeros behind the end.</param>
    /// <param name="length">Bits of its code: more than there are means that more are needed.</param>
    /// <returns>The symbol; -1 when no code begins so.</returns>
    public int Find(ulong bits, out int length)
    {
        var entry = _short[(int)bits & ((1 << ShortBits) - 1)];
        if (entry != 0)
        {
            length = entry & 0xF;
            return entry >> 4;
        }

        var (code, first, index) = (0, 0, 0);
        for (length = 1; length <= MaxBits; length++)
        {
            code |= (int)(bits >> (length - 1)) & 1;
            int count = _counts[length];
            if (code - count < first)
            {
                return _symbols[index + (code - first)];
            }

            index += count;
            first = (first + count) << 1;
            code <<= 1;
        }

        length = MaxBits;
        return -1;
    }

    // Codes come most significant bit first, the stream's bits least significant first.
    private void Fill(int symbol, int length, int code)
    {
        if (length > ShortBits)
        {
            return;
        }

        var reversed = 0;
        for (var i = 0; i < length; i++)
        {
            reversed |= ((code >> i) & 1) << (length - 1 - i);
        }

        var entry = (ushort)((symbol << 4) | length);
        for (var i = reversed; i < _short.Length; i += 1 << length)
        {
            _short[i] = entry;
        }
    }
}
