using System.Text.Json.Nodes;
using RelayCore.Rules.Actions;
using RelayCore.Rules.Catalog;
using Xunit;

namespace RelayCore.Rules.Tests.Actions;

/// <summary>What holds for every action on flows, heads, targets, answers, maps, sticky state and rates.</summary>
public sealed class ActionCatalogTests
{
    private static readonly ActionType[] s_types =
    [
        .. FlowActions.All, .. HeaderActions.All, .. TargetActions.All, .. AnswerActions.All, .. MapActions.All, .. StickyActions.All, .. LimitActions.All,
    ];

    public static TheoryData<string> Types => [.. s_types.Select(x => x.Name)];

    /// <summary>Type and property of each string in which variables are replaced.</summary>
    public static TheoryData<string, string> Strings =>
        [.. s_types.SelectMany(x => x.Config.Properties.Where(IsString).Select(p => (x.Name, p.Name)))];

    [Theory]
    [MemberData(nameof(Types))]
    public void Example_CompilesAtEveryStage(string name)
    {
        var type = RuleCatalog.Actions[name];
        Assert.False(string.IsNullOrWhiteSpace(type.Summary));
        Assert.True(type.Example is not null || type.Config.Properties.All(x => !x.IsRequired), "an action with config needs an example");
        foreach (var stage in RuleStages.Ordered.Where(x => (x & type.Stages) != 0 && name != "CallScript"))
        {
            var bench = new ActionBench(stage: stage);
            Assert.NotNull(bench.Compile(name, type.Example));
            Assert.DoesNotContain(bench.Problems.Items, x => x.Code != "RULE-409");
        }
    }

    [Theory]
    [MemberData(nameof(Strings))]
    public void UnknownVariable_InEveryString_IsALoadError(string name, string property)
    {
        var type = RuleCatalog.Actions[name];
        var config = JsonNode.Parse(type.Example!)!.AsObject();
        config[property] = type.Config.Properties.Single(x => x.Name == property).Kind switch
        {
            PropertyKind.Fields => new JsonObject { ["X"] = "{{nope}}" },
            PropertyKind.List => new JsonArray("{{nope}}"),
            _ => "{{nope}}",
        };

        var bench = new ActionBench(stage: RuleStages.Ordered.First(x => (x & type.Stages) != 0 && x != RuleStage.Connect && x != RuleStage.ClientHello));
        bench.Compile(name, config.ToJsonString());
        Assert.Contains(bench.Problems.Items, x => x.Code == "RULE-401");
    }

    private static bool IsString(Property property) =>
        property.Kind is PropertyKind.Template or PropertyKind.Fields or PropertyKind.BodySource || (property.Kind == PropertyKind.List && property.Items!.Kind == PropertyKind.Template);
}
