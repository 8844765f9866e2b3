namespace RelayCore.Protocols.WebSockets;

/// <summary>Which rule a peer broke; the number is the last part of the fault code <c>RC-WS-1nn</c>.</summary>
public enum WebSocketFault
{
    /// <summary>None.</summary>
    None = 0,

    /// <summary>A reserved bit is set that no agreed extension defines (RFC 6455 §5.2).</summary>
    ReservedBitSet = 1,

    /// <summary>An opcode nobody defined (RFC 6455 §5.2).</summary>
    UnknownOpcode = 2,

    /// <summary>An unmasked frame of a client, or a masked one of a server (RFC 6455 §5.1).</summary>
    WrongMasking = 3,

    /// <summary>A control frame that is fragmented or longer than 125 octets (RFC 6455 §5.5).</summary>
    BadControlFrame = 4,

    /// <summary>A length in a longer form than needed, or above 2^63-1 (RFC 6455 §5.2).</summary>
    BadLength = 5,

    /// <summary>A continuation without a message that was begun (RFC 6455 §5.4).</summary>
    UnexpectedContinuation = 6,

    /// <summary>A new message within a fragmented one (RFC 6455 §5.4).</summary>
    MessageInMessage = 7,

    /// <summary>Text that is not UTF-8 (RFC 6455 §8.1).</summary>
    InvalidUtf8 = 8,

    /// <summary>A close frame with a single octet, or with a code that may not be sent (RFC 6455 §7.4).</summary>
    BadCloseCode = 9,

    /// <summary>A close reason that is not UTF-8 (RFC 6455 §5.5.1).</summary>
    BadCloseReason = 10,

    /// <summary>Compressed octets that are not DEFLATE (RFC 7692 §7.2.2).</summary>
    BadCompression = 11,

    /// <summary>RSV1 on a control frame or a continuation (RFC 7692 §6.1).</summary>
    MisplacedCompression = 12,
}

/// <summary>What follows from a broken rule.</summary>
public static class WebSocketFaults
{
    /// <summary>The status code that tells the peer (RFC 6455 §7.4.1).</summary>
    public static int CloseCode(this WebSocketFault fault) => fault switch
    {
        WebSocketFault.InvalidUtf8 or WebSocketFault.BadCloseReason or WebSocketFault.BadCompression => WebSocketClose.InvalidData,
        _ => WebSocketClose.ProtocolError,
    };
}
