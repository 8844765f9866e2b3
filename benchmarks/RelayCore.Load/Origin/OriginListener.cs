using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using RelayCore.Load.Http;

namespace RelayCore.Load.Origin;

/// <summary>
/// Accepts connections and serves each by what it starts with: HTTP/2 (RFC 9113 §3.4) or HTTP/1.1, whose requests may open a WebSocket.
/// </summary>
internal sealed class OriginListener(Socket listener, SslServerAuthenticationOptions? tls)
{
    private const int BufferOctets = 64 * 1024;

    public static Socket Listen(IPEndPoint endPoint)
    {
        var listener = new Socket(endPoint.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        listener.Bind(endPoint);
        listener.Listen(4096);
        return listener;
    }

    /// <summary>Serves until cancelled; connections then end with the process.</summary>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            var socket = await listener.AcceptAsync(cancellationToken);
            _ = Task.Run(() => ServeAsync(socket, cancellationToken), cancellationToken);
        }
    }

    private async Task ServeAsync(Socket socket, CancellationToken cancellationToken)
    {
        using var wire = new Wire(socket);
        try
        {
            if (tls is not null)
            {
                await wire.AuthenticateAsServerAsync(tls, cancellationToken);
            }

            var (buffer, filled) = (new byte[BufferOctets], 0);
            do
            {
                var received = await wire.ReceiveAsync(buffer.AsMemory(filled));
                if (received == 0)
                {
                    return;
                }

                filled += received;
            }
            while (filled < Http2Frame.Preface.Length && Http2Frame.Preface.StartsWith(buffer.AsSpan(0, filled)));

            if (buffer.AsSpan(0, filled).StartsWith(Http2Frame.Preface))
            {
                await new Http2Service(wire, buffer, filled).RunAsync();
            }
            else
            {
                await new Http1Service(wire, buffer, filled).RunAsync();
            }
        }
        catch (Exception error) when (error is IOException or SocketException or AuthenticationException or ObjectDisposedException or OperationCanceledException)
        {
            // A proxy that is stopped or measured with clients aborting drops its connections; the generator counts what matters.
        }
    }
}
