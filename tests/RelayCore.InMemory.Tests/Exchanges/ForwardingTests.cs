using RelayCore.Protocols.Http2;
using Xunit;

namespace RelayCore.InMemory.Tests.Exchanges;

/// <summary>What an HTTP/1 server gets of an HTTP/2 request, and the client of its answer.</summary>
public sealed class ForwardingTests
{
    private const string Ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

    [Fact]
    public async Task Get_SmallResponse_IsTranslatedAndRecorded()
    {
        await using var host = await ExchangeHost.StartAsync();
        var origin = host.Proxy.Origin();
        var exchange = host.Start(":path: /a?b=c\naccept: */*\ncookie: a=1\nx: y\ncookie: b=2");
        var server = await origin.AcceptAsync();
        Assert.Equal("GET /a?b=c HTTP/1.1\r\nHost: origin.test\r\naccept: */*\r\ncookie: a=1; b=2\r\nx: y\r\n\r\n", await server.ReadMessageAsync());
        await server.SendAsync("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nKeep-Alive: timeout=5\r\nX-A: b\r\n\r\nok");
        Assert.Equal("head 200 length 2 [content-length: 2] [x-a: b]\ndata 'ok' end\n", await exchange.EndAsync());
        var flow = await host.Proxy.FlowAsync();
        Assert.Equal("http://origin.test/a?b=c", flow.Http().Request!.Url);
        Assert.Equal(200, flow.Http().Response!.Status);
        Assert.Equal("completed", flow.CloseReason!.Reason);
        Assert.Equal((1L, null), (flow.StreamId, flow.ServerStreamId));
    }

    [Fact]
    public async Task Get_Twice_UsesTheConnectionAgain()
    {
        await using var host = await ExchangeHost.StartAsync();
        var origin = host.Proxy.Origin();
        var first = host.Start("");
        var server = await origin.AcceptAsync();
        await server.ReadMessageAsync();
        await server.SendAsync(Ok);
        await first.EndAsync();
        var second = host.Start(":path: /2");
        Assert.StartsWith("GET /2 ", await server.ReadMessageAsync(), StringComparison.Ordinal);
        await server.SendAsync(Ok);
        await second.EndAsync();
        Assert.Equal(1, origin.Accepted);
    }

    [Theory]
    [InlineData("content-length: 5", "hello", "content-length: 5\r\n\r\nhello")]
    [InlineData("content-length: 0", "", "content-length: 0\r\n\r\n")]
    [InlineData("", "hello", "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n")]
    public async Task Post_WholeBody_IsFramedByItsLength(string length, string body, string expected)
    {
        await using var host = await ExchangeHost.StartAsync();
        var origin = host.Proxy.Origin();
        var exchange = host.Start(":method: POST\n" + length, body);
        var server = await origin.AcceptAsync();
        Assert.Equal("POST / HTTP/1.1\r\nHost: origin.test\r\n" + expected, await server.ReadMessageAsync());
        await server.SendAsync(Ok);
        Assert.EndsWith("data 'ok' end\n", await exchange.EndAsync(), StringComparison.Ordinal);
        Assert.Equal(0, exchange.Client.Unread);
        Assert.Equal(body.Length, (await host.Proxy.FlowAsync()).Http().Request!.Body?.Size ?? 0);
    }

    [Fact]
    public async Task Post_WithoutBody_SaysSo()
    {
        await using var host = await ExchangeHost.StartAsync();
        var origin = host.Proxy.Origin();
        var exchange = host.Start(":method: POST");
        var server = await origin.AcceptAsync();
        Assert.Equal("POST / HTTP/1.1\r\nHost: origin.test\r\nContent-Length: 0\r\n\r\n", await server.ReadMessageAsync());
        await server.SendAsync(Ok);
        await exchange.EndAsync();
    }

    [Fact]
    public async Task Post_BodyInPieces_IsPumpedAsItComesWithTrailers()
    {
        await using var host = await ExchangeHost.StartAsync();
        var origin = host.Proxy.Origin();
        var exchange = host.Start(":method: POST\nte: trailers", "one", isOpen: true);
        var server = await origin.AcceptAsync();
        Assert.Equal("POST / HTTP/1.1\r\nHost: origin.test\r\nTransfer-Encoding: chunked\r\nTE: trailers\r\nConnection: TE\r\n\r\n", await server.ReadHeadAsync());
        Assert.Equal("3\r\none\r\n", await server.ReadAsync(8));
        exchange.Client.Feed("twotwo");
        Assert.Equal("6\r\ntwotwo\r\n", await server.ReadAsync(11));
        exchange.Client.End("x-sum: 9\r\n");
        Assert.Equal("0\r\nx-sum: 9\r\n\r\n", await server.ReadAsync(15));
        await server.SendAsync(Ok);
        Assert.EndsWith("data 'ok' end\n", await exchange.EndAsync(), StringComparison.Ordinal);
        var request = (await host.Proxy.FlowAsync()).Http().Request!;
        Assert.Equal(9, request.Body!.Size);
        Assert.Contains(request.Trailers!, x => x[0] == "x-sum" && x[1] == "9");
    }

    [Fact]
    public async Task Response_ChunkedWithTrailers_LosesItsChunks()
    {
        await using var host = await ExchangeHost.StartAsync();
        var origin = host.Proxy.Origin();
        var exchange = host.Start("te: trailers");
        var server = await origin.AcceptAsync();
        await server.ReadMessageAsync();
        await server.SendAsync("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x=1\r\nabc\r\n4\r\ndefg\r\n");
        await exchange.Client.SentAsync("defg");
        await server.SendAsync("1\r\nh\r\n0\r\nT: v\r\n\r\n");
        Assert.Equal("head 200 length -1\ndata 'abcdefg'\ndata 'h'\ntrailers [t: v] end\n", await exchange.EndAsync());
        var response = (await host.Proxy.FlowAsync()).Http().Response!;
        Assert.Equal(8, response.Body!.Size);
        Assert.Contains(response.Trailers!, x => x[0] == "T" && x[1] == "v");
    }

    [Theory]
    [InlineData("HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", "head 200 length 0 [content-length: 5] end\n")]
    [InlineData("GET", "HTTP/1.1 204 No Content\r\n\r\n", "head 204 length 0 end\n")]
    [InlineData("GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n", "head 304 length 0 [content-length: 7] end\n")]
    [InlineData("GET", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "head 200 length 0 [content-length: 0] end\n")]
    public async Task Response_WithoutBody_EndsWithItsHead(string method, string response, string expected)
    {
        await using var host = await ExchangeHost.StartAsync();
        var origin = host.Proxy.Origin();
        var exchange = host.Start(":method: " + method);
        var server = await origin.AcceptAsync();
        await server.ReadMessageAsync();
        await server.SendAsync(response);
        Assert.Equal(expected, await exchange.EndAsync());
    }

    [Fact]
    public async Task Response_UntilClose_EndsWithTheConnection()
    {
        await using var host = await ExchangeHost.StartAsync();
        var origin = host.Proxy.Origin();
        var exchange = host.Start("");
        var server = await origin.AcceptAsync();
        await server.ReadMessageAsync();
        await server.SendAsync("HTTP/1.0 200 OK\r\n\r\nabc");
        await exchange.Client.SentAsync("abc");
        server.Close();
        Assert.Equal("head 200 length -1\ndata 'abc'\ndata '' end\n", await exchange.EndAsync());
    }

    [Fact]
    public async Task Interim_Responses_AreForwardedInOrder()
    {
        await using var host = await ExchangeHost.StartAsync();
        var origin = host.Proxy.Origin();
        var exchange = host.Start("");
        var server = await origin.AcceptAsync();
        await server.ReadMessageAsync();
        await server.SendAsync("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n" + Ok);
        Assert.Equal("interim 103 [link: </a>]\ninterim 102\nhead 200 length 2 [content-length: 2]\ndata 'ok' end\n", await exchange.EndAsync());
        Assert.Equal(2, (await host.Proxy.FlowAsync()).Http().Informational!.Count);
    }

    [Fact]
    public async Task Expect_Continue_IsAskedByTheServer()
    {
        await using var host = await ExchangeHost.StartAsync();
        var origin = host.Proxy.Origin();
        var exchange = host.Start(":method: POST\nexpect: 100-continue\ncontent-length: 3", body: null, isOpen: true);
        var server = await origin.AcceptAsync();
        Assert.Contains("expect: 100-continue\r\n", await server.ReadHeadAsync(), StringComparison.Ordinal);
        await server.SendAsync("HTTP/1.1 100 Continue\r\n\r\n");
        await exchange.Client.SentAsync("interim 100");
        exchange.Client.Feed("abc").End();
        Assert.Equal("abc", await server.ReadAsync(3));
        await server.SendAsync(Ok);
        Assert.EndsWith("data 'ok' end\n", await exchange.EndAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Expect_FinalAnswer_StopsTheBody()
    {
        await using var host = await ExchangeHost.StartAsync();
        var origin = host.Proxy.Origin();
        var exchange = host.Start(":method: POST\nexpect: 100-continue\ncontent-length: 3", body: null, isOpen: true);
        var server = await origin.AcceptAsync();
        await server.ReadHeadAsync();
        await server.SendAsync("HTTP/1.1 417 Expectation Failed\r\nContent-Length: 0\r\n\r\n");
        Assert.Equal("head 417 length 0 [content-length: 0] end\nreset NoError\n", await exchange.EndAsync());
        Assert.Null((await host.Proxy.FlowAsync()).Error());
        Assert.Equal("", await server.ReadToEndAsync());
    }

    [Fact]
    public async Task Duplex_BothWays_DoNotWaitForEachOther()
    {
        await using var host = await ExchangeHost.StartAsync();
        var origin = host.Proxy.Origin();
        var exchange = host.Start(":method: POST", body: null, isOpen: true);
        var server = await origin.AcceptAsync();
        await server.ReadHeadAsync();
        await server.SendAsync("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        for (var i = 0; i < 3; i++)
        {
            exchange.Client.Feed("ping" + i);
            Assert.Equal($"5\r\nping{i}\r\n", await server.ReadAsync(10));
            await server.SendAsync($"5\r\npong{i}\r\n");
            await exchange.Client.SentAsync($"pong{i}");
        }

        exchange.Client.End();
        Assert.Equal("0\r\n\r\n", await server.ReadAsync(5));
        await server.SendAsync("0\r\n\r\n");
        Assert.EndsWith("data '' end\n", await exchange.EndAsync(), StringComparison.Ordinal);
        var flow = await host.Proxy.FlowAsync();
        Assert.Null(flow.Error());
        Assert.Contains("early_response", flow.Marks);
    }

    [Fact]
    public async Task EarlyResponse_ClientGoesOn_ItsBodyStillReachesTheServer()
    {
        await using var host = await ExchangeHost.StartAsync();
        var origin = host.Proxy.Origin();
        var exchange = host.Start(":method: POST\ncontent-length: 6", "abc", isOpen: true);
        var server = await origin.AcceptAsync();
        await server.ReadHeadAsync();
        Assert.Equal("abc", await server.ReadAsync(3));
        await server.SendAsync(Ok);
        await exchange.Client.SentAsync("data 'ok' end");
        exchange.Client.Feed("def").End();
        Assert.Equal("def", await server.ReadAsync(3));
        await exchange.EndAsync();
        Assert.Null(exchange.Client.WasReset);
        Assert.Null((await host.Proxy.FlowAsync()).Error());
    }

    [Fact]
    public async Task EarlyResponse_ClientIsSilent_IsAskedToStop()
    {
        await using var host = await ExchangeHost.StartAsync();
        var origin = host.Proxy.Origin();
        var exchange = host.Start(":method: POST\ncontent-length: 6", "abc", isOpen: true);
        var server = await origin.AcceptAsync();
        await server.ReadHeadAsync();
        await server.ReadAsync(3);
        await server.SendAsync(Ok);
        await exchange.Client.SentAsync("data 'ok' end");
        await host.Proxy.PassTimeAsync(exchange.Task, TimeSpan.FromSeconds(30));
        Assert.Equal(Http2ErrorCode.NoError, exchange.Client.WasReset);
        var flow = await host.Proxy.FlowAsync();
        Assert.Equal("completed", flow.CloseReason!.Reason);
        Assert.Equal("", (await server.DrainAsync()).Octets);
    }

    [Fact]
    public async Task Tunnel_Origin_DecidesWhereRequestsGo()
    {
        await using var host = await ExchangeHost.StartAsync(tunnel: new(false, "origin.test", 80));
        var origin = host.Proxy.Origin();
        var exchange = host.Start(":authority: other.test");
        var server = await origin.AcceptAsync();
        Assert.Equal("GET / HTTP/1.1\r\nHost: other.test\r\n\r\n", await server.ReadMessageAsync());
        await server.SendAsync(Ok);
        await exchange.EndAsync();
        Assert.Contains("host_mismatch", (await host.Proxy.FlowAsync()).Marks);
    }
}
