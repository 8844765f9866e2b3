using System.Net;
using System.Net.Sockets;

namespace RelayCore.Engine.Transport;

/// <summary>A TCP connection. With inline completions (set by the program, not here) continuations run on the I/O thread.</summary>
public sealed class SocketTransport : DuplexTransport
{
    private readonly Socket _socket;

    /// <summary>Takes over a connected socket.</summary>
    public SocketTransport(Socket socket)
    {
        _socket = socket;
        _socket.NoDelay = true;
        (LocalEndPoint, RemoteEndPoint) = (Unmapped(socket.LocalEndPoint), Unmapped(socket.RemoteEndPoint));
    }

    /// <inheritdoc/>
    public override EndPoint? LocalEndPoint { get; }

    /// <inheritdoc/>
    public override EndPoint? RemoteEndPoint { get; }

    /// <summary>Hops its packets may go, as the system has it.</summary>
    internal int TimeToLive => _socket.Ttl;

    /// <inheritdoc/>
    public override bool HasInput
    {
        get
        {
            try
            {
                return _socket.Poll(0, SelectMode.SelectRead);
            }
            catch (Exception e) when (IsFailure(e))
            {
                return true;
            }
        }
    }

    /// <inheritdoc/>
    public override bool IsReset
    {
        get
        {
            try
            {
                return _socket.Poll(0, SelectMode.SelectError)
                    && (int)_socket.GetSocketOption(SocketOptionLevel.Socket, SocketOptionName.Error)! != 0;
            }
            catch (Exception e) when (IsFailure(e))
            {
                return true;
            }
        }
    }

    /// <inheritdoc/>
    public override ValueTask<int> ReceiveAsync(Memory<byte> buffer) => _socket.ReceiveAsync(buffer, SocketFlags.None);

    /// <inheritdoc/>
    public override ValueTask SendAsync(ReadOnlyMemory<byte> octets)
    {
        var sending = _socket.SendAsync(octets, SocketFlags.None);
        if (!sending.IsCompletedSuccessfully)
        {
            return SendSlowAsync(sending, octets);
        }

        var sent = sending.Result;
        return sent == octets.Length ? default : SendRestAsync(sent, octets);
    }

    /// <inheritdoc/>
    public override ValueTask CompleteOutputAsync()
    {
        try
        {
            _socket.Shutdown(SocketShutdown.Send);
        }
        catch (Exception e) when (IsFailure(e))
        {
            // The peer is gone already: nothing left to end.
        }

        return default;
    }

    /// <inheritdoc/>
    public override void Close()
    {
        try
        {
            _socket.Shutdown(SocketShutdown.Both);
        }
        catch (Exception e) when (IsFailure(e))
        {
            // As above.
        }

        _socket.Dispose();
    }

    /// <inheritdoc/>
    public override void Reset()
    {
        try
        {
            _socket.LingerState = new LingerOption(true, 0);
        }
        catch (Exception e) when (IsFailure(e))
        {
            // As above.
        }

        _socket.Dispose();
    }

    private static EndPoint? Unmapped(EndPoint? endPoint) =>
        endPoint is IPEndPoint { Address.IsIPv4MappedToIPv6: true } mapped ? new IPEndPoint(mapped.Address.MapToIPv4(), mapped.Port) : endPoint;

    private async ValueTask SendSlowAsync(ValueTask<int> sending, ReadOnlyMemory<byte> octets)
    {
        var sent = await sending.ConfigureAwait(false);
        if (sent < octets.Length)
        {
            await SendRestAsync(sent, octets).ConfigureAwait(false);
        }
    }

    // A stream socket completes a send only when all octets are taken, except after an error; the loop covers other platforms.
    private async ValueTask SendRestAsync(int sent, ReadOnlyMemory<byte> octets)
    {
        while (sent < octets.Length)
        {
            sent += await _socket.SendAsync(octets[sent..], SocketFlags.None).ConfigureAwait(false);
        }
    }
}

/// <summary>TCP by the operating system.</summary>
public sealed class SocketTransportFactory : ITransportFactory
{
    /// <inheritdoc/>
    public ITransportListener Bind(IPEndPoint endPoint)
    {
        var socket = new Socket(endPoint.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            if (endPoint.AddressFamily == AddressFamily.InterNetworkV6 && endPoint.Address.Equals(IPAddress.IPv6Any))
            {
                socket.DualMode = true;
            }

            socket.Bind(endPoint);
            socket.Listen(4096);
            return new SocketListener(socket);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public ValueTask<DuplexTransport> ConnectAsync(IPEndPoint endPoint, CancellationToken cancellationToken) => ConnectAsync(endPoint, null, cancellationToken);

    /// <inheritdoc/>
    public async ValueTask<DuplexTransport> ConnectAsync(IPEndPoint endPoint, int? timeToLive, CancellationToken cancellationToken)
    {
        var socket = new Socket(endPoint.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            if (timeToLive is { } hops)
            {
                socket.Ttl = (short)hops; // IP_TTL, or IPV6_UNICAST_HOPS; before the SYN, which must not go further either
            }

            await socket.ConnectAsync(endPoint, cancellationToken).ConfigureAwait(false);
            return new SocketTransport(socket);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    private sealed class SocketListener(Socket socket) : ITransportListener
    {
        private volatile bool _closed;

        public IPEndPoint EndPoint { get; } = (IPEndPoint)socket.LocalEndPoint!;

        public async ValueTask<DuplexTransport?> AcceptAsync()
        {
            while (true)
            {
                try
                {
                    return new SocketTransport(await socket.AcceptAsync().ConfigureAwait(false));
                }
                catch (Exception) when (_closed)
                {
                    return null;
                }
                catch (SocketException e) when (e.SocketErrorCode is SocketError.ConnectionReset or SocketError.ConnectionAborted
                    or SocketError.NotConnected or SocketError.InvalidArgument)
                {
                    // The client left between its SYN and our accept.
                }
            }
        }

        public void Close()
        {
            _closed = true;
            socket.Dispose();
        }
    }
}
