using System.Net;
using System.Net.Security;
using System.Net.Sockets;

namespace RelayCore.Load.Http;

/// <summary>One TCP connection, plain or under TLS, whose reads and writes allocate nothing.</summary>
internal sealed class Wire : IDisposable
{
    private readonly Socket _socket;
    private Stream _stream;

    public Wire(Socket socket)
    {
        socket.NoDelay = true;
        _socket = socket;
        _stream = new NetworkStream(socket, ownsSocket: true);
    }

    public static async ValueTask<Wire> ConnectAsync(IPEndPoint endPoint, CancellationToken cancellationToken)
    {
        var socket = new Socket(endPoint.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            await socket.ConnectAsync(endPoint, cancellationToken);
            return new Wire(socket);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    /// <summary><see langword="true"/> when the peer has closed, or sent octets nobody asked for.</summary>
    public bool IsReadable => _socket.Poll(0, SelectMode.SelectRead);

    /// <summary>What ALPN chose; empty when nothing, or without TLS.</summary>
    public SslApplicationProtocol ApplicationProtocol => _stream is SslStream tls ? tls.NegotiatedApplicationProtocol : default;

    public async ValueTask AuthenticateAsClientAsync(SslClientAuthenticationOptions options, CancellationToken cancellationToken)
    {
        var tls = new SslStream(_stream, leaveInnerStreamOpen: false);
        _stream = tls;
        await tls.AuthenticateAsClientAsync(options, cancellationToken);
    }

    public async ValueTask AuthenticateAsServerAsync(SslServerAuthenticationOptions options, CancellationToken cancellationToken)
    {
        var tls = new SslStream(_stream, leaveInnerStreamOpen: false);
        _stream = tls;
        await tls.AuthenticateAsServerAsync(options, cancellationToken);
    }

    public ValueTask<int> ReceiveAsync(Memory<byte> buffer) => _stream.ReadAsync(buffer);

    public ValueTask SendAsync(ReadOnlyMemory<byte> octets) => _stream.WriteAsync(octets);

    /// <summary>Breaks whatever read or write is under way, from any thread; the owner still disposes.</summary>
    public void Abort() => _socket.Dispose();

    public void Dispose()
    {
        try
        {
            _stream.Dispose();
        }
        catch (IOException)
        {
            // The other side may be gone already; there is nothing left to say to it.
        }

        _socket.Dispose();
    }
}
