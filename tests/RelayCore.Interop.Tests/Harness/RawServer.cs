using System.Net;
using System.Net.Sockets;

namespace RelayCore.Interop.Tests.Harness;

/// <summary>A TCP server that runs one conversation for each connection.</summary>
internal sealed class RawServer : IAsyncDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly Task _accepting;

    private RawServer(Func<NetworkStream, Task> talk)
    {
        _listener.Start();
        _accepting = AcceptAsync(talk);
    }

    public int Port => ((IPEndPoint)_listener.LocalEndpoint).Port;

    public static RawServer Start(Func<NetworkStream, Task> talk) => new(talk);

    public async ValueTask DisposeAsync()
    {
        _listener.Dispose();
        await _accepting;
    }

    private async Task AcceptAsync(Func<NetworkStream, Task> talk)
    {
        var talking = new List<Task>();
        try
        {
            while (true)
            {
                talking.Add(TalkAsync(await _listener.AcceptTcpClientAsync(), talk));
            }
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // Disposed.
        }

        await Task.WhenAll(talking);
    }

    private static async Task TalkAsync(TcpClient client, Func<NetworkStream, Task> talk)
    {
        using var _ = client;
        try
        {
            await talk(client.GetStream());
        }
        catch (IOException)
        {
            // The other end left in the middle.
        }
    }
}
