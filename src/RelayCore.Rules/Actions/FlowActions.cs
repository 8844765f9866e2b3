using RelayCore.Rules.Catalog;

namespace RelayCore.Rules.Actions;

/// <summary>Actions on the flow: drop, abort, tag, mark, comment, variables, breakpoint, script call.</summary>
internal static class FlowActions
{
    /// <summary>All of them.</summary>
    public static IReadOnlyList<ActionType> All { get; } = [];
}
