using RelayCore.Rules.Execution;
using Xunit;

namespace RelayCore.Rules.Tests.Execution;

/// <summary>From definitions to a set.</summary>
public sealed class RuleCompilerTests
{
    private readonly RuleKit _kit = new();

    [Fact]
    public void Compile_Priorities_DescendAndTiesStayAsWritten()
    {
        var set = _kit.Compile("""
            [{"id":"a","filter":{"type":"All"}},{"id":"b","priority":5,"filter":{"type":"All"}},{"id":"c","filter":{"type":"All"}},
             {"id":"d","priority":5,"filter":{"type":"All"}},{"id":"off","active":false,"priority":9,"filter":{"type":"All"}},{"id":"e","priority":-1,"filter":{"type":"All"}}]
            """);
        Assert.Equal(["b", "d", "a", "c", "e"], set.Rules.Select(x => x.Id));
        Assert.Empty(_kit.Problems.Items);
    }

    [Fact]
    public void Compile_RulesWithErrors_AreLeftOutAndAllReportedWithTheirIds()
    {
        var set = _kit.Compile("""
            [{"id":"f","filter":{"type":"host","config":"x"}},{"id":"a","filter":{"type":"All"},"actions":[{"type":"Nope"},{"type":"Do","config":"x"}]},
             {"id":"r","filter":{"type":"Refused"}},{"id":"o","active":false,"filter":{"type":"Or"}},{"id":"good","filter":{"type":"All"}}]
            """);
        Assert.Equal(["good"], set.Rules.Select(x => x.Id));
        Assert.Equal([("f", "RULE-201", "$[0].filter.type"), ("a", "RULE-202", "$[1].actions[0].type"), ("r", "RULE-203", "$[2].filter"), ("o", "RULE-203", "$[3].filter")],
            _kit.Problems.Items.Select(x => (x.RuleId, x.Code, x.Path)));
        Assert.Contains("Host", _kit.Problems.Items[0].Suggestion, StringComparison.Ordinal);
    }

    [Fact]
    public void Compile_VariablesSetAnywhere_AreKnownEverywhere()
    {
        _kit.Compile("""
            [{"id":"a","filter":{"type":"All"},"actions":[{"type":"Do","config":"x"}]},
             {"id":"b","filter":{"type":"All"},"actions":[{"type":"SetVariable","config":{"name":"who","value":"me"}}]}]
            """);
        Assert.Equal(["who"], _kit.Variables!);
    }

    [Theory]
    [InlineData("None")]
    [InlineData("RequestHeaders, ResponseHeaders")]
    public void Compile_ARuleOfNotOneStage_IsAnError(string stage)
    {
        var set = _kit.Compile($$"""[{"id":"a","stage":"{{stage}}","filter":{"type":"All"} }]""");
        Assert.Empty(set.Rules);
        Assert.Equal(("RULE-204", "$[0].stage"), (_kit.Problems.Items.Single().Code, _kit.Problems.Items.Single().Path));
    }

    [Fact]
    public void Needs_OfNoRules_AreNothing()
    {
        var needs = new RuleInterceptor(_kit.Compile("[]")).Needs;
        Assert.Equal((Core.Interception.Stage.None, Core.Interception.Stage.None, false), (needs.Stages, needs.OnDemand, needs.MayWait));
    }
}
