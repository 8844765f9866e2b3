using System.Globalization;
using RelayCore.Engine;
using RelayCore.Interop.Tests.Harness;

namespace RelayCore.Interop.Tests;

/// <summary>Through a parent proxy: another of ours, tinyproxy, mitmdump.</summary>
public sealed class ParentProxyTests
{
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task OwnParent_WithCredentials_BothSeeTheExchange(bool isSecure)
    {
        using var pki = new TestPki();
        using var certificate = pki.Issue(["shop.test"]);
        await using var origin = RecordingOrigin.Start(_ => RecordingOrigin.Ok("far"), isSecure ? certificate : null);
        await using var parent = await RunningProxy.StartAsync(
            pki, x => x with { ProxyCredentials = "kid:pass:word", PassThrough = [RunningProxy.Pattern("shop.test")] });
        await using var proxy = await RunningProxy.StartAsync(pki, x => x with { UpstreamProxy = new(false, "127.0.0.1", parent.Port, "kid:pass:word", [], false) });
        var url = $"{(isSecure ? "https" : "http")}://shop.test:{origin.Port}/";

        var result = await CurlAsync(proxy, url + "[1-2]");

        Assert.Equal("farfar", result.Succeeded().Text);
        Assert.Equal(1, origin.Connections);
        Assert.All(origin.Requests, x => Assert.Null(x.Field("Proxy-Authorization")));
        var flows = await proxy.FinishedAsync(2);
        flows[0].Completed("GET", url + "1", 200);
        Assert.Equal((parent.Address, "shop.test", origin.Port), (flows[1].Connection.Server!.Via, flows[1].Connection.Server!.Host, flows[1].Connection.Server!.Port));
        await proxy.DisposeAsync(); // ends the tunnel, so that the parent's flow is finished
        if (isSecure)
        {
            var tunnel = await parent.OnlyFlowAsync();
            Assert.Equal($"shop.test:{origin.Port}", tunnel.Tcp().Target);
            Assert.Contains("passed_through", tunnel.Marks);
        }
        else
        {
            (await parent.FinishedAsync(2))[1].Completed("GET", url + "2", 200);
        }
    }

    [Fact]
    public async Task OwnParent_WrongCredentials_IsExplained()
    {
        using var pki = new TestPki();
        using var certificate = pki.Issue(["shop.test"]);
        await using var origin = RecordingOrigin.Start(_ => RecordingOrigin.Ok("never"), certificate);
        await using var parent = await RunningProxy.StartAsync(pki, x => x with { ProxyCredentials = "kid:right" });
        await using var proxy = await RunningProxy.StartAsync(pki, x => x with { UpstreamProxy = new(false, "127.0.0.1", parent.Port, "kid:wrong", [], false) });

        var result = await CurlAsync(proxy, "-o", "/dev/null", "-w", "%{http_code}", $"https://shop.test:{origin.Port}/");

        Assert.Equal("502", result.Succeeded().Text);
        Assert.Contains("407", (await proxy.OnlyFlowAsync()).Failed("RC-PROXY-002").Detail, StringComparison.Ordinal);
        (await parent.OnlyFlowAsync()).Failed("RC-AUTH-001"); // what failed while the handshake waited is not tried again
    }

    [Fact]
    public async Task SecureParent_BehindSocat_IsVerifiedAndUsed()
    {
        using var pki = new TestPki();
        using var certificate = pki.Issue(["shop.test"]);
        using var front = pki.Issue(["proxy.test"]);
        using var directory = new TemporaryDirectory();
        var (file, key) = TestPki.Write(directory, "front", front);
        await using var origin = RecordingOrigin.Start(_ => RecordingOrigin.Ok("far"), certificate);
        await using var parent = await RunningProxy.StartAsync(pki, x => x with { PassThrough = [RunningProxy.Pattern("*")] });
        await using var socat = await ToolServer.StartAsync(
            Tool.Require("socat", "socat"), port => [$"OPENSSL-LISTEN:{port},bind=127.0.0.1,reuseaddr,fork,cert={file},key={key},verify=0", $"TCP:{parent.Address}"]);
        await using var proxy = await RunningProxy.StartAsync(pki, x => x with { UpstreamProxy = new(true, "proxy.test", socat.Port, null, [], false) });
        await using var mistaken = await RunningProxy.StartAsync(pki, x => x with { UpstreamProxy = new(true, "127.0.0.1", socat.Port, null, [], false), InsecureUpstream = true });

        var result = await CurlAsync(proxy, $"https://shop.test:{origin.Port}/");
        var refused = await CurlAsync(mistaken, "-o", "/dev/null", "-w", "%{http_code}", $"https://shop.test:{origin.Port}/");

        Assert.Equal("far", result.Succeeded().Text);
        Assert.Equal("502", refused.Succeeded().Text); // the parent's certificate is verified even when servers' are not
        (await proxy.OnlyFlowAsync()).Completed("GET", $"https://shop.test:{origin.Port}/", 200);
        (await mistaken.OnlyFlowAsync()).Failed("RC-PROXY-001");
    }

    [Fact]
    public async Task Bypass_AndFailOpen_GoDirectly()
    {
        await using var origin = RecordingOrigin.Start(_ => RecordingOrigin.Ok("near"));
        var nobody = ToolServer.FreePort();
        await using var closed = await RunningProxy.StartAsync(
            configure: x => x with { UpstreamProxy = new(false, "127.0.0.1", nobody, null, [RunningProxy.Pattern("*.direct.test")], false) });
        await using var open = await RunningProxy.StartAsync(configure: x => x with { UpstreamProxy = new(false, "127.0.0.1", nobody, null, [], true) });

        var bypassed = await CurlAsync(closed, $"http://a.direct.test:{origin.Port}/");
        var failed = await CurlAsync(closed, "-o", "/dev/null", "-w", "%{http_code}", $"http://shop.test:{origin.Port}/");
        var opened = await CurlAsync(open, $"http://shop.test:{origin.Port}/");

        Assert.Equal(("near", "502", "near"), (bypassed.Succeeded().Text, failed.Succeeded().Text, opened.Succeeded().Text));
        var flows = await closed.FinishedAsync(2);
        Assert.Null(flows[0].Connection.Server!.Via);
        flows[1].Failed("RC-PROXY-001");
        Assert.Contains("upstream_proxy_bypassed", (await open.OnlyFlowAsync()).Marks);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Tinyproxy_WithBasicAuth_Forwards(bool isSecure)
    {
        using var pki = new TestPki();
        using var certificate = pki.Issue(["127.0.0.1"]);
        using var directory = new TemporaryDirectory();
        await using var origin = RecordingOrigin.Start(x => RecordingOrigin.Ok(x.Body), isSecure ? certificate : null);
        await using var parent = await ToolServer.StartAsync(Tool.Require("tinyproxy", "tinyproxy-bin"), port =>
            ["-d", "-c", directory.Write("tinyproxy.conf", $"Port {port}\nListen 127.0.0.1\nTimeout 30\nMaxClients 20\nAllow 127.0.0.1\nBasicAuth kid secret\nLogLevel Connect\n")]);
        await using var proxy = await RunningProxy.StartAsync(pki, x => x with { UpstreamProxy = new(false, "127.0.0.1", parent.Port, "kid:secret", [], false) });
        var url = $"{(isSecure ? "https" : "http")}://127.0.0.1:{origin.Port}/t";
        var content = new string('q', 50_000);

        var result = await CurlAsync(proxy, "-d", content, url);

        Assert.Equal(content, result.Succeeded().Text);
        Assert.Equal("POST /t HTTP/1.1", origin.OnlyRequest.Line);
        Assert.Null(origin.OnlyRequest.Field("Proxy-Authorization"));
        var flow = await proxy.OnlyFlowAsync();
        flow.Completed("POST", url, 200);
        Assert.Equal($"127.0.0.1:{parent.Port}", flow.Connection.Server!.Via);
        Assert.Contains(isSecure ? $"CONNECT 127.0.0.1:{origin.Port}" : $"POST http://127.0.0.1:{origin.Port}/t", parent.Said, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Mitmdump_AsParent_SeesWhatWeForward(bool isSecure)
    {
        var program = Tool.Require("mitmdump", "mitmproxy");
        using var pki = new TestPki();
        using var certificate = pki.Issue(["127.0.0.1"]);
        using var directory = new TemporaryDirectory();
        var ca = directory.Write("origin-ca.pem", pki.Root.ExportCertificatePem());
        await using var origin = RecordingOrigin.Start(_ => RecordingOrigin.Ok("through two"), isSecure ? certificate : null);
        await using var parent = await ToolServer.StartAsync(program, port =>
        [
            "--listen-host", "127.0.0.1", "-p", port.ToString(CultureInfo.InvariantCulture), "--set", $"confdir={directory.Path}",
            "--set", $"ssl_verify_upstream_trusted_ca={ca}", "--flow-detail", "1",
        ]);
        using var theirCa = System.Security.Cryptography.X509Certificates.X509CertificateLoader.LoadCertificateFromFile(directory.File("mitmproxy-ca-cert.pem"));
        await using var proxy = await RunningProxy.StartAsync(
            configure: x => x with { UpstreamProxy = new UpstreamProxy(false, "127.0.0.1", parent.Port, null, [], false), UpstreamRoots = [theirCa] });
        var url = $"{(isSecure ? "https" : "http")}://127.0.0.1:{origin.Port}/m";

        var result = await CurlAsync(proxy, url);

        Assert.Equal("through two", result.Succeeded().Text);
        (await proxy.OnlyFlowAsync()).Completed("GET", url, 200);
        await parent.WaitForAsync($"GET {url}");
    }

    private static Task<ToolResult> CurlAsync(RunningProxy proxy, params IReadOnlyList<string> arguments) =>
        Tool.RunAsync(Tool.Require("curl", "curl"), ["-sS", "--noproxy", "", "--max-time", "20", "-x", proxy.Url, "--cacert", proxy.CaFile, .. arguments]);
}
