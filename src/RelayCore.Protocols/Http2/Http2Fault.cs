namespace RelayCore.Protocols.Http2;

/// <summary>A rule of the HTTP/2 frame layer that a peer broke, or a limit it ran into. Clauses are of RFC 9113 where no other is named.</summary>
public enum Http2Fault : byte
{
    /// <summary>None.</summary>
    None,

    /// <summary>The connection does not begin with the client preface (§3.4).</summary>
    BadPreface,

    /// <summary>The first frame of the peer is not SETTINGS, or it is an acknowledgment (§3.4).</summary>
    FirstFrameNotSettings,

    /// <summary>A frame longer than SETTINGS_MAX_FRAME_SIZE (§4.2).</summary>
    FrameTooLarge,

    /// <summary>A length the type does not allow (§4.2, §6.3–6.5, §6.7–6.9).</summary>
    WrongLength,

    /// <summary>A frame of a stream on stream 0 (§6.1–6.4, §6.6, §6.10).</summary>
    StreamIdMissing,

    /// <summary>A frame of the connection on a stream (§6.5, §6.7, §6.8, RFC 9218 §7.1).</summary>
    StreamIdNotAllowed,

    /// <summary>The padding is as long as the payload or longer (§6.1, §6.2, §6.6).</summary>
    PaddingTooLong,

    /// <summary>A stream that depends on itself (RFC 7540 §5.3.1).</summary>
    SelfDependency,

    /// <summary>SETTINGS with ACK and a payload (§6.5).</summary>
    SettingsAckWithPayload,

    /// <summary>SETTINGS_ENABLE_PUSH other than 0 and 1, or 1 from a server (§6.5.2).</summary>
    InvalidEnablePush,

    /// <summary>SETTINGS_INITIAL_WINDOW_SIZE above 2^31-1 (§6.5.2).</summary>
    InvalidInitialWindowSize,

    /// <summary>SETTINGS_MAX_FRAME_SIZE below 2^14 or above 2^24-1 (§6.5.2).</summary>
    InvalidMaxFrameSize,

    /// <summary>SETTINGS_ENABLE_CONNECT_PROTOCOL other than 0 and 1, or taken back (RFC 8441 §3).</summary>
    InvalidEnableConnectProtocol,

    /// <summary>SETTINGS_NO_RFC7540_PRIORITIES other than 0 and 1, or changed after the first SETTINGS (RFC 9218 §2.1).</summary>
    InvalidNoRfc7540Priorities,

    /// <summary>SETTINGS with ACK that answers nothing we sent (§6.5.3).</summary>
    UnexpectedSettingsAck,

    /// <summary>A promised stream that is 0, odd, or not above the last one (§5.1.1, §6.6).</summary>
    InvalidPromisedStreamId,

    /// <summary>PUSH_PROMISE from a client, after push was turned off, or on a stream that cannot have one (§6.6, §8.4).</summary>
    PushNotAllowed,

    /// <summary>WINDOW_UPDATE of 0 (§6.9).</summary>
    ZeroIncrement,

    /// <summary>A window above 2^31-1 (§6.9.1, §6.9.2).</summary>
    WindowOverflow,

    /// <summary>More flow-controlled octets than the window (§6.9.1).</summary>
    WindowExceeded,

    /// <summary>CONTINUATION without an open field block (§6.10).</summary>
    UnexpectedContinuation,

    /// <summary>Something else than its CONTINUATION within a field block (§4.3, §5.5, §6.10).</summary>
    FieldBlockInterrupted,

    /// <summary>PRIORITY_UPDATE for stream 0 or an idle stream that is ours to promise, or from a server (RFC 9218 §7.1).</summary>
    InvalidPriorityUpdate,

    /// <summary>A frame that an idle or reserved stream cannot have (§5.1).</summary>
    StreamNotOpen,

    /// <summary>A frame after END_STREAM or RST_STREAM of the peer (§5.1).</summary>
    StreamEnded,

    /// <summary>A new stream whose identifier is of the wrong parity (§5.1.1).</summary>
    WrongStreamParity,

    /// <summary>A new stream whose identifier is not above all before (§5.1.1).</summary>
    StreamIdReused,

    /// <summary>More CONTINUATION frames in a field block than the limit (§10.5).</summary>
    TooManyContinuations,

    /// <summary>A field block larger than the limit (§10.5.1).</summary>
    FieldBlockTooLarge,

    /// <summary>More parameters in SETTINGS than the limit (§10.5).</summary>
    TooManySettings,

    /// <summary>Streams reset by the peer, more than the limit over time (§10.5, CVE-2019-9514).</summary>
    ResetFlood,

    /// <summary>Streams opened and reset at once by the peer, more than the limit over time (§10.5, CVE-2023-44487).</summary>
    RapidReset,

    /// <summary>Streams we had to reset for what the peer did, more than the limit over time (§10.5, CVE-2025-8671).</summary>
    ProvokedResets,

    /// <summary>SETTINGS, more than the limit over time (§10.5, CVE-2019-9515).</summary>
    SettingsFlood,

    /// <summary>PING, more than the limit over time (§10.5, CVE-2019-9512).</summary>
    PingFlood,

    /// <summary>DATA without content or end, more than the limit over time (§10.5, CVE-2019-9518).</summary>
    EmptyDataFlood,

    /// <summary>Pieces of field blocks without content or end, more than the limit over time (§10.5, CVE-2019-9518).</summary>
    EmptyFieldBlockFlood,

    /// <summary>PRIORITY or PRIORITY_UPDATE, more than the limit over time (§10.5, CVE-2019-9513).</summary>
    PriorityFlood,

    /// <summary>WINDOW_UPDATE of a few octets, more than the limit over time (§10.5, CVE-2019-9511).</summary>
    WindowUpdateFlood,

    /// <summary>Frames of unknown types, more than the limit over time (§10.5).</summary>
    UnknownFrameFlood,

    /// <summary>A field block that cannot be decoded, so that the table is lost (§4.3).</summary>
    CompressionLost,

    /// <summary>Our SETTINGS were not acknowledged in time (§6.5.3).</summary>
    SettingsUnacknowledged,

    /// <summary>Answers to the peer pile up, because it causes them and does not read them (§10.5).</summary>
    AnswersUnread,
}

/// <summary>Which rule was broken, and how the peer is told.</summary>
/// <param name="Fault">The rule, or <see cref="Http2Fault.None"/>.</param>
/// <param name="Code">What RST_STREAM or GOAWAY carries.</param>
/// <param name="StreamId">The stream to reset (RFC 9113 §5.4.2), or 0 when the connection cannot continue (§5.4.1).</param>
public readonly record struct Http2Error(Http2Fault Fault, Http2ErrorCode Code, int StreamId = 0)
{
    /// <summary>Whether a rule was broken.</summary>
    public bool IsError => Fault != Http2Fault.None;

    /// <summary>Whether the connection has to end: GOAWAY with <see cref="Code"/>, then close (§5.4.1).</summary>
    public bool IsConnectionError => Fault != Http2Fault.None && StreamId == 0;

    /// <summary>Whether one stream has to end: RST_STREAM with <see cref="Code"/> on <see cref="StreamId"/> (§5.4.2).</summary>
    public bool IsStreamError => Fault != Http2Fault.None && StreamId != 0;

    /// <summary>A limit was reached: the connection ends with ENHANCE_YOUR_CALM.</summary>
    public static Http2Error Calm(Http2Fault fault) => new(fault, Http2ErrorCode.EnhanceYourCalm);

    /// <summary>The connection ends with PROTOCOL_ERROR.</summary>
    public static Http2Error Protocol(Http2Fault fault) => new(fault, Http2ErrorCode.ProtocolError);
}
