using RelayCore.Rules.Catalog;

namespace RelayCore.Rules.Filters;

/// <summary>Filters of connections: addresses, ports, TLS.</summary>
internal static class ConnectionFilters
{
    /// <summary>All of them.</summary>
    public static IReadOnlyList<FilterType> All { get; } = [];
}
