using System.Globalization;
using RelayCore.Interop.Tests.Harness;

namespace RelayCore.Interop.Tests;

/// <summary>nginx as an HTTP/2 server.</summary>
public sealed class NginxHttp2Tests
{
    [Fact]
    public async Task FilesRangesAndConditions_OverHttp2_AreUntouched()
    {
        await using var set = await StartAsync();

        var whole = await set.CurlAsync("-D", set.Directory.File("head"), set.Url + "/blob.bin");
        var head = await File.ReadAllTextAsync(set.Directory.File("head"), TestContext.Current.CancellationToken);
        var tag = head.Split("\r\n").Single(x => x.StartsWith("etag: ", StringComparison.Ordinal))[6..];
        var range = await set.CurlAsync("-r", "100000-100099", set.Url + "/blob.bin");
        var unchanged = await set.CurlAsync("-i", "-H", $"If-None-Match: {tag}", set.Url + "/blob.bin");
        var missing = await set.CurlAsync("-o", "/dev/null", "-w", "%{http_version} %{http_code}", set.Url + "/missing");

        Assert.Equal(Octets.Hash(set.Blob), Octets.Hash(whole.Succeeded().Output));
        Assert.Equal(set.Blob[100000..100100], range.Succeeded().Output);
        Assert.Contains("HTTP/2 304 \r\n", unchanged.Succeeded().Text, StringComparison.Ordinal);
        Assert.EndsWith("\r\n\r\n", unchanged.Text, StringComparison.Ordinal);
        Assert.Equal("2 404", missing.Succeeded().Text);
        var flows = await set.Proxy.FinishedAsync(4);
        Assert.Equal([200, 206, 304, 404], flows.Select(x => x.Http().Response!.Status));
        Assert.All(flows, x => x.Spoke(2, 2));
        Assert.Single(flows.Select(x => x.Connection.Server!.Id).Distinct());
    }

    [Fact]
    public async Task Upload_FiftyMegabytes_IsStoredAsSentAndRefusedWhenTooLarge()
    {
        await using var set = await StartAsync();
        var content = Octets.Random(50_000_000, 7);
        var file = set.Directory.Write("up.bin", content);

        var stored = await set.CurlAsync("-T", file, "-w", "%{http_code}", set.Url + "/stored.bin");

        // Answered before it is through: the whole response, then RST_STREAM with NO_ERROR (RFC 9113 section 8.1). This curl takes that for a failure, nghttp does not.
        var refused = await Tool.RunAsync(
            Tool.Require("nghttp", "nghttp2"),
            ["-y", "-v", "-H", ":method: PUT", "-H", $":authority: shop.test:{set.Server.Port}", "-d", file, $"https://{set.Proxy.Address}/small-only/x"]);

        Assert.Equal("201", stored.Succeeded().Text);
        Assert.Contains(":status: 413", refused.Text, StringComparison.Ordinal);
        Assert.Contains("413 Request Entity Too Large", refused.Text, StringComparison.Ordinal);
        Assert.Equal(Octets.Hash(content), Octets.Hash(await File.ReadAllBytesAsync(set.Directory.File("www/stored.bin"), TestContext.Current.CancellationToken)));
        var flows = await set.Proxy.FinishedAsync(2);
        Assert.Equal([201, 413], flows.Select(x => x.Http().Response!.Status));
        Assert.Contains("early_response", flows[1].Marks);
    }

    [Fact]
    public async Task ServerConnection_EndedByGoAwayBehindFiftyRequests_IsReplacedUnseen()
    {
        await using var set = await StartAsync(requests: 50);

        var result = await Tool.RunAsync(
            Tool.Require("h2load", "nghttp2"), ["-n", "500", "-c", "2", "-m", "10", $"--connect-to={set.Proxy.Address}", set.Url + "/text.txt"]);

        Assert.True(
            result.Succeeded().Text.Contains("500 done, 500 succeeded, 0 failed, 0 errored, 0 timeout\nstatus codes: 500 2xx", StringComparison.Ordinal),
            result.Text + string.Join("\n", set.Proxy.List().Select(x => x.Http().Error?.Detail).OfType<string>().Distinct()));
        var flows = await set.Proxy.FinishedAsync(500);
        Assert.InRange(flows.Select(x => x.Connection.Server!.Id).Distinct().Count(), 10, 500);
    }

    [Fact]
    public async Task Server_ReloadedBetweenRequests_IsMetAgain()
    {
        await using var set = await StartAsync();
        var statuses = "";
        for (var i = 0; i < 4; i++)
        {
            statuses += (await set.CurlAsync("-o", "/dev/null", "-w", "%{http_code} ", set.Url + "/text.txt?" + i)).Succeeded().Text;
            var pid = (await File.ReadAllTextAsync(set.Directory.File("nginx.pid"), TestContext.Current.CancellationToken)).Trim();
            (await Tool.RunAsync(Tool.Require("kill", "procps"), ["-HUP", pid])).Succeeded(); // its old worker says GOAWAY
        }

        Assert.Equal("200 200 200 200 ", statuses);
        Assert.All(await set.Proxy.FinishedAsync(4), x => Assert.Equal("completed", x.CloseReason!.Reason));
    }

    private static async Task<Setting> StartAsync(int requests = 1000)
    {
        var directory = new TemporaryDirectory();
        var pki = new TestPki();
        using var certificate = pki.Issue(["shop.test"]);
        var (file, key) = TestPki.Write(directory, "nginx", certificate);
        Directory.CreateDirectory(directory.File("www"));
        Directory.CreateDirectory(directory.File("logs"));
        var blob = Octets.Random(3_000_000, 3);
        directory.Write("www/blob.bin", blob);
        directory.Write("www/text.txt", "text\n");
        var server = await ToolServer.StartAsync(Tool.Require("nginx", "nginx-light"), port =>
        {
            var configuration = string.Create(CultureInfo.InvariantCulture, $$"""
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
                    client_max_body_size 100m;
                    server {
                        listen 127.0.0.1:{{port}} ssl http2;
                        ssl_certificate {{file}};
                        ssl_certificate_key {{key}};
                        root {{directory.Path}}/www;
                        dav_methods PUT;
                        keepalive_requests {{requests}};
                        location /small-only/ { client_max_body_size 1k; }
                    }
                }
                """);
            return ["-p", directory.Path, "-c", directory.Write("nginx.conf", configuration)];
        });
        return new(directory, pki, server, await RunningProxy.StartAsync(pki), blob, $"https://shop.test:{server.Port}");
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
