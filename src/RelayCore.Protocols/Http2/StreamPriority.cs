using System.Buffers;
using RelayCore.Protocols.Fields;

namespace RelayCore.Protocols.Http2;

/// <summary>How a response is to be scheduled among others (RFC 9218 §4).</summary>
/// <param name="Urgency">0 (first) to 7 (last).</param>
/// <param name="IsIncremental">Whether parts are of use as they come: such responses of one urgency share the connection, others go one after another.</param>
public readonly record struct StreamPriority(byte Urgency, bool IsIncremental)
{
    /// <summary>What holds when nothing was said (§4.1, §4.2).</summary>
    public static readonly StreamPriority Default = new(3, false);

    private static readonly SearchValues<byte> s_base64 = SearchValues.Create("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/="u8);

    /// <summary>Reads the value of a Priority field or of PRIORITY_UPDATE.</summary>
    /// <param name="value">The field value, several lines joined by a comma.</param>
    /// <returns>
    /// What it says, with <see cref="Default"/> for what it does not say. Parameters that are unknown, of another type or out of range are ignored, and so is all of a value
    /// that is no Dictionary (§4, RFC 9651 §4.2).
    /// </returns>
    public static StreamPriority Parse(ReadOnlySpan<byte> value) => Parse(value, Default);

    /// <summary>Reads a value whose missing parameters leave another's: how a server's Priority field changes its client's (§8).</summary>
    /// <param name="value">The field value.</param>
    /// <param name="basis">What holds for missing parameters.</param>
    public static StreamPriority Parse(ReadOnlySpan<byte> value, StreamPriority basis)
    {
        var (urgency, isIncremental) = basis;
        var reader = new DictionaryReader(value);
        while (reader.TryReadMember(out var key, out var item))
        {
            if (key.SequenceEqual("u"u8))
            {
                urgency = item is { Kind: ItemKind.Integer, Number: >= 0 and <= 7 } ? (byte)item.Number : basis.Urgency; // the last one counts
            }
            else if (key.SequenceEqual("i"u8))
            {
                isIncremental = item.Kind == ItemKind.Boolean ? item.Number != 0 : basis.IsIncremental;
            }
        }

        return reader.IsMalformed ? basis : new(urgency, isIncremental);
    }

    private enum ItemKind : byte
    {
        /// <summary>Something the parameters here never are.</summary>
        Other,
        Integer,
        Boolean,
    }

    private readonly record struct Item(ItemKind Kind, long Number);

    /// <summary>Walks the members of a Dictionary (RFC 9651 §4.2.2).</summary>
    private ref struct DictionaryReader
    {
        private ReadOnlySpan<byte> _rest;
        private bool _isFirst;

        public DictionaryReader(ReadOnlySpan<byte> value)
        {
            _rest = value.TrimStart((byte)' ');
            _isFirst = true;
        }

        /// <summary>Whether the walk ended because of an error; what it gave before is void.</summary>
        public bool IsMalformed { get; private set; }

        public bool TryReadMember(out ReadOnlySpan<byte> key, out Item item)
        {
            key = default;
            item = default;
            if (!_isFirst)
            {
                SkipWhiteSpace();
                if (_rest.IsEmpty)
                {
                    return false;
                }

                IsMalformed = !TrySkip((byte)',');
                SkipWhiteSpace();
            }
            else if (_rest.IsEmpty)
            {
                return false;
            }

            _isFirst = false;
            IsMalformed = IsMalformed || !TryReadKey(out key) || !TryReadValue(out item);
            return !IsMalformed;
        }

        private bool TryReadValue(out Item item)
        {
            item = new(ItemKind.Boolean, 1); // a key alone
            if (!TrySkip((byte)'='))
            {
                return TrySkipParameters();
            }

            return (Peek() == '(' ? TrySkipInnerList(out item) : TryReadBareItem(out item)) && TrySkipParameters();
        }

        private bool TrySkipInnerList(out Item item)
        {
            item = default;
            _rest = _rest[1..];
            while (true)
            {
                _rest = _rest.TrimStart((byte)' ');
                if (TrySkip((byte)')'))
                {
                    return true;
                }

                if (!TryReadBareItem(out _) || !TrySkipParameters() || Peek() is not (' ' or ')'))
                {
                    return false;
                }
            }
        }

        private bool TrySkipParameters()
        {
            while (TrySkip((byte)';'))
            {
                _rest = _rest.TrimStart((byte)' ');
                if (!TryReadKey(out _) || (TrySkip((byte)'=') && !TryReadBareItem(out _)))
                {
                    return false;
                }
            }

            return true;
        }

        private bool TryReadKey(out ReadOnlySpan<byte> key)
        {
            var length = 0;
            while (length < _rest.Length && (_rest[length] is (>= (byte)'a' and <= (byte)'z') or (byte)'*'
                || (length > 0 && _rest[length] is (>= (byte)'0' and <= (byte)'9') or (byte)'_' or (byte)'-' or (byte)'.')))
            {
                length++;
            }

            key = Take(length);
            return length > 0;
        }

        private bool TryReadBareItem(out Item item)
        {
            item = default;
            switch (Peek())
            {
                case '-' or (>= '0' and <= '9'):
                    return TryReadNumber(out item);

                case '?':
                    var isBoolean = _rest.Length > 1 && _rest[1] is (byte)'0' or (byte)'1';
                    item = isBoolean ? new(ItemKind.Boolean, _rest[1] - '0') : default;
                    Take(isBoolean ? 2 : 0);
                    return isBoolean;

                case '"':
                    Take(1);
                    return TrySkipString();

                case '%':
                    Take(1);
                    return TrySkip((byte)'"') && TrySkipDisplayString();

                case ':':
                    var end = _rest[1..].IndexOf((byte)':');
                    var isOctets = end >= 0 && !_rest.Slice(1, end).ContainsAnyExcept(s_base64);
                    Take(isOctets ? end + 2 : 0);
                    return isOctets;

                case '@':
                    Take(1);
                    var isDate = TryReadNumber(out item) && item.Kind == ItemKind.Integer;
                    item = default;
                    return isDate;

                case '*' or (>= 'A' and <= 'Z') or (>= 'a' and <= 'z'):
                    var length = 1;
                    while (length < _rest.Length && (FieldSyntax.IsToken(_rest.Slice(length, 1)) || _rest[length] is (byte)':' or (byte)'/'))
                    {
                        length++;
                    }

                    Take(length);
                    return true;

                default:
                    return false;
            }
        }

        private bool TryReadNumber(out Item item)
        {
            item = default;
            var isNegative = TrySkip((byte)'-');
            var digits = TakeDigits();
            if (digits.Length is 0 or > 15)
            {
                return false;
            }

            if (TrySkip((byte)'.'))
            {
                return digits.Length <= 12 && TakeDigits().Length is >= 1 and <= 3;
            }

            long number = 0;
            foreach (var digit in digits)
            {
                number = (number * 10) + (digit - '0');
            }

            item = new(ItemKind.Integer, isNegative ? -number : number);
            return true;
        }

        private bool TrySkipString()
        {
            while (!_rest.IsEmpty)
            {
                var octet = Take(1)[0];
                if (octet == '"')
                {
                    return true;
                }

                if (octet is < 0x20 or > 0x7E || (octet == '\\' && !TrySkip((byte)'"') && !TrySkip((byte)'\\')))
                {
                    return false;
                }
            }

            return false;
        }

        private bool TrySkipDisplayString()
        {
            while (!_rest.IsEmpty)
            {
                var octet = Take(1)[0];
                if (octet == '"')
                {
                    return true;
                }

                if (octet is < 0x20 or > 0x7E || (octet == '%' && (!IsHex(Peek()) || Take(1).IsEmpty || !IsHex(Peek()) || Take(1).IsEmpty)))
                {
                    return false;
                }
            }

            return false;
        }

        private static bool IsHex(int octet) => octet is (>= '0' and <= '9') or (>= 'a' and <= 'f');

        private readonly int Peek() => _rest.IsEmpty ? -1 : _rest[0];

        private bool TrySkip(byte octet)
        {
            var isThere = Peek() == octet;
            _rest = isThere ? _rest[1..] : _rest;
            return isThere;
        }

        private ReadOnlySpan<byte> TakeDigits()
        {
            var length = _rest.IndexOfAnyExceptInRange((byte)'0', (byte)'9');
            return Take(length < 0 ? _rest.Length : length);
        }

        private ReadOnlySpan<byte> Take(int length)
        {
            var taken = _rest[..length];
            _rest = _rest[length..];
            return taken;
        }

        private void SkipWhiteSpace() => _rest = _rest.TrimStart(" \t"u8);
    }
}
