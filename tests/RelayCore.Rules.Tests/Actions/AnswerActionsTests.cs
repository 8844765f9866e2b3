using System.Text;
using RelayCore.Rules.Actions;
using RelayCore.Rules.Templates;
using Xunit;

namespace RelayCore.Rules.Tests.Actions;

/// <summary>Actions that answer instead of the server.</summary>
public sealed class AnswerActionsTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("relaycore-answers-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task Mock_BodyAsString_IsTextWithTemplates()
    {
        var answer = await new ActionBench().AnswerAsync("MockResponse", """{"body":"OK {{request.path}} ü"}""");
        Assert.Equal((200, "OK /a ü"), (answer.Status, Encoding.UTF8.GetString(answer.Body.Span)));
        Assert.Equal([new("Content-Type", "text/plain; charset=utf-8")], answer.Fields);
    }

    [Fact]
    public async Task Mock_HeadersReasonAndBase64_AreSent()
    {
        var answer = await new ActionBench().AnswerAsync("MockResponse",
            """{"status":418,"reason":"Tea {{rule.id}}","headers":{"X-Ip":"{{ip}}","content-type":"a/b"},"body":{"type":"Base64","value":"AAH/"}}""");
        Assert.Equal((418, "Tea r1"), (answer.Status, answer.Reason));
        Assert.Equal([new("X-Ip", "10.1.2.3"), new("content-type", "a/b")], answer.Fields);
        Assert.Equal([0, 1, 255], answer.Body.ToArray());
    }

    [Fact]
    public async Task Mock_NamesThatRepeat_StayInOrder()
    {
        var answer = await new ActionBench().AnswerAsync("MockResponse", """{"headers":[["Set-Cookie","a=1"],["Set-Cookie","b=2"]]}""");
        Assert.Equal([new("Set-Cookie", "a=1"), new("Set-Cookie", "b=2")], answer.Fields);
        Assert.True(answer.Body.IsEmpty);
    }

    [Fact]
    public async Task Mock_File_IsReadAgainWhenItChanged()
    {
        var file = Path.Combine(_folder, "r1.json");
        await File.WriteAllTextAsync(file, "{}", TestContext.Current.CancellationToken);
        var bench = new ActionBench { Directory = _folder };
        var action = bench.Compile("MockResponse", """{"body":{"type":"File","value":"{{rule.id}}.json"}}""")!;
        var fixedPath = bench.Compile("MockResponse", """{"body":{"type":"File","value":"r1.json"}}""")!;
        Assert.Empty(bench.Problems.Items);
        async Task<(string, string)> Get(RuleAction one)
        {
            var result = await one.RunAsync(bench.Context, TestContext.Current.CancellationToken);
            var answer = Assert.IsType<Core.Interception.Verdict.Respond>(result.Verdict);
            return (answer.Fields[0].Value, Encoding.UTF8.GetString(answer.Body.Span));
        }

        Assert.Equal(("application/octet-stream", "{}"), await Get(action));
        Assert.Equal(("application/json", "{}"), await Get(fixedPath));
        await File.WriteAllTextAsync(file, "{\"a\":1}", TestContext.Current.CancellationToken);
        Assert.Equal(("application/octet-stream", "{\"a\":1}"), await Get(action));
        Assert.Equal(("application/json", "{\"a\":1}"), await Get(fixedPath));
        File.Delete(file);
        Assert.Equal(ActionOutcome.Failed, (await fixedPath.RunAsync(bench.Context, TestContext.Current.CancellationToken)).Outcome);
    }

    [Theory]
    [InlineData("MockResponse", """{"body":{"type":"Base64","value":"!"}}""", "RULE-418")]
    [InlineData("MockResponse", """{"body":{"type":"File","value":"../x"}}""", "RULE-416")]
    [InlineData("MockResponse", """{"headers":{"a b":"c"}}""", "RULE-410")]
    [InlineData("MockResponse", """{"headers":{"a":"c\n"}}""", "RULE-411")]
    [InlineData("MockResponse", """{"headers":{"Content-Length":"3"}}""", "RULE-408")]
    [InlineData("MockResponse", """{"status":204,"body":"x"}""", "RULE-412")]
    [InlineData("MockResponse", """{"body":"{{nope}}"}""", "RULE-401")]
    [InlineData("MockSequence", """{"responses":[]}""", "RULE-419")]
    [InlineData("Redirect", """{"location":"/","status":304}""", "RULE-415")]
    [InlineData("Redirect", """{"location":"/","status":399}""", "RULE-415")]
    public void Compile_BadConfig_IsAProblem(string type, string config, string code)
    {
        var bench = new ActionBench { Directory = _folder };
        bench.Compile(type, config);
        Assert.Equal(code, Assert.Single(bench.Problems.Items).Code);
    }

    [Fact]
    public async Task Mock_HeaderWithLineEnd_Fails()
    {
        var bench = new ActionBench();
        bench.Exchange.SetVariable("who", "a\r\nB: c");
        await Assert.ThrowsAsync<TemplateException>(() => bench.RunAsync("MockResponse", """{"headers":{"X":"{{who}}"}}"""));
    }

    [Theory]
    [InlineData("last", "503 200 200 200 200")]
    [InlineData("cycle", "503 200 503 200 503")]
    [InlineData("continue", "503 200 - - -")]
    public async Task Sequence_AnswersOneAfterTheOther(string after, string expected)
    {
        var bench = new ActionBench();
        var config = """{"responses":[{"status":503},{"status":200,"body":"{{rule.id}}"}],"after":"AFTER"}""".Replace("AFTER", after, StringComparison.Ordinal);
        var statuses = new List<string>();
        for (var i = 0; i < 5; i++)
        {
            // Compiled anew each time, as a file that is loaded again: the sequence goes on.
            var result = await bench.RunAsync("MockSequence", config);
            statuses.Add(result.Verdict is Core.Interception.Verdict.Respond answer ? FormattableString.Invariant($"{answer.Status}") : "-");
        }

        Assert.Equal(expected, string.Join(' ', statuses));
    }

    [Theory]
    [InlineData("""{"location":"https://o.test{{request.path}}?ü"}""", 302, "https://o.test/a?%C3%BC")]
    [InlineData("""{"location":"/b","status":308}""", 308, "/b")]
    public async Task Redirect_SendsLocation(string config, int status, string location)
    {
        var answer = await new ActionBench().AnswerAsync("Redirect", config);
        Assert.Equal(status, answer.Status);
        Assert.Equal([new("Location", location)], answer.Fields);
    }

    [Fact]
    public async Task Redirect_LocationWithLineEnd_Fails()
    {
        var bench = new ActionBench();
        bench.Exchange.SetVariable("who", "/\r\nX: y");
        Assert.Equal(ActionOutcome.Failed, (await bench.RunAsync("Redirect", """{"location":"{{who}}"}""")).Outcome);
    }

    [Fact]
    public async Task ErrorResponse_IsProblemJson()
    {
        var answer = await new ActionBench().AnswerAsync("ErrorResponse", """{"kind":"unavailable","detail":"\"{{rule.id}}\""}""");
        Assert.Equal((503, """{"type":"about:blank","title":"Service Unavailable","status":503,"detail":"\u0022r1\u0022"}"""), (answer.Status, Encoding.UTF8.GetString(answer.Body.Span)));
        Assert.Equal([new("Content-Type", "application/problem+json")], answer.Fields);
    }
}
