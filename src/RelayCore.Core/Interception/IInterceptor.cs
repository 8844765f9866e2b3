using RelayCore.Core.Faults;
using RelayCore.Core.Messages;
using RelayCore.Protocols;
using RelayCore.Protocols.Fields;

namespace RelayCore.Core.Interception;

/// <summary>What an interceptor wants, so that the pipeline can skip it for free. Immutable; read when the set of interceptors is built.</summary>
public sealed record InterceptorNeeds
{
    /// <summary>Stages to be called at.</summary>
    public Stage Stages { get; init; }

    /// <summary>
    /// Stages it wants of some exchanges only: it is called there once the exchange was marked by <see cref="FlowContext.Want"/>, at the latest at the
    /// head stage before. So a rule for one body costs nothing on others.
    /// </summary>
    public Stage OnDemand { get; init; }

    /// <summary>Hosts it is interested in; <see langword="null"/> for all. Called with a lower-case host on the I/O thread: cheap and pure.</summary>
    public Func<string, bool>? HostFilter { get; init; }

    /// <summary>Largest whole body it wants, in octets; at most the engine's limit.</summary>
    public long MaxBody { get; init; } = 16L * 1024 * 1024;

    /// <summary>What happens to a larger one.</summary>
    public BodyBreach Breach { get; init; }

    /// <summary>Whether its methods may wait or run long; then the flow leaves the I/O thread once before the first of them.</summary>
    public bool MayWait { get; init; } = true;
}

/// <summary>
/// Sees and changes flows. One method per stage, each with a do-nothing default; only the stages of <see cref="Needs"/> are called.
/// An exception is caught: the exchange goes on as it was before the call and the flow is marked.
/// Order within a stage: rules, scripts, native interceptors, breakpoints (architecture §2).
/// </summary>
public interface IInterceptor
{
    /// <summary>Actor name in mutations, e.g. <c>rule:block-ads</c>.</summary>
    string Name { get; }

    /// <summary>What it wants.</summary>
    InterceptorNeeds Needs { get; }

    /// <summary>A CONNECT, before it is answered.</summary>
    ValueTask<Verdict> OnConnectAsync(ConnectContext context, CancellationToken cancellationToken) => new(Verdict.Continue);

    /// <summary>A ClientHello was read.</summary>
    ValueTask<Verdict> OnClientHelloAsync(ClientHelloContext context, CancellationToken cancellationToken) => new(Verdict.Continue);

    /// <summary>A request head; edits of <see cref="Exchange.Request"/> go on the wire.</summary>
    ValueTask<Verdict> OnRequestHeadAsync(Exchange exchange, CancellationToken cancellationToken) => new(Verdict.Continue);

    /// <summary>A whole request body.</summary>
    ValueTask<Verdict> OnRequestBodyAsync(Exchange exchange, MessageBody body, CancellationToken cancellationToken) => new(Verdict.Continue);

    /// <summary>A piece of a request body.</summary>
    ValueTask OnRequestChunkAsync(Exchange exchange, BodyChunk chunk, CancellationToken cancellationToken) => default;

    /// <summary>An interim response; edits go on the wire.</summary>
    ValueTask OnInformationalAsync(Exchange exchange, ResponseHead interim, CancellationToken cancellationToken) => default;

    /// <summary>A final response head; edits of <see cref="Exchange.Response"/> go on the wire.</summary>
    ValueTask<Verdict> OnResponseHeadAsync(Exchange exchange, CancellationToken cancellationToken) => new(Verdict.Continue);

    /// <summary>A whole response body.</summary>
    ValueTask<Verdict> OnResponseBodyAsync(Exchange exchange, MessageBody body, CancellationToken cancellationToken) => new(Verdict.Continue);

    /// <summary>A piece of a response body.</summary>
    ValueTask OnResponseChunkAsync(Exchange exchange, BodyChunk chunk, CancellationToken cancellationToken) => default;

    /// <summary>A trailer section; edits go on the wire.</summary>
    /// <param name="exchange">The exchange.</param>
    /// <param name="sender">Whose trailers.</param>
    /// <param name="trailers">The lines.</param>
    /// <param name="cancellationToken">The exchange is given up.</param>
    ValueTask OnTrailersAsync(Exchange exchange, PeerRole sender, FieldSection trailers, CancellationToken cancellationToken) => default;

    /// <summary>A raw tunnel opens.</summary>
    ValueTask<Verdict> OnTunnelStartAsync(TunnelContext tunnel, CancellationToken cancellationToken) => new(Verdict.Continue);

    /// <summary>Octets in a raw tunnel.</summary>
    ValueTask OnTunnelChunkAsync(TunnelContext tunnel, PeerRole sender, BodyChunk chunk, CancellationToken cancellationToken) => default;

    /// <summary>A raw tunnel ended.</summary>
    ValueTask OnTunnelEndAsync(TunnelContext tunnel, FlowFault? fault, CancellationToken cancellationToken) => default;

    /// <summary>A session of messages opens; <see cref="Verdict.Drop"/> or <see cref="Verdict.Abort"/> ends it before the first message.</summary>
    ValueTask<Verdict> OnMessagesStartAsync(MessageContext context, CancellationToken cancellationToken) => new(Verdict.Continue);

    /// <summary>
    /// A message; edits go on the wire. The two directions of a session may be here at the same time, each direction is in order.
    /// Pings, pongs and closes only for <see cref="Stage.ControlMessage"/>, the rest only for <see cref="Stage.Message"/>.
    /// </summary>
    ValueTask OnMessageAsync(MessageContext context, Message message, CancellationToken cancellationToken) => default;

    /// <summary>A session of messages is over.</summary>
    /// <param name="context">The session.</param>
    /// <param name="fault">What went wrong; <see langword="null"/> after an orderly end.</param>
    /// <param name="cancellationToken">The flow is given up.</param>
    ValueTask OnMessagesEndAsync(MessageContext context, FlowFault? fault, CancellationToken cancellationToken) => default;

    /// <summary>A flow failed.</summary>
    ValueTask OnErrorAsync(FlowContext flow, FlowFault fault, CancellationToken cancellationToken) => default;

    /// <summary>An exchange is over, well or not.</summary>
    ValueTask OnCompletedAsync(Exchange exchange, CancellationToken cancellationToken) => default;
}
