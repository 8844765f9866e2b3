using System.Net.WebSockets;
using System.Text;
using RelayCore.Load.Http;
using RelayCore.Load.Load;
using Xunit;

namespace RelayCore.Load.Tests.Load;

/// <summary>WebSocket: generator and origin with each other, the origin with the runtime's client, the generator with servers that fail.</summary>
public sealed class WebSocketLoadTests : ServedTests
{
    [Fact]
    public async Task Origin_WebSocketClientOfTheRuntime_GetsItsMessagesBack()
    {
        Serve(tls: null);
        using var client = new ClientWebSocket();
        await client.ConnectAsync(new($"ws://127.0.0.1:{Port}/echo"), Cancelled);
        var buffer = new byte[100_000];
        foreach (var octets in new[] { 0, 1, 125, 126, 40_000 })
        {
            await client.SendAsync(new byte[octets], WebSocketMessageType.Binary, endOfMessage: true, Cancelled);
            var result = await client.ReceiveAsync(buffer, Cancelled);
            var got = result.Count;
            while (!result.EndOfMessage)
            {
                result = await client.ReceiveAsync(buffer, Cancelled);
                got += result.Count;
            }

            Assert.Equal((octets, WebSocketMessageType.Binary), (got, result.MessageType));
        }

        await client.CloseAsync(WebSocketCloseStatus.NormalClosure, "done", Cancelled);
        Assert.Equal(WebSocketCloseStatus.NormalClosure, client.CloseStatus);
    }

    [Theory]
    [InlineData(16)]
    [InlineData(64)]
    [InlineData(5_000)]
    public async Task WebSocket_ByNumber_CountsEveryMessage(int octets)
    {
        Serve(ServerTls(out var ca));
        var report = await LoadRun.RunAsync(
            Options(LoadProtocol.WebSocket, "https", "/echo") with { CaFile = ca, Requests = 100, MessageOctets = octets, Connections = 4 }, Cancelled);
        Assert.Equal((100, 0, 4), (report.Requests, report.Errors, report.ConnectionsOpened));
        Assert.Equal(100 * octets, report.MbPerSecond * report.Seconds * 1e6, 0.5);
    }

    [Fact]
    public async Task WebSocket_HandshakeRefused_IsAnError()
    {
        Serving = AnswerOnceEachAsync([.. "HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n"u8]);
        Assert.Equal(["Status"], await FaultsAsync(Options(LoadProtocol.WebSocket, "http", "/")));
    }

    [Fact]
    public async Task WebSocket_HandshakeOfAnotherKey_IsAnError()
    {
        Serving = AnswerOnceEachAsync([.. "HTTP/1.1 101 OK\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"u8]);
        Assert.Equal(["Malformed"], await FaultsAsync(Options(LoadProtocol.WebSocket, "http", "/")));
    }

    [Theory]
    [InlineData("8140", 64, "Echo")] // another content
    [InlineData("8103", 3, "Echo")] // another length
    [InlineData("81C0", 68, "Malformed")] // masked by a server
    [InlineData("C140", 64, "Malformed")] // compressed without having been asked
    [InlineData("8802", 2, "Refused")] // close
    [InlineData("8240", 64, "Refused")] // binary
    public async Task WebSocket_BadAnswer_IsCountedByKind(string head, int payload, string kind)
    {
        Serving = EchoBadlyAsync([.. Convert.FromHexString(head), .. new byte[payload]]);
        Assert.Equal([kind], await FaultsAsync(Options(LoadProtocol.WebSocket, "http", "/")));
    }

    /// <summary>Answers whatever comes first on each connection, then waits for its end.</summary>
    private async Task AnswerOnceEachAsync(byte[] answer)
    {
        while (true)
        {
            using var socket = await Listener.AcceptAsync(Stopped);
            var buffer = new byte[4096];
            if (await socket.ReceiveAsync(buffer, Stopped) > 0)
            {
                await socket.SendAsync(answer, Stopped);
                while (await socket.ReceiveAsync(buffer, Stopped) > 0)
                {
                }
            }
        }
    }

    /// <summary>A right handshake, then the same frame to every message.</summary>
    private async Task EchoBadlyAsync(byte[] frame)
    {
        while (true)
        {
            using var socket = await Listener.AcceptAsync(Stopped);
            var buffer = new byte[4096];
            var received = await socket.ReceiveAsync(buffer, Stopped);
            if (MessageHead.TryField(buffer.AsSpan(0, received), "sec-websocket-key:"u8, out var key))
            {
                var accept = WebSocketFrame.Accept(Encoding.ASCII.GetString(key));
                await socket.SendAsync(Encoding.ASCII.GetBytes($"HTTP/1.1 101 OK\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: {accept}\r\n\r\n"), Stopped);
                while (await socket.ReceiveAsync(buffer, Stopped) > 0)
                {
                    await socket.SendAsync(frame, Stopped);
                }
            }
        }
    }
}
