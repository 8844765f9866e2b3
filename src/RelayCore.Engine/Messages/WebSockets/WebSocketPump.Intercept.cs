using System.Runtime.CompilerServices;
using RelayCore.Core.Faults;
using RelayCore.Core.Flows;
using RelayCore.Core.Interception;
using RelayCore.Engine.Capture;
using RelayCore.Engine.Pipeline;
using RelayCore.Protocols.WebSockets;

namespace RelayCore.Engine.Messages.WebSockets;

/// <summary>The part that holds messages until they are whole, shows them, and sends them as they came or encoded anew.</summary>
internal sealed partial class WebSocketPump
{
    private const int BatchOctets = 64 * 1024;
    private const int DirectOctets = 16 * 1024;
    private const int SliceOctets = 4096;

    private readonly Message _message = new();
    private readonly int _maxHeld;
    private OctetBuffer _held; // frames of the message under way, as received
    private OctetBuffer _batch; // what leaves with the next send
    private OctetBuffer _kept; // for the record, of a message too large to be held
    private Streaming _streaming;
    private DeflateParameters? _receiverDeflate;
    private bool _mustRecompress;
    private bool _mayDiverge;
    private long _behind;

    /// <summary>How a message that is too large to be held goes on.</summary>
    private enum Streaming : byte
    {
        /// <summary>It is held.</summary>
        No,

        /// <summary>As received.</summary>
        Raw,

        /// <summary>Decoded, because the receiver could not decode it; its first frame is still to be sent.</summary>
        DecodedStart,

        /// <summary>Decoded, as continuations.</summary>
        Decoded,
    }

    /// <summary>
    /// What a compressed message refers to may be any earlier one (RFC 7692 §7.2.3.2). When the receiver did not get them as the sender sent
    /// them, later ones are compressed anew until it has seen a whole window of the same content again; then its window is the sender's.
    /// </summary>
    private void PlanCompression(WebSocketExtensions receiver)
    {
        _receiverDeflate = receiver.HasUnknown ? null : receiver.Deflate;
        _mustRecompress = _deflate is { } own && (_receiverDeflate is not { } other || !own.IsReadableUnder(other, _sender));
        _mayDiverge = _deflate is { } parameters && !parameters.NoContextTakeover(_sender);
    }

    private bool MayGoAsReceived => !_reader.IsMessageCompressed || (!_mustRecompress && _behind == 0);

    private void Diverged()
    {
        if (_mayDiverge && _reader.IsMessageCompressed)
        {
            _behind = 1L << _deflate!.Value.WindowBits(_sender);
        }
    }

    /// <summary>Handles everything received. The output belongs to the pump meanwhile, except while an interceptor makes it wait.</summary>
    private async ValueTask InterceptAsync()
    {
        await _output.AcquireAsync().ConfigureAwait(false);
        while (!_isClosing && _limitFault is null && !_session.IsShut)
        {
            var step = _reader.Read(_input.Span);
            if (step.Status != WebSocketStatus.Frame)
            {
                _fault = step.Fault;
                break;
            }

            if (_reader.Header.IsControl)
            {
                await ControlAsync(step).ConfigureAwait(false);
            }
            else
            {
                await DataAsync(step).ConfigureAwait(false);
            }

            if (_fault != WebSocketFault.None)
            {
                break;
            }

            _input.Consume(step.Consumed);
        }

        await FlushAsync().ConfigureAwait(false);
        _output.Release(_insideMessage, _insideFrame, _isClosing);
        _batch.Release();
    }

    private async ValueTask ControlAsync(WebSocketStep step)
    {
        var wire = _input.WritableMemory[..step.Consumed];
        var payload = wire[step.PayloadStart..];
        var opcode = _reader.Header.Opcode;
        Unmask(step);
        _message.Load(MessageProtocol.WebSocket, WebSocketFrames.TypeOf(opcode), _sender, opcode == WebSocketOpcode.Close ? default : payload);
        if (opcode == WebSocketOpcode.Close)
        {
            _fault = ReadClose(payload.Span, out _);
            if (_fault != WebSocketFault.None)
            {
                Unmask(step);
                return;
            }

            _message.LoadClose(_closeCode, _closeReason);
        }

        if (_session.Interceptors.Wants(Stage.ControlMessage, _session.Context))
        {
            await ShowAsync().ConfigureAwait(false);
        }

        var content = default(OctetBuffer);
        if (!_message.IsDropped && _message.IsChanged && TryEncodeControl(ref content))
        {
            WebSocketFrames.Append(ref _batch, _output.Receiver, opcode, isFinal: true, isCompressed: false, content.Span);
            content.Release();
        }
        else if (!_message.IsDropped)
        {
            Unmask(step);
            await SendAsync(wire).ConfigureAwait(false);
            Unmask(step);
        }

        _recorder.Message(_message, step.Consumed, _now);
        Unmask(step);
        _isClosing = opcode == WebSocketOpcode.Close && !_message.IsDropped;
    }

    /// <summary>Makes the payload of a changed control message; takes a change back that no frame can carry.</summary>
    private bool TryEncodeControl(ref OctetBuffer content)
    {
        if (_message.Type == MessageType.Close)
        {
            if (_message.CloseCode != WebSocketClose.NoStatus && !WebSocketClose.MayBeSent(_message.CloseCode))
            {
                TakeBack();
                return false;
            }

            content.Advance(WebSocketClose.Write(_message.CloseCode, _message.CloseReason, content.Room(WebSocketFrameHeader.MaxControlPayload)));
            return true;
        }

        if (_message.Content.Length > WebSocketFrameHeader.MaxControlPayload)
        {
            TakeBack();
            return false;
        }

        content.Append(_message.Content.Span);
        return true;
    }

    private async ValueTask DataAsync(WebSocketStep step)
    {
        var header = _reader.Header;
        var wire = _input.WritableMemory[..step.Consumed];
        var isStart = step.IsFrameStart && header.Opcode != WebSocketOpcode.Continuation;
        var isEnd = step.IsFrameEnd && header.IsFinal;
        if (isStart)
        {
            BeginContent();
        }

        _wireOctets += step.Consumed;
        Unmask(step);
        if (isStart && isEnd && !_reader.IsMessageCompressed && step.Consumed <= _maxHeld)
        {
            // Whole and plain: shown and sent from where it lies.
            _fault = WebSocketContent.CheckWhole(header.Opcode == WebSocketOpcode.Text, wire.Span[step.PayloadStart..]);
            if (_fault == WebSocketFault.None)
            {
                await FinishAsync(step, wire[step.PayloadStart..], wire, isInPlace: true).ConfigureAwait(false);
            }

            Unmask(step);
            return;
        }

        if (!MayGoAsReceived)
        {
            await HoldDecodedAsync(step, wire[step.PayloadStart..], isEnd).ConfigureAwait(false);
            Unmask(step);
            return;
        }

        _fault = _content.Append(wire.Span[step.PayloadStart..]);
        _fault = _fault == WebSocketFault.None && isEnd ? _content.End() : _fault;
        Unmask(step);
        if (_fault == WebSocketFault.None)
        {
            await HoldAsync(step, wire, isEnd).ConfigureAwait(false);
        }
    }

    /// <summary>Holds the frames as received until the message is whole, or too large.</summary>
    private async ValueTask HoldAsync(WebSocketStep step, ReadOnlyMemory<byte> wire, bool isEnd)
    {
        if (_streaming == Streaming.No && _content.Total <= _maxHeld && _held.Length + (long)step.Consumed <= _maxHeld + BatchOctets && !_content.IsUndecodable)
        {
            if (!isEnd)
            {
                _held.Append(wire.Span);
                return;
            }

            if (_held.Length > 0)
            {
                _held.Append(wire.Span);
            }

            await FinishAsync(step, _content.KeptMemory, _held.Length > 0 ? _held.Memory : wire, isInPlace: false).ConfigureAwait(false);
            _held.Release();
            _content.Release();
            return;
        }

        if (_streaming == Streaming.No)
        {
            BeginStream(Streaming.Raw);
            _content.Limit = 0;
            await SendAsync(_held.Memory).ConfigureAwait(false);
            _held.Release();
        }

        _content.Clear();
        await SendAsync(wire).ConfigureAwait(false);
        (_insideMessage, _insideFrame) = (_reader.IsInMessage, _reader.IsInFrame);
        if (isEnd)
        {
            EndStream();
        }
    }

    /// <summary>Holds the content of a compressed message that cannot go as received, until it is whole or too large; then it goes on decoded.</summary>
    private async ValueTask HoldDecodedAsync(WebSocketStep step, ReadOnlyMemory<byte> payload, bool isEnd)
    {
        // In slices, because each may inflate to a thousand times its size.
        _content.Limit = int.MaxValue;
        do
        {
            var slice = payload[..Math.Min(SliceOctets, payload.Length)];
            payload = payload[slice.Length..];
            var isLast = isEnd && payload.IsEmpty;
            _fault = _content.Append(slice.Span);
            _fault = _fault == WebSocketFault.None && isLast ? _content.End() : _fault;
            if (_fault != WebSocketFault.None)
            {
                return;
            }

            if (_content.IsUndecodable)
            {
                _limitFault = new("RC-WS-004", FaultStage.Tunnel, FaultKind.Limit, _sender, FaultCatalog.Find("RC-WS-004")!.Explanation);
                return;
            }

            if (_streaming == Streaming.No && _content.Total > _maxHeld)
            {
                BeginStream(Streaming.DecodedStart);
            }

            if (_streaming != Streaming.No)
            {
                await SendDecodedAsync(isLast).ConfigureAwait(false);
            }
        }
        while (!payload.IsEmpty);

        if (isEnd && _streaming == Streaming.No)
        {
            await FinishAsync(step, _content.KeptMemory, default, isInPlace: false).ConfigureAwait(false);
            _content.Release();
            _content.Limit = _maxHeld;
        }
        else if (isEnd)
        {
            EndStream();
        }
    }

    /// <summary>A whole message is there: shows it, and sends what became of it.</summary>
    /// <param name="step">The step that completed it.</param>
    /// <param name="content">Its content.</param>
    /// <param name="wire">Its frames.</param>
    /// <param name="isInPlace">Whether the content lies unmasked in the frames.</param>
    private async ValueTask FinishAsync(WebSocketStep step, ReadOnlyMemory<byte> content, ReadOnlyMemory<byte> wire, bool isInPlace)
    {
        _message.Load(MessageProtocol.WebSocket, WebSocketFrames.TypeOf(_reader.MessageOpcode), _sender, content, _reader.IsMessageCompressed);
        if (_session.Interceptors.Wants(Stage.Message, _session.Context))
        {
            await ShowAsync().ConfigureAwait(false);
        }

        if (_message.IsDropped)
        {
            Diverged();
        }
        else
        {
            if (_message.IsChanged && _message.Type == MessageType.Text
                && WebSocketContent.CheckWhole(isText: true, _message.Content.Span) != WebSocketFault.None)
            {
                TakeBack();
            }

            if (_message.IsChanged)
            {
                Encode(_message.Content.Span);
                Diverged();
            }
            else if (!MayGoAsReceived)
            {
                Encode(content.Span);
                _behind = Math.Max(0, _behind - content.Length);
            }
            else
            {
                if (isInPlace)
                {
                    Unmask(step);
                }

                await SendAsync(wire).ConfigureAwait(false);
                if (isInPlace)
                {
                    Unmask(step);
                }
            }
        }

        _recorder.Message(_message, _wireOctets, _now);
    }

    private void TakeBack()
    {
        // No frame can carry it; the receiver would end the connection.
        _recorder.Mark(FlowMarks.InterceptorFailed);
        _message.Restore(_message.AsReceived);
    }

    /// <summary>Appends a message to the batch, compressed when it was and the receiver can read that.</summary>
    private void Encode(ReadOnlySpan<byte> content)
    {
        var opcode = _message.Type == MessageType.Text ? WebSocketOpcode.Text : WebSocketOpcode.Binary;
        if (!_reader.IsMessageCompressed || _receiverDeflate is not { } receiver)
        {
            WebSocketFrames.Append(ref _batch, _output.Receiver, opcode, isFinal: true, isCompressed: false, content);
            return;
        }

        var compressed = default(OctetBuffer);
        MessageDeflater.Deflate(content, Math.Min(receiver.WindowBits(_sender), _deflate!.Value.WindowBits(_sender)), ref compressed);
        WebSocketFrames.Append(ref _batch, _output.Receiver, opcode, isFinal: true, isCompressed: true, compressed.Span);
        compressed.Release();
    }

    /// <summary>A message outgrew its bound: from here on it goes through unseen.</summary>
    private void BeginStream(Streaming streaming)
    {
        if (_session.Interceptors.Wants(Stage.Message, _session.Context))
        {
            _recorder.Mark(FlowMarks.BodyActorSkipped);
        }

        _kept.Append(_content.Kept[..Math.Min(_content.Kept.Length, _recorder.MessageCapture)]);
        _streaming = streaming;
    }

    private async ValueTask SendDecodedAsync(bool isEnd)
    {
        var opcode = _streaming == Streaming.DecodedStart ? _reader.MessageOpcode : WebSocketOpcode.Continuation;
        _streaming = Streaming.Decoded;
        (_insideMessage, _insideFrame) = (!isEnd, false);
        WebSocketFrames.Append(ref _batch, _output.Receiver, opcode, isEnd, isCompressed: false, _content.Kept);
        _content.Clear();
        if (_batch.Length >= BatchOctets)
        {
            await FlushAsync().ConfigureAwait(false);
        }
    }

    private void EndStream()
    {
        if (_streaming == Streaming.Decoded)
        {
            Diverged();
        }

        _recorder.Message(
            _sender, WebSocketFrames.TypeOf(_reader.MessageOpcode),
            MessageMarks.Final | MessageMarks.Truncated | (_reader.IsMessageCompressed ? MessageMarks.Compressed : 0),
            _kept.Span, _wireOctets, _now, new() { ContentOctets = _content.Total });
        _kept.Release();
        _content.Release();
        (_streaming, _content.Limit) = (Streaming.No, _maxHeld);
    }

    private async ValueTask ShowAsync()
    {
        if (_session.Interceptors.MayWait)
        {
            await default(ThreadPoolHop);
        }

        var showing = _session.ShowAsync(_message);
        if (showing.IsCompleted)
        {
            await showing.ConfigureAwait(false);
            TakeInjected();
            return;
        }

        // It may take a person's time: what came before goes now, and others may speak meanwhile.
        await FlushAsync().ConfigureAwait(false);
        _output.Release(_insideMessage, _insideFrame, closes: false);
        await showing.ConfigureAwait(false);
        await _output.AcquireAsync().ConfigureAwait(false);
        TakeInjected();
    }

    // Whoever injects while looking at a message wants it before that message.
    private void TakeInjected()
    {
        if (!_insideMessage)
        {
            _output.TakeQueued(ref _batch);
        }
    }

    /// <summary>Sends octets with the batch, or behind it when they are many.</summary>
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder))]
    private async ValueTask SendAsync(ReadOnlyMemory<byte> octets)
    {
        if (octets.Length < DirectOctets && _batch.Length + octets.Length <= BatchOctets)
        {
            _batch.Append(octets.Span);
            return;
        }

        await FlushAsync().ConfigureAwait(false);
        await _output.SendAsync(octets).ConfigureAwait(false);
    }

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder))]
    private async ValueTask FlushAsync()
    {
        if (_batch.Length > 0)
        {
            await _output.SendAsync(_batch.Memory).ConfigureAwait(false);
            _batch.Clear();
        }
    }

    /// <summary>Unmasks the payload of a step, or masks it again.</summary>
    private void Unmask(in WebSocketStep step) =>
        WebSocketMask.Apply(_input.Writable[step.PayloadStart..step.Consumed], _reader.Header.MaskingKey ?? 0, step.Offset);
}
