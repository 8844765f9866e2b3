using RelayCore.Engine;
using RelayCore.Protocols.Http2;
using RelayCore.Testing;
using Xunit;

namespace RelayCore.InMemory.Tests.Http2;

/// <summary>Exchanges over HTTP/2 through the whole proxy, spoken without TLS so that every frame can be seen: in CONNECT, by prior knowledge, by upgrade.</summary>
public sealed class Http2ExchangeTests
{
    [Fact]
    public async Task Get_PriorKnowledgeInTunnel_GoesOnAsHttp2()
    {
        await using var proxy = await TestProxy.StartAsync();
        var origin = proxy.Origin();
        var client = await OpenTunnelAsync(proxy);
        await client.GetAsync(1, "/a?b", scheme: "http", fields: [("x-one", "1"), ("cookie", "a=1"), ("cookie", "b=2")]);
        var server = new Http2Peer(await origin.AcceptAsync());
        await server.OpenAsServerAsync();
        var request = await server.ReadAsync(Http2FrameType.Headers);
        Assert.Equal(
            [(":method", "GET"), (":scheme", "http"), (":authority", "origin.test"), (":path", "/a?b"), ("x-one", "1"), ("cookie", "a=1"), ("cookie", "b=2")],
            request.Fields.Select(x => (x.Name, x.Value)));
        Assert.True(request.Ends);
        await server.HeadersAsync(request.StreamId, false, (":status", "200"), ("set-cookie", "c=3"), ("set-cookie", "d=4"));
        await server.DataAsync(request.StreamId, "hello", ends: false);
        await server.HeadersAsync(request.StreamId, true, ("x-trailer", "t"));
        var head = await client.ReadAsync(Http2FrameType.Headers);
        Assert.Equal([(":status", "200"), ("set-cookie", "c=3"), ("set-cookie", "d=4")], head.Fields.Select(x => (x.Name, x.Value)));
        Assert.Equal("hello", (await client.ReadAsync(Http2FrameType.Data)).Text);
        var trailers = await client.ReadAsync(Http2FrameType.Headers);
        Assert.True(trailers.Ends);
        Assert.Equal("t", trailers["x-trailer"]);

        var flow = await proxy.FlowAsync();
        Assert.Equal("HTTP/2", flow.Http().Request!.Version);
        Assert.Equal("http://origin.test/a?b", flow.Http().Request!.Url);
        Assert.Equal([["x-trailer", "t"]], flow.Http().Response!.Trailers);
        client.Peer.Close();
    }

    [Fact]
    public async Task Get_Http2ToProxy_GoesOnAsHttp1()
    {
        await using var proxy = await TestProxy.StartAsync();
        var origin = proxy.Origin();
        var client = new Http2Peer(proxy.Connect());
        await client.OpenAsClientAsync();
        await client.GetAsync(1, "/x", scheme: "http", fields: [("cookie", "a=1"), ("cookie", "b=2"), ("te", "trailers")]);
        var server = await origin.AcceptAsync();
        Assert.Equal("GET /x HTTP/1.1\r\nHost: origin.test\r\ncookie: a=1; b=2\r\nTE: trailers\r\nConnection: TE\r\n\r\n", await server.ReadHeadAsync(), ignoreCase: true);
        await server.SendAsync("HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nKeep-Alive: timeout=5\r\nTransfer-Encoding: chunked\r\nX-Case: Kept\r\n\r\n3\r\nabc\r\n0\r\nT: 1\r\n\r\n");
        var head = await client.ReadAsync(Http2FrameType.Headers);
        Assert.Equal([(":status", "200"), ("x-case", "Kept")], head.Fields.Select(x => (x.Name, x.Value)));
        Assert.Equal("abc", (await client.ReadAsync(Http2FrameType.Data)).Text);
        Assert.Equal("1", (await client.ReadAsync(Http2FrameType.Headers))["t"]);
        client.Peer.Close();
        var flow = await proxy.FlowAsync();
        Assert.Equal("HTTP/1.1", flow.Http().Response!.Version);
    }

    [Fact]
    public async Task Upgrade_H2c_IsTakenUp()
    {
        await using var proxy = await TestProxy.StartAsync();
        var origin = proxy.Origin();
        var peer = proxy.Connect();
        await peer.SendAsync("GET http://origin.test/u HTTP/1.1\r\nHost: origin.test\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n");
        Assert.Equal("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n", await peer.ReadHeadAsync());
        var client = new Http2Peer(peer);
        await client.OpenAsClientAsync();
        var server = await origin.AcceptAsync();
        Assert.Equal("GET /u HTTP/1.1\r\nHost: origin.test\r\n\r\n", await server.ReadHeadAsync());
        await server.SendAsync("HTTP/1.1 204 No Content\r\n\r\n");
        var head = await client.ReadAsync(Http2FrameType.Headers);
        Assert.Equal((1, true, "204"), (head.StreamId, head.Ends, head[":status"]));
        peer.Close();
        await proxy.FlowAsync();
    }

    [Fact]
    public async Task Upgrade_H2cWithHttp2Off_IsLeftOut()
    {
        await using var proxy = await TestProxy.StartAsync(x => x with { Http2 = Http2Use.Never });
        var origin = proxy.Origin();
        var peer = proxy.Connect();
        await peer.SendAsync("GET http://origin.test/ HTTP/1.1\r\nHost: origin.test\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n");
        var server = await origin.AcceptAsync();
        Assert.Equal("GET / HTTP/1.1\r\nHost: origin.test\r\n\r\n", await server.ReadHeadAsync());
        await server.SendAsync("HTTP/1.1 204 No Content\r\n\r\n");
        await peer.ReadHeadAsync();
        peer.Close();
        await proxy.FlowAsync();
    }

    [Fact]
    public async Task Connect_OnStream_CarriesHttp1Inside()
    {
        await using var proxy = await TestProxy.StartAsync();
        var origin = proxy.Origin();
        var client = new Http2Peer(proxy.Connect());
        await client.OpenAsClientAsync();
        await client.HeadersAsync(1, false, (":method", "CONNECT"), (":authority", "origin.test:80"));
        Assert.Equal("200", (await client.ReadAsync(Http2FrameType.Headers))[":status"]);
        await client.DataAsync(1, "GET /in HTTP/1.1\r\nHost: origin.test\r\nConnection: close\r\n\r\n", ends: false);
        var server = await origin.AcceptAsync();
        Assert.Equal("GET /in HTTP/1.1\r\nHost: origin.test\r\n\r\n", await server.ReadHeadAsync());
        await server.SendAsync("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        Assert.Equal("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok", (await client.ReadAsync(Http2FrameType.Data)).Text);
        Assert.True((await client.ReadAsync(Http2FrameType.Data)).Ends);
        client.Peer.Close();
        await proxy.FlowAsync();
    }

    [Fact]
    public async Task Streams_OneWithoutWindow_OthersGoOn()
    {
        await using var proxy = await TestProxy.StartAsync();
        var origin = proxy.Origin();
        var client = await OpenTunnelAsync(proxy, new Http2Setting(Http2SettingId.InitialWindowSize, 4));
        await client.GetAsync(1, "/slow", scheme: "http");
        await client.GetAsync(3, "/fast", scheme: "http");
        var server = new Http2Peer(await origin.AcceptAsync());
        await server.OpenAsServerAsync();
        var first = await server.ReadAsync(Http2FrameType.Headers);
        var second = await server.ReadAsync(Http2FrameType.Headers);
        await server.HeadersAsync(first.StreamId, false, (":status", "200"));
        await server.DataAsync(first.StreamId, "0123456789", ends: true);
        await server.HeadersAsync(second.StreamId, false, (":status", "200"));
        await server.DataAsync(second.StreamId, "abc", ends: true);
        Assert.Equal(1, (await client.ReadAsync(Http2FrameType.Headers)).StreamId);
        Assert.Equal("0123", (await client.ReadAsync(Http2FrameType.Data)).Text);
        Assert.Equal(3, (await client.ReadAsync(Http2FrameType.Headers)).StreamId);
        Assert.Equal("abc", (await client.ReadAsync(Http2FrameType.Data)).Text);
        await client.WindowAsync(1, 100);
        var rest = await client.ReadAsync(Http2FrameType.Data);
        Assert.Equal(("456789", true), (rest.Text, rest.Ends));
        client.Peer.Close();
        await proxy.FlowsAsync(2);
    }

    [Fact]
    public async Task Reset_ByClient_ReachesServerWithItsCode()
    {
        await using var proxy = await TestProxy.StartAsync();
        var origin = proxy.Origin();
        var client = await OpenTunnelAsync(proxy);
        await client.GetAsync(1, scheme: "http");
        var server = new Http2Peer(await origin.AcceptAsync());
        await server.OpenAsServerAsync();
        var request = await server.ReadAsync(Http2FrameType.Headers);
        await client.ResetAsync(1, Http2ErrorCode.EnhanceYourCalm);
        var reset = await server.ReadAsync(Http2FrameType.RstStream);
        Assert.Equal((request.StreamId, Http2ErrorCode.EnhanceYourCalm), (reset.StreamId, reset.Code));
        await proxy.FlowAsync();
        client.Peer.Close();
    }

    [Fact]
    public async Task Reset_ByServerBehindTheHead_ReachesClientWithItsCode()
    {
        await using var proxy = await TestProxy.StartAsync();
        var origin = proxy.Origin();
        var client = await OpenTunnelAsync(proxy);
        await client.GetAsync(1, scheme: "http");
        var server = new Http2Peer(await origin.AcceptAsync());
        await server.OpenAsServerAsync();
        var request = await server.ReadAsync(Http2FrameType.Headers);
        await server.HeadersAsync(request.StreamId, false, (":status", "200"));
        await client.ReadAsync(Http2FrameType.Headers);
        await server.ResetAsync(request.StreamId, Http2ErrorCode.InternalError);
        Assert.Equal(Http2ErrorCode.InternalError, (await client.ReadAsync(Http2FrameType.RstStream)).Code);
        var flow = await proxy.FlowAsync();
        Assert.NotNull(flow.Http().Error);
        client.Peer.Close();
    }

    internal static async Task<Http2Peer> OpenTunnelAsync(TestProxy proxy, params Http2Setting[] settings)
    {
        var peer = proxy.Connect();
        await peer.SendAsync("CONNECT origin.test:80 HTTP/1.1\r\nHost: origin.test:80\r\n\r\n");
        await peer.ReadHeadAsync();
        var client = new Http2Peer(peer);
        await client.OpenAsClientAsync(settings);
        return client;
    }
}
