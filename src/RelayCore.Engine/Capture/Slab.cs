using System.Runtime.CompilerServices;
using RelayCore.Core.Flows;

namespace RelayCore.Engine.Capture;

/// <summary>
/// A piece of native memory with finished flows: records and connection facts grow from the start, index entries from the end. Written by one
/// thread at a time under the store's lock; read without it between <see cref="TryPin"/> and <see cref="Unpin"/>, because what is published
/// never changes. The memory goes back when the store has let go and the last reader has.
/// </summary>
internal sealed unsafe class Slab
{
    private const int Header = 8; // offsets of the facts of both connections, in front of a record

    private readonly FlowStore _store;
    private readonly byte* _memory;
    private readonly int _octets;
    private Dictionary<int, BodyBlocks>? _blocks;
    private int _references = 1;
    private int _top;
    private int _count;
    private int _firstLive;

    public Slab(FlowStore store, nint memory, int octets, long sequence)
    {
        _memory = (byte*)memory;
        (_store, _octets, Sequence) = (store, octets, sequence);
    }

    /// <summary>Number of the slab, ascending; never used twice.</summary>
    public long Sequence { get; }

    /// <summary>Number of flows written, evicted ones included.</summary>
    public int Count => Volatile.Read(ref _count);

    /// <summary>First flow that is not evicted.</summary>
    public int FirstLive => Volatile.Read(ref _firstLive);

    /// <summary>Whether every flow is evicted.</summary>
    public bool IsDrained => _firstLive == _count;

    /// <summary>Smallest id written; read under the store's lock.</summary>
    public FlowId MinId { get; private set; }

    /// <summary>Largest id written; read under the store's lock.</summary>
    public FlowId MaxId { get; private set; }

    /// <summary>Octets a flow occupies, facts not counted.</summary>
    public static int Needed(int sections) => Header + sections + sizeof(FlowEntry) + 16;

    /// <summary>Whether a flow and facts of these lengths fit.</summary>
    public bool HasRoom(int sections, int facts) => _octets - _top - ((_count + 1) * sizeof(FlowEntry)) - 16 >= Header + sections + facts + 8;

    /// <summary>Writes facts of a connection; there must be room.</summary>
    /// <returns>Their offset.</returns>
    public int WriteFacts(ReadOnlySpan<byte> facts)
    {
        var offset = _top;
        Unsafe.WriteUnaligned(_memory + offset, facts.Length);
        facts.CopyTo(new Span<byte>(_memory + offset + 4, facts.Length));
        _top += 4 + facts.Length;
        return offset;
    }

    /// <summary>Writes a flow and publishes it; there must be room.</summary>
    public void WriteFlow(ref FlowEntry entry, ReadOnlySpan<byte> sections, int clientFacts, int serverFacts, BodyBlocks? blocks)
    {
        var record = _memory + _top;
        Unsafe.WriteUnaligned(record, clientFacts);
        Unsafe.WriteUnaligned(record + 4, serverFacts);
        sections.CopyTo(new Span<byte>(record + Header, sections.Length));
        (entry.Offset, entry.Length) = (_top, Header + sections.Length);
        _top += entry.Length;
        if (blocks is not null)
        {
            entry.Flags |= FlowEntry.HasBlocks;
            _blocks ??= [];
            lock (_blocks)
            {
                _blocks.Add(_count, blocks);
            }
        }

        *EntryAt(_count) = entry;
        var id = new FlowId(entry.Id);
        (MinId, MaxId) = (_count == 0 || id < MinId ? id : MinId, _count == 0 || id > MaxId ? id : MaxId);
        Volatile.Write(ref _count, _count + 1);
    }

    /// <summary>Evicts the oldest flow that is left; under the store's lock.</summary>
    public void EvictOne()
    {
        var slot = _firstLive;
        Volatile.Write(ref _firstLive, slot + 1);
        if (_blocks is null || (EntryAt(slot)->Flags & FlowEntry.HasBlocks) == 0)
        {
            return;
        }

        lock (_blocks)
        {
            if (_blocks.Remove(slot, out var blocks))
            {
                blocks.Release();
            }
        }
    }

    /// <summary>The entry of a published flow; pinned only.</summary>
    public ref readonly FlowEntry Entry(int slot) => ref *EntryAt(slot);

    /// <summary>A published flow; pinned only.</summary>
    public FlowView View(int slot)
    {
        ref readonly var entry = ref Entry(slot);
        var record = _memory + entry.Offset;
        return new(entry, new(record + Header, entry.Length - Header), Facts(Unsafe.ReadUnaligned<int>(record)), Facts(Unsafe.ReadUnaligned<int>(record + 4)));
    }

    /// <summary>The large bodies of a flow, pinned for the caller; <see langword="null"/> when it has none or they are gone.</summary>
    public BodyBlocks? PinBlocks(int slot)
    {
        if ((Entry(slot).Flags & FlowEntry.HasBlocks) == 0 || Volatile.Read(ref _blocks) is not { } all)
        {
            return null;
        }

        lock (all)
        {
            return all.TryGetValue(slot, out var blocks) && blocks.TryPin() ? blocks : null;
        }
    }

    /// <summary>Keeps the memory until <see cref="Unpin"/>.</summary>
    /// <returns><see langword="false"/> when it is already gone.</returns>
    public bool TryPin()
    {
        var references = Volatile.Read(ref _references);
        while (references > 0)
        {
            var seen = Interlocked.CompareExchange(ref _references, references + 1, references);
            if (seen == references)
            {
                return true;
            }

            references = seen;
        }

        return false;
    }

    /// <summary>Lets go; the last one gives the memory back.</summary>
    public void Unpin()
    {
        if (Interlocked.Decrement(ref _references) == 0)
        {
            _store.Free((nint)_memory, _octets);
        }
    }

    private FlowEntry* EntryAt(int slot) => (FlowEntry*)(_memory + _octets) - (slot + 1);

    private ReadOnlySpan<byte> Facts(int offset) =>
        offset < 0 ? [] : new ReadOnlySpan<byte>(_memory + offset + 4, Unsafe.ReadUnaligned<int>(_memory + offset));
}
