using RelayCore.Core.Flows;

namespace RelayCore.Cli.Flows;

/// <summary>
/// Tells the first news of the end of a flow from later ones: an event shows its flow as it is when it is read, so a flow that ended quickly is seen
/// ended more than once. Remembers the last few thousand.
/// </summary>
internal sealed class EndedFlows
{
    private const int Capacity = 4096;
    private readonly HashSet<string> _known = new(StringComparer.Ordinal);
    private readonly Queue<string> _order = new();

    /// <summary>Whether the flow has ended and this was not said before.</summary>
    public bool IsNew(FlowSummary flow)
    {
        if (flow.State == "running" || !_known.Add(flow.Id))
        {
            return false;
        }

        _order.Enqueue(flow.Id);
        if (_order.Count > Capacity)
        {
            _known.Remove(_order.Dequeue());
        }

        return true;
    }
}
