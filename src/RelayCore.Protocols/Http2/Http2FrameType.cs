using System.Diagnostics.CodeAnalysis;

namespace RelayCore.Protocols.Http2;

/// <summary>Type of a frame (RFC 9113 §6, §11.2). Other values occur on the wire and are ignored (§5.5).</summary>
public enum Http2FrameType : byte
{
    /// <summary>Octets of a body (§6.1).</summary>
    Data = 0x0,

    /// <summary>Opens a stream, or carries a response head or trailers (§6.2).</summary>
    Headers = 0x1,

    /// <summary>The priorities of RFC 7540 (§6.3); deprecated, checked and ignored.</summary>
    Priority = 0x2,

    /// <summary>Ends a stream at once (§6.4).</summary>
    RstStream = 0x3,

    /// <summary>Parameters of the connection (§6.5).</summary>
    Settings = 0x4,

    /// <summary>Announces a pushed stream (§6.6).</summary>
    PushPromise = 0x5,

    /// <summary>Round-trip measure and liveness (§6.7).</summary>
    Ping = 0x6,

    /// <summary>The connection will end (§6.8).</summary>
    GoAway = 0x7,

    /// <summary>More flow-control window (§6.9).</summary>
    WindowUpdate = 0x8,

    /// <summary>Continues a field block (§6.10).</summary>
    Continuation = 0x9,

    /// <summary>Changes the priority of a request (RFC 9218 §7.1).</summary>
    PriorityUpdate = 0x10,
}

/// <summary>Flags of a frame (RFC 9113 §4.1). Bits mean something by type only; all others are ignored.</summary>
[Flags]
[SuppressMessage("Naming", "CA1711", Justification = "Flags is what the RFC calls the octet.")]
[SuppressMessage("Design", "CA1069", Justification = "The same bit means another thing on another type.")]
public enum Http2FrameFlags : byte
{
    /// <summary>None.</summary>
    None = 0,

    /// <summary>SETTINGS and PING: an answer (§6.5, §6.7).</summary>
    Ack = 0x01,

    /// <summary>DATA and HEADERS: the last frame of the sender on this stream (§6.1, §6.2).</summary>
    EndStream = 0x01,

    /// <summary>HEADERS, PUSH_PROMISE and CONTINUATION: the field block ends here (§6.2, §6.6, §6.10).</summary>
    EndHeaders = 0x04,

    /// <summary>DATA, HEADERS and PUSH_PROMISE: a padding length and padding are there (§6.1).</summary>
    Padded = 0x08,

    /// <summary>HEADERS: the priority of RFC 7540 is there (§6.2).</summary>
    Priority = 0x20,
}

/// <summary>Why a stream or connection was ended (RFC 9113 §7). Unknown values occur and are to be treated as <see cref="InternalError"/>.</summary>
public enum Http2ErrorCode : uint
{
    /// <summary>Nothing wrong: graceful end.</summary>
    NoError = 0x0,

    /// <summary>A rule without a code of its own was broken.</summary>
    ProtocolError = 0x1,

    /// <summary>Something failed at the sender.</summary>
    InternalError = 0x2,

    /// <summary>A window was exceeded or overflowed.</summary>
    FlowControlError = 0x3,

    /// <summary>SETTINGS were not acknowledged in time.</summary>
    SettingsTimeout = 0x4,

    /// <summary>A frame on a stream the peer had ended.</summary>
    StreamClosed = 0x5,

    /// <summary>A frame of a length it may not have.</summary>
    FrameSizeError = 0x6,

    /// <summary>Not processed at all; safe to repeat (§8.7).</summary>
    RefusedStream = 0x7,

    /// <summary>No longer wanted.</summary>
    Cancel = 0x8,

    /// <summary>The state of field compression is lost.</summary>
    CompressionError = 0x9,

    /// <summary>The connection of a CONNECT was reset (§8.5).</summary>
    ConnectError = 0xA,

    /// <summary>The peer costs too much.</summary>
    EnhanceYourCalm = 0xB,

    /// <summary>TLS below the minimum (§9.2).</summary>
    InadequateSecurity = 0xC,

    /// <summary>HTTP/1.1 is needed instead.</summary>
    Http11Required = 0xD,
}
