using System.Globalization;
using RelayCore.Rules.Catalog;

namespace RelayCore.Rules.Documents;

/// <summary>Finds rules that an earlier rule of the stage leaves nothing: it ends the stage, or has set the same tag.</summary>
internal sealed class ReachLint(KnownTypes types, RuleProblems problems)
{
    /// <summary>Most pairs of rules compared. Breach: the rest is not looked at, which is said.</summary>
    private const int MaxPairs = 500_000;

    /// <summary>Actions after which a message is as it was, so that a filter asked again says the same.</summary>
    private static readonly string[] s_harmless = ["Drop", "Abort", "Delay", "Throttle", "Tag", "SetVariable", "Mark", "Comment", "RateLimit", "Redirect", "MockResponse", "MockSequence", "MapLocal"];

    /// <summary>Actions that end the stage only sometimes, whatever their type says.</summary>
    private static readonly string[] s_uncertain = ["RateLimit", "MockSequence", "MapLocal", "Cors", "Inspect", "CallScript"];

    private int _pairs;

    public void Check(IReadOnlyList<RuleDefinition> rules)
    {
        foreach (var stage in rules.Where(x => x.IsActive).GroupBy(x => x.Stage))
        {
            // As they run: priority first, then as written.
            Stage([.. stage.OrderByDescending(x => x.Priority)]);
        }
    }

    private void Stage(List<RuleDefinition> rules)
    {
        // Rules in front that end the stage or tag, and how many rules that edit messages stand in front of each rule.
        var ending = new List<(RuleDefinition Rule, int Edits, string How)>();
        var tagging = new Dictionary<string, List<(RuleDefinition Rule, int Edits)>>(StringComparer.Ordinal);
        var edits = 0;
        foreach (var rule in rules)
        {
            if (!Reached(rule, ending, edits))
            {
                Tags(rule, tagging, edits);
            }

            edits += rule.Actions.Any(x => !s_harmless.Contains(x["type"]?.Text ?? "")) ? 1 : 0;
            if (FilterCover.IsSteady(rule.Filter) && How(rule) is { } how)
            {
                ending.Add((rule, edits, how));
            }

            if (_pairs > MaxPairs)
            {
                problems.Warning(RuleCodes.Bound, rule.Node, string.Create(CultureInfo.InvariantCulture, $"{MaxPairs} pairs of rules were compared; whether the rules from here on can be reached was not looked at"));
                return;
            }
        }
    }

    /// <returns>Whether it was reported.</returns>
    private bool Reached(RuleDefinition rule, List<(RuleDefinition Rule, int Edits, string How)> ending, int edits)
    {
        foreach (var (earlier, before, how) in ending)
        {
            _pairs++;
            if ((before == edits || FilterLint.Constant(earlier.Filter) == true) && FilterCover.Covers(earlier.Filter, rule.Filter))
            {
                problems.Add(new(
                    ProblemSeverity.Warning, RuleCodes.Unreachable, rule.Node.Location, rule.Node.Path,
                    $"the rule is never reached at {rule.Stage}: `{earlier.Id}` at {earlier.Node.Location} {how} and its filter `{FilterText.Of(earlier.Filter)}` holds whenever this one's does")
                {
                    RuleId = rule.Id,
                    Suggestion = "Give this rule a higher priority, or narrow the filter of that one.",
                });
                return true;
            }
        }

        return false;
    }

    private string? How(RuleDefinition rule)
    {
        if (rule.Stops)
        {
            return "stops the stage";
        }

        var end = rule.Actions.FirstOrDefault(x => x["type"] is { } name && types.Actions.TryGetValue(name.Text, out var type) && type.IsTerminal && !s_uncertain.Contains(type.Name));
        return end is null ? null : $"ends the stage with `{end["type"]!.Text}`";
    }

    private void Tags(RuleDefinition rule, Dictionary<string, List<(RuleDefinition Rule, int Edits)>> tagging, int edits)
    {
        foreach (var action in rule.Actions)
        {
            if (action["type"]?.Text != "Tag" || action["config"] is not { } config)
            {
                continue;
            }

            var text = $"{config["key"]?.Text}:{config["value"]?.Text}";
            if (text.Contains("{{", StringComparison.Ordinal))
            {
                continue;
            }

            var earlier = tagging.GetValueOrDefault(text) ?? [];
            foreach (var (other, before) in earlier)
            {
                _pairs++;
                if (other.Id != rule.Id && (before == edits || FilterLint.Constant(other.Filter) == true) && FilterCover.Covers(other.Filter, rule.Filter))
                {
                    problems.Add(new(
                        ProblemSeverity.Warning, RuleCodes.NoEffect, action.Location, action.Path,
                        $"the tag `{text}` is set already: by `{other.Id}` at {other.Node.Location}, whose filter holds whenever this one's does")
                    {
                        RuleId = rule.Id,
                        Suggestion = "Remove this action.",
                    });
                    break;
                }
            }

            if (FilterCover.IsSteady(rule.Filter))
            {
                earlier.Add((rule, edits + (rule.Actions.Any(x => !s_harmless.Contains(x["type"]?.Text ?? "")) ? 1 : 0)));
                tagging[text] = earlier;
            }
        }
    }
}
