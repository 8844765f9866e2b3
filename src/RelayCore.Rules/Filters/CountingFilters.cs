using RelayCore.Rules.Catalog;

namespace RelayCore.Rules.Filters;

/// <summary>Filters by counting, time and chance; tags and variables.</summary>
internal static class CountingFilters
{
    /// <summary>All of them.</summary>
    public static IReadOnlyList<FilterType> All { get; } = [];
}
