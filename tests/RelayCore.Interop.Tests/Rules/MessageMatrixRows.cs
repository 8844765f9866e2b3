namespace RelayCore.Interop.Tests.Rules;

/// <summary>Every filter and action of messages, on WebSockets.</summary>
internal static class MessageMatrixRows
{
    private const string Query = """{"id":"1","type":"subscribe","payload":{"query":"subscription OnPrice { price }","note":"*"}}""";
    private const string OtherQuery = """{"id":"2","type":"subscribe","payload":{"query":"query GetUser { user }","note":"*"}}""";

    public static IReadOnlyList<MessageMatrixCase> All { get; } = [.. Filters(), .. Actions()];

    // What a filter selects has its stars turned into exclamation marks.
    private static IEnumerable<MessageMatrixCase> Filters() =>
    [
        Both("WebSocketMessage", "Contains", """{"mode":"Contains","value":"one"}""", ["*one", "*two"], ["!one", "*two"]),
        Both("WebSocketMessage", "Regex, not of binary that differs", """{"mode":"Regex","value":"^.o.e$"}""", ["bin:*one", "*ones"], ["bin:!one", "*ones"]),
        Both("MessageContent", "Exact", """{"mode":"Exact","value":"*one"}""", ["*one", "*one "], ["!one", "*one "]),
        Both("MessageContent", "ignore_case", """{"mode":"Suffix","value":"ONE","ignore_case":true}""", ["*One", "*two"], ["!One", "*two"]),
        Both("Direction", "client", "\"client\"", ["*one"], ["!one"]),
        Both("Direction", "server", "\"server\"", ["*one"], ["*one"]) with { Client = ["!one"] },
        Both("Opcode", "binary", "\"binary\"", ["*one", "bin:*one"], ["*one", "bin:!one"]),
        Both("Opcode", "text", "\"text\"", ["bin:*one", "*one"], ["bin:*one", "!one"]),
        Both("MessageProtocol", "websocket", "\"websocket\"", ["*one"], ["!one"]),
        Both("MessageProtocol", "sse", "\"sse\"", ["*one"], ["*one"]),
        Both("MessageSize", "from 5", """{"min":5}""", ["*one", "*three"], ["*one", "!three"]),
        Both("MessageSize", "characters are not octets", """{"max":4}""", ["*one", "*\u00fc\u00fc\u00fc"], ["!one", "*\u00fc\u00fc\u00fc"]),
        Both("Size", "up to 4", """{"max":4}""", ["*one", "*three"], ["!one", "*three"]),
        Both("EventName", "not of a WebSocket", "\"message\"", ["*one"], ["*one"]),
        Both("EventId", "not of a WebSocket", """{"mode":"Regex","value":".*"}""", ["*one"], ["*one"]),
        Both("JsonPath", "value", """{"path":"$.kind","value":"a"}""",
            ["""{"kind":"a","v":"*"}""", """{"kind":"b","v":"*"}""", "*text"], ["""{"kind":"a","v":"!"}""", """{"kind":"b","v":"*"}""", "*text"]),
        Both("JsonPath", "presence", """{"path":"$.items[?@.price > 10]","side":"message"}""",
            ["""{"items":[{"price":11}],"v":"*"}""", """{"items":[{"price":9}],"v":"*"}"""], ["""{"items":[{"price":11}],"v":"!"}""", """{"items":[{"price":9}],"v":"*"}"""]),
        Both("GraphQL", "operation", """{"operation":"OnPrice","type":"subscription"}""", [Query, OtherQuery], [Query.Replace('*', '!'), OtherQuery]),
        Both("GraphQL", "field", """{"field":"user"}""", [Query, OtherQuery], [Query, OtherQuery.Replace('*', '!')]),
        Both("Expression", "body", "\"body:one\"", ["*one", "*two"], ["!one", "*two"]),
        Both("Expression", "body and host", "\"body:one and not host:other.test and path:/socket\"", ["*one", "*two"], ["!one", "*two"]),
        Both("And", "direction and content", """[{"type":"Direction","config":"server"},{"type":"MessageContent","config":"*one"}]""", ["*one", "*two"], ["*one", "*two"]) with
        {
            Client = ["!one", "*two"],
        },
        Both("Not", "content", """{"type":"MessageContent","config":"*one"}""", ["*one", "*two"], ["*one", "!two"]),
        Both("RequestHeader", "of the handshake", """{"name":"Upgrade","value":"websocket"}""", ["*one"], ["!one"]),
        Both("Host", "of the handshake", "\"other.test\"", ["*one"], ["*one"]),
    ];

    // Actions are on the client's message "*one".
    private static IEnumerable<MessageMatrixCase> Actions() =>
    [
        One("MockWebSocketMessage", "in its place", """{"message":"mock {{request.path}}"}""", ["mock /socket", "*two"]) with { Stages = ["WebSocketMessage"] },
        One("MockWebSocketMessage", "same direction, binary becomes text", """{"direction":"Outgoing","message":"mock"}""", ["mock", "*two"]) with
        {
            Stages = ["WebSocketMessage"],
            Send = ["bin:*one", "*two"],
        },
        One("MockWebSocketMessage", "the other way", """{"direction":"Incoming","message":"mock"}""", ["*two"], ["mock", "*two"]) with { Stages = ["WebSocketMessage"] },
        One("DropWebSocketMessage", "", null, ["*two"]) with { Stages = ["WebSocketMessage"] },
        One("DropMessage", "", null, ["*two"]),
        One("Drop", "one message", null, ["*two"]),
        One("Abort", "the session", null, ["*two"]) with { Send = ["*two", "wait:80", "*one"], Close = "close 1008 aborted by policy" },
        One("SetMessage", "text", """{"content":"{{request.host}} set"}""", ["shop.test set", "*two"]),
        One("SetMessage", "base64 as binary", """{"content":{"type":"Base64","value":"AP8="},"type":"binary"}""", ["bin:\u0000\u00ff", "*two"]),
        One("SetMessage", "keeps its type", """{"content":"set"}""", ["bin:set", "*two"]) with { Send = ["bin:*one", "*two"] },
        One("TransformMessage", "RegexReplace", """{"transform":{"type":"RegexReplace","config":{"pattern":"(o)(n)","replacement":"$2$1"}}}""", ["*noe", "*two"]),
        new("TransformMessage", "JsonPathSet", Rule("""{"type":"Direction","config":"client"}""", "TransformMessage", """{"transform":{"type":"JsonPathSet","config":{"path":"$.price","value":0}}}"""))
        {
            Send = ["""{"price": 2.50, "n":1}""", "*text", """{"n":[1.0]}"""],
            Origin = ["""{"price": 0, "n":1}""", "*text", """{"n":[1.0],"price":0}"""],
            Client = ["""{"price": 0, "n":1}""", "*text", """{"n":[1.0],"price":0}"""],
        },
        One("InjectMessage", "default direction, behind it", """{"content":"more"}""", ["*one", "more", "*two"]) with { IsUnordered = true },
        One("InjectMessage", "Outgoing", """{"direction":"Outgoing","content":"more of {{request.host}}"}""", ["*one", "more of shop.test", "*two"]) with { IsUnordered = true },
        One("InjectMessage", "Incoming", """{"direction":"Incoming","content":"more"}""", ["*one", "*two"], ["more", "*one", "*two"]) with { IsUnordered = true },
        One("InjectMessage", "octets", """{"direction":"Incoming","base64":"AP8="}""", ["*one", "*two"], ["bin:\u0000\u00ff", "*one", "*two"]) with { IsUnordered = true },
        One("DelayMessage", "", """{"ms":150}""", ["*one", "*two"]) with { MinMilliseconds = 150 },
        One("CloseMessages", "", """{"code":4001,"reason":"over {{request.host}}"}""", ["*two", "*one"], ["*two"]) with { Send = ["*two", "wait:80", "*one"], Close = "close 4001 over shop.test" },
        One("Tag", "", """{"key":"team","value":"web"}""", ["*one", "*two"]) with { Tags = ["team:web"] },
    ];

    private static MessageMatrixCase Both(string type, string title, string config, string[] send, string[] received) => new(
        type, title, Rule($$"""{"type":"{{type}}","config":{{config}}}""", "TransformMessage", """{"transform":{"type":"RegexReplace","config":{"pattern":"\\*","replacement":"!"}}}"""))
    {
        Send = send,
        Origin = received,
        Client = received,
    };

    private static MessageMatrixCase One(string type, string title, string? config, string[] origin, string[]? client = null) => new(
        type, title, Rule("""{"type":"And","config":[{"type":"Direction","config":"client"},{"type":"MessageContent","config":"*one"}]}""", type, config))
    {
        Origin = origin,
        Client = client ?? origin,
    };

    private static string Rule(string filter, string action, string? config) =>
        $$"""{"stage":"STAGE","filter":{{filter}},"actions":[{"type":"{{action}}"{{(config is null ? "" : ",\"config\":" + config)}}}]}""";
}
