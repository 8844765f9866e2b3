using System.Buffers;
using System.Runtime.CompilerServices;
using System.Text.Json;
using RelayCore.Core.Flows;
using RelayCore.Engine.Capture;
using RelayCore.Runtime.Flows;

namespace RelayCore.Runtime.Events;

/// <summary>One event as delivered.</summary>
/// <param name="Number">Its number; passing it to <see cref="EventLog.ReadAsync"/> continues behind it. 0 when more events of the same number follow.</param>
/// <param name="Name">Its name on the event stream: <c>flow</c>, <c>flow-event</c>, <c>lifecycle</c>, <c>lagged</c>, ….</param>
/// <param name="Data">JSON, UTF-8.</param>
public readonly record struct LogEvent(long Number, string Name, ReadOnlyMemory<byte> Data);

/// <summary>
/// Everything that happens, in order and numbered, for the last <see cref="Capacity"/> events. The engine only leaves a note of a few octets;
/// what an event says is made when somebody reads it, on the reader's thread, so a <c>flow</c> event shows the flow as it is then (readers
/// replace what they had of the same id). Whoever falls behind is told which numbers are gone and catches up from the flow list.
/// </summary>
public sealed class EventLog : IFlowListener
{
    /// <summary>Octets of content in a <c>flow</c> event, each body; the rest is marked and to be had from the flow itself.</summary>
    public const int MaxContent = 256 * 1024;

    /// <summary>Octets of content in an event with a message; the rest is marked and to be had page by page.</summary>
    public const int MaxMessageContent = 64 * 1024;

    /// <summary>Messages shown to one reader in 50 ms: a fast socket is read page by page, not event by event.</summary>
    public const int MaxMessagesAtOnce = 256;

    private const int BatchSize = 64;
    private const int MaxMessagesOfFlow = 64;

    private static readonly TimeSpan s_messagePause = TimeSpan.FromMilliseconds(50);

    private readonly Lock _gate = new();
    private readonly Entry[] _ring;
    private readonly FlowService _flows;
    private readonly TimeProvider _time;
    private TaskCompletionSource? _arrived;
    private long _last;

    /// <summary>An empty log.</summary>
    /// <param name="flows">Where flows are looked up.</param>
    /// <param name="time">Clock.</param>
    /// <param name="capacity">Events kept, 1 to 1,048,576; rounded up to a power of two.</param>
    public EventLog(FlowService flows, TimeProvider time, int capacity = 16 * 1024)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(capacity, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(capacity, 1024 * 1024);
        (_flows, _time) = (flows, time);
        _ring = new Entry[(int)System.Numerics.BitOperations.RoundUpToPowerOf2((uint)capacity)];
    }

    private enum EntryKind : byte
    {
        Payload,
        Flow,
        FlowEvent,
        Messages,
    }

    /// <summary>Events kept.</summary>
    public int Capacity => _ring.Length;

    /// <summary>Number of the newest event; 0 before the first.</summary>
    public long LastNumber
    {
        get
        {
            lock (_gate)
            {
                return _last;
            }
        }
    }

    /// <summary>Adds an event with its content.</summary>
    /// <param name="name">Its name on the event stream.</param>
    /// <param name="json">UTF-8; not changed afterwards.</param>
    /// <returns>Its number.</returns>
    public long Publish(string name, byte[] json)
    {
        TaskCompletionSource? arrived;
        long number;
        lock (_gate)
        {
            Add(new() { Kind = EntryKind.Payload, Name = name, Payload = json });
            (number, arrived, _arrived) = (_last, _arrived, null);
        }

        arrived?.TrySetResult();
        return number;
    }

    /// <inheritdoc/>
    void IFlowListener.FlowChanged(FlowId id, FlowChange change)
    {
        var at = _time.GetTimestamp();
        TaskCompletionSource? arrived;
        lock (_gate)
        {
            if (change != FlowChange.Request)
            {
                Add(new() { Kind = EntryKind.FlowEvent, Change = change, Flow = id, At = at });
            }

            if (change is not (FlowChange.Started or FlowChange.Lost or FlowChange.Cancelled))
            {
                Add(new() { Kind = EntryKind.Flow, Change = change, Flow = id, At = at });
            }

            (arrived, _arrived) = (_arrived, null);
        }

        // Readers continue on the thread pool, never here.
        arrived?.TrySetResult();
    }

    /// <inheritdoc/>
    void IFlowListener.MessageAppended(FlowId id, long number)
    {
        TaskCompletionSource? arrived;
        lock (_gate)
        {
            Add(new() { Kind = EntryKind.Messages, Flow = id, At = number });
            (arrived, _arrived) = (_arrived, null);
        }

        arrived?.TrySetResult();
    }

    /// <summary>
    /// Has the next message of every running flow announced with a new number. Reading with messages does so when it begins; whoever wants no gap
    /// between looking at a flow and reading on takes <see cref="LastNumber"/>, calls this, looks, and reads behind that number.
    /// </summary>
    public void AnnounceMessages() => _flows.AnnounceMessages();

    /// <summary>Reads events until cancelled.</summary>
    /// <param name="after">Number of the last event already seen; <see cref="LastNumber"/> for new ones only, 0 for all that are kept.</param>
    /// <param name="summaries">Whether a changed flow comes as <c>flow-summary</c>, the line of a list, instead of as a whole <c>flow</c>.</param>
    /// <param name="messages">Whether messages of flows come too, as <c>ws-message</c> or <c>flow-message</c>.</param>
    /// <param name="cancellationToken">Ends the reading.</param>
    /// <remarks>
    /// Messages come at least once and in the order of their flow; their numbers tell. When more arrive than can be shown, only the newest are,
    /// and an event <c>messages-lagged</c> with <c>{"flow_id","from","to","missed"}</c> says which to read from the flow.
    /// A gap comes as an event <c>lagged</c> with <c>{"from","to","missed"}</c>. A number this log never gave (of an earlier run) is answered
    /// by <c>lagged</c> with <c>"reason":"unknown_number"</c>, and reading goes on with the oldest event kept.
    /// </remarks>
    public async IAsyncEnumerable<LogEvent> ReadAsync(
        long after, bool summaries = false, bool messages = false, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        var next = Math.Max(0, after) + 1;
        var (shown, windowAt) = (0, 0L);
        if (messages)
        {
            AnnounceMessages(); // what was announced to nobody would not be announced again
        }

        var batch = new Entry[BatchSize];
        if (next > LastNumber + 1)
        {
            next = 1;
            yield return new(0, "lagged", Json(x => x.WriteString("reason"u8, "unknown_number"u8)));
            next = Math.Max(1, LastNumber - Capacity + 1);
        }

        while (true)
        {
            var (first, count, arrived) = Take(next, batch);
            if (first > next)
            {
                var (from, to) = (next, first - 1);
                yield return new(to, "lagged", Json(x =>
                {
                    x.WriteNumber("from"u8, from);
                    x.WriteNumber("to"u8, to);
                    x.WriteNumber("missed"u8, to - from + 1);
                }));
            }

            for (var i = 0; i < count; i++)
            {
                cancellationToken.ThrowIfCancellationRequested();
                if (batch[i].Kind != EntryKind.Messages)
                {
                    yield return Make(first + i, batch[i], summaries);
                }
                else if (messages)
                {
                    if (shown == 0 || _time.GetElapsedTime(windowAt) >= s_messagePause)
                    {
                        (shown, windowAt) = (0, _time.GetTimestamp());
                    }

                    foreach (var item in MakeMessages(first + i, MaxMessagesAtOnce - shown))
                    {
                        shown++;
                        yield return item;
                    }
                }
            }

            next = first + count;
            if (shown > 0 && count < batch.Length && s_messagePause - _time.GetElapsedTime(windowAt) is { Ticks: > 0 } pause)
            {
                // Until then what arrives gathers in the flows, and costs nothing here.
                await Task.Delay(pause, _time, cancellationToken).ConfigureAwait(false);
            }

            if (arrived is not null)
            {
                await arrived.Task.WaitAsync(cancellationToken).ConfigureAwait(false);
            }
        }
    }

    private void Add(Entry entry) => _ring[++_last & (_ring.Length - 1)] = entry;

    private (long First, int Count, TaskCompletionSource? Arrived) Take(long next, Entry[] batch)
    {
        lock (_gate)
        {
            var first = Math.Max(next, _last - _ring.Length + 1);
            var count = (int)Math.Min(batch.Length, _last - first + 1);
            for (var i = 0; i < count; i++)
            {
                batch[i] = _ring[(first + i) & (_ring.Length - 1)];
            }

            return (first, count, count > 0 ? null : _arrived ??= new(TaskCreationOptions.RunContinuationsAsynchronously));
        }
    }

    /// <summary>What a note of new messages stands for: everything up to the moment it is first read by anybody.</summary>
    private List<LogEvent> MakeMessages(long number, int budget)
    {
        Entry entry;
        lock (_gate)
        {
            entry = _ring[number & (_ring.Length - 1)];
            if (_last - number >= _ring.Length)
            {
                return []; // overwritten since: the next look at the log says so
            }
        }

        var last = entry.Until;
        if (last == 0)
        {
            last = _flows.LastMessage(entry.Flow);
            lock (_gate)
            {
                ref var kept = ref _ring[number & (_ring.Length - 1)];
                if (_last - number < _ring.Length)
                {
                    last = kept.Until = kept.Until == 0 ? last : kept.Until;
                }
            }
        }

        var id = entry.Flow.ToString();
        var first = Math.Max(entry.At, last - Math.Min(budget, MaxMessagesOfFlow) + 1);
        var found = first > last ? [] : _flows.Messages(entry.Flow, first - 1, (int)(last - first + 1), MaxMessageContent)?.Messages ?? [];
        var events = new List<LogEvent>(found.Count + 1);
        first = found.Count > 0 ? found[0].Number : last + 1;
        if (first > entry.At && last >= entry.At)
        {
            var from = entry.At;
            events.Add(new(0, "messages-lagged", Json(x =>
            {
                x.WriteString("flow_id"u8, id);
                x.WriteNumber("from"u8, from);
                x.WriteNumber("to"u8, first - 1);
                x.WriteNumber("missed"u8, first - from);
            })));
        }

        foreach (var message in found)
        {
            if (message.Number <= last)
            {
                events.Add(new(0, Name(message), Json(x =>
                {
                    x.WriteString("flow_id"u8, id);
                    x.WritePropertyName("message"u8);
                    JsonSerializer.Serialize(x, message, FlowJson.Default.FlowMessage);
                })));
            }
        }

        if (events.Count > 0)
        {
            events[^1] = events[^1] with { Number = number };
        }

        return events;
    }

    private static string Name(FlowMessage message) => message.Opcode is "Event" or "Line" or "GrpcMessage" ? "flow-message" : "ws-message";

    private LogEvent Make(long number, in Entry entry, bool summaries)
    {
        if (entry.Kind == EntryKind.Payload)
        {
            return new(number, entry.Name!, entry.Payload);
        }

        var (id, change) = (entry.Flow.ToString(), entry.Change);
        var at = (_time.GetUtcNow() - _time.GetElapsedTime(entry.At)).UtcTicks;
        if (entry.Kind == EntryKind.Flow && summaries)
        {
            return _flows.Summarize(entry.Flow) is { } summary
                ? new(number, "flow-summary", JsonSerializer.SerializeToUtf8Bytes(summary, FlowJson.Default.FlowSummary))
                : new(number, "flow-event", Json(x => Write(x, "evicted", id, at, null)));
        }

        if (entry.Kind == EntryKind.Flow)
        {
            return _flows.Get(entry.Flow, MaxContent) is { } flow
                ? new(number, "flow", JsonSerializer.SerializeToUtf8Bytes(flow, FlowJson.Default.Flow))
                : new(number, "flow-event", Json(x => Write(x, "evicted", id, at, null)));
        }

        var reason = change switch
        {
            FlowChange.Lost => "not stored: the capture memory is exhausted",
            FlowChange.Errored => _flows.Get(entry.Flow, 0)?.CloseReason is { } close ? close.Detail ?? close.Reason : "unknown: the flow is evicted",
            _ => null,
        };
        var name = change switch
        {
            FlowChange.Started => "started",
            FlowChange.Response => "headers_received",
            FlowChange.Completed => "completed",
            FlowChange.Cancelled => "cancelled",
            _ => "errored",
        };
        return new(number, "flow-event", Json(x => Write(x, name, id, at, reason)));
    }

    private static void Write(Utf8JsonWriter writer, string name, string id, long at, string? reason)
    {
        writer.WriteString("event"u8, name);
        writer.WriteString("flow_id"u8, id);
        if (reason is not null)
        {
            writer.WriteString("reason"u8, reason);
        }

        writer.WriteString("at"u8, new DateTime(at, DateTimeKind.Utc).ToString("yyyy-MM-dd'T'HH:mm:ss.ffffff'Z'", System.Globalization.CultureInfo.InvariantCulture));
    }

    private static ReadOnlyMemory<byte> Json(Action<Utf8JsonWriter> write)
    {
        var output = new ArrayBufferWriter<byte>(256);
        using (var writer = new Utf8JsonWriter(output))
        {
            writer.WriteStartObject();
            write(writer);
            writer.WriteEndObject();
        }

        return output.WrittenMemory;
    }

    private struct Entry
    {
        public string? Name;
        public byte[]? Payload;
        public FlowId Flow;
        public long At; // monotonic; of messages, the number of the first
        public long Until; // number of the last message, once somebody read them
        public EntryKind Kind;
        public FlowChange Change;
    }
}
