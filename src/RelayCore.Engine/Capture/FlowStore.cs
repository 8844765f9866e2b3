using RelayCore.Core.Connections;
using RelayCore.Core.Flows;
using RelayCore.Core.Limits;

namespace RelayCore.Engine.Capture;

/// <summary>
/// Finished flows in a ring of native memory, bounded by octets and count; running flows by reference to their recorders. Safe for
/// concurrent use: recorders write under one short lock, readers pin what they look at.
/// </summary>
/// <remarks>
/// Memory is bounded by <see cref="EngineLimits.CaptureMemory"/> for slabs, large bodies, their index and large scratch. Not counted are
/// 4 KiB of scratch for each running flow. When it is full the oldest flow goes; when nothing is left to go, a running flow keeps its head
/// only, and a flow that does not fit at all is counted as dropped.
/// </remarks>
public sealed partial class FlowStore : IDisposable
{
    private const int MaxIdleRecorders = 1024;

    // Of the process, because connections remember where their facts are.
    private static long s_sequence;

    private readonly Lock _gate = new();
    private readonly Lock _recordersGate = new();
    private readonly CaptureMemory _memory;
    private readonly Queue<Slab> _slabs = new();
    private readonly List<FlowRecorder> _recorders = [];
    private readonly Stack<FlowRecorder> _idle = new();
    private readonly TimeProvider _time;
    private readonly EngineLimits _limits;
    private byte[] _clientFacts = new byte[1024];
    private byte[] _serverFacts = new byte[1024];
    private Slab? _current;
    private long _stored;
    private long _evicted;
    private long _dropped;
    private long _truncated;
    private bool _disposed;

    /// <summary>An empty store.</summary>
    public FlowStore(EngineLimits limits, TimeProvider time)
    {
        (_limits, _time) = (limits, time);
        _memory = new(limits.CaptureMemory);
        // Both views of a message, with its fields, fit into half of what a flow may have.
        MaxMessageCapture = (int)Math.Min(limits.MaxMessageCapture, limits.MaxMessageMemory / 8);
        MaxRecord = (int)Math.Min(4 * 1024 * 1024, limits.CaptureMemory / 4);
    }

    /// <summary>Told about every change; set before the first flow.</summary>
    public IFlowListener? Listener { get; set; }

    /// <summary>Counters.</summary>
    public CaptureStatistics Statistics
    {
        get
        {
            var running = 0;
            foreach (var recorder in Recorders())
            {
                running += recorder.IsActive ? 1 : 0;
            }

            lock (_gate)
            {
                return new(_stored, _evicted, _dropped, _truncated, running, _memory.Used, _limits.CaptureMemory, _limits.MaxFlows);
            }
        }
    }

    /// <summary>Recorders that sessions hold.</summary>
    internal int Rented
    {
        get
        {
            lock (_recordersGate)
            {
                return _recorders.Count;
            }
        }
    }

    /// <summary>Octets of each body to keep.</summary>
    internal long MaxBodyCapture => _limits.MaxBodyCapture;

    /// <summary>Octets of each message to keep.</summary>
    internal int MaxMessageCapture { get; }

    /// <summary>Messages of a flow to keep.</summary>
    internal int MaxMessages => _limits.MaxMessages;

    /// <summary>Memory for the messages of a flow.</summary>
    internal long MaxMessageMemory => _limits.MaxMessageMemory;

    /// <summary>Largest record, in octets.</summary>
    internal int MaxRecord { get; }

    /// <summary>A recorder for a new session; return it with <see cref="Return"/>.</summary>
    public FlowRecorder Rent()
    {
        lock (_recordersGate)
        {
            if (!_idle.TryPop(out var recorder))
            {
                recorder = new(this);
            }

            recorder.Index = _recorders.Count;
            _recorders.Add(recorder);
            return recorder;
        }
    }

    /// <summary>Takes a recorder back when its session ends. A flow that is still running is stored as reset.</summary>
    public void Return(FlowRecorder recorder)
    {
        recorder.End(CloseReason.Reset, null, null, _time.GetTimestamp());
        lock (_recordersGate)
        {
            if (recorder.Index < 0)
            {
                return;
            }

            var last = _recorders[^1];
            _recorders[recorder.Index] = last;
            last.Index = recorder.Index;
            _recorders.RemoveAt(_recorders.Count - 1);
            recorder.Index = -1;
            if (_idle.Count < MaxIdleRecorders)
            {
                _idle.Push(recorder);
            }
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        lock (_gate)
        {
            _disposed = true;
            _current = null;
            while (EvictOldest())
            {
            }

            _memory.DropSpares();
        }
    }

    /// <summary>Wall-clock time of a monotonic timestamp, microseconds since 1970 UTC.</summary>
    internal long WallMicroseconds(long timestamp)
    {
        var now = (_time.GetUtcNow().UtcTicks - DateTimeOffset.UnixEpoch.Ticks) / 10;
        return now - (_time.GetElapsedTime(timestamp, _time.GetTimestamp()).Ticks / 10);
    }

    /// <summary>Microseconds between two timestamps; 0 when the second is earlier.</summary>
    internal long Microseconds(long start, long end) => Math.Max(0, _time.GetElapsedTime(start, end).Ticks / 10);

    /// <summary>Stores a finished flow.</summary>
    /// <param name="entry">What the index shows.</param>
    /// <param name="sections">Its record.</param>
    /// <param name="client">The client's connection.</param>
    /// <param name="server">The server's connection, if there was one.</param>
    /// <param name="blocks">Its large bodies; taken over and set to <see langword="null"/> when stored with them.</param>
    /// <param name="truncated">Whether something is missing.</param>
    /// <returns>Whether it is stored.</returns>
    internal bool Commit(
        FlowEntry entry, ReadOnlySpan<byte> sections, ClientConnection client, ServerConnection? server, ref BodyBlocks? blocks, bool truncated)
    {
        lock (_gate)
        {
            var slab = _disposed ? null : PrepareSlab(sections.Length, client, server);
            if (slab is null && !_disposed && blocks is not null)
            {
                // Heads are worth more than bodies and messages.
                var hadMessages = blocks.Messages is not null;
                blocks.Release();
                (blocks, truncated) = (null, true);
                entry.Marks |= (uint)(FlowMarks.CaptureBudgetExceeded | FlowMarks.RequestBodyTruncated | FlowMarks.ResponseBodyTruncated);
                entry.Marks |= hadMessages ? (uint)FlowMarks.MessagesDropped : 0;
                slab = PrepareSlab(sections.Length, client, server);
            }

            if (slab is null)
            {
                _dropped++;
                return false;
            }

            slab.WriteFlow(ref entry, sections, client.StoredAt, server?.StoredAt ?? -1, blocks);
            blocks = null;
            _stored++;
            _truncated += truncated ? 1 : 0;
            while (_stored - _evicted > Math.Max(1, _limits.MaxFlows) && EvictOldest())
            {
            }

            return true;
        }
    }

    internal nint Allocate(int octets)
    {
        lock (_gate)
        {
            return AllocateLocked(octets);
        }
    }

    internal void Free(nint memory, int octets)
    {
        lock (_gate)
        {
            _memory.Free(memory, octets);
            if (_disposed)
            {
                _memory.DropSpares();
            }
        }
    }

    internal bool TryReserve(int octets)
    {
        lock (_gate)
        {
            while (!_memory.TryReserve(octets))
            {
                if (!EvictOldest())
                {
                    return false;
                }
            }

            return true;
        }
    }

    internal void Release(int octets)
    {
        if (octets != 0)
        {
            lock (_gate)
            {
                _memory.Release(octets);
            }
        }
    }

    private nint AllocateLocked(int octets)
    {
        while (true)
        {
            var memory = _disposed ? 0 : _memory.Allocate(octets);
            if (memory != 0 || !EvictOldest())
            {
                return memory;
            }
        }
    }

    /// <summary>The slab to write to, with the facts of both connections in it and room for the record.</summary>
    private Slab? PrepareSlab(int sections, ClientConnection client, ServerConnection? server)
    {
        var (clientLength, serverLength) = (Encode(client, ref _clientFacts), Encode(server, ref _serverFacts));
        if (_current?.HasRoom(sections, clientLength + serverLength) != true)
        {
            _current = null; // a new slab has no facts yet, and the last one can go too
            (clientLength, serverLength) = (Encode(client, ref _clientFacts), Encode(server, ref _serverFacts));
            _current = NewSlab(sections + clientLength + serverLength + 8);
            if (_current is null)
            {
                return null;
            }
        }

        Store(client, _clientFacts.AsSpan(0, clientLength));
        Store(server, _serverFacts.AsSpan(0, serverLength));
        return _current;
    }

    /// <summary>Encodes facts the current slab does not have yet.</summary>
    /// <returns>Their length; 0 when it has them.</returns>
    private int Encode(ConnectionFacts? connection, ref byte[] buffer)
    {
        if (connection is null || (_current is not null && connection.StoredIn == _current.Sequence && connection.StoredVersion == connection.Version))
        {
            return 0;
        }

        while (true)
        {
            var writer = new RecordWriter(buffer);
            ConnectionRecord.Write(ref writer, connection);
            if (!writer.Overflowed)
            {
                return writer.Position;
            }

            buffer = new byte[buffer.Length * 2];
        }
    }

    private void Store(ConnectionFacts? connection, ReadOnlySpan<byte> facts)
    {
        if (connection is not null && !facts.IsEmpty)
        {
            connection.StoredAt = _current!.WriteFacts(facts);
            (connection.StoredIn, connection.StoredVersion) = (_current.Sequence, connection.Version);
        }
    }

    private Slab? NewSlab(int octets)
    {
        var needed = Slab.Needed(octets);
        var size = needed <= CaptureMemory.SlabOctets ? CaptureMemory.SlabOctets : (needed + 0xFFFF) & ~0xFFFF;
        var memory = AllocateLocked(size);
        if (memory == 0)
        {
            return null;
        }

        var slab = new Slab(this, memory, size, Interlocked.Increment(ref s_sequence));
        _slabs.Enqueue(slab);
        return slab;
    }

    /// <summary>Lets the oldest flow go, or a slab without any.</summary>
    /// <returns>Whether there was something to let go.</returns>
    private bool EvictOldest()
    {
        if (!_slabs.TryPeek(out var slab))
        {
            return false;
        }

        if (!slab.IsDrained)
        {
            slab.EvictOne();
            _evicted++;
        }
        else if (slab == _current)
        {
            return false;
        }

        if (slab.IsDrained && slab != _current)
        {
            _slabs.Dequeue();
            slab.Unpin();
        }

        return true;
    }

    private FlowRecorder[] Recorders()
    {
        lock (_recordersGate)
        {
            return [.. _recorders];
        }
    }
}
