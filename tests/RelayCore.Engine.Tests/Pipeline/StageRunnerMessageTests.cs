using System.Text;
using RelayCore.Core.Faults;
using RelayCore.Core.Flows;
using RelayCore.Core.Interception;
using RelayCore.Engine.Capture;
using RelayCore.Engine.Pipeline;
using RelayCore.Engine.Tests.Capture;
using RelayCore.Protocols;
using RelayCore.Testing;
using Xunit;

namespace RelayCore.Engine.Tests.Pipeline;

public sealed class StageRunnerMessageTests : IDisposable
{
    private readonly FlowStore _store = CaptureDriver.Store();
    private readonly FlowRecorder _recorder;
    private readonly StageRunner _stages;
    private readonly FlowId _id = CaptureDriver.NewId();
    private readonly Exchange _exchange = new();
    private readonly MessageContext _context;

    public StageRunnerMessageTests()
    {
        _recorder = _store.Rent();
        _recorder.Begin(FlowKind.WebSocket, _id, default, CaptureDriver.Client(), 1);
        _stages = new(_recorder, TimeProvider.System);
        _stages.Begin(TimeProvider.System.GetTimestamp());
        _exchange.Begin(_id, CaptureDriver.Client());
        _context = new(MessageProtocol.WebSocket, new FakeMessageSession(_id), _exchange);
    }

    public void Dispose() => _store.Dispose();

    [Fact]
    public async Task MessageAsync_Two_RunInOrderAndAreNamed()
    {
        var message = Text("a");
        await RunAsync(message, new Actor("one", m => m.Replace("b"u8.ToArray())), new Actor("two", m =>
        {
            Assert.Equal("b", Encoding.UTF8.GetString(m.Content.Span));
            m.Replace("c"u8.ToArray(), MessageType.Binary);
        }));
        Assert.True(message is { IsChanged: true, Type: MessageType.Binary });
        Assert.Equal(("a", MessageType.Text), (Encoding.UTF8.GetString(message.AsReceived.Content.Span), message.AsReceived.Type));
        Assert.Equal(
            [("one", "message", "websocket.message", "a", "b"), ("two", "message", "websocket.message", "b", "c"), ("two", "message", "websocket.message.type", "text", "binary")],
            Mutations());
    }

    [Fact]
    public async Task MessageAsync_Dropped_IsSeenByNobodyAfter()
    {
        var message = Text("a");
        await RunAsync(message, new Actor("one", m => m.Drop()), new Actor("two", _ => Assert.Fail("it was dropped")));
        Assert.True(message.IsDropped);
        Assert.Equal([("one", "message", "websocket.message", "a", null)], Mutations());
    }

    [Fact]
    public async Task MessageAsync_ActorFails_ItsEditsAreTakenBack()
    {
        var message = Text("a");
        await RunAsync(message, new Actor("one", m =>
        {
            m.Replace("b"u8.ToArray());
            m.Drop();
            throw new InvalidOperationException("boom");
        }), new Actor("two", m => Assert.False(m.IsChanged || m.IsDropped)));
        Assert.Equal("a", Encoding.UTF8.GetString(message.Content.Span));
        Assert.Equal(["interceptor-error"], _exchange.Tags); // of the flow, whichever view of it sets them
        Assert.Equal([("one", "message", "error", null, "InvalidOperationException: boom")], Mutations());
    }

    [Theory]
    [InlineData(MessageType.Text, Stage.Message, true)]
    [InlineData(MessageType.Text, Stage.ControlMessage, false)]
    [InlineData(MessageType.Ping, Stage.Message, false)]
    [InlineData(MessageType.Ping, Stage.ControlMessage, true)]
    [InlineData(MessageType.Close, Stage.Message, false)]
    [InlineData(MessageType.Close, Stage.Message | Stage.ControlMessage, true)]
    public async Task MessageAsync_ByKind_IsShownToWhoWantsIt(MessageType type, Stage wanted, bool shown)
    {
        var seen = false;
        var message = new Message();
        message.Load(MessageProtocol.WebSocket, type, PeerRole.Client, default);
        await RunAsync(message, new Actor("one", _ => seen = true) { Needs = new() { Stages = wanted } });
        Assert.Equal(shown, seen);
    }

    [Fact]
    public async Task MessageAsync_CloseAndEventFields_AreRecordedByName()
    {
        var message = new Message();
        message.Load(MessageProtocol.WebSocket, MessageType.Close, PeerRole.Server, default);
        message.LoadClose(1000, "ok");
        await RunAsync(message, new Actor("one", m => m.CloseCode = 4001));
        message.Load(MessageProtocol.ServerSentEvents, MessageType.Event, PeerRole.Server, "d"u8.ToArray());
        message.LoadEvent("1", null, 5);
        await RunAsync(message, new Actor("one", m => (m.EventId, m.EventName, m.RetryMilliseconds) = ("2", "n", null)));
        Assert.Equal(
            [
                ("one", "control_message", "websocket.message.close", "1000 ok", "4001 ok"),
                ("one", "message", "sse.event.id", "1", "2"), ("one", "message", "sse.event.event", null, "n"), ("one", "message", "sse.event.retry", "5", null),
            ],
            Mutations());
    }

    [Fact]
    public async Task MessageAsync_LargeOrBinary_IsBoundedInTheRecord()
    {
        await RunAsync(Text(new string('é', 5000)), new Actor("one", m => m.Replace(new byte[] { 0xFF, 0xFE })));
        var (_, _, _, before, after) = Assert.Single(Mutations());
        Assert.Equal((new string('é', 2048) + "… (10000 octets)", "2 octets"), (before, after));
    }

    [Fact]
    public async Task MessagesStartAsync_Terminal_EndsTheStage()
    {
        var verdict = await _stages.MessagesStartAsync(Set(new Actor("one", null) { Start = new Verdict.Drop("no") }, new Actor("two", null)), _context, TestContext.Current.CancellationToken);
        Assert.Equal(new Verdict.Drop("no"), verdict);
        Assert.Equal("one", _exchange.Variables["verdict.actor"]);
    }

    [Fact]
    public async Task MessagesEndAsync_Fault_IsToldToAll()
    {
        var (one, two) = (new Actor("one", null), new Actor("two", null));
        await _stages.MessagesEndAsync(Set(one, two), _context, CaptureDriver.Fault, TestContext.Current.CancellationToken);
        Assert.Equal(("RC-CONN-001", "RC-CONN-001"), (one.Fault?.Code, two.Fault?.Code));
    }

    [Fact]
    public void SetTag_FromBothDirections_KeepsAll()
    {
        Parallel.For(0, 64, i => (i % 2 == 0 ? (FlowContext)_exchange : _context).SetTag($"tag{i}"));
        Parallel.For(0, 200, i => (i % 2 == 0 ? (FlowContext)_exchange : _context).SetVariable($"v{i}", "x"));
        Assert.Equal((64, 200), (_context.Tags.Count, _exchange.Variables.Count));
    }

    private static Message Text(string content)
    {
        var message = new Message();
        message.Load(MessageProtocol.WebSocket, MessageType.Text, PeerRole.Client, Encoding.UTF8.GetBytes(content));
        return message;
    }

    private static InterceptorSet Set(params IInterceptor[] actors) => new(actors);

    private async Task RunAsync(Message message, params IInterceptor[] actors) => await _stages.MessageAsync(Set(actors), _context, message, default);

    private List<(string Actor, string Stage, string Target, string? Before, string? After)> Mutations()
    {
        using var captured = _store.Find(_id)!;
        return [.. (captured.ToFlow(null).Mutations ?? []).Select(x => (x.Actor, x.Stage, x.Target, x.Before, x.After))];
    }

    private sealed class Actor(string name, Action<Message>? act) : IInterceptor
    {
        public string Name => name;

        public InterceptorNeeds Needs { get; init; } = new() { Stages = Stage.MessagesStart | Stage.Message | Stage.MessagesEnd | Stage.ControlMessage };

        public Verdict Start { get; init; } = Verdict.Continue;

        public FlowFault? Fault { get; private set; }

        public ValueTask<Verdict> OnMessagesStartAsync(MessageContext context, CancellationToken cancellationToken) => new(Start);

        public async ValueTask OnMessageAsync(MessageContext context, Message message, CancellationToken cancellationToken)
        {
            await Task.Yield();
            act!(message);
        }

        public ValueTask OnMessagesEndAsync(MessageContext context, FlowFault? fault, CancellationToken cancellationToken)
        {
            Fault = fault;
            return default;
        }
    }
}
