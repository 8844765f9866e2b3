using System.Net;
using System.Net.Sockets;
using RelayCore.Engine.Transport;

namespace RelayCore.Testing;

/// <summary>
/// One end of an in-memory TCP connection. As strict as TCP may be: closing with unread octets resets, and a reset destroys what the other
/// end has not read yet.
/// </summary>
public sealed class InMemoryTransport : DuplexTransport
{
    private readonly OctetPipe _incoming;
    private readonly OctetPipe _outgoing;
    private int _ended;

    private InMemoryTransport(OctetPipe incoming, OctetPipe outgoing, IPEndPoint local, IPEndPoint remote) =>
        (_incoming, _outgoing, LocalEndPoint, RemoteEndPoint) = (incoming, outgoing, local, remote);

    /// <inheritdoc/>
    public override EndPoint? LocalEndPoint { get; }

    /// <inheritdoc/>
    public override EndPoint? RemoteEndPoint { get; }

    /// <inheritdoc/>
    public override bool HasInput => _incoming.HasInput;

    /// <inheritdoc/>
    public override bool IsReset => _incoming.IsReset;

    /// <summary>Whether this end was closed or reset by its owner.</summary>
    public bool IsEnded => Volatile.Read(ref _ended) != 0;

    /// <summary>Whether this end was reset by its owner.</summary>
    public bool WasReset { get; private set; }

    /// <summary>Octets received from the other end's sends, read or not.</summary>
    public long OctetsArrived => _incoming.Total;

    /// <summary>Sends by this end's owner.</summary>
    public int Sends { get; private set; }

    /// <summary>Most octets one receive of the other end gets.</summary>
    public int MaxSegment
    {
        get => _outgoing.MaxSegment;
        set => _outgoing.MaxSegment = value;
    }

    /// <summary>Two connected ends.</summary>
    public static (InMemoryTransport First, InMemoryTransport Second) CreatePair(IPEndPoint first, IPEndPoint second, int bufferOctets)
    {
        var (a, b) = (new OctetPipe(bufferOctets), new OctetPipe(bufferOctets));
        return (new(a, b, first, second), new(b, a, second, first));
    }

    /// <summary>Completes when the other end waits for octets and has read all there are.</summary>
    public Task PeerReceivesAsync() => _outgoing.ReaderWaitsAsync();

    /// <summary>Completes when the other end cannot send because this end does not read.</summary>
    public Task PeerIsBlockedAsync() => _incoming.WriterWaitsAsync();

    /// <inheritdoc/>
    public override ValueTask<int> ReceiveAsync(Memory<byte> buffer)
    {
        ObjectDisposedException.ThrowIf(IsEnded, this);
        return _incoming.ReadAsync(buffer);
    }

    /// <inheritdoc/>
    public override ValueTask SendAsync(ReadOnlyMemory<byte> octets)
    {
        ObjectDisposedException.ThrowIf(IsEnded, this);
        Sends++;
        return octets.IsEmpty ? default : _outgoing.WriteAsync(octets);
    }

    /// <inheritdoc/>
    public override ValueTask CompleteOutputAsync()
    {
        _outgoing.Complete();
        return default;
    }

    /// <inheritdoc/>
    public override void Close()
    {
        if (Interlocked.Exchange(ref _ended, 1) == 0)
        {
            if (_incoming.HasUnread)
            {
                _outgoing.Fail(SocketError.ConnectionReset);
            }
            else
            {
                _outgoing.Complete();
            }

            _incoming.Abandon();
        }
    }

    /// <inheritdoc/>
    public override void Reset()
    {
        if (Interlocked.Exchange(ref _ended, 1) == 0)
        {
            WasReset = true;
            _outgoing.Fail(SocketError.ConnectionReset);
            _incoming.Abandon();
        }
    }
}
