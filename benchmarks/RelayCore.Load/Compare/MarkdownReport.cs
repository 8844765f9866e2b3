using System.Globalization;
using System.Text;

namespace RelayCore.Load.Compare;

/// <summary>The tables for people: medians, paired ratios with their range, and how RelayCore stands against its bounds.</summary>
internal static class MarkdownReport
{
    private const double Mebi = 1048576;

    public static string Of(CompareOptions options, Dictionary<string, string> conditions, List<Row> rows)
    {
        var text = new StringBuilder("# Comparison\n\n");
        foreach (var (name, value) in conditions)
        {
            text.Append(CultureInfo.InvariantCulture, $"- {name}: {value}\n");
        }

        foreach (var absent in options.Absent)
        {
            text.Append(CultureInfo.InvariantCulture, $"- **not measured:** {absent}\n");
        }

        foreach (var workload in options.Workloads)
        {
            var mine = rows.Where(row => row.Workload == workload.Name).ToList();
            text.Append(CultureInfo.InvariantCulture, $"\n## {workload.Name}: {workload.Title}\n\n");
            AppendTable(text, workload, mine.Where(row => row.Failure is null).ToList());
            foreach (var failed in mine.Where(row => row.Failure is not null))
            {
                text.Append(CultureInfo.InvariantCulture, $"\n**Failed:** {failed.Peer} {failed.Variant} round {failed.Round}: {failed.Failure}\n");
            }
        }

        AppendVerdicts(text, [.. options.Workloads.SelectMany(workload => Verdict.Of(workload, rows))]);
        return text.ToString();
    }

    /// <summary>One line for the terminal while measuring.</summary>
    public static string Progress(Row row)
    {
        var facts = row switch
        {
            { Memory: { } memory, Load: { } load } =>
                $"{Mib(memory.BeforeOctets)} -> {Mib(memory.AfterOctets)} MiB, peak {Mib(memory.PeakOctets)}; {Number(load.MbPerSecond, "0")} MB/s",
            { Load: { } load } => string.Create(
                CultureInfo.InvariantCulture,
                $"{load.ReqPerSecond:0} req/s, {load.MbPerSecond:0} MB/s; by CPU-second {load.ReqPerCpuSecond:0} req, {load.MbPerCpuSecond:0} MB; p99 {load.P99Ms:0.00} ms; errors {load.Errors} {load.FirstError}"),
            { Idle: { } idle } => string.Create(CultureInfo.InvariantCulture, $"{idle.RssIdleMb:0} MB, {idle.StillOpen} open, {idle.AnsweredAgain} answered again {idle.FirstError}"),
            { Start: { } start } => string.Create(CultureInfo.InvariantCulture, $"{start.FirstAnswerMs:0} ms, {start.IdleRssMb:0} MB"),
            _ => "",
        };
        return $"{row.Workload} {row.Variant} round {row.Round} {row.Peer}: {facts}";
    }

    private static void AppendTable(StringBuilder text, Workload workload, List<Row> rows)
    {
        switch (workload.Kind)
        {
            case WorkloadKind.Load:
                AppendLoad(text, workload, rows);
                break;
            case WorkloadKind.Start:
                AppendHead(text, "proxy", "first answer ms (range)", "idle RSS MB", "idle PSS MB", "CPU-s to get there");
                foreach (var peer in rows.GroupBy(row => row.Peer))
                {
                    AppendRow(
                        text, peer.Key, Range(peer.Select(row => row.Start!.FirstAnswerMs), "0"), Median(peer, row => row.Start!.IdleRssMb, "0"),
                        Median(peer, row => row.Start!.IdlePssMb, "0"), Median(peer, row => row.Start!.CpuSeconds, "0.00"));
                }

                break;
            case WorkloadKind.Flows:
                AppendHead(text, "proxy", "flows", "RSS before MiB", "RSS after MiB", "peak MiB", "KB per flow", "flows per CPU-s");
                foreach (var row in rows)
                {
                    var memory = row.Memory!;
                    AppendRow(
                        text, Named(row), Number(memory.Flows, "N0"), Mib(memory.BeforeOctets), Mib(memory.AfterOctets), Mib(memory.PeakOctets),
                        Number(memory.KbPerFlow, "0.00"), Number(memory.Flows / memory.CpuSeconds, "N0"));
                }

                break;
            case WorkloadKind.HugeBody:
                AppendHead(text, "proxy", "MiB", "RSS before MiB", "RSS after MiB", "peak MiB", "growth MiB", "MB/s", "MB per CPU-s");
                foreach (var row in rows)
                {
                    var (memory, load) = (row.Memory!, row.Load!);
                    AppendRow(
                        text, Named(row), Number(load.MbPerSecond * load.Seconds * 1e6 / Mebi, "0"), Mib(memory.BeforeOctets), Mib(memory.AfterOctets),
                        Mib(memory.PeakOctets), Number(memory.GrowthMib, "0.0"), Number(load.MbPerSecond, "0"), Number(load.MbPerCpuSecond, "0"));
                }

                break;
            case WorkloadKind.BothVersions:
                AppendHead(
                    text, "proxy", "MiB", "MB/s", "x HTTP/1.1 (range)", "MB per CPU-s", "x HTTP/1.1 (range)", "RSS before MiB", "most growth MiB", "errors");
                foreach (var rounds in rows.GroupBy(Named))
                {
                    var one = rounds.First();
                    var (isHttp2, all) = (one.Variant == Verdict.Http2Variant, rows.Where(row => row.Workload == workload.Name));
                    AppendRow(
                        text, rounds.Key, Median(rounds, row => row.Load!.MbPerSecond * row.Load!.Seconds * 1e6 / Mebi, "0"),
                        Median(rounds, row => row.Load!.MbPerSecond, "N0"),
                        isHttp2 ? Range(Ratios.Http2OverHttp1(all, one.Peer, row => row.Load?.MbPerSecond), "0.00") : "1",
                        Median(rounds, row => row.Load!.MbPerCpuSecond, "N0"),
                        isHttp2 ? Range(Ratios.Http2OverHttp1(all, one.Peer, row => row.Load?.MbPerCpuSecond), "0.00") : "1",
                        Median(rounds, row => row.Memory!.BeforeOctets / Mebi, "0"), Number(rounds.Max(row => row.Memory!.GrowthMib), "0.0"),
                        Number(rounds.Sum(row => row.Load!.Errors), "N0"));
                }

                break;
            case WorkloadKind.Idle:
                AppendHead(text, "proxy", "connections", "still open", "answered again", "RSS before MB", "RSS idle MB", "peak MB", "KB per connection", "errors");
                foreach (var row in rows)
                {
                    var idle = row.Idle!;
                    AppendRow(
                        text, Named(row), Number(idle.Connections, "N0"), Number(idle.StillOpen, "N0"), Number(idle.AnsweredAgain, "N0"),
                        Number(idle.RssBeforeMb, "0"), Number(idle.RssIdleMb, "0"), Number(idle.PeakRssMb, "0"),
                        Number((idle.RssIdleMb - idle.RssBeforeMb) * 1000 / idle.Connections, "0.0"), Number(idle.Errors, "N0"));
                }

                break;
        }
    }

    private static void AppendLoad(StringBuilder text, Workload workload, List<Row> rows)
    {
        var unit = workload.LargeBodies ? "MB" : workload.Unit;
        AppendHead(
            text, "proxy", $"{unit}/s", $"{unit} per CPU-s", "x mitmdump (range)", "x haproxy (range)", "cores used",
            "p50 ms", "p99 ms", "p99.9 ms", "peak RSS MB", "errors");
        foreach (var peer in rows.GroupBy(row => row.Peer).OrderBy(peer => peer.Key == CompareOptions.DirectName))
        {
            AppendRow(
                text,
                peer.Key,
                Median(peer, row => workload.LargeBodies ? row.Load!.MbPerSecond : row.Load!.ReqPerSecond, "N0"),
                Median(peer, row => Ratios.Rate(row, workload), "N0"),
                Range(Ratios.Paired(rows, workload, peer.Key, "mitmdump"), "0.00"),
                Range(Ratios.Paired(rows, workload, peer.Key, "haproxy"), "0.00"),
                Median(peer, row => row.Load!.CoresUsed, "0.00"),
                Median(peer, row => row.Load!.P50Ms, "0.00"),
                Median(peer, row => row.Load!.P99Ms, "0.00"),
                Median(peer, row => row.Load!.P999Ms, "0.00"),
                Median(peer, row => row.Load!.PeakRssMb, "0"),
                Number(peer.Sum(row => row.Load!.Errors), "N0"));
        }
    }

    private static void AppendVerdicts(StringBuilder text, List<Verdict> verdicts)
    {
        if (verdicts.Count == 0)
        {
            return;
        }

        text.Append("\n## RelayCore against its bounds\n\n");
        AppendHead(text, "workload", "bound", "measured (median)", "floor", "goal");
        foreach (var verdict in verdicts)
        {
            AppendRow(
                text, verdict.Workload, verdict.Bound, Number(verdict.Measured, "0.00"), verdict.IsFloorMet ? "held" : "**MISSED**",
                verdict.IsGoalMet switch { true => "reached", false => "not yet", null => "–" });
        }
    }

    private static void AppendHead(StringBuilder text, params string[] names)
    {
        AppendRow(text, names);
        text.Append("|---").Insert(text.Length, "|---:", names.Length - 1).Append("|\n");
    }

    private static void AppendRow(StringBuilder text, params string[] cells) => text.Append("| ").AppendJoin(" | ", cells).Append(" |\n");

    private static string Named(Row row) => row.Variant.Length == 0 ? row.Peer : $"{row.Peer}, {row.Variant}";

    private static string Median(IEnumerable<Row> rows, Func<Row, double?> value, string format) =>
        Number(Statistics.Median(rows.Select(value).OfType<double>()), format);

    private static string Range(IEnumerable<double> values, string format)
    {
        var all = values.ToList();
        return all.Count == 0 ? "–" : $"{Number(Statistics.Median(all), format)} ({Number(all.Min(), format)}–{Number(all.Max(), format)})";
    }

    private static string Mib(long octets) => Number(octets / Mebi, "0");

    private static string Number(double? value, string format) =>
        value is { } number && double.IsFinite(number) ? number.ToString(format, CultureInfo.InvariantCulture) : "–";
}
