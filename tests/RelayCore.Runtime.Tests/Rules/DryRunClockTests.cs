using RelayCore.Runtime.Rules;
using Xunit;

namespace RelayCore.Runtime.Tests.Rules;

public sealed class DryRunClockTests
{
    private readonly DryRunClock _clock = new();

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    [Fact]
    public async Task RunAsync_LongDelays_TakeNoTimeAndCount()
    {
        var before = _clock.GetUtcNow();
        await _clock.RunAsync(WaitAsync(), Stop);
        Assert.Equal(TimeSpan.FromSeconds(90), _clock.Waited);
        Assert.Equal(TimeSpan.FromSeconds(90), _clock.GetUtcNow() - before);

        async ValueTask WaitAsync()
        {
            await Task.Delay(TimeSpan.FromSeconds(60), _clock, Stop);
            await Task.Delay(TimeSpan.FromSeconds(30), _clock, Stop);
        }
    }

    [Fact]
    public async Task RunAsync_TimeOutBeforeADelay_StillComesFirst()
    {
        using var timeout = new CancellationTokenSource(TimeSpan.FromSeconds(1), _clock);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => _clock.RunAsync(new(Task.Delay(TimeSpan.FromSeconds(60), _clock, timeout.Token)), Stop));
        Assert.Equal(TimeSpan.FromSeconds(1), _clock.Waited);
    }
}
