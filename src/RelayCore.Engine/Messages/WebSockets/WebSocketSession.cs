using System.Text;
using RelayCore.Core.Connections;
using RelayCore.Core.Faults;
using RelayCore.Core.Flows;
using RelayCore.Core.Interception;
using RelayCore.Core.Messages;
using RelayCore.Engine.Capture;
using RelayCore.Engine.Listeners;
using RelayCore.Engine.Pipeline;
using RelayCore.Engine.Transport;
using RelayCore.Protocols;
using RelayCore.Protocols.WebSockets;

namespace RelayCore.Engine.Messages.WebSockets;

/// <summary>One end of a WebSocket.</summary>
/// <param name="Transport">Its connection, or its stream of HTTP/2.</param>
/// <param name="Facts">The connection's facts; octets are counted there.</param>
/// <param name="Received">What came behind its handshake already; copied when the session starts.</param>
/// <param name="Extensions">What was agreed with this end.</param>
internal readonly record struct WebSocketEnd(DuplexTransport Transport, ConnectionFacts Facts, ReadOnlyMemory<byte> Received, WebSocketExtensions Extensions);

/// <summary>
/// A WebSocket between two ends after its handshake (RFC 6455), however that was made: two pumps relay frames, record the messages, and show
/// them to interceptors when one wants them. The flow is the exchange of the handshake; beginning and ending it is the caller's.
/// </summary>
/// <remarks>
/// <see cref="WebSocketPump"/> moves one direction; <see cref="WebSocketOutput"/> is what one end is sent. Injected messages are not shown to
/// interceptors: an actor that answers what it sees would answer itself without end.
/// </remarks>
internal sealed class WebSocketSession : IMessageSession, IDeadlined
{
    private static readonly TimeSpan s_closeTimeout = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan s_faultTimeout = TimeSpan.FromSeconds(2);

    private readonly EngineContext _engine;
    private readonly StageRunner _stages;
    private readonly WebSocketEnd _client;
    private readonly WebSocketEnd _server;
    private readonly WebSocketOutput _toClient;
    private readonly WebSocketOutput _toServer;
    private readonly Lock _gate = new();
    private readonly Message _injected = new();
    private FlowFault? _fault;
    private PeerRole? _closedBy;
    private bool _isClosed;
    private bool _clientClosed;
    private bool _serverClosed;
    private bool _isOver;
    private volatile bool _isShut;
    private long _lastActivity;
    private long _deadline;

    /// <summary>A session that is not running yet.</summary>
    /// <param name="engine">What all sessions share.</param>
    /// <param name="exchange">The handshake; its flow is the WebSocket's.</param>
    /// <param name="recorder">The flow's recorder.</param>
    /// <param name="stages">Runs interceptors.</param>
    /// <param name="interceptors">Who is interested.</param>
    /// <param name="client">The client's end.</param>
    /// <param name="server">The server's end.</param>
    public WebSocketSession(
        EngineContext engine, Exchange exchange, FlowRecorder recorder, StageRunner stages, InterceptorSet interceptors,
        in WebSocketEnd client, in WebSocketEnd server)
    {
        (_engine, _stages, Recorder, Interceptors, _client, _server) = (engine, stages, recorder, interceptors, client, server);
        Flow = exchange.Id;
        Context = new(MessageProtocol.WebSocket, this, exchange);
        (_toClient, _toServer) = (new(this, client.Transport, PeerRole.Client), new(this, server.Transport, PeerRole.Server));
    }

    /// <inheritdoc/>
    public FlowId Flow { get; }

    public MessageContext Context { get; }

    public FlowRecorder Recorder { get; }

    public InterceptorSet Interceptors { get; }

    public EngineContext Engine => _engine;

    /// <summary>Whether what comes is not forwarded any more, only waited through.</summary>
    public bool IsShut => _isShut;

    /// <summary>Why it ended; after <see cref="RunAsync"/>.</summary>
    public CloseReason Reason { get; private set; }

    /// <summary>The fault of a broken handshake.</summary>
    public static FlowFault HandshakeFault(WebSocketHandshakeFault broken, FaultStage stage, PeerRole blame)
    {
        var code = FaultCatalog.CodeOf(broken);
        return new(code, stage, FaultKind.Protocol, blame, FaultCatalog.Find(code)!.Explanation);
    }

    /// <summary>The answer when an actor gave a handshake another status: the fields it left, without those of the handshake and without a body.</summary>
    public static Verdict.Respond Refusal(ResponseHead head) => new(
        head.Status,
        [
            .. head.Fields.ToList().Where(static x => !x.Key.StartsWith("Sec-WebSocket-", StringComparison.OrdinalIgnoreCase)
                && !x.Key.Equals("Upgrade", StringComparison.OrdinalIgnoreCase)),
        ],
        default);

    /// <summary>Relays until both ends are done, closes both connections, and tells interceptors.</summary>
    /// <returns>What went wrong; <see langword="null"/> after a closing handshake.</returns>
    public async Task<FlowFault?> RunAsync()
    {
        var up = new WebSocketPump(this, PeerRole.Client, _client, _server, _toServer);
        var down = new WebSocketPump(this, PeerRole.Server, _server, _client, _toClient);
        Touch();
        if (Interceptors.Wants(Stage.MessagesStart, Context))
        {
            await StartAsync().ConfigureAwait(false);
        }

        _engine.Sweeper.Add(this);
        _engine.MessageSessions.Add(this);
        try
        {
            // The second begins when the first waits; both end by themselves or because their transports are closed.
            var (upwards, downwards) = (up.RunAsync(_client.Received), down.RunAsync(_server.Received));
            await Task.WhenAll(upwards, downwards).ConfigureAwait(false);
        }
        finally
        {
            lock (_gate)
            {
                _isOver = true;
            }

            _engine.MessageSessions.Remove(this);
            _engine.Sweeper.Remove(this);
        }

        return await EndAsync().ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public bool TryInject(PeerRole sender, OutgoingMessage message)
    {
        if (WebSocketFrames.OpcodeOf(message.Type) is not { } opcode || _isShut || Volatile.Read(ref _isOver))
        {
            return false;
        }

        var output = sender == PeerRole.Client ? _toServer : _toClient;
        if (message.Type == MessageType.Close)
        {
            return MayBeClosedWith(message.CloseCode, message.CloseReason)
                && output.TryQueue(WebSocketFrames.MakeClose(output.Receiver, message.CloseCode, message.CloseReason), message);
        }

        if ((opcode >= WebSocketOpcode.Close && message.Content.Length > WebSocketFrameHeader.MaxControlPayload)
            || WebSocketContent.CheckWhole(message.Type == MessageType.Text, message.Content.Span) != WebSocketFault.None)
        {
            return false;
        }

        return output.TryQueue(WebSocketFrames.Make(output.Receiver, opcode, message.Content.Span), message);
    }

    /// <inheritdoc/>
    public bool TryClose(int code, string reason)
    {
        if (!MayBeClosedWith(code, reason) || code == WebSocketClose.NoStatus)
        {
            return false;
        }

        lock (_gate)
        {
            if (_isOver || _isShut || (_clientClosed && _serverClosed))
            {
                return false;
            }
        }

        Shut(code, reason, null, s_closeTimeout);
        return true;
    }

    /// <inheritdoc/>
    public void Sweep(long now, bool isSecond)
    {
        var deadline = Volatile.Read(ref _deadline);
        if (deadline != 0 && now >= deadline)
        {
            Volatile.Write(ref _deadline, 0);
            _client.Transport.Close();
            _server.Transport.Close();
        }
        else if (deadline == 0 && _engine.Limits.WebSocketIdleTimeout is var idle && idle != Timeout.InfiniteTimeSpan
            && _engine.Time.GetElapsedTime(Volatile.Read(ref _lastActivity), now) >= idle)
        {
            Shut(WebSocketClose.GoingAway, "idle", Fault("RC-WS-003", FaultKind.Timeout, null, FaultCatalog.Find("RC-WS-003")!.Explanation), s_faultTimeout);
        }
        else if (isSecond && deadline == 0 && _engine.IsDraining && !_isShut)
        {
            Shut(WebSocketClose.GoingAway, "the proxy is stopping", null, s_closeTimeout);
        }
    }

    /// <summary>Runs interceptors on a message.</summary>
    public ValueTask ShowAsync(Message message) => _stages.MessageAsync(Interceptors, Context, message, _engine.Stopping);

    /// <summary>Reads the clock because something came.</summary>
    /// <returns>The time.</returns>
    public long Touch()
    {
        var now = _engine.Time.GetTimestamp();
        Volatile.Write(ref _lastActivity, now);
        return now;
    }

    public void Sent(PeerRole receiver, int octets) => (receiver == PeerRole.Client ? _client : _server).Facts.OctetsSent += octets;

    /// <summary>An injected message is about to be sent.</summary>
    public void Injected(PeerRole receiver, OutgoingMessage message)
    {
        var sender = receiver == PeerRole.Client ? PeerRole.Server : PeerRole.Client;
        lock (_injected)
        {
            _injected.Load(MessageProtocol.WebSocket, sender, message);
            Recorder.Message(_injected, 0, _engine.Time.GetTimestamp());
        }
    }

    /// <summary>A close frame of a peer was forwarded, or dropped by an actor.</summary>
    public void Closed(PeerRole sender, int code, string reason)
    {
        Recorder.Closed(sender, code, reason);
        lock (_gate)
        {
            SetClosedBy(sender);
            (_clientClosed, _serverClosed) = (_clientClosed || sender == PeerRole.Client, _serverClosed || sender == PeerRole.Server);
            if (!_clientClosed || !_serverClosed)
            {
                return;
            }
        }

        // The server closes first (§7.1.1). One that does not is not waited for.
        Expire(s_closeTimeout);
    }

    /// <summary>A peer ended its side.</summary>
    /// <param name="sender">Who.</param>
    /// <param name="where">Where in its stream, for a person.</param>
    public void Ended(PeerRole sender, string where)
    {
        var isAbnormal = false;
        bool isShut;
        lock (_gate)
        {
            isShut = _isShut;

            // Whoever got a close frame, or sent one, may leave; a connection that just ends is 1006 (§7.1.5).
            if (!_isShut && !_isClosed && _fault is null)
            {
                SetClosedBy(sender);
                isAbnormal = true;
                _fault = Fault("RC-WS-001", FaultKind.Truncated, sender, $"the {Name(sender)} ended its side without a close frame, {where}");
            }
        }

        if (isAbnormal)
        {
            Recorder.Closed(sender, WebSocketClose.Abnormal, "");
        }

        if (!isShut)
        {
            (sender == PeerRole.Client ? _toServer : _toClient).Complete(null, null); // otherwise both get, or have, a close frame first
        }
    }

    /// <summary>A connection failed: the other cannot be meant to go on.</summary>
    /// <param name="peer">Whose.</param>
    /// <param name="exception">How.</param>
    public void Broke(PeerRole peer, Exception exception)
    {
        bool wasClosed;
        lock (_gate)
        {
            wasClosed = _isClosed || _isShut;
            if (!wasClosed)
            {
                SetClosedBy(peer);
                _fault = Fault("RC-WS-002", FaultKind.Transport, peer, exception.Message);
            }

            _isShut = true;
        }

        if (!wasClosed)
        {
            Recorder.Closed(peer, WebSocketClose.Abnormal, "");
            Abort();
            return;
        }

        // Somebody said goodbye before: many then drop the connection. The other end still gets what was sent to it, which a reset would destroy.
        (peer == PeerRole.Client ? _client : _server).Transport.Reset();
        (peer == PeerRole.Client ? _toServer : _toClient).Complete(null, null);
        Expire(s_faultTimeout);
    }

    /// <summary>Resets both connections.</summary>
    public void Abort()
    {
        _client.Transport.Reset();
        _server.Transport.Reset();
    }

    /// <summary>A peer broke the protocol: fails the connection towards both (§7.1.7).</summary>
    public void Fail(FlowFault fault, int code)
    {
        lock (_gate)
        {
            SetClosedBy(fault.Blame);
        }

        Shut(code, fault.Detail, fault, s_faultTimeout);
    }

    /// <summary>Ends what is not allowed to go on: with code and reason where no close frame was sent yet, then by the connection.</summary>
    private void Shut(int code, string reason, FlowFault? fault, TimeSpan patience)
    {
        PeerRole? by;
        lock (_gate)
        {
            if (_isShut)
            {
                return;
            }

            (_isShut, by) = (true, _closedBy);
            _fault ??= fault;
            _isClosed = true;
        }

        Recorder.Closed(by, code, reason);
        var message = new OutgoingMessage(MessageType.Close, default) { CloseCode = code, CloseReason = reason };
        _toClient.Complete(WebSocketFrames.MakeClose(PeerRole.Client, code, reason), message);
        _toServer.Complete(WebSocketFrames.MakeClose(PeerRole.Server, code, reason), message);
        Expire(patience);
    }

    private async ValueTask StartAsync()
    {
        if (Interceptors.MayWait)
        {
            await default(ThreadPoolHop);
        }

        switch (await _stages.MessagesStartAsync(Interceptors, Context, _engine.Stopping).ConfigureAwait(false))
        {
            case Verdict.Abort abort:
                lock (_gate)
                {
                    (_fault, _isShut, _isClosed) = (Fault("RC-POL-002", FaultKind.Policy, null, abort.Reason), true, true);
                }

                Abort();
                break;

            case Verdict.Drop drop:
                Shut(WebSocketClose.PolicyViolation, "refused by policy", Fault("RC-POL-001", FaultKind.Policy, null, drop.Reason), s_faultTimeout);
                break;
        }
    }

    private async ValueTask<FlowFault?> EndAsync()
    {
        _client.Transport.Close();
        _server.Transport.Close();
        Reason = _fault switch
        {
            null when _closedBy is { } by => by == PeerRole.Client ? CloseReason.ClientClosed : CloseReason.UpstreamClosed,
            null => CloseReason.Completed,
            { Kind: FaultKind.Timeout } => CloseReason.Timeout,
            { Kind: FaultKind.Protocol } => CloseReason.ParserError,
            { Kind: FaultKind.Transport } => CloseReason.Reset,
            { Kind: FaultKind.Truncated, Blame: PeerRole.Client } => CloseReason.ClientClosed,
            { Kind: FaultKind.Truncated } => CloseReason.UpstreamClosed,
            { Code: "RC-POL-002" } => CloseReason.Reset,
            _ => CloseReason.PolicyDrop,
        };
        if (Interceptors.Wants(Stage.MessagesEnd, Context))
        {
            if (Interceptors.MayWait)
            {
                await default(ThreadPoolHop);
            }

            await _stages.MessagesEndAsync(Interceptors, Context, _fault, CancellationToken.None).ConfigureAwait(false);
        }

        return _fault;
    }

    private void SetClosedBy(PeerRole? peer)
    {
        if (!_isClosed)
        {
            (_isClosed, _closedBy) = (true, peer);
        }
    }

    private void Expire(TimeSpan after)
    {
        var deadline = _engine.Time.GetTimestamp() + (long)(after.TotalSeconds * _engine.Time.TimestampFrequency);
        Interlocked.CompareExchange(ref _deadline, deadline, 0);
    }

    private static bool MayBeClosedWith(int code, string reason) =>
        (code == WebSocketClose.NoStatus && reason.Length == 0)
        || (WebSocketClose.MayBeSent(code) && Encoding.UTF8.GetByteCount(reason) <= WebSocketClose.MaxReason);

    private static string Name(PeerRole peer) => peer == PeerRole.Client ? "client" : "server";

    private static FlowFault Fault(string code, FaultKind kind, PeerRole? blame, string detail) => new(code, FaultStage.Tunnel, kind, blame, detail);
}
