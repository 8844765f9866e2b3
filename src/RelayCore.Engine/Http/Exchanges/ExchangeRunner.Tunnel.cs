using RelayCore.Core.Faults;
using RelayCore.Core.Flows;
using RelayCore.Core.Interception;
using RelayCore.Core.Messages;
using RelayCore.Engine.Memory;
using RelayCore.Engine.Transport;
using RelayCore.Protocols;
using RelayCore.Protocols.Fields;
using RelayCore.Protocols.Http1;
using RelayCore.Protocols.Http2;

namespace RelayCore.Engine.Http.Exchanges;

internal sealed partial class ExchangeRunner
{
    private const int FirstOctets = 4096;
    private const int TunnelOctets = 64 * 1024;

    private volatile bool _isTunnel;
    private volatile bool _isWebSocket;

    /// <summary>101, or 2xx to CONNECT: what follows is no HTTP any more, but octets both ways.</summary>
    private async ValueTask SwitchProtocolAsync(ServerStream server, ResponseHead head)
    {
        if (_pump is not null)
        {
            await _pump.ConfigureAwait(false);
        }

        if (OpensWebSocket(head))
        {
            await ServeWebSocketAsync(server, head).ConfigureAwait(false);
            return;
        }

        await SendHeadAsync(HeadOfSwitch(head), 0, isLast: false).ConfigureAwait(false);
        await DeliverAsync(_client.FlushAsync()).ConfigureAwait(false);
        _recorder.Mark(FlowMarks.Upgraded);
        var parent = Exchange.Id;
        await EndFlowAsync(CloseReason.Completed, null).ConfigureAwait(false);

        var origin = Exchange.Request.Origin;
        var started = Now();
        var tunnel = new TunnelContext { Host = origin.Host, Port = origin.Port };
        tunnel.Begin(FlowId.Create(_engine.Time.GetUtcNow()), _facts);
        tunnel.StartedAt = started;
        tunnel.Server = server.Facts;
        _recorder.Begin(FlowKind.Tunnel, tunnel.Id, parent, _facts, started);
        _recorder.Tunnel(origin.Host, origin.Port);
        _recorder.Server(server.Facts);
        _recorder.Streams(_client.StreamId, server.StreamId);
        _stages.Begin(started);
        if (_scope.IsIntercepted)
        {
            _recorder.Mark(FlowMarks.Intercepted);
        }

        FlowFault? fault = null;
        try
        {
            fault = await StartAndRelayAsync(tunnel, server).ConfigureAwait(false);
        }
        finally
        {
            Finish();
            _recorder.End(fault is null ? CloseReason.Completed : Http1Session.ReasonOf(fault), fault, tunnel, _engine.Time.GetTimestamp());
            ReleaseServer();
        }

        if (_interceptors.Wants(Stage.TunnelEnd))
        {
            await _stages.FlowAsync(_interceptors, Stage.TunnelEnd, tunnel, async (i, t, c) =>
            {
                await i.OnTunnelEndAsync(t, fault, c).ConfigureAwait(false);
                return Verdict.Continue;
            }, CancellationToken.None).ConfigureAwait(false);
        }
    }

    /// <summary>What the client's version says to a switch: HTTP/2 has no 101 and says 200 to what it asked for by CONNECT (RFC 8441 §5).</summary>
    private ResponseHead HeadOfSwitch(ResponseHead head)
    {
        if (head.Status != 101 || _client.StreamId == 0)
        {
            return head;
        }

        _own.Load(200, "", 1);
        var hop = HopByHop.Read(head.Fields);
        for (var i = 0; i < head.Fields.Count; i++)
        {
            if (!hop.Covers(head.Fields, i) && head.Fields.Known(i) is not (KnownField.ContentLength or KnownField.TransferEncoding)
                && !FieldSyntax.NameEquals(head.Fields.Name(i), "Sec-WebSocket-Accept"u8))
            {
                _own.Fields.AddUnlogged(head.Fields.Name(i), head.Fields.Value(i));
            }
        }

        _recorder.ResponseSent(SentHead.OfResponse(_own, _client.StreamId));
        return _own;
    }

    private async ValueTask<FlowFault?> StartAndRelayAsync(TunnelContext tunnel, ServerStream server)
    {
        if (_interceptors.Wants(Stage.TunnelStart))
        {
            var verdict = await _stages.FlowAsync(_interceptors, Stage.TunnelStart, tunnel, static (i, t, c) => i.OnTunnelStartAsync(t, c), _engine.Stopping).ConfigureAwait(false);
            if (verdict is Verdict.Drop or Verdict.Abort)
            {
                _client.Reset(Http2ErrorCode.Cancel);
                server.Reset(Http2ErrorCode.Cancel);
                return new("RC-POL-002", FaultStage.Tunnel, FaultKind.Policy, null, "tunnel refused by an interceptor");
            }
        }

        _isTunnel = true;
        var (client, far) = (_client.AsTransport(), server.AsTransport());
        Arm(ref _fromServer, _engine.Limits.TunnelIdleTimeout);
        var up = RelayOneWayAsync(tunnel, PeerRole.Client, client, far);
        var down = RelayOneWayAsync(tunnel, PeerRole.Server, far, client);
        var first = await Task.WhenAny(up, down).ConfigureAwait(false);
        if (await first.ConfigureAwait(false) is not null)
        {
            // One way broke: the other cannot be meant to go on.
            far.Reset();
            client.Reset();
        }

        var (fromUp, fromDown) = (await up.ConfigureAwait(false), await down.ConfigureAwait(false));
        var fault = ExpiredFault() ?? (first == up ? fromUp ?? fromDown : fromDown ?? fromUp);
        if (fault is null)
        {
            far.Close();
            client.Close();
        }
        else
        {
            far.Reset(); // one way may have ended in order before the other broke
            client.Reset();
        }

        return fault;
    }

    /// <summary>Moves octets one way until their source ends, then half-closes the other end.</summary>
    private async Task<FlowFault?> RelayOneWayAsync(TunnelContext tunnel, PeerRole sender, DuplexTransport source, DuplexTransport destination)
    {
        var buffer = BufferPool.Rent(FirstOctets);
        var chunk = new BodyChunk();
        var pieces = new List<ReadOnlyMemory<byte>>();
        var isReading = true;
        try
        {
            while (true)
            {
                isReading = true;
                var octets = await source.ReceiveAsync(buffer).ConfigureAwait(false);
                isReading = false;
                if (octets == 0)
                {
                    await destination.CompleteOutputAsync().ConfigureAwait(false);
                    return null;
                }

                Arm(ref _fromServer, _engine.Limits.TunnelIdleTimeout);
                _recorder.Body(sender, buffer.AsSpan(0, octets));
                if (_interceptors.Wants(Stage.TunnelChunk))
                {
                    await _stages.ChunkAsync(
                        _interceptors, sender, tunnel, buffer.AsMemory(0, octets), isLast: false, pieces, chunk, _engine.Stopping).ConfigureAwait(false);
                    foreach (var piece in pieces)
                    {
                        await destination.SendAsync(piece).ConfigureAwait(false);
                    }
                }
                else
                {
                    await destination.SendAsync(buffer.AsMemory(0, octets)).ConfigureAwait(false);
                }

                if (octets == buffer.Length && octets < TunnelOctets)
                {
                    BufferPool.Return(buffer);
                    buffer = BufferPool.Rent(TunnelOctets);
                }
            }
        }
        catch (Exception e) when (DuplexTransport.IsFailure(e))
        {
            var blame = isReading ? sender : sender == PeerRole.Client ? PeerRole.Server : PeerRole.Client;
            return new("RC-TUN-002", FaultStage.Tunnel, FaultKind.Transport, blame, e.Message);
        }
        finally
        {
            BufferPool.Return(buffer);
        }
    }
}
