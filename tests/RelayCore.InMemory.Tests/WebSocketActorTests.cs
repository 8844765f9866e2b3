using System.Text;
using RelayCore.Core.Faults;
using RelayCore.Core.Interception;
using RelayCore.Core.Limits;
using RelayCore.Protocols;
using RelayCore.Protocols.WebSockets;
using RelayCore.Testing;
using Xunit;
using static RelayCore.InMemory.Tests.WebSocketPair;

namespace RelayCore.InMemory.Tests;

/// <summary>Interceptors and others that see, change, drop, inject and close.</summary>
public sealed class WebSocketActorTests
{
    [Theory]
    [InlineData(PeerRole.Client, 1)]
    [InlineData(PeerRole.Client, int.MaxValue)]
    [InlineData(PeerRole.Server, 3)]
    public async Task Messages_LookedAt_LeaveOctetForOctet(PeerRole sender, int segment)
    {
        var seen = new List<string>();
        await using var pair = await StartAsync(new Actor(Stage.Message | Stage.ControlMessage)
        {
            Message = (_, message) =>
            {
                seen.Add($"{message.Sender} {message.Type} {Encoding.UTF8.GetString(message.Content.Span)}{(message.Type == MessageType.Close ? $"{message.CloseCode} {message.CloseReason}" : "")}");
                return default;
            },
        });
        pair.Peer(sender).Wire.MaxSegment = segment;
        await pair.PassAsync(sender,
        [
            .. Text(sender, "hello"),
            .. Frame(sender, WebSocketOpcode.Text, "Hel"u8.ToArray(), isFinal: false),
            .. Frame(sender, WebSocketOpcode.Continuation, "lo"u8.ToArray()),
            .. Frame(sender, WebSocketOpcode.Ping, "p"u8.ToArray()),
            .. Frame(sender, WebSocketOpcode.Binary, [.. Enumerable.Repeat((byte)'b', 20_000)]),
            .. Close(sender, 1000, "bye"),
        ]);
        Assert.Equal(
            [$"{sender} Text hello", $"{sender} Text Hello", $"{sender} Ping p", $"{sender} Binary {new string('b', 20_000)}", $"{sender} Close 1000 bye"], seen);
    }

    [Fact]
    public async Task ControlFrame_WithinAMessageThatIsHeld_IsNotHeld()
    {
        await using var pair = await StartAsync(new Actor(Stage.Message));
        await pair.Client.SendAsync(Frame(PeerRole.Client, WebSocketOpcode.Text, "Hel"u8.ToArray(), isFinal: false));
        await pair.PassAsync(PeerRole.Client, Frame(PeerRole.Client, WebSocketOpcode.Ping, []));
        await pair.Client.SendAsync(Frame(PeerRole.Client, WebSocketOpcode.Continuation, "lo"u8.ToArray()));
        await AssertReceivesAsync(pair.Server,
            [.. Frame(PeerRole.Client, WebSocketOpcode.Text, "Hel"u8.ToArray(), isFinal: false), .. Frame(PeerRole.Client, WebSocketOpcode.Continuation, "lo"u8.ToArray())]);
    }

    [Theory]
    [InlineData(PeerRole.Client)]
    [InlineData(PeerRole.Server)]
    public async Task Message_ChangedAndDropped_GoesSoAndBothViewsAreKept(PeerRole sender)
    {
        await using var pair = await StartAsync(new Actor(Stage.Message)
        {
            Message = static (_, message) =>
            {
                switch (Encoding.UTF8.GetString(message.Content.Span))
                {
                    case "change me":
                        message.Replace("changed \u20ac"u8.ToArray());
                        break;
                    case "bin":
                        message.Replace(new byte[] { 1, 2 }, MessageType.Binary);
                        break;
                    case "drop me":
                        message.Drop();
                        break;
                }

                return default;
            },
        });
        await pair.Peer(sender).SendAsync((byte[])[.. Text(sender, "a"), .. Text(sender, "change me"), .. Text(sender, "drop me"), .. Text(sender, "bin"), .. Text(sender, "z")]);
        await AssertReceivesAsync(pair.Other(sender), Text(sender, "a"));
        var other = sender == PeerRole.Client ? PeerRole.Server : PeerRole.Client;
        Assert.Equal("changed \u20ac", await pair.ReadTextAsync(other));
        var (first, isMasked, payload) = await ReadFrameAsync(pair.Other(sender));
        Assert.Equal((0x82, other == PeerRole.Server, "0102"), (first, isMasked, Convert.ToHexString(payload)));
        await AssertReceivesAsync(pair.Other(sender), Text(sender, "z"));
        await pair.CloseAsync();
        var (flow, socket) = await pair.EndedAsync();
        var arrow = sender == PeerRole.Client ? '>' : '<';
        Assert.Equal([$"{arrow}Text:a", $"{arrow}Text:changed \u20ac changed", $"{arrow}Text:drop me dropped", $"{arrow}Binary:\u0001\u0002 changed", $"{arrow}Text:z"], Lines(socket).Take(5));
        Assert.Equal("change me", socket.Messages[1].Received!.Content.Content);
        Assert.Contains(flow.Mutations!, x => x is { Actor: "actor", Stage: "message", Target: "websocket.message", Before: "change me", After: "changed \u20ac" });
    }

    [Fact]
    public async Task Message_ChangedIntoWhatNoFrameCanCarry_GoesAsItCame()
    {
        await using var pair = await StartAsync(new Actor(Stage.Message | Stage.ControlMessage)
        {
            Message = static (_, message) =>
            {
                message.Replace(message.Type == MessageType.Text ? new byte[] { 0xFF } : new byte[126]);
                if (message.Type == MessageType.Close)
                {
                    message.CloseCode = 1006;
                }

                return default;
            },
        });
        await pair.PassAsync(PeerRole.Client, Text(PeerRole.Client, "x"));
        await pair.PassAsync(PeerRole.Client, Frame(PeerRole.Client, WebSocketOpcode.Ping, []));
        await pair.CloseAsync();
        Assert.Contains("interceptor_failed", (await pair.EndedAsync()).Flow.Marks);
    }

    [Fact]
    public async Task ControlMessages_Changed_GoSo()
    {
        await using var pair = await StartAsync(new Actor(Stage.ControlMessage)
        {
            Message = static (_, message) =>
            {
                if (message.Type == MessageType.Close)
                {
                    (message.CloseCode, message.CloseReason) = (4000, "actor");
                }
                else
                {
                    message.Replace("own"u8.ToArray());
                }

                return default;
            },
        });
        await pair.Server.SendAsync(Frame(PeerRole.Server, WebSocketOpcode.Ping, "p"u8.ToArray()));
        await AssertReceivesAsync(pair.Client, Frame(PeerRole.Server, WebSocketOpcode.Ping, "own"u8.ToArray()));
        await pair.Server.SendAsync(Close(PeerRole.Server, 1000, "server"));
        await AssertReceivesAsync(pair.Client, Close(PeerRole.Server, 4000, "actor"));
        pair.Server.Close();
        await pair.Client.ReadToEndAsync();
        pair.Client.Close();
        var (_, socket) = await pair.EndedAsync();
        Assert.Equal(("server", 1000, "server"), (socket.ClosedBy, socket.CloseCode, socket.CloseReason));
        Assert.Equal(["<Ping:own changed", "<Close:4000 actor changed"], Lines(socket));
    }

    [Fact]
    public async Task Interceptor_Throws_TheMessageGoesAsItCame()
    {
        await using var pair = await StartAsync(new Actor(Stage.Message)
        {
            Message = static (_, message) =>
            {
                message.Replace("spoilt"u8.ToArray());
                throw new InvalidOperationException("deliberate");
            },
        });
        await pair.PassAsync(PeerRole.Client, Text(PeerRole.Client, "x"));
        await pair.CloseAsync();
        Assert.Contains("interceptor_failed", (await pair.EndedAsync()).Flow.Marks);
    }

    [Fact]
    public async Task Message_ActorTakesItsTime_TheOtherDirectionAndInjectionsGoOn()
    {
        var gate = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var paused = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var pair = await StartAsync(new Actor(Stage.Message)
        {
            Message = async (_, message) =>
            {
                if (message.Content.Span.SequenceEqual("pause"u8))
                {
                    paused.SetResult();
                    await gate.Task;
                }
            },
        });
        await pair.Client.SendAsync((byte[])[.. Text(PeerRole.Client, "first"), .. Text(PeerRole.Client, "pause"), .. Text(PeerRole.Client, "last")]);
        await paused.Task.WaitAsync(TestPeer.Patience);
        await AssertReceivesAsync(pair.Server, Text(PeerRole.Client, "first"));
        await pair.PassAsync(PeerRole.Server, Text(PeerRole.Server, "meanwhile"));
        Assert.True(pair.Session.TryInject(PeerRole.Client, new(MessageType.Text, "between"u8.ToArray())));
        Assert.Equal("between", await pair.ReadTextAsync(PeerRole.Server));
        gate.SetResult();
        await AssertReceivesAsync(pair.Server, [.. Text(PeerRole.Client, "pause"), .. Text(PeerRole.Client, "last")]);
        await pair.CloseAsync();
    }

    [Fact]
    public async Task Inject_WhileLooking_GoesBeforeTheMessageAndIsNotShown()
    {
        var shown = 0;
        await using var pair = await StartAsync(new Actor(Stage.Message)
        {
            Message = (context, message) =>
            {
                shown++;
                if (message.Content.Span.SequenceEqual("b"u8))
                {
                    Assert.True(context.Session.TryInject(message.Sender, new(MessageType.Text, "forward"u8.ToArray())));
                    Assert.True(context.Session.TryInject(PeerRole.Server, new(MessageType.Text, "back"u8.ToArray())));
                }

                return default;
            },
        });
        await pair.Client.SendAsync((byte[])[.. Text(PeerRole.Client, "a"), .. Text(PeerRole.Client, "b"), .. Text(PeerRole.Client, "c")]);
        await AssertReceivesAsync(pair.Server, Text(PeerRole.Client, "a"));
        Assert.Equal("forward", await pair.ReadTextAsync(PeerRole.Server));
        await AssertReceivesAsync(pair.Server, [.. Text(PeerRole.Client, "b"), .. Text(PeerRole.Client, "c")]);
        Assert.Equal("back", await pair.ReadTextAsync(PeerRole.Client));
        await pair.CloseAsync();
        Assert.Equal(3, shown);
        var (_, socket) = await pair.EndedAsync();
        Assert.Contains(">Text:forward injected", Lines(socket));
        Assert.Contains("<Text:back injected", Lines(socket));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Inject_FromOutside_GoesBetweenMessagesNeverWithinOne(bool shows)
    {
        await using var pair = await StartAsync(shows ? new Actor(Stage.Message) : null);
        var session = pair.Session;
        Assert.True(session.TryInject(PeerRole.Server, new(MessageType.Binary, new byte[] { 1, 2, 3 })));
        await AssertReceivesAsync(pair.Client, Frame(PeerRole.Server, WebSocketOpcode.Binary, [1, 2, 3]));
        Assert.True(session.TryInject(PeerRole.Client, new(MessageType.Text, "to the server"u8.ToArray())));
        Assert.Equal("to the server", await pair.ReadTextAsync(PeerRole.Server));
        if (!shows)
        {
            // A message under way: data waits for its end, a ping only for the end of the frame.
            await pair.PassAsync(PeerRole.Server, Frame(PeerRole.Server, WebSocketOpcode.Text, "one"u8.ToArray(), isFinal: false));
            Assert.True(session.TryInject(PeerRole.Server, new(MessageType.Text, "waits"u8.ToArray())));
            Assert.True(session.TryInject(PeerRole.Server, new(MessageType.Ping, "p"u8.ToArray())));
            await AssertReceivesAsync(pair.Client, Frame(PeerRole.Server, WebSocketOpcode.Ping, "p"u8.ToArray()));
            await pair.PassAsync(PeerRole.Server, [0x00, 0x03, (byte)'t']);
            Assert.True(session.TryInject(PeerRole.Server, new(MessageType.Ping, "q"u8.ToArray())));
            await pair.Server.SendAsync("wo\x80\x00"u8[..2].ToArray());
            await AssertReceivesAsync(pair.Client, "wo"u8.ToArray());
            await AssertReceivesAsync(pair.Client, Frame(PeerRole.Server, WebSocketOpcode.Ping, "q"u8.ToArray()));
            await pair.Server.SendAsync(Frame(PeerRole.Server, WebSocketOpcode.Continuation, []));
            await AssertReceivesAsync(pair.Client, [.. Frame(PeerRole.Server, WebSocketOpcode.Continuation, []), .. Text(PeerRole.Server, "waits")]);
        }

        Assert.False(session.TryInject(PeerRole.Client, new(MessageType.Text, new byte[] { 0xFF })));
        Assert.False(session.TryInject(PeerRole.Client, new(MessageType.Ping, new byte[126])));
        Assert.False(session.TryInject(PeerRole.Client, new(MessageType.Event, default)));
        Assert.False(session.TryInject(PeerRole.Client, new(MessageType.Close, default) { CloseCode = 1006 }));
        await pair.CloseAsync();
        await pair.EndedAsync();
        Assert.False(session.TryInject(PeerRole.Client, new(MessageType.Text, default)));
        Assert.False(session.TryClose(1000, ""));
        Assert.Equal(0, pair.Proxy.Engine.MessageSessions.Count);
    }

    [Fact]
    public async Task Inject_ReceiverTakesNothing_IsRefusedAtTheBound()
    {
        await using var pair = await StartAsync();
        var sending = pair.Server.SendAsync(Frame(PeerRole.Server, WebSocketOpcode.Binary, new byte[1 << 20]));
        await pair.Client.ProxyIsBlockedAsync();
        var accepted = 0;
        while (pair.Session.TryInject(PeerRole.Server, new(MessageType.Text, "x"u8.ToArray())) && accepted < 1000)
        {
            accepted++;
        }

        Assert.Equal(MessageQueueLimits.MaxMessages, accepted);
        await pair.Client.ReadAsync((1 << 20) + 10);
        await sending;
        for (var i = 0; i < accepted; i++)
        {
            await AssertReceivesAsync(pair.Client, Text(PeerRole.Server, "x"));
        }

        Assert.True(pair.Session.TryInject(PeerRole.Server, new(MessageType.Binary, new byte[MessageQueueLimits.MaxOctets])));
        await ReadFrameAsync(pair.Client);
        await pair.CloseAsync();
    }

    [Fact]
    public async Task TryClose_FromOutside_ClosesBothWithCodeAndReason()
    {
        await using var pair = await StartAsync();
        Assert.False(pair.Session.TryClose(1006, ""));
        Assert.False(pair.Session.TryClose(1000, new string('x', 124)));
        Assert.True(pair.Session.TryClose(4001, "enough"));
        await AssertReceivesAsync(pair.Client, Close(PeerRole.Server, 4001, "enough"));
        var (first, isMasked, payload) = await ReadFrameAsync(pair.Server);
        Assert.Equal((0x88, true, Convert.ToHexString(ClosePayload(4001, "enough"))), (first, isMasked, Convert.ToHexString(payload)));
        await pair.Client.SendAsync((byte[])[.. Text(PeerRole.Client, "ignored"), .. Close(PeerRole.Client, 4001)]);
        await pair.Server.SendAsync(Close(PeerRole.Server, 4001));
        pair.Client.Close();
        Assert.Equal("", await pair.Server.ReadToEndAsync());
        pair.Server.Close();
        var (flow, socket) = await pair.EndedAsync();
        Assert.Equal(("proxy", 4001, "enough", "completed"), (socket.ClosedBy, socket.CloseCode, socket.CloseReason, flow.CloseReason!.Reason));
        Assert.Null(socket.Error);
    }

    [Fact]
    public async Task MessagesStart_Dropped_ClosesBothWithAPolicyCode()
    {
        FlowFault? told = null;
        await using var pair = await StartAsync(new Actor(Stage.MessagesStart | Stage.MessagesEnd)
        {
            Start = static _ => new Verdict.Drop("not today"),
            End = (_, fault) => told = fault,
        });
        Assert.Equal(1008, await CloseCodeAsync(pair.Client));
        Assert.Equal(1008, await CloseCodeAsync(pair.Server));
        pair.Client.Close();
        pair.Server.Close();
        var (flow, socket) = await pair.EndedAsync();
        Assert.Equal(("RC-POL-001", "policy_drop"), (socket.Error!.Code, flow.CloseReason!.Reason));
        await TestProxy.UntilAsync(() => told is not null, () => "the end is not told");
        Assert.Equal("not today", told!.Detail);
    }

    [Fact]
    public async Task Handshake_AnotherStatusByAnActor_RefusesTheClient()
    {
        await using var proxy = await TestProxy.StartAsync(x => x with
        {
            Interceptors = [new Actor(Stage.ResponseHead) { Response = static exchange => exchange.Response.Status = 403 }],
        });
        var origin = proxy.Origin();
        var client = proxy.Connect();
        await client.SendAsync(Get + "\r\n");
        var server = await origin.AcceptAsync();
        await server.ReadHeadAsync();
        await server.SendAsync(Switching + "X-Kept: 1\r\n\r\n");
        var answer = await client.ReadMessageAsync();
        Assert.StartsWith("HTTP/1.1 403 ", answer, StringComparison.Ordinal);
        Assert.Equal(("0", null, null, "1"),
            (TestPeer.Field(answer, "Content-Length"), TestPeer.Field(answer, "Upgrade"), TestPeer.Field(answer, "Sec-WebSocket-Accept"), TestPeer.Field(answer, "X-Kept")));
        Assert.True((await server.DrainAsync()).WasReset);
    }

    [Theory]
    [InlineData(PeerRole.Client)]
    [InlineData(PeerRole.Server)]
    public async Task Message_TooLargeToBeHeld_GoesUnseenOctetForOctetWithAMark(PeerRole sender)
    {
        var seen = new List<int>();
        await using var pair = await StartAsync(
            new Actor(Stage.Message)
            {
                Message = (_, message) =>
                {
                    seen.Add(message.Content.Length);
                    return default;
                },
            },
            configure: x => x with { Limits = EngineLimits.Default with { MaxWebSocketMessage = 100_000, MaxMessageCapture = 1000 } });
        byte[] fragmented =
        [
            .. Frame(sender, WebSocketOpcode.Text, [.. Enumerable.Repeat((byte)'a', 80_000)], isFinal: false), .. Frame(sender, WebSocketOpcode.Ping, []),
            .. Frame(sender, WebSocketOpcode.Continuation, [.. Enumerable.Repeat((byte)'b', 80_000)], isFinal: false),
            .. Frame(sender, WebSocketOpcode.Continuation, [.. Enumerable.Repeat((byte)'c', 10)]),
        ];
        byte[] inOrder =
        [
            .. Frame(sender, WebSocketOpcode.Ping, []), .. Frame(sender, WebSocketOpcode.Text, [.. Enumerable.Repeat((byte)'a', 80_000)], isFinal: false),
            .. fragmented[(fragmented.AsSpan().IndexOf(Frame(sender, WebSocketOpcode.Ping, [])) + Frame(sender, WebSocketOpcode.Ping, []).Length)..],
        ];
        await pair.Peer(sender).SendAsync(fragmented);
        await AssertReceivesAsync(pair.Other(sender), inOrder); // the ping is not held with the message
        await pair.PassAsync(sender, Frame(sender, WebSocketOpcode.Binary, new byte[100_001]));
        await pair.PassAsync(sender, Text(sender, "small"));
        await pair.CloseAsync();
        Assert.Equal([5], seen);
        var (flow, socket) = await pair.EndedAsync();
        Assert.Contains("body_actor_skipped", flow.Marks);
        Assert.Equal((160_010, 1000, true), (socket.Messages[1].Content.Size, socket.Messages[1].Content.Captured, socket.Messages[1].Content.Truncated));
    }

    private static async Task<int> CloseCodeAsync(TestPeer peer)
    {
        var (first, _, payload) = await ReadFrameAsync(peer);
        Assert.Equal(0x88, first);
        return (payload[0] << 8) | payload[1];
    }
}
