using System.Buffers.Binary;

namespace RelayCore.Load.Http;

/// <summary>Frame types that generator and origin tell apart; RFC 9113 §6.</summary>
internal enum Http2FrameType
{
    Data = 0,
    Headers = 1,
    ResetStream = 3,
    Settings = 4,
    PushPromise = 5,
    Ping = 6,
    GoAway = 7,
    WindowUpdate = 8,
    Continuation = 9,
}

/// <summary>Flags of RFC 9113 §6; what a bit means depends on the type.</summary>
[Flags]
internal enum Http2Flags
{
    None = 0,
    EndStream = 0x1,
    EndHeaders = 0x4,
    Padded = 0x8,
    Priority = 0x20,
}

/// <summary>The nine octets before each payload, and the few payloads we write. RFC 9113 §4.1.</summary>
/// <param name="PayloadOctets">Length of the payload, 0 to 2^24 - 1.</param>
/// <param name="Type">What it is; unknown types are to be skipped.</param>
/// <param name="Flags">As received.</param>
/// <param name="StreamId">0 for the connection.</param>
internal readonly record struct Http2Frame(int PayloadOctets, Http2FrameType Type, Http2Flags Flags, int StreamId)
{
    public const int HeadOctets = 9;

    /// <summary>Largest payload both sides accept without announcing more; RFC 9113 §4.2.</summary>
    public const int MaxPayloadOctets = 16384;

    /// <summary>What bit 0 means on SETTINGS and PING.</summary>
    public const Http2Flags Acknowledged = Http2Flags.EndStream;

    public const int DefaultWindow = 65535;
    public const int SettingHeaderTableSize = 1;
    public const int SettingEnablePush = 2;
    public const int SettingMaxConcurrentStreams = 3;
    public const int SettingInitialWindowSize = 4;

    /// <summary>What a client sends first; RFC 9113 §3.4.</summary>
    public static ReadOnlySpan<byte> Preface => "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"u8;

    /// <param name="source">At least <see cref="HeadOctets"/>.</param>
    public static Http2Frame Read(ReadOnlySpan<byte> source) => new(
        (source[0] << 16) | (source[1] << 8) | source[2],
        (Http2FrameType)source[3],
        (Http2Flags)source[4],
        BinaryPrimitives.ReadInt32BigEndian(source[5..]) & int.MaxValue);

    /// <returns>Octets written: <see cref="HeadOctets"/>.</returns>
    public int Write(Span<byte> destination)
    {
        (destination[0], destination[1], destination[2]) = ((byte)(PayloadOctets >> 16), (byte)(PayloadOctets >> 8), (byte)PayloadOctets);
        (destination[3], destination[4]) = ((byte)Type, (byte)Flags);
        BinaryPrimitives.WriteInt32BigEndian(destination[5..], StreamId);
        return HeadOctets;
    }

    public static int WriteWindowUpdate(Span<byte> destination, int streamId, int increment)
    {
        var at = new Http2Frame(4, Http2FrameType.WindowUpdate, Http2Flags.None, streamId).Write(destination);
        BinaryPrimitives.WriteInt32BigEndian(destination[at..], increment);
        return at + 4;
    }

    public static int WriteSettings(Span<byte> destination, params ReadOnlySpan<(int Id, int Value)> settings)
    {
        var at = new Http2Frame(settings.Length * 6, Http2FrameType.Settings, Http2Flags.None, 0).Write(destination);
        foreach (var (id, value) in settings)
        {
            BinaryPrimitives.WriteInt16BigEndian(destination[at..], (short)id);
            BinaryPrimitives.WriteInt32BigEndian(destination[(at + 2)..], value);
            at += 6;
        }

        return at;
    }

    public static int WriteSettingsAck(Span<byte> destination) => new Http2Frame(0, Http2FrameType.Settings, Acknowledged, 0).Write(destination);

    /// <param name="destination">Where it goes.</param>
    /// <param name="opaque">The eight octets of the PING to answer.</param>
    public static int WritePingAck(Span<byte> destination, ReadOnlySpan<byte> opaque)
    {
        var at = new Http2Frame(opaque.Length, Http2FrameType.Ping, Acknowledged, 0).Write(destination);
        opaque.CopyTo(destination[at..]);
        return at + opaque.Length;
    }

    /// <summary>The part of a HEADERS or DATA payload that is neither padding nor priority; RFC 9113 §6.1 and §6.2.</summary>
    /// <returns><see langword="false"/> when the padding is longer than the payload.</returns>
    public bool TryStrip(ReadOnlySpan<byte> payload, out ReadOnlySpan<byte> content)
    {
        var (start, padding) = (0, 0);
        if (Flags.HasFlag(Http2Flags.Padded))
        {
            (start, padding) = (1, payload.IsEmpty ? 1 : payload[0]);
        }

        start += Type == Http2FrameType.Headers && Flags.HasFlag(Http2Flags.Priority) ? 5 : 0;
        content = start + padding <= payload.Length ? payload[start..^padding] : default;
        return start + padding <= payload.Length;
    }
}
