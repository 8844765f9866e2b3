using System.Buffers.Binary;

namespace RelayCore.Formats;

/// <summary>Decodes gzip (RFC 1952), all its members, and zlib (RFC 1950), with their checks.</summary>
internal static class GzipAndZlib
{
    private static readonly uint[] s_crc = CrcTable();

    /// <summary>Decodes gzip.</summary>
    public static ReadOnlyMemory<byte> DecodeGzip(ReadOnlySpan<byte> octets, long maxOctets, out string? problem)
    {
        var inflater = new Inflater(maxOctets);
        problem = null;
        while (true)
        {
            var start = inflater.Length;
            var header = HeaderLength(octets);
            if (header <= 0)
            {
                problem = header < 0 ? "damaged header" : "ends in the middle of the header";
                return inflater.Output;
            }

            var end = inflater.Decode(octets[header..], out var consumed);
            problem = Problem(end, maxOctets);
            if (problem is not null)
            {
                return inflater.Output;
            }

            octets = octets[(header + consumed)..];
            if (octets.Length < 8)
            {
                problem = "ends before the checksum";
                return inflater.Output;
            }

            var member = inflater.Output.Span[start..];
            if (BinaryPrimitives.ReadUInt32LittleEndian(octets) != Crc(member) || BinaryPrimitives.ReadInt32LittleEndian(octets[4..]) != member.Length)
            {
                problem = "checksum does not match";
                return inflater.Output;
            }

            octets = octets[8..];
            if (octets.IndexOfAnyExcept((byte)0) < 0)
            {
                return inflater.Output; // padding with zeros is customary (gzip manual)
            }

            if (octets[0] != 0x1F)
            {
                problem = $"{octets.Length} octets behind the end";
                return inflater.Output;
            }
        }
    }

    /// <summary>Decodes the deflate coding: zlib, or the bare form many servers send (RFC 9110 §8.4.1.2).</summary>
    public static ReadOnlyMemory<byte> DecodeDeflate(ReadOnlySpan<byte> octets, long maxOctets, out string? problem)
    {
        // RFC 1950 §2.2: method 8, and both octets together a multiple of 31.
        if (octets.Length < 2 || (octets[0] & 0x0F) != 8 || ((octets[0] << 8) | octets[1]) % 31 != 0)
        {
            return DecodeBare(octets, maxOctets, out problem);
        }

        var (inflater, consumed) = (new Inflater(maxOctets), 0);
        problem = (octets[1] & 0x20) != 0 ? "needs a preset dictionary" : Problem(inflater.Decode(octets[2..], out consumed), maxOctets);
        if (problem is null)
        {
            var rest = octets[(2 + consumed)..];
            problem = rest.Length < 4 ? "ends before the checksum"
                : BinaryPrimitives.ReadUInt32BigEndian(rest) != Adler(inflater.Output.Span) ? "checksum does not match"
                : rest.Length > 4 ? $"{rest.Length - 4} octets behind the end"
                : null;
        }
        else if (inflater.Length == 0)
        {
            // A bare stream may begin like a zlib header by chance.
            var bare = DecodeBare(octets, maxOctets, out var other);
            if (other is null)
            {
                problem = null;
                return bare;
            }
        }

        return inflater.Output;
    }

    private static ReadOnlyMemory<byte> DecodeBare(ReadOnlySpan<byte> octets, long maxOctets, out string? problem)
    {
        var inflater = new Inflater(maxOctets);
        problem = Problem(inflater.Decode(octets, out var consumed), maxOctets);
        problem ??= consumed < octets.Length ? $"{octets.Length - consumed} octets behind the end" : null;
        return inflater.Output;
    }

    private static string? Problem(InflateEnd end, long maxOctets) => end switch
    {
        InflateEnd.Done => null,
        InflateEnd.Truncated => "ends in the middle",
        InflateEnd.TooLarge => ContentCodings.TooLarge(maxOctets),
        _ => "damaged",
    };

    /// <summary>Octets of a member's header (RFC 1952 §2.3); 0 when it is not whole, -1 when it is none.</summary>
    private static int HeaderLength(ReadOnlySpan<byte> octets)
    {
        if (octets.Length >= 1 && octets[0] != 0x1F || octets.Length >= 2 && octets[1] != 0x8B || octets.Length >= 3 && octets[2] != 8)
        {
            return -1;
        }

        if (octets.Length < 10)
        {
            return 0;
        }

        var (flags, at) = (octets[3], 10);
        if ((flags & 4) != 0)
        {
            at += octets.Length < at + 2 ? octets.Length : 2 + BinaryPrimitives.ReadUInt16LittleEndian(octets[at..]);
        }

        foreach (var text in (ReadOnlySpan<int>)[8, 16])
        {
            if ((flags & text) != 0 && at < octets.Length)
            {
                var end = octets[at..].IndexOf((byte)0);
                at = end < 0 ? octets.Length + 1 : at + end + 1;
            }
        }

        at += (flags & 2) != 0 ? 2 : 0;
        return at > octets.Length ? 0 : at;
    }

    private static uint Adler(ReadOnlySpan<byte> octets)
    {
        var (a, b) = (1u, 0u);
        while (!octets.IsEmpty)
        {
            var count = Math.Min(octets.Length, 5552); // as many as fit before 32 bits overflow
            foreach (var octet in octets[..count])
            {
                a += octet;
                b += a;
            }

            (a, b) = (a % 65521, b % 65521);
            octets = octets[count..];
        }

        return (b << 16) | a;
    }

    private static uint Crc(ReadOnlySpan<byte> octets)
    {
        var crc = uint.MaxValue;
        foreach (var octet in octets)
        {
            crc = s_crc[(byte)(crc ^ octet)] ^ (crc >> 8);
        }

        return ~crc;
    }

    private static uint[] CrcTable()
    {
        var table = new uint[256];
        for (var i = 0u; i < 256; i++)
        {
            var value = i;
            for (var bit = 0; bit < 8; bit++)
            {
                value = (value & 1) != 0 ? 0xEDB88320 ^ (value >> 1) : value >> 1;
            }

            table[i] = value;
        }

        return table;
    }
}
