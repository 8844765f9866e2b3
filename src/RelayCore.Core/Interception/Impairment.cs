using System.Globalization;

namespace RelayCore.Core.Interception;

/// <summary>Framing of HTTP/1 that is wrong on purpose.</summary>
public enum MalformedFraming : byte
{
    /// <summary>Right.</summary>
    None,

    /// <summary>Content-Length says 1,000 octets more than come; then the connection ends.</summary>
    ContentLengthLong,

    /// <summary>Content-Length says one octet less than come (none becomes none).</summary>
    ContentLengthShort,

    /// <summary>A second Content-Length says another number.</summary>
    DoubleContentLength,

    /// <summary>The first chunk size is no number.</summary>
    BadChunkSize,

    /// <summary>The last chunk and the trailers do not come; the connection ends instead.</summary>
    MissingLastChunk,

    /// <summary>The first line is not one of HTTP.</summary>
    BadStatusLine,
}

/// <summary>
/// What happens on purpose to one message on its way to its receiver: delays, a pace, missing or wrong octets, an early end. The message keeps its
/// framing; interceptors set it on <see cref="Exchange.RequestImpairment"/> and <see cref="Exchange.ResponseImpairment"/> before the head goes out, adding
/// to what is there by <c>with</c>. Immutable. Time-outs of the proxy do not count what it waits on purpose.
/// </summary>
/// <remarks>
/// Counts are octets of body data, chunk framing not counted. What is decided by chance is decided by <see cref="Seed"/> and the place in the
/// body alone, so that the same seed hits the same octets however they arrive. Not applied behind a switch of protocol (CONNECT, WebSocket),
/// nor to error pages of the proxy.
/// </remarks>
public sealed record Impairment
{
    /// <summary>Longest time for which nothing is sent on purpose, also when no end is given: 1 hour. Breach: the receiver is reset.</summary>
    public static readonly TimeSpan MaxWait = TimeSpan.FromHours(1);

    /// <summary>Nothing happens.</summary>
    public static Impairment None { get; } = new();

    /// <summary>Who did it, for the flow.</summary>
    public string Actor { get; init; } = "impairment";

    /// <summary>Rates the body keeps to, all of them.</summary>
    public IReadOnlyList<TokenBucket> Paces { get; init; } = [];

    /// <summary>Wait before the first octet of the head.</summary>
    public TimeSpan HeadDelay { get; init; }

    /// <summary>Octets of the head that are sent at a time; 0 for all at once. HTTP/2 sends a head whole, after the time the pieces would take.</summary>
    public int HeadPieceOctets { get; init; }

    /// <summary>Wait between two pieces of the head.</summary>
    public TimeSpan HeadInterval { get; init; }

    /// <summary>Wait before the first octet of the body.</summary>
    public TimeSpan BodyDelay { get; init; }

    /// <summary>Octets of the body that are sent at a time; 0 for as they come.</summary>
    public int BodyPieceOctets { get; init; }

    /// <summary>Wait between two such pieces.</summary>
    public TimeSpan BodyInterval { get; init; }

    /// <summary>Octets of the body behind which nothing is sent for <see cref="StallFor"/>; <see langword="null"/> for no stall.</summary>
    public long? StallAfter { get; init; }

    /// <summary>How long; <see cref="Timeout.InfiniteTimeSpan"/> until the peer gives up, at most <see cref="MaxWait"/>.</summary>
    public TimeSpan StallFor { get; init; } = Timeout.InfiniteTimeSpan;

    /// <summary>
    /// Octets of the body behind which the message ends in order: HTTP/1 ends the connection by FIN, HTTP/2 the stream by END_STREAM.
    /// A body that is not longer comes whole.
    /// </summary>
    public long? TruncateAfter { get; init; }

    /// <summary>Octets of the body behind which the receiver is reset: HTTP/1 by RST, HTTP/2 by RST_STREAM. A body that is not longer comes whole.</summary>
    public long? ResetAfter { get; init; }

    /// <summary>Probability that an octet of the body has one wrong bit, 0 to 1.</summary>
    public double CorruptRate { get; init; }

    /// <summary>Probability that a piece of <see cref="LossPieceOctets"/> of the body is left out, 0 to 1. A length said before stays as it is.</summary>
    public double LossRate { get; init; }

    /// <summary>Octets that are lost together; 1460, what a TCP segment holds, unless said.</summary>
    public int LossPieceOctets { get; init; } = 1460;

    /// <summary>What decides.</summary>
    public ulong Seed { get; init; }

    /// <summary>Framing that is wrong; HTTP/1 only.</summary>
    public MalformedFraming Malformed { get; init; }

    /// <summary>Whether octets of the body change or go missing.</summary>
    public bool AltersBody => CorruptRate > 0 || LossRate > 0 || TruncateAfter is not null || ResetAfter is not null;

    /// <summary>The number that decides about one place in the body, the same for the same seed: 0 up to, not including, 1.</summary>
    /// <param name="seed">What decides.</param>
    /// <param name="place">The place.</param>
    public static double Chance(ulong seed, ulong place) => (Mix(seed + ((place + 1) * 0x9E3779B97F4A7C15)) >> 11) * (1.0 / (1UL << 53));

    /// <summary>A well-spread number from another one (SplitMix64).</summary>
    public static ulong Mix(ulong value)
    {
        value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9;
        value = (value ^ (value >> 27)) * 0x94D049BB133111EB;
        return value ^ (value >> 31);
    }

    /// <summary>What happens, in one line.</summary>
    public string Describe()
    {
        var parts = new List<string>();
        Add(HeadDelay > TimeSpan.Zero, $"head after {HeadDelay.TotalMilliseconds:0.###} ms");
        Add(HeadPieceOctets > 0, $"head by {HeadPieceOctets} octets every {HeadInterval.TotalMilliseconds:0.###} ms");
        Add(BodyDelay > TimeSpan.Zero, $"body after {BodyDelay.TotalMilliseconds:0.###} ms");
        Add(BodyPieceOctets > 0, $"body by {BodyPieceOctets} octets every {BodyInterval.TotalMilliseconds:0.###} ms");
        foreach (var pace in Paces)
        {
            Add(true, $"{pace.OctetsPerSecond} octets/s");
        }

        Add(StallAfter is not null, $"stall behind {StallAfter}");
        Add(TruncateAfter is not null, $"end behind {TruncateAfter}");
        Add(ResetAfter is not null, $"reset behind {ResetAfter}");
        Add(CorruptRate > 0, $"wrong bits {CorruptRate}");
        Add(LossRate > 0, $"loss {LossRate}");
        Add(Malformed != MalformedFraming.None, $"malformed: {Malformed}");
        return string.Join(", ", parts);

        void Add(bool isSo, FormattableString text)
        {
            if (isSo)
            {
                parts.Add(text.ToString(CultureInfo.InvariantCulture));
            }
        }
    }
}
