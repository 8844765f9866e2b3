using System.Globalization;
using RelayCore.Core.Interception;
using RelayCore.Rules.Actions.Bodies;
using RelayCore.Rules.Actions.Messages;
using RelayCore.Rules.Catalog;
using RelayCore.Rules.Documents;

namespace RelayCore.Rules.Actions;

/// <summary>Actions on messages: of WebSockets, event streams, JSON lines and gRPC.</summary>
internal static class MessageActions
{
    private const int MaxDelay = 10 * 60 * 1000;

    private static readonly Property s_type = new("type", PropertyKind.Choice, "WebSocket: type of the data; default as it is, or as the content is given.") { Values = ["text", "binary"] };

    /// <summary>All of them.</summary>
    public static IReadOnlyList<ActionType> All { get; } =
    [
        new("MockWebSocketMessage", RuleStage.WebSocketMessage,
            "Puts a text in place of the message; when direction is not the message's own, the message is dropped and the text goes the other way.",
            Shape.Of(
                new Property("direction", PropertyKind.Choice, "Incoming is what the client receives, Outgoing what it sends; default as the message.") { Values = MessageEdit.Directions },
                new Property("message", PropertyKind.Template, "The text.") { IsRequired = true }),
            c => new MockWebSocketMessage(c.Template("message"), MessageEdit.Sender(c, "direction")))
        {
            Example = """{"direction":"Incoming","message":"{}"}""",
        },
        new("DropWebSocketMessage", RuleStage.WebSocketMessage, "Discards the message.", Shape.None, _ => new DropMessage()),
        new("DropMessage", RuleStage.Messages, "Discards the message.", Shape.None, _ => new DropMessage()),
        new("SetMessage", RuleStage.Messages, "Replaces the content of the message; of an event its data.",
            Shape.Of(new Property("content", PropertyKind.BodySource, "The content: {type: Text|File|Base64, value}, or a text.") { IsRequired = true }, s_type),
            c => BodySource.Compile(c["content"]!, c.Scope) is { } source ? new SetMessage(source, Type(c)) : null)
        {
            Example = """{"content":"{\"type\":\"pong\"}"}""",
        },
        new("TransformMessage", RuleStage.Messages, "Edits the content of the message; what is not meant keeps its octets.", Shape.Of(ContentTransform.Property),
            c => ContentTransform.Compile(c.Object("transform")) is { } transform ? new TransformMessage(transform) : null)
        {
            Example = """{"transform":{"type":"JsonPathSet","config":{"path":"$.price","value":0}}}""",
        },
        new("InjectMessage", RuleStage.Messages, "Sends one more message in the session, towards either side; does nothing for messages that were injected.",
            Shape.Of(
                new Property("direction", PropertyKind.Choice, "Incoming is what the client receives, Outgoing what it sends; default as the message.") { Values = MessageEdit.Directions },
                new Property("content", PropertyKind.Template, "Text; of an event its data."),
                new Property("base64", PropertyKind.Text, "Octets instead of a text."),
                s_type,
                new Property("event", PropertyKind.Template, "Event stream: name of the event."),
                new Property("id", PropertyKind.Template, "Event stream: id of the event."),
                new Property("retry", PropertyKind.Integer, "Event stream: reconnection time, in milliseconds.") { Min = 0, Max = int.MaxValue }),
            Inject)
        {
            Example = """{"direction":"Incoming","content":"{\"type\":\"notice\"}"}""",
        },
        new("DelayMessage", RuleStage.Messages, "Holds the message, and so those of its direction behind it, for a time.",
            Shape.Of(
                new Property("ms", PropertyKind.Integer, "Milliseconds.") { IsRequired = true, Min = 0, Max = MaxDelay },
                new Property("jitter_ms", PropertyKind.Integer, "Up to so many milliseconds more, by chance.") { Default = "0", Min = 0, Max = MaxDelay }),
            c => new DelayMessage(TimeSpan.FromMilliseconds(c.Integer("ms")), TimeSpan.FromMilliseconds(c.Integer("jitter_ms"))))
        {
            Example = """{"ms":250,"jitter_ms":100}""",
        },
        new("CloseMessages", RuleStage.Messages, "Ends the session towards both peers: a WebSocket by a close with code and reason, a body by its end.",
            Shape.Of(
                new Property("code", PropertyKind.Integer, "Code of the close (RFC 6455 §7.4).") { Default = "1000", Min = 1000, Max = 4999 },
                new Property("reason", PropertyKind.Template, "Reason; at most 123 octets.") { Default = "\"\"" }),
            Close)
        {
            Example = """{"code":1001,"reason":"going away"}""",
        },
        new("SetEvent", RuleStage.Message, "Sets fields of a server-sent event beside its data; null removes one.",
            Shape.Of(
                new Property("event", PropertyKind.Template, "Name.") { MayBeNull = true },
                new Property("id", PropertyKind.Template, "Id.") { MayBeNull = true },
                new Property("retry", PropertyKind.Integer, "Reconnection time, in milliseconds.") { MayBeNull = true, Min = 0, Max = int.MaxValue }),
            SetFields)
        {
            Example = """{"event":"update","id":"42"}""",
        },
    ];

    private static MessageType? Type(ConfigReader config) =>
        !config.Has("type") ? null : config.Text("type").Equals("text", StringComparison.OrdinalIgnoreCase) ? MessageType.Text : MessageType.Binary;

    private static InjectMessage? Inject(ConfigReader config)
    {
        if (config.Has("content") == config.Has("base64"))
        {
            config.Error("RULE-509", "content", "An injected message has either 'content', a text, or 'base64', octets.");
            return null;
        }

        var octets = Array.Empty<byte>();
        if (config.Has("base64") && BodySource.CompileBase64(config["base64"]!, config.Scope) is var source)
        {
            if (source is null)
            {
                return null;
            }

            octets = source.Octets.ToArray();
        }

        return new()
        {
            Sender = MessageEdit.Sender(config, "direction"),
            Text = config.Has("content") ? config.Template("content") : null,
            Octets = octets,
            Type = Type(config),
            EventName = config.Has("event") ? config.Template("event") : null,
            EventId = config.Has("id") ? config.Template("id") : null,
            Retry = config.Has("retry") ? config.Integer("retry") : null,
        };
    }

    private static CloseMessages? Close(ConfigReader config)
    {
        var (code, reason) = (config.Integer("code", 1000), config.Template("reason"));
        if (MessageEdit.CloseProblem(code, reason.IsConstant ? config.Text("reason") : "") is { } problem)
        {
            config.Error("RULE-509", config.Has("code") ? "code" : "reason", string.Create(CultureInfo.InvariantCulture, $"The session cannot be closed so: {problem}."),
                "Codes are 1000 to 1003, 1007 to 1014, and 3000 to 4999.");
            return null;
        }

        return new((int)code, reason);
    }

    private static SetEvent? SetFields(ConfigReader config)
    {
        string[] fields = ["event", "id", "retry"];
        if (fields.All(x => config[x] is null))
        {
            config.Error("RULE-509", "config", "There is no field to be set.", "Give event, id or retry; null removes it.");
            return null;
        }

        return new(
            config.Has("event") ? config.Template("event") : null, config.Has("id") ? config.Template("id") : null,
            config.Has("retry") ? config.Integer("retry") : null, [.. fields.Where(x => config[x] is { Kind: NodeKind.Null })]);
    }
}
