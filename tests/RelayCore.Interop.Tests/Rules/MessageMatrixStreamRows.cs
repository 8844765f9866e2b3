namespace RelayCore.Interop.Tests.Rules;

/// <summary>Every filter and action of messages, on event streams and JSON lines.</summary>
internal static class MessageMatrixStreamRows
{
    private const string Events = "event: delta\nid: 7\ndata: {\"n\":\"*\"}\n\n: note\n\ndata: *two\r\ndata: *lines\r\n\r\n";
    private const string First = "id: 7\nevent: delta\ndata: {\"n\":\"!\"}\n\n: note\n\ndata: *two\r\ndata: *lines\r\n\r\n";
    private const string Second = "event: delta\nid: 7\ndata: {\"n\":\"*\"}\n\n: note\n\ndata: !two\ndata: !lines\n\n";
    private const string Silent = "event: delta\nid: 7\ndata: {\"n\":\"*\"}\n\ndata: *two\r\ndata: *lines\r\n\r\n";
    private const string Neither = Events;
    private const string Star = """{"transform":{"type":"RegexReplace","config":{"pattern":"\\*","replacement":"!"}}}""";

    public static IReadOnlyList<StreamMatrixCase> All { get; } = [.. Filters(), .. Actions(), .. Lines()];

    private static IEnumerable<StreamMatrixCase> Filters() =>
    [
        Filter("EventName", "delta", "\"delta\"", First),
        Filter("EventName", "message is the name of events without", "\"message\"", Second),
        Filter("EventId", "7", "\"7\"", First),
        Filter("EventId", "none", "\"8\"", Neither),
        Filter("MessageProtocol", "websocket", "\"websocket\"", Neither),
        Filter("MessageProtocol", "sse", "\"sse\"", First[..First.IndexOf("data: *two", StringComparison.Ordinal)] + "data: !two\ndata: !lines\n\n"),
        Filter("Opcode", "event", "\"event\"", First[..First.IndexOf("data: *two", StringComparison.Ordinal)] + "data: !two\ndata: !lines\n\n"),
        Filter("Opcode", "text", "\"text\"", Neither),
        Filter("MessageContent", "over lines", """{"mode":"Exact","value":"*two\n*lines"}""", Second),
        Filter("WebSocketMessage", "not of an event", """{"mode":"Contains","value":"two"}""", Neither),
        Filter("MessageSize", "up to 9", """{"max":9}""", First),
        Filter("Direction", "client", "\"client\"", Neither),
        Filter("JsonPath", "value", """{"path":"$.n","value":"*"}""", First),
        Filter("Expression", "body", "\"body:lines\"", Second),
        Filter("Path", "of the exchange", "\"/other\"", Neither),
    ];

    // Actions are on the event of the name delta.
    private static IEnumerable<StreamMatrixCase> Actions() =>
    [
        Action("SetMessage", "text", """{"content":"a\nb"}""", Rest("id: 7\nevent: delta\ndata: a\ndata: b\n\n")),
        Action("DropMessage", "", null, Rest("")),
        Action("Drop", "", null, Rest("")),
        Action("SetEvent", "name, id and retry", """{"event":"{{request.host}}","id":"8","retry":50}""", Rest("id: 8\nevent: shop.test\nretry: 50\ndata: {\"n\":\"*\"}\n\n")),
        Action("SetEvent", "null removes", """{"event":null,"id":null}""", Rest("data: {\"n\":\"*\"}\n\n")),
        Action("InjectMessage", "behind it", """{"content":"more","event":"n","id":"9","retry":10}""",
            "event: delta\nid: 7\ndata: {\"n\":\"*\"}\n\nid: 9\nevent: n\nretry: 10\ndata: more\n\n: note\n\ndata: *two\r\ndata: *lines\r\n\r\n") with { IsInjection = true },

        // Comments are no messages; whether those between it and the end still come is open.
        Action("CloseMessages", "", """{}""", "event: delta\nid: 7\ndata: {\"n\":\"*\"}\n\n") with { Body = Silent },
        Action("DelayMessage", "", """{"ms":150}""", Neither) with { MinMilliseconds = 150 },
        Action("Abort", "", null, "") with { Body = Silent },
        Action("Tag", "", """{"key":"team","value":"web"}""", Neither) with { Tags = ["team:web"] },
    ];

    private static IEnumerable<StreamMatrixCase> Lines() =>
    [
        new("Direction", "client's lines", Rule("""{"type":"Direction","config":"client"}""", "TransformMessage", Star))
        {
            Upload = "{\"a\":\"*\"}\n\"*\"\n",
            Origin = "{\"a\":\"!\"}\n\"!\"\n",
            Body = "[\"*\"]\n",
            Client = "[\"*\"]\n",
        },
        new("MessageProtocol", "ndjson", Rule("""{"type":"MessageProtocol","config":"ndjson"}""", "TransformMessage", Star))
        {
            Upload = "[\"*\"]\n",
            Origin = "[\"!\"]\n",
            Body = "[\"*\"]\n{\"b\":\"*\"}",
            Client = "[\"!\"]\n{\"b\":\"!\"}",
        },
        new("Opcode", "line", Rule("""{"type":"And","config":[{"type":"Opcode","config":"line"},{"type":"JsonPath","config":{"path":"$.b"}}]}""", "TransformMessage", Star))
        {
            Upload = "[\"*\"]\r\n{\"b\":\"*\"}\r\n",
            Origin = "[\"*\"]\r\n{\"b\":\"!\"}\r\n",
            Body = "[\"*\"]\n{ \"b\":\"*\"}\n",
            Client = "[\"*\"]\n{ \"b\":\"!\"}\n",
        },
        new("DropMessage", "a line", Rule("""{"type":"MessageContent","config":"1"}""", "DropMessage", null))
        {
            Upload = "0\n1\n2\n",
            Origin = "0\n2\n",
            Body = "1\n3\n",
            Client = "3\n",
        },
        new("SetMessage", "a line from JSON of several", Rule("""{"type":"MessageContent","config":"1"}""", "SetMessage", """{"content":"{\n\"a\":1}"}"""))
        {
            Upload = "0\n1\n",
            Origin = "0\n{ \"a\":1}\n",
            Body = "1\n",
            Client = "{ \"a\":1}\n",
        },
        new("InjectMessage", "a line each way", Rule("""{"type":"MessageContent","config":"1"}""", "InjectMessage", """{"content":"[5]"}"""))
        {
            Upload = "1\n2\n",
            Origin = "1\n[5]\n2\n",
            Body = "1\n",
            Client = "1\n[5]\n",
            IsInjection = true,
        },
    ];

    private static StreamMatrixCase Filter(string type, string title, string config, string client) =>
        new(type, title, Rule($$"""{"type":"{{type}}","config":{{config}}}""", "TransformMessage", Star)) { Body = Events, Client = client };

    private static StreamMatrixCase Action(string type, string title, string? config, string client) =>
        new(type, title + " ", Rule("""{"type":"EventName","config":"delta"}""", type, config)) { Body = Events, Client = client };

    private static string Rest(string first) => first + Events[Events.IndexOf(": note", StringComparison.Ordinal)..];

    private static string Rule(string filter, string action, string? config) =>
        $$"""{"stage":"Message","filter":{{filter}},"actions":[{"type":"{{action}}"{{(config is null ? "" : ",\"config\":" + config)}}}]}""";
}
