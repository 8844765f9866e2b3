using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace RelayCore.Interop.Tests.Harness;

/// <summary>The authority the origins of a test have their certificates from; nobody but the test's proxy knows it.</summary>
internal sealed class TestPki : IDisposable
{
    private readonly ECDsa _key = ECDsa.Create(ECCurve.NamedCurves.nistP256);

    public TestPki(string name = "Interop Origin CA")
    {
        var request = new CertificateRequest($"CN={name}", _key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.KeyCertSign | X509KeyUsageFlags.CrlSign, true));
        request.CertificateExtensions.Add(new X509SubjectKeyIdentifierExtension(request.PublicKey, false));
        var now = TimeProvider.System.GetUtcNow();
        Root = request.CreateSelfSigned(now.AddDays(-900), now.AddYears(5));
    }

    public X509Certificate2 Root { get; }

    /// <summary>Issues a certificate for servers and clients, with its key.</summary>
    /// <param name="names">Host names and addresses.</param>
    /// <param name="expired">Whether it ended yesterday.</param>
    /// <param name="selfSigned">Signed by its own key instead of the authority.</param>
    public X509Certificate2 Issue(IReadOnlyList<string> names, bool expired = false, bool selfSigned = false)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest($"CN={names[0]}", key, HashAlgorithmName.SHA256);
        var alternatives = new SubjectAlternativeNameBuilder();
        foreach (var name in names)
        {
            if (IPAddress.TryParse(name, out var address))
            {
                alternatives.AddIpAddress(address);
            }
            else
            {
                alternatives.AddDnsName(name);
            }
        }

        request.CertificateExtensions.Add(alternatives.Build());
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(false, false, 0, true));
        request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension([new("1.3.6.1.5.5.7.3.1"), new("1.3.6.1.5.5.7.3.2")], false));
        var now = TimeProvider.System.GetUtcNow();
        var (from, to) = expired ? (now.AddDays(-400), now.AddDays(-1)) : (now.AddDays(-2), now.AddDays(90));
        if (selfSigned)
        {
            return request.CreateSelfSigned(from, to);
        }

        using var certificate = request.Create(Root, from, to, RandomNumberGenerator.GetBytes(16));
        return certificate.CopyWithPrivateKey(key);
    }

    /// <summary>Writes certificate and key as PEM files.</summary>
    public static (string Certificate, string Key) Write(TemporaryDirectory directory, string name, X509Certificate2 certificate) =>
        (directory.Write($"{name}.pem", certificate.ExportCertificatePem() + "\n"),
         directory.Write($"{name}.key", certificate.GetECDsaPrivateKey()!.ExportPkcs8PrivateKeyPem() + "\n"));

    public void Dispose()
    {
        Root.Dispose();
        _key.Dispose();
    }
}
