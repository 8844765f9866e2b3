using RelayCore.Core.Flows;
using RelayCore.Core.Messages;
using RelayCore.Engine.Capture;
using RelayCore.Protocols;

namespace RelayCore.Runtime.Flows;

/// <summary>Looking at captured flows: what every adapter offers comes from here. Safe for concurrent use.</summary>
public sealed class FlowService(FlowStore store, IContentCodings codings)
{
    /// <summary>Largest page.</summary>
    public const int MaxLimit = 200;

    /// <summary>Largest page of messages.</summary>
    public const int MaxMessages = 1000;

    /// <summary>Counters of the capture.</summary>
    public CaptureStatistics Statistics => store.Statistics;

    /// <summary>One page of flows, running ones included, newest first.</summary>
    /// <param name="query">Which; limit and offset are clamped to what is allowed.</param>
    public FlowPage Query(FlowQuery query)
    {
        var (limit, offset) = (Math.Clamp(query.Limit, 1, MaxLimit), Math.Max(0, query.Offset));
        var items = store.List(query).Skip(offset).Take(limit + 1).ToList();
        var more = items.Count > limit;
        if (more)
        {
            items.RemoveAt(limit);
        }

        var statistics = store.Statistics;
        return new()
        {
            Items = items,
            Returned = items.Count,
            Limit = limit,
            Offset = offset,
            NextCursor = more ? items[^1].Id : null,
            Stored = statistics.Live,
            Evicted = statistics.Evicted,
            Dropped = statistics.Dropped,
        };
    }

    /// <summary>A whole flow; <see langword="null"/> when it is unknown or gone.</summary>
    /// <param name="id">Its id.</param>
    /// <param name="maxContent">Octets of content of each body; what is cut is marked.</param>
    public Flow? Get(FlowId id, int maxContent = CapturedFlow.MaxContent)
    {
        using var flow = store.Find(id);
        return flow?.ToFlow(codings, maxContent);
    }

    /// <summary>The line of a list for one flow; <see langword="null"/> when it is unknown or gone.</summary>
    public FlowSummary? Summarize(FlowId id)
    {
        using var flow = store.Find(id);
        return flow?.ToSummary();
    }

    /// <summary>Messages of a flow in order, running flows included.</summary>
    /// <param name="id">Flow.</param>
    /// <param name="after">Number of the last one already seen; 0 for the oldest kept.</param>
    /// <param name="limit">How many at most; clamped to 1 to <see cref="MaxMessages"/>.</param>
    /// <param name="maxContent">Octets of content shown of each; what is cut is marked.</param>
    /// <returns>
    /// The messages, at most 16 MiB of content (then fewer than <paramref name="limit"/>), and the number of the flow's last one;
    /// <see langword="null"/> when there is no such flow.
    /// </returns>
    public (IReadOnlyList<FlowMessage> Messages, long Last)? Messages(FlowId id, long after, int limit, int maxContent = CapturedFlow.MaxContent)
    {
        using var flow = store.Find(id);
        return flow is null ? null : (flow.Messages(Math.Max(0, after), Math.Clamp(limit, 1, MaxMessages), maxContent), flow.MessageCount);
    }

    /// <summary>Has the next message of every running flow announced.</summary>
    internal void AnnounceMessages() => store.AcknowledgeMessages();

    /// <summary>Number of a flow's last message, which is then announced as seen; -1 when there is no such flow.</summary>
    internal long LastMessage(FlowId id)
    {
        var last = store.AcknowledgeMessages(id);
        if (last >= 0)
        {
            return last;
        }

        using var flow = store.Find(id);
        return flow?.MessageCount ?? -1;
    }

    /// <summary>Opens a body as it was on the wire: transfer coding removed, content coding not.</summary>
    /// <param name="id">Flow.</param>
    /// <param name="sender">Client for the request, server for the response.</param>
    /// <param name="sent">As sent after an actor changed it, or as received; <see langword="null"/> for as sent when there is that.</param>
    /// <returns><see langword="null"/> when there is no such flow or view. Dispose it.</returns>
    public FlowBodyStream? OpenBody(FlowId id, PeerRole sender, bool? sent = null)
    {
        var flow = store.Find(id);
        if (flow?.Body(sender, sent) is { } body)
        {
            return new(flow, sender, body);
        }

        flow?.Dispose();
        return null;
    }

    /// <summary>A body with its content codings removed.</summary>
    /// <param name="id">Flow.</param>
    /// <param name="sender">Client for the request, server for the response.</param>
    /// <param name="sent">See <see cref="OpenBody"/>.</param>
    /// <param name="problem">Why it is not decoded whole; <see langword="null"/> when it is.</param>
    /// <returns><see langword="null"/> when there is no such flow or view.</returns>
    public ReadOnlyMemory<byte>? DecodeBody(FlowId id, PeerRole sender, bool? sent, out string? problem)
    {
        problem = null;
        using var flow = store.Find(id);
        if (flow?.Body(sender, sent) is not { } body)
        {
            return null;
        }

        codings.TryDecode(flow.ReadBody(sender, body.IsSent, int.MaxValue), body.ContentEncoding, CapturedFlow.MaxContent, out var content, out problem);
        return content;
    }
}
