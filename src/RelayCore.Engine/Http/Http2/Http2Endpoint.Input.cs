using RelayCore.Protocols;
using RelayCore.Protocols.Http2;

namespace RelayCore.Engine.Http.Http2;

internal abstract partial class Http2Endpoint
{
    // Octets of bodies that all streams of the connection hold unread before the connection's own window stops being given back at once.
    private const int HeldBound = 16 * 1024 * 1024;

    private void Handle(in Http2Frame frame, Http2Error error)
    {
        var now = Elapsed;
        if (!_hasSettings && (frame.Type != Http2FrameType.Settings || frame.IsAck))
        {
            Fatal(new(Http2Fault.FirstFrameNotSettings, Http2ErrorCode.ProtocolError));
            return;
        }

        if (frame.Type is Http2FrameType.Ping or Http2FrameType.WindowUpdate)
        {
            CreditDataSent();
        }

        if (_guard.Receive(frame, now) is { IsError: true } flood)
        {
            Fatal(flood);
            return;
        }

        if (OutputLength > HardBound)
        {
            Fatal(new(Http2Fault.AnswersUnread, Http2ErrorCode.EnhanceYourCalm));
            return;
        }

        switch (_block.Take(frame, out var block, out var invalid))
        {
            case Http2FieldBlockStep.Invalid:
                Fatal(invalid);
                return;

            case Http2FieldBlockStep.Complete:
                HandleBlock(block, error);
                _block.Release();
                return;

            case Http2FieldBlockStep.More:
                return;
        }

        switch (frame.Type)
        {
            case Http2FrameType.Data:
                HandleData(frame, error);
                break;

            case Http2FrameType.RstStream:
                HandleReset(frame);
                break;

            case Http2FrameType.Settings when frame.IsAck:
                HandleSettingsAck();
                break;

            case Http2FrameType.Settings:
                HandleSettings(frame);
                break;

            case Http2FrameType.Ping when !frame.IsAck:
                Control(Http2FrameWriter.PingOctets, frame.Payload, static (span, payload) => Http2FrameWriter.WritePing(span, payload, ack: true));
                break;

            case Http2FrameType.GoAway:
                OnGoAway(frame.LastStreamId, frame.ErrorCode);
                break;

            case Http2FrameType.WindowUpdate:
                HandleWindowUpdate(frame, error);
                break;

            case Http2FrameType.PriorityUpdate:
                HandlePriorityUpdate(frame);
                break;

            case Http2FrameType.Priority:
                if (error.IsStreamError && Find(frame.StreamId) is { } stream)
                {
                    Refuse(stream, error);
                }
                else
                {
                    OnPriority(frame.StreamId, frame.Priority);
                }

                break;
        }
    }

    // The guard is the read loop's; what others sent meanwhile is told to it before it matters.
    private void CreditDataSent()
    {
        int frames;
        int uncut;
        lock (_gate)
        {
            (frames, uncut, _dataSent, _dataSentUncut) = (_dataSent, _dataSentUncut, 0, 0);
        }

        _guard.DataSent(frames, uncut);
    }

    private void HandleBlock(ReadOnlySpan<byte> block, Http2Error error)
    {
        var (id, ends) = (_block.StreamId, _block.EndsStream);
        if (_block.Type == Http2FrameType.PushPromise)
        {
            HandlePush(block, id);
            return;
        }

        Http2Stream? stream;
        Http2Ruling ruling;
        Http2Error broken;
        lock (_gate)
        {
            stream = _streams.GetValueOrDefault(id);
            ruling = Http2Ruling.Fine;
            broken = default;
            if (stream is not null)
            {
                ruling = stream.State.Receive(Http2FrameType.Headers, ends, id, out broken);
            }
        }

        if (stream is null)
        {
            HandleNewBlock(block, id, ends, error);
            return;
        }

        if (ruling == Http2Ruling.ConnectionError)
        {
            Fatal(broken);
            return;
        }

        if (ruling != Http2Ruling.Fine || error.IsStreamError)
        {
            Discard(block);
            if (ruling == Http2Ruling.StreamError || error.IsStreamError)
            {
                Refuse(stream, error.IsStreamError ? error : broken);
            }

            return;
        }

        if (stream.IsHeadReceived)
        {
            HandleTrailers(stream, block, ends);
        }
        else
        {
            OnHead(stream, block, ends);
        }

        CloseIfOver(stream);
    }

    private void HandleNewBlock(ReadOnlySpan<byte> block, int id, bool ends, Http2Error error)
    {
        switch (Lookup(Http2FrameType.Headers, id, out var broken))
        {
            case Http2StreamLookup.ConnectionError:
                Fatal(broken);
                return;

            case Http2StreamLookup.StreamError:
                Discard(block);
                SendReset(id, broken.Code);
                CountProvoked();
                return;

            case Http2StreamLookup.Opened when error.IsStreamError:
                Discard(block);
                Decline(id, ends, error.Code);
                return;

            case Http2StreamLookup.Opened:
                Http2Stream? stream = null;
                lock (_gate)
                {
                    if (_streams.Count < Limits.MaxConcurrentStreams && Volatile.Read(ref _running) < 2 * Limits.MaxConcurrentStreams)
                    {
                        stream = Open(id);
                        stream.State.Receive(Http2FrameType.Headers, ends, id, out _);
                    }
                }

                if (stream is null)
                {
                    // Streams reset by the client whose exchange still ends here count too: that is what a rapid reset is about.
                    Discard(block);
                    Decline(id, ends, Http2ErrorCode.RefusedStream);
                    return;
                }

                Interlocked.Increment(ref _running);
                if (_block.Priority is { } priority)
                {
                    OnPriority(id, priority);
                }

                stream.IsHeadReceived = true;
                OnRequest(stream, block, ends);
                return;

            default:
                Discard(block);
                return;
        }
    }

    /// <summary>What a frame for a stream that is not in the table means; the memory of such streams is shared with whoever closes more.</summary>
    private Http2StreamLookup Lookup(Http2FrameType type, int id, out Http2Error error)
    {
        lock (_gate)
        {
            return _ids.Receive(type, id, out error);
        }
    }

    /// <summary>Resets a stream of the peer that was never taken.</summary>
    private void Decline(int id, bool ends, Http2ErrorCode code)
    {
        lock (_gate)
        {
            _ids.Close(id, ends ? Http2StreamEnd.ResetByUsAfterEnd : Http2StreamEnd.ResetByUs);
        }

        SendReset(id, code);
        CountProvoked();
    }

    private void HandleTrailers(Http2Stream stream, ReadOnlySpan<byte> block, bool ends)
    {
        var error = Heads.ReadTrailers(block, stream.Trailers);
        if (IsLost(error))
        {
            return;
        }

        if (error.IsError || !ends)
        {
            Malformed(stream, error.IsError ? $"malformed trailers: {error.Fault} ({error.Clause})" : "a field section behind the body that does not end the stream");
        }
        else if (!IsLengthKept(stream, ends))
        {
            Malformed(stream, "the body is not as long as its Content-Length says");
        }
        else
        {
            stream.DeliverData(default, isLast: true);
        }
    }

    private void HandleData(in Http2Frame frame, Http2Error error)
    {
        var octets = frame.FlowControlledOctets;
        if (!_receiving.TryReceive(octets))
        {
            Fatal(new(Http2Fault.WindowExceeded, Http2ErrorCode.FlowControlError));
            return;
        }

        Http2Stream? stream;
        var ruling = Http2Ruling.Fine;
        Http2Error broken = default;
        var isExceeded = false;
        lock (_gate)
        {
            stream = _streams.GetValueOrDefault(frame.StreamId);
            if (stream is not null)
            {
                ruling = stream.State.Receive(Http2FrameType.Data, frame.EndsStream, frame.StreamId, out broken);
                isExceeded = ruling == Http2Ruling.Fine && !stream.Receiving.TryReceive(octets);
                var padding = octets - frame.Payload.Length;
                if (padding > 0 && !isExceeded && ruling == Http2Ruling.Fine)
                {
                    Announce(stream, padding);
                }
            }
        }

        if (stream is null)
        {
            var lookup = Lookup(Http2FrameType.Data, frame.StreamId, out broken);
            GiveBack(octets);
            if (lookup == Http2StreamLookup.ConnectionError)
            {
                Fatal(broken);
            }
            else if (lookup == Http2StreamLookup.StreamError && frame.IsFirstPiece)
            {
                SendReset(frame.StreamId, broken.Code);
                CountProvoked();
            }

            return;
        }

        if (ruling == Http2Ruling.ConnectionError)
        {
            Fatal(broken);
            return;
        }

        if (ruling != Http2Ruling.Fine || isExceeded || error.IsStreamError)
        {
            GiveBack(octets);
            if (isExceeded)
            {
                Refuse(stream, new(Http2Fault.WindowExceeded, Http2ErrorCode.FlowControlError, frame.StreamId));
            }
            else if (ruling == Http2Ruling.StreamError || error.IsStreamError)
            {
                Refuse(stream, error.IsStreamError ? error : broken);
            }

            return;
        }

        if (!stream.IsHeadReceived || (stream.IsBodyless && frame.Payload.Length > 0) || !IsLengthKept(stream, frame.EndsStream, frame.Payload.Length))
        {
            GiveBack(octets);
            Malformed(stream, stream.IsHeadReceived ? "the body is not as long as its Content-Length says" : "DATA in front of the head");
            return;
        }

        if (frame.Payload.Length > 0)
        {
            // The connection's window is given back on receipt, so that a stream nobody reads stops itself and no other; within a bound on all.
            if (Interlocked.Add(ref _held, frame.Payload.Length) <= HeldBound)
            {
                GiveBack(octets);
            }
            else
            {
                GiveBack(octets - frame.Payload.Length);
                Interlocked.Add(ref _owed, frame.Payload.Length);
            }
        }
        else
        {
            GiveBack(octets);
        }

        if ((frame.Payload.Length > 0 || frame.EndsStream) && !stream.DeliverData(frame.Payload, frame.EndsStream) && frame.Payload.Length > 0)
        {
            Consumed(stream, frame.Payload.Length, isOpen: false); // its exchange has just ended
        }

        if (frame.EndsStream)
        {
            CloseIfOver(stream);
        }
    }

    // RFC 9113 §8.1.1: a Content-Length that is not the sum of the DATA makes the message malformed.
    private static bool IsLengthKept(Http2Stream stream, bool ends, int more = 0) =>
        stream.ExpectedOctets < 0 || stream.IsBodyless
        || (ends ? stream.DataOctets + more == stream.ExpectedOctets : stream.DataOctets + more <= stream.ExpectedOctets);

    /// <summary>Whether the content length is kept by a message without DATA; for heirs that deliver a head that ends the stream.</summary>
    protected static bool IsEmptyAllowed(Http2Stream stream) => stream.ExpectedOctets <= 0 || stream.IsBodyless;

    private void HandleReset(in Http2Frame frame)
    {
        Http2Stream? stream;
        Http2Error broken = default;
        var ruling = Http2Ruling.Fine;
        lock (_gate)
        {
            stream = _streams.GetValueOrDefault(frame.StreamId);
            if (stream is not null)
            {
                ruling = stream.State.Receive(Http2FrameType.RstStream, false, frame.StreamId, out broken);
            }
        }

        if (stream is null)
        {
            if (Lookup(Http2FrameType.RstStream, frame.StreamId, out broken) == Http2StreamLookup.ConnectionError)
            {
                Fatal(broken);
            }

            return;
        }

        if (ruling == Http2Ruling.ConnectionError)
        {
            Fatal(broken);
            return;
        }

        if (Peer == PeerRole.Client
            && _guard.ResetByPeer(Engine.Time.GetElapsedTime(0, stream.OpenedAt), stream.IsHeadSent, Elapsed) is { IsError: true } flood)
        {
            Fatal(flood);
            return;
        }

        var id = stream.Id;
        stream.Fail(id, new(frame.ErrorCode, Peer, $"the {(Peer == PeerRole.Client ? "client" : "server")} reset the stream with {NameOf(frame.ErrorCode)}",
            frame.ErrorCode == Http2ErrorCode.RefusedStream));
        Close(stream, id);
    }

    internal static string NameOf(Http2ErrorCode code) => code switch
    {
        Http2ErrorCode.NoError => "NO_ERROR",
        Http2ErrorCode.ProtocolError => "PROTOCOL_ERROR",
        Http2ErrorCode.InternalError => "INTERNAL_ERROR",
        Http2ErrorCode.FlowControlError => "FLOW_CONTROL_ERROR",
        Http2ErrorCode.SettingsTimeout => "SETTINGS_TIMEOUT",
        Http2ErrorCode.StreamClosed => "STREAM_CLOSED",
        Http2ErrorCode.FrameSizeError => "FRAME_SIZE_ERROR",
        Http2ErrorCode.RefusedStream => "REFUSED_STREAM",
        Http2ErrorCode.Cancel => "CANCEL",
        Http2ErrorCode.CompressionError => "COMPRESSION_ERROR",
        Http2ErrorCode.ConnectError => "CONNECT_ERROR",
        Http2ErrorCode.EnhanceYourCalm => "ENHANCE_YOUR_CALM",
        Http2ErrorCode.InadequateSecurity => "INADEQUATE_SECURITY",
        Http2ErrorCode.Http11Required => "HTTP_1_1_REQUIRED",
        _ => $"0x{(uint)code:x}",
    };

    /// <summary>Decodes a block for the sake of the table alone.</summary>
    protected void Discard(ReadOnlySpan<byte> block) => IsLost(Heads.Discard(block));

    /// <summary>Whether the state of field compression is lost, so that the connection ends (RFC 9113 §4.3).</summary>
    protected bool IsLost(in Http2FieldError error)
    {
        if (error.IsConnectionError)
        {
            Fatal(new(Http2Fault.CompressionLost, Http2ErrorCode.CompressionError));
        }

        return error.IsConnectionError;
    }

    /// <summary>A stream error of the peer: the stream is reset and its exchange told.</summary>
    private void Refuse(Http2Stream stream, Http2Error error)
    {
        CountProvoked();
        stream.Fail(stream.Id, new(error.Code, Peer, $"HTTP/2 stream error: {error.Fault}"), reset: error.Code);
    }

    /// <summary>A malformed message (RFC 9113 §8.1.1).</summary>
    protected void Malformed(Http2Stream stream, string detail)
    {
        CountProvoked();
        stream.Fail(stream.Id, new(Http2ErrorCode.ProtocolError, Peer, detail, IsMalformed: true), reset: Http2ErrorCode.ProtocolError);
    }

    private void CountProvoked()
    {
        if (_guard.ResetByUs(Elapsed) is { IsError: true } flood)
        {
            Fatal(flood);
        }
    }

    /// <summary>RST_STREAM for a stream that is not in the table.</summary>
    private void SendReset(int id, Http2ErrorCode code) =>
        Control(Http2FrameWriter.WordFrameOctets, (id, code), static (span, x) => Http2FrameWriter.WriteRstStream(span, x.id, x.code));

    /// <summary>Resets a stream unless it is over.</summary>
    /// <param name="stream">The stream.</param>
    /// <param name="id">The one that is meant: the object may carry another by now, then nothing happens.</param>
    /// <param name="code">What RST_STREAM says.</param>
    internal void Reset(Http2Stream stream, int id, Http2ErrorCode code)
    {
        lock (_gate)
        {
            if (stream.IsClosed || stream.Id != id)
            {
                return;
            }

            if (!_isBroken && stream.State.TrySend(Http2FrameType.RstStream, endsStream: false))
            {
                Reserve(Http2FrameWriter.WordFrameOctets);
                _outputLength += Http2FrameWriter.WriteRstStream(_output.AsSpan(_outputLength), stream.Id, code);
            }
        }

        Close(stream, id);
        Kick();
    }

    private void CloseIfOver(Http2Stream stream)
    {
        int id;
        lock (_gate)
        {
            id = stream.State.Phase == Http2StreamPhase.Closed && !stream.IsClosed ? stream.Id : 0;
        }

        if (id != 0)
        {
            Close(stream, id);
        }
    }

    /// <summary>A client opened a stream. The exchange is to be begun, or the stream reset.</summary>
    protected abstract void OnRequest(Http2Stream stream, ReadOnlySpan<byte> block, bool ends);

    /// <summary>A head for a stream of ours: interim or final.</summary>
    protected abstract void OnHead(Http2Stream stream, ReadOnlySpan<byte> block, bool ends);

    /// <summary>The peer's SETTINGS changed.</summary>
    protected abstract void OnSettings(Http2SettingsRecord settings, bool isFirst);

    /// <summary>The peer will serve no stream above <paramref name="lastStreamId"/>.</summary>
    protected abstract void OnGoAway(int lastStreamId, Http2ErrorCode code);

    /// <summary>The peer opened the connection's window.</summary>
    protected virtual void OnConnectionWindow(int increment)
    {
    }

    /// <summary>PRIORITY, or that of HEADERS.</summary>
    protected virtual void OnPriority(int id, Http2Priority? priority)
    {
    }

    /// <summary>PRIORITY_UPDATE of a client (RFC 9218 §7.1).</summary>
    protected virtual void OnPriorityUpdate(int id, ReadOnlySpan<byte> value)
    {
    }
}
