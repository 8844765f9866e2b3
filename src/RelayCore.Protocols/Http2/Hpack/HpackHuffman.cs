using System.Buffers;
using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace RelayCore.Protocols.Http2.Hpack;

/// <summary>The Huffman code of RFC 7541 §5.2 and Appendix B.</summary>
/// <remarks>
/// The code is canonical: codes of one length are consecutive in the order of their symbols, and longer codes follow shorter ones. So it is
/// kept as lengths alone, and all tables are made from them.
/// </remarks>
internal static class HpackHuffman
{
    private const int LookupBits = 12;
    private const int MaxBits = 30;
    private const int EndOfString = 256;

    // The symbols 256 and above of a decoding entry do not exist; these are its fields.
    private const int SecondShift = 8;
    private const int FirstBitsShift = 16;
    private const int BitsShift = 21;
    private const int CountShift = 26;

    /// <summary>Code length of each symbol, in bits; the last is EOS.</summary>
    private static readonly byte[] s_bits =
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

    /// <summary>Symbols in the order of their codes.</summary>
    private static readonly ushort[] s_symbols = new ushort[257];

    /// <summary>By length: the first code of it, left-aligned in 32 bits.</summary>
    private static readonly uint[] s_firstCode = new uint[MaxBits + 1];

    /// <summary>By length: where its symbols begin in <see cref="s_symbols"/>.</summary>
    private static readonly int[] s_firstSymbol = new int[MaxBits + 1];

    /// <summary>By symbol: the code in the upper and its length in the lower half.</summary>
    private static readonly ulong[] s_codes = new ulong[257];

    /// <summary>By the next bits: one or two symbols, the bits of the first, the bits of all, and how many they are; 0 when the code is longer.</summary>
    private static readonly uint[] s_lookup = new uint[1 << LookupBits];

    static HpackHuffman()
    {
        var (code, at) = (0UL, 0);
        for (var bits = 1; bits <= MaxBits; bits++)
        {
            s_firstCode[bits] = (uint)(code << (32 - bits));
            s_firstSymbol[bits] = at;
            for (var symbol = 0; symbol < s_bits.Length; symbol++)
            {
                if (s_bits[symbol] == bits)
                {
                    s_symbols[at++] = (ushort)symbol;
                    s_codes[symbol] = (code++ << 32) | (uint)bits;
                }
            }

            code <<= 1;
        }

        for (var next = 0; next < s_lookup.Length; next++)
        {
            var (first, firstBits) = ReadOne((uint)next << (32 - LookupBits));
            if (firstBits > LookupBits)
            {
                continue;
            }

            var (second, secondBits) = ReadOne((uint)next << (32 - LookupBits + firstBits));
            s_lookup[next] = firstBits + secondBits <= LookupBits
                ? Entry(first, second, firstBits, firstBits + secondBits, 2)
                : Entry(first, 0, firstBits, firstBits, 1);
        }
    }

    /// <summary>The most octets <paramref name="length"/> encoded octets can decode to: the shortest code has five bits.</summary>
    public static int MaxDecodedOctets(int length) => (int)Math.Min(int.MaxValue, length * 8L / 5);

    /// <summary>Octets a string takes when encoded.</summary>
    public static int EncodedOctets(ReadOnlySpan<byte> source)
    {
        var bits = 0L;
        foreach (var octet in source)
        {
            bits += s_bits[octet];
        }

        return (int)Math.Min(int.MaxValue, (bits + 7) >> 3);
    }

    /// <summary>Encodes a string.</summary>
    /// <param name="source">The string.</param>
    /// <param name="destination">At least <see cref="EncodedOctets"/>.</param>
    /// <returns>Octets written.</returns>
    public static int Encode(ReadOnlySpan<byte> source, Span<byte> destination)
    {
        var (pending, bits, at) = (0UL, 0, 0);
        foreach (var octet in source)
        {
            var code = s_codes[octet];
            var length = (int)(uint)code;
            pending = (pending << length) | (code >> 32);
            bits += length;
            if (bits >= 32)
            {
                bits -= 32;
                BinaryPrimitives.WriteUInt32BigEndian(destination[at..], (uint)(pending >> bits));
                at += 4;
            }
        }

        for (; bits >= 8; at++)
        {
            bits -= 8;
            destination[at] = (byte)(pending >> bits);
        }

        if (bits > 0)
        {
            // Padding is the beginning of EOS, which is all ones (§5.2).
            destination[at++] = (byte)((pending << (8 - bits)) | (0xFFU >> bits));
        }

        return at;
    }

    /// <summary>Decodes a string.</summary>
    /// <param name="source">The whole string.</param>
    /// <param name="destination">Receives it; <see cref="MaxDecodedOctets"/> are always enough.</param>
    /// <param name="written">Octets of it.</param>
    /// <returns>
    /// <see cref="OperationStatus.Done"/>; <see cref="OperationStatus.DestinationTooSmall"/>; or <see cref="OperationStatus.InvalidData"/>
    /// for the EOS symbol and for padding that is 8 bits or more, or not of ones.
    /// </returns>
    public static OperationStatus Decode(ReadOnlySpan<byte> source, Span<byte> destination, out int written)
    {
        var (window, bits, read, at) = (0UL, 0, 0, 0); // the next bits are the highest of the window
        var lookup = s_lookup;

        // While eight octets can be read and two symbols written nothing needs a second look.
        while (source.Length - read >= 8 && destination.Length - at >= 8)
        {
            window |= BinaryPrimitives.ReadUInt64BigEndian(source[read..]) >> bits;
            read += (63 - bits) >> 3;
            bits |= 56;

            // At least 56 bits and 8 octets of room: four times twelve and two at most.
            ref var target = ref MemoryMarshal.GetReference(destination[at..]);
            var count = 0;
            uint entry = 0;
            for (var turn = 0; turn < 4; turn++)
            {
                entry = lookup[(int)(window >> (64 - LookupBits))];
                if (entry == 0)
                {
                    break;
                }

                Unsafe.Add(ref target, count) = (byte)entry;
                Unsafe.Add(ref target, count + 1) = (byte)(entry >> SecondShift);
                count += (int)(entry >> CountShift);
                var taken = (int)(entry >> BitsShift) & 31;
                window <<= taken;
                bits -= taken;
            }

            at += count;
            if (entry != 0)
            {
                continue;
            }

            if (bits >= MaxBits)
            {
                var (symbol, taken) = ReadOne((uint)(window >> 32));
                if (symbol == EndOfString)
                {
                    written = at;
                    return OperationStatus.InvalidData;
                }

                if (at == destination.Length)
                {
                    break;
                }

                destination[at++] = (byte)symbol;
                window <<= taken;
                bits -= taken;
            }
        }

        return DecodeEnd(source[read..], window, bits, destination, at, out written);
    }

    // The last octets. Bits behind the end are read as ones, so that only padding can look like a code that is too long.
    private static OperationStatus DecodeEnd(ReadOnlySpan<byte> source, ulong window, int bits, Span<byte> destination, int at, out int written)
    {
        // The lowest bits of the window may hold a part of an octet that was not counted as read.
        window = bits == 0 ? 0 : window & (ulong.MaxValue << (64 - bits));
        var read = 0;
        while (true)
        {
            for (; bits <= 56 && read < source.Length; bits += 8)
            {
                window |= (ulong)source[read++] << (56 - bits);
            }

            written = at;
            if (bits == 0)
            {
                return OperationStatus.Done;
            }

            var next = bits < 64 ? window | (ulong.MaxValue >> bits) : window;
            var entry = s_lookup[(int)(next >> (64 - LookupBits))];
            var taken = (int)(entry >> BitsShift) & 31;
            if (entry >> CountShift == 2 && taken <= bits && destination.Length - at >= 2)
            {
                destination[at] = (byte)entry;
                destination[at + 1] = (byte)(entry >> SecondShift);
                at += 2;
            }
            else
            {
                (var symbol, taken) = entry == 0 ? ReadOne((uint)(next >> 32)) : ((byte)entry, (int)(entry >> FirstBitsShift) & 31);
                if (taken > bits)
                {
                    return bits < 8 && window >> (64 - bits) == (1UL << bits) - 1 ? OperationStatus.Done : OperationStatus.InvalidData;
                }

                if (symbol == EndOfString)
                {
                    return OperationStatus.InvalidData;
                }

                if (at == destination.Length)
                {
                    return OperationStatus.DestinationTooSmall;
                }

                destination[at++] = (byte)symbol;
            }

            window <<= taken;
            bits -= taken;
        }
    }

    /// <summary>The code at the highest bits. Lengths without codes begin where the next length does, so they are passed over.</summary>
    private static (int Symbol, int Bits) ReadOne(uint next)
    {
        var bits = 5;
        while (bits < MaxBits && next >= s_firstCode[bits + 1])
        {
            bits++;
        }

        return (s_symbols[s_firstSymbol[bits] + (int)((next - s_firstCode[bits]) >> (32 - bits))], bits);
    }

    private static uint Entry(int first, int second, int firstBits, int bits, int count) =>
        (uint)first | ((uint)second << SecondShift) | ((uint)firstBits << FirstBitsShift) | ((uint)bits << BitsShift) | ((uint)count << CountShift);
}
