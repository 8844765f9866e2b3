using System.Buffers;
using System.Diagnostics;
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

    /// <summary>The response is not HTTP/1.1 as we know it, or more octets came than it announced.</summary>
    Malformed,

    /// <summary>A status other than 200.</summary>
    Status,

    /// <summary>A body of another length than expected.</summary>
    Length,
}

/// <summary>One connection's loop: send, read the whole response, check it, record, again.</summary>
internal sealed class LoadConnection(LoadPlan plan, LoadControl control, Pacer? pacer)
{
    private static readonly TimeSpan s_pauseAfterFault = TimeSpan.FromMilliseconds(20);
    private readonly byte[] _buffer = GC.AllocateUninitializedArray<byte>(plan.Options.BufferOctets);
    private readonly Pacer.Slot _slot = new();
    private readonly long[] _faults = new long[Enum.GetValues<LoadFault>().Length];
    private Wire? _wire;
    private BodyCounter _body;
    private int _status;
    private long _completed;
    private long _octets;
    private long _opened;

    public LatencyHistogram Latencies { get; } = new();

    /// <summary>Good responses so far.</summary>
    public long Completed => Volatile.Read(ref _completed);

    /// <summary>Content octets so far, of responses or, when uploading, of requests; those under way included.</summary>
    public long Octets => Volatile.Read(ref _octets);

    public long Opened => Volatile.Read(ref _opened);

    public string? FirstFault { get; private set; }

    public bool IsConnected => _wire is { IsReadable: false };

    public long Faults(LoadFault fault) => Volatile.Read(ref _faults[(int)fault]);

    public void Abort() => Volatile.Read(ref _wire)?.Abort();

    public void Close()
    {
        _wire?.Dispose();
        _wire = null;
    }

    /// <summary>Makes requests until the run stops or has no more to give.</summary>
    public async Task RunAsync()
    {
        while (true)
        {
            long from;
            if (pacer is null)
            {
                if (!control.TryTakeRequest())
                {
                    break;
                }

                from = Stopwatch.GetTimestamp();
            }
            else if ((from = await pacer.NextAsync(_slot)) < 0)
            {
                break;
            }

            if (await TryExchangeAsync())
            {
                _completed++;
                if (control.IsMeasuring)
                {
                    Latencies.Record(Stopwatch.GetElapsedTime(from));
                }
            }
            else if (control.IsStopping)
            {
                break;
            }
            else
            {
                control.ReturnRequest();
                await Task.Delay(s_pauseAfterFault);
            }
        }
    }

    /// <summary>One request and its response. A failure is counted, unless the run is over and it is only our own abort.</summary>
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    public async ValueTask<bool> TryExchangeAsync()
    {
        try
        {
            if (_wire is null && await ConnectAsync() is { } refused)
            {
                return Fail(refused, $"CONNECT was answered with {_status}");
            }

            await SendAsync();
            var (fault, keepAlive) = await ReceiveAsync();
            if (!keepAlive || plan.Options.NewConnections || fault is not null)
            {
                Close();
            }

            return fault is null || Fail(fault.Value, $"{fault}: status {_status}, {_body.ContentOctets} octets of content");
        }
        catch (AuthenticationException error)
        {
            return Fail(LoadFault.Tls, error.InnerException?.Message ?? error.Message);
        }
        catch (Exception error) when (error is IOException or SocketException or ObjectDisposedException)
        {
            return Fail(_wire is null ? LoadFault.Connect : LoadFault.Broken, error.Message);
        }
    }

    private bool Fail(LoadFault fault, string reason)
    {
        Close();
        if (!control.IsStopping)
        {
            FirstFault ??= reason;
            _faults[(int)fault]++;
        }

        return false;
    }

    private async Task<LoadFault?> ConnectAsync()
    {
        var wire = await Wire.ConnectAsync(plan.Options.Via, CancellationToken.None);
        _wire = wire;
        _opened++;
        if (control.IsStopping)
        {
            wire.Abort(); // the run may have ended before there was a wire to abort
        }

        if (!plan.ConnectRequest.IsEmpty)
        {
            await wire.SendAsync(plan.ConnectRequest);
            var head = await ReceiveHeadAsync(wire, 0);
            if (head.Head.Status != 200 || head.Filled != head.Head.Octets)
            {
                return LoadFault.Tunnel;
            }
        }

        if (plan.Tls is not null)
        {
            await wire.AuthenticateAsClientAsync(plan.Tls, CancellationToken.None);
        }

        return null;
    }

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder))]
    private async ValueTask SendAsync()
    {
        var wire = _wire!;
        await wire.SendAsync(plan.FirstSend);
        if (plan.Options.UploadOctets > 0)
        {
            _octets += plan.FirstBodyOctets;
            for (var left = plan.Options.UploadOctets - plan.FirstBodyOctets; left > 0;)
            {
                var piece = (int)Math.Min(left, plan.BodyPiece.Length);
                await wire.SendAsync(plan.BodyPiece.AsMemory(0, piece));
                left -= piece;
                _octets += piece;
            }
        }
    }

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    private async ValueTask<(LoadFault? Fault, bool KeepAlive)> ReceiveAsync()
    {
        var wire = _wire!;
        var (head, filled) = await ReceiveHeadAsync(wire, 0);
        while (head.Status is >= 100 and < 200)
        {
            _buffer.AsSpan(head.Octets, filled - head.Octets).CopyTo(_buffer);
            (head, filled) = await ReceiveHeadAsync(wire, filled - head.Octets);
        }

        if (head.Octets == 0)
        {
            return (LoadFault.Malformed, false);
        }

        var downloads = plan.Options.UploadOctets == 0;
        _body = BodyCounter.For(head, isRequest: false);
        var (start, keepAlive) = (head.Octets, !head.IsClose && !_body.EndsWithConnection);
        while (true)
        {
            var before = _body.ContentOctets;
            var used = _body.Consume(_buffer.AsSpan(start, filled - start));
            _octets += downloads ? _body.ContentOctets - before : 0;
            if (_body.IsBroken || used != filled - start)
            {
                return (LoadFault.Malformed, false);
            }

            if (_body.IsComplete)
            {
                break;
            }

            (start, filled) = (0, await wire.ReceiveAsync(_buffer));
            if (filled == 0)
            {
                if (_body.EndsWithConnection)
                {
                    break;
                }

                throw new EndOfStreamException("the connection ended inside a response");
            }
        }

        LoadFault? fault = head.Status != 200 ? LoadFault.Status
            : plan.Options.ExpectOctets >= 0 && _body.ContentOctets != plan.Options.ExpectOctets ? LoadFault.Length
            : null;
        return (fault, keepAlive);
    }

    /// <returns>The head at the start of the buffer and how much of the buffer is filled; a head of 0 octets when it is malformed.</returns>
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    private async ValueTask<(MessageHead Head, int Filled)> ReceiveHeadAsync(Wire wire, int filled)
    {
        while (true)
        {
            if (filled > 0)
            {
                var status = MessageHead.TryRead(_buffer.AsSpan(0, filled), out var head);
                if (status != OperationStatus.NeedMoreData || filled == _buffer.Length)
                {
                    _status = head.Status;
                    return (status == OperationStatus.Done && head.Status > 0 ? head : default, filled);
                }
            }

            var received = await wire.ReceiveAsync(_buffer.AsMemory(filled));
            filled += received > 0 ? received : throw new EndOfStreamException("the connection ended where a response head was expected");
        }
    }
}
