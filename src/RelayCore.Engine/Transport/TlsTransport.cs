using System.Net;
using System.Net.Security;

namespace RelayCore.Engine.Transport;

/// <summary>TLS over another transport; the handshake is already done.</summary>
internal sealed class TlsTransport(DuplexTransport inner, SslStream stream) : DuplexTransport
{
    private int _closed;

    public SslStream Stream => stream;

    public override EndPoint? LocalEndPoint => inner.LocalEndPoint;

    public override EndPoint? RemoteEndPoint => inner.RemoteEndPoint;

    // An idle TLS 1.3 connection may have a ticket waiting, so input does not prove that it ended; for an idle connection it is reason enough.
    public override bool HasInput => inner.HasInput;

    public override bool IsReset => inner.IsReset;

    public override ValueTask<int> ReceiveAsync(Memory<byte> buffer) => stream.ReadAsync(buffer);

    public override ValueTask SendAsync(ReadOnlyMemory<byte> octets) => stream.WriteAsync(octets);

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
