namespace RelayCore.Interop.Tests.Rules;

/// <summary>Actions that answer, refuse, or send elsewhere.</summary>
internal static class AnswerActionRows
{
    private const string Gone = "- 200\n- Content-Type: application/json\n- Cache-Control: max-age=60\n- Content-Length: 56\n- | {\"user\":{\"name\":\"Ann\",\"plan\":\"free\"},\"items\":[1,2.50,3]}\n";
    private const string Start = "- Content-Type: application/json\n- Cache-Control: max-age=60\n";

    public static IReadOnlyList<RuleCase> All { get; } =
    [
        new("MockResponse", "one bare rule", """{"filter":{"type":"Url","config":{"mode":"Contains","value":"/missing"}},"actions":[{"type":"MockResponse","config":{"status":200,"body":"OK"}}]}""")
        {
            Path = "/missing",
            Origin = "nothing",
            Client = Start + "- Content-Length: 56\n" + Json("-") + "+ Content-Type: text/plain; charset=utf-8\n+ Content-Length: 2\n+ | OK",
            Miss = x => x with { Path = "/there" },
            IsIdentityOnly = true,
        },
        new("MockResponse", "with templates", """{"stage":"RequestHeaders","filter":{"type":"All"},"actions":[{"type":"MockResponse","config":{"status":503,"headers":{"Retry-After":"5"},"body":{"type":"Text","value":"no {{request.path}}"}}}]}""")
        {
            Origin = "nothing",
            Client = Gone + "+ 503\n+ Content-Type: text/plain; charset=utf-8\n+ Retry-After: 5\n+ Content-Length: 10\n+ | no /orders",
            IsIdentityOnly = true,
        },
        new("MockSequence", "the second time", """{"stage":"RequestHeaders","filter":{"type":"All"},"actions":[{"type":"MockSequence","config":{"responses":[{"status":503},{"status":201,"body":"two"}],"after":"last"}}]}""")
        {
            Before = 1,
            Origin = "nothing",
            Client = Gone + "+ 201\n+ Content-Type: text/plain; charset=utf-8\n+ Content-Length: 3\n+ | two",
            IsIdentityOnly = true,
        },
        new("Redirect", "", """{"stage":"RequestHeaders","filter":{"type":"All"},"actions":[{"type":"Redirect","config":{"location":"https://other.example{{request.path}}","status":302}}]}""")
        {
            Origin = "nothing",
            Client = Gone + "+ 302\n+ Location: https://other.example/orders\n+ Content-Length: 0",
            IsIdentityOnly = true,
        },
        new("MapLocal", "a file", """{"stage":"RequestHeaders","filter":{"type":"All"},"actions":[{"type":"MapLocal","config":{"path":"users.json","content_type":"application/json"}}]}""")
        {
            Files = new Dictionary<string, string> { ["users.json"] = "[]" },
            Origin = "nothing",
            Client = "local",
            IsIdentityOnly = true,
        },
        new("Drop", "", """{"stage":"RequestHeaders","filter":{"type":"All"},"actions":[{"type":"Drop"}]}""") { Origin = "nothing", Client = "status 403", IsIdentityOnly = true },
        new("ErrorResponse", "", """{"stage":"RequestHeaders","filter":{"type":"All"},"actions":[{"type":"ErrorResponse","config":{"kind":"unavailable","detail":"down"}}]}""")
        {
            Origin = "nothing",
            Client = "status 503",
            IsIdentityOnly = true,
        },
        new("RateLimit", "the third of two", """{"stage":"RequestHeaders","filter":{"type":"All"},"actions":[{"type":"RateLimit","config":{"key":"{{client.ip}}","limit":2,"window_ms":600000}}]}""")
        {
            Before = 2,
            Origin = "nothing",
            Client = "status 429",
            IsIdentityOnly = true,
        },
        new("Abort", "", """{"stage":"RequestHeaders","filter":{"type":"All"},"actions":[{"type":"Abort"}]}""") { Origin = "nothing", Client = "reset" },
        new("MapRemote", "path of the target", """{"stage":"RequestHeaders","filter":{"type":"Path","config":"/away"},"actions":[{"type":"SetPath","config":{"path":"/home"}}]}""")
        {
            Rules = """{"stage":"RequestHeaders","filter":{"type":"Path","config":"/away"},"actions":[{"type":"MapRemote","config":{"url":"{{request.scheme}}://shop.test:{{request.port}}/home","preserve_host":true}}]}""",
            Path = "/away",
            Origin = "- GET /away\n+ GET /home",
        },
        new("SetRequestUrl", "", """{"stage":"RequestHeaders","filter":{"type":"All"},"actions":[{"type":"SetRequestUrl","config":{"url":"{{request.scheme}}://shop.test:{{request.port}}/x?y=1"}}]}""")
        {
            Origin = "- GET /orders?page=2&sort=date\n+ GET /x?y=1",
        },
        new("StickyAuth", "learned from the request before", """{"stage":"RequestHeaders","filter":{"type":"All"},"actions":[{"type":"StickyAuth"}]}""")
        {
            Before = 1,
            FieldsBefore = ["Authorization: Basic YTpi"],
            Origin = "+ Authorization: Basic YTpi",
        },
        new("StickyCookie", "learned from the response before",
            """[{"id":"a","stage":"ResponseHeaders","filter":{"type":"All"},"actions":[{"type":"StickyCookie"}]},{"id":"b","stage":"RequestHeaders","filter":{"type":"All"},"actions":[{"type":"StickyCookie"}]}]""")
        {
            Before = 1,
            ResponseFields = ["Set-Cookie: k=v; Path=/"],
            Origin = "+ Cookie: k=v",
        },
    ];

    private static string Json(string sign) => sign + " | {\"user\":{\"name\":\"Ann\",\"plan\":\"free\"},\"items\":[1,2.50,3]}\n";
}
