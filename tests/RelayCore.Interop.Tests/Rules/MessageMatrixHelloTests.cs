using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using RelayCore.Core.Flows;
using RelayCore.Interop.Tests.Harness;

namespace RelayCore.Interop.Tests.Rules;

/// <summary>Filters of the client's TLS, by curl: what they select at RequestHeaders gets a field line.</summary>
public sealed class MessageMatrixHelloTests
{
    [Fact]
    public async Task FiltersOfTheClientHello_AtRequestHeaders_SelectWhatCurlOffered()
    {
        using var pki = new TestPki();
        using var directory = new TemporaryDirectory();
        await using var proxy = await RunningProxy.StartAsync(pki);
        await using var origin = await KestrelOrigin.StartAsync(
            x => x.Response.WriteAsync(x.Request.Headers["X-Rule"].ToString()), HttpProtocols.Http1AndHttp2, pki.Issue(["shop.test"]));
        proxy.UseRules("[]", directory.Path);
        var (_, plain) = await CurlAsync("--http2");
        var tls = Assert.IsType<FlowTls>(plain.Connection.Client.Tls);
        (string Filter, bool Http2, bool Http1)[] rows =
        [
            (Filter("Sni", "\"SHOP.test\""), true, true),
            (Filter("Sni", "\"other.test\""), false, false),
            (Filter("Sni", """{"mode":"Suffix","value":".test"}"""), true, true),
            (Filter("Alpn", "\"h2\""), true, false),
            (Filter("Alpn", "\"http/1.1\""), false, true),
            (Filter("TlsVersion", "\"TLSv1.3\""), true, false),
            (Filter("TlsVersion", "\"TLSv1.2\""), false, true),
            (Filter("Ja3", $"\"{tls.Ja3}\""), true, false),
            (Filter("Ja3", $"\"{new string('0', 32)}\""), false, false),
            (Filter("Ja4", $$"""{"mode":"Prefix","value":"{{tls.Ja4![..4]}}"}"""), true, false),
            (Filter("Ja4", """{"mode":"Prefix","value":"t12d"}"""), false, true),
            (Filter("ClientCertificate", "null"), false, false),
            (Filter("Not", Filter("ClientCertificate", "null")), true, true),
        ];
        foreach (var (filter, http2, http1) in rows)
        {
            proxy.UseRules($$$"""{"stage":"RequestHeaders","filter":{{{filter}}},"actions":[{"type":"AddRequestHeader","config":{"name":"X-Rule","value":"matched"}}]}""", directory.Path);
            Assert.Equal((filter, http2 ? "matched" : ""), (filter, (await CurlAsync("--http2")).Text));
            Assert.Equal((filter, http1 ? "matched" : ""), (filter, (await CurlAsync("--http1.1", "--tls-max", "1.2")).Text));
        }

        async Task<(string Text, Flow Flow)> CurlAsync(params string[] more)
        {
            var seen = proxy.List().Select(x => x.Id).ToHashSet();
            var result = await Tool.RunAsync(Tool.Require("curl", "curl"), ["-sS", "--noproxy", "", "--max-time", "15", "-x", proxy.Url, "--cacert", proxy.CaFile, .. more, $"https://shop.test:{origin.Port}/"]);
            return (result.Succeeded().Text, await proxy.FinishedAsync(x => !seen.Contains(x.Id) && x.Kind == FlowKind.Http));
        }
    }

    private static string Filter(string type, string config) => $$"""{"type":"{{type}}","config":{{config}}}""";
}
