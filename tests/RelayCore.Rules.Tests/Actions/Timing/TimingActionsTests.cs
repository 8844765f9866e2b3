using Microsoft.Extensions.Time.Testing;
using RelayCore.Core.Interception;
using RelayCore.Rules.Actions;
using RelayCore.Rules.Catalog;
using Xunit;

namespace RelayCore.Rules.Tests.Actions.Timing;

/// <summary>Delays, rates and slow networks: what actions ask the engine for. What then happens to octets is tested with the engine.</summary>
public sealed class TimingActionsTests
{
    public static TheoryData<string> Types => [.. TimingActions.All.Concat(FaultActions.All).Select(x => x.Name)];

    [Theory]
    [MemberData(nameof(Types))]
    public async Task Example_CompilesAndRunsAtEveryStageOfExchanges(string name)
    {
        var type = RuleCatalog.Actions[name];
        Assert.NotNull(type.Example);
        foreach (var stage in RuleStages.Ordered.Where(x => (x & type.Stages & WireAction.Stages) != 0))
        {
            var bench = new WireBench(stage);
            var running = bench.RunAsync(name, type.Example).AsTask();
            bench.Time.Advance(TimeSpan.FromSeconds(10));
            var result = await running;
            Assert.True(result.Outcome is ActionOutcome.Done or ActionOutcome.Terminal or ActionOutcome.NoEffect, $"{stage}: {result}");
            Assert.Empty(bench.Problems.Items);
        }
    }

    [Fact]
    public async Task Delay_WaitsForItsTimeAndNoLonger()
    {
        var bench = new WireBench();
        var running = bench.RunAsync("Delay", """{"ms":250}""").AsTask();
        bench.Time.Advance(TimeSpan.FromMilliseconds(249));
        Assert.False(running.IsCompleted);
        bench.Time.Advance(TimeSpan.FromMilliseconds(1));
        Assert.Equal((ActionOutcome.Done, "waited 250 ms"), ((await running).Outcome, (await running).Detail));
        Assert.True((await bench.RunAsync("Delay", """{"ms":0}""")).Outcome == ActionOutcome.Done);
    }

    [Fact]
    public async Task Delay_FlowGivenUp_EndsAtOnce()
    {
        var bench = new WireBench();
        using var source = new CancellationTokenSource();
        var running = bench.Compile("Delay", """{"ms":60000}""")!.RunAsync(bench.Context, source.Token).AsTask();
        await source.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => running);
    }

    [Theory]
    [InlineData("uniform", 90, 110, 100)]
    [InlineData("normal", 50, 150, 100)]
    [InlineData("pareto", 100, 1000, 105)]
    public async Task Latency_Distributions_HaveTheirShapeAndRepeatWithTheirSeed(string distribution, double least, double most, double mean)
    {
        var config = $$"""{"ms":100,"distribution":"{{distribution}}","jitter_ms":10,"seed":42}""";
        var first = await DrawAsync(config);
        Assert.Equal(first, await DrawAsync(config));
        Assert.NotEqual(first, await DrawAsync(config.Replace("42", "43", StringComparison.Ordinal)));
        Assert.All(first, x => Assert.InRange(x, least, most));
        Assert.InRange(first.Average(), mean - 2, mean + 2);
        Assert.True(first.Distinct().Count() > 900);

        static async Task<List<double>> DrawAsync(string config)
        {
            var bench = new WireBench();
            var action = bench.Compile("Latency", config)!;
            var drawn = new List<double>();
            for (var i = 0; i < 1000; i++)
            {
                bench.Next();
                Assert.Equal(ActionOutcome.Done, (await bench.RunAsync(action)).Outcome);
                drawn.Add(bench.Exchange.ResponseImpairment!.HeadDelay.TotalMilliseconds);
            }

            return drawn;
        }
    }

    [Fact]
    public async Task Throttle_Flow_GivesEachBodyItsRate()
    {
        var bench = new WireBench();
        Assert.Equal((ActionOutcome.Done, "8000 octets/s"), Of(await bench.RunAsync("Throttle", """{"kbps":64}""")));
        var (request, response) = (bench.Exchange.RequestImpairment!, bench.Exchange.ResponseImpairment!);
        Assert.Equal((8000, 8000), (request.Paces.Single().OctetsPerSecond, response.Paces.Single().OctetsPerSecond));
        Assert.NotSame(request.Paces[0], response.Paces[0]);
        Assert.Equal("rule:r1", response.Actor);
    }

    [Fact]
    public async Task Throttle_Scopes_ShareByHostOrAll()
    {
        foreach (var (scope, sameHost, otherHost) in ((string, bool, bool)[])[("flow", false, false), ("host", true, false), ("shared", true, true)])
        {
            var bench = new WireBench();
            var action = bench.Compile("Throttle", $$"""{"kbps":8,"scope":"{{scope}}"}""")!;
            var buckets = new List<TokenBucket>();
            foreach (var host in (string[])["a.test", "A.test", "b.test"])
            {
                bench.Next(host);
                await bench.RunAsync(action);
                buckets.Add(bench.Exchange.ResponseImpairment!.Paces.Single());
            }

            Assert.Equal((sameHost, otherHost), (buckets[0] == buckets[1], buckets[0] == buckets[2]));
        }
    }

    [Fact]
    public async Task Throttle_Direction_LeavesTheOtherAlone()
    {
        var bench = new WireBench();
        await bench.RunAsync("Throttle", """{"kbps":8,"direction":"request"}""");
        Assert.Equal((true, true), (bench.Exchange.RequestImpairment is not null, bench.Exchange.ResponseImpairment is null));
        var late = new WireBench(RuleStage.ResponseHeaders);
        await late.RunAsync("Throttle", """{"kbps":8}""");
        Assert.Equal((true, true), (late.Exchange.RequestImpairment is null, late.Exchange.ResponseImpairment is not null));
    }

    [Fact]
    public async Task Throttle_WithoutExchangeOrBehindIt_SaysSo()
    {
        var bench = new WireBench(RuleStage.Connect);
        bench.Context.Exchange = null;
        Assert.Equal(ActionOutcome.NoEffect, (await bench.RunAsync("Throttle", """{"kbps":8}""")).Outcome);
        Assert.Equal(ActionOutcome.NoEffect, (await new WireBench(RuleStage.Completed).RunAsync("Throttle", """{"kbps":8}""")).Outcome);
    }

    [Fact]
    public void Throttle_OfNothing_IsRefusedByItsShape() => Assert.Equal(1, RuleCatalog.Actions["Throttle"].Config.Properties.Single(x => x.Name == "kbps").Min);

    [Fact]
    public void HostBuckets_AreBounded()
    {
        var time = new FakeTimeProvider();
        var buckets = new HostBuckets(1000, 0, time);
        var first = buckets.For("h0");
        for (var i = 0; i < HostBuckets.Max; i++)
        {
            buckets.For($"h{i}").Take(50);
        }

        var (one, another) = (buckets.For("x1"), buckets.For("x2"));
        Assert.Same(one, another); // all others are at work
        Assert.Same(first, buckets.For("H0"));
        time.Advance(TimeSpan.FromSeconds(2));
        Assert.NotSame(one, buckets.For("x1"));
        Assert.NotSame(first, buckets.For("h0"));
    }

    [Fact]
    public async Task SeveralActions_AddUp()
    {
        var bench = new WireBench();
        await bench.RunAsync("SlowBody", """{"piece_octets":16,"interval_ms":20}""");
        await bench.RunAsync("SlowHeaders", """{"piece_octets":4}""");
        await bench.RunAsync("Latency", """{"ms":10}""");
        await bench.RunAsync("Latency", """{"ms":5}""");
        var all = await bench.ResponseAsync("Stall", """{"after_octets":3,"ms":9}""");
        Assert.Equal((16, 20, 4, 100, 15, 3L, 9), (all.BodyPieceOctets, all.BodyInterval.TotalMilliseconds, all.HeadPieceOctets, all.HeadInterval.TotalMilliseconds,
            all.HeadDelay.TotalMilliseconds, all.StallAfter!.Value, all.StallFor.TotalMilliseconds));
        Assert.Null(bench.Exchange.RequestImpairment);
    }

    [Fact]
    public async Task NetworkProfile_IsLatencyAndRate()
    {
        foreach (var name in NetworkProfile.Names)
        {
            var bench = new WireBench();
            var impairment = await bench.ResponseAsync("NetworkProfile", $$"""{"profile":"{{name}}"}""");
            Assert.True(impairment.HeadDelay > TimeSpan.Zero && impairment.Paces.Count == 1 && bench.Exchange.RequestImpairment!.Paces.Count == 1);
            Assert.Equal(name == "lossy", impairment.LossRate > 0);
        }
    }

    private static (ActionOutcome, string?) Of(ActionResult result) => (result.Outcome, result.Detail);
}
