using RelayCore.Engine.Capture;
using RelayCore.Protocols;

namespace RelayCore.Runtime.Flows;

/// <summary>A captured body, read piece by piece from where it lies. Holds its memory until disposed, even when the flow is evicted.</summary>
public sealed class FlowBodyStream : Stream
{
    private readonly CapturedFlow _flow;
    private readonly PeerRole _sender;
    private long _position;

    internal FlowBodyStream(CapturedFlow flow, PeerRole sender, CapturedBody body) => (_flow, _sender, Body) = (flow, sender, body);

    /// <summary>What there is.</summary>
    public CapturedBody Body { get; }

    /// <inheritdoc/>
    public override bool CanRead => true;

    /// <inheritdoc/>
    public override bool CanSeek => true;

    /// <inheritdoc/>
    public override bool CanWrite => false;

    /// <inheritdoc/>
    public override long Length => Body.Captured;

    /// <inheritdoc/>
    public override long Position
    {
        get => _position;
        set
        {
            ArgumentOutOfRangeException.ThrowIfNegative(value);
            _position = value;
        }
    }

    /// <inheritdoc/>
    public override int Read(Span<byte> buffer)
    {
        // A running flow may have more by now; Length was promised.
        var room = (int)Math.Clamp(Length - _position, 0, buffer.Length);
        var count = _flow.ReadBody(_sender, Body.IsSent, _position, buffer[..room]);
        _position += count;
        return count;
    }

    /// <inheritdoc/>
    public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

    /// <inheritdoc/>
    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    /// <inheritdoc/>
    public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) =>
        cancellationToken.IsCancellationRequested ? ValueTask.FromCanceled<int>(cancellationToken) : new(Read(buffer.Span));

    /// <inheritdoc/>
    public override long Seek(long offset, SeekOrigin origin) =>
        Position = offset + origin switch { SeekOrigin.Current => _position, SeekOrigin.End => Length, _ => 0 };

    /// <inheritdoc/>
    public override void Flush()
    {
    }

    /// <inheritdoc/>
    public override void SetLength(long value) => throw new NotSupportedException();

    /// <inheritdoc/>
    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            _flow.Dispose();
        }

        base.Dispose(disposing);
    }
}
