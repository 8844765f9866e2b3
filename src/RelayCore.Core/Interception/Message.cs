using RelayCore.Protocols;

namespace RelayCore.Core.Interception;

/// <summary>What carries messages.</summary>
public enum MessageProtocol : byte
{
    /// <summary>A WebSocket (RFC 6455).</summary>
    WebSocket,

    /// <summary>A body of <c>text/event-stream</c>.</summary>
    ServerSentEvents,

    /// <summary>A body of JSON values, one a line.</summary>
    Ndjson,

    /// <summary>A body of gRPC or gRPC-web.</summary>
    Grpc,
}

/// <summary>What a message is.</summary>
public enum MessageType : byte
{
    /// <summary>WebSocket text; UTF-8.</summary>
    Text,

    /// <summary>WebSocket binary.</summary>
    Binary,

    /// <summary>WebSocket ping; at most 125 octets.</summary>
    Ping,

    /// <summary>WebSocket pong; at most 125 octets.</summary>
    Pong,

    /// <summary>WebSocket close; code and reason instead of content.</summary>
    Close,

    /// <summary>An event of an event stream; its content is the data field.</summary>
    Event,

    /// <summary>A line of JSON, without its line end.</summary>
    Line,

    /// <summary>A length-prefixed gRPC message, without its prefix.</summary>
    GrpcMessage,
}

/// <summary>
/// One message on its way, for interceptors. Belongs to a session and is reused: valid until the method returns, copy what you keep.
/// Untouched, it leaves in the form it was received in.
/// </summary>
public sealed class Message
{
    /// <summary>What carries it.</summary>
    public MessageProtocol Protocol { get; private set; }

    /// <summary>What it is.</summary>
    public MessageType Type { get; private set; }

    /// <summary>Who sent it, or for whom it was injected.</summary>
    public PeerRole Sender { get; private set; }

    /// <summary>Content as it will leave, decoded (inflated, unmasked); for an event the data field, empty for a close.</summary>
    public ReadOnlyMemory<byte> Content { get; private set; }

    /// <summary>Everything as received; its content is the same memory as <see cref="Content"/> until somebody replaces that.</summary>
    public SavedMessage AsReceived { get; private set; }

    /// <summary>Whether it was compressed as received: permessage-deflate, or the flag of gRPC.</summary>
    public bool IsCompressed { get; private set; }

    /// <summary>Whether an actor put it there.</summary>
    public bool IsInjected { get; private set; }

    /// <summary>Whether it goes no further.</summary>
    public bool IsDropped { get; private set; }

    /// <summary>Whether an actor changed something; then it leaves encoded anew.</summary>
    public bool IsChanged { get; private set; }

    /// <summary>Id of an event; <see langword="null"/> when it has none. Without line ends and NUL.</summary>
    /// <exception cref="ArgumentException">It has a line end or NUL.</exception>
    public string? EventId
    {
        get;
        set
        {
            Refuse(value, "\r\n\0", nameof(EventId));
            IsChanged |= field != value;
            field = value;
        }
    }

    /// <summary>Name of an event; <see langword="null"/> for the default, <c>message</c>. Without line ends.</summary>
    /// <exception cref="ArgumentException">It has a line end.</exception>
    public string? EventName
    {
        get;
        set
        {
            Refuse(value, "\r\n", nameof(EventName));
            IsChanged |= field != value;
            field = value;
        }
    }

    /// <summary>Reconnection time of an event, in milliseconds, not negative; <see langword="null"/> when it says none.</summary>
    public long? RetryMilliseconds
    {
        get;
        set
        {
            ArgumentOutOfRangeException.ThrowIfNegative(value ?? 0);
            IsChanged |= field != value;
            field = value;
        }
    }

    /// <summary>Code of a close; 1005 when it has none (RFC 6455 §7.4.1).</summary>
    public int CloseCode
    {
        get;
        set
        {
            IsChanged |= field != value;
            field = value;
        }
    }

    /// <summary>Reason of a close; at most 123 octets of UTF-8.</summary>
    public string CloseReason
    {
        get;
        set
        {
            IsChanged |= !string.Equals(field, value, StringComparison.Ordinal);
            field = value;
        }
    }
    = "";

    /// <summary>Where the interceptor that is being called says for whom it acts; <see langword="null"/> where nothing is recorded.</summary>
    public IActorLog? ActorLog { get; set; }

    /// <summary>Whether it is a ping, pong or close.</summary>
    public bool IsControl => Type is MessageType.Ping or MessageType.Pong or MessageType.Close;

    /// <summary>Replaces the content; framing, compression and masking are the session's.</summary>
    /// <param name="content">Kept by reference until the message has left.</param>
    public void Replace(ReadOnlyMemory<byte> content) => (Content, IsChanged) = (content, true);

    /// <summary>Replaces content and type of WebSocket data.</summary>
    /// <param name="content">Kept by reference until the message has left; UTF-8 for text.</param>
    /// <param name="type"><see cref="MessageType.Text"/> or <see cref="MessageType.Binary"/>.</param>
    /// <exception cref="ArgumentException">The message, or what it should become, is not WebSocket data.</exception>
    public void Replace(ReadOnlyMemory<byte> content, MessageType type)
    {
        if (type != Type && (type > MessageType.Binary || Type > MessageType.Binary))
        {
            throw new ArgumentException($"a message of type {Type} cannot become {type}", nameof(type));
        }

        (Content, Type, IsChanged) = (content, type, true);
    }

    /// <summary>Keeps it from going on; later interceptors do not see it.</summary>
    public void Drop() => IsDropped = true;

    /// <summary>Sets a message as received; for sessions.</summary>
    /// <param name="protocol">What carries it.</param>
    /// <param name="type">What it is.</param>
    /// <param name="sender">Who sent it.</param>
    /// <param name="content">Decoded; the session's, valid while interceptors run.</param>
    /// <param name="isCompressed">Whether it was compressed.</param>
    /// <param name="isInjected">Whether an actor put it there.</param>
    public void Load(
        MessageProtocol protocol, MessageType type, PeerRole sender, ReadOnlyMemory<byte> content, bool isCompressed = false, bool isInjected = false)
    {
        (Protocol, Type, Sender, Content) = (protocol, type, sender, content);
        (EventId, EventName, RetryMilliseconds, CloseCode, CloseReason) = (null, null, null, 0, "");
        (IsCompressed, IsInjected, IsDropped, IsChanged) = (isCompressed, isInjected, false, false);
        AsReceived = Save();
    }

    /// <summary>Sets the fields of an event as received; for sessions, after the message is loaded.</summary>
    public void LoadEvent(string? id, string? name, long? retryMilliseconds)
    {
        (EventId, EventName, RetryMilliseconds) = (id, name, retryMilliseconds);
        IsChanged = false;
        AsReceived = Save();
    }

    /// <summary>Sets code and reason of a close as received; for sessions, after the message is loaded.</summary>
    public void LoadClose(int code, string reason)
    {
        (CloseCode, CloseReason) = (code, reason);
        IsChanged = false;
        AsReceived = Save();
    }

    /// <summary>Sets an injected message; for sessions.</summary>
    public void Load(MessageProtocol protocol, PeerRole sender, OutgoingMessage message)
    {
        Load(protocol, message.Type, sender, message.Content, isInjected: true);
        LoadEvent(message.EventId, message.EventName, message.RetryMilliseconds);
        LoadClose(message.CloseCode, message.CloseReason);
    }

    /// <summary>Everything an actor may change; for the pipeline.</summary>
    public SavedMessage Save() =>
        new(Content, Type, IsDropped, IsChanged, EventId, EventName, RetryMilliseconds, CloseCode, CloseReason);

    /// <summary>Takes back what an actor that failed made of it; for the pipeline.</summary>
    public void Restore(in SavedMessage saved)
    {
        (Content, Type, IsDropped) = (saved.Content, saved.Type, saved.IsDropped);
        (EventId, EventName, RetryMilliseconds) = (saved.EventId, saved.EventName, saved.RetryMilliseconds);
        (CloseCode, CloseReason) = (saved.CloseCode, saved.CloseReason);
        IsChanged = saved.IsChanged;
    }

    internal static void Refuse(string? value, ReadOnlySpan<char> characters, string name)
    {
        if (value is not null && value.AsSpan().ContainsAny(characters))
        {
            throw new ArgumentException("it may not have line ends or NUL: they would end the field", name);
        }
    }
}

/// <summary>What of a message an actor may change, at one moment.</summary>
/// <param name="Content">Content.</param>
/// <param name="Type">Type.</param>
/// <param name="IsDropped">Whether it was dropped.</param>
/// <param name="IsChanged">Whether it was changed.</param>
/// <param name="EventId">Id of an event.</param>
/// <param name="EventName">Name of an event.</param>
/// <param name="RetryMilliseconds">Reconnection time.</param>
/// <param name="CloseCode">Code of a close.</param>
/// <param name="CloseReason">Reason of a close.</param>
public readonly record struct SavedMessage(
    ReadOnlyMemory<byte> Content, MessageType Type, bool IsDropped, bool IsChanged, string? EventId, string? EventName, long? RetryMilliseconds,
    int CloseCode, string CloseReason);
