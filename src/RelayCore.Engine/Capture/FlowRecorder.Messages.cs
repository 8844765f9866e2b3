using System.Text;
using RelayCore.Core.Flows;
using RelayCore.Core.Interception;
using RelayCore.Protocols;

namespace RelayCore.Engine.Capture;

/// <summary>The part that keeps the history of messages. Unlike the rest it may be called for both directions at the same time.</summary>
public sealed partial class FlowRecorder
{
    /// <summary>Octets of messages that stand in the record itself: a flow with a few small ones needs no block.</summary>
    internal const int InlineMessages = 4 * 1024;

    /// <summary>Octets kept of an event's id or name.</summary>
    internal const int MaxMessageText = 1024;

    private const int MaxMessageMutations = 256;

    private long _messages;
    private long _firstMessage;
    private int _inlineMessages;
    private int _messageMutations;
    private bool _announced;
    private int _clientStream;
    private int _serverStream;
    private PeerRole? _closedBy;
    private int _closeCode;
    private string _closeReason = "";

    /// <summary>Octets of a message's content that are kept; giving more is allowed and in vain.</summary>
    public int MessageCapture => _store.MaxMessageCapture;

    /// <summary>Says that the flow is something else now: an exchange became a WebSocket.</summary>
    public void Become(FlowKind kind)
    {
        lock (_gate)
        {
            _kind = kind;
        }
    }

    /// <summary>Streams of HTTP/2 that carry the exchange; 0 for a side that speaks HTTP/1, or is not known yet.</summary>
    public void Streams(int clientStream, int serverStream)
    {
        lock (_gate)
        {
            (_clientStream, _serverStream) = (clientStream, serverStream);
        }
    }

    /// <summary>Who closed a WebSocket; the first call counts.</summary>
    /// <param name="by">Whose close frame, or end of connection, was first; <see langword="null"/> for the proxy itself.</param>
    /// <param name="code">Code as received; 1005 for none, 1006 for a connection that ended without a close frame.</param>
    /// <param name="reason">Reason as received.</param>
    public void Closed(PeerRole? by, int code, string reason)
    {
        lock (_gate)
        {
            if (_closeCode == 0)
            {
                (_closedBy, _closeCode, _closeReason) = (by, code, reason);
            }
        }
    }

    /// <summary>Appends a message to the history of the flow.</summary>
    /// <param name="sender">Who sent it, or for whom it was injected.</param>
    /// <param name="type">What it is.</param>
    /// <param name="marks">Facts; with <see cref="MessageMarks.Changed"/> give <paramref name="received"/> too.</param>
    /// <param name="content">Content as it left, decoded; copied, at most <see cref="MessageCapture"/> octets.</param>
    /// <param name="wireOctets">Octets it had on the wire as received, with framing; 0 for an injected one.</param>
    /// <param name="timestamp">Monotonic timestamp of its last octet.</param>
    /// <param name="details">Fields of an event or close.</param>
    /// <param name="received">Content as received, of a changed message.</param>
    public void Message(
        PeerRole sender, MessageType type, MessageMarks marks, ReadOnlySpan<byte> content, long wireOctets, long timestamp,
        scoped in MessageDetails details = default, ReadOnlySpan<byte> received = default) =>
        Append(sender, type, marks, content, wireOctets, timestamp, details, type, received, details);

    /// <summary>Appends a message that interceptors saw, with both views when they changed it.</summary>
    /// <param name="message">The message as they left it.</param>
    /// <param name="wireOctets">Octets it had on the wire as received, with framing; 0 for an injected one.</param>
    /// <param name="timestamp">Monotonic timestamp of its last octet.</param>
    /// <param name="marks">What the message itself does not say: <see cref="MessageMarks.Truncated"/>.</param>
    public void Message(Message message, long wireOctets, long timestamp, MessageMarks marks = MessageMarks.Final)
    {
        marks |= (message.IsInjected ? MessageMarks.Injected : 0) | (message.IsChanged ? MessageMarks.Changed : 0)
            | (message.IsDropped ? MessageMarks.Dropped : 0) | (message.IsCompressed ? MessageMarks.Compressed : 0);
        var received = message.AsReceived;
        Append(
            message.Sender, message.Type, marks, message.Content.Span, wireOctets, timestamp,
            Details(message.EventId, message.EventName, message.RetryMilliseconds, message.CloseCode, message.CloseReason),
            received.Type, message.IsChanged ? received.Content.Span : default,
            message.IsChanged
                ? Details(received.EventId, received.EventName, received.RetryMilliseconds, received.CloseCode, received.CloseReason)
                : default);
    }

    /// <summary>
    /// Records what an actor changed in a message. The first 256 of a flow are kept: a socket may carry any number, and each message has both views.
    /// </summary>
    internal void MutateMessage(Mutation mutation)
    {
        if (Interlocked.Increment(ref _messageMutations) <= MaxMessageMutations)
        {
            Mutate(mutation);
        }
        else
        {
            Mark(FlowMarks.MutationsDropped);
        }
    }

    /// <summary>Says that a reader is about to look at the messages; the next one is announced again.</summary>
    /// <returns>Number of the last message; -1 when that flow is not running here.</returns>
    internal long Acknowledge(FlowId id)
    {
        lock (_gate)
        {
            if (!_active || _id != id)
            {
                return -1;
            }

            _announced = false;
            return _messages;
        }
    }

    /// <summary>Has the next message announced, whichever flow is running.</summary>
    internal void Acknowledge()
    {
        lock (_gate)
        {
            _announced = false;
        }
    }

    private static MessageDetails Details(string? id, string? name, long? retry, int closeCode, string closeReason) => MessageDetails.Read(
        id is null ? [] : Encoding.UTF8.GetBytes(id), id is not null, name is null ? [] : Encoding.UTF8.GetBytes(name), name is not null,
        retry, closeCode, closeReason.Length == 0 ? [] : Encoding.UTF8.GetBytes(closeReason));

    private void Append(
        PeerRole sender, MessageType type, MessageMarks marks, ReadOnlySpan<byte> content, long wireOctets, long timestamp, scoped in MessageDetails details,
        MessageType receivedType, ReadOnlySpan<byte> received, scoped in MessageDetails receivedDetails)
    {
        FlowId id;
        long number;
        bool announce;
        lock (_gate)
        {
            if (!_active)
            {
                return;
            }

            number = ++_messages;
            if (_kind == FlowKind.WebSocket)
            {
                _bodies[(int)sender].Total += wireOctets;
            }

            var limit = _store.MaxMessageCapture;
            var left = new ContentRecord(content, details.ContentOctets ?? 0, limit);
            var was = new ContentRecord(received, 0, limit);
            var fields = Cut(details);
            var wasFields = Cut(receivedDetails);
            if (left.IsTruncated || was.IsTruncated || (marks & MessageMarks.Truncated) != 0)
            {
                marks |= MessageMarks.Truncated;
                Mark(FlowMarks.MessageTruncated);
                _truncated = true;
            }

            Store(sender, type, marks, number, wireOctets, _store.Microseconds(_startTimestamp, timestamp), left, fields, receivedType, was, wasFields);
            (id, announce, _announced) = (_id, !_announced, true);
        }

        if (announce)
        {
            _store.Listener?.MessageAppended(id, number);
        }
    }

    private void Store(
        PeerRole sender, MessageType type, MessageMarks marks, long number, long wireOctets, long at, scoped in ContentRecord content,
        scoped in MessageDetails details, MessageType receivedType, scoped in ContentRecord received, scoped in MessageDetails receivedDetails)
    {
        var octets = MessageRecord.Bound(content.Kept.Length, received.Kept.Length, details, receivedDetails);
        var history = _blocks?.Messages;
        var isInline = history is null && _inlineMessages + octets <= InlineMessages;
        if (!isInline && history is null)
        {
            _blocks ??= new(_store);
            history = _blocks.Messages = new(_store);
        }

        // Inline ones come first: from the first block on everything goes there.
        var writer = isInline ? Open(octets) : new RecordWriter(history!.Reserve(octets, number));
        MessageRecord.Write(ref writer, sender, type, marks, number, at, wireOctets, content, details, receivedType, received, receivedDetails);
        if (!writer.Overflowed)
        {
            if (isInline)
            {
                _inlineMessages += writer.Position;
                Close(SectionTag.Message, ref writer, ref octets);
            }
            else
            {
                history!.Commit(writer.Position);
            }
        }
        else
        {
            Mark(FlowMarks.CaptureBudgetExceeded | FlowMarks.MessagesDropped);
            _truncated = true;
        }

        var first = Math.Max(number - _store.MaxMessages + 1, history?.FirstKept ?? 0);
        if (first > _firstMessage)
        {
            _firstMessage = first;
            history?.Forget(first);
            Mark(FlowMarks.MessagesDropped);
            _truncated = true;
        }
    }

    private static MessageDetails Cut(scoped in MessageDetails details) =>
        details.EventId.Length <= MaxMessageText && details.EventName.Length <= MaxMessageText && details.CloseReason.Length <= MaxMessageText
            ? details
            : MessageDetails.Read(
                Cut(details.EventId), details.HasEventId, Cut(details.EventName), details.HasEventName, details.RetryMilliseconds, details.CloseCode,
                Cut(details.CloseReason));

    private static ReadOnlySpan<byte> Cut(ReadOnlySpan<byte> text) => text[..Math.Min(text.Length, MaxMessageText)];
}
