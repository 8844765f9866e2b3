namespace RelayCore.Protocols.Tls;

/// <summary>
/// What a TLS client said first (RFC 8446 §4.1.2), in the order it said it and with its GREASE values (RFC 8701) left in.
/// Immutable by convention: the arrays belong to the reader's caller and are not written again.
/// </summary>
public sealed class ClientHello
{
    internal ClientHello()
    {
    }

    /// <summary>Version of the first record; kept for compatibility, says nothing about the client (RFC 8446 §5.1).</summary>
    public required ushort RecordVersion { get; init; }

    /// <summary>The <c>legacy_version</c> field: 0x0303 from every TLS 1.2 and 1.3 client.</summary>
    public required ushort LegacyVersion { get; init; }

    /// <summary>Octets of the connection that the message and its record headers occupied, up to its last octet.</summary>
    public required int WireOctets { get; init; }

    /// <summary>Cipher suites offered; at least one.</summary>
    public required ushort[] CipherSuites { get; init; }

    /// <summary>Extension numbers in wire order; empty when there is no extension block.</summary>
    public required ushort[] Extensions { get; init; }

    /// <summary>Content of supported_versions; empty before TLS 1.3.</summary>
    public required ushort[] SupportedVersions { get; init; }

    /// <summary>Content of supported_groups ("elliptic curves" before RFC 7919); empty when absent.</summary>
    public required ushort[] SupportedGroups { get; init; }

    /// <summary>Content of ec_point_formats; empty when absent.</summary>
    public required byte[] EcPointFormats { get; init; }

    /// <summary>Content of signature_algorithms; empty when absent.</summary>
    public required ushort[] SignatureAlgorithms { get; init; }

    /// <summary>
    /// Protocols offered by ALPN, preferred first; empty when absent. One character is one octet (Latin-1), so that no
    /// name loses anything.
    /// </summary>
    public required string[] ApplicationProtocols { get; init; }

    /// <summary>
    /// The host name asked for, as sent, one character per octet; <see langword="null"/> when the client named none.
    /// It is the peer's text: check <see cref="IsServerNameValid"/> before using it as a host.
    /// </summary>
    public required string? ServerName { get; init; }

    /// <summary>
    /// Whether <see cref="ServerName"/> is a DNS host name by <see cref="HostName.IsValid"/>, as RFC 6066 §3 demands: IP literals
    /// and trailing dots are not.
    /// </summary>
    public bool IsServerNameValid => ServerName is { } name && HostName.IsValid(name);

    /// <summary>Whether encrypted_client_hello is present. Browsers also send an empty promise of it, indistinguishable here from a real one (RFC 9849 §6.2).</summary>
    public bool HasEncryptedClientHello => HasExtension(TlsExtensions.EncryptedClientHello);

    /// <summary>Whether the client will send application data before the handshake ends (RFC 8446 §4.2.10).</summary>
    public bool HasEarlyData => HasExtension(TlsExtensions.EarlyData);

    /// <summary>Whether any list contains a GREASE value (RFC 8701): the mark of Chromium and its relatives.</summary>
    public bool HasGrease => ContainsGrease(CipherSuites) || ContainsGrease(Extensions) || ContainsGrease(SupportedGroups)
        || ContainsGrease(SupportedVersions) || ContainsGrease(SignatureAlgorithms);

    /// <summary>The best version offered: the largest of <see cref="SupportedVersions"/> without GREASE, else <see cref="LegacyVersion"/>.</summary>
    public ushort HighestVersion
    {
        get
        {
            ushort highest = 0;
            foreach (var version in SupportedVersions)
            {
                highest = !TlsExtensions.IsGrease(version) && version > highest ? version : highest;
            }

            return highest == 0 ? LegacyVersion : highest;
        }
    }

    /// <summary>Whether the extension block names <paramref name="extension"/> (IANA "TLS ExtensionType Values").</summary>
    public bool HasExtension(ushort extension) => Array.IndexOf(Extensions, extension) >= 0;

    /// <summary>Whether ALPN offers <paramref name="protocol"/>, compared octet by octet.</summary>
    public bool OffersProtocol(string protocol) => Array.IndexOf(ApplicationProtocols, protocol) >= 0;

    private static bool ContainsGrease(ushort[] values)
    {
        foreach (var value in values)
        {
            if (TlsExtensions.IsGrease(value))
            {
                return true;
            }
        }

        return false;
    }
}
