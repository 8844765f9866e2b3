using System.Collections.Concurrent;
using System.Diagnostics;
using System.Net;
using System.Security.Cryptography;
using Microsoft.Extensions.Time.Testing;
using RelayCore.Core.Flows;
using RelayCore.Engine;
using RelayCore.Engine.Capture;
using RelayCore.Engine.Certificates;
using RelayCore.Formats;

namespace RelayCore.Testing;

/// <summary>
/// A whole proxy over the in-memory network under virtual time. Disposing it resets what the test left open and then checks that every
/// session, recorder and server connection ended by itself and that nothing failed by a defect.
/// </summary>
public sealed class TestProxy : IAsyncDisposable
{
    private static readonly Lazy<Task<RootAuthority>> s_root = new(static () =>
        RootAuthority.GenerateAsync(Directory.CreateTempSubdirectory("relaycore-test-").FullName, force: false, new FakeTimeProvider(s_start)));

    private static readonly ECDsa s_key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
    private static readonly DateTimeOffset s_start = new(2026, 11, 1, 12, 0, 0, TimeSpan.Zero);

    private readonly ConcurrentQueue<Exception> _defects = new();
    private readonly List<TestPeer> _clients = [];
    private readonly ConcurrentDictionary<string, TestOrigin> _origins = new();
    private int _lastAddress;

    private TestProxy()
    {
    }

    /// <summary>Its clock.</summary>
    public FakeTimeProvider Time { get; } = new(s_start);

    /// <summary>Its network.</summary>
    public InMemoryTransportFactory Network { get; } = new();

    /// <summary>Its name service.</summary>
    public FixedResolver Resolver { get; } = new();

    /// <summary>The engine.</summary>
    public ProxyEngine Engine { get; private set; } = null!;

    /// <summary>Its capture.</summary>
    public FlowStore Store { get; private set; } = null!;

    /// <summary>The certificate authority whose leaves clients get.</summary>
    public RootAuthority Root { get; private set; } = null!;

    /// <summary>Starts a proxy at 10.0.0.1:8080.</summary>
    public static async Task<TestProxy> StartAsync(Func<EngineOptions, EngineOptions>? configure = null)
    {
        var proxy = new TestProxy();
        var options = new EngineOptions { Listen = [new(IPAddress.Parse("10.0.0.1"), 8080)] };
        options = configure?.Invoke(options) ?? options;
        proxy.Root = await s_root.Value.ConfigureAwait(false);
        proxy.Store = new(options.Limits, proxy.Time);
        proxy.Engine = new(options, proxy.Store, new LeafCertificates(proxy.Root, s_key, proxy.Time), new ContentCodings(), proxy.Time, proxy.Network, proxy.Resolver)
        {
            OnInternalFailure = proxy._defects.Enqueue,
        };
        await proxy.Engine.StartAsync(CancellationToken.None).ConfigureAwait(false);
        return proxy;
    }

    /// <summary>A server with a name; its address is made up when <paramref name="host"/> is no literal.</summary>
    public TestOrigin Origin(string host = "origin.test", int port = 80)
    {
        var literal = IPAddress.TryParse(host, out var address);
        address ??= IPAddress.Parse($"10.1.0.{Interlocked.Increment(ref _lastAddress)}");
        if (!literal)
        {
            Resolver.Add(host, address);
        }

        var origin = new TestOrigin(Network.Listen(new(address, port)));
        _origins[host + ":" + port] = origin;
        return origin;
    }

    /// <summary>A client of the proxy.</summary>
    public TestPeer Connect(string from = "10.2.0.1")
    {
        var transport = Network.ConnectClient(Engine.EndPoints[0], IPAddress.Parse(from));
        var client = new TestPeer(transport, transport);
        _clients.Add(client);
        return client;
    }

    /// <summary>Lets time pass, in steps no longer than the sweeper's, so that everything due happens in order.</summary>
    public void Advance(TimeSpan by)
    {
        for (var step = TimeSpan.FromMilliseconds(100); by > TimeSpan.Zero; by -= step)
        {
            Time.Advance(by < step ? by : step);
        }
    }

    /// <summary>Waits until that many flows ended since the start.</summary>
    /// <returns>All flows, oldest first.</returns>
    public async Task<IReadOnlyList<Flow>> FlowsAsync(int count)
    {
        await UntilAsync(() => Store.Statistics.Stored >= count, () => $"{Store.Statistics.Stored} flows ended, wanted {count}").ConfigureAwait(false);
        return Flows();
    }

    /// <summary>The only flow, once it ended.</summary>
    public async Task<Flow> FlowAsync() => (await FlowsAsync(1).ConfigureAwait(false)).Single();

    /// <summary>All flows at this moment, oldest first.</summary>
    public IReadOnlyList<Flow> Flows()
    {
        var flows = new List<Flow>();
        foreach (var summary in Store.List(new() { Limit = 200 }))
        {
            using var captured = Store.Find(Id(summary.Id));
            if (captured is not null)
            {
                flows.Add(captured.ToFlow(null));
            }
        }

        flows.Reverse();
        return flows;
    }

    private static FlowId Id(string text) => FlowId.TryParse(text, out var id) ? id : throw new FormatException(text);

    /// <summary>Waits for something that other threads bring about without the clock moving.</summary>
    public static async Task UntilAsync(Func<bool> condition, Func<string> problem)
    {
        var watch = Stopwatch.StartNew();
        while (!condition())
        {
            if (watch.Elapsed > TestPeer.Patience)
            {
                throw new InvalidOperationException(problem());
            }

            await Task.Yield();
        }
    }

    /// <summary>Runs a task that waits on the clock.</summary>
    public async Task PassTimeAsync(Task task, TimeSpan atMost)
    {
        var watch = Stopwatch.StartNew();
        var until = Time.GetUtcNow() + atMost;
        while (!task.IsCompleted)
        {
            if (watch.Elapsed > TestPeer.Patience)
            {
                throw new InvalidOperationException("The task does not end.");
            }

            if (Time.GetUtcNow() < until)
            {
                Time.Advance(TimeSpan.FromMilliseconds(20));
            }

            // Slowly enough for others to begin to wait before their time is over.
            for (var i = 0; i < 100 && !task.IsCompleted; i++)
            {
                await Task.Yield();
            }
        }

        await task.ConfigureAwait(false);
    }

    /// <summary>Both sides leave; then every session must end by itself.</summary>
    public async Task AssertNothingLeftAsync()
    {
        foreach (var client in _clients)
        {
            client.Reset();
        }

        var watch = Stopwatch.StartNew();
        while (Engine.ClientConnections > 0 && watch.Elapsed < TestPeer.Patience)
        {
            Time.Advance(TimeSpan.FromMilliseconds(500));
            await Task.Yield();
        }

        if (Engine.ClientConnections > 0)
        {
            throw new InvalidOperationException($"{Engine.ClientConnections} sessions did not end after their clients left.");
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await AssertNothingLeftAsync().ConfigureAwait(false);
        await PassTimeAsync(Engine.DisposeAsync().AsTask(), TimeSpan.FromMinutes(5)).ConfigureAwait(false);
        var statistics = Store.Statistics;
        var (rented, open) = (Store.Rented, Network.ProxyEnds.Count(x => !x.IsEnded));
        Store.Dispose();
        if (!_defects.IsEmpty)
        {
            throw new InvalidOperationException("A session ended by a defect.", _defects.First());
        }

        if (statistics.Running > 0 || rented > 0 || open > 0)
        {
            throw new InvalidOperationException($"{statistics.Running} flows still run, {rented} recorders are not returned, {open} connections of the proxy are open.");
        }
    }
}
