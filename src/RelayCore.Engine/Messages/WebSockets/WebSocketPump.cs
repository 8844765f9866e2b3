using RelayCore.Core.Faults;
using RelayCore.Core.Interception;
using RelayCore.Engine.Capture;
using RelayCore.Engine.Transport;
using RelayCore.Protocols;
using RelayCore.Protocols.WebSockets;

namespace RelayCore.Engine.Messages.WebSockets;

/// <summary>
/// Moves what one peer sends to the other until the peer ends or breaks a rule. Without interceptors every octet goes on as it came, at once:
/// frames are read, unmasked, checked and recorded in the receive buffer, masked again, and everything received at once leaves in one send.
/// </summary>
/// <remarks>This file receives and observes; <c>.Intercept</c> holds messages for interceptors; nothing is allocated for a message observed.</remarks>
internal sealed partial class WebSocketPump
{
    private const int SmallOctets = 4096;
    private const int LargeOctets = 64 * 1024;

    private readonly WebSocketSession _session;
    private readonly PeerRole _sender;
    private readonly DuplexTransport _source;
    private readonly Core.Connections.ConnectionFacts _facts;
    private readonly WebSocketOutput _output;
    private readonly WebSocketFrameReader _reader;
    private readonly WebSocketContent _content;
    private readonly FlowRecorder _recorder;
    private readonly DeflateParameters? _deflate;
    private readonly bool _isOpaque;
    private readonly bool _shows;
    private ReceiveBuffer _input;
    private long _now;
    private long _wireOctets;
    private WebSocketFault _fault;
    private FlowFault? _limitFault;
    private bool _isClosing;
    private bool _insideMessage; // what the receiver has got of the sender's frames
    private bool _insideFrame;
    private int _closeCode;
    private string _closeReason = "";

    /// <summary>A pump that is not running.</summary>
    /// <param name="session">The session.</param>
    /// <param name="sender">Whose frames it moves.</param>
    /// <param name="from">The sender's end.</param>
    /// <param name="to">The receiver's.</param>
    /// <param name="output">What the receiver is sent.</param>
    public WebSocketPump(WebSocketSession session, PeerRole sender, in WebSocketEnd from, in WebSocketEnd to, WebSocketOutput output)
    {
        (_session, _sender, _source, _facts, _output, _recorder) = (session, sender, from.Transport, from.Facts, output, session.Recorder);

        // An extension we do not know may have changed the meaning of everything but the lengths.
        _isOpaque = from.Extensions.HasUnknown;
        _deflate = _isOpaque ? null : from.Extensions.Deflate;
        _reader = new(new(sender, _deflate is not null, _isOpaque));
        PlanCompression(to.Extensions);
        _shows = !_isOpaque && (_mustRecompress || session.Interceptors.Wants(Stage.Message | Stage.ControlMessage, session.Context));
        var limits = session.Engine.Limits;
        _maxHeld = limits.MaxWebSocketMessage;
        _content = new(16L * _maxHeld) { Limit = _shows ? _maxHeld : _recorder.MessageCapture };
    }

    /// <summary>Runs until the peer has ended, or the connection was closed.</summary>
    /// <param name="received">What it sent already.</param>
    public async Task RunAsync(ReadOnlyMemory<byte> received)
    {
        var isReading = false;
        var capacity = SmallOctets;
        try
        {
            _input.Append(received.Span);
            var octets = _input.Length;
            while (true)
            {
                if (octets > 0 && !_session.IsShut && !_isClosing)
                {
                    _now = _session.Touch();
                    if (_shows)
                    {
                        await InterceptAsync().ConfigureAwait(false);
                    }
                    else
                    {
                        var forward = Observe();
                        if (forward > 0)
                        {
                            await _output.ForwardAsync(_input.Memory[..forward], _insideMessage, _insideFrame, _isClosing).ConfigureAwait(false);
                            _input.Consume(forward);
                        }
                    }

                    if (_isClosing && _fault == WebSocketFault.None)
                    {
                        _session.Closed(_sender, _closeCode, _closeReason);
                    }

                    if (_fault != WebSocketFault.None || _limitFault is not null)
                    {
                        Fail();
                    }
                }

                if (_session.IsShut || _isClosing)
                {
                    _input.Consume(_input.Length); // nothing goes behind a close frame (§5.5.1), but the end must be seen
                }

                if (_input.Length == 0 && _input.Capacity > capacity)
                {
                    _input.Release();
                }

                var room = _input.Room(Math.Max(capacity, _input.Length + 1));
                isReading = true;
                octets = await _source.ReceiveAsync(room).ConfigureAwait(false);
                isReading = false;
                capacity = octets == room.Length ? LargeOctets : octets < SmallOctets ? SmallOctets : capacity;
                if (octets == 0)
                {
                    _session.Ended(_sender, _isClosing ? "" : Where());
                    return;
                }

                _facts.OctetsReceived += octets;
                _input.Received(octets);
            }
        }
        catch (Exception e) when (DuplexTransport.IsFailure(e))
        {
            _session.Broke(isReading ? _sender : _output.Receiver, e);
        }
        catch
        {
            _session.Abort(); // a defect of ours: the other pump must end too
            throw;
        }
        finally
        {
            RecordCutOff();
            _input.Release(discard: true);
            _content.Release();
            _held.Release();
            _batch.Release();
            _kept.Release();
        }
    }

    private string Where() => _reader.IsInFrame || _input.Length > 0 ? "within a frame" : _reader.IsInMessage ? "within a message" : "between messages";

    private void Fail()
    {
        if (_limitFault is not null)
        {
            _session.Fail(_limitFault, WebSocketClose.TooBig);
            return;
        }

        var code = FaultCatalog.CodeOf(_fault);
        var octets = _input.Span[..Math.Min(64, _input.Length)].ToArray();
        _session.Fail(
            new(code, FaultStage.Tunnel, FaultKind.Protocol, _sender, FaultCatalog.Find(code)!.Title)
            {
                Octets = octets,
                OctetsOffset = octets.Length > 0 ? 0 : -1,
            },
            _fault.CloseCode());
    }

    /// <summary>Looks at everything received; masked octets are as they were afterwards.</summary>
    /// <returns>Octets to forward.</returns>
    private int Observe()
    {
        var octets = _input.Writable;
        var at = 0;
        while (!_isClosing)
        {
            var step = _reader.Read(octets[at..]);
            if (step.Status != WebSocketStatus.Frame)
            {
                _fault = step.Fault;
                break;
            }

            var key = _reader.Header.MaskingKey ?? 0;
            var payload = octets[(at + step.PayloadStart)..(at + step.Consumed)];
            WebSocketMask.Apply(payload, key, step.Offset);
            _fault = _reader.Header.IsControl ? ObserveControl(payload, step.Consumed) : ObserveData(step, payload);
            WebSocketMask.Apply(payload, key, step.Offset);
            if (_fault != WebSocketFault.None)
            {
                break;
            }

            at += step.Consumed;
            (_insideMessage, _insideFrame) = (_reader.IsInMessage, _reader.IsInFrame);
        }

        return at;
    }

    private WebSocketFault ObserveControl(ReadOnlySpan<byte> payload, int wireOctets)
    {
        var type = WebSocketFrames.TypeOf(_reader.Header.Opcode);
        if (type != MessageType.Close)
        {
            _recorder.Message(_sender, type, MessageMarks.Final, payload, wireOctets, _now);
            return WebSocketFault.None;
        }

        var fault = ReadClose(payload, out var reason);
        if (fault == WebSocketFault.None)
        {
            _recorder.Message(_sender, type, MessageMarks.Final, default, wireOctets, _now, new() { CloseCode = _closeCode, CloseReason = reason });
            _isClosing = true;
        }

        return fault;
    }

    private WebSocketFault ReadClose(ReadOnlySpan<byte> payload, out ReadOnlySpan<byte> reason)
    {
        var fault = WebSocketClose.Read(payload, out _closeCode, out reason);
        _closeReason = fault == WebSocketFault.None ? WebSocketClose.ReasonText(reason) : "";
        return fault;
    }

    private WebSocketFault ObserveData(in WebSocketStep step, ReadOnlySpan<byte> payload)
    {
        var header = _reader.Header;
        var isStart = step.IsFrameStart && header.Opcode != WebSocketOpcode.Continuation;
        var isEnd = step.IsFrameEnd && header.IsFinal;
        if (isStart && isEnd && !_reader.IsMessageCompressed)
        {
            // The common one: whole and plain. It is recorded from where it lies.
            var type = WebSocketFrames.TypeOf(header.Opcode);
            var problem = WebSocketContent.CheckWhole(type == MessageType.Text && !_isOpaque, payload);
            if (problem == WebSocketFault.None)
            {
                _recorder.Message(_sender, type, MessageMarks.Final, payload, step.Consumed, _now);
            }

            return problem;
        }

        if (isStart)
        {
            BeginContent();
        }

        _wireOctets += step.Consumed;
        var fault = _content.Append(payload);
        if (fault == WebSocketFault.None && isEnd)
        {
            fault = _content.End();
            if (fault == WebSocketFault.None)
            {
                RecordContent(MessageMarks.Final);
                _content.Release();
            }
        }

        return fault;
    }

    private void BeginContent()
    {
        _wireOctets = 0;
        _content.Begin(
            _reader.MessageOpcode == WebSocketOpcode.Text && !_isOpaque, _reader.IsMessageCompressed && !_isOpaque,
            _deflate?.NoContextTakeover(_sender) ?? true);
    }

    private void RecordContent(MessageMarks marks)
    {
        var kept = _streaming == Streaming.No ? _content.Kept : _kept.Span;
        var isCut = kept.Length < _content.Total || _content.IsUndecodable;
        _recorder.Message(
            _sender, WebSocketFrames.TypeOf(_reader.MessageOpcode),
            marks | (_reader.IsMessageCompressed ? MessageMarks.Compressed : 0) | (isCut ? MessageMarks.Truncated : 0),
            kept, _wireOctets, _now, new() { ContentOctets = isCut ? _content.Total : null });
    }

    /// <summary>The session ended within a message: what came of it is recorded without the mark of its end.</summary>
    private void RecordCutOff()
    {
        if (_reader.IsInMessage && _fault == WebSocketFault.None && (_content.Total > 0 || _wireOctets > 0))
        {
            RecordContent(MessageMarks.None);
        }
    }
}
