using System.Runtime.Versioning;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using Microsoft.Extensions.Time.Testing;
using RelayCore.Engine.Certificates;
using RelayCore.Runtime.Certificates;
using Xunit;

namespace RelayCore.Runtime.Tests.Certificates;

public sealed class CertificateAuthorityServiceTests : IDisposable
{
    private readonly Sandbox _sandbox = new();

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public void Dispose() => _sandbox.Dispose();

    [Fact]
    public async Task GenerateAsync_TwiceAndForced_CreatesKeepsReplaces()
    {
        var service = _sandbox.Service();
        var created = await service.GenerateAsync(force: false, Cancellation);
        var kept = await service.GenerateAsync(force: false, Cancellation);
        var replaced = await service.GenerateAsync(force: true, Cancellation);
        Assert.Equal((true, false, true), (created.Created, kept.Created, replaced.Created));
        Assert.Equal(created.Facts, kept.Facts);
        Assert.NotEqual(created.Facts.Sha256, replaced.Facts.Sha256);
        Assert.Equal((service.CertificatePath, service.KeyPath), (created.CertificatePath, created.KeyPath));
    }

    [Fact]
    public async Task GenerateAsync_OwnAuthorityConfigured_Refuses()
    {
        var service = new CertificateAuthorityService(
            new() { DataDirectory = _sandbox.Data, OwnCertificatePath = "c.pem", OwnKeyPath = "k.pem" }, TimeProvider.System);
        var error = await Assert.ThrowsAsync<CertificateFileException>(() => service.GenerateAsync(force: true, Cancellation));
        Assert.Equal("c.pem is an authority of your own, which is not made here; leave out --ca-cert and --ca-key.", error.Message);
        Assert.False(Directory.Exists(_sandbox.Data));
    }

    [Theory]
    [InlineData("c.pem", null)]
    [InlineData(null, "k.pem")]
    public void Constructor_HalfAnAuthority_Refuses(string? certificate, string? key) => Assert.Throws<ArgumentException>(() =>
        new CertificateAuthorityService(new() { DataDirectory = _sandbox.Data, OwnCertificatePath = certificate, OwnKeyPath = key }, TimeProvider.System));

    [Fact]
    public async Task Export_BothForms_AreTheCertificateAndNeverTheKey()
    {
        var service = _sandbox.Service();
        Assert.Throws<CertificateFileException>(() => service.Export(der: true));
        var made = await service.GenerateAsync(force: false, Cancellation);
        using var der = X509CertificateLoader.LoadCertificate(service.Export(der: true));
        var pem = Encoding.ASCII.GetString(service.Export(der: false));
        using var parsed = X509Certificate2.CreateFromPem(pem);
        Assert.Equal(made.Facts.Sha256, der.GetCertHashString(System.Security.Cryptography.HashAlgorithmName.SHA256));
        Assert.Equal(der.RawData, parsed.RawData);
        Assert.DoesNotContain("PRIVATE", pem, StringComparison.Ordinal);
        Assert.EndsWith("-----END CERTIFICATE-----\n", pem, StringComparison.Ordinal);
    }

    [Fact]
    [UnsupportedOSPlatform("windows")]
    public async Task GetStatusAsync_FromNothingToExpired_SaysWhatIs()
    {
        var time = new FakeTimeProvider(DateTimeOffset.UtcNow);
        var service = _sandbox.Service(time: time);
        var none = await service.GetStatusAsync(Cancellation);
        Assert.Null(none.Facts);
        Assert.Null(none.IsKeyExposed);
        Assert.Contains("does not exist; ", none.Problem, StringComparison.Ordinal);

        var made = await service.GenerateAsync(force: false, Cancellation);
        var good = await service.GetStatusAsync(Cancellation);
        Assert.Equal((made.Facts, null, false), (good.Facts, good.Problem, good.IsKeyExposed));

        File.SetUnixFileMode(service.KeyPath, UnixFileMode.UserRead | UnixFileMode.GroupRead);
        Assert.True((await service.GetStatusAsync(Cancellation)).IsKeyExposed);

        time.Advance(TimeSpan.FromDays(3660));
        var expired = await service.GetStatusAsync(Cancellation);
        Assert.Equal(made.Facts, expired.Facts);
        Assert.Contains(" expired on ", expired.Problem, StringComparison.Ordinal);
        await Assert.ThrowsAsync<CertificateFileException>(() => service.InstallAsync(Cancellation));
    }

    [Fact]
    public void GetInstructions_Path_IsInThemAsAShellNeedsIt()
    {
        var service = new CertificateAuthorityService(new() { DataDirectory = "/home/it's me/relay" }, TimeProvider.System);
        var instructions = service.GetInstructions();
        Assert.Equal(instructions.Count, instructions.DistinctBy(i => i.Id).Count());
        Assert.All((string[])["macos", "windows", "java", "node", "python", "android", "ios"], id => Assert.Contains(instructions, i => i.Id == id));
        Assert.Contains("export NODE_EXTRA_CA_CERTS='/home/it'\\''s me/relay/ca_cert.pem'", instructions.Single(i => i.Id == "node").Steps);
    }

    [Fact]
    public async Task GetStatusAsync_NoToolsAndNoStores_NamesThePackages()
    {
        var service = _sandbox.Service(_sandbox.Paths with { ToolDirectories = [] });
        await service.GenerateAsync(force: false, Cancellation);
        var stores = (await service.GetStatusAsync(Cancellation)).Stores;
        Assert.Equal(["system", "nss", "firefox"], stores.Select(s => s.Id));
        Assert.All(stores, store => Assert.Equal(TrustStoreState.NotAvailable, store.State));
        Assert.Contains("ca-certificates", stores[0].Remedy, StringComparison.Ordinal);
        Assert.Contains("libnss3-tools", stores[1].Remedy, StringComparison.Ordinal);
        Assert.All(await service.InstallAsync(Cancellation), store => Assert.False(store.Changed));
    }
}
