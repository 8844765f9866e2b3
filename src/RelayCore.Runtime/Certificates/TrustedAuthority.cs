using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using RelayCore.Engine.Certificates;

namespace RelayCore.Runtime.Certificates;

/// <summary>The certificate to be trusted, and how to recognize others of ours.</summary>
internal sealed class TrustedAuthority(X509Certificate2 certificate)
{
    /// <summary>Common name, and name in browsers' stores, of every authority we make.</summary>
    private const string NamePrefix = "RelayCore CA ";

    public byte[] Der { get; } = certificate.RawData;

    public string Pem { get; } = certificate.ExportCertificatePem() + "\n";

    /// <summary>Name in browsers' stores: of our own authorities their common name, of a user's one made from its fingerprint.</summary>
    public string Nickname { get; } = certificate.GetNameInfo(X509NameType.SimpleName, forIssuer: false) is { } name && IsOurs(name)
        ? name
        : NamePrefix + certificate.GetCertHashString(HashAlgorithmName.SHA256)[..8].ToLowerInvariant();

    public bool Is(X509Certificate2 other) => Der.AsSpan().SequenceEqual(other.RawDataMemory.Span);

    public static bool IsOurs(string name) => name.StartsWith(NamePrefix, StringComparison.Ordinal);

    public static bool IsOurs(X509Certificate2 certificate) => IsOurs(certificate.GetNameInfo(X509NameType.SimpleName, forIssuer: false));

    /// <summary>All certificates in PEM text; those that cannot be parsed are not ours and are left out.</summary>
    public static X509Certificate2Collection Parse(string pem)
    {
        var all = new X509Certificate2Collection();
        var rest = pem.AsSpan();
        while (System.Security.Cryptography.PemEncoding.TryFind(rest, out var fields))
        {
            if (rest[fields.Label] is "CERTIFICATE" && Certificate(rest[fields.Base64Data]) is { } certificate)
            {
                all.Add(certificate);
            }

            rest = rest[fields.Location.End..];
        }

        return all;
    }

    public static TrustedAuthority Read(string path)
    {
        using var certificate = RootAuthority.ReadCertificate(path);
        return new(certificate);
    }

    private static X509Certificate2? Certificate(ReadOnlySpan<char> base64)
    {
        try
        {
            return X509CertificateLoader.LoadCertificate(Convert.FromBase64String(base64.ToString()));
        }
        catch (Exception error) when (error is CryptographicException or FormatException)
        {
            return null;
        }
    }
}
