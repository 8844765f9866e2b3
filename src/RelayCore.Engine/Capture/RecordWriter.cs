using System.Numerics;
using System.Text;

namespace RelayCore.Engine.Capture;

/// <summary>Writes the values of a record into a span. What does not fit is left out and reported by <see cref="Overflowed"/>.</summary>
internal ref struct RecordWriter(Span<byte> destination)
{
    private readonly Span<byte> _destination = destination;

    /// <summary>Octets written.</summary>
    public int Position { get; private set; }

    /// <summary>Whether something did not fit; the whole is then to be written again with more room.</summary>
    public bool Overflowed { get; private set; }

    public void Octet(byte value)
    {
        if (Fits(1))
        {
            _destination[Position++] = value;
        }
    }

    /// <summary>An unsigned LEB128 number, 1 to 10 octets.</summary>
    public void Number(ulong value)
    {
        if (!Fits(LengthOf(value)))
        {
            return;
        }

        while (value >= 0x80)
        {
            _destination[Position++] = (byte)(value | 0x80);
            value >>= 7;
        }

        _destination[Position++] = (byte)value;
    }

    /// <summary>A number that is -1 for unknown.</summary>
    public void OptionalNumber(long value) => Number((ulong)(value + 1));

    public void Octets(scoped ReadOnlySpan<byte> value)
    {
        if (Fits(value.Length))
        {
            value.CopyTo(_destination[Position..]);
            Position += value.Length;
        }
    }

    /// <summary>Octets behind their length.</summary>
    public void Block(scoped ReadOnlySpan<byte> value)
    {
        Number((ulong)value.Length);
        Octets(value);
    }

    /// <summary>UTF-8 behind its length plus one; 0 stands for <see langword="null"/>.</summary>
    public void Text(string? value)
    {
        if (value is null)
        {
            Number(0);
            return;
        }

        var length = Encoding.UTF8.GetByteCount(value);
        Number((ulong)length + 1);
        if (Fits(length))
        {
            Position += Encoding.UTF8.GetBytes(value, _destination[Position..]);
        }
    }

    public void Texts(IReadOnlyList<string> values)
    {
        Number((ulong)values.Count);
        for (var i = 0; i < values.Count; i++)
        {
            Text(values[i]);
        }
    }

    // Seven bits an octet; 0 still takes one.
    private static int LengthOf(ulong value) => ((70 - BitOperations.LeadingZeroCount(value | 1)) * 37) >> 8;

    private bool Fits(int length)
    {
        if (Overflowed || length > _destination.Length - Position)
        {
            Overflowed = true;
        }

        return !Overflowed;
    }
}

/// <summary>Reads what <see cref="RecordWriter"/> wrote.</summary>
internal ref struct RecordReader(ReadOnlySpan<byte> source)
{
    private ReadOnlySpan<byte> _rest = source;

    public readonly bool IsEnd => _rest.IsEmpty;

    /// <summary>What is left.</summary>
    public readonly ReadOnlySpan<byte> Rest => _rest;

    public byte Octet()
    {
        var value = _rest[0];
        _rest = _rest[1..];
        return value;
    }

    public ulong Number()
    {
        var (value, shift) = (0UL, 0);
        while (true)
        {
            var octet = Octet();
            value |= (ulong)(octet & 0x7F) << shift;
            if (octet < 0x80)
            {
                return value;
            }

            shift += 7;
        }
    }

    public long OptionalNumber() => (long)Number() - 1;

    public ReadOnlySpan<byte> Octets(int length)
    {
        var value = _rest[..length];
        _rest = _rest[length..];
        return value;
    }

    public ReadOnlySpan<byte> Block() => Octets((int)Number());

    public string? Text()
    {
        var length = Number();
        return length == 0 ? null : Encoding.UTF8.GetString(Octets((int)length - 1));
    }

    /// <summary>The octets of a text; empty when it is <see langword="null"/>.</summary>
    public ReadOnlySpan<byte> TextOctets()
    {
        var length = Number();
        return length == 0 ? [] : Octets((int)length - 1);
    }

    public string[] Texts()
    {
        var values = new string[(int)Number()];
        for (var i = 0; i < values.Length; i++)
        {
            values[i] = Text() ?? "";
        }

        return values;
    }

    /// <summary>Takes a section off the front of a record.</summary>
    public bool TryTakeSection(out SectionTag tag, out RecordReader payload)
    {
        if (_rest.Length < SectionHeader.Octets)
        {
            tag = SectionTag.None;
            payload = default;
            return false;
        }

        tag = (SectionTag)_rest[0];
        var length = SectionHeader.Length(_rest);
        payload = new(_rest.Slice(SectionHeader.Octets, length));
        _rest = _rest[(SectionHeader.Octets + length)..];
        return true;
    }
}

/// <summary>Tag and length in front of a section.</summary>
internal static class SectionHeader
{
    public const int Octets = 4;
    public const int MaxLength = 0xFFFFFF;

    public static void Write(Span<byte> destination, SectionTag tag, int length)
    {
        destination[3] = (byte)(length >> 16);
        destination[2] = (byte)(length >> 8);
        destination[1] = (byte)length;
        destination[0] = (byte)tag;
    }

    public static int Length(ReadOnlySpan<byte> header) => header[1] | (header[2] << 8) | (header[3] << 16);
}
