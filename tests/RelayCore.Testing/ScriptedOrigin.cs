using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace RelayCore.Testing;

/// <summary>
/// An HTTP/1.1 server on a loopback port that a test holds in its hand: it reads one request head at a time, shows it, and answers with the octets a handler
/// gives. Knows nothing of bodies: handlers that want one read it from the stream.
/// </summary>
public sealed class ScriptedOrigin : IAsyncDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource _stopping = new();
    private readonly ConcurrentBag<Task> _connections = [];
    private readonly Func<string, Stream, CancellationToken, Task<string?>> _answer;
    private readonly Task _accepting;

    /// <summary>Starts to listen.</summary>
    /// <param name="answer">Request head (to its empty line) and connection in, response octets as Latin-1 out; <see langword="null"/> closes.</param>
    public ScriptedOrigin(Func<string, Stream, CancellationToken, Task<string?>> answer)
    {
        _answer = answer;
        _listener.Start();
        _accepting = AcceptAsync();
    }

    /// <summary>An origin that answers every request with one response.</summary>
    public ScriptedOrigin(string response)
        : this((_, _, _) => Task.FromResult<string?>(response))
    {
    }

    /// <summary>The port.</summary>
    public int Port => ((IPEndPoint)_listener.LocalEndpoint).Port;

    /// <summary><c>http://127.0.0.1:port/path</c>.</summary>
    public string Url(string path = "/") => $"http://127.0.0.1:{Port}{path}";

    /// <summary>A response with a body.</summary>
    public static string Response(string body, string contentType = "text/plain", string status = "200 OK", string fields = "") =>
        $"HTTP/1.1 {status}\r\nContent-Type: {contentType}\r\nContent-Length: {Encoding.Latin1.GetByteCount(body)}\r\n{fields}\r\n{body}";

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _stopping.CancelAsync();
        _listener.Stop();
        await _accepting;
        await Task.WhenAll(_connections);
        _stopping.Dispose();
    }

    private async Task AcceptAsync()
    {
        while (true)
        {
            try
            {
                _connections.Add(ServeAsync(await _listener.AcceptTcpClientAsync(_stopping.Token)));
            }
            catch (Exception error) when (error is OperationCanceledException or SocketException or ObjectDisposedException)
            {
                return;
            }
        }
    }

    private async Task ServeAsync(TcpClient client)
    {
        using (client)
        {
            try
            {
                var stream = client.GetStream();
                while (await ReadHeadAsync(stream) is { } head && await _answer(head, stream, _stopping.Token) is { } response)
                {
                    await stream.WriteAsync(Encoding.Latin1.GetBytes(response), _stopping.Token);
                }
            }
            catch (Exception error) when (error is OperationCanceledException or IOException)
            {
                // The other side has gone, or the test is over.
            }
        }
    }

    private async Task<string?> ReadHeadAsync(NetworkStream stream)
    {
        var head = new StringBuilder();
        var octet = new byte[1];
        while (await stream.ReadAsync(octet, _stopping.Token) == 1)
        {
            head.Append((char)octet[0]);
            if (octet[0] == '\n' && head.Length >= 4 && head.ToString(head.Length - 4, 4) == "\r\n\r\n")
            {
                return head.ToString();
            }
        }

        return null;
    }
}
