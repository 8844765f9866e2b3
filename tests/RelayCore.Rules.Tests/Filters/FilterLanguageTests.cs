using RelayCore.Core.Flows;
using RelayCore.Rules.Filters.Language;
using Xunit;

namespace RelayCore.Rules.Tests.Filters;

/// <summary>Both filter languages, on a running flow and on the same flow stored.</summary>
public sealed class FilterLanguageTests
{
    [Theory]
    [InlineData("", true)]
    [InlineData("host:EXAMPLE", true)]
    [InlineData("host=example.com", false)]
    [InlineData("host:*.example.com", true)]
    [InlineData("host~^api\\.", true)]
    [InlineData("host!=api.example.com", false)]
    [InlineData("path:/API/users", true)]
    [InlineData("path:id=7", true)]
    [InlineData("method:post", true)]
    [InlineData("method:pos", false)]
    [InlineData("status:404", true)]
    [InlineData("status>=400 status<500", true)]
    [InlineData("status:>=400", true)]
    [InlineData("status:400-403", false)]
    [InlineData("status:4xx", true)]
    [InlineData("status>404", false)]
    [InlineData("status!=404", false)]
    [InlineData("code:404 and not host:other", true)]
    [InlineData("err", false)]
    [InlineData("ws || status:404", true)]
    [InlineData("tls && !ws", true)]
    [InlineData("(host:nope or method:POST) path:users", true)]
    [InlineData("host:nope or method:POST path:nope", false)]
    [InlineData("not (host:nope or method:GET)", true)]
    [InlineData("NOT host:nope AND users", true)]
    [InlineData("users", true)]
    [InlineData("post", true)]
    [InlineData("\"users?id\"", true)]
    [InlineData("https://api", true)]
    [InlineData("missing", false)]
    [InlineData("header.accept:json", true)]
    [InlineData("header.ETag", true)]
    [InlineData("reqheader.etag", false)]
    [InlineData("resheader.etag=\"\\\"x\\\"\"", true)]
    [InlineData("header:\"etag: \"", true)]
    [InlineData("cookie.sid=abc", true)]
    [InlineData("cookie:theme", true)]
    [InlineData("setcookie.a=1", true)]
    [InlineData("query.id=7", true)]
    [InlineData("query.id==8", false)]
    [InlineData("type:json", true)]
    [InlineData("restype=text/plain", true)]
    [InlineData("http:1.1", true)]
    [InlineData("http:2", false)]
    [InlineData("scheme:https port:443", true)]
    [InlineData("port:80-90", false)]
    [InlineData("client:192.0.2.7", true)]
    [InlineData("server:203.0.113.9:443", true)]
    [InlineData("tag:team", true)]
    [InlineData("var.who=me", true)]
    [InlineData("var:\"who: me\"", true)]
    [InlineData("marked marker:star comment:look", true)]
    [InlineData("sni:example tlsversion=TLSv1.3 ja4:t13", true)]
    [InlineData("alpn:h2", false)]
    [InlineData("body:Ann", true)]
    [InlineData("resbody~\"^\\{\"", true)]
    [InlineData("json:$.user.name", true)]
    [InlineData("json:$.user.name=ann", true)]
    [InlineData("json:$.user.name==ann", false)]
    [InlineData("json:$.n[?@ > 2]~3 status:404", true)]
    [InlineData("size>5 ressize<1KiB", true)]
    [InlineData("url~(users|items)", true)]
    [InlineData("replay", false)]
    public void Relay_IsTheSameRunningAndStored(string text, bool expected) => Check(text, FilterLanguage.Relay, expected);

    [Theory]
    [InlineData("~all", true)]
    [InlineData("users", true)]
    [InlineData("~u USERS", true)]
    [InlineData("~d example", true)]
    [InlineData("!~d example", false)]
    [InlineData("~m post ~c 404", true)]
    [InlineData("~m get | ~c 404", true)]
    [InlineData("nope ~m get | ~c 404", false)]
    [InlineData("~c 404 & ~m get | ~s", true)]
    [InlineData("~c 404 & (~m get | ~s)", true)]
    [InlineData("!(~m get | ~q)", true)]
    [InlineData("!!~s", true)]
    [InlineData("~q", false)]
    [InlineData("~e", false)]
    [InlineData("~a", false)]
    [InlineData("~h \"^accept: text\"", true)]
    [InlineData("~hq etag", false)]
    [InlineData("~hs etag", true)]
    [InlineData("~t json", true)]
    [InlineData("~tq json", true)]
    [InlineData("~ts json", false)]
    [InlineData("~b 'Ann.*n'", true)]
    [InlineData("~bs ann", true)]
    [InlineData("~src 192.0.2.7:", true)]
    [InlineData("~dst 203.0.113.9:443", true)]
    [InlineData("~marked ~marker star ~comment \"^look\"", true)]
    [InlineData("~meta 'who: m'", true)]
    [InlineData("~http !~tcp !~udp !~dns !~websocket !~replay !~replayq !~replays", true)]
    [InlineData("u&e", false)]
    [InlineData("\"u\\s\"", true)]
    [InlineData("us[e[]rs", true)]
    public void Mitmproxy_IsTheSameRunningAndStored(string text, bool expected) => Check(text, FilterLanguage.Mitmproxy, expected);

    [Theory]
    [InlineData("statsu>400", 0, "Did you mean 'status'")]
    [InlineData("host:a foo:bar", 7, "no 'foo'")]
    [InlineData("host:a and", 10, "missing")]
    [InlineData("(host:a", 0, "never closed")]
    [InlineData("host:a)", 6, "closes nothing")]
    [InlineData("status>abc", 7, "status:404")]
    [InlineData("size>5parsecs", 5, "10KiB")]
    [InlineData("host>5", 4, "is a text")]
    [InlineData("status~4", 6, "no regex")]
    [InlineData("host~a(b", 8, "pattern")]
    [InlineData("host:", 5, "value is missing")]
    [InlineData("\"abc", 0, "quotes")]
    [InlineData("ws:1", 2, "without a value")]
    [InlineData("header.:x", 7, "name is missing")]
    [InlineData("json:a", 5, "begins with '$'")]
    [InlineData("http:9", 5, "no HTTP version")]
    public void Relay_SaysWhatIsWrongAndWhere(string text, int offset, string message)
    {
        Assert.Null(FilterExpression.TryParse(text, FilterLanguage.Relay, out var problem));
        Assert.Equal(offset, problem!.Offset);
        Assert.Contains(message, problem.Display, StringComparison.Ordinal);
        Assert.EndsWith("\n  " + new string(' ', offset) + "^", problem.Display, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("", 0)]
    [InlineData("~bqx a", 0)]
    [InlineData("(a b)", 3)]
    [InlineData("(a", 0)]
    [InlineData("a)", 1)]
    [InlineData("~c x", 3)]
    [InlineData("~u", 2)]
    [InlineData("~u '(?=a)'", 3)]
    [InlineData("a |", 3)]
    [InlineData("'abc", 0)]
    public void Mitmproxy_SaysWhere(string text, int offset)
    {
        Assert.Null(FilterExpression.TryParse(text, FilterLanguage.Mitmproxy, out var problem));
        Assert.Equal(offset, problem!.Offset);
    }

    [Fact]
    public void Mitmproxy_AtRequestStages_TakesWhatIsThere()
    {
        var flow = new FlowFixture();
        Assert.True(flow.Holds("Expression", """{"expression":"~q & !~s & !~c 200 & !~hs x","language":"mitmproxy"}"""));
        Assert.Equal(RuleStage.RequestBody | RuleStage.Messages, FilterExpression.TryParse("~bq x", FilterLanguage.Mitmproxy, out _)!.Stages);
    }

    [Fact]
    public void TryParse_OfDeepNesting_IsRefusedNotOverflowed()
    {
        Assert.Null(FilterExpression.TryParse(new string('(', 5000) + "a" + new string(')', 5000), FilterLanguage.Relay, out _));
        Assert.Null(FilterExpression.TryParse(new string('(', 5000) + "a" + new string(')', 5000), FilterLanguage.Mitmproxy, out _));
        Assert.Null(FilterExpression.TryParse(new string('a', 20_000), FilterLanguage.Relay, out _));
    }

    private static void Check(string text, FilterLanguage language, bool expected)
    {
        var filter = FilterExpression.TryParse(text, language, out var problem);
        Assert.True(filter is not null, problem?.Display);
        Assert.NotEqual(RuleStage.None, filter.Stages);
        Assert.Equal((expected, expected), (FlowFixture.Sample().Body(RuleStage.ResponseBody, Json).Holds(filter.Compile(RuleStage.ResponseBody)), filter.Matches(Stored())));
    }

    private const string Json = """{"user":{"name":"Ann"},"n":[1,2,3]}""";

    private static Flow Stored() => new()
    {
        Id = "1",
        StartTime = "2026-01-01T00:00:00Z",
        Network = new() { ClientIp = "192.0.2.7", ClientPort = 50123, ServerIp = "203.0.113.9", ServerPort = 443, ServerHost = "api.example.com:443", Tls = true, TlsVersion = "TLSv1.3", Sni = "api.example.com" },
        Kind = FlowKind.Http,
        Tags = ["team:web"],
        Marker = ":star:",
        Comment = "look here",
        RuleVariables = new Dictionary<string, string> { ["who"] = "me" },
        Octets = new() { RequestBody = 0, ResponseBody = 35 },
        Connection = new()
        {
            Client = new() { Id = 1, Remote = "192.0.2.7:50123", Tls = new() { Alpn = "http/1.1", Ja3 = "abc", Ja4 = "t13d" } },
            Server = new() { Id = 2, Host = "api.example.com", Port = 443, Remote = "203.0.113.9:443", Reuse = 0 },
        },
        Layer = new FlowLayer.Http(new()
        {
            Request = new()
            {
                Method = "POST",
                Url = "https://api.example.com/api/users?id=7&name=J%C3%B6rg+B",
                Version = "HTTP/1.1",
                Headers = [["Host", "API.example.com"], ["Accept", "text/html"], ["accept", "application/json"], ["Cookie", "sid=abc; theme=dark"], ["Content-Type", "Application/JSON; charset=utf-8"]],
                Cookies = [new() { Name = "sid", Value = "abc" }, new() { Name = "theme", Value = "dark" }],
                Query = [["id", "7"], ["name", "Jörg B"]],
            },
            Response = new()
            {
                Status = 404,
                StatusText = "404 Not Found",
                Version = "HTTP/1.1",
                Headers = [["ETag", "\"x\""], ["Set-Cookie", "b=2"], ["Set-Cookie", "a=1; Path=/"], ["Content-Type", "text/plain;charset=utf-8"]],
                Cookies = [new() { Name = "b", Value = "2" }, new() { Name = "a", Value = "1" }],
                Body = new() { Encoding = "utf-8", Content = Json, Size = 35, Captured = 35 },
            },
        }),
    };
}
