using System.Buffers.Binary;

namespace RelayCore.Protocols.Http2;

/// <summary>The priority of RFC 7540 §5.3 in HEADERS and PRIORITY; deprecated (RFC 9113 §5.3.2), kept because it is part of a fingerprint.</summary>
/// <param name="DependsOn">Stream this one depends on, or 0.</param>
/// <param name="IsExclusive">Whether it becomes the only one to depend on that.</param>
/// <param name="Weight">1 to 256.</param>
public readonly record struct Http2Priority(int DependsOn, bool IsExclusive, int Weight)
{
    /// <summary>Octets on the wire.</summary>
    public const int Octets = 5;

    /// <summary>Decodes the five octets at the start of <paramref name="source"/>.</summary>
    internal static Http2Priority Read(ReadOnlySpan<byte> source)
    {
        var word = BinaryPrimitives.ReadUInt32BigEndian(source);
        return new((int)(word & Http2Frame.MaxStreamId), word > Http2Frame.MaxStreamId, source[4] + 1);
    }
}

/// <summary>
/// One frame, or one piece of a DATA frame or of a frame of unknown type, as <see cref="Http2FrameReader"/> decoded it. It borrows the octets
/// given to the reader. Facts of one type are only meaningful on frames of that type.
/// </summary>
public readonly ref struct Http2Frame
{
    /// <summary>Octets of a frame header (RFC 9113 §4.1).</summary>
    public const int HeaderOctets = 9;

    /// <summary>Largest stream identifier (§5.1.1), and mask that drops the reserved bit (§4.1).</summary>
    public const int MaxStreamId = int.MaxValue;

    private readonly ReadOnlySpan<byte> _facts; // what precedes the payload: priority, promised stream, last stream and code

    internal Http2Frame(Http2FrameHeader header, ReadOnlySpan<byte> facts, ReadOnlySpan<byte> payload, int padLength, int octets, bool isFirst, bool isLast)
    {
        (Type, Flags, StreamId, Length) = (header.Type, header.Flags, header.StreamId, header.Length);
        (PadLength, PayloadOctets, IsFirstPiece, IsLastPiece) = (padLength, octets, isFirst, isLast);
        Payload = payload;
        _facts = facts;
    }

    /// <summary>The type; values that <see cref="Http2FrameType"/> does not name are to be ignored (§5.5).</summary>
    public Http2FrameType Type { get; }

    /// <summary>The flags as received; undefined ones may be set (§4.1).</summary>
    public Http2FrameFlags Flags { get; }

    /// <summary>The stream, or 0 for the connection.</summary>
    public int StreamId { get; }

    /// <summary>Length of the whole payload as the frame header has it, padding included, in octets.</summary>
    public int Length { get; }

    /// <summary>
    /// What is there of the payload without padding and without the fields that have properties here: content of DATA, field block fragment of HEADERS,
    /// PUSH_PROMISE and CONTINUATION, debug data of GOAWAY, the eight octets of PING, the field value of PRIORITY_UPDATE, the parameters of SETTINGS.
    /// </summary>
    public ReadOnlySpan<byte> Payload { get; }

    /// <summary>Octets of padding behind the content, 0 to 255, the octet that says so not counted.</summary>
    public int PadLength { get; }

    /// <summary>Whether this is the first piece, which stands for the frame where frames are counted.</summary>
    public bool IsFirstPiece { get; }

    /// <summary>Whether nothing of this frame follows. Always, save for DATA and unknown types.</summary>
    public bool IsLastPiece { get; }

    /// <summary>Octets of this piece's payload, padding and its length included.</summary>
    public int PayloadOctets { get; }

    /// <summary>Octets of this piece that count against both windows: the payload with its padding (§6.9.1). 0 unless DATA.</summary>
    public int FlowControlledOctets => Type == Http2FrameType.Data ? PayloadOctets : 0;

    /// <summary>Whether the sender ends its side of the stream with this piece: the last one of DATA or HEADERS with END_STREAM.</summary>
    public bool EndsStream => (Flags & Http2FrameFlags.EndStream) != 0 && IsLastPiece && Type is Http2FrameType.Data or Http2FrameType.Headers;

    /// <summary>Whether the field block ends with this frame: HEADERS, PUSH_PROMISE and CONTINUATION.</summary>
    public bool EndsHeaders => (Flags & Http2FrameFlags.EndHeaders) != 0;

    /// <summary>SETTINGS and PING: whether it is an answer.</summary>
    public bool IsAck => (Flags & Http2FrameFlags.Ack) != 0 && Type is Http2FrameType.Settings or Http2FrameType.Ping;

    /// <summary>Whether the type is one this proxy knows; other frames are dropped (§5.5).</summary>
    public bool IsKnown => Type is <= Http2FrameType.Continuation or Http2FrameType.PriorityUpdate;

    /// <summary>RST_STREAM and GOAWAY: the code, which may be none of the named ones (§7).</summary>
    public Http2ErrorCode ErrorCode => (Http2ErrorCode)BinaryPrimitives.ReadUInt32BigEndian(Type == Http2FrameType.GoAway ? _facts[4..] : _facts);

    /// <summary>GOAWAY: the highest stream of ours the sender processed or may process (§6.8).</summary>
    public int LastStreamId => ReadStreamId();

    /// <summary>PUSH_PROMISE: the promised stream (§6.6).</summary>
    public int PromisedStreamId => ReadStreamId();

    /// <summary>PRIORITY_UPDATE: the stream whose priority changes (RFC 9218 §7.1).</summary>
    public int PrioritizedStreamId => ReadStreamId();

    /// <summary>WINDOW_UPDATE: octets added to the window (§6.9); 0 only together with an error.</summary>
    public int Increment => ReadStreamId();

    /// <summary>HEADERS and PRIORITY: the priority of RFC 7540, or <see langword="null"/> without one.</summary>
    public Http2Priority? Priority => Type is Http2FrameType.Headers or Http2FrameType.Priority && _facts.Length == Http2Priority.Octets
        ? Http2Priority.Read(_facts) : null;

    /// <summary>SETTINGS: the parameters, in the order received (§6.5.1).</summary>
    public Http2SettingsEnumerator Settings => new(Payload);

    private int ReadStreamId() => (int)(BinaryPrimitives.ReadUInt32BigEndian(_facts) & MaxStreamId);
}

/// <summary>The nine octets in front of every frame (RFC 9113 §4.1).</summary>
/// <param name="Length">Octets of payload, 0 to 2^24-1.</param>
/// <param name="Type">The type.</param>
/// <param name="Flags">The flags.</param>
/// <param name="StreamId">The stream, reserved bit dropped.</param>
internal readonly record struct Http2FrameHeader(int Length, Http2FrameType Type, Http2FrameFlags Flags, int StreamId)
{
    /// <summary>Decodes the header at the start of <paramref name="source"/>, which has all its octets.</summary>
    public static Http2FrameHeader Read(ReadOnlySpan<byte> source)
    {
        var word = BinaryPrimitives.ReadUInt64BigEndian(source); // length, type, flags and three octets of the stream
        var streamId = (int)((((uint)word & 0xFF_FFFF) << 8) | source[8]) & Http2Frame.MaxStreamId;
        return new((int)(word >> 40), (Http2FrameType)(byte)(word >> 32), (Http2FrameFlags)(byte)(word >> 24), streamId);
    }
}
