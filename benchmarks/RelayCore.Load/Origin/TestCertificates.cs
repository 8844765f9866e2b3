using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace RelayCore.Load.Origin;

/// <summary>A throw-away CA and one ECDSA P-256 certificate for localhost and the loopback addresses, as PEM files in a folder.</summary>
internal sealed record TestCertificates(string Directory)
{
    /// <summary>Certificate of the CA; what a proxy or client is told to trust.</summary>
    public string Ca => Path.Combine(Directory, "origin-ca.pem");

    public string Leaf => Path.Combine(Directory, "origin.pem");

    public string Key => Path.Combine(Directory, "origin.key");

    /// <summary>Leaf and key in one file, as haproxy wants them.</summary>
    public string Bundle => Path.Combine(Directory, "origin-bundle.pem");

    /// <summary>Writes the files unless the folder has them already.</summary>
    public static TestCertificates Ensure(string directory)
    {
        var files = new TestCertificates(directory);
        if (File.Exists(files.Bundle))
        {
            return files;
        }

        System.IO.Directory.CreateDirectory(directory);
        var from = TimeProvider.System.GetUtcNow().AddDays(-1);
        var to = from.AddDays(90);
        using var caKey = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var caRequest = new CertificateRequest("CN=RelayCore benchmark origin CA", caKey, HashAlgorithmName.SHA256);
        caRequest.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        caRequest.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.KeyCertSign | X509KeyUsageFlags.CrlSign, true));
        caRequest.CertificateExtensions.Add(new X509SubjectKeyIdentifierExtension(caRequest.PublicKey, false));
        using var ca = caRequest.CreateSelfSigned(from, to);

        using var leafKey = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var leafRequest = new CertificateRequest("CN=localhost", leafKey, HashAlgorithmName.SHA256);
        var names = new SubjectAlternativeNameBuilder();
        names.AddDnsName("localhost");
        names.AddIpAddress(IPAddress.Loopback);
        names.AddIpAddress(IPAddress.IPv6Loopback);
        leafRequest.CertificateExtensions.Add(names.Build());
        leafRequest.CertificateExtensions.Add(new X509BasicConstraintsExtension(false, false, 0, true));
        leafRequest.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.DigitalSignature, true));
        leafRequest.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension([new Oid("1.3.6.1.5.5.7.3.1")], false));
        leafRequest.CertificateExtensions.Add(new X509SubjectKeyIdentifierExtension(leafRequest.PublicKey, false));
        leafRequest.CertificateExtensions.Add(X509AuthorityKeyIdentifierExtension.CreateFromCertificate(ca, true, false));
        using var leaf = leafRequest.Create(ca, from, to, RandomNumberGenerator.GetBytes(16));

        var (leafPem, keyPem) = (leaf.ExportCertificatePem() + "\n", leafKey.ExportPkcs8PrivateKeyPem() + "\n");
        File.WriteAllText(files.Ca, ca.ExportCertificatePem() + "\n");
        File.WriteAllText(files.Leaf, leafPem);
        File.WriteAllText(files.Key, keyPem);
        File.WriteAllText(files.Bundle, leafPem + keyPem);
        return files;
    }
}

/// <summary><c>certs --dir DIR</c>: writes the test CA and the origin certificate.</summary>
internal static class CertificatesCommand
{
    public static int Run(Arguments arguments)
    {
        var directory = arguments.RequiredText("--dir");
        arguments.RejectRest();
        Console.WriteLine(TestCertificates.Ensure(directory).Ca);
        return 0;
    }
}
