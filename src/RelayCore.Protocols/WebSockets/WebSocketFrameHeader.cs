using System.Buffers;
using System.Buffers.Binary;

namespace RelayCore.Protocols.WebSockets;

/// <summary>What frames of one sender may have.</summary>
/// <param name="Sender">Who sent them: clients mask every frame, servers none (RFC 6455 §5.1).</param>
/// <param name="AllowsCompression">Whether permessage-deflate was agreed, which defines RSV1.</param>
/// <param name="AllowsAnything">Whether an extension we do not know was agreed: it may define any reserved bit and opcode.</param>
public readonly record struct WebSocketFrameRules(PeerRole Sender, bool AllowsCompression = false, bool AllowsAnything = false);

/// <summary>The header of one frame (RFC 6455 §5.2).</summary>
/// <param name="Opcode">Frame type.</param>
/// <param name="IsFinal">Whether it is the last frame of a message.</param>
/// <param name="Reserved">The reserved bits in their place: 0x40 is RSV1.</param>
/// <param name="PayloadLength">Octets that follow; not negative.</param>
/// <param name="MaskingKey">XOR key in wire order, first octet in the highest bits; <see langword="null"/> when not masked.</param>
public readonly record struct WebSocketFrameHeader(WebSocketOpcode Opcode, bool IsFinal, int Reserved, long PayloadLength, uint? MaskingKey)
{
    /// <summary>Longest header: two octets fixed, eight of length, four of key.</summary>
    public const int MaxOctets = 14;

    /// <summary>Longest payload of a control frame (RFC 6455 §5.5).</summary>
    public const int MaxControlPayload = 125;

    /// <summary>RSV1: the message is compressed (RFC 7692 §6).</summary>
    public const int Compressed = 0x40;

    /// <summary>Whether it is a control frame, which may stand within a fragmented message.</summary>
    public bool IsControl => Opcode >= WebSocketOpcode.Close;

    /// <summary>Octets of the header on the wire.</summary>
    public int Octets => 2 + (PayloadLength > ushort.MaxValue ? 8 : PayloadLength > MaxControlPayload ? 2 : 0) + (MaskingKey is null ? 0 : 4);

    /// <summary>Decodes a header from the start of <paramref name="source"/>.</summary>
    /// <param name="source">Octets since the last frame; at most <see cref="MaxOctets"/> are looked at.</param>
    /// <param name="rules">What the sender may do.</param>
    /// <param name="header">The header, when the result is <see cref="OperationStatus.Done"/>.</param>
    /// <param name="consumed">Octets of the header; 0 for any other result.</param>
    /// <param name="fault">The rule broken, when the result is <see cref="OperationStatus.InvalidData"/>.</param>
    /// <returns>
    /// <see cref="OperationStatus.Done"/>; <see cref="OperationStatus.NeedMoreData"/> to be called again with more; or
    /// <see cref="OperationStatus.InvalidData"/>, after which the connection cannot go on. What two octets prove wrong is refused before more is waited for.
    /// </returns>
    public static OperationStatus TryRead(
        ReadOnlySpan<byte> source, in WebSocketFrameRules rules, out WebSocketFrameHeader header, out int consumed, out WebSocketFault fault)
    {
        (header, consumed, fault) = (default, 0, WebSocketFault.None);
        if (source.Length < 2)
        {
            return OperationStatus.NeedMoreData;
        }

        var (first, second) = (source[0], source[1]);
        var (opcode, reserved, isFinal) = ((WebSocketOpcode)(first & 0x0F), first & 0x70, (first & 0x80) != 0);
        var (isMasked, shortLength) = ((second & 0x80) != 0, second & 0x7F);
        fault = Check(rules, opcode, reserved, isFinal, isMasked, shortLength);
        if (fault != WebSocketFault.None)
        {
            return OperationStatus.InvalidData;
        }

        var lengthOctets = shortLength switch { 126 => 2, 127 => 8, _ => 0 };
        var octets = 2 + lengthOctets + (isMasked ? 4 : 0);
        if (source.Length < octets)
        {
            return OperationStatus.NeedMoreData;
        }

        var (length, shortest) = lengthOctets switch
        {
            2 => (BinaryPrimitives.ReadUInt16BigEndian(source[2..]), 126UL),
            8 => (BinaryPrimitives.ReadUInt64BigEndian(source[2..]), 65536UL),
            _ => ((ulong)shortLength, 0UL),
        };
        if (length < shortest || length > long.MaxValue)
        {
            fault = WebSocketFault.BadLength;
            return OperationStatus.InvalidData;
        }

        uint? key = isMasked ? BinaryPrimitives.ReadUInt32BigEndian(source[(2 + lengthOctets)..]) : null;
        (header, consumed) = (new(opcode, isFinal, reserved, (long)length, key), octets);
        return OperationStatus.Done;
    }

    /// <summary>Encodes the header in its shortest form.</summary>
    /// <param name="destination">At least <see cref="Octets"/>.</param>
    /// <returns>Octets written.</returns>
    public int Write(Span<byte> destination)
    {
        destination[0] = (byte)((IsFinal ? 0x80 : 0) | Reserved | (int)Opcode);
        var mask = MaskingKey is null ? 0 : 0x80;
        int written;
        if (PayloadLength <= MaxControlPayload)
        {
            destination[1] = (byte)(mask | (int)PayloadLength);
            written = 2;
        }
        else if (PayloadLength <= ushort.MaxValue)
        {
            destination[1] = (byte)(mask | 126);
            BinaryPrimitives.WriteUInt16BigEndian(destination[2..], (ushort)PayloadLength);
            written = 4;
        }
        else
        {
            destination[1] = (byte)(mask | 127);
            BinaryPrimitives.WriteUInt64BigEndian(destination[2..], (ulong)PayloadLength);
            written = 10;
        }

        if (MaskingKey is { } key)
        {
            BinaryPrimitives.WriteUInt32BigEndian(destination[written..], key);
            written += 4;
        }

        return written;
    }

    private static WebSocketFault Check(in WebSocketFrameRules rules, WebSocketOpcode opcode, int reserved, bool isFinal, bool isMasked, int shortLength)
    {
        var isControl = opcode >= WebSocketOpcode.Close;
        if (!rules.AllowsAnything)
        {
            if ((reserved & ~(rules.AllowsCompression ? Compressed : 0)) != 0)
            {
                return WebSocketFault.ReservedBitSet;
            }

            if (opcode is not (<= WebSocketOpcode.Binary or (>= WebSocketOpcode.Close and <= WebSocketOpcode.Pong)))
            {
                return WebSocketFault.UnknownOpcode;
            }

            if (reserved != 0 && opcode is not (WebSocketOpcode.Text or WebSocketOpcode.Binary))
            {
                return WebSocketFault.MisplacedCompression;
            }
        }

        return isMasked != (rules.Sender == PeerRole.Client) ? WebSocketFault.WrongMasking
            : isControl && (!isFinal || shortLength > MaxControlPayload) ? WebSocketFault.BadControlFrame
            : WebSocketFault.None;
    }
}
