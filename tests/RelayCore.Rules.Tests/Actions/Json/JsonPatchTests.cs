using System.Text;
using RelayCore.Rules.Actions;
using RelayCore.Rules.Tests.Actions.Bodies;
using Xunit;

namespace RelayCore.Rules.Tests.Actions.Json;

public sealed class JsonPatchTests
{
    // RFC 6902 appendix A, and what keeps its octets.
    [Theory]
    [InlineData("""{ "foo": "bar"}""", """[{"op":"add","path":"/baz","value":"qux"}]""", """{ "foo": "bar", "baz": "qux"}""")]
    [InlineData("""{ "foo": [ "bar", "baz" ] }""", """[{"op":"add","path":"/foo/1","value":"qux"}]""", """{ "foo": [ "bar", "qux", "baz" ] }""")]
    [InlineData("""{"foo":["bar"]}""", """[{"op":"add","path":"/foo/0","value":1},{"op":"add","path":"/foo/-","value":[2]}]""", """{"foo":[1,"bar",[2]]}""")]
    [InlineData("""{"baz": "qux", "foo": "bar"}""", """[{"op":"remove","path":"/baz"}]""", """{"foo": "bar"}""")]
    [InlineData("""{"foo":["bar","qux","baz"]}""", """[{"op":"remove","path":"/foo/1"}]""", """{"foo":["bar","baz"]}""")]
    [InlineData("""{"baz":"qux","foo":1.0}""", """[{"op":"replace","path":"/baz","value":1.50}]""", """{"baz":1.50,"foo":1.0}""")]
    [InlineData("""{"foo":{"bar":"baz","waldo":"fred"},"qux":{"corge":"grault"}}""", """[{"op":"move","from":"/foo/waldo","path":"/qux/thud"}]""", """{"foo":{"bar":"baz"},"qux":{"corge":"grault","thud":"fred"}}""")]
    [InlineData("""{"foo":["all","grass","cows","eat"]}""", """[{"op":"move","from":"/foo/1","path":"/foo/3"}]""", """{"foo":["all","cows","eat","grass"]}""")]
    [InlineData("""{"baz":"qux","foo":["a",2,"c"]}""", """[{"op":"test","path":"/baz","value":"qux"},{"op":"test","path":"/foo/1","value":2.0},{"op":"copy","from":"/foo/0","path":"/baz"}]""", """{"baz":"a","foo":["a",2,"c"]}""")]
    [InlineData("""{"/":9,"~1":10}""", """[{"op":"test","path":"/~01","value":10},{"op":"replace","path":"/~1","value":null}]""", """{"/":null,"~1":10}""")]
    [InlineData("""{"a":1}""", """[{"op":"add","path":"","value":[]}]""", """[]""")]
    [InlineData("""{"a":1}""", """[{"op":"move","from":"/a","path":"/a"},{"op":"add","path":"/b","value":{"x":[1,{}]}}]""", """{"a":1,"b":{"x":[1,{}]}}""")]
    public async Task Patch_Operations_ChangeOnlyWhatIsMeant(string before, string patch, string after)
    {
        var bench = new BodyBench().Response(before);
        var result = await bench.RunAsync("TransformResponseBody", "{\"transform\":{\"type\":\"JsonPatch\",\"config\":{\"patch\":" + patch + "}}}");
        Assert.Equal((ActionOutcome.Done, after), (result.Outcome, bench.Text));
    }

    [Theory]
    [InlineData("""{"a":1}""", """[{"op":"add","path":"/b","value":1},{"op":"test","path":"/a","value":2}]""", "test /a: the value is another one")]
    [InlineData("""{"a":1}""", """[{"op":"remove","path":"/b"}]""", "there is no /b")]
    [InlineData("""{"a":1}""", """[{"op":"add","path":"/b/c","value":1}]""", "there is no /b")]
    [InlineData("""{"a":1}""", """[{"op":"add","path":"/a/c","value":1}]""", "a number, which holds nothing")]
    [InlineData("""{"a":[1]}""", """[{"op":"add","path":"/a/3","value":1}]""", "no place in an array of 1")]
    [InlineData("""{"a":[1]}""", """[{"op":"replace","path":"/a/00","value":1}]""", "there is no /a/00")]
    [InlineData("""<a/>""", """[{"op":"replace","path":"/a","value":1}]""", "not JSON")]
    public async Task Patch_WhatDoesNotFit_ChangesNothing(string before, string patch, string why)
    {
        var bench = new BodyBench().Response(before);
        var result = await bench.RunAsync("TransformResponseBody", "{\"transform\":{\"type\":\"JsonPatch\",\"config\":{\"patch\":" + patch + "}}}");
        Assert.Equal((ActionOutcome.NoEffect, before, false), (result.Outcome, bench.Text, bench.Body.IsReplaced));
        Assert.Contains(why, result.Detail, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("""{}""", "list of 1 to")]
    [InlineData("""[]""", "list of 1 to")]
    [InlineData("""[{"op":"set","path":"/a"}]""", "'set' is not an operation")]
    [InlineData("""[{"op":"add","path":"/a"}]""", "needs 'value'")]
    [InlineData("""[{"op":"move","path":"/a"}]""", "needs 'from'")]
    [InlineData("""[{"op":"remove"}]""", "needs 'path'")]
    [InlineData("""[{"op":"remove","path":"$.a"}]""", "not a JSON Pointer")]
    [InlineData("""[{"op":"move","from":"/a","path":"/a/b"}]""", "into itself")]
    public void Patch_Malformed_IsALoadError(string patch, string problem)
    {
        var bench = new BodyBench();
        Assert.Null(bench.TryCompile("TransformResponseBody", "{\"transform\":{\"type\":\"JsonPatch\",\"config\":{\"patch\":" + patch + "}}}"));
        Assert.Contains(bench.Problems.Items, x => x.Code == "RULE-504" && x.Message.Contains(problem, StringComparison.Ordinal));
    }

    [Fact]
    public async Task Merge_OnCodedContent_LeavesInTheSameCoding()
    {
        var bench = new BodyBench().Response("""{"a":1.0,"b":2}""", "application/json", "gzip");
        await bench.RunAsync("TransformResponseBody", """{"transform":{"type":"JsonMerge","config":{"merge":{"b":null,"c":{"d":"é"}}}}}""");
        Assert.Equal([0x1F, 0x8B], bench.Body.Octets.ToArray()[..2]);
        Assert.Equal("""{"a":1.0,"c":{"d":"é"}}""", bench.Text);
        Assert.Equal("gzip", bench.Body.ContentEncoding);
        Assert.Equal(Encoding.UTF8.GetByteCount(bench.Text), bench.Body.Content.Length);
    }
}
