using System.Buffers.Binary;
using System.Buffers.Text;
using System.Diagnostics;
using RelayCore.Load.Http;

namespace RelayCore.Load.Load;

/// <summary>
/// HTTP/2 (RFC 9113): a number of GETs in flight at once, each replaced when its response was whole. Requests that became possible
/// with one received buffer go out in one send, so that neither side works frame by frame.
/// </summary>
internal sealed class Http2Connection : LoadConnection
{
    /// <summary>Windows as wide as a browser's, so that not the generator limits a download: 6 MiB a stream, 15 MiB a connection.</summary>
    private const int StreamWindow = 6 * 1024 * 1024;
    private const int ConnectionWindow = 15 * 1024 * 1024;

    /// <summary>The smallest dynamic table with which the encoder of requests works; RFC 7541 §4.2 makes 4096 the initial one.</summary>
    private const int TableOctets = 4096;
    private readonly Stream[] _streams;
    private readonly int[] _ids;
    private readonly byte[] _output;
    private readonly byte[] _firstBlock;
    private readonly byte[] _repeatedBlock;
    private readonly byte[] _plainBlock;
    private HpackFieldReader _fields = new(":status"u8);
    private int _outputOctets;
    private int _inFlight;
    private int _mostInFlight;
    private int _nextId;
    private bool _isTableUsed;
    private bool _isTableAllowed;
    private bool _hasSettings;
    private bool _isGoingAway;
    private bool _isExhausted;
    private int _connectionConsumed;
    private int _dataLeft;
    private Http2Frame _data;

    /// <param name="plan">What is asked for, with how many streams.</param>
    /// <param name="control">Says how long.</param>
    public Http2Connection(LoadPlan plan, LoadControl control)
        : base(plan, control)
    {
        (_streams, _ids) = (new Stream[plan.Options.Streams], new int[plan.Options.Streams]);
        _firstBlock = HpackBlocks.Request(plan.Options.Url.Scheme, plan.Authority, plan.Options.Url.PathAndQuery, isAdded: true);
        _plainBlock = HpackBlocks.Request(plan.Options.Url.Scheme, plan.Authority, plan.Options.Url.PathAndQuery, isAdded: false);
        _repeatedBlock = HpackBlocks.RepeatedRequest(plan.Options.Url.Scheme);

        // All streams at once, and what one received buffer can make us answer: at worst acknowledgements of its smallest frames.
        _output = new byte[(_streams.Length * (Http2Frame.HeadOctets + _firstBlock.Length)) + (2 * plan.Options.BufferOctets) + 1024];
    }

    /// <summary>A response in progress; mutable, one array element each.</summary>
    private struct Stream
    {
        public long From;
        public long ContentOctets;
        public int Status;
        public int Unacknowledged;
    }

    public override async Task RunAsync()
    {
        while (!Control.IsStopping)
        {
            try
            {
                if (await ConnectAsync() is { } refused)
                {
                    Fail(refused.Fault, refused.Reason);
                }
                else if (await TryUseAsync())
                {
                    Close();
                    if (!_isGoingAway)
                    {
                        return; // no more requests to make
                    }

                    continue; // the server wants another connection, which is its right
                }
            }
            catch (Exception error) when (FaultOf(error) is { } broken)
            {
                Fail(broken.Fault, broken.Reason, Math.Max(1, _inFlight));
            }

            for (; _inFlight > 0; _inFlight--)
            {
                Control.ReturnRequest();
            }

            await PauseAfterFaultAsync();
        }
    }

    /// <returns><see langword="false"/> when it broke, which has been counted; otherwise every response has come.</returns>
    private async Task<bool> TryUseAsync()
    {
        Reset();
        var filled = 0;
        while (true)
        {
            if (_hasSettings && !_isGoingAway)
            {
                StartStreams();
            }

            if (_outputOctets > 0)
            {
                await Wire!.SendAsync(_output.AsMemory(0, _outputOctets));
                _outputOctets = 0;
            }

            if ((_isGoingAway || _isExhausted) && _inFlight == 0)
            {
                return true;
            }

            var received = await Wire!.ReceiveAsync(Buffer.AsMemory(filled));
            if (received == 0)
            {
                throw new EndOfStreamException("the connection ended with responses outstanding");
            }

            filled += received;
            if (Consume(Buffer.AsSpan(0, filled), out var consumed) is { } fault)
            {
                return Fail(fault.Fault, fault.Reason, Math.Max(1, _inFlight));
            }

            Buffer.AsSpan(consumed, filled - consumed).CopyTo(Buffer);
            filled -= consumed;
        }
    }

    private void Reset()
    {
        _fields = new(":status"u8);
        Array.Clear(_ids);
        (_inFlight, _nextId, _mostInFlight, _connectionConsumed, _dataLeft) = (0, 1, _streams.Length, 0, 0);
        (_isTableUsed, _isTableAllowed, _hasSettings, _isGoingAway, _isExhausted) = (false, true, false, false, false);
        Http2Frame.Preface.CopyTo(_output);
        _outputOctets = Http2Frame.Preface.Length;
        _outputOctets += Http2Frame.WriteSettings(
            _output.AsSpan(_outputOctets), (Http2Frame.SettingEnablePush, 0), (Http2Frame.SettingInitialWindowSize, StreamWindow));
        _outputOctets += Http2Frame.WriteWindowUpdate(_output.AsSpan(_outputOctets), 0, ConnectionWindow - Http2Frame.DefaultWindow);
    }

    private void StartStreams()
    {
        var now = 0L;
        while (_inFlight < _mostInFlight)
        {
            if (!Control.TryTakeRequest())
            {
                _isExhausted = true;
                return;
            }

            now = now == 0 ? Stopwatch.GetTimestamp() : now;
            var slot = _ids.AsSpan().IndexOf(0);
            (_ids[slot], _streams[slot]) = (_nextId, new() { From = now });
            var block = !_isTableAllowed ? _plainBlock : _isTableUsed ? _repeatedBlock : _firstBlock;
            _isTableUsed = true;
            _outputOctets += new Http2Frame(block.Length, Http2FrameType.Headers, Http2Flags.EndHeaders | Http2Flags.EndStream, _nextId)
                .Write(_output.AsSpan(_outputOctets));
            block.CopyTo(_output.AsSpan(_outputOctets));
            _outputOctets += block.Length;
            _nextId += 2;
            _inFlight++;
        }
    }

    /// <param name="source">What is in the buffer.</param>
    /// <param name="consumed">How much of it is done with; the rest is the start of a frame.</param>
    private (LoadFault Fault, string Reason)? Consume(ReadOnlySpan<byte> source, out int consumed)
    {
        consumed = 0;
        while (true)
        {
            if (_dataLeft > 0)
            {
                // Content passes as it comes; only frames that must be understood have to be whole.
                var piece = Math.Min(_dataLeft, source.Length - consumed);
                consumed += piece;
                _dataLeft -= piece;
                if (OnData(piece, isEnd: _dataLeft == 0) is { } broken)
                {
                    return broken;
                }

                if (_dataLeft > 0)
                {
                    return null;
                }
            }

            if (source.Length - consumed < Http2Frame.HeadOctets)
            {
                return null;
            }

            var frame = Http2Frame.Read(source[consumed..]);
            if (frame.PayloadOctets > Http2Frame.MaxPayloadOctets)
            {
                return (LoadFault.Malformed, $"a frame of {frame.PayloadOctets} octets");
            }

            if (frame.Type == Http2FrameType.Data && !frame.Flags.HasFlag(Http2Flags.Padded))
            {
                consumed += Http2Frame.HeadOctets;
                (_data, _dataLeft) = (frame, frame.PayloadOctets);
                if (_dataLeft == 0 && OnData(0, isEnd: true) is { } broken)
                {
                    return broken;
                }

                continue;
            }

            if (source.Length - consumed < Http2Frame.HeadOctets + frame.PayloadOctets)
            {
                return null;
            }

            var fault = OnFrame(frame, source.Slice(consumed + Http2Frame.HeadOctets, frame.PayloadOctets));
            consumed += Http2Frame.HeadOctets + frame.PayloadOctets;
            if (fault is not null)
            {
                return fault;
            }
        }
    }

    private (LoadFault Fault, string Reason)? OnFrame(in Http2Frame frame, ReadOnlySpan<byte> payload)
    {
        switch (frame.Type)
        {
            case Http2FrameType.Headers:
                return OnHeaders(frame, payload);
            case Http2FrameType.Settings when !frame.Flags.HasFlag(Http2Frame.Acknowledged):
                return OnSettings(payload);
            case Http2FrameType.Ping when !frame.Flags.HasFlag(Http2Frame.Acknowledged):
                _outputOctets += Http2Frame.WritePingAck(_output.AsSpan(_outputOctets), payload);
                return null;
            case Http2FrameType.ResetStream:
                return (LoadFault.Refused, $"RST_STREAM with code {Code(payload)}");
            case Http2FrameType.GoAway when payload.Length >= 8:
                // With NO_ERROR and nothing of ours left out it is an orderly end (RFC 9113 §6.8).
                _isGoingAway = true;
                var last = BinaryPrimitives.ReadInt32BigEndian(payload) & int.MaxValue;
                return Code(payload[4..]) == 0 && !_ids.AsSpan().ContainsAnyInRange(last + 1, int.MaxValue)
                    ? null
                    : (LoadFault.Refused, $"GOAWAY with code {Code(payload[4..])}, last stream {last} of {_nextId - 2}");
            case Http2FrameType.Continuation or Http2FrameType.PushPromise or Http2FrameType.GoAway:
                return (LoadFault.Malformed, $"{frame.Type} was not expected");
            case Http2FrameType.Data:
                return OnPaddedData(frame, payload);
            default:
                return null;
        }
    }

    private static uint Code(ReadOnlySpan<byte> payload) => payload.Length >= 4 ? BinaryPrimitives.ReadUInt32BigEndian(payload) : uint.MaxValue;

    private (LoadFault Fault, string Reason)? OnSettings(ReadOnlySpan<byte> payload)
    {
        for (; payload.Length >= 6; payload = payload[6..])
        {
            var value = BinaryPrimitives.ReadUInt32BigEndian(payload[2..]);
            switch (BinaryPrimitives.ReadUInt16BigEndian(payload))
            {
                case Http2Frame.SettingMaxConcurrentStreams:
                    _mostInFlight = (int)Math.Min((uint)_streams.Length, value);
                    break;
                case Http2Frame.SettingHeaderTableSize when value < TableOctets && _isTableUsed:
                    return (LoadFault.Malformed, "a smaller header table after the first request is not provided for");
                case Http2Frame.SettingHeaderTableSize:
                    _isTableAllowed = value >= TableOctets;
                    break;
            }
        }

        _hasSettings = true;
        _outputOctets += Http2Frame.WriteSettingsAck(_output.AsSpan(_outputOctets));
        return null;
    }

    private (LoadFault Fault, string Reason)? OnHeaders(in Http2Frame frame, ReadOnlySpan<byte> payload)
    {
        var slot = _ids.AsSpan().IndexOf(frame.StreamId);
        if (slot < 0 || !frame.Flags.HasFlag(Http2Flags.EndHeaders) || !frame.TryStrip(payload, out var block) || !_fields.TryRead(block))
        {
            return (LoadFault.Malformed, $"HEADERS for stream {frame.StreamId} of {payload.Length} octets");
        }

        ref var stream = ref _streams[slot];
        if (stream.Status < 200) // otherwise these are trailers
        {
            if (!Utf8Parser.TryParse(_fields.Value.Span, out stream.Status, out var used) || used != 3)
            {
                return (LoadFault.Malformed, "a response without a status");
            }
        }

        return frame.Flags.HasFlag(Http2Flags.EndStream) ? OnEnd(slot) : null;
    }

    /// <summary>A padded frame: the padding counts for the windows and not as content (RFC 9113 §6.1).</summary>
    private (LoadFault Fault, string Reason)? OnPaddedData(in Http2Frame frame, ReadOnlySpan<byte> payload)
    {
        if (!frame.TryStrip(payload, out var content))
        {
            return (LoadFault.Malformed, "padding longer than its frame");
        }

        _data = frame with { Flags = frame.Flags & ~Http2Flags.EndStream };
        if (OnData(payload.Length, isEnd: false) is { } fault)
        {
            return fault;
        }

        var slot = _ids.AsSpan().IndexOf(frame.StreamId);
        _streams[slot].ContentOctets -= payload.Length - content.Length;
        CountOctets(content.Length - payload.Length);
        return frame.Flags.HasFlag(Http2Flags.EndStream) ? OnEnd(slot) : null;
    }

    /// <summary>A piece of a DATA frame, or the whole of it.</summary>
    private (LoadFault Fault, string Reason)? OnData(int octets, bool isEnd)
    {
        var slot = _ids.AsSpan().IndexOf(_data.StreamId);
        if (slot < 0 || _data.StreamId == 0 || _streams[slot].Status < 200)
        {
            return (LoadFault.Malformed, $"DATA for stream {_data.StreamId}");
        }

        ref var stream = ref _streams[slot];
        stream.ContentOctets += octets;
        stream.Unacknowledged += octets;
        CountOctets(octets);
        _connectionConsumed += octets;
        if (_connectionConsumed >= ConnectionWindow / 2)
        {
            _outputOctets += Http2Frame.WriteWindowUpdate(_output.AsSpan(_outputOctets), 0, _connectionConsumed);
            _connectionConsumed = 0;
        }

        if (isEnd && _data.Flags.HasFlag(Http2Flags.EndStream))
        {
            return OnEnd(slot);
        }

        if (stream.Unacknowledged >= StreamWindow / 2)
        {
            _outputOctets += Http2Frame.WriteWindowUpdate(_output.AsSpan(_outputOctets), _data.StreamId, stream.Unacknowledged);
            stream.Unacknowledged = 0;
        }

        return null;
    }

    private (LoadFault Fault, string Reason)? OnEnd(int slot)
    {
        ref var stream = ref _streams[slot];
        LoadFault? fault = stream.Status != 200 ? LoadFault.Status
            : Plan.Options.ExpectOctets >= 0 && stream.ContentOctets != Plan.Options.ExpectOctets ? LoadFault.Length
            : null;
        if (fault is { } kind)
        {
            return (kind, $"{kind}: status {stream.Status}, {stream.ContentOctets} octets of content");
        }

        CountCompleted(stream.From);
        _ids[slot] = 0;
        _inFlight--;
        return null;
    }
}
