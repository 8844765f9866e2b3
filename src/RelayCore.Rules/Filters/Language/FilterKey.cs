namespace RelayCore.Rules.Filters.Language;

/// <summary>What a term of the filter language looks at.</summary>
internal enum FilterKey : byte
{
    All, Word, Url, Host, Domain, Path, Method, Scheme, Port, Query, Version, Client, Server, Sni, Alpn, TlsVersion, Ja3, Ja4, Tag, Variable, Metadata, Comment, Marker,
    Header, RequestHeader, ResponseHeader, ContentType, RequestContentType, ResponseContentType, Cookie, SetCookie,
    Body, RequestBody, ResponseBody, Json, Status, Size, RequestSize, ResponseSize, Duration,
    Error, HasResponse, NoResponse, Asset, Http, WebSocket, Tcp, Udp, Dns, Tls, Marked, Replay, ReplayedRequest, ReplayedResponse,
}

/// <summary>How a term is written.</summary>
internal enum FilterKeyKind : byte
{
    /// <summary>A text to compare.</summary>
    Text,

    /// <summary>A number or a range.</summary>
    Number,

    /// <summary>A status code, a class or a range.</summary>
    Status,

    /// <summary>Octets with unit.</summary>
    Size,

    /// <summary>A time with unit.</summary>
    Duration,

    /// <summary>A JSON path, and perhaps a text to compare.</summary>
    Json,

    /// <summary>Nothing: the word alone.</summary>
    Flag,
}

/// <summary>A word of the filter language.</summary>
/// <param name="Key">What it looks at.</param>
/// <param name="Kind">How it is written.</param>
/// <param name="Names">The word, and others for it.</param>
/// <param name="IsNamed">Whether <c>.name</c> may follow.</param>
internal sealed record FilterWord(FilterKey Key, FilterKeyKind Kind, string[] Names, bool IsNamed = false)
{
    public static IReadOnlyList<FilterWord> All { get; } =
    [
        new(FilterKey.Url, FilterKeyKind.Text, ["url"]),
        new(FilterKey.Host, FilterKeyKind.Text, ["host", "domain"]),
        new(FilterKey.Path, FilterKeyKind.Text, ["path"]),
        new(FilterKey.Method, FilterKeyKind.Text, ["method"]),
        new(FilterKey.Scheme, FilterKeyKind.Text, ["scheme"]),
        new(FilterKey.Port, FilterKeyKind.Number, ["port"]),
        new(FilterKey.Query, FilterKeyKind.Text, ["query"], true),
        new(FilterKey.Version, FilterKeyKind.Text, ["http", "version"]),
        new(FilterKey.Client, FilterKeyKind.Text, ["client", "src", "ip"]),
        new(FilterKey.Server, FilterKeyKind.Text, ["server", "dst"]),
        new(FilterKey.Sni, FilterKeyKind.Text, ["sni"]),
        new(FilterKey.Alpn, FilterKeyKind.Text, ["alpn"]),
        new(FilterKey.TlsVersion, FilterKeyKind.Text, ["tlsversion"]),
        new(FilterKey.Ja3, FilterKeyKind.Text, ["ja3"]),
        new(FilterKey.Ja4, FilterKeyKind.Text, ["ja4"]),
        new(FilterKey.Tag, FilterKeyKind.Text, ["tag"]),
        new(FilterKey.Variable, FilterKeyKind.Text, ["var", "variable"], true),
        new(FilterKey.Comment, FilterKeyKind.Text, ["comment"]),
        new(FilterKey.Marker, FilterKeyKind.Text, ["marker"]),
        new(FilterKey.Header, FilterKeyKind.Text, ["header"], true),
        new(FilterKey.RequestHeader, FilterKeyKind.Text, ["reqheader"], true),
        new(FilterKey.ResponseHeader, FilterKeyKind.Text, ["resheader"], true),
        new(FilterKey.ContentType, FilterKeyKind.Text, ["type", "contenttype"]),
        new(FilterKey.RequestContentType, FilterKeyKind.Text, ["reqtype"]),
        new(FilterKey.ResponseContentType, FilterKeyKind.Text, ["restype"]),
        new(FilterKey.Cookie, FilterKeyKind.Text, ["cookie"], true),
        new(FilterKey.SetCookie, FilterKeyKind.Text, ["setcookie"], true),
        new(FilterKey.Body, FilterKeyKind.Text, ["body"]),
        new(FilterKey.RequestBody, FilterKeyKind.Text, ["reqbody"]),
        new(FilterKey.ResponseBody, FilterKeyKind.Text, ["resbody"]),
        new(FilterKey.Json, FilterKeyKind.Json, ["json"]),
        new(FilterKey.Status, FilterKeyKind.Status, ["status", "code"]),
        new(FilterKey.Size, FilterKeyKind.Size, ["size"]),
        new(FilterKey.RequestSize, FilterKeyKind.Size, ["reqsize"]),
        new(FilterKey.ResponseSize, FilterKeyKind.Size, ["ressize"]),
        new(FilterKey.Duration, FilterKeyKind.Duration, ["duration", "time"]),
        new(FilterKey.All, FilterKeyKind.Flag, ["all"]),
        new(FilterKey.Error, FilterKeyKind.Flag, ["err", "error"]),
        new(FilterKey.WebSocket, FilterKeyKind.Flag, ["ws", "websocket"]),
        new(FilterKey.Tls, FilterKeyKind.Flag, ["tls"]),
        new(FilterKey.Tcp, FilterKeyKind.Flag, ["tcp", "tunnel"]),
        new(FilterKey.Marked, FilterKeyKind.Flag, ["marked"]),
        new(FilterKey.Replay, FilterKeyKind.Flag, ["replay"]),
    ];

    private static readonly Dictionary<string, FilterWord> s_byName = All.SelectMany(x => x.Names, (word, name) => (word, name))
        .ToDictionary(x => x.name, x => x.word, StringComparer.OrdinalIgnoreCase);

    public static FilterWord? Find(string name) => s_byName.GetValueOrDefault(name);

    /// <summary>The word that is at most two letters away; <see langword="null"/> when there is none.</summary>
    public static string? Nearest(string name)
    {
        var (best, distance) = ((string?)null, Math.Min(3, (name.Length / 2) + 1));
        foreach (var candidate in s_byName.Keys)
        {
            var changes = Distance(name.ToLowerInvariant(), candidate);
            (best, distance) = changes < distance ? (candidate, changes) : (best, distance);
        }

        return best;
    }

    // Letters to add, drop, replace or swap with the next.
    private static int Distance(string left, string right)
    {
        var rows = new int[left.Length + 1, right.Length + 1];
        for (var i = 0; i <= left.Length; i++)
        {
            for (var j = 0; j <= right.Length; j++)
            {
                rows[i, j] = i == 0 || j == 0 ? i + j : Math.Min(
                    Math.Min(rows[i - 1, j], rows[i, j - 1]) + 1, rows[i - 1, j - 1] + (left[i - 1] == right[j - 1] ? 0 : 1));
                if (i > 1 && j > 1 && left[i - 1] == right[j - 2] && left[i - 2] == right[j - 1])
                {
                    rows[i, j] = Math.Min(rows[i, j], rows[i - 2, j - 2] + 1);
                }
            }
        }

        return rows[left.Length, right.Length];
    }
}
