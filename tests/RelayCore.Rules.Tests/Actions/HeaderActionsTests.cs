using RelayCore.Rules.Actions;
using RelayCore.Rules.Templates;
using Xunit;

namespace RelayCore.Rules.Tests.Actions;

/// <summary>Actions on heads: octets before and after.</summary>
public sealed class HeaderActionsTests
{
    private const string Start = "GET /p?a=1&b=%20 HTTP/1.1\r\nhOsT: example.com\r\nX-A:  one\r\nx-a: two\r\nUser-Agent: curl/8.1\r\n";

    [Theory]
    [InlineData("AddRequestHeader", """{"name":"X-A","value":"{{client.ip}}"}""", "X-A:  one\r\nx-a: two\r\nUser-Agent: curl/8.1\r\nX-A: 10.1.2.3\r\n")]
    [InlineData("AddRequestHeader", """{"name":"X-{{host}}","value":"v"}""", "X-A:  one\r\nx-a: two\r\nUser-Agent: curl/8.1\r\nX-example.com: v\r\n")]
    [InlineData("UpdateRequestHeader", """{"name":"X-A","value":"{{previous}}!","add_if_missing":false}""", "X-A: one!\r\nx-a: one!\r\nUser-Agent: curl/8.1\r\n")]
    [InlineData("UpdateRequestHeader", """{"name":"X-B","value":"[{{previous}}]","add_if_missing":true}""", "X-A:  one\r\nx-a: two\r\nUser-Agent: curl/8.1\r\nX-B: []\r\n")]
    [InlineData("DeleteRequestHeader", """{"name":"x-A"}""", "User-Agent: curl/8.1\r\n")]
    [InlineData("SetRequestHeader", """{"name":"x-A","value":"{{request.method}}"}""", "X-A: GET\r\nUser-Agent: curl/8.1\r\n")]
    [InlineData("SetRequestHeader", """{"name":"X-C","value":"3"}""", "X-A:  one\r\nx-a: two\r\nUser-Agent: curl/8.1\r\nX-C: 3\r\n")]
    [InlineData("RenameRequestHeader", """{"name":"x-a","to":"Y-{{rule.id}}"}""", "Y-r1: one\r\nY-r1: two\r\nUser-Agent: curl/8.1\r\n")]
    [InlineData("ReplaceInRequestHeader", """{"name":"User-Agent","pattern":"CURL/(\\d+)","replacement":"{{who}}$1","ignore_case":true}""", "X-A:  one\r\nx-a: two\r\nUser-Agent: $8.1\r\n")]
    [InlineData("SetRequestCookie", """{"name":"s","value":"{{rule.id}}{{previous}}"}""", "X-A:  one\r\nx-a: two\r\nUser-Agent: curl/8.1\r\nCookie: s=r1\r\n")]
    [InlineData("RemoveCompression", null, "X-A:  one\r\nx-a: two\r\nUser-Agent: curl/8.1\r\nAccept-Encoding: identity\r\n")]
    [InlineData("BasicAuth", """{"username":"{{rule.id}}","password":"ü:{{rule.id}}"}""", "X-A:  one\r\nx-a: two\r\nUser-Agent: curl/8.1\r\nAuthorization: Basic cjE6w7w6cjE=\r\n")]
    [InlineData("BearerToken", """{"token":"t-{{rule.id}}"}""", "X-A:  one\r\nx-a: two\r\nUser-Agent: curl/8.1\r\nAuthorization: Bearer t-r1\r\n")]
    public async Task Request_ChangesOnlyItsLines(string type, string? config, string expected)
    {
        var bench = new ActionBench(Start + "\r\n");
        bench.Exchange.SetVariable("who", "$");
        Assert.Equal(ActionOutcome.Done, (await bench.RunAsync(type, config)).Outcome);
        Assert.Equal("GET /p?a=1&b=%20 HTTP/1.1\r\nhOsT: example.com\r\n" + expected + "\r\n", bench.RequestHead());
    }

    [Theory]
    [InlineData("AddResponseHeader", """{"name":"Set-Cookie","value":"b={{response.status}}"}""", "Set-Cookie: a=1; Path=/\r\nSet-Cookie: c=3\r\nETag: \"x\"\r\nSet-Cookie: b=200\r\n")]
    [InlineData("UpdateResponseHeader", """{"name":"etag","value":"W/{{previous}}"}""", "Set-Cookie: a=1; Path=/\r\nSet-Cookie: c=3\r\nETag: W/\"x\"\r\n")]
    [InlineData("DeleteResponseHeader", """{"name":"set-cookie"}""", "ETag: \"x\"\r\n")]
    [InlineData("SetResponseHeader", """{"name":"set-cookie","value":"z=1"}""", "Set-Cookie: z=1\r\nETag: \"x\"\r\n")]
    [InlineData("RenameResponseHeader", """{"name":"ETag","to":"X-ETag"}""", "Set-Cookie: a=1; Path=/\r\nSet-Cookie: c=3\r\nX-ETag: \"x\"\r\n")]
    [InlineData("ReplaceInResponseHeader", """{"name":"Set-Cookie","pattern":"; Path=(.)","replacement":"; Path=$1{{request.host}}"}""", "Set-Cookie: a=1; Path=/example.com\r\nSet-Cookie: c=3\r\nETag: \"x\"\r\n")]
    [InlineData("SetResponseCookie", """{"name":"a","value":"{{rule.id}}","domain":"d.e","path":"/q","max_age":0,"expires":"Thu, 01 Jan 2026 00:00:00 GMT","secure":true,"http_only":true,"same_site":"lax","partitioned":true}""", "Set-Cookie: a=r1; Domain=d.e; Path=/q; Expires=Thu, 01 Jan 2026 00:00:00 GMT; Max-Age=0; Secure; HttpOnly; SameSite=Lax; Partitioned\r\nSet-Cookie: c=3\r\nETag: \"x\"\r\n")]
    [InlineData("SetResponseCookie", """{"name":"n","value":"1"}""", "Set-Cookie: a=1; Path=/\r\nSet-Cookie: c=3\r\nETag: \"x\"\r\nSet-Cookie: n=1\r\n")]
    [InlineData("DeleteResponseCookie", """{"name":"a"}""", "Set-Cookie: c=3\r\nETag: \"x\"\r\n")]
    [InlineData("RemoveCaching", null, "Set-Cookie: a=1; Path=/\r\nSet-Cookie: c=3\r\nCache-Control: no-store\r\n")]
    public async Task Response_ChangesOnlyItsLines(string type, string? config, string expected)
    {
        var bench = new ActionBench(Start + "\r\n", "HTTP/1.1 200 Fine\r\nSet-Cookie: a=1; Path=/\r\nSet-Cookie: c=3\r\nETag: \"x\"\r\n\r\n", RuleStage.ResponseHeaders);
        Assert.Equal(ActionOutcome.Done, (await bench.RunAsync(type, config)).Outcome);
        Assert.Equal("HTTP/1.1 200 Fine\r\n" + expected + "\r\n", bench.ResponseHead());
    }

    [Theory]
    [InlineData("UpdateRequestHeader", """{"name":"None","value":"x"}""", "no None")]
    [InlineData("DeleteRequestHeader", """{"name":"None"}""", "no None")]
    [InlineData("RenameRequestHeader", """{"name":"None","to":"A"}""", "no None")]
    [InlineData("ReplaceInRequestHeader", """{"name":"X-A","pattern":"zzz","replacement":""}""", "matches nothing")]
    [InlineData("DeleteQuery", """{"name":"none"}""", "'none'")]
    [InlineData("DeleteRequestCookie", """{"name":"none"}""", "'none'")]
    [InlineData("RemoveCaching", null, "no conditions")]
    public async Task Nothing_ToDo_HasNoEffectAndSaysWhy(string type, string? config, string why)
    {
        var bench = new ActionBench(Start + "\r\n");
        var result = await bench.RunAsync(type, config);
        Assert.Equal(ActionOutcome.NoEffect, result.Outcome);
        Assert.Contains(why, result.Detail, StringComparison.Ordinal);
        Assert.Equal(Start + "\r\n", bench.RequestHead());
    }

    [Theory]
    [InlineData("AddRequestHeader", """{"name":"a b","value":"x"}""", "RULE-410")]
    [InlineData("AddRequestHeader", """{"name":"Content-Length","value":"5"}""", "RULE-410")]
    [InlineData("RenameRequestHeader", """{"name":"X","to":"transfer-encoding"}""", "RULE-410")]
    [InlineData("SetRequestHeader", """{"name":"X","value":"a\r\nB: c"}""", "RULE-411")]
    [InlineData("SetRequestHeader", """{"name":"X","value":"→"}""", "RULE-411")]
    [InlineData("ReplaceInRequestHeader", """{"name":"X","pattern":"(","replacement":""}""", "RULE-413")]
    [InlineData("ReplaceInRequestHeader", """{"name":"X","pattern":"(a)\\1","replacement":""}""", "RULE-413")]
    [InlineData("AddRequestHeader", """{"name":"X","value":"{{nope}}"}""", "RULE-401")]
    [InlineData("AddRequestHeader", """{"name":"X-{{nope}}","value":""}""", "RULE-401")]
    public void Compile_WhatCannotBeSent_IsAProblem(string type, string config, string code)
    {
        var bench = new ActionBench();
        bench.Compile(type, config);
        Assert.Equal(code, Assert.Single(bench.Problems.Items).Code);
    }

    [Theory]
    [InlineData("AddRequestHeader", """{"name":"X","value":"a{{who}}"}""")]
    [InlineData("SetRequestHeader", """{"name":"X{{who}}","value":"a"}""")]
    [InlineData("UpdateRequestHeader", """{"name":"User-Agent","value":"{{who}}"}""")]
    [InlineData("BearerToken", """{"token":"{{who}}"}""")]
    [InlineData("SetRequestCookie", """{"name":"a","value":"{{who}}"}""")]
    public async Task Value_WithLineEnd_FailsAndChangesNothing(string type, string config)
    {
        var bench = new ActionBench(Start + "\r\n");
        bench.Exchange.SetVariable("who", "x\r\nEvil: 1");
        var error = await Assert.ThrowsAsync<TemplateException>(() => bench.RunAsync(type, config));
        Assert.NotEmpty(error.Message);
        Assert.Equal(Start + "\r\n", bench.RequestHead());
    }

    [Fact]
    public async Task Replacement_WithLineEnd_Fails()
    {
        var bench = new ActionBench(Start + "\r\n");
        bench.Exchange.SetVariable("who", "\n");
        Assert.Equal(ActionOutcome.Failed, (await bench.RunAsync("ReplaceInRequestHeader", """{"name":"X-A","pattern":"o","replacement":"{{who}}"}""")).Outcome);
        Assert.Equal(Start + "\r\n", bench.RequestHead());
    }

    [Theory]
    [InlineData("SetQuery", "/p?a=1&b=2&a=3", """{"name":"a","value":"x y&{{previous}}"}""", "/p?a=x%20y%261&b=2")]
    [InlineData("SetQuery", "/p", """{"name":"a","value":"ü"}""", "/p?a=%C3%BC")]
    [InlineData("SetQuery", "/p?%61=1&+x=%zz", """{"name":"a","value":"2"}""", "/p?%61=2&+x=%zz")]
    [InlineData("AddQuery", "/p?a=1", """{"name":"{{who}}","value":"{{rule.id}}"}""", "/p?a=1&al=r1")]
    [InlineData("DeleteQuery", "/p?a=1&&b&a", """{"name":"a"}""", "/p?&b")]
    [InlineData("DeleteQuery", "/p?a=1", """{"name":"a"}""", "/p")]
    public async Task Query_ChangesOnlyItsPair(string type, string before, string config, string after)
    {
        var bench = new ActionBench($"GET {before} HTTP/1.1\r\nHost: e\r\n\r\n");
        bench.Exchange.SetVariable("who", "al");
        Assert.Equal(ActionOutcome.Done, (await bench.RunAsync(type, config)).Outcome);
        Assert.Equal($"GET {after} HTTP/1.1\r\nHost: e\r\n\r\n", bench.RequestHead());
    }

    [Theory]
    [InlineData("SetRequestCookie", """{"name":"b","value":"{{previous}}9"}""", "Cookie: a=1; b=29; c=3\r\nCookie: d=4\r\n")]
    [InlineData("SetRequestCookie", """{"name":"n","value":"5"}""", "Cookie: a=1;b=2; c=3;b=7\r\nCookie: d=4; n=5\r\n")]
    [InlineData("DeleteRequestCookie", """{"name":"b"}""", "Cookie: a=1; c=3\r\nCookie: d=4\r\n")]
    [InlineData("DeleteRequestCookie", """{"name":"d"}""", "Cookie: a=1;b=2; c=3;b=7\r\n")]
    public async Task Cookie_ChangesOnlyItsPair(string type, string config, string after)
    {
        var bench = new ActionBench("GET / HTTP/1.1\r\nHost: e\r\nCookie: a=1;b=2; c=3;b=7\r\nCookie: d=4\r\n\r\n");
        Assert.Equal(ActionOutcome.Done, (await bench.RunAsync(type, config)).Outcome);
        Assert.Equal("GET / HTTP/1.1\r\nHost: e\r\n" + after + "\r\n", bench.RequestHead());
    }

    [Theory]
    [InlineData("SetFormField", """{"name":"u","value":"a b&{{previous}}"}""", "x=%FF\u00e9&u=a+b%26old&z", ActionOutcome.Done)]
    [InlineData("SetFormField", """{"name":"new","value":"1"}""", "x=%FF\u00e9&u=old&z&new=1", ActionOutcome.Done)]
    [InlineData("DeleteFormField", """{"name":"u"}""", "x=%FF\u00e9&z", ActionOutcome.Done)]
    [InlineData("DeleteFormField", """{"name":"none"}""", "x=%FF\u00e9&u=old&z", ActionOutcome.NoEffect)]
    public async Task Form_ChangesOnlyItsPair(string type, string config, string after, object outcome)
    {
        var bench = new ActionBench("POST / HTTP/1.1\r\nHost: e\r\nContent-Type: Application/x-www-form-urlencoded; charset=latin1\r\n\r\n", stage: RuleStage.RequestBody, body: "x=%FF\u00e9&u=old&z");
        Assert.Equal(outcome, (await bench.RunAsync(type, config)).Outcome);
        Assert.Equal(after, System.Text.Encoding.Latin1.GetString(bench.Context.Body!.Content.Span));
    }

    [Fact]
    public async Task Form_OfAnotherType_IsLeftAlone()
    {
        var bench = new ActionBench("POST / HTTP/1.1\r\nHost: e\r\nContent-Type: text/plain\r\n\r\n", stage: RuleStage.RequestBody, body: "u=1");
        Assert.Equal(ActionOutcome.NoEffect, (await bench.RunAsync("SetFormField", """{"name":"u","value":"2"}""")).Outcome);
        Assert.False(bench.Context.Body!.IsReplaced);
    }

    [Fact]
    public async Task RemoveCaching_OfRequest_RemovesConditions()
    {
        var bench = new ActionBench("GET / HTTP/1.1\r\nHost: e\r\nIf-None-Match: \"a\"\r\nIf-Modified-Since: x\r\nIf-Range: y\r\nA: b\r\n\r\n");
        Assert.Equal(ActionOutcome.Done, (await bench.RunAsync("RemoveCaching")).Outcome);
        Assert.Equal("GET / HTTP/1.1\r\nHost: e\r\nA: b\r\n\r\n", bench.RequestHead());
    }

    [Fact]
    public async Task BasicAuth_NameWithColon_Fails()
    {
        var bench = new ActionBench();
        Assert.Equal(ActionOutcome.Failed, (await bench.RunAsync("BasicAuth", """{"username":"a:b","password":"c"}""")).Outcome);
    }

    [Fact]
    public async Task Cors_Preflight_IsAnswered()
    {
        var bench = new ActionBench("OPTIONS /x HTTP/1.1\r\nHost: e\r\nOrigin: https://app.test\r\nAccess-Control-Request-Method: PUT\r\nAccess-Control-Request-Headers: X-A\r\n\r\n");
        var answer = await bench.AnswerAsync("Cors", """{"origins":["https://{{who}}app.test"],"credentials":true,"max_age":600}""");
        Assert.Equal(204, answer.Status);
        Assert.Equal(
        [
            new("Access-Control-Allow-Origin", "https://app.test"), new("Access-Control-Allow-Methods", "PUT"), new("Access-Control-Allow-Headers", "X-A"),
            new("Access-Control-Allow-Credentials", "true"), new("Access-Control-Max-Age", "600"),
            new("Vary", "Origin, Access-Control-Request-Method, Access-Control-Request-Headers"),
        ], answer.Fields);
    }

    [Theory]
    [InlineData("""{}""", "Access-Control-Allow-Origin: *\r\n")]
    [InlineData("""{"credentials":true,"expose":["X-{{rule.id}}"]}""", "Access-Control-Allow-Origin: https://app.test\r\nAccess-Control-Allow-Credentials: true\r\nAccess-Control-Expose-Headers: X-r1\r\nVary: Origin\r\n")]
    public async Task Cors_Response_GetsItsFields(string config, string fields)
    {
        var bench = new ActionBench("GET / HTTP/1.1\r\nHost: e\r\nOrigin: https://app.test\r\n\r\n", "HTTP/1.1 200 OK\r\nAccess-Control-Allow-Origin: x\r\n\r\n", RuleStage.ResponseHeaders);
        Assert.Equal(ActionOutcome.Done, (await bench.RunAsync("Cors", config)).Outcome);
        Assert.Equal($"HTTP/1.1 200 OK\r\n{fields}\r\n", bench.ResponseHead());
    }

    [Theory]
    [InlineData("GET / HTTP/1.1\r\nHost: e\r\n\r\n")]
    [InlineData("GET / HTTP/1.1\r\nHost: e\r\nOrigin: https://evil.test\r\n\r\n")]
    [InlineData("OPTIONS / HTTP/1.1\r\nHost: e\r\nOrigin: https://app.test\r\n\r\n")]
    public async Task Cors_WhatIsNoPreflightOfAnAllowedOrigin_GoesOn(string request)
    {
        var bench = new ActionBench(request);
        Assert.Equal(ActionOutcome.NoEffect, (await bench.RunAsync("Cors", """{"origins":["https://app.test"]}""")).Outcome);
        Assert.Equal(request, bench.RequestHead());
    }
}
