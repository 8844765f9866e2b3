using RelayCore.Core.Connections;
using RelayCore.Engine.Upstream;

namespace RelayCore.Engine.Http.Exchanges;

/// <summary>
/// HTTP/1 server connections that carry connection-bound authentication (NTLM, Negotiate): they stay with the client connection whose
/// identity they have. Safe for concurrent use, because exchanges of one client run at the same time.
/// </summary>
internal sealed class PinnedChannels : IDisposable
{
    // A client that logs in on many parallel streams gets a connection for each; more than this are not worth keeping.
    private const int MaxChannels = 16;

    private readonly Lock _gate = new();
    private List<ServerChannel>? _channels;
    private bool _isDisposed;

    /// <summary>Takes the connection pinned last for an origin, if it is still good.</summary>
    public ServerChannel? TryTake(Origin origin)
    {
        if (Volatile.Read(ref _channels) is null)
        {
            return null;
        }

        while (true)
        {
            ServerChannel? channel;
            lock (_gate)
            {
                var index = _channels!.FindLastIndex(x => x.Pool.Origin == origin);
                if (index < 0)
                {
                    return null;
                }

                channel = _channels[index];
                _channels.RemoveAt(index);
            }

            if (!channel.Transport.HasInput)
            {
                channel.IsReused = true;
                return channel;
            }

            channel.Pool.Discard(channel, reset: false);
        }
    }

    /// <summary>Whether a connection to an origin is kept.</summary>
    public bool IsHeld(Origin origin)
    {
        if (Volatile.Read(ref _channels) is null)
        {
            return false;
        }

        lock (_gate)
        {
            foreach (var channel in _channels!)
            {
                if (channel.Pool.Origin == origin)
                {
                    return true;
                }
            }

            return false;
        }
    }

    /// <summary>Keeps a connection until its client needs it again or goes.</summary>
    public void Put(ServerChannel channel)
    {
        ServerChannel? surplus = null;
        lock (_gate)
        {
            if (_isDisposed)
            {
                surplus = channel;
            }
            else
            {
                var channels = _channels ?? [];
                channels.Add(channel);
                if (channels.Count > MaxChannels)
                {
                    surplus = channels[0];
                    channels.RemoveAt(0);
                }

                Volatile.Write(ref _channels, channels);
            }
        }

        surplus?.Pool.Discard(surplus, reset: false);
    }

    /// <summary>Closes them; what is put afterwards is closed at once.</summary>
    public void Dispose()
    {
        List<ServerChannel>? channels;
        lock (_gate)
        {
            _isDisposed = true;
            (channels, _channels) = (_channels, null);
        }

        foreach (var channel in channels ?? [])
        {
            channel.Pool.Discard(channel, reset: false);
        }
    }
}
