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
/// The control API: <c>/api/v1</c> over HTTP/1.1, loopback and bearer token by default. The socket is bound and listens at once, but the web server behind it
/// starts when somebody connects for the first time: it takes a tenth of a second and twelve megabytes, and the first requests through the proxy are
/// worth more than those. Whoever connects waits in the socket's queue for that long.
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

    /// <summary>Ends when the server does: after <see cref="StopAsync"/>, or with what went wrong.</summary>
    public Task Completion { get; private set; } = Task.CompletedTask;

    /// <summary>Binds the address; connections queue until <see cref="Start"/>.</summary>
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

    /// <summary>Begins to serve; call it once.</summary>
    /// <param name="host">What is served.</param>
    public void Start(RelayCoreHost host)
    {
        ArgumentNullException.ThrowIfNull(host);
        Completion = ServeAsync(host);
    }

    /// <summary>Ends event streams, lets requests finish for a moment, stops.</summary>
    public async Task StopAsync()
    {
        await _stopping.CancelAsync();
        await Completion;
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _stopping.CancelAsync();
        await Task.WhenAny(Completion);
        if (_application is { } application)
        {
            await application.DisposeAsync();
        }

        _socket.Dispose();
        _stopping.Dispose();
    }

    private async Task ServeAsync(RelayCoreHost host)
    {
        if (!await ConnectionAsync())
        {
            return; // nobody ever came
        }

        _application = Build(host);
        await _application.StartAsync(_stopping.Token);
        var stopped = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using (_stopping.Token.UnsafeRegister(static state => ((TaskCompletionSource)state!).TrySetResult(), stopped))
        {
            await stopped.Task;
        }

        await _application.StopAsync(CancellationToken.None);
    }

    // There is no asynchronous way to wait for a connection without accepting it, so a thread with next to no stack does.
    private async Task<bool> ConnectionAsync()
    {
        var came = new TaskCompletionSource<bool>(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var stop = _stopping.Token.UnsafeRegister(x => ((TaskCompletionSource<bool>)x!).TrySetResult(false), came);
        new Thread(Wait, maxStackSize: 128 * 1024) { IsBackground = true, Name = "relay-core api" }.Start();
        return await came.Task;

        void Wait()
        {
            try
            {
                while (!came.Task.IsCompleted)
                {
                    if (_socket.Poll(TimeSpan.FromSeconds(10), SelectMode.SelectRead))
                    {
                        came.TrySetResult(!_stopping.IsCancellationRequested);
                    }
                }
            }
            catch (Exception error) when (error is SocketException or ObjectDisposedException)
            {
                came.TrySetResult(false);
            }
        }
    }

    private WebApplication Build(RelayCoreHost host)
    {
        // Empty: no settings files of the folder we happen to run in, no ASPNETCORE_ variables, no console logger.
        var builder = WebApplication.CreateEmptyBuilder(new());
        builder.WebHost.UseKestrelCore().ConfigureKestrel(kestrel =>
        {
            kestrel.AddServerHeader = false;
            kestrel.Limits.MaxRequestBodySize = 1 << 20;
            kestrel.Limits.MaxConcurrentConnections = 1024;
            kestrel.Listen(EndPoint);
        });
        builder.Services.Configure<SocketTransportOptions>(x => x.CreateBoundListenSocket = _ => _socket);
        builder.Services.Configure<HostOptions>(x => x.ShutdownTimeout = TimeSpan.FromMilliseconds(300));
        builder.Services.AddRoutingCore();
        var application = builder.Build();
        application.Use(new AccessPolicy(_options.Token, EndPoint.Address, _options.OnInternalFailure).InvokeAsync);
        application.UseRouting();
        Map(application, host);
        return application;
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
        var messages = new MessageEndpoints(host.Flows, host.Messages);
        Get("/api/v1/flows/{id}/messages", messages.ListAsync);
        Post("/api/v1/flows/{id}/messages", messages.InjectAsync);
        Post("/api/v1/flows/{id}/close", messages.CloseAsync);
        var rules = new RuleEndpoints(host);
        Get("/api/v1/rules", rules.ListAsync);
        application.MapMethods("/api/v1/rules", [HttpMethods.Put, HttpMethods.Post], rules.SetAsync);
        application.MapMethods("/api/v1/rules/{id}", [HttpMethods.Delete], rules.DeleteAsync);
        Get("/api/v1/rules/schema", rules.SchemaAsync);
        Get("/api/v1/rules/status", rules.StatusAsync);
        Post("/api/v1/rules/validate", rules.ValidateAsync);
        Post("/api/v1/rules/test", rules.TestAsync);
        Post("/api/v1/mock", rules.MockAsync);
        var breakpoints = new BreakpointEndpoints(host);
        Get("/api/v1/intercepts", breakpoints.ListAsync);
        Post("/api/v1/intercepts", breakpoints.SetAsync);
        Post("/api/v1/intercepts/{key}/resume", breakpoints.ResumeAsync);
        var events = new EventEndpoint(host.Events, status, _options.KeepAlive, host.Options.Time, _stopping.Token);
        Get("/api/v1/events", events.StreamAsync);

        void Post(string pattern, RequestDelegate handler) => application.MapMethods(pattern, [HttpMethods.Post], handler);

        void Get(string pattern, RequestDelegate handler) => application.MapMethods(pattern, [HttpMethods.Get, HttpMethods.Head], handler);
    }

    private static IPAddress ReachableAddress(IPAddress address) =>
        address.Equals(IPAddress.Any) ? IPAddress.Loopback : address.Equals(IPAddress.IPv6Any) ? IPAddress.IPv6Loopback : address;
}
