using System.Globalization;
using System.Text;
using System.Text.Json;

namespace RelayCore.Rules.Filters.JsonPaths;

/// <summary>A JSON path (RFC 9535), compiled: all selectors, filters and functions. Immutable and safe for concurrent use.</summary>
public sealed class JsonPath
{
    /// <summary>Deepest nesting within the path itself, and of a document that descendants are looked for in.</summary>
    internal const int MaxDepth = 128;

    /// <summary>Nodes one evaluation visits. Breach: it ends with what it found so far.</summary>
    internal const int MaxVisits = 1_000_000;

    internal JsonPath(string text, IReadOnlyList<JsonPathSegment> segments) => (Text, Segments, IsSingular) = (text, segments, segments.All(x => x.IsSingular));

    /// <summary>As written.</summary>
    public string Text { get; }

    /// <summary>Whether it can name one place at most: member names and indices only.</summary>
    public bool IsSingular { get; }

    internal IReadOnlyList<JsonPathSegment> Segments { get; }

    /// <summary>Compiles a path.</summary>
    /// <param name="text">Beginning with <c>$</c>.</param>
    /// <param name="problem">What is wrong and where, when the result is <see langword="null"/>.</param>
    public static JsonPath? TryParse(string text, out string? problem)
    {
        ArgumentNullException.ThrowIfNull(text);
        try
        {
            problem = null;
            return new(text, new JsonPathParser(text).ParseWhole());
        }
        catch (JsonPathSyntaxException exception)
        {
            problem = string.Create(CultureInfo.InvariantCulture, $"{exception.Message} (column {exception.Offset + 1} of the path)");
            return null;
        }
    }

    /// <summary>Everything the path names, in the order of RFC 9535.</summary>
    public IReadOnlyList<JsonPathNode> Select(JsonElement root) => Run(new JsonPathRun(root), new(root, null));

    /// <summary>Whether the path names anything for which something holds.</summary>
    internal bool Any<T>(JsonElement root, T argument, Func<JsonElement, T, bool> holds)
    {
        if (IsSingular)
        {
            return Single(root) is { } found && holds(found, argument);
        }

        foreach (var node in Select(root))
        {
            if (holds(node.Value, argument))
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>The node a singular path names.</summary>
    internal JsonElement? Single(JsonElement start)
    {
        var at = start;
        foreach (var segment in Segments)
        {
            if (segment.Selectors[0].Child(at) is not { } child)
            {
                return null;
            }

            at = child;
        }

        return at;
    }

    internal List<JsonPathNode> Run(JsonPathRun run, JsonPathNode start)
    {
        List<JsonPathNode> current = [start];
        foreach (var segment in Segments)
        {
            var next = new List<JsonPathNode>();
            foreach (var node in current)
            {
                segment.Apply(run, node, next, 0);
            }

            current = next;
        }

        return current;
    }
}

/// <summary>A value in a document, with the way to it.</summary>
/// <param name="Value">The value.</param>
/// <param name="Step">The last step; <see langword="null"/> for the root.</param>
public readonly record struct JsonPathNode(JsonElement Value, JsonPathStep? Step)
{
    /// <summary>The normalized path (RFC 9535 §2.7), e.g. <c>$['store']['book'][0]</c>.</summary>
    public string NormalizedPath
    {
        get
        {
            var result = new StringBuilder("$");
            foreach (var step in Steps)
            {
                if (step.Name is null)
                {
                    result.Append(CultureInfo.InvariantCulture, $"[{step.Index}]");
                }
                else
                {
                    result.Append("['");
                    foreach (var character in step.Name)
                    {
                        AppendNormalized(result, character);
                    }

                    result.Append("']");
                }
            }

            return result.ToString();
        }
    }

    /// <summary>All steps from the root on.</summary>
    public IReadOnlyList<JsonPathStep> Steps
    {
        get
        {
            var steps = new List<JsonPathStep>();
            for (var step = Step; step is not null; step = step.Parent)
            {
                steps.Add(step);
            }

            steps.Reverse();
            return steps;
        }
    }

    private static void AppendNormalized(StringBuilder result, char character) => _ = character switch
    {
        '\b' => result.Append(@"\b"),
        '\t' => result.Append(@"\t"),
        '\n' => result.Append(@"\n"),
        '\f' => result.Append(@"\f"),
        '\r' => result.Append(@"\r"),
        '\'' => result.Append(@"\'"),
        '\\' => result.Append(@"\\"),
        < ' ' => result.Append(CultureInfo.InvariantCulture, $"\\u{(int)character:x4}"),
        _ => result.Append(character),
    };
}

/// <summary>One step into a document.</summary>
/// <param name="Parent">The step before.</param>
/// <param name="Name">Name of a member; <see langword="null"/> for an element.</param>
/// <param name="Index">Index of an element.</param>
public sealed record JsonPathStep(JsonPathStep? Parent, string? Name, int Index);

/// <summary>One evaluation: its root and how much it may still do. Not for concurrent use.</summary>
internal sealed class JsonPathRun(JsonElement root)
{
    private int _visits = JsonPath.MaxVisits;

    public JsonElement Root => root;

    public bool Visit() => --_visits > 0;
}

/// <summary>One segment: selectors applied to the children, or to all descendants.</summary>
internal sealed record JsonPathSegment(bool IsDescendant, IReadOnlyList<JsonPathSelector> Selectors)
{
    public bool IsSingular => !IsDescendant && Selectors is [{ IsSingular: true }];

    public void Apply(JsonPathRun run, JsonPathNode node, List<JsonPathNode> result, int depth)
    {
        foreach (var selector in Selectors)
        {
            selector.Select(run, node, result);
        }

        if (!IsDescendant || depth >= JsonPath.MaxDepth)
        {
            return;
        }

        if (node.Value.ValueKind == JsonValueKind.Array)
        {
            var index = 0;
            foreach (var item in node.Value.EnumerateArray())
            {
                if (!run.Visit())
                {
                    return;
                }

                Apply(run, new(item, new(node.Step, null, index++)), result, depth + 1);
            }
        }
        else if (node.Value.ValueKind == JsonValueKind.Object)
        {
            foreach (var member in node.Value.EnumerateObject())
            {
                if (!run.Visit())
                {
                    return;
                }

                Apply(run, new(member.Value, new(node.Step, member.Name, 0)), result, depth + 1);
            }
        }
    }
}
