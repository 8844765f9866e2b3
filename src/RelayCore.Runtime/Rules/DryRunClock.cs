namespace RelayCore.Runtime.Rules;

/// <summary>
/// The clock of a dry run: when nothing but timers is left to wait for, the next one is due at once. A delay of a minute takes no time, and a time-out
/// of a second still comes before it.
/// </summary>
internal sealed class DryRunClock : TimeProvider
{
    /// <summary>Real time in which work that is no timer (a file) gets to make progress before the clock moves on.</summary>
    private static readonly TimeSpan s_quiet = TimeSpan.FromMilliseconds(20);

    /// <summary>Timers one step may wait for; breach: it counts as one that never ends.</summary>
    private const int MaxTurns = 500;

    /// <summary>First timestamp; 0 stands for a time that is not known.</summary>
    private const long Begin = TimeSpan.TicksPerSecond;

    private readonly Lock _gate = new();
    private readonly List<DryTimer> _timers = [];
    private readonly DateTimeOffset _start = System.GetUtcNow();
    private TimeSpan _ahead;

    /// <inheritdoc/>
    public override long TimestampFrequency => TimeSpan.TicksPerSecond;

    /// <inheritdoc/>
    public override long GetTimestamp()
    {
        lock (_gate)
        {
            return Begin + _ahead.Ticks;
        }
    }

    /// <inheritdoc/>
    public override DateTimeOffset GetUtcNow() => _start + Waited;

    /// <summary>Time that was waited.</summary>
    public TimeSpan Waited => TimeSpan.FromTicks(GetTimestamp() - Begin);

    /// <inheritdoc/>
    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        var timer = new DryTimer(this, callback, state);
        timer.Change(dueTime, period);
        return timer;
    }

    /// <summary>Runs a step to its end, however long its timers say.</summary>
    /// <exception cref="TimeoutException">It does not end.</exception>
    public async Task RunAsync(ValueTask step, CancellationToken cancellationToken)
    {
        var task = step.AsTask();
        for (var turn = 0; turn < MaxTurns && !task.IsCompleted; turn++)
        {
            if (await Task.WhenAny(task, Task.Delay(s_quiet, System, cancellationToken)).ConfigureAwait(false) != task)
            {
                cancellationToken.ThrowIfCancellationRequested();
                FireNext();
            }
        }

        await (task.IsCompleted ? task : throw new TimeoutException("A rule does not come to an end.")).ConfigureAwait(false);
    }

    private void FireNext()
    {
        DryTimer? next;
        lock (_gate)
        {
            next = _timers.MinBy(x => x.DueAt);
            if (next is null)
            {
                return;
            }

            _ahead = next.DueAt > _ahead ? next.DueAt : _ahead;
            if (next.Period > TimeSpan.Zero)
            {
                next.DueAt = _ahead + next.Period;
            }
            else
            {
                _timers.Remove(next);
            }
        }

        next.Fire();
    }

    private sealed class DryTimer(DryRunClock clock, TimerCallback callback, object? state) : ITimer
    {
        public TimeSpan DueAt { get; set; }

        public TimeSpan Period { get; private set; }

        public void Fire() => callback(state);

        public bool Change(TimeSpan dueTime, TimeSpan period)
        {
            lock (clock._gate)
            {
                clock._timers.Remove(this);
                if (dueTime != Timeout.InfiniteTimeSpan)
                {
                    (DueAt, Period) = (clock._ahead + dueTime, period);
                    clock._timers.Add(this);
                }
            }

            return true;
        }

        public void Dispose()
        {
            lock (clock._gate)
            {
                clock._timers.Remove(this);
            }
        }

        public ValueTask DisposeAsync()
        {
            Dispose();
            return default;
        }
    }
}
