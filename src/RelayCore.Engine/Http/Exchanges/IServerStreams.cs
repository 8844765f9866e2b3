using RelayCore.Engine.Upstream;

namespace RelayCore.Engine.Http.Exchanges;

/// <summary>What an exchange wants from the server stream it is about to get.</summary>
/// <param name="MustBeFresh">The request cannot be repeated: a connection that may have gone is looked at first.</param>
/// <param name="MustBeNew">A connection that was idle had gone: the others of that age are not to be tried.</param>
/// <param name="IsTunnel">The request is CONNECT or an upgrade: the stream becomes octets both ways (<see cref="ExchangeStream.AsTransport"/>).</param>
/// <param name="IsWebSocket">The upgrade is to a WebSocket: an HTTP/2 connection must allow it (RFC 8441 §3), HTTP/1 always does.</param>
/// <param name="Pins">Connections that belong to this client; <see langword="null"/> for none.</param>
internal readonly record struct ServerStreamWish(bool MustBeFresh, bool MustBeNew, bool IsTunnel, bool IsWebSocket, PinnedChannels? Pins);

/// <summary>Where exchanges get the server's side from: chooses version and connection.</summary>
internal interface IServerStreams
{
    /// <summary>Whether requests of an HTTP/1 client to this origin are to go over HTTP/2: by option, or because its server speaks nothing else.</summary>
    bool PrefersHttp2(OriginPool pool);

    /// <summary>Finds out what the server of an origin speaks, by connecting when it is not known; the connection is kept for what follows.</summary>
    /// <returns><see cref="ServerVersion.Unknown"/> when it cannot be reached.</returns>
    ValueTask<ServerVersion> LearnAsync(OriginPool pool);

    /// <summary>A stream for one exchange, on an idle, a shared or a new connection. Waits when the bounds are reached.</summary>
    /// <exception cref="UpstreamException">The server cannot be reached, or too many are waiting.</exception>
    ValueTask<ServerStream> AcquireAsync(OriginPool pool, ServerStreamWish wish);
}
