using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using RelayCore.Load.Load;
using RelayCore.Load.Origin;
using Xunit;

namespace RelayCore.Load.Tests.Load;

/// <summary>The generator against the upload origin over loopback: what it counts is what happened.</summary>
public sealed class LoadRunTests : IAsyncDisposable
{
    private readonly CancellationTokenSource _stop = new();
    private readonly Socket _listener = OriginListener.Listen(new(IPAddress.Loopback, 0));
    private readonly string _folder = Directory.CreateTempSubdirectory("relaycore-load-tests").FullName;
    private Task _serving = Task.CompletedTask;

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _serving.ContinueWith(_ => { }, CancellationToken.None, TaskContinuationOptions.None, TaskScheduler.Default);
        _listener.Dispose();
        _stop.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    [Theory]
    [InlineData(0, false)]
    [InlineData(1, false)]
    [InlineData(1_000_000, false)]
    [InlineData(200_000, true)]
    public async Task RunAsync_ByNumber_CountsEveryRequestAndOctet(long upload, bool newConnections)
    {
        var report = await LoadRun.RunAsync(
            Options("http", new OriginListener(_listener, null)) with { Requests = 20, UploadOctets = upload, NewConnections = newConnections }, Cancelled);
        Assert.Equal((20, 0, newConnections ? 20 : 4), (report.Requests, report.Errors, report.ConnectionsOpened));
        Assert.Equal(20 * (upload > 0 ? upload : 2), report.MbPerSecond * report.Seconds * 1e6, 0.5);
        Assert.True(report.P50Ms > 0 && report.P50Ms <= report.P99Ms && report.P99Ms <= report.MaxMs);
    }

    [Fact]
    public async Task RunAsync_Tls_TrustsOnlyTheGivenCa()
    {
        var certificates = TestCertificates.Ensure(_folder);
        using var certificate = X509Certificate2.CreateFromPemFile(certificates.Leaf, certificates.Key);
        var origin = new OriginListener(_listener, new SslServerAuthenticationOptions
        {
            ServerCertificateContext = SslStreamCertificateContext.Create(certificate, null, offline: true),
        });
        var options = Options("https", origin) with { Requests = 8, UploadOctets = 100_000, CaFile = certificates.Ca };
        Assert.Equal((8, 0), await OutcomeAsync(options));

        var stranger = TestCertificates.Ensure(Path.Combine(_folder, "stranger"));
        var report = await LoadRun.RunAsync(options with { CaFile = stranger.Ca, MostErrors = 3 }, Cancelled);
        Assert.Equal(0, report.Requests);
        Assert.Equal(["Tls"], report.ErrorsByKind.Keys);
    }

    [Fact]
    public async Task RunAsync_BodyOfAnotherLength_IsAnError()
    {
        var options = Options("http", new OriginListener(_listener, null)) with { ExpectOctets = 3, Requests = 1, MostErrors = 0 };
        var report = await LoadRun.RunAsync(options, Cancelled);
        Assert.Equal(0, report.Requests);
        Assert.Equal(["Length"], report.ErrorsByKind.Keys);
    }

    [Theory]
    [InlineData("HTTP/1.1 500 Oops\r\nContent-Length: 2\r\n\r\nok", "Status")]
    [InlineData("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokay", "Malformed")]
    [InlineData("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok", "Broken")]
    [InlineData("ICY 200 OK\r\n\r\n", "Malformed")]
    public async Task RunAsync_BadAnswer_IsCountedByKind(string answer, string kind)
    {
        _serving = AnswerOnceEachAsync(Encoding.ASCII.GetBytes(answer));
        var report = await LoadRun.RunAsync(Options("http") with { Connections = 1, Requests = 1, MostErrors = 0 }, Cancelled);
        Assert.Equal(0, report.Requests);
        Assert.Equal([kind], report.ErrorsByKind.Keys);
        Assert.NotNull(report.FirstError);
    }

    [Fact]
    public async Task RunAsync_NobodyListens_CountsConnectErrors()
    {
        var options = Options("http") with { Requests = 1, MostErrors = 10 };
        _listener.Dispose();
        Assert.Equal(["Connect"], (await LoadRun.RunAsync(options, Cancelled)).ErrorsByKind.Keys);
    }

    [Fact]
    public async Task RunAsync_FixedRate_KeepsToTheRate()
    {
        var options = Options("http", new OriginListener(_listener, null)) with { Rate = 500, WarmUp = TimeSpan.Zero, Duration = TimeSpan.FromSeconds(1) };
        var report = await LoadRun.RunAsync(options, Cancelled);
        Assert.InRange(report.Requests, 100, 505 * Math.Max(1, report.Seconds));
        Assert.Equal(0, report.Errors);
    }

    private LoadOptions Options(string scheme, OriginListener? origin = null)
    {
        var endPoint = (IPEndPoint)_listener.LocalEndPoint!;
        if (origin is not null)
        {
            _serving = origin.RunAsync(_stop.Token);
        }

        return new()
        {
            Route = Route.Straight,
            Via = endPoint,
            Url = new($"{scheme}://127.0.0.1:{endPoint.Port}/upload"),
            ExpectOctets = 2,
            Connections = 4,
            WarmUp = TimeSpan.Zero,
            Duration = TimeSpan.FromSeconds(60),
            Pid = Environment.ProcessId,
        };
    }

    private async Task<(long Requests, long Errors)> OutcomeAsync(LoadOptions options)
    {
        var report = await LoadRun.RunAsync(options, Cancelled);
        return (report.Requests, report.Errors);
    }

    private async Task AnswerOnceEachAsync(byte[] answer)
    {
        while (true)
        {
            using var socket = await _listener.AcceptAsync(_stop.Token);
            var buffer = new byte[4096];
            if (await socket.ReceiveAsync(buffer, _stop.Token) > 0)
            {
                await socket.SendAsync(answer, _stop.Token);
            }
        }
    }
}
