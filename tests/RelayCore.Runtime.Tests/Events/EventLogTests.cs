using System.Text;
using System.Text.Json;
using Microsoft.Extensions.Time.Testing;
using RelayCore.Core.Faults;
using RelayCore.Core.Flows;
using RelayCore.Core.Limits;
using RelayCore.Engine.Capture;
using RelayCore.Formats;
using RelayCore.Protocols;
using RelayCore.Protocols.Http1;
using RelayCore.Runtime.Events;
using Xunit;

namespace RelayCore.Runtime.Tests.Events;

public sealed class EventLogTests : IDisposable
{
    private readonly FakeTimeProvider _time = new(new(2026, 9, 24, 8, 0, 0, TimeSpan.Zero));
    private readonly FlowStore _store;
    private readonly EventLog _log;
    private readonly FlowRecorder _recorder;

    public EventLogTests()
    {
        _store = new(EngineLimits.Default with { CaptureMemory = 8 * 1024 * 1024, MaxFlows = 100 }, _time);
        _log = new(new(_store, ContentCodings.Instance), _time, capacity: 64);
        _store.Listener = _log;
        _recorder = _store.Rent();
    }

    public void Dispose() => _store.Dispose();

    [Fact]
    public async Task ReadAsync_OneFlow_TellsItsLife()
    {
        var id = Flow(null);
        var events = await Read(0, 6);
        Assert.Equal(["flow-event", "flow", "flow-event", "flow", "flow-event", "flow"], events.Select(x => x.Name));
        Assert.Equal([1, 2, 3, 4, 5, 6], events.Select(x => x.Number));
        Assert.Equal($$"""{"event":"started","flow_id":"{{id}}","at":"2026-09-24T08:00:00.000000Z"}""", Text(events[0]));
        Assert.Equal($$"""{"event":"headers_received","flow_id":"{{id}}","at":"2026-09-24T08:00:00.000000Z"}""", Text(events[2]));
        Assert.Equal($$"""{"event":"completed","flow_id":"{{id}}","at":"2026-09-24T08:00:00.000000Z"}""", Text(events[4]));
        var flow = JsonSerializer.Deserialize(events[5].Data.Span, FlowJson.Default.Flow)!;
        Assert.Equal((id.ToString(), "completed"), (flow.Id, flow.CloseReason!.Reason));
    }

    [Fact]
    public async Task ReadAsync_FailedFlow_SaysWhy()
    {
        var id = Flow(new("RC-CONN-001", FaultStage.Connect, FaultKind.Transport, PeerRole.Server, "refused"));
        var events = await Read(4, 2);
        Assert.Equal($$"""{"event":"errored","flow_id":"{{id}}","reason":"refused","at":"2026-09-24T08:00:00.000000Z"}""", Text(events[0]));
    }

    [Fact]
    public async Task ReadAsync_CancelledFlow_IsTakenBack()
    {
        var id = FlowId.Create(1);
        _recorder.Begin(FlowKind.Http, id, default, new() { Id = 1 }, _time.GetTimestamp());
        _recorder.Cancel();
        _recorder.End(CloseReason.Completed, null, null, _time.GetTimestamp());
        _time.Advance(TimeSpan.FromSeconds(1));
        var events = await Read(0, 2);
        Assert.Equal($$"""{"event":"cancelled","flow_id":"{{id}}","at":"2026-09-24T08:00:00.000000Z"}""", Text(events[1]));
        Assert.Equal(2, _log.LastNumber);
        Assert.Empty(_store.List(new()));
    }

    [Fact]
    public async Task ReadAsync_FromANumber_ContinuesBehindIt()
    {
        Flow(null);
        var number = _log.Publish("lifecycle", "{}"u8.ToArray());
        Assert.Equal((7L, 7L, 64), (number, _log.LastNumber, _log.Capacity));
        var only = Assert.Single(await Read(6, 1));
        Assert.Equal((7, "lifecycle", "{}"), (only.Number, only.Name, Text(only)));
    }

    [Fact]
    public async Task ReadAsync_FallenBehind_IsToldTheGap()
    {
        for (var i = 0; i < 20; i++)
        {
            Flow(null);
        }

        var events = await Read(10, 3);
        Assert.Equal(("lagged", """{"from":11,"to":56,"missed":46}""", 56), (events[0].Name, Text(events[0]), events[0].Number));
        Assert.Equal([57, 58], events.Skip(1).Select(x => x.Number));
    }

    [Fact]
    public async Task ReadAsync_NumberOfAnEarlierRun_IsSaid()
    {
        Flow(null);
        var events = await Read(1_000_000, 2);
        Assert.Equal(("lagged", """{"reason":"unknown_number"}"""), (events[0].Name, Text(events[0])));
        Assert.Equal(1, events[1].Number);
    }

    [Fact]
    public async Task ReadAsync_Waiting_GetsEveryNewEventOnce()
    {
        using var timeout = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        timeout.CancelAfter(TimeSpan.FromSeconds(30));
        var seen = new List<LogEvent>();
        var first = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var reader = Task.Run(
            async () =>
            {
                await foreach (var item in _log.ReadAsync(0, cancellationToken: timeout.Token))
                {
                    seen.Add(item);
                    first.TrySetResult();
                    if (item.Number == 1001)
                    {
                        return;
                    }
                }
            },
            timeout.Token);
        _log.Publish("lifecycle", "{}"u8.ToArray());
        await first.Task.WaitAsync(timeout.Token);
        for (var i = 0; i < 1000; i++)
        {
            _log.Publish("lifecycle", "{}"u8.ToArray());
            if (i % 16 == 0)
            {
                await Task.Yield();
            }
        }

        await reader;

        // No number is skipped but by a lagged event, which names what is gone.
        Assert.Equal(1001, seen[^1].Number);
        Assert.All(seen.Skip(1).Zip(seen), x => Assert.True(x.First.Name == "lagged" ? x.First.Number > x.Second.Number : x.First.Number == x.Second.Number + 1));
    }

    [Fact]
    public async Task ReadAsync_EvictedFlow_IsSaid()
    {
        var id = Flow(null);
        _store.Listener = null;
        for (var i = 0; i < 101; i++)
        {
            Flow(null);
        }

        var events = await Read(5, 1);
        Assert.Equal($$"""{"event":"evicted","flow_id":"{{id}}","at":"2026-09-24T08:00:00.000000Z"}""", Text(events[0]));
    }

    [Fact]
    public void FlowChanged_NobodyListening_AllocatesNothing()
    {
        var listener = (IFlowListener)_log;
        var id = FlowId.Create(1);
        listener.FlowChanged(id, FlowChange.Completed);
        var timer = System.Diagnostics.Stopwatch.StartNew();
        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var i = 0; i < 100_000; i++)
        {
            listener.FlowChanged(id, FlowChange.Completed);
        }

        var allocated = GC.GetAllocatedBytesForCurrentThread() - before;
        var elapsed = timer.Elapsed;
        Assert.Equal(0, allocated);
        TestContext.Current.TestOutputHelper!.WriteLine($"{elapsed.TotalNanoseconds / 100_000:F0} ns per change, with a virtual clock");
        Assert.Equal(200_002, _log.LastNumber);
    }

    private FlowId Flow(FlowFault? fault)
    {
        var id = FlowId.Create(_time.GetUtcNow().ToUnixTimeMilliseconds());
        _recorder.Begin(FlowKind.Http, id, default, new() { Id = 1 }, _time.GetTimestamp());
        _recorder.Request(new(false, "a.example", 80), "GET / HTTP/1.1\r\nHost: a.example\r\n\r\n"u8, Http1Repairs.None);
        _recorder.Response("HTTP/1.1 204 No Content\r\n\r\n"u8, Http1Repairs.None);
        _recorder.End(fault is null ? CloseReason.Completed : CloseReason.UpstreamClosed, fault, null, _time.GetTimestamp());
        return id;
    }

    private static string Text(LogEvent item) => Encoding.UTF8.GetString(item.Data.Span);

    private async Task<List<LogEvent>> Read(long after, int count)
    {
        using var timeout = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        timeout.CancelAfter(TimeSpan.FromSeconds(30));
        var events = new List<LogEvent>();
        await foreach (var item in _log.ReadAsync(after, cancellationToken: timeout.Token))
        {
            events.Add(item);
            if (events.Count == count)
            {
                break;
            }
        }

        return events;
    }
}
