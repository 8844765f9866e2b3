using System.Diagnostics;
using RelayCore.Core.Flows;
using RelayCore.Core.Interception;
using RelayCore.Engine.Capture;
using RelayCore.Protocols;
using Xunit;
using static RelayCore.Engine.Tests.Capture.CaptureDriver;

namespace RelayCore.Engine.Tests.Capture;

/// <summary>Measures the process, so nothing may run beside it.</summary>
[CollectionDefinition(nameof(CaptureCostTests), DisableParallelization = true)]
public sealed class CaptureCostAlone;

[Collection(nameof(CaptureCostTests))]
public sealed class CaptureCostTests(ITestOutputHelper output)
{
    [Fact]
    public void End_SmallFlow_AllocatesNothing()
    {
        using var store = Store();
        var recorder = store.Rent();
        var (client, server) = (Client(), Server());
        for (var i = 0; i < 20_000; i++)
        {
            Get(recorder, NewId(), client, server, Kilobyte);
        }

        // Within a slab nothing at all; for each new slab, of some 600 flows, the slab's object and the texts of the addresses.
        var batches = new long[200];
        for (var batch = 0; batch < batches.Length; batch++)
        {
            var before = GC.GetAllocatedBytesForCurrentThread();
            for (var i = 0; i < 100; i++)
            {
                Get(recorder, NewId(), client, server, Kilobyte);
            }

            batches[batch] = GC.GetAllocatedBytesForCurrentThread() - before;
        }

        output.WriteLine($"{batches.Sum() / 20_000.0:F3} B per flow over many slabs");
        Array.Sort(batches);
        Assert.Equal(0, batches[batches.Length / 2]);
        Assert.InRange(batches.Sum() / 20_000.0, 0, 4);
    }

    [Fact]
    public void Commit_200000Kilobytes_StaysWithinTheBudget()
    {
        const long Budget = 256L * 1024 * 1024;
        using var store = Store(Budget);
        var recorders = Enumerable.Range(0, 32).Select(_ => (Recorder: store.Rent(), Client: Client(), Server: Server())).ToArray();
        var heap = GC.GetTotalMemory(forceFullCollection: true);
        var resident = Resident();
        var used = 0L;
        var timer = Stopwatch.StartNew();
        for (var i = 0; i < 200_000; i++)
        {
            var (recorder, client, server) = recorders[i % recorders.Length];
            Get(recorder, NewId(), client, server, Kilobyte);
            used = i == 99_999 ? store.Statistics.MemoryUsed : used;
        }

        var elapsed = timer.Elapsed;
        var statistics = store.Statistics;
        var perFlow = (used + Math.Max(0, GC.GetTotalMemory(forceFullCollection: true) - heap)) / 100_000.0;
        output.WriteLine($"{perFlow:F0} B per flow; {elapsed.TotalMicroseconds / 200_000:F2} us per flow; {statistics}; resident +{(Resident() - resident) >> 20} MiB");
        Assert.InRange(perFlow, 1024, 1800);
        Assert.InRange(statistics.MemoryUsed, 0, Budget);
        Assert.InRange(Resident() - resident, 0, Budget + (100L * 1024 * 1024));
        Assert.Equal(200_000, statistics.Stored);
        Assert.Equal(statistics.Live, store.List(new()).Count());
    }

    [Fact]
    public void Message_64Octets_CostsNextToNothing()
    {
        using var store = Store(64 * 1024 * 1024);
        var recorder = store.Rent();
        recorder.Begin(FlowKind.WebSocket, NewId(), default, Client(), 1);
        Say(200_000); // past the limit, so that every block taken is one given back
        var before = GC.GetAllocatedBytesForCurrentThread();
        var best = TimeSpan.MaxValue;
        for (var batch = 0; batch < 20; batch++)
        {
            var timer = Stopwatch.StartNew();
            Say(50_000);
            best = timer.Elapsed < best ? timer.Elapsed : best;
        }

        var allocated = GC.GetAllocatedBytesForCurrentThread() - before;
        output.WriteLine($"{best.TotalNanoseconds / 50_000:F0} ns and {allocated / 1_000_000.0:F3} B per message");
        Assert.InRange(allocated / 1_000_000.0, 0, 1); // an object for each block
#if DEBUG
        Assert.InRange(best.TotalMicroseconds / 50_000, 0, 5);
#else
        Assert.InRange(best.TotalMicroseconds / 50_000, 0, 1);
#endif
        recorder.End(CloseReason.Completed, null, null, 1);

        void Say(int count)
        {
            for (var i = 0; i < count; i++)
            {
                recorder.Message(PeerRole.Client, MessageType.Text, MessageMarks.Final, Kilobyte.AsSpan(0, 64), 70, 1);
            }
        }
    }

    [Fact]
    public void Rent_TenThousandIdle_StaysSmall()
    {
        using var store = Store();
        var (client, server) = (Client(), Server());
        var before = GC.GetTotalMemory(forceFullCollection: true);
        var recorders = new List<FlowRecorder>();
        for (var i = 0; i < 10_000; i++)
        {
            recorders.Add(store.Rent());
            Get(recorders[^1], NewId(), client, server, CaptureDriver.Kilobyte);
        }

        var grown = GC.GetTotalMemory(forceFullCollection: true) - before;
        output.WriteLine($"{grown / 10_000.0:F0} B per idle recorder");
        Assert.InRange(grown, 1, 10_000_000);
        GC.KeepAlive(recorders);
    }

    private static long Resident()
    {
        using var process = Process.GetCurrentProcess();
        return process.WorkingSet64;
    }
}
