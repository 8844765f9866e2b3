using RelayCore.Core.Faults;
using RelayCore.Core.Flows;
using RelayCore.Core.Interception;
using RelayCore.Engine.Capture;
using RelayCore.Engine.Pipeline;
using RelayCore.Protocols;

namespace RelayCore.Engine.Messages;

/// <summary>
/// The messages of one exchange in one protocol: those of the response, of the request, or of both (gRPC). For interceptors and for whoever injects
/// it is one session, whichever body is under way.
/// </summary>
internal sealed class MessageSession : IMessageSession
{
    private BodyMessages? _request;
    private BodyMessages? _response;
    private bool _isStarted;

    public MessageSession(EngineContext engine, FlowRecorder recorder, StageRunner stages, InterceptorSet interceptors, Exchange exchange, MessageProtocol protocol)
    {
        (Engine, Recorder, Stages, Interceptors, Exchange) = (engine, recorder, stages, interceptors, exchange);
        Flow = exchange.Id;
        Context = new(protocol, this, exchange);
    }

    public FlowId Flow { get; }

    public MessageContext Context { get; }

    public EngineContext Engine { get; }

    public FlowRecorder Recorder { get; }

    public StageRunner Stages { get; }

    public InterceptorSet Interceptors { get; }

    public Exchange Exchange { get; }

    public MessageProtocol Protocol => Context.Protocol;

    public bool TryInject(PeerRole sender, OutgoingMessage message) =>
        message.Type == BodyFormats.TypeOf(Protocol) && (sender == PeerRole.Client ? Volatile.Read(ref _request) : Volatile.Read(ref _response))?.Injected.TryAdd(message) == true;

    // A body has no place for code and reason. What ends is the response: a request cut short would be taken for whole by the server.
    public bool TryClose(int code, string reason) => Volatile.Read(ref _response)?.Injected.TryEnd() == true;

    /// <summary>Adds a body to the session.</summary>
    public void Add(BodyMessages body)
    {
        if (body.Sender == PeerRole.Client)
        {
            Volatile.Write(ref _request, body);
        }
        else
        {
            Volatile.Write(ref _response, body);
        }
    }

    /// <summary>Begins the session, once: from now on it is found by its flow, and interceptors know it.</summary>
    /// <returns>What they decided; terminal at the first call only.</returns>
    public async ValueTask<Verdict> StartAsync()
    {
        if (_isStarted)
        {
            return Verdict.Continue;
        }

        _isStarted = true;
        Context.Server = Exchange.Server;
        Engine.MessageSessions.Add(this);
        if (!Interceptors.Wants(Stage.MessagesStart, Context))
        {
            return Verdict.Continue;
        }

        if (Interceptors.MayWait)
        {
            await default(ThreadPoolHop);
        }

        return await Stages.MessagesStartAsync(Interceptors, Context, Engine.Stopping).ConfigureAwait(false);
    }

    /// <summary>Ends the session with its exchange. Bodies that did not come to their end are cut off.</summary>
    public async ValueTask EndAsync(FlowFault? fault)
    {
        _request?.End(isWhole: false);
        _response?.End(isWhole: false);
        if (!_isStarted)
        {
            return;
        }

        Engine.MessageSessions.Remove(this);
        if (Interceptors.Wants(Stage.MessagesEnd, Context))
        {
            if (Interceptors.MayWait)
            {
                await default(ThreadPoolHop);
            }

            await Stages.MessagesEndAsync(Interceptors, Context, fault, CancellationToken.None).ConfigureAwait(false);
        }
    }
}
