using RelayCore.Core.Flows;

namespace RelayCore.Engine.Capture;

/// <summary>What happened to a flow.</summary>
public enum FlowChange : byte
{
    /// <summary>It began.</summary>
    Started,

    /// <summary>Its request head, or the other end of the tunnel, is known.</summary>
    Request,

    /// <summary>The final response head is there.</summary>
    Response,

    /// <summary>It is over and stored.</summary>
    Completed,

    /// <summary>It failed and is stored.</summary>
    Errored,

    /// <summary>It is over, and there was no memory to store it.</summary>
    Lost,

    /// <summary>It is not shown after all: what it carries is.</summary>
    Cancelled,
}

/// <summary>Told about every change of every flow. Called on I/O threads: it must be short, never wait and never throw.</summary>
public interface IFlowListener
{
    /// <summary>A flow changed; what it looks like now is to be had from <see cref="FlowStore.Find"/>.</summary>
    void FlowChanged(FlowId id, FlowChange change);

    /// <summary>
    /// A message was appended to the history of a flow. The next one is announced only after somebody read this flow's messages
    /// (<see cref="FlowStore.AcknowledgeMessages(FlowId)"/>): a fast socket that nobody follows costs one call.
    /// </summary>
    /// <param name="id">The flow.</param>
    /// <param name="number">Number of the message within the flow, from 1.</param>
    void MessageAppended(FlowId id, long number);
}

/// <summary>Counters of the capture at one moment.</summary>
/// <param name="Stored">Flows stored since the start.</param>
/// <param name="Evicted">Stored flows that had to go since.</param>
/// <param name="Dropped">Flows that could not be stored at all.</param>
/// <param name="Truncated">Flows stored with part of a body or head missing.</param>
/// <param name="Running">Flows that have not ended.</param>
/// <param name="MemoryUsed">Native memory of flows and index, and large scratch of running flows, in octets.</param>
/// <param name="MemoryLimit">Its bound.</param>
/// <param name="MaxFlows">Bound on the number of flows kept.</param>
public readonly record struct CaptureStatistics(
    long Stored, long Evicted, long Dropped, long Truncated, int Running, long MemoryUsed, long MemoryLimit, int MaxFlows)
{
    /// <summary>Finished flows that can be read.</summary>
    public long Live => Stored - Evicted;
}
