using System.Buffers;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using RelayCore.Load.Http;

namespace RelayCore.Load.Origin;

/// <summary>Accepts connections and answers each request, when its body has been read and thrown away, with 200 and the two octets <c>ok</c>.</summary>
internal sealed class UploadOrigin(Socket listener, SslServerAuthenticationOptions? tls)
{
    private const int BufferOctets = 64 * 1024;
    private static readonly byte[] s_answer =
        [.. "HTTP/1.1 200 OK\r\nServer: relaycore-load\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok"u8];

    private static readonly byte[] s_refusal = [.. "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"u8];

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

            var buffer = new byte[BufferOctets];
            var filled = 0;
            while (true)
            {
                MessageHead head;
                OperationStatus status;
                while ((status = MessageHead.TryRead(buffer.AsSpan(0, filled), out head)) == OperationStatus.NeedMoreData && filled < buffer.Length)
                {
                    var received = await wire.ReceiveAsync(buffer.AsMemory(filled));
                    if (received == 0)
                    {
                        return;
                    }

                    filled += received;
                }

                var body = BodyCounter.For(head, isRequest: true);
                var position = head.Octets;
                while (status == OperationStatus.Done)
                {
                    position += body.Consume(buffer.AsSpan(position, filled - position));
                    if (body.IsComplete || body.IsBroken)
                    {
                        break;
                    }

                    (position, filled) = (0, await wire.ReceiveAsync(buffer));
                    if (filled == 0)
                    {
                        return;
                    }
                }

                if (!body.IsComplete || status != OperationStatus.Done)
                {
                    await wire.SendAsync(s_refusal);
                    return;
                }

                await wire.SendAsync(s_answer);
                if (head.IsClose)
                {
                    return;
                }

                buffer.AsSpan(position, filled - position).CopyTo(buffer);
                filled -= position;
            }
        }
        catch (Exception error) when (error is IOException or SocketException or AuthenticationException or ObjectDisposedException or OperationCanceledException)
        {
            // A proxy that is stopped or measured with clients aborting drops its connections; the generator counts what matters.
        }
    }
}
