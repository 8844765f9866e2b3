namespace RelayCore.Rules.Memory;

/// <summary>What rules remember from flow to flow and from one rule set to the next. Everything is bounded. Safe for concurrent use.</summary>
internal sealed class RuleMemory
{
    /// <summary>Most counters, and most sequences. Breach: the one not used for longest starts again.</summary>
    public const int MaxCounters = 10_000;

    /// <summary>Most rules that limit rates, and most keys of each. Breach: the one not used for longest starts with a full bucket.</summary>
    public const int MaxBuckets = 10_000;

    /// <summary>Most origins credentials are kept of. Breach: the one not used for longest is forgotten.</summary>
    public const int MaxCredentials = 10_000;

    private readonly LruTable<Counter> _counters = new(MaxCounters);
    private readonly LruTable<LruTable<TokenBucket>> _buckets = new(MaxBuckets);
    private readonly LruTable<string> _credentials = new(MaxCredentials);
    private long _pauses;

    /// <summary>Cookies servers set.</summary>
    public CookieJar Cookies { get; } = new();

    /// <summary>Counts up.</summary>
    /// <param name="name">Which counter; counters of templates and positions of sequences are told apart by a prefix.</param>
    /// <returns>The new count, from 1.</returns>
    public long Count(string name) => _counters.GetOrAdd(name, 0, static _ => new()).Next();

    /// <summary>Number for a pause of a message, unique in the process.</summary>
    public long NextPause() => Interlocked.Increment(ref _pauses);

    /// <summary>The bucket of a key.</summary>
    /// <param name="owner">Rule and action.</param>
    /// <param name="key">Whom it limits.</param>
    /// <param name="capacity">Most tokens, in a new bucket all of them.</param>
    public TokenBucket Bucket(string owner, string key, long capacity) =>
        _buckets.GetOrAdd(owner, 0, static _ => new(MaxBuckets)).GetOrAdd(key, capacity, static x => new(x));

    /// <summary>Keys a rule has buckets for.</summary>
    public int BucketCount(string owner) => _buckets.TryGet(owner, out var table) ? table.Count : 0;

    /// <summary>Keeps the credentials a client showed to an origin.</summary>
    public void Remember(string origin, string authorization) => _credentials.Set(origin, authorization);

    /// <summary>Credentials last shown to an origin; <see langword="null"/> for none.</summary>
    public string? Credentials(string origin) => _credentials.TryGet(origin, out var found) ? found : null;

    private sealed class Counter
    {
        private long _value;

        public long Next() => Interlocked.Increment(ref _value);
    }
}
