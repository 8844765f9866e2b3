using RelayCore.Rules.Documents;
using Xunit;

namespace RelayCore.Rules.Tests.Documents;

/// <summary>The examples of the reference (rules §1, §10) load with the types there are: a type that is missing fails these tests.</summary>
public sealed class ReferenceCatalogTests
{
    private const string Url = """{"type":"Url","config":{"mode":"Contains","value":"/missing"}}""";

    [Theory]
    [InlineData("""{"type":"All"}""")]
    [InlineData("""{"type":"SrcIp","config":"10.0.0.0/8"}""")]
    [InlineData("""{"type":"DstPort","config":443}""")]
    [InlineData("""{"type":"RequestHeader","config":{"name":"accept","value":{"mode":"Contains","value":"json"}}}""")]
    [InlineData("""{"type":"ResponseHeader","config":{"name":"etag","value":null}}""")]
    [InlineData("""{"type":"StatusCode","config":404}""")]
    [InlineData("""{"type":"Or","config":[{"type":"Path","config":{"mode":"Glob","value":"/api/*"}},{"type":"Url","config":{"mode":"Regex","value":"v[12]/items"}}]}""")]
    [InlineData("""{"type":"Protocol","config":"TCP"}""")]
    [InlineData("""{"type":"TransparentMode","config":true}""")]
    [InlineData("""{"type":"ResponseBody","config":{"mode":"Contains","value":"a"}}""")]
    [InlineData("""{"type":"WebSocketMessage","config":{"mode":"Contains","value":"a"}}""")]
    public void Filter_Loads(string filter) => Loads($$$"""{"filter":{{{filter}}},"actions":[{"type":"Tag","config":{"key":"a","value":"b"}}]}""");

    [Theory]
    [InlineData("""{"type":"Drop"}""")]
    [InlineData("""{"type":"Abort"}""")]
    [InlineData("""{"type":"Inspect"}""")]
    [InlineData("""{"type":"Delay","config":{"ms":250}}""")]
    [InlineData("""{"type":"Throttle","config":{"kbps":64}}""")]
    [InlineData("""{"type":"Tag","config":{"key":"team","value":"web"}}""")]
    [InlineData("""{"type":"SetVariable","config":{"name":"who","value":"{{client.ip}}"}}""")]
    [InlineData("""{"type":"RateLimit","config":{"key":"{{client.ip}}:{{request.host}}","limit":30,"window_ms":60000}}""")]
    [InlineData("""{"type":"RedirectIp","config":{"target":"127.0.0.1:80"}}""")]
    [InlineData("""{"type":"ForwardPort","config":{"target_host":"a.example","target_port":80}}""")]
    [InlineData("""{"type":"SetTtl","config":{"ttl":64}}""")]
    [InlineData("""{"type":"MockResponse","config":{"status":503,"headers":{"Retry-After":"5"},"body":{"type":"Text","value":"busy"}}}""")]
    [InlineData("""{"type":"MapLocal","config":{"path":"mocks/users.json","content_type":"application/json"}}""")]
    [InlineData("""{"type":"MapRemote","config":{"url":"https://staging.example:8443","preserve_host":false}}""")]
    [InlineData("""{"type":"Redirect","config":{"location":"https://other.example{{request.path}}","status":302}}""")]
    [InlineData("""{"type":"AddRequestHeader","config":{"name":"X-Env","value":"{{client.ip}}"}}""")]
    [InlineData("""{"type":"AddResponseHeader","config":{"name":"X-Env","value":"a"}}""")]
    [InlineData("""{"type":"UpdateRequestHeader","config":{"name":"User-Agent","value":"{{previous}} qa","add_if_missing":true}}""")]
    [InlineData("""{"type":"UpdateResponseHeader","config":{"name":"Server","value":"a","add_if_missing":false}}""")]
    [InlineData("""{"type":"DeleteRequestHeader","config":{"name":"Cookie"}}""")]
    [InlineData("""{"type":"DeleteResponseHeader","config":{"name":"Content-Security-Policy"}}""")]
    [InlineData("""{"type":"SetRequestMethod","config":{"method":"PUT"}}""")]
    [InlineData("""{"type":"SetRequestUrl","config":{"url":"https://a.example/"}}""")]
    [InlineData("""{"type":"SetResponseStatus","config":{"status":404}}""")]
    [InlineData("""{"type":"SetRequestBody","config":{"body":{"type":"Text","value":"a"}}}""")]
    [InlineData("""{"type":"SetResponseBody","config":{"body":{"type":"File","value":"alt.html"}}}""")]
    [InlineData("""{"type":"TransformResponseBody","config":{"transform":{"type":"JsonPathSet","config":{"path":"$.user.plan","value":"\"pro\""}}}}""")]
    [InlineData("""{"type":"TransformRequestBody","config":{"transform":{"type":"RegexReplace","config":{"pattern":"foo(\\d)","replacement":"bar$1"}}}}""")]
    [InlineData("""{"type":"MockWebSocketMessage","config":{"direction":"Incoming","message":"{}"}}""")]
    [InlineData("""{"type":"DropWebSocketMessage"}""")]
    public void Action_Loads(string action) => Loads($$"""{"filter":{"type":"All"},"actions":[{{action}}]}""");

    [Fact]
    public void Example_Loads()
    {
        var rule = Loads(
            """
            {"id":"r1","name":"staging","active":true,"stage":"RequestHeaders","priority":10,"termination":"Continue",
             "filter":{"type":"And","config":[
               {"type":"Host","config":{"mode":"Suffix","value":".example.com"}},
               {"type":"Not","config":{"type":"Method","config":{"mode":"Exact","value":"OPTIONS"}}}]},
             "actions":[{"type":"AddRequestHeader","config":{"name":"X-Env","value":"{{client.ip}}"}}]}
            """);
        Assert.Equal(("r1", 10), (rule.Id, rule.Priority));
    }

    [Fact]
    public void BareRule_IsAtRequestHeaders() =>
        Assert.Equal(RuleStage.RequestHeaders, Loads($$$"""{"filter":{{{Url}}},"actions":[{"type":"MockResponse","config":{"status":200,"body":"OK"}}]}""").Stage);

    private static RuleDefinition Loads(string text)
    {
        var problems = new RuleProblems();
        var document = RuleDocument.Parse(text, "rules.json", problems);
        Assert.Empty(problems.Items);
        return Assert.Single(document.Rules);
    }
}
