using RelayCore.Rules.Catalog;

namespace RelayCore.Rules.Documents;

/// <summary>Looks at one filter: what can never hold, what always holds, what contradicts itself.</summary>
internal sealed class FilterLint(KnownTypes types, RuleProblems problems)
{
    /// <summary>Filters on a thing of which a message has just one, so that two values exclude each other.</summary>
    private static readonly string[] s_single = ["Url", "Host", "Path", "Method", "Scheme", "StatusCode", "DstPort", "Port", "Protocol", "HttpVersion", "Sni", "TransparentMode"];

    /// <summary>Whose texts compare without case whatever the rule says.</summary>
    private static readonly string[] s_caseless = ["Host", "Scheme", "Sni", "Protocol", "HttpVersion"];

    public void Check(RuleNode filter)
    {
        if (filter["type"] is not { } name || !types.Filters.TryGetValue(name.Text, out var type))
        {
            return;
        }

        var children = StageInference.Children(filter, type).ToList();
        switch (type.Name)
        {
            case "And":
                Contradictions(filter);
                break;
            case "Or" when children.Count == 0:
                problems.Warning(RuleCodes.NeverMatches, filter, "`Or` of nothing never matches", "Put filters into it, or use {\"type\": \"All\"}.");
                break;
            case "Or" when children.Find(x => Constant(x) == true) is { } always:
                problems.Warning(RuleCodes.AlwaysMatches, always, $"`Or` with `{FilterText.Of(always)}` always matches; its other parts mean nothing", "Remove that part, or use {\"type\": \"All\"} alone.");
                break;
            case "Not" when children.Count == 1 && Constant(children[0]) == true:
                problems.Warning(RuleCodes.NeverMatches, filter, $"`Not` of `{FilterText.Of(children[0])}` never matches", "Remove the rule, or negate something that can be false.");
                break;
            case "Probability" when Constant(filter) == false:
                problems.Warning(RuleCodes.NoEffect, filter, "with a probability of 0 the rule never runs", "Give it a probability above 0, or write \"active\": false.");
                break;
        }

        foreach (var (matcher, isValue) in Matchers(filter, type))
        {
            Matcher(matcher, isValue);
        }

        foreach (var child in children)
        {
            Check(child);
        }
    }

    /// <summary>Whether a filter is always true or always false; <see langword="null"/> when it depends.</summary>
    public static bool? Constant(RuleNode filter)
    {
        var config = filter["config"];
        switch (filter["type"]?.Text)
        {
            case "All":
                return true;
            case "Not" when config is { Kind: NodeKind.Map }:
                return !Constant(config);
            case "And" when config is { Kind: NodeKind.List }:
                var all = config.Items.Select(Constant).ToList();
                return all.Contains(false) ? false : all.TrueForAll(x => x == true) ? true : null;
            case "Or" when config is { Kind: NodeKind.List }:
                var any = config.Items.Select(Constant).ToList();
                return any.Contains(true) ? true : any.TrueForAll(x => x == false) ? false : null;
            case "Probability" when config is { Kind: NodeKind.Number }:
                return RuleLint.IsZero(config) ? false : null;
            default:
                return null;
        }
    }

    /// <summary>The one value a filter demands, with what it is a value of; <see langword="null"/> when it allows several.</summary>
    private static (string Type, string Value)? Exact(RuleNode filter)
    {
        var (type, config) = (filter["type"]?.Text ?? "", filter["config"]);
        if (!s_single.Contains(type) || config is null)
        {
            return null;
        }

        if (config.Kind == NodeKind.Map)
        {
            if (!string.Equals(config["mode"]?.Text, "Exact", StringComparison.OrdinalIgnoreCase) || config["value"] is not { } value)
            {
                return null;
            }

            return (type, config["ignore_case"]?.Text == "true" || s_caseless.Contains(type) ? value.Text.ToLowerInvariant() : value.Text);
        }

        return config.Kind is NodeKind.Text or NodeKind.Number or NodeKind.Boolean ? (type, s_caseless.Contains(type) ? config.Text.ToLowerInvariant() : config.Text) : null;
    }

    private void Contradictions(RuleNode and)
    {
        var parts = Flatten(and).ToList();
        var exact = new Dictionary<string, (string Value, RuleNode Node)>(StringComparer.Ordinal);
        var texts = new Dictionary<string, RuleNode>(StringComparer.Ordinal);
        foreach (var part in parts)
        {
            texts.TryAdd(NodeText.Json(part), part);
            if (Exact(part) is not var (type, value))
            {
                continue;
            }

            if (!exact.TryGetValue(type, out var other))
            {
                exact.Add(type, (value, part));
            }
            else if (!string.Equals(other.Value, value, StringComparison.OrdinalIgnoreCase))
            {
                problems.Warning(
                    RuleCodes.Contradiction, part, $"`{FilterText.Of(part)}` contradicts `{FilterText.Of(other.Node)}` at {other.Node.Location}: both can never hold",
                    "For one of several values use Or.");
            }
        }

        foreach (var part in parts)
        {
            if (part["type"]?.Text == "Not" && part["config"] is { } denied && texts.TryGetValue(NodeText.Json(denied), out var said))
            {
                problems.Warning(RuleCodes.Contradiction, part, $"`{FilterText.Of(part)}` contradicts `{FilterText.Of(said)}` at {said.Location}", "Remove one of the two.");
            }
        }
    }

    private static IEnumerable<RuleNode> Flatten(RuleNode and) =>
        (and["config"]?.Items ?? []).SelectMany(x => x["type"]?.Text == "And" ? Flatten(x) : [x]);

    /// <summary>Matchers of a filter, and whether each is all that the filter looks at.</summary>
    private static IEnumerable<(RuleNode Matcher, bool IsValue)> Matchers(RuleNode filter, FilterType type)
    {
        var config = filter["config"];
        return config is null ? []
            : type.Config.Value is { Kind: PropertyKind.Matcher } ? [(config, true)]
            : type.Config.Properties.Where(x => x.Kind == PropertyKind.Matcher).Select(x => config[x.Name]).OfType<RuleNode>().Select(x => (x, false));
    }

    private void Matcher(RuleNode matcher, bool isValue)
    {
        if (matcher is not { Kind: NodeKind.Map } || matcher["mode"] is not { } mode || matcher["value"] is not { Kind: NodeKind.Text } value)
        {
            return;
        }

        if (value.Text.Length == 0)
        {
            if (!mode.Text.Equals("Exact", StringComparison.OrdinalIgnoreCase) && !mode.Text.Equals("Glob", StringComparison.OrdinalIgnoreCase))
            {
                problems.Warning(
                    RuleCodes.AlwaysMatches, value, $"every text matches {mode.Text} of nothing",
                    isValue ? "Give it a text, or use {\"type\": \"All\"}." : "Give it a text; null asks only whether the field is there.");
            }
        }
        else if (mode.Text.Equals("Regex", StringComparison.OrdinalIgnoreCase))
        {
            if (RegexLint.NeverMatches(value.Text) is { } why)
            {
                problems.Warning(RuleCodes.NeverMatches, value, $"the regex can never match: {why}", "Escape $ and ^ with a backslash when the characters themselves are meant.");
            }
            else if (RegexLint.HasEmptyAlternative(value.Text))
            {
                problems.Warning(RuleCodes.AlwaysMatches, value, "the regex has an empty alternative, which matches every text", "Remove the | at the begin, at the end, or one of ||.");
            }
        }
    }
}
