namespace RelayCore.Rules.Documents;

/// <summary>How bad a problem is.</summary>
public enum ProblemSeverity
{
    /// <summary>The file cannot be used.</summary>
    Error,

    /// <summary>It can be used, and probably does not do what its author expects.</summary>
    Warning,
}

/// <summary>Something wrong in a rule file.</summary>
/// <param name="Severity">How bad.</param>
/// <param name="Code">Stable: <c>RULE-NNN</c>, listed in docs/rules/problems.md.</param>
/// <param name="Location">Where.</param>
/// <param name="Path">JSON path of the value.</param>
/// <param name="Message">What is wrong and why, one sentence.</param>
public sealed record RuleProblem(ProblemSeverity Severity, string Code, SourceLocation Location, string Path, string Message)
{
    /// <summary>What to do: the nearest valid name, an example; <see langword="null"/> when the message says it all.</summary>
    public string? Suggestion { get; init; }

    /// <summary>Id of the rule concerned, once known.</summary>
    public string? RuleId { get; init; }

    /// <inheritdoc/>
    public override string ToString() =>
        $"{Location}: {(Severity == ProblemSeverity.Error ? "error" : "warning")} {Code} at {Path}: {Message}{(Message.EndsWith('.') ? "" : ".")}{(Suggestion is null ? "" : " " + Suggestion)}";
}

/// <summary>Gathers all problems of a load, so that they are reported at once. At most 1,000; more are counted. Not for concurrent use.</summary>
public sealed class RuleProblems
{
    private const int Max = 1000;

    private readonly List<RuleProblem> _items = [];

    /// <summary>Problems, in the order found.</summary>
    public IReadOnlyList<RuleProblem> Items => _items;

    /// <summary>Problems beyond the bound.</summary>
    public int Omitted { get; private set; }

    /// <summary>Whether anything forbids the use of what was read.</summary>
    public bool HasErrors { get; private set; }

    /// <summary>Adds an error.</summary>
    public void Error(string code, RuleNode at, string message, string? suggestion = null) =>
        Add(new(ProblemSeverity.Error, code, at.Location, at.Path, message) { Suggestion = suggestion });

    /// <summary>Adds a warning.</summary>
    public void Warning(string code, RuleNode at, string message, string? suggestion = null) =>
        Add(new(ProblemSeverity.Warning, code, at.Location, at.Path, message) { Suggestion = suggestion });

    /// <summary>Adds a problem.</summary>
    public void Add(RuleProblem problem)
    {
        HasErrors |= problem.Severity == ProblemSeverity.Error;
        if (_items.Count < Max)
        {
            _items.Add(problem);
        }
        else
        {
            Omitted++;
        }
    }
}
