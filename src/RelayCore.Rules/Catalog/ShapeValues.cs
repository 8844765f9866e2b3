namespace RelayCore.Rules.Catalog;

/// <summary>What every config has in common.</summary>
internal static class ShapeValues
{
    /// <summary>Modes of a matcher.</summary>
    public static IReadOnlyList<string> MatcherModes { get; } = ["Exact", "Contains", "Prefix", "Suffix", "Regex", "Glob"];

    /// <summary>A matcher written out.</summary>
    public static Shape Matcher { get; } = Shape.Of(
        new Property("mode", PropertyKind.Choice, "How the texts are compared.") { IsRequired = true, Values = MatcherModes },
        new Property("value", PropertyKind.Text, "What is looked for.") { IsRequired = true },
        new Property("ignore_case", PropertyKind.Boolean, "Whether A and a are the same.") { Default = "false" });

    /// <summary>A body source written out.</summary>
    public static Shape BodySource { get; } = Shape.Of(
        new Property("type", PropertyKind.Choice, "Text: the value itself. File: its path, from the folder of the rule file. Base64: octets.") { IsRequired = true, Values = ["Text", "File", "Base64"] },
        new Property("value", PropertyKind.Template, "The text, the path, or the Base64.") { IsRequired = true });

    /// <summary>Names of the stages.</summary>
    public static IReadOnlyList<string> Stages { get; } = [.. RuleStages.Ordered.Select(x => x.ToString())];

    /// <summary>Lists stages in the order of a flow.</summary>
    public static string Names(RuleStage stages)
    {
        var names = RuleStages.Ordered.Where(x => (stages & x) != 0).ToList();
        return names.Count == RuleStages.Ordered.Count ? "all stages" : names.Count == 0 ? "no stage" : string.Join(", ", names);
    }
}
