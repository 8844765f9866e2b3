namespace RelayCore.Protocols.Http2;

/// <summary>Where a stream is in its life (RFC 9113 §5.1).</summary>
public enum Http2StreamPhase : byte
{
    /// <summary>Not used yet.</summary>
    Idle,

    /// <summary>Promised by us; only for completeness, this proxy does not push.</summary>
    ReservedLocal,

    /// <summary>Promised by the peer.</summary>
    ReservedRemote,

    /// <summary>Both ends may send.</summary>
    Open,

    /// <summary>We ended our side.</summary>
    HalfClosedLocal,

    /// <summary>The peer ended its side.</summary>
    HalfClosedRemote,

    /// <summary>Over.</summary>
    Closed,
}

/// <summary>How a stream came to be closed, which decides what may still come for it.</summary>
public enum Http2StreamEnd : byte
{
    /// <summary>It is not closed, or nobody remembers.</summary>
    None,

    /// <summary>Both ends said END_STREAM.</summary>
    Complete,

    /// <summary>The peer sent RST_STREAM.</summary>
    ResetByPeer,

    /// <summary>We sent RST_STREAM before the peer had ended its side: frames in flight may still come.</summary>
    ResetByUs,

    /// <summary>We sent RST_STREAM after the peer had ended its side.</summary>
    ResetByUsAfterEnd,
}

/// <summary>What to do with a frame.</summary>
public enum Http2Ruling : byte
{
    /// <summary>Handle it.</summary>
    Fine,

    /// <summary>
    /// Drop it. Field blocks still go through the decoder and DATA through the window of the connection, whose octets are released at once (§5.1).
    /// </summary>
    Ignore,

    /// <summary>Drop it like <see cref="Ignore"/> and reset the stream (§5.4.2).</summary>
    StreamError,

    /// <summary>End the connection (§5.4.1).</summary>
    ConnectionError,
}

/// <summary>
/// The life of one stream as RFC 9113 §5.1 draws it, for either role: what frames may be received and sent, and where they lead. A field of its
/// owner; never copied while in use.
/// </summary>
/// <remarks>
/// <code>
/// idle -HEADERS-> open -END_STREAM-> half-closed -END_STREAM-> closed
/// idle -PUSH_PROMISE-> reserved -HEADERS-> half-closed; RST_STREAM-> closed from everywhere but idle
/// </code>
/// HEADERS and CONTINUATION count once, when the field block is complete: END_STREAM takes effect then.
/// </remarks>
public struct Http2StreamState
{
    private Http2StreamState(Http2StreamPhase phase) => Phase = phase;

    /// <summary>A stream a peer promised (PUSH_PROMISE received).</summary>
    public static Http2StreamState ReservedByPeer => new(Http2StreamPhase.ReservedRemote);

    /// <summary>A stream we promised (PUSH_PROMISE sent).</summary>
    public static Http2StreamState ReservedByUs => new(Http2StreamPhase.ReservedLocal);

    /// <summary>Where the stream is; starts at <see cref="Http2StreamPhase.Idle"/>.</summary>
    public Http2StreamPhase Phase { get; private set; }

    /// <summary>How it was closed.</summary>
    public Http2StreamEnd End { get; private set; }

    /// <summary>Whether nothing more will be received that matters.</summary>
    public readonly bool IsReceiveDone => Phase is Http2StreamPhase.HalfClosedRemote or Http2StreamPhase.Closed;

    /// <summary>Whether nothing more may be sent save RST_STREAM and, unless closed, WINDOW_UPDATE.</summary>
    public readonly bool IsSendDone => Phase is Http2StreamPhase.HalfClosedLocal or Http2StreamPhase.Closed;

    /// <summary>A frame for this stream was received.</summary>
    /// <param name="type">Its type; HEADERS stands for the complete field block.</param>
    /// <param name="endsStream">Whether END_STREAM takes effect with it (<see cref="Http2Frame.EndsStream"/>, <see cref="Http2FieldBlock.EndsStream"/>).</param>
    /// <param name="streamId">The stream, for the error.</param>
    /// <param name="error">The rule broken, when the ruling is an error.</param>
    public Http2Ruling Receive(Http2FrameType type, bool endsStream, int streamId, out Http2Error error)
    {
        error = default;
        if (type is Http2FrameType.Priority || !IsStreamFrame(type))
        {
            return Http2Ruling.Fine; // PRIORITY may come at any time (§5.1, §6.3); unknown frames too (§5.5)
        }

        switch (Phase)
        {
            case Http2StreamPhase.Idle when type == Http2FrameType.Headers:
                Phase = endsStream ? Http2StreamPhase.HalfClosedRemote : Http2StreamPhase.Open;
                return Http2Ruling.Fine;

            case Http2StreamPhase.ReservedRemote when type == Http2FrameType.Headers:
                Phase = Http2StreamPhase.HalfClosedLocal;
                EndRemote(endsStream);
                return Http2Ruling.Fine;

            case Http2StreamPhase.ReservedLocal when type == Http2FrameType.WindowUpdate:
                return Http2Ruling.Fine;

            case Http2StreamPhase.Idle:
            case Http2StreamPhase.ReservedLocal or Http2StreamPhase.ReservedRemote when type != Http2FrameType.RstStream:
                error = Http2Error.Protocol(Http2Fault.StreamNotOpen);
                return Http2Ruling.ConnectionError;

            case Http2StreamPhase.Closed:
                return Closed(End, type, streamId, out error);

            case Http2StreamPhase.HalfClosedRemote when type is not (Http2FrameType.RstStream or Http2FrameType.WindowUpdate):
                // The peer said END_STREAM and goes on (§5.1). The stream is over with the RST_STREAM that this calls for.
                error = new(Http2Fault.StreamEnded, Http2ErrorCode.StreamClosed, streamId);
                return Http2Ruling.StreamError;

            default:
                if (type == Http2FrameType.RstStream)
                {
                    (Phase, End) = (Http2StreamPhase.Closed, Http2StreamEnd.ResetByPeer);
                }
                else
                {
                    EndRemote(endsStream);
                }

                return Http2Ruling.Fine;
        }
    }

    /// <summary>A frame for this stream is about to be sent.</summary>
    /// <param name="type">Its type; HEADERS stands for the complete field block.</param>
    /// <param name="endsStream">Whether it carries END_STREAM.</param>
    /// <returns>Whether it may be sent. <see langword="false"/> leaves the state: the stream is over, the frame is to be dropped.</returns>
    public bool TrySend(Http2FrameType type, bool endsStream)
    {
        var may = type switch
        {
            Http2FrameType.Priority => true,
            Http2FrameType.RstStream => Phase is not (Http2StreamPhase.Idle or Http2StreamPhase.Closed),
            Http2FrameType.WindowUpdate => Phase is Http2StreamPhase.Open or Http2StreamPhase.HalfClosedLocal or Http2StreamPhase.HalfClosedRemote
                or Http2StreamPhase.ReservedRemote,
            Http2FrameType.Headers => Phase is Http2StreamPhase.Idle or Http2StreamPhase.ReservedLocal or Http2StreamPhase.Open or Http2StreamPhase.HalfClosedRemote,
            _ => Phase is Http2StreamPhase.Open or Http2StreamPhase.HalfClosedRemote,
        };
        if (!may)
        {
            return false;
        }

        switch (type)
        {
            case Http2FrameType.RstStream:
                End = Phase == Http2StreamPhase.HalfClosedRemote ? Http2StreamEnd.ResetByUsAfterEnd : Http2StreamEnd.ResetByUs;
                Phase = Http2StreamPhase.Closed;
                return true;

            case Http2FrameType.Headers when Phase == Http2StreamPhase.Idle:
                Phase = Http2StreamPhase.Open;
                break;

            case Http2FrameType.Headers when Phase == Http2StreamPhase.ReservedLocal:
                Phase = Http2StreamPhase.HalfClosedRemote;
                break;

            default:
                break;
        }

        if (endsStream)
        {
            var isOver = Phase == Http2StreamPhase.HalfClosedRemote;
            (Phase, End) = isOver ? (Http2StreamPhase.Closed, Http2StreamEnd.Complete) : (Http2StreamPhase.HalfClosedLocal, End);
        }

        return true;
    }

    /// <summary>What a frame for a closed stream means, by how it was closed (§5.1 "closed").</summary>
    internal static Http2Ruling Closed(Http2StreamEnd end, Http2FrameType type, int streamId, out Http2Error error)
    {
        error = default;
        if (type == Http2FrameType.Priority || !IsStreamFrame(type))
        {
            return Http2Ruling.Fine;
        }

        // These cross our own END_STREAM or RST_STREAM on their way, and do no harm after the peer's either.
        if (type is Http2FrameType.RstStream or Http2FrameType.WindowUpdate || end is Http2StreamEnd.ResetByUs or Http2StreamEnd.None)
        {
            return Http2Ruling.Ignore;
        }

        // The peer had ended its side, by END_STREAM or RST_STREAM, and sent more nevertheless.
        error = end == Http2StreamEnd.ResetByPeer
            ? new(Http2Fault.StreamEnded, Http2ErrorCode.StreamClosed, streamId) : new(Http2Fault.StreamEnded, Http2ErrorCode.StreamClosed);
        return error.IsStreamError ? Http2Ruling.StreamError : Http2Ruling.ConnectionError;
    }

    private static bool IsStreamFrame(Http2FrameType type) => type is Http2FrameType.Data or Http2FrameType.Headers or Http2FrameType.RstStream
        or Http2FrameType.PushPromise or Http2FrameType.WindowUpdate or Http2FrameType.Continuation;

    private void EndRemote(bool endsStream)
    {
        if (endsStream)
        {
            var isOver = Phase == Http2StreamPhase.HalfClosedLocal;
            (Phase, End) = isOver ? (Http2StreamPhase.Closed, Http2StreamEnd.Complete) : (Http2StreamPhase.HalfClosedRemote, End);
        }
    }
}
