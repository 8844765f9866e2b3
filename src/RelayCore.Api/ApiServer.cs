using System.Net;
using System.Net.Sockets;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Transport.Sockets;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using RelayCore.Api.Endpoints;
using RelayCore.Core.Connections;
using RelayCore.Engine;
using RelayCore.Runtime;

namespace RelayCore.Api;

/// <summary>
/// The control API: <c>/api/v1</c> over HTTP/1.1, loopback and bearer token by default. Binding and serving are two steps, because a socket is bound in
/// microseconds and a web server starts in a tenth of a second: whoever connects in between waits in the socket's queue.
/// </summary>
public sealed class ApiServer : IAsyncDisposable
{
    private readonly ApiOptions _options;
    private readonly Socket _socket;
    private readonly CancellationTokenSource _stopping = new();
    private WebApplication? _application;

    private ApiServer(ApiOptions options, Socket socket)
    {
        (_options, _socket) = (options, socket);
        EndPoint = (IPEndPoint)socket.LocalEndPoint!;
    }

    /// <summary>The address bound.</summary>
    public IPEndPoint EndPoint { get; }

    /// <summary>The bearer token.</summary>
    public string Token => _options.Token;

    /// <summary>URL for a client on this machine, without <c>/api/v1</c>.</summary>
    public string Url => $"http://{Origin.Format(ReachableAddress(EndPoint.Address).ToString(), EndPoint.Port)}";

    /// <summary>Binds the address; connections queue until <see cref="StartAsync"/>.</summary>
    /// <exception cref="ListenException">The address cannot be bound.</exception>
    public static ApiServer Bind(ApiOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        var socket = new Socket(options.Listen.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            if (options.Listen.Address.Equals(IPAddress.IPv6Any))
            {
                socket.DualMode = true;
            }

            socket.Bind(options.Listen);
            socket.Listen(512);
            return new(options, socket);
        }
        catch (SocketException error)
        {
            socket.Dispose();
            throw new ListenException(options.Listen, $"{options.Listen} cannot be bound: {error.Message}.", error);
        }
    }

    /// <summary>Begins to serve.</summary>
    /// <param name="host">What is served.</param>
    /// <param name="cancellationToken">Gives up starting.</param>
    public async Task StartAsync(RelayCoreHost host, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(host);

        // Empty: no settings files of the folder we happen to run in, no ASPNETCORE_ variables, no console logger.
        var builder = WebApplication.CreateEmptyBuilder(new());
        builder.WebHost.UseKestrelCore().ConfigureKestrel(kestrel =>
        {
            kestrel.AddServerHeader = false;
            kestrel.Limits.MaxRequestBodySize = 1 << 20;
            kestrel.Limits.MaxConcurrentConnections = 1024;
            kestrel.Listen(_options.Listen);
        });
        builder.Services.Configure<SocketTransportOptions>(x => x.CreateBoundListenSocket = _ => _socket);
        builder.Services.Configure<HostOptions>(x => x.ShutdownTimeout = TimeSpan.FromMilliseconds(300));
        builder.Services.AddRoutingCore();
        _application = builder.Build();
        _application.Use(new AccessPolicy(_options.Token, EndPoint.Address).InvokeAsync);
        _application.UseRouting();
        Map(_application, host);
        await _application.StartAsync(cancellationToken);
    }

    /// <summary>Ends event streams, lets requests finish for a moment, stops.</summary>
    public async Task StopAsync(CancellationToken cancellationToken)
    {
        await _stopping.CancelAsync();
        if (_application is { } application)
        {
            await application.StopAsync(cancellationToken);
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _stopping.CancelAsync();
        if (_application is { } application)
        {
            await application.DisposeAsync();
        }

        _socket.Dispose();
        _stopping.Dispose();
    }

    // Handlers are plain request delegates: no reflection over parameters, nothing to compile at start.
    private void Map(WebApplication application, RelayCoreHost host)
    {
        var status = new StatusEndpoints(host, _options.EngineVersion);
        Get("/api/v1/version", status.VersionAsync);
        Get("/api/v1/status", status.StatusAsync);
        var flows = new FlowEndpoints(host.Flows);
        Get("/api/v1/flows", flows.ListAsync);
        Get("/api/v1/flows/{id}", flows.GetAsync);
        Get("/api/v1/flows/{id}/request/body", flows.RequestBodyAsync);
        Get("/api/v1/flows/{id}/response/body", flows.ResponseBodyAsync);
        var events = new EventEndpoint(host.Events, status, _options.KeepAlive, host.Options.Time, _stopping.Token);
        Get("/api/v1/events", events.StreamAsync);

        void Get(string pattern, RequestDelegate handler) => application.MapMethods(pattern, [HttpMethods.Get, HttpMethods.Head], handler);
    }

    private static IPAddress ReachableAddress(IPAddress address) =>
        address.Equals(IPAddress.Any) ? IPAddress.Loopback : address.Equals(IPAddress.IPv6Any) ? IPAddress.IPv6Loopback : address;
}
