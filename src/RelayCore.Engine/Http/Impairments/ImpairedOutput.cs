using RelayCore.Core.Faults;
using RelayCore.Core.Flows;
using RelayCore.Core.Interception;
using RelayCore.Engine.Capture;
using RelayCore.Engine.Memory;
using RelayCore.Protocols;

namespace RelayCore.Engine.Http.Impairments;

/// <summary>
/// Applies an <see cref="Impairment"/> to one message. Knows data from framing only because its caller tells it; one sender at a time. Made for the
/// messages that have one, so that all others cost a look at a reference.
/// </summary>
internal sealed class ImpairedOutput
{
    // An RST overtakes what the receiver has not read; what was sent before it shall be seen.
    private static readonly TimeSpan s_beforeReset = TimeSpan.FromMilliseconds(20);
    private static readonly TimeSpan s_look = TimeSpan.FromSeconds(1);

    private readonly Impairment _what;
    private readonly IImpairedHost _host;
    private readonly TimeProvider _time;
    private readonly FlowRecorder _recorder;
    private readonly PeerRole _sender;
    private readonly CancellationToken _stopping;
    private long _position;
    private long _intoPiece;
    private bool _hasBegun;
    private bool _isStalled;
    private bool _isRecorded;
    private bool _isBadSizeDone;

    /// <param name="what">What happens.</param>
    /// <param name="sender">Whose message.</param>
    /// <param name="host">The exchange.</param>
    /// <param name="engine">Clock, and the end of everything.</param>
    /// <param name="recorder">Its record: gets a mark, a mutation, and the octets as they were sent.</param>
    /// <param name="microseconds">Time into the flow.</param>
    public ImpairedOutput(Impairment what, PeerRole sender, IImpairedHost host, EngineContext engine, FlowRecorder recorder, long microseconds)
    {
        (_what, _sender, _host, _time, _recorder, _stopping) = (what, sender, host, engine.Time, recorder, engine.Stopping);
        recorder.Mark(FlowMarks.Impaired);
        recorder.Mutate(new(
            what.Actor, sender == PeerRole.Client ? Stage.RequestHead : Stage.ResponseHead, sender == PeerRole.Client ? "request.wire" : "response.wire",
            null, what.Describe(), microseconds));
    }

    /// <summary>Octets of data that were left out so far.</summary>
    public long Lost { get; private set; }

    /// <summary>Whether framing around data must be made anew: pieces go missing within chunks.</summary>
    public bool Rechunks => _what.LossRate > 0;

    /// <summary>Whether data and framing must be told apart at all.</summary>
    public bool LooksInside => _what.AltersBody || _what.StallAfter is not null || _what.Malformed is MalformedFraming.BadChunkSize or MalformedFraming.MissingLastChunk;

    /// <summary>Whether the end of a chunked body is left out.</summary>
    public bool OmitsLastChunk => _what.Malformed == MalformedFraming.MissingLastChunk;

    /// <summary>Whether the receiver cannot tell where the message ends, so that the connection has to end behind it.</summary>
    public bool BreaksFraming => Lost > 0 || _what.Malformed != MalformedFraming.None;

    /// <summary>Whether the next chunk size is to be a wrong one; true once.</summary>
    public bool TakeBadChunkSize()
    {
        var isBad = _what.Malformed == MalformedFraming.BadChunkSize && !_isBadSizeDone;
        _isBadSizeDone |= isBad;
        return isBad;
    }

    /// <summary>Waits as a head of HTTP/2 does, which cannot be sent in pieces.</summary>
    /// <param name="octets">How long it would be as text.</param>
    public async ValueTask WaitForHeadAsync(int octets)
    {
        await WaitAsync(_what.HeadDelay).ConfigureAwait(false);
        if (_what.HeadPieceOctets > 0)
        {
            await WaitAsync(_what.HeadInterval * ((octets - 1) / _what.HeadPieceOctets)).ConfigureAwait(false);
        }

        if (_what.Malformed != MalformedFraming.None)
        {
            _recorder.Mutate(new(_what.Actor, Stage.None, "error", null, $"{_what.Malformed} is framing of HTTP/1; the message goes over HTTP/2 and stays as it is", 0));
        }
    }

    /// <summary>Sends a head of HTTP/1.</summary>
    /// <param name="head">The head, at its end the empty line.</param>
    /// <param name="sink">The connection.</param>
    public async ValueTask SendHeadAsync(ReadOnlyMemory<byte> head, IImpairedSink sink)
    {
        await WaitAsync(_what.HeadDelay).ConfigureAwait(false);
        if (_what.Malformed != MalformedFraming.None)
        {
            head = MalformedHead.Write(_what.Malformed, head.Span) ?? head;
        }

        var piece = _what.HeadPieceOctets > 0 ? _what.HeadPieceOctets : head.Length;
        while (!head.IsEmpty)
        {
            var next = head[..Math.Min(piece, head.Length)];
            await sink.SendAsync(next).ConfigureAwait(false);
            head = head[next.Length..];
            if (!head.IsEmpty)
            {
                await WaitAsync(_what.HeadInterval).ConfigureAwait(false);
            }
        }
    }

    /// <summary>Sends data of the body.</summary>
    /// <exception cref="ImpairedException">The message ends here.</exception>
    public async ValueTask SendAsync(ReadOnlyMemory<byte> data, IImpairedSink sink)
    {
        if (!_hasBegun && !data.IsEmpty)
        {
            _hasBegun = true;
            await WaitAsync(_what.BodyDelay).ConfigureAwait(false);
        }

        while (!data.IsEmpty)
        {
            var room = await RoomAsync(data.Length).ConfigureAwait(false);
            if (room > 0)
            {
                await SendPieceAsync(data[..room], sink).ConfigureAwait(false);
                data = data[room..];
            }
        }
    }

    /// <summary>How many octets may go as one piece from here; does what is to be done at this place first.</summary>
    private async ValueTask<int> RoomAsync(int length)
    {
        if (_position == _what.TruncateAfter)
        {
            Differs();
            throw new ImpairedException(Fault("RC-POL-010", FaultKind.Policy, $"the body was ended behind {_position} octets"), isCut: true);
        }

        if (_position == _what.ResetAfter)
        {
            Differs();
            await WaitAsync(s_beforeReset).ConfigureAwait(false);
            throw new ImpairedException(Fault("RC-POL-011", FaultKind.Policy, $"reset behind {_position} octets of the body"), isCut: false);
        }

        if (_position == _what.StallAfter && !_isStalled)
        {
            _isStalled = true;
            await StallAsync().ConfigureAwait(false);
        }

        if (_what.BodyPieceOctets > 0 && _intoPiece == _what.BodyPieceOctets)
        {
            _intoPiece = 0;
            await WaitAsync(_what.BodyInterval).ConfigureAwait(false);
        }

        long room = length;
        room = Math.Min(room, Until(_what.TruncateAfter));
        room = Math.Min(room, Until(_what.ResetAfter));
        room = Math.Min(room, _isStalled ? room : Until(_what.StallAfter));
        room = _what.BodyPieceOctets > 0 ? Math.Min(room, _what.BodyPieceOctets - _intoPiece) : room;
        room = _what.LossRate > 0 ? Math.Min(room, _what.LossPieceOctets - (_position % _what.LossPieceOctets)) : room;
        foreach (var pace in _what.Paces)
        {
            room = Math.Min(room, pace.Quantum);
        }

        foreach (var pace in _what.Paces)
        {
            await WaitUntilAsync(pace.Take((int)room)).ConfigureAwait(false);
        }

        return (int)room;
    }

    private long Until(long? place) => place is { } there && there > _position ? there - _position : long.MaxValue;

    private async ValueTask SendPieceAsync(ReadOnlyMemory<byte> piece, IImpairedSink sink)
    {
        var at = _position;
        if (_what.LossRate > 0 && Impairment.Chance(_what.Seed, (ulong)(at / _what.LossPieceOctets)) < _what.LossRate)
        {
            Differs();
            (_position, _intoPiece, Lost) = (at + piece.Length, _intoPiece + piece.Length, Lost + piece.Length);
            return;
        }

        byte[]? copy = null;
        try
        {
            if (_what.CorruptRate > 0)
            {
                copy = BufferPool.Rent(piece.Length);
                piece = Corrupt(piece, copy);
            }

            if (_isRecorded)
            {
                _recorder.BodySent(_sender, piece.Span);
            }

            // Counted before it goes: whoever asks while it goes must not take it for unsent.
            (_position, _intoPiece) = (at + piece.Length, _intoPiece + piece.Length);
            await sink.SendAsync(piece).ConfigureAwait(false);
        }
        finally
        {
            if (copy is not null)
            {
                BufferPool.Return(copy);
            }
        }
    }

    private ReadOnlyMemory<byte> Corrupt(ReadOnlyMemory<byte> piece, byte[] copy)
    {
        piece.CopyTo(copy);
        var seed = Impairment.Mix(_what.Seed ^ 0xC0FFEE);
        var isChanged = false;
        for (var i = 0; i < piece.Length; i++)
        {
            var place = (ulong)(_position + i);
            if (Impairment.Chance(seed, place) < _what.CorruptRate)
            {
                copy[i] ^= (byte)(1 << (int)(Impairment.Mix(seed ^ place) & 7));
                isChanged = true;
            }
        }

        if (isChanged)
        {
            Differs();
        }

        return copy.AsMemory(0, piece.Length);
    }

    // From here on what is sent is not what was received.
    private void Differs()
    {
        _isRecorded = _isRecorded || _recorder.SentUntil(_sender, _position);
    }

    private async ValueTask StallAsync()
    {
        if (_what.StallFor != Timeout.InfiniteTimeSpan)
        {
            await WaitAsync(_what.StallFor).ConfigureAwait(false);
            return;
        }

        // For ever: a bound on the whole exchange counts here, it is what is being tried.
        await WaitUntilAsync(_time.GetTimestamp() + Ticks(Impairment.MaxWait), extends: false).ConfigureAwait(false);
        throw new ImpairedException(Fault("RC-POL-012", FaultKind.Policy, $"nobody gave up behind {_position} octets of the body"), isCut: false);
    }

    private ValueTask WaitAsync(TimeSpan time) =>
        time <= TimeSpan.Zero ? default : WaitUntilAsync(_time.GetTimestamp() + Ticks(time < Impairment.MaxWait ? time : Impairment.MaxWait));

    private async ValueTask WaitUntilAsync(long due, bool extends = true)
    {
        if (due <= _time.GetTimestamp())
        {
            return;
        }

        if (extends)
        {
            _host.Extend(_time.GetElapsedTime(_time.GetTimestamp(), due));
        }

        _host.Waiting(begins: true);
        try
        {
            for (var now = _time.GetTimestamp(); now < due; now = _time.GetTimestamp())
            {
                // A timer counts milliseconds and may come a moment early.
                var left = TimeSpan.FromMilliseconds(Math.Ceiling(_time.GetElapsedTime(now, due).TotalMilliseconds));
                await Task.Delay(left < s_look ? left : s_look, _time, _stopping).ConfigureAwait(false);
                if (_host.IsGivenUp(_sender))
                {
                    throw new IOException("given up while it waited on purpose");
                }
            }
        }
        finally
        {
            _host.Waiting(begins: false);
        }
    }

    private long Ticks(TimeSpan time) => (long)(time.TotalSeconds * _time.TimestampFrequency);

    private FlowFault Fault(string code, FaultKind kind, string detail) =>
        new(code, _sender == PeerRole.Client ? FaultStage.Request : FaultStage.Response, kind, null, detail);
}
