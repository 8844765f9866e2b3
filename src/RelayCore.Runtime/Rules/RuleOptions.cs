using RelayCore.Rules.Documents;
using RelayCore.Rules.Execution;

namespace RelayCore.Runtime.Rules;

/// <summary>Where rules come from and what they may use; one instance is a snapshot.</summary>
public sealed record RuleOptions
{
    /// <summary>Rule files in order; each is watched with everything it includes.</summary>
    public IReadOnlyList<string> Files { get; init; } = [];

    /// <summary>Rules given as text, JSON or YAML, behind those of the files: a name for messages, and the text.</summary>
    public IReadOnlyList<(string Name, string Text)> Texts { get; init; } = [];

    /// <summary>Environment variables templates may read.</summary>
    public IReadOnlySet<string> EnvironmentAllowed { get; init; } = new HashSet<string>();

    /// <summary>Folder outside of which no file is read for a client; <see langword="null"/>: the folder of the rule file.</summary>
    public string? SandboxRoot { get; init; }

    /// <summary>Functions rules may call by name.</summary>
    public IRuleFunctions? Functions { get; init; }

    /// <summary>Whether rules set at run time are kept in the data directory and come back at the next start. Default: yes.</summary>
    public bool KeepsRules { get; init; } = true;

    /// <summary>Told of every change of the rules, and of every attempt that failed. Called on any thread; not to wait.</summary>
    public Action<RuleSetChange>? OnChange { get; init; }
}

/// <summary>A change of the rules in force, or an attempt.</summary>
/// <param name="Operation"><c>loaded</c>, <c>load_failed</c>, <c>reloaded</c>, <c>reload_failed</c>, <c>upserted</c>, <c>upsert_failed</c>, <c>deleted</c>, <c>delete_failed</c>.</param>
/// <param name="RuleCount">Rules there are now.</param>
/// <param name="Problems">What is wrong; errors only when nothing changed.</param>
public sealed record RuleSetChange(string Operation, int RuleCount, RuleProblems Problems);

/// <summary>Rules cannot be used; the message has a line for each problem.</summary>
public sealed class RuleLoadException : Exception
{
    /// <summary>Rules cannot be used.</summary>
    public RuleLoadException(RuleProblems problems)
        : base(string.Join('\n', problems.Items)) => Problems = problems;

    /// <summary>Everything that is wrong.</summary>
    public RuleProblems Problems { get; }
}
