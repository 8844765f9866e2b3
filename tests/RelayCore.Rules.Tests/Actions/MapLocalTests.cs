using System.Globalization;
using System.Text;
using RelayCore.Formats;
using RelayCore.Rules.Actions;
using RelayCore.Rules.Actions.Maps;
using RelayCore.Rules.Templates;
using Xunit;

namespace RelayCore.Rules.Tests.Actions;

/// <summary>Files and folders as answers.</summary>
public sealed class MapLocalTests : IDisposable
{
    private static readonly DateTime s_written = new(2026, 1, 1, 0, 0, 0, DateTimeKind.Utc);

    private readonly string _outside = Directory.CreateTempSubdirectory("relaycore-map-").FullName;
    private readonly string _root;

    public MapLocalTests()
    {
        _root = Path.Combine(_outside, "rules");
        Put("rules/one.json", "0123456789");
        Put("rules/site/index.html", "home");
        Put("rules/site/sub/index.html", "sub");
        Put("rules/site/a b.txt", "space");
        Put("rules/site/q_x", "plain");
        Put("rules/secret.txt", "neighbour");
        Put("outside.txt", "outside");
        Directory.CreateSymbolicLink(Path.Combine(_root, "site", "out"), _outside);
        File.CreateSymbolicLink(Path.Combine(_root, "site", "link.txt"), Path.Combine("..", "secret.txt"));
    }

    public void Dispose() => Directory.Delete(_outside, recursive: true);

    [Fact]
    public async Task File_IsAnswered()
    {
        var answer = await Bench().AnswerAsync("MapLocal", """{"path":"one.json","headers":{"X":"{{rule.id}}"}}""");
        Assert.Equal((200, "0123456789"), (answer.Status, Text(answer.Body)));
        Assert.Equal(["application/json", "Thu, 01 Jan 2026 00:00:00 GMT", Tag(), "bytes", "r1"], answer.Fields.Select(x => x.Value));
        var typed = await Bench().AnswerAsync("MapLocal", """{"path":"one.json","content_type":"a/{{rule.id}}"}""");
        Assert.Equal("a/r1", typed.Fields[0].Value);
    }

    [Theory]
    [InlineData("Range: bytes=2-4", 206, "234", "bytes 2-4/10")]
    [InlineData("Range: bytes=7-99", 206, "789", "bytes 7-9/10")]
    [InlineData("Range: bytes=7-", 206, "789", "bytes 7-9/10")]
    [InlineData("Range: bytes=-3", 206, "789", "bytes 7-9/10")]
    [InlineData("Range: bytes=-99", 206, "0123456789", "bytes 0-9/10")]
    [InlineData("Range: bytes=10-", 416, "", "bytes */10")]
    [InlineData("Range: bytes=-0", 416, "", "bytes */10")]
    [InlineData("Range: bytes=0-1,3-4", 200, "0123456789", null)]
    [InlineData("Range: bytes=4-2", 200, "0123456789", null)]
    [InlineData("Range: bytes=x", 200, "0123456789", null)]
    [InlineData("Range: lines=1-2", 200, "0123456789", null)]
    [InlineData("Range: bytes=0-0\r\nIf-Range: TAG", 206, "0", "bytes 0-0/10")]
    [InlineData("Range: bytes=0-0\r\nIf-Range: Thu, 01 Jan 2026 00:00:00 GMT", 206, "0", "bytes 0-0/10")]
    [InlineData("Range: bytes=0-0\r\nIf-Range: \"old\"", 200, "0123456789", null)]
    [InlineData("If-None-Match: \"x\", W/TAG", 304, "", null)]
    [InlineData("If-None-Match: *", 304, "", null)]
    [InlineData("If-None-Match: \"x\"\r\nIf-Modified-Since: Fri, 02 Jan 2026 00:00:00 GMT", 200, "0123456789", null)]
    [InlineData("If-Modified-Since: Thu, 01 Jan 2026 00:00:00 GMT", 304, "", null)]
    [InlineData("If-Modified-Since: Wed, 31 Dec 2025 23:59:59 GMT", 200, "0123456789", null)]
    [InlineData("If-Modified-Since: yesterday", 200, "0123456789", null)]
    public async Task File_RangesAndConditions_AreHonoured(string fields, int status, string body, string? contentRange)
    {
        var answer = await Bench("/x", fields.Replace("TAG", Tag(), StringComparison.Ordinal) + "\r\n").AnswerAsync("MapLocal", """{"path":"one.json"}""");
        Assert.Equal((status, body), (answer.Status, Text(answer.Body)));
        Assert.Equal(contentRange, answer.Fields.FirstOrDefault(x => x.Key == "Content-Range").Value);
        Assert.Equal(status is 200 or 206, answer.Fields.Any(x => x.Key == "Content-Type"));
    }

    [Theory]
    [InlineData("/", """{"path":"site"}""", "home")]
    [InlineData("/sub?x=1", """{"path":"site"}""", "sub")]
    [InlineData("/a%20b.txt", """{"path":"site"}""", "space")]
    [InlineData("/q%26x", """{"path":"site"}""", "plain")]
    [InlineData("/static/sub/", """{"path":"site","strip_prefix":"/{{request.cookie.none}}static"}""", "sub")]
    [InlineData("/link.txt", """{"path":"site"}""", "neighbour")]
    [InlineData("/v1/sub/index.html?a", """{"path":"site","pattern":"//[^/]+/v\\d"}""", "sub")]
    [InlineData("/get?f=sub", """{"path":"site","pattern":"f=(\\w+)"}""", "sub")]
    [InlineData("/x", """{"path":"{{rule.id}}site","index":"a b.txt"}""", null)]
    [InlineData("/one.json", """{"path":".{{request.path}}"}""", "0123456789")]
    [InlineData("/one.json", """{"path":"{{request.path}}"}""", "0123456789")]
    public async Task Folder_IsMappedByPath(string target, string config, string? body)
    {
        var result = await Bench(target).RunAsync("MapLocal", config);
        if (body is null)
        {
            Assert.Equal(ActionOutcome.Failed, result.Outcome);
            return;
        }

        var answer = Assert.IsType<Core.Interception.Verdict.Respond>(result.Verdict);
        Assert.Equal((200, body), (answer.Status, Text(answer.Body)));
    }

    [Theory]
    [InlineData("/../secret.txt")]
    [InlineData("/%2e%2e/secret.txt")]
    [InlineData("/sub/..%2f..%2fsecret.txt")]
    [InlineData("/..%5csecret.txt")]
    [InlineData("/out/outside.txt")]
    [InlineData("/%00")]
    [InlineData("//etc/passwd")]
    [InlineData("/nothing")]
    public async Task Folder_WhatIsNotInIt_Is404(string target)
    {
        var answer = await Bench(target).AnswerAsync("MapLocal", """{"path":"site"}""");
        Assert.Equal((404, 0), (answer.Status, answer.Body.Length));
        Assert.Equal(ActionOutcome.NoEffect, (await Bench(target).RunAsync("MapLocal", """{"path":"site","on_missing":"continue"}""")).Outcome);
    }

    [Fact]
    public async Task Folder_AnyPath_NeverLeavesIt()
    {
        string[] pieces = ["..", "%2e%2e", ".", "out", "outside.txt", "secret.txt", "sub", "/", "%2f", "%5c", "//", "%00", "~", "?", "%252e"];
        var random = new Random(7);
        var bench = Bench();
        var action = bench.Compile("MapLocal", """{"path":"site"}""")!;
        for (var i = 0; i < 2000; i++)
        {
            var target = "/" + string.Concat(Enumerable.Range(0, random.Next(1, 8)).Select(_ => pieces[random.Next(pieces.Length)]));
            bench.LoadRequest($"GET {target} HTTP/1.1\r\nHost: e\r\n\r\n");
            var result = await action.RunAsync(bench.Context, TestContext.Current.CancellationToken);
            var answer = Assert.IsType<Core.Interception.Verdict.Respond>(result.Verdict);
            Assert.True(Text(answer.Body) is "" or "home" or "sub", $"{target}: {result.Detail}");
        }
    }

    [Theory]
    [InlineData("""{"path":"{{request.query.f}}"}""")]
    [InlineData("""{"path":"site/{{request.query.f}}"}""")]
    public async Task Path_WithStepUpFromAVariable_Fails(string config) =>
        await Assert.ThrowsAsync<TemplateException>(() => Bench("/?f=../secret.txt").RunAsync("MapLocal", config));

    [Fact]
    public async Task Folder_OtherPrefixOrPattern_GoesOn()
    {
        Assert.Equal(ActionOutcome.NoEffect, (await Bench("/x").RunAsync("MapLocal", """{"path":"site","strip_prefix":"/static"}""")).Outcome);
        Assert.Equal(ActionOutcome.NoEffect, (await Bench("/x").RunAsync("MapLocal", """{"path":"site","pattern":"nope"}""")).Outcome);
    }

    [Fact]
    public async Task File_Missing_FailsOrAsAsked()
    {
        Assert.Equal(ActionOutcome.Failed, (await Bench().RunAsync("MapLocal", """{"path":"none"}""")).Outcome);
        Assert.Equal(ActionOutcome.NoEffect, (await Bench().RunAsync("MapLocal", """{"path":"none","on_missing":"continue"}""")).Outcome);
        Assert.Equal(404, (await Bench().AnswerAsync("MapLocal", """{"path":"none","on_missing":"not_found"}""")).Status);
    }

    [Fact]
    public async Task File_OverTheBound_Fails()
    {
        var bench = new ActionBench(environment: t => new() { Codings = new ContentCodings(), Time = t, MaxLocalFile = 9 }) { Directory = _root };
        Assert.Contains("more than the 9", (await bench.RunAsync("MapLocal", """{"path":"one.json"}""")).Detail, StringComparison.Ordinal);
        Assert.Contains("more than the 9", (await bench.RunAsync("MockResponse", """{"body":{"type":"File","value":"one.json"}}""")).Detail, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("../outside.txt", "RULE-416")]
    [InlineData("site/out/outside.txt", "RULE-416")]
    [InlineData("none.txt", "RULE-409")]
    public void Compile_PathOutsideOrMissing_IsAProblem(string path, string code)
    {
        var bench = Bench();
        bench.Compile("MapLocal", $$"""{"path":"{{path}}"}""");
        Assert.Equal(code, Assert.Single(bench.Problems.Items).Code);
    }

    [Fact]
    public async Task SandboxRoot_OfTheHost_WinsOverTheFolderOfTheFile()
    {
        var bench = new ActionBench(environment: t => new() { Codings = new ContentCodings(), Time = t, SandboxRoot = _outside }) { Directory = _root };
        Assert.Equal("outside", Text((await bench.AnswerAsync("MapLocal", """{"path":"../outside.txt"}""")).Body));
    }

    [Theory]
    [InlineData("A.HTML", "text/html")]
    [InlineData("b.c.png", "image/png")]
    [InlineData("none", "application/octet-stream")]
    [InlineData("x.unknown", "application/octet-stream")]
    public void MediaTypes_GoByExtension(string name, string type) => Assert.Equal(type, MediaTypes.Of(name));

    private static string Text(ReadOnlyMemory<byte> octets) => Encoding.UTF8.GetString(octets.Span);

    private static string Tag() => string.Create(CultureInfo.InvariantCulture, $"\"{s_written.Ticks:x}-a\"");

    private ActionBench Bench(string target = "/x", string fields = "") => new($"GET {target} HTTP/1.1\r\nHost: e\r\n{fields}\r\n") { Directory = _root };

    private void Put(string name, string text)
    {
        var path = Path.Combine(_outside, name);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        File.WriteAllText(path, text);
        File.SetLastWriteTimeUtc(path, s_written);
    }
}
