using System.IO.Compression;
using System.Text;
using CsCheck;
using RelayCore.Core.Flows;
using RelayCore.Core.Interception;
using RelayCore.Core.Limits;
using Xunit;

namespace RelayCore.Engine.Tests.Messages;

public sealed class BodyMessagesTests
{
    private const string Events = "\u00EF\u00BB\u00BF:hi\nid: 1\nevent: e\ndata: a\r\n\r\n:ping\n\ndata: b\ndata: c\r\rretry: 7\n\ndata: d\n\n";
    private const string Lines = "{\"a\":1}\n\n[2]\r\n  \nlast";

    private static readonly byte[] s_grpc = [.. Frame(0, "one"u8), .. Frame(0, []), .. Frame(1, Gzip("two"u8)), .. Frame(0, "three"u8)];
    private static readonly byte[] s_grpcWeb = [.. Frame(0, "one"u8), .. Frame(0, "second"u8), .. Frame(0x80, "grpc-status:7\r\ngrpc-message:no%21\r\n"u8)];

    public static TheoryData<string, string> Bodies => new()
    {
        { "text/event-stream", "events" },
        { "Text/Event-Stream;charset=utf-8", "events" },
        { "application/x-ndjson", "lines" },
        { "application/stream+json", "lines" },
        { "application/grpc", "grpc" },
        { "application/grpc+proto", "grpc" },
        { "application/grpc-web", "grpc-web" },
        { "application/grpc-web-text", "one segment" },
        { "application/grpc-web-text+proto", "a segment for each" },
    };

    [Theory]
    [MemberData(nameof(Bodies))]
    public async Task Observe_EveryPairOfSplitPoints_RecordsTheSameMessages(string type, string name)
    {
        var (body, expected) = Body(name);
        for (var first = 0; first <= body.Length; first++)
        {
            for (var second = first; second <= body.Length; second += 3)
            {
                using var bench = new BodyBench(type, fields: ("grpc-encoding", "gzip"));
                await bench.RunAsync(BodyBench.Cut(body, first, second));
                Assert.Equal(expected, Shown(await bench.EndAsync()));
            }
        }
    }

    [Theory]
    [MemberData(nameof(Bodies))]
    public async Task Transform_NothingChanged_LeavesAsReceivedAtEverySplitPoint(string type, string name)
    {
        var (body, expected) = Body(name);
        for (var first = 0; first <= body.Length; first++)
        {
            using var bench = new BodyBench(type, static (_, _) => { }, fields: ("grpc-encoding", "gzip"));
            await bench.RunAsync(BodyBench.Cut(body, first));
            if (name == "one segment")
            {
                // Messages that share a quantum leave in segments of their own.
                Assert.Equal(s_grpcWeb, Decoded(bench.Output));
            }
            else
            {
                Assert.Equal(Encoding.Latin1.GetString(body), bench.Output);
                Assert.Null(bench.Unsent);
            }

            Assert.Equal(expected, Shown(await bench.EndAsync()));
        }
    }

    [Theory]
    [InlineData("text/event-stream", "events", "\u00EF\u00BB\u00BF:hi\nid: 1\nevent: e\ndata: <a>\n\n:ping\n\nretry: 7\n\ndata: <d>\n\n")]
    [InlineData("application/x-ndjson", "lines", "<{\"a\":1}>\n\n<[2]>\r\n  \n<last>")]
    public async Task Transform_ChangedAndDropped_EverySplitPoint(string type, string name, string expected)
    {
        var (body, _) = Body(name);
        for (var first = 0; first <= body.Length; first++)
        {
            for (var second = first; second <= body.Length; second += 2)
            {
                using var bench = new BodyBench(type, BracketButDropC);
                await bench.RunAsync(BodyBench.Cut(body, first, second));

                // The LF of a CRLF that came later than the event it ends stays: one more empty line.
                Assert.Equal(expected, bench.Output.Replace("\n\n\n", "\n\n", StringComparison.Ordinal));
                Assert.InRange(bench.Unsent!.Value, 1, body.Length);
            }
        }
    }

    [Theory]
    [InlineData("application/grpc-web", "grpc-web")]
    [InlineData("application/grpc-web-text", "one segment")]
    [InlineData("application/grpc-web-text", "a segment for each")]
    public async Task Transform_GrpcWebChanged_EverySplitPoint(string type, string name)
    {
        var (body, _) = Body(name);
        byte[] expected = [.. Frame(0, "<one>"u8), .. Frame(0, "<second>"u8), .. Frame(0x80, "grpc-status:7\r\ngrpc-message:no%21\r\n"u8)];
        for (var first = 0; first <= body.Length; first++)
        {
            using var bench = new BodyBench(type, Bracket);
            await bench.RunAsync(BodyBench.Cut(body, first));
            Assert.Equal(expected, name == "grpc-web" ? bench.OutputOctets : Decoded(bench.Output));
            Assert.Equal(new FlowGrpc(7, "PERMISSION_DENIED", "no!"), (await bench.EndAsync()).Grpc);
        }
    }

    [Fact]
    public async Task Transform_CompressedGrpcMessage_IsShownInflatedAndCompressedAgain()
    {
        using var bench = new BodyBench("application/grpc", Bracket, fields: ("grpc-encoding", "gzip"));
        await bench.RunAsync(BodyBench.Cut(s_grpc));
        var output = bench.OutputOctets;
        Assert.Equal([.. Frame(0, "<one>"u8), .. Frame(0, "<>"u8)], output.Take(17));
        Assert.Equal(1, output[17]);
        using var inflated = new GZipStream(new MemoryStream(output, 22, output[21]), CompressionMode.Decompress);
        Assert.Equal("<two>", new StreamReader(inflated).ReadToEnd());
        Assert.Equal(Frame(0, "<three>"u8), output[(22 + output[21])..]);
        Assert.Equal([false, false, true, false], (await bench.EndAsync()).Messages!.Select(x => x.Compressed));
    }

    [Fact]
    public async Task Transform_CompressionUnknown_MessagePassesAndTheFlowSaysSo()
    {
        using var bench = new BodyBench("application/grpc", Bracket, fields: ("grpc-encoding", "exotic"));
        byte[] body = [.. Frame(1, "xyz"u8), .. Frame(0, "a"u8)];
        await bench.RunAsync(BodyBench.Cut(body, 3));
        Assert.Equal([.. Frame(1, "xyz"u8), .. Frame(0, "<a>"u8)], bench.OutputOctets);
        Assert.Equal(["xyz", "<a>"], (await bench.EndAsync()).Messages!.Select(x => x.Content.Content));
        Assert.Contains("body_actor_skipped", bench.Marks());
    }

    [Fact]
    public void Transform_AnyBodyInAnyPiecesUnchanged_IsTheBody() =>
        Gen.Select(
            Gen.OneOf("text/event-stream", "application/jsonl", "application/grpc", "application/grpc-web", "application/grpc-web-text"),
            Gen.OneOf(Gen.OneOf("data: a", "\n", "\r", "\n\n", ":", "id: 1\n", "{}", "AAAAAAE=", "AAAA", "QQ==", "gAAAAAA=", "!").Select(Encoding.Latin1.GetBytes), Gen.Byte.Array[0, 12],
                Gen.Byte.Array[0, 9].Select(x => Frame(0, x)), Gen.Byte.Array[0, 9].Select(x => Encoding.ASCII.GetBytes(Convert.ToBase64String(Frame(0, x))))).List[0, 12],
            Gen.Int[0, int.MaxValue],
            Gen.OneOf(12, 16 * 1024)).SampleAsync(async (type, parts, seed, limit) =>
            {
                var body = parts.SelectMany(x => x).ToArray();
                using var bench = new BodyBench(type, static (_, _) => { }, EngineLimits.Default with { MaxBufferedMessage = limit });
                await bench.RunAsync(BodyBench.Cut(body, new Random(seed)));
                if (bench.Unsent is null)
                {
                    Assert.Equal(Encoding.Latin1.GetString(body), bench.Output);
                }
                else
                {
                    Assert.Equal("application/grpc-web-text", type);
                    Assert.Equal(Prefix(body), Prefix(bench.OutputOctets)[..Prefix(body).Length]);
                }
            }, iter: 3000);

    [Fact]
    public void Observe_AnyBodyInAnyPieces_RecordsWhatTransformRecords() =>
        Gen.Select(
            Gen.OneOf("text/event-stream", "application/jsonl", "application/grpc-web", "application/grpc-web-text"),
            Gen.OneOf(Gen.OneOf("data: a", "\n", "\r", "\n\n", "id: 1\n", "{}", "AAAAAAE=", "QQ==").Select(Encoding.Latin1.GetBytes),
                Gen.Byte.Array[0, 9].Select(x => Frame(0, x)), Gen.Byte.Array[0, 9].Select(x => Encoding.ASCII.GetBytes(Convert.ToBase64String(Frame(0, x))))).List[0, 12],
            Gen.Int[0, int.MaxValue]).SampleAsync(async (type, parts, seed) =>
            {
                var body = parts.SelectMany(x => x).ToArray();
                using var watched = new BodyBench(type);
                using var edited = new BodyBench(type, static (_, _) => { });
                await watched.RunAsync(BodyBench.Cut(body, new Random(seed)));
                await edited.RunAsync(BodyBench.Cut(body, new Random(~seed)));
                Assert.Equal(Shown(await watched.EndAsync()), Shown(await edited.EndAsync()));
                Assert.Equal(watched.Tags, edited.Tags);
            }, iter: 3000);

    [Fact]
    public async Task Transform_MessageAboveTheLimit_PassesUnseenWithoutBeingHeld()
    {
        var seen = new List<string>();
        using var bench = new BodyBench(
            "text/event-stream", (_, message) => seen.Add(Encoding.UTF8.GetString(message.Content.Span)), EngineLimits.Default with { MaxBufferedMessage = 20 });
        await bench.FeedAsync("data: a\n\ndata: 12345678");
        Assert.Equal("data: a\n\n", bench.Output);
        await bench.FeedAsync("9012345");
        Assert.Equal("data: a\n\ndata: 123456789012345", bench.Output);
        Assert.False(bench.Body.CanInject);
        await bench.FeedAsync("6");
        Assert.EndsWith("6", bench.Output, StringComparison.Ordinal);
        await bench.FeedAsync("\n\ndata: b\n\n");
        Assert.EndsWith("6\n\ndata: b\n\n", bench.Output, StringComparison.Ordinal);
        Assert.Equal(["a", "b"], seen);
        Assert.Equal(["a", "1234567890123456", "b"], (await bench.EndAsync()).Messages!.Select(x => x.Content.Content));
        Assert.Contains("body_actor_skipped", bench.Marks());
    }

    [Fact]
    public async Task Transform_GrpcMessageAnnouncedAboveTheLimit_PassesFromItsPrefixOn()
    {
        using var bench = new BodyBench("application/grpc", static (_, message) => message.Drop(), EngineLimits.Default with { MaxBufferedMessage = 100 });
        await bench.FeedAsync("\0\0\0\x01\0abc");
        Assert.Equal("\0\0\0\x01\0abc", bench.Output);
        await bench.RunAsync([new byte[253], Frame(0, "x"u8)]);
        Assert.Equal(261, bench.OutputOctets.Length);
        Assert.Equal([256L, 1L], (await bench.EndAsync()).Messages!.Select(x => x.Content.Size));
    }

    [Fact]
    public async Task Observe_LargeMessage_IsRecordedInPartWithItsWholeSize()
    {
        using var bench = new BodyBench("application/x-ndjson", limits: EngineLimits.Default with { MaxMessageCapture = 1000 });
        var body = Encoding.ASCII.GetBytes(new string('x', 20_000) + "\nsmall\n");
        await bench.RunAsync(BodyBench.Cut(body, new Random(1)));
        var messages = (await bench.EndAsync()).Messages!;
        Assert.Equal([(1000L, true), (5L, false)], messages.Select(x => (x.Content.Captured, x.Content.Truncated)));
        Assert.Equal((20_001L, 6L), (messages[0].WireSize, messages[1].WireSize));
        Assert.InRange(messages[0].Content.Size, 20_000, 20_001);
    }

    [Fact]
    public async Task Transform_UnknownFlags_WhatFollowsPassesUnseen()
    {
        byte[] body = [.. Frame(0, "a"u8), 0x42, 1, 2, 3, .. Frame(0, "b"u8)];
        for (var first = 0; first <= body.Length; first++)
        {
            using var bench = new BodyBench("application/grpc", Bracket);
            await bench.RunAsync(BodyBench.Cut(body, first));
            Assert.Equal([.. Frame(0, "<a>"u8), .. body[6..]], bench.OutputOctets);
            Assert.Equal(["grpc-unreadable"], bench.Tags);
            Assert.False(bench.Body.Injected.TryAdd(new(MessageType.GrpcMessage, default)));
        }
    }

    [Fact]
    public async Task Transform_CutOffWithinAMessage_OctetsLeaveAndTheMessageIsIncomplete()
    {
        using var bench = new BodyBench("application/grpc", Bracket);
        await bench.RunAsync(BodyBench.Cut([.. Frame(0, "a"u8), 0, 0, 0, 0, 9, (byte)'b']));
        Assert.EndsWith("\tb", bench.Output, StringComparison.Ordinal);
        Assert.Equal([("<a>", false), ("b", true)], (await bench.EndAsync()).Messages!.Select(x => (x.Content.Content, x.Incomplete)));
    }

    [Fact]
    public async Task Inject_BeforeTheFirstOctet_TheByteOrderMarkGoes()
    {
        using var bench = new BodyBench("text/event-stream", static (_, _) => { });
        Assert.True(bench.Body.Injected.TryAdd(new(MessageType.Event, "x"u8.ToArray())));
        await bench.InjectAsync();
        await bench.RunAsync(BodyBench.Cut(Encoding.Latin1.GetBytes(Events), 2));
        Assert.Equal("data: x\n\n" + Events[3..], bench.Output);
    }

    [Fact]
    public async Task Inject_WhileAMessageIsHeld_GoesBeforeIt()
    {
        using var bench = new BodyBench("text/event-stream", static (_, _) => { });
        await bench.FeedAsync("data: a\nda");
        Assert.True(bench.Body.Injected.TryAdd(new(MessageType.Event, "x"u8.ToArray())));
        await bench.InjectAsync();
        await bench.FeedAsync("ta: b\n\n");
        Assert.Equal("data: x\n\ndata: a\ndata: b\n\n", bench.Output);
        Assert.Equal(10, bench.Unsent);
    }

    [Theory]
    [InlineData("application/grpc")]
    [InlineData("application/grpc-web-text")]
    public async Task Inject_Grpc_HasAPrefixAndIsNotCompressed(string type)
    {
        using var bench = new BodyBench(type, fields: ("grpc-encoding", "gzip"));
        Assert.True(bench.Body.Injected.TryAdd(new(MessageType.GrpcMessage, "hi"u8.ToArray())));
        await bench.InjectAsync();
        Assert.Equal(Frame(0, "hi"u8), type.EndsWith("text", StringComparison.Ordinal) ? Convert.FromBase64String(bench.Output) : bench.OutputOctets);
    }

    [Theory]
    [InlineData("AAAAAAA", false)] // 7 characters: a quantum is open
    [InlineData("AAAAAAE=", false)] // a whole quantum within a message
    [InlineData("AAAAAAEB", true)]
    [InlineData("gAAAAAA=", false)] // behind the trailers
    public async Task CanInject_TextForm_BetweenMessagesAndQuantaOnly(string text, bool expected)
    {
        using var bench = new BodyBench("application/grpc-web-text");
        await bench.FeedAsync(text);
        Assert.Equal(expected, bench.Body.CanInject);
    }

    [Fact]
    public async Task Inject_MoreThanTheQueueHolds_IsRefused()
    {
        using var bench = new BodyBench("text/event-stream");
        var queue = bench.Body.Injected;
        for (var i = 0; i < MessageQueueLimits.MaxMessages; i++)
        {
            Assert.True(queue.TryAdd(new(MessageType.Event, "x"u8.ToArray())));
        }

        Assert.False(queue.TryAdd(new(MessageType.Event, default)));
        Assert.True(queue.WhenFilledAsync().IsCompletedSuccessfully);
        await bench.InjectAsync();
        Assert.False(queue.WhenFilledAsync().IsCompleted);
        Assert.False(queue.TryAdd(new(MessageType.Event, new byte[MessageQueueLimits.MaxOctets + 1])));
        Assert.True(queue.TryAdd(new(MessageType.Event, new byte[MessageQueueLimits.MaxOctets])));
        Assert.False(queue.TryAdd(new(MessageType.Event, "x"u8.ToArray())));
        queue.Close();
        Assert.False(queue.TryAdd(new(MessageType.Event, default)));
        Assert.False(queue.HasWork);
    }

    [Fact]
    public async Task Observe_Bomb_IsGivenUp()
    {
        using var bench = new BodyBench("text/event-stream", fields: ("Content-Encoding", "gzip"));
        var bomb = Gzip(new byte[64 * 1024 * 1024], CompressionLevel.SmallestSize);
        await bench.RunAsync(BodyBench.Cut(bomb, bomb.Length / 2));
        Assert.Equal(["messages-unreadable"], bench.Tags);
    }

    [Fact]
    public void Open_OtherTypes_HaveNoMessages()
    {
        foreach (var type in (string[])["text/html", "application/json", "application/grpcx", "application/grpc-webx", "text/event-streams", "application/x-ndjson2", "", "a/b"])
        {
            Assert.Throws<InvalidOperationException>(() => new BodyBench(type));
        }
    }

    private static (byte[] Body, string[] Expected) Body(string name) => name switch
    {
        "events" => (Encoding.Latin1.GetBytes(Events), ["a id=1 event=e retry=", "b\nc id= event= retry=", "d id= event= retry="]),
        "lines" => (Encoding.Latin1.GetBytes(Lines), ["{\"a\":1}", "[2]", "last"]),
        "grpc" => (s_grpc, ["one", "", "two", "three"]),
        "grpc-web" => (s_grpcWeb, ["one", "second"]),
        "one segment" => (Encoding.ASCII.GetBytes(Convert.ToBase64String(s_grpcWeb)), ["one", "second"]),
        _ => ([.. Text(s_grpcWeb[..8]), .. Text(s_grpcWeb[8..19]), .. Text(s_grpcWeb[19..])], ["one", "second"]),
    };

    private static byte[] Text(byte[] octets) => Encoding.ASCII.GetBytes(Convert.ToBase64String(octets));

    private static string[] Shown(HttpLayer layer) =>
        [.. (layer.Messages ?? []).Select(x => x.Content.Content + (x.Opcode == "Event" ? $" id={x.Event?.Id} event={x.Event?.Event} retry={x.Event?.Retry}" : "") + (x.Incomplete ? " cut off" : ""))];

    private static void Bracket(MessageContext context, Message message) => message.Replace((byte[])[(byte)'<', .. message.Content.Span, (byte)'>']);

    private static void BracketButDropC(MessageContext context, Message message)
    {
        if (message.Content.Span.EndsWith("c"u8))
        {
            message.Drop();
        }
        else
        {
            Bracket(context, message);
        }
    }

    private static byte[] Decoded(string text) => Prefix(Encoding.ASCII.GetBytes(text));

    // Quantum by quantum, as far as it is base64.
    private static byte[] Prefix(byte[] text)
    {
        var octets = new List<byte>();
        for (var i = 0; i + 4 <= text.Length; i += 4)
        {
            try
            {
                octets.AddRange(Convert.FromBase64String(Encoding.Latin1.GetString(text, i, 4)));
            }
            catch (FormatException)
            {
                break;
            }
        }

        return [.. octets];
    }

    private static byte[] Frame(byte flags, ReadOnlySpan<byte> content) => [flags, 0, 0, (byte)(content.Length >> 8), (byte)content.Length, .. content];

    private static byte[] Gzip(ReadOnlySpan<byte> content, CompressionLevel level = CompressionLevel.Fastest)
    {
        using var output = new MemoryStream();
        using (var gzip = new GZipStream(output, level))
        {
            gzip.Write(content);
        }

        return output.ToArray();
    }
}
