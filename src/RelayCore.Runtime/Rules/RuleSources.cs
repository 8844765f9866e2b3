using RelayCore.Rules.Documents;

namespace RelayCore.Runtime.Rules;

/// <summary>Where some rules come from. Immutable.</summary>
/// <param name="Name">The file as given, <c>command line</c>, or <c>API</c>.</param>
/// <param name="Kind">What it is.</param>
/// <param name="Rules">Its rules.</param>
internal sealed record RuleSource(string Name, RuleSourceKind Kind, IReadOnlyList<RuleDefinition> Rules)
{
    /// <summary>Name of the rules set at run time.</summary>
    public const string Api = "API";

    /// <summary>Files read for it.</summary>
    public IReadOnlyList<string> Files { get; init; } = [];

    /// <summary>Folders in which patterns of includes looked for files.</summary>
    public IReadOnlyList<string> Folders { get; init; } = [];
}

/// <summary>Kinds of sources.</summary>
internal enum RuleSourceKind
{
    /// <summary>A rule file; changed by editing it.</summary>
    File,

    /// <summary>The command line, or the program; not changed.</summary>
    Text,

    /// <summary>Set at run time.</summary>
    Api,
}

/// <summary>Rules of several sources as one list.</summary>
internal static class RuleSources
{
    /// <summary>All rules in the order of their sources. A later rule takes the place of an earlier one of the same id.</summary>
    public static List<(RuleDefinition Rule, RuleSource Source)> Merge(IEnumerable<RuleSource> sources, RuleProblems problems)
    {
        var merged = new List<(RuleDefinition Rule, RuleSource Source)>();
        var places = new Dictionary<string, int>(StringComparer.Ordinal);
        foreach (var source in sources)
        {
            foreach (var rule in source.Rules)
            {
                if (places.TryGetValue(rule.Id, out var place))
                {
                    problems.Add(new(
                        ProblemSeverity.Warning, RuleLibrary.DuplicateId, rule.Node.Location, rule.Node.Path,
                        $"The rule '{rule.Id}' of {source.Name} takes the place of the one at {merged[place].Rule.Node.Location}.")
                    {
                        RuleId = rule.Id,
                        Suggestion = "Give one of them another id if both are meant.",
                    });
                    merged[place] = (rule, source);
                }
                else
                {
                    places[rule.Id] = merged.Count;
                    merged.Add((rule, source));
                }
            }
        }

        return merged;
    }

    /// <summary>Replaces rules by their ids, in their places; new ones come last.</summary>
    public static List<RuleDefinition> Upsert(IReadOnlyList<RuleDefinition> present, IReadOnlyList<RuleDefinition> rules)
    {
        var result = new List<RuleDefinition>(present);
        foreach (var rule in rules)
        {
            var place = result.FindIndex(x => x.Id == rule.Id);
            if (place >= 0)
            {
                result[place] = rule;
            }
            else
            {
                result.Add(rule);
            }
        }

        return result;
    }
}
