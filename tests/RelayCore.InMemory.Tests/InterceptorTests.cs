using System.Text;
using RelayCore.Core.Faults;
using RelayCore.Core.Interception;
using RelayCore.Core.Messages;
using RelayCore.Protocols;
using RelayCore.Protocols.Fields;
using RelayCore.Testing;
using Xunit;

namespace RelayCore.InMemory.Tests;

public sealed class InterceptorTests
{
    private const string Get = "GET http://origin.test/ HTTP/1.1\r\nHost: origin.test\r\n\r\n";
    private const string Ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    private const string ChunkedPost = "POST http://origin.test/ HTTP/1.1\r\nHost: origin.test\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n3\r\ndef\r\n0\r\nT: v\r\n\r\n";
    private const string ChunkedOk = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n3\r\ndef\r\n0\r\nT: v\r\n\r\n";

    private static Task<TestProxy> StartAsync(params IInterceptor[] interceptors) => TestProxy.StartAsync(x => x with { Interceptors = interceptors });

    [Fact]
    public async Task RequestHead_Edits_ChangeOnlyTheirLinesAndAreRecorded()
    {
        await using var proxy = await StartAsync(new Actor(Stage.RequestHead)
        {
            Head = static exchange =>
            {
                exchange.Request.Path = "/new";
                exchange.Request.Fields.Set("X-Old", "2");
                exchange.Request.Fields.Add("X-New", "3");
                return Verdict.Continue;
            },
        });
        var origin = proxy.Origin();
        var (atServer, _) = await proxy.ExchangeAsync(proxy.Connect(), origin, "GET http://origin.test/old HTTP/1.1\r\nhost: origin.test\r\nx-OLD:1\r\nKeep:  me \r\n\r\n", Ok);
        Assert.Equal("GET /new HTTP/1.1\r\nhost: origin.test\r\nx-OLD: 2\r\nKeep:  me \r\nX-New: 3\r\n\r\n", atServer);
        var flow = await proxy.FlowAsync();
        Assert.Equal("http://origin.test/new", flow.Http().Request!.Url);
        Assert.Equal("http://origin.test/old", flow.Http().Request!.Received!.Url);
        Assert.Contains(flow.Mutations!, x => x is { Actor: "actor", Stage: "request_head", Target: "request.path", Before: "/old", After: "/new" });
        Assert.Contains(flow.Mutations!, x => x is { Before: "1", After: "2" });
    }

    [Fact]
    public async Task RequestHead_Redirect_GoesThere()
    {
        await using var proxy = await StartAsync(new Actor(Stage.RequestHead) { Head = static _ => new Verdict.RedirectTarget(new(false, "other.test", 81)) });
        var other = proxy.Origin("other.test", 81);
        var (atServer, _) = await proxy.ExchangeAsync(proxy.Connect(), other, Get, Ok);
        Assert.Equal("GET / HTTP/1.1\r\nHost: origin.test\r\n\r\n", atServer);
    }

    [Fact]
    public async Task RequestHead_Respond_AnswersWithoutTheServerAndKeepsTheConnection()
    {
        await using var proxy = await StartAsync(new Actor(Stage.RequestHead)
        {
            Head = static _ => new Verdict.Respond(201, [new("X-A", "1"), new("Content-Length", "99"), new("bad name", "x")], "made"u8.ToArray()),
        });
        var client = proxy.Connect();
        for (var i = 0; i < 2; i++)
        {
            await client.SendAsync(Get);
            Assert.Equal("HTTP/1.1 201 Created\r\nX-A: 1\r\nContent-Length: 4\r\n\r\nmade", await client.ReadMessageAsync());
        }

        Assert.Empty(proxy.Network.Connects);
        Assert.All(await proxy.FlowsAsync(2), x => Assert.Contains("response_generated", x.Marks));
    }

    [Fact]
    public async Task RequestHead_DropAndAbort_RefuseAndReset()
    {
        await using (var proxy = await StartAsync(new Actor(Stage.RequestHead) { Head = static _ => new Verdict.Drop("not today") }))
        {
            var client = proxy.Connect();
            await client.SendAsync(Get);
            FlowViews.AssertGenerated(await client.ReadMessageAsync(), 403, "RC-POL-001");
        }

        await using (var proxy = await StartAsync(new Actor(Stage.RequestHead) { Head = static _ => new Verdict.Abort("gone") }))
        {
            var client = proxy.Connect();
            await client.SendAsync(Get);
            Assert.Equal(("", true), await client.DrainAsync());
            Assert.Equal(("RC-POL-002", "reset"), ((await proxy.FlowAsync()).Error()!.Code, (await proxy.FlowAsync()).CloseReason!.Reason));
        }
    }

    [Theory]
    [InlineData(Stage.RequestHead)]
    [InlineData(Stage.RequestBody)]
    [InlineData(Stage.ResponseHead)]
    [InlineData(Stage.ResponseBody)]
    [InlineData(Stage.RequestChunk)]
    [InlineData(Stage.ResponseChunk)]
    [InlineData(Stage.Trailers)]
    [InlineData(Stage.Completed)]
    public async Task Throwing_AtAnyStage_EditsAreTakenBackAndTheFlowIsMarked(Stage stage)
    {
        await using var proxy = await StartAsync(new Actor(stage) { Throws = true });
        var origin = proxy.Origin();
        var client = proxy.Connect();
        var (atServer, atClient) = await proxy.ExchangeAsync(client, origin, ChunkedPost, ChunkedOk);
        Assert.Equal(ChunkedPost.Replace("http://origin.test", "", StringComparison.Ordinal), atServer);
        Assert.Equal(ChunkedOk, atClient);
        var flow = await proxy.FlowAsync();
        if (stage != Stage.Completed)
        {
            Assert.Contains("interceptor_failed", flow.Marks);
            Assert.Contains(flow.Mutations!, x => x.Target == "error" && x.After!.Contains("deliberate", StringComparison.Ordinal));
        }
    }

    [Theory]
    [InlineData("POST http://origin.test/ HTTP/1.1\r\nHost: origin.test\r\nContent-Length: 3\r\n\r\nabc")]
    [InlineData("POST http://origin.test/ HTTP/1.1\r\nHost: origin.test\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n")]
    public async Task RequestBody_Replaced_IsFramedAnewByLength(string request)
    {
        await using var proxy = await StartAsync(new Actor(Stage.RequestBody) { Body = static body => body.ReplaceContent(Encoding.ASCII.GetBytes(Encoding.ASCII.GetString(body.Content.Span) + "-more")) });
        var origin = proxy.Origin();
        var (atServer, _) = await proxy.ExchangeAsync(proxy.Connect(), origin, request, Ok);
        Assert.Equal("POST / HTTP/1.1\r\nHost: origin.test\r\nContent-Length: 8\r\n\r\nabc-more", atServer);
        var flow = await proxy.FlowAsync();
        Assert.Contains(flow.Mutations!, x => x is { Target: "request.body", Before: "3 octets", After: "8 octets" });
        Assert.Equal(("abc-more", "abc"), (flow.Http().Request!.Body!.Content, flow.Http().Request!.Received!.Body!.Content));
    }

    [Theory]
    [InlineData("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", false)]
    [InlineData("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", false)]
    [InlineData("HTTP/1.1 200 OK\r\n\r\nabc", true)]
    public async Task ResponseBody_Replaced_IsFramedAnewByLength(string response, bool closes)
    {
        await using var proxy = await StartAsync(new Actor(Stage.ResponseBody) { Body = static body => body.ReplaceContent("other"u8.ToArray()) });
        var origin = proxy.Origin();
        var client = proxy.Connect();
        await client.SendAsync(Get);
        var server = await origin.AcceptAsync();
        await server.ReadHeadAsync();
        await server.SendAsync(response);
        if (closes)
        {
            server.Close();
        }

        Assert.Equal("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nother", await client.ReadMessageAsync());
        Assert.Equal("other", (await proxy.FlowAsync()).Http().Response!.Body!.Content);
    }

    [Fact]
    public async Task Body_LookedAtOnly_StaysByteIdentical()
    {
        await using var proxy = await StartAsync(new Actor(Stage.RequestBody | Stage.ResponseBody) { Body = static body => Assert.Equal("abcdef", Encoding.ASCII.GetString(body.Content.Span)) });
        var origin = proxy.Origin();
        var (atServer, atClient) = await proxy.ExchangeAsync(proxy.Connect(), origin, ChunkedPost, ChunkedOk);
        Assert.Equal(ChunkedPost.Replace("http://origin.test", "", StringComparison.Ordinal), atServer);
        Assert.Equal(ChunkedOk, atClient);
    }

    [Fact]
    public async Task Body_OverTheLimit_FlowsWholeAndTheActorIsSkipped()
    {
        await using var proxy = await StartAsync(new Actor(Stage.RequestBody | Stage.ResponseBody) { MaxBody = 4, Body = static _ => Assert.Fail("must not be called") });
        var origin = proxy.Origin();
        var client = proxy.Connect();
        for (var i = 0; i < 2; i++)
        {
            // All octets are there at once: nobody may wait for more.
            var (atServer, atClient) = await proxy.ExchangeAsync(client, origin, ChunkedPost.Replace("\r\nHost", "\r\nConnection: x\r\nHost", StringComparison.Ordinal), ChunkedOk.Replace("OK\r\n", "OK\r\nConnection: close\r\n", StringComparison.Ordinal));
            Assert.Equal(ChunkedPost.Replace("http://origin.test", "", StringComparison.Ordinal), atServer);
            Assert.Equal(ChunkedOk, atClient);
        }

        Assert.All(await proxy.FlowsAsync(2), x => Assert.Contains("body_actor_skipped", x.Marks));
    }

    [Fact]
    public async Task Body_OverTheLimitWithRefuse_Is413Or502()
    {
        foreach (var stage in (Stage[])[Stage.RequestBody, Stage.ResponseBody])
        {
            await using var proxy = await StartAsync(new Actor(stage) { MaxBody = 4, Breach = BodyBreach.Refuse });
            var origin = proxy.Origin();
            var client = proxy.Connect();
            await client.SendAsync(ChunkedPost);
            if (stage == Stage.ResponseBody)
            {
                var server = await origin.AcceptAsync();
                await server.ReadMessageAsync();
                await server.SendAsync(ChunkedOk);
            }

            FlowViews.AssertGenerated(await client.ReadMessageAsync(), stage == Stage.RequestBody ? 413 : 502, stage == Stage.RequestBody ? "RC-HTTP-306" : "RC-HTTP-307");
        }
    }

    [Fact]
    public async Task RequestBody_Buffered_AnswersExpectItself()
    {
        await using var proxy = await StartAsync(new Actor(Stage.RequestBody));
        var origin = proxy.Origin();
        var client = proxy.Connect();
        await client.SendAsync("POST http://origin.test/ HTTP/1.1\r\nHost: origin.test\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n");
        Assert.Equal("HTTP/1.1 100 Continue\r\n\r\n", await client.ReadHeadAsync());
        var (atServer, _) = await proxy.ExchangeAsync(client, origin, "abc", Ok);
        Assert.Equal("POST / HTTP/1.1\r\nHost: origin.test\r\nContent-Length: 3\r\n\r\nabc", atServer);
    }

    [Theory]
    [InlineData("Content-Length: 6\r\n\r\nabcdef")]
    [InlineData("Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n3\r\ndef\r\n0\r\n\r\n")]
    public async Task Chunks_Edited_AreFramedAsChunks(string body)
    {
        await using var proxy = await StartAsync(new Actor(Stage.RequestChunk | Stage.ResponseChunk) { Chunk = static chunk => chunk.Replace(Encoding.ASCII.GetBytes(Encoding.ASCII.GetString(chunk.Data.Span).ToUpperInvariant())) });
        var origin = proxy.Origin();
        var (atServer, atClient) = await proxy.ExchangeAsync(proxy.Connect(), origin, "POST http://origin.test/ HTTP/1.1\r\nHost: origin.test\r\n" + body, "HTTP/1.1 200 OK\r\n" + body);
        var expected = body.StartsWith('C') ? "6\r\nABCDEF\r\n0\r\n\r\n" : "3\r\nABC\r\n3\r\nDEF\r\n0\r\n\r\n";
        Assert.Equal("POST / HTTP/1.1\r\nHost: origin.test\r\nTransfer-Encoding: chunked\r\n\r\n" + expected, atServer);
        Assert.Equal("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + expected, atClient);
        var flow = await proxy.FlowAsync();
        Assert.Equal(("ABCDEF", "ABCDEF"), (flow.Http().Request!.Body!.Content, flow.Http().Response!.Body!.Content));
    }

    [Fact]
    public async Task Chunks_OfAnHttp10Server_AreNotSentAsChunks()
    {
        await using var proxy = await StartAsync(new Actor(Stage.ResponseChunk) { Chunk = static chunk => chunk.Replace("X"u8.ToArray()) });
        var origin = proxy.Origin();
        var client = proxy.Connect();
        await client.SendAsync(Get);
        var server = await origin.AcceptAsync();
        await server.ReadHeadAsync();
        await server.SendAsync("HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nabc");
        Assert.Equal("HTTP/1.0 200 OK\r\nConnection: close\r\n\r\nX", await client.ReadToEndAsync());
    }

    [Fact]
    public async Task Trailers_Edited_AreSent()
    {
        await using var proxy = await StartAsync(new Actor(Stage.Trailers) { Trailers = static trailers => trailers.Set("T", "w") });
        var origin = proxy.Origin();
        var (atServer, atClient) = await proxy.ExchangeAsync(proxy.Connect(), origin, ChunkedPost, ChunkedOk);
        Assert.EndsWith("0\r\nT: w\r\n\r\n", atServer, StringComparison.Ordinal);
        Assert.EndsWith("0\r\nT: w\r\n\r\n", atClient, StringComparison.Ordinal);
    }

    [Fact]
    public async Task ResponseHead_EditsAndRespond_ReachTheClient()
    {
        await using (var proxy = await StartAsync(new Actor(Stage.ResponseHead) { Head = static exchange => { exchange.Response.Status = 404; exchange.Response.Fields.Add("X-B", "1"); return Verdict.Continue; } }))
        {
            var origin = proxy.Origin();
            var (_, atClient) = await proxy.ExchangeAsync(proxy.Connect(), origin, Get, Ok);
            Assert.Equal("HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\nX-B: 1\r\n\r\nok", atClient);
        }

        await using (var proxy = await StartAsync(new Actor(Stage.ResponseHead) { Head = static _ => new Verdict.Respond(503, [], "mine"u8.ToArray()) }))
        {
            var origin = proxy.Origin();
            var (_, atClient) = await proxy.ExchangeAsync(proxy.Connect(), origin, Get, Ok);
            Assert.Equal("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 4\r\n\r\nmine", atClient);
            Assert.Equal(200, (await proxy.FlowAsync()).Http().Response!.Received!.Status);
        }
    }

    [Fact]
    public async Task Connect_Verdicts_AreCarriedOut()
    {
        await using (var proxy = await StartAsync(new Actor(Stage.Connect) { Tunnel = static _ => new Verdict.Drop("no") }))
        {
            var client = proxy.Connect();
            await client.SendAsync("CONNECT origin.test:9000 HTTP/1.1\r\nHost: origin.test:9000\r\n\r\n");
            FlowViews.AssertGenerated(await client.ReadMessageAsync(), 403, "RC-POL-001");
        }

        await using (var proxy = await StartAsync(new Actor(Stage.Connect) { Tunnel = static _ => new Verdict.RedirectTarget(new(false, "other.test", 9001)) }))
        {
            var other = proxy.Origin("other.test", 9001);
            var client = proxy.Connect();
            await client.SendAsync("CONNECT origin.test:9000 HTTP/1.1\r\nHost: origin.test:9000\r\n\r\n\x01");
            await client.ReadHeadAsync();
            var server = await other.AcceptAsync();
            Assert.Equal("\x01", await server.ReadAsync(1));
            server.Close();
            await client.ReadToEndAsync();
        }
    }

    [Fact]
    public async Task Tunnel_Chunks_AreEdited()
    {
        await using var proxy = await StartAsync(new Actor(Stage.TunnelChunk) { Chunk = static chunk => chunk.Replace("<"u8.ToArray(), chunk.Data.ToArray(), ">"u8.ToArray()) });
        var origin = proxy.Origin(port: 9000);
        var client = proxy.Connect();
        await client.SendAsync("CONNECT origin.test:9000 HTTP/1.1\r\nHost: origin.test:9000\r\n\r\n\x01");
        await client.ReadHeadAsync();
        var server = await origin.AcceptAsync();
        Assert.Equal("<\x01>", await server.ReadAsync(3));
        await server.SendAsync("hi");
        Assert.Equal("<hi>", await client.ReadAsync(4));
        server.Close();
        await client.ReadToEndAsync();
    }

    [Fact]
    public async Task ErrorAndCompleted_AreToldOnce()
    {
        var actor = new Actor(Stage.Error | Stage.Completed);
        await using var proxy = await StartAsync(actor);
        var client = proxy.Connect();
        await client.SendAsync("GET http://10.3.3.3/ HTTP/1.1\r\nHost: 10.3.3.3\r\n\r\n");
        await client.ReadMessageAsync();
        client.Close();
        await TestProxy.UntilAsync(() => proxy.Engine.ClientConnections == 0, () => "the session did not end");
        Assert.Equal(("RC-CONN-001", 1), (actor.LastFault, actor.Completions));
    }

    /// <summary>An interceptor made of functions.</summary>
    private sealed class Actor(Stage stages) : IInterceptor
    {
        public Func<Exchange, Verdict>? Head { get; init; }

        public Func<ConnectContext, Verdict>? Tunnel { get; init; }

        public Action<MessageBody>? Body { get; init; }

        public Action<BodyChunk>? Chunk { get; init; }

        public Action<FieldSection>? Trailers { get; init; }

        public bool Throws { get; init; }

        public long MaxBody { get; init; } = 1024;

        public BodyBreach Breach { get; init; }

        public string? LastFault { get; private set; }

        public int Completions { get; private set; }

        public string Name => "actor";

        public InterceptorNeeds Needs => new() { Stages = stages, MaxBody = MaxBody, Breach = Breach };

        public ValueTask<Verdict> OnConnectAsync(ConnectContext context, CancellationToken cancellationToken) => new(Tunnel?.Invoke(context) ?? Verdict.Continue);

        public ValueTask<Verdict> OnRequestHeadAsync(Exchange exchange, CancellationToken cancellationToken) => OnHead(exchange, exchange.Request.Fields);

        public ValueTask<Verdict> OnResponseHeadAsync(Exchange exchange, CancellationToken cancellationToken) => OnHead(exchange, exchange.Response.Fields);

        public ValueTask<Verdict> OnRequestBodyAsync(Exchange exchange, MessageBody body, CancellationToken cancellationToken) => OnBody(exchange.Request.Fields, body);

        public ValueTask<Verdict> OnResponseBodyAsync(Exchange exchange, MessageBody body, CancellationToken cancellationToken) => OnBody(exchange.Response.Fields, body);

        public ValueTask OnRequestChunkAsync(Exchange exchange, BodyChunk chunk, CancellationToken cancellationToken) => OnChunk(chunk);

        public ValueTask OnResponseChunkAsync(Exchange exchange, BodyChunk chunk, CancellationToken cancellationToken) => OnChunk(chunk);

        public ValueTask OnTunnelChunkAsync(TunnelContext tunnel, PeerRole sender, BodyChunk chunk, CancellationToken cancellationToken) => OnChunk(chunk);

        public ValueTask OnTrailersAsync(Exchange exchange, PeerRole sender, FieldSection trailers, CancellationToken cancellationToken)
        {
            Trailers?.Invoke(trailers);
            Fail(trailers);
            return default;
        }

        public ValueTask OnErrorAsync(FlowContext flow, FlowFault fault, CancellationToken cancellationToken)
        {
            LastFault = fault.Code;
            return default;
        }

        public ValueTask OnCompletedAsync(Exchange exchange, CancellationToken cancellationToken)
        {
            Completions++;
            Fail(null);
            return default;
        }

        private ValueTask<Verdict> OnHead(Exchange exchange, FieldSection fields)
        {
            var verdict = Head?.Invoke(exchange) ?? Verdict.Continue;
            Fail(fields);
            return new(verdict);
        }

        private ValueTask<Verdict> OnBody(FieldSection fields, MessageBody body)
        {
            Body?.Invoke(body);
            if (Throws)
            {
                body.ReplaceContent("spoilt"u8.ToArray());
            }

            Fail(fields);
            return new(Verdict.Continue);
        }

        private ValueTask OnChunk(BodyChunk chunk)
        {
            Chunk?.Invoke(chunk);
            if (Throws)
            {
                chunk.Replace("spoilt"u8.ToArray());
            }

            Fail(null);
            return default;
        }

        private void Fail(FieldSection? fields)
        {
            if (Throws)
            {
                fields?.Add("X-Spoilt", "1");
                throw new InvalidOperationException("deliberate");
            }
        }
    }
}
