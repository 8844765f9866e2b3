using RelayCore.Rules.Catalog;

namespace RelayCore.Rules.Filters;

/// <summary>Filters in the filter language.</summary>
internal static class ExpressionFilters
{
    /// <summary>All of them.</summary>
    public static IReadOnlyList<FilterType> All { get; } = [.. LogicFilters.All];
}
