using CsCheck;
using RelayCore.Core.Flows;
using Xunit;

namespace RelayCore.Engine.Tests.Flows;

public sealed class FlowIdTests
{
    private static readonly Gen<DateTimeOffset> s_time = Gen.Long[0, 100L * 365 * TimeSpan.TicksPerDay].Select(x => DateTimeOffset.UnixEpoch.AddTicks(x));

    [Fact]
    public void Create_ByATime_IsAVersion7UuidOfThatMillisecond() => s_time.Sample(time =>
    {
        var text = FlowId.Create(time).ToString();

        Assert.Equal(time.ToUnixTimeMilliseconds(), Convert.ToInt64(text[..8] + text[9..13], 16));
        Assert.Equal('7', text[14]);
        Assert.Contains(text[19], "89ab");
    });

    [Fact]
    public void Create_HalfAMicrosecondLater_SortsBehind() => s_time.Sample(time =>
        Assert.True(FlowId.Create(time) < FlowId.Create(time.AddTicks(5))));

    [Fact]
    public void Create_AtTheSameTime_IsUnique()
    {
        var ids = Enumerable.Range(0, 100_000).Select(_ => FlowId.Create(DateTimeOffset.UnixEpoch)).ToHashSet();

        Assert.Equal(100_000, ids.Count);
    }
}
