using RelayCore.Protocols.Http1;
using RelayCore.Protocols.Http2;

namespace RelayCore.Core.Limits;

/// <summary>Bounds of the engine; one instance is a snapshot and never changes. <see cref="Timeout.InfiniteTimeSpan"/> means never.</summary>
public sealed record EngineLimits
{
    /// <summary>The defaults.</summary>
    public static readonly EngineLimits Default = new();

    /// <summary>Bounds on HTTP/1 heads.</summary>
    public Http1Limits Http1 { get; init; } = Http1Limits.Default;

    /// <summary>Bounds on HTTP/2 connections, both sides.</summary>
    public Http2Limits Http2 { get; init; } = Http2Limits.Default;

    /// <summary>Client connection without a request. Default 120 s (nginx keepalive_timeout 75 s, Node agents idle longer). Breach: closed.</summary>
    public TimeSpan IdleTimeout { get; init; } = TimeSpan.FromSeconds(120);

    /// <summary>From the first octet of a head to its end. Default 30 s (nginx client_header_timeout 60 s, Apache 20–40 s). Breach: 408.</summary>
    public TimeSpan HeadTimeout { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>Without progress within a body, either way. Default 300 s (nginx 60 s; slow uploads and event streams need more). Breach: 408, 504 or reset.</summary>
    public TimeSpan BodyTimeout { get; init; } = TimeSpan.FromSeconds(300);

    /// <summary>Name look-up and TCP connect together. Default 15 s (curl 300 s, browsers about 20 s). Breach: 504.</summary>
    public TimeSpan ConnectTimeout { get; init; } = TimeSpan.FromSeconds(15);

    /// <summary>TLS handshake, either side. Default 10 s (RelayCore: 10 s). Breach: connection closed, or 504 towards the server.</summary>
    public TimeSpan HandshakeTimeout { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>From the request sent to the final response head. Default 300 s (long polling; RelayCore 30 s broke it). Breach: 504.</summary>
    public TimeSpan FirstByteTimeout { get; init; } = TimeSpan.FromSeconds(300);

    /// <summary>From the request head to the last octet of the response. Default never. Breach: reset.</summary>
    public TimeSpan TotalTimeout { get; init; } = Timeout.InfiniteTimeSpan;

    /// <summary>Tunnel without an octet either way. Default 600 s (mitmproxy tcp_timeout 600 s). Breach: closed.</summary>
    public TimeSpan TunnelIdleTimeout { get; init; } = TimeSpan.FromSeconds(600);

    /// <summary>WebSocket without an octet either way. Default 300 s (RelayCore: 300 s). Breach: closed with 1001.</summary>
    public TimeSpan WebSocketIdleTimeout { get; init; } = TimeSpan.FromSeconds(300);

    /// <summary>Idle server connection in the pool. Default 60 s (RelayCore: 60 s). Breach: closed.</summary>
    public TimeSpan PoolIdleTimeout { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>How long a tunnel waits for the client to speak before the server is asked, for protocols where the server speaks first. Default 100 ms.</summary>
    public TimeSpan ServerFirstDelay { get; init; } = TimeSpan.FromMilliseconds(100);

    /// <summary>Client connections in all. Default 20,000. Breach: 503 and closed.</summary>
    public int MaxClientConnections { get; init; } = 20_000;

    /// <summary>Client connections from one address. Default 12,000 (one machine usually is the only client). Breach: 503 and closed.</summary>
    public int MaxConnectionsPerClient { get; init; } = 12_000;

    /// <summary>Connections to one origin, busy and idle. Default 512. Breach: requests wait up to <see cref="ConnectTimeout"/>, then 503.</summary>
    public int MaxServerConnectionsPerOrigin { get; init; } = 512;

    /// <summary>Idle connections kept for one origin. Default 128 (RelayCore 32). Breach: the oldest is closed.</summary>
    public int MaxIdlePerOrigin { get; init; } = 128;

    /// <summary>Idle connections kept in all. Default 2,048. Breach: the connection is closed instead of kept.</summary>
    public int MaxIdle { get; init; } = 2048;

    /// <summary>Largest body held in memory for an actor that needs it whole, in octets. Default 16 MiB. Breach: see <see cref="Interception.BodyBreach"/>.</summary>
    public long MaxBufferedBody { get; init; } = 16L * 1024 * 1024;

    /// <summary>Largest WebSocket message held for an actor, in octets. Default 16 MiB. Over it: the message goes on unseen and the flow says so.</summary>
    public int MaxWebSocketMessage { get; init; } = 16 * 1024 * 1024;

    /// <summary>
    /// Largest message inside a body (event, line, gRPC message) held for interceptors, in octets. Default 16 MiB (grpc-go and grpc-java refuse above 4 MiB).
    /// Breach: it passes as received, unseen, and the flow says so.
    /// </summary>
    public int MaxBufferedMessage { get; init; } = 16 * 1024 * 1024;

    /// <summary>Octets of each body kept by the capture. Default 10 MiB (RelayCore max_body_size). Over it: truncated and marked.</summary>
    public long MaxBodyCapture { get; init; } = 10L * 1024 * 1024;

    /// <summary>Octets of one message's content kept by the capture. Default 1 MiB. Over it: truncated and marked.</summary>
    public int MaxMessageCapture { get; init; } = 1024 * 1024;

    /// <summary>Messages of one flow kept by the capture. Default 10,000 (RelayCore 2,000). Over it: the oldest go, counted and marked.</summary>
    public int MaxMessages { get; init; } = 10_000;

    /// <summary>Memory for the messages of one flow, in octets; at least 256 KiB. Default 16 MiB. Over it: the oldest go, counted and marked.</summary>
    public long MaxMessageMemory { get; init; } = 16L * 1024 * 1024;

    /// <summary>Memory of the capture, in octets; at least 4 MiB. Default 256 MiB. Over it: the oldest flows go.</summary>
    public long CaptureMemory { get; init; } = 256L * 1024 * 1024;

    /// <summary>Number of finished flows kept. Default 1,000,000. Over it: the oldest go.</summary>
    public int MaxFlows { get; init; } = 1_000_000;

    /// <summary>Names every problem at once, so that a user edits once.</summary>
    public IEnumerable<string> Problems()
    {
        if (CaptureMemory < 4L * 1024 * 1024)
        {
            yield return $"capture memory is {CaptureMemory} octets; the smallest usable value is 4 MiB.";
        }

        if (MaxBodyCapture < 0)
        {
            yield return $"body capture is {MaxBodyCapture} octets; it cannot be negative.";
        }

        if (MaxBufferedMessage < 1)
        {
            yield return $"the largest message held is {MaxBufferedMessage} octets; it must be 1 or more.";
        }

        if (MaxMessageCapture < 0)
        {
            yield return $"message capture is {MaxMessageCapture} octets; it cannot be negative.";
        }

        if (MaxMessages < 1)
        {
            yield return $"messages kept of a flow are {MaxMessages}; it must be 1 or more.";
        }

        if (MaxMessageMemory < 256 * 1024)
        {
            yield return $"memory for the messages of a flow is {MaxMessageMemory} octets; the smallest usable value is 256 KiB.";
        }

        if (MaxWebSocketMessage is < 1024 or > 1024 * 1024 * 1024)
        {
            yield return $"the WebSocket message limit is {MaxWebSocketMessage} octets; it must be 1 KiB to 1 GiB.";
        }

        if (Http1.MaxHeadOctets is < 1024 or > 16 * 1024 * 1024)
        {
            yield return $"the head limit is {Http1.MaxHeadOctets} octets; it must be 1 KiB to 16 MiB.";
        }

        foreach (var problem in Http2.Problems())
        {
            yield return problem;
        }

        if (MaxClientConnections < 1 || MaxConnectionsPerClient < 1 || MaxServerConnectionsPerOrigin < 1)
        {
            yield return "connection limits must be 1 or more.";
        }

        foreach (var problem in Http2.Problems())
        {
            yield return problem;
        }

        foreach (var (name, value) in ((string, TimeSpan)[])
            [
                ("idle", IdleTimeout), ("head", HeadTimeout), ("body", BodyTimeout), ("connect", ConnectTimeout), ("handshake", HandshakeTimeout),
                ("first-byte", FirstByteTimeout), ("total", TotalTimeout), ("tunnel", TunnelIdleTimeout), ("websocket", WebSocketIdleTimeout), ("pool", PoolIdleTimeout),
            ])
        {
            if (value != Timeout.InfiniteTimeSpan && (value <= TimeSpan.Zero || value > TimeSpan.FromDays(24)))
            {
                yield return $"the {name} time-out is {value}; it must be more than 0 and at most 24 days.";
            }
        }
    }
}
