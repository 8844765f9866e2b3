using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using RelayCore.Core.Faults;
using RelayCore.Core.Messages;
using RelayCore.Engine.Http.Impairments;
using RelayCore.Protocols;
using RelayCore.Protocols.Fields;
using RelayCore.Protocols.Http1;
using RelayCore.Protocols.Http2;

namespace RelayCore.Engine.Http.Exchanges;

internal sealed partial class Http1ServerStream
{
    private const int KeyOctets = 24; // base64 of 16 octets (RFC 6455 §4.1)

    private readonly byte[] _key = new byte[KeyOctets];
    private readonly Http1Output _output = new();
    private ReadOnlyMemory<byte> _method;
    private bool _isBound;
    private Switch _switch;

    /// <summary>What a 101 would mean.</summary>
    private enum Switch : byte
    {
        /// <summary>Nothing: it was not asked for.</summary>
        None,

        /// <summary>The upgrade the client asked for in its own words.</summary>
        Upgrade,

        /// <summary>A WebSocket asked for by extended CONNECT (RFC 8441), for which the key is ours.</summary>
        WebSocket,
    }

    /// <inheritdoc/>
    public override ValueTask SendHeadAsync(RequestHead head, long bodyLength, bool isLast)
    {
        WriteHead(head, bodyLength, isLast);
        _isBound = ConnectionBinding.IsIn(head.Fields, "Authorization"u8);
        return isLast ? _output.EndAsync() : default;
    }

    /// <inheritdoc/>
    public override ValueTask FlushAsync() => _output.FlushAsync();

    /// <inheritdoc/>
    public override ValueTask SendBodyAsync(ReadOnlyMemory<byte> octets, bool isLast) => _output.SendBodyAsync(octets, isLast);

    /// <inheritdoc/>
    public override ValueTask EndEarlyAsync(bool isCut) => _output.EndEarlyAsync(isCut);

    /// <inheritdoc/>
    public override void Impair(ImpairedOutput impaired) => _output.Impaired = impaired;

    /// <inheritdoc/>
    public override ValueTask SendTrailersAsync(FieldSection trailers) => _output.SendTrailersAsync(trailers);

    private void OpenOutput()
    {
        (_method, _isBound, _switch) = (default, false, Switch.None);
        _output.Begin(channel.Transport, channel.Facts);
    }

    private void WriteHead(RequestHead head, long bodyLength, bool isLast)
    {
        var isWebSocket = Http2Heads.IsWebSocket(head);
        var hop = Http2Heads.HopByHopOf(head);
        var authority = Http2Heads.Authority(head);
        var absolute = channel.IsToProxy && head.TargetForm != RequestTargetForm.Authority;
        var path = head.PathOctets;
        var output = _output.Room(head.Fields.WrittenBound + head.MethodOctets.Length + path.Length + (2 * authority.Length)
            + (channel.ProxyAuthorization?.Length ?? 0) + Http1HeadWriter.Overhead + 512 + (isLast ? 0 : 2048));
        ReadOnlySpan<byte> method = isWebSocket ? "GET"u8 : head.MethodOctets;
        _method = KnownMethod(method);

        // The parent proxy wants the absolute form (RFC 9112 §3.2.2); OPTIONS * has an empty path there (§3.2.4).
        byte[]? target = absolute ? [.. "http://"u8, .. Encoding.ASCII.GetBytes(head.Origin.Authority), .. path is [(byte)'*'] ? default : path] : null;
        var at = Http1HeadWriter.WriteRequestLine(output, method, target is null ? path : target, minorVersion: 1);
        if (channel.ProxyAuthorization is { } authorization)
        {
            at += Http1HeadWriter.WriteLine(output[at..], "Proxy-Authorization"u8, authorization);
        }

        if (head.Fields.IndexOf(KnownField.Host) < 0)
        {
            at += Http1HeadWriter.WriteLine(output[at..], "Host"u8, authority);
        }

        at += WriteFields(output[at..], head, hop, bodyLength, isWebSocket);
        _switch = isWebSocket ? Switch.WebSocket : hop.Upgrade && head.Fields.IndexOf(KnownField.Upgrade) >= 0 ? Switch.Upgrade : Switch.None;
        at += WriteConnection(output[at..], head, isWebSocket);
        "\r\n"u8.CopyTo(output[at..]);
        _output.Wrote(at + 2);
    }

    private int WriteFields(Span<byte> output, RequestHead head, in HopByHop hop, long bodyLength, bool isWebSocket)
    {
        var fields = head.Fields;
        var at = 0;
        var (hasCookie, hasLength) = (false, false);
        for (var i = 0; i < fields.Count; i++)
        {
            var known = fields.Known(i);
            if (known == KnownField.TransferEncoding || hop.Covers(fields, i) || (known == KnownField.ContentLength && (bodyLength < 0 || hasLength)))
            {
                continue;
            }

            hasLength |= known == KnownField.ContentLength;
            if (known == KnownField.Cookie)
            {
                // HTTP/2 may send a cookie-pair a line; HTTP/1 knows one line only (RFC 9113 §8.2.3).
                at += hasCookie ? 0 : Http2Heads.WriteCookies(output[at..], fields, i);
                hasCookie = true;
                continue;
            }

            at += Http1HeadWriter.WriteLine(output[at..], fields.Name(i), fields.Value(i));
        }

        var isChunked = bodyLength < 0 && !isWebSocket && !head.MethodOctets.SequenceEqual("CONNECT"u8);
        _output.Frame(isChunked, Math.Max(0, bodyLength));
        if (isChunked)
        {
            at += Http1HeadWriter.WriteLine(output[at..], "Transfer-Encoding"u8, "chunked"u8);
        }
        else if (!hasLength && (bodyLength > 0 || (bodyLength == 0 && MeansContent(head.MethodOctets))))
        {
            // RFC 9110 §8.6: HTTP/1 servers wait for a body, or refuse with 411, where HTTP/2 needs no length.
            Span<byte> digits = stackalloc byte[20];
            Utf8Formatter.TryFormat(bodyLength, digits, out var length);
            at += Http1HeadWriter.WriteLine(output[at..], "Content-Length"u8, digits[..length]);
        }

        return at;
    }

    private int WriteConnection(Span<byte> output, RequestHead head, bool isWebSocket)
    {
        var at = 0;
        if (isWebSocket)
        {
            Span<byte> random = stackalloc byte[16];
            RandomNumberGenerator.Fill(random);
            Base64.EncodeToUtf8(random, _key, out _, out _);
            at += Http1HeadWriter.WriteLine(output, "Upgrade"u8, "websocket"u8);
            at += Http1HeadWriter.WriteLine(output[at..], "Connection"u8, "Upgrade"u8);
            return at + Http1HeadWriter.WriteLine(output[at..], "Sec-WebSocket-Key"u8, _key);
        }

        for (var i = 0; _switch == Switch.Upgrade && i < head.Fields.Count; i++)
        {
            at += head.Fields.Known(i) == KnownField.Upgrade ? Http1HeadWriter.WriteLine(output[at..], "Upgrade"u8, head.Fields.Value(i)) : 0;
        }

        var acceptsTrailers = Http2HeadWriter.AcceptsTrailers(head.Fields);
        at += acceptsTrailers ? Http1HeadWriter.WriteLine(output[at..], "TE"u8, "trailers"u8) : 0;
        return (_switch == Switch.Upgrade, acceptsTrailers) switch
        {
            (true, true) => at + Http1HeadWriter.WriteLine(output[at..], "Connection"u8, "Upgrade, TE"u8),
            (true, false) => at + Http1HeadWriter.WriteLine(output[at..], "Connection"u8, "Upgrade"u8),
            (false, true) => at + Http1HeadWriter.WriteLine(output[at..], "Connection"u8, "TE"u8),
            _ => at,
        };
    }

    /// <summary>A 101 must have been asked for, and one to a WebSocket must prove that it was understood (RFC 6455 §4.1).</summary>
    private void CheckSwitch()
    {
        if (_switch == Switch.None)
        {
            throw new MessageFaultException(new(
                "RC-HTTP-314", FaultStage.Response, FaultKind.Protocol, PeerRole.Server, "101 without Upgrade in the request"));
        }

        if (_switch == Switch.WebSocket && !Http2Heads.IsAccepted(_head.Fields, _key))
        {
            throw new MessageFaultException(new(
                "RC-HTTP-318", FaultStage.Response, FaultKind.Protocol, PeerRole.Server, "101 without the Sec-WebSocket-Accept that belongs to the key"));
        }
    }

    // Kept beyond the head it came in, and most often one of these.
    private static ReadOnlyMemory<byte> KnownMethod(ReadOnlySpan<byte> method) =>
        method.SequenceEqual(s_get) ? s_get : method.SequenceEqual(s_head) ? s_head : method.SequenceEqual(s_connect) ? s_connect : s_other;

    private static bool MeansContent(ReadOnlySpan<byte> method) => method.SequenceEqual("POST"u8) || method.SequenceEqual("PUT"u8) || method.SequenceEqual("PATCH"u8);

    private static readonly byte[] s_get = "GET"u8.ToArray();
    private static readonly byte[] s_head = "HEAD"u8.ToArray();
    private static readonly byte[] s_connect = "CONNECT"u8.ToArray();
    private static readonly byte[] s_other = "POST"u8.ToArray(); // every other method frames its response alike (RFC 9112 §6.3)
}
