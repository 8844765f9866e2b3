using RelayCore.Core.Flows;

namespace RelayCore.Engine.Capture;

/// <summary>
/// Lists flows newest first, by id, each once. Slabs are in the order in which flows ended, so a slab is opened when the flow to be
/// shown next could be in it: usually one or two are enough for a page.
/// </summary>
internal sealed class FlowSearch(FlowQuery query, FlowRecorder[] recorders, Func<(Slab Slab, int Count, FlowId Min, FlowId Max)[]> slabs, Func<FlowId, CapturedFlow?> find)
{
    private readonly FlowMatcher _matcher = new(query);
    private readonly PriorityQueue<Candidate, FlowId> _candidates = new(Comparer<FlowId>.Create((x, y) => y.CompareTo(x)));
    private readonly FlowId? _before = query.Cursor;

    /// <summary>Runs the search as far as it is enumerated.</summary>
    public IEnumerable<FlowSummary> Run()
    {
        // Running flows first, finished ones after: whoever ends in between is in both, never in neither.
        foreach (var recorder in recorders)
        {
            if (recorder.TryGetId(out var id) && IsBefore(id))
            {
                _candidates.Enqueue(new(null, 0, recorder), id);
            }
        }

        var waiting = slabs();
        Array.Sort(waiting, (x, y) => y.Max.CompareTo(x.Max));
        var (next, last) = (0, default(FlowId));
        while (true)
        {
            while (next < waiting.Length && (!_candidates.TryPeek(out _, out var first) || waiting[next].Max >= first))
            {
                Open(waiting[next++]);
            }

            if (!_candidates.TryDequeue(out var candidate, out var id))
            {
                if (next == waiting.Length)
                {
                    yield break;
                }

                continue;
            }

            if (id != last && Show(candidate, id) is { } summary)
            {
                yield return summary;
            }

            last = id;
        }
    }

    private bool IsBefore(FlowId id) => _before is not { } before || id < before;

    private void Open((Slab Slab, int Count, FlowId Min, FlowId Max) waiting)
    {
        var (slab, count, min, _) = waiting;
        if (!IsBefore(min) || !slab.TryPin())
        {
            return;
        }

        try
        {
            for (var slot = slab.FirstLive; slot < count; slot++)
            {
                ref readonly var entry = ref slab.Entry(slot);
                if (_matcher.MayMatch(entry) && IsBefore(new(entry.Id)))
                {
                    _candidates.Enqueue(new(slab, slot, null), new(entry.Id));
                }
            }
        }
        finally
        {
            slab.Unpin();
        }
    }

    private FlowSummary? Show(Candidate candidate, FlowId id)
    {
        if (candidate.Slab is not { } slab)
        {
            // A flow that ended since is looked up where it went; the list of slabs may be older than that.
            using var flow = candidate.Recorder!.Snapshot(id) ?? find(id);
            return flow is not null && _matcher.MayMatch(flow.View.Entry) && _matcher.Matches(flow.View) ? flow.ToSummary() : null;
        }

        if (!slab.TryPin())
        {
            return null;
        }

        try
        {
            if (candidate.Slot < slab.FirstLive)
            {
                return null;
            }

            var view = slab.View(candidate.Slot);
            return _matcher.Matches(view) ? FlowSummaries.Read(view) : null;
        }
        finally
        {
            slab.Unpin();
        }
    }

    private readonly record struct Candidate(Slab? Slab, int Slot, FlowRecorder? Recorder);
}
