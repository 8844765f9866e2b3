using RelayCore.Core.Faults;
using RelayCore.Core.Interception;
using RelayCore.Engine.Capture;
using RelayCore.Engine.Pipeline;
using RelayCore.Protocols;
using RelayCore.Protocols.Fields;
using RelayCore.Protocols.Grpc;

namespace RelayCore.Engine.Messages;

/// <summary>
/// The messages in the bodies of one exchange after the other, for the session that carries them; the same for every HTTP version. Costs a look at
/// Content-Type for exchanges without. The order of calls: <see cref="Begin"/>, <see cref="Open"/> when a head is through its stage,
/// <see cref="StartAsync"/>, the methods of <see cref="BodyMessages"/>, <see cref="EndAsync"/> before the flow is ended.
/// </summary>
internal sealed class ExchangeMessages(EngineContext engine, FlowRecorder recorder, StageRunner stages)
{
    private MessageSession? _request;
    private MessageSession? _response;
    private BodyMessages? _responseBody;
    private GrpcStatus? _status;
    private bool _isGrpc;

    /// <summary>Whether <see cref="EndAsync"/> has something to do.</summary>
    public bool IsActive => _request is not null || _response is not null || _isGrpc;

    /// <summary>Forgets the exchange before.</summary>
    public void Begin() => (_request, _response, _responseBody, _status, _isGrpc) = (null, null, null, null, false);

    /// <summary>Finds out whether a body is a stream of messages, and prepares for it.</summary>
    /// <param name="sender">Whose body; its head in the exchange is as the interceptors left it.</param>
    /// <param name="interceptors">Who may want the messages.</param>
    /// <param name="exchange">The exchange.</param>
    /// <param name="hasBody">Whether there is a body at all; without one a status of gRPC may still be in the head.</param>
    /// <returns><see langword="null"/> when there are no messages.</returns>
    public BodyMessages? Open(PeerRole sender, InterceptorSet interceptors, Exchange exchange, bool hasBody)
    {
        var fields = sender == PeerRole.Client ? exchange.Request.Fields : exchange.Response.Fields;
        var format = BodyFormats.Of(fields, sender);
        if (format == BodyFormat.None)
        {
            return null;
        }

        if (format >= BodyFormat.Grpc && sender == PeerRole.Server)
        {
            _isGrpc = true;
            NoteStatus(fields); // of a response that has nothing else
        }

        if (!hasBody)
        {
            return null;
        }

        // Both bodies of a call are one session; a request and a response of different protocols are two.
        var protocol = BodyFormats.ProtocolOf(format);
        var session = _request is { } request && request.Protocol == protocol ? request
            : new MessageSession(engine, recorder, stages, interceptors, exchange, protocol);
        var body = BodyMessages.Open(session, sender, format, fields);
        if (sender == PeerRole.Client)
        {
            _request = session;
        }
        else
        {
            (_response, _responseBody) = (session, body);
        }

        return body;
    }

    /// <summary>Shows the beginning of the messages to interceptors, and lets others find them by the flow.</summary>
    public static ValueTask<Verdict> StartAsync(BodyMessages body) => body.Session.StartAsync();

    /// <summary>Takes the status of a call from trailers.</summary>
    public void NoteStatus(FieldSection trailers)
    {
        if (_isGrpc && GrpcStatus.TryFind(trailers, out var status))
        {
            _status = status;
        }
    }

    /// <summary>The exchange is over: bodies that did not come to their end are cut off, the sessions end, the status of a call is recorded.</summary>
    public async ValueTask EndAsync(FlowFault? fault)
    {
        var (request, response) = (_request, _response);
        (_request, _response) = (null, null);
        if (request is not null)
        {
            await request.EndAsync(fault).ConfigureAwait(false);
        }

        if (response is not null && response != request)
        {
            await response.EndAsync(fault).ConfigureAwait(false);
        }

        if ((_responseBody?.Status ?? _status) is { } status)
        {
            recorder.Grpc(status.Code, status.Message);
        }

        _isGrpc = false;
        _responseBody = null;
    }
}
