using RelayCore.Testing;
using Xunit;

namespace RelayCore.InMemory.Tests;

public sealed class RequestFormTests
{
    private const string Ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

    [Theory]
    [InlineData("GET http://origin.test/a?b=1 HTTP/1.1\r\nHost: origin.test\r\n\r\n", "GET /a?b=1 HTTP/1.1\r\nHost: origin.test\r\n\r\n")]
    [InlineData("GET http://origin.test HTTP/1.1\r\nHost: origin.test\r\n\r\n", "GET / HTTP/1.1\r\nHost: origin.test\r\n\r\n")]
    [InlineData("GET http://origin.test?q HTTP/1.1\r\nHost: origin.test\r\n\r\n", "GET /?q HTTP/1.1\r\nHost: origin.test\r\n\r\n")]
    [InlineData("OPTIONS http://origin.test HTTP/1.1\r\nHost: origin.test\r\n\r\n", "OPTIONS * HTTP/1.1\r\nHost: origin.test\r\n\r\n")]
    [InlineData("OPTIONS * HTTP/1.1\r\nHost: origin.test\r\n\r\n", "OPTIONS * HTTP/1.1\r\nHost: origin.test\r\n\r\n")]
    [InlineData("GET /p HTTP/1.1\r\nHost: origin.test\r\n\r\n", "GET /p HTTP/1.1\r\nHost: origin.test\r\n\r\n")]
    [InlineData("GET http://origin.test/ HTTP/1.0\r\n\r\n", "GET / HTTP/1.0\r\nHost: origin.test\r\n\r\n")]
    [InlineData("GET http://origin.test/ HTTP/1.1\r\nhOST: ORIGIN.test\r\n\r\n", "GET / HTTP/1.1\r\nhOST: ORIGIN.test\r\n\r\n")]
    [InlineData("GET http://origin.test/ HTTP/1.1\r\nA: 1\r\nHost: evil.test\r\nB: 2\r\n\r\n", "GET / HTTP/1.1\r\nA: 1\r\nHost: origin.test\r\nB: 2\r\n\r\n")]
    [InlineData("GET http://origin.test/ HTTP/1.1\r\nHost:\r\n\r\n", "GET / HTTP/1.1\r\nHost: origin.test\r\n\r\n")]
    [InlineData("GET http://user:pw@origin.test/ HTTP/1.1\r\nHost: origin.test\r\n\r\n", "GET / HTTP/1.1\r\nHost: origin.test\r\n\r\n")]
    [InlineData("GET HTTP://Origin.Test:80/ HTTP/1.1\r\nHost: origin.test\r\n\r\n", "GET / HTTP/1.1\r\nHost: origin.test\r\n\r\n")]
    [InlineData("\r\n\r\nGET http://origin.test/ HTTP/1.1\r\nHost: origin.test\r\n\r\n", "GET / HTTP/1.1\r\nHost: origin.test\r\n\r\n")]
    [InlineData("GET http://origin.test/ HTTP/1.1\r\nHost: origin.test\r\nX: a\xE9\xFF b\r\nX: c\r\nx:   d  \r\nEmpty:\r\n\r\n", "GET / HTTP/1.1\r\nHost: origin.test\r\nX: a\xE9\xFF b\r\nX: c\r\nx:   d  \r\nEmpty:\r\n\r\n")]
    [InlineData("GET http://origin.test/ HTTP/1.1\r\nHost: origin.test\r\nProxy-Connection: keep-alive\r\nProxy-Authorization: Basic eA==\r\nKeep-Alive: 5\r\nTE: gzip\r\nX: 1\r\n\r\n", "GET / HTTP/1.1\r\nHost: origin.test\r\nX: 1\r\n\r\n")]
    [InlineData("GET http://origin.test/ HTTP/1.1\r\nHost: origin.test\r\nConnection: x-secret, X-Two\r\nX-Secret: 1\r\nx-two: 2\r\nX-Three: 3\r\n\r\n", "GET / HTTP/1.1\r\nHost: origin.test\r\nX-Three: 3\r\n\r\n")]
    [InlineData("GET http://origin.test/ HTTP/1.1\r\nHost: origin.test\r\nConnection: host, content-length\r\nX: 3\r\n\r\n", "GET / HTTP/1.1\r\nHost: origin.test\r\nX: 3\r\n\r\n")]
    [InlineData("GET http://origin.test/ HTTP/1.1\r\nHost: origin.test\r\nTE: trailers, deflate\r\n\r\n", "GET / HTTP/1.1\r\nHost: origin.test\r\nTE: trailers\r\nConnection: TE\r\n\r\n")]
    [InlineData("GET http://origin.test/ HTTP/1.0\r\nHost: origin.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n", "GET / HTTP/1.0\r\nHost: origin.test\r\n\r\n")]
    public async Task Request_EachForm_ArrivesAsTheOriginExpectsIt(string sent, string expected)
    {
        await using var proxy = await TestProxy.StartAsync();
        var origin = proxy.Origin();
        var client = proxy.Connect();
        var (atServer, atClient) = await proxy.ExchangeAsync(client, origin, sent, Ok);
        Assert.Equal(expected, atServer);
        Assert.EndsWith("ok", atClient, StringComparison.Ordinal);
        var flow = await proxy.FlowAsync();
        Assert.Equal("completed", flow.CloseReason!.Reason);
        Assert.Equal(200, flow.Http().Response!.Status);
        Assert.StartsWith("http://origin.test", flow.Http().Request!.Url, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("10.1.0.77", 8081, "http://10.1.0.77:8081/x", "10.1.0.77:8081")]
    [InlineData("fd00::5", 80, "http://[fd00::5]/x", "[fd00::5]")]
    [InlineData("fd00::5", 8080, "http://[FD00::5]:8080/x", "[fd00::5]:8080")]
    [InlineData("xn--bcher-kva.test", 80, "http://b\xC3\xBC\x63her.test/x", "xn--bcher-kva.test")]
    public async Task Request_LiteralPortOrIdn_ReachesItsOriginWithHost(string host, int port, string url, string authority)
    {
        await using var proxy = await TestProxy.StartAsync();
        var origin = proxy.Origin(host, port);
        var (atServer, _) = await proxy.ExchangeAsync(proxy.Connect(), origin, $"GET {url} HTTP/1.1\r\nHost: \r\n\r\n", Ok);
        Assert.Equal($"GET /x HTTP/1.1\r\nHost: {authority}\r\n\r\n", atServer);
    }

    [Fact]
    public async Task Request_OriginFormToTheProxyItself_IsToldThatThisIsAProxy()
    {
        await using var proxy = await TestProxy.StartAsync();
        var client = proxy.Connect();
        await client.SendAsync("GET / HTTP/1.1\r\nHost: 10.0.0.1:8080\r\n\r\n");
        FlowViews.AssertGenerated(await client.ReadMessageAsync(), 400, "RC-HTTP-305");
        Assert.Equal("RC-HTTP-305", (await proxy.FlowAsync()).Error()!.Code);
    }

    [Fact]
    public async Task Request_OriginFormWithoutHostIn10_IsRefused()
    {
        await using var proxy = await TestProxy.StartAsync();
        var client = proxy.Connect();
        await client.SendAsync("GET / HTTP/1.0\r\n\r\n");
        FlowViews.AssertGenerated(await client.ReadMessageAsync(), 400, "RC-HTTP-305");
        Assert.False((await client.DrainAsync()).WasReset);
    }

    [Theory]
    [InlineData("GET http://10.0.0.1:8080/ HTTP/1.1\r\nHost: x\r\n\r\n")]
    [InlineData("CONNECT 10.0.0.1:8080 HTTP/1.1\r\nHost: x\r\n\r\n")]
    [InlineData("GET http://loop.test:8080/ HTTP/1.1\r\nHost: x\r\n\r\n")]
    public async Task Request_ToOwnListener_IsALoop(string request)
    {
        await using var proxy = await TestProxy.StartAsync();
        proxy.Resolver.Add("loop.test", System.Net.IPAddress.Parse("10.0.0.1"));
        var client = proxy.Connect();
        await client.SendAsync(request);
        FlowViews.AssertGenerated(await client.ReadMessageAsync(), 508, "RC-LOOP-001");
        Assert.Equal("RC-LOOP-001", (await proxy.FlowAsync()).Error()!.Code);
    }

    [Fact]
    public async Task Request_UserInfoAndOtherHost_AreMarkedAsRepairs()
    {
        await using var proxy = await TestProxy.StartAsync();
        var origin = proxy.Origin();
        await proxy.ExchangeAsync(proxy.Connect(), origin, "GET http://me@origin.test/ HTTP/1.1\r\nHost: other.test\r\n\r\n", Ok);
        Assert.Equal(["host_replaced", "user_info_removed"], (await proxy.FlowAsync()).Repairs!.Request);
    }

    [Fact]
    public async Task Request_ByteByByte_ArrivesWhole()
    {
        await using var proxy = await TestProxy.StartAsync();
        var origin = proxy.Origin();
        var client = proxy.Connect();
        await client.SendSlowlyAsync("POST http://origin.test/ HTTP/1.1\r\nHost: origin.test\r\nTransfer-Encoding: chunked\r\n\r\n3;x=\"y\"\r\nabc\r\n0\r\nT: v\r\n\r");
        await client.SendAsync("\n");
        var server = await origin.AcceptAsync();
        Assert.Equal("POST / HTTP/1.1\r\nHost: origin.test\r\nTransfer-Encoding: chunked\r\n\r\n3;x=\"y\"\r\nabc\r\n0\r\nT: v\r\n\r\n", await server.ReadMessageAsync());
        await server.SendAsync(Ok);
        Assert.Equal(Ok, await client.ReadMessageAsync());
    }

    [Fact]
    public async Task KeepAlive_ManyExchanges_UseOneServerConnection()
    {
        await using var proxy = await TestProxy.StartAsync();
        var origin = proxy.Origin();
        TestPeer? server = null;
        for (var i = 0; i < 5; i++)
        {
            var client = proxy.Connect();
            for (var j = 0; j < 3; j++)
            {
                await client.SendAsync($"GET http://origin.test/{i}{j} HTTP/1.1\r\nHost: origin.test\r\n\r\n");
                server ??= await origin.AcceptAsync();
                Assert.StartsWith($"GET /{i}{j} ", await server.ReadHeadAsync(), StringComparison.Ordinal);
                await server.SendAsync(Ok);
                Assert.Equal(Ok, await client.ReadMessageAsync());
                await client.ProxyReceivesAsync();
            }
        }

        Assert.Single(proxy.Network.Connects);
        Assert.Equal(15, (await proxy.FlowsAsync(15)).Count);
    }

    [Fact]
    public async Task KeepAlive_OtherHostOnSameConnection_GoesThere()
    {
        await using var proxy = await TestProxy.StartAsync();
        var (a, b) = (proxy.Origin("a.test"), proxy.Origin("b.test"));
        var client = proxy.Connect();
        await proxy.ExchangeAsync(client, a, "GET http://a.test/1 HTTP/1.1\r\nHost: a.test\r\n\r\n", Ok);
        var (atB, _) = await proxy.ExchangeAsync(client, b, "GET http://b.test/2 HTTP/1.1\r\nHost: b.test\r\n\r\n", Ok);
        Assert.Equal("GET /2 HTTP/1.1\r\nHost: b.test\r\n\r\n", atB);
        Assert.Equal((1, 1), (a.Accepted, b.Accepted));
    }

    [Fact]
    public async Task Pipelining_RequestsAtOnce_AreAnsweredInOrder()
    {
        await using var proxy = await TestProxy.StartAsync();
        var origin = proxy.Origin();
        var client = proxy.Connect();
        await client.SendAsync("POST http://origin.test/1 HTTP/1.1\r\nHost: origin.test\r\nContent-Length: 3\r\n\r\nabc"
            + "GET http://origin.test/2 HTTP/1.1\r\nHost: origin.test\r\n\r\nPOST http://origin.test/3 HTTP/1.1\r\nHost: origin.test\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n");
        var server = await origin.AcceptAsync();
        Assert.EndsWith("\r\n\r\nabc", await server.ReadMessageAsync(), StringComparison.Ordinal);
        await server.SendAsync(Ok);
        Assert.StartsWith("GET /2 ", await server.ReadMessageAsync(), StringComparison.Ordinal);
        await server.SendAsync("HTTP/1.1 204 No\r\n\r\n");
        Assert.StartsWith("POST /3 ", await server.ReadMessageAsync(), StringComparison.Ordinal);
        await server.SendAsync("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n3");
        Assert.Equal(Ok + "HTTP/1.1 204 No\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n3",
            await client.ReadMessageAsync() + await client.ReadHeadAsync() + await client.ReadMessageAsync());
        var statuses = (await proxy.FlowsAsync(3)).OrderBy(x => x.Http().Request!.Url, StringComparer.Ordinal).Select(x => x.Http().Response!.Status);
        Assert.Equal([200, 204, 200], statuses);
    }

    [Fact]
    public async Task HalfClose_AfterRequest_StillGetsTheAnswer()
    {
        await using var proxy = await TestProxy.StartAsync();
        var origin = proxy.Origin();
        var client = proxy.Connect();
        await client.SendAsync("GET http://origin.test/ HTTP/1.1\r\nHost: origin.test\r\n\r\n");
        await client.EndAsync();
        var server = await origin.AcceptAsync();
        await server.ReadHeadAsync();
        proxy.Advance(TimeSpan.FromSeconds(3));
        await server.SendAsync(Ok);
        Assert.Equal(Ok, await client.ReadToEndAsync());
    }

    [Fact]
    public async Task Connection10_WithoutKeepAlive_IsClosedAndWithItIsKept()
    {
        await using var proxy = await TestProxy.StartAsync();
        var origin = proxy.Origin();
        var client = proxy.Connect();
        var (_, first) = await proxy.ExchangeAsync(client, origin, "GET http://origin.test/ HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
            "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok");
        Assert.Equal("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: keep-alive\r\n\r\nok", first);
        await client.SendAsync("GET http://origin.test/ HTTP/1.0\r\n\r\n");
        var server = await origin.AcceptAsync();
        await server.ReadHeadAsync();
        await server.SendAsync(Ok);
        Assert.Equal(Ok, await client.ReadToEndAsync());
    }
}
