using RelayCore.Rules.Documents;
using Xunit;

namespace RelayCore.Rules.Tests.Documents;

/// <summary>Reads texts with the reference's types.</summary>
internal static class Reading
{
    public static (RuleDocument Document, RuleProblems Problems) Parse(string text, string name = "r.json")
    {
        var problems = new RuleProblems();
        return (RuleDocument.FromNodes(RuleFile.Parse(text, name, problems), problems, null, ReferenceTypes.All), problems);
    }

    /// <summary>The one rule of a text without problems.</summary>
    public static RuleDefinition One(string text, string name = "r.json")
    {
        var (document, problems) = Parse(text, name);
        Assert.Empty(problems.Items);
        return Assert.Single(document.Rules);
    }

    /// <summary>The one problem of a text.</summary>
    public static RuleProblem Problem(string text, string name = "r.json") => Assert.Single(Parse(text, name).Problems.Items);

    /// <summary>A rule of the filter All.</summary>
    public static string Rule(string action, string rest = "") => $$"""{"filter":{"type":"All"},"actions":[{{action}}]{{rest}}}""";
}
