using static RelayCore.Interop.Tests.Rules.RuleMatrix;

namespace RelayCore.Interop.Tests.Rules;

/// <summary>Filters that know all they need from the request.</summary>
internal static class RequestFilterRows
{
    private const string Form = "Content-Type: application/x-www-form-urlencoded";
    private const string Json = "Content-Type: application/json";

    public static IReadOnlyList<RuleCase> All { get; } =
    [
        Filter("All", ""),
        Filter("Url", """{"mode":"Contains","value":"page=2"}""", x => x with { Path = "/orders?page=3&sort=date" }),
        Filter("Url", """{"mode":"Regex","value":"/orders\\?page=(\\d)&"}""", x => x with { Path = "/orders?page=x&sort=date" }),
        Filter("Host", """{"mode":"Suffix","value":".TEST"}"""),
        Filter("Host", """{"mode":"Glob","value":"sho?.*"}"""),
        Filter("Path", """{"mode":"Prefix","value":"/ord"}""", x => x with { Path = "/users" }),
        Filter("Path", """{"mode":"Glob","value":"/api/*/items"}""", x => x with { Path = "/api/v1/users" }) with { Path = "/api/v1/items" },
        Filter("Path", """{"mode":"Exact","value":"/ORDERS","ignore_case":true}""", x => x with { Path = "/orders/1" }),
        Filter("Method", "\"POST\"", x => x with { Method = "PUT" }) with { Method = "POST", RequestBody = "x" },
        Filter("Scheme", "\"HTTP\"") with { IsHttp1Only = true },
        Filter("Port", """["1-65535"]"""),
        Filter("DstPort", "80") with { Rules = NotMatched("DstPort", "1") , Origin = "+ X-Rule: matched" },
        Filter("Query", """{"name":"sort","value":"date"}""", x => x with { Path = "/orders?page=2&sort=name" }),
        Filter("Cookie", """{"name":"session","value":{"mode":"Prefix","value":"t-"}}""", x => x with { RequestFields = ["Cookie: session=s-1"] })
            with { RequestFields = ["Cookie: a=1; session=t-77"] },
        Filter("RequestHeader", """{"name":"accept","value":{"mode":"Contains","value":"json"}}""", x => x with { RequestFields = ["Accept: text/html"] })
            with { RequestFields = ["Accept: application/json"] },
        Filter("RequestHeader", """{"name":"X-Debug","value":null}""", x => x with { RequestFields = [] }) with { RequestFields = ["X-Debug: 0"] },
        Filter("RequestContentType", "\"application/json\"", x => x with { RequestFields = [Form] }) with { Method = "POST", RequestFields = [Json], RequestBody = "{}" },
        Filter("ContentType", """{"mode":"Contains","value":"json"}""", x => x with { RequestFields = [Form] }) with { Method = "POST", RequestFields = [Json], RequestBody = "{}" },
        Filter("HttpVersion", "\"1.1\"") with { IsHttp1Only = true },
        Filter("HeaderCount", """{"min":1,"max":99}"""),
        Filter("SrcIp", "\"127.0.0.0/8\""),
        Filter("ClientAddress", """["10.0.0.0/8","127.0.0.1"]"""),
        Filter("Destination", """["10.0.0.0/8","*.test"]"""),
        Filter("Protocol", "\"TCP\""),
        Filter("TransparentMode", "false"),
        Filter("And", """[{"type":"Method","config":"GET"},{"type":"Path","config":"/orders"}]""", x => x with { Path = "/users" }),
        Filter("Or", """[{"type":"Method","config":"PUT"},{"type":"Path","config":"/orders"}]""", x => x with { Path = "/users" }),
        Filter("Not", """{"type":"Path","config":"/users"}""", x => x with { Path = "/users" }),
        Filter("Expression", "\"path:/orders and (page=3 or query.page=2) and not method:POST\"", x => x with { Path = "/orders?page=4" }) with
        {
            Rules = Matched("Expression", "\"path:/orders and (method:PUT or query.page:2) and not method:POST\""),
        },
        Filter("Expression", """{"expression":"~m GET & ~u orders","language":"mitmproxy"}""", x => x with { Path = "/users" }),
        Filter("Probability", "1.0"),
        Filter("NthMatch", """{"every":3}""") with { Before = 2 },
        Filter("FirstN", """{"count":2}""") with { Before = 1 },
        Filter("TimeWindow", """{"from":"00:00","to":"23:59:59.999","time_zone":"UTC"}""") with { Rules = Matched("TimeWindow", """{"from":"00:00","to":"24:00","time_zone":"UTC"}""") },
        Filter("Process", "\"curl\"") with { Rules = NotMatched("Process", "\"curl\"") },
        Filter("Replay", "false"),
        Filter("Tag", "\"team:web\"") with
        {
            Rules = """
                [{"id":"first","priority":1,"stage":"RequestHeaders","filter":{"type":"Path","config":"/orders"},"actions":[{"type":"Tag","config":{"key":"team","value":"web"}}]},
                 {"id":"second","stage":"RequestHeaders","filter":{"type":"Tag","config":"team:web"},"actions":[{"type":"AddRequestHeader","config":{"name":"X-Rule","value":"matched"}}]}]
                """,
            Tags = ["team:web"],
            Miss = x => x with { Path = "/users" },
        },
        Filter("Variable", """{"name":"who"}""") with
        {
            Rules = """
                [{"id":"first","priority":1,"stage":"RequestHeaders","filter":{"type":"Path","config":"/orders"},"actions":[{"type":"SetVariable","config":{"name":"who","value":"{{client.ip}}"}}]},
                 {"id":"second","stage":"RequestHeaders","filter":{"type":"Variable","config":{"name":"who","value":"127.0.0.1"}},"actions":[{"type":"AddRequestHeader","config":{"name":"X-Rule","value":"matched"}}]}]
                """,
            Miss = x => x with { Path = "/users" },
        },
        Filter("RequestBody", """{"mode":"Contains","value":"Ann"}""", x => x with { RequestBody = "name=Bob" }, "RequestBody")
            with { Method = "POST", RequestFields = [Form], RequestBody = "name=Ann" },
        Filter("RequestBodySize", """{"min":1,"max":"1KiB"}""", null, "RequestBody") with { Method = "POST", RequestFields = [Form], RequestBody = "name=Ann" },
        Filter("Size", """{"min":1,"max":"1KiB"}""", null, "RequestBody") with { Method = "POST", RequestFields = [Form], RequestBody = "name=Ann" },
        Filter("JsonPath", """{"path":"$.roles[?@ == 'admin']"}""", x => x with { RequestBody = """{"roles":["user"]}""" }, "RequestBody")
            with { Method = "POST", RequestFields = [Json], RequestBody = """{"roles":["user","admin"]}""" },
        Filter("GraphQL", """{"operation":"GetUser","type":"query"}""", x => x with { RequestBody = """{"query":"mutation SetUser { set }"}""" }, "RequestBody")
            with { Method = "POST", RequestFields = [Json], RequestBody = """{"query":"query GetUser { user { name } }"}""" },
    ];

    private static string Matched(string type, string config) =>
        $$$"""{"stage":"RequestHeaders","filter":{"type":"{{{type}}}","config":{{{config}}}},"actions":[{"type":"AddRequestHeader","config":{"name":"X-Rule","value":"matched"}}]}""";

    // For what cannot be made to match here: that its contrary does is as much.
    private static string NotMatched(string type, string config) =>
        $$$"""{"stage":"RequestHeaders","filter":{"type":"Not","config":{"type":"{{{type}}}","config":{{{config}}}}},"actions":[{"type":"AddRequestHeader","config":{"name":"X-Rule","value":"matched"}}]}""";
}
