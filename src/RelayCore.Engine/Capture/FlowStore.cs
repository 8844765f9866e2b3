using RelayCore.Core.Limits;

namespace RelayCore.Engine.Capture;

/// <summary>Finished flows in a ring of native memory, bounded by octets and count; running flows by reference.</summary>
public sealed class FlowStore : IDisposable
{
    /// <summary>An empty store.</summary>
    public FlowStore(EngineLimits limits, TimeProvider time)
    {
    }

    /// <summary>A recorder for a new session; return it with <see cref="Return"/>.</summary>
    public FlowRecorder Rent() => new();

    /// <summary>Takes a recorder back when its session ends.</summary>
    public void Return(FlowRecorder recorder)
    {
    }

    /// <inheritdoc/>
    public void Dispose()
    {
    }
}
