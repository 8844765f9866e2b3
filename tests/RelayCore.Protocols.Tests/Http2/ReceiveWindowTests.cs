using CsCheck;
using RelayCore.Protocols.Http2;
using Xunit;

namespace RelayCore.Protocols.Tests.Http2;

public sealed class ReceiveWindowTests
{
    private static readonly TimeSpan s_never = TimeSpan.Zero; // a round trip that was not measured

    [Fact]
    public void TryReceive_Section6_9_1_MoreThanTheWindow_IsRefused()
    {
        var window = new ReceiveWindow(100, 100, TimeSpan.Zero);
        Assert.True(window.TryReceive(60));
        Assert.False(window.TryReceive(41));
        Assert.True(window.TryReceive(40));
        Assert.False(window.TryReceive(1));
        Assert.True(window.TryReceive(0)); // §6.9.1: an empty frame needs no window
        Assert.Equal((0, 100, 0), (window.Available, window.Held, window.Pending));
    }

    [Fact]
    public void Release_LessThanHalf_WaitsAndThenAnnouncesAll()
    {
        var window = new ReceiveWindow(100, 100, TimeSpan.Zero);
        window.TryReceive(80);
        Assert.Equal(0, window.Release(49, TimeSpan.Zero, s_never));
        Assert.Equal(50, window.Release(1, TimeSpan.Zero, s_never));
        Assert.Equal((70, 30, 0, 100), (window.Available, window.Held, window.Pending, window.Size));
    }

    [Fact]
    public void Release_HeldOctets_AreNotAnnounced()
    {
        var window = new ReceiveWindow(100, 100, TimeSpan.Zero);
        window.TryReceive(100);
        Assert.Equal(0, window.Release(0, TimeSpan.Zero, s_never));
        Assert.False(window.TryReceive(1)); // a slow reader stops its sender
        Assert.Equal(100, window.Release(100, TimeSpan.Zero, s_never));
    }

    [Fact]
    public void Release_WindowTurnedOverWithinARoundTrip_GrowsToTwiceTheProductUpToTheMaximum()
    {
        // 100 octets a millisecond at 20 ms: the product is 2,000 octets.
        var (window, now) = (new ReceiveWindow(1000, 3500, TimeSpan.Zero), TimeSpan.Zero);
        Assert.Equal(1000, Turn(ref window, ref now, 500, 50)); // slower than a round trip: keeps its size, then...
        Assert.Equal(2000, Turn(ref window, ref now, 500, 10)); // 500 in 10 ms are 1,000 in a round trip
        Assert.Equal(3500, Turn(ref window, ref now, 1000, 10)); // 2,000 a round trip would be 4,000
        Assert.Equal(3500, Turn(ref window, ref now, 1750, 1));
        Assert.Equal(3500, window.Available + window.Held);

        static int Turn(ref ReceiveWindow window, ref TimeSpan now, int octets, int milliseconds)
        {
            now += TimeSpan.FromMilliseconds(milliseconds);
            Assert.True(window.TryReceive(octets));
            var before = window.Size;
            var increment = window.Release(octets, now, TimeSpan.FromMilliseconds(20));
            Assert.Equal(octets + window.Size - before, increment);
            return window.Size;
        }
    }

    [Fact]
    public void Release_OneSample_GrowsAtMostFourTimes()
    {
        var window = new ReceiveWindow(1000, int.MaxValue, TimeSpan.Zero);
        window.TryReceive(1000);
        Assert.Equal(4000, window.Release(1000, TimeSpan.Zero, TimeSpan.FromSeconds(1)));
        Assert.Equal((4000, 4000), (window.Size, window.Available));
    }

    [Theory]
    [InlineData(0, 1)] // no round trip measured
    [InlineData(10, 1000)] // a slow sender, or a slow reader
    public void Release_NothingSaysTheWindowIsTheBound_KeepsItsSize(int roundTrip, int elapsed)
    {
        var window = new ReceiveWindow(1000, 100_000, TimeSpan.Zero);
        window.TryReceive(1000);
        Assert.Equal(1000, window.Release(1000, TimeSpan.FromMilliseconds(elapsed), TimeSpan.FromMilliseconds(roundTrip)));
        Assert.Equal(1000, window.Size);
    }

    [Fact]
    public void Raise_Section6_9_2_TheConnection_AnnouncesTheDifference()
    {
        var window = new ReceiveWindow(Http2Settings.DefaultWindowSize, 1 << 24, TimeSpan.Zero);
        Assert.Equal((1 << 20) - 65_535, window.Raise(1 << 20));
        Assert.Equal(0, window.Raise(1 << 20));
        Assert.Equal((1 << 20, 1 << 20), (window.Size, window.Available));
    }

    [Fact]
    public void Adjust_Section6_9_2_LowerInitialSize_MakesTheWindowNegative()
    {
        var window = new ReceiveWindow(1000, 1000, TimeSpan.Zero);
        window.TryReceive(900);
        window.Adjust(-600);
        Assert.Equal((-500, 400), (window.Available, window.Size));
        Assert.False(window.TryReceive(1));
        Assert.True(window.TryReceive(0));
        Assert.Equal(900, window.Release(900, TimeSpan.Zero, s_never));
        Assert.Equal(400, window.Available);
    }

    [Fact]
    public void Release_AnySequence_KeepsTheSumAndNeverStalls() =>
        Gen.Select(Gen.Int[0, 2], Gen.Int[0, 5000], Gen.Int[0, 30]).Array[1, 200].Sample(steps =>
        {
            var window = new ReceiveWindow(1000, 20_000, TimeSpan.Zero);
            var (now, received, released, announced) = (TimeSpan.Zero, 0L, 0L, 1000L);
            foreach (var (what, number, milliseconds) in steps)
            {
                now += TimeSpan.FromMilliseconds(milliseconds);
                if (what == 0)
                {
                    var isFine = received + number <= announced; // what the peer knows
                    Assert.Equal(isFine || number == 0, window.TryReceive(number));
                    received += isFine ? number : 0;
                }
                else
                {
                    var octets = (int)Math.Min(number, received - released);
                    announced += window.Release(octets, now, TimeSpan.FromMilliseconds(number % 20));
                    released += octets;
                }

                Assert.Equal((announced - received, received - released), (window.Available, window.Held));
                Assert.Equal(window.Size, window.Available + window.Held + window.Pending);
                Assert.InRange(window.Size, 1000, 20_000);
                Assert.True(window.Held > 0 || window.Available * 2L >= window.Size - 1, "all handed on, and the sender has less than half of the window");
            }
        });
}
