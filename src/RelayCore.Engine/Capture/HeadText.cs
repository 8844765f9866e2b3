using System.Text;
using RelayCore.Core.Flows;

namespace RelayCore.Engine.Capture;

/// <summary>Shows captured heads as text, Latin-1. Reads every head, broken ones too: what was refused is what people look at.</summary>
internal static class HeadText
{
    public const string Http2 = "HTTP/2";

    /// <summary>The start line without its end.</summary>
    public static ReadOnlySpan<byte> FirstLine(ReadOnlySpan<byte> head)
    {
        var end = head.IndexOf((byte)'\n');
        return (end < 0 ? head : head[..end]).TrimEnd((byte)'\r');
    }

    /// <summary>The version as shown: that of HTTP/2 has no minor number (RFC 9113 §8.8).</summary>
    public static string Version(ReadOnlySpan<byte> version) => version.SequenceEqual("HTTP/2.0"u8) ? Http2 : Encoding.Latin1.GetString(version);

    /// <summary>Field lines as pairs.</summary>
    /// <param name="head">A head, or a trailer section.</param>
    /// <param name="hasStartLine">Whether the first line is none.</param>
    public static List<string[]> Fields(ReadOnlySpan<byte> head, bool hasStartLine)
    {
        var fields = new List<string[]>();
        for (var first = hasStartLine; !head.IsEmpty; first = false)
        {
            var end = head.IndexOf((byte)'\n');
            var line = (end < 0 ? head : head[..end]).TrimEnd((byte)'\r');
            head = end < 0 ? [] : head[(end + 1)..];
            if (first || line.IsEmpty)
            {
                continue;
            }

            if (line[0] is (byte)' ' or (byte)'\t' && fields.Count > 0)
            {
                fields[^1][1] += " " + Encoding.Latin1.GetString(Trim(line));
                continue;
            }

            // A pseudo-field that was refused has its own colon in front.
            var colon = line[1..].IndexOf((byte)':') is >= 0 and var at ? at + 1 : line[0] == ':' ? 0 : -1;
            fields.Add(colon < 0
                ? [Encoding.Latin1.GetString(line), ""]
                : [Encoding.Latin1.GetString(line[..colon]), Encoding.Latin1.GetString(Trim(line[(colon + 1)..]))]);
        }

        return fields;
    }

    /// <summary>Octets of the value of the first line with this name; empty without.</summary>
    public static ReadOnlySpan<byte> Value(ReadOnlySpan<byte> head, ReadOnlySpan<byte> name)
    {
        while (true)
        {
            var next = head.IndexOf((byte)'\n');
            if (next < 0)
            {
                return [];
            }

            head = head[(next + 1)..];
            if (head.Length > name.Length && head[name.Length] == ':' && Ascii.EqualsIgnoreCase(head[..name.Length], name))
            {
                return Trim(FirstLine(head)[(name.Length + 1)..]);
            }
        }
    }

    /// <summary>All values of a field, joined as a list; <see langword="null"/> without.</summary>
    public static string? List(List<string[]> fields, string name)
    {
        string? list = null;
        foreach (var field in fields)
        {
            if (field[0].Equals(name, StringComparison.OrdinalIgnoreCase))
            {
                list = list is null ? field[1] : $"{list}, {field[1]}";
            }
        }

        return list;
    }

    /// <summary>Cookies of every Cookie line.</summary>
    public static List<FlowCookie> RequestCookies(List<string[]> fields)
    {
        var cookies = new List<FlowCookie>();
        foreach (var field in fields)
        {
            if (!field[0].Equals("cookie", StringComparison.OrdinalIgnoreCase))
            {
                continue;
            }

            foreach (var pair in field[1].Split(';', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries))
            {
                var (name, value) = Pair(pair);
                cookies.Add(new() { Name = name, Value = value });
            }
        }

        return cookies;
    }

    /// <summary>One cookie for each Set-Cookie line (RFC 6265 §5.2).</summary>
    public static List<FlowCookie> ResponseCookies(List<string[]> fields)
    {
        var cookies = new List<FlowCookie>();
        foreach (var field in fields)
        {
            if (!field[0].Equals("set-cookie", StringComparison.OrdinalIgnoreCase))
            {
                continue;
            }

            var parts = field[1].Split(';', StringSplitOptions.TrimEntries);
            var (name, value) = Pair(parts[0]);
            var (path, domain, expires, httpOnly, secure) = ((string?)null, (string?)null, (string?)null, false, false);
            foreach (var part in parts.AsSpan(1))
            {
                var (key, text) = Pair(part);
                (path, domain, expires) = key.ToUpperInvariant() switch
                {
                    "PATH" => (text, domain, expires),
                    "DOMAIN" => (path, text, expires),
                    "EXPIRES" => (path, domain, text),
                    _ => (path, domain, expires),
                };
                httpOnly |= key.Equals("httponly", StringComparison.OrdinalIgnoreCase);
                secure |= key.Equals("secure", StringComparison.OrdinalIgnoreCase);
            }

            cookies.Add(new() { Name = name, Value = value, Path = path, Domain = domain, Expires = expires, HttpOnly = httpOnly, Secure = secure });
        }

        return cookies;
    }

    /// <summary>Query parameters, percent-decoded, <c>+</c> as space.</summary>
    public static List<string[]> Query(string pathAndQuery)
    {
        var query = new List<string[]>();
        var start = pathAndQuery.IndexOf('?', StringComparison.Ordinal);
        if (start >= 0)
        {
            foreach (var pair in pathAndQuery[(start + 1)..].Split('&', StringSplitOptions.RemoveEmptyEntries))
            {
                var (name, value) = Pair(pair);
                query.Add([Unescape(name), Unescape(value)]);
            }
        }

        return query;
    }

    private static string Unescape(string text) => Uri.UnescapeDataString(text.Replace('+', ' '));

    private static (string Name, string Value) Pair(string text)
    {
        var equals = text.IndexOf('=', StringComparison.Ordinal);
        return equals < 0 ? (text, "") : (text[..equals].Trim(), text[(equals + 1)..].Trim());
    }

    private static ReadOnlySpan<byte> Trim(ReadOnlySpan<byte> value) => value.Trim(" \t"u8);
}
