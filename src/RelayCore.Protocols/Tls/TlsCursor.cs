using System.Buffers.Binary;

namespace RelayCore.Protocols.Tls;

/// <summary>Reads the presentation language of RFC 8446 §3 from front to back; every read says whether it fitted.</summary>
internal ref struct TlsCursor(ReadOnlySpan<byte> source)
{
    private ReadOnlySpan<byte> _rest = source;

    public readonly bool IsEmpty => _rest.IsEmpty;

    public bool TryReadOctets(int count, out ReadOnlySpan<byte> octets)
    {
        if (_rest.Length < count)
        {
            octets = default;
            return false;
        }

        octets = _rest[..count];
        _rest = _rest[count..];
        return true;
    }

    public bool TryReadByte(out byte value)
    {
        var fits = TryReadOctets(1, out var octets);
        value = fits ? octets[0] : default;
        return fits;
    }

    public bool TryReadUInt16(out ushort value)
    {
        var fits = TryReadOctets(2, out var octets);
        value = fits ? BinaryPrimitives.ReadUInt16BigEndian(octets) : default;
        return fits;
    }

    /// <summary>A vector whose length is one octet.</summary>
    public bool TryReadVector8(out ReadOnlySpan<byte> content)
    {
        content = default;
        return TryReadByte(out var length) && TryReadOctets(length, out content);
    }

    /// <summary>A vector whose length is two octets.</summary>
    public bool TryReadVector16(out ReadOnlySpan<byte> content)
    {
        content = default;
        return TryReadUInt16(out var length) && TryReadOctets(length, out content);
    }

    /// <summary>The whole content as numbers of two octets; <see langword="null"/> when it is empty or odd.</summary>
    public static ushort[]? Numbers(ReadOnlySpan<byte> content)
    {
        if (content.IsEmpty || (content.Length & 1) != 0)
        {
            return null;
        }

        var numbers = new ushort[content.Length / 2];
        for (var index = 0; index < numbers.Length; index++)
        {
            numbers[index] = BinaryPrimitives.ReadUInt16BigEndian(content[(2 * index)..]);
        }

        return numbers;
    }
}
