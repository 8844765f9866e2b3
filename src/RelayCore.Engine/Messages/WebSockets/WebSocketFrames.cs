using System.Security.Cryptography;
using RelayCore.Core.Interception;
using RelayCore.Protocols;
using RelayCore.Protocols.WebSockets;

namespace RelayCore.Engine.Messages.WebSockets;

/// <summary>Frames made by the proxy.</summary>
internal static class WebSocketFrames
{
    /// <summary>Appends one frame; masked with a fresh key when a server gets it (RFC 6455 §5.3).</summary>
    /// <param name="buffer">Gets it.</param>
    /// <param name="receiver">Who gets it.</param>
    /// <param name="opcode">Its type.</param>
    /// <param name="isFinal">Whether the message ends with it.</param>
    /// <param name="isCompressed">Whether RSV1 is set.</param>
    /// <param name="payload">Its payload.</param>
    public static void Append(
        ref OctetBuffer buffer, PeerRole receiver, WebSocketOpcode opcode, bool isFinal, bool isCompressed, ReadOnlySpan<byte> payload)
    {
        uint? key = receiver == PeerRole.Server ? NewKey() : null;
        var header = new WebSocketFrameHeader(opcode, isFinal, isCompressed ? WebSocketFrameHeader.Compressed : 0, payload.Length, key);
        var room = buffer.Room(header.Octets + payload.Length);
        var start = header.Write(room);
        payload.CopyTo(room[start..]);
        WebSocketMask.Apply(room.Slice(start, payload.Length), key ?? 0, 0);
        buffer.Advance(start + payload.Length);
    }

    /// <summary>One frame on its own.</summary>
    public static byte[] Make(PeerRole receiver, WebSocketOpcode opcode, ReadOnlySpan<byte> payload)
    {
        var buffer = default(OctetBuffer);
        Append(ref buffer, receiver, opcode, isFinal: true, isCompressed: false, payload);
        var frame = buffer.Span.ToArray();
        buffer.Release();
        return frame;
    }

    /// <summary>A close frame.</summary>
    public static byte[] MakeClose(PeerRole receiver, int code, string reason)
    {
        Span<byte> payload = stackalloc byte[WebSocketFrameHeader.MaxControlPayload];
        return Make(receiver, WebSocketOpcode.Close, payload[..WebSocketClose.Write(code, reason, payload)]);
    }

    /// <summary>The opcode of a message; <see langword="null"/> for what a WebSocket does not carry.</summary>
    public static WebSocketOpcode? OpcodeOf(MessageType type) => type switch
    {
        MessageType.Text => WebSocketOpcode.Text,
        MessageType.Binary => WebSocketOpcode.Binary,
        MessageType.Ping => WebSocketOpcode.Ping,
        MessageType.Pong => WebSocketOpcode.Pong,
        MessageType.Close => WebSocketOpcode.Close,
        _ => null,
    };

    /// <summary>The message type of an opcode; what only an extension knows counts as binary.</summary>
    public static MessageType TypeOf(WebSocketOpcode opcode) => opcode switch
    {
        WebSocketOpcode.Text => MessageType.Text,
        WebSocketOpcode.Ping => MessageType.Ping,
        WebSocketOpcode.Pong => MessageType.Pong,
        WebSocketOpcode.Close => MessageType.Close,
        _ => MessageType.Binary,
    };

    // Unpredictable, so that no script in a page can choose what stands on the wire (§10.3). Zero would mask nothing.
    private static uint NewKey()
    {
        Span<byte> octets = stackalloc byte[4];
        uint key;
        do
        {
            RandomNumberGenerator.Fill(octets);
            key = BitConverter.ToUInt32(octets);
        }
        while (key == 0);
        return key;
    }
}
