using RelayCore.Core.Faults;
using RelayCore.Core.Flows;
using RelayCore.Core.Interception;
using RelayCore.Engine.Messages;
using RelayCore.Engine.Transport;
using RelayCore.Engine.Upstream;
using RelayCore.Protocols;
using RelayCore.Protocols.Http1;

namespace RelayCore.Engine.Http;

/// <summary>The part for bodies that are streams of messages: event streams, NDJSON, gRPC-web.</summary>
internal sealed partial class Http1Session
{
    private const Stage MessageStages = Stage.Message | Stage.MessagesStart | Stage.MessagesEnd;

    private readonly ExchangeMessages _messages;
    private bool _isResponseChunked; // as edited

    /// <summary>Finds out whether a body is a stream of messages; then its scanner shows it to them.</summary>
    private BodyMessages? OpenMessages(PeerRole sender)
    {
        var isRequest = sender == PeerRole.Client;
        var framing = isRequest ? _requestFraming : _responseFraming;
        var messages = _messages.Open(sender, _interceptors, _exchange, !framing.IsEmpty);
        if (messages is not null)
        {
            (isRequest ? _requestBody : _responseBody).Messages = messages;
        }

        return messages;
    }

    /// <summary>Begins the messages of a body: interceptors are told, and may end it.</summary>
    /// <returns>What to do when it was answered; otherwise <see langword="null"/>.</returns>
    private async ValueTask<Next?> StartMessagesAsync(BodyMessages messages)
    {
        if (messages.IsOutOfReach)
        {
            _recorder.Mark(FlowMarks.BodyActorSkipped);
        }

        return await ApplyAsync(await ExchangeMessages.StartAsync(messages).ConfigureAwait(false)).ConfigureAwait(false);
    }

    /// <summary>The plan of a body is made: says whether its messages are edited, and whether others can be written in between.</summary>
    private void PlanMessages(PeerRole sender)
    {
        var isRequest = sender == PeerRole.Client;
        if ((isRequest ? _requestBody : _responseBody).Messages is not { } messages)
        {
            return;
        }

        var (plan, framing) = isRequest ? (_requestPlan, _requestFraming) : (_responsePlan, _responseFraming);
        if (messages.DropsCoding)
        {
            var fields = isRequest ? _exchange.Request.Fields : _exchange.Response.Fields;
            _recorder.Mutate(new("messages", Stage.Message, isRequest ? "request.headers.content-encoding" : "response.headers.content-encoding",
                fields.Get("Content-Encoding"), null, (long)_engine.Time.GetElapsedTime(_started).TotalMicroseconds));
            fields.Remove("Content-Encoding");
        }

        // A body of a length said before has no room for more.
        if (messages.IsInjectable && (plan == BodyPlan.Transform || framing.Kind is BodyFramingKind.Chunked or BodyFramingKind.UntilClose))
        {
            messages.Injected.Open();
        }
    }

    /// <summary>Receives more of a body, and meanwhile writes messages from elsewhere between its own.</summary>
    /// <param name="receiving">The receive that was begun.</param>
    /// <param name="source">Who is received from.</param>
    /// <param name="body">The body.</param>
    /// <param name="isEdited">Whether its messages are edited.</param>
    /// <param name="output">Where they go.</param>
    private static async ValueTask<int> ReceiveOrInjectAsync(ValueTask<int> receiving, DuplexTransport source, BodyScanner body, bool isEdited, IMessageOutput output)
    {
        var injected = body.Messages!.Injected;
        var received = receiving.AsTask();
        try
        {
            // Octets as they came are behind the last whole chunk, or nothing may stand between them.
            while (body.Messages.CanInject && (isEdited || body.IsBetweenChunks))
            {
                await body.Messages.InjectAsync(output).ConfigureAwait(false);
                if (injected.IsEndWanted)
                {
                    source.Reset();
                    await ((Task)received).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                    body.Abandon();
                    return 0;
                }

                var filled = injected.WhenFilledAsync();
                if (received.IsCompleted || await Task.WhenAny(received, filled).ConfigureAwait(false) == received)
                {
                    break;
                }
            }
        }
        catch
        {
            // The receive owns a buffer that whoever handles this gives back.
            source.Reset();
            await ((Task)received).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            throw;
        }

        return await received.ConfigureAwait(false);
    }

    private ValueTask<int> ReceiveResponseBodyAsync(ServerChannel channel, bool isEdited)
    {
        var receiving = ReceiveAsync(channel, BodyBufferOctets);
        return _responseBody.Messages is { IsInjectable: true } && (!receiving.IsCompleted || _responseBody.Messages.Injected.HasWork)
            ? ReceiveOrInjectAsync(receiving, channel.Transport, _responseBody, isEdited, new ResponseOutput(this, isEdited))
            : receiving;
    }

    private ValueTask<int> ReceiveRequestBodyAsync(ServerChannel channel)
    {
        var receiving = _client.ReceiveAsync(_input.Room(BodyBufferOctets));
        var isEdited = _requestPlan == BodyPlan.Transform;
        return _requestBody.Messages is { IsInjectable: true } && (!receiving.IsCompleted || _requestBody.Messages.Injected.HasWork)
            ? ReceiveOrInjectAsync(receiving, _client, _requestBody, isEdited, new RequestOutput(this, channel, isEdited))
            : receiving;
    }

    private async ValueTask EndFlowWithMessagesAsync(CloseReason reason, FlowFault? fault)
    {
        _messages.NoteStatus(_responseBody.Trailers);
        await _messages.EndAsync(fault).ConfigureAwait(false);
        await EndFlowAsync(reason, fault, Now()).ConfigureAwait(false);
    }

    /// <summary>Puts data octets into chunks where the body has chunks, as it passes otherwise untouched.</summary>
    private byte[] FrameInjected(PeerRole sender, ReadOnlySpan<byte> data, BodyFramingKind framing)
    {
        _recorder.BodySent(sender, data);
        if (framing != BodyFramingKind.Chunked)
        {
            return data.ToArray();
        }

        var octets = new byte[data.Length + 20];
        var length = Http1HeadWriter.WriteChunkSize(octets, data.Length);
        data.CopyTo(octets.AsSpan(length));
        "\r\n"u8.CopyTo(octets.AsSpan(length + data.Length));
        return octets[..(length + data.Length + 2)];
    }

    private void BodyIsEdited(PeerRole sender, long unsent)
    {
        if (!_isBodyEdited[(int)sender])
        {
            _isBodyEdited[(int)sender] = true;
            _recorder.SentSoFar(sender, unsent);
        }
    }

    /// <summary>The response body on its way to the client.</summary>
    private sealed class ResponseOutput(Http1Session session, bool isEdited) : IMessageOutput
    {
        public async ValueTask WriteAsync(ReadOnlyMemory<byte> data)
        {
            var octets = isEdited
                ? await session.EditAsync(PeerRole.Server, data, isLast: false, session._responseBody.Trailers, session._isResponseChunked).ConfigureAwait(false)
                : session.FrameInjected(PeerRole.Server, data.Span, session._responseFraming.Kind);
            if (octets.Length > 0)
            {
                var at = session._at;
                session._at = At.Client;
                await session.SendToClientAsync(octets).ConfigureAwait(false);
                session._at = at;
            }
        }

        public void Edited(long unsent) => session.BodyIsEdited(PeerRole.Server, unsent);
    }

    /// <summary>The request body on its way to the server.</summary>
    private sealed class RequestOutput(Http1Session session, ServerChannel channel, bool isEdited) : IMessageOutput
    {
        public async ValueTask WriteAsync(ReadOnlyMemory<byte> data)
        {
            var octets = isEdited
                ? await session.EditAsync(PeerRole.Client, data, isLast: false, session._requestBody.Trailers, isChunked: true).ConfigureAwait(false)
                : session.FrameInjected(PeerRole.Client, data.Span, session._requestFraming.Kind);
            if (octets.Length > 0 && !session._serverRefusesBody && !session._pumpStops)
            {
                await session.TrySendAsync(channel, octets).ConfigureAwait(false);
            }
        }

        public void Edited(long unsent) => session.BodyIsEdited(PeerRole.Client, unsent);
    }
}
