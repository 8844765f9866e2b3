using RelayCore.Core.Interception;
using RelayCore.Protocols;
using RelayCore.Rules.Actions.Bodies;
using RelayCore.Rules.Execution;
using RelayCore.Rules.Templates;

namespace RelayCore.Rules.Actions.Messages;

/// <summary><c>SetMessage</c>: other content, and for a WebSocket another type.</summary>
/// <param name="source">The content.</param>
/// <param name="type">Type of WebSocket data; <see langword="null"/> for the one it has.</param>
internal sealed class SetMessage(BodySource source, MessageType? type) : RuleAction
{
    public override ValueTask<ActionResult> RunAsync(RuleContext context, CancellationToken cancellationToken)
    {
        if (context.Message is not { IsControl: false })
        {
            return new(ActionResult.NoEffect("there is no message with content"));
        }

        var content = source.GetAsync(null, context, cancellationToken);
        return content.IsCompletedSuccessfully ? new(Set(context.Message, content.Result)) : WaitAsync(context.Message, content);
    }

    private async ValueTask<ActionResult> WaitAsync(Message message, ValueTask<ReadOnlyMemory<byte>> content)
    {
        try
        {
            return Set(message, await content.ConfigureAwait(false));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return ActionResult.Failed(e.Message);
        }
    }

    private ActionResult Set(Message message, ReadOnlyMemory<byte> content)
    {
        var target = message.Protocol == MessageProtocol.WebSocket ? type ?? message.Type : message.Type;
        if (MessageEdit.Fit(target, ref content) is { } problem)
        {
            return ActionResult.Failed(problem);
        }

        message.Replace(content, target);
        return ActionResult.Done;
    }
}

/// <summary><c>TransformMessage</c>: the edits of bodies, on the content of a message.</summary>
internal sealed class TransformMessage(ContentTransform transform) : ImmediateAction
{
    protected override ActionResult Run(RuleContext context)
    {
        if (context.Message is not { IsControl: false } message)
        {
            return ActionResult.NoEffect("there is no message with content");
        }

        var edit = transform.Apply(message.Content, null, context);
        if (edit.Outcome != ActionOutcome.Done)
        {
            return new(edit.Outcome, edit.Detail);
        }

        var content = edit.Content;
        if (content.Span.SequenceEqual(message.Content.Span))
        {
            return ActionResult.NoEffect("the content is the same afterwards");
        }

        if (MessageEdit.Fit(message.Type, ref content) is { } problem)
        {
            return ActionResult.Failed(problem);
        }

        message.Replace(content);
        return new(ActionOutcome.Done, edit.Detail);
    }
}

/// <summary>
/// <c>MockWebSocketMessage</c> (reference: rules §3): text in place of the message. When it is to go the other way, the message is dropped and the
/// text is sent there.
/// </summary>
internal sealed class MockWebSocketMessage(Template text, PeerRole? sender) : ImmediateAction
{
    protected override ActionResult Run(RuleContext context)
    {
        if (context.Message is not { IsControl: false, Protocol: MessageProtocol.WebSocket } message)
        {
            return ActionResult.NoEffect("there is no data of a WebSocket");
        }

        var content = System.Text.Encoding.UTF8.GetBytes(text.Expand(context));
        if (sender is null || sender == message.Sender)
        {
            message.Replace(content, MessageType.Text);
            return ActionResult.Done;
        }

        if (message.IsInjected)
        {
            return ActionResult.NoEffect("the message was injected; answering it would go round in circles");
        }

        if (!context.Messages!.Session.TryInject(sender.Value, new(MessageType.Text, content)))
        {
            return ActionResult.Failed("the message could not be sent the other way: the session is over or its queue is full");
        }

        message.Drop();
        return ActionResult.Terminal(new Verdict.Drop("answered by a rule"), "sent the other way");
    }
}

/// <summary><c>DropMessage</c>, <c>DropWebSocketMessage</c>.</summary>
internal sealed class DropMessage : ImmediateAction
{
    protected override ActionResult Run(RuleContext context)
    {
        if (context.Message is null)
        {
            return ActionResult.NoEffect("there is no message");
        }

        context.Message.Drop();
        return ActionResult.Terminal(new Verdict.Drop("message dropped by a rule"));
    }
}

/// <summary><c>SetEvent</c>: fields of a server-sent event beside its data.</summary>
/// <param name="name">Event name.</param>
/// <param name="id">Event id.</param>
/// <param name="retry">Reconnection time, milliseconds.</param>
/// <param name="removed">Fields to be removed.</param>
internal sealed class SetEvent(Template? name, Template? id, long? retry, IReadOnlyList<string> removed) : ImmediateAction
{
    protected override ActionResult Run(RuleContext context)
    {
        if (context.Message is not { Type: MessageType.Event } message)
        {
            return ActionResult.NoEffect("the message is not an event of an event stream");
        }

        var (newName, newId) = (name?.Expand(context), id?.Expand(context));
        if (newName?.AsSpan().IndexOfAny('\r', '\n') >= 0 || newId?.AsSpan().IndexOfAny('\r', '\n', '\0') >= 0)
        {
            return ActionResult.Failed("a name or id of an event cannot have line ends or NUL: they would end the field");
        }

        message.EventName = newName ?? (removed.Contains("event") ? null : message.EventName);
        message.EventId = newId ?? (removed.Contains("id") ? null : message.EventId);
        message.RetryMilliseconds = retry ?? (removed.Contains("retry") ? null : message.RetryMilliseconds);
        return message.IsChanged ? ActionResult.Done : ActionResult.NoEffect("the event has these fields already");
    }
}
