using RelayCore.Rules.Catalog;

namespace RelayCore.Rules.Actions;

/// <summary>Actions on method, URL and status.</summary>
internal static class TargetActions
{
    /// <summary>All of them.</summary>
    public static IReadOnlyList<ActionType> All { get; } = [];
}
