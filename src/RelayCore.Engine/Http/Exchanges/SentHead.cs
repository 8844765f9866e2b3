using System.Text;
using RelayCore.Core.Messages;
using RelayCore.Protocols.Fields;
using RelayCore.Protocols.Http1;

namespace RelayCore.Engine.Http.Exchanges;

/// <summary>
/// Heads as text for the record, as they leave: without hop-by-hop fields, in the form of the version that carries them. HTTP/2 has no such
/// octets on the wire; its heads are shown in the same notation as received ones.
/// </summary>
internal static class SentHead
{
    /// <summary>A request head.</summary>
    /// <param name="head">As the interceptors left it.</param>
    /// <param name="streamId">Stream it leaves on; 0 for HTTP/1.</param>
    public static byte[] OfRequest(RequestHead head, int streamId)
    {
        var fields = head.Fields;
        var authority = Http2Heads.Authority(head);
        var output = new byte[fields.WrittenBound + head.MethodOctets.Length + head.PathOctets.Length + authority.Length + Http1HeadWriter.Overhead];
        var isHttp2 = streamId != 0;
        var at = Append(output, 0, head.MethodOctets);
        at = Append(output, at, " "u8);
        if (isHttp2 && head.PathOctets[0] == '/')
        {
            at = Append(output, at, head.Origin.IsSecure ? "https://"u8 : "http://"u8);
            at = Append(output, at, authority);
        }

        at = Append(output, at, head.PathOctets);
        at = Append(output, at, isHttp2 ? " HTTP/2.0\r\n"u8 : " HTTP/1.1\r\n"u8);
        if (!isHttp2 && fields.IndexOf(KnownField.Host) < 0)
        {
            at += Http1HeadWriter.WriteLine(output.AsSpan(at), "Host"u8, authority);
        }

        return output[..WriteFields(output, at, fields, isHttp2)];
    }

    /// <summary>A response head.</summary>
    /// <param name="head">As the interceptors left it.</param>
    /// <param name="streamId">Stream it leaves on; 0 for HTTP/1.</param>
    public static byte[] OfResponse(ResponseHead head, int streamId)
    {
        var isHttp2 = streamId != 0;
        var reason = isHttp2 ? default : head.ReasonOctets;
        var output = new byte[head.Fields.WrittenBound + reason.Length + Http1HeadWriter.Overhead];
        var at = Http1HeadWriter.WriteStatusLine(output, head.Status, reason, 1);
        if (isHttp2)
        {
            "HTTP/2.0"u8.CopyTo(output);
        }

        return output[..WriteFields(output, at, head.Fields, isHttp2)];
    }

    private static int WriteFields(byte[] output, int at, FieldSection fields, bool isHttp2)
    {
        var hop = HopByHop.Read(fields);
        for (var i = 0; i < fields.Count; i++)
        {
            if (hop.Covers(fields, i) || (isHttp2 && fields.Known(i) == KnownField.TransferEncoding))
            {
                continue;
            }

            var written = Http1HeadWriter.WriteLine(output.AsSpan(at), fields.Name(i), fields.Value(i));
            if (isHttp2)
            {
                Ascii.ToLowerInPlace(output.AsSpan(at, fields.Name(i).Length), out _);
            }

            at += written;
        }

        return Append(output, at, "\r\n"u8);
    }

    private static int Append(byte[] output, int at, ReadOnlySpan<byte> octets)
    {
        octets.CopyTo(output.AsSpan(at));
        return at + octets.Length;
    }
}
