using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using System.Text.Json;

namespace RelayCore.Engine.Certificates;

/// <summary>
/// The certificate authority whose certificate users trust: a certificate, its private key and the right to sign leaf certificates.
/// </summary>
/// <remarks>
/// Thread-safe: signatures are made one at a time. Our own authority is an ECDSA P-256 key valid for 10 years; a user's own may be
/// RSA or ECDSA and may be an intermediate.
/// </remarks>
public sealed class RootAuthority : IDisposable
{
    /// <summary>Name of the certificate in a data directory.</summary>
    public const string CertificateFileName = "ca_cert.pem";

    /// <summary>Name of its private key in a data directory.</summary>
    public const string KeyFileName = "ca_key.pem";

    private const int ValidityYears = 10;
    internal static readonly TimeSpan Backdating = TimeSpan.FromDays(2); // clocks of phones and virtual machines lag
    private readonly Lock _signing = new();
    private readonly AsymmetricAlgorithm _key;
    private readonly X509SignatureGenerator _generator;

    private RootAuthority(X509Certificate2Collection certificates, AsymmetricAlgorithm key, string certificatePath, string keyPath, bool isNew)
    {
        (Certificate, _key, CertificatePath, KeyPath, IsNew) = (certificates[0], key, certificatePath, keyPath, isNew);
        _generator = key is RSA rsa
            ? X509SignatureGenerator.CreateForRSA(rsa, RSASignaturePadding.Pkcs1)
            : X509SignatureGenerator.CreateForECDsa((ECDsa)key);
        Hash = key is ECDsa { KeySize: > 384 } ? HashAlgorithmName.SHA512
            : key is ECDsa { KeySize: > 256 } ? HashAlgorithmName.SHA384
            : HashAlgorithmName.SHA256;

        // A client has the root already; what lies between it and the leaf must be sent (RFC 8446 §4.4.2).
        Intermediates = [.. certificates.Where(certificate => !IsSelfIssued(certificate))];
    }

    /// <summary>The certificate that signs, without its private key. Owned by this object.</summary>
    public X509Certificate2 Certificate { get; }

    /// <summary>Where the certificate was read from or written to, as PEM.</summary>
    public string CertificatePath { get; }

    /// <summary>Where the private key was read from or written to, as PEM.</summary>
    public string KeyPath { get; }

    /// <summary>Whether this call created the authority, so that users have to trust it yet.</summary>
    public bool IsNew { get; }

    /// <summary>SHA-256 of the DER certificate, 64 upper-case hexadecimal digits.</summary>
    public string Sha256Fingerprint => Certificate.GetCertHashString(HashAlgorithmName.SHA256);

    /// <summary>What a server must send after the leaf: the issuer and its chain without the root; empty when the issuer is the root.</summary>
    internal X509Certificate2Collection Intermediates { get; }

    /// <summary>The hash to sign leaf certificates with, matched to the strength of the key.</summary>
    internal HashAlgorithmName Hash { get; }

    /// <summary>Loads the authority of a data directory, or creates it when there is none.</summary>
    /// <param name="directory">The data directory; created with mode 0700 when missing.</param>
    /// <param name="time">Decides validity.</param>
    /// <param name="cancellationToken">Ends the wait for another process that creates one at this moment.</param>
    /// <returns>The authority; the caller disposes it. Processes that start together all get the same.</returns>
    /// <exception cref="CertificateFileException">One file of the pair is missing or unusable, or the directory cannot be written.</exception>
    public static async Task<RootAuthority> LoadOrCreateAsync(string directory, TimeProvider time, CancellationToken cancellationToken = default)
    {
        var files = new CertificateFiles(directory);
        CertificateFileException? finding = null;
        if (File.Exists(files.Certificate) && File.Exists(files.Key))
        {
            try
            {
                return Load(files.Certificate, files.Key, time);
            }
            catch (CertificateFileException error)
            {
                finding = error; // or another process is between two renames: judged again once it is certain that none is
            }
        }

        FileStream held;
        try
        {
            held = await files.LockAsync(time, cancellationToken).ConfigureAwait(false);
        }
        catch (CertificateFileException) when (finding is not null)
        {
            throw finding; // a directory that cannot be written has no writer to wait for
        }

        using (held)
        {
            return LoadOrCreate(files, time);
        }
    }

    /// <remarks>The caller holds the lock.</remarks>
    private static RootAuthority LoadOrCreate(CertificateFiles files, TimeProvider time) =>
        (File.Exists(files.Certificate), File.Exists(files.Key)) switch
        {
            (false, false) => Create(files, time),
            (true, true) => Load(files.Certificate, files.Key, time),
            (true, false) => throw Missing(files.Key, files.Certificate),
            (false, true) => throw Missing(files.Certificate, files.Key),
        };

    /// <summary>Creates an authority in a data directory, unless there is one and <paramref name="force"/> is not given.</summary>
    /// <param name="directory">The data directory; created with mode 0700 when missing.</param>
    /// <param name="force">Replaces whatever is there; certificates trusted before are then stale.</param>
    /// <param name="time">Decides validity.</param>
    /// <param name="cancellationToken">Ends the wait for another process.</param>
    /// <returns>The authority; <see cref="IsNew"/> tells whether it was created.</returns>
    /// <exception cref="CertificateFileException">As for <see cref="LoadOrCreateAsync"/>.</exception>
    public static async Task<RootAuthority> GenerateAsync(string directory, bool force, TimeProvider time, CancellationToken cancellationToken = default)
    {
        if (!force)
        {
            return await LoadOrCreateAsync(directory, time, cancellationToken).ConfigureAwait(false);
        }

        var files = new CertificateFiles(directory);
        using var held = await files.LockAsync(time, cancellationToken).ConfigureAwait(false);
        return Create(files, time);
    }

    /// <summary>Loads an authority of the user's own.</summary>
    /// <param name="certificatePath">PEM; further certificates in it complete the chain. May be the same file as the key's.</param>
    /// <param name="keyPath">PEM: PKCS#8, PKCS#1 or SEC 1, not encrypted.</param>
    /// <param name="time">Decides validity.</param>
    /// <exception cref="CertificateFileException">Either file is unusable, or they do not belong together.</exception>
    public static RootAuthority Load(string certificatePath, string keyPath, TimeProvider time)
    {
        ArgumentNullException.ThrowIfNull(time);
        var certificates = CertificateLoader.LoadCertificates(certificatePath, time);
        return new(certificates, CertificateLoader.LoadKey(keyPath, certificates[0], certificatePath), certificatePath, keyPath, isNew: false);
    }

    /// <summary>Reads the signing certificate of a file without judging whether it may sign, for whoever shows or trusts it.</summary>
    /// <param name="path">PEM; the first certificate counts.</param>
    /// <returns>The certificate; the caller disposes it.</returns>
    /// <exception cref="CertificateFileException">The file cannot be read, or has no certificate in it.</exception>
    public static X509Certificate2 ReadCertificate(string path) => CertificateLoader.ReadCertificates(path)[0];

    /// <inheritdoc />
    public void Dispose()
    {
        lock (_signing)
        {
            _key.Dispose();
        }

        Certificate.Dispose();
        foreach (var certificate in Intermediates)
        {
            certificate.Dispose();
        }
    }

    /// <summary>Signs a certificate for <paramref name="request"/>'s key; the result has no private key yet.</summary>
    internal X509Certificate2 Sign(CertificateRequest request, DateTimeOffset notBefore, DateTimeOffset notAfter)
    {
        lock (_signing) // neither the generators nor the keys below them promise to be thread-safe
        {
            return request.Create(Certificate.SubjectName, _generator, notBefore, notAfter, NewSerial());
        }
    }

    /// <summary>16 octets, positive and without a leading zero (RFC 5280 §4.1.2.2), 126 of the bits random.</summary>
    private static byte[] NewSerial()
    {
        var serial = RandomNumberGenerator.GetBytes(16);
        serial[0] = (byte)((serial[0] & 0x3F) | 0x40);
        return serial;
    }

    private static RootAuthority Create(CertificateFiles files, TimeProvider time)
    {
        var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        try
        {
            var now = time.GetUtcNow();
            var certificate = SelfSign(key, now);
            var pem = Encoding.ASCII.GetBytes(certificate.ExportCertificatePem() + "\n");
            var keyPem = Encoding.ASCII.GetBytes(key.ExportPkcs8PrivateKeyPem() + "\n");
            files.Write(
                (files.Key, keyPem, CertificateFiles.PrivateFile),
                (files.Certificate, pem, CertificateFiles.PublicFile),
                (files.CertificateDer, certificate.RawData, CertificateFiles.PublicFile),
                (files.Metadata, Describe(certificate, now), CertificateFiles.PublicFile));
            CryptographicOperations.ZeroMemory(keyPem);
            return new([certificate], key, files.Certificate, files.Key, isNew: true);
        }
        catch
        {
            key.Dispose();
            throw;
        }
    }

    private static X509Certificate2 SelfSign(ECDsa key, DateTimeOffset now)
    {
        var publicKey = new PublicKey(key);
        var keyId = new X509SubjectKeyIdentifierExtension(publicKey, critical: false);
        var name = new X500DistinguishedNameBuilder();
        name.AddCommonName($"RelayCore CA {keyId.SubjectKeyIdentifier![..8].ToLowerInvariant()}");
        name.AddOrganizationName("RelayCore"); // the builder encodes the last one first
        var request = new CertificateRequest(name.Build(), key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(certificateAuthority: true, hasPathLengthConstraint: false, 0, critical: true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.KeyCertSign | X509KeyUsageFlags.CrlSign, critical: true));
        request.CertificateExtensions.Add(keyId);
        return request.Create(
            request.SubjectName, X509SignatureGenerator.CreateForECDsa(key), now - Backdating, now.AddYears(ValidityYears), NewSerial());
    }

    private static byte[] Describe(X509Certificate2 certificate, DateTimeOffset created)
    {
        using var content = new MemoryStream();
        using (var json = new Utf8JsonWriter(content, new JsonWriterOptions { Indented = true }))
        {
            json.WriteStartObject();
            json.WriteString("subject", certificate.Subject);
            json.WriteString("sha256", certificate.GetCertHashString(HashAlgorithmName.SHA256));
            json.WriteString("created", created.UtcDateTime);
            json.WriteString("not_after", certificate.NotAfter.ToUniversalTime());
            json.WriteEndObject();
        }

        content.WriteByte((byte)'\n');
        return content.ToArray();
    }

    private static bool IsSelfIssued(X509Certificate2 certificate) =>
        certificate.SubjectName.RawData.AsSpan().SequenceEqual(certificate.IssuerName.RawData);

    private static CertificateFileException Missing(string missing, string present) => new(
        missing, $"is missing although {Path.GetFileName(present)} is there", "restore it, or replace both with `relay-core-cli ca generate --force`");
}
