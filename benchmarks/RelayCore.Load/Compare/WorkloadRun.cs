using System.Diagnostics;
using System.Text.Json;
using RelayCore.Load.Load;
using RelayCore.Load.Measure;

namespace RelayCore.Load.Compare;

/// <summary>Measures one workload against every peer. Generators run as processes of their own.</summary>
internal sealed class WorkloadRun(CompareOptions options, Testbed bed, Workload workload, List<Row> rows)
{
    private const int FlowConnections = 32;
    private const int WarmUpRequests = 2_000;
    private const double Mega = 1e6;

    /// <summary>A proxy that fails so often will not make its number, however long one waits.</summary>
    private const int MostErrors = 1_000;
    private static readonly TimeSpan s_settle = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan s_idle = TimeSpan.FromSeconds(3);
    private static readonly TimeSpan s_timeToAnswer = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan s_timeToReport = TimeSpan.FromMinutes(15);
    private static readonly TimeSpan s_timeToWarmUp = TimeSpan.FromSeconds(20);
    private static readonly TimeSpan s_timeToDownload = TimeSpan.FromMinutes(3);
    private static int s_generators;
    private readonly Peer[] _peers = [.. options.Peers.Where(peer => peer.TakesPartIn(workload))];

    public Task RunAsync(CancellationToken cancellationToken) => workload.Kind switch
    {
        WorkloadKind.Load => LoadAsync(cancellationToken),
        WorkloadKind.Start => EachRoundAsync("", StartAsync, cancellationToken),
        WorkloadKind.Flows => EachPeerAsync("", FlowsAsync, cancellationToken),
        WorkloadKind.HugeBody => PlainAndTlsAsync(HugeBodyAsync, cancellationToken),
        WorkloadKind.Idle => PlainAndTlsAsync(IdleAsync, cancellationToken),
        WorkloadKind.BothVersions => BothVersionsAsync(cancellationToken),
        var other => throw new BenchmarkException($"{other} is not a kind of workload."),
    };

    private async Task LoadAsync(CancellationToken cancellationToken)
    {
        var running = new Dictionary<Peer, RunningPeer>();
        try
        {
            foreach (var peer in _peers)
            {
                await RecordAsync(peer.Name, "", 0, onlyFailure: true, async () =>
                {
                    running[peer] = await peer.StartAsync(bed, workload.Setup(bed, workload.Tls), cancellationToken);
                    return null!;
                });
            }

            for (var round = 1; round <= options.Rounds; round++)
            {
                foreach (var peer in InTurn(round).Where(running.ContainsKey))
                {
                    await RecordAsync(peer.Name, "", round, onlyFailure: false, async () => new(workload.Name, "", peer.Name, round)
                    {
                        Load = await GenerateAsync(running[peer], workload.Tls, TimedLoad(), cancellationToken),
                    });
                }
            }

            await RecordAsync(CompareOptions.DirectName, "", 1, onlyFailure: false, async () => new(workload.Name, "", CompareOptions.DirectName, 1)
            {
                Load = await GenerateAsync(null, workload.Tls, TimedLoad(), cancellationToken),
            });
        }
        finally
        {
            foreach (var peer in running.Values)
            {
                await peer.DisposeAsync();
            }
        }
    }

    private async Task<Row> StartAsync(Peer peer, string variant, int round, CancellationToken cancellationToken)
    {
        var started = Stopwatch.GetTimestamp();
        await using var running = peer.Launch(bed, workload.Setup(bed, tls: false));
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        patience.CancelAfter(s_timeToAnswer);
        var probe = new Http1Connection(new LoadPlan(PlainProbe(running)), new LoadControl(0), pacer: null);
        while (!await probe.TryExchangeAsync())
        {
            if (running.Process.HasEnded || patience.IsCancellationRequested)
            {
                cancellationToken.ThrowIfCancellationRequested();
                throw new BenchmarkException($"no answer ({probe.FirstFault}); {running.Process.LastWords()}");
            }

            await Task.Delay(1, cancellationToken);
        }

        var firstAnswer = Stopwatch.GetElapsedTime(started);
        probe.Close();
        await Task.Delay(s_idle, cancellationToken);
        var usage = ProcessTree.Sample(running.Process.Id);
        return new(workload.Name, variant, peer.Name, round)
        {
            Start = new(firstAnswer.TotalMilliseconds, usage.RssOctets / Mega, ProcessTree.ProportionalOctets(running.Process.Id) / Mega, usage.CpuSeconds),
        };
    }

    private async Task<Row> FlowsAsync(Peer peer, string variant, int round, CancellationToken cancellationToken)
    {
        await using var running = await peer.StartAsync(bed, workload.Setup(bed, tls: false), cancellationToken);
        var flows = workload.Name == "w10" ? options.Flows : options.ManyFlows;
        return await AroundAsync(peer, running, tls: false, variant, round, WarmUpRequests, flows, CountedLoad(flows, FlowConnections), cancellationToken);
    }

    private async Task<Row> HugeBodyAsync(Peer peer, string variant, int round, CancellationToken cancellationToken)
    {
        var tls = variant == "intercepted";
        await using var running = await peer.StartAsync(bed, workload.Setup(bed, tls), cancellationToken);
        var small = workload with { Path = workload.Upload ? workload.Path : "/1k", ContentOctets = Testbed.SmallOctets };
        await new WorkloadRun(options, bed, small, rows).GenerateAsync(running, tls, CountedLoad(WarmUpRequests, 4), cancellationToken);
        var huge = workload with { ContentOctets = bed.HugeOctets };
        return await new WorkloadRun(options, bed, huge, rows)
            .AroundAsync(peer, running, tls, variant, round, warmUpRequests: 0, flows: 0, CountedLoad(1, 1), cancellationToken);
    }

    private async Task<Row> IdleAsync(Peer peer, string variant, int round, CancellationToken cancellationToken)
    {
        var tls = variant == "intercepted";
        await using var running = await peer.StartAsync(bed, workload.Setup(bed, tls), cancellationToken);
        await using var generator = Generator("idle", running, tls, ["--connections", $"{options.IdleConnections}", "--hold", "5"]);
        var report = JsonSerializer.Deserialize(await generator.ReadLineAsync(s_timeToReport, cancellationToken), ReportJson.Default.IdleReport)!;
        return new(workload.Name, variant, peer.Name, round) { Idle = report };
    }

    private async Task BothVersionsAsync(CancellationToken cancellationToken)
    {
        (string Variant, WorkloadRun Run)[] versions =
        [
            (Verdict.Http2Variant, Download(LoadProtocol.Http2, options.DownloadOctets)),
            (Verdict.Http1Variant, Download(LoadProtocol.Http1, options.DownloadOctets)),
        ];
        foreach (var peer in _peers)
        {
            var (started, running) = (new List<RunningPeer>(), new Dictionary<string, RunningPeer>());
            try
            {
                foreach (var (variant, _) in versions)
                {
                    var small = Download(variant == Verdict.Http2Variant ? LoadProtocol.Http2 : LoadProtocol.Http1, Testbed.SmallOctets);
                    await RecordAsync(peer.Name, variant, 0, onlyFailure: true, async () =>
                    {
                        var proxy = await peer.StartAsync(bed, small.Setup, cancellationToken);
                        started.Add(proxy);
                        await small.GenerateAsync(proxy, tls: true, CountedLoad(WarmUpRequests, 4, s_timeToWarmUp), cancellationToken);
                        running[variant] = proxy;
                        return null!;
                    });
                }

                for (var round = 1; round <= options.Rounds; round++)
                {
                    foreach (var (variant, run) in round % 2 == 0 ? versions.Reverse() : versions)
                    {
                        if (!running.TryGetValue(variant, out var proxy))
                        {
                            continue;
                        }

                        var number = round;
                        await RecordAsync(peer.Name, variant, number, onlyFailure: false, () => run.AroundAsync(
                            peer, proxy, tls: true, variant, number, warmUpRequests: 0, flows: 0, CountedLoad(1, 1, s_timeToDownload), cancellationToken));
                    }
                }
            }
            finally
            {
                foreach (var one in started)
                {
                    await one.DisposeAsync();
                }
            }
        }
    }

    private PeerSetup Setup => workload.Setup(bed, workload.Tls);

    private WorkloadRun Download(LoadProtocol protocol, long octets) =>
        new(options, bed, workload with { Protocol = protocol, Path = $"/octets/{octets}", ContentOctets = octets }, rows);

    /// <summary>Memory before, during and after a run of the generator.</summary>
    private async Task<Row> AroundAsync(
        Peer peer, RunningPeer running, bool tls, string variant, int round, int warmUpRequests, long flows, string[] load, CancellationToken cancellationToken)
    {
        if (warmUpRequests > 0)
        {
            await GenerateAsync(running, tls, CountedLoad(warmUpRequests, FlowConnections), cancellationToken);
        }

        await Task.Delay(s_settle, cancellationToken);
        ProcessTree.ResetPeak(running.Process.Id);
        var before = ProcessTree.Sample(running.Process.Id);
        var report = await GenerateAsync(running, tls, load, cancellationToken);
        await Task.Delay(s_settle, cancellationToken);
        var after = ProcessTree.Sample(running.Process.Id);
        return new(workload.Name, variant, peer.Name, round)
        {
            Load = report,
            Memory = new(before.RssOctets, after.RssOctets, after.PeakRssOctets, flows, after.CpuSeconds - before.CpuSeconds),
        };
    }

    private string[] TimedLoad() =>
    [
        "--seconds", Invariant(options.Seconds), "--warmup", Invariant(options.WarmUp), "--connections", $"{workload.Connections}",
        .. workload.NewConnections ? ["--new-connections"] : Array.Empty<string>(),
        .. workload.Rate > 0 ? ["--rate", Invariant(workload.Rate)] : Array.Empty<string>(),
    ];

    /// <param name="requests">How many must succeed.</param>
    /// <param name="connections">How many make them.</param>
    /// <param name="patience">Within which time, unless the generator's own.</param>
    private static string[] CountedLoad(long requests, int connections, TimeSpan? patience = null) =>
    [
        "--requests", $"{requests}", "--connections", $"{connections}", "--most-errors", $"{MostErrors}",
        .. patience is { } time ? ["--seconds", Invariant(time.TotalSeconds)] : Array.Empty<string>(),
    ];

    private async Task<LoadReport> GenerateAsync(RunningPeer? running, bool tls, string[] load, CancellationToken cancellationToken)
    {
        await using var generator = Generator("load", running, tls, load);
        var report = JsonSerializer.Deserialize(await generator.ReadLineAsync(s_timeToReport, cancellationToken), ReportJson.Default.LoadReport)!;
        if (load[0] == "--requests" && report.Requests < long.Parse(load[1], System.Globalization.CultureInfo.InvariantCulture))
        {
            throw new BenchmarkException($"only {report.Requests} of {load[1]} requests succeeded in {report.Seconds:0} s ({report.FirstError ?? "too slow"}).");
        }

        return report;
    }

    private ChildProcess Generator(string command, RunningPeer? running, bool tls, string[] load)
    {
        var url = Url(tls);
        var (route, via, ca) = running is null
            ? (Route.Straight, $"127.0.0.1:{url.Port}", bed.Certificates.Ca)
            : (running.RouteFor(tls), running.EndPoint.ToString(), running.ClientCa);
        string[] body = workload switch
        {
            { Protocol: LoadProtocol.WebSocket } => ["--message", $"{workload.ContentOctets}"],
            { Upload: true } => ["--upload", $"{workload.ContentOctets}", "--expect", "2"],
            _ => ["--expect", $"{workload.ContentOctets}"],
        };
        return ChildProcess.Start(
            bed,
            $"generator-{Interlocked.Increment(ref s_generators)}",
            Testbed.Self(
            [
                command, .. command == "load" ? Protocol : [], "--route", route.ToString().ToLowerInvariant(), "--via", via, "--url", url.ToString(),
                .. running is null ? Array.Empty<string>() : ["--pid", $"{running.Process.Id}"],
                .. tls && ca is not null ? ["--ca", ca] : Array.Empty<string>(),
                .. body, .. load,
            ]),
            captureOutput: true);
    }

    private string[] Protocol => workload.Protocol switch
    {
        LoadProtocol.Http2 => ["--protocol", "http2", "--streams", $"{workload.Streams}"],
        LoadProtocol.WebSocket => ["--protocol", "websocket"],
        _ => [],
    };

    private Uri Url(bool tls) =>
        new($"{(tls ? "https" : "http")}://127.0.0.1:{workload.OriginPort(bed, tls)}{workload.Path}");

    private LoadOptions PlainProbe(RunningPeer running) => new()
    {
        Route = running.RouteFor(tls: false),
        Via = running.EndPoint,
        Url = Url(tls: false),
        ExpectOctets = workload.ContentOctets,
    };

    private async Task PlainAndTlsAsync(Func<Peer, string, int, CancellationToken, Task<Row>> measure, CancellationToken cancellationToken)
    {
        await EachPeerAsync("plain", measure, cancellationToken);
        await EachPeerAsync("intercepted", measure, cancellationToken);
    }

    private async Task EachRoundAsync(string variant, Func<Peer, string, int, CancellationToken, Task<Row>> measure, CancellationToken cancellationToken)
    {
        for (var round = 1; round <= options.Rounds; round++)
        {
            foreach (var peer in InTurn(round))
            {
                var number = round;
                await RecordAsync(peer.Name, variant, number, onlyFailure: false, () => measure(peer, variant, number, cancellationToken));
            }
        }
    }

    private async Task EachPeerAsync(string variant, Func<Peer, string, int, CancellationToken, Task<Row>> measure, CancellationToken cancellationToken)
    {
        foreach (var peer in _peers)
        {
            await RecordAsync(peer.Name, variant, 1, onlyFailure: false, () => measure(peer, variant, 1, cancellationToken));
        }
    }

    /// <summary>The order moves on by one each round, so that nobody always follows the same neighbour.</summary>
    private IEnumerable<Peer> InTurn(int round) => _peers.Select((_, i) => _peers[(i + round - 1) % _peers.Length]);

    /// <summary>A peer that fails costs its own row, said in the report and in the exit code, and not the comparison.</summary>
    private async Task RecordAsync(string peer, string variant, int round, bool onlyFailure, Func<Task<Row>> measure)
    {
        try
        {
            var row = await measure();
            if (!onlyFailure)
            {
                rows.Add(row);
                await Console.Error.WriteLineAsync(MarkdownReport.Progress(row));
            }
        }
        catch (BenchmarkException error)
        {
            rows.Add(new(workload.Name, variant, peer, round) { Failure = error.Message });
            await Console.Error.WriteLineAsync($"FAILED: {workload.Name} {variant} {peer} round {round}: {error.Message}");
        }
    }

    private static string Invariant(double value) => value.ToString(System.Globalization.CultureInfo.InvariantCulture);
}
