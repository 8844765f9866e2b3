using System.Collections.Concurrent;
using System.Diagnostics.CodeAnalysis;
using RelayCore.Core.Flows;
using RelayCore.Core.Interception;
using RelayCore.Protocols;

namespace RelayCore.Engine.Messages;

/// <summary>
/// Running sessions of messages by the id of their flow, so that something can be said in them from outside. Safe for concurrent use.
/// Empty costs nothing; sessions add themselves when they start and remove themselves when they end.
/// </summary>
public sealed class MessageSessions
{
    private readonly ConcurrentDictionary<FlowId, IMessageSession> _sessions = new();

    /// <summary>Sessions running now; both directions of a body count once.</summary>
    public int Count => _sessions.Count;

    /// <summary>Adds a session. A flow may have two, one for each body: then a message goes to the one that takes it.</summary>
    /// <exception cref="InvalidOperationException">The flow has two already.</exception>
    public void Add(IMessageSession session) =>
        _sessions.AddOrUpdate(
            session.Flow,
            static (_, added) => added,
            static (_, present, added) => present is Pair ? throw new InvalidOperationException("A flow has at most two sessions.") : new Pair(present, added),
            session);

    /// <summary>Removes a session that ended; unknown ones are ignored.</summary>
    public void Remove(IMessageSession session)
    {
        while (_sessions.TryGetValue(session.Flow, out var present))
        {
            var done = present switch
            {
                Pair pair when ReferenceEquals(pair.First, session) => _sessions.TryUpdate(session.Flow, pair.Second, present),
                Pair pair when ReferenceEquals(pair.Second, session) => _sessions.TryUpdate(session.Flow, pair.First, present),
                _ when ReferenceEquals(present, session) => _sessions.TryRemove(new(session.Flow, present)),
                _ => true,
            };
            if (done)
            {
                return;
            }
        }
    }

    /// <summary>The session of a flow, if it has one that runs.</summary>
    public bool TryGet(FlowId flow, [NotNullWhen(true)] out IMessageSession? session) => _sessions.TryGetValue(flow, out session);

    /// <summary>The messages of both bodies of an exchange.</summary>
    private sealed class Pair(IMessageSession first, IMessageSession second) : IMessageSession
    {
        public IMessageSession First { get; } = first;

        public IMessageSession Second { get; } = second;

        public FlowId Flow => First.Flow;

        public bool TryInject(PeerRole sender, OutgoingMessage message) => First.TryInject(sender, message) || Second.TryInject(sender, message);

        public bool TryClose(int code, string reason) => First.TryClose(code, reason) | Second.TryClose(code, reason);
    }
}
