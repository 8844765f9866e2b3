using RelayCore.Protocols.Http2;
using RelayCore.Testing;
using Xunit;
using static RelayCore.InMemory.Tests.Http2.Http2Scene;

namespace RelayCore.InMemory.Tests.Http2;

/// <summary>RFC 9113 §5.2, §6.9: windows of both peers, and that who does not read stops its own stream only.</summary>
public sealed class Http2FlowControlTests
{
    [Fact]
    public async Task SlowClient_StopsItsServerStreamOnly()
    {
        await using var proxy = await StartWithAsync(x => x with { InitialStreamWindow = 65_535, MaxStreamWindow = 65_535 });
        var (client, server, one) = await GetAsync(proxy, proxy.Origin(), new Http2Setting(Http2SettingId.InitialWindowSize, 100));
        await client.GetAsync(3, "/3", scheme: "http");
        var three = await server.ReadAsync(Http2FrameType.Headers);
        await server.HeadersAsync(one.StreamId, false, Ok());
        await server.HeadersAsync(three.StreamId, false, Ok());
        await client.ReadAsync(Http2FrameType.Headers);
        await client.ReadAsync(Http2FrameType.Headers);
        var frame = new byte[16_000];
        for (var sent = 0; sent + frame.Length <= 65_535; sent += frame.Length)
        {
            await server.DataAsync(one.StreamId, frame, ends: false);
        }

        Assert.Equal(100, (await client.ReadAsync(Http2FrameType.Data)).Payload.Length);
        await server.Peer.ProxyReceivesAsync();
        Assert.Equal(0, await WindowOfAsync(server, one.StreamId)); // not one octet more than the client took could be given

        // The other stream has all the window it needs.
        for (var i = 0; i < 20; i++)
        {
            await server.DataAsync(three.StreamId, new byte[100], ends: false);
            Assert.Equal((3, 100), Of(await client.ReadAsync(Http2FrameType.Data)));
            await client.WindowAsync(3, 100);
        }

        // The slow one goes on by exactly what it is given.
        await client.WindowAsync(1, 5000);
        Assert.Equal((1, 5000), Of(await client.ReadAsync(Http2FrameType.Data)));
        await client.ResetAsync(1, Http2ErrorCode.Cancel);
        Assert.Equal(Http2ErrorCode.Cancel, (await server.ReadAsync(Http2FrameType.RstStream)).Code);
        client.Peer.Close();
        await proxy.FlowsAsync(2);
    }

    [Fact]
    public async Task SlowServer_StopsItsClientStreamOnly()
    {
        await using var proxy = await StartWithAsync(x => x with { InitialStreamWindow = 65_535, MaxStreamWindow = 65_535 });
        var origin = proxy.Origin();
        var client = await ClientAsync(proxy);
        await client.HeadersAsync(1, false, Post());
        var server = await ServerAsync(origin, new Http2Setting(Http2SettingId.InitialWindowSize, 10));
        var one = await server.ReadAsync(Http2FrameType.Headers);
        await server.Peer.ProxyReceivesAsync();
        await client.DataAsync(1, new byte[16_000], ends: false);
        Assert.Equal(10, (await server.ReadAsync(Http2FrameType.Data)).Payload.Length);
        await client.Peer.ProxyReceivesAsync();
        Assert.Equal(0, await WindowOfAsync(client, 1));
        await client.HeadersAsync(3, true, Post(("x", "other")));
        var three = await server.ReadAsync(Http2FrameType.Headers);
        await server.HeadersAsync(three.StreamId, true, (":status", "204"));
        Assert.Equal(3, (await client.ReadAsync(Http2FrameType.Headers)).StreamId);
        await server.WindowAsync(one.StreamId, 15_990);
        Assert.Equal(15_990, (await server.ReadAsync(Http2FrameType.Data)).Payload.Length);
        client.Peer.Close();
        server.Peer.Close();
    }

    [Fact]
    public async Task Window_OfTheConnection_HoldsAllStreams()
    {
        await using var proxy = await TestProxy.StartAsync();
        var (client, server, one) = await GetAsync(proxy, proxy.Origin(), new Http2Setting(Http2SettingId.InitialWindowSize, 1_000_000));
        await server.HeadersAsync(one.StreamId, false, Ok());
        await client.ReadAsync(Http2FrameType.Headers);
        for (var i = 0; i < 5; i++)
        {
            await server.DataAsync(one.StreamId, new byte[16_000], ends: i == 4);
        }

        var received = 0;
        while (received < 65_535)
        {
            received += (await client.ReadAsync(Http2FrameType.Data)).Payload.Length;
        }

        Assert.Equal(65_535, received); // the protocol's own window of the connection
        await client.WindowAsync(0, 80_000 - 65_535);
        Http2TestFrame last;
        do
        {
            last = await client.ReadAsync(Http2FrameType.Data);
            received += last.Payload.Length;
        }
        while (!last.Ends);
        Assert.Equal(80_000, received);
        client.Peer.Close();
    }

    [Fact]
    public async Task InitialWindow_MadeSmallerBelowZero_WaitsUntilItIsPositiveAgain()
    {
        await using var proxy = await TestProxy.StartAsync();
        var (client, server, one) = await GetAsync(proxy, proxy.Origin(), new Http2Setting(Http2SettingId.InitialWindowSize, 1000));
        await server.HeadersAsync(one.StreamId, false, Ok());
        await server.DataAsync(one.StreamId, new byte[1500], ends: false);
        await client.ReadAsync(Http2FrameType.Headers);
        Assert.Equal(1000, (await client.ReadAsync(Http2FrameType.Data)).Payload.Length);
        await client.SettingsAsync(new Http2Setting(Http2SettingId.InitialWindowSize, 400)); // now -600
        await client.ReadAsync(Http2FrameType.Settings);
        await client.WindowAsync(1, 600); // 0
        await client.Peer.ProxyReceivesAsync();
        await client.WindowAsync(1, 1);
        Assert.Single((await client.ReadAsync(Http2FrameType.Data)).Payload);
        await client.SettingsAsync(new Http2Setting(Http2SettingId.InitialWindowSize, 899)); // and up again: 499
        Assert.Equal(499, (await client.ReadAsync(Http2FrameType.Data)).Payload.Length);
        client.Peer.Close();
    }

    [Fact]
    public async Task End_WithoutDataAtNegativeWindow_IsSent()
    {
        await using var proxy = await TestProxy.StartAsync();
        var (client, server, one) = await GetAsync(proxy, proxy.Origin(), new Http2Setting(Http2SettingId.InitialWindowSize, 1000));
        await server.HeadersAsync(one.StreamId, false, Ok());
        await server.DataAsync(one.StreamId, new byte[1000], ends: false);
        await client.ReadAsync(Http2FrameType.Headers);
        await client.ReadAsync(Http2FrameType.Data);
        await client.SettingsAsync(new Http2Setting(Http2SettingId.InitialWindowSize, 0));
        await client.ReadAsync(Http2FrameType.Settings);
        await server.DataAsync(one.StreamId, "", ends: true);
        var end = await client.ReadAsync(Http2FrameType.Data);
        Assert.Equal((0, true), (end.Payload.Length, end.Ends));
        Assert.Null((await proxy.FlowAsync()).Error());
        client.Peer.Close();
    }

    [Fact]
    public async Task Trailers_AtNoWindow_AreSent()
    {
        await using var proxy = await TestProxy.StartAsync();
        var (client, server, one) = await GetAsync(proxy, proxy.Origin(), new Http2Setting(Http2SettingId.InitialWindowSize, 0));
        await server.HeadersAsync(one.StreamId, false, Ok());
        await server.HeadersAsync(one.StreamId, true, ("t", "1"));
        await client.ReadAsync(Http2FrameType.Headers);
        Assert.Equal("1", (await client.ReadAsync(Http2FrameType.Headers))["t"]);
        client.Peer.Close();
    }

    [Fact]
    public async Task Window_OfABusyStream_Grows()
    {
        await using var proxy = await StartWithAsync(x => x with { InitialStreamWindow = 20_000 });
        var (client, server, one) = await GetAsync(proxy, proxy.Origin(), new Http2Setting(Http2SettingId.InitialWindowSize, 100_000_000));
        await client.WindowAsync(0, 100_000_000);
        await server.HeadersAsync(one.StreamId, false, Ok());
        await client.ReadAsync(Http2FrameType.Headers);
        long window = 20_000;
        long sent = 0;
        for (var i = 0; i < 400; i++)
        {
            if (window - sent >= 10_000)
            {
                await server.DataAsync(one.StreamId, new byte[10_000], ends: false);
                sent += 10_000;
                await client.ReadAsync(Http2FrameType.Data);
            }

            window += await WindowOfAsync(server, one.StreamId);
            Assert.True(window - sent >= 10_000, "the window closed though all was read");
            Assert.True(window - sent <= 16L * 1024 * 1024, "the window has no bound");
        }

        client.Peer.Close();
    }

    [Fact]
    public async Task Data_OnAResetStream_GivesTheConnectionItsWindowBack()
    {
        await using var proxy = await StartWithAsync(x => x with { InitialConnectionWindow = 65_535, MaxConnectionWindow = 65_535, InitialStreamWindow = 30_000 });
        var (client, server, one) = await PostAsync(proxy, proxy.Origin());
        await server.ResetAsync(one.StreamId, Http2ErrorCode.Cancel);
        Assert.Equal("502", (await client.ReadAsync(Http2FrameType.Headers))[":status"]);
        await client.ReadAsync(Http2FrameType.Data);
        await AssertResetAsync(client, 1, Http2ErrorCode.NoError);

        // What was in flight is not counted against the streams to come: ten times the connection's window goes through.
        for (var i = 0; i < 40; i++)
        {
            await client.DataAsync(1, new byte[16_000], ends: false);
            await client.Peer.ProxyReceivesAsync();
        }

        await AssertServesAsync(client, server, 3);
        client.Peer.Close();
    }

    [Fact]
    public async Task ManyStreams_AbandonedHalfRead_LeaveTheConnectionItsWindow()
    {
        await using var proxy = await StartWithAsync(x => x with { InitialConnectionWindow = 65_535, MaxConnectionWindow = 65_535 });
        var (client, server, request) = await GetAsync(proxy, proxy.Origin(), new Http2Setting(Http2SettingId.InitialWindowSize, 0));
        for (var id = 1; id < 60; id += 2)
        {
            await server.HeadersAsync(request.StreamId, false, Ok());
            await server.DataAsync(request.StreamId, new byte[16_000], ends: false);
            await client.ReadAsync(Http2FrameType.Headers);
            await client.ResetAsync(id, Http2ErrorCode.Cancel);
            await server.ReadAsync(Http2FrameType.RstStream);
            await client.GetAsync(id + 2, scheme: "http");
            request = await server.ReadAsync(Http2FrameType.Headers);
        }

        await server.HeadersAsync(request.StreamId, true, (":status", "204"));
        Assert.Equal("204", (await client.ReadAsync(Http2FrameType.Headers))[":status"]);
        client.Peer.Close();
    }

    [Fact]
    public async Task Urgency_DecidesWhoGetsTheWindowFirst()
    {
        await using var proxy = await TestProxy.StartAsync();
        var origin = proxy.Origin();
        var client = await ClientAsync(proxy, new Http2Setting(Http2SettingId.InitialWindowSize, 1_000_000));
        (int Id, string Priority)[] streams = [(1, "u=5"), (3, "u=1"), (5, "u=3")];
        Http2Peer? server = null;
        foreach (var (id, priority) in streams)
        {
            await client.GetAsync(id, "/" + id, scheme: "http", fields: ("priority", priority));
            server ??= await ServerAsync(origin);
            var request = await server.ReadAsync(Http2FrameType.Headers);
            Assert.Equal(priority, request["priority"]); // end to end (RFC 9218 §5)
            await server.HeadersAsync(request.StreamId, false, Ok());
            await client.ReadAsync(Http2FrameType.Headers);
        }

        // The first takes all of the connection's window; then the others wait with it.
        await server!.DataAsync(1, new byte[16_000], ends: false);
        for (var taken = 0; taken < 16_000;)
        {
            taken += (await client.ReadAsync(Http2FrameType.Data)).Payload.Length;
        }

        for (var i = 0; i < 4; i++)
        {
            await server.DataAsync(1, new byte[16_000], ends: false);
        }

        for (var taken = 16_000; taken < 65_535;)
        {
            taken += (await client.ReadAsync(Http2FrameType.Data)).Payload.Length;
        }

        await server.DataAsync(5, new byte[100], ends: true);
        await server.DataAsync(3, new byte[100], ends: true);
        await server.Peer.ProxyReceivesAsync();
        await client.WindowAsync(0, 100);
        Assert.Equal((3, 100), Of(await client.ReadAsync(Http2FrameType.Data)));
        await client.WindowAsync(0, 100);
        Assert.Equal((5, 100), Of(await client.ReadAsync(Http2FrameType.Data)));
        await client.WindowAsync(0, 100);
        Assert.Equal((1, 100), Of(await client.ReadAsync(Http2FrameType.Data)));
        client.Peer.Close();
    }

    [Fact]
    public async Task PriorityUpdate_OfAnOpenStream_GoesOnToItsServer()
    {
        await using var proxy = await TestProxy.StartAsync();
        var (client, server, request) = await GetAsync(proxy, proxy.Origin());
        await client.FrameAsync(Http2FrameType.PriorityUpdate, 0, 0, [0, 0, 0, 1, .. "u=0, i"u8]);
        var update = await server.ReadAsync(Http2FrameType.PriorityUpdate);
        Assert.Equal((request.StreamId, "u=0, i"), (update.Number, update.Text[4..]));
        await client.FrameAsync(Http2FrameType.PriorityUpdate, 0, 0, [0, 0, 0, 99, .. "u=0"u8]); // idle: nobody to tell
        await AssertServesAsync(client, server, 3);
        client.Peer.Close();
    }

    private static (int, int) Of(Http2TestFrame frame) => (frame.StreamId, frame.Payload.Length);

    /// <summary>What the proxy gave a stream since, by asking until a PING is answered.</summary>
    private static async Task<int> WindowOfAsync(Http2Peer peer, int streamId)
    {
        await peer.FrameAsync(Http2FrameType.Ping, 0, 0, new byte[8]);
        var sum = 0;
        while (true)
        {
            var frame = await peer.ReadAsync();
            if (frame.Type == Http2FrameType.Ping)
            {
                return sum;
            }

            Assert.True(frame.Type is Http2FrameType.WindowUpdate or Http2FrameType.Settings, frame.ToString());
            sum += frame.Type == Http2FrameType.WindowUpdate && frame.StreamId == streamId ? frame.Number : 0;
        }
    }
}
