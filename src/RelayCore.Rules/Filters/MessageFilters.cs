using RelayCore.Rules.Catalog;

namespace RelayCore.Rules.Filters;

/// <summary>Filters of messages: content, direction, opcode.</summary>
internal static class MessageFilters
{
    /// <summary>All of them.</summary>
    public static IReadOnlyList<FilterType> All { get; } = [];
}
