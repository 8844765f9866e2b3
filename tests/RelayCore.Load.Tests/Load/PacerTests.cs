using System.Diagnostics;
using RelayCore.Load.Load;
using Xunit;

namespace RelayCore.Load.Tests.Load;

public sealed class PacerTests
{
    [Fact]
    public async Task NextAsync_AfterAStall_CountsFromWhenEachRequestWasDue()
    {
        var pacer = new Pacer(rate: 1000);
        var thread = pacer.Start();
        Assert.True(SpinWait.SpinUntil(() => pacer.Backlog >= 50, TimeSpan.FromSeconds(30)), "the schedule does not move");

        var slot = new Pacer.Slot();
        var first = await pacer.NextAsync(slot);
        var second = await pacer.NextAsync(slot);
        Assert.True(Stopwatch.GetElapsedTime(first) >= TimeSpan.FromMilliseconds(49), "the wait of a request that was kept back does not count");
        Assert.Equal(1.0, Stopwatch.GetElapsedTime(first, second).TotalMilliseconds, 3);

        pacer.Stop();
        Assert.Equal(-1, await pacer.NextAsync(slot));
        Assert.True(thread.Join(TimeSpan.FromSeconds(30)));
    }

    [Fact]
    public async Task NextAsync_NothingDueYet_WaitsForTheScheduleAndEndsWithIt()
    {
        var pacer = new Pacer(rate: 20);
        var slot = new Pacer.Slot();
        pacer.Start();
        Assert.True(await pacer.NextAsync(slot) > 0);
        var waiting = pacer.NextAsync(slot);
        pacer.Stop();
        var due = await waiting;
        Assert.True(due == -1 || Stopwatch.GetElapsedTime(due) >= TimeSpan.Zero);
    }
}
