using RelayCore.Core.Flows;
using RelayCore.Core.Interception;
using RelayCore.Protocols;

namespace RelayCore.Engine.Capture;

/// <summary>The part that keeps the history of messages. Unlike the rest it may be called for both directions at the same time.</summary>
public sealed partial class FlowRecorder
{
    private const int MaxMessageMutations = 256;

    private long _messages;
    private int _messageMutations;

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

    /// <summary>Streams of HTTP/2 that carry the exchange; 0 for a side that speaks HTTP/1.</summary>
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
        scoped in MessageDetails details = default, ReadOnlySpan<byte> received = default)
    {
        lock (_gate)
        {
            _messages += _active ? 1 : 0;
        }
    }

    /// <summary>Appends a message that interceptors saw, with both views when they changed it.</summary>
    /// <param name="message">The message as they left it.</param>
    /// <param name="wireOctets">Octets it had on the wire as received, with framing; 0 for an injected one.</param>
    /// <param name="timestamp">Monotonic timestamp of its last octet.</param>
    public void Message(Message message, long wireOctets, long timestamp)
    {
        lock (_gate)
        {
            _messages += _active ? 1 : 0;
        }
    }

    /// <summary>Records what an actor changed in a message. The first 256 of a flow are kept: a socket may carry any number, and each message has both views.</summary>
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
}
