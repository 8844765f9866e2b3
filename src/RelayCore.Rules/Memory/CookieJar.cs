using System.Globalization;

namespace RelayCore.Rules.Memory;

/// <summary>A cookie as a server set it (RFC 6265 §5.3).</summary>
/// <param name="Name">Name.</param>
/// <param name="Value">Value, quotes included.</param>
/// <param name="Domain">Lower case, without leading dot.</param>
/// <param name="IsHostOnly">Whether subdomains do not get it.</param>
/// <param name="Port">Port of the server; cookies do not cross ports here (reference: mitmproxy addons §4).</param>
/// <param name="Path">Path it is for.</param>
/// <param name="IsSecure">Whether it travels over TLS only.</param>
/// <param name="Expires">When it ends; <see langword="null"/> when it lives as long as the process.</param>
internal sealed record StoredCookie(string Name, string Value, string Domain, bool IsHostOnly, int Port, string Path, bool IsSecure, DateTimeOffset? Expires);

/// <summary>
/// Cookies servers set, as a browser keeps them: domain, path, Secure and expiry are respected. HttpOnly is about scripts in a page, so it changes
/// nothing here. At most 10,000 cookies and 180 of a domain; the one not used for longest goes first. Safe for concurrent use.
/// </summary>
internal sealed class CookieJar
{
    /// <summary>Most cookies.</summary>
    public const int MaxCookies = 10_000;

    /// <summary>Most cookies of one domain, as in browsers.</summary>
    public const int MaxPerDomain = 180;

    /// <summary>Largest name and value together, in octets (RFC 6265 §6.1). Breach: not kept.</summary>
    public const int MaxCookie = 4096;

    private readonly Lock _gate = new();
    private readonly Dictionary<string, LinkedList<Entry>> _domains = new(StringComparer.Ordinal);
    private readonly LinkedList<Entry> _order = new();

    /// <summary>Cookies held.</summary>
    public int Count
    {
        get
        {
            lock (_gate)
            {
                return _order.Count;
            }
        }
    }

    /// <summary>Takes one Set-Cookie field.</summary>
    /// <param name="line">Its value.</param>
    /// <param name="host">Host it came from.</param>
    /// <param name="port">Port it came from.</param>
    /// <param name="isSecure">Whether it came over TLS.</param>
    /// <param name="requestPath">Path and query of the request it answers.</param>
    /// <param name="now">The time.</param>
    /// <returns>Whether it was kept or removed one.</returns>
    public bool Store(string line, string host, int port, bool isSecure, string requestPath, DateTimeOffset now)
    {
        if (Parse(line, host, port, requestPath, now) is not { } cookie || (cookie.IsSecure && !isSecure))
        {
            return false;
        }

        lock (_gate)
        {
            var known = Find(cookie);
            if (known is not null)
            {
                Remove(known);
            }

            if (cookie.Expires <= now)
            {
                return known is not null;
            }

            if (_order.Count >= MaxCookies)
            {
                Remove(_order.Last!.Value);
            }

            if (!_domains.TryGetValue(cookie.Domain, out var cookies))
            {
                _domains[cookie.Domain] = cookies = new();
            }
            else if (cookies.Count >= MaxPerDomain)
            {
                Remove(cookies.First!.Value);
            }

            var entry = new Entry { Cookie = cookie };
            entry.InDomain = cookies.AddLast(entry);
            entry.InOrder = _order.AddFirst(entry);
            return true;
        }
    }

    /// <summary>Cookies for a request, longest path first (RFC 6265 §5.4).</summary>
    public IReadOnlyList<StoredCookie> For(string host, int port, bool isSecure, string requestPath, DateTimeOffset now)
    {
        var path = PathOf(requestPath);
        var found = new List<StoredCookie>();
        lock (_gate)
        {
            foreach (var domain in Suffixes(host))
            {
                if (!_domains.TryGetValue(domain, out var cookies))
                {
                    continue;
                }

                for (var node = cookies.First; node is not null;)
                {
                    var (entry, cookie) = (node.Value, node.Value.Cookie);
                    node = node.Next;
                    if (cookie.Expires <= now)
                    {
                        Remove(entry);
                    }
                    else if (cookie.Port == port && (isSecure || !cookie.IsSecure) && (!cookie.IsHostOnly || domain.Length == host.Length)
                        && PathMatches(path, cookie.Path))
                    {
                        _order.Remove(entry.InOrder);
                        _order.AddFirst(entry.InOrder);
                        found.Add(cookie);
                    }
                }
            }
        }

        return [.. found.OrderByDescending(x => x.Path.Length)]; // stable: older first among equals
    }

    internal static StoredCookie? Parse(string line, string host, int port, string requestPath, DateTimeOffset now)
    {
        var parts = line.Split(';');
        var equals = parts[0].IndexOf('=', StringComparison.Ordinal);
        var (name, value) = equals < 0 ? ("", "") : (parts[0][..equals].Trim(), parts[0][(equals + 1)..].Trim());
        if (name.Length == 0 || name.Length + value.Length > MaxCookie || line.Length > 4 * MaxCookie)
        {
            return null;
        }

        var cookie = new StoredCookie(name, value, host, true, port, DefaultPath(requestPath), false, null);
        var hasMaxAge = false;
        foreach (var part in parts.Skip(1))
        {
            var at = part.IndexOf('=', StringComparison.Ordinal);
            var attribute = (at < 0 ? part : part[..at]).Trim().ToLowerInvariant();
            var text = at < 0 ? "" : part[(at + 1)..].Trim();
            switch (attribute)
            {
                case "secure":
                    cookie = cookie with { IsSecure = true };
                    break;
                case "path" when text.StartsWith('/'):
                    cookie = cookie with { Path = text };
                    break;
                case "domain" when text.TrimStart('.') is { Length: > 0 } domain:
                    cookie = cookie with { Domain = domain.ToLowerInvariant(), IsHostOnly = false };
                    break;
                case "max-age" when long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var seconds):
                    hasMaxAge = true;
                    cookie = cookie with { Expires = seconds <= 0 ? DateTimeOffset.MinValue : now.AddSeconds(Math.Min(seconds, 400L * 86_400)) };
                    break;
                case "expires" when !hasMaxAge && DateTimeOffset.TryParse(
                    text.Replace('-', ' '), CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal | DateTimeStyles.AdjustToUniversal, out var at0):
                    cookie = cookie with { Expires = at0 };
                    break;
            }
        }

        // A domain must be the host or above it, and no top-level domain (RFC 6265 §5.3); an address has none above it.
        var isAddress = System.Net.IPAddress.TryParse(host, out _);
        return cookie.Domain == host ? cookie
            : !isAddress && cookie.Domain.Contains('.', StringComparison.Ordinal) && host.EndsWith("." + cookie.Domain, StringComparison.Ordinal) ? cookie
            : null;
    }

    private static bool PathMatches(string path, string cookiePath) =>
        path.StartsWith(cookiePath, StringComparison.Ordinal)
        && (path.Length == cookiePath.Length || cookiePath.EndsWith('/') || path[cookiePath.Length] == '/');

    private static string PathOf(string requestPath)
    {
        var query = requestPath.IndexOf('?', StringComparison.Ordinal);
        return query < 0 ? requestPath : requestPath[..query];
    }

    // The reference keeps cookies without Path for the whole host; a browser for the folder of the request (RFC 6265 §5.1.4). As the browser.
    private static string DefaultPath(string requestPath)
    {
        var path = PathOf(requestPath);
        var slash = path.LastIndexOf('/');
        return slash <= 0 ? "/" : path[..slash];
    }

    private static IEnumerable<string> Suffixes(string host)
    {
        yield return host;
        for (var dot = host.IndexOf('.', StringComparison.Ordinal); dot >= 0; dot = host.IndexOf('.', dot + 1))
        {
            yield return host[(dot + 1)..];
        }
    }

    private Entry? Find(StoredCookie cookie) =>
        _domains.TryGetValue(cookie.Domain, out var cookies)
            ? cookies.FirstOrDefault(x => x.Cookie.Name == cookie.Name && x.Cookie.Path == cookie.Path && x.Cookie.Port == cookie.Port)
            : null;

    private void Remove(Entry entry)
    {
        _order.Remove(entry.InOrder);
        var cookies = _domains[entry.Cookie.Domain];
        cookies.Remove(entry.InDomain);
        if (cookies.Count == 0)
        {
            _domains.Remove(entry.Cookie.Domain);
        }
    }

    private sealed class Entry
    {
        public required StoredCookie Cookie { get; init; }

        public LinkedListNode<Entry> InDomain { get; set; } = null!;

        public LinkedListNode<Entry> InOrder { get; set; } = null!;
    }
}
