using System.Buffers;
using System.Diagnostics;
using System.Globalization;
using System.Runtime.CompilerServices;
using System.Security.Cryptography;
using System.Text;
using RelayCore.Load.Http;

namespace RelayCore.Load.Load;

/// <summary>
/// A WebSocket (RFC 6455) opened over HTTP/1.1: sends a masked text message, waits until it comes back, compares, sends the next. Each
/// message carries its number, so that an answer to another one does not pass.
/// </summary>
internal sealed class WebSocketConnection : LoadConnection
{
    public const int SmallestMessageOctets = 16;
    public const int LargestMessageOctets = 16 * 1024;
    private readonly byte[] _message;
    private readonly byte[] _sent;
    private readonly string _key = Convert.ToBase64String(RandomNumberGenerator.GetBytes(16));
    private readonly byte[] _handshake;
    private long _number;
    private int _filled;
    private string _reason = "";

    /// <param name="plan">Where, and how long a message is.</param>
    /// <param name="control">Says how long.</param>
    public WebSocketConnection(LoadPlan plan, LoadControl control)
        : base(plan, control)
    {
        _message = new byte[plan.Options.MessageOctets];
        _message.AsSpan().Fill((byte)'m');
        _sent = new byte[WebSocketFrame.MaxHeadOctets + _message.Length];
        _handshake = Encoding.ASCII.GetBytes(
            $"GET {plan.Options.Url.PathAndQuery} HTTP/1.1\r\nHost: {plan.Authority}\r\nUser-Agent: relaycore-load\r\n"
            + $"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: {_key}\r\nSec-WebSocket-Version: 13\r\n\r\n");
    }

    public override async Task RunAsync()
    {
        while (!Control.IsStopping)
        {
            var isWaiting = false;
            try
            {
                if (await OpenAsync() is { } refused)
                {
                    Fail(refused.Fault, refused.Reason);
                }
                else
                {
                    LoadFault? fault;
                    do
                    {
                        if (!Control.TryTakeRequest())
                        {
                            Close();
                            return;
                        }

                        isWaiting = true;
                        var from = Stopwatch.GetTimestamp();
                        if ((fault = await ExchangeAsync()) is null)
                        {
                            isWaiting = false;
                            CountCompleted(from);
                            CountOctets(_message.Length);
                        }
                    }
                    while (fault is null);
                    Fail(fault.Value, _reason);
                }
            }
            catch (Exception error) when (FaultOf(error) is { } broken)
            {
                Fail(broken.Fault, broken.Reason);
            }

            if (isWaiting)
            {
                Control.ReturnRequest();
            }

            await PauseAfterFaultAsync();
        }
    }

    private async Task<(LoadFault Fault, string Reason)?> OpenAsync()
    {
        if (await ConnectAsync() is { } refused)
        {
            return refused;
        }

        await Wire!.SendAsync(_handshake);
        var (head, filled) = await ReceiveHeadAsync(Wire!, 0);
        if (head.Status != 101)
        {
            return (LoadFault.Status, $"the handshake was answered with {Status}");
        }

        if (filled != head.Octets
            || !MessageHead.TryField(Buffer.AsSpan(0, head.Octets), "sec-websocket-accept:"u8, out var accept)
            || !accept.SequenceEqual(Encoding.ASCII.GetBytes(WebSocketFrame.Accept(_key))))
        {
            return (LoadFault.Malformed, "the answer to the handshake does not fit its key");
        }

        _filled = 0;
        return null;
    }

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    private async ValueTask<LoadFault?> ExchangeAsync()
    {
        await Wire!.SendAsync(_sent.AsMemory(0, WriteMessage()));
        var matched = 0;
        while (true)
        {
            var used = 0;
            while (WebSocketFrame.TryRead(Buffer.AsSpan(used, _filled - used), out var frame) is var status && status != OperationStatus.NeedMoreData)
            {
                var payloadStart = used + frame.HeadOctets;
                if (status == OperationStatus.InvalidData || frame.Key is not null || frame.PayloadOctets > Buffer.Length - WebSocketFrame.MaxHeadOctets)
                {
                    return Refuse(LoadFault.Malformed, $"a frame head that starts with {Buffer[used]:x2} {Buffer[used + 1]:x2}");
                }

                if (frame.PayloadOctets > _filled - payloadStart)
                {
                    break;
                }

                var payload = Buffer.AsMemory(payloadStart, (int)frame.PayloadOctets);
                used = payloadStart + payload.Length;
                if (frame.Opcode == WebSocketFrame.Ping)
                {
                    await SendPongAsync(payload);
                }
                else if (frame.Opcode != (matched == 0 ? WebSocketFrame.Text : 0))
                {
                    return Refuse(LoadFault.Refused, $"a frame with opcode {frame.Opcode}");
                }
                else if (payload.Length > _message.Length - matched || !payload.Span.SequenceEqual(_message.AsSpan(matched, payload.Length)))
                {
                    return Refuse(LoadFault.Echo, $"message {_number} came back as another one");
                }
                else
                {
                    matched += payload.Length;
                    if (frame.IsFinal)
                    {
                        Keep(used);
                        return matched == _message.Length ? null : Refuse(LoadFault.Echo, $"message {_number} came back with {matched} octets");
                    }
                }
            }

            Keep(used);
            var received = await Wire!.ReceiveAsync(Buffer.AsMemory(_filled));
            _filled += received > 0 ? received : throw new EndOfStreamException("the connection ended where a message was expected");
        }
    }

    private LoadFault Refuse(LoadFault fault, string reason)
    {
        _reason = reason;
        return fault;
    }

    private void Keep(int used)
    {
        Buffer.AsSpan(used, _filled - used).CopyTo(Buffer);
        _filled -= used;
    }

    /// <returns>Octets of the frame in <c>_sent</c>.</returns>
    private int WriteMessage()
    {
        ++_number;
        _ = _number.TryFormat(_message, out _, "x16", CultureInfo.InvariantCulture);

        // A key of its own for each frame (RFC 6455 §5.3); against nobody here, so it need not be unpredictable.
        var key = (uint)_number * 2_654_435_761;
        var at = WebSocketFrame.WriteHead(_sent, WebSocketFrame.Text, _message.Length, key);
        _message.CopyTo(_sent.AsSpan(at));
        WebSocketFrame.Mask(_sent.AsSpan(at, _message.Length), key);
        return at + _message.Length;
    }

    private ValueTask SendPongAsync(ReadOnlyMemory<byte> payload)
    {
        var pong = new byte[WebSocketFrame.MaxHeadOctets + payload.Length];
        var at = WebSocketFrame.WriteHead(pong, WebSocketFrame.Pong, payload.Length, (uint)_number);
        payload.Span.CopyTo(pong.AsSpan(at));
        WebSocketFrame.Mask(pong.AsSpan(at, payload.Length), (uint)_number);
        return Wire!.SendAsync(pong.AsMemory(0, at + payload.Length));
    }
}
