using System.Globalization;
using System.Text;
using RelayCore.Core.Interception;
using RelayCore.Protocols;
using RelayCore.Rules.Execution;
using RelayCore.Rules.Templates;

namespace RelayCore.Rules.Actions.Messages;

/// <summary><c>InjectMessage</c>: one more message, of the same side behind this one or towards the other.</summary>
internal sealed class InjectMessage : ImmediateAction
{
    /// <summary>Whose message it pretends to be; <see langword="null"/> for the sender of the one that matched.</summary>
    public PeerRole? Sender { get; init; }

    /// <summary>Text; <see langword="null"/> for <see cref="Octets"/>.</summary>
    public Template? Text { get; init; }

    public ReadOnlyMemory<byte> Octets { get; init; }

    /// <summary>Type of WebSocket data; <see langword="null"/> for text or binary as the content is given.</summary>
    public MessageType? Type { get; init; }

    public Template? EventName { get; init; }

    public Template? EventId { get; init; }

    public long? Retry { get; init; }

    protected override ActionResult Run(RuleContext context)
    {
        if (context.Messages is not { } messages || context.Message is not { } message)
        {
            return ActionResult.NoEffect("there is no session of messages");
        }

        // Injected messages are shown to rules as well; one that injected for them would never end.
        if (message.IsInjected)
        {
            return ActionResult.NoEffect("the message was injected itself; injecting for it would never end");
        }

        var type = messages.Protocol == MessageProtocol.WebSocket && Type is { } wanted ? wanted : MessageEdit.TypeOf(messages.Protocol, Text is null);
        ReadOnlyMemory<byte> content = Text is null ? Octets : Encoding.UTF8.GetBytes(Text.Expand(context));
        if (MessageEdit.Fit(type, ref content) is { } problem)
        {
            return ActionResult.Failed(problem);
        }

        OutgoingMessage outgoing;
        try
        {
            var isEvent = type == MessageType.Event;
            outgoing = new(type, content)
            {
                EventName = isEvent ? EventName?.Expand(context) : null,
                EventId = isEvent ? EventId?.Expand(context) : null,
                RetryMilliseconds = isEvent ? Retry : null,
            };
        }
        catch (ArgumentException error)
        {
            return ActionResult.Failed(error.Message);
        }

        return messages.Session.TryInject(Sender ?? message.Sender, outgoing) ? ActionResult.Done
            : ActionResult.Failed("the message could not be injected: the session is over, its queue is full, or it carries no such messages that way");
    }
}

/// <summary><c>DelayMessage</c>: the message, and those of its direction behind it, wait.</summary>
/// <param name="delay">At least.</param>
/// <param name="jitter">Up to as much more, by chance.</param>
internal sealed class DelayMessage(TimeSpan delay, TimeSpan jitter) : RuleAction
{
    public override async ValueTask<ActionResult> RunAsync(RuleContext context, CancellationToken cancellationToken)
    {
        var wait = delay + (jitter * context.Environment.Random.NextDouble());
        await Task.Delay(wait, context.Environment.Time, cancellationToken).ConfigureAwait(false);
        return new(ActionOutcome.Done, string.Create(CultureInfo.InvariantCulture, $"waited {wait.TotalMilliseconds:0} ms"));
    }
}

/// <summary><c>CloseMessages</c>: ends the session towards both peers, behind the message.</summary>
internal sealed class CloseMessages(int code, Template reason) : ImmediateAction
{
    protected override ActionResult Run(RuleContext context)
    {
        if (context.Messages is not { } messages)
        {
            return ActionResult.NoEffect("there is no session of messages");
        }

        var text = reason.Expand(context);
        if (MessageEdit.CloseProblem(code, text) is { } problem)
        {
            return ActionResult.Failed(problem);
        }

        if (!messages.Session.TryClose(code, text))
        {
            return ActionResult.NoEffect("the session is over already");
        }

        if (messages.RuleState is FlowRules state)
        {
            state.IsSessionEnded = true;
        }

        return ActionResult.Done;
    }
}
