using System.Text;
using RelayCore.Core.Interception;
using RelayCore.Core.Limits;
using RelayCore.Core.Messages;
using RelayCore.Protocols;
using RelayCore.Protocols.Fields;
using RelayCore.Protocols.Http2;
using Xunit;

namespace RelayCore.InMemory.Tests.Exchanges;

/// <summary>Every stage of interceptors on exchanges of HTTP/2 clients.</summary>
public sealed class InterceptionTests
{
    private const string Ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    private const string ChunkedOk = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nT: v\r\n\r\n";

    private static Task<ExchangeHost> StartAsync(Actor actor) => ExchangeHost.StartAsync(x => x with
    {
        Interceptors = [actor],
        Limits = EngineLimits.Default with { BodyTimeout = TimeSpan.FromSeconds(20) },
    });

    [Fact]
    public async Task RequestHead_Edits_GoOnTheWireAndAreRecorded()
    {
        await using var host = await StartAsync(new(Stage.RequestHead)
        {
            Request = static x =>
            {
                x.Request.Path = "/new";
                x.Request.Fields.Set("x-a", "2");
                return Verdict.Continue;
            },
        });
        var origin = host.Proxy.Origin();
        var exchange = host.Start(":path: /old\nx-a: 1");
        var server = await origin.AcceptAsync();
        Assert.Equal("GET /new HTTP/1.1\r\nHost: origin.test\r\nx-a: 2\r\n\r\n", await server.ReadMessageAsync());
        await server.SendAsync(Ok);
        await exchange.EndAsync();
        var flow = await host.Proxy.FlowAsync();
        Assert.Equal("http://origin.test/new", flow.Http().Request!.Url);
        Assert.Equal("http://origin.test/old", flow.Http().Request!.Received!.Url);
        Assert.Contains(flow.Mutations!, static x => x is { Target: "request.path", Before: "/old", After: "/new" });
    }

    [Fact]
    public async Task RequestHead_Redirect_GoesThereWithTheSameHost()
    {
        await using var host = await StartAsync(new(Stage.RequestHead) { Request = static _ => new Verdict.RedirectTarget(new(false, "other.test", 81)) });
        var other = host.Proxy.Origin("other.test", 81);
        var exchange = host.Start("");
        var server = await other.AcceptAsync();
        Assert.Equal("GET / HTTP/1.1\r\nHost: origin.test\r\n\r\n", await server.ReadMessageAsync());
        await server.SendAsync(Ok);
        await exchange.EndAsync();
    }

    [Fact]
    public async Task RequestHead_RespondDropAbort_EndTheExchange()
    {
        await using (var host = await StartAsync(new(Stage.RequestHead) { Request = static _ => new Verdict.Respond(201, [new("X-A", "1"), new("bad name", "x")], "made"u8.ToArray()) }))
        {
            Assert.Equal("head 201 length 4 [x-a: 1] [content-length: 4]\ndata 'made' end\nreset NoError\n", await host.Start(":method: POST", "abc", isOpen: true).EndAsync());
            var flow = await host.Proxy.FlowAsync();
            Assert.Contains("response_generated", flow.Marks);
            Assert.Contains("interceptor_failed", flow.Marks);
            Assert.Empty(host.Proxy.Network.Connects);
        }

        await using (var host = await StartAsync(new(Stage.RequestHead) { Request = static _ => new Verdict.Drop("no") }))
        {
            Assert.StartsWith("head 403 ", await host.Start("").EndAsync(), StringComparison.Ordinal);
        }

        await using (var host = await StartAsync(new(Stage.RequestHead) { Request = static _ => new Verdict.Abort("no") }))
        {
            Assert.Equal("reset Cancel\n", await host.Start("").EndAsync());
        }
    }

    [Theory]
    [InlineData(false, "content-length: 6\r\n\r\nabcdef")]
    [InlineData(true, "content-length: 7\r\n\r\nchanged")]
    public async Task RequestBody_Whole_IsHeldAndReframed(bool replaces, string expected)
    {
        string? seen = null;
        await using var host = await StartAsync(new(Stage.RequestBody)
        {
            Body = body =>
            {
                seen = Encoding.Latin1.GetString(body.Octets.Span);
                if (replaces)
                {
                    body.ReplaceContent("changed"u8.ToArray());
                }
            },
        });
        var origin = host.Proxy.Origin();
        var exchange = host.Start(":method: POST\nexpect: 100-continue", "abc", isOpen: true);
        await exchange.Client.SentAsync("interim 100");
        exchange.Client.Feed("def").End();
        var server = await origin.AcceptAsync();
        Assert.Equal("POST / HTTP/1.1\r\nHost: origin.test\r\n" + expected, await server.ReadMessageAsync(), ignoreCase: true);
        await server.SendAsync(Ok);
        await exchange.EndAsync();
        Assert.Equal("abcdef", seen);
    }

    [Theory]
    [InlineData(BodyBreach.Skip)]
    [InlineData(BodyBreach.Refuse)]
    public async Task RequestBody_OverTheLimit_StreamsOrIsRefused(BodyBreach breach)
    {
        await using var host = await StartAsync(new(Stage.RequestBody) { MaxBody = 4, Breach = breach });
        var origin = host.Proxy.Origin();
        var exchange = host.Start(":method: POST\ncontent-length: 9", "abcdef", isOpen: true);
        if (breach == BodyBreach.Refuse)
        {
            Assert.StartsWith("head 413 ", await exchange.EndAsync(), StringComparison.Ordinal);
            return;
        }

        var server = await origin.AcceptAsync();
        await server.ReadHeadAsync();
        Assert.Equal("abcdef", await server.ReadAsync(6));
        exchange.Client.Feed("ghi").End();
        Assert.Equal("ghi", await server.ReadAsync(3));
        await server.SendAsync(Ok);
        Assert.EndsWith("data 'ok' end\n", await exchange.EndAsync(), StringComparison.Ordinal);
        var flow = await host.Proxy.FlowAsync();
        Assert.Contains("body_actor_skipped", flow.Marks);
        Assert.Equal(9, flow.Http().Request!.Body!.Size);
    }

    [Fact]
    public async Task RequestBody_LateWhileHeld_Is408()
    {
        await using var host = await StartAsync(new(Stage.RequestBody));
        var exchange = host.Start(":method: POST", "abc", isOpen: true);
        await exchange.Client.ReadsAsync();
        await host.Proxy.PassTimeAsync(exchange.Task, TimeSpan.FromSeconds(40));
        var sent = await exchange.EndAsync();
        Assert.StartsWith("head 408 ", sent, StringComparison.Ordinal);
        Assert.EndsWith("reset NoError\n", sent, StringComparison.Ordinal);
        Assert.Equal("RC-HTTP-302", (await host.Proxy.FlowAsync()).Error()!.Code);
    }

    [Fact]
    public async Task RequestChunk_Edits_AreSentInChunks()
    {
        await using var host = await StartAsync(new(Stage.RequestChunk)
        {
            Chunk = static x => x.Replace(x.Data.IsEmpty ? default : Encoding.ASCII.GetBytes($"<{Encoding.ASCII.GetString(x.Data.Span)}>")),
        });
        var origin = host.Proxy.Origin();
        var exchange = host.Start(":method: POST\ncontent-length: 6", "abc", isOpen: true);
        var server = await origin.AcceptAsync();
        Assert.DoesNotContain("content-length", await server.ReadHeadAsync(), StringComparison.OrdinalIgnoreCase);
        Assert.Equal("5\r\n<abc>\r\n", await server.ReadAsync(10));
        exchange.Client.Feed("def").End();
        Assert.Equal("5\r\n<def>\r\n0\r\n\r\n", await server.ReadAsync(15));
        await server.SendAsync(Ok);
        await exchange.EndAsync();
        var request = (await host.Proxy.FlowAsync()).Http().Request!;
        Assert.Equal((10L, 6L), (request.Body!.Size, request.Received!.Body!.Size));
    }

    [Fact]
    public async Task Informational_Edits_AreSent()
    {
        await using var host = await StartAsync(new(Stage.Informational) { Interim = static x => x.Fields.Set("Link", "</b>") });
        var origin = host.Proxy.Origin();
        var exchange = host.Start("");
        var server = await origin.AcceptAsync();
        await server.ReadMessageAsync();
        await server.SendAsync("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + Ok);
        Assert.StartsWith("interim 103 [link: </b>]\n", await exchange.EndAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task ResponseHead_EditsAndVerdicts_AreCarriedOut()
    {
        await using var host = await StartAsync(new(Stage.ResponseHead)
        {
            Response = static x =>
            {
                x.Response.Status = 418;
                x.Response.Fields.Set("X-A", "1");
                return x.Request.Path == "/swap" ? new Verdict.Respond(200, [], "mine"u8.ToArray()) : Verdict.Continue;
            },
        });
        var origin = host.Proxy.Origin();
        var exchange = host.Start("");
        var server = await origin.AcceptAsync();
        await server.ReadMessageAsync();
        await server.SendAsync(Ok);
        Assert.Equal("head 418 length 2 [content-length: 2] [x-a: 1]\ndata 'ok' end\n", await exchange.EndAsync());
        var swapped = host.Start(":path: /swap");
        await server.ReadMessageAsync();
        await server.SendAsync(Ok);
        Assert.Equal("head 200 length 4 [content-length: 4]\ndata 'mine' end\n", await swapped.EndAsync());
        var flow = Assert.Single(await host.Proxy.FlowsAsync(2), static x => x.Marks.Contains("response_generated"));
        Assert.Equal(200, flow.Http().Response!.Status);
    }

    [Theory]
    [InlineData(false, "head 200 length -1\ndata 'abc'\ntrailers [t: v] end\n")]
    [InlineData(true, "head 200 length -1 [content-length: 7]\ndata 'changed'\ntrailers [t: v] end\n")]
    public async Task ResponseBody_Whole_IsHeldAndReframed(bool replaces, string expected)
    {
        await using var host = await StartAsync(new(Stage.ResponseBody)
        {
            Body = body =>
            {
                if (replaces)
                {
                    body.ReplaceContent("changed"u8.ToArray());
                }
            },
        });
        var origin = host.Proxy.Origin();
        var exchange = host.Start("");
        var server = await origin.AcceptAsync();
        await server.ReadMessageAsync();
        await server.SendAsync(ChunkedOk);
        Assert.Equal(expected, await exchange.EndAsync());
        Assert.Equal(3, ((await host.Proxy.FlowAsync()).Http().Response!.Received ?? (await host.Proxy.FlowAsync()).Http().Response!).Body!.Size);
    }

    [Fact]
    public async Task ResponseBody_OverTheLimit_StreamsTheRest()
    {
        await using var host = await StartAsync(new(Stage.ResponseBody) { MaxBody = 4 });
        var origin = host.Proxy.Origin();
        var exchange = host.Start("");
        var server = await origin.AcceptAsync();
        await server.ReadMessageAsync();
        await server.SendAsync("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabcdef");
        await exchange.Client.SentAsync("abcdef");
        await server.SendAsync("ghi");
        Assert.Equal("head 200 length 9 [content-length: 9]\ndata 'abcdef'\ndata 'ghi' end\n", await exchange.EndAsync());
    }

    [Fact]
    public async Task ResponseBody_OfMessages_IsNotHeld()
    {
        await using var host = await StartAsync(new(Stage.ResponseBody));
        var origin = host.Proxy.Origin();
        var exchange = host.Start("");
        var server = await origin.AcceptAsync();
        await server.ReadMessageAsync();
        await server.SendAsync("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n");
        await exchange.Client.SentAsync("data: 1");
        server.Close();
        await exchange.EndAsync();
        Assert.Contains("body_actor_skipped", (await host.Proxy.FlowAsync()).Marks);
    }

    [Fact]
    public async Task ResponseChunkAndTrailers_Edits_AreSent()
    {
        await using var host = await StartAsync(new(Stage.ResponseChunk | Stage.Trailers)
        {
            Chunk = static x => x.Replace(x.Data.IsEmpty ? default : "X"u8.ToArray()),
            Trailers = static x => x.Set("T", "w"),
        });
        var origin = host.Proxy.Origin();
        var exchange = host.Start("");
        var server = await origin.AcceptAsync();
        await server.ReadMessageAsync();
        await server.SendAsync(ChunkedOk);
        Assert.Equal("head 200 length -1\ndata 'X'\ntrailers [t: w] end\n", await exchange.EndAsync());
    }

    [Fact]
    public async Task ErrorAndCompleted_AreToldOnce()
    {
        var actor = new Actor(Stage.Error | Stage.Completed);
        await using var host = await StartAsync(actor);
        host.Proxy.Origin().Close();
        await host.Start("").EndAsync();
        Assert.Equal(["error RC-CONN-001", "completed"], actor.Told);
    }

    [Fact]
    public async Task Failing_Interceptor_TakesNothingAlong()
    {
        await using var host = await StartAsync(new(Stage.RequestHead | Stage.ResponseHead)
        {
            Request = static x =>
            {
                x.Request.Fields.Set("x-spoilt", "1");
                throw new InvalidOperationException("deliberate");
            },
            Response = static x => throw new InvalidOperationException("deliberate"),
        });
        var origin = host.Proxy.Origin();
        var exchange = host.Start("");
        var server = await origin.AcceptAsync();
        Assert.DoesNotContain("spoilt", await server.ReadMessageAsync(), StringComparison.Ordinal);
        await server.SendAsync(Ok);
        Assert.Equal("head 200 length 2 [content-length: 2]\ndata 'ok' end\n", await exchange.EndAsync());
        Assert.Contains("interceptor_failed", (await host.Proxy.FlowAsync()).Marks);
    }

    [Fact]
    public async Task Connect_ForWebSocket_BecomesAnUpgradeAndOctetsBothWays()
    {
        await using var host = await ExchangeHost.StartAsync();
        var origin = host.Proxy.Origin();
        var exchange = host.Start(":method: CONNECT\n:scheme: http\n:authority: origin.test\n:path: /chat\n:protocol: websocket\nsec-websocket-version: 13\nsec-websocket-protocol: a", static _ => { });
        var server = await origin.AcceptAsync();
        var head = await server.ReadHeadAsync();
        Assert.StartsWith("GET /chat HTTP/1.1\r\nHost: origin.test\r\nsec-websocket-version: 13\r\nsec-websocket-protocol: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: ", head, StringComparison.Ordinal);
        var key = RelayCore.Testing.TestPeer.Field(head, "Sec-WebSocket-Key")!;
#pragma warning disable CA5350 // RFC 6455 §4.2.2
        var accept = Convert.ToBase64String(System.Security.Cryptography.SHA1.HashData(Encoding.ASCII.GetBytes(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11")));
#pragma warning restore CA5350
        await server.SendAsync($"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\nSec-WebSocket-Protocol: a\r\n\r\n");
        await RelayCore.Testing.TestProxy.UntilAsync(() => exchange.Client.Tunnel is not null, () => "no tunnel: " + exchange.Client.Sent);
        Assert.Equal("head 200 length 0 [sec-websocket-protocol: a]\n", exchange.Client.Sent);
        var client = exchange.Client.Tunnel!;
        await client.SendAsync("\u0081\u0080\0\0\0\0");
        Assert.Equal("\u0081\u0080\0\0\0\0", await server.ReadAsync(6));
        await server.SendAsync("\u0088\0");
        Assert.Equal("\u0088\0", await client.ReadAsync(2));
        server.Close();
        client.Close();
        await exchange.Task.WaitAsync(RelayCore.Testing.TestPeer.Patience);
    }

    [Fact]
    public async Task Connect_ForWebSocketAnsweredWrongly_Is502()
    {
        await using var host = await ExchangeHost.StartAsync();
        var origin = host.Proxy.Origin();
        var exchange = host.Start(":method: CONNECT\n:scheme: http\n:authority: origin.test\n:path: /\n:protocol: websocket", static _ => { });
        var server = await origin.AcceptAsync();
        await server.ReadHeadAsync();
        await server.SendAsync("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: x\r\n\r\n");
        Assert.Contains("[x-relay-core-error: RC-HTTP-318]", await exchange.EndAsync(), StringComparison.Ordinal);
        Assert.Equal(Http2ErrorCode.NoError, exchange.Client.WasReset);
    }

    private sealed class Actor(Stage stages) : IInterceptor
    {
        public Func<Exchange, Verdict>? Request { get; init; }

        public Func<Exchange, Verdict>? Response { get; init; }

        public Action<MessageBody>? Body { get; init; }

        public Action<BodyChunk>? Chunk { get; init; }

        public Action<ResponseHead>? Interim { get; init; }

        public Action<FieldSection>? Trailers { get; init; }

        public long MaxBody { get; init; } = 1024;

        public BodyBreach Breach { get; init; }

        public List<string> Told { get; } = [];

        public string Name => "actor";

        public InterceptorNeeds Needs => new() { Stages = stages, MaxBody = MaxBody, Breach = Breach };

        public ValueTask<Verdict> OnRequestHeadAsync(Exchange exchange, CancellationToken cancellationToken) => new(Request?.Invoke(exchange) ?? Verdict.Continue);

        public ValueTask<Verdict> OnResponseHeadAsync(Exchange exchange, CancellationToken cancellationToken) => new(Response?.Invoke(exchange) ?? Verdict.Continue);

        public ValueTask<Verdict> OnRequestBodyAsync(Exchange exchange, MessageBody body, CancellationToken cancellationToken) => OnBody(body);

        public ValueTask<Verdict> OnResponseBodyAsync(Exchange exchange, MessageBody body, CancellationToken cancellationToken) => OnBody(body);

        public ValueTask OnRequestChunkAsync(Exchange exchange, BodyChunk chunk, CancellationToken cancellationToken) => OnChunk(chunk);

        public ValueTask OnResponseChunkAsync(Exchange exchange, BodyChunk chunk, CancellationToken cancellationToken) => OnChunk(chunk);

        public ValueTask OnInformationalAsync(Exchange exchange, ResponseHead interim, CancellationToken cancellationToken)
        {
            Interim?.Invoke(interim);
            return default;
        }

        public ValueTask OnTrailersAsync(Exchange exchange, PeerRole sender, FieldSection trailers, CancellationToken cancellationToken)
        {
            Trailers?.Invoke(trailers);
            return default;
        }

        public ValueTask OnErrorAsync(FlowContext flow, Core.Faults.FlowFault fault, CancellationToken cancellationToken)
        {
            Told.Add("error " + fault.Code);
            return default;
        }

        public ValueTask OnCompletedAsync(Exchange exchange, CancellationToken cancellationToken)
        {
            Told.Add("completed");
            return default;
        }

        private ValueTask<Verdict> OnBody(MessageBody body)
        {
            Body?.Invoke(body);
            return new(Verdict.Continue);
        }

        private ValueTask OnChunk(BodyChunk chunk)
        {
            Chunk?.Invoke(chunk);
            return default;
        }
    }
}
