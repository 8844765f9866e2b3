using System.Numerics;

namespace RelayCore.Protocols.Http2.Hpack;

/// <summary>Encodes the header blocks of one direction of a connection (RFC 7541), in the order in which they are sent.</summary>
/// <remarks>
/// Every block that was encoded must be sent, because the peer's table follows it. Allocates nothing once its table has grown to its size. Not
/// safe for concurrent use.
/// <para>
/// What is indexed: a field with a name of the static table whose value rarely changes at once; every other field when the same was seen shortly
/// before, so that request ids, lengths and dates do not push out what repeats; nothing larger than half the table. Credentials and cookies too
/// short to be random are never indexed (§7.1.3), nor what came so.
/// </para>
/// </remarks>
public sealed class HpackEncoder
{
    /// <summary>The most octets <see cref="Begin"/> writes: two size updates.</summary>
    public const int BeginBound = 2 * HpackInteger.MaxOctets;

    /// <summary>The most octets a field takes besides name and value: the representation and two lengths.</summary>
    public const int FieldOverhead = 1 + (2 * HpackInteger.MaxOctets);

    // As many different fields as a few interleaved kinds of messages have.
    private const int SeenFields = 256;

    // Messages of one connection resemble each other: what was indexed at a place in the last block is tried there before it is looked for.
    private const int Places = 32;
    private const ulong DynamicMark = 1UL << 32;

    // A cookie shorter than this could be guessed by someone who sees how large messages are.
    private const int ShortCookieOctets = 20;

    private readonly HpackTable _table;
    private readonly uint[] _seen = new uint[SeenFields];
    private readonly ulong[] _places = new ulong[Places];
    private readonly int _ownMaxOctets;
    private uint[] _fields = [];
    private uint[] _names = [];
    private int _smallestPending = int.MaxValue;
    private int _place;
    private bool _isSizePending;

    /// <summary>Makes an encoder for a peer that has announced nothing yet.</summary>
    /// <param name="maxTableOctets">The largest table this end keeps, in octets, whatever the peer allows. Default 4,096, as the RFC's.</param>
    public HpackEncoder(int maxTableOctets = HpackDecoder.DefaultTableOctets)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(maxTableOctets);
        _ownMaxOctets = maxTableOctets;
        _table = new(HpackDecoder.DefaultTableOctets);
        if (maxTableOctets < HpackDecoder.DefaultTableOctets)
        {
            SetPeerMaxTableOctets(maxTableOctets);
        }
    }

    /// <summary>Size of the table now, as RFC 7541 §4.1 counts it.</summary>
    public int TableOctets => _table.Size;

    /// <summary>Entries in the table now.</summary>
    public int TableCount => _table.Count;

    /// <summary>Bound of the table now, in octets: the smaller of what the peer allows and this end keeps.</summary>
    public int TableBound => _table.MaxSize;

    /// <summary>The most octets a field takes.</summary>
    public static int Bound(int nameLength, int valueLength) => nameLength + valueLength + FieldOverhead;

    /// <summary>
    /// Applies SETTINGS_HEADER_TABLE_SIZE of the peer. The next block begins with the size update; when the size went down and up again since the
    /// last block, with the smallest first (§4.2).
    /// </summary>
    /// <param name="octets">What the peer announced, 0 to 2^31-1 (larger values are to be passed as that).</param>
    public void SetPeerMaxTableOctets(int octets)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(octets);
        var size = Math.Min(octets, _ownMaxOctets);
        if (size == _table.MaxSize)
        {
            return;
        }

        _smallestPending = Math.Min(_smallestPending, size);
        _isSizePending = true;
        _table.Resize(size);
    }

    /// <summary>Begins a block.</summary>
    /// <param name="destination">At least <see cref="BeginBound"/>.</param>
    /// <returns>Octets written; mostly 0.</returns>
    public int Begin(Span<byte> destination)
    {
        _place = 0;
        if (!_isSizePending)
        {
            return 0;
        }

        var at = 0;
        if (_smallestPending < _table.MaxSize)
        {
            at = HpackInteger.Write(destination, 0x20, 0x1F, _smallestPending);
        }

        at += HpackInteger.Write(destination[at..], 0x20, 0x1F, _table.MaxSize);
        (_smallestPending, _isSizePending) = (int.MaxValue, false);
        return at;
    }

    /// <summary>Encodes one field.</summary>
    /// <param name="destination">At least <see cref="Bound"/>.</param>
    /// <param name="name">Lower-case name.</param>
    /// <param name="value">Value.</param>
    /// <param name="neverIndexed">Whether it came never to be indexed, and so must go on.</param>
    /// <returns>Octets written.</returns>
    public int Encode(Span<byte> destination, ReadOnlySpan<byte> name, ReadOnlySpan<byte> value, bool neverIndexed)
    {
        var place = Math.Min(_place++, Places - 1);
        var index = neverIndexed ? 0 : IndexAt(place, name, value);
        if (index > 0)
        {
            return HpackInteger.Write(destination, 0x80, 0x7F, index);
        }

        var nameHash = HpackHash.OfName(name);
        var staticName = HpackStaticTable.IndexOfName(name, nameHash);
        if (neverIndexed || IsSensitive(staticName, value))
        {
            return WriteLiteral(destination, 0x10, 0x0F, staticName > 0 ? staticName : FindName(name, nameHash), name, value);
        }

        var fieldHash = HpackHash.OfField(nameHash, value);
        index = staticName > 0 ? HpackStaticTable.IndexOfField(name, value, fieldHash) : 0;
        if (index == 0)
        {
            index = FindField(name, value, fieldHash);
        }

        if (index > 0)
        {
            _places[place] = index <= HpackStaticTable.Count ? (ulong)index : DynamicMark | (_table.Newest - (uint)(index - HpackStaticTable.Count - 1));
            return HpackInteger.Write(destination, 0x80, 0x7F, index);
        }

        var nameIndex = staticName > 0 ? staticName : FindName(name, nameHash);
        if (!IsWorthAnEntry(staticName, name.Length + value.Length + HpackTable.EntryOverhead, fieldHash))
        {
            return WriteLiteral(destination, 0x00, 0x0F, nameIndex, name, value);
        }

        var written = WriteLiteral(destination, 0x40, 0x3F, nameIndex, name, value);
        Insert(name, value, nameHash, fieldHash);
        return written;
    }

    private static int WriteLiteral(Span<byte> destination, int pattern, int mask, int nameIndex, ReadOnlySpan<byte> name, ReadOnlySpan<byte> value)
    {
        var at = HpackInteger.Write(destination, pattern, mask, nameIndex);
        if (nameIndex == 0)
        {
            at += WriteString(destination[at..], name);
        }

        return at + WriteString(destination[at..], value);
    }

    private static int WriteString(Span<byte> destination, ReadOnlySpan<byte> text)
    {
        var encoded = HpackHuffman.EncodedOctets(text);
        int at;
        if (encoded < text.Length)
        {
            at = HpackInteger.Write(destination, 0x80, 0x7F, encoded);
            return at + HpackHuffman.Encode(text, destination.Slice(at, encoded));
        }

        at = HpackInteger.Write(destination, 0x00, 0x7F, text.Length);
        text.CopyTo(destination[at..]);
        return at + text.Length;
    }

    private static bool IsSensitive(int staticName, ReadOnlySpan<byte> value) => staticName switch
    {
        StaticName.Authorization or StaticName.ProxyAuthorization => true,
        StaticName.Cookie => value.Length < ShortCookieOctets,
        _ => false,
    };

    private bool IsWorthAnEntry(int staticName, int size, uint fieldHash)
    {
        if (size > _table.MaxSize / 2)
        {
            return false;
        }

        if (staticName is not (0 or StaticName.Path or StaticName.Age or StaticName.ContentLength or StaticName.ContentLocation or StaticName.ContentRange
            or StaticName.Cookie or StaticName.Date or StaticName.ETag or StaticName.Expires or StaticName.IfMatch or StaticName.IfModifiedSince
            or StaticName.IfNoneMatch or StaticName.IfRange or StaticName.IfUnmodifiedSince or StaticName.LastModified or StaticName.Link
            or StaticName.Location or StaticName.Range or StaticName.Referer or StaticName.RetryAfter or StaticName.SetCookie))
        {
            return true;
        }

        ref var seen = ref _seen[fieldHash % SeenFields];
        if (seen == fieldHash)
        {
            return true;
        }

        seen = fieldHash;
        return false;
    }

    /// <summary>Index of the field that was at this place in the last block when it is the same, otherwise 0.</summary>
    private int IndexAt(int place, ReadOnlySpan<byte> name, ReadOnlySpan<byte> value)
    {
        var before = _places[place];
        if (before < DynamicMark)
        {
            var index = (int)before;
            return index > 0 && HpackStaticTable.Value(index).SequenceEqual(value) && HpackStaticTable.Name(index).SequenceEqual(name) ? index : 0;
        }

        var age = _table.Age((uint)before);
        if (age >= (uint)_table.Count)
        {
            return 0;
        }

        ref readonly var entry = ref _table.At((int)age);
        return _table.Value(entry).SequenceEqual(value) && _table.Name(entry).SequenceEqual(name) ? HpackStaticTable.Count + 1 + (int)age : 0;
    }

    private int FindField(ReadOnlySpan<byte> name, ReadOnlySpan<byte> value, uint fieldHash)
    {
        if (_fields.Length == 0)
        {
            return 0;
        }

        // A slot holds the number of its newest entry. A number whose age does not grow is left from an entry that is gone.
        var age = _table.Age(_fields[fieldHash & (uint)(_fields.Length - 1)]);
        while (age < (uint)_table.Count)
        {
            ref readonly var entry = ref _table.At((int)age);
            if (entry.Hash == fieldHash && _table.Name(entry).SequenceEqual(name) && _table.Value(entry).SequenceEqual(value))
            {
                return HpackStaticTable.Count + 1 + (int)age;
            }

            var older = _table.Age(entry.OlderField);
            age = older > age ? older : uint.MaxValue;
        }

        return 0;
    }

    private int FindName(ReadOnlySpan<byte> name, uint nameHash)
    {
        if (_names.Length == 0)
        {
            return 0;
        }

        var age = _table.Age(_names[nameHash & (uint)(_names.Length - 1)]);
        while (age < (uint)_table.Count)
        {
            ref readonly var entry = ref _table.At((int)age);
            if (_table.Name(entry).SequenceEqual(name))
            {
                return HpackStaticTable.Count + 1 + (int)age;
            }

            var older = _table.Age(entry.OlderName);
            age = older > age ? older : uint.MaxValue;
        }

        return 0;
    }

    private void Insert(ReadOnlySpan<byte> name, ReadOnlySpan<byte> value, uint nameHash, uint fieldHash)
    {
        if (!_table.Insert(name, value))
        {
            return;
        }

        var slots = (int)BitOperations.RoundUpToPowerOf2((uint)Math.Max(16, _table.MaxSize / HpackTable.EntryOverhead));
        if (_fields.Length < slots)
        {
            (_fields, _names) = (new uint[slots], new uint[slots]); // entries from before are not found any more, which costs octets only
        }

        ref var field = ref _fields[fieldHash & (uint)(_fields.Length - 1)];
        ref var named = ref _names[nameHash & (uint)(_names.Length - 1)];
        ref var entry = ref _table.At(0);
        (entry.Hash, entry.OlderField, entry.OlderName) = (fieldHash, field, named);
        (field, named) = (_table.Newest, _table.Newest);
    }

    /// <summary>Indices of names in the static table.</summary>
    private static class StaticName
    {
        public const int Path = 4;
        public const int Age = 21;
        public const int Authorization = 23;
        public const int ContentLength = 28;
        public const int ContentLocation = 29;
        public const int ContentRange = 30;
        public const int Cookie = 32;
        public const int Date = 33;
        public const int ETag = 34;
        public const int Expires = 36;
        public const int IfMatch = 39;
        public const int IfModifiedSince = 40;
        public const int IfNoneMatch = 41;
        public const int IfRange = 42;
        public const int IfUnmodifiedSince = 43;
        public const int LastModified = 44;
        public const int Link = 45;
        public const int Location = 46;
        public const int ProxyAuthorization = 49;
        public const int Range = 50;
        public const int Referer = 51;
        public const int RetryAfter = 53;
        public const int SetCookie = 55;
    }
}
