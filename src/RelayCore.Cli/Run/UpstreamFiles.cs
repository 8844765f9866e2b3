using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using RelayCore.Engine.Policy;

namespace RelayCore.Cli.Run;

/// <summary>Reads the certificate files named by options; each problem is one sentence with the option, the file and the reason.</summary>
internal static class UpstreamFiles
{
    /// <summary>Roots for <c>--upstream-ca</c>: every certificate of every file.</summary>
    /// <exception cref="CliException">A file cannot be used.</exception>
    public static X509Certificate2Collection ReadRoots(IReadOnlyList<string> files)
    {
        var roots = new X509Certificate2Collection();
        foreach (var file in files)
        {
            var octets = Read("--upstream-ca", file);
            var before = roots.Count;
            try
            {
                if (IsPem(octets))
                {
                    roots.ImportFromPem(System.Text.Encoding.Latin1.GetString(octets));
                }
                else
                {
                    roots.Add(X509CertificateLoader.LoadCertificate(octets));
                }
            }
            catch (CryptographicException)
            {
                throw new CliException($"--upstream-ca: {file} is not a certificate file; it must be PEM or DER.");
            }

            if (roots.Count == before)
            {
                throw new CliException($"--upstream-ca: {file} has no certificate in it.");
            }
        }

        return roots;
    }

    /// <summary>Client certificates for <c>--client-cert</c>, with their keys.</summary>
    /// <exception cref="CliException">A file cannot be used.</exception>
    public static IReadOnlyList<(HostPattern Hosts, X509Certificate2 Certificate)> ReadClientCertificates(IReadOnlyList<(HostPattern Hosts, string File)> files) =>
        [.. files.Select(x => (x.Hosts, ReadClientCertificate(x.File)))];

    private static X509Certificate2 ReadClientCertificate(string file)
    {
        var octets = Read("--client-cert", file);
        X509Certificate2 certificate;
        try
        {
            if (IsPem(octets))
            {
                var text = System.Text.Encoding.Latin1.GetString(octets);
                if (!text.Contains("PRIVATE KEY-----", StringComparison.Ordinal))
                {
                    throw new CliException($"--client-cert: {file} has no private key; put certificate and key into one PEM file, or give a PFX.");
                }

                using var pem = X509Certificate2.CreateFromPem(text, text);
                // Round trip through PFX: the TLS stack wants a key it can reach by the certificate alone.
                certificate = X509CertificateLoader.LoadPkcs12(pem.Export(X509ContentType.Pkcs12), null);
            }
            else
            {
                certificate = X509CertificateLoader.LoadPkcs12(octets, Environment.GetEnvironmentVariable("RELAY_CLIENT_CERT_PASSWORD"));
            }
        }
        catch (CryptographicException error)
        {
            var isEncrypted = IsPem(octets)
                ? System.Text.Encoding.Latin1.GetString(octets).Contains("ENCRYPTED", StringComparison.Ordinal)
                : error.Message.Contains("password", StringComparison.OrdinalIgnoreCase);
            throw new CliException(isEncrypted
                ? $"--client-cert: {file} is encrypted; give the password of a PFX in RELAY_CLIENT_CERT_PASSWORD, or a PEM file without password."
                : $"--client-cert: {file} is neither a PFX nor a PEM file with a certificate and its key.");
        }

        if (!certificate.HasPrivateKey)
        {
            throw new CliException($"--client-cert: {file} has no private key.");
        }

        return certificate;
    }

    private static byte[] Read(string option, string file)
    {
        try
        {
            return File.ReadAllBytes(file);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new CliException(
                error switch
                {
                    FileNotFoundException or DirectoryNotFoundException => $"{option}: there is no file {file}.",
                    UnauthorizedAccessException when Directory.Exists(file) => $"{option}: {file} is a folder.",
                    UnauthorizedAccessException => $"{option}: {file} cannot be read: permission is denied.",
                    _ => $"{option}: {file} cannot be read.",
                },
                inner: error);
        }
    }

    private static bool IsPem(byte[] octets) => octets.AsSpan().IndexOf("-----BEGIN "u8) >= 0;
}
