using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Text;
using RelayCore.Load.Http;
using RelayCore.Load.Load;
using Xunit;

namespace RelayCore.Load.Tests.Load;

/// <summary>HTTP/2: generator and origin with each other, the origin with the runtime's client, the generator with servers that fail.</summary>
public sealed class Http2LoadTests : ServedTests
{
    [Theory]
    [InlineData(0, 3)]
    [InlineData(1024, 32)]
    [InlineData(100_000, 7)] // over the frame size
    [InlineData(20_000_000, 2)] // over the windows
    public async Task Http2_ByNumber_CountsEveryRequestAndOctet(long octets, int streams)
    {
        Serve(tls: null);
        var report = await LoadRun.RunAsync(
            Options(LoadProtocol.Http2, "http", $"/octets/{octets}") with { Requests = 40, Streams = streams, ExpectOctets = octets }, Cancelled);
        Assert.Equal((40, 0, 2), (report.Requests, report.Errors, report.ConnectionsOpened));
        Assert.Equal(40 * octets, report.MbPerSecond * report.Seconds * 1e6, 0.5);
        Assert.True(report.P50Ms > 0 && report.P50Ms <= report.P99Ms && report.P99Ms <= report.MaxMs);
    }

    [Fact]
    public async Task Http2_BodyOfAnotherLength_IsAnError()
    {
        Serve(tls: null);
        Assert.Equal(["Length"], await FaultsAsync(Options(LoadProtocol.Http2, "http", "/octets/1025") with { ExpectOctets = 1024 }));
    }

    [Fact]
    public async Task Http2_Tls_IsNegotiatedOrAnError()
    {
        var tls = ServerTls(out var ca);
        tls.ApplicationProtocols = [SslApplicationProtocol.Http2, SslApplicationProtocol.Http11];
        Serve(tls);
        var options = Options(LoadProtocol.Http2, "https", "/1k") with { CaFile = ca, ExpectOctets = 1024, Requests = 100 };
        var report = await LoadRun.RunAsync(options, Cancelled);
        Assert.Equal((100, 0), (report.Requests, report.Errors));

        tls.ApplicationProtocols = null; // chooses nothing
        Assert.Equal(["Tls"], await FaultsAsync(options));
    }

    public static TheoryData<string, string> BadHttp2 => new()
    {
        { "000001010500000001" + "8E", "Status" }, // 500
        { "000001010400000001" + "82", "Malformed" }, // no status
        { "000001010000000001" + "88", "Malformed" }, // a block to be continued
        { "000001010400000003" + "88", "Malformed" }, // a stream nobody opened
        { "000003000100000001" + "616263", "Malformed" }, // content before the head
        { "000001010500000001" + "88", "Length" }, // nothing at all
        { "000004030000000001" + "00000007", "Refused" }, // RST_STREAM
        { "000008070000000000" + "00000000" + "0000000B", "Refused" }, // GOAWAY
        { "FFFFFF000000000001", "Malformed" }, // a frame too long
    };

    [Theory]
    [MemberData(nameof(BadHttp2))]
    public async Task Http2_BadAnswer_IsCountedByKind(string frames, string kind)
    {
        Serving = AnswerFirstStreamAsync(Convert.FromHexString(frames));
        Assert.Equal([kind], await FaultsAsync(Options(LoadProtocol.Http2, "http", "/octets/2")));
    }

    [Fact]
    public async Task Http2_PaddedInterimAndTrailers_AreUnderstood()
    {
        string[] frames =
        [
            "000005010400000001" + "48" + "03" + "313033", // :status 103
            "00000A010C00000001" + "02" + "88" + "5F0474657874" + "0000", // :status 200, padded, with content-type
            "000005000800000001" + "02" + "6F6B" + "0000", // ok, padded
            "000006010500000001" + "00" + "0178" + "022D31", // trailers, and the end
        ];
        Serving = AnswerFirstStreamAsync(Convert.FromHexString(string.Concat(frames)));
        var report = await LoadRun.RunAsync(Options(LoadProtocol.Http2, "http", "/") with { Connections = 1, Streams = 1, Requests = 1 }, Cancelled);
        Assert.Equal((1, 0, null), (report.Requests, report.Errors, report.FirstError));
        Assert.Equal(2, report.MbPerSecond * report.Seconds * 1e6, 0.01);
    }

    [Fact]
    public async Task Http2_OrderlyGoAway_GoesOnWithAnotherConnection()
    {
        var goAway = new byte[17];
        new Http2Frame(8, Http2FrameType.GoAway, Http2Flags.None, 0).Write(goAway);
        goAway[12] = 1;
        Serving = AnswerFirstStreamAsync([.. goAway, .. Convert.FromHexString("000001010400000001" + "88" + "000002000100000001" + "6F6B")]);
        var report = await LoadRun.RunAsync(Options(LoadProtocol.Http2, "http", "/") with { Connections = 1, Streams = 1, Requests = 3 }, Cancelled);
        Assert.Equal((3, 0), (report.Requests, report.Errors));
        Assert.InRange(report.ConnectionsOpened, 3, 4);
    }

    [Theory]
    [InlineData(1024)]
    [InlineData(3_000_000)]
    public async Task Origin_Http2ClientOfTheRuntime_GetsEveryOctet(int octets)
    {
        Serve(tls: null);
        using var client = new HttpClient(new SocketsHttpHandler());
        var answers = await Task.WhenAll(Enumerable.Range(0, 50).Select(_ => SendAsync(client, HttpMethod.Get, $"/octets/{octets}", content: null)));
        Assert.All(answers, answer => Assert.Equal(octets, answer.Length));
        Assert.Equal("okcdefgh", Encoding.ASCII.GetString(answers[0].AsSpan(0, 8)));

        var uploaded = await SendAsync(client, HttpMethod.Post, "/upload", new byte[20_000_000]);
        Assert.Equal("ok", Encoding.ASCII.GetString(uploaded));
    }

    private async Task<byte[]> SendAsync(HttpClient client, HttpMethod method, string path, byte[]? content)
    {
        using var request = new HttpRequestMessage(method, $"http://127.0.0.1:{Port}{path}")
        {
            Version = HttpVersion.Version20,
            VersionPolicy = HttpVersionPolicy.RequestVersionExact,
            Content = content is null ? null : new ByteArrayContent(content),
        };
        using var response = await client.SendAsync(request, Cancelled);
        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        return await response.Content.ReadAsByteArrayAsync(Cancelled);
    }

    /// <summary>Sends SETTINGS, waits for the first request of each connection, answers it, then waits for the end.</summary>
    private async Task AnswerFirstStreamAsync(byte[] frames)
    {
        while (true)
        {
            using var socket = await Listener.AcceptAsync(Stopped);
            using var stream = new NetworkStream(socket);
            var buffer = new byte[4096];
            var settings = Http2Frame.WriteSettings(buffer, (Http2Frame.SettingInitialWindowSize, 1_000_000));
            await stream.WriteAsync(buffer.AsMemory(0, settings), Stopped);
            await stream.ReadExactlyAsync(buffer.AsMemory(0, Http2Frame.Preface.Length), Stopped);
            Http2Frame frame;
            do
            {
                await stream.ReadExactlyAsync(buffer.AsMemory(0, Http2Frame.HeadOctets), Stopped);
                frame = Http2Frame.Read(buffer);
                await stream.ReadExactlyAsync(buffer.AsMemory(0, frame.PayloadOctets), Stopped);
            }
            while (frame.Type != Http2FrameType.Headers);
            await stream.WriteAsync(frames, Stopped);
            try
            {
                while (await stream.ReadAsync(buffer, Stopped) > 0)
                {
                }
            }
            catch (IOException)
            {
                // A generator that found a fault closes with octets unread.
            }
        }
    }
}
