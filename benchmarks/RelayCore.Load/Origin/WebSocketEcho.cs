using System.Buffers;
using RelayCore.Load.Http;

namespace RelayCore.Load.Origin;

/// <summary>Sends every frame of a WebSocket back, unmasked and otherwise as it came; all that one received buffer holds go out in one send.</summary>
/// <param name="wire">The connection; the caller closes it.</param>
/// <param name="buffer">Where the octets are; frames must fit.</param>
/// <param name="filled">How much of it has been received already.</param>
internal sealed class WebSocketEcho(Wire wire, byte[] buffer, int filled)
{
    private static readonly byte[] s_tooLarge = [0x88, 2, 1009 >> 8, 1009 & 0xFF];
    private static readonly byte[] s_protocolError = [0x88, 2, 1002 >> 8, 1002 & 0xFF];
    private readonly byte[] _output = new byte[buffer.Length];
    private int _outputOctets;

    /// <summary>Returns when the connection is to be closed: after a close frame, or one that cannot be echoed.</summary>
    public async Task RunAsync()
    {
        while (true)
        {
            var used = 0;
            byte[]? refusal = null;
            var isClosing = false;
            while (!isClosing && refusal is null && TryTake(ref used, out refusal, out isClosing))
            {
            }

            if (_outputOctets > 0)
            {
                await wire.SendAsync(_output.AsMemory(0, _outputOctets));
                _outputOctets = 0;
            }

            if (refusal is not null)
            {
                await wire.SendAsync(refusal);
                return;
            }

            if (isClosing)
            {
                return;
            }

            buffer.AsSpan(used, filled - used).CopyTo(buffer);
            filled -= used;
            var received = await wire.ReceiveAsync(buffer.AsMemory(filled));
            if (received == 0)
            {
                return;
            }

            filled += received;
        }
    }

    private bool TryTake(ref int used, out byte[]? refusal, out bool isClosing)
    {
        (refusal, isClosing) = (null, false);
        var status = WebSocketFrame.TryRead(buffer.AsSpan(used, filled - used), out var frame);
        if (status == OperationStatus.NeedMoreData)
        {
            return false;
        }

        refusal = status == OperationStatus.InvalidData || frame.Key is null ? s_protocolError // RFC 6455 §5.1: clients mask
            : frame.PayloadOctets > buffer.Length - WebSocketFrame.MaxHeadOctets ? s_tooLarge
            : null;
        var payloadStart = used + frame.HeadOctets;
        if (refusal is not null || frame.PayloadOctets > filled - payloadStart)
        {
            return false;
        }

        // Without its key a frame is shorter than it came, so that all of them fit.
        var length = (int)frame.PayloadOctets;
        _outputOctets += WebSocketFrame.WriteHead(_output.AsSpan(_outputOctets), frame.Opcode == WebSocketFrame.Ping ? WebSocketFrame.Pong : frame.Opcode, length, key: null);
        if (!frame.IsFinal)
        {
            _output[_outputOctets - HeadOctetsOf(length)] &= 0x7F;
        }

        var payload = _output.AsSpan(_outputOctets, length);
        buffer.AsSpan(payloadStart, length).CopyTo(payload);
        WebSocketFrame.Mask(payload, frame.Key!.Value);
        _outputOctets += length;
        used = payloadStart + length;
        isClosing = frame.Opcode == WebSocketFrame.Close;
        return true;
    }

    private static int HeadOctetsOf(int length) => length < 126 ? 2 : length <= ushort.MaxValue ? 4 : 10;
}
