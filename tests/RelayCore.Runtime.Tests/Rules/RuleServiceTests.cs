using System.Net;
using System.Text.Json;
using RelayCore.Rules.Documents;
using RelayCore.Runtime.Rules;
using RelayCore.Testing;
using Xunit;

namespace RelayCore.Runtime.Tests.Rules;

/// <summary>Rules of a whole proxy: real files, real sockets.</summary>
public sealed class RuleServiceTests : IAsyncDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("relay-core-rules-").FullName;
    private readonly ScriptedOrigin _origin = new(ScriptedOrigin.Response("from the origin"));

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    public async ValueTask DisposeAsync()
    {
        await _origin.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }

    [Fact]
    public async Task StartAsync_BareRuleOfTheTask_AnswersWithoutTheOrigin()
    {
        var file = Write("rules.json", """
            {"filter":{"type":"Url","config":{"mode":"Contains","value":"/missing"}},"actions":[{"type":"MockResponse","config":{"status":200,"body":"OK"}}]}
            """);
        await using var host = await StartAsync(file);
        using var client = Client(host);
        Assert.Equal("OK", await client.GetStringAsync("http://nobody.invalid/missing", Stop));
        Assert.Equal("from the origin", await client.GetStringAsync(_origin.Url("/there"), Stop));
        using var list = JsonDocument.Parse(host.Rules.ListJson());
        var rule = Assert.Single(list.RootElement.EnumerateArray());
        Assert.Equal(("RequestHeaders", 1L), (rule.GetProperty("stage").GetString(), rule.GetProperty("hits").GetInt64()));
        Assert.True(rule.GetProperty("last_hit_ms").GetInt64() > 0);
        Assert.StartsWith(file + ":1:", rule.GetProperty("source").GetString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task File_Changed_TakesEffectWholeAndABadVersionKeepsTheOld()
    {
        var changes = new System.Collections.Concurrent.ConcurrentQueue<RuleSetChange>();
        var file = Write("rules.yaml", Mock("one"));
        await using var host = await StartAsync(x => x with { Files = [file], OnChange = changes.Enqueue });
        using var client = Client(host);
        Assert.Equal("one", await client.GetStringAsync("http://nobody.invalid/mock", Stop));

        Write("rules.yaml", Mock("two"));
        await UntilAsync(() => changes.Any(x => x.Operation == "reloaded"));
        Assert.Equal("two", await client.GetStringAsync("http://nobody.invalid/mock", Stop));
        Assert.Equal(2, Hits(host, "m")); // both versions have the same id

        Write("rules.yaml", Mock("three").Replace("MockResponse", "MockRespons", StringComparison.Ordinal));
        await UntilAsync(() => changes.Any(x => x.Operation == "reload_failed"));
        Assert.Equal("two", await client.GetStringAsync("http://nobody.invalid/mock", Stop));
        var status = host.Rules.Status();
        Assert.True(status.IsStale);
        var problem = status.Problems.First(x => x.Severity == "error");
        Assert.Equal((file, 9), (problem.File, problem.Line));
        Assert.Contains("MockResponse", problem.Message + problem.Suggestion, StringComparison.Ordinal);

        Write("rules.yaml", Mock("four"));
        await UntilAsync(() => changes.Count(x => x.Operation == "reloaded") == 2);
        Assert.Equal("four", await client.GetStringAsync("http://nobody.invalid/mock", Stop));
        Assert.False(host.Rules.Status().IsStale);
        Assert.Equal(["loaded", "reloaded", "reload_failed", "reloaded"], changes.Select(x => x.Operation));
        Assert.Equal(["rules-changed"], await EventNamesAsync(host, 4));
    }

    [Fact]
    public async Task File_IncludedOneChanged_TakesEffect()
    {
        var file = Write("rules.yaml", "include: parts/*.yaml\nrules: []\n");
        Directory.CreateDirectory(Path.Combine(_folder, "parts"));
        Write("parts/a.yaml", Mock("a"));
        await using var host = await StartAsync(file);
        Assert.Equal(1, host.Rules.Count);
        Write("parts/b.yaml", Mock("b").Replace("id: m", "id: n", StringComparison.Ordinal));
        await UntilAsync(() => host.Rules.Count == 2);
        File.Delete(Path.Combine(_folder, "parts/a.yaml"));
        await UntilAsync(() => host.Rules.Count == 1);
    }

    [Fact]
    public async Task StartAsync_BadFile_NamesEverythingAndStartsNothing()
    {
        var first = Write("a.json", """[{"filter":{"type":"Hots","config":{"mode":"Exact","value":"x"}},"actions":[{"type":"Drop"}]}]""");
        var second = Write("b.json", """[{"filter":{"type":"All"},"actions":[{"type":"Dropp"}]}]""");
        var error = await Assert.ThrowsAsync<RuleLoadException>(() => StartAsync(first, second));
        Assert.Equal([first, second], error.Problems.Items.Where(x => x.Severity == ProblemSeverity.Error).Select(x => x.Location.File).Distinct());
        Assert.Contains("Host", error.Message, StringComparison.Ordinal);
        Assert.Contains("Drop", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Upsert_Rules_AreKeptForTheNextStart()
    {
        await using (var host = await StartAsync())
        {
            var update = host.Rules.Upsert(Mock("kept"));
            Assert.Equal((RuleOutcome.Done, "m"), (update.Outcome, Assert.Single(update.Ids)));
            Assert.Equal(RuleOutcome.Done, host.Rules.Upsert(Mock("kept after all")).Outcome);
            Assert.Equal(1, host.Rules.Count);
        }

        var kept = Path.Combine(_folder, "data", RuleService.FileName);
        if (!OperatingSystem.IsWindows())
        {
            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(kept)); // rules may hold secrets
        }

        await using (var host = await StartAsync())
        {
            using var client = Client(host);
            Assert.Equal("kept after all", await client.GetStringAsync("http://nobody.invalid/mock", Stop));
            Assert.Equal(RuleOutcome.Done, host.Rules.Delete("m").Outcome);
            Assert.Equal(0, host.Rules.Count);
        }

        Assert.Equal("[]", File.ReadAllText(kept).Trim());
    }

    [Fact]
    public async Task Upsert_ManyVersions_KeepCounting()
    {
        await using var host = await StartAsync();
        using var client = Client(host);
        for (var i = 1; i <= 7; i++)
        {
            Assert.Equal(RuleOutcome.Done, host.Rules.Upsert(Mock($"v{i}")).Outcome);
            Assert.Equal($"v{i}", await client.GetStringAsync("http://nobody.invalid/mock", Stop));
            Assert.Equal(i, Hits(host, "m"));
        }

        host.Rules.Delete("m");
        host.Rules.Upsert(Mock("anew"));
        Assert.Equal(0, Hits(host, "m"));
    }

    [Fact]
    public async Task Upsert_BadRule_ChangesNothing()
    {
        await using var host = await StartAsync();
        host.Rules.Upsert(Mock("good"));
        var update = host.Rules.Upsert(Mock("bad").Replace("status: 200", "status: many", StringComparison.Ordinal));
        Assert.Equal(RuleOutcome.Invalid, update.Outcome);
        Assert.Contains(update.Problems.Items, x => x.Path.EndsWith("status", StringComparison.Ordinal) && x.Location.Line > 1);
        using var client = Client(host);
        Assert.Equal("good", await client.GetStringAsync("http://nobody.invalid/mock", Stop));
        Assert.True(host.Rules.Validate(Mock("bad").Replace("Url", "Uri", StringComparison.Ordinal)).HasErrors);
        Assert.False(host.Rules.Validate(Mock("fine")).HasErrors);
        Assert.Equal(1, host.Rules.Count);
    }

    [Fact]
    public async Task Delete_UnknownOrOfAFile_SaysWhatToDo()
    {
        var file = Write("rules.yaml", Mock("x").Replace("id: m", "id: of-the-file", StringComparison.Ordinal));
        await using var host = await StartAsync(file);
        var unknown = host.Rules.Delete("of-the-fiel");
        Assert.Equal((RuleOutcome.Unknown, true), (unknown.Outcome, unknown.Detail.Contains("'of-the-file'", StringComparison.Ordinal)));
        var ofFile = host.Rules.Delete("of-the-file");
        Assert.Equal((RuleOutcome.Fixed, true), (ofFile.Outcome, ofFile.Detail.Contains(file, StringComparison.Ordinal)));
        Assert.Equal(RuleOutcome.Fixed, host.Rules.Upsert(File.ReadAllText(file)).Outcome);
    }

    [Fact]
    public async Task Mock_AndIntercept_BecomeTheReferencesRules()
    {
        await using var host = await StartAsync();
        Assert.Equal(RuleOutcome.Done, host.Rules.Mock("/v[12]/items", 418, "tea", "text/plain").Outcome);
        using var client = Client(host);
        using var response = await client.GetAsync("http://nobody.invalid/v2/items", Stop);
        Assert.Equal((418, "tea", "text/plain"), ((int)response.StatusCode, await response.Content.ReadAsStringAsync(Stop), response.Content.Headers.ContentType!.MediaType));
        var both = host.Rules.Intercept("/pause", "both");
        Assert.Equal(2, both.Ids.Count);
        Assert.EndsWith("-1", both.Ids[1], StringComparison.Ordinal);
        var unknown = host.Rules.Intercept("/pause", "requests");
        Assert.Equal((RuleOutcome.Invalid, true), (unknown.Outcome, unknown.Detail.Contains("request, response, both", StringComparison.Ordinal)));
        using var list = JsonDocument.Parse(host.Rules.ListJson());
        var mock = list.RootElement[0];
        Assert.Equal((200, "Stop", "Regex"), (mock.GetProperty("priority").GetInt32(), mock.GetProperty("termination").GetString(), mock.GetProperty("filter").GetProperty("config").GetProperty("mode").GetString()));
    }

    [Fact]
    public async Task Intercept_Request_WaitsForAPersonOnTheWire()
    {
        await using var host = await StartAsync();
        host.Rules.Intercept("/pause", "request");
        using var client = Client(host);
        var answer = client.GetStringAsync(_origin.Url("/pause"), Stop);
        await UntilAsync(() => host.Breakpoints.List().Count == 1);
        Assert.False(answer.IsCompleted);
        using var edits = JsonDocument.Parse("""{"respond":{"status":200,"body":"by hand"}}""");
        Assert.True(Runtime.Breakpoints.FlowModification.TryRead(edits.RootElement, out var edit, out _));
        Assert.Equal(Runtime.Breakpoints.ResumeOutcome.Resumed, host.Breakpoints.Resume(host.Breakpoints.List()[0].Key, edit).Outcome);
        Assert.Equal("by hand", await answer);
    }

    private static string Mock(string body) => $$"""
        id: m
        stage: RequestHeaders
        filter:
          type: Url
          config:
            mode: Contains
            value: /mock
        actions:
          - type: MockResponse
            config:
              status: 200
              body: {{body}}
        """;

    private static long Hits(RelayCoreHost host, string id)
    {
        using var list = JsonDocument.Parse(host.Rules.ListJson());
        return list.RootElement.EnumerateArray().Single(x => x.GetProperty("id").GetString() == id).GetProperty("hits").GetInt64();
    }

    private static async Task<string[]> EventNamesAsync(RelayCoreHost host, int count)
    {
        var names = new List<string>();
        await foreach (var item in host.Events.ReadAsync(0, cancellationToken: Stop))
        {
            if (item.Name == "rules-changed")
            {
                names.Add(item.Name);
            }

            if (names.Count == count)
            {
                break;
            }
        }

        return [.. names.Distinct()];
    }

    private static async Task UntilAsync(Func<bool> holds)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(Stop);
        patience.CancelAfter(TimeSpan.FromSeconds(30));
        while (!holds())
        {
            await Task.Delay(10, patience.Token);
        }
    }

    private static HttpClient Client(RelayCoreHost host) => new(new SocketsHttpHandler { Proxy = new WebProxy($"http://{host.EndPoints[0]}"), UseProxy = true });

    private string Write(string name, string content)
    {
        var path = Path.Combine(_folder, name);
        File.WriteAllText(path, content);
        return path;
    }

    private Task<RelayCoreHost> StartAsync(params string[] files) => StartAsync(x => x with { Files = files });

    private Task<RelayCoreHost> StartAsync(Func<RuleOptions, RuleOptions> change) => RelayCoreHost.StartAsync(
        new() { DataDirectory = Path.Combine(_folder, "data"), Engine = new() { Listen = [new(IPAddress.Loopback, 0)] }, Rules = change(new()) }, Stop);
}
