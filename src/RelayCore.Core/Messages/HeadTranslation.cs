using System.Text;
using RelayCore.Protocols.Fields;
using RelayCore.Protocols.Http1;
using RelayCore.Protocols.Http2;

namespace RelayCore.Core.Messages;

/// <summary>Writes heads, as the interceptors left them, in the version of the next connection, whichever version they came in.</summary>
public static class HeadTranslation
{
    /// <summary>Room for <see cref="WriteHttp2Request"/>, in octets.</summary>
    public static int Http2Bound(this RequestHead request)
    {
        ArgumentNullException.ThrowIfNull(request);
        return Http2HeadWriter.Bound(Parts(request), request.Fields);
    }

    /// <summary>Writes a request as a header block: pseudo-fields in the client's order, :authority from what the client named or an edited Host.</summary>
    /// <param name="writer">Writer of the connection.</param>
    /// <param name="destination">At least <see cref="Http2Bound"/>.</param>
    /// <param name="request">The request.</param>
    /// <param name="hopByHop">Of the request; default for one that came by HTTP/2.</param>
    /// <returns>Octets written.</returns>
    public static int WriteHttp2Request(this Http2HeadWriter writer, Span<byte> destination, RequestHead request, in HopByHop hopByHop)
    {
        ArgumentNullException.ThrowIfNull(writer);
        ArgumentNullException.ThrowIfNull(request);
        return writer.WriteRequest(destination, Parts(request), request.Fields, hopByHop);
    }

    /// <summary>Writes a response as a header block.</summary>
    /// <param name="writer">Writer of the connection.</param>
    /// <param name="destination">At least <see cref="Http2HeadWriter.Bound(FieldSection)"/>.</param>
    /// <param name="response">The response.</param>
    /// <param name="hopByHop">Of the response; default for one that came by HTTP/2.</param>
    /// <returns>Octets written.</returns>
    public static int WriteHttp2Response(this Http2HeadWriter writer, Span<byte> destination, ResponseHead response, in HopByHop hopByHop)
    {
        ArgumentNullException.ThrowIfNull(writer);
        ArgumentNullException.ThrowIfNull(response);
        return writer.WriteResponse(destination, response.Status, response.Fields, hopByHop);
    }

    /// <summary>Room for <see cref="WriteHttp1Response"/>, in octets.</summary>
    public static int Http1Bound(this ResponseHead response)
    {
        ArgumentNullException.ThrowIfNull(response);
        return response.Fields.WrittenBound + Http1HeadWriter.Overhead + Math.Max(response.ReasonOctets.Length, 64);
    }

    /// <summary>Writes a response for an HTTP/1 client; one without reason phrase, as HTTP/2 has them, gets the registered one.</summary>
    /// <param name="response">The response.</param>
    /// <param name="destination">At least <see cref="Http1Bound(ResponseHead)"/>.</param>
    /// <param name="hopByHop">Of the response; default for one that came by HTTP/2.</param>
    /// <param name="options">What to say about the connection.</param>
    /// <param name="isChunked">Whether the body follows chunked.</param>
    /// <param name="minorVersion">0 or 1.</param>
    /// <returns>Octets written.</returns>
    public static int WriteHttp1Response(
        this ResponseHead response, Span<byte> destination, in HopByHop hopByHop, ConnectionOptions options, bool isChunked, int minorVersion)
    {
        ArgumentNullException.ThrowIfNull(response);
        Span<byte> registered = stackalloc byte[64];
        scoped var reason = response.ReasonOctets;
        if (reason.IsEmpty && response.MajorVersion == 2)
        {
            reason = registered[..Encoding.ASCII.GetBytes(ReasonPhrases.Get(response.Status), registered)];
        }

        var at = Http1HeadWriter.WriteStatusLine(destination, response.Status, reason, minorVersion);
        at += Http1HeadWriter.WriteFields(destination[at..], response.Fields, hopByHop, options);
        if (isChunked && response.Fields.IndexOf(KnownField.TransferEncoding) < 0)
        {
            at -= 2; // in front of the empty line
            at += Http1HeadWriter.WriteLine(destination[at..], "Transfer-Encoding"u8, "chunked"u8);
            "\r\n"u8.CopyTo(destination[at..]);
            at += 2;
        }

        return at;
    }

    private static Http2RequestParts Parts(RequestHead request)
    {
        var host = request.Fields.IndexOf(KnownField.Host);
        return new()
        {
            Method = request.MethodOctets,
            IsSecure = request.Origin.IsSecure,
            Authority = Authority(request),
            Path = request.PathOctets,
            Protocol = request.ProtocolOctets,
            Order = request.PseudoOrder,
            KeepsHost = request.HasAuthority && host >= 0 && request.Fields.IsUntouched(host),
        };
    }

    // What the client named stands, unless an interceptor wrote another Host. A redirect alone changes only where the request is sent.
    private static ReadOnlySpan<byte> Authority(RequestHead request)
    {
        if (request.TargetForm == RequestTargetForm.Authority)
        {
            return request.PathOctets;
        }

        var host = request.Fields.IndexOf(KnownField.Host);
        var value = host < 0 ? default : request.Fields.Value(host);
        return request.HasAuthority && (host < 0 || request.Fields.IsUntouched(host)) ? request.AuthorityOctets
            : value.IsEmpty ? Encoding.ASCII.GetBytes(request.Origin.Authority)
            : value;
    }
}
