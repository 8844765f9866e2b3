using System.Runtime.CompilerServices;
using RelayCore.Core.Messages;
using RelayCore.Engine.Memory;
using RelayCore.Engine.Transport;
using RelayCore.Protocols.Fields;
using RelayCore.Protocols.Http1;
using RelayCore.Protocols.Http2;
using RelayCore.Protocols.Http2.Hpack;

namespace RelayCore.Engine.Http.Http2;

internal abstract partial class Http2Endpoint
{
    // What gathers while a send is under way. DATA waits above the first bound, so that a slow peer costs this much and no more; frames that
    // answer the peer are not delayed, and above the second bound a peer that causes them without reading them is cut off.
    private const int DataBound = 128 * 1024;
    private const int HardBound = 2 * 1024 * 1024;
    private const int IdleOutput = 4096;
    private const int SmallestPiece = 1024;

    private readonly Lock _gate = new();
    private readonly Http2HeadWriter _heads = new(new HpackEncoder());
    private readonly List<Http2Stream> _blocked = [];
    private readonly Action _onSent;
    private byte[]? _output;
    private byte[]? _inFlight;
    private int _outputLength;
    private bool _isFlushing;
    private bool _isBroken;
    private SendWindow _window;
    private long _stalledSince;
    private int _dataSent;
    private int _dataSentUncut;
    private ConfiguredValueTaskAwaitable.ConfiguredValueTaskAwaiter _sent;

    /// <summary>Octets waiting to be sent, roughly.</summary>
    public int OutputLength => Volatile.Read(ref _outputLength);

    /// <summary>Sends data as far as windows and buffer reach; the rest when they do.</summary>
    internal ValueTask SendData(Http2Stream stream, ReadOnlyMemory<byte> octets, bool isLast)
    {
        ValueTask result = default;
        lock (_gate)
        {
            ThrowIfUnsendable(stream);
            var written = WriteData(stream, octets.Span, isLast);
            if (written < octets.Length || (isLast && !stream.IsOutputEnded))
            {
                (stream.Pending, stream.IsPendingLast) = (octets[written..], isLast);
                result = stream.BeginWait();
                Block(stream);
            }
        }

        Kick();
        return result;
    }

    /// <summary>Sends a response head or an interim one.</summary>
    /// <exception cref="IOException">The stream is over, or interim responses pile up because the peer does not read them.</exception>
    internal void SendHead(Http2Stream stream, ResponseHead head, bool isLast)
    {
        lock (_gate)
        {
            ThrowIfUnsendable(stream);
            if (head.Status < 200 && _outputLength > HardBound)
            {
                throw new IOException("interim responses pile up");
            }

            var start = BeginBlock(Http2HeadWriter.Bound(head.Fields));
            var length = _heads.WriteHttp2Response(_output.AsSpan(start), head, head.MajorVersion == 2 ? default : HopByHop.Read(head.Fields));
            EndBlock(stream, start, length, isLast);
        }

        Kick();
    }

    /// <summary>Sends a request head; under the lock, since stream identifiers must ascend on the wire (RFC 9113 §5.1.1).</summary>
    protected void WriteHead(Http2Stream stream, RequestHead head, bool isLast)
    {
        var start = BeginBlock(head.Http2Bound());
        var length = _heads.WriteHttp2Request(_output.AsSpan(start), head, head.MajorVersion == 2 ? default : HopByHop.Read(head.Fields));
        EndBlock(stream, start, length, isLast);
    }

    /// <summary>Ends our side by trailers, or without any when there are no lines.</summary>
    internal void SendTrailers(Http2Stream stream, FieldSection trailers)
    {
        lock (_gate)
        {
            ThrowIfUnsendable(stream);
            var start = BeginBlock(Http2HeadWriter.Bound(trailers));
            var length = _heads.WriteTrailers(_output.AsSpan(start), trailers);
            if (length == 0)
            {
                WriteData(stream, default, isLast: true);
            }
            else
            {
                EndBlock(stream, start, length, isLast: true);
            }
        }

        Kick();
    }

    /// <summary>Room for a field block behind the header of its frame.</summary>
    /// <returns>Offset of the block.</returns>
    private int BeginBlock(int bound)
    {
        Reserve(Http2FrameWriter.FieldBlockOctets(bound, Http2Settings.MinMaxFrameSize));
        return _outputLength + Http2Frame.HeaderOctets;
    }

    private void EndBlock(Http2Stream stream, int start, int length, bool isLast)
    {
        _outputLength += Http2FrameWriter.FrameFieldBlock(
            _output.AsSpan(start - Http2Frame.HeaderOctets), length, stream.Id, isLast, Http2Settings.MinMaxFrameSize);
        stream.State.TrySend(Http2FrameType.Headers, isLast);
        stream.IsHeadSent = true;
        if (isLast)
        {
            EndOutput(stream);
        }
    }

    private void EndOutput(Http2Stream stream)
    {
        stream.IsOutputEnded = true;
        if (stream.State.Phase == Http2StreamPhase.Closed)
        {
            Close(stream, stream.Id);
        }
    }

    private int WriteData(Http2Stream stream, ReadOnlySpan<byte> octets, bool isLast)
    {
        var written = 0;
        while (true)
        {
            // An end alone needs neither window nor room (RFC 9113 §6.9.1).
            var rest = octets.Length - written;
            var (length, ends) = (0, isLast && rest == 0);
            if (rest > 0)
            {
                length = Math.Min(Math.Min(rest, Http2Settings.MinMaxFrameSize), Math.Min(stream.Window.Available, _window.Available));
                var room = DataBound - _outputLength;
                if (length <= 0 || room < Math.Min(length, SmallestPiece))
                {
                    return written;
                }

                length = Math.Min(length, room);
                ends = isLast && length == rest;
            }
            else if (!ends)
            {
                return written;
            }

            Reserve(Http2Frame.HeaderOctets + length);
            var at = _output.AsSpan(_outputLength);
            Http2FrameWriter.WriteDataHeader(at, length, stream.Id, ends);
            octets.Slice(written, length).CopyTo(at[Http2Frame.HeaderOctets..]);
            _outputLength += Http2Frame.HeaderOctets + length;
            var isCutByWindow = length < rest && length == Math.Min(stream.Window.Available, _window.Available);
            stream.Window.Consume(length);
            _window.Consume(length);
            (_dataSent, _dataSentUncut) = (_dataSent + 1, _dataSentUncut + (isCutByWindow ? 0 : 1));
            written += length;
            stream.State.TrySend(Http2FrameType.Data, ends);
            if (ends)
            {
                EndOutput(stream);
                return written;
            }
        }
    }

    /// <summary>Writes a frame that is not DATA nor a field block.</summary>
    protected void Control<TState>(int bound, TState state, SpanWriter<TState> write)
        where TState : allows ref struct
    {
        lock (_gate)
        {
            if (_isBroken)
            {
                return;
            }

            Reserve(bound);
            _outputLength += write(_output.AsSpan(_outputLength), state);
        }

        Kick();
    }

    protected delegate int SpanWriter<TState>(Span<byte> destination, TState state)
        where TState : allows ref struct;

    private void Reserve(int octets)
    {
        if (_output is null)
        {
            _output = BufferPool.Rent(Math.Max(octets, IdleOutput));
        }
        else if (_output.Length - _outputLength < octets)
        {
            var larger = BufferPool.Rent(Math.Max(_outputLength + octets, _output.Length * 2));
            _output.AsSpan(0, _outputLength).CopyTo(larger);
            BufferPool.Return(_output);
            _output = larger;
        }
    }

    private void Block(Http2Stream stream)
    {
        // Smaller urgency first, first come first served within (RFC 9218 §10).
        var at = _blocked.Count;
        while (at > 0 && _blocked[at - 1].Urgency > stream.Urgency)
        {
            at--;
        }

        _blocked.Insert(at, stream);
    }

    /// <summary>Takes a stream out of the waiting ones; it will not be sent.</summary>
    /// <returns>Whether somebody waited.</returns>
    internal bool Unblock(Http2Stream stream)
    {
        lock (_gate)
        {
            if (!stream.IsSending)
            {
                return false;
            }

            stream.IsSending = false;
            stream.Pending = default;
            _blocked.Remove(stream);
            return true;
        }
    }

    /// <summary>Goes on with whoever waits for a window or for room. Under the lock.</summary>
    /// <returns>Streams whose sender is to be woken, linked.</returns>
    private Http2Stream? Resume()
    {
        Http2Stream? done = null;
        for (var i = 0; i < _blocked.Count && _outputLength < DataBound;)
        {
            var stream = _blocked[i];
            var written = WriteData(stream, stream.Pending.Span, stream.IsPendingLast);
            stream.Pending = stream.Pending[written..];
            if (stream.Pending.IsEmpty && (!stream.IsPendingLast || stream.IsOutputEnded))
            {
                stream.IsSending = false;
                _blocked.RemoveAt(i);
                stream.NextDone = done;
                done = stream;
                continue;
            }

            i++;
        }

        return done;
    }

    private static void Wake(Http2Stream? done)
    {
        while (done is not null)
        {
            var next = done.NextDone;
            done.NextDone = null;
            done.CompleteSend();
            done = next;
        }
    }

    /// <summary>Has the frames written sent, now or at the end of the batch.</summary>
    internal void Kick()
    {
        if (!Http2Batch.TryDefer(this))
        {
            Flush();
        }
    }

    /// <summary>Sends what is written, unless a send is under way: that one goes on with it.</summary>
    internal void Flush()
    {
        lock (_gate)
        {
            if (_isFlushing || _outputLength == 0 || _isBroken)
            {
                return;
            }

            _isFlushing = true;
        }

        Send();
    }

    private void Send()
    {
        while (true)
        {
            int length;
            Http2Stream? done = null;
            lock (_gate)
            {
                if (_inFlight is not null)
                {
                    // The last send is through: its buffer serves the next, and there is room again.
                    if (_output is null && _blocked.Count > 0)
                    {
                        _output = _inFlight;
                    }
                    else
                    {
                        BufferPool.Return(_inFlight);
                    }

                    _inFlight = null;
                    done = Resume();
                }

                length = _outputLength;
                if (length > 0)
                {
                    (_inFlight, _output, _outputLength) = (_output, null, 0);
                }
                else
                {
                    if (_output is not null)
                    {
                        BufferPool.Return(_output);
                        _output = null;
                    }

                    _isFlushing = false;
                }
            }

            // They may write more at once, which this loop, still the one that sends, takes along.
            Wake(done);
            if (length == 0)
            {
                if (_goAwaySent)
                {
                    EndIfDrained();
                }

                return;
            }

            Facts.OctetsSent += length;
            try
            {
                var sending = Transport.SendAsync(_inFlight.AsMemory(0, length));
                if (!sending.IsCompleted)
                {
                    Volatile.Write(ref _stalledSince, Engine.Time.GetTimestamp());
                    _sent = sending.ConfigureAwait(false).GetAwaiter();
                    _sent.UnsafeOnCompleted(_onSent);
                    return;
                }

                sending.GetAwaiter().GetResult();
            }
            catch (Exception e) when (DuplexTransport.IsFailure(e))
            {
                Broken(e);
                return;
            }
        }
    }

    private void ContinueSending()
    {
        Volatile.Write(ref _stalledSince, 0);
        try
        {
            _sent.GetResult();
        }
        catch (Exception e) when (DuplexTransport.IsFailure(e))
        {
            Broken(e);
            return;
        }

        Send();
    }

    private void ThrowIfUnsendable(Http2Stream stream)
    {
        if (stream.Failure is { } failure)
        {
            throw failure.ToException();
        }

        if (_isBroken || stream.IsOutputEnded || stream.IsClosed)
        {
            throw new IOException("the stream is closed");
        }
    }
}
