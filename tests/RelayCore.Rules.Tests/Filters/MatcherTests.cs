using System.Text;
using RelayCore.Rules.Documents;
using RelayCore.Rules.Execution;
using RelayCore.Rules.Filters;
using Xunit;

namespace RelayCore.Rules.Tests.Filters;

/// <summary>How texts compare.</summary>
public sealed class MatcherTests
{
    [Theory]
    [InlineData("Exact", "abc", false, "abc", true)]
    [InlineData("Exact", "abc", false, "Abc", false)]
    [InlineData("Exact", "abc", true, "ABC", true)]
    [InlineData("Exact", "ß", true, "ß", true)]
    [InlineData("Contains", "b", false, "abc", true)]
    [InlineData("Contains", "", false, "", true)]
    [InlineData("Contains", "ABAC", true, "ababacx", true)]
    [InlineData("Contains", "É", true, "caféx", true)]
    [InlineData("Contains", "k", true, "\u212a", false)]
    [InlineData("Prefix", "ab", true, "ABC", true)]
    [InlineData("Prefix", "abcd", true, "ABC", false)]
    [InlineData("Suffix", "bc", false, "abc", true)]
    [InlineData("Suffix", "bc", true, "aBC", true)]
    [InlineData("Regex", "^a.c$", false, "abc", true)]
    [InlineData("Regex", "(?P<x>b)", false, "abc", true)]
    [InlineData("Regex", "é", true, "É", true)]
    [InlineData("Glob", "/api/*", false, "/api/a/b", true)]
    [InlineData("Glob", "/api/*", false, "/apis/", false)]
    [InlineData("Glob", "**/b", false, "b", true)]
    [InlineData("Glob", "**/b", false, "a/c/b", true)]
    [InlineData("Glob", "**/b", false, "ab", false)]
    [InlineData("Glob", "a?c", false, "abc", true)]
    [InlineData("Glob", "a?c", false, "ac", false)]
    [InlineData("Glob", "[a-c]x[!0-9]", false, "bxa", true)]
    [InlineData("Glob", "[a-c]x[!0-9]", false, "bx1", false)]
    [InlineData("Glob", @"a\*b", false, "a*b", true)]
    [InlineData("Glob", "a[*]b*c", false, "a*bxc", true)]
    [InlineData("Glob", "a.b*c", false, "aXbc", false)]
    [InlineData("Glob", "*", false, "", true)]
    [InlineData("Glob", "**", false, "a/b", true)]
    public void Matches_OctetsAndTextAlike(string mode, string value, bool ignoreCase, string text, bool expected)
    {
        var matcher = Filters.FlowFixture.Node($$"""{"mode":"{{mode}}","value":{{System.Text.Json.JsonSerializer.Serialize(value)}},"ignore_case":{{(ignoreCase ? "true" : "false")}}}""");
        var problems = new RuleProblems();
        var compiled = Matcher.Compile(matcher, ignoreCase: false, problems)!;
        Assert.Empty(problems.Items);
        Assert.Equal((expected, expected), (compiled.Matches(text.AsSpan()), compiled.Matches(Encoding.UTF8.GetBytes(text))));
    }

    [Fact]
    public void Matches_OctetsThatAreNoUtf8_AsLatin1()
    {
        var matcher = Matcher.Create(MatcherMode.Exact, "é", ignoreCase: false, out _)!;
        Assert.True(matcher.Matches([0xE9]));
        Assert.True(matcher.Matches([0xC3, 0xA9]));
        Assert.False(matcher.Matches([0xC3]));
    }

    [Theory]
    [InlineData("a(b", "column 4")]
    [InlineData("(?P<x>a)[", "column 10")]
    [InlineData("a(?=b)", "look-ahead")]
    [InlineData("(?<!a)b", "look-behind")]
    [InlineData(@"(a)\1", "back-references (column 4 of the pattern)")]
    [InlineData("((a{1000}){1000}){1000}", "larger than")]
    [InlineData("(?>a)", "atomic")]
    public void Compile_OfARegexThatCannotBe_SaysWhyAndWhere(string pattern, string reason)
    {
        var problems = new RuleProblems();
        Assert.Null(Matcher.Compile(FlowFixture.Node($$"""{"mode":"Regex","value":{{System.Text.Json.JsonSerializer.Serialize(pattern)}}}"""), false, problems));
        var problem = Assert.Single(problems.Items);
        Assert.Contains(reason, problem.Message, StringComparison.Ordinal);
        Assert.Equal(("RULE-311", "$.value"), (problem.Code, problem.Path));
    }

    [Theory]
    [InlineData("""{"mode":"Glob","value":"a[b"}""", "RULE-312", "never closed")]
    [InlineData("""{"mode":"Glob","value":"a*b\\"}""", "RULE-312", "nothing follows")]
    [InlineData("""{"mode":"Fuzzy","value":"a"}""", "RULE-310", "Exact, Contains")]
    [InlineData("""{"value":"a"}""", "RULE-310", "Exact, Contains")]
    [InlineData("""["a"]""", "RULE-310", "Exact, Contains")]
    public void Compile_OfABadMatcher_IsReported(string json, string code, string message)
    {
        var problems = new RuleProblems();
        Assert.Null(Matcher.Compile(FlowFixture.Node(json), false, problems));
        var problem = Assert.Single(problems.Items);
        Assert.Equal(code, problem.Code);
        Assert.Contains(message, problem.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Compile_OfALongPattern_IsRefused()
    {
        var problems = new RuleProblems();
        Assert.Null(Matcher.Compile(FlowFixture.Node($$"""{"mode":"Regex","value":"{{new string('a', 8193)}}"}"""), false, problems));
        Assert.Contains("8192", problems.Items[0].Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Captures_AreTakenOnlyWhenTheRuleUsesThem()
    {
        var flow = new FlowFixture("GET /users/42 HTTP/1.1\r\nHost: a\r\n\r\n");
        var (condition, _, scope) = FlowFixture.Compile("Path", """{"mode":"Regex","value":"/users/(?<id>\\d+)"}""", RuleStage.RequestHeaders);
        Assert.Contains("id", scope.Captures);
        flow.Context.BeginRule(new CompiledRule(scope.Rule, condition!, []));
        Assert.True(flow.Holds(condition!));
        Assert.Empty(flow.Context.Captures);
        flow.Context.BeginRule(new CompiledRule(scope.Rule, condition!, []) { UsesCaptures = true });
        Assert.True(flow.Holds(condition!));
        Assert.Equal(("42", "/users/42"), (flow.Context.Captures["id"], flow.Context.Captures["0"]));
    }
}
