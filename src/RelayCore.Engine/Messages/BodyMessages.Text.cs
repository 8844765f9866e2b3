using System.Buffers;
using System.Buffers.Text;
using RelayCore.Core.Flows;
using RelayCore.Engine.Memory;
using RelayCore.Engine.Transport;
using RelayCore.Protocols;
using RelayCore.Protocols.Grpc;

namespace RelayCore.Engine.Messages;

/// <summary>
/// The part that edits the text form of gRPC-web. A message leaves in the characters it came in when it begins and ends at the border of a quantum,
/// as it does with senders that flush each message; otherwise it is written anew, because its first or last characters belong to a neighbour too.
/// </summary>
internal sealed partial class BodyMessages
{
    private ReceiveBuffer _text; // from the start of the open unit on, or from the first character not decoded when that lies within a quantum
    private int _textRead;
    private int _unitTextEnd;
    private bool _isUnitUnaligned;

    private async ValueTask TransformTextAsync(ReadOnlyMemory<byte> text)
    {
        _text.Append(text.Span);
        while (true)
        {
            var octets = BufferPool.Rent(Math.Max(4, _text.Length - _textRead));
            try
            {
                var status = GrpcWebText.Decode(_text.Span[_textRead..], octets, out var consumed, out var written);
                if (status == OperationStatus.NeedMoreData)
                {
                    return;
                }

                if (status == OperationStatus.InvalidData || !await TransformRunAsync(octets.AsMemory(0, written), consumed).ConfigureAwait(false))
                {
                    await GiveUpTextAsync().ConfigureAwait(false);
                    return;
                }
            }
            finally
            {
                BufferPool.Return(octets);
            }
        }
    }

    /// <summary>Takes one run: <paramref name="characters"/> at <see cref="_textRead"/> that stand for <paramref name="octets"/>.</summary>
    /// <returns><see langword="false"/> when a message is broken or too large.</returns>
    private async ValueTask<bool> TransformRunAsync(ReadOnlyMemory<byte> octets, int characters)
    {
        var run = _textRead;
        for (var at = 0; at < octets.Length;)
        {
            var step = _reader.Read(octets.Span[at..]);
            if (step.Status == UnitStatus.Invalid || _unitOctets + step.Length > Engine.Limits.MaxBufferedMessage)
            {
                if (_isUnitUnaligned)
                {
                    // Its first characters went out with its neighbour.
                    Hold(octets.Span[at..], int.MaxValue);
                    _text.Consume(run + characters);
                    _textRead = 0;
                }

                return false;
            }

            Hold(octets.Span.Slice(at, step.Length), int.MaxValue);
            (at, _unitOctets) = (at + step.Length, _unitOctets + step.Length);
            if (step.Status == UnitStatus.NeedMore)
            {
                break;
            }

            // Within a run octet 3n lies at character 4n, and a run ends at the border of a quantum.
            var isAligned = at == octets.Length || at % 3 == 0;
            _unitTextEnd = isAligned && !_isUnitUnaligned ? (at == octets.Length ? run + characters : run + (at / 3 * 4)) : -1;
            await UnitAsync(step.Status, _held.AsMemory(0, _heldLength), -1, 0).ConfigureAwait(false);
            EndUnit();
            _isUnitUnaligned = !isAligned;
            if (isAligned)
            {
                // The text of the next unit begins here.
                var taken = at == octets.Length ? run + characters : run + (at / 3 * 4);
                _text.Consume(taken);
                run -= taken;
            }
        }

        _textRead = run + characters;
        if (_isUnitUnaligned)
        {
            _text.Consume(_textRead);
            _textRead = 0;
        }

        return true;
    }

    /// <summary>Lets a unit leave as it came, or, when that cannot be told apart from its neighbours, in characters of its own.</summary>
    private async ValueTask PassTextAsync(ReadOnlyMemory<byte> unit)
    {
        if (_unitTextEnd >= 0)
        {
            await WriteAsync(_text.Memory[.._unitTextEnd]).ConfigureAwait(false);
        }
        else
        {
            await EditedAsync().ConfigureAwait(false);
            await WriteTextAsync(unit).ConfigureAwait(false);
        }
    }

    private async ValueTask WriteTextAsync(ReadOnlyMemory<byte> octets)
    {
        var text = BufferPool.Rent(Base64.GetMaxEncodedToUtf8Length(octets.Length));
        Base64.EncodeToUtf8(octets.Span, text, out _, out var written);
        await WriteAsync(text.AsMemory(0, written)).ConfigureAwait(false);
        BufferPool.Return(text);
    }

    /// <summary>What follows passes as it came: it is broken, or a message is too large.</summary>
    private async ValueTask GiveUpTextAsync()
    {
        if (!_hasPassed)
        {
            _hasPassed = true;
            Recorder.Mark(FlowMarks.BodyActorSkipped);
        }

        await PassOpenTextAsync().ConfigureAwait(false);
        GoBlind();
    }

    private ValueTask EndTextAsync() => _isBlind ? default : PassOpenTextAsync();

    /// <summary>Writes the characters of the open unit, those not decoded included.</summary>
    private async ValueTask PassOpenTextAsync()
    {
        if (_isUnitUnaligned && _heldLength > 0)
        {
            await EditedAsync().ConfigureAwait(false);
            await WriteTextAsync(_held.AsMemory(0, _heldLength)).ConfigureAwait(false);
        }

        await WriteAsync(_text.Memory).ConfigureAwait(false);
        ReleaseText();
    }

    private void ReleaseText() => _text.Release(discard: true);
}
