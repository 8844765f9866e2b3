using System.Text;
using RelayCore.Core.Connections;

namespace RelayCore.Rules.Actions.Targets;

/// <summary>An absolute URL a request can be sent to. Path and query stay as written, but for what cannot stand in a request line.</summary>
/// <param name="Origin">Scheme, host, port; ws is http and wss is https.</param>
/// <param name="Path">Path; empty when the URL has none.</param>
/// <param name="Query">Query without question mark; <see langword="null"/> when the URL has none.</param>
internal sealed record TargetUrl(Origin Origin, string Path, string? Query)
{
    /// <summary>Whether it names more than the origin.</summary>
    public bool HasPath => Path.Length > 1 || Query is not null;

    /// <summary>Path and query for a request line.</summary>
    public string PathAndQuery => (Path.Length == 0 ? "/" : Path) + (Query is null ? "" : "?" + Query);

    /// <summary>Reads a URL.</summary>
    /// <param name="text">The text.</param>
    /// <param name="problem">What is wrong, when the result is <see langword="null"/>.</param>
    public static TargetUrl? Read(string text, out string? problem)
    {
        problem = null;
        var isValid = Uri.TryCreate(text, UriKind.Absolute, out var uri);
        if (!isValid || uri!.Scheme is not ("http" or "https" or "ws" or "wss") || uri.IdnHost.Length == 0)
        {
            problem = $"'{Short(text)}' is not an absolute URL with http, https, ws or wss";
            return null;
        }

        if (uri.UserInfo.Length > 0)
        {
            problem = "the URL has user information, which would be lost; use BasicAuth";
            return null;
        }

        // Not from Uri, which removes dot segments and changes the case of percent-encodings.
        var rest = text.AsSpan(text.IndexOf("://", StringComparison.Ordinal) + 3);
        rest = rest.IndexOf('#') is var fragment && fragment >= 0 ? rest[..fragment] : rest;
        var start = rest.IndexOfAny('/', '?', '\\');
        var path = start < 0 ? default : rest[start..];
        var mark = path.IndexOf('?');
        var origin = new Origin(uri.Scheme is "https" or "wss", uri.IdnHost.Trim('[', ']'), uri.Port > 0 ? uri.Port : uri.Scheme == "wss" ? 443 : 80);
        return new(origin, Escape(mark < 0 ? path : path[..mark]), mark < 0 ? null : Escape(path[(mark + 1)..]));
    }

    /// <summary>Percent-encodes, as UTF-8, what cannot stand in a request line: white space, controls, and everything outside ASCII.</summary>
    public static string Escape(ReadOnlySpan<char> text)
    {
        if (text.IndexOfAnyExceptInRange('!', '~') < 0)
        {
            return text.ToString();
        }

        var result = new StringBuilder(text.Length + 16);
        Span<byte> octets = stackalloc byte[4];
        foreach (var rune in text.EnumerateRunes())
        {
            if (rune.Value is > ' ' and < 0x7F)
            {
                result.Append((char)rune.Value);
                continue;
            }

            foreach (var octet in octets[..rune.EncodeToUtf8(octets)])
            {
                result.Append('%').Append(octet.ToString("X2", System.Globalization.CultureInfo.InvariantCulture));
            }
        }

        return result.ToString();
    }

    private static string Short(string text) => text.Length <= 200 ? text : text[..200] + "…";
}
