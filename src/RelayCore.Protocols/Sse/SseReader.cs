namespace RelayCore.Protocols.Sse;

/// <summary>
/// Cuts an event stream (WHATWG HTML §9.2.5) into units: blocks that end with an empty line, and whatever lies between them. Each octet is
/// looked at once, whatever the splits. A field of its owner; never copied while in use.
/// </summary>
/// <remarks>
/// <code>
/// stream  = [ BOM ] *event
/// event   = *( comment / field ) end-of-line
/// comment = ":" *any-char end-of-line
/// field   = 1*name-char [ ":" [ SP ] *any-char ] end-of-line
/// end-of-line = CRLF / CR / LF
/// </code>
/// The byte order mark, empty lines and comments in front of a block are units of their own (<see cref="UnitStatus.Filler"/>), so that a heartbeat
/// is not held back until an event follows. A block is a <see cref="UnitStatus.Message"/> even when it has no data; <see cref="SseEvent"/> tells.
/// A block that ends with CR is complete at once: the LF of a CRLF, when it comes later, is a filler. Memory: none besides two fields; who collects
/// the octets of a block bounds them.
/// </remarks>
public struct SseReader
{
    private const byte CR = (byte)'\r';
    private const byte LF = (byte)'\n';

    private State _state;
    private bool _mayBeLineFeed; // the last octet was a CR that ended a line

    private enum State : byte
    {
        /// <summary>At the first octet of the stream.</summary>
        Start,

        /// <summary>Behind the first octet of a byte order mark.</summary>
        Mark1,

        /// <summary>Behind the second.</summary>
        Mark2,

        /// <summary>Between units.</summary>
        Between,

        /// <summary>At the start of a line of a block that has begun.</summary>
        LineStart,

        /// <summary>In a line of a block.</summary>
        Line,

        /// <summary>In a comment in front of a block.</summary>
        Comment,
    }

    /// <summary>Whether no unit is open: everything read so far is complete.</summary>
    public readonly bool IsBetween => _state is State.Start or State.Between;

    /// <summary>Takes the next step.</summary>
    /// <param name="source">Octets behind those read so far.</param>
    public UnitStep Read(ReadOnlySpan<byte> source)
    {
        var at = 0;
        while (at < source.Length)
        {
            if (_mayBeLineFeed)
            {
                _mayBeLineFeed = false;
                if (source[at] == LF)
                {
                    at++;
                    if (_state == State.Between)
                    {
                        return new(UnitStatus.Filler, at);
                    }

                    continue;
                }
            }

            switch (_state)
            {
                case State.Start:
                    _state = source[at] == 0xEF ? State.Mark1 : State.Between;
                    at += _state == State.Mark1 ? 1 : 0;
                    break;

                case State.Mark1:
                    _state = source[at] == 0xBB ? State.Mark2 : State.Line;
                    at += _state == State.Mark2 ? 1 : 0;
                    break;

                case State.Mark2 when source[at] == 0xBF:
                    _state = State.Between;
                    return new(UnitStatus.Filler, at + 1);

                case State.Mark2:
                    _state = State.Line;
                    break;

                case State.Between when source[at] is CR or LF:
                    EndLine(source, ref at);
                    return new(UnitStatus.Filler, at);

                case State.Between:
                    _state = source[at] == ':' ? State.Comment : State.Line;
                    break;

                case State.LineStart when source[at] is CR or LF:
                    EndLine(source, ref at);
                    _state = State.Between;
                    return new(UnitStatus.Message, at);

                case State.LineStart:
                    _state = State.Line;
                    break;

                default:
                    var end = source[at..].IndexOfAny(CR, LF);
                    if (end < 0)
                    {
                        return new(UnitStatus.NeedMore, source.Length);
                    }

                    at += end;
                    EndLine(source, ref at);
                    if (_state == State.Comment)
                    {
                        _state = State.Between;
                        return new(UnitStatus.Filler, at);
                    }

                    _state = State.LineStart;
                    break;
            }
        }

        return new(UnitStatus.NeedMore, at);
    }

    private void EndLine(ReadOnlySpan<byte> source, ref int at)
    {
        if (source[at++] == CR)
        {
            if (at == source.Length)
            {
                _mayBeLineFeed = true;
            }
            else if (source[at] == LF)
            {
                at++;
            }
        }
    }
}
