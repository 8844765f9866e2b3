using System.Text.Json;

namespace RelayCore.Load.Compare;

/// <summary><c>compare</c>: measures, then writes compare.md and compare.json. Fails when a measurement failed or, with --check, a floor was missed.</summary>
internal static class CompareCommand
{
    public static async Task<int> RunAsync(Arguments arguments, CancellationToken cancellationToken)
    {
        var options = CompareOptions.From(arguments);
        foreach (var absent in options.Absent)
        {
            await Console.Error.WriteLineAsync($"NOT MEASURED: {absent}.");
        }

        var conditions = await Conditions.CollectAsync(options, cancellationToken);
        var rows = new List<Row>();
        try
        {
            await using var bed = await Testbed.StartAsync(options.Work, options.Root, options.HugeOctets, cancellationToken);
            foreach (var workload in options.Workloads)
            {
                await new WorkloadRun(options, bed, workload, rows).RunAsync(cancellationToken);
            }
        }
        finally
        {
            // An interrupted comparison keeps what it had.
            if (rows.Count > 0)
            {
                Directory.CreateDirectory(options.Out);
                await File.WriteAllTextAsync(Path.Combine(options.Out, "compare.md"), MarkdownReport.Of(options, conditions, rows), CancellationToken.None);
                await File.WriteAllTextAsync(
                    Path.Combine(options.Out, "compare.json"),
                    JsonSerializer.Serialize(new(conditions, rows), ComparisonJson.Default.Comparison),
                    CancellationToken.None);
            }
        }

        Console.WriteLine(MarkdownReport.Of(options, conditions, rows));
        await Console.Error.WriteLineAsync($"written: {Path.Combine(options.Out, "compare.md")} and compare.json");
        var missed = options.Workloads.SelectMany(workload => Verdict.Of(workload, rows)).Count(verdict => !verdict.IsFloorMet);
        return rows.Any(row => row.Failure is not null) || (options.Check && missed > 0) ? 1 : 0;
    }
}
