using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using RelayCore.Engine;
using RelayCore.Engine.Transport;
using RelayCore.Protocols.Http2;
using RelayCore.Testing;
using Xunit;

namespace RelayCore.InMemory.Tests.Http2;

/// <summary>Versions agreed on by ALPN (RFC 9113 §3.2): a client meets what its server speaks, unless told otherwise.</summary>
public sealed class Http2AlpnTests
{
    private static readonly List<SslApplicationProtocol> s_both = [SslApplicationProtocol.Http2, SslApplicationProtocol.Http11];

    [Fact]
    public async Task Mirror_Http2Server_BothSpeakHttp2OnOneConnectionEach()
    {
        await using var proxy = await TestProxy.StartAsync(x => x with { InsecureUpstream = true });
        var origin = proxy.Origin(port: 443);
        var accepting = AcceptAsync(origin, [SslApplicationProtocol.Http2]);
        var (peer, protocol) = await ConnectAsync(proxy, s_both);
        Assert.Equal(SslApplicationProtocol.Http2, protocol);
        var client = new Http2Peer(peer);
        await client.OpenAsClientAsync();
        var server = new Http2Peer(await accepting);
        await server.OpenAsServerAsync();
        for (var id = 1; id <= 3; id += 2)
        {
            await client.GetAsync(id, "/s");
            var request = await server.ReadAsync(Http2FrameType.Headers);
            Assert.Equal(("https", "/s"), (request[":scheme"], request[":path"]));
            await server.HeadersAsync(request.StreamId, true, (":status", "204"));
            Assert.Equal("204", (await client.ReadAsync(Http2FrameType.Headers))[":status"]);
        }

        var flows = await proxy.FlowsAsync(2);
        Assert.All(flows, x => Assert.Equal(("HTTP/2", "HTTP/2", "https://origin.test/s"), (x.Http().Request!.Version, x.Http().Response!.Version, x.Http().Request!.Url)));
        Assert.All(flows, x => Assert.Equal(("h2", "h2"), (x.Connection.Client.Tls!.Alpn, x.Connection.Server!.Tls!.Alpn)));
        Assert.Single(proxy.Network.Connects);
        peer.Close();
    }

    [Fact]
    public async Task Mirror_Http1Server_ClientGetsHttp1()
    {
        await using var proxy = await TestProxy.StartAsync(x => x with { InsecureUpstream = true });
        var origin = proxy.Origin(port: 443);
        var accepting = AcceptAsync(origin, [SslApplicationProtocol.Http11]);
        var (peer, protocol) = await ConnectAsync(proxy, s_both);
        Assert.Equal(SslApplicationProtocol.Http11, protocol);
        await peer.SendAsync(TlsTests.Get);
        var server = await accepting;
        Assert.Equal(TlsTests.Get, await server.ReadHeadAsync());
        await server.SendAsync(TlsTests.Ok);
        Assert.Equal(TlsTests.Ok, await peer.ReadMessageAsync());
        peer.Close();
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Http2Client_Http1Server_IsTranslated(bool offersBoth)
    {
        // A client that offers nothing else, or an engine told to.
        await using var proxy = await TestProxy.StartAsync(x => x with { InsecureUpstream = true, Http2 = offersBoth ? Http2Use.Always : Http2Use.Mirror });
        var origin = proxy.Origin(port: 443);
        var (peer, protocol) = await ConnectAsync(proxy, offersBoth ? s_both : [SslApplicationProtocol.Http2]);
        Assert.Equal(SslApplicationProtocol.Http2, protocol);
        var client = new Http2Peer(peer);
        await client.OpenAsClientAsync();
        await client.GetAsync(1, "/s");
        var server = await AcceptAsync(origin, [SslApplicationProtocol.Http11]);
        Assert.Equal(TlsTests.Get, await server.ReadHeadAsync());
        await server.SendAsync(TlsTests.Ok);
        Assert.Equal("200", (await client.ReadAsync(Http2FrameType.Headers))[":status"]);
        var data = await client.ReadAsync(Http2FrameType.Data);
        Assert.Equal(("ok", true), (data.Text, data.Ends));
        var flow = await proxy.FlowAsync();
        Assert.Equal(("HTTP/2", "HTTP/1.1"), (flow.Http().Request!.Version, flow.Http().Response!.Version));
        peer.Close();
    }

    [Fact]
    public async Task Never_ClientOffersBoth_GetsHttp1()
    {
        await using var proxy = await TestProxy.StartAsync(x => x with { InsecureUpstream = true, Http2 = Http2Use.Never });
        var origin = proxy.Origin(port: 443);
        var (peer, protocol) = await ConnectAsync(proxy, s_both);
        Assert.Equal(SslApplicationProtocol.Http11, protocol);
        await peer.SendAsync(TlsTests.Get);
        var server = await AcceptAsync(origin, s_both);
        Assert.Equal(TlsTests.Get, await server.ReadHeadAsync()); // it chose what we offered
        await server.SendAsync(TlsTests.Ok);
        Assert.Equal(TlsTests.Ok, await peer.ReadMessageAsync());
        peer.Close();
    }

    [Fact]
    public async Task Http2Chosen_NoPreface_IsGoAway()
    {
        await using var proxy = await TestProxy.StartAsync(x => x with { Http2 = Http2Use.Always });
        proxy.Origin(port: 443);
        var (peer, protocol) = await ConnectAsync(proxy, s_both);
        Assert.Equal(SslApplicationProtocol.Http2, protocol);
        await peer.SendAsync("GET / HTTP/1.1\r\nHost: origin.test\r\n\r\n");
        await Http2Scene.AssertGoAwayAsync(new Http2Peer(peer), Http2ErrorCode.ProtocolError);
        Assert.Equal("RC-H2-001", (await proxy.FlowAsync()).Error()!.Code);
        peer.Close();
    }

    private static async Task<(TestPeer Peer, SslApplicationProtocol Protocol)> ConnectAsync(TestProxy proxy, List<SslApplicationProtocol> offered)
    {
        var plain = proxy.Connect();
        await plain.SendAsync("CONNECT origin.test:443 HTTP/1.1\r\nHost: origin.test:443\r\n\r\n");
        await plain.ReadHeadAsync();
        var tls = new SslStream(new TransportStream(plain.Wire, default), leaveInnerStreamOpen: true);
        await tls.AuthenticateAsClientAsync(new SslClientAuthenticationOptions
        {
            TargetHost = "origin.test",
            ApplicationProtocols = offered,
            RemoteCertificateValidationCallback = (_, certificate, _, _) => certificate!.Issuer == proxy.Root.Certificate.Subject,
        }).WaitAsync(TestPeer.Patience);
        return (new(new TlsTransport(plain.Wire, tls), plain.Wire), tls.NegotiatedApplicationProtocol);
    }

    private static async Task<TestPeer> AcceptAsync(TestOrigin origin, List<SslApplicationProtocol> spoken)
    {
        var plain = await origin.AcceptAsync();
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=origin.test", key, HashAlgorithmName.SHA256);
        var names = new SubjectAlternativeNameBuilder();
        names.AddDnsName("origin.test");
        request.CertificateExtensions.Add(names.Build());
        var tls = new SslStream(new TransportStream(plain.Wire, default), leaveInnerStreamOpen: true);
        await tls.AuthenticateAsServerAsync(new SslServerAuthenticationOptions
        {
            ServerCertificate = request.CreateSelfSigned(new(2020, 1, 1, 0, 0, 0, TimeSpan.Zero), new(2040, 1, 1, 0, 0, 0, TimeSpan.Zero)),
            ApplicationProtocols = spoken,
        }).WaitAsync(TestPeer.Patience);
        return new(new TlsTransport(plain.Wire, tls), plain.Wire);
    }
}
