using RelayCore.Core.Limits;
using RelayCore.Engine;
using RelayCore.Engine.Policy;
using RelayCore.Testing;
using Xunit;

namespace RelayCore.InMemory.Tests;

public sealed class TunnelTests
{
    private const string Established = "HTTP/1.1 200 Connection established\r\n\r\n";
    private const string Ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

    [Fact]
    public async Task Connect_ServerSpeaksFirst_IsRelayedRawAfterTheDelay()
    {
        await using var proxy = await TestProxy.StartAsync();
        var origin = proxy.Origin("mail.test", 25);
        var client = proxy.Connect();
        await client.SendAsync("CONNECT mail.test:25 HTTP/1.1\r\nHost: mail.test:25\r\n\r\n");
        Assert.Equal(Established, await client.ReadHeadAsync());
        await client.ProxyReceivesAsync();
        proxy.Advance(EngineLimits.Default.ServerFirstDelay + TimeSpan.FromMilliseconds(200));
        var server = await origin.AcceptAsync();
        await server.SendAsync("220 mail.test ESMTP\r\n");
        Assert.Equal("220 mail.test ESMTP\r\n", await client.ReadAsync(21));
        await client.SendAsync("EHLO me\r\n");
        Assert.Equal("EHLO me\r\n", await server.ReadAsync(9));
        await server.SendAsync("250 ok\r\n");
        server.Close();
        Assert.Equal("250 ok\r\n", await client.ReadToEndAsync());
        client.Close();
        var flow = await proxy.FlowAsync();
        Assert.Equal((9, 29, "mail.test:25"), (flow.Tcp().BytesUp, flow.Tcp().BytesDown, flow.Tcp().Target));
        Assert.Equal("completed", flow.CloseReason!.Reason);
    }

    [Fact]
    public async Task Connect_ClientSpeaksAnUnknownProtocolFirst_IsRelayedRaw()
    {
        await using var proxy = await TestProxy.StartAsync();
        var origin = proxy.Origin(port: 9000);
        var client = proxy.Connect();
        await client.SendAsync("CONNECT origin.test:9000 HTTP/1.1\r\nHost: origin.test:9000\r\n\r\nSSH-2.0-me\r\n");
        Assert.Equal(Established, await client.ReadHeadAsync());
        var server = await origin.AcceptAsync();
        Assert.Equal("SSH-2.0-me\r\n", await server.ReadAsync(12));
        await client.EndAsync();
        Assert.Equal("", await server.ReadToEndAsync());
        await server.SendAsync("late answer");
        server.Close();
        Assert.Equal("late answer", await client.ReadToEndAsync());
        Assert.Equal((12, 11), ((await proxy.FlowAsync()).Tcp().BytesUp, (await proxy.FlowAsync()).Tcp().BytesDown));
    }

    [Fact]
    public async Task Connect_HttpInside_IsAnHttpSessionWithTheTunnelsOrigin()
    {
        await using var proxy = await TestProxy.StartAsync();
        var origin = proxy.Origin(port: 8000);
        var client = proxy.Connect();
        await client.SendAsync("CONNECT origin.test:8000 HTTP/1.1\r\nHost: origin.test:8000\r\n\r\n");
        await client.ReadHeadAsync();
        var (atServer, atClient) = await proxy.ExchangeAsync(client, origin, "GET /in HTTP/1.1\r\nHost: origin.test:8000\r\n\r\n", Ok);
        Assert.Equal("GET /in HTTP/1.1\r\nHost: origin.test:8000\r\n\r\n", atServer);
        Assert.Equal(Ok, atClient);
        var flow = await proxy.FlowAsync();
        Assert.Equal("http://origin.test:8000/in", flow.Http().Request!.Url);
        Assert.Equal("origin.test:8000", flow.Connection.Client.TunnelAuthority);
        Assert.DoesNotContain("host_mismatch", flow.Marks);
    }

    [Fact]
    public async Task Connect_OtherHostInside_StaysInTheTunnelAndIsMarked()
    {
        await using var proxy = await TestProxy.StartAsync();
        var origin = proxy.Origin(port: 8000);
        var client = proxy.Connect();
        await client.SendAsync("CONNECT origin.test:8000 HTTP/1.1\r\nHost: origin.test:8000\r\n\r\n");
        await client.ReadHeadAsync();
        var (atServer, _) = await proxy.ExchangeAsync(client, origin, "GET /in HTTP/1.1\r\nHost: front.test\r\n\r\n", Ok);
        Assert.Equal("GET /in HTTP/1.1\r\nHost: front.test\r\n\r\n", atServer);
        Assert.Contains("host_mismatch", (await proxy.FlowAsync()).Marks);
    }

    [Fact]
    public async Task Connect_ClientResetsWhileTheServerIsSilent_LeavesNothing()
    {
        await using var proxy = await TestProxy.StartAsync();
        var origin = proxy.Origin(port: 9000);
        var client = proxy.Connect();
        await client.SendAsync("CONNECT origin.test:9000 HTTP/1.1\r\nHost: origin.test:9000\r\n\r\n");
        await client.ReadHeadAsync();
        await client.ProxyReceivesAsync();
        var accepting = origin.AcceptAsync();
        await proxy.PassTimeAsync(accepting, TimeSpan.FromSeconds(5));
        var server = await accepting;
        await server.ProxyReceivesAsync();
        client.Reset();
        Assert.True((await server.DrainAsync()).WasReset);
    }

    [Fact]
    public async Task Connect_RawToNowhere_SaysWhyOnTheFlow()
    {
        await using var proxy = await TestProxy.StartAsync();
        var client = proxy.Connect();
        await client.SendAsync("CONNECT 10.5.5.5:22 HTTP/1.1\r\nHost: 10.5.5.5:22\r\n\r\n\x01\x02");
        await client.ReadHeadAsync();
        await client.DrainAsync();
        Assert.Equal("RC-CONN-001", (await proxy.FlowAsync()).Error()!.Code);
    }

    [Fact]
    public async Task Connect_ServerResetsWithinTheTunnel_ResetsTheClient()
    {
        await using var proxy = await TestProxy.StartAsync();
        var origin = proxy.Origin(port: 9000);
        var client = proxy.Connect();
        await client.SendAsync("CONNECT origin.test:9000 HTTP/1.1\r\nHost: origin.test:9000\r\n\r\n\x01\x02");
        await client.ReadHeadAsync();
        var server = await origin.AcceptAsync();
        await server.ReadAsync(2);
        server.Reset();
        Assert.True((await client.DrainAsync()).WasReset);
        var flow = await proxy.FlowAsync();
        Assert.Equal(("RC-TUN-002", "server"), (flow.Error()!.Code, flow.Error()!.Blame));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Parent_PlainHttp_GetsTheAbsoluteFormAndCredentials(bool hasCredentials)
    {
        await using var proxy = await TestProxy.StartAsync(x => x with { UpstreamProxy = Parent(hasCredentials ? "u:p" : null) });
        var parent = proxy.Origin("parent.test", 3128);
        var (atParent, _) = await proxy.ExchangeAsync(proxy.Connect(), parent,
            "GET http://origin.test/x HTTP/1.1\r\nHost: origin.test\r\nProxy-Authorization: Basic ZXZpbA==\r\n\r\n", Ok);
        Assert.Equal("GET http://origin.test/x HTTP/1.1\r\n" + (hasCredentials ? "Proxy-Authorization: Basic dTpw\r\n" : "") + "Host: origin.test\r\n\r\n", atParent);
        Assert.Equal("parent.test:3128", (await proxy.FlowAsync()).Connection.Server!.Via);
    }

    [Fact]
    public async Task Parent_OptionsAsterisk_GetsAnEmptyPath()
    {
        await using var proxy = await TestProxy.StartAsync(x => x with { UpstreamProxy = Parent(null) });
        var parent = proxy.Origin("parent.test", 3128);
        var (atParent, _) = await proxy.ExchangeAsync(proxy.Connect(), parent, "OPTIONS http://origin.test HTTP/1.1\r\nHost: origin.test\r\n\r\n", Ok);
        Assert.StartsWith("OPTIONS http://origin.test HTTP/1.1\r\n", atParent, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Parent_Tunnel_IsAskedForByConnect()
    {
        await using var proxy = await TestProxy.StartAsync(x => x with { UpstreamProxy = Parent("u:p") });
        var parent = proxy.Origin("parent.test", 3128);
        var client = proxy.Connect();
        await client.SendAsync("CONNECT db.test:5432 HTTP/1.1\r\nHost: db.test:5432\r\n\r\n\x01\x02");
        await client.ReadHeadAsync();
        var atParent = await parent.AcceptAsync();
        Assert.Equal("CONNECT db.test:5432 HTTP/1.1\r\nHost: db.test:5432\r\nProxy-Authorization: Basic dTpw\r\n\r\n", await atParent.ReadHeadAsync());
        await atParent.SendAsync("HTTP/1.1 200 OK\r\n\r\nhi");
        Assert.Equal("\x01\x02", await atParent.ReadAsync(2));
        Assert.Equal("hi", await client.ReadAsync(2));
        atParent.Close();
        await client.ReadToEndAsync();
    }

    [Fact]
    public async Task Parent_Refuses_TheFlowSaysSo()
    {
        await using var proxy = await TestProxy.StartAsync(x => x with { UpstreamProxy = Parent(null) });
        var parent = proxy.Origin("parent.test", 3128);
        var client = proxy.Connect();
        await client.SendAsync("GET https://origin.test/ HTTP/1.1\r\nHost: origin.test\r\n\r\n");
        var atParent = await parent.AcceptAsync();
        await atParent.ReadHeadAsync();
        await atParent.SendAsync("HTTP/1.1 407 Who\r\nContent-Length: 0\r\n\r\n");
        FlowViews.AssertGenerated(await client.ReadMessageAsync(), 502, "RC-PROXY-002");
    }

    [Fact]
    public async Task Parent_Bypassed_IsNotAsked()
    {
        Assert.True(HostPattern.TryParse("*.test", out var pattern, out _));
        await using var proxy = await TestProxy.StartAsync(x => x with { UpstreamProxy = Parent(null) with { Bypass = [pattern] } });
        var origin = proxy.Origin();
        var (atServer, _) = await proxy.ExchangeAsync(proxy.Connect(), origin, "GET http://origin.test/x HTTP/1.1\r\nHost: origin.test\r\n\r\n", Ok);
        Assert.StartsWith("GET /x ", atServer, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Parent_Dead_FailsOrGoesDirectlyByOption(bool failOpen)
    {
        await using var proxy = await TestProxy.StartAsync(x => x with { UpstreamProxy = Parent(null) with { FailOpen = failOpen } });
        proxy.Resolver.Add("parent.test", System.Net.IPAddress.Parse("10.4.4.4"));
        var origin = proxy.Origin();
        var client = proxy.Connect();
        const string get = "GET http://origin.test/x HTTP/1.1\r\nHost: origin.test\r\n\r\n";
        if (failOpen)
        {
            var (atServer, _) = await proxy.ExchangeAsync(client, origin, get, Ok);
            Assert.StartsWith("GET /x ", atServer, StringComparison.Ordinal);
            Assert.Contains("upstream_proxy_bypassed", (await proxy.FlowAsync()).Marks);
        }
        else
        {
            await client.SendAsync(get);
            FlowViews.AssertGenerated(await client.ReadMessageAsync(), 502, "RC-PROXY-001");
        }
    }

    [Fact]
    public async Task Stop_Draining_LetsTheRunningExchangeFinishAndClosesTheIdle()
    {
        await using var proxy = await TestProxy.StartAsync();
        var origin = proxy.Origin();
        var (busy, idle) = (proxy.Connect(), proxy.Connect());
        await idle.ProxyReceivesAsync();
        await busy.SendAsync("GET http://origin.test/ HTTP/1.1\r\nHost: origin.test\r\n\r\n");
        var server = await origin.AcceptAsync();
        await server.ReadHeadAsync();
        var stopping = proxy.Engine.StopAsync(TimeSpan.FromMinutes(1));
        Assert.Equal("", await idle.ReadToEndAsync());
        await server.SendAsync(Ok);
        Assert.Equal("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok", await busy.ReadToEndAsync());
        busy.Close();
        await proxy.PassTimeAsync(stopping, TimeSpan.FromMinutes(2));
        Assert.Equal("completed", (await proxy.FlowAsync()).CloseReason!.Reason);
    }

    [Fact]
    public async Task Stop_GraceOver_EndsWhatStillRuns()
    {
        await using var proxy = await TestProxy.StartAsync();
        var origin = proxy.Origin();
        var client = proxy.Connect();
        await client.SendAsync("GET http://origin.test/ HTTP/1.1\r\nHost: origin.test\r\n\r\n");
        var server = await origin.AcceptAsync();
        await server.ReadHeadAsync();
        await server.ProxyReceivesAsync();
        await proxy.PassTimeAsync(proxy.Engine.StopAsync(TimeSpan.FromSeconds(2)), TimeSpan.FromMinutes(1));
        Assert.True((await client.DrainAsync()).WasReset);
        Assert.True((await server.DrainAsync()).WasReset);
        await TestProxy.UntilAsync(() => proxy.Engine.ClientConnections == 0, () => "a client connection is left"); // the reset is seen first
        Assert.Equal("RC-INT-002", (await proxy.FlowAsync()).Error()!.Code);
    }

    private static UpstreamProxy Parent(string? credentials) => new(false, "parent.test", 3128, credentials, [], false);
}
