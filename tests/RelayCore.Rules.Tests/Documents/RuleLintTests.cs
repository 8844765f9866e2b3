using CsCheck;
using RelayCore.Rules.Documents;
using Xunit;

namespace RelayCore.Rules.Tests.Documents;

/// <summary>Rules that are right in form and probably wrong.</summary>
public sealed class RuleLintTests
{
    private const string Tag = "{\"type\":\"Tag\",\"config\":{\"key\":\"a\",\"value\":\"b\"}}";
    private const string Edit = "{\"type\":\"AddRequestHeader\",\"config\":{\"name\":\"a\",\"value\":\"b\"}}";
    private const string Drop = "{\"type\":\"Drop\"}";
    private const string All = "{\"type\":\"All\"}";

    [Theory]
    [InlineData(All, "{\"type\":\"Host\",\"config\":\"a\"}")]
    [InlineData("{\"type\":\"Host\",\"config\":{\"mode\":\"Exact\",\"value\":\"a\"}}", "{\"type\":\"Host\",\"config\":{\"value\":\"a\",\"mode\":\"Exact\"}}")]
    [InlineData("{\"type\":\"Host\",\"config\":\"a\"}", "{\"type\":\"And\",\"config\":[{\"type\":\"Method\",\"config\":\"GET\"},{\"type\":\"Host\",\"config\":\"a\"}]}")]
    [InlineData("{\"type\":\"Or\",\"config\":[{\"type\":\"Host\",\"config\":\"a\"},{\"type\":\"Host\",\"config\":\"b\"}]}", "{\"type\":\"Host\",\"config\":\"b\"}")]
    [InlineData("{\"type\":\"Host\",\"config\":{\"mode\":\"Suffix\",\"value\":\".a.example\"}}", "{\"type\":\"Host\",\"config\":{\"mode\":\"Exact\",\"value\":\"x.a.example\"}}")]
    [InlineData("{\"type\":\"Not\",\"config\":{\"type\":\"And\",\"config\":[{\"type\":\"Host\",\"config\":\"a\"},{\"type\":\"Method\",\"config\":\"GET\"}]}}", "{\"type\":\"Not\",\"config\":{\"type\":\"Host\",\"config\":\"a\"}}")]
    public void RuleBehindOneThatCoversIt_IsUnreachable(string wide, string narrow)
    {
        var problem = Assert.Single(Lint(Rule("first", wide, Drop), Rule("second", narrow, Edit)));
        Assert.Equal((RuleCodes.Unreachable, "second", ProblemSeverity.Warning), (problem.Code, problem.RuleId, problem.Severity));
        Assert.Contains("`first` at r.json:1:2 ends the stage with `Drop`", problem.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("{\"type\":\"Host\",\"config\":\"a\"}", "{\"type\":\"Host\",\"config\":\"b\"}")]
    [InlineData("{\"type\":\"And\",\"config\":[{\"type\":\"Method\",\"config\":\"GET\"},{\"type\":\"Host\",\"config\":\"a\"}]}", "{\"type\":\"Host\",\"config\":\"a\"}")]
    [InlineData("{\"type\":\"Probability\",\"config\":0.5}", "{\"type\":\"Probability\",\"config\":0.5}")]
    [InlineData("{\"type\":\"Path\",\"config\":{\"mode\":\"Prefix\",\"value\":\"/A\"}}", "{\"type\":\"Path\",\"config\":{\"mode\":\"Prefix\",\"value\":\"/a\",\"ignore_case\":true}}")]
    [InlineData("{\"type\":\"Path\",\"config\":{\"mode\":\"Regex\",\"value\":\"a\"}}", "{\"type\":\"Path\",\"config\":{\"mode\":\"Exact\",\"value\":\"a\"}}")]
    public void RuleThatMayBeReached_IsNotReported(string first, string second) => Assert.Empty(Lint(Rule("first", first, Drop), Rule("second", second, Edit)));

    [Fact]
    public void EditBetween_MayLetARuleBeReached()
    {
        const string Host = "{\"type\":\"Host\",\"config\":\"a\"}";
        Assert.Empty(Lint(Rule("1", Host, Drop), Rule("2", All, Edit), Rule("3", Host, Edit)));
        Assert.Single(Lint(Rule("1", All, Drop), Rule("2", "{\"type\":\"Host\",\"config\":\"b\"}", Edit)));
    }

    [Fact]
    public void PriorityStageAndActivity_DecideWhatIsInFront()
    {
        Assert.Equal("low", Assert.Single(Lint(Rule("low", All, Edit), Rule("high", All, Drop, ",\"priority\":5"))).RuleId);
        Assert.Empty(Lint(Rule("1", All, Drop, ",\"stage\":\"Connect\""), Rule("2", All, Edit)));
        Assert.Equal([RuleCodes.NoEffect], Lint(Rule("1", All, Drop, ",\"active\":false"), Rule("2", All, Edit)).Select(x => x.Code));
        Assert.Contains("stops the stage", Assert.Single(Lint(Rule("1", All, Tag, ",\"termination\":\"Stop\""), Rule("2", All, Edit))).Message, StringComparison.Ordinal);
        Assert.Empty(Lint(Rule("1", All, "{\"type\":\"RateLimit\",\"config\":{\"key\":\"a\",\"limit\":1,\"window_ms\":1}}"), Rule("2", All, Edit)));
    }

    [Fact]
    public void TagThatIsSetAlready_HasNoEffect()
    {
        var problem = Assert.Single(Lint(Rule("1", All, Tag), Rule("2", "{\"type\":\"Host\",\"config\":\"a\"}", Tag + "," + Edit)));
        Assert.Equal((RuleCodes.NoEffect, "2", "$[1].actions[0]"), (problem.Code, problem.RuleId, problem.Path));
        Assert.Empty(Lint(Rule("1", "{\"type\":\"Host\",\"config\":\"a\"}", Tag), Rule("2", All, Tag)));
    }

    [Theory]
    [InlineData("""{"type":"And","config":[{"type":"Host","config":"a"},{"type":"Host","config":"b"}]}""", RuleCodes.Contradiction)]
    [InlineData("""{"type":"And","config":[{"type":"Host","config":"a"},{"type":"And","config":[{"type":"Host","config":{"mode":"Exact","value":"b"}}]}]}""", RuleCodes.Contradiction)]
    [InlineData("""{"type":"And","config":[{"type":"StatusCode","config":200},{"type":"StatusCode","config":404}]}""", RuleCodes.Contradiction)]
    [InlineData("""{"type":"And","config":[{"type":"Path","config":"a"},{"type":"Not","config":{"type":"Path","config":"a"}}]}""", RuleCodes.Contradiction)]
    [InlineData("""{"type":"Or","config":[]}""", RuleCodes.NeverMatches)]
    [InlineData("""{"type":"Not","config":{"type":"All"}}""", RuleCodes.NeverMatches)]
    [InlineData("""{"type":"Not","config":{"type":"Or","config":[{"type":"All"}]}}""", RuleCodes.NeverMatches)]
    [InlineData("""{"type":"Or","config":[{"type":"Host","config":"a"},{"type":"All"}]}""", RuleCodes.AlwaysMatches)]
    [InlineData("""{"type":"Host","config":{"mode":"Contains","value":""}}""", RuleCodes.AlwaysMatches)]
    [InlineData("""{"type":"Host","config":{"mode":"Regex","value":"a|"}}""", RuleCodes.AlwaysMatches)]
    [InlineData("""{"type":"Host","config":{"mode":"Regex","value":"$a"}}""", RuleCodes.NeverMatches)]
    [InlineData("""{"type":"Probability","config":0.0}""", RuleCodes.NoEffect)]
    public void Filter_ThatMakesNoSense_IsNamed(string filter, string code) => Assert.Contains(code, Lint(Rule("1", filter, Drop)).Select(x => x.Code));

    [Theory]
    [InlineData("""{"type":"And","config":[{"type":"Host","config":"A"},{"type":"Host","config":"a"}]}""")]
    [InlineData("""{"type":"And","config":[{"type":"RequestHeader","config":{"name":"a","value":"1"}},{"type":"RequestHeader","config":{"name":"a","value":"2"}}]}""")]
    [InlineData("""{"type":"And","config":[{"type":"Host","config":{"mode":"Prefix","value":"a"}},{"type":"Host","config":{"mode":"Prefix","value":"ab"}}]}""")]
    [InlineData("""{"type":"Or","config":[{"type":"Host","config":"a"},{"type":"Host","config":"b"}]}""")]
    public void Filter_ThatMakesSense_IsNot(string filter) => Assert.Empty(Lint(Rule("1", filter, Drop)));

    [Theory]
    [InlineData("$a", true)]
    [InlineData("a^b", true)]
    [InlineData("a.*^b", true)]
    [InlineData("a$\\d", true)]
    [InlineData("x[^\\s\\S]", true)]
    [InlineData("a\\Ab", true)]
    [InlineData("$\\n", false)]
    [InlineData("$a*", false)]
    [InlineData("$a?", false)]
    [InlineData("a*^b", false)]
    [InlineData("a?^b", false)]
    [InlineData("(a)?^b", false)]
    [InlineData("(?m)a\\n^b", false)]
    [InlineData("x|$a", false)]
    [InlineData("\\$a", false)]
    [InlineData("[$]a", false)]
    [InlineData("a\\^b", false)]
    [InlineData("[^\\s\\S]?x", false)]
    [InlineData("^a$", false)]
    [InlineData("$$", false)]
    [InlineData("a\\b^", true)]
    public void Regex_ThatNeverMatches_IsKnown(string pattern, bool never) => Assert.Equal(never, RegexLint.NeverMatches(pattern) is not null);

    /// <summary>Whatever is called impossible matches no text of letters and line feeds that a search finds.</summary>
    [Fact]
    public void Regex_CalledImpossible_MatchesNothing()
    {
        string[] atoms = ["a", "b", "^", "$", ".", "*", "?", "+", "\\n", "\\d", "\\A", "\\z", "\\b", "[ab]", "[^a]", "[^\\s\\S]", "\\s"];
        string[] texts = ["", "a", "b", "ab", "aab", "a\n", "\na", "\n", "a\nb", "1", "a1\n", "ba\n\nb"];
        Gen.Int[0, atoms.Length - 1].Array[1, 6].Sample(
            chosen =>
            {
                var pattern = string.Concat(chosen.Select(x => atoms[x]));
                System.Text.RegularExpressions.Regex regex;
                try
                {
                    regex = new(pattern, System.Text.RegularExpressions.RegexOptions.NonBacktracking);
                }
                catch (ArgumentException)
                {
                    return;
                }

                if (RegexLint.NeverMatches(pattern) is not null)
                {
                    Assert.All(texts, x => Assert.False(regex.IsMatch(x), $"{pattern} matches"));
                }
            },
            iter: 20_000);
    }

    [Theory]
    [InlineData("a|", true)]
    [InlineData("|a", true)]
    [InlineData("a||b", true)]
    [InlineData("a|b", false)]
    [InlineData("(a|)b", false)]
    [InlineData("[|]", false)]
    [InlineData("a\\|", false)]
    public void Regex_WithAnEmptyAlternative_IsKnown(string pattern, bool isEmpty) => Assert.Equal(isEmpty, RegexLint.HasEmptyAlternative(pattern));

    [Fact]
    public void FiltersOfManyParts_AreBounded()
    {
        var leaves = string.Join(',', Enumerable.Range(0, 12).Select(x => $"{{\"type\":\"Path\",\"config\":\"{{0}}{x}\"}}"));
        var wide = leaves.Replace("{0}", "a", StringComparison.Ordinal);
        var narrow = leaves.Replace("{0}", "b", StringComparison.Ordinal);
        for (var i = 0; i < 3; i++)
        {
            wide = string.Join(',', Enumerable.Repeat($"{{\"type\":\"{(i % 2 == 0 ? "Or" : "And")}\",\"config\":[{wide}]}}", 6));
            narrow = string.Join(',', Enumerable.Repeat($"{{\"type\":\"{(i % 2 == 0 ? "And" : "Or")}\",\"config\":[{narrow}]}}", 6));
        }

        var time = System.Diagnostics.Stopwatch.StartNew();
        Lint(Rule("1", $"{{\"type\":\"Or\",\"config\":[{wide}]}}", Drop), Rule("2", $"{{\"type\":\"And\",\"config\":[{narrow}]}}", Edit));
        Assert.True(time.Elapsed < TimeSpan.FromSeconds(20), $"{time.Elapsed}");
    }

    [Fact]
    public void ManyRules_AreBounded()
    {
        var rules = Enumerable.Range(0, 5000).Select(x => Rule($"{x}", $"{{\"type\":\"Host\",\"config\":\"h{x}\"}}", Drop)).ToArray();
        Assert.Equal([RuleCodes.Bound], Lint(rules).Select(x => x.Code));
    }

    private static string Rule(string id, string filter, string actions, string rest = "") =>
        $$"""{"id":"{{id}}","filter":{{filter}},"actions":[{{actions}}]{{rest}}}""";

    private static IReadOnlyList<RuleProblem> Lint(params string[] rules)
    {
        var (document, problems) = Reading.Parse("[" + string.Join(",\n", rules) + "]");
        Assert.Empty(problems.Items);
        RuleLint.Check(document.Rules, problems, ReferenceTypes.All);
        return problems.Items;
    }
}
