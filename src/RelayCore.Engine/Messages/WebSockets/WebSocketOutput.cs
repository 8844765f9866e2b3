using System.Runtime.CompilerServices;
using RelayCore.Core.Interception;
using RelayCore.Engine.Transport;
using RelayCore.Protocols;

namespace RelayCore.Engine.Messages.WebSockets;

/// <summary>
/// What one peer is sent: the frames its pump forwards, and between them what others put in. One send at a time; whoever has it sends what
/// was queued meanwhile. Queued messages wait for the end of a message under way, control frames only for the end of a frame.
/// </summary>
internal sealed class WebSocketOutput(WebSocketSession session, DuplexTransport transport, PeerRole receiver)
{
    private readonly Lock _gate = new();
    private readonly List<Queued> _queue = [];
    private TaskCompletionSource? _pumpWaits;
    private long _queuedOctets;
    private int _queuedMessages;
    private bool _isBusy;
    private bool _insideMessage;
    private bool _insideFrame;
    private bool _closeSent;
    private bool _completes;
    private bool _isCompleted;

    /// <summary>A frame that waits.</summary>
    /// <param name="Octets">The frame.</param>
    /// <param name="IsControl">Whether it may stand within a message.</param>
    /// <param name="IsClose">Whether nothing follows it.</param>
    /// <param name="Message">What to record when it goes.</param>
    private readonly record struct Queued(byte[] Octets, bool IsControl, bool IsClose, OutgoingMessage Message);

    public PeerRole Receiver => receiver;

    /// <summary>Whether a close frame went, or waits to go, to the peer.</summary>
    public bool IsClosing
    {
        get
        {
            lock (_gate)
            {
                return _closeSent || _completes;
            }
        }
    }

    /// <summary>Takes the output for the pump, which must give it back by <see cref="Release"/>.</summary>
    public ValueTask AcquireAsync()
    {
        lock (_gate)
        {
            if (!_isBusy)
            {
                _isBusy = true;
                return default;
            }

            _pumpWaits = new(TaskCreationOptions.RunContinuationsAsynchronously);
            return new(_pumpWaits.Task);
        }
    }

    /// <summary>Sends octets of the pump, which has the output. Behind a close frame nothing goes any more.</summary>
    public ValueTask SendAsync(ReadOnlyMemory<byte> octets)
    {
        if (_closeSent || _isCompleted)
        {
            return default; // both change only while the pump does not have the output
        }

        session.Sent(receiver, octets.Length);
        return transport.SendAsync(octets);
    }

    /// <summary>Gives the output back.</summary>
    /// <param name="insideMessage">Whether a message was sent in part.</param>
    /// <param name="insideFrame">Whether a frame was.</param>
    /// <param name="closes">Whether the last frame was a close.</param>
    public void Release(bool insideMessage, bool insideFrame, bool closes)
    {
        lock (_gate)
        {
            (_insideMessage, _insideFrame) = (insideMessage, insideFrame);
            _closeSent |= closes;
            if (!HasWork())
            {
                _isBusy = false;
                return;
            }
        }

        _ = DrainAsync();
    }

    /// <summary>
    /// The common way of a pump: takes, sends and gives back. Completes at once when nobody else has the output and the peer takes the octets.
    /// </summary>
    public ValueTask ForwardAsync(ReadOnlyMemory<byte> octets, bool insideMessage, bool insideFrame, bool closes)
    {
        var acquiring = AcquireAsync();
        if (!acquiring.IsCompletedSuccessfully)
        {
            return ForwardLaterAsync(acquiring, octets, insideMessage, insideFrame, closes);
        }

        var sending = SendAsync(octets);
        if (!sending.IsCompletedSuccessfully)
        {
            return FinishAsync(sending, insideMessage, insideFrame, closes);
        }

        Release(insideMessage, insideFrame, closes);
        return default;
    }

    /// <summary>Appends what is queued to a buffer of the pump, which has the output and is between messages.</summary>
    public void TakeQueued(ref OctetBuffer buffer)
    {
        lock (_gate)
        {
            (_insideMessage, _insideFrame) = (false, false);
        }

        while (TryTake(out var next, leaveClose: true))
        {
            buffer.Append(next.Octets);
            session.Injected(receiver, next.Message);
        }
    }

    /// <summary>Queues a message within the bounds.</summary>
    /// <returns><see langword="false"/> when the peer was sent a close frame, or the bounds are reached.</returns>
    public bool TryQueue(byte[] frame, OutgoingMessage message)
    {
        lock (_gate)
        {
            if (_closeSent || _completes || _queuedMessages >= MessageQueueLimits.MaxMessages
                || (_queuedMessages > 0 && _queuedOctets + message.Content.Length > MessageQueueLimits.MaxOctets))
            {
                return false;
            }

            _queuedMessages++;
            _queuedOctets += message.Content.Length;
            Add(new(frame, message.Type is MessageType.Ping or MessageType.Pong or MessageType.Close, message.Type == MessageType.Close, message));
            if (_isBusy || !HasWork())
            {
                return true;
            }

            _isBusy = true;
        }

        _ = DrainAsync();
        return true;
    }

    /// <summary>Ends what the peer is sent: behind what is queued, with a close frame if it had none and no frame is open, and the half-close.</summary>
    /// <param name="frame">The close frame; <see langword="null"/> for the half-close only.</param>
    /// <param name="message">What it says.</param>
    public void Complete(byte[]? frame, OutgoingMessage? message)
    {
        lock (_gate)
        {
            if (_completes)
            {
                return;
            }

            _completes = true;
            if (frame is not null && !_closeSent && !_insideFrame)
            {
                Add(new(frame, IsControl: true, IsClose: true, message!));
            }

            if (_isBusy)
            {
                return;
            }

            _isBusy = true;
        }

        _ = DrainAsync();
    }

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder))]
    private async ValueTask ForwardLaterAsync(ValueTask acquiring, ReadOnlyMemory<byte> octets, bool insideMessage, bool insideFrame, bool closes)
    {
        await acquiring.ConfigureAwait(false);
        await FinishAsync(SendAsync(octets), insideMessage, insideFrame, closes).ConfigureAwait(false);
    }

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder))]
    private async ValueTask FinishAsync(ValueTask sending, bool insideMessage, bool insideFrame, bool closes)
    {
        await sending.ConfigureAwait(false);
        Release(insideMessage, insideFrame, closes);
    }

    /// <summary>Sends what is queued and gives the output back, or to the pump that waits for it.</summary>
    private async Task DrainAsync()
    {
        try
        {
            do
            {
                // The pump has its turn after as much as the queue can hold: who injects without end must not stop it.
                for (var turn = 0; turn <= MessageQueueLimits.MaxMessages && TryTake(out var next); turn++)
                {
                    session.Sent(receiver, next.Octets.Length);
                    session.Injected(receiver, next.Message);
                    await transport.SendAsync(next.Octets).ConfigureAwait(false);
                }

                if (MustComplete())
                {
                    await transport.CompleteOutputAsync().ConfigureAwait(false);
                }
            }
            while (!TryGiveBack());
        }
        catch (Exception e) when (DuplexTransport.IsFailure(e))
        {
            session.Broke(receiver, e);
            lock (_gate)
            {
                _isCompleted = _completes = true;
                _queue.Clear();
            }

            TryGiveBack();
        }
    }

    private bool TryGiveBack()
    {
        TaskCompletionSource? pump;
        lock (_gate)
        {
            pump = _pumpWaits;
            _pumpWaits = null;
            if (pump is null)
            {
                if (HasWork())
                {
                    return false;
                }

                _isBusy = false;
            }
        }

        pump?.TrySetResult();
        return true;
    }

    private bool HasWork() => (_completes && !_isCompleted) || FindNext() >= 0;

    private bool MustComplete()
    {
        lock (_gate)
        {
            if (!_completes || _isCompleted || FindNext() >= 0)
            {
                return false;
            }

            _queue.Clear();
            return _isCompleted = true;
        }
    }

    /// <param name="next">The frame.</param>
    /// <param name="leaveClose">Whether a close frame stays, because what goes before it was not handed over yet.</param>
    private bool TryTake(out Queued next, bool leaveClose = false)
    {
        lock (_gate)
        {
            var index = FindNext();
            next = index < 0 ? default : _queue[index];
            if (index < 0 || (leaveClose && next.IsClose))
            {
                return false;
            }

            _queue.RemoveAt(index);
            _queuedMessages = Math.Max(0, _queuedMessages - 1);
            _queuedOctets = _queue.Count == 0 ? 0 : _queuedOctets - next.Message.Content.Length;
            _closeSent |= next.IsClose;
            return true;
        }
    }

    private int FindNext()
    {
        if (_insideFrame || _closeSent || _isCompleted)
        {
            return -1;
        }

        return !_insideMessage ? (_queue.Count > 0 ? 0 : -1) : _queue.FindIndex(static x => x.IsControl);
    }

    private void Add(Queued queued) => _queue.Add(queued);
}
