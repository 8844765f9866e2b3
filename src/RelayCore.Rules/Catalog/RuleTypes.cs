using RelayCore.Rules.Actions;
using RelayCore.Rules.Documents;
using RelayCore.Rules.Filters;

namespace RelayCore.Rules.Catalog;

/// <summary>A kind of filter.</summary>
/// <param name="Name">Its <c>type</c>.</param>
/// <param name="Stages">Where it may be used.</param>
/// <param name="Summary">One sentence for the documentation.</param>
/// <param name="Config">Its config.</param>
/// <param name="Compile">Makes the condition of a config that has the right shape; reports what is wrong beyond that and returns <see langword="null"/>.</param>
public sealed record FilterType(string Name, RuleStage Stages, string Summary, Shape Config, Func<ConfigReader, Condition?> Compile)
{
    /// <summary>A config for the documentation, the schema's tests and the wire matrix, as JSON; <see langword="null"/> without config.</summary>
    public string? Example { get; init; }

    /// <summary>Where a config may be used when that depends on it, as in an expression; <see langword="null"/>: wherever the type may.</summary>
    public Func<RuleNode, RuleStage>? StagesOf { get; init; }
}

/// <summary>A kind of action.</summary>
/// <param name="Name">Its <c>type</c>.</param>
/// <param name="Stages">Where it may be used.</param>
/// <param name="Summary">One sentence for the documentation: what happens on the wire.</param>
/// <param name="Config">Its config.</param>
/// <param name="Compile">Makes the action of a config that has the right shape; reports what is wrong beyond that and returns <see langword="null"/>.</param>
public sealed record ActionType(string Name, RuleStage Stages, string Summary, Shape Config, Func<ConfigReader, RuleAction?> Compile)
{
    /// <summary>A config for the documentation, as JSON.</summary>
    public string? Example { get; init; }

    /// <summary>Whether nothing of the stage runs behind it; for the check for unreachable rules.</summary>
    public bool IsTerminal { get; init; }
}

/// <summary>All kinds of filters and actions.</summary>
public static class RuleCatalog
{
    /// <summary>Filters by name.</summary>
    public static IReadOnlyDictionary<string, FilterType> Filters { get; } = ByName<FilterType>(
        [.. RequestFilters.All, .. ResponseFilters.All, .. ConnectionFilters.All, .. BodyFilters.All, .. MessageFilters.All, .. CountingFilters.All, .. ExpressionFilters.All],
        x => x.Name);

    /// <summary>Actions by name.</summary>
    public static IReadOnlyDictionary<string, ActionType> Actions { get; } = ByName<ActionType>(
        [
            .. FlowActions.All, .. HeaderActions.All, .. TargetActions.All, .. AnswerActions.All, .. MapActions.All, .. StickyActions.All, .. LimitActions.All,
            .. BodyActions.All, .. JsonActions.All, .. StreamActions.All, .. MessageActions.All,
            .. TimingActions.All, .. FaultActions.All, .. ConnectionActions.All, .. TlsActions.All,
        ],
        x => x.Name);

    private static Dictionary<string, T> ByName<T>(IEnumerable<T> types, Func<T, string> name) => types.ToDictionary(name, StringComparer.Ordinal);
}
