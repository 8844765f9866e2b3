using System.Globalization;
using System.Net.Sockets;
using System.Text;
using RelayCore.Engine.Transport;

namespace RelayCore.Testing;

/// <summary>
/// A client or origin driven by a test: sends the octets it is told to and returns exactly those it received. Text is Latin-1, which maps
/// octets one to one. Every wait ends after <see cref="Patience"/> with an exception that shows what had come.
/// </summary>
public sealed class TestPeer
{
    /// <summary>How long a test waits for anything.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);

    private readonly DuplexTransport _transport;
    private readonly byte[] _chunk = new byte[64 * 1024];
    private byte[] _held = [];

    /// <summary>Takes over one end of a connection.</summary>
    public TestPeer(DuplexTransport transport, InMemoryTransport wire) => (_transport, Wire) = (transport, wire);

    /// <summary>The connection, below TLS if there is any.</summary>
    public InMemoryTransport Wire { get; }

    /// <summary>Sends octets.</summary>
    public async Task SendAsync(string octets) => await SendAsync(Encoding.Latin1.GetBytes(octets)).ConfigureAwait(false);

    /// <summary>Sends octets.</summary>
    public async Task SendAsync(ReadOnlyMemory<byte> octets) => await _transport.SendAsync(octets).AsTask().WaitAsync(Patience).ConfigureAwait(false);

    /// <summary>Sends one octet at a time, each after the other end has read the one before.</summary>
    public async Task SendSlowlyAsync(string octets)
    {
        foreach (var octet in Encoding.Latin1.GetBytes(octets))
        {
            await SendAsync(new[] { octet }).ConfigureAwait(false);
            await ProxyReceivesAsync().ConfigureAwait(false);
        }
    }

    /// <summary>Waits until the proxy has read everything and waits for more from here.</summary>
    public Task ProxyReceivesAsync() => Wire.PeerReceivesAsync().WaitAsync(Patience);

    /// <summary>Waits until the proxy cannot send more to here.</summary>
    public Task ProxyIsBlockedAsync() => Wire.PeerIsBlockedAsync().WaitAsync(Patience);

    /// <summary>Ends this side; the other may go on.</summary>
    public async Task EndAsync() => await _transport.CompleteOutputAsync().ConfigureAwait(false);

    /// <summary>Closes.</summary>
    public void Close() => _transport.Close();

    /// <summary>Resets.</summary>
    public void Reset() => _transport.Reset();

    /// <summary>Reads exactly that many octets.</summary>
    public async Task<string> ReadAsync(int octets)
    {
        while (_held.Length < octets)
        {
            if (!await FillAsync().ConfigureAwait(false))
            {
                throw new InvalidOperationException($"The connection ended; wanted {octets} octets, got: {Encoding.Latin1.GetString(_held)}");
            }
        }

        return Take(octets);
    }

    /// <summary>Reads up to and with the first empty line.</summary>
    public async Task<string> ReadHeadAsync()
    {
        int end;
        while ((end = _held.AsSpan().IndexOf("\r\n\r\n"u8)) < 0)
        {
            if (!await FillAsync().ConfigureAwait(false))
            {
                throw new InvalidOperationException($"The connection ended within a head: {Encoding.Latin1.GetString(_held)}");
            }
        }

        return Take(end + 4);
    }

    /// <summary>Reads one message by its own framing: Content-Length, chunked, otherwise the head only.</summary>
    public async Task<string> ReadMessageAsync(bool hasNoBody = false)
    {
        var head = await ReadHeadAsync().ConfigureAwait(false);
        if (hasNoBody)
        {
            return head;
        }

        if (Field(head, "Transfer-Encoding") is not null)
        {
            var body = new StringBuilder();
            while (true)
            {
                var line = await ReadLineAsync().ConfigureAwait(false);
                body.Append(line);
                var size = int.Parse(line.Split(';', '\r')[0].Trim(), NumberStyles.HexNumber, CultureInfo.InvariantCulture);
                if (size == 0)
                {
                    break;
                }

                body.Append(await ReadAsync(size + 2).ConfigureAwait(false));
            }

            string trailer;
            do
            {
                trailer = await ReadLineAsync().ConfigureAwait(false);
                body.Append(trailer);
            }
            while (trailer != "\r\n");

            return head + body;
        }

        return Field(head, "Content-Length") is { } length
            ? head + await ReadAsync(int.Parse(length, CultureInfo.InvariantCulture)).ConfigureAwait(false)
            : head;
    }

    /// <summary>Value of the first field of that name, or <see langword="null"/>.</summary>
    public static string? Field(string head, string name) =>
        head.Split("\r\n").FirstOrDefault(x => x.StartsWith(name + ":", StringComparison.OrdinalIgnoreCase))?[(name.Length + 1)..].Trim();

    /// <summary>Reads to the orderly end.</summary>
    /// <exception cref="SocketException">The connection was reset.</exception>
    public async Task<string> ReadToEndAsync()
    {
        while (await FillAsync().ConfigureAwait(false))
        {
        }

        return Take(_held.Length);
    }

    /// <summary>Reads until the connection ends in any way.</summary>
    /// <returns>What came, and whether it ended by a reset.</returns>
    public async Task<(string Octets, bool WasReset)> DrainAsync()
    {
        try
        {
            return (await ReadToEndAsync().ConfigureAwait(false), false);
        }
        catch (Exception e) when (DuplexTransport.IsFailure(e))
        {
            return (Take(_held.Length), true);
        }
    }

    private async Task<string> ReadLineAsync()
    {
        int end;
        while ((end = _held.AsSpan().IndexOf((byte)'\n')) < 0)
        {
            if (!await FillAsync().ConfigureAwait(false))
            {
                throw new InvalidOperationException($"The connection ended within a line: {Encoding.Latin1.GetString(_held)}");
            }
        }

        return Take(end + 1);
    }

    private async Task<bool> FillAsync()
    {
        int received;
        try
        {
            received = await _transport.ReceiveAsync(_chunk).AsTask().WaitAsync(Patience).ConfigureAwait(false);
        }
        catch (TimeoutException)
        {
            throw new InvalidOperationException($"Nothing more came; so far: {Encoding.Latin1.GetString(_held)}");
        }

        _held = [.. _held, .. _chunk.AsSpan(0, received)];
        return received > 0;
    }

    private string Take(int octets)
    {
        var text = Encoding.Latin1.GetString(_held, 0, octets);
        _held = _held[octets..];
        return text;
    }
}
