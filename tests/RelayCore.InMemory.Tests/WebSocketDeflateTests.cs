using System.IO.Compression;
using System.Text;
using RelayCore.Core.Interception;
using RelayCore.Core.Limits;
using RelayCore.Protocols;
using RelayCore.Protocols.WebSockets;
using RelayCore.Testing;
using Xunit;
using static RelayCore.InMemory.Tests.WebSocketPair;

namespace RelayCore.InMemory.Tests;

/// <summary>permessage-deflate (RFC 7692): what is compressed stays as it came until somebody changes something.</summary>
public sealed class WebSocketDeflateTests
{
    private const string Agreed = "permessage-deflate";

    [Theory]
    [InlineData(false, 1)]
    [InlineData(false, int.MaxValue)]
    [InlineData(true, int.MaxValue)]
    public async Task Messages_WithContextTakeover_LeaveOctetForOctetAndAreRecordedDecoded(bool shows, int segment)
    {
        await using var pair = await StartAsync(shows ? new Actor(Stage.Message) : null, Agreed);
        pair.Client.Wire.MaxSegment = segment;
        using var deflater = new Deflater();
        var first = deflater.Deflate("a message that is said twice");
        var second = deflater.Deflate("a message that is said twice");
        Assert.True(second.Length < first.Length / 2, "the second does not refer to the first");
        await pair.PassAsync(PeerRole.Client,
        [
            .. Frame(PeerRole.Client, WebSocketOpcode.Text, first, isCompressed: true),
            .. Text(PeerRole.Client, "plain"), // §6: need not be compressed
            .. Frame(PeerRole.Client, WebSocketOpcode.Text, second[..3], isFinal: false, isCompressed: true),
            .. Frame(PeerRole.Client, WebSocketOpcode.Continuation, second[3..]),
            .. Frame(PeerRole.Client, WebSocketOpcode.Text, [0], isCompressed: true),
            .. Frame(PeerRole.Client, WebSocketOpcode.Text, [], isCompressed: true),
        ]);
        await pair.CloseAsync();
        Assert.Equal(
            [
                ">Text:a message that is said twice compressed", ">Text:plain", ">Text:a message that is said twice compressed",
                ">Text: compressed", ">Text: compressed",
            ],
            Lines((await pair.EndedAsync()).Socket).Take(5));
    }

    [Theory]
    [InlineData("not DEFLATE", "07", false, "RC-WS-111", 1007)]
    [InlineData("text that is not UTF-8", "", true, "RC-WS-108", 1007)]
    public async Task Message_Damaged_EndsBoth(string what, string hex, bool isInvalidText, string code, int close)
    {
        foreach (var shows in new[] { false, true })
        {
            await using var pair = await StartAsync(shows ? new Actor(Stage.Message) : null, Agreed);
            using var deflater = new Deflater();
            var payload = isInvalidText ? deflater.Deflate([0xC3, 0x28]) : Convert.FromHexString(hex);
            await pair.Server.SendAsync(Frame(PeerRole.Server, WebSocketOpcode.Text, payload, isCompressed: true));
            var (first, _, closing) = await ReadFrameAsync(pair.Client);
            Assert.True((first, (closing[0] << 8) | closing[1]) == (0x88, close), what);
            pair.Client.Close();
            pair.Server.Close();
            Assert.Equal(code, (await pair.EndedAsync()).Socket.Error!.Code);
        }
    }

    [Theory]
    [InlineData(15)]
    [InlineData(10)]
    [InlineData(8)]
    public async Task Message_Changed_LaterOnesAreCompressedAnewUntilTheWindowsAgree(int bits)
    {
        await using var pair = await StartAsync(Changer(), bits == 15 ? Agreed : $"{Agreed}; server_max_window_bits={bits}");
        using var deflater = new Deflater(bits);
        var inflater = new MessageInflater();
        var window = 1 << bits;
        var text = string.Concat(Enumerable.Range(0, 5000).Select(x => $"{x * 7919 % 1000} "));
        async Task<(bool IsSame, string Text)> PassTextAsync(string text)
        {
            var frame = Frame(PeerRole.Server, WebSocketOpcode.Text, deflater.Deflate(text), isCompressed: true);
            await pair.Server.SendAsync(frame);
            var (first, _, payload) = await ReadFrameAsync(pair.Client);
            Assert.Equal(0xC1, first);
            var received = Frame(PeerRole.Server, WebSocketOpcode.Text, payload, isCompressed: true).AsSpan().SequenceEqual(frame);
            return (received, Encoding.UTF8.GetString(Inflate(inflater, payload, window)));
        }

        Assert.Equal((true, "to begin with"), await PassTextAsync("to begin with"));
        Assert.Equal((false, "changed"), await PassTextAsync("change me"));

        // Refers to the text the receiver never saw.
        Assert.Equal((false, "leave me, change me not"), await PassTextAsync("leave me, change me not"));
        var sent = 23;
        while (sent < window)
        {
            var part = text.Substring(sent % 3000, Math.Min(window, 4000));
            Assert.Equal((false, part), await PassTextAsync(part));
            sent += part.Length;
        }

        Assert.Equal((true, "the windows agree again: change me not"), await PassTextAsync("the windows agree again: change me not"));
        await pair.CloseAsync();
    }

    [Fact]
    public async Task Message_Dropped_LaterOnesStayReadable()
    {
        await using var pair = await StartAsync(Changer(), Agreed);
        using var deflater = new Deflater();
        var inflater = new MessageInflater();
        await pair.Client.SendAsync((byte[])[
            .. Frame(PeerRole.Client, WebSocketOpcode.Text, deflater.Deflate("drop me: a secret said once"), isCompressed: true),
            .. Frame(PeerRole.Client, WebSocketOpcode.Text, deflater.Deflate("a secret said once"), isCompressed: true)]);
        var (first, isMasked, payload) = await ReadFrameAsync(pair.Server);
        Assert.Equal((0xC1, true, "a secret said once"), (first, isMasked, Encoding.UTF8.GetString(Inflate(inflater, payload, 1 << 15))));
        await pair.CloseAsync();
    }

    [Fact]
    public async Task Message_ChangedWithoutContextTakeover_LaterOnesLeaveOctetForOctet()
    {
        await using var pair = await StartAsync(Changer(), Agreed + "; client_no_context_takeover");
        var first = Fresh("change me");
        await pair.Client.SendAsync(Frame(PeerRole.Client, WebSocketOpcode.Text, first, isCompressed: true));
        Assert.Equal(0xC1, (await ReadFrameAsync(pair.Server)).First);
        await pair.PassAsync(PeerRole.Client, Frame(PeerRole.Client, WebSocketOpcode.Text, Fresh("change me not"), isCompressed: true));
        await pair.PassAsync(PeerRole.Client, Frame(PeerRole.Client, WebSocketOpcode.Text, Fresh("change me not"), isCompressed: true));
        await pair.CloseAsync();
    }

    [Fact]
    public async Task Injected_AmongCompressed_IsPlainAndDisturbsNothing()
    {
        await using var pair = await StartAsync(extensions: Agreed);
        using var deflater = new Deflater();
        await pair.PassAsync(PeerRole.Server, Frame(PeerRole.Server, WebSocketOpcode.Text, deflater.Deflate("said twice"), isCompressed: true));
        Assert.True(pair.Session.TryInject(PeerRole.Server, new(MessageType.Text, "injected"u8.ToArray())));
        await AssertReceivesAsync(pair.Client, Text(PeerRole.Server, "injected"));
        await pair.PassAsync(PeerRole.Server, Frame(PeerRole.Server, WebSocketOpcode.Text, deflater.Deflate("said twice"), isCompressed: true));
        await pair.CloseAsync();
    }

    [Theory]
    [InlineData(null)]
    [InlineData("permessage-deflate; server_max_window_bits=9")]
    [InlineData("permessage-deflate; server_no_context_takeover")]
    public async Task SidesAgreedDifferently_ByAnActor_EachGetsWhatItCanRead(string? toClient)
    {
        await using var proxy = await TestProxy.StartAsync(x => x with
        {
            Interceptors =
            [
                new Actor(Stage.ResponseHead)
                {
                    Response = exchange =>
                    {
                        exchange.Response.Fields.Remove("Sec-WebSocket-Extensions");
                        if (toClient is not null)
                        {
                            exchange.Response.Fields.Add("Sec-WebSocket-Extensions", toClient);
                        }
                    },
                },
            ],
            Limits = EngineLimits.Default with { MaxWebSocketMessage = 100_000 },
        });
        var origin = proxy.Origin();
        var client = proxy.Connect();
        await client.SendAsync(Get + $"Sec-WebSocket-Extensions: {Agreed}; client_max_window_bits\r\n\r\n");
        var server = await origin.AcceptAsync();
        await server.ReadHeadAsync();
        await server.SendAsync(Switching + $"Sec-WebSocket-Extensions: {Agreed}\r\n\r\n");
        Assert.Equal(toClient, TestPeer.Field(await client.ReadHeadAsync(), "Sec-WebSocket-Extensions"));
        using var deflater = new Deflater();
        var text = string.Concat(Enumerable.Range(0, 3000).Select(x => $"{x * 7919 % 1000} "));
        for (var i = 0; i < 3; i++)
        {
            await server.SendAsync(Frame(PeerRole.Server, WebSocketOpcode.Text, deflater.Deflate(text), isCompressed: true));
            var (first, _, payload) = await ReadFrameAsync(client);
            Assert.Equal(toClient is null ? 0x81 : 0xC1, first);
            Assert.Equal(text, Encoding.UTF8.GetString(toClient is null ? payload : Inflate(new(), payload, toClient.Contains("=9", StringComparison.Ordinal) ? 512 : 1 << 15)));
        }

        // Larger than may be held: it goes on decoded, in fragments.
        var large = string.Concat(Enumerable.Repeat(text, 20));
        await server.SendAsync(Frame(PeerRole.Server, WebSocketOpcode.Text, deflater.Deflate(large), isCompressed: true));
        var received = new List<byte>();
        byte head;
        do
        {
            (head, _, var payload) = await ReadFrameAsync(client);
            Assert.Equal(received.Count == 0 ? 1 : 0, head & 0x7F);
            received.AddRange(payload);
        }
        while ((head & 0x80) == 0);
        Assert.Equal(large, Encoding.UTF8.GetString([.. received]));

        // The other way nothing is compressed that the server could not read.
        await client.SendAsync(Text(PeerRole.Client, "plain"));
        await AssertReceivesAsync(server, Text(PeerRole.Client, "plain"));
    }

    [Fact]
    public async Task Message_InflatingWithoutEnd_GoesThroughAndIsNotDecodedAnyMore()
    {
        await using var pair = await StartAsync(
            new Actor(Stage.Message), Agreed, x => x with { Limits = EngineLimits.Default with { MaxWebSocketMessage = 4096, MaxMessageCapture = 100 } });
        using var deflater = new Deflater();
        await pair.PassAsync(PeerRole.Server, Frame(PeerRole.Server, WebSocketOpcode.Binary, deflater.Deflate(new byte[1 << 20]), isCompressed: true));
        await pair.PassAsync(PeerRole.Server, Frame(PeerRole.Server, WebSocketOpcode.Text, deflater.Deflate("behind it"), isCompressed: true));
        await pair.PassAsync(PeerRole.Server, Text(PeerRole.Server, "plain"));
        await pair.CloseAsync();
        var socket = (await pair.EndedAsync()).Socket;
        Assert.True(socket.Messages[0].Content.Truncated && socket.Messages[1].Content.Truncated);
        Assert.Equal("<Text:plain", Lines(socket).ElementAt(2));
    }

    private static Actor Changer() => new(Stage.Message)
    {
        Message = static (_, message) =>
        {
            var text = Encoding.UTF8.GetString(message.Content.Span);
            if (text == "change me")
            {
                message.Replace("changed"u8.ToArray());
            }
            else if (text.StartsWith("drop me", StringComparison.Ordinal))
            {
                message.Drop();
            }

            return default;
        },
    };

    private static byte[] Fresh(string text)
    {
        using var deflater = new Deflater();
        return deflater.Deflate(text);
    }

    /// <summary>Decodes as a receiver does that holds no more than the agreed window: distances beyond it would be damaged.</summary>
    private static byte[] Inflate(MessageInflater inflater, byte[] payload, int window)
    {
        var decoded = new List<byte>();
        var chunk = new byte[4096];
        ReadOnlySpan<byte> rest = (byte[])[.. payload, .. PerMessageDeflate.Tail];
        InflateStatus status;
        do
        {
            status = inflater.Inflate(rest, chunk, out var consumed, out var written);
            decoded.AddRange(chunk.AsSpan(0, written));
            rest = rest[consumed..];
        }
        while (status == InflateStatus.NeedOutput);
        Assert.True(status == InflateStatus.NeedInput && inflater.IsAtBoundary, "damaged");
        Assert.True(inflater.LongestDistance <= window, $"a distance of {inflater.LongestDistance} in a window of {window}");
        return [.. decoded];
    }

    /// <summary>A peer that keeps its context. The library's window cannot be limited, so with a smaller one it begins anew before it is full.</summary>
    private sealed class Deflater(int bits = 15) : IDisposable
    {
        private readonly MemoryStream _wire = new();
        private DeflateStream? _stream;
        private int _held;

        public byte[] Deflate(string text) => Deflate(Encoding.UTF8.GetBytes(text));

        public byte[] Deflate(byte[] content)
        {
            _wire.SetLength(0);
            for (var at = 0; at < content.Length;)
            {
                if (_stream is null || (bits < 15 && _held >= 1 << bits))
                {
                    _stream = new(_wire, CompressionLevel.Optimal);
                    _held = 0;
                }

                var count = bits < 15 ? Math.Min(content.Length - at, (1 << bits) - _held) : content.Length;
                _stream.Write(content, at, count);
                _stream.Flush();
                (at, _held) = (at + count, _held + count);
            }

            return _wire.ToArray()[..^4];
        }

        public void Dispose() => _wire.Dispose();
    }
}
