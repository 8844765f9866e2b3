namespace RelayCore.Core.Interception;

/// <summary>Where interceptors run, in the order of a flow. As flags: which stages an interceptor wants.</summary>
[Flags]
public enum Stage
{
    /// <summary>None.</summary>
    None = 0,

    /// <summary>A client asks for a tunnel (CONNECT), or a connection arrived.</summary>
    Connect = 1,

    /// <summary>A ClientHello was read; decides intercept, pass through or drop.</summary>
    ClientHello = 2,

    /// <summary>Request head complete, nothing sent yet.</summary>
    RequestHead = 4,

    /// <summary>Whole request body, before the request is sent.</summary>
    RequestBody = 8,

    /// <summary>A piece of the request body on its way.</summary>
    RequestChunk = 16,

    /// <summary>An interim response (1xx).</summary>
    Informational = 32,

    /// <summary>Final response head, nothing of it sent yet.</summary>
    ResponseHead = 64,

    /// <summary>Whole response body, before the response is sent.</summary>
    ResponseBody = 128,

    /// <summary>A piece of the response body on its way.</summary>
    ResponseChunk = 256,

    /// <summary>A trailer section, either side.</summary>
    Trailers = 512,

    /// <summary>A raw tunnel opens.</summary>
    TunnelStart = 1024,

    /// <summary>Octets in a raw tunnel, either way.</summary>
    TunnelChunk = 2048,

    /// <summary>A raw tunnel ended.</summary>
    TunnelEnd = 4096,

    /// <summary>The flow failed.</summary>
    Error = 8192,

    /// <summary>The flow is over.</summary>
    Completed = 16384,

    /// <summary>A session of messages opens: a WebSocket after its handshake, or a body that is a stream of messages.</summary>
    MessagesStart = 32768,

    /// <summary>A message other than <see cref="ControlMessage"/>.</summary>
    Message = 65536,

    /// <summary>A session of messages is over.</summary>
    MessagesEnd = 131072,

    /// <summary>A ping, pong or close of a WebSocket.</summary>
    ControlMessage = 262144,
}

/// <summary>What happens when a body is larger than an actor that needs it whole allows.</summary>
public enum BodyBreach
{
    /// <summary>The actor is skipped and the flow says so; the body flows.</summary>
    Skip,

    /// <summary>The exchange is refused: 413 towards the client, or 502 for a response.</summary>
    Refuse,
}

/// <summary>How a body is handled; decided before its first octet moves, from what everybody interested declared.</summary>
public enum BodyPlan
{
    /// <summary>No look.</summary>
    PassThrough,

    /// <summary>A copy is captured while it streams.</summary>
    Tap,

    /// <summary>Pieces are edited while it streams; framed anew.</summary>
    Transform,

    /// <summary>Held until whole, shown to its actors, framed anew when changed.</summary>
    Buffer,
}
