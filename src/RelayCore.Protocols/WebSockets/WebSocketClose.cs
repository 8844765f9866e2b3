using System.Buffers.Binary;
using System.Text;
using System.Text.Unicode;

namespace RelayCore.Protocols.WebSockets;

/// <summary>Close frames and their status codes (RFC 6455 §5.5.1, §7.4).</summary>
public static class WebSocketClose
{
    /// <summary>The purpose is fulfilled.</summary>
    public const int Normal = 1000;

    /// <summary>An endpoint goes away.</summary>
    public const int GoingAway = 1001;

    /// <summary>A protocol error.</summary>
    public const int ProtocolError = 1002;

    /// <summary>A close frame without code; never on the wire.</summary>
    public const int NoStatus = 1005;

    /// <summary>The connection ended without a close frame; never on the wire.</summary>
    public const int Abnormal = 1006;

    /// <summary>Content that is not what its type says.</summary>
    public const int InvalidData = 1007;

    /// <summary>A policy forbids it.</summary>
    public const int PolicyViolation = 1008;

    /// <summary>A message is too large to be processed.</summary>
    public const int TooBig = 1009;

    /// <summary>Longest reason, in octets of UTF-8.</summary>
    public const int MaxReason = WebSocketFrameHeader.MaxControlPayload - 2;

    /// <summary>Whether a code may stand in a close frame: those of §7.4.1 and the registry, and 3000 to 4999.</summary>
    public static bool MayBeSent(int code) => code is (>= 1000 and <= 1003) or (>= 1007 and <= 1014) or (>= 3000 and <= 4999);

    /// <summary>Reads the payload of a close frame.</summary>
    /// <param name="payload">Unmasked; at most 125 octets.</param>
    /// <param name="code">The code; <see cref="NoStatus"/> for an empty payload.</param>
    /// <param name="reason">The reason, UTF-8.</param>
    /// <returns>The rule broken.</returns>
    public static WebSocketFault Read(ReadOnlySpan<byte> payload, out int code, out ReadOnlySpan<byte> reason)
    {
        code = NoStatus;
        reason = default;
        if (payload.IsEmpty)
        {
            return WebSocketFault.None;
        }

        if (payload.Length < 2)
        {
            return WebSocketFault.BadCloseCode;
        }

        code = BinaryPrimitives.ReadUInt16BigEndian(payload);
        reason = payload[2..];
        return !MayBeSent(code) ? WebSocketFault.BadCloseCode : Utf8.IsValid(reason) ? WebSocketFault.None : WebSocketFault.BadCloseReason;
    }

    /// <summary>Writes the payload of a close frame; a reason too long is cut between characters.</summary>
    /// <param name="code">The code; <see cref="NoStatus"/> writes nothing.</param>
    /// <param name="reason">The reason.</param>
    /// <param name="destination">At least 125 octets.</param>
    /// <returns>Octets written.</returns>
    public static int Write(int code, string reason, Span<byte> destination)
    {
        if (code == NoStatus)
        {
            return 0;
        }

        BinaryPrimitives.WriteUInt16BigEndian(destination, (ushort)code);
        Utf8.FromUtf16(reason, destination.Slice(2, MaxReason), out _, out var written);
        return 2 + written;
    }

    /// <summary>The reason as text.</summary>
    public static string ReasonText(ReadOnlySpan<byte> reason) => Encoding.UTF8.GetString(reason);
}
