namespace RelayCore.Engine.Transport;

/// <summary>A transport as a stream, for SslStream; octets already received are replayed first.</summary>
internal sealed class TransportStream(DuplexTransport transport, ReadOnlyMemory<byte> received) : Stream
{
    private ReadOnlyMemory<byte> _received = received;

    public override bool CanRead => true;

    public override bool CanSeek => false;

    public override bool CanWrite => true;

    public override long Length => throw new NotSupportedException("A connection has no length.");

    public override long Position
    {
        get => throw new NotSupportedException("A connection has no position.");
        set => throw new NotSupportedException("A connection has no position.");
    }

    public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        if (_received.IsEmpty)
        {
            return transport.ReceiveAsync(buffer);
        }

        if (buffer.IsEmpty)
        {
            return default;
        }

        var length = Math.Min(buffer.Length, _received.Length);
        _received[..length].CopyTo(buffer);
        _received = length == _received.Length ? default : _received[length..];
        return new(length);
    }

    public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default) => transport.SendAsync(buffer);

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
}
