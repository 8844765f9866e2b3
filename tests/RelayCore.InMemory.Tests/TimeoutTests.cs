using RelayCore.Core.Limits;
using RelayCore.Testing;
using Xunit;

namespace RelayCore.InMemory.Tests;

/// <summary>Every time-out of the limits, each with a value of its own so that none can stand in for another.</summary>
public sealed class TimeoutTests
{
    private const string Get = "GET http://origin.test/ HTTP/1.1\r\nHost: origin.test\r\n\r\n";
    private const string Ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

    private static readonly EngineLimits s_limits = EngineLimits.Default with
    {
        IdleTimeout = TimeSpan.FromSeconds(100),
        HeadTimeout = TimeSpan.FromSeconds(7),
        BodyTimeout = TimeSpan.FromSeconds(20),
        ConnectTimeout = TimeSpan.FromSeconds(5),
        HandshakeTimeout = TimeSpan.FromSeconds(9),
        FirstByteTimeout = TimeSpan.FromSeconds(50),
        TunnelIdleTimeout = TimeSpan.FromSeconds(200),
        PoolIdleTimeout = TimeSpan.FromSeconds(40),
    };

    private static readonly TimeSpan s_little = TimeSpan.FromSeconds(0.3);

    private static Task<TestProxy> StartAsync(TimeSpan? total = null) =>
        TestProxy.StartAsync(x => x with { Limits = total is { } some ? s_limits with { TotalTimeout = some } : s_limits });

    [Fact]
    public async Task Idle_NoRequest_IsClosedWithoutAWord()
    {
        await using var proxy = await StartAsync();
        var client = proxy.Connect();
        await client.ProxyReceivesAsync();
        proxy.Advance(s_limits.IdleTimeout - s_little);
        Assert.Equal(1, proxy.Engine.ClientConnections);
        proxy.Advance(s_little * 2);
        Assert.Equal("", await client.ReadToEndAsync());
        Assert.Empty(proxy.Flows());
    }

    [Fact]
    public async Task Idle_BetweenRequests_IsClosed()
    {
        await using var proxy = await StartAsync();
        var origin = proxy.Origin();
        var client = proxy.Connect();
        await proxy.ExchangeAsync(client, origin, Get, Ok);
        await client.ProxyReceivesAsync();
        proxy.Advance(s_limits.IdleTimeout + s_little);
        Assert.Equal("", await client.ReadToEndAsync());
    }

    [Theory]
    [InlineData("G")]
    [InlineData("GET http://origin.test/ HTTP/1.1\r\nHost: or")]
    [InlineData("GET http://origin.test/ HTTP/1.1\r\nHost: origin.test\r\n\r")]
    public async Task Head_Stalled_Is408(string part)
    {
        await using var proxy = await StartAsync();
        var client = proxy.Connect();
        await client.SendAsync(part);
        await client.ProxyReceivesAsync();
        proxy.Advance(s_limits.HeadTimeout - s_little);
        Assert.Equal(1, proxy.Engine.ClientConnections);
        proxy.Advance(s_little * 2);
        FlowViews.AssertGenerated(await client.ReadMessageAsync(), 408, "RC-HTTP-301");
        Assert.Equal("", await client.ReadToEndAsync());
        var flow = await proxy.FlowAsync();
        Assert.Equal(("RC-HTTP-301", "timeout", 408), (flow.Error()!.Code, flow.CloseReason!.Reason, flow.Http().Response!.Status));
    }

    [Fact]
    public async Task Head_Trickled_IsBoundInAll()
    {
        await using var proxy = await StartAsync();
        var client = proxy.Connect();
        for (var i = 0; i < 8; i++)
        {
            await client.SendAsync("G");
            await client.ProxyReceivesAsync();
            proxy.Advance(TimeSpan.FromSeconds(0.8));
        }

        proxy.Advance(TimeSpan.FromSeconds(1));
        FlowViews.AssertGenerated(await client.ReadMessageAsync(), 408, "RC-HTTP-301");
    }

    [Theory]
    [InlineData("Content-Length: 10\r\n\r\nabc")]
    [InlineData("Transfer-Encoding: chunked\r\n\r\n5\r\nab")]
    [InlineData("Transfer-Encoding: chunked\r\n\r\n0\r\n")]
    public async Task RequestBody_Stalled_Is408AndTheServerSeesATruncation(string part)
    {
        await using var proxy = await StartAsync();
        var origin = proxy.Origin();
        var client = proxy.Connect();
        await client.SendAsync("POST http://origin.test/ HTTP/1.1\r\nHost: origin.test\r\n" + part);
        var server = await origin.AcceptAsync();
        await server.ReadHeadAsync();
        await client.ProxyReceivesAsync();
        proxy.Advance(s_limits.BodyTimeout - s_little);
        Assert.Equal(0, proxy.Store.Statistics.Stored);
        proxy.Advance(s_little * 2);
        FlowViews.AssertGenerated(await client.ReadMessageAsync(), 408, "RC-HTTP-302");
        Assert.True((await server.DrainAsync()).WasReset);
        client.Close();
        Assert.Equal("RC-HTTP-302", (await proxy.FlowAsync()).Error()!.Code);
    }

    [Fact]
    public async Task RequestBody_StalledAfterAnEarlyResponse_EndsTheConnection()
    {
        await using var proxy = await StartAsync();
        var origin = proxy.Origin();
        var client = proxy.Connect();
        await client.SendAsync("POST http://origin.test/ HTTP/1.1\r\nHost: origin.test\r\nContent-Length: 10\r\n\r\nabc");
        var server = await origin.AcceptAsync();
        await server.ReadHeadAsync();
        await server.SendAsync(Ok);
        Assert.Equal(Ok, await client.ReadMessageAsync());
        await client.ProxyReceivesAsync();
        proxy.Advance(s_limits.BodyTimeout + s_little);
        await client.DrainAsync();
        var flow = await proxy.FlowAsync();
        Assert.Equal(("RC-HTTP-302", "timeout"), (flow.Error()!.Code, flow.CloseReason!.Reason));
    }

    [Fact]
    public async Task Connect_NoAnswer_Is504()
    {
        await using var proxy = await StartAsync();
        proxy.Origin();
        proxy.Network.Connecting = static async (_, token) => await Task.Delay(Timeout.Infinite, token);
        var client = proxy.Connect();
        await client.SendAsync(Get);
        await TestProxy.UntilAsync(() => !proxy.Network.Connects.IsEmpty, () => "no connect");
        proxy.Advance(s_limits.ConnectTimeout + s_little);
        FlowViews.AssertGenerated(await client.ReadMessageAsync(), 504, "RC-CONN-002");
    }

    [Fact]
    public async Task Resolve_NoAnswer_Is504()
    {
        await using var proxy = await StartAsync();
        var asked = new TaskCompletionSource();
        proxy.Resolver.Resolving = async (_, token) =>
        {
            asked.TrySetResult();
            await Task.Delay(Timeout.Infinite, token);
        };
        var client = proxy.Connect();
        await client.SendAsync(Get);
        await asked.Task.WaitAsync(TestPeer.Patience);
        proxy.Advance(s_limits.ConnectTimeout + s_little);
        FlowViews.AssertGenerated(await client.ReadMessageAsync(), 504, "RC-DNS-002");
    }

    [Theory]
    [InlineData("")]
    [InlineData("HTTP/1.1 103 Early Hints\r\n\r\n")]
    [InlineData("HTTP/1.1 200 OK\r\nContent-Le")]
    public async Task FirstByte_NoFinalHead_Is504(string part)
    {
        await using var proxy = await StartAsync();
        var origin = proxy.Origin();
        var client = proxy.Connect();
        await client.SendAsync(Get);
        var server = await origin.AcceptAsync();
        await server.ReadHeadAsync();
        await server.SendAsync(part);
        if (part.Contains("103", StringComparison.Ordinal))
        {
            await client.ReadHeadAsync();
        }

        await server.ProxyReceivesAsync();
        proxy.Advance(s_limits.FirstByteTimeout - s_little);
        Assert.Equal(0, proxy.Store.Statistics.Stored);
        proxy.Advance(s_little * 2);
        FlowViews.AssertGenerated(await client.ReadMessageAsync(), 504, "RC-HTTP-310");
        Assert.True((await server.DrainAsync()).WasReset);
    }

    [Theory]
    [InlineData("Content-Length: 10\r\n\r\nabc", false)]
    [InlineData("Transfer-Encoding: chunked\r\n\r\n5\r\nab", false)]
    [InlineData("\r\nabc", true)]
    public async Task ResponseBody_Stalled_EndsSoThatTheClientSeesIt(string part, bool isReset)
    {
        await using var proxy = await StartAsync();
        var origin = proxy.Origin();
        var client = proxy.Connect();
        await client.SendAsync(Get);
        var server = await origin.AcceptAsync();
        await server.ReadHeadAsync();
        await server.SendAsync("HTTP/1.1 200 OK\r\n" + part);
        await client.ReadHeadAsync();
        await server.ProxyReceivesAsync();
        proxy.Advance(s_limits.BodyTimeout - s_little);
        Assert.Equal(0, proxy.Store.Statistics.Stored);
        proxy.Advance(s_little * 2);
        Assert.Equal(isReset, (await client.DrainAsync()).WasReset);
        var flow = await proxy.FlowAsync();
        Assert.Equal(("RC-HTTP-308", "server", "timeout"), (flow.Error()!.Code, flow.Error()!.Blame, flow.CloseReason!.Reason));
    }

    [Fact]
    public async Task ResponseBody_Trickled_IsNeverLate()
    {
        await using var proxy = await StartAsync();
        var origin = proxy.Origin();
        var client = proxy.Connect();
        await client.SendAsync(Get);
        var server = await origin.AcceptAsync();
        await server.ReadHeadAsync();
        await server.SendAsync("HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n");
        for (var i = 0; i < 20; i++)
        {
            await server.ProxyReceivesAsync();
            proxy.Advance(TimeSpan.FromSeconds(19));
            await server.SendAsync("x");
        }

        Assert.EndsWith(new string('x', 20), await client.ReadMessageAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Delivery_ClientTakesNothing_IsReset()
    {
        await using var proxy = await StartAsync();
        proxy.Network.BufferOctets = 4096;
        var origin = proxy.Origin();
        var client = proxy.Connect();
        await client.SendAsync(Get);
        var server = await origin.AcceptAsync();
        await server.ReadHeadAsync();
        var sending = server.SendAsync("HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n" + new string('x', 1_000_000));
        await client.ProxyIsBlockedAsync();
        proxy.Advance(s_limits.BodyTimeout - s_little);
        Assert.Equal(0, proxy.Store.Statistics.Stored);
        await proxy.PassTimeAsync(proxy.FlowsAsync(1), s_limits.BodyTimeout * 3); // the wait may begin only now
        Assert.True((await client.DrainAsync()).WasReset);
        await Assert.ThrowsAnyAsync<Exception>(() => sending);
        Assert.Equal("RC-HTTP-315", (await proxy.FlowAsync()).Error()!.Code);
    }

    [Fact]
    public async Task Sending_ServerTakesNothing_Is502()
    {
        await using var proxy = await StartAsync();
        proxy.Network.BufferOctets = 4096;
        var origin = proxy.Origin();
        var client = proxy.Connect();
        var sending = client.SendAsync("POST http://origin.test/ HTTP/1.1\r\nHost: origin.test\r\nContent-Length: 100000\r\n\r\n" + new string('x', 100_000));
        var server = await origin.AcceptAsync();
        await server.ProxyIsBlockedAsync();
        proxy.Advance(s_limits.BodyTimeout + s_little);
        FlowViews.AssertGenerated(await client.ReadMessageAsync(), 502, "RC-HTTP-312");
        client.Reset();
        await Record.ExceptionAsync(() => sending);
    }

    [Fact]
    public async Task Total_ServerSilent_Is504()
    {
        await using var proxy = await StartAsync(TimeSpan.FromSeconds(10));
        var origin = proxy.Origin();
        var client = proxy.Connect();
        await client.SendAsync(Get);
        var server = await origin.AcceptAsync();
        await server.ReadHeadAsync();
        await server.ProxyReceivesAsync();
        proxy.Advance(TimeSpan.FromSeconds(10.2));
        FlowViews.AssertGenerated(await client.ReadMessageAsync(), 504, "RC-HTTP-313");
    }

    [Fact]
    public async Task Total_ResponseTrickles_IsReset()
    {
        await using var proxy = await StartAsync(TimeSpan.FromSeconds(10));
        var origin = proxy.Origin();
        var client = proxy.Connect();
        await client.SendAsync(Get);
        var server = await origin.AcceptAsync();
        await server.ReadHeadAsync();
        await server.SendAsync("HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n");
        await client.ReadHeadAsync();
        for (var i = 0; i < 3; i++)
        {
            await server.SendAsync("x");
            await client.ReadAsync(1);
            await server.ProxyReceivesAsync();
            proxy.Advance(TimeSpan.FromSeconds(3));
        }

        proxy.Advance(TimeSpan.FromSeconds(1.5));
        Assert.True((await client.DrainAsync()).WasReset);
        Assert.Equal("RC-HTTP-313", (await proxy.FlowAsync()).Error()!.Code);
    }

    [Fact]
    public async Task Tunnel_Idle_IsEnded()
    {
        await using var proxy = await StartAsync();
        var origin = proxy.Origin(port: 9000);
        var client = proxy.Connect();
        await client.SendAsync("CONNECT origin.test:9000 HTTP/1.1\r\nHost: origin.test:9000\r\n\r\n");
        await client.ReadHeadAsync();
        await client.SendAsync("\x01raw");
        var server = await origin.AcceptAsync();
        Assert.Equal("\x01raw", await server.ReadAsync(4));
        await client.ProxyReceivesAsync();
        proxy.Advance(s_limits.TunnelIdleTimeout + s_little);
        await client.DrainAsync();
        await server.DrainAsync();
        Assert.Equal("RC-TUN-001", (await proxy.FlowAsync()).Error()!.Code);
    }

    [Fact]
    public async Task Handshake_HelloStalls_IsEndedAndRecorded()
    {
        await using var proxy = await StartAsync();
        var client = proxy.Connect();
        await client.SendAsync("CONNECT origin.test:443 HTTP/1.1\r\nHost: origin.test:443\r\n\r\n");
        await client.ReadHeadAsync();
        await client.SendAsync("\x16\x03\x01\x02\0\x01\0\x01\xFC\x03\x03");
        await client.ProxyReceivesAsync();
        proxy.Advance(s_limits.HandshakeTimeout + s_little);
        await client.DrainAsync();
        Assert.Equal("RC-TLS-105", (await proxy.FlowAsync()).Error()!.Code);
    }

    [Fact]
    public async Task Handshake_ServerStalls_Is504()
    {
        await using var proxy = await StartAsync();
        var origin = proxy.Origin(port: 443);
        var client = proxy.Connect();
        await client.SendAsync("GET https://origin.test/ HTTP/1.1\r\nHost: origin.test\r\n\r\n");
        var server = await origin.AcceptAsync();
        await server.ReadAsync(5);
        await server.ProxyReceivesAsync();
        proxy.Advance(s_limits.HandshakeTimeout + s_little);
        FlowViews.AssertGenerated(await client.ReadMessageAsync(), 504, "RC-TLS-205");
    }

    [Fact]
    public async Task Pool_Idle_IsClosedAndNotUsedAgain()
    {
        await using var proxy = await StartAsync();
        var origin = proxy.Origin();
        var client = proxy.Connect();
        await client.SendAsync(Get);
        var server = await origin.AcceptAsync();
        await server.ReadHeadAsync();
        await server.SendAsync(Ok);
        await client.ReadMessageAsync();
        await client.ProxyReceivesAsync();
        proxy.Advance(s_limits.PoolIdleTimeout - TimeSpan.FromSeconds(1));
        Assert.Equal(1, proxy.Network.ProxyEnds.Count(x => !x.IsEnded && x.RemoteEndPoint!.Equals(origin.EndPoint)));
        proxy.Advance(TimeSpan.FromSeconds(2.5));
        Assert.Equal("", await server.ReadToEndAsync());
    }
}
