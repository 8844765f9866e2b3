using System.Text.Json.Serialization;

namespace RelayCore.Core.Flows;

/// <summary>Both connections of a flow.</summary>
public sealed record FlowConnections
{
    /// <summary>The client's.</summary>
    public required FlowClient Client { get; init; }

    /// <summary>The server's; <see langword="null"/> when there was none.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public FlowServer? Server { get; init; }
}

/// <summary>A client's connection.</summary>
public sealed record FlowClient
{
    /// <summary>Number within this run of the proxy.</summary>
    public required long Id { get; init; }

    /// <summary>Their end.</summary>
    public string? Remote { get; init; }

    /// <summary>Our end.</summary>
    public string? Local { get; init; }

    /// <summary>Listener that accepted it.</summary>
    public string? Listener { get; init; }

    /// <summary><c>host:port</c> of the CONNECT it is inside of.</summary>
    public string? TunnelAuthority { get; init; }

    /// <summary>TLS; absent for plain text.</summary>
    public FlowTls? Tls { get; init; }

    /// <summary>How the peer opened HTTP/2; absent for other versions.</summary>
    public FlowHttp2? Http2 { get; init; }
}

/// <summary>How a peer opened its HTTP/2 connection.</summary>
public sealed record FlowHttp2
{
    /// <summary>SETTINGS in the order sent, <c>id:value</c> joined by <c>;</c>.</summary>
    public required string Settings { get; init; }

    /// <summary>Increment of the first WINDOW_UPDATE for the connection; 0 for none.</summary>
    public required long WindowUpdate { get; init; }

    /// <summary>PRIORITY frames before the first request; <c>0</c> for none.</summary>
    public required string Priority { get; init; }

    /// <summary>Order of the pseudo-fields, e.g. <c>m,a,s,p</c>; empty from a server.</summary>
    public required string PseudoFields { get; init; }

    /// <summary>All four, joined by <c>|</c>.</summary>
    public required string Fingerprint { get; init; }
}

/// <summary>A server's connection.</summary>
public sealed record FlowServer
{
    /// <summary>Number within this run of the proxy.</summary>
    public required long Id { get; init; }

    /// <summary>Host asked for.</summary>
    public required string Host { get; init; }

    /// <summary>Port asked for.</summary>
    public required int Port { get; init; }

    /// <summary>Their end.</summary>
    public string? Remote { get; init; }

    /// <summary>Our end.</summary>
    public string? Local { get; init; }

    /// <summary>Parent proxy.</summary>
    public string? Via { get; init; }

    /// <summary>Exchanges it had carried before this one.</summary>
    public required int Reuse { get; init; }

    /// <summary>Name look-up took, microseconds.</summary>
    public long? ResolveUs { get; init; }

    /// <summary>TCP connect took, microseconds.</summary>
    public long? ConnectUs { get; init; }

    /// <summary>TLS handshake took, microseconds.</summary>
    public long? TlsUs { get; init; }

    /// <summary>Whether the certificate was left unverified by option.</summary>
    public bool Unverified { get; init; }

    /// <summary>TLS; absent for plain text.</summary>
    public FlowTls? Tls { get; init; }

    /// <summary>How the peer opened HTTP/2; absent for other versions.</summary>
    public FlowHttp2? Http2 { get; init; }
}

/// <summary>One TLS session.</summary>
public sealed record FlowTls
{
    /// <summary>Negotiated version.</summary>
    public string? Version { get; init; }

    /// <summary>Negotiated cipher suite.</summary>
    public string? Cipher { get; init; }

    /// <summary>Negotiated protocol.</summary>
    public string? Alpn { get; init; }

    /// <summary>Server name asked for.</summary>
    public string? Sni { get; init; }

    /// <summary>Protocols offered.</summary>
    public IReadOnlyList<string>? OfferedAlpn { get; init; }

    /// <summary>Versions offered.</summary>
    public IReadOnlyList<string>? OfferedVersions { get; init; }

    /// <summary>Cipher suites offered, IANA numbers in order.</summary>
    public IReadOnlyList<int>? OfferedCiphers { get; init; }

    /// <summary>JA3 fingerprint.</summary>
    public string? Ja3 { get; init; }

    /// <summary>JA4 fingerprint.</summary>
    public string? Ja4 { get; init; }

    /// <summary>Whether encrypted_client_hello was there; absent when not.</summary>
    public bool? Ech { get; init; }

    /// <summary>Whether the session was resumed.</summary>
    public bool? Resumed { get; init; }

    /// <summary>Subjects of the peer's certificates, leaf first.</summary>
    public IReadOnlyList<string>? PeerCertificates { get; init; }

    /// <summary>SHA-256 of the peer's leaf.</summary>
    public string? PeerFingerprint { get; init; }
}
