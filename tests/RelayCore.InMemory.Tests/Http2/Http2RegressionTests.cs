using System.Text;
using RelayCore.Protocols.Http2;
using RelayCore.Testing;
using Xunit;
using static RelayCore.InMemory.Tests.Http2.Http2Scene;

namespace RelayCore.InMemory.Tests.Http2;

/// <summary>Defects that HTTP/2 proxies have really had, one test each.</summary>
public sealed class Http2RegressionTests
{
    [Fact]
    public async Task Connection_GoneWhileManyWaitForIt_EachIsAnswered()
    {
        await using var proxy = await TestProxy.StartAsync();
        var origin = proxy.Origin();
        var client = await ClientAsync(proxy);
        const int Count = 50;
        for (var i = 0; i < Count; i++)
        {
            await client.GetAsync(1 + (2 * i), scheme: "http");
        }

        using var stop = new CancellationTokenSource();
        var resetting = Task.Run(async () =>
        {
            while (!stop.IsCancellationRequested)
            {
                var peer = await Record.ExceptionAsync(async () => (await origin.AcceptAsync()).Reset());
                if (peer is not null)
                {
                    return;
                }
            }
        });
        var answered = new HashSet<int>();
        while (answered.Count < Count)
        {
            var frame = await client.ReadAsync();
            if (frame.Type == Http2FrameType.Headers)
            {
                Assert.Equal("502", frame[":status"]);
                Assert.True(answered.Add(frame.StreamId));
            }
            else if (frame.Type == Http2FrameType.Data)
            {
                await client.WindowAsync(0, Math.Max(1, frame.Payload.Length));
            }
        }

        await stop.CancelAsync();
        origin.Close();
        client.Peer.Close();
        await resetting;
    }

    [Fact]
    public async Task Cancellations_Many_LeaveOtherStreamsAndTheConnection()
    {
        await using var proxy = await TestProxy.StartAsync();
        var (client, server, kept) = await GetAsync(proxy, proxy.Origin());
        for (var id = 3; id < 203; id += 2)
        {
            await client.GetAsync(id, scheme: "http");
            var request = await server.ReadAsync(Http2FrameType.Headers);
            await client.ResetAsync(id, Http2ErrorCode.Cancel);
            await AssertResetAsync(server, request.StreamId, Http2ErrorCode.Cancel);
        }

        await server.HeadersAsync(kept.StreamId, true, (":status", "204"));
        Assert.Equal(1, (await client.ReadAsync(Http2FrameType.Headers)).StreamId);
        Assert.Single(proxy.Network.Connects);
        client.Peer.Close();
    }

    [Fact]
    public async Task GoAway_WithManyStreams_ProcessedOnesAllEndWell()
    {
        await using var proxy = await TestProxy.StartAsync();
        var (client, server, first) = await GetAsync(proxy, proxy.Origin());
        var ids = new List<int> { first.StreamId };
        for (var id = 3; id < 41; id += 2)
        {
            await client.GetAsync(id, scheme: "http");
            ids.Add((await server.ReadAsync(Http2FrameType.Headers)).StreamId);
        }

        await server.GoAwayAsync(int.MaxValue, Http2ErrorCode.NoError); // first all, then those there are (§6.8)
        await server.GoAwayAsync(ids[^1], Http2ErrorCode.NoError);
        foreach (var id in ids)
        {
            await server.HeadersAsync(id, true, (":status", "204"));
            Assert.Equal("204", (await client.ReadAsync(Http2FrameType.Headers))[":status"]);
        }

        Assert.All(await proxy.FlowsAsync(ids.Count), x => Assert.Null(x.Error()));
        client.Peer.Close();
    }

    [Fact]
    public async Task ZeroWindow_OfEverything_CostsNothingWhileItLasts()
    {
        await using var proxy = await TestProxy.StartAsync();
        var (client, server, request) = await GetAsync(proxy, proxy.Origin(), new Http2Setting(Http2SettingId.InitialWindowSize, 0));
        await server.HeadersAsync(request.StreamId, false, Ok());
        await server.DataAsync(request.StreamId, new byte[10_000], ends: true);
        await client.ReadAsync(Http2FrameType.Headers);
        await server.Peer.ProxyReceivesAsync();
        var before = client.Peer.Wire.OctetsArrived;
        proxy.Advance(TimeSpan.FromSeconds(10)); // a writer that spins would not let the sweeper end
        Assert.Equal(before, client.Peer.Wire.OctetsArrived);
        await client.WindowAsync(1, 10_000);
        Assert.True((await client.ReadAsync(Http2FrameType.Data)).Ends);
        client.Peer.Close();
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task EmptyPost_HasOneEndAndNothingBehindIt(bool endsWithHead)
    {
        await using var proxy = await TestProxy.StartAsync();
        var origin = proxy.Origin();
        var client = await ClientAsync(proxy);
        await client.HeadersAsync(1, endsWithHead, Post(("content-length", "0")));
        if (!endsWithHead)
        {
            await client.DataAsync(1, "", ends: true);
        }

        var server = await ServerAsync(origin);
        var request = await server.ReadAsync(Http2FrameType.Headers);
        if (!request.Ends)
        {
            var data = await server.ReadAsync(Http2FrameType.Data);
            Assert.Equal((0, true), (data.Payload.Length, data.Ends));
        }

        await client.Peer.ProxyReceivesAsync();
        await server.FrameAsync(Http2FrameType.Ping, 0, 0, new byte[8]);
        await server.ReadAsync(Http2FrameType.Ping); // fails for DATA in front of it
        Assert.Equal("0", request["content-length"]);
        client.Peer.Close();
    }

    [Fact]
    public async Task Duplex_LargeBothWays_DoesNotDeadlock()
    {
        await using var proxy = await StartWithAsync(x => x with { InitialStreamWindow = 4096, MaxStreamWindow = 4096 });
        proxy.Network.BufferOctets = 2048;
        var (client, server, request) = await PostAsync(proxy, proxy.Origin());
        await server.HeadersAsync(request.StreamId, false, Ok());
        await client.ReadAsync(Http2FrameType.Headers);
        await Task.WhenAll(Task.Run(() => PumpAsync(client, 1)), Task.Run(() => PumpAsync(server, request.StreamId))).WaitAsync(TimeSpan.FromSeconds(30));
        var flow = await proxy.FlowAsync();
        Assert.Equal((Large, Large), ((int)flow.Octets.RequestBody, (int)flow.Octets.ResponseBody));
        Assert.Null(flow.Error());
        client.Peer.Close();
    }

    private const int Large = 256 * 1024;

    /// <summary>Sends and takes that many octets at once, within the windows.</summary>
    private static async Task PumpAsync(Http2Peer peer, int id)
    {
        var (window, sent, received) = (4096, 0, 0);
        var isOver = false;
        while (!isOver || sent < Large)
        {
            while (window > 0 && sent < Large)
            {
                var length = Math.Min(Math.Min(window, 1000), Large - sent);
                (sent, window) = (sent + length, window - length);
                await peer.DataAsync(id, new byte[length], ends: sent == Large);
            }

            if (isOver && sent == Large)
            {
                break;
            }

            var frame = await peer.ReadAsync();
            if (frame.Type == Http2FrameType.WindowUpdate && frame.StreamId == id)
            {
                window += frame.Number;
            }
            else if (frame.Type == Http2FrameType.Data)
            {
                received += frame.Payload.Length;
                isOver = frame.Ends;
                if (!isOver)
                {
                    await peer.WindowAsync(id, Math.Max(1, frame.Payload.Length));
                    await peer.WindowAsync(0, Math.Max(1, frame.Payload.Length));
                }
            }
            else
            {
                Assert.True(frame.Type is Http2FrameType.WindowUpdate or Http2FrameType.Settings, frame.ToString());
            }
        }

        Assert.Equal(Large, received);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Head_RacedByReset_EndsTheExchangeEitherWay(bool atOnce)
    {
        await using var proxy = await TestProxy.StartAsync();
        var (client, server, request) = await GetAsync(proxy, proxy.Origin());
        for (var id = 1; id <= 201; id += 2)
        {
            var block = server.Block(Ok());
            var frames = new byte[Http2Frame.HeaderOctets + block.Length + Http2FrameWriter.WordFrameOctets];
            Http2FrameWriter.WriteHeader(frames, block.Length, Http2FrameType.Headers, Http2FrameFlags.EndHeaders, request.StreamId);
            block.CopyTo(frames.AsSpan(Http2Frame.HeaderOctets));
            Http2FrameWriter.WriteRstStream(frames.AsSpan(Http2Frame.HeaderOctets + block.Length), request.StreamId, Http2ErrorCode.InternalError);
            if (atOnce)
            {
                await server.Peer.SendAsync(frames);
            }
            else
            {
                await server.Peer.SendAsync(frames.AsMemory(0, Http2Frame.HeaderOctets + block.Length));
                await server.Peer.SendAsync(frames.AsMemory(Http2Frame.HeaderOctets + block.Length));
            }

            var isOver = false;
            while (!isOver)
            {
                var frame = await client.ReadAsync();
                Assert.True(frame.Type == Http2FrameType.WindowUpdate || frame.StreamId == id || frame.StreamId == 0, frame.ToString());
                isOver = frame.Type == Http2FrameType.RstStream || frame.Ends;
            }

            await client.WindowAsync(0, 1000);
            await client.GetAsync(id + 2, scheme: "http");
            request = await server.ReadAsync(Http2FrameType.Headers);
        }

        Assert.All(await proxy.FlowsAsync(101), x => Assert.NotNull(x.Error()?.Code ?? (x.EndTime is null ? "running" : null)));
        client.Peer.Close();
    }

    [Fact]
    public async Task Permits_OfConnectionsThatFail_AreGivenBack()
    {
        await using var proxy = await StartAsync(x => x with { MaxServerConnectionsPerOrigin = 2 });
        var origin = proxy.Origin();
        var client = await ClientAsync(proxy);
        for (var id = 1; id <= 41; id += 2)
        {
            await client.HeadersAsync(id, true, Post());
            var server = await ServerAsync(origin);
            await server.ReadAsync(Http2FrameType.Headers);
            server.Peer.Reset();
            Assert.Equal("502", (await client.ReadAsync(Http2FrameType.Headers))[":status"]);
            await client.ReadAsync(Http2FrameType.Data);
        }

        client.Peer.Close();
    }

    [Fact]
    public async Task Bodies_OfManyStreamsAtOnce_AreNeverMixed()
    {
        await using var proxy = await TestProxy.StartAsync();
        var origin = proxy.Origin();
        using var stop = new CancellationTokenSource();
        var serving = Task.Run(async () =>
        {
            var connections = new List<Task>();
            while (await Record.ExceptionAsync(async () => connections.Add(Task.Run(ServeAsync((await origin.AcceptAsync()))))) is null)
            {
            }

            await Task.WhenAll(connections);
        });
        await Task.WhenAll(Enumerable.Range(0, 6).Select(x => Task.Run(() => AskAsync(proxy, x)))).WaitAsync(TimeSpan.FromSeconds(60));
        origin.Close();
        await proxy.AssertNothingLeftAsync();
        await proxy.PassTimeAsync(proxy.Engine.StopAsync(TimeSpan.FromSeconds(1)), TimeSpan.FromMinutes(1));
        await serving.WaitAsync(TimeSpan.FromSeconds(30));
    }

    private static byte[] Body(string path)
    {
        var seed = path.GetHashCode(StringComparison.Ordinal);
        var body = new byte[1 + (int)((uint)seed % 9000)];
        Encoding.ASCII.GetBytes(path.PadRight(8)).AsSpan(0, Math.Min(8, body.Length)).CopyTo(body);
        for (var i = 8; i < body.Length; i++)
        {
            body[i] = (byte)(seed + (i * 31));
        }

        return body;
    }

    /// <summary>Answers each path with the body that belongs to it, now and then in two pieces or with a reset.</summary>
    private static Func<Task> ServeAsync(TestPeer peer) => async () =>
    {
        await Record.ExceptionAsync(async () =>
        {
            var server = new Http2Peer(peer);
            await server.OpenAsServerAsync(new Http2Setting(Http2SettingId.MaxConcurrentStreams, 40));
            while (true)
            {
                var frame = await server.ReadAsync();
                if (frame.Type != Http2FrameType.Headers)
                {
                    continue;
                }

                var body = Body(frame[":path"]!);
                await server.HeadersAsync(frame.StreamId, false, Ok());
                if (body.Length % 7 == 0)
                {
                    await server.DataAsync(frame.StreamId, body.AsSpan(0, body.Length / 2), ends: false);
                    await server.ResetAsync(frame.StreamId, Http2ErrorCode.InternalError);
                    continue;
                }

                await server.DataAsync(frame.StreamId, body.AsSpan(0, body.Length / 2), ends: false);
                await server.DataAsync(frame.StreamId, body.AsSpan(body.Length / 2), ends: true);
            }
        });
        peer.Close();
    };

    private static async Task AskAsync(TestProxy proxy, int number)
    {
        var random = new Random(number);
        var client = await ClientAsync(proxy, new Http2Setting(Http2SettingId.InitialWindowSize, 5000));
        var (running, next, done) = (new Dictionary<int, (string Path, MemoryStream Body)>(), 1, 0);
        while (done < 300)
        {
            while (running.Count < 20 && next < 2 * 400)
            {
                var path = $"/{number}/{next}";
                running[next] = (path, new());
                await client.GetAsync(next, path, scheme: "http");
                next += 2;
            }

            var frame = await client.ReadAsync();
            if (!running.TryGetValue(frame.StreamId, out var one))
            {
                Assert.NotEqual(Http2FrameType.GoAway, frame.Type);
                if (frame.Type == Http2FrameType.Data && frame.Payload.Length > 0)
                {
                    await client.WindowAsync(0, frame.Payload.Length); // of a stream that was canceled
                }

                continue;
            }

            if (frame.Type == Http2FrameType.Data && frame.Payload.Length > 0)
            {
                one.Body.Write(frame.Payload);
                await client.WindowAsync(0, frame.Payload.Length);
                if (!frame.Ends)
                {
                    await client.WindowAsync(frame.StreamId, frame.Payload.Length);
                }
            }

            if (frame.Ends || frame.Type == Http2FrameType.RstStream)
            {
                var expected = Body(one.Path);
                var body = one.Body.ToArray();
                Assert.True(frame.Ends ? body.AsSpan().SequenceEqual(expected) : expected.AsSpan().StartsWith(body), $"{one.Path} has another's octets");
                running.Remove(frame.StreamId);
                done++;
            }
            else if (random.Next(20) == 0)
            {
                await client.ResetAsync(frame.StreamId, Http2ErrorCode.Cancel);
                running.Remove(frame.StreamId);
                done++;
            }
        }

        client.Peer.Close();
    }
}
