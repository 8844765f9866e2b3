namespace RelayCore.Core.Interception;

/// <summary>
/// A rate in octets a second, for one flow or for many at a time. Whoever sends takes small pieces in turn and waits for each, so that all who
/// share it get the same. Holds no queue: who gave up while waiting has lost one piece of the rate. Safe for concurrent use.
/// </summary>
public sealed class TokenBucket
{
    private const int MaxQuantum = 16 * 1024;

    private readonly Lock _gate = new();
    private readonly TimeProvider _time;
    private readonly long _burstTicks;
    private long _paid;
    private long _fraction;

    /// <param name="octetsPerSecond">The rate, 1 to 10^12.</param>
    /// <param name="burstOctets">Octets that may go at once behind a pause; 0 for none.</param>
    /// <param name="time">Clock.</param>
    public TokenBucket(long octetsPerSecond, long burstOctets, TimeProvider time)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(octetsPerSecond, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(octetsPerSecond, 1_000_000_000_000);
        ArgumentOutOfRangeException.ThrowIfNegative(burstOctets);
        (OctetsPerSecond, _time) = (octetsPerSecond, time);
        _burstTicks = (long)Math.Min((double)burstOctets * time.TimestampFrequency / octetsPerSecond, long.MaxValue / 4);
        _paid = time.GetTimestamp() - _burstTicks;

        // Twenty pieces a second: short waits for those who share it, and not a timer for every octet.
        Quantum = (int)Math.Clamp(octetsPerSecond / 20, 1, MaxQuantum);
    }

    /// <summary>The rate.</summary>
    public long OctetsPerSecond { get; }

    /// <summary>Octets to take at a time.</summary>
    public int Quantum { get; }

    /// <summary>Whether nothing was taken that is not paid for yet.</summary>
    public bool IsIdle
    {
        get
        {
            lock (_gate)
            {
                return _paid <= _time.GetTimestamp();
            }
        }
    }

    /// <summary>Takes octets.</summary>
    /// <param name="octets">At most <see cref="Quantum"/>, so that others get their turn.</param>
    /// <returns>Monotonic timestamp at which they may go.</returns>
    public long Take(int octets)
    {
        lock (_gate)
        {
            var from = Math.Max(_paid, _time.GetTimestamp() - _burstTicks);
            if (from != _paid)
            {
                _fraction = 0;
            }

            var (whole, rest) = Int128.DivRem(((Int128)octets * _time.TimestampFrequency) + _fraction, OctetsPerSecond);
            (_paid, _fraction) = (from + (long)whole, (long)rest);
            return _paid;
        }
    }
}
