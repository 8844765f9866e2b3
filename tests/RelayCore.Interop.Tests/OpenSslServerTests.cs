using RelayCore.Interop.Tests.Harness;

namespace RelayCore.Interop.Tests;

/// <summary><c>openssl s_server</c> as the origin: what the proxy demands of servers and brings to them.</summary>
public sealed class OpenSslServerTests
{
    [Theory]
    [InlineData("expired", "RC-TLS-203")]
    [InlineData("self-signed", "RC-TLS-201")]
    [InlineData("unknown-issuer", "RC-TLS-201")]
    [InlineData("wrong-name", "RC-TLS-202")]
    public async Task Certificate_ThatDoesNotProveTheServer_Answers502WithTheReason(string defect, string code)
    {
        using var pki = new TestPki();
        using var strangers = new TestPki("Somebody Else CA");
        using var certificate = defect switch
        {
            "expired" => pki.Issue(["shop.test"], expired: true),
            "self-signed" => pki.Issue(["shop.test"], selfSigned: true),
            "unknown-issuer" => strangers.Issue(["shop.test"]),
            _ => pki.Issue(["other.test"]),
        };
        using var directory = new TemporaryDirectory();
        await using var server = await StartAsync(directory, certificate, "-www");
        await using var proxy = await RunningProxy.StartAsync(pki);

        var result = await CurlAsync(proxy, "-i", "-H", "Accept: application/json", $"https://shop.test:{server.Port}/");

        Assert.StartsWith("HTTP/1.1 200 Connection established\r\n\r\nHTTP/2 502 \r\n", result.Succeeded().Text, StringComparison.Ordinal);
        Assert.Contains($"x-relay-core-error: {code}\r\n", result.Text, StringComparison.OrdinalIgnoreCase);
        Assert.Contains($"\"code\":\"{code}\"", result.Text, StringComparison.Ordinal);
        var flow = await proxy.OnlyFlowAsync();
        var error = flow.Failed(code);
        Assert.Equal(("server", "tls"), (error.Blame, error.Kind));
        Assert.Contains(error.CertificateChain!, x => x.Contains(defect == "wrong-name" ? "CN=other.test" : "CN=shop.test", StringComparison.Ordinal));
        Assert.Equal(502, flow.Http().Response!.Status);
        if (defect == "wrong-name")
        {
            Assert.Contains("other.test", error.Detail, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task Insecure_Upstream_GoesOnAndSaysSo()
    {
        using var pki = new TestPki();
        using var certificate = pki.Issue(["other.test"], expired: true, selfSigned: true);
        using var directory = new TemporaryDirectory();
        await using var server = await StartAsync(directory, certificate, "-www");
        await using var proxy = await RunningProxy.StartAsync(configure: x => x with { InsecureUpstream = true });

        var result = await CurlAsync(proxy, $"https://shop.test:{server.Port}/");

        Assert.Contains("s_server", result.Succeeded().Text, StringComparison.Ordinal);
        var flow = await proxy.OnlyFlowAsync();
        flow.Completed("GET", $"https://shop.test:{server.Port}/", 200);
        Assert.Contains("insecure_upstream", flow.Marks);
        Assert.True(flow.Connection.Server!.Unverified);
    }

    [Theory]
    [InlineData("-tls1_2")]
    [InlineData("-tls1_3")]
    public async Task ClientCertificate_Demanded_IsPresentedForItsHostOnly(string version)
    {
        using var pki = new TestPki();
        using var certificate = pki.Issue(["mtls.test", "plain.test"]);
        using var own = pki.Issue(["client-of-the-proxy"]);
        using var directory = new TemporaryDirectory();
        var ca = directory.Write("ca.pem", pki.Root.ExportCertificatePem() + "\n");
        await using var server = await StartAsync(directory, certificate, "-www", version, "-Verify", "1", "-verify_return_error", "-CAfile", ca);
        await using var proxy = await RunningProxy.StartAsync(pki, x => x with { ClientCertificates = [(RunningProxy.Pattern("mtls.*"), own)] });

        var with = await CurlAsync(proxy, $"https://mtls.test:{server.Port}/");
        var without = await CurlAsync(proxy, "-o", "/dev/null", "-w", "%{http_code}", $"https://plain.test:{server.Port}/");

        Assert.Contains("Subject: CN=client-of-the-proxy", with.Succeeded().Text, StringComparison.Ordinal);
        Assert.Equal("502", without.Text);
        var flows = await proxy.FinishedAsync(2);
        flows[0].Completed("GET", $"https://mtls.test:{server.Port}/", 200);
        Assert.StartsWith("RC-", flows[1].Http().Error!.Code, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("tls1_2")]
    [InlineData("tls1_3")]
    public async Task SecondConnection_ToAServer_ResumesItsSession(string version)
    {
        // The TLS library keeps one session for each name, whatever the port: another test's name would take its place.
        var host = $"resumed-{version.Replace('_', '-')}.test";
        using var pki = new TestPki();
        using var certificate = pki.Issue([host]);
        using var directory = new TemporaryDirectory();
        await using var server = await StartAsync(directory, certificate, "-www", "-" + version);
        await using var proxy = await RunningProxy.StartAsync(pki);

        // s_server -www closes after each answer, so every request is a new connection.
        var first = await CurlAsync(proxy, $"https://{host}:{server.Port}/1");
        var second = await CurlAsync(proxy, $"https://{host}:{server.Port}/2");

        Assert.Matches("(?m)^New, TLSv1", first.Succeeded().Text);
        Assert.Matches("(?m)^Reused, TLSv1", second.Succeeded().Text);
        Assert.Equal(2, (await proxy.FinishedAsync(2)).Select(x => x.Connection.Server!.Id).Distinct().Count());
    }

    [Fact]
    public async Task Server_ThatSpeaksNoTls_Answers502()
    {
        await using var plain = RawServer.Start(async stream =>
        {
            await stream.WriteAsync("220 mail.test ready\r\n"u8.ToArray());
            await stream.ReadAtLeastAsync(new byte[1], 1, throwOnEndOfStream: false);
        });
        await using var proxy = await RunningProxy.StartAsync();

        var result = await CurlAsync(proxy, "-o", "/dev/null", "-w", "%{http_code}", $"https://shop.test:{plain.Port}/");

        Assert.Equal("502", result.Succeeded().Text);
        (await proxy.OnlyFlowAsync()).Failed("RC-TLS-206");
    }

    private static Task<ToolServer> StartAsync(
        TemporaryDirectory directory, System.Security.Cryptography.X509Certificates.X509Certificate2 certificate, params IReadOnlyList<string> options)
    {
        var (file, key) = TestPki.Write(directory, "server", certificate);
        return ToolServer.StartAsync(Tool.Require("openssl", "openssl"), port => ["s_server", "-accept", $"127.0.0.1:{port}", "-cert", file, "-key", key, .. options]);
    }

    private static Task<ToolResult> CurlAsync(RunningProxy proxy, params IReadOnlyList<string> arguments) =>
        Tool.RunAsync(Tool.Require("curl", "curl"), ["-sS", "--noproxy", "", "--max-time", "20", "-x", proxy.Url, "--cacert", proxy.CaFile, .. arguments]);
}
