using System.Globalization;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography.X509Certificates;
using System.Text;

namespace RelayCore.Interop.Tests.Harness;

/// <summary>A request exactly as an origin received it.</summary>
/// <param name="Connection">Number of its connection, from 1.</param>
/// <param name="Head">Request line and fields with their CRLFs, Latin-1, without the empty line.</param>
/// <param name="Body">Content, transfer coding removed.</param>
/// <param name="RawBody">Body octets on the wire.</param>
internal sealed record OriginRequest(int Connection, string Head, byte[] Body, byte[] RawBody)
{
    public string Line => Head[..Head.IndexOf("\r\n", StringComparison.Ordinal)];

    public string Target => Line.Split(' ')[1];

    public string? Field(string name) => Fields(Head, name).FirstOrDefault();

    public static IEnumerable<string> Fields(string head, string name) => head.Split("\r\n").Skip(1)
        .Where(x => x.StartsWith(name + ":", StringComparison.OrdinalIgnoreCase)).Select(x => x[(name.Length + 1)..].Trim());
}

/// <summary>
/// An origin that keeps every octet it receives and answers with exactly the octets it is told to. It understands just enough HTTP to know
/// where a request ends, and shares no code with the proxy.
/// </summary>
internal sealed class RecordingOrigin : IAsyncDisposable
{
    private readonly Socket _listener;
    private readonly X509Certificate2? _certificate;
    private readonly Func<OriginRequest, Stream, Task> _answer;
    private readonly List<OriginRequest> _requests = [];
    private readonly List<Socket> _open = [];
    private readonly Task _accepting;
    private int _connections;

    private RecordingOrigin(Func<OriginRequest, Stream, Task> answer, X509Certificate2? certificate, IPAddress address)
    {
        (_answer, _certificate) = (answer, certificate);
        _listener = new(address.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        _listener.Bind(new IPEndPoint(address, 0));
        _listener.Listen(512);
        _accepting = AcceptAsync();
    }

    public int Port => ((IPEndPoint)_listener.LocalEndPoint!).Port;

    public int Connections => Volatile.Read(ref _connections);

    /// <summary>Requests so far, in the order they were complete.</summary>
    public IReadOnlyList<OriginRequest> Requests
    {
        get
        {
            lock (_requests)
            {
                return [.. _requests];
            }
        }
    }

    public OriginRequest OnlyRequest => Assert.Single(Requests);

    /// <param name="answer">Writes the answer.</param>
    /// <param name="certificate">For TLS.</param>
    /// <param name="address">Default 127.0.0.1.</param>
    public static RecordingOrigin Start(Func<OriginRequest, Stream, Task> answer, X509Certificate2? certificate = null, IPAddress? address = null) =>
        new(answer, certificate, address ?? IPAddress.Loopback);

    public static RecordingOrigin Start(Func<OriginRequest, byte[]> answer, X509Certificate2? certificate = null, IPAddress? address = null) =>
        Start(async (request, stream) => await stream.WriteAsync(answer(request)), certificate, address);

    /// <summary>A 200 with a length.</summary>
    public static byte[] Ok(byte[] body, string fields = "", string status = "200 OK") =>
        [.. Octets.Ascii($"HTTP/1.1 {status}\r\nContent-Length: {body.Length}\r\n{fields}\r\n"), .. body];

    public static byte[] Ok(string body, string fields = "", string status = "200 OK") => Ok(Octets.Ascii(body), fields, status);

    public async ValueTask DisposeAsync()
    {
        _listener.Dispose();
        lock (_open)
        {
            foreach (var socket in _open)
            {
                socket.Dispose();
            }
        }

        await _accepting;
    }

    private async Task AcceptAsync()
    {
        var serving = new List<Task>();
        try
        {
            while (true)
            {
                var socket = await _listener.AcceptAsync();
                socket.NoDelay = true;
                lock (_open)
                {
                    _open.Add(socket);
                }

                serving.Add(ServeAsync(socket, Interlocked.Increment(ref _connections)));
            }
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // Disposed.
        }

        await Task.WhenAll(serving);
    }

    private async Task ServeAsync(Socket socket, int connection)
    {
        using var _ = socket;
        try
        {
            Stream stream = new NetworkStream(socket);
            if (_certificate is not null)
            {
                var secure = new SslStream(stream);
                await secure.AuthenticateAsServerAsync(_certificate);
                stream = secure;
            }

            await using (stream)
            {
                var reader = new Reader(stream);
                while (await reader.ReadHeadAsync() is { } head)
                {
                    var request = await ReadBodyAsync(reader, head, connection);
                    lock (_requests)
                    {
                        _requests.Add(request);
                    }

                    await _answer(request, stream);
                    await stream.FlushAsync();
                    if (request.Line.EndsWith("HTTP/1.0", StringComparison.Ordinal) || request.Field("Connection") == "close")
                    {
                        if (stream is SslStream tls)
                        {
                            await tls.ShutdownAsync();
                        }

                        return;
                    }
                }
            }
        }
        catch (Exception e) when (e is IOException or SocketException or ObjectDisposedException or System.Security.Authentication.AuthenticationException)
        {
            // The other end left; what it sent until then is recorded.
        }
    }

    private static async Task<OriginRequest> ReadBodyAsync(Reader reader, string head, int connection)
    {
        var fields = (string name) => OriginRequest.Fields(head, name).FirstOrDefault();
        if (fields("Expect") == "100-continue")
        {
            await reader.Stream.WriteAsync("HTTP/1.1 100 Continue\r\n\r\n"u8.ToArray());
        }

        if (fields("Transfer-Encoding") is not null)
        {
            var (body, raw) = (new MemoryStream(), new MemoryStream());
            while (true)
            {
                var line = await reader.ReadLineAsync();
                raw.Write(Octets.Ascii(line));
                var size = int.Parse(line.AsSpan(0, line.AsSpan().IndexOfAny(";\r")), NumberStyles.HexNumber, CultureInfo.InvariantCulture);
                if (size == 0)
                {
                    for (var trailer = ""; trailer != "\r\n";)
                    {
                        trailer = await reader.ReadLineAsync();
                        raw.Write(Octets.Ascii(trailer));
                    }

                    return new(connection, head, body.ToArray(), raw.ToArray());
                }

                var chunk = await reader.ReadAsync(size + 2);
                raw.Write(chunk);
                body.Write(chunk, 0, size);
            }
        }

        var content = fields("Content-Length") is { } length ? await reader.ReadAsync(int.Parse(length, CultureInfo.InvariantCulture)) : [];
        return new(connection, head, content, content);
    }

    private sealed class Reader(Stream stream)
    {
        private readonly byte[] _buffer = new byte[64 * 1024];
        private int _start;
        private int _end;

        public Stream Stream => stream;

        public async Task<string?> ReadHeadAsync()
        {
            var head = new StringBuilder();
            while (true)
            {
                if (_start == _end && head.Length == 0 && !await FillAsync())
                {
                    return null;
                }

                var line = await ReadLineAsync();
                if (line == "\r\n")
                {
                    return head.ToString();
                }

                head.Append(line);
            }
        }

        public async Task<string> ReadLineAsync()
        {
            var line = new StringBuilder();
            while (true)
            {
                var length = _buffer.AsSpan(_start, _end - _start).IndexOf((byte)'\n') + 1;
                var take = length > 0 ? length : _end - _start;
                line.Append(Encoding.Latin1.GetString(_buffer, _start, take));
                _start += take;
                if (length > 0)
                {
                    return line.ToString();
                }

                if (!await FillAsync())
                {
                    throw new IOException("the end came inside a line");
                }
            }
        }

        public async Task<byte[]> ReadAsync(int length)
        {
            var octets = new byte[length];
            var read = Math.Min(length, _end - _start);
            _buffer.AsSpan(_start, read).CopyTo(octets);
            _start += read;
            await stream.ReadExactlyAsync(octets.AsMemory(read));
            return octets;
        }

        private async Task<bool> FillAsync()
        {
            (_start, _end) = (0, await stream.ReadAsync(_buffer));
            return _end > 0;
        }
    }
}
