using System.Net;
using RelayCore.Engine.Transport;
using RelayCore.Protocols.Http2;

namespace RelayCore.Engine.Http.Http2;

/// <summary>The DATA of a stream as a connection: what CONNECT opens (RFC 9113 §8.5, RFC 8441 §5).</summary>
internal sealed class StreamTransport(Http2Stream stream) : DuplexTransport
{
    private int _closed;

    public override EndPoint? LocalEndPoint => stream.Endpoint.Transport.LocalEndPoint;

    public override EndPoint? RemoteEndPoint => stream.Endpoint.Transport.RemoteEndPoint;

    public override bool HasInput => !stream.IsInputEmpty || stream.IsInputEnded || IsReset;

    public override bool IsReset => stream.Failure is not null;

    public override async ValueTask<int> ReceiveAsync(Memory<byte> buffer)
    {
        ObjectDisposedException.ThrowIf(Volatile.Read(ref _closed) != 0, this);
        var octets = await stream.ReadBodyAsync().ConfigureAwait(false);
        var length = Math.Min(octets.Length, buffer.Length);
        octets[..length].CopyTo(buffer);
        stream.AdvanceBody(length);
        return length;
    }

    public override ValueTask SendAsync(ReadOnlyMemory<byte> octets) =>
        octets.IsEmpty ? default : stream.SendBodyAsync(octets, isLast: false);

    public override ValueTask CompleteOutputAsync() => stream.IsOutputEnded ? default : stream.SendBodyAsync(default, isLast: true);

    public override void Close()
    {
        if (Interlocked.Exchange(ref _closed, 1) != 0)
        {
            return;
        }

        if (stream.IsSending)
        {
            // Octets that wait for a window will not be sent any more: nothing may follow them, an end least of all.
            stream.Fail(stream.Id, new(Http2ErrorCode.Cancel, stream.Endpoint.Peer, "the tunnel was closed"), isOurs: true, reset: Http2ErrorCode.Cancel);
        }

        try
        {
            // END_STREAM is the FIN of a tunnel; it needs no window, so it is never waited for unless data is.
            if (!stream.IsOutputEnded && stream.Failure is null)
            {
                var ending = stream.SendBodyAsync(default, isLast: true);
                if (ending.IsCompleted)
                {
                    ending.GetAwaiter().GetResult();
                }
            }
        }
        catch (Exception e) when (IsFailure(e))
        {
            // The peer is gone already.
        }

        stream.Endpoint.Release(stream, Http2ErrorCode.NoError);
    }

    public override void Reset()
    {
        // RFC 9113 §8.5: a reset of the connection is CONNECT_ERROR on the stream.
        if (Interlocked.Exchange(ref _closed, 1) == 0)
        {
            stream.Fail(stream.Id, new(Http2ErrorCode.ConnectError, stream.Endpoint.Peer, "the tunnel was reset"), isOurs: true, reset: Http2ErrorCode.ConnectError);
            stream.Endpoint.Release(stream, Http2ErrorCode.ConnectError);
        }
    }
}
