using System.Runtime.CompilerServices;
using RelayCore.Engine.Memory;
using RelayCore.Protocols.Tls;

namespace RelayCore.Engine.Transport;

/// <summary>A transport as a stream, for SslStream. Octets already received are replayed first.</summary>
/// <remarks>
/// SslStream asks for one record at a time and sends one or two at a time, each with a system call of its own or two. While a large body flows
/// <see cref="TlsTransport"/> turns on <see cref="ReadsAhead"/>, so that one receive serves many records, and <see cref="Gather"/>, so that one
/// send takes many. Both hold a pooled buffer only while octets are in it or a receive is pending: an idle connection has none.
/// One reader and one writer at a time; what a close sends may come beside them.
/// </remarks>
internal sealed class TransportStream : Stream
{
    /// <summary>Octets one receive may get while reading ahead: 128 KiB, seven full records and a part.</summary>
    internal const int AheadOctets = 128 * 1024;

    /// <summary>Octets gathered before they are sent whether or not more follow: 128 KiB.</summary>
    internal const int GatherOctets = 128 * 1024;

    private readonly DuplexTransport _transport;
    private readonly Lock _gate = new();
    private ReceiveBuffer _ahead;
    private TlsRecordCursor _records;
    private volatile bool _gathers;
    private byte[]? _gathered;
    private int _gatheredOctets;

    /// <summary>A stream over a transport.</summary>
    /// <param name="transport">Not owned.</param>
    /// <param name="received">Octets that were received from it already; copied.</param>
    public TransportStream(DuplexTransport transport, ReadOnlyMemory<byte> received)
    {
        _transport = transport;
        _ahead.Append(received.Span);
    }

    public override bool CanRead => true;

    public override bool CanSeek => false;

    public override bool CanWrite => true;

    public override long Length => throw new NotSupportedException("A connection has no length.");

    public override long Position
    {
        get => throw new NotSupportedException("A connection has no position.");
        set => throw new NotSupportedException("A connection has no position.");
    }

    /// <summary>Whether a receive takes more than it was asked for. To be changed only between reads; what is ahead already is served first anyway.</summary>
    public bool ReadsAhead { get; set; }

    /// <summary>Whether a read that finds nothing ahead throws <see cref="NothingAheadException"/> instead of waiting. To be changed only between reads.</summary>
    public bool NeverWaits { get; set; }

    /// <summary>Whether octets were received that nobody read.</summary>
    public bool HasAhead => _ahead.Length > 0;

    /// <summary>Whether reading on yields a whole record of application data without waiting.</summary>
    public bool HasRecordAhead =>
        _ahead.Length > 0 && _records.EndsWithin(_ahead.Span, out _, out var type) && type == TlsRecordCursor.ApplicationData;

    public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        if (_ahead.Length > 0)
        {
            return new(TakeAhead(buffer));
        }

        if (NeverWaits)
        {
            throw new NothingAheadException();
        }

        if (ReadsAhead)
        {
            var ahead = _transport.ReceiveAsync(_ahead.Room(AheadOctets));
            if (!ahead.IsCompletedSuccessfully)
            {
                return ReadAheadAsync(ahead, buffer);
            }

            _ahead.Received(ahead.Result);
            return new(TakeAhead(buffer));
        }

        var receiving = _transport.ReceiveAsync(buffer);
        if (buffer.IsEmpty)
        {
            return receiving; // SslStream waits with an empty buffer, so that idle connections hold none
        }

        if (!receiving.IsCompletedSuccessfully)
        {
            return ReadDirectlyAsync(receiving, buffer);
        }

        var octets = receiving.Result;
        _records.Pass(buffer.Span[..octets]);
        return new(octets);
    }

    public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default) =>
        !_gathers || !TryGather(buffer, out var full) ? _transport.SendAsync(buffer)
        : full.Array is null ? default
        : SendFullAsync(full, buffer);

    /// <summary>From now on written octets are kept until <see cref="SendGatheredAsync"/>, or until there are <see cref="GatherOctets"/>.</summary>
    public void Gather() => _gathers = true;

    /// <summary>Sends what was gathered, and gathers no more.</summary>
    public ValueTask SendGatheredAsync()
    {
        var gathered = EndGathering();
        if (gathered.Array is null)
        {
            return default;
        }

        var sending = _transport.SendAsync(gathered);
        if (!sending.IsCompletedSuccessfully)
        {
            return SendAsync(sending, gathered.Array);
        }

        sending.GetAwaiter().GetResult();
        BufferPool.Return(gathered.Array);
        return default;
    }

    /// <summary>Gathers no more and forgets what was gathered: the connection failed.</summary>
    public void DropGathered()
    {
        if (EndGathering().Array is { } array)
        {
            BufferPool.Return(array);
        }
    }

    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override Task WriteAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        WriteAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override Task FlushAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public override void Flush()
    {
    }

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException("Synchronous reads would block an I/O thread.");

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException("Synchronous writes would block an I/O thread.");

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException("A connection cannot be sought.");

    public override void SetLength(long value) => throw new NotSupportedException("A connection has no length.");

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    private async ValueTask<int> ReadDirectlyAsync(ValueTask<int> receiving, Memory<byte> buffer)
    {
        var octets = await receiving.ConfigureAwait(false);
        _records.Pass(buffer.Span[..octets]);
        return octets;
    }

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    private async ValueTask<int> ReadAheadAsync(ValueTask<int> receiving, Memory<byte> buffer)
    {
        try
        {
            _ahead.Received(await receiving.ConfigureAwait(false));
        }
        catch
        {
            _ahead.Release();
            throw;
        }

        return TakeAhead(buffer);
    }

    // Not beyond the end of a record. SslStream would decrypt all it gets, and forget the data of the first when the second turns out to be damaged or
    // an alert; and a piece of a record is moved to the front of its buffer later.
    private int TakeAhead(Memory<byte> buffer)
    {
        var octets = _ahead.Span[..Math.Min(_ahead.Length, buffer.Length)];
        if (_records.EndsWithin(octets, out var record, out _))
        {
            octets = octets[..record];
        }

        octets.CopyTo(buffer.Span);
        _records.Pass(octets);
        _ahead.Consume(octets.Length);
        _ahead.Release();
        return octets.Length;
    }

    /// <summary>Takes octets, unless gathering has ended.</summary>
    /// <param name="octets">At most <see cref="GatherOctets"/>.</param>
    /// <param name="full">What is to be sent first because these do not fit behind it; they were not taken then.</param>
    private bool TryGather(ReadOnlyMemory<byte> octets, out ArraySegment<byte> full)
    {
        full = default;
        lock (_gate)
        {
            if (!_gathers)
            {
                return false;
            }

            if (_gathered is not null && _gathered.Length - _gatheredOctets < octets.Length)
            {
                full = Detach();
                return true;
            }

            _gathered ??= BufferPool.Rent(Math.Max(GatherOctets, octets.Length));
            octets.Span.CopyTo(_gathered.AsSpan(_gatheredOctets));
            _gatheredOctets += octets.Length;
            return true;
        }
    }

    private ArraySegment<byte> EndGathering()
    {
        lock (_gate)
        {
            _gathers = false;
            return Detach();
        }
    }

    private ArraySegment<byte> Detach()
    {
        var detached = _gathered is null ? default : new ArraySegment<byte>(_gathered, 0, _gatheredOctets);
        (_gathered, _gatheredOctets) = (null, 0);
        return detached;
    }

    private async ValueTask SendFullAsync(ArraySegment<byte> full, ReadOnlyMemory<byte> next)
    {
        await SendAsync(_transport.SendAsync(full), full.Array!).ConfigureAwait(false);
        await WriteAsync(next, CancellationToken.None).ConfigureAwait(false);
    }

    private static async ValueTask SendAsync(ValueTask sending, byte[] array)
    {
        try
        {
            await sending.ConfigureAwait(false);
        }
        finally
        {
            BufferPool.Return(array);
        }
    }
}

/// <summary>Nothing is ahead and waiting was not wanted. An <see cref="IOException"/>, because SslStream passes those on as they are and goes on after them.</summary>
internal sealed class NothingAheadException() : IOException("Nothing was received ahead.");
