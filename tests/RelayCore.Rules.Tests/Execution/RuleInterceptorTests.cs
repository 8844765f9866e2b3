using RelayCore.Core.Faults;
using RelayCore.Core.Interception;
using RelayCore.Core.Messages;
using RelayCore.Protocols;
using RelayCore.Rules.Actions;
using RelayCore.Rules.Execution;
using Xunit;

namespace RelayCore.Rules.Tests.Execution;

/// <summary>How rules run at the stages of a flow.</summary>
public sealed class RuleInterceptorTests
{
    private const string All = """{"type":"All"}""";
    private readonly RuleKit _kit = new();

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Run_StopAndTerminal_EndTheStage()
    {
        _kit.On("answer", _ => ActionResult.Terminal(new Verdict.Respond(200, [], default)));
        var stopping = new RuleInterceptor(_kit.Compile("""
            [{"id":"a","filter":{"type":"Method","config":"POST"},"termination":"Stop","actions":[{"type":"Do","config":"1"}]},
             {"id":"b","filter":{"type":"All"},"termination":"Stop","actions":[{"type":"Do","config":"2"}]},
             {"id":"c","filter":{"type":"All"},"actions":[{"type":"Do","config":"3"}]}]
            """));
        Assert.Same(Verdict.Continue, await stopping.OnRequestHeadAsync(RuleKit.Exchange(), Ct));
        Assert.Equal(["2"], _kit.Ran);

        _kit.Ran.Clear();
        var exchange = RuleKit.Exchange();
        var verdict = await _kit.Rules(("a", RuleStage.RequestHeaders, All, "1 answer 2"), ("b", RuleStage.RequestHeaders, All, "3")).OnRequestHeadAsync(exchange, Ct);
        Assert.IsType<Verdict.Respond>(verdict);
        Assert.Equal(["1", "answer"], _kit.Ran);
        var trace = RuleKit.Trace(exchange);
        Assert.Equal(("Terminated", "a", "Mock"), (trace.Summary, trace.TerminatedBy, trace.Reason));
        Assert.Equal(["a"], exchange.MatchedRules);
    }

    [Theory]
    [InlineData("fail", "Do: not today")]
    [InlineData("throw", "Do: InvalidOperationException: deliberate")]
    public async Task Run_AnActionThatFails_TakesItsRuleBackAndTheNextGoesOn(string how, string detail)
    {
        _kit.On("edit", x =>
        {
            x.Exchange!.Request.Fields.Set("X-A", "2");
            x.Exchange.Request.Fields.Remove("Host");
            x.Exchange.Request.Method = "PUT";
            x.Exchange.Request.Path = "/edited";
            x.State.Later(RuleStage.RequestBody, new Unused());
            x.State.Transform(PeerRole.Client, new Upper());
            return default;
        });
        _kit.On("keep", x =>
        {
            x.Exchange!.Request.Fields.Set("X-Kept", "1");
            return default;
        });
        _kit.On("fail", _ => ActionResult.Failed("not today"));
        _kit.On("throw", _ => throw new InvalidOperationException("deliberate"));
        var rules = _kit.Rules(("k", RuleStage.RequestHeaders, All, "keep"), ("f", RuleStage.RequestHeaders, All, $"edit {how} never"), ("n", RuleStage.RequestHeaders, All, "next"));
        var exchange = RuleKit.Exchange();
        exchange.Request.Fields.AddUnlogged("X-A"u8, "1"u8);
        Assert.Same(Verdict.Continue, await rules.OnRequestHeadAsync(exchange, Ct));
        Assert.Equal(["keep", "edit", how, "next"], _kit.Ran);
        Assert.Equal([new("Host", "a.test"), new("X-A", "1"), new("X-Kept", "1")], exchange.Request.Fields.ToList());
        Assert.Equal(("GET", "/"), (exchange.Request.Method, exchange.Request.Path));
        Assert.Equal((0, 0), ((FlowRules)exchange.RuleState!).Registered);
        Assert.Contains("rule_failed:f", exchange.Tags);
        var failed = RuleKit.Trace(exchange).Events[1];
        Assert.Equal(("f", true, "Failed", detail), (failed.RuleId, failed.Matched, failed.Outcome, failed.Detail));
        Assert.Equal(["done", "failed"], failed.Actions!.Select(x => x.Outcome));
        Assert.All(failed.Actions!, x => Assert.Null(x.Changes));
    }

    [Fact]
    public async Task Run_AFilterThatThrows_FailsItsRuleOnly()
    {
        var exchange = RuleKit.Exchange();
        await _kit.Rules(("f", RuleStage.RequestHeaders, """{"type":"Broken"}""", "x"), ("n", RuleStage.RequestHeaders, All, "next")).OnRequestHeadAsync(exchange, Ct);
        Assert.Equal(["next"], _kit.Ran);
        Assert.Contains("rule_failed:f", exchange.Tags);
        Assert.Contains("deliberate", RuleKit.Trace(exchange).Events[0].Detail!, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Run_ARuleOverItsTime_FailsAndTheNextGoesOn()
    {
        _kit.Does["wait"] = async (x, token) =>
        {
            x.Exchange!.Request.Fields.Add("X", "1");
            await Task.Delay(Timeout.InfiniteTimeSpan, x.Environment.Time, token);
            return default;
        };
        var rules = new RuleInterceptor(_kit.Compile("""
            [{"id":"w","timeout_ms":50,"filter":{"type":"All"},"actions":[{"type":"Do","config":"wait"}]},{"id":"n","filter":{"type":"All"},"actions":[{"type":"Do","config":"next"}]}]
            """));
        var exchange = RuleKit.Exchange();
        var running = rules.OnRequestHeadAsync(exchange, Ct).AsTask();
        _kit.Time.Advance(TimeSpan.FromMilliseconds(49));
        Assert.False(running.IsCompleted);
        _kit.Time.Advance(TimeSpan.FromMilliseconds(1));
        await running.WaitAsync(TimeSpan.FromSeconds(20), TestContext.Current.CancellationToken);
        Assert.Equal(["wait", "next"], _kit.Ran);
        Assert.Equal(0, exchange.Request.Fields.ChangeCount);
        Assert.Equal("Do: the rule took longer than its timeout_ms of 50", RuleKit.Trace(exchange).Events[0].Detail);
    }

    [Fact]
    public async Task Run_AFlowThatIsGivenUp_EndsItsRulesAndIsNoFailure()
    {
        _kit.Does["wait"] = async (x, token) =>
        {
            await Task.Delay(Timeout.InfiniteTimeSpan, x.Environment.Time, token);
            return default;
        };
        using var ending = new CancellationTokenSource();
        var exchange = RuleKit.Exchange();
        var running = _kit.Rules(("w", RuleStage.RequestHeaders, All, "wait"), ("n", RuleStage.RequestHeaders, All, "next")).OnRequestHeadAsync(exchange, ending.Token).AsTask();
        await ending.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => running);
        Assert.Equal(["wait"], _kit.Ran);
        Assert.Empty(exchange.Tags);
    }

    [Theory]
    [InlineData("""{"type":"All"}""", true)]
    [InlineData("""{"type":"Host","config":"a.test"}""", true)]
    [InlineData("""{"type":"Host","config":"other.test"}""", false)]
    [InlineData("""{"type":"And","config":[{"type":"Body","config":"x"},{"type":"Method","config":"POST"}]}""", false)]
    [InlineData("""{"type":"And","config":[{"type":"Body","config":"x"},{"type":"Method","config":"GET"}]}""", true)]
    [InlineData("""{"type":"Or","config":[{"type":"Body","config":"x"},{"type":"Method","config":"POST"}]}""", true)]
    [InlineData("""{"type":"Not","config":{"type":"Body","config":"x"}}""", true)]
    [InlineData("""{"type":"Not","config":{"type":"Method","config":"GET"}}""", false)]
    [InlineData("""{"type":"Tagged","config":"t"}""", true)]
    [InlineData("""{"type":"Tagged","config":"u"}""", false)]
    public async Task Want_OfABodyRule_IsWhatCannotBeRuledOut(string filter, bool wanted)
    {
        _kit.On("tag", x =>
        {
            x.Flow.SetTag("t");
            return default;
        });
        var rules = _kit.Rules(("t", RuleStage.RequestHeaders, All, "tag"), ("b", RuleStage.RequestBody, filter, "x"));
        Assert.Equal(Stage.RequestHead, rules.Needs.Stages);
        var exchange = RuleKit.Exchange();
        await rules.OnRequestHeadAsync(exchange, Ct);
        Assert.Equal(wanted, (exchange.Wanted & Stage.RequestBody) != 0);
        Assert.Equal(["tag"], _kit.Ran);
    }

    [Fact]
    public async Task Want_OfLaterStages_IsDecidedAtTheHeadBefore()
    {
        var rules = _kit.Rules(
            ("r", RuleStage.ResponseBody, """{"type":"Status","config":404}""", "x"), ("w", RuleStage.WebSocketMessage, All, "x"), ("c", RuleStage.Completed, """{"type":"Status","config":500}""", "x"));
        Assert.Equal(Stage.RequestHead | Stage.ResponseHead, rules.Needs.Stages);
        var exchange = RuleKit.Exchange();
        await rules.OnRequestHeadAsync(exchange, Ct);
        Assert.Equal(Stage.Completed, exchange.Wanted); // no upgrade, and the status is still to come
        await rules.OnResponseHeadAsync(exchange, Ct);
        Assert.Equal(Stage.Completed, exchange.Wanted);
        exchange.Response.Status = 404;
        await rules.OnResponseHeadAsync(exchange, Ct);
        Assert.NotEqual(Stage.None, exchange.Wanted & Stage.ResponseBody);

        var upgrade = RuleKit.Exchange();
        upgrade.Request.Fields.AddUnlogged("Upgrade"u8, "websocket"u8);
        await rules.OnRequestHeadAsync(upgrade, Ct);
        Assert.NotEqual(Stage.None, upgrade.Wanted & Stage.Message);
    }

    [Fact]
    public async Task Later_AtABodyStage_RunsAsItsRuleBeforeTheOthers()
    {
        _kit.On("later", x =>
        {
            x.Capture("who", "me");
            x.State.Later(RuleStage.ResponseBody, new Replace());
            return default;
        });
        var rules = _kit.Rules(("h", RuleStage.ResponseHeaders, All, "later"), ("b", RuleStage.ResponseBody, """{"type":"Body","config":"me"}""", "seen"));
        var exchange = RuleKit.Exchange();
        var body = new MessageBody("old"u8.ToArray(), null, _kit.Environment.Codings, 1000);
        await rules.OnRequestHeadAsync(exchange, Ct);
        await rules.OnResponseHeadAsync(exchange, Ct);
        Assert.NotEqual(Stage.None, exchange.Wanted & Stage.ResponseBody);
        await rules.OnResponseBodyAsync(exchange, body, Ct);
        Assert.Equal("by h for me"u8, body.Content.Span);
        Assert.Equal(["later", "seen"], _kit.Ran);
        var trace = RuleKit.Trace(exchange);
        Assert.Equal(["h:response_headers", "h:response_body", "b:response_body"], trace.Events.Select(x => $"{x.RuleId}:{x.Stage}"));
        Assert.Equal(new("response.body", "3 octets", "11 octets"), trace.Events[1].Actions!.Single().Changes!.Single());
    }

    [Fact]
    public async Task Later_ForAStageThatIsOver_FailsTheRule()
    {
        _kit.On("late", x =>
        {
            x.State.Later(RuleStage.RequestBody, new Unused());
            return default;
        });
        var exchange = RuleKit.Exchange();
        await _kit.Rules(("l", RuleStage.ResponseHeaders, All, "late")).OnResponseHeadAsync(exchange, Ct);
        Assert.Contains("RequestBody is over", RuleKit.Trace(exchange).Events[0].Detail!, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Skip_ABodyThatIsTooLarge_IsSaidAtTheNextHeadAndAtTheEnd()
    {
        var rules = _kit.Rules(("q", RuleStage.RequestBody, All, "x"), ("p", RuleStage.ResponseBody, """{"type":"Body","config":"x"}""", "x"), ("no", RuleStage.ResponseBody, """{"type":"Host","config":"b.test"}""", "x"));
        var exchange = RuleKit.Exchange();
        await rules.OnRequestHeadAsync(exchange, Ct);
        exchange.Response.Fields.Load("HTTP/1.1 200 OK\r\n\r\n"u8);
        exchange.HasResponse = true;
        await rules.OnResponseHeadAsync(exchange, Ct);
        Assert.Equal(["rule_skipped:body_truncated", "rule_skipped:RequestBody"], exchange.Tags);
        await rules.OnCompletedAsync(exchange, Ct);
        Assert.Equal(["rule_skipped:body_truncated", "rule_skipped:RequestBody", "rule_skipped:ResponseBody"], exchange.Tags);
        Assert.Empty(_kit.Ran);
        Assert.Equal([("q", "Skipped", false), ("p", "Skipped", false)], RuleKit.Trace(exchange).Events.Select(x => (x.RuleId, x.Outcome, x.Matched)));

        // A flow that failed skipped nothing.
        var failed = RuleKit.Exchange(flow: 2);
        failed.Response.Fields.Load("HTTP/1.1 200 OK\r\n\r\n"u8);
        failed.HasResponse = true;
        await rules.OnResponseHeadAsync(failed, Ct);
        await rules.OnErrorAsync(failed, new("RC-X", FaultStage.Response, FaultKind.Transport, null, ""), Ct);
        await rules.OnCompletedAsync(failed, Ct);
        Assert.Empty(failed.Tags);
    }

    [Fact]
    public async Task Run_OnTheSameConnection_BeginsAnewWithEachFlow()
    {
        var rules = _kit.Rules(("a", RuleStage.RequestHeaders, """{"type":"Path","config":"/a"}""", "x"));
        var exchange = RuleKit.Exchange(path: "/a");
        await rules.OnRequestHeadAsync(exchange, Ct);
        var state = exchange.RuleState;
        Assert.Equal("Modified", RuleKit.Trace(exchange).Summary);
        RuleKit.Begin(exchange, path: "/b", flow: 2);
        await rules.OnRequestHeadAsync(exchange, Ct);
        Assert.Same(state, exchange.RuleState);
        Assert.Null(exchange.Trace);
        Assert.Empty(exchange.MatchedRules);
        Assert.Equal((1, _kit.Time.GetUtcNow().UtcTicks), (rules.Rules.Rules[0].Hits, rules.Rules.Rules[0].LastHit));
    }

    [Fact]
    public void Run_RulesThatDoNotMatch_AllocateNothing()
    {
        var rules = new RuleInterceptor(_kit.Compile("[" + string.Join(",", Enumerable.Range(0, 200).Select(i =>
            $$"""{"id":"h{{i}}","filter":{"type":"Host","config":"h{{i}}.test"} },{"id":"m{{i}}","filter":{"type":"And","config":[{"type":"All"},{"type":"Not","config":{"type":"All"} }]},"stage":"{{(i % 2 == 0 ? "RequestHeaders" : "ResponseHeaders")}}"}""")) + "]"));
        var exchange = RuleKit.Exchange("none.test");
        var allocated = long.MaxValue;
        for (var round = 0; round < 50; round++)
        {
            RuleKit.Begin(exchange, "none.test", flow: round + 10);
            var before = GC.GetAllocatedBytesForCurrentThread();
            Complete(rules.OnRequestHeadAsync(exchange, Ct));
            Complete(rules.OnResponseHeadAsync(exchange, Ct));
            allocated = Math.Min(allocated, GC.GetAllocatedBytesForCurrentThread() - before);
        }

        Assert.Equal(0, allocated);
        Assert.Equal((64, 136, 200), (RuleKit.Trace(exchange).Events.Count, RuleKit.Trace(exchange).Omitted, RuleKit.Trace(exchange).Excluded));
        Assert.All(RuleKit.Trace(exchange).Events, x => Assert.Equal("not All", x.Failing));
    }

    private static void Complete(ValueTask<Verdict> running) => Assert.Same(Verdict.Continue, running.IsCompleted ? running.GetAwaiter().GetResult() : null);

    private sealed class Unused : ImmediateAction
    {
        protected override ActionResult Run(RuleContext context) => default;
    }

    private sealed class Replace : ImmediateAction
    {
        protected override ActionResult Run(RuleContext context)
        {
            context.Body!.ReplaceContent(System.Text.Encoding.ASCII.GetBytes($"by {context.Rule.Id} for {context.Captures["who"]}"));
            return default;
        }
    }
}
