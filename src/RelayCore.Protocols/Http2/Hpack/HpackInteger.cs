namespace RelayCore.Protocols.Http2.Hpack;

/// <summary>Integers with a prefix (RFC 7541 §5.1), 0 to 2,147,483,647.</summary>
internal static class HpackInteger
{
    /// <summary>Octets the longest integer takes: the prefix and five of seven bits.</summary>
    public const int MaxOctets = 6;

    /// <summary>Reads an integer.</summary>
    /// <param name="source">The block.</param>
    /// <param name="at">Offset of the octet with the prefix; behind the integer when there is no error.</param>
    /// <param name="mask">The bits of the prefix: 2^N - 1.</param>
    /// <param name="value">The integer.</param>
    /// <returns><see cref="HpackError.Truncated"/>, <see cref="HpackError.IntegerTooLarge"/> or none.</returns>
    public static HpackError Read(ReadOnlySpan<byte> source, ref int at, int mask, out int value)
    {
        value = 0;
        if ((uint)at >= (uint)source.Length)
        {
            return HpackError.Truncated;
        }

        value = source[at++] & mask;
        return value < mask ? HpackError.None : ReadLong(source, ref at, ref value);
    }

    /// <summary>Writes an integer.</summary>
    /// <param name="destination">At least <see cref="MaxOctets"/>.</param>
    /// <param name="pattern">The bits above the prefix.</param>
    /// <param name="mask">The bits of the prefix.</param>
    /// <param name="value">The integer, not negative.</param>
    /// <returns>Octets written.</returns>
    public static int Write(Span<byte> destination, int pattern, int mask, int value)
    {
        if (value < mask)
        {
            destination[0] = (byte)(pattern | value);
            return 1;
        }

        destination[0] = (byte)(pattern | mask);
        var at = 1;
        for (value -= mask; value >= 0x80; value >>= 7)
        {
            destination[at++] = (byte)(value | 0x80);
        }

        destination[at] = (byte)value;
        return at + 1;
    }

    private static HpackError ReadLong(ReadOnlySpan<byte> source, ref int at, ref int value)
    {
        var sum = (ulong)value;
        for (var shift = 0; shift < 35; shift += 7)
        {
            if (at == source.Length)
            {
                return HpackError.Truncated;
            }

            var octet = source[at++];
            sum += (ulong)(octet & 0x7F) << shift;
            if (sum > int.MaxValue)
            {
                return HpackError.IntegerTooLarge;
            }

            if (octet < 0x80)
            {
                value = (int)sum;
                return HpackError.None;
            }
        }

        // A sixth octet could only add zeros: nobody needs it, and an unbounded run of them would be work for nothing.
        return HpackError.IntegerTooLarge;
    }
}
