using RelayCore.Core.Interception;
using RelayCore.Core.Messages;
using RelayCore.Protocols;
using RelayCore.Protocols.Fields;

namespace RelayCore.Rules.Execution;

/// <summary>
/// What conditions and actions see of a flow at a stage. Belongs to the flow's <see cref="FlowRules"/> and is reused; the two directions of a
/// session of messages have one each.
/// </summary>
public sealed partial class RuleContext
{
    /// <summary>Where the flow is.</summary>
    public RuleStage Stage
    {
        get;
        internal set
        {
            field = value;
            ForgetContent();
        }
    }

    /// <summary>The flow.</summary>
    public FlowContext Flow { get; internal set; } = null!;

    /// <summary>What rules keep of the flow.</summary>
    public FlowRules State { get; internal set; } = null!;

    /// <summary>What rules may use.</summary>
    public RuleEnvironment Environment { get; internal set; } = null!;

    /// <summary>The exchange; <see langword="null"/> at <see cref="RuleStage.Connect"/> and <see cref="RuleStage.ClientHello"/>, and for messages no exchange carries.</summary>
    public Exchange? Exchange { get; internal set; }

    /// <summary>The body, at the two body stages.</summary>
    public MessageBody? Body
    {
        get;
        internal set
        {
            field = value;
            ForgetContent();
        }
    }

    /// <summary>The CONNECT or connection, at <see cref="RuleStage.Connect"/>.</summary>
    public ConnectContext? Connect { get; internal set; }

    /// <summary>The ClientHello, at <see cref="RuleStage.ClientHello"/>.</summary>
    public ClientHelloContext? Hello { get; internal set; }

    /// <summary>The session of messages, at the message stages.</summary>
    public MessageContext? Messages { get; internal set; }

    /// <summary>The message, at the message stages.</summary>
    public Message? Message
    {
        get;
        internal set
        {
            field = value;
            ForgetContent();
        }
    }

    /// <summary>The rule whose filter or actions run.</summary>
    public CompiledRule Rule { get; internal set; } = null!;

    /// <summary>What the regexes of the running rule's filter captured: by number (<c>0</c> the whole match) and by name; empty without.</summary>
    public IReadOnlyDictionary<string, string> Captures => CapturesOrNull ?? (IReadOnlyDictionary<string, string>)System.Collections.ObjectModel.ReadOnlyDictionary<string, string>.Empty;

    internal Dictionary<string, string>? CapturesOrNull { get; private set; }

    /// <summary>Notes what a regex captured; only called when the rule uses captures. The first regex that sets a name wins.</summary>
    public void Capture(string name, string value) => (CapturesOrNull ??= new(StringComparer.Ordinal)).TryAdd(name, value);

    /// <summary>Whose message a body or message is: the client's at request stages.</summary>
    public PeerRole Sender => Message?.Sender ?? ((Stage & (RuleStage.ResponseHeaders | RuleStage.ResponseBody | RuleStage.Completed)) != 0 ? PeerRole.Server : PeerRole.Client);

    /// <summary>What the running rule did so far, to be taken back when it fails.</summary>
    internal RuleCheckpoint Checkpoint { get; } = new();

    /// <summary>What its actions did so far, for the trace.</summary>
    internal ActionRecord Record { get; } = new();

    /// <summary>Whether the stage was run before with the same rules, so that what did not match needs no second mention: all messages of a direction but the first.</summary>
    internal bool IsRepeated { get; set; }

    /// <summary>The action that runs, as written.</summary>
    internal string Action { get; set; } = "";

    /// <summary>Field section that the stage is about; <see langword="null"/> where there is none.</summary>
    internal FieldSection? Fields => Exchange is not { } exchange ? null : Stage switch
    {
        RuleStage.RequestHeaders or RuleStage.RequestBody => exchange.Request.Fields,
        RuleStage.ResponseHeaders or RuleStage.ResponseBody => exchange.Response.Fields,
        _ => null,
    };

    private ulong[] _selected = [];

    /// <summary>Room for a selection; one is in use at a time.</summary>
    internal Span<ulong> Selection(int words)
    {
        if (_selected.Length < words)
        {
            _selected = new ulong[words];
        }

        return _selected.AsSpan(0, words);
    }

    /// <summary>Shows a stage.</summary>
    internal void Enter(RuleStage stage, FlowContext flow, FlowRules state, Exchange? exchange)
    {
        (Stage, Flow, State, Environment, Exchange) = (stage, flow, state, state.Set.Environment, exchange);
        (Body, Connect, Hello, Messages, Message, IsRepeated) = (null, null, null, null, null, false);
    }

    internal void BeginRule(CompiledRule rule)
    {
        Rule = rule;
        CapturesOrNull?.Clear();
        Refusing = null;
    }

    /// <summary>Goes on with a rule whose filter matched earlier.</summary>
    internal void ResumeRule(CompiledRule rule, IReadOnlyDictionary<string, string>? captures)
    {
        BeginRule(rule);
        foreach (var (name, value) in captures ?? System.Collections.ObjectModel.ReadOnlyDictionary<string, string>.Empty)
        {
            Capture(name, value);
        }
    }
}
