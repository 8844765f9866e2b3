using System.Diagnostics;
using System.Text.Json;
using RelayCore.Load.Measure;

namespace RelayCore.Load.Load;

/// <summary>What holding idle connections cost the proxy. MB are 10^6 octets.</summary>
internal sealed record IdleReport
{
    public required int Connections { get; init; }

    /// <summary>Connections that were answered once and that the proxy had not closed at the end of the hold.</summary>
    public required int StillOpen { get; init; }

    /// <summary>Connections that answered a second request after the hold.</summary>
    public required int AnsweredAgain { get; init; }

    public required double OpenSeconds { get; init; }

    public double? RssBeforeMb { get; init; }

    /// <summary>At the end of the hold, before the second request.</summary>
    public double? RssIdleMb { get; init; }

    public double? PeakRssMb { get; init; }

    public double? IdleCpuSeconds { get; init; }

    public required long Errors { get; init; }

    public string? FirstError { get; init; }
}

/// <summary><c>idle</c>: opens connections, makes one request on each, holds them, then asks each once more.</summary>
internal static class IdleCommand
{
    private const double Mega = 1e6;

    public static async Task<int> RunAsync(Arguments arguments, CancellationToken cancellationToken)
    {
        var hold = TimeSpan.FromSeconds(arguments.Number("--hold", 5));
        var patience = TimeSpan.FromSeconds(arguments.Number("--patience", 300));
        var openers = (int)arguments.Integer("--openers", 32, smallest: 1);
        var options = LoadOptions.From(arguments) with { BufferOctets = 4096 };
        arguments.RejectRest();
        if (options is not { NewConnections: false, Rate: 0, Requests: 0, UploadOctets: 0, Protocol: LoadProtocol.Http1 })
        {
            throw new UsageException("idle makes one GET on each of its connections: --new-connections, --rate, --requests, --upload and --protocol do not apply.");
        }

        var report = await RunAsync(options, hold, patience, openers, cancellationToken);
        Console.WriteLine(JsonSerializer.Serialize(report, ReportJson.Default.IdleReport));
        return 0;
    }

    private static async Task<IdleReport> RunAsync(
        LoadOptions options, TimeSpan hold, TimeSpan patience, int openers, CancellationToken cancellationToken)
    {
        var (plan, control) = (new LoadPlan(options), new LoadControl(0));
        var connections = new Http1Connection[options.Connections];
        for (var i = 0; i < connections.Length; i++)
        {
            connections[i] = new(plan, control, pacer: null);
        }

        ProcessUsage? Sample() => options.Pid is { } pid ? ProcessTree.Sample(pid) : null;
        var before = Sample();
        var started = Stopwatch.GetTimestamp();
        await ExchangeOnEachAsync(connections, openers, patience, cancellationToken);
        var openTime = Stopwatch.GetElapsedTime(started);

        var settled = Sample();
        await Task.Delay(hold, cancellationToken);
        var idle = Sample();
        var stillOpen = connections.Where(connection => connection.IsConnected).ToArray();
        var answeredAgain = await ExchangeOnEachAsync(stillOpen, openers, patience, cancellationToken);
        Array.ForEach(connections, connection => connection.Close());
        return new()
        {
            Connections = connections.Length,
            StillOpen = stillOpen.Length,
            AnsweredAgain = answeredAgain,
            OpenSeconds = openTime.TotalSeconds,
            RssBeforeMb = before?.RssOctets / Mega,
            RssIdleMb = idle?.RssOctets / Mega,
            PeakRssMb = idle?.PeakRssOctets / Mega,
            IdleCpuSeconds = idle?.CpuSeconds - settled?.CpuSeconds,
            Errors = Enum.GetValues<LoadFault>().Sum(fault => connections.Sum(connection => connection.Faults(fault))),
            FirstError = connections.Select(connection => connection.FirstFault).FirstOrDefault(fault => fault is not null),
        };
    }

    /// <summary>Makes a request on each; those under way when patience ends are broken off and count as failed, later ones are not made.</summary>
    private static async Task<int> ExchangeOnEachAsync(Http1Connection[] connections, int openers, TimeSpan patience, CancellationToken cancellationToken)
    {
        var (answered, isOver) = (0, false);
        var all = Parallel.ForEachAsync(
            connections,
            new ParallelOptions { MaxDegreeOfParallelism = openers, CancellationToken = cancellationToken },
            async (connection, _) =>
            {
                if (!Volatile.Read(ref isOver) && await connection.TryExchangeAsync())
                {
                    Interlocked.Increment(ref answered);
                }
            });
        if (await Task.WhenAny(all, Task.Delay(patience, cancellationToken)) != all)
        {
            Volatile.Write(ref isOver, true);
            Array.ForEach(connections, connection => connection.Abort());
        }

        await all;
        return answered;
    }
}
