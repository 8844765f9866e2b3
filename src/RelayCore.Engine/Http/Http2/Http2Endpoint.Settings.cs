using RelayCore.Protocols.Http2;
using RelayCore.Protocols.Http2.Hpack;

namespace RelayCore.Engine.Http.Http2;

/// <content>What a peer says of itself and wishes: SETTINGS (RFC 9113 §6.5), promises (§6.6), priorities (RFC 9218 §7).</content>
internal abstract partial class Http2Endpoint
{
    private void HandleSettings(in Http2Frame frame)
    {
        var isFirst = !_hasSettings;
        _hasSettings = true;
        Http2Error error;
        Http2Stream? done = null;
        lock (_gate)
        {
            var before = _theirs.InitialWindowSize;
            error = _theirs.Apply(frame, Peer, Limits);
            if (!error.IsError)
            {
                error = AdjustWindows(_theirs.InitialWindowSize - before);
            }

            if (!error.IsError && !_isBroken)
            {
                _heads.Encoder.SetPeerMaxTableOctets((int)Math.Min(_theirs.SmallestHeaderTableSize, HpackDecoder.DefaultTableOctets));
                _heads.Encoder.SetPeerMaxTableOctets((int)Math.Min(_theirs.HeaderTableSize, HpackDecoder.DefaultTableOctets));
                Reserve(Http2Frame.HeaderOctets);
                _outputLength += Http2FrameWriter.WriteSettingsAck(_output.AsSpan(_outputLength));
                done = Resume();
            }
        }

        if (error.IsError)
        {
            Fatal(error);
            return;
        }

        OnSettings(Http2SettingsRecord.From(frame.Settings), isFirst);
        Wake(done);
        Kick();
    }

    private Http2Error AdjustWindows(int change)
    {
        foreach (var stream in _streams.Values)
        {
            if (change != 0 && !stream.Window.TryAdjust(change))
            {
                return new(Http2Fault.WindowOverflow, Http2ErrorCode.FlowControlError);
            }
        }

        return default;
    }

    private void HandleSettingsAck()
    {
        if (_isSettingsAcked)
        {
            Fatal(new(Http2Fault.UnexpectedSettingsAck, Http2ErrorCode.ProtocolError));
            return;
        }

        // The first round trip there is; windows grow by it.
        _isSettingsAcked = true;
        _roundTrip = Engine.Time.GetElapsedTime(_settingsSentAt, _now);
        Heads.Decoder.SetMaxTableOctets(Limits.HeaderTableOctets);
    }

    // Push is turned off in our SETTINGS; what a server promised before it can have seen them is declined, later ones end the connection (§6.6).
    private void HandlePush(ReadOnlySpan<byte> block, int parent)
    {
        var promised = _block.PromisedStreamId;
        Http2Error error;
        lock (_gate)
        {
            error = _ids.Promise(_streams.GetValueOrDefault(parent)?.State, parent, promised, isPushEnabled: !_isSettingsAcked);
        }

        if (error.IsError)
        {
            Fatal(error);
            return;
        }

        Discard(block);
        Decline(promised, ends: false, Http2ErrorCode.RefusedStream);
    }

    private void HandlePriorityUpdate(in Http2Frame frame)
    {
        Http2Error error;
        lock (_gate)
        {
            error = _ids.Prioritize(frame.PrioritizedStreamId);
            if (!error.IsError && _streams.GetValueOrDefault(frame.PrioritizedStreamId) is { } stream)
            {
                stream.Urgency = StreamPriority.Parse(frame.Payload).Urgency;
            }
        }

        if (error.IsError)
        {
            Fatal(error);
        }
        else
        {
            OnPriorityUpdate(frame.PrioritizedStreamId, frame.Payload);
        }
    }
}
