using System.Collections.Concurrent;
using System.Net;
using System.Security.Cryptography.X509Certificates;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;

namespace RelayCore.Interop.Tests.Harness;

/// <summary>Kestrel as an origin, in this process, with real sockets: a complete HTTP/1.1 and HTTP/2 server that shares no code with the proxy.</summary>
internal sealed class KestrelOrigin : IAsyncDisposable
{
    private readonly WebApplication _application;

    private KestrelOrigin(WebApplication application) => _application = application;

    /// <summary>Protocol of each request, in the order they began: <c>HTTP/2</c>, <c>HTTP/1.1</c>.</summary>
    public ConcurrentQueue<string> Protocols { get; } = new();

    /// <summary>Ids of the connections that carried requests.</summary>
    public ConcurrentDictionary<string, bool> Connections { get; } = new();

    public int Port => new Uri(_application.Urls.First()).Port;

    /// <param name="handle">Answers.</param>
    /// <param name="protocols">What it speaks; with TLS by ALPN, without by prior knowledge when it is one alone.</param>
    /// <param name="certificate">For TLS.</param>
    /// <param name="port">Its port; 0 for a free one.</param>
    public static async Task<KestrelOrigin> StartAsync(RequestDelegate handle, HttpProtocols protocols, X509Certificate2? certificate = null, int port = 0)
    {
        var builder = WebApplication.CreateEmptyBuilder(new());
        builder.WebHost.UseKestrelCore().UseKestrelHttpsConfiguration().ConfigureKestrel(options =>
        {
            options.Limits.MaxRequestBodySize = null;
            options.Limits.MinRequestBodyDataRate = null;
            options.Limits.MinResponseDataRate = null;
            options.Listen(IPAddress.Loopback, port, listen =>
            {
                listen.Protocols = protocols;
                if (certificate is not null)
                {
                    listen.UseHttps(certificate);
                }
            });
        });
        var application = builder.Build();
        var origin = new KestrelOrigin(application);
        application.Run(context =>
        {
            origin.Protocols.Enqueue(context.Request.Protocol);
            origin.Connections[context.Connection.Id] = true;
            return handle(context);
        });
        await application.StartAsync(TestContext.Current.CancellationToken);
        return origin;
    }

    public async ValueTask DisposeAsync()
    {
        // Not for the rest of what runs: a test that failed half-way has streams open.
        using var patience = new CancellationTokenSource(TimeSpan.FromMilliseconds(500));
        await _application.StopAsync(patience.Token);
        await _application.DisposeAsync();
    }
}
