using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography.X509Certificates;
using RelayCore.Load.Load;
using RelayCore.Load.Origin;
using Xunit;

namespace RelayCore.Load.Tests.Load;

/// <summary>A listener on loopback, which a test gives to the origin or to a server that fails, and runs of the generator against it.</summary>
public abstract class ServedTests : IAsyncDisposable
{
    private readonly CancellationTokenSource _stop = new();
    private readonly Socket _listener = OriginListener.Listen(new(IPAddress.Loopback, 0));
    private readonly string _folder = Directory.CreateTempSubdirectory("relaycore-load-tests").FullName;
    private Task _serving = Task.CompletedTask;
    private X509Certificate2? _certificate;

    private protected static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    private protected Socket Listener => _listener;

    private protected CancellationToken Stopped => _stop.Token;

    /// <summary>What serves, so that it is waited for.</summary>
    private protected Task Serving { set => _serving = value; }

    private protected int Port => ((IPEndPoint)_listener.LocalEndPoint!).Port;

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _serving.ContinueWith(_ => { }, CancellationToken.None, TaskContinuationOptions.None, TaskScheduler.Default);
        _listener.Dispose();
        _certificate?.Dispose();
        _stop.Dispose();
        Directory.Delete(_folder, recursive: true);
        GC.SuppressFinalize(this);
    }

    private protected void Serve(SslServerAuthenticationOptions? tls) => _serving = new OriginListener(_listener, tls).RunAsync(_stop.Token);

    private protected SslServerAuthenticationOptions ServerTls(out string ca)
    {
        var certificates = TestCertificates.Ensure(_folder);
        ca = certificates.Ca;
        _certificate = X509Certificate2.CreateFromPemFile(certificates.Leaf, certificates.Key);
        return new() { ServerCertificateContext = SslStreamCertificateContext.Create(_certificate, null, offline: true) };
    }

    private protected LoadOptions Options(LoadProtocol protocol, string scheme, string path) => new()
    {
        Route = Route.Straight,
        Protocol = protocol,
        Via = new(IPAddress.Loopback, Port),
        Url = new($"{scheme}://127.0.0.1:{Port}{path}"),
        ExpectOctets = 2,
        Connections = 2,
        WarmUp = TimeSpan.Zero,
        Duration = TimeSpan.FromSeconds(60),
    };

    /// <summary>The kinds of errors of a run of which no request may succeed.</summary>
    private protected static async Task<string[]> FaultsAsync(LoadOptions options)
    {
        var report = await LoadRun.RunAsync(options with { Connections = 1, Streams = 1, Requests = 1, MostErrors = 0 }, Cancelled);
        Assert.Equal(0, report.Requests);
        Assert.NotNull(report.FirstError);
        return [.. report.ErrorsByKind.Keys];
    }
}
