using RelayCore.Core.Interception;
using RelayCore.Core.Limits;
using RelayCore.Engine;
using RelayCore.Engine.Policy;
using RelayCore.Protocols.Http2;
using RelayCore.Testing;
using Xunit;

namespace RelayCore.InMemory.Tests.Exchanges;

/// <summary>HTTP/1 clients whose server speaks HTTP/2 alone.</summary>
public sealed class Http1ClientTests
{
    private const string Get = "GET http://origin.test/a?b HTTP/1.1\r\nHost: origin.test\r\nX-One: 1\r\nCookie: a=1; b=2\r\nConnection: keep-alive\r\n\r\n";

    private static HostPattern Origin => HostPattern.TryParse("origin.test", out var pattern, out var problem) ? pattern : throw new InvalidOperationException(problem);

    private static Task<TestProxy> StartAsync(Func<EngineOptions, EngineOptions>? configure = null) =>
        TestProxy.StartAsync(x => (configure?.Invoke(x) ?? x) with { Http2PriorKnowledge = [Origin] });

    private static async Task<Http2Peer> AcceptAsync(TestOrigin origin)
    {
        var server = new Http2Peer(await origin.AcceptAsync());
        await server.OpenAsServerAsync();
        return server;
    }

    [Fact]
    public async Task Get_TwiceOnOneConnection_IsTranslatedBothWays()
    {
        await using var proxy = await StartAsync();
        var origin = proxy.Origin();
        var client = proxy.Connect();
        await client.SendAsync(Get);
        var server = await AcceptAsync(origin);
        var request = await server.ReadAsync(Http2FrameType.Headers);
        Assert.True(request.Ends);
        Assert.Equal(
            [(":method", "GET"), (":scheme", "http"), (":authority", "origin.test"), (":path", "/a?b"), ("x-one", "1"), ("cookie", "a=1"), ("cookie", "b=2")],
            request.Fields.Select(x => (x.Name, x.Value)));
        await server.HeadersAsync(request.StreamId, false, (":status", "200"), ("content-length", "2"), ("x-a", "b"));
        await server.DataAsync(request.StreamId, "ok", ends: true);
        Assert.Equal("HTTP/1.1 200 OK\r\ncontent-length: 2\r\nx-a: b\r\n\r\nok", await client.ReadMessageAsync());

        await client.SendAsync(Get);
        request = await server.ReadAsync(Http2FrameType.Headers);
        Assert.Equal(3, request.StreamId);
        await server.HeadersAsync(request.StreamId, true, (":status", "404"));
        Assert.Equal("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", await client.ReadMessageAsync());
        var flows = await proxy.FlowsAsync(2);
        Assert.Equal([1L, 3L], flows.Select(x => x.ServerStreamId!.Value).Order());
        Assert.All(flows, static x => Assert.Equal((null, "HTTP/1.1", "HTTP/2"), (x.StreamId, x.Http().Request!.Version, x.Http().Response!.Version)));
        client.Close();
    }

    [Fact]
    public async Task Post_Chunked_LosesItsChunksAndKeepsItsTrailers()
    {
        await using var proxy = await StartAsync();
        var origin = proxy.Origin();
        var client = proxy.Connect();
        await client.SendAsync("POST http://origin.test/ HTTP/1.1\r\nHost: origin.test\r\nTE: trailers\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
        var server = await AcceptAsync(origin);
        var request = await server.ReadAsync(Http2FrameType.Headers);
        Assert.Null(request["transfer-encoding"]);
        Assert.Equal("trailers", request["te"]);
        Assert.Equal("abc", (await server.ReadAsync(Http2FrameType.Data)).Text);
        await client.SendAsync("3\r\ndef\r\n0\r\nT: v\r\n\r\n");
        Assert.Equal("def", (await server.ReadAsync(Http2FrameType.Data)).Text);
        var trailers = await server.ReadAsync(Http2FrameType.Headers);
        Assert.Equal(("v", true), (trailers["t"], trailers.Ends));
        await server.HeadersAsync(1, false, (":status", "200"));
        await server.DataAsync(1, "xyz", ends: false);
        Assert.Equal("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", await client.ReadHeadAsync());
        Assert.Equal("3\r\nxyz\r\n", await client.ReadAsync(8));
        await server.HeadersAsync(1, true, ("t2", "w"));
        Assert.Equal("0\r\nt2: w\r\n\r\n", await client.ReadAsync(12));
        client.Close();
        Assert.Equal(6, (await proxy.FlowAsync()).Http().Request!.Body!.Size);
    }

    [Fact]
    public async Task Http10_Client_GetsNoChunksAndNoInterimResponses()
    {
        await using var proxy = await StartAsync();
        var origin = proxy.Origin();
        var client = proxy.Connect();
        await client.SendAsync("GET http://origin.test/ HTTP/1.0\r\n\r\n");
        var server = await AcceptAsync(origin);
        await server.ReadAsync(Http2FrameType.Headers);
        await server.HeadersAsync(1, false, (":status", "103"), ("link", "</a>"));
        await server.HeadersAsync(1, false, (":status", "200"));
        await server.DataAsync(1, "xyz", ends: true);
        Assert.Equal("HTTP/1.0 200 OK\r\n\r\nxyz", await client.ReadToEndAsync());
    }

    [Fact]
    public async Task Interim_AndExpect_AreTranslated()
    {
        await using var proxy = await StartAsync();
        var origin = proxy.Origin();
        var client = proxy.Connect();
        await client.SendAsync("PUT http://origin.test/ HTTP/1.1\r\nHost: origin.test\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n");
        var server = await AcceptAsync(origin);
        Assert.Equal("100-continue", (await server.ReadAsync(Http2FrameType.Headers))["expect"]);
        await server.HeadersAsync(1, false, (":status", "100"));
        Assert.Equal("HTTP/1.1 100 Continue\r\n\r\n", await client.ReadHeadAsync());
        await client.SendAsync("abc");
        Assert.Equal("abc", (await server.ReadAsync(Http2FrameType.Data)).Text);
        await server.HeadersAsync(1, true, (":status", "204"));
        Assert.Equal("HTTP/1.1 204 No Content\r\n\r\n", await client.ReadHeadAsync());
        client.Close();
    }

    [Fact]
    public async Task Server_ResetsBeforeTheHead_Is502AndBehindItTheBodyIsCut()
    {
        await using var proxy = await StartAsync();
        var origin = proxy.Origin();
        var client = proxy.Connect();
        await client.SendAsync(Get);
        var server = await AcceptAsync(origin);
        await server.ReadAsync(Http2FrameType.Headers);
        await server.ResetAsync(1, Http2ErrorCode.InternalError);
        FlowViews.AssertGenerated(await client.ReadMessageAsync(), 502, "RC-HTTP-319");

        await client.SendAsync(Get);
        await server.ReadAsync(Http2FrameType.Headers);
        await server.HeadersAsync(3, false, (":status", "200"), ("content-length", "5"));
        await server.DataAsync(3, "abc", ends: false);
        Assert.EndsWith("\r\n\r\n", await client.ReadHeadAsync(), StringComparison.Ordinal);
        Assert.Equal("abc", await client.ReadAsync(3));
        await server.ResetAsync(3, Http2ErrorCode.InternalError);
        Assert.Equal("", (await client.DrainAsync()).Octets);
        var flows = await proxy.FlowsAsync(2);
        Assert.Equal(["RC-HTTP-319", "RC-HTTP-319"], flows.Select(x => x.Error()!.Code));
    }

    [Fact]
    public async Task Server_RefusesTheStream_GetsTheRequestAgain()
    {
        await using var proxy = await StartAsync();
        var origin = proxy.Origin();
        var client = proxy.Connect();
        await client.SendAsync("POST http://origin.test/ HTTP/1.1\r\nHost: origin.test\r\nContent-Length: 3\r\n\r\nabc");
        var server = await AcceptAsync(origin);
        await server.ReadAsync(Http2FrameType.Headers);
        Assert.Equal("abc", (await server.ReadAsync(Http2FrameType.Data)).Text);
        await server.ResetAsync(1, Http2ErrorCode.RefusedStream);
        Assert.Equal(3, (await server.ReadAsync(Http2FrameType.Headers)).StreamId);
        Assert.Equal("abc", (await server.ReadAsync(Http2FrameType.Data)).Text);
        await server.HeadersAsync(3, true, (":status", "204"));
        Assert.Equal("HTTP/1.1 204 No Content\r\n\r\n", await client.ReadHeadAsync());
        client.Close();
        var flow = await proxy.FlowAsync();
        Assert.Contains("retried", flow.Marks);
        Assert.Equal(3, flow.Http().Request!.Body!.Size);
    }

    [Fact]
    public async Task Server_RefusesTheStreamWhileTheBodyIsAwaited_GetsAllOfItOnTheNext()
    {
        await using var proxy = await StartAsync();
        var origin = proxy.Origin();
        var client = proxy.Connect();
        await client.SendAsync("POST http://origin.test/ HTTP/1.1\r\nHost: origin.test\r\nContent-Length: 3\r\n\r\n");
        var server = await AcceptAsync(origin);
        await server.ReadAsync(Http2FrameType.Headers);
        await server.ResetAsync(1, Http2ErrorCode.RefusedStream);
        Assert.Equal(3, (await server.ReadAsync(Http2FrameType.Headers)).StreamId);
        await client.SendAsync("abc");
        var data = await server.ReadAsync(Http2FrameType.Data);
        Assert.Equal((3, "abc", true), (data.StreamId, data.Text, data.Ends));
        await server.HeadersAsync(3, true, (":status", "204"));
        Assert.Equal("HTTP/1.1 204 No Content\r\n\r\n", await client.ReadHeadAsync());
        client.Close();
    }

    [Fact]
    public async Task Client_EndsWithinItsBody_TheStreamIsReset()
    {
        await using var proxy = await StartAsync();
        var origin = proxy.Origin();
        var client = proxy.Connect();
        await client.SendAsync("POST http://origin.test/ HTTP/1.1\r\nHost: origin.test\r\nContent-Length: 9\r\n\r\nabc");
        var server = await AcceptAsync(origin);
        await server.ReadAsync(Http2FrameType.Headers);
        Assert.Equal("abc", (await server.ReadAsync(Http2FrameType.Data)).Text);
        await client.EndAsync();
        Assert.Equal(Http2ErrorCode.Cancel, (await server.ReadAsync(Http2FrameType.RstStream)).Code);
        FlowViews.AssertGenerated(await client.ReadMessageAsync(), 400, "RC-HTTP-303");
        Assert.Equal("RC-HTTP-303", (await proxy.FlowAsync()).Error()!.Code);
    }

    [Fact]
    public async Task Client_BreaksAChunk_Is400()
    {
        await using var proxy = await StartAsync();
        var origin = proxy.Origin();
        var client = proxy.Connect();
        await client.SendAsync("POST http://origin.test/ HTTP/1.1\r\nHost: origin.test\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
        var server = await AcceptAsync(origin);
        await server.ReadAsync(Http2FrameType.Headers);
        await server.ReadAsync(Http2FrameType.Data);
        await client.SendAsync("zz\r\n");
        FlowViews.AssertGenerated(await client.ReadMessageAsync(), 400, "RC-HTTP-121");
        Assert.Equal(Http2ErrorCode.Cancel, (await server.ReadAsync(Http2FrameType.RstStream)).Code);
    }

    [Fact]
    public async Task FirstByte_Late_Is504AndTheConnectionStays()
    {
        await using var proxy = await StartAsync(static x => x with { Limits = EngineLimits.Default with { FirstByteTimeout = TimeSpan.FromSeconds(4) } });
        var origin = proxy.Origin();
        var client = proxy.Connect();
        await client.SendAsync(Get);
        var server = await AcceptAsync(origin);
        await server.ReadAsync(Http2FrameType.Headers);
        await server.Peer.ProxyReceivesAsync();
        proxy.Advance(TimeSpan.FromSeconds(4.3));
        FlowViews.AssertGenerated(await client.ReadMessageAsync(), 504, "RC-HTTP-310");
        Assert.Equal(Http2ErrorCode.Cancel, (await server.ReadAsync(Http2FrameType.RstStream)).Code);
        await client.SendAsync(Get);
        Assert.Equal(3, (await server.ReadAsync(Http2FrameType.Headers)).StreamId);
        await server.HeadersAsync(3, true, (":status", "204"));
        Assert.Equal("HTTP/1.1 204 No Content\r\n\r\n", await client.ReadHeadAsync());
        client.Close();
    }

    [Fact]
    public async Task Client_ResetsItsConnection_TheServerIsTold()
    {
        await using var proxy = await StartAsync();
        var origin = proxy.Origin();
        var client = proxy.Connect();
        await client.SendAsync(Get);
        var server = await AcceptAsync(origin);
        await server.ReadAsync(Http2FrameType.Headers);
        await server.Peer.ProxyReceivesAsync();
        client.Reset();
        proxy.Advance(TimeSpan.FromSeconds(1.2));
        Assert.Equal(Http2ErrorCode.Cancel, (await server.ReadAsync(Http2FrameType.RstStream)).Code);
        Assert.Equal("RC-HTTP-315", (await proxy.FlowAsync()).Error()!.Code);
    }

    [Fact]
    public async Task Interceptors_SeeTheExchange()
    {
        var actor = new Tagger();
        await using var proxy = await StartAsync(x => x with { Interceptors = [actor] });
        var origin = proxy.Origin();
        var client = proxy.Connect();
        await client.SendAsync(Get);
        var server = await AcceptAsync(origin);
        Assert.Equal("1", (await server.ReadAsync(Http2FrameType.Headers))["x-request"]);
        await server.HeadersAsync(1, true, (":status", "200"), ("content-length", "0"));
        Assert.Equal("HTTP/1.1 200 OK\r\ncontent-length: 0\r\nX-Response: 2\r\n\r\n", await client.ReadMessageAsync());
        client.Close();
    }

    private sealed class Tagger : IInterceptor
    {
        public string Name => "tagger";

        public InterceptorNeeds Needs => new() { Stages = Stage.RequestHead | Stage.ResponseHead };

        public ValueTask<Verdict> OnRequestHeadAsync(Exchange exchange, CancellationToken cancellationToken)
        {
            exchange.Request.Fields.Set("X-Request", "1");
            return new(Verdict.Continue);
        }

        public ValueTask<Verdict> OnResponseHeadAsync(Exchange exchange, CancellationToken cancellationToken)
        {
            exchange.Response.Fields.Set("X-Response", "2");
            return new(Verdict.Continue);
        }
    }
}
