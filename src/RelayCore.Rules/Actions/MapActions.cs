using RelayCore.Rules.Actions.Maps;
using RelayCore.Rules.Catalog;

namespace RelayCore.Rules.Actions;

/// <summary>Actions that answer from local files and folders.</summary>
internal static class MapActions
{
    /// <summary>All of them.</summary>
    public static IReadOnlyList<ActionType> All { get; } = [MapLocal.Type];
}
