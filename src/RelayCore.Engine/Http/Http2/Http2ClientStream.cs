using RelayCore.Core.Messages;
using RelayCore.Engine.Http.Exchanges;
using RelayCore.Engine.Transport;
using RelayCore.Protocols.Fields;
using RelayCore.Protocols.Http2;

namespace RelayCore.Engine.Http.Http2;

/// <summary>A stream that a client opened. One object per exchange: whoever comes late with it meets no other stream.</summary>
internal sealed class Http2ClientStream(Http2Stream stream) : ClientStream
{
    private readonly int _id = stream.Id;
    private StreamTransport? _transport;
    private int _released;

    public override int StreamId => _id;

    public override bool IsBodyRead => stream.IsInputRead;

    public override FieldSection Trailers => stream.Trailers;

    public Http2Stream Stream => stream;

    public override Action<StreamResetException>? OnReset
    {
        get => stream.OnReset;
        set => stream.Observe(value);
    }

    public override bool EndsBehind(int octets) => stream.EndsBehind(octets);

    public override void StopBody() => Reset(Http2ErrorCode.NoError);

    public override ValueTask<ReadOnlyMemory<byte>> ReadBodyAsync() => stream.ReadBodyAsync();

    public override void AdvanceBody(int octets) => stream.AdvanceBody(octets);

    public override ValueTask SendBodyAsync(ReadOnlyMemory<byte> octets, bool isLast) => stream.SendBodyAsync(octets, isLast);

    public override ValueTask EndEarlyAsync(bool isCut) => stream.SendBodyAsync(default, isLast: true);

    public override ValueTask SendTrailersAsync(FieldSection trailers)
    {
        stream.Endpoint.SendTrailers(stream, trailers);
        return default;
    }

    public override ValueTask SendInterimAsync(ResponseHead head)
    {
        stream.Endpoint.SendHead(stream, head, isLast: false);
        return default;
    }

    public override ValueTask SendHeadAsync(ResponseHead head, long bodyLength, bool isLast)
    {
        BodyLengths.Say(head.Fields, bodyLength);
        stream.Endpoint.SendHead(stream, head, isLast);
        return default;
    }

    public override void Reset(Http2ErrorCode code) =>
        stream.Fail(_id, new(code, stream.Endpoint.Peer, "the exchange was given up"), isOurs: true, reset: code);

    public override DuplexTransport AsTransport()
    {
        stream.IsTunnel = true;
        return _transport ??= new StreamTransport(stream);
    }

    /// <summary>The exchange is over: what is left of the stream is reset.</summary>
    public void Release()
    {
        if (Interlocked.Exchange(ref _released, 1) == 0)
        {
            if (_transport is not null)
            {
                _transport.Close();
            }
            else
            {
                // A request body nobody wants any more: RFC 9113 §8.1 asks for NO_ERROR behind a complete response.
                stream.Endpoint.Release(stream, stream.IsOutputEnded ? Http2ErrorCode.NoError : Http2ErrorCode.Cancel);
            }
        }
    }
}

/// <summary>Content-Length as it goes out, in agreement with the body (RFC 9113 §8.1.1).</summary>
internal static class BodyLengths
{
    /// <summary>Corrects or removes a length that the body no longer has. A body of 0 leaves it: HEAD and 304 have lengths of bodies they do not carry.</summary>
    public static void Say(FieldSection fields, long bodyLength)
    {
        if (bodyLength == 0)
        {
            return;
        }

        for (var i = fields.Count - 1; i >= 0; i--)
        {
            if (fields.Known(i) == KnownField.ContentLength
                && (bodyLength < 0 || !System.Buffers.Text.Utf8Parser.TryParse(fields.Value(i), out long length, out _) || length != bodyLength))
            {
                fields.RemoveUnlogged(i);
            }
        }
    }
}
