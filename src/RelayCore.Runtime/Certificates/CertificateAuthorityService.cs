using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using RelayCore.Engine.Certificates;

namespace RelayCore.Runtime.Certificates;

/// <summary>Which authority is meant, and where trust is looked for.</summary>
public sealed record CertificateAuthorityOptions
{
    /// <summary>The data directory, where our own authority lives.</summary>
    public required string DataDirectory { get; init; }

    /// <summary>The user's own certificate (<c>--ca-cert</c>), given together with <see cref="OwnKeyPath"/>; or <see langword="null"/>.</summary>
    public string? OwnCertificatePath { get; init; }

    /// <summary>The user's own key (<c>--ca-key</c>); or <see langword="null"/>.</summary>
    public string? OwnKeyPath { get; init; }

    /// <summary>Where trust stores are.</summary>
    public TrustStorePaths Stores { get; init; } = new();
}

/// <summary>What can be said of a CA certificate.</summary>
/// <param name="Subject">Distinguished name.</param>
/// <param name="Sha256">SHA-256 of the DER, 64 upper-case hexadecimal digits.</param>
/// <param name="NotBefore">Start of validity, UTC.</param>
/// <param name="NotAfter">End of validity, UTC.</param>
public sealed record CertificateAuthorityFacts(string Subject, string Sha256, DateTimeOffset NotBefore, DateTimeOffset NotAfter);

/// <summary>What <c>ca generate</c> did.</summary>
/// <param name="Created"><see langword="false"/> when the present authority was kept.</param>
/// <param name="CertificatePath">PEM.</param>
/// <param name="KeyPath">PEM, mode 0600.</param>
/// <param name="Facts">Of the authority that is there now.</param>
public sealed record CertificateAuthorityGenerated(bool Created, string CertificatePath, string KeyPath, CertificateAuthorityFacts Facts);

/// <summary>What <c>ca status</c> shows.</summary>
/// <param name="CertificatePath">Where the certificate is, or would be.</param>
/// <param name="KeyPath">Where the key is, or would be.</param>
/// <param name="Facts">Of the certificate, when it can be read at all.</param>
/// <param name="Problem">One sentence on why the authority cannot be used; <see langword="null"/> when it can.</param>
/// <param name="IsKeyExposed">Whether others than its owner may read the key file; <see langword="null"/> when it is not there, or on Windows.</param>
/// <param name="Stores">Every trust store, as found.</param>
public sealed record CertificateAuthorityStatus(
    string CertificatePath, string KeyPath, CertificateAuthorityFacts? Facts, string? Problem, bool? IsKeyExposed, IReadOnlyList<TrustStoreReport> Stores);

/// <summary>The authority and who trusts it: what the verbs <c>ca generate|status|export|install|uninstall</c> do.</summary>
/// <remarks>Answers come from files and stores at the time of the call; nothing is kept. Errors of files are <see cref="CertificateFileException"/>s.</remarks>
public sealed class CertificateAuthorityService
{
    private readonly CertificateAuthorityOptions _options;
    private readonly TimeProvider _time;
    private readonly TrustStores _stores;

    /// <summary>Names the authority; touches nothing.</summary>
    /// <exception cref="ArgumentException">Only one of the user's two files is given.</exception>
    public CertificateAuthorityService(CertificateAuthorityOptions options, TimeProvider time)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(time);
        if (options.OwnCertificatePath is null != options.OwnKeyPath is null)
        {
            throw new ArgumentException("--ca-cert and --ca-key belong together; give both or neither.", nameof(options));
        }

        (_options, _time, _stores) = (options, time, new(options.Stores, time));
    }

    /// <summary>The certificate's file, as PEM.</summary>
    public string CertificatePath => _options.OwnCertificatePath ?? Path.Combine(Path.GetFullPath(_options.DataDirectory), RootAuthority.CertificateFileName);

    /// <summary>The key's file, as PEM.</summary>
    public string KeyPath => _options.OwnKeyPath ?? Path.Combine(Path.GetFullPath(_options.DataDirectory), RootAuthority.KeyFileName);

    /// <summary>Makes an authority, or keeps the present one unless <paramref name="force"/> is given.</summary>
    /// <exception cref="CertificateFileException">The user brings an own authority, or files are in the way.</exception>
    public async Task<CertificateAuthorityGenerated> GenerateAsync(bool force, CancellationToken cancellationToken = default)
    {
        if (_options.OwnCertificatePath is { } own)
        {
            throw new CertificateFileException(own, "is an authority of your own, which is not made here", "leave out --ca-cert and --ca-key");
        }

        using var root = await RootAuthority.GenerateAsync(_options.DataDirectory, force, _time, cancellationToken).ConfigureAwait(false);
        return new(root.IsNew, root.CertificatePath, root.KeyPath, Facts(root.Certificate));
    }

    /// <summary>The authority and every trust store, as they are. Never throws for what it finds.</summary>
    public async Task<CertificateAuthorityStatus> GetStatusAsync(CancellationToken cancellationToken = default)
    {
        var (facts, authority, problem) = (default(CertificateAuthorityFacts), default(TrustedAuthority), default(string));
        try
        {
            using var certificate = RootAuthority.ReadCertificate(CertificatePath);
            (facts, authority) = (Facts(certificate), new(certificate));
            RootAuthority.Load(CertificatePath, KeyPath, _time).Dispose();
        }
        catch (CertificateFileException error)
        {
            problem = error.Message;
        }

        var stores = await _stores.ForEachAsync(store => store.InspectAsync(authority, cancellationToken)).ConfigureAwait(false);
        return new(CertificatePath, KeyPath, facts, problem, IsExposed(KeyPath), stores);
    }

    /// <summary>The certificate as PEM (ASCII, one final newline) or DER. The private key is never exported.</summary>
    /// <exception cref="CertificateFileException">There is none, or it cannot be read.</exception>
    public byte[] Export(bool der)
    {
        using var certificate = RootAuthority.ReadCertificate(CertificatePath);
        return der ? certificate.RawData : Encoding.ASCII.GetBytes(certificate.ExportCertificatePem() + "\n");
    }

    /// <summary>Makes every store of this machine and user trust the certificate. Idempotent; a store that fails says so in its report.</summary>
    /// <exception cref="CertificateFileException">There is no usable certificate: nothing was changed.</exception>
    public async Task<IReadOnlyList<TrustStoreReport>> InstallAsync(CancellationToken cancellationToken = default)
    {
        RootAuthority.Load(CertificatePath, KeyPath, _time).Dispose(); // what cannot sign is not worth trusting
        var authority = TrustedAuthority.Read(CertificatePath);
        return await _stores.ForEachAsync(store => store.InstallAsync(authority, cancellationToken)).ConfigureAwait(false);
    }

    /// <summary>Removes the certificate, and stale ones of ours, from every store. Idempotent, and works without a certificate too.</summary>
    public async Task<IReadOnlyList<TrustStoreReport>> UninstallAsync(CancellationToken cancellationToken = default)
    {
        TrustedAuthority? authority = null;
        try
        {
            authority = TrustedAuthority.Read(CertificatePath);
        }
        catch (CertificateFileException)
        {
            // Deleted already: what bears our name is removed all the same.
        }

        return await _stores.ForEachAsync(store => store.UninstallAsync(authority, cancellationToken)).ConfigureAwait(false);
    }

    /// <summary>What to do by hand for systems and programs that are not automated.</summary>
    public IReadOnlyList<TrustInstructions> GetInstructions() => TrustInstructions.For(CertificatePath);

    private static CertificateAuthorityFacts Facts(X509Certificate2 certificate) => new(
        certificate.Subject, certificate.GetCertHashString(HashAlgorithmName.SHA256), certificate.NotBefore.ToUniversalTime(), certificate.NotAfter.ToUniversalTime());

    private static bool? IsExposed(string path)
    {
        const UnixFileMode Others = UnixFileMode.GroupRead | UnixFileMode.GroupWrite | UnixFileMode.OtherRead | UnixFileMode.OtherWrite;
        try
        {
            return OperatingSystem.IsWindows() ? null : (File.GetUnixFileMode(path) & Others) != 0;
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }
}
