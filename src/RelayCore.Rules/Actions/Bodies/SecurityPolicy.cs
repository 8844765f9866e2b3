using System.Security.Cryptography;
using System.Text;
using RelayCore.Protocols.Fields;

namespace RelayCore.Rules.Actions.Bodies;

/// <summary>
/// Widens Content-Security-Policy (CSP Level 3) by exactly what injected markup needs: the hash of each inline script and style, the address of each
/// script and style sheet it loads. Nothing else of the page becomes allowed.
/// </summary>
internal static class SecurityPolicy
{
    /// <summary>Widens every policy of a response; report-only ones too, which would report the markup.</summary>
    public static void Allow(FieldSection fields, string markup)
    {
        var (scripts, styles) = Sources(markup);
        foreach (var field in (ReadOnlySpan<string>)["Content-Security-Policy", "Content-Security-Policy-Report-Only"])
        {
            var name = Encoding.Latin1.GetBytes(field);
            for (var i = fields.IndexOf(name); i >= 0; i = fields.IndexOf(name, i + 1))
            {
                // A line may hold several policies, each of which has to agree (§4.1).
                var policies = Encoding.Latin1.GetString(fields.Value(i)).Split(',');
                for (var p = 0; p < policies.Length; p++)
                {
                    policies[p] = Widen(Widen(policies[p], "script-src", scripts), "style-src", styles);
                }

                fields.SetValue(i, string.Join(',', policies));
            }
        }
    }

    /// <summary>Adds sources to a directive, and to its more exact form for elements; they fall back to default-src as the browser does (§6.8.3).</summary>
    internal static string Widen(string policy, string directive, IReadOnlyList<string> sources)
    {
        if (sources.Count == 0)
        {
            return policy;
        }

        var directives = policy.Split(';', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries).ToList();
        var index = Find($"{directive}-elem") is var exact and >= 0 ? exact : Find(directive);
        if (index < 0)
        {
            var fallback = Find("default-src");
            if (fallback < 0)
            {
                return policy; // nothing limits it
            }

            index = directives.Count;
            directives.Add(string.Join(' ', (string[])[directive, .. directives[fallback].Split(' ', StringSplitOptions.RemoveEmptyEntries).Skip(1)]));
        }

        var parts = directives[index].Split(' ', StringSplitOptions.RemoveEmptyEntries).ToList();
        var isInline = parts.Contains("'unsafe-inline'", StringComparer.OrdinalIgnoreCase)
            && !parts.Any(x => x.StartsWith("'nonce-", StringComparison.OrdinalIgnoreCase) || x.StartsWith("'sha", StringComparison.OrdinalIgnoreCase)
                || x.Equals("'strict-dynamic'", StringComparison.OrdinalIgnoreCase));
        foreach (var source in sources)
        {
            // A hash would switch 'unsafe-inline' off (§6.7.3.2) and break the page's own scripts.
            if (!(isInline && source.StartsWith("'sha", StringComparison.Ordinal)) && !parts.Contains(source, StringComparer.Ordinal))
            {
                parts.RemoveAll(x => x.Equals("'none'", StringComparison.OrdinalIgnoreCase));
                parts.Add(source);
            }
        }

        directives[index] = string.Join(' ', parts);
        return string.Join("; ", directives);

        int Find(string name) => directives.FindIndex(x => x.Split(' ', 2)[0].Equals(name, StringComparison.OrdinalIgnoreCase));
    }

    private static (List<string> Scripts, List<string> Styles) Sources(string markup)
    {
        var (scripts, styles) = (new List<string>(), new List<string>());
        for (var at = markup.IndexOf('<', StringComparison.Ordinal); at >= 0; at = markup.IndexOf('<', at + 1))
        {
            var end = markup.IndexOf('>', at);
            if (end < 0)
            {
                break;
            }

            var tag = markup[at..end];
            if (Is(tag, "<script"))
            {
                scripts.Add(Address(Attribute(tag, "src")) ?? Hash(markup, end + 1, "</script"));
            }
            else if (Is(tag, "<style"))
            {
                styles.Add(Hash(markup, end + 1, "</style"));
            }
            else if (Is(tag, "<link") && tag.Contains("stylesheet", StringComparison.OrdinalIgnoreCase) && Address(Attribute(tag, "href")) is { } address)
            {
                styles.Add(address);
            }
        }

        return (scripts, styles);
    }

    private static bool Is(string tag, string name) =>
        tag.StartsWith(name, StringComparison.OrdinalIgnoreCase) && (tag.Length == name.Length || char.IsWhiteSpace(tag[name.Length]) || tag[name.Length] == '/');

    // §6.7.2.3: the hash is of the text of the element, in UTF-8 whatever the charset of the document is.
    private static string Hash(string markup, int start, string close)
    {
        var end = markup.IndexOf(close, start, StringComparison.OrdinalIgnoreCase);
        return $"'sha256-{Convert.ToBase64String(SHA256.HashData(Encoding.UTF8.GetBytes(markup[start..(end < 0 ? markup.Length : end)])))}'";
    }

    private static string? Attribute(string tag, string name)
    {
        for (var at = tag.IndexOf(name, StringComparison.OrdinalIgnoreCase); at >= 0; at = tag.IndexOf(name, at + 1, StringComparison.OrdinalIgnoreCase))
        {
            var rest = tag[(at + name.Length)..].TrimStart();
            if (at > 0 && (char.IsWhiteSpace(tag[at - 1]) || tag[at - 1] is '"' or '\'') && rest.StartsWith('='))
            {
                rest = rest[1..].TrimStart();
                return rest.Length == 0 ? "" : rest[0] is '"' or '\'' ? rest[1..].Split(rest[0], 2)[0] : rest.Split(' ', 2)[0];
            }
        }

        return null;
    }

    // Characters that would end the source or the directive are written encoded (§2.3.1); an address of the page's own host is 'self'.
    private static string? Address(string? url)
    {
        if (url is null)
        {
            return null;
        }

        url = url.StartsWith("//", StringComparison.Ordinal) ? "https:" + url : url;
        return Uri.TryCreate(url, UriKind.Absolute, out var address) && (address.Scheme is "http" or "https")
            ? $"{address.Scheme}://{address.Authority}{address.AbsolutePath.Replace(";", "%3B", StringComparison.Ordinal).Replace(",", "%2C", StringComparison.Ordinal)}"
            : "'self'";
    }
}
