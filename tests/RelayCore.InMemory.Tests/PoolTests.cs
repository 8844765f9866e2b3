using RelayCore.Testing;
using Xunit;

namespace RelayCore.InMemory.Tests;

public sealed class PoolTests
{
    private const string Get = "GET http://origin.test/ HTTP/1.1\r\nHost: origin.test\r\n\r\n";
    private const string Ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

    [Theory]
    [InlineData("GET", "", true)]
    [InlineData("DELETE", "", true)]
    [InlineData("POST", "Content-Length: 0\r\n", false)]
    [InlineData("PUT", "Content-Length: 3\r\n", false)]
    [InlineData("PATCH", "", false)]
    public async Task Stale_ConnectionDiesUnderTheRequest_OnlySafeOnesAreSentAgain(string method, string fields, bool isRepeated)
    {
        await using var proxy = await TestProxy.StartAsync();
        var origin = proxy.Origin();
        var client = proxy.Connect();
        await client.SendAsync(Get);
        var first = await origin.AcceptAsync();
        await first.ReadHeadAsync();
        await first.SendAsync(Ok);
        await client.ReadMessageAsync();
        await client.SendAsync($"{method} http://origin.test/ HTTP/1.1\r\nHost: origin.test\r\n{fields}\r\n" + (fields.Contains('3', StringComparison.Ordinal) ? "abc" : ""));
        await first.ReadHeadAsync();
        first.Reset();
        if (isRepeated)
        {
            var second = await origin.AcceptAsync();
            Assert.StartsWith(method, await second.ReadHeadAsync(), StringComparison.Ordinal);
            await second.SendAsync(Ok);
            Assert.Equal(Ok, await client.ReadMessageAsync());
            Assert.Single(await proxy.FlowsAsync(2), x => x.Marks.Contains("retried"));
        }
        else
        {
            FlowViews.AssertGenerated(await client.ReadMessageAsync(), 502, "RC-HTTP-311");
            Assert.Single(proxy.Network.Connects);
        }
    }

    [Fact]
    public async Task Stale_FreshConnectionDies_IsNotRepeated()
    {
        await using var proxy = await TestProxy.StartAsync();
        var origin = proxy.Origin();
        var client = proxy.Connect();
        await client.SendAsync(Get);
        var server = await origin.AcceptAsync();
        await server.ReadHeadAsync();
        server.Close();
        FlowViews.AssertGenerated(await client.ReadMessageAsync(), 502, "RC-HTTP-311");
        Assert.Single(proxy.Network.Connects);
    }

    [Fact]
    public async Task Stale_ServerClosedIdleConnection_PostTakesANewOne()
    {
        await using var proxy = await TestProxy.StartAsync();
        var origin = proxy.Origin();
        var client = proxy.Connect();
        await client.SendAsync(Get);
        var first = await origin.AcceptAsync();
        await first.ReadHeadAsync();
        await first.SendAsync(Ok);
        await client.ReadMessageAsync();
        first.Close();
        var (atServer, _) = await proxy.ExchangeAsync(client, origin, "POST http://origin.test/ HTTP/1.1\r\nHost: origin.test\r\nContent-Length: 1\r\n\r\nx", Ok);
        Assert.EndsWith("\r\n\r\nx", atServer, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Bound_AllBusy_WaitsForOneAndThen503()
    {
        await using var proxy = await TestProxy.StartAsync(x => x with { Limits = x.Limits with { MaxServerConnectionsPerOrigin = 2, ConnectTimeout = TimeSpan.FromSeconds(5) } });
        var origin = proxy.Origin();
        var (a, b, c) = (proxy.Connect(), proxy.Connect(), proxy.Connect());
        await a.SendAsync(Get);
        await b.SendAsync(Get);
        var (first, second) = (await origin.AcceptAsync(), await origin.AcceptAsync());
        await first.ReadHeadAsync();
        await second.ReadHeadAsync();
        await c.SendAsync(Get.Replace("/ HTTP", "/third HTTP", StringComparison.Ordinal));
        await TestProxy.UntilAsync(() => proxy.Store.Statistics.Running == 3, () => "the third is not there");
        await first.SendAsync(Ok);
        Assert.StartsWith("GET /third ", await first.ReadHeadAsync(), StringComparison.Ordinal);
        var d = proxy.Connect();
        await d.SendAsync(Get);
        var answer = d.ReadMessageAsync();
        await proxy.PassTimeAsync(answer, TimeSpan.FromSeconds(20));
        FlowViews.AssertGenerated(await answer, 503, "RC-CONN-004");
        await first.SendAsync(Ok);
        await second.SendAsync(Ok);
        Assert.Equal(Ok, await c.ReadMessageAsync());
        Assert.Equal(Ok, await b.ReadMessageAsync());
        Assert.Equal(2, proxy.Network.Connects.Count);
    }

    [Fact]
    public async Task Bound_ConnectionsFail_PermitsComeBack()
    {
        await using var proxy = await TestProxy.StartAsync(x => x with { Limits = x.Limits with { MaxServerConnectionsPerOrigin = 1 } });
        var client = proxy.Connect();
        for (var i = 0; i < 5; i++)
        {
            await client.SendAsync("GET http://10.6.6.6/ HTTP/1.1\r\nHost: 10.6.6.6\r\n\r\n");
            FlowViews.AssertGenerated(await client.ReadMessageAsync(), 502, "RC-CONN-001");
            client.Close();
            client = proxy.Connect();
        }
    }

    [Fact]
    public async Task Ntlm_ConnectionStaysWithItsClientForEver()
    {
        await using var proxy = await TestProxy.StartAsync();
        var origin = proxy.Origin();
        var (client, other) = (proxy.Connect(), proxy.Connect());
        await client.SendAsync(Get);
        var bound = await origin.AcceptAsync();
        await bound.ReadHeadAsync();
        await bound.SendAsync("HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: NTLM abc\r\nContent-Length: 0\r\n\r\n");
        await client.ReadMessageAsync();
        await client.SendAsync("GET http://origin.test/ HTTP/1.1\r\nHost: origin.test\r\nAuthorization: NTLM def\r\n\r\n");
        await bound.ReadHeadAsync();
        await bound.SendAsync(Ok);
        await client.ReadMessageAsync();

        // Authenticated now: requests without the field carry the identity too, and must stay on this connection and alone there.
        await client.SendAsync(Get);
        Assert.StartsWith("GET / ", await bound.ReadHeadAsync(), StringComparison.Ordinal);
        await bound.SendAsync(Ok);
        await client.ReadMessageAsync();
        await client.ProxyReceivesAsync();
        await other.SendAsync(Get);
        var own = await origin.AcceptAsync();
        await own.ReadHeadAsync();
        await own.SendAsync(Ok);
        Assert.Equal(Ok, await other.ReadMessageAsync());
        await client.SendAsync(Get);
        await bound.ReadHeadAsync();
        await bound.SendAsync(Ok);
        Assert.Equal(Ok, await client.ReadMessageAsync());
        client.Close();
        Assert.Equal("", await bound.ReadToEndAsync());
    }

    [Fact]
    public async Task HappyEyeballs_FirstAddressDead_SecondAnswers()
    {
        await using var proxy = await TestProxy.StartAsync();
        var origin = proxy.Origin("10.1.5.5");
        proxy.Resolver.Add("two.test", System.Net.IPAddress.Parse("10.1.5.4"), System.Net.IPAddress.Parse("10.1.5.5"));
        var (atServer, _) = await proxy.ExchangeAsync(proxy.Connect(), origin, "GET http://two.test/ HTTP/1.1\r\nHost: two.test\r\n\r\n", Ok);
        Assert.StartsWith("GET / ", atServer, StringComparison.Ordinal);
    }
}
