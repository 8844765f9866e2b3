using System.Globalization;
using System.Text.Json;
using RelayCore.Rules.Catalog;
using RelayCore.Rules.Documents;
using RelayCore.Rules.Execution;

namespace RelayCore.Rules.Actions.Json;

/// <summary>A JSON Patch (RFC 6902), compiled. Applied whole or not at all. Each operation reads the document anew, so at most <see cref="MaxOperations"/>.</summary>
internal sealed class JsonPatch
{
    private const int MaxOperations = 100;

    private readonly List<(string Op, string[] Path, string[] From, JsonValue? Value, string At)> _operations = [];

    private JsonPatch()
    {
    }

    /// <summary>Compiles a list of operations; everything wrong is reported.</summary>
    public static JsonPatch? Compile(RuleNode list, CompileScope scope)
    {
        var patch = new JsonPatch();
        if (list.Kind != NodeKind.List || list.Items.Count is 0 or > MaxOperations)
        {
            scope.Problems.Error("RULE-504", list, $"A JSON Patch is a list of 1 to {MaxOperations} operations (RFC 6902).",
                "Example: [{\"op\": \"replace\", \"path\": \"/user/plan\", \"value\": \"pro\"}].");
            return null;
        }

        var isGood = true;
        foreach (var item in list.Items)
        {
            isGood &= patch.Add(item, scope);
        }

        return isGood ? patch : null;
    }

    /// <summary>Applies it.</summary>
    public JsonEdit Apply(ReadOnlyMemory<byte> text, RuleContext context)
    {
        foreach (var (op, path, from, value, at) in _operations)
        {
            if (!JsonOutline.TryRead(text, out var outline, out var problem))
            {
                return JsonEdit.Not(problem);
            }

            var edit = Apply(outline, op, path, from, value?.Expand(context));
            if (edit.Why is not null)
            {
                return JsonEdit.Not($"the patch was not applied: {op} {at}: {edit.Why}");
            }

            text = edit.Content;
        }

        return new(text, null);
    }

    private bool Add(RuleNode item, CompileScope scope)
    {
        var (op, path, from, value) = (item["op"]?.Text ?? "", item["path"], item["from"], item["value"]);
        if (op is not ("add" or "remove" or "replace" or "move" or "copy" or "test"))
        {
            scope.Problems.Error("RULE-504", item["op"] ?? item, $"'{op}' is not an operation of JSON Patch.", "Use add, remove, replace, move, copy or test.");
            return false;
        }

        var (needsFrom, needsValue) = (op is "move" or "copy", op is "add" or "replace" or "test");
        if (needsValue && value is null || needsFrom && from is null || path is null)
        {
            var missing = path is null ? "path" : needsFrom && from is null ? "from" : "value";
            scope.Problems.Error("RULE-504", item, $"The operation '{op}' needs '{missing}' (RFC 6902 §4).");
            return false;
        }

        if (Pointer(path, scope) is not { } at || Pointer(needsFrom ? from! : path, scope) is not { } source)
        {
            return false;
        }

        if (op == "move" && at.Length > source.Length && at.AsSpan(0, source.Length).SequenceEqual(source))
        {
            scope.Problems.Error("RULE-504", path, "A value cannot be moved into itself (RFC 6902 §4.4).");
            return false;
        }

        var compiled = needsValue ? JsonValue.Compile(value!, scope) : null;
        _operations.Add((op, at, source, compiled, path.Text));
        return !needsValue || compiled is not null;
    }

    // RFC 6901 §3: tokens behind slashes, ~1 for a slash and ~0 for a tilde.
    private static string[]? Pointer(RuleNode node, CompileScope scope)
    {
        if (node.Kind != NodeKind.Text || node.Text.Length > 0 && node.Text[0] != '/')
        {
            scope.Problems.Error("RULE-504", node, $"'{node.Text}' is not a JSON Pointer (RFC 6901): it begins with a slash, or is empty for the whole document.",
                node.Text.StartsWith('$') ? "JSON Patch takes pointers such as /user/plan; paths are for JsonPathSet." : $"Write /{node.Text.Replace('.', '/')}.");
            return null;
        }

        return node.Text.Length == 0 ? [] :
            [.. node.Text[1..].Split('/').Select(x => x.Replace("~1", "/", StringComparison.Ordinal).Replace("~0", "~", StringComparison.Ordinal))];
    }

    private static JsonEdit Apply(JsonOutline outline, string op, string[] path, string[] from, byte[]? value)
    {
        switch (op)
        {
            case "add":
                return Insert(outline, path, value!);
            case "copy":
                return Find(outline, from) is var copied and >= 0 ? Insert(outline, path, outline.Value(copied)) : Missing(from);
            case "move":
                var moved = Find(outline, from);
                if (moved < 0)
                {
                    return Missing(from);
                }

                if (path.AsSpan().SequenceEqual(from))
                {
                    return new(outline.Text, null);
                }

                var kept = outline.Value(moved).ToArray();
                return JsonOutline.TryRead(Remove(outline, from).Content, out var rest, out var problem) ? Insert(rest, path, kept) : JsonEdit.Not(problem);
        }

        var found = Find(outline, path);
        if (found < 0)
        {
            return Missing(path);
        }

        switch (op)
        {
            case "remove":
                return Remove(outline, path);
            case "replace":
                var splice = new JsonSplice(outline);
                splice.Replace(found, value);
                return new(splice.Apply(), null);
            default:
                using (var actual = JsonDocument.Parse(outline.Text[outline[found].Start..outline[found].End], new() { MaxDepth = JsonOutline.MaxDepth }))
                using (var expected = JsonDocument.Parse(value, new() { MaxDepth = JsonOutline.MaxDepth }))
                {
                    return JsonElement.DeepEquals(actual.RootElement, expected.RootElement) ? new(outline.Text, null) : JsonEdit.Not("the value is another one");
                }
        }
    }

    private static JsonEdit Insert(JsonOutline outline, string[] path, ReadOnlySpan<byte> value)
    {
        var splice = new JsonSplice(outline);
        if (path.Length == 0)
        {
            splice.Replace(0, value);
            return new(splice.Apply(), null);
        }

        var parent = Find(outline, path.AsSpan(..^1));
        if (parent < 0)
        {
            return Missing(path[..^1]);
        }

        var (kind, count, name) = (outline[parent].Kind, outline[parent].Count, path[^1]);
        if (kind == JsonTokenType.StartObject)
        {
            if (outline.Member(parent, name) is var existing and >= 0)
            {
                splice.Replace(existing, value);
            }
            else
            {
                splice.Change(parent, static _ => false, [splice.Named(parent, name, value)]);
            }
        }
        else if (kind == JsonTokenType.StartArray)
        {
            var index = name == "-" ? count : Index(name);
            if (index < 0 || index > count)
            {
                return JsonEdit.Not($"'{name}' is no place in an array of {count}");
            }

            splice.InsertItem(parent, index, value);
        }
        else
        {
            return JsonEdit.Not($"/{string.Join('/', path[..^1])} is {JsonEdits.Describe(kind)}, which holds nothing");
        }

        return new(splice.Apply(), null);
    }

    private static JsonEdit Remove(JsonOutline outline, string[] path)
    {
        var splice = new JsonSplice(outline);
        if (path.Length == 0)
        {
            splice.Replace(0, "null"u8);
            return new(splice.Apply(), null);
        }

        var (parent, name) = (Find(outline, path.AsSpan(..^1)), path[^1]);
        var item = outline[parent].Kind == JsonTokenType.StartArray ? outline.ItemAt(parent, Index(name)) : -1;
        splice.Change(parent, x => item >= 0 ? x == item : outline.IsNamed(x, name), []);
        return new(splice.Apply(), null);
    }

    private static int Find(JsonOutline outline, ReadOnlySpan<string> path)
    {
        var at = 0;
        foreach (var name in path)
        {
            at = outline[at].Kind switch
            {
                JsonTokenType.StartObject => outline.Member(at, name),
                JsonTokenType.StartArray when Index(name) is var index and >= 0 => outline.ItemAt(at, index),
                _ => -1,
            };
            if (at < 0)
            {
                break;
            }
        }

        return at;
    }

    // RFC 6901 §4: no sign, no leading zero.
    private static int Index(string text) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var index) && (text.Length == 1 || text[0] != '0') ? index : -1;

    private static JsonEdit Missing(string[] path) => JsonEdit.Not(path.Length == 0 ? "there is no document" : $"there is no /{string.Join('/', path)}");
}
