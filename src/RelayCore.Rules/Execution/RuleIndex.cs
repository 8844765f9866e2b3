using System.Numerics;
using System.Text;
using RelayCore.Core.Interception;
using RelayCore.Rules.Filters;

namespace RelayCore.Rules.Execution;

/// <summary>
/// Says which rules of a stage may match an exchange, by the host, path or method their filters demand. Each rule is in one place, the most
/// selective one; the filter decides afterwards. Costs one look-up per kind of hint that is in use, and one word per 64 rules. Immutable.
/// </summary>
internal sealed class RuleIndex
{
    private const int MaxHost = 256;

    private readonly ulong[] _rest;
    private readonly ulong[] _all;
    private readonly PrefixTable? _hosts;
    private readonly PrefixTable? _suffixes;
    private readonly PrefixTable? _paths;
    private readonly PrefixTable? _methods;

    public RuleIndex(IReadOnlyList<Condition> filters)
    {
        Count = filters.Count;
        _rest = new ulong[(Count + 63) / 64];
        _all = new ulong[_rest.Length];
        List<(byte[] Key, int Rule)> hosts = [], suffixes = [], paths = [], methods = [];
        for (var i = 0; i < filters.Count; i++)
        {
            Set(_all, i);
            var filter = filters[i];
            if (filter.Host is { } host && IsKey(host.Value))
            {
                // Backwards, so that the end of a host is the beginning of a text.
                (host.IsSuffix ? suffixes : hosts).Add((Reversed(host.Value), i));
            }
            else if (filter.PathPrefix is { } path && IsKey(path))
            {
                paths.Add((Encoding.ASCII.GetBytes(path), i));
            }
            else if (filter.Method is { } method && IsKey(method))
            {
                methods.Add((Encoding.ASCII.GetBytes(method), i));
            }
            else
            {
                Set(_rest, i);
            }
        }

        (_hosts, _suffixes, _paths, _methods) = (Table(hosts), Table(suffixes), Table(paths), Table(methods));
    }

    /// <summary>Rules.</summary>
    public int Count { get; }

    /// <summary>Words of a selection.</summary>
    public int Words => _rest.Length;

    /// <summary>Selects the rules that may match.</summary>
    /// <param name="exchange">The exchange; <see langword="null"/> selects all, because hosts of connections are not always what hints are about.</param>
    /// <param name="selected">A bit per rule; at least <see cref="Words"/> words.</param>
    public void Select(Exchange? exchange, Span<ulong> selected)
    {
        if (exchange is null)
        {
            _all.CopyTo(selected);
            return;
        }

        _rest.CopyTo(selected);
        if (_hosts is not null || _suffixes is not null)
        {
            var host = exchange.Request.Origin.Host;
            Span<byte> reversed = stackalloc byte[MaxHost];
            var length = Math.Min(host.Length, MaxHost);
            for (var i = 0; i < length; i++)
            {
                var c = host[host.Length - 1 - i];
                reversed[i] = c > 0x7F ? (byte)0xFF : c is >= 'A' and <= 'Z' ? (byte)(c | 0x20) : (byte)c;
            }

            if (host.Length <= MaxHost)
            {
                _hosts?.SelectEqual(reversed[..length], selected);
            }

            _suffixes?.SelectPrefixes(reversed[..length], selected);
        }

        _paths?.SelectPrefixes(exchange.Request.PathOctets, selected);
        _methods?.SelectEqual(exchange.Request.MethodOctets, selected);
    }

    /// <summary>The next selected rule at or behind an ordinal, or -1.</summary>
    public static int Next(ReadOnlySpan<ulong> selected, int from)
    {
        var word = from >> 6;
        if (word >= selected.Length)
        {
            return -1;
        }

        var bits = selected[word] & (ulong.MaxValue << (from & 63));
        while (bits == 0)
        {
            if (++word == selected.Length)
            {
                return -1;
            }

            bits = selected[word];
        }

        return (word << 6) + BitOperations.TrailingZeroCount(bits);
    }

    internal static void Set(Span<ulong> selected, int rule) => selected[rule >> 6] |= 1UL << (rule & 63);

    private static PrefixTable? Table(List<(byte[] Key, int Rule)> entries) => entries.Count == 0 ? null : new(entries);

    private static bool IsKey(string hint) => hint.Length is > 0 and <= MaxHost && Ascii.IsValid(hint);

    private static byte[] Reversed(string host)
    {
        var octets = Encoding.ASCII.GetBytes(host.ToLowerInvariant());
        octets.AsSpan().Reverse();
        return octets;
    }
}

/// <summary>
/// Keys in order, each with the longest other key that begins it: whatever begins a text is found by one binary search and a walk up from there.
/// For every key that begins the text begins its greatest key not above it as well.
/// </summary>
internal sealed class PrefixTable
{
    private readonly byte[][] _keys;
    private readonly int[][] _rules;
    private readonly int[] _parents;

    public PrefixTable(IEnumerable<(byte[] Key, int Rule)> entries)
    {
        var groups = entries.GroupBy(x => Convert.ToHexString(x.Key), StringComparer.Ordinal).OrderBy(x => x.Key, StringComparer.Ordinal).ToArray();
        _keys = [.. groups.Select(x => x.First().Key)];
        _rules = [.. groups.Select(x => x.Select(y => y.Rule).ToArray())];
        _parents = new int[_keys.Length];
        for (var i = 0; i < _keys.Length; i++)
        {
            var parent = i - 1;
            while (parent >= 0 && !_keys[i].AsSpan().StartsWith(_keys[parent]))
            {
                parent = _parents[parent];
            }

            _parents[i] = parent;
        }
    }

    /// <summary>Selects the rules of the key that is the text.</summary>
    public void SelectEqual(ReadOnlySpan<byte> text, Span<ulong> selected)
    {
        var at = Floor(text);
        if (at >= 0 && text.SequenceEqual(_keys[at]))
        {
            Select(at, selected);
        }
    }

    /// <summary>Selects the rules of every key that begins the text.</summary>
    public void SelectPrefixes(ReadOnlySpan<byte> text, Span<ulong> selected)
    {
        for (var at = Floor(text); at >= 0; at = _parents[at])
        {
            if (text.StartsWith(_keys[at]))
            {
                Select(at, selected);
            }
        }
    }

    private void Select(int at, Span<ulong> selected)
    {
        foreach (var rule in _rules[at])
        {
            RuleIndex.Set(selected, rule);
        }
    }

    // The greatest key not above the text.
    private int Floor(ReadOnlySpan<byte> text)
    {
        var (low, high) = (0, _keys.Length - 1);
        while (low <= high)
        {
            var middle = (low + high) >>> 1;
            if (text.SequenceCompareTo(_keys[middle]) >= 0)
            {
                low = middle + 1;
            }
            else
            {
                high = middle - 1;
            }
        }

        return high;
    }
}
