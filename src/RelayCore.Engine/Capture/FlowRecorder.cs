using System.Runtime.CompilerServices;
using RelayCore.Core.Connections;
using RelayCore.Core.Faults;
using RelayCore.Core.Flows;
using RelayCore.Core.Interception;
using RelayCore.Engine.Memory;
using RelayCore.Protocols;
using RelayCore.Protocols.Http1;

namespace RelayCore.Engine.Capture;

/// <summary>
/// Observes one flow at a time on behalf of its session, never delays it, and hands it to the store when it ends. One recorder per session,
/// reused for each of its exchanges. Called from the session only; the store may look at it from another thread at any time.
/// Never throws: what cannot be kept is left out and marked on the flow. Outside <see cref="Begin"/> and <see cref="End"/> it does nothing.
/// </summary>
/// <remarks>
/// The record is written into a rented scratch buffer as things happen, so ending a flow is one copy. A body's first
/// <see cref="InlineBody"/> octets go there too, the rest into native blocks. Between flows a recorder holds no buffer.
/// </remarks>
public sealed partial class FlowRecorder
{
    internal const int InlineBody = 16 * 1024;
    internal const int FreeScratch = 4096;
    private const int InitialScratch = 2048;
    private const int MaxInformational = 16;
    private const int StampCount = (int)TimingPoint.End + 1;

    private readonly FlowStore _store;
    private readonly Lock _gate = new();
    private byte[]? _scratch;
    private int _length;
    private int _reserved;
    private int _openBody = -1;
    private int _openSlot;
    private BodyBlocks? _blocks;
    private ClientConnection? _client;
    private ServerConnection? _server;
    private FlowId _id;
    private FlowId _parent;
    private ulong _idTail;
    private long _startTimestamp;
    private long _startedAt;
    private Stamps _stamps;
    private Bodies _bodies;
    private FlowMarks _marks;
    private FlowKind _kind;
    private bool _active;
    private bool _truncated;
    private bool _refused;
    private ushort _status;
    private byte _informational;
    private int _exchange;

    internal FlowRecorder(FlowStore store) => _store = store;

    /// <summary>Where the store keeps it; the store's.</summary>
    internal int Index { get; set; }

    /// <summary>Whether a flow is running; may be stale.</summary>
    internal bool IsActive => Volatile.Read(ref _active);

    /// <summary>Begins a flow.</summary>
    /// <param name="kind">What it is.</param>
    /// <param name="id">Its id.</param>
    /// <param name="parent">The CONNECT or upgrade it is inside of; empty for none.</param>
    /// <param name="client">The client's connection.</param>
    /// <param name="timestamp">Monotonic timestamp of <see cref="TimingPoint.Start"/>.</param>
    public void Begin(FlowKind kind, FlowId id, FlowId parent, ClientConnection client, long timestamp)
    {
        if (_active)
        {
            End(CloseReason.Reset, null, null, timestamp);
        }

        var startedAt = _store.WallMicroseconds(timestamp);
        lock (_gate)
        {
            (_kind, _id, _parent, _client, _server) = (kind, id, parent, client, null);
            _idTail = TailOf(id);
            (_startTimestamp, _startedAt) = (timestamp, startedAt);
            _stamps = default;
            _bodies = default;
            (_marks, _status, _informational, _exchange, _truncated) = (FlowMarks.None, 0, 0, 0, false);
            _scratch = BufferPool.Rent(InitialScratch);
            (_length, _openBody) = (0, -1);
            (_clientStream, _serverStream, _closedBy, _closeCode, _closeReason) = (0, 0, null, 0, "");
            (_messages, _firstMessage, _inlineMessages, _messageMutations, _announced) = (0, 1, 0, 0, false);
            Volatile.Write(ref _active, true);
        }

        _store.Listener?.FlowChanged(id, FlowChange.Started);
    }

    /// <summary>The request head as received.</summary>
    public void Request(Origin origin, ReadOnlySpan<byte> head, Http1Repairs repairs)
    {
        Head(SectionTag.Request, origin, head, repairs);
        if (_active)
        {
            _store.Listener?.FlowChanged(_id, FlowChange.Request);
        }
    }

    /// <summary>The request head as sent, when an actor changed it; with the origin it went to.</summary>
    public void RequestSent(Origin origin, ReadOnlySpan<byte> head) => Head(SectionTag.RequestSent, origin, head, Http1Repairs.None);

    /// <summary>Octets of a body as received, transfer coding removed.</summary>
    public void Body(PeerRole sender, ReadOnlySpan<byte> octets) => AppendBody((int)sender, octets);

    /// <summary>
    /// Octets of a body as sent. Once an actor may change it, from its first octet on: then both are kept. When the first pieces left as they
    /// came, call <see cref="SentSoFar"/> before the first call here.
    /// </summary>
    public void BodySent(PeerRole sender, ReadOnlySpan<byte> octets)
    {
        _bodies[(int)sender + 2].IsUsed = true;
        AppendBody((int)sender + 2, octets);
    }

    /// <summary>
    /// Says that everything received of a body until now was sent as it came; <see cref="BodySent"/> goes on from there. Counts once, before
    /// the first <see cref="BodySent"/>.
    /// </summary>
    /// <param name="sender">Whose body.</param>
    /// <param name="butLast">Octets received last that were not sent as they came: the piece being edited, when it was recorded already.</param>
    public void SentSoFar(PeerRole sender, long butLast = 0)
    {
        ref var sent = ref _bodies[(int)sender + 2];
        if (!sent.IsUsed)
        {
            (sent.IsUsed, sent.Prefix) = (true, Math.Max(0, _bodies[(int)sender].Total - butLast));
        }
    }

    /// <summary>Says that this many octets of a body were sent as they came; <see cref="BodySent"/> goes on from there.</summary>
    /// <param name="sender">Whose body.</param>
    /// <param name="octets">How many.</param>
    /// <returns>Whether that counts; not when the body was edited before, whose octets are recorded by who did.</returns>
    public bool SentUntil(PeerRole sender, long octets)
    {
        ref var sent = ref _bodies[(int)sender + 2];
        if (sent.IsUsed)
        {
            return false;
        }

        (sent.IsUsed, sent.Prefix) = (true, Math.Min(octets, _bodies[(int)sender].Total));
        return true;
    }

    /// <summary>Says how many octets a body has that is not shown to the recorder, or adds to them.</summary>
    public void BodyUnseen(PeerRole sender, long octets)
    {
        if (octets > 0 && _active)
        {
            ref var body = ref _bodies[(int)sender];
            body.Total += octets;
            Truncate((int)sender, ref body);
        }
    }

    /// <summary>A trailer section as received, with its empty line.</summary>
    public void Trailers(PeerRole sender, ReadOnlySpan<byte> section)
    {
        lock (_gate)
        {
            if (TryTake(SectionTag.Trailers, 1 + section.Length, out var payload))
            {
                payload[0] = (byte)sender;
                section.CopyTo(payload[1..]);
            }
        }
    }

    /// <summary>The head of an interim response. At most 16 are kept.</summary>
    public void Informational(ReadOnlySpan<byte> head)
    {
        lock (_gate)
        {
            if (_informational < MaxInformational && TryTake(SectionTag.Informational, head.Length, out var payload))
            {
                _informational++;
                head.CopyTo(payload);
            }
        }
    }

    /// <summary>The final response head as received, or as made by the proxy.</summary>
    public void Response(ReadOnlySpan<byte> head, Http1Repairs repairs)
    {
        Head(SectionTag.Response, head, repairs);
        if (_active)
        {
            _store.Listener?.FlowChanged(_id, FlowChange.Response);
        }
    }

    /// <summary>The response head as sent, when an actor changed it.</summary>
    public void ResponseSent(ReadOnlySpan<byte> head) => Head(SectionTag.ResponseSent, head, Http1Repairs.None);

    /// <summary>The other end of a tunnel.</summary>
    public void Tunnel(string host, int port)
    {
        lock (_gate)
        {
            var length = host.Length * 3;
            RecordWriter writer;
            do
            {
                writer = Open(16 + length);
                writer.Number((ulong)port);
                writer.Text(host);
            }
            while (!Close(SectionTag.Tunnel, ref writer, ref length));
        }

        if (_active)
        {
            _store.Listener?.FlowChanged(_id, FlowChange.Request);
        }
    }

    /// <summary>How a gRPC call ended.</summary>
    /// <param name="status">Its code; 0 for OK.</param>
    /// <param name="message">Its text, percent-decoded; <see langword="null"/> for none.</param>
    public void Grpc(int status, string? message)
    {
        lock (_gate)
        {
            var length = 16 + ((message?.Length ?? 0) * 3);
            RecordWriter writer;
            do
            {
                writer = Open(length);
                writer.Number((ulong)status);
                writer.Text(message);
            }
            while (!Close(SectionTag.GrpcStatus, ref writer, ref length));
        }
    }

    /// <summary>The server connection that carries the flow.</summary>
    public void Server(ServerConnection server)
    {
        lock (_gate)
        {
            (_server, _exchange) = (server, server.Exchanges);
        }
    }

    /// <summary>Stamps a point in time; the first stamp of a point counts.</summary>
    public void Stamp(TimingPoint point, long timestamp)
    {
        // One writer, and a reader that sees it or not: no lock needed.
        ref var stamp = ref _stamps[(int)point];
        if (stamp == 0)
        {
            Volatile.Write(ref stamp, timestamp);
        }
    }

    /// <summary>Sets marks.</summary>
    public void Mark(FlowMarks marks) => Interlocked.Or(ref Unsafe.As<FlowMarks, uint>(ref _marks), (uint)marks);

    /// <summary>Records a change.</summary>
    public void Mutate(Mutation mutation)
    {
        lock (_gate)
        {
            var length = 64 + mutation.Actor.Length + mutation.Target.Length + (mutation.Before?.Length ?? 0) + (mutation.After?.Length ?? 0);
            RecordWriter writer;
            do
            {
                writer = Open(length);
                writer.Text(mutation.Actor);
                writer.Number((ulong)mutation.Stage);
                writer.Text(mutation.Target);
                writer.Text(mutation.Before);
                writer.Text(mutation.After);
                writer.Number((ulong)Math.Max(0, mutation.AtMicroseconds));
            }
            while (!Close(SectionTag.Mutation, ref writer, ref length));
        }
    }

    /// <summary>Forgets the flow that was begun, as if it had never been; for a CONNECT whose tunnel is shown instead.</summary>
    public void Cancel()
    {
        lock (_gate)
        {
            if (!_active)
            {
                return;
            }

            Free();
        }

        _store.Listener?.FlowChanged(_id, FlowChange.Cancelled);
    }

    /// <summary>Ends the flow and stores it; the recorder is free afterwards.</summary>
    /// <param name="reason">Why it ended.</param>
    /// <param name="fault">What went wrong.</param>
    /// <param name="context">What actors said of it: tags, variables, matched rules, their trace, marker, comment; <see langword="null"/> for nothing.</param>
    /// <param name="timestamp">Monotonic timestamp of <see cref="TimingPoint.End"/>.</param>
    public void End(CloseReason reason, FlowFault? fault, FlowContext? context, long timestamp)
    {
        bool stored;
        lock (_gate)
        {
            if (!_active)
            {
                return;
            }

            Stamp(TimingPoint.End, timestamp);
            WriteContext(context);
            WriteFault(fault);
            WriteFacts(reason);
            stored = _store.Commit(MakeEntry(fault is not null), _scratch.AsSpan(0, _length), _client!, _server, ref _blocks, _truncated);
            Free();
        }

        _store.Listener?.FlowChanged(_id, !stored ? FlowChange.Lost : fault is null ? FlowChange.Completed : FlowChange.Errored);
    }

    private static ulong TailOf(FlowId id)
    {
        var value = id.Value;
        return Unsafe.ReadUnaligned<ulong>(ref Unsafe.Add(ref Unsafe.As<Guid, byte>(ref value), 8));
    }

    private void Free()
    {
        Volatile.Write(ref _active, false);
        BufferPool.Return(_scratch!);
        _store.Release(_reserved);
        _blocks?.Release();
        (_scratch, _length, _reserved, _blocks, _client, _server) = (null, 0, 0, null, null, null);
    }

    private FlowEntry MakeEntry(bool hasFault) => new()
    {
        Id = _id.Value,
        StartedAt = _startedAt,
        Kind = (byte)_kind,
        Marks = (uint)_marks,
        Status = _status,
        Flags = hasFault ? FlowEntry.HasFault : (byte)0,
    };

    [InlineArray(StampCount)]
    private struct Stamps
    {
        private long _first;
    }

    [InlineArray(BodySlot.Count)]
    private struct Bodies
    {
        private BodyState _first;
    }

    private struct BodyState
    {
        public long Total;
        public long Captured;
        public long Prefix;
        public int Inline;
        public bool IsUsed;
        public bool IsTruncated;
    }
}
