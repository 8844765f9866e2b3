using RelayCore.Rules.Catalog;

namespace RelayCore.Rules.Filters;

/// <summary>Filters of the response: status, fields, content type, size, duration.</summary>
internal static class ResponseFilters
{
    /// <summary>All of them.</summary>
    public static IReadOnlyList<FilterType> All { get; } = [];
}
