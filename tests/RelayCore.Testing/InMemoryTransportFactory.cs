using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using System.Threading.Channels;
using RelayCore.Engine.Transport;

namespace RelayCore.Testing;

/// <summary>A network in memory: addresses are bound and connected to by end point; connections can be delayed or made to fail.</summary>
public sealed class InMemoryTransportFactory : ITransportFactory
{
    private readonly ConcurrentDictionary<IPEndPoint, Listener> _listeners = new();
    private readonly ConcurrentQueue<InMemoryTransport> _proxyEnds = new();
    private int _lastPort = 40_000;

    /// <summary>Octets a connection holds each way before a send waits. Default 256 KiB.</summary>
    public int BufferOctets { get; set; } = 256 * 1024;

    /// <summary>Runs before a connection is made; throws to fail it, waits to delay it.</summary>
    public Func<IPEndPoint, CancellationToken, ValueTask>? Connecting { get; set; }

    /// <summary>Addresses that were connected to, in order.</summary>
    public ConcurrentQueue<IPEndPoint> Connects { get; } = new();

    /// <summary>The proxy's ends of all connections so far, accepted and opened.</summary>
    public IReadOnlyCollection<InMemoryTransport> ProxyEnds => _proxyEnds;

    /// <inheritdoc/>
    public ITransportListener Bind(IPEndPoint endPoint) => Listen(endPoint);

    /// <inheritdoc/>
    public async ValueTask<DuplexTransport> ConnectAsync(IPEndPoint endPoint, CancellationToken cancellationToken)
    {
        Connects.Enqueue(endPoint);
        cancellationToken.ThrowIfCancellationRequested();
        if (Connecting is { } connecting)
        {
            await connecting(endPoint, cancellationToken).ConfigureAwait(false);
        }

        var (ours, theirs) = Connect(endPoint, new(IPAddress.Parse("10.9.9.9"), Interlocked.Increment(ref _lastPort)));
        _proxyEnds.Enqueue(ours);
        _listeners[endPoint].Queue.Writer.TryWrite(theirs);
        return ours;
    }

    /// <summary>Binds an address.</summary>
    internal Listener Listen(IPEndPoint endPoint)
    {
        var bound = endPoint.Port == 0 ? new IPEndPoint(endPoint.Address, Interlocked.Increment(ref _lastPort)) : endPoint;
        var listener = new Listener(this, bound);
        return _listeners.TryAdd(bound, listener) ? listener : throw new SocketException((int)SocketError.AddressAlreadyInUse);
    }

    /// <summary>Connects to the proxy from a client's address.</summary>
    /// <exception cref="SocketException">Nothing listens there.</exception>
    internal InMemoryTransport ConnectClient(IPEndPoint proxy, IPAddress from)
    {
        var (ours, theirs) = Connect(proxy, new(from, Interlocked.Increment(ref _lastPort)));
        _proxyEnds.Enqueue(theirs);
        _listeners[proxy].Queue.Writer.TryWrite(theirs);
        return ours;
    }

    private (InMemoryTransport Ours, InMemoryTransport Theirs) Connect(IPEndPoint endPoint, IPEndPoint from) =>
        _listeners.ContainsKey(endPoint)
            ? InMemoryTransport.CreatePair(from, endPoint, BufferOctets)
            : throw new SocketException((int)SocketError.ConnectionRefused);

    /// <summary>One bound address.</summary>
    internal sealed class Listener(InMemoryTransportFactory network, IPEndPoint endPoint) : ITransportListener
    {
        public IPEndPoint EndPoint => endPoint;

        public Channel<InMemoryTransport> Queue { get; } = Channel.CreateUnbounded<InMemoryTransport>();

        public async ValueTask<DuplexTransport?> AcceptAsync()
        {
            while (await Queue.Reader.WaitToReadAsync().ConfigureAwait(false))
            {
                if (Queue.Reader.TryRead(out var transport))
                {
                    return transport;
                }
            }

            return null;
        }

        public void Close()
        {
            network._listeners.TryRemove(new(endPoint, this));
            Queue.Writer.TryComplete();
        }
    }
}
