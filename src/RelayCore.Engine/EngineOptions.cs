using System.Net;
using System.Security.Cryptography.X509Certificates;
using RelayCore.Core.Interception;
using RelayCore.Core.Limits;
using RelayCore.Engine.Policy;

namespace RelayCore.Engine;

/// <summary>What the engine is started with; one instance is a snapshot.</summary>
public sealed record EngineOptions
{
    /// <summary>Addresses to listen on; port 0 takes a free one. Default 127.0.0.1:8080.</summary>
    public IReadOnlyList<IPEndPoint> Listen { get; init; } = [new(IPAddress.Loopback, 8080)];

    /// <summary>Bounds.</summary>
    public EngineLimits Limits { get; init; } = EngineLimits.Default;

    /// <summary>Repairs requests that have one meaning instead of refusing them.</summary>
    public bool LenientHttp { get; init; }

    /// <summary>Refuses WebSocket handshakes that break RFC 6455 §4, instead of leaving that to the endpoints.</summary>
    public bool StrictWebSocket { get; init; }

    /// <summary>Hosts relayed undecrypted.</summary>
    public IReadOnlyList<HostPattern> PassThrough { get; init; } = [];

    /// <summary>When not empty, only these hosts are decrypted.</summary>
    public IReadOnlyList<HostPattern> InterceptOnly { get; init; } = [];

    /// <summary>Roots trusted for servers, beside the system's.</summary>
    public X509Certificate2Collection UpstreamRoots { get; init; } = [];

    /// <summary>Servers' certificates are not verified.</summary>
    public bool InsecureUpstream { get; init; }

    /// <summary>Certificates presented to servers that ask for one; the first match counts.</summary>
    public IReadOnlyList<(HostPattern Hosts, X509Certificate2 Certificate)> ClientCertificates { get; init; } = [];

    /// <summary>Parent proxy.</summary>
    public UpstreamProxy? UpstreamProxy { get; init; }

    /// <summary>Whether HTTP/2 is spoken, and to which clients. Default <see cref="Http2Use.Mirror"/>.</summary>
    public Http2Use Http2 { get; init; }

    /// <summary>Servers without TLS that are spoken to in HTTP/2 without asking (RFC 9113 §3.3).</summary>
    public IReadOnlyList<HostPattern> Http2PriorKnowledge { get; init; } = [];

    /// <summary>Credentials clients must present, as user:password; <see langword="null"/> for none.</summary>
    public string? ProxyCredentials { get; init; }

    /// <summary>Interceptors in the order they run.</summary>
    public IReadOnlyList<IInterceptor> Interceptors { get; init; } = [];

    /// <summary>Authorities (host:port) of our own control ports, which are not captured.</summary>
    public IReadOnlyList<string> CaptureExclude { get; init; } = [];
}

/// <summary>Whether HTTP/2 is spoken.</summary>
public enum Http2Use
{
    /// <summary>A client gets by ALPN what its server speaks, so that it meets what it would meet without the proxy.</summary>
    Mirror,

    /// <summary>A client gets HTTP/2 if it offers it, whatever its server speaks; messages are translated.</summary>
    Always,

    /// <summary>Not at all; clients that offer nothing else are passed through.</summary>
    Never,
}

/// <summary>A parent proxy.</summary>
/// <param name="IsSecure">TLS to the proxy.</param>
/// <param name="Host">Its host.</param>
/// <param name="Port">Its port.</param>
/// <param name="Credentials">user:password for Basic, or <see langword="null"/>.</param>
/// <param name="Bypass">Hosts and networks reached directly.</param>
/// <param name="FailOpen">Go directly when the proxy cannot be reached.</param>
public sealed record UpstreamProxy(bool IsSecure, string Host, int Port, string? Credentials, IReadOnlyList<HostPattern> Bypass, bool FailOpen);
