using System.Runtime.Versioning;
using RelayCore.Runtime.Certificates;
using Xunit;

namespace RelayCore.Runtime.Tests.Certificates;

[UnsupportedOSPlatform("windows")]
public sealed class NssTrustStoreTests : IDisposable
{
    private readonly Sandbox _sandbox = new();

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public void Dispose() => _sandbox.Dispose();

    [Fact]
    public async Task InstallReplaceUninstall_UserDatabase_AreSeenInIt()
    {
        Sandbox.Require("certutil");
        var service = _sandbox.Service();
        await service.GenerateAsync(force: false, Cancellation);
        var missing = (await service.GetStatusAsync(Cancellation)).Stores.Single(s => s.Id == "nss");
        Assert.Equal((TrustStoreState.NotInstalled, "the database does not exist yet"), (missing.State, missing.Detail));
        Assert.False(Directory.Exists(_sandbox.Nss));
        Assert.Equal(TrustStoreState.NotInstalled, (await OneAsync(service.UninstallAsync)).State);
        Assert.False(Directory.Exists(_sandbox.Nss)); // looking and removing make nothing

        Assert.Equal((TrustStoreState.Installed, true), State(await OneAsync(service.InstallAsync)));
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute, File.GetUnixFileMode(_sandbox.Nss));
        Assert.Equal((TrustStoreState.Installed, false), State(await OneAsync(service.InstallAsync)));

        var replaced = await service.GenerateAsync(force: true, Cancellation);
        Assert.Equal(TrustStoreState.Stale, (await service.GetStatusAsync(Cancellation)).Stores.Single(s => s.Id == "nss").State);
        Assert.Equal((TrustStoreState.Installed, true), State(await OneAsync(service.InstallAsync)));
        var listed = Sandbox.Run("certutil", "-L", "-d", $"sql:{_sandbox.Nss}").Said;
        Assert.Equal(1, listed.Split("RelayCore CA ").Length - 1);
        Assert.Contains(replaced.Facts.Subject[3..24], listed, StringComparison.Ordinal);

        Assert.Equal((TrustStoreState.NotInstalled, true), State(await OneAsync(service.UninstallAsync)));
        Assert.Equal((TrustStoreState.NotInstalled, false), State(await OneAsync(service.UninstallAsync)));
        Assert.DoesNotContain("RelayCore", Sandbox.Run("certutil", "-L", "-d", $"sql:{_sandbox.Nss}").Said, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Install_CertificatePresentWithoutTrust_IsToldAndTrusted()
    {
        var service = _sandbox.Service();
        await service.GenerateAsync(force: false, Cancellation);
        await service.InstallAsync(Cancellation);
        var name = TrustedAuthority.Read(service.CertificatePath).Nickname;
        Assert.Equal(0, Sandbox.Run("certutil", "-M", "-d", $"sql:{_sandbox.Nss}", "-n", name, "-t", ",,").ExitCode);
        var untrusted = (await service.GetStatusAsync(Cancellation)).Stores.Single(s => s.Id == "nss");
        Assert.Equal((TrustStoreState.NotInstalled, $"'{name}' is there, but not trusted for web sites"), (untrusted.State, untrusted.Detail));
        Assert.Equal((TrustStoreState.Installed, true), State(await OneAsync(service.InstallAsync)));
    }

    [Fact]
    public async Task InstallAndUninstall_OtherPeoplesCertificates_AreLeftAlone()
    {
        using var other = new Sandbox();
        var foreign = MakeForeign(other);
        Assert.Equal(0, Database(_sandbox.Nss).ExitCode);
        Assert.Equal(0, Sandbox.Run("certutil", "-A", "-d", $"sql:{_sandbox.Nss}", "-n", "Company Root, R1", "-t", "C,,", "-a", "-i", foreign).ExitCode);
        var service = _sandbox.Service();
        await service.GenerateAsync(force: false, Cancellation);
        Assert.Equal(TrustStoreState.NotInstalled, (await service.GetStatusAsync(Cancellation)).Stores.Single(s => s.Id == "nss").State);
        Assert.Equal(TrustStoreState.Installed, (await OneAsync(service.InstallAsync)).State);
        Assert.Equal(TrustStoreState.NotInstalled, (await OneAsync(service.UninstallAsync)).State);
        Assert.Contains("Company Root, R1", Sandbox.Run("certutil", "-L", "-d", $"sql:{_sandbox.Nss}").Said, StringComparison.Ordinal);

        // The same certificate as a user's own authority is recognized under whatever name it has.
        var own = new CertificateAuthorityService(
            new() { DataDirectory = _sandbox.Data, OwnCertificatePath = foreign, OwnKeyPath = foreign, Stores = _sandbox.Paths }, TimeProvider.System);
        Assert.Equal(TrustStoreState.Installed, (await own.GetStatusAsync(Cancellation)).Stores.Single(s => s.Id == "nss").State);
    }

    [Fact]
    public async Task Install_DatabaseWithAPassword_FailsWithoutAskingAnyone()
    {
        Directory.CreateDirectory(_sandbox.Nss);
        var password = _sandbox.Write("password", "correct horse\n");
        Assert.Equal(0, Sandbox.Run("certutil", "-N", "-d", $"sql:{_sandbox.Nss}", "-f", password).ExitCode);
        var service = _sandbox.Service();
        await service.GenerateAsync(force: false, Cancellation);
        var report = await OneAsync(service.InstallAsync);
        Assert.Equal((TrustStoreState.NotInstalled, false), State(report));
        Assert.StartsWith("certutil failed: ", report.Detail, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Firefox_EveryProfile_IsAStoreOfItsOwn()
    {
        var homes = (string[])[".mozilla/firefox/abc.default", ".mozilla/firefox/empty", "snap/firefox/common/.mozilla/firefox/xyz.snap"];
        foreach (var profile in homes)
        {
            Directory.CreateDirectory(Path.Combine(_sandbox.Home, profile));
            Assert.Equal(0, profile.EndsWith("empty", StringComparison.Ordinal) ? 0 : Database(Path.Combine(_sandbox.Home, profile)).ExitCode);
        }

        var service = _sandbox.Service();
        await service.GenerateAsync(force: false, Cancellation);
        var installed = await service.InstallAsync(Cancellation);
        Assert.Equal(["system", "nss", "firefox:abc.default", "firefox:xyz.snap"], installed.Select(s => s.Id));
        Assert.All(installed.Skip(1), store => Assert.Equal((TrustStoreState.Installed, true), State(store)));
        Assert.All((await service.UninstallAsync(Cancellation)).Skip(1), store => Assert.Equal((TrustStoreState.NotInstalled, true), State(store)));
    }

    /// <summary>The real thing: Chromium with a home of its own shows the page without a warning only once we are installed there.</summary>
    [Fact]
    public async Task Chromium_OnceInstalled_ShowsThePage()
    {
        var chromium = Sandbox.Require("chromium");
        Sandbox.Require("certutil");
        var service = _sandbox.Service();
        await service.GenerateAsync(force: false, Cancellation);
        await using var server = await TlsServer.StartAsync(_sandbox.Data);
        Directory.CreateDirectory(_sandbox.Home);
        Assert.DoesNotContain("<p>trusted</p>", Page(), StringComparison.Ordinal);
        Assert.Equal(TrustStoreState.Installed, (await OneAsync(service.InstallAsync)).State);
        Assert.Contains("<p>trusted</p>", Page(), StringComparison.Ordinal);

        string Page() => Sandbox.Run(
            "env", $"HOME={_sandbox.Home}", "timeout", "60", chromium, "--headless", "--no-sandbox", "--disable-gpu", "--no-proxy-server",
            $"--user-data-dir={Path.Combine(_sandbox.Home, "profile")}", "--dump-dom", $"https://localhost:{server.Port}/").Said;
    }

    private static (TrustStoreState, bool) State(TrustStoreReport report) => (report.State, report.Changed);

    private static async Task<TrustStoreReport> OneAsync(Func<CancellationToken, Task<IReadOnlyList<TrustStoreReport>>> operation) =>
        (await operation(Cancellation)).Single(s => s.Id == "nss");

    private static (int ExitCode, string Said) Database(string directory)
    {
        Directory.CreateDirectory(directory);
        return Sandbox.Run("certutil", "-N", "-d", $"sql:{directory}", "--empty-password");
    }

    /// <summary>An authority of another make: certificate and key in one file.</summary>
    private static string MakeForeign(Sandbox sandbox)
    {
        var (key, certificate) = (sandbox.Write("key.pem", ""), sandbox.Write("cert.pem", ""));
        Assert.Equal(0, Sandbox.Run(
            "openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=Company Root R1", "-days", "30", "-keyout", key, "-out", certificate).ExitCode);
        return sandbox.Write("both.pem", File.ReadAllText(certificate) + File.ReadAllText(key));
    }
}
