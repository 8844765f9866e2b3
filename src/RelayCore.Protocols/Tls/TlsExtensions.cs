namespace RelayCore.Protocols.Tls;

/// <summary>Extension numbers the reader looks into (IANA "TLS ExtensionType Values"), and the reserved ones it must see through.</summary>
internal static class TlsExtensions
{
    public const ushort ServerName = 0x0000;
    public const ushort SupportedGroups = 0x000A;
    public const ushort EcPointFormats = 0x000B;
    public const ushort SignatureAlgorithms = 0x000D;
    public const ushort ApplicationProtocols = 0x0010;
    public const ushort SupportedVersions = 0x002B;
    public const ushort EarlyData = 0x002A;
    public const ushort EncryptedClientHello = 0xFE0D;

    /// <summary>Whether a value is one of the sixteen a client sends only to keep servers tolerant (RFC 8701 §2: 0x0A0A, 0x1A1A … 0xFAFA).</summary>
    public static bool IsGrease(ushort value) => (value & 0x0F0F) == 0x0A0A && (value >> 8) == (value & 0xFF);
}
