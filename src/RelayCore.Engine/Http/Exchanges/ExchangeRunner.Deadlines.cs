using RelayCore.Protocols.Http2;

namespace RelayCore.Engine.Http.Exchanges;

internal sealed partial class ExchangeRunner
{
    // Monotonic timestamps; 0 for none. Each is noted by whoever waits and read by the sweeper.
    private long _fromClient;
    private long _toServer;
    private long _fromServer;
    private long _toClient;
    private long _totalDeadline;
    private long _lastProgress;
    private int _expired;
    private Http2ErrorCode _clientCode;
    private TaskCompletionSource? _late;

    // Reading the clock costs as much as parsing a field, so the exchange reads it once when something arrived or was sent and uses that for all that follows.
    private long _now;

    /// <summary>Why an exchange was ended from outside; the first reason counts.</summary>
    private enum Wait
    {
        None,

        /// <summary>The rest of the request body.</summary>
        RequestBody,

        /// <summary>The server to take octets.</summary>
        Sending,

        /// <summary>The final response head.</summary>
        Response,

        /// <summary>The rest of the response body.</summary>
        ResponseBody,

        /// <summary>The client to take octets.</summary>
        Delivery,

        /// <summary>Octets in a tunnel.</summary>
        Tunnel,

        /// <summary>The whole exchange.</summary>
        Total,

        /// <summary>The engine stops.</summary>
        Stopping,

        /// <summary>The client gave its stream up.</summary>
        ClientReset,

        /// <summary>The rest of a request whose response is complete: no fault of anybody.</summary>
        Early,

        /// <summary>Nothing: the exchange is over, and nobody may end it any more.</summary>
        Finished,
    }

    /// <summary>Ends what is late; called ten times a second by its session, from one thread.</summary>
    /// <param name="now">Monotonic timestamp.</param>
    public void Sweep(long now)
    {
        if (IsDue(ref _totalDeadline, now))
        {
            Expire(Wait.Total);
        }

        if (IsDue(ref _toClient, now))
        {
            Expire(_isTunnel ? Wait.Tunnel : Wait.Delivery);
        }

        if (IsDue(ref _toServer, now))
        {
            Expire(_isTunnel ? Wait.Tunnel : Wait.Sending);
        }

        if (IsDue(ref _fromClient, now) && !IsDuplexAlive(ref _fromClient, now))
        {
            if (_isLingering)
            {
                _client?.Reset(Http2ErrorCode.NoError); // it had its time to stop, and got its answer
                return;
            }

            Expire(_isDelivered ? Wait.Early : Wait.RequestBody);
        }

        if (IsDue(ref _fromServer, now) && !IsDuplexAlive(ref _fromServer, now))
        {
            Expire(_isTunnel ? Wait.Tunnel : _isHeadReceived ? Wait.ResponseBody : Wait.Response);
        }
    }

    /// <summary>Ends the exchange: the proxy stops.</summary>
    public void Abort() => Expire(Wait.Stopping);

    private static bool IsDue(ref long deadline, long now)
    {
        var due = Volatile.Read(ref deadline);
        return due != 0 && now >= due && Interlocked.CompareExchange(ref deadline, 0, due) == due;
    }

    /// <summary>While both sides send, one of them may well be silent as long as the other is not: gRPC in both directions.</summary>
    private bool IsDuplexAlive(ref long deadline, long now)
    {
        if (_pump is not { IsCompleted: false } || !_isHeadReceived || _isDelivered || _isTunnel)
        {
            return false;
        }

        var due = Deadline(_engine.Limits.BodyTimeout, Volatile.Read(ref _lastProgress));
        if (due <= now)
        {
            return false;
        }

        Interlocked.CompareExchange(ref deadline, due, 0);
        return true;
    }

    private bool TryExpire(Wait wait) => Interlocked.CompareExchange(ref _expired, (int)wait, 0) == 0;

    /// <summary>Ends the waits of an exchange by resetting the streams it waits on; the exchange finds out why by <see cref="ExpiredFault"/>.</summary>
    private void Expire(Wait wait)
    {
        var (client, server, isAnswered) = (_client, Volatile.Read(ref _server), _responseStarted);
        if (client is null || !TryExpire(wait))
        {
            return;
        }

        if (wait == Wait.Early)
        {
            client.StopBody();
            if (client.StreamId == 0)
            {
                client.Reset(Http2ErrorCode.NoError); // it had its time to stop
            }

            return;
        }

        // While a body is gathered no server is concerned, and the client is to be answered.
        if (Volatile.Read(ref _late) is { } late && wait is Wait.RequestBody or Wait.Total)
        {
            late.TrySetResult();
            return;
        }

        if (isAnswered || wait is Wait.Delivery or Wait.Stopping or Wait.Tunnel)
        {
            client.Reset(wait is Wait.Stopping or Wait.RequestBody or Wait.Delivery or Wait.Tunnel ? Http2ErrorCode.Cancel : Http2ErrorCode.InternalError);
        }

        (server ?? ServerSince(client))?.Reset(ServerCode());
    }

    private void ClientIsReset(StreamResetException reason)
    {
        _clientCode = reason.Code;
        if (_isWebSocket)
        {
            return; // its session reads both ends and says who ended it; a reset of the server's from here could come first and take the blame
        }

        var (client, server) = (_client, Volatile.Read(ref _server));
        if (TryExpire(Wait.ClientReset))
        {
            (server ?? ServerSince(client))?.Reset(ServerCode());
        }
    }

    /// <summary>The server that was found while the exchange was ended; nobody else would end it any more.</summary>
    private ServerStream? ServerSince(ClientStream? client) => ReferenceEquals(_client, client) ? Volatile.Read(ref _server) : null;

    // Behind its response a server may refuse the rest of the request (RFC 9113 §8.1). Otherwise whoever waits for it is told by the wait.
    private void ServerIsReset(StreamResetException reason)
    {
        if (_isDelivered && Volatile.Read(ref _expired) == 0)
        {
            _serverRefusesBody = true;
            if (_client is { StreamId: not 0 } client && TryExpire(Wait.Early))
            {
                client.Reset(reason.Code);
            }
        }
    }

    /// <summary>What the server's stream is reset with: what the client said, so that the server learns why (RFC 9113 §7).</summary>
    private Http2ErrorCode ServerCode() =>
        Volatile.Read(ref _expired) == (int)Wait.ClientReset && _clientCode != Http2ErrorCode.NoError ? _clientCode : Http2ErrorCode.Cancel;

    /// <summary>From here on nobody ends the exchange from outside.</summary>
    private void Finish()
    {
        DisarmAll();
        TryExpire(Wait.Finished);
    }

    /// <summary>Reads the clock; for the exchange, not for the pump beside it.</summary>
    private long Now() => _now = _engine.Time.GetTimestamp();

    private void Arm(ref long deadline, TimeSpan timeout)
    {
        var now = _engine.Time.GetTimestamp();
        Volatile.Write(ref _lastProgress, now);
        Arm(ref deadline, timeout, now);
    }

    private void Arm(ref long deadline, TimeSpan timeout, long now) => Volatile.Write(ref deadline, Deadline(timeout, now));

    private static void Disarm(ref long deadline) => Volatile.Write(ref deadline, 0);

    private void DisarmAll(bool exceptClient = false)
    {
        Disarm(ref _toServer);
        Disarm(ref _fromServer);
        if (!exceptClient)
        {
            Disarm(ref _fromClient);
            Disarm(ref _toClient);
            Disarm(ref _totalDeadline);
        }
    }

    private long Deadline(TimeSpan timeout, long now) =>
        timeout == Timeout.InfiniteTimeSpan ? 0 : now + (long)(timeout.TotalSeconds * _engine.Time.TimestampFrequency);
}
