using CsCheck;
using RelayCore.Core.Connections;
using RelayCore.Rules.Execution;
using RelayCore.Rules.Filters;
using Xunit;

namespace RelayCore.Rules.Tests.Execution;

/// <summary>The index may leave out only what does not match.</summary>
public sealed class RuleIndexTests
{
    private static readonly string[] s_hosts = ["a.test", "b.a.test", "xa.test", "test", "deep.b.a.test", "A.TEST", "10.0.0.1", "a"];
    private static readonly string[] s_paths = ["/", "/api", "/api/v1", "/api/v1/items?x=1", "/ap", "*", "/img"];
    private static readonly string[] s_methods = ["GET", "POST", "get", "G"];

    private static Gen<string> Of(params string[] values) => Gen.Int[0, values.Length - 1].Select(x => values[x]);

    [Fact]
    public Task Run_RandomRulesAndExchanges_EqualsALinearScan()
    {
        var leaf = Gen.OneOf(
            Of(s_hosts).Select(x => $$"""{"type":"Host","config":"{{x}}"}"""),
            Of("*.a.test", "*a.test", "*test", "*.b.a.test", "*.TEST").Select(x => $$"""{"type":"Host","config":"{{x}}"}"""),
            Of(s_paths).Select(x => $$"""{"type":"Path","config":"{{x}}"}"""),
            Of(s_methods).Select(x => $$"""{"type":"Method","config":"{{x}}"}"""),
            Gen.Const("""{"type":"All"}"""));
        var filter = Gen.OneOf(leaf, leaf.Select(leaf, (x, y) => $$"""{"type":"And","config":[{{x}},{{y}}]}"""), leaf.Select(leaf, (x, y) => $$"""{"type":"Or","config":[{{x}},{{y}}]}"""),
            leaf.Select(x => $$"""{"type":"Not","config":{{x}}}"""));
        var rule = Gen.Select(filter, Gen.Int[-2, 2]);
        return Gen.Select(rule.Array[0, 150], Of(s_hosts), Of(s_paths), Of(s_methods)).SampleAsync(async (rules, host, path, method) =>
        {
            var kit = new RuleKit();
            var set = kit.Compile("[" + string.Join(",", rules.Select((x, i) =>
                $$"""{"id":"r{{i}}","priority":{{x.Item2}},"filter":{{x.Item1}},"actions":[{"type":"Do","config":"r{{i}}"}]}""")) + "]");
            Assert.Empty(kit.Problems.Items);
            var exchange = RuleKit.Exchange(host, path, method);
            await new RuleInterceptor(set).OnRequestHeadAsync(exchange, TestContext.Current.CancellationToken);

            var context = new RuleContext();
            context.Enter(RuleStage.RequestHeaders, exchange, new FlowRules(set), exchange);
            Assert.Equal(set.Rules.Where(x => x.Filter.Evaluate(context) == Truth.True).Select(x => x.Id), kit.Ran);
        }, iter: 300);
    }

    [Fact]
    public void Select_AThousandHosts_LeavesOne()
    {
        var kit = new RuleKit();
        var set = kit.Compile("[" + string.Join(",", Enumerable.Range(0, 1000).Select(i => $$"""{"id":"r{{i}}","filter":{"type":"Host","config":"h{{i}}.test"} }""")) + "]");
        var index = set.Of(RuleStage.RequestHeaders).Index;
        var selected = new ulong[index.Words];
        index.Select(RuleKit.Exchange("h777.test"), selected);
        Assert.Equal((777, -1), (RuleIndex.Next(selected, 0), RuleIndex.Next(selected, 778)));
        index.Select(RuleKit.Exchange("h1000.test"), selected);
        Assert.Equal(-1, RuleIndex.Next(selected, 0));
    }

    [Fact]
    public async Task Run_ARuleThatChangesHostAndPath_LaterRulesSeeTheNewOnes()
    {
        var kit = new RuleKit();
        kit.On("move", x =>
        {
            x.Exchange!.Request.Redirect(new Origin(false, "new.test", 80));
            x.Exchange.Request.Path = "/new";
            return default;
        });
        var rules = kit.Rules(
            ("old", RuleStage.RequestHeaders, """{"type":"Host","config":"old.test"}""", "move"),
            ("was", RuleStage.RequestHeaders, """{"type":"Host","config":"old.test"}""", "wrong"),
            ("now", RuleStage.RequestHeaders, """{"type":"Host","config":"new.test"}""", "host"),
            ("path", RuleStage.RequestHeaders, """{"type":"Path","config":"/new"}""", "path"));
        await rules.OnRequestHeadAsync(RuleKit.Exchange("old.test"), TestContext.Current.CancellationToken);
        Assert.Equal(["move", "host", "path"], kit.Ran);
    }
}
