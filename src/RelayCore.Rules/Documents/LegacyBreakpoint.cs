using System.Text.RegularExpressions;

namespace RelayCore.Rules.Documents;

/// <summary>
/// The form rule files had once (reference: rules §9): <c>{id, active, url_pattern, method, phase}</c>, breakpoints only. Translated as the reference
/// makes breakpoints (§8): <c>Inspect</c>, priority 100, Stop; <c>both</c> makes two rules.
/// </summary>
internal static class LegacyBreakpoint
{
    private static readonly string[] s_members = ["id", "name", "active", "url_pattern", "method", "phase"];
    private static readonly string[] s_phases = ["request", "response", "both", "ws_message"];

    public static bool Is(RuleNode node) =>
        node.Kind == NodeKind.Map && node["filter"] is null && node["actions"] is null && (node["url_pattern"] is not null || node["phase"] is not null);

    /// <summary>Translates one; reports what is wrong and that the form is old.</summary>
    public static IEnumerable<RuleNode> Translate(RuleNode node, RuleProblems problems)
    {
        foreach (var (name, value) in node.Members)
        {
            if (!s_members.Contains(name.Text))
            {
                problems.Error(RuleCodes.UnknownMember, name, $"a breakpoint has no `{name.Text}`", NearestName.Hint(name.Text, s_members));
            }
            else if (name.Text is "url_pattern" or "phase" or "id" && value.Kind != NodeKind.Text)
            {
                problems.Error(RuleCodes.WrongKind, value, $"a text was expected here, not {RuleReader.Describe(value)}");
            }
            else if (name.Text == "method" && value.Kind is not (NodeKind.Text or NodeKind.Null))
            {
                problems.Error(RuleCodes.WrongKind, value, $"a method or null was expected here, not {RuleReader.Describe(value)}");
            }
        }

        if (node["phase"] is not { } phase)
        {
            problems.Error(RuleCodes.MissingMember, node, "`phase` is missing", $"It is one of {string.Join(", ", s_phases)}.");
            return [];
        }

        if (!s_phases.Contains(phase.Text))
        {
            problems.Error(RuleCodes.NotAChoice, phase, $"`{phase.Text}` is not one of {string.Join(", ", s_phases)}", NearestName.Hint(phase.Text, s_phases));
            return [];
        }

        problems.Warning(
            RuleCodes.LegacyForm, node, "this is the old form of breakpoints",
            $"It is read as {{\"filter\": {{\"type\": \"Url\", …}}, \"actions\": [{{\"type\": \"Inspect\"}}]}}; `rules print` writes it so.");
        RuleStage[] stages = phase.Text switch
        {
            "request" => [RuleStage.RequestHeaders],
            "response" => [RuleStage.ResponseHeaders],
            "both" => [RuleStage.RequestHeaders, RuleStage.ResponseHeaders],
            _ => [RuleStage.WebSocketMessage],
        };
        return stages.Select((x, i) => Rule(node, x, stages.Length > 1 ? $"-{i}" : ""));
    }

    private static RuleNode Rule(RuleNode node, RuleStage stage, string suffix)
    {
        var make = new NodeFactory(node.Location);
        var members = new List<(string, RuleNode)>();
        if (node["id"] is { Kind: NodeKind.Text } id)
        {
            members.Add(("id", make.Text(id.Text + suffix)));
        }

        if (node["name"] is { } name)
        {
            members.Add(("name", name));
        }

        members.Add(("active", node["active"] ?? make.Boolean(true)));
        members.Add(("stage", make.Text(stage.ToString())));
        members.Add(("priority", make.Number(100)));
        members.Add(("termination", make.Text("Stop")));
        members.Add(("filter", Filter(node, make)));
        members.Add(("actions", make.List(make.Typed("Inspect"))));
        return NodeFactory.Root(make.Map(members), node.Path);
    }

    private static RuleNode Filter(RuleNode node, NodeFactory make)
    {
        var pattern = node["url_pattern"]?.Text ?? "";
        var filters = new List<RuleNode>();
        if (pattern.Length > 0)
        {
            filters.Add(make.Typed("Url", make.Matcher(IsRegex(pattern) ? "Regex" : "Contains", pattern)));
        }

        if (node["method"] is { Kind: NodeKind.Text } method)
        {
            filters.Add(make.Typed("Method", make.Matcher("Exact", method.Text)));
        }

        return filters.Count switch { 0 => make.Typed("All"), 1 => filters[0], _ => make.Typed("And", make.List(filters)) };
    }

    private static bool IsRegex(string pattern)
    {
        try
        {
            _ = new Regex(pattern, RegexOptions.NonBacktracking | RegexOptions.CultureInvariant);
            return true;
        }
        catch (Exception fault) when (fault is ArgumentException or NotSupportedException)
        {
            return false;
        }
    }
}
