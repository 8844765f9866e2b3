using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace RelayCore.Interop.Tests.Harness;

/// <summary>A foreign program that serves: started with a free port, ready when it accepts, killed at the end.</summary>
internal sealed class ToolServer : IAsyncDisposable
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(20);

    // Runs at the same time begin at different places.
    private static int s_lastPort = Random.Shared.Next(12_000);

    private readonly Process _process;
    private readonly StringBuilder _said = new();
    private readonly SemaphoreSlim _saidMore = new(0);
    private readonly Task _reading;

    private ToolServer(Process process, int port)
    {
        (_process, Port) = (process, port);
        _reading = Task.WhenAll(ReadAsync(process.StandardOutput), ReadAsync(process.StandardError));
    }

    public int Port { get; }

    /// <summary>Everything it printed, both streams.</summary>
    public string Said
    {
        get
        {
            lock (_said)
            {
                return _said.ToString();
            }
        }
    }

    /// <summary>Starts a program; another port is tried when somebody took the first one meanwhile.</summary>
    /// <param name="program">Path.</param>
    /// <param name="arguments">Arguments, given its port.</param>
    /// <param name="environment">Added to the environment.</param>
    public static async Task<ToolServer> StartAsync(string program, Func<int, IEnumerable<string>> arguments, IReadOnlyDictionary<string, string?>? environment = null)
    {
        for (var attempt = 1; ; attempt++)
        {
            var port = FreePort();
            var server = new ToolServer(Tool.Start(program, arguments(port), environment), port);
            if (await server.IsReadyAsync())
            {
                return server;
            }

            await server.DisposeAsync();
            Assert.True(attempt < 3, $"{program} does not serve: {server.Said}");
        }
    }

    /// <summary>Waits until it has printed a text.</summary>
    public async Task WaitForAsync(string text)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        patience.CancelAfter(s_patience);
        while (!Said.Contains(text, StringComparison.Ordinal))
        {
            try
            {
                await _saidMore.WaitAsync(patience.Token);
            }
            catch (OperationCanceledException)
            {
                Assert.Fail($"it never said '{text}' but: {Said}");
            }
        }
    }

    public Task SayAsync(string text)
    {
        _process.StandardInput.Write(text);
        return _process.StandardInput.FlushAsync();
    }

    public async ValueTask DisposeAsync()
    {
        if (!_process.HasExited)
        {
            _process.Kill(entireProcessTree: true);
        }

        await _process.WaitForExitAsync();
        await _reading;
        _process.Dispose();
        _saidMore.Dispose();
    }

    /// <summary>A port nobody listens on, given out once: below those the system gives to sockets that ask for any.</summary>
    public static int FreePort()
    {
        while (true)
        {
            var port = 20_000 + (int)((uint)Interlocked.Increment(ref s_lastPort) % 12_000);
            using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            try
            {
                socket.Bind(new IPEndPoint(IPAddress.Loopback, port));
                return port;
            }
            catch (SocketException)
            {
                // Somebody's; the next one.
            }
        }
    }

    private async Task<bool> IsReadyAsync()
    {
        var until = TimeProvider.System.GetTimestamp() + (s_patience.Ticks / TimeSpan.TicksPerMillisecond * (TimeProvider.System.TimestampFrequency / 1000));
        while (!_process.HasExited && TimeProvider.System.GetTimestamp() < until)
        {
            using var probe = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            try
            {
                await probe.ConnectAsync(IPAddress.Loopback, Port, TestContext.Current.CancellationToken);
                return true;
            }
            catch (SocketException)
            {
                // There is nothing else to wait for: it only tells by accepting.
                using var pause = new PeriodicTimer(TimeSpan.FromMilliseconds(20));
                await pause.WaitForNextTickAsync(TestContext.Current.CancellationToken);
            }
        }

        return false;
    }

    private async Task ReadAsync(StreamReader reader)
    {
        var buffer = new char[4096];
        int read;
        while ((read = await reader.ReadAsync(buffer)) > 0)
        {
            lock (_said)
            {
                _said.Append(buffer, 0, read);
            }

            _saidMore.Release();
        }
    }
}
