using CsCheck;
using RelayCore.Load.Measure;
using Xunit;

namespace RelayCore.Load.Tests.Measure;

public sealed class LatencyHistogramTests
{
    [Fact]
    public void Percentile_AnyDurations_IsWithinOneBucketOfTheSortedList() =>
        Gen.Select(Gen.Long[0, 1L << 34].Array[1, 200], Gen.Double[0.1, 100])
            .Sample((microseconds, percent) =>
            {
                var histogram = new LatencyHistogram();
                Array.ForEach(microseconds, value => histogram.Record(TimeSpan.FromMicroseconds(value)));
                Array.Sort(microseconds);
                var exact = microseconds[Math.Max(1, (int)Math.Ceiling(microseconds.Length * percent / 100)) - 1] / 1000.0;
                var measured = histogram.Percentile(percent);
                return measured >= exact && measured <= exact * (1 + (1.0 / 128));
            });

    [Fact]
    public void Percentile_NothingRecorded_IsZero() => Assert.Equal(0, new LatencyHistogram().Percentile(99));

    [Fact]
    public void Add_TwoHistograms_IsAsIfRecordedInOne()
    {
        var (first, second) = (new LatencyHistogram(), new LatencyHistogram());
        first.Record(TimeSpan.FromMilliseconds(1));
        second.Record(TimeSpan.FromMilliseconds(100));
        first.Add(second);
        Assert.Equal((2, 100_000, 100.0), (first.Count, first.Maximum, first.Percentile(100)));
        Assert.InRange(first.Percentile(50), 1.0, 1.008);
    }
}
