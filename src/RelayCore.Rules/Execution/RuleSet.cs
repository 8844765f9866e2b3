using RelayCore.Rules.Actions;
using RelayCore.Rules.Documents;
using RelayCore.Rules.Filters;

namespace RelayCore.Rules.Execution;

/// <summary>A rule, compiled. Immutable but for its counters.</summary>
/// <param name="Definition">As written.</param>
/// <param name="Filter">When it applies.</param>
/// <param name="Actions">What it does, each with the type as written.</param>
public sealed record CompiledRule(RuleDefinition Definition, Condition Filter, IReadOnlyList<(string Type, RuleAction Action)> Actions)
{
    private long _hits;
    private long _lastHit;

    /// <summary>Whether its templates use what regexes of its filter captured; otherwise nothing is captured.</summary>
    public bool UsesCaptures { get; init; }

    /// <summary>Id.</summary>
    public string Id => Definition.Id;

    /// <summary>Matches since it was loaded.</summary>
    public long Hits => Volatile.Read(ref _hits);

    /// <summary>UTC ticks of the last match; 0 for none.</summary>
    public long LastHit => Volatile.Read(ref _lastHit);

    internal void Hit(DateTimeOffset now)
    {
        Interlocked.Increment(ref _hits);
        Volatile.Write(ref _lastHit, now.UtcTicks);
    }
}

/// <summary>All rules in force, compiled and indexed. Immutable; a flow keeps the set it began with.</summary>
public sealed class RuleSet
{
    private RuleSet(IReadOnlyList<CompiledRule> rules) => Rules = rules;

    /// <summary>Active rules in the order they run: priority descending, then as written.</summary>
    public IReadOnlyList<CompiledRule> Rules { get; }

    /// <summary>Compiles rules. Problems are reported all at once; a rule with an error is left out of the set.</summary>
    public static RuleSet Compile(IReadOnlyList<RuleDefinition> rules, RuleEnvironment environment, RuleProblems problems) =>
        throw new NotSupportedException("the compiler is being written");
}
