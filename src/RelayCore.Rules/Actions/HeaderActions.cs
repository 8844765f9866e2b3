using RelayCore.Rules.Catalog;

namespace RelayCore.Rules.Actions;

/// <summary>Actions on field lines, cookies, query and form.</summary>
internal static class HeaderActions
{
    /// <summary>All of them.</summary>
    public static IReadOnlyList<ActionType> All { get; } = [];
}
