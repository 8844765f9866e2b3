using static RelayCore.Interop.Tests.Rules.RuleMatrix;

namespace RelayCore.Interop.Tests.Rules;

/// <summary>Actions on heads and on the flow.</summary>
internal static class HeadActionRows
{
    private const string Start = "- GET /orders?page=2&sort=date\n+ GET ";

    public static IReadOnlyList<RuleCase> All { get; } =
    [
        Action("AddRequestHeader", "RequestHeaders", """{"name":"X-Env","value":"{{client.ip}} {{request.method}} {{host}}{{request.path}}"}""", "+ X-Env: 127.0.0.1 GET shop.test/orders"),
        Action("AddRequestHeader", "RequestBody", """{"name":"X-Env","value":"body"}""", "+ X-Env: body") with { Method = "POST", RequestBody = "abc" },
        Action("UpdateRequestHeader", "RequestHeaders", """{"name":"user-agent","value":"{{previous}} qa","add_if_missing":true}""", "- User-Agent: curl\n+ User-Agent: curl qa"),
        Action("UpdateRequestHeader", "RequestHeaders", """{"name":"X-No","value":"1","add_if_missing":false}""", title: "of a field that is not there"),
        Action("DeleteRequestHeader", "RequestHeaders", """{"name":"User-Agent"}""", "- User-Agent: curl"),
        Action("SetRequestHeader", "RequestHeaders", """{"name":"X-A","value":"new"}""", "- X-A: 1\n- X-A: 2\n+ X-A: new") with { RequestFields = ["X-A: 1", "X-A: 2"] },
        Action("RenameRequestHeader", "RequestHeaders", """{"name":"User-Agent","to":"X-Agent"}""", "- User-Agent: curl\n+ X-Agent: curl"),
        Action("ReplaceInRequestHeader", "RequestHeaders", """{"name":"User-Agent","pattern":"c(url)","replacement":"$1-c"}""", "- User-Agent: curl\n+ User-Agent: url-c"),
        Action("SetQuery", "RequestHeaders", """{"name":"page","value":"9"}""", Start + "/orders?page=9&sort=date"),
        Action("AddQuery", "RequestHeaders", """{"name":"tag","value":"a b"}""", Start + "/orders?page=2&sort=date&tag=a%20b"),
        Action("DeleteQuery", "RequestHeaders", """{"name":"page"}""", Start + "/orders?sort=date"),
        Action("SetRequestCookie", "RequestHeaders", """{"name":"b","value":"9"}""", "- Cookie: a=1; b=2\n+ Cookie: a=1; b=9") with { RequestFields = ["Cookie: a=1; b=2"] },
        Action("DeleteRequestCookie", "RequestHeaders", """{"name":"b"}""", "- Cookie: a=1; b=2\n+ Cookie: a=1") with { RequestFields = ["Cookie: a=1; b=2"] },
        Action("BasicAuth", "RequestHeaders", """{"username":"alice","password":"secret"}""", "+ Authorization: Basic YWxpY2U6c2VjcmV0"),
        Action("BearerToken", "RequestHeaders", """{"token":"abc123"}""", "+ Authorization: Bearer abc123"),
        Action("RemoveCaching", "RequestHeaders", "", "- If-None-Match: \"1\"") with { RequestFields = ["If-None-Match: \"1\""] },
        Action("RemoveCompression", "RequestHeaders", "", "- Accept-Encoding: br\n+ Accept-Encoding: identity") with { RequestFields = ["Accept-Encoding: br"] },
        Action("SetRequestMethod", "RequestHeaders", """{"method":"DELETE"}""", "- GET /orders?page=2&sort=date\n+ DELETE /orders?page=2&sort=date"),
        Action("SetPath", "RequestHeaders", """{"path":"/v2{{request.path}}"}""", Start + "/v2/orders?page=2&sort=date"),
        Action("ReplaceInPath", "RequestHeaders", """{"pattern":"^/or(d)ers","replacement":"/$1"}""", Start + "/d?page=2&sort=date"),
        Action("ReplaceInUrl", "RequestHeaders", """{"pattern":"page=\\d","replacement":"page=7"}""", Start + "/orders?page=7&sort=date"),
        new("SetVariable", "a capture, then a variable, in a later stage",
            """
            [{"id":"a","stage":"RequestHeaders","filter":{"type":"Path","config":{"mode":"Regex","value":"^/(?<what>\\w+)"}},"actions":[{"type":"SetVariable","config":{"name":"kind","value":"{{capture.what}}"}}]},
             {"id":"b","stage":"ResponseHeaders","filter":{"type":"All"},"actions":[{"type":"AddResponseHeader","config":{"name":"X-Kind","value":"{{variable.kind}} {{response.status}}"}}]}]
            """) { Client = "+ X-Kind: orders 200" },
        Action("AddResponseHeader", "ResponseHeaders", """{"name":"X-Proxy","value":"{{rule.id}}"}""") with
        {
            Rules = """{"id":"mine","stage":"ResponseHeaders","filter":{"type":"All"},"actions":[{"type":"AddResponseHeader","config":{"name":"X-Proxy","value":"{{rule.id}}"}}]}""",
            Client = "+ X-Proxy: mine",
        },
        Action("UpdateResponseHeader", "ResponseHeaders", """{"name":"Cache-Control","value":"{{previous}}, private","add_if_missing":false}""", "", "- Cache-Control: max-age=60\n+ Cache-Control: max-age=60, private"),
        Action("DeleteResponseHeader", "ResponseHeaders", """{"name":"Cache-Control"}""", "", "- Cache-Control: max-age=60"),
        Action("SetResponseHeader", "ResponseHeaders", """{"name":"Cache-Control","value":"no-store"}""", "", "- Cache-Control: max-age=60\n+ Cache-Control: no-store"),
        Action("RenameResponseHeader", "ResponseHeaders", """{"name":"Cache-Control","to":"X-Was"}""", "", "- Cache-Control: max-age=60\n+ X-Was: max-age=60"),
        Action("ReplaceInResponseHeader", "ResponseHeaders", """{"name":"Cache-Control","pattern":"\\d+","replacement":"0"}""", "", "- Cache-Control: max-age=60\n+ Cache-Control: max-age=0"),
        Action("SetResponseCookie", "ResponseHeaders", """{"name":"s","value":"1","path":"/","http_only":true}""", "", "+ Set-Cookie: s=1; Path=/; HttpOnly"),
        Action("DeleteResponseCookie", "ResponseHeaders", """{"name":"a"}""", "", "- Set-Cookie: a=1; Path=/") with { ResponseFields = ["Set-Cookie: a=1; Path=/", "Set-Cookie: b=2"] },
        Action("SetResponseStatus", "ResponseHeaders", """{"status":503}""", "", "- 200\n+ 503"),
        Action("Cors", "ResponseHeaders", """{"origins":["*"]}""", "", "+ Access-Control-Allow-Origin: *") with { RequestFields = ["Origin: https://page.test"] },
        new("Tag", "in the flow", """{"stage":"RequestHeaders","filter":{"type":"All"},"actions":[{"type":"Tag","config":{"key":"team","value":"web"}}]}""") { Tags = ["team:web"] },
        Action("Mark", "RequestHeaders", """{"marker":"x"}"""),
        Action("Comment", "RequestHeaders", """{"text":"from {{client.ip}}"}"""),
        Action("Inspect", "RequestHeaders", """{"timeout_ms":1}""", title: "nobody there to answer: it goes on"),
        Action("Breakpoint", "ResponseHeaders", """{"timeout_ms":1}""", title: "nobody there to answer: it goes on"),
    ];
}
