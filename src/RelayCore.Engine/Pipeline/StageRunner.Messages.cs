using System.Globalization;
using System.Text;
using System.Text.Unicode;
using RelayCore.Core.Faults;
using RelayCore.Core.Interception;
using RelayCore.Engine.Capture;

namespace RelayCore.Engine.Pipeline;

/// <summary>The part for sessions of messages. Both directions of a session may be here at the same time, each with its own message.</summary>
internal sealed partial class StageRunner
{
    /// <summary>Octets of text kept of a message before and after a change.</summary>
    internal const int MaxMutationText = 4 * 1024;

    public ValueTask<Verdict> MessagesStartAsync(InterceptorSet set, MessageContext context, CancellationToken cancellationToken) =>
        FlowAsync(set, Stage.MessagesStart, context, static (i, m, c) => i.OnMessagesStartAsync(m, c), cancellationToken);

    public async ValueTask MessagesEndAsync(InterceptorSet set, MessageContext context, FlowFault? fault, CancellationToken cancellationToken) =>
        await FlowAsync(set, Stage.MessagesEnd, context, async (i, m, c) =>
        {
            await i.OnMessagesEndAsync(m, fault, c).ConfigureAwait(false);
            return Verdict.Continue;
        }, cancellationToken).ConfigureAwait(false);

    /// <summary>Shows a message to who wants it, until somebody drops it. Whether it is to be sent, and how, stands in the message afterwards.</summary>
    public async ValueTask MessageAsync(InterceptorSet set, MessageContext context, Message message, CancellationToken cancellationToken)
    {
        var stage = message.IsControl ? Stage.ControlMessage : Stage.Message;
        foreach (var interceptor in set.Interceptors)
        {
            if (!InterceptorSet.IsCalled(interceptor, stage, context))
            {
                continue;
            }

            var before = message.Save();
            var log = Listen(interceptor, stage, message);
            try
            {
                await interceptor.OnMessageAsync(context, message, cancellationToken).ConfigureAwait(false);
                log.Settle();
            }
            catch (Exception e) when (e is not OperationCanceledException || !cancellationToken.IsCancellationRequested)
            {
                message.Restore(before);
                Failed(interceptor, stage, context, e);
            }

            if (message.IsDropped)
            {
                return;
            }
        }
    }

    private void Record(string actor, Stage stage, Message message, in SavedMessage before)
    {
        var name = message.Protocol switch
        {
            MessageProtocol.WebSocket => "websocket.message",
            MessageProtocol.ServerSentEvents => "sse.event",
            MessageProtocol.Ndjson => "ndjson.line",
            _ => "grpc.message",
        };
        if (message.IsDropped)
        {
            var was = before.Type == MessageType.Close ? Close(before.CloseCode, before.CloseReason) : Text(before.Content.Span);
            Change(name, was, null);
            return;
        }

        if (!before.Content.Equals(message.Content))
        {
            Change(name, Text(before.Content.Span), Text(message.Content.Span));
        }

        if (before.Type != message.Type)
        {
            Change($"{name}.type", FlowNames.Of(before.Type), FlowNames.Of(message.Type));
        }

        if (before.EventId != message.EventId)
        {
            Change($"{name}.id", Text(before.EventId), Text(message.EventId));
        }

        if (before.EventName != message.EventName)
        {
            Change($"{name}.event", Text(before.EventName), Text(message.EventName));
        }

        if (before.RetryMilliseconds != message.RetryMilliseconds)
        {
            Change($"{name}.retry", Text(before.RetryMilliseconds), Text(message.RetryMilliseconds));
        }

        if (before.CloseCode != message.CloseCode || before.CloseReason != message.CloseReason)
        {
            Change($"{name}.close", Close(before.CloseCode, before.CloseReason), Close(message.CloseCode, message.CloseReason));
        }

        void Change(string target, string? from, string? to) => recorder.MutateMessage(new(actor, stage, target, from, to, Now()));
    }

    private static string Close(int code, string reason) => Text(string.Create(CultureInfo.InvariantCulture, $"{code} {reason}"))!.TrimEnd();

    private static string? Text(long? number) => number?.ToString(CultureInfo.InvariantCulture);

    private static string? Text(string? text) => text is null || text.Length <= MaxMutationText ? text : Text(Encoding.UTF8.GetBytes(text));

    // Text as text, anything else as its length: what a person compares is read, not decoded.
    private static string Text(ReadOnlySpan<byte> content)
    {
        for (var cut = content[..Math.Min(content.Length, MaxMutationText)]; ; cut = cut[..^1])
        {
            if (Utf8.IsValid(cut))
            {
                return cut.Length == content.Length ? Encoding.UTF8.GetString(cut)
                    : string.Create(CultureInfo.InvariantCulture, $"{Encoding.UTF8.GetString(cut)}… ({content.Length} octets)");
            }

            if (cut.Length == content.Length || cut.Length <= MaxMutationText - 3)
            {
                return Octets(content.Length);
            }
        }
    }
}
