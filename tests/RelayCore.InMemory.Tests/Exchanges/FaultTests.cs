using RelayCore.Core.Faults;
using RelayCore.Core.Limits;
using RelayCore.Engine;
using RelayCore.Protocols;
using RelayCore.Protocols.Http2;
using RelayCore.Testing;
using Xunit;

namespace RelayCore.InMemory.Tests.Exchanges;

/// <summary>What becomes of an exchange when a peer fails, is late or breaks a rule: answer or reset, record, and what the other side is told.</summary>
public sealed class FaultTests
{
    private const string Ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

    private static readonly EngineLimits s_limits = EngineLimits.Default with
    {
        BodyTimeout = TimeSpan.FromSeconds(20),
        ConnectTimeout = TimeSpan.FromSeconds(5),
        FirstByteTimeout = TimeSpan.FromSeconds(50),
    };

    private static EngineOptions Limited(EngineOptions options) => options with { Limits = s_limits };

    // The wait begins a moment after what shows it, so that one jump of the clock could come too early.
    private static Task PassAsync(ExchangeHost host, ExchangeHost.Running exchange) =>
        host.Proxy.PassTimeAsync(exchange.Task, s_limits.BodyTimeout + TimeSpan.FromSeconds(20));

    private static void AssertRefused(string sent, int status, string code)
    {
        Assert.StartsWith($"head {status} length ", sent, StringComparison.Ordinal);
        Assert.Contains($"[x-relay-core-error: {code}]", sent, StringComparison.Ordinal);
        Assert.Contains($"\"code\":\"{code}\"", sent, StringComparison.Ordinal);
    }

    private static async Task AssertFaultAsync(ExchangeHost host, string code, string reason)
    {
        var flow = await host.Proxy.FlowAsync();
        Assert.Equal((code, reason), (flow.Error()!.Code, flow.CloseReason!.Reason));
    }

    [Fact]
    public async Task Server_RefusesConnection_Is502()
    {
        await using var host = await ExchangeHost.StartAsync();
        host.Proxy.Origin().Close();
        var exchange = host.Start("");
        AssertRefused(await exchange.EndAsync(), 502, "RC-CONN-001");
        await AssertFaultAsync(host, "RC-CONN-001", "upstream_closed");
    }

    [Fact]
    public async Task Server_RefusesConnectionWithBodyUnread_AnswersAndStopsTheBody()
    {
        await using var host = await ExchangeHost.StartAsync();
        host.Proxy.Origin().Close();
        var exchange = host.Start(":method: POST", "abc", isOpen: true);
        var sent = await exchange.EndAsync();
        AssertRefused(sent, 502, "RC-CONN-001");
        Assert.EndsWith("end\nreset NoError\n", sent, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Head_Refused_SaysLengthWithoutBody()
    {
        await using var host = await ExchangeHost.StartAsync();
        host.Proxy.Origin().Close();
        var sent = await host.Start(":method: HEAD").EndAsync();
        Assert.Contains("[x-relay-core-error: RC-CONN-001]", sent, StringComparison.Ordinal);
        Assert.EndsWith(" end\n", sent, StringComparison.Ordinal);
        Assert.DoesNotContain("data", sent, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Malformed_Head_ResetsTheStream()
    {
        await using var host = await ExchangeHost.StartAsync();
        var fault = new FlowFault("RC-HTTP-114", FaultStage.Request, FaultKind.Protocol, PeerRole.Client, "upper case") { Octets = new byte[] { 65 }, OctetsOffset = 0 };
        var exchange = host.Start("", static x => x.End(), fault);
        Assert.Equal("reset ProtocolError\n", await exchange.EndAsync());
        await AssertFaultAsync(host, "RC-HTTP-114", "parser_error");
    }

    [Fact]
    public async Task TooLarge_Head_IsAnswered()
    {
        await using var host = await ExchangeHost.StartAsync();
        var exchange = host.Start("", static x => x.End(), new FlowFault("RC-HTTP-101", FaultStage.Request, FaultKind.Limit, PeerRole.Client, "too large"));
        AssertRefused(await exchange.EndAsync(), 431, "RC-HTTP-101");
    }

    [Fact]
    public async Task Credentials_Missing_AreAskedFor()
    {
        await using var host = await ExchangeHost.StartAsync(static x => x with { ProxyCredentials = "u:p" });
        var sent = await host.Start("").EndAsync();
        AssertRefused(sent, 407, "RC-AUTH-001");
        Assert.Contains("[proxy-authenticate: Basic realm=\"RelayCore\", charset=\"UTF-8\"]", sent, StringComparison.Ordinal);
        var origin = host.Proxy.Origin();
        var exchange = host.Start("proxy-authorization: Basic " + Convert.ToBase64String("u:p"u8));
        var server = await origin.AcceptAsync();
        Assert.Equal("GET / HTTP/1.1\r\nHost: origin.test\r\n\r\n", await server.ReadMessageAsync());
        await server.SendAsync(Ok);
        await exchange.EndAsync();
    }

    [Fact]
    public async Task OwnListener_AsTarget_IsALoop()
    {
        await using var host = await ExchangeHost.StartAsync();
        AssertRefused(await host.Start(":authority: 10.0.0.1:8080").EndAsync(), 508, "RC-LOOP-001");
    }

    [Theory]
    [InlineData("content-length: 4", "abc")]
    [InlineData("content-length: 2", "abc")]
    public async Task Request_WholeButNotAsLongAsSaid_IsNotSent(string length, string body)
    {
        await using var host = await ExchangeHost.StartAsync();
        var origin = host.Proxy.Origin();
        var exchange = host.Start(":method: POST\n" + length, body);
        Assert.Equal("reset ProtocolError\n", await exchange.EndAsync());
        await AssertFaultAsync(host, "RC-HTTP-316", "parser_error");
        Assert.Equal("", (await (await origin.AcceptAsync()).DrainAsync()).Octets);
    }

    [Fact]
    public async Task Request_EndsShortOfItsLength_NeverLooksComplete()
    {
        await using var host = await ExchangeHost.StartAsync();
        var origin = host.Proxy.Origin();
        var exchange = host.Start(":method: POST\ncontent-length: 6", "abc", isOpen: true);
        var server = await origin.AcceptAsync();
        await server.ReadHeadAsync();
        Assert.Equal("abc", await server.ReadAsync(3));
        exchange.Client.End();
        Assert.Equal("reset ProtocolError\n", await exchange.EndAsync());
        Assert.Equal(("", true), await server.DrainAsync());
        await AssertFaultAsync(host, "RC-HTTP-316", "parser_error");
    }

    [Fact]
    public async Task Client_ResetsWhileTheServerIsWaitedFor_TellsTheServer()
    {
        await using var host = await ExchangeHost.StartAsync();
        var origin = host.Proxy.Origin();
        var exchange = host.Start("");
        var server = await origin.AcceptAsync();
        await server.ReadMessageAsync();
        exchange.Client.PeerResets(Http2ErrorCode.Cancel);
        await exchange.Task.WaitAsync(TestPeer.Patience);
        Assert.True((await server.DrainAsync()).WasReset);
        await AssertFaultAsync(host, "RC-HTTP-315", "client_closed");
    }

    [Fact]
    public async Task Client_ResetsWithinItsBody_TheServerDoesNotTakeItForTheWhole()
    {
        await using var host = await ExchangeHost.StartAsync();
        var origin = host.Proxy.Origin();
        var exchange = host.Start(":method: POST", "abc", isOpen: true);
        var server = await origin.AcceptAsync();
        await server.ReadHeadAsync();
        await server.ReadAsync(8);
        exchange.Client.PeerResets(Http2ErrorCode.InternalError);
        await exchange.Task.WaitAsync(TestPeer.Patience);
        Assert.Equal(("", true), await server.DrainAsync());
        await AssertFaultAsync(host, "RC-HTTP-315", "client_closed");
    }

    [Theory]
    [InlineData("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc", "abc")]
    [InlineData("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", "abc")]
    public async Task Server_EndsWithinTheBody_ResetsTheClient(string part, string data)
    {
        await using var host = await ExchangeHost.StartAsync();
        var origin = host.Proxy.Origin();
        var exchange = host.Start("");
        var server = await origin.AcceptAsync();
        await server.ReadMessageAsync();
        await server.SendAsync(part);
        await exchange.Client.SentAsync($"data '{data}'\n");
        server.Close();
        Assert.EndsWith($"data '{data}'\nreset InternalError\n", await exchange.EndAsync(), StringComparison.Ordinal);
        await AssertFaultAsync(host, "RC-HTTP-309", "upstream_closed");
    }

    [Theory]
    [InlineData("HTTP/1.1 200 OK\r\nContent-", "RC-HTTP-311")]
    [InlineData("HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", "RC-HTTP-216")]
    [InlineData("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n", "RC-HTTP-314")]
    public async Task Server_BreaksTheHead_Is502(string response, string code)
    {
        await using var host = await ExchangeHost.StartAsync();
        var origin = host.Proxy.Origin();
        var exchange = host.Start("");
        var server = await origin.AcceptAsync();
        await server.ReadMessageAsync();
        await server.SendAsync(response);
        server.Close();
        AssertRefused(await exchange.EndAsync(), 502, code);
        Assert.Equal(code, (await host.Proxy.FlowAsync()).Error()!.Code);
    }

    [Fact]
    public async Task Server_BreaksItsFirstChunk_Is502BecauseNothingWasSent()
    {
        await using var host = await ExchangeHost.StartAsync();
        var origin = host.Proxy.Origin();
        var exchange = host.Start("");
        var server = await origin.AcceptAsync();
        await server.ReadMessageAsync();
        await server.SendAsync("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n");
        AssertRefused(await exchange.EndAsync(), 502, "RC-HTTP-221");
        server.Close();
    }

    [Fact]
    public async Task Reused_ConnectionHadGone_IsTriedOnceMore()
    {
        await using var host = await ExchangeHost.StartAsync();
        var origin = host.Proxy.Origin();
        var first = host.Start("");
        var server = await origin.AcceptAsync();
        await server.ReadMessageAsync();
        await server.SendAsync(Ok);
        await first.EndAsync();
        var second = host.Start(":path: /2");
        await server.ReadMessageAsync();
        server.Reset();
        var other = await origin.AcceptAsync();
        Assert.StartsWith("GET /2 ", await other.ReadMessageAsync(), StringComparison.Ordinal);
        await other.SendAsync(Ok);
        Assert.EndsWith("data 'ok' end\n", await second.EndAsync(), StringComparison.Ordinal);
        Assert.Single(await host.Proxy.FlowsAsync(2), static x => x.Marks.Contains("retried"));
    }

    [Fact]
    public async Task Reused_ConnectionHadGoneUnderAPost_IsNotTriedAgain()
    {
        await using var host = await ExchangeHost.StartAsync();
        var origin = host.Proxy.Origin();
        var first = host.Start("");
        var server = await origin.AcceptAsync();
        await server.ReadMessageAsync();
        await server.SendAsync(Ok);
        await first.EndAsync();
        var second = host.Start(":method: POST", "abc");
        await server.ReadMessageAsync();
        server.Reset();
        AssertRefused(await second.EndAsync(), 502, "RC-HTTP-311");
        Assert.Equal(1, origin.Accepted);
    }

    [Fact]
    public async Task FirstByte_Late_Is504()
    {
        await using var host = await ExchangeHost.StartAsync(Limited);
        var origin = host.Proxy.Origin();
        var exchange = host.Start("");
        var server = await origin.AcceptAsync();
        await server.ReadMessageAsync();
        await server.ProxyReceivesAsync();
        host.Proxy.Advance(s_limits.FirstByteTimeout - TimeSpan.FromSeconds(0.5));
        Assert.Equal("", exchange.Client.Sent);
        host.Proxy.Advance(TimeSpan.FromSeconds(1));
        AssertRefused(await exchange.EndAsync(), 504, "RC-HTTP-310");
        await AssertFaultAsync(host, "RC-HTTP-310", "timeout");
        Assert.True((await server.DrainAsync()).WasReset);
    }

    [Fact]
    public async Task ResponseBody_Stalled_ResetsTheClient()
    {
        await using var host = await ExchangeHost.StartAsync(Limited);
        var origin = host.Proxy.Origin();
        var exchange = host.Start("");
        var server = await origin.AcceptAsync();
        await server.ReadMessageAsync();
        await server.SendAsync("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc");
        await exchange.Client.SentAsync("abc");
        await server.ProxyReceivesAsync();
        await PassAsync(host, exchange);
        Assert.EndsWith("data 'abc'\nreset InternalError\n", await exchange.EndAsync(), StringComparison.Ordinal);
        await AssertFaultAsync(host, "RC-HTTP-308", "timeout");
    }

    [Fact]
    public async Task RequestBody_Stalled_Is408()
    {
        await using var host = await ExchangeHost.StartAsync(Limited);
        var origin = host.Proxy.Origin();
        var exchange = host.Start(":method: POST", "abc", isOpen: true);
        var server = await origin.AcceptAsync();
        await server.ReadHeadAsync();
        await server.ReadAsync(8);
        await exchange.Client.ReadsAsync();
        await PassAsync(host, exchange);
        var sent = await exchange.EndAsync();
        AssertRefused(sent, 408, "RC-HTTP-302");
        Assert.EndsWith("reset NoError\n", sent, StringComparison.Ordinal);
        Assert.Equal(("", true), await server.DrainAsync());
        await AssertFaultAsync(host, "RC-HTTP-302", "timeout");
    }

    [Fact]
    public async Task Duplex_OneSideSilent_LivesAsLongAsTheOtherSpeaks()
    {
        await using var host = await ExchangeHost.StartAsync(Limited);
        var origin = host.Proxy.Origin();
        var exchange = host.Start(":method: POST", body: null, isOpen: true);
        var server = await origin.AcceptAsync();
        await server.ReadHeadAsync();
        await server.SendAsync("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        await exchange.Client.SentAsync("head 200");
        for (var i = 0; i < 3; i++)
        {
            await server.ProxyReceivesAsync();
            host.Proxy.Advance(s_limits.BodyTimeout - TimeSpan.FromSeconds(1));
            await server.SendAsync($"1\r\n{i}\r\n");
            await exchange.Client.SentAsync($"data '{i}'");
        }

        await server.ProxyReceivesAsync();
        await PassAsync(host, exchange);
        Assert.EndsWith("reset Cancel\n", await exchange.EndAsync(), StringComparison.Ordinal);
        Assert.Equal("timeout", (await host.Proxy.FlowAsync()).CloseReason!.Reason);
    }

    [Fact]
    public async Task Delivery_Blocked_ResetsBothSides()
    {
        await using var host = await ExchangeHost.StartAsync(Limited);
        var origin = host.Proxy.Origin();
        var exchange = host.Start("");
        var server = await origin.AcceptAsync();
        await server.ReadMessageAsync();
        exchange.Client.Block();
        await server.SendAsync("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc");
        await exchange.Client.SentAsync("head 200");
        await PassAsync(host, exchange);
        Assert.EndsWith("reset Cancel\n", await exchange.EndAsync(), StringComparison.Ordinal);
        await AssertFaultAsync(host, "RC-HTTP-315", "timeout");
        Assert.True((await server.DrainAsync()).WasReset);
    }

    [Fact]
    public async Task Total_Over_Is504BeforeTheHeadAndResetsBehindIt()
    {
        await using var host = await ExchangeHost.StartAsync(static x => x with { Limits = s_limits with { TotalTimeout = TimeSpan.FromSeconds(3) } });
        var origin = host.Proxy.Origin();
        var exchange = host.Start("");
        var server = await origin.AcceptAsync();
        await server.ReadMessageAsync();
        await server.ProxyReceivesAsync();
        host.Proxy.Advance(TimeSpan.FromSeconds(3.3));
        AssertRefused(await exchange.EndAsync(), 504, "RC-HTTP-313");

        var second = host.Start("");
        server = await origin.AcceptAsync();
        await server.ReadMessageAsync();
        await server.SendAsync("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc");
        await second.Client.SentAsync("abc");
        await host.Proxy.PassTimeAsync(second.Task, TimeSpan.FromSeconds(10));
        Assert.EndsWith("reset InternalError\n", await second.EndAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Abort_Running_ResetsBothSides()
    {
        await using var host = await ExchangeHost.StartAsync();
        var origin = host.Proxy.Origin();
        var exchange = host.Start("");
        var server = await origin.AcceptAsync();
        await server.ReadMessageAsync();
        exchange.Runner.Abort();
        Assert.Equal("reset Cancel\n", await exchange.EndAsync());
        await AssertFaultAsync(host, "RC-INT-002", "policy_drop");
        Assert.True((await server.DrainAsync()).WasReset);
    }

    [Fact]
    public async Task Authentication_OfConnections_StaysWithItsClient()
    {
        await using var host = await ExchangeHost.StartAsync();
        var origin = host.Proxy.Origin();
        var first = host.Start("authorization: NTLM abc");
        var server = await origin.AcceptAsync();
        await server.ReadMessageAsync();
        await server.SendAsync(Ok);
        await first.EndAsync();
        var second = host.Start(":path: /mine");
        Assert.StartsWith("GET /mine ", await server.ReadMessageAsync(), StringComparison.Ordinal);
        await server.SendAsync(Ok);
        await second.EndAsync();

        // Another client gets a connection of its own.
        var stranger = host.Proxy.Connect();
        await stranger.SendAsync("GET http://origin.test/other HTTP/1.1\r\nHost: origin.test\r\n\r\n");
        var other = await origin.AcceptAsync();
        Assert.StartsWith("GET /other ", await other.ReadMessageAsync(), StringComparison.Ordinal);
        await other.SendAsync(Ok);
        await stranger.ReadMessageAsync();
    }
}
