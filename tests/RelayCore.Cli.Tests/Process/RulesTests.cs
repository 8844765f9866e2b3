using System.Net;
using RelayCore.Testing;
using Xunit;

namespace RelayCore.Cli.Tests.Process;

/// <summary>Rules of a proxy that runs as a process of its own.</summary>
public sealed class RulesTests : IAsyncDisposable
{
    private const string Mock = """
        id: mock
        filter: {type: Path, config: {mode: Prefix, value: /mock}}
        actions:
          - {type: MockResponse, config: {status: 200, body: "one"}}
        """;

    private readonly TestEnvironment _environment = new();
    private readonly System.Collections.Concurrent.ConcurrentQueue<string> _heads = new();
    private readonly ScriptedOrigin _origin;

    public RulesTests() => _origin = new((head, _, _) =>
    {
        _heads.Enqueue(head);
        return Task.FromResult<string?>(ScriptedOrigin.Response("from the origin"));
    });

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    public async ValueTask DisposeAsync()
    {
        await _origin.DisposeAsync();
        _environment.Dispose();
    }

    [Fact]
    public async Task Run_RuleFile_IsInForceAndWatched()
    {
        var file = _environment.Write("r.yaml", Mock);
        await using var proxy = await RunningProxy.StartAsync(_environment, "--rules", file);
        using var client = proxy.Client();
        Assert.Equal("one", await client.GetStringAsync(_origin.Url("/mock"), Stop));
        _environment.Write("r.yaml", Mock.Replace("one", "two", StringComparison.Ordinal));
        await UntilAsync(() => proxy.Error.Any(x => x.Contains("the rules changed", StringComparison.Ordinal)));
        Assert.Equal("two", await client.GetStringAsync(_origin.Url("/mock"), Stop));
        _environment.Write("r.yaml", Mock.Replace("MockResponse", "MockRespons", StringComparison.Ordinal));
        await UntilAsync(() => proxy.Error.Any(x => x.Contains("stay in force", StringComparison.Ordinal)));
        Assert.Contains(proxy.Error, x => x.StartsWith(file + ":4:", StringComparison.Ordinal));
        Assert.Equal("two", await client.GetStringAsync(_origin.Url("/mock"), Stop));
    }

    [Fact]
    public async Task Run_BadRuleFile_SaysEverythingAndStartsNothing()
    {
        var first = _environment.Write("a.yaml", Mock.Replace("Path", "Pth", StringComparison.Ordinal));
        var second = _environment.Write("b.yaml", Mock.Replace("MockResponse", "Mock", StringComparison.Ordinal));
        var (code, output, error) = await RunningProxy.RunAsync(_environment, "run", "-l", "127.0.0.1:0", "--api-port", "0", "--rules", first, "--rules", second);
        Assert.Equal(ExitCode.Usage, code);
        Assert.Empty(output);
        Assert.Contains(error, x => x.StartsWith(first + ":2:", StringComparison.Ordinal));
        Assert.Contains(error, x => x.StartsWith(second + ":4:", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Run_OneLiners_WorkAsInMitmproxy()
    {
        await using var proxy = await RunningProxy.StartAsync(
            _environment, "--modify-headers", "/~q/X-Test/1", "--block-list", ":~u /blocked:404", "--map-local", $"|/local|{_environment.Write("local.txt", "a file")}");
        using var client = proxy.Client();
        Assert.Equal("from the origin", await client.GetStringAsync(_origin.Url("/x"), Stop));
        Assert.Equal(HttpStatusCode.NotFound, (await client.GetAsync(_origin.Url("/blocked"), Stop)).StatusCode);
        Assert.Equal("a file", await client.GetStringAsync(_origin.Url("/local"), Stop));
        Assert.Contains("X-Test: 1", _heads.First(), StringComparison.OrdinalIgnoreCase);
    }

    [Fact]
    public async Task Rules_ListAddRemove_ChangeTheRunningProxy()
    {
        await using var proxy = await RunningProxy.StartAsync(_environment);
        using var client = proxy.Client();
        Assert.Equal(ExitCode.Success, await _environment.RunAsync("rules", "add", _environment.Write("r.yaml", Mock)));
        Assert.Contains("Set mock.", _environment.Output, StringComparison.Ordinal);
        Assert.Equal("one", await client.GetStringAsync(_origin.Url("/mock"), Stop));
        Assert.Equal(ExitCode.Success, await _environment.RunAsync("rules", "list"));
        Assert.Matches(@"(?m)^mock  RequestHeaders  0 +1 ", _environment.Output);
        Assert.Equal(ExitCode.Failure, await _environment.RunAsync("rules", "add", _environment.Write("bad.yaml", Mock.Replace("Path", "Pth", StringComparison.Ordinal))));
        Assert.Contains("API:2:", _environment.Error, StringComparison.Ordinal);
        Assert.Equal(ExitCode.Failure, await _environment.RunAsync("rules", "remove", "mok"));
        Assert.Contains("'mock'", _environment.Error, StringComparison.Ordinal);
        Assert.Equal(ExitCode.Success, await _environment.RunAsync("rules", "remove", "mock"));
        Assert.Equal("from the origin", await client.GetStringAsync(_origin.Url("/mock"), Stop));
    }

    [Fact]
    public async Task Intercepts_Resume_LetsAFlowGoOn()
    {
        await using var proxy = await RunningProxy.StartAsync(_environment, "--rules", _environment.Write("r.yaml", """
            id: pause
            stage: RequestHeaders
            filter: {type: Path, config: {mode: Prefix, value: /pause}}
            actions: [{type: Inspect}]
            """));
        using var client = proxy.Client();
        var answer = client.GetStringAsync(_origin.Url("/pause"), Stop);
        string? key = null;
        await UntilAsync(async () =>
        {
            using var environment = new TestEnvironment();
            environment.Variables["RELAY_DATA_DIR"] = _environment.Folder;
            Assert.Equal(ExitCode.Success, await environment.RunAsync("intercepts", "list"));
            key = environment.Output.Split('\n').Skip(1).FirstOrDefault()?.Split(' ')[0];
            return key is { Length: > 0 };
        });
        Assert.EndsWith(":request_headers", key, StringComparison.Ordinal);
        Assert.Equal(ExitCode.Success, await _environment.RunAsync("intercepts", "resume", key!, "--edits", """{"request_header_upserts":{"X-By-Hand":"yes"}}"""));
        Assert.Equal("from the origin", await answer);
        Assert.Contains("X-By-Hand: yes", Assert.Single(_heads), StringComparison.Ordinal);
        Assert.Equal(ExitCode.Failure, await _environment.RunAsync("intercepts", "resume", key!));
    }

    [Fact]
    public async Task Flows_Why_ExplainsEveryFlow()
    {
        await using var proxy = await RunningProxy.StartAsync(_environment, "--rules", _environment.Write("r.yaml", Mock));
        using var client = proxy.Client();
        await client.GetStringAsync(_origin.Url("/mock"), Stop);
        Assert.Equal(ExitCode.Success, await _environment.RunAsync("flows", "why", "last"));
        Assert.Contains("The rule mock ended it (Mock)", _environment.Output, StringComparison.Ordinal);
        Assert.Matches("match +mock \\(request_headers\\): matched and ended the stage", _environment.Output);
        Assert.Matches("MockResponse: terminal", _environment.Output);
        Assert.Equal(ExitCode.Success, await _environment.RunAsync("rules", "test", _environment.Write("t.yaml", Mock), "--flow-id", "last"));
        Assert.Contains("answered    200", _environment.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Flows_Get_ShowsMarkerCommentAndEachRuleThatMatched()
    {
        await using var proxy = await RunningProxy.StartAsync(_environment, "--rules", _environment.Write("r.yaml", """
            - id: note
              stage: RequestHeaders
              filter: {type: Path, config: {mode: Prefix, value: /x}}
              actions:
                - {type: Mark, config: {marker: "(!)"}}
                - {type: Comment, config: {text: "look at {{request.method}}"}}
            - id: later
              stage: ResponseHeaders
              filter: {type: All}
              actions: [{type: SetVariable, config: {name: status, value: "{{response.status}}"}}]
            - id: never
              stage: RequestHeaders
              filter: {type: Method, config: PUT}
              actions: [{type: Drop}]
            """));
        using var client = proxy.Client();
        await client.GetStringAsync(_origin.Url("/x"), Stop);
        Assert.Equal(ExitCode.Success, await _environment.RunAsync("flows", "get", "last"));
        Assert.Matches(@"(?m)^  marker \(!\)$", _environment.Output);
        Assert.Matches(@"(?m)^  comment look at GET$", _environment.Output);
        Assert.Matches(@"(?m)^Rules that matched \(more: .*flows why [0-9a-f-]{36}\)$", _environment.Output);
        Assert.Matches(@"(?m)^  note  request_headers: Mark, Comment$", _environment.Output);
        Assert.Matches(@"(?m)^  later  response_headers: SetVariable$", _environment.Output);
        Assert.DoesNotContain("never", _environment.Output, StringComparison.Ordinal);
        Assert.Equal(ExitCode.Success, await _environment.RunAsync("flows", "why", "last"));
        Assert.Contains("Comment: look at GET", _environment.Output, StringComparison.Ordinal);
        Assert.Equal(ExitCode.Success, await _environment.RunAsync("flows", "get", "last", "--output", "json"));
        using var json = System.Text.Json.JsonDocument.Parse(_environment.Octets);
        var trace = json.RootElement.GetProperty("rule_trace");
        Assert.Equal("Modified", trace.GetProperty("summary").GetString());
        Assert.Equal(["note", "later"], trace.GetProperty("events").EnumerateArray().Where(x => x.GetProperty("matched").GetBoolean()).Select(x => x.GetProperty("rule_id").GetString()));
    }

    private static Task UntilAsync(Func<bool> holds) => UntilAsync(() => Task.FromResult(holds()));

    private static async Task UntilAsync(Func<Task<bool>> holds)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(Stop);
        patience.CancelAfter(RunningProxy.Patience);
        while (!await holds())
        {
            await Task.Delay(10, patience.Token);
        }
    }
}
