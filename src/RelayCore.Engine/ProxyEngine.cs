using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using RelayCore.Core.Connections;
using RelayCore.Core.Faults;
using RelayCore.Core.Interception;
using RelayCore.Core.Messages;
using RelayCore.Engine.Capture;
using RelayCore.Engine.Certificates;
using RelayCore.Engine.Http;
using RelayCore.Engine.Http.Exchanges;
using RelayCore.Engine.Http.Http2;
using RelayCore.Engine.Listeners;
using RelayCore.Engine.Messages;
using RelayCore.Engine.Pipeline;
using RelayCore.Engine.Transport;
using RelayCore.Engine.Upstream;

namespace RelayCore.Engine;

/// <summary>The data plane: listeners, sessions, upstream. Nothing runs before <see cref="StartAsync"/>.</summary>
public sealed class ProxyEngine : IAsyncDisposable
{
    private readonly EngineContext _context;
    private readonly ITransportFactory _transports;
    private readonly List<ITransportListener> _listeners = [];
    private readonly List<Task> _accepting = [];
    private readonly ConcurrentDictionary<IPAddress, int> _perClient = new();
    private readonly ITimer _sweep;
    private readonly CancellationTokenSource _stopping = new();
    private long _accepted;
    private int _clients;
    private long _failures;
    private int _disposed;

    /// <summary>An engine that is not started.</summary>
    /// <param name="options">What to do.</param>
    /// <param name="store">Where flows go; the caller's.</param>
    /// <param name="leaves">Certificates for clients; the caller's.</param>
    /// <param name="codings">Content codings, for actors that want decoded bodies.</param>
    /// <param name="time">Clock and timers.</param>
    /// <param name="transports">The network; <see langword="null"/> for sockets.</param>
    /// <param name="resolver">Name look-up; <see langword="null"/> for the system's.</param>
    public ProxyEngine(
        EngineOptions options, FlowStore store, LeafCertificates leaves, IContentCodings codings, TimeProvider time,
        ITransportFactory? transports = null, IResolver? resolver = null)
    {
        _transports = transports ?? new SocketTransportFactory();
        var own = new OwnEndPoints();
        var connector = new Connector(options, time, _transports, resolver ?? new SystemResolver(), own.IsListener);
        _context = new EngineContext
        {
            Options = options,
            Time = time,
            Store = store,
            Pool = new ServerPool(options.Limits, time),
            Connector = connector,
            Leaves = leaves,
            Sweeper = new DeadlineSweeper(time),
            Codings = codings,
            Pipeline = options.Interceptors.Count == 0 ? InterceptorPipeline.None : new InterceptorPipeline(options.Interceptors),
            OwnEndPoints = own,
            Stopping = _stopping.Token,
        };
        _context.Servers = new ServerStreams(_context, new Http1ServerStreams(options.Limits, time, connector));
        _context.Sweeper.OnFailure = Failed;
        _context.OnFailure = Failed;
        _sweep = time.CreateTimer(static state => ((ServerPool)state!).Sweep(), _context.Pool, TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(1));
    }

    /// <summary>Addresses bound, in the order of <see cref="EngineOptions.Listen"/>; after <see cref="StartAsync"/>.</summary>
    public IReadOnlyList<IPEndPoint> EndPoints => [.. _listeners.Select(x => x.EndPoint)];

    /// <summary>Client connections open now.</summary>
    public int ClientConnections => Volatile.Read(ref _clients);

    /// <summary>Client connections accepted since the start.</summary>
    public long AcceptedConnections => Volatile.Read(ref _accepted);

    /// <summary>Sessions that ended by a defect of the program; each is a bug.</summary>
    public long InternalFailures => Volatile.Read(ref _failures);

    /// <summary>Running sessions of messages, by the id of their flow.</summary>
    public MessageSessions MessageSessions => _context.MessageSessions;

    /// <summary>What the sessions share; for tests that run one by hand.</summary>
    internal EngineContext Context => _context;

    /// <summary>Told of a session that ended by a defect of the program.</summary>
    public Action<Exception>? OnInternalFailure { get; set; }

    /// <summary>Replaces the interceptors; exchanges that began keep what they began with.</summary>
    public void SetInterceptors(IReadOnlyList<IInterceptor> interceptors) => _context.Pipeline = new InterceptorPipeline(interceptors);

    /// <summary>Binds every listener, then accepts.</summary>
    /// <exception cref="ListenException">An address cannot be bound; nothing stays bound.</exception>
    public Task StartAsync(CancellationToken cancellationToken)
    {
        foreach (var endPoint in _context.Options.Listen)
        {
            cancellationToken.ThrowIfCancellationRequested();
            try
            {
                var listener = _transports.Bind(endPoint);
                _listeners.Add(listener);
                _context.OwnEndPoints.Add(listener.EndPoint);
            }
            catch (SocketException e)
            {
                foreach (var listener in _listeners)
                {
                    listener.Close();
                }

                _listeners.Clear();
                throw new ListenException(endPoint, $"cannot listen on {endPoint}: {e.Message}", e);
            }
        }

        foreach (var listener in _listeners)
        {
            _accepting.Add(AcceptAsync(listener));
        }

        return Task.CompletedTask;
    }

    /// <summary>Stops accepting, lets running exchanges finish for at most <paramref name="grace"/>, then resets the rest.</summary>
    public async Task StopAsync(TimeSpan grace)
    {
        _context.IsDraining = true;
        foreach (var listener in _listeners)
        {
            listener.Close();
        }

        foreach (var session in _context.Sweeper.Snapshot().OfType<IStoppable>())
        {
            session.Drain();
        }

        var until = _context.Time.GetTimestamp() + (long)(grace.TotalSeconds * _context.Time.TimestampFrequency);
        while (_context.Sweeper.Count > 0 && _context.Time.GetTimestamp() < until)
        {
            await Task.Delay(TimeSpan.FromMilliseconds(20), _context.Time).ConfigureAwait(false);
        }

        await _stopping.CancelAsync().ConfigureAwait(false);
        // Sessions of exchanges first: what is below them would otherwise go before they know why.
        foreach (var session in _context.Sweeper.Snapshot().OfType<IStoppable>().OrderBy(static x => x is Http2Session ? 0 : 1))
        {
            session.Abort();
        }

        for (var i = 0; i < 25 && _context.Sweeper.Count > 0; i++)
        {
            await Task.Delay(TimeSpan.FromMilliseconds(20), _context.Time).ConfigureAwait(false);
        }

        await Task.WhenAll(_accepting).ConfigureAwait(false);
        _context.Pool.CloseAll();
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _disposed, 1) == 1)
        {
            return;
        }

        await StopAsync(TimeSpan.Zero).ConfigureAwait(false);
        await _sweep.DisposeAsync().ConfigureAwait(false);
        await _context.Sweeper.DisposeAsync().ConfigureAwait(false);
        _stopping.Dispose();
    }

    private async Task AcceptAsync(ITransportListener listener)
    {
        while (true)
        {
            DuplexTransport? client;
            try
            {
                client = await listener.AcceptAsync().ConfigureAwait(false);
            }
            catch (SocketException)
            {
                // Out of descriptors or memory: a connection that ends makes room. The listener must not die of it.
                await Task.Delay(TimeSpan.FromMilliseconds(50), _context.Time).ConfigureAwait(false);
                continue;
            }

            if (client is null)
            {
                return;
            }

            try
            {
                Serve(client, listener.EndPoint);
            }
            catch (Exception e) // a defect of ours must not end the listener
            {
                Failed(e);
                client.Reset();
            }
        }
    }

    private void Serve(DuplexTransport client, IPEndPoint listener)
    {
        var address = (client.RemoteEndPoint as IPEndPoint)?.Address ?? IPAddress.None;
        var fromHere = _perClient.AddOrUpdate(address, 1, static (_, count) => count + 1);
        var all = Interlocked.Increment(ref _clients);
        if (all > _context.Limits.MaxClientConnections || fromHere > _context.Limits.MaxConnectionsPerClient)
        {
            _ = RefuseAsync(client, address);
            return;
        }

        Interlocked.Increment(ref _accepted);
        var facts = new ClientConnection
        {
            Id = _context.NextClientId(),
            LocalEndPoint = client.LocalEndPoint,
            RemoteEndPoint = client.RemoteEndPoint,
            Listener = listener,
            OpenedAt = _context.Time.GetTimestamp(),
        };
        _ = RunAsync(new Http1Session(_context, client, facts), address);
    }

    private async Task RunAsync(Http1Session session, IPAddress address)
    {
        try
        {
            await session.RunAsync().ConfigureAwait(false);
        }
        catch (Exception e)
        {
            // A defect of ours ends one connection, not the proxy; it is counted and reported.
            Failed(e);
        }
        finally
        {
            Left(address);
        }
    }

    private void Failed(Exception exception)
    {
        Interlocked.Increment(ref _failures);
        OnInternalFailure?.Invoke(exception);
    }

    private async Task RefuseAsync(DuplexTransport client, IPAddress address)
    {
        try
        {
            var entry = FaultCatalog.Find("RC-CONN-005")!;
            await client.SendAsync(GeneratedResponse.Build(entry, entry.Explanation, null, close: true, isHead: false)).ConfigureAwait(false);

            // Closing on octets not yet read would reset the connection and destroy the answer: it gets a second to send its request and leave.
            await using var _ = _context.Time.CreateTimer(
                static state => ((DuplexTransport)state!).Close(), client, TimeSpan.FromSeconds(1), Timeout.InfiniteTimeSpan).ConfigureAwait(false);
            await client.CompleteOutputAsync().ConfigureAwait(false);
            var unwanted = new byte[512];
            for (var i = 0; i < 128 && await client.ReceiveAsync(unwanted).ConfigureAwait(false) > 0; i++)
            {
            }
        }
        catch (Exception e) when (DuplexTransport.IsFailure(e))
        {
            // It left already.
        }
        finally
        {
            client.Close();
            Left(address);
        }
    }

    private void Left(IPAddress address)
    {
        Interlocked.Decrement(ref _clients);
        var left = _perClient.AddOrUpdate(address, 0, static (_, count) => count - 1);
        if (left <= 0)
        {
            _perClient.TryRemove(new(address, 0));
        }
    }
}
