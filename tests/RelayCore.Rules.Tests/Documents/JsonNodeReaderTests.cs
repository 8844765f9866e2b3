using System.Text;
using RelayCore.Rules.Documents;
using Xunit;

namespace RelayCore.Rules.Tests.Documents;

/// <summary>JSON with places.</summary>
public sealed class JsonNodeReaderTests
{
    [Fact]
    public void Values_StandAtTheirLineColumnAndPath()
    {
        var root = Read("// rules\n[\n  {\"é\": 1, \"b\": [true, null,],\n   \"Retry-After\": \"x\\ny\"},\n]");
        var map = Assert.Single(root.Items);
        Assert.Equal("a.json:3:3", map.Location.ToString());
        Assert.Equal(("a.json:3:4", "$[0]['é']"), (map.Members[0].Name.Location.ToString(), map.Members[0].Name.Path));
        Assert.Equal(("a.json:3:9", "1"), (map["é"]!.Location.ToString(), map["é"]!.Text));
        Assert.Equal(("a.json:3:24", "$[0].b[1]", NodeKind.Null), (map["b"]!.Items[1].Location.ToString(), map["b"]!.Items[1].Path, map["b"]!.Items[1].Kind));
        Assert.Equal(("a.json:4:19", "x\ny", "$[0]['Retry-After']"), (map["Retry-After"]!.Location.ToString(), map["Retry-After"]!.Text, map["Retry-After"]!.Path));
    }

    [Fact]
    public void NumbersKeepTheirText() => Assert.Equal(["1.0", "1e3", "123456789012345678901234567890"], Read("[1.0,1e3,123456789012345678901234567890]").Items.Select(x => x.Text));

    [Theory]
    [InlineData("[1,\n {\"a\" 1}]", 2, 7)]
    [InlineData("[1] 2", 1, 5)]
    [InlineData("[\"é\", tru]", 1, 10)]
    [InlineData("", 1, 1)]
    [InlineData("{\"a\":\n", 2, 1)]
    public void Syntax_IsReportedWithItsPlace(string text, int line, int column)
    {
        var problem = Problem(Encoding.UTF8.GetBytes(text));
        Assert.Equal((RuleCodes.Syntax, line, column), (problem.Code, problem.Location.Line, problem.Location.Column));
        Assert.DoesNotContain("LineNumber", problem.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void ByteOrderMark_IsSkipped()
    {
        var problems = new RuleProblems();
        var root = Assert.Single(RuleFile.Parse([0xEF, 0xBB, 0xBF, .. "[1]"u8], "a.json", problems));
        Assert.Empty(problems.Items);
        Assert.Equal("a.json:1:2", root.Items[0].Location.ToString());
    }

    [Fact]
    public void BadUtf8_IsReportedWithItsPlace()
    {
        var problem = Problem([.. "[1,\n\"é"u8, 0xC3, (byte)'"', (byte)']']);
        Assert.Equal((RuleCodes.Encoding, 2, 3), (problem.Code, problem.Location.Line, problem.Location.Column));
    }

    [Fact]
    public void HalfASurrogatePair_IsReportedWithItsPlace()
    {
        var problem = Problem("[1, \"\\ud800\"]"u8.ToArray());
        Assert.Equal((RuleCodes.Encoding, 1, 5), (problem.Code, problem.Location.Line, problem.Location.Column));
    }

    [Fact]
    public void NameTwice_IsAnErrorThatNamesTheFirst()
    {
        var problem = Problem("{\"a\":1,\n\"a\":2}"u8.ToArray());
        Assert.Equal((RuleCodes.DuplicateMember, "a.json:2:1"), (problem.Code, problem.Location.ToString()));
        Assert.Contains("line 1", problem.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(64, false)]
    [InlineData(65, true)]
    public void Depth_IsBounded(int depth, bool isRefused)
    {
        var problems = new RuleProblems();
        RuleFile.Parse(new string('[', depth) + new string(']', depth), "a.json", problems);
        Assert.Equal(isRefused ? [RuleCodes.Bound] : [], problems.Items.Select(x => x.Code));
    }

    [Theory]
    [InlineData(99_999, false)]
    [InlineData(100_000, true)]
    public void Values_AreBounded(int items, bool isRefused)
    {
        var problems = new RuleProblems();
        RuleFile.Parse("[" + string.Join(',', Enumerable.Repeat("1", items)) + "]", "a.json", problems);
        Assert.Equal(isRefused ? [RuleCodes.Bound] : [], problems.Items.Select(x => x.Code));
    }

    [Fact]
    public void Size_IsBounded()
    {
        var octets = new byte[(16 * 1024 * 1024) + 1];
        octets.AsSpan().Fill((byte)' ');
        octets[0] = (byte)'1';
        Assert.Equal(RuleCodes.Bound, Problem(octets).Code);
        var problems = new RuleProblems();
        Assert.Single(RuleFile.Parse(octets.AsSpan(0, octets.Length - 1), "a.json", problems));
        Assert.Empty(problems.Items);
    }

    private static RuleNode Read(string text)
    {
        var problems = new RuleProblems();
        var root = Assert.Single(RuleFile.Parse(text, "a.json", problems));
        Assert.Empty(problems.Items);
        return root;
    }

    private static RuleProblem Problem(byte[] octets)
    {
        var problems = new RuleProblems();
        RuleFile.Parse(octets, "a.json", problems);
        return Assert.Single(problems.Items);
    }
}
