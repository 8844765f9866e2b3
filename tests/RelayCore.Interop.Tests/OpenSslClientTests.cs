using System.Globalization;
using System.Security.Cryptography.X509Certificates;
using System.Text.RegularExpressions;
using RelayCore.Interop.Tests.Harness;

namespace RelayCore.Interop.Tests;

/// <summary><c>openssl s_client</c> through CONNECT: what the proxy presents, judged by another TLS implementation.</summary>
public sealed partial class OpenSslClientTests
{
    [Theory]
    [InlineData("-tls1_2", "TLSv1.2")]
    [InlineData("-tls1_3", "TLSv1.3")]
    public async Task Handshake_EachVersion_VerifiesAndRelays(string option, string version)
    {
        using var pki = new TestPki();
        using var certificate = pki.Issue(["shop.test"]);
        await using var origin = RecordingOrigin.Start(_ => RecordingOrigin.Ok("over " + version), certificate);
        await using var proxy = await RunningProxy.StartAsync(pki);

        var result = await ConnectAsync(proxy, origin, "shop.test", [option, "-servername", "shop.test", "-verify_hostname", "shop.test"], "/v");

        Assert.Contains("Verify return code: 0 (ok)", result.Succeeded().Text, StringComparison.Ordinal);
        Assert.Contains("\r\n\r\nover " + version, result.Text, StringComparison.Ordinal);
        var flow = await proxy.OnlyFlowAsync();
        flow.Completed("GET", $"https://shop.test:{origin.Port}/v", 200);
        Assert.Equal(version, flow.Network.TlsVersion);
    }

    [Theory]
    [InlineData("-tls1_2")]
    [InlineData("-tls1_3")]
    public async Task Handshake_WithTheSessionOfAnEarlierOne_IsReused(string option)
    {
        using var pki = new TestPki();
        using var certificate = pki.Issue(["shop.test"]);
        await using var origin = RecordingOrigin.Start(_ => RecordingOrigin.Ok("x"), certificate);
        await using var proxy = await RunningProxy.StartAsync(pki);
        using var directory = new TemporaryDirectory();
        var session = directory.File("session.pem");

        var first = await ConnectAsync(proxy, origin, "shop.test", [option, "-servername", "shop.test", "-sess_out", session], "/1");
        var second = await ConnectAsync(proxy, origin, "shop.test", [option, "-servername", "shop.test", "-sess_in", session], "/2");

        Assert.Matches("(?m)^New, TLSv1", first.Succeeded().Text);
        Assert.Matches("(?m)^Reused, TLSv1", second.Succeeded().Text);
        (await proxy.FinishedAsync(2))[1].Completed("GET", $"https://shop.test:{origin.Port}/2", 200);
    }

    [Fact]
    public async Task Leaf_ForAName_HasWhatClientsDemand()
    {
        using var pki = new TestPki();
        using var certificate = pki.Issue(["*.shop.test"]);
        await using var origin = RecordingOrigin.Start(_ => RecordingOrigin.Ok("x"), certificate);
        await using var proxy = await RunningProxy.StartAsync(pki);

        var result = await ConnectAsync(proxy, origin, "www.shop.test", ["-servername", "www.shop.test", "-x509_strict"], "/");

        Assert.Contains("Verify return code: 0 (ok)", result.Succeeded().Text, StringComparison.Ordinal);
        using var leaf = X509Certificate2.CreateFromPem(PemBlock().Match(result.Text).Value);
        Assert.Equal(["www.shop.test"], leaf.Extensions.OfType<X509SubjectAlternativeNameExtension>().Single().EnumerateDnsNames());
        Assert.True(leaf.NotAfter - leaf.NotBefore <= TimeSpan.FromDays(198), $"{leaf.NotBefore} to {leaf.NotAfter}");
        Assert.False(leaf.Extensions.OfType<X509BasicConstraintsExtension>().Single().CertificateAuthority);
        Assert.Equal(["1.3.6.1.5.5.7.3.1"], leaf.Extensions.OfType<X509EnhancedKeyUsageExtension>().Single().EnhancedKeyUsages.Cast<System.Security.Cryptography.Oid>().Select(x => x.Value));
    }

    [Fact]
    public async Task ServerName_OtherThanConnectHost_DecidesTheCertificateAndTheServersToo()
    {
        using var pki = new TestPki();
        using var certificate = pki.Issue(["inner.test"]);
        await using var origin = RecordingOrigin.Start(_ => RecordingOrigin.Ok("x"), certificate);
        await using var proxy = await RunningProxy.StartAsync(pki);

        var result = await ConnectAsync(proxy, origin, "127.0.0.1", ["-servername", "inner.test", "-verify_hostname", "inner.test"], "/", host: "inner.test");

        Assert.Contains("Verify return code: 0 (ok)", result.Succeeded().Text, StringComparison.Ordinal);
        var flow = await proxy.OnlyFlowAsync();
        flow.Completed("GET", $"https://inner.test:{origin.Port}/", 200);
        Assert.Equal(("inner.test", $"127.0.0.1:{origin.Port}"), (flow.Network.Sni, flow.Connection.Client.TunnelAuthority));
    }

    [Fact]
    public async Task ServerName_Absent_TheConnectHostIsCertified()
    {
        using var pki = new TestPki();
        using var certificate = pki.Issue(["shop.test"]);
        await using var origin = RecordingOrigin.Start(_ => RecordingOrigin.Ok("x"), certificate);
        await using var proxy = await RunningProxy.StartAsync(pki);

        var result = await ConnectAsync(proxy, origin, "shop.test", ["-noservername", "-verify_hostname", "shop.test"], "/");

        Assert.Contains("Verify return code: 0 (ok)", result.Succeeded().Text, StringComparison.Ordinal);
        Assert.Null((await proxy.OnlyFlowAsync()).Network.Sni);
    }

    [Fact]
    public async Task ServerName_AbsentForAnAddress_TheAddressIsCertified()
    {
        using var pki = new TestPki();
        using var certificate = pki.Issue(["127.0.0.1"]);
        await using var origin = RecordingOrigin.Start(_ => RecordingOrigin.Ok("x"), certificate);
        await using var proxy = await RunningProxy.StartAsync(pki);

        var result = await ConnectAsync(proxy, origin, "127.0.0.1", ["-noservername", "-verify_ip", "127.0.0.1"], "/");

        Assert.Contains("Verify return code: 0 (ok)", result.Succeeded().Text, StringComparison.Ordinal);
        (await proxy.OnlyFlowAsync()).Completed("GET", $"https://127.0.0.1:{origin.Port}/", 200);
    }

    [Fact]
    public async Task ServerName_UpperCase_IsTheSameHost()
    {
        using var pki = new TestPki();
        using var certificate = pki.Issue(["shop.test"]);
        await using var origin = RecordingOrigin.Start(_ => RecordingOrigin.Ok("x"), certificate);
        await using var proxy = await RunningProxy.StartAsync(pki);

        var result = await ConnectAsync(proxy, origin, "SHOP.test", ["-servername", "ShOp.TeSt", "-verify_hostname", "shop.test"], "/");

        Assert.Contains("Verify return code: 0 (ok)", result.Succeeded().Text, StringComparison.Ordinal);
        Assert.Equal("ShOp.TeSt", (await proxy.OnlyFlowAsync()).Network.Sni);
    }

    [Fact]
    public async Task Alpn_OfferedH2AndHttp1_ChoosesWhatIsSpoken()
    {
        using var pki = new TestPki();
        using var certificate = pki.Issue(["shop.test"]);
        await using var origin = RecordingOrigin.Start(_ => RecordingOrigin.Ok("x"), certificate);
        await using var proxy = await RunningProxy.StartAsync(pki);

        var result = await ConnectAsync(proxy, origin, "shop.test", ["-servername", "shop.test", "-alpn", "h2,http/1.1"], "/");

        Assert.Contains("ALPN protocol: http/1.1", result.Succeeded().Text, StringComparison.Ordinal);
        var tls = (await proxy.OnlyFlowAsync()).Connection.Client.Tls!;
        Assert.Equal(["h2", "http/1.1"], tls.OfferedAlpn);
        Assert.Equal("http/1.1", tls.Alpn);
    }

    [Fact]
    public async Task PassThrough_ByGlob_TheOriginsOwnCertificateReachesTheClient()
    {
        using var pki = new TestPki();
        using var certificate = pki.Issue(["pay.bank.test"]);
        await using var origin = RecordingOrigin.Start(_ => RecordingOrigin.Ok("sealed"), certificate);
        await using var proxy = await RunningProxy.StartAsync(pki, x => x with { PassThrough = [RunningProxy.Pattern("*.bank.test")] });
        using var directory = new TemporaryDirectory();
        var ca = directory.Write("origin-ca.pem", pki.Root.ExportCertificatePem());

        var result = await ConnectAsync(proxy, origin, "pay.bank.test", ["-servername", "pay.bank.test", "-verify_hostname", "pay.bank.test"], "/", ca: ca);

        Assert.Contains("Verify return code: 0 (ok)", result.Succeeded().Text, StringComparison.Ordinal);
        Assert.Contains("\r\n\r\nsealed", result.Text, StringComparison.Ordinal);
        using var leaf = X509Certificate2.CreateFromPem(PemBlock().Match(result.Text).Value);
        Assert.Equal(certificate.Thumbprint, leaf.Thumbprint);
        var flow = await proxy.OnlyFlowAsync();
        Assert.Contains("passed_through", flow.Marks);
        Assert.Equal($"pay.bank.test:{origin.Port}", flow.Tcp().Target);
        Assert.True(flow.Tcp() is { BytesUp: > 200, BytesDown: > 200, Up: null, Down: null } or { Up.Captured: 0, Down.Captured: 0 }, flow.Tcp().ToString());
        Assert.Equal("pay.bank.test", flow.Connection.Client.Tls!.Sni);
    }

    [Fact]
    public async Task InterceptOnly_AnotherHost_IsPassedThrough()
    {
        using var pki = new TestPki();
        using var certificate = pki.Issue(["shop.test", "other.test"]);
        await using var origin = RecordingOrigin.Start(_ => RecordingOrigin.Ok("x"), certificate);
        await using var proxy = await RunningProxy.StartAsync(pki, x => x with { InterceptOnly = [RunningProxy.Pattern("shop.test")] });

        var chosen = await ConnectAsync(proxy, origin, "shop.test", ["-servername", "shop.test"], "/");
        var other = await ConnectAsync(proxy, origin, "other.test", ["-servername", "other.test"], "/");

        using var made = X509Certificate2.CreateFromPem(PemBlock().Match(chosen.Succeeded().Text).Value);
        using var original = X509Certificate2.CreateFromPem(PemBlock().Match(other.Succeeded().Text).Value);
        Assert.NotEqual(certificate.Thumbprint, made.Thumbprint);
        Assert.Equal(certificate.Thumbprint, original.Thumbprint);
        var flows = await proxy.FinishedAsync(2);
        Assert.Contains("intercepted", flows[0].Marks);
        Assert.Contains("passed_through", flows[1].Marks);
    }

    [Fact]
    public async Task Client_WithoutACommonVersion_LeavesADiagnosis()
    {
        using var pki = new TestPki();
        using var certificate = pki.Issue(["shop.test"]);
        await using var origin = RecordingOrigin.Start(_ => RecordingOrigin.Ok("x"), certificate);
        await using var proxy = await RunningProxy.StartAsync(pki);

        var result = await ConnectAsync(proxy, origin, "shop.test", ["-servername", "shop.test", "-tls1_1", "-cipher", "ALL:@SECLEVEL=0"], "/");

        Assert.NotEqual(0, result.ExitCode);
        var error = (await proxy.OnlyFlowAsync()).Failed("RC-TLS-103");
        Assert.True(error.Detail.Contains("TLSv1.1", StringComparison.Ordinal), error.Detail);
    }

    private static Task<ToolResult> ConnectAsync(
        RunningProxy proxy, RecordingOrigin origin, string connectHost, IReadOnlyList<string> options, string path, string? host = null, string? ca = null)
    {
        var authority = string.Create(CultureInfo.InvariantCulture, $"{connectHost}:{origin.Port}");
        var request = $"GET {path} HTTP/1.1\r\nHost: {host ?? connectHost}:{origin.Port}\r\nConnection: close\r\n\r\n";
        return Tool.RunAsync(
            Tool.Require("openssl", "openssl"),
            ["s_client", "-proxy", proxy.Address, "-connect", authority, "-CAfile", ca ?? proxy.CaFile, "-ign_eof", .. options],
            input: Octets.Ascii(request));
    }

    [GeneratedRegex("-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----")]
    private static partial Regex PemBlock();
}
