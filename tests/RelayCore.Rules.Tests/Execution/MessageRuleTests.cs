using System.Text;
using RelayCore.Core.Flows;
using RelayCore.Core.Interception;
using RelayCore.Protocols;
using RelayCore.Rules.Actions;
using Xunit;

namespace RelayCore.Rules.Tests.Execution;

/// <summary>Rules on messages, whose two directions run at once.</summary>
public sealed class MessageRuleTests
{
    private const string All = """{"type":"All"}""";
    private readonly RuleKit _kit = new();

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Message_OfAWebSocket_RunsBothStagesOthersOnlyOne()
    {
        var rules = _kit.Rules(("w", RuleStage.WebSocketMessage, All, "w"), ("m", RuleStage.Message, All, "m"));
        Assert.Equal(Stage.Message, rules.Needs.OnDemand & Stage.Message);
        await rules.OnMessageAsync(Session(MessageProtocol.WebSocket), Text("a", PeerRole.Client), Ct);
        await rules.OnMessageAsync(Session(MessageProtocol.ServerSentEvents), Text("a", PeerRole.Server, MessageProtocol.ServerSentEvents, MessageType.Event), Ct);
        Assert.Equal(["w", "m", "m"], _kit.Ran);
    }

    [Fact]
    public async Task Message_Dropped_IsNotSeenByLaterRules()
    {
        _kit.On("drop", x =>
        {
            x.Message!.Drop();
            return default;
        });
        var session = Session(MessageProtocol.WebSocket);
        var message = Text("a", PeerRole.Client);
        await _kit.Rules(("d", RuleStage.WebSocketMessage, All, "drop"), ("n", RuleStage.WebSocketMessage, All, "n"), ("m", RuleStage.Message, All, "m")).OnMessageAsync(session, message, Ct);
        Assert.True(message.IsDropped);
        Assert.Equal(["drop"], _kit.Ran);
        Assert.Equal(("d", "Drop"), (RuleKit.Trace(session).TerminatedBy, RuleKit.Trace(session).Reason));
    }

    [Fact]
    public async Task Message_EditOfAFailedRule_IsTakenBack()
    {
        _kit.On("edit", x =>
        {
            x.Message!.Replace("edited"u8.ToArray());
            return default;
        });
        _kit.On("fail", _ => ActionResult.Failed("no"));
        var message = Text("a", PeerRole.Server);
        await _kit.Rules(("f", RuleStage.Message, All, "edit fail"), ("n", RuleStage.Message, All, "n")).OnMessageAsync(Session(MessageProtocol.WebSocket), message, Ct);
        Assert.Equal(("a", false), (Encoding.ASCII.GetString(message.Content.Span), message.IsChanged));
        Assert.Equal(["edit", "fail", "n"], _kit.Ran);
    }

    [Fact]
    public async Task Message_BothDirectionsAtOnce_HaveAContextEach()
    {
        var waiting = new Dictionary<PeerRole, TaskCompletionSource>
        {
            [PeerRole.Client] = new(TaskCreationOptions.RunContinuationsAsynchronously),
            [PeerRole.Server] = new(TaskCreationOptions.RunContinuationsAsynchronously),
        };
        _kit.Does["wait"] = async (x, _) =>
        {
            x.Capture("who", x.Sender.ToString());
            await waiting[x.Message!.Sender].Task;
            x.Message.Replace(Encoding.ASCII.GetBytes($"{x.Captures["who"]} {Encoding.ASCII.GetString(x.Message.Content.Span)}"));
            return default;
        };
        var rules = _kit.Rules(("w", RuleStage.WebSocketMessage, All, "wait"));
        var session = Session(MessageProtocol.WebSocket);
        var (up, down) = (Text("up", PeerRole.Client), Text("down", PeerRole.Server));
        var (first, second) = (rules.OnMessageAsync(session, up, Ct).AsTask(), rules.OnMessageAsync(session, down, Ct).AsTask());
        waiting[PeerRole.Server].SetResult();
        await second;
        Assert.False(first.IsCompleted);
        waiting[PeerRole.Client].SetResult();
        await first;
        Assert.Equal(("Client up", "Server down"), (Encoding.ASCII.GetString(up.Content.Span), Encoding.ASCII.GetString(down.Content.Span)));
        Assert.Equal(["Client", "Server"], RuleKit.Trace(session).Events.Select(x => x.Variables!["who"]).Order());
    }

    [Fact]
    public async Task Trace_OfMessagesWithoutEnd_StaysWithinItsBoundAndPrefersMatches()
    {
        _kit.On("edit", x =>
        {
            x.Message!.Replace(new byte[20]);
            return ActionResult.NoEffect(new string('"', 10_000));
        });
        var rules = _kit.Rules(("no", RuleStage.Message, """{"type":"Not","config":{"type":"All"}}""", "x"), ("w", RuleStage.Message, All, "edit"),
            ("other", RuleStage.Message, """{"type":"Host","config":"other.test"}""", "x"));
        var session = Session(MessageProtocol.WebSocket);
        for (var i = 0; i < 200; i++)
        {
            await rules.OnMessageAsync(session, Text("a", PeerRole.Client), Ct);
        }

        var trace = RuleKit.Trace(session);
        Assert.InRange(trace.Events.Count, 10, 63);
        Assert.All(trace.Events, x => Assert.Equal("w", x.RuleId));
        Assert.Equal(1, trace.Excluded);
        Assert.Equal(201, trace.Events.Count + trace.Omitted); // what did not match is told once
        Assert.Equal(200, rules.Rules.Rules[1].Hits);
        Assert.Equal(["w"], session.MatchedRules);
    }

    private static MessageContext Session(MessageProtocol protocol)
    {
        var exchange = RuleKit.Exchange();
        return new(protocol, new Silent(exchange.Id), exchange);
    }

    private static Message Text(string text, PeerRole sender, MessageProtocol protocol = MessageProtocol.WebSocket, MessageType type = MessageType.Text)
    {
        var message = new Message();
        message.Load(protocol, sender, new OutgoingMessage(type, Encoding.ASCII.GetBytes(text)));
        return message;
    }

    private sealed class Silent(FlowId flow) : IMessageSession
    {
        public FlowId Flow => flow;

        public bool TryInject(PeerRole sender, OutgoingMessage message) => false;

        public bool TryClose(int code, string reason) => false;
    }
}
