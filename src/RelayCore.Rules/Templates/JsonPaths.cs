using System.Text;
using System.Text.Json;

namespace RelayCore.Rules.Templates;

/// <summary>Compiles JSON paths for templates.</summary>
internal interface IJsonPaths
{
    /// <summary>Compiles a path that begins with <c>$</c>.</summary>
    /// <param name="path">The path.</param>
    /// <param name="problem">What is wrong with it, when the result is <see langword="null"/>.</param>
    IJsonPath? Compile(string path, out string? problem);
}

/// <summary>A compiled JSON path. Immutable.</summary>
internal interface IJsonPath
{
    /// <summary>Finds the first value it names: a string without quotes, anything else as JSON; <see langword="null"/> when there is none or the text is not JSON.</summary>
    string? Find(ReadOnlyMemory<byte> json);
}

/// <summary>The part of JSON paths that names one value: <c>$.a.b[0]['c d']</c>, negative indices from the end.</summary>
internal sealed class JsonPaths : IJsonPaths
{
    /// <summary>Deepest document that is read; a deeper one counts as not JSON.</summary>
    public const int MaxDepth = 64;

    /// <summary>What templates use.</summary>
    public static IJsonPaths Current { get; } = new JsonPaths();

    /// <inheritdoc/>
    public IJsonPath? Compile(string path, out string? problem)
    {
        var steps = new List<(string? Name, int Index)>();
        problem = path.StartsWith('$') ? null : "a JSON path begins with '$'";
        for (var at = 1; problem is null && at < path.Length;)
        {
            problem = path[at] switch
            {
                '.' => ReadName(path, ref at, steps),
                '[' => ReadBracket(path, ref at, steps),
                _ => $"'{path[at]}' is not expected",
            };
        }

        problem = steps.Count > MaxDepth ? $"more than {MaxDepth} steps" : problem;
        return problem is null ? new Walk([.. steps]) : null;
    }

    private static string? ReadName(string path, ref int at, List<(string?, int)> steps)
    {
        var end = path.AsSpan(++at).IndexOfAny('.', '[') is var found && found >= 0 ? at + found : path.Length;
        var name = path[at..end];
        at = end;
        steps.Add((name, 0));
        return name.Length == 0 ? "a name is missing behind '.'" : name == "*" ? "'*' names more than one value" : null;
    }

    private static string? ReadBracket(string path, ref int at, List<(string?, int)> steps)
    {
        at++;
        if (at < path.Length && path[at] is '\'' or '"')
        {
            var quote = path[at++];
            var name = new StringBuilder();
            while (at < path.Length && path[at] != quote)
            {
                at += path[at] == '\\' ? 1 : 0;
                if (at < path.Length)
                {
                    name.Append(path[at++]);
                }
            }

            at++;
            steps.Add((name.ToString(), 0));
        }
        else
        {
            var end = path.IndexOf(']', at);
            if (end < 0 || !int.TryParse(path.AsSpan(at, end - at), System.Globalization.NumberStyles.AllowLeadingSign,
                System.Globalization.CultureInfo.InvariantCulture, out var index))
            {
                return "an index or a quoted name is expected between '[' and ']'";
            }

            at = end;
            steps.Add((null, index));
        }

        return at < path.Length && path[at++] == ']' ? null : "']' is missing";
    }

    private sealed class Walk((string? Name, int Index)[] steps) : IJsonPath
    {
        public string? Find(ReadOnlyMemory<byte> json)
        {
            try
            {
                using var document = JsonDocument.Parse(json, new() { MaxDepth = MaxDepth });
                var element = document.RootElement;
                foreach (var (name, index) in steps)
                {
                    var isFound = name is null
                        ? TryIndex(element, index, out element)
                        : element.ValueKind == JsonValueKind.Object && element.TryGetProperty(name, out element);
                    if (!isFound)
                    {
                        return null;
                    }
                }

                return element.ValueKind == JsonValueKind.String ? element.GetString() : element.GetRawText();
            }
            catch (Exception e) when (e is JsonException or InvalidOperationException)
            {
                return null; // not JSON, or a string that is not UTF-8
            }
        }

        private static bool TryIndex(JsonElement element, int index, out JsonElement item)
        {
            item = default;
            if (element.ValueKind != JsonValueKind.Array)
            {
                return false;
            }

            var at = index < 0 ? element.GetArrayLength() + index : index;
            if (at < 0 || at >= element.GetArrayLength())
            {
                return false;
            }

            item = element[at];
            return true;
        }
    }
}
