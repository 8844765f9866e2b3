using RelayCore.Core.Interception;
using RelayCore.Core.Limits;
using RelayCore.Engine.Policy;
using RelayCore.Protocols.Http2;
using RelayCore.Testing;
using Xunit;

namespace RelayCore.InMemory.Tests.Http2;

/// <summary>A client and a server that both speak HTTP/2 through the proxy, frame by frame.</summary>
internal static class Http2Scene
{
    /// <summary>Limits with a value of its own for each time-out, so that none can stand in for another.</summary>
    public static readonly EngineLimits Limits = EngineLimits.Default with
    {
        IdleTimeout = TimeSpan.FromSeconds(100),
        BodyTimeout = TimeSpan.FromSeconds(20),
        ConnectTimeout = TimeSpan.FromSeconds(5),
        HandshakeTimeout = TimeSpan.FromSeconds(9),
        FirstByteTimeout = TimeSpan.FromSeconds(50),
        PoolIdleTimeout = TimeSpan.FromSeconds(40),
    };

    public static Task<TestProxy> StartAsync(Func<EngineLimits, EngineLimits>? limits = null, params IInterceptor[] interceptors) =>
        TestProxy.StartAsync(x => x with { Limits = limits?.Invoke(x.Limits) ?? x.Limits, Interceptors = interceptors });

    public static Task<TestProxy> StartWithAsync(Func<Http2Limits, Http2Limits> limits) => StartAsync(x => x with { Http2 = limits(x.Http2) });

    public static Task<Http2Peer> ClientAsync(TestProxy proxy, params Http2Setting[] settings) => Http2ExchangeTests.OpenTunnelAsync(proxy, settings);

    public static HostPattern Pattern(string text) => HostPattern.TryParse(text, out var pattern, out var problem) ? pattern : throw new ArgumentException(problem, nameof(text));

    public static async Task<Http2Peer> ServerAsync(TestOrigin origin, params Http2Setting[] settings)
    {
        var server = new Http2Peer(await origin.AcceptAsync());
        await server.OpenAsServerAsync(settings);
        return server;
    }

    /// <summary>A GET on stream 1 that arrived at its server.</summary>
    public static async Task<(Http2Peer Client, Http2Peer Server, Http2TestFrame Request)> GetAsync(TestProxy proxy, TestOrigin origin, params Http2Setting[] clientSettings)
    {
        var client = await ClientAsync(proxy, clientSettings);
        await client.GetAsync(1, scheme: "http");
        var server = await ServerAsync(origin);
        return (client, server, await server.ReadAsync(Http2FrameType.Headers));
    }

    /// <summary>A POST on stream 1 whose head arrived at its server, its body to come.</summary>
    public static async Task<(Http2Peer Client, Http2Peer Server, Http2TestFrame Request)> PostAsync(
        TestProxy proxy, TestOrigin origin, params (string Name, string Value)[] fields)
    {
        var client = await ClientAsync(proxy);
        await client.HeadersAsync(1, false, Post(fields));
        var server = await ServerAsync(origin);
        return (client, server, await server.ReadAsync(Http2FrameType.Headers));
    }

    public static (string Name, string Value)[] Post(params (string Name, string Value)[] fields) =>
        [(":method", "POST"), (":scheme", "http"), (":authority", "origin.test"), (":path", "/"), .. fields];

    public static (string Name, string Value)[] Ok(params (string Name, string Value)[] fields) => [(":status", "200"), .. fields];

    /// <summary>The connection still serves: a GET on this stream is answered.</summary>
    public static async Task AssertServesAsync(Http2Peer client, Http2Peer server, int streamId)
    {
        await client.GetAsync(streamId, "/still", scheme: "http");
        var request = await server.ReadAsync(Http2FrameType.Headers);
        Assert.Equal("/still", request[":path"]);
        await server.HeadersAsync(request.StreamId, true, (":status", "204"));
        var answer = await client.ReadAsync(Http2FrameType.Headers);
        Assert.Equal((streamId, "204", true), (answer.StreamId, answer[":status"], answer.Ends));
    }

    /// <summary>The peer gets GOAWAY with a code, and then the end of the connection.</summary>
    public static async Task<Http2TestFrame> AssertGoAwayAsync(Http2Peer peer, Http2ErrorCode code, string? fault = null)
    {
        Http2TestFrame frame;
        do
        {
            frame = await peer.ReadAsync();
        }
        while (frame.Type != Http2FrameType.GoAway);
        Assert.Equal(code, frame.Code);
        if (fault is not null)
        {
            Assert.Equal(fault, frame.Text[8..]);
        }

        return frame;
    }

    /// <summary>The peer gets RST_STREAM with a code.</summary>
    public static async Task AssertResetAsync(Http2Peer peer, int streamId, Http2ErrorCode code)
    {
        Http2TestFrame frame;
        do
        {
            frame = await peer.ReadAsync();
        }
        while (frame.Type is not (Http2FrameType.RstStream or Http2FrameType.GoAway));
        Assert.Equal((Http2FrameType.RstStream, streamId, code), (frame.Type, frame.StreamId, frame.Code));
    }
}
