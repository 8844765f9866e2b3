using System.Threading.Tasks.Sources;
using RelayCore.Protocols.Http2;

namespace RelayCore.Engine.Http.Http2;

internal sealed partial class Http2Stream
{
    // All but the source is guarded by the output lock of the connection.

    /// <summary>What the peer lets us send.</summary>
    internal SendWindow Window;

    /// <summary>What it lets them send.</summary>
    internal ReceiveWindow Receiving;

    /// <summary>RFC 9113 §5.1.</summary>
    internal Http2StreamState State;

    /// <summary>Octets somebody waits to be sent; theirs until <see cref="CompleteSend"/>.</summary>
    internal ReadOnlyMemory<byte> Pending;

    /// <summary>Whether the message ends with <see cref="Pending"/>.</summary>
    internal bool IsPendingLast;

    /// <summary>Whether somebody waits in <see cref="SendBodyAsync"/>.</summary>
    internal bool IsSending;

    /// <summary>Whether our side is ended.</summary>
    internal bool IsOutputEnded;

    /// <summary>Whether a head of ours was sent, interim ones included.</summary>
    internal bool IsHeadSent;

    /// <summary>Whether the stream is closed on the wire and out of the connection's table.</summary>
    internal bool IsClosed;

    /// <summary>Whether its exchange is done with it.</summary>
    internal bool IsReleased;

    /// <summary>Whether it became a tunnel: both pumps may come late, so the object is not used again.</summary>
    internal bool IsTunnel;

    /// <summary>Next in a list of streams whose senders are to be woken.</summary>
    internal Http2Stream? NextDone;

    /// <summary>Urgency of RFC 9218, 0 to 7; smaller goes first.</summary>
    internal int Urgency = 3;

    /// <summary>When it was opened, monotonic.</summary>
    internal long OpenedAt;

    private void OpenOutput()
    {
        (Pending, IsPendingLast, IsSending, IsOutputEnded, IsHeadSent, IsClosed, IsReleased, IsTunnel, NextDone, Urgency) = (default, false, false, false, false, false, false, false, null, 3);
    }

    /// <inheritdoc cref="Exchanges.ExchangeStream.SendBodyAsync"/>
    public ValueTask SendBodyAsync(ReadOnlyMemory<byte> octets, bool isLast) => _endpoint.SendData(this, octets, isLast);

    /// <summary>Makes ready to wait; under the output lock.</summary>
    internal ValueTask BeginWait()
    {
        IsSending = true;
        _sending.Reset();
        return new(this, _sending.Version);
    }

    /// <summary>Wakes the sender; not under a lock.</summary>
    internal void CompleteSend() => _sending.SetResult(true);

    // The connection's list of blocked streams drops it; whoever waits gets the failure.
    private void FailOutput()
    {
        if (_endpoint.Unblock(this))
        {
            _sending.SetResult(true);
        }
    }

    void IValueTaskSource.GetResult(short token)
    {
        _sending.GetResult(token);
        if (Failure is { } failure)
        {
            throw failure.ToException();
        }
    }

    ValueTaskSourceStatus IValueTaskSource.GetStatus(short token) => _sending.GetStatus(token);

    void IValueTaskSource.OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
        _sending.OnCompleted(continuation, state, token, flags & ~ValueTaskSourceOnCompletedFlags.UseSchedulingContext);
}
