using RelayCore.Core.Connections;
using RelayCore.Core.Faults;
using RelayCore.Engine.Http.Exchanges;
using RelayCore.Engine.Transport;
using RelayCore.Protocols;
using RelayCore.Protocols.Http1;
using RelayCore.Protocols.Http2;

namespace RelayCore.Engine.Http.Http2;

/// <summary>
/// A client connection that speaks HTTP/2: each request is an exchange of its own, run beside the others; CONNECT opens a tunnel in a stream,
/// in which a session of its own goes on (RFC 9113 §8.5).
/// </summary>
internal sealed class Http2Session : Http2Endpoint, IStoppable
{
    private const int MaxFreeRunners = 64;

    private readonly ClientConnection _client;
    private readonly ExchangeScope _scope;
    private readonly Lock _runnersLock = new();
    private readonly List<Run> _running = [];
    private readonly List<(Run Run, FlowFault? Fault)> _starting = [];
    private readonly Stack<ExchangeRunner> _freeRunners = [];
    private readonly TaskCompletionSource _drained = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private Run[] _sweeping = [];
    private long _idleSince;
    private long _connectionWindow;
    private string _settings = "";
    private string _priorities = "";
    private int _tunnels;
    private int _ending;
    private bool _hasRequest;
    private bool _isOver;

    /// <param name="engine">What all share.</param>
    /// <param name="transport">The client.</param>
    /// <param name="client">Its facts.</param>
    /// <param name="input">Octets received already.</param>
    /// <param name="scope">The tunnel it is inside of.</param>
    /// <param name="upgrade">The client's settings when it began as <c>Upgrade: h2c</c> (RFC 7540 §3.2).</param>
    public Http2Session(EngineContext engine, DuplexTransport transport, ClientConnection client, ReceiveBuffer input, ExchangeScope scope, Http2Settings? upgrade = null)
        : base(engine, transport, client, PeerRole.Client, input, upgrade)
    {
        (_client, _scope) = (client, scope);
        _idleSince = engine.Time.GetTimestamp();
    }

    /// <summary>Serves the connection until it ends and its exchanges are over. The preface of the client is read already.</summary>
    /// <param name="upgrade">The request that asked for the upgrade, to be answered on stream 1.</param>
    public async Task RunAsync(ExchangeRunner? upgrade = null)
    {
        Engine.Sweeper.Add(this);
        try
        {
            WritePreface(default,
            [
                new(Http2SettingId.HeaderTableSize, (uint)Limits.HeaderTableOctets),
                new(Http2SettingId.MaxConcurrentStreams, (uint)Limits.MaxConcurrentStreams),
                new(Http2SettingId.InitialWindowSize, (uint)Limits.InitialStreamWindow),
                new(Http2SettingId.MaxHeaderListSize, (uint)Limits.MaxFieldSectionOctets),
                new(Http2SettingId.EnableConnectProtocol, 1),
            ]);
            if (upgrade is not null)
            {
                Start(upgrade, new Http2ClientStream(OpenUpgraded()), null);
            }

            await RunConnectionAsync().ConfigureAwait(false);
            await ExchangesEndedAsync().ConfigureAwait(false);
        }
        finally
        {
            Engine.Sweeper.Remove(this);
            _scope.Dispose();
            foreach (var runner in _freeRunners)
            {
                runner.Dispose();
            }
        }
    }

    public override void Sweep(long now, bool isSecond)
    {
        int count;
        bool isIdle;
        lock (_runnersLock)
        {
            count = _running.Count;
            if (_sweeping.Length < count)
            {
                _sweeping = new Run[count * 2];
            }

            _running.CopyTo(_sweeping);
            isIdle = count == 0 && Engine.Limits.IdleTimeout != Timeout.InfiniteTimeSpan && Engine.Time.GetElapsedTime(_idleSince, now) > Engine.Limits.IdleTimeout;
        }

        for (var i = 0; i < count; i++)
        {
            _sweeping[i].Runner.Sweep(now);
        }

        if (!isSecond)
        {
            return;
        }

        EndIfUnresponsive(now);
        if (isIdle && StreamCount == 0)
        {
            Drain();
        }
    }

    public override void Abort()
    {
        Run[] running;
        lock (_runnersLock)
        {
            running = [.. _running];
        }

        foreach (var run in running)
        {
            run.Runner.Abort();
        }

        base.Abort();
    }

    protected override void OnRequest(Http2Stream stream, ReadOnlySpan<byte> block, bool ends)
    {
        var runner = RentRunner();
        var request = runner.Exchange.Request;
        var error = Heads.ReadRequest(block, request.Fields, out var line);
        request.Load(line);
        var client = new Http2ClientStream(stream);
        if (IsLost(error))
        {
            ReturnRunner(runner);
            client.Release();
            return;
        }

        if (!_hasRequest)
        {
            _hasRequest = true;
            NoteFingerprint(line.PseudoOrder);
        }

        FlowFault? fault = null;
        if (error.IsError)
        {
            fault = error.IsTooLarge
                ? new("RC-H2-003", FaultStage.Request, FaultKind.Limit, PeerRole.Client, $"{error.Fault} ({error.Clause})")
                : new("RC-H2-002", FaultStage.Request, FaultKind.Protocol, PeerRole.Client, $"{error.Fault} ({error.Clause})");
        }
        else
        {
            stream.ExpectedOctets = line.ContentLength;
            if (request.Fields.IndexOf("priority"u8) is >= 0 and var priority)
            {
                stream.Urgency = StreamPriority.Parse(request.Fields.Value(priority)).Urgency;
            }

            if (ends && !IsEmptyAllowed(stream))
            {
                fault = new("RC-H2-002", FaultStage.Request, FaultKind.Protocol, PeerRole.Client, "the body is not as long as its Content-Length says (RFC 9113 §8.1.1)");
            }
        }

        if (ends)
        {
            stream.DeliverData(default, isLast: true);
        }

        if (fault is null && line.Form == RequestTargetForm.Authority)
        {
            OpenTunnel(runner, client);
        }
        else
        {
            Start(runner, client, fault, isBodyAwaited: !ends);
        }
    }

    // A small body mostly comes right behind its head: it goes on together with it then, and can be sent again when the server refuses it.
    protected override void OnFramesRead()
    {
        foreach (var (run, fault) in _starting)
        {
            run.Begin(_scope, fault);
        }

        _starting.Clear();
    }

    /// <summary>CONNECT: a session of its own serves what is inside, as it would on a connection of its own.</summary>
    private void OpenTunnel(ExchangeRunner runner, Http2ClientStream client)
    {
        var request = runner.Exchange.Request;
        var head = new System.Text.StringBuilder();
        var authority = System.Text.Encoding.Latin1.GetString(request.PathOctets);
        head.Append("CONNECT ").Append(authority).Append(" HTTP/1.1\r\nHost: ").Append(authority).Append("\r\n");
        foreach (var (name, value) in request.Fields.ToList())
        {
            if (!name.Equals("host", StringComparison.OrdinalIgnoreCase))
            {
                head.Append(name).Append(": ").Append(value).Append("\r\n");
            }
        }

        var received = System.Text.Encoding.Latin1.GetBytes(head.Append("\r\n").ToString());
        ReturnRunner(runner);
        var facts = new ClientConnection
        {
            Id = Engine.NextClientId(),
            LocalEndPoint = _client.LocalEndPoint,
            RemoteEndPoint = _client.RemoteEndPoint,
            Listener = _client.Listener,
            OpenedAt = Engine.Time.GetTimestamp(),
        };
        _client.Exchanges++;
        lock (_runnersLock)
        {
            _tunnels++;
        }

        _ = ServeTunnelAsync(new Http1Session(Engine, new ConnectTransport(client.AsTransport(), client, received), facts));
    }

    private async Task ServeTunnelAsync(Http1Session session)
    {
        try
        {
            await session.RunAsync().ConfigureAwait(false);
        }
        catch (Exception e)
        {
            Engine.OnFailure?.Invoke(e);
        }
        finally
        {
            lock (_runnersLock)
            {
                _tunnels--;
                EndIfLast();
            }
        }
    }

    protected override void OnHead(Http2Stream stream, ReadOnlySpan<byte> block, bool ends)
    {
        // A client's stream begins with its head, so there is no second one.
        Discard(block);
        Malformed(stream, "a second head");
    }

    protected override void OnSettings(Http2SettingsRecord settings, bool isFirst)
    {
        if (isFirst)
        {
            _settings = settings.ToString();
        }
    }

    // A client that says GOAWAY opens no more streams and waits for those it has (RFC 9113 §6.8); then it closes.
    protected override void OnGoAway(int lastStreamId, Http2ErrorCode code)
    {
    }

    protected override void OnConnectionWindow(int increment)
    {
        if (!_hasRequest)
        {
            _connectionWindow += increment;
        }
    }

    protected override void OnPriority(int id, Http2Priority? priority)
    {
        if (!_hasRequest && priority is { } value && _priorities.Length < 256)
        {
            _priorities += string.Create(System.Globalization.CultureInfo.InvariantCulture,
                $"{(_priorities.Length > 0 ? "," : "")}{id}:{(value.IsExclusive ? 1 : 0)}:{value.DependsOn}:{value.Weight}");
        }
    }

    /// <summary>What the client sent in front of its first request tells which client it is.</summary>
    private void NoteFingerprint(string pseudoOrder) => _client.Http2 = new()
    {
        Settings = _settings,
        WindowUpdate = _connectionWindow,
        Priority = _priorities.Length > 0 ? _priorities : "0",
        PseudoFields = pseudoOrder,
    };

    // A client says how much it wants a response, and may say so anew while it comes: both go on to the server (RFC 9218 §7.1).
    protected override void OnPriorityUpdate(int id, ReadOnlySpan<byte> value)
    {
        Run? run;
        lock (_runnersLock)
        {
            run = _running.Find(x => x.Client.StreamId == id);
        }

        run?.Runner.Prioritize(id, value);
    }

    /// <summary>Records a connection that was ended for what the client did.</summary>
    protected override void OnFatal(Http2Error error)
    {
        var recorder = Engine.Store.Rent();
        var kind = error.Code switch
        {
            Http2ErrorCode.EnhanceYourCalm => FaultKind.Limit,
            Http2ErrorCode.SettingsTimeout => FaultKind.Timeout,
            _ => FaultKind.Protocol,
        };
        var fault = new FlowFault("RC-H2-001", FaultStage.Connection, kind, PeerRole.Client, $"{error.Fault}: {NameOf(error.Code)}");
        var now = Engine.Time.GetTimestamp();
        recorder.Begin(Core.Flows.FlowKind.Connection, Core.Flows.FlowId.Create(Engine.Time.GetUtcNow()), _scope.Parent, _client, now);
        if (_scope.IsIntercepted)
        {
            recorder.Mark(Core.Flows.FlowMarks.Intercepted);
        }

        recorder.End(Http1Session.ReasonOf(fault), fault, null, now);
        Engine.Store.Return(recorder);
    }

    private void Start(ExchangeRunner runner, Http2ClientStream client, FlowFault? fault, bool isBodyAwaited = false)
    {
        var run = new Run(this, runner, client);
        lock (_runnersLock)
        {
            _running.Add(run);
        }

        if (isBodyAwaited)
        {
            _starting.Add((run, fault));
        }
        else
        {
            run.Begin(_scope, fault);
        }
    }

    private void Ended(Run run)
    {
        lock (_runnersLock)
        {
            _running.Remove(run);
            _ending++;
            if (_running.Count == 0)
            {
                _idleSince = Engine.Time.GetTimestamp();
            }
        }

        ReturnRunner(run.Runner);
        run.Client.Release();
        lock (_runnersLock)
        {
            _ending--;
            EndIfLast();
        }
    }

    /// <summary>Lets <see cref="RunAsync"/> end behind the last exchange and tunnel; under the lock.</summary>
    private void EndIfLast()
    {
        if (_isOver && _running.Count + _ending + _tunnels == 0)
        {
            _drained.TrySetResult();
        }
    }

    private async Task ExchangesEndedAsync()
    {
        lock (_runnersLock)
        {
            _isOver = true;
            EndIfLast();
        }

        await _drained.Task.ConfigureAwait(false);
    }

    private ExchangeRunner RentRunner()
    {
        lock (_runnersLock)
        {
            return _freeRunners.Count > 0 ? _freeRunners.Pop() : new(Engine, _client);
        }
    }

    private void ReturnRunner(ExchangeRunner runner)
    {
        lock (_runnersLock)
        {
            if (_freeRunners.Count < MaxFreeRunners)
            {
                _freeRunners.Push(runner);
                return;
            }
        }

        runner.Dispose();
    }

    /// <summary>One exchange that runs.</summary>
    private sealed class Run(Http2Session session, ExchangeRunner runner, Http2ClientStream client)
    {
        private System.Runtime.CompilerServices.ConfiguredValueTaskAwaitable.ConfiguredValueTaskAwaiter _awaiter;

        public ExchangeRunner Runner => runner;

        public Http2ClientStream Client => client;

        public void Begin(ExchangeScope scope, FlowFault? fault)
        {
            var running = runner.RunAsync(client, scope, session.Engine.Time.GetTimestamp(), fault);
            _awaiter = running.ConfigureAwait(false).GetAwaiter();
            if (_awaiter.IsCompleted)
            {
                End();
            }
            else
            {
                _awaiter.UnsafeOnCompleted(End);
            }
        }

        private void End()
        {
            try
            {
                _awaiter.GetResult();
            }
            catch (Exception e)
            {
                // A defect of ours ends one exchange, not the connection.
                client.Reset(Http2ErrorCode.InternalError);
                session.Engine.OnFailure?.Invoke(e);
            }

            session.Ended(this);
        }
    }
}
