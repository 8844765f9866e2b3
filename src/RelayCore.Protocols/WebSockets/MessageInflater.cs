namespace RelayCore.Protocols.WebSockets;

/// <summary>How far a <see cref="MessageInflater"/> got.</summary>
public enum InflateStatus
{
    /// <summary>All input is taken.</summary>
    NeedInput,

    /// <summary>The output is full.</summary>
    NeedOutput,

    /// <summary>The input is not DEFLATE; nothing can be decoded any more.</summary>
    Damaged,
}

/// <summary>
/// Decodes one sender's compressed messages (RFC 7692 §7.2.2, RFC 1951) piece by piece, with the window kept between them. Holds nothing large
/// until a message is compressed, then as much window as was decoded, at most 32 KiB. Reads every window size.
/// </summary>
/// <remarks>The decoders of the framework cannot go on behind a final block with the window kept, and hold their whole state from the start.</remarks>
public sealed class MessageInflater
{
    private const int MaxWindow = 32 * 1024;
    private const int MinWindow = 1024;

    private static readonly byte[] s_order = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];
    private static readonly ushort[] s_lengths =
        [3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258];
    private static readonly byte[] s_lengthBits = [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0];
    private static readonly ushort[] s_distances =
        [1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537, 2049, 3073, 4097, 6145, 8193, 12289, 16385, 24577];

    private static readonly byte[] s_distanceBits = [0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13];
    private static readonly (DeflateCode Literals, DeflateCode Distances) s_fixed = Fixed();

    private readonly byte[] _codeLengths = new byte[320];
    private byte[] _window = [];
    private int _windowEnd; // where the next octet goes; the ring is full once it wrapped
    private int _windowFill;
    private ulong _bits;
    private int _bitCount;
    private State _state;
    private bool _isLastBlock;
    private int _left; // octets of a stored block, or of a match
    private int _distance;
    private int _literalCount;
    private int _distanceCount;
    private int _codeCount;
    private int _at;
    private DeflateCode? _literals;
    private DeflateCode? _distancesCode;
    private bool _isFixed;

    /// <summary>What comes next.</summary>
    private enum State : byte
    {
        /// <summary>BFINAL and BTYPE.</summary>
        BlockHeader,

        /// <summary>LEN and NLEN, at an octet boundary.</summary>
        StoredLength,

        /// <summary>Octets as they are.</summary>
        Stored,

        /// <summary>HLIT, HDIST, HCLEN.</summary>
        Counts,

        /// <summary>Lengths of the code of lengths.</summary>
        LengthCode,

        /// <summary>Code lengths.</summary>
        Lengths,

        /// <summary>Literals and matches.</summary>
        Symbols,

        /// <summary>The rest of a match.</summary>
        Match,

        /// <summary>A rule was broken.</summary>
        Damaged,
    }

    /// <summary>Octets held for the window.</summary>
    public int WindowOctets => _window.Length;

    /// <summary>Longest distance back anything referred to; tells the window the sender used.</summary>
    public int LongestDistance { get; private set; }

    /// <summary>Whether everything taken ends with a whole block, as a message does.</summary>
    public bool IsAtBoundary => _state == State.BlockHeader && _bitCount == 0;

    /// <summary>Whether a final block ended, behind which other decoders read nothing.</summary>
    public bool HasPassedFinalBlock { get; private set; }

    /// <summary>Decodes.</summary>
    /// <param name="input">The next octets of the message; behind its last <see cref="PerMessageDeflate.Tail"/>.</param>
    /// <param name="output">Room; may be used for anything between calls.</param>
    /// <param name="consumed">Octets taken.</param>
    /// <param name="written">Octets decoded; what comes before a mistake is kept.</param>
    public InflateStatus Inflate(ReadOnlySpan<byte> input, Span<byte> output, out int consumed, out int written)
    {
        var source = new Input(input);
        var target = new Output(output);
        InflateStatus? end = null;
        while (end is null)
        {
            end = _state switch
            {
                State.BlockHeader => ReadBlockHeader(ref source),
                State.StoredLength => ReadStoredLength(ref source),
                State.Stored => CopyStored(ref source, ref target),
                State.Counts => ReadCounts(ref source),
                State.LengthCode => ReadLengthCode(ref source),
                State.Lengths => ReadLengths(ref source),
                State.Symbols => ReadSymbols(ref source, ref target),
                State.Match => CopyMatch(ref target) ? null : InflateStatus.NeedOutput,
                _ => InflateStatus.Damaged,
            };
        }

        (consumed, written) = (source.Position, target.Position);
        Remember(output[..written]);
        return end.Value;
    }

    /// <summary>Forgets the window, behind a message of a sender that begins each with an empty one.</summary>
    public void DropContext() => (_windowEnd, _windowFill) = (0, 0);

    private static (DeflateCode Literals, DeflateCode Distances) Fixed()
    {
        Span<byte> lengths = stackalloc byte[288];
        lengths.Fill(8);
        lengths[144..256].Fill(9);
        lengths[256..280].Fill(7);
        var (literals, distances) = (new DeflateCode(), new DeflateCode());
        literals.TryBuild(lengths);
        lengths[..32].Fill(5);
        distances.TryBuild(lengths[..32]);
        return (literals, distances);
    }

    private InflateStatus? ReadBlockHeader(ref Input source)
    {
        if (!Fill(ref source, 3))
        {
            return InflateStatus.NeedInput;
        }

        _isLastBlock = Take(1) == 1;
        switch (Take(2))
        {
            case 0:
                Take(_bitCount & 7);
                _state = State.StoredLength;
                return null;
            case 1:
                (_isFixed, _state) = (true, State.Symbols);
                return null;
            case 2:
                (_isFixed, _state) = (false, State.Counts);
                return null;
            default:
                return Damage();
        }
    }

    private InflateStatus? ReadStoredLength(ref Input source)
    {
        if (!Fill(ref source, 32))
        {
            return InflateStatus.NeedInput;
        }

        var (length, complement) = (Take(16), Take(16));
        if ((length ^ 0xFFFF) != complement)
        {
            return Damage();
        }

        (_left, _state) = (length, State.Stored);
        return null;
    }

    private InflateStatus? CopyStored(ref Input source, ref Output target)
    {
        while (_left > 0)
        {
            if (target.Room == 0)
            {
                return InflateStatus.NeedOutput;
            }

            if (_bitCount >= 8)
            {
                target.Put((byte)Take(8)); // read ahead with the length
                _left--;
                continue;
            }

            var count = Math.Min(Math.Min(_left, source.Left), target.Room);
            if (count == 0)
            {
                return InflateStatus.NeedInput;
            }

            _bits = 0; // what it holds beyond its count is about to be passed over

            target.Put(source.Take(count));
            _left -= count;
        }

        EndBlock();
        return null;
    }

    private InflateStatus? ReadCounts(ref Input source)
    {
        if (!Fill(ref source, 14))
        {
            return InflateStatus.NeedInput;
        }

        (_literalCount, _distanceCount, _codeCount, _at) = (Take(5) + 257, Take(5) + 1, Take(4) + 4, 0);
        if (_literalCount > 286 || _distanceCount > 30)
        {
            return Damage();
        }

        _literals ??= new();
        _distancesCode ??= new();
        _codeLengths.AsSpan().Clear();
        _state = State.LengthCode;
        return null;
    }

    private InflateStatus? ReadLengthCode(ref Input source)
    {
        for (; _at < _codeCount; _at++)
        {
            if (!Fill(ref source, 3))
            {
                return InflateStatus.NeedInput;
            }

            _codeLengths[s_order[_at]] = (byte)Take(3);
        }

        // The code of lengths is needed only until both others are built, so it borrows the place of the distances.
        if (!_distancesCode!.TryBuild(_codeLengths.AsSpan(0, 19)))
        {
            return Damage();
        }

        _codeLengths.AsSpan().Clear();
        (_at, _state) = (0, State.Lengths);
        return null;
    }

    private InflateStatus? ReadLengths(ref Input source)
    {
        while (_at < _literalCount + _distanceCount)
        {
            Fill(ref source, 22);
            var symbol = _distancesCode!.Find(_bits, out var length);
            var extra = symbol switch { 16 => 2, 17 => 3, 18 => 7, _ => 0 };
            if (length + extra > _bitCount)
            {
                return InflateStatus.NeedInput;
            }

            if (symbol < 0)
            {
                return Damage();
            }

            Take(length);
            var (value, repeat) = symbol switch
            {
                16 => (_at > 0 ? _codeLengths[_at - 1] : (byte)255, 3 + Take(2)),
                17 => ((byte)0, 3 + Take(3)),
                18 => ((byte)0, 11 + Take(7)),
                _ => ((byte)symbol, 1),
            };
            if (value == 255 || _at + repeat > _literalCount + _distanceCount)
            {
                return Damage();
            }

            _codeLengths.AsSpan(_at, repeat).Fill(value);
            _at += repeat;
        }

        // Without an end of block there is no way out of it.
        if (_codeLengths[256] == 0 || !_literals!.TryBuild(_codeLengths.AsSpan(0, _literalCount))
            || !_distancesCode!.TryBuild(_codeLengths.AsSpan(_literalCount, _distanceCount)))
        {
            return Damage();
        }

        _state = State.Symbols;
        return null;
    }

    private InflateStatus? ReadSymbols(ref Input source, ref Output target)
    {
        var (literals, distances) = _isFixed ? s_fixed : (_literals!, _distancesCode!);
        while (true)
        {
            Fill(ref source, 48); // the longest match: 15 + 5 + 15 + 13 bits
            var symbol = literals.Find(_bits, out var length);
            if (length > _bitCount)
            {
                return InflateStatus.NeedInput;
            }

            if (symbol is < 0 or > 285)
            {
                return Damage();
            }

            if (symbol < 256)
            {
                if (target.Room == 0)
                {
                    return InflateStatus.NeedOutput;
                }

                Take(length);
                target.Put((byte)symbol);
                continue;
            }

            if (symbol == 256)
            {
                Take(length);
                EndBlock();
                return null;
            }

            if (ReadMatch(symbol - 257, length, distances, ref target) is { } end)
            {
                return end;
            }

            if (!CopyMatch(ref target))
            {
                return InflateStatus.NeedOutput;
            }
        }
    }

    /// <summary>Reads a length and a distance at once or not at all.</summary>
    private InflateStatus? ReadMatch(int lengthSymbol, int used, DeflateCode distances, ref Output target)
    {
        var bits = _bits >> used;
        int extra = s_lengthBits[lengthSymbol];
        var count = s_lengths[lengthSymbol] + (int)(bits & ((1u << extra) - 1));
        bits >>= extra;
        used += extra;
        var symbol = distances.Find(bits, out var length);
        if (used + length > _bitCount)
        {
            return InflateStatus.NeedInput;
        }

        if (symbol is < 0 or > 29)
        {
            return Damage();
        }

        bits >>= length;
        extra = s_distanceBits[symbol];
        used += length + extra;
        if (used > _bitCount)
        {
            return InflateStatus.NeedInput;
        }

        var distance = s_distances[symbol] + (int)(bits & ((1u << extra) - 1));
        if (distance > target.Position + _windowFill)
        {
            return Damage();
        }

        Take(used);
        (_left, _distance, _state) = (count, distance, State.Match);
        LongestDistance = Math.Max(LongestDistance, distance);
        return null;
    }

    /// <returns>Whether all of it found room.</returns>
    private bool CopyMatch(ref Output target)
    {
        while (_left > 0)
        {
            if (target.Room == 0)
            {
                return false;
            }

            var count = Math.Min(_left, target.Room);
            if (_distance <= target.Position)
            {
                target.Repeat(_distance, count);
            }
            else
            {
                // Begins in what was decoded by earlier calls.
                var back = _distance - target.Position;
                var from = _windowEnd - back;
                from = from < 0 ? from + _window.Length : from;
                count = Math.Min(Math.Min(count, back), _window.Length - from);
                target.Put(_window.AsSpan(from, count));
            }

            _left -= count;
        }

        _state = State.Symbols;
        return true;
    }

    // RFC 7692 §7.2.3.4: behind a final block another begins at the next octet.
    private void EndBlock()
    {
        _state = State.BlockHeader;
        if (_isLastBlock)
        {
            HasPassedFinalBlock = true;
            Take(_bitCount & 7);
        }
    }

    private InflateStatus Damage()
    {
        _state = State.Damaged;
        return InflateStatus.Damaged;
    }

    private void Remember(ReadOnlySpan<byte> decoded)
    {
        if (decoded.IsEmpty)
        {
            return;
        }

        if (_window.Length < MaxWindow && _windowFill + decoded.Length > _window.Length)
        {
            GrowWindow(_windowFill + decoded.Length);
        }

        decoded = decoded.Length > _window.Length ? decoded[^_window.Length..] : decoded;
        var first = Math.Min(decoded.Length, _window.Length - _windowEnd);
        decoded[..first].CopyTo(_window.AsSpan(_windowEnd));
        decoded[first..].CopyTo(_window);
        _windowEnd = (_windowEnd + decoded.Length) % _window.Length;
        _windowFill = Math.Min(_windowFill + decoded.Length, _window.Length);
    }

    private void GrowWindow(int wanted)
    {
        var larger = new byte[Math.Clamp((int)System.Numerics.BitOperations.RoundUpToPowerOf2((uint)Math.Min(wanted, MaxWindow)), MinWindow, MaxWindow)];

        // It never wrapped before it had its full size, so what it holds lies at its start.
        _window.AsSpan(0, _windowFill).CopyTo(larger);
        (_window, _windowEnd) = (larger, _windowFill % larger.Length);
    }

    /// <summary>Reads input until there are that many bits.</summary>
    private bool Fill(ref Input source, int bits)
    {
        if (_bitCount < bits && source.Left >= 8)
        {
            // Eight at once; those that do not fit whole are read again later, and are the same then.
            _bits |= source.Peek() << _bitCount;
            source.Skip((63 - _bitCount) >> 3);
            _bitCount |= 56;
            return true;
        }

        while (_bitCount < bits && source.Left > 0)
        {
            _bits |= (ulong)source.Take() << _bitCount;
            _bitCount += 8;
        }

        return _bitCount >= bits;
    }

    private int Take(int bits)
    {
        var value = (int)(_bits & ((1u << bits) - 1));
        _bits >>= bits;
        _bitCount -= bits;
        return value;
    }

    private ref struct Input(ReadOnlySpan<byte> octets)
    {
        private readonly ReadOnlySpan<byte> _octets = octets;

        public int Position { get; private set; }

        public readonly int Left => _octets.Length - Position;

        public byte Take() => _octets[Position++];

        public readonly ulong Peek() => System.Buffers.Binary.BinaryPrimitives.ReadUInt64LittleEndian(_octets[Position..]);

        public void Skip(int count) => Position += count;

        public ReadOnlySpan<byte> Take(int count)
        {
            var taken = _octets.Slice(Position, count);
            Position += count;
            return taken;
        }
    }

    private ref struct Output(Span<byte> octets)
    {
        private readonly Span<byte> _octets = octets;

        public int Position { get; private set; }

        public readonly int Room => _octets.Length - Position;

        public void Put(byte octet) => _octets[Position++] = octet;

        public void Put(ReadOnlySpan<byte> octets)
        {
            octets.CopyTo(_octets[Position..]);
            Position += octets.Length;
        }

        public void Repeat(int distance, int count)
        {
            var source = _octets[(Position - distance)..];
            var target = _octets.Slice(Position, count);
            if (distance >= count)
            {
                source[..count].CopyTo(target);
            }
            else if (distance == 1)
            {
                target.Fill(source[0]);
            }
            else
            {
                for (var i = 0; i < count; i++)
                {
                    target[i] = source[i]; // the source grows as it is copied
                }
            }

            Position += count;
        }
    }
}
