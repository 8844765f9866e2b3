namespace RelayCore.Protocols.WebSockets;

/// <summary>Frame types (RFC 6455 §11.8). Values from 8 up are control frames.</summary>
public enum WebSocketOpcode : byte
{
    /// <summary>A further frame of a fragmented message.</summary>
    Continuation = 0,

    /// <summary>Text: UTF-8.</summary>
    Text = 1,

    /// <summary>Any octets.</summary>
    Binary = 2,

    /// <summary>The sender will send no more (§5.5.1).</summary>
    Close = 8,

    /// <summary>Asks for a pong (§5.5.2).</summary>
    Ping = 9,

    /// <summary>Answers a ping, or comes unasked (§5.5.3).</summary>
    Pong = 10,
}
