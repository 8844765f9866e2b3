using RelayCore.Rules.Actions;
using RelayCore.Rules.Catalog;
using RelayCore.Rules.Documents;
using RelayCore.Rules.Filters;

namespace RelayCore.Rules.Execution;

/// <summary>Turns definitions into rules. A rule with an error is left out, and all its problems are reported with its id.</summary>
internal sealed class RuleCompiler(
    RuleEnvironment environment, RuleProblems problems, IReadOnlyDictionary<string, FilterType> filters, IReadOnlyDictionary<string, ActionType> actions)
{
    /// <returns>Active rules without errors, priority descending, ties as written.</returns>
    public IReadOnlyList<CompiledRule> Compile(IReadOnlyList<RuleDefinition> definitions)
    {
        var variables = VariablesOf(definitions);
        var rules = new List<CompiledRule>(definitions.Count);
        foreach (var definition in definitions)
        {
            // What does not run is checked all the same: it would otherwise fail the day somebody switches it on.
            if (Compile(definition, variables) is { } rule && definition.IsActive)
            {
                rules.Add(rule);
            }
        }

        return [.. rules.OrderByDescending(x => x.Definition.Priority)]; // stable
    }

    /// <summary>Names that some rule sets: a template may use them although its own rule does not.</summary>
    private static HashSet<string> VariablesOf(IEnumerable<RuleDefinition> definitions)
    {
        var names = new HashSet<string>(StringComparer.Ordinal);
        foreach (var action in definitions.SelectMany(x => x.Actions))
        {
            if (action["type"]?.Text == "SetVariable" && action["config"]?["name"] is { Kind: NodeKind.Text } name)
            {
                names.Add(name.Text);
            }
        }

        return names;
    }

    private CompiledRule? Compile(RuleDefinition definition, HashSet<string> variables)
    {
        var own = new RuleProblems();
        CompileScope scope = null!;
        scope = new(definition, environment, own) { Variables = variables, CompileFilter = node => CompileFilter(node, scope) };
        var filter = CompileFilter(definition.Filter, scope); // before the actions: it names the captures they may use
        if (!RuleStages.Ordered.Contains(definition.Stage))
        {
            own.Error("RULE-204", definition.Node["stage"] ?? definition.Node, $"'{definition.Stage}' is not one stage: a rule runs at exactly one.",
                $"Write one of {string.Join(", ", RuleStages.Ordered)}.");
        }

        var compiled = new List<(string, RuleAction)>(definition.Actions.Count);
        foreach (var node in definition.Actions)
        {
            var type = node["type"]?.Text ?? "";
            if (!actions.TryGetValue(type, out var known))
            {
                Unknown("RULE-202", "action", node, type, actions.Keys, own);
            }
            else if (Guarded(() => known.Compile(new(node["config"], scope)), type, node, own) is { } action)
            {
                compiled.Add((known.Name, action));
            }
        }

        foreach (var problem in own.Items)
        {
            problems.Add(problem with { RuleId = definition.Id });
        }

        return filter is null || own.HasErrors || compiled.Count < definition.Actions.Count ? null : new(definition, filter, compiled) { UsesCaptures = scope.UsesCaptures };
    }

    private Condition? CompileFilter(RuleNode node, CompileScope scope)
    {
        var type = node["type"]?.Text ?? "";
        if (!filters.TryGetValue(type, out var known))
        {
            Unknown("RULE-201", "filter", node, type, filters.Keys, scope.Problems);
            return null;
        }

        return Guarded(() => known.Compile(new(node["config"], scope)), type, node, scope.Problems);
    }

    private static void Unknown(string code, string kind, RuleNode node, string type, IEnumerable<string> names, RuleProblems problems) =>
        problems.Error(code, node["type"] ?? node, $"there is no {kind} '{type}'.",
            names.FirstOrDefault(x => string.Equals(x, type, StringComparison.OrdinalIgnoreCase)) is { } near ? $"Did you mean '{near}'?" : null);

    /// <summary>A config nobody expected costs its rule, not the set; without a report of its own it gets one.</summary>
    private static T? Guarded<T>(Func<T?> compile, string type, RuleNode node, RuleProblems problems)
        where T : class
    {
        var before = problems.HasErrors;
        try
        {
            var made = compile();
            if (made is null && !before && !problems.HasErrors)
            {
                problems.Error("RULE-203", node, $"'{type}' cannot be made from this config.");
            }

            return made;
        }
        catch (Exception e) when (e is not OutOfMemoryException)
        {
            problems.Error("RULE-203", node, $"'{type}' cannot be made from this config: {e.Message}");
            return null;
        }
    }
}
