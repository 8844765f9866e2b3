using System.Text;
using CsCheck;
using RelayCore.Core.Flows;
using RelayCore.Core.Interception;
using RelayCore.Core.Limits;
using RelayCore.Engine.Capture;
using RelayCore.Protocols;
using RelayCore.Protocols.Http1;
using Xunit;
using static RelayCore.Engine.Tests.Capture.CaptureDriver;

namespace RelayCore.Engine.Tests.Capture;

public sealed class MessageHistoryTests
{
    private const MessageMarks Final = MessageMarks.Final;

    [Fact]
    public void Message_SocketWithAFew_IsShownWhileItRunsAndAfterwards()
    {
        using var store = Store();
        var (recorder, id, start) = Open(store, FlowKind.WebSocket);
        recorder.Message(PeerRole.Client, MessageType.Text, Final, "hello"u8, 11, start + Microseconds(10));
        recorder.Message(PeerRole.Server, MessageType.Binary, Final | MessageMarks.Compressed, [0xFF, 0x00], 6, start + Microseconds(20));
        recorder.Message(PeerRole.Client, MessageType.Ping, Final, "p"u8, 7, start + Microseconds(30));
        recorder.Message(PeerRole.Server, MessageType.Close, Final, [], 8, start + Microseconds(40), new() { CloseCode = 1001, CloseReason = "bye"u8 });
        recorder.Closed(PeerRole.Server, 1001, "bye");
        Check(running: true);
        recorder.End(CloseReason.UpstreamClosed, null, null, start + Microseconds(50));
        Check(running: false);

        void Check(bool running)
        {
            var socket = Socket(store, id);
            Assert.Equal((4, null, null, !running), (socket.MessageCount, socket.MessagesDropped, socket.MessagesOmitted, socket.Closed));
            Assert.Equal(("server", 1001, "bye", 18L, 14L), (socket.ClosedBy, socket.CloseCode, socket.CloseReason, socket.BytesUp, socket.BytesDown));
            Assert.Equal(["Text", "Binary", "Ping", "Close"], socket.Messages.Select(x => x.Opcode));
            Assert.Equal([$"{id}:1", $"{id}:2", $"{id}:3", $"{id}:4"], socket.Messages.Select(x => x.Id));
            Assert.Equal(["ClientToServer", "ServerToClient", "ClientToServer", "ServerToClient"], socket.Messages.Select(x => x.Direction));
            Assert.Equal([11, 6, 7, 8], socket.Messages.Select(x => x.WireSize));
            var (text, binary, close) = (socket.Messages[0], socket.Messages[1], socket.Messages[3]);
            Assert.Equal(("utf-8", "hello", 5L, false), (text.Content.Encoding, text.Content.Content, text.Content.Size, text.Compressed));
            Assert.Equal(("base64", "/wA=", 2L, true), (binary.Content.Encoding, binary.Content.Content, binary.Content.Size, binary.Compressed));
            Assert.Equal(("none", "", 5L, 1001, "bye"), (close.Content.Encoding, close.Content.Content, close.Content.Size, close.CloseCode, close.CloseReason));
            Assert.All(socket.Messages, x => Assert.False(x.Injected || x.Dropped || x.Changed || x.Incomplete || x.Received is not null));
        }
    }

    [Fact]
    public void Message_Event_KeepsItsFields()
    {
        using var store = Store();
        var (recorder, id, start) = Open(store, FlowKind.Http);
        recorder.Message(PeerRole.Server, MessageType.Event, Final, "data"u8, 20, start, new() { EventId = "7"u8, EventName = "price"u8, RetryMilliseconds = 3000 });
        recorder.Message(PeerRole.Server, MessageType.Event, Final, "data"u8, 20, start, new() { EventId = ""u8 });
        recorder.Message(PeerRole.Server, MessageType.Event, Final, "data"u8, 20, start);
        recorder.End(CloseReason.Completed, null, null, start);
        var messages = Http(store, id).Messages!;
        Assert.Equal([new("7", "price", 3000), new("", null, null), null], messages.Select(x => x.Event));
        Assert.Equal(3, store.List(new()).Single().MessageCount);
    }

    [Fact]
    public void Message_Changed_KeepsBothViews()
    {
        using var store = Store();
        var (recorder, id, start) = Open(store, FlowKind.WebSocket);
        var message = new Message();
        message.Load(MessageProtocol.WebSocket, MessageType.Text, PeerRole.Client, "before"u8.ToArray(), isCompressed: true);
        message.Replace("after"u8.ToArray(), MessageType.Binary);
        recorder.Message(message, 12, start);
        message.Load(MessageProtocol.ServerSentEvents, MessageType.Event, PeerRole.Server, "d"u8.ToArray());
        message.LoadEvent("1", "a", null);
        message.EventName = "b";
        message.EventId = null;
        recorder.Message(message, 12, start);
        message.Load(MessageProtocol.WebSocket, MessageType.Close, PeerRole.Server, default);
        message.LoadClose(1000, "fine");
        message.CloseCode = 4000;
        recorder.Message(message, 12, start);
        message.Load(MessageProtocol.WebSocket, MessageType.Text, PeerRole.Server, "x"u8.ToArray(), isInjected: true);
        message.Drop();
        recorder.Message(message, 0, start);
        recorder.End(CloseReason.Completed, null, null, start);

        var shown = Socket(store, id).Messages;
        Assert.True(shown[0].Changed && shown[0].Compressed);
        Assert.Equal(("Binary", "after", "Text", "before"), (shown[0].Opcode, shown[0].Content.Content, shown[0].Received!.Opcode, shown[0].Received!.Content.Content));
        Assert.Equal((new FlowEventFields(null, "b", null), new("1", "a", null)), (shown[1].Event, shown[1].Received!.Event));
        Assert.Equal((4000, "fine", 1000, "fine"), (shown[2].CloseCode, shown[2].CloseReason, shown[2].Received!.CloseCode, shown[2].Received!.CloseReason));
        Assert.True(shown[3] is { Injected: true, Dropped: true, Changed: false, Received: null });
    }

    [Fact]
    public void Message_OverTheContentLimit_IsCutAndSaysSo()
    {
        using var store = new FlowStore(Limits with { MaxMessageCapture = 100 }, TimeProvider.System);
        var (recorder, id, start) = Open(store, FlowKind.WebSocket);
        recorder.Message(PeerRole.Client, MessageType.Text, Final, Encoding.UTF8.GetBytes(new string('é', 100)), 206, start); // the cut is within a character
        recorder.Message(PeerRole.Client, MessageType.Binary, Final, "part"u8, 5000, start, new() { ContentOctets = 4000 });
        recorder.Message(PeerRole.Client, MessageType.Text, MessageMarks.None, "unfini"u8, 8, start);
        recorder.End(CloseReason.Reset, null, null, start);
        using var captured = store.Find(id)!;
        var flow = captured.ToFlow(null);
        var messages = ((FlowLayer.WebSocket)flow.Layer).Data.Messages;
        Assert.Equal([(200, 100, true), (4000, 4, true), (6, 6, false)], messages.Select(x => (x.Content.Size, x.Content.Captured, x.Content.Truncated)));
        Assert.Equal(new string('é', 50), messages[0].Content.Content);
        Assert.Equal([false, false, true], messages.Select(x => x.Incomplete));
        Assert.Contains("message_truncated", flow.Marks);
        Assert.True(flow.Truncated);
    }

    [Fact]
    public void Message_MoreThanTheCount_KeepsTheNewest()
    {
        using var store = new FlowStore(Limits with { MaxMessages = 100 }, TimeProvider.System);
        var (recorder, id, start) = Open(store, FlowKind.WebSocket);
        for (var i = 1; i <= 5000; i++)
        {
            recorder.Message(PeerRole.Client, MessageType.Text, Final, Encoding.ASCII.GetBytes($"message {i}"), 20, start);
        }

        Assert.Equal(4900, Socket(store, id).MessagesDropped);
        recorder.End(CloseReason.Completed, null, null, start);
        using var captured = store.Find(id)!;
        var flow = captured.ToFlow(null);
        var socket = ((FlowLayer.WebSocket)flow.Layer).Data;
        Assert.Equal((5000, 4900, null), (socket.MessageCount, socket.MessagesDropped, socket.MessagesOmitted));
        Assert.Equal(Enumerable.Range(4901, 100).Select(x => $"message {x}"), socket.Messages.Select(x => x.Content.Content));
        Assert.Contains("messages_dropped", flow.Marks);
    }

    [Fact]
    public void Message_MoreThanTheMemory_KeepsTheNewest()
    {
        using var store = new FlowStore(Limits with { MaxMessageMemory = 256 * 1024 }, TimeProvider.System);
        var (recorder, id, start) = Open(store, FlowKind.WebSocket);
        var before = store.Statistics.MemoryUsed;
        for (var i = 0; i < 2000; i++)
        {
            recorder.Message(PeerRole.Client, MessageType.Binary, Final, FlowStoreTests.Pattern(1000, i), 1006, start);
            Assert.InRange(store.Statistics.MemoryUsed - before, 0, (256 + 32) * 1024); // with a block kept for reuse and the scratch
        }

        recorder.End(CloseReason.Completed, null, null, start);
        using var captured = store.Find(id)!;
        var messages = captured.Messages(0, 2000, int.MaxValue);
        Assert.InRange(messages.Count, 150, 256);
        Assert.Equal(Enumerable.Range(2001 - messages.Count, messages.Count).Select(x => (long)x), messages.Select(x => x.Number));
        Assert.All(messages, x => Assert.Equal(FlowStoreTests.Pattern(1000, (int)x.Number - 1), Convert.FromBase64String(x.Content.Content)));
    }

    [Fact]
    public void Messages_Pages_ShowEachOnce()
    {
        using var store = Store();
        var (recorder, id, start) = Open(store, FlowKind.WebSocket);
        for (var i = 1; i <= 3000; i++)
        {
            recorder.Message(PeerRole.Client, MessageType.Text, Final, Encoding.ASCII.GetBytes($"{i}"), 20, start);
        }

        using var captured = store.Find(id)!;
        var seen = new List<string>();
        for (var after = 0L; captured.Messages(after, 77) is { Count: > 0 } page; after = page[^1].Number)
        {
            seen.AddRange(page.Select(x => x.Content.Content));
        }

        Assert.Equal(Enumerable.Range(1, 3000).Select(x => $"{x}"), seen);
        Assert.Equal(["1", "2"], captured.Messages(0, 10, maxTotal: 2).Select(x => x.Content.Content));
        Assert.Empty(captured.Messages(3000, 10));
        var socket = ((FlowLayer.WebSocket)captured.ToFlow(null).Layer).Data;
        Assert.Equal((CapturedFlow.MaxMessages, 2000L, null), (socket.Messages.Count, socket.MessagesOmitted, socket.MessagesDropped));
        Assert.Equal("3000", socket.Messages[^1].Content.Content);
    }

    [Fact]
    public void Message_AnySequence_GivesBackTheNewestExactly() =>
        Gen.Select(Gen.Int[0, 40_000].Array[0, 60], Gen.Int[1, 40], Gen.Int[16, 60_000], Gen.Bool).Sample((lengths, maxMessages, maxContent, isChanged) =>
        {
            using var store = new FlowStore(
                Limits with { MaxMessages = maxMessages, MaxMessageCapture = maxContent, MaxMessageMemory = 512 * 1024 }, TimeProvider.System);
            var (recorder, id, start) = Open(store, FlowKind.WebSocket);
            for (var i = 0; i < lengths.Length; i++)
            {
                var marks = Final | (isChanged ? MessageMarks.Changed : 0);
                recorder.Message(
                    (PeerRole)(i & 1), MessageType.Binary, marks, FlowStoreTests.Pattern(lengths[i], i), lengths[i] + 2, start,
                    received: isChanged ? FlowStoreTests.Pattern(lengths[i] / 2, -i) : default);
            }

            using (var running = store.Find(id)!)
            {
                Check(running);
            }

            recorder.End(CloseReason.Completed, null, null, start);
            using var captured = store.Find(id)!;
            Check(captured);

            void Check(CapturedFlow flow)
            {
                var messages = flow.Messages(0, int.MaxValue, int.MaxValue, long.MaxValue);
                Assert.Equal(lengths.Length, flow.MessageCount);
                Assert.InRange(messages.Count, Math.Min(lengths.Length, 1), Math.Min(lengths.Length, maxMessages));
                Assert.Equal(Enumerable.Range(lengths.Length - messages.Count + 1, messages.Count).Select(x => (long)x), messages.Select(x => x.Number));
                foreach (var message in messages)
                {
                    var i = (int)message.Number - 1;
                    Assert.Equal(FlowStoreTests.Pattern(lengths[i], i).Take(maxContent), Octets(message.Content));
                    Assert.Equal((lengths[i], lengths[i] > maxContent), (message.Content.Size, message.Content.Truncated));
                    if (isChanged)
                    {
                        Assert.Equal(FlowStoreTests.Pattern(lengths[i] / 2, -i).Take(maxContent), Octets(message.Received!.Content));
                    }
                }
            }
        });

    [Fact]
    public void Find_WhileTheOldestGo_KeepsWhatItPinned()
    {
        using var store = new FlowStore(Limits with { MaxMessageMemory = 256 * 1024 }, TimeProvider.System);
        var (recorder, id, start) = Open(store, FlowKind.WebSocket);
        Say(0, 100);
        using (var captured = store.Find(id)!)
        {
            Say(100, 2000);
            var messages = captured.Messages(0, int.MaxValue, int.MaxValue);
            Assert.Equal(100, messages.Count);
            Assert.All(messages, x => Assert.Equal(FlowStoreTests.Pattern(1000, (int)x.Number - 1), Octets(x.Content)));
        }

        recorder.End(CloseReason.Completed, null, null, start);

        void Say(int from, int to)
        {
            for (var i = from; i < to; i++)
            {
                recorder.Message(PeerRole.Client, MessageType.Binary, Final, FlowStoreTests.Pattern(1000, i), 1006, start);
            }
        }
    }

    [Fact]
    public void Commit_ManySockets_AreEvictedWithTheirMessages()
    {
        const long Memory = 8 * 1024 * 1024;
        using var store = Store(Memory);
        var recorder = store.Rent();
        var client = Client();
        FlowId last = default;
        for (var i = 0; i < 500; i++)
        {
            last = NewId();
            recorder.Begin(FlowKind.WebSocket, last, default, client, 1);
            for (var j = 0; j < 100; j++)
            {
                recorder.Message(PeerRole.Server, MessageType.Binary, Final, Kilobyte, 1028, 1);
            }

            recorder.End(CloseReason.Completed, null, null, 1);
            Assert.InRange(store.Statistics.MemoryUsed, 0, Memory);
        }

        Assert.True(store.Statistics.Evicted > 400, $"{store.Statistics}");
        using var captured = store.Find(last)!;
        Assert.Equal(100, captured.Messages(0, 1000, 10).Count);
    }

    [Fact]
    public void Message_NoMemoryLeft_IsCountedAndTheNewestStay()
    {
        // One flow that never ends, in a store that has nothing else to let go.
        const long Memory = 300 * 1024;
        using var store = new FlowStore(Limits with { CaptureMemory = Memory }, TimeProvider.System);
        var (recorder, id, start) = Open(store, FlowKind.WebSocket);
        for (var i = 0; i < 2000; i++)
        {
            recorder.Message(PeerRole.Client, MessageType.Binary, Final, Kilobyte, 1030, start);
            Assert.InRange(store.Statistics.MemoryUsed, 0, Memory);
        }

        var socket = Socket(store, id);
        Assert.Equal(2000, socket.MessageCount);
        Assert.Equal(2000, socket.Messages[^1].Number);
        Assert.Equal(2000 - socket.Messages.Count, socket.MessagesDropped);
        Assert.InRange(socket.Messages.Count, 100, 300);
        recorder.Message(PeerRole.Client, MessageType.Binary, Final, new byte[400 * 1024], 1030, start); // more than there is in all
        Assert.Equal(2001, Socket(store, id).MessageCount);
        store.Return(recorder);
    }

    [Fact]
    public void Message_BothDirectionsAndAReader_LoseNothing()
    {
        const int Each = 20_000;
        using var store = new FlowStore(Limits with { MaxMessages = 2 * Each, CaptureMemory = 64 * 1024 * 1024 }, TimeProvider.System);
        var (recorder, id, start) = Open(store, FlowKind.WebSocket);
        var done = 0;
        var reader = new Thread(() =>
        {
            while (Volatile.Read(ref done) < 2)
            {
                using var flow = store.Find(id)!;
                var page = flow.Messages(Math.Max(0, flow.MessageCount - 500), 500);
                Assert.Equal(page.Select((_, i) => page[0].Number + i), page.Select(x => x.Number));
            }
        });
        Thread[] writers = [Writer(PeerRole.Client), Writer(PeerRole.Server)];
        reader.Start();
        Array.ForEach(writers, x => x.Start());
        Array.ForEach(writers, x => x.Join());
        reader.Join();
        recorder.End(CloseReason.Completed, null, null, start);
        using var captured = store.Find(id)!;
        var messages = captured.Messages(0, int.MaxValue);
        Assert.Equal(2 * Each, messages.Count);
        foreach (var side in messages.GroupBy(x => x.Direction))
        {
            Assert.Equal(Enumerable.Range(0, Each).Select(x => $"{x}"), side.Select(x => x.Content.Content));
        }

        Thread Writer(PeerRole sender) => new(() =>
        {
            for (var i = 0; i < Each; i++)
            {
                recorder.Message(sender, MessageType.Text, Final, Encoding.ASCII.GetBytes($"{i}"), 8, start);
            }

            Interlocked.Increment(ref done);
        });
    }

    [Fact]
    public void Message_BetweenFlows_DoesNothing()
    {
        using var store = Store();
        var (recorder, _, start) = Open(store, FlowKind.WebSocket);
        recorder.End(CloseReason.Completed, null, null, start);
        recorder.Message(PeerRole.Client, MessageType.Text, Final, "late"u8, 8, start);
        var next = NewId();
        recorder.Begin(FlowKind.WebSocket, next, default, Client(), start);
        recorder.End(CloseReason.Completed, null, null, start);
        Assert.Equal((0, 0), (Socket(store, next).MessageCount, Socket(store, next).Messages.Count));
    }

    [Fact]
    public void MutateMessage_MoreThan256_AreMarkedInsteadOfListed()
    {
        using var store = Store();
        var (recorder, id, start) = Open(store, FlowKind.WebSocket);
        for (var i = 0; i < 300; i++)
        {
            recorder.MutateMessage(new("rule:x", Stage.Message, "websocket.message", "a", "b", i));
        }

        recorder.End(CloseReason.Completed, null, null, start);
        using var captured = store.Find(id)!;
        var flow = captured.ToFlow(null);
        Assert.Equal(256, flow.Mutations!.Count);
        Assert.Contains("mutations_dropped", flow.Marks);
    }

    [Fact]
    public void MessageAppended_NobodyReads_IsSaidOnce()
    {
        var listener = new Listener();
        using var store = Store();
        store.Listener = listener;
        var (recorder, id, start) = Open(store, FlowKind.WebSocket);
        Say();
        Say();
        Assert.Equal([1], listener.Numbers);
        Assert.Equal(2, store.AcknowledgeMessages(id));
        Say();
        Say();
        Assert.Equal([1, 3], listener.Numbers);
        recorder.End(CloseReason.Completed, null, null, start);
        Assert.Equal(-1, store.AcknowledgeMessages(id));

        void Say() => recorder.Message(PeerRole.Client, MessageType.Text, Final, "x"u8, 8, start);
    }

    private static EngineLimits Limits => new() { CaptureMemory = 16 * 1024 * 1024 };

    private static (FlowRecorder Recorder, FlowId Id, long Start) Open(FlowStore store, FlowKind kind)
    {
        var (recorder, id, start) = (store.Rent(), NewId(), TimeProvider.System.GetTimestamp());
        recorder.Begin(FlowKind.Http, id, default, Client(), start);
        recorder.Request(Shop, RequestHead, Http1Repairs.None);
        recorder.Response(ResponseHead, Http1Repairs.None);
        recorder.Become(kind);
        return (recorder, id, start);
    }

    private static WebSocketLayer Socket(FlowStore store, FlowId id)
    {
        using var captured = store.Find(id)!;
        return ((FlowLayer.WebSocket)captured.ToFlow(null).Layer).Data;
    }

    private static HttpLayer Http(FlowStore store, FlowId id)
    {
        using var captured = store.Find(id)!;
        return ((FlowLayer.Http)captured.ToFlow(null).Layer).Data;
    }

    private static byte[] Octets(FlowBody body) =>
        body.Encoding == "utf-8" ? Encoding.UTF8.GetBytes(body.Content) : Convert.FromBase64String(body.Content);

    private static long Microseconds(long count) => count * TimeProvider.System.TimestampFrequency / 1_000_000;

    private sealed class Listener : IFlowListener
    {
        public List<long> Numbers { get; } = [];

        public void FlowChanged(FlowId id, FlowChange change)
        {
        }

        public void MessageAppended(FlowId id, long number) => Numbers.Add(number);
    }
}
