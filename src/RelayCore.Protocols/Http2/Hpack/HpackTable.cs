using System.Numerics;

namespace RelayCore.Protocols.Http2.Hpack;

/// <summary>
/// A dynamic table (RFC 7541 §2.3.2, §4): octets are appended behind one another and moved to the front when the buffer is full, so that each
/// name and value stays in one piece and an octet is moved at most once for each time the table was filled anew.
/// </summary>
/// <remarks>
/// Grows with use up to twice its size of octets, and one <see cref="Entry"/> for each 32. Entries have numbers that increase by one for each
/// insertion, modulo 2^32; the newest has <see cref="Newest"/>.
/// </remarks>
internal sealed class HpackTable(int maxOctets)
{
    /// <summary>What each entry counts besides its octets (§4.1).</summary>
    public const int EntryOverhead = 32;

    private const int FirstEntries = 16;
    private const int FirstOctets = 1024;

    private byte[] _octets = [];
    private Entry[] _entries = [];
    private int _end;

    /// <summary>Number of entries.</summary>
    public int Count { get; private set; }

    /// <summary>Size of the entries as §4.1 counts it, in octets.</summary>
    public int Size { get; private set; }

    /// <summary>Bound of <see cref="Size"/>, in octets.</summary>
    public int MaxSize { get; private set; } = maxOctets;

    /// <summary>Number of the newest entry.</summary>
    public uint Newest { get; private set; }

    /// <summary>Octets of memory this table holds.</summary>
    public int HeldOctets => _octets.Length;

    /// <summary>How many insertions ago an entry came: 0 for the newest. At least <see cref="Count"/> when it is gone.</summary>
    public uint Age(uint number) => Newest - number;

    /// <summary>The entry that came <paramref name="age"/> insertions ago, less than <see cref="Count"/>.</summary>
    public ref Entry At(int age) => ref _entries[(Newest - (uint)age) & (uint)(_entries.Length - 1)];

    /// <summary>Name of an entry; valid until the next insertion.</summary>
    public ReadOnlySpan<byte> Name(in Entry entry) => _octets.AsSpan(entry.Start, entry.NameLength);

    /// <summary>Value of an entry; valid until the next insertion.</summary>
    public ReadOnlySpan<byte> Value(in Entry entry) => _octets.AsSpan(entry.Start + entry.NameLength, entry.ValueLength);

    /// <summary>Changes the bound and evicts what is over it (§4.3).</summary>
    public void Resize(int maxSize)
    {
        MaxSize = maxSize;
        Evict(maxSize);
        if (_octets.Length > Math.Max(2 * maxSize, FirstOctets))
        {
            Move(Math.Max(2 * maxSize, FirstOctets));
        }
    }

    /// <summary>Evicts everything.</summary>
    public void Clear() => Evict(0);

    /// <summary>Adds an entry, evicting the oldest ones for it (§4.4).</summary>
    /// <param name="name">Octets of the name; may be those of an entry, even one that is evicted for this.</param>
    /// <param name="value">Octets of the value; not those of an entry.</param>
    /// <returns><see langword="false"/> when it is larger than the table, which is now empty.</returns>
    public bool Insert(ReadOnlySpan<byte> name, ReadOnlySpan<byte> value)
    {
        var length = name.Length + value.Length;
        if (length + EntryOverhead > MaxSize)
        {
            Evict(0);
            return false;
        }

        Evict(MaxSize - length - EntryOverhead);
        if (_end + length > _octets.Length)
        {
            MakeRoom(name, length);
            name = default;
        }

        if (Count == _entries.Length)
        {
            GrowEntries();
        }

        name.CopyTo(_octets.AsSpan(_end));
        value.CopyTo(_octets.AsSpan(_end + length - value.Length));
        Newest++;
        At(0) = new Entry { Start = _end, NameLength = length - value.Length, ValueLength = value.Length };
        _end += length;
        Size += length + EntryOverhead;
        Count++;
        return true;
    }

    /// <summary>Makes room and puts the name there, which may lie in the octets that move.</summary>
    private void MakeRoom(ReadOnlySpan<byte> name, int length)
    {
        Span<byte> kept = name.Length <= 256 ? stackalloc byte[256] : new byte[name.Length];
        name.CopyTo(kept);
        var used = Size - (EntryOverhead * Count) + length;
        Move(2 * used <= _octets.Length ? _octets.Length
            : Math.Min(Math.Max(FirstOctets, (int)BitOperations.RoundUpToPowerOf2((uint)(2 * used))), Math.Max(2 * MaxSize, FirstOctets)));
        kept[..name.Length].CopyTo(_octets.AsSpan(_end));
    }

    private void Move(int capacity)
    {
        var target = capacity == _octets.Length ? _octets : new byte[capacity];
        var start = Count == 0 ? _end : At(Count - 1).Start;
        _octets.AsSpan(start, _end - start).CopyTo(target);
        for (var age = 0; age < Count; age++)
        {
            At(age).Start -= start;
        }

        (_octets, _end) = (target, _end - start);
    }

    private void Evict(int size)
    {
        while (Size > size)
        {
            ref readonly var oldest = ref At(Count - 1);
            Size -= oldest.NameLength + oldest.ValueLength + EntryOverhead;
            Count--;
        }
    }

    private void GrowEntries()
    {
        var grown = new Entry[Math.Max(FirstEntries, _entries.Length * 2)];
        for (var age = 0; age < Count; age++)
        {
            grown[(Newest - (uint)age) & (uint)(grown.Length - 1)] = At(age);
        }

        _entries = grown;
    }

    /// <summary>An entry of the table.</summary>
    public struct Entry
    {
        /// <summary>Where its name begins; its value follows.</summary>
        public int Start;

        /// <summary>Octets of the name.</summary>
        public int NameLength;

        /// <summary>Octets of the value.</summary>
        public int ValueLength;

        /// <summary>Hash of name and value; an encoder's.</summary>
        public uint Hash;

        /// <summary>Number of the next older entry in the same slot of the encoder's fields.</summary>
        public uint OlderField;

        /// <summary>Number of the next older entry in the same slot of the encoder's names.</summary>
        public uint OlderName;

        /// <summary>The sink's note; a decoder's.</summary>
        public byte Note;
    }
}
