using System.Text.Json;

namespace RelayCore.Rules.Actions.Json;

/// <summary>An edited text, or why there is none.</summary>
/// <param name="Content">The text; meaningful without <paramref name="Why"/>.</param>
/// <param name="Why">Why nothing was done, one line.</param>
internal readonly record struct JsonEdit(ReadOnlyMemory<byte> Content, string? Why)
{
    public static JsonEdit Not(string why) => new(default, why);
}

/// <summary>Sets, deletes and merges values of a JSON text. Pure: text in, text out.</summary>
internal static class JsonEdits
{
    /// <summary>
    /// Sets what a path names, in all places when it has wildcards. A member that is missing is made, with the objects and arrays the rest of the
    /// path needs; an item only behind the last one.
    /// </summary>
    public static JsonEdit Set(ReadOnlyMemory<byte> text, ReadOnlySpan<JsonStep> path, ReadOnlySpan<byte> value)
    {
        if (!JsonOutline.TryRead(text, out var outline, out var problem))
        {
            return JsonEdit.Not(problem);
        }

        var splice = new JsonSplice(outline);
        string? why = null;
        Set(outline, splice, 0, path, value, ref why);
        return splice.IsEmpty ? JsonEdit.Not(why ?? "the path names nothing") : new(splice.Apply(), null);
    }

    /// <summary>Deletes what a path names; of a repeated member every one.</summary>
    public static JsonEdit Delete(ReadOnlyMemory<byte> text, ReadOnlySpan<JsonStep> path)
    {
        if (!JsonOutline.TryRead(text, out var outline, out var problem))
        {
            return JsonEdit.Not(problem);
        }

        var splice = new JsonSplice(outline);
        Delete(outline, splice, 0, path);
        return splice.IsEmpty ? JsonEdit.Not("the path names nothing that is there") : new(splice.Apply(), null);
    }

    /// <summary>Merges an object into a text (RFC 7396): members of the patch replace, <c>null</c> deletes.</summary>
    public static JsonEdit Merge(ReadOnlyMemory<byte> text, JsonElement patch)
    {
        if (!JsonOutline.TryRead(text, out var outline, out var problem))
        {
            return JsonEdit.Not(problem);
        }

        var splice = new JsonSplice(outline);
        Merge(outline, splice, 0, patch);
        return splice.IsEmpty ? JsonEdit.Not("the document has all of it already") : new(splice.Apply(), null);
    }

    private static void Set(JsonOutline outline, JsonSplice splice, int at, ReadOnlySpan<JsonStep> path, ReadOnlySpan<byte> value, ref string? why)
    {
        if (path.IsEmpty)
        {
            splice.Replace(at, value);
            return;
        }

        var (step, place) = (path[0], outline[at]);
        var rest = path[1..];
        switch (step.Kind)
        {
            case JsonStepKind.Wildcard:
                for (var i = place.FirstChild; i >= 0; i = outline[i].Next)
                {
                    Set(outline, splice, i, rest, value, ref why);
                }

                why ??= place.Count == 0 ? "there is nothing for the wildcard" : null;
                break;
            case JsonStepKind.Name when place.Kind != JsonTokenType.StartObject:
                why ??= $"there is no object to have '{step.Name}': it is {Describe(place.Kind)}";
                break;
            case JsonStepKind.Name when outline.Member(at, step.Name) is var member and >= 0:
                Set(outline, splice, member, rest, value, ref why);
                break;
            case JsonStepKind.Name:
                if (Build(rest, value, ref why) is { } made)
                {
                    splice.Change(at, static _ => false, [splice.Named(at, step.Name, made)]);
                }

                break;
            case JsonStepKind.Index or JsonStepKind.Append when place.Kind != JsonTokenType.StartArray:
                why ??= $"there is no array to have an item: it is {Describe(place.Kind)}";
                break;
            case JsonStepKind.Index when outline.ItemAt(at, step.Index) is var item and >= 0:
                Set(outline, splice, item, rest, value, ref why);
                break;
            case JsonStepKind.Index when step.Index != place.Count:
                why ??= $"[{step.Index}] is outside of an array of {place.Count}";
                break;
            default:
                if (Build(rest, value, ref why) is { } appended)
                {
                    splice.InsertItem(at, place.Count, appended);
                }

                break;
        }
    }

    // What is missing along a path, around the value.
    private static byte[]? Build(ReadOnlySpan<JsonStep> path, ReadOnlySpan<byte> value, ref string? why)
    {
        if (path.IsEmpty)
        {
            return value.ToArray();
        }

        if (Build(path[1..], value, ref why) is not { } inner)
        {
            return null;
        }

        switch (path[0])
        {
            case { Kind: JsonStepKind.Name, Name: var name }:
                return [(byte)'{', .. JsonValue.Quote(name), (byte)':', .. inner, (byte)'}'];
            case { Kind: JsonStepKind.Append } or { Kind: JsonStepKind.Index, Index: 0 }:
                return [(byte)'[', .. inner, (byte)']'];
            default:
                why ??= "what is missing cannot be made: the path has a wildcard or an index other than 0 behind it";
                return null;
        }
    }

    private static void Delete(JsonOutline outline, JsonSplice splice, int at, ReadOnlySpan<JsonStep> path)
    {
        if (path.IsEmpty)
        {
            // The whole document: what remains is the JSON for nothing.
            splice.Replace(at, "null"u8);
            return;
        }

        var (step, place) = (path[0], outline[at]);
        var rest = path[1..];
        var isObject = place.Kind == JsonTokenType.StartObject;
        var item = step.Kind == JsonStepKind.Index && place.Kind == JsonTokenType.StartArray ? outline.ItemAt(at, step.Index) : -1;
        bool Takes(int child) => step.Kind switch
        {
            JsonStepKind.Wildcard => true,
            JsonStepKind.Name => isObject && outline.IsNamed(child, step.Name),
            _ => child == item,
        };
        if (!rest.IsEmpty)
        {
            for (var i = place.FirstChild; i >= 0; i = outline[i].Next)
            {
                if (Takes(i))
                {
                    Delete(outline, splice, i, rest);
                }
            }

            return;
        }

        splice.Change(at, Takes, []);
    }

    private static void Merge(JsonOutline outline, JsonSplice splice, int at, JsonElement patch)
    {
        if (patch.ValueKind != JsonValueKind.Object || outline[at].Kind != JsonTokenType.StartObject)
        {
            splice.Replace(at, WithoutNulls(patch));
            return;
        }

        var removed = new HashSet<int>();
        var added = new List<byte[]>();
        foreach (var member in patch.EnumerateObject())
        {
            var existing = outline.Member(at, member.Name);
            if (member.Value.ValueKind == JsonValueKind.Null)
            {
                for (var i = outline[at].FirstChild; existing >= 0 && i >= 0; i = outline[i].Next)
                {
                    if (outline.IsNamed(i, member.Name))
                    {
                        removed.Add(i);
                    }
                }
            }
            else if (existing >= 0)
            {
                Merge(outline, splice, existing, member.Value);
            }
            else
            {
                added.Add(splice.Named(at, member.Name, WithoutNulls(member.Value)));
            }
        }

        if (removed.Count > 0 || added.Count > 0)
        {
            splice.Change(at, removed.Contains, added);
        }
    }

    // RFC 7396 §2: a patch that meets no object is merged into an empty one, where deletions have nothing to delete.
    private static byte[] WithoutNulls(JsonElement patch)
    {
        if (patch.ValueKind != JsonValueKind.Object)
        {
            return System.Text.Encoding.UTF8.GetBytes(patch.GetRawText());
        }

        var members = new List<byte>("{"u8.ToArray());
        foreach (var member in patch.EnumerateObject().Where(x => x.Value.ValueKind != JsonValueKind.Null))
        {
            members.AddRange(members.Count > 1 ? ","u8 : []);
            members.AddRange(JsonValue.Quote(member.Name));
            members.AddRange(":"u8);
            members.AddRange(WithoutNulls(member.Value));
        }

        return [.. members, (byte)'}'];
    }

    internal static string Describe(JsonTokenType kind) => kind switch
    {
        JsonTokenType.StartObject => "an object",
        JsonTokenType.StartArray => "an array",
        JsonTokenType.String => "a string",
        JsonTokenType.Number => "a number",
        JsonTokenType.Null => "null",
        _ => "a boolean",
    };
}
