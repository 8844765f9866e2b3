using RelayCore.Rules.Catalog;

namespace RelayCore.Rules.Filters;

/// <summary>Filters made of filters.</summary>
internal static class LogicFilters
{
    /// <summary>All of them.</summary>
    public static IReadOnlyList<FilterType> All { get; } =
    [
        new("All", RuleStage.All, "Always holds.", Shape.None, static _ => AllCondition.Instance),
        new("And", RuleStage.All, "Holds when all of several filters do; of none it holds.", Filters("Filters that must all hold."), static config =>
            Parts(config) is { } parts ? new AndCondition(parts) : null)
        {
            Example = """[{"type":"Host","config":"example.com"},{"type":"Method","config":"POST"}]""",
        },
        new("Or", RuleStage.All, "Holds when any of several filters does; of none it does not.", Filters("Filters of which one must hold."), static config =>
            Parts(config) is { } parts ? new OrCondition(parts) : null)
        {
            Example = """[{"type":"Method","config":"POST"},{"type":"Method","config":"PUT"}]""",
        },
        new("Not", RuleStage.All, "Holds when a filter does not.", Shape.Single(PropertyKind.Filter, "The filter."), static config =>
            config.Scope.CompileFilter(config.Node) is { } part ? new NotCondition(part) : null)
        {
            Example = """{"type":"Method","config":"OPTIONS"}""",
        },
    ];

    private static Shape Filters(string summary) => new()
    {
        Value = new("config", PropertyKind.List, summary) { IsRequired = true, Items = new("filter", PropertyKind.Filter, "A filter.") },
    };

    // All parts are compiled even when one is bad, so that everything wrong is said at once.
    private static List<Condition>? Parts(ConfigReader config)
    {
        var parts = config.Node.Items.Select(config.Scope.CompileFilter).ToList();
        return parts.Contains(null) ? null : [.. parts.OfType<Condition>()];
    }
}
