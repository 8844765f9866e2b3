using System.Net;
using System.Net.Sockets;
using RelayCore.Core.Flows;
using RelayCore.Core.Interception;
using RelayCore.Engine;
using RelayCore.Engine.Certificates;
using RelayCore.Testing;
using Xunit;

namespace RelayCore.Runtime.Tests;

public sealed class RelayCoreHostTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("relay-core-host-").FullName;

    [Fact]
    public async Task StartAsync_Embedded_RelaysShowsAndChanges()
    {
        await using var origin = new ScriptedOrigin(ScriptedOrigin.Response("hello"));
        await using var host = await RelayCoreHost.StartAsync(Options(x => x with { Interceptors = [new Stamp()] }), TestContext.Current.CancellationToken);
        Assert.Equal(HostPhase.Running, host.Phase);
        using var client = Client(host);
        using var response = await client.GetAsync(origin.Url("/page"), TestContext.Current.CancellationToken);
        Assert.Equal("seen", string.Join(",", response.Headers.GetValues("X-Stamp")));
        Assert.Equal("hello", await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken));
        var summary = Assert.Single(host.Flows.Query(new()).Items);
        Assert.Equal((origin.Url("/page"), 200), (summary.Url, summary.Status));
        Assert.True(FlowId.TryParse(summary.Id, out var id));
        Assert.Equal("stamp", Assert.Single(host.Flows.Get(id)!.Mutations!).Actor);
        Assert.Equal(0, host.Counters.InternalFailures);
    }

    [Fact]
    public async Task DisposeAsync_Always_GivesThePortBack()
    {
        var host = await RelayCoreHost.StartAsync(Options(), TestContext.Current.CancellationToken);
        var endPoint = host.EndPoints[0];
        await host.DisposeAsync();
        Assert.Equal(HostPhase.Stopped, host.Phase);
        using var again = new TcpListener(endPoint);
        again.Start();
    }

    [Fact]
    public async Task StartAsync_SecondAddressTaken_LeavesTheFirstFree()
    {
        using var holder = new TcpListener(IPAddress.Loopback, 0);
        holder.Start();
        using var free = new TcpListener(IPAddress.Loopback, 0);
        free.Start();
        var (taken, first) = ((IPEndPoint)holder.LocalEndpoint, (IPEndPoint)free.LocalEndpoint);
        free.Stop();
        var error = await Assert.ThrowsAsync<ListenException>(() => RelayCoreHost.StartAsync(Options(x => x with { Listen = [first, taken] }), TestContext.Current.CancellationToken));
        Assert.Equal((taken, true), (error.EndPoint, error.IsInUse));
        using var again = new TcpListener(first);
        again.Start();
    }

    [Fact]
    public async Task StartAsync_CaThatCannotBeRead_SaysSoAndBindsNothing()
    {
        File.WriteAllText(Path.Combine(_folder, "ca_cert.pem"), "nonsense");
        File.WriteAllText(Path.Combine(_folder, "ca_key.pem"), "nonsense");
        var error = await Assert.ThrowsAsync<CertificateFileException>(() => RelayCoreHost.StartAsync(Options(), TestContext.Current.CancellationToken));
        Assert.Contains("ca_cert.pem", error.Message, StringComparison.Ordinal);
        Assert.Equal("nonsense", File.ReadAllText(Path.Combine(_folder, "ca_cert.pem")));
    }

    [Fact]
    public async Task StartAsync_Twice_KeepsTheCa()
    {
        string First()
        {
            return File.ReadAllText(Path.Combine(_folder, "ca_cert.pem"));
        }

        await (await RelayCoreHost.StartAsync(Options(), TestContext.Current.CancellationToken)).DisposeAsync();
        var made = First();
        await using var host = await RelayCoreHost.StartAsync(Options(), TestContext.Current.CancellationToken);
        Assert.Equal((made, false), (First(), host.Authority.IsNew));
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private RelayCoreOptions Options(Func<EngineOptions, EngineOptions>? change = null)
    {
        var engine = new EngineOptions { Listen = [new(IPAddress.Loopback, 0)] };
        return new() { DataDirectory = _folder, Engine = change?.Invoke(engine) ?? engine };
    }

    private static HttpClient Client(RelayCoreHost host) =>
        new(new SocketsHttpHandler { Proxy = new WebProxy($"http://{host.EndPoints[0]}"), UseProxy = true });

    private sealed class Stamp : IInterceptor
    {
        public string Name => "stamp";

        public InterceptorNeeds Needs { get; } = new() { Stages = Stage.ResponseHead, MayWait = false };

        public ValueTask<Verdict> OnResponseHeadAsync(Exchange exchange, CancellationToken cancellationToken)
        {
            exchange.Response.Fields.Add("X-Stamp", "seen");
            return new(Verdict.Continue);
        }
    }
}
