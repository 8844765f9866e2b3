using System.Runtime.CompilerServices;
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
    private HopByHop _responseHop;
    private BodyFraming _responseFraming;
    private Http1Repairs _responseRepairs;
    private BodyPlan _responsePlan;
    private bool _isAnswerOwn;

    /// <summary>Relays interim responses and the final one. The first octets are in the channel's input.</summary>
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    private async ValueTask<Next> RelayResponseAsync(ServerChannel channel)
    {
        var response = _exchange.Response;
        while (true)
        {
            var scanned = 0;
            int length;
            while ((length = Http1HeadReader.FindEnd(channel.Input.Span, ref scanned, _engine.Limits.Http1, Http1Repairs.Response, out _headError)) == 0)
            {
                if (Received(channel, await ReceiveAsync(channel, ResponseBufferOctets).ConfigureAwait(false)) == 0)
                {
                    throw new IOException(Diagnosis.OfMissingAnswer(channel.Input.Span));
                }
            }

            if (ReadResponse(channel, length) is { } fault)
            {
                return await FailAsync(fault).ConfigureAwait(false);
            }

            if (response.Status is 101 or >= 200)
            {
                break;
            }

            await RelayInterimAsync().ConfigureAwait(false);
        }

        DisarmServer();
        _at = At.ReceivingBody;
        _exchange.HasResponse = true;
        _recorder.Stamp(TimingPoint.ResponseHead, Now());
        if (response.Status == 101 || (_exchange.Request.TargetForm == RequestTargetForm.Authority && response.Status < 300))
        {
            return await SwitchProtocolAsync(channel).ConfigureAwait(false);
        }

        var serverKeeps = (response.MinorVersion == 1 ? !_responseHop.Close : _responseHop.KeepAlive)
            && _responseFraming.Kind != BodyFramingKind.UntilClose
            && (_responseRepairs & (Http1Repairs.LengthAndTransferEncoding | Http1Repairs.TransferEncodingInHttp10)) == 0;
        _responsePlan = BodyPlan.Tap;
        if (_interceptors.Wants(Stage.ResponseHead | Stage.ResponseBody | Stage.ResponseChunk | Stage.Trailers | MessageStages, _exchange))
        {
            if (await InterceptResponseAsync(channel).ConfigureAwait(false) is { } answered)
            {
                return answered;
            }
        }
        else if (OpenMessages(PeerRole.Server) is { } messages)
        {
            await StartMessagesAsync(messages).ConfigureAwait(false);
        }

        // An HTTP/1.0 client cannot read chunks, and nobody can trust them in an HTTP/1.0 response (RFC 9112 §6.1): they are taken apart and the end is told by closing.
        if (_responseFraming.Kind == BodyFramingKind.Chunked && _responsePlan == BodyPlan.Tap
            && (_exchange.Request.MinorVersion == 0 || response.MinorVersion == 0))
        {
            _responsePlan = BodyPlan.Transform;
        }

        PlanMessages(PeerRole.Server);
        var isEarly = _pump is { IsCompleted: false };
        if (isEarly)
        {
            _recorder.Mark(FlowMarks.EarlyResponse);
        }

        _clientKeepsAlive &= (!isEarly || serverKeeps) && !_engine.IsDraining;
        switch (_responsePlan)
        {
            case BodyPlan.Transform:
                await SendEditedResponseAsync(channel).ConfigureAwait(false);
                break;
            case BodyPlan.Buffer:
                await SendBufferedResponseAsync(channel).ConfigureAwait(false);
                break;
            default:
                await SendResponseAsync(channel).ConfigureAwait(false);
                break;
        }

        EndImpairedResponse();
        _recorder.Stamp(TimingPoint.ResponseEnd, Now());
        return await FinishAsync(channel, serverKeeps && !_responseBody.IsAbandoned).ConfigureAwait(false);
    }

    private FlowFault? ReadResponse(ServerChannel channel, int length)
    {
        if (length < 0)
        {
            return MalformedResponse(_headError, channel.Input.Span);
        }

        var head = channel.Input.Span[..length];
        var response = _exchange.Response;
        var error = Http1HeadReader.ReadResponse(head, _engine.Limits.Http1, Http1Repairs.Response, response.Fields, out var line, out _responseRepairs);
        if (error.IsError)
        {
            return MalformedResponse(error, channel.Input.Span);
        }

        response.Load(line);
        var problem = Http1Framing.OfResponse(response.Fields, line.Status, line.MinorVersion, _exchange.Request.MethodOctets, Http1Repairs.Response,
            out _responseFraming, ref _responseRepairs);
        if (problem != Http1Fault.None)
        {
            return MalformedResponse(new(problem, OffsetOf(problem, response.Fields)), channel.Input.Span);
        }

        if (line.Status == 101 && !_isUpgrade)
        {
            return new("RC-HTTP-314", FaultStage.Response, FaultKind.Protocol, PeerRole.Server, "101 without Upgrade in the request");
        }

        _responseHop = HopByHop.Read(response.Fields);
        if (line.Status is 101 or >= 200)
        {
            _recorder.Response(head, _responseRepairs);
        }
        else
        {
            _recorder.Informational(head);
        }

        channel.Input.Consume(length);
        _responseBody.Begin(_responseFraming, _engine.Limits, Http1Repairs.Response);
        return null;
    }

    private async ValueTask RelayInterimAsync()
    {
        if (_interceptors.Wants(Stage.Informational, _exchange))
        {
            if (_interceptors.MayWait)
            {
                await default(ThreadPoolHop);
            }

            await _stages.InformationalAsync(_interceptors, _exchange, _exchange.Response, _engine.Stopping).ConfigureAwait(false);
        }

        // RFC 9110 §15.2: an HTTP/1.0 client knows no interim responses.
        if (_exchange.Request.MinorVersion == 1)
        {
            var length = WriteResponseHead(0, ConnectionOptions.None);
            _at = At.Client;
            await SendToClientAsync(_output.AsMemory(0, length)).ConfigureAwait(false);
            _at = At.AwaitingResponse;
        }
    }

    /// <summary>The common way: head and first octets in one send, then whatever follows, as it comes.</summary>
    private async ValueTask SendResponseAsync(ServerChannel channel)
    {
        var first = _responseBody.Advance(channel.Input.Span, out var error);
        if (error.IsError)
        {
            _pumpFault = MalformedResponse(error, channel.Input.Span);
            throw new IOException("the response body is malformed");
        }

        var length = WriteResponseHead(first, OptionsForClient());
        channel.Input.Span[..first].CopyTo(_output.AsSpan(length));
        channel.Input.Consume(first);
        _responseStarted = true;
        _at = At.Client;
        await SendResponseAsync(length, first).ConfigureAwait(false);
        if (!_responseBody.IsComplete)
        {
            await RelayResponseBodyAsync(channel, hasUnread: _responseBody.RepairedTrailers is not null).ConfigureAwait(false);
        }
    }

    /// <summary>Relays the rest of a body as it comes.</summary>
    /// <param name="channel">The server.</param>
    /// <param name="hasUnread">Whether its input holds octets nobody looked at yet.</param>
    private async ValueTask RelayResponseBodyAsync(ServerChannel channel, bool hasUnread)
    {
        while (!_responseBody.IsComplete)
        {
            if (!hasUnread)
            {
                _at = At.ReceivingBody;
                ArmServer(Wait.ResponseBody, _engine.Limits.BodyTimeout);
                if (Received(channel, await ReceiveResponseBodyAsync(channel, isEdited: false).ConfigureAwait(false)) == 0 && !_responseBody.End())
                {
                    throw new IOException("the server closed the connection within the response body");
                }

                DisarmServer();
            }

            hasUnread = false;
            var forward = _responseBody.Advance(channel.Input.Span, out var error);
            if (forward > 0)
            {
                _at = At.Client;
                await SendToClientAsync(channel.Input.Memory[..forward]).ConfigureAwait(false);
                channel.Input.Consume(forward);
            }

            if (error.IsError)
            {
                _pumpFault = MalformedResponse(error, channel.Input.Span);
                throw new IOException("the response body is malformed");
            }

            if (_responseBody.RepairedTrailers is { } trailers)
            {
                channel.Input.Consume(_responseBody.TakeTrailers());
                _at = At.Client;
                await SendToClientAsync(trailers).ConfigureAwait(false);
            }
        }

        if (_responseBody is { IsAbandoned: true, Framing.Kind: BodyFramingKind.Chunked })
        {
            await SendToClientAsync("0\r\n\r\n"u8.ToArray()).ConfigureAwait(false);
        }
    }

    private ConnectionOptions OptionsForClient()
    {
        var isSized = _responseFraming.Kind != BodyFramingKind.UntilClose;
        _clientKeepsAlive &= isSized;
        return !_clientKeepsAlive ? (_exchange.Request.MinorVersion == 1 ? ConnectionOptions.Close : ConnectionOptions.None)
            : _exchange.Request.MinorVersion == 0 || _exchange.Response.MinorVersion == 0 ? ConnectionOptions.KeepAlive
            : ConnectionOptions.None;
    }

    /// <summary>Writes the response head to the output, with room for <paramref name="extra"/> octets behind it.</summary>
    private int WriteResponseHead(int extra, ConnectionOptions options)
    {
        var response = _exchange.Response;
        var reason = response.ReasonOctets;
        var output = Output(response.Fields.WrittenBound + reason.Length + Http1HeadWriter.Overhead + extra);
        var length = Http1HeadWriter.WriteStatusLine(output, response.Status, reason, response.MinorVersion);
        length += Http1HeadWriter.WriteFields(output.AsSpan(length), response.Fields, _responseHop, options);
        if (response.Fields.ChangeCount > 0 && response.Status is 101 or >= 200)
        {
            _recorder.ResponseSent(output.AsSpan(0, length));
        }

        return length;
    }

    private ValueTask SendToClientAsync(ReadOnlyMemory<byte> octets) =>
        _impairedResponseBody is { } impaired ? impaired.SendAsync(octets) : SendPlainToClientAsync(octets);

    private ValueTask SendPlainToClientAsync(ReadOnlyMemory<byte> octets)
    {
        _facts.OctetsSent += octets.Length;
        var sending = _client.SendAsync(octets);
        if (!sending.IsCompletedSuccessfully)
        {
            return AwaitDeliveryAsync(sending);
        }

        sending.GetAwaiter().GetResult();
        return default;
    }

    // Armed only while the client takes nothing: what comes next may be a long wait for the server, which is not the client's fault.
    private async ValueTask AwaitDeliveryAsync(ValueTask sending)
    {
        // With a pump running the client's slot is the pump's; a client that takes nothing then fails the body time-out there.
        var isMine = _pump is null or { IsCompleted: true };
        if (isMine)
        {
            ArmClient(Wait.Delivery, _engine.Limits.BodyTimeout);
        }

        await sending.ConfigureAwait(false);
        if (isMine)
        {
            DisarmClient();
        }
    }

    /// <summary>Everything is delivered: ends the flow, gives the server connection back, decides about the client's.</summary>
    private async ValueTask<Next> FinishAsync(ServerChannel channel, bool serverKeeps)
    {
        var next = _clientKeepsAlive ? Next.Continue : Next.Close;
        if (_pump is not null)
        {
            next = await FinishPumpAsync(serverKeeps, next).ConfigureAwait(false);
        }

        if (_pumpFault is { Kind: FaultKind.Truncated or FaultKind.Transport } && _requestBody.DataOctets == 0
            && _exchange.Request.Fields.IndexOf(KnownField.Expect) >= 0)
        {
            _pumpFault = null; // it was not asked to continue, so there was nothing to send (RFC 9110 §10.1.1)
        }

        await EndFlowAsync(_pumpFault is null ? CloseReason.Completed : ReasonOf(_pumpFault), _pumpFault, _pump is null ? _now : Now()).ConfigureAwait(false);
        _channel = null;

        // Octets behind a response that has no body are most often a body after all: they must not become the next answer.
        channel.IsSuspect = _responseFraming.Kind == BodyFramingKind.None;
        if (serverKeeps && channel.Input.Length == 0 && _requestBody.IsComplete && !_serverRefusesBody && Volatile.Read(ref _expired) == 0
            && !(channel.IsSuspect && channel.Transport.HasInput))
        {
            // Once authenticated it stays so: requests that follow need not show it.
            channel.IsBound |= IsConnectionBound();
            if (channel.IsBound)
            {
                _pinned = channel;
            }
            else
            {
                channel.Pool.Return(channel, _now);
            }
        }
        else
        {
            channel.Pool.Discard(channel, reset: false);
        }

        // With unread input a close would reset the connection and could take our last octets along.
        return next == Next.Close && (_input.Length > 0 || !_requestBody.IsComplete) ? Next.Linger : next;
    }

    private bool IsConnectionBound()
    {
        var (request, response) = (_exchange.Request.Fields, _exchange.Response.Fields);
        return ConnectionBinding.IsIn(request, "Authorization"u8)
            || (_exchange.Response.Status == 401 && ConnectionBinding.IsIn(response, "WWW-Authenticate"u8));
    }

    /// <summary>The exchange cannot go on: says so to the client if nothing of a response was sent, otherwise ends the connection.</summary>
    private async ValueTask<Next> FailAsync(FlowFault fault)
    {
        DisarmServer();
        _pumpStops = true;
        if (_channel is { } channel)
        {
            _channel = null;
            channel.Pool.Discard(channel, reset: true);
        }

        if (!_responseStarted && FaultCatalog.Find(fault.Code) is { Status: > 0 } && (Wait)Volatile.Read(ref _expired) is not (Wait.Stopping or Wait.ClientReset))
        {
            return await RefuseAsync(fault, Next.Linger).ConfigureAwait(false);
        }

        // Sized and chunked bodies show by themselves that they are incomplete; an unsized one only by a reset.
        var isCut = _responseStarted && fault.Code == CutCode;
        var next = isCut || (_responseStarted && fault.Blame == PeerRole.Server && _responseFraming.Kind is BodyFramingKind.Length or BodyFramingKind.Chunked)
            ? Next.Close : Next.Gone;
        if (next == Next.Gone)
        {
            _client.Reset();
        }

        if (_pump is not null)
        {
            if (next == Next.Close)
            {
                await FinishPumpAsync(serverKeeps: false, next).ConfigureAwait(false);
            }
            else
            {
                await _pump.ConfigureAwait(false);
            }
        }

        await EndFlowAsync(ReasonOf(fault), fault).ConfigureAwait(false);
        return isCut && next == Next.Close && (_input.Length > 0 || !_requestBody.IsComplete) ? Next.Linger : next; // see FinishAsync
    }

    /// <summary>Answers with what the fault means.</summary>
    private async ValueTask<Next> RefuseAsync(FlowFault fault, Next next)
    {
        var entry = FaultCatalog.Find(fault.Code)!;
        var request = _exchange.Request;

        // Credentials are asked for on a connection that stays, as long as nothing of a body is in the way.
        if (entry.Status == 407 && _requestFraming.IsEmpty && _clientKeepsAlive)
        {
            next = Next.Continue;
        }

        // A head that could not be read leaves that of the request before, which says nothing about this one.
        var isHead = _isHeadRead && request.MethodOctets.SequenceEqual("HEAD"u8);
        var octets = GeneratedResponse.Build(entry, fault.Detail, _isHeadRead ? request.Fields : null, close: next != Next.Continue, isHead);
        RecordGenerated(octets);
        _responseStarted = true;
        try
        {
            _at = At.Client;
            await SendToClientAsync(octets).ConfigureAwait(false);
        }
        catch (Exception e) when (DuplexTransport.IsFailure(e))
        {
            next = Next.Gone;
            _client.Reset();
        }

        if (_pump is not null)
        {
            next = await FinishPumpAsync(serverKeeps: false, next).ConfigureAwait(false);
        }

        await EndFlowAsync(ReasonOf(fault), fault).ConfigureAwait(false);
        return next;
    }

    private void RecordGenerated(byte[] octets)
    {
        var end = octets.AsSpan().IndexOf("\r\n\r\n"u8) + 4;
        (_isAnswerOwn, _exchange.ResponseBodyOctets) = (true, octets.Length - end);
        _recorder.Mark(FlowMarks.ResponseGenerated);
        if (_exchange.HasResponse)
        {
            // The server did answer: its answer stays as received, ours is what was sent.
            _recorder.ResponseSent(octets.AsSpan(0, end));
            _recorder.BodySent(PeerRole.Server, octets.AsSpan(end));
        }
        else
        {
            _recorder.Response(octets.AsSpan(0, end), Http1Repairs.None);
            _recorder.Body(PeerRole.Server, octets.AsSpan(end));
        }

        _recorder.Stamp(TimingPoint.ResponseHead, _engine.Time.GetTimestamp());
        _recorder.Stamp(TimingPoint.ResponseEnd, _engine.Time.GetTimestamp());
    }

    /// <summary>The client ended or reset its connection, or was too slow, within a request head.</summary>
    private async ValueTask<Next> RefuseTruncatedAsync(Exception? failure = null)
    {
        var wait = (Wait)Volatile.Read(ref _expired);
        BeginFlow(FlowKind.Http);
        _exchange.Request.Fields.Clear();
        ForgetImpairments();
        (_isHeadRead, _pump, _pumpFault, _responseStarted) = (false, null, null, false);
        var fault = ExpiredFault() ?? (failure is null
            ? new("RC-HTTP-303", FaultStage.Request, FaultKind.Truncated, PeerRole.Client, "the client ended its side within the request head")
            : new FlowFault("RC-HTTP-315", FaultStage.Request, FaultKind.Transport, PeerRole.Client, failure.Message));
        fault = fault with { Octets = Around(_input.Span, _input.Length, out var offset), OctetsOffset = offset };
        if (wait == Wait.None && failure is null)
        {
            return await RefuseAsync(fault, Next.Close).ConfigureAwait(false);
        }

        if (wait == Wait.Head)
        {
            RecordGenerated(LateAnswer(fault.Code)); // the sweeper sent it
        }

        await EndFlowAsync(ReasonOf(fault), fault).ConfigureAwait(false);
        return Next.Gone;
    }

    internal const string CutCode = "RC-POL-010";

    internal static CloseReason ReasonOf(FlowFault fault) => fault.Kind switch
    {
        FaultKind.Timeout => CloseReason.Timeout,
        FaultKind.Protocol => CloseReason.ParserError,
        FaultKind.Tls => CloseReason.TlsError,
        FaultKind.Policy when fault.Code is "RC-POL-002" or "RC-POL-011" or "RC-POL-012" => CloseReason.Reset,
        FaultKind.Policy or FaultKind.Limit or FaultKind.Internal => CloseReason.PolicyDrop,
        _ => fault.Blame == PeerRole.Client ? CloseReason.ClientClosed : CloseReason.UpstreamClosed,
    };

    private ValueTask EndFlowAsync(CloseReason reason, FlowFault? fault) => EndFlowAsync(reason, fault, Now());

    private ValueTask EndFlowAsync(CloseReason reason, FlowFault? fault, long now)
    {
        _exchange.RequestBodyOctets = _isHeadRead ? _requestBody.DataOctets : 0;
        if (!_isAnswerOwn)
        {
            _exchange.ResponseBodyOctets = _exchange.HasResponse ? _responseBody.DataOctets : 0;
        }

        if (_messages.IsActive)
        {
            return EndFlowWithMessagesAsync(reason, fault);
        }

        if (_interceptors.Wants(Stage.Error | Stage.Completed, _exchange))
        {
            return NotifyAndEndAsync(reason, fault, now);
        }

        _recorder.End(reason, fault, _exchange, now);
        return default;
    }

    // What they say of the flow at its end, tags and why, belongs into its record.
    private async ValueTask NotifyAndEndAsync(CloseReason reason, FlowFault? fault, long now)
    {
        await NotifyEndAsync(fault).ConfigureAwait(false);
        _recorder.End(reason, fault, _exchange, now);
    }

    private async ValueTask NotifyEndAsync(FlowFault? fault)
    {
        if (_interceptors.MayWait)
        {
            await default(ThreadPoolHop);
        }

        if (fault is not null)
        {
            await _stages.FlowAsync(_interceptors, Stage.Error, _exchange, async (i, e, c) =>
            {
                await i.OnErrorAsync(e, fault, c).ConfigureAwait(false);
                return Verdict.Continue;
            }, CancellationToken.None).ConfigureAwait(false);
        }

        await _stages.FlowAsync(_interceptors, Stage.Completed, _exchange, async (i, e, c) =>
        {
            await i.OnCompletedAsync(e, c).ConfigureAwait(false);
            return Verdict.Continue;
        }, CancellationToken.None).ConfigureAwait(false);
        Now();
    }
}
