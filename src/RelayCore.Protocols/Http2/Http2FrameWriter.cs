using System.Buffers.Binary;
using System.Diagnostics;

namespace RelayCore.Protocols.Http2;

/// <summary>
/// Writes frames (RFC 9113 §4.1, §6). Every function writes to the start of a span that is large enough and returns the octets written;
/// it allocates nothing. What may be sent when is for <see cref="Http2StreamState"/> and <see cref="SendWindow"/>.
/// </summary>
public static class Http2FrameWriter
{
    /// <summary>Octets of PING with its frame header.</summary>
    public const int PingOctets = Http2Frame.HeaderOctets + 8;

    /// <summary>Octets of RST_STREAM and of WINDOW_UPDATE with the frame header.</summary>
    public const int WordFrameOctets = Http2Frame.HeaderOctets + 4;

    /// <summary>Octets of GOAWAY without debug data.</summary>
    public const int GoAwayOctets = Http2Frame.HeaderOctets + 8;

    /// <summary>The header of any frame.</summary>
    /// <param name="destination">At least <see cref="Http2Frame.HeaderOctets"/>.</param>
    /// <param name="length">Octets of payload that follow, 0 to 2^24-1.</param>
    /// <param name="type">The type.</param>
    /// <param name="flags">The flags.</param>
    /// <param name="streamId">The stream, or 0.</param>
    public static int WriteHeader(Span<byte> destination, int length, Http2FrameType type, Http2FrameFlags flags, int streamId)
    {
        Debug.Assert(length is >= 0 and <= Http2Settings.MaxMaxFrameSize && streamId >= 0, "Both have their bounds on the wire (§4.1).");
        destination[8] = (byte)streamId; // the bound is checked once
        BinaryPrimitives.WriteUInt64BigEndian(destination, ((ulong)length << 40) | ((ulong)type << 32) | ((ulong)flags << 24) | ((uint)streamId >> 8));
        return Http2Frame.HeaderOctets;
    }

    /// <summary>The header of DATA; the content goes behind it, so that it need not be copied (§6.1).</summary>
    public static int WriteDataHeader(Span<byte> destination, int length, int streamId, bool endStream) =>
        WriteHeader(destination, length, Http2FrameType.Data, endStream ? Http2FrameFlags.EndStream : Http2FrameFlags.None, streamId);

    /// <summary>SETTINGS (§6.5).</summary>
    public static int WriteSettings(Span<byte> destination, ReadOnlySpan<Http2Setting> settings)
    {
        var at = WriteHeader(destination, settings.Length * Http2Setting.Octets, Http2FrameType.Settings, Http2FrameFlags.None, 0);
        return at + WriteParameters(destination[at..], settings);
    }

    /// <summary>SETTINGS that acknowledge (§6.5.3).</summary>
    public static int WriteSettingsAck(Span<byte> destination) => WriteHeader(destination, 0, Http2FrameType.Settings, Http2FrameFlags.Ack, 0);

    /// <summary>PING, or the answer to one with the octets it had (§6.7).</summary>
    public static int WritePing(Span<byte> destination, ReadOnlySpan<byte> opaque, bool ack)
    {
        WriteHeader(destination, 8, Http2FrameType.Ping, ack ? Http2FrameFlags.Ack : Http2FrameFlags.None, 0);
        opaque[..8].CopyTo(destination[Http2Frame.HeaderOctets..]);
        return PingOctets;
    }

    /// <summary>GOAWAY (§6.8).</summary>
    public static int WriteGoAway(Span<byte> destination, int lastStreamId, Http2ErrorCode code, ReadOnlySpan<byte> debugData)
    {
        var at = WriteHeader(destination, 8 + debugData.Length, Http2FrameType.GoAway, Http2FrameFlags.None, 0);
        BinaryPrimitives.WriteUInt32BigEndian(destination[at..], (uint)lastStreamId);
        BinaryPrimitives.WriteUInt32BigEndian(destination[(at + 4)..], (uint)code);
        debugData.CopyTo(destination[GoAwayOctets..]);
        return GoAwayOctets + debugData.Length;
    }

    /// <summary>RST_STREAM (§6.4).</summary>
    public static int WriteRstStream(Span<byte> destination, int streamId, Http2ErrorCode code) =>
        WriteWord(destination, Http2FrameType.RstStream, streamId, (uint)code);

    /// <summary>WINDOW_UPDATE of a stream, or of the connection when <paramref name="streamId"/> is 0 (§6.9).</summary>
    public static int WriteWindowUpdate(Span<byte> destination, int streamId, int increment)
    {
        Debug.Assert(increment > 0, "An increment of 0 is an error (§6.9).");
        return WriteWord(destination, Http2FrameType.WindowUpdate, streamId, (uint)increment);
    }

    /// <summary>PRIORITY (§6.3), for clients whose fingerprint has it.</summary>
    public static int WritePriority(Span<byte> destination, int streamId, Http2Priority priority)
    {
        var at = WriteHeader(destination, Http2Priority.Octets, Http2FrameType.Priority, Http2FrameFlags.None, streamId);
        return at + WritePriorityFields(destination[at..], priority);
    }

    /// <summary>PRIORITY_UPDATE (RFC 9218 §7.1).</summary>
    /// <param name="destination">Frame header, four octets and the value.</param>
    /// <param name="prioritizedStreamId">The stream whose priority changes.</param>
    /// <param name="fieldValue">The value as in a Priority field, e.g. <c>u=1, i</c>.</param>
    public static int WritePriorityUpdate(Span<byte> destination, int prioritizedStreamId, ReadOnlySpan<byte> fieldValue)
    {
        var at = WriteHeader(destination, 4 + fieldValue.Length, Http2FrameType.PriorityUpdate, Http2FrameFlags.None, 0);
        BinaryPrimitives.WriteUInt32BigEndian(destination[at..], (uint)prioritizedStreamId);
        fieldValue.CopyTo(destination[(at + 4)..]);
        return at + 4 + fieldValue.Length;
    }

    /// <summary>Octets in front of a field block that <see cref="FrameFieldBlock"/> fills.</summary>
    public static int FieldBlockOffset(bool withPriority) => Http2Frame.HeaderOctets + (withPriority ? Http2Priority.Octets : 0);

    /// <summary>Octets that a field block takes as HEADERS and CONTINUATION.</summary>
    public static int FieldBlockOctets(int blockOctets, int maxFrameSize, bool withPriority = false) =>
        FieldBlockOffset(withPriority) + blockOctets + (Continuations(blockOctets, maxFrameSize, withPriority) * Http2Frame.HeaderOctets);

    /// <summary>
    /// Makes HEADERS and, beyond the peer's frame size, CONTINUATION out of a field block that is in place already (§6.2, §6.10): nothing is
    /// moved when one frame is enough. The frames are to be sent without another in between.
    /// </summary>
    /// <param name="buffer">The block at <see cref="FieldBlockOffset"/>, and room for <see cref="FieldBlockOctets"/> in all.</param>
    /// <param name="blockOctets">Octets of the block.</param>
    /// <param name="streamId">The stream.</param>
    /// <param name="endStream">Whether HEADERS carry END_STREAM.</param>
    /// <param name="maxFrameSize">The peer's SETTINGS_MAX_FRAME_SIZE.</param>
    /// <param name="priority">Priority of RFC 7540 to send along, or <see langword="null"/>.</param>
    /// <returns>Octets of all frames, from the start of <paramref name="buffer"/>.</returns>
    public static int FrameFieldBlock(Span<byte> buffer, int blockOctets, int streamId, bool endStream, int maxFrameSize, Http2Priority? priority = null)
    {
        var offset = FieldBlockOffset(priority is not null);
        var first = Math.Min(blockOctets, maxFrameSize - (offset - Http2Frame.HeaderOctets));
        var continuations = Continuations(blockOctets, maxFrameSize, priority is not null);
        for (var i = continuations - 1; i >= 0; i--) // from behind, so that no octet is overwritten before it moved
        {
            var at = first + (i * maxFrameSize);
            var length = Math.Min(maxFrameSize, blockOctets - at);
            var frame = buffer.Slice(offset + at + (i * Http2Frame.HeaderOctets), Http2Frame.HeaderOctets + length);
            buffer.Slice(offset + at, length).CopyTo(frame[Http2Frame.HeaderOctets..]);
            WriteHeader(frame, length, Http2FrameType.Continuation, i == continuations - 1 ? Http2FrameFlags.EndHeaders : Http2FrameFlags.None, streamId);
        }

        var flags = (endStream ? Http2FrameFlags.EndStream : Http2FrameFlags.None)
            | (continuations == 0 ? Http2FrameFlags.EndHeaders : Http2FrameFlags.None)
            | (priority is null ? Http2FrameFlags.None : Http2FrameFlags.Priority);
        WriteHeader(buffer, offset - Http2Frame.HeaderOctets + first, Http2FrameType.Headers, flags, streamId);
        if (priority is { } value)
        {
            WritePriorityFields(buffer[Http2Frame.HeaderOctets..], value);
        }

        return offset + blockOctets + (continuations * Http2Frame.HeaderOctets);
    }

    /// <summary>Copies a field block and frames it as <see cref="FrameFieldBlock"/> does.</summary>
    public static int WriteFieldBlock(
        Span<byte> destination, ReadOnlySpan<byte> block, int streamId, bool endStream, int maxFrameSize, Http2Priority? priority = null)
    {
        block.CopyTo(destination[FieldBlockOffset(priority is not null)..]);
        return FrameFieldBlock(destination, block.Length, streamId, endStream, maxFrameSize, priority);
    }

    /// <summary>The payload of SETTINGS.</summary>
    internal static int WriteParameters(Span<byte> destination, ReadOnlySpan<Http2Setting> settings)
    {
        var at = 0;
        foreach (var (id, value) in settings)
        {
            BinaryPrimitives.WriteUInt16BigEndian(destination[at..], (ushort)id);
            BinaryPrimitives.WriteUInt32BigEndian(destination[(at + 2)..], value);
            at += Http2Setting.Octets;
        }

        return at;
    }

    private static int WriteWord(Span<byte> destination, Http2FrameType type, int streamId, uint word)
    {
        var at = WriteHeader(destination, 4, type, Http2FrameFlags.None, streamId);
        BinaryPrimitives.WriteUInt32BigEndian(destination[at..], word);
        return at + 4;
    }

    private static int WritePriorityFields(Span<byte> destination, Http2Priority priority)
    {
        Debug.Assert(priority.Weight is >= 1 and <= 256, "Weights are 1 to 256 (RFC 7540 §6.3).");
        BinaryPrimitives.WriteUInt32BigEndian(destination, (uint)priority.DependsOn | (priority.IsExclusive ? 1u << 31 : 0));
        destination[4] = (byte)(priority.Weight - 1);
        return Http2Priority.Octets;
    }

    private static int Continuations(int blockOctets, int maxFrameSize, bool withPriority)
    {
        var rest = blockOctets - (maxFrameSize - (withPriority ? Http2Priority.Octets : 0));
        return rest <= 0 ? 0 : (rest + maxFrameSize - 1) / maxFrameSize;
    }
}
