using RelayCore.Rules.Documents;
using Xunit;

namespace RelayCore.Rules.Tests.Documents;

/// <summary>What may stand in a rule file, and what a bare rule gets.</summary>
public sealed class RuleDocumentTests
{
    private const string Bare = """{"filter":{"type":"Url","config":{"mode":"Contains","value":"/missing"}},"actions":[{"type":"MockResponse","config":{"status":200,"body":"OK"}}]}""";

    [Fact]
    public void BareRule_GetsWhatItLeavesOut()
    {
        var rule = Reading.One(Bare);
        Assert.StartsWith("rule-", rule.Id, StringComparison.Ordinal);
        Assert.Equal(("Url Contains \"/missing\"", true, RuleStage.RequestHeaders, 0, false, null), (rule.Name, rule.IsActive, rule.Stage, rule.Priority, rule.Stops, rule.Timeout));
        Assert.Equal(rule.Id, Reading.One("\n  " + Bare).Id);
        Assert.NotEqual(rule.Id, Reading.One(Bare.Replace("200", "201", StringComparison.Ordinal)).Id);
    }

    [Fact]
    public void WholeRule_IsTakenAsWritten()
    {
        var rule = Reading.One(
            """
            {"id":"r1","name":"staging","active":false,"stage":"RequestHeaders","priority":10,"termination":"Stop",
             "filter":{"type":"And","config":[
               {"type":"Host","config":{"mode":"Suffix","value":".example.com"}},
               {"type":"Not","config":{"type":"Method","config":{"mode":"Exact","value":"OPTIONS"}}}]},
             "actions":[{"type":"AddRequestHeader","config":{"name":"X-Env","value":"{{client.ip}}"}}],
             "constraints":{"timeout_ms":1500}}
            """);
        Assert.Equal(("r1", "staging", false, RuleStage.RequestHeaders, 10, true), (rule.Id, rule.Name, rule.IsActive, rule.Stage, rule.Priority, rule.Stops));
        Assert.Equal(TimeSpan.FromMilliseconds(1500), rule.Timeout);
        Assert.Equal("(Host Suffix \".example.com\" and not Method Exact \"OPTIONS\")", FilterText.Of(rule.Filter));
        Assert.Equal("AddRequestHeader", Assert.Single(rule.Actions)["type"]!.Text);
    }

    [Theory]
    [InlineData("All", null, "Tag", "{\"key\":\"a\",\"value\":\"b\"}", RuleStage.RequestHeaders)]
    [InlineData("StatusCode", "404", "Tag", "{\"key\":\"a\",\"value\":\"b\"}", RuleStage.ResponseHeaders)]
    [InlineData("StatusCode", "404", "SetResponseBody", "{\"body\":\"x\"}", RuleStage.ResponseHeaders)]
    [InlineData("Url", "\"x\"", "TransformResponseBody", "{\"transform\":{\"type\":\"JsonPathDelete\",\"config\":{\"path\":\"a\"}}}", RuleStage.ResponseBody)]
    [InlineData("WebSocketMessage", "\"x\"", "Drop", null, RuleStage.WebSocketMessage)]
    [InlineData("All", null, "DropMessage", null, RuleStage.Message)]
    [InlineData("Duration", "{\"min_ms\":5}", "Tag", "{\"key\":\"a\",\"value\":\"b\"}", RuleStage.Completed)]
    [InlineData("Expression", "\"status:404\"", "Drop", null, RuleStage.ResponseHeaders)]
    [InlineData("Sni", "\"a.example\"", "Drop", null, RuleStage.ClientHello)]
    [InlineData("Not", "{\"type\":\"Or\",\"config\":[{\"type\":\"ResponseBody\",\"config\":\"x\"},{\"type\":\"All\"}]}", "Drop", null, RuleStage.ResponseBody)]
    public void Stage_IsTheEarliestThatSuitsAllParts(string filter, string? filterConfig, string action, string? actionConfig, RuleStage stage)
    {
        static string Typed(string type, string? config) => config is null ? $$"""{"type":"{{type}}"}""" : $$"""{"type":"{{type}}","config":{{config}}}""";
        Assert.Equal(stage, Reading.One($$"""{"filter":{{Typed(filter, filterConfig)}},"actions":[{{Typed(action, actionConfig)}}]}""").Stage);
    }

    [Fact]
    public void Stage_ThatSuitsNotAllParts_SaysWhichPartAllowsWhat()
    {
        var problem = Reading.Problem("""{"filter":{"type":"StatusCode","config":404},"actions":[{"type":"AddRequestHeader","config":{"name":"a","value":"b"}},{"type":"Drop"}]}""");
        Assert.Equal(RuleCodes.NoStage, problem.Code);
        Assert.Contains("StatusCode: ResponseHeaders, ResponseBody, WebSocketMessage; AddRequestHeader: RequestHeaders", problem.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("Drop", problem.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("[{0},{0}]", 2)]
    [InlineData("{0}", 1)]
    [InlineData("{{\"rules\":[{0}]}}", 1)]
    [InlineData("{{\"$schema\":\"rules.schema.json\",\"rules\":null,\"groups\":[{{\"rules\":[{0}]}}]}}", 1)]
    [InlineData("[{{\"id\":\"g\",\"rules\":[{0}]}},{0}]", 2)]
    [InlineData("[]", 0)]
    public void Roots_OfAllForms_AreRead(string form, int count)
    {
        var (document, problems) = Reading.Parse(string.Format(System.Globalization.CultureInfo.InvariantCulture, form, Bare));
        Assert.Empty(problems.Items);
        Assert.Equal(count, document.Rules.Count);
        Assert.Equal(count, document.Rules.Select(x => x.Id).Distinct().Count());
    }

    [Fact]
    public void Groups_NestAndSwitchTheirRules()
    {
        var (document, problems) = Reading.Parse(
            """
            groups:
            - id: outer
              name: Outer
              active: true
              groups:
              - {id: inner, active: false, rules: [{filter: {type: All}, actions: [{type: Drop}]}]}
              rules: [{id: r, filter: {type: All}, actions: [{type: Inspect}]}]
            """, "r.yaml");
        Assert.Empty(problems.Items);
        Assert.Equal([("Outer/inner", false), ("Outer", true)], document.Rules.Select(x => (string.Join('/', x.Groups), x.IsActive)));
    }

    [Fact]
    public void DuplicateId_ReplacesTheEarlierWithAWarning()
    {
        var (document, problems) = Reading.Parse("[" + Reading.Rule("{\"type\":\"Drop\"}", ",\"id\":\"a\"") + ",\n" + Reading.Rule("{\"type\":\"Inspect\"}", ",\"id\":\"a\"") + "]");
        var problem = Assert.Single(problems.Items);
        Assert.Equal((ProblemSeverity.Warning, RuleCodes.DuplicateId, 2, "a"), (problem.Severity, problem.Code, problem.Location.Line, problem.RuleId));
        Assert.Contains("r.json:1:2", problem.Message, StringComparison.Ordinal);
        Assert.Equal("Inspect", Assert.Single(document.Rules).Actions[0]["type"]!.Text);
    }

    [Fact]
    public void LegacyBreakpoints_BecomeInspectRules()
    {
        var (document, problems) = Reading.Parse(
            """
            [{"id":"b","active":false,"url_pattern":"/a(1|2)","method":"GET","phase":"both"},
             {"id":"c","active":true,"url_pattern":"/a(","method":null,"phase":"ws_message"}]
            """);
        Assert.Equal([RuleCodes.LegacyForm, RuleCodes.LegacyForm], problems.Items.Select(x => x.Code));
        Assert.False(problems.HasErrors);
        Assert.Equal(
            [
                ("b-0", RuleStage.RequestHeaders, false, "(Url Regex \"/a(1|2)\" and Method Exact \"GET\")"),
                ("b-1", RuleStage.ResponseHeaders, false, "(Url Regex \"/a(1|2)\" and Method Exact \"GET\")"),
                ("c", RuleStage.WebSocketMessage, true, "Url Contains \"/a(\""),
            ],
            document.Rules.Select(x => (x.Id, x.Stage, x.IsActive, FilterText.Of(x.Filter))));
        Assert.All(document.Rules, x => Assert.Equal((100, true, "Inspect"), (x.Priority, x.Stops, x.Actions[0]["type"]!.Text)));
    }

    [Theory]
    [InlineData("""[{"url_pattern":"x","phase":"requests"}]""", RuleCodes.NotAChoice, "`request`")]
    [InlineData("""[{"url_pattern":"x"}]""", RuleCodes.MissingMember, "ws_message")]
    [InlineData("""[{"urlpattern":"x","phase":"request"}]""", RuleCodes.UnknownMember, "`url_pattern`")]
    public void LegacyBreakpoint_ThatIsWrong_IsAnError(string text, string code, string suggestion)
    {
        var problem = Reading.Parse(text).Problems.Items[0];
        Assert.Equal((code, ProblemSeverity.Error), (problem.Code, problem.Severity));
        Assert.Contains(suggestion, problem.Suggestion, StringComparison.Ordinal);
    }

    [Fact]
    public void Tests_AreKept()
    {
        var (document, problems) = Reading.Parse("""{"rules":[],"tests":[{"name":"t","given":{"url":"http://a/"},"expect":{"matched":[]}},{"given":{}},5]}""");
        Assert.Equal(["t", null], document.Tests.Select(x => x["name"]?.Text));
        Assert.Equal([("$.tests[1]", RuleCodes.MissingMember), ("$.tests[2]", RuleCodes.WrongKind)], problems.Items.Select(x => (x.Path, x.Code)));
    }

    [Fact]
    public void Include_OfATextThatIsNoFile_IsRefused() => Assert.Equal(RuleCodes.Include, Reading.Problem("{\"include\":\"a.yaml\"}").Code);

    [Fact]
    public void Rules_AreBounded()
    {
        var (document, problems) = Reading.Parse("x-r: &r {filter: {type: All}, actions: [{type: Drop}]}\nrules: [" + string.Join(',', Enumerable.Repeat("*r", 10_002)) + "]\n", "r.yaml");
        Assert.Equal((10_000, RuleCodes.Bound), (document.Rules.Count, Assert.Single(problems.Items).Code));
    }
}
