using System.Globalization;
using System.Text.Json;
using RelayCore.Cli.Text;
using RelayCore.Rules.Documents;
using RelayCore.Runtime.Rules;

namespace RelayCore.Cli.Rules;

/// <summary>Problems of rules, a line each, as compilers write them: editors jump to the place.</summary>
internal static class ProblemText
{
    /// <summary>Writes all of them, errors first within their order.</summary>
    /// <returns>How many errors there are.</returns>
    public static int Write(RuleProblems problems, TextWriter output)
    {
        foreach (var problem in problems.Items)
        {
            output.WriteLine(Line(RuleProblemView.Of(problem)));
        }

        if (problems.Omitted > 0)
        {
            output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"… and {problems.Omitted} more."));
        }

        return problems.Items.Count(x => x.Severity == ProblemSeverity.Error);
    }

    /// <summary>The sentences of a refusal of the API: what went wrong, and every problem.</summary>
    public static string OfRefusal(byte[] json)
    {
        using var document = JsonDocument.Parse(json);
        var root = document.RootElement;
        var detail = root.TryGetProperty("detail", out var text) ? Printable.Line(text.GetString() ?? "") : "The API refuses it.";
        if (!root.TryGetProperty("problems", out var problems) || problems.ValueKind != JsonValueKind.Array)
        {
            return detail;
        }

        return string.Join('\n', problems.Deserialize(RuleJson.Default.IReadOnlyListRuleProblemView)!.Select(Line).Prepend(detail));
    }

    /// <summary>Counts in words: <c>2 errors, 1 warning</c>.</summary>
    public static string Count(RuleProblems problems)
    {
        var errors = problems.Items.Count(x => x.Severity == ProblemSeverity.Error);
        return $"{Words(errors, "error")}, {Words(problems.Items.Count - errors, "warning")}";
    }

    /// <summary>A number with its noun.</summary>
    public static string Words(int count, string noun) => string.Create(CultureInfo.InvariantCulture, $"{count} {noun}{(count == 1 ? "" : "s")}");

    private static string Line(RuleProblemView problem) => Printable.Line(string.Create(
        CultureInfo.InvariantCulture,
        $"{problem.File}:{problem.Line}:{problem.Column}: {problem.Severity} {problem.Code} at {problem.Path}: {problem.Message}{(problem.Message.EndsWith('.') ? "" : ".")}{(problem.Suggestion is null ? "" : " " + problem.Suggestion)}"));
}
