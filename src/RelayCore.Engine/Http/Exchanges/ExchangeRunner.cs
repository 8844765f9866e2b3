using System.Runtime.CompilerServices;
using RelayCore.Core.Connections;
using RelayCore.Core.Faults;
using RelayCore.Core.Flows;
using RelayCore.Core.Interception;
using RelayCore.Core.Messages;
using RelayCore.Engine.Capture;
using RelayCore.Engine.Pipeline;
using RelayCore.Engine.Transport;
using RelayCore.Engine.Upstream;
using RelayCore.Protocols;
using RelayCore.Protocols.Http2;

namespace RelayCore.Engine.Http.Exchanges;

/// <summary>
/// Runs one exchange at a time between a client stream and a server stream, whatever HTTP versions carry them: routes it, shows it to
/// interceptors, forwards it both ways at once, records it, ends what is late. Reused by its session for exchange after exchange.
/// </summary>
/// <remarks>
/// One task runs the exchange; a request body that does not come at once is pumped beside it. <see cref="Sweep"/>, <see cref="Abort"/> and the
/// streams' resets come from other threads and only note an expiry and reset streams; the exchange then ends by the failure of what it
/// waits for. Parts: this file is the course of an exchange; <c>.Route</c> finds where it goes; <c>.Request</c> sends the request and pumps its
/// body; <c>.Response</c> relays the answer and ends the flow; <c>.Intercept</c> runs interceptors; <c>.Messages</c> finds, edits and injects messages
/// in bodies; <c>.Answer</c> answers itself; <c>.Tunnel</c> relays octets behind a switch of protocol; <c>.Deadlines</c> ends what is late; <c>.Faults</c> names what went wrong.
/// </remarks>
internal sealed partial class ExchangeRunner : IDisposable
{
    private const int MaxAttempts = 4;

    // A server that says GOAWAY behind a few requests refuses a crowd of them each time, and has done nothing for those.
    private const int MaxUnprocessedAttempts = 20;

    private readonly EngineContext _engine;
    private readonly ClientConnection _facts;
    private readonly FlowRecorder _recorder;
    private readonly StageRunner _stages;
    private readonly ResponseHead _own;
    private readonly Action<StreamResetException> _onClientReset;
    private readonly Action<StreamResetException> _onServerReset;
    private readonly bool _isRecorderOwn;
    private ClientStream _client = null!;
    private ServerStream? _server;
    private ExchangeScope _scope = null!;
    private OriginPool? _pool;
    private InterceptorSet _interceptors = InterceptorSet.Empty;
    private long _started;
    private bool _isRequestRead;
    private bool _responseStarted;
    private bool _isEnded;
    private At _at;

    /// <param name="engine">What all sessions share.</param>
    /// <param name="client">Facts of the client connection all its exchanges come from.</param>
    public ExchangeRunner(EngineContext engine, ClientConnection client)
        : this(engine, client, new(), engine.Store.Rent()) => _isRecorderOwn = true;

    /// <param name="engine">What all sessions share.</param>
    /// <param name="client">Facts of the client connection all its exchanges come from.</param>
    /// <param name="exchange">The session's exchange, for <see cref="ContinueAsync"/>.</param>
    /// <param name="recorder">The session's recorder.</param>
    public ExchangeRunner(EngineContext engine, ClientConnection client, Exchange exchange, FlowRecorder recorder)
    {
        (_engine, _facts, Exchange, _recorder) = (engine, client, exchange, recorder);
        _stages = new(_recorder, engine.Time);
        _messages = new(engine, _recorder, _stages);
        _own = Exchange.Response;
        (_onClientReset, _onServerReset) = (ClientIsReset, ServerIsReset);
    }

    /// <summary>What the exchange is doing with whom, to tell whose failure an exception is.</summary>
    private enum At : byte
    {
        Client,
        Connecting,
        SendingToServer,
        AwaitingResponse,
        ReceivingBody,
    }

    /// <summary>Request and response. The session reads the request head into <see cref="Exchange.Request"/> before <see cref="RunAsync"/>.</summary>
    public Exchange Exchange { get; }

    /// <summary>Gives the recorder back; not while an exchange runs.</summary>
    public void Dispose()
    {
        if (_isRecorderOwn)
        {
            _engine.Store.Return(_recorder);
        }
    }

    /// <summary>
    /// Runs an exchange until its last octet was delivered and both streams are done with. Failures of peers are recorded, answered or turned
    /// into resets and do not come out of here; an exception is a defect of the program, behind which both streams are reset as well.
    /// </summary>
    /// <param name="client">The client's side; its request head is in <see cref="Exchange"/>.</param>
    /// <param name="scope">What its connection's exchanges have in common.</param>
    /// <param name="started">Monotonic timestamp of the first octet of the request.</param>
    /// <param name="fault">Why the head cannot be used: it is recorded and the stream refused or, when malformed, reset (RFC 9113 §8.1.1).</param>
    public ValueTask RunAsync(ClientStream client, ExchangeScope scope, long started, FlowFault? fault = null)
    {
        Begin(client, scope, started);
        BeginFlow();
        return ServeAsync(fault);
    }

    /// <summary>As <see cref="RunAsync"/>, for an exchange whose flow was begun and whose request was read, recorded and routed by its session.</summary>
    /// <param name="client">The client's side.</param>
    /// <param name="scope">What its connection's exchanges have in common.</param>
    /// <param name="started">Monotonic timestamp of the first octet of the request.</param>
    /// <param name="pool">Where it goes.</param>
    /// <param name="interceptors">Who is interested.</param>
    public ValueTask ContinueAsync(ClientStream client, ExchangeScope scope, long started, OriginPool pool, InterceptorSet interceptors)
    {
        Begin(client, scope, started);
        (_pool, _interceptors, _isRequestRead) = (pool, interceptors, true);
        _requestLength = LengthOf(Exchange.Request.Fields);
        Now();
        return ServeAsync(null);
    }

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder))]
    private async ValueTask ServeAsync(FlowFault? fault)
    {
        try
        {
            _isMalformed = fault is { Kind: FaultKind.Protocol };
            fault ??= ReadRequest() ?? CheckWebSocketRequest();
            if (fault is not null)
            {
                await FailAsync(fault).ConfigureAwait(false);
                return;
            }

            if (_interceptors.Wants(Stage.RequestHead | Stage.RequestBody | Stage.RequestChunk | Stage.Trailers, Exchange)
                && await InterceptRequestAsync().ConfigureAwait(false))
            {
                return;
            }

            if (!_client.IsBodyRead && !IsTunnelRequest && await StartMessagesAsync(PeerRole.Client, hasBody: true, _requestLength).ConfigureAwait(false))
            {
                return;
            }

            // Waiting for the head is where an exchange spends its time, often with many others: this method alone is suspended there.
            ResponseHead head;
            for (var attempt = 1; ; attempt++)
            {
                var server = await AcquireAsync(attempt).ConfigureAwait(false);
                Acquired(server);
                try
                {
                    await SendRequestAsync(server).ConfigureAwait(false);
                    Sent(server);
                    head = await server.ReadHeadAsync().ConfigureAwait(false);
                    break;
                }
                catch (Exception e) when (DuplexTransport.IsFailure(e) && MayRetry(e, server, attempt))
                {
                    // Once more, on another connection.
                }

                Retry(server);
            }

            while (head.Status is < 200 and not 101)
            {
                await RelayInterimAsync(head).ConfigureAwait(false);
                head = await _server!.ReadHeadAsync().ConfigureAwait(false);
            }

            await RelayResponseAsync(head).ConfigureAwait(false);
        }
        catch (UpstreamException e)
        {
            await FailAsync(ExpiredFault() ?? e.Fault).ConfigureAwait(false);
        }
        catch (Exception e) when (DuplexTransport.IsFailure(e))
        {
            await FailAsync(FaultOf(e), CodeOf(e)).ConfigureAwait(false);
        }
        catch (Exception e)
        {
            await FailAsync(new("RC-INT-001", FaultStage.Connection, FaultKind.Internal, null, e.GetType().Name)).ConfigureAwait(false);
            throw;
        }
        finally
        {
            Forget();
        }
    }

    /// <summary>The client changed the priority of its response; ignored when the exchange is not at a server, or is another by now.</summary>
    /// <param name="streamId">The client's stream.</param>
    /// <param name="value">As in a Priority field (RFC 9218 §7.1).</param>
    public void Prioritize(int streamId, ReadOnlySpan<byte> value)
    {
        if (_client is { } client && client.StreamId == streamId)
        {
            Volatile.Read(ref _server)?.Prioritize(value);
        }
    }

    private void Begin(ClientStream client, ExchangeScope scope, long started)
    {
        (_client, _scope, _started, _now) = (client, scope, started, started);
        (_server, _pool, _isRequestRead, _responseStarted, _isEnded, _at) = (null, null, false, false, false, At.Client);
        BeginRequest();
        BeginResponse();
        BeginMessages();
        BeginImpairments();
        (_isTunnel, _isWebSocket) = (false, false);
        Volatile.Write(ref _expired, 0);
        Exchange.HasResponse = false;
        Exchange.Show(_own);
        _stages.Begin(started);
        if (_engine.Limits.TotalTimeout != Timeout.InfiniteTimeSpan)
        {
            Volatile.Write(ref _totalDeadline, Deadline(_engine.Limits.TotalTimeout, started));
        }

        client.OnReset = _onClientReset;
    }

    private void BeginFlow()
    {
        var id = FlowId.Create(_engine.Time.GetUtcNow());
        Exchange.Begin(id, _facts);
        Exchange.StartedAt = _started;
        _recorder.Begin(FlowKind.Http, id, _scope.Parent, _facts, _started);
        _recorder.Streams(_client.StreamId, 0);
        if (_scope.IsIntercepted)
        {
            _recorder.Mark(FlowMarks.Intercepted);
        }

        _facts.Exchanges++;
    }

    /// <summary>Lets go of everything that belongs to others.</summary>
    private void Forget()
    {
        DisarmAll();
        (_client, _scope, _pool) = (null!, null!, null);
        (_bufferedRequest, _bufferedResponse, _data) = (null, null, null);
        (_requestMessages, _responseMessages) = (null, null);
    }

    private ValueTask<ServerStream> AcquireAsync(int attempt)
    {
        _at = At.Connecting;
        var request = Exchange.Request;
        var origin = ServerPool.Routed(Exchange, _pool?.Origin.Route);
        var pool = _pool is not null && _pool.Origin == origin ? _pool : _engine.Pool.For(origin);
        var isWebSocket = Http2Heads.IsWebSocket(request);
        return _engine.Servers.AcquireAsync(pool, new(
            MustBeFresh: !IsSafeToRepeat(), MustBeNew: attempt > 1 && !_wasUnprocessed, IsTunnel: IsTunnelRequest, isWebSocket, _scope.Pins));
    }

    private void Acquired(ServerStream server)
    {
        Interlocked.Exchange(ref _server, server); // before _expired is looked at below: whoever ends the exchange does it the other way round
        var facts = server.Facts;
        _recorder.Server(facts);
        facts.Exchanges++; // behind the recorder, which notes how many there were before this one
        Exchange.Server = facts;
        if (server.IsReused)
        {
            _recorder.Mark(FlowMarks.ServerReused);
        }
        else
        {
            StampConnect(facts);
        }

        _recorder.Mark((facts.IsUnverified ? FlowMarks.InsecureUpstream : 0) | (server.IsProxyBypassed ? FlowMarks.UpstreamProxyBypassed : 0));
        server.OnReset = _onServerReset;
        if (Volatile.Read(ref _expired) != 0)
        {
            throw new IOException("given up while connecting");
        }

        _at = At.SendingToServer;
        Arm(ref _toServer, _engine.Limits.BodyTimeout, _now);
    }

    private void StampConnect(ServerConnection facts)
    {
        // A connection made for several exchanges at once began before some of them.
        var ticks = _engine.Time.TimestampFrequency / 1_000_000.0;
        var connected = facts.OpenedAt;
        var resolved = connected - (long)(Math.Max(0, facts.ConnectMicroseconds) * ticks);
        _recorder.Stamp(TimingPoint.ConnectStart, Math.Max(_now, resolved - (long)(Math.Max(0, facts.ResolveMicroseconds) * ticks)));
        _recorder.Stamp(TimingPoint.Resolved, Math.Max(_now, resolved));
        _recorder.Stamp(TimingPoint.Connected, Math.Max(_now, connected));
        Now();
        if (facts.TlsMicroseconds >= 0)
        {
            _recorder.Stamp(TimingPoint.TlsEstablished, _now);
        }
    }

    private void Sent(ServerStream server)
    {
        Disarm(ref _toServer);
        _recorder.Streams(_client.StreamId, server.StreamId);
        _recorder.Stamp(TimingPoint.RequestSent, Now());
        _at = At.AwaitingResponse;
        if (_pump is null)
        {
            Arm(ref _fromServer, _engine.Limits.FirstByteTimeout, _now); // otherwise the pump does, when the body is through
        }
    }

    /// <summary>Whether a failure before any answer may be followed by another attempt (RFC 9110 §9.2.2, RFC 9113 §8.7).</summary>
    private bool MayRetry(Exception exception, ServerStream server, int attempt)
    {
        _wasUnprocessed = exception is StreamResetException { IsUnprocessed: true };
        if (attempt >= (_wasUnprocessed ? MaxUnprocessedAttempts : MaxAttempts) || Volatile.Read(ref _expired) != 0 || exception is MessageFaultException)
        {
            return false;
        }

        return (_wasUnprocessed || (server.IsReused && exception is not StreamResetException { Blame: PeerRole.Server, IsConnectionLost: false } && IsSafeToRepeat()))
            && TryTakeBackBody();
    }

    private void Retry(ServerStream server)
    {
        Volatile.Write(ref _server, null);
        DisarmAll(exceptClient: true);
        server.Reset(Http2ErrorCode.Cancel);
        server.Release();
        _recorder.Mark(FlowMarks.Retried);
    }
}
