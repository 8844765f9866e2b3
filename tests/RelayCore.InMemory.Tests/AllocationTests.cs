using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using Microsoft.Extensions.Time.Testing;
using RelayCore.Core.Limits;
using RelayCore.Engine;
using RelayCore.Engine.Capture;
using RelayCore.Engine.Certificates;
using RelayCore.Formats;
using Xunit;

namespace RelayCore.InMemory.Tests;

/// <summary>What an exchange allocates once everything is warm, over loopback sockets with capture on.</summary>
[CollectionDefinition(DisableParallelization = true)]
public sealed class AllocationGroup;

[Collection(typeof(AllocationGroup))]
public sealed class AllocationTests
{
    /// <summary>Octets an exchange may allocate. Unoptimised code makes every async state machine an object, so it has a budget of its own.</summary>
#if DEBUG
    private const int Budget = 1100;
#else
    private const int Budget = 200; // measured: 130
#endif

    private static readonly byte[] s_response = [.. "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 1024\r\n\r\n"u8, .. new byte[1024]];

    [Fact]
    public async Task SteadyGet_KeepAlive_StaysWithinTheBudget()
    {
        using var origin = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        origin.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        origin.Listen();
        var serving = new Thread(() => Serve(origin)) { IsBackground = true };
        serving.Start();

        var directory = Directory.CreateTempSubdirectory("relaycore-test-").FullName;
        using var root = await RootAuthority.GenerateAsync(directory, force: false, new FakeTimeProvider(new(2026, 11, 1, 0, 0, 0, TimeSpan.Zero)));
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var options = new EngineOptions { Listen = [new(IPAddress.Loopback, 0)], Limits = EngineLimits.Default with { CaptureMemory = 16 * 1024 * 1024 } };
        using var store = new FlowStore(options.Limits, TimeProvider.System);
        await using var engine = new ProxyEngine(options, store, new LeafCertificates(root, key, TimeProvider.System), new ContentCodings(), TimeProvider.System);
        await engine.StartAsync(TestContext.Current.CancellationToken);
        var perExchange = await Task.Factory.StartNew(
            () => Measure(engine.EndPoints[0], (IPEndPoint)origin.LocalEndPoint!), TestContext.Current.CancellationToken, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        TestContext.Current.SendDiagnosticMessage($"{perExchange:F0} octets allocated per exchange");
        Assert.True(perExchange <= Budget, $"{perExchange:F0} octets allocated per exchange; the budget is {Budget}");
        Assert.Equal(0, engine.InternalFailures);
    }

    private static double Measure(IPEndPoint proxy, IPEndPoint origin)
    {
        const int exchanges = 4000;
        using var client = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true, ReceiveTimeout = 10_000 };
        client.Connect(proxy);
        var request = System.Text.Encoding.ASCII.GetBytes($"GET http://{origin}/ HTTP/1.1\r\nHost: {origin}\r\nAccept: */*\r\nUser-Agent: test\r\n\r\n");
        var buffer = new byte[8192];
        for (var i = 0; i < exchanges; i++)
        {
            Exchange(client, request, buffer);
        }

        // The least of several rounds: whatever else the process does at the time is not ours.
        var least = double.MaxValue;
        for (var round = 0; round < 5; round++)
        {
            var before = GC.GetTotalAllocatedBytes(precise: true);
            for (var i = 0; i < exchanges; i++)
            {
                Exchange(client, request, buffer);
            }

            least = Math.Min(least, (double)(GC.GetTotalAllocatedBytes(precise: true) - before) / exchanges);
        }

        return least;
    }

    private static void Exchange(Socket client, byte[] request, byte[] buffer)
    {
        client.Send(request);
        for (var received = 0; received < s_response.Length;)
        {
            var octets = client.Receive(buffer);
            received += octets > 0 ? octets : throw new IOException("The proxy closed the connection.");
        }
    }

    private static void Serve(Socket listener)
    {
        try
        {
            using var connection = listener.Accept();
            connection.NoDelay = true;
            var buffer = new byte[8192];
            while (connection.Receive(buffer) > 0)
            {
                connection.Send(s_response);
            }
        }
        catch (SocketException)
        {
            // The test is over.
        }
    }
}
