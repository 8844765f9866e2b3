using System.Buffers;
using System.Globalization;
using BenchmarkDotNet.Attributes;
using RelayCore.Core.Connections;
using RelayCore.Core.Flows;
using RelayCore.Core.Interception;
using RelayCore.Formats;
using RelayCore.Rules;
using RelayCore.Rules.Actions;
using RelayCore.Rules.Documents;
using RelayCore.Rules.Execution;
using RelayCore.Rules.Filters;

namespace RelayCore.Microbenchmarks.Rules;

/// <summary>What rules cost one exchange: both heads, the trace where one is written. Budget without a match: 0 B allocated.</summary>
[MemoryDiagnoser]
[BenchmarkCategory("Rules")]
public class RuleBenchmarks
{
    private readonly Exchange _exchange = new();
    private readonly ArrayBufferWriter<byte> _trace = new(16 * 1024);
    private RuleInterceptor _hosts = null!;
    private RuleInterceptor _headers = null!;
    private long _flow;

    [GlobalSetup]
    public void Setup()
    {
        _hosts = Of(Enumerable.Range(0, 1000).Select(i => Rule(
            string.Create(CultureInfo.InvariantCulture, $"h{i}"), RuleStage.RequestHeaders, new HostIs(string.Create(CultureInfo.InvariantCulture, $"host{i}.example.com")), new SetField(false))));
        _headers = Of([Rule("out", RuleStage.RequestHeaders, AllCondition.Instance, new SetField(false)), Rule("in", RuleStage.ResponseHeaders, AllCondition.Instance, new SetField(true))]);
    }

    /// <summary>The exchange alone.</summary>
    [Benchmark(Baseline = true)]
    public int NoRules()
    {
        Begin("www.example.org");
        return 0;
    }

    [Benchmark]
    public int ThousandHostsNoneMatches() => Run(_hosts, "www.example.org");

    [Benchmark]
    public int ThousandHostsOneMatches() => Run(_hosts, "host777.example.com");

    [Benchmark]
    public int OneHeaderEachWay() => Run(_headers, "www.example.org");

    private int Run(RuleInterceptor rules, string host)
    {
        Begin(host);
        var ran = HasRun(rules.OnRequestHeadAsync(_exchange, CancellationToken.None));
        if ((rules.Needs.Stages & Stage.ResponseHead) != 0)
        {
            ran &= HasRun(rules.OnResponseHeadAsync(_exchange, CancellationToken.None));
        }

        _trace.ResetWrittenCount();
        _exchange.Trace?.Write(_trace);
        return ran ? _trace.WrittenCount : -1;
    }

    private static bool HasRun(ValueTask<Verdict> rules) => rules.IsCompletedSuccessfully && !rules.GetAwaiter().GetResult().IsTerminal;

    private void Begin(string host)
    {
        _exchange.Begin(FlowId.Create(++_flow), null!);
        _exchange.Request.Fields.Clear();
        _exchange.Request.Fields.AddUnlogged("Host"u8, "www.example.org"u8);
        _exchange.Request.Fields.AddUnlogged("Accept"u8, "*/*"u8);
        _exchange.Request.Load(new Origin(false, host, 80));
        _exchange.Response.Fields.Clear();
        _exchange.Response.Fields.AddUnlogged("Content-Length"u8, "0"u8);
    }

    private static RuleInterceptor Of(IEnumerable<CompiledRule> rules) => new(new RuleSet([.. rules], new() { Codings = new ContentCodings() }));

    private static CompiledRule Rule(string id, RuleStage stage, Condition filter, RuleAction action)
    {
        var nothing = new RuleNode(NodeKind.Null, new("benchmark", 1, 1), "$");
        return new(new(id, id, stage, nothing, [], nothing), filter, [("Set", action)]);
    }

    private sealed class HostIs(string host) : Leaf($"Host Exact \"{host}\"", RuleStage.FromRequest)
    {
        public override HostHint? Host => new(host, IsSuffix: false);

        protected override bool Holds(RuleContext context) => string.Equals(context.Exchange!.Request.Origin.Host, host, StringComparison.OrdinalIgnoreCase);
    }

    private sealed class SetField(bool response) : ImmediateAction
    {
        protected override ActionResult Run(RuleContext context)
        {
            (response ? context.Exchange!.Response.Fields : context.Exchange!.Request.Fields).Add("X-Rule", "1");
            return ActionResult.Done;
        }
    }
}
