using CsCheck;
using RelayCore.Protocols.Http2;
using Xunit;

namespace RelayCore.Protocols.Tests.Http2;

public sealed class SendWindowTests
{
    [Fact]
    public void TryIncrease_Section6_9_1_Above2To31_IsAnOverflow()
    {
        var window = new SendWindow(65_535);
        Assert.True(window.TryIncrease(int.MaxValue - 65_535));
        Assert.Equal(int.MaxValue, window.Available);
        Assert.False(window.TryIncrease(1));
        Assert.Equal(int.MaxValue, window.Available);
    }

    [Fact]
    public void TryAdjust_Section6_9_2_LowerInitialSize_MakesTheWindowNegative()
    {
        var window = new SendWindow(65_535);
        window.Consume(60_000);
        Assert.True(window.TryAdjust(16_384 - 65_535));
        Assert.Equal(16_384 - 60_000, window.Available);
        Assert.True(window.TryIncrease(43_616));
        Assert.Equal(0, window.Available);
        Assert.True(window.TryIncrease(1));
        Assert.Equal(1, window.Available);
    }

    [Fact]
    public void TryAdjust_Section6_9_2_Above2To31_IsAnOverflow()
    {
        var window = new SendWindow(100);
        Assert.True(window.TryIncrease(1));
        Assert.False(window.TryAdjust(int.MaxValue - 100));
        Assert.True(window.TryAdjust(int.MaxValue - 101));
    }

    [Fact]
    public void Consume_AndEverythingElse_AgreesWithASum() => Gen.Select(Gen.Int[0, 3], Gen.Int[1, int.MaxValue]).Array[1, 100].Sample(steps =>
    {
        var (window, initial, sum) = (new SendWindow(Http2Settings.DefaultWindowSize), Http2Settings.DefaultWindowSize, (long)Http2Settings.DefaultWindowSize);
        foreach (var (what, number) in steps)
        {
            switch (what)
            {
                case 0:
                    var octets = (int)Math.Min(number, Math.Max(0, sum));
                    window.Consume(octets);
                    sum -= octets;
                    break;

                case 1:
                    Assert.Equal(sum + number <= int.MaxValue, window.TryIncrease(number));
                    sum = sum + number <= int.MaxValue ? sum + number : sum;
                    break;

                default:
                    if (window.TryAdjust(number - initial))
                    {
                        sum += number - initial;
                        initial = number;
                    }
                    else
                    {
                        Assert.True(sum + number - initial > int.MaxValue);
                    }

                    break;
            }

            Assert.Equal(sum, window.Available);
        }
    });
}
