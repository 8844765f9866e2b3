using System.Net;

namespace RelayCore.Testing;

/// <summary>A server of the in-memory network: hands each connection the proxy opens to the test.</summary>
public sealed class TestOrigin
{
    private readonly InMemoryTransportFactory.Listener _listener;
    private int _accepted;

    internal TestOrigin(InMemoryTransportFactory.Listener listener) => _listener = listener;

    /// <summary>Where it listens.</summary>
    public IPEndPoint EndPoint => _listener.EndPoint;

    /// <summary>Connections taken so far.</summary>
    public int Accepted => Volatile.Read(ref _accepted);

    /// <summary>The next connection.</summary>
    public async Task<TestPeer> AcceptAsync()
    {
        var transport = (InMemoryTransport?)await _listener.AcceptAsync().AsTask().WaitAsync(TestPeer.Patience).ConfigureAwait(false)
            ?? throw new InvalidOperationException("The origin was closed.");
        Interlocked.Increment(ref _accepted);
        return new(transport, transport);
    }

    /// <summary>Stops listening: connecting is refused from now on.</summary>
    public void Close() => _listener.Close();
}
