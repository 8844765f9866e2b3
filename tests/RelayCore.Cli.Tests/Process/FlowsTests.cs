using System.Text.Json;
using RelayCore.Testing;
using Xunit;

namespace RelayCore.Cli.Tests.Process;

/// <summary>A proxy that runs as a process of its own and has seen four exchanges.</summary>
public sealed class FlowsFixture : IAsyncLifetime
{
    private readonly TestEnvironment _environment = new();
    private readonly ScriptedOrigin _origin = new((head, _, _) => Task.FromResult<string?>(head.Split(' ')[1] switch
    {
        "/json" => ScriptedOrigin.Response("{\"a\":[1,2]}", "application/json"),
        "/missing" => ScriptedOrigin.Response("no", status: "404 Not Found"),
        "/evil" => ScriptedOrigin.Response("\u001b[2J", fields: "X-Evil: a\u0085b\r\n"),
        _ => ScriptedOrigin.Response("hello"),
    }));

    internal RunningProxy Proxy { get; private set; } = null!;

    internal string DataDirectory => _environment.Folder;

    internal int OriginPort => _origin.Port;

    internal string Url(string path) => _origin.Url(path);

    public async ValueTask InitializeAsync()
    {
        Proxy = await RunningProxy.StartAsync(_environment);
        using var client = Proxy.Client();
        foreach (var path in (string[])["/json", "/missing", "/evil"])
        {
            (await client.GetAsync(Url(path))).Dispose();
        }

        (await client.GetAsync("http://127.0.0.1:1/refused")).Dispose();

        // A client has its answer a moment before the flow has ended.
        using var api = Proxy.ApiClient();
        using var patience = new CancellationTokenSource(RunningProxy.Patience);
        while ((await api.GetStringAsync("/api/v1/flows", patience.Token)).Contains("\"running\"", StringComparison.Ordinal))
        {
            await Task.Delay(5, patience.Token);
        }
    }

    public async ValueTask DisposeAsync()
    {
        await Proxy.DisposeAsync();
        await _origin.DisposeAsync();
        _environment.Dispose();
    }
}

/// <summary><c>flows</c> against a proxy that runs as a process of its own.</summary>
public sealed class FlowsTests : IClassFixture<FlowsFixture>, IDisposable
{
    private readonly TestEnvironment _environment = new();
    private readonly FlowsFixture _fixture;

    public FlowsTests(FlowsFixture fixture)
    {
        _fixture = fixture;
        _environment.Variables["RELAY_DATA_DIR"] = fixture.DataDirectory;
    }

    [Fact]
    public async Task Flows_List_ShowsALineForEach()
    {
        var lines = await LinesAsync("flows");
        Assert.StartsWith("ID", lines[0], StringComparison.Ordinal);
        Assert.Matches(@"^[0-9a-f]{12}  \d\d:\d\d:\d\d\.\d{3} GET     502 .*  http://127\.0\.0\.1:1/refused  RC-CONN-001$", lines[1]);
        Assert.Equal(["404", "200"], lines.Where(x => x.EndsWith("/missing", StringComparison.Ordinal) || x.EndsWith("/json", StringComparison.Ordinal)).Select(x => x[35..38]));
        Assert.Equal(5, lines.Length);
    }

    [Theory]
    [InlineData(1, "--status-min", "400", "--status-max", "499")]
    [InlineData(1, "--path", "JSON")]
    [InlineData(4, "--host", "127.0.0")]
    [InlineData(0, "--method", "POST")]
    [InlineData(1, "--has-error")]
    [InlineData(0, "--websocket")]
    [InlineData(2, "--limit", "2")]
    [InlineData(1, "--filter", "status:404 host:127")]
    [InlineData(2, "--filter", "status:>=404")]
    [InlineData(2, "--filter", "status:<404")]
    [InlineData(1, "--filter", "status:400-410 get")]
    [InlineData(1, "--filter", "err")]
    [InlineData(1, "--filter", "evil")]
    [InlineData(0, "--filter", "evil json")]
    public async Task Flows_Filtered_ListsWhatHolds(int count, params string[] conditions)
    {
        Assert.Equal(ExitCode.Success, await _environment.RunAsync(["flows", "--output", "jsonl", .. conditions]));
        Assert.Equal(count, _environment.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Length);
    }

    [Fact]
    public async Task Flows_Json_IsAnArray()
    {
        Assert.Equal(ExitCode.Success, await _environment.RunAsync("flows", "--output", "json"));
        using var flows = JsonDocument.Parse(_environment.Output);
        Assert.Equal(4, flows.RootElement.GetArrayLength());
    }

    [Theory]
    [InlineData("--filter", "status:many")]
    [InlineData("--api-url", "nowhere")]
    [InlineData("--output", "xml")]
    [InlineData("--limit", "0")]
    public async Task Flows_BadOption_EndsWith2(params string[] arguments)
    {
        Assert.Equal(ExitCode.Usage, await _environment.RunAsync(["flows", .. arguments]));
        Assert.StartsWith("error: ", _environment.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Flows_ApiUrlWithoutToken_SaysHowToGiveIt()
    {
        Assert.Equal(ExitCode.Failure, await _environment.RunAsync("flows", "--api-url", _fixture.Proxy.Api));
        Assert.Contains("RELAY_API_TOKEN", _environment.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Flows_ApiUrlWithToken_NeedsNoDataDirectory()
    {
        using var other = new TestEnvironment();
        other.Variables["RELAY_API_TOKEN"] = _fixture.Proxy.Token;
        Assert.Equal(ExitCode.Success, await other.RunAsync("flows", "--api-url", _fixture.Proxy.Api, "--output", "jsonl"));
        Assert.Equal(4, other.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Length);
    }

    [Fact]
    public async Task Flows_NobodyAtTheUrl_IsOneSentence()
    {
        Assert.Equal(ExitCode.Failure, await _environment.RunAsync("flows", "--api-url", "http://127.0.0.1:1"));
        Assert.Matches(@"^error: The API at http://127\.0\.0\.1:1/ does not answer: .*\.\n$", _environment.Error);
    }

    [Fact]
    public async Task Flows_NoProxyRuns_IsOneSentence()
    {
        using var other = new TestEnvironment();
        Assert.Equal(ExitCode.Failure, await other.RunAsync("flows"));
        Assert.StartsWith($"error: No proxy runs with the data directory {other.Folder}; ", other.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Get_ByEndOfId_ShowsTheExchange()
    {
        var text = string.Join('\n', await LinesAsync("flows", "get", await IdAsync("/json")));
        Assert.Contains($"GET {_fixture.Url("/json")}", text, StringComparison.Ordinal);
        Assert.Contains("  Content-Type: application/json", text, StringComparison.Ordinal);
        Assert.Contains("  {\n    \"a\": [\n      1,\n      2\n    ]\n  }", text, StringComparison.Ordinal);
        Assert.Contains("Timings\n", text, StringComparison.Ordinal);
        Assert.Contains($"server 127.0.0.1:{_fixture.OriginPort}", text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Get_Last_IsTheNewest()
    {
        _environment.Variables["RELAY_PROGRAM"] = "./relay";
        var lines = await LinesAsync("flows", "get", "last");
        Assert.Equal("GET http://127.0.0.1:1/refused", lines[0]);
    }

    [Fact]
    public async Task Get_Failed_ExplainsAndAdvises()
    {
        var text = string.Join('\n', await LinesAsync("flows", "get", await IdAsync("/refused")));
        Assert.Contains("RC-CONN-001: Connection refused", text, StringComparison.Ordinal);
        Assert.Contains("    - Check that the server runs and the port is right.", text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Get_HostileContent_ReachesNoTerminal()
    {
        var text = string.Join('\n', await LinesAsync("flows", "get", await IdAsync("/evil")));
        Assert.Contains("\\x1b[2J", text, StringComparison.Ordinal);
        Assert.Contains("a\\x85b", text, StringComparison.Ordinal);
        Assert.DoesNotContain(text, c => char.IsControl(c) && c != '\n');
    }

    [Fact]
    public async Task Get_Json_IsTheFlow()
    {
        Assert.Equal(ExitCode.Success, await _environment.RunAsync("flows", "get", await IdAsync("/json"), "--output", "json"));
        using var flow = JsonDocument.Parse(_environment.Octets);
        Assert.Equal("Http", flow.RootElement.GetProperty("layer").GetProperty("type").GetString());
    }

    [Fact]
    public async Task Get_Body_IsTheOctetsAlone()
    {
        Assert.Equal(ExitCode.Success, await _environment.RunAsync("flows", "get", await IdAsync("/evil"), "--body", "response"));
        Assert.Equal("\u001b[2J"u8.ToArray(), _environment.Octets);
        Assert.Empty(_environment.Error);
    }

    [Theory]
    [InlineData("000000000000", ExitCode.Failure)]
    [InlineData("01a209d8-0000-7fb7-a9b0-8b04af06ce70", ExitCode.Failure)]
    [InlineData("xyz", ExitCode.Failure)]
    public async Task Get_Unknown_IsOneSentence(string id, int code)
    {
        Assert.Equal(code, await _environment.RunAsync("flows", "get", id));
        Assert.Single(_environment.Error.TrimEnd('\n').Split('\n'));
    }

    public void Dispose() => _environment.Dispose();

    private async Task<string> IdAsync(string path)
    {
        using var environment = new TestEnvironment();
        environment.Variables["RELAY_API_TOKEN"] = _fixture.Proxy.Token;
        Assert.Equal(ExitCode.Success, await environment.RunAsync("flows", "--api-url", _fixture.Proxy.Api, "--path", path, "--output", "jsonl"));
        using var flow = JsonDocument.Parse(environment.Output.Split('\n')[0]);
        return flow.RootElement.GetProperty("id").GetString()![^12..];
    }

    private async Task<string[]> LinesAsync(params string[] arguments)
    {
        var code = await _environment.RunAsync(arguments);
        Assert.True(code == ExitCode.Success, _environment.Error);
        return _environment.Output.TrimEnd('\n').Split('\n');
    }
}

/// <summary><c>flows --follow</c>, which ends with its proxy.</summary>
public sealed class FollowTests : IDisposable
{
    private readonly TestEnvironment _environment = new();

    [Fact]
    public async Task Follow_FlowEnds_IsShownOnce()
    {
        await using var origin = new ScriptedOrigin(ScriptedOrigin.Response("hello"));
        await using var proxy = await RunningProxy.StartAsync(_environment);
        await using var follow = RunningProxy.Start(_environment, "flows", "--follow", "--path", "followed");
        using var client = proxy.Client();
        using var patience = new CancellationTokenSource(RunningProxy.Patience);
        for (var i = 0; follow.Output.Length < 3; i++)
        {
            patience.Token.ThrowIfCancellationRequested();

            // It says nothing when it has begun, so there is traffic until it has shown some.
            (await client.GetAsync(origin.Url($"/followed/{i}"), TestContext.Current.CancellationToken)).Dispose();
            (await client.GetAsync(origin.Url("/other"), TestContext.Current.CancellationToken)).Dispose();
        }

        proxy.Signal(15);
        await proxy.ExitAsync();
        Assert.Equal(0, await follow.ExitAsync());
        Assert.Equal(["The proxy has ended."], follow.Error);
        Assert.All(follow.Output, x => Assert.Contains("/followed/", x, StringComparison.Ordinal));
        Assert.Equal(follow.Output.Length, follow.Output.Distinct().Count());
    }

    public void Dispose() => _environment.Dispose();
}
