using System.Buffers;
using System.Buffers.Binary;

namespace RelayCore.Protocols.Http2;

/// <summary>
/// Takes frames off the octets of one peer and refuses what a frame shows by itself to be wrong (RFC 9113 §4.1, §4.2, §6.1-§6.10, RFC 9218 §7.1).
/// What depends on the connection or a stream is for <see cref="Http2FieldBlock"/>, <see cref="Http2Streams"/> and the windows.
/// A field of its owner; never copied while in use.
/// </summary>
/// <remarks>
/// <code>
/// HTTP Frame { Length (24), Type (8), Flags (8), Reserved (1), Stream Identifier (31), Frame Payload (..) }
/// </code>
/// Memory: none besides five fields. DATA and unknown frames come in pieces, as many octets as are there; every other frame must be complete
/// in one call, so the caller's buffer has to hold <see cref="Http2Frame.HeaderOctets"/> and the maximum frame size. Allocates nothing.
/// </remarks>
public struct Http2FrameReader
{
    private Http2FrameHeader _header; // of the frame whose pieces are being delivered
    private int _contentLeft;
    private int _paddingLeft;
    private int _padLength;
    private bool _inside;

    /// <summary>Whether the last piece was not the end of its frame: end of input here is a truncation, and so is one with octets left over.</summary>
    public readonly bool IsInsideFrame => _inside;

    /// <summary>Decodes the frame, or the piece of one, at the start of <paramref name="source"/>.</summary>
    /// <param name="source">Octets not consumed so far.</param>
    /// <param name="maxFrameSize">The SETTINGS_MAX_FRAME_SIZE we announced, in octets, 2^14 to 2^24-1.</param>
    /// <param name="frame">The frame, when the result is <see cref="OperationStatus.Done"/>; borrows <paramref name="source"/>.</param>
    /// <param name="consumed">Octets that are done with; 0 for any other result.</param>
    /// <param name="error">
    /// The rule broken. With <see cref="OperationStatus.InvalidData"/> a connection error. With <see cref="OperationStatus.Done"/> none, or a stream
    /// error: the stream is to be reset, but the frame counts as received for windows and field compression.
    /// </param>
    /// <returns>
    /// <see cref="OperationStatus.Done"/>; <see cref="OperationStatus.NeedMoreData"/> to be called again with a longer <paramref name="source"/>;
    /// or <see cref="OperationStatus.InvalidData"/>, after which the connection cannot continue.
    /// </returns>
    public OperationStatus TryRead(ReadOnlySpan<byte> source, int maxFrameSize, out Http2Frame frame, out int consumed, out Http2Error error)
    {
        (consumed, error) = (0, default);
        frame = default;
        if (_inside)
        {
            return ReadPiece(source, 0, out frame, out consumed);
        }

        if (source.Length < Http2Frame.HeaderOctets)
        {
            return OperationStatus.NeedMoreData;
        }

        var header = Http2FrameHeader.Read(source);
        error = CheckHeader(header, maxFrameSize);
        if (error.IsConnectionError)
        {
            return OperationStatus.InvalidData;
        }

        if (header.Type is Http2FrameType.Data or > Http2FrameType.Continuation and not Http2FrameType.PriorityUpdate)
        {
            return BeginPieces(source, header, out frame, out consumed, ref error);
        }

        if (source.Length - Http2Frame.HeaderOctets < header.Length)
        {
            error = default; // reported together with the frame
            return OperationStatus.NeedMoreData;
        }

        var payload = source.Slice(Http2Frame.HeaderOctets, header.Length);
        if (!TryTakeApart(header, payload, out var facts, out var content, out var padLength, ref error))
        {
            return OperationStatus.InvalidData;
        }

        frame = new(header, facts, content, padLength, header.Length, isFirst: true, isLast: true);
        consumed = Http2Frame.HeaderOctets + header.Length;
        return OperationStatus.Done;
    }

    /// <summary>What the nine octets alone prove wrong, before any payload is waited for.</summary>
    private static Http2Error CheckHeader(Http2FrameHeader header, int maxFrameSize)
    {
        var (length, type, flags, streamId) = header;
        var ofStream = type is <= Http2FrameType.RstStream or Http2FrameType.PushPromise or Http2FrameType.Continuation;
        if (ofStream && streamId == 0)
        {
            return Http2Error.Protocol(Http2Fault.StreamIdMissing);
        }

        if (streamId != 0 && type is Http2FrameType.Settings or Http2FrameType.Ping or Http2FrameType.GoAway or Http2FrameType.PriorityUpdate)
        {
            return Http2Error.Protocol(Http2Fault.StreamIdNotAllowed);
        }

        if (length > maxFrameSize)
        {
            // Only DATA can be that large and still leave the connection in a known state (§4.2); its pieces are counted and dropped.
            return new(Http2Fault.FrameTooLarge, Http2ErrorCode.FrameSizeError, type == Http2FrameType.Data ? streamId : 0);
        }

        var padding = (flags & Http2FrameFlags.Padded) != 0 ? 1 : 0;
        var isWrong = type switch
        {
            Http2FrameType.Data => length < padding,
            Http2FrameType.Headers => length < padding + ((flags & Http2FrameFlags.Priority) != 0 ? Http2Priority.Octets : 0),
            Http2FrameType.Priority => length != Http2Priority.Octets,
            Http2FrameType.RstStream or Http2FrameType.WindowUpdate => length != 4,
            Http2FrameType.Settings => length % Http2Setting.Octets != 0,
            Http2FrameType.PushPromise => length < padding + 4,
            Http2FrameType.Ping => length != 8,
            Http2FrameType.GoAway => length < 8,
            Http2FrameType.PriorityUpdate => length < 4,
            _ => false,
        };
        if (isWrong)
        {
            return new(Http2Fault.WrongLength, Http2ErrorCode.FrameSizeError, type == Http2FrameType.Priority ? streamId : 0); // §6.3: of the stream
        }

        return type == Http2FrameType.Settings && (flags & Http2FrameFlags.Ack) != 0 && length != 0
            ? new(Http2Fault.SettingsAckWithPayload, Http2ErrorCode.FrameSizeError) : default;
    }

    /// <summary>Separates a complete payload into facts, content and padding, and checks the facts.</summary>
    private static bool TryTakeApart(
        Http2FrameHeader header, ReadOnlySpan<byte> payload, out ReadOnlySpan<byte> facts, out ReadOnlySpan<byte> content, out int padLength, scoped ref Http2Error error)
    {
        var (_, type, flags, streamId) = header;
        content = payload;
        padLength = 0;
        if ((flags & Http2FrameFlags.Padded) != 0 && type is Http2FrameType.Headers or Http2FrameType.PushPromise)
        {
            padLength = payload[0];
            content = payload[1..];
        }

        var factOctets = type switch
        {
            Http2FrameType.Headers => (flags & Http2FrameFlags.Priority) != 0 ? Http2Priority.Octets : 0,
            Http2FrameType.Priority => error.IsError ? 0 : Http2Priority.Octets,
            Http2FrameType.GoAway => 8,
            Http2FrameType.RstStream or Http2FrameType.PushPromise or Http2FrameType.WindowUpdate or Http2FrameType.PriorityUpdate => 4,
            _ => 0,
        };
        facts = content[..factOctets];
        content = content[factOctets..];
        if (padLength > content.Length)
        {
            error = Http2Error.Protocol(Http2Fault.PaddingTooLong);
            return false;
        }

        content = content[..^padLength];
        if (!error.IsError)
        {
            error = type switch
            {
                Http2FrameType.Headers or Http2FrameType.Priority => facts.IsEmpty || ReadStreamId(facts) != streamId ? default
                    : new(Http2Fault.SelfDependency, Http2ErrorCode.ProtocolError, streamId),
                Http2FrameType.Settings => CheckSettings(content),
                Http2FrameType.PushPromise => ReadStreamId(facts) is var id && (id == 0 || (id & 1) != 0)
                    ? Http2Error.Protocol(Http2Fault.InvalidPromisedStreamId) : default,
                Http2FrameType.WindowUpdate => ReadStreamId(facts) == 0
                    ? new(Http2Fault.ZeroIncrement, Http2ErrorCode.ProtocolError, streamId) : default,
                Http2FrameType.PriorityUpdate => ReadStreamId(facts) == 0 ? Http2Error.Protocol(Http2Fault.InvalidPriorityUpdate) : default,
                _ => default,
            };
        }

        return !error.IsConnectionError;
    }

    private static Http2Error CheckSettings(ReadOnlySpan<byte> payload)
    {
        foreach (var setting in new Http2SettingsEnumerator(payload))
        {
            if (setting.Check() is { IsError: true } error)
            {
                return error;
            }
        }

        return default;
    }

    private static int ReadStreamId(ReadOnlySpan<byte> source) => (int)(BinaryPrimitives.ReadUInt32BigEndian(source) & Http2Frame.MaxStreamId);

    private OperationStatus BeginPieces(
        ReadOnlySpan<byte> source, Http2FrameHeader header, out Http2Frame frame, out int consumed, scoped ref Http2Error error)
    {
        var prefix = Http2Frame.HeaderOctets;
        var padLength = 0;
        frame = default;
        consumed = 0;
        if (header.Type == Http2FrameType.Data && (header.Flags & Http2FrameFlags.Padded) != 0)
        {
            if (source.Length <= prefix)
            {
                error = default;
                return OperationStatus.NeedMoreData;
            }

            padLength = source[prefix++];
            if (padLength >= header.Length)
            {
                error = Http2Error.Protocol(Http2Fault.PaddingTooLong);
                return OperationStatus.InvalidData;
            }
        }

        var contentLength = header.Length - (prefix - Http2Frame.HeaderOctets) - padLength;
        if (source.Length == prefix && contentLength + padLength > 0)
        {
            error = default;
            return OperationStatus.NeedMoreData;
        }

        (_header, _contentLeft, _paddingLeft, _padLength, _inside) = (header, contentLength, padLength, padLength, true);
        return ReadPiece(source, prefix, out frame, out consumed);
    }

    private OperationStatus ReadPiece(ReadOnlySpan<byte> source, int prefix, out Http2Frame frame, out int consumed)
    {
        if (source.Length == prefix && prefix == 0)
        {
            frame = default;
            consumed = 0;
            return OperationStatus.NeedMoreData;
        }

        var content = Math.Min(_contentLeft, source.Length - prefix);
        var padding = Math.Min(_paddingLeft, source.Length - prefix - content);
        _contentLeft -= content;
        _paddingLeft -= padding;
        _inside = _contentLeft + _paddingLeft > 0;
        consumed = prefix + content + padding;
        var octets = prefix == 0 ? consumed : consumed - Http2Frame.HeaderOctets;
        frame = new(_header, default, source.Slice(prefix, content), _padLength, octets, isFirst: prefix != 0, isLast: !_inside);
        return OperationStatus.Done;
    }
}
