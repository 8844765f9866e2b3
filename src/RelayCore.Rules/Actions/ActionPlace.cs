using RelayCore.Rules.Catalog;

namespace RelayCore.Rules.Actions;

/// <summary>Names an action within all rules, so that what it remembers is found again when its file is loaded anew.</summary>
internal static class ActionPlace
{
    /// <summary>Id of the rule and place in its list of actions, e.g. <c>r1.actions[0].config</c>.</summary>
    public static string Of(ConfigReader config)
    {
        var path = config.Node.Path;
        var actions = path.LastIndexOf(".actions[", StringComparison.Ordinal);
        return config.Scope.Rule.Id + (actions < 0 ? path : path[actions..]);
    }
}
