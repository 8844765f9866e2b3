using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace RelayCore.Engine.Certificates;

/// <summary>Reads a CA certificate and its key from PEM files and refuses, in one sentence, whatever could not sign leaf certificates.</summary>
internal static class CertificateLoader
{
    private const int MaxFileOctets = 1024 * 1024; // a PEM certificate takes 2 KiB; a device file must not fill memory
    private const string CertificateRemedy = "give a CA certificate in PEM with --ca-cert, or run `relay-core-cli ca generate --force`";
    private const string KeyRemedy = "give the certificate's private key in PEM with --ca-key, or run `relay-core-cli ca generate --force`";

    /// <summary>The certificates of a file: the issuer first, then whatever else it holds to complete its chain.</summary>
    /// <exception cref="CertificateFileException">See the type; every reason is tested.</exception>
    public static X509Certificate2Collection LoadCertificates(string path, TimeProvider time)
    {
        var certificates = ReadCertificates(path);
        Check(path, certificates[0], time.GetUtcNow());
        return certificates;
    }

    /// <summary>The same without judging them; at least one.</summary>
    /// <exception cref="CertificateFileException">The file cannot be read, or has no certificate in it.</exception>
    public static X509Certificate2Collection ReadCertificates(string path)
    {
        var text = ReadText(path, CertificateRemedy);
        var certificates = new X509Certificate2Collection();
        try
        {
            certificates.ImportFromPem(text);
        }
        catch (CryptographicException error)
        {
            throw new CertificateFileException(path, "contains a certificate that cannot be read", CertificateRemedy, error);
        }

        return certificates.Count != 0
            ? certificates
            : throw new CertificateFileException(path, "has no certificate in PEM form in it", CertificateRemedy);
    }

    /// <summary>The private key in <paramref name="path"/>, proved to belong to <paramref name="certificate"/>.</summary>
    /// <exception cref="CertificateFileException">See the type; every reason is tested.</exception>
    public static AsymmetricAlgorithm LoadKey(string path, X509Certificate2 certificate, string certificatePath)
    {
        var text = ReadText(path, KeyRemedy);
        if (text.Contains("-----BEGIN ENCRYPTED PRIVATE KEY-----", StringComparison.Ordinal)
            || text.Contains("Proc-Type: 4,ENCRYPTED", StringComparison.Ordinal))
        {
            throw new CertificateFileException(path, "is encrypted with a passphrase", "decrypt it, for example with `openssl pkey -in KEY -out PLAIN`");
        }

        if (!text.Contains("PRIVATE KEY-----", StringComparison.Ordinal))
        {
            throw new CertificateFileException(path, "has no private key in PEM form in it", KeyRemedy);
        }

        return Import(path, text, certificate, certificatePath);
    }

    private static AsymmetricAlgorithm Import(string path, string text, X509Certificate2 certificate, string certificatePath)
    {
        using var rsaPublic = certificate.GetRSAPublicKey();
        using var ecdsaPublic = certificate.GetECDsaPublicKey();
        AsymmetricAlgorithm key = rsaPublic is not null ? RSA.Create() : ECDsa.Create();
        try
        {
            key.ImportFromPem(KeySections(text));
            if (!(rsaPublic is not null ? IsPair((RSA)key, rsaPublic) : IsPair((ECDsa)key, ecdsaPublic!)))
            {
                throw new CertificateFileException(path, $"is not the key of {certificatePath}", "give the two files that belong together");
            }

            return key;
        }
        catch (Exception error) when (error is CryptographicException or ArgumentException)
        {
            key.Dispose();
            throw IsOtherKind(text, rsaPublic is not null)
                ? new CertificateFileException(path, $"is not the key of {certificatePath} (another kind of key)", "give the two files that belong together", error)
                : new CertificateFileException(path, "has a private key that cannot be read", KeyRemedy, error);
        }
        catch
        {
            key.Dispose();
            throw;
        }
    }

    /// <summary>The text from its private key on: certificates and EC parameters around it are not ours to import.</summary>
    private static string KeySections(string text)
    {
        foreach (var label in (ReadOnlySpan<string>)["-----BEGIN PRIVATE KEY-----", "-----BEGIN EC PRIVATE KEY-----", "-----BEGIN RSA PRIVATE KEY-----"])
        {
            var start = text.IndexOf(label, StringComparison.Ordinal);
            if (start >= 0)
            {
                var end = text.IndexOf("-----END", start, StringComparison.Ordinal);
                var stop = end < 0 ? -1 : text.IndexOf('\n', end);
                return stop < 0 ? text[start..] : text[start..stop];
            }
        }

        return text;
    }

    /// <summary>Whether the text holds a sound key of the other algorithm, or one that neither is (Ed25519 and the like).</summary>
    private static bool IsOtherKind(string text, bool isRsa)
    {
        using AsymmetricAlgorithm other = isRsa ? ECDsa.Create() : RSA.Create();
        try
        {
            other.ImportFromPem(KeySections(text));
            return true;
        }
        catch (Exception error) when (error is CryptographicException or ArgumentException)
        {
            return false;
        }
    }

    /// <summary>A signature is the proof that holds for every way to encode the same key.</summary>
    private static bool IsPair(RSA key, RSA expected) =>
        expected.VerifyData(s_probe, key.SignData(s_probe, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1), HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1);

    private static bool IsPair(ECDsa key, ECDsa expected) =>
        key.KeySize == expected.KeySize && expected.VerifyData(s_probe, key.SignData(s_probe, HashAlgorithmName.SHA256), HashAlgorithmName.SHA256);

    private static readonly byte[] s_probe = "RelayCore: does this key belong to this certificate?"u8.ToArray();

    private static void Check(string path, X509Certificate2 certificate, DateTimeOffset now)
    {
        var constraints = certificate.Extensions.OfType<X509BasicConstraintsExtension>().FirstOrDefault();
        var usage = certificate.Extensions.OfType<X509KeyUsageExtension>().FirstOrDefault();
        var (notBefore, notAfter) = (certificate.NotBefore.ToUniversalTime(), certificate.NotAfter.ToUniversalTime());
        using var rsa = certificate.GetRSAPublicKey();
        using var ecdsa = certificate.GetECDsaPublicKey();
        var reason = constraints is not { CertificateAuthority: true } ? "is not a CA certificate (basic constraints do not say CA)"
            : usage is not null && !usage.KeyUsages.HasFlag(X509KeyUsageFlags.KeyCertSign) ? "may not sign certificates (key usage lacks certSign)"
            : rsa is null && ecdsa is null ? "has a key that is neither RSA nor ECDSA"
            : now < notBefore ? FormattableString.Invariant($"is not valid before {notBefore:yyyy-MM-dd HH:mm} UTC")
            : now > notAfter ? FormattableString.Invariant($"expired on {notAfter:yyyy-MM-dd HH:mm} UTC")
            : null;
        if (reason is not null)
        {
            throw new CertificateFileException(path, reason, CertificateRemedy);
        }
    }

    /// <summary>A whole file as text, at most 1 MiB.</summary>
    internal static string ReadText(string path, string remedy)
    {
        try
        {
            using var stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
            var content = new byte[MaxFileOctets + 1];
            var length = stream.ReadAtLeast(content, content.Length, throwOnEndOfStream: false);
            return length <= MaxFileOctets
                ? System.Text.Encoding.Latin1.GetString(content, 0, length)
                : throw new CertificateFileException(path, "is larger than 1 MiB, which no certificate is", remedy);
        }
        catch (Exception error) when (error is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new CertificateFileException(path, "does not exist", remedy, error);
        }
        catch (UnauthorizedAccessException error)
        {
            var reason = Directory.Exists(path) ? "is a directory" : "cannot be read (permission denied)";
            throw new CertificateFileException(path, reason, "make it readable for this user, or give another file", error);
        }
        catch (IOException error)
        {
            throw new CertificateFileException(path, $"cannot be read ({CertificateFiles.Sentence(error)})", remedy, error);
        }
    }
}
