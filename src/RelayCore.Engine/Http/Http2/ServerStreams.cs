using RelayCore.Core.Faults;
using RelayCore.Engine.Http.Exchanges;
using RelayCore.Engine.Pipeline;
using RelayCore.Engine.Upstream;

namespace RelayCore.Engine.Http.Http2;

/// <summary>Server streams of either version: HTTP/2 where the server speaks it (ALPN, or known beforehand), otherwise HTTP/1.</summary>
internal sealed class ServerStreams(EngineContext engine, Http1ServerStreams http1) : IServerStreams
{
    /// <inheritdoc/>
    public bool PrefersHttp2(OriginPool pool) => pool.Origin.Route is { HttpVersion: 2 } || (!pool.Origin.IsSecure && IsPriorKnowledge(pool));

    /// <inheritdoc/>
    public ValueTask<ServerStream> AcquireAsync(OriginPool pool, ServerStreamWish wish)
    {
        if (!MayBeHttp2(pool, wish))
        {
            return http1.AcquireAsync(pool, wish);
        }

        return !wish.IsWebSocket && pool.Http2.TryReserve(out var connection)
            ? new(new Http2ServerStream(connection)) : AcquireSlowlyAsync(pool, wish);
    }

    /// <summary>Finds out what the server of an origin speaks, by connecting when it is not known; the connection is kept for what follows.</summary>
    /// <returns><see cref="ServerVersion.Unknown"/> when it cannot be reached.</returns>
    public async ValueTask<ServerVersion> LearnAsync(OriginPool pool)
    {
        if (pool.Origin.Route is { HttpVersion: 1 })
        {
            return ServerVersion.Http1;
        }

        try
        {
            while (engine.Options.Http2 != Http2Use.Never && pool.Http2.Version == ServerVersion.Unknown && !IsPriorKnowledge(pool))
            {
                if (!pool.Http2.TryBeginOpening(pool, out var waiting))
                {
                    await pool.Http2.WaitAsync(waiting, engine.Limits.ConnectTimeout).ConfigureAwait(false);
                    continue;
                }

                var (connection, channel) = await OpenAsync(pool).ConfigureAwait(false);
                if (channel is not null)
                {
                    pool.Return(channel, engine.Time.GetTimestamp());
                }
                else
                {
                    connection!.GiveBackReservation();
                }
            }
        }
        catch (UpstreamException e)
        {
            pool.NoteFailure(e, engine.Time.GetTimestamp());
            return ServerVersion.Unknown;
        }
        catch (TimeoutException)
        {
            return ServerVersion.Unknown;
        }

        return IsPriorKnowledge(pool) ? ServerVersion.Http2 : engine.Options.Http2 == Http2Use.Never ? ServerVersion.Http1 : pool.Http2.Version;
    }

    private bool IsPriorKnowledge(OriginPool pool)
    {
        if (pool.Origin.Route?.HttpVersion is { } forced)
        {
            return forced == 2;
        }

        if (pool.Http2.IsPriorKnowledge)
        {
            return true;
        }

        foreach (var pattern in engine.Options.Http2PriorKnowledge)
        {
            if (pattern.Matches(pool.Origin.Host, pool.Origin.Port))
            {
                return true;
            }
        }

        return false;
    }

    private bool MayBeHttp2(OriginPool pool, in ServerStreamWish wish)
    {
        if (engine.Options.Http2 == Http2Use.Never || (wish.IsTunnel && !wish.IsWebSocket) || pool.Http2.Version == ServerVersion.Http1
            || pool.Origin.Route is { HttpVersion: 1 })
        {
            return false;
        }

        // A login that is bound to its connection cannot share one (RFC 9113 §8.5 has no such thing): its client stays on HTTP/1.
        return (pool.Origin.IsSecure || IsPriorKnowledge(pool)) && !(wish.Pins?.IsHeld(pool.Origin) ?? false);
    }

    private async ValueTask<ServerStream> AcquireSlowlyAsync(OriginPool pool, ServerStreamWish wish)
    {
        await default(ThreadPoolHop);
        try
        {
            while (MayBeHttp2(pool, wish))
            {
                if (pool.Http2.TryReserve(out var connection))
                {
                    return await CheckAsync(pool, connection, wish).ConfigureAwait(false);
                }

                if (!pool.Http2.TryBeginOpening(pool, out var waiting))
                {
                    await pool.Http2.WaitAsync(waiting, engine.Limits.ConnectTimeout).ConfigureAwait(false);
                    continue;
                }

                var (opened, channel) = await OpenAsync(pool).ConfigureAwait(false);
                return channel is not null ? http1.Open(channel, wish) : await CheckAsync(pool, opened!, wish).ConfigureAwait(false);
            }
        }
        catch (TimeoutException)
        {
            throw new UpstreamException(new("RC-CONN-004", FaultStage.Connect, FaultKind.Limit, null,
                $"all streams of the connections to {pool.Origin.HostAndPort} are busy", true));
        }

        return await http1.AcquireAsync(pool, wish).ConfigureAwait(false);
    }

    /// <summary>A WebSocket needs the server's leave (RFC 8441 §3), which is in its SETTINGS; without it HTTP/1 carries it.</summary>
    private async ValueTask<ServerStream> CheckAsync(OriginPool pool, Http2Connection connection, ServerStreamWish wish)
    {
        if (!wish.IsWebSocket)
        {
            return new Http2ServerStream(connection);
        }

        await connection.Settled.WaitAsync(engine.Limits.ConnectTimeout, engine.Time).ConfigureAwait(false);
        if (connection.AllowsConnectProtocol)
        {
            return new Http2ServerStream(connection);
        }

        connection.GiveBackReservation();
        return await http1.AcquireAsync(pool, wish).ConfigureAwait(false);
    }

    /// <summary>Opens a connection, of whichever version; what was begun by <see cref="Http2Pool.TryBeginOpening"/> ends here. One stream of it is reserved.</summary>
    private async ValueTask<(Http2Connection? Connection, ServerChannel? Channel)> OpenAsync(OriginPool pool)
    {
        ServerChannel? channel = null;
        Http2Connection? connection = null;
        Exception? failure = null;
        try
        {
            try
            {
                channel = await engine.Connector.OpenAsync(pool, offersHttp2: true).ConfigureAwait(false);
            }
            finally
            {
                if (channel is null)
                {
                    pool.ReleasePermit();
                }
            }

            var isHttp2 = pool.Origin.IsSecure ? channel.Facts.Tls?.ApplicationProtocol == "h2" : IsPriorKnowledge(pool) && !channel.IsToProxy;
            pool.Http2.Learn(isHttp2 ? ServerVersion.Http2 : ServerVersion.Http1);
            if (!isHttp2)
            {
                return (null, channel);
            }

            connection = new(engine, pool, channel);
            connection.TryReserve();
            _ = RunAsync(connection);
            return (connection, null);
        }
        catch (Exception e) when (e is UpstreamException or TimeoutException)
        {
            failure = e;
            throw;
        }
        finally
        {
            pool.Http2.EndOpening(connection, failure);
        }
    }

    private async Task RunAsync(Http2Connection connection)
    {
        try
        {
            await connection.RunAsync().ConfigureAwait(false);
        }
        catch (Exception e)
        {
            // A defect of ours ends one connection, not the proxy.
            engine.OnFailure?.Invoke(e);
        }
    }
}
