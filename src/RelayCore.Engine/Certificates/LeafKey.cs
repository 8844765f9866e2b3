using System.Security.Cryptography;
using System.Text;

namespace RelayCore.Engine.Certificates;

/// <summary>
/// The one P-256 key that all leaf certificates of an installation share. It is kept beside the authority (<c>leaf_key.pem</c>, mode
/// 0600), so that clients which remember a server's key see the same one after a restart.
/// </summary>
public static class LeafKey
{
    /// <summary>Loads the key of a data directory, or creates it.</summary>
    /// <param name="directory">The data directory; created with mode 0700 when missing.</param>
    /// <param name="time">Paces the wait for another process.</param>
    /// <param name="cancellationToken">Ends that wait.</param>
    /// <returns>The key; the caller disposes it after the last <see cref="LeafCertificates"/> that uses it.</returns>
    /// <exception cref="CertificateFileException">The file is there and unusable, or cannot be written.</exception>
    public static async Task<ECDsa> LoadOrCreateAsync(string directory, TimeProvider time, CancellationToken cancellationToken = default)
    {
        var files = new CertificateFiles(directory);
        if (File.Exists(files.LeafKey))
        {
            return Load(files.LeafKey); // a rename puts it there whole
        }

        using var held = await files.LockAsync(time, cancellationToken).ConfigureAwait(false);
        return File.Exists(files.LeafKey) ? Load(files.LeafKey) : Create(files);
    }

    private static ECDsa Create(CertificateFiles files)
    {
        var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        try
        {
            var pem = Encoding.ASCII.GetBytes(key.ExportPkcs8PrivateKeyPem() + "\n");
            files.Write((files.LeafKey, pem, CertificateFiles.PrivateFile));
            CryptographicOperations.ZeroMemory(pem);
            return key;
        }
        catch
        {
            key.Dispose();
            throw;
        }
    }

    private static ECDsa Load(string path)
    {
        const string Remedy = "delete it, and a new one is made at the next start";
        var key = ECDsa.Create();
        try
        {
            key.ImportFromPem(CertificateLoader.ReadText(path, Remedy));
            return key.KeySize == 256 ? key : throw new CertificateFileException(path, "is not a P-256 key", Remedy);
        }
        catch (Exception error) when (error is CryptographicException or ArgumentException)
        {
            key.Dispose();
            throw new CertificateFileException(path, "has no readable private key in PEM form in it", Remedy, error);
        }
        catch
        {
            key.Dispose();
            throw;
        }
    }
}
