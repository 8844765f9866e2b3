using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using RelayCore.Engine.Certificates;

namespace RelayCore.Runtime.Tests.Certificates;

/// <summary>Answers every request on loopback with one page, under a leaf certificate for <c>localhost</c>.</summary>
internal sealed class TlsServer : IAsyncDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource _stop = new();
    private readonly SslStreamCertificateContext _certificate;
    private readonly Task _serving;

    private TlsServer(SslStreamCertificateContext certificate)
    {
        _certificate = certificate;
        _listener.Start();
        _serving = ServeAsync();
    }

    public int Port => ((IPEndPoint)_listener.LocalEndpoint).Port;

    public static async Task<TlsServer> StartAsync(string dataDirectory)
    {
        using var root = await RootAuthority.LoadOrCreateAsync(dataDirectory, TimeProvider.System);
        var key = await LeafKey.LoadOrCreateAsync(dataDirectory, TimeProvider.System);
        return new(await new LeafCertificates(root, key, TimeProvider.System).GetAsync("localhost"));
    }

    /// <summary>The certificate the server presents, as PEM.</summary>
    public string LeafPem => _certificate.TargetCertificate.ExportCertificatePem();

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        _listener.Stop();
        await _serving;
        _stop.Dispose();
        _listener.Dispose();
    }

    private async Task ServeAsync()
    {
        try
        {
            while (true)
            {
                using var client = await _listener.AcceptTcpClientAsync(_stop.Token);
                await AnswerAsync(client);
            }
        }
        catch (Exception error) when (_stop.IsCancellationRequested && error is (OperationCanceledException or InvalidOperationException))
        {
            // stopped; while it answered, the listener says so in words of its own
        }
    }

    private async Task AnswerAsync(TcpClient client)
    {
        try
        {
            await using var tls = new SslStream(client.GetStream());
            await tls.AuthenticateAsServerAsync(new SslServerAuthenticationOptions { ServerCertificateContext = _certificate }, _stop.Token);
            var request = new byte[4096];
            _ = await tls.ReadAsync(request, _stop.Token);
            await tls.WriteAsync("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 16\r\nConnection: close\r\n\r\n<p>trusted</p>\r\n"u8.ToArray(), _stop.Token);
            await tls.ShutdownAsync();
        }
        catch (Exception error) when (error is IOException or AuthenticationException)
        {
            // the client did not trust us: that is what some tests are about
        }
    }
}
