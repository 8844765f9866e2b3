using RelayCore.Protocols.Http2;
using RelayCore.Testing;
using Xunit;
using static RelayCore.InMemory.Tests.Http2.Http2Scene;

namespace RelayCore.InMemory.Tests.Http2;

/// <summary>Many client streams on few server connections: limits, waiting, GOAWAY, REFUSED_STREAM, connections that go away.</summary>
public sealed class Http2SharedConnectionTests
{
    private static readonly Http2Setting s_one = new(Http2SettingId.MaxConcurrentStreams, 1);

    [Fact]
    public async Task Streams_OfTwoClients_ShareAConnection()
    {
        await using var proxy = await TestProxy.StartAsync();
        var origin = proxy.Origin();
        var (first, server, request) = await GetAsync(proxy, origin);
        var second = await ClientAsync(proxy);
        await second.GetAsync(1, "/second", scheme: "http");
        var other = await server.ReadAsync(Http2FrameType.Headers);
        Assert.Equal((1, 3, "/second"), (request.StreamId, other.StreamId, other[":path"]));
        await server.HeadersAsync(3, true, (":status", "203"));
        await server.HeadersAsync(1, true, (":status", "201"));
        Assert.Equal("203", (await second.ReadAsync(Http2FrameType.Headers))[":status"]);
        Assert.Equal("201", (await first.ReadAsync(Http2FrameType.Headers))[":status"]);
        Assert.Single(proxy.Network.Connects);
        Assert.Contains((await proxy.FlowsAsync(2)), x => x.Marks.Contains("server_reused"));
        first.Peer.Close();
        second.Peer.Close();
    }

    [Fact]
    public async Task MaxConcurrentStreams_Reached_OpensAnotherConnection()
    {
        await using var proxy = await TestProxy.StartAsync();
        var origin = proxy.Origin();
        var client = await ClientAsync(proxy);
        await client.GetAsync(1, "/1", scheme: "http");
        var first = await ServerAsync(origin, s_one);
        var one = await first.ReadAsync(Http2FrameType.Headers);
        await first.Peer.ProxyReceivesAsync();
        await client.GetAsync(3, "/3", scheme: "http");
        var second = await ServerAsync(origin, s_one);
        var three = await second.ReadAsync(Http2FrameType.Headers);
        Assert.Equal(("/1", "/3"), (one[":path"], three[":path"]));
        await second.HeadersAsync(three.StreamId, true, (":status", "203"));
        await first.HeadersAsync(one.StreamId, true, (":status", "201"));
        (int, string?)[] answers = [Of(await client.ReadAsync(Http2FrameType.Headers)), Of(await client.ReadAsync(Http2FrameType.Headers))];
        Assert.Equal([(1, "201"), (3, "203")], answers.Order());
        client.Peer.Close();
    }

    [Fact]
    public async Task MaxConcurrentStreams_NoMoreConnections_StreamsWaitTheirTurn()
    {
        await using var proxy = await StartAsync(x => x with { MaxServerConnectionsPerOrigin = 1 });
        var origin = proxy.Origin();
        var client = await ClientAsync(proxy);
        await client.GetAsync(1, "/1", scheme: "http");
        var server = await ServerAsync(origin, s_one);
        var request = await server.ReadAsync(Http2FrameType.Headers);
        await server.Peer.ProxyReceivesAsync();
        for (var id = 3; id <= 9; id += 2)
        {
            await client.GetAsync(id, $"/{id}", scheme: "http");
            await client.Peer.ProxyReceivesAsync();
        }

        var served = new List<string>();
        for (var i = 0; i < 5; i++)
        {
            served.Add(request[":path"]!);
            await server.HeadersAsync(request.StreamId, true, (":status", "204"));
            await client.ReadAsync(Http2FrameType.Headers);
            request = i < 4 ? await server.ReadAsync(Http2FrameType.Headers) : request;
        }

        Assert.Equal(["/1", "/3", "/5", "/7", "/9"], served.Order());
        Assert.Single(proxy.Network.Connects);
        client.Peer.Close();
    }

    [Fact]
    public async Task MaxConcurrentStreams_Raised_WakesAllThatFit()
    {
        await using var proxy = await StartAsync(x => x with { MaxServerConnectionsPerOrigin = 1 });
        var origin = proxy.Origin();
        var client = await ClientAsync(proxy);
        await client.GetAsync(1, "/1", scheme: "http");
        var server = await ServerAsync(origin, s_one);
        await server.ReadAsync(Http2FrameType.Headers);
        await server.Peer.ProxyReceivesAsync();
        for (var id = 3; id <= 9; id += 2)
        {
            await client.GetAsync(id, $"/{id}", scheme: "http");
            await client.Peer.ProxyReceivesAsync();
        }

        await server.SettingsAsync(new Http2Setting(Http2SettingId.MaxConcurrentStreams, 10));
        for (var i = 0; i < 4; i++)
        {
            await server.ReadAsync(Http2FrameType.Headers);
        }

        client.Peer.Close();
    }

    [Fact]
    public async Task Waiting_TooLong_Is503AndDoesNotLoseTheNextOnesTurn()
    {
        await using var proxy = await StartAsync(_ => Limits with { MaxServerConnectionsPerOrigin = 1 });
        var origin = proxy.Origin();
        var client = await ClientAsync(proxy);
        await client.GetAsync(1, "/1", scheme: "http");
        var server = await ServerAsync(origin, s_one);
        var first = await server.ReadAsync(Http2FrameType.Headers);
        await server.Peer.ProxyReceivesAsync();
        await client.GetAsync(3, "/3", scheme: "http");
        await client.Peer.ProxyReceivesAsync();
        var late = client.ReadAsync(Http2FrameType.Headers);
        await proxy.PassTimeAsync(late, TimeSpan.FromSeconds(8));
        Assert.Equal((3, "503"), Of(await late));
        Assert.Equal("RC-CONN-004", (await late)["x-relay-core-error"]);
        await client.ReadAsync(Http2FrameType.Data);
        await client.GetAsync(5, "/5", scheme: "http");
        await client.Peer.ProxyReceivesAsync();
        await server.HeadersAsync(first.StreamId, true, (":status", "204"));
        Assert.Equal((1, "204"), Of(await client.ReadAsync(Http2FrameType.Headers)));
        Assert.Equal("/5", (await server.ReadAsync(Http2FrameType.Headers))[":path"]);
        client.Peer.Close();
    }

    [Fact]
    public async Task Waiting_ClientGone_LeavesItsTurnToTheNext()
    {
        await using var proxy = await StartAsync(x => x with { MaxServerConnectionsPerOrigin = 1 });
        var origin = proxy.Origin();
        var client = await ClientAsync(proxy);
        await client.GetAsync(1, "/1", scheme: "http");
        var server = await ServerAsync(origin, s_one);
        var request = await server.ReadAsync(Http2FrameType.Headers);
        await server.Peer.ProxyReceivesAsync();
        for (var id = 3; id < 63; id += 4)
        {
            await client.GetAsync(id, "/gone", scheme: "http");
            await client.Peer.ProxyReceivesAsync();
            await client.GetAsync(id + 2, "/next", scheme: "http");
            await client.Peer.ProxyReceivesAsync();
            await client.ResetAsync(id, Http2ErrorCode.Cancel);
            await client.Peer.ProxyReceivesAsync();
            await server.HeadersAsync(request.StreamId, true, (":status", "204"));
            await client.ReadAsync(Http2FrameType.Headers);
            request = await server.ReadAsync(Http2FrameType.Headers);
            Assert.Equal("/next", request[":path"]);
        }

        client.Peer.Close();
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public async Task Reservations_OfStreamsThatEndAnyWay_AreGivenBack(int seed)
    {
        // A server that allows one stream: a right that is lost stops everything.
        await using var proxy = await StartAsync(x => x with { MaxServerConnectionsPerOrigin = 1 });
        var origin = proxy.Origin();
        var client = await ClientAsync(proxy);
        await client.GetAsync(1, scheme: "http");
        var server = await ServerAsync(origin, s_one);
        var request = await server.ReadAsync(Http2FrameType.Headers);
        await server.Peer.ProxyReceivesAsync();
        var random = new Random(seed);
        for (var id = 1; id < 121; id += 2)
        {
            switch (random.Next(5))
            {
                case 0:
                    await server.HeadersAsync(request.StreamId, true, (":status", "204"));
                    await client.ReadAsync(Http2FrameType.Headers);
                    break;

                case 1:
                    await client.ResetAsync(id, Http2ErrorCode.Cancel);
                    await server.ReadAsync(Http2FrameType.RstStream);
                    break;

                case 2:
                    await server.ResetAsync(request.StreamId, Http2ErrorCode.InternalError);
                    await client.ReadAsync(Http2FrameType.Headers);
                    await client.ReadAsync(Http2FrameType.Data);
                    break;

                case 3:
                    await server.HeadersAsync(request.StreamId, true, ("x", "malformed"));
                    await client.ReadAsync(Http2FrameType.Headers);
                    await client.ReadAsync(Http2FrameType.Data);
                    break;

                default:
                    await server.HeadersAsync(request.StreamId, false, Ok());
                    await client.ReadAsync(Http2FrameType.Headers);
                    await server.ResetAsync(request.StreamId, Http2ErrorCode.Cancel);
                    await AssertResetAsync(client, id, Http2ErrorCode.Cancel);
                    break;
            }

            await client.WindowAsync(0, 1000);
            await client.GetAsync(id + 2, scheme: "http");
            do
            {
                request = await server.ReadAsync();
            }
            while (request.Type != Http2FrameType.Headers);
        }

        Assert.Single(proxy.Network.Connects);
        client.Peer.Close();
    }

    [Fact]
    public async Task RefusedStream_IsSentAgain()
    {
        await using var proxy = await TestProxy.StartAsync();
        var (client, server, request) = await GetAsync(proxy, proxy.Origin());
        await server.ResetAsync(request.StreamId, Http2ErrorCode.RefusedStream);
        var again = await server.ReadAsync(Http2FrameType.Headers);
        Assert.Equal(3, again.StreamId);
        await server.HeadersAsync(again.StreamId, true, (":status", "204"));
        Assert.Equal("204", (await client.ReadAsync(Http2FrameType.Headers))[":status"]);
        Assert.Contains("retried", (await proxy.FlowAsync()).Marks);
        client.Peer.Close();
    }

    [Fact]
    public async Task RefusedStream_PostThatIsHeld_IsSentAgainWhole()
    {
        await using var proxy = await TestProxy.StartAsync();
        var origin = proxy.Origin();
        var client = await ClientAsync(proxy);
        var head = client.Block(Post());
        var frames = new byte[(2 * Http2Frame.HeaderOctets) + head.Length + 4];
        Http2FrameWriter.WriteHeader(frames, head.Length, Http2FrameType.Headers, Http2FrameFlags.EndHeaders, 1);
        head.CopyTo(frames.AsSpan(Http2Frame.HeaderOctets));
        Http2FrameWriter.WriteDataHeader(frames.AsSpan(Http2Frame.HeaderOctets + head.Length), 4, 1, endStream: true);
        "body"u8.CopyTo(frames.AsSpan(frames.Length - 4));
        await client.Peer.SendAsync(frames);
        var server = await ServerAsync(origin);
        for (var i = 0; i < 2; i++)
        {
            var request = await server.ReadAsync(Http2FrameType.Headers);
            Assert.Equal("POST", request[":method"]);
            var body = await server.ReadAsync(Http2FrameType.Data);
            Assert.Equal(("body", true), (body.Text, body.Ends));
            await (i == 0 ? server.ResetAsync(request.StreamId, Http2ErrorCode.RefusedStream) : server.HeadersAsync(request.StreamId, true, (":status", "204")));
        }

        Assert.Equal("204", (await client.ReadAsync(Http2FrameType.Headers))[":status"]);
        client.Peer.Close();
    }

    [Fact]
    public async Task RefusedStream_AlwaysAgain_IsGivenUp()
    {
        await using var proxy = await TestProxy.StartAsync();
        var (client, server, request) = await GetAsync(proxy, proxy.Origin());
        for (var i = 1; ; i++)
        {
            await server.ResetAsync(request.StreamId, Http2ErrorCode.RefusedStream);
            if (i == 20)
            {
                break;
            }

            request = await server.ReadAsync(Http2FrameType.Headers);
        }

        Assert.Equal("502", (await client.ReadAsync(Http2FrameType.Headers))[":status"]);
        client.Peer.Close();
    }

    [Fact]
    public async Task Reset_OtherThanRefused_IsNotSentAgain()
    {
        await using var proxy = await TestProxy.StartAsync();
        var (client, server, request) = await GetAsync(proxy, proxy.Origin());
        await server.ResetAsync(request.StreamId, Http2ErrorCode.InternalError);
        var answer = await client.ReadAsync(Http2FrameType.Headers);
        Assert.Equal(("502", "RC-HTTP-319"), (answer[":status"], answer["x-relay-core-error"]));
        await client.ReadAsync(Http2FrameType.Data);
        await AssertServesAsync(client, server, 3);
        client.Peer.Close();
    }

    [Fact]
    public async Task GoAway_UnprocessedStreams_GoToANewConnectionAndOthersEndHere()
    {
        await using var proxy = await TestProxy.StartAsync();
        var origin = proxy.Origin();
        var (client, server, one) = await GetAsync(proxy, origin);
        await client.HeadersAsync(3, true, Post(("x", "unprocessed")));
        var three = await server.ReadAsync(Http2FrameType.Headers);
        await server.GoAwayAsync(one.StreamId, Http2ErrorCode.NoError);
        var next = await ServerAsync(origin);
        var again = await next.ReadAsync(Http2FrameType.Headers);
        Assert.Equal(("POST", 3), (again[":method"], three.StreamId));
        await next.HeadersAsync(again.StreamId, true, (":status", "203"));
        await server.HeadersAsync(one.StreamId, true, (":status", "201"));
        (int, string?)[] answers = [Of(await client.ReadAsync(Http2FrameType.Headers)), Of(await client.ReadAsync(Http2FrameType.Headers))];
        Assert.Equal([(1, "201"), (3, "203")], answers.Order());
        Assert.Equal(Http2ErrorCode.NoError, (await AssertGoAwayAsync(server, Http2ErrorCode.NoError)).Code);
        Assert.Equal("", await server.Peer.ReadToEndAsync()); // the last stream is over: the connection ends
        await AssertServesAsync(client, next, 5);
        client.Peer.Close();
    }

    [Fact]
    public async Task GoAway_OnIdleConnection_ClosesItAndTheNextRequestConnects()
    {
        await using var proxy = await TestProxy.StartAsync();
        var origin = proxy.Origin();
        var (client, server, request) = await GetAsync(proxy, origin);
        await server.HeadersAsync(request.StreamId, true, (":status", "204"));
        await client.ReadAsync(Http2FrameType.Headers);
        await proxy.FlowAsync();
        await server.GoAwayAsync(1, Http2ErrorCode.NoError);
        await AssertGoAwayAsync(server, Http2ErrorCode.NoError);
        Assert.Equal("", await server.Peer.ReadToEndAsync());
        await client.GetAsync(3, scheme: "http");
        var next = await ServerAsync(origin);
        await next.HeadersAsync((await next.ReadAsync(Http2FrameType.Headers)).StreamId, true, (":status", "204"));
        await client.ReadAsync(Http2FrameType.Headers);
        client.Peer.Close();
    }

    [Fact]
    public async Task GoAway_WithError_ProcessedStreamsFailWithItsCode()
    {
        await using var proxy = await TestProxy.StartAsync();
        var (client, server, request) = await GetAsync(proxy, proxy.Origin());
        await server.HeadersAsync(request.StreamId, false, Ok());
        await client.ReadAsync(Http2FrameType.Headers);
        await server.GoAwayAsync(1, Http2ErrorCode.InternalError);
        server.Peer.Close();
        Assert.Equal(1, (await client.ReadAsync(Http2FrameType.RstStream)).StreamId);
        Assert.NotNull((await proxy.FlowAsync()).Error());
        client.Peer.Close();
    }

    [Fact]
    public async Task GoAway_StreamsThatWait_AreServedElsewhere()
    {
        await using var proxy = await StartAsync();
        var origin = proxy.Origin();
        var client = await ClientAsync(proxy);
        var servers = new List<(Http2Peer Server, int Id)>();
        for (var i = 0; i < 16; i++)
        {
            await client.GetAsync(1 + (2 * i), "/" + i, scheme: "http");
            var server = await ServerAsync(origin, s_one);
            servers.Add((server, (await server.ReadAsync(Http2FrameType.Headers)).StreamId));
            await server.Peer.ProxyReceivesAsync();
        }

        await client.GetAsync(41, "/waits", scheme: "http"); // sixteen connections are the most
        await client.GetAsync(43, "/waits", scheme: "http");
        await client.Peer.ProxyReceivesAsync();
        await servers[0].Server.GoAwayAsync(servers[0].Id, Http2ErrorCode.NoError);
        var next = await ServerAsync(origin, new Http2Setting(Http2SettingId.MaxConcurrentStreams, 5));
        Assert.Equal("/waits", (await next.ReadAsync(Http2FrameType.Headers))[":path"]);
        Assert.Equal("/waits", (await next.ReadAsync(Http2FrameType.Headers))[":path"]);
        client.Peer.Close();
    }

    [Fact]
    public async Task Connection_GoneWhenUsedAgain_SafeRequestIsRepeated()
    {
        await using var proxy = await TestProxy.StartAsync();
        var origin = proxy.Origin();
        var (client, server, request) = await GetAsync(proxy, origin);
        await server.HeadersAsync(request.StreamId, true, (":status", "204"));
        await client.ReadAsync(Http2FrameType.Headers);
        await client.GetAsync(3, scheme: "http");
        await server.ReadAsync(Http2FrameType.Headers);
        server.Peer.Reset();
        var next = await ServerAsync(origin);
        await next.HeadersAsync((await next.ReadAsync(Http2FrameType.Headers)).StreamId, true, (":status", "203"));
        Assert.Equal((3, "203"), Of(await client.ReadAsync(Http2FrameType.Headers)));
        client.Peer.Close();
    }

    [Fact]
    public async Task Connection_GoneWhenUsedAgain_UnsafeRequestIsNot()
    {
        await using var proxy = await TestProxy.StartAsync();
        var origin = proxy.Origin();
        var (client, server, request) = await GetAsync(proxy, origin);
        await server.HeadersAsync(request.StreamId, true, (":status", "204"));
        await client.ReadAsync(Http2FrameType.Headers);
        await client.HeadersAsync(3, true, Post());
        await server.ReadAsync(Http2FrameType.Headers);
        server.Peer.Reset();
        Assert.Equal((3, "502"), Of(await client.ReadAsync(Http2FrameType.Headers)));
        client.Peer.Close();
    }

    [Fact]
    public async Task Connection_GoneAtItsStart_OthersStillConnect()
    {
        await using var proxy = await TestProxy.StartAsync();
        var origin = proxy.Origin();
        var client = await ClientAsync(proxy);
        var accepting = origin.AcceptAsync();
        for (var id = 1; id < 1 + (2 * 40); id += 2)
        {
            await client.GetAsync(id, scheme: "http");
            var answer = client.ReadAsync(Http2FrameType.Headers);
            while (await Task.WhenAny(answer, accepting) != answer)
            {
                (await accepting).Reset();
                accepting = origin.AcceptAsync(); // it may be tried again
            }

            Assert.Equal((id, "502"), Of(await answer));
            await client.ReadAsync(Http2FrameType.Data);
        }

        await client.GetAsync(101, scheme: "http");
        var server = new Http2Peer(await accepting);
        await server.OpenAsServerAsync();
        await server.HeadersAsync((await server.ReadAsync(Http2FrameType.Headers)).StreamId, true, (":status", "204"));
        Assert.Equal((101, "204"), Of(await client.ReadAsync(Http2FrameType.Headers)));
        client.Peer.Close();
    }

    [Fact]
    public async Task Push_BeforeOurSettingsAreAcknowledged_IsDeclined()
    {
        await using var proxy = await TestProxy.StartAsync();
        var origin = proxy.Origin();
        var client = await ClientAsync(proxy);
        await client.GetAsync(1, scheme: "http");
        var server = new Http2Peer(await origin.AcceptAsync());
        await server.Peer.ReadAsync(Http2Preface.Octets);
        await server.SettingsAsync();
        var request = await server.ReadAsync(Http2FrameType.Headers);
        await server.FrameAsync(Http2FrameType.PushPromise, Http2FrameFlags.EndHeaders, request.StreamId,
            [0, 0, 0, 2, .. server.Block((":method", "GET"), (":scheme", "http"), (":authority", "origin.test"), (":path", "/pushed"))]);
        await AssertResetAsync(server, 2, Http2ErrorCode.RefusedStream);
        await server.HeadersAsync(2, false, Ok(("x-shared-table", "1"))); // was in flight
        await server.DataAsync(2, "pushed", ends: true);
        await server.FrameAsync(Http2FrameType.Settings, Http2FrameFlags.Ack, 0, []);
        await server.HeadersAsync(request.StreamId, true, (":status", "204"), ("x-shared-table", "1"));
        Assert.Equal("1", (await client.ReadAsync(Http2FrameType.Headers))["x-shared-table"]);
        client.Peer.Close();
    }

    private static (int, string?) Of(Http2TestFrame frame) => (frame.StreamId, frame[":status"]);
}
