using RelayCore.Core.Interception;
using RelayCore.Rules.Actions;
using Xunit;

namespace RelayCore.Rules.Tests.Execution;

/// <summary>What is written of a trace and what the model of a flow makes of it.</summary>
public sealed class RuleTraceJsonTests
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Write_EveryMember_ComesBackFromTheModel()
    {
        var kit = new RuleKit();
        kit.On("edit", x =>
        {
            x.Exchange!.Request.Fields.Set("Host", "\"q\\\\<");
            x.Exchange.Request.Fields.Add("X-New", "1");
            x.Flow.SetVariable("v\n", "a\"b");
            return ActionResult.Done;
        });
        kit.On("none", _ => ActionResult.NoEffect("nothing to do"));
        kit.On("fail", _ => ActionResult.Failed("no such file"));
        kit.On("end", _ => ActionResult.Terminal(new Verdict.Respond(200, [], default)));
        var rules = kit.Rules(
            ("elsewhere", RuleStage.RequestHeaders, """{"type":"Host","config":"b.test"}""", "edit"),
            ("unmet", RuleStage.RequestHeaders, """{"type":"Tagged","config":"no\"such"}""", "edit"),
            ("edit", RuleStage.RequestHeaders, """{"type":"All"}""", "edit none"),
            ("fail", RuleStage.RequestHeaders, """{"type":"All"}""", "fail"),
            ("end", RuleStage.RequestHeaders, """{"type":"All"}""", "end"));
        var exchange = RuleKit.Exchange();
        await rules.OnRequestHeadAsync(exchange, Ct);
        var trace = RuleKit.Trace(exchange);
        Assert.Equal(("Terminated", "end", 1, 0), (trace.Summary, trace.TerminatedBy, trace.Excluded, trace.Omitted));
        Assert.NotNull(trace.Reason);
        Assert.Equal(["unmet NotMatched", "edit MatchedAndExecuted", "fail Failed", "end MatchedAndTerminated"], trace.Events.Select(x => $"{x.RuleId} {x.Outcome}"));
        Assert.Equal("Tagged no\"such", trace.Events[0].Failing);
        Assert.All(trace.Events, static x => Assert.Equal("request_headers", x.Stage));
        var edit = trace.Events[1];
        Assert.Equal([("Do", "done", null), ("Do", "no_effect", "nothing to do")], edit.Actions!.Select(x => (x.Type, x.Outcome, x.Detail)));
        Assert.Equal([("request.headers.Host", "a.test", "\"q\\\\<"), ("request.headers.X-New", null, "1")], edit.Actions![0].Changes!.Select(x => (x.Target, x.Before, x.After)));
        Assert.Equal("a\"b", edit.Variables!["v\n"]);
        Assert.True(edit.DurationUs >= 0);
        Assert.Contains("no such file", trace.Events[2].Detail, StringComparison.Ordinal);
    }
}
