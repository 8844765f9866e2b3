using RelayCore.Core.Connections;
using RelayCore.Core.Messages;
using RelayCore.Engine.Upstream;
using RelayCore.Protocols;
using RelayCore.Protocols.Http2;

namespace RelayCore.Engine.Http.Http2;

/// <summary>A connection to a server that speaks HTTP/2: streams of many clients share it within what the server allows (RFC 9113 §5.1.2).</summary>
internal sealed class Http2Connection : Http2Endpoint, IStoppable
{
    private const int MaxHeadsWaiting = 32;
    private const int MaxPriorityOctets = 256;

    private readonly Lock _lock = new();
    private readonly OriginPool _pool;
    private readonly ServerConnection _facts;
    private int _reserved;
    private long _idleSince;
    private bool _isGoingAway;
    private volatile bool _isSettled;
    private readonly TaskCompletionSource _settled = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public Http2Connection(EngineContext engine, OriginPool pool, ServerChannel channel)
        : base(engine, channel.Transport, channel.Facts, PeerRole.Server, channel.Input)
    {
        channel.Input = default;
        (_pool, _facts, IsProxyBypassed) = (pool, channel.Facts, channel.IsProxyBypassed);
        _idleSince = engine.Time.GetTimestamp();
    }

    public ServerConnection ServerFacts => _facts;

    public bool IsProxyBypassed { get; }

    /// <summary>Whether it carried a stream before.</summary>
    public bool IsUsed { get; private set; }

    /// <summary>Whether extended CONNECT may be used (RFC 8441 §3); known once the server's SETTINGS came.</summary>
    public bool AllowsConnectProtocol => Theirs.EnableConnectProtocol;

    /// <summary>Completes with the server's SETTINGS, or with the end of the connection.</summary>
    public Task Settled => _settled.Task;

    /// <summary>Runs it to its end.</summary>
    public async Task RunAsync()
    {
        Engine.Sweeper.Add(this);
        try
        {
            WritePreface(Http2Preface.Value,
            [
                new(Http2SettingId.HeaderTableSize, (uint)Limits.HeaderTableOctets),
                new(Http2SettingId.EnablePush, 0),
                new(Http2SettingId.InitialWindowSize, (uint)Limits.InitialStreamWindow),
                new(Http2SettingId.MaxHeaderListSize, (uint)Limits.MaxFieldSectionOctets),
            ]);
            await RunConnectionAsync().ConfigureAwait(false);
        }
        finally
        {
            Engine.Sweeper.Remove(this);
            _settled.TrySetResult();
            _pool.Http2.Leaving(this);
            _pool.ReleasePermit();
        }
    }

    /// <summary>Streams that may be opened beside those there are.</summary>
    public int Room
    {
        get
        {
            lock (_lock)
            {
                return _isGoingAway || IsClosing ? 0
                    : Math.Max(0, (int)Math.Min(_isSettled ? Theirs.MaxConcurrentStreams : _pool.Http2.UsualStreams, (uint)Limits.MaxConcurrentStreams) - _reserved);
            }
        }
    }

    /// <summary>Whether a stream may be opened.</summary>
    public bool HasRoom => Room > 0;

    /// <summary>Takes the right to open one stream.</summary>
    public bool TryReserve()
    {
        lock (_lock)
        {
            if (Room == 0)
            {
                return false;
            }

            _reserved++;
            return true;
        }
    }

    /// <summary>Gives a right back that was not used, or whose stream is over.</summary>
    public void GiveBackReservation()
    {
        lock (_lock)
        {
            _reserved--;
            if (_reserved == 0)
            {
                _idleSince = Engine.Time.GetTimestamp();
            }
        }

        _pool.Http2.Freed();
    }

    /// <summary>Opens a stream by its request head.</summary>
    /// <exception cref="Exchanges.StreamResetException">The connection ended in the meantime; nothing was sent.</exception>
    public (Http2Stream Stream, int Id) OpenStream(RequestHead head, bool isLast)
    {
        var opened = Begin(head, isLast) ?? throw new Exchanges.StreamResetException(
            Http2ErrorCode.RefusedStream, PeerRole.Server, "the HTTP/2 connection ended before the request was sent", isUnprocessed: true);
        IsUsed = true;
        return opened;
    }

    /// <summary>Tells the server how much a response is wanted now (RFC 9218 §7.1), unless its stream is over.</summary>
    public void Prioritize(int streamId, ReadOnlySpan<byte> value)
    {
        if (Find(streamId) is not null && value.Length <= MaxPriorityOctets)
        {
            Control(Http2Frame.HeaderOctets + 4 + value.Length, new PriorityUpdate(streamId, value),
                static (span, x) => Http2FrameWriter.WritePriorityUpdate(span, x.StreamId, x.Value));
        }
    }

    public override void Sweep(long now, bool isSecond)
    {
        if (!isSecond)
        {
            return;
        }

        TrimWhenIdle();
        var bound = Engine.Limits.PoolIdleTimeout;
        bool isOld;
        lock (_lock)
        {
            isOld = _reserved == 0 && bound != Timeout.InfiniteTimeSpan && Engine.Time.GetElapsedTime(_idleSince, now) > bound;
            _isGoingAway |= isOld;
        }

        EndIfUnresponsive(now);
        if (isOld)
        {
            Drain();
        }
        else if (!_isSettled && Engine.Time.GetElapsedTime(_facts.OpenedAt, now) > Engine.Limits.HandshakeTimeout)
        {
            Abort(); // no SETTINGS: it does not speak HTTP/2 after all
        }
    }

    public override void Drain()
    {
        lock (_lock)
        {
            _isGoingAway = true;
        }

        base.Drain();
    }

    protected override void OnStreamReleased() => GiveBackReservation();

    protected override void OnRequest(Http2Stream stream, ReadOnlySpan<byte> block, bool ends)
    {
        // A server opens no streams; the table of identifiers refuses them before.
        Discard(block);
        Malformed(stream, "a server opened a stream");
    }

    protected override void OnHead(Http2Stream stream, ReadOnlySpan<byte> block, bool ends)
    {
        var head = stream.HeadToFill();
        var error = Heads.ReadResponse(block, head.Fields, out var line);
        if (IsLost(error))
        {
            return;
        }

        if (error.IsError)
        {
            Malformed(stream, $"malformed response head: {error.Fault} ({error.Clause})");
            return;
        }

        head.Load(line);
        var isInterim = head.Status < 200;
        if (isInterim && (ends || stream.HeadsWaiting >= MaxHeadsWaiting))
        {
            Malformed(stream, ends ? "an interim response that ends the stream" : "too many interim responses");
            return;
        }

        if (!isInterim)
        {
            stream.IsHeadReceived = true;
            stream.IsBodyless |= head.Status is 204 or 304;
            stream.ExpectedOctets = line.ContentLength;
            if (ends && !IsEmptyAllowed(stream))
            {
                Malformed(stream, "the body is not as long as its Content-Length says");
                return;
            }
        }

        stream.DeliverHead(head, ends);
    }

    protected override void OnSettings(Http2SettingsRecord settings, bool isFirst)
    {
        if (isFirst)
        {
            _facts.Http2 = new() { Settings = settings.ToString() };
            _pool.Http2.UsualStreams = Math.Clamp(Theirs.MaxConcurrentStreams, 1, Http2Pool.UnknownStreams);
            _isSettled = true;
            _settled.TrySetResult();
        }

        _pool.Http2.Freed(Room); // perhaps more than before
    }

    protected override void OnConnectionWindow(int increment)
    {
        // More than we ever sent: the server opens its window, it does not give back what it consumed.
        if (_facts.Http2 is { WindowUpdate: 0 } facts && increment > _facts.OctetsSent)
        {
            _facts.Http2 = facts with { WindowUpdate = increment };
        }
    }

    protected override void OnGoAway(int lastStreamId, Http2ErrorCode code)
    {
        lock (_lock)
        {
            _isGoingAway = true;
        }

        // RFC 9113 §6.8: what is above was not and will not be processed. From here on none is opened that nobody would fail.
        _pool.Http2.Leaving(this);
        GoAway(Http2ErrorCode.NoError);
        FailAbove(lastStreamId, new(code == Http2ErrorCode.NoError ? Http2ErrorCode.RefusedStream : code, PeerRole.Server,
            $"the server ended the connection with {NameOf(code)}", IsUnprocessed: true));
        EndIfDrained();
    }

    protected override void OnEnded()
    {
        lock (_lock)
        {
            _isGoingAway = true;
        }

        _pool.Http2.Leaving(this);
    }

    private readonly ref struct PriorityUpdate(int streamId, ReadOnlySpan<byte> value)
    {
        public readonly int StreamId = streamId;
        public readonly ReadOnlySpan<byte> Value = value;
    }
}
