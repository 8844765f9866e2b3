using System.Text.Json;
using RelayCore.Rules.Catalog;

namespace RelayCore.Rules.Documents;

/// <summary>Writes the parts of the JSON Schema. What a type takes is chosen by <c>if type then config</c>: editors tell the one thing that is wrong.</summary>
internal sealed partial class SchemaWriter(Utf8JsonWriter writer, KnownTypes types)
{
    public void Document()
    {
        writer.WriteStartObject();
        Say("$schema", "https://json-schema.org/draft/2020-12/schema");
        Say("title", "RelayCore rules");
        Say("description", "A rule, a list of rules, or a mapping with rules, groups, include and tests.");
        Begin("if");
        Say("type", "array");
        End();
        Begin("then");
        Begin("items");
        Reference("entry");
        End();
        End();
        Begin("else");
        Reference("entry");
        End();
        Begin("$defs");
        Entry();
        Rule();
        Container();
        Test();
        Breakpoint();
        Typed("filter", "When the rule applies.", types.Filters.Values.Select(x => (x.Name, x.Summary, x.Stages, x.Config, x.Example)).ToList());
        Typed("action", "What the rule does.", types.Actions.Values.Select(x => (x.Name, x.Summary, x.Stages, x.Config, x.Example)).ToList());
        Matcher();
        BodySource();
        Fields();
        End();
        writer.WriteEndObject();
    }

    /// <summary>What the root and an item of a list may be, told apart by a member only that form has.</summary>
    private void Entry()
    {
        Begin("entry");
        Say("type", "object");
        Begin("if");
        AnyRequired("url_pattern", "phase");
        End();
        Begin("then");
        Reference("breakpoint");
        End();
        Begin("else");
        Begin("if");
        AnyRequired("rules", "groups", "include", "tests");
        End();
        Begin("then");
        Reference("container");
        End();
        Begin("else");
        Reference("rule");
        End();
        End();
        End();
    }

    private void Rule()
    {
        Begin("rule");
        Say("type", "object");
        Say("description", "When something on the wire matches the filter, the actions are done in order.");
        Strings("required", ["filter", "actions"]);
        Begin("properties");
        Simple("$schema", "string", "Where this schema is.");
        Simple("id", "string", "Unique; made from the content when absent. A later rule with the same id replaces the earlier.");
        Simple("name", "string", "For people; the filter's text when absent.");
        Simple("active", "boolean", "Whether it runs.", "true");
        Begin("stage");
        Say("description", "Where it runs; when absent the earliest stage that suits filter and actions.");
        Strings("enum", ShapeValues.Stages);
        End();
        Begin("priority");
        Say("type", "integer");
        Say("description", "Higher runs first; equal ones in the order of the file.");
        Number("minimum", int.MinValue);
        Number("maximum", int.MaxValue);
        Raw("default", "0");
        End();
        Begin("termination");
        Say("description", "Stop: no rule behind it runs at this stage when it matched.");
        Strings("enum", ["Continue", "Stop"]);
        Raw("default", "\"Continue\"");
        End();
        Begin("filter");
        Reference("filter");
        End();
        Begin("actions");
        Say("type", "array");
        Begin("items");
        Reference("action");
        End();
        End();
        Begin("constraints");
        Strings("type", ["object", "null"]);
        Raw("default", "null");
        Begin("properties");
        Begin("timeout_ms");
        Say("type", "integer");
        Say("description", "Bound of all actions together, in milliseconds.");
        Number("minimum", 1);
        Number("maximum", 3_600_000);
        End();
        End();
        Closed();
        End();
        Begin("hits");
        Say("description", "What the API shows; ignored when read.");
        End();
        Begin("last_hit_ms");
        End();
        Begin("source");
        End();
        End();
        Closed();
        Stages();
        End();
    }

    /// <summary>Which types a stage has, so that an editor offers only those.</summary>
    private void Stages()
    {
        writer.WriteStartArray("allOf");
        foreach (var stage in RuleStages.Ordered)
        {
            writer.WriteStartObject();
            Begin("if");
            Strings("required", ["stage"]);
            Begin("properties");
            Begin("stage");
            Say("const", stage.ToString());
            End();
            End();
            End();
            Begin("then");
            Begin("properties");
            Begin("filter");
            TypeIn(types.Filters.Values.Where(x => (x.Stages & stage) != 0).Select(x => x.Name));
            End();
            Begin("actions");
            Begin("items");
            TypeIn(types.Actions.Values.Where(x => (x.Stages & stage) != 0).Select(x => x.Name));
            End();
            End();
            End();
            End();
            writer.WriteEndObject();
        }

        writer.WriteEndArray();
    }

    private void TypeIn(IEnumerable<string> names)
    {
        Begin("properties");
        Begin("type");
        Strings("enum", names);
        End();
        End();
    }

    private void Container()
    {
        Begin("container");
        Say("type", "object");
        Say("description", "A rule file, or a group of rules: when a group is not active, none of its rules is.");
        Begin("properties");
        Simple("$schema", "string", "Where this schema is.");
        Simple("id", "string", "Id of the group.");
        Simple("name", "string", "Name of the group.");
        Simple("active", "boolean", "Whether its rules run.", "true");
        foreach (var name in (string[])["rules", "groups"])
        {
            Begin(name);
            Strings("type", ["array", "null"]);
            Begin("items");
            Reference("entry");
            End();
            End();
        }

        Begin("include");
        Say("description", "Files, from the folder of this one; patterns may have *, ? and **.");
        Strings("type", ["string", "array"]);
        Begin("items");
        Say("type", "string");
        End();
        End();
        Begin("tests");
        Strings("type", ["array", "null"]);
        Begin("items");
        Reference("test");
        End();
        End();
        End();
        Begin("patternProperties");
        writer.WriteBoolean("^x-", true);
        End();
        Closed();
        End();
    }

    private void Test()
    {
        Begin("test");
        Say("type", "object");
        Say("description", "A message and what the rules must do with it; `rules check` runs it.");
        Strings("required", ["given", "expect"]);
        Begin("properties");
        Simple("name", "string", "For people.");
        Simple("given", "object", "The exchange.");
        Simple("expect", "object", "What must come of it.");
        End();
        End();
    }

    private void Breakpoint()
    {
        Begin("breakpoint");
        Say("type", "object");
        Say("description", "The old form of breakpoints; write a rule with the action Inspect instead.");
        writer.WriteBoolean("deprecated", true);
        Strings("required", ["phase"]);
        Begin("properties");
        Simple("id", "string", "Id.");
        Simple("name", "string", "Name.");
        Simple("active", "boolean", "Whether it pauses.", "true");
        Simple("url_pattern", "string", "Regex, or a part of the URL.");
        Begin("method");
        Strings("type", ["string", "null"]);
        End();
        Begin("phase");
        Strings("enum", ["request", "response", "both", "ws_message"]);
        End();
        End();
        Closed();
        End();
    }

    private void Typed(string what, string summary, List<(string Name, string Summary, RuleStage Stages, Shape Config, string? Example)> known)
    {
        Begin(what);
        Say("type", "object");
        Say("description", summary);
        Strings("required", ["type"]);
        Begin("properties");
        Begin("type");
        Strings("enum", known.Select(x => x.Name));
        End();
        writer.WriteBoolean("config", true);
        End();
        Closed();
        writer.WriteStartArray("allOf");
        foreach (var type in known)
        {
            writer.WriteStartObject();
            Begin("if");
            Strings("required", ["type"]);
            Begin("properties");
            Begin("type");
            Say("const", type.Name);
            End();
            End();
            End();
            Begin("then");
            Reference($"{what}_{type.Name}");
            End();
            writer.WriteEndObject();
        }

        writer.WriteEndArray();
        End();
        foreach (var (name, text, stages, config, example) in known)
        {
            Begin($"{what}_{name}");
            Say("title", name);
            Say("description", $"{text} Stages: {ShapeValues.Names(stages)}.");
            if (config.Value is { IsRequired: true, MayBeNull: false } || config.Properties.Any(x => x.IsRequired))
            {
                Strings("required", ["config"]);
            }

            if (example is not null)
            {
                writer.WriteStartArray("examples");
                writer.WriteStartObject();
                Say("type", name);
                Raw("config", example);
                writer.WriteEndObject();
                writer.WriteEndArray();
            }

            Begin("properties");
            Begin("config");
            Config(config);
            End();
            End();
            End();
        }
    }

    private void Config(Shape shape)
    {
        if (shape.Value is { } value)
        {
            Property(value);
        }
        else if (shape.Properties.Count == 0)
        {
            Say("description", "None.");
            Strings("type", ["object", "null"]);
            Number("maxProperties", 0);
        }
        else
        {
            // A config of optional members may be null as a whole, which is the same as none.
            Object(shape, orNull: !shape.Properties.Any(x => x.IsRequired));
        }
    }

    private void Object(Shape shape, bool orNull)
    {
        Type("object", orNull);
        var required = shape.Properties.Where(x => x.IsRequired).Select(x => x.Name).ToList();
        if (required.Count > 0)
        {
            Strings("required", required);
        }

        Begin("properties");
        foreach (var property in shape.Properties)
        {
            Begin(property.Name);
            Property(property);
            End();
        }

        End();
        Closed();
    }

    private void Property(Property property)
    {
        Say("description", property.Summary);
        if (property.Default is not null)
        {
            Raw("default", property.Default);
        }

        var orNull = property.MayBeNull || !property.IsRequired;
        switch (property.Kind)
        {
            case PropertyKind.Text or PropertyKind.Template:
                Type("string", orNull);
                break;
            case PropertyKind.Integer or PropertyKind.Number:
                Type(property.Kind == PropertyKind.Integer ? "integer" : "number", orNull);
                Number("minimum", property.Min);
                Number("maximum", property.Max);
                break;
            case PropertyKind.Boolean:
                Type("boolean", orNull);
                break;
            case PropertyKind.Choice:
                Choice(property.Values, orNull);
                break;
            case PropertyKind.Matcher:
                ReferenceOr("matcher", orNull);
                break;
            case PropertyKind.Filter:
                ReferenceOr("filter", orNull);
                break;
            case PropertyKind.BodySource:
                ReferenceOr("body_source", orNull);
                break;
            case PropertyKind.Fields:
                ReferenceOr("fields", orNull);
                break;
            case PropertyKind.List:
                Type("array", orNull);
                if (property.Items is { } items)
                {
                    Begin("items");
                    Property(items with { IsRequired = true });
                    End();
                }

                break;
            case PropertyKind.Object:
                Object(property.Shape ?? Shape.None, orNull);
                break;
        }
    }

    private void Matcher()
    {
        Begin("matcher");
        Say("description", "How texts are compared: {mode, value, ignore_case}; a plain text must be equal.");
        Strings("type", ["string", "object"]);
        Begin("properties");
        foreach (var property in ShapeValues.Matcher.Properties)
        {
            Begin(property.Name);
            Property(property);
            End();
        }

        End();
        Strings("required", ["mode", "value"]);
        Closed();
        End();
    }

    private void BodySource()
    {
        Begin("body_source");
        Say("description", "A body: {type, value}; a plain text is the body itself.");
        Strings("type", ["string", "object"]);
        Begin("properties");
        foreach (var property in ShapeValues.BodySource.Properties)
        {
            Begin(property.Name);
            Property(property);
            End();
        }

        End();
        Strings("required", ["type", "value"]);
        Closed();
        End();
    }

    private void Fields()
    {
        Begin("fields");
        Say("description", "Field lines: a mapping of names to values, or a list of [name, value] where names repeat.");
        Strings("type", ["object", "array"]);
        Begin("additionalProperties");
        Strings("type", ["string", "number"]);
        End();
        Begin("items");
        Say("type", "array");
        writer.WriteStartArray("prefixItems");
        foreach (var kinds in (string[][])[["string"], ["string", "number"]])
        {
            writer.WriteStartObject();
            Strings("type", kinds);
            writer.WriteEndObject();
        }

        writer.WriteEndArray();
        Number("minItems", 2);
        Number("maxItems", 2);
        End();
        End();
    }

    /// <summary>Offers the choices as they are written here, and takes them in any case, as the reader does.</summary>
    private void Choice(IReadOnlyList<string> values, bool orNull)
    {
        writer.WriteStartArray("anyOf");
        writer.WriteStartObject();
        Strings("enum", values);
        writer.WriteEndObject();
        writer.WriteStartObject();
        Say("type", "string");
        Say("pattern", $"^(?:{string.Join('|', values.Select(AnyCase))})$");
        writer.WriteEndObject();
        if (orNull)
        {
            writer.WriteStartObject();
            Say("type", "null");
            writer.WriteEndObject();
        }

        writer.WriteEndArray();
    }

    private static string AnyCase(string text) => string.Concat(text.Select(x => char.IsAsciiLetter(x) ? $"[{char.ToUpperInvariant(x)}{char.ToLowerInvariant(x)}]"
        : @".^$*+?()[]{}|\/".Contains(x, StringComparison.Ordinal) ? $"\\{x}" : $"{x}"));
}
