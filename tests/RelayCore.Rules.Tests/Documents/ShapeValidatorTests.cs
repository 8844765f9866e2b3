using RelayCore.Rules.Catalog;
using RelayCore.Rules.Documents;
using Xunit;

namespace RelayCore.Rules.Tests.Documents;

/// <summary>What is wrong is said with place, reason and what to do.</summary>
public sealed class ShapeValidatorTests
{
    [Theory]
    [InlineData("""{"type":"Dely","config":{"ms":1}}""", RuleCodes.UnknownAction, 9, "$.actions[0].type", "`Delay`")]
    [InlineData("""{"type":"Host","config":"x"}""", RuleCodes.UnknownAction, 9, "$.actions[0].type", "is a filter")]
    [InlineData("""{"type":"Delay","ms":250}""", RuleCodes.BesideConfig, 17, "$.actions[0].ms", """{"type": "Delay", "config": {"ms": 250}}""")]
    [InlineData("""{"type":"Delay","config":{"mss":250,"ms":1}}""", RuleCodes.UnknownMember, 27, "$.actions[0].config.mss", "`ms`")]
    [InlineData("""{"type":"Delay","config":{}}""", RuleCodes.MissingMember, 26, "$.actions[0].config", "\"ms\"")]
    [InlineData("""{"type":"Delay"}""", RuleCodes.MissingMember, 1, "$.actions[0]", "\"ms\"")]
    [InlineData("""{"type":"Delay","config":{"ms":"250"}}""", RuleCodes.WrongKind, 32, "$.actions[0].config.ms", "without quotes")]
    [InlineData("""{"type":"Delay","config":{"ms":1.5}}""", RuleCodes.WrongKind, 32, "$.actions[0].config.ms", "no fraction")]
    [InlineData("""{"type":"Delay","config":{"ms":-1}}""", RuleCodes.OutOfRange, 32, "$.actions[0].config.ms", null)]
    [InlineData("""{"type":"Delay","config":{"ms":123456789012345678901}}""", RuleCodes.OutOfRange, 32, "$.actions[0].config.ms", "digits")]
    [InlineData("""{"type":"Delay","config":{"ms":null}}""", RuleCodes.WrongKind, 32, "$.actions[0].config.ms", null)]
    [InlineData("""{"type":"Delay","config":250}""", RuleCodes.WrongKind, 26, "$.actions[0].config", "\"ms\"")]
    [InlineData("""{"type":"Drop","config":{"a":1}}""", RuleCodes.UnknownMember, 25, "$.actions[0].config", "Remove")]
    [InlineData("""{"type":"Tag","config":{"key":"a","value":5}}""", RuleCodes.WrongKind, 43, "$.actions[0].config.value", "\"5\"")]
    [InlineData("""{"type":"MapRemote","config":{"url":"http://a","preserve_host":"true"}}""", RuleCodes.WrongKind, 64, "$.actions[0].config.preserve_host", "without quotes")]
    [InlineData("""{"type":"MockResponse","config":{"status":200,"headers":[["a"]]}}""", RuleCodes.WrongKind, 58, "$.actions[0].config.headers[0]", "[[\"Name\"")]
    [InlineData("""{"type":"MockResponse","config":{"status":200,"headers":{"a":["b"]}}}""", RuleCodes.WrongKind, 62, "$.actions[0].config.headers.a", null)]
    [InlineData("""{"type":"MockResponse","config":{"status":200,"body":{"type":"Txt","value":""}}}""", RuleCodes.NotAChoice, 62, "$.actions[0].config.body.type", "`Text`")]
    [InlineData("""{"type":"MockResponse","config":{"status":200,"body":5}}""", RuleCodes.WrongKind, 54, "$.actions[0].config.body", "plain text")]
    [InlineData("\"Drop\"", RuleCodes.WrongKind, 1, "$.actions[0]", "\"Drop\"")]
    [InlineData("""{"drop":{}}""", RuleCodes.MissingMember, 1, "$.actions[0]", "\"Drop\"")]
    [InlineData("""{"type":5}""", RuleCodes.WrongKind, 9, "$.actions[0].type", null)]
    [InlineData("""{"type":"Drop","note":"x"}""", RuleCodes.UnknownMember, 16, "$.actions[0].note", null)]
    public void Action_ThatIsWrong_IsOneProblem(string action, string code, int column, string path, string? suggestion)
    {
        var problem = Reading.Problem(Reading.Rule(action));
        Assert.Equal((code, 1, column, path), (problem.Code, problem.Location.Line, problem.Location.Column - 36, problem.Path));
        Assert.Equal(ProblemSeverity.Error, problem.Severity);
        Assert.Contains(suggestion ?? "", problem.Suggestion ?? "", StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("""{"type":"Hots","config":"x"}""", RuleCodes.UnknownFilter, "$.filter.type", "`Host`")]
    [InlineData("""{"type":"Host","config":{"mode":"Sufix","value":"x"}}""", RuleCodes.NotAChoice, "$.filter.config.mode", "`Suffix`")]
    [InlineData("""{"type":"Host","config":{"mode":"Exact"}}""", RuleCodes.MissingMember, "$.filter.config", "\"value\"")]
    [InlineData("""{"type":"Host","mode":"Exact","value":"x"}""", RuleCodes.BesideConfig, "$.filter.value", "\"config\"")]
    [InlineData("""{"type":"RequestHeader","config":{"name":"a"}}""", RuleCodes.MissingMember, "$.filter.config", "\"value\"")]
    [InlineData("""{"type":"And","config":{"type":"All"}}""", RuleCodes.WrongKind, "$.filter.config", "[ ]")]
    [InlineData("""{"type":"And","config":[{"type":"All"},null]}""", RuleCodes.WrongKind, "$.filter.config[1]", null)]
    [InlineData("""{"type":"Or","config":[{"type":"Not","config":{"type":"Protocol","config":"tpc"}}]}""", RuleCodes.NotAChoice, "$.filter.config[0].config.config", "`TCP`")]
    [InlineData("""{"type":"Probability","config":1.5}""", RuleCodes.OutOfRange, "$.filter.config", null)]
    [InlineData("[]", RuleCodes.WrongKind, "$.filter", "\"type\"")]
    public void Filter_ThatIsWrong_IsReported(string filter, string code, string path, string? suggestion)
    {
        var problems = Reading.Parse($$"""{"filter":{{filter}},"actions":[{"type":"Drop"}]}""").Problems;
        var problem = problems.Items[^1];
        Assert.Equal((code, path, ProblemSeverity.Error), (problem.Code, problem.Path, problem.Severity));
        Assert.Contains(suggestion ?? "", problem.Suggestion ?? "", StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("""{"type":"RequestHeader","config":{"name":"a","value":null}}""")]
    [InlineData("""{"type":"Protocol","config":"tcp"}""")]
    [InlineData("""{"type":"Host","config":"a.example"}""")]
    [InlineData("""{"type":"All","config":null}""")]
    [InlineData("""{"type":"All","config":{}}""")]
    public void Filter_ThatIsRight_IsTaken(string filter) => Reading.One($$"""{"filter":{{filter}},"actions":[{"type":"Drop"}]}""");

    [Fact]
    public void Stages_ThatDoNotFit_AreSaidPartByPart()
    {
        var problems = Reading.Parse(
            """
            {"stage":"RequestHeaders",
             "filter":{"type":"And","config":[{"type":"Url","config":"x"},{"type":"StatusCode","config":404}]},
             "actions":[{"type":"Drop"},{"type":"AddResponseHeader","config":{"name":"a","value":"b"}}]}
            """).Problems;
        Assert.Equal(
            [(RuleCodes.FilterStage, "$.filter.config[1].type"), (RuleCodes.ActionStage, "$.actions[1].type")], problems.Items.Select(x => (x.Code, x.Path)));
        Assert.Contains("ResponseHeaders, ResponseBody, WebSocketMessage", problems.Items[0].Suggestion, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(""","stage":"RequestHeader" """, RuleCodes.NotAChoice, "`RequestHeaders`")]
    [InlineData(""","stage":5""", RuleCodes.NotAChoice, "Stages:")]
    [InlineData(""","actve":true""", RuleCodes.UnknownMember, "`active`")]
    [InlineData(""","MockResponse":{}""", RuleCodes.UnknownMember, "\"type\": \"MockResponse\"")]
    [InlineData(""","id":5""", RuleCodes.WrongKind, "\"5\"")]
    [InlineData(""","id":"" """, RuleCodes.OutOfRange, "Leave it out")]
    [InlineData(""","active":"yes" """, RuleCodes.WrongKind, null)]
    [InlineData(""","priority":"high" """, RuleCodes.WrongKind, null)]
    [InlineData(""","priority":3000000000""", RuleCodes.OutOfRange, null)]
    [InlineData(""","termination":"Halt" """, RuleCodes.NotAChoice, null)]
    [InlineData(""","constraints":5""", RuleCodes.WrongKind, "timeout_ms")]
    [InlineData(""","constraints":{"timeout":5}""", RuleCodes.UnknownMember, "timeout_ms")]
    [InlineData(""","constraints":{"timeout_ms":0}""", RuleCodes.OutOfRange, null)]
    [InlineData(""","rules":[]""", RuleCodes.Root, "{\"rules\"")]
    public void Rule_ThatIsWrong_IsOneProblem(string member, string code, string? suggestion)
    {
        var problem = Reading.Problem(Reading.Rule("{\"type\":\"Drop\"}", member));
        Assert.Equal((code, ProblemSeverity.Error), (problem.Code, problem.Severity));
        Assert.Contains(suggestion ?? "", problem.Suggestion ?? "", StringComparison.Ordinal);
    }

    [Fact]
    public void EverythingWrong_IsSaidAtOnce()
    {
        var (document, problems) = Reading.Parse(
            """
            - id: a
              filter: {type: Hst, config: x}
              actions: [{type: Delay, config: {ms: fast}}, {type: Nothing}]
            - id: b
              filters: {type: All}
              actions: {type: Drop}
            - id: c
              filter: {type: All}
              actions: []
            """, "r.yaml");
        Assert.Equal(["c"], document.Rules.Select(x => x.Id));
        Assert.Equal(
            [
                ("a", RuleCodes.UnknownFilter, 2), ("a", RuleCodes.WrongKind, 3), ("a", RuleCodes.UnknownAction, 3),
                ("b", RuleCodes.UnknownMember, 5), ("b", RuleCodes.MissingMember, 4), ("b", RuleCodes.WrongKind, 6),
                ("c", RuleCodes.NoActions, 9),
            ],
            problems.Items.Select(x => (x.RuleId!, x.Code, x.Location.Line)));
    }

    [Fact]
    public void WhatTheApiShows_CanBeSentBack() => Reading.One(Reading.Rule("{\"type\":\"Drop\"}", ",\"hits\":3,\"last_hit_ms\":1,\"source\":\"a.yaml\",\"constraints\":null"));

    [Theory]
    [InlineData("Contians", "Contains")]
    [InlineData("set_request_body", "SetRequestBody")]
    [InlineData("xyz", null)]
    [InlineData("", null)]
    public void NearestName_IsCloseOrNone(string written, string? nearest) =>
        Assert.Equal(nearest, NearestName.Find(written, ["Exact", "Contains", "SetRequestBody", "SetResponseBody"]));

    [Fact]
    public void Catalog_ExamplesHaveTheShapeOfTheirTypes()
    {
        var types = KnownTypes.Catalog;
        foreach (var (name, example, isFilter) in types.Filters.Values.Select(x => (x.Name, x.Example, true)).Concat(types.Actions.Values.Select(x => (x.Name, x.Example, false))))
        {
            var problems = new RuleProblems();
            var text = example is null ? $"{{\"type\":\"{name}\"}}" : $"{{\"type\":\"{name}\",\"config\":{example}}}";
            var node = Assert.Single(RuleFile.Parse(text, name, problems));
            var validator = new ShapeValidator(types, problems);
            if (isFilter)
            {
                validator.Filter(node, RuleStage.None);
            }
            else
            {
                validator.Action(node, RuleStage.None);
            }

            Assert.Empty(problems.Items);
        }
    }
}
