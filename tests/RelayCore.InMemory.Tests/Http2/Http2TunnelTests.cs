using RelayCore.Core.Flows;
using RelayCore.Core.Limits;
using RelayCore.Protocols.Http2;
using RelayCore.Testing;
using Xunit;
using static RelayCore.InMemory.Tests.Http2.Http2Scene;

namespace RelayCore.InMemory.Tests.Http2;

/// <summary>CONNECT and its extension on streams (RFC 9113 §8.5, RFC 8441), and the ways into HTTP/2 without TLS (§3.3, RFC 7540 §3.2).</summary>
public sealed class Http2TunnelTests
{
    [Fact]
    public async Task Connect_OctetsThatAreNoHttp_AreRelayedBothWaysAndHalfClosed()
    {
        await using var proxy = await TestProxy.StartAsync();
        var origin = proxy.Origin(port: 7);
        var client = await ToProxyAsync(proxy);
        await client.HeadersAsync(1, false, (":method", "CONNECT"), (":authority", "origin.test:7"));
        Assert.Equal("200", (await client.ReadAsync(Http2FrameType.Headers))[":status"]);
        await client.DataAsync(1, "\0\x01hello", ends: false);
        var server = await origin.AcceptAsync();
        Assert.Equal("\0\x01hello", await server.ReadAsync(7));
        await client.DataAsync(1, "", ends: true);
        Assert.Equal("", await server.ReadToEndAsync());
        await server.SendAsync("still here");
        Assert.Equal("still here", (await client.ReadAsync(Http2FrameType.Data)).Text);
        server.Close();
        Assert.True((await client.ReadAsync(Http2FrameType.Data)).Ends);
        client.Peer.Close();
        Assert.Contains(await proxy.FlowsAsync(1), x => x.Kind == FlowKind.Tunnel);
    }

    [Fact]
    public async Task Connect_ServerResets_IsConnectErrorOnTheStream()
    {
        await using var proxy = await TestProxy.StartAsync();
        var origin = proxy.Origin(port: 7);
        var client = await ToProxyAsync(proxy);
        await client.HeadersAsync(1, false, (":method", "CONNECT"), (":authority", "origin.test:7"));
        await client.ReadAsync(Http2FrameType.Headers);
        await client.DataAsync(1, "\0x", ends: false);
        var server = await origin.AcceptAsync();
        await server.ReadAsync(2);
        server.Reset();
        await AssertResetAsync(client, 1, Http2ErrorCode.ConnectError);
        client.Peer.Close();
    }

    [Fact]
    public async Task Connect_ClientResets_ServerIsReset()
    {
        await using var proxy = await TestProxy.StartAsync();
        var origin = proxy.Origin(port: 7);
        var client = await ToProxyAsync(proxy);
        await client.HeadersAsync(1, false, (":method", "CONNECT"), (":authority", "origin.test:7"));
        await client.ReadAsync(Http2FrameType.Headers);
        await client.DataAsync(1, "\0x", ends: false);
        var server = await origin.AcceptAsync();
        await server.ReadAsync(2);
        await client.ResetAsync(1, Http2ErrorCode.Cancel);
        Assert.True((await server.DrainAsync()).WasReset);
        client.Peer.Close();
    }

    [Fact]
    public async Task Connect_HeadersOnATunnel_AreAStreamError()
    {
        await using var proxy = await TestProxy.StartAsync();
        proxy.Origin(port: 7);
        var client = await ToProxyAsync(proxy);
        await client.HeadersAsync(1, false, (":method", "CONNECT"), (":authority", "origin.test:7"));
        await client.ReadAsync(Http2FrameType.Headers);
        await client.HeadersAsync(1, false, ("x", "1"));
        await AssertResetAsync(client, 1, Http2ErrorCode.ProtocolError);
        client.Peer.Close();
    }

    [Fact]
    public async Task Connect_WithoutCredentials_Is407WithItsChallenge()
    {
        await using var proxy = await TestProxy.StartAsync(x => x with { ProxyCredentials = "a:b" });
        proxy.Origin();
        var client = await ToProxyAsync(proxy);
        await client.HeadersAsync(1, false, (":method", "CONNECT"), (":authority", "origin.test:80"));
        var answer = await client.ReadAsync(Http2FrameType.Headers);
        Assert.Equal("407", answer[":status"]);
        Assert.NotNull(answer["proxy-authenticate"]);
        client.Peer.Close();
    }

    [Fact]
    public async Task Connect_RefusedAndThenSilent_EndsByItsDeadline()
    {
        await using var proxy = await TestProxy.StartAsync(x => x with { ProxyCredentials = "a:b" });
        var client = await ToProxyAsync(proxy);
        await client.HeadersAsync(1, false, (":method", "CONNECT"), (":authority", "origin.test:80"));
        await client.ReadAsync(Http2FrameType.Headers);

        // The session inside the stream waits for another request; its deadline closes the stream under that read. What is not
        // ended by then is found when the proxy is disposed of.
        proxy.Advance(EngineLimits.Default.IdleTimeout + EngineLimits.Default.HeadTimeout);
        client.Peer.Close();
    }

    [Fact]
    public async Task Connect_ManyTunnels_ServeBesideExchanges()
    {
        await using var proxy = await TestProxy.StartAsync();
        var origin = proxy.Origin();
        var client = await ToProxyAsync(proxy);
        for (var id = 1; id <= 9; id += 2)
        {
            await client.HeadersAsync(id, false, (":method", "CONNECT"), (":authority", "origin.test:80"));
            Assert.Equal((id, "200"), Of(await client.ReadAsync(Http2FrameType.Headers)));
        }

        await client.GetAsync(11, scheme: "http");
        var server = await origin.AcceptAsync();
        await server.ReadHeadAsync();
        await server.SendAsync("HTTP/1.1 204 No Content\r\n\r\n");
        Assert.Equal((11, "204"), Of(await client.ReadAsync(Http2FrameType.Headers)));
        client.Peer.Close();
    }

    [Fact]
    public async Task ExtendedConnect_ServerAllows_GoesOnAndRelays()
    {
        await using var proxy = await TestProxy.StartAsync();
        var origin = proxy.Origin();
        var client = await ClientAsync(proxy);
        await client.HeadersAsync(1, false, s_webSocket);
        var server = await ServerAsync(origin, new Http2Setting(Http2SettingId.EnableConnectProtocol, 1));
        var request = await server.ReadAsync(Http2FrameType.Headers);
        Assert.Equal(("CONNECT", "websocket", "/chat"), (request[":method"], request[":protocol"], request[":path"]));
        Assert.False(request.Ends);
        await server.HeadersAsync(request.StreamId, false, Ok());
        Assert.Equal("200", (await client.ReadAsync(Http2FrameType.Headers))[":status"]);
        byte[] frame = [0x81, 0x82, 0, 0, 0, 0, (byte)'h', (byte)'i'];
        await client.DataAsync(1, frame, ends: false);
        Assert.Equal(frame, (await server.ReadAsync(Http2FrameType.Data)).Payload);
        await server.DataAsync(request.StreamId, [0x81, 2, (byte)'y', (byte)'o'], ends: false);
        Assert.Equal("\u0081\x02yo", (await client.ReadAsync(Http2FrameType.Data)).Text);
        client.Peer.Close();
    }

    [Fact]
    public async Task ExtendedConnect_Refused_IsAnOrdinaryAnswer()
    {
        await using var proxy = await TestProxy.StartAsync();
        var origin = proxy.Origin();
        var client = await ClientAsync(proxy);
        await client.HeadersAsync(1, false, s_webSocket);
        var server = await ServerAsync(origin, new Http2Setting(Http2SettingId.EnableConnectProtocol, 1));
        var request = await server.ReadAsync(Http2FrameType.Headers);
        await server.HeadersAsync(request.StreamId, true, (":status", "403"));
        Assert.Equal("403", (await client.ReadAsync(Http2FrameType.Headers))[":status"]);
        Assert.Equal(403, (await proxy.FlowsAsync(1))[0].Http().Response!.Status);
        client.Peer.Close();
    }

    [Fact]
    public async Task ExtendedConnect_OnHttp1Server_BecomesAnUpgrade()
    {
        await using var proxy = await TestProxy.StartAsync();
        var origin = proxy.Origin();
        var client = await ToProxyAsync(proxy);
        await client.HeadersAsync(1, false, s_webSocket);
        var server = await origin.AcceptAsync();
        var head = await server.ReadHeadAsync();
        Assert.StartsWith("GET /chat HTTP/1.1\r\n", head, StringComparison.Ordinal);
        Assert.Equal("websocket", TestPeer.Field(head, "Upgrade"));
        Assert.NotNull(TestPeer.Field(head, "Sec-WebSocket-Key"));
        client.Peer.Close();
        server.Close();
    }

    [Fact]
    public async Task ExtendedConnect_Offered_InOurSettings()
    {
        await using var proxy = await TestProxy.StartAsync();
        var client = new Http2Peer(proxy.Connect());
        var settings = (await client.OpenAsClientAsync()).Payload;
        Assert.Contains((8, 1), Parameters(settings)); // RFC 8441 §3
        Assert.Contains((3, 256), Parameters(settings));
        client.Peer.Close();
    }

    [Fact]
    public async Task Settings_ToServers_TurnPushOff()
    {
        await using var proxy = await TestProxy.StartAsync();
        var origin = proxy.Origin();
        var client = await ClientAsync(proxy);
        await client.GetAsync(1, scheme: "http");
        var server = new Http2Peer(await origin.AcceptAsync());
        Assert.Contains((2, 0), Parameters((await server.OpenAsServerAsync()).Payload));
        client.Peer.Close();
    }

    [Fact]
    public async Task Upgrade_H2cSettings_HoldForStreamOne()
    {
        await using var proxy = await TestProxy.StartAsync();
        var origin = proxy.Origin();
        var peer = proxy.Connect();

        // SETTINGS_INITIAL_WINDOW_SIZE 3.
        await peer.SendAsync("GET http://origin.test/ HTTP/1.1\r\nHost: origin.test\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAQAAAAD\r\n\r\n");
        Assert.StartsWith("HTTP/1.1 101 ", await peer.ReadHeadAsync(), StringComparison.Ordinal);
        var client = new Http2Peer(peer);
        await peer.SendAsync(Http2Preface.Value.ToArray());
        var server = await origin.AcceptAsync();
        await server.ReadHeadAsync();
        await server.SendAsync("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
        Assert.Equal((1, "200"), Of(await client.ReadAsync(Http2FrameType.Headers)));
        Assert.Equal("hel", (await client.ReadAsync(Http2FrameType.Data)).Text);
        await client.SettingsAsync(new Http2Setting(Http2SettingId.InitialWindowSize, 3));
        await client.WindowAsync(1, 2);
        Assert.Equal("lo", (await client.ReadAsync(Http2FrameType.Data)).Text);
        await client.GetAsync(1, scheme: "http"); // taken by the upgrade
        await AssertGoAwayAsync(client, Http2ErrorCode.StreamClosed);
        peer.Close();
    }

    [Theory]
    [InlineData("HTTP2-Settings: AAM\r\n")]
    [InlineData("HTTP2-Settings: AAMAAABk\r\nHTTP2-Settings: AAMAAABk\r\n")]
    [InlineData("")]
    public async Task Upgrade_H2cWithoutUsableSettings_IsLeftOut(string settings)
    {
        await using var proxy = await TestProxy.StartAsync();
        var origin = proxy.Origin();
        var peer = proxy.Connect();
        await peer.SendAsync($"GET http://origin.test/ HTTP/1.1\r\nHost: origin.test\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n{settings}\r\n");
        var server = await origin.AcceptAsync();
        Assert.DoesNotContain("101", await server.ReadHeadAsync(), StringComparison.Ordinal);
        await server.SendAsync("HTTP/1.1 204 No Content\r\n\r\n");
        Assert.StartsWith("HTTP/1.1 204 ", await peer.ReadHeadAsync(), StringComparison.Ordinal);
        peer.Close();
    }

    private static readonly (string, string)[] s_webSocket =
    [
        (":method", "CONNECT"), (":protocol", "websocket"), (":scheme", "http"), (":authority", "origin.test"), (":path", "/chat"), ("sec-websocket-version", "13"),
    ];

    private static async Task<Http2Peer> ToProxyAsync(TestProxy proxy)
    {
        var client = new Http2Peer(proxy.Connect());
        await client.OpenAsClientAsync();
        return client;
    }

    private static (int, string?) Of(Http2TestFrame frame) => (frame.StreamId, frame[":status"]);

    private static IEnumerable<(int Id, int Value)> Parameters(byte[] payload) =>
        payload.Chunk(6).Select(x => ((x[0] << 8) | x[1], (x[2] << 24) | (x[3] << 16) | (x[4] << 8) | x[5]));
}
