using System.Text;
using RelayCore.Core.Faults;
using RelayCore.Core.Interception;
using RelayCore.Core.Messages;
using RelayCore.Protocols;
using RelayCore.Protocols.Fields;
using RelayCore.Protocols.Http2;
using RelayCore.Testing;
using Xunit;
using static RelayCore.InMemory.Tests.Http2.Http2Scene;

namespace RelayCore.InMemory.Tests.Http2;

/// <summary>Interceptors at every stage of an exchange over HTTP/2.</summary>
public sealed class Http2InterceptorTests
{
    [Fact]
    public async Task RequestHead_Changed_GoesOnChangedAndIsRecorded()
    {
        await using var proxy = await StartAsync(null, new Actor(Stage.RequestHead)
        {
            RequestHead = static x =>
            {
                x.Request.Path = "/new";
                x.Request.Method = "PUT";
                x.Request.Fields.Set("x-old", "2");
                x.Request.Fields.Add("X-New", "3");
                return Verdict.Continue;
            },
        });
        var origin = proxy.Origin();
        var client = await ClientAsync(proxy);
        await client.GetAsync(1, "/old", scheme: "http", fields: [("x-old", "1"), ("cookie", "a=1"), ("cookie", "b=2")]);
        var server = await ServerAsync(origin);
        var request = await server.ReadAsync(Http2FrameType.Headers);
        Assert.Equal(
            [(":method", "PUT"), (":scheme", "http"), (":authority", "origin.test"), (":path", "/new"), ("x-old", "2"), ("cookie", "a=1"), ("cookie", "b=2"), ("x-new", "3")],
            request.Fields.Select(x => (x.Name, x.Value)));
        await server.HeadersAsync(request.StreamId, true, (":status", "204"));
        await client.ReadAsync(Http2FrameType.Headers);
        var flow = await proxy.FlowAsync();
        Assert.Equal("http://origin.test/new", flow.Http().Request!.Url);
        Assert.Equal("http://origin.test/old", flow.Http().Request!.Received!.Url);
        Assert.Contains(flow.Mutations!, x => x is { Target: "request.path", Before: "/old", After: "/new" });
        client.Peer.Close();
    }

    [Fact]
    public async Task RequestHead_Redirect_GoesToAnotherServer()
    {
        await using var proxy = await StartAsync(null, new Actor(Stage.RequestHead) { RequestHead = static _ => new Verdict.RedirectTarget(new(false, "other.test", 81)) });
        var other = proxy.Origin("other.test", 81);
        var client = await ClientAsync(proxy);
        await client.GetAsync(1, scheme: "http");
        var peer = await other.AcceptAsync();
        Assert.Equal("GET / HTTP/1.1\r\nHost: origin.test\r\n\r\n", await peer.ReadHeadAsync()); // nobody said that this one speaks HTTP/2
        await peer.SendAsync("HTTP/1.1 204 No Content\r\n\r\n");
        Assert.Equal("204", (await client.ReadAsync(Http2FrameType.Headers))[":status"]);
        client.Peer.Close();
    }

    [Fact]
    public async Task RequestHead_Respond_AnswersWithoutServer()
    {
        await using var proxy = await StartAsync(null, new Actor(Stage.RequestHead)
        {
            RequestHead = static _ => new Verdict.Respond(201, [new("X-A", "1"), new("Content-Length", "99"), new("Connection", "close")], "made"u8.ToArray()),
        });
        var client = await ClientAsync(proxy);
        for (var id = 1; id <= 5; id += 2)
        {
            await client.GetAsync(id, scheme: "http");
            var head = await client.ReadAsync(Http2FrameType.Headers);
            Assert.Equal([(":status", "201"), ("x-a", "1"), ("content-length", "4")], head.Fields.Select(x => (x.Name, x.Value)));
            var data = await client.ReadAsync(Http2FrameType.Data);
            Assert.Equal(("made", true), (data.Text, data.Ends));
        }

        Assert.Empty(proxy.Network.Connects);
        Assert.All(await proxy.FlowsAsync(3), x => Assert.Contains("response_generated", x.Marks));
        client.Peer.Close();
    }

    [Fact]
    public async Task RequestHead_RespondToAnOpenPost_StopsItsBody()
    {
        await using var proxy = await StartAsync(null, new Actor(Stage.RequestHead) { RequestHead = static _ => new Verdict.Respond(403, [], "no"u8.ToArray()) });
        var client = await ClientAsync(proxy);
        await client.HeadersAsync(1, false, Post());
        await client.DataAsync(1, new byte[1000], ends: false);
        Assert.Equal("403", (await client.ReadAsync(Http2FrameType.Headers))[":status"]);
        Assert.True((await client.ReadAsync(Http2FrameType.Data)).Ends);
        await AssertResetAsync(client, 1, Http2ErrorCode.NoError); // §8.1
        Assert.Equal("completed", (await proxy.FlowAsync()).CloseReason!.Reason);
        client.Peer.Close();
    }

    [Fact]
    public async Task RequestHead_Drop_Is403AndAbortIsAReset()
    {
        await using (var proxy = await StartAsync(null, new Actor(Stage.RequestHead) { RequestHead = static _ => new Verdict.Drop("not today") }))
        {
            var client = await ClientAsync(proxy);
            await client.GetAsync(1, scheme: "http");
            var answer = await client.ReadAsync(Http2FrameType.Headers);
            Assert.Equal(("403", "RC-POL-001"), (answer[":status"], answer["x-relay-core-error"]));
            client.Peer.Close();
        }

        await using (var proxy = await StartAsync(null, new Actor(Stage.RequestHead) { RequestHead = static _ => new Verdict.Abort("gone") }))
        {
            var client = await ClientAsync(proxy);
            await client.GetAsync(1, scheme: "http");
            await AssertResetAsync(client, 1, Http2ErrorCode.Cancel);
            Assert.Equal("RC-POL-002", (await proxy.FlowAsync()).Error()!.Code);
            await client.GetAsync(3, scheme: "http"); // the stream, not the connection
            await AssertResetAsync(client, 3, Http2ErrorCode.Cancel);
            client.Peer.Close();
        }
    }

    [Theory]
    [InlineData("respond")]
    [InlineData("drop")]
    [InlineData("abort")]
    public async Task ResponseHead_Verdict_ReplacesTheServersAnswer(string kind)
    {
        var actor = new Actor(Stage.ResponseHead)
        {
            ResponseHead = _ => kind switch
            {
                "respond" => new Verdict.Respond(299, [], "own"u8.ToArray()),
                "drop" => new Verdict.Drop("no"),
                _ => new Verdict.Abort("no"),
            },
        };
        await using var proxy = await StartAsync(null, actor);
        var (client, server, request) = await GetAsync(proxy, proxy.Origin());
        await server.HeadersAsync(request.StreamId, false, Ok());
        await AssertResetAsync(server, request.StreamId, Http2ErrorCode.Cancel);
        if (kind == "abort")
        {
            await AssertResetAsync(client, 1, Http2ErrorCode.Cancel);
        }
        else
        {
            Assert.Equal(kind == "respond" ? "299" : "403", (await client.ReadAsync(Http2FrameType.Headers))[":status"]);
            await client.ReadAsync(Http2FrameType.Data);
        }

        await proxy.FlowAsync();
        actor.ResponseHead = null;
        await AssertServesAsync(client, server, 3);
        client.Peer.Close();
    }

    [Fact]
    public async Task Bodies_Replaced_AreSentWithTheirLength()
    {
        await using var proxy = await StartAsync(null, new Actor(Stage.RequestBody | Stage.ResponseBody)
        {
            Body = static x => x.ReplaceContent(Encoding.ASCII.GetBytes(Encoding.ASCII.GetString(x.Content.Span) + "-more")),
        });
        var origin = proxy.Origin();
        var client = await ClientAsync(proxy);
        await client.HeadersAsync(1, false, Post(("content-length", "3")));
        await client.DataAsync(1, "abc", ends: true);
        var server = await ServerAsync(origin);
        var request = await server.ReadAsync(Http2FrameType.Headers);
        Assert.Equal("8", request["content-length"]);
        var data = await server.ReadAsync(Http2FrameType.Data);
        Assert.Equal(("abc-more", true), (data.Text, data.Ends));
        await server.HeadersAsync(request.StreamId, false, Ok(("content-length", "2")));
        await server.DataAsync(request.StreamId, "xy", ends: true);
        Assert.Equal("7", (await client.ReadAsync(Http2FrameType.Headers))["content-length"]);
        Assert.Equal("xy-more", (await client.ReadAsync(Http2FrameType.Data)).Text);
        var flow = await proxy.FlowAsync();
        Assert.Equal(("abc-more", "abc"), (flow.Http().Request!.Body!.Content, flow.Http().Request!.Received!.Body!.Content));
        client.Peer.Close();
    }

    [Fact]
    public async Task Chunks_Edited_GoOnEditedWithoutLength()
    {
        await using var proxy = await StartAsync(null, new Actor(Stage.RequestChunk | Stage.ResponseChunk)
        {
            Chunk = static x => x.Replace(Encoding.ASCII.GetBytes(Encoding.ASCII.GetString(x.Data.Span).ToUpperInvariant() + (x.IsLast ? "!" : "."))),
        });
        var (client, server, request) = await PostAsync(proxy, proxy.Origin(), ("content-length", "6"));
        Assert.Null(request["content-length"]);
        await client.DataAsync(1, "abc", ends: false);
        Assert.Equal("ABC.", (await server.ReadAsync(Http2FrameType.Data)).Text);
        await client.DataAsync(1, "def", ends: true);
        Assert.Equal("DEF!", await BodyAsync(server));
        await server.HeadersAsync(request.StreamId, false, Ok(("content-length", "3")));
        await server.DataAsync(request.StreamId, "xyz", ends: true);
        Assert.Null((await client.ReadAsync(Http2FrameType.Headers))["content-length"]);
        Assert.Equal("XYZ!", await BodyAsync(client));
        client.Peer.Close();
    }

    [Fact]
    public async Task Trailers_Changed_GoOnChanged()
    {
        await using var proxy = await StartAsync(null, new Actor(Stage.Trailers) { Trailers = static x => x.Set("t", "changed") });
        var (client, server, request) = await PostAsync(proxy, proxy.Origin());
        await client.DataAsync(1, "abc", ends: false);
        await client.HeadersAsync(1, true, ("t", "1"));
        Assert.Equal("abc", (await server.ReadAsync(Http2FrameType.Data)).Text);
        Assert.Equal("changed", (await server.ReadAsync(Http2FrameType.Headers))["t"]);
        await server.HeadersAsync(request.StreamId, false, Ok());
        await server.HeadersAsync(request.StreamId, true, ("t", "2"));
        await client.ReadAsync(Http2FrameType.Headers);
        Assert.Equal("changed", (await client.ReadAsync(Http2FrameType.Headers))["t"]);
        client.Peer.Close();
    }

    [Fact]
    public async Task Interim_Shown_MayBeChanged()
    {
        await using var proxy = await StartAsync(null, new Actor(Stage.Informational) { Interim = static x => x.Fields.Set("link", "</b>") });
        var (client, server, request) = await GetAsync(proxy, proxy.Origin());
        await server.HeadersAsync(request.StreamId, false, (":status", "103"), ("link", "</a>"));
        Assert.Equal("</b>", (await client.ReadAsync(Http2FrameType.Headers))["link"]);
        await server.HeadersAsync(request.StreamId, true, Ok());
        await client.ReadAsync(Http2FrameType.Headers);
        client.Peer.Close();
    }

    [Fact]
    public async Task Waiting_InAnInterceptor_HoldsItsStreamOnly()
    {
        var gate = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var proxy = await StartAsync(null, new Actor(Stage.RequestHead) { Gate = x => x.Request.Path == "/held" ? gate.Task : Task.CompletedTask });
        var origin = proxy.Origin();
        var client = await ClientAsync(proxy);
        await client.GetAsync(1, "/held", scheme: "http");
        await client.GetAsync(3, "/free", scheme: "http");
        var server = await ServerAsync(origin);
        var free = await server.ReadAsync(Http2FrameType.Headers);
        Assert.Equal("/free", free[":path"]);
        await server.HeadersAsync(free.StreamId, true, (":status", "204"));
        Assert.Equal(3, (await client.ReadAsync(Http2FrameType.Headers)).StreamId);
        gate.SetResult();
        var held = await server.ReadAsync(Http2FrameType.Headers);
        await server.HeadersAsync(held.StreamId, true, (":status", "204"));
        Assert.Equal(1, (await client.ReadAsync(Http2FrameType.Headers)).StreamId);
        client.Peer.Close();
    }

    [Theory]
    [InlineData(Stage.RequestHead)]
    [InlineData(Stage.RequestBody)]
    [InlineData(Stage.RequestChunk)]
    [InlineData(Stage.Informational)]
    [InlineData(Stage.ResponseHead)]
    [InlineData(Stage.ResponseBody)]
    [InlineData(Stage.ResponseChunk)]
    [InlineData(Stage.Trailers)]
    [InlineData(Stage.Completed)]
    public async Task Throwing_AtAnyStage_LeavesTheMessageAndTheConnectionWhole(Stage stage)
    {
        await using var proxy = await StartAsync(null, new Actor(stage) { Throws = true });
        var origin = proxy.Origin();
        var client = await ClientAsync(proxy);
        await client.HeadersAsync(1, false, Post());
        await client.DataAsync(1, "abc", ends: false);
        await client.HeadersAsync(1, true, ("t", "1"));
        var server = await ServerAsync(origin);
        var request = await server.ReadAsync(Http2FrameType.Headers);
        Assert.Equal("abc", (await server.ReadAsync(Http2FrameType.Data)).Text);
        Assert.Equal("1", (await server.ReadAsync(Http2FrameType.Headers))["t"]);
        await server.HeadersAsync(request.StreamId, false, (":status", "103"), ("a", "b"));
        await server.HeadersAsync(request.StreamId, false, Ok());
        await server.DataAsync(request.StreamId, "xyz", ends: false);
        await server.HeadersAsync(request.StreamId, true, ("t", "2"));
        Assert.Equal("b", (await client.ReadAsync(Http2FrameType.Headers))["a"]);
        Assert.Equal("200", (await client.ReadAsync(Http2FrameType.Headers))[":status"]);
        Assert.Equal("xyz", (await client.ReadAsync(Http2FrameType.Data)).Text);
        Assert.Equal("2", (await client.ReadAsync(Http2FrameType.Headers))["t"]);
        if (stage != Stage.Completed)
        {
            Assert.Contains("interceptor_failed", (await proxy.FlowAsync()).Marks);
        }

        await AssertServesAsync(client, server, 3);
        client.Peer.Close();
    }

    private static async Task<string> BodyAsync(Http2Peer peer)
    {
        var body = new StringBuilder();
        Http2TestFrame frame;
        do
        {
            frame = await peer.ReadAsync(Http2FrameType.Data);
            body.Append(frame.Text);
        }
        while (!frame.Ends);
        return body.ToString();
    }

    private sealed class Actor(Stage stages) : IInterceptor
    {
        public Func<Exchange, Verdict>? RequestHead { get; init; }

        public Func<Exchange, Verdict>? ResponseHead { get; set; }

        public Func<Exchange, Task>? Gate { get; init; }

        public Action<MessageBody>? Body { get; init; }

        public Action<BodyChunk>? Chunk { get; init; }

        public Action<FieldSection>? Trailers { get; init; }

        public Action<ResponseHead>? Interim { get; init; }

        public bool Throws { get; init; }

        public string Name => "actor";

        public InterceptorNeeds Needs => new() { Stages = stages };

        public async ValueTask<Verdict> OnRequestHeadAsync(Exchange exchange, CancellationToken cancellationToken)
        {
            await (Gate?.Invoke(exchange) ?? Task.CompletedTask);
            Fail(exchange.Request.Fields);
            return RequestHead?.Invoke(exchange) ?? Verdict.Continue;
        }

        public ValueTask<Verdict> OnResponseHeadAsync(Exchange exchange, CancellationToken cancellationToken)
        {
            Fail(exchange.Response.Fields);
            return new(ResponseHead?.Invoke(exchange) ?? Verdict.Continue);
        }

        public ValueTask<Verdict> OnRequestBodyAsync(Exchange exchange, MessageBody body, CancellationToken cancellationToken) => OnBody(body);

        public ValueTask<Verdict> OnResponseBodyAsync(Exchange exchange, MessageBody body, CancellationToken cancellationToken) => OnBody(body);

        public ValueTask OnRequestChunkAsync(Exchange exchange, BodyChunk chunk, CancellationToken cancellationToken) => OnChunk(chunk);

        public ValueTask OnResponseChunkAsync(Exchange exchange, BodyChunk chunk, CancellationToken cancellationToken) => OnChunk(chunk);

        public ValueTask OnInformationalAsync(Exchange exchange, ResponseHead interim, CancellationToken cancellationToken)
        {
            Interim?.Invoke(interim);
            Fail(interim.Fields);
            return default;
        }

        public ValueTask OnTrailersAsync(Exchange exchange, PeerRole sender, FieldSection trailers, CancellationToken cancellationToken)
        {
            Trailers?.Invoke(trailers);
            Fail(trailers);
            return default;
        }

        public ValueTask OnErrorAsync(FlowContext flow, FlowFault fault, CancellationToken cancellationToken) => default;

        public ValueTask OnCompletedAsync(Exchange exchange, CancellationToken cancellationToken)
        {
            Fail(null);
            return default;
        }

        private ValueTask<Verdict> OnBody(MessageBody body)
        {
            Body?.Invoke(body);
            if (Throws)
            {
                body.ReplaceContent("spoilt"u8.ToArray());
            }

            Fail(null);
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
