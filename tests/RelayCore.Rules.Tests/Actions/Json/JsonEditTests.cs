using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using CsCheck;
using RelayCore.Rules.Actions.Json;
using Xunit;

namespace RelayCore.Rules.Tests.Actions.Json;

public sealed class JsonEditTests
{
    [Theory]
    [InlineData("$.a", "2", "{\"a\":1}", "{\"a\":2}")]
    [InlineData("a", "2", " { \"a\" : 1.0 , \"b\":1e400 }\n", " { \"a\" : 2 , \"b\":1e400 }\n")]
    [InlineData("$.b", "2", "{\"a\":1}", "{\"a\":1,\"b\":2}")]
    [InlineData("$.b", "2", "{\n  \"a\": 1\n}", "{\n  \"a\": 1,\n  \"b\": 2\n}")]
    [InlineData("$.b", "2", "{}", "{\"b\":2}")]
    [InlineData("$.b", "2", "{  }", "{\"b\":2}")]
    [InlineData("$.a.b.c", "\"x\"", "{\"z\":0}", "{\"z\":0,\"a\":{\"b\":{\"c\":\"x\"}}}")]
    [InlineData("$.a[0].c", "1", "{}", "{\"a\":[{\"c\":1}]}")]
    [InlineData("$.a[-]", "3", "{\"a\":[1, 2]}", "{\"a\":[1, 2, 3]}")]
    [InlineData("$.a[2]", "3", "{\"a\":[\n 1,\n 2\n]}", "{\"a\":[\n 1,\n 2,\n 3\n]}")]
    [InlineData("$.a[-]", "3", "{\"a\":[]}", "{\"a\":[3]}")]
    [InlineData("$.a[-1]", "9", "{\"a\":[1,2]}", "{\"a\":[1,9]}")]
    [InlineData("$['a b']['c.d']", "1", "{\"a b\":{\"c.d\":0}}", "{\"a b\":{\"c.d\":1}}")]
    [InlineData("$.items[*].price", "0", "{\"items\":[{\"price\":1.50},{ \"n\":1 }]}", "{\"items\":[{\"price\":0},{ \"n\":1, \"price\":0 }]}")]
    [InlineData("$.*", "0", "{\"a\":1,\"b\":[2]}", "{\"a\":0,\"b\":0}")]
    [InlineData("$", "[]", "{\"a\":1}", "[]")]
    [InlineData("$.a", "2", "{\"a\":1,\"\\u0061\":12345678901234567890}", "{\"a\":1,\"\\u0061\":2}")]
    [InlineData("$.é", "2", "\uFEFF{\"é\":1}", "\uFEFF{\"é\":2}")]
    public void Set_Path_ChangesOnlyWhatIsMeant(string path, string value, string before, string after) => Assert.Equal(after, Set(before, path, value));

    [Theory]
    [InlineData("$.a.b", "{\"a\":\"x\"}", "a string")]
    [InlineData("$[0]", "{\"a\":\"x\"}", "an object")]
    [InlineData("$.a[5]", "{\"a\":[1]}", "[5] is outside of an array of 1")]
    [InlineData("$.a[-2]", "{\"a\":[1]}", "[-2] is outside of an array of 1")]
    [InlineData("$.x[*].y", "{}", "cannot be made")]
    [InlineData("$.a[*]", "{\"a\":[]}", "nothing for the wildcard")]
    [InlineData("$.a", "not json", "not JSON")]
    [InlineData("$.a", "", "empty")]
    [InlineData("$.a", "{\"a\":1}{", "not JSON")]
    public void Set_WhatCannotBe_SaysWhy(string path, string before, string why)
    {
        Assert.True(JsonPathSteps.TryParse(path, out var steps, out _));
        var edit = JsonEdits.Set(Encoding.UTF8.GetBytes(before), steps, "1"u8);
        Assert.Contains(why, edit.Why, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("$.a", "{\"a\":1}", "{}")]
    [InlineData("$.a", "{\"a\":1, \"b\":2}", "{\"b\":2}")]
    [InlineData("$.b", "{\"a\":1, \"b\":2}", "{\"a\":1}")]
    [InlineData("$.b", "{\n  \"a\": 1,\n  \"b\": 2,\n  \"c\": 3.0\n}", "{\n  \"a\": 1,\n  \"c\": 3.0\n}")]
    [InlineData("$.a", "{\n  \"a\": 1,\n  \"c\": 3.0\n}", "{\n  \"c\": 3.0\n}")]
    [InlineData("$.l[0]", "{\"l\":[1,2,3]}", "{\"l\":[2,3]}")]
    [InlineData("$.l[-1]", "{\"l\":[1,2,3]}", "{\"l\":[1,2]}")]
    [InlineData("$.l[*]", "{\"l\":[ 1,2,3 ]}", "{\"l\":[]}")]
    [InlineData("$.l[*].a", "{\"l\":[{\"a\":1},{\"b\":1}]}", "{\"l\":[{},{\"b\":1}]}")]
    [InlineData("$.a", "{\"a\":1,\"b\":2,\"a\":3}", "{\"b\":2}")]
    public void Delete_Path_RemovesOnlyWhatIsMeant(string path, string before, string after)
    {
        Assert.True(JsonPathSteps.TryParse(path, out var steps, out _));
        var edit = JsonEdits.Delete(Encoding.UTF8.GetBytes(before), steps);
        Assert.Null(edit.Why);
        Assert.Equal(after, Encoding.UTF8.GetString(edit.Content.Span));
    }

    [Theory]
    [InlineData("$..a", "'..'")]
    [InlineData("$.a[?(@.b)]", "is no index")]
    [InlineData("$.a[1:2]", "is no index")]
    [InlineData("$.a[", "not closed")]
    [InlineData("$['a", "does not end")]
    [InlineData("$a", "neither")]
    [InlineData("$.a.", "missing")]
    [InlineData("", "empty")]
    [InlineData("$.a'b", "plain name")]
    public void Path_NotOfThisKind_IsRefused(string path, string problem)
    {
        Assert.False(JsonPathSteps.TryParse(path, out _, out var found));
        Assert.Contains(problem, found, StringComparison.Ordinal);
    }

    // RFC 7396 appendix A, all of it, and what keeps its octets.
    [Theory]
    [InlineData("{\"a\":\"b\"}", "{\"a\":\"c\"}", "{\"a\":\"c\"}")]
    [InlineData("{\"a\":\"b\"}", "{\"b\":\"c\"}", "{\"a\":\"b\",\"b\":\"c\"}")]
    [InlineData("{\"a\":\"b\"}", "{\"a\":null}", "{}")]
    [InlineData("{\"a\":\"b\",\"b\":\"c\"}", "{\"a\":null}", "{\"b\":\"c\"}")]
    [InlineData("{\"a\":[\"b\"]}", "{\"a\":\"c\"}", "{\"a\":\"c\"}")]
    [InlineData("{\"a\":\"c\"}", "{\"a\":[\"b\"]}", "{\"a\":[\"b\"]}")]
    [InlineData("{\"a\":{\"b\":\"c\"}}", "{\"a\":{\"b\":\"d\",\"c\":null}}", "{\"a\":{\"b\":\"d\"}}")]
    [InlineData("{\"a\":[{\"b\":\"c\"}]}", "{\"a\":[1]}", "{\"a\":[1]}")]
    [InlineData("[\"a\",\"b\"]", "[\"c\",\"d\"]", "[\"c\",\"d\"]")]
    [InlineData("{\"a\":\"b\"}", "[\"c\"]", "[\"c\"]")]
    [InlineData("{\"a\":\"foo\"}", "null", "null")]
    [InlineData("{\"a\":\"foo\"}", "\"bar\"", "\"bar\"")]
    [InlineData("{\"e\":null}", "{\"a\":1}", "{\"e\":null,\"a\":1}")]
    [InlineData("[1,2]", "{\"a\":\"b\",\"c\":null}", "{\"a\":\"b\"}")]
    [InlineData("{}", "{\"a\":{\"bb\":{\"ccc\":null}}}", "{\"a\":{\"bb\":{}}}")]
    [InlineData("{\n\t\"n\": 1.0\n}", "{\"n\":null,\"x\":2,\"y\":3}", "{\n\t\"x\": 2,\n\t\"y\": 3\n}")]
    [InlineData("{\n\t\"n\": 1.0,\n\t\"m\": 2\n}", "{\"m\":null,\"x\":2}", "{\n\t\"n\": 1.0,\n\t\"x\": 2\n}")]
    public void Merge_Object_ChangesOnlyWhatIsMeant(string before, string patch, string after)
    {
        using var document = JsonDocument.Parse(patch);
        Assert.Equal(after, Encoding.UTF8.GetString(JsonEdits.Merge(Encoding.UTF8.GetBytes(before), document.RootElement).Content.Span));
    }

    private static readonly Gen<string> s_name = Gen.OneOf(Gen.Const("a"), Gen.Const("b"), Gen.Const("c"), Gen.Const("ä"), Gen.Const("d\"e"));

    private static readonly Gen<JsonNode?> s_json = Gen.Recursive<JsonNode?>((depth, inner) => depth > 3
        ? Leaf
        : Gen.OneOf(
            Leaf,
            inner.List[0, 4].Select(x => (JsonNode?)new JsonArray([.. x])),
            Gen.Select(s_name, inner).List[0, 4].Select(x => (JsonNode?)new JsonObject(x.DistinctBy(y => y.Item1).Select(y => KeyValuePair.Create(y.Item1, y.Item2))))));

    private static Gen<JsonNode?> Leaf => Gen.OneOf(
        Gen.Int.Select(x => (JsonNode?)System.Text.Json.Nodes.JsonValue.Create(x)), Gen.Const(0).Select(_ => (JsonNode?)System.Text.Json.Nodes.JsonValue.Create("t\n")), Gen.Const(0).Select(_ => (JsonNode?)System.Text.Json.Nodes.JsonValue.Create(true)), Gen.Const(0).Select(_ => (JsonNode?)null));

    private static readonly Gen<JsonStep> s_step = Gen.OneOf(
        s_name.Select(x => new JsonStep(JsonStepKind.Name, x, 0)), Gen.Int[-2, 2].Select(x => new JsonStep(JsonStepKind.Index, "", x)),
        Gen.Const(new JsonStep(JsonStepKind.Wildcard, "", 0)), Gen.Const(new JsonStep(JsonStepKind.Append, "", 0)));

    [Fact]
    public void Set_AnyPath_EqualsTheObviousWay() => Gen.Select(s_json, s_step.Array[0, 3], s_json, Gen.Bool).Sample((document, path, value, pretty) =>
    {
        var expected = Clone(document);
        Slow.Set(ref expected, path, value);
        var edit = JsonEdits.Set(Bytes(document, pretty), path, Bytes(value, pretty));
        Assert.Equal(Text(expected), edit.Why is null ? Text(JsonNode.Parse(edit.Content.Span)) : Text(document));
    }, iter: 20_000);

    [Fact]
    public void Delete_AnyPath_EqualsTheObviousWay() => Gen.Select(s_json, s_step.Array[1, 3], Gen.Bool).Sample((document, path, pretty) =>
    {
        var expected = Clone(document);
        Slow.Delete(expected, path);
        var edit = JsonEdits.Delete(Bytes(document, pretty), path);
        Assert.Equal(Text(expected), edit.Why is null ? Text(JsonNode.Parse(edit.Content.Span)) : Text(document));
    }, iter: 20_000);

    [Fact]
    public void Merge_Any_EqualsTheObviousWay() => Gen.Select(s_json, s_json, Gen.Bool).Sample((document, patch, pretty) =>
    {
        using var element = JsonDocument.Parse(Bytes(patch, false));
        var edit = JsonEdits.Merge(Bytes(document, pretty), element.RootElement);
        Assert.Equal(Text(Slow.Merge(document, patch)), edit.Why is null ? Text(JsonNode.Parse(edit.Content.Span)) : Text(document));
    }, iter: 20_000);

    [Fact]
    public void Set_SameValue_KeepsEveryOctet() => Gen.Select(s_json, s_name, Gen.Bool).Sample((document, name, pretty) =>
    {
        if (document is JsonObject map && map.ContainsKey(name))
        {
            var before = Bytes(document, pretty);
            Assert.True(JsonOutline.TryRead(before, out var outline, out _));
            var value = outline.Value(outline.Member(0, name)).ToArray();
            Assert.Equal(Encoding.UTF8.GetString(before), Encoding.UTF8.GetString(JsonEdits.Set(before, [new(JsonStepKind.Name, name, 0)], value).Content.Span));
        }
    }, iter: 5000);

    [Fact]
    public void Set_DeeperThanTheBound_IsNotJson()
    {
        var deep = new string('[', JsonOutline.MaxDepth + 1) + new string(']', JsonOutline.MaxDepth + 1);
        Assert.Contains("not JSON", JsonEdits.Set(Encoding.UTF8.GetBytes(deep), [], "1"u8).Why, StringComparison.Ordinal);
        var shallow = new string('[', JsonOutline.MaxDepth) + new string(']', JsonOutline.MaxDepth);
        Assert.Null(JsonEdits.Set(Encoding.UTF8.GetBytes(shallow), [], "1"u8).Why);
    }

    private static string Set(string before, string path, string value)
    {
        Assert.True(JsonPathSteps.TryParse(path, out var steps, out var problem), problem);
        var edit = JsonEdits.Set(Encoding.UTF8.GetBytes(before), steps, Encoding.UTF8.GetBytes(value));
        Assert.Null(edit.Why);
        return Encoding.UTF8.GetString(edit.Content.Span);
    }

    private static JsonNode? Clone(JsonNode? node) => node?.DeepClone();

    private static readonly JsonSerializerOptions s_pretty = new() { WriteIndented = true };

    private static byte[] Bytes(JsonNode? node, bool pretty) => JsonSerializer.SerializeToUtf8Bytes(node, pretty ? s_pretty : JsonSerializerOptions.Default);

    private static string Text(JsonNode? node) => node?.ToJsonString() ?? "null";

    /// <summary>The same, slow and obvious, on a tree.</summary>
    private static class Slow
    {
        public static void Set(ref JsonNode? node, ReadOnlySpan<JsonStep> path, JsonNode? value)
        {
            if (path.IsEmpty)
            {
                node = Clone(value);
                return;
            }

            var step = path[0];
            if (node is JsonObject map && step.Kind is JsonStepKind.Name or JsonStepKind.Wildcard && node is JsonObject)
            {
                map = (JsonObject)node;
                foreach (var name in step.Kind == JsonStepKind.Name ? [step.Name] : map.Select(x => x.Key).ToList())
                {
                    if (map.TryGetPropertyValue(name, out var child))
                    {
                        child = Clone(child);
                        Set(ref child, path[1..], value);
                        map[name] = child;
                    }
                    else if (Make(path[1..], value, out var made))
                    {
                        map[name] = made;
                    }
                }
            }
            else if (node is JsonArray list && step.Kind != JsonStepKind.Name)
            {
                var index = step.Index < 0 ? list.Count + step.Index : step.Index;
                if (step.Kind == JsonStepKind.Append || step.Kind == JsonStepKind.Index && step.Index == list.Count)
                {
                    if (Make(path[1..], value, out var made))
                    {
                        list.Add(made);
                    }

                    return;
                }

                for (var i = 0; i < list.Count; i++)
                {
                    if (step.Kind == JsonStepKind.Wildcard || i == index)
                    {
                        var child = Clone(list[i]);
                        Set(ref child, path[1..], value);
                        list[i] = child;
                    }
                }
            }
        }

        public static void Delete(JsonNode? node, ReadOnlySpan<JsonStep> path)
        {
            var step = path[0];
            if (node is JsonObject map)
            {
                foreach (var name in map.Select(x => x.Key).ToList())
                {
                    if (step.Kind == JsonStepKind.Wildcard || step.Kind == JsonStepKind.Name && step.Name == name)
                    {
                        if (path.Length == 1)
                        {
                            map.Remove(name);
                        }
                        else
                        {
                            Delete(map[name], path[1..]);
                        }
                    }
                }
            }
            else if (node is JsonArray list)
            {
                var wanted = step.Index < 0 ? list.Count + step.Index : step.Index;
                for (var i = list.Count - 1; i >= 0; i--)
                {
                    if (step.Kind == JsonStepKind.Wildcard || step.Kind == JsonStepKind.Index && i == wanted)
                    {
                        if (path.Length == 1)
                        {
                            list.RemoveAt(i);
                        }
                        else
                        {
                            Delete(list[i], path[1..]);
                        }
                    }
                }
            }
        }

        // RFC 7396 §2, as written there.
        public static JsonNode? Merge(JsonNode? target, JsonNode? patch)
        {
            if (patch is not JsonObject changes)
            {
                return Clone(patch);
            }

            var result = target is JsonObject ? (JsonObject)target.DeepClone() : [];
            foreach (var (name, value) in changes)
            {
                if (value is null)
                {
                    result.Remove(name);
                }
                else
                {
                    result[name] = Merge(result[name], value);
                }
            }

            return result;
        }

        private static bool Make(ReadOnlySpan<JsonStep> path, JsonNode? value, out JsonNode? made)
        {
            made = Clone(value);
            for (var i = path.Length - 1; i >= 0; i--)
            {
                if (path[i].Kind == JsonStepKind.Name)
                {
                    made = new JsonObject { [path[i].Name] = made };
                }
                else if (path[i].Kind == JsonStepKind.Append || path[i].Kind == JsonStepKind.Index && path[i].Index == 0)
                {
                    made = new JsonArray(made);
                }
                else
                {
                    return false;
                }
            }

            return true;
        }
    }
}
