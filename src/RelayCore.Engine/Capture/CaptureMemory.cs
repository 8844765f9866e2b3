using System.Runtime.InteropServices;

namespace RelayCore.Engine.Capture;

/// <summary>
/// Native memory of the capture, in three sizes, with one bound for everything. Freed pieces are kept for reuse, so a steady state asks the
/// system for nothing. Not safe by itself: every call is under the store's lock.
/// </summary>
internal sealed unsafe class CaptureMemory(long limit)
{
    public const int SmallBlock = 16 * 1024;
    public const int LargeBlock = 64 * 1024;
    public const int SlabOctets = 1024 * 1024;

    private readonly Spares _small = new(SmallBlock, 64);
    private readonly Spares _large = new(LargeBlock, 32);
    private readonly Spares _slabs = new(SlabOctets, 2);

    /// <summary>Octets in use, kept for reuse or reserved.</summary>
    public long Used { get; private set; }

    /// <summary>Takes memory.</summary>
    /// <returns>0 when that would exceed the bound, or the system has none.</returns>
    public nint Allocate(int octets)
    {
        if (SparesOf(octets) is { IsEmpty: false } spares)
        {
            return spares.Pop();
        }

        if (!TryReserve(octets))
        {
            return 0;
        }

        try
        {
            return (nint)NativeMemory.Alloc((nuint)octets);
        }
        catch (OutOfMemoryException)
        {
            Used -= octets;
            return 0;
        }
    }

    /// <summary>Gives memory back.</summary>
    public void Free(nint memory, int octets)
    {
        if (SparesOf(octets) is { IsFull: false } spares)
        {
            spares.Push(memory);
            return;
        }

        NativeMemory.Free((void*)memory);
        Used -= octets;
    }

    /// <summary>Counts managed memory of running flows against the bound.</summary>
    public bool TryReserve(int octets)
    {
        if (Used + octets > limit)
        {
            DropSpares(octets);
        }

        if (Used + octets > limit)
        {
            return false;
        }

        Used += octets;
        return true;
    }

    /// <summary>Takes a reservation back.</summary>
    public void Release(int octets) => Used -= octets;

    /// <summary>Gives everything kept for reuse back to the system.</summary>
    public void DropSpares() => DropSpares(int.MaxValue);

    private Spares? SparesOf(int octets) => octets switch
    {
        SmallBlock => _small,
        LargeBlock => _large,
        SlabOctets => _slabs,
        _ => null,
    };

    private void DropSpares(long wanted)
    {
        foreach (var spares in (ReadOnlySpan<Spares>)[_slabs, _large, _small])
        {
            while (!spares.IsEmpty && Used + wanted > limit)
            {
                NativeMemory.Free((void*)spares.Pop());
                Used -= spares.Octets;
            }
        }
    }

    private sealed class Spares(int octets, int capacity)
    {
        private readonly nint[] _items = new nint[capacity];
        private int _count;

        public int Octets => octets;

        public bool IsEmpty => _count == 0;

        public bool IsFull => _count == _items.Length;

        public nint Pop() => _items[--_count];

        public void Push(nint memory) => _items[_count++] = memory;
    }
}
