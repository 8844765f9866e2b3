using System.Net;

namespace RelayCore.Core.Connections;

/// <summary>Facts of one TLS session, either side; immutable.</summary>
public sealed record TlsFacts
{
    /// <summary>Negotiated version, e.g. <c>TLSv1.3</c>; <see langword="null"/> when the handshake did not finish.</summary>
    public string? Version { get; init; }

    /// <summary>Negotiated cipher suite, IANA name.</summary>
    public string? CipherSuite { get; init; }

    /// <summary>Negotiated ALPN protocol.</summary>
    public string? ApplicationProtocol { get; init; }

    /// <summary>Server name the client asked for.</summary>
    public string? ServerName { get; init; }

    /// <summary>ALPN protocols offered by the client.</summary>
    public IReadOnlyList<string> OfferedProtocols { get; init; } = [];

    /// <summary>Versions offered by the client.</summary>
    public IReadOnlyList<string> OfferedVersions { get; init; } = [];

    /// <summary>Cipher suites offered by the client, IANA numbers in order, GREASE included.</summary>
    public IReadOnlyList<ushort> OfferedCipherSuites { get; init; } = [];

    /// <summary>JA3 fingerprint, 32 hex digits; client side only.</summary>
    public string? Ja3 { get; init; }

    /// <summary>JA4 fingerprint; client side only.</summary>
    public string? Ja4 { get; init; }

    /// <summary>Whether the ClientHello carried encrypted_client_hello.</summary>
    public bool HasEncryptedClientHello { get; init; }

    /// <summary>Whether the session was resumed; unknown is <see langword="null"/>.</summary>
    public bool? IsResumed { get; init; }

    /// <summary>Subjects of the peer's certificates, leaf first.</summary>
    public IReadOnlyList<string> PeerCertificates { get; init; } = [];

    /// <summary>SHA-256 of the peer's leaf certificate, hex.</summary>
    public string? PeerFingerprint { get; init; }
}

/// <summary>How a peer opened its HTTP/2 connection, which tells clients apart; immutable.</summary>
public sealed record Http2Facts
{
    /// <summary>Its first SETTINGS in the order it sent them, <c>id:value</c> joined by <c>;</c>, e.g. <c>1:65536;4:6291456</c>; empty for none.</summary>
    public string Settings { get; init; } = "";

    /// <summary>Increment of the WINDOW_UPDATE for the connection before its first request, in octets; 0 for none.</summary>
    public long WindowUpdate { get; init; }

    /// <summary>PRIORITY frames before its first request, <c>stream:exclusive:depends-on:weight</c> joined by <c>,</c>; <c>0</c> for none.</summary>
    public string Priority { get; init; } = "0";

    /// <summary>Order of the pseudo-fields of its first request, their first letters joined by <c>,</c>, e.g. <c>m,a,s,p</c>; empty when there was none.</summary>
    public string PseudoFields { get; init; } = "";

    /// <summary>All four, joined by <c>|</c>; a missing window update is written <c>00</c>.</summary>
    public string Fingerprint => string.Create(
        System.Globalization.CultureInfo.InvariantCulture, $"{Settings}|{(WindowUpdate == 0 ? "00" : WindowUpdate)}|{Priority}|{PseudoFields}");
}

/// <summary>Facts of one transport connection. Written by its session, read by the capture when a flow is stored.</summary>
public abstract class ConnectionFacts
{
    private TlsFacts? _tls;
    private Http2Facts? _http2;

    /// <summary>Number, unique within the process and ascending; from 1.</summary>
    public required long Id { get; init; }

    /// <summary>Our end.</summary>
    public EndPoint? LocalEndPoint { get; set; }

    /// <summary>Their end.</summary>
    public EndPoint? RemoteEndPoint { get; set; }

    /// <summary>Monotonic timestamp of accept or connect.</summary>
    public long OpenedAt { get; init; }

    /// <summary>TLS, or <see langword="null"/> for plain text.</summary>
    public TlsFacts? Tls
    {
        get => _tls;
        set
        {
            _tls = value;
            Version++;
        }
    }

    /// <summary>How the peer opened HTTP/2; <see langword="null"/> for other versions.</summary>
    public Http2Facts? Http2
    {
        get => _http2;
        set
        {
            _http2 = value;
            Version++;
        }
    }

    /// <summary>Exchanges carried so far.</summary>
    public int Exchanges { get; set; }

    /// <summary>Octets received from the peer, TLS records not counted.</summary>
    public long OctetsReceived { get; set; }

    /// <summary>Octets sent to the peer.</summary>
    public long OctetsSent { get; set; }

    /// <summary>Changes whenever a fact changed that a stored flow shows.</summary>
    public int Version { get; protected set; }

    /// <summary>For the capture: where these facts were stored last.</summary>
    internal long StoredIn { get; set; } = -1;

    /// <summary>For the capture: the offset within that place.</summary>
    internal int StoredAt { get; set; } = -1;

    /// <summary>For the capture: the <see cref="Version"/> stored last.</summary>
    internal int StoredVersion { get; set; } = -1;
}

/// <summary>Facts of a connection a client opened to us.</summary>
public sealed class ClientConnection : ConnectionFacts
{
    /// <summary>Address of the listener that accepted it.</summary>
    public EndPoint? Listener { get; init; }

    /// <summary><c>host:port</c> of the CONNECT this connection is inside of.</summary>
    public string? TunnelAuthority { get; set; }
}

/// <summary>Facts of a connection we opened to a server or parent proxy.</summary>
public sealed class ServerConnection : ConnectionFacts
{
    /// <summary>Host that was asked for.</summary>
    public required string Host { get; init; }

    /// <summary>Port that was asked for.</summary>
    public required int Port { get; init; }

    /// <summary><c>host:port</c> of the parent proxy, when one is between.</summary>
    public string? Via { get; init; }

    /// <summary>Name look-up took, microseconds; -1 unknown.</summary>
    public long ResolveMicroseconds { get; set; } = -1;

    /// <summary>TCP connect took, microseconds; -1 unknown.</summary>
    public long ConnectMicroseconds { get; set; } = -1;

    /// <summary>TLS handshake took, microseconds; -1 without TLS.</summary>
    public long TlsMicroseconds { get; set; } = -1;

    /// <summary>Whether the certificate was left unverified by option.</summary>
    public bool IsUnverified { get; set; }
}
