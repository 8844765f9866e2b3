using RelayCore.Core.Flows;
using RelayCore.Core.Interception;
using RelayCore.Protocols;

namespace RelayCore.Runtime.Rules;

/// <summary>The session of messages of a dry run: notes what would be said.</summary>
internal sealed class DryRunSession(FlowId flow, List<DryRunMessageView> said) : IMessageSession
{
    /// <inheritdoc/>
    public FlowId Flow => flow;

    /// <inheritdoc/>
    public bool TryInject(PeerRole sender, OutgoingMessage message)
    {
        said.Add(DryRun.WithBody(new() { Direction = sender == PeerRole.Client ? "ClientToServer" : "ServerToClient" }, message.Content));
        return true;
    }

    /// <inheritdoc/>
    public bool TryClose(int code, string reason) => true;
}
