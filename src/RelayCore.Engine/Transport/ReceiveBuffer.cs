using RelayCore.Engine.Memory;


namespace RelayCore.Engine.Transport;

/// <summary>One pooled buffer of a connection: octets received and not yet consumed. Holds nothing while released.</summary>
internal struct ReceiveBuffer
{
    private byte[]? _array;
    private int _start;
    private int _end;

    /// <summary>Octets not consumed.</summary>
    public readonly ReadOnlySpan<byte> Span => _array.AsSpan(_start, _end - _start);

    /// <summary>Octets not consumed.</summary>
    public readonly ReadOnlyMemory<byte> Memory => _array.AsMemory(_start, _end - _start);

    /// <summary>Octets not consumed, for whoever changes them in place.</summary>
    public readonly Span<byte> Writable => _array.AsSpan(_start, _end - _start);

    /// <summary>Octets not consumed, for whoever changes them in place.</summary>
    public readonly Memory<byte> WritableMemory => _array.AsMemory(_start, _end - _start);

    /// <summary>Number of octets not consumed.</summary>
    public readonly int Length => _end - _start;

    /// <summary>Octets it can hold before it grows.</summary>
    public readonly int Capacity => _array?.Length ?? 0;

    /// <summary>Room behind the octets, at least one octet and <paramref name="capacity"/> in all; moves or grows the buffer when needed.</summary>
    public Memory<byte> Room(int capacity)
    {
        if (_array is null)
        {
            _array = BufferPool.Rent(capacity);
            (_start, _end) = (0, 0);
        }
        else if (_start == _end)
        {
            (_start, _end) = (0, 0);
            if (_array.Length < capacity)
            {
                BufferPool.Return(_array);
                _array = BufferPool.Rent(capacity);
            }
        }
        else if (_array.Length < capacity || _end == _array.Length)
        {
            Move(capacity);
        }

        return _array.AsMemory(_end);
    }

    /// <summary>Takes over octets that were received into <see cref="Room"/>.</summary>
    public void Received(int octets) => _end += octets;

    /// <summary>Puts octets back that somebody else received.</summary>
    public void Append(ReadOnlySpan<byte> octets)
    {
        if (!octets.IsEmpty)
        {
            Room(Length + octets.Length);
            if (_array!.Length - _end < octets.Length)
            {
                Move(Length + octets.Length);
            }

            octets.CopyTo(_array.AsSpan(_end));
            _end += octets.Length;
        }
    }

    /// <summary>Drops octets at the front.</summary>
    public void Consume(int octets) => _start += octets;

    /// <summary>Gives the memory back when it holds nothing, or when <paramref name="discard"/>.</summary>
    public void Release(bool discard = false)
    {
        if (_array is not null && (discard || _start == _end))
        {
            BufferPool.Return(_array);
            _array = null;
            (_start, _end) = (0, 0);
        }
    }

    private void Move(int capacity)
    {
        var length = Length;
        var full = length == _array!.Length;
        if (_array.Length >= capacity && !full)
        {
            _array.AsSpan(_start, length).CopyTo(_array);
        }
        else
        {
            var larger = BufferPool.Rent(Math.Max(capacity, full ? _array.Length * 2 : _array.Length));
            _array.AsSpan(_start, length).CopyTo(larger);
            BufferPool.Return(_array);
            _array = larger;
        }

        (_start, _end) = (0, length);
    }
}
