using System.Text;
using Microsoft.Extensions.Time.Testing;
using RelayCore.Core.Flows;
using RelayCore.Core.Interception;
using RelayCore.Formats;
using RelayCore.Protocols;
using RelayCore.Rules.Actions;
using RelayCore.Rules.Tests.Actions.Bodies;
using Xunit;

namespace RelayCore.Rules.Tests.Actions.Messages;

public sealed class MessageActionsTests
{
    [Theory]
    [InlineData("Incoming", PeerRole.Server)]
    [InlineData("Outgoing", PeerRole.Client)]
    public async Task MockWebSocketMessage_SameDirection_ReplacesContentAndType(string direction, PeerRole sender)
    {
        var (bench, session) = Bench(MessageProtocol.WebSocket, MessageType.Binary, sender, "old");
        var result = await bench.RunAsync("MockWebSocketMessage", "{\"direction\":\"" + direction + "\",\"message\":\"né\"}");
        Assert.Equal((ActionOutcome.Done, MessageType.Text, "né"), (result.Outcome, Message(bench).Type, Text(bench)));
        Assert.Empty(session.Injected);
    }

    [Fact]
    public async Task MockWebSocketMessage_OtherDirection_DropsAndSendsTheOtherWay()
    {
        var (bench, session) = Bench(MessageProtocol.WebSocket, MessageType.Text, PeerRole.Client, "ping");
        var result = await bench.RunAsync("MockWebSocketMessage", """{"direction":"Incoming","message":"pong"}""");
        Assert.Equal((ActionOutcome.Terminal, true), (result.Outcome, Message(bench).IsDropped));
        var (sender, message) = Assert.Single(session.Injected);
        Assert.Equal((PeerRole.Server, MessageType.Text, "pong"), (sender, message.Type, Encoding.UTF8.GetString(message.Content.Span)));

        session.IsFull = true;
        (bench, _) = Bench(MessageProtocol.WebSocket, MessageType.Text, PeerRole.Client, "ping", session: session);
        result = await bench.RunAsync("MockWebSocketMessage", """{"direction":"Incoming","message":"pong"}""");
        Assert.Equal((ActionOutcome.Failed, false), (result.Outcome, Message(bench).IsDropped));
    }

    [Theory]
    [InlineData("DropMessage")]
    [InlineData("DropWebSocketMessage")]
    public async Task Drop_Message_GoesNoFurther(string type)
    {
        var (bench, _) = Bench(MessageProtocol.WebSocket, MessageType.Text, PeerRole.Client, "x");
        var result = await bench.RunAsync(type, null);
        Assert.Equal((ActionOutcome.Terminal, true), (result.Outcome, Message(bench).IsDropped));
        Assert.IsType<Verdict.Drop>(result.Verdict);
    }

    [Theory]
    [InlineData(MessageProtocol.WebSocket, MessageType.Binary, """{"content":"hé"}""", MessageType.Binary, "hé")]
    [InlineData(MessageProtocol.WebSocket, MessageType.Binary, """{"content":"hé","type":"text"}""", MessageType.Text, "hé")]
    [InlineData(MessageProtocol.WebSocket, MessageType.Text, """{"content":{"type":"Base64","value":"AAE="},"type":"binary"}""", MessageType.Binary, "\0\u0001")]
    [InlineData(MessageProtocol.WebSocket, MessageType.Text, """{"content":""}""", MessageType.Text, "")]
    [InlineData(MessageProtocol.ServerSentEvents, MessageType.Event, """{"content":"a\nb","type":"binary"}""", MessageType.Event, "a\nb")]
    [InlineData(MessageProtocol.Ndjson, MessageType.Line, """{"content":"{\n \"a\": 1\r\n}"}""", MessageType.Line, "{  \"a\": 1  }")]
    [InlineData(MessageProtocol.Grpc, MessageType.GrpcMessage, """{"content":{"type":"Base64","value":"CgFh"}}""", MessageType.GrpcMessage, "\n\u0001a")]
    public async Task SetMessage_EveryProtocol_ReplacesTheContent(MessageProtocol protocol, MessageType before, string config, MessageType after, string content)
    {
        var (bench, _) = Bench(protocol, before, PeerRole.Server, "old");
        var result = await bench.RunAsync("SetMessage", config);
        Assert.Equal((ActionOutcome.Done, after, content, true), (result.Outcome, Message(bench).Type, Text(bench), Message(bench).IsChanged));
    }

    [Theory]
    [InlineData(MessageProtocol.WebSocket, MessageType.Text, """{"content":{"type":"Base64","value":"/w=="}}""", "UTF-8")]
    [InlineData(MessageProtocol.ServerSentEvents, MessageType.Event, """{"content":{"type":"Base64","value":"/w=="}}""", "UTF-8")]
    [InlineData(MessageProtocol.Ndjson, MessageType.Line, """{"content":"a\nb"}""", "line end")]
    public async Task SetMessage_ContentThatDoesNotFit_FailsAndHarmsNothing(MessageProtocol protocol, MessageType type, string config, string why)
    {
        var (bench, _) = Bench(protocol, type, PeerRole.Server, "old");
        var result = await bench.RunAsync("SetMessage", config);
        Assert.Equal((ActionOutcome.Failed, "old", false), (result.Outcome, Text(bench), Message(bench).IsChanged));
        Assert.Contains(why, result.Detail, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("JsonPathSet", """{"path":"$.price","value":0}""", """{"price": 1.50, "n":1.0}""", """{"price": 0, "n":1.0}""", ActionOutcome.Done)]
    [InlineData("RegexReplace", """{"pattern":"\\d+","replacement":"<$0>"}""", "a1 b22", "a<1> b<22>", ActionOutcome.Done)]
    [InlineData("JsonMerge", """{"merge":{"a":null}}""", "not json", "not json", ActionOutcome.NoEffect)]
    [InlineData("Replace", """{"find":"a","replacement":"a"}""", "a", "a", ActionOutcome.NoEffect)]
    public async Task TransformMessage_EveryProtocol_EditsTheContent(string type, string config, string before, string after, ActionOutcome outcome)
    {
        foreach (var (protocol, kind) in new[] { (MessageProtocol.WebSocket, MessageType.Text), (MessageProtocol.WebSocket, MessageType.Binary), (MessageProtocol.ServerSentEvents, MessageType.Event), (MessageProtocol.Ndjson, MessageType.Line), (MessageProtocol.Grpc, MessageType.GrpcMessage) })
        {
            var (bench, _) = Bench(protocol, kind, PeerRole.Server, before);
            var result = await bench.RunAsync("TransformMessage", "{\"transform\":{\"type\":\"" + type + "\",\"config\":" + config + "}}");
            Assert.Equal((outcome, after, kind, outcome == ActionOutcome.Done), (result.Outcome, Text(bench), Message(bench).Type, Message(bench).IsChanged));
        }
    }

    [Fact]
    public async Task TransformMessage_Close_IsLeftAlone()
    {
        var (bench, _) = Bench(MessageProtocol.WebSocket, MessageType.Close, PeerRole.Server, "");
        Assert.Equal(ActionOutcome.NoEffect, (await bench.RunAsync("TransformMessage", """{"transform":{"type":"Replace","config":{"find":"a","replacement":"b"}}}""")).Outcome);
        Assert.Equal(ActionOutcome.NoEffect, (await bench.RunAsync("SetMessage", """{"content":"b"}""")).Outcome);
    }

    [Theory]
    [InlineData(MessageProtocol.WebSocket, """{"content":"x"}""", PeerRole.Client, MessageType.Text)]
    [InlineData(MessageProtocol.WebSocket, """{"direction":"server_to_client","base64":"AAE="}""", PeerRole.Server, MessageType.Binary)]
    [InlineData(MessageProtocol.WebSocket, """{"direction":"Outgoing","content":"x","type":"binary"}""", PeerRole.Client, MessageType.Binary)]
    [InlineData(MessageProtocol.ServerSentEvents, """{"direction":"Incoming","content":"x","event":"e","id":"7","retry":10}""", PeerRole.Server, MessageType.Event)]
    [InlineData(MessageProtocol.Ndjson, """{"direction":"Incoming","content":"{\"a\":\n1}"}""", PeerRole.Server, MessageType.Line)]
    [InlineData(MessageProtocol.Grpc, """{"direction":"client_to_server","base64":"CgFh"}""", PeerRole.Client, MessageType.GrpcMessage)]
    public async Task InjectMessage_EveryProtocol_SendsOneMore(MessageProtocol protocol, string config, PeerRole sender, MessageType type)
    {
        var (bench, session) = Bench(protocol, MessageTypeOf(protocol), PeerRole.Client, "old");
        Assert.Equal(ActionOutcome.Done, (await bench.RunAsync("InjectMessage", config)).Outcome);
        var (who, message) = Assert.Single(session.Injected);
        Assert.Equal((sender, type), (who, message.Type));
        Assert.Equal(type == MessageType.Event ? ("e", "7", 10L) : (null, null, null), (message.EventName, message.EventId, message.RetryMilliseconds));
        Assert.DoesNotContain((byte)'\n', type == MessageType.Line ? message.Content.ToArray() : []);
        Assert.False(Message(bench).IsChanged);
    }

    [Fact]
    public async Task InjectMessage_ForAnInjectedOne_DoesNothing()
    {
        var (bench, session) = Bench(MessageProtocol.WebSocket, MessageType.Text, PeerRole.Client, "old", isInjected: true);
        Assert.Equal(ActionOutcome.NoEffect, (await bench.RunAsync("InjectMessage", """{"content":"x"}""")).Outcome);
        Assert.Equal(ActionOutcome.NoEffect, (await bench.RunAsync("MockWebSocketMessage", """{"direction":"Incoming","message":"x"}""")).Outcome);
        Assert.Empty(session.Injected);
    }

    [Theory]
    [InlineData("""{"content":"x"}""", true, "queue is full")]
    [InlineData("""{"base64":"/w==","type":"text"}""", false, "UTF-8")]
    public async Task InjectMessage_WhatCannotBeSent_Fails(string config, bool isFull, string why)
    {
        var (bench, session) = Bench(MessageProtocol.WebSocket, MessageType.Text, PeerRole.Client, "old");
        session.IsFull = isFull;
        var result = await bench.RunAsync("InjectMessage", config);
        Assert.Equal(ActionOutcome.Failed, result.Outcome);
        Assert.Contains(why, result.Detail, StringComparison.Ordinal);
    }

    [Fact]
    public async Task DelayMessage_Waits_ByTheClockWithJitter()
    {
        var time = new FakeTimeProvider();
        var (bench, _) = Bench(MessageProtocol.WebSocket, MessageType.Text, PeerRole.Client, "x");
        bench.Context.Environment = new() { Codings = ContentCodings.Instance, Time = time, Random = new Half() };
        var running = bench.RunAsync("DelayMessage", """{"ms":1000,"jitter_ms":500}""");
        time.Advance(TimeSpan.FromMilliseconds(1249));
        Assert.False(running.IsCompleted);
        time.Advance(TimeSpan.FromMilliseconds(1));
        Assert.Equal((ActionOutcome.Done, "waited 1250 ms"), ((await running).Outcome, (await running).Detail));
    }

    [Theory]
    [InlineData(null, 1000, "")]
    [InlineData("""{"code":4001,"reason":"bye"}""", 4001, "bye")]
    public async Task CloseMessages_Session_IsClosed(string? config, int code, string reason)
    {
        var (bench, session) = Bench(MessageProtocol.WebSocket, MessageType.Text, PeerRole.Client, "x");
        Assert.Equal(ActionOutcome.Done, (await bench.RunAsync("CloseMessages", config)).Outcome);
        Assert.Equal((code, reason), session.Closed);
        Assert.Equal(ActionOutcome.NoEffect, (await bench.RunAsync("CloseMessages", config)).Outcome);
    }

    [Theory]
    [InlineData("""{"event":"e","id":"1","retry":5}""", "e", "1", 5L, ActionOutcome.Done)]
    [InlineData("""{"event":null,"id":null,"retry":null}""", null, null, null, ActionOutcome.Done)]
    [InlineData("""{"id":"2"}""", "old", "2", 9L, ActionOutcome.Done)]
    [InlineData("""{"id":"0"}""", "old", "0", 9L, ActionOutcome.NoEffect)]
    [InlineData("""{"event":"a\nb"}""", "old", "0", 9L, ActionOutcome.Failed)]
    [InlineData("""{"id":"a\u0000"}""", "old", "0", 9L, ActionOutcome.Failed)]
    public async Task SetEvent_Fields_AreSetRemovedOrKept(string config, string? name, string? id, long? retry, ActionOutcome outcome)
    {
        var (bench, _) = Bench(MessageProtocol.ServerSentEvents, MessageType.Event, PeerRole.Server, "data");
        Message(bench).LoadEvent("0", "old", 9);
        Assert.Equal(outcome, (await bench.RunAsync("SetEvent", config)).Outcome);
        Assert.Equal((name, id, retry, "data"), (Message(bench).EventName, Message(bench).EventId, Message(bench).RetryMilliseconds, Text(bench)));
    }

    [Theory]
    [InlineData("InjectMessage", """{"direction":"Incoming"}""", "either 'content'")]
    [InlineData("InjectMessage", """{"content":"a","base64":"AA=="}""", "either 'content'")]
    [InlineData("InjectMessage", """{"base64":"AA"}""", "not whole")]
    [InlineData("CloseMessages", """{"code":1006}""", "1006 cannot be sent")]
    [InlineData("CloseMessages", """{"reason":"0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123"}""", "124 octets")]
    [InlineData("SetEvent", "{}", "no field")]
    public void Config_ThatCannotWork_IsALoadError(string type, string config, string problem)
    {
        var bench = new BodyBench(RuleStage.Message);
        Assert.Null(bench.TryCompile(type, config));
        Assert.Contains(bench.Problems.Items, x => x.Message.Contains(problem, StringComparison.Ordinal));
    }

    private static (BodyBench Bench, FakeSession Session) Bench(
        MessageProtocol protocol, MessageType type, PeerRole sender, string content, bool isInjected = false, FakeSession? session = null)
    {
        session ??= new();
        var bench = new BodyBench(protocol == MessageProtocol.WebSocket ? RuleStage.WebSocketMessage : RuleStage.Message);
        bench.Context.Messages = new(protocol, session, bench.Exchange);
        bench.Context.Message = new();
        bench.Context.Message.Load(protocol, type, sender, Encoding.UTF8.GetBytes(content), isInjected: isInjected);
        return (bench, session);
    }

    private static MessageType MessageTypeOf(MessageProtocol protocol) => protocol switch
    {
        MessageProtocol.WebSocket => MessageType.Text,
        MessageProtocol.ServerSentEvents => MessageType.Event,
        MessageProtocol.Ndjson => MessageType.Line,
        _ => MessageType.GrpcMessage,
    };

    private static Message Message(BodyBench bench) => bench.Context.Message!;

    private static string Text(BodyBench bench) => Encoding.UTF8.GetString(Message(bench).Content.Span);

    private sealed class Half : Random
    {
        public override double NextDouble() => 0.5;
    }

    private sealed class FakeSession : IMessageSession
    {
        public List<(PeerRole, OutgoingMessage)> Injected { get; } = [];

        public (int, string)? Closed { get; private set; }

        public bool IsFull { get; set; }

        public FlowId Flow => default;

        public bool TryInject(PeerRole sender, OutgoingMessage message)
        {
            if (!IsFull)
            {
                Injected.Add((sender, message));
            }

            return !IsFull;
        }

        public bool TryClose(int code, string reason)
        {
            var isOpen = Closed is null;
            Closed ??= (code, reason);
            return isOpen;
        }
    }
}
