using RelayCore.Core.Flows;
using RelayCore.Protocols.Http2;
using RelayCore.Testing;
using Xunit;
using static RelayCore.InMemory.Tests.Http2.Http2Scene;

namespace RelayCore.InMemory.Tests.Http2;

/// <summary>RFC 9113 §10.5: what a peer can send cheaply and we handle dearly ends its connection, by name, with bounded memory.</summary>
public sealed class Http2FloodTests
{
    private static readonly (string Fault, Func<byte[]> Unit)[] s_ofClients =
    [
        ("SettingsFlood", static () => Frame(Http2FrameType.Settings, 0, 0, 0)),
        ("PingFlood", static () => Frame(Http2FrameType.Ping, 0, 0, 8)),
        ("EmptyDataFlood", static () => Frame(Http2FrameType.Data, 0, 1, 0)),
        ("PriorityFlood", static () => Frame(Http2FrameType.Priority, 0, 7, 5)),
        ("WindowUpdateFlood", static () => Frame(Http2FrameType.WindowUpdate, 0, 0, 4, 1)),
        ("UnknownFrameFlood", static () => Frame((Http2FrameType)0xEE, 0, 0, 0)),
        ("ResetFlood", static () => Frame(Http2FrameType.RstStream, 0, 1, 4, 8)),
    ];

    public static TheoryData<string> OfClients => new(s_ofClients.Select(x => x.Fault));

    [Theory]
    [MemberData(nameof(OfClients))]
    public async Task Flood_OfClient_EndsByEnhanceYourCalm(string fault)
    {
        await using var proxy = await TestProxy.StartAsync();
        var (client, server, request) = await PostAsync(proxy, proxy.Origin());
        var reading = AssertGoAwayAsync(client, Http2ErrorCode.EnhanceYourCalm, fault);
        await SendAsync(client, s_ofClients.Single(x => x.Fault == fault).Unit(), 5000);
        await reading;
        if (fault != "ResetFlood")
        {
            await AssertResetAsync(server, request.StreamId, Http2ErrorCode.EnhanceYourCalm);
        }

        await TestProxy.UntilAsync(() => proxy.Flows().Any(x => x.Kind == FlowKind.Connection && x.EndTime is not null), () => "no record of the breach");
        var error = proxy.Flows().Single(x => x.Kind == FlowKind.Connection).Error()!;
        Assert.Equal(("RC-H2-001", "limit", "client"), (error.Code, error.Kind, error.Blame));
        Assert.Contains(fault, error.Detail, StringComparison.Ordinal);
        client.Peer.Close();
    }

    [Theory]
    [InlineData("SettingsFlood")]
    [InlineData("PingFlood")]
    [InlineData("UnknownFrameFlood")]
    public async Task Flood_OfServer_EndsByEnhanceYourCalmAndTheClientIsTold(string fault)
    {
        await using var proxy = await TestProxy.StartAsync();
        var (client, server, _) = await GetAsync(proxy, proxy.Origin());
        var reading = AssertGoAwayAsync(server, Http2ErrorCode.EnhanceYourCalm, fault);
        await SendAsync(server, s_ofClients.Single(x => x.Fault == fault).Unit(), 5000);
        await reading;
        Assert.Equal("502", (await client.ReadAsync(Http2FrameType.Headers))[":status"]);
        Assert.Contains(fault, (await proxy.FlowAsync()).Error()!.Detail, StringComparison.Ordinal);
        client.Peer.Close();
    }

    [Fact]
    public async Task RapidReset_ManyStreams_EndsTheConnectionAndFewReachTheServer()
    {
        await using var proxy = await StartWithAsync(x => x with { RapidResets = new(20, 1) });
        var (client, server, _) = await GetAsync(proxy, proxy.Origin());
        var reading = AssertGoAwayAsync(client, Http2ErrorCode.EnhanceYourCalm, "RapidReset");
        for (var id = 3; id < 3 + 100 && !reading.IsCompleted; id += 2)
        {
            await Record.ExceptionAsync(async () =>
            {
                await client.GetAsync(id, scheme: "http");
                await client.ResetAsync(id, Http2ErrorCode.Cancel);
            });
        }

        await reading;
        client.Peer.Close();
        await proxy.FlowsAsync(22);
        Assert.InRange(proxy.Flows().Count(x => x.Kind != FlowKind.Connection), 20, 23);
        server.Peer.Close();
    }

    [Fact]
    public async Task RapidReset_Answered_CountsOnlyAsReset()
    {
        await using var proxy = await StartWithAsync(x => x with { RapidResets = new(2, 0) });
        var origin = proxy.Origin();
        var (client, server, request) = await GetAsync(proxy, origin);
        for (var id = 1; id < 20; id += 2)
        {
            await server.HeadersAsync(request.StreamId, false, Ok());
            await client.ReadAsync(Http2FrameType.Headers);
            await client.ResetAsync(id, Http2ErrorCode.Cancel);
            Assert.Equal(Http2ErrorCode.Cancel, (await server.ReadAsync(Http2FrameType.RstStream)).Code);
            await client.GetAsync(id + 2, scheme: "http");
            request = await server.ReadAsync(Http2FrameType.Headers);
        }

        await server.HeadersAsync(request.StreamId, true, (":status", "204"));
        Assert.Equal("204", (await client.ReadAsync(Http2FrameType.Headers))[":status"]);
        client.Peer.Close();
    }

    [Fact]
    public async Task ProvokedResets_ManyMalformedStreams_EndTheConnection()
    {
        await using var proxy = await StartWithAsync(x => x with { ProvokedResets = new(10, 1) });
        proxy.Origin();
        var client = await ClientAsync(proxy);
        for (var id = 1; id < 1 + (2 * 11); id += 2)
        {
            await client.HeadersAsync(id, false, Post());
            await client.WindowAsync(id, 0);
        }

        await AssertGoAwayAsync(client, Http2ErrorCode.EnhanceYourCalm, "ProvokedResets");
        client.Peer.Close();
    }

    [Fact]
    public async Task Continuation_WithoutEnd_IsBounded()
    {
        await using var proxy = await TestProxy.StartAsync();
        var client = await ClientAsync(proxy);
        var reading = AssertGoAwayAsync(client, Http2ErrorCode.EnhanceYourCalm, "TooManyContinuations");
        await client.FrameAsync(Http2FrameType.Headers, 0, 1, [0x82]);
        await SendAsync(client, [.. Frame(Http2FrameType.Continuation, 0, 1, 1, 0x82)], 1000);
        await reading;
        client.Peer.Close();
    }

    [Fact]
    public async Task Continuation_Large_IsBounded()
    {
        await using var proxy = await StartWithAsync(x => x with { MaxFieldBlockOctets = 64 * 1024 });
        var client = await ClientAsync(proxy);
        var reading = AssertGoAwayAsync(client, Http2ErrorCode.EnhanceYourCalm, "FieldBlockTooLarge");
        await client.FrameAsync(Http2FrameType.Headers, 0, 1, [0x82]);
        await SendAsync(client, Frame(Http2FrameType.Continuation, 0, 1, 16384), 30);
        await reading;
        client.Peer.Close();
    }

    [Fact]
    public async Task Block_EmptyPieces_AreBounded()
    {
        await using var proxy = await StartWithAsync(x => x with { MaxContinuations = 100_000 });
        var client = await ClientAsync(proxy);
        var reading = AssertGoAwayAsync(client, Http2ErrorCode.EnhanceYourCalm, "EmptyFieldBlockFlood");
        await client.FrameAsync(Http2FrameType.Headers, 0, 1, [0x82]);
        await SendAsync(client, Frame(Http2FrameType.Continuation, 0, 1, 0), 1000);
        await reading;
        client.Peer.Close();
    }

    [Fact]
    public async Task Settings_ManyParameters_AreRefused()
    {
        await using var proxy = await TestProxy.StartAsync();
        var client = await ClientAsync(proxy);
        await client.FrameAsync(Http2FrameType.Settings, 0, 0, new byte[6 * 33]);
        await AssertGoAwayAsync(client, Http2ErrorCode.EnhanceYourCalm, "TooManySettings");
        client.Peer.Close();
    }

    [Fact]
    public async Task Hpack_Bomb_Is431AndTheConnectionServes()
    {
        await using var proxy = await TestProxy.StartAsync();
        var origin = proxy.Origin();
        var client = await ClientAsync(proxy);

        // One field of 4,000 octets enters the table; each further octet names it again: 16,000 octets become 64 MB.
        byte[] get = [0x82, 0x86, 0x84, 0x01, 0x0B, .. "origin.test"u8];
        await client.FrameAsync(Http2FrameType.Headers, Http2FrameFlags.EndHeaders | Http2FrameFlags.EndStream, 1,
            [.. get, 0x40, 0x06, .. "x-bomb"u8, 0x7F, 0xBD, 0x1D, .. Enumerable.Repeat((byte)'b', 3900)]);
        var server = await ServerAsync(origin);
        await server.HeadersAsync((await server.ReadAsync(Http2FrameType.Headers)).StreamId, true, (":status", "204"));
        await client.ReadAsync(Http2FrameType.Headers);
        var before = GC.GetTotalAllocatedBytes(precise: true);
        await client.FrameAsync(Http2FrameType.Headers, Http2FrameFlags.EndHeaders | Http2FrameFlags.EndStream, 3, [.. get, .. Enumerable.Repeat((byte)0xBE, 16000)]);
        var answer = await client.ReadAsync(Http2FrameType.Headers);
        Assert.Equal("431", answer[":status"]);
        Assert.InRange(GC.GetTotalAllocatedBytes(precise: true) - before, 0, 32 * 1024 * 1024);
        await client.ReadAsync(Http2FrameType.Data);
        await proxy.FlowsAsync(2);
        await AssertServesAsync(client, server, 5);
        client.Peer.Close();
    }

    [Fact]
    public async Task Hpack_TableSizeAboveOurs_IsACompressionError()
    {
        await using var proxy = await TestProxy.StartAsync();
        var client = await ClientAsync(proxy);
        await client.FrameAsync(Http2FrameType.Headers, Http2FrameFlags.EndHeaders | Http2FrameFlags.EndStream, 1, [0x3F, 0xE2, 0xFF, 0x7F, 0x82]);
        await AssertGoAwayAsync(client, Http2ErrorCode.CompressionError, "CompressionLost");
        client.Peer.Close();
    }

    [Fact]
    public async Task Answers_Unread_AreBounded()
    {
        await using var proxy = await StartWithAsync(x => x with { Pings = new(int.MaxValue, 0) });
        proxy.Network.BufferOctets = 16 * 1024;
        var client = await ClientAsync(proxy);
        var sending = Record.ExceptionAsync(() => SendAsync(client, Frame(Http2FrameType.Ping, 0, 0, 8), 400_000));

        // Nothing is read: the answers pile up to their bound, and the connection ends.
        await TestProxy.UntilAsync(() => proxy.Flows().Any(x => x.Kind == FlowKind.Connection), () => "the answers have no bound");
        Assert.Contains("AnswersUnread", proxy.Flows().Single(x => x.Kind == FlowKind.Connection).Error()!.Detail, StringComparison.Ordinal);
        client.Peer.Reset();
        await sending;
    }

    [Fact]
    public async Task Interim_WithoutEndToAClientThatDoesNotRead_IsBounded()
    {
        await using var proxy = await TestProxy.StartAsync();
        proxy.Network.BufferOctets = 16 * 1024;
        var (client, server, request) = await GetAsync(proxy, proxy.Origin());
        await server.HeadersAsync(request.StreamId, false, (":status", "103"), ("link", new string('l', 2000)));
        var block = server.Block((":status", "103"), ("link", new string('l', 2000)));
        var unit = new byte[Http2Frame.HeaderOctets + block.Length];
        Http2FrameWriter.WriteHeader(unit, block.Length, Http2FrameType.Headers, Http2FrameFlags.EndHeaders, request.StreamId);
        block.CopyTo(unit.AsSpan(Http2Frame.HeaderOctets));
        var sending = Record.ExceptionAsync(() => SendAsync(server, unit, 200_000));
        await proxy.FlowsAsync(1);
        Assert.NotNull(proxy.Flows()[0].Error());
        client.Peer.Reset();
        server.Peer.Reset();
        await sending;
    }

    [Fact]
    public async Task Streams_AboveTheLimit_AreRefusedAndMayBeRepeated()
    {
        await using var proxy = await StartWithAsync(x => x with { MaxConcurrentStreams = 2 });
        var origin = proxy.Origin();
        var client = await ClientAsync(proxy);
        for (var id = 1; id <= 5; id += 2)
        {
            await client.GetAsync(id, "/" + id, scheme: "http");
        }

        await AssertResetAsync(client, 5, Http2ErrorCode.RefusedStream);
        var server = await ServerAsync(origin);
        for (var i = 0; i < 2; i++)
        {
            await server.HeadersAsync((await server.ReadAsync(Http2FrameType.Headers)).StreamId, true, (":status", "204"));
            await client.ReadAsync(Http2FrameType.Headers);
        }

        await proxy.FlowsAsync(2);
        await AssertServesAsync(client, server, 7);
        client.Peer.Close();
    }

    private static byte[] Frame(Http2FrameType type, Http2FrameFlags flags, int streamId, int length, byte last = 0)
    {
        var frame = new byte[Http2Frame.HeaderOctets + length];
        Http2FrameWriter.WriteHeader(frame, length, type, flags, streamId);
        if (length > 0)
        {
            frame[^1] = last;
        }

        return frame;
    }

    /// <summary>Many times the same; the proxy may end the connection under way.</summary>
    private static async Task SendAsync(Http2Peer peer, byte[] unit, int times)
    {
        const int AtOnce = 100;
        var many = Enumerable.Repeat(unit, Math.Min(times, AtOnce)).SelectMany(x => x).ToArray();
        for (var i = 0; i < times; i += AtOnce)
        {
            if (await Record.ExceptionAsync(() => peer.Peer.SendAsync(many)) is not null)
            {
                return;
            }
        }
    }
}
