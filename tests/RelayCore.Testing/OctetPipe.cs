using System.Net.Sockets;

namespace RelayCore.Testing;

/// <summary>One direction of an in-memory connection: a bounded buffer with an end, a reset, and signals for tests. Continuations never run inline.</summary>
internal sealed class OctetPipe(int capacity)
{
    private readonly Lock _lock = new();
    private readonly byte[] _buffer = new byte[capacity];
    private int _start;
    private int _count;
    private bool _completed;
    private SocketError _failure;
    private TaskCompletionSource<int>? _reader;
    private Memory<byte> _destination;
    private TaskCompletionSource? _writer;
    private ReadOnlyMemory<byte> _rest;
    private TaskCompletionSource? _readerWaits;
    private TaskCompletionSource? _writerWaits;

    /// <summary>Most octets one receive gets; for segmentation.</summary>
    public int MaxSegment { get; set; } = int.MaxValue;

    /// <summary>Octets that were taken over since the start.</summary>
    public long Total { get; private set; }

    public bool HasInput
    {
        get
        {
            lock (_lock)
            {
                return _count > 0 || _completed || _failure != SocketError.Success;
            }
        }
    }

    public bool IsReset
    {
        get
        {
            lock (_lock)
            {
                return _failure == SocketError.ConnectionReset;
            }
        }
    }

    public bool HasUnread
    {
        get
        {
            lock (_lock)
            {
                return _count > 0;
            }
        }
    }

    /// <summary>Completes when a reader waits and there is nothing for it.</summary>
    public Task ReaderWaitsAsync()
    {
        lock (_lock)
        {
            return _reader is not null ? Task.CompletedTask : (_readerWaits ??= NewSignal()).Task;
        }
    }

    /// <summary>Completes when a writer waits for room.</summary>
    public Task WriterWaitsAsync()
    {
        lock (_lock)
        {
            return _writer is not null ? Task.CompletedTask : (_writerWaits ??= NewSignal()).Task;
        }
    }

    public ValueTask<int> ReadAsync(Memory<byte> destination)
    {
        lock (_lock)
        {
            if (_reader is not null)
            {
                throw new InvalidOperationException("Two receives at a time.");
            }

            if (_count == 0 && !_completed && _failure == SocketError.Success)
            {
                (_reader, _destination) = (new(TaskCreationOptions.RunContinuationsAsynchronously), destination);
                _readerWaits?.TrySetResult();
                _readerWaits = null;
                return new(_reader.Task);
            }

            return _failure != SocketError.Success ? throw new SocketException((int)_failure) : new(Take(destination.Span));
        }
    }

    public ValueTask WriteAsync(ReadOnlyMemory<byte> octets)
    {
        lock (_lock)
        {
            if (_writer is not null)
            {
                throw new InvalidOperationException("Two sends at a time.");
            }

            if (_completed)
            {
                throw new SocketException((int)SocketError.Shutdown);
            }

            if (_failure != SocketError.Success)
            {
                throw new SocketException((int)_failure);
            }

            _rest = octets;
            Fill();
            if (_rest.IsEmpty)
            {
                return default;
            }

            _writer = new(TaskCreationOptions.RunContinuationsAsynchronously);
            _writerWaits?.TrySetResult();
            _writerWaits = null;
            return new(_writer.Task);
        }
    }

    /// <summary>The writer's end: what is buffered can still be read.</summary>
    public void Complete()
    {
        lock (_lock)
        {
            if (!_completed)
            {
                _completed = true;
                _writer?.TrySetException(new SocketException((int)SocketError.OperationAborted));
                _writer = null;
                Wake();
            }
        }
    }

    /// <summary>Ends both sides of the pipe at once; what is buffered is lost.</summary>
    public void Fail(SocketError error)
    {
        lock (_lock)
        {
            if (_failure == SocketError.Success)
            {
                (_failure, _count) = (error, 0);
                _reader?.TrySetException(new SocketException((int)error));
                _writer?.TrySetException(new SocketException((int)error));
                (_reader, _writer) = (null, null);
            }
        }
    }

    /// <summary>The reader went away: writes fail, its own pending read too, but nothing that is under way the other way is touched.</summary>
    public void Abandon()
    {
        lock (_lock)
        {
            if (_failure == SocketError.Success)
            {
                _failure = SocketError.ConnectionReset;
                _count = 0;
                _reader?.TrySetException(new SocketException((int)SocketError.OperationAborted));
                _writer?.TrySetException(new SocketException((int)SocketError.ConnectionReset));
                (_reader, _writer) = (null, null);
            }
        }
    }

    private static TaskCompletionSource NewSignal() => new(TaskCreationOptions.RunContinuationsAsynchronously);

    private int Take(Span<byte> destination)
    {
        var length = Math.Min(Math.Min(destination.Length, _count), MaxSegment);
        var first = Math.Min(length, _buffer.Length - _start);
        _buffer.AsSpan(_start, first).CopyTo(destination);
        _buffer.AsSpan(0, length - first).CopyTo(destination[first..]);
        _start = (_start + length) % _buffer.Length;
        _count -= length;
        if (_writer is { } writer)
        {
            Fill();
            if (_rest.IsEmpty)
            {
                _writer = null;
                writer.TrySetResult();
            }
        }

        return length;
    }

    private void Fill()
    {
        while (!_rest.IsEmpty && _count < _buffer.Length)
        {
            var end = (_start + _count) % _buffer.Length;
            var room = Math.Min(_rest.Length, end >= _start ? _buffer.Length - end : _start - end);
            room = Math.Min(room, _buffer.Length - _count);
            _rest.Span[..room].CopyTo(_buffer.AsSpan(end));
            _rest = _rest[room..];
            _count += room;
            Total += room;
            Wake();
        }
    }

    private void Wake()
    {
        if (_reader is { } reader && (_count > 0 || _completed))
        {
            _reader = null;
            reader.TrySetResult(Take(_destination.Span));
        }
    }
}
