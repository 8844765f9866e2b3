using System.Buffers;
using System.Buffers.Text;
using System.Text.Unicode;
using RelayCore.Core.Connections;
using RelayCore.Core.Messages;
using RelayCore.Protocols.Fields;
using RelayCore.Rules.Execution;

namespace RelayCore.Rules.Filters;

/// <summary>What is looked at in a running flow. Nothing here allocates. What is not there matches nothing.</summary>
internal static class Facts
{
    public static bool Url(RuleContext context, Matcher matcher) =>
        context.Exchange is { } exchange && matcher.Matches(context.Url(exchange.Request), context);

    /// <summary>The host asked for; within TLS to an address, the name the ClientHello gives.</summary>
    public static string? HostOf(RuleContext context) =>
        context.Exchange?.Request.Origin.Host
        ?? context.Connect?.Host
        ?? (context.Hello is not { } hello ? null : hello.Hello.ServerName is { } name && IsAddress(hello.Host) ? name : hello.Host);

    public static int? PortOf(RuleContext context) => context.Exchange?.Request.Origin.Port ?? context.Connect?.Port ?? context.Hello?.Port;

    public static bool Host(RuleContext context, Matcher matcher) => HostOf(context) is { } host && matcher.Matches(host.AsSpan(), context);

    /// <summary>The path without query.</summary>
    public static bool Path(RuleContext context, Matcher matcher)
    {
        if (context.Exchange is not { } exchange)
        {
            return false;
        }

        var path = exchange.Request.PathOctets;
        var query = path.IndexOf((byte)'?');
        return matcher.Matches(query < 0 ? path : path[..query], context);
    }

    public static bool Method(RuleContext context, Matcher matcher) => context.Exchange is { } exchange && matcher.Matches(exchange.Request.MethodOctets, context);

    public static bool Scheme(RuleContext context, Matcher matcher) =>
        context.Exchange is { } exchange && matcher.Matches(exchange.Request.Origin.Scheme.AsSpan(), context);

    /// <summary>Any parameter of the query of that name, percent-decoded.</summary>
    public static bool Query(RuleContext context, Named named)
    {
        if (context.Exchange is not { } exchange)
        {
            return false;
        }

        var path = exchange.Request.PathOctets;
        var at = path.IndexOf((byte)'?');
        var rest = at < 0 ? default : path[(at + 1)..];
        while (!rest.IsEmpty)
        {
            var end = rest.IndexOf((byte)'&');
            var pair = end < 0 ? rest : rest[..end];
            rest = end < 0 ? default : rest[(end + 1)..];
            var equals = pair.IndexOf((byte)'=');
            if (Decode(context, equals < 0 ? pair : pair[..equals]).SequenceEqual(named.Octets)
                && (named.Value?.Matches(Decode(context, equals < 0 ? default : pair[(equals + 1)..]), context) ?? !pair.IsEmpty))
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>Any field line of that name.</summary>
    public static bool Field(RuleContext context, FieldSection? fields, Named named)
    {
        for (var i = fields?.IndexOf(named.Octets) ?? -1; i >= 0; i = fields!.IndexOf(named.Octets, i + 1))
        {
            if (named.Value?.Matches(fields!.Value(i), context) ?? true)
            {
                return true;
            }
        }

        return false;
    }

    public static FieldSection? RequestFields(RuleContext context) => context.Exchange?.Request.Fields;

    public static FieldSection? ResponseFields(RuleContext context) => context.Exchange is { HasResponse: true } exchange ? exchange.Response.Fields : null;

    /// <summary>Any cookie of that name a request brings.</summary>
    public static bool Cookie(RuleContext context, Named named)
    {
        if (RequestFields(context) is not { } fields)
        {
            return false;
        }

        for (var i = fields.IndexOf(KnownField.Cookie); i >= 0; i = fields.IndexOf(KnownField.Cookie, i + 1))
        {
            var rest = fields.Value(i);
            while (!rest.IsEmpty)
            {
                var end = rest.IndexOf((byte)';');
                if (CookieMatches(context, end < 0 ? rest : rest[..end], named))
                {
                    return true;
                }

                rest = end < 0 ? default : rest[(end + 1)..];
            }
        }

        return false;
    }

    /// <summary>Any cookie of that name a response sets.</summary>
    public static bool SetCookie(RuleContext context, Named named)
    {
        var fields = ResponseFields(context);
        for (var i = fields?.IndexOf("set-cookie"u8) ?? -1; i >= 0; i = fields!.IndexOf("set-cookie"u8, i + 1))
        {
            var value = fields!.Value(i);
            var end = value.IndexOf((byte)';');
            if (CookieMatches(context, end < 0 ? value : value[..end], named))
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>The media type of a message, without parameters.</summary>
    public static bool MediaType(RuleContext context, FieldSection? fields, Matcher matcher)
    {
        var index = fields?.IndexOf(KnownField.ContentType) ?? -1;
        return index >= 0 && matcher.Matches(MediaType(fields!.Value(index)), context);
    }

    public static ReadOnlySpan<byte> MediaType(ReadOnlySpan<byte> contentType)
    {
        var end = contentType.IndexOf((byte)';');
        return (end < 0 ? contentType : contentType[..end]).Trim(" \t"u8);
    }

    /// <summary>
    /// Content as text; of octets that are no UTF-8 also their base64, which the reference compares (rules §2).
    /// </summary>
    public static bool Content(RuleContext context, ReadOnlyMemory<byte>? content, Matcher matcher)
    {
        if (content is not { } octets)
        {
            return false;
        }

        if (matcher.Matches(octets.Span, context))
        {
            return true;
        }

        if (Utf8.IsValid(octets.Span))
        {
            return false;
        }

        var rented = ArrayPool<byte>.Shared.Rent(Base64.GetMaxEncodedToUtf8Length(octets.Length));
        try
        {
            Base64.EncodeToUtf8(octets.Span, rented, out _, out var written);
            return matcher.Matches(rented.AsSpan(0, written), context);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(rented);
        }
    }

    /// <summary>TLS with the client: the ClientHello while that is all there is.</summary>
    public static TlsFacts? ClientTls(RuleContext context) => context.Hello?.Hello ?? context.Flow.Client.Tls;

    public static bool Any(IReadOnlyList<string> texts, RuleContext context, Matcher matcher)
    {
        for (var i = 0; i < texts.Count; i++)
        {
            if (matcher.Matches(texts[i].AsSpan(), context))
            {
                return true;
            }
        }

        return false;
    }

    public static bool Text(string? text, RuleContext context, Matcher matcher) => text is not null && matcher.Matches(text.AsSpan(), context);

    public static string? Version(int major, int minor) => (major, minor) switch
    {
        (1, 0) => "HTTP/1.0",
        (1, _) => "HTTP/1.1",
        (2, _) => "HTTP/2",
        (3, _) => "HTTP/3",
        _ => null,
    };

    public static string? Version(RequestHead? head) => head is null ? null : Version(head.MajorVersion, head.MinorVersion);

    /// <summary>Whether a host is an address, without parsing it: IPv6 has colons, and no top-level domain ends in a digit.</summary>
    public static bool IsAddress(string host) => host.Contains(':', StringComparison.Ordinal) || (host.Length > 0 && char.IsAsciiDigit(host[^1]));

    private static bool CookieMatches(RuleContext context, ReadOnlySpan<byte> pair, Named named)
    {
        var equals = pair.IndexOf((byte)'=');
        var name = (equals < 0 ? pair : pair[..equals]).Trim(" \t"u8);
        return name.SequenceEqual(named.Octets)
            && (named.Value?.Matches((equals < 0 ? default : pair[(equals + 1)..]).Trim(" \t"u8), context) ?? true);
    }

    // The result lies in the scratch buffer of the context when something had to be decoded, until the next call.
    private static ReadOnlySpan<byte> Decode(RuleContext context, ReadOnlySpan<byte> text)
    {
        if (text.IndexOfAny((byte)'%', (byte)'+') < 0)
        {
            return text;
        }

        var result = context.Scratch(text.Length);
        var length = 0;
        for (var i = 0; i < text.Length; i++)
        {
            if (text[i] == '%' && i + 2 < text.Length && Hex(text[i + 1]) is >= 0 and var high && Hex(text[i + 2]) is >= 0 and var low)
            {
                result[length++] = (byte)((high << 4) | low);
                i += 2;
            }
            else
            {
                result[length++] = text[i] == '+' ? (byte)' ' : text[i];
            }
        }

        return result[..length];
    }

    private static int Hex(byte digit) => digit switch
    {
        >= (byte)'0' and <= (byte)'9' => digit - '0',
        >= (byte)'a' and <= (byte)'f' => digit - 'a' + 10,
        >= (byte)'A' and <= (byte)'F' => digit - 'A' + 10,
        _ => -1,
    };
}
