using System.Diagnostics.CodeAnalysis;

namespace RelayCore.Rules.Memory;

/// <summary>A table of bounded size; when it is full, the entry not used for longest goes. Safe for concurrent use.</summary>
/// <param name="capacity">Most entries.</param>
internal sealed class LruTable<TValue>(int capacity)
    where TValue : class
{
    private readonly Lock _gate = new();
    private readonly Dictionary<string, LinkedListNode<(string Key, TValue Value)>> _entries = new(StringComparer.Ordinal);
    private readonly LinkedList<(string Key, TValue Value)> _order = new();

    /// <summary>Entries held.</summary>
    public int Count
    {
        get
        {
            lock (_gate)
            {
                return _entries.Count;
            }
        }
    }

    /// <summary>Finds an entry, which counts as use.</summary>
    public bool TryGet(string key, [NotNullWhen(true)] out TValue? value)
    {
        lock (_gate)
        {
            value = null;
            if (_entries.TryGetValue(key, out var node))
            {
                Touch(node);
                value = node.Value.Value;
            }

            return value is not null;
        }
    }

    /// <summary>Finds an entry or makes it.</summary>
    public TValue GetOrAdd<TState>(string key, TState state, Func<TState, TValue> create)
    {
        lock (_gate)
        {
            if (_entries.TryGetValue(key, out var node))
            {
                Touch(node);
                return node.Value.Value;
            }

            var value = create(state);
            Add(key, value);
            return value;
        }
    }

    /// <summary>Sets an entry.</summary>
    public void Set(string key, TValue value)
    {
        lock (_gate)
        {
            if (_entries.TryGetValue(key, out var node))
            {
                node.Value = (key, value);
                Touch(node);
                return;
            }

            Add(key, value);
        }
    }

    private void Add(string key, TValue value)
    {
        if (_entries.Count >= capacity && _order.Last is { } oldest)
        {
            _order.RemoveLast();
            _entries.Remove(oldest.Value.Key);
        }

        _entries[key] = _order.AddFirst((key, value));
    }

    private void Touch(LinkedListNode<(string Key, TValue Value)> node)
    {
        if (_order.First != node)
        {
            _order.Remove(node);
            _order.AddFirst(node);
        }
    }
}
