using System.Net;
using RelayCore.Core.Limits;
using RelayCore.Testing;
using Xunit;

namespace RelayCore.InMemory.Tests;

public sealed class RefusalTests
{
    private const string Start = "POST http://origin.test/ HTTP/1.1\r\nHost: origin.test\r\n";

    [Theory]
    [InlineData("GET http://origin.test/\r\n\r\n", 400, "RC-HTTP-104", null)]
    [InlineData("G@T http://origin.test/ HTTP/1.1\r\nHost: origin.test\r\n\r\n", 400, "RC-HTTP-106", "G@T")]
    [InlineData("GET ftp://origin.test/ HTTP/1.1\r\nHost: origin.test\r\n\r\n", 400, "RC-HTTP-107", "ftp")]
    [InlineData("GET http://origin.test/ HTTP/2.0\r\nHost: origin.test\r\n\r\n", 505, "RC-HTTP-108", null)]
    [InlineData("GET http://origin.test/ HTTP/1.1\nHost: origin.test\n\n", 400, "RC-HTTP-109", null)]
    [InlineData("GET http://origin.test/ HTTP/1.1\r\nHost: origin.test\r\nX: a\rb\r\n\r\n", 400, "RC-HTTP-110", "a\rb")]
    [InlineData("GET http://origin.test/ HTTP/1.1\r\nHost: origin.test\r\nX: a\r\n b\r\n\r\n", 400, "RC-HTTP-111", null)]
    [InlineData("GET http://origin.test/ HTTP/1.1\r\nHost: origin.test\r\nX : a\r\n\r\n", 400, "RC-HTTP-112", "X : a")]
    [InlineData("GET http://origin.test/ HTTP/1.1\r\n Host: origin.test\r\n\r\n", 400, "RC-HTTP-113", null)]
    [InlineData("GET http://origin.test/ HTTP/1.1\r\nHost: origin.test\r\nno colon\r\n\r\n", 400, "RC-HTTP-114", null)]
    [InlineData("GET http://origin.test/ HTTP/1.1\r\nHost: origin.test\r\nX: a\0b\r\n\r\n", 400, "RC-HTTP-115", null)]
    [InlineData(Start + "Content-Length: -5\r\n\r\n", 400, "RC-HTTP-116", "-5")]
    [InlineData(Start + "Content-Length: 99999999999999999999\r\n\r\n", 400, "RC-HTTP-116", "999")]
    [InlineData(Start + "Content-Length: 3\r\nContent-Length: 4\r\n\r\nabc", 400, "RC-HTTP-117", "Length: 4")]
    [InlineData(Start + "Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc", 400, "RC-HTTP-117", null)]
    [InlineData(Start + "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400, "RC-HTTP-118", "Transfer-Encoding")]
    [InlineData(Start + "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\nGET http://origin.test/smuggled HTTP/1.1\r\nHost: origin.test\r\n\r\n", 400, "RC-HTTP-119", "xchunked")]
    [InlineData(Start + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400, "RC-HTTP-119", "chunked")]
    [InlineData(Start + "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n", 400, "RC-HTTP-119", null)]
    [InlineData("POST http://origin.test/ HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400, "RC-HTTP-120", null)]
    [InlineData(Start + "Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n", 400, "RC-HTTP-121", null)]
    [InlineData(Start + "Transfer-Encoding: chunked\r\n\r\n1\r\nxy\r\n", 400, "RC-HTTP-122", null)]
    [InlineData(Start + "Transfer-Encoding: chunked\r\n\r\n1;a\nx\r\n0\r\n\r\n", 400, "RC-HTTP-123", null)]
    [InlineData(Start + "Transfer-Encoding: chunked\r\n\r\n0\r\nbad trailer\r\n\r\n", 400, "RC-HTTP-124", null)]
    [InlineData("GET / HTTP/1.1\r\n\r\n", 400, "RC-HTTP-125", null)]
    [InlineData("GET http://origin.test/ HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400, "RC-HTTP-126", "Host: b")]
    [InlineData("GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400, "RC-HTTP-127", "a b")]
    [InlineData("GET / HTTP/1.1\r\nHost: \r\n\r\n", 400, "RC-HTTP-127", null)]
    [InlineData("CONNECT origin.test:443 HTTP/1.1\r\nHost: origin.test\r\nContent-Length: 4\r\n\r\nabcd", 400, "RC-HTTP-116", null)]
    [InlineData("CONNECT origin.test HTTP/1.1\r\nHost: origin.test\r\n\r\n", 400, "RC-HTTP-107", null)]
    public async Task Request_BrokenRule_IsRefusedByCodeAndNothingReachesTheOrigin(string request, int status, string code, string? around)
    {
        await using var proxy = await TestProxy.StartAsync();
        var origin = proxy.Origin();
        var client = proxy.Connect();
        await client.SendAsync(request);
        var response = await client.ReadMessageAsync();
        FlowViews.AssertGenerated(response, status, code);
        Assert.Equal("close", TestPeer.Field(response, "Connection"));
        Assert.Equal("", await client.ReadToEndAsync());
        client.Close();
        var flow = await proxy.FlowAsync();
        var error = flow.Error()!;
        Assert.Equal((code, "client", "parser_error"), (error.Code, error.Blame, flow.CloseReason!.Reason));
        if (around is not null)
        {
            var octets = System.Text.Encoding.Latin1.GetString(Convert.FromHexString(error.Octets!));
            Assert.Contains(around, octets, StringComparison.Ordinal);
        }

        while (origin.Accepted == 0 && proxy.Network.Connects.Count > origin.Accepted)
        {
            var server = await origin.AcceptAsync();
            Assert.DoesNotContain("\r\n\r\n0\r\n", (await server.DrainAsync()).Octets, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task Request_HeadOverLimits_Is431()
    {
        var limits = EngineLimits.Default with { Http1 = new() { MaxHeadOctets = 2048, MaxLineOctets = 1024, MaxFields = 10 } };
        foreach (var (fields, code) in ((string, string)[])
            [
                (string.Concat(Enumerable.Repeat($"X: {new string('x', 500)}\r\n", 5)), "RC-HTTP-101"),
                (string.Concat(Enumerable.Repeat("X: y\r\n", 12)), "RC-HTTP-102"),
                ($"X: {new string('x', 1100)}\r\n", "RC-HTTP-103"),
            ])
        {
            await using var proxy = await TestProxy.StartAsync(x => x with { Limits = limits });
            var client = proxy.Connect();
            await client.SendAsync($"GET http://origin.test/ HTTP/1.1\r\nHost: origin.test\r\n{fields}\r\n");
            FlowViews.AssertGenerated(await client.ReadMessageAsync(), 431, code);
        }
    }

    [Fact]
    public async Task Request_MalformedAfterHead_GetsABodyOfItsOwn()
    {
        await using var proxy = await TestProxy.StartAsync();
        var origin = proxy.Origin();
        var client = proxy.Connect();
        await client.SendAsync("HEAD http://origin.test/ HTTP/1.1\r\nHost: origin.test\r\nAccept: text/html\r\n\r\n");
        var server = await origin.AcceptAsync();
        await server.ReadHeadAsync();
        await server.SendAsync("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n");
        await client.ReadHeadAsync();
        await client.SendAsync("\0\0\0\r\n\r\n");
        var answer = await client.ReadMessageAsync();
        Assert.StartsWith("HTTP/1.1 400 ", answer, StringComparison.Ordinal);
        Assert.Contains("application/problem+json", answer, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("GET http://origin.test/ HTTP/1.1\nHost: origin.test\nX: 1\n\n", "GET / HTTP/1.1\r\nHost: origin.test\r\nX: 1\r\n\r\n", "bare_line_feed")]
    [InlineData("GET http://origin.test/ HTTP/1.1\r\nHost: origin.test\r\nX: a\r\n b\r\n\r\n", "GET / HTTP/1.1\r\nHost: origin.test\r\nX: a b\r\n\r\n", "obsolete_folding")]
    [InlineData("POST http://origin.test/ HTTP/1.1\r\nHost: origin.test\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx", "POST / HTTP/1.1\r\nHost: origin.test\r\nContent-Length: 1\r\n\r\nx", "duplicate_content_length")]
    public async Task Lenient_OneMeaning_IsRepairedAndMarked(string request, string expected, string repair)
    {
        await using var proxy = await TestProxy.StartAsync(x => x with { LenientHttp = true });
        var origin = proxy.Origin();
        var (atServer, _) = await proxy.ExchangeAsync(proxy.Connect(), origin, request, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
        Assert.Equal(expected, atServer);
        Assert.Equal([repair], (await proxy.FlowAsync()).Repairs!.Request);
    }

    [Theory]
    [InlineData(Start + "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "RC-HTTP-118")]
    [InlineData(Start + "Content-Length: 3\r\nContent-Length: 4\r\n\r\n", "RC-HTTP-117")]
    [InlineData("GET http://origin.test/ HTTP/1.1\r\nHost: origin.test\r\nX : a\r\n\r\n", "RC-HTTP-112")]
    public async Task Lenient_TwoMeanings_IsStillRefused(string request, string code)
    {
        await using var proxy = await TestProxy.StartAsync(x => x with { LenientHttp = true });
        var client = proxy.Connect();
        await client.SendAsync(request);
        FlowViews.AssertGenerated(await client.ReadMessageAsync(), 400, code);
    }

    [Fact]
    public async Task Credentials_MissingThenGiven_AreAskedForOnTheSameConnection()
    {
        await using var proxy = await TestProxy.StartAsync(x => x with { ProxyCredentials = "me:secret" });
        var origin = proxy.Origin();
        var client = proxy.Connect();
        await client.SendAsync("GET http://origin.test/ HTTP/1.1\r\nHost: origin.test\r\n\r\n");
        var asked = await client.ReadMessageAsync();
        FlowViews.AssertGenerated(asked, 407, "RC-AUTH-001");
        Assert.StartsWith("Basic ", TestPeer.Field(asked, "Proxy-Authenticate"), StringComparison.Ordinal);
        await client.SendAsync("CONNECT origin.test:80 HTTP/1.1\r\nHost: origin.test:80\r\nProxy-Authorization: Basic bWU6d3Jvbmc=\r\n\r\n");
        FlowViews.AssertGenerated(await client.ReadMessageAsync(), 407, "RC-AUTH-001");
        var (atServer, _) = await proxy.ExchangeAsync(client, origin,
            "GET http://origin.test/ HTTP/1.1\r\nHost: origin.test\r\nProxy-Authorization: Basic bWU6c2VjcmV0\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
        Assert.Equal("GET / HTTP/1.1\r\nHost: origin.test\r\n\r\n", atServer);
    }

    [Theory]
    [InlineData("nowhere.test", 502, "RC-DNS-001")]
    [InlineData("10.7.7.7", 502, "RC-CONN-001")]
    public async Task Server_NotThere_IsSaid(string host, int status, string code)
    {
        await using var proxy = await TestProxy.StartAsync();
        var client = proxy.Connect();
        await client.SendAsync($"GET http://{host}/ HTTP/1.1\r\nHost: {host}\r\n\r\n");
        FlowViews.AssertGenerated(await client.ReadMessageAsync(), status, code);
    }

    [Fact]
    public async Task Connections_OverTheLimits_Get503()
    {
        await using var proxy = await TestProxy.StartAsync(x => x with { Limits = x.Limits with { MaxClientConnections = 3, MaxConnectionsPerClient = 2 } });
        var first = proxy.Connect("10.2.0.1");
        await first.ProxyReceivesAsync();
        await proxy.Connect("10.2.0.1").ProxyReceivesAsync();
        var third = proxy.Connect("10.2.0.1");
        FlowViews.AssertGenerated(await third.ReadMessageAsync(), 503, "RC-CONN-005");
        third.Close();
        await TestProxy.UntilAsync(() => proxy.Engine.ClientConnections == 2, () => "the refused connection is still counted");
        await proxy.Connect("10.2.0.2").ProxyReceivesAsync();
        FlowViews.AssertGenerated(await proxy.Connect("10.2.0.3").ReadMessageAsync(), 503, "RC-CONN-005");
    }

    [Fact]
    public async Task Connections_Refused_StillSeeWhyWhenTheySpokeFirst()
    {
        await using var proxy = await TestProxy.StartAsync(x => x with { Limits = x.Limits with { MaxClientConnections = 1 } });
        await proxy.Connect().ProxyReceivesAsync();
        for (var i = 0; i < 20; i++)
        {
            var client = proxy.Connect();
            await client.SendAsync("GET http://origin.test/ HTTP/1.1\r\nHost: origin.test\r\n\r\n");
            FlowViews.AssertGenerated(await client.ReadMessageAsync(), 503, "RC-CONN-005");
            client.Close();
        }

        Assert.Equal(IPAddress.Parse("10.0.0.1"), proxy.Engine.EndPoints[0].Address);
    }
}
