using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;

namespace RelayCore.Rules.Filters.JsonPaths;

/// <summary>A logical expression of a filter selector (RFC 9535 §2.3.5).</summary>
internal abstract record JsonPathTest
{
    /// <summary>Whether it holds for the current node.</summary>
    public abstract bool Holds(JsonPathRun run, JsonElement current);

    /// <summary><c>||</c>.</summary>
    public sealed record Or(JsonPathTest Left, JsonPathTest Right) : JsonPathTest
    {
        public override bool Holds(JsonPathRun run, JsonElement current) => Left.Holds(run, current) || Right.Holds(run, current);
    }

    /// <summary><c>&amp;&amp;</c>.</summary>
    public sealed record And(JsonPathTest Left, JsonPathTest Right) : JsonPathTest
    {
        public override bool Holds(JsonPathRun run, JsonElement current) => Left.Holds(run, current) && Right.Holds(run, current);
    }

    /// <summary><c>!</c>.</summary>
    public sealed record Not(JsonPathTest Part) : JsonPathTest
    {
        public override bool Holds(JsonPathRun run, JsonElement current) => !Part.Holds(run, current);
    }

    /// <summary>A query that names something.</summary>
    public sealed record Exists(JsonPathQuery Query) : JsonPathTest
    {
        public override bool Holds(JsonPathRun run, JsonElement current) => Query.Any(run, current);
    }

    /// <summary><c>match(…)</c> or <c>search(…)</c> (RFC 9535 §2.4.6, §2.4.7).</summary>
    public sealed record Pattern(JsonPathValue Text, JsonPathValue Regex, bool IsWhole) : JsonPathTest
    {
        // Most patterns are literals: the last one compiled is the one needed again.
        private volatile Compiled? _last;

        public override bool Holds(JsonPathRun run, JsonElement current) =>
            Text.Get(run, current) is { ValueKind: JsonValueKind.String } text
            && Regex.Get(run, current) is { ValueKind: JsonValueKind.String } pattern
            && For(pattern.GetString()!) is { } regex
            && regex.IsMatch(text.GetString()!);

        private Regex? For(string pattern)
        {
            var last = _last;
            if (last is null || last.Pattern != pattern)
            {
                _last = last = new(pattern, RegularExpressionOf(pattern, IsWhole));
            }

            return last.Regex;
        }

        private sealed record Compiled(string Pattern, Regex? Regex);
    }

    /// <summary>A comparison.</summary>
    public sealed record Comparison(JsonPathValue Left, string Operator, JsonPathValue Right) : JsonPathTest
    {
        public override bool Holds(JsonPathRun run, JsonElement current)
        {
            var (left, right) = (Left.Get(run, current), Right.Get(run, current));
            return Operator switch
            {
                "==" => AreEqual(left, right),
                "!=" => !AreEqual(left, right),
                "<" => IsLess(left, right),
                "<=" => IsLess(left, right) || AreEqual(left, right),
                ">" => IsLess(right, left),
                _ => IsLess(right, left) || AreEqual(left, right),
            };
        }

        private static bool AreEqual(JsonElement? left, JsonElement? right) =>
            left is null || right is null ? left is null && right is null
            : left.Value.ValueKind == JsonValueKind.Number && right.Value.ValueKind == JsonValueKind.Number ? Compare(left.Value, right.Value) == 0
            : JsonElement.DeepEquals(left.Value, right.Value);

        private static bool IsLess(JsonElement? left, JsonElement? right) => (left, right) switch
        {
            ({ ValueKind: JsonValueKind.Number } a, { ValueKind: JsonValueKind.Number } b) => Compare(a, b) < 0,

            // By code points (RFC 9535 §2.3.5.2.2), which UTF-8 sorts as.
            ({ ValueKind: JsonValueKind.String } a, { ValueKind: JsonValueKind.String } b) =>
                Encoding.UTF8.GetBytes(a.GetString()!).AsSpan().SequenceCompareTo(Encoding.UTF8.GetBytes(b.GetString()!)) < 0,
            _ => false,
        };

        private static int Compare(JsonElement left, JsonElement right) =>
            left.TryGetDecimal(out var a) && right.TryGetDecimal(out var b) ? a.CompareTo(b) : left.GetDouble().CompareTo(right.GetDouble());
    }

    /// <summary>The regex of an I-Regexp (RFC 9485): a dot is any character but line ends, <c>^</c> and <c>$</c> are characters.</summary>
    internal static Regex? RegularExpressionOf(string pattern, bool isWhole)
    {
        var result = new StringBuilder(isWhole ? @"\A(?:" : "(?:");
        var isInClass = false;
        for (var i = 0; i < pattern.Length; i++)
        {
            switch (pattern[i])
            {
                case '\\' when i + 1 < pattern.Length:
                    result.Append(pattern, i++, 2);
                    break;
                case '[' when !isInClass:
                    isInClass = true;
                    result.Append('[');
                    break;
                case ']' when isInClass:
                    isInClass = false;
                    result.Append(']');
                    break;
                case '.' when !isInClass:
                    result.Append(@"(?:[\uD800-\uDBFF][\uDC00-\uDFFF]|[^\r\n])");
                    break;
                case '^' or '$' when !isInClass:
                    result.Append('\\').Append(pattern[i]);
                    break;
                default:
                    result.Append(pattern[i]);
                    break;
            }
        }

        return RegexSource.Compile(result.Append(isWhole ? @")\z" : ")").ToString(), RegexOptions.None, isPython: false, out _);
    }
}

/// <summary>A query within a filter, from the root or the current node.</summary>
internal sealed record JsonPathQuery(bool IsFromRoot, JsonPath Path)
{
    public JsonElement? Single(JsonPathRun run, JsonElement current) => Path.Single(IsFromRoot ? run.Root : current);

    public List<JsonPathNode> Nodes(JsonPathRun run, JsonElement current) => Path.Run(run, new(IsFromRoot ? run.Root : current, null));

    public bool Any(JsonPathRun run, JsonElement current) => Path.IsSingular ? Single(run, current) is not null : Nodes(run, current).Count > 0;
}

/// <summary>A value in a comparison or an argument; <see langword="null"/> stands for Nothing.</summary>
internal abstract record JsonPathValue
{
    public abstract JsonElement? Get(JsonPathRun run, JsonElement current);

    /// <summary>A literal.</summary>
    public sealed record Literal(JsonElement Value) : JsonPathValue
    {
        public override JsonElement? Get(JsonPathRun run, JsonElement current) => Value;
    }

    /// <summary>A singular query.</summary>
    public sealed record Query(JsonPathQuery Path) : JsonPathValue
    {
        public override JsonElement? Get(JsonPathRun run, JsonElement current) => Path.Single(run, current);
    }

    /// <summary><c>length(…)</c>: characters, elements or members (RFC 9535 §2.4.4).</summary>
    public sealed record Length(JsonPathValue Of) : JsonPathValue
    {
        public override JsonElement? Get(JsonPathRun run, JsonElement current) => Of.Get(run, current) switch
        {
            { ValueKind: JsonValueKind.String } text => Number(text.GetString()!.EnumerateRunes().Count()),
            { ValueKind: JsonValueKind.Array } list => Number(list.GetArrayLength()),
            { ValueKind: JsonValueKind.Object } map => Number(map.GetPropertyCount()),
            _ => null,
        };
    }

    /// <summary><c>count(…)</c>: nodes (RFC 9535 §2.4.5).</summary>
    public sealed record Count(JsonPathQuery Of) : JsonPathValue
    {
        public override JsonElement? Get(JsonPathRun run, JsonElement current) => Number(Of.Nodes(run, current).Count);
    }

    /// <summary><c>value(…)</c>: of the only node (RFC 9535 §2.4.8).</summary>
    public sealed record Only(JsonPathQuery Of) : JsonPathValue
    {
        public override JsonElement? Get(JsonPathRun run, JsonElement current) => Of.Nodes(run, current) is [var only] ? only.Value : null;
    }

    internal static JsonElement Parse(string json)
    {
        using var document = JsonDocument.Parse(json);
        return document.RootElement.Clone();
    }

    private static JsonElement Number(int value) => Parse(value.ToString(CultureInfo.InvariantCulture));
}
