namespace RelayCore.Protocols.Tls;

/// <summary>Why octets could not be read as a ClientHello. Each value names the rule that was broken.</summary>
public enum ClientHelloFault
{
    /// <summary>No fault.</summary>
    None,

    /// <summary>The first octets are not a TLS handshake record (RFC 8446 §5.1): another protocol, or SSL 2.0.</summary>
    NotTls,

    /// <summary>The first handshake message is not a ClientHello (RFC 8446 §4).</summary>
    NotClientHello,

    /// <summary>A record is empty or longer than 2^14 octets (RFC 8446 §5.1).</summary>
    BadRecordLength,

    /// <summary>Another record type, or another protocol version, stands between the pieces of the message (RFC 8446 §5.1).</summary>
    InterleavedRecord,

    /// <summary>The message, or the records that carry it, would exceed <see cref="ClientHelloReader.MaxOctets"/>.</summary>
    TooLarge,

    /// <summary>A length does not fit its container, or octets are left over (RFC 8446 §4.1.2).</summary>
    BadLength,

    /// <summary>The session id is longer than 32 octets (RFC 8446 §4.1.2).</summary>
    BadSessionId,

    /// <summary>The cipher suite list is empty or has an odd length (RFC 8446 §4.1.2).</summary>
    BadCipherSuites,

    /// <summary>The compression method list is empty (RFC 8446 §4.1.2).</summary>
    BadCompressionMethods,

    /// <summary>The same extension occurs twice (RFC 8446 §4.2).</summary>
    DuplicateExtension,

    /// <summary>The server_name extension is malformed, empty or names two hosts (RFC 6066 §3).</summary>
    BadServerName,

    /// <summary>The ALPN extension is malformed or has an empty name (RFC 7301 §3.1).</summary>
    BadApplicationProtocols,

    /// <summary>The supported_versions extension is malformed or empty (RFC 8446 §4.2.1).</summary>
    BadSupportedVersions,

    /// <summary>The supported_groups extension is malformed or empty (RFC 8446 §4.2.7).</summary>
    BadSupportedGroups,

    /// <summary>The ec_point_formats extension is malformed or empty (RFC 8422 §5.1.2).</summary>
    BadPointFormats,

    /// <summary>The signature_algorithms extension is malformed or empty (RFC 8446 §4.2.3).</summary>
    BadSignatureAlgorithms,
}
