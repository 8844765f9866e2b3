namespace RelayCore.Engine.Listeners;

/// <summary>Something that waits on a peer.</summary>
internal interface IDeadlined
{
    /// <summary>Looks at the deadlines; called ten times a second from one thread, never concurrently with itself.</summary>
    /// <param name="now">Monotonic timestamp.</param>
    /// <param name="isSecond">Whether a second passed since the last call with true: for checks that cost a system call.</param>
    void Sweep(long now, bool isSecond);
}

/// <summary>
/// One timer for all waits: a session notes a deadline as a number before it waits, and the sweeper ends what is late. So a wait costs two
/// stores instead of a timer or a cancellation registration, and time-outs are exact to a tenth of a second.
/// </summary>
internal sealed class DeadlineSweeper : IAsyncDisposable
{
    private static readonly TimeSpan s_interval = TimeSpan.FromMilliseconds(100);

    private readonly Lock _lock = new();
    private readonly HashSet<IDeadlined> _members = [];
    private readonly List<IDeadlined> _visiting = [];
    private readonly TimeProvider _time;
    private readonly ITimer _timer;
    private int _ticks;
    private int _running;

    public DeadlineSweeper(TimeProvider time)
    {
        _time = time;
        _timer = time.CreateTimer(static state => ((DeadlineSweeper)state!).Tick(), this, s_interval, s_interval);
    }

    /// <summary>Told of a defect.</summary>
    public Action<Exception>? OnFailure { get; set; }

    public int Count
    {
        get
        {
            lock (_lock)
            {
                return _members.Count;
            }
        }
    }

    public void Add(IDeadlined member)
    {
        lock (_lock)
        {
            _members.Add(member);
        }
    }

    public void Remove(IDeadlined member)
    {
        lock (_lock)
        {
            _members.Remove(member);
        }
    }

    /// <summary>Everybody, at this moment.</summary>
    public IDeadlined[] Snapshot()
    {
        lock (_lock)
        {
            return [.. _members];
        }
    }

    public ValueTask DisposeAsync() => _timer.DisposeAsync();

    private void Tick()
    {
        if (Interlocked.Exchange(ref _running, 1) == 1)
        {
            return;
        }

        try
        {
            lock (_lock)
            {
                _visiting.AddRange(_members);
            }

            var now = _time.GetTimestamp();
            var isSecond = ++_ticks % 10 == 0;
            foreach (var member in _visiting)
            {
                try
                {
                    member.Sweep(now, isSecond);
                }
                catch (Exception e)
                {
                    // A defect in one session must not end the timing of all others, nor the process.
                    OnFailure?.Invoke(e);
                }
            }
        }
        finally
        {
            _visiting.Clear();
            Volatile.Write(ref _running, 0);
        }
    }
}
