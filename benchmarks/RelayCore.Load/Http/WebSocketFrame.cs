using System.Buffers;
using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;

namespace RelayCore.Load.Http;

/// <summary>One frame's head; RFC 6455 §5.2.</summary>
/// <param name="Opcode">1 text, 2 binary, 0 continuation, 8 close, 9 ping, 10 pong.</param>
/// <param name="IsFinal">Last frame of its message.</param>
/// <param name="PayloadOctets">Length of the payload that follows.</param>
/// <param name="Key">Masking key in wire order; <see langword="null"/> when unmasked.</param>
/// <param name="HeadOctets">Length of this head, 2 to 14.</param>
internal readonly record struct WebSocketFrame(int Opcode, bool IsFinal, long PayloadOctets, uint? Key, int HeadOctets)
{
    public const int Text = 1;
    public const int Close = 8;
    public const int Ping = 9;
    public const int Pong = 10;
    public const int MaxHeadOctets = 14;

    /// <returns><see cref="OperationStatus.InvalidData"/> for reserved bits, which nobody negotiated.</returns>
    public static OperationStatus TryRead(ReadOnlySpan<byte> source, out WebSocketFrame frame)
    {
        frame = default;
        if (source.Length < 2)
        {
            return OperationStatus.NeedMoreData;
        }

        var (isMasked, length) = ((source[1] & 0x80) != 0, (long)(source[1] & 0x7F));
        var lengthOctets = length switch { 126 => 2, 127 => 8, _ => 0 };
        var headOctets = 2 + lengthOctets + (isMasked ? 4 : 0);
        if ((source[0] & 0x70) != 0)
        {
            return OperationStatus.InvalidData;
        }

        if (source.Length < headOctets)
        {
            return OperationStatus.NeedMoreData;
        }

        length = lengthOctets switch
        {
            2 => BinaryPrimitives.ReadUInt16BigEndian(source[2..]),
            8 => BinaryPrimitives.ReadInt64BigEndian(source[2..]),
            _ => length,
        };
        uint? key = isMasked ? BinaryPrimitives.ReadUInt32LittleEndian(source[(2 + lengthOctets)..]) : null;
        frame = new(source[0] & 0x0F, (source[0] & 0x80) != 0, length, key, headOctets);
        return length < 0 ? OperationStatus.InvalidData : OperationStatus.Done;
    }

    /// <summary>Writes the head of an unfragmented frame.</summary>
    /// <returns>Octets written.</returns>
    public static int WriteHead(Span<byte> destination, int opcode, int payloadOctets, uint? key)
    {
        destination[0] = (byte)(0x80 | opcode);
        var mask = key is null ? 0 : 0x80;
        var at = 2;
        if (payloadOctets < 126)
        {
            destination[1] = (byte)(mask | payloadOctets);
        }
        else if (payloadOctets <= ushort.MaxValue)
        {
            destination[1] = (byte)(mask | 126);
            BinaryPrimitives.WriteUInt16BigEndian(destination[2..], (ushort)payloadOctets);
            at = 4;
        }
        else
        {
            destination[1] = (byte)(mask | 127);
            BinaryPrimitives.WriteInt64BigEndian(destination[2..], payloadOctets);
            at = 10;
        }

        if (key is { } value)
        {
            BinaryPrimitives.WriteUInt32LittleEndian(destination[at..], value);
            at += 4;
        }

        return at;
    }

    /// <summary>Masks or unmasks in place; RFC 6455 §5.3.</summary>
    /// <param name="payload">The payload from its first octet.</param>
    /// <param name="key">The key, in the order <see cref="Key"/> has.</param>
    public static void Mask(Span<byte> payload, uint key)
    {
        var wide = key | ((ulong)key << 32);
        while (payload.Length >= 8)
        {
            BinaryPrimitives.WriteUInt64LittleEndian(payload, BinaryPrimitives.ReadUInt64LittleEndian(payload) ^ wide);
            payload = payload[8..];
        }

        for (var i = 0; i < payload.Length; i++)
        {
            payload[i] ^= (byte)(key >> (8 * (i & 3)));
        }
    }

    /// <summary>The value of Sec-WebSocket-Accept for a Sec-WebSocket-Key; RFC 6455 §4.2.2.</summary>
    public static string Accept(string key)
    {
#pragma warning disable CA5350 // The protocol's own choice; it protects nothing.
        return Convert.ToBase64String(SHA1.HashData(Encoding.ASCII.GetBytes(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11")));
#pragma warning restore CA5350
    }
}
