namespace RelayCore.Load.Http;

/// <summary>
/// Reads header blocks of one connection for the value of a single field and follows the dynamic table for it; other fields are
/// only measured. A response costs no allocation as long as the peer refers to its table.
/// </summary>
/// <remarks>RFC 7541 §6. The table size is the default one: neither generator nor origin announces another.</remarks>
internal sealed class HpackFieldReader
{
    private const int TableOctets = 4096;
    private const int EntryOverhead = 32;
    private readonly byte[] _wanted;

    /// <summary>A ring of entries, newest at <c>_newest</c>; the largest table has 128 of the smallest entries.</summary>
    private readonly Entry[] _entries = new Entry[TableOctets / EntryOverhead];
    private readonly byte[] _scratch = new byte[256];
    private int _newest;
    private int _count;
    private int _size;
    private int _limit = TableOctets;

    /// <summary><see cref="Value"/> is <see langword="null"/> unless the entry is of the wanted field.</summary>
    private readonly record struct Entry(byte[]? Value, int NameOctets, int Size);

    /// <param name="wanted">Lower-case name, such as <c>:status</c>.</param>
    public HpackFieldReader(ReadOnlySpan<byte> wanted) => _wanted = wanted.ToArray();

    /// <summary>The field's value in the block read last; empty when it had none. Dies with the next block.</summary>
    public ReadOnlyMemory<byte> Value { get; private set; }

    /// <returns><see langword="false"/> when the block is malformed, which ends the connection (RFC 7541 §2.3.3, RFC 9113 §4.3).</returns>
    public bool TryRead(ReadOnlySpan<byte> block)
    {
        Value = default;
        var at = 0;
        while (at < block.Length)
        {
            var first = block[at];
            var isFine = (first & 0x80) != 0 ? TryIndexed(block, ref at)
                : (first & 0xE0) == 0x20 ? TryResize(block, ref at)
                : TryLiteral(block, ref at, prefixBits: (first & 0x40) != 0 ? 6 : 4, isAdded: (first & 0x40) != 0);
            if (!isFine)
            {
                return false;
            }
        }

        return true;
    }

    private bool TryIndexed(ReadOnlySpan<byte> block, ref int at)
    {
        if (!TryInteger(block, ref at, 7, out var index) || index == 0)
        {
            return false;
        }

        if (index <= HpackTables.Names.Length)
        {
            if (HpackTables.Names[index - 1].AsSpan().SequenceEqual(_wanted))
            {
                Value = HpackTables.Values[index - 1];
            }

            return true;
        }

        if (!TryEntry(index, out var entry))
        {
            return false;
        }

        Value = entry.Value ?? Value;
        return true;
    }

    private bool TryResize(ReadOnlySpan<byte> block, ref int at)
    {
        if (!TryInteger(block, ref at, 5, out var limit) || limit > TableOctets)
        {
            return false;
        }

        _limit = limit;
        Evict(0);
        return true;
    }

    private bool TryLiteral(ReadOnlySpan<byte> block, ref int at, int prefixBits, bool isAdded)
    {
        if (!TryInteger(block, ref at, prefixBits, out var index))
        {
            return false;
        }

        int nameOctets;
        bool isWanted;
        if (index == 0)
        {
            if (!TryString(block, ref at, isNeeded: true, out nameOctets, out var literal))
            {
                return false;
            }

            isWanted = literal.SequenceEqual(_wanted);
        }
        else if (index <= HpackTables.Names.Length)
        {
            var name = HpackTables.Names[index - 1];
            (nameOctets, isWanted) = (name.Length, name.AsSpan().SequenceEqual(_wanted));
        }
        else if (TryEntry(index, out var entry))
        {
            (nameOctets, isWanted) = (entry.NameOctets, entry.Value is not null);
        }
        else
        {
            return false;
        }

        // A field nobody wants and nobody will refer to is skipped by its encoded length.
        if (!TryString(block, ref at, isNeeded: isWanted || isAdded, out var valueOctets, out var value))
        {
            return false;
        }

        byte[]? kept = isWanted ? value.ToArray() : null;
        Value = kept ?? Value;
        if (isAdded)
        {
            Add(new(kept, nameOctets, nameOctets + valueOctets + EntryOverhead));
        }

        return !isWanted || kept!.Length == valueOctets;
    }

    /// <param name="block">The block.</param>
    /// <param name="at">Where the string starts, then where it ends.</param>
    /// <param name="isNeeded">Whether the decoded string or its length matters; otherwise it is skipped.</param>
    /// <param name="octets">Length of the decoded string, when needed.</param>
    /// <param name="value">The decoded string, cut to the scratch space; dies with the next string.</param>
    private bool TryString(ReadOnlySpan<byte> block, ref int at, bool isNeeded, out int octets, out ReadOnlySpan<byte> value)
    {
        octets = 0;
        value = default;
        var isHuffman = at < block.Length && (block[at] & 0x80) != 0;
        if (!TryInteger(block, ref at, 7, out var length) || length > block.Length - at)
        {
            return false;
        }

        var encoded = block.Slice(at, length);
        at += length;
        if (!isNeeded)
        {
            return true;
        }

        octets = length;
        value = encoded;
        if (isHuffman)
        {
            octets = HpackTables.Decode(encoded, _scratch);
            value = octets < 0 ? default : _scratch.AsSpan(0, Math.Min(octets, _scratch.Length));
        }

        return octets >= 0;
    }

    /// <remarks>RFC 7541 §5.1; larger than 2^28 is refused.</remarks>
    private static bool TryInteger(ReadOnlySpan<byte> block, ref int at, int prefixBits, out int value)
    {
        value = 0;
        if (at >= block.Length)
        {
            return false;
        }

        var most = (1 << prefixBits) - 1;
        value = block[at++] & most;
        if (value < most)
        {
            return true;
        }

        for (var shift = 0; at < block.Length && shift <= 21; shift += 7)
        {
            var octet = block[at++];
            value += (octet & 0x7F) << shift;
            if (octet < 0x80)
            {
                return true;
            }
        }

        return false;
    }

    private bool TryEntry(int index, out Entry entry)
    {
        var age = index - HpackTables.Names.Length - 1;
        entry = age < _count ? _entries[(_newest - age + _entries.Length) % _entries.Length] : default;
        return age < _count;
    }

    /// <remarks>RFC 7541 §4.4: an entry larger than the table empties it and is not added.</remarks>
    private void Add(in Entry entry)
    {
        Evict(entry.Size);
        if (entry.Size <= _limit)
        {
            _newest = (_newest + 1) % _entries.Length;
            _entries[_newest] = entry;
            _count++;
            _size += entry.Size;
        }
    }

    private void Evict(int room)
    {
        while (_count > 0 && _size + room > _limit)
        {
            _count--;
            _size -= _entries[(_newest - _count + _entries.Length) % _entries.Length].Size;
        }
    }
}
