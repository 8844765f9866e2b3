using RelayCore.Core.Faults;
using RelayCore.Core.Flows;
using RelayCore.Core.Interception;
using RelayCore.Engine.Http.Impairments;
using RelayCore.Engine.Messages;
using RelayCore.Engine.Transport;
using RelayCore.Protocols;
using RelayCore.Protocols.Http2;

namespace RelayCore.Engine.Http.Exchanges;

/// <summary>The part for bodies that are streams of messages: gRPC, event streams, NDJSON.</summary>
internal sealed partial class ExchangeRunner
{
    private readonly ExchangeMessages _messages;
    private BodyMessages? _requestMessages;
    private BodyMessages? _responseMessages;

    private void BeginMessages()
    {
        _messages.Begin();
        (_requestMessages, _responseMessages) = (null, null);
    }

    /// <summary>Finds out whether a body is a stream of messages, tells interceptors, and plans how it is relayed.</summary>
    /// <param name="sender">Whose body; its head is through its stage.</param>
    /// <param name="hasBody">Whether there is one.</param>
    /// <param name="length">Its length as it would go on; -1 when it is not said before.</param>
    /// <returns>Whether the exchange was answered otherwise.</returns>
    private ValueTask<bool> StartMessagesAsync(PeerRole sender, bool hasBody, long length) =>
        _messages.Open(sender, _interceptors, Exchange, hasBody) is { } messages ? StartMessagesAsync(messages, length) : new(false);

    private async ValueTask<bool> StartMessagesAsync(BodyMessages messages, long length)
    {
        if (messages.IsOutOfReach)
        {
            _recorder.Mark(FlowMarks.BodyActorSkipped);
        }

        if (await ApplyAsync(await ExchangeMessages.StartAsync(messages).ConfigureAwait(false)).ConfigureAwait(false))
        {
            return true;
        }

        var isRequest = messages.Sender == PeerRole.Client;
        var fields = isRequest ? Exchange.Request.Fields : Exchange.Response.Fields;
        if (messages.IsTransformed)
        {
            RemoveFraming(fields);
            length = -1;
            if (isRequest)
            {
                _requestPlan = BodyPlan.Transform;
            }
            else
            {
                _responsePlan = BodyPlan.Transform;
            }
        }

        if (messages.DropsCoding)
        {
            _recorder.Mutate(new("messages", Stage.Message, isRequest ? "request.headers.content-encoding" : "response.headers.content-encoding",
                fields.Get("Content-Encoding"), null, (long)_engine.Time.GetElapsedTime(_started).TotalMicroseconds));
            fields.Remove("Content-Encoding");
        }

        if (messages.IsInjectable && length < 0)
        {
            messages.Injected.Open(); // a body of a length said before has no room for more
        }

        if (isRequest)
        {
            _requestMessages = messages;
        }
        else
        {
            _responseMessages = messages;
        }

        return false;
    }

    /// <summary>Shows octets that pass as they came to the messages in them.</summary>
    private static void Observe(BodyMessages? messages, ReadOnlyMemory<byte> octets, bool isEnd)
    {
        if (messages is { IsTransformed: false })
        {
            messages.Observe(octets.Span);
            if (isEnd)
            {
                messages.End(isWhole: true);
            }
        }
    }

    /// <summary>Waits for more of a body, and meanwhile writes messages from elsewhere between its own.</summary>
    /// <param name="reading">The wait that was begun.</param>
    /// <param name="messages">The messages of the body; <see langword="null"/> for another body.</param>
    /// <param name="source">Whose body; reset when writing fails, so that nothing is read behind our back.</param>
    /// <param name="output">Where they go.</param>
    /// <returns>The piece; empty when the body is to end here (<see cref="InjectionQueue.IsEndWanted"/>).</returns>
    private static async ValueTask<ReadOnlyMemory<byte>> ReadOrInjectAsync(
        ValueTask<ReadOnlyMemory<byte>> reading, BodyMessages messages, ExchangeStream source, IMessageOutput output)
    {
        var piece = reading.AsTask();
        try
        {
            while (messages.CanInject)
            {
                await messages.InjectAsync(output).ConfigureAwait(false);
                var isEndWanted = messages.Injected.IsEndWanted;
                if (isEndWanted)
                {
                    source.Reset(Http2ErrorCode.Cancel);
                    await ((Task)piece).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                    return default;
                }

                var filled = messages.Injected.WhenFilledAsync();
                if (piece.IsCompleted || await Task.WhenAny(piece, filled).ConfigureAwait(false) == piece)
                {
                    break;
                }
            }
        }
        catch
        {
            source.Reset(Http2ErrorCode.Cancel);
            await ((Task)piece).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            throw;
        }

        return await piece.ConfigureAwait(false);
    }

    private ValueTask<ReadOnlyMemory<byte>> ReadResponseAsync(ServerStream server, ValueTask<ReadOnlyMemory<byte>> reading) =>
        _responseMessages is { IsInjectable: true } messages && (!reading.IsCompleted || messages.Injected.HasWork)
            ? ReadOrInjectAsync(reading, messages, server, new ResponseOutput(this)) : reading;

    private ValueTask<ReadOnlyMemory<byte>> ReadRequestAsync(ValueTask<ReadOnlyMemory<byte>> reading) =>
        _requestMessages is { IsInjectable: true } messages && !_pumpStops && (!reading.IsCompleted || messages.Injected.HasWork)
            ? ReadOrInjectAsync(reading, messages, _client, new RequestOutput(this)) : reading;

    private void BodyIsEdited(PeerRole sender, long unsent)
    {
        ref var isEdited = ref (sender == PeerRole.Client ? ref _isRequestEdited : ref _isResponseEdited);
        if (!isEdited)
        {
            isEdited = true;
            _recorder.SentSoFar(sender, unsent);
        }
    }

    private async ValueTask EndFlowWithMessagesAsync(CloseReason reason, FlowFault? fault)
    {
        await _messages.EndAsync(fault).ConfigureAwait(false);
        await EndFlowAsync(reason, fault).ConfigureAwait(false);
    }

    /// <summary>The response body on its way to the client.</summary>
    private sealed class ResponseOutput(ExchangeRunner runner) : IMessageOutput
    {
        public async ValueTask WriteAsync(ReadOnlyMemory<byte> data)
        {
            var at = runner._at;
            runner._at = At.Client;
            if (runner._responsePlan == BodyPlan.Transform)
            {
                await runner.EditAsync(PeerRole.Server, data, isLast: false, runner._responsePieces, runner._responseChunk).ConfigureAwait(false);
                await runner.DeliverPiecesAsync(isAll: false).ConfigureAwait(false);
            }
            else
            {
                runner._recorder.BodySent(PeerRole.Server, data.Span);
                await runner.SendBodyToClientAsync(data, isLast: false).ConfigureAwait(false);
            }

            runner._at = at;
        }

        public void Edited(long unsent) => runner.BodyIsEdited(PeerRole.Server, unsent);
    }

    /// <summary>The request body on its way to the server. A server that takes no more of it is nobody's failure here.</summary>
    private sealed class RequestOutput(ExchangeRunner runner) : IMessageOutput
    {
        public async ValueTask WriteAsync(ReadOnlyMemory<byte> data)
        {
            if (runner._serverRefusesBody || await runner.TakeServerAsync().ConfigureAwait(false) is not { } server)
            {
                return;
            }

            try
            {
                if (runner._requestPlan == BodyPlan.Transform)
                {
                    await runner.EditAsync(PeerRole.Client, data, isLast: false, runner._requestPieces, runner._requestChunk).ConfigureAwait(false);
                    await runner.SendPiecesAsync(server, isAll: false).ConfigureAwait(false);
                }
                else
                {
                    runner._recorder.BodySent(PeerRole.Client, data.Span);
                    await runner.SendBodyToServerAsync(server, data, isLast: false).ConfigureAwait(false);
                }
            }
            catch (Exception e) when (DuplexTransport.IsFailure(e) && e is not ImpairedException)
            {
                Disarm(ref runner._toServer);
                runner._serverRefusesBody = true;
            }
        }

        public void Edited(long unsent) => runner.BodyIsEdited(PeerRole.Client, unsent);
    }
}
