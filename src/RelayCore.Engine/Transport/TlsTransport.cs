using System.Net;
using System.Net.Security;
using System.Runtime.CompilerServices;
using System.Runtime.ExceptionServices;
using RelayCore.Protocols.Tls;

namespace RelayCore.Engine.Transport;

/// <summary>TLS over another transport; the handshake is already done.</summary>
/// <param name="inner">The transport below.</param>
/// <param name="stream">The TLS session over it.</param>
/// <param name="wire">The stream below <paramref name="stream"/>; without it large bodies go record by record.</param>
/// <remarks>
/// Into a large buffer a receive decrypts every whole record that has arrived, and a send of several records leaves in one piece. Neither waits
/// for more than it has: octets are never held back.
/// </remarks>
internal sealed class TlsTransport(DuplexTransport inner, SslStream stream, TransportStream? wire = null) : DuplexTransport
{
    // A receive with less room is for a head or an idle connection.
    private const int BulkRoom = 2 * TlsRecordCursor.MaxData;

    // Less than this from a receive with such room is no body worth a large buffer below.
    private const int BulkOctets = TlsRecordCursor.MaxData / 2;

    private bool _isBulk;
    private ExceptionDispatchInfo? _failure;
    private int _closed;

    public SslStream Stream => stream;

    public override EndPoint? LocalEndPoint => inner.LocalEndPoint;

    public override EndPoint? RemoteEndPoint => inner.RemoteEndPoint;

    // An idle TLS 1.3 connection may have a ticket waiting, so input does not prove that it ended; for an idle connection it is reason enough.
    public override bool HasInput => wire?.HasAhead == true || inner.HasInput;

    public override bool IsReset => inner.IsReset;

    public override ValueTask<int> ReceiveAsync(Memory<byte> buffer)
    {
        if (wire is null)
        {
            return stream.ReadAsync(buffer);
        }

        if (_failure is { } failure)
        {
            return ValueTask.FromException<int>(failure.SourceException);
        }

        var hasRoom = buffer.Length >= BulkRoom;
        wire.ReadsAhead = _isBulk && hasRoom;
        var reading = stream.ReadAsync(buffer);
        return !hasRoom ? reading : reading.IsCompletedSuccessfully ? ReceiveMore(buffer, reading.Result) : ReceiveMoreAsync(reading, buffer);
    }

    public override ValueTask SendAsync(ReadOnlyMemory<byte> octets)
    {
        if (wire is null || octets.Length <= TlsRecordCursor.MaxData)
        {
            return stream.WriteAsync(octets);
        }

        wire.Gather();
        var writing = stream.WriteAsync(octets);
        if (!writing.IsCompletedSuccessfully)
        {
            return SendSlowAsync(writing);
        }

        writing.GetAwaiter().GetResult();
        return wire.SendGatheredAsync();
    }

    public override async ValueTask CompleteOutputAsync()
    {
        try
        {
            await stream.ShutdownAsync().ConfigureAwait(false);
            await inner.CompleteOutputAsync().ConfigureAwait(false);
        }
        catch (Exception e) when (IsFailure(e))
        {
            // The peer is gone already.
        }
    }

    public override void Close()
    {
        if (Interlocked.Exchange(ref _closed, 1) == 0)
        {
            _ = CloseAsync();
        }
    }

    public override void Reset()
    {
        Volatile.Write(ref _closed, 1);
        inner.Reset();
        stream.Dispose();
    }

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    private async ValueTask<int> ReceiveMoreAsync(ValueTask<int> reading, Memory<byte> buffer)
    {
        var octets = await reading.ConfigureAwait(false);
        return await ReceiveMore(buffer, octets).ConfigureAwait(false);
    }

    /// <summary>Decrypts the records that are here already, as long as there is room for a whole one.</summary>
    private ValueTask<int> ReceiveMore(Memory<byte> buffer, int octets)
    {
        while (octets > 0 && buffer.Length - octets >= TlsRecordCursor.MaxData && wire!.HasRecordAhead)
        {
            wire.NeverWaits = true;
            var reading = stream.ReadAsync(buffer[octets..]);
            wire.NeverWaits = false;
            if (!reading.IsCompleted)
            {
                return AddAsync(reading, octets); // a handshake within the connection; only some platforms have one here
            }

            int more;
            try
            {
                more = reading.GetAwaiter().GetResult();
            }
            catch (NothingAheadException)
            {
                break; // the record held no data but a key update or a ticket (RFC 8446 §4.6)
            }
            catch (Exception e) when (IsFailure(e))
            {
                _failure = ExceptionDispatchInfo.Capture(e); // for the next call: what came before it is good
                break;
            }

            if (more == 0)
            {
                break; // the end, which the next call finds again
            }

            octets += more;
        }

        _isBulk = octets >= BulkOctets;
        return new(octets);
    }

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    private static async ValueTask<int> AddAsync(ValueTask<int> reading, int octets) => octets + await reading.ConfigureAwait(false);

    private async ValueTask SendSlowAsync(ValueTask writing)
    {
        try
        {
            await writing.ConfigureAwait(false);
        }
        catch
        {
            wire!.DropGathered();
            throw;
        }

        await wire!.SendGatheredAsync().ConfigureAwait(false);
    }

    private async Task CloseAsync()
    {
        try
        {
            // close_notify, so that the peer can tell the end from a truncation (RFC 8446 §6.1). It fits the socket buffer or is not waited for.
            var notify = stream.ShutdownAsync();
            if (notify.IsCompleted)
            {
                await notify.ConfigureAwait(false);
            }
        }
        catch (Exception e) when (IsFailure(e))
        {
            // The peer is gone already.
        }

        inner.Close();
        await stream.DisposeAsync().ConfigureAwait(false);
    }
}
