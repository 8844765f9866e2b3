using System.Buffers;
using RelayCore.Core.Flows;
using RelayCore.Core.Interception;
using RelayCore.Protocols;
using RelayCore.Rules.Actions;

namespace RelayCore.Rules.Execution;

/// <summary>
/// What rules keep of one flow from stage to stage: actions put off to a later stage, edits of bodies on their way, the trace. Reused with its
/// session.
/// </summary>
public sealed class FlowRules : IFlowTrace
{
    /// <summary>Actions put off, and edits of bodies, of one flow. Breach: the action fails.</summary>
    internal const int MaxRegistered = 64;

    private const int MaxMatched = 256;

    private readonly Lock _gate = new();
    private readonly RuleTraceLog _trace = new();
    private readonly TransformChain?[] _transforms = new TransformChain?[2];
    private readonly RuleContext?[] _messages = new RuleContext?[2];
    private readonly RuleStage[] _seen = new RuleStage[2];
    private List<DeferredAction>? _later;
    private RuleStage _begun;
    private bool _isSessionEnded;

    internal FlowRules(RuleSet set) => Set = set;

    /// <summary>The rules the flow began with.</summary>
    internal RuleSet Set { get; }

    /// <summary>The flow.</summary>
    internal FlowId Flow { get; private set; }

    /// <summary>What the stages of the exchange show.</summary>
    internal RuleContext Main { get; } = new();

    /// <summary>What happened.</summary>
    internal RuleTraceLog Log => _trace;

    /// <summary>Whether the flow failed.</summary>
    internal bool HasFailed { get; set; }

    /// <summary>
    /// Whether a rule ended the session of messages. The end is asked for and comes when the session is at it: what it has read by then must not go on.
    /// Both directions look at it.
    /// </summary>
    internal bool IsSessionEnded
    {
        get => Volatile.Read(ref _isSessionEnded);
        set => Volatile.Write(ref _isSessionEnded, value);
    }

    /// <summary>Work put off and edits of bodies so far.</summary>
    internal (int Later, int Transforms) Registered => (_later?.Count ?? 0, Count(PeerRole.Client) + (Count(PeerRole.Server) << 16));

    /// <summary>The state of a flow; begins anew when the session goes on with another one.</summary>
    internal static FlowRules Of(FlowContext flow, RuleSet set)
    {
        if (flow.RuleState is not FlowRules state || state.Set != set)
        {
            state = new(set);
            flow.RuleState = state;
        }

        if (state.Flow != flow.Id)
        {
            state.Begin(flow.Id);
        }

        return state;
    }

    /// <summary>Puts work off until a body stage of this flow (<c>SetResponseBody</c> at <c>ResponseHeaders</c>), and has the engine hold that body.</summary>
    /// <param name="stage"><see cref="RuleStage.RequestBody"/> or <see cref="RuleStage.ResponseBody"/>, not begun yet.</param>
    /// <param name="action">What to do then.</param>
    /// <exception cref="InvalidOperationException">The stage is over, or too much was put off: the action fails.</exception>
    public void Later(RuleStage stage, RuleAction action)
    {
        if (stage is not (RuleStage.RequestBody or RuleStage.ResponseBody) || Main.Exchange is not { } exchange)
        {
            throw new InvalidOperationException($"nothing can be put off to {stage} at {Main.Stage}");
        }

        if ((_begun & stage) != 0 || (stage == RuleStage.RequestBody && Main.Stage > RuleStage.RequestHeaders) || Main.Stage > RuleStage.ResponseHeaders)
        {
            throw new InvalidOperationException($"{stage} is over");
        }

        if ((_later?.Count ?? 0) >= MaxRegistered)
        {
            throw new InvalidOperationException($"more than {MaxRegistered} actions of one flow are put off");
        }

        var captures = Main.CapturesOrNull is { Count: > 0 } found ? new Dictionary<string, string>(found, StringComparer.Ordinal) : null;
        (_later ??= []).Add(new(stage, Main.Rule, Main.Action, action, captures));
        exchange.Want(RuleStages.ToEngine(stage) | Stage.ResponseHead | Stage.Completed | Stage.Error);
    }

    /// <summary>Edits a body on its way; several run in the order they were added, on content without content coding, which is applied anew.</summary>
    /// <param name="sender">Whose body.</param>
    /// <param name="transform">The edit; disposed of when the body is over.</param>
    /// <exception cref="InvalidOperationException">The body is on its way already, or there are too many: the action fails.</exception>
    public void Transform(PeerRole sender, IBodyTransform transform)
    {
        var head = sender == PeerRole.Client ? RuleStage.RequestHeaders : RuleStage.ResponseHeaders;
        if (Main.Exchange is not { } exchange || Main.Stage > head)
        {
            throw new InvalidOperationException($"the body of the {(sender == PeerRole.Client ? "request" : "response")} is not to come at {Main.Stage}");
        }

        var chain = _transforms[(int)sender] ??= new();
        if (chain.Edits.Count >= MaxRegistered)
        {
            throw new InvalidOperationException($"more than {MaxRegistered} edits of one body");
        }

        chain.Add(Main.Rule, transform);
        exchange.Want((sender == PeerRole.Client ? Stage.RequestChunk : Stage.ResponseChunk) | Stage.ResponseHead | Stage.Completed | Stage.Error);
    }

    /// <inheritdoc/>
    public void Write(IBufferWriter<byte> destination) => _trace.Write(destination, Set);

    /// <summary>What a direction of messages shows; both may run at once.</summary>
    internal RuleContext Direction(PeerRole sender) =>
        Volatile.Read(ref _messages[(int)sender]) ?? Interlocked.CompareExchange(ref _messages[(int)sender], new(), null) ?? _messages[(int)sender]!;

    /// <summary>The edits of a body; <see langword="null"/> without.</summary>
    internal TransformChain? Transforms(PeerRole sender) => _transforms[(int)sender] is { Edits.Count: > 0 } chain ? chain : null;

    /// <summary>Notes that a body stage runs, so that it was not skipped.</summary>
    internal void Begun(RuleStage stage) => _begun |= stage;

    /// <summary>Whether a message is the first of its direction at a stage; asked once per message, by one direction at a time.</summary>
    internal bool IsFirst(RuleStage stage, PeerRole sender)
    {
        ref var seen = ref _seen[(int)sender];
        var isFirst = (seen & stage) == 0;
        seen |= stage;
        return isFirst;
    }

    /// <summary>Whether a body stage ran, or what happened instead was said.</summary>
    internal bool HasBegun(RuleStage stage) => (_begun & stage) != 0;

    /// <summary>Work put off to a stage, in the order it was put off; at an index, so that none is allocated.</summary>
    internal DeferredAction? Deferred(RuleStage stage, ref int from)
    {
        while (_later is not null && from < _later.Count)
        {
            var found = _later[from++];
            if (found.Stage == stage)
            {
                return found;
            }
        }

        return null;
    }

    /// <summary>Takes back what a failed rule put off.</summary>
    internal void Forget(int later, int transforms)
    {
        if (_later is not null && _later.Count > later)
        {
            _later.RemoveRange(later, _later.Count - later);
        }

        _transforms[(int)PeerRole.Client]?.Truncate(transforms & 0xFFFF);
        _transforms[(int)PeerRole.Server]?.Truncate(transforms >> 16);
    }

    /// <summary>Notes a match in the flow. At most 256 rules; more are only in the trace.</summary>
    internal void Matched(FlowContext flow, CompiledRule rule, DateTimeOffset now)
    {
        rule.Hit(now);
        lock (_gate)
        {
            var matched = flow.MatchedRules;
            if (matched.Count < MaxMatched && !matched.Contains(rule.Id))
            {
                matched.Add(rule.Id);
            }
        }
    }

    /// <summary>Gives back what the bodies of the flow needed.</summary>
    internal void Release()
    {
        foreach (var chain in _transforms)
        {
            chain?.Dispose();
        }
    }

    private int Count(PeerRole sender) => _transforms[(int)sender]?.Edits.Count ?? 0;

    private void Begin(FlowId flow)
    {
        (Flow, _begun, HasFailed, IsSessionEnded) = (flow, RuleStage.None, false, false);
        _later?.Clear();
        Array.Clear(_seen);
        _trace.Clear();
        Release();
    }
}

/// <summary>An action put off to a body stage.</summary>
/// <param name="Stage">When.</param>
/// <param name="Rule">Whose.</param>
/// <param name="Type">As written.</param>
/// <param name="Action">What to do.</param>
/// <param name="Captures">What its rule's filter captured.</param>
internal sealed record DeferredAction(RuleStage Stage, CompiledRule Rule, string Type, RuleAction Action, IReadOnlyDictionary<string, string>? Captures);
