using System.Buffers.Binary;
using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;

namespace RelayCore.Core.Flows;

/// <summary>Identity of a flow: a UUIDv7 (RFC 9562 §5.7), so ids sort by start time and survive storage.</summary>
/// <param name="Value">The UUID.</param>
public readonly record struct FlowId(Guid Value) : IComparable<FlowId>
{
    [ThreadStatic]
    private static RandomBlock? s_random;

    /// <summary>Whether this is no flow.</summary>
    public bool IsEmpty => Value == Guid.Empty;

    /// <summary>Makes an id that sorts behind those of earlier ticks: 12 of its bits are the fraction of the millisecond (RFC 9562 §6.2, method 3).</summary>
    /// <param name="startedAt">Start time.</param>
    public static FlowId Create(DateTimeOffset startedAt)
    {
        var fraction = (int)(startedAt.UtcTicks % TimeSpan.TicksPerMillisecond * 4096 / TimeSpan.TicksPerMillisecond);
        Span<byte> octets = stackalloc byte[16];
        Fill(octets, startedAt.ToUnixTimeMilliseconds());
        octets[6] = (byte)(0x70 | (fraction >> 8));
        octets[7] = (byte)fraction;
        return new(new Guid(octets, bigEndian: true));
    }

    /// <summary>Makes an id whose order within its millisecond is left to chance.</summary>
    /// <param name="unixMilliseconds">Start time, milliseconds since 1970 UTC.</param>
    public static FlowId Create(long unixMilliseconds)
    {
        Span<byte> octets = stackalloc byte[16];
        Fill(octets, unixMilliseconds);
        return new(new Guid(octets, bigEndian: true));
    }

    private static void Fill(Span<byte> octets, long unixMilliseconds)
    {
        (s_random ??= new()).Take(octets[6..]);
        BinaryPrimitives.WriteInt16BigEndian(octets, (short)(unixMilliseconds >> 32));
        BinaryPrimitives.WriteInt32BigEndian(octets[2..], (int)unixMilliseconds);
        octets[6] = (byte)((octets[6] & 0x0F) | 0x70);
        octets[8] = (byte)((octets[8] & 0x3F) | 0x80);
    }

    /// <summary>Reads the textual form of a UUID.</summary>
    public static bool TryParse([NotNullWhen(true)] string? text, out FlowId id)
    {
        var parsed = Guid.TryParse(text, out var value);
        id = new(value);
        return parsed;
    }

    /// <inheritdoc/>
    public int CompareTo(FlowId other) => Value.CompareTo(other.Value);

    /// <summary>The textual form: 36 characters, lower case.</summary>
    public override string ToString() => Value.ToString("D");

    /// <summary>Less than, by time.</summary>
    public static bool operator <(FlowId left, FlowId right) => left.CompareTo(right) < 0;

    /// <summary>Greater than, by time.</summary>
    public static bool operator >(FlowId left, FlowId right) => left.CompareTo(right) > 0;

    /// <summary>Less than or equal, by time.</summary>
    public static bool operator <=(FlowId left, FlowId right) => left.CompareTo(right) <= 0;

    /// <summary>Greater than or equal, by time.</summary>
    public static bool operator >=(FlowId left, FlowId right) => left.CompareTo(right) >= 0;

    // The system's generator costs a system call each time; a block serves some hundred flows.
    private sealed class RandomBlock
    {
        private readonly byte[] _octets = new byte[4096];
        private int _used = 4096;

        public void Take(Span<byte> destination)
        {
            if (_used + destination.Length > _octets.Length)
            {
                RandomNumberGenerator.Fill(_octets);
                _used = 0;
            }

            _octets.AsSpan(_used, destination.Length).CopyTo(destination);
            _used += destination.Length;
        }
    }
}
