namespace RelayCore.Rules.Documents;

/// <summary>Whether one filter holds wherever another holds. Says no when it is not certain.</summary>
internal static class FilterCover
{
    /// <summary>Filters that answer differently when they are asked again.</summary>
    private static readonly string[] s_unsteady = ["Probability", "NthMatch", "FirstN", "Tag", "Variable", "TimeWindow", "Expression"];

    /// <summary>Whether a filter answers the same when nothing changes.</summary>
    public static bool IsSteady(RuleNode filter) =>
        !s_unsteady.Contains(filter["type"]?.Text ?? "") && Parts(filter).All(IsSteady);

    /// <summary>Whether <paramref name="wide"/> holds whenever <paramref name="narrow"/> does.</summary>
    public static bool Covers(RuleNode wide, RuleNode narrow) => new Comparison().Covers(wide, narrow, 0);

    private static IReadOnlyList<RuleNode> Parts(RuleNode filter) => filter["type"]?.Text switch
    {
        "And" or "Or" => filter["config"]?.Items ?? [],
        "Not" when filter["config"] is { } part => [part],
        _ => [],
    };

    /// <summary>Whether two values say the same; the order of members means nothing.</summary>
    private static bool Equal(RuleNode? a, RuleNode? b)
    {
        if (a is not { IsNull: false } || b is not { IsNull: false })
        {
            return a is not { IsNull: false } && b is not { IsNull: false };
        }

        return a.Kind == b.Kind && a.Text == b.Text && a.Items.Count == b.Items.Count && a.Members.Count == b.Members.Count
            && a.Items.Zip(b.Items).All(x => Equal(x.First, x.Second))
            && a.Members.All(x => b[x.Name.Text] is { } value && Equal(x.Value, value));
    }

    /// <summary>Whether a matcher holds for every text for which another does: <c>Suffix .example.com</c> for <c>Exact a.example.com</c>.</summary>
    private static bool Matches(RuleNode? wide, RuleNode? narrow)
    {
        if (Matcher(wide) is not var (mode, text, ignoresCase) || Matcher(narrow) is not var (otherMode, other, otherIgnoresCase) || (otherIgnoresCase && !ignoresCase))
        {
            return false;
        }

        var comparison = ignoresCase ? StringComparison.OrdinalIgnoreCase : StringComparison.Ordinal;
        return (mode, otherMode) switch
        {
            ("exact", "exact") => other.Equals(text, comparison),
            ("prefix", "exact" or "prefix") => other.StartsWith(text, comparison),
            ("suffix", "exact" or "suffix") => other.EndsWith(text, comparison),
            ("contains", "exact" or "prefix" or "suffix" or "contains") => other.Contains(text, comparison),
            _ => false,
        };
    }

    private static (string Mode, string Text, bool IgnoresCase)? Matcher(RuleNode? node) =>
        node is { Kind: NodeKind.Map } && node["mode"] is { } mode && node["value"] is { Kind: NodeKind.Text } value && node.Members.All(x => x.Name.Text is "mode" or "value" or "ignore_case")
            ? (mode.Text.ToLowerInvariant(), value.Text, node["ignore_case"]?.Text == "true")
            : null;

    /// <summary>One question. Bounded: at most 2,000 pairs of parts, 8 deep; beyond that the answer is no.</summary>
    private sealed class Comparison
    {
        private const int MaxDepth = 8;
        private const int MaxSteps = 2000;

        private int _steps;

        public bool Covers(RuleNode wide, RuleNode narrow, int depth)
        {
            if (FilterLint.Constant(wide) == true)
            {
                return true;
            }

            // Lists in lists are tried in many orders; what takes longer is not certain.
            if (depth > MaxDepth || ++_steps > MaxSteps)
            {
                return false;
            }

            var (type, other) = (wide["type"]?.Text, narrow["type"]?.Text);
            return (type == other && Equal(wide["config"], narrow["config"]))
                || (type == other && Matches(wide["config"], narrow["config"]))
                || (type == "Not" && other == "Not" && wide["config"] is { } a && narrow["config"] is { } b && Covers(b, a, depth + 1))
                || (other == "Or" && Parts(narrow) is { Count: > 0 } alternatives && alternatives.All(x => Covers(wide, x, depth + 1)))
                || (type == "And" && Parts(wide) is { Count: > 0 } parts && parts.All(x => Covers(x, narrow, depth + 1)))
                || (other == "And" && Parts(narrow).Any(x => Covers(wide, x, depth + 1)))
                || (type == "Or" && Parts(wide).Any(x => Covers(x, narrow, depth + 1)));
        }
    }
}
