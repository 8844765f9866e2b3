using System.Globalization;
using System.Text;
using CsCheck;
using RelayCore.Rules.Documents;
using Xunit;

namespace RelayCore.Rules.Tests.Documents;

/// <summary>YAML with places.</summary>
public sealed class YamlNodeReaderTests
{
    [Fact]
    public void Values_StandAtTheirLineColumnAndPath()
    {
        var root = Read("# rules\n- id: r1 # the first\n  filter: {type: All}\n  Retry-After: |\n    5\n");
        var map = Assert.Single(root.Items);
        Assert.Equal("a.yaml:2:3", map.Location.ToString());
        Assert.Equal(("a.yaml:2:7", "r1", "$[0].id"), (map["id"]!.Location.ToString(), map["id"]!.Text, map["id"]!.Path));
        Assert.Equal(("a.yaml:3:18", "All"), (map["filter"]!["type"]!.Location.ToString(), map["filter"]!["type"]!.Text));
        Assert.Equal((NodeKind.Text, "5\n", "$[0]['Retry-After']"), (map["Retry-After"]!.Kind, map["Retry-After"]!.Text, map["Retry-After"]!.Path));
    }

    [Theory]
    [InlineData("~", NodeKind.Null, "")]
    [InlineData("", NodeKind.Null, "")]
    [InlineData("Null", NodeKind.Null, "")]
    [InlineData("True", NodeKind.Boolean, "true")]
    [InlineData("yes", NodeKind.Text, "yes")]
    [InlineData("on", NodeKind.Text, "on")]
    [InlineData("12", NodeKind.Number, "12")]
    [InlineData("+12", NodeKind.Number, "12")]
    [InlineData("012", NodeKind.Number, "12")]
    [InlineData("0o17", NodeKind.Number, "15")]
    [InlineData("0x1F", NodeKind.Number, "31")]
    [InlineData("1.50", NodeKind.Number, "1.50")]
    [InlineData(".5", NodeKind.Number, "0.5")]
    [InlineData("-.inf", NodeKind.Number, "-.inf")]
    [InlineData("12:30", NodeKind.Text, "12:30")]
    [InlineData("2001-12-14", NodeKind.Text, "2001-12-14")]
    [InlineData("'12'", NodeKind.Text, "12")]
    [InlineData("\"null\"", NodeKind.Text, "null")]
    [InlineData("!!str 12", NodeKind.Text, "12")]
    [InlineData("! 12", NodeKind.Text, "12")]
    [InlineData("!!int 12", NodeKind.Number, "12")]
    public void Scalars_AreThoseOfTheCoreSchema(string text, NodeKind kind, string value)
    {
        var node = Assert.Single(Read($"- {text}\n").Items);
        Assert.Equal((kind, value), (node.Kind, node.Text));
    }

    [Fact]
    public void Alias_RepeatsWithAPathOfItsOwn()
    {
        var root = Read("x-f: &f {type: All}\nrules:\n- filter: *f\n");
        var filter = root["rules"]!.Items[0]["filter"]!;
        Assert.Equal(("$.rules[0].filter.type", "a.yaml:1:16"), (filter["type"]!.Path, filter["type"]!.Location.ToString()));
    }

    [Fact]
    public void Merge_AddsWhatIsNotSaid()
    {
        var root = Read("x: &x {a: 1, b: 2}\ny: {<<: *x, b: 3}\nz: {<<: [*x, {c: 4}]}\n");
        Assert.Equal([("b", "3"), ("a", "1")], root["y"]!.Members.Select(x => (x.Name.Text, x.Value.Text)));
        Assert.Equal(["a", "b", "c"], root["z"]!.Members.Select(x => x.Name.Text));
    }

    [Theory]
    [InlineData("a: *b\n", RuleCodes.Syntax, 1, 4)]
    [InlineData("a: &a [*a]\n", RuleCodes.Syntax, 1, 8)]
    [InlineData("a: 1\nb: 2\na: 3\n", RuleCodes.DuplicateMember, 3, 1)]
    [InlineData("a: [1\n", RuleCodes.Syntax, 2, 1)]
    [InlineData("a: !!binary aa\n", RuleCodes.Syntax, 1, 4)]
    [InlineData("a: !thing {}\n", RuleCodes.Syntax, 1, 4)]
    [InlineData("? [a]\n: 1\n", RuleCodes.Syntax, 1, 3)]
    [InlineData("a: {<<: 1}\n", RuleCodes.Syntax, 1, 9)]
    public void Wrong_IsReportedWithItsPlace(string text, string code, int line, int column)
    {
        var problem = Problem(text);
        Assert.Equal((code, line, column), (problem.Code, problem.Location.Line, problem.Location.Column));
    }

    [Fact]
    public void Bomb_IsRefused()
    {
        var text = new StringBuilder("a0: &a0 [x,x,x,x,x,x,x,x,x]\n");
        for (var i = 1; i < 10; i++)
        {
            text.Append(CultureInfo.InvariantCulture, $"a{i}: &a{i} [{string.Join(',', Enumerable.Repeat($"*a{i - 1}", 9))}]\n");
        }

        Assert.Equal(RuleCodes.Bound, Problem(text.ToString()).Code);
    }

    [Fact]
    public void AliasesInAliases_AreBoundedInDepth()
    {
        var text = new StringBuilder("a0: &a0 [x]\n");
        for (var i = 1; i < 80; i++)
        {
            text.Append(CultureInfo.InvariantCulture, $"a{i}: &a{i} [*a{i - 1}]\n");
        }

        Assert.Equal(RuleCodes.Bound, Problem(text.ToString()).Code);
    }

    [Fact]
    public void Depth_IsBounded() => Assert.Equal(RuleCodes.Bound, Problem(new string('[', 100_000)).Code);

    [Fact]
    public void Documents_AreAllRead()
    {
        var problems = new RuleProblems();
        Assert.Equal(["1", "2", ""], RuleFile.Parse("--- 1\n--- 2\n---\n", "a.yaml", problems).Select(x => x.Text));
        Assert.Empty(RuleFile.Parse("# nothing\n", "a.yaml", problems));
        Assert.Empty(problems.Items);
    }

    [Theory]
    [InlineData(" [1]", NodeKind.List)]
    [InlineData("{\"a\":1}", NodeKind.Map)]
    [InlineData("// c\n[1]", NodeKind.List)]
    [InlineData("- a\n", NodeKind.List)]
    [InlineData("a: 1\n", NodeKind.Map)]
    public void FormatWithoutExtension_FollowsTheFirstCharacter(string text, NodeKind kind)
    {
        var problems = new RuleProblems();
        Assert.Equal(kind, Assert.Single(RuleFile.Parse(text, "API", problems)).Kind);
        Assert.Empty(problems.Items);
    }

    /// <summary>Whatever a file has, reading ends in values or in problems with a place, never in an exception.</summary>
    [Fact]
    public void Anything_IsReadOrReported()
    {
        string[] known = ["- ", "a: ", "\n", "  ", "[", "]", "{", "}", ",", "&a ", "*a", "!!str ", "!x ", "|\n", ">", "'", "\"", "\\", "? ", ": ", "#", "---\n", "...\n", "%YAML 1.2\n", "<<: ", "1", "null", "é", "\t", "\0", "@", "`", "\ud83d\ude00", "//", "/*", "\u0085"];
        Gen.Int[0, known.Length - 1].Array[0, 24].Sample(
            pieces =>
            {
                foreach (var name in (string[])["a.yaml", "a.json", "a"])
                {
                    var problems = new RuleProblems();
                    var roots = RuleFile.Parse(string.Concat(pieces.Select(x => known[x])), name, problems);
                    if (roots.Count > 0 || problems.HasErrors || name == "a.yaml" || name == "a")
                    {
                        RuleDocument.FromNodes(roots, problems, null, ReferenceTypes.All);
                    }

                    Assert.All(problems.Items, x => Assert.True(x.Location is { Line: >= 1, Column: >= 1 }));
                }
            },
            iter: 30_000);
    }

    private static RuleNode Read(string text)
    {
        var problems = new RuleProblems();
        var root = Assert.Single(RuleFile.Parse(text, "a.yaml", problems));
        Assert.Empty(problems.Items);
        return root;
    }

    private static RuleProblem Problem(string text)
    {
        var problems = new RuleProblems();
        RuleFile.Parse(text, "a.yaml", problems);
        return Assert.Single(problems.Items);
    }
}
