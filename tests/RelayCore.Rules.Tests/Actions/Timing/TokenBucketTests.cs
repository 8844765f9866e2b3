using Microsoft.Extensions.Time.Testing;
using RelayCore.Core.Interception;
using Xunit;

namespace RelayCore.Rules.Tests.Actions.Timing;

/// <summary>The rate of a bucket, to the tick of its clock.</summary>
public sealed class TokenBucketTests
{
    [Theory]
    [InlineData(1000, 10)]
    [InlineData(3, 1)]
    [InlineData(7_777_777, 16_384)]
    public void Take_ManyPieces_IsTheRateExactly(long rate, int piece)
    {
        var time = new FakeTimeProvider();
        var bucket = new TokenBucket(rate, 0, time);
        var began = time.GetTimestamp();
        long due = 0;
        for (var i = 0; i < 1000; i++)
        {
            due = bucket.Take(piece);
        }

        Assert.Equal((long)((Int128)1000 * piece * time.TimestampFrequency / rate), due - began);
    }

    [Fact]
    public void Take_BehindAPause_GetsTheBurstAndNoMore()
    {
        var time = new FakeTimeProvider();
        var bucket = new TokenBucket(1000, 500, time);
        for (var round = 0; round < 3; round++)
        {
            var now = time.GetTimestamp();
            Assert.True(bucket.Take(500) <= now);
            Assert.Equal(100, time.GetElapsedTime(now, bucket.Take(100)).TotalMilliseconds);
            time.Advance(TimeSpan.FromHours(1)); // a long pause saves no more than the burst
            Assert.True(bucket.IsIdle);
        }
    }

    [Fact]
    public void Quantum_IsATwentiethOfASecond_WithinBounds()
    {
        var time = new FakeTimeProvider();
        Assert.Equal((1, 50, 16 * 1024), (new TokenBucket(1, 0, time).Quantum, new TokenBucket(1000, 0, time).Quantum, new TokenBucket(1_000_000_000, 0, time).Quantum));
        Assert.Throws<ArgumentOutOfRangeException>(() => new TokenBucket(0, 0, time));
    }
}
