using System.Net;
using System.Text;
using RelayCore.Core.Connections;
using RelayCore.Core.Interception;
using RelayCore.Formats;
using RelayCore.Protocols;
using RelayCore.Rules.Actions;
using RelayCore.Rules.Execution;
using Xunit;

namespace RelayCore.Rules.Tests.Actions;

/// <summary>Actions on the flow as a whole, and on rates.</summary>
public sealed class FlowActionsTests
{
    [Fact]
    public async Task DropAndAbort_EndTheStage()
    {
        var drop = await new ActionBench().RunAsync("Drop");
        Assert.Equal((ActionOutcome.Terminal, new Verdict.Drop("dropped by rule r1")), (drop.Outcome, drop.Verdict));
        var abort = await new ActionBench().RunAsync("Abort");
        Assert.Equal(new Verdict.Abort("aborted by rule r1"), abort.Verdict);
    }

    [Fact]
    public async Task DropAndAbort_OfAMessage_DiscardItAndAbortCloses()
    {
        var (bench, session) = Messages();
        await bench.RunAsync("Drop");
        Assert.True(bench.Context.Message!.IsDropped);
        Assert.Null(session.Closed);
        (bench, session) = Messages();
        await bench.RunAsync("Abort");
        Assert.True(bench.Context.Message!.IsDropped);
        Assert.Equal(1008, session.Closed);
    }

    [Fact]
    public async Task TagMarkCommentVariable_AreOnTheFlow()
    {
        var bench = new ActionBench();
        await bench.RunAsync("Tag", """{"key":"k{{client.port}}","value":"{{ip}}"}""");
        await bench.RunAsync("SetVariable", """{"name":"who","value":"w{{client.port}}"}""");
        await bench.RunAsync("Mark", """{"marker":"★{{who}}"}""");
        await bench.RunAsync("Comment", """{"text":"c{{variable.who}}"}""");
        Assert.Equal(["k5555:10.1.2.3"], bench.Exchange.Tags);
        Assert.Equal(("w5555", "★w5555", "cw5555"), (bench.Exchange.Variables["who"], bench.Exchange.Marker, bench.Exchange.Comment));
        bench.Exchange.Begin(default, bench.Exchange.Client);
        Assert.Equal((null, null), (bench.Exchange.Marker, bench.Exchange.Comment));
    }

    [Fact]
    public async Task SetVariable_LongerThanItsBound_Fails()
    {
        var bench = new ActionBench();
        bench.Exchange.SetVariable("who", new('x', 40_000));
        var result = await bench.RunAsync("SetVariable", """{"name":"who","value":"{{who}}{{who}}"}""");
        Assert.Equal(ActionOutcome.Failed, result.Outcome);
        Assert.Equal(40_000, bench.Exchange.Variables["who"].Length);
    }

    [Theory]
    [InlineData("SetVariable", """{"name":"a b","value":""}""", "RULE-419", true)]
    [InlineData("SetVariable", """{"name":"host","value":""}""", "RULE-407", false)]
    [InlineData("CallScript", """{"name":"sign"}""", "RULE-417", true)]
    public void Compile_BadConfig_IsAProblem(string type, string config, string code, bool isError)
    {
        var bench = new ActionBench();
        Assert.Equal(isError, bench.Compile(type, config) is null);
        Assert.Equal((code, isError), (Assert.Single(bench.Problems.Items).Code, bench.Problems.HasErrors));
    }

    [Fact]
    public async Task CallScript_CallsAndTakesItsVerdict()
    {
        var functions = new Functions();
        var bench = new ActionBench(environment: t => new() { Codings = new ContentCodings(), Time = t, Functions = functions });
        Assert.Null(bench.Compile("CallScript", """{"name":"other"}"""));
        bench = new ActionBench(environment: t => new() { Codings = new ContentCodings(), Time = t, Functions = functions });
        Assert.Equal(ActionOutcome.Done, (await bench.RunAsync("CallScript", """{"name":"sign"}""")).Outcome);
        functions.Verdict = new Verdict.Drop("by script");
        var result = await bench.RunAsync("CallScript", """{"name":"sign"}""");
        Assert.Equal((ActionOutcome.Terminal, functions.Verdict, 2), (result.Outcome, result.Verdict, functions.Calls));
    }

    [Theory]
    [InlineData(RuleStage.RequestHeaders, ":request_headers")]
    [InlineData(RuleStage.RequestBody, ":request_body")]
    [InlineData(RuleStage.ResponseHeaders, ":response_headers")]
    [InlineData(RuleStage.ResponseBody, ":response_body")]
    [InlineData(RuleStage.WebSocketMessage, ":ws_msg:1")]
    public async Task Breakpoint_PausesWithItsKeyAndTakesTheDecision(RuleStage stage, string key)
    {
        var breakpoints = new Breakpoints();
        var bench = new ActionBench(stage: stage, environment: t => new() { Codings = new ContentCodings(), Time = t, Breakpoints = breakpoints });
        var result = await bench.RunAsync("Inspect");
        Assert.Equal((ActionOutcome.Done, "resumed"), (result.Outcome, result.Detail));
        Assert.Equal((bench.Exchange.Id + key, TimeSpan.FromSeconds(60)), breakpoints.Last);
        breakpoints.Verdict = new Verdict.Drop("person");
        result = await bench.RunAsync("Breakpoint", """{"timeout_ms":5}""");
        Assert.Equal((ActionOutcome.Terminal, breakpoints.Verdict), (result.Outcome, result.Verdict));
        Assert.Equal(TimeSpan.FromMilliseconds(5), breakpoints.Last.Timeout);
    }

    [Fact]
    public async Task Breakpoint_WhereNobodyCanAnswer_LetsGo() =>
        Assert.Equal(ActionOutcome.NoEffect, (await new ActionBench().RunAsync("Breakpoint")).Outcome);

    [Fact]
    public async Task RateLimit_BeyondTheBucket_Answers429UntilItRefills()
    {
        const string config = """{"key":"{{client.ip}}{{request.cookie.c}}","limit":2,"window_ms":10000}""";
        var bench = new ActionBench();
        Assert.Equal("1 of 2 left", (await bench.RunAsync("RateLimit", config)).Detail);
        Assert.Equal(ActionOutcome.Done, (await bench.RunAsync("RateLimit", config)).Outcome);
        var answer = await bench.AnswerAsync("RateLimit", config);
        Assert.Equal(429, answer.Status);
        Assert.Equal(
        [
            new("Content-Type", "application/problem+json"), new("Retry-After", "5"),
            new("RateLimit-Limit", "2"), new("RateLimit-Remaining", "0"), new("RateLimit-Reset", "5"),
        ], answer.Fields);
        using var body = System.Text.Json.JsonDocument.Parse(answer.Body);
        Assert.Equal(429, body.RootElement.GetProperty("status").GetInt32());

        bench.Time.Advance(TimeSpan.FromSeconds(4.9));
        Assert.Equal(ActionOutcome.Terminal, (await bench.RunAsync("RateLimit", config)).Outcome);
        bench.Time.Advance(TimeSpan.FromSeconds(0.2));
        Assert.Equal(ActionOutcome.Done, (await bench.RunAsync("RateLimit", config)).Outcome);
        Assert.Equal(ActionOutcome.Terminal, (await bench.RunAsync("RateLimit", config)).Outcome);

        bench.LoadRequest("GET / HTTP/1.1\r\nHost: e\r\nCookie: c=other\r\n\r\n");
        Assert.Equal(ActionOutcome.Done, (await bench.RunAsync("RateLimit", config)).Outcome);
    }

    [Fact]
    public async Task RateLimit_AtConnectAndOfMessages_Refuses()
    {
        const string config = """{"key":"k","limit":1,"window_ms":1000}""";
        var bench = new ActionBench("CONNECT e:443 HTTP/1.1\r\nHost: e:443\r\n\r\n", stage: RuleStage.Connect);
        (bench.Context.Connect, bench.Context.Exchange) = (new() { Host = "e", Port = 443, Request = bench.Exchange.Request }, null);
        await bench.RunAsync("RateLimit", config);
        Assert.Equal(429, (await bench.AnswerAsync("RateLimit", config)).Status);
        bench.Context.Connect.Request = null;
        Assert.IsType<Verdict.Drop>((await bench.RunAsync("RateLimit", config)).Verdict);

        (bench, _) = Messages();
        await bench.RunAsync("RateLimit", config);
        Assert.False(bench.Context.Message!.IsDropped);
        Assert.IsType<Verdict.Drop>((await bench.RunAsync("RateLimit", config)).Verdict);
        Assert.True(bench.Context.Message!.IsDropped);
    }

    [Fact]
    public async Task RateLimit_OfManyKeys_KeepsTheLastTenThousand()
    {
        var bench = new ActionBench();
        var action = bench.Compile("RateLimit", """{"key":"{{counter.k}}","limit":1,"window_ms":1000}""")!;
        for (var i = 0; i < 10_050; i++)
        {
            await action.RunAsync(bench.Context, TestContext.Current.CancellationToken);
        }

        Assert.Equal(10_000, bench.Environment.Memory.BucketCount("r1.actions[0].config"));
    }

    [Fact]
    public void Templates_AtConnect_KnowTheTarget()
    {
        var bench = new ActionBench("CONNECT e:443 HTTP/1.1\r\nHost: e:443\r\n\r\n", stage: RuleStage.Connect);
        (bench.Context.Connect, bench.Context.Exchange) = (new() { Host = "192.0.2.1", Port = 443, Request = bench.Exchange.Request }, null);
        Assert.Equal("192.0.2.1:443 CONNECT e:443 192.0.2.1", bench.Expand("{{host}}:{{request.port}} {{request.method}} {{request.header.host}} {{server.ip}}"));
        bench.Exchange.Server = new ServerConnection { Id = 2, Host = "x", Port = 8443, RemoteEndPoint = new IPEndPoint(IPAddress.Loopback, 8443) };
        Assert.Equal("127.0.0.1:8443", bench.Expand("{{server_ip}}:{{server_port}}"));
    }

    [Theory]
    [InlineData(MessageType.Text, "hé", "hé")]
    [InlineData(MessageType.Binary, "\u0001\u0002", "AQI=")]
    public void Templates_OfAMessage_KnowItsContent(MessageType type, string content, string expected)
    {
        var (bench, _) = Messages(type, Encoding.UTF8.GetBytes(content));
        Assert.Equal(expected + " GET", bench.Expand("{{message}} {{request.method}}"));
    }

    private static (ActionBench Bench, Session Session) Messages(MessageType type = MessageType.Text, byte[]? content = null)
    {
        var bench = new ActionBench(stage: RuleStage.WebSocketMessage);
        var session = new Session();
        bench.Context.Messages = new(MessageProtocol.WebSocket, session, bench.Exchange);
        bench.Context.Message = new();
        bench.Context.Message.Load(MessageProtocol.WebSocket, type, PeerRole.Client, content ?? "hi"u8.ToArray());
        return (bench, session);
    }

    private sealed class Session : IMessageSession
    {
        public int? Closed { get; private set; }

        public Core.Flows.FlowId Flow => default;

        public bool TryInject(PeerRole sender, OutgoingMessage message) => false;

        public bool TryClose(int code, string reason)
        {
            Closed = code;
            return true;
        }
    }

    private sealed class Functions : IRuleFunctions
    {
        public Verdict Verdict { get; set; } = Verdict.Continue;

        public int Calls { get; private set; }

        public bool Contains(string name) => name == "sign";

        public ValueTask<Verdict> CallAsync(string name, RuleContext context, CancellationToken cancellationToken)
        {
            Calls++;
            return new(Verdict);
        }
    }

    private sealed class Breakpoints : IBreakpoints
    {
        public Verdict Verdict { get; set; } = Verdict.Continue;

        public (string Key, TimeSpan Timeout) Last { get; private set; }

        public ValueTask<(Verdict Verdict, string Detail)> PauseAsync(RuleContext context, string key, TimeSpan timeout, CancellationToken cancellationToken)
        {
            Last = (key, timeout);
            return new((Verdict, "resumed"));
        }
    }
}
