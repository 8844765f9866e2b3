using System.Globalization;
using System.Text.Json;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Playwright;
using RelayCore.Core.Flows;
using RelayCore.Engine;
using RelayCore.Interop.Tests.Harness;

namespace RelayCore.Interop.Tests;

/// <summary>Chromium through the proxy, with a profile and a trust store of its own.</summary>
public sealed partial class ChromiumTests
{
    [Fact]
    public async Task Page_OverInterceptedHttps_WorksLikeWithoutProxy()
    {
        using var pki = new TestPki();
        using var certificate = pki.Issue(["shop.test"]);
        await using var origin = RecordingOrigin.Start(Shop, certificate);
        await using var proxy = await RunningProxy.StartAsync(pki);
        await using var browser = await Browser.StartAsync(proxy, trusts: true);
        var url = $"https://shop.test:{origin.Port}";

        var response = await browser.Page.GotoAsync(url + "/", new() { WaitUntil = WaitUntilState.Load });

        // The page with script, style and fifty images, each a picture of its own width.
        Assert.Equal(200, response!.Status);
        Assert.StartsWith("RelayCore", (await response.SecurityDetailsAsync())!.Issuer, StringComparison.Ordinal);
        Assert.Equal("rgb(1, 2, 3)", await browser.Page.EvaluateAsync<string>("getComputedStyle(document.body).color"));
        Assert.Equal("ran", await browser.Page.EvaluateAsync<string>("window.script"));
        var widths = await browser.Page.EvaluateAsync<int[]>("[...document.images].map(x => x.naturalWidth)");
        Assert.Equal(Enumerable.Range(1, 50), widths);
        Assert.Equal([("a", "1"), ("b", "2"), ("c", "3")], (await browser.Page.Context.CookiesAsync()).Select(x => (x.Name, x.Value)).Order());

        // The form.
        await browser.Page.FillAsync("input[name=text]", "gr\u00fc\u00dfe & mehr");
        await browser.Page.ClickAsync("button");
        await browser.Page.WaitForURLAsync("**/form");
        Assert.Equal("text=gr%C3%BC%C3%9Fe+%26+mehr", await browser.Page.InnerTextAsync("body"));

        var post = await proxy.FinishedAsync(x => IsForShop(x) && x.Http().Request?.Method == "POST");
        post.Completed("POST", url + "/form", 200);
        Assert.Equal("text=gr%C3%BC%C3%9Fe+%26+mehr", post.Http().Request!.Body!.Content);
        Assert.Equal(["a", "b", "c"], post.Http().Request!.Cookies.Select(x => x.Name).Order());
        var flows = proxy.List().Where(IsForShop).ToList();
        var images = flows.Where(x => x.Http().Request!.Url.Contains("/image/", StringComparison.Ordinal)).ToList();
        Assert.Equal(50, images.Count);
        Assert.All(images, x => Assert.Equal(Picture(x.Http().Request!.Url.Split('/')[^1]), x.Http().Response!.Body!.Content));
        Assert.InRange(images.Select(x => x.Connection.Client.Id).Distinct().Count(), 1, 6);
        Assert.Equal(origin.Requests.Count, flows.Count);
        Assert.Contains("h2", images[0].Connection.Client.Tls!.OfferedAlpn!);
        Assert.StartsWith("t13d", images[0].Connection.Client.Tls!.Ja4, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(HttpProtocols.Http1AndHttp2, Http2Use.Mirror, "h2")]
    [InlineData(HttpProtocols.Http1, Http2Use.Mirror, "http/1.1")]
    [InlineData(HttpProtocols.Http1, Http2Use.Always, "h2")]
    public async Task Page_OfAnHttp2Server_IsLoadedOverHttp2(HttpProtocols protocols, Http2Use use, string expected)
    {
        using var pki = new TestPki();
        using var certificate = pki.Issue(["shop.test"]);
        await using var origin = await KestrelOrigin.StartAsync(ServeAsync, protocols, certificate);
        await using var proxy = await RunningProxy.StartAsync(pki, x => x with { Http2 = use });
        await using var browser = await Browser.StartAsync(proxy, trusts: true);
        var url = $"https://shop.test:{origin.Port}";

        await browser.Page.GotoAsync(url + "/", new() { WaitUntil = WaitUntilState.Load });

        Assert.Equal(expected, await browser.Page.EvaluateAsync<string>("performance.getEntriesByType('navigation')[0].nextHopProtocol"));
        Assert.Equal(Enumerable.Range(1, 50), await browser.Page.EvaluateAsync<int[]>("[...document.images].map(x => x.naturalWidth)"));
        Assert.Equal(3_000_000, await browser.Page.EvaluateAsync<int>(
            "fetch('/echo', { method: 'POST', body: new Uint8Array(3000000) }).then(x => x.arrayBuffer()).then(x => x.byteLength)"));
        var post = await proxy.FinishedAsync(x => IsForShop(x) && x.Kind == FlowKind.Http && x.Http().Request?.Method == "POST");
        post.Spoke(expected == "h2" ? 2 : 1, protocols == HttpProtocols.Http1 ? 1 : 2);
        var flows = proxy.List().Where(x => IsForShop(x) && x.Kind == FlowKind.Http).ToList(); // it opens connections it then has no use for
        Assert.Equal(52, flows.Count);
        if (expected == "h2")
        {
            Assert.Single(flows.Select(x => x.Connection.Client.Id).Distinct());
            Assert.Equal("m,a,s,p", post.Connection.Client.Http2!.PseudoFields);
        }
    }

    private static async Task ServeAsync(HttpContext context)
    {
        if (context.Request.Path == "/echo")
        {
            using var body = new MemoryStream();
            await context.Request.Body.CopyToAsync(body);
            await context.Response.Body.WriteAsync(body.ToArray());
            return;
        }

        var image = context.Request.Path.Value!.Split('/')[^1];
        context.Response.ContentType = image.Length > 0 ? "image/svg+xml" : "text/html";
        await context.Response.WriteAsync(image.Length > 0 ? Picture(image)
            : "<!doctype html><link rel=icon href='data:,'>" + string.Concat(Enumerable.Range(1, 50).Select(x => $"<img src=/image/{x}>")));
    }

    [Fact]
    public async Task Page_PlainHttpWithFetchStream_Works()
    {
        await using var origin = RecordingOrigin.Start(x => x.Target switch
        {
            "/api" => RecordingOrigin.Ok(x.Body, "Content-Type: application/json\r\n"),
            _ => RecordingOrigin.Ok("<!doctype html><link rel=icon href='data:,'><title>plain</title>", "Content-Type: text/html\r\n"),
        });
        await using var proxy = await RunningProxy.StartAsync();
        await using var browser = await Browser.StartAsync(proxy, trusts: false);
        var url = $"http://shop.test:{origin.Port}";

        await browser.Page.GotoAsync(url + "/");
        var answer = await browser.Page.EvaluateAsync<JsonElement>("fetch('/api', { method: 'PUT', body: JSON.stringify({ n: 'x'.repeat(100000) }) }).then(x => x.json())");

        Assert.Equal(100_000, answer.GetProperty("n").GetString()!.Length);
        var flow = await proxy.FinishedAsync(x => IsForShop(x) && x.Http().Request?.Method == "PUT");
        flow.Completed("PUT", url + "/api", 200);
        Assert.Equal(100_008, flow.Octets.RequestBody);
    }

    [Fact]
    public async Task ErrorPages_AreReadable()
    {
        using var pki = new TestPki();
        using var expired = pki.Issue(["old.test"], expired: true);
        await using var origin = RecordingOrigin.Start(_ => RecordingOrigin.Ok("never"), expired);
        await using var proxy = await RunningProxy.StartAsync(pki);
        await using var browser = await Browser.StartAsync(proxy, trusts: true);

        var missing = await browser.Page.GotoAsync("http://nowhere.missing.test/");
        var first = await browser.Page.InnerTextAsync("body");
        var old = await browser.Page.GotoAsync($"https://old.test:{origin.Port}/");
        var second = await browser.Page.InnerTextAsync("body");

        Assert.Equal((502, "RC-DNS-001"), (missing!.Status, missing.Headers["x-relay-core-error"]));
        Assert.Contains("Host name not found", first, StringComparison.Ordinal);
        Assert.Contains("What to do", first, StringComparison.Ordinal);
        Assert.Equal((502, "RC-TLS-203"), (old!.Status, old.Headers["x-relay-core-error"]));
        Assert.Contains("Server certificate expired or not yet valid", second, StringComparison.Ordinal);
        Assert.Contains("RelayCore", second, StringComparison.Ordinal);
    }

    [Fact]
    public async Task UntrustedAuthority_LeavesADiagnosis()
    {
        using var pki = new TestPki();
        using var certificate = pki.Issue(["shop.test"]);
        await using var origin = RecordingOrigin.Start(_ => RecordingOrigin.Ok("never"), certificate);
        await using var proxy = await RunningProxy.StartAsync(pki);
        await using var browser = await Browser.StartAsync(proxy, trusts: false);

        var failure = await Assert.ThrowsAsync<PlaywrightException>(() => browser.Page.GotoAsync($"https://shop.test:{origin.Port}/"));

        Assert.Contains("ERR_CERT_AUTHORITY_INVALID", failure.Message, StringComparison.Ordinal);
        Assert.Empty(origin.Requests);
        var flow = await proxy.FinishedAsync(x => IsForShop(x) && x.Kind == FlowKind.Connection);
        var error = flow.Tcp().Error!;
        Assert.True(error.Code is "RC-TLS-101" or "RC-TLS-102", $"{error.Code} {error.Detail}");
        Assert.Equal(("client", "client_tls"), (error.Blame, error.Stage));
        Assert.StartsWith("shop.test", error.Detail, StringComparison.Ordinal);
        Assert.True(error.NextSteps.Count >= 3, string.Join("; ", error.NextSteps));
    }

    // Whatever the flags, a browser asks its maker for this and that.
    private static bool IsForShop(Flow flow) => flow.Network.ServerHost?.StartsWith("shop.test:", StringComparison.Ordinal) == true;

    private static byte[] Shop(OriginRequest request) => request.Target switch
    {
        "/" => RecordingOrigin.Ok(
            "<!doctype html><html><head><link rel=icon href='data:,'><link rel=stylesheet href=/style.css><script src=/script.js></script></head><body>"
            + "<form method=post action=/form><input name=text><button>send</button></form>"
            + string.Concat(Enumerable.Range(1, 50).Select(x => $"<img src=/image/{x}>")) + "</body></html>",
            "Content-Type: text/html; charset=utf-8\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2; Secure; HttpOnly\r\nSet-Cookie: c=3; Path=/; SameSite=Lax\r\n"),
        "/style.css" => RecordingOrigin.Ok("body { color: rgb(1, 2, 3) }", "Content-Type: text/css\r\n"),
        "/script.js" => RecordingOrigin.Ok("window.script = 'ran';", "Content-Type: text/javascript\r\n"),
        "/form" => RecordingOrigin.Ok(request.Body, "Content-Type: text/plain\r\n"),
        var image when image.StartsWith("/image/", StringComparison.Ordinal) => RecordingOrigin.Ok(Picture(image[7..]), "Content-Type: image/svg+xml\r\n"),
        _ => RecordingOrigin.Ok("", status: "404 Not Found"),
    };

    private static string Picture(string width) =>
        string.Create(CultureInfo.InvariantCulture, $"<svg xmlns='http://www.w3.org/2000/svg' width='{width}' height='1'></svg>");
}
