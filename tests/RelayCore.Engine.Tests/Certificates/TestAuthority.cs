using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace RelayCore.Engine.Tests.Certificates;

/// <summary>Authorities such as users bring: of any algorithm, right or wrong.</summary>
internal sealed class TestAuthority(AsymmetricAlgorithm key, string pem) : IDisposable
{
    public AsymmetricAlgorithm Key { get; } = key;

    public string CertificatePem { get; } = pem;

    public string KeyPem => Key.ExportPkcs8PrivateKeyPem();

    public X509Certificate2 Certificate { get; } = X509Certificate2.CreateFromPem(pem);

    public static TestAuthority Create(string algorithm, DateTimeOffset now) => Create(
        algorithm switch
        {
            "RSA" => RSA.Create(2048),
            "P-384" => ECDsa.Create(ECCurve.NamedCurves.nistP384),
            "P-521" => ECDsa.Create(ECCurve.NamedCurves.nistP521),
            _ => ECDsa.Create(ECCurve.NamedCurves.nistP256),
        },
        now);

    public static TestAuthority Create(AsymmetricAlgorithm key, DateTimeOffset now) => new(key, Pem(key, now));

    /// <summary>A self-signed certificate, valid from two days before <paramref name="now"/> to a year after it.</summary>
    public static string Pem(AsymmetricAlgorithm key, DateTimeOffset now, bool isAuthority = true, X509KeyUsageFlags usage = X509KeyUsageFlags.KeyCertSign)
    {
        using var certificate = Request(key, "CN=Own CA", isAuthority, usage).CreateSelfSigned(now.AddDays(-2), now.AddYears(1));
        return certificate.ExportCertificatePem() + "\n";
    }

    public static CertificateRequest Request(AsymmetricAlgorithm key, string name, bool isAuthority = true, X509KeyUsageFlags usage = X509KeyUsageFlags.KeyCertSign)
    {
        var request = key is RSA rsa
            ? new CertificateRequest(name, rsa, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1)
            : new CertificateRequest(name, (ECDsa)key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(isAuthority, false, 0, true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(usage, true));
        return request;
    }

    public void Dispose()
    {
        Certificate.Dispose();
        Key.Dispose();
    }
}
