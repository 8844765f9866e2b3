using RelayCore.Cli.Arguments;
using Xunit;

namespace RelayCore.Cli.Tests.Arguments;

public sealed class QuantityTextTests
{
    [Theory]
    [InlineData("500ms", 500)]
    [InlineData("30s", 30_000)]
    [InlineData("1.5m", 90_000)]
    [InlineData("2h", 7_200_000)]
    [InlineData("24d", 2_073_600_000)]
    [InlineData(" 5 MIN ", 300_000)]
    public void DurationTryParse_NumberAndUnit_IsThatLong(string text, long milliseconds)
    {
        Assert.True(DurationText.TryParse(text, out var duration, out _));
        Assert.Equal(TimeSpan.FromMilliseconds(milliseconds), duration);
    }

    [Theory]
    [InlineData("never")]
    [InlineData("NEVER")]
    [InlineData("none")]
    public void DurationTryParse_Never_IsInfinite(string text)
    {
        Assert.True(DurationText.TryParse(text, out var duration, out _));
        Assert.Equal(Timeout.InfiniteTimeSpan, duration);
    }

    [Theory]
    [InlineData("", "is not a duration")]
    [InlineData("30", "is not a duration")]
    [InlineData("s", "is not a duration")]
    [InlineData("1.2.3s", "is not a duration")]
    [InlineData("-5s", "is not a duration")]
    [InlineData("5 fortnights", "is not a duration")]
    [InlineData("1never", "is not a duration")]
    [InlineData("0s", "out of range")]
    [InlineData("25d", "out of range")]
    [InlineData("99999999999999999999h", "out of range")]
    public void DurationTryParse_Nonsense_SaysWhatIsMeant(string text, string part)
    {
        Assert.False(DurationText.TryParse(text, out _, out var problem));
        Assert.Contains(part, problem, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("0", 0)]
    [InlineData("4096", 4096)]
    [InlineData("64k", 65_536)]
    [InlineData("64KiB", 65_536)]
    [InlineData("1.5m", 1_572_864)]
    [InlineData("1g", 1_073_741_824)]
    public void SizeTryParse_NumberAndUnit_IsThatManyOctets(string text, long octets)
    {
        Assert.True(SizeText.TryParse(text, out var size, out _));
        Assert.Equal(octets, size);
    }

    [Theory]
    [InlineData("")]
    [InlineData("k")]
    [InlineData("-1")]
    [InlineData("1t")]
    [InlineData("ten")]
    [InlineData("9007199254740993")]
    [InlineData("99999999g")]
    public void SizeTryParse_Nonsense_IsRefused(string text)
    {
        Assert.False(SizeText.TryParse(text, out _, out var problem));
        Assert.NotEmpty(problem);
    }

    [Theory]
    [InlineData(0, "0 B")]
    [InlineData(1023, "1023 B")]
    [InlineData(1536, "1.5 KB")]
    [InlineData(10 << 20, "10.0 MB")]
    [InlineData(3L << 30, "3.0 GB")]
    public void SizeFormat_Octets_AreReadable(long octets, string text) => Assert.Equal(text, SizeText.Format(octets));
}
