namespace RelayCore.Core.Flows;

/// <summary>What a flow is.</summary>
public enum FlowKind : byte
{
    /// <summary>One HTTP request with its response.</summary>
    Http,

    /// <summary>A raw tunnel: octets both ways after CONNECT or an upgrade, or a connection passed through undecrypted.</summary>
    Tunnel,

    /// <summary>A client connection that failed before it carried a message: TLS refused, unknown protocol, limits.</summary>
    Connection,

    /// <summary>A WebSocket: an upgraded exchange with messages.</summary>
    WebSocket,
}

/// <summary>Points in the life of a flow; each is stamped at most once, from one monotonic clock.</summary>
public enum TimingPoint : byte
{
    /// <summary>First octet of the request received, or connection accepted.</summary>
    Start,

    /// <summary>Request head complete.</summary>
    RequestHead,

    /// <summary>Last octet of the request body received.</summary>
    RequestEnd,

    /// <summary>A server connection was asked for: name look-up begins when none is idle.</summary>
    ConnectStart,

    /// <summary>Name resolved.</summary>
    Resolved,

    /// <summary>TCP connection established.</summary>
    Connected,

    /// <summary>TLS handshake with the server done.</summary>
    TlsEstablished,

    /// <summary>Request head handed to the server connection.</summary>
    RequestSent,

    /// <summary>First final response head complete.</summary>
    ResponseHead,

    /// <summary>Last octet of the response received.</summary>
    ResponseEnd,

    /// <summary>Last octet delivered to the client, or the flow failed.</summary>
    End,
}

/// <summary>Facts about a flow that a list shows as tags.</summary>
[Flags]
public enum FlowMarks : uint
{
    /// <summary>None.</summary>
    None = 0,

    /// <summary>The server connection was reused.</summary>
    ServerReused = 1,

    /// <summary>The request was sent again on a new connection because an idle one had gone.</summary>
    Retried = 2,

    /// <summary>The request body is captured only in part.</summary>
    RequestBodyTruncated = 4,

    /// <summary>The response body is captured only in part.</summary>
    ResponseBodyTruncated = 8,

    /// <summary>The capture budget ran out: heads only.</summary>
    CaptureBudgetExceeded = 16,

    /// <summary>The response is made by the proxy or an interceptor, not by the server.</summary>
    ResponseGenerated = 32,

    /// <summary>Host differs from the authority the client connected to.</summary>
    HostMismatch = 64,

    /// <summary>An interceptor failed; the exchange went on without it.</summary>
    InterceptorFailed = 128,

    /// <summary>A body actor was skipped because the body exceeds its limit.</summary>
    BodyActorSkipped = 256,

    /// <summary>The certificate of the server was not verified, by option.</summary>
    InsecureUpstream = 512,

    /// <summary>Passed through without decryption.</summary>
    PassedThrough = 1024,

    /// <summary>Final response before the request body was complete.</summary>
    EarlyResponse = 2048,

    /// <summary>The parent proxy failed and the request went directly, by option.</summary>
    UpstreamProxyBypassed = 4096,

    /// <summary>The connection changed protocol (RFC 9110 §7.8).</summary>
    Upgraded = 8192,

    /// <summary>Intercepted TLS.</summary>
    Intercepted = 16384,

    /// <summary>The oldest messages of the flow are gone from its history; how many is counted.</summary>
    MessagesDropped = 32768,

    /// <summary>The content of some message is captured only in part.</summary>
    MessageTruncated = 65536,

    /// <summary>More messages were changed than changes are listed.</summary>
    MutationsDropped = 131072,

    /// <summary>A message was delayed, damaged or cut short on purpose.</summary>
    Impaired = 262144,
}
