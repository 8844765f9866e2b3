using RelayCore.Core.Interception;
using RelayCore.Rules.Actions;
using RelayCore.Rules.Tests.Actions.Timing;
using Xunit;

namespace RelayCore.Rules.Tests.Actions.Faults;

/// <summary>What fault actions ask the engine for. What then happens to octets is tested with the engine.</summary>
public sealed class FaultActionsTests
{
    [Fact]
    public async Task Each_SetsWhatItSays()
    {
        var bench = new WireBench();
        Assert.Equal(10, (await bench.ResponseAsync("TruncateBody", """{"after_octets":10}""")).TruncateAfter);
        Assert.Equal(0, (await bench.ResponseAsync("ResetConnection", """{"after_octets":0}""")).ResetAfter);
        Assert.Equal(0.25, (await bench.ResponseAsync("CorruptBody", """{"rate":0.25}""")).CorruptRate);
        var loss = await bench.ResponseAsync("DropBodyPieces", """{"rate":0.5,"piece_octets":7}""");
        Assert.Equal((0.5, 7, 10L), (loss.LossRate, loss.LossPieceOctets, loss.TruncateAfter));
        Assert.Equal(MalformedFraming.MissingLastChunk, (await bench.ResponseAsync("MalformedFraming", """{"kind":"missing_last_chunk"}""")).Malformed);
        Assert.Null(bench.Exchange.RequestImpairment);
    }

    [Fact]
    public async Task Direction_Request_GoesToTheServer()
    {
        var bench = new WireBench();
        await bench.RunAsync("TruncateBody", """{"after_octets":10,"direction":"request"}""");
        Assert.Equal((10L, true), (bench.Exchange.RequestImpairment!.TruncateAfter, bench.Exchange.ResponseImpairment is null));
    }

    [Fact]
    public void Direction_RequestAtTheResponse_IsALoadErrorThatSaysWhatToDo()
    {
        var bench = new WireBench(RuleStage.ResponseHeaders);
        bench.Compile("TruncateBody", """{"after_octets":10,"direction":"request"}""");
        var problem = Assert.Single(bench.Problems.Items);
        Assert.Equal(("RULE-530", "$.config.direction"), (problem.Code, problem.Path));
        Assert.Contains("RequestHeaders", problem.Suggestion, StringComparison.Ordinal);
    }

    [Fact]
    public async Task ResetConnection_AtOnce_IsAnAbort()
    {
        var result = await new WireBench().RunAsync("ResetConnection", "{}");
        Assert.Equal((ActionOutcome.Terminal, "reset by rule r1"), (result.Outcome, Assert.IsType<Verdict.Abort>(result.Verdict).Reason));
    }

    [Fact]
    public async Task Seeds_RepeatByFlow()
    {
        Assert.Equal(await SeedsAsync("CorruptBody", """{"rate":0.1,"seed":5}"""), await SeedsAsync("CorruptBody", """{"rate":0.1,"seed":5}"""));
        Assert.NotEqual(await SeedsAsync("CorruptBody", """{"rate":0.1,"seed":5}"""), await SeedsAsync("CorruptBody", """{"rate":0.1,"seed":6}"""));
        Assert.Equal(20, (await SeedsAsync("CorruptBody", """{"rate":0.1,"seed":5}""")).Distinct().Count());

        static async Task<List<ulong>> SeedsAsync(string type, string config)
        {
            var bench = new WireBench();
            var action = bench.Compile(type, config)!;
            var seeds = new List<ulong>();
            for (var i = 0; i < 20; i++)
            {
                bench.Next();
                await bench.RunAsync(action);
                seeds.Add(bench.Exchange.ResponseImpairment!.Seed);
            }

            return seeds;
        }
    }

    [Fact]
    public async Task Fault_ProbabilityAndWeights_AreKeptAndRepeat()
    {
        const string Config = """{"probability":0.5,"seed":9,"faults":[{"truncate_after_octets":1},{"corrupt_rate":0.5,"weight":3},{"weight":0,"abort":true}]}""";
        var first = await DrawAsync();
        Assert.Equal(first, await DrawAsync());
        var (none, cut, corrupt) = (first.Count(x => x == "none"), first.Count(x => x == "cut"), first.Count(x => x.StartsWith("corrupt", StringComparison.Ordinal)));
        Assert.Equal(1000, none + cut + corrupt);
        Assert.InRange(none, 440, 560);
        Assert.InRange((double)corrupt / cut, 2.2, 4);

        static async Task<List<string>> DrawAsync()
        {
            var bench = new WireBench();
            var action = bench.Compile("Fault", Config)!;
            var drawn = new List<string>();
            for (var i = 0; i < 1000; i++)
            {
                bench.Next();
                var result = await bench.RunAsync(action);
                var impairment = bench.Exchange.ResponseImpairment;
                Assert.Equal(impairment is null ? ActionOutcome.NoEffect : ActionOutcome.Done, result.Outcome);
                drawn.Add(impairment is null ? "none" : impairment.TruncateAfter is not null ? "cut" : $"corrupt {impairment.Seed}");
            }

            return drawn;
        }
    }

    [Fact]
    public async Task Fault_Abort_IsTerminal() =>
        Assert.Equal(ActionOutcome.Terminal, (await new WireBench().RunAsync("Fault", """{"faults":[{"abort":true}]}""")).Outcome);

    [Theory]
    [InlineData("""{"faults":[]}""")]
    [InlineData("""{"faults":[{"abort":true,"weight":0}]}""")]
    public void Fault_OfNone_IsALoadError(string config)
    {
        var bench = new WireBench();
        Assert.Null(bench.Compile("Fault", config));
        Assert.Equal("RULE-531", Assert.Single(bench.Problems.Items).Code);
    }

    [Fact]
    public async Task MalformedFraming_ForAClientOfHttp2_FailsAndLeavesTheResponseAlone()
    {
        var bench = new WireBench();
        bench.Exchange.Request.Load(new RelayCore.Protocols.Http2.Http2RequestLine { Form = RelayCore.Protocols.Http1.RequestTargetForm.Origin });
        var result = await bench.RunAsync("MalformedFraming", """{"kind":"bad_chunk_size"}""");
        Assert.Equal((ActionOutcome.Failed, "BadChunkSize is framing of HTTP/1 and the client speaks HTTP/2"), (result.Outcome, result.Detail));
        Assert.Null(bench.Exchange.ResponseImpairment);
    }

    [Fact]
    public async Task WithoutExchange_Fails()
    {
        var bench = new WireBench();
        bench.Context.Exchange = null;
        Assert.Equal(ActionOutcome.Failed, (await bench.RunAsync("TruncateBody", """{"after_octets":1}""")).Outcome);
    }
}
