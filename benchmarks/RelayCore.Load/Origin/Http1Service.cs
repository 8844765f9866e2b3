using System.Buffers;
using System.Text;
using RelayCore.Load.Http;

namespace RelayCore.Load.Origin;

/// <summary>
/// Serves one connection: reads each request with its body, which is thrown away, and answers 200 with what <see cref="OriginContent"/>
/// says. A request with a Sec-WebSocket-Key turns the connection into a WebSocket that echoes.
/// </summary>
/// <param name="wire">The connection; the caller closes it.</param>
/// <param name="buffer">Where the octets are; heads must fit.</param>
/// <param name="filled">How much of it has been received already.</param>
internal sealed class Http1Service(Wire wire, byte[] buffer, int filled)
{
    private static readonly byte[] s_refusal = [.. "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"u8];
    private byte[] _small = [];
    private long _smallLength = -1;

    /// <summary>Returns when the connection is to be closed.</summary>
    public async Task RunAsync()
    {
        while (true)
        {
            MessageHead head;
            OperationStatus status;
            while ((status = MessageHead.TryRead(buffer.AsSpan(0, filled), out head)) == OperationStatus.NeedMoreData && filled < buffer.Length)
            {
                var received = await wire.ReceiveAsync(buffer.AsMemory(filled));
                if (received == 0)
                {
                    return;
                }

                filled += received;
            }

            if (status != OperationStatus.Done)
            {
                await wire.SendAsync(s_refusal);
                return;
            }

            var length = OriginContent.LengthOf(MessageHead.Target(buffer.AsSpan(0, head.Octets)));
            var answer = Upgrade(buffer.AsSpan(0, head.Octets));
            var body = BodyCounter.For(head, isRequest: true);
            var position = head.Octets;
            while (true)
            {
                position += body.Consume(buffer.AsSpan(position, filled - position));
                if (body.IsComplete || body.IsBroken)
                {
                    break;
                }

                (position, filled) = (0, await wire.ReceiveAsync(buffer));
                if (filled == 0)
                {
                    return;
                }
            }

            buffer.AsSpan(position, filled - position).CopyTo(buffer);
            filled -= position;
            if (body.IsBroken)
            {
                await wire.SendAsync(s_refusal);
                return;
            }

            if (answer is not null)
            {
                await wire.SendAsync(answer);
                await new WebSocketEcho(wire, buffer, filled).RunAsync();
                return;
            }

            await AnswerAsync(length);
            if (head.IsClose)
            {
                return;
            }
        }
    }

    private static byte[]? Upgrade(ReadOnlySpan<byte> head) => MessageHead.TryField(head, "sec-websocket-key:"u8, out var key)
        ? Encoding.ASCII.GetBytes(
            "HTTP/1.1 101 Switching Protocols\r\nServer: relaycore-load\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            + $"Sec-WebSocket-Accept: {WebSocketFrame.Accept(Encoding.ASCII.GetString(key))}\r\n\r\n")
        : null;

    private async ValueTask AnswerAsync(long length)
    {
        if (length != _smallLength)
        {
            // The head and what fits behind it go out in one send, and are kept for the next request of the same length.
            var head = Encoding.ASCII.GetBytes(
                $"HTTP/1.1 200 OK\r\nServer: relaycore-load\r\nContent-Type: application/octet-stream\r\nContent-Length: {length}\r\n\r\n");
            _small = [.. head, .. OriginContent.Piece.AsSpan(0, (int)Math.Min(length, OriginContent.PieceOctets))];
            _smallLength = length;
        }

        await wire.SendAsync(_small);
        for (var left = length - OriginContent.PieceOctets; left > 0; left -= OriginContent.PieceOctets)
        {
            await wire.SendAsync(OriginContent.Piece.AsMemory(0, (int)Math.Min(left, OriginContent.PieceOctets)));
        }
    }
}
