using RelayCore.Core.Connections;
using RelayCore.Core.Faults;
using RelayCore.Core.Flows;
using RelayCore.Core.Interception;
using RelayCore.Core.Messages;
using RelayCore.Engine.Memory;
using RelayCore.Engine.Transport;
using RelayCore.Engine.Upstream;
using RelayCore.Protocols;
using RelayCore.Protocols.Http1;
using RelayCore.Protocols.WebSockets;

namespace RelayCore.Engine.Http;

internal sealed partial class Http1Session
{
    private DuplexTransport? _tunnelServer;

    /// <summary>The other end of a raw tunnel, with what is pending on it.</summary>
    /// <param name="Transport">Its connection.</param>
    /// <param name="Facts">Its facts.</param>
    /// <param name="Received">Octets that came while it was opened.</param>
    private sealed record RawServer(DuplexTransport Transport, ServerConnection Facts, ReadOnlyMemory<byte> Received)
    {
        /// <summary>A receive that was begun, into <see cref="PendingBuffer"/>.</summary>
        public Task<int>? Pending { get; init; }

        public byte[] PendingBuffer { get; init; } = [];

        /// <summary>A receive from the client that was begun, into the room of the session's input.</summary>
        public Task<int>? PendingClient { get; init; }

        public bool ServerSpokeFirst { get; init; }
    }

    private async ValueTask<RawServer> OpenRawAsync(string host, int port, bool isSecure)
    {
        var (transport, facts, received) = await _engine.Connector.OpenRawAsync(host, port, isSecure ? _scope!.Origin.Host : null, _route).ConfigureAwait(false);
        return new(transport, facts, received);
    }

    /// <summary>Relays octets both ways until both ends are done.</summary>
    private async ValueTask<Next> ServeRawTunnelAsync(string host, int port, bool isSecure, RawServer? server, FlowMarks marks)
    {
        BeginFlow(FlowKind.Tunnel);
        _recorder.Tunnel(host, port);
        _recorder.Mark(marks);
        var tunnel = new TunnelContext { Host = host, Port = port };
        tunnel.Begin(_exchange.Id, _facts);
        (tunnel.StartedAt, tunnel.Route) = (_started, _route);
        if (_opening is not null)
        {
            tunnel.Continue(_opening);
        }

        FlowFault? fault = null;
        try
        {
            if (_interceptors.Wants(Stage.TunnelStart))
            {
                var verdict = await _stages.FlowAsync(_interceptors, Stage.TunnelStart, tunnel, static (i, t, c) => i.OnTunnelStartAsync(t, c), _engine.Stopping).ConfigureAwait(false);
                if (verdict is Verdict.Drop or Verdict.Abort)
                {
                    fault = new("RC-POL-002", FaultStage.Tunnel, FaultKind.Policy, null, "tunnel refused by an interceptor");
                    server?.Transport.Reset();
                    return Next.Gone;
                }
            }

            _recorder.Stamp(TimingPoint.ConnectStart, _engine.Time.GetTimestamp());
            server ??= await OpenRawAsync(host, port, isSecure).ConfigureAwait(false);
            _recorder.Server(server.Facts);
            tunnel.Server = server.Facts;
            _recorder.Stamp(TimingPoint.Connected, _engine.Time.GetTimestamp());
            fault = await RelayAsync(tunnel, server, isOpaque: (marks & FlowMarks.PassedThrough) != 0).ConfigureAwait(false);
        }
        catch (UpstreamException e)
        {
            fault = e.Fault;
        }
        catch (Exception e) when (DuplexTransport.IsFailure(e))
        {
            fault = ExpiredFault() ?? new("RC-TUN-002", FaultStage.Tunnel, FaultKind.Transport, null, e.Message);
        }
        finally
        {
            await EndTunnelAsync(tunnel, fault).ConfigureAwait(false);
        }

        return fault is null ? Next.Close : Next.Gone;
    }

    private async ValueTask EndTunnelAsync(TunnelContext tunnel, FlowFault? fault)
    {
        DisarmServer();
        DisarmClient();
        _recorder.End(fault is null ? CloseReason.Completed : ReasonOf(fault), fault, tunnel, _engine.Time.GetTimestamp());
        if (_interceptors.Wants(Stage.TunnelEnd))
        {
            await _stages.FlowAsync(_interceptors, Stage.TunnelEnd, tunnel, async (i, t, c) =>
            {
                await i.OnTunnelEndAsync(t, fault, c).ConfigureAwait(false);
                return Verdict.Continue;
            }, CancellationToken.None).ConfigureAwait(false);
        }
    }

    /// <summary>101, or 2xx to a CONNECT that was forwarded: the connection is no longer HTTP.</summary>
    private async ValueTask<Next> SwitchProtocolAsync(ServerChannel channel)
    {
        if (_pump is not null)
        {
            await _pump.ConfigureAwait(false);
        }

        if (_exchange.Response.Status == 101 && AsksForWebSocket && WebSocketHandshake.IsUpgrade(_exchange.Response.Fields))
        {
            return await ServeWebSocketAsync(channel).ConfigureAwait(false);
        }

        var length = WriteResponseHead(0, _exchange.Response.Status == 101 ? ConnectionOptions.Upgrade : ConnectionOptions.None);
        _responseStarted = true;
        _at = At.Client;
        await SendToClientAsync(_output.AsMemory(0, length)).ConfigureAwait(false);
        _recorder.Mark(FlowMarks.Upgraded);
        var parent = _exchange.Id;
        await EndFlowAsync(CloseReason.Completed, null).ConfigureAwait(false);

        var origin = _exchange.Request.Origin;
        _started = _engine.Time.GetTimestamp();
        BeginFlow(FlowKind.Tunnel, parent);
        _recorder.Tunnel(origin.Host, origin.Port);
        _recorder.Server(channel.Facts);
        var tunnel = new TunnelContext { Host = origin.Host, Port = origin.Port };
        tunnel.Begin(_exchange.Id, _facts);
        tunnel.StartedAt = _started;
        FlowFault? fault = null;
        try
        {
            fault = await RelayAsync(tunnel, new(channel.Transport, channel.Facts, channel.Input.Memory.ToArray()), isOpaque: false).ConfigureAwait(false);
        }
        finally
        {
            _channel = null;
            channel.Pool.Discard(channel, reset: fault is not null);
            await EndTunnelAsync(tunnel, fault).ConfigureAwait(false);
        }

        return fault is null ? Next.Close : Next.Gone;
    }

    private async ValueTask<FlowFault?> RelayAsync(TunnelContext tunnel, RawServer server, bool isOpaque)
    {
        Volatile.Write(ref _tunnelServer, server.Transport);
        DisarmClient();
        ArmServer(Wait.Tunnel, _engine.Limits.TunnelIdleTimeout);
        var fromClient = _input.Memory.ToArray();
        var pendingClient = server.PendingClient;
        var up = RelayOneWayAsync(tunnel, PeerRole.Client, _client, server.Transport, fromClient, pendingClient, pendingClient is null ? default : _input.Room(1), isOpaque);
        var down = RelayOneWayAsync(tunnel, PeerRole.Server, server.Transport, _client, server.Received, server.Pending, server.PendingBuffer, isOpaque);
        var first = await Task.WhenAny(up, down).ConfigureAwait(false);
        if (await first.ConfigureAwait(false) is not null)
        {
            // One way broke: the other cannot be meant to go on.
            server.Transport.Reset();
            _client.Reset();
        }

        var fault = await up.ConfigureAwait(false) is var fromUp && first == up ? fromUp ?? await down.ConfigureAwait(false) : await down.ConfigureAwait(false) ?? fromUp;
        Volatile.Write(ref _tunnelServer, null);
        _input.Release(discard: true);
        if (fault is null)
        {
            server.Transport.Close();
        }
        else
        {
            server.Transport.Reset(); // one way may have ended in order before the other broke
        }

        return ExpiredFault() ?? fault;
    }

    /// <summary>Moves octets one way until their source ends, then half-closes the other end.</summary>
    private async Task<FlowFault?> RelayOneWayAsync(
        TunnelContext tunnel, PeerRole sender, DuplexTransport source, DuplexTransport destination, ReadOnlyMemory<byte> received, Task<int>? pending,
        Memory<byte> pendingBuffer, bool isOpaque)
    {
        byte[]? buffer = null;
        var chunk = new BodyChunk();
        var pieces = new List<ReadOnlyMemory<byte>>();
        var reading = true;
        try
        {
            if (!received.IsEmpty)
            {
                reading = false;
                await ForwardAsync(received).ConfigureAwait(false);
            }

            if (pending is not null)
            {
                reading = true;
                var octets = await pending.ConfigureAwait(false);
                if (octets == 0 && received.IsEmpty)
                {
                    await destination.CompleteOutputAsync().ConfigureAwait(false);
                    return null;
                }

                reading = false;
                await ForwardAsync(pendingBuffer[..octets]).ConfigureAwait(false);
            }

            var capacity = HeadBufferOctets;
            while (true)
            {
                if (buffer is null || buffer.Length < capacity)
                {
                    Return(ref buffer);
                    buffer = BufferPool.Rent(capacity);
                }

                reading = true;
                var octets = await source.ReceiveAsync(buffer).ConfigureAwait(false);
                if (octets == 0)
                {
                    await destination.CompleteOutputAsync().ConfigureAwait(false);
                    return null;
                }

                reading = false;
                await ForwardAsync(buffer.AsMemory(0, octets)).ConfigureAwait(false);
                capacity = octets == buffer.Length ? BodyBufferOctets : capacity;
            }
        }
        catch (Exception e) when (DuplexTransport.IsFailure(e))
        {
            var blame = reading ? sender : sender == PeerRole.Client ? PeerRole.Server : PeerRole.Client;
            return new("RC-TUN-002", FaultStage.Tunnel, FaultKind.Transport, blame, e.Message);
        }
        finally
        {
            Return(ref buffer);
        }

        async ValueTask ForwardAsync(ReadOnlyMemory<byte> octets)
        {
            ArmServer(Wait.Tunnel, _engine.Limits.TunnelIdleTimeout);
            if (isOpaque)
            {
                _recorder.BodyUnseen(sender, octets.Length);
            }
            else
            {
                _recorder.Body(sender, octets.Span);
            }

            if (!isOpaque && _interceptors.Wants(Stage.TunnelChunk))
            {
                await _stages.ChunkAsync(_interceptors, sender, tunnel, octets, isLast: false, pieces, chunk, _engine.Stopping).ConfigureAwait(false);
                foreach (var piece in pieces)
                {
                    await destination.SendAsync(piece).ConfigureAwait(false);
                }

                return;
            }

            await destination.SendAsync(octets).ConfigureAwait(false);
        }

        static void Return(ref byte[]? buffer)
        {
            if (buffer is not null)
            {
                BufferPool.Return(buffer);
                buffer = null;
            }
        }
    }
}
