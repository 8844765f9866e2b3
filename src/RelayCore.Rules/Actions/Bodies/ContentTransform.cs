using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using RelayCore.Rules.Actions.Json;
using RelayCore.Rules.Catalog;
using RelayCore.Rules.Documents;
using RelayCore.Rules.Execution;
using RelayCore.Rules.Templates;

namespace RelayCore.Rules.Actions.Bodies;

/// <summary>What became of content.</summary>
/// <param name="Outcome"><see cref="ActionOutcome.Done"/>, or why not.</param>
/// <param name="Content">The new content when done.</param>
/// <param name="Detail">One line for the trace.</param>
internal readonly record struct ContentEdit(ActionOutcome Outcome, ReadOnlyMemory<byte> Content, string? Detail)
{
    public static ContentEdit Done(ReadOnlyMemory<byte> content, string? detail = null) => new(ActionOutcome.Done, content, detail);

    public static ContentEdit NoEffect(string why) => new(ActionOutcome.NoEffect, default, why);

    public static ContentEdit Failed(string why) => new(ActionOutcome.Failed, default, why);

    public static ContentEdit Of(JsonEdit edit) => edit.Why is null ? Done(edit.Content) : NoEffect(edit.Why);
}

/// <summary>An edit of whole content, of a body or a message. Immutable.</summary>
internal abstract class ContentTransform
{
    /// <summary>Names of the transforms.</summary>
    public static IReadOnlyList<string> Types { get; } = ["RegexReplace", "Replace", "JsonPathSet", "JsonPathDelete", "JsonPatch", "JsonMerge"];

    /// <summary>The property <c>transform</c>.</summary>
    public static Property Property { get; } = new("transform", PropertyKind.Object,
        "The edit: RegexReplace {pattern, replacement, ignore_case}, Replace {find, replacement}, JsonPathSet {path, value}, JsonPathDelete {path}, JsonPatch {patch}, JsonMerge {merge}.")
    {
        IsRequired = true,
        Shape = Shape.Of(
            new Property("type", PropertyKind.Choice, "Which edit.") { IsRequired = true, Values = Types },
            new Property("config", PropertyKind.Object, "What it needs.")
            {
                IsRequired = true,
                Shape = Shape.Of(
                    new Property("pattern", PropertyKind.Text, "RegexReplace: a linear-time regex."),
                    new Property("find", PropertyKind.Template, "Replace: the text to be found, exactly."),
                    new Property("replacement", PropertyKind.Template, "RegexReplace, Replace: what takes its place; $1 and ${name} are groups of the regex."),
                    new Property("ignore_case", PropertyKind.Boolean, "RegexReplace: whether case does not matter.") { Default = "false" },
                    new Property("path", PropertyKind.Template, "JsonPathSet, JsonPathDelete: $.a.b[0]['c'], with .* and [*], [-1], and [-] behind the end."),
                    new Property("value", PropertyKind.Any, "JsonPathSet: a value; a string is read as JSON when it is JSON."),
                    new Property("patch", PropertyKind.Any, "JsonPatch: a list of operations (RFC 6902)."),
                    new Property("merge", PropertyKind.Any, "JsonMerge: an object to be merged (RFC 7396).")),
            }),
    };

    /// <summary>Edits content.</summary>
    /// <param name="content">Without content coding.</param>
    /// <param name="contentType">Value of its Content-Type, if any.</param>
    /// <param name="context">The flow, for variables.</param>
    public abstract ContentEdit Apply(ReadOnlyMemory<byte> content, string? contentType, RuleContext context);

    /// <summary>Compiles <c>{type, config}</c>.</summary>
    /// <returns><see langword="null"/> for what was reported.</returns>
    public static ContentTransform? Compile(ConfigReader transform)
    {
        var (type, config) = (transform.Text("type"), transform.Object("config"));
        var (needs, allows) = Members(type);
        var isGood = true;
        foreach (var name in needs.Where(x => config[x] is null))
        {
            transform.Error("RULE-500", "config", $"{type} needs '{name}' in its config.");
            isGood = false;
        }

        foreach (var (name, _) in config.Node.Kind == NodeKind.Map ? config.Node.Members : [])
        {
            if (!needs.Contains(name.Text) && !allows.Contains(name.Text))
            {
                config.Error("RULE-500", name.Text, $"{type} has no '{name.Text}'.", $"It has {string.Join(", ", [.. needs, .. allows])}.");
                isGood = false;
            }
        }

        return !isGood ? null : type.ToUpperInvariant() switch
        {
            "REGEXREPLACE" => RegexReplace.From(config),
            "REPLACE" => LiteralReplace.From(config),
            "JSONPATHSET" => JsonPathEdit.From(config, isDelete: false),
            "JSONPATHDELETE" => JsonPathEdit.From(config, isDelete: true),
            "JSONPATCH" => JsonPatch.Compile(config["patch"]!, config.Scope) is { } patch ? new PatchTransform(patch) : null,
            "JSONMERGE" => MergeTransform.From(config),
            _ => null,
        };
    }

    private static (string[] Needs, string[] Allows) Members(string type) => type.ToUpperInvariant() switch
    {
        "REGEXREPLACE" => (["pattern", "replacement"], ["ignore_case"]),
        "REPLACE" => (["find", "replacement"], []),
        "JSONPATHSET" => (["path", "value"], []),
        "JSONPATHDELETE" => (["path"], []),
        "JSONPATCH" => (["patch"], []),
        "JSONMERGE" => (["merge"], []),
        _ => ([], []),
    };

    private protected static string Times(int count) => string.Create(CultureInfo.InvariantCulture, $"{count} replaced");
}

/// <summary>Replaces what a regex matches.</summary>
internal sealed class RegexReplace(Regex regex, ReplacementText replacement) : ContentTransform
{
    public static RegexReplace? From(ConfigReader config) =>
        ContentRegex.Compile(config, "pattern") is { } regex && ReplacementText.Compile(config["replacement"]!, regex, config.Scope) is { } replacement
            ? new(regex, replacement) : null;

    public override ContentEdit Apply(ReadOnlyMemory<byte> content, string? contentType, RuleContext context)
    {
        var text = ContentText.Read(content, contentType);
        if (!regex.IsMatch(text.Text))
        {
            return ContentEdit.NoEffect("the pattern does not match");
        }

        var (parts, count) = (replacement.Expand(context), 0);
        var builder = new StringBuilder();
        var edited = regex.Replace(text.Text, match =>
        {
            count++;
            builder.Clear();
            foreach (var (literal, group) in parts)
            {
                builder.Append(literal ?? match.Groups[group].ValueSpan);
            }

            return builder.ToString();
        });
        return text.TryWrite(edited, out var octets, out var problem) ? ContentEdit.Done(octets, Times(count)) : ContentEdit.Failed(problem);
    }
}

/// <summary>Replaces a text.</summary>
internal sealed class LiteralReplace(Template find, Template replacement) : ContentTransform
{
    public static LiteralReplace? From(ConfigReader config)
    {
        if (config.Text("find").Length == 0)
        {
            config.Error("RULE-500", "find", "The text to be found is empty.");
            return null;
        }

        return new(config.Template("find"), config.Template("replacement"));
    }

    public override ContentEdit Apply(ReadOnlyMemory<byte> content, string? contentType, RuleContext context)
    {
        var (text, from, to) = (ContentText.Read(content, contentType), find.Expand(context), replacement.Expand(context));
        var count = from.Length == 0 ? 0 : text.Text.AsSpan().Count(from);
        if (count == 0)
        {
            return ContentEdit.NoEffect("the text does not occur");
        }

        return text.TryWrite(text.Text.Replace(from, to, StringComparison.Ordinal), out var octets, out var problem)
            ? ContentEdit.Done(octets, Times(count)) : ContentEdit.Failed(problem);
    }
}

/// <summary>Sets or deletes by a path.</summary>
internal sealed class JsonPathEdit(Template path, JsonStep[]? steps, JsonValue? value) : ContentTransform
{
    public static JsonPathEdit? From(ConfigReader config, bool isDelete)
    {
        var path = config.Template("path");
        JsonStep[]? steps = null;
        if (path.IsConstant && !JsonPathSteps.TryParse(config.Text("path"), out steps, out var problem))
        {
            config.Error("RULE-503", "path", $"The path cannot be used for an edit: {problem}.", "Example: $.user.items[0]['first name'].");
            return null;
        }

        if (isDelete)
        {
            return new(path, steps, null);
        }

        return JsonValue.CompileLoose(config["value"]!, config.Scope) is { } value ? new(path, steps, value) : null;
    }

    public override ContentEdit Apply(ReadOnlyMemory<byte> content, string? contentType, RuleContext context)
    {
        var at = steps;
        if (at is null && !JsonPathSteps.TryParse(path.Expand(context), out at, out var problem))
        {
            return ContentEdit.Failed(problem);
        }

        return ContentEdit.Of(value is null ? JsonEdits.Delete(content, at) : JsonEdits.Set(content, at, value.Expand(context)));
    }
}

/// <summary>Applies a JSON Patch.</summary>
internal sealed class PatchTransform(JsonPatch patch) : ContentTransform
{
    public override ContentEdit Apply(ReadOnlyMemory<byte> content, string? contentType, RuleContext context) => ContentEdit.Of(patch.Apply(content, context));
}

/// <summary>Merges an object.</summary>
internal sealed class MergeTransform(JsonValue merge) : ContentTransform
{
    public static MergeTransform? From(ConfigReader config)
    {
        if (config["merge"]!.Kind != NodeKind.Map)
        {
            config.Error("RULE-504", "merge", "A JSON Merge Patch here is an object (RFC 7396); anything else would replace the whole document.", "To replace it use SetResponseBody or SetRequestBody.");
            return null;
        }

        return JsonValue.Compile(config["merge"]!, config.Scope) is { } merge ? new(merge) : null;
    }

    public override ContentEdit Apply(ReadOnlyMemory<byte> content, string? contentType, RuleContext context)
    {
        using var patch = JsonDocument.Parse(merge.Expand(context), new() { MaxDepth = JsonOutline.MaxDepth });
        return ContentEdit.Of(JsonEdits.Merge(content, patch.RootElement));
    }
}
