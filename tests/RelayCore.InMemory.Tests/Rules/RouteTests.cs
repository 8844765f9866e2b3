using System.Net;
using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using RelayCore.Engine.Transport;
using RelayCore.Formats;
using RelayCore.Protocols.Http2;
using RelayCore.Rules.Documents;
using RelayCore.Rules.Execution;
using RelayCore.Testing;
using Xunit;

namespace RelayCore.InMemory.Tests.Rules;

/// <summary>Rules on where and how servers are reached, in a whole proxy, by who is connected to and what is asked of them.</summary>
public sealed class RouteTests
{
    private const string Ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

    [Theory]
    [InlineData("""{"type":"RedirectIp","config":{"target":"10.7.0.1:81"}}""", "10.7.0.1:81")]
    [InlineData("""{"type":"RedirectIp","config":{"target":"10.7.0.1"}}""", "10.7.0.1:80")]
    [InlineData("""{"type":"ForwardPort","config":{"target_host":"staging.test","target_port":81}}""", "10.7.0.1:81")]
    [InlineData("""{"type":"SetUpstreamAddress","config":{"host":"staging.test"}}""", "10.7.0.1:80")]
    public async Task RequestHeaders_AnotherAddress_IsDialedAndTheRequestIsWhatItWas(string action, string dialed)
    {
        await using var proxy = await StartAsync(("RequestHeaders", "/", action));
        proxy.Resolver.Add("staging.test", IPAddress.Parse("10.7.0.1"));
        var origin = proxy.Origin("10.7.0.1", IPEndPoint.Parse(dialed).Port);
        var (atServer, atClient) = await proxy.ExchangeAsync(proxy.Connect(), origin, Get("/"), Ok);
        Assert.Equal("GET / HTTP/1.1\r\nHost: origin.test\r\n\r\n", atServer);
        Assert.Equal(Ok, atClient);
        Assert.Equal([IPEndPoint.Parse(dialed)], proxy.Network.Connects);
        Assert.Equal("http://origin.test/", (await proxy.FlowAsync()).Http().Request!.Url);
    }

    [Fact]
    public async Task Routes_OfOneOrigin_ShareNoConnections()
    {
        await using var proxy = await StartAsync(
            ("RequestHeaders", "/a", """{"type":"RedirectIp","config":{"target":"10.7.0.1"}}"""),
            ("RequestHeaders", "/t", """{"type":"SetTtl","config":{"ttl":5}}"""));
        var (direct, other) = (proxy.Origin(), proxy.Origin("10.7.0.1"));
        var client = proxy.Connect();
        var servers = new Dictionary<string, TestPeer>();
        foreach (var path in (string[])["/", "/a", "/t", "/", "/a", "/t"])
        {
            await client.SendAsync(Get(path));
            if (!servers.TryGetValue(path, out var server))
            {
                servers[path] = server = await (path == "/a" ? other : direct).AcceptAsync();
            }

            Assert.StartsWith($"GET {path} ", await server.ReadHeadAsync(), StringComparison.Ordinal);
            await server.SendAsync(Ok);
            Assert.Equal(Ok, await client.ReadMessageAsync());
        }

        Assert.Equal(3, proxy.Network.Connects.Count);
    }

    [Theory]
    [InlineData("Connect")]
    [InlineData("ClientHello")]
    public async Task Tunnel_Route_HoldsForEveryExchangeInIt(string stage)
    {
        await using var proxy = await StartAsync(
            (stage, null, """{"type":"RedirectIp","config":{"target":"10.7.0.1:8443"}},{"type":"SkipCertificateCheck"}"""));
        var origin = proxy.Origin("10.7.0.1", 8443);
        var client = await TlsTests.ConnectAsync(proxy);
        await client.SendAsync(TlsTests.Get);
        var server = await TlsTests.AcceptAsync(origin);
        for (var i = 0; i < 2; i++)
        {
            Assert.Equal(TlsTests.Get, await server.ReadHeadAsync());
            await server.SendAsync(Ok);
            Assert.Equal(Ok, await client.ReadMessageAsync());
            if (i == 0)
            {
                await client.SendAsync(TlsTests.Get);
            }
        }

        Assert.Equal([IPEndPoint.Parse("10.7.0.1:8443")], proxy.Network.Connects);
        Assert.All(await proxy.FlowsAsync(2), x => Assert.Contains("insecure_upstream", x.Marks));
    }

    [Fact]
    public async Task Tunnel_MapRemoteInside_LeavesTheTunnelsAddress()
    {
        await using var proxy = await StartAsync(
            ("Connect", null, """{"type":"RedirectIp","config":{"target":"10.7.0.1"}}"""),
            ("RequestHeaders", "/m", """{"type":"MapRemote","config":{"url":"http://mapped.test"}}"""));
        var (tunnel, mapped) = (proxy.Origin("10.7.0.1", 9000), proxy.Origin("mapped.test"));
        var client = proxy.Connect();
        await client.SendAsync("CONNECT origin.test:9000 HTTP/1.1\r\nHost: origin.test:9000\r\n\r\n");
        await client.ReadHeadAsync();
        await proxy.ExchangeAsync(client, tunnel, "GET / HTTP/1.1\r\nHost: origin.test:9000\r\n\r\n", Ok);
        var (atServer, _) = await proxy.ExchangeAsync(client, mapped, "GET /m HTTP/1.1\r\nHost: origin.test:9000\r\n\r\n", Ok);
        Assert.Equal("GET /m HTTP/1.1\r\nHost: mapped.test\r\n\r\n", atServer);
    }

    [Fact]
    public async Task RawTunnel_Connect_GoesToTheAddress()
    {
        await using var proxy = await StartAsync(("Connect", null, """{"type":"RedirectIp","config":{"target":"10.7.0.1:7"}}"""));
        var origin = proxy.Origin("10.7.0.1", 7);
        var client = proxy.Connect();
        await client.SendAsync("CONNECT origin.test:9000 HTTP/1.1\r\nHost: origin.test:9000\r\n\r\n");
        await client.ReadHeadAsync();
        await client.SendAsync("\x01\x02raw");
        var server = await origin.AcceptAsync();
        Assert.Equal("\x01\x02raw", await server.ReadAsync(5));
        server.Close();
        await client.ReadToEndAsync();
        client.Close();
        await proxy.FlowAsync();
    }

    [Theory]
    [InlineData("Connect")]
    [InlineData("ClientHello")]
    public async Task TlsPolicy_PassThrough_TheServersCertificateReachesTheClient(string stage)
    {
        await using var proxy = await StartAsync((stage, null, """{"type":"TlsPolicy","config":{"decision":"pass_through"}}"""));
        var accepting = TlsTests.AcceptAsync(proxy.Origin(port: 443));
        var (client, tls) = await HandshakeAsync(proxy);
        Assert.Equal("CN=origin.test", tls.RemoteCertificate!.Issuer);
        var server = await accepting;
        await client.SendAsync("x");
        Assert.Equal("x", await server.ReadAsync(1));
        client.Close();
        server.Close();
        Assert.Contains("passed_through", (await proxy.FlowAsync()).Marks);
    }

    [Theory]
    [InlineData("Connect")]
    [InlineData("ClientHello")]
    public async Task TlsPolicy_Drop_ClosesWithoutTheOrigin(string stage)
    {
        await using var proxy = await StartAsync((stage, null, """{"type":"TlsPolicy","config":{"decision":"drop"}}"""));
        proxy.Origin(port: 443);
        await Assert.ThrowsAnyAsync<Exception>(() => TlsTests.ConnectAsync(proxy));
        Assert.Empty(proxy.Network.Connects);
        Assert.Equal("RC-POL-001", (await proxy.FlowAsync()).Error()!.Code);
    }

    [Fact]
    public async Task TlsPolicy_Intercept_GoesBeforeTheOptions()
    {
        await using var proxy = await StartAsync(x => x with { PassThrough = [Http2.Http2Scene.Pattern("origin.test")], InsecureUpstream = true },
            ("ClientHello", null, """{"type":"TlsPolicy","config":{"decision":"intercept"}}"""));
        var origin = proxy.Origin(port: 443);
        var client = await TlsTests.ConnectAsync(proxy);
        await client.SendAsync(TlsTests.Get);
        var server = await TlsTests.AcceptAsync(origin);
        Assert.Equal(TlsTests.Get, await server.ReadHeadAsync());
        await server.SendAsync(Ok);
        Assert.Equal(Ok, await client.ReadMessageAsync());
    }

    [Fact]
    public async Task SetSni_TheServerIsAskedForIt()
    {
        await using var proxy = await StartAsync(x => x with { InsecureUpstream = true }, ("ClientHello", null, """{"type":"SetSni","config":{"name":"inner.test"}}"""));
        var origin = proxy.Origin(port: 443);
        var client = await TlsTests.ConnectAsync(proxy);
        await client.SendAsync(TlsTests.Get);
        var (server, tls) = await AcceptAsync(origin, [SslApplicationProtocol.Http11]);
        Assert.Equal("inner.test", tls.TargetHostName);
        Assert.Equal(TlsTests.Get, await server.ReadHeadAsync());
        await server.SendAsync(Ok);
        Assert.Equal(Ok, await client.ReadMessageAsync());
    }

    [Fact]
    public async Task ForceHttpVersion_1_TheMirrorOffersTheClientNoOther()
    {
        await using var proxy = await StartAsync(x => x with { InsecureUpstream = true }, ("Connect", null, """{"type":"ForceHttpVersion","config":{"version":"1.1"}}"""));
        var origin = proxy.Origin(port: 443);
        var (client, tls) = await HandshakeAsync(proxy, SslApplicationProtocol.Http2, SslApplicationProtocol.Http11);
        Assert.Equal(SslApplicationProtocol.Http11, tls.NegotiatedApplicationProtocol);
        await client.SendAsync(TlsTests.Get);
        var (server, serverTls) = await AcceptAsync(origin, [SslApplicationProtocol.Http2, SslApplicationProtocol.Http11]);
        Assert.Equal(SslApplicationProtocol.Http11, serverTls.NegotiatedApplicationProtocol);
        Assert.Equal(TlsTests.Get, await server.ReadHeadAsync());
        await server.SendAsync(Ok);
        Assert.Equal(Ok, await client.ReadMessageAsync());
    }

    [Fact]
    public async Task ForceHttpVersion_2_AnHttp1ClientIsTranslatedFor()
    {
        await using var proxy = await StartAsync(x => x with { InsecureUpstream = true }, ("Connect", null, """{"type":"ForceHttpVersion","config":{"version":"2"}}"""));
        var origin = proxy.Origin(port: 443);
        var client = await TlsTests.ConnectAsync(proxy);
        await client.SendAsync(TlsTests.Get);
        var (peer, tls) = await AcceptAsync(origin, [SslApplicationProtocol.Http11, SslApplicationProtocol.Http2]);
        Assert.Equal(SslApplicationProtocol.Http2, tls.NegotiatedApplicationProtocol);
        var server = new Http2Peer(peer);
        await server.OpenAsServerAsync();
        var request = await server.ReadAsync(Http2FrameType.Headers);
        Assert.Equal("/s", request[":path"]);
        await server.HeadersAsync(request.StreamId, true, (":status", "204"));
        Assert.StartsWith("HTTP/1.1 204", await client.ReadHeadAsync(), StringComparison.Ordinal);
        client.Close();
        peer.Close();
    }

    [Fact]
    public async Task SetUpstreamProxy_PlainHttp_GoesThroughIt()
    {
        await using var proxy = await StartAsync(("RequestHeaders", "/", """{"type":"SetUpstreamProxy","config":{"url":"http://u:p@parent.test:3128"}}"""));
        var (atServer, _) = await proxy.ExchangeAsync(proxy.Connect(), proxy.Origin("parent.test", 3128), Get("/"), Ok);
        Assert.StartsWith("GET http://origin.test/ HTTP/1.1\r\n", atServer, StringComparison.Ordinal);
        Assert.Contains("Proxy-Authorization: Basic " + Convert.ToBase64String("u:p"u8), atServer, StringComparison.Ordinal);
    }

    [Fact]
    public async Task FailedRule_LeavesNoRoute()
    {
        await using var proxy = await StartAsync(
            ("RequestHeaders", "/", """{"type":"RedirectIp","config":{"target":"10.7.0.1"}},{"type":"SetSni","config":{"name":"{{request.path}}"}}"""));
        var (_, atClient) = await proxy.ExchangeAsync(proxy.Connect(), proxy.Origin(), Get("/"), Ok);
        Assert.Equal(Ok, atClient);
        Assert.Contains("rule_failed:r0", (await proxy.FlowAsync()).Tags);
    }

    [Fact]
    public async Task Http2_RouteOfOneStream_HasAConnectionOfItsOwn()
    {
        await using var proxy = await StartAsync(("RequestHeaders", "/a", """{"type":"RedirectIp","config":{"target":"10.7.0.1"}}"""));
        var (direct, other) = (proxy.Origin(), proxy.Origin("10.7.0.1"));
        var client = await Http2.Http2Scene.ClientAsync(proxy);
        await client.GetAsync(1, "/", scheme: "http");
        await AnswerAsync(await Http2.Http2Scene.ServerAsync(direct), "/");
        Assert.Equal("204", (await client.ReadAsync(Http2FrameType.Headers))[":status"]);
        await client.GetAsync(3, "/a", scheme: "http");
        var (head, _) = await AnswerEitherAsync(other);
        Assert.Contains("/a", head, StringComparison.Ordinal);
        Assert.Equal("204", (await client.ReadAsync(Http2FrameType.Headers))[":status"]);
        Assert.Equal(2, proxy.Network.Connects.Count);
        client.Peer.Close();

        static async Task AnswerAsync(Http2Peer server, string path)
        {
            var request = await server.ReadAsync(Http2FrameType.Headers);
            Assert.Equal(path, request[":path"]);
            await server.HeadersAsync(request.StreamId, true, (":status", "204"));
        }

        // What is known of the version an origin speaks belongs to the route: another server may speak another.
        static async Task<(string Head, TestPeer Server)> AnswerEitherAsync(TestOrigin origin)
        {
            var server = await origin.AcceptAsync();
            var head = await server.ReadHeadAsync();
            await server.SendAsync("HTTP/1.1 204 No Content\r\n\r\n");
            return (head, server);
        }
    }

    private static string Get(string path) => $"GET http://origin.test{path} HTTP/1.1\r\nHost: origin.test\r\n\r\n";

    private static Task<TestProxy> StartAsync(params (string Stage, string? Path, string Actions)[] rules) => StartAsync(static x => x, rules);

    private static Task<TestProxy> StartAsync(
        Func<Engine.EngineOptions, Engine.EngineOptions> configure, params (string Stage, string? Path, string Actions)[] rules)
    {
        var text = rules.Select((x, i) =>
        {
            var filter = x.Path is null ? """{"type":"All"}""" : $$$"""{"type":"Path","config":{"mode":"Exact","value":"{{{x.Path}}}"}}""";
            return $$"""{"id":"r{{i}}","name":"r","active":true,"stage":"{{x.Stage}}","termination":"Continue","filter":{{filter}},"actions":[{{x.Actions}}]}""";
        });
        var problems = new RuleProblems();
        var document = RuleDocument.Parse($"[{string.Join(',', text)}]", "test", problems);
        var set = RuleSet.Compile(document.Rules, new() { Codings = new ContentCodings() }, problems);
        Assert.False(problems.HasErrors, string.Join("\n", problems.Items));
        return TestProxy.StartAsync(x => configure(x) with { Interceptors = [new RuleInterceptor(set)] });
    }

    private static async Task<(TestPeer Client, SslStream Tls)> HandshakeAsync(TestProxy proxy, params SslApplicationProtocol[] offered)
    {
        var plain = proxy.Connect();
        await plain.SendAsync("CONNECT origin.test:443 HTTP/1.1\r\nHost: origin.test:443\r\n\r\n");
        await plain.ReadHeadAsync();
        var tls = new SslStream(new TransportStream(plain.Wire, default), leaveInnerStreamOpen: true);
        await tls.AuthenticateAsClientAsync(new SslClientAuthenticationOptions
        {
            TargetHost = "origin.test",
            ApplicationProtocols = [.. offered],
            RemoteCertificateValidationCallback = static (_, certificate, _, _) => certificate is not null, // whose it is, the test looks at
        }).WaitAsync(TestPeer.Patience);
        return (new(new TlsTransport(plain.Wire, tls), plain.Wire), tls);
    }

    private static async Task<(TestPeer Server, SslStream Tls)> AcceptAsync(TestOrigin origin, List<SslApplicationProtocol> spoken)
    {
        var plain = await origin.AcceptAsync();
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=origin.test", key, HashAlgorithmName.SHA256);
        var tls = new SslStream(new TransportStream(plain.Wire, default), leaveInnerStreamOpen: true);
        await tls.AuthenticateAsServerAsync(new SslServerAuthenticationOptions
        {
            ServerCertificate = request.CreateSelfSigned(new(2020, 1, 1, 0, 0, 0, TimeSpan.Zero), new(2040, 1, 1, 0, 0, 0, TimeSpan.Zero)),
            ApplicationProtocols = spoken,
        }).WaitAsync(TestPeer.Patience);
        return (new(new TlsTransport(plain.Wire, tls), plain.Wire), tls);
    }
}
