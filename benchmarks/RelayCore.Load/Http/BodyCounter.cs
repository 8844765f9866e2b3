namespace RelayCore.Load.Http;

/// <summary>Follows one body's framing and counts its octets without keeping them. A mutable struct: one field, never copied.</summary>
/// <remarks>RFC 9112 §6.3 and §7.1: chunk = size-line data CRLF; the last chunk (size 0) is followed by a trailer section.</remarks>
internal struct BodyCounter
{
    private State _state;
    private long _remaining;
    private int _lineOctets;

    private enum State
    {
        /// <summary>Content-Length or the data of one chunk; <c>_remaining</c> octets to go.</summary>
        Data,

        /// <summary>Digits of a chunk size; <c>_remaining</c> is the value so far.</summary>
        Size,

        /// <summary>The rest of a size line: extension, CR.</summary>
        SizeLineRest,

        /// <summary>CR LF after the data of a chunk.</summary>
        DataEnd,

        /// <summary>A line of the trailer section; an empty one ends the body.</summary>
        Trailer,

        /// <summary>Until the connection closes.</summary>
        UntilClose,

        /// <summary>Everything was counted.</summary>
        Complete,

        /// <summary>The framing broke.</summary>
        Broken,
    }

    private bool _isChunked;

    /// <summary>Octets of content seen so far, framing excluded.</summary>
    public long ContentOctets { get; private set; }

    public readonly bool IsComplete => _state == State.Complete;

    public readonly bool IsBroken => _state == State.Broken;

    public readonly bool EndsWithConnection => _state == State.UntilClose;

    /// <param name="head">The head before the body.</param>
    /// <param name="isRequest">A request without framing has no body; a response without it lasts until the connection closes.</param>
    public static BodyCounter For(in MessageHead head, bool isRequest) => head switch
    {
        { IsChunked: true } => new() { _state = State.Size, _isChunked = true },
        { ContentLength: > 0 } => new() { _state = State.Data, _remaining = head.ContentLength },
        { ContentLength: 0 } or { Status: 204 or 304 } => new() { _state = State.Complete },
        _ => new() { _state = isRequest ? State.Complete : State.UntilClose },
    };

    /// <returns>How many of the octets belong to the body; fewer than given only at its end or when it is broken.</returns>
    public int Consume(ReadOnlySpan<byte> source)
    {
        var position = 0;
        while (position < source.Length && _state is not (State.Complete or State.Broken))
        {
            if (_state is State.Data or State.UntilClose)
            {
                var take = _state == State.UntilClose ? source.Length - position : (int)Math.Min(_remaining, source.Length - position);
                position += take;
                ContentOctets += take;
                _remaining -= take;
                if (_state == State.Data && _remaining == 0)
                {
                    (_state, _lineOctets) = (_isChunked ? State.DataEnd : State.Complete, 0);
                }
            }
            else
            {
                ConsumeFraming(source[position++]);
            }
        }

        return position;
    }

    private void ConsumeFraming(byte octet)
    {
        switch (_state)
        {
            case State.Size when char.IsAsciiHexDigit((char)octet) && _lineOctets < 15:
                _remaining = (_remaining << 4) + (octet <= '9' ? octet - '0' : (octet | 0x20) - 'a' + 10);
                _lineOctets++;
                break;
            case State.Size when _lineOctets > 0 && octet is (byte)'\r' or (byte)';' or (byte)' ':
                _state = State.SizeLineRest;
                break;
            case State.SizeLineRest:
                if (octet == '\n')
                {
                    (_state, _lineOctets) = (_remaining == 0 ? State.Trailer : State.Data, 0);
                }

                break;
            case State.DataEnd when octet == (_lineOctets == 0 ? '\r' : '\n'):
                if (_lineOctets++ == 1)
                {
                    (_state, _lineOctets, _remaining) = (State.Size, 0, 0);
                }

                break;
            case State.Trailer:
                if (octet != '\n')
                {
                    _lineOctets += octet == '\r' ? 0 : 1;
                }
                else
                {
                    (_state, _lineOctets) = (_lineOctets == 0 ? State.Complete : State.Trailer, 0);
                }

                break;
            default:
                _state = State.Broken;
                break;
        }
    }
}
