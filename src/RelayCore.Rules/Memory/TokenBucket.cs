namespace RelayCore.Rules.Memory;

/// <summary>
/// A bucket of tokens that refills evenly: so many within a window on average, as many at once after a rest. Safe for concurrent use.
/// </summary>
/// <param name="capacity">Tokens it begins with.</param>
internal sealed class TokenBucket(long capacity)
{
    private readonly Lock _gate = new();
    private double _tokens = capacity;
    private long _at = -1;

    /// <summary>Takes a token.</summary>
    /// <param name="limit">Tokens it holds, and that come within a window; a rule loaded anew may have another than before.</param>
    /// <param name="window">In which it fills from empty.</param>
    /// <param name="time">Clock.</param>
    /// <param name="remaining">Whole tokens left.</param>
    /// <param name="wait">Until the next token, when there was none.</param>
    /// <returns>Whether there was one.</returns>
    public bool TryTake(long limit, TimeSpan window, TimeProvider time, out long remaining, out TimeSpan wait)
    {
        lock (_gate)
        {
            var now = time.GetTimestamp();
            if (_at >= 0)
            {
                _tokens += limit * (time.GetElapsedTime(_at, now) / window);
            }

            (_tokens, _at) = (Math.Min(_tokens, limit), now);
            var isTaken = _tokens >= 1;
            _tokens -= isTaken ? 1 : 0;
            remaining = (long)_tokens;
            wait = isTaken ? TimeSpan.Zero : TimeSpan.FromTicks((long)Math.Ceiling((1 - _tokens) / limit * window.Ticks));
            return isTaken;
        }
    }
}
