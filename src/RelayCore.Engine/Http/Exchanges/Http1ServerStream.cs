using System.Runtime.CompilerServices;
using RelayCore.Core.Connections;
using RelayCore.Core.Limits;
using RelayCore.Core.Messages;
using RelayCore.Engine.Transport;
using RelayCore.Engine.Upstream;
using RelayCore.Protocols;
using RelayCore.Protocols.Fields;
using RelayCore.Protocols.Http1;
using RelayCore.Protocols.Http2;

namespace RelayCore.Engine.Http.Exchanges;

/// <summary>
/// One exchange over an HTTP/1 connection to a server. Belongs to its <see cref="ServerChannel"/> and is used again for each of its exchanges.
/// This file receives; <c>.Output</c> sends.
/// </summary>
internal sealed partial class Http1ServerStream(EngineLimits limits, TimeProvider time, ServerChannel channel) : ServerStream
{
    private const int HeadOctets = 16 * 1024;
    private const int BodyOctets = 64 * 1024;

    private readonly ResponseHead _head = new();
    private readonly Http1BodyReader _body = new(PeerRole.Server);
    private PinnedChannels? _pins;
    private Http1Repairs _repairs;
    private bool _isFinal;
    private bool _keepsAlive;
    private bool _isDetached;
    private int _isReset;

    /// <inheritdoc/>
    public override int StreamId => 0;

    /// <inheritdoc/>
    public override ServerConnection Facts => channel.Facts;

    /// <inheritdoc/>
    public override bool IsReused => channel.IsReused;

    /// <inheritdoc/>
    public override bool IsProxyBypassed => channel.IsProxyBypassed;

    /// <inheritdoc/>
    public override Http1Repairs Repairs => _repairs;

    /// <inheritdoc/>
    public override long BodyLength => _body.Framing.KnownLength;

    /// <inheritdoc/>
    public override bool IsBodyRead => _isFinal && _body.IsRead;

    /// <inheritdoc/>
    public override FieldSection Trailers => _body.Trailers;

    /// <summary>Begins an exchange.</summary>
    public void Open(PinnedChannels? pins)
    {
        _pins = pins;
        (_isFinal, _keepsAlive, _isDetached, _isReset, _repairs) = (false, false, false, 0, Http1Repairs.None);
        OpenOutput();
    }

    /// <inheritdoc/>
    public override bool EndsBehind(int octets) => _isFinal && _body.EndsBehind(octets);

    /// <inheritdoc/>
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    public override async ValueTask<ResponseHead> ReadHeadAsync()
    {
        var scanned = 0;
        while (true)
        {
            var length = Http1HeadReader.FindEnd(channel.Input.Span, ref scanned, limits.Http1, Http1Repairs.Response, out var error);
            if (length != 0)
            {
                ReadHead(length, error);
                return _head;
            }

            var received = await channel.Transport.ReceiveAsync(channel.Input.Room(HeadOctets)).ConfigureAwait(false);
            channel.Input.Received(received);
            channel.Facts.OctetsReceived += received;
            if (received == 0)
            {
                throw new IOException(Diagnosis.OfMissingAnswer(channel.Input.Span));
            }
        }
    }

    /// <inheritdoc/>
    public override ValueTask<ReadOnlyMemory<byte>> ReadBodyAsync()
    {
        if (_body.Ready > 0 || _body.IsRead)
        {
            return new(channel.Input.Memory[.._body.Ready]);
        }

        var error = _body.Decode(ref channel.Input);
        return error.IsError ? throw new MessageFaultException(Http1Session.MalformedResponse(error, channel.Input.Span))
            : _body.Ready > 0 || _body.IsRead ? new(channel.Input.Memory[.._body.Ready])
            : ReceiveBodyAsync();
    }

    /// <inheritdoc/>
    public override void AdvanceBody(int octets) => _body.Advance(ref channel.Input, octets);

    /// <inheritdoc/>
    public override void Reset(Http2ErrorCode code)
    {
        Volatile.Write(ref _isReset, 1);
        channel.Transport.Reset();
    }

    /// <inheritdoc/>
    /// <remarks>What came behind the head is the other protocol's already.</remarks>
    public override DuplexTransport AsTransport()
    {
        _isDetached = true;
        var pending = channel.Input.Memory.ToArray();
        channel.Input.Release(discard: true);
        return pending.Length == 0 ? channel.Transport : new PrefixedTransport(channel.Transport, pending);
    }

    /// <inheritdoc/>
    public override void Release()
    {
        _output.Release();

        // Octets behind a response that has no body are most often a body after all: they must not become the next answer.
        channel.IsSuspect = _body.Framing.Kind == BodyFramingKind.None;
        if (!_isDetached && _isFinal && _keepsAlive && _body.IsRead && channel.Input.Length == 0 && _output.IsComplete && Volatile.Read(ref _isReset) == 0
            && !(channel.IsSuspect && channel.Transport.HasInput))
        {
            // Once authenticated it stays so: requests that follow need not show it.
            channel.IsBound |= _isBound || (_head.Status == 401 && ConnectionBinding.IsIn(_head.Fields, "WWW-Authenticate"u8));
            if (channel.IsBound && _pins is { } pins)
            {
                channel.Input.Release();
                pins.Put(channel);
            }
            else if (channel.IsBound)
            {
                channel.Pool.Discard(channel, reset: false);
            }
            else
            {
                channel.Pool.Return(channel, time.GetTimestamp());
            }
        }
        else
        {
            channel.Pool.Discard(channel, reset: Volatile.Read(ref _isReset) != 0);
        }
    }

    private void ReadHead(int length, Http1Error error)
    {
        if (length > 0)
        {
            error = Http1HeadReader.ReadResponse(channel.Input.Span[..length], limits.Http1, Http1Repairs.Response, _head.Fields, out var line, out _repairs);
            if (!error.IsError)
            {
                _head.Load(line);
                var problem = Http1Framing.OfResponse(
                    _head.Fields, line.Status, line.MinorVersion, _method.Span, Http1Repairs.Response, out var framing, ref _repairs);
                error = problem == Http1Fault.None ? default : new(problem, Http1Session.OffsetOf(problem, _head.Fields));
                channel.Input.Consume(problem == Http1Fault.None ? length : 0);
                _isFinal = line.Status is 101 or >= 200;
                if (_isFinal && problem == Http1Fault.None)
                {
                    var hop = HopByHop.Read(_head.Fields);
                    _keepsAlive = (line.MinorVersion == 1 ? !hop.Close : hop.KeepAlive) && framing.Kind != BodyFramingKind.UntilClose
                        && (_repairs & (Http1Repairs.LengthAndTransferEncoding | Http1Repairs.TransferEncodingInHttp10)) == 0;
                    _body.Begin(framing, limits, Http1Repairs.Response);
                }
            }
        }

        if (error.IsError)
        {
            throw new MessageFaultException(Http1Session.MalformedResponse(error, channel.Input.Span));
        }

        if (_head.Status == 101)
        {
            CheckSwitch();
        }
    }

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    private async ValueTask<ReadOnlyMemory<byte>> ReceiveBodyAsync()
    {
        while (true)
        {
            var received = await channel.Transport.ReceiveAsync(channel.Input.Room(BodyOctets)).ConfigureAwait(false);
            channel.Input.Received(received);
            channel.Facts.OctetsReceived += received;
            if (received == 0 && !_body.End())
            {
                throw new IOException("the server closed the connection within the response body");
            }

            var error = _body.Decode(ref channel.Input);
            if (error.IsError)
            {
                throw new MessageFaultException(Http1Session.MalformedResponse(error, channel.Input.Span));
            }

            if (_body.Ready > 0 || _body.IsRead)
            {
                return channel.Input.Memory[.._body.Ready];
            }
        }
    }
}
