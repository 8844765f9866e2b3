using System.Collections.Concurrent;
using System.Runtime.InteropServices;
using System.Runtime.Versioning;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using System.Text.Json;
using Microsoft.Extensions.Time.Testing;
using Microsoft.Win32.SafeHandles;
using RelayCore.Engine.Certificates;
using Xunit;

namespace RelayCore.Engine.Tests.Certificates;

[UnsupportedOSPlatform("windows")]
public sealed partial class RootAuthorityTests : IDisposable
{
    private static readonly DateTimeOffset s_now = new(2026, 3, 1, 12, 0, 0, TimeSpan.Zero);
    private readonly TemporaryDirectory _directory = new();
    private readonly FakeTimeProvider _time = new(s_now);

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public void Dispose() => _directory.Dispose();

    [Fact]
    public async Task LoadOrCreateAsync_EmptyDirectory_MakesAnAuthorityToSpecification()
    {
        var directory = _directory.File("data/of/relay");
        using var root = await RootAuthority.LoadOrCreateAsync(directory, _time, Cancellation);
        var certificate = root.Certificate;

        Assert.True(root.IsNew);
        Assert.False(certificate.HasPrivateKey);
        var keyId = certificate.Extensions.OfType<X509SubjectKeyIdentifierExtension>().Single().SubjectKeyIdentifier!;
        Assert.Equal($"CN=RelayCore CA {keyId[..8].ToLowerInvariant()}, O=RelayCore", certificate.Subject);
        Assert.Equal(s_now.AddDays(-2).UtcDateTime, certificate.NotBefore.ToUniversalTime());
        Assert.Equal(s_now.AddYears(10).UtcDateTime, certificate.NotAfter.ToUniversalTime());
        var constraints = certificate.Extensions.OfType<X509BasicConstraintsExtension>().Single();
        Assert.True(constraints is { CertificateAuthority: true, Critical: true });
        var usage = certificate.Extensions.OfType<X509KeyUsageExtension>().Single();
        Assert.Equal((X509KeyUsageFlags.KeyCertSign | X509KeyUsageFlags.CrlSign, true), (usage.KeyUsages, usage.Critical));
        Assert.Equal("1.2.840.10045.3.1.7", certificate.GetECDsaPublicKey()!.ExportParameters(false).Curve.Oid.Value);
        Assert.Empty(root.Intermediates);

        Assert.Equal(["ca_cert.cer", "ca_cert.json", "ca_cert.pem", "ca_key.pem"], Files(directory));
        Assert.Equal(certificate.RawData, File.ReadAllBytes(Path.Combine(directory, "ca_cert.cer")));
        Assert.Equal(certificate.RawData, X509Certificate2.CreateFromPem(File.ReadAllText(root.CertificatePath)).RawData);
        using var metadata = JsonDocument.Parse(File.ReadAllText(Path.Combine(directory, "ca_cert.json")));
        Assert.Equal(root.Sha256Fingerprint, metadata.RootElement.GetProperty("sha256").GetString());
        Assert.Equal(Convert.ToHexString(SHA256.HashData(certificate.RawData)), root.Sha256Fingerprint);
        Assert.Equal(certificate.Subject, metadata.RootElement.GetProperty("subject").GetString());
        Assert.Equal(s_now, metadata.RootElement.GetProperty("created").GetDateTimeOffset());
        Assert.Equal(s_now.AddYears(10), metadata.RootElement.GetProperty("not_after").GetDateTimeOffset());
    }

    [Fact]
    public async Task LoadOrCreateAsync_NewFiles_ArePrivate()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "file modes are those of Unix");
        var directory = _directory.File("data");
        using var root = await RootAuthority.LoadOrCreateAsync(directory, _time, Cancellation);
        Assert.Equal("700", Mode(directory));
        Assert.Equal("600", Mode(root.KeyPath));
    }

    [Fact]
    public async Task LoadOrCreateAsync_KeyBeingWritten_IsNeverReadableByOthers()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "file modes are those of Unix");
        var data = _directory.File("data");
        Directory.CreateDirectory(data, (UnixFileMode)0x1FF); // a loose directory, so that only the files' own modes protect
        using var stop = new CancellationTokenSource();
        var (looked, seen) = (new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously), 0);
        var exposed = new ConcurrentBag<string>();
        var watcher = new Thread(() =>
        {
            while (!stop.IsCancellationRequested)
            {
                foreach (var file in Directory.EnumerateFiles(data))
                {
                    if (Content(file).Contains("PRIVATE KEY", StringComparison.Ordinal))
                    {
                        seen++;
                        if (IsExposed(file))
                        {
                            exposed.Add(file);
                        }
                    }
                }

                looked.TrySetResult();
            }
        });
        watcher.IsBackground = true;
        watcher.Start();
        try
        {
            await looked.Task;
            for (var round = 0; round < 50; round++)
            {
                (await RootAuthority.GenerateAsync(data, force: true, TimeProvider.System, Cancellation)).Dispose();
            }
        }
        finally
        {
            await stop.CancelAsync();
            watcher.Join();
        }

        Assert.Empty(exposed);
        Assert.True(seen > 0, "the watcher never saw a key");

        // Opened past FileStream, whose advisory locks would get in the writer's way.
        static string Content(string path)
        {
            using var handle = new SafeFileHandle(Open(path, 0), ownsHandle: true);
            var octets = new byte[4096];
            return handle.IsInvalid ? "" : Encoding.Latin1.GetString(octets, 0, RandomAccess.Read(handle, octets, 0));
        }

        static bool IsExposed(string path)
        {
            try
            {
                return (File.GetUnixFileMode(path) & (UnixFileMode)0x3F) != 0;
            }
            catch (FileNotFoundException)
            {
                return false;
            }
        }
    }

    [Fact]
    public async Task LoadOrCreateAsync_Again_LoadsTheSame()
    {
        using var first = await RootAuthority.LoadOrCreateAsync(_directory.Path, _time, Cancellation);
        using var second = await RootAuthority.LoadOrCreateAsync(_directory.Path, _time, Cancellation);
        Assert.False(second.IsNew);
        Assert.Equal(first.Sha256Fingerprint, second.Sha256Fingerprint);
    }

    [Fact]
    public async Task LoadOrCreateAsync_ManyAtOnce_EndWithOne()
    {
        for (var round = 0; round < 10; round++)
        {
            var directory = _directory.File($"round{round}");
            var all = await Task.WhenAll(Enumerable.Range(0, 12).Select(_ => Task.Run(() => RootAuthority.LoadOrCreateAsync(directory, TimeProvider.System, Cancellation))));
            Assert.Single(all.DistinctBy(a => a.Sha256Fingerprint));
            Assert.Single(all, a => a.IsNew);
            Assert.Equal(["ca_cert.cer", "ca_cert.json", "ca_cert.pem", "ca_key.pem"], Files(directory));
            foreach (var authority in all)
            {
                authority.Dispose();
            }
        }
    }

    [Fact]
    public async Task LoadOrCreateAsync_WhileAnotherReplaces_NeverSeesHalfAPair()
    {
        (await RootAuthority.LoadOrCreateAsync(_directory.Path, TimeProvider.System, Cancellation)).Dispose();
        var replacing = Task.Run(async () =>
        {
            for (var round = 0; round < 60; round++)
            {
                (await RootAuthority.GenerateAsync(_directory.Path, force: true, TimeProvider.System, Cancellation)).Dispose();
            }
        }, Cancellation);
        while (!replacing.IsCompleted)
        {
            (await RootAuthority.LoadOrCreateAsync(_directory.Path, TimeProvider.System, Cancellation)).Dispose();
        }

        await replacing;
    }

    [Fact]
    public async Task GenerateAsync_WithoutAndWithForce_KeepsAndReplaces()
    {
        using var first = await RootAuthority.GenerateAsync(_directory.Path, force: false, _time, Cancellation);
        using var kept = await RootAuthority.GenerateAsync(_directory.Path, force: false, _time, Cancellation);
        using var replaced = await RootAuthority.GenerateAsync(_directory.Path, force: true, _time, Cancellation);
        Assert.Equal((true, false, true), (first.IsNew, kept.IsNew, replaced.IsNew));
        Assert.Equal(first.Sha256Fingerprint, kept.Sha256Fingerprint);
        Assert.NotEqual(first.Sha256Fingerprint, replaced.Sha256Fingerprint);
    }

    [Fact]
    public async Task GenerateAsync_LeftoversOfAKilledProcess_AreRemoved()
    {
        _directory.Write(".ca-0123.tmp", "half a key");
        using var root = await RootAuthority.GenerateAsync(_directory.Path, force: true, _time, Cancellation);
        Assert.False(File.Exists(_directory.File(".ca-0123.tmp")));
    }

    [Theory]
    [InlineData("ca_key.pem", "ca_cert.pem")]
    [InlineData("ca_cert.pem", "ca_key.pem")]
    public async Task LoadOrCreateAsync_OneFileMissing_SaysWhich(string missing, string present)
    {
        (await RootAuthority.LoadOrCreateAsync(_directory.Path, _time, Cancellation)).Dispose();
        File.Delete(_directory.File(missing));
        var error = await Assert.ThrowsAsync<CertificateFileException>(() => RootAuthority.LoadOrCreateAsync(_directory.Path, _time, Cancellation));
        Assert.Equal($"{_directory.File(missing)} is missing although {present} is there; restore it, or replace both with `relay-core-cli ca generate --force`.", error.Message);
    }

    [Fact]
    public async Task LoadOrCreateAsync_DirectoryThatCannotBe_SaysSo()
    {
        var file = _directory.Write("file", "");
        var error = await Assert.ThrowsAsync<CertificateFileException>(() => RootAuthority.LoadOrCreateAsync(Path.Combine(file, "data"), _time, Cancellation));
        Assert.StartsWith($"{Path.Combine(file, "data")} cannot be written (", error.Message, StringComparison.Ordinal);
        Assert.Contains("--data-dir", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("RSA")]
    [InlineData("P-256")]
    [InlineData("P-384")]
    [InlineData("P-521")]
    public void Load_OwnAuthority_SignsLeaves(string algorithm)
    {
        using var own = TestAuthority.Create(algorithm, s_now);
        using var root = RootAuthority.Load(_directory.Write("c.pem", own.CertificatePem), _directory.Write("k.pem", own.KeyPem), _time);
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        using var leaf = new LeafCertificateRequest(root, key).Issue("own.example", s_now);
        LeafCertificatesTests.AssertVerifies(leaf, root.Certificate, s_now);
    }

    [Fact]
    public void Load_TraditionalKeyFormatsAndOneFileForBoth_AreRead()
    {
        using var rsa = RSA.Create(2048);
        using var ec = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        foreach (var (key, pem) in new (AsymmetricAlgorithm, string)[] { (rsa, rsa.ExportRSAPrivateKeyPem()), (ec, ec.ExportECPrivateKeyPem()) })
        {
            using var own = TestAuthority.Create(key, s_now);
            var both = _directory.Write("both.pem", "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n" + pem + "\n" + own.CertificatePem);
            using var root = RootAuthority.Load(both, both, _time);
            Assert.Equal(own.Certificate.RawData, root.Certificate.RawData);
        }
    }

    public static TheoryData<string, string> Refusals => new()
    {
        { "no certificate", "C has no certificate in PEM form in it" },
        { "broken certificate", "C contains a certificate that cannot be read" },
        { "not a CA", "C is not a CA certificate (basic constraints do not say CA)" },
        { "no certSign", "C may not sign certificates (key usage lacks certSign)" },
        { "expired", "C expired on 2026-02-28 12:00 UTC" },
        { "not yet valid", "C is not valid before 2026-03-02 12:00 UTC" },
        { "missing certificate", "C does not exist" },
        { "huge", "C is larger than 1 MiB, which no certificate is" },
        { "missing key", "K does not exist" },
        { "key is a directory", "K is a directory" },
        { "no key", "K has no private key in PEM form in it" },
        { "broken key", "K has a private key that cannot be read" },
        { "other key", "K is not the key of C" },
        { "other kind of key", "K is not the key of C (another kind of key)" },
        { "other curve", "K is not the key of C" },
        { "encrypted", "K is encrypted with a passphrase" },
        { "encrypted the old way", "K is encrypted with a passphrase" },
    };

    [Theory]
    [MemberData(nameof(Refusals))]
    public void Load_UnusableFiles_SaysWhyInOneSentence(string what, string expected)
    {
        using var own = TestAuthority.Create("P-256", s_now);
        using var other = TestAuthority.Create(what == "other kind of key" ? "RSA" : what == "other curve" ? "P-384" : "P-256", s_now);
        var certificate = what switch
        {
            "no certificate" => "hello",
            "broken certificate" => "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
            "not a CA" => TestAuthority.Pem(own.Key, s_now, isAuthority: false),
            "no certSign" => TestAuthority.Pem(own.Key, s_now, usage: X509KeyUsageFlags.CrlSign),
            "expired" => TestAuthority.Pem(own.Key, s_now.AddYears(-1).AddDays(-1)),
            "not yet valid" => TestAuthority.Pem(own.Key, s_now.AddDays(3)),
            "huge" => new string('x', 1_100_000),
            _ => own.CertificatePem,
        };
        var key = what switch
        {
            "no key" => own.CertificatePem,
            "broken key" => "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
            "other key" or "other kind of key" or "other curve" => other.KeyPem,
            "encrypted" => ((ECDsa)own.Key).ExportEncryptedPkcs8PrivateKeyPem("secret", new(PbeEncryptionAlgorithm.Aes128Cbc, HashAlgorithmName.SHA256, 1000)),
            "encrypted the old way" => "-----BEGIN EC PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\nAAAA\n-----END EC PRIVATE KEY-----\n",
            _ => own.KeyPem,
        };
        var (certificatePath, keyPath) = (_directory.File("C"), _directory.File("K"));
        if (what != "missing certificate")
        {
            File.WriteAllText(certificatePath, certificate);
        }

        if (what == "key is a directory")
        {
            Directory.CreateDirectory(keyPath);
        }
        else if (what != "missing key")
        {
            File.WriteAllText(keyPath, key);
        }

        var error = Assert.Throws<CertificateFileException>(() => RootAuthority.Load(certificatePath, keyPath, _time));
        Assert.StartsWith(expected + "; ", error.Message.Replace(_directory.Path + "/", "", StringComparison.Ordinal), StringComparison.Ordinal);
        Assert.EndsWith(".", error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', error.Message);
    }

    [Fact]
    public async Task LoadAndGenerate_WithoutPermission_SaySo()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "needs setfsuid of Linux to act as another user");
        (await RootAuthority.GenerateAsync(_directory.Path, force: true, _time, Cancellation)).Dispose();
        var (certificate, key) = (_directory.File("ca_cert.pem"), _directory.File("ca_key.pem"));
        File.SetUnixFileMode(certificate, (UnixFileMode)0x1A4); // 0644, whatever the umask
        var (reading, loading, writing) = WithoutPermission(key, () => (
            Record.Exception(() => RootAuthority.Load(certificate, key, _time)),
            RootAuthority.LoadOrCreateAsync(_directory.Path, _time, Cancellation),
            RootAuthority.GenerateAsync(_directory.Path, force: true, _time, Cancellation)));

        Assert.StartsWith($"{key} cannot be read (permission denied); ", Assert.IsType<CertificateFileException>(reading).Message, StringComparison.Ordinal);
        var found = await Assert.ThrowsAsync<CertificateFileException>(() => loading);
        Assert.Equal(reading.Message, found.Message); // the first finding, not that nothing can be locked
        var refused = await Assert.ThrowsAsync<CertificateFileException>(() => writing);
        Assert.Contains("cannot be written (permission denied); ", refused.Message, StringComparison.Ordinal);
    }

    /// <summary>Runs synchronous work as somebody who may look into the directory, but neither read the key nor write.</summary>
    private T WithoutPermission<T>(string key, Func<T> work)
    {
        File.SetUnixFileMode(_directory.Path, (UnixFileMode)0x16D); // 0555
        File.SetUnixFileMode(key, UnixFileMode.None);
        try
        {
            if (Environment.IsPrivilegedProcess)
            {
                _ = SetFileSystemUser(65534); // root is never refused; this holds for file accesses of this thread only
            }

            return work();
        }
        finally
        {
            if (Environment.IsPrivilegedProcess)
            {
                _ = SetFileSystemUser(0);
            }

            File.SetUnixFileMode(_directory.Path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        }
    }

    [LibraryImport("libc", EntryPoint = "open", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Open(string path, int flags);

    [LibraryImport("libc", EntryPoint = "setfsuid")]
    private static partial int SetFileSystemUser(uint user);

    private static string Mode(string path) => Convert.ToString((int)File.GetUnixFileMode(path), 8);

    private static string[] Files(string directory) =>
        [.. Directory.EnumerateFiles(directory).Select(f => Path.GetFileName(f)).Where(f => f != ".ca.lock").Order(StringComparer.Ordinal)];
}
