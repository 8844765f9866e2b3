using System.Security.Cryptography;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using RelayCore.Core.Flows;
using RelayCore.Engine;
using RelayCore.Interop.Tests.Harness;

namespace RelayCore.Interop.Tests;

/// <summary>curl with HTTP/2: by ALPN, by prior knowledge, by Upgrade, inside a CONNECT and without.</summary>
public sealed class CurlHttp2Tests
{
    private const string Written = "|%{http_version}|%{http_code}";

    [Theory]
    [InlineData("--http2", Http2Use.Mirror, HttpProtocols.Http1AndHttp2, 2, 2)]
    [InlineData("--http1.1", Http2Use.Mirror, HttpProtocols.Http1AndHttp2, 1, 1)]
    [InlineData("--http2", Http2Use.Mirror, HttpProtocols.Http1, 1, 1)] // what the client would meet without the proxy
    [InlineData("--http2", Http2Use.Always, HttpProtocols.Http1, 2, 1)]
    [InlineData("--http2", Http2Use.Never, HttpProtocols.Http1AndHttp2, 1, 1)]
    public async Task Alpn_OfAnInterceptedServer_IsWhatTheOptionSays(string offer, Http2Use use, HttpProtocols protocols, int client, int server)
    {
        using var pki = new TestPki();
        using var certificate = pki.Issue(["shop.test"]);
        await using var origin = await KestrelOrigin.StartAsync(AnswerAsync, protocols, certificate);
        await using var proxy = await RunningProxy.StartAsync(pki, x => x with { Http2 = use });
        var url = $"https://shop.test:{origin.Port}/alpn";

        var result = await CurlAsync(proxy, offer, "-w", Written, url);

        Assert.Equal($"GET /alpn|{(client == 2 ? "2" : "1.1")}|200", result.Succeeded().Text);
        Assert.Equal([server == 2 ? "HTTP/2" : "HTTP/1.1"], origin.Protocols);
        var flow = await proxy.OnlyFlowAsync();
        flow.Completed("GET", url, 200);
        flow.Spoke(client, server);
        Assert.Equal((client == 2 ? "h2" : "http/1.1", server == 2 ? "h2" : "http/1.1"), (flow.Connection.Client.Tls!.Alpn, flow.Connection.Server!.Tls!.Alpn));
        Assert.Equal(["tcp", "tls", client == 2 ? "http/2" : "http/1.1"], flow.ProtocolStack);
        if (client == 2)
        {
            Assert.Equal("m,p,s,a", flow.Connection.Client.Http2!.PseudoFields);
        }
    }

    [Fact]
    public async Task EveryKindOfExchange_OnOneConnection_IsRight()
    {
        using var pki = new TestPki();
        using var certificate = pki.Issue(["shop.test"]);
        using var directory = new TemporaryDirectory();
        await using var origin = await KestrelOrigin.StartAsync(AnswerAsync, HttpProtocols.Http1AndHttp2, certificate);
        await using var proxy = await RunningProxy.StartAsync(pki);
        var url = $"https://shop.test:{origin.Port}";
        var content = Octets.Random(50_000_000, 2);
        var down = directory.File("down.bin");

        var result = await CurlAsync(
            proxy, ["-T", directory.Write("up.bin", content), "-w", Written + "\n", url + "/hash",
            "--next", .. s_common, "--cacert", proxy.CaFile, "-x", proxy.Url, "-I", "-o", directory.File("head"), "-w", Written + "\n", url + "/head",
            "--next", .. s_common, "--cacert", proxy.CaFile, "-x", proxy.Url, "-X", "DELETE", "-w", Written + "\n", url + "/204",
            "--next", .. s_common, "--cacert", proxy.CaFile, "-x", proxy.Url, "-w", Written + "\n", url + "/304",
            "--next", .. s_common, "--cacert", proxy.CaFile, "-x", proxy.Url, "-o", down, "-w", Written + "|%{num_connects}\n", url + "/large"]);

        Assert.Equal($"{Octets.Hash(content)}|2|200\n|2|200\n|2|204\n|2|304\n|2|200|0\n", result.Succeeded().Text);
        Assert.Contains("content-length: 1234\r\n", await File.ReadAllTextAsync(directory.File("head"), TestContext.Current.CancellationToken), StringComparison.Ordinal);
        Assert.Equal(Octets.Hash(content), Octets.Hash(await File.ReadAllBytesAsync(down, TestContext.Current.CancellationToken)));
        var flows = await proxy.FinishedAsync(5);
        Assert.Equal(["PUT 200", "HEAD 200", "DELETE 204", "GET 304", "GET 200"], flows.Select(x => $"{x.Http().Request!.Method} {x.Http().Response!.Status}"));
        Assert.Equal([1, 3, 5, 7, 9], flows.Select(x => x.StreamId!.Value));
        Assert.Equal((50_000_000, 50_000_000), (flows[0].Octets.RequestBody, flows[4].Octets.ResponseBody));
        Assert.Single(flows.Select(x => x.Connection.Client.Id).Distinct());
    }

    [Fact]
    public async Task ManyTransfersAtOnce_ShareOneConnection()
    {
        using var pki = new TestPki();
        using var certificate = pki.Issue(["shop.test"]);
        await using var origin = await KestrelOrigin.StartAsync(AnswerAsync, HttpProtocols.Http1AndHttp2, certificate);
        await using var proxy = await RunningProxy.StartAsync(pki);
        var url = $"https://shop.test:{origin.Port}";

        var result = await CurlAsync(proxy, "-Z", "--parallel-max", "12", "-o", "/dev/null", "-w", "%{http_version} %{http_code} %{size_download}\n", url + "/large?[1-12]");

        Assert.Equal(string.Concat(Enumerable.Repeat("2 200 50000000\n", 12)).Length, result.Succeeded().Text.Length);
        Assert.Equal(["2 200 50000000"], result.Text.TrimEnd().Split('\n').Distinct());
        var flows = await proxy.FinishedAsync(12);
        Assert.Single(flows.Select(x => x.Connection.Client.Id).Distinct());
        Assert.All(flows, x => Assert.Equal(50_000_000, x.Octets.ResponseBody)); // curl leaves with the last octet, END_STREAM or not
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task PriorKnowledge_InsideAConnect_IsServedByTheServersHttp2(bool isAlways)
    {
        await using var origin = await KestrelOrigin.StartAsync(AnswerAsync, HttpProtocols.Http2);
        await using var proxy = await RunningProxy.StartAsync(configure: x => x with { Http2 = isAlways ? Http2Use.Always : Http2Use.Mirror });
        var url = $"http://shop.test:{origin.Port}/known";

        var result = await CurlAsync(proxy, "--proxytunnel", "--http2-prior-knowledge", "-w", Written, url);

        Assert.Equal("GET /known|2|200", result.Succeeded().Text);
        Assert.Equal(["HTTP/2"], origin.Protocols);
        var flow = await proxy.OnlyFlowAsync();
        flow.Completed("GET", url, 200);
        flow.Spoke(2, 2);
        Assert.Equal(["tcp", "http/2"], flow.ProtocolStack);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Upgrade_ToHttp2_IsTakenUpByTheProxy(bool isTunnel)
    {
        await using var origin = RecordingOrigin.Start(x => RecordingOrigin.Ok(x.Line));
        await using var proxy = await RunningProxy.StartAsync();
        var url = $"http://shop.test:{origin.Port}/up";
        string[] tunnel = isTunnel ? ["--proxytunnel"] : [];

        var result = await CurlAsync(proxy, [.. tunnel, "--http2", "-w", Written, url]);

        Assert.Equal("GET /up HTTP/1.1|2|200", result.Succeeded().Text);
        Assert.Null(origin.OnlyRequest.Field("Upgrade"));
        Assert.Null(origin.OnlyRequest.Field("HTTP2-Settings"));
        var flow = await proxy.OnlyFlowAsync();
        flow.Completed("GET", url, 200);
        Assert.Equal(1, flow.StreamId);
    }

    [Fact]
    public async Task PassedThrough_Host_KeepsItsOwnHttp2()
    {
        using var pki = new TestPki();
        using var certificate = pki.Issue(["shop.test"]);
        using var directory = new TemporaryDirectory();
        await using var origin = await KestrelOrigin.StartAsync(AnswerAsync, HttpProtocols.Http1AndHttp2, certificate);
        await using var proxy = await RunningProxy.StartAsync(configure: x => x with { PassThrough = [RunningProxy.Pattern("shop.test")] });
        var ca = directory.Write("ca.pem", pki.Root.ExportCertificatePem());

        var result = await Tool.RunAsync(
            Tool.Require("curl", "curl"), [.. s_common, "-x", proxy.Url, "--cacert", ca, "-w", Written, $"https://shop.test:{origin.Port}/through"]);

        Assert.Equal("GET /through|2|200", result.Succeeded().Text);
        var flow = await proxy.OnlyFlowAsync();
        Assert.Equal(FlowKind.Tunnel, flow.Kind);
        Assert.Contains("passed_through", flow.Marks);
    }

    [Fact]
    public async Task ProxyOverTls_CarriesHttp2Inside()
    {
        using var pki = new TestPki();
        using var certificate = pki.Issue(["shop.test"]);
        await using var origin = await KestrelOrigin.StartAsync(AnswerAsync, HttpProtocols.Http1AndHttp2, certificate);
        await using var proxy = await RunningProxy.StartAsync(pki);
        var url = $"https://shop.test:{origin.Port}/inside";

        var result = await Tool.RunAsync(Tool.Require("curl", "curl"),
            [.. s_common, "-x", $"https://localhost:{proxy.Port}", "--proxy-cacert", proxy.CaFile, "--cacert", proxy.CaFile, "-w", Written, url]);

        Assert.Equal("GET /inside|2|200", result.Succeeded().Text);
        (await proxy.OnlyFlowAsync()).Spoke(2, 2);
    }

    [Fact]
    public async Task ServerThatIsNotThere_IsExplainedOverHttp2()
    {
        using var pki = new TestPki();
        await using var proxy = await RunningProxy.StartAsync(pki);
        var url = $"https://shop.test:{ToolServer.FreePort()}/";

        var result = await CurlAsync(proxy, "-i", "-w", Written, url);

        Assert.StartsWith("HTTP/2 502 \r\n", result.Succeeded().Text[result.Text.IndexOf("HTTP/2", StringComparison.Ordinal)..], StringComparison.Ordinal);
        Assert.Contains("x-relay-core-error: RC-CONN-001\r\n", result.Text, StringComparison.Ordinal);
        Assert.EndsWith("|2|502", result.Text, StringComparison.Ordinal);
        (await proxy.OnlyFlowAsync()).Failed("RC-CONN-001");
    }

    private static readonly string[] s_common = ["-sS", "--noproxy", "", "--max-time", "25"];

    private static async Task AnswerAsync(HttpContext context)
    {
        var (request, response) = (context.Request, context.Response);
        switch (request.Path.Value)
        {
            case "/204":
                response.StatusCode = 204;
                break;
            case "/304":
                response.StatusCode = 304;
                break;
            case "/head":
                response.ContentLength = 1234;
                break;
            case "/hash":
                await response.WriteAsync(Convert.ToHexStringLower(await SHA256.HashDataAsync(request.Body)));
                break;
            case "/large":
                response.ContentLength = s_large.Length;
                await response.Body.WriteAsync(s_large);
                break;
            default:
                await response.WriteAsync($"{request.Method} {context.Features.GetRequiredFeature<IHttpRequestFeature>().RawTarget}");
                break;
        }
    }

    private static readonly byte[] s_large = Octets.Random(50_000_000, 2);

    private static Task<ToolResult> CurlAsync(RunningProxy proxy, params IReadOnlyList<string> arguments) =>
        Tool.RunAsync(Tool.Require("curl", "curl"), [.. s_common, "-x", proxy.Url, "--cacert", proxy.CaFile, .. arguments]);
}
