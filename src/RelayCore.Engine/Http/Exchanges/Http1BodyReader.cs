using System.Runtime.InteropServices;
using RelayCore.Core.Limits;
using RelayCore.Engine.Transport;
using RelayCore.Protocols;
using RelayCore.Protocols.Fields;
using RelayCore.Protocols.Http1;

namespace RelayCore.Engine.Http.Exchanges;

/// <summary>
/// Takes the data of one HTTP/1 body out of the octets of its connection. Transfer coding is removed where the octets lie: chunks are moved
/// together at the front of the buffer, so that a burst of small ones becomes one piece.
/// </summary>
internal sealed class Http1BodyReader(PeerRole sender)
{
    private readonly BodyScanner _scanner = new(sender, recorder: null);
    private int _data; // octets of data at the front of the buffer
    private int _raw; // where octets begin that nobody looked at; what lies between is done with
    private Http1Error _error;

    /// <summary>Trailers, once the end was seen.</summary>
    public FieldSection Trailers => _scanner.Trailers;

    /// <summary>How the end is known.</summary>
    public BodyFraming Framing => _scanner.Framing;

    /// <summary>Whether the end was seen and nothing is left to read.</summary>
    public bool IsRead => _scanner.IsComplete && _data == 0;

    /// <summary>Octets of data ready at the front of the buffer.</summary>
    public int Ready => _data;

    /// <summary>Begins a body whose first octets are at the front of the buffer.</summary>
    public void Begin(BodyFraming framing, EngineLimits limits, Http1Repairs allowed)
    {
        _scanner.Begin(framing, limits, allowed);
        (_data, _raw, _error) = (0, 0, default);
    }

    /// <summary>Whether the body ends behind that many octets.</summary>
    public bool EndsBehind(int octets) => _scanner.IsComplete && _data == octets;

    /// <summary>Looks at what was received since the last call.</summary>
    /// <returns>The rule broken, once all data before it was read.</returns>
    public Http1Error Decode(ref ReceiveBuffer input)
    {
        while (!_scanner.IsComplete && !_error.IsError && _raw < input.Length)
        {
            var step = _scanner.Step(input.Span[_raw..]);
            if (step.Status == ChunkedStatus.Invalid)
            {
                _error = step.Error with { Offset = _raw + step.Error.Offset };
                break;
            }

            if (_scanner.RepairedTrailers is not null)
            {
                _scanner.TakeTrailers(); // the receiver frames them anew anyway
            }

            if (step.Status == ChunkedStatus.Data)
            {
                var from = _raw + step.Start;
                if (_data == 0)
                {
                    // The first piece stays where it is.
                    input.Consume(from);
                    _raw -= from;
                }
                else if (from != _data)
                {
                    var all = MemoryMarshal.AsMemory(input.Memory).Span;
                    all.Slice(from, step.Length).CopyTo(all[_data..]);
                }

                _data += step.Length;
            }

            _raw += step.Consumed;
            if (step.Status == ChunkedStatus.NeedMore)
            {
                break;
            }
        }

        if (_data == 0)
        {
            Drop(ref input);
        }

        return _data > 0 ? default : _error;
    }

    /// <summary>Drops data that was read.</summary>
    public void Advance(ref ReceiveBuffer input, int octets)
    {
        input.Consume(octets);
        (_data, _raw) = (_data - octets, _raw - octets);
        if (_data == 0)
        {
            Drop(ref input);
        }
    }

    /// <summary>The peer ended its side.</summary>
    /// <returns>Whether the body is complete by that.</returns>
    public bool End() => _scanner.End();

    private void Drop(ref ReceiveBuffer input)
    {
        input.Consume(_raw);
        _error = _error with { Offset = Math.Max(0, _error.Offset - _raw) };
        _raw = 0;
    }
}
