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

    private readonly List<RuleSet> _sets = [];
    private Dictionary<string, (long Hits, long LastHit)> _before = new(StringComparer.Ordinal);

    /// <summary>Another set is in force; counters of ids it does not have are forgotten.</summary>
    public void Swap(RuleSet set, IReadOnlySet<string> ids)
    {
        if (_sets.Count == MaxGenerations)
        {
            foreach (var rule in _sets[0].Rules)
            {
                _before[rule.Id] = Sum(_before.GetValueOrDefault(rule.Id), rule);
            }

            _sets.RemoveAt(0);
        }

        _sets.Add(set);
        _before = _before.Where(x => ids.Contains(x.Key)).ToDictionary(StringComparer.Ordinal);
    }

    /// <summary>Hits and UTC ticks of the last one, for every id that has any.</summary>
    public Dictionary<string, (long Hits, long LastHit)> Read()
    {
        var all = new Dictionary<string, (long Hits, long LastHit)>(_before, StringComparer.Ordinal);
        foreach (var rule in _sets.SelectMany(x => x.Rules))
        {
            all[rule.Id] = Sum(all.GetValueOrDefault(rule.Id), rule);
        }

        return all;
    }

    private static (long Hits, long LastHit) Sum((long Hits, long LastHit) before, CompiledRule rule) =>
        (before.Hits + rule.Hits, Math.Max(before.LastHit, rule.LastHit));
}
