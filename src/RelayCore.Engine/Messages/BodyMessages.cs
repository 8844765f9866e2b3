using System.Buffers;
using System.Runtime.InteropServices;
using RelayCore.Core.Interception;
using RelayCore.Core.Messages;
using RelayCore.Engine.Capture;
using RelayCore.Engine.Memory;
using RelayCore.Protocols;
using RelayCore.Protocols.Fields;
using RelayCore.Protocols.Grpc;
using RelayCore.Protocols.Ndjson;
using RelayCore.Protocols.Sse;

namespace RelayCore.Engine.Messages;

/// <summary>
/// The messages of one body, whatever HTTP version carries it. Either it watches (<see cref="Observe"/>): the octets pass as they come, each message is
/// recorded when its last octet passed, nothing waits. Or it edits (<see cref="TransformAsync"/>): each message is held until it is whole, shown to
/// interceptors, and leaves as received, changed or not at all. In both modes messages from elsewhere can be written in between
/// (<see cref="InjectAsync"/>).
/// </summary>
/// <remarks>
/// Used by the loop of its body only, but for <see cref="Injected"/>. What it is given is data: transfer coding or frames removed. A content coding is
/// decoded to watch; to edit it is decoded and dropped, because a message cannot be changed within a compressed stream: the caller removes
/// Content-Encoding (<see cref="DropsCoding"/>). Memory: one message, at most <c>MaxBufferedMessage</c> when editing and about <c>MaxMessageCapture</c>
/// when watching; a longer one passes unseen by interceptors and is recorded in part.
/// </remarks>
internal sealed partial class BodyMessages
{
    private const int ScratchOctets = 16 * 1024;

    /// <summary>What a message may have beside its content without the record losing some: an event's other fields, a prefix.</summary>
    private const int HeldBesideContent = 4096;

    /// <summary>How much decoding may give to watch, beside a hundred times what was received; more is a bomb, and nobody's event stream.</summary>
    private const long DecodedFree = 16L * 1024 * 1024;

    private const int MaxUsualRatio = 100;

    private readonly BodyFormat _format;
    private readonly string? _grpcEncoding;
    private readonly IContentDecoder? _decoder;
    private readonly bool _hasUnknownCoding;
    private UnitReader _reader;
    private byte[]? _held;
    private int _heldLength;
    private long _unitOctets;
    private byte[]? _scratch;
    private int _textHeld;
    private uint _textTail;
    private long _received;
    private long _decoded;
    private bool _isBlind;
    private bool _isEdited;
    private bool _hasTrailers;
    private bool _hasPassed;
    private bool _isOver;

    private BodyMessages(MessageSession session, PeerRole sender, BodyFormat format, FieldSection fields)
    {
        (Session, Sender, _format) = (session, sender, format);
        _reader = new(format);
        _grpcEncoding = format >= BodyFormat.Grpc ? fields.Get("grpc-encoding") : null;
        var coding = fields.Get("Content-Encoding");
        if (!string.IsNullOrWhiteSpace(coding) && !coding.Trim().Equals("identity", StringComparison.OrdinalIgnoreCase))
        {
            _decoder = session.Engine.Codings.CreateDecoder(coding);
            _hasUnknownCoding = _isBlind = _decoder is null;
        }

        IsTransformed = !_isBlind && session.Interceptors.Wants(Stage.Message, session.Context);
    }

    /// <summary>The session it belongs to.</summary>
    public MessageSession Session { get; }

    /// <summary>Whose body it is.</summary>
    public PeerRole Sender { get; }

    /// <summary>Whether interceptors want the messages: the body goes through <see cref="TransformAsync"/> instead of <see cref="Observe"/>.</summary>
    public bool IsTransformed { get; private set; }

    /// <summary>Whether interceptors want messages that cannot be had, because the content coding is unknown.</summary>
    public bool IsOutOfReach => _hasUnknownCoding && Session.Interceptors.Wants(Stage.Message, Session.Context);

    /// <summary>Whether <see cref="TransformAsync"/> takes the content coding off.</summary>
    public bool DropsCoding => IsTransformed && _decoder is not null;

    /// <summary>Messages that wait to be written in between. The caller opens it when it can write them, and closes nothing: <see cref="End"/> does.</summary>
    public InjectionQueue Injected { get; } = new();

    /// <summary>Whether this is a place between messages: <see cref="InjectAsync"/> may be called.</summary>
    public bool CanInject => IsTransformed ? !_isPassing && !_hasTrailers : _decoder is null && _reader.IsBetween && _textHeld == 0 && !_isBlind && !_hasTrailers;

    /// <summary>Whether messages can ever be written in between: not into a compressed stream that passes as it came.</summary>
    public bool IsInjectable => !_isBlind && (IsTransformed || _decoder is null);

    /// <summary>How the call ended, when the body said so (gRPC-web).</summary>
    public GrpcStatus? Status { get; private set; }

    private EngineContext Engine => Session.Engine;

    private FlowRecorder Recorder => Session.Recorder;

    /// <summary>Prepares for a body.</summary>
    /// <param name="session">The session it belongs to; it is added there.</param>
    /// <param name="sender">Whose body.</param>
    /// <param name="format">Its format.</param>
    /// <param name="fields">Its head: Content-Encoding and grpc-encoding are read.</param>
    public static BodyMessages Open(MessageSession session, PeerRole sender, BodyFormat format, FieldSection fields)
    {
        var body = new BodyMessages(session, sender, format, fields);
        session.Add(body);
        return body;
    }

    /// <summary>The messages pass as received after all: the caller cannot frame a body of another length.</summary>
    public void GiveUpEditing() => IsTransformed = false;

    /// <summary>Looks at data octets as they pass. Never throws for what they are.</summary>
    public void Observe(ReadOnlySpan<byte> data)
    {
        if (_isEdited)
        {
            Recorder.BodySent(Sender, data);
        }

        if (_isBlind)
        {
            return;
        }

        _received += data.Length;
        if (_decoder is null)
        {
            ObserveContent(data);
            return;
        }

        var scratch = _scratch ??= BufferPool.Rent(ScratchOctets);
        OperationStatus status;
        do
        {
            status = _decoder.Decode(data, scratch, out var consumed, out var written);
            data = data[consumed..];
            _decoded += written;
            ObserveContent(scratch.AsSpan(0, written));
            if (status == OperationStatus.InvalidData || _decoded > DecodedFree + (MaxUsualRatio * _received))
            {
                GoBlind();
            }
        }
        while (status == OperationStatus.DestinationTooSmall && !_isBlind);
    }

    /// <summary>The body is over: what is open is recorded, nothing more is injected, memory is given back. Later calls do nothing.</summary>
    /// <param name="isWhole">Whether it came to its end, and was not cut off.</param>
    public void End(bool isWhole)
    {
        if (_isOver)
        {
            return;
        }

        _isOver = true;
        Injected.Close();
        if (_unitOctets > 0 && !_isBlind)
        {
            Record(_held.AsSpan(0, _heldLength), isWhole && _reader.IsWholeAtEnd ? MessageMarks.Final : MessageMarks.None);
        }

        ReleaseHeld();
        ReleaseText();
        if (_scratch is { } scratch)
        {
            _scratch = null;
            BufferPool.Return(scratch);
        }

        _decoder?.Dispose();
    }

    private void ObserveContent(ReadOnlySpan<byte> content)
    {
        if (_format != BodyFormat.GrpcWebText)
        {
            ObserveUnits(content);
            return;
        }

        // Up to three characters wait for the rest of their quantum.
        var quantum = MemoryMarshal.AsBytes(new Span<uint>(ref _textTail));
        Span<byte> octets = stackalloc byte[768];
        while (!content.IsEmpty && !_isBlind)
        {
            if (_textHeld > 0)
            {
                var count = Math.Min(4 - _textHeld, content.Length);
                content[..count].CopyTo(quantum[_textHeld..]);
                content = content[count..];
                _textHeld += count;
                if (_textHeld == 4)
                {
                    _textHeld = 0;
                    ObserveRun(quantum, octets);
                }
            }
            else if (content.Length < 4)
            {
                content.CopyTo(quantum);
                _textHeld = content.Length;
                return;
            }
            else
            {
                content = content[ObserveRun(content[..Math.Min(content.Length, 1024)], octets)..];
            }
        }
    }

    /// <returns>Characters consumed.</returns>
    private int ObserveRun(ReadOnlySpan<byte> text, Span<byte> octets)
    {
        if (GrpcWebText.Decode(text, octets, out var consumed, out var written) == OperationStatus.Done)
        {
            ObserveUnits(octets[..written]);
        }
        else
        {
            GoBlind();
        }

        return consumed;
    }

    private void ObserveUnits(ReadOnlySpan<byte> source)
    {
        while (!source.IsEmpty && !_isBlind)
        {
            var step = _reader.Read(source);
            var piece = source[..step.Length];
            source = source[step.Length..];
            if (step.Status == UnitStatus.Invalid)
            {
                GoBlind();
                return;
            }

            _unitOctets += piece.Length;
            if (step.Status == UnitStatus.NeedMore)
            {
                Hold(piece, Recorder.MessageCapture + HeldBesideContent);
                return;
            }

            if (step.Status == UnitStatus.Message)
            {
                if (_heldLength > 0)
                {
                    Hold(piece, Recorder.MessageCapture + HeldBesideContent);
                    piece = _held.AsSpan(0, _heldLength);
                }

                Record(piece, MessageMarks.Final);
            }

            EndUnit();
        }
    }

    /// <summary>What follows cannot be told apart, or not be decoded: it is not looked at any more.</summary>
    private void GoBlind()
    {
        _isBlind = true;
        EndUnit();
        Injected.Close();
        Session.Exchange.SetTag(_format >= BodyFormat.Grpc ? "grpc-unreadable" : "messages-unreadable");
    }

    private void Hold(ReadOnlySpan<byte> piece, int most)
    {
        piece = piece[..Math.Min(piece.Length, Math.Max(0, most - _heldLength))];
        if (_held is null || _held.Length - _heldLength < piece.Length)
        {
            var held = _held;
            _held = BufferPool.Rent(Math.Max(_heldLength + piece.Length, (int)Math.Min(2L * (held?.Length ?? 0), most)));
            if (held is not null)
            {
                held.AsSpan(0, _heldLength).CopyTo(_held);
                BufferPool.Return(held);
            }
        }

        piece.CopyTo(_held.AsSpan(_heldLength));
        _heldLength += piece.Length;
    }

    private void EndUnit()
    {
        _unitOctets = 0;
        _heldLength = 0;
        if (_held is { Length: > ScratchOctets })
        {
            ReleaseHeld(); // one large message is no reason to keep its memory for the small ones behind it
        }
    }

    private void ReleaseHeld()
    {
        if (_held is { } held)
        {
            (_held, _heldLength) = (null, 0);
            BufferPool.Return(held);
        }
    }

    /// <summary>Records a message nobody edits.</summary>
    /// <param name="unit">Its octets, or as many as are held of <see cref="_unitOctets"/>.</param>
    /// <param name="marks">Whether it is whole.</param>
    private void Record(ReadOnlySpan<byte> unit, MessageMarks marks)
    {
        var missing = _unitOctets - unit.Length;
        marks |= missing > 0 ? MessageMarks.Truncated : MessageMarks.None;
        var now = Engine.Time.GetTimestamp();
        switch (_format)
        {
            case BodyFormat.ServerSentEvents:
                var parsed = SseEvent.Parse(unit);
                if (parsed.DataLines == 0)
                {
                    return;
                }

                var joined = parsed.DataLines > 1 ? BufferPool.Rent(unit.Length) : null;
                var data = joined is null ? unit.Slice(parsed.Data.Start, parsed.Data.Length) : joined.AsSpan(0, SseEvent.Join(unit, joined));
                var details = new MessageDetails { RetryMilliseconds = parsed.RetryMilliseconds, ContentOctets = missing > 0 ? data.Length + missing : null };
                if (parsed.Id is { } id)
                {
                    details = details with { EventId = unit.Slice(id.Start, id.Length) };
                }

                if (parsed.Name is { } name)
                {
                    details = details with { EventName = unit.Slice(name.Start, name.Length) };
                }

                Recorder.Message(Sender, MessageType.Event, marks, data, _unitOctets, now, details);
                if (joined is not null)
                {
                    BufferPool.Return(joined);
                }

                break;

            case BodyFormat.Ndjson:
                var text = missing > 0 ? unit : unit[..NdjsonReader.TextLength(unit)];
                Recorder.Message(
                    Sender, MessageType.Line, marks, text, _unitOctets, now, new() { ContentOctets = missing > 0 ? text.Length + missing : null });
                break;

            default:
                RecordGrpc(unit, marks, now);
                break;
        }
    }

    private void RecordGrpc(ReadOnlySpan<byte> unit, MessageMarks marks, long now)
    {
        if (unit.Length < GrpcReader.PrefixOctets)
        {
            return; // cut off within its prefix: nothing of the message came
        }

        var content = unit[GrpcReader.PrefixOctets..];
        if ((_reader.Flags & GrpcReader.Trailers) != 0)
        {
            ReadTrailers(content);
            return;
        }

        var isCut = unit.Length < _reader.Announced;
        if ((_reader.Flags & GrpcReader.Compressed) == 0)
        {
            Recorder.Message(Sender, MessageType.GrpcMessage, marks | (isCut ? MessageMarks.Truncated : 0), content, _unitOctets, now,
                new() { ContentOctets = isCut ? _reader.Announced - GrpcReader.PrefixOctets : null });
            return;
        }

        marks |= MessageMarks.Compressed;
        var decoded = Inflate(content.ToArray(), Recorder.MessageCapture, out var isWhole);
        Recorder.Message(Sender, MessageType.GrpcMessage, marks | (isWhole ? 0 : MessageMarks.Truncated), decoded.Span, _unitOctets, now);
    }

    /// <summary>Decodes a compressed gRPC message as far as it goes; with an unknown grpc-encoding it stays as it is.</summary>
    private ReadOnlyMemory<byte> Inflate(ReadOnlyMemory<byte> content, long maxOctets, out bool isWhole)
    {
        isWhole = Engine.Codings.TryDecode(content, _grpcEncoding, maxOctets, out var decoded, out _);
        return decoded;
    }

    private void ReadTrailers(ReadOnlySpan<byte> content)
    {
        _hasTrailers = true;
        Injected.Close();
        if ((_reader.Flags & GrpcReader.Compressed) != 0)
        {
            content = Inflate(content.ToArray(), HeldBesideContent, out _).Span;
        }

        if (GrpcStatus.TryParse(content, out var status))
        {
            Status = status;
        }
    }
}
