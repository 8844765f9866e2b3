using RelayCore.Rules.Documents;
using RelayCore.Rules.Importing;
using Xunit;

namespace RelayCore.Rules.Tests.Importing;

/// <summary>mitmproxy's one-line options as rules.</summary>
public sealed class MitmproxyRulesTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("relaycore-import-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Theory]
    [InlineData("/X-A/1")]
    [InlineData(":X-A:1")]
    [InlineData("|X-A|1")]
    public void ModifyHeaders_WithoutFilter_ReplacesOnBothSides(string spec) => Assert.Equal(
        [
            "RequestHeaders All => DeleteRequestHeader X-A; AddRequestHeader X-A=1",
            "ResponseHeaders All => DeleteResponseHeader X-A; AddResponseHeader X-A=1",
        ], Rules(new() { ModifyHeaders = [spec] }));

    [Fact]
    public void ModifyHeaders_OfFilterAndEmptyValue() => Assert.Equal(
        ["RequestHeaders Expression(~q) => DeleteRequestHeader X-A"], Rules(new() { ModifyHeaders = ["/~q/X-A/"] }));

    [Fact]
    public void ModifyHeaders_OfOneName_RemoveOnceAndAppendAll() => Assert.Equal(
        [
            "ResponseHeaders Or(Expression(~s & ~m GET), Expression(~s & ~m POST)) => DeleteResponseHeader Set-Cookie",
            "ResponseHeaders Expression(~s & ~m GET) => AddResponseHeader Set-Cookie=a=1/2",
            "ResponseHeaders Expression(~s) => DeleteResponseHeader X",
            "ResponseHeaders Expression(~s & ~m POST) => AddResponseHeader set-cookie=b",
        ], Rules(new() { ModifyHeaders = ["/~s & ~m GET/Set-Cookie/a=1/2", "/~s/X/", "/~s & ~m POST/set-cookie/b"] }));

    [Fact]
    public void ModifyHeaders_ThatLookAtFields_AreAskedFirst() => Assert.Equal(
        [
            "RequestHeaders Expression(~q ~hq X-A) => SetVariable modify_headers_2_request=1",
            "RequestHeaders All => DeleteRequestHeader X-A",
            "RequestHeaders Variable(modify_headers_2_request) => DeleteRequestHeader X-B; AddRequestHeader X-B={{{{x}}",
            "ResponseHeaders All => DeleteResponseHeader X-A",
        ], Rules(new() { ModifyHeaders = ["/X-A/", "/~q ~hq X-A/X-B/{{x}}"] }));

    [Fact]
    public void ModifyHeaders_OfAFile_TakesItsOneLine()
    {
        File.WriteAllText(At("token"), "secret\n");
        Assert.Contains("RequestHeaders Expression(~q) => DeleteRequestHeader T; AddRequestHeader T=secret", Rules(new() { ModifyHeaders = [$":~q:T:@{At("token")}"] }));
    }

    [Fact]
    public void ModifyBody_OfALiteral_WorksOnBodiesOnTheirWay() => Assert.Equal(
        ["RequestHeaders Expression(~m POST) => TransformStream foo=$1", "ResponseHeaders Expression(~m POST) => TransformStream foo=$1"],
        Rules(new() { ModifyBody = ["/~m POST/foo/$1"] }));

    [Fact]
    public void ModifyBody_OfARegex_NeedsTheWholeBody() => Assert.Equal(
        ["ResponseBody Expression(~s) => TransformResponseBody (?s)fo+[0-9]=$$1/\n"], Rules(new() { ModifyBody = ["/~s/fo+\\\\d/$1/\\n"] }));

    [Fact]
    public void ModifyBody_OfBoth_KeepsTheirOrder() => Assert.Equal(
        ["ResponseBody Expression(~s) => TransformResponseBody (?s)a=b", "ResponseBody Expression(~s) => TransformResponseBody (?s)b+=c"], Rules(new() { ModifyBody = ["/~s/a/b", "/~s/b+/c"] }));

    [Fact]
    public void ModifyBody_WithAFilterOnBodies_NeedsTheWholeBody() => Assert.Equal(
        ["RequestBody Expression(~bq x & ~q) => TransformRequestBody (?s)a=b"], Rules(new() { ModifyBody = ["/~bq x & ~q/a/b"] }));

    [Fact]
    public void FilterOnABody_ThatIsNotThere_DoesNotHold()
    {
        Assert.Equal(
            ["RequestHeaders Expression((!~all) | ~m GET) => DeleteRequestHeader X", "ResponseHeaders Expression((!~all) | ~m GET) => DeleteResponseHeader X"],
            Rules(new() { ModifyHeaders = [";~bs \"a b\" | ~m GET;X;"] }));
        Assert.Equal(["ResponseBody Expression(~bs x) => TransformResponseBody (?s)a=b"], Rules(new() { ModifyBody = ["/~bs x/a/b"] }));
        var problems = new RuleProblems();
        var text = MitmproxyRules.FromOptions(new() { ModifyBody = ["/~bq x/a/b"] }, problems);
        Assert.Equal((RuleCodes.ImportValue, ProblemSeverity.Warning), (Assert.Single(problems.Items).Code, problems.Items[0].Severity));
        Assert.Contains("\"RequestBody\"", text, StringComparison.Ordinal);
        Assert.DoesNotContain("\"ResponseBody\"", text, StringComparison.Ordinal);
    }

    [Fact]
    public void MapRemote_ReplacesInTheUrl() => Assert.Equal(
        ["RequestHeaders All => ReplaceInUrl //(\\w+)\\.a\\.example=//${1}.b/$$", "RequestHeaders Expression(~m GET) => ReplaceInUrl x=y"],
        Rules(new() { MapRemote = ["|//(\\w+)\\.a\\.example|//\\1.b/$", "|~m GET|x|y"] }));

    [Fact]
    public void MapLocal_OfFileAndFolder()
    {
        File.WriteAllText(At("a.json"), "{}");
        Directory.CreateDirectory(At("site"));
        Assert.Equal(
            [
                $"RequestHeaders Url Regex \"a\\\\.json\" => MapLocal {At("a.json")}",
                $"RequestHeaders And(Expression(~m GET), Url Regex \"/s/(.*)\") => MapLocal {At("site")} pattern /s/(.*) continue",
                "RequestHeaders And(Expression(~m GET), Url Regex \"/s/(.*)\") => MockResponse 404",
            ], Rules(new() { MapLocal = [$"|a\\.json|{At("a.json")}", $"|~m GET|/s/(.*)|{At("site")}"] }).Select(x => x.Replace("a\\.json\"", "a\\\\.json\"", StringComparison.Ordinal)));
    }

    [Fact]
    public void BlockList_LastWins() => Assert.Equal(
        [
            "RequestHeaders Expression(~d b.example) => Abort",
            "RequestBody Expression(~bq secret) => MockResponse 403",
            "RequestHeaders Expression(~d a.example) => MockResponse 404",
        ], Rules(new() { BlockList = ["/~d a.example/404", ":~bq secret:403", "/~d b.example/444"] }));

    [Fact]
    public void Switches_AndStickyOptions() => Assert.Equal(
        [
            "RequestHeaders All => DeleteRequestHeader If-Modified-Since; DeleteRequestHeader If-None-Match",
            "RequestHeaders All => SetRequestHeader Accept-Encoding=identity",
            "RequestHeaders Or(RequestHeader(Authorization), Expression(~d a)) => StickyAuth",
            "ResponseHeaders All => StickyCookie",
            "RequestHeaders Expression(.*) => StickyCookie",
        ], Rules(new() { AntiCache = true, AntiCompression = true, StickyAuth = "~d a", StickyCookie = ".*" }));

    [Theory]
    [InlineData("modify-headers", "", RuleCodes.ImportSyntax, 1)]
    [InlineData("modify-headers", "/X", RuleCodes.ImportSyntax, 1)]
    [InlineData("modify-headers", "//X/1", RuleCodes.ImportSyntax, 2)]
    [InlineData("modify-headers", "/X Y/1", RuleCodes.ImportValue, 2)]
    [InlineData("modify-headers", "/X/a\\nb", RuleCodes.ImportValue, 4)]
    [InlineData("modify-headers", "/X/a\\x", RuleCodes.ImportSyntax, 4)]
    [InlineData("modify-headers", "/~q/X/@no-such-file", RuleCodes.Unreadable, 7)]
    [InlineData("modify-body", "/(?=a)/b", RuleCodes.ImportRegex, 2)]
    [InlineData("modify-body", "//b", RuleCodes.ImportValue, 2)]
    [InlineData("modify-body", "/a/\\xff", RuleCodes.ImportValue, 4)]
    [InlineData("map-remote", "/~bq x/a/b", RuleCodes.ImportValue, 2)]
    [InlineData("map-remote", "/a/\\1", RuleCodes.ImportSyntax, 4)]
    [InlineData("map-remote", "/~s/a/b", RuleCodes.ImportValue, 2)]
    [InlineData("map-local", "/a/no-such-file", RuleCodes.ImportFile, 4)]
    [InlineData("block-list", "/~d a/999", RuleCodes.ImportValue, 7)]
    [InlineData("block-list", "/~d a/x", RuleCodes.ImportValue, 7)]
    [InlineData("block-list", "/a/b/404", RuleCodes.ImportSyntax, 1)]
    public void Spec_ThatIsWrong_IsReportedWithOptionAndColumn(string option, string spec, string code, int column)
    {
        var problems = new RuleProblems();
        MitmproxyRules.FromOptions(
            option switch
            {
                "modify-headers" => new() { ModifyHeaders = [spec] },
                "modify-body" => new() { ModifyBody = [spec] },
                "map-remote" => new() { MapRemote = [spec] },
                "map-local" => new() { MapLocal = [spec] },
                _ => new() { BlockList = [spec] },
            },
            problems);
        var problem = Assert.Single(problems.Items);
        Assert.Equal((code, $"--{option} #1:1:{column}"), (problem.Code, problem.Location.ToString()));
    }

    [Fact]
    public void Config_IsRead()
    {
        var problems = new RuleProblems();
        var options = MitmproxyOptions.Parse(
            """
            # mitmproxy
            modify_headers:
            - /~q/X/1
            block_list: ['/~d a/404']
            anticache: true
            anticomp: false
            stickycookie: .*
            stickyauth:
            listen_port: 8080
            map_remote: /a/b
            """, "config.yaml", problems);
        Assert.Equal(["/~q/X/1"], options.ModifyHeaders);
        Assert.Equal((true, false, ".*", null), (options.AntiCache, options.AntiCompression, options.StickyCookie, options.StickyAuth));
        Assert.Equal(
            [(RuleCodes.ImportSkipped, 9, ProblemSeverity.Warning), (RuleCodes.ImportValue, 10, ProblemSeverity.Error)], problems.Items.Select(x => (x.Code, x.Location.Line, x.Severity)));
        File.WriteAllText(At("config.yaml"), "anticomp: true\n");
        Assert.Contains("\"mitmproxy-anticomp\"", MitmproxyRules.FromConfig(At("config.yaml"), new RuleProblems()), StringComparison.Ordinal);
    }

    private string At(string name) => Path.Combine(_folder, name);

    /// <summary>Each rule in one line.</summary>
    private static IEnumerable<string> Rules(MitmproxyOptions options)
    {
        var problems = new RuleProblems();
        var text = MitmproxyRules.FromOptions(options, problems);
        var root = Assert.Single(RuleFile.Parse(text, "import.json", problems));
        Assert.Empty(problems.Items);
        var rules = root["rules"]!.Items;
        Assert.Equal(rules.Count, rules.Select(x => x["id"]!.Text).Distinct().Count());
        return rules.Select(x => $"{x["stage"]!.Text} {Filter(x["filter"]!)} => {string.Join("; ", x["actions"]!.Items.Select(Action))}");
    }

    private static string Filter(RuleNode filter) => filter["type"]!.Text switch
    {
        "And" or "Or" => $"{filter["type"]!.Text}({string.Join(", ", filter["config"]!.Items.Select(Filter))})",
        "Expression" => $"Expression({filter["config"]!["expression"]!.Text})",
        "Variable" or "RequestHeader" => $"{filter["type"]!.Text}({filter["config"]!["name"]!.Text})",
        _ => FilterText.Of(filter),
    };

    private static string Action(RuleNode action)
    {
        var (type, config) = (action["type"]!.Text, action["config"]);
        config = config?["transform"]?["config"] ?? config?["replacements"]?.Items[0] ?? config;
        var subject = (config?["name"] ?? config?["find"] ?? (type == "MapLocal" ? config?["path"] : config?["pattern"] ?? config?["status"]))?.Text;
        var value = (config?["value"] ?? config?["replacement"])?.Text;
        var rest = type == "MapLocal" && config!["pattern"] is { } pattern ? $" pattern {pattern.Text} {config["on_missing"]!.Text}" : "";
        return $"{type}{(subject is null ? "" : " " + subject)}{(value is null ? "" : "=" + value)}{rest}";
    }
}
