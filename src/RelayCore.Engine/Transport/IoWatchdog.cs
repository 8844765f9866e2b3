using System.Net;
using System.Net.Sockets;

namespace RelayCore.Engine.Transport;

/// <summary>
/// Reports an I/O thread that is stuck: something blocks there, or computes too long, and every connection of the thread waits.
/// </summary>
/// <remarks>
/// It measures from outside, so that connections pay nothing: every <see cref="Interval"/> it sends one octet to itself over loopback on one
/// socket per I/O thread, and each receive completes on the thread its socket belongs to. The runtime deals sockets to its threads in turn, so
/// a few more sockets than threads reach all of them. Meaningful only with inline completions; without them a probe measures the thread pool.
/// </remarks>
public sealed class IoWatchdog : IAsyncDisposable
{
    /// <summary>An octet that takes longer than this to come back means a stuck thread: 100 ms.</summary>
    public static readonly TimeSpan Limit = TimeSpan.FromMilliseconds(100);

    /// <summary>Time between probes: 250 ms.</summary>
    public static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(250);

    private readonly TimeProvider _time;
    private readonly Action<TimeSpan> _report;
    private readonly List<Probe> _probes = [];
    private ITimer? _timer;
    private long _reports;

    /// <summary>A watchdog that does nothing yet.</summary>
    /// <param name="time">Clock and timer.</param>
    /// <param name="report">Told, on a thread-pool thread, for how long a thread has been stuck; once per incident.</param>
    public IoWatchdog(TimeProvider time, Action<TimeSpan> report) => (_time, _report) = (time, report);

    /// <summary>Incidents so far.</summary>
    public long Reports => Volatile.Read(ref _reports);

    /// <summary>Opens the probes and begins.</summary>
    /// <param name="threads">Number of I/O threads; the runtime has one per processor when completions are inline.</param>
    /// <exception cref="SocketException">Loopback sockets cannot be opened.</exception>
    public async Task StartAsync(int threads)
    {
        using var listener = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        listener.Listen(threads);
        for (var i = 0; i < threads; i++)
        {
            var sender = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
            await sender.ConnectAsync(listener.LocalEndPoint!).ConfigureAwait(false);
            var receiver = await listener.AcceptAsync().ConfigureAwait(false);
            var probe = new Probe(sender, receiver);
            _probes.Add(probe);
            _ = ReceiveAsync(probe);
        }

        _timer = _time.CreateTimer(static state => ((IoWatchdog)state!).Tick(), this, Interval, Interval);
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        if (_timer is { } timer)
        {
            await timer.DisposeAsync().ConfigureAwait(false);
        }

        foreach (var probe in _probes)
        {
            probe.Sender.Dispose();
            probe.Receiver.Dispose();
        }
    }

    private void Tick()
    {
        var now = _time.GetTimestamp();
        foreach (var probe in _probes)
        {
            var sentAt = Volatile.Read(ref probe.SentAt);
            if (sentAt == 0)
            {
                probe.IsReported = false;
                Volatile.Write(ref probe.SentAt, now);
                _ = SendAsync(probe);
            }
            else if (!probe.IsReported && _time.GetElapsedTime(sentAt, now) is var elapsed && elapsed > Limit)
            {
                probe.IsReported = true;
                Interlocked.Increment(ref _reports);
                _report(elapsed);
            }
        }
    }

    private static async Task SendAsync(Probe probe)
    {
        try
        {
            await probe.Sender.SendAsync(new byte[1], SocketFlags.None).ConfigureAwait(false);
        }
        catch (Exception e) when (DuplexTransport.IsFailure(e))
        {
            // Disposed.
        }
    }

    private static async Task ReceiveAsync(Probe probe)
    {
        var buffer = new byte[1];
        try
        {
            while (await probe.Receiver.ReceiveAsync(buffer, SocketFlags.None).ConfigureAwait(false) > 0)
            {
                Volatile.Write(ref probe.SentAt, 0);
            }
        }
        catch (Exception e) when (DuplexTransport.IsFailure(e))
        {
            // Disposed.
        }
    }

    private sealed class Probe(Socket sender, Socket receiver)
    {
        public long SentAt;

        public Socket Sender => sender;

        public Socket Receiver => receiver;

        public bool IsReported { get; set; }
    }
}
