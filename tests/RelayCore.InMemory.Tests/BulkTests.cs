using System.Text;
using RelayCore.InMemory.Tests.Transport;
using RelayCore.Protocols;
using RelayCore.Testing;
using Xunit;

namespace RelayCore.InMemory.Tests;

/// <summary>Large bodies through an intercepted connection, where records are taken and sent several at a time.</summary>
public sealed class BulkTests
{
    private const int Length = 700_001;

    [Theory]
    [InlineData(false, 1_000)]
    [InlineData(false, 16_406)]
    [InlineData(false, int.MaxValue)]
    [InlineData(true, 16_400)]
    [InlineData(true, int.MaxValue)]
    public async Task Download_AnySegments_IsByteIdenticalAndCaptured(bool isChunked, int segment)
    {
        await using var proxy = await TestProxy.StartAsync(x => x with { InsecureUpstream = true });
        var origin = proxy.Origin(port: 443);
        var client = await TlsTests.ConnectAsync(proxy);
        await client.SendAsync(TlsTests.Get);
        var server = await TlsTests.AcceptAsync(origin);
        await server.ReadHeadAsync();
        server.Wire.MaxSegment = segment;
        var (head, body) = Message("HTTP/1.1 200 OK", isChunked);
        var sending = Task.Run(() => server.SendAsync(head + body));
        Assert.True(head + body == await client.ReadMessageAsync(), "the response differs");
        await sending;
        await AssertCapturedAsync(proxy, PeerRole.Server);
    }

    [Theory]
    [InlineData(false, 16_406)]
    [InlineData(false, int.MaxValue)]
    [InlineData(true, int.MaxValue)]
    public async Task Upload_AnySegments_IsByteIdenticalAndCaptured(bool isChunked, int segment)
    {
        await using var proxy = await TestProxy.StartAsync(x => x with { InsecureUpstream = true });
        var origin = proxy.Origin(port: 443);
        var client = await TlsTests.ConnectAsync(proxy);
        client.Wire.MaxSegment = segment;
        var (head, body) = Message("POST /s HTTP/1.1\r\nHost: origin.test", isChunked);
        var sending = Task.Run(() => client.SendAsync(head + body));
        var server = await TlsTests.AcceptAsync(origin);
        Assert.True(head + body == await server.ReadMessageAsync(), "the request differs");
        await sending;
        await server.SendAsync(TlsTests.Ok);
        Assert.Equal(TlsTests.Ok, await client.ReadMessageAsync());
        await AssertCapturedAsync(proxy, PeerRole.Client);
    }

    [Fact]
    public async Task Download_PausingWithinTheBody_GivesTheClientAllThatCame()
    {
        await using var proxy = await TestProxy.StartAsync(x => x with { InsecureUpstream = true });
        var origin = proxy.Origin(port: 443);
        var client = await TlsTests.ConnectAsync(proxy);
        await client.SendAsync(TlsTests.Get);
        var server = await TlsTests.AcceptAsync(origin);
        await server.ReadHeadAsync();
        var (head, body) = Message("HTTP/1.1 200 OK", isChunked: false);
        await server.SendAsync(head);
        Assert.Equal(head, await client.ReadHeadAsync());
        var sent = 0;
        foreach (var piece in (int[])[100_000, 1, 16_384, 16_385, 200_000, 5])
        {
            await server.SendAsync(body.Substring(sent, piece));
            Assert.True(body.Substring(sent, piece) == await client.ReadAsync(piece), $"the {piece} octets from {sent} on differ");
            sent += piece;
        }

        await server.SendAsync(body[sent..]);
        Assert.True(body[sent..] == await client.ReadAsync(Length - sent), "the rest differs");
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Download_ServerGoneWithinTheBody_GivesTheClientWhatCameAndFails(bool isReset)
    {
        await using var proxy = await TestProxy.StartAsync(x => x with { InsecureUpstream = true });
        var origin = proxy.Origin(port: 443);
        var client = await TlsTests.ConnectAsync(proxy);
        await client.SendAsync(TlsTests.Get);
        var server = await TlsTests.AcceptAsync(origin);
        await server.ReadHeadAsync();
        var (head, body) = Message("HTTP/1.1 200 OK", isChunked: false);
        await server.SendAsync(head + body[..300_000]);
        await client.ReadHeadAsync();
        Assert.True(body[..300_000] == await client.ReadAsync(300_000), "the part differs");
        if (isReset)
        {
            server.Wire.Reset();
        }
        else
        {
            server.Close();
        }

        await client.DrainAsync();
        await TestProxy.UntilAsync(() => proxy.Store.Statistics.Stored == 1, () => "no flow");
        Assert.StartsWith("RC-HTTP-", (await proxy.FlowAsync()).Error()!.Code, StringComparison.Ordinal);
    }

    private static (string Head, string Body) Message(string start, bool isChunked)
    {
        var data = Encoding.Latin1.GetString(TlsPair.Octets(Length, seed: 5));
        if (!isChunked)
        {
            return ($"{start}\r\nContent-Length: {Length}\r\n\r\n", data);
        }

        var body = new StringBuilder();
        for (var (position, size) = (0, 1); position < Length; (position, size) = (position + size, (size * 3) + 1))
        {
            size = Math.Min(size, Length - position);
            body.Append(System.Globalization.CultureInfo.InvariantCulture, $"{size:x}\r\n").Append(data, position, size).Append("\r\n");
        }

        return ($"{start}\r\nTransfer-Encoding: chunked\r\n\r\n", body.Append("0\r\n\r\n").ToString());
    }

    private static async Task AssertCapturedAsync(TestProxy proxy, PeerRole sender)
    {
        var http = (await proxy.FlowAsync()).Http();
        var body = (sender == PeerRole.Client ? http.Request!.Body : http.Response!.Body)!;
        Assert.Equal((Length, Length, false), (body.Size, body.Captured, body.Truncated));
    }
}
