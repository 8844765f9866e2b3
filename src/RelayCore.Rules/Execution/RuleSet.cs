using System.Text.Json;
using RelayCore.Rules.Actions;
using RelayCore.Rules.Catalog;
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

    /// <summary>Its name in mutations.</summary>
    internal string Actor { get; } = "rule:" + Definition.Id;

    /// <summary>Id as it stands in traces.</summary>
    internal JsonEncodedText EncodedId { get; } = JsonEncodedText.Encode(TraceText.Cut(Definition.Id));

    internal void Hit(DateTimeOffset now)
    {
        Interlocked.Increment(ref _hits);
        Volatile.Write(ref _lastHit, now.UtcTicks);
    }
}

/// <summary>All rules in force, compiled and indexed. Immutable; a flow keeps the set it began with.</summary>
public sealed class RuleSet
{
    private readonly StageRules[] _stages;

    internal RuleSet(IReadOnlyList<CompiledRule> rules, RuleEnvironment environment)
    {
        (Rules, Environment) = (rules, environment);
        _stages = [.. RuleStages.Ordered.Select(stage => new StageRules(stage, [.. rules.Where(x => x.Definition.Stage == stage)]))];
        foreach (var stage in _stages.Where(x => x.Rules.Length > 0))
        {
            Stages |= stage.Stage;
        }
    }

    /// <summary>Active rules in the order they run: priority descending, then as written.</summary>
    public IReadOnlyList<CompiledRule> Rules { get; }

    internal RuleEnvironment Environment { get; }

    /// <summary>Stages that have rules.</summary>
    internal RuleStage Stages { get; }

    /// <summary>Conditions as they read in traces, encoded once.</summary>
    internal TraceText Texts { get; } = new();

    /// <summary>Compiles rules. Problems are reported all at once; a rule with an error is left out of the set.</summary>
    public static RuleSet Compile(IReadOnlyList<RuleDefinition> rules, RuleEnvironment environment, RuleProblems problems) =>
        Compile(rules, environment, problems, RuleCatalog.Filters, RuleCatalog.Actions);

    internal static RuleSet Compile(
        IReadOnlyList<RuleDefinition> rules, RuleEnvironment environment, RuleProblems problems,
        IReadOnlyDictionary<string, FilterType> filters, IReadOnlyDictionary<string, ActionType> actions) =>
        new(new RuleCompiler(environment, problems, filters, actions).Compile(rules), environment);

    /// <summary>The rules of a stage.</summary>
    internal StageRules Of(RuleStage stage) => _stages[System.Numerics.BitOperations.TrailingZeroCount((int)stage)];
}

/// <summary>The rules of one stage in their order, with their index.</summary>
internal sealed class StageRules(RuleStage stage, CompiledRule[] rules)
{
    public RuleStage Stage => stage;

    public CompiledRule[] Rules => rules;

    /// <summary>Which of them may match an exchange.</summary>
    public RuleIndex Index { get; } = new([.. rules.Select(x => x.Filter)]);
}
