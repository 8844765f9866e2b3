using System.Collections.Concurrent;
using RelayCore.Core.Connections;
using RelayCore.Core.Interception;
using RelayCore.Core.Limits;

namespace RelayCore.Engine.Upstream;

/// <summary>All server connections, by origin.</summary>
internal sealed class ServerPool(EngineLimits limits, TimeProvider time)
{
    private const int MaxOrigins = 65_536;
    private static readonly TimeSpan s_trusted = TimeSpan.FromSeconds(1);

    private readonly ConcurrentDictionary<Origin, OriginPool> _pools = new();
    private readonly long _trustedTicks = (long)(s_trusted.TotalSeconds * time.TimestampFrequency);
    private int _idle;

    public EngineLimits Limits => limits;

    public TimeProvider Time => time;

    public OriginPool For(Origin origin) => _pools.GetOrAdd(origin, static (key, owner) => new(key, owner), this);

    /// <summary>Where a request goes, by the way its flow says.</summary>
    /// <param name="exchange">The request.</param>
    /// <param name="inherited">The route of the tunnel it is inside of.</param>
    public static Origin Routed(Exchange exchange, ServerRoute? inherited)
    {
        var (origin, route) = (exchange.Request.Origin, exchange.Route);
        if (ReferenceEquals(origin.Route, route))
        {
            return origin;
        }

        // A request that was sent to another server left the one that the tunnel's address was for.
        return origin with { Route = origin.Route is null && ReferenceEquals(route, inherited) ? route?.ForOtherServer() : route };
    }

    /// <summary>Whether a connection was idle so long that it deserves a look before it is used: that costs a system call.</summary>
    public bool IsOld(ServerChannel channel, long now) => now - channel.IdleSince > _trustedTicks;

    public void IdleChanged(int by) => Interlocked.Add(ref _idle, by);

    public bool TryKeepIdle()
    {
        if (Interlocked.Increment(ref _idle) <= limits.MaxIdle)
        {
            return true;
        }

        Interlocked.Decrement(ref _idle);
        return false;
    }

    /// <summary>Closes what was idle too long and forgets origins without connections; called every second.</summary>
    public void Sweep()
    {
        var bound = limits.PoolIdleTimeout == Timeout.InfiniteTimeSpan ? long.MinValue
            : time.GetTimestamp() - (long)(limits.PoolIdleTimeout.TotalSeconds * time.TimestampFrequency);
        foreach (var (origin, pool) in _pools)
        {
            pool.CloseIdle(bound);

            // A session may hold the pool object a little longer; a second object for the origin then only loosens the bound for a moment.
            if (_pools.Count > MaxOrigins / 2 && pool.IsUnused)
            {
                _pools.TryRemove(new(origin, pool));
            }
        }
    }

    public void CloseAll()
    {
        foreach (var pool in _pools.Values)
        {
            pool.CloseIdle(long.MaxValue);
            pool.Http2.CloseAll();
        }
    }
}
