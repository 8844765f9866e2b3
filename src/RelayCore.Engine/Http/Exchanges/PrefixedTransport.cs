using System.Net;
using RelayCore.Engine.Transport;

namespace RelayCore.Engine.Http.Exchanges;

/// <summary>A transport some octets of which were received already.</summary>
internal sealed class PrefixedTransport(DuplexTransport inner, ReadOnlyMemory<byte> prefix) : DuplexTransport
{
    private ReadOnlyMemory<byte> _prefix = prefix;

    public override EndPoint? LocalEndPoint => inner.LocalEndPoint;

    public override EndPoint? RemoteEndPoint => inner.RemoteEndPoint;

    public override bool HasInput => !_prefix.IsEmpty || inner.HasInput;

    public override bool IsReset => inner.IsReset;

    public override ValueTask<int> ReceiveAsync(Memory<byte> buffer)
    {
        if (_prefix.IsEmpty)
        {
            return inner.ReceiveAsync(buffer);
        }

        var octets = Math.Min(_prefix.Length, buffer.Length);
        _prefix.Span[..octets].CopyTo(buffer.Span);
        _prefix = _prefix[octets..];
        return new(octets);
    }

    public override ValueTask SendAsync(ReadOnlyMemory<byte> octets) => inner.SendAsync(octets);

    public override ValueTask CompleteOutputAsync() => inner.CompleteOutputAsync();

    public override void Close() => inner.Close();

    public override void Reset() => inner.Reset();
}
