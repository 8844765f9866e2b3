using System.Text;
using RelayCore.Core.Messages;
using RelayCore.Formats;
using RelayCore.Rules.Actions;
using Xunit;

namespace RelayCore.Rules.Tests.Actions.Bodies;

public sealed class BodyActionsTests
{
    public static TheoryData<string> Codings => ["", "identity", "gzip", "deflate", "br", "zstd", "gzip, br"];

    [Theory]
    [MemberData(nameof(Codings))]
    public async Task SetResponseBody_AnyCoding_LeavesInIt(string named)
    {
        var coding = named.Length == 0 ? null : named;
        var bench = new BodyBench().Response("old", "text/plain", coding);
        Assert.Equal(ActionOutcome.Done, (await bench.RunAsync("SetResponseBody", """{"body":{"type":"Text","value":"né"}}""")).Outcome);
        Assert.True(ContentCodings.Instance.TryDecode(bench.Body.Octets, coding, 1000, out var content, out _));
        Assert.Equal("né", Encoding.UTF8.GetString(content.Span));
        Assert.Equal(coding, bench.Exchange.Response.Fields.Get("Content-Encoding"));
    }

    [Theory]
    [InlineData("""{"body":"plain"}""", "plain")]
    [InlineData("""{"body":""}""", "")]
    [InlineData("""{"body":{"type":"Base64","value":"AP8g\n"}}""", "\u0000ÿ ")]
    public async Task SetRequestBody_EverySource_IsTheContent(string config, string latin1)
    {
        var bench = new BodyBench(RuleStage.RequestBody).Request("old");
        await bench.RunAsync("SetRequestBody", config);
        Assert.Equal((latin1, true), (Encoding.Latin1.GetString(bench.Body.Octets.Span), bench.Body.IsReplaced));
    }

    [Theory]
    [InlineData("text/plain; charset=iso-8859-1", "é", new byte[] { 0xE9 })]
    [InlineData("text/plain; charset=\"windows-1252\"", "€", new byte[] { 0x80 })]
    [InlineData("text/plain; charset=iso-8859-1", "漢", new byte[] { 0xE6, 0xBC, 0xA2 })]
    [InlineData("text/plain; charset=nonsense", "é", new byte[] { 0xC3, 0xA9 })]
    public async Task SetResponseBody_Charset_IsKeptWhenItHasTheCharacters(string type, string text, byte[] octets)
    {
        var bench = new BodyBench().Response("old", type);
        await bench.RunAsync("SetResponseBody", "{\"body\":\"" + text + "\"}");
        Assert.Equal(octets, bench.Body.Octets.ToArray());
    }

    [Fact]
    public async Task SetResponseBody_CodingNobodyCanProduce_LeavesWithout()
    {
        var bench = new BodyBench();
        bench.Exchange.Response.Fields.Add("Content-Encoding", "compress");
        bench.Context.Body = new("xx"u8.ToArray(), "compress", ContentCodings.Instance, 1000);
        Assert.Equal(ActionOutcome.Done, (await bench.RunAsync("SetResponseBody", """{"body":"new"}""")).Outcome);
        Assert.Equal(("new", null, null), (Encoding.UTF8.GetString(bench.Body.Octets.Span), bench.Exchange.Response.Fields.Get("Content-Encoding"), bench.Body.ContentEncoding));
    }

    [Fact]
    public async Task SetResponseBody_File_IsReadAgainWhenItChanged()
    {
        var folder = Directory.CreateTempSubdirectory("rules");
        try
        {
            var file = Path.Combine(folder.FullName, "alt.html");
            var bench = new BodyBench { BaseDirectory = folder.FullName }.Response("old");
            var action = bench.Compile("SetResponseBody", """{"body":{"type":"File","value":"alt.html"}}""");
            Assert.Contains(bench.Problems.Items, x => x.Code == "RULE-507" && x.Message.Contains(file, StringComparison.Ordinal));
            var missing = await action.RunAsync(bench.Context, TestContext.Current.CancellationToken);
            Assert.Equal((ActionOutcome.Failed, "old"), (missing.Outcome, bench.Text));
            Assert.Contains("there is no file", missing.Detail, StringComparison.Ordinal);
            foreach (var content in new[] { "one", "second", "" })
            {
                await File.WriteAllTextAsync(file, content, TestContext.Current.CancellationToken);
                for (var i = 0; i < 2; i++)
                {
                    Assert.Equal(ActionOutcome.Done, (await action.RunAsync(bench.Context, TestContext.Current.CancellationToken)).Outcome);
                    Assert.Equal(content, bench.Text);
                }
            }
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    [Fact]
    public async Task SetResponseBody_FileAboveTheBound_Fails()
    {
        var file = Path.GetTempFileName();
        try
        {
            await File.WriteAllTextAsync(file, "123456", TestContext.Current.CancellationToken);
            var bench = new BodyBench { Environment = new() { Codings = ContentCodings.Instance, MaxLocalFile = 5 } }.Response("old");
            bench.Context.Environment = bench.Environment;
            var result = await bench.RunAsync("SetResponseBody", "{\"body\":{\"type\":\"File\",\"value\":\"" + file.Replace("\\", "\\\\", StringComparison.Ordinal) + "\"}}");
            Assert.Equal((ActionOutcome.Failed, "old"), (result.Outcome, bench.Text));
            Assert.Contains("6 octets; at most 5", result.Detail, StringComparison.Ordinal);
        }
        finally
        {
            File.Delete(file);
        }
    }

    [Fact]
    public async Task FileSource_PathOfAPeer_StaysInTheSandbox()
    {
        var folder = Directory.CreateTempSubdirectory("rules");
        try
        {
            await File.WriteAllTextAsync(Path.Combine(folder.FullName, "in"), "inside", TestContext.Current.CancellationToken);
            var bench = new BodyBench();
            foreach (var (path, isIn) in new[] { ("in", true), ("./x/../in", true), ("../in", false), ("/etc/hostname", false), ("..", false) })
            {
                var source = new RelayCore.Rules.Actions.Bodies.FileSource(Rules.Templates.Template.Literal(path), folder.FullName, isSandboxed: true);
                var result = await Record.ExceptionAsync(async () => Assert.Equal("inside", Encoding.UTF8.GetString(
                    (await source.GetAsync(null, bench.Context, TestContext.Current.CancellationToken)).Span)));
                Assert.Equal(isIn, result is null);
                Assert.True(isIn || result is IOException && result.Message.Contains("outside of the sandbox", StringComparison.Ordinal));
            }
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    [Theory]
    [InlineData("""{"body":{"type":"Base64","value":"a_b="}}""", "'_' is not a character")]
    [InlineData("""{"body":{"type":"Base64","value":"abc"}}""", "not whole")]
    [InlineData("""{"body":{"type":"Url","value":"x"}}""", "no source of a body")]
    [InlineData("""{"body":{"type":"File","value":""}}""", "name of the file is empty")]
    public void BodySource_Malformed_IsALoadError(string config, string problem)
    {
        var bench = new BodyBench();
        Assert.Null(bench.TryCompile("SetResponseBody", config));
        Assert.Contains(bench.Problems.Items, x => x.Code == "RULE-506" && x.Message.Contains(problem, StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("AppendResponseBody", "contentmore")]
    [InlineData("PrependResponseBody", "morecontent")]
    public async Task Extend_CodedBody_IsOneWhole(string type, string after)
    {
        var bench = new BodyBench().Response("content", coding: "br");
        await bench.RunAsync(type, """{"body":"more"}""");
        Assert.Equal(after, bench.Text);
        Assert.True(ContentCodings.Instance.TryDecode(bench.Body.Octets, "br", 1000, out var content, out _));
        Assert.Equal(after, Encoding.UTF8.GetString(content.Span));
        var empty = new BodyBench().Response("");
        await empty.RunAsync(type, """{"body":"more"}""");
        Assert.Equal("more", empty.Text);
        Assert.Equal(ActionOutcome.NoEffect, (await empty.RunAsync(type, """{"body":""}""")).Outcome);
    }

    [Theory]
    [InlineData("TransformResponseBody", """{"transform":{"type":"Replace","config":{"find":"a","replacement":"b"}}}""")]
    [InlineData("AppendResponseBody", """{"body":"more"}""")]
    [InlineData("InjectHtml", """{"html":"<p>"}""")]
    [InlineData("ChangeCompression", """{"encoding":"br"}""")]
    [InlineData("SetJsonResponse", """{"path":"a","value":1}""")]
    public async Task EveryEdit_ContentThatCannotBeDecoded_FailsAndHarmsNothing(string type, string config)
    {
        foreach (var (octets, coding) in new[] { ("xxxx"u8.ToArray(), "gzip"), ("xxxx"u8.ToArray(), "compress"), (ContentCodings.Instance.Encode(new byte[100], "gzip")[..15].ToArray(), "gzip") })
        {
            var bench = new BodyBench();
            bench.Exchange.Response.Fields.Add("Content-Type", "text/html");
            bench.Exchange.Response.Fields.Add("Content-Encoding", coding);
            bench.Context.Body = new(octets, coding, ContentCodings.Instance, 1000);
            var changes = bench.Exchange.Response.Fields.ChangeCount;
            var result = await bench.RunAsync(type, config);
            Assert.Equal(ActionOutcome.Failed, result.Outcome);
            Assert.StartsWith("the content cannot be decoded", result.Detail, StringComparison.Ordinal);
            Assert.Equal(octets, bench.Body.Octets.ToArray());
            Assert.Equal((false, changes), (bench.Body.IsReplaced, bench.Exchange.Response.Fields.ChangeCount));
        }
    }

    [Theory]
    [InlineData("Replace", """{"find":"é","replacement":"e"}""", "text/plain", "café é", "cafe e", ActionOutcome.Done)]
    [InlineData("Replace", """{"find":"x","replacement":""}""", "text/plain", "axbx", "ab", ActionOutcome.Done)]
    [InlineData("Replace", """{"find":"zz","replacement":""}""", "text/plain", "axbx", "axbx", ActionOutcome.NoEffect)]
    [InlineData("Replace", """{"find":"a","replacement":"a"}""", "text/plain", "axbx", "axbx", ActionOutcome.NoEffect)]
    [InlineData("RegexReplace", """{"pattern":"foo(\\d)","replacement":"bar$1"}""", null, "foo1 foo", "bar1 foo", ActionOutcome.Done)]
    [InlineData("RegexReplace", """{"pattern":"(?P<n>\\w+)@(\\w+)","replacement":"${n} $2 $$1 $&"}""", null, "a@é", "a é $1 a@é", ActionOutcome.Done)]
    [InlineData("RegexReplace", """{"pattern":"([(](a))(?<x>b)(?:c)(\\()","replacement":"$1|$2|$3|$4|$x"}""", null, "(abc(", "(a|a|b|(|$x", ActionOutcome.Done)]
    [InlineData("RegexReplace", """{"pattern":"É","replacement":"e","ignore_case":true}""", null, "Éé", "ee", ActionOutcome.Done)]
    [InlineData("RegexReplace", """{"pattern":"^$","replacement":"was empty"}""", null, "", "was empty", ActionOutcome.Done)]
    [InlineData("RegexReplace", """{"pattern":"x","replacement":""}""", null, "", "", ActionOutcome.NoEffect)]
    [InlineData("JsonPathSet", """{"path":"$.user.plan","value":"\"pro\""}""", null, """{ "user": {"plan": "free", "n": 1.0} }""", """{ "user": {"plan": "pro", "n": 1.0} }""", ActionOutcome.Done)]
    [InlineData("JsonPathSet", """{"path":"a","value":"not json"}""", null, "{}", """{"a":"not json"}""", ActionOutcome.Done)]
    [InlineData("JsonPathSet", """{"path":"a","value":" [1, 2] "}""", null, "{}", """{"a":[1, 2]}""", ActionOutcome.Done)]
    [InlineData("JsonPathSet", """{"path":"a","value":{"x":[1.0,null,true,"<ä>"]}}""", null, "{}", """{"a":{"x":[1.0,null,true,"<ä>"]}}""", ActionOutcome.Done)]
    [InlineData("JsonPathSet", """{"path":"a","value":1}""", null, "<xml/>", "<xml/>", ActionOutcome.NoEffect)]
    [InlineData("JsonPathDelete", """{"path":"$.a"}""", null, """{"a":1,"b":2}""", """{"b":2}""", ActionOutcome.Done)]
    [InlineData("JsonPathDelete", """{"path":"$.c"}""", null, """{"a":1,"b":2}""", """{"a":1,"b":2}""", ActionOutcome.NoEffect)]
    public async Task Transform_Content_ChangesOnlyWhatIsMeant(string type, string config, string? contentType, string before, string after, ActionOutcome outcome)
    {
        foreach (var coding in new[] { null, "gzip", "br", "zstd" })
        {
            var bench = new BodyBench().Response(before, contentType, coding);
            var result = await bench.RunAsync("TransformResponseBody", "{\"transform\":{\"type\":\"" + type + "\",\"config\":" + config + "}}");
            Assert.Equal((outcome, after, outcome == ActionOutcome.Done), (result.Outcome, bench.Text, bench.Body.IsReplaced));
            Assert.Equal(outcome == ActionOutcome.NoEffect, result.Detail?.Length > 0 && !result.Detail.EndsWith("replaced", StringComparison.Ordinal));
        }
    }

    [Theory]
    [InlineData("text/plain; charset=iso-8859-1", new byte[] { 0xE9, 0x20, 0xFF }, "é", "ö", new byte[] { 0xF6, 0x20, 0xFF })]
    [InlineData("text/plain; charset=shift_jis", new byte[] { 0x93, 0xFA, 0x41 }, "日", "本", new byte[] { 0x96, 0x7B, 0x41 })]
    [InlineData("text/plain; charset=utf-16le", new byte[] { 0x41, 0, 0x42, 0 }, "A", "Z", new byte[] { 0x5A, 0, 0x42, 0 })]
    [InlineData("application/octet-stream", new byte[] { 0xFF, 0x41, 0xC3, 0 }, "A", "BB", new byte[] { 0xFF, 0x42, 0x42, 0xC3, 0 })]
    [InlineData(null, new byte[] { 0xEF, 0xBB, 0xBF, 0x41 }, "A", "ä", new byte[] { 0xEF, 0xBB, 0xBF, 0xC3, 0xA4 })]
    [InlineData(null, new byte[] { 0xFF, 0xFE, 0x41, 0 }, "A", "B", new byte[] { 0xFF, 0xFE, 0x42, 0 })]
    public async Task Transform_Charset_OctetsThatAreNotMeantStay(string? type, byte[] before, string find, string replacement, byte[] after)
    {
        var bench = new BodyBench().Response(before, type);
        await bench.RunAsync("TransformResponseBody", "{\"transform\":{\"type\":\"Replace\",\"config\":{\"find\":\"" + find + "\",\"replacement\":\"" + replacement + "\"}}}");
        Assert.Equal(after, bench.Body.Octets.ToArray());
    }

    [Fact]
    public async Task Transform_CharacterTheCharsetDoesNotHave_FailsAndHarmsNothing()
    {
        var bench = new BodyBench().Response([0xE9, 0x41], "text/plain; charset=iso-8859-1");
        var result = await bench.RunAsync("TransformResponseBody", """{"transform":{"type":"Replace","config":{"find":"A","replacement":"漢"}}}""");
        Assert.Equal(ActionOutcome.Failed, result.Outcome);
        Assert.Contains("U+6F22 does not exist in iso-8859-1", result.Detail, StringComparison.Ordinal);
        Assert.Equal([0xE9, 0x41], bench.Body.Octets.ToArray());
    }

    [Theory]
    [InlineData("RegexReplace", """{"pattern":"(a","replacement":""}""", "not a regex")]
    [InlineData("RegexReplace", """{"pattern":"(?<=a)b","replacement":""}""", "linear-time")]
    [InlineData("RegexReplace", """{"pattern":"","replacement":""}""", "empty")]
    [InlineData("RegexReplace", """{"pattern":"a"}""", "needs 'replacement'")]
    [InlineData("RegexReplace", """{"pattern":"a","replacement":"${x}"}""", "group 'x'")]
    [InlineData("Replace", """{"find":"","replacement":""}""", "empty")]
    [InlineData("Replace", """{"find":"a","replacement":"","path":"x"}""", "has no 'path'")]
    [InlineData("JsonPathSet", """{"path":"$..a","value":1}""", "'..'")]
    [InlineData("JsonPathSet", """{"path":"$.a"}""", "needs 'value'")]
    [InlineData("JsonMerge", """{"merge":[1]}""", "is an object")]
    public void Transform_Malformed_IsALoadError(string type, string config, string problem)
    {
        var bench = new BodyBench();
        Assert.Null(bench.TryCompile("TransformResponseBody", "{\"transform\":{\"type\":\"" + type + "\",\"config\":" + config + "}}"));
        Assert.Contains(bench.Problems.Items, x => x.Message.Contains(problem, StringComparison.Ordinal));
    }

    [Theory]
    [InlineData(null, "gzip", "gzip")]
    [InlineData("gzip", "br", "br")]
    [InlineData("br", "zstd", "zstd")]
    [InlineData("zstd", "deflate", "deflate")]
    [InlineData("gzip", "identity", null)]
    [InlineData("gzip, br", "identity", null)]
    public async Task ChangeCompression_FromAnyToAny_KeepsTheContent(string? before, string to, string? after)
    {
        var content = string.Concat(Enumerable.Repeat("content ", 50));
        var bench = new BodyBench().Response(content, "text/plain", before);
        var fields = bench.Exchange.Response.Fields;
        fields.Add("ETag", "\"1\"");
        fields.Add("Vary", "Origin");
        Assert.Equal(ActionOutcome.Done, (await bench.RunAsync("ChangeCompression", "{\"encoding\":\"" + to + "\"}")).Outcome);
        Assert.Equal((after, "W/\"1\"", "Origin, Accept-Encoding"), (fields.Get("Content-Encoding"), fields.Get("ETag"), fields.Get("Vary")));
        Assert.True(ContentCodings.Instance.TryDecode(bench.Body.Octets, after, 10_000, out var decoded, out _));
        Assert.Equal(content, Encoding.UTF8.GetString(decoded.Span));

        // What follows in the same stage sees it in the new coding.
        await bench.RunAsync("AppendResponseBody", """{"body":"!"}""");
        Assert.True(ContentCodings.Instance.TryDecode(bench.Body.Octets, after, 10_000, out decoded, out _));
        Assert.Equal(content + "!", Encoding.UTF8.GetString(decoded.Span));
        Assert.Equal(ActionOutcome.NoEffect, (await bench.RunAsync("ChangeCompression", "{\"encoding\":\"" + to + "\"}")).Outcome);
    }

    [Fact]
    public async Task ChangeCompression_WhereItCannotBe_HasNoEffect()
    {
        var empty = new BodyBench().Response("");
        Assert.Equal(ActionOutcome.NoEffect, (await empty.RunAsync("ChangeCompression", """{"encoding":"gzip"}""")).Outcome);
        var part = new BodyBench().Response("part");
        part.Exchange.Response.Status = 206;
        Assert.Contains("206", (await part.RunAsync("ChangeCompression", """{"encoding":"gzip"}""")).Detail, StringComparison.Ordinal);
        Assert.False(part.Body.IsReplaced);
        var request = new BodyBench(RuleStage.RequestBody).Request("content");
        await request.RunAsync("ChangeCompression", """{"encoding":"gzip"}""");
        Assert.Equal(("gzip", null), (request.Exchange.Request.Fields.Get("Content-Encoding"), request.Exchange.Request.Fields.Get("Vary")));
    }

    [Fact]
    public void TakeBack_AfterAChangeOfCoding_IsAsBefore()
    {
        var body = new MessageBody(ContentCodings.Instance.Encode("x"u8.ToArray(), "gzip"), "gzip", ContentCodings.Instance, 1000);
        var (octets, coding) = (body.Octets, body.ContentEncoding);
        body.ReplaceContent("y"u8.ToArray(), "br");
        Assert.Equal("y"u8.ToArray(), body.Content.ToArray());
        body.TakeBack(octets, false, coding);
        Assert.Equal(("gzip", "x", false), (body.ContentEncoding, Encoding.UTF8.GetString(body.Content.Span), body.IsReplaced));
    }

    [Theory]
    [InlineData("SetJsonRequest", RuleStage.RequestBody)]
    [InlineData("SetJsonResponse", RuleStage.ResponseBody)]
    public async Task SetJson_IsTheTransform(string type, RuleStage stage)
    {
        var bench = stage == RuleStage.RequestBody ? new BodyBench(stage).Request("""{"a":1}""") : new BodyBench(stage).Response("""{"a":1}""");
        await bench.RunAsync(type, """{"path":"$.b.c","value":"x"}""");
        Assert.Equal("""{"a":1,"b":{"c":"x"}}""", bench.Text);
    }
}
