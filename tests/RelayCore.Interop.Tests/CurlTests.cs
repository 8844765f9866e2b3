using System.Globalization;
using System.IO.Compression;
using System.Net;
using System.Text;
using RelayCore.Interop.Tests.Harness;
using RelayCore.Protocols;

namespace RelayCore.Interop.Tests;

/// <summary>curl as the client; the origin shares no code with the proxy.</summary>
public sealed class CurlTests
{
    [Fact]
    public async Task Get_PlainHttp_ForwardsHeadAndBodyUntouched()
    {
        await using var origin = RecordingOrigin.Start(_ => RecordingOrigin.Ok("hello", "X-Name: caf\u00e9\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2; Path=/\r\nx-lower:  two \r\n"));
        await using var proxy = await RunningProxy.StartAsync();
        var url = $"http://shop.test:{origin.Port}/a%20b?q=1&q=2";

        var result = await CurlAsync(proxy, "-i", "-H", "X-Odd:value", "-H", "x-odd: again", "-A", "probe/1", url);

        var (head, body) = Split(result.Succeeded().Output);
        Assert.Equal("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-Name: caf\u00e9\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2; Path=/\r\nx-lower:  two \r\n", head);
        Assert.Equal("hello", Encoding.ASCII.GetString(body));

        // curl wrote the absolute form and Proxy-Connection; nothing else may differ from what it sends to an origin.
        Assert.Equal(
            $"GET /a%20b?q=1&q=2 HTTP/1.1\r\nHost: shop.test:{origin.Port}\r\nUser-Agent: probe/1\r\nAccept: */*\r\nX-Odd:value\r\nx-odd: again\r\n", origin.OnlyRequest.Head);
        var http = (await proxy.OnlyFlowAsync()).Completed("GET", url, 200);
        Assert.Equal(["a", "b"], http.Response!.Cookies.Select(x => x.Name));
        Assert.Equal([["X-Odd", "value"], ["x-odd", "again"]], http.Request!.Headers.Where(x => x[0].Equals("x-odd", StringComparison.OrdinalIgnoreCase)));
        Assert.Equal("caf\u00e9", http.Response.Header("X-Name"));
        Assert.Equal("hello", http.Response.Body!.Content);
    }

    [Fact]
    public async Task Get_InterceptedHttps_IsTrustedByNameAndRecorded()
    {
        using var pki = new TestPki();
        using var certificate = pki.Issue(["shop.test"]);
        await using var origin = RecordingOrigin.Start(_ => RecordingOrigin.Ok("secret"), certificate);
        await using var proxy = await RunningProxy.StartAsync(pki);
        var url = $"https://shop.test:{origin.Port}/login";

        var result = await CurlAsync(proxy, "--cacert", proxy.CaFile, "-w", "|%{ssl_verify_result}|%{http_version}", url);

        Assert.Equal("secret|0|1.1", result.Succeeded().Text);
        Assert.Equal("GET /login HTTP/1.1", origin.OnlyRequest.Line);
        var flow = await proxy.OnlyFlowAsync();
        flow.Completed("GET", url, 200);
        Assert.Equal(("shop.test", "TLSv1.3"), (flow.Network.Sni, flow.Network.TlsVersion));
        Assert.Equal($"shop.test:{origin.Port}", flow.Connection.Client.TunnelAuthority);
        Assert.Contains("intercepted", flow.Marks);
        Assert.Equal("TLSv1.3", flow.Connection.Server!.Tls!.Version);
        Assert.Equal(certificate.GetCertHashString(System.Security.Cryptography.HashAlgorithmName.SHA256), flow.Connection.Server.Tls.PeerFingerprint, ignoreCase: true);
        Assert.False(string.IsNullOrEmpty(flow.Connection.Client.Tls!.Ja3));
    }

    [Theory]
    [InlineData("::1", false)]
    [InlineData("::1", true)]
    [InlineData("127.0.0.1", true)]
    public async Task Get_AddressLiteral_ReachesOriginAndCertifiesTheAddress(string address, bool isSecure)
    {
        Assert.SkipWhen(address == "::1" && !System.Net.Sockets.Socket.OSSupportsIPv6, "this machine has no IPv6");
        using var pki = new TestPki();
        using var certificate = pki.Issue([address]);
        await using var origin = RecordingOrigin.Start(_ => RecordingOrigin.Ok("by address"), isSecure ? certificate : null, IPAddress.Parse(address));
        await using var proxy = await RunningProxy.StartAsync(pki);
        var host = address.Contains(':', StringComparison.Ordinal) ? $"[{address}]" : address;
        var url = $"{(isSecure ? "https" : "http")}://{host}:{origin.Port}/";

        var result = await CurlAsync(proxy, "-g", "--cacert", proxy.CaFile, url);

        Assert.Equal("by address", result.Succeeded().Text);
        Assert.Equal($"{host}:{origin.Port}", origin.OnlyRequest.Field("Host"));
        (await proxy.OnlyFlowAsync()).Completed("GET", url, 200);
    }

    [Fact]
    public async Task Post_FormInterceptedHttps_ArrivesWhole()
    {
        using var pki = new TestPki();
        using var certificate = pki.Issue(["shop.test"]);
        await using var origin = RecordingOrigin.Start(x => RecordingOrigin.Ok(x.Body, status: "201 Created"), certificate);
        await using var proxy = await RunningProxy.StartAsync(pki);
        var url = $"https://shop.test:{origin.Port}/form";

        var result = await CurlAsync(proxy, "--cacert", proxy.CaFile, "--data-urlencode", "name=Zo\u00eb & co", "-d", "x=1", url);

        Assert.Equal("name=Zo%C3%AB+%26+co&x=1", result.Succeeded().Text);
        Assert.Equal("name=Zo%C3%AB+%26+co&x=1", Encoding.ASCII.GetString(origin.OnlyRequest.Body));
        Assert.Equal("name=Zo%C3%AB+%26+co&x=1", (await proxy.OnlyFlowAsync()).Completed("POST", url, 201).Request!.Body!.Content);
    }

    [Theory]
    [InlineData(false, false)]
    [InlineData(false, true)]
    [InlineData(true, false)]
    [InlineData(true, true)]
    public async Task Upload_ThreeMegabytes_ArrivesWithTheSameFraming(bool isSecure, bool isChunked)
    {
        using var pki = new TestPki();
        using var certificate = pki.Issue(["shop.test"]);
        await using var origin = RecordingOrigin.Start(x => RecordingOrigin.Ok(Octets.Hash(x.Body)), isSecure ? certificate : null);
        await using var proxy = await RunningProxy.StartAsync(pki);
        using var directory = new TemporaryDirectory();
        var content = Octets.Random(3_000_001);
        var file = directory.Write("upload.bin", content);
        var url = $"{(isSecure ? "https" : "http")}://shop.test:{origin.Port}/up";
        string[] framing = isChunked ? ["-H", "Transfer-Encoding: chunked"] : [];

        var result = await CurlAsync(proxy, ["--cacert", proxy.CaFile, "-T", file, .. framing, "-H", "Expect: 100-continue", "-v", url]);

        Assert.Equal(Octets.Hash(content), result.Succeeded().Text);
        Assert.Contains("< HTTP/1.1 100 Continue", result.Errors, StringComparison.Ordinal);
        var request = origin.OnlyRequest;
        Assert.Equal("100-continue", request.Field("Expect"));
        Assert.Equal(isChunked ? null : "3000001", request.Field("Content-Length"));
        Assert.Equal(isChunked ? "chunked" : null, request.Field("Transfer-Encoding"));
        var flow = await proxy.OnlyFlowAsync();
        var http = flow.Completed("PUT", url, 200);
        Assert.Equal([100], http.Informational!.Select(x => x.Status));
        Assert.Equal(Octets.Hash(content), Octets.Hash(proxy.Body(flow, PeerRole.Client)));
        Assert.Equal(3_000_001, flow.Octets.RequestBody);
    }

    [Fact]
    public async Task Head_OfAResourceWithLength_HasNoBodyAndKeepsTheConnection()
    {
        await using var origin = RecordingOrigin.Start(_ => Octets.Ascii("HTTP/1.1 200 OK\r\nContent-Length: 123456\r\nETag: \"x\"\r\n\r\n"));
        await using var proxy = await RunningProxy.StartAsync();
        var url = $"http://shop.test:{origin.Port}/";

        var result = await CurlAsync(proxy, "-I", url + "1", url + "2");

        Assert.Equal(string.Concat(Enumerable.Repeat("HTTP/1.1 200 OK\r\nContent-Length: 123456\r\nETag: \"x\"\r\n\r\n", 2)), result.Succeeded().Text);
        Assert.Equal(1, origin.Connections);
        var flows = await proxy.FinishedAsync(2);
        flows[0].Completed("HEAD", url + "1", 200);
        Assert.Equal(0, flows[1].Octets.ResponseBody);
    }

    [Fact]
    public async Task Range_Request_Relays206()
    {
        await using var origin = RecordingOrigin.Start(_ => RecordingOrigin.Ok("cde", "Content-Range: bytes 2-4/9\r\n", "206 Partial Content"));
        await using var proxy = await RunningProxy.StartAsync();
        var url = $"http://shop.test:{origin.Port}/r";

        var result = await CurlAsync(proxy, "-r", "2-4", "-w", "|%{http_code}", url);

        Assert.Equal("cde|206", result.Succeeded().Text);
        Assert.Equal("bytes=2-4", origin.OnlyRequest.Field("Range"));
        Assert.Equal("bytes 2-4/9", (await proxy.OnlyFlowAsync()).Completed("GET", url, 206).Response!.Header("Content-Range"));
    }

    [Fact]
    public async Task ProxyTunnel_PlainHttpInside_IsReadAsHttp()
    {
        await using var origin = RecordingOrigin.Start(_ => RecordingOrigin.Ok("inside"));
        await using var proxy = await RunningProxy.StartAsync();
        var url = $"http://shop.test:{origin.Port}/t";

        var result = await CurlAsync(proxy, "--proxytunnel", url);

        Assert.Equal("inside", result.Succeeded().Text);
        Assert.Equal("GET /t HTTP/1.1", origin.OnlyRequest.Line);
        var flow = await proxy.OnlyFlowAsync();
        flow.Completed("GET", url, 200);
        Assert.Equal($"shop.test:{origin.Port}", flow.Connection.Client.TunnelAuthority);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task ProxyAuth_MissingThenGiven_Answers407AndNeverForwardsTheCredentials(bool isSecure)
    {
        using var pki = new TestPki();
        using var certificate = pki.Issue(["shop.test"]);
        await using var origin = RecordingOrigin.Start(_ => RecordingOrigin.Ok("in"), isSecure ? certificate : null);
        await using var proxy = await RunningProxy.StartAsync(pki, x => x with { ProxyCredentials = "ann:s3cret" });
        var url = $"{(isSecure ? "https" : "http")}://shop.test:{origin.Port}/";

        var without = await CurlAsync(proxy, "--cacert", proxy.CaFile, "-o", "/dev/null", "-w", "%{http_code} %{http_connect}", url);
        var wrong = await CurlAsync(proxy, "--cacert", proxy.CaFile, "-U", "ann:wrong", "-o", "/dev/null", "-w", "%{http_code} %{http_connect}", url);
        var right = await CurlAsync(proxy, "--cacert", proxy.CaFile, "-U", "ann:s3cret", url);

        Assert.Equal(isSecure ? "000 407" : "407 000", without.Text);
        Assert.Equal(isSecure ? "000 407" : "407 000", wrong.Text);
        Assert.Equal("in", right.Succeeded().Text);
        Assert.Null(origin.OnlyRequest.Field("Proxy-Authorization"));
        var flows = await proxy.FinishedAsync(3);
        flows[0].Failed("RC-AUTH-001");
        Assert.Equal(407, flows[0].Http().Response!.Status);
        Assert.Equal("Basic realm=\"RelayCore\", charset=\"UTF-8\"", flows[0].Http().Response!.Header("Proxy-Authenticate"));
        flows[1].Failed("RC-AUTH-001");
        flows[2].Completed("GET", url, 200);
    }

    [Fact]
    public async Task Http10_Request_KeepsItsVersionAndCloses()
    {
        await using var origin = RecordingOrigin.Start(_ => RecordingOrigin.Ok("old"));
        await using var proxy = await RunningProxy.StartAsync();
        var url = $"http://shop.test:{origin.Port}/old";

        var result = await CurlAsync(proxy, "--http1.0", url);

        Assert.Equal("old", result.Succeeded().Text);
        Assert.Equal("GET /old HTTP/1.0", origin.OnlyRequest.Line);
        Assert.Equal("HTTP/1.0", (await proxy.OnlyFlowAsync()).Completed("GET", url, 200).Request!.Version);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task KeepAlive_SeveralUrls_ShareBothConnections(bool isSecure)
    {
        using var pki = new TestPki();
        using var certificate = pki.Issue(["shop.test"]);
        await using var origin = RecordingOrigin.Start(x => RecordingOrigin.Ok(x.Target), isSecure ? certificate : null);
        await using var proxy = await RunningProxy.StartAsync(pki);
        var url = $"{(isSecure ? "https" : "http")}://shop.test:{origin.Port}/[1-6]";

        var result = await CurlAsync(proxy, "--cacert", proxy.CaFile, "-w", " %{num_connects}\n", url);

        Assert.Equal(["/1 1", "/2 0", "/3 0", "/4 0", "/5 0", "/6 0"], result.Succeeded().Text.TrimEnd().Split('\n'));
        Assert.Equal(1, origin.Connections);
        var flows = await proxy.FinishedAsync(6);
        Assert.Single(flows.Select(x => x.Connection.Client.Id).Distinct());
        Assert.Equal([0, 1, 2, 3, 4, 5], flows.Select(x => x.Connection.Server!.Reuse));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Download_FiftyMegabytes_IsTheSameAndItsCaptureSaysItIsNotWhole(bool isSecure)
    {
        using var pki = new TestPki();
        using var certificate = pki.Issue(["shop.test"]);
        var content = Octets.Random(50_000_000);
        await using var origin = RecordingOrigin.Start(_ => RecordingOrigin.Ok(content), isSecure ? certificate : null);
        await using var proxy = await RunningProxy.StartAsync(pki, x => x with { Limits = x.Limits with { MaxBodyCapture = 1_000_000 } });
        var url = $"{(isSecure ? "https" : "http")}://shop.test:{origin.Port}/big";

        var result = await CurlAsync(proxy, "--cacert", proxy.CaFile, url);

        Assert.Equal(Octets.Hash(content), Octets.Hash(result.Succeeded().Output));
        var flow = await proxy.OnlyFlowAsync();
        Assert.True(flow.Truncated);
        Assert.Contains("response_body_truncated", flow.Marks);
        Assert.Equal(50_000_000, flow.Octets.ResponseBody);
        Assert.Equal((50_000_000, 1_000_000, true), (flow.Http().Response!.Body!.Size, flow.Http().Response!.Body!.Captured, flow.Http().Response!.Body!.Truncated));
        Assert.Equal(Octets.Hash(content.AsSpan(0, 1_000_000)), Octets.Hash(proxy.Body(flow, PeerRole.Server)));
    }

    [Fact]
    public async Task Compressed_Response_ReachesClientUndecodedAndIsShownDecoded()
    {
        var packed = Gzip("the quick brown fox"u8);
        await using var origin = RecordingOrigin.Start(_ => RecordingOrigin.Ok(packed, "Content-Encoding: gzip\r\n"));
        await using var proxy = await RunningProxy.StartAsync();
        var url = $"http://shop.test:{origin.Port}/z";

        var raw = await CurlAsync(proxy, "-H", "Accept-Encoding: gzip", url);
        var decoded = await CurlAsync(proxy, "--compressed", url);

        Assert.Equal(packed, raw.Succeeded().Output);
        Assert.Equal("the quick brown fox", decoded.Succeeded().Text);
        var flows = await proxy.FinishedAsync(2);
        var body = flows[0].Completed("GET", url, 200).Response!.Body!;
        Assert.Equal(("the quick brown fox", "gzip", (long)packed.Length), (body.Content, body.ContentEncoding, body.Size));
        Assert.Equal(packed, proxy.Body(flows[0], PeerRole.Server));
    }

    [Fact]
    public async Task ChunkedResponse_WithExtensionsAndTrailers_ArrivesOctetForOctet()
    {
        var wire = "5;ext=\"q\"\r\nhello\r\n7\r\n, world\r\n0\r\nX-Sum: 1\r\nX-Sum: 2\r\n\r\n";
        await using var origin = RecordingOrigin.Start(_ => Octets.Ascii("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n" + wire));
        await using var proxy = await RunningProxy.StartAsync();
        var url = $"http://shop.test:{origin.Port}/c";

        var result = await CurlAsync(proxy, "--raw", "-i", url);

        Assert.Equal("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n" + wire, result.Succeeded().Text);
        var http = (await proxy.OnlyFlowAsync()).Completed("GET", url, 200);
        Assert.Equal("hello, world", http.Response!.Body!.Content);
        Assert.Equal([["X-Sum", "1"], ["X-Sum", "2"]], http.Response.Trailers!);
    }

    [Fact]
    public async Task CloseDelimited_Response_EndsWithTheServer()
    {
        await using var origin = RecordingOrigin.Start(async (_, stream) =>
        {
            await stream.WriteAsync(Octets.Ascii("HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\nuntil the end"));
            stream.Close();
        });
        await using var proxy = await RunningProxy.StartAsync();
        var url = $"http://shop.test:{origin.Port}/d";

        var result = await CurlAsync(proxy, url);

        Assert.Equal("until the end", result.Succeeded().Text);
        Assert.Equal("until the end", (await proxy.OnlyFlowAsync()).Completed("GET", url, 200).Response!.Body!.Content);
    }

    [Fact]
    public async Task Response_CutShort_IsAnErrorForClientAndFlow()
    {
        await using var origin = RecordingOrigin.Start(async (_, stream) =>
        {
            await stream.WriteAsync(Octets.Ascii("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this"));
            stream.Close();
        });
        await using var proxy = await RunningProxy.StartAsync();

        var result = await CurlAsync(proxy, $"http://shop.test:{origin.Port}/cut");

        Assert.True(result.ExitCode is 18 or 56, result.Errors); // partial file, or connection reset
        var flow = await proxy.OnlyFlowAsync();
        Assert.NotEqual("completed", flow.CloseReason!.Reason);
        Assert.Equal("server", flow.Http().Error!.Blame);
    }

    [Theory]
    [InlineData("nowhere.missing.test", "RC-DNS-001", "text/html")]
    [InlineData("127.0.0.1", "RC-CONN-001", "application/json")]
    public async Task Unreachable_Server_Answers502WithAReason(string host, string code, string accept)
    {
        await using var proxy = await RunningProxy.StartAsync();
        var url = $"http://{host}:{ToolServer.FreePort()}/";

        var result = await CurlAsync(proxy, "-i", "-H", $"Accept: {accept}", url);

        var (head, body) = Split(result.Succeeded().Output);
        Assert.StartsWith("HTTP/1.1 502 Bad Gateway\r\n", head, StringComparison.Ordinal);
        Assert.Contains($"X-Relay-Core-Error: {code}\r\n", head, StringComparison.Ordinal);
        Assert.Contains(accept == "text/html" ? "<!doctype html>" : $"\"code\":\"{code}\"", Encoding.UTF8.GetString(body), StringComparison.Ordinal);
        (await proxy.OnlyFlowAsync()).Failed(code);
    }

    [Fact]
    public async Task UntrustingClient_InterceptedHttps_LeavesADiagnosis()
    {
        using var pki = new TestPki();
        using var certificate = pki.Issue(["shop.test"]);
        await using var origin = RecordingOrigin.Start(_ => RecordingOrigin.Ok("never"), certificate);
        await using var proxy = await RunningProxy.StartAsync(pki);
        using var directory = new TemporaryDirectory();
        var otherCa = directory.Write("other.pem", pki.Root.ExportCertificatePem());

        var result = await CurlAsync(proxy, "--cacert", otherCa, $"https://shop.test:{origin.Port}/");

        Assert.Equal(60, result.ExitCode); // CURLE_PEER_FAILED_VERIFICATION
        Assert.Empty(origin.Requests);
        var error = (await proxy.OnlyFlowAsync()).Failed("RC-TLS-101");
        Assert.Contains("shop.test", error.Detail, StringComparison.Ordinal);
        Assert.True(error.NextSteps.Count >= 3, string.Join("; ", error.NextSteps));
    }

    [Fact]
    public async Task Parallel_Transfers_AreNeverMixedUp()
    {
        using var pki = new TestPki();
        using var certificate = pki.Issue(["shop.test"]);
        await using var origin = RecordingOrigin.Start(x => RecordingOrigin.Ok(Body(x.Target)), certificate);
        await using var proxy = await RunningProxy.StartAsync(pki);
        using var directory = new TemporaryDirectory();

        var result = await CurlAsync(
            proxy, "--cacert", proxy.CaFile, "--parallel", "--parallel-max", "20", "-o", directory.File("#1"), $"https://shop.test:{origin.Port}/[1-100]");

        result.Succeeded();
        Assert.All(Enumerable.Range(1, 100), x => Assert.Equal(
            Octets.Hash(Body($"/{x}")), Octets.Hash(File.ReadAllBytes(directory.File(x.ToString(CultureInfo.InvariantCulture))))));
        var flows = await proxy.FinishedAsync(100);
        Assert.All(flows, x => Assert.Equal(Octets.Hash(Body(new Uri(x.Http().Request!.Url).AbsolutePath)), Octets.Hash(proxy.Body(x, PeerRole.Server))));

        static byte[] Body(string target) => Octets.Random(3_000 + (int.Parse(target.AsSpan(1), CultureInfo.InvariantCulture) * 997), target.Length * 1000 + target[^1]);
    }

    private static Task<ToolResult> CurlAsync(RunningProxy proxy, params IReadOnlyList<string> arguments) =>
        Tool.RunAsync(Tool.Require("curl", "curl"), ["-sS", "--noproxy", "", "--max-time", "20", "-x", proxy.Url, .. arguments]);

    private static (string Head, byte[] Body) Split(byte[] response)
    {
        var end = response.AsSpan().IndexOf("\r\n\r\n"u8);
        return (Encoding.Latin1.GetString(response, 0, end + 2), response[(end + 4)..]);
    }

    private static byte[] Gzip(ReadOnlySpan<byte> content)
    {
        using var packed = new MemoryStream();
        using (var gzip = new GZipStream(packed, CompressionLevel.Optimal))
        {
            gzip.Write(content);
        }

        return packed.ToArray();
    }
}
