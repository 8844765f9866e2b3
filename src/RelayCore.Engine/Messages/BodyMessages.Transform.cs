using System.Buffers;
using RelayCore.Core.Flows;
using RelayCore.Core.Interception;
using RelayCore.Engine.Capture;
using RelayCore.Engine.Memory;
using RelayCore.Engine.Pipeline;
using RelayCore.Protocols;
using RelayCore.Protocols.Grpc;
using RelayCore.Protocols.Ndjson;
using RelayCore.Protocols.Sse;

namespace RelayCore.Engine.Messages;

/// <summary>The part that edits: shows messages to interceptors and writes what they made of them.</summary>
internal sealed partial class BodyMessages
{
    private readonly Message _message = new();
    private ArrayBufferWriter<byte> _encoded = new();
    private IMessageOutput? _output;
    private ReadOnlyMemory<byte> _source;
    private int _unwritten; // start of octets of the source that leave as they came and were not written yet
    private int _unwrittenEnd;
    private long _written;
    private bool _isPassing;

    /// <summary>Takes data octets and writes what becomes of the messages in them; an open message is held for the next call.</summary>
    /// <param name="data">May be empty at the end.</param>
    /// <param name="isLast">Whether the body ends behind them.</param>
    /// <param name="output">Where to.</param>
    /// <exception cref="DamagedBodyException">The content coding is damaged, so that nothing more can be written.</exception>
    public async ValueTask TransformAsync(ReadOnlyMemory<byte> data, bool isLast, IMessageOutput output)
    {
        _output = output;
        _received += data.Length;
        await InjectAsync(output).ConfigureAwait(false);
        if (_decoder is null)
        {
            await TransformContentAsync(data).ConfigureAwait(false);
        }
        else
        {
            await DecodeAsync(data).ConfigureAwait(false);
        }

        if (isLast && !_isOver)
        {
            await InjectAsync(output).ConfigureAwait(false); // what the last messages gave rise to
            await EndAsync().ConfigureAwait(false);
        }
    }

    /// <summary>Writes every message that waits, when this is a place for them. Interceptors do not see them: one that injects would see its own, for ever.</summary>
    public async ValueTask InjectAsync(IMessageOutput output)
    {
        _output = output;
        while (CanInject && Injected.TryTake(out var outgoing))
        {
            _message.Load(Session.Protocol, Sender, outgoing);
            Recorder.Message(_message, 0, Engine.Time.GetTimestamp());
            await WriteEncodedAsync("\n"u8.ToArray(), isCompressed: false).ConfigureAwait(false);
        }
    }

    private async ValueTask DecodeAsync(ReadOnlyMemory<byte> data)
    {
        await EditedAsync().ConfigureAwait(false);
        var scratch = _scratch ??= BufferPool.Rent(ScratchOctets);
        OperationStatus status;
        do
        {
            status = _decoder!.Decode(data.Span, scratch, out var consumed, out var written);
            data = data[consumed..];
            await TransformContentAsync(scratch.AsMemory(0, written)).ConfigureAwait(false);
            if (status == OperationStatus.InvalidData)
            {
                throw new DamagedBodyException("the content coding of the body is damaged");
            }
        }
        while (status == OperationStatus.DestinationTooSmall);
    }

    private async ValueTask TransformContentAsync(ReadOnlyMemory<byte> content)
    {
        if (_isBlind)
        {
            await WriteAsync(content).ConfigureAwait(false);
        }
        else if (_format == BodyFormat.GrpcWebText)
        {
            await TransformTextAsync(content).ConfigureAwait(false);
        }
        else
        {
            await TransformUnitsAsync(content).ConfigureAwait(false);
        }
    }

    private async ValueTask TransformUnitsAsync(ReadOnlyMemory<byte> source)
    {
        (_source, _unwritten, _unwrittenEnd) = (source, 0, 0);
        for (var at = 0; at < source.Length;)
        {
            var step = _reader.Read(source.Span[at..]);
            if (step.Status == UnitStatus.Invalid)
            {
                GoBlind();
                await PassAsync(at, source.Length).ConfigureAwait(false);
                break;
            }

            var (start, end) = (at, at + step.Length);
            (at, _unitOctets) = (end, _unitOctets + step.Length);
            var isWhole = step.Status != UnitStatus.NeedMore;
            if (!_isPassing && Math.Max(_unitOctets, isWhole ? 0 : _reader.Announced) > Engine.Limits.MaxBufferedMessage)
            {
                await BeginPassingAsync().ConfigureAwait(false);
            }

            if (_isPassing)
            {
                Hold(source.Span[start..end], Recorder.MessageCapture + HeldBesideContent);
                await PassAsync(start, end).ConfigureAwait(false);
                if (isWhole)
                {
                    Record(_held.AsSpan(0, _heldLength), MessageMarks.Final);
                    _isPassing = false;
                }
            }
            else if (!isWhole)
            {
                Hold(source.Span[start..end], int.MaxValue);
                break;
            }
            else if (_heldLength > 0)
            {
                Hold(source.Span[start..end], int.MaxValue);
                await UnitAsync(step.Status, _held.AsMemory(0, _heldLength), -1, 0).ConfigureAwait(false);
            }
            else
            {
                await UnitAsync(step.Status, source[start..end], start, end).ConfigureAwait(false);
            }

            if (isWhole)
            {
                EndUnit();
            }
        }

        await FlushAsync().ConfigureAwait(false);
        (_source, _unwritten, _unwrittenEnd) = (default, 0, 0);
    }

    /// <summary>A message is too large to be held: what is held of it goes out, and the rest as it comes.</summary>
    private async ValueTask BeginPassingAsync()
    {
        _isPassing = true;
        if (!_hasPassed)
        {
            _hasPassed = true;
            Recorder.Mark(FlowMarks.BodyActorSkipped);
        }

        await FlushAsync().ConfigureAwait(false);
        if (_heldLength > 0)
        {
            await WriteAsync(_held.AsMemory(0, _heldLength)).ConfigureAwait(false);
        }
    }

    /// <summary>A unit is whole: shows it if it is a message, and writes what becomes of it.</summary>
    /// <param name="status">What it is.</param>
    /// <param name="unit">Its octets.</param>
    /// <param name="start">Where it lies in the source; negative when it is held elsewhere.</param>
    /// <param name="end">Where it ends there.</param>
    private async ValueTask UnitAsync(UnitStatus status, ReadOnlyMemory<byte> unit, int start, int end)
    {
        if (status == UnitStatus.Filler)
        {
            // A byte order mark counts at the very start only: behind something else it would spoil the field after it.
            if (!(_isEdited && unit.Span.SequenceEqual("\uFEFF"u8)))
            {
                await PassUnitAsync(unit, start, end).ConfigureAwait(false);
            }

            return;
        }

        if (!Load(unit))
        {
            await PassUnitAsync(unit, start, end).ConfigureAwait(false);
            return;
        }

        var isCompressed = _message.IsCompressed;
        await ShowAsync().ConfigureAwait(false);
        Recorder.Message(_message, _unitOctets, Engine.Time.GetTimestamp());
        if (_message.IsDropped)
        {
            await EditedAsync().ConfigureAwait(false);
        }
        else if (_message.IsChanged)
        {
            var lineEnd = _format == BodyFormat.Ndjson ? unit[NdjsonReader.TextLength(unit.Span)..].ToArray() : [];
            await WriteEncodedAsync(lineEnd, isCompressed).ConfigureAwait(false);
        }
        else
        {
            await PassUnitAsync(unit, start, end).ConfigureAwait(false);
        }
    }

    /// <summary>Makes a message of a unit.</summary>
    /// <returns>Whether it is one.</returns>
    private bool Load(ReadOnlyMemory<byte> unit)
    {
        var octets = unit.Span;
        switch (_format)
        {
            case BodyFormat.ServerSentEvents:
                var parsed = SseEvent.Parse(octets);
                if (parsed.DataLines == 0)
                {
                    return false;
                }

                var data = unit.Slice(parsed.Data.Start, parsed.Data.Length);
                if (parsed.DataLines > 1)
                {
                    var joined = new byte[octets.Length];
                    data = joined.AsMemory(0, SseEvent.Join(octets, joined));
                }

                _message.Load(MessageProtocol.ServerSentEvents, MessageType.Event, Sender, data);
                _message.LoadEvent(
                    parsed.Id is { } id ? SseEvent.Text(octets, id) : null, parsed.Name is { } name ? SseEvent.Text(octets, name) : null, parsed.RetryMilliseconds);
                return true;

            case BodyFormat.Ndjson:
                _message.Load(MessageProtocol.Ndjson, MessageType.Line, Sender, unit[..NdjsonReader.TextLength(octets)]);
                return true;

            case var _ when (_reader.Flags & GrpcReader.Trailers) != 0:
                ReadTrailers(octets[GrpcReader.PrefixOctets..]);
                return false;

            default:
                var content = unit[GrpcReader.PrefixOctets..];
                var isCompressed = (_reader.Flags & GrpcReader.Compressed) != 0;
                if (isCompressed)
                {
                    content = Inflate(content, Engine.Limits.MaxBufferedMessage, out var isWhole);
                    if (!isWhole)
                    {
                        // What cannot be decoded whole cannot be edited either.
                        Recorder.Mark(FlowMarks.BodyActorSkipped);
                        Record(octets, MessageMarks.Final);
                        return false;
                    }
                }

                _message.Load(MessageProtocol.Grpc, MessageType.GrpcMessage, Sender, content, isCompressed);
                return true;
        }
    }

    private async ValueTask ShowAsync()
    {
        if (Session.Interceptors.MayWait)
        {
            await default(ThreadPoolHop);
        }

        await Session.Stages.MessageAsync(Session.Interceptors, Session.Context, _message, Engine.Stopping).ConfigureAwait(false);
    }

    /// <summary>Writes the message as it stands.</summary>
    /// <param name="lineEnd">What ends a line.</param>
    /// <param name="isCompressed">Whether a gRPC message is to be compressed, as it was.</param>
    private async ValueTask WriteEncodedAsync(ReadOnlyMemory<byte> lineEnd, bool isCompressed)
    {
        await EditedAsync().ConfigureAwait(false);
        _encoded.ResetWrittenCount();
        switch (_format)
        {
            case BodyFormat.ServerSentEvents:
                SseWriter.Write(_encoded, _message.EventId, _message.EventName, _message.RetryMilliseconds, _message.Content.Span);
                break;

            case BodyFormat.Ndjson:
                _encoded.Write(_message.Content.Span);
                _encoded.Write(lineEnd.Span);
                break;

            default:
                var content = _message.Content;
                if (isCompressed)
                {
                    content = Engine.Codings.Encode(content, _grpcEncoding);
                }

                GrpcReader.WritePrefix(_encoded.GetSpan(GrpcReader.PrefixOctets), isCompressed ? GrpcReader.Compressed : (byte)0, content.Length);
                _encoded.Advance(GrpcReader.PrefixOctets);
                _encoded.Write(content.Span);
                break;
        }

        if (_format == BodyFormat.GrpcWebText)
        {
            await WriteTextAsync(_encoded.WrittenMemory).ConfigureAwait(false);
        }
        else
        {
            await WriteAsync(_encoded.WrittenMemory).ConfigureAwait(false);
        }

        if (_encoded.Capacity > 64 * 1024)
        {
            _encoded = new();
        }
    }

    /// <summary>From here on the body is not what was received.</summary>
    private async ValueTask EditedAsync()
    {
        await FlushAsync().ConfigureAwait(false);
        if (!_isEdited)
        {
            _isEdited = true;
            _output!.Edited(IsTransformed ? _received - _written : 0);
        }
    }

    private ValueTask PassUnitAsync(ReadOnlyMemory<byte> unit, int start, int end) =>
        start >= 0 ? PassAsync(start, end) : _format == BodyFormat.GrpcWebText ? PassTextAsync(unit) : PassHeldAsync(unit);

    private async ValueTask PassHeldAsync(ReadOnlyMemory<byte> octets)
    {
        await FlushAsync().ConfigureAwait(false);
        await WriteAsync(octets).ConfigureAwait(false);
    }

    /// <summary>Lets octets of the source leave as they came; adjacent ones in one write.</summary>
    private async ValueTask PassAsync(int start, int end)
    {
        if (_unwrittenEnd != start)
        {
            await FlushAsync().ConfigureAwait(false);
            _unwritten = start;
        }

        _unwrittenEnd = end;
    }

    private ValueTask FlushAsync()
    {
        var octets = _source[_unwritten.._unwrittenEnd];
        _unwritten = _unwrittenEnd;
        return octets.IsEmpty ? default : WriteAsync(octets);
    }

    private ValueTask WriteAsync(ReadOnlyMemory<byte> octets)
    {
        _written += octets.Length;
        return octets.IsEmpty ? default : _output!.WriteAsync(octets);
    }

    private async ValueTask EndAsync()
    {
        if (_format == BodyFormat.GrpcWebText)
        {
            await EndTextAsync().ConfigureAwait(false);
        }
        else if (_heldLength > 0 && !_isPassing && !_isBlind && !Injected.IsEndWanted)
        {
            if (_reader.IsWholeAtEnd)
            {
                await UnitAsync(UnitStatus.Message, _held.AsMemory(0, _heldLength), -1, 0).ConfigureAwait(false);
                EndUnit();
            }
            else
            {
                // No message, but the peer's octets: they are for the other end to judge.
                await WriteAsync(_held.AsMemory(0, _heldLength)).ConfigureAwait(false);
            }
        }

        End(isWhole: true);
    }
}
