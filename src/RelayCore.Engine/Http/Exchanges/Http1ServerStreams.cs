using RelayCore.Core.Faults;
using RelayCore.Core.Limits;
using RelayCore.Engine.Pipeline;
using RelayCore.Engine.Upstream;

namespace RelayCore.Engine.Http.Exchanges;

/// <summary>Server streams over HTTP/1 connections of the pool, one exchange each.</summary>
internal sealed class Http1ServerStreams(EngineLimits limits, TimeProvider time, Connector connector) : IServerStreams
{
    /// <inheritdoc/>
    public bool PrefersHttp2(OriginPool pool) => false;

    /// <inheritdoc/>
    public ValueTask<ServerVersion> LearnAsync(OriginPool pool) => new(ServerVersion.Http1);

    /// <inheritdoc/>
    public ValueTask<ServerStream> AcquireAsync(OriginPool pool, ServerStreamWish wish)
    {
        if (wish.Pins?.TryTake(pool.Origin) is { } pinned)
        {
            return new(Open(pinned, wish));
        }

        if (wish.MustBeNew)
        {
            pool.CloseIdle(long.MaxValue);
        }

        return pool.TryTake(wish.MustBeFresh, time.GetTimestamp(), out var channel)
            ? channel is not null ? new(Open(channel, wish)) : ConnectAsync(pool, wish)
            : WaitAsync(pool, wish);
    }

    /// <summary>A channel as a server stream.</summary>
    public Http1ServerStream Open(ServerChannel channel, in ServerStreamWish wish)
    {
        var stream = channel.Stream ??= new Http1ServerStream(limits, time, channel);
        stream.Open(wish.Pins);
        return stream;
    }

    private async ValueTask<ServerStream> WaitAsync(OriginPool pool, ServerStreamWish wish)
    {
        await default(ThreadPoolHop);
        ServerChannel? channel;
        try
        {
            channel = await pool.WaitAsync().ConfigureAwait(false);
        }
        catch (TimeoutException)
        {
            throw new UpstreamException(new("RC-CONN-004", FaultStage.Connect, FaultKind.Limit, null,
                $"{limits.MaxServerConnectionsPerOrigin} connections to {pool.Origin.HostAndPort} are busy", true));
        }

        return channel is not null ? Open(channel, wish) : await ConnectAsync(pool, wish).ConfigureAwait(false);
    }

    private async ValueTask<ServerStream> ConnectAsync(OriginPool pool, ServerStreamWish wish)
    {
        ServerChannel? channel = null;
        try
        {
            channel = await connector.OpenAsync(pool).ConfigureAwait(false);
            return Open(channel, wish);
        }
        finally
        {
            if (channel is null)
            {
                pool.ReleasePermit();
            }
        }
    }
}
