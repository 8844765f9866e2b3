using System.Runtime.CompilerServices;
using System.Text;
using RelayCore.Core.Faults;
using RelayCore.Core.Flows;
using RelayCore.Core.Interception;
using RelayCore.Engine.Pipeline;
using RelayCore.Engine.Transport;
using RelayCore.Engine.Upstream;
using RelayCore.Protocols;
using RelayCore.Protocols.Http1;

namespace RelayCore.Engine.Http;

internal sealed partial class Http1Session
{
    private ServerChannel? _channel;
    private HopByHop _requestHop;
    private BodyFraming _requestFraming;
    private BodyPlan _requestPlan;
    private bool _clientKeepsAlive;
    private bool _responseStarted;
    private bool _isUpgrade;
    private bool _acceptsTrailers;
    private bool _isExcluded;
    private bool _isHeadRead;
    private At _at;

    /// <summary>What the loop is doing with whom, to tell whose failure an exception is.</summary>
    private enum At : byte
    {
        Client,
        Connecting,
        SendingToServer,
        AwaitingResponse,
        ReceivingBody,
    }

    /// <summary>Serves one request, whose head is at the front of the input.</summary>
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    private async ValueTask<Next> ServeRequestAsync(int headLength)
    {
        (_expired, _responseStarted, _pump, _pumpFault, _pumpStops, _serverRefusesBody, _bufferedRequest) = (0, false, null, null, false, false, null);
        _isBodyEdited.AsSpan().Clear();
        ForgetImpairments();
        BeginFlow(FlowKind.Http);
        if (ReadRequest(headLength) is { } fault)
        {
            return await RefuseAsync(fault, Next.Linger).ConfigureAwait(false);
        }

        if (_engine.Limits.TotalTimeout != Timeout.InfiniteTimeSpan)
        {
            Volatile.Write(ref _totalDeadline, Deadline(_engine.Limits.TotalTimeout, _engine.Time.GetTimestamp()));
        }

        try
        {
            var request = _exchange.Request;
            if (request.TargetForm == RequestTargetForm.Authority && _scope is null)
            {
                return await ServeConnectAsync().ConfigureAwait(false);
            }

            if (GoesOverHttp2)
            {
                return await ForwardOverHttp2Async().ConfigureAwait(false);
            }

            if (UpgradeSettings() is { } settings)
            {
                return await UpgradeToHttp2Async(settings).ConfigureAwait(false);
            }

            if (_interceptors.Wants(Stage.RequestHead | Stage.RequestBody | Stage.RequestChunk | Stage.Trailers | MessageStages, _exchange))
            {
                if (await InterceptRequestAsync().ConfigureAwait(false) is { } answered)
                {
                    return answered;
                }

                Now(); // they may have taken their time
            }
            else if (!_requestFraming.IsEmpty && OpenMessages(PeerRole.Client) is { } messages)
            {
                await StartMessagesAsync(messages).ConfigureAwait(false);
                PlanMessages(PeerRole.Client);
            }

            return CheckWebSocketRequest() is { } broken
                ? await RefuseAsync(broken, Next.Linger).ConfigureAwait(false)
                : await ForwardAsync().ConfigureAwait(false);
        }
        catch (UpstreamException e)
        {
            return await FailAsync(e.Fault).ConfigureAwait(false);
        }
        catch (Exception e) when (DuplexTransport.IsFailure(e))
        {
            return await FailAsync(FaultOf(e)).ConfigureAwait(false);
        }
        finally
        {
            Volatile.Write(ref _totalDeadline, 0);
            DisarmServer();
            DisarmClient();
        }
    }

    /// <summary>Sends the request and relays the answer.</summary>
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    private async ValueTask<Next> ForwardAsync()
    {
        var isRepeatable = IsSafeToRepeat(_exchange.Request.MethodOctets);
        while (true)
        {
            var channel = _channel = await AcquireAsync(mustBeFresh: !isRepeatable).ConfigureAwait(false);
            _recorder.Server(channel.Facts);
            _recorder.Mark((channel.Facts.IsUnverified ? FlowMarks.InsecureUpstream : 0) | (channel.IsProxyBypassed ? FlowMarks.UpstreamProxyBypassed : 0));
            channel.Facts.Exchanges++; // behind the recorder, which notes how many there were before this one
            _exchange.Server = channel.Facts;
            if (Volatile.Read(ref _expired) != 0)
            {
                throw new IOException("given up while waiting for a connection");
            }

            _at = At.SendingToServer;
            try
            {
                ArmServer(Wait.Sending, _engine.Limits.BodyTimeout, _now);
                await SendRequestAsync(channel).ConfigureAwait(false);
                _recorder.Stamp(TimingPoint.RequestSent, Now());
                _at = At.AwaitingResponse;
                if (_pump is null)
                {
                    ArmServer(Wait.Response, _engine.Limits.FirstByteTimeout, _now); // otherwise the pump does, when the body is through
                }

                if (channel.Input.Length > 0 || Received(channel, await ReceiveAsync(channel, ResponseBufferOctets).ConfigureAwait(false)) > 0)
                {
                    break;
                }
            }
            catch (Exception e) when (DuplexTransport.IsFailure(e) && _impairedFault is null && MayRetry(channel, isRepeatable))
            {
                // Falls out of the try with nothing received.
            }

            if (_impairedFault is not null || !MayRetry(channel, isRepeatable))
            {
                throw new IOException("the server closed the connection without an answer");
            }

            // An idle connection had gone: RFC 9112 §9.3.1 lets us repeat what is safe to repeat, once, on a new one.
            _channel = null;
            channel.Pool.Discard(channel, reset: true);
            _recorder.Mark(FlowMarks.Retried);
            channel.Pool.CloseIdle(long.MaxValue);
        }

        return await RelayResponseAsync(_channel).ConfigureAwait(false);
    }

    private bool MayRetry(ServerChannel channel, bool isRepeatable) =>
        channel.IsReused && isRepeatable && _pump is null && Volatile.Read(ref _expired) == 0 && channel.Input.Length == 0;

    // RFC 9110 §9.2.2, and only with a body that is still at hand.
    private bool IsSafeToRepeat(ReadOnlySpan<byte> method) =>
        (_requestFraming.IsEmpty || _bufferedRequest is not null)
        && (method.SequenceEqual("GET"u8) || method.SequenceEqual("HEAD"u8) || method.SequenceEqual("OPTIONS"u8) || method.SequenceEqual("PUT"u8)
            || method.SequenceEqual("DELETE"u8) || method.SequenceEqual("TRACE"u8));

    private async ValueTask<ServerChannel> AcquireAsync(bool mustBeFresh)
    {
        var origin = ServerPool.Routed(_exchange, _lastPool!.Origin.Route);
        if (_pinned is { } pinned)
        {
            _pinned = null;
            if (pinned.Pool.Origin == origin && !pinned.Transport.HasInput)
            {
                pinned.IsReused = true;
                _recorder.Mark(FlowMarks.ServerReused | (pinned.Facts.IsUnverified ? FlowMarks.InsecureUpstream : 0));
                return pinned;
            }

            pinned.Pool.Discard(pinned, reset: false);
        }

        var pool = _lastPool!.Origin == origin ? _lastPool : _engine.Pool.For(origin);
        if (!pool.TryTake(mustBeFresh, _now, out var channel))
        {
            await default(ThreadPoolHop);
            try
            {
                channel = await pool.WaitAsync().ConfigureAwait(false);
                Now();
            }
            catch (TimeoutException)
            {
                throw new UpstreamException(new("RC-CONN-004", FaultStage.Connect, FaultKind.Limit, null,
                    $"{_engine.Limits.MaxServerConnectionsPerOrigin} connections to {origin.HostAndPort} are busy", true));
            }
        }

        if (channel is not null)
        {
            _recorder.Mark(FlowMarks.ServerReused | (channel.Facts.IsUnverified ? FlowMarks.InsecureUpstream : 0));
            return channel;
        }

        return await OpenAsync(pool).ConfigureAwait(false);
    }

    private async ValueTask<ServerChannel> OpenAsync(OriginPool pool)
    {
        _at = At.Connecting;
        var started = Now();
        _recorder.Stamp(TimingPoint.ConnectStart, started);
        ServerChannel? channel = null;
        try
        {
            channel = await _engine.Connector.OpenAsync(pool).ConfigureAwait(false);
        }
        finally
        {
            if (channel is null)
            {
                pool.ReleasePermit();
            }
        }

        Now();
        var ticks = _engine.Time.TimestampFrequency / 1_000_000.0;
        var facts = channel.Facts;
        var resolved = started + (long)(facts.ResolveMicroseconds * ticks);
        var connected = resolved + (long)(facts.ConnectMicroseconds * ticks);
        _recorder.Stamp(TimingPoint.Resolved, resolved);
        _recorder.Stamp(TimingPoint.Connected, connected);
        if (facts.TlsMicroseconds >= 0)
        {
            _recorder.Stamp(TimingPoint.TlsEstablished, _now);
        }

        if (Volatile.Read(ref _expired) != 0)
        {
            pool.Discard(channel, reset: true);
            throw new IOException("given up while connecting");
        }

        return channel;
    }

    /// <summary>Sends the head with what is there of the body in one send; a body that goes on is pumped beside the response.</summary>
    private ValueTask SendRequestAsync(ServerChannel channel)
    {
        if (_exchange.RequestImpairment is { } what)
        {
            return SendImpairedRequestAsync(what, channel);
        }

        var request = _exchange.Request;
        var first = 0;
        if (_requestPlan == BodyPlan.Tap && !_requestBody.IsComplete && _bufferedRequest is null)
        {
            first = _requestBody.Advance(_input.Span, out var error);
            if (error.IsError)
            {
                // Nothing was sent: the server never sees a request whose body is broken from its start.
                _pumpFault = MalformedRequest(error);
                throw new IOException("the request body is malformed");
            }
        }

        var buffered = _bufferedRequest is { } body ? body : default;
        var output = Output(request.Fields.WrittenBound + request.PathOctets.Length + request.Origin.Authority.Length + Http1HeadWriter.Overhead + 64
            + (channel.ProxyAuthorization?.Length ?? 0) + Math.Max(first, buffered.Length <= ResponseBufferOctets ? buffered.Length : 0));
        var length = WriteRequestHead(output, channel);
        _recorder.Stamp(TimingPoint.RequestEnd, _requestBody.IsComplete ? _now : 0);
        if (_bufferedRequest is not null)
        {
            return SendBufferedAsync(channel, output, length, buffered);
        }

        _input.Span[..first].CopyTo(output.AsSpan(length));
        _input.Consume(first);
        channel.Facts.OctetsSent += length + first;
        var sending = channel.Transport.SendAsync(output.AsMemory(0, length + first));
        if (_requestBody.IsComplete)
        {
            return sending;
        }

        return SendAndPumpAsync(sending, channel);
    }

    private async ValueTask SendBufferedAsync(ServerChannel channel, byte[] output, int length, ReadOnlyMemory<byte> body)
    {
        channel.Facts.OctetsSent += length + body.Length;
        if (body.Length <= ResponseBufferOctets)
        {
            body.Span.CopyTo(output.AsSpan(length));
            await channel.Transport.SendAsync(output.AsMemory(0, length + body.Length)).ConfigureAwait(false);
        }
        else
        {
            await channel.Transport.SendAsync(output.AsMemory(0, length)).ConfigureAwait(false);
            await channel.Transport.SendAsync(body).ConfigureAwait(false);
        }

        if (!_requestBody.IsComplete)
        {
            _pump = PumpRequestBodyAsync(channel, hasUnread: _input.Length > 0);
        }
    }

    private async ValueTask SendAndPumpAsync(ValueTask sending, ServerChannel channel)
    {
        await sending.ConfigureAwait(false);
        _pump = _requestPlan == BodyPlan.Transform ? PumpEditedRequestBodyAsync(channel) : PumpRequestBodyAsync(channel, hasUnread: _requestBody.RepairedTrailers is not null);
    }

    private int WriteRequestHead(Span<byte> output, ServerChannel channel)
    {
        var request = _exchange.Request;
        int length;
        if (channel.IsToProxy && request.TargetForm != RequestTargetForm.Authority)
        {
            // The parent proxy wants the absolute form (RFC 9112 §3.2.2); OPTIONS * has an empty path there (§3.2.4).
            var path = request.PathOctets is [(byte)'*'] ? default : request.PathOctets;
            byte[] target = [.. "http://"u8, .. Encoding.ASCII.GetBytes(request.Origin.Authority), .. path];
            length = Http1HeadWriter.WriteRequestLine(output, request.MethodOctets, target, request.MinorVersion);
        }
        else
        {
            length = Http1HeadWriter.WriteRequestLine(output, request.MethodOctets, request.PathOctets, request.MinorVersion);
        }

        if (channel.ProxyAuthorization is { } authorization)
        {
            length += Http1HeadWriter.WriteLine(output[length..], "Proxy-Authorization"u8, authorization);
        }

        var options = (_isUpgrade ? ConnectionOptions.Upgrade : ConnectionOptions.None) | (_acceptsTrailers ? ConnectionOptions.TrailersAccepted : ConnectionOptions.None);
        length += Http1HeadWriter.WriteFields(output[length..], request.Fields, _requestHop, options);
        if (request.Fields.ChangeCount > 0)
        {
            _recorder.RequestSent(request.Origin, output[..length]);
        }

        return length;
    }

    /// <summary>Begins a receive; what it brought goes to <see cref="Received"/>. Two steps, because an async method of its own would cost a state
    /// machine for each of a burst of exchanges.</summary>
    private static ValueTask<int> ReceiveAsync(ServerChannel channel, int capacity) => channel.Transport.ReceiveAsync(channel.Input.Room(capacity));

    /// <returns>The same number.</returns>
    private static int Received(ServerChannel channel, int octets)
    {
        channel.Input.Received(octets);
        channel.Facts.OctetsReceived += octets;
        return octets;
    }
}
