using System.Diagnostics;
using System.Text;
using RelayCore.Core.Interception;
using RelayCore.Protocols;
using RelayCore.Rules.Documents;
using RelayCore.Runtime.Rules;
using Xunit;

namespace RelayCore.Runtime.Tests.Rules;

public sealed class DryRunTests
{
    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    [Fact]
    public async Task RunAsync_RulesOfEveryStage_ShowWhatChangesAndWhyOthersDoNot()
    {
        var result = await RunAsync(
            """
            [
              {"id":"add","filter":{"type":"Host","config":{"mode":"Suffix","value":".example"}},"actions":[{"type":"AddRequestHeader","config":{"name":"X-Env","value":"qa"}},{"type":"Tag","config":{"key":"team","value":"web"}}]},
              {"id":"other-host","stage":"RequestHeaders","filter":{"type":"Host","config":"elsewhere.test"},"actions":[{"type":"Drop"}]},
              {"id":"body","filter":{"type":"All"},"stage":"ResponseBody","actions":[{"type":"SetResponseBody","config":{"body":"new"}}]},
              {"id":"status","stage":"ResponseHeaders","filter":{"type":"StatusCode","config":404},"actions":[{"type":"Drop"}]},
              {"id":"off","active":false,"stage":"RequestHeaders","filter":{"type":"All"},"actions":[{"type":"Drop"}]}
            ]
            """,
            new()
            {
                Url = "http://shop.example/cart?x=1",
                Headers = [new("Accept", "*/*")],
                Response = new(200, [new("Content-Type", "text/plain"), new("Content-Encoding", "gzip")], "old"u8.ToArray()),
            });
        Assert.Equal(["add", "body"], result.Matched.Order());
        Assert.Contains(result.Changes, x => (x.Target, x.Before, x.After) == ("request.headers.X-Env", null, "qa"));
        Assert.Contains(result.Changes, x => (x.Target, x.Before, x.After) == ("response.body", "old", "new"));
        Assert.Equal(["team:web"], result.Tags);
        Assert.Null(result.Ended);
        Assert.Equal("http://shop.example/cart?x=1", result.Request!.Url);
        var missed = result.Rules.Single(x => x.RuleId == "other-host");
        Assert.Contains("elsewhere.test", missed.Failing, StringComparison.Ordinal);
        Assert.Contains("404", result.Rules.Single(x => x.RuleId == "status").Failing, StringComparison.Ordinal);
        Assert.Equal("it is not active", result.Rules.Single(x => x.RuleId == "off").Detail);
    }

    [Fact]
    public async Task RunAsync_AnsweringRule_ShowsTheAnswerAndWhatIsNotReached()
    {
        var result = await RunAsync(
            """
            [
              {"id":"mock","filter":{"type":"Path","config":{"mode":"Prefix","value":"/api"}},"actions":[{"type":"MockResponse","config":{"status":503,"headers":{"Retry-After":"5"},"body":"busy"}}]},
              {"id":"late","stage":"ResponseHeaders","filter":{"type":"All"},"actions":[{"type":"DeleteResponseHeader","config":{"name":"Server"}}]}
            ]
            """,
            new() { Url = "http://a.example/api/1", Response = new(200, [], default) });
        Assert.Equal((503, "busy"), (result.Answered!.Status, result.Answered.Body));
        Assert.Null(result.Response);
        Assert.Contains("answered", result.Rules.Single(x => x.RuleId == "late").Detail, StringComparison.Ordinal);
    }

    [Fact]
    public async Task RunAsync_Delays_TakeNoTime()
    {
        var clock = Stopwatch.StartNew();
        var result = await RunAsync(
            """[{"id":"slow","filter":{"type":"All"},"stage":"RequestHeaders","actions":[{"type":"Delay","config":{"ms":50000}},{"type":"AddRequestHeader","config":{"name":"X","value":"1"}}]}]""",
            new() { Url = "http://a.example/" });
        Assert.Equal("1", result.Request!.Headers!.Single(x => x[0] == "X")[1]);
        Assert.InRange(result.WaitedMs, 50000, 51000);
        Assert.InRange(clock.Elapsed, TimeSpan.Zero, TimeSpan.FromSeconds(20));
    }

    [Fact]
    public async Task RunAsync_Messages_AreEditedAndDropped()
    {
        var result = await RunAsync(
            """
            [
              {"id":"drop","stage":"WebSocketMessage","filter":{"type":"WebSocketMessage","config":{"mode":"Contains","value":"secret"}},"actions":[{"type":"DropWebSocketMessage"}]}
            ]
            """,
            new()
            {
                Url = "http://a.example/socket",
                Messages = [new(PeerRole.Client, MessageType.Text, "a secret"u8.ToArray()), new(PeerRole.Server, MessageType.Text, "fine"u8.ToArray())],
            });
        Assert.Equal([true, false], result.Messages!.Select(x => x.Dropped));
    }

    [Fact]
    public async Task RunAsync_Http2_SeesItsVersionAndAuthority()
    {
        var result = await RunAsync(
            """[{"id":"v2","stage":"RequestHeaders","filter":{"type":"And","config":[{"type":"HttpVersion","config":"2"},{"type":"Host","config":"a.example"}]},"actions":[{"type":"AddRequestHeader","config":{"name":"X","value":"2"}}]}]""",
            new() { Url = "https://a.example/p", IsHttp2 = true });
        Assert.Equal(["v2"], result.Matched);
        Assert.Equal("https://a.example/p", result.Request!.Url);
    }

    [Theory]
    [InlineData("not a url")]
    [InlineData("ftp://a.example/")]
    public async Task RunAsync_WhatIsNoExchange_IsRefused(string url)
    {
        var error = await Assert.ThrowsAsync<FormatException>(() => RunAsync("[]", new() { Url = url }));
        Assert.Contains(url, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Check_TestsOfAFile_PassAndFailWithReasons()
    {
        var problems = new RuleProblems();
        var document = RuleDocument.Parse(
            """
            rules:
              - id: env
                filter: {type: Host, config: a.example}
                actions:
                  - {type: AddRequestHeader, config: {name: X-Env, value: qa}}
            tests:
              - name: sets the field
                given: {url: "http://a.example/", headers: {Accept: text/html}}
                expect: {matched: [env], request: {headers: {X-Env: qa, Accept: text/html}}}
              - name: leaves others
                given: {url: "http://b.example/"}
                expect: {not_matched: [env], request: {headers: {X-Env: null}}, answered: false}
              - name: wrong on purpose
                given: {url: "http://b.example/"}
                expect: {matched: [env], request: {headers: {X-Env: qa}}, tags: [x], answered: {status: 200}}
            """, "test.yaml", problems);
        var results = await RuleTests.RunAsync(document, new(), problems, Stop);
        Assert.False(problems.HasErrors, string.Join('\n', problems.Items));
        Assert.Equal([0, 0, 4], results.Select(x => x.Failures.Count));
        Assert.Contains("a.example", results[2].Failures[0], StringComparison.Ordinal);
        Assert.Contains("X-Env should be \"qa\", but is absent", string.Join('\n', results[2].Failures), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("given: {uri: http://a.example/}\n    expect: {}", "url")]
    [InlineData("given: {url: /p}\n    expect: {}", "/p")]
    [InlineData("given: {url: http://a.example/}\n    expect: {matched: [enf]}", "'env'")]
    [InlineData("given: {url: http://a.example/}\n    expect: {match: [env]}", "matched")]
    [InlineData("given: {url: http://a.example/, response: {status: 1}}\n    expect: {}", "100 to 999")]
    public async Task Check_TestsOfBadForm_AreReportedWithTheirPlace(string test, string named)
    {
        var problems = new RuleProblems();
        var document = RuleDocument.Parse(
            "rules:\n  - id: env\n    stage: RequestHeaders\n    filter: {type: All}\n    actions: [{type: Tag, config: {key: a, value: b}}]\ntests:\n  - name: t\n    " + test, "t.yaml", problems);
        Assert.Empty(await RuleTests.RunAsync(document, new(), problems, Stop));
        var error = problems.Items.First(x => x.Severity == ProblemSeverity.Error);
        Assert.Contains(named, error.ToString(), StringComparison.Ordinal);
        Assert.InRange(error.Location.Line, 7, 9);
    }

    [Fact]
    public void Har_Read_KeepsWhatRulesLookAt()
    {
        var path = Path.GetTempFileName();
        try
        {
            File.WriteAllText(path, """
                {"log":{"entries":[{"request":{"method":"POST","url":"https://a.example/x","httpVersion":"h2","headers":[{"name":":authority","value":"a.example"},{"name":"A","value":"1"}],"postData":{"text":"in"}},
                 "response":{"status":201,"statusText":"Created","headers":[{"name":"Set-Cookie","value":"a=1\nb=2"}],"content":{"text":"b3V0","encoding":"base64"}}}]}}
                """);
            var entry = Assert.Single(HarReader.Read(path));
            Assert.Equal(("POST", "https://a.example/x", true, "in"), (entry.Method, entry.Url, entry.IsHttp2, Encoding.UTF8.GetString(entry.Body.Span)));
            Assert.Equal((201, "out", "a=1", "b=2"), (entry.Response!.Status, Encoding.UTF8.GetString(entry.Response.Body.Span), entry.Response.Headers[0].Value, entry.Response.Headers[1].Value));
            File.WriteAllText(path, "{\"log\":{}}");
            Assert.Contains("log.entries", Assert.Throws<FormatException>(() => HarReader.Read(path)).Message, StringComparison.Ordinal);
            File.WriteAllText(path, "{");
            Assert.Contains("JSON", Assert.Throws<FormatException>(() => HarReader.Read(path)).Message, StringComparison.Ordinal);
        }
        finally
        {
            File.Delete(path);
        }
    }

    private static async Task<DryRunResult> RunAsync(string rules, DryRunInput input)
    {
        var problems = new RuleProblems();
        var document = RuleDocument.Parse(rules, "test", problems);
        var result = problems.HasErrors ? null : await DryRun.RunAsync(document.Rules, new(), input, problems, Stop);
        Assert.False(problems.HasErrors, string.Join('\n', problems.Items));
        return result!;
    }
}
