using RelayCore.Interop.Tests.Harness;
using RelayCore.Protocols;

namespace RelayCore.Interop.Tests;

/// <summary>wget as the client.</summary>
public sealed class WgetTests
{
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Download_ToAFile_IsTheSame(bool isSecure)
    {
        using var pki = new TestPki();
        using var certificate = pki.Issue(["shop.test"]);
        var content = Octets.Random(2_000_000);
        await using var origin = RecordingOrigin.Start(_ => RecordingOrigin.Ok(content), isSecure ? certificate : null);
        await using var proxy = await RunningProxy.StartAsync(pki);
        using var directory = new TemporaryDirectory();
        var url = $"{(isSecure ? "https" : "http")}://shop.test:{origin.Port}/file";

        (await WgetAsync(proxy, "-O", directory.File("got"), url)).Succeeded();

        Assert.Equal(Octets.Hash(content), Octets.Hash(await File.ReadAllBytesAsync(directory.File("got"), TestContext.Current.CancellationToken)));
        Assert.StartsWith("Wget/", origin.OnlyRequest.Field("User-Agent"), StringComparison.Ordinal);
        var flow = await proxy.OnlyFlowAsync();
        flow.Completed("GET", url, 200);
        Assert.Equal(Octets.Hash(content), Octets.Hash(proxy.Body(flow, PeerRole.Server)));
    }

    [Fact]
    public async Task Post_InterceptedHttps_FollowsTheRedirectOnTheSameTunnel()
    {
        using var pki = new TestPki();
        using var certificate = pki.Issue(["shop.test"]);
        await using var origin = RecordingOrigin.Start(
            x => x.Target == "/form" ? RecordingOrigin.Ok("", "Location: /done\r\n", "303 See Other") : RecordingOrigin.Ok("thanks"), certificate);
        await using var proxy = await RunningProxy.StartAsync(pki);

        var result = await WgetAsync(proxy, "-O", "-", "--post-data", "a=1&b=2", $"https://shop.test:{origin.Port}/form");

        Assert.Equal("thanks", result.Succeeded().Text);
        Assert.Equal(["POST /form HTTP/1.1", "GET /done HTTP/1.1"], origin.Requests.Select(x => x.Line));
        Assert.Equal("a=1&b=2"u8.ToArray(), origin.Requests[0].Body);
        var flows = await proxy.FinishedAsync(2);
        flows[0].Completed("POST", $"https://shop.test:{origin.Port}/form", 303);
        flows[1].Completed("GET", $"https://shop.test:{origin.Port}/done", 200);
    }

    [Fact]
    public async Task Continue_OfAPartialFile_AsksForTheRest()
    {
        var content = Octets.Random(10_000);
        await using var origin = RecordingOrigin.Start(x => x.Field("Range") == "bytes=4000-"
            ? RecordingOrigin.Ok(content[4000..], "Content-Range: bytes 4000-9999/10000\r\n", "206 Partial Content")
            : RecordingOrigin.Ok("wrong", status: "500 No"));
        await using var proxy = await RunningProxy.StartAsync();
        using var directory = new TemporaryDirectory();
        var file = directory.Write("part", content[..4000]);

        (await WgetAsync(proxy, "-c", "-O", file, $"http://shop.test:{origin.Port}/part")).Succeeded();

        Assert.Equal(content, await File.ReadAllBytesAsync(file, TestContext.Current.CancellationToken));
        (await proxy.OnlyFlowAsync()).Completed("GET", $"http://shop.test:{origin.Port}/part", 206);
    }

    private static Task<ToolResult> WgetAsync(RunningProxy proxy, params IReadOnlyList<string> arguments) => Tool.RunAsync(
        Tool.Require("wget", "wget"), ["-nv", "-t", "1", "-T", "20", "--no-config", "--no-hsts", "--ca-certificate", proxy.CaFile, .. arguments],
        new Dictionary<string, string?> { ["http_proxy"] = proxy.Url, ["https_proxy"] = proxy.Url, ["no_proxy"] = "" });
}
