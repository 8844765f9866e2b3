using RelayCore.Interop.Tests.Harness;

namespace RelayCore.Interop.Tests;

/// <summary>The tools of nghttp2: nghttp and h2load as clients that speak HTTP/2 to the proxy itself, nghttpd as the server.</summary>
public sealed class NghttpTests
{
    [Theory]
    [InlineData(false, 100)]
    [InlineData(true, 100)]
    [InlineData(true, 3)] // more streams than all connections to the server may carry: they wait for each other
    public async Task H2load_ThousandsOfStreams_AllSucceed(bool isSecure, int serverStreams)
    {
        await using var set = await StartAsync(isSecure, "-m", $"{serverStreams}");

        // TLS to the proxy, with the server's name: the proxy decrypts it and finds requests with an authority of their own.
        var result = await Tool.RunAsync(
            Tool.Require("h2load", "nghttp2"), ["-n", "2000", "-c", "4", "-m", "32", $"--connect-to={set.Proxy.Address}", set.Url + "/small.txt"]);

        Assert.True(
            result.Succeeded().Text.Contains("2000 done, 2000 succeeded, 0 failed, 0 errored, 0 timeout\nstatus codes: 2000 2xx, 0 3xx, 0 4xx, 0 5xx\n", StringComparison.Ordinal),
            result.Text + "\n" + string.Join("\n", set.Proxy.List().Select(x => x.Http().Error?.ToString()).OfType<string>().Distinct()));
        var flows = await set.Proxy.FinishedAsync(2000);
        Assert.Equal(4, flows.Select(x => x.Connection.Client.Id).Distinct().Count());
        Assert.All(flows, x => x.Completed("GET", set.Url + "/small.txt", 200));
        Assert.All(flows, x => x.Spoke(2, 2));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Upload_PaddedWithTrailersBothWays_ComesBack(bool isSecure)
    {
        await using var set = await StartAsync(isSecure, "--echo-upload", "-b", "200", "--trailer", "x-sum: of the answer");
        var content = Octets.Random(3_000_000, 8);

        var result = await set.NghttpAsync(
            "/", "-b", "100", "--no-content-length", "--trailer", "x-check: of the request", "-H", ":method: POST", "-d", set.Directory.Write("up.bin", content));

        Assert.Equal(Octets.Hash(content), Octets.Hash(result.Succeeded().Output));
        var flow = await set.Proxy.OnlyFlowAsync();
        var http = flow.Completed("POST", set.Url + "/", 200);
        Assert.Equal((3_000_000, 3_000_000), (flow.Octets.RequestBody, flow.Octets.ResponseBody));
        Assert.Equal([["x-check", "of the request"]], http.Request!.Trailers!);
        Assert.Equal([["x-sum", "of the answer"]], http.Response!.Trailers!);
    }

    [Theory]
    [InlineData("12", "16", "16", "16")] // the client's stream window is one octet less than 4 KiB
    [InlineData("16", "16", "12", "16")] // the server's
    [InlineData("12", "12", "12", "12")]
    public async Task SmallWindows_OnEitherSide_StillCarryEverything(string stream, string connection, string serverStream, string serverConnection)
    {
        await using var set = await StartAsync(isSecure: true, "--echo-upload", "-w", serverStream, "-W", serverConnection);
        var content = Octets.Random(1_000_000, 9);

        // A first request has the server's SETTINGS known: nghttpd 1.52 resets a stream that was sent more, as it may be, before its smaller
        // window was known (RFC 9113 §6.9.2).
        (await set.NghttpAsync("/small.txt")).Succeeded();
        var result = await set.NghttpAsync("/", "-w", stream, "-W", connection, "-H", ":method: POST", "-d", set.Directory.Write("up.bin", content));

        Assert.Equal(Octets.Hash(content), Octets.Hash(result.Succeeded().Output));
        var flows = await set.Proxy.FinishedAsync(2);
        Assert.Single(flows.Select(x => x.Connection.Server!.Id).Distinct());
        flows.Single(x => x.Http().Request!.Method == "POST").Completed("POST", set.Url + "/", 200);
    }

    [Theory]
    [InlineData("0", "4096")]
    [InlineData("8192", "0")]
    [InlineData("100", "65536")]
    public async Task HeaderTables_OfAnySizeAndLongFields_ArriveDecoded(string clientTable, string serverTable)
    {
        await using var set = await StartAsync(isSecure: false, "-c", serverTable, "--encoder-header-table-size", clientTable);
        var name = Convert.ToHexString(Octets.Random(3000, 3));

        // The first size makes the table shrink before it takes the second; the fields fill a CONTINUATION.
        var result = await set.NghttpAsync("/small.txt", "-m", "20", "-c", "64", "-c", clientTable, "--continuation", "-H", $"x-long: {name}");

        Assert.Equal(string.Concat(Enumerable.Repeat("small\n", 20)), result.Succeeded().Text);
        var flows = await set.Proxy.FinishedAsync(20);
        Assert.All(flows, x => Assert.Equal(name, x.Completed("GET", set.Url + "/small.txt", 200).Request!.Header("x-long")));
        await set.Server.WaitForAsync($"x-long: {name}");
    }

    [Fact]
    public async Task Push_OfAServerThatWants_IsTurnedOffByOurSettings()
    {
        await using var set = await StartAsync(isSecure: true, "-p", "/small.txt=/pushed.txt");

        var direct = await Tool.RunAsync(Tool.Require("nghttp", "nghttp2"), ["-y", "-n", "-v", $"https://127.0.0.1:{set.Server.Port}/small.txt"]);
        var result = await set.NghttpAsync("/small.txt", "-v");

        Assert.Contains("recv PUSH_PROMISE", direct.Succeeded().Text, StringComparison.Ordinal); // it would
        Assert.DoesNotContain("PUSH_PROMISE", result.Succeeded().Text, StringComparison.Ordinal);
        Assert.Contains("SETTINGS_ENABLE_PUSH(0x02):0", set.Server.Said, StringComparison.Ordinal);
        (await set.Proxy.OnlyFlowAsync()).Completed("GET", set.Url + "/small.txt", 200);
    }

    [Fact]
    public async Task ExpectContinue_IsAnsweredByTheServer()
    {
        await using var set = await StartAsync(isSecure: true, "--echo-upload");

        var result = await set.NghttpAsync("/", "-v", "--expect-continue", "-H", ":method: POST", "-d", set.Directory.Write("up.bin", Octets.Ascii("expected")));

        Assert.Contains(":status: 100", result.Succeeded().Text, StringComparison.Ordinal);
        var http = (await set.Proxy.OnlyFlowAsync()).Completed("POST", set.Url + "/", 200);
        Assert.Equal([100], http.Informational!.Select(x => x.Status));
        Assert.Equal("expected", http.Response!.Body!.Content);
    }

    [Fact]
    public async Task EarlyResponse_WhileTheUploadRuns_ReachesTheClient()
    {
        await using var set = await StartAsync(isSecure: true, "--early-response");

        var result = await set.NghttpAsync("/small.txt", "-H", ":method: POST", "-d", set.Directory.Write("up.bin", Octets.Random(2_000_000)));

        Assert.Equal("small\n", result.Succeeded().Text);
        Assert.Equal(200, (await set.Proxy.OnlyFlowAsync()).Http().Response!.Status);
    }

    [Fact]
    public async Task Http1Client_OfAServerOfHttp2Alone_NeedsTheOptionAndIsTold()
    {
        await using var set = await StartAsync(isSecure: false, "--echo-upload");
        await using var plain = await RunningProxy.StartAsync(set.Pki);
        var content = Octets.Random(2_000_000, 4);
        string[] arguments = ["-sS", "--noproxy", "", "--max-time", "20", "--data-binary", "@" + set.Directory.Write("up.bin", content), set.Url + "/"];

        var known = await Tool.RunAsync(Tool.Require("curl", "curl"), ["-x", set.Proxy.Url, "-H", "Expect:", .. arguments]);
        var unknown = await Tool.RunAsync(Tool.Require("curl", "curl"), ["-x", plain.Url, .. arguments[..^3], set.Url + "/small.txt"]);

        Assert.Equal(Octets.Hash(content), Octets.Hash(known.Succeeded().Output));
        (await set.Proxy.OnlyFlowAsync()).Spoke(1, 2);
        Assert.Contains("--h2c", unknown.Succeeded().Text, StringComparison.Ordinal);
        Assert.Contains("--h2c", (await plain.OnlyFlowAsync()).Failed("RC-HTTP-311").Detail, StringComparison.Ordinal);
    }

    /// <summary>nghttpd with two small files, and a proxy that knows it for HTTP/2.</summary>
    private static async Task<Setting> StartAsync(bool isSecure, params string[] options)
    {
        var program = Tool.Require("nghttpd", "nghttp2");
        var (directory, pki) = (new TemporaryDirectory(), new TestPki());
        using var certificate = pki.Issue(["shop.test"]);
        var (file, key) = TestPki.Write(directory, "nghttpd", certificate);
        Directory.CreateDirectory(directory.File("www"));
        directory.Write("www/small.txt", "small\n");
        directory.Write("www/pushed.txt", "pushed\n");
        string[] transport = isSecure ? [] : ["--no-tls"];
        string[] secret = isSecure ? [key, file] : [];
        var server = await ToolServer.StartAsync(program, port => ["-v", "-a", "127.0.0.1", "-d", directory.File("www"), .. transport, .. options, $"{port}", .. secret]);
        var proxy = await RunningProxy.StartAsync(pki, x => x with { Http2PriorKnowledge = isSecure ? [] : [RunningProxy.Pattern("shop.test")] });
        return new(directory, pki, server, proxy, $"{(isSecure ? "https" : "http")}://shop.test:{server.Port}");
    }

    private sealed record Setting(TemporaryDirectory Directory, TestPki Pki, ToolServer Server, RunningProxy Proxy, string Url) : IAsyncDisposable
    {
        /// <summary>nghttp connects to what its URL names, which is the proxy; the authority it asks for is the server's.</summary>
        public Task<ToolResult> NghttpAsync(string path, params IReadOnlyList<string> arguments)
        {
            var url = new Uri(Url);
            return Tool.RunAsync(
                Tool.Require("nghttp", "nghttp2"), ["-y", "-H", $":authority: {url.Authority}", .. arguments, $"{url.Scheme}://{Proxy.Address}{path}"]);
        }

        public async ValueTask DisposeAsync()
        {
            await Proxy.DisposeAsync();
            await Server.DisposeAsync();
            Pki.Dispose();
            Directory.Dispose();
        }
    }
}
