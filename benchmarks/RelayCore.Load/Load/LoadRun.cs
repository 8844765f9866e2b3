using System.Diagnostics;
using RelayCore.Load.Measure;

namespace RelayCore.Load.Load;

/// <summary>Runs the connections of one measurement: warm-up, window, stop.</summary>
internal static class LoadRun
{
    private const double Mega = 1e6;
    private static readonly TimeSpan s_timeToUnwind = TimeSpan.FromSeconds(10);

    private readonly record struct Totals(long Timestamp, long Completed, long Octets, long Opened, TimeSpan OwnCpu, long OwnAllocated, ProcessUsage? Proxy)
    {
        public static Totals Of(LoadConnection[] connections, int? pid) => new(
            Stopwatch.GetTimestamp(),
            connections.Sum(connection => connection.Completed),
            connections.Sum(connection => connection.Octets),
            connections.Sum(connection => connection.Opened),
            Environment.CpuUsage.TotalTime,
            GC.GetTotalAllocatedBytes(),
            pid is null ? null : ProcessTree.Sample(pid.Value));
    }

    public static async Task<LoadReport> RunAsync(LoadOptions options, CancellationToken cancellationToken)
    {
        var plan = new LoadPlan(options);
        var control = new LoadControl(options.Requests, options.MostErrors);
        var pacer = options.Rate > 0 ? new Pacer(options.Rate) : null;
        var connections = new LoadConnection[options.Connections];
        for (var i = 0; i < connections.Length; i++)
        {
            connections[i] = LoadConnection.Create(plan, control, pacer);
        }

        Totals before, after;
        if (options.WarmUp == TimeSpan.Zero)
        {
            (before, control.IsMeasuring) = (Totals.Of(connections, options.Pid), true);
        }
        else
        {
            before = default;
        }

        // Task.Run, so that a connection that completes synchronously does not keep the next from starting.
        var running = Task.WhenAll(connections.Select(connection => Task.Run(connection.RunAsync, CancellationToken.None)));
        pacer?.Start();
        try
        {
            if (!control.IsMeasuring)
            {
                await Task.WhenAny(running, control.GivenUp, Task.Delay(options.WarmUp, cancellationToken));
                (before, control.IsMeasuring) = (Totals.Of(connections, options.Pid), true);
            }

            await Task.WhenAny(running, control.GivenUp, Task.Delay(options.Duration, cancellationToken));
            after = Totals.Of(connections, options.Pid);
        }
        finally
        {
            (control.IsMeasuring, control.IsStopping) = (false, true);
            pacer?.Stop();
            Array.ForEach(connections, connection => connection.Abort());
        }

        cancellationToken.ThrowIfCancellationRequested();
        try
        {
            await running.WaitAsync(s_timeToUnwind, cancellationToken);
        }
        catch (TimeoutException)
        {
            throw new BenchmarkException("some connections did not end although their sockets were closed.");
        }

        return Report(options, connections, before, after, pacer?.Backlog);
    }

    private static LoadReport Report(LoadOptions options, LoadConnection[] connections, Totals before, Totals after, long? backlog)
    {
        var latencies = new LatencyHistogram();
        Array.ForEach(connections, connection => latencies.Add(connection.Latencies));
        var faults = Enum.GetValues<LoadFault>()
            .Select(fault => (Name: fault.ToString(), Count: connections.Sum(connection => connection.Faults(fault))))
            .Where(fault => fault.Count > 0)
            .ToDictionary(fault => fault.Name, fault => fault.Count);
        var seconds = Stopwatch.GetElapsedTime(before.Timestamp, after.Timestamp).TotalSeconds;
        var (requests, megabytes) = (after.Completed - before.Completed, (after.Octets - before.Octets) / Mega);
        var cpu = after.Proxy?.CpuSeconds - before.Proxy?.CpuSeconds;
        return new()
        {
            Route = options.Route.ToString(),
            Protocol = options.Protocol.ToString(),
            Url = options.Url.ToString(),
            Connections = options.Connections,
            Streams = options.Protocol == LoadProtocol.Http2 ? options.Streams : null,
            Seconds = seconds,
            Requests = requests,
            ReqPerSecond = requests / seconds,
            MbPerSecond = megabytes / seconds,
            CpuSeconds = cpu,
            CoresUsed = cpu / seconds,
            ReqPerCpuSecond = cpu > 0 ? requests / cpu : null,
            MbPerCpuSecond = cpu > 0 ? megabytes / cpu : null,
            P50Ms = latencies.Percentile(50),
            P99Ms = latencies.Percentile(99),
            P999Ms = latencies.Percentile(99.9),
            MaxMs = latencies.Maximum / 1000.0,
            RssBeforeMb = before.Proxy?.RssOctets / Mega,
            RssAfterMb = after.Proxy?.RssOctets / Mega,
            PeakRssMb = after.Proxy?.PeakRssOctets / Mega,
            ConnectionsOpened = after.Opened - before.Opened,
            Errors = faults.Values.Sum(),
            ErrorsByKind = faults,
            FirstError = connections.Select(connection => connection.FirstFault).FirstOrDefault(fault => fault is not null),
            Backlog = backlog,
            GeneratorCpuSeconds = (after.OwnCpu - before.OwnCpu).TotalSeconds,
            GeneratorAllocatedOctets = after.OwnAllocated - before.OwnAllocated,
        };
    }
}
