using RelayCore.Core.Faults;
using RelayCore.Core.Flows;
using RelayCore.Core.Interception;
using RelayCore.Engine.Messages.WebSockets;
using RelayCore.Engine.Pipeline;
using RelayCore.Engine.Upstream;
using RelayCore.Protocols;
using RelayCore.Protocols.Http1;
using RelayCore.Protocols.WebSockets;

namespace RelayCore.Engine.Http;

internal sealed partial class Http1Session
{
    /// <summary>Whether the request is a handshake of a WebSocket as RFC 6455 knows it; earlier drafts have other frames and are relayed raw.</summary>
    private bool AsksForWebSocket =>
        _isUpgrade && WebSocketHandshake.IsUpgrade(_exchange.Request.Fields) && WebSocketHandshake.HasVersion(_exchange.Request.Fields);

    /// <summary>Checks the request as a strict server would, by option.</summary>
    /// <returns>The fault, when it is a handshake with one.</returns>
    private FlowFault? CheckWebSocketRequest()
    {
        if (!_engine.Options.StrictWebSocket || !_isUpgrade || !WebSocketHandshake.IsUpgrade(_exchange.Request.Fields))
        {
            return null;
        }

        var request = _exchange.Request;
        var broken = WebSocketHandshake.CheckRequest(request.MethodOctets, request.MinorVersion, request.Fields);
        return broken == WebSocketHandshakeFault.None ? null : WebSocketSession.HandshakeFault(broken, FaultStage.Request, PeerRole.Client);
    }

    /// <summary>101 to a handshake: the flow goes on as a WebSocket. Interceptors see the response head before the client does.</summary>
    private async ValueTask<Next> ServeWebSocketAsync(ServerChannel channel)
    {
        var (request, response) = (_exchange.Request, _exchange.Response);
        if (_engine.Options.StrictWebSocket
            && WebSocketHandshake.CheckResponse(request.Fields, response.Fields) is not WebSocketHandshakeFault.None and var broken)
        {
            return await FailAsync(WebSocketSession.HandshakeFault(broken, FaultStage.Response, PeerRole.Server)).ConfigureAwait(false);
        }

        var agreedWithServer = PerMessageDeflate.ReadResponse(response.Fields);
        if (_interceptors.Wants(Stage.ResponseHead, _exchange) && await InterceptHandshakeAsync().ConfigureAwait(false) is { } answered)
        {
            return answered;
        }

        // What an actor took out of the answer was not agreed with the client.
        var agreedWithClient = PerMessageDeflate.ReadResponse(response.Fields);
        var length = WriteResponseHead(0, ConnectionOptions.Upgrade);
        _responseStarted = true;
        _at = At.Client;
        await SendToClientAsync(_output.AsMemory(0, length)).ConfigureAwait(false);
        _recorder.Mark(FlowMarks.Upgraded);
        _recorder.Become(FlowKind.WebSocket);
        Volatile.Write(ref _totalDeadline, 0); // a bound on an exchange, which this is no more
        DisarmClient();
        DisarmServer();

        // A session lives long and mostly waits: it gets copies of the little that came already, and the buffers go back.
        var fromClient = _input.Memory.ToArray();
        var fromServer = channel.Input.Memory.ToArray();
        _input.Release(discard: true);
        channel.Input.Release(discard: true);
        ReleaseOutput();
        var session = new WebSocketSession(
            _engine, _exchange, _recorder, _stages, _interceptors,
            new(_client, _facts, fromClient, agreedWithClient), new(channel.Transport, channel.Facts, fromServer, agreedWithServer));
        Volatile.Write(ref _tunnelServer, channel.Transport);
        FlowFault? fault;
        try
        {
            fault = await session.RunAsync().ConfigureAwait(false);
        }
        finally
        {
            Volatile.Write(ref _tunnelServer, null);
            _channel = null;
            channel.Pool.Discard(channel, reset: false);
        }

        var stopped = ExpiredFault();
        await EndFlowAsync(stopped is null ? session.Reason : ReasonOf(stopped), stopped ?? fault).ConfigureAwait(false);
        return Next.Close; // the session has closed or reset both connections
    }

    private async ValueTask<Next?> InterceptHandshakeAsync()
    {
        if (_interceptors.MayWait)
        {
            await default(ThreadPoolHop);
        }

        var response = _exchange.Response;
        var verdict = await _stages.ResponseHeadAsync(_interceptors, _exchange, _engine.Stopping).ConfigureAwait(false);
        if (verdict.IsTerminal || response.Status == 101)
        {
            return await ApplyAsync(verdict).ConfigureAwait(false);
        }

        return await RespondAsync(WebSocketSession.Refusal(response)).ConfigureAwait(false);
    }
}
