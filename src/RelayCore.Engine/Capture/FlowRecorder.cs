using RelayCore.Core.Connections;
using RelayCore.Core.Faults;
using RelayCore.Core.Flows;
using RelayCore.Core.Interception;
using RelayCore.Protocols;
using RelayCore.Protocols.Http1;

namespace RelayCore.Engine.Capture;

/// <summary>
/// Observes one flow at a time on behalf of its session, never delays it, and hands it to the store when it ends. One recorder per session,
/// reused for each of its exchanges. Called from the session only; the store may look at it from another thread at any time.
/// </summary>
public sealed class FlowRecorder
{
    /// <summary>Begins a flow.</summary>
    /// <param name="kind">What it is.</param>
    /// <param name="id">Its id.</param>
    /// <param name="parent">The CONNECT or upgrade it is inside of; empty for none.</param>
    /// <param name="client">The client's connection.</param>
    /// <param name="timestamp">Monotonic timestamp of <see cref="TimingPoint.Start"/>.</param>
    public void Begin(FlowKind kind, FlowId id, FlowId parent, ClientConnection client, long timestamp)
    {
    }

    /// <summary>The request head as received.</summary>
    public void Request(Origin origin, ReadOnlySpan<byte> head, Http1Repairs repairs)
    {
    }

    /// <summary>The request head as sent, when an actor changed it; with the origin it went to.</summary>
    public void RequestSent(Origin origin, ReadOnlySpan<byte> head)
    {
    }

    /// <summary>Octets of a body as received, transfer coding removed.</summary>
    public void Body(PeerRole sender, ReadOnlySpan<byte> octets)
    {
    }

    /// <summary>Octets of a body as sent, once an actor changes it; from then on both are kept.</summary>
    public void BodySent(PeerRole sender, ReadOnlySpan<byte> octets)
    {
    }

    /// <summary>Says how many octets a body has that is not shown to the recorder, or adds to them.</summary>
    public void BodyUnseen(PeerRole sender, long octets)
    {
    }

    /// <summary>A trailer section as received, with its empty line.</summary>
    public void Trailers(PeerRole sender, ReadOnlySpan<byte> section)
    {
    }

    /// <summary>The head of an interim response. At most 16 are kept.</summary>
    public void Informational(ReadOnlySpan<byte> head)
    {
    }

    /// <summary>The final response head as received, or as made by the proxy.</summary>
    public void Response(ReadOnlySpan<byte> head, Http1Repairs repairs)
    {
    }

    /// <summary>The response head as sent, when an actor changed it.</summary>
    public void ResponseSent(ReadOnlySpan<byte> head)
    {
    }

    /// <summary>The other end of a tunnel.</summary>
    public void Tunnel(string host, int port)
    {
    }

    /// <summary>The server connection that carries the flow.</summary>
    public void Server(ServerConnection server)
    {
    }

    /// <summary>Stamps a point in time; the first stamp of a point counts.</summary>
    public void Stamp(TimingPoint point, long timestamp)
    {
    }

    /// <summary>Sets marks.</summary>
    public void Mark(FlowMarks marks)
    {
    }

    /// <summary>Records a change.</summary>
    public void Mutate(Mutation mutation)
    {
    }

    /// <summary>Forgets the flow that was begun, as if it had never been; for a CONNECT whose tunnel is shown instead.</summary>
    public void Cancel()
    {
    }

    /// <summary>Ends the flow and stores it; the recorder is free afterwards.</summary>
    /// <param name="reason">Why it ended.</param>
    /// <param name="fault">What went wrong.</param>
    /// <param name="context">Tags, variables and matched rules; <see langword="null"/> for none.</param>
    /// <param name="timestamp">Monotonic timestamp of <see cref="TimingPoint.End"/>.</param>
    public void End(CloseReason reason, FlowFault? fault, FlowContext? context, long timestamp)
    {
    }
}
