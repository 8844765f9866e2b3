using System.Buffers;
using System.Net.Security;
using System.Net.Sockets;
using System.Runtime.CompilerServices;
using System.Security.Authentication;
using RelayCore.Load.Http;
using RelayCore.Load.Measure;

namespace RelayCore.Load.Load;

/// <summary>Why a request failed.</summary>
internal enum LoadFault
{
    /// <summary>TCP connection refused or reset while connecting.</summary>
    Connect,

    /// <summary>CONNECT was answered with anything but 200.</summary>
    Tunnel,

    /// <summary>The handshake failed or the certificate is not to be trusted.</summary>
    Tls,

    /// <summary>The connection ended or broke before the response was whole.</summary>
    Broken,

    /// <summary>What came is not the protocol as we know it, or more octets came than were announced.</summary>
    Malformed,

    /// <summary>RST_STREAM, GOAWAY or a WebSocket close that we did not ask for.</summary>
    Refused,

    /// <summary>A status other than 200, or for a WebSocket handshake than 101.</summary>
    Status,

    /// <summary>A body of another length than expected.</summary>
    Length,

    /// <summary>A WebSocket message came back as another one.</summary>
    Echo,
}

/// <summary>One connection of a run: opens itself, makes requests, checks and counts what comes back.</summary>
internal abstract class LoadConnection(LoadPlan plan, LoadControl control)
{
    private static readonly TimeSpan s_pauseAfterFault = TimeSpan.FromMilliseconds(20);
    private readonly long[] _faults = new long[Enum.GetValues<LoadFault>().Length];
    private Wire? _wire;
    private long _completed;
    private long _octets;
    private long _opened;

    public LatencyHistogram Latencies { get; } = new();

    /// <summary>Good responses, or messages come back, so far.</summary>
    public long Completed => Volatile.Read(ref _completed);

    /// <summary>Content octets so far, of responses or, when uploading, of requests; those under way included.</summary>
    public long Octets => Volatile.Read(ref _octets);

    public long Opened => Volatile.Read(ref _opened);

    public string? FirstFault { get; private set; }

    public bool IsConnected => _wire is { IsReadable: false };

    protected LoadPlan Plan { get; } = plan;

    protected LoadControl Control { get; } = control;

    protected byte[] Buffer { get; } = GC.AllocateUninitializedArray<byte>(plan.Options.BufferOctets);

    /// <summary>The open connection; <see langword="null"/> before and between.</summary>
    protected Wire? Wire => _wire;

    /// <summary>Status of the head read last.</summary>
    protected int Status { get; private set; }

    public static LoadConnection Create(LoadPlan plan, LoadControl control, Pacer? pacer) => plan.Options.Protocol switch
    {
        LoadProtocol.Http1 => new Http1Connection(plan, control, pacer),
        LoadProtocol.Http2 => new Http2Connection(plan, control),
        LoadProtocol.WebSocket => new WebSocketConnection(plan, control),
        var other => throw new BenchmarkException($"{other} is not a protocol of the generator."),
    };

    /// <summary>Makes requests until the run stops or has no more to give.</summary>
    public abstract Task RunAsync();

    public long Faults(LoadFault fault) => Volatile.Read(ref _faults[(int)fault]);

    public void Abort() => Volatile.Read(ref _wire)?.Abort();

    public void Close()
    {
        _wire?.Dispose();
        _wire = null;
    }

    protected void CountOctets(long octets) => _octets += octets;

    /// <param name="from"><see cref="System.Diagnostics.Stopwatch"/> timestamp from which its latency counts.</param>
    protected void CountCompleted(long from)
    {
        _completed++;
        if (Control.IsMeasuring)
        {
            Latencies.Record(System.Diagnostics.Stopwatch.GetElapsedTime(from));
        }
    }

    /// <summary>Closes and counts a failure, unless the run is over and it is only our own abort.</summary>
    /// <returns><see langword="false"/>, for the caller to return.</returns>
    protected bool Fail(LoadFault fault, string reason, int requests = 1)
    {
        Close();
        if (!Control.IsStopping)
        {
            FirstFault ??= reason;
            _faults[(int)fault] += requests;
            Control.CountErrors(requests);
        }

        return false;
    }

    /// <summary>Which fault an exception of a connection is; <see langword="null"/> when it is not the peer's doing.</summary>
    protected (LoadFault Fault, string Reason)? FaultOf(Exception error) => error switch
    {
        AuthenticationException => (LoadFault.Tls, error.InnerException?.Message ?? error.Message),
        IOException or SocketException or ObjectDisposedException => (_wire is null ? LoadFault.Connect : LoadFault.Broken, error.Message),
        _ => null,
    };

    protected static Task PauseAfterFaultAsync() => Task.Delay(s_pauseAfterFault);

    /// <summary>TCP, then CONNECT and TLS when the plan has them.</summary>
    /// <returns>What the peer did instead; <see langword="null"/> when the connection is open.</returns>
    protected async Task<(LoadFault Fault, string Reason)?> ConnectAsync()
    {
        var wire = await Wire.ConnectAsync(Plan.Options.Via, CancellationToken.None);
        _wire = wire;
        _opened++;
        if (Control.IsStopping)
        {
            wire.Abort(); // the run may have ended before there was a wire to abort
        }

        if (!Plan.ConnectRequest.IsEmpty)
        {
            await wire.SendAsync(Plan.ConnectRequest);
            var (head, filled) = await ReceiveHeadAsync(wire, 0);
            if (head.Status != 200 || filled != head.Octets)
            {
                return (LoadFault.Tunnel, $"CONNECT was answered with {Status}");
            }
        }

        if (Plan.Tls is not null)
        {
            await wire.AuthenticateAsClientAsync(Plan.Tls, CancellationToken.None);
            if (Plan.Options.Protocol == LoadProtocol.Http2 && wire.ApplicationProtocol != SslApplicationProtocol.Http2)
            {
                return (LoadFault.Tls, $"h2 was offered, '{wire.ApplicationProtocol}' was chosen");
            }
        }

        return null;
    }

    /// <returns>The head at the start of the buffer and how much of the buffer is filled; a head of 0 octets when it is malformed.</returns>
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    protected async ValueTask<(MessageHead Head, int Filled)> ReceiveHeadAsync(Wire wire, int filled)
    {
        while (true)
        {
            if (filled > 0)
            {
                var status = MessageHead.TryRead(Buffer.AsSpan(0, filled), out var head);
                if (status != OperationStatus.NeedMoreData || filled == Buffer.Length)
                {
                    Status = head.Status;
                    return (status == OperationStatus.Done && head.Status > 0 ? head : default, filled);
                }
            }

            var received = await wire.ReceiveAsync(Buffer.AsMemory(filled));
            filled += received > 0 ? received : throw new EndOfStreamException("the connection ended where a response head was expected");
        }
    }
}
