using System.Text;
using RelayCore.Core.Flows;
using RelayCore.Core.Interception;
using RelayCore.Protocols;

namespace RelayCore.Engine.Capture;

/// <summary>The part that shows messages.</summary>
public sealed partial class CapturedFlow
{
    /// <summary>Messages shown within a flow; older ones are to be had page by page.</summary>
    public const int MaxMessages = 1000;

    /// <summary>Number of the last message; 0 without any.</summary>
    public long MessageCount => FlowFacts.Read(View).Messages;

    /// <summary>Messages in order.</summary>
    /// <param name="after">Number of the last one already seen; 0 for the oldest kept.</param>
    /// <param name="limit">How many at most.</param>
    /// <param name="maxContent">Octets of content shown of each; what is cut is marked.</param>
    /// <param name="maxTotal">Octets of content shown of all together; the first is shown even when it has more.</param>
    public List<FlowMessage> Messages(long after, int limit, int maxContent = MaxContent, long maxTotal = MaxContent)
    {
        var messages = new List<FlowMessage>();
        var first = Math.Max(after + 1, FlowFacts.Read(View).FirstMessage);
        Visit(first, record =>
        {
            if (messages.Count == limit || (maxTotal <= 0 && messages.Count > 0))
            {
                return false;
            }

            var message = Message(new(record), maxContent);
            messages.Add(message);
            maxTotal -= message.Content.Content.Length + (message.Received?.Content.Content.Length ?? 0);
            return true;
        });
        return messages;
    }

    /// <summary>The newest messages whose content fits, and how many there are before them in the capture and before that.</summary>
    private (List<FlowMessage> Shown, long Omitted, long Dropped) NewestMessages(FlowFacts facts, int maxContent)
    {
        if (facts.Messages == 0)
        {
            return ([], 0, 0);
        }

        // One look for the sizes, so that only what is shown is made.
        var sizes = new List<(long Number, long Octets)>();
        Visit(facts.FirstMessage, record =>
        {
            var message = new MessageRecord(record);
            sizes.Add((message.Number, Math.Min(maxContent, message.Content.Kept.Length) + Math.Min(maxContent, message.Received.Kept.Length)));
            return true;
        });
        var (from, total) = (sizes.Count, 0L);
        while (from > 0 && sizes.Count - from < MaxMessages && (total += sizes[from - 1].Octets) <= maxContent)
        {
            from--;
        }

        var shown = from == sizes.Count ? [] : Messages(sizes[from].Number - 1, sizes.Count - from, maxContent, long.MaxValue);
        return (shown, from, facts.Messages - sizes.Count);
    }

    private void Visit(long first, RecordVisitor visit)
    {
        var reader = new RecordReader(_sections.Span);
        var wanted = true;
        while (wanted && reader.TryTakeSection(out var tag, out var payload))
        {
            if (tag == SectionTag.Message && MessageRecord.NumberOf(payload.Rest) >= first)
            {
                wanted = visit(payload.Rest);
            }
        }

        if (wanted)
        {
            _messages?.Visit(first, record => MessageRecord.NumberOf(record) < first || visit(record));
        }
    }

    private FlowMessage Message(MessageRecord record, int maxContent)
    {
        var marks = record.Marks;
        var isChanged = (marks & MessageMarks.Changed) != 0;
        return new()
        {
            Id = $"{Id}:{record.Number.ToString(System.Globalization.CultureInfo.InvariantCulture)}",
            Number = record.Number,
            Timestamp = Time(_entry.StartedAt + record.At),
            Direction = record.Sender == PeerRole.Client ? "ClientToServer" : "ServerToClient",
            Opcode = record.Type.ToString(),
            Content = Content(record.Type, record.Content, record.Details, marks, maxContent),
            WireSize = record.WireOctets,
            CloseCode = CloseCode(record.Type, record.Details),
            CloseReason = CloseReasonOf(record.Type, record.Details),
            Event = Event(record.Details),
            Injected = (marks & MessageMarks.Injected) != 0,
            Dropped = (marks & MessageMarks.Dropped) != 0,
            Changed = isChanged,
            Compressed = (marks & MessageMarks.Compressed) != 0,
            Incomplete = (marks & MessageMarks.Final) == 0,
            Received = !isChanged ? null : new()
            {
                Opcode = record.ReceivedType.ToString(),
                Content = Content(record.ReceivedType, record.Received, record.ReceivedDetails, marks, maxContent),
                CloseCode = CloseCode(record.ReceivedType, record.ReceivedDetails),
                CloseReason = CloseReasonOf(record.ReceivedType, record.ReceivedDetails),
                Event = Event(record.ReceivedDetails),
            },
        };
    }

    private static FlowBody Content(MessageType type, ContentRecord content, MessageDetails details, MessageMarks marks, int maxContent)
    {
        if (type == MessageType.Close)
        {
            long size = details.CloseCode is 0 or 1005 ? 0 : 2 + details.CloseReason.Length;
            return new() { Encoding = "none", Content = "", Size = size, Captured = size };
        }

        var octets = content.Kept[..Math.Min(content.Kept.Length, maxContent)];
        var isCut = octets.Length < content.Kept.Length;
        var truncated = content.IsTruncated || (marks & MessageMarks.Truncated) != 0;

        // Binary that happens to be text reads better as text; text that is none must not be shown as if it were.
        var text = BodyMaker.Text(octets, mayEndInside: isCut || truncated || (marks & MessageMarks.Final) == 0);
        return new()
        {
            Encoding = text is null ? "base64" : "utf-8",
            Content = text ?? Convert.ToBase64String(octets),
            Size = content.Total,
            Captured = content.Kept.Length,
            Truncated = truncated,
            ContentTruncated = isCut,
        };
    }

    private static int? CloseCode(MessageType type, MessageDetails details) =>
        type != MessageType.Close ? null : details.CloseCode == 0 ? 1005 : details.CloseCode;

    private static string? CloseReasonOf(MessageType type, MessageDetails details) =>
        type == MessageType.Close ? Encoding.UTF8.GetString(details.CloseReason) : null;

    private static FlowEventFields? Event(MessageDetails details) =>
        !details.HasEventId && !details.HasEventName && details.RetryMilliseconds is null ? null
        : new(
            details.HasEventId ? Encoding.UTF8.GetString(details.EventId) : null,
            details.HasEventName ? Encoding.UTF8.GetString(details.EventName) : null,
            details.RetryMilliseconds);
}
