using System.Diagnostics.CodeAnalysis;
using RelayCore.Core.Interception;

namespace RelayCore.Engine.Messages;

/// <summary>Messages that wait to be written into one body, bounded by <see cref="MessageQueueLimits"/>. Filled from any thread, emptied by the body's loop.</summary>
internal sealed class InjectionQueue
{
    private readonly Lock _gate = new();
    private readonly Queue<OutgoingMessage> _messages = [];
    private TaskCompletionSource? _filled;
    private long _octets;
    private bool _isOpen;
    private bool _isEndWanted;

    /// <summary>Whether the body shall end behind what waits.</summary>
    public bool IsEndWanted
    {
        get
        {
            lock (_gate)
            {
                return _isEndWanted && _isOpen;
            }
        }
    }

    /// <summary>Whether something waits, the wish to end included.</summary>
    public bool HasWork
    {
        get
        {
            lock (_gate)
            {
                return HasWorkNow;
            }
        }
    }

    private bool HasWorkNow => _messages.Count > 0 || (_isEndWanted && _isOpen);

    /// <summary>From now on messages are taken.</summary>
    public void Open()
    {
        lock (_gate)
        {
            _isOpen = true;
        }
    }

    /// <summary>The body is over: nothing more is taken, and what waits is lost.</summary>
    public void Close()
    {
        lock (_gate)
        {
            _isOpen = false;
            _messages.Clear();
            _octets = 0;
        }
    }

    /// <returns><see langword="false"/> when the queue is not open or full.</returns>
    public bool TryAdd(OutgoingMessage message)
    {
        TaskCompletionSource? filled;
        lock (_gate)
        {
            if (!_isOpen || _isEndWanted || _messages.Count >= MessageQueueLimits.MaxMessages || _octets + message.Content.Length > MessageQueueLimits.MaxOctets)
            {
                return false;
            }

            _messages.Enqueue(message);
            _octets += message.Content.Length;
            (filled, _filled) = (_filled, null);
        }

        filled?.TrySetResult();
        return true;
    }

    /// <summary>Asks for the end of the body.</summary>
    /// <returns><see langword="false"/> when the queue is not open.</returns>
    public bool TryEnd()
    {
        TaskCompletionSource? filled;
        lock (_gate)
        {
            if (!_isOpen)
            {
                return false;
            }

            _isEndWanted = true;
            (filled, _filled) = (_filled, null);
        }

        filled?.TrySetResult();
        return true;
    }

    public bool TryTake([NotNullWhen(true)] out OutgoingMessage? message)
    {
        lock (_gate)
        {
            if (!_messages.TryDequeue(out message))
            {
                return false;
            }

            _octets -= message.Content.Length;
            return true;
        }
    }

    /// <summary>Completes when <see cref="HasWork"/>. Continuations do not run on the thread that fills the queue.</summary>
    public Task WhenFilledAsync()
    {
        lock (_gate)
        {
            return HasWorkNow ? Task.CompletedTask : (_filled ??= new(TaskCreationOptions.RunContinuationsAsynchronously)).Task;
        }
    }
}
