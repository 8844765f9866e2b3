namespace RelayCore.Load.Compare;

/// <summary>One bound RelayCore was to hold, and what was measured.</summary>
/// <param name="Workload">Name of the workload, with its variant.</param>
/// <param name="Bound">In words: what, floor and goal.</param>
/// <param name="Measured">Median of the rounds.</param>
/// <param name="IsFloorMet">Whether the bound that must hold does.</param>
/// <param name="IsGoalMet">Whether the bound aimed at is reached; <see langword="null"/> when there is none.</param>
internal sealed record Verdict(string Workload, string Bound, double Measured, bool IsFloorMet, bool? IsGoalMet)
{
    /// <summary>Variants of a workload that is measured over both versions of HTTP.</summary>
    public const string Http1Variant = "HTTP/1.1";
    public const string Http2Variant = "HTTP/2";
    private const string RelayName = "relay";
    private const double Mebi = 1048576;
    private const double Mega = 1e6;

    /// <returns>Nothing when RelayCore, or the peer of a factor, was not measured.</returns>
    public static IEnumerable<Verdict> Of(Workload workload, List<Row> rows)
    {
        var all = rows.Where(row => row.Workload == workload.Name && row.Failure is null).ToList();
        return all.Where(row => row.Peer == RelayName).GroupBy(row => row.Variant).SelectMany(relay => Of(workload, all, relay));
    }

    private static IEnumerable<Verdict> Of(Workload workload, List<Row> all, IGrouping<string, Row> relay)
    {
        var targets = workload.Targets;
        var name = relay.Key.Length == 0 ? workload.Name : $"{workload.Name} {relay.Key}";

        foreach (var (peer, target) in new[] { ("mitmdump", targets.TimesMitmdump), ("haproxy", targets.TimesHaproxy), (RelayPeer.PlainName, targets.TimesPlain) })
        {
            if (target is { } times && Ratios.Paired(all, workload, RelayName, peer) is { Count: > 0 } ratios)
            {
                var ratio = Statistics.Median(ratios);
                yield return new(
                    name, $"at least {times.Floor} x {peer}{(times.Goal is null ? "" : $", goal {times.Goal} x")}",
                    ratio, ratio >= times.Floor, times.Goal is null ? null : ratio >= times.Goal);
            }
        }

        if (targets.TimesHttp1 is { } least && relay.Key == Http2Variant)
        {
            // By time as well: a window too small for the connection costs no CPU.
            foreach (var (unit, rate) in new (string, Func<Row, double?>)[] { ("MB/s", row => row.Load?.MbPerSecond), ("MB per CPU-second", row => row.Load?.MbPerCpuSecond) })
            {
                if (Ratios.Http2OverHttp1(all, RelayName, rate) is { Count: > 0 } ratios)
                {
                    var ratio = Statistics.Median(ratios);
                    yield return new(name, $"at least {least} x HTTP/1.1 by {unit}", ratio, ratio >= least, null);
                }
            }
        }

        IEnumerable<(string What, double? Floor, double? Goal, Func<Row, double?> Value)> most =
        [
            ("p99 under {0} ms", targets.P99Ms, null, row => row.Load?.P99Ms),
            ("first answer within {0} ms", targets.FirstAnswerMs?.Floor, targets.FirstAnswerMs?.Goal, row => row.Start?.FirstAnswerMs),
            ("idle RSS of at most {0} MB", targets.IdleRssMb?.Floor, targets.IdleRssMb?.Goal, row => row.Start?.IdleRssMb),
            ("at most {0} KB a flow", targets.KbPerFlow?.Floor, targets.KbPerFlow?.Goal, row => row.Memory?.KbPerFlow),
            ("growth of at most {0} MiB", targets.GrowthMib, null, row => row.Memory?.GrowthMib),
            ("RSS of at most {0} MiB", targets.RssMib, null, row => row.Memory?.PeakOctets / Mebi ?? row.Idle?.PeakRssMb * Mega / Mebi),
        ];
        foreach (var (what, floor, goal, value) in most)
        {
            if (floor is not null && relay.Select(value).OfType<double>().ToList() is { Count: > 0 } values)
            {
                var median = Statistics.Median(values);
                var bound = string.Format(System.Globalization.CultureInfo.InvariantCulture, what, floor) + (goal is null ? "" : $", goal {goal}");
                yield return new(name, bound, median, median <= floor, goal is null ? null : median <= goal);
            }
        }

        // A fast proxy that fails requests holds nothing.
        var errors = relay.Sum(row => (row.Load?.Errors ?? 0) + (row.Idle is { } idle ? idle.Errors + idle.Connections - idle.AnsweredAgain : 0));
        yield return new(name, "no failed request", errors, errors == 0, null);
    }
}

/// <summary>Factors between peers, each within one round.</summary>
internal static class Ratios
{
    public static double? Rate(Row row, Workload workload) => workload.LargeBodies ? row.Load?.MbPerCpuSecond : row.Load?.ReqPerCpuSecond;

    /// <returns>The peer's rate over HTTP/2 over its rate over HTTP/1.1, for each round that has both.</returns>
    public static List<double> Http2OverHttp1(IEnumerable<Row> rows, string peer, Func<Row, double?> rate)
    {
        var mine = rows.Where(row => row.Peer == peer && row.Failure is null).ToList();
        return
        [
            .. from one in mine
               where one.Variant == Verdict.Http2Variant
               from other in mine
               where other.Variant == Verdict.Http1Variant && other.Round == one.Round
               let factor = rate(one) / rate(other)
               where factor is { } value && double.IsFinite(value)
               select factor.Value,
        ];
    }

    /// <returns>The rate of <paramref name="peer"/> over that of <paramref name="reference"/>, for each round that has both.</returns>
    public static List<double> Paired(IEnumerable<Row> rows, Workload workload, string peer, string reference)
    {
        var mine = rows.Where(row => row.Workload == workload.Name && row.Failure is null).ToList();
        return
        [
            .. from one in mine
               where one.Peer == peer
               from other in mine
               where other.Peer == reference && other.Round == one.Round && other.Variant == one.Variant
               let factor = Rate(one, workload) / Rate(other, workload)
               where factor is { } value && double.IsFinite(value)
               select factor.Value,
        ];
    }
}

/// <summary>The one statistic the tables use.</summary>
internal static class Statistics
{
    /// <summary>The middle value, or the mean of the two middle ones; NaN of nothing.</summary>
    public static double Median(IEnumerable<double> values)
    {
        var sorted = values.Order().ToArray();
        return sorted.Length == 0 ? double.NaN : (sorted[(sorted.Length - 1) / 2] + sorted[sorted.Length / 2]) / 2;
    }
}
