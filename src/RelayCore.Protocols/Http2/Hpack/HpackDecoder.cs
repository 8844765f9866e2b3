using System.Buffers;

namespace RelayCore.Protocols.Http2.Hpack;

/// <summary>Decodes the header blocks of one direction of a connection (RFC 7541), in the order in which they came.</summary>
/// <remarks>
/// <code>
/// block = *size-update *representation
/// representation = 1 index(7+) / 01 index(6+) [name] value / 0001 index(4+) [name] value / 0000 index(4+) [name] value
/// size-update = 001 size(5+)
/// string = H length(7+) octets
/// </code>
/// Holds at most twice the table's size and one string of the larger of table and list limit. Not safe for concurrent use. After an error
/// that <see cref="HpackErrors.IsFatal"/> it must not be used again.
/// </remarks>
/// <param name="maxListOctets">Largest list accepted, names and values plus 32 for each field (RFC 9113 §6.5.2). Default 256 KiB, as for HTTP/1 heads.</param>
public sealed class HpackDecoder(int maxListOctets = HpackDecoder.DefaultListOctets)
{
    /// <summary>Table size in octets until another is announced (RFC 9113 §6.5.2).</summary>
    public const int DefaultTableOctets = 4096;

    /// <summary>Default bound of a list, in octets.</summary>
    public const int DefaultListOctets = 256 * 1024;

    // A string longer than this is rare: its room is given back afterwards.
    private const int RetainedScratch = 16 * 1024;

    private const int NotRequired = int.MaxValue;

    private readonly HpackTable _table = new(DefaultTableOctets);
    private byte[] _scratch = [];
    private int _maxTableOctets = DefaultTableOctets;
    private int _requiredSize = NotRequired;

    private enum Step : byte
    {
        Done,
        TooLarge,
        Failed,
    }

    /// <summary>Largest list accepted, in octets; not negative.</summary>
    public int MaxListOctets { get; set; } = maxListOctets;

    /// <summary>Size of the table now, as RFC 7541 §4.1 counts it.</summary>
    public int TableOctets => _table.Size;

    /// <summary>Entries in the table now.</summary>
    public int TableCount => _table.Count;

    /// <summary>Bound of the table that the encoder chose last, in octets.</summary>
    public int TableBound => _table.MaxSize;

    /// <summary>Octets of memory the table and the room for strings hold.</summary>
    public int HeldOctets => _table.HeldOctets + _scratch.Length;

    /// <summary>Applies an announced table size once the peer acknowledged it (RFC 9113 §4.3.1).</summary>
    /// <param name="octets">0 to 16 MiB; 4,096 applies before the first. Below the table's present bound the next block must begin with a size update.</param>
    public void SetMaxTableOctets(int octets)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(octets);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(octets, 16 * 1024 * 1024);
        _maxTableOctets = octets;
        if (octets < _table.MaxSize)
        {
            _requiredSize = Math.Min(_requiredSize, octets);
        }
    }

    /// <summary>Decodes a complete block.</summary>
    /// <param name="block">All fragments of it, joined.</param>
    /// <param name="sink">Receives the fields.</param>
    /// <returns>The rule broken, if any. With <see cref="HpackError.ListTooLarge"/> the whole block was taken.</returns>
    public HpackError Decode<TSink>(ReadOnlySpan<byte> block, ref TSink sink)
        where TSink : IHpackSink, allows ref struct
    {
        var at = 0;
        var error = ReadSizeUpdates(block, ref at);
        long left = MaxListOctets;
        byte none = 0;
        while (error == HpackError.None && at < block.Length)
        {
            int first = block[at];
            if (first >= 0x80)
            {
                error = HpackInteger.Read(block, ref at, 0x7F, out var index);
                if (error != HpackError.None)
                {
                    break;
                }

                if (index > HpackStaticTable.Count)
                {
                    if (index > HpackStaticTable.Count + _table.Count)
                    {
                        return HpackError.InvalidIndex;
                    }

                    ref var entry = ref _table.At(index - HpackStaticTable.Count - 1);
                    left -= entry.NameLength + entry.ValueLength + HpackTable.EntryOverhead;
                    if (left >= 0)
                    {
                        sink.Field(_table.Name(entry), _table.Value(entry), false, ref entry.Note);
                    }
                }
                else if (index > 0)
                {
                    var name = HpackStaticTable.Name(index);
                    var value = HpackStaticTable.Value(index);
                    left -= name.Length + value.Length + HpackTable.EntryOverhead;
                    if (left >= 0)
                    {
                        none = 0;
                        sink.Field(name, value, false, ref none);
                    }
                }
                else
                {
                    error = HpackError.InvalidIndex;
                }
            }
            else if (first is >= 0x20 and < 0x40)
            {
                error = HpackError.MisplacedSizeUpdate;
            }
            else
            {
                error = ReadLiteral(block, ref at, first, ref left, ref sink);
            }
        }

        if (_scratch.Length > RetainedScratch)
        {
            _scratch = [];
        }

        return error != HpackError.None ? error : left < 0 ? HpackError.ListTooLarge : HpackError.None;
    }

    private HpackError ReadSizeUpdates(ReadOnlySpan<byte> block, ref int at)
    {
        while (at < block.Length && (block[at] & 0xE0) == 0x20)
        {
            var error = HpackInteger.Read(block, ref at, 0x1F, out var size);
            if (error != HpackError.None)
            {
                return error;
            }

            if (size > _maxTableOctets || size > _requiredSize)
            {
                return size > _maxTableOctets ? HpackError.SizeUpdateTooLarge : HpackError.MissingSizeUpdate;
            }

            _requiredSize = NotRequired;
            _table.Resize(size);
        }

        return _requiredSize == NotRequired ? HpackError.None : HpackError.MissingSizeUpdate;
    }

    private HpackError ReadLiteral<TSink>(ReadOnlySpan<byte> block, scoped ref int at, int first, scoped ref long left, ref TSink sink)
        where TSink : IHpackSink, allows ref struct
    {
        var isIndexed = (first & 0x40) != 0;
        var error = HpackInteger.Read(block, ref at, isIndexed ? 0x3F : 0x0F, out var index);
        if (error != HpackError.None)
        {
            return error;
        }

        // What neither the list nor the table can take is passed over undecoded.
        var room = (int)Math.Max(Math.Max(left, 0), isIndexed ? _table.MaxSize : 0);
        var scratchUsed = 0;
        var step = Step.Done;
        ReadOnlySpan<byte> name;
        if (index == 0)
        {
            step = ReadString(block, ref at, room, ref scratchUsed, out name, out error);
        }
        else if (index <= HpackStaticTable.Count)
        {
            name = HpackStaticTable.Name(index);
        }
        else if (index <= HpackStaticTable.Count + _table.Count)
        {
            name = _table.Name(_table.At(index - HpackStaticTable.Count - 1));
        }
        else
        {
            return HpackError.InvalidIndex;
        }

        if (step == Step.Failed)
        {
            return error;
        }

        var isNameInScratch = scratchUsed > 0;
        var nameLength = name.Length;
        var valueStep = ReadString(block, ref at, room, ref scratchUsed, out var value, out error);
        if (valueStep == Step.Failed)
        {
            return error;
        }

        if (step == Step.TooLarge || valueStep == Step.TooLarge)
        {
            left = -1;
            if (isIndexed)
            {
                _table.Clear(); // §4.4: an entry larger than the table empties it
            }

            return HpackError.None;
        }

        // The scratch may have moved when the value needed more of it.
        name = isNameInScratch ? _scratch.AsSpan(0, nameLength) : name;
        left -= name.Length + value.Length + HpackTable.EntryOverhead;
        byte note = 0;
        if (left >= 0)
        {
            sink.Field(name, value, first is >= 0x10 and < 0x20, ref note);
        }

        if (isIndexed && _table.Insert(name, value))
        {
            _table.At(0).Note = left >= 0 ? note : (byte)0;
        }

        return HpackError.None;
    }

    private Step ReadString(ReadOnlySpan<byte> block, scoped ref int at, int room, scoped ref int scratchUsed, out ReadOnlySpan<byte> text, out HpackError error)
    {
        text = default;
        var isHuffman = at < block.Length && block[at] >= 0x80;
        error = HpackInteger.Read(block, ref at, 0x7F, out var length);
        if (error == HpackError.None && length > block.Length - at)
        {
            error = HpackError.Truncated;
        }

        if (error != HpackError.None)
        {
            return Step.Failed;
        }

        var source = block.Slice(at, length);
        at += length;
        if (!isHuffman)
        {
            text = source;
            return length > room ? Step.TooLarge : Step.Done;
        }

        var bound = Math.Min(HpackHuffman.MaxDecodedOctets(length), room);
        if (_scratch.Length - scratchUsed < bound)
        {
            Array.Resize(ref _scratch, Math.Max(512, scratchUsed + bound));
        }

        switch (HpackHuffman.Decode(source, _scratch.AsSpan(scratchUsed, bound), out var written))
        {
            case OperationStatus.Done:
                text = _scratch.AsSpan(scratchUsed, written);
                scratchUsed += written;
                return Step.Done;
            case OperationStatus.DestinationTooSmall:
                return Step.TooLarge;
            default:
                error = HpackError.InvalidHuffman;
                return Step.Failed;
        }
    }
}
