using System.Text.Json;
using RelayCore.Core.Flows;
using Xunit;

namespace RelayCore.Cli.Tests.Rules;

/// <summary>The commands on rule files: nothing runs, nothing is sent.</summary>
public sealed class RuleFileCommandsTests : IDisposable
{
    private const string Good = """
        rules:
          - id: env
            filter: {type: Host, config: {mode: Suffix, value: .example}}
            actions:
              - {type: AddRequestHeader, config: {name: X-Env, value: qa}}
          - id: mock
            filter: {type: Path, config: {mode: Prefix, value: /mock}}
            actions:
              - {type: MockResponse, config: {status: 503, body: busy}}
        tests:
          - name: sets the field
            given: {url: "http://a.example/"}
            expect: {matched: [env], request: {headers: {X-Env: qa}}}
          - name: answers
            given: {url: "http://b.test/mock/1"}
            expect: {answered: {status: 503, body: busy}, not_matched: [env]}
        """;

    private readonly TestEnvironment _environment = new();

    public void Dispose() => _environment.Dispose();

    [Fact]
    public async Task Validate_GoodFile_CountsItsRules()
    {
        Assert.Equal(ExitCode.Success, await _environment.RunAsync("rules", "validate", _environment.Write("r.yaml", Good)));
        Assert.Equal("2 rules, 0 errors, 0 warnings.\n", _environment.Output);
    }

    [Fact]
    public async Task Validate_BadFiles_NamesEveryProblemWithItsPlace()
    {
        var first = _environment.Write("a.yaml", Good.Replace("type: Host", "type: Hots", StringComparison.Ordinal));
        var second = _environment.Write("b.json", """[{"filter":{"type":"Url","config":{"mode":"Regex","value":"("}},"stage":"RequestHeaders","actions":[{"type":"Drop"}]}]""");
        Assert.Equal(ExitCode.Failure, await _environment.RunAsync("rules", "validate", first));
        Assert.Matches(@"(?m)a\.yaml:3:\d+: error RULE-\d+ at .*filter.*Host", _environment.Error);
        Assert.Equal(ExitCode.Failure, await _environment.RunAsync("rules", "validate", second));
        Assert.Matches(@"(?m)b\.json:1:\d+: error RULE-\d+", _environment.Error);
        Assert.Equal(ExitCode.Failure, await _environment.RunAsync("rules", "validate", "missing.yaml"));
        Assert.Contains("missing.yaml", _environment.Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("json", "\"priority\": 0")]
    [InlineData("yaml", "priority: 0")]
    public async Task Print_File_ShowsEveryField(string format, string expected)
    {
        Assert.Equal(ExitCode.Success, await _environment.RunAsync("rules", "print", _environment.Write("r.yaml", Good), "--output", format));
        Assert.Contains(expected, _environment.Output.Replace("\"priority\":0", "\"priority\": 0", StringComparison.Ordinal), StringComparison.Ordinal);
        var again = _environment.Write("again." + format, _environment.Output);
        Assert.Equal(ExitCode.Success, await _environment.RunAsync("rules", "validate", again));
    }

    [Fact]
    public async Task Lint_ShadowedRule_IsNamed()
    {
        var file = _environment.Write("r.yaml", """
            - {id: all, stage: RequestHeaders, filter: {type: All}, actions: [{type: Drop}]}
            - {id: late, stage: RequestHeaders, filter: {type: Host, config: a.example}, actions: [{type: Tag, config: {key: a, value: b}}]}
            """);
        Assert.Equal(ExitCode.Failure, await _environment.RunAsync("rules", "lint", file));
        Assert.Contains("RULE-040", _environment.Output, StringComparison.Ordinal);
        Assert.Contains("all", _environment.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Schema_Always_IsJson()
    {
        Assert.Equal(ExitCode.Success, await _environment.RunAsync("rules", "schema"));
        using var schema = JsonDocument.Parse(_environment.Output);
        Assert.Equal("https://json-schema.org/draft/2020-12/schema", schema.RootElement.GetProperty("$schema").GetString());
    }

    [Fact]
    public async Task Import_OneLiners_BecomeRulesThatLoad()
    {
        Assert.Equal(ExitCode.Success, await _environment.RunAsync("rules", "import", "--from", "mitmproxy", "--modify-headers", "/~q/X-Test/1", "--anticache", "-o", "yaml"));
        var file = _environment.Write("imported.yaml", _environment.Output);
        Assert.Equal(ExitCode.Success, await _environment.RunAsync("rules", "validate", file));
        Assert.Equal(ExitCode.Failure, await _environment.RunAsync("rules", "import", "--from", "mitmproxy", "--modify-headers", "/nonsense"));
        Assert.Equal(ExitCode.Usage, await _environment.RunAsync("rules", "import", "--from", "mitmproxy"));
    }

    [Fact]
    public async Task Check_Tests_WriteTapAndFailWhenOneFails()
    {
        Assert.Equal(ExitCode.Success, await _environment.RunAsync("rules", "check", _environment.Write("r.yaml", Good)));
        Assert.Equal("1..2\nok 1 - sets the field\nok 2 - answers\n# 2 passed, 0 failed\n", _environment.Output);
        var file = _environment.Write("bad.yaml", Good.Replace("X-Env: qa}}}", "X-Env: prod}}}", StringComparison.Ordinal));
        Assert.Equal(ExitCode.Failure, await _environment.RunAsync("rules", "check", file));
        Assert.Contains("not ok 1 - sets the field\n# " + file, _environment.Output, StringComparison.Ordinal);
        Assert.Contains("request.headers.X-Env should be \"prod\", but is \"qa\"", _environment.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Test_Har_ShowsMatchesChangesAndNearMisses()
    {
        var rules = _environment.Write("r.yaml", Good);
        var har = _environment.Write("x.har", """
            {"log":{"entries":[{"request":{"method":"GET","url":"http://a.example/x","headers":[]},"response":{"status":200,"headers":[],"content":{}}},
                               {"request":{"method":"GET","url":"http://b.test/mock","headers":[]},"response":{"status":200,"headers":[],"content":{}}}]}}
            """);
        Assert.Equal(ExitCode.Success, await _environment.RunAsync("rules", "test", rules, "--har", har));
        Assert.Contains("request.headers.X-Env: (absent) -> qa", _environment.Output, StringComparison.Ordinal);
        Assert.Matches(@"(?m)^  no match    mock \(request_headers\): this does not hold: .*/mock", _environment.Output);
        Assert.Contains("answered    503", _environment.Output, StringComparison.Ordinal);
        Assert.Equal(ExitCode.Usage, await _environment.RunAsync("rules", "test", rules));
        Assert.Equal(ExitCode.Failure, await _environment.RunAsync("rules", "test", rules, "--har", rules));
    }

    [Fact]
    public async Task Test_FlowFile_WritesJson()
    {
        var flow = new Flow
        {
            Id = "0198f000-0000-7000-8000-000000000000",
            StartTime = "2026-01-01T00:00:00Z",
            Network = new() { ClientIp = "127.0.0.1", ClientPort = 1, ServerIp = "0.0.0.0", ServerPort = 0, Tls = false },
            Kind = FlowKind.Http,
            Connection = new() { Client = new() { Id = 1 } },
            Octets = new() { RequestBody = 0, ResponseBody = 0 },
            Layer = new FlowLayer.Http(new() { Request = new() { Method = "GET", Url = "http://a.example/", Version = "HTTP/1.1", Headers = [["Host", "a.example"]] } }),
        };
        var file = _environment.Write("flow.json", JsonSerializer.Serialize(flow, FlowJson.Default.Flow));
        Assert.Equal(ExitCode.Success, await _environment.RunAsync("rules", "test", _environment.Write("r.yaml", Good), "--flow", file, "--output", "json"));
        using var result = JsonDocument.Parse(_environment.Output);
        Assert.Equal("env", result.RootElement.GetProperty("matched")[0].GetString());
        Assert.Equal(ExitCode.Failure, await _environment.RunAsync("rules", "test", _environment.Write("r.yaml", Good), "--flow", _environment.Write("no.json", "{}")));
    }
}
