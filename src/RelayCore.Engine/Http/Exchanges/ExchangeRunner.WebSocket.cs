using RelayCore.Core.Faults;
using RelayCore.Core.Flows;
using RelayCore.Core.Interception;
using RelayCore.Core.Messages;
using RelayCore.Engine.Messages.WebSockets;
using RelayCore.Engine.Pipeline;
using RelayCore.Protocols;
using RelayCore.Protocols.WebSockets;

namespace RelayCore.Engine.Http.Exchanges;

internal sealed partial class ExchangeRunner
{
    /// <summary>Whether a response opens a WebSocket: over either version, asked for by Upgrade or by extended CONNECT (RFC 6455 §4, RFC 8441 §5).</summary>
    private bool OpensWebSocket(ResponseHead head)
    {
        var request = Exchange.Request;
        return Http2Heads.IsWebSocket(request)
            ? head.Status is 101 or (>= 200 and < 300)
            : head.Status == 101 && WebSocketHandshake.IsUpgrade(request.Fields) && WebSocketHandshake.HasVersion(request.Fields)
                && WebSocketHandshake.IsUpgrade(head.Fields);
    }

    /// <summary>Checks the request as a strict server would, by option.</summary>
    private FlowFault? CheckWebSocketRequest()
    {
        var request = Exchange.Request;
        if (!_engine.Options.StrictWebSocket)
        {
            return null;
        }

        var broken = Http2Heads.IsWebSocket(request) ? WebSocketHandshake.CheckOffers(request.Fields)
            : _client.StreamId == 0 && WebSocketHandshake.IsUpgrade(request.Fields)
                ? WebSocketHandshake.CheckRequest(request.MethodOctets, request.MinorVersion, request.Fields)
            : WebSocketHandshakeFault.None;
        return broken == WebSocketHandshakeFault.None ? null : WebSocketSession.HandshakeFault(broken, FaultStage.Request, PeerRole.Client);
    }

    /// <summary>The answer to a handshake: the flow goes on as a WebSocket. Interceptors see the head before the client does.</summary>
    private async ValueTask ServeWebSocketAsync(ServerStream server, ResponseHead head)
    {
        var request = Exchange.Request;
        if (_engine.Options.StrictWebSocket)
        {
            var broken = Http2Heads.IsWebSocket(request) || server.StreamId != 0
                ? WebSocketHandshake.CheckAgreement(request.Fields, head.Fields)
                : WebSocketHandshake.CheckResponse(request.Fields, head.Fields);
            if (broken != WebSocketHandshakeFault.None)
            {
                await FailAsync(WebSocketSession.HandshakeFault(broken, FaultStage.Response, PeerRole.Server)).ConfigureAwait(false);
                return;
            }
        }

        var agreedWithServer = PerMessageDeflate.ReadResponse(head.Fields);
        if (_interceptors.Wants(Stage.ResponseHead, Exchange) && await InterceptHandshakeAsync(head).ConfigureAwait(false))
        {
            return;
        }

        // What an actor took out of the answer was not agreed with the client.
        var agreedWithClient = PerMessageDeflate.ReadResponse(head.Fields);
        await SendHeadAsync(HeadOfSwitch(head), 0, isLast: false).ConfigureAwait(false);
        await DeliverAsync(_client.FlushAsync()).ConfigureAwait(false);
        _recorder.Mark(FlowMarks.Upgraded);
        _recorder.Become(FlowKind.WebSocket);
        DisarmAll();
        _isTunnel = true;
        _isWebSocket = true;
        var session = new WebSocketSession(
            _engine, Exchange, _recorder, _stages, _interceptors,
            new(_client.AsTransport(), _facts, default, agreedWithClient), new(server.AsTransport(), server.Facts, default, agreedWithServer));
        FlowFault? fault;
        FlowFault? stopped = null;
        try
        {
            fault = await session.RunAsync().ConfigureAwait(false);
        }
        finally
        {
            stopped = ExpiredFault();
            Finish();
        }

        await EndFlowAsync(stopped is null ? session.Reason : Http1Session.ReasonOf(stopped), stopped ?? fault).ConfigureAwait(false);
        ReleaseServer();
    }

    /// <returns>Whether the client got another answer.</returns>
    private async ValueTask<bool> InterceptHandshakeAsync(ResponseHead head)
    {
        if (_interceptors.MayWait)
        {
            await default(ThreadPoolHop);
        }

        var status = head.Status;
        var verdict = await _stages.ResponseHeadAsync(_interceptors, Exchange, _engine.Stopping).ConfigureAwait(false);
        if (verdict.IsTerminal || head.Status == status)
        {
            return await ApplyAsync(verdict).ConfigureAwait(false);
        }

        await RespondAsync(WebSocketSession.Refusal(head)).ConfigureAwait(false);
        return true;
    }
}
