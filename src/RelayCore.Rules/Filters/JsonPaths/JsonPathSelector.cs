using System.Text.Json;

namespace RelayCore.Rules.Filters.JsonPaths;

/// <summary>What of a value's children a segment takes (RFC 9535 §2.3).</summary>
internal abstract record JsonPathSelector
{
    /// <summary>Whether it takes one child at most, whatever the document.</summary>
    public virtual bool IsSingular => false;

    /// <summary>Adds the children it takes.</summary>
    public abstract void Select(JsonPathRun run, JsonPathNode node, List<JsonPathNode> result);

    /// <summary>The child a singular selector takes.</summary>
    public virtual JsonElement? Child(JsonElement value) => null;

    /// <summary><c>['name']</c>.</summary>
    public sealed record Name(string Member) : JsonPathSelector
    {
        public override bool IsSingular => true;

        public override void Select(JsonPathRun run, JsonPathNode node, List<JsonPathNode> result)
        {
            if (Child(node.Value) is { } child)
            {
                result.Add(new(child, new(node.Step, Member, 0)));
            }
        }

        public override JsonElement? Child(JsonElement value) =>
            value.ValueKind == JsonValueKind.Object && value.TryGetProperty(Member, out var child) ? child : null;
    }

    /// <summary><c>[0]</c>, <c>[-1]</c>.</summary>
    public sealed record Index(long At) : JsonPathSelector
    {
        public override bool IsSingular => true;

        public override void Select(JsonPathRun run, JsonPathNode node, List<JsonPathNode> result)
        {
            if (Child(node.Value) is { } child)
            {
                result.Add(new(child, new(node.Step, null, (int)(At < 0 ? At + node.Value.GetArrayLength() : At))));
            }
        }

        public override JsonElement? Child(JsonElement value)
        {
            if (value.ValueKind != JsonValueKind.Array)
            {
                return null;
            }

            var length = value.GetArrayLength();
            var at = At < 0 ? At + length : At;
            return at >= 0 && at < length ? value[(int)at] : null;
        }
    }

    /// <summary><c>[*]</c>.</summary>
    public sealed record Wildcard : JsonPathSelector
    {
        public override void Select(JsonPathRun run, JsonPathNode node, List<JsonPathNode> result) => Children(run, node, result, null);
    }

    /// <summary><c>[start:end:step]</c>.</summary>
    public sealed record Slice(long? Start, long? End, long Step) : JsonPathSelector
    {
        public override void Select(JsonPathRun run, JsonPathNode node, List<JsonPathNode> result)
        {
            if (node.Value.ValueKind != JsonValueKind.Array || Step == 0)
            {
                return;
            }

            // RFC 9535 §2.3.4.2.2.
            long length = node.Value.GetArrayLength();
            var (start, end) = Step > 0 ? (Start ?? 0, End ?? length) : (Start ?? length - 1, End ?? (-length - 1));
            (start, end) = (start < 0 ? start + length : start, end < 0 ? end + length : end);
            if (Step > 0)
            {
                var (lower, upper) = (Math.Clamp(start, 0, length), Math.Clamp(end, 0, length));
                for (var i = lower; i < upper && run.Visit(); i += Step)
                {
                    Add(i);
                }
            }
            else
            {
                var (upper, lower) = (Math.Clamp(start, -1, length - 1), Math.Clamp(end, -1, length - 1));
                for (var i = upper; i > lower && run.Visit(); i += Step)
                {
                    Add(i);
                }
            }

            void Add(long index) => result.Add(new(node.Value[(int)index], new(node.Step, null, (int)index)));
        }
    }

    /// <summary><c>[?…]</c>.</summary>
    public sealed record Filter(JsonPathTest Test) : JsonPathSelector
    {
        public override void Select(JsonPathRun run, JsonPathNode node, List<JsonPathNode> result) => Children(run, node, result, Test);
    }

    private static void Children(JsonPathRun run, JsonPathNode node, List<JsonPathNode> result, JsonPathTest? test)
    {
        if (node.Value.ValueKind == JsonValueKind.Array)
        {
            var index = 0;
            foreach (var item in node.Value.EnumerateArray())
            {
                if (!run.Visit())
                {
                    return;
                }

                if (test?.Holds(run, item) ?? true)
                {
                    result.Add(new(item, new(node.Step, null, index)));
                }

                index++;
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

                if (test?.Holds(run, member.Value) ?? true)
                {
                    result.Add(new(member.Value, new(node.Step, member.Name, 0)));
                }
            }
        }
    }
}
