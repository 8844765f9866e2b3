using RelayCore.Core.Flows;
using RelayCore.Protocols;

namespace RelayCore.Core.Interception;

/// <summary>
/// The messages of a flow: a WebSocket, or a body that is a stream of messages. Shares tags, variables and matched rules with the exchange
/// it belongs to. Its methods may be called for both directions at the same time.
/// </summary>
public sealed class MessageContext : FlowContext
{
    /// <summary>Messages that no exchange carries.</summary>
    public MessageContext(MessageProtocol protocol, IMessageSession session) => (Protocol, Session) = (protocol, session);

    /// <summary>Messages of an exchange: the handshake of a WebSocket, or the exchange whose body they are.</summary>
    public MessageContext(MessageProtocol protocol, IMessageSession session, Exchange exchange)
        : this(protocol, session)
    {
        Exchange = exchange;
        Share(exchange);
    }

    /// <summary>The handshake, or the exchange whose body the messages are.</summary>
    public Exchange? Exchange { get; }

    /// <summary>What carries the messages.</summary>
    public MessageProtocol Protocol { get; }

    /// <summary>To inject messages and to close; usable from any thread, also after the method returned.</summary>
    public IMessageSession Session { get; }
}

/// <summary>A running session of messages, for whoever wants to say something in it. Safe for concurrent use.</summary>
public interface IMessageSession
{
    /// <summary>The flow.</summary>
    FlowId Flow { get; }

    /// <summary>Adds a message as if <paramref name="sender"/> had sent it, between two of its own.</summary>
    /// <param name="sender">Whose message it pretends to be; the other peer gets it.</param>
    /// <param name="message">The message; its content may not change afterwards.</param>
    /// <returns>
    /// <see langword="false"/> when the session is over or does not carry messages of that sender or type, or when its queue
    /// (<see cref="MessageQueueLimits"/>) is full.
    /// </returns>
    bool TryInject(PeerRole sender, OutgoingMessage message);

    /// <summary>Closes towards both peers; a WebSocket with code and reason, a body by ending it.</summary>
    /// <param name="code">1000 to 4999 as RFC 6455 §7.4 allows on the wire.</param>
    /// <param name="reason">At most 123 octets of UTF-8.</param>
    /// <returns><see langword="false"/> when it is over, or <paramref name="code"/> or <paramref name="reason"/> cannot be sent.</returns>
    bool TryClose(int code, string reason);
}

/// <summary>A message to be injected.</summary>
/// <param name="Type">What it is; it must fit what the session carries.</param>
/// <param name="Content">Not encoded; for an event the data field. Kept by reference.</param>
public sealed record OutgoingMessage(MessageType Type, ReadOnlyMemory<byte> Content)
{
    /// <summary>Id of an event; without line ends and NUL.</summary>
    /// <exception cref="ArgumentException">It has a line end or NUL.</exception>
    public string? EventId
    {
        get;
        init
        {
            Message.Refuse(value, "\r\n\0", nameof(EventId));
            field = value;
        }
    }

    /// <summary>Name of an event; without line ends.</summary>
    /// <exception cref="ArgumentException">It has a line end.</exception>
    public string? EventName
    {
        get;
        init
        {
            Message.Refuse(value, "\r\n", nameof(EventName));
            field = value;
        }
    }

    /// <summary>Reconnection time of an event, in milliseconds; not negative.</summary>
    public long? RetryMilliseconds
    {
        get;
        init
        {
            ArgumentOutOfRangeException.ThrowIfNegative(value ?? 0);
            field = value;
        }
    }

    /// <summary>Code of a close.</summary>
    public int CloseCode { get; init; }

    /// <summary>Reason of a close.</summary>
    public string CloseReason { get; init; } = "";
}

/// <summary>Bounds on messages that wait to be injected into one session.</summary>
public static class MessageQueueLimits
{
    /// <summary>Messages waiting.</summary>
    public const int MaxMessages = 64;

    /// <summary>Octets of their content.</summary>
    public const int MaxOctets = 1024 * 1024;
}
