using RelayCore.Load.Compare;
using RelayCore.Load.Load;
using Xunit;

namespace RelayCore.Load.Tests.Compare;

public sealed class VerdictTests
{
    private static readonly Workload s_w1 = Workload.All.First(workload => workload.Name == "w1");

    [Fact]
    public void Paired_RoundsOfDifferentSpeed_ComparesWithinTheRound()
    {
        // The machine was twice as slow in round 2, for everybody; round 3 lacks the reference.
        List<Row> rows = [Row("relay", 1, 800), Row("haproxy", 1, 1000), Row("relay", 2, 400), Row("haproxy", 2, 500), Row("relay", 3, 900)];
        Assert.Equal([0.8, 0.8], Ratios.Paired(rows, s_w1, "relay", "haproxy"));
    }

    [Theory]
    [InlineData(500, true, false)]
    [InlineData(100, false, false)]
    [InlineData(1200, true, true)]
    public void Of_Rate_IsJudgedByFloorAndGoal(double relay, bool isFloorMet, bool isGoalMet)
    {
        List<Row> rows = [Row("relay", 1, relay), Row("haproxy", 1, 700)];
        var verdict = Assert.Single(Verdict.Of(s_w1, rows), verdict => verdict.Bound.Contains("haproxy", StringComparison.Ordinal));
        Assert.Equal((isFloorMet, isGoalMet), (verdict.IsFloorMet, verdict.IsGoalMet));
    }

    [Fact]
    public void Of_FailedRequests_MissTheFloor()
    {
        var row = Row("relay", 1, 100);
        List<Row> rows = [row with { Load = row.Load! with { Errors = 1 } }];
        Assert.Contains(Verdict.Of(s_w1, rows), verdict => verdict is { Bound: "no failed request", IsFloorMet: false });
    }

    [Fact]
    public void Of_Growth_UsesThePeakWithinTheRun()
    {
        var memory = new MemoryFacts(BeforeOctets: 50 << 20, AfterOctets: 60 << 20, PeakOctets: 150 << 20, Flows: 0, CpuSeconds: 1);
        var workload = Workload.All.First(workload => workload.Name == "mem-down");
        var verdict = Verdict.Of(workload, [new("mem-down", "plain", "relay", 1) { Memory = memory }]).First();
        Assert.Equal(("mem-down plain", 100.0, false), (verdict.Workload, verdict.Measured, verdict.IsFloorMet));
    }

    [Fact]
    public void Of_RelayNotMeasured_SaysNothing() => Assert.Empty(Verdict.Of(s_w1, [Row("haproxy", 1, 700)]));

    [Theory]
    [InlineData(new double[] { 3, 1, 2 }, 2)]
    [InlineData(new double[] { 4, 1, 2, 3 }, 2.5)]
    public void Median_OddAndEven_IsTheMiddle(double[] values, double median) => Assert.Equal(median, Statistics.Median(values));

    private static Row Row(string peer, int round, double reqPerCpuSecond) => new("w1", "", peer, round)
    {
        Load = new LoadReport
        {
            Route = "",
            Url = "",
            Connections = 1,
            Seconds = 1,
            Requests = 1,
            ReqPerSecond = 1,
            MbPerSecond = 1,
            ReqPerCpuSecond = reqPerCpuSecond,
            P50Ms = 1,
            P99Ms = 1,
            P999Ms = 1,
            MaxMs = 1,
            ConnectionsOpened = 1,
            Errors = 0,
            ErrorsByKind = [],
            GeneratorCpuSeconds = 1,
            GeneratorAllocatedOctets = 0,
        },
    };
}
