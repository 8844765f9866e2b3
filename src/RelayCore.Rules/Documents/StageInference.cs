using RelayCore.Rules.Catalog;

namespace RelayCore.Rules.Documents;

/// <summary>
/// Finds the stage of a rule that names none: the earliest stage of an exchange at which its filter is known and all of its actions can be done; a stage
/// of the connection only when the parts fit nowhere else. Where both stages of messages fit it is <see cref="RuleStage.Message"/>, which has the
/// messages of WebSockets too.
/// </summary>
internal static class StageInference
{
    private static readonly RuleStage[] s_order =
    [
        RuleStage.RequestHeaders, RuleStage.RequestBody, RuleStage.ResponseHeaders, RuleStage.ResponseBody, RuleStage.Message, RuleStage.WebSocketMessage,
        RuleStage.Completed, RuleStage.Connect, RuleStage.ClientHello,
    ];

    /// <returns><see cref="RuleStage.None"/> when there is none, which is reported, or when a type is unknown, which the caller reports.</returns>
    public static RuleStage Infer(RuleNode rule, RuleNode filter, IReadOnlyList<RuleNode> actions, KnownTypes types, RuleProblems problems)
    {
        var parts = new List<(string Name, RuleStage Stages)>();
        if (!TryFilters(filter, types, parts) || !TryActions(actions, types, parts))
        {
            return RuleStage.None;
        }

        var common = parts.Aggregate(RuleStage.All, (stages, x) => stages & x.Stages);
        var stage = Array.Find(s_order, x => (common & x) != 0);
        if (stage == RuleStage.None)
        {
            var says = parts.Where(x => x.Stages != RuleStage.All).DistinctBy(x => x.Name).Select(x => $"{x.Name}: {ShapeValues.Names(x.Stages)}");
            problems.Error(
                RuleCodes.NoStage, rule, $"no stage suits all parts of this rule ({string.Join("; ", says)})",
                "Split it into rules of one stage each; a Tag set by the first can be the filter of the second.");
        }

        return stage;
    }

    private static bool TryActions(IReadOnlyList<RuleNode> actions, KnownTypes types, List<(string Name, RuleStage Stages)> parts)
    {
        foreach (var action in actions)
        {
            if (action["type"] is not { } name || !types.Actions.TryGetValue(name.Text, out var type))
            {
                return false;
            }

            parts.Add((type.Name, type.Stages));
        }

        return true;
    }

    private static bool TryFilters(RuleNode filter, KnownTypes types, List<(string Name, RuleStage Stages)> parts)
    {
        if (filter["type"] is not { } name || !types.Filters.TryGetValue(name.Text, out var type))
        {
            return false;
        }

        parts.Add((type.Name, Stages(filter, type)));
        return Children(filter, type).All(x => TryFilters(x, types, parts));
    }

    /// <summary>Where a filter may be used, without those in it.</summary>
    public static RuleStage Stages(RuleNode filter, FilterType type) =>
        filter["config"] is { IsNull: false } config && type.StagesOf is { } of ? type.Stages & of(config) : type.Stages;

    /// <summary>Filters directly inside of a filter.</summary>
    public static IEnumerable<RuleNode> Children(RuleNode filter, FilterType type)
    {
        var config = filter["config"];
        return config is null ? []
            : type.Config.Value is { } single ? Filters(single, config)
            : type.Config.Properties.SelectMany(x => config[x.Name] is { } value ? Filters(x, value) : []);
    }

    private static IEnumerable<RuleNode> Filters(Property property, RuleNode node) => property.Kind switch
    {
        PropertyKind.Filter => [node],
        PropertyKind.List when property.Items is { } items => node.Items.SelectMany(x => Filters(items, x)),
        _ => [],
    };
}
