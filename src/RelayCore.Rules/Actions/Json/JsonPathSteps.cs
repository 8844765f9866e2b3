using System.Buffers;
using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Text;

namespace RelayCore.Rules.Actions.Json;

/// <summary>What a step of a path takes.</summary>
internal enum JsonStepKind : byte
{
    /// <summary>A member.</summary>
    Name,

    /// <summary>An item; from the end when negative.</summary>
    Index,

    /// <summary>All members or items.</summary>
    Wildcard,

    /// <summary>The place behind the last item, <c>[-]</c>.</summary>
    Append,
}

/// <summary>One step of a path.</summary>
internal readonly record struct JsonStep(JsonStepKind Kind, string Name, int Index);

/// <summary>
/// The paths body edits take: <c>$.a.b[0]['c']</c>, <c>$.</c> optional, <c>.*</c> and <c>[*]</c>, negative indexes, <c>[-]</c> behind the end. A part
/// of RFC 9535; filters, slices and <c>..</c> are refused because where they write is not one obvious place.
/// </summary>
internal static class JsonPathSteps
{
    private const int MaxSteps = 64;

    private static readonly SearchValues<char> s_notPlain = SearchValues.Create("?@()'\"]");

    /// <summary>Reads a path.</summary>
    /// <param name="path">As written.</param>
    /// <param name="steps">Steps; none for the whole document.</param>
    /// <param name="problem">What is wrong and where.</param>
    public static bool TryParse(string path, [NotNullWhen(true)] out JsonStep[]? steps, [NotNullWhen(false)] out string? problem)
    {
        (steps, problem) = (null, null);
        var found = new List<JsonStep>();
        var at = path.StartsWith('$') ? 1 : 0;
        var isFirst = at == 0;
        while (at < path.Length && problem is null)
        {
            if (found.Count == MaxSteps)
            {
                problem = $"the path has more than {MaxSteps} steps";
            }
            else if (path[at] == '[')
            {
                problem = Bracket(path, ref at, found);
            }
            else if (path[at] == '.' || isFirst)
            {
                problem = Dotted(path, ref at, found, isFirst);
            }
            else
            {
                problem = $"'{path[at]}' at position {at + 1} of '{path}' is neither '.' nor '['";
            }

            isFirst = false;
        }

        if (problem is null && path.Length == 0)
        {
            problem = "the path is empty; the whole document is '$'";
        }

        steps = problem is null ? [.. found] : null;
        return steps is not null;
    }

    private static string? Dotted(string path, ref int at, List<JsonStep> steps, bool isFirst)
    {
        at += isFirst && path[at] != '.' ? 0 : 1;
        var end = path.AsSpan(at).IndexOfAny('.', '[');
        end = end < 0 ? path.Length : at + end;
        var name = path[at..end];
        if (name.Length == 0)
        {
            return at < path.Length && path[at] == '.' ? "'..' is not allowed here: an edit needs one place; name each step" : $"a name is missing at position {at + 1} of '{path}'";
        }

        if (name.AsSpan().IndexOfAny(s_notPlain) is var odd and >= 0)
        {
            return $"'{name[odd]}' in '{name}' cannot be in a plain name; write it as ['{name.Replace("'", "\\'", StringComparison.Ordinal)}']";
        }

        steps.Add(name == "*" ? new(JsonStepKind.Wildcard, "", 0) : new(JsonStepKind.Name, name, 0));
        at = end;
        return null;
    }

    private static string? Bracket(string path, ref int at, List<JsonStep> steps)
    {
        var start = at++;
        if (at < path.Length && path[at] is '\'' or '"')
        {
            var quote = path[at++];
            var name = new StringBuilder();
            while (at < path.Length && path[at] != quote)
            {
                at += path[at] == '\\' && at + 1 < path.Length ? 1 : 0;
                name.Append(path[at++]);
            }

            if (at + 1 >= path.Length || path[at + 1] != ']')
            {
                return $"the name that begins at position {start + 1} of '{path}' does not end in {quote}]";
            }

            at += 2;
            steps.Add(new(JsonStepKind.Name, name.ToString(), 0));
            return null;
        }

        var close = path.IndexOf(']', at);
        if (close < 0)
        {
            return $"the bracket at position {start + 1} of '{path}' is not closed";
        }

        var inner = path[at..close];
        at = close + 1;
        if (inner is "*" or "-")
        {
            steps.Add(new(inner == "*" ? JsonStepKind.Wildcard : JsonStepKind.Append, "", 0));
            return null;
        }

        if (!int.TryParse(inner, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var index) || inner.StartsWith('+'))
        {
            return $"[{inner}] in '{path}' is no index; allowed are [0], [-1], [*], [-] and ['name'], not filters or slices";
        }

        steps.Add(new(JsonStepKind.Index, "", index));
        return null;
    }
}
