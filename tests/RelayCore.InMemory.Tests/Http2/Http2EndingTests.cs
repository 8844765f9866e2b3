using RelayCore.Protocols.Http2;
using RelayCore.Testing;
using Xunit;
using static RelayCore.InMemory.Tests.Http2.Http2Scene;

namespace RelayCore.InMemory.Tests.Http2;

/// <summary>How streams and connections end other than by completing: resets, peers that go, time-outs, a proxy that stops.</summary>
public sealed class Http2EndingTests
{
    private static readonly TimeSpan s_little = TimeSpan.FromSeconds(1.5);

    private static Task<TestProxy> StartLimitedAsync(TimeSpan? total = null) => StartAsync(_ => total is { } some ? Limits with { TotalTimeout = some } : Limits);

    [Theory]
    [InlineData(Http2ErrorCode.Cancel)]
    [InlineData(Http2ErrorCode.EnhanceYourCalm)]
    [InlineData(Http2ErrorCode.InternalError)]
    [InlineData((Http2ErrorCode)0xABCD)]
    public async Task Reset_OfClient_HasItsCodeAtTheServer_WhereverTheExchangeIs(Http2ErrorCode code)
    {
        await using var proxy = await TestProxy.StartAsync();
        var (client, server, get) = await GetAsync(proxy, proxy.Origin());
        await client.HeadersAsync(3, false, Post());
        var post = await server.ReadAsync(Http2FrameType.Headers);
        await client.GetAsync(5, scheme: "http");
        var answered = await server.ReadAsync(Http2FrameType.Headers);
        await server.HeadersAsync(answered.StreamId, false, Ok());
        await client.ReadAsync(Http2FrameType.Headers);
        foreach (var (mine, theirs) in ((int, int)[])[(1, get.StreamId), (3, post.StreamId), (5, answered.StreamId)])
        {
            await client.ResetAsync(mine, code);
            await AssertResetAsync(server, theirs, code);
        }

        Assert.All(await proxy.FlowsAsync(3), x => Assert.Equal(("RC-HTTP-315", "client"), (x.Error()!.Code, x.Error()!.Blame)));
        await AssertServesAsync(client, server, 7);
        client.Peer.Close();
    }

    [Theory]
    [InlineData(Http2ErrorCode.Cancel)]
    [InlineData(Http2ErrorCode.EnhanceYourCalm)]
    [InlineData(Http2ErrorCode.Http11Required)]
    [InlineData((Http2ErrorCode)0xABCD)]
    public async Task Reset_OfServerWithinTheBody_HasItsCodeAtTheClient(Http2ErrorCode code)
    {
        await using var proxy = await TestProxy.StartAsync();
        var (client, server, request) = await GetAsync(proxy, proxy.Origin());
        await server.HeadersAsync(request.StreamId, false, Ok());
        await server.DataAsync(request.StreamId, "part", ends: false);
        await client.ReadAsync(Http2FrameType.Headers);
        Assert.Equal("part", (await client.ReadAsync(Http2FrameType.Data)).Text);
        await server.ResetAsync(request.StreamId, code);
        await AssertResetAsync(client, 1, code);
        var flow = await proxy.FlowAsync();
        Assert.Equal(("RC-HTTP-319", "server", "part"), (flow.Error()!.Code, flow.Error()!.Blame, flow.Http().Response!.Body!.Content));
        await AssertServesAsync(client, server, 3);
        client.Peer.Close();
    }

    [Fact]
    public async Task Reset_OfServerNoErrorBehindItsAnswer_StopsTheUploadAndIsNoFault()
    {
        await using var proxy = await TestProxy.StartAsync();
        var (client, server, request) = await PostAsync(proxy, proxy.Origin());
        await server.HeadersAsync(request.StreamId, true, (":status", "413"));
        Assert.Equal("413", (await client.ReadAsync(Http2FrameType.Headers))[":status"]);
        await server.ResetAsync(request.StreamId, Http2ErrorCode.NoError);
        await AssertResetAsync(client, 1, Http2ErrorCode.NoError);
        Assert.Null((await proxy.FlowAsync()).Error());
        await AssertServesAsync(client, server, 3);
        client.Peer.Close();
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public async Task Client_GoneAtEachStage_ServerStreamIsReset(int stage)
    {
        await using var proxy = await TestProxy.StartAsync();
        var (client, server, request) = await PostAsync(proxy, proxy.Origin());
        if (stage > 0)
        {
            await client.DataAsync(1, "part", ends: false);
            await server.ReadAsync(Http2FrameType.Data);
        }

        if (stage > 1)
        {
            await server.HeadersAsync(request.StreamId, false, Ok());
            await client.ReadAsync(Http2FrameType.Headers);
        }

        if (stage > 2)
        {
            await server.DataAsync(request.StreamId, "part", ends: false);
            await client.ReadAsync(Http2FrameType.Data);
        }

        client.Peer.Reset();
        await AssertResetAsync(server, request.StreamId, Http2ErrorCode.Cancel);
        Assert.Equal("RC-HTTP-315", (await proxy.FlowAsync()).Error()!.Code);
        var other = await ClientAsync(proxy);
        await AssertServesAsync(other, server, 1); // the server's connection is others' too
        other.Peer.Close();
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    public async Task Server_GoneAtEachStage_ClientIsToldOnItsStream(int stage)
    {
        await using var proxy = await TestProxy.StartAsync();
        var origin = proxy.Origin();
        var (client, server, request) = await PostAsync(proxy, origin);
        if (stage > 0)
        {
            await server.HeadersAsync(request.StreamId, false, Ok());
            await client.ReadAsync(Http2FrameType.Headers);
        }

        if (stage > 1)
        {
            await server.DataAsync(request.StreamId, "part", ends: false);
            await client.ReadAsync(Http2FrameType.Data);
        }

        server.Peer.Reset();
        if (stage == 0)
        {
            Assert.Equal("502", (await client.ReadAsync(Http2FrameType.Headers))[":status"]);
            await client.ReadAsync(Http2FrameType.Data);
        }

        Assert.Equal(1, (await client.ReadAsync(Http2FrameType.RstStream)).StreamId);
        var error = (await proxy.FlowAsync()).Error()!;
        Assert.Equal(("server", stage == 0 ? "RC-HTTP-311" : "RC-HTTP-309"), (error.Blame, error.Code));
        await client.GetAsync(3, scheme: "http");
        var next = await ServerAsync(origin);
        await next.HeadersAsync((await next.ReadAsync(Http2FrameType.Headers)).StreamId, true, (":status", "204"));
        Assert.Equal("204", (await client.ReadAsync(Http2FrameType.Headers))[":status"]);
        client.Peer.Close();
    }

    [Fact]
    public async Task Client_HalfClosedStreams_BothWaysEndApart()
    {
        await using var proxy = await TestProxy.StartAsync();
        var (client, server, request) = await PostAsync(proxy, proxy.Origin());
        await server.HeadersAsync(request.StreamId, false, Ok());
        await client.ReadAsync(Http2FrameType.Headers);
        for (var i = 0; i < 5; i++)
        {
            await client.DataAsync(1, "up" + i, ends: false);
            Assert.Equal("up" + i, (await server.ReadAsync(Http2FrameType.Data)).Text);
            await server.DataAsync(request.StreamId, "down" + i, ends: false);
            Assert.Equal("down" + i, (await client.ReadAsync(Http2FrameType.Data)).Text);
        }

        await client.DataAsync(1, "", ends: true);
        Assert.True((await server.ReadAsync(Http2FrameType.Data)).Ends);
        await server.DataAsync(request.StreamId, "more", ends: false);
        Assert.Equal("more", (await client.ReadAsync(Http2FrameType.Data)).Text);
        await server.DataAsync(request.StreamId, "", ends: true);
        Assert.True((await client.ReadAsync(Http2FrameType.Data)).Ends);
        var flow = await proxy.FlowAsync();
        Assert.Equal(("up0up1up2up3up4", "down0down1down2down3down4more"), (flow.Http().Request!.Body!.Content, flow.Http().Response!.Body!.Content));
        client.Peer.Close();
    }

    [Fact]
    public async Task Server_EndsItsSideFirst_RequestGoesOnForAWhile()
    {
        await using var proxy = await TestProxy.StartAsync();
        var (client, server, request) = await PostAsync(proxy, proxy.Origin());
        await server.HeadersAsync(request.StreamId, true, Ok());
        Assert.True((await client.ReadAsync(Http2FrameType.Headers)).Ends);
        await client.DataAsync(1, "late", ends: true);
        var data = await server.ReadAsync(Http2FrameType.Data);
        Assert.Equal(("late", true), (data.Text, data.Ends));
        var flow = await proxy.FlowAsync();
        Assert.Null(flow.Error());
        Assert.Contains("early_response", flow.Marks);
        client.Peer.Close();
    }

    // Time-outs.

    [Fact]
    public async Task Timeout_FirstByte_Is504AndResetsTheServersStream()
    {
        await using var proxy = await StartLimitedAsync();
        var (client, server, request) = await GetAsync(proxy, proxy.Origin());
        await server.Peer.ProxyReceivesAsync();
        proxy.Advance(Limits.FirstByteTimeout - s_little);
        Assert.DoesNotContain(proxy.Flows(), x => x.EndTime is not null);
        proxy.Advance(s_little * 2);
        await AssertResetAsync(server, request.StreamId, Http2ErrorCode.Cancel);
        var answer = await client.ReadAsync(Http2FrameType.Headers);
        Assert.Equal(("504", "RC-HTTP-310"), (answer[":status"], answer["x-relay-core-error"]));
        client.Peer.Close();
    }

    [Fact]
    public async Task Timeout_RequestBody_Is408()
    {
        await using var proxy = await StartLimitedAsync();
        var (client, server, request) = await PostAsync(proxy, proxy.Origin());
        await client.DataAsync(1, "part", ends: false);
        await server.ReadAsync(Http2FrameType.Data);
        await client.Peer.ProxyReceivesAsync();
        await server.Peer.ProxyReceivesAsync();
        proxy.Advance(Limits.BodyTimeout - s_little);
        Assert.DoesNotContain(proxy.Flows(), x => x.EndTime is not null);
        proxy.Advance(s_little * 2);
        await AssertResetAsync(server, request.StreamId, Http2ErrorCode.Cancel);
        Assert.Equal("408", (await client.ReadAsync(Http2FrameType.Headers))[":status"]);
        Assert.Equal("RC-HTTP-302", (await proxy.FlowAsync()).Error()!.Code);
        client.Peer.Close();
    }

    [Fact]
    public async Task Timeout_ResponseBody_ResetsBoth()
    {
        await using var proxy = await StartLimitedAsync();
        var (client, server, request) = await GetAsync(proxy, proxy.Origin());
        await server.HeadersAsync(request.StreamId, false, Ok());
        await client.ReadAsync(Http2FrameType.Headers);
        await server.Peer.ProxyReceivesAsync();
        proxy.Advance(Limits.BodyTimeout + s_little);
        await AssertResetAsync(server, request.StreamId, Http2ErrorCode.Cancel);
        await AssertResetAsync(client, 1, Http2ErrorCode.InternalError);
        Assert.Equal("RC-HTTP-308", (await proxy.FlowAsync()).Error()!.Code);
        client.Peer.Close();
    }

    [Fact]
    public async Task Timeout_DeliveryAtZeroWindow_ResetsTheStreamOnly()
    {
        await using var proxy = await StartLimitedAsync();
        var (client, server, request) = await GetAsync(proxy, proxy.Origin(), new Http2Setting(Http2SettingId.InitialWindowSize, 0));
        await server.HeadersAsync(request.StreamId, false, Ok());
        await server.DataAsync(request.StreamId, "never", ends: true);
        await client.ReadAsync(Http2FrameType.Headers);
        await server.Peer.ProxyReceivesAsync();
        proxy.Advance(Limits.BodyTimeout + s_little);
        await AssertResetAsync(client, 1, Http2ErrorCode.Cancel);
        var error = (await proxy.FlowAsync()).Error()!;
        Assert.Equal(("RC-HTTP-315", "timeout", "client"), (error.Code, error.Kind, error.Blame));
        await AssertServesAsync(client, server, 3);
        client.Peer.Close();
    }

    [Fact]
    public async Task Timeout_UploadAtZeroWindow_Is502()
    {
        await using var proxy = await StartLimitedAsync();
        var origin = proxy.Origin();
        var client = await ClientAsync(proxy);
        await client.HeadersAsync(1, false, Post());
        var server = await ServerAsync(origin, new Http2Setting(Http2SettingId.InitialWindowSize, 0));
        await server.ReadAsync(Http2FrameType.Headers);
        await server.Peer.ProxyReceivesAsync();
        await client.DataAsync(1, "never", ends: true);
        await client.Peer.ProxyReceivesAsync();
        proxy.Advance(Limits.BodyTimeout + s_little);
        Assert.Equal("502", (await client.ReadAsync(Http2FrameType.Headers))[":status"]);
        Assert.Equal("RC-HTTP-312", (await proxy.FlowAsync()).Error()!.Code);
        client.Peer.Close();
    }

    [Fact]
    public async Task Timeout_Total_EndsTheExchange()
    {
        await using var proxy = await StartLimitedAsync(TimeSpan.FromSeconds(8));
        var (client, server, request) = await GetAsync(proxy, proxy.Origin());
        await server.HeadersAsync(request.StreamId, false, Ok());
        await client.ReadAsync(Http2FrameType.Headers);
        for (var i = 0; i < 7; i++)
        {
            await server.DataAsync(request.StreamId, ".", ends: false);
            await client.ReadAsync(Http2FrameType.Data);
            proxy.Advance(TimeSpan.FromSeconds(1));
        }

        proxy.Advance(s_little);
        await AssertResetAsync(server, request.StreamId, Http2ErrorCode.Cancel);
        await AssertResetAsync(client, 1, Http2ErrorCode.InternalError);
        Assert.Equal("RC-HTTP-313", (await proxy.FlowAsync()).Error()!.Code);
        client.Peer.Close();
    }

    [Fact]
    public async Task Timeout_IdleClient_GetsGoAwayAndTheEnd()
    {
        await using var proxy = await StartLimitedAsync();
        var (client, server, request) = await GetAsync(proxy, proxy.Origin());
        await server.HeadersAsync(request.StreamId, true, (":status", "204"));
        await client.ReadAsync(Http2FrameType.Headers);
        await proxy.FlowAsync();
        await client.Peer.ProxyReceivesAsync();
        proxy.Advance(Limits.IdleTimeout - s_little);
        Assert.Equal(1, proxy.Engine.ClientConnections);
        proxy.Advance(s_little * 2);
        var goAway = await AssertGoAwayAsync(client, Http2ErrorCode.NoError);
        Assert.Equal(1, goAway.Number);
        Assert.Equal("", await client.Peer.ReadToEndAsync());
    }

    [Fact]
    public async Task Timeout_IdleServer_GetsGoAwayAndTheEnd()
    {
        await using var proxy = await StartLimitedAsync();
        var (client, server, request) = await GetAsync(proxy, proxy.Origin());
        await server.HeadersAsync(request.StreamId, true, (":status", "204"));
        await client.ReadAsync(Http2FrameType.Headers);
        await proxy.FlowAsync();
        await server.Peer.ProxyReceivesAsync();
        proxy.Advance(Limits.PoolIdleTimeout + s_little);
        await AssertGoAwayAsync(server, Http2ErrorCode.NoError);
        Assert.Equal("", await server.Peer.ReadToEndAsync());
        client.Peer.Close();
    }

    [Fact]
    public async Task Timeout_SettingsNeverAcknowledgedByClient_IsSettingsTimeout()
    {
        await using var proxy = await StartLimitedAsync();
        var client = new Http2Peer(proxy.Connect());
        await client.Peer.SendAsync(Http2Preface.Value.ToArray());
        await client.SettingsAsync();
        await client.ReadAsync(Http2FrameType.Settings);
        await client.Peer.ProxyReceivesAsync();
        proxy.Advance(Limits.HandshakeTimeout - s_little);
        Assert.Equal(1, proxy.Engine.ClientConnections);
        proxy.Advance(s_little * 2);
        await AssertGoAwayAsync(client, Http2ErrorCode.SettingsTimeout);
        Assert.Equal("", await client.Peer.ReadToEndAsync());
        Assert.Equal(("RC-H2-001", "timeout"), ((await proxy.FlowAsync()).Error()!.Code, (await proxy.FlowAsync()).Error()!.Kind));
    }

    [Fact]
    public async Task Timeout_SettingsNeverAcknowledgedByServer_IsSettingsTimeoutAnd502()
    {
        await using var proxy = await StartLimitedAsync();
        var origin = proxy.Origin();
        var client = await ClientAsync(proxy);
        await client.GetAsync(1, scheme: "http");
        var server = new Http2Peer(await origin.AcceptAsync());
        await server.Peer.ReadAsync(Http2Preface.Octets);
        await server.SettingsAsync();
        await server.ReadAsync(Http2FrameType.Headers);
        await server.Peer.ProxyReceivesAsync();
        proxy.Advance(Limits.HandshakeTimeout + s_little);
        await AssertGoAwayAsync(server, Http2ErrorCode.SettingsTimeout);
        Assert.Equal("502", (await client.ReadAsync(Http2FrameType.Headers))[":status"]);
        client.Peer.Close();
    }

    [Fact]
    public async Task Timeout_ServerWithoutSettings_Is502()
    {
        await using var proxy = await StartLimitedAsync();
        var origin = proxy.Origin();
        var client = await ClientAsync(proxy);
        await client.GetAsync(1, scheme: "http");
        var server = await origin.AcceptAsync();
        await server.ReadAsync(Http2Preface.Octets);
        await server.ProxyReceivesAsync();
        proxy.Advance(Limits.HandshakeTimeout + s_little);
        Assert.Equal("502", (await client.ReadAsync(Http2FrameType.Headers))[":status"]);
        client.Peer.Close();
    }

    [Fact]
    public async Task Timeout_ClientThatReadsNothing_IsReset()
    {
        await using var proxy = await StartLimitedAsync();
        proxy.Network.BufferOctets = 4096;
        var client = await ClientAsync(proxy);
        var sending = Record.ExceptionAsync(async () =>
        {
            for (var i = 0; i < 900; i++)
            {
                await client.FrameAsync(Http2FrameType.Ping, 0, 0, new byte[8]);
            }
        });
        await client.Peer.ProxyIsBlockedAsync();
        await client.Peer.ProxyReceivesAsync();
        proxy.Advance(Limits.BodyTimeout + s_little);
        Assert.True((await client.Peer.DrainAsync()).WasReset);
        await sending;
        await TestProxy.UntilAsync(() => proxy.Engine.ClientConnections == 0, () => "the session stays");
    }

    // A proxy that stops.

    [Fact]
    public async Task Stop_WithGrace_RunningStreamsEndAndNewOnesAreNotServed()
    {
        await using var proxy = await TestProxy.StartAsync();
        var (client, server, request) = await GetAsync(proxy, proxy.Origin());
        await server.Peer.ProxyReceivesAsync();
        var stopping = proxy.Engine.StopAsync(TimeSpan.FromHours(1));
        var goAway = await AssertGoAwayAsync(client, Http2ErrorCode.NoError);
        Assert.Equal(1, goAway.Number);
        await client.GetAsync(3, scheme: "http"); // the client may repeat it elsewhere
        await client.Peer.ProxyReceivesAsync();
        await server.HeadersAsync(request.StreamId, false, Ok());
        await server.DataAsync(request.StreamId, "done", ends: true);
        Assert.Equal((1, "200"), Of(await client.ReadAsync(Http2FrameType.Headers)));
        Assert.Equal("done", (await client.ReadAsync(Http2FrameType.Data)).Text);
        Assert.Equal("", await client.Peer.ReadToEndAsync());
        await AssertGoAwayAsync(server, Http2ErrorCode.NoError);
        Assert.Equal("", await server.Peer.ReadToEndAsync());
        await proxy.PassTimeAsync(stopping, TimeSpan.FromMinutes(30));
        Assert.Null((await proxy.FlowAsync()).Error());
    }

    [Fact]
    public async Task Stop_GraceOver_ResetsAndRecords()
    {
        await using var proxy = await TestProxy.StartAsync();
        var (client, server, _) = await GetAsync(proxy, proxy.Origin());
        await server.Peer.ProxyReceivesAsync();
        await proxy.PassTimeAsync(proxy.Engine.StopAsync(TimeSpan.FromSeconds(1)), TimeSpan.FromMinutes(1));
        await client.Peer.DrainAsync();
        await server.Peer.DrainAsync();
        Assert.Equal("RC-INT-002", (await proxy.FlowAsync()).Error()!.Code);
    }

    [Fact]
    public async Task Stop_IdleConnections_CloseAtOnce()
    {
        await using var proxy = await TestProxy.StartAsync();
        var (client, server, request) = await GetAsync(proxy, proxy.Origin());
        await server.HeadersAsync(request.StreamId, true, (":status", "204"));
        await client.ReadAsync(Http2FrameType.Headers);
        await proxy.FlowAsync();
        await client.Peer.ProxyReceivesAsync();
        await server.Peer.ProxyReceivesAsync();
        var stopping = proxy.Engine.StopAsync(TimeSpan.FromHours(1));
        await AssertGoAwayAsync(client, Http2ErrorCode.NoError);
        await AssertGoAwayAsync(server, Http2ErrorCode.NoError);
        Assert.Equal("", await client.Peer.ReadToEndAsync());
        Assert.Equal("", await server.Peer.ReadToEndAsync());
        await proxy.PassTimeAsync(stopping, TimeSpan.FromMinutes(30)); // by themselves, long before the grace is over
    }

    private static (int, string?) Of(Http2TestFrame frame) => (frame.StreamId, frame[":status"]);
}
