using System.Text.Json.Serialization;
using RelayCore.Core.Flows;
using RelayCore.Rules.Documents;

namespace RelayCore.Runtime.Rules;

/// <summary>What is loaded from where, and what is wrong with it.</summary>
public sealed record RuleStatus
{
    /// <summary>Rules there are.</summary>
    public required int RuleCount { get; init; }

    /// <summary>Of them active ones.</summary>
    public required int ActiveCount { get; init; }

    /// <summary>Since when they are in force.</summary>
    public required DateTimeOffset LoadedAt { get; init; }

    /// <summary>Whether a newer version of a file could not be used, so that an older one is in force.</summary>
    [JsonPropertyName("stale")]
    public required bool IsStale { get; init; }

    /// <summary>When that was.</summary>
    public DateTimeOffset? FailedAt { get; init; }

    /// <summary>Where they come from, in order.</summary>
    public required IReadOnlyList<RuleSourceStatus> Sources { get; init; }

    /// <summary>What is wrong: errors of the version that could not be used, or warnings of the one in force.</summary>
    public required IReadOnlyList<RuleProblemView> Problems { get; init; }

    /// <summary>Problems beyond the bound of 1,000.</summary>
    public int OmittedProblems { get; init; }
}

/// <summary>A source of rules.</summary>
/// <param name="Name">File, <c>command line</c> or <c>API</c>.</param>
/// <param name="Kind"><c>file</c>, <c>command_line</c> or <c>api</c>.</param>
/// <param name="RuleCount">Its rules.</param>
/// <param name="Files">Files read for it, includes among them.</param>
public sealed record RuleSourceStatus(string Name, string Kind, int RuleCount, IReadOnlyList<string> Files);

/// <summary>A problem, as shown to programs.</summary>
/// <param name="Severity"><c>error</c> or <c>warning</c>.</param>
/// <param name="Code">Stable code.</param>
/// <param name="File">File, or a name for what is no file.</param>
/// <param name="Line">1-based.</param>
/// <param name="Column">1-based.</param>
/// <param name="Path">JSON path.</param>
/// <param name="Message">What is wrong.</param>
/// <param name="Suggestion">What to do.</param>
/// <param name="RuleId">The rule concerned.</param>
public sealed record RuleProblemView(
    string Severity, string Code, string File, int Line, int Column, string Path, string Message, string? Suggestion, string? RuleId)
{
    /// <summary>A problem.</summary>
    public static RuleProblemView Of(RuleProblem problem)
    {
        ArgumentNullException.ThrowIfNull(problem);
        var at = problem.Location;
        return new(
            problem.Severity == ProblemSeverity.Error ? "error" : "warning", problem.Code, at.File, at.Line, at.Column, problem.Path, problem.Message,
            problem.Suggestion, problem.RuleId);
    }
}

/// <summary>Data of the event <c>rules-changed</c>.</summary>
/// <param name="Operation">What happened.</param>
/// <param name="RuleCount">Rules there are now.</param>
/// <param name="Errors">Errors found; then nothing changed.</param>
/// <param name="Warnings">Warnings found.</param>
public sealed record RulesChanged(string Operation, int RuleCount, int Errors, int Warnings);

/// <summary>JSON of rules: snake_case, absent instead of null.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(RuleStatus))]
[JsonSerializable(typeof(RulesChanged))]
[JsonSerializable(typeof(IReadOnlyList<RuleProblemView>))]
[JsonSerializable(typeof(RuleTrace))]
[JsonSerializable(typeof(DryRunResult))]
[JsonSerializable(typeof(IReadOnlyList<DryRunResult>))]
public sealed partial class RuleJson : JsonSerializerContext;
