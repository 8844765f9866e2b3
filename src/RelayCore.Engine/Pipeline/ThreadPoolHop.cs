using System.Runtime.CompilerServices;

namespace RelayCore.Engine.Pipeline;

/// <summary>Leaves the I/O thread: what follows <c>await</c> runs on the thread pool.</summary>
internal readonly struct ThreadPoolHop : ICriticalNotifyCompletion
{
    public bool IsCompleted => Thread.CurrentThread.IsThreadPoolThread;

    public ThreadPoolHop GetAwaiter() => this;

    public void GetResult()
    {
    }

    public void OnCompleted(Action continuation) => UnsafeOnCompleted(continuation);

    public void UnsafeOnCompleted(Action continuation) => ThreadPool.UnsafeQueueUserWorkItem(static x => x(), continuation, preferLocal: false);
}
