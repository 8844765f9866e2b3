using System.Runtime.CompilerServices;
using RelayCore.Core.Connections;
using RelayCore.Core.Flows;
using RelayCore.Core.Interception;
using RelayCore.Engine.Capture;
using RelayCore.Engine.Http.Http2;
using RelayCore.Engine.Listeners;
using RelayCore.Engine.Memory;
using RelayCore.Engine.Pipeline;
using RelayCore.Engine.Transport;
using RelayCore.Engine.Upstream;
using RelayCore.Protocols;
using RelayCore.Protocols.Http1;

namespace RelayCore.Engine.Http;

/// <summary>
/// One client connection that speaks HTTP/1: a single loop from accept to end, which turns into a TLS session, an HTTP session inside a
/// tunnel or a raw relay when the client asks for it. All state belongs to that loop, but the deadlines, which the sweeper reads.
/// </summary>
/// <remarks>
/// Parts: this file reads heads and decides what follows; <c>.Route</c> reads a request and finds where it goes; <c>.Exchange</c> forwards it;
/// <c>.Response</c> relays the answer and ends the flow; <c>.Body</c> pumps request bodies; <c>.Intercept</c> runs interceptors and edits bodies;
/// <c>.Messages</c> finds, edits and injects messages in bodies; <c>.Connect</c> and <c>.Tunnel</c> handle CONNECT, TLS and raw relays; <c>.Http2</c> hands over to
/// HTTP/2; <c>.Deadlines</c> ends what is late; <c>.Faults</c> names what went wrong.
/// </remarks>
internal sealed partial class Http1Session : IDeadlined, IStoppable
{
    private const int HeadBufferOctets = 4096;
    private const int ResponseBufferOctets = 16 * 1024;
    private const int BodyBufferOctets = 64 * 1024;
    private const int LingerOctets = 1024 * 1024;

    private readonly EngineContext _engine;
    private readonly ClientConnection _facts;
    private readonly FlowRecorder _recorder;
    private readonly StageRunner _stages;
    private readonly Exchange _exchange = new();
    private readonly BodyScanner _requestBody;
    private readonly BodyScanner _responseBody;
    private DuplexTransport _client;
    private ReceiveBuffer _input;
    private byte[]? _output;
    private long _started;
    private Scope? _scope;

    // What a tunnel's Connect and ClientHello stages decided for all that is inside.
    private ServerRoute? _route;
    private InterceptDecision _decision;
    private bool _isFirst = true;

    // The origin of the last request: clients rarely change it, and finding its pool costs a string and two look-ups.
    private byte[] _lastAuthority = [];
    private bool _lastIsSecure;
    private OriginPool? _lastPool;
    private InterceptorPipeline? _lastPipeline;
    private InterceptorSet _interceptors = InterceptorSet.Empty;
    private OriginPool? _interceptorsFor;

    // A server connection that carries connection-bound authentication (NTLM, Negotiate) stays with its client.
    private ServerChannel? _pinned;

    public Http1Session(EngineContext engine, DuplexTransport client, ClientConnection facts)
    {
        (_engine, _client, _facts) = (engine, client, facts);
        _recorder = engine.Store.Rent();
        _stages = new(_recorder, engine.Time);
        _messages = new(engine, _recorder, _stages);
        _requestBody = new(PeerRole.Client, _recorder);
        _responseBody = new(PeerRole.Server, _recorder);
    }

    /// <summary>What to do after an exchange.</summary>
    private enum Next : byte
    {
        /// <summary>Read the next request.</summary>
        Continue,

        /// <summary>End the connection in order.</summary>
        Close,

        /// <summary>End it, but read what the client still sends, so that it gets to see our last octets.</summary>
        Linger,

        /// <summary>The connection is gone or was reset.</summary>
        Gone,
    }

    /// <summary>The tunnel this connection is inside of.</summary>
    /// <param name="Origin">Where its requests go.</param>
    /// <param name="TunnelHost">Host of the CONNECT.</param>
    private sealed record Scope(Origin Origin, string TunnelHost);

    /// <summary>Serves the connection until it ends.</summary>
    public async Task RunAsync()
    {
        _engine.Sweeper.Add(this);
        var next = Next.Gone;
        try
        {
            next = await ServeAsync().ConfigureAwait(false);
            if (next == Next.Linger)
            {
                await LingerAsync().ConfigureAwait(false);
            }
        }
        catch (Exception e) when (DuplexTransport.IsFailure(e))
        {
            // The client went while nothing was at stake: between exchanges or while lingering.
            next = Next.Gone;
        }
        finally
        {
            _engine.Sweeper.Remove(this);
            if (next == Next.Gone)
            {
                _client.Reset();
            }
            else
            {
                _client.Close();
            }

            if (_pinned is { } pinned)
            {
                _pinned = null;
                pinned.Pool.Discard(pinned, reset: false);
            }

            _streamScope?.Dispose();
            if (_channel is { } channel)
            {
                // Only a defect gets here with one; it must not cost the origin a permit.
                _channel = null;
                channel.Transport.Reset();
                if (_pump is not null)
                {
                    await _pump.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                }

                channel.Pool.Discard(channel, reset: true);
            }

            if (_messages.IsActive)
            {
                await _messages.EndAsync(null).ConfigureAwait(false); // a defect
            }

            _input.Release(discard: true);
            ReleaseOutput();
            _engine.Store.Return(_recorder);
        }
    }

    /// <summary>Ends an idle connection at once, a busy one behind its exchange; for draining.</summary>
    public void Drain()
    {
        if (Volatile.Read(ref _clientWait) == (int)Wait.Idle)
        {
            _client.Close();
        }
    }

    /// <summary>Ends the connection now.</summary>
    public void Abort()
    {
        Expire(Wait.Stopping);
        if (Volatile.Read(ref _isRunning))
        {
            _runner!.Abort();
        }

        _client.Reset();
        ResetServer();
    }

    private async Task<Next> ServeAsync()
    {
        if (_isFirst)
        {
            _isFirst = false;
            if (await ReceiveFirstAsync().ConfigureAwait(false) is { } ended)
            {
                return ended;
            }
        }

        while (true)
        {
            int length;
            try
            {
                length = await ReadHeadAsync().ConfigureAwait(false);
            }
            catch (Exception e) when (DuplexTransport.IsFailure(e) && (_input.Length > 0 || Volatile.Read(ref _expired) != 0))
            {
                return await RefuseTruncatedAsync(e).ConfigureAwait(false);
            }

            if (length == 0)
            {
                return _input.Length == 0 ? Next.Close : await RefuseTruncatedAsync().ConfigureAwait(false);
            }

            var next = await ServeRequestAsync(length).ConfigureAwait(false);
            if (next != Next.Continue)
            {
                return next;
            }

            _input.Release();
            ReleaseOutput();
            if (_engine.IsDraining)
            {
                return Next.Close;
            }
        }
    }

    /// <summary>The first octet tells whether the client speaks TLS to the proxy itself, HTTP, or something else.</summary>
    /// <returns>What to do when it ends here; otherwise <see langword="null"/>.</returns>
    private async ValueTask<Next?> ReceiveFirstAsync()
    {
        ArmClient(Wait.Idle, _engine.Limits.IdleTimeout, Now());
        var received = await _client.ReceiveAsync(_input.Room(HeadBufferOctets)).ConfigureAwait(false);
        _input.Received(received);
        if (received == 0)
        {
            return Next.Close;
        }

        return _input.Span[0] == 0x16 ? await AcceptTlsToProxyAsync().ConfigureAwait(false)
            : _input.Span[0] == 'P' && SpeaksHttp2 && await BeginsHttp2Async().ConfigureAwait(false) ? await ServeHttp2Async().ConfigureAwait(false)
            : null;
    }

    /// <summary>Receives until a head is complete, broken or the client ends.</summary>
    /// <returns>Octets of the head; negative when it is broken (then <see cref="_headError"/> says how); 0 when the client ended its side.</returns>
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    private async ValueTask<int> ReadHeadAsync()
    {
        var scanned = 0;
        var hasBegun = false;
        ArmClient(Wait.Idle, _engine.Limits.IdleTimeout, _now);
        while (true)
        {
            SkipEmptyLines();
            if (_input.Length > 0)
            {
                if (!hasBegun)
                {
                    hasBegun = true;
                    _started = Now();
                    ArmClient(Wait.Head, _engine.Limits.HeadTimeout, _started);
                }

                var length = Http1HeadReader.FindEnd(_input.Span, ref scanned, _engine.Limits.Http1, AllowedInRequests, out _headError);
                if (length != 0)
                {
                    DisarmClient();
                    return length;
                }
            }

            if (_input.Length == 0)
            {
                _input.Release(); // nothing is held for an idle client but the receive itself
            }

            var received = await _client.ReceiveAsync(_input.Room(HeadBufferOctets)).ConfigureAwait(false);
            if (received == 0)
            {
                DisarmClient();
                return 0;
            }

            _input.Received(received);
            if (hasBegun)
            {
                Now();
            }
        }
    }

    private Http1Error _headError;

    private Http1Repairs AllowedInRequests => _engine.Options.LenientHttp ? Http1Repairs.LenientRequest : Http1Repairs.None;

    // RFC 9112 §2.2: empty lines before a request line are ignored; old clients send one behind a POST body.
    private void SkipEmptyLines()
    {
        while (_input.Length >= 2 && _input.Span[0] == '\r' && _input.Span[1] == '\n')
        {
            _input.Consume(2);
        }
    }

    /// <summary>Reads what the client still sends for a short while: closing with unread octets resets the connection and can destroy our answer (RFC 9112 §9.6).</summary>
    private async ValueTask LingerAsync()
    {
        ArmClient(Wait.Linger, TimeSpan.FromSeconds(2));
        await _client.CompleteOutputAsync().ConfigureAwait(false);
        var total = 0;
        int received;
        _input.Release(discard: true);
        while (total < LingerOctets && (received = await _client.ReceiveAsync(_input.Room(ResponseBufferOctets)).ConfigureAwait(false)) > 0)
        {
            total += received;
        }
    }

    private byte[] Output(int capacity)
    {
        if (_output is null || _output.Length < capacity)
        {
            ReleaseOutput();
            _output = BufferPool.Rent(Math.Max(capacity, HeadBufferOctets));
        }

        return _output;
    }

    private void ReleaseOutput()
    {
        if (_output is not null)
        {
            BufferPool.Return(_output);
            _output = null;
        }
    }

    private void BeginFlow(FlowKind kind, FlowId parent = default)
    {
        var id = FlowId.Create(_engine.Time.GetUtcNow());
        _exchange.Begin(id, _facts);
        _exchange.HasResponse = false;
        _exchange.StartedAt = _started;
        if (kind == FlowKind.Connection && _opening is not null)
        {
            _exchange.Continue(_opening);
        }

        _isAnswerOwn = false;
        _stages.Begin(_started);
        _messages.Begin();
        _recorder.Begin(kind, id, parent, _facts, _started);
        if (_client is TlsTransport)
        {
            _recorder.Mark(FlowMarks.Intercepted);
        }

        _facts.Exchanges++;
    }
}
