using RelayCore.Protocols.Http2;
using RelayCore.Testing;
using Xunit;
using static RelayCore.InMemory.Tests.Http2.Http2Scene;

namespace RelayCore.InMemory.Tests.Http2;

/// <summary>RFC 9113 §5.1: what may come for a stream that is half-closed or closed depends on how it came to that.</summary>
public sealed class Http2StreamLifeTests
{
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task HalfClosedRemote_More_IsStreamClosedOfTheStream(bool isData)
    {
        await using var proxy = await TestProxy.StartAsync();
        var (client, server, request) = await GetAsync(proxy, proxy.Origin());
        await (isData ? client.DataAsync(1, "x", ends: true) : client.HeadersAsync(1, true, ("x-table", "1")));
        await AssertResetAsync(client, 1, Http2ErrorCode.StreamClosed);
        await AssertResetAsync(server, request.StreamId, Http2ErrorCode.StreamClosed);
        await proxy.FlowAsync();
        await client.GetAsync(3, scheme: "http", fields: ("x-table", "1")); // the block was decoded, or this index would name nothing
        Assert.Equal("1", (await server.ReadAsync(Http2FrameType.Headers))["x-table"]);
        client.Peer.Close();
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Closed_ByBothEnds_MoreEndsTheConnection(bool isData)
    {
        await using var proxy = await TestProxy.StartAsync();
        var (client, server, request) = await GetAsync(proxy, proxy.Origin());
        await server.HeadersAsync(request.StreamId, true, (":status", "204"));
        await client.ReadAsync(Http2FrameType.Headers);
        await proxy.FlowAsync();
        await (isData ? client.DataAsync(1, "x", ends: true) : client.HeadersAsync(1, true, ("x", "1")));
        await AssertGoAwayAsync(client, Http2ErrorCode.StreamClosed, "StreamEnded");
        client.Peer.Close();
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Closed_ByResetOfClient_MoreIsStreamClosedOfTheStream(bool isData)
    {
        await using var proxy = await TestProxy.StartAsync();
        var (client, server, _) = await PostAsync(proxy, proxy.Origin());
        await client.ResetAsync(1, Http2ErrorCode.Cancel);
        await server.ReadAsync(Http2FrameType.RstStream);
        await proxy.FlowAsync();
        await (isData ? client.DataAsync(1, "x", ends: true) : client.HeadersAsync(1, true, ("x", "1")));
        await AssertResetAsync(client, 1, Http2ErrorCode.StreamClosed);
        await AssertServesAsync(client, server, 3);
        client.Peer.Close();
    }

    [Fact]
    public async Task Closed_ByOurReset_WhatWasInFlightIsIgnoredAndItsFieldsAreDecoded()
    {
        await using var proxy = await TestProxy.StartAsync();
        var (client, server, request) = await PostAsync(proxy, proxy.Origin());
        await client.WindowAsync(1, 0);
        await AssertResetAsync(client, 1, Http2ErrorCode.ProtocolError);
        await server.ReadAsync(Http2FrameType.RstStream);
        await proxy.FlowAsync();
        await client.DataAsync(1, "late", ends: false);
        await client.WindowAsync(1, 5);
        await client.HeadersAsync(1, true, ("x-table", "1"));
        await client.ResetAsync(1, Http2ErrorCode.Cancel);
        await client.GetAsync(3, scheme: "http", fields: ("x-table", "1"));
        var next = await server.ReadAsync(Http2FrameType.Headers);
        Assert.Equal("1", next["x-table"]);
        await server.DataAsync(request.StreamId, "late", ends: false); // and the same towards the server
        await server.HeadersAsync(request.StreamId, true, ("x-table", "2"));
        await server.HeadersAsync(next.StreamId, true, (":status", "204"), ("x-table", "2"));
        Assert.Equal("2", (await client.ReadAsync(Http2FrameType.Headers))["x-table"]);
        client.Peer.Close();
    }

    [Fact]
    public async Task Refused_StreamsOfTheirOwnFault_IgnoreTheirRest()
    {
        await using var proxy = await TestProxy.StartAsync();
        var origin = proxy.Origin();
        var client = await ClientAsync(proxy);

        // HEADERS that depend on themselves: refused before they are a stream; body and trailers were in flight.
        await client.FrameAsync(Http2FrameType.Headers, Http2FrameFlags.EndHeaders | Http2FrameFlags.Priority, 1, [0, 0, 0, 1, 9, .. client.Block(Post(("x-table", "1")))]);
        await client.DataAsync(1, "late", ends: false);
        await client.HeadersAsync(1, true, ("t", "1"));
        await AssertResetAsync(client, 1, Http2ErrorCode.ProtocolError);
        await client.GetAsync(3, scheme: "http", fields: ("x-table", "1"));
        var server = await ServerAsync(origin);
        Assert.Equal("1", (await server.ReadAsync(Http2FrameType.Headers))["x-table"]);
        client.Peer.Close();
    }

    [Fact]
    public async Task Ids_SkippedByClient_AreClosed()
    {
        await using var proxy = await TestProxy.StartAsync();
        var origin = proxy.Origin();
        var client = await ClientAsync(proxy);
        await client.GetAsync(7, scheme: "http");
        await client.WindowAsync(3, 1); // was never opened, and is past: §5.1.1
        var server = await ServerAsync(origin);
        await server.HeadersAsync((await server.ReadAsync(Http2FrameType.Headers)).StreamId, true, (":status", "204"));
        Assert.Equal(7, (await client.ReadAsync(Http2FrameType.Headers)).StreamId);
        client.Peer.Close();
    }

    [Fact]
    public async Task Server_MoreBehindItsEnd_EndsItsConnectionOnly()
    {
        await using var proxy = await TestProxy.StartAsync();
        var origin = proxy.Origin();
        var (client, server, request) = await GetAsync(proxy, origin);
        await server.HeadersAsync(request.StreamId, true, (":status", "204"));
        await client.ReadAsync(Http2FrameType.Headers);
        await proxy.FlowAsync();
        await server.DataAsync(request.StreamId, "x", ends: true);
        await AssertGoAwayAsync(server, Http2ErrorCode.StreamClosed);
        await client.GetAsync(3, scheme: "http");
        var next = await ServerAsync(origin);
        await next.HeadersAsync((await next.ReadAsync(Http2FrameType.Headers)).StreamId, true, (":status", "203"));
        Assert.Equal("203", (await client.ReadAsync(Http2FrameType.Headers))[":status"]);
        client.Peer.Close();
    }

    [Fact]
    public async Task Server_MoreBehindItsEndWhileWeSend_IsStreamClosedOfTheStream()
    {
        await using var proxy = await TestProxy.StartAsync();
        var (client, server, request) = await PostAsync(proxy, proxy.Origin());
        await server.HeadersAsync(request.StreamId, true, Ok());
        await client.ReadAsync(Http2FrameType.Headers);
        await server.DataAsync(request.StreamId, "x", ends: false);
        await AssertResetAsync(server, request.StreamId, Http2ErrorCode.StreamClosed);
        client.Peer.Close();
    }

    [Fact]
    public async Task Server_DataInFrontOfItsHead_IsMalformed()
    {
        await using var proxy = await TestProxy.StartAsync();
        var (client, server, request) = await GetAsync(proxy, proxy.Origin());
        await server.DataAsync(request.StreamId, "x", ends: false);
        await AssertResetAsync(server, request.StreamId, Http2ErrorCode.ProtocolError);
        Assert.Equal("502", (await client.ReadAsync(Http2FrameType.Headers))[":status"]);
        client.Peer.Close();
    }

    [Fact]
    public async Task Server_BodyOfHead_IsMalformed()
    {
        await using var proxy = await TestProxy.StartAsync();
        var origin = proxy.Origin();
        var client = await ClientAsync(proxy);
        await client.HeadersAsync(1, true, (":method", "HEAD"), (":scheme", "http"), (":authority", "origin.test"), (":path", "/"));
        var server = await ServerAsync(origin);
        var request = await server.ReadAsync(Http2FrameType.Headers);
        await server.HeadersAsync(request.StreamId, false, Ok());
        await server.DataAsync(request.StreamId, "x", ends: true);
        Http2TestFrame frame;
        while ((frame = await client.ReadAsync()).Type is Http2FrameType.Headers)
        {
            Assert.False(frame.Ends);
        }

        Assert.Equal(Http2FrameType.RstStream, frame.Type);
        client.Peer.Close();
    }

    [Fact]
    public async Task GoAway_OfClient_ItsStreamsAreServedToTheEnd()
    {
        await using var proxy = await TestProxy.StartAsync();
        var (client, server, request) = await GetAsync(proxy, proxy.Origin());
        await client.GoAwayAsync(0, Http2ErrorCode.NoError);
        await client.Peer.ProxyReceivesAsync();
        await server.HeadersAsync(request.StreamId, true, (":status", "204"));
        Assert.Equal("204", (await client.ReadAsync(Http2FrameType.Headers))[":status"]);
        client.Peer.Close();
    }
}
