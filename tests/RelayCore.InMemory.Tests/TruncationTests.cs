using CsCheck;
using RelayCore.Testing;
using Xunit;

namespace RelayCore.InMemory.Tests;

/// <summary>A peer that ends or resets at any octet: the other side never gets something that looks whole, and everything ends.</summary>
public sealed class TruncationTests
{
    private const string Sized = "POST http://origin.test/ HTTP/1.1\r\nHost: origin.test\r\nContent-Length: 5\r\n\r\nhello";
    private const string Chunked = "POST http://origin.test/ HTTP/1.1\r\nHost: origin.test\r\nTransfer-Encoding: chunked\r\n\r\n5;x\r\nhello\r\n0\r\nT: v\r\n\r\n";
    private const string Ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

    [Theory]
    [InlineData(Sized, false)]
    [InlineData(Sized, true)]
    [InlineData(Chunked, false)]
    [InlineData(Chunked, true)]
    public async Task Request_CutAtEachOctet_NeverLooksWholeToTheOrigin(string request, bool isReset)
    {
        await using var proxy = await TestProxy.StartAsync();
        var origin = proxy.Origin();
        var flows = 0;
        var headLength = request.IndexOf("\r\n\r\n", StringComparison.Ordinal) + 4;
        for (var cut = 1; cut < request.Length; cut++)
        {
            var client = proxy.Connect();
            await client.SendAsync(request[..cut]);
            await client.ProxyReceivesAsync();
            if (isReset)
            {
                client.Reset();
            }
            else
            {
                await client.EndAsync();
            }

            if (cut >= headLength)
            {
                var server = await origin.AcceptAsync();
                var (octets, wasReset) = await server.DrainAsync();
                Assert.True(wasReset, $"cut at {cut}: the origin saw an orderly end behind {octets}");
            }

            if (!isReset)
            {
                FlowViews.AssertGenerated(await client.ReadMessageAsync(), 400, "RC-HTTP-303");
                await client.ReadToEndAsync();
                client.Close();
            }

            await TestProxy.UntilAsync(() => proxy.Engine.ClientConnections == 0, () => $"cut at {cut}: the session did not end");
            flows++;
            Assert.Equal(flows, proxy.Store.Statistics.Stored);
        }

        Assert.All(proxy.Flows(), x => Assert.Equal(isReset ? "RC-HTTP-315" : "RC-HTTP-303", x.Error()!.Code));
    }

    [Theory]
    [InlineData("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", false)]
    [InlineData("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", true)]
    [InlineData("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;x\r\nhello\r\n0\r\nT: v\r\n\r\n", false)]
    [InlineData("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;x\r\nhello\r\n0\r\nT: v\r\n\r\n", true)]
    public async Task Response_CutAtEachOctet_NeverLooksWholeToTheClient(string response, bool isReset)
    {
        await using var proxy = await TestProxy.StartAsync();
        var origin = proxy.Origin();
        var headLength = response.IndexOf("\r\n\r\n", StringComparison.Ordinal) + 4;
        for (var cut = 0; cut < response.Length; cut++)
        {
            var client = proxy.Connect();
            await client.SendAsync("GET http://origin.test/ HTTP/1.1\r\nHost: origin.test\r\n\r\n");
            var server = await origin.AcceptAsync();
            await server.ReadHeadAsync();
            await server.SendAsync(response[..cut]);
            await server.ProxyReceivesAsync();
            if (isReset)
            {
                server.Reset();
            }
            else
            {
                server.Close();
            }

            if (cut < headLength)
            {
                FlowViews.AssertGenerated(await client.ReadMessageAsync(), 502, "RC-HTTP-311");
            }
            else
            {
                var (octets, _) = await client.DrainAsync();
                Assert.True(response.StartsWith(octets, StringComparison.Ordinal) && octets.Length <= cut, $"cut at {cut}: {octets}");
            }

            client.Close();
            await TestProxy.UntilAsync(() => proxy.Engine.ClientConnections == 0, () => $"cut at {cut}: the session did not end");
        }

        Assert.Equal(response.Length, proxy.Flows().Count(x => x.Error() is not null));
    }

    [Fact]
    public async Task Segments_AnySplitOfBothSides_ChangesNothing() => await Gen.Select(
        Gen.Int[1, 40], Gen.Int[1, 40], Gen.Int[1, 40], Gen.Bool,
        Gen.Bool)
        .SampleAsync(static async (first, second, third, isSized, isShort) =>
        {
            var request = isSized ? Sized : Chunked;
            var response = isShort ? Ok : "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;x\r\nhello\r\n1\r\n!\r\n0\r\nT: v\r\n\r\n";
            await using var proxy = await TestProxy.StartAsync();
            var origin = proxy.Origin();
            var client = proxy.Connect();
            client.Wire.MaxSegment = first;
            await client.SendAsync(request + request);
            var server = await origin.AcceptAsync();
            server.Wire.MaxSegment = second;
            client.Wire.MaxSegment = third;
            for (var i = 0; i < 2; i++)
            {
                Assert.Equal(request.Replace("http://origin.test", "", StringComparison.Ordinal), await server.ReadMessageAsync());
                await server.SendAsync(response);
                Assert.Equal(response, await client.ReadMessageAsync());
            }
        }, iter: 200, threads: 1);

    [Fact]
    public async Task Client_ResetWhileTheServerThinks_GivesTheServerUp()
    {
        await using var proxy = await TestProxy.StartAsync();
        var origin = proxy.Origin();
        var client = proxy.Connect();
        await client.SendAsync("GET http://origin.test/ HTTP/1.1\r\nHost: origin.test\r\n\r\n");
        var server = await origin.AcceptAsync();
        await server.ReadHeadAsync();
        await server.ProxyReceivesAsync();
        client.Reset();
        proxy.Advance(TimeSpan.FromSeconds(2.2));
        Assert.True((await server.DrainAsync()).WasReset);
        Assert.Equal(("RC-HTTP-315", "client_closed"), ((await proxy.FlowAsync()).Error()!.Code, (await proxy.FlowAsync()).CloseReason!.Reason));
    }

    [Fact]
    public async Task Client_ResetWithinTheResponse_GivesTheServerUp()
    {
        await using var proxy = await TestProxy.StartAsync();
        var origin = proxy.Origin();
        var client = proxy.Connect();
        await client.SendAsync("GET http://origin.test/ HTTP/1.1\r\nHost: origin.test\r\n\r\n");
        var server = await origin.AcceptAsync();
        await server.ReadHeadAsync();
        await server.SendAsync("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc");
        await client.ReadHeadAsync();
        client.Reset();
        await server.ProxyReceivesAsync();
        await server.SendAsync("def");
        Assert.True((await server.DrainAsync()).WasReset);
        Assert.Equal("RC-HTTP-315", (await proxy.FlowAsync()).Error()!.Code);
    }

    [Fact]
    public async Task Client_LeavesWhileConnecting_EndsWithTheConnect()
    {
        await using var proxy = await TestProxy.StartAsync();
        var origin = proxy.Origin();
        var go = new TaskCompletionSource();
        proxy.Network.Connecting = async (_, token) => await go.Task.WaitAsync(token);
        var client = proxy.Connect();
        await client.SendAsync("GET http://origin.test/ HTTP/1.1\r\nHost: origin.test\r\n\r\n");
        await TestProxy.UntilAsync(() => !proxy.Network.Connects.IsEmpty, () => "no connect");
        client.Reset();
        go.SetResult();
        var server = await origin.AcceptAsync();
        var draining = server.DrainAsync();
        await proxy.PassTimeAsync(draining, TimeSpan.FromMinutes(1));
        await draining;
        await TestProxy.UntilAsync(() => proxy.Engine.ClientConnections == 0, () => "the session did not end");
    }
}
