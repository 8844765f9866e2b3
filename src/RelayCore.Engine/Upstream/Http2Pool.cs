using System.Diagnostics.CodeAnalysis;
using RelayCore.Engine.Http.Http2;

namespace RelayCore.Engine.Upstream;

/// <summary>What is known of the version an origin speaks.</summary>
internal enum ServerVersion : byte
{
    /// <summary>Nothing yet.</summary>
    Unknown,

    /// <summary>HTTP/1.</summary>
    Http1,

    /// <summary>HTTP/2.</summary>
    Http2,
}

/// <summary>
/// The HTTP/2 connections of one origin. Few serve many: a further one is opened only when all are full, one at a time, and who finds none
/// free waits in a bounded line.
/// </summary>
internal sealed class Http2Pool(ServerPool owner)
{
    /// <summary>Connections to one origin; beyond them streams wait.</summary>
    public const int MaxConnections = 16;

    /// <summary>Streams a server is trusted to allow before any of its connections said how many; what it refuses of these is sent again (RFC 9113 §8.7).</summary>
    public const uint UnknownStreams = 100;

    private const int MaxWaiting = 10_000;
    private static readonly TimeSpan s_memory = TimeSpan.FromMinutes(10);

    private readonly Lock _lock = new();
    private readonly List<Http2Connection> _connections = [];
    private readonly Queue<Waiter> _waiting = [];
    private TaskCompletionSource? _opening;
    private ServerVersion _version;
    private long _learnedAt;

    /// <summary>Whether the origin is spoken to in HTTP/2 without asking (RFC 9113 §3.3): by option, or because a client did.</summary>
    public bool IsPriorKnowledge { get; set; }

    /// <summary>
    /// Streams a new connection is trusted with until its own SETTINGS come: as many as the last one allowed. Without this memory a server that
    /// allows few would refuse a crowd of requests again on every further connection.
    /// </summary>
    public uint UsualStreams { get; set; } = UnknownStreams;

    /// <summary>What the origin spoke last; forgotten after ten minutes, since servers change.</summary>
    public ServerVersion Version
    {
        get
        {
            lock (_lock)
            {
                return _connections.Count > 0 ? ServerVersion.Http2
                    : owner.Time.GetElapsedTime(_learnedAt) < s_memory ? _version : ServerVersion.Unknown;
            }
        }
    }

    /// <summary>Notes what the origin spoke.</summary>
    public void Learn(ServerVersion version)
    {
        lock (_lock)
        {
            (_version, _learnedAt) = (version, owner.Time.GetTimestamp());
        }
    }

    /// <summary>Takes the right to a stream on a connection that has room.</summary>
    public bool TryReserve([NotNullWhen(true)] out Http2Connection? connection)
    {
        lock (_lock)
        {
            // The first with room: so the further ones run empty and close when the load is gone.
            foreach (var candidate in _connections)
            {
                if (candidate.TryReserve())
                {
                    connection = candidate;
                    return true;
                }
            }
        }

        connection = null;
        return false;
    }

    /// <summary>Begins to open a connection, unless somebody does or there are enough. It comes with a permit of the origin.</summary>
    /// <param name="pool">The origin.</param>
    /// <param name="waiting">Otherwise what to wait for by <see cref="WaitAsync"/>: it completes when it is worth another look, and fails with the failure of the one being opened. <see langword="null"/> when it is worth one now.</param>
    /// <exception cref="TimeoutException">Too many wait already, or the origin has all the connections it may have and none of them is of this kind.</exception>
    public bool TryBeginOpening(OriginPool pool, out TaskCompletionSource? waiting)
    {
        lock (_lock)
        {
            waiting = null;
            var isPermitted = _opening is null && _connections.Count < MaxConnections && pool.TryPermit();
            if (!isPermitted && _opening is null && _connections.Count == 0)
            {
                throw new TimeoutException("too many connections");
            }

            if (isPermitted)
            {
                _opening = new(TaskCreationOptions.RunContinuationsAsynchronously);
                return true;
            }

            if (_opening is not null)
            {
                waiting = _opening;
                return false;
            }

            if (_connections.Exists(static x => x.HasRoom))
            {
                return false; // since the caller looked; it would be told to nobody
            }

            if (_waiting.Count >= MaxWaiting)
            {
                DropAbandoned();
            }

            if (_waiting.Count >= MaxWaiting)
            {
                throw new TimeoutException("10,000 requests are waiting for this server already");
            }

            var waiter = new Waiter();
            _waiting.Enqueue(waiter);
            waiting = waiter;
            return false;
        }
    }

    /// <summary>The opening is over: everybody who waited for it looks again, or fails alike.</summary>
    public void EndOpening(Http2Connection? connection, Exception? failure = null)
    {
        TaskCompletionSource? opening;
        lock (_lock)
        {
            (opening, _opening) = (_opening, null);
            if (connection is { IsClosing: false })
            {
                _connections.Add(connection); // one that ended meanwhile has left already
            }
        }

        if (connection is not null)
        {
            Freed(connection.Room); // those in line since all were full
        }

        if (failure is null)
        {
            opening?.TrySetResult();
        }
        else if (opening is not null)
        {
            opening.TrySetException(failure);
            _ = opening.Task.Exception; // nobody may have waited
        }
    }

    /// <summary>Streams are over or more are allowed: the next in line look again.</summary>
    public void Freed(int streams = 1)
    {
        lock (_lock)
        {
            // Whoever gave up waiting would let a wake-up go to waste. Continuations run elsewhere.
            while (streams > 0 && _waiting.TryDequeue(out var next))
            {
                streams -= next.TrySetResult() ? 1 : 0;
            }
        }
    }

    /// <summary>Waits for what <see cref="TryBeginOpening"/> gave.</summary>
    /// <exception cref="TimeoutException">It took longer.</exception>
    public async ValueTask WaitAsync(TaskCompletionSource? waiting, TimeSpan timeout)
    {
        try
        {
            await (waiting?.Task ?? Task.CompletedTask).WaitAsync(timeout, owner.Time).ConfigureAwait(false);
        }
        catch (TimeoutException) when (waiting is Waiter && !waiting.TrySetCanceled())
        {
            // It came in the same moment.
        }
    }

    private void DropAbandoned()
    {
        for (var i = _waiting.Count; i > 0; i--)
        {
            if (_waiting.Dequeue() is { Task.IsCompleted: false } waiter)
            {
                _waiting.Enqueue(waiter);
            }
        }
    }

    /// <summary>A connection takes no more streams.</summary>
    public void Leaving(Http2Connection connection)
    {
        lock (_lock)
        {
            _connections.Remove(connection);
        }

        Freed();
    }

    /// <summary>Ends what is idle or everything; for the end of the engine.</summary>
    public void CloseAll()
    {
        Http2Connection[] connections;
        lock (_lock)
        {
            connections = [.. _connections];
        }

        foreach (var connection in connections)
        {
            connection.Drain();
        }
    }

    /// <summary>One request in line; canceled when it gives up.</summary>
    private sealed class Waiter() : TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
}
