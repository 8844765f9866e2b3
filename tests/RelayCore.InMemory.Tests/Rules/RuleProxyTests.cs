using System.Globalization;
using System.Text;
using RelayCore.Core.Interception;
using RelayCore.Core.Messages;
using RelayCore.Formats;
using RelayCore.Protocols;
using RelayCore.Rules;
using RelayCore.Rules.Actions;
using RelayCore.Rules.Execution;
using RelayCore.Rules.Filters;
using RelayCore.Testing;
using Xunit;
using static RelayCore.InMemory.Tests.Rules.HandmadeRules;

namespace RelayCore.InMemory.Tests.Rules;

/// <summary>Rules in a whole proxy, by the octets both sides receive over HTTP/1.</summary>
public sealed class RuleProxyTests
{
    private const string Get = "GET http://origin.test/ HTTP/1.1\r\nHost: origin.test\r\n\r\n";
    private const string Sized = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\nX-A: 1\r\n\r\nabcdef";
    private const string Chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX-A: 1\r\n\r\n3\r\nabc\r\n3\r\ndef\r\n0\r\n\r\n";

    private static Task<TestProxy> StartAsync(RuleInterceptor rules) => TestProxy.StartAsync(x => x with { Interceptors = [rules] });

    [Fact]
    public async Task Heads_EditsOfRules_GoOnTheWireAndAreRecordedUnderTheirNames()
    {
        await using var proxy = await StartAsync(Of(
            ("a", RuleStage.RequestHeaders, x => Done(() => x.Exchange!.Request.Fields.Add("X-1", "a"))),
            ("b", RuleStage.RequestHeaders, x => Done(() => x.Exchange!.Request.Fields.Add("X-2", "b"))),
            ("fails", RuleStage.RequestHeaders, x =>
            {
                x.Exchange!.Request.Fields.Remove("Host");
                return ActionResult.Failed("no");
            }
        ),
            ("c", RuleStage.ResponseHeaders, x => Done(() => x.Exchange!.Response.Fields.Set("X-A", "2")))));
        var (atServer, atClient) = await proxy.ExchangeAsync(proxy.Connect(), proxy.Origin(), Get, Sized);
        Assert.Equal("GET / HTTP/1.1\r\nHost: origin.test\r\nX-1: a\r\nX-2: b\r\n\r\n", atServer);
        Assert.Equal(Sized.Replace("X-A: 1", "X-A: 2", StringComparison.Ordinal), atClient);
        var flow = await proxy.FlowAsync();
        Assert.Equal(
            [("rule:a", "request_head", "request.headers.X-1"), ("rule:b", "request_head", "request.headers.X-2"), ("rule:c", "response_head", "response.headers.X-A")],
            flow.Mutations!.Select(x => (x.Actor, x.Stage, x.Target)));
        Assert.Contains("rule_failed:fails", flow.Tags);
    }

    [Fact]
    public async Task RequestHead_Answered_NamesTheRule()
    {
        await using var proxy = await StartAsync(Of(("mock", RuleStage.RequestHeaders, _ => ActionResult.Terminal(new Verdict.Respond(200, [], "OK"u8.ToArray())))));
        var client = proxy.Connect();
        await client.SendAsync(Get);
        Assert.Equal("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK", await client.ReadMessageAsync());
        Assert.Empty(proxy.Network.Connects);
        Assert.Contains((await proxy.FlowAsync()).Mutations!, x => x is { Actor: "rule:mock", Target: "verdict" });
    }

    [Theory]
    [InlineData(Sized)]
    [InlineData(Chunked)]
    public async Task ResponseBody_EditedOnItsWay_IsFramedAnew(string response)
    {
        await using var proxy = await StartAsync(Of(("up", RuleStage.ResponseHeaders, x => Done(() => x.State.Transform(PeerRole.Server, new Upper())))));
        var (_, atClient) = await proxy.ExchangeAsync(proxy.Connect(), proxy.Origin(), Get, response);
        var (head, body) = Dechunk(atClient);
        Assert.Equal("ABCDEF!", body);
        Assert.DoesNotContain("Content-Length", head, StringComparison.Ordinal);
        var flow = await proxy.FlowAsync();
        Assert.Contains(flow.Mutations!, x => x is { Actor: "rule:up", Target: "response.body" });
        Assert.Equal("ABCDEF!", flow.Http().Response!.Body!.Content);
    }

    [Fact]
    public async Task RequestBody_EditedOnItsWay_IsFramedAnew()
    {
        await using var proxy = await StartAsync(Of(("up", RuleStage.RequestHeaders, x => Done(() => x.State.Transform(PeerRole.Client, new Upper())))));
        var (atServer, _) = await proxy.ExchangeAsync(
            proxy.Connect(), proxy.Origin(), "POST http://origin.test/ HTTP/1.1\r\nHost: origin.test\r\nContent-Length: 3\r\n\r\nabc", Sized);
        Assert.Equal("ABC!", Dechunk(atServer).Body);
    }

    [Fact]
    public async Task RequestBody_OfHttp10_IsNotEditedAndSaysSo()
    {
        await using var proxy = await StartAsync(Of(("up", RuleStage.RequestHeaders, x => Done(() => x.State.Transform(PeerRole.Client, new Upper())))));
        var (atServer, _) = await proxy.ExchangeAsync(
            proxy.Connect(), proxy.Origin(), "POST http://origin.test/ HTTP/1.0\r\nHost: origin.test\r\nContent-Length: 3\r\n\r\nabc", Sized);
        Assert.EndsWith("\r\n\r\nabc", atServer, StringComparison.Ordinal);
        Assert.Equal(["rule_failed:up"], (await proxy.FlowAsync()).Tags);
    }

    [Fact]
    public async Task ResponseBody_CodedAndEditedOnItsWay_IsCodedAnew()
    {
        await using var proxy = await StartAsync(Of(("up", RuleStage.ResponseHeaders, x => Done(() => x.State.Transform(PeerRole.Server, new Upper())))));
        var zipped = new ContentCodings().Encode("hello hello hello"u8.ToArray(), "gzip");
        var response = $"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {zipped.Length}\r\n\r\n{Encoding.Latin1.GetString(zipped.Span)}";
        var (_, atClient) = await proxy.ExchangeAsync(proxy.Connect(), proxy.Origin(), Get, response);
        var (head, body) = Dechunk(atClient);
        Assert.Contains("Content-Encoding: gzip", head, StringComparison.Ordinal);
        Assert.True(new ContentCodings().TryDecode(Encoding.Latin1.GetBytes(body), "gzip", 1000, out var content, out var problem), problem);
        Assert.Equal("HELLO HELLO HELLO!", Encoding.ASCII.GetString(content.Span));
    }

    [Theory]
    [InlineData(Sized)]
    [InlineData(Chunked)]
    public async Task ResponseHeaders_BodySetForLater_IsSentWithItsLength(string response)
    {
        await using var proxy = await StartAsync(Of(("set", RuleStage.ResponseHeaders, x => Done(() => x.State.Later(RuleStage.ResponseBody, new SetBody("other"))))));
        var (_, atClient) = await proxy.ExchangeAsync(proxy.Connect(), proxy.Origin(), Get, response);
        Assert.Equal("HTTP/1.1 200 OK\r\nX-A: 1\r\nContent-Length: 5\r\n\r\nother", atClient);
        Assert.Contains((await proxy.FlowAsync()).Mutations!, x => x is { Actor: "rule:set", Target: "response.body", Before: "6 octets", After: "5 octets" });
    }

    [Fact]
    public async Task ResponseBody_HeldForAnotherInterceptor_IsEditedFirst()
    {
        var seen = "";
        await using var proxy = await TestProxy.StartAsync(x => x with
        {
            Interceptors =
            [
                Of(("up", RuleStage.ResponseHeaders, y => Done(() => y.State.Transform(PeerRole.Server, new Upper())))),
                new Reader { Read = y => seen = Encoding.ASCII.GetString(y.Content.Span) },
            ],
        });
        var (_, atClient) = await proxy.ExchangeAsync(proxy.Connect(), proxy.Origin(), Get, Chunked);
        Assert.Equal(("ABCDEF!", "HTTP/1.1 200 OK\r\nX-A: 1\r\nContent-Length: 7\r\n\r\nABCDEF!"), (seen, atClient));
        Assert.Contains((await proxy.FlowAsync()).Mutations!, x => x is { Actor: "rule:up", Target: "response.body", Before: "6 octets", After: "7 octets" });
    }

    [Fact]
    public async Task ResponseBody_RulesThatCannotMatch_LeaveTheBodyAlone()
    {
        await using var proxy = await StartAsync(Of(
            new NotCondition(AllCondition.Instance), ("never", RuleStage.ResponseBody, x => Done(() => x.Body!.ReplaceContent("no"u8.ToArray())))));
        var (_, atClient) = await proxy.ExchangeAsync(proxy.Connect(), proxy.Origin(), Get, Chunked);
        Assert.Equal(Chunked, atClient);
    }

    [Fact]
    public async Task ResponseBody_OverTheLimit_FlowsAndItsRulesSaySo()
    {
        await using var proxy = await TestProxy.StartAsync(x => x with
        {
            Interceptors = [Of(("b", RuleStage.ResponseBody, y => Done(() => y.Body!.ReplaceContent("no"u8.ToArray()))))],
            Limits = x.Limits with { MaxBufferedBody = 4 },
        });
        var (_, atClient) = await proxy.ExchangeAsync(proxy.Connect(), proxy.Origin(), Get, Sized);
        Assert.Equal(Sized, atClient);
        Assert.Equal(["rule_skipped:body_truncated", "rule_skipped:ResponseBody"], (await proxy.FlowAsync()).Tags);
    }

    [Fact]
    public async Task RequestBody_OverTheLimit_FlowsAndItsRulesSaySoBeforeTheAnswer()
    {
        await using var proxy = await TestProxy.StartAsync(x => x with
        {
            Interceptors = [Of(("b", RuleStage.RequestBody, y => Done(() => y.Body!.ReplaceContent("no"u8.ToArray()))))],
            Limits = x.Limits with { MaxBufferedBody = 2 },
        });
        var (atServer, _) = await proxy.ExchangeAsync(
            proxy.Connect(), proxy.Origin(), "POST http://origin.test/ HTTP/1.1\r\nHost: origin.test\r\nContent-Length: 3\r\n\r\nabc", Sized);
        Assert.Equal("POST / HTTP/1.1\r\nHost: origin.test\r\nContent-Length: 3\r\n\r\nabc", atServer);
        Assert.Equal(["rule_skipped:body_truncated", "rule_skipped:RequestBody"], (await proxy.FlowAsync()).Tags);
    }

    [Fact]
    public async Task ResponseHeaders_CodedBodySetForLater_IsCodedAnew()
    {
        await using var proxy = await StartAsync(Of(("set", RuleStage.ResponseHeaders, x => Done(() => x.State.Later(RuleStage.ResponseBody, new SetBody("other"))))));
        var zipped = new ContentCodings().Encode("hello"u8.ToArray(), "gzip");
        var response = $"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {zipped.Length}\r\n\r\n{Encoding.Latin1.GetString(zipped.Span)}";
        var (_, atClient) = await proxy.ExchangeAsync(proxy.Connect(), proxy.Origin(), Get, response);
        var expected = Encoding.Latin1.GetString(new ContentCodings().Encode("other"u8.ToArray(), "gzip").Span);
        Assert.Equal($"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {expected.Length}\r\n\r\n{expected}", atClient);
    }

    [Fact]
    public async Task Completed_ATag_IsInTheRecord()
    {
        await using var proxy = await StartAsync(Of(("end", RuleStage.Completed, x => Done(() => x.Flow.SetTag("over:" + x.Exchange!.Response.Status)))));
        await proxy.ExchangeAsync(proxy.Connect(), proxy.Origin(), Get, Sized);
        var flow = await proxy.FlowAsync();
        Assert.Equal(["over:200"], flow.Tags);
        Assert.Equal(["end"], flow.MatchedRules);
    }

    [Fact]
    public async Task SetInterceptors_WhileAnExchangeRuns_IsForTheNextOne()
    {
        await using var proxy = await StartAsync(Of(
            ("old", RuleStage.RequestHeaders, x => Done(() => x.Exchange!.Request.Fields.Add("X", "old"))), ("old", RuleStage.ResponseHeaders, x => Done(() => x.Exchange!.Response.Fields.Add("X", "old")))));
        var (client, origin) = (proxy.Connect(), proxy.Origin());
        await client.SendAsync(Get);
        var server = await origin.AcceptAsync();
        Assert.Contains("X: old", await server.ReadMessageAsync(), StringComparison.Ordinal);
        proxy.Engine.SetInterceptors([Of(("new", RuleStage.RequestHeaders, x => Done(() => x.Exchange!.Request.Fields.Add("X", "new"))))]);
        await server.SendAsync(Sized);
        Assert.Contains("X: old", await client.ReadMessageAsync(), StringComparison.Ordinal);
        var (atServer, atClient) = await proxy.ExchangeAsync(client, server, Get, Sized);
        Assert.Contains("X: new", atServer, StringComparison.Ordinal);
        Assert.Equal(Sized, atClient);
    }

    private static (string Head, string Body) Dechunk(string message)
    {
        var end = message.IndexOf("\r\n\r\n", StringComparison.Ordinal) + 4;
        Assert.Contains("Transfer-Encoding: chunked", message[..end], StringComparison.OrdinalIgnoreCase);
        var body = new StringBuilder();
        for (var at = end; ;)
        {
            var line = message.IndexOf("\r\n", at, StringComparison.Ordinal);
            var length = int.Parse(message[at..line], NumberStyles.HexNumber, CultureInfo.InvariantCulture);
            if (length == 0)
            {
                Assert.Equal("\r\n\r\n", message[line..]);
                return (message[..end], body.ToString());
            }

            body.Append(message, line + 2, length);
            at = line + 2 + length + 2;
        }
    }

    private sealed class Reader : IInterceptor
    {
        public required Action<MessageBody> Read { get; init; }

        public string Name => "reader";

        public InterceptorNeeds Needs { get; } = new() { Stages = Stage.ResponseBody };

        public ValueTask<Verdict> OnResponseBodyAsync(Exchange exchange, MessageBody body, CancellationToken cancellationToken)
        {
            Read(body);
            return new(Verdict.Continue);
        }
    }
}
