using System.Collections.Concurrent;
using RelayCore.Core.Flows;
using RelayCore.Core.Interception;
using RelayCore.Protocols;

namespace RelayCore.Testing;

/// <summary>A session that only remembers what it was asked to say.</summary>
public sealed class FakeMessageSession(FlowId flow) : IMessageSession
{
    public FlowId Flow { get; } = flow;

    /// <summary>Whose messages it takes; both by default.</summary>
    public PeerRole? Takes { get; init; }

    public bool IsOver { get; set; }

    public ConcurrentQueue<(PeerRole Sender, OutgoingMessage Message)> Injected { get; } = new();

    public ConcurrentQueue<(int Code, string Reason)> Closes { get; } = new();

    public bool TryInject(PeerRole sender, OutgoingMessage message)
    {
        if (IsOver || (Takes ?? sender) != sender)
        {
            return false;
        }

        Injected.Enqueue((sender, message));
        return true;
    }

    public bool TryClose(int code, string reason)
    {
        if (IsOver)
        {
            return false;
        }

        Closes.Enqueue((code, reason));
        return true;
    }
}
