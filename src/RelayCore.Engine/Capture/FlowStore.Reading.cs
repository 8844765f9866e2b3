using RelayCore.Core.Flows;

namespace RelayCore.Engine.Capture;

/// <summary>The part that reads. Nothing here holds the commit lock for longer than it takes to copy the list of slabs.</summary>
public sealed partial class FlowStore
{
    /// <summary>Takes one flow out, running or finished.</summary>
    /// <returns><see langword="null"/> when it is unknown or gone. Dispose it.</returns>
    public CapturedFlow? Find(FlowId id)
    {
        // Running ones first: a flow that ends meanwhile is then found among the finished ones, never in neither place.
        foreach (var recorder in Recorders())
        {
            if (recorder.MayBe(id) && recorder.Snapshot(id) is { } running)
            {
                return running;
            }
        }

        foreach (var (slab, count, min, max) in Slabs())
        {
            if (id < min || id > max || !slab.TryPin())
            {
                continue;
            }

            try
            {
                for (var slot = count - 1; slot >= slab.FirstLive; slot--)
                {
                    if (slab.Entry(slot).Id == id.Value)
                    {
                        return Copy(slab, slot);
                    }
                }
            }
            finally
            {
                slab.Unpin();
            }
        }

        return null;
    }

    /// <summary>Lists flows, running and finished, newest first by id and each once, as far as it is enumerated.</summary>
    /// <param name="query">Which; its limit and offset are the caller's.</param>
    public IEnumerable<FlowSummary> List(FlowQuery query) => new FlowSearch(query, Recorders(), Slabs, Find).Run();

    /// <summary>Says that a reader is about to look at the messages of a running flow: the next one is announced to the listener again.</summary>
    /// <returns>Number of the last message, or -1 when the flow is not running.</returns>
    public long AcknowledgeMessages(FlowId id)
    {
        foreach (var recorder in Recorders())
        {
            if (recorder.MayBe(id) && recorder.Acknowledge(id) is >= 0 and var last)
            {
                return last;
            }
        }

        return -1;
    }

    /// <summary>Has the next message of every running flow announced, for a reader who begins now.</summary>
    public void AcknowledgeMessages()
    {
        foreach (var recorder in Recorders())
        {
            recorder.Acknowledge();
        }
    }

    private static CapturedFlow? Copy(Slab slab, int slot)
    {
        var view = slab.View(slot);
        var blocks = slab.PinBlocks(slot);
        if (blocks is null && (view.Entry.Flags & FlowEntry.HasBlocks) != 0)
        {
            return null; // evicted this very moment
        }

        return new(view.Entry, view.Sections.ToArray(), view.Client.ToArray(), view.Server.ToArray(), blocks, blocks?.Messages?.Pin());
    }

    /// <summary>Slabs with flows, newest first.</summary>
    private (Slab Slab, int Count, FlowId Min, FlowId Max)[] Slabs()
    {
        lock (_gate)
        {
            var slabs = new (Slab, int, FlowId, FlowId)[_slabs.Count];
            var next = slabs.Length;
            foreach (var slab in _slabs)
            {
                // A slab without flows has the empty id for both bounds and is found by nobody.
                slabs[--next] = (slab, slab.Count, slab.MinId, slab.MaxId);
            }

            return slabs;
        }
    }
}
