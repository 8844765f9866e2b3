using RelayCore.Core.Faults;
using RelayCore.Core.Interception;
using RelayCore.Protocols;
using RelayCore.Protocols.WebSockets;
using RelayCore.Testing;
using Xunit;
using static RelayCore.InMemory.Tests.WebSocketPair;

namespace RelayCore.InMemory.Tests;

/// <summary>Peers that break the rules, during the handshake and behind it.</summary>
public sealed class WebSocketFaultTests
{
    // What stands before the broken frame reaches the other end, the broken frame does not; both ends are told (§7.1.7).
    [Theory]
    [InlineData("§5.2 RSV", PeerRole.Server, "", "C10161", WebSocketFault.ReservedBitSet)]
    [InlineData("§5.2 RSV behind a message", PeerRole.Server, "810161", "A10162", WebSocketFault.ReservedBitSet)]
    [InlineData("§5.2 opcode", PeerRole.Server, "", "8300", WebSocketFault.UnknownOpcode)]
    [InlineData("§5.2 control opcode, octets behind it", PeerRole.Server, "8900", "8F00810161", WebSocketFault.UnknownOpcode)]
    [InlineData("§5.1 masked server", PeerRole.Server, "", "818100000000", WebSocketFault.WrongMasking)]
    [InlineData("§5.1 unmasked client", PeerRole.Client, "818537FA213D7F9F4D5158", "810161", WebSocketFault.WrongMasking)]
    [InlineData("§5.5 long ping", PeerRole.Server, "", "897E007E", WebSocketFault.BadControlFrame)]
    [InlineData("§5.5 fragmented ping", PeerRole.Server, "010161", "0900", WebSocketFault.BadControlFrame)]
    [InlineData("§5.2 length", PeerRole.Server, "", "827F8000000000000000", WebSocketFault.BadLength)]
    [InlineData("§5.4 continuation", PeerRole.Server, "", "800161", WebSocketFault.UnexpectedContinuation)]
    [InlineData("§5.4 text in text", PeerRole.Server, "010161", "810162", WebSocketFault.MessageInMessage)]
    [InlineData("§8.1 whole text", PeerRole.Server, "810161", "8102C328", WebSocketFault.InvalidUtf8)]
    [InlineData("§8.1 cut text", PeerRole.Server, "", "8101C3", WebSocketFault.InvalidUtf8)]
    [InlineData("§8.1 within fragments", PeerRole.Server, "0101F0", "0001FF", WebSocketFault.InvalidUtf8)]
    [InlineData("§8.1 last fragment", PeerRole.Server, "0101C3", "8000", WebSocketFault.InvalidUtf8)]
    [InlineData("§7.4 code of one octet", PeerRole.Server, "", "880103", WebSocketFault.BadCloseCode)]
    [InlineData("§7.4 code", PeerRole.Server, "", "880203ED", WebSocketFault.BadCloseCode)]
    [InlineData("§5.5.1 reason", PeerRole.Server, "", "880303E8FF", WebSocketFault.BadCloseReason)]
    public async Task Frame_BreakingARule_EndsBothSidesAndNamesThePeer(string clause, PeerRole sender, string before, string broken, WebSocketFault fault)
    {
        foreach (var shows in new[] { false, true })
        {
            await using var pair = await StartAsync(shows ? new Actor(Stage.Message) : null);
            await pair.Peer(sender).SendAsync(Convert.FromHexString(before + broken));
            var isHeld = shows && before.StartsWith("01", StringComparison.Ordinal); // a message under way is not shown, and not sent
            await AssertReceivesAsync(pair.Other(sender), isHeld ? [] : Convert.FromHexString(before));
            foreach (var role in new[] { PeerRole.Client, PeerRole.Server })
            {
                var (first, isMasked, payload) = await ReadFrameAsync(pair.Peer(role));
                Assert.True((first, isMasked, (payload[0] << 8) | payload[1]) == (0x88, role == PeerRole.Server, fault.CloseCode()), clause);
                Assert.Equal("", await pair.Peer(role).ReadToEndAsync());
                pair.Peer(role).Close();
            }

            var (flow, socket) = await pair.EndedAsync();
            var name = sender == PeerRole.Client ? "client" : "server";
            Assert.Equal((FaultCatalog.CodeOf(fault), name, "protocol", "parser_error"), (socket.Error!.Code, socket.Error.Blame, socket.Error.Kind, flow.CloseReason!.Reason));
            Assert.Equal((broken.ToLowerInvariant(), 0), (socket.Error.Octets, socket.Error.OctetsOffset));
            Assert.StartsWith("RFC ", socket.Error.Clause, StringComparison.Ordinal);
            Assert.Equal(name, socket.ClosedBy);
        }
    }

    [Fact]
    public async Task Frame_BreakingARuleWithinAnOpenFrame_EndsTheReceiverWithoutAFrameInItsMiddle()
    {
        await using var pair = await StartAsync();
        await pair.PassAsync(PeerRole.Server, [0x81, 0x05, (byte)'a']);
        await pair.Server.SendAsync(new byte[] { 0xFF });
        Assert.Equal("", await pair.Client.ReadToEndAsync()); // a close frame would be read as text
        Assert.Equal(0x88, (await ReadFrameAsync(pair.Server)).First);
        pair.Client.Close();
        pair.Server.Close();
        Assert.Equal("RC-WS-108", (await pair.EndedAsync()).Socket.Error!.Code);
    }

    [Fact]
    public async Task Frame_BreakingARule_PeersThatStayAreLeftAfterAWhile()
    {
        await using var pair = await StartAsync();
        await pair.Server.SendAsync(new byte[] { 0x83, 0 });
        Assert.Equal(0x88, (await ReadFrameAsync(pair.Client)).First);
        await pair.Client.ProxyReceivesAsync();
        await pair.Server.ProxyReceivesAsync();
        pair.Proxy.Advance(TimeSpan.FromSeconds(3));
        Assert.Equal("RC-WS-102", (await pair.EndedAsync()).Socket.Error!.Code);
    }

    [Theory]
    [InlineData("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", "", "RC-WS-202")]
    [InlineData("Sec-WebSocket-Version: 13", "Sec-WebSocket-Version: 12", "RC-WS-203")]
    [InlineData("GET", "POST", "RC-WS-201")]
    public async Task Strict_BrokenRequest_IsRefused(string from, string to, string code)
    {
        await using var proxy = await TestProxy.StartAsync(x => x with { StrictWebSocket = true });
        proxy.Origin();
        var client = proxy.Connect();
        await client.SendAsync(Get.Replace(from, to, StringComparison.Ordinal) + "\r\n");
        FlowViews.AssertGenerated(await client.ReadMessageAsync(), 400, code);
        Assert.Empty(proxy.Network.Connects);
    }

    [Theory]
    [InlineData("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", "AAAAAAAiTxaQ9kYGzzhZRbK+xOo=", "RC-WS-212")]
    [InlineData("\r\nSec-WebSocket-Accept", "\r\nSec-WebSocket-Protocol: x\r\nSec-WebSocket-Accept", "RC-WS-213")]
    [InlineData("\r\nSec-WebSocket-Accept", "\r\nSec-WebSocket-Extensions: permessage-deflate\r\nSec-WebSocket-Accept", "RC-WS-214")]
    public async Task Strict_BrokenResponse_Is502(string from, string to, string code)
    {
        foreach (var isStrict in new[] { true, false })
        {
            await using var proxy = await TestProxy.StartAsync(x => x with { StrictWebSocket = isStrict });
            var origin = proxy.Origin();
            var client = proxy.Connect();
            await client.SendAsync(Get + "\r\n");
            var server = await origin.AcceptAsync();
            await server.ReadHeadAsync();
            await server.SendAsync(Switching.Replace(from, to, StringComparison.Ordinal) + "\r\n");
            var answer = await client.ReadMessageAsync();
            if (isStrict)
            {
                FlowViews.AssertGenerated(answer, 502, code);
                Assert.True((await server.DrainAsync()).WasReset);
            }
            else
            {
                Assert.StartsWith("HTTP/1.1 101 ", answer, StringComparison.Ordinal); // the client judges it
            }
        }
    }

    [Fact]
    public async Task Strict_GoodHandshake_Passes()
    {
        await using var pair = await StartAsync(extensions: "permessage-deflate; client_max_window_bits=12", configure: x => x with { StrictWebSocket = true });
        await pair.PassAsync(PeerRole.Client, Text(PeerRole.Client, "x"));
        await pair.CloseAsync();
    }
}
