using RelayCore.Core.Connections;
using RelayCore.Engine.Http.Impairments;
using RelayCore.Engine.Memory;
using RelayCore.Engine.Transport;
using RelayCore.Protocols.Fields;
using RelayCore.Protocols.Http1;

namespace RelayCore.Engine.Http.Exchanges;

/// <summary>
/// What one HTTP/1 message is sent with: a head that waits for the first piece of its body, so that both leave in one send, and the framing of
/// the body. Holds a buffer only within an exchange. One sender at a time.
/// </summary>
internal sealed class Http1Output : IImpairedSink
{
    private const int CopiedOctets = 16 * 1024;
    private const int FramingOctets = 32;

    private DuplexTransport _transport = null!;
    private ConnectionFacts _facts = null!;
    private byte[]? _buffer;
    private int _held;
    private bool _isChunked;
    private long _unsent;
    private bool _isComplete;
    private bool _isHeadGone;

    /// <summary>What happens on purpose to the head and to chunk framing; <see langword="null"/> for nothing.</summary>
    public ImpairedOutput? Impaired { get; set; }

    /// <summary>Whether the body can show its end though octets are missing.</summary>
    public bool EndsItself => _isChunked && Impaired is not { OmitsLastChunk: true };

    /// <summary>Whether the message is complete, and the receiver can tell.</summary>
    public bool IsComplete => _isComplete && Impaired is not { BreaksFraming: true };

    /// <summary>Begins a message.</summary>
    public void Begin(DuplexTransport transport, ConnectionFacts facts)
    {
        (_transport, _facts, _held, _isChunked, _unsent, _isComplete) = (transport, facts, 0, false, -1, false);
        (Impaired, _isHeadGone) = (null, false);
    }


    /// <summary>Room behind what waits; <see cref="Wrote"/> says how much of it was used.</summary>
    public Span<byte> Room(int octets)
    {
        if (_buffer is null || _buffer.Length - _held < octets)
        {
            var larger = BufferPool.Rent(_held + octets);
            if (_buffer is not null)
            {
                _buffer.AsSpan(0, _held).CopyTo(larger);
                BufferPool.Return(_buffer);
            }

            _buffer = larger;
        }

        return _buffer.AsSpan(_held);
    }

    /// <summary>Takes over octets written to <see cref="Room"/>.</summary>
    public void Wrote(int octets) => _held += octets;

    /// <summary>Says how the body is framed.</summary>
    /// <param name="isChunked">In chunks.</param>
    /// <param name="length">Otherwise its octets, or -1 when closing the connection ends it.</param>
    public void Frame(bool isChunked, long length) => (_isChunked, _unsent) = (isChunked, isChunked ? -1 : length);

    /// <summary>Says that nothing follows the head.</summary>
    public ValueTask EndAsync()
    {
        _isComplete = true;
        return FlushAsync();
    }

    /// <summary>Sends what waits.</summary>
    public ValueTask FlushAsync()
    {
        if (_held == 0)
        {
            return default;
        }

        var octets = _buffer.AsMemory(0, _held);
        _held = 0;
        if (Impaired is { } impaired && !_isHeadGone)
        {
            _isHeadGone = true;
            return impaired.SendHeadAsync(octets, this);
        }

        return SendAsync(octets);
    }

    /// <summary>Ends the message though octets of it are missing.</summary>
    /// <param name="isCut">Whether it is to look cut off.</param>
    public async ValueTask EndEarlyAsync(bool isCut)
    {
        if (EndsItself && !isCut)
        {
            await SendBodyAsync(default, isLast: true).ConfigureAwait(false);
            return;
        }

        await FlushAsync().ConfigureAwait(false);
        await _transport.CompleteOutputAsync().ConfigureAwait(false);
    }

    ValueTask IImpairedSink.SendAsync(ReadOnlyMemory<byte> octets) => SendAsync(octets);

    /// <summary>Sends a piece of the body, with what waits in front of it.</summary>
    public ValueTask SendBodyAsync(ReadOnlyMemory<byte> octets, bool isLast)
    {
        if (_unsent >= 0)
        {
            // A body longer than its length would become the next message, a shorter one would swallow it.
            _unsent -= octets.Length;
            if (_unsent < 0 || (isLast && _unsent != 0))
            {
                throw new InvalidOperationException("The body is not as long as its head says.");
            }
        }

        _isComplete = isLast;
        if (_held == 0 && !_isChunked)
        {
            return octets.IsEmpty ? default : SendAsync(octets);
        }

        if (octets.Length > CopiedOctets)
        {
            return SendLargeAsync(octets, isLast);
        }

        var room = Room(octets.Length + FramingOctets);
        var at = _isChunked && octets.Length > 0 ? WriteSize(room, octets.Length) : 0;
        octets.Span.CopyTo(room[at..]);
        at += octets.Length;
        var end = !_isChunked ? default : octets.Length == 0 ? (isLast ? "0\r\n\r\n"u8 : default) : isLast ? "\r\n0\r\n\r\n"u8 : "\r\n"u8;
        end.CopyTo(room[at..]);
        Wrote(at + end.Length);
        return FlushAsync();
    }

    /// <summary>Ends the body by trailers. Only chunks have a place for them; elsewhere they are left out (RFC 9110 §6.5.1).</summary>
    public ValueTask SendTrailersAsync(FieldSection trailers)
    {
        _isComplete = _unsent <= 0;
        if (_isChunked && !EndsItself)
        {
            return EndEarlyAsync(isCut: true);
        }

        if (_isChunked)
        {
            var room = Room(trailers.WrittenBound + Http1HeadWriter.Overhead + FramingOctets);
            "0\r\n"u8.CopyTo(room);
            Wrote(3 + Http1HeadWriter.WriteFields(room[3..], trailers, default, ConnectionOptions.None));
        }

        return FlushAsync();
    }

    /// <summary>Gives the memory back.</summary>
    public void Release()
    {
        if (_buffer is not null)
        {
            BufferPool.Return(_buffer);
            _buffer = null;
        }

        _held = 0;
    }

    private int WriteSize(Span<byte> room, int length)
    {
        if (Impaired?.TakeBadChunkSize() == true)
        {
            "size?\r\n"u8.CopyTo(room);
            return 7;
        }

        return Http1HeadWriter.WriteChunkSize(room, length);
    }

    private ValueTask SendAsync(ReadOnlyMemory<byte> octets)
    {
        _facts.OctetsSent += octets.Length;
        return _transport.SendAsync(octets);
    }

    private async ValueTask SendLargeAsync(ReadOnlyMemory<byte> octets, bool isLast)
    {
        if (_isChunked)
        {
            Wrote(WriteSize(Room(FramingOctets), octets.Length));
        }

        await FlushAsync().ConfigureAwait(false);
        await SendAsync(octets).ConfigureAwait(false);
        if (_isChunked)
        {
            var end = isLast ? "\r\n0\r\n\r\n"u8 : "\r\n"u8;
            end.CopyTo(Room(FramingOctets));
            Wrote(end.Length);
            await FlushAsync().ConfigureAwait(false);
        }
    }
}
