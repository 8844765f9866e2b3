using System.Text;
using RelayCore.Protocols.Fields;

namespace RelayCore.Protocols.Http1;

/// <summary>Decides the framing of a message from its head (RFC 9112 §6.3), refusing what two parsers could read in two ways.</summary>
public static class Http1Framing
{
    /// <summary>Framing of a request body.</summary>
    /// <param name="fields">Field lines; with <see cref="Http1Repairs.DuplicateContentLength"/> allowed, identical duplicates are removed.</param>
    /// <param name="minorVersion">0 or 1.</param>
    /// <param name="allowed">What may be repaired.</param>
    /// <param name="framing">The framing.</param>
    /// <param name="repairs">Repairs made are added.</param>
    public static Http1Fault OfRequest(
        FieldSection fields, int minorVersion, Http1Repairs allowed, out BodyFraming framing, ref Http1Repairs repairs)
    {
        framing = default;
        var fault = ReadLength(fields, allowed, out var length, ref repairs);
        if (fault != Http1Fault.None)
        {
            return fault;
        }

        var coding = fields.IndexOf(KnownField.TransferEncoding);
        if (coding < 0)
        {
            framing = length < 0 ? default : new(BodyFramingKind.Length, length);
            return Http1Fault.None;
        }

        fault = length >= 0 ? Http1Fault.LengthAndTransferEncoding
            : minorVersion == 0 ? Http1Fault.TransferEncodingInHttp10
            : ReadTransferEncoding(fields, coding, out var chunked) ? (chunked ? Http1Fault.None : Http1Fault.InvalidTransferEncoding)
            : Http1Fault.InvalidTransferEncoding;
        framing = new(BodyFramingKind.Chunked);
        return fault;
    }

    /// <summary>Framing of a response body.</summary>
    /// <param name="fields">Field lines; a Content-Length beside Transfer-Encoding is removed when that repair is allowed.</param>
    /// <param name="status">Status code.</param>
    /// <param name="minorVersion">0 or 1.</param>
    /// <param name="requestMethod">Method of the request: a response to HEAD has no body, nor has a 2xx to CONNECT.</param>
    /// <param name="allowed">What may be repaired.</param>
    /// <param name="framing">The framing.</param>
    /// <param name="repairs">Repairs made are added.</param>
    public static Http1Fault OfResponse(
        FieldSection fields, int status, int minorVersion, ReadOnlySpan<byte> requestMethod, Http1Repairs allowed,
        out BodyFraming framing, ref Http1Repairs repairs)
    {
        framing = default;
        if (status is (>= 100 and < 200) or 204 or 304 || requestMethod.SequenceEqual("HEAD"u8)
            || (status is >= 200 and < 300 && requestMethod.SequenceEqual("CONNECT"u8)))
        {
            return Http1Fault.None;
        }

        var coding = fields.IndexOf(KnownField.TransferEncoding);
        if (coding >= 0 && fields.IndexOf(KnownField.ContentLength) >= 0)
        {
            if ((allowed & Http1Repairs.LengthAndTransferEncoding) == 0)
            {
                return Http1Fault.LengthAndTransferEncoding;
            }

            repairs |= Http1Repairs.LengthAndTransferEncoding;
            for (var at = fields.IndexOf(KnownField.ContentLength); at >= 0; at = fields.IndexOf(KnownField.ContentLength, at))
            {
                fields.RemoveUnlogged(at);
            }

            coding = fields.IndexOf(KnownField.TransferEncoding);
        }

        if (coding >= 0)
        {
            if (minorVersion == 0)
            {
                if ((allowed & Http1Repairs.TransferEncodingInHttp10) == 0)
                {
                    return Http1Fault.TransferEncodingInHttp10;
                }

                repairs |= Http1Repairs.TransferEncodingInHttp10;
            }

            if (!ReadTransferEncoding(fields, coding, out var chunked))
            {
                return Http1Fault.InvalidTransferEncoding;
            }

            framing = new(chunked ? BodyFramingKind.Chunked : BodyFramingKind.UntilClose);
            return Http1Fault.None;
        }

        var fault = ReadLength(fields, allowed, out var length, ref repairs);
        framing = length < 0 ? new(BodyFramingKind.UntilClose) : new(BodyFramingKind.Length, length);
        return fault;
    }

    private static Http1Fault ReadLength(FieldSection fields, Http1Repairs allowed, out long length, ref Http1Repairs repairs)
    {
        length = -1;
        for (var i = fields.IndexOf(KnownField.ContentLength); i >= 0; i = fields.IndexOf(KnownField.ContentLength, i + 1))
        {
            var list = fields.Value(i);
            if (list.IsEmpty)
            {
                return Http1Fault.InvalidContentLength;
            }

            var isList = list.Contains((byte)',');
            var count = 0;
            while (FieldSyntax.TryTakeListMember(ref list, out var member))
            {
                count++;
                if (!ContentLength.TryRead(member, out var value))
                {
                    return Http1Fault.InvalidContentLength;
                }

                if (length >= 0 && (value != length || (allowed & Http1Repairs.DuplicateContentLength) == 0))
                {
                    return Http1Fault.DuplicateContentLength;
                }

                if (length >= 0)
                {
                    repairs |= Http1Repairs.DuplicateContentLength;
                }

                length = value;
            }

            if (isList)
            {
                if (count < 2)
                {
                    return Http1Fault.InvalidContentLength;
                }

                fields.RepairValue(i, Encoding.ASCII.GetBytes(length.ToString(System.Globalization.CultureInfo.InvariantCulture)));
            }
        }

        if ((repairs & Http1Repairs.DuplicateContentLength) != 0)
        {
            var first = fields.IndexOf(KnownField.ContentLength);
            for (var at = fields.IndexOf(KnownField.ContentLength, first + 1); at >= 0; at = fields.IndexOf(KnownField.ContentLength, at))
            {
                fields.RemoveUnlogged(at);
            }
        }

        return Http1Fault.None;
    }

    /// <summary>Accepts the codings of RFC 9112 §7, with chunked at most once and last.</summary>
    private static bool ReadTransferEncoding(FieldSection fields, int first, out bool chunked)
    {
        chunked = false;
        for (var i = first; i >= 0; i = fields.IndexOf(KnownField.TransferEncoding, i + 1))
        {
            // Empty members, which lists may have elsewhere, are refused: nobody sends ", chunked" but to hide it from the next server.
            for (var list = fields.Value(i); ;)
            {
                var comma = list.IndexOf((byte)',');
                if (chunked || !IsTransferCoding(FieldSyntax.TrimWhiteSpace(comma < 0 ? list : list[..comma]), out chunked))
                {
                    return false;
                }

                if (comma < 0)
                {
                    break;
                }

                list = list[(comma + 1)..];
            }
        }

        return true;
    }

    private static bool IsTransferCoding(ReadOnlySpan<byte> coding, out bool chunked)
    {
        chunked = Ascii.EqualsIgnoreCase(coding, "chunked"u8);
        return chunked || Ascii.EqualsIgnoreCase(coding, "gzip"u8) || Ascii.EqualsIgnoreCase(coding, "x-gzip"u8)
            || Ascii.EqualsIgnoreCase(coding, "deflate"u8) || Ascii.EqualsIgnoreCase(coding, "compress"u8) || Ascii.EqualsIgnoreCase(coding, "x-compress"u8);
    }
}
