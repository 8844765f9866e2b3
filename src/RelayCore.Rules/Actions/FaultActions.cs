using RelayCore.Rules.Catalog;

namespace RelayCore.Rules.Actions;

/// <summary>Actions that break things on purpose.</summary>
internal static class FaultActions
{
    /// <summary>All of them.</summary>
    public static IReadOnlyList<ActionType> All { get; } = [];
}
