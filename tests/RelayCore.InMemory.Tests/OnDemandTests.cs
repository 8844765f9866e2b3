using System.Text;
using RelayCore.Core.Interception;
using RelayCore.Core.Messages;
using RelayCore.InMemory.Tests.Http2;
using RelayCore.Protocols;
using RelayCore.Protocols.Fields;
using RelayCore.Protocols.Http2;
using RelayCore.Testing;
using Xunit;

namespace RelayCore.InMemory.Tests;

/// <summary>Stages an interceptor wants of some exchanges only: the others pass octet for octet.</summary>
public sealed class OnDemandTests
{
    private const Stage Bodies = Stage.RequestBody | Stage.ResponseBody;
    private const Stage Chunks = Stage.RequestChunk | Stage.ResponseChunk;
    private const string Chunked = "Transfer-Encoding: chunked\r\n\r\n3;ext=1\r\nabc\r\n3\r\ndef\r\n0\r\nT: v\r\n\r\n";

    private static string Post(string path) => $"POST http://origin.test{path} HTTP/1.1\r\nHost: origin.test\r\n{Chunked}";

    [Theory]
    [InlineData(Bodies)]
    [InlineData(Chunks)]
    [InlineData(Stage.Trailers)]
    [InlineData(Bodies | Chunks | Stage.Trailers | Stage.Completed | Stage.Message)]
    public async Task Http1_NotWanted_PassesOctetForOctet(Stage stages)
    {
        var actor = new Chooser(stages);
        await using var proxy = await TestProxy.StartAsync(x => x with { Interceptors = [actor] });
        var origin = proxy.Origin();
        var response = "HTTP/1.1 200 OK\r\n" + Chunked;
        var (atServer, atClient) = await proxy.ExchangeAsync(proxy.Connect(), origin, Post("/plain"), response);
        Assert.Equal(Post("/plain").Replace("http://origin.test", "", StringComparison.Ordinal), atServer);
        Assert.Equal(response, atClient);
        Assert.Empty((await proxy.FlowAsync()).Mutations ?? []);
        Assert.Equal((0, 0), (actor.Bodies, actor.Completions));
    }

    [Fact]
    public async Task Http1_Wanted_IsHeldAndEdited_AndTheNextOnTheConnectionIsNot()
    {
        var actor = new Chooser(Bodies | Stage.Completed);
        await using var proxy = await TestProxy.StartAsync(x => x with { Interceptors = [actor] });
        var origin = proxy.Origin();
        var client = proxy.Connect();
        await client.SendAsync(Post("/want"));
        var server = await origin.AcceptAsync();
        var (atServer, atClient) = await proxy.ExchangeAsync(client, server, null, "HTTP/1.1 200 OK\r\n" + Chunked);
        Assert.Equal("POST /want HTTP/1.1\r\nHost: origin.test\r\nContent-Length: 7\r\n\r\nabcdef!", atServer);
        Assert.Equal("HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nabcdef!", atClient);
        await TestProxy.UntilAsync(() => actor.Completions == 1, () => "the end was not told");
        Assert.Equal((2, 1, 6L, 6L), (actor.Bodies, actor.Completions, actor.RequestOctets, actor.ResponseOctets));

        await client.SendAsync(Post("/plain"));
        Assert.Equal(Post("/plain").Replace("http://origin.test", "", StringComparison.Ordinal), await server.ReadMessageAsync());
        await server.SendAsync("HTTP/1.1 200 OK\r\n" + Chunked);
        Assert.Equal("HTTP/1.1 200 OK\r\n" + Chunked, await client.ReadMessageAsync());
        await proxy.FlowsAsync(2);
        Assert.Equal((2, 1), (actor.Bodies, actor.Completions));
    }

    [Fact]
    public async Task Http1_ChunksWanted_AreEditedOnTheirWay()
    {
        var actor = new Chooser(Chunks);
        await using var proxy = await TestProxy.StartAsync(x => x with { Interceptors = [actor] });
        var (atServer, atClient) = await proxy.ExchangeAsync(proxy.Connect(), proxy.Origin(), Post("/want"), "HTTP/1.1 200 OK\r\n" + Chunked);
        Assert.Equal("POST /want HTTP/1.1\r\nHost: origin.test\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nABC\r\n3\r\nDEF\r\n0\r\nT: v\r\n\r\n", atServer);
        Assert.Equal("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nABC\r\n3\r\nDEF\r\n0\r\nT: v\r\n\r\n", atClient);
    }

    [Fact]
    public async Task Http1_WantedAtTheResponse_HoldsTheResponseAlone()
    {
        var actor = new Chooser(Bodies) { WantsAtResponse = Stage.ResponseBody };
        await using var proxy = await TestProxy.StartAsync(x => x with { Interceptors = [actor] });
        var (atServer, atClient) = await proxy.ExchangeAsync(proxy.Connect(), proxy.Origin(), Post("/late"), "HTTP/1.1 200 OK\r\n" + Chunked);
        Assert.Equal(Post("/late").Replace("http://origin.test", "", StringComparison.Ordinal), atServer);
        Assert.Equal("HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nabcdef!", atClient);
    }

    [Fact]
    public async Task Http1_OverTheLimit_SkipsOrRefusesWhereWantedOnly()
    {
        var actor = new Chooser(Bodies) { MaxBody = 4, Breach = BodyBreach.Refuse };
        await using var proxy = await TestProxy.StartAsync(x => x with { Interceptors = [actor] });
        var origin = proxy.Origin();
        var (atServer, _) = await proxy.ExchangeAsync(proxy.Connect(), origin, Post("/plain"), "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
        Assert.EndsWith(Chunked, atServer, StringComparison.Ordinal);
        var client = proxy.Connect();
        await client.SendAsync(Post("/want"));
        FlowViews.AssertGenerated(await client.ReadMessageAsync(), 413, "RC-HTTP-306");
    }

    [Fact]
    public async Task Http2_WantedAndNot_DifferByStream()
    {
        var actor = new Chooser(Bodies | Stage.Completed);
        await using var proxy = await Http2Scene.StartAsync(null, actor);
        var origin = proxy.Origin();
        var client = await Http2Scene.ClientAsync(proxy);
        Http2Peer? server = null;
        foreach (var (id, path, body) in ((int, string, string)[])[(1, "/want", "abcdef!"), (3, "/plain", "abcdef")])
        {
            await client.HeadersAsync(id, false, (":method", "POST"), (":scheme", "http"), (":authority", "origin.test"), (":path", path), ("content-length", "6"));
            await client.DataAsync(id, "abcdef", ends: true);
            server ??= await Http2Scene.ServerAsync(origin);
            var head = await server.ReadAsync(Http2FrameType.Headers);
            Assert.Equal((path, body.Length.ToString(System.Globalization.CultureInfo.InvariantCulture)), (head[":path"], head["content-length"]));
            Assert.Equal(body, (await server.ReadAsync(Http2FrameType.Data)).Text);
            await server.HeadersAsync(head.StreamId, false, (":status", "200"));
            await server.DataAsync(head.StreamId, "abcdef", ends: true);
            var answer = await client.ReadAsync(Http2FrameType.Headers);
            Assert.Equal(path == "/want" ? "7" : null, answer["content-length"]);
            Assert.Equal(body, (await client.ReadAsync(Http2FrameType.Data)).Text);
        }

        await proxy.FlowsAsync(2);
        await TestProxy.UntilAsync(() => actor.Completions == 1, () => "the end was not told");
        Assert.Equal((2, 1, 6L, 6L), (actor.Bodies, actor.Completions, actor.RequestOctets, actor.ResponseOctets));
        Assert.True(actor.StartedAt > 0);
        client.Peer.Close();
    }

    [Fact]
    public async Task Http2ClientToHttp1Server_WantedAndNot_DifferByExchange()
    {
        var actor = new Chooser(Bodies);
        await using var proxy = await TestProxy.StartAsync(x => x with { Interceptors = [actor] });
        var origin = proxy.Origin();
        var client = new Http2Peer(proxy.Connect());
        await client.OpenAsClientAsync();
        foreach (var (id, path) in ((int, string)[])[(1, "/plain"), (3, "/want")])
        {
            await client.HeadersAsync(id, false, (":method", "POST"), (":scheme", "http"), (":authority", "origin.test"), (":path", path), ("content-length", "6"));
            await client.DataAsync(id, "abcdef", ends: true);
            var server = await origin.AcceptAsync();
            var length = path == "/want" ? 7 : 6;
            var request = await server.ReadMessageAsync();
            Assert.EndsWith("\r\n\r\nabcdef" + (length == 7 ? "!" : ""), request, StringComparison.Ordinal);
            await server.SendAsync("HTTP/1.1 200 OK\r\nConnection: close\r\n" + Chunked.Replace("T: v\r\n", "", StringComparison.Ordinal));
            var head = await client.ReadAsync(Http2FrameType.Headers);
            Assert.Equal(length == 7 ? "7" : null, head["content-length"]);
            var text = "";
            while (text.Length < length)
            {
                text += (await client.ReadAsync(Http2FrameType.Data)).Text;
            }

            Assert.Equal(length == 7 ? "abcdef!" : "abcdef", text);
        }

        client.Peer.Close();
    }

    /// <summary>Wants bodies of exchanges with a path that says so.</summary>
    private sealed class Chooser(Stage onDemand) : IInterceptor
    {
        public int Bodies { get; private set; }

        public int Completions { get; private set; }

        public long RequestOctets { get; private set; }

        public long ResponseOctets { get; private set; }

        public long StartedAt { get; private set; }

        public Stage WantsAtResponse { get; init; }

        public long MaxBody { get; init; } = 1024;

        public BodyBreach Breach { get; init; }

        public string Name => "chooser";

        public InterceptorNeeds Needs => new()
        {
            Stages = Stage.RequestHead | Stage.ResponseHead,
            OnDemand = onDemand,
            MaxBody = MaxBody,
            Breach = Breach,
            MayWait = false,
        };

        public ValueTask<Verdict> OnRequestHeadAsync(Exchange exchange, CancellationToken cancellationToken)
        {
            Assert.Equal(Stage.None, exchange.Wanted);
            if (exchange.Request.Path == "/want")
            {
                exchange.Want(onDemand);
            }

            return new(Verdict.Continue);
        }

        public ValueTask<Verdict> OnResponseHeadAsync(Exchange exchange, CancellationToken cancellationToken)
        {
            exchange.Want(WantsAtResponse);
            return new(Verdict.Continue);
        }

        public ValueTask<Verdict> OnRequestBodyAsync(Exchange exchange, MessageBody body, CancellationToken cancellationToken) => Edit(body);

        public ValueTask<Verdict> OnResponseBodyAsync(Exchange exchange, MessageBody body, CancellationToken cancellationToken) => Edit(body);

        public ValueTask OnRequestChunkAsync(Exchange exchange, BodyChunk chunk, CancellationToken cancellationToken) => Edit(chunk);

        public ValueTask OnResponseChunkAsync(Exchange exchange, BodyChunk chunk, CancellationToken cancellationToken) => Edit(chunk);

        public ValueTask OnTrailersAsync(Exchange exchange, PeerRole sender, FieldSection trailers, CancellationToken cancellationToken)
        {
            Assert.NotEqual(Stage.None, exchange.Wanted);
            return default;
        }

        public ValueTask OnCompletedAsync(Exchange exchange, CancellationToken cancellationToken)
        {
            (RequestOctets, ResponseOctets, StartedAt) = (exchange.RequestBodyOctets, exchange.ResponseBodyOctets, exchange.StartedAt);
            Completions++;
            return default;
        }

        private ValueTask<Verdict> Edit(MessageBody body)
        {
            Bodies++;
            body.ReplaceContent(Encoding.ASCII.GetBytes(Encoding.ASCII.GetString(body.Content.Span) + "!"));
            return new(Verdict.Continue);
        }

        private static ValueTask Edit(BodyChunk chunk)
        {
            if (!chunk.Data.IsEmpty)
            {
                chunk.Replace(Encoding.ASCII.GetBytes(Encoding.ASCII.GetString(chunk.Data.Span).ToUpperInvariant()));
            }

            return default;
        }
    }
}
