using System.Net;
using System.Net.Sockets;
using System.Text;
using RelayCore.Core.Connections;
using RelayCore.Core.Faults;
using RelayCore.Core.Limits;
using RelayCore.Engine.Transport;
using RelayCore.Protocols;
using RelayCore.Protocols.Fields;
using RelayCore.Protocols.Http1;

namespace RelayCore.Engine.Upstream;

/// <summary>Opens connections to servers: name look-up, Happy Eyeballs, parent proxy, TLS. Waits; never called for a pooled connection.</summary>
internal sealed class Connector
{
    private readonly EngineOptions _options;
    private readonly EngineLimits _limits;
    private readonly TimeProvider _time;
    private readonly ITransportFactory _transports;
    private readonly IResolver _resolver;
    private readonly ServerTls _tls;
    private readonly Func<IPEndPoint, bool> _isOwnListener;
    private long _lastId;

    public Connector(EngineOptions options, TimeProvider time, ITransportFactory transports, IResolver resolver, Func<IPEndPoint, bool> isOwnListener)
    {
        (_options, _limits, _time, _transports, _resolver, _isOwnListener) = (options, options.Limits, time, transports, resolver, isOwnListener);
        _tls = new ServerTls(options, time);
    }

    /// <summary>Opens a connection for exchanges with an origin. The permit of the pool is the caller's.</summary>
    /// <param name="pool">The origin.</param>
    /// <param name="offersHttp2">Whether TLS offers HTTP/2 beside HTTP/1.1; what was chosen is in the facts.</param>
    /// <exception cref="UpstreamException">It cannot be reached.</exception>
    public async ValueTask<ServerChannel> OpenAsync(OriginPool pool, bool offersHttp2 = false)
    {
        pool.ThrowRecentFailure(_time.GetTimestamp());
        var origin = pool.Origin;
        var (host, port) = Address(origin);
        var proxy = ProxyFor(host, port, origin.Route);
        if (proxy is not null)
        {
            try
            {
                return await OpenViaAsync(pool, proxy, offersHttp2).ConfigureAwait(false);
            }
            catch (UpstreamException e) when (proxy.FailOpen && e.Fault.Code == "RC-PROXY-001")
            {
                return await OpenDirectAsync(pool, isBypassed: true, offersHttp2).ConfigureAwait(false);
            }
        }

        return await OpenDirectAsync(pool, isBypassed: false, offersHttp2).ConfigureAwait(false);
    }

    /// <summary>Opens a raw connection for a tunnel.</summary>
    /// <exception cref="UpstreamException">It cannot be reached.</exception>
    /// <param name="host">Host to connect to.</param>
    /// <param name="port">Its port.</param>
    /// <param name="serverName">Name for TLS inside the tunnel; <see langword="null"/> for plain octets.</param>
    /// <param name="route">How it is reached; <see langword="null"/> for as ever.</param>
    public async ValueTask<(DuplexTransport Transport, ServerConnection Facts, ReadOnlyMemory<byte> Received)> OpenRawAsync(
        string host, int port, string? serverName, ServerRoute? route)
    {
        var (transport, facts, received) = await OpenPlainAsync(route?.Host ?? host, route?.Port ?? port, route).ConfigureAwait(false);
        return serverName is null ? (transport, facts, received)
            : (await _tls.ConnectAsync(transport, facts, serverName, port, received, route).ConfigureAwait(false), facts, default);
    }

    private async ValueTask<(DuplexTransport Transport, ServerConnection Facts, ReadOnlyMemory<byte> Received)> OpenPlainAsync(
        string host, int port, ServerRoute? route)
    {
        var proxy = ProxyFor(host, port, route);
        if (proxy is not null)
        {
            try
            {
                var (transport, facts) = await DialProxyAsync(proxy, host, port, route).ConfigureAwait(false);
                var rest = await TunnelThroughAsync(transport, proxy, host, port).ConfigureAwait(false);
                return (transport, facts, rest);
            }
            catch (UpstreamException e) when (proxy.FailOpen && e.Fault.Code == "RC-PROXY-001")
            {
                // Fall through: go directly.
            }
        }

        var (direct, directFacts) = await DialAsync(host, port, via: null, route).ConfigureAwait(false);
        return (direct, directFacts, default);
    }

    private static (string Host, int Port) Address(Origin origin) =>
        (origin.Route?.Host ?? origin.DialHost ?? origin.Host, origin.Route?.Port ?? origin.Port);

    private UpstreamProxy? ProxyFor(string host, int port, ServerRoute? route)
    {
        if (route is { IsDirect: true })
        {
            return null;
        }

        if (route?.Proxy is { } named)
        {
            return new(named.IsSecure, named.Host, named.Port, named.Credentials, [], FailOpen: false);
        }

        if (_options.UpstreamProxy is not { } proxy)
        {
            return null;
        }

        foreach (var pattern in proxy.Bypass)
        {
            if (pattern.Matches(host, port))
            {
                return null;
            }
        }

        return proxy;
    }

    private async ValueTask<ServerChannel> OpenDirectAsync(OriginPool pool, bool isBypassed, bool offersHttp2)
    {
        var origin = pool.Origin;
        var (host, port) = Address(origin);
        var (transport, facts) = await DialAsync(host, port, via: null, origin.Route).ConfigureAwait(false);
        if (origin.IsSecure)
        {
            transport = await _tls.ConnectAsync(transport, facts, origin.Host, origin.Port, default, origin.Route, offersHttp2: offersHttp2).ConfigureAwait(false);
        }

        return new ServerChannel(pool, transport, facts) { IsProxyBypassed = isBypassed };
    }

    private async ValueTask<ServerChannel> OpenViaAsync(OriginPool pool, UpstreamProxy proxy, bool offersHttp2)
    {
        var origin = pool.Origin;
        var (host, port) = Address(origin);
        var (transport, facts) = await DialProxyAsync(proxy, host, port, origin.Route).ConfigureAwait(false);

        // A proxy for plain HTTP goes by the URL; only a tunnel gets to another address than the URL's.
        if (!origin.IsSecure && origin.Route is not ({ Host: not null } or { Port: not null }))
        {
            return new ServerChannel(pool, transport, facts) { IsToProxy = true, ProxyAuthorization = Authorization(proxy) };
        }

        var rest = await TunnelThroughAsync(transport, proxy, host, port).ConfigureAwait(false);
        if (origin.IsSecure)
        {
            transport = await _tls.ConnectAsync(transport, facts, origin.Host, origin.Port, rest, origin.Route, offersHttp2: offersHttp2).ConfigureAwait(false);
        }
        else if (!rest.IsEmpty)
        {
            // Nobody asked the server anything yet.
            transport.Reset();
            throw new UpstreamException(new("RC-PROXY-001", FaultStage.Connect, FaultKind.Protocol, PeerRole.Server,
                $"octets came through parent proxy {Origin.Format(proxy.Host, proxy.Port)} before a request was sent", true));
        }

        return new ServerChannel(pool, transport, facts);
    }

    private async ValueTask<(DuplexTransport Transport, ServerConnection Facts)> DialProxyAsync(UpstreamProxy proxy, string host, int port, ServerRoute? route)
    {
        var via = Origin.Format(proxy.Host, proxy.Port);
        try
        {
            var (transport, facts) = await DialAsync(proxy.Host, proxy.Port, via, route, host, port).ConfigureAwait(false);
            if (proxy.IsSecure)
            {
                transport = await _tls.ConnectAsync(transport, facts, proxy.Host, proxy.Port, default, isProxy: true).ConfigureAwait(false);
            }

            return (transport, facts);
        }
        catch (UpstreamException e) when (e.Fault.Code != "RC-LOOP-001")
        {
            throw new UpstreamException(
                new("RC-PROXY-001", FaultStage.Connect, e.Fault.Kind, PeerRole.Server, $"parent proxy {via}: {e.Fault.Detail}", true), e);
        }
    }

    private static byte[]? Authorization(UpstreamProxy proxy) =>
        proxy.Credentials is null ? null : Encoding.ASCII.GetBytes("Basic " + Convert.ToBase64String(Encoding.UTF8.GetBytes(proxy.Credentials)));

    /// <summary>Asks the parent proxy for a tunnel (RFC 9110 §9.3.6).</summary>
    /// <returns>Octets of the tunnel that came with the answer.</returns>
    private async ValueTask<ReadOnlyMemory<byte>> TunnelThroughAsync(DuplexTransport transport, UpstreamProxy proxy, string host, int port)
    {
        var authority = Origin.Format(host, port);
        var authorization = Authorization(proxy);
        var request = $"CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n"
            + (authorization is null ? "" : $"Proxy-Authorization: {Encoding.ASCII.GetString(authorization)}\r\n") + "\r\n";
        var deadline = _time.CreateTimer(static state => ((DuplexTransport)state!).Reset(), transport, _limits.ConnectTimeout, Timeout.InfiniteTimeSpan);
        var input = new ReceiveBuffer();
        try
        {
            await transport.SendAsync(Encoding.ASCII.GetBytes(request)).ConfigureAwait(false);
            var fields = new FieldSection();
            while (true)
            {
                var scanned = 0;
                var length = Http1HeadReader.FindEnd(input.Span, ref scanned, _limits.Http1, Http1Repairs.Response, out _);
                if (length == 0)
                {
                    var received = await transport.ReceiveAsync(input.Room(4096)).ConfigureAwait(false);
                    if (received == 0)
                    {
                        throw new IOException("it closed the connection without an answer to CONNECT");
                    }

                    input.Received(received);
                    continue;
                }

                if (length < 0 || Http1HeadReader.ReadResponse(input.Span[..length], _limits.Http1, Http1Repairs.Response, fields, out var line, out _).IsError)
                {
                    throw new IOException("its answer to CONNECT is malformed");
                }

                input.Consume(length);
                if (line.Status is >= 100 and < 200)
                {
                    continue;
                }

                return line.Status is >= 200 and < 300 ? input.Memory.ToArray() : throw new UpstreamException(new(
                    "RC-PROXY-002", FaultStage.Connect, FaultKind.Policy, PeerRole.Server,
                    $"parent proxy {Origin.Format(proxy.Host, proxy.Port)} answered CONNECT {authority} with {line.Status}"));
            }
        }
        catch (Exception e) when (DuplexTransport.IsFailure(e))
        {
            transport.Reset();
            throw new UpstreamException(
                new("RC-PROXY-001", FaultStage.Connect, FaultKind.Transport, PeerRole.Server, $"parent proxy {proxy.Host}: {e.Message}", true), e);
        }
        catch (UpstreamException)
        {
            transport.Close();
            throw;
        }
        finally
        {
            await deadline.DisposeAsync().ConfigureAwait(false);
            input.Release(discard: true);
        }
    }

    private async ValueTask<(DuplexTransport Transport, ServerConnection Facts)> DialAsync(
        string host, int port, string? via, ServerRoute? route, string? targetHost = null, int targetPort = 0)
    {
        using var timeout = new CancellationTokenSource(_limits.ConnectTimeout, _time);
        var started = _time.GetTimestamp();
        var addresses = await ResolveAsync(host, timeout.Token).ConfigureAwait(false);
        var resolved = _time.GetTimestamp();
        foreach (var address in addresses)
        {
            if (_isOwnListener(new(address, port)))
            {
                throw new UpstreamException(new("RC-LOOP-001", FaultStage.Connect, FaultKind.Policy, PeerRole.Client,
                    $"{Origin.Format(host, port)} is this proxy's own listener"));
            }
        }

        var transport = await HappyEyeballs.ConnectAsync(_transports, addresses, host, port, route?.TimeToLive, _time, timeout.Token).ConfigureAwait(false);
        var connected = _time.GetTimestamp();
        return (transport, new ServerConnection
        {
            Id = Interlocked.Increment(ref _lastId),
            Host = targetHost ?? host,
            Port = targetHost is null ? port : targetPort,
            Via = via,
            OpenedAt = connected,
            LocalEndPoint = transport.LocalEndPoint,
            RemoteEndPoint = transport.RemoteEndPoint,
            ResolveMicroseconds = Microseconds(started, resolved),
            ConnectMicroseconds = Microseconds(resolved, connected),
        });
    }

    private async ValueTask<IPAddress[]> ResolveAsync(string host, CancellationToken cancellationToken)
    {
        if (IPAddress.TryParse(host, out var literal))
        {
            return [literal];
        }

        try
        {
            var addresses = await _resolver.ResolveAsync(host, cancellationToken).ConfigureAwait(false);
            return addresses.Length > 0 ? addresses : throw new SocketException((int)SocketError.HostNotFound);
        }
        catch (OperationCanceledException e)
        {
            throw new UpstreamException(new("RC-DNS-002", FaultStage.Connect, FaultKind.Timeout, null, $"no answer for {host}", true), e);
        }
        catch (Exception e) when (e is SocketException or ArgumentException)
        {
            throw new UpstreamException(
                new("RC-DNS-001", FaultStage.Connect, FaultKind.Transport, null, $"{host}: {e.Message}", e is SocketException { SocketErrorCode: SocketError.TryAgain }), e);
        }
    }

    private long Microseconds(long from, long to) => (long)_time.GetElapsedTime(from, to).TotalMicroseconds;
}
