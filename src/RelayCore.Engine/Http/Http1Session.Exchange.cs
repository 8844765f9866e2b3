using System.Runtime.CompilerServices;
using System.Text;
using RelayCore.Core.Connections;
using RelayCore.Core.Faults;
using RelayCore.Core.Flows;
using RelayCore.Core.Interception;
using RelayCore.Engine.Pipeline;
using RelayCore.Engine.Transport;
using RelayCore.Engine.Upstream;
using RelayCore.Protocols;
using RelayCore.Protocols.Fields;
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

            if (_interceptors.Wants(Stage.RequestHead | Stage.RequestBody | Stage.RequestChunk | Stage.Trailers))
            {
                if (await InterceptRequestAsync().ConfigureAwait(false) is { } answered)
                {
                    return answered;
                }
            }

            return await ForwardAsync().ConfigureAwait(false);
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

    /// <summary>Reads the head and decides framing and route. The head is consumed; the recorder has it.</summary>
    private FlowFault? ReadRequest(int headLength)
    {
        var request = _exchange.Request;
        var allowed = AllowedInRequests;
        _isHeadRead = false;
        if (headLength < 0)
        {
            return MalformedRequest(_headError);
        }

        var head = _input.Span[..headLength];
        var error = Http1HeadReader.ReadRequest(head, _engine.Limits.Http1, allowed, request.Fields, out var line, out var repairs);
        if (error.IsError)
        {
            return MalformedRequest(error);
        }

        if (!RequestTarget.TryRead(head.Slice(line.TargetStart, line.TargetLength), head[..line.MethodLength], out var target))
        {
            return MalformedRequest(new(Http1Fault.InvalidTarget, line.TargetStart));
        }

        request.Load(line, target);
        _isHeadRead = true;
        var problem = Http1Framing.OfRequest(request.Fields, line.MinorVersion, allowed, out _requestFraming, ref repairs);
        if (problem != Http1Fault.None)
        {
            return MalformedRequest(new(problem, OffsetOf(problem, request.Fields)));
        }

        _requestHop = HopByHop.Read(request.Fields);
        _clientKeepsAlive = line.MinorVersion == 1 ? !_requestHop.Close : _requestHop.KeepAlive && !_requestHop.Close;
        problem = HostField.Check(request.Fields, line.MinorVersion, target.Form, out var host, out _);
        if (problem != Http1Fault.None)
        {
            return MalformedRequest(new(problem, OffsetOf(problem, request.Fields)));
        }

        if (target.HasUserInfo)
        {
            repairs |= Http1Repairs.UserInfoRemoved;
        }

        var fault = Route(target, head.Slice(line.TargetStart + target.AuthorityStart, target.AuthorityLength), host, ref repairs);
        if (fault is null && target.Form == RequestTargetForm.Absolute)
        {
            repairs |= ReplaceHost(request, host);
        }

        _recorder.Request(request.Origin, head, repairs);
        _recorder.Stamp(TimingPoint.RequestHead, _engine.Time.GetTimestamp());
        if (_isExcluded)
        {
            _recorder.Cancel(); // our own control port: looking at captures must not make more of them
        }

        _input.Consume(headLength);
        _requestBody.Begin(_requestFraming, _engine.Limits, allowed);
        _requestPlan = BodyPlan.Tap;
        _isUpgrade = _requestHop.Upgrade && line.MinorVersion == 1 && IsForwardableUpgrade(request.Fields); // RFC 9110 §7.8: none from HTTP/1.0
        _acceptsTrailers = AcceptsTrailers(request.Fields);
        return fault ?? (_scope is null ? CheckCredentials(request.Fields) : null);
    }

    private FlowFault? Route(in RequestTarget target, ReadOnlySpan<byte> authority, int hostIndex, ref Http1Repairs repairs)
    {
        var request = _exchange.Request;
        if (_scope is { } scope)
        {
            UsePool(scope.Origin, authority: default);
            if (hostIndex >= 0 && !NamesOrigin(request.Fields.Value(hostIndex), scope.Origin))
            {
                _recorder.Mark(FlowMarks.HostMismatch);
            }

            return null;
        }

        if (target.Form == RequestTargetForm.Authority)
        {
            return null; // CONNECT has a route of its own
        }

        if (target.Form != RequestTargetForm.Absolute)
        {
            authority = hostIndex >= 0 ? request.Fields.Value(hostIndex) : default;
            if (authority.IsEmpty)
            {
                return new("RC-HTTP-305", FaultStage.Request, FaultKind.Protocol, PeerRole.Client, "the request names no host");
            }
        }

        if (_lastPool is not null && _lastIsSecure == target.IsSecure && authority.SequenceEqual(_lastAuthority))
        {
            UsePool(_lastPool);
        }
        else if (Authority.TryRead(authority, out var parts)
            && Authority.NormalizeHost(authority.Slice(parts.HostStart, parts.HostLength)) is { } host)
        {
            UsePool(new Origin(target.IsSecure, host, parts.Port > 0 ? parts.Port : target.IsSecure ? 443 : 80), authority);
        }
        else
        {
            return MalformedRequest(new(Http1Fault.InvalidTarget, 0));
        }

        return target.Form != RequestTargetForm.Absolute && IsOwnListener(request.Origin)
            ? new("RC-HTTP-305", FaultStage.Request, FaultKind.Protocol, PeerRole.Client, $"the request was sent to the proxy itself ({request.Origin.Authority})")
            : null;
    }

    private bool IsOwnListener(Origin origin) =>
        System.Net.IPAddress.TryParse(origin.Host == "localhost" ? "127.0.0.1" : origin.Host, out var address)
        && _engine.OwnEndPoints.IsListener(new(address, origin.Port));

    private void UsePool(Origin origin, ReadOnlySpan<byte> authority)
    {
        if (_lastPool is null || _lastPool.Origin != origin)
        {
            _lastPool = _engine.Pool.For(origin);
        }

        (_lastAuthority, _lastIsSecure) = (authority.ToArray(), origin.IsSecure);
        UsePool(_lastPool);
    }

    private void UsePool(OriginPool pool)
    {
        _exchange.Request.Load(pool.Origin);
        if (!ReferenceEquals(_interceptorsFor, pool) || !ReferenceEquals(_lastPipeline, _engine.Pipeline))
        {
            (_interceptorsFor, _lastPipeline) = (pool, _engine.Pipeline);
            _interceptors = _engine.Pipeline.For(pool.Origin.Host);
            _isExcluded = _engine.Options.CaptureExclude.Contains(pool.Origin.HostAndPort);
        }
    }

    /// <summary>RFC 9112 §3.2.2: with an absolute target the received Host is ignored and made anew from the target.</summary>
    private static Http1Repairs ReplaceHost(Core.Messages.RequestHead request, int index)
    {
        var authority = request.Origin.Authority;
        if (index >= 0 && NamesOrigin(request.Fields.Value(index), request.Origin))
        {
            return Http1Repairs.None;
        }

        if (index >= 0)
        {
            request.Fields.RepairValue(index, Encoding.ASCII.GetBytes(authority));
        }
        else
        {
            request.Fields.AddUnlogged("Host"u8, Encoding.ASCII.GetBytes(authority));
        }

        return Http1Repairs.HostReplaced;
    }

    private static bool NamesOrigin(ReadOnlySpan<byte> value, Origin origin)
    {
        if (!Authority.TryRead(value, out var parts))
        {
            return false;
        }

        var host = value.Slice(parts.HostStart, parts.HostLength);
        return (parts.Port > 0 ? parts.Port : origin.DefaultPort) == origin.Port
            && (Ascii.EqualsIgnoreCase(host, origin.Host) || Authority.NormalizeHost(host) == origin.Host);
    }

    // "h2c" would turn the connection into one we do not read; leaving the offer out is every intermediary's right (RFC 9110 §7.8).
    private static bool IsForwardableUpgrade(FieldSection fields)
    {
        var index = fields.IndexOf(KnownField.Upgrade);
        return index >= 0 && !Ascii.EqualsIgnoreCase(fields.Value(index), "h2c"u8);
    }

    private static bool AcceptsTrailers(FieldSection fields)
    {
        for (var i = fields.IndexOf(KnownField.TE); i >= 0; i = fields.IndexOf(KnownField.TE, i + 1))
        {
            var list = fields.Value(i);
            while (FieldSyntax.TryTakeListMember(ref list, out var member))
            {
                if (Ascii.EqualsIgnoreCase(member, "trailers"u8))
                {
                    return true;
                }
            }
        }

        return false;
    }

    private FlowFault? CheckCredentials(FieldSection fields)
    {
        if (_engine.Options.ProxyCredentials is not { } expected)
        {
            return null;
        }

        var index = fields.IndexOf(KnownField.ProxyAuthorization);
        if (index >= 0 && fields.Value(index) is var value && value.Length > 6 && Ascii.EqualsIgnoreCase(value[..6], "basic "u8))
        {
            Span<byte> decoded = stackalloc byte[512];
            var text = Encoding.Latin1.GetString(FieldSyntax.TrimWhiteSpace(value[6..]));
            if (Convert.TryFromBase64String(text, decoded, out var length)
                && System.Security.Cryptography.CryptographicOperations.FixedTimeEquals(decoded[..length], Encoding.UTF8.GetBytes(expected)))
            {
                return null;
            }
        }

        return new("RC-AUTH-001", FaultStage.Request, FaultKind.Policy, PeerRole.Client,
            index < 0 ? "no Proxy-Authorization" : "user or password is wrong");
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
            channel.Facts.Exchanges++; // behind the recorder, which notes how many there were before this one
            _exchange.Server = channel.Facts;
            if (Volatile.Read(ref _expired) != 0)
            {
                throw new IOException("given up while waiting for a connection");
            }

            _at = At.SendingToServer;
            try
            {
                ArmServer(Wait.Sending, _engine.Limits.BodyTimeout);
                await SendRequestAsync(channel).ConfigureAwait(false);
                _recorder.Stamp(TimingPoint.RequestSent, _engine.Time.GetTimestamp());
                _at = At.AwaitingResponse;
                if (_pump is null)
                {
                    ArmServer(Wait.Response, _engine.Limits.FirstByteTimeout); // otherwise the pump does, when the body is through
                }

                if (channel.Input.Length > 0 || Received(channel, await ReceiveAsync(channel, ResponseBufferOctets).ConfigureAwait(false)) > 0)
                {
                    break;
                }
            }
            catch (Exception e) when (DuplexTransport.IsFailure(e) && MayRetry(channel, isRepeatable))
            {
                // Falls out of the try with nothing received.
            }

            if (!MayRetry(channel, isRepeatable))
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
        var origin = _exchange.Request.Origin;
        if (_pinned is { } pinned)
        {
            _pinned = null;
            if (pinned.Pool.Origin == origin && !pinned.Transport.HasInput)
            {
                pinned.IsReused = true;
                _recorder.Mark(FlowMarks.ServerReused);
                return pinned;
            }

            pinned.Pool.Discard(pinned, reset: false);
        }

        var pool = _lastPool!.Origin == origin ? _lastPool : _engine.Pool.For(origin);
        if (!pool.TryTake(mustBeFresh, out var channel))
        {
            await default(ThreadPoolHop);
            try
            {
                channel = await pool.WaitAsync().ConfigureAwait(false);
            }
            catch (TimeoutException)
            {
                throw new UpstreamException(new("RC-CONN-004", FaultStage.Connect, FaultKind.Limit, null,
                    $"{_engine.Limits.MaxServerConnectionsPerOrigin} connections to {origin.HostAndPort} are busy", true));
            }
        }

        if (channel is not null)
        {
            _recorder.Mark(FlowMarks.ServerReused);
            return channel;
        }

        return await OpenAsync(pool).ConfigureAwait(false);
    }

    private async ValueTask<ServerChannel> OpenAsync(OriginPool pool)
    {
        _at = At.Connecting;
        var started = _engine.Time.GetTimestamp();
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

        var ticks = _engine.Time.TimestampFrequency / 1_000_000.0;
        var facts = channel.Facts;
        var resolved = started + (long)(facts.ResolveMicroseconds * ticks);
        var connected = resolved + (long)(facts.ConnectMicroseconds * ticks);
        _recorder.Stamp(TimingPoint.Resolved, resolved);
        _recorder.Stamp(TimingPoint.Connected, connected);
        if (facts.TlsMicroseconds >= 0)
        {
            _recorder.Stamp(TimingPoint.TlsEstablished, _engine.Time.GetTimestamp());
        }

        _recorder.Mark((facts.IsUnverified ? FlowMarks.InsecureUpstream : 0) | (channel.IsProxyBypassed ? FlowMarks.UpstreamProxyBypassed : 0));
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
        _recorder.Stamp(TimingPoint.RequestEnd, _requestBody.IsComplete ? _engine.Time.GetTimestamp() : 0);
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

    private FlowFault MalformedRequest(Http1Error error)
    {
        var code = FaultCatalog.CodeOf(error.Fault, isResponse: false);
        return new(code, FaultStage.Request, FaultKind.Protocol, PeerRole.Client, FaultCatalog.Find(code)?.Explanation ?? error.Fault.ToString())
        {
            Octets = Around(_input.Span, error.Offset, out var offset),
            OctetsOffset = offset,
        };
    }

    private static FlowFault MalformedResponse(Http1Error error, ReadOnlySpan<byte> source)
    {
        var code = FaultCatalog.CodeOf(error.Fault, isResponse: true);
        return new(code, FaultStage.Response, FaultKind.Protocol, PeerRole.Server, FaultCatalog.Find(code)?.Explanation ?? error.Fault.ToString())
        {
            Octets = Around(source, error.Offset, out var offset),
            OctetsOffset = offset,
        };
    }

    /// <summary>Where in the head the line is that a rule about the whole head rests on.</summary>
    private static int OffsetOf(Http1Fault fault, FieldSection fields)
    {
        var field = fault switch
        {
            Http1Fault.InvalidContentLength or Http1Fault.DuplicateContentLength => KnownField.ContentLength,
            Http1Fault.LengthAndTransferEncoding or Http1Fault.InvalidTransferEncoding or Http1Fault.TransferEncodingInHttp10 => KnownField.TransferEncoding,
            Http1Fault.DuplicateHost or Http1Fault.InvalidHost => KnownField.Host,
            _ => KnownField.None,
        };
        for (var i = fields.Count - 1; field != KnownField.None && i >= 0; i--)
        {
            if (fields.Known(i) == field)
            {
                return Math.Max(0, fields.Received.LastIndexOf(fields.ReceivedLine(i)));
            }
        }

        return 0;
    }

    private static byte[] Around(ReadOnlySpan<byte> source, int at, out int offset)
    {
        var start = Math.Clamp(at - 32, 0, Math.Max(source.Length - 1, 0));
        offset = Math.Clamp(at - start, 0, 63);
        return source.Slice(start, Math.Min(64, source.Length - start)).ToArray();
    }

    private FlowFault FaultOf(Exception exception)
    {
        if (_pumpFault is { } pump)
        {
            return pump;
        }

        if (ExpiredFault() is { } late)
        {
            return late;
        }

        return _at switch
        {
            At.Client => new("RC-HTTP-315", FaultStage.Response, FaultKind.Transport, PeerRole.Client, exception.Message),
            At.Connecting => new("RC-CONN-003", FaultStage.Connect, FaultKind.Transport, PeerRole.Server, exception.Message, true),
            At.SendingToServer => new("RC-HTTP-312", FaultStage.Request, FaultKind.Transport, PeerRole.Server, exception.Message, true),
            At.AwaitingResponse => new("RC-HTTP-311", FaultStage.Response, FaultKind.Transport, PeerRole.Server, exception.Message, true),
            _ => new("RC-HTTP-309", FaultStage.Response, FaultKind.Truncated, PeerRole.Server, exception.Message),
        };
    }
}
