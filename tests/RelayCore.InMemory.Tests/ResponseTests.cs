using RelayCore.Testing;
using Xunit;

namespace RelayCore.InMemory.Tests;

public sealed class ResponseTests
{
    private const string Get = "GET http://origin.test/ HTTP/1.1\r\nHost: origin.test\r\n\r\n";

    [Theory]
    [InlineData("HTTP/1.1 200 OK\r\nContent-Length: 3\r\nX: \xE4\xFF\r\nx: 2\r\nSet-Cookie: a\r\nSET-cookie: b\r\n\r\nabc")]
    [InlineData("HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n")]
    [InlineData("HTTP/1.1 299 Odd Reason \xE9\r\nContent-Length: 0\r\n\r\n")]
    [InlineData("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: T\r\n\r\n5;a=b;c=\"d\"\r\nhello\r\n000A\r\n0123456789\r\n0;last\r\nT: v\r\nT: w\r\n\r\n")]
    [InlineData("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n")]
    public async Task Response_Untouched_IsByteIdenticalAtOnceAndByteByByte(string response)
    {
        await using var proxy = await TestProxy.StartAsync();
        var origin = proxy.Origin();
        var client = proxy.Connect();
        await client.SendAsync(Get);
        var server = await origin.AcceptAsync();
        await server.ReadHeadAsync();
        await server.SendAsync(response);
        Assert.Equal(response, await client.ReadMessageAsync());
        await client.SendAsync(Get);
        await server.ReadHeadAsync();
        await server.SendSlowlyAsync(response[..^1]);
        await server.SendAsync(response[^1..]);
        Assert.Equal(response, await client.ReadMessageAsync());
        var flows = await proxy.FlowsAsync(2);
        Assert.All(flows, x => Assert.Equal("completed", x.CloseReason!.Reason));
        Assert.Single(flows, x => x.Marks.Contains("server_reused"));
    }

    [Theory]
    [InlineData("GET", "HTTP/1.1 204 No Content\r\nX: 1\r\n\r\n")]
    [InlineData("GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 100\r\nETag: \"x\"\r\n\r\n")]
    [InlineData("HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n")]
    [InlineData("HEAD", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")]
    public async Task Response_WithoutBody_EndsWithItsHeadAndKeepsBothConnections(string method, string response)
    {
        await using var proxy = await TestProxy.StartAsync();
        var origin = proxy.Origin();
        var client = proxy.Connect();
        await client.SendAsync(Get.Replace("GET", method, StringComparison.Ordinal));
        var server = await origin.AcceptAsync();
        await server.ReadHeadAsync();
        await server.SendAsync(response);
        Assert.Equal(response, await client.ReadHeadAsync());
        await client.SendAsync(Get);
        await server.ReadHeadAsync();
        await server.SendAsync("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx");
        Assert.EndsWith("x", await client.ReadMessageAsync(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n")]
    [InlineData("GET", "HTTP/1.1 204 No Content\r\n\r\n")]
    [InlineData("GET", "HTTP/1.1 304 Not Modified\r\n\r\n")]
    public async Task Response_WithoutBodyFollowedByOctets_IsNotTakenForTheNextAnswer(string method, string response)
    {
        foreach (var atOnce in (bool[])[true, false])
        {
            await using var proxy = await TestProxy.StartAsync();
            var origin = proxy.Origin();
            var client = proxy.Connect();
            await client.SendAsync(Get.Replace("GET", method, StringComparison.Ordinal));
            var server = await origin.AcceptAsync();
            await server.ReadHeadAsync();
            const string evil = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil";
            await server.SendAsync(atOnce ? response + evil : response);
            Assert.Equal(response, await client.ReadHeadAsync());
            await proxy.FlowAsync();
            if (!atOnce)
            {
                await server.SendAsync(evil);
            }

            await client.SendAsync(Get);
            var second = await origin.AcceptAsync();
            await second.ReadHeadAsync();
            await second.SendAsync("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood");
            Assert.EndsWith("good", await client.ReadMessageAsync(), StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task Response_CloseDelimited_EndsTheClientConnection()
    {
        await using var proxy = await TestProxy.StartAsync();
        var origin = proxy.Origin();
        var client = proxy.Connect();
        await client.SendAsync(Get);
        var server = await origin.AcceptAsync();
        await server.ReadHeadAsync();
        await server.SendAsync("HTTP/1.1 200 OK\r\nX: 1\r\n\r\npart one, ");
        Assert.Equal("HTTP/1.1 200 OK\r\nX: 1\r\nConnection: close\r\n\r\n", await client.ReadHeadAsync());
        await server.SendAsync("part two");
        server.Close();
        Assert.Equal("part one, part two", await client.ReadToEndAsync());
        Assert.Equal("completed", (await proxy.FlowAsync()).CloseReason!.Reason);
    }

    [Fact]
    public async Task Response_CloseDelimitedThenReset_ResetsTheClient()
    {
        await using var proxy = await TestProxy.StartAsync();
        var origin = proxy.Origin();
        var client = proxy.Connect();
        await client.SendAsync(Get);
        var server = await origin.AcceptAsync();
        await server.ReadHeadAsync();
        await server.SendAsync("HTTP/1.1 200 OK\r\n\r\npart");
        await client.ReadHeadAsync();
        server.Reset();
        Assert.True((await client.DrainAsync()).WasReset);
        Assert.Equal("RC-HTTP-309", (await proxy.FlowAsync()).Error()!.Code);
    }

    [Fact]
    public async Task Response_HopByHopFields_StayWithTheServer()
    {
        await using var proxy = await TestProxy.StartAsync();
        var origin = proxy.Origin();
        var (_, atClient) = await proxy.ExchangeAsync(proxy.Connect(), origin, Get,
            "HTTP/1.1 200 OK\r\nConnection: keep-alive, X-Hop\r\nKeep-Alive: timeout=5\r\nX-Hop: 1\r\nProxy-Authenticate: Basic\r\nX: 2\r\nContent-Length: 0\r\n\r\n");
        Assert.Equal("HTTP/1.1 200 OK\r\nX: 2\r\nContent-Length: 0\r\n\r\n", atClient);
    }

    [Fact]
    public async Task Response_ServerCloses_ClientIsKept()
    {
        await using var proxy = await TestProxy.StartAsync();
        var origin = proxy.Origin();
        var client = proxy.Connect();
        for (var i = 0; i < 3; i++)
        {
            var (_, atClient) = await proxy.ExchangeAsync(client, origin, Get, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok");
            Assert.Equal("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", atClient);
        }

        Assert.Equal(3, origin.Accepted);
    }

    [Fact]
    public async Task Response_ChunkedToHttp10Client_IsTakenApartAndEndsByClosing()
    {
        await using var proxy = await TestProxy.StartAsync();
        var origin = proxy.Origin();
        var client = proxy.Connect();
        await client.SendAsync("GET http://origin.test/ HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
        var server = await origin.AcceptAsync();
        await server.ReadHeadAsync();
        await server.SendAsync("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x\r\nde\r\n0\r\nT: 1\r\n\r\n");
        Assert.Equal("HTTP/1.1 200 OK\r\n\r\nabcde", await client.ReadToEndAsync());
    }

    [Fact]
    public async Task Response_ChunkedInHttp10_IsNotPassedOnAsSuch()
    {
        await using var proxy = await TestProxy.StartAsync();
        var origin = proxy.Origin();
        var client = proxy.Connect();
        await client.SendAsync(Get);
        var server = await origin.AcceptAsync();
        await server.ReadHeadAsync();
        await server.SendAsync("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n");
        Assert.Equal("HTTP/1.0 200 OK\r\nConnection: close\r\n\r\nabc", await client.ReadToEndAsync());
        Assert.Contains("transfer_encoding_in_http10", (await proxy.FlowAsync()).Repairs!.Response);
    }

    [Fact]
    public async Task Interim_AllOfThem_ArriveInOrder()
    {
        await using var proxy = await TestProxy.StartAsync();
        var origin = proxy.Origin();
        var client = proxy.Connect();
        await client.SendAsync("POST http://origin.test/ HTTP/1.1\r\nHost: origin.test\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n");
        var server = await origin.AcceptAsync();
        Assert.Equal("POST / HTTP/1.1\r\nHost: origin.test\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n", await server.ReadHeadAsync());
        await server.SendAsync("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n");
        Assert.Equal("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", await client.ReadHeadAsync());
        Assert.Equal("HTTP/1.1 102 Processing\r\n\r\n", await client.ReadHeadAsync());
        Assert.Equal("HTTP/1.1 100 Continue\r\n\r\n", await client.ReadHeadAsync());
        await client.SendAsync("body");
        Assert.Equal("body", await server.ReadAsync(4));
        await server.SendAsync("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        Assert.Equal("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", await client.ReadMessageAsync());
        Assert.Equal([103, 102, 100], (await proxy.FlowAsync()).Http().Informational!.Select(x => x.Status));
    }

    [Fact]
    public async Task Interim_Http10Client_GetsNone()
    {
        await using var proxy = await TestProxy.StartAsync();
        var origin = proxy.Origin();
        var (_, atClient) = await proxy.ExchangeAsync(proxy.Connect(), origin, "GET http://origin.test/ HTTP/1.0\r\n\r\n",
            "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        Assert.Equal("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", atClient);
    }

    [Fact]
    public async Task Expect_FinalAnswerInstead_IsRelayedAndClientMayLeave()
    {
        await using var proxy = await TestProxy.StartAsync();
        var origin = proxy.Origin();
        var client = proxy.Connect();
        await client.SendAsync("POST http://origin.test/ HTTP/1.1\r\nHost: origin.test\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n");
        var server = await origin.AcceptAsync();
        await server.ReadHeadAsync();
        await server.SendAsync("HTTP/1.1 417 No\r\nContent-Length: 2\r\n\r\nno");
        Assert.Equal("HTTP/1.1 417 No\r\nContent-Length: 2\r\n\r\nno", await client.ReadMessageAsync());
        client.Close();
        var flow = await proxy.FlowAsync();
        Assert.Null(flow.Error());
        Assert.Equal("completed", flow.CloseReason!.Reason);
    }

    [Fact]
    public async Task Early_ServerKeeps_RestOfTheBodyIsForwarded()
    {
        await using var proxy = await TestProxy.StartAsync();
        var origin = proxy.Origin();
        var client = proxy.Connect();
        await client.SendAsync("POST http://origin.test/ HTTP/1.1\r\nHost: origin.test\r\nContent-Length: 8\r\n\r\nhalf");
        var server = await origin.AcceptAsync();
        await server.ReadHeadAsync();
        Assert.Equal("half", await server.ReadAsync(4));
        await server.SendAsync("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        Assert.Equal("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", await client.ReadMessageAsync());
        await client.SendAsync("rest" + Get);
        Assert.Equal("rest", await server.ReadAsync(4));
        Assert.StartsWith("GET / ", await server.ReadHeadAsync(), StringComparison.Ordinal);
        await server.SendAsync("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n2");
        Assert.EndsWith("2", await client.ReadMessageAsync(), StringComparison.Ordinal);
        Assert.Single(await proxy.FlowsAsync(2), x => x.Marks.Contains("early_response"));
    }

    [Fact]
    public async Task Early_ServerCloses_ClientGetsTheAnswerWhole()
    {
        await using var proxy = await TestProxy.StartAsync();
        var origin = proxy.Origin();
        var client = proxy.Connect();
        await client.SendAsync("POST http://origin.test/ HTTP/1.1\r\nHost: origin.test\r\nContent-Length: 1000000\r\n\r\nhalf");
        var server = await origin.AcceptAsync();
        await server.ReadHeadAsync();
        await server.ReadAsync(4);
        await server.SendAsync("HTTP/1.1 413 Too Large\r\nConnection: close\r\nContent-Length: 2\r\n\r\nno");
        server.Close();
        await client.SendAsync(new string('x', 100_000));
        Assert.Equal("HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno", await client.ReadToEndAsync());
        client.Close();
        Assert.Equal(413, (await proxy.FlowAsync()).Http().Response!.Status);
    }

    [Fact]
    public async Task Upgrade_101_IsRelayedRawWithOctetsAlreadyThere()
    {
        await using var proxy = await TestProxy.StartAsync();
        var origin = proxy.Origin();
        var client = proxy.Connect();
        await client.SendAsync("GET http://origin.test/ws HTTP/1.1\r\nHost: origin.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nearly-client");
        var server = await origin.AcceptAsync();
        Assert.Equal("GET /ws HTTP/1.1\r\nHost: origin.test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n", await server.ReadHeadAsync());
        await server.SendAsync("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nearly-server");
        Assert.Equal("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n", await client.ReadHeadAsync());
        Assert.Equal("early-server", await client.ReadAsync(12));
        Assert.Equal("early-client", await server.ReadAsync(12));
        await client.SendAsync("\0\x01\xFF");
        Assert.Equal("\0\x01\xFF", await server.ReadAsync(3));
        await client.EndAsync();
        Assert.Equal("", await server.ReadToEndAsync());
        await server.SendAsync("bye");
        server.Close();
        Assert.Equal("bye", await client.ReadToEndAsync());
        var flows = await proxy.FlowsAsync(2);
        var upgraded = Assert.Single(flows, x => x.Marks.Contains("upgraded"));
        var raw = Assert.Single(flows, x => x.ParentId == upgraded.Id);
        Assert.Equal((15, 15), (raw.Tcp().BytesUp, raw.Tcp().BytesDown));
    }

    [Fact]
    public async Task Upgrade_101WithoutAsking_IsRefused()
    {
        await using var proxy = await TestProxy.StartAsync();
        var origin = proxy.Origin();
        var (_, atClient) = await proxy.ExchangeAsync(proxy.Connect(), origin, Get, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n");
        FlowViews.AssertGenerated(atClient, 502, "RC-HTTP-314");
    }

    [Theory]
    [InlineData("HTTP/1.1 200 OK\r\nContent-Length: 99\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n", "length_and_transfer_encoding")]
    [InlineData("HTTP/1.1 200 OK\r\nX: a\r\n  b\r\nContent-Length: 1\r\n\r\nx", "HTTP/1.1 200 OK\r\nX: a b\r\nContent-Length: 1\r\n\r\nx", "obsolete_folding")]
    [InlineData("HTTP/1.1 200 OK\nX: a\nContent-Length: 1\n\nx", "HTTP/1.1 200 OK\r\nX: a\r\nContent-Length: 1\r\n\r\nx", "bare_line_feed")]
    [InlineData("HTTP/1.1 200 OK\r\nX : a\r\nContent-Length: 1\r\n\r\nx", "HTTP/1.1 200 OK\r\nX: a\r\nContent-Length: 1\r\n\r\nx", "space_before_colon")]
    [InlineData("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx", "duplicate_content_length")]
    [InlineData("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nT : v\r\nno colon\r\n\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nT: v\r\n\r\n", null)]
    public async Task Repair_OfAResponse_ChangesOnlyThatAndIsMarked(string response, string expected, string? repair)
    {
        foreach (var slowly in (bool[])[false, true])
        {
            await using var proxy = await TestProxy.StartAsync();
            var origin = proxy.Origin();
            var client = proxy.Connect();
            await client.SendAsync(Get);
            var server = await origin.AcceptAsync();
            await server.ReadHeadAsync();
            if (slowly)
            {
                await server.SendSlowlyAsync(response[..^1]);
                await server.SendAsync(response[^1..]);
            }
            else
            {
                await server.SendAsync(response);
            }

            Assert.Equal(expected, await client.ReadMessageAsync());
            if (repair is not null)
            {
                Assert.Equal([repair], (await proxy.FlowAsync()).Repairs!.Response);
            }
        }
    }

    [Theory]
    [InlineData("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx", "RC-HTTP-217")]
    [InlineData("HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", "RC-HTTP-216")]
    [InlineData("HTTP/1.1 200 OK\r\nTransfer-Encoding: xchunked\r\n\r\n", "RC-HTTP-219")]
    [InlineData("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "RC-HTTP-221")]
    [InlineData("HTTP/1.1 200 OK\r\nX: a\0b\r\nContent-Length: 0\r\n\r\n", "RC-HTTP-215")]
    [InlineData("HTTP/2.0 200 OK\r\n\r\n", "RC-HTTP-208")]
    [InlineData("SSH-2.0-OpenSSH\r\n\r\n", "RC-HTTP-205")]
    public async Task Fault_OfAResponse_Is502WithItsCode(string response, string code)
    {
        await using var proxy = await TestProxy.StartAsync();
        var origin = proxy.Origin();
        var client = proxy.Connect();
        var (_, atClient) = await proxy.ExchangeAsync(client, origin, Get, response);
        FlowViews.AssertGenerated(atClient, 502, code);
        var error = (await proxy.FlowAsync()).Error()!;
        Assert.Equal((code, "server"), (error.Code, error.Blame));
        Assert.NotEmpty(error.Octets!);
    }
}
