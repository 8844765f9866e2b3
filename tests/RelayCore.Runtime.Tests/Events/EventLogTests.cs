using System.Text;
using System.Text.Json;
using Microsoft.Extensions.Time.Testing;
using RelayCore.Core.Faults;
using RelayCore.Core.Flows;
using RelayCore.Core.Interception;
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
    public async Task ReadAsync_Messages_ComeInOrderWithTheFlowTheyAreOf()
    {
        var (id, after) = Socket();
        Say(1, 2);
        var events = await Read(after, 2, messages: true);
        Assert.Equal([("ws-message", 0L), ("ws-message", after + 1)], events.Select(x => (x.Name, x.Number)));
        using var first = JsonDocument.Parse(events[0].Data);
        Assert.Equal(id.ToString(), first.RootElement.GetProperty("flow_id").GetString());
        Assert.Equal("message 1", first.RootElement.GetProperty("message").GetProperty("content").GetProperty("content").GetString());

        // What one reader was told does not change for another, and what comes later has a later number.
        Say(3, 3);
        Assert.Equal(["message 1", "message 2", "message 3"], Contents(await Read(after, 3, messages: true)));
        Assert.Equal(["message 3"], Contents(await Read(after + 1, 1, messages: true)));
    }

    [Fact]
    public async Task ReadAsync_WithoutMessages_SkipsThem()
    {
        var (_, after) = Socket();
        Say(1, 1000);
        Assert.Equal(after + 1, _log.LastNumber); // nobody looks: one note stands for all of them
        _log.Publish("lifecycle", "{}"u8.ToArray());
        Assert.Equal(["lifecycle"], (await Read(after, 1)).Select(x => x.Name));
    }

    [Fact]
    public async Task ReadAsync_MoreMessagesThanAreShown_ShowsTheNewestAndNamesTheRest()
    {
        var (id, after) = Socket();
        Say(1, 1000);
        var events = await Read(after, 65, messages: true);
        Assert.Equal(("messages-lagged", $$"""{"flow_id":"{{id}}","from":1,"to":936,"missed":936}"""), (events[0].Name, Text(events[0])));
        Assert.Equal(Enumerable.Range(937, 64).Select(x => $"message {x}"), Contents(events.Skip(1)));
        Assert.Equal(after + 1, events[^1].Number);
    }

    [Fact]
    public async Task ReadAsync_FastSocket_IsShownInBoundedGroups()
    {
        using var timeout = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        timeout.CancelAfter(TimeSpan.FromSeconds(30));
        var (_, after) = Socket();
        await using var reader = _log.ReadAsync(after, messages: true, cancellationToken: timeout.Token).GetAsyncEnumerator(timeout.Token);
        Say(1, 10);
        for (var number = 1; number <= 40; number++)
        {
            var next = reader.MoveNextAsync().AsTask();
            if (number % 10 == 1 && number > 1)
            {
                // The reader rests for 50 ms of virtual time, whatever is said meanwhile; then it gets everything at once.
                Say(number + 5, number + 9);
                Assert.False(next.IsCompleted);
                _time.Advance(TimeSpan.FromMilliseconds(50));
            }

            Assert.True(await next);
            Assert.Contains($"\"message {number}\"", Text(reader.Current), StringComparison.Ordinal);
            if (number % 10 == 0)
            {
                Say(number + 1, number + 5);
            }
        }
    }

    [Fact]
    public async Task ReadAsync_BeginsWhileASocketIsOld_IsToldItsNextMessage()
    {
        Socket();
        Say(1, 5); // announced to nobody
        var after = _log.LastNumber;
        _log.AnnounceMessages();
        Say(6, 6);
        Assert.Equal(["message 6"], Contents(await Read(after, 1, messages: true)));
    }

    [Fact]
    public async Task ReadAsync_MessagesOfAFlowThatEnded_AreStillShown()
    {
        var (_, after) = Socket();
        Say(1, 3);
        _recorder.End(CloseReason.Completed, null, null, _time.GetTimestamp());
        Assert.Equal(["message 1", "message 2", "message 3"], Contents((await Read(after, 3, messages: true))));
    }

    [Fact]
    public async Task ReadAsync_MessageOfABody_HasANameOfItsOwn()
    {
        var (_, after) = Socket();
        _recorder.Message(PeerRole.Server, MessageType.Event, MessageMarks.Final, new byte[EventLog.MaxMessageContent + 1], 9, _time.GetTimestamp());
        var only = Assert.Single(await Read(after, 1, messages: true));
        Assert.Equal("flow-message", only.Name);
        using var json = JsonDocument.Parse(only.Data);
        Assert.True(json.RootElement.GetProperty("message").GetProperty("content").GetProperty("content_truncated").GetBoolean());
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

    private (FlowId Id, long After) Socket()
    {
        var id = FlowId.Create(_time.GetUtcNow().ToUnixTimeMilliseconds());
        _recorder.Begin(FlowKind.WebSocket, id, default, new() { Id = 1 }, _time.GetTimestamp());
        return (id, _log.LastNumber);
    }

    private void Say(int first, int last)
    {
        for (var i = first; i <= last; i++)
        {
            _recorder.Message(PeerRole.Client, MessageType.Text, MessageMarks.Final, Encoding.ASCII.GetBytes($"message {i}"), 20, _time.GetTimestamp());
        }
    }

    private static IEnumerable<string?> Contents(IEnumerable<LogEvent> events) => events.Select(x =>
    {
        using var json = JsonDocument.Parse(x.Data);
        return json.RootElement.GetProperty("message").GetProperty("content").GetProperty("content").GetString();
    });

    private static string Text(LogEvent item) => Encoding.UTF8.GetString(item.Data.Span);

    private async Task<List<LogEvent>> Read(long after, int count, bool messages = false)
    {
        using var timeout = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        timeout.CancelAfter(TimeSpan.FromSeconds(30));
        var events = new List<LogEvent>();
        await foreach (var item in _log.ReadAsync(after, messages: messages, cancellationToken: timeout.Token))
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
