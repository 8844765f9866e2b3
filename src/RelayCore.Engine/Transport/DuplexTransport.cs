using System.Net;
using System.Net.Sockets;
using System.Security.Authentication;

namespace RelayCore.Engine.Transport;

/// <summary>
/// The seam to the network: one duplex octet stream. One receive and one send may be pending at a time, from different callers.
/// Continuations may run inline on an I/O thread, so nobody above may block.
/// </summary>
/// <remarks>
/// Failures of the connection are exceptions for which <see cref="IsFailure"/> is true; they end the connection.
/// <see cref="Close"/> and <see cref="Reset"/> may be called from any thread, more than once, and make pending calls fail.
/// </remarks>
public abstract class DuplexTransport
{
    /// <summary>Our end.</summary>
    public abstract EndPoint? LocalEndPoint { get; }

    /// <summary>Their end.</summary>
    public abstract EndPoint? RemoteEndPoint { get; }

    /// <summary>Receives at least one octet; 0 when the peer has ended its side.</summary>
    /// <param name="buffer">At least one octet; not to be touched until the call completes.</param>
    public abstract ValueTask<int> ReceiveAsync(Memory<byte> buffer);

    /// <summary>Sends all octets.</summary>
    public abstract ValueTask SendAsync(ReadOnlyMemory<byte> octets);

    /// <summary>Ends our side (half-close); the peer may go on sending.</summary>
    public abstract ValueTask CompleteOutputAsync();

    /// <summary>Whether there is something to receive, an end of input included, without waiting; may be wrong on the side of false.</summary>
    public abstract bool HasInput { get; }

    /// <summary>Whether the peer reset the connection; may be wrong on the side of false.</summary>
    public abstract bool IsReset { get; }

    /// <summary>Closes both sides in order; what was sent is still delivered.</summary>
    public abstract void Close();

    /// <summary>Resets the connection (RST).</summary>
    public abstract void Reset();

    /// <summary>Whether an exception means that the connection failed, as opposed to a defect of the program.</summary>
    public static bool IsFailure(Exception exception) =>
        exception is SocketException or IOException or ObjectDisposedException or AuthenticationException or OperationCanceledException
        || (exception is InvalidOperationException && exception.Source == "System.Net.Security");
}

/// <summary>Accepts connections on one address.</summary>
public interface ITransportListener
{
    /// <summary>The address bound.</summary>
    IPEndPoint EndPoint { get; }

    /// <summary>The next connection; <see langword="null"/> when the listener was closed.</summary>
    ValueTask<DuplexTransport?> AcceptAsync();

    /// <summary>Stops accepting.</summary>
    void Close();
}

/// <summary>Makes transports.</summary>
public interface ITransportFactory
{
    /// <summary>Binds an address; port 0 takes a free one.</summary>
    /// <exception cref="SocketException">It cannot be bound.</exception>
    ITransportListener Bind(IPEndPoint endPoint);

    /// <summary>Connects.</summary>
    /// <exception cref="SocketException">It cannot be reached.</exception>
    ValueTask<DuplexTransport> ConnectAsync(IPEndPoint endPoint, CancellationToken cancellationToken);

    /// <summary>Connects with a bound on the hops of its packets, from the first one on; where there are no hops, it means nothing.</summary>
    /// <param name="endPoint">Where to.</param>
    /// <param name="timeToLive">Hops, 1 to 255; <see langword="null"/> for the system's default.</param>
    /// <param name="cancellationToken">Given up.</param>
    /// <exception cref="SocketException">It cannot be reached.</exception>
    ValueTask<DuplexTransport> ConnectAsync(IPEndPoint endPoint, int? timeToLive, CancellationToken cancellationToken) => ConnectAsync(endPoint, cancellationToken);
}

/// <summary>Resolves names.</summary>
public interface IResolver
{
    /// <summary>Addresses of a host, in the order the system prefers; at least one.</summary>
    /// <exception cref="SocketException">The name is unknown or the resolver failed.</exception>
    ValueTask<IPAddress[]> ResolveAsync(string host, CancellationToken cancellationToken);
}

/// <summary>The system's resolver.</summary>
public sealed class SystemResolver : IResolver
{
    /// <inheritdoc/>
    public async ValueTask<IPAddress[]> ResolveAsync(string host, CancellationToken cancellationToken) =>
        await Dns.GetHostAddressesAsync(host, cancellationToken).ConfigureAwait(false);
}
