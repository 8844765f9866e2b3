using RelayCore.Rules.Execution;

namespace RelayCore.Runtime.Rules;

/// <summary>
/// Hits of rules by id, over all sets there were. Flows keep counting on the set they began with, so the rules of the last sets are kept and asked;
/// what older ones counted is added up. Not for concurrent use.
/// </summary>
internal sealed class RuleCounters
{
    /// <summary>Sets of which running flows still count; a flow that outlives more of them is not counted any more.</summary>
    private const int MaxGenerations = 4;

    private readonly List<Dictionary<string, CompiledRule>> _sets = [];
    private readonly Dictionary<string, (long Hits, long LastHit)> _before = new(StringComparer.Ordinal);

    /// <summary>Another set is in force; counters of ids it does not have are forgotten.</summary>
    public void Swap(RuleSet? set, IReadOnlySet<string> ids)
    {
        if (_sets.Count == MaxGenerations)
        {
            foreach (var (id, rule) in _sets[0])
            {
                _before[id] = Sum(_before.GetValueOrDefault(id), rule);
            }

            _sets.RemoveAt(0);
        }

        _sets.Add((set?.Rules ?? []).ToDictionary(x => x.Id, StringComparer.Ordinal));
        foreach (var gone in _sets.SelectMany(x => x.Keys).Concat(_before.Keys).Where(x => !ids.Contains(x)).ToList())
        {
            _before.Remove(gone);
            _sets.ForEach(x => x.Remove(gone));
        }
    }

    /// <summary>Hits and UTC ticks of the last one, for every id that has any.</summary>
    public Dictionary<string, (long Hits, long LastHit)> Read()
    {
        var all = new Dictionary<string, (long Hits, long LastHit)>(_before, StringComparer.Ordinal);
        foreach (var (id, rule) in _sets.SelectMany(x => x))
        {
            all[id] = Sum(all.GetValueOrDefault(id), rule);
        }

        return all;
    }

    private static (long Hits, long LastHit) Sum((long Hits, long LastHit) before, CompiledRule rule) =>
        (before.Hits + rule.Hits, Math.Max(before.LastHit, rule.LastHit));
}
