using RelayCore.Engine.Memory;

namespace RelayCore.Engine.Messages.WebSockets;

/// <summary>Octets that grow, in one pooled array; holds nothing while empty and released. A mutable struct: keep it in a field.</summary>
internal struct OctetBuffer
{
    private byte[]? _array;

    public int Length { get; private set; }

    public readonly ReadOnlySpan<byte> Span => _array.AsSpan(0, Length);

    public readonly Memory<byte> Memory => _array.AsMemory(0, Length);

    /// <summary>At least that many octets behind what is there; say with <see cref="Advance"/> how many were used.</summary>
    public Span<byte> Room(int octets)
    {
        if (_array is null)
        {
            _array = BufferPool.Rent(octets);
        }
        else if (_array.Length - Length < octets)
        {
            var larger = BufferPool.Rent((int)Math.Min(Math.Max((long)Length + octets, _array.Length * 2L), Array.MaxLength));
            Span.CopyTo(larger);
            BufferPool.Return(_array);
            _array = larger;
        }

        return _array.AsSpan(Length);
    }

    public void Advance(int octets) => Length += octets;

    public void Append(ReadOnlySpan<byte> octets)
    {
        if (!octets.IsEmpty)
        {
            octets.CopyTo(Room(octets.Length));
            Length += octets.Length;
        }
    }

    /// <summary>Forgets the octets and keeps the array.</summary>
    public void Clear() => Length = 0;

    /// <summary>Forgets the octets and gives the array back.</summary>
    public void Release()
    {
        if (_array is not null)
        {
            BufferPool.Return(_array);
            _array = null;
        }

        Length = 0;
    }
}
