using System.Buffers.Binary;
using RelayCore.Core.Flows;
using RelayCore.Protocols.Http2;
using RelayCore.Testing;
using Xunit;
using static RelayCore.InMemory.Tests.Http2.Http2Scene;

namespace RelayCore.InMemory.Tests.Http2;

/// <summary>RFC 9113 §5 and §6: what a frame that may not come there ends, towards clients and towards servers.</summary>
public sealed class Http2FrameRuleTests
{
    private const Http2FrameFlags EndHeaders = Http2FrameFlags.EndHeaders;

    // Sent behind a GET on stream 1 that its server has not answered yet: 1 is half-closed (remote), 3 idle, 2 the server's.
    private static readonly Rule[] s_ofClients =
    [
        new("§4.2 HEADERS too large", Http2ErrorCode.FrameSizeError, x => x.FrameAsync(Http2FrameType.Headers, EndHeaders, 3, new byte[16385])),
        new("§4.2 DATA too large on a closed stream", Http2ErrorCode.FrameSizeError, x => x.FrameAsync(Http2FrameType.Settings, 0, 0, new byte[16386])),
        new("§4.3 block that cannot be decoded", Http2ErrorCode.CompressionError, x => x.FrameAsync(Http2FrameType.Headers, EndHeaders, 3, [0xBF, 0xFF, 0xFF])),
        new("§4.3 index 0", Http2ErrorCode.CompressionError, x => x.FrameAsync(Http2FrameType.Headers, EndHeaders, 3, [0x80])),
        new("§4.3 other frame within a block", Http2ErrorCode.ProtocolError, async x =>
        {
            await x.FrameAsync(Http2FrameType.Headers, 0, 3, [0x82]);
            await x.FrameAsync(Http2FrameType.Ping, 0, 0, new byte[8]);
        }),
        new("§4.3 other stream within a block", Http2ErrorCode.ProtocolError, async x =>
        {
            await x.FrameAsync(Http2FrameType.Headers, 0, 3, [0x82]);
            await x.FrameAsync(Http2FrameType.Continuation, EndHeaders, 5, [0x84]);
        }),
        new("§5.5 unknown frame within a block", Http2ErrorCode.ProtocolError, async x =>
        {
            await x.FrameAsync(Http2FrameType.Headers, 0, 3, [0x82]);
            await x.FrameAsync((Http2FrameType)0xBB, 0, 3, [1]);
        }),
        new("§5.1 DATA on idle", Http2ErrorCode.ProtocolError, x => x.DataAsync(3, "x", ends: false)),
        new("§5.1 RST_STREAM on idle", Http2ErrorCode.ProtocolError, x => x.ResetAsync(3, Http2ErrorCode.Cancel)),
        new("§5.1 WINDOW_UPDATE on idle", Http2ErrorCode.ProtocolError, x => x.WindowAsync(3, 1)),
        new("§5.1.1 even stream", Http2ErrorCode.ProtocolError, x => x.GetAsync(2, scheme: "http")),
        new("§5.1.1 lower stream", Http2ErrorCode.ProtocolError, async x =>
        {
            await x.GetAsync(5, scheme: "http");
            await x.GetAsync(3, scheme: "http");
        }),
        new("§6.1 DATA on 0", Http2ErrorCode.ProtocolError, x => x.DataAsync(0, "x", ends: false)),
        new("§6.1 padding as long as the payload", Http2ErrorCode.ProtocolError, x => x.FrameAsync(Http2FrameType.Data, Http2FrameFlags.Padded, 1, [2, 0])),
        new("§6.2 HEADERS on 0", Http2ErrorCode.ProtocolError, x => x.FrameAsync(Http2FrameType.Headers, EndHeaders, 0, [0x82])),
        new("§6.2 padding beyond HEADERS", Http2ErrorCode.ProtocolError, x => x.FrameAsync(Http2FrameType.Headers, EndHeaders | Http2FrameFlags.Padded, 3, [5, 0x82])),
        new("§6.3 PRIORITY on 0", Http2ErrorCode.ProtocolError, x => x.FrameAsync(Http2FrameType.Priority, 0, 0, new byte[5])),
        new("§6.4 RST_STREAM on 0", Http2ErrorCode.ProtocolError, x => x.FrameAsync(Http2FrameType.RstStream, 0, 0, new byte[4])),
        new("§6.4 RST_STREAM of 3 octets", Http2ErrorCode.FrameSizeError, x => x.FrameAsync(Http2FrameType.RstStream, 0, 1, new byte[3])),
        new("§6.5 SETTINGS on a stream", Http2ErrorCode.ProtocolError, x => x.FrameAsync(Http2FrameType.Settings, 0, 1, [])),
        new("§6.5 SETTINGS of 5 octets", Http2ErrorCode.FrameSizeError, x => x.FrameAsync(Http2FrameType.Settings, 0, 0, new byte[5])),
        new("§6.5 ACK with payload", Http2ErrorCode.FrameSizeError, x => x.FrameAsync(Http2FrameType.Settings, Http2FrameFlags.Ack, 0, new byte[6])),
        new("§6.5.2 ENABLE_PUSH 2", Http2ErrorCode.ProtocolError, x => x.SettingsAsync(new Http2Setting(Http2SettingId.EnablePush, 2))),
        new("§6.5.2 INITIAL_WINDOW_SIZE 2^31", Http2ErrorCode.FlowControlError, x => x.SettingsAsync(new Http2Setting(Http2SettingId.InitialWindowSize, 0x8000_0000))),
        new("§6.5.2 MAX_FRAME_SIZE 16383", Http2ErrorCode.ProtocolError, x => x.SettingsAsync(new Http2Setting(Http2SettingId.MaxFrameSize, 16383))),
        new("§6.5.2 MAX_FRAME_SIZE 2^24", Http2ErrorCode.ProtocolError, x => x.SettingsAsync(new Http2Setting(Http2SettingId.MaxFrameSize, 1 << 24))),
        new("RFC 8441 §3 ENABLE_CONNECT_PROTOCOL 2", Http2ErrorCode.ProtocolError, x => x.SettingsAsync(new Http2Setting(Http2SettingId.EnableConnectProtocol, 2))),
        new("§6.5.3 second ACK", Http2ErrorCode.ProtocolError, x => x.FrameAsync(Http2FrameType.Settings, Http2FrameFlags.Ack, 0, [])),
        new("§6.6 PUSH_PROMISE of a client", Http2ErrorCode.ProtocolError, x => x.FrameAsync(Http2FrameType.PushPromise, EndHeaders, 1, [0, 0, 0, 2, 0x82])),
        new("§6.7 PING on a stream", Http2ErrorCode.ProtocolError, x => x.FrameAsync(Http2FrameType.Ping, 0, 1, new byte[8])),
        new("§6.7 PING of 7 octets", Http2ErrorCode.FrameSizeError, x => x.FrameAsync(Http2FrameType.Ping, 0, 0, new byte[7])),
        new("§6.8 GOAWAY on a stream", Http2ErrorCode.ProtocolError, x => x.FrameAsync(Http2FrameType.GoAway, 0, 1, new byte[8])),
        new("§6.8 GOAWAY of 7 octets", Http2ErrorCode.FrameSizeError, x => x.FrameAsync(Http2FrameType.GoAway, 0, 0, new byte[7])),
        new("§6.9 increment 0 of the connection", Http2ErrorCode.ProtocolError, x => x.WindowAsync(0, 0)),
        new("§6.9 WINDOW_UPDATE of 3 octets", Http2ErrorCode.FrameSizeError, x => x.FrameAsync(Http2FrameType.WindowUpdate, 0, 0, new byte[3])),
        new("§6.9.1 connection window above 2^31-1", Http2ErrorCode.FlowControlError, x => x.WindowAsync(0, int.MaxValue)),
        new("§6.9.2 INITIAL_WINDOW_SIZE lifts a stream above 2^31-1", Http2ErrorCode.FlowControlError, async x =>
        {
            await x.WindowAsync(1, 1_000_000);
            await x.SettingsAsync(new Http2Setting(Http2SettingId.InitialWindowSize, int.MaxValue));
        }),
        new("§6.10 CONTINUATION on 0", Http2ErrorCode.ProtocolError, x => x.FrameAsync(Http2FrameType.Continuation, EndHeaders, 0, [0x82])),
        new("§6.10 CONTINUATION without a block", Http2ErrorCode.ProtocolError, x => x.FrameAsync(Http2FrameType.Continuation, EndHeaders, 1, [0x82])),
        new("RFC 9218 §7.1 PRIORITY_UPDATE on a stream", Http2ErrorCode.ProtocolError, x => x.FrameAsync(Http2FrameType.PriorityUpdate, 0, 1, [0, 0, 0, 1])),
        new("RFC 9218 §7.1 PRIORITY_UPDATE for 0", Http2ErrorCode.ProtocolError, x => x.FrameAsync(Http2FrameType.PriorityUpdate, 0, 0, [0, 0, 0, 0])),
        new("RFC 9218 §7.1 PRIORITY_UPDATE for an idle pushed stream", Http2ErrorCode.ProtocolError, x => x.FrameAsync(Http2FrameType.PriorityUpdate, 0, 0, [0, 0, 0, 2])),
    ];

    // The same of a server that has GET on stream 1.
    private static readonly Rule[] s_ofServers =
    [
        new("§4.2 frame too large", Http2ErrorCode.FrameSizeError, x => x.FrameAsync(Http2FrameType.Headers, EndHeaders, 1, new byte[16385])),
        new("§4.3 block that cannot be decoded", Http2ErrorCode.CompressionError, x => x.FrameAsync(Http2FrameType.Headers, EndHeaders, 1, [0x80])),
        new("§5.1 HEADERS on a stream never opened", Http2ErrorCode.ProtocolError, x => x.HeadersAsync(3, true, (":status", "200"))),
        new("§5.1.1 HEADERS on an even stream", Http2ErrorCode.ProtocolError, x => x.HeadersAsync(2, true, (":status", "200"))),
        new("§5.1 DATA on a stream never opened", Http2ErrorCode.ProtocolError, x => x.DataAsync(3, "x", ends: false)),
        new("§5.1 RST_STREAM on a stream never opened", Http2ErrorCode.ProtocolError, x => x.ResetAsync(3, Http2ErrorCode.Cancel)),
        new("§6.5.2 ENABLE_PUSH 1 of a server", Http2ErrorCode.ProtocolError, x => x.SettingsAsync(new Http2Setting(Http2SettingId.EnablePush, 1))),
        new("§6.6 PUSH_PROMISE when push is off", Http2ErrorCode.ProtocolError, x => x.FrameAsync(Http2FrameType.PushPromise, EndHeaders, 1, [0, 0, 0, 2, 0x82])),
        new("§6.9.1 connection window above 2^31-1", Http2ErrorCode.FlowControlError, x => x.WindowAsync(0, int.MaxValue)),
        new("§6.9 increment 0 of the connection", Http2ErrorCode.ProtocolError, x => x.WindowAsync(0, 0)),
        new("§6.10 CONTINUATION without a block", Http2ErrorCode.ProtocolError, x => x.FrameAsync(Http2FrameType.Continuation, EndHeaders, 1, [0x88])),
        new("RFC 8441 §3 ENABLE_CONNECT_PROTOCOL taken back", Http2ErrorCode.ProtocolError, async x =>
        {
            await x.SettingsAsync(new Http2Setting(Http2SettingId.EnableConnectProtocol, 1));
            await x.SettingsAsync(new Http2Setting(Http2SettingId.EnableConnectProtocol, 0));
        }),
        new("RFC 9218 §7.1 PRIORITY_UPDATE of a server", Http2ErrorCode.ProtocolError, x => x.FrameAsync(Http2FrameType.PriorityUpdate, 0, 0, [0, 0, 0, 1])),
    ];

    // Stream errors of a client: 1 is open, a POST whose body comes.
    private static readonly Rule[] s_streamErrors =
    [
        new("§4.2 DATA too large", Http2ErrorCode.FrameSizeError, x => x.DataAsync(1, new byte[16385], ends: false)),
        new("§6.9 increment 0", Http2ErrorCode.ProtocolError, x => x.WindowAsync(1, 0)),
        new("§6.9.1 window above 2^31-1", Http2ErrorCode.FlowControlError, x => x.WindowAsync(1, int.MaxValue)),
        new("§6.3 PRIORITY of 4 octets", Http2ErrorCode.FrameSizeError, x => x.FrameAsync(Http2FrameType.Priority, 0, 1, new byte[4])),
        new("RFC 7540 §5.3.1 PRIORITY on itself", Http2ErrorCode.ProtocolError, x => x.FrameAsync(Http2FrameType.Priority, 0, 1, [0, 0, 0, 1, 9])),
        new("§8.1 HEADERS behind the head without END_STREAM", Http2ErrorCode.ProtocolError, x => x.HeadersAsync(1, false, ("x", "y"))),
        new("§8.1 pseudo-field in trailers", Http2ErrorCode.ProtocolError, x => x.HeadersAsync(1, true, (":path", "/"))),
        new("§8.2.1 upper case in trailers", Http2ErrorCode.ProtocolError, x => x.HeadersAsync(1, true, ("X-A", "y"))),
    ];

    public static TheoryData<string> OfClients => new(s_ofClients.Select(x => x.Clause));

    public static TheoryData<string> OfServers => new(s_ofServers.Select(x => x.Clause));

    public static TheoryData<string> StreamErrors => new(s_streamErrors.Select(x => x.Clause));

    [Theory]
    [MemberData(nameof(OfClients))]
    public async Task ConnectionError_OfClient_GoAwayAndBothStreamsEnd(string clause)
    {
        var rule = s_ofClients.Single(x => x.Clause == clause);
        await using var proxy = await TestProxy.StartAsync();
        var (client, server, request) = await GetAsync(proxy, proxy.Origin());
        await rule.Act(client);
        var goAway = await AssertGoAwayAsync(client, rule.Code);
        Assert.InRange(goAway.Number, 1, 5); // stream 1 was processed
        await AssertResetAsync(server, request.StreamId, rule.Code);
        client.Peer.Close();
        await TestProxy.UntilAsync(() => proxy.Flows().Any(x => x.Kind == FlowKind.Connection && x.EndTime is not null), () => "no record of the breach");
        Assert.Equal("RC-H2-001", proxy.Flows().Single(x => x.Kind == FlowKind.Connection).Error()!.Code);
    }

    [Theory]
    [MemberData(nameof(OfServers))]
    public async Task ConnectionError_OfServer_GoAwayAndClientGets502(string clause)
    {
        var rule = s_ofServers.Single(x => x.Clause == clause);
        await using var proxy = await TestProxy.StartAsync();
        var (client, server, _) = await GetAsync(proxy, proxy.Origin());
        await server.FrameAsync(Http2FrameType.Ping, 0, 0, new byte[8]);
        await server.ReadAsync(Http2FrameType.Ping);
        await rule.Act(server);
        await AssertGoAwayAsync(server, rule.Code);
        Assert.Equal("502", (await client.ReadAsync(Http2FrameType.Headers))[":status"]);
        Assert.Equal(("RC-HTTP-319", "server"), ((await proxy.FlowAsync()).Error()!.Code, (await proxy.FlowAsync()).Error()!.Blame));
        client.Peer.Close();
    }

    [Theory]
    [MemberData(nameof(StreamErrors))]
    public async Task StreamError_OfClient_ResetsItAndTheServersAndTheConnectionServes(string clause)
    {
        var rule = s_streamErrors.Single(x => x.Clause == clause);
        await using var proxy = await TestProxy.StartAsync();
        var (client, server, request) = await PostAsync(proxy, proxy.Origin());
        await rule.Act(client);
        await AssertResetAsync(client, 1, rule.Code);
        await AssertServerResetAsync(server, request.StreamId);
        await proxy.FlowAsync();
        await AssertServesAsync(client, server, 3);
        Assert.Equal("client", (await proxy.FlowsAsync(2)).Single(x => x.Error() is not null).Error()!.Blame);
        client.Peer.Close();
    }

    private static async Task AssertServerResetAsync(Http2Peer server, int streamId) =>
        Assert.Equal(streamId, (await server.ReadAsync(Http2FrameType.RstStream)).StreamId);

    [Fact]
    public async Task Window_ExceededByClient_IsAFlowControlErrorOfTheStream()
    {
        await using var proxy = await StartWithAsync(x => x with { InitialStreamWindow = 20_000, MaxStreamWindow = 20_000 });
        var (client, server, request) = await PostAsync(proxy, proxy.Origin());
        await server.Peer.ProxyReceivesAsync();

        // The server gives no more than the protocol's 65,535, so that the proxy holds what is beyond and does not open the stream's window.
        for (var i = 0; i < 12; i++)
        {
            await client.DataAsync(1, new byte[10_000], ends: false);
        }

        await AssertResetAsync(client, 1, Http2ErrorCode.FlowControlError);
        Http2TestFrame frame;
        do
        {
            frame = await server.ReadAsync();
        }
        while (frame.Type is Http2FrameType.Data or Http2FrameType.WindowUpdate or Http2FrameType.Settings);
        Assert.Equal((Http2FrameType.RstStream, request.StreamId), (frame.Type, frame.StreamId));
        client.Peer.Close();
    }

    [Fact]
    public async Task FirstFrame_NotSettings_EndsTheConnection()
    {
        await using var proxy = await TestProxy.StartAsync();
        var client = new Http2Peer(proxy.Connect());
        await client.Peer.SendAsync(Http2Preface.Value.ToArray());
        await client.FrameAsync(Http2FrameType.Ping, 0, 0, new byte[8]);
        await AssertGoAwayAsync(client, Http2ErrorCode.ProtocolError, "FirstFrameNotSettings");
    }

    [Fact]
    public async Task FirstFrame_OfServerNotSettings_EndsTheConnection()
    {
        await using var proxy = await TestProxy.StartAsync();
        var origin = proxy.Origin();
        var client = await ClientAsync(proxy);
        await client.GetAsync(1, scheme: "http");
        var server = new Http2Peer(await origin.AcceptAsync());
        await server.Peer.ReadAsync(Http2Preface.Octets);
        await server.FrameAsync(Http2FrameType.Settings, Http2FrameFlags.Ack, 0, []);
        await AssertGoAwayAsync(server, Http2ErrorCode.ProtocolError, "FirstFrameNotSettings");
        Assert.Equal("502", (await client.ReadAsync(Http2FrameType.Headers))[":status"]);
        client.Peer.Close();
    }

    [Fact]
    public async Task Preface_Wrong_IsAnsweredWithGoAwayAndRecorded()
    {
        await using var proxy = await TestProxy.StartAsync();
        var peer = proxy.Connect();
        await peer.SendAsync("PRI * HTTP/2.0\r\n\r\nXM\r\n\r\n");
        var text = await peer.ReadToEndAsync();
        Assert.NotEmpty(text);
        Assert.NotNull((await proxy.FlowAsync()).Error());
    }

    [Fact]
    public async Task Harmless_AnythingTheProtocolIgnores_ChangesNothing()
    {
        await using var proxy = await TestProxy.StartAsync();
        var (client, server, request) = await GetAsync(proxy, proxy.Origin());
        foreach (var peer in (Http2Peer[])[client, server])
        {
            await peer.FrameAsync((Http2FrameType)0xBB, (Http2FrameFlags)0xFF, 77, [1, 2, 3]); // §5.5
            await peer.SettingsAsync(new Http2Setting((Http2SettingId)0xABCD, 1)); // §6.5.2
            await peer.FrameAsync(Http2FrameType.Priority, 0, 99, [0, 0, 0, 1, 1]); // §5.1: also on idle streams
            await peer.WindowAsync(1, 1); // §5.1: half-closed may still be given windows
        }

        await server.HeadersAsync(request.StreamId, true, (":status", "204"));
        Assert.Equal("204", (await client.ReadAsync(Http2FrameType.Headers))[":status"]);
        await server.WindowAsync(request.StreamId, 1); // §5.1 closed: in flight
        await client.WindowAsync(1, 1);
        await client.ResetAsync(1, Http2ErrorCode.Cancel);
        await AssertServesAsync(client, server, 3);
        client.Peer.Close();
    }

    [Fact]
    public async Task Ping_Any_IsAnsweredWithItsOctetsAndAckIsNot()
    {
        await using var proxy = await TestProxy.StartAsync();
        var (client, server, _) = await GetAsync(proxy, proxy.Origin());
        foreach (var peer in (Http2Peer[])[client, server])
        {
            var opaque = new byte[8];
            BinaryPrimitives.WriteInt64BigEndian(opaque, 0x0102030405060708);
            await peer.FrameAsync(Http2FrameType.Ping, Http2FrameFlags.Ack, 0, new byte[8]);
            await peer.FrameAsync(Http2FrameType.Ping, (Http2FrameFlags)0xFE, 0, opaque); // undefined flags are ignored (§4.1)
            var pong = await peer.ReadAsync(Http2FrameType.Ping);
            Assert.Equal((Http2FrameFlags.Ack, BitConverter.ToString(opaque)), (pong.Flags, BitConverter.ToString(pong.Payload)));
        }

        client.Peer.Close();
    }

    private sealed record Rule(string Clause, Http2ErrorCode Code, Func<Http2Peer, Task> Act);
}
