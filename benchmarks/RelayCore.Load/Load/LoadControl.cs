namespace RelayCore.Load.Load;

/// <summary>What the connections of a run ask before each request: may I send, and from when does its latency count.</summary>
internal sealed class LoadControl(long requests, long mostErrors = long.MaxValue)
{
    private readonly TaskCompletionSource _givenUp = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private long _errors;
    private long _left = requests > 0 ? requests : long.MaxValue;

    /// <summary>Latencies are recorded only while this is set.</summary>
    public volatile bool IsMeasuring;

    public volatile bool IsStopping;

    /// <summary>Completes when more requests failed than the run is to bear.</summary>
    public Task GivenUp => _givenUp.Task;

    public void CountErrors(int errors)
    {
        if (Interlocked.Add(ref _errors, errors) > mostErrors)
        {
            _givenUp.TrySetResult();
        }
    }

    public bool TryTakeRequest() => !IsStopping && Interlocked.Decrement(ref _left) >= 0;

    /// <summary>Gives back a request that failed, so that a run by number makes that number succeed or run out of time.</summary>
    public void ReturnRequest() => Interlocked.Increment(ref _left);
}
