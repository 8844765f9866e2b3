using RelayCore.Protocols.Fields;

namespace RelayCore.Protocols.Http1;

/// <summary>What one step of <see cref="ChunkedReader"/> found.</summary>
public enum ChunkedStatus : byte
{
    /// <summary>Octets are missing: call again with what was not consumed and more behind it.</summary>
    NeedMore,

    /// <summary>A piece of chunk data.</summary>
    Data,

    /// <summary>The body is complete, trailer section included.</summary>
    End,

    /// <summary>A rule is broken; the connection cannot continue.</summary>
    Invalid,
}

/// <summary>Result of one step: ranges are relative to the octets given to the call.</summary>
/// <param name="Status">What was found.</param>
/// <param name="Consumed">Octets that are done with; they may be forwarded as they are.</param>
/// <param name="Start">Where the data, or on <see cref="ChunkedStatus.End"/> the trailer section, begins.</param>
/// <param name="Length">Octets of the data, or of the trailer section with its empty line (2 when there are no trailers).</param>
/// <param name="Error">The rule broken.</param>
public readonly record struct ChunkedStep(ChunkedStatus Status, int Consumed, int Start = 0, int Length = 0, Http1Error Error = default);

/// <summary>
/// Reads the chunked transfer coding (RFC 9112 §7.1) without changing it: it tells where data lies and where the body ends, so that the
/// octets can be forwarded as they came, extensions and trailers included. A field of its owner; never copied while in use.
/// </summary>
/// <remarks>
/// <code>
/// chunked-body = *chunk last-chunk trailer-section CRLF
/// chunk        = chunk-size [ chunk-ext ] CRLF chunk-data CRLF
/// </code>
/// Memory: none besides three fields. A size line or trailer section must be complete in one call, so the caller's buffer has to hold
/// <see cref="Http1Limits.MaxTrailerOctets"/>.
/// </remarks>
public struct ChunkedReader
{
    private const byte CR = (byte)'\r';
    private const byte LF = (byte)'\n';

    private readonly Http1Limits _limits;
    private readonly bool _lenient;
    private State _state;
    private int _excess; // octets of size lines beyond what is usual for the data they announce
    private long _remaining;

    /// <summary>A reader at the start of a body.</summary>
    /// <param name="limits">Bounds on size lines and trailers.</param>
    /// <param name="lenient">Whether white space behind a chunk size is accepted, as browsers do in responses.</param>
    public ChunkedReader(Http1Limits limits, bool lenient) =>
        (_limits, _lenient, _state, _excess, _remaining) = (limits, lenient, State.Size, 0, 0);

    private enum State : byte
    {
        /// <summary>At a chunk-size line.</summary>
        Size,

        /// <summary>Inside chunk data.</summary>
        Data,

        /// <summary>At the CRLF behind chunk data.</summary>
        DataEnd,

        /// <summary>In the trailer section.</summary>
        Trailer,

        /// <summary>Behind the body.</summary>
        Done,
    }

    /// <summary>Whether everything consumed so far ends with a whole chunk, and another one may follow.</summary>
    public readonly bool IsBetweenChunks => _state == State.Size;

    /// <summary>Takes the next step.</summary>
    /// <param name="source">Octets not consumed so far.</param>
    public ChunkedStep Read(ReadOnlySpan<byte> source)
    {
        var consumed = 0;
        while (true)
        {
            var rest = source[consumed..];
            switch (_state)
            {
                case State.Size:
                    var lineLength = ReadSize(rest, out var fault);
                    if (lineLength <= 0)
                    {
                        return lineLength == 0 ? new(ChunkedStatus.NeedMore, consumed)
                            : new(ChunkedStatus.Invalid, consumed, Error: new(fault, consumed));
                    }

                    consumed += lineLength;
                    _state = _remaining == 0 ? State.Trailer : State.Data;
                    break;

                case State.Data:
                    if (rest.IsEmpty)
                    {
                        return new(ChunkedStatus.NeedMore, consumed);
                    }

                    var length = (int)Math.Min(_remaining, rest.Length);
                    _remaining -= length;
                    _state = _remaining == 0 ? State.DataEnd : State.Data;
                    return new(ChunkedStatus.Data, consumed + length, consumed, length);

                case State.DataEnd:
                    if ((rest.Length > 0 && rest[0] != CR) || (rest.Length > 1 && rest[1] != LF))
                    {
                        return new(ChunkedStatus.Invalid, consumed, Error: new(Http1Fault.MissingChunkEnd, consumed));
                    }

                    if (rest.Length < 2)
                    {
                        return new(ChunkedStatus.NeedMore, consumed);
                    }

                    consumed += 2;
                    _state = State.Size;
                    break;

                case State.Trailer:
                    var end = FindTrailerEnd(rest, out fault);
                    if (end <= 0)
                    {
                        return end == 0 ? new(ChunkedStatus.NeedMore, consumed)
                            : new(ChunkedStatus.Invalid, consumed, Error: new(fault, consumed));
                    }

                    _state = State.Done;
                    return new(ChunkedStatus.End, consumed + end, consumed, end);

                default:
                    throw new InvalidOperationException("The body has ended.");
            }
        }
    }

    private int ReadSize(ReadOnlySpan<byte> rest, out Http1Fault fault)
    {
        fault = Http1Fault.None;
        long size = 0;
        var at = 0;
        for (; at < rest.Length && HexDigit(rest[at]) is >= 0 and var digit; at++)
        {
            if (size > long.MaxValue >> 4)
            {
                fault = Http1Fault.InvalidChunkSize;
                return -1;
            }

            size = (size << 4) | (uint)digit;
        }

        if (at > _limits.MaxChunkLineOctets)
        {
            fault = Http1Fault.InvalidChunkSize;
            return -1;
        }

        if (at == rest.Length)
        {
            return 0;
        }

        // Whatever the octets so far prove wrong is refused before waiting for more.
        if (at == 0 || rest[at] is not (CR or (byte)';' or (byte)' ' or (byte)'\t'))
        {
            fault = Http1Fault.InvalidChunkSize;
            return -1;
        }

        var lineFeed = rest[at..].IndexOf(LF);
        var line = lineFeed < 0 ? rest[at..] : rest.Slice(at, lineFeed);
        var carriageReturn = line.IndexOf(CR);
        if (at + line.Length > _limits.MaxChunkLineOctets
            || (carriageReturn >= 0 && carriageReturn != line.Length - 1)
            || (lineFeed >= 0 && carriageReturn < 0))
        {
            fault = Http1Fault.InvalidChunkExtension;
            return -1;
        }

        if (lineFeed < 0)
        {
            return 0;
        }

        var extension = FieldSyntax.TrimWhiteSpace(line[..carriageReturn]);
        if (extension.IsEmpty ? carriageReturn > 0 && !_lenient : extension[0] != ';' || FieldSyntax.IndexOfInvalidValueOctet(extension) >= 0)
        {
            fault = Http1Fault.InvalidChunkExtension;
            return -1;
        }

        // Extensions in all are bounded too (RFC 9112 §7.1.1), so that one octet of data cannot cost a line of them for ever. Data pays for
        // them, or long uploads with a signature in each chunk would run out.
        const int usualLine = 32;
        _excess = (int)Math.Max(0, _excess + at + lineFeed + 1 - usualLine - Math.Min(size, int.MaxValue / 2));
        if (_excess > 4 * _limits.MaxChunkLineOctets)
        {
            fault = Http1Fault.InvalidChunkExtension;
            return -1;
        }

        _remaining = size;
        return at + lineFeed + 1;
    }

    private readonly int FindTrailerEnd(ReadOnlySpan<byte> rest, out Http1Fault fault)
    {
        fault = Http1Fault.None;
        for (var start = 0; ;)
        {
            var lineFeed = rest[start..].IndexOf(LF);
            if (lineFeed < 0)
            {
                fault = rest.Length > _limits.MaxTrailerOctets ? Http1Fault.InvalidTrailer : Http1Fault.None;
                return fault == Http1Fault.None ? 0 : -1;
            }

            if (lineFeed == 0 || rest[start + lineFeed - 1] != CR || start + lineFeed + 1 > _limits.MaxTrailerOctets)
            {
                fault = Http1Fault.InvalidTrailer;
                return -1;
            }

            if (lineFeed == 1)
            {
                return start + 2;
            }

            start += lineFeed + 1;
        }
    }

    private static int HexDigit(byte octet) => octet switch
    {
        >= (byte)'0' and <= (byte)'9' => octet - '0',
        >= (byte)'a' and <= (byte)'f' => octet - 'a' + 10,
        >= (byte)'A' and <= (byte)'F' => octet - 'A' + 10,
        _ => -1,
    };
}
