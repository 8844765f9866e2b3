namespace RelayCore.Protocols.Http2;

/// <summary>How much of something is fine: a burst at once, then so many a second (a token bucket).</summary>
/// <param name="Burst">Number that may come at once, at least 1.</param>
/// <param name="PerSecond">Number that is regained each second, at least 0.</param>
public readonly record struct Http2Rate(int Burst, int PerSecond);

/// <summary>
/// Bounds on an HTTP/2 connection; one instance is a snapshot and never changes. A breach ends the connection with ENHANCE_YOUR_CALM
/// (RFC 9113 §10.5) where nothing else is said.
/// </summary>
public sealed record Http2Limits
{
    /// <summary>The defaults.</summary>
    public static readonly Http2Limits Default = new();

    /// <summary>
    /// One compressed field block, in octets, 1 KiB to 16 MiB. Default 256 KiB (as <see cref="Http1.Http1Limits.MaxHeadOctets"/>; compression
    /// only makes it smaller).
    /// </summary>
    public int MaxFieldBlockOctets { get; init; } = 256 * 1024;

    /// <summary>CONTINUATION frames of one field block, at least 1. Default 32: the largest block in frames of 16 KiB, twice (nghttp2 8, Netty 16 small ones).</summary>
    public int MaxContinuations { get; init; } = 32;

    /// <summary>
    /// Field lines of one section uncompressed, in octets as RFC 9113 §6.5.2 counts them (32 more for each line); announced as
    /// SETTINGS_MAX_HEADER_LIST_SIZE. Default 256 KiB (Chromium's own bound). Over it: 431, or 502 for a response.
    /// </summary>
    public int MaxFieldSectionOctets { get; init; } = 256 * 1024;

    /// <summary>Parameters in one SETTINGS frame, 8 to 2,730. Default 32 (nghttp2 32).</summary>
    public int MaxSettings { get; init; } = 32;

    /// <summary>Streams a client may have open; announced as SETTINGS_MAX_CONCURRENT_STREAMS. Default 256 (nginx 128, Kestrel 100, Node unbounded). Over it: REFUSED_STREAM.</summary>
    public int MaxConcurrentStreams { get; init; } = 256;

    /// <summary>Largest frame we accept, in octets, 2^14 to 2^24-1; announced as SETTINGS_MAX_FRAME_SIZE. Default 16 KiB (the protocol's own and Kestrel's; a TLS record is no larger). Over it: FRAME_SIZE_ERROR.</summary>
    public int MaxFrameSize { get; init; } = 16 * 1024;

    /// <summary>Octets of the HPACK table we offer for decoding; announced as SETTINGS_HEADER_TABLE_SIZE. Default 4 KiB (the protocol's own).</summary>
    public int HeaderTableOctets { get; init; } = 4096;

    /// <summary>Window of a stream to begin with, in octets, 1 to 2^31-1; announced as SETTINGS_INITIAL_WINDOW_SIZE. Default 256 KiB (nghttp2 64 KiB, Chromium 6 MiB).</summary>
    public int InitialStreamWindow { get; init; } = 256 * 1024;

    /// <summary>Largest window a stream may grow to, in octets. Default 16 MiB (.NET's client 16 MiB): 1 Gbit/s at 100 ms.</summary>
    public int MaxStreamWindow { get; init; } = 16 * 1024 * 1024;

    /// <summary>Window of the connection to begin with, in octets, 65,535 to 2^31-1. Default 1 MiB (Kestrel 1 MiB).</summary>
    public int InitialConnectionWindow { get; init; } = 1024 * 1024;

    /// <summary>Largest window the connection may grow to, in octets. Default 32 MiB (Chromium 15 MiB, .NET's client 64 MiB).</summary>
    public int MaxConnectionWindow { get; init; } = 32 * 1024 * 1024;

    /// <summary>RST_STREAM of the peer. Default 2,000 and 200 a second (nghttp2 1,000 and 33, Netty 200 in 30 s; a proxy's client cancels for many pages).</summary>
    public Http2Rate Resets { get; init; } = new(2000, 200);

    /// <summary>RST_STREAM of the peer within <see cref="RapidResetAge"/> of opening, before an answer. Default 500 and 50 a second (Envoy 500 premature ones).</summary>
    public Http2Rate RapidResets { get; init; } = new(500, 50);

    /// <summary>Age up to which a reset stream counts as <see cref="RapidResets"/>. Default 1 s (Envoy 1 s).</summary>
    public TimeSpan RapidResetAge { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>Streams we reset for what the peer did. Default 500 and 50 a second (nghttp2's glitches 1,000 and 33).</summary>
    public Http2Rate ProvokedResets { get; init; } = new(500, 50);

    /// <summary>SETTINGS without ACK. Default 100 and 10 a second (real peers send one to three in all).</summary>
    public Http2Rate Settings { get; init; } = new(100, 10);

    /// <summary>PING without ACK. Default 1,000 and 100 a second, and one more for each DATA frame either way, for peers that measure with it (nghttp2 queues 1,000 answers).</summary>
    public Http2Rate Pings { get; init; } = new(1000, 100);

    /// <summary>DATA frames without content and END_STREAM. Default 100 and 10 a second (Netty 2 in a row, Envoy 1 in a row).</summary>
    public Http2Rate EmptyData { get; init; } = new(100, 10);

    /// <summary>HEADERS, PUSH_PROMISE and CONTINUATION frames without content and END_HEADERS. Default 50 and 5 a second (Envoy 1 in a row).</summary>
    public Http2Rate EmptyFieldBlocks { get; init; } = new(50, 5);

    /// <summary>PRIORITY and PRIORITY_UPDATE. Default 1,000 and 100 a second, and 5 more for each stream the peer opens (Envoy 100 a stream).</summary>
    public Http2Rate Priorities { get; init; } = new(1000, 100);

    /// <summary>WINDOW_UPDATE below <see cref="SmallIncrement"/>. Default 2,000 and 200 a second, and 2 more for each DATA frame sent to the peer that its window did not cut short (Envoy 10 a frame).</summary>
    public Http2Rate SmallWindowUpdates { get; init; } = new(2000, 200);

    /// <summary>Increment below which a WINDOW_UPDATE counts as <see cref="SmallWindowUpdates"/>, in octets. Default 128: clients with windows of 1 KiB exist.</summary>
    public int SmallIncrement { get; init; } = 128;

    /// <summary>Frames of unknown types. Default 1,000 and 100 a second (nghttp2's glitches 1,000 and 33).</summary>
    public Http2Rate UnknownFrames { get; init; } = new(1000, 100);

    /// <summary>Names every problem at once, so that a user edits once.</summary>
    public IEnumerable<string> Problems()
    {
        foreach (var (name, value, low, high) in ((string, int, int, int)[])
            [
                ("field block", MaxFieldBlockOctets, 1024, 16 * 1024 * 1024), ("field section", MaxFieldSectionOctets, 1024, 64 * 1024 * 1024),
                ("continuation", MaxContinuations, 1, int.MaxValue), ("settings", MaxSettings, 8, 2730),
                ("concurrent stream", MaxConcurrentStreams, 1, int.MaxValue),
                ("frame size", MaxFrameSize, Http2Settings.MinMaxFrameSize, Http2Settings.MaxMaxFrameSize),
                ("header table", HeaderTableOctets, 0, 16 * 1024 * 1024), ("stream window", InitialStreamWindow, 1, int.MaxValue),
                ("largest stream window", MaxStreamWindow, InitialStreamWindow, int.MaxValue),
                ("connection window", InitialConnectionWindow, Http2Settings.DefaultWindowSize, int.MaxValue),
                ("largest connection window", MaxConnectionWindow, InitialConnectionWindow, int.MaxValue),
                ("small increment", SmallIncrement, 0, int.MaxValue),
            ])
        {
            if (value < low || value > high)
            {
                yield return $"the HTTP/2 {name} limit is {value}; it must be {low} to {high}.";
            }
        }

        foreach (var (name, rate) in ((string, Http2Rate)[])
            [
                ("reset", Resets), ("rapid reset", RapidResets), ("provoked reset", ProvokedResets), ("SETTINGS", Settings), ("PING", Pings),
                ("empty DATA", EmptyData), ("empty field block", EmptyFieldBlocks), ("priority", Priorities),
                ("small WINDOW_UPDATE", SmallWindowUpdates), ("unknown frame", UnknownFrames),
            ])
        {
            if (rate.Burst < 1 || rate.PerSecond < 0)
            {
                yield return $"the HTTP/2 {name} rate is {rate.Burst} and {rate.PerSecond} a second; it must be at least 1 and 0.";
            }
        }
    }
}
