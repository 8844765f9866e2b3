using System.Buffers.Binary;

namespace RelayCore.Protocols.Http2;

/// <summary>Parameter of SETTINGS (RFC 9113 §6.5.2). Other values occur and are ignored.</summary>
public enum Http2SettingId : ushort
{
    /// <summary>Octets of the table the sender decodes fields with.</summary>
    HeaderTableSize = 0x1,

    /// <summary>Whether the sender accepts PUSH_PROMISE.</summary>
    EnablePush = 0x2,

    /// <summary>Streams the receiver may have open.</summary>
    MaxConcurrentStreams = 0x3,

    /// <summary>Window each stream of the receiver begins with.</summary>
    InitialWindowSize = 0x4,

    /// <summary>Largest payload the sender accepts.</summary>
    MaxFrameSize = 0x5,

    /// <summary>Largest field section the sender accepts, uncompressed.</summary>
    MaxHeaderListSize = 0x6,

    /// <summary>Whether extended CONNECT is understood (RFC 8441 §3).</summary>
    EnableConnectProtocol = 0x8,

    /// <summary>Whether the priorities of RFC 7540 are ignored (RFC 9218 §2.1).</summary>
    NoRfc7540Priorities = 0x9,
}

/// <summary>One parameter of SETTINGS as received or to be sent (RFC 9113 §6.5.1).</summary>
/// <param name="Id">Which; may be none of the named ones.</param>
/// <param name="Value">Its value.</param>
public readonly record struct Http2Setting(Http2SettingId Id, uint Value)
{
    /// <summary>Octets on the wire.</summary>
    public const int Octets = 6;

    /// <summary>Whether the value is in the range its parameter may have (RFC 9113 §6.5.2, RFC 8441 §3, RFC 9218 §2.1); unknown parameters may have any.</summary>
    public Http2Error Check() => Id switch
    {
        Http2SettingId.EnablePush when Value > 1 => Http2Error.Protocol(Http2Fault.InvalidEnablePush),
        Http2SettingId.InitialWindowSize when Value > int.MaxValue => new(Http2Fault.InvalidInitialWindowSize, Http2ErrorCode.FlowControlError),
        Http2SettingId.MaxFrameSize when Value is < Http2Settings.MinMaxFrameSize or > Http2Settings.MaxMaxFrameSize =>
            Http2Error.Protocol(Http2Fault.InvalidMaxFrameSize),
        Http2SettingId.EnableConnectProtocol when Value > 1 => Http2Error.Protocol(Http2Fault.InvalidEnableConnectProtocol),
        Http2SettingId.NoRfc7540Priorities when Value > 1 => Http2Error.Protocol(Http2Fault.InvalidNoRfc7540Priorities),
        _ => default,
    };
}

/// <summary>Walks the parameters in a payload of SETTINGS; a <see langword="foreach"/> over it allocates nothing.</summary>
public ref struct Http2SettingsEnumerator
{
    private ReadOnlySpan<byte> _rest;

    internal Http2SettingsEnumerator(ReadOnlySpan<byte> payload) => _rest = payload;

    /// <summary>Parameters not walked yet.</summary>
    public readonly int Remaining => _rest.Length / Http2Setting.Octets;

    /// <summary>The parameter after a step.</summary>
    public Http2Setting Current { get; private set; }

    /// <summary>Steps on.</summary>
    public bool MoveNext()
    {
        if (_rest.Length < Http2Setting.Octets)
        {
            return false;
        }

        Current = new((Http2SettingId)BinaryPrimitives.ReadUInt16BigEndian(_rest), BinaryPrimitives.ReadUInt32BigEndian(_rest[2..]));
        _rest = _rest[Http2Setting.Octets..];
        return true;
    }

    /// <summary>For <see langword="foreach"/>.</summary>
    public readonly Http2SettingsEnumerator GetEnumerator() => this;
}

/// <summary>What is in force for one direction: what one end said the other may do. A value; assigning copies it.</summary>
/// <remarks>
/// To see what a SETTINGS frame changed, keep a copy from before: the difference of <see cref="InitialWindowSize"/> goes to every
/// <see cref="SendWindow.TryAdjust"/>; <see cref="SmallestHeaderTableSize"/> and <see cref="HeaderTableSize"/> go to the field encoder.
/// </remarks>
public record struct Http2Settings
{
    /// <summary>Initial value of every window, in octets (RFC 9113 §6.9.2).</summary>
    public const int DefaultWindowSize = 65_535;

    /// <summary>Smallest and initial SETTINGS_MAX_FRAME_SIZE, in octets (§6.5.2).</summary>
    public const int MinMaxFrameSize = 1 << 14;

    /// <summary>Largest SETTINGS_MAX_FRAME_SIZE, in octets (§6.5.2).</summary>
    public const int MaxMaxFrameSize = (1 << 24) - 1;

    private bool _received;

    /// <summary>The initial values (RFC 9113 §6.5.2, RFC 8441 §3, RFC 9218 §2.1).</summary>
    public Http2Settings()
    {
    }

    /// <summary>Octets of the table fields may be encoded with, as it is now.</summary>
    public uint HeaderTableSize { get; set; } = 4096;

    /// <summary>
    /// The lowest table size in the SETTINGS frame applied last (RFC 7541 §4.2: when it is lower than before, the encoder goes through it).
    /// </summary>
    public uint SmallestHeaderTableSize { get; private set; } = 4096;

    /// <summary>Whether the sender of these accepts PUSH_PROMISE.</summary>
    public bool EnablePush { get; set; } = true;

    /// <summary>Streams that may be open; <see cref="uint.MaxValue"/> when nothing was said.</summary>
    public uint MaxConcurrentStreams { get; set; } = uint.MaxValue;

    /// <summary>Window each stream begins with, in octets, 0 to 2^31-1.</summary>
    public int InitialWindowSize { get; set; } = DefaultWindowSize;

    /// <summary>Largest payload, in octets, 2^14 to 2^24-1.</summary>
    public int MaxFrameSize { get; set; } = MinMaxFrameSize;

    /// <summary>Largest field section, in octets as §6.5.2 counts them; <see cref="uint.MaxValue"/> when nothing was said.</summary>
    public uint MaxHeaderListSize { get; set; } = uint.MaxValue;

    /// <summary>Whether extended CONNECT is understood (RFC 8441 §3).</summary>
    public bool EnableConnectProtocol { get; set; }

    /// <summary>Whether the priorities of RFC 7540 are ignored (RFC 9218 §2.1).</summary>
    public bool NoRfc7540Priorities { get; set; }

    /// <summary>Whether a SETTINGS frame was applied.</summary>
    public readonly bool IsReceived => _received;

    /// <summary>Applies a SETTINGS frame without ACK, parameter by parameter in its order (RFC 9113 §6.5.3).</summary>
    /// <param name="frame">The frame; <see cref="Http2FrameReader"/> has checked each value by itself.</param>
    /// <param name="sender">Who sent it.</param>
    /// <param name="limits">How many parameters are fine.</param>
    /// <returns>None, or a connection error; what was before it has been applied.</returns>
    public Http2Error Apply(in Http2Frame frame, PeerRole sender, Http2Limits limits) => Apply(frame.Settings, sender, limits);

    /// <summary>Applies parameters, also those of an HTTP2-Settings field (<see cref="Http2UpgradeSettings"/>).</summary>
    /// <param name="parameters">The parameters, each checked by itself.</param>
    /// <param name="sender">Who sent them.</param>
    /// <param name="limits">How many are fine.</param>
    /// <returns>None, or a connection error; what was before it has been applied.</returns>
    public Http2Error Apply(Http2SettingsEnumerator parameters, PeerRole sender, Http2Limits limits)
    {
        if (parameters.Remaining > limits.MaxSettings)
        {
            return Http2Error.Calm(Http2Fault.TooManySettings);
        }

        var first = !_received;
        _received = true;
        SmallestHeaderTableSize = HeaderTableSize;
        var noPriorities = NoRfc7540Priorities;
        var tableChanged = false;
        foreach (var (id, value) in parameters)
        {
            switch (id)
            {
                case Http2SettingId.HeaderTableSize:
                    HeaderTableSize = value;
                    SmallestHeaderTableSize = tableChanged ? Math.Min(SmallestHeaderTableSize, value) : value;
                    tableChanged = true;
                    break;

                case Http2SettingId.EnablePush when value != 0 && sender == PeerRole.Server:
                    return Http2Error.Protocol(Http2Fault.InvalidEnablePush);

                case Http2SettingId.EnablePush:
                    EnablePush = value != 0;
                    break;

                case Http2SettingId.MaxConcurrentStreams:
                    MaxConcurrentStreams = value;
                    break;

                case Http2SettingId.InitialWindowSize:
                    InitialWindowSize = (int)value;
                    break;

                case Http2SettingId.MaxFrameSize:
                    MaxFrameSize = (int)value;
                    break;

                case Http2SettingId.MaxHeaderListSize:
                    MaxHeaderListSize = value;
                    break;

                case Http2SettingId.EnableConnectProtocol when value == 0 && EnableConnectProtocol:
                    return Http2Error.Protocol(Http2Fault.InvalidEnableConnectProtocol);

                case Http2SettingId.EnableConnectProtocol:
                    EnableConnectProtocol = value != 0;
                    break;

                case Http2SettingId.NoRfc7540Priorities when !first && (value != 0) != noPriorities:
                    return Http2Error.Protocol(Http2Fault.InvalidNoRfc7540Priorities);

                case Http2SettingId.NoRfc7540Priorities:
                    NoRfc7540Priorities = value != 0;
                    break;

                default:
                    break; // §6.5.2: unknown parameters are ignored
            }
        }

        return default;
    }
}
