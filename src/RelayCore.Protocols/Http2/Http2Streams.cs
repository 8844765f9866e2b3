using System.Diagnostics;

namespace RelayCore.Protocols.Http2;

/// <summary>What a frame for a stream that is not alive means.</summary>
public enum Http2StreamLookup : byte
{
    /// <summary>HEADERS opened the stream: it now exists.</summary>
    Opened,

    /// <summary>PRIORITY of an idle stream, or an unknown frame: nothing to do.</summary>
    Nothing,

    /// <summary>As <see cref="Http2Ruling.Ignore"/>.</summary>
    Ignore,

    /// <summary>As <see cref="Http2Ruling.StreamError"/>.</summary>
    StreamError,

    /// <summary>As <see cref="Http2Ruling.ConnectionError"/>.</summary>
    ConnectionError,
}

/// <summary>
/// The stream identifiers of a connection (RFC 9113 §5.1.1): which were used by whom, how those closed lately ended, and so what a frame for a
/// stream that is not alive means. Live streams have an <see cref="Http2StreamState"/> each, with the engine.
/// </summary>
/// <remarks>
/// Memory: a ring of <see cref="Remembered"/> entries. What it forgot is treated with leniency: frames for it are dropped. Every stream that
/// was <see cref="Http2StreamLookup.Opened"/> has to come back to <see cref="Close"/>, refused ones too.
/// </remarks>
public sealed class Http2Streams
{
    /// <summary>Closed streams remembered. Older ones are long past what a round trip can still bring.</summary>
    public const int Remembered = 256;

    private readonly (int Id, Http2StreamEnd End)[] _closed = new (int, Http2StreamEnd)[Remembered];
    private readonly int _peerParity;
    private int _closedCount;
    private int _nextOwn;
    private int _highestOpened; // by HEADERS or PUSH_PROMISE of the peer
    private int _highestForgotten; // among the peer's streams we reset
    private int _acceptUpTo = Http2Frame.MaxStreamId;

    /// <summary>A connection at its start.</summary>
    /// <param name="peer">The other end: a client opens odd streams, a server promises even ones.</param>
    /// <param name="upgraded">Whether stream 1 is taken by the request of <c>Upgrade: h2c</c> (RFC 7540 §3.2).</param>
    public Http2Streams(PeerRole peer, bool upgraded = false)
    {
        Peer = peer;
        _peerParity = peer == PeerRole.Client ? 1 : 0;
        _nextOwn = peer == PeerRole.Client ? 2 : upgraded ? 3 : 1;
        _highestOpened = upgraded && peer == PeerRole.Client ? 1 : 0;
    }

    /// <summary>A connection towards a server that has used up most identifiers; for tests of how they run out.</summary>
    internal Http2Streams(int nextOwn)
        : this(PeerRole.Server) => _nextOwn = nextOwn;

    /// <summary>The other end.</summary>
    public PeerRole Peer { get; }

    /// <summary>Highest stream the peer opened or promised, or 0: what GOAWAY names as processed (§6.8).</summary>
    public int HighestOfPeer => _highestOpened;

    /// <summary>Streams we can still open before identifiers run out (§5.1.1).</summary>
    public int OwnLeft => _nextOwn < 0 ? 0 : ((Http2Frame.MaxStreamId - _nextOwn) / 2) + 1;

    /// <summary>Identifier of the next stream we open, or 0 when none is left and a new connection is needed (§5.1.1).</summary>
    public int OpenOwn()
    {
        if (_nextOwn < 0)
        {
            return 0;
        }

        var id = _nextOwn;
        _nextOwn = unchecked(id + 2); // wraps to negative behind 2^31-1
        return id;
    }

    /// <summary>A GOAWAY of ours was sent: streams the peer opens above it are dropped (§6.8).</summary>
    /// <param name="lastStreamId">What it named.</param>
    public void StopAccepting(int lastStreamId) => _acceptUpTo = Math.Min(_acceptUpTo, lastStreamId);

    /// <summary>A live stream is over and leaves the engine's table.</summary>
    public void Close(int streamId, Http2StreamEnd end)
    {
        ref var entry = ref _closed[_closedCount & (Remembered - 1)];
        if (entry.End == Http2StreamEnd.ResetByUs && (entry.Id & 1) == _peerParity)
        {
            _highestForgotten = Math.Max(_highestForgotten, entry.Id);
        }

        entry = (streamId, end);
        _closedCount = (_closedCount + 1) & int.MaxValue;
    }

    /// <summary>
    /// The peer has answered a PING or SETTINGS that we sent behind our RST_STREAM on this stream: what comes for it now was not in flight
    /// any more (§5.1 "closed").
    /// </summary>
    public void EndGrace(int streamId)
    {
        var entry = Find(streamId);
        if (entry >= 0 && _closed[entry].End == Http2StreamEnd.ResetByUs)
        {
            _closed[entry].End = Http2StreamEnd.ResetByUsAfterEnd;
        }
    }

    /// <summary>A frame was received for a stream that is not alive.</summary>
    /// <param name="type">Its type; HEADERS stands for the complete field block.</param>
    /// <param name="streamId">The stream, not 0.</param>
    /// <param name="error">The rule broken, when the answer is an error.</param>
    public Http2StreamLookup Receive(Http2FrameType type, int streamId, out Http2Error error)
    {
        error = default;
        if (type is Http2FrameType.Priority or > Http2FrameType.Continuation)
        {
            return Http2StreamLookup.Nothing;
        }

        var isPeers = (streamId & 1) == _peerParity;
        if (!(isPeers ? streamId > _highestOpened : IsIdleOwn(streamId)))
        {
            return AfterEnd(type, streamId, isPeers, out error);
        }

        if (type != Http2FrameType.Headers || !isPeers || Peer == PeerRole.Server)
        {
            error = Http2Error.Protocol(type == Http2FrameType.Headers ? Http2Fault.WrongStreamParity : Http2Fault.StreamNotOpen);
            return Http2StreamLookup.ConnectionError;
        }

        _highestOpened = streamId; // lower idle ones are closed with this (§5.1.1)
        return streamId > _acceptUpTo ? Http2StreamLookup.Ignore : Http2StreamLookup.Opened;
    }

    /// <summary>PUSH_PROMISE was received: what it may be (§6.6, §8.4).</summary>
    /// <param name="parent">The state of the stream it came on, or <see langword="null"/> when that is not alive.</param>
    /// <param name="parentId">The stream it came on.</param>
    /// <param name="promisedId">The stream it promises, even and not 0.</param>
    /// <param name="isPushEnabled">Whether our SETTINGS_ENABLE_PUSH in force, acknowledged, is 1.</param>
    /// <returns>
    /// None: the promised stream is reserved and is to be reset (CANCEL, REFUSED_STREAM) or taken; otherwise a connection error.
    /// </returns>
    public Http2Error Promise(Http2StreamState? parent, int parentId, int promisedId, bool isPushEnabled)
    {
        if (Peer == PeerRole.Client || !isPushEnabled)
        {
            return Http2Error.Protocol(Http2Fault.PushNotAllowed);
        }

        // A stream we reset may still bring promises (§5.1); any other must be one of ours that the peer has not ended.
        var isFine = parent is { } state ? state.Phase is Http2StreamPhase.Open or Http2StreamPhase.HalfClosedLocal
            : (parentId & 1) != _peerParity && !IsIdleOwn(parentId) && EndOf(parentId) is Http2StreamEnd.ResetByUs or Http2StreamEnd.None;
        if (!isFine)
        {
            return Http2Error.Protocol(Http2Fault.PushNotAllowed);
        }

        if (promisedId <= _highestOpened || (promisedId & 1) != 0)
        {
            return Http2Error.Protocol(Http2Fault.InvalidPromisedStreamId);
        }

        _highestOpened = promisedId;
        return default;
    }

    /// <summary>PRIORITY_UPDATE was received: whether it may name that stream (RFC 9218 §7.1).</summary>
    /// <param name="prioritizedStreamId">The stream it names, not 0; alive, over, or one the client has not opened yet.</param>
    /// <returns>None, or a connection error.</returns>
    public Http2Error Prioritize(int prioritizedStreamId) =>
        Peer == PeerRole.Server || ((prioritizedStreamId & 1) != _peerParity && IsIdleOwn(prioritizedStreamId))
            ? Http2Error.Protocol(Http2Fault.InvalidPriorityUpdate) : default;

    private Http2StreamLookup AfterEnd(Http2FrameType type, int streamId, bool isPeers, out Http2Error error)
    {
        error = default;
        if (type is Http2FrameType.RstStream or Http2FrameType.WindowUpdate || (isPeers && streamId > _acceptUpTo))
        {
            return Http2StreamLookup.Ignore; // however it ended; and the first two are frequent, so nothing is looked up
        }

        var entry = Find(streamId);
        if (entry < 0 && isPeers && type == Http2FrameType.Headers && streamId > _highestForgotten)
        {
            // Had we reset it, we would remember: the peer ended it, or skipped it, and opens it now (§5.1.1).
            error = Http2Error.Protocol(Http2Fault.StreamIdReused);
            return Http2StreamLookup.ConnectionError;
        }

        return Http2StreamState.Closed(entry < 0 ? Http2StreamEnd.None : _closed[entry].End, type, streamId, out error) switch
        {
            Http2Ruling.StreamError => Http2StreamLookup.StreamError,
            Http2Ruling.ConnectionError => Http2StreamLookup.ConnectionError,
            Http2Ruling.Fine => Http2StreamLookup.Nothing,
            _ => Http2StreamLookup.Ignore,
        };
    }

    private bool IsIdleOwn(int streamId) => _nextOwn > 0 && streamId >= _nextOwn;

    private Http2StreamEnd EndOf(int streamId)
    {
        var entry = Find(streamId);
        return entry < 0 ? Http2StreamEnd.None : _closed[entry].End;
    }

    private int Find(int streamId)
    {
        Debug.Assert(streamId > 0, "Stream 0 is the connection.");
        var count = Math.Min(_closedCount, Remembered);
        for (var back = 1; back <= count; back++)
        {
            var at = (_closedCount - back) & (Remembered - 1);
            if (_closed[at].Id == streamId)
            {
                return at;
            }
        }

        return -1;
    }
}
