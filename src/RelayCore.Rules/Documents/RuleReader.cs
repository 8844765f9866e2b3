using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using RelayCore.Rules.Catalog;

namespace RelayCore.Rules.Documents;

/// <summary>Makes the definition of one rule: checks its form, fills in what a bare rule leaves out.</summary>
internal sealed class RuleReader(KnownTypes types, RuleProblems problems)
{
    private const int MaxId = 200;

    /// <summary>Members of a rule, in the order they are written.</summary>
    public static IReadOnlyList<string> Members { get; } = ["id", "name", "active", "stage", "priority", "termination", "filter", "actions", "constraints"];

    /// <summary>What the API adds when it shows rules; ignored, so that what it shows can be sent back.</summary>
    private static readonly string[] s_shown = ["hits", "last_hit_ms", "source"];

    private bool _failed;

    /// <summary>Reads a rule.</summary>
    /// <returns><see langword="null"/> when its form is wrong, which is reported.</returns>
    public static RuleDefinition? Read(RuleNode node, KnownTypes types, RuleProblems problems)
    {
        // Gathered apart, so that each says which rule it is about and a rule without errors is told from one with.
        var own = new RuleProblems();
        var rule = new RuleReader(types, own).Rule(node);
        var id = rule?.Id ?? (node["id"] is { Kind: NodeKind.Text, Text.Length: > 0 } written ? written.Text : null);
        foreach (var problem in own.Items)
        {
            problems.Add(problem with { RuleId = id });
        }

        return own.HasErrors ? null : rule;
    }

    /// <summary>What a node is, for messages.</summary>
    public static string Describe(RuleNode node) => node.Kind switch
    {
        NodeKind.Null => "null",
        NodeKind.Boolean => $"the boolean {node.Text}",
        NodeKind.Number => $"the number {node.Text}",
        NodeKind.Text => $"the text \"{(node.Text.Length <= 40 ? node.Text : string.Concat(node.Text.AsSpan(0, 40), "…"))}\"",
        NodeKind.List => "a list",
        _ => "a mapping",
    };

    private RuleDefinition? Rule(RuleNode node)
    {
        foreach (var (name, _) in node.Members)
        {
            if (!Members.Contains(name.Text) && !s_shown.Contains(name.Text) && name.Text != "$schema")
            {
                var isType = types.Filters.ContainsKey(name.Text) || types.Actions.ContainsKey(name.Text);
                Error(
                    RuleCodes.UnknownMember, name, $"a rule has no `{name.Text}`",
                    isType ? $"Write {{\"type\": \"{name.Text}\", \"config\": …}} as `filter` or in `actions`." : NearestName.Hint(name.Text, Members) ?? $"It has {string.Join(", ", Members)}.");
            }
        }

        var filter = node["filter"];
        if (filter is null)
        {
            Error(RuleCodes.MissingMember, node, "`filter` is missing: it says when the rule applies", "For every message write \"filter\": {\"type\": \"All\"}.");
        }

        var actions = Actions(node);
        var stage = Stage(node);
        if (stage == RuleStage.None && !_failed && filter is { Kind: NodeKind.Map } && actions is not null)
        {
            stage = StageInference.Infer(node, filter, actions, types, problems);
        }

        var validator = new ShapeValidator(types, problems);
        if (filter is not null)
        {
            validator.Filter(filter, stage);
        }

        foreach (var action in actions ?? [])
        {
            validator.Action(action, stage);
        }

        return filter is null || actions is null || stage == RuleStage.None ? Rest(node) : Definition(node, filter, actions, stage);
    }

    private RuleDefinition Definition(RuleNode node, RuleNode filter, IReadOnlyList<RuleNode> actions, RuleStage stage) =>
        new(Text(node, "id", MaxId) ?? GeneratedId(node), Text(node, "name", int.MaxValue) ?? FilterText.Of(filter), stage, filter, actions, node)
        {
            IsActive = Boolean(node, "active", true),
            Priority = (int)Integer(node["priority"], "priority", int.MinValue, int.MaxValue, 0),
            Stops = Stops(node),
            Timeout = Timeout(node),
        };

    /// <summary>Checks the rest of a rule that cannot be made, so that all of its problems are told.</summary>
    private RuleDefinition? Rest(RuleNode node)
    {
        _ = Definition(node, node, [], RuleStage.None);
        return null;
    }

    private RuleStage Stage(RuleNode node)
    {
        if (node["stage"] is not { IsNull: false } stage)
        {
            return RuleStage.None;
        }

        var written = stage.Text.Replace("_", "", StringComparison.Ordinal);
        foreach (var known in RuleStages.Ordered)
        {
            if (stage.Kind == NodeKind.Text && known.ToString().Equals(written, StringComparison.OrdinalIgnoreCase))
            {
                return known;
            }
        }

        Error(
            RuleCodes.NotAChoice, stage, stage.Kind == NodeKind.Text ? $"there is no stage `{stage.Text}`" : $"the name of a stage was expected here, not {Describe(stage)}",
            NearestName.Find(stage.Text, ShapeValues.Stages) is { } nearest ? $"Did you mean `{nearest}`?" : $"Stages: {ShapeValues.Names(RuleStage.All & ~RuleStage.Completed)}, Completed; or leave it out.");
        return RuleStage.None;
    }

    private IReadOnlyList<RuleNode>? Actions(RuleNode node)
    {
        switch (node["actions"])
        {
            case null:
                Error(RuleCodes.MissingMember, node, "`actions` is missing: it says what the rule does", "Write \"actions\": [{\"type\": …, \"config\": …}].");
                return null;
            case { Kind: NodeKind.List } list:
                if (list.Items.Count == 0)
                {
                    problems.Warning(RuleCodes.NoActions, list, "the rule does nothing: its `actions` are empty", "Add an action, for example {\"type\": \"Tag\", \"config\": {\"key\": \"seen\", \"value\": \"1\"}}.");
                }

                return list.Items;
            case var other:
                Error(
                    RuleCodes.WrongKind, other, $"`actions` is a list, not {Describe(other)}",
                    "Each action is {\"type\": …, \"config\": …}; write \"actions\": [{\"type\": \"Delay\", \"config\": {\"ms\": 250}}].");
                return null;
        }
    }

    private bool Stops(RuleNode node)
    {
        if (node["termination"] is not { IsNull: false } termination)
        {
            return false;
        }

        if (termination.Kind == NodeKind.Text && termination.Text.Equals("Stop", StringComparison.OrdinalIgnoreCase))
        {
            return true;
        }

        if (termination.Kind != NodeKind.Text || !termination.Text.Equals("Continue", StringComparison.OrdinalIgnoreCase))
        {
            Error(RuleCodes.NotAChoice, termination, "`termination` is Continue or Stop", NearestName.Find(termination.Text, ["Continue", "Stop"]) is { } nearest ? $"Did you mean `{nearest}`?" : null);
        }

        return false;
    }

    private TimeSpan? Timeout(RuleNode node)
    {
        if (node["constraints"] is not { IsNull: false } constraints)
        {
            return null;
        }

        if (constraints.Kind != NodeKind.Map)
        {
            Error(RuleCodes.WrongKind, constraints, $"`constraints` is a mapping or null, not {Describe(constraints)}", "Write {\"timeout_ms\": 1000}.");
            return null;
        }

        foreach (var (name, _) in constraints.Members)
        {
            if (name.Text != "timeout_ms")
            {
                Error(RuleCodes.UnknownMember, name, $"`constraints` has no `{name.Text}`", NearestName.Hint(name.Text, ["timeout_ms"]));
            }
        }

        var timeout = Integer(constraints["timeout_ms"], "timeout_ms", 1, 3_600_000, 0);
        return timeout == 0 ? null : TimeSpan.FromMilliseconds(timeout);
    }

    private string? Text(RuleNode node, string name, int max)
    {
        switch (node[name])
        {
            case null or { IsNull: true }:
                return null;
            case { Kind: not NodeKind.Text } other:
                Error(RuleCodes.WrongKind, other, $"`{name}` is a text, not {Describe(other)}", other.Kind is NodeKind.Number or NodeKind.Boolean ? $"Write it in quotes: \"{other.Text}\"." : null);
                return null;
            case { Text.Length: 0 } empty when name == "id":
                Error(RuleCodes.OutOfRange, empty, "`id` may not be empty", "Leave it out to have one made.");
                return null;
            case var text when text.Text.Length > max:
                Error(RuleCodes.OutOfRange, text, string.Create(CultureInfo.InvariantCulture, $"`{name}` has {text.Text.Length} characters; {max} are allowed"));
                return null;
            case var text:
                return text.Text;
        }
    }

    private bool Boolean(RuleNode node, string name, bool otherwise)
    {
        if (node[name] is not { IsNull: false } value)
        {
            return otherwise;
        }

        if (value.Kind != NodeKind.Boolean)
        {
            Error(RuleCodes.WrongKind, value, $"`{name}` is true or false, not {Describe(value)}");
        }

        return value.Text == "true";
    }

    private long Integer(RuleNode? value, string name, long min, long max, long otherwise)
    {
        if (value is not { IsNull: false })
        {
            return otherwise;
        }

        if (value.Kind != NodeKind.Number)
        {
            Error(RuleCodes.WrongKind, value, $"`{name}` is an integer, not {Describe(value)}");
            return otherwise;
        }

        if (!long.TryParse(value.Text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var number) || number < min || number > max)
        {
            Error(RuleCodes.OutOfRange, value, string.Create(CultureInfo.InvariantCulture, $"`{name}` is an integer from {min} to {max}, not {value.Text}"));
            return otherwise;
        }

        return number;
    }

    /// <summary>The same for the same content, wherever it stands: counters and breakpoints of a rule survive edits of others.</summary>
    private static string GeneratedId(RuleNode node) => "rule-" + Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(NodeText.Json(node)))).AsSpan(0, 12).ToString();

    private void Error(string code, RuleNode at, string message, string? suggestion = null)
    {
        _failed |= code is RuleCodes.NotAChoice or RuleCodes.MissingMember;
        problems.Error(code, at, message, suggestion);
    }
}
