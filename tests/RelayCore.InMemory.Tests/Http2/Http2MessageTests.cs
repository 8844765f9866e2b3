using System.Text;
using RelayCore.Core.Faults;
using RelayCore.Core.Flows;
using RelayCore.Core.Interception;
using RelayCore.Protocols;
using RelayCore.Protocols.Http2;
using RelayCore.Testing;
using Xunit;

namespace RelayCore.InMemory.Tests.Http2;

/// <summary>Messages inside bodies over HTTP/2, and where the two sides speak different versions.</summary>
public sealed class Http2MessageTests
{
    private static readonly (string, string)[] s_call =
        [(":method", "POST"), (":scheme", "http"), (":authority", "origin.test"), (":path", "/s.S/M"), ("content-type", "application/grpc"), ("te", "trailers")];

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Call_BothDirectionsAtOnce_KeepsFlowingAndHasItsMessages(bool isEdited)
    {
        var actor = new Shouter();
        await using var proxy = await TestProxy.StartAsync(x => isEdited ? x with { Interceptors = [actor] } : x);
        var (client, server) = await CallAsync(proxy);
        await server.HeadersAsync(1, false, (":status", "200"), ("content-type", "application/grpc"));
        Assert.Equal("200", (await client.ReadAsync(Http2FrameType.Headers))[":status"]);
        for (var i = 0; i < 3; i++)
        {
            // Each side answers only what it has seen, with messages cut where they like.
            await client.DataAsync(1, Frame("ask").AsSpan(0, 4), ends: false);
            await client.DataAsync(1, Frame("ask").AsSpan(4), ends: false);
            Assert.Equal(Frame(isEdited ? "ASK" : "ask"), await ReadDataAsync(server, 8));
            await server.DataAsync(1, Frame("tell"), ends: false);
            Assert.Equal(Frame(isEdited ? "TELL" : "tell"), await ReadDataAsync(client, 9));
        }

        Assert.Equal(6, proxy.Flows().Single().Http().MessageCount);
        await client.DataAsync(1, "", ends: true);
        Assert.True((await server.ReadAsync(Http2FrameType.Data)).Ends);
        await server.HeadersAsync(1, true, ("grpc-status", "9"), ("grpc-message", "not%20now"));
        var trailers = await client.ReadAsync(Http2FrameType.Headers);
        Assert.Equal(("9", true), (trailers["grpc-status"], trailers.Ends));
        var http = (await proxy.FlowAsync()).Http();
        Assert.Equal(new FlowGrpc(9, "FAILED_PRECONDITION", "not now"), http.Grpc);
        Assert.Equal([.. Enumerable.Repeat(isEdited ? "ASK TELL" : "ask tell", 3)], http.Messages!.Chunk(2).Select(x => $"{x[0].Content.Content} {x[1].Content.Content}"));
        Assert.Equal(["ClientToServer", "ServerToClient"], http.Messages!.Take(2).Select(x => x.Direction));
        Assert.Equal(isEdited ? ["start Grpc", "end "] : [], actor.Log);
        client.Peer.Close();
    }

    [Fact]
    public async Task Inject_IdleCall_GoesBothWaysAtOnce()
    {
        await using var proxy = await TestProxy.StartAsync();
        var (client, server) = await CallAsync(proxy);
        await server.HeadersAsync(1, false, (":status", "200"), ("content-type", "application/grpc"));
        await client.ReadAsync(Http2FrameType.Headers);
        var session = Session(proxy);
        Assert.True(session.TryInject(PeerRole.Server, new(MessageType.GrpcMessage, "down"u8.ToArray())));
        Assert.Equal(Frame("down"), await ReadDataAsync(client, 9));
        Assert.True(session.TryInject(PeerRole.Client, new(MessageType.GrpcMessage, "up"u8.ToArray())));
        Assert.Equal(Frame("up"), await ReadDataAsync(server, 7));
        await client.DataAsync(1, "", ends: true);
        await server.ReadAsync(Http2FrameType.Data);
        await server.HeadersAsync(1, true, ("grpc-status", "0"));
        await client.ReadAsync(Http2FrameType.Headers);
        Assert.Equal([("down", true), ("up", true)], (await proxy.FlowAsync()).Http().Messages!.Select(x => (x.Content.Content, x.Injected)));
        Assert.False(session.TryInject(PeerRole.Server, new(MessageType.GrpcMessage, default)));
        Assert.Equal(0, proxy.Engine.MessageSessions.Count);
        client.Peer.Close();
    }

    [Fact]
    public async Task Close_FromOutside_EndsTheStreamTowardsTheClientAndCancelsTheServers()
    {
        await using var proxy = await TestProxy.StartAsync();
        var (client, server) = await CallAsync(proxy);
        await server.HeadersAsync(1, false, (":status", "200"), ("content-type", "application/grpc"));
        await client.ReadAsync(Http2FrameType.Headers);
        Assert.True(Session(proxy).TryClose(1000, ""));
        Assert.True((await client.ReadAsync(Http2FrameType.Data)).Ends);
        Assert.Equal(Http2ErrorCode.Cancel, (await server.ReadAsync(Http2FrameType.RstStream)).Code);
        Assert.Equal(Http2ErrorCode.NoError, (await client.ReadAsync(Http2FrameType.RstStream)).Code);
        await proxy.PassTimeAsync(proxy.FlowAsync(), TimeSpan.FromSeconds(5)); // it may still be sending
        client.Peer.Close();
    }

    [Fact]
    public async Task UnaryCall_SentAtOnce_IsSeenAndEdited()
    {
        await using var proxy = await TestProxy.StartAsync(x => x with { Interceptors = [new Shouter()] });
        var origin = proxy.Origin();
        var client = await Http2ExchangeTests.OpenTunnelAsync(proxy);
        await client.HeadersAsync(1, false, s_call);
        await client.DataAsync(1, Frame("ask"), ends: true);
        var server = new Http2Peer(await origin.AcceptAsync());
        await server.OpenAsServerAsync();
        await server.ReadAsync(Http2FrameType.Headers);
        Assert.Equal(Frame("ASK"), await ReadDataAsync(server, 8));
        await server.HeadersAsync(1, true, (":status", "200"), ("content-type", "application/grpc"), ("grpc-status", "5"), ("grpc-message", "gone"));
        var head = await client.ReadAsync(Http2FrameType.Headers);
        Assert.Equal(("5", true), (head["grpc-status"], head.Ends));
        Assert.Equal(new FlowGrpc(5, "NOT_FOUND", "gone"), (await proxy.FlowAsync()).Http().Grpc);
        client.Peer.Close();
    }

    [Fact]
    public async Task ClientGivesUp_WhileMessagesAreHeld_EndsTheSessionWithAFault()
    {
        var actor = new Shouter();
        await using var proxy = await TestProxy.StartAsync(x => x with { Interceptors = [actor] });
        var (client, server) = await CallAsync(proxy);
        await server.HeadersAsync(1, false, (":status", "200"), ("content-type", "application/grpc"));
        await client.ReadAsync(Http2FrameType.Headers);
        await server.DataAsync(1, Frame("tell").AsSpan(0, 6), ends: false);
        await client.ResetAsync(1, Http2ErrorCode.Cancel);
        Assert.Equal(Http2ErrorCode.Cancel, (await server.ReadAsync(Http2FrameType.RstStream)).Code);
        var flow = await proxy.FlowAsync();
        Assert.Equal(["start Grpc", "end " + flow.Error()!.Code], actor.Log);
        Assert.Equal(0, proxy.Engine.MessageSessions.Count);
        client.Peer.Close();
    }

    [Fact]
    public async Task EventStream_Http2ToHttp1_IsEditedAndInjectedAsData()
    {
        await using var proxy = await TestProxy.StartAsync(x => x with { Interceptors = [new Shouter()] });
        var origin = proxy.Origin();
        var client = new Http2Peer(proxy.Connect());
        await client.OpenAsClientAsync();
        await client.GetAsync(1, "/events", scheme: "http");
        var server = await origin.AcceptAsync();
        await server.ReadHeadAsync();
        await server.SendAsync("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n4\r\n:hi\n\r\n9\r\ndata: a\n\n\r\n");
        await client.ReadAsync(Http2FrameType.Headers);
        Assert.Equal(":hi\ndata: A\n\n", Encoding.Latin1.GetString(await ReadDataAsync(client, 13)));
        Assert.True(Session(proxy).TryInject(PeerRole.Server, new(MessageType.Event, "b"u8.ToArray())));
        Assert.Equal("data: b\n\n", Encoding.Latin1.GetString(await ReadDataAsync(client, 9)));
        await server.SendAsync("0\r\n\r\n");
        Assert.True((await client.ReadAsync(Http2FrameType.Data)).Ends);
        var http = (await proxy.FlowAsync()).Http();
        Assert.Equal(["A", "b"], http.Messages!.Select(x => x.Content.Content));
        Assert.Equal((":hi\ndata: A\n\ndata: b\n\n", ":hi\ndata: a\n\n"), (http.Response!.Body!.Content, http.Response.Received!.Body!.Content));
        client.Peer.Close();
    }

    private static async Task<(Http2Peer Client, Http2Peer Server)> CallAsync(TestProxy proxy)
    {
        var origin = proxy.Origin();
        var client = await Http2ExchangeTests.OpenTunnelAsync(proxy);
        await client.HeadersAsync(1, false, s_call);
        var server = new Http2Peer(await origin.AcceptAsync());
        await server.OpenAsServerAsync();
        Assert.False((await server.ReadAsync(Http2FrameType.Headers)).Ends);
        return (client, server);
    }

    /// <summary>Data of as many frames as it takes.</summary>
    private static async Task<byte[]> ReadDataAsync(Http2Peer peer, int octets)
    {
        var data = new List<byte>();
        while (data.Count < octets)
        {
            data.AddRange((await peer.ReadAsync(Http2FrameType.Data)).Payload);
        }

        return [.. data];
    }

    private static byte[] Frame(string content) => [0, 0, 0, 0, (byte)content.Length, .. Encoding.ASCII.GetBytes(content)];

    private static IMessageSession Session(TestProxy proxy)
    {
        Assert.True(FlowId.TryParse(proxy.Store.List(new() { Limit = 1 }).First().Id, out var id));
        Assert.True(proxy.Engine.MessageSessions.TryGet(id, out var session));
        return session;
    }

    private sealed class Shouter : IInterceptor
    {
        public List<string> Log { get; } = [];

        public string Name => "shouter";

        public InterceptorNeeds Needs => new() { Stages = Stage.Message | Stage.MessagesStart | Stage.MessagesEnd };

        public ValueTask<Verdict> OnMessagesStartAsync(MessageContext context, CancellationToken cancellationToken)
        {
            Log.Add($"start {context.Protocol}");
            return new(Verdict.Continue);
        }

        public ValueTask OnMessageAsync(MessageContext context, Message message, CancellationToken cancellationToken)
        {
            message.Replace(Encoding.ASCII.GetBytes(Encoding.ASCII.GetString(message.Content.Span).ToUpperInvariant()));
            return default;
        }

        public ValueTask OnMessagesEndAsync(MessageContext context, FlowFault? fault, CancellationToken cancellationToken)
        {
            Log.Add($"end {fault?.Code}");
            return default;
        }
    }
}
