using System.Diagnostics.CodeAnalysis;

namespace RelayCore.Cli.Arguments;

/// <summary>The URL of a parent proxy: <c>http://[user:password@]host:port</c> or <c>https://…</c>.</summary>
/// <param name="IsSecure">TLS to the proxy.</param>
/// <param name="Host">Host name or IP literal without brackets, lower case.</param>
/// <param name="Port">1 to 65535; the scheme's when absent.</param>
/// <param name="Credentials"><c>user:password</c> with percent-encoding undone, or <see langword="null"/>.</param>
internal sealed record UpstreamUrl(bool IsSecure, string Host, int Port, string? Credentials)
{
    /// <summary>Reads the URL. Its credentials never appear in <paramref name="problem"/>.</summary>
    public static bool TryParse(string text, [NotNullWhen(true)] out UpstreamUrl? url, [NotNullWhen(false)] out string? problem)
    {
        (url, problem) = (null, null);
        var full = text.Contains("://", StringComparison.Ordinal) ? text : "http://" + text;
        if (!Uri.TryCreate(full, UriKind.Absolute, out var uri) || uri.Host.Length == 0)
        {
            problem = "is not a URL; write http://host:port or https://host:port";
            return false;
        }

        if (uri.Scheme is not ("http" or "https"))
        {
            problem = $"has the scheme {uri.Scheme}; a parent proxy is http or https";
            return false;
        }

        if (uri.AbsolutePath != "/" || uri.Query.Length > 0 || uri.Fragment.Length > 0)
        {
            problem = "has a path; a parent proxy is only scheme, host and port";
            return false;
        }

        string? credentials = null;
        if (uri.UserInfo.Length > 0)
        {
            credentials = Uri.UnescapeDataString(uri.UserInfo);
            if (!credentials.Contains(':', StringComparison.Ordinal))
            {
                credentials += ":";
            }
        }

        url = new(uri.Scheme == "https", uri.IdnHost.Trim('[', ']').ToLowerInvariant(), uri.Port, credentials);
        return true;
    }
}
