using System.Runtime.InteropServices;
using System.Runtime.Versioning;
using RelayCore.Runtime.Certificates;
using Xunit;

namespace RelayCore.Runtime.Tests.Certificates;

[UnsupportedOSPlatform("windows")]
public sealed partial class SystemTrustStoreTests : IDisposable
{
    private readonly Sandbox _sandbox = new();

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    private string Anchor => Path.Combine(_sandbox.Root, "usr/local/share/ca-certificates/relay-core-ca.crt");

    public void Dispose() => _sandbox.Dispose();

    [Fact]
    public async Task Debian_InstallReplaceUninstall_AreSeenInTheStore()
    {
        Sandbox.Require("update-ca-certificates");
        _sandbox.MakeDebian();
        var service = _sandbox.Service();
        await service.GenerateAsync(force: false, Cancellation);
        Assert.Equal((TrustStoreState.NotInstalled, false), await StateAsync(service.GetStatusAsync));
        Assert.Equal((TrustStoreState.Installed, true), await StateAsync(service.InstallAsync));
        Assert.Equal((TrustStoreState.Installed, false), await StateAsync(service.InstallAsync));
        Assert.Equal((TrustStoreState.Installed, false), await StateAsync(service.GetStatusAsync));
        await AssertVerifiesAsync(true);

        await service.GenerateAsync(force: true, Cancellation);
        Assert.Equal((TrustStoreState.Stale, false), await StateAsync(service.GetStatusAsync));
        await AssertVerifiesAsync(false);
        Assert.Equal((TrustStoreState.Installed, true), await StateAsync(service.InstallAsync));
        await AssertVerifiesAsync(true); // by the hash link, which must be the new one's

        Assert.Equal((TrustStoreState.NotInstalled, true), await StateAsync(service.UninstallAsync));
        Assert.Equal((TrustStoreState.NotInstalled, false), await StateAsync(service.UninstallAsync));
        await AssertVerifiesAsync(false);
        Assert.Empty(Directory.EnumerateFiles(Path.GetDirectoryName(Anchor)!));
    }

    [Fact]
    public async Task Debian_HalfDoneByHand_IsToldAndFinished()
    {
        Sandbox.Require("update-ca-certificates");
        _sandbox.MakeDebian();
        var service = _sandbox.Service();
        await service.GenerateAsync(force: false, Cancellation);
        File.Copy(service.CertificatePath, Anchor);
        var half = (await service.GetStatusAsync(Cancellation)).Stores[0];
        Assert.Equal(TrustStoreState.NotInstalled, half.State);
        Assert.Contains("the bundle was not made anew", half.Detail, StringComparison.Ordinal);

        Assert.Equal((TrustStoreState.NotInstalled, true), await StateAsync(service.UninstallAsync));
        Assert.False(File.Exists(Anchor));
        Assert.Equal((TrustStoreState.Installed, true), await StateAsync(service.InstallAsync));

        File.Delete(service.CertificatePath); // our certificate is lost: what bears our name is still ours to remove
        Assert.Equal(TrustStoreState.Stale, (await service.GetStatusAsync(Cancellation)).Stores[0].State);
        Assert.Equal((TrustStoreState.NotInstalled, true), await StateAsync(service.UninstallAsync));
    }

    [Fact]
    public async Task Install_ToolThatFailsOrLies_IsNotBelieved()
    {
        var tools = Path.GetDirectoryName(Tool("update-ca-certificates", "echo 'no space left' >&2; exit 3"))!;
        _sandbox.MakeDebian();
        var service = _sandbox.Service(_sandbox.Paths with { ToolDirectories = [tools] });
        await service.GenerateAsync(force: false, Cancellation);
        var failed = (await service.InstallAsync(Cancellation))[0];
        Assert.Equal((TrustStoreState.NotInstalled, false, "update-ca-certificates failed: no space left"), (failed.State, failed.Changed, failed.Detail));

        Tool("update-ca-certificates", "exit 0");
        var lied = (await service.InstallAsync(Cancellation))[0];
        Assert.Equal(TrustStoreState.NotInstalled, lied.State);
        Assert.Contains("the bundle was not made anew", lied.Detail, StringComparison.Ordinal);
    }

    // The tool of RHEL is not on Debian: a double that makes the bundle from the anchors stands for it, so this proves paths and states only.
    [Fact]
    public async Task Rhel_InstallReplaceUninstall_UseItsPathsAndTool()
    {
        var anchors = Path.Combine(_sandbox.Root, "etc/pki/ca-trust/source/anchors");
        Directory.CreateDirectory(anchors);
        var tool = Tool("update-ca-trust", $"[ \"$1 $2\" = 'extract --output' ] && mkdir -p \"$3/pem\" && cat {anchors}/*.pem /dev/null > \"$3/pem/tls-ca-bundle.pem\" 2>/dev/null; exit 0");
        var service = _sandbox.Service(_sandbox.Paths with { ToolDirectories = [Path.GetDirectoryName(tool)!, .. _sandbox.Paths.ToolDirectories] });
        await service.GenerateAsync(force: false, Cancellation);
        Assert.Equal((TrustStoreState.NotInstalled, false), await StateAsync(service.GetStatusAsync));
        Assert.Equal((TrustStoreState.Installed, true), await StateAsync(service.InstallAsync));
        await service.GenerateAsync(force: true, Cancellation);
        Assert.Equal((TrustStoreState.Stale, false), await StateAsync(service.GetStatusAsync));
        Assert.Equal((TrustStoreState.Installed, true), await StateAsync(service.InstallAsync));
        Assert.Equal([Path.Combine(anchors, "relay-core-ca.pem")], Directory.EnumerateFiles(anchors));
        Assert.Equal((TrustStoreState.NotInstalled, true), await StateAsync(service.UninstallAsync));
    }

    [Fact]
    public async Task Install_WithoutPrivileges_NeedsRootAndChangesNothing()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "needs setfsuid of Linux to act as another user");
        Sandbox.Require("update-ca-certificates");
        _sandbox.MakeDebian();
        await _sandbox.Service().GenerateAsync(force: false, Cancellation);
        var authority = TrustedAuthority.Read(_sandbox.Service().CertificatePath);
        var store = SystemTrustStore.Find(_sandbox.Paths, TimeProvider.System)!;
        var report = await WithoutPermission(() => store.InstallAsync(authority, Cancellation));
        Assert.Equal((TrustStoreState.NeedsRoot, false), (report.State, report.Changed));
        Assert.Contains($"sudo cp CERTIFICATE {Anchor} && sudo update-ca-certificates", report.Remedy, StringComparison.Ordinal);
        Assert.Empty(Directory.EnumerateFiles(Path.GetDirectoryName(Anchor)!));
    }

    /// <summary>The real thing: this machine's store, its openssl and its curl.</summary>
    [Fact]
    public async Task ThisMachine_InstallAndUninstall_ChangeWhomOpenSslAndCurlTrust()
    {
        Assert.SkipUnless(File.Exists("/etc/debian_version"), "changes the store of Debian and its kin; this is another system");
        Assert.SkipUnless(Environment.IsPrivilegedProcess, "only root may change this machine's trust store");
        Sandbox.Require("update-ca-certificates");
        Sandbox.Require("curl");
        var service = _sandbox.Service(new TrustStorePaths { Home = _sandbox.Home });
        await service.GenerateAsync(force: false, Cancellation);
        var before = (await service.GetStatusAsync(Cancellation)).Stores[0];
        Assert.SkipUnless(before.State == TrustStoreState.NotInstalled, $"a RelayCore CA is in use on this machine ({before.Detail}); it is left alone");
        await using var server = await TlsServer.StartAsync(_sandbox.Data);
        var leaf = _sandbox.Write("leaf.pem", server.LeafPem);
        try
        {
            Assert.NotEqual(0, Sandbox.Run("openssl", "verify", leaf).ExitCode);
            Assert.Equal((TrustStoreState.Installed, true), await StateAsync(service.InstallAsync));
            Assert.Equal((0, $"{leaf}: OK\n"), Sandbox.Run("openssl", "verify", leaf));
            Assert.Equal((0, "<p>trusted</p>\r\n"), Curl());
        }
        finally
        {
            Assert.Equal(TrustStoreState.NotInstalled, (await service.UninstallAsync(CancellationToken.None))[0].State);
        }

        Assert.NotEqual(0, Sandbox.Run("openssl", "verify", leaf).ExitCode);
        Assert.Equal(60, Curl().ExitCode);
        Assert.False(File.Exists("/usr/local/share/ca-certificates/relay-core-ca.crt"));

        // Variables of the environment that name another bundle would decide instead of the store.
        (int ExitCode, string Said) Curl() => Sandbox.Run(
            "env", "-u", "CURL_CA_BUNDLE", "-u", "SSL_CERT_FILE", "-u", "SSL_CERT_DIR",
            "curl", "-sS", "--noproxy", "*", $"https://localhost:{server.Port}/");
    }

    private static async Task<(TrustStoreState, bool)> StateAsync(Func<CancellationToken, Task<IReadOnlyList<TrustStoreReport>>> operation)
    {
        var report = (await operation(Cancellation))[0];
        Assert.Equal("system", report.Id);
        return (report.State, report.Changed);
    }

    private static Task<(TrustStoreState, bool)> StateAsync(Func<CancellationToken, Task<CertificateAuthorityStatus>> operation) =>
        StateAsync(async token => (await operation(token)).Stores);

    private async Task AssertVerifiesAsync(bool expected)
    {
        await using var server = await TlsServer.StartAsync(_sandbox.Data);
        var leaf = _sandbox.Write("leaf.pem", server.LeafPem);
        var (exitCode, said) = Sandbox.Run("openssl", "verify", "-no-CAfile", "-no-CAstore", "-CApath", Path.Combine(_sandbox.Root, "etc/ssl/certs"), leaf);
        Assert.True(exitCode == 0 == expected, said);
    }

    private string Tool(string name, string script)
    {
        var path = _sandbox.Write($"tools/{name}", $"#!/bin/sh\n{script}\n");
        File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        return path;
    }

    private T WithoutPermission<T>(Func<T> work)
    {
        var directory = Path.GetDirectoryName(Anchor)!;
        File.SetUnixFileMode(Path.GetDirectoryName(_sandbox.Root)!, (UnixFileMode)0x1ED); // 0755
        File.SetUnixFileMode(directory, (UnixFileMode)0x16D); // 0555
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

            File.SetUnixFileMode(directory, (UnixFileMode)0x1ED);
        }
    }

    [LibraryImport("libc", EntryPoint = "setfsuid")]
    private static partial int SetFileSystemUser(uint user);
}
