using RelayCore.Core.Faults;
using RelayCore.Protocols;

namespace RelayCore.Engine.Http;

internal sealed partial class Http1Session
{
    private int _clientWait;
    private long _clientDeadline;
    private int _serverWait;
    private long _serverDeadline;
    private long _totalDeadline;
    private int _expired;
    private TaskCompletionSource? _silence;

    /// <summary>What the session waits for.</summary>
    private enum Wait
    {
        None,

        /// <summary>A request, or the first octet of the connection.</summary>
        Idle,

        /// <summary>The rest of a head.</summary>
        Head,

        /// <summary>The rest of a request body.</summary>
        RequestBody,

        /// <summary>The client to take octets.</summary>
        Delivery,

        /// <summary>The TLS handshake with the client.</summary>
        Handshake,

        /// <summary>The client to end after our last octet.</summary>
        Linger,

        /// <summary>The final response head.</summary>
        Response,

        /// <summary>The rest of a response body.</summary>
        ResponseBody,

        /// <summary>The server to take octets.</summary>
        Sending,

        /// <summary>Octets in a tunnel.</summary>
        Tunnel,

        /// <summary>The whole exchange.</summary>
        Total,

        /// <summary>The engine stops.</summary>
        Stopping,

        /// <summary>The first octet of a tunnel; a silent client is not late, the server may be the one to speak.</summary>
        Silence,

        /// <summary>The client reset its connection while the server was waited for.</summary>
        ClientReset,
    }

    public void Sweep(long now, bool isSecond)
    {
        SweepRunner(now, isSecond);
        var total = Volatile.Read(ref _totalDeadline);
        if (total != 0 && now >= total)
        {
            Volatile.Write(ref _totalDeadline, 0);
            TotalIsOver();
            return;
        }

        var client = Volatile.Read(ref _clientDeadline);
        if (client != 0 && now >= client && Interlocked.CompareExchange(ref _clientDeadline, 0, client) == client)
        {
            ClientIsLate((Wait)Volatile.Read(ref _clientWait));
        }

        var server = Volatile.Read(ref _serverDeadline);
        if (server != 0 && now >= server && Interlocked.CompareExchange(ref _serverDeadline, 0, server) == server)
        {
            Expire((Wait)Volatile.Read(ref _serverWait));
            if (Volatile.Read(ref _serverWait) == (int)Wait.Tunnel)
            {
                _client.Reset();
            }

            ResetServer();
        }

        // A client that reset its connection would otherwise be noticed only when the response comes. A half-close is no reason to give up.
        if (isSecond && (Volatile.Read(ref _serverWait) == (int)Wait.Response || Volatile.Read(ref _waiting) > 0) && _client.IsReset)
        {
            Expire(Wait.ClientReset);
            ResetServer();
        }
    }

    private void ClientIsLate(Wait wait)
    {
        switch (wait)
        {
            case Wait.Head:
                Expire(wait);
                _ = RefuseLateAsync("RC-HTTP-301");
                break;

            case Wait.RequestBody when _channel is null:
                Expire(wait);
                _ = RefuseLateAsync("RC-HTTP-302");
                break;

            case Wait.RequestBody:
                var isAnswered = _responseStarted; // before the reset, which lets the loop answer
                Expire(wait);
                ResetServer();
                if (isAnswered)
                {
                    _client.Reset(); // it cannot be told any more, and nobody else waits for it
                }

                break;

            case Wait.Delivery or Wait.Tunnel:
                Expire(wait);
                _client.Reset();
                ResetServer();
                break;

            case Wait.Handshake:
                Expire(wait);
                _client.Reset();
                break;

            case Wait.Silence:
                Volatile.Read(ref _silence)?.TrySetResult();
                break;

            default:
                _client.Close();
                break;
        }
    }

    private void TotalIsOver()
    {
        var isAnswered = _responseStarted;
        Expire(Wait.Total);
        if (Volatile.Read(ref _channel) is null && Volatile.Read(ref _clientWait) == (int)Wait.RequestBody)
        {
            _ = RefuseLateAsync("RC-HTTP-313");
        }
        else if (isAnswered)
        {
            _client.Reset();
        }

        ResetServer();
    }

    // The loop is in a receive, so the sending side is free.
    private async Task RefuseLateAsync(string code)
    {
        try
        {
            await _client.SendAsync(LateAnswer(code)).ConfigureAwait(false);
            await _client.CompleteOutputAsync().ConfigureAwait(false);
        }
        catch (Exception e) when (Transport.DuplexTransport.IsFailure(e))
        {
            // It is gone; closing says the same.
        }

        _client.Close();
    }

    private static byte[] LateAnswer(string code)
    {
        var entry = FaultCatalog.Find(code)!;
        return GeneratedResponse.Build(entry, entry.Explanation, null, close: true, isHead: false);
    }

    private void Expire(Wait wait) => Interlocked.CompareExchange(ref _expired, (int)wait, 0);

    private void ResetServer()
    {
        Volatile.Read(ref _channel)?.Transport.Reset();
        Volatile.Read(ref _tunnelServer)?.Reset();
    }

    // Reading the clock costs as much as parsing a field, so the loop reads it once when something arrives or was sent and uses that for all that follows.
    private long _now;

    /// <summary>Reads the clock; for the loop, not for the pump beside it.</summary>
    private long Now() => _now = _engine.Time.GetTimestamp();

    private void ArmClient(Wait wait, TimeSpan timeout) => ArmClient(wait, timeout, _engine.Time.GetTimestamp());

    private void ArmClient(Wait wait, TimeSpan timeout, long now)
    {
        Volatile.Write(ref _clientWait, (int)wait);
        Volatile.Write(ref _clientDeadline, Deadline(timeout, now));
    }

    private void DisarmClient()
    {
        Volatile.Write(ref _clientDeadline, 0);
        Volatile.Write(ref _clientWait, 0);
    }

    private void ArmServer(Wait wait, TimeSpan timeout) => ArmServer(wait, timeout, _engine.Time.GetTimestamp());

    private void ArmServer(Wait wait, TimeSpan timeout, long now)
    {
        Volatile.Write(ref _serverWait, (int)wait);
        Volatile.Write(ref _serverDeadline, Deadline(timeout, now));
    }

    private void DisarmServer()
    {
        Volatile.Write(ref _serverDeadline, 0);
        Volatile.Write(ref _serverWait, 0);
    }

    private long Deadline(TimeSpan timeout, long now) =>
        timeout == Timeout.InfiniteTimeSpan ? 0 : now + (long)(timeout.TotalSeconds * _engine.Time.TimestampFrequency);

    /// <summary>The fault of what the sweeper ended; <see langword="null"/> when it was not the sweeper.</summary>
    private FlowFault? ExpiredFault() => (Wait)Volatile.Read(ref _expired) switch
    {
        Wait.Head => Late("RC-HTTP-301", FaultStage.Request, PeerRole.Client),
        Wait.RequestBody => Late("RC-HTTP-302", FaultStage.Request, PeerRole.Client),
        Wait.Delivery => Late("RC-HTTP-315", FaultStage.Response, PeerRole.Client),
        Wait.Handshake => Late("RC-TLS-105", FaultStage.ClientTls, PeerRole.Client),
        Wait.Response => Late("RC-HTTP-310", FaultStage.Response, PeerRole.Server),
        Wait.ResponseBody => Late("RC-HTTP-308", FaultStage.Response, PeerRole.Server),
        Wait.Sending => Late("RC-HTTP-312", FaultStage.Request, PeerRole.Server),
        Wait.Tunnel => Late("RC-TUN-001", FaultStage.Tunnel, null),
        Wait.Total => Late("RC-HTTP-313", FaultStage.Response, null),
        Wait.Stopping => new("RC-INT-002", FaultStage.Connection, FaultKind.Policy, null, "the proxy was stopped"),
        Wait.ClientReset => new("RC-HTTP-315", FaultStage.Response, FaultKind.Transport, PeerRole.Client, "the client reset its connection"),
        _ => null,
    };

    internal static FlowFault Late(string code, FaultStage stage, PeerRole? blame) =>
        new(code, stage, FaultKind.Timeout, blame, FaultCatalog.Find(code)!.Explanation, blame == PeerRole.Server);
}
