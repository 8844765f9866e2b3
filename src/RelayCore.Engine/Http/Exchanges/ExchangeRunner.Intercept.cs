using System.Buffers;
using RelayCore.Core.Faults;
using RelayCore.Core.Flows;
using RelayCore.Core.Interception;
using RelayCore.Core.Messages;
using RelayCore.Engine.Messages;
using RelayCore.Engine.Pipeline;
using RelayCore.Protocols;
using RelayCore.Protocols.Fields;

namespace RelayCore.Engine.Http.Exchanges;

internal sealed partial class ExchangeRunner
{
    // A body held whole; only while an actor needs one.
    private ArrayBufferWriter<byte>? _data;

    /// <summary>Runs interceptors on the request.</summary>
    /// <returns>Whether it was answered.</returns>
    private async ValueTask<bool> InterceptRequestAsync()
    {
        if (_interceptors.MayWait)
        {
            await default(ThreadPoolHop);
        }

        var request = Exchange.Request;
        if (_interceptors.Wants(Stage.RequestHead, Exchange))
        {
            var verdict = await _stages.RequestHeadAsync(_interceptors, Exchange, _engine.Stopping).ConfigureAwait(false);
            if (await ApplyAsync(verdict).ConfigureAwait(false))
            {
                return true;
            }
        }

        if (IsTunnelRequest)
        {
            Now();
            return false;
        }

        var isStream = IsMessageStream(PeerRole.Client);
        if (_interceptors.Wants(Stage.RequestBody, Exchange) && !isStream)
        {
            if (await InterceptRequestBodyAsync().ConfigureAwait(false))
            {
                return true;
            }
        }
        else if (_interceptors.Wants(Stage.RequestChunk, Exchange) && !_client.IsBodyRead)
        {
            _requestPlan = BodyPlan.Transform;
            RemoveFraming(request.Fields);
        }

        if (_interceptors.Wants(Stage.RequestBody, Exchange) && isStream)
        {
            _recorder.Mark(FlowMarks.BodyActorSkipped);
        }

        Now(); // they may have taken their time
        return false;
    }

    private async ValueTask<bool> InterceptRequestBodyAsync()
    {
        var request = Exchange.Request;
        var (maxBody, refusesLarge) = _interceptors.BodyNeeds(Stage.RequestBody, Exchange);
        var limit = Math.Min(maxBody, _engine.Limits.MaxBufferedBody);
        _isRequestWhole = await BufferRequestAsync(limit).ConfigureAwait(false);
        _bufferedRequest = _data!.WrittenMemory;
        if (!_isRequestWhole)
        {
            if (refusesLarge)
            {
                await FailAsync(new("RC-HTTP-306", FaultStage.Request, FaultKind.Limit, PeerRole.Client, $"over {limit} octets")).ConfigureAwait(false);
                return true;
            }

            _recorder.Mark(FlowMarks.BodyActorSkipped);
            return false;
        }

        var body = new MessageBody(_data.WrittenMemory, request.Fields.Get("Content-Encoding"), _engine.Codings, _engine.Limits.MaxBufferedBody);
        var verdict = await _stages.BodyAsync(_interceptors, Stage.RequestBody, Exchange, body, _engine.Stopping).ConfigureAwait(false);
        if (await ApplyAsync(verdict).ConfigureAwait(false))
        {
            return true;
        }

        if (body.IsReplaced)
        {
            _bufferedRequest = body.Octets;
            _recorder.BodySent(PeerRole.Client, body.Octets.Span);
            var method = request.MethodOctets;
            Reframe(request.Fields, body.Octets.Length, body.Octets.Length > 0 || !(method.SequenceEqual("GET"u8) || method.SequenceEqual("HEAD"u8)));
        }

        if (_bufferedRequest.Value.IsEmpty && _client.Trailers.Count == 0)
        {
            _bufferedRequest = null; // a request without body
        }

        return false;
    }

    /// <summary>Holds the request body in <see cref="_data"/>.</summary>
    /// <returns>Whether it is whole.</returns>
    private async ValueTask<bool> BufferRequestAsync(long limit)
    {
        _data = new();
        if (_client.IsBodyRead)
        {
            return true;
        }

        var expect = Exchange.Request.Fields.IndexOf(KnownField.Expect);
        if (expect >= 0)
        {
            // Who holds the body must ask for it; the server then need not (RFC 9110 §10.1.1).
            Exchange.Request.Fields.RemoveUnlogged(expect);
            var asking = new ResponseHead();
            asking.Load(100, null, 1);
            await DeliverAsync(_client.SendInterimAsync(asking)).ConfigureAwait(false);
        }

        while (true)
        {
            _at = At.Client;
            var octets = await AwaitBodyAsync(_client.ReadBodyAsync()).ConfigureAwait(false);
            var isEnd = octets.IsEmpty || _client.EndsBehind(octets.Length);
            if (Count(octets.Length, isEnd) is { } wrong)
            {
                _isMalformed = true;
                throw new MessageFaultException(wrong);
            }

            _recorder.Body(PeerRole.Client, octets.Span);
            _data.Write(octets.Span);
            _client.AdvanceBody(octets.Length);
            if (isEnd)
            {
                _recorder.Stamp(TimingPoint.RequestEnd, Now());
                return _data.WrittenCount <= limit;
            }

            if (_data.WrittenCount > limit)
            {
                return false;
            }
        }
    }

    /// <summary>Waits for a piece of the request body while no server is concerned: a client that is late is answered, which its stream must survive.</summary>
    private async ValueTask<ReadOnlyMemory<byte>> AwaitBodyAsync(ValueTask<ReadOnlyMemory<byte>> reading)
    {
        if (reading.IsCompleted)
        {
            return await reading.ConfigureAwait(false);
        }

        var piece = reading.AsTask();
        var late = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        Volatile.Write(ref _late, late);
        Arm(ref _fromClient, _engine.Limits.BodyTimeout);
        if (Volatile.Read(ref _expired) != 0)
        {
            late.TrySetResult();
        }

        await Task.WhenAny(piece, late.Task).ConfigureAwait(false);
        Disarm(ref _fromClient);
        Volatile.Write(ref _late, null);
        if (!piece.IsCompleted)
        {
            _pump = IgnoreAsync(piece);
            throw new IOException("the client is late");
        }

        return await piece.ConfigureAwait(false);

        static async Task IgnoreAsync(Task pending) => await pending.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    /// <summary>Runs interceptors on the response head, and on the whole body when one needs it.</summary>
    /// <returns>Whether the exchange was answered otherwise.</returns>
    private async ValueTask<bool> InterceptResponseAsync(ServerStream server)
    {
        if (_interceptors.MayWait)
        {
            await default(ThreadPoolHop);
        }

        if (_interceptors.Wants(Stage.ResponseHead, Exchange))
        {
            var verdict = await _stages.ResponseHeadAsync(_interceptors, Exchange, _engine.Stopping).ConfigureAwait(false);
            if (await ApplyAsync(verdict).ConfigureAwait(false))
            {
                return true;
            }
        }

        var fields = Exchange.Response.Fields;
        if (_interceptors.Wants(Stage.ResponseBody, Exchange))
        {
            if (!IsMessageStream(PeerRole.Server))
            {
                return await InterceptResponseBodyAsync(server).ConfigureAwait(false);
            }

            // It has no end to wait for: whoever wants it whole would take it away from the client.
            _recorder.Mark(FlowMarks.BodyActorSkipped);
        }

        if (_interceptors.Wants(Stage.ResponseChunk, Exchange) && !server.IsBodyRead)
        {
            _responsePlan = BodyPlan.Transform;
            RemoveFraming(fields);
        }

        return false;
    }

    private async ValueTask<bool> InterceptResponseBodyAsync(ServerStream server)
    {
        var response = Exchange.Response;
        var (maxBody, refusesLarge) = _interceptors.BodyNeeds(Stage.ResponseBody, Exchange);
        var limit = Math.Min(maxBody, _engine.Limits.MaxBufferedBody);
        var isWhole = await BufferResponseAsync(server, limit).ConfigureAwait(false);
        _bufferedResponse = _data!.WrittenMemory;
        _responsePlan = BodyPlan.Buffer;
        if (!isWhole)
        {
            if (refusesLarge)
            {
                throw new MessageFaultException(new("RC-HTTP-307", FaultStage.Response, FaultKind.Limit, PeerRole.Server, $"over {limit} octets"));
            }

            _recorder.Mark(FlowMarks.BodyActorSkipped);
            return false;
        }

        var body = new MessageBody(_data.WrittenMemory, response.Fields.Get("Content-Encoding"), _engine.Codings, _engine.Limits.MaxBufferedBody);
        var verdict = await _stages.BodyAsync(_interceptors, Stage.ResponseBody, Exchange, body, _engine.Stopping).ConfigureAwait(false);
        if (await ApplyAsync(verdict).ConfigureAwait(false))
        {
            return true;
        }

        if (body.IsReplaced && !HasNoBody(response))
        {
            _bufferedResponse = body.Octets;
            _recorder.BodySent(PeerRole.Server, body.Octets.Span);
            Reframe(response.Fields, body.Octets.Length, says: true);
        }

        return false;
    }

    private async ValueTask<bool> BufferResponseAsync(ServerStream server, long limit)
    {
        _data = new();
        if (server.IsBodyRead)
        {
            return server.BodyLength > 0 ? throw new MessageFaultException(WrongLength(PeerRole.Server, 0)) : true;
        }

        while (true)
        {
            _at = At.ReceivingBody;
            var reading = server.ReadBodyAsync();
            if (!reading.IsCompleted)
            {
                Arm(ref _fromServer, _engine.Limits.BodyTimeout);
            }

            var octets = await reading.ConfigureAwait(false);
            Disarm(ref _fromServer);
            if (CountResponse(server, octets) is { } wrong)
            {
                throw new MessageFaultException(wrong);
            }

            var isEnd = octets.IsEmpty || server.EndsBehind(octets.Length);
            _recorder.Body(PeerRole.Server, octets.Span);
            _data.Write(octets.Span);
            server.AdvanceBody(octets.Length);
            if (isEnd || _data.WrittenCount > limit)
            {
                return isEnd && _data.WrittenCount <= limit;
            }
        }
    }

    /// <summary>Shows one piece to the interceptors; what they make of it is in <paramref name="pieces"/>, none of them empty.</summary>
    private async ValueTask EditAsync(PeerRole sender, ReadOnlyMemory<byte> data, bool isLast, List<ReadOnlyMemory<byte>> pieces, BodyChunk chunk)
    {
        if (_interceptors.MayWait)
        {
            await default(ThreadPoolHop);
        }

        var isChanged = await _stages.ChunkAsync(_interceptors, sender, Exchange, data, isLast, pieces, chunk, _engine.Stopping).ConfigureAwait(false);
        ref var isEdited = ref (sender == PeerRole.Client ? ref _isRequestEdited : ref _isResponseEdited);
        if (isChanged && !isEdited)
        {
            isEdited = true;
            _recorder.SentSoFar(sender, butLast: data.Length);
        }

        pieces.RemoveAll(static x => x.IsEmpty);
        foreach (var piece in pieces)
        {
            if (isEdited)
            {
                _recorder.BodySent(sender, piece.Span);
            }
        }
    }

    // Bodies without an end to wait for; a gRPC peer may wait for our answer before it goes on.
    private bool IsMessageStream(PeerRole sender) =>
        BodyFormats.Of(sender == PeerRole.Client ? Exchange.Request.Fields : Exchange.Response.Fields, sender) != BodyFormat.None;

    private static void RemoveFraming(FieldSection fields)
    {
        for (var i = fields.Count - 1; i >= 0; i--)
        {
            if (fields.Known(i) is KnownField.ContentLength or KnownField.TransferEncoding)
            {
                fields.RemoveUnlogged(i);
            }
        }
    }

    /// <summary>Framing is the writer's: it is removed and said anew.</summary>
    private static void Reframe(FieldSection fields, long length, bool says)
    {
        RemoveFraming(fields);
        if (says)
        {
            Span<byte> digits = stackalloc byte[20];
            length.TryFormat(digits, out var written, provider: System.Globalization.CultureInfo.InvariantCulture);
            fields.AddUnlogged("content-length"u8, digits[..written]);
        }
    }
}
