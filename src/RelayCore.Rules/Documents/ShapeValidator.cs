using System.Globalization;
using RelayCore.Rules.Catalog;

namespace RelayCore.Rules.Documents;

/// <summary>Checks filters and actions against the shapes of their types: everything wrong is reported, each with place, reason and what is valid.</summary>
internal sealed class ShapeValidator(KnownTypes types, RuleProblems problems)
{
    /// <summary>Checks a filter and those in it.</summary>
    /// <param name="node">Value at the place of a filter.</param>
    /// <param name="stage">Stage of the rule; none: stages are not checked.</param>
    public void Filter(RuleNode node, RuleStage stage)
    {
        if (Type(node, "filter", types.Filters.Keys, RuleCodes.UnknownFilter) is not { } name)
        {
            return;
        }

        var type = types.Filters[name.Text];
        var stages = StageInference.Stages(node, type);
        if (stage != RuleStage.None && (stages & stage) == 0)
        {
            problems.Error(
                RuleCodes.FilterStage, name, $"the filter `{type.Name}` cannot be used at {stage}, where what it looks at is not known",
                $"It is allowed at: {ShapeValues.Names(stages)}.");
        }

        Config(node, type.Name, type.Config, type.Example, stage);
    }

    /// <summary>Checks an action and the filters in it.</summary>
    public void Action(RuleNode node, RuleStage stage)
    {
        if (Type(node, "action", types.Actions.Keys, RuleCodes.UnknownAction) is not { } name)
        {
            return;
        }

        var type = types.Actions[name.Text];
        if (stage != RuleStage.None && (type.Stages & stage) == 0)
        {
            problems.Error(RuleCodes.ActionStage, name, $"the action `{type.Name}` cannot be done at {stage}", $"It is allowed at: {ShapeValues.Names(type.Stages)}.");
        }

        Config(node, type.Name, type.Config, type.Example, stage);
    }

    /// <summary>Checks a value against a shape.</summary>
    public void Shape(Shape shape, RuleNode node, RuleStage stage, string? owner = null)
    {
        if (shape.Value is { } single)
        {
            Value(single, node, stage);
            return;
        }

        if (node.Kind != NodeKind.Map)
        {
            Kind(node, "a mapping", Outline(shape));
            return;
        }

        foreach (var (name, value) in node.Members)
        {
            if (shape.Properties.FirstOrDefault(x => x.Name == name.Text) is { } property)
            {
                Value(property, value, stage);
            }
            else
            {
                problems.Error(
                    RuleCodes.UnknownMember, name, $"{(owner is null ? "this mapping" : $"`{owner}`")} has no `{name.Text}`",
                    shape.Properties.Count == 0 ? "It takes no config." : NearestName.Hint(name.Text, shape.Properties.Select(x => x.Name)) ?? Outline(shape));
            }
        }

        foreach (var property in shape.Properties)
        {
            if (property.IsRequired && node[property.Name] is null)
            {
                problems.Error(RuleCodes.MissingMember, node, $"`{property.Name}` is missing{(owner is null ? "" : $" in `{owner}`")}: {Lower(property.Summary)}", Outline(shape));
            }
        }
    }

    /// <summary>Name node of a type, when the value is a mapping with a known one; reports what is wrong otherwise.</summary>
    private RuleNode? Type(RuleNode node, string what, IEnumerable<string> known, string unknownCode)
    {
        if (node.Kind != NodeKind.Map)
        {
            var meant = node.Kind == NodeKind.Text ? NearestName.Find(node.Text, known) : null;
            Kind(node, $"{(what == "action" ? "an" : "a")} {what}", $"Write {{\"type\": \"{meant ?? "…"}\", \"config\": …}}.");
            return null;
        }

        if (node["type"] is not { } type)
        {
            var meant = node.Members is [var (only, _)] ? NearestName.Find(only.Text, known) : null;
            problems.Error(
                RuleCodes.MissingMember, node, $"`type` is missing: every {what} is {{\"type\": …, \"config\": …}}",
                meant is null ? null : $"Write {{\"type\": \"{meant}\", \"config\": …}}.");
            return null;
        }

        if (type.Kind != NodeKind.Text)
        {
            Kind(type, "the name of a type", null);
            return null;
        }

        if (!known.Contains(type.Text))
        {
            var other = unknownCode == RuleCodes.UnknownFilter ? types.Actions.ContainsKey(type.Text) : types.Filters.ContainsKey(type.Text);
            problems.Error(
                unknownCode, type, $"there is no {what} `{type.Text}`",
                other ? $"`{type.Text}` is {(what == "filter" ? "an action" : "a filter")}; it belongs elsewhere." : NearestName.Hint(type.Text, known) ?? $"docs/rules lists every {what}.");
            return null;
        }

        return type;
    }

    private void Config(RuleNode node, string name, Shape shape, string? example, RuleStage stage)
    {
        var known = shape.Properties.Select(x => x.Name).ToList();
        var beside = false;
        foreach (var (member, _) in node.Members)
        {
            if (member.Text is "type" or "config")
            {
                continue;
            }

            // The commonest mistake: fields written beside the type instead of into its config.
            var belongs = known.Contains(member.Text) || member.Text == "value";
            beside |= belongs;
            problems.Error(
                belongs ? RuleCodes.BesideConfig : RuleCodes.UnknownMember, member,
                belongs ? $"`{member.Text}` stands beside `type`; it belongs into `config`" : $"`{name}` has `type` and `config` only, not `{member.Text}`",
                belongs ? $"Write {{\"type\": \"{name}\", \"config\": {example ?? Outline(shape)}}}." : NearestName.Hint(member.Text, ["type", "config", .. known]));
        }

        var config = node["config"];
        if (shape.Value is null && shape.Properties.Count == 0)
        {
            if (config is { IsNull: false } and not { Kind: NodeKind.Map, Members.Count: 0 })
            {
                problems.Error(RuleCodes.UnknownMember, config, $"`{name}` takes no config", "Remove it.");
            }
        }
        else if (config is { IsNull: false } || (config is not null && shape.Value is { MayBeNull: true }))
        {
            Shape(shape, config, stage, name);
        }
        else if (!beside && (shape.Value is { IsRequired: true } || shape.Properties.Any(x => x.IsRequired)))
        {
            problems.Error(RuleCodes.MissingMember, config ?? node, $"`{name}` needs a `config`", $"Write {{\"type\": \"{name}\", \"config\": {example ?? Outline(shape)}}}.");
        }
    }

    private void Value(Property property, RuleNode node, RuleStage stage)
    {
        if (node.IsNull)
        {
            // null for what may be left out is the same as leaving it out.
            if (!property.MayBeNull && property.IsRequired && property.Kind != PropertyKind.Any)
            {
                problems.Error(RuleCodes.WrongKind, node, $"`{property.Name}` may not be null: {Lower(property.Summary)}");
            }

            return;
        }

        switch (property.Kind)
        {
            case PropertyKind.Text or PropertyKind.Template:
                Is(node, NodeKind.Text, "a text");
                break;
            case PropertyKind.Integer or PropertyKind.Number:
                Number(property, node);
                break;
            case PropertyKind.Boolean:
                Is(node, NodeKind.Boolean, "true or false");
                break;
            case PropertyKind.Choice:
                Choice(property, node);
                break;
            case PropertyKind.Matcher when node.Kind != NodeKind.Text:
                Written(ShapeValues.Matcher, node, stage, "a matcher", "Write {\"mode\": \"Contains\", \"value\": \"…\"}, or a plain text that must be equal.");
                break;
            case PropertyKind.BodySource when node.Kind != NodeKind.Text:
                Written(ShapeValues.BodySource, node, stage, "a body", "Write {\"type\": \"Text\", \"value\": \"…\"}, or a plain text.");
                break;
            case PropertyKind.Filter:
                Filter(node, stage);
                break;
            case PropertyKind.Fields:
                Fields(node);
                break;
            case PropertyKind.List:
                Items(property, node, stage);
                break;
            case PropertyKind.Object:
                Shape(property.Shape ?? Catalog.Shape.None, node, stage, property.Name);
                break;
        }
    }

    private void Items(Property property, RuleNode node, RuleStage stage)
    {
        if (!Is(node, NodeKind.List, "a list"))
        {
            return;
        }

        foreach (var item in node.Items)
        {
            if (item.IsNull && property.Items is { MayBeNull: false, Kind: not PropertyKind.Any })
            {
                problems.Error(RuleCodes.WrongKind, item, $"an item of `{property.Name}` may not be null");
            }
            else if (property.Items is not null)
            {
                Value(property.Items, item, stage);
            }
        }

        if (property is { IsRequired: true, Min: >= 1 } && node.Items.Count < property.Min)
        {
            problems.Error(RuleCodes.OutOfRange, node, $"`{property.Name}` needs at least {Text(property.Min.Value)} item{(property.Min == 1 ? "" : "s")}");
        }
    }

    private void Written(Shape shape, RuleNode node, RuleStage stage, string what, string suggestion)
    {
        if (node.Kind != NodeKind.Map)
        {
            Kind(node, what, suggestion);
            return;
        }

        Shape(shape, node, stage, what);
    }

    private void Number(Property property, RuleNode node)
    {
        var integer = property.Kind == PropertyKind.Integer;
        if (node.Kind != NodeKind.Number)
        {
            Kind(node, integer ? "an integer" : "a number", node.Kind == NodeKind.Text && double.TryParse(node.Text, CultureInfo.InvariantCulture, out _) ? "Write it without quotes." : null);
            return;
        }

        var isInteger = long.TryParse(node.Text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var whole);
        var number = isInteger ? whole : double.TryParse(node.Text, NumberStyles.Float, CultureInfo.InvariantCulture, out var parsed) ? parsed : double.NaN;
        if ((integer && !isInteger) || !double.IsFinite(number))
        {
            problems.Error(
                double.IsFinite(number) && Math.Abs(number) < long.MaxValue ? RuleCodes.WrongKind : RuleCodes.OutOfRange, node,
                $"`{property.Name}` is {(integer ? "an integer" : "a number")}, not {node.Text}", integer ? "Write digits only: no fraction, no exponent." : null);
        }
        else if (number < property.Min || number > property.Max)
        {
            problems.Error(RuleCodes.OutOfRange, node, $"`{property.Name}` is {node.Text}, {Range(property)}: {Lower(property.Summary)}");
        }
    }

    private static string Range(Property property) => (property.Min, property.Max) switch
    {
        ({ } min, { } max) => $"not within {Text(min)} to {Text(max)}",
        ({ } min, null) => $"less than {Text(min)}",
        _ => $"more than {Text(property.Max!.Value)}",
    };

    private void Choice(Property property, RuleNode node)
    {
        if (Is(node, NodeKind.Text, $"one of {string.Join(", ", property.Values)}") && !property.Values.Contains(node.Text, StringComparer.OrdinalIgnoreCase))
        {
            problems.Error(
                RuleCodes.NotAChoice, node, $"`{node.Text}` is not one of {string.Join(", ", property.Values)}",
                NearestName.Find(node.Text, property.Values) is { } nearest ? $"Did you mean `{nearest}`?" : null);
        }
    }

    private void Fields(RuleNode node)
    {
        const string Pairs = "Write {\"Name\": \"value\"}, or [[\"Name\", \"value\"], …] where names repeat.";
        if (node.Kind is not (NodeKind.Map or NodeKind.List))
        {
            Kind(node, "a mapping of names to texts", Pairs);
            return;
        }

        foreach (var (_, value) in node.Members)
        {
            FieldValue(value);
        }

        foreach (var item in node.Items)
        {
            if (item is { Kind: NodeKind.List, Items: [{ Kind: NodeKind.Text }, var value] })
            {
                FieldValue(value);
            }
            else
            {
                problems.Error(RuleCodes.WrongKind, item, "a pair of name and value was expected here", Pairs);
            }
        }
    }

    /// <summary>A number is taken as written: <c>Retry-After: 5</c> leaves no doubt.</summary>
    private void FieldValue(RuleNode value)
    {
        if (value.Kind != NodeKind.Number)
        {
            Is(value, NodeKind.Text, "a text");
        }
    }

    private bool Is(RuleNode node, NodeKind kind, string expected)
    {
        if (node.Kind == kind)
        {
            return true;
        }

        var scalar = node.Kind is NodeKind.Number or NodeKind.Boolean;
        Kind(node, expected,
            kind == NodeKind.Text && scalar ? $"Write it in quotes: \"{node.Text}\"."
            : kind == NodeKind.Boolean && node.Kind == NodeKind.Text ? "Write true or false without quotes."
            : kind == NodeKind.List ? "Put it into [ ]."
            : null);
        return false;
    }

    private void Kind(RuleNode node, string expected, string? suggestion) =>
        problems.Error(RuleCodes.WrongKind, node, $"{expected} was expected here, not {RuleReader.Describe(node)}", suggestion);

    private static string Outline(Shape shape) =>
        shape.Value is { } value ? Sample(value)
        : shape.Properties.Count == 0 ? "{}"
        : "{" + string.Join(", ", shape.Properties.Select(x => x.IsRequired ? $"\"{x.Name}\": {Sample(x)}" : $"\"{x.Name}\"?")) + "}";

    private static string Sample(Property property) => property.Kind switch
    {
        PropertyKind.Integer or PropertyKind.Number => property.Min is { } min ? Text(min) : "1",
        PropertyKind.Boolean => "true",
        PropertyKind.Choice => $"\"{string.Join('|', property.Values)}\"",
        PropertyKind.Matcher => "{\"mode\": …, \"value\": …}",
        PropertyKind.Filter => "{\"type\": …, \"config\": …}",
        PropertyKind.List => "[…]",
        PropertyKind.Object or PropertyKind.Fields => "{…}",
        _ => "\"…\"",
    };

    private static string Text(double number) => number.ToString("R", CultureInfo.InvariantCulture);

    private static string Lower(string sentence) => sentence.Length == 0 ? "" : char.ToLowerInvariant(sentence[0]) + sentence[1..].TrimEnd('.');
}
