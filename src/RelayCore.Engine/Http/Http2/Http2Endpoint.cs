using System.Buffers;
using RelayCore.Core.Connections;
using RelayCore.Core.Messages;
using RelayCore.Engine.Listeners;
using RelayCore.Engine.Memory;
using RelayCore.Engine.Transport;
using RelayCore.Protocols;
using RelayCore.Protocols.Http2;

namespace RelayCore.Engine.Http.Http2;

/// <summary>
/// One HTTP/2 connection, either role (RFC 9113): reads frames, keeps streams and windows, and sends what its streams have ready in as few
/// sends as possible. What a request or response means is its heirs' (<see cref="Http2Session"/>, <see cref="Http2Connection"/>).
/// </summary>
/// <remarks>
/// Parts: this file runs the connection; <c>.Input</c> handles frames; <c>.Windows</c> keeps flow control; <c>.Output</c> writes frames. The read loop is one caller; streams are
/// used from others. Whatever is written, and the table of streams, is guarded by one lock, under which nobody is called.
/// </remarks>
#pragma warning disable CA1001 // what it rents is given back when the connection ends, whoever began it
internal abstract partial class Http2Endpoint : IDeadlined
#pragma warning restore CA1001
{
    private const int SmallInput = 16 * 1024;
    private const int LargeInput = 64 * 1024;
    private const int LingerOctets = 1024 * 1024;
    private const int MaxFree = 64;

    private readonly Dictionary<int, Http2Stream> _streams = [];
    private readonly Stack<Http2Stream> _free = [];
    private readonly List<Http2Stream> _retired = [];
    private readonly Http2Streams _ids;
    private readonly Http2FieldBlock _block;
    private readonly Http2Guard _guard;
    private Http2FrameReader _frames;
    private ReceiveBuffer _input;
    private Http2Settings _theirs;
    private bool _hasSettings;
    private ReceiveWindow _receiving;
    private Http2Error _fatal;
    private TimeSpan _roundTrip;
    private long _settingsSentAt;
    private long _now;
    private long _held;
    private int _owed;
    private int _running;
    private volatile bool _isSettingsAcked;
    private volatile bool _goAwaySent;
    private volatile bool _isStopping;

    protected Http2Endpoint(EngineContext engine, DuplexTransport transport, ConnectionFacts facts, PeerRole peer, ReceiveBuffer input, Http2Settings? upgrade = null)
    {
        (Engine, Transport, Facts, Peer, _input) = (engine, transport, facts, peer, input);
        _now = engine.Time.GetTimestamp();
        _ids = new(peer, upgrade is not null);
        _theirs = upgrade ?? new();
        Heads = new(Limits.MaxFieldSectionOctets, engine.Limits.Http1.MaxFields) { AllowsExtendedConnect = peer == PeerRole.Client };
        _block = new(Limits);
        _guard = new(Limits, Elapsed);
        _window = new(Http2Settings.DefaultWindowSize);
        _receiving = new(Http2Settings.DefaultWindowSize, Limits.MaxConnectionWindow, Elapsed);
        _onSent = ContinueSending;
    }

    protected EngineContext Engine { get; }

    /// <summary>Reads the field blocks of this direction; the read loop's.</summary>
    protected Http2HeadReader Heads { get; }

    internal DuplexTransport Transport { get; }

    protected ConnectionFacts Facts { get; }

    /// <summary>Who is at the other end.</summary>
    internal PeerRole Peer { get; }

    protected Http2Limits Limits => Engine.Limits.Http2;

    /// <summary>What the peer said of itself.</summary>
    internal Http2Settings Theirs => _theirs;

    /// <summary>Streams that are not over.</summary>
    protected int StreamCount
    {
        get
        {
            lock (_gate)
            {
                return _streams.Count;
            }
        }
    }

    /// <summary>Whether no new stream will be served: a GOAWAY came or went, or the connection is over.</summary>
    internal bool IsClosing => _goAwaySent || _isStopping || _isBroken;

    private TimeSpan Elapsed => Engine.Time.GetElapsedTime(0, _now);

    /// <summary>Runs the connection until it ends; all its streams are over then.</summary>
    protected async Task RunConnectionAsync()
    {
        try
        {
            await ReadAsync().ConfigureAwait(false);
        }
        catch (Exception e) when (DuplexTransport.IsFailure(e))
        {
            Broken(e);
        }
        finally
        {
            FailStreams(_fatal.IsError
                ? new(_fatal.Code, Peer, $"the HTTP/2 connection ended: {_fatal.Fault}")
                : new(Http2ErrorCode.Cancel, Peer, "the HTTP/2 connection ended", IsConnectionLost: true));
            _isStopping = true;
            if (_fatal.IsError && !_isBroken)
            {
                await LingerAsync().ConfigureAwait(false);
            }

            Transport.Close();
            _input.Release(discard: true);
            _block.Release();
        }
    }

    private async ValueTask ReadAsync()
    {
        var capacity = SmallInput;
        var hasUnread = _input.Length > 0;
        while (!_fatal.IsError && !_isStopping)
        {
            if (!hasUnread)
            {
                if (_input.Length == 0)
                {
                    _input.Release();
                }

                var room = _input.Room(Math.Max(capacity, _input.Length + 4096));
                var received = await Transport.ReceiveAsync(room).ConfigureAwait(false);
                if (received == 0)
                {
                    return;
                }

                _input.Received(received);
                Facts.OctetsReceived += received;
                capacity = received >= room.Length / 2 ? LargeInput : SmallInput;
            }

            hasUnread = false;
            _now = Engine.Time.GetTimestamp();
            Reuse();
            var batch = Http2Batch.Begin();
            try
            {
                ReadFrames();
            }
            finally
            {
                OnFramesRead();
                batch.End();
            }
        }
    }

    private void ReadFrames()
    {
        while (!_fatal.IsError)
        {
            var status = _frames.TryRead(_input.Span, Limits.MaxFrameSize, out var frame, out var consumed, out var error);
            if (status == OperationStatus.NeedMoreData)
            {
                return;
            }

            if (status == OperationStatus.InvalidData)
            {
                Fatal(error);
                return;
            }

            Handle(frame, error);
            _input.Consume(consumed);
        }
    }

    /// <summary>Writes our preface: SETTINGS and the connection's window (RFC 9113 §3.4).</summary>
    protected void WritePreface(ReadOnlySpan<byte> magic, ReadOnlySpan<Http2Setting> settings)
    {
        lock (_gate)
        {
            Reserve(magic.Length + 256);
            magic.CopyTo(_output.AsSpan(_outputLength));
            _outputLength += magic.Length;
            _outputLength += Http2FrameWriter.WriteSettings(_output.AsSpan(_outputLength), settings);
            var increment = _receiving.Raise(Limits.InitialConnectionWindow);
            if (increment > 0)
            {
                _outputLength += Http2FrameWriter.WriteWindowUpdate(_output.AsSpan(_outputLength), 0, increment);
            }

            _settingsSentAt = _now;
        }

        Kick();
    }

    /// <summary>The connection cannot go on: says why and stops reading (RFC 9113 §5.4.1).</summary>
    protected void Fatal(Http2Error error)
    {
        if (_fatal.IsError)
        {
            return;
        }

        _fatal = error;
        GoAway(error.Code, error.Fault.ToString());
        OnFatal(error);
    }

    /// <summary>Says that no stream above the highest one served will be.</summary>
    protected void GoAway(Http2ErrorCode code, string debug = "")
    {
        lock (_gate)
        {
            if (_isBroken || (_goAwaySent && code == Http2ErrorCode.NoError))
            {
                return;
            }

            _goAwaySent = true;
            var last = Peer == PeerRole.Client ? _ids.HighestOfPeer : 0;
            _ids.StopAccepting(last);
            Reserve(Http2Frame.HeaderOctets + 8 + debug.Length);
            _outputLength += Http2FrameWriter.WriteGoAway(_output.AsSpan(_outputLength), last, code, System.Text.Encoding.ASCII.GetBytes(debug));
        }

        Kick();
    }

    /// <summary>No more streams; the connection ends when the last one did.</summary>
    public virtual void Drain()
    {
        GoAway(Http2ErrorCode.NoError);
        EndIfDrained();
    }

    /// <summary>Ends the connection at once.</summary>
    public virtual void Abort()
    {
        _isStopping = true;
        FailStreams(new(Http2ErrorCode.Cancel, Peer, "the proxy stops"));
        Transport.Reset();
    }

    /// <inheritdoc/>
    public abstract void Sweep(long now, bool isSecond);

    /// <summary>A defined end in order once nothing is open and everything was sent; looked at again behind every send.</summary>
    protected void EndIfDrained()
    {
        lock (_gate)
        {
            if (!_goAwaySent || _streams.Count > 0 || _outputLength > 0 || _isFlushing || Volatile.Read(ref _running) > 0 || _fatal.IsError)
            {
                return;
            }

            _isStopping = true;
        }

        Transport.Close();
    }

    /// <summary>Ends a connection whose peer never acknowledges our SETTINGS (RFC 9113 §6.5.3) or takes nothing; from the sweeper.</summary>
    protected void EndIfUnresponsive(long now)
    {
        // Nor does it last when nothing of what we send is taken, by a peer that has no stream whose time could run out.
        if (Volatile.Read(ref _stalledSince) is not 0 and var since && Engine.Limits.BodyTimeout != Timeout.InfiniteTimeSpan
            && Engine.Time.GetElapsedTime(since, now) > Engine.Limits.BodyTimeout)
        {
            Abort();
            return;
        }

        if (_isSettingsAcked || IsClosing || Engine.Limits.HandshakeTimeout == Timeout.InfiniteTimeSpan || Engine.Time.GetElapsedTime(_settingsSentAt, now) <= Engine.Limits.HandshakeTimeout)
        {
            return;
        }

        var error = new Http2Error(Http2Fault.SettingsUnacknowledged, Http2ErrorCode.SettingsTimeout);
        GoAway(error.Code, error.Fault.ToString());
        OnFatal(error);
        FailStreams(new(error.Code, Peer, $"the HTTP/2 connection ended: {error.Fault}"));
        _isStopping = true;
        Transport.Close();
    }

    private async ValueTask LingerAsync()
    {
        // Closing with octets unread resets the connection, and with it our GOAWAY.
        try
        {
            await using var timer = Engine.Time.CreateTimer(
                static state => ((DuplexTransport)state!).Reset(), Transport, TimeSpan.FromSeconds(1), Timeout.InfiniteTimeSpan).ConfigureAwait(false);
            if (!Volatile.Read(ref _isFlushing))
            {
                await Transport.CompleteOutputAsync().ConfigureAwait(false); // a send that hangs is not overtaken
            }

            var unwanted = BufferPool.Rent(SmallInput);
            for (var total = 0; total < LingerOctets;)
            {
                var received = await Transport.ReceiveAsync(unwanted).ConfigureAwait(false);
                if (received == 0)
                {
                    break;
                }

                total += received;
            }

            BufferPool.Return(unwanted);
        }
        catch (Exception e) when (DuplexTransport.IsFailure(e))
        {
            // The peer is gone.
        }
    }

    /// <summary>The transport failed.</summary>
    private void Broken(Exception exception)
    {
        lock (_gate)
        {
            if (_isBroken)
            {
                return;
            }

            _isBroken = true;
            if (_output is not null)
            {
                BufferPool.Return(_output);
            }

            (_output, _outputLength) = (null, 0);
        }

        FailStreams(new(Http2ErrorCode.Cancel, Peer, exception.Message, IsConnectionLost: true));
        Transport.Reset();
    }

    private void FailStreams(Http2Stream.StreamFault fault)
    {
        FailAbove(0, fault);
        OnEnded();
    }

    /// <summary>All frames that came at once are handled.</summary>
    protected virtual void OnFramesRead()
    {
    }

    /// <summary>A rule was broken that ends the connection; for records.</summary>
    protected virtual void OnFatal(Http2Error error)
    {
    }

    /// <summary>All streams were failed since the connection is over; may be called more than once.</summary>
    protected virtual void OnEnded()
    {
    }

    // The table of streams.

    protected Http2Stream? Find(int id)
    {
        lock (_gate)
        {
            return _streams.GetValueOrDefault(id);
        }
    }

    /// <summary>A fresh stream; under the lock.</summary>
    private Http2Stream Open(int id)
    {
        var stream = _free.Count > 0 ? _free.Pop() : new(this);
        stream.Open(id);
        stream.Window = new(_theirs.InitialWindowSize);
        stream.Receiving = new(Limits.InitialStreamWindow, Limits.MaxStreamWindow, Elapsed);
        stream.State = default;
        stream.OpenedAt = _now;
        _streams.Add(id, stream);
        return stream;
    }

    /// <summary>Opens a stream of ours by its request head.</summary>
    /// <returns><see langword="null"/> when the connection takes none any more; nothing was sent then.</returns>
    protected (Http2Stream Stream, int Id)? Begin(RequestHead head, bool isLast)
    {
        Http2Stream stream;
        int id;
        lock (_gate)
        {
            // Identifiers must ascend on the wire, so they are given where the frame is written (RFC 9113 §5.1.1).
            if (IsClosing || (id = _ids.OpenOwn()) == 0)
            {
                return null;
            }

            stream = Open(id);
            stream.IsBodyless = head.MethodOctets.SequenceEqual("HEAD"u8);
            WriteHead(stream, head, isLast);
            Interlocked.Increment(ref _running);
        }

        Kick();
        return (stream, id);
    }

    /// <summary>Stream 1 of a connection that was upgraded: its request came before (RFC 7540 §3.2).</summary>
    protected Http2Stream OpenUpgraded()
    {
        Http2Stream stream;
        lock (_gate)
        {
            stream = Open(1);
            stream.State.Receive(Http2FrameType.Headers, endsStream: true, 1, out _);
            Interlocked.Increment(ref _running);
        }

        stream.IsHeadReceived = true;
        stream.DeliverData(default, isLast: true);
        return stream;
    }

    /// <summary>Fails the streams above one: those of ours that the peer will not serve.</summary>
    protected void FailAbove(int lastId, Http2Stream.StreamFault fault)
    {
        List<(Http2Stream, int)> streams;
        lock (_gate)
        {
            streams = [.. _streams.Where(x => x.Key > lastId).Select(x => (x.Value, x.Key))];
        }

        foreach (var (stream, id) in streams)
        {
            Close(stream, id); // first, so that nobody resets what is over
            stream.Fail(id, fault);
        }
    }

    /// <summary>The stream is over on the wire; its object is used again once its exchange is done with it.</summary>
    private void Close(Http2Stream stream, int id)
    {
        lock (_gate)
        {
            if (stream.IsClosed || stream.Id != id)
            {
                return;
            }

            stream.IsClosed = true;
            _streams.Remove(stream.Id);
            _ids.Close(stream.Id, stream.State.End == Http2StreamEnd.None ? Http2StreamEnd.Complete : stream.State.End);
            Recycle(stream);
        }
    }

    /// <summary>The exchange is done with a stream: what is open of it is reset, and the object is free.</summary>
    internal void Release(Http2Stream stream, Http2ErrorCode code)
    {
        Reset(stream, stream.Id, code);
        var held = stream.DropInput();
        if (held > 0)
        {
            Consumed(stream, held, isOpen: false);
        }

        lock (_gate)
        {
            stream.IsReleased = true;
            Recycle(stream);
        }

        Interlocked.Decrement(ref _running);
        OnStreamReleased();
        if (_goAwaySent)
        {
            EndIfDrained();
        }
    }

    private void Recycle(Http2Stream stream)
    {
        if (stream is { IsClosed: true, IsReleased: true, IsTunnel: false } && _free.Count + _retired.Count < MaxFree)
        {
            _retired.Add(stream);
        }
    }

    // The read loop may still hold a stream that others have just done with, so only it makes them new ones, while it holds none.
    private void Reuse()
    {
        if (_retired.Count == 0)
        {
            return; // seen late, it is done the next time
        }

        lock (_gate)
        {
            foreach (var stream in _retired)
            {
                _free.Push(stream);
            }

            _retired.Clear();
        }
    }

    /// <summary>An exchange is done with its stream.</summary>
    protected virtual void OnStreamReleased()
    {
    }
}

/// <summary>A session or connection that ends in order or at once when the engine stops.</summary>
internal interface IStoppable
{
    /// <summary>Ends when what runs is done.</summary>
    void Drain();

    /// <summary>Ends now.</summary>
    void Abort();
}
