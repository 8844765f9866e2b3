using RelayCore.Core.Flows;
using RelayCore.Core.Interception;
using RelayCore.Engine.Messages;
using RelayCore.Protocols;
using RelayCore.Testing;
using Xunit;

namespace RelayCore.Engine.Tests.Messages;

public sealed class MessageSessionsTests
{
    private static readonly OutgoingMessage s_hello = new(MessageType.Text, "hello"u8.ToArray());

    private readonly MessageSessions _sessions = new();
    private readonly FlowId _id = FlowId.Create(1);

    [Fact]
    public void TryGet_AddedAndRemoved_IsThereMeanwhile()
    {
        var session = new FakeMessageSession(_id);
        Assert.False(_sessions.TryGet(_id, out _));
        _sessions.Add(session);
        Assert.True(_sessions.TryGet(_id, out var found) && ReferenceEquals(session, found));
        Assert.False(_sessions.TryGet(FlowId.Create(1), out _));
        _sessions.Remove(session);
        Assert.False(_sessions.TryGet(_id, out _));
        Assert.Equal(0, _sessions.Count);
    }

    [Fact]
    public void TryInject_BothBodies_GoesToTheOneThatTakesIt()
    {
        var (request, response) = Both();
        Assert.True(_sessions.TryGet(_id, out var pair));
        Assert.Equal((_id, 1), (pair.Flow, _sessions.Count));
        Assert.True(pair.TryInject(PeerRole.Server, s_hello));
        Assert.Equal((0, 1), (request.Injected.Count, response.Injected.Count));
        Assert.True(pair.TryClose(1000, "done"));
        Assert.Equal((1, 1), (request.Closes.Count, response.Closes.Count));
        response.IsOver = true;
        Assert.False(pair.TryInject(PeerRole.Server, s_hello));
        Assert.True(pair.TryClose(1000, ""));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Remove_OneOfTwo_LeavesTheOther(bool first)
    {
        var (request, response) = Both();
        _sessions.Remove(first ? request : response);
        Assert.True(_sessions.TryGet(_id, out var left) && ReferenceEquals(left, first ? response : request));
        _sessions.Remove(first ? request : response); // again: it is not the one that is left
        Assert.True(_sessions.TryGet(_id, out _));
        _sessions.Remove(left);
        Assert.Equal(0, _sessions.Count);
    }

    [Fact]
    public void Add_Third_IsADefect()
    {
        Both();
        Assert.Throws<InvalidOperationException>(() => _sessions.Add(new FakeMessageSession(_id)));
    }

    [Fact]
    public void Remove_FromManyThreads_LeavesNothing()
    {
        Parallel.For(0, 2000, i =>
        {
            var id = FlowId.Create(i);
            var (one, two) = (new FakeMessageSession(id), new FakeMessageSession(id));
            Parallel.Invoke(() => _sessions.Add(one), () => _sessions.Add(two));
            Parallel.Invoke(() => _sessions.Remove(one), () => _sessions.Remove(two));
        });
        Assert.Equal(0, _sessions.Count);
    }

    private (FakeMessageSession Request, FakeMessageSession Response) Both()
    {
        var pair = (new FakeMessageSession(_id) { Takes = PeerRole.Client }, new FakeMessageSession(_id) { Takes = PeerRole.Server });
        _sessions.Add(pair.Item1);
        _sessions.Add(pair.Item2);
        return pair;
    }
}
