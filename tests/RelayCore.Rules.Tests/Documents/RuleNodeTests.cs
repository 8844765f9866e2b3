using RelayCore.Rules.Documents;
using Xunit;

namespace RelayCore.Rules.Tests.Documents;

/// <summary>The tree of a rule file.</summary>
public sealed class RuleNodeTests
{
    [Fact]
    public void Member_ByName_IsFoundOrNull()
    {
        var at = new SourceLocation("a.yaml", 3, 7);
        var value = new RuleNode(NodeKind.Text, at, "$.id") { Text = "r1" };
        var map = new RuleNode(NodeKind.Map, at, "$") { Members = [(new(NodeKind.Text, at, "$.id") { Text = "id" }, value)] };
        Assert.Same(value, map["id"]);
        Assert.Null(map["name"]);
        Assert.Equal("a.yaml:3:7", at.ToString());
    }
}
