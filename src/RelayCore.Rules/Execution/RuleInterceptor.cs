using RelayCore.Core.Faults;
using RelayCore.Core.Interception;
using RelayCore.Core.Messages;
using RelayCore.Protocols;

namespace RelayCore.Rules.Execution;

/// <summary>
/// Runs a set of rules in the pipeline. Immutable: a new set is a new interceptor, and a flow keeps the one it began with. It stands first in its pipeline and
/// there is one of it. Rules run on the I/O thread; an action that waits resumes elsewhere by itself.
/// </summary>
public sealed partial class RuleInterceptor : IInterceptor
{
    // Beyond this a body is evaluated and edited elsewhere: other connections of the thread would wait for it.
    private const int LargeOctets = 64 * 1024;

    private readonly RuleSet _set;

    /// <summary>Runs a set.</summary>
    /// <param name="set">Rules.</param>
    public RuleInterceptor(RuleSet set)
    {
        _set = set;
        var stages = Stage.None;
        var demand = Stage.None;
        foreach (var stage in RuleStages.Ordered)
        {
            if ((set.Stages & stage) != 0)
            {
                var isOnDemand = (stage & (RuleStage.RequestBody | RuleStage.ResponseBody | RuleStage.Messages | RuleStage.Completed)) != 0;
                stages |= isOnDemand ? Stage.None : RuleStages.ToEngine(stage);
                demand |= isOnDemand ? RuleStages.ToEngine(stage) : Stage.None;
            }
        }

        if (set.Rules.Count > 0)
        {
            // Where it is decided what is wanted later, and what actions put off, edits on their way and bodies that were skipped need.
            stages |= (demand & (Stage.RequestBody | Stage.Message | Stage.Completed)) != 0 ? Stage.RequestHead : Stage.None;
            stages |= (demand & Stage.ResponseBody) != 0 ? Stage.ResponseHead : Stage.None;
            demand |= Stage.RequestBody | Stage.RequestChunk | Stage.ResponseHead | Stage.ResponseBody | Stage.ResponseChunk | Stage.Completed | Stage.Error;
        }

        Needs = new() { Stages = stages, OnDemand = demand & ~stages, MayWait = false };
    }

    /// <summary>The rules.</summary>
    public RuleSet Rules => _set;

    /// <inheritdoc/>
    public string Name => "rules";

    /// <inheritdoc/>
    public InterceptorNeeds Needs { get; }

    /// <inheritdoc/>
    public ValueTask<Verdict> OnConnectAsync(ConnectContext context, CancellationToken cancellationToken)
    {
        var rules = Enter(RuleStage.Connect, context, null);
        rules.Connect = context;
        return RuleRunner.RunAsync(rules, _set.Of(RuleStage.Connect), cancellationToken);
    }

    /// <inheritdoc/>
    public ValueTask<Verdict> OnClientHelloAsync(ClientHelloContext context, CancellationToken cancellationToken)
    {
        var rules = Enter(RuleStage.ClientHello, context, null);
        rules.Hello = context;
        return RuleRunner.RunAsync(rules, _set.Of(RuleStage.ClientHello), cancellationToken);
    }

    /// <inheritdoc/>
    public async ValueTask<Verdict> OnRequestHeadAsync(Exchange exchange, CancellationToken cancellationToken)
    {
        var rules = Enter(RuleStage.RequestHeaders, exchange, exchange);
        var verdict = await RuleRunner.RunAsync(rules, _set.Of(RuleStage.RequestHeaders), cancellationToken).ConfigureAwait(false);
        Want(rules, RuleStage.Completed); // an exchange that is answered here is over as well
        if (!verdict.IsTerminal || verdict is Verdict.RedirectTarget)
        {
            Want(rules, RuleStage.RequestBody);
            Want(rules, RuleStage.Message);
            if (IsUpgrade(exchange.Request))
            {
                Want(rules, RuleStage.WebSocketMessage);
            }

            Prepare(rules, PeerRole.Client);
        }

        return verdict;
    }

    /// <inheritdoc/>
    public ValueTask<Verdict> OnRequestBodyAsync(Exchange exchange, MessageBody body, CancellationToken cancellationToken) =>
        BodyAsync(RuleStage.RequestBody, exchange, body, cancellationToken);

    /// <inheritdoc/>
    public async ValueTask<Verdict> OnResponseHeadAsync(Exchange exchange, CancellationToken cancellationToken)
    {
        var rules = Enter(RuleStage.ResponseHeaders, exchange, exchange);
        Skip(rules, RuleStage.RequestBody, Stage.RequestBody);
        SkipEdits(rules);
        var verdict = await RuleRunner.RunAsync(rules, _set.Of(RuleStage.ResponseHeaders), cancellationToken).ConfigureAwait(false);
        Want(rules, RuleStage.Completed);
        if (!verdict.IsTerminal)
        {
            Want(rules, RuleStage.ResponseBody);
            Want(rules, RuleStage.Message);
            if (IsUpgrade(exchange.Request))
            {
                Want(rules, RuleStage.WebSocketMessage);
            }

            Prepare(rules, PeerRole.Server);
        }

        return verdict;
    }

    /// <inheritdoc/>
    public ValueTask<Verdict> OnResponseBodyAsync(Exchange exchange, MessageBody body, CancellationToken cancellationToken) =>
        BodyAsync(RuleStage.ResponseBody, exchange, body, cancellationToken);

    /// <inheritdoc/>
    public ValueTask OnRequestChunkAsync(Exchange exchange, BodyChunk chunk, CancellationToken cancellationToken) => ChunkAsync(exchange, PeerRole.Client, chunk);

    /// <inheritdoc/>
    public ValueTask OnResponseChunkAsync(Exchange exchange, BodyChunk chunk, CancellationToken cancellationToken) => ChunkAsync(exchange, PeerRole.Server, chunk);

    /// <inheritdoc/>
    public async ValueTask OnMessageAsync(MessageContext context, Message message, CancellationToken cancellationToken)
    {
        var state = FlowRules.Of(context, _set);
        if (state.IsSessionEnded)
        {
            message.Drop();
            return;
        }

        var rules = state.Direction(message.Sender);
        if (message.Protocol == MessageProtocol.WebSocket && await MessageAsync(RuleStage.WebSocketMessage).ConfigureAwait(false))
        {
            return;
        }

        await MessageAsync(RuleStage.Message).ConfigureAwait(false);

        // Whether the message or the session is over for rules.
        async ValueTask<bool> MessageAsync(RuleStage stage)
        {
            var stageRules = _set.Of(stage);
            if (stageRules.Rules.Length == 0)
            {
                return false;
            }

            rules.Enter(stage, context, state, context.Exchange);
            (rules.Messages, rules.Message, rules.IsRepeated) = (context, message, !state.IsFirst(stage, message.Sender));
            if (message.Content.Length > LargeOctets)
            {
                await Task.CompletedTask.ConfigureAwait(ConfigureAwaitOptions.ForceYielding);
            }

            var verdict = await RuleRunner.RunAsync(rules, stageRules, cancellationToken).ConfigureAwait(false);
            switch (verdict)
            {
                case Verdict.Drop:
                    message.Drop();
                    break;
                case Verdict.Abort abort:
                    message.Drop();
                    state.IsSessionEnded = true;
                    context.Session.TryClose(1008, abort.Reason.Length <= 40 ? abort.Reason : ""); // policy violation (RFC 6455 §7.4.1)
                    break;
            }

            return verdict.IsTerminal || message.IsDropped;
        }
    }

    /// <inheritdoc/>
    public ValueTask OnErrorAsync(FlowContext flow, FlowFault fault, CancellationToken cancellationToken)
    {
        FlowRules.Of(flow, _set).HasFailed = true;
        return default;
    }

    /// <inheritdoc/>
    public async ValueTask OnCompletedAsync(Exchange exchange, CancellationToken cancellationToken)
    {
        var rules = Enter(RuleStage.Completed, exchange, exchange);
        var state = rules.State;

        // A flow that failed, or that somebody else answered, had no body to skip.
        if (!state.HasFailed && exchange.HasResponse && exchange.Response.Fields.ReceivedLength > 0)
        {
            Skip(rules, RuleStage.ResponseBody, Stage.ResponseBody);
        }

        await RuleRunner.RunAsync(rules, _set.Of(RuleStage.Completed), cancellationToken).ConfigureAwait(false);
        state.Release();
    }

    private static bool IsUpgrade(RequestHead request) => !request.ProtocolOctets.IsEmpty || request.Fields.IndexOf("Upgrade"u8) >= 0;

    private RuleContext Enter(RuleStage stage, FlowContext flow, Exchange? exchange)
    {
        var state = FlowRules.Of(flow, _set);
        state.Main.Enter(stage, flow, state, exchange);
        return state.Main;
    }

    /// <summary>Asks for a later stage when some rule of it may match.</summary>
    private void Want(RuleContext rules, RuleStage stage)
    {
        var engine = RuleStages.ToEngine(stage);
        var exchange = rules.Exchange!;
        if ((_set.Stages & stage) != 0 && (exchange.Wanted & engine) == 0 && RuleRunner.IsDemanded(rules, _set.Of(stage)))
        {
            // A body may be too large to be held: that is seen at the next head, or at the end.
            exchange.Want(engine | ((engine & (Stage.RequestBody | Stage.ResponseBody)) != 0 ? Stage.ResponseHead | Stage.Completed | Stage.Error : Stage.None));
        }
    }
}
