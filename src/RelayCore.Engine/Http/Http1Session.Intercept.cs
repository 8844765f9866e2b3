using System.Buffers;
using RelayCore.Core.Faults;
using RelayCore.Core.Flows;
using RelayCore.Core.Interception;
using RelayCore.Core.Messages;
using RelayCore.Engine.Pipeline;
using RelayCore.Engine.Upstream;
using RelayCore.Protocols;
using RelayCore.Protocols.Fields;
using RelayCore.Protocols.Http1;

namespace RelayCore.Engine.Http;

internal sealed partial class Http1Session
{
    /// <summary>Runs interceptors on the request.</summary>
    /// <returns>What to do when it was answered; <see langword="null"/> to forward it.</returns>
    private async ValueTask<Next?> InterceptRequestAsync()
    {
        if (_interceptors.MayWait)
        {
            await default(ThreadPoolHop);
        }

        var request = _exchange.Request;
        if (_interceptors.Wants(Stage.RequestHead, _exchange))
        {
            var verdict = await _stages.RequestHeadAsync(_interceptors, _exchange, _engine.Stopping).ConfigureAwait(false);
            if (await ApplyAsync(verdict).ConfigureAwait(false) is { } answered)
            {
                return answered;
            }
        }

        _bufferedRequest = null;
        var messages = _requestFraming.IsEmpty ? null : OpenMessages(PeerRole.Client);
        if (messages is not null && await StartMessagesAsync(messages).ConfigureAwait(false) is { } refused)
        {
            return refused;
        }

        if (_interceptors.Wants(Stage.RequestBody, _exchange) && messages is null)
        {
            var (maxBody, refusesLarge) = _interceptors.BodyNeeds(Stage.RequestBody, _exchange);
            var limit = Math.Min(maxBody, _engine.Limits.MaxBufferedBody);
            if (!await BufferRequestAsync(limit).ConfigureAwait(false))
            {
                if (refusesLarge)
                {
                    return await RefuseAsync(new("RC-HTTP-306", FaultStage.Request, FaultKind.Limit, PeerRole.Client, $"over {limit} octets"), Next.Linger).ConfigureAwait(false);
                }

                _recorder.Mark(FlowMarks.BodyActorSkipped);
                return null;
            }

            var body = new MessageBody(_data!.WrittenMemory, request.Fields.Get("Content-Encoding"), _engine.Codings, _engine.Limits.MaxBufferedBody);
            var verdict = await _stages.BodyAsync(_interceptors, Stage.RequestBody, _exchange, body, _engine.Stopping).ConfigureAwait(false);
            if (await ApplyAsync(verdict).ConfigureAwait(false) is { } answered)
            {
                return answered;
            }

            if (body.IsReplaced)
            {
                _bufferedRequest = body.Octets;
                _recorder.BodySent(PeerRole.Client, body.Octets.Span);
                Reframe(request.Fields, body.Octets.Length, request.MethodOctets);
            }
        }
        else if (!_requestFraming.IsEmpty && (messages is { IsTransformed: true } || _interceptors.Wants(Stage.RequestChunk, _exchange)
            || (_interceptors.Wants(Stage.Trailers, _exchange) && _requestFraming.Kind == BodyFramingKind.Chunked)))
        {
            // HTTP/1.0 has no chunks, and an edited length is not known before its end.
            _requestPlan = request.MinorVersion == 1 ? BodyPlan.Transform : BodyPlan.Tap;
            if (_requestPlan == BodyPlan.Transform)
            {
                Reframe(request.Fields, -1, request.MethodOctets);
            }
            else
            {
                messages?.GiveUpEditing();
                _recorder.Mark(FlowMarks.BodyActorSkipped);
            }
        }

        if (messages is not null)
        {
            PlanMessages(PeerRole.Client);
            if (_interceptors.Wants(Stage.RequestBody, _exchange))
            {
                _recorder.Mark(FlowMarks.BodyActorSkipped); // see the response
            }
        }

        return null;
    }

    // Bodies held whole; only while an actor needs one.
    private ArrayBufferWriter<byte>? _data;
    private ArrayBufferWriter<byte>? _raw;

    /// <summary>Holds the request body: its data in <see cref="_data"/>, its octets as received in <see cref="_bufferedRequest"/>.</summary>
    /// <returns>Whether it is whole.</returns>
    private async ValueTask<bool> BufferRequestAsync(long limit)
    {
        (_data, _raw) = (new(), new());
        var expect = _exchange.Request.Fields.IndexOf(KnownField.Expect);
        if (expect >= 0 && !_requestBody.IsComplete && _exchange.Request.MinorVersion == 1)
        {
            // Who holds the body must ask for it; the server then need not (RFC 9110 §10.1.1).
            _exchange.Request.Fields.RemoveUnlogged(expect);
            await SendToClientAsync("HTTP/1.1 100 Continue\r\n\r\n"u8.ToArray()).ConfigureAwait(false);
        }

        while (!_requestBody.IsComplete)
        {
            var step = _requestBody.Step(_input.Span);
            if (step.Status == ChunkedStatus.Invalid)
            {
                _pumpFault = MalformedRequest(step.Error);
                throw new IOException("the request body is malformed");
            }

            Collect(step, _input.Span, _requestBody);
            _input.Consume(step.Consumed);
            if (_data.WrittenCount > limit)
            {
                _bufferedRequest = _raw.WrittenMemory;
                return false;
            }

            if (step.Status == ChunkedStatus.NeedMore)
            {
                ArmClient(Wait.RequestBody, _engine.Limits.BodyTimeout);
                _at = At.Client;
                var received = await _client.ReceiveAsync(_input.Room(BodyBufferOctets)).ConfigureAwait(false);
                DisarmClient();
                if (received == 0)
                {
                    _pumpFault = new("RC-HTTP-303", FaultStage.Request, FaultKind.Truncated, PeerRole.Client, "the client ended its side within the request body");
                    throw new IOException("the request body is truncated");
                }

                _input.Received(received);
            }
        }

        _bufferedRequest = _raw.WrittenMemory;
        return true;
    }

    private void Collect(in ChunkedStep step, ReadOnlySpan<byte> source, BodyScanner body)
    {
        if (body.RepairedTrailers is { } repaired)
        {
            _raw!.Write(source[..step.Start]);
            _raw!.Write(repaired);
            body.TakeTrailers();
            return;
        }

        _raw!.Write(source[..step.Consumed]);
        if (step.Status == ChunkedStatus.Data)
        {
            _data!.Write(source.Slice(step.Start, step.Length));
        }
    }

    /// <summary>Framing is the writer's: it is removed and said anew. -1 means chunked.</summary>
    private static void Reframe(FieldSection fields, long length, ReadOnlySpan<byte> method)
    {
        for (var i = fields.Count - 1; i >= 0; i--)
        {
            if (fields.Known(i) is KnownField.ContentLength or KnownField.TransferEncoding
                || (length >= 0 && fields.Known(i) == KnownField.Trailer))
            {
                fields.RemoveUnlogged(i);
            }
        }

        if (length < 0)
        {
            fields.AddUnlogged("Transfer-Encoding"u8, "chunked"u8);
        }
        else if (length > 0 || !(method.SequenceEqual("GET"u8) || method.SequenceEqual("HEAD"u8)))
        {
            Span<byte> digits = stackalloc byte[20];
            length.TryFormat(digits, out var written, provider: System.Globalization.CultureInfo.InvariantCulture);
            fields.AddUnlogged("Content-Length"u8, digits[..written]);
        }
    }

    /// <summary>Runs interceptors on the response head, and on the whole body when one needs it.</summary>
    private async ValueTask<Next?> InterceptResponseAsync(ServerChannel channel)
    {
        if (_interceptors.MayWait)
        {
            await default(ThreadPoolHop);
        }

        if (_interceptors.Wants(Stage.ResponseHead, _exchange))
        {
            var verdict = await _stages.ResponseHeadAsync(_interceptors, _exchange, _engine.Stopping).ConfigureAwait(false);
            if (await ApplyAsync(verdict).ConfigureAwait(false) is { } answered)
            {
                return answered;
            }
        }

        var messages = OpenMessages(PeerRole.Server);
        if (messages is not null && await StartMessagesAsync(messages).ConfigureAwait(false) is { } refused)
        {
            return refused;
        }

        if (_interceptors.Wants(Stage.ResponseBody, _exchange))
        {
            if (messages is null)
            {
                return await InterceptResponseBodyAsync(channel).ConfigureAwait(false);
            }

            // A stream of messages has no end to wait for: whoever wants it whole would take it away from the client.
            _recorder.Mark(FlowMarks.BodyActorSkipped);
        }

        if (!_responseFraming.IsEmpty && (messages is { IsTransformed: true } || _interceptors.Wants(Stage.ResponseChunk, _exchange)
            || (_interceptors.Wants(Stage.Trailers, _exchange) && _responseFraming.Kind == BodyFramingKind.Chunked)))
        {
            _responsePlan = BodyPlan.Transform;
        }

        return null;
    }

    private async ValueTask<Next?> InterceptResponseBodyAsync(ServerChannel channel)
    {
        var response = _exchange.Response;
        var (maxBody, refusesLarge) = _interceptors.BodyNeeds(Stage.ResponseBody, _exchange);
        var limit = Math.Min(maxBody, _engine.Limits.MaxBufferedBody);
        var isWhole = await BufferResponseAsync(channel, limit).ConfigureAwait(false);
        _bufferedResponse = _raw!.WrittenMemory;
        _responsePlan = BodyPlan.Buffer;
        if (!isWhole)
        {
            if (refusesLarge)
            {
                throw new UpstreamException(new("RC-HTTP-307", FaultStage.Response, FaultKind.Limit, PeerRole.Server, $"over {limit} octets"));
            }

            _recorder.Mark(FlowMarks.BodyActorSkipped);
            return null;
        }

        var body = new MessageBody(_data!.WrittenMemory, response.Fields.Get("Content-Encoding"), _engine.Codings, _engine.Limits.MaxBufferedBody);
        var verdict = await _stages.BodyAsync(_interceptors, Stage.ResponseBody, _exchange, body, _engine.Stopping).ConfigureAwait(false);
        if (await ApplyAsync(verdict).ConfigureAwait(false) is { } answered)
        {
            return answered;
        }

        var hasNone = response.Status is 204 or 304 || _exchange.Request.MethodOctets.SequenceEqual("HEAD"u8);
        if (body.IsReplaced && !hasNone)
        {
            _bufferedResponse = body.Octets;
            _recorder.BodySent(PeerRole.Server, body.Octets.Span);
            Reframe(response.Fields, body.Octets.Length, "POST"u8);
            _responseFraming = new(BodyFramingKind.Length, body.Octets.Length);
        }

        return null;
    }

    private async ValueTask<bool> BufferResponseAsync(ServerChannel channel, long limit)
    {
        (_data, _raw) = (new(), new());
        while (!_responseBody.IsComplete)
        {
            var step = _responseBody.Step(channel.Input.Span);
            if (step.Status == ChunkedStatus.Invalid)
            {
                throw new UpstreamException(MalformedResponse(step.Error, channel.Input.Span));
            }

            Collect(step, channel.Input.Span, _responseBody);
            channel.Input.Consume(step.Consumed);
            if (_data.WrittenCount > limit)
            {
                return false;
            }

            if (step.Status == ChunkedStatus.NeedMore && !_responseBody.IsComplete)
            {
                _at = At.ReceivingBody;
                ArmServer(Wait.ResponseBody, _engine.Limits.BodyTimeout);
                if (Received(channel, await ReceiveAsync(channel, BodyBufferOctets).ConfigureAwait(false)) == 0 && !_responseBody.End())
                {
                    throw new IOException("the server closed the connection within the response body");
                }

                DisarmServer();
            }
        }

        return true;
    }

    private async ValueTask SendBufferedResponseAsync(ServerChannel channel)
    {
        var body = _bufferedResponse!.Value;
        var length = WriteResponseHead(0, OptionsForClient());
        _responseStarted = true;
        _at = At.Client;
        await SendResponseAsync(length).ConfigureAwait(false);
        if (!body.IsEmpty)
        {
            await SendToClientAsync(body).ConfigureAwait(false);
        }

        _bufferedResponse = null;
        (_data, _raw) = (null, null);
        if (!_responseBody.IsComplete)
        {
            await RelayResponseBodyAsync(channel, hasUnread: channel.Input.Length > 0).ConfigureAwait(false);
        }
    }

    /// <summary>Relays a body whose pieces or trailers are edited, or whose chunks the client cannot read.</summary>
    private async ValueTask SendEditedResponseAsync(ServerChannel channel)
    {
        var isChunked = _isResponseChunked = _exchange.Request.MinorVersion == 1 && _exchange.Response.MinorVersion == 1;
        var messages = _responseBody.Messages is { IsTransformed: true } ? _responseBody.Messages : null;
        if (isChunked)
        {
            Reframe(_exchange.Response.Fields, -1, "POST"u8);
            _responseFraming = new(BodyFramingKind.Chunked);
        }
        else
        {
            Reframe(_exchange.Response.Fields, 0, "GET"u8);
            _responseFraming = new(BodyFramingKind.UntilClose);
        }

        var length = WriteResponseHead(0, OptionsForClient());
        _responseStarted = true;
        _at = At.Client;
        await SendResponseAsync(length).ConfigureAwait(false);
        var isLast = false;
        while (!isLast)
        {
            var step = _responseBody.IsComplete ? new ChunkedStep(ChunkedStatus.End, 0) : _responseBody.Step(channel.Input.Span);
            if (step.Status == ChunkedStatus.Invalid)
            {
                _pumpFault = MalformedResponse(step.Error, channel.Input.Span);
                throw new IOException("the response body is malformed");
            }

            if (step.Status == ChunkedStatus.NeedMore && !_responseBody.IsComplete)
            {
                channel.Input.Consume(step.Consumed);
                _at = At.ReceivingBody;
                ArmServer(Wait.ResponseBody, _engine.Limits.BodyTimeout);
                if (Received(channel, await ReceiveResponseBodyAsync(channel, isEdited: true).ConfigureAwait(false)) == 0 && !_responseBody.End())
                {
                    throw new IOException("the server closed the connection within the response body");
                }

                DisarmServer();
                continue;
            }

            isLast = _responseBody.IsComplete;
            var data = step.Status == ChunkedStatus.Data ? channel.Input.Memory.Slice(step.Start, step.Length) : default;
            if (messages is not null)
            {
                await messages.TransformAsync(data, isLast, new ResponseOutput(this, isEdited: true)).ConfigureAwait(false);
                data = default;
                if (!isLast)
                {
                    channel.Input.Consume(step.Consumed);
                    continue;
                }
            }

            var octets = await EditAsync(PeerRole.Server, data, isLast, _responseBody.Trailers, isChunked).ConfigureAwait(false);
            if (octets.Length > 0)
            {
                _at = At.Client;
                await SendToClientAsync(octets).ConfigureAwait(false);
            }

            channel.Input.Consume(step.Consumed);
        }
    }

    /// <summary>Shows one piece to the interceptors and frames what they make of it.</summary>
    private async ValueTask<ReadOnlyMemory<byte>> EditAsync(PeerRole sender, ReadOnlyMemory<byte> data, bool isLast, FieldSection trailers, bool isChunked)
    {
        var stage = sender == PeerRole.Client ? Stage.RequestChunk : Stage.ResponseChunk;
        var pieces = sender == PeerRole.Client ? new List<ReadOnlyMemory<byte>>() : _pieces;
        pieces.Clear();
        if (_interceptors.Wants(stage, _exchange))
        {
            if (_interceptors.MayWait)
            {
                await default(ThreadPoolHop);
            }

            var isEdited = await _stages.ChunkAsync(
                _interceptors, sender, _exchange, data, isLast, pieces, sender == PeerRole.Client ? new() : _chunk, _engine.Stopping).ConfigureAwait(false);
            if (isEdited && !_isBodyEdited[(int)sender])
            {
                _isBodyEdited[(int)sender] = true;
                _recorder.SentSoFar(sender, butLast: data.Length);
            }
        }
        else
        {
            pieces.Add(data);
        }

        var output = new ArrayBufferWriter<byte>(data.Length + 64);
        foreach (var piece in pieces)
        {
            if (piece.IsEmpty)
            {
                continue;
            }

            if (_isBodyEdited[(int)sender])
            {
                _recorder.BodySent(sender, piece.Span);
            }

            if (isChunked)
            {
                output.Advance(Http1HeadWriter.WriteChunkSize(output.GetSpan(18), piece.Length));
            }

            output.Write(piece.Span);
            if (isChunked)
            {
                output.Write("\r\n"u8);
            }
        }

        if (isLast && isChunked)
        {
            if (_interceptors.Wants(Stage.Trailers, _exchange) && trailers.Count > 0)
            {
                await _stages.TrailersAsync(_interceptors, _exchange, sender, trailers, _engine.Stopping).ConfigureAwait(false);
            }

            output.Write("0\r\n"u8);
            output.Advance(Http1HeadWriter.WriteFields(output.GetSpan(trailers.WrittenBound + Http1HeadWriter.Overhead), trailers, default, ConnectionOptions.None));
        }

        return output.WrittenMemory;
    }

    /// <summary>Carries out a terminal verdict of a head or body stage.</summary>
    private async ValueTask<Next?> ApplyAsync(Verdict verdict)
    {
        switch (verdict)
        {
            case Verdict.Respond respond:
                return await RespondAsync(respond).ConfigureAwait(false);

            case Verdict.Drop drop:
                return await FailAsync(new("RC-POL-001", FaultStage.Request, FaultKind.Policy, null, drop.Reason)).ConfigureAwait(false);

            case Verdict.Abort abort:
                _client.Reset();
                return await FailAsync(new("RC-POL-002", FaultStage.Request, FaultKind.Policy, null, abort.Reason)).ConfigureAwait(false);

            default:
                return null;
        }
    }

    private async ValueTask<Next> RespondAsync(Verdict.Respond respond)
    {
        if (_channel is { } channel)
        {
            // The server's own answer is not read, so its connection cannot be used again.
            _channel = null;
            _pumpStops = true;
            channel.Pool.Discard(channel, reset: true);
        }

        var response = _exchange.Response;
        response.Load(respond.Status, respond.Reason, 1);
        foreach (var (name, value) in respond.Fields)
        {
            if (KnownFields.Identify(System.Text.Encoding.Latin1.GetBytes(name)) is not (KnownField.ContentLength or KnownField.TransferEncoding or KnownField.Connection))
            {
                try
                {
                    response.Fields.Add(name, value);
                }
                catch (ArgumentException)
                {
                    // An actor's mistake costs its field, not the connection.
                    _recorder.Mark(FlowMarks.InterceptorFailed);
                }
            }
        }

        response.Fields.ClearChanges();
        var hasBody = respond.Status is not (204 or 304) && !_exchange.Request.MethodOctets.SequenceEqual("HEAD"u8);
        if (respond.Status is not (204 or 304))
        {
            response.Fields.AddUnlogged("Content-Length"u8, System.Text.Encoding.ASCII.GetBytes(
                respond.Body.Length.ToString(System.Globalization.CultureInfo.InvariantCulture)));
        }

        _responseHop = HopByHop.Read(response.Fields);
        _responseFraming = new(BodyFramingKind.Length, respond.Body.Length);
        var isRead = _requestBody.IsComplete && _pump is null or { IsCompleted: true };
        _clientKeepsAlive &= isRead && !_engine.IsDraining;
        var body = hasBody ? respond.Body : default;
        var length = WriteResponseHead(body.Length, OptionsForClient());
        body.Span.CopyTo(_output.AsSpan(length));
        RecordGenerated(_output.AsSpan(0, length + body.Length).ToArray());
        _exchange.HasResponse = true;
        _responseStarted = true;
        _at = At.Client;
        await SendResponseAsync(length, body.Length).ConfigureAwait(false);
        EndImpairedResponse();
        var next = _clientKeepsAlive ? Next.Continue : isRead ? Next.Close : Next.Linger;
        if (_pump is not null)
        {
            next = await FinishPumpAsync(serverKeeps: false, Next.Close).ConfigureAwait(false);
        }

        await EndFlowAsync(CloseReason.Completed, null).ConfigureAwait(false);
        return next;
    }
}
