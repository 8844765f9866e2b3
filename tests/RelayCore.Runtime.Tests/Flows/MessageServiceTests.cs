using System.Text.Json;
using Microsoft.Extensions.Time.Testing;
using RelayCore.Core.Flows;
using RelayCore.Core.Interception;
using RelayCore.Core.Limits;
using RelayCore.Engine.Capture;
using RelayCore.Engine.Messages;
using RelayCore.Formats;
using RelayCore.Protocols;
using RelayCore.Runtime.Flows;
using RelayCore.Testing;
using Xunit;

namespace RelayCore.Runtime.Tests.Flows;

public sealed class MessageServiceTests : IDisposable
{
    private static readonly FlowId s_id = new(new("0199a1b2-c3d4-7000-8000-000000000001"));
    private readonly FakeTimeProvider _time = new(new(2026, 9, 24, 8, 0, 0, TimeSpan.Zero));
    private readonly FlowStore _store;
    private readonly MessageSessions _sessions = new();
    private readonly MessageService _messages;
    private readonly FlowRecorder _recorder;

    public MessageServiceTests()
    {
        _store = new(EngineLimits.Default, _time);
        _messages = new(_store, _sessions);
        _recorder = _store.Rent();
        _recorder.Begin(FlowKind.WebSocket, s_id, default, new() { Id = 1 }, _time.GetTimestamp());
    }

    public void Dispose() => _store.Dispose();

    [Fact]
    public void Inject_RunningSession_GetsIt()
    {
        var session = Session();
        Assert.Equal(new(MessageOutcome.Done, ""), _messages.Inject(s_id, PeerRole.Client, new(MessageType.Text, "hi"u8.ToArray())));
        Assert.Equal(MessageOutcome.Done, _messages.Close(s_id, 4000, "enough").Outcome);
        Assert.Equal((PeerRole.Client, MessageType.Text), session.Injected.Select(x => (x.Sender, x.Message.Type)).Single());
        Assert.Equal((4000, "enough"), session.Closes.Single());
    }

    [Fact]
    public void Inject_NoSession_SaysWhichOfTheReasons()
    {
        Assert.Equal((MessageOutcome.UnknownFlow, MessageOutcome.UnknownFlow), Both(FlowId.Create(1)));
        Assert.Equal((MessageOutcome.NoSession, MessageOutcome.NoSession), Both(s_id));
        Session().IsOver = true;
        Assert.Equal((MessageOutcome.Refused, MessageOutcome.Refused), Both(s_id));
        _sessions.TryGet(s_id, out var session);
        _sessions.Remove(session!);
        _recorder.End(CloseReason.Completed, null, null, _time.GetTimestamp());
        Assert.Equal((MessageOutcome.FlowOver, MessageOutcome.FlowOver), Both(s_id));

        (MessageOutcome, MessageOutcome) Both(FlowId id) =>
            (_messages.Inject(id, PeerRole.Client, new(MessageType.Text, default)).Outcome, _messages.Close(id, 1000, "").Outcome);
    }

    [Theory]
    [InlineData(MessageType.Text, new byte[] { 0xFF }, "UTF-8")]
    [InlineData(MessageType.Event, new byte[] { 0xC3 }, "UTF-8")]
    [InlineData(MessageType.Line, new byte[] { (byte)'1', (byte)'\n' }, "line end")]
    [InlineData(MessageType.Close, new byte[0], "close the session")]
    public void Inject_WhatNoSessionCanSend_IsRefusedWithAReason(MessageType type, byte[] content, string reason) => Invalid(type, content, reason);

    [Fact]
    public void Inject_TooMuch_IsRefused()
    {
        Invalid(MessageType.Ping, new byte[126], "125");
        Invalid(MessageType.Binary, new byte[MessageQueueLimits.MaxOctets + 1], "1 MiB");
        Assert.Equal(MessageOutcome.Done, _messages.Inject(s_id, PeerRole.Client, new(MessageType.Binary, new byte[MessageQueueLimits.MaxOctets])).Outcome);
    }

    [Theory]
    [InlineData(999, "")]
    [InlineData(5000, "")]
    [InlineData(1005, "")]
    [InlineData(1006, "")]
    [InlineData(1015, "")]
    [InlineData(1000, "éééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééé")]
    public void Close_WhatCannotBeSent_IsRefused(int code, string reason)
    {
        var session = Session();
        Assert.Equal(MessageOutcome.Invalid, _messages.Close(s_id, code, reason).Outcome);
        Assert.Empty(session.Closes);
    }

    /// <summary>The JSON others rely on, word for word (model §1.2).</summary>
    [Fact]
    public void Messages_Json_IsTheContract()
    {
        var flows = new FlowService(_store, ContentCodings.Instance);
        _time.Advance(TimeSpan.FromMilliseconds(5));
        var at = _time.GetTimestamp();
        _recorder.Message(PeerRole.Client, MessageType.Text, MessageMarks.Final, "hi"u8, 8, at);
        var message = new Message();
        message.Load(MessageProtocol.WebSocket, MessageType.Text, PeerRole.Server, "old"u8.ToArray(), isCompressed: true);
        message.Replace("new"u8.ToArray());
        _recorder.Message(message, 5, at);
        _recorder.Message(PeerRole.Server, MessageType.Close, MessageMarks.Final, [], 4, at, new() { CloseCode = 1000, CloseReason = "ok"u8 });
        _recorder.Message(PeerRole.Server, MessageType.Event, MessageMarks.Final | MessageMarks.Dropped, "d"u8, 9, at, new() { EventId = "7"u8, RetryMilliseconds = 10 });
        var (page, last) = flows.Messages(s_id, 0, 100)!.Value;
        Assert.Equal(4, last);
        var expected =
            """
            [{"id":"ID:1","number":1,"timestamp":"2026-09-24T08:00:00.005000Z","direction":"ClientToServer","opcode":"Text",
              "content":{"encoding":"utf-8","content":"hi","size":2,"captured":2,"truncated":false},"wire_size":8},
             {"id":"ID:2","number":2,"timestamp":"2026-09-24T08:00:00.005000Z","direction":"ServerToClient","opcode":"Text",
              "content":{"encoding":"utf-8","content":"new","size":3,"captured":3,"truncated":false},"wire_size":5,"changed":true,"compressed":true,
              "received":{"opcode":"Text","content":{"encoding":"utf-8","content":"old","size":3,"captured":3,"truncated":false}}},
             {"id":"ID:3","number":3,"timestamp":"2026-09-24T08:00:00.005000Z","direction":"ServerToClient","opcode":"Close",
              "content":{"encoding":"none","content":"","size":4,"captured":4,"truncated":false},"wire_size":4,"close_code":1000,"close_reason":"ok"},
             {"id":"ID:4","number":4,"timestamp":"2026-09-24T08:00:00.005000Z","direction":"ServerToClient","opcode":"Event",
              "content":{"encoding":"utf-8","content":"d","size":1,"captured":1,"truncated":false},"wire_size":9,"event":{"id":"7","retry":10},"dropped":true}]
            """.Replace("ID", s_id.ToString(), StringComparison.Ordinal);
        using var json = JsonDocument.Parse(JsonSerializer.SerializeToUtf8Bytes(page, FlowJson.Default.IReadOnlyListFlowMessage));
        using var wanted = JsonDocument.Parse(expected);
        Assert.True(JsonElement.DeepEquals(wanted.RootElement, json.RootElement), json.RootElement.ToString());
        Assert.Null(flows.Messages(FlowId.Create(1), 0, 1));
        var read = JsonSerializer.Deserialize(JsonSerializer.SerializeToUtf8Bytes(flows.Get(s_id), FlowJson.Default.Flow), FlowJson.Default.Flow)!;
        Assert.Equal(page, ((FlowLayer.WebSocket)read.Layer).Data.Messages);
    }

    private void Invalid(MessageType type, byte[] content, string reason)
    {
        if (!_sessions.TryGet(s_id, out _))
        {
            Session();
        }

        var result = _messages.Inject(s_id, PeerRole.Server, new(type, content));
        Assert.Equal(MessageOutcome.Invalid, result.Outcome);
        Assert.Contains(reason, result.Detail, StringComparison.Ordinal);
    }

    private FakeMessageSession Session()
    {
        var session = new FakeMessageSession(s_id);
        _sessions.Add(session);
        return session;
    }
}
