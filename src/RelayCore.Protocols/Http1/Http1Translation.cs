using RelayCore.Protocols.Fields;

namespace RelayCore.Protocols.Http1;

/// <summary>Writes the fields of HTTP/2 messages as HTTP/1.1 has them (RFC 9113 §8.2.3, §8.3.1); of HTTP/1 messages as they are.</summary>
public static class Http1Translation
{
    /// <summary>Room for <see cref="WriteFields"/>, in octets.</summary>
    public static int Bound(FieldSection fields, int authorityLength) => fields.WrittenBound + authorityLength + Http1HeadWriter.Overhead;

    /// <summary>
    /// Writes the field lines that go on, the connection options, and the empty line: Host first when there is none, several Cookie lines joined
    /// into the first.
    /// </summary>
    /// <param name="destination">At least <see cref="Bound"/>.</param>
    /// <param name="fields">The lines.</param>
    /// <param name="hopByHop">Which of them stay here.</param>
    /// <param name="options">What to say about the next connection.</param>
    /// <param name="authority">Value of the Host to add when the lines have none; empty for none.</param>
    /// <param name="isChunked">Whether the body follows chunked, which is added when the lines do not say so.</param>
    /// <returns>Octets written.</returns>
    public static int WriteFields(
        Span<byte> destination, FieldSection fields, in HopByHop hopByHop, ConnectionOptions options, ReadOnlySpan<byte> authority, bool isChunked)
    {
        var at = authority.IsEmpty || fields.IndexOf(KnownField.Host) >= 0 ? 0 : Http1HeadWriter.WriteLine(destination, "Host"u8, authority);
        var firstCookie = -1;
        for (var i = 0; i < fields.Count; i++)
        {
            var known = fields.Known(i);
            var isUpgrade = known == KnownField.Upgrade && (options & ConnectionOptions.Upgrade) != 0;
            if ((hopByHop.Covers(fields, i) && !isUpgrade) || (known == KnownField.Cookie && firstCookie >= 0))
            {
                continue;
            }

            if (known == KnownField.Cookie)
            {
                firstCookie = i;
                at += WriteCookies(destination[at..], fields, i, hopByHop);
            }
            else if (fields.IsUntouched(i))
            {
                var line = fields.ReceivedLine(i);
                line.CopyTo(destination[at..]);
                at += line.Length;
            }
            else
            {
                at += Http1HeadWriter.WriteLine(destination[at..], fields.Name(i), fields.Value(i));
            }
        }

        if (isChunked && fields.IndexOf(KnownField.TransferEncoding) < 0)
        {
            at += Http1HeadWriter.WriteLine(destination[at..], "Transfer-Encoding"u8, "chunked"u8);
        }

        at += options == ConnectionOptions.None ? 0 : Http1HeadWriter.WriteOptions(destination[at..], options);
        "\r\n"u8.CopyTo(destination[at..]);
        return at + 2;
    }

    /// <summary>Writes one Cookie line of all that are there (RFC 9113 §8.2.3).</summary>
    private static int WriteCookies(Span<byte> destination, FieldSection fields, int first, in HopByHop hopByHop)
    {
        var next = fields.IndexOf(KnownField.Cookie, first + 1);
        if (next < 0 && fields.IsUntouched(first))
        {
            fields.ReceivedLine(first).CopyTo(destination);
            return fields.ReceivedLine(first).Length;
        }

        // Without its CRLF, in whose place the others come.
        var at = Http1HeadWriter.WriteLine(destination, fields.Name(first), fields.Value(first)) - 2;
        for (; next >= 0; next = fields.IndexOf(KnownField.Cookie, next + 1))
        {
            if (hopByHop.Covers(fields, next))
            {
                continue;
            }

            "; "u8.CopyTo(destination[at..]);
            fields.Value(next).CopyTo(destination[(at + 2)..]);
            at += fields.Value(next).Length + 2;
        }

        "\r\n"u8.CopyTo(destination[at..]);
        return at + 2;
    }
}
