using System.Net;
using RelayCore.Core.Messages;
using RelayCore.Engine.Transport;
using RelayCore.Protocols.Fields;
using RelayCore.Protocols.Http1;

namespace RelayCore.Engine.Http.Http2;

/// <summary>
/// A CONNECT stream for a session that speaks HTTP/1: gives it the CONNECT request, and turns the head it answers with into the head of the
/// stream. Behind that it is the tunnel. So tunnels work alike whichever way they were asked for.
/// </summary>
internal sealed class ConnectTransport(DuplexTransport tunnel, Http2ClientStream stream, byte[] request) : DuplexTransport
{
    private readonly ResponseHead _head = new();
    private ReadOnlyMemory<byte> _request = request;
    private bool _isAnswered;

    public override EndPoint? LocalEndPoint => tunnel.LocalEndPoint;

    public override EndPoint? RemoteEndPoint => tunnel.RemoteEndPoint;

    public override bool HasInput => !_request.IsEmpty || tunnel.HasInput;

    public override bool IsReset => tunnel.IsReset;

    public override ValueTask<int> ReceiveAsync(Memory<byte> buffer)
    {
        if (_request.IsEmpty)
        {
            return tunnel.ReceiveAsync(buffer);
        }

        var length = Math.Min(buffer.Length, _request.Length);
        _request[..length].CopyTo(buffer);
        _request = _request[length..];
        return new(length);
    }

    public override ValueTask SendAsync(ReadOnlyMemory<byte> octets)
    {
        if (_isAnswered)
        {
            return tunnel.SendAsync(octets);
        }

        // The session sends a head whole, with what of its body is there.
        _isAnswered = true;
        var scanned = 0;
        var length = Http1HeadReader.FindEnd(octets.Span, ref scanned, Http1Limits.Default, Http1Repairs.None, out _);
        var fields = new FieldSection();
        var error = Http1HeadReader.ReadResponse(octets.Span[..length], Http1Limits.Default, Http1Repairs.None, fields, out var line, out _);
        if (error.IsError)
        {
            throw new InvalidOperationException("A session answered CONNECT with something that is no head.");
        }

        // As one of our own, so that what is meant for this connection (Proxy-Authenticate) is not left out as another's.
        _head.Load(line.Status, null, 1);
        for (var i = 0; i < fields.Count; i++)
        {
            _head.Fields.AddUnlogged(fields.Name(i), fields.Value(i));
        }

        var body = octets[length..];
        if (line.Status is >= 200 and < 300)
        {
            return stream.SendHeadAsync(_head, -1, isLast: false);
        }

        return RefuseAsync(body);
    }

    private async ValueTask RefuseAsync(ReadOnlyMemory<byte> body)
    {
        await stream.SendHeadAsync(_head, body.Length, isLast: body.IsEmpty).ConfigureAwait(false);
        if (!body.IsEmpty)
        {
            await stream.SendBodyAsync(body, isLast: true).ConfigureAwait(false);
        }
    }

    public override ValueTask CompleteOutputAsync() => tunnel.CompleteOutputAsync();

    public override void Close() => tunnel.Close();

    public override void Reset() => tunnel.Reset();
}
