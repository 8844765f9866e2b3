using System.Text;
using RelayCore.Core.Flows;
using RelayCore.Core.Interception;
using RelayCore.Protocols;
using RelayCore.Protocols.Http2;
using RelayCore.Protocols.WebSockets;
using RelayCore.Testing;
using Xunit;
using static RelayCore.InMemory.Tests.WebSocketPair;

namespace RelayCore.InMemory.Tests.Http2;

/// <summary>WebSockets of clients that speak HTTP/2 (RFC 8441), to servers of either version.</summary>
public sealed class Http2WebSocketTests
{
    [Fact]
    public async Task ExtendedConnect_ServerOverHttp1_IsOneWebSocketOctetForOctet()
    {
        await using var proxy = await TestProxy.StartAsync();
        var (client, server) = await OpenAsync(proxy);
        await client.DataAsync(1, Text(PeerRole.Client, "up"), ends: false);
        await AssertReceivesAsync(server, Text(PeerRole.Client, "up"));
        await server.SendAsync(Text(PeerRole.Server, "down"));
        Assert.Equal(Text(PeerRole.Server, "down"), (await client.ReadAsync(Http2FrameType.Data)).Payload);
        await client.DataAsync(1, Close(PeerRole.Client, 1000, "bye"), ends: false);
        await AssertReceivesAsync(server, Close(PeerRole.Client, 1000, "bye"));
        await server.SendAsync(Close(PeerRole.Server, 1000));
        Assert.Equal(Close(PeerRole.Server, 1000), (await client.ReadAsync(Http2FrameType.Data)).Payload);
        server.Close();
        Assert.True((await client.ReadAsync(Http2FrameType.Data)).Ends);
        await client.DataAsync(1, "", ends: true);
        var flow = await proxy.FlowAsync();
        var socket = Assert.IsType<FlowLayer.WebSocket>(flow.Layer).Data;
        Assert.Equal([">Text:up", "<Text:down", ">Close:1000 bye", "<Close:1000"], Lines(socket));
        Assert.Equal(("client", 1000, 1L), (socket.ClosedBy, socket.CloseCode, flow.StreamId));
        Assert.Null(socket.Error);
        client.Peer.Close();
    }

    [Fact]
    public async Task ExtendedConnect_BrokenFrame_EndsBothAndLeavesTheConnection()
    {
        await using var proxy = await TestProxy.StartAsync();
        var (client, server) = await OpenAsync(proxy);
        await client.DataAsync(1, new byte[] { 0x83, 0x80, 0, 0, 0, 0 }, ends: false);
        var closing = await client.ReadAsync(Http2FrameType.Data);
        Assert.Equal((0x88, 1002), (closing.Payload[0], (closing.Payload[2] << 8) | closing.Payload[3]));
        Assert.Equal(0x88, (await ReadFrameAsync(server)).First);
        await client.DataAsync(1, "", ends: true);
        server.Close();
        Assert.Equal("RC-WS-102", Assert.IsType<FlowLayer.WebSocket>((await proxy.FlowAsync()).Layer).Data.Error!.Code);
        client.Peer.Close();
    }

    [Fact]
    public async Task ExtendedConnect_ActorAndInjection_WorkAsOverHttp1()
    {
        await using var proxy = await TestProxy.StartAsync(x => x with
        {
            Interceptors =
            [
                new Actor(Stage.Message)
                {
                    Message = static (context, message) =>
                    {
                        message.Replace(Encoding.UTF8.GetBytes(Encoding.UTF8.GetString(message.Content.Span).ToUpperInvariant()));
                        context.Session.TryInject(PeerRole.Server, new(MessageType.Text, "seen"u8.ToArray()));
                        return default;
                    },
                },
            ],
        });
        var (client, server) = await OpenAsync(proxy);
        await client.DataAsync(1, Text(PeerRole.Client, "shout"), ends: false);
        var (first, isMasked, payload) = await ReadFrameAsync(server);
        Assert.Equal((0x81, true, "SHOUT"), (first, isMasked, Encoding.UTF8.GetString(payload)));
        Assert.Equal(Text(PeerRole.Server, "seen"), (await client.ReadAsync(Http2FrameType.Data)).Payload);
        await client.ResetAsync(1, Http2ErrorCode.Cancel);
        await server.DrainAsync();
        server.Close();
        var socket = Assert.IsType<FlowLayer.WebSocket>((await proxy.FlowAsync()).Layer).Data;
        Assert.Equal(("client", 1006), (socket.ClosedBy, socket.CloseCode));
        client.Peer.Close();
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task ExtendedConnect_ServerOverHttp2_GoesOnAsItCameWhereTheServerAllowsIt(bool isAllowed)
    {
        await using var proxy = await TestProxy.StartAsync();
        var origin = proxy.Origin();
        var client = await Http2ExchangeTests.OpenTunnelAsync(proxy);
        await client.HeadersAsync(
            1, false, (":method", "CONNECT"), (":protocol", "websocket"), (":scheme", "http"), (":path", "/ws"), (":authority", "origin.test"),
            ("sec-websocket-version", "13"));
        var server = new Http2Peer(await origin.AcceptAsync());
        await server.OpenAsServerAsync(new Http2Setting(Http2SettingId.EnableConnectProtocol, isAllowed ? 1u : 0u));
        if (!isAllowed)
        {
            // Without the server's leave an upgrade over HTTP/1.1 carries it (RFC 8441 §3), on a connection of its own.
            var other = await origin.AcceptAsync();
            Assert.StartsWith("GET /ws HTTP/1.1\r\n", await other.ReadHeadAsync(), StringComparison.Ordinal);
            await other.SendAsync("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
            Assert.Equal("404", (await client.ReadAsync(Http2FrameType.Headers))[":status"]);
            await proxy.FlowAsync();
            client.Peer.Close();
            return;
        }

        var request = await server.ReadAsync(Http2FrameType.Headers);
        Assert.Equal(("CONNECT", "websocket", "/ws", "13"), (request[":method"], request[":protocol"], request[":path"], request["sec-websocket-version"]));
        Assert.False(request.Ends);
        await server.HeadersAsync(request.StreamId, false, (":status", "200"));
        Assert.Equal("200", (await client.ReadAsync(Http2FrameType.Headers))[":status"]);
        await client.DataAsync(1, Text(PeerRole.Client, "up"), ends: false);
        Assert.Equal(Text(PeerRole.Client, "up"), (await server.ReadAsync(Http2FrameType.Data)).Payload);
        await server.DataAsync(request.StreamId, Text(PeerRole.Server, "down"), ends: false);
        Assert.Equal(Text(PeerRole.Server, "down"), (await client.ReadAsync(Http2FrameType.Data)).Payload);
        await server.DataAsync(request.StreamId, Close(PeerRole.Server, 1001), ends: false);
        Assert.Equal(Close(PeerRole.Server, 1001), (await client.ReadAsync(Http2FrameType.Data)).Payload);
        await client.DataAsync(1, Close(PeerRole.Client, 1001), ends: true);
        Assert.Equal(Close(PeerRole.Client, 1001), (await server.ReadAsync(Http2FrameType.Data)).Payload);
        await server.DataAsync(request.StreamId, "", ends: true);
        var flow = await proxy.FlowAsync();
        var socket = Assert.IsType<FlowLayer.WebSocket>(flow.Layer).Data;
        Assert.Equal([">Text:up", "<Text:down", "<Close:1001", ">Close:1001"], Lines(socket));
        Assert.Equal(("server", 1001), (socket.ClosedBy, socket.CloseCode));
        client.Peer.Close();
    }

    private static async Task<(Http2Peer Client, TestPeer Server)> OpenAsync(TestProxy proxy)
    {
        var origin = proxy.Origin();
        var client = new Http2Peer(proxy.Connect());
        var settings = await client.OpenAsClientAsync();
        Assert.Contains("000800000001", Convert.ToHexString(settings.Payload), StringComparison.Ordinal); // RFC 8441 §3
        await client.HeadersAsync(
            1, false, (":method", "CONNECT"), (":protocol", "websocket"), (":scheme", "http"), (":path", "/ws"), (":authority", "origin.test"),
            ("sec-websocket-version", "13"));
        var server = await origin.AcceptAsync();
        var request = await server.ReadHeadAsync();
        Assert.StartsWith("GET /ws HTTP/1.1\r\n", request, StringComparison.Ordinal);
        var accept = new byte[WebSocketHandshake.AcceptOctets];
        WebSocketHandshake.WriteAccept(Encoding.ASCII.GetBytes(TestPeer.Field(request, "Sec-WebSocket-Key")!), accept);
        await server.SendAsync($"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {Encoding.ASCII.GetString(accept)}\r\n\r\n");
        Assert.Equal("200", (await client.ReadAsync(Http2FrameType.Headers))[":status"]);
        return (client, server);
    }
}
