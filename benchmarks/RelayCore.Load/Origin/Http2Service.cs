using System.Buffers.Binary;
using System.Globalization;
using RelayCore.Load.Http;

namespace RelayCore.Load.Origin;

/// <summary>
/// Serves one HTTP/2 connection (RFC 9113): answers each request, when it has ended, with what <see cref="OriginContent"/> says, within the
/// client's windows and in turns between streams. All that one received buffer asks for goes out in one send.
/// </summary>
/// <param name="wire">The connection; the caller closes it.</param>
/// <param name="buffer">Where the octets are; frames must fit.</param>
/// <param name="filled">How much of it has been received already, the preface included.</param>
internal sealed class Http2Service(Wire wire, byte[] buffer, int filled)
{
    private const int MostStreams = 256;
    private const int ReceiveWindow = 8 * 1024 * 1024;
    private const int TableOctets = 4096;
    private const byte ProtocolError = 1;

    /// <summary>How full one send gets; a head and the content of one turn may go beyond.</summary>
    private const int SendOctets = 64 * 1024;
    private const int MostHeadOctets = 256;

    /// <summary>The last part is for acknowledgements, of which a received buffer cannot ask for more than its own length.</summary>
    private readonly byte[] _output = new byte[SendOctets + MostHeadOctets + Http2Frame.HeadOctets + Http2Frame.MaxPayloadOctets + buffer.Length + 64];
    private readonly HpackFieldReader _fields = new(":path"u8);

    /// <summary>Requests whose end has not come.</summary>
    private readonly Dictionary<int, Answer> _open = [];

    /// <summary>Answers that could not be sent at once, in turn.</summary>
    private readonly List<Answer> _waiting = [];
    private byte[] _block = [];
    private long _blockLength = -1;
    private bool _isTableAllowed = true;
    private long _connectionWindow = Http2Frame.DefaultWindow;
    private int _initialWindow = Http2Frame.DefaultWindow;
    private int _connectionReceived;
    private int _outputOctets;
    private int _turn;

    /// <summary>One stream's answer; made only for requests with a body and for answers that have to wait.</summary>
    private sealed class Answer
    {
        public required int StreamId { get; init; }

        /// <summary>Octets of content in all.</summary>
        public required long Length { get; init; }

        /// <summary>Octets of content still to send.</summary>
        public required long Left { get; set; }

        public required long Window { get; set; }

        public bool IsHeadSent { get; set; }

        /// <summary>Octets of the request's body for which the client has not been given new window.</summary>
        public int Received { get; set; }

        public bool CanSend(long connectionWindow) => Left == 0 || (Window > 0 && connectionWindow > 0);
    }

    private bool CanSend => _waiting.Exists(answer => answer.CanSend(_connectionWindow));

    /// <summary>Returns when the connection is to be closed.</summary>
    public async Task RunAsync()
    {
        Start();
        var isFine = Consume();
        while (isFine)
        {
            var receiving = wire.ReceiveAsync(buffer.AsMemory(filled));
            do
            {
                // What the client sends, its window updates above all, is looked at between sends, and waited for only when nothing can be sent.
                Fill();
                if (_outputOctets > 0)
                {
                    await wire.SendAsync(_output.AsMemory(0, _outputOctets));
                    _outputOctets = 0;
                }
            }
            while (!receiving.IsCompleted && CanSend);

            var received = await receiving;
            if (received == 0)
            {
                return;
            }

            filled += received;
            isFine = Consume();
        }

        var goAway = new byte[Http2Frame.HeadOctets + 8];
        new Http2Frame(8, Http2FrameType.GoAway, Http2Flags.None, 0).Write(goAway);
        goAway[^1] = ProtocolError;
        await wire.SendAsync(goAway);
    }

    private void Start()
    {
        filled -= Http2Frame.Preface.Length;
        buffer.AsSpan(Http2Frame.Preface.Length, filled).CopyTo(buffer);
        _outputOctets = Http2Frame.WriteSettings(
            _output, (Http2Frame.SettingMaxConcurrentStreams, MostStreams), (Http2Frame.SettingInitialWindowSize, ReceiveWindow));
        _outputOctets += Http2Frame.WriteWindowUpdate(_output.AsSpan(_outputOctets), 0, ReceiveWindow - Http2Frame.DefaultWindow);
    }

    /// <summary>Takes the whole frames from the buffer and keeps what follows them.</summary>
    private bool Consume()
    {
        var used = 0;
        while (filled - used >= Http2Frame.HeadOctets)
        {
            var frame = Http2Frame.Read(buffer.AsSpan(used));
            if (frame.PayloadOctets > Http2Frame.MaxPayloadOctets)
            {
                return false;
            }

            if (filled - used < Http2Frame.HeadOctets + frame.PayloadOctets)
            {
                break;
            }

            if (!TryTake(frame, buffer.AsSpan(used + Http2Frame.HeadOctets, frame.PayloadOctets)))
            {
                return false;
            }

            used += Http2Frame.HeadOctets + frame.PayloadOctets;
        }

        buffer.AsSpan(used, filled - used).CopyTo(buffer);
        filled -= used;
        return true;
    }

    private bool TryTake(in Http2Frame frame, ReadOnlySpan<byte> payload)
    {
        switch (frame.Type)
        {
            case Http2FrameType.Headers:
                return TryTakeHeaders(frame, payload);
            case Http2FrameType.Data:
                return TryTakeData(frame, payload);
            case Http2FrameType.Settings when !frame.Flags.HasFlag(Http2Frame.Acknowledged):
                TakeSettings(payload);
                return true;
            case Http2FrameType.Ping when !frame.Flags.HasFlag(Http2Frame.Acknowledged):
                _outputOctets += Http2Frame.WritePingAck(_output.AsSpan(_outputOctets), payload);
                return true;
            case Http2FrameType.WindowUpdate when payload.Length == 4:
                TakeWindowUpdate(frame.StreamId, BinaryPrimitives.ReadInt32BigEndian(payload) & int.MaxValue);
                return true;
            case Http2FrameType.ResetStream:
                var streamId = frame.StreamId;
                _open.Remove(streamId);
                _waiting.RemoveAll(answer => answer.StreamId == streamId);
                return true;
            default:
                // A header block in several frames is not provided for; the rest (PRIORITY, GOAWAY, unknown types) changes nothing here.
                return frame.Type is not (Http2FrameType.Continuation or Http2FrameType.PushPromise or Http2FrameType.WindowUpdate);
        }
    }

    private bool TryTakeHeaders(in Http2Frame frame, ReadOnlySpan<byte> payload)
    {
        if (!frame.Flags.HasFlag(Http2Flags.EndHeaders) || !frame.TryStrip(payload, out var block) || !_fields.TryRead(block))
        {
            return false;
        }

        var isEnd = frame.Flags.HasFlag(Http2Flags.EndStream);
        if (_open.TryGetValue(frame.StreamId, out var trailed))
        {
            if (isEnd)
            {
                End(trailed);
            }

            return isEnd;
        }

        var length = OriginContent.LengthOf(_fields.Value.Span);
        if (isEnd && _waiting.Count == 0 && _outputOctets < SendOctets && length <= Math.Min(Http2Frame.MaxPayloadOctets, Math.Min(_initialWindow, _connectionWindow)))
        {
            WriteHead(frame.StreamId, length);
            WriteContent(frame.StreamId, (int)length, isLast: true);
            return true;
        }

        if (_open.Count + _waiting.Count >= MostStreams)
        {
            return false;
        }

        var answer = new Answer { StreamId = frame.StreamId, Length = length, Left = length, Window = _initialWindow };
        if (isEnd)
        {
            _waiting.Add(answer);
        }
        else
        {
            _open.Add(frame.StreamId, answer);
        }

        return true;
    }

    private bool TryTakeData(in Http2Frame frame, ReadOnlySpan<byte> payload)
    {
        if (!_open.TryGetValue(frame.StreamId, out var answer) || !frame.TryStrip(payload, out _))
        {
            return false;
        }

        _connectionReceived += payload.Length;
        if (_connectionReceived >= ReceiveWindow / 2)
        {
            _outputOctets += Http2Frame.WriteWindowUpdate(_output.AsSpan(_outputOctets), 0, _connectionReceived);
            _connectionReceived = 0;
        }

        answer.Received += payload.Length;
        if (frame.Flags.HasFlag(Http2Flags.EndStream))
        {
            End(answer);
        }
        else if (answer.Received >= ReceiveWindow / 2)
        {
            _outputOctets += Http2Frame.WriteWindowUpdate(_output.AsSpan(_outputOctets), frame.StreamId, answer.Received);
            answer.Received = 0;
        }

        return true;
    }

    private void End(Answer answer)
    {
        _open.Remove(answer.StreamId);
        _waiting.Add(answer);
    }

    private void TakeSettings(ReadOnlySpan<byte> payload)
    {
        for (; payload.Length >= 6; payload = payload[6..])
        {
            var value = BinaryPrimitives.ReadUInt32BigEndian(payload[2..]);
            switch (BinaryPrimitives.ReadUInt16BigEndian(payload))
            {
                case Http2Frame.SettingHeaderTableSize when value < TableOctets:
                    (_isTableAllowed, _blockLength) = (false, -1);
                    break;
                case Http2Frame.SettingInitialWindowSize:
                    var change = (int)Math.Min(value, int.MaxValue) - _initialWindow;
                    _initialWindow += change;
                    foreach (var answer in _waiting.Concat(_open.Values))
                    {
                        answer.Window += change; // RFC 9113 §6.9.2
                    }

                    break;
            }
        }

        _outputOctets += Http2Frame.WriteSettingsAck(_output.AsSpan(_outputOctets));
    }

    private void TakeWindowUpdate(int streamId, int increment)
    {
        if (streamId == 0)
        {
            _connectionWindow += increment;
        }
        else if ((_waiting.Find(answer => answer.StreamId == streamId) ?? _open.GetValueOrDefault(streamId)) is { } answer)
        {
            answer.Window += increment;
        }
    }

    /// <summary>Gives the waiting answers turns until the output is full or none of them can send.</summary>
    private void Fill()
    {
        for (var idle = 0; _waiting.Count > idle && _outputOctets < SendOctets;)
        {
            _turn = _turn < _waiting.Count ? _turn : 0;
            var answer = _waiting[_turn];
            if (!answer.CanSend(_connectionWindow))
            {
                (idle, _turn) = (idle + 1, _turn + 1);
                continue;
            }

            idle = 0;
            if (!answer.IsHeadSent)
            {
                WriteHead(answer.StreamId, answer.Length);
                answer.IsHeadSent = true;
            }

            var octets = (int)Math.Min(Math.Min(answer.Left, Http2Frame.MaxPayloadOctets), Math.Min(answer.Window, _connectionWindow));
            answer.Left -= octets;
            answer.Window -= octets;
            WriteContent(answer.StreamId, octets, isLast: answer.Left == 0);
            if (answer.Left == 0)
            {
                _waiting.RemoveAt(_turn);
            }
            else
            {
                _turn++;
            }
        }
    }

    private void WriteHead(int streamId, long length)
    {
        var block = length == _blockLength ? _block : HpackBlocks.Response(length.ToString(CultureInfo.InvariantCulture), _isTableAllowed);
        if (length != _blockLength)
        {
            _block = _isTableAllowed ? HpackBlocks.RepeatedResponse : block;
            _blockLength = length;
        }

        _outputOctets += new Http2Frame(block.Length, Http2FrameType.Headers, Http2Flags.EndHeaders, streamId).Write(_output.AsSpan(_outputOctets));
        block.CopyTo(_output.AsSpan(_outputOctets));
        _outputOctets += block.Length;
    }

    private void WriteContent(int streamId, int octets, bool isLast)
    {
        _connectionWindow -= octets;
        var flags = isLast ? Http2Flags.EndStream : Http2Flags.None;
        _outputOctets += new Http2Frame(octets, Http2FrameType.Data, flags, streamId).Write(_output.AsSpan(_outputOctets));
        OriginContent.Piece.AsSpan(0, octets).CopyTo(_output.AsSpan(_outputOctets));
        _outputOctets += octets;
    }
}
