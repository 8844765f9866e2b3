using System.Text;

namespace RelayCore.Protocols.Fields;

/// <summary>
/// The field lines of one message head or trailer section (RFC 9110 §5, §6.5), kept as the octets that were received: order, case,
/// duplicates and white space survive, and an edit changes only its own line.
/// </summary>
/// <remarks>
/// One instance belongs to one exchange at a time and is reused: <see cref="Load"/> copies the received octets, edits are appended behind
/// them, so nothing received is ever overwritten. Not safe for concurrent use. Text views are Latin-1, which maps octets one to one.
/// </remarks>
public sealed class FieldSection
{
    private const int InitialOctets = 1024;

    // A section lives as long as its connection: one large head must not pin its memory for all the small ones that follow.
    private const int RetainedOctets = 64 * 1024;

    private byte[] _octets = [];
    private Line[] _lines = [];
    private List<FieldChange>? _changes;
    private int _length;

    /// <summary>Number of field lines.</summary>
    public int Count { get; private set; }

    /// <summary>Octets of the received head: start line, field lines and the empty line, as they came.</summary>
    public ReadOnlySpan<byte> Received => _octets.AsSpan(0, ReceivedLength);

    /// <summary>Number of octets received.</summary>
    public int ReceivedLength { get; private set; }

    /// <summary>An upper bound of what the lines occupy when written, in octets.</summary>
    public int WrittenBound => _length + (4 * Count);

    /// <summary>Edits since the head was received, oldest first; empty when untouched.</summary>
    public IReadOnlyList<FieldChange> Changes => _changes ?? (IReadOnlyList<FieldChange>)[];

    /// <summary>Whether the received names are lower case and, like the values, checked for HTTP/2 (RFC 9113 §8.2): such lines need no second look.</summary>
    public bool HasLowerCaseNames { get; internal set; }

    /// <summary>Number of edits since the head was received.</summary>
    public int ChangeCount => _changes?.Count ?? 0;

    /// <summary>Forgets everything and takes a copy of <paramref name="head"/>; the codec then adds the lines by <see cref="AddReceivedLine"/>.</summary>
    public void Load(ReadOnlySpan<byte> head)
    {
        Clear();
        EnsureOctets(head.Length);
        head.CopyTo(_octets);
        _length = ReceivedLength = head.Length;
    }

    /// <summary>Forgets everything.</summary>
    public void Clear()
    {
        Count = 0;
        _length = ReceivedLength = 0;
        HasLowerCaseNames = false;
        _changes?.Clear();
        if (_octets.Length > RetainedOctets)
        {
            _octets = [];
        }
    }

    /// <summary>Registers a line of the octets given to <see cref="Load"/>; for codecs.</summary>
    /// <param name="lineStart">Offset of the line.</param>
    /// <param name="lineLength">Octets of the line with its CRLF; 0 when the line may not be forwarded as it came.</param>
    /// <param name="nameLength">Octets of the name, from <paramref name="lineStart"/>.</param>
    /// <param name="valueStart">Offset of the value, white space trimmed.</param>
    /// <param name="valueLength">Octets of the value.</param>
    public void AddReceivedLine(int lineStart, int lineLength, int nameLength, int valueStart, int valueLength)
    {
        if (Count == _lines.Length)
        {
            Array.Resize(ref _lines, Math.Max(16, Count * 2));
        }

        _lines[Count++] = new Line
        {
            NameStart = lineStart,
            NameLength = nameLength,
            ValueStart = valueStart,
            ValueLength = valueLength,
            LineLength = lineLength,
            Known = KnownFields.Identify(_octets.AsSpan(lineStart, nameLength)),
        };
    }

    /// <summary>Appends octets to what was received, for a head that is put together from parts; for codecs, after <see cref="Clear"/>.</summary>
    internal void AppendReceived(ReadOnlySpan<byte> octets)
    {
        Append(octets);
        ReceivedLength = _length;
    }

    /// <summary>Appends a line, with colon, SP and CRLF, to what was received.</summary>
    internal void AppendReceivedLine(ReadOnlySpan<byte> name, ReadOnlySpan<byte> value, KnownField known, bool isNeverIndexed)
    {
        if (Count == _lines.Length)
        {
            Array.Resize(ref _lines, Math.Max(16, Count * 2));
        }

        var length = name.Length + value.Length + 4;
        EnsureOctets(_length + length);
        var line = _octets.AsSpan(_length, length);
        name.CopyTo(line);
        line[name.Length] = (byte)':';
        line[name.Length + 1] = (byte)' ';
        value.CopyTo(line[(name.Length + 2)..]);
        line[^2] = (byte)'\r';
        line[^1] = (byte)'\n';
        ref var added = ref _lines[Count++];
        added.NameStart = _length;
        added.NameLength = name.Length;
        added.ValueStart = _length + name.Length + 2;
        added.ValueLength = value.Length;
        added.LineLength = length;
        added.Known = known;
        added.IsNeverIndexed = isNeverIndexed;
        _length += length;
        ReceivedLength = _length;
    }

    /// <summary>Keeps octets that belong to the head and are no part of what is shown as received.</summary>
    /// <returns>Their offset, for <see cref="Octets"/>.</returns>
    internal int AppendAside(ReadOnlySpan<byte> octets) => Append(octets);

    /// <summary>Replaces the value of a line without logging it, as the repair of a received line; for codecs.</summary>
    public void RepairValue(int index, ReadOnlySpan<byte> value)
    {
        ref var line = ref _lines[index];
        (line.ValueStart, line.ValueLength, line.LineLength) = (Append(value), value.Length, 0);
    }

    /// <summary>Joins a folded line to the value of its field by one SP (RFC 9112 §5.2), without logging it; for codecs.</summary>
    internal void ExtendValue(int index, ReadOnlySpan<byte> more)
    {
        ref var line = ref _lines[index];
        line.LineLength = 0;
        if (more.IsEmpty)
        {
            return;
        }

        // A value that ends the octets already grows in place: copying it for every fold would make a head of folds cost its square.
        if (line.ValueStart < ReceivedLength || line.ValueStart + line.ValueLength != _length)
        {
            line.ValueStart = Append(Value(index));
        }

        if (line.ValueLength > 0)
        {
            Append(" "u8);
        }

        Append(more);
        line.ValueLength = _length - line.ValueStart;
    }

    /// <summary>Removes a line without logging it; for framing, which the writer owns.</summary>
    public void RemoveUnlogged(int index)
    {
        Array.Copy(_lines, index + 1, _lines, index, Count - index - 1);
        Count--;
    }

    /// <summary>Appends a line without logging it; for framing and for messages the proxy makes itself.</summary>
    public void AddUnlogged(ReadOnlySpan<byte> name, ReadOnlySpan<byte> value) => Insert(Count, name, value);

    /// <summary>Octets of the name of a line, as written.</summary>
    public ReadOnlySpan<byte> Name(int index) => _octets.AsSpan(_lines[index].NameStart, _lines[index].NameLength);

    /// <summary>Octets of the value of a line, without surrounding white space.</summary>
    public ReadOnlySpan<byte> Value(int index) => _octets.AsSpan(_lines[index].ValueStart, _lines[index].ValueLength);

    /// <summary>What the engine knows the field as.</summary>
    public KnownField Known(int index) => _lines[index].Known;

    /// <summary>Whether the line came as an HPACK literal never to be indexed, and so must go on (RFC 7541 §6.2.3).</summary>
    public bool IsNeverIndexed(int index) => _lines[index].IsNeverIndexed;

    /// <summary>Whether the line leaves as it came.</summary>
    public bool IsUntouched(int index) => _lines[index].LineLength > 0;

    /// <summary>The received line with its CRLF when untouched, otherwise empty.</summary>
    public ReadOnlySpan<byte> ReceivedLine(int index) => _octets.AsSpan(_lines[index].NameStart, _lines[index].LineLength);

    /// <summary>Offset and length of the received line, for copying runs of them; length 0 when touched.</summary>
    internal (int Start, int Length) ReceivedRange(int index) => (_lines[index].NameStart, _lines[index].LineLength);

    /// <summary>Offset and length of the value.</summary>
    internal (int Start, int Length) ValueRange(int index) => (_lines[index].ValueStart, _lines[index].ValueLength);

    /// <summary>Octets by the offsets a codec gave.</summary>
    public ReadOnlySpan<byte> Octets(int start, int length) => _octets.AsSpan(start, length);

    /// <summary>Index of the first line with this name at or after <paramref name="from"/>, compared without case, or -1.</summary>
    public int IndexOf(ReadOnlySpan<byte> name, int from = 0)
    {
        for (var i = from; i < Count; i++)
        {
            if (_lines[i].NameLength == name.Length && FieldSyntax.NameEquals(Name(i), name))
            {
                return i;
            }
        }

        return -1;
    }

    /// <summary>Index of the first line of a known field at or after <paramref name="from"/>, or -1.</summary>
    public int IndexOf(KnownField field, int from = 0)
    {
        for (var i = from; i < Count; i++)
        {
            if (_lines[i].Known == field)
            {
                return i;
            }
        }

        return -1;
    }

    /// <summary>Value of the first line with this name as Latin-1 text, or <see langword="null"/>.</summary>
    public string? Get(string name)
    {
        var index = IndexOf(Encoding.Latin1.GetBytes(name));
        return index < 0 ? null : Encoding.Latin1.GetString(Value(index));
    }

    /// <summary>All lines as text, in order: names and values, Latin-1.</summary>
    public IReadOnlyList<KeyValuePair<string, string>> ToList()
    {
        var list = new List<KeyValuePair<string, string>>(Count);
        for (var i = 0; i < Count; i++)
        {
            list.Add(new(Encoding.Latin1.GetString(Name(i)), Encoding.Latin1.GetString(Value(i))));
        }

        return list;
    }

    /// <summary>Appends a line.</summary>
    /// <param name="name">A token.</param>
    /// <param name="value">Latin-1 text without control characters other than HTAB; white space around it is no part of it (RFC 9110 §5.5).</param>
    /// <exception cref="ArgumentException">The name or the value cannot stand in a head.</exception>
    public void Add(string name, string value)
    {
        value = Trim(value);
        var (nameOctets, valueOctets) = Checked(name, value);
        Insert(Count, nameOctets, valueOctets);
        Log(name, null, value);
    }

    /// <summary>Sets the first line of this name and removes further ones; appends a line when there is none.</summary>
    /// <inheritdoc cref="Add"/>
    public void Set(string name, string value)
    {
        value = Trim(value);
        var (nameOctets, valueOctets) = Checked(name, value);
        var index = IndexOf(nameOctets);
        if (index < 0)
        {
            Insert(Count, nameOctets, valueOctets);
            Log(name, null, value);
            return;
        }

        SetValue(index, value);
        for (var next = IndexOf(nameOctets, index + 1); next >= 0; next = IndexOf(nameOctets, next))
        {
            RemoveAt(next);
        }
    }

    /// <summary>Changes the value of one line; nothing is logged when it is the same.</summary>
    /// <inheritdoc cref="Add"/>
    public void SetValue(int index, string value)
    {
        var name = Encoding.Latin1.GetString(Name(index));
        value = Trim(value);
        var octets = CheckedValue(name, value);
        if (octets.AsSpan().SequenceEqual(Value(index)))
        {
            return;
        }

        Log(name, Encoding.Latin1.GetString(Value(index)), value);
        RepairValue(index, octets);
    }

    /// <summary>Gives one line another name; place and value stay.</summary>
    /// <exception cref="ArgumentException">The name cannot stand in a head.</exception>
    public void Rename(int index, string name)
    {
        var value = Encoding.Latin1.GetString(Value(index));
        var (octets, _) = Checked(name, value);
        if (octets.AsSpan().SequenceEqual(Name(index)))
        {
            return;
        }

        Log(Encoding.Latin1.GetString(Name(index)), value, null);
        Log(name, null, value);
        ref var line = ref _lines[index];
        (line.NameStart, line.NameLength, line.LineLength) = (Append(octets), octets.Length, 0);
        line.Known = KnownFields.Identify(octets);
    }

    /// <summary>Removes every line of this name.</summary>
    /// <returns>How many were removed.</returns>
    public int Remove(string name)
    {
        var octets = Encoding.Latin1.GetBytes(name);
        var removed = 0;
        for (var index = IndexOf(octets); index >= 0; index = IndexOf(octets, index))
        {
            RemoveAt(index);
            removed++;
        }

        return removed;
    }

    /// <summary>Removes one line.</summary>
    public void RemoveAt(int index)
    {
        Log(Encoding.Latin1.GetString(Name(index)), Encoding.Latin1.GetString(Value(index)), null);
        RemoveUnlogged(index);
    }

    /// <summary>Remembers the lines as they are, so that edits can be taken back.</summary>
    public Saved Save() => Save(null);

    /// <summary>Remembers the lines as they are in an object that is not needed any more, so that whoever saves often allocates once.</summary>
    public Saved Save(Saved? reuse)
    {
        var saved = reuse ?? new();
        saved.Take(_lines.AsSpan(0, Count), ChangeCount);
        return saved;
    }

    /// <summary>Takes back every edit since <see cref="Save()"/>.</summary>
    public void Restore(Saved saved)
    {
        ArgumentNullException.ThrowIfNull(saved);
        Count = saved.Lines.Length;
        saved.Lines.CopyTo(_lines);
        _changes?.RemoveRange(saved.ChangeCount, _changes.Count - saved.ChangeCount);
    }

    /// <summary>Forgets the log, not the edits; for messages the proxy makes itself.</summary>
    public void ClearChanges() => _changes?.Clear();

    /// <summary>Logs an edit of the start line, made by the owner of this section.</summary>
    public void Log(string name, string? before, string? after) => (_changes ??= []).Add(new(name, before, after));

    // What surrounds a value on the wire is no part of it, so it would not come back when read.
    private static string Trim(string value) => value.Trim(' ', '\t');

    private static (byte[] Name, byte[] Value) Checked(string name, string value)
    {
        var nameOctets = Encoding.Latin1.GetBytes(name);
        if (!FieldSyntax.IsToken(nameOctets))
        {
            throw new ArgumentException($"'{name}' is not a field name: it must be a token (RFC 9110 §5.1).", nameof(name));
        }

        return (nameOctets, CheckedValue(name, value));
    }

    private static byte[] CheckedValue(string name, string value)
    {
        var valueOctets = Encoding.Latin1.GetBytes(value);
        var invalid = FieldSyntax.IndexOfInvalidValueOctet(valueOctets);
        if (invalid >= 0)
        {
            throw new ArgumentException(
                $"The value of '{name}' has the control character 0x{valueOctets[invalid]:X2} at {invalid} (RFC 9110 §5.5).", nameof(value));
        }

        for (var i = 0; i < value.Length; i++)
        {
            if (value[i] > 0xFF)
            {
                throw new ArgumentException(
                    $"The value of '{name}' has U+{(int)value[i]:X4} at {i}, which is not an octet; encode it first (RFC 9110 §5.5).", nameof(value));
            }
        }

        return valueOctets;
    }

    private void Insert(int index, ReadOnlySpan<byte> name, ReadOnlySpan<byte> value)
    {
        if (Count == _lines.Length)
        {
            Array.Resize(ref _lines, Math.Max(16, Count * 2));
        }

        Array.Copy(_lines, index, _lines, index + 1, Count - index);
        Count++;
        _lines[index] = new Line
        {
            NameStart = Append(name),
            NameLength = name.Length,
            ValueStart = Append(value),
            ValueLength = value.Length,
            Known = KnownFields.Identify(name),
        };
    }

    private int Append(ReadOnlySpan<byte> octets)
    {
        EnsureOctets(_length + octets.Length);
        octets.CopyTo(_octets.AsSpan(_length));
        _length += octets.Length;
        return _length - octets.Length;
    }

    private void EnsureOctets(int length)
    {
        if (length > _octets.Length)
        {
            Array.Resize(ref _octets, Math.Max(Math.Max(length, InitialOctets), _octets.Length * 2));
        }
    }

    /// <summary>Lines at one moment; octets are never overwritten, so that ranges are enough.</summary>
    public sealed class Saved
    {
        private Line[] _lines = [];
        private int _count;

        internal Saved()
        {
        }

        /// <summary>Number of edits at that moment.</summary>
        public int ChangeCount { get; private set; }

        internal ReadOnlySpan<Line> Lines => _lines.AsSpan(0, _count);

        internal void Take(ReadOnlySpan<Line> lines, int changeCount)
        {
            if (lines.Length > _lines.Length)
            {
                _lines = new Line[lines.Length];
            }

            lines.CopyTo(_lines);
            (_count, ChangeCount) = (lines.Length, changeCount);
        }
    }

    internal struct Line
    {
        public int NameStart;
        public int NameLength;
        public int ValueStart;
        public int ValueLength;
        public int LineLength;
        public KnownField Known;
        public bool IsNeverIndexed;
    }
}
