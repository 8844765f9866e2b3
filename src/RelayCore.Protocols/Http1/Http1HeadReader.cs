using RelayCore.Protocols.Fields;

namespace RelayCore.Protocols.Http1;

/// <summary>Start line of a request: ranges within the head that was read.</summary>
/// <param name="MethodLength">Octets of the method, from offset 0.</param>
/// <param name="TargetStart">Offset of the request target.</param>
/// <param name="TargetLength">Octets of the request target.</param>
/// <param name="MinorVersion">0 or 1.</param>
public readonly record struct Http1RequestLine(int MethodLength, int TargetStart, int TargetLength, int MinorVersion);

/// <summary>Start line of a response.</summary>
/// <param name="Status">100 to 999.</param>
/// <param name="ReasonStart">Offset of the reason phrase within the head that was read.</param>
/// <param name="ReasonLength">Octets of the reason phrase; may be 0.</param>
/// <param name="MinorVersion">0 or 1.</param>
public readonly record struct Http1StatusLine(int Status, int ReasonStart, int ReasonLength, int MinorVersion);

/// <summary>
/// Reads the head of an HTTP/1 message. <see cref="FindEnd"/> is called as octets arrive; a complete head then goes to
/// <see cref="ReadRequest"/> or <see cref="ReadResponse"/> in one piece. Keeps nothing between calls.
/// </summary>
/// <remarks>
/// <code>
/// HTTP-message = start-line CRLF *( field-line CRLF ) CRLF [ message-body ]     ; RFC 9112 §2.1
/// field-line   = field-name ":" OWS field-value OWS                             ; RFC 9112 §5
/// </code>
/// </remarks>
public static class Http1HeadReader
{
    private const byte CR = (byte)'\r';
    private const byte LF = (byte)'\n';

    /// <summary>Looks for the empty line that ends a head.</summary>
    /// <param name="source">Everything received since the message began (empty lines before it already skipped).</param>
    /// <param name="scanned">Octets already searched; start with 0, pass the value back with more octets behind.</param>
    /// <param name="limits">Bounds.</param>
    /// <param name="allowed">Whether <see cref="Http1Repairs.BareLineFeed"/> is accepted.</param>
    /// <param name="error">The rule broken, when the result is negative.</param>
    /// <returns>Octets of the head with its empty line; 0 when more are needed; -1 when a rule is broken.</returns>
    public static int FindEnd(ReadOnlySpan<byte> source, ref int scanned, Http1Limits limits, Http1Repairs allowed, out Http1Error error)
    {
        error = default;
        var lineStart = scanned;
        while (true)
        {
            var found = source[lineStart..].IndexOf(LF);
            var lineEnd = found < 0 ? source.Length : lineStart + found;
            error = CheckBounds(lineStart, lineEnd, hasLineFeed: found >= 0, limits);
            if (error.IsError)
            {
                return -1;
            }

            if (found < 0)
            {
                scanned = lineStart;
                return 0;
            }

            var endsInCrLf = found > 0 && source[lineEnd - 1] == CR;
            if (!endsInCrLf && (allowed & Http1Repairs.BareLineFeed) == 0)
            {
                error = new(Http1Fault.BareLineFeed, lineEnd);
                return -1;
            }

            if (found == (endsInCrLf ? 1 : 0) && lineStart > 0)
            {
                return lineEnd + 1;
            }

            lineStart = lineEnd + 1;
        }
    }

    // The octet that comes first decides, so that the answer does not depend on how the octets were cut into segments.
    private static Http1Error CheckBounds(int lineStart, int lineEnd, bool hasLineFeed, Http1Limits limits)
    {
        var headTooLarge = lineEnd + (hasLineFeed ? 1 : 0) > limits.MaxHeadOctets;
        return lineEnd - lineStart > limits.MaxLineOctets && (!headTooLarge || lineStart + limits.MaxLineOctets <= limits.MaxHeadOctets)
            ? new(Http1Fault.LineTooLong, lineStart)
            : headTooLarge ? new(Http1Fault.HeadTooLarge, limits.MaxHeadOctets)
            : default;
    }

    /// <summary>Reads a complete request head into <paramref name="fields"/>.</summary>
    /// <param name="head">The octets up to and including the empty line.</param>
    /// <param name="limits">Bounds.</param>
    /// <param name="allowed">What may be repaired; the default for requests is nothing.</param>
    /// <param name="fields">Receives a copy of the octets and the lines.</param>
    /// <param name="line">Start line, as ranges of <paramref name="head"/>.</param>
    /// <param name="repairs">What was repaired.</param>
    /// <returns>The rule broken, if any; then the message cannot be forwarded.</returns>
    public static Http1Error ReadRequest(
        ReadOnlySpan<byte> head, Http1Limits limits, Http1Repairs allowed, FieldSection fields, out Http1RequestLine line, out Http1Repairs repairs)
    {
        repairs = Http1Repairs.None;
        line = default;
        fields.Load(head);
        var (end, next) = LineEnd(head, 0, allowed, ref repairs, out var error);
        error = error.IsError ? error : ReadRequestLine(head[..end], allowed, ref repairs, out line);
        return error.IsError ? error : ReadFields(head, next, limits, allowed, fields, ref repairs);
    }

    /// <summary>Reads a complete response head into <paramref name="fields"/>.</summary>
    /// <inheritdoc cref="ReadRequest"/>
    public static Http1Error ReadResponse(
        ReadOnlySpan<byte> head, Http1Limits limits, Http1Repairs allowed, FieldSection fields, out Http1StatusLine line, out Http1Repairs repairs)
    {
        repairs = Http1Repairs.None;
        line = default;
        fields.Load(head);
        var (end, next) = LineEnd(head, 0, allowed, ref repairs, out var error);
        error = error.IsError ? error : ReadStatusLine(head[..end], allowed, ref repairs, out line);
        return error.IsError ? error : ReadFields(head, next, limits, allowed, fields, ref repairs);
    }

    /// <summary>Reads a complete trailer section (RFC 9112 §7.1.2): field lines and the empty line that ends them.</summary>
    /// <inheritdoc cref="ReadRequest"/>
    public static Http1Error ReadTrailers(
        ReadOnlySpan<byte> section, Http1Limits limits, Http1Repairs allowed, FieldSection fields, out Http1Repairs repairs)
    {
        repairs = Http1Repairs.None;
        fields.Load(section);
        return ReadFields(section, 0, limits, allowed, fields, ref repairs);
    }

    private static (int End, int Next) LineEnd(
        ReadOnlySpan<byte> head, int start, Http1Repairs allowed, ref Http1Repairs repairs, out Http1Error error)
    {
        error = default;
        var found = head[start..].IndexOf(LF);
        if (found < 0)
        {
            throw new ArgumentException("The head does not end in an empty line.", nameof(head));
        }

        var lineFeed = start + found;
        if (found > 0 && head[lineFeed - 1] == CR)
        {
            return (lineFeed - 1, lineFeed + 1);
        }

        // FindEnd has refused it already, but it may have been called with other repairs.
        error = (allowed & Http1Repairs.BareLineFeed) == 0 ? new(Http1Fault.BareLineFeed, lineFeed) : default;
        repairs |= Http1Repairs.BareLineFeed;
        return (lineFeed, lineFeed + 1);
    }

    private static Http1Error ReadRequestLine(ReadOnlySpan<byte> text, Http1Repairs allowed, ref Http1Repairs repairs, out Http1RequestLine line)
    {
        line = default;
        var methodLength = FieldSyntax.IndexOfNonToken(text);
        if (methodLength <= 0 || text[methodLength] != ' ')
        {
            return new(methodLength < 0 ? Http1Fault.MalformedRequestLine : Http1Fault.InvalidMethod, Math.Max(methodLength, 0));
        }

        var (targetStart, end) = (methodLength + 1, text.Length);
        if ((allowed & Http1Repairs.RequestLineSpace) != 0)
        {
            while (targetStart < end && text[targetStart] == ' ')
            {
                (targetStart, repairs) = (targetStart + 1, repairs | Http1Repairs.RequestLineSpace);
            }

            while (end > targetStart && text[end - 1] == ' ')
            {
                (end, repairs) = (end - 1, repairs | Http1Repairs.RequestLineSpace);
            }
        }

        var space = text[targetStart..end].IndexOf((byte)' ');
        if (space <= 0)
        {
            // "GET /path" alone is HTTP/0.9, which nobody may speak any more (RFC 9110 §2.5).
            return new(Http1Fault.MalformedRequestLine, targetStart);
        }

        var versionStart = targetStart + space + 1;
        while ((allowed & Http1Repairs.RequestLineSpace) != 0 && versionStart < end && text[versionStart] == ' ')
        {
            (versionStart, repairs) = (versionStart + 1, repairs | Http1Repairs.RequestLineSpace);
        }

        var target = text.Slice(targetStart, space);
        var invalid = FieldSyntax.IndexOfInvalidValueOctet(target);
        if (invalid < 0)
        {
            invalid = target.IndexOf((byte)'\t');
        }

        if (invalid >= 0)
        {
            return new(Http1Fault.InvalidTarget, targetStart + invalid);
        }

        var version = text[versionStart..end];
        var minor = ReadMinorVersion(version);
        if (minor < 0)
        {
            var isHttp = version.Length == 8 && version.StartsWith("HTTP/"u8) && char.IsAsciiDigit((char)version[5]) && version[6] == '.'
                && char.IsAsciiDigit((char)version[7]);
            return new(isHttp ? Http1Fault.UnsupportedVersion : Http1Fault.MalformedRequestLine, versionStart);
        }

        line = new(methodLength, targetStart, space, minor);
        return default;
    }

    private static Http1Error ReadStatusLine(ReadOnlySpan<byte> text, Http1Repairs allowed, ref Http1Repairs repairs, out Http1StatusLine line)
    {
        line = default;
        if (text.Length < 12 || text[8] != ' ')
        {
            return new(Http1Fault.MalformedStatusLine, 0);
        }

        var minor = ReadMinorVersion(text[..8]);
        if (minor < 0)
        {
            // HTTP/1.2 and later minor versions are read as the highest we know (RFC 9110 §2.5).
            if (!text.StartsWith("HTTP/1."u8) || !char.IsAsciiDigit((char)text[7]))
            {
                return new(text.StartsWith("HTTP/"u8) ? Http1Fault.UnsupportedVersion : Http1Fault.MalformedStatusLine, 0);
            }

            minor = 1;
        }

        var (a, b, c) = (text[9] - '0', text[10] - '0', text[11] - '0');
        if (a is < 1 or > 9 || b is < 0 or > 9 || c is < 0 or > 9)
        {
            return new(Http1Fault.MalformedStatusLine, 9);
        }

        if (text.Length == 12)
        {
            if ((allowed & Http1Repairs.ReasonPhrase) == 0)
            {
                return new(Http1Fault.MalformedStatusLine, 12);
            }

            repairs |= Http1Repairs.ReasonPhrase;
            line = new((a * 100) + (b * 10) + c, 12, 0, minor);
            return default;
        }

        if (text[12] != ' ')
        {
            return new(Http1Fault.MalformedStatusLine, 12);
        }

        var reason = text[13..];
        var invalid = FieldSyntax.IndexOfInvalidValueOctet(reason);
        var fatal = invalid < 0 || (allowed & Http1Repairs.ControlOctets) == 0 ? invalid : reason.IndexOfAny((byte)0, CR);
        if (fatal >= 0)
        {
            return new(Http1Fault.MalformedStatusLine, 13 + fatal);
        }

        repairs |= invalid >= 0 ? Http1Repairs.ControlOctets : Http1Repairs.None;
        line = new((a * 100) + (b * 10) + c, 13, reason.Length, minor);
        return default;
    }

    private static int ReadMinorVersion(ReadOnlySpan<byte> version) =>
        version.SequenceEqual("HTTP/1.1"u8) ? 1 : version.SequenceEqual("HTTP/1.0"u8) ? 0 : -1;

    private static Http1Error ReadFields(
        ReadOnlySpan<byte> head, int start, Http1Limits limits, Http1Repairs allowed, FieldSection fields, ref Http1Repairs repairs)
    {
        var before = -1; // Fields before the line above; a folded line continues that line, or goes with it when it was dropped.
        for (var next = start; next < head.Length;)
        {
            start = next;
            (var end, next) = LineEnd(head, start, allowed, ref repairs, out var error);
            var line = head[start..end];
            if (line.IsEmpty || error.IsError)
            {
                return error;
            }

            if (line[0] is (byte)' ' or (byte)'\t')
            {
                error = before < 0 ? new(Http1Fault.SpaceAfterStartLine, start)
                    : Unfold(line, start, before == fields.Count, allowed, fields, ref repairs);
            }
            else if (fields.Count == limits.MaxFields)
            {
                error = new(Http1Fault.TooManyFields, start);
            }
            else
            {
                before = fields.Count;
                var lineLength = next - start;
                error = ReadField(line, start, lineLength, asReceived: lineLength == line.Length + 2, allowed, fields, ref repairs);
            }

            if (error.IsError)
            {
                return error;
            }
        }

        return default;
    }

    private static Http1Error ReadField(
        ReadOnlySpan<byte> line, int start, int lineLength, bool asReceived, Http1Repairs allowed, FieldSection fields, ref Http1Repairs repairs)
    {
        var colon = FieldSyntax.IndexOfNonToken(line);
        var nameLength = colon;
        if (colon <= 0 || line[colon] != ':')
        {
            var malformed = RepairName(line, start, colon, allowed, ref repairs, out colon, out nameLength);
            if (malformed.IsError || nameLength == 0)
            {
                return malformed;
            }

            asReceived &= line[nameLength] == ':';
        }

        var valueStart = colon + 1;
        var valueEnd = line.Length;
        while (valueStart < valueEnd && line[valueStart] is (byte)' ' or (byte)'\t')
        {
            valueStart++;
        }

        while (valueEnd > valueStart && line[valueEnd - 1] is (byte)' ' or (byte)'\t')
        {
            valueEnd--;
        }

        var value = line[valueStart..valueEnd];
        var invalid = FieldSyntax.IndexOfInvalidValueOctet(value);
        fields.AddReceivedLine(start, asReceived ? lineLength : 0, nameLength, start + valueStart, value.Length);
        if (invalid < 0)
        {
            return default;
        }

        var repaired = value;
        var error = RepairValue(ref repaired, start + valueStart, allowed, ref repairs);
        if (!error.IsError && repaired != value)
        {
            fields.RepairValue(fields.Count - 1, repaired);
        }

        return error;
    }

    private static Http1Error RepairName(
        ReadOnlySpan<byte> line, int start, int firstNonToken, Http1Repairs allowed, ref Http1Repairs repairs, out int colon, out int nameLength)
    {
        nameLength = 0;
        colon = line.IndexOf((byte)':');
        if (colon < 0)
        {
            repairs |= Http1Repairs.LineWithoutColon;
            return (allowed & Http1Repairs.LineWithoutColon) == 0 ? new(Http1Fault.InvalidFieldName, start + Math.Max(firstNonToken, 0))
                : CheckDropped(line, start, allowed, ref repairs);
        }

        var name = FieldSyntax.TrimWhiteSpace(line[..colon]);
        if (name.Length < colon && FieldSyntax.IsToken(name))
        {
            repairs |= Http1Repairs.SpaceBeforeColon;
            nameLength = name.Length;
            return (allowed & Http1Repairs.SpaceBeforeColon) != 0 ? default : new(Http1Fault.SpaceBeforeColon, start + firstNonToken);
        }

        // A name such as "X-Foo[bar]" cannot be mistaken for framing; control octets, an empty name and framing in disguise can.
        repairs |= Http1Repairs.FieldName;
        nameLength = colon;
        return (allowed & Http1Repairs.FieldName) != 0 && colon > 0 && name.Length == colon
            && FieldSyntax.IndexOfInvalidValueOctet(name) < 0 && !name.Contains((byte)'\t') && !ResemblesFraming(name)
            ? default
            : new(Http1Fault.InvalidFieldName, start + Math.Max(firstNonToken, 0));
    }

    // What a reader that strips what it does not like (white space of Latin-1, say) would take for a field that decides framing.
    private static bool ResemblesFraming(ReadOnlySpan<byte> name)
    {
        const int longest = 17; // "Transfer-Encoding"
        Span<byte> token = stackalloc byte[longest];
        var length = 0;
        foreach (var octet in name)
        {
            if (FieldSyntax.IsToken([octet]))
            {
                if (length == longest)
                {
                    return false;
                }

                token[length++] = octet;
            }
        }

        return KnownFields.Identify(token[..length]) is KnownField.TransferEncoding or KnownField.ContentLength;
    }

    private static Http1Error CheckDropped(ReadOnlySpan<byte> line, int start, Http1Repairs allowed, ref Http1Repairs repairs)
    {
        var nul = line.IndexOf((byte)0);
        var carriageReturn = line.IndexOf(CR);
        repairs |= carriageReturn >= 0 ? Http1Repairs.BareCarriageReturn : Http1Repairs.None;
        return nul >= 0 ? new(Http1Fault.InvalidFieldValue, start + nul)
            : carriageReturn >= 0 && (allowed & Http1Repairs.BareCarriageReturn) == 0 ? new(Http1Fault.BareCarriageReturn, start + carriageReturn)
            : default;
    }

    // Allocates only when CR has to be replaced.
    private static Http1Error RepairValue(ref ReadOnlySpan<byte> value, int offset, Http1Repairs allowed, ref Http1Repairs repairs)
    {
        var nul = value.IndexOf((byte)0);
        if (nul >= 0)
        {
            return new(Http1Fault.InvalidFieldValue, offset + nul);
        }

        var carriageReturn = value.IndexOf(CR);
        if (carriageReturn >= 0)
        {
            if ((allowed & Http1Repairs.BareCarriageReturn) == 0)
            {
                return new(Http1Fault.BareCarriageReturn, offset + carriageReturn);
            }

            repairs |= Http1Repairs.BareCarriageReturn;
            var repaired = value.ToArray();
            repaired.AsSpan().Replace(CR, (byte)' ');
            value = repaired;
        }

        var invalid = FieldSyntax.IndexOfInvalidValueOctet(value);
        value = FieldSyntax.TrimWhiteSpace(value);
        if (invalid >= 0)
        {
            repairs |= Http1Repairs.ControlOctets;
            return (allowed & Http1Repairs.ControlOctets) != 0 ? default : new(Http1Fault.InvalidFieldValue, offset + invalid);
        }

        return default;
    }

    private static Http1Error Unfold(
        ReadOnlySpan<byte> line, int start, bool dropped, Http1Repairs allowed, FieldSection fields, ref Http1Repairs repairs)
    {
        if ((allowed & Http1Repairs.ObsoleteFolding) == 0)
        {
            return new(Http1Fault.ObsoleteFolding, start);
        }

        repairs |= Http1Repairs.ObsoleteFolding;
        if (dropped)
        {
            return CheckDropped(line, start, allowed, ref repairs);
        }

        var more = FieldSyntax.TrimWhiteSpace(line);
        var error = RepairValue(ref more, start + line.IndexOf(more), allowed, ref repairs);
        if (!error.IsError)
        {
            // RFC 9112 §5.2 wants each fold replaced by SP; joining the pieces by one SP is the shortest such form.
            fields.ExtendValue(fields.Count - 1, more);
        }

        return error;
    }
}
