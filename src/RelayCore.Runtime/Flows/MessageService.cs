using System.Text;
using System.Text.Unicode;
using RelayCore.Core.Flows;
using RelayCore.Core.Interception;
using RelayCore.Engine.Capture;
using RelayCore.Engine.Messages;
using RelayCore.Protocols;

namespace RelayCore.Runtime.Flows;

/// <summary>Saying something in running sessions of messages: WebSockets, event streams, JSON lines, gRPC. Safe for concurrent use.</summary>
public sealed class MessageService(FlowStore store, MessageSessions sessions)
{
    private const int MaxControlContent = 125; // RFC 6455 §5.5

    /// <summary>Adds a message as if a peer had sent it.</summary>
    /// <param name="flow">Flow of the session.</param>
    /// <param name="sender">Whose message it pretends to be; the other peer gets it.</param>
    /// <param name="message">The message.</param>
    public MessageResult Inject(FlowId flow, PeerRole sender, OutgoingMessage message)
    {
        ArgumentNullException.ThrowIfNull(message);
        return Problem(message) is { } problem ? new(MessageOutcome.Invalid, problem)
            : Find(flow, out var result) is not { } session ? result
            : session.TryInject(sender, message) ? new(MessageOutcome.Done, "")
            : new(
                MessageOutcome.Refused,
                $"The session does not take it: {Words(message.Type)} of the {Words(sender)} do not fit it, too many messages wait, or it is ending.");
    }

    /// <summary>Closes a session towards both peers.</summary>
    /// <param name="flow">Flow of the session.</param>
    /// <param name="code">1000 to 4999, without those RFC 6455 §7.4.1 keeps off the wire.</param>
    /// <param name="reason">At most 123 octets of UTF-8.</param>
    public MessageResult Close(FlowId flow, int code, string reason) =>
        code is < 1000 or > 4999 or 1004 or 1005 or 1006 or 1015
            ? new(MessageOutcome.Invalid, "A close has a code from 1000 to 4999, but not 1004, 1005, 1006 or 1015.")
        : Encoding.UTF8.GetByteCount(reason) > MaxControlContent - 2 ? new(MessageOutcome.Invalid, "The reason of a close has at most 123 octets.")
        : Find(flow, out var result) is not { } session ? result
        : session.TryClose(code, reason) ? new(MessageOutcome.Done, "")
        : new(MessageOutcome.Refused, "The session is ending already.");

    private static string? Problem(OutgoingMessage message) => message.Type switch
    {
        MessageType.Close => "A close is no message to inject; close the session.",
        MessageType.Ping or MessageType.Pong when message.Content.Length > MaxControlContent => "A ping or pong has at most 125 octets.",
        MessageType.Text or MessageType.Event when !Utf8.IsValid(message.Content.Span) => "The content of this message has to be UTF-8.",
        MessageType.Line when message.Content.Span.ContainsAny((byte)'\r', (byte)'\n') => "A line has no line end within it.",
        _ when message.Content.Length > MessageQueueLimits.MaxOctets => "An injected message has at most 1 MiB.",
        _ => null,
    };

    private IMessageSession? Find(FlowId flow, out MessageResult result)
    {
        result = default;
        if (sessions.TryGet(flow, out var session))
        {
            return session;
        }

        using var captured = store.Find(flow);
        result = captured is null ? new(MessageOutcome.UnknownFlow, "There is no such flow: it is unknown, or had to go.")
            : !captured.IsRunning ? new(MessageOutcome.FlowOver, "The flow is over.")
            : new(MessageOutcome.NoSession, "The flow does not carry messages.");
        return null;
    }

    private static string Words(PeerRole sender) => sender == PeerRole.Client ? "client" : "server";

    private static string Words(MessageType type) => type switch
    {
        MessageType.Text => "text messages",
        MessageType.Binary => "binary messages",
        MessageType.Ping => "pings",
        MessageType.Pong => "pongs",
        MessageType.Event => "events",
        MessageType.Line => "lines",
        _ => "gRPC messages",
    };
}

/// <summary>What became of something to be said in a session.</summary>
/// <param name="Outcome">What.</param>
/// <param name="Detail">One sentence for a person; empty when it is done.</param>
public readonly record struct MessageResult(MessageOutcome Outcome, string Detail);

/// <summary>What became of something to be said in a session.</summary>
public enum MessageOutcome
{
    /// <summary>It waits to be sent, or is.</summary>
    Done,

    /// <summary>There is no such flow.</summary>
    UnknownFlow,

    /// <summary>The flow has ended.</summary>
    FlowOver,

    /// <summary>The flow carries no messages.</summary>
    NoSession,

    /// <summary>The session does not take it now, or at all.</summary>
    Refused,

    /// <summary>It can be sent in no session.</summary>
    Invalid,
}
