using RelayCore.Core.Interception;
using RelayCore.Protocols;
using RelayCore.Rules.Catalog;
using static RelayCore.Rules.Filters.FilterParts;

namespace RelayCore.Rules.Filters;

/// <summary>Filters of messages: content, direction, type.</summary>
internal static class MessageFilters
{
    private static readonly (string Name, MessageType Type)[] s_types =
    [
        ("text", MessageType.Text), ("binary", MessageType.Binary), ("ping", MessageType.Ping), ("pong", MessageType.Pong), ("close", MessageType.Close),
        ("event", MessageType.Event), ("line", MessageType.Line), ("grpc", MessageType.GrpcMessage),
    ];

    private static readonly (string Name, MessageProtocol Protocol)[] s_protocols =
    [
        ("websocket", MessageProtocol.WebSocket), ("sse", MessageProtocol.ServerSentEvents), ("ndjson", MessageProtocol.Ndjson), ("grpc", MessageProtocol.Grpc),
    ];

    /// <summary>All of them.</summary>
    public static IReadOnlyList<FilterType> All { get; } =
    [
        Matching("WebSocketMessage", RuleStage.Messages, "The content of a WebSocket message; of a binary one that is no UTF-8 also its base64.",
            """{"mode":"Contains","value":"ping"}""",
            static (context, matcher) => context.Message is { Protocol: MessageProtocol.WebSocket } message && Facts.Content(context, message.Content, matcher)),
        Matching("MessageContent", RuleStage.Messages, "The content of a message of any kind: WebSocket, event, JSON line, gRPC.",
            """{"mode":"Contains","value":"token"}""", static (context, matcher) => Facts.Content(context, context.Message?.Content, matcher)),
        new("Direction", RuleStage.Messages, "Who sent the message.",
            new() { Value = new("config", PropertyKind.Choice, "The sender: `client` or `server`.") { IsRequired = true, Values = ["client", "server"] } }, config =>
                DirectionCondition(config.Node.Text.Equals("client", StringComparison.OrdinalIgnoreCase) ? PeerRole.Client : PeerRole.Server))
        {
            Example = "\"server\"",
        },
        new("Opcode", RuleStage.Messages, "What the message is.",
            new() { Value = new("config", PropertyKind.Choice, "Its type.") { IsRequired = true, Values = [.. s_types.Select(x => x.Name)] } },
            config => OpcodeCondition(config.Node.Text))
        {
            Example = "\"binary\"",
        },
        new("MessageProtocol", RuleStage.Messages, "What carries the message.",
            new() { Value = new("config", PropertyKind.Choice, "Its protocol.") { IsRequired = true, Values = [.. s_protocols.Select(x => x.Name)] } }, config =>
            {
                var (name, protocol) = Array.Find(s_protocols, x => x.Name.Equals(config.Node.Text, StringComparison.OrdinalIgnoreCase));
                return new Fact<MessageProtocol>($"MessageProtocol {name}", RuleStage.Messages, protocol, static (context, protocol) => context.Message?.Protocol == protocol);
            })
        {
            Example = "\"sse\"",
        },
        Sized("MessageSize", RuleStage.Messages, "Octets of the content of the message, decompressed.", """{"min":"64KiB"}""",
            static (context, sizes) => context.Message is { } message && sizes.Has(message.Content.Length)),
        Matching("EventName", RuleStage.Messages, "The name of an event of an event stream; `message` when it says none.", "\"delta\"",
            static (context, matcher) => context.Message is { Type: MessageType.Event } message && matcher.Matches((message.EventName ?? "message").AsSpan(), context)),
        Matching("EventId", RuleStage.Messages, "The id of an event of an event stream.", "\"42\"",
            static (context, matcher) => Facts.Text(context.Message?.EventId, context, matcher)),
    ];

    internal static Condition DirectionCondition(PeerRole sender) => new Fact<PeerRole>(
        $"Direction {(sender == PeerRole.Client ? "client" : "server")}", RuleStage.Messages, sender, static (context, sender) => context.Message?.Sender == sender);

    internal static Condition? OpcodeCondition(string text)
    {
        var (name, type) = Array.Find(s_types, x => x.Name.Equals(text, StringComparison.OrdinalIgnoreCase));
        return name is null ? null : new Fact<MessageType>($"Opcode {name}", RuleStage.Messages, type, static (context, type) => context.Message?.Type == type);
    }
}
