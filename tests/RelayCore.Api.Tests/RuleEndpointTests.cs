using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using Xunit;

namespace RelayCore.Api.Tests;

/// <summary>Rules and breakpoints through the real server, with their effect on the wire.</summary>
public sealed class RuleEndpointTests(ApiFixture fixture) : IClassFixture<ApiFixture>, IAsyncLifetime
{
    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    public ValueTask InitializeAsync() => default;

    public async ValueTask DisposeAsync()
    {
        // One proxy serves all tests: each leaves it without rules.
        foreach (var rule in (await fixture.GetJsonAsync("/rules")).EnumerateArray())
        {
            (await fixture.Client.DeleteAsync($"/api/v1/rules/{rule.GetProperty("id").GetString()}", CancellationToken.None)).Dispose();
        }
    }

    [Theory]
    [InlineData("PUT")]
    [InlineData("POST")]
    public async Task Set_OneRule_IsInForceAndListedAsInTheReference(string method)
    {
        var (status, answer) = await SendAsync(new(method), "/rules", """
            {"id":"r1","name":"staging","active":true,"stage":"RequestHeaders","priority":10,"termination":"Continue",
             "filter":{"type":"And","config":[{"type":"Path","config":{"mode":"Prefix","value":"/rule"}},{"type":"Not","config":{"type":"Method","config":{"mode":"Exact","value":"OPTIONS"}}}]},
             "actions":[{"type":"MockResponse","config":{"status":202,"body":"ruled"}}]}
            """);
        Assert.Equal((HttpStatusCode.OK, "r1", "ok"), (status, answer.GetProperty("id").GetString(), answer.GetProperty("status").GetString()));
        using var response = await fixture.Browser.GetAsync(fixture.Origin.Url("/rule/x"), Stop);
        Assert.Equal((HttpStatusCode.Accepted, "ruled"), (response.StatusCode, await response.Content.ReadAsStringAsync(Stop)));
        var rule = Assert.Single((await fixture.GetJsonAsync("/rules")).EnumerateArray());
        Assert.Equal(
            ["id", "name", "active", "stage", "priority", "termination", "filter", "actions", "constraints", "hits", "last_hit_ms", "source"],
            rule.EnumerateObject().Select(x => x.Name));
        Assert.Equal((1L, "API"), (rule.GetProperty("hits").GetInt64(), rule.GetProperty("source").GetString()));
        var (deleted, gone) = await SendAsync(HttpMethod.Delete, "/rules/r1", null);
        Assert.Equal((HttpStatusCode.OK, "deleted"), (deleted, gone.GetProperty("status").GetString()));
        Assert.Equal("hello /rule/x", await fixture.Browser.GetStringAsync(fixture.Origin.Url("/rule/x"), Stop));
    }

    [Fact]
    public async Task Set_BadRules_AreRefusedWithAllProblems()
    {
        var (status, problem) = await SendAsync(HttpMethod.Put, "/rules", """
            [{"id":"a","filter":{"type":"Hots","config":{"mode":"Exact","value":"x"}},"actions":[{"type":"Drop"}]},
             {"id":"b","stage":"ResponseBody","filter":{"type":"All"},"actions":[{"type":"SetRequestMethod","config":{"method":"PUT"}}]},
             {"id":"c","filter":{"type":"Url","config":{"mode":"Regex","value":"("}},"actions":[{"type":"Drop"}]}]
            """);
        Assert.Equal((HttpStatusCode.BadRequest, "invalid_rule"), (status, problem.GetProperty("code").GetString()));
        var problems = problem.GetProperty("problems").EnumerateArray().ToList();
        Assert.Contains(problems, x => x.GetProperty("line").GetInt32() == 1 && x.ToString().Contains("Host", StringComparison.Ordinal) && x.GetProperty("path").GetString()!.StartsWith("$[0].filter", StringComparison.Ordinal));
        Assert.Contains(problems, x => x.GetProperty("line").GetInt32() == 2 && x.GetProperty("path").GetString()!.StartsWith("$[1]", StringComparison.Ordinal));
        Assert.Empty((await fixture.GetJsonAsync("/rules")).EnumerateArray());
        var (_, syntax) = await SendAsync(HttpMethod.Put, "/rules", "{\"id\": \n \"x\" \"y\"}");
        Assert.Equal(2, syntax.GetProperty("problems")[0].GetProperty("line").GetInt32());
    }

    [Fact]
    public async Task Delete_Unknown_NamesTheNearest()
    {
        await SendAsync(HttpMethod.Put, "/rules", """{"id":"block-ads","stage":"RequestHeaders","filter":{"type":"Host","config":"ads.example"},"actions":[{"type":"Drop"}]}""");
        var (status, problem) = await SendAsync(HttpMethod.Delete, "/rules/block-adds", null);
        Assert.Equal((HttpStatusCode.NotFound, "rule_not_found"), (status, problem.GetProperty("code").GetString()));
        Assert.Contains("'block-ads'", problem.GetProperty("detail").GetString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Schema_Status_AndValidate_Answer()
    {
        Assert.Contains("MockResponse", (await fixture.GetJsonAsync("/rules/schema")).GetRawText(), StringComparison.Ordinal);
        var status = await fixture.GetJsonAsync("/rules/status");
        Assert.Equal((0, false), (status.GetProperty("rule_count").GetInt32(), status.GetProperty("stale").GetBoolean()));
        var (code, valid) = await SendAsync(HttpMethod.Post, "/rules/validate", "filter: {type: All}\nstage: RequestHeaders\nactions: [{type: Drop}]");
        Assert.Equal((HttpStatusCode.OK, true), (code, valid.GetProperty("valid").GetBoolean()));
        (code, valid) = await SendAsync(HttpMethod.Post, "/rules/validate", "filter: {type: Al}\nactions: [{type: Drop}]");
        Assert.Equal((HttpStatusCode.OK, false, "error"), (code, valid.GetProperty("valid").GetBoolean(), valid.GetProperty("problems")[0].GetProperty("severity").GetString()));
        Assert.Empty((await fixture.GetJsonAsync("/rules")).EnumerateArray());
    }

    [Fact]
    public async Task Test_StoredFlow_ShowsWhatRulesWouldDo()
    {
        var id = await fixture.BrowseAsync("/tried?x=1");
        var (status, result) = await SendAsync(HttpMethod.Post, "/rules/test", """
            {"flow_id":"FLOW","rules":[
              {"id":"hit","filter":{"type":"Path","config":{"mode":"Prefix","value":"/tried"}},"actions":[{"type":"AddRequestHeader","config":{"name":"X-A","value":"1"}}]},
              {"id":"miss","stage":"RequestHeaders","filter":{"type":"Method","config":"POST"},"actions":[{"type":"Drop"}]}]}
            """.Replace("FLOW", id, StringComparison.Ordinal));
        Assert.True(status == HttpStatusCode.OK, result.ToString());
        Assert.Equal("hit", Assert.Single(result.GetProperty("matched").EnumerateArray()).GetString());
        Assert.Contains(result.GetProperty("changes").EnumerateArray(), x => x.GetProperty("target").GetString() == "request.headers.X-A");
        Assert.Contains("POST", result.GetProperty("rules").EnumerateArray().Single(x => x.GetProperty("rule_id").GetString() == "miss").GetProperty("failing").GetString(), StringComparison.Ordinal);

        var flow = await fixture.GetJsonAsync($"/flows/{id}");
        (status, _) = await SendAsync(HttpMethod.Post, "/rules/test", "{\"flow\":" + flow.GetRawText() + "}");
        Assert.Equal(HttpStatusCode.OK, status);
        (status, result) = await SendAsync(HttpMethod.Post, "/rules/test", "{}");
        Assert.Equal((HttpStatusCode.BadRequest, true), (status, result.GetProperty("detail").GetString()!.Contains("flow_id", StringComparison.Ordinal)));
        (status, _) = await SendAsync(HttpMethod.Post, "/rules/test", """{"flow_id":"0198f000-0000-7000-8000-000000000000"}""");
        Assert.Equal(HttpStatusCode.NotFound, status);
    }

    [Fact]
    public async Task Mock_Url_IsAnswered()
    {
        var (status, answer) = await SendAsync(HttpMethod.Post, "/mock", """{"url_pattern":"/mocked","status":418,"body":"tea","content_type":"text/plain"}""");
        Assert.Equal(HttpStatusCode.OK, status);
        Assert.StartsWith("api-mock-", answer.GetProperty("rule_id").GetString(), StringComparison.Ordinal);
        using var response = await fixture.Browser.GetAsync("http://nobody.invalid/mocked", Stop);
        Assert.Equal((418, "tea"), ((int)response.StatusCode, await response.Content.ReadAsStringAsync(Stop)));
        (status, _) = await SendAsync(HttpMethod.Post, "/mock", "{}");
        Assert.Equal(HttpStatusCode.BadRequest, status);
    }

    [Fact]
    public async Task Intercepts_UnknownPhase_NamesThePhases()
    {
        var (status, problem) = await SendAsync(HttpMethod.Post, "/intercepts", """{"url_pattern":"/x","phase":"requests"}""");
        Assert.Equal(HttpStatusCode.BadRequest, status);
        Assert.Contains("request, response, both", problem.GetProperty("detail").GetString(), StringComparison.Ordinal);
        Assert.Empty((await fixture.GetJsonAsync("/rules")).EnumerateArray());
    }

    [Fact]
    public async Task Intercepts_PausedRequest_GoesOnAsEdited()
    {
        await SendAsync(HttpMethod.Post, "/intercepts", """{"url_pattern":"/paused"}""");
        var answer = fixture.Browser.GetStringAsync(fixture.Origin.Url("/paused"), Stop);
        var item = await PausedAsync();
        Assert.Equal(("request_headers", "GET", fixture.Origin.Url("/paused")), (item.GetProperty("phase").GetString(), item.GetProperty("method").GetString(), item.GetProperty("url").GetString()));
        var key = Uri.EscapeDataString(item.GetProperty("key").GetString()!);
        var (status, problem) = await SendAsync(HttpMethod.Post, $"/intercepts/{key}/resume", """{"status_code":200}""");
        Assert.Equal((HttpStatusCode.BadRequest, "invalid_modification"), (status, problem.GetProperty("code").GetString()));
        (status, var resumed) = await SendAsync(HttpMethod.Post, $"/intercepts/{key}/resume", $$"""{"action":"continue","url":"{{fixture.Origin.Url("/elsewhere")}}"}""");
        Assert.Equal((HttpStatusCode.OK, "resumed"), (status, resumed.GetProperty("status").GetString()));
        Assert.Equal("hello /elsewhere", await answer);
        (status, problem) = await SendAsync(HttpMethod.Post, $"/intercepts/{key}/resume", "{}");
        Assert.Equal((HttpStatusCode.BadRequest, "intercept_not_found"), (status, problem.GetProperty("code").GetString()));
    }

    [Fact]
    public async Task Intercepts_PausedResponse_CanGetAnotherBody()
    {
        await SendAsync(HttpMethod.Post, "/intercepts", """{"url_pattern":"/gzip","phase":"response"}""");
        using var request = new HttpRequestMessage(HttpMethod.Get, fixture.Origin.Url("/gzip"));
        request.Headers.AcceptEncoding.Add(new StringWithQualityHeaderValue("gzip"));
        var answer = fixture.Browser.SendAsync(request, Stop);
        var item = await PausedAsync();
        Assert.Equal(("response_headers", 200), (item.GetProperty("phase").GetString(), item.GetProperty("status").GetInt32()));
        var (status, _) = await SendAsync(HttpMethod.Post, $"/intercepts/{Uri.EscapeDataString(item.GetProperty("key").GetString()!)}/resume",
            """{"status_code":201,"response_header_upserts":{"X-Seen":"yes"},"response_body":"edited"}""");
        Assert.Equal(HttpStatusCode.OK, status);
        using var response = await answer;
        Assert.Equal((HttpStatusCode.Created, "yes"), (response.StatusCode, response.Headers.GetValues("X-Seen").Single()));
        await using var gzip = new System.IO.Compression.GZipStream(await response.Content.ReadAsStreamAsync(Stop), System.IO.Compression.CompressionMode.Decompress);
        using var reader = new StreamReader(gzip);
        Assert.Equal("edited", await reader.ReadToEndAsync(Stop));
    }

    private async Task<JsonElement> PausedAsync()
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(Stop);
        patience.CancelAfter(TimeSpan.FromSeconds(30));
        while (true)
        {
            var list = await fixture.GetJsonAsync("/intercepts");
            if (list.GetProperty("pending_count").GetInt32() == 1)
            {
                return list.GetProperty("items")[0];
            }

            await Task.Delay(10, patience.Token);
        }
    }

    private async Task<(HttpStatusCode Status, JsonElement Answer)> SendAsync(HttpMethod method, string path, string? content)
    {
        using var request = new HttpRequestMessage(method, "/api/v1" + path) { Content = content is null ? null : new StringContent(content, Encoding.UTF8, "application/json") };
        using var response = await fixture.Client.SendAsync(request, Stop);
        using var document = JsonDocument.Parse(await response.Content.ReadAsByteArrayAsync(Stop));
        return (response.StatusCode, document.RootElement.Clone());
    }
}
