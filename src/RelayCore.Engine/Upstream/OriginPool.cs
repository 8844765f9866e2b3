using RelayCore.Core.Connections;

namespace RelayCore.Engine.Upstream;

/// <summary>The connections of one origin: idle ones last in, first out; a bound on all of them with a queue behind it.</summary>
internal sealed class OriginPool(Origin origin, ServerPool owner)
{
    private readonly Lock _lock = new();
    private readonly List<ServerChannel> _idle = [];
    private readonly Queue<TaskCompletionSource<ServerChannel?>> _waiting = [];
    private static readonly TimeSpan s_recent = TimeSpan.FromSeconds(2);
    private UpstreamException? _failure;
    private long _failedAt;
    private int _open;

    public Origin Origin => origin;

    public ServerPool Owner => owner;

    /// <summary>Its connections that speak HTTP/2, and what is known of that.</summary>
    public Http2Pool Http2 { get; } = new(owner);

    /// <summary>Whether nothing is open or waited for, so that the pool may be forgotten.</summary>
    public bool IsUnused
    {
        get
        {
            lock (_lock)
            {
                return _open == 0 && _waiting.Count == 0;
            }
        }
    }

    /// <summary>Takes an idle connection, or a permit to open one.</summary>
    /// <param name="mustBeFresh">Whether a connection that may have gone is not good enough: the request cannot be repeated.</param>
    /// <param name="now">Monotonic timestamp.</param>
    /// <param name="channel">The idle connection, or <see langword="null"/> with a permit.</param>
    /// <returns><see langword="false"/> when the bound is reached; then <see cref="WaitAsync"/>.</returns>
    public bool TryTake(bool mustBeFresh, long now, out ServerChannel? channel)
    {
        List<ServerChannel>? stale = null;
        lock (_lock)
        {
            while (_idle.Count > 0)
            {
                channel = _idle[^1];
                _idle.RemoveAt(_idle.Count - 1);
                owner.IdleChanged(-1);
                if ((mustBeFresh || channel.IsSuspect || owner.IsOld(channel, now)) && channel.Transport.HasInput)
                {
                    // A server that closes an idle connection, or talks on it, makes it useless.
                    _open--;
                    (stale ??= []).Add(channel);
                    continue;
                }

                channel.IsReused = true;
                Close(stale);
                return true;
            }

            channel = null;
            if (_open < owner.Limits.MaxServerConnectionsPerOrigin)
            {
                _open++;
                Close(stale);
                return true;
            }
        }

        Close(stale);
        return false;
    }

    /// <summary>
    /// Notes that connecting failed while the client's handshake waited for it: its first request follows at once, and would only fail the
    /// same way after the same wait.
    /// </summary>
    public void NoteFailure(UpstreamException failure, long now)
    {
        lock (_lock)
        {
            (_failure, _failedAt) = (failure, now);
        }
    }

    /// <summary>Throws what <see cref="NoteFailure"/> noted a moment ago, once.</summary>
    /// <exception cref="UpstreamException">The failure.</exception>
    public void ThrowRecentFailure(long now)
    {
        UpstreamException? failure;
        lock (_lock)
        {
            (failure, _failure) = (_failure, null);
        }

        if (failure is not null && owner.Time.GetElapsedTime(_failedAt, now) < s_recent)
        {
            throw new UpstreamException(failure.Fault, failure);
        }
    }

    /// <summary>Takes a permit to open a connection, without looking at idle ones.</summary>
    /// <returns><see langword="false"/> when the bound is reached.</returns>
    public bool TryPermit()
    {
        lock (_lock)
        {
            if (_open >= owner.Limits.MaxServerConnectionsPerOrigin)
            {
                return false;
            }

            _open++;
            return true;
        }
    }

    /// <summary>Waits for a connection or a permit.</summary>
    /// <returns>A connection, or <see langword="null"/> with a permit.</returns>
    /// <exception cref="TimeoutException">None came within the connect time-out.</exception>
    public async ValueTask<ServerChannel?> WaitAsync()
    {
        var waiter = new TaskCompletionSource<ServerChannel?>(TaskCreationOptions.RunContinuationsAsynchronously);
        lock (_lock)
        {
            // What became free since the bound was found reached would otherwise be given to nobody.
            if (_idle.Count > 0)
            {
                var idle = _idle[^1];
                _idle.RemoveAt(_idle.Count - 1);
                owner.IdleChanged(-1);
                idle.IsReused = true;
                return idle;
            }

            if (_open < owner.Limits.MaxServerConnectionsPerOrigin)
            {
                _open++;
                return null;
            }

            if (_waiting.Count >= 10_000)
            {
                throw new TimeoutException("10,000 requests are waiting for this server already");
            }

            _waiting.Enqueue(waiter);
        }

        try
        {
            return await waiter.Task.WaitAsync(owner.Limits.ConnectTimeout, owner.Time).ConfigureAwait(false);
        }
        catch (TimeoutException)
        {
            if (!waiter.TrySetCanceled() && await waiter.Task.ConfigureAwait(false) is var late)
            {
                return late; // it came in the same moment
            }

            throw;
        }
    }

    /// <summary>Gives a connection back after a complete exchange.</summary>
    public void Return(ServerChannel channel, long now)
    {
        channel.Input.Release();
        channel.IdleSince = now;
        ServerChannel? surplus = null;
        lock (_lock)
        {
            while (_waiting.TryDequeue(out var waiter))
            {
                channel.IsReused = true;
                if (waiter.TrySetResult(channel))
                {
                    return;
                }
            }

            if (owner.TryKeepIdle())
            {
                _idle.Add(channel);
                if (_idle.Count > owner.Limits.MaxIdlePerOrigin)
                {
                    surplus = _idle[0];
                    _idle.RemoveAt(0);
                    owner.IdleChanged(-1);
                }
            }
            else
            {
                surplus = channel;
            }
        }

        if (surplus is not null)
        {
            Discard(surplus, reset: false);
        }
    }

    /// <summary>Closes a connection that is not to be used again.</summary>
    public void Discard(ServerChannel channel, bool reset)
    {
        if (reset)
        {
            channel.Transport.Reset();
        }
        else
        {
            channel.Transport.Close();
        }

        channel.Input.Release(discard: true);
        ReleasePermit();
    }

    /// <summary>Gives a permit back, because no connection could be opened or it ended.</summary>
    public void ReleasePermit()
    {
        lock (_lock)
        {
            while (_waiting.TryDequeue(out var waiter))
            {
                if (waiter.TrySetResult(null))
                {
                    return; // the permit goes to the next in line
                }
            }

            _open--;
        }
    }

    /// <summary>Closes idle connections older than the bound, or all.</summary>
    public void CloseIdle(long olderThan)
    {
        List<ServerChannel>? closing = null;
        lock (_lock)
        {
            while (_idle.Count > 0 && _idle[0].IdleSince <= olderThan)
            {
                (closing ??= []).Add(_idle[0]);
                _idle.RemoveAt(0);
                _open--;
                owner.IdleChanged(-1);
            }
        }

        Close(closing);
    }

    private static void Close(List<ServerChannel>? channels)
    {
        if (channels is null)
        {
            return;
        }

        foreach (var channel in channels)
        {
            channel.Transport.Close();
            channel.Input.Release(discard: true);
        }
    }
}
