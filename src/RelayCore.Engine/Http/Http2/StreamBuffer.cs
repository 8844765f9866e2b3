using RelayCore.Engine.Memory;

namespace RelayCore.Engine.Http.Http2;

/// <summary>
/// Octets of one stream that were received and are not read yet, in pooled segments. One writer and one reader, who share a lock of their
/// owner's for every call; memory given to the reader stays as it is until it is consumed. The receive window is its bound.
/// </summary>
internal struct StreamBuffer
{
    private const int FirstSegment = 2048;
    private const int NextSegment = 16 * 1024;

    private Segment? _first;
    private Segment? _last;
    private Segment? _spare;

    /// <summary>Octets held.</summary>
    public int Length { get; private set; }

    /// <summary>The octets at the front that lie together.</summary>
    public readonly ReadOnlyMemory<byte> Front => _first is null ? default : _first.Array.AsMemory(_first.Start, _first.End - _first.Start);

    /// <summary>Takes a copy.</summary>
    public void Append(ReadOnlySpan<byte> octets)
    {
        Length += octets.Length;
        while (!octets.IsEmpty)
        {
            if (_last is null || _last.End == _last.Array.Length)
            {
                Add(octets.Length);
            }

            var length = Math.Min(octets.Length, _last!.Array.Length - _last.End);
            octets[..length].CopyTo(_last.Array.AsSpan(_last.End));
            _last.End += length;
            octets = octets[length..];
        }
    }

    /// <summary>Drops octets at the front.</summary>
    public void Consume(int octets)
    {
        Length -= octets;
        while (octets > 0)
        {
            var length = Math.Min(octets, _first!.End - _first.Start);
            _first.Start += length;
            octets -= length;
            if (_first.Start == _first.End)
            {
                RemoveFirst();
            }
        }
    }

    /// <summary>Drops everything.</summary>
    /// <returns>How many octets that were.</returns>
    public int Clear()
    {
        var length = Length;
        while (_first is not null)
        {
            RemoveFirst();
        }

        Length = 0;
        return length;
    }

    private void Add(int octets)
    {
        var array = BufferPool.Rent(_first is null && octets <= FirstSegment ? FirstSegment : Math.Max(octets <= NextSegment ? octets : NextSegment, _first is null ? FirstSegment : NextSegment));
        var segment = _spare ?? new();
        _spare = null;
        segment.Array = array;
        if (_last is null)
        {
            _first = _last = segment;
        }
        else
        {
            _last = _last.Next = segment;
        }
    }

    private void RemoveFirst()
    {
        BufferPool.Return(_first!.Array);
        var next = _first.Next;
        (_first.Array, _first.Start, _first.End, _first.Next) = ([], 0, 0, null);
        (_spare, _first) = (_first, next);
        if (_first is null)
        {
            _last = null;
        }
    }

    private sealed class Segment
    {
        public byte[] Array = [];
        public int Start;
        public int End;
        public Segment? Next;
    }
}
