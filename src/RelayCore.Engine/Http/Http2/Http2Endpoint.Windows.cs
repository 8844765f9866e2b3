using RelayCore.Protocols.Http2;

namespace RelayCore.Engine.Http.Http2;

/// <content>Flow control (RFC 9113 §5.2, §6.9): what we let the peer send, and what it lets us.</content>
internal abstract partial class Http2Endpoint
{
    private void GiveBack(int octets)
    {
        if (octets == 0)
        {
            return;
        }

        lock (_gate)
        {
            AnnounceConnection(octets);
        }

        Kick();
    }

    private void AnnounceConnection(int octets)
    {
        var increment = _receiving.Release(octets, Elapsed, _roundTrip);
        if (increment > 0 && !_isBroken)
        {
            Reserve(Http2FrameWriter.WordFrameOctets);
            _outputLength += Http2FrameWriter.WriteWindowUpdate(_output.AsSpan(_outputLength), 0, increment);
        }
    }

    private void Announce(Http2Stream stream, int octets)
    {
        var increment = stream.Receiving.Release(octets, Elapsed, _roundTrip);
        if (increment > 0 && !_isBroken && stream.State.TrySend(Http2FrameType.WindowUpdate, endsStream: false))
        {
            Reserve(Http2FrameWriter.WordFrameOctets);
            _outputLength += Http2FrameWriter.WriteWindowUpdate(_output.AsSpan(_outputLength), stream.Id, increment);
        }
    }

    /// <summary>Somebody read octets of a stream, or they were dropped: its window opens again.</summary>
    internal void Consumed(Http2Stream stream, int octets, bool isOpen)
    {
        Interlocked.Add(ref _held, -octets);
        var owed = Volatile.Read(ref _owed) > 0 ? octets : 0;
        if (!isOpen && owed == 0)
        {
            return;
        }

        bool hasOutput;
        lock (_gate)
        {
            if (owed > 0)
            {
                owed = Math.Min(owed, _owed);
                _owed -= owed;
                AnnounceConnection(owed);
            }

            if (isOpen)
            {
                Announce(stream, octets);
            }

            hasOutput = _outputLength > 0;
        }

        if (hasOutput)
        {
            Kick();
        }
    }

    private void HandleWindowUpdate(in Http2Frame frame, Http2Error error)
    {
        if (frame.StreamId == 0)
        {
            Http2Stream? done = null;
            bool isFine;
            lock (_gate)
            {
                isFine = !error.IsError && _window.TryIncrease(frame.Increment);
                if (isFine)
                {
                    done = Resume();
                }
            }

            if (!isFine)
            {
                Fatal(error.IsError ? error : new(Http2Fault.WindowOverflow, Http2ErrorCode.FlowControlError));
                return;
            }

            OnConnectionWindow(frame.Increment);
            Wake(done);
            Kick();
            return;
        }

        HandleStreamWindow(frame, error);
    }

    private void HandleStreamWindow(in Http2Frame frame, Http2Error error)
    {
        Http2Stream? stream;
        Http2Stream? done = null;
        var isResumed = false;
        var ruling = Http2Ruling.Fine;
        Http2Error broken = default;
        lock (_gate)
        {
            stream = _streams.GetValueOrDefault(frame.StreamId);
            if (stream is not null)
            {
                ruling = stream.State.Receive(Http2FrameType.WindowUpdate, false, frame.StreamId, out broken);
                if (ruling == Http2Ruling.Fine && !error.IsError)
                {
                    if (stream.Window.TryIncrease(frame.Increment))
                    {
                        isResumed = stream.IsSending;
                        done = isResumed ? Resume() : null;
                    }
                    else
                    {
                        error = new(Http2Fault.WindowOverflow, Http2ErrorCode.FlowControlError, frame.StreamId);
                    }
                }
            }
        }

        if (stream is null)
        {
            if (Lookup(Http2FrameType.WindowUpdate, frame.StreamId, out broken) == Http2StreamLookup.ConnectionError)
            {
                Fatal(broken);
            }

            return;
        }

        if (ruling == Http2Ruling.ConnectionError)
        {
            Fatal(broken);
        }
        else if (error.IsStreamError)
        {
            Refuse(stream, error);
        }
        else if (isResumed)
        {
            Wake(done); // none may be done, and yet something written
            Kick();
        }
    }
}
