using System.IO.Compression;
using System.Text;
using RelayCore.Core.Faults;
using RelayCore.Core.Flows;
using RelayCore.Core.Interception;
using RelayCore.Protocols;
using RelayCore.Testing;
using Xunit;

namespace RelayCore.InMemory.Tests;

/// <summary>Messages inside HTTP/1 bodies, through the whole proxy: what both sides have on the wire, and what the flow says.</summary>
public sealed class MessageBodyTests
{
    private const string Get = "GET http://origin.test/ HTTP/1.1\r\nHost: origin.test\r\n\r\n";
    private const string Head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nTransfer-Encoding: chunked\r\n\r\n";
    private const string LinesHead = "HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n";

    private static readonly OutgoingMessage s_hello = new(MessageType.Event, "hello"u8.ToArray()) { EventName = "greeting" };

    private const string HelloChunk = "1d\r\nevent: greeting\ndata: hello\n\n\r\n";

    [Fact]
    public async Task EventStream_NobodyInterested_PassesAtOnceAsItCameAndIsSeenWhileItRuns()
    {
        await using var proxy = await TestProxy.StartAsync();
        var (client, server) = await OpenAsync(proxy, Head);
        Assert.Equal(Head, await client.ReadHeadAsync());
        foreach (var (chunk, count) in ((string, int)[])[("9;x=y\r\ndata: a\n\n\r\n", 1), ("6\r\nid: 7\n\r\n", 1), ("009\r\ndata: b\r\r\r\n", 2)])
        {
            await server.SendAsync(chunk);
            Assert.Equal(chunk, await client.ReadAsync(chunk.Length));
            Assert.Equal(count, proxy.Flows().Single().Http().MessageCount ?? 0);
        }

        var running = proxy.Flows().Single();
        Assert.Null(running.EndTime);
        Assert.Equal(["a", "b"], running.Http().Messages!.Select(x => x.Content.Content));
        Assert.Equal(("7", "ServerToClient", "Event"), (running.Http().Messages![1].Event!.Id, running.Http().Messages![1].Direction, running.Http().Messages![1].Opcode));
        await server.SendAsync("b\r\n\ndata: open\r\n0\r\n\r\n");
        Assert.Equal("b\r\n\ndata: open\r\n0\r\n\r\n", await client.ReadAsync(21));
        var flow = await proxy.FlowAsync();
        Assert.Equal([false, false, true], flow.Http().Messages!.Select(x => x.Incomplete));
        Assert.Null(flow.Mutations);
        Assert.Equal(0, proxy.Engine.MessageSessions.Count);
    }

    [Fact]
    public async Task Inject_IdleStreamNobodyIsInterestedIn_StandsBetweenTwoChunks()
    {
        await using var proxy = await TestProxy.StartAsync();
        var (client, server) = await OpenAsync(proxy, Head);
        await client.ReadHeadAsync();
        var session = Session(proxy);
        Assert.True(session.TryInject(PeerRole.Server, s_hello));
        Assert.Equal(HelloChunk, await client.ReadAsync(HelloChunk.Length));
        await server.SendAsync("9\r\ndata: a\n\n\r\n");
        Assert.Equal("9\r\ndata: a\n\n\r\n", await client.ReadAsync(14));
        Assert.True(session.TryInject(PeerRole.Server, s_hello));
        Assert.Equal(HelloChunk, await client.ReadAsync(HelloChunk.Length));
        await server.SendAsync("0\r\n\r\n");
        Assert.Equal("0\r\n\r\n", await client.ReadAsync(5));
        var flow = await proxy.FlowAsync();
        Assert.Equal([("hello", true), ("a", false), ("hello", true)], flow.Http().Messages!.Select(x => (x.Content.Content, x.Injected)));
        Assert.Equal("data: a\n\n", flow.Http().Response!.Received!.Body!.Content);
        Assert.Equal("event: greeting\ndata: hello\n\ndata: a\n\nevent: greeting\ndata: hello\n\n", flow.Http().Response!.Body!.Content);
        Assert.False(session.TryInject(PeerRole.Server, s_hello));
    }

    [Theory]
    [InlineData("9\r\ndata", ": a\n\n\r\n")]
    [InlineData("9\r\ndata: a\n\n", "\r\n")]
    [InlineData("6\r\ndata: \r\n", "3\r\na\n\n\r\n")]
    public async Task Inject_WithinAChunkOrAnEvent_WaitsForItsEnd(string first, string rest)
    {
        await using var proxy = await TestProxy.StartAsync();
        var (client, server) = await OpenAsync(proxy, Head);
        await client.ReadHeadAsync();
        await server.SendAsync(first);
        var begun = await client.ReadAsync(first.Length);
        Assert.True(Session(proxy).TryInject(PeerRole.Server, s_hello));
        await server.SendAsync(rest);
        Assert.Equal(first + rest + HelloChunk, begun + await client.ReadAsync(rest.Length + HelloChunk.Length));
    }

    [Fact]
    public async Task Inject_BodyThatEndsWithTheConnection_NeedsNoChunks()
    {
        await using var proxy = await TestProxy.StartAsync();
        var (client, server) = await OpenAsync(proxy, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n");
        await client.ReadHeadAsync();
        Assert.True(Session(proxy).TryInject(PeerRole.Server, s_hello));
        Assert.Equal("event: greeting\ndata: hello\n\n", await client.ReadAsync(29));
        server.Close();
        Assert.Equal("", await client.ReadToEndAsync());
    }

    [Fact]
    public async Task Inject_BodyOfAKnownLength_IsRefused()
    {
        await using var proxy = await TestProxy.StartAsync();
        var (client, server) = await OpenAsync(proxy, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: 9\r\n\r\n");
        await client.ReadHeadAsync();
        Assert.False(Session(proxy).TryInject(PeerRole.Server, s_hello));
        await server.SendAsync("data: a\n\n");
        Assert.Equal("data: a\n\n", await client.ReadAsync(9));
    }

    [Fact]
    public async Task Inject_WrongTypeOrSender_IsRefused()
    {
        await using var proxy = await TestProxy.StartAsync();
        var (client, _) = await OpenAsync(proxy, Head);
        await client.ReadHeadAsync();
        Assert.False(Session(proxy).TryInject(PeerRole.Server, new(MessageType.Line, "{}"u8.ToArray())));
        Assert.False(Session(proxy).TryInject(PeerRole.Client, s_hello));
    }

    [Fact]
    public async Task Inject_ClientThatTakesNothing_FillsTheQueueAndNoMore()
    {
        await using var proxy = await TestProxy.StartAsync();
        var (client, _) = await OpenAsync(proxy, Head);
        await client.ReadHeadAsync();
        var session = Session(proxy);
        var large = new OutgoingMessage(MessageType.Event, new byte[MessageQueueLimits.MaxOctets / 2]);
        await TestProxy.UntilAsync(() => !session.TryInject(PeerRole.Server, large), () => "the queue never fills");
        await client.ProxyIsBlockedAsync();
        await TestProxy.UntilAsync(() => !session.TryInject(PeerRole.Server, large), () => "the queue never fills"); // what it held may have gone to the wire
        Assert.False(session.TryInject(PeerRole.Server, large));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Close_FromOutside_EndsTheResponseInOrder(bool isEdited)
    {
        await using var proxy = await TestProxy.StartAsync(x => isEdited ? x with { Interceptors = [new Actor()] } : x);
        var origin = proxy.Origin();
        var (client, server) = await OpenAsync(proxy, Head, origin);
        await client.ReadHeadAsync();
        await server.SendAsync("9\r\ndata: a\n\n\r\n");
        await client.ReadAsync(14);
        var session = Session(proxy);
        Assert.True(session.TryInject(PeerRole.Server, s_hello));
        Assert.True(session.TryClose(1000, ""));
        Assert.Equal(HelloChunk + "0\r\n\r\n", await client.ReadAsync(HelloChunk.Length + 5));
        Assert.True((await server.DrainAsync()).WasReset);
        Assert.Equal("completed", (await proxy.FlowAsync()).CloseReason!.Reason);
        Assert.False(session.TryClose(1000, ""));

        // The connection of the client goes on.
        await client.SendAsync(Get);
        var second = await origin.AcceptAsync();
        await second.ReadHeadAsync();
        await second.SendAsync("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        Assert.EndsWith("\r\n\r\nok", await client.ReadMessageAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Interceptor_Events_PassChangeAndDrop()
    {
        var actor = new Actor
        {
            OnMessage = static (_, message) =>
            {
                switch (Encoding.UTF8.GetString(message.Content.Span))
                {
                    case "drop":
                        message.Drop();
                        break;
                    case "change":
                        message.Replace("changed\ntwice"u8.ToArray());
                        message.EventId = "9";
                        break;
                }
            },
        };
        await using var proxy = await TestProxy.StartAsync(x => x with { Interceptors = [actor] });
        var (client, server) = await OpenAsync(proxy, Head);
        Assert.Equal(Head, await client.ReadHeadAsync());
        await server.SendAsync("c\r\n:hi\ndata:  k\r\n6\r\neep\n\r\n\r\n");
        Assert.Equal("4\r\n:hi\n\r\n", await client.ReadAsync(9));
        Assert.Equal("e\r\ndata:  keep\n\r\n\r\n", await client.ReadAsync(19));
        await server.SendAsync("c\r\ndata: drop\n\n\r\n1d\r\nretry: 5\nid: 1\ndata: change\n\n\r\n");
        Assert.Equal("2a\r\nid: 9\nretry: 5\ndata: changed\ndata: twice\n\n\r\n", await client.ReadAsync(48));
        await server.SendAsync("9\r\ndata: a\n\n\r\n0\r\n\r\n");
        Assert.Equal("9\r\ndata: a\n\n\r\n0\r\n\r\n", await client.ReadAsync(19));
        var flow = await proxy.FlowAsync();
        var messages = flow.Http().Messages!;
        Assert.Equal([" keep", "drop", "changed\ntwice", "a"], messages.Select(x => x.Content.Content));
        Assert.Equal([false, true, false, false], messages.Select(x => x.Dropped));
        Assert.Equal(("change", "1"), (messages[2].Received!.Content.Content, messages[2].Received!.Event!.Id));
        Assert.Contains(flow.Mutations!, x => x is { Actor: "actor", Stage: "message", Target: "sse.event", Before: "change", After: "changed\ntwice" });
        Assert.Contains(flow.Mutations!, x => x is { Target: "sse.event", Before: "drop", After: null });
        Assert.Equal(":hi\ndata:  keep\n\r\nid: 9\nretry: 5\ndata: changed\ndata: twice\n\ndata: a\n\n", flow.Http().Response!.Body!.Content);
        Assert.Equal(":hi\ndata:  keep\n\r\ndata: drop\n\nretry: 5\nid: 1\ndata: change\n\ndata: a\n\n", flow.Http().Response!.Received!.Body!.Content);
        Assert.Equal(["start ServerSentEvents", "end "], actor.Log);
    }

    [Fact]
    public async Task Interceptor_InjectsFromItsMethod_StandsBehindTheMessage()
    {
        await using var proxy = await TestProxy.StartAsync(x => x with
        {
            Interceptors =
            [
                new Actor
                {
                    // It does not see its own, or there would be no end.
                    OnMessage = static (context, message) => Assert.True(context.Session.TryInject(PeerRole.Server, s_hello)),
                },
            ],
        });
        var (client, server) = await OpenAsync(proxy, Head);
        await client.ReadHeadAsync();
        await server.SendAsync("9\r\ndata: a\n\n\r\n");
        Assert.Equal("9\r\ndata: a\n\n\r\n" + HelloChunk, await client.ReadAsync(14 + HelloChunk.Length));
    }

    [Fact]
    public async Task Interceptor_Throws_TheMessagePassesAsReceived()
    {
        await using var proxy = await TestProxy.StartAsync(x => x with
        {
            Interceptors =
            [
                new Actor
                {
                    OnMessage = static (_, message) =>
                    {
                        message.Replace("spoilt"u8.ToArray());
                        throw new InvalidOperationException("deliberate");
                    },
                },
            ],
        });
        var (client, server) = await OpenAsync(proxy, Head);
        await client.ReadHeadAsync();
        await server.SendAsync("8\r\ndata:a\n\n\r\n0\r\n\r\n");
        Assert.Equal("8\r\ndata:a\n\n\r\n0\r\n\r\n", await client.ReadAsync(18));
        Assert.Contains("interceptor_failed", (await proxy.FlowAsync()).Marks);
    }

    [Fact]
    public async Task Interceptor_RefusesTheStart_TheClientGetsNothingOfIt()
    {
        await using var proxy = await TestProxy.StartAsync(x => x with { Interceptors = [new Actor { Verdict = new Verdict.Drop("no streams") }] });
        var (client, _) = await OpenAsync(proxy, Head);
        FlowViews.AssertGenerated(await client.ReadMessageAsync(), 403, "RC-POL-001");
        await proxy.FlowAsync();
        Assert.Equal(0, proxy.Engine.MessageSessions.Count);
    }

    [Fact]
    public async Task Interceptor_WantsTheWholeBody_DoesNotHoldAStream()
    {
        var actor = new Actor(Stage.ResponseBody | Stage.RequestBody);
        await using var proxy = await TestProxy.StartAsync(x => x with { Interceptors = [actor] });
        var (client, server) = await OpenAsync(proxy, LinesHead);
        Assert.Equal(LinesHead, await client.ReadHeadAsync());
        await server.SendAsync("3\r\n{}\n\r\n");
        Assert.Equal("3\r\n{}\n\r\n", await client.ReadAsync(8));
        Assert.Contains("body_actor_skipped", proxy.Flows().Single().Marks);
    }

    [Theory]
    [InlineData("gzip")]
    [InlineData("br")]
    public async Task CodedStream_Watched_IsDecodedForTheFlowAndPassesAsItCame(string coding)
    {
        await using var proxy = await TestProxy.StartAsync();
        var head = Head.Replace("Transfer", $"Content-Encoding: {coding}\r\nTransfer", StringComparison.Ordinal);
        var (client, server) = await OpenAsync(proxy, head);
        Assert.Equal(head, await client.ReadHeadAsync());
        using var encoder = new Encoder(coding);
        foreach (var (text, count) in ((string, int)[])[("data: one\n\n", 1), ("data: tw", 1), ("o\n\n", 2)])
        {
            var chunk = Chunk(encoder.Flush(text));
            await server.SendAsync(chunk);
            Assert.Equal(chunk, await client.ReadAsync(chunk.Length));
            Assert.Equal(count, proxy.Flows().Single().Http().MessageCount);
        }

        Assert.False(Session(proxy).TryInject(PeerRole.Server, s_hello));
    }

    [Fact]
    public async Task CodedStream_Edited_LosesItsCoding()
    {
        await using var proxy = await TestProxy.StartAsync(x => x with { Interceptors = [new Actor { OnMessage = Shout }] });
        var (client, server) = await OpenAsync(proxy, Head.Replace("Transfer", "Content-Encoding: gzip\r\nTransfer", StringComparison.Ordinal));
        Assert.Equal(Head, await client.ReadHeadAsync());
        using var encoder = new Encoder("gzip");
        await server.SendAsync(Chunk(encoder.Flush(":x\ndata: one\n\n")));
        Assert.Equal("3\r\n:x\n\r\n", await client.ReadAsync(8));
        Assert.Equal("b\r\ndata: ONE\n\n\r\n", await client.ReadAsync(16));
        await server.SendAsync("0\r\n\r\n");
        Assert.Equal("0\r\n\r\n", await client.ReadAsync(5));
        var flow = await proxy.FlowAsync();
        Assert.Contains(flow.Mutations!, x => x is { Target: "response.headers.content-encoding", Before: "gzip", After: null });
        Assert.Equal(":x\ndata: ONE\n\n", flow.Http().Response!.Body!.Content);
    }

    [Fact]
    public async Task CodedStream_EditedAndDamaged_EndsTheResponseVisibly()
    {
        await using var proxy = await TestProxy.StartAsync(x => x with { Interceptors = [new Actor()] });
        var (client, server) = await OpenAsync(proxy, Head.Replace("Transfer", "Content-Encoding: gzip\r\nTransfer", StringComparison.Ordinal));
        await client.ReadHeadAsync();
        await server.SendAsync(Chunk([0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 3, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF]));
        Assert.DoesNotContain("0\r\n\r\n", (await client.DrainAsync()).Octets, StringComparison.Ordinal);
        Assert.NotNull((await proxy.FlowAsync()).Error());
    }

    [Fact]
    public async Task UnknownCoding_Edited_PassesAndSaysSo()
    {
        await using var proxy = await TestProxy.StartAsync(x => x with { Interceptors = [new Actor { OnMessage = Shout }] });
        var head = Head.Replace("Transfer", "Content-Encoding: exotic\r\nTransfer", StringComparison.Ordinal);
        var (client, server) = await OpenAsync(proxy, head);
        Assert.Equal(head, await client.ReadHeadAsync());
        await server.SendAsync("9\r\ndata: a\n\n\r\n");
        Assert.Equal("9\r\ndata: a\n\n\r\n", await client.ReadAsync(14));
        Assert.Contains("body_actor_skipped", proxy.Flows().Single().Marks);
    }

    [Fact]
    public async Task Lines_OfTheRequestAndTheResponse_AreEditedEachInItsDirection()
    {
        await using var proxy = await TestProxy.StartAsync(x => x with { Interceptors = [new Actor { OnMessage = Shout }] });
        var origin = proxy.Origin();
        var client = proxy.Connect();
        await client.SendAsync("POST http://origin.test/ HTTP/1.1\r\nHost: origin.test\r\nContent-Type: application/jsonl\r\nTransfer-Encoding: chunked\r\n\r\n4\r\n\"a\"\n\r\n");
        var server = await origin.AcceptAsync();
        await server.ReadHeadAsync();
        Assert.Equal("4\r\n\"A\"\n\r\n", await server.ReadAsync(9));
        var session = Session(proxy);
        Assert.True(session.TryInject(PeerRole.Client, new(MessageType.Line, "\"i\""u8.ToArray())));
        Assert.Equal("4\r\n\"i\"\n\r\n", await server.ReadAsync(9));
        await server.SendAsync(LinesHead + "5\r\n\"b\"\r\n\r\n");
        Assert.Equal(LinesHead, await client.ReadHeadAsync());
        Assert.Equal("5\r\n\"B\"\r\n\r\n", await client.ReadAsync(10));
        await client.SendAsync("3\r\n\"c\"\r\n0\r\n\r\n");
        Assert.Equal("3\r\n\"C\"\r\n0\r\n\r\n", await server.ReadAsync(13));
        await server.SendAsync("0\r\n\r\n");
        Assert.Equal("0\r\n\r\n", await client.ReadAsync(5));
        var messages = (await proxy.FlowAsync()).Http().Messages!;
        Assert.Equal(
            [("\"A\"", "ClientToServer"), ("\"i\"", "ClientToServer"), ("\"B\"", "ServerToClient"), ("\"C\"", "ClientToServer")],
            messages.Select(x => (x.Content.Content, x.Direction)));
    }

    [Fact]
    public async Task Inject_UploadNobodyIsInterestedIn_StandsBetweenItsChunks()
    {
        await using var proxy = await TestProxy.StartAsync();
        var origin = proxy.Origin();
        var client = proxy.Connect();
        await client.SendAsync("POST http://origin.test/ HTTP/1.1\r\nHost: origin.test\r\nContent-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n{}\n\r\n");
        var server = await origin.AcceptAsync();
        await server.ReadHeadAsync();
        Assert.Equal("3\r\n{}\n\r\n", await server.ReadAsync(8));
        Assert.True(Session(proxy).TryInject(PeerRole.Client, new(MessageType.Line, "[]"u8.ToArray())));
        Assert.Equal("3\r\n[]\n\r\n", await server.ReadAsync(8));
        await client.SendAsync("0\r\n\r\n");
        Assert.Equal("0\r\n\r\n", await server.ReadAsync(5));
        await server.SendAsync("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
        await client.ReadMessageAsync();
        Assert.Equal(["{}", "[]"], (await proxy.FlowAsync()).Http().Messages!.Select(x => x.Content.Content));
    }

    [Theory]
    [InlineData("application/grpc-web+proto", false)]
    [InlineData("application/grpc-web-text", true)]
    public async Task GrpcWeb_UnaryCall_HasMessagesBothWaysAndItsStatus(string type, bool isText)
    {
        await using var proxy = await TestProxy.StartAsync(x => x with { Interceptors = [new Actor { OnMessage = Shout }] });
        var origin = proxy.Origin();
        var client = proxy.Connect();
        var request = Form(Frame(0, "ask"u8), isText);
        await client.SendAsync($"POST http://origin.test/s.S/M HTTP/1.1\r\nHost: origin.test\r\nContent-Type: {type}\r\nContent-Length: {request.Length}\r\n\r\n{request}");
        var server = await origin.AcceptAsync();
        var atServer = await server.ReadMessageAsync();
        Assert.Contains(Form(Frame(0, "ASK"u8), isText), atServer, StringComparison.Ordinal);
        var trailers = Form(Frame(0x80, "grpc-status: 5\r\ngrpc-message: no%20such\r\n"u8), isText);
        var response = Form(Frame(0, "told"u8), isText) + trailers;
        await server.SendAsync($"HTTP/1.1 200 OK\r\nContent-Type: {type}\r\nContent-Length: {response.Length}\r\n\r\n{response}");
        var atClient = await client.ReadMessageAsync();
        Assert.Contains(Form(Frame(0, "TOLD"u8), isText), atClient, StringComparison.Ordinal);
        Assert.Contains(trailers, atClient, StringComparison.Ordinal);
        var http = (await proxy.FlowAsync()).Http();
        Assert.Equal(new FlowGrpc(5, "NOT_FOUND", "no such"), http.Grpc);
        Assert.Equal([("ASK", "ClientToServer", "GrpcMessage"), ("TOLD", "ServerToClient", "GrpcMessage")], http.Messages!.Select(x => (x.Content.Content, x.Direction, x.Opcode)));
    }

    [Fact]
    public async Task Grpc_ResponseWithoutABody_HasItsStatusInTheHead()
    {
        await using var proxy = await TestProxy.StartAsync();
        var (client, _) = await OpenAsync(proxy, "HTTP/1.1 200 OK\r\nContent-Type: application/grpc\r\ngrpc-status: 12\r\nContent-Length: 0\r\n\r\n");
        await client.ReadMessageAsync();
        Assert.Equal(new FlowGrpc(12, "UNIMPLEMENTED", null), (await proxy.FlowAsync()).Http().Grpc);
    }

    [Fact]
    public async Task ServerResetsTheStream_MessagesAreKeptAndTheEndHasTheFault()
    {
        var actor = new Actor();
        await using var proxy = await TestProxy.StartAsync(x => x with { Interceptors = [actor] });
        var (client, server) = await OpenAsync(proxy, Head);
        await client.ReadHeadAsync();
        await server.SendAsync("9\r\ndata: a\n\n\r\n7\r\ndata: b\r\n");
        await client.ReadAsync(14);
        await server.ProxyReceivesAsync();
        server.Reset();
        await client.DrainAsync();
        var flow = await proxy.FlowAsync();
        Assert.Equal([("a", false), ("b", true)], flow.Http().Messages!.Select(x => (x.Content.Content, x.Incomplete)));
        Assert.Equal(["start ServerSentEvents", "end " + flow.Error()!.Code], actor.Log);
        Assert.Equal(0, proxy.Engine.MessageSessions.Count);
    }

    [Fact]
    public async Task ClientGoesAway_WhileSomethingIsInjected_EndsTheSession()
    {
        await using var proxy = await TestProxy.StartAsync();
        var (client, server) = await OpenAsync(proxy, Head);
        await client.ReadHeadAsync();
        var session = Session(proxy);
        client.Reset();
        Assert.True(session.TryInject(PeerRole.Server, s_hello));
        Assert.True((await server.DrainAsync()).WasReset);
        Assert.NotNull((await proxy.FlowAsync()).Error());
    }

    [Fact]
    public async Task Http10Client_EditedStream_EndsWithTheConnection()
    {
        await using var proxy = await TestProxy.StartAsync(x => x with { Interceptors = [new Actor { OnMessage = Shout }] });
        var origin = proxy.Origin();
        var client = proxy.Connect();
        await client.SendAsync("GET http://origin.test/ HTTP/1.0\r\nHost: origin.test\r\n\r\n");
        var server = await origin.AcceptAsync();
        await server.ReadHeadAsync();
        await server.SendAsync(Head + "9\r\ndata: a\n\n\r\n0\r\n\r\n");
        Assert.EndsWith("\r\n\r\ndata: A\n\n", await client.ReadToEndAsync(), StringComparison.Ordinal);
    }

    private static void Shout(MessageContext context, Message message) => message.Replace(Encoding.UTF8.GetBytes(Encoding.UTF8.GetString(message.Content.Span).ToUpperInvariant()));

    private static async Task<(TestPeer Client, TestPeer Server)> OpenAsync(TestProxy proxy, string head, TestOrigin? origin = null)
    {
        origin ??= proxy.Origin();
        var client = proxy.Connect();
        await client.SendAsync(Get);
        var server = await origin.AcceptAsync();
        await server.ReadHeadAsync();
        await server.SendAsync(head);
        return (client, server);
    }

    private static IMessageSession Session(TestProxy proxy)
    {
        Assert.True(FlowId.TryParse(proxy.Store.List(new() { Limit = 1 }).First().Id, out var id));
        Assert.True(proxy.Engine.MessageSessions.TryGet(id, out var session));
        return session;
    }

    private static byte[] Frame(byte flags, ReadOnlySpan<byte> content) => [flags, 0, 0, 0, (byte)content.Length, .. content];

    private static string Form(byte[] frame, bool isText) => isText ? Convert.ToBase64String(frame) : Encoding.Latin1.GetString(frame);

    private static string Chunk(byte[] data) => $"{data.Length:x}\r\n{Encoding.Latin1.GetString(data)}\r\n";

    private sealed class Actor(Stage stages = Stage.Message | Stage.MessagesStart | Stage.MessagesEnd) : IInterceptor
    {
        public Action<MessageContext, Message>? OnMessage { get; init; }

        public Verdict Verdict { get; init; } = Verdict.Continue;

        public List<string> Log { get; } = [];

        public string Name => "actor";

        public InterceptorNeeds Needs => new() { Stages = stages };

        public ValueTask<Verdict> OnMessagesStartAsync(MessageContext context, CancellationToken cancellationToken)
        {
            Log.Add($"start {context.Protocol}");
            return new(Verdict);
        }

        public ValueTask OnMessageAsync(MessageContext context, Message message, CancellationToken cancellationToken)
        {
            OnMessage?.Invoke(context, message);
            return default;
        }

        public ValueTask OnMessagesEndAsync(MessageContext context, FlowFault? fault, CancellationToken cancellationToken)
        {
            Log.Add($"end {fault?.Code}");
            return default;
        }
    }

    private sealed class Encoder : IDisposable
    {
        private readonly MemoryStream _output = new();
        private readonly Stream _encoder;

        public Encoder(string coding) => _encoder = coding == "gzip" ? new GZipStream(_output, CompressionLevel.Fastest) : new BrotliStream(_output, CompressionLevel.Fastest);

        public byte[] Flush(string text)
        {
            _encoder.Write(Encoding.UTF8.GetBytes(text));
            _encoder.Flush();
            var octets = _output.ToArray();
            _output.SetLength(0);
            return octets;
        }

        public void Dispose()
        {
            _encoder.Dispose();
            _output.Dispose();
        }
    }
}
