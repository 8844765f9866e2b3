using RelayCore.Core.Flows;
using RelayCore.Protocols;
using RelayCore.Protocols.WebSockets;
using RelayCore.Testing;
using Xunit;
using static RelayCore.InMemory.Tests.WebSocketPair;

namespace RelayCore.InMemory.Tests;

/// <summary>WebSockets nobody interferes with: what each peer really receives, and what is recorded.</summary>
public sealed class WebSocketTests
{
    [Fact]
    public async Task Handshake_FramesInTheSameSegments_ArriveAndTheFlowIsOneWebSocket()
    {
        await using var proxy = await TestProxy.StartAsync();
        var origin = proxy.Origin();
        var client = proxy.Connect();
        byte[] early = [.. System.Text.Encoding.ASCII.GetBytes(Get + "\r\n"), .. Text(PeerRole.Client, "early")];
        await client.SendAsync(early);
        var server = await origin.AcceptAsync();
        Assert.Equal(
            "GET /ws HTTP/1.1\r\nHost: origin.test\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\nConnection: Upgrade\r\n\r\n",
            await server.ReadHeadAsync());
        await server.SendAsync((byte[])[.. System.Text.Encoding.ASCII.GetBytes(Switching + "\r\n"), .. Text(PeerRole.Server, "too")]);
        Assert.Equal(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nConnection: Upgrade\r\n\r\n",
            await client.ReadHeadAsync());
        await AssertReceivesAsync(server, Text(PeerRole.Client, "early"));
        await AssertReceivesAsync(client, Text(PeerRole.Server, "too"));
        var running = Assert.Single(proxy.Flows());
        Assert.Equal((FlowKind.WebSocket, false), (running.Kind, Assert.IsType<FlowLayer.WebSocket>(running.Layer).Data.Closed));
        server.Close();
        await client.ReadToEndAsync();
        client.Close();
        var flow = await proxy.FlowAsync();
        var socket = Assert.IsType<FlowLayer.WebSocket>(flow.Layer).Data;
        Assert.Equal(("http://origin.test/ws", 101, true), (socket.HandshakeRequest!.Url, socket.HandshakeResponse!.Status, socket.Closed));
        Assert.Equal(["tcp", "http/1.1", "websocket"], flow.ProtocolStack);
        Assert.Equal([">Text:early", "<Text:too"], Lines(socket).Order(StringComparer.Ordinal).Reverse());
    }

    [Theory]
    [InlineData(PeerRole.Client, 1)]
    [InlineData(PeerRole.Client, 7)]
    [InlineData(PeerRole.Client, int.MaxValue)]
    [InlineData(PeerRole.Server, 1)]
    [InlineData(PeerRole.Server, int.MaxValue)]
    public async Task Frames_OfEveryForm_AreForwardedOctetForOctetAndRecorded(PeerRole sender, int segment)
    {
        await using var pair = await StartAsync();
        pair.Peer(sender).Wire.MaxSegment = segment;
        byte[] frames =
        [
            .. Text(sender, "hello"),
            .. Frame(sender, WebSocketOpcode.Text, "Hel"u8.ToArray(), isFinal: false),
            .. Frame(sender, WebSocketOpcode.Ping, "p"u8.ToArray()),
            .. Frame(sender, WebSocketOpcode.Continuation, [], isFinal: false),
            .. Frame(sender, WebSocketOpcode.Continuation, "lo \u00fc"u8[..^1].ToArray(), isFinal: false), // within a character
            .. Frame(sender, WebSocketOpcode.Pong, []),
            .. Frame(sender, WebSocketOpcode.Continuation, "\u00fc"u8[1..].ToArray()),
            .. Frame(sender, WebSocketOpcode.Binary, [0, 255, 1]),
            .. Frame(sender, WebSocketOpcode.Binary, Filled(126)),
            .. Frame(sender, WebSocketOpcode.Binary, Filled(70_000)),
            .. Text(sender, ""),
        ];
        await pair.PassAsync(sender, frames);
        await pair.CloseAsync();
        var (flow, socket) = await pair.EndedAsync();
        var arrow = sender == PeerRole.Client ? '>' : '<';
        Assert.Equal(
            [
                $"{arrow}Text:hello", $"{arrow}Ping:p", $"{arrow}Pong:", $"{arrow}Text:Hello \u00fc", $"{arrow}Binary:AP8B",
                $"{arrow}Binary:{Convert.ToBase64String(Filled(126))}", $"{arrow}Binary:{Convert.ToBase64String(Filled(70_000))}", $"{arrow}Text:",
                ">Close:1000", "<Close:1000",
            ],
            Lines(socket));
        Assert.Equal(("client", 1000, "client_closed"), (socket.ClosedBy, socket.CloseCode, flow.CloseReason!.Reason));
        Assert.Null(socket.Error);
    }

    [Fact]
    public async Task Frames_ReceivedAtOnce_LeaveInOneSend()
    {
        await using var pair = await StartAsync();
        var before = SendsToServer(pair);
        await pair.PassAsync(PeerRole.Client, [.. Enumerable.Range(0, 30).SelectMany(x => Text(PeerRole.Client, "message " + x))]);
        Assert.Equal(before + 1, SendsToServer(pair));
    }

    [Fact]
    public async Task Frame_PartOfIt_ArrivesBeforeTheRestIsSent()
    {
        await using var pair = await StartAsync();
        var frame = Frame(PeerRole.Client, WebSocketOpcode.Binary, [.. Enumerable.Range(0, 1000).Select(x => (byte)x)]);
        await pair.PassAsync(PeerRole.Client, frame[..100]);
        await pair.PassAsync(PeerRole.Client, frame[100..]);
    }

    [Fact]
    public async Task Receiver_Slow_StopsItsSenderOnly()
    {
        await using var pair = await StartAsync();
        var flood = Frame(PeerRole.Server, WebSocketOpcode.Binary, new byte[1 << 20]);
        var sending = pair.Server.SendAsync(flood);
        await pair.Client.ProxyIsBlockedAsync();
        await pair.PassAsync(PeerRole.Client, Text(PeerRole.Client, "still here"));
        Assert.False(sending.IsCompleted);
        await AssertReceivesAsync(pair.Client, flood);
        await sending;
        await pair.CloseAsync();
    }

    [Theory]
    [InlineData(PeerRole.Client, 1000, "bye")]
    [InlineData(PeerRole.Client, 4321, "gr\u00fc\u00dfe")]
    [InlineData(PeerRole.Server, 1001, "")]
    [InlineData(PeerRole.Server, 1005, "")]
    public async Task Close_FromEitherSide_IsRelayedWithCodeAndReason(PeerRole first, int code, string reason)
    {
        await using var pair = await StartAsync();
        var other = first == PeerRole.Client ? PeerRole.Server : PeerRole.Client;
        await pair.PassAsync(first, code == 1005 ? Frame(first, WebSocketOpcode.Close, []) : Close(first, code, reason));
        await pair.PassAsync(other, Text(other, "before I go")); // §5.5.1: the other may finish what it began
        await pair.PassAsync(other, Close(other, 1000, "ok"));
        pair.Server.Close();
        Assert.Equal("", await pair.Client.ReadToEndAsync());
        pair.Client.Close();
        var (flow, socket) = await pair.EndedAsync();
        Assert.Equal((first == PeerRole.Client ? "client" : "server", code, reason), (socket.ClosedBy, socket.CloseCode, socket.CloseReason ?? ""));
        Assert.Equal(first == PeerRole.Client ? "client_closed" : "upstream_closed", flow.CloseReason!.Reason);
        Assert.Null(socket.Error);
        Assert.Equal(3, socket.MessageCount);
    }

    [Fact]
    public async Task Close_OctetsBehindIt_GoNoFurther()
    {
        await using var pair = await StartAsync();
        var close = Close(PeerRole.Client, 1000);
        await pair.Client.SendAsync((byte[])[.. close, .. Text(PeerRole.Client, "too late"), 0xFF]);
        await AssertReceivesAsync(pair.Server, close);
        await pair.Client.SendAsync(Text(PeerRole.Client, "later still"));
        await pair.PassAsync(PeerRole.Server, Close(PeerRole.Server, 1000));
        await pair.Client.EndAsync();
        Assert.Equal("", await pair.Server.ReadToEndAsync());
        pair.Server.Close();
        await pair.Client.ReadToEndAsync();
        var (_, socket) = await pair.EndedAsync();
        Assert.Equal([">Close:1000", "<Close:1000"], Lines(socket));
    }

    [Fact]
    public async Task Close_NobodyEndsTheConnection_IsEndedAfterAWhile()
    {
        await using var pair = await StartAsync();
        await pair.PassAsync(PeerRole.Client, Close(PeerRole.Client, 1000));
        await pair.PassAsync(PeerRole.Server, Close(PeerRole.Server, 1000));
        await pair.Client.ProxyReceivesAsync();
        pair.Proxy.Advance(TimeSpan.FromSeconds(11));
        Assert.Equal("", await pair.Client.ReadToEndAsync());
        Assert.Equal("", await pair.Server.ReadToEndAsync());
        Assert.Null((await pair.EndedAsync()).Socket.Error);
    }

    [Theory]
    [InlineData(PeerRole.Client)]
    [InlineData(PeerRole.Server)]
    public async Task End_WithoutCloseFrame_IsAbnormalAndRelayedAsHalfClose(PeerRole who)
    {
        await using var pair = await StartAsync();
        var other = who == PeerRole.Client ? PeerRole.Server : PeerRole.Client;
        await pair.PassAsync(who, Text(who, "x"));
        await pair.Peer(who).EndAsync();
        Assert.Equal("", await pair.Other(who).ReadToEndAsync());
        await pair.PassAsync(other, Text(other, "the other way is open"));
        pair.Other(who).Close();
        Assert.Equal("", await pair.Peer(who).ReadToEndAsync());
        pair.Peer(who).Close();
        var (flow, socket) = await pair.EndedAsync();
        var name = who == PeerRole.Client ? "client" : "server";
        Assert.Equal((name, 1006, "RC-WS-001", name, "truncated"), (socket.ClosedBy, socket.CloseCode, socket.Error!.Code, socket.Error.Blame, socket.Error.Kind));
        Assert.EndsWith("between messages", socket.Error.Detail, StringComparison.Ordinal);
        Assert.Equal(who == PeerRole.Client ? "client_closed" : "upstream_closed", flow.CloseReason!.Reason);
    }

    [Fact]
    public async Task End_WithinAMessage_KeepsWhatCameAndSaysSo()
    {
        await using var pair = await StartAsync();
        await pair.PassAsync(PeerRole.Server, Frame(PeerRole.Server, WebSocketOpcode.Text, "half"u8.ToArray(), isFinal: false));
        pair.Server.Close();
        Assert.Equal("", await pair.Client.ReadToEndAsync());
        pair.Client.Close();
        var (_, socket) = await pair.EndedAsync();
        Assert.Equal(["<Text:half incomplete"], Lines(socket));
        Assert.EndsWith("within a message", socket.Error!.Detail, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(PeerRole.Client)]
    [InlineData(PeerRole.Server)]
    public async Task Reset_ByAPeer_ResetsTheOther(PeerRole who)
    {
        await using var pair = await StartAsync();
        pair.Peer(who).Reset();
        Assert.True((await pair.Other(who).DrainAsync()).WasReset);
        var (flow, socket) = await pair.EndedAsync();
        var name = who == PeerRole.Client ? "client" : "server";
        Assert.Equal((name, 1006, "RC-WS-002", name, "reset"), (socket.ClosedBy, socket.CloseCode, socket.Error!.Code, socket.Error.Blame, flow.CloseReason!.Reason));
    }

    [Fact]
    public async Task Reset_BehindACloseFrame_IsNoFaultAndTheCloseArrives()
    {
        await using var pair = await StartAsync();
        await pair.Client.SendAsync(Close(PeerRole.Client, 1001, "tab closed"));
        await pair.Server.Wire.PeerReceivesAsync();
        pair.Client.Reset();
        var (first, _, payload) = await ReadFrameAsync(pair.Server);
        Assert.Equal((0x88, 1001), (first, (payload[0] << 8) | payload[1]));
        await pair.Server.SendAsync(Close(PeerRole.Server, 1001));
        await pair.Server.ReadToEndAsync();
        pair.Server.Close();
        var (flow, socket) = await pair.EndedAsync();
        Assert.Equal(("client", 1001, "client_closed"), (socket.ClosedBy, socket.CloseCode, flow.CloseReason!.Reason));
        Assert.Null(socket.Error);
    }

    [Fact]
    public async Task Idle_TooLong_IsClosedTowardsBoth()
    {
        await using var pair = await StartAsync();
        pair.Proxy.Advance(TimeSpan.FromSeconds(200));
        await pair.PassAsync(PeerRole.Client, Frame(PeerRole.Client, WebSocketOpcode.Ping, []));
        await pair.Client.ProxyReceivesAsync();
        pair.Proxy.Advance(TimeSpan.FromSeconds(290));
        await pair.PassAsync(PeerRole.Server, Frame(PeerRole.Server, WebSocketOpcode.Pong, []));
        await pair.Server.ProxyReceivesAsync();
        pair.Proxy.Advance(TimeSpan.FromSeconds(301));
        await AssertReceivesAsync(pair.Client, Close(PeerRole.Server, 1001, "idle"));
        var (first, isMasked, payload) = await ReadFrameAsync(pair.Server);
        Assert.Equal((0x88, true, Convert.ToHexString(ClosePayload(1001, "idle"))), (first, isMasked, Convert.ToHexString(payload)));
        Assert.Equal("", await pair.Client.ReadToEndAsync());
        Assert.Equal("", await pair.Server.ReadToEndAsync());
        pair.Client.Close();
        pair.Server.Close();
        var (flow, socket) = await pair.EndedAsync();
        Assert.Equal(("timeout", "websocket_idle", "RC-WS-003"), (flow.CloseReason!.Reason, flow.CloseReason.Kind, socket.Error!.Code));
        Assert.Equal(("proxy", 1001), (socket.ClosedBy, socket.CloseCode));
        Assert.Equal(["<Close:1001 idle injected", ">Close:1001 idle injected"], Lines(socket).Skip(2).Order(StringComparer.Ordinal));
    }

    [Fact]
    public async Task Stop_Draining_SaysGoingAwayToBoth()
    {
        await using var pair = await StartAsync();
        var stopping = pair.Proxy.Engine.StopAsync(TimeSpan.FromMinutes(1));
        pair.Proxy.Advance(TimeSpan.FromSeconds(1.5));
        Assert.Equal(0x88, (await ReadFrameAsync(pair.Client)).First);
        Assert.Equal(0x88, (await ReadFrameAsync(pair.Server)).First);
        pair.Client.Close();
        pair.Server.Close();
        await pair.Proxy.PassTimeAsync(stopping, TimeSpan.FromMinutes(2));
        var (flow, socket) = await pair.EndedAsync();
        Assert.Equal(("proxy", 1001, "completed"), (socket.ClosedBy, socket.CloseCode, flow.CloseReason!.Reason));
    }

    [Fact]
    public async Task Stop_GraceOver_ResetsBoth()
    {
        await using var pair = await StartAsync();
        await pair.Proxy.PassTimeAsync(pair.Proxy.Engine.StopAsync(TimeSpan.Zero), TimeSpan.FromMinutes(1));
        Assert.True((await pair.Client.DrainAsync()).WasReset);
        Assert.True((await pair.Server.DrainAsync()).WasReset);
        Assert.Equal("RC-INT-002", (await pair.EndedAsync()).Socket.Error!.Code);
    }

    [Fact]
    public async Task UnknownExtension_Frames_PassUnjudgedAndAreRecordedAsTheyCame()
    {
        await using var pair = await StartAsync(extensions: "x-own");
        await pair.PassAsync(PeerRole.Server, [0xB3, 0x01, 0xFF, 0x81, 0x01, 0xFF, 0x8B, 0x00]);
        await pair.CloseAsync();
        Assert.Equal(["<Binary:/w==", "<Text:/w==", "<Binary:"], Lines((await pair.EndedAsync()).Socket).Take(3));
    }

    [Fact]
    public async Task OlderDraft_Upgrade_StaysRaw()
    {
        await using var proxy = await TestProxy.StartAsync();
        var origin = proxy.Origin();
        var client = proxy.Connect();
        await client.SendAsync(Get.Replace("Version: 13", "Version: 8", StringComparison.Ordinal) + "\r\n");
        var server = await origin.AcceptAsync();
        await server.ReadHeadAsync();
        await server.SendAsync(Switching + "\r\n\0not frames\u00ff");
        await client.ReadHeadAsync();
        Assert.Equal("\0not frames\u00ff", await client.ReadAsync(12));
        server.Close();
        await client.ReadToEndAsync();
        client.Close();
        Assert.Contains(await proxy.FlowsAsync(2), x => x.Kind == FlowKind.Tunnel);
    }

    private static int SendsToServer(WebSocketPair pair) => pair.Proxy.Network.ProxyEnds.Last().Sends;

    private static byte[] Filled(int octets) => [.. Enumerable.Repeat((byte)0xFE, octets)];
}
