using RelayCore.Rules.Actions;
using Xunit;

namespace RelayCore.Rules.Tests.Actions;

/// <summary>Actions on start lines and targets.</summary>
public sealed class TargetActionsTests
{
    [Theory]
    [InlineData("SetRequestMethod", """{"method":"P{{request.cookie.x}}UT"}""", "PUT /api/v1/x?q=1", "shop.test:8080", "http://shop.test:8080")]
    [InlineData("SetRequestUrl", """{"url":"https://o.test/z{{request.path}}?k"}""", "GET /z/api/v1/x?k", "o.test", "https://o.test")]
    [InlineData("SetRequestUrl", """{"url":"wss://[::1]:9/a/../b%2e#frag"}""", "GET /a/../b%2e", "[::1]:9", "https://[::1]:9")]
    [InlineData("SetRequestUrl", """{"url":"http://BÜCHER.test/ü x"}""", "GET /%C3%BC%20x", "xn--bcher-kva.test", "http://xn--bcher-kva.test")]
    [InlineData("SetPath", """{"path":"/n{{request.path}}"}""", "GET /n/api/v1/x?q=1", "shop.test:8080", "http://shop.test:8080")]
    [InlineData("SetPath", """{"path":"/n?z=1"}""", "GET /n?z=1", "shop.test:8080", "http://shop.test:8080")]
    [InlineData("ReplaceInPath", """{"pattern":"^/api/v(\\d)","replacement":"/{{rule.id}}/$1"}""", "GET /r1/1/x?q=1", "shop.test:8080", "http://shop.test:8080")]
    [InlineData("ReplaceInUrl", """{"pattern":"//SHOP\\.","replacement":"//www.","ignore_case":true}""", "GET /api/v1/x?q=1", "www.test:8080", "http://www.test:8080")]
    [InlineData("MapRemote", """{"url":"https://s.test","preserve_host":false}""", "GET /api/v1/x?q=1", "s.test", "https://s.test")]
    [InlineData("MapRemote", """{"url":"https://s.test/","preserve_host":true}""", "GET /api/v1/x?q=1", "shop.test:8080", "https://s.test")]
    [InlineData("MapRemote", """{"url":"http://{{rule.id}}.test:81/new","preserve_host":false}""", "GET /new?q=1", "r1.test:81", "http://r1.test:81")]
    [InlineData("MapRemote", """{"url":"http://s.test/new?z=2"}""", "GET /new?z=2", "s.test", "http://s.test")]
    [InlineData("MapRemote", """{"url":"http://s.test{{request.path}}"}""", "GET /api/v1/x?q=1", "s.test", "http://s.test")]
    [InlineData("MapRemote", """{"url":"http://s.test/new","path":"keep"}""", "GET /api/v1/x?q=1", "s.test", "http://s.test")]
    [InlineData("MapRemote", """{"url":"http://s.test","path":"replace"}""", "GET /?q=1", "s.test", "http://s.test")]
    [InlineData("MapRemote", """{"url":"http://s.test/base/?k=v","path":"append"}""", "GET /base/api/v1/x?k=v&q=1", "s.test", "http://s.test")]
    [InlineData("MapRemote", """{"pattern":"^http://shop.test:8080/api/v(\\d+)","url":"https://{{rule.id}}.test/$1"}""", "GET /1/x?q=1", "r1.test", "https://r1.test")]
    public async Task Target_IsChanged(string type, string config, string line, string host, string origin)
    {
        var bench = new ActionBench("GET /api/v1/x?q=1 HTTP/1.1\r\nHost: shop.test:8080\r\nA: b\r\n\r\n");
        Assert.Equal(ActionOutcome.Done, (await bench.RunAsync(type, config)).Outcome);
        Assert.Equal($"{line} HTTP/1.1\r\nHost: {host}\r\nA: b\r\n\r\n", bench.RequestHead());
        Assert.Equal(origin, bench.Exchange.Request.Origin.ToString());
    }

    [Theory]
    [InlineData("SetRequestUrl", """{"url":"{{request.path}}"}""", "not an absolute URL")]
    [InlineData("SetRequestUrl", """{"url":"http://a{{request.query.none}}:b@c/"}""", "user information")]
    [InlineData("SetRequestMethod", """{"method":"A {{rule.id}}"}""", "token")]
    [InlineData("SetPath", """{"path":"{{request.host}}"}""", "begin with '/'")]
    [InlineData("MapRemote", """{"url":"{{request.host}}"}""", "not an absolute URL")]
    [InlineData("MapRemote", """{"pattern":"^http","url":"ftp"}""", "not an absolute URL")]
    [InlineData("ReplaceInUrl", """{"pattern":"^http://[^/]*","replacement":"{{request.cookie.none}}"}""", "not an absolute URL")]
    public async Task BadTarget_FailsAndChangesNothing(string type, string config, string why)
    {
        const string request = "GET /a HTTP/1.1\r\nHost: e\r\n\r\n";
        var bench = new ActionBench(request);
        var result = await bench.RunAsync(type, config);
        Assert.Equal(ActionOutcome.Failed, result.Outcome);
        Assert.Contains(why, result.Detail, StringComparison.Ordinal);
        Assert.Equal((request, "http://e"), (bench.RequestHead(), bench.Exchange.Request.Origin.ToString()));
    }

    [Theory]
    [InlineData("SetRequestUrl", """{"url":"/relative"}""", "RULE-414")]
    [InlineData("MapRemote", """{"url":"ftp://a"}""", "RULE-414")]
    [InlineData("MapRemote", """{"url":"http://a","pattern":"("}""", "RULE-413")]
    [InlineData("SetRequestMethod", """{"method":"CONNECT"}""", "RULE-415")]
    [InlineData("SetRequestMethod", """{"method":""}""", "RULE-415")]
    [InlineData("ReplaceInPath", """{"pattern":"(?=x)","replacement":""}""", "RULE-413")]
    public void Compile_BadConfig_IsAProblem(string type, string config, string code)
    {
        var bench = new ActionBench();
        Assert.Null(bench.Compile(type, config));
        Assert.Equal(code, Assert.Single(bench.Problems.Items).Code);
    }

    [Theory]
    [InlineData("SetPath", """{"path":"/x"}""")]
    [InlineData("SetQuery", """{"name":"a","value":"b"}""")]
    [InlineData("MapRemote", """{"url":"http://s.test"}""")]
    [InlineData("SetRequestMethod", """{"method":"GET"}""")]
    public async Task AsteriskForm_IsLeftAlone(string type, string config)
    {
        var bench = new ActionBench("OPTIONS * HTTP/1.1\r\nHost: e\r\n\r\n");
        Assert.Equal(ActionOutcome.NoEffect, (await bench.RunAsync(type, config)).Outcome);
        Assert.Equal("OPTIONS * HTTP/1.1\r\nHost: e\r\n\r\n", bench.RequestHead());
    }

    [Theory]
    [InlineData("GET", "HEAD")]
    [InlineData("HEAD", "GET")]
    public async Task SetRequestMethod_ToOrFromHead_Fails(string before, string after)
    {
        var bench = new ActionBench($"{before} / HTTP/1.1\r\nHost: e\r\n\r\n");
        Assert.Equal(ActionOutcome.Failed, (await bench.RunAsync("SetRequestMethod", $$"""{"method":"{{after}}"}""")).Outcome);
        Assert.Equal($"{before} / HTTP/1.1\r\nHost: e\r\n\r\n", bench.RequestHead());
    }

    [Theory]
    [InlineData(200, 204)]
    [InlineData(200, 304)]
    [InlineData(304, 200)]
    public async Task SetResponseStatus_ToOrFromOneWithoutBody_SendsTheHeadWithoutBody(int before, int after)
    {
        var bench = new ActionBench(response: $"HTTP/1.1 {before} X\r\nA: b\r\nContent-Length: 5\r\n\r\n", stage: RuleStage.ResponseHeaders);
        var answer = await bench.AnswerAsync("SetResponseStatus", $$"""{"status":{{after}}}""");
        Assert.Equal((after, 0), (answer.Status, answer.Body.Length));
        Assert.Equal([new("A", "b")], answer.Fields);
    }

    [Fact]
    public async Task SetResponseStatus_OfAnUpgrade_Fails()
    {
        var bench = new ActionBench(response: "HTTP/1.1 101 X\r\nUpgrade: websocket\r\n\r\n", stage: RuleStage.ResponseHeaders);
        Assert.Equal(ActionOutcome.Failed, (await bench.RunAsync("SetResponseStatus", """{"status":200}""")).Outcome);
    }

    [Theory]
    [InlineData("""{"status":503}""", "503 Service Unavailable")]
    [InlineData("""{"status":299,"reason":"By {{rule.id}}"}""", "299 By r1")]
    public async Task SetResponseStatus_ChangesStatusLine(string config, string expected)
    {
        var bench = new ActionBench(response: "HTTP/1.1 200 OK\r\nA: b\r\n\r\n", stage: RuleStage.ResponseHeaders);
        Assert.Equal(ActionOutcome.Done, (await bench.RunAsync("SetResponseStatus", config)).Outcome);
        Assert.Equal($"HTTP/1.1 {expected}\r\nA: b\r\n\r\n", bench.ResponseHead());
    }
}
