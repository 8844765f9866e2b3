using System.Globalization;
using RelayCore.Rules.Catalog;

namespace RelayCore.Rules.Documents;

/// <summary>
/// Finds rules that are right in form and probably wrong: never reached, never matching, contradictory, without effect. What it says is certain as far
/// as the rules tell; what it cannot know it leaves out.
/// </summary>
public static class RuleLint
{
    /// <summary>Looks at rules of one set.</summary>
    /// <param name="rules">The rules in the order of their files.</param>
    /// <param name="problems">Takes the findings, all of them warnings.</param>
    public static void Check(IReadOnlyList<RuleDefinition> rules, RuleProblems problems) => Check(rules, problems, KnownTypes.Catalog);

    internal static void Check(IReadOnlyList<RuleDefinition> rules, RuleProblems problems, KnownTypes types)
    {
        foreach (var rule in rules)
        {
            var own = new RuleProblems();
            if (!rule.IsActive)
            {
                own.Warning(
                    RuleCodes.NoEffect, rule.Node["active"] ?? rule.Node, "the rule is not active", rule.Groups.Count == 0 ? "Write \"active\": true, or remove it." : "It, or a group it is in, is switched off.");
            }

            new FilterLint(types, own).Check(rule.Filter);
            Actions(rule, own);
            foreach (var problem in own.Items)
            {
                problems.Add(problem with { RuleId = rule.Id });
            }
        }

        new ReachLint(types, problems).Check(rules);
    }

    private static void Actions(RuleDefinition rule, RuleProblems problems)
    {
        foreach (var action in rule.Actions)
        {
            if (action["type"]?.Text == "Delay" && action["config"] is { Members: [var (name, value)] } && name.Text == "ms" && IsZero(value))
            {
                problems.Warning(RuleCodes.NoEffect, value, "a delay of 0 ms does nothing", "Give it a time, or remove it.");
            }
        }
    }

    internal static bool IsZero(RuleNode node) => node.Kind == NodeKind.Number && double.TryParse(node.Text, NumberStyles.Float, CultureInfo.InvariantCulture, out var number) && number == 0;
}
