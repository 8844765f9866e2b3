using System.IO.Compression;
using RelayCore.Interop.Tests.Harness;
using RelayCore.Protocols;

namespace RelayCore.Interop.Tests;

/// <summary>nginx as the origin, plain and TLS.</summary>
public sealed class NginxTests
{
    private static readonly string s_text = string.Concat(Enumerable.Range(0, 5000).Select(x => $"line {x}\n"));

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Gzip_Chunked_ReachesTheClientPackedAndIsShownDecoded(bool isSecure)
    {
        await using var set = await StartAsync(isSecure);

        var result = await set.CurlAsync("--raw", "-H", "Accept-Encoding: gzip", "-i", set.Url + "/text.txt");
        var plain = await set.CurlAsync("-H", "Accept-Encoding: gzip", set.Url + "/text.txt");

        Assert.Contains("Transfer-Encoding: chunked\r\n", result.Succeeded().Text, StringComparison.Ordinal);
        Assert.Contains("Content-Encoding: gzip\r\n", result.Text, StringComparison.Ordinal);
        using var unpacked = new StreamReader(new GZipStream(new MemoryStream(plain.Succeeded().Output), CompressionMode.Decompress));
        Assert.Equal(s_text, await unpacked.ReadToEndAsync(TestContext.Current.CancellationToken));
        var flows = await set.Proxy.FinishedAsync(2);
        var http = flows[1].Completed("GET", set.Url + "/text.txt", 200);
        Assert.Equal((s_text, "gzip"), (http.Response!.Body!.Content, http.Response.Body.ContentEncoding));
        Assert.Equal(Octets.Hash(plain.Output), Octets.Hash(set.Proxy.Body(flows[1], PeerRole.Server)));
    }

    [Fact]
    public async Task KeepAlive_ManyFiles_ReusesTheServerConnection()
    {
        await using var set = await StartAsync(isSecure: true);

        (await set.CurlAsync("-o", "/dev/null", set.Url + "/blob.bin?[1-20]")).Succeeded();

        var flows = await set.Proxy.FinishedAsync(20);
        Assert.Single(flows.Select(x => x.Connection.Server!.Id).Distinct());
        Assert.Equal(Enumerable.Range(0, 20), flows.Select(x => x.Connection.Server!.Reuse));
    }

    [Fact]
    public async Task Conditional_Request_Gets304WithoutBodyAndKeepsTheConnection()
    {
        await using var set = await StartAsync(isSecure: true);
        var first = (await set.CurlAsync("-I", set.Url + "/blob.bin")).Succeeded().Text;
        var tag = first.Split("\r\n").Single(x => x.StartsWith("ETag: ", StringComparison.Ordinal))[6..];

        var result = await set.CurlAsync("-i", "-H", $"If-None-Match: {tag}", set.Url + "/blob.bin?1", set.Url + "/blob.bin?2");

        Assert.Equal(2, result.Succeeded().Text.Split("HTTP/1.1 304 Not Modified\r\n").Length - 1);
        Assert.EndsWith("\r\n\r\n", result.Text, StringComparison.Ordinal);
        var flows = await set.Proxy.FinishedAsync(3);
        flows[2].Completed("GET", set.Url + "/blob.bin?2", 304);
        Assert.Equal((0, null), (flows[2].Octets.ResponseBody, flows[2].Http().Response!.Body));
        Assert.Single(flows.Select(x => x.Connection.Server!.Id).Distinct());
    }

    [Fact]
    public async Task Ranges_SingleAndMultiple_AreUntouched()
    {
        await using var set = await StartAsync(isSecure: false);

        var single = await set.CurlAsync("-r", "100000-100099", set.Url + "/blob.bin");
        var several = await set.CurlAsync("-r", "0-9,20-29", "-i", set.Url + "/blob.bin");

        Assert.Equal(set.Blob[100000..100100], single.Succeeded().Output);
        Assert.Contains("Content-Type: multipart/byteranges; boundary=", several.Succeeded().Text, StringComparison.Ordinal);
        Assert.True(several.Output.AsSpan().IndexOf(set.Blob.AsSpan(20, 10)) > 0);
        Assert.All(await set.Proxy.FinishedAsync(2), x => x.Completed("GET", set.Url + "/blob.bin", 206));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Upload_ByPut_IsStoredAsSent(bool isSecure)
    {
        await using var set = await StartAsync(isSecure);
        var content = Octets.Random(4_000_000, 7);
        var file = set.Directory.Write("up.bin", content);

        var result = await set.CurlAsync("-T", file, "-w", "%{http_code}", set.Url + "/stored.bin");
        var chunked = await set.CurlAsync("-T", file, "-H", "Transfer-Encoding: chunked", "-w", "%{http_code}", set.Url + "/chunked.bin");

        Assert.Equal(("201", "201"), (result.Succeeded().Text, chunked.Succeeded().Text));
        Assert.Equal(Octets.Hash(content), Octets.Hash(await File.ReadAllBytesAsync(set.Directory.File("www/stored.bin"), TestContext.Current.CancellationToken)));
        Assert.Equal(Octets.Hash(content), Octets.Hash(await File.ReadAllBytesAsync(set.Directory.File("www/chunked.bin"), TestContext.Current.CancellationToken)));
        Assert.All(await set.Proxy.FinishedAsync(2), x => Assert.Equal(4_000_000, x.Octets.RequestBody));
    }

    [Fact]
    public async Task Upload_RefusedEarly_TheClientSeesTheServersAnswer()
    {
        await using var set = await StartAsync(isSecure: true);
        var file = set.Directory.Write("big.bin", new byte[9_000_000]);

        var result = await set.CurlAsync("-T", file, "-o", "/dev/null", "-w", "%{http_code}", "-H", "Expect:", set.Url + "/small-only/x");

        Assert.Equal("413", result.Text);
        var flow = await set.Proxy.OnlyFlowAsync();
        Assert.Equal(413, flow.Http().Response!.Status);
    }

    [Fact]
    public async Task ServerConnection_ClosedWhileIdle_IsReplacedWithoutAnError()
    {
        await using var set = await StartAsync(isSecure: true);

        // nginx closes each connection behind the second request, announced by Connection: close.
        var result = await set.CurlAsync("-o", "/dev/null", "-w", "%{http_code} %{num_connects}\n", set.Url + "/two/blob.bin?[1-6]");

        Assert.Equal(["200 1", "200 0", "200 0", "200 0", "200 0", "200 0"], result.Succeeded().Text.TrimEnd().Split('\n'));
        Assert.Equal([0, 1, 0, 1, 0, 1], (await set.Proxy.FinishedAsync(6)).Select(x => x.Connection.Server!.Reuse));
    }

    private static async Task<Setting> StartAsync(bool isSecure)
    {
        var directory = new TemporaryDirectory();
        var pki = new TestPki();
        using var certificate = pki.Issue(["shop.test"]);
        var (file, key) = TestPki.Write(directory, "nginx", certificate);
        Directory.CreateDirectory(directory.File("www"));
        Directory.CreateDirectory(directory.File("logs"));
        var blob = Octets.Random(1_000_000, 3);
        directory.Write("www/blob.bin", blob);
        directory.Write("www/text.txt", s_text);
        var server = await ToolServer.StartAsync(Tool.Require("nginx", "nginx-light"), port =>
        {
            var configuration = $$"""
                daemon off;
                worker_processes 1;
                {{(Environment.UserName == "root" ? "user root;" : "")}}
                pid {{directory.Path}}/nginx.pid;
                error_log stderr;
                events {}
                http {
                    access_log off;
                    client_body_temp_path {{directory.Path}}/body;
                    proxy_temp_path {{directory.Path}}/proxy;
                    fastcgi_temp_path {{directory.Path}}/fastcgi;
                    uwsgi_temp_path {{directory.Path}}/uwsgi;
                    scgi_temp_path {{directory.Path}}/scgi;
                    types { text/plain txt; }
                    gzip on;
                    gzip_types text/plain;
                    client_max_body_size 100m;
                    server {
                        listen 127.0.0.1:{{port}}{{(isSecure ? " ssl" : "")}};
                        ssl_certificate {{file}};
                        ssl_certificate_key {{key}};
                        root {{directory.Path}}/www;
                        dav_methods PUT;
                        location /small-only/ { client_max_body_size 1k; }
                        location /two/ { alias {{directory.Path}}/www/; keepalive_requests 2; }
                    }
                }
                """;
            return ["-p", directory.Path, "-c", directory.Write("nginx.conf", configuration)];
        });
        return new(directory, pki, server, await RunningProxy.StartAsync(pki), blob, $"{(isSecure ? "https" : "http")}://shop.test:{server.Port}");
    }

    private sealed record Setting(TemporaryDirectory Directory, TestPki Pki, ToolServer Server, RunningProxy Proxy, byte[] Blob, string Url) : IAsyncDisposable
    {
        public Task<ToolResult> CurlAsync(params IReadOnlyList<string> arguments) =>
            Tool.RunAsync(Tool.Require("curl", "curl"), ["-sS", "--noproxy", "", "--max-time", "20", "-x", Proxy.Url, "--cacert", Proxy.CaFile, .. arguments]);

        public async ValueTask DisposeAsync()
        {
            await Proxy.DisposeAsync();
            await Server.DisposeAsync();
            Pki.Dispose();
            Directory.Dispose();
        }
    }
}
