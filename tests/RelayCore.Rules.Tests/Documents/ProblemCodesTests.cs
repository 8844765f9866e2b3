using System.Text.RegularExpressions;
using RelayCore.Rules.Documents;
using Xunit;

namespace RelayCore.Rules.Tests.Documents;

/// <summary>docs/rules/problems.md explains every code there is.</summary>
public sealed class ProblemCodesTests
{
    [Fact]
    public void EveryCodeOfTheSource_IsExplainedWithAnExample()
    {
        var root = Root();
        var used = Directory.EnumerateFiles(Path.Combine(root, "src"), "*.cs", SearchOption.AllDirectories)
            .SelectMany(x => Regex.Matches(File.ReadAllText(x), "RULE-\\d{3}").Select(y => y.Value))
            .ToHashSet();
        Assert.Contains(RuleCodes.Syntax, used);
        var sections = File.ReadAllText(Path.Combine(root, "docs", "rules", "problems.md")).Split("\n## ")[1..].ToDictionary(x => x[..8]);
        Assert.Empty(used.Except(sections.Keys).Order());
        Assert.All(sections, x => Assert.Matches("^RULE-\\d{3}\n\n\\*\\*.+\\*\\* \\((error|warning|error or warning)\\)\n\n(.+\n)+\n```\n(.+\n)+```\n\n- .+\n*$", x.Value));
    }

    private static string Root()
    {
        var folder = AppContext.BaseDirectory;
        while (!File.Exists(Path.Combine(folder, "RelayCore.slnx")))
        {
            folder = Path.GetDirectoryName(folder) ?? throw new InvalidOperationException("the tests do not run inside of the repository");
        }

        return folder;
    }
}
