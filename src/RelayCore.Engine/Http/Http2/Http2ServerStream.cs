using RelayCore.Core.Connections;
using RelayCore.Core.Messages;
using RelayCore.Engine.Http.Exchanges;
using RelayCore.Engine.Transport;
using RelayCore.Protocols.Fields;
using RelayCore.Protocols.Http2;

namespace RelayCore.Engine.Http.Http2;

/// <summary>A stream that we open to a server, once its head is sent. One object per exchange: whoever comes late with it meets no other stream.</summary>
internal sealed class Http2ServerStream(Http2Connection connection) : ServerStream
{
    private readonly bool _isReused = connection.IsUsed;
    private Http2Stream? _stream;
    private StreamTransport? _transport;
    private int _id;
    private int _released;
    private long _resetCode = -1;
    private Action<StreamResetException>? _onReset;

    public override int StreamId => _id;

    public override bool IsBodyRead => _stream is { IsInputRead: true };

    public override FieldSection Trailers => Stream.Trailers;

    public override ServerConnection Facts => connection.ServerFacts;

    public override bool IsReused => _isReused;

    public override bool IsProxyBypassed => connection.IsProxyBypassed;

    public override long BodyLength => Stream.IsBodyless || (Stream.IsInputEnded && Stream.DataOctets == 0) ? 0 : Stream.ExpectedOctets;

    public override Action<StreamResetException>? OnReset
    {
        get => _onReset;
        set
        {
            _onReset = value;
            _stream?.Observe(value);
        }
    }

    public override bool EndsBehind(int octets) => Stream.EndsBehind(octets);

    private Http2Stream Stream => _stream ?? throw new InvalidOperationException("The head comes first.");

    public override ValueTask SendHeadAsync(RequestHead head, long bodyLength, bool isLast)
    {
        ThrowIfReset();
        BodyLengths.Say(head.Fields, bodyLength);
        (_stream, _id) = connection.OpenStream(head, isLast);
        Interlocked.MemoryBarrier(); // Reset looks at these behind the code it sets
        if (Volatile.Read(ref _resetCode) >= 0)
        {
            Reset((Http2ErrorCode)_resetCode);
            ThrowIfReset();
        }

        if (_onReset is not null)
        {
            _stream.Observe(_onReset);
        }

        return default;
    }

    // Given up before it was opened: whoever did it will not come again.
    private void ThrowIfReset()
    {
        if (Volatile.Read(ref _resetCode) >= 0)
        {
            throw new IOException("the exchange was given up");
        }
    }

    public override void Prioritize(ReadOnlySpan<byte> value)
    {
        if (_id != 0)
        {
            connection.Prioritize(_id, value);
        }
    }

    public override ValueTask<ResponseHead> ReadHeadAsync() => Stream.ReadHeadAsync();

    public override ValueTask<ReadOnlyMemory<byte>> ReadBodyAsync() => Stream.ReadBodyAsync();

    public override void AdvanceBody(int octets) => Stream.AdvanceBody(octets);

    public override ValueTask SendBodyAsync(ReadOnlyMemory<byte> octets, bool isLast) => Stream.SendBodyAsync(octets, isLast);

    public override ValueTask EndEarlyAsync(bool isCut) => Stream.SendBodyAsync(default, isLast: true);

    public override ValueTask SendTrailersAsync(FieldSection trailers)
    {
        connection.SendTrailers(Stream, trailers);
        return default;
    }

    public override void Reset(Http2ErrorCode code)
    {
        Interlocked.CompareExchange(ref _resetCode, (long)code, -1);
        if (_stream is { } stream && _id != 0)
        {
            stream.Fail(_id, new(code, Protocols.PeerRole.Server, "the exchange was given up"), isOurs: true, reset: code);
        }
    }

    public override DuplexTransport AsTransport()
    {
        Stream.IsTunnel = true;
        return _transport ??= new StreamTransport(Stream);
    }

    public override void Release()
    {
        if (Interlocked.Exchange(ref _released, 1) != 0)
        {
            return;
        }

        if (_transport is not null)
        {
            _transport.Close();
        }
        else if (_stream is { } stream)
        {
            connection.Release(stream, Http2ErrorCode.Cancel);
        }
        else
        {
            connection.GiveBackReservation();
        }
    }
}
