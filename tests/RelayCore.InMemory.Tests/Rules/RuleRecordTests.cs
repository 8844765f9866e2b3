using System.Text.Json;
using RelayCore.Core.Flows;
using RelayCore.Formats;
using RelayCore.Protocols;
using RelayCore.Protocols.Http2;
using RelayCore.Rules.Documents;
using RelayCore.Rules.Execution;
using RelayCore.Testing;
using Xunit;
using static RelayCore.InMemory.Tests.Http2.Http2Scene;

namespace RelayCore.InMemory.Tests.Rules;

/// <summary>What the record of a flow says of the rules of a file.</summary>
public sealed class RuleRecordTests
{
    private const string Get = "GET http://origin.test/ HTTP/1.1\r\nHost: origin.test\r\n\r\n";
    private const string Connect = "CONNECT origin.test:9000 HTTP/1.1\r\nHost: origin.test:9000\r\n\r\n";
    private const string Ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

    private const string Edits = """
        - id: add
          stage: RequestHeaders
          filter: {type: Method, config: GET}
          actions:
            - {type: SetVariable, config: {name: who, value: "{{request.method}}"}}
            - {type: AddRequestHeader, config: {name: X-Env, value: qa}}
            - {type: Mark, config: {marker: "!"}}
        - id: other
          stage: RequestHeaders
          filter: {type: And, config: [{type: Method, config: GET}, {type: RequestHeader, config: {name: X-None}}]}
          actions: [{type: Drop}]
        - id: late
          stage: Completed
          filter: {type: All}
          actions: [{type: Comment, config: {text: "was {{response.status}}"}}]
        """;

    private static RuleInterceptor Of(string rules)
    {
        var problems = new RuleProblems();
        var set = RuleSet.Compile(RuleDocument.Parse(rules, "test", problems).Rules, new RuleEnvironment { Codings = new ContentCodings() }, problems);
        Assert.True(problems.Items.Count == 0, string.Join('\n', problems.Items));
        return new(set);
    }

    private static Task<TestProxy> StartAsync(string rules) => TestProxy.StartAsync(x => x with { Interceptors = [Of(rules)] });

    private static void AssertEdits(Flow flow)
    {
        var trace = flow.RuleTrace!;
        Assert.Equal("Modified", trace.Summary);
        Assert.Equal(
            [("add", "request_headers", "MatchedAndExecuted"), ("other", "request_headers", "NotMatched"), ("late", "completed", "MatchedAndExecuted")],
            trace.Events.Select(x => (x.RuleId, x.Stage, x.Outcome)));
        Assert.Equal(["SetVariable", "AddRequestHeader", "Mark"], trace.Events[0].Actions!.Select(x => x.Type));
        Assert.Equal([new("request.headers.X-Env", null, "qa")], trace.Events[0].Actions![1].Changes!);
        Assert.Equal("GET", trace.Events[0].Variables!["who"]);
        Assert.Contains("X-None", trace.Events[1].Failing, StringComparison.Ordinal);
        Assert.Equal(("!", "was 200"), (flow.Marker, flow.Comment));
        Assert.Equal(["add", "late"], flow.MatchedRules);
        Assert.Equal("GET", flow.RuleVariables!["who"]);
        Assert.Equal("GET", JsonSerializer.SerializeToElement(flow, FlowJson.Default.Flow).GetProperty("rule_trace").GetProperty("events")[0].GetProperty("variables").GetProperty("who").GetString());
    }

    [Fact]
    public async Task Http1_Edited_TheTraceHasEachRule()
    {
        await using var proxy = await StartAsync(Edits);
        await proxy.ExchangeAsync(proxy.Connect(), proxy.Origin(), Get, Ok);
        AssertEdits(await proxy.FlowAsync());
    }

    [Fact]
    public async Task Http2_Edited_TheTraceHasEachRule()
    {
        await using var proxy = await StartAsync(Edits);
        var (client, server, request) = await GetAsync(proxy, proxy.Origin());
        Assert.Equal("qa", request["x-env"]);
        await server.HeadersAsync(request.StreamId, true, Ok2(("content-length", "0")));
        await client.ReadAsync(Http2FrameType.Headers);
        AssertEdits(await proxy.FlowAsync());
        client.Peer.Close();
    }

    [Fact]
    public async Task Http1_NextFlowOfTheConnection_HasATraceOfItsOwn()
    {
        await using var proxy = await StartAsync("""
            id: a
            filter: {type: Path, config: /a}
            actions: [{type: Mark, config: {marker: a}}, {type: SetVariable, config: {name: v, value: "1"}}]
            """);
        var (client, origin) = (proxy.Connect(), proxy.Origin());
        await client.SendAsync(Get.Replace("test/ ", "test/a ", StringComparison.Ordinal));
        var server = await origin.AcceptAsync();
        await server.ReadMessageAsync();
        await server.SendAsync(Ok);
        await client.ReadMessageAsync();
        await client.SendAsync(Get);
        await server.ReadMessageAsync();
        await server.SendAsync(Ok);
        await client.ReadMessageAsync();
        var flows = (await proxy.FlowsAsync(2)).OrderByDescending(x => x.Http().Request!.Url).ToList();
        Assert.Equal(("a", "Modified"), (flows[0].Marker, flows[0].RuleTrace!.Summary));
        Assert.Equal((null, null, null), (flows[1].Marker, flows[1].MatchedRules, flows[1].RuleVariables));
        Assert.DoesNotContain(flows[1].RuleTrace?.Events ?? [], static x => x.Matched);
    }

    [Fact]
    public async Task Mock_Http1AndHttp2_NamesTheRuleThatAnswered()
    {
        const string Mock = "- {id: mock, filter: {type: All}, actions: [{type: MockResponse, config: {status: 418, body: tea}}]}";
        await using (var proxy = await StartAsync(Mock))
        {
            var client = proxy.Connect();
            await client.SendAsync(Get);
            Assert.StartsWith("HTTP/1.1 418 ", await client.ReadMessageAsync(), StringComparison.Ordinal);
            AssertEnded(await proxy.FlowAsync(), "mock", "Mock", "request_headers");
        }

        await using (var proxy = await StartAsync(Mock))
        {
            var client = await ClientAsync(proxy);
            await client.GetAsync(1, scheme: "http");
            Assert.Equal("418", (await client.ReadAsync(Http2FrameType.Headers))[":status"]);
            AssertEnded(await proxy.FlowAsync(), "mock", "Mock", "request_headers");
            client.Peer.Close();
        }
    }

    [Theory]
    [InlineData("RequestHeaders", "request_headers")]
    [InlineData("ResponseHeaders", "response_headers")]
    public async Task Abort_Http1AndHttp2_NamesTheRule(string stage, string name)
    {
        var abort = $"- {{id: stop, stage: {stage}, filter: {{type: All}}, actions: [{{type: Abort}}]}}";
        await using (var proxy = await StartAsync(abort))
        {
            var (client, origin) = (proxy.Connect(), proxy.Origin());
            await client.SendAsync(Get);
            if (stage == "ResponseHeaders")
            {
                var server = await origin.AcceptAsync();
                await server.ReadMessageAsync();
                await server.SendAsync(Ok);
            }

            Assert.True((await client.DrainAsync()).WasReset);
            AssertEnded(await proxy.FlowAsync(), "stop", "Abort", name);
        }

        await using (var proxy = await StartAsync(abort))
        {
            var (client, origin) = (await ClientAsync(proxy), proxy.Origin());
            await client.GetAsync(1, scheme: "http");
            if (stage == "ResponseHeaders")
            {
                var server = await ServerAsync(origin);
                await server.HeadersAsync((await server.ReadAsync(Http2FrameType.Headers)).StreamId, true, Ok2());
            }

            Assert.Equal(1, (await client.ReadAsync(Http2FrameType.RstStream)).StreamId);
            AssertEnded(await proxy.FlowAsync(), "stop", "Abort", name);
            client.Peer.Close();
        }
    }

    [Fact]
    public async Task WebSocketMessage_RuleMatched_IsInTheTraceOfTheSession()
    {
        await using var pair = await WebSocketPair.StartAsync(Of("""
            - id: censor
              stage: WebSocketMessage
              filter: {type: WebSocketMessage, config: {mode: Contains, value: secret}}
              actions: [{type: DropMessage}, {type: Comment, config: {text: censored}}]
            """));
        await pair.Client.SendAsync(WebSocketPair.Text(PeerRole.Client, "a secret"));
        await pair.PassAsync(PeerRole.Client, WebSocketPair.Text(PeerRole.Client, "hello"));
        await pair.CloseAsync();
        var (flow, _) = await pair.EndedAsync();
        Assert.Equal(["censor"], flow.MatchedRules);
        Assert.Contains(flow.RuleTrace!.Events, x => x is { RuleId: "censor", Stage: "websocket_message", Matched: true } && x.Actions![0].Type == "DropMessage");
    }

    [Theory]
    [InlineData("Abort")]
    [InlineData("Drop")]
    public async Task Connect_Ended_TheFlowSaysWhatRulesDid(string action)
    {
        await using var proxy = await StartAsync($$"""
            - id: note
              stage: Connect
              filter: {type: Host, config: origin.test}
              actions:
                - {type: SetVariable, config: {name: v, value: "1"} }
                - {type: Comment, config: {text: refused} }
            - {id: stop, stage: Connect, filter: {type: All}, actions: [{type: {{action}}}]}
            """);
        var client = proxy.Connect();
        await client.SendAsync(Connect);
        await client.DrainAsync();
        var flow = await proxy.FlowAsync();
        AssertEnded(flow, "stop", action, "connect");
        Assert.Equal(["note", "stop"], flow.MatchedRules);
        Assert.Equal(("1", "refused"), (flow.RuleVariables!["v"], flow.Comment));
    }

    [Fact]
    public async Task ClientHello_Dropped_TheFlowSaysWhatRulesDidThereAndAtConnect()
    {
        await using var proxy = await StartAsync("""
            - {id: note, stage: Connect, filter: {type: All}, actions: [{type: Mark, config: {marker: m}}]}
            - {id: stop, stage: ClientHello, filter: {type: All}, actions: [{type: Drop}]}
            """);
        var client = proxy.Connect();
        await client.SendAsync(Connect);
        await client.ReadHeadAsync();
        await client.SendAsync(ConnectionStageTests.Hello("inner.test"));
        await client.DrainAsync();
        var flow = await proxy.FlowAsync();
        AssertEnded(flow, "stop", "Drop", "client_hello");
        Assert.Equal([("note", "connect"), ("stop", "client_hello")], flow.RuleTrace!.Events.Select(x => (x.RuleId, x.Stage)));
        Assert.Equal(["note", "stop"], flow.MatchedRules);
        Assert.Equal("m", flow.Marker);
    }

    [Fact]
    public async Task Tunnel_Relayed_HasWhatRulesSaidAtConnect()
    {
        await using var proxy = await StartAsync("""
            - {id: note, stage: Connect, filter: {type: All}, actions: [{type: Tag, config: {key: k, value: v}}, {type: Mark, config: {marker: m}}]}
            """);
        var (client, origin) = (proxy.Connect(), proxy.Origin(port: 9000));
        await client.SendAsync(Connect);
        await client.ReadHeadAsync();
        await client.SendAsync("\x01\x02raw");
        var server = await origin.AcceptAsync();
        await server.ReadAsync(5);
        server.Close();
        await client.ReadToEndAsync();
        client.Close();
        var flow = await proxy.FlowAsync();
        Assert.Equal((FlowKind.Tunnel, "m"), (flow.Kind, flow.Marker));
        Assert.Equal(["k:v"], flow.Tags);
        Assert.Equal(["note"], flow.MatchedRules);
        Assert.Equal(("Modified", "connect"), (flow.RuleTrace!.Summary, Assert.Single(flow.RuleTrace.Events).Stage));
    }

    private static (string Name, string Value)[] Ok2(params (string Name, string Value)[] fields) => Http2.Http2Scene.Ok(fields);

    private static void AssertEnded(Flow flow, string rule, string reason, string stage)
    {
        Assert.Equal(("Terminated", rule, reason), (flow.RuleTrace!.Summary, flow.RuleTrace.TerminatedBy, flow.RuleTrace.Reason));
        Assert.Contains(flow.RuleTrace.Events, x => x.RuleId == rule && x.Stage == stage && x.Outcome == "MatchedAndTerminated");
        Assert.Contains(rule, flow.MatchedRules!);
    }
}
