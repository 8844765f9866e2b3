using System.Runtime.CompilerServices;
using RelayCore.Core.Connections;
using RelayCore.Core.Faults;
using RelayCore.Core.Limits;
using RelayCore.Core.Messages;
using RelayCore.Engine.Http.Impairments;
using RelayCore.Engine.Transport;
using RelayCore.Protocols;
using RelayCore.Protocols.Fields;
using RelayCore.Protocols.Http1;
using RelayCore.Protocols.Http2;

namespace RelayCore.Engine.Http.Exchanges;

/// <summary>
/// One exchange of an HTTP/1 client whose server speaks HTTP/2. Borrows connection and input of an <see cref="Http1Session"/> for as long as the
/// exchange runs and tells it afterwards what the connection is good for. Reused by its session.
/// </summary>
internal sealed class Http1ClientStream(EngineLimits limits) : ClientStream
{
    private const int BodyOctets = 64 * 1024;

    /// <summary>Octets received and not consumed; the session's outside of an exchange. A field: it is a mutable struct.</summary>
    public ReceiveBuffer Input;

    private readonly Http1BodyReader _body = new(PeerRole.Client);
    private readonly Http1Output _output = new();
    private DuplexTransport _client = null!;
    private ClientConnection _facts = null!;
    private int _minorVersion;
    private bool _isHead;
    private bool _keepsAlive;
    private bool _isSized;
    private volatile bool _isStopped;
    private volatile bool _isReset;

    /// <inheritdoc/>
    public override int StreamId => 0;

    /// <inheritdoc/>
    public override bool IsBodyRead => _body.IsRead;

    /// <inheritdoc/>
    public override FieldSection Trailers => _body.Trailers;

    /// <summary>Whether the next request may follow: the response is complete, says nothing else, and the request was read to its end.</summary>
    public bool KeepsAlive => _keepsAlive && !_isStopped && !_isReset && _output.IsComplete && IsBodyRead;

    /// <summary>Whether the connection was reset or closed.</summary>
    public bool IsGone => _isReset;

    /// <summary>Begins an exchange.</summary>
    /// <param name="client">The connection.</param>
    /// <param name="facts">Its facts.</param>
    /// <param name="request">The head; its body begins <see cref="Input"/>.</param>
    /// <param name="framing">Framing of the body.</param>
    /// <param name="allowed">What may be repaired in it.</param>
    /// <param name="keepsAlive">Whether the client wants to go on with the connection.</param>
    public void Begin(DuplexTransport client, ClientConnection facts, RequestHead request, BodyFraming framing, Http1Repairs allowed, bool keepsAlive)
    {
        (_client, _facts, _minorVersion, _keepsAlive) = (client, facts, request.MinorVersion, keepsAlive);
        (_isHead, _isSized, _isStopped, _isReset) = (request.MethodOctets.SequenceEqual("HEAD"u8), false, false, false);
        _body.Begin(framing, limits, allowed);
        _output.Begin(client, facts);
    }

    /// <summary>Ends the exchange; nothing of it is pending any more.</summary>
    public void End() => _output.Release();

    /// <inheritdoc/>
    public override bool EndsBehind(int octets) => _body.EndsBehind(octets);

    /// <inheritdoc/>
    public override ValueTask<ReadOnlyMemory<byte>> ReadBodyAsync()
    {
        var error = _body.Decode(ref Input);
        return error.IsError ? throw new MessageFaultException(Http1Session.MalformedRequest(error, Input.Span))
            : _body.Ready > 0 || _body.IsRead ? new(Input.Memory[.._body.Ready])
            : ReceiveBodyAsync();
    }

    /// <inheritdoc/>
    public override void AdvanceBody(int octets) => _body.Advance(ref Input, octets);

    /// <inheritdoc/>
    /// <remarks>RFC 9110 §15.2: an HTTP/1.0 client knows no interim responses.</remarks>
    public override async ValueTask SendInterimAsync(ResponseHead head)
    {
        if (_minorVersion == 0)
        {
            return;
        }

        var room = _output.Room(head.Http1Bound());
        _output.Wrote(head.WriteHttp1Response(room, HopByHopOf(head), ConnectionOptions.None, isChunked: false, 1));
        await _output.FlushAsync().ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public override ValueTask SendHeadAsync(ResponseHead head, long bodyLength, bool isLast)
    {
        var hasNone = _isHead || head.Status is 204 or 304 or 101;
        var isChunked = !hasNone && bodyLength < 0 && _minorVersion == 1;
        _isSized = hasNone || bodyLength >= 0 || isChunked;

        // A connection whose request is not read to its end cannot carry another one, nor one whose end tells where the body ends.
        _keepsAlive &= _isSized && IsBodyRead;
        if (!hasNone)
        {
            Reframe(head.Fields, bodyLength);
        }

        var options = head.Status == 101 ? ConnectionOptions.Upgrade
            : !_keepsAlive ? (_minorVersion == 1 ? ConnectionOptions.Close : ConnectionOptions.None)
            : _minorVersion == 0 ? ConnectionOptions.KeepAlive : ConnectionOptions.None;
        var room = _output.Room(head.Http1Bound() + (isLast ? 0 : 2048));
        _output.Wrote(head.WriteHttp1Response(room, HopByHopOf(head), options, isChunked, _minorVersion));
        _output.Frame(isChunked, hasNone ? 0 : bodyLength);
        return isLast ? _output.EndAsync() : default;
    }

    /// <inheritdoc/>
    public override ValueTask FlushAsync() => _output.FlushAsync();

    /// <inheritdoc/>
    public override ValueTask SendBodyAsync(ReadOnlyMemory<byte> octets, bool isLast) => _output.SendBodyAsync(octets, isLast);

    /// <inheritdoc/>
    public override ValueTask EndEarlyAsync(bool isCut)
    {
        _isStopped |= !_output.EndsItself || isCut;
        return _output.EndEarlyAsync(isCut);
    }

    /// <inheritdoc/>
    public override void Impair(ImpairedOutput impaired) => _output.Impaired = impaired;

    /// <inheritdoc/>
    public override ValueTask SendTrailersAsync(FieldSection trailers) => _output.SendTrailersAsync(trailers);

    /// <inheritdoc/>
    /// <remarks>The session then reads what still comes for a short while (RFC 9112 §9.6).</remarks>
    public override void StopBody()
    {
        _isStopped = true;
        _ = CompleteAsync(_client);

        static async Task CompleteAsync(DuplexTransport client)
        {
            try
            {
                await client.CompleteOutputAsync().ConfigureAwait(false);
            }
            catch (Exception e) when (DuplexTransport.IsFailure(e))
            {
                // It is gone: that is an end, too.
            }
        }
    }

    /// <inheritdoc/>
    public override void Reset(Http2ErrorCode code)
    {
        _isReset = true;

        // Sized and chunked bodies show by themselves that they are incomplete; an unsized one only by a reset.
        if (code == Http2ErrorCode.NoError || (code != Http2ErrorCode.Cancel && _isSized))
        {
            _client.Close();
        }
        else
        {
            _client.Reset();
        }
    }

    /// <inheritdoc/>
    public override DuplexTransport AsTransport()
    {
        var pending = Input.Memory.ToArray();
        Input.Release(discard: true);
        _isStopped = true;
        return pending.Length == 0 ? _client : new PrefixedTransport(_client, pending);
    }

    private static HopByHop HopByHopOf(ResponseHead head) => head.MajorVersion == 2 ? default : HopByHop.Read(head.Fields);

    private static void Reframe(FieldSection fields, long length)
    {
        var isSaid = false;
        for (var i = fields.Count - 1; i >= 0; i--)
        {
            if (fields.Known(i) == KnownField.TransferEncoding || (fields.Known(i) == KnownField.ContentLength && length < 0))
            {
                fields.RemoveUnlogged(i);
            }
            else
            {
                isSaid |= fields.Known(i) == KnownField.ContentLength;
            }
        }

        if (!isSaid && length >= 0)
        {
            Span<byte> digits = stackalloc byte[20];
            length.TryFormat(digits, out var written, provider: System.Globalization.CultureInfo.InvariantCulture);
            fields.AddUnlogged("Content-Length"u8, digits[..written]);
        }
    }

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    private async ValueTask<ReadOnlyMemory<byte>> ReceiveBodyAsync()
    {
        while (true)
        {
            var received = await _client.ReceiveAsync(Input.Room(BodyOctets)).ConfigureAwait(false);
            if (received == 0)
            {
                throw new MessageFaultException(new(
                    "RC-HTTP-303", FaultStage.Request, FaultKind.Truncated, PeerRole.Client, "the client ended its side within the request body"));
            }

            Input.Received(received);
            var error = _body.Decode(ref Input);
            if (error.IsError)
            {
                throw new MessageFaultException(Http1Session.MalformedRequest(error, Input.Span));
            }

            if (_body.Ready > 0 || _body.IsRead)
            {
                return Input.Memory[.._body.Ready];
            }
        }
    }
}
