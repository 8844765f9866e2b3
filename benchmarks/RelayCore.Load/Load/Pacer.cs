using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Threading.Tasks.Sources;

namespace RelayCore.Load.Load;

/// <summary>
/// Hands out requests on a fixed schedule: request n is due at start + n / rate. When every connection is busy it waits in the
/// schedule, and its latency still counts from when it was due: a stalled proxy cannot hide the requests it kept from being sent.
/// </summary>
internal sealed partial class Pacer(double rate)
{
    private readonly Lock _gate = new();
    private readonly Stack<Slot> _idle = new();
    private long _start;
    private long _due;
    private long _taken;
    private bool _isStopped;

    /// <summary>Requests that were due but that no connection was free to send.</summary>
    public long Backlog
    {
        get
        {
            lock (_gate)
            {
                return _due - _taken;
            }
        }
    }

    /// <summary>One connection's place in the schedule; reused for each of its requests.</summary>
    internal sealed class Slot : IValueTaskSource<long>
    {
        private ManualResetValueTaskSourceCore<long> _core;

        internal ValueTask<long> Wait()
        {
            _core.Reset();
            return new(this, _core.Version);
        }

        internal void Release(long due) => _core.SetResult(due);

        long IValueTaskSource<long>.GetResult(short token) => _core.GetResult(token);

        ValueTaskSourceStatus IValueTaskSource<long>.GetStatus(short token) => _core.GetStatus(token);

        void IValueTaskSource<long>.OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
            _core.OnCompleted(continuation, state, token, flags);
    }

    /// <returns>The <see cref="Stopwatch"/> timestamp at which the request to send now was due, or -1 when the schedule has ended.</returns>
    public ValueTask<long> NextAsync(Slot slot)
    {
        lock (_gate)
        {
            if (_isStopped)
            {
                return new(-1);
            }

            if (_taken < _due)
            {
                return new(DueTime(_taken++));
            }

            var wait = slot.Wait();
            _idle.Push(slot);
            return wait;
        }
    }

    /// <summary>Runs the schedule on a thread of its own, which also makes the first send of each request.</summary>
    public Thread Start()
    {
        _start = Stopwatch.GetTimestamp();
        var thread = new Thread(Run) { IsBackground = true, Name = "pacer" };
        thread.Start();
        return thread;
    }

    public void Stop()
    {
        lock (_gate)
        {
            _isStopped = true;
        }
    }

    private long DueTime(long n) => _start + (long)(n * (Stopwatch.Frequency / rate));

    private void Run()
    {
        while (true)
        {
            SleepUntil(DueTime(_due));
            Slot? slot = null;
            long due;
            lock (_gate)
            {
                if (_isStopped)
                {
                    break;
                }

                due = DueTime(_taken);
                _due++;
                if (_idle.TryPop(out slot))
                {
                    _taken++;
                }
            }

            slot?.Release(due);
        }

        // Nothing is pushed once stopped.
        while (_idle.TryPop(out var slot))
        {
            slot.Release(-1);
        }
    }

    /// <summary>Sleeps in slices of at most 50 ms, so that a low rate does not delay the stop.</summary>
    private void SleepUntil(long timestamp)
    {
        while (!Volatile.Read(ref _isStopped))
        {
            var left = (long)Stopwatch.GetElapsedTime(Stopwatch.GetTimestamp(), timestamp).TotalNanoseconds;
            if (left <= 0)
            {
                return;
            }

            // Thread.Sleep has a granularity of a millisecond, which would be most of the latency measured.
            _ = NanoSleep(new TimeSpec { Nanoseconds = Math.Min(left, 50_000_000) }, 0);
        }
    }

    [StructLayout(LayoutKind.Sequential)]
    private struct TimeSpec
    {
        public nint Seconds;
        public long Nanoseconds;
    }

    [LibraryImport("libc", EntryPoint = "nanosleep")]
    private static partial int NanoSleep(in TimeSpec duration, nint remaining);
}
