using System.Numerics;

namespace RelayCore.Load.Measure;

/// <summary>Counts of durations in buckets whose width is at most 1/128 of their value; recording allocates nothing.</summary>
/// <remarks>One writer. Range 1 µs to 2^36 µs (19 hours); longer durations count as the longest.</remarks>
internal sealed class LatencyHistogram
{
    private const int SubBits = 7;
    private const int MaxBits = 36;
    private readonly int[] _counts = new int[IndexOf((1L << MaxBits) - 1) + 1];

    public long Count { get; private set; }

    /// <summary>Longest duration recorded, in microseconds, exact.</summary>
    public long Maximum { get; private set; }

    public void Record(TimeSpan duration)
    {
        var microseconds = Math.Clamp(duration.Ticks / TimeSpan.TicksPerMicrosecond, 0, (1L << MaxBits) - 1);
        _counts[IndexOf(microseconds)]++;
        Count++;
        Maximum = Math.Max(Maximum, microseconds);
    }

    public void Add(LatencyHistogram other)
    {
        for (var i = 0; i < _counts.Length; i++)
        {
            _counts[i] += other._counts[i];
        }

        Count += other.Count;
        Maximum = Math.Max(Maximum, other.Maximum);
    }

    /// <param name="percent">0 to 100.</param>
    /// <returns>The smallest bucket edge, in milliseconds, that at least that share of the durations do not exceed; 0 when nothing was recorded.</returns>
    public double Percentile(double percent)
    {
        var rank = Math.Max(1, (long)Math.Ceiling(Count * percent / 100));
        long seen = 0;
        for (var i = 0; i < _counts.Length; i++)
        {
            seen += _counts[i];
            if (seen >= rank)
            {
                return Math.Min(UpperEdge(i), Maximum) / 1000.0;
            }
        }

        return 0;
    }

    /// <summary>Exact below 256, then 128 buckets for each power of two.</summary>
    private static int IndexOf(long value)
    {
        var shift = Math.Max(0, BitOperations.Log2((ulong)value) - SubBits);
        return (shift << SubBits) + (int)(value >> shift);
    }

    private static long UpperEdge(int index)
    {
        var shift = Math.Max(0, (index >> SubBits) - 1);
        return ((index - ((long)shift << SubBits) + 1) << shift) - 1;
    }
}
