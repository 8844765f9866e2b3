using System.Text;
using System.Text.Json;
using RelayCore.Core.Flows;

namespace RelayCore.Rules.Filters.Language;

/// <summary>A stored flow as the filter language sees it: simple rather than fast, for lists of flows.</summary>
internal sealed class StoredFlow
{
    private readonly Flow _flow;
    private readonly FlowRequest? _request;
    private readonly FlowResponse? _response;
    private readonly FlowError? _error;
    private readonly IReadOnlyList<FlowMessage> _messages = [];

    public StoredFlow(Flow flow)
    {
        _flow = flow;
        switch (flow.Layer)
        {
            case FlowLayer.Http http:
                (_request, _response, _error, _messages) = (http.Data.Request, http.Data.Response, http.Data.Error, http.Data.Messages ?? []);
                break;
            case FlowLayer.WebSocket webSocket:
                (_request, _response, _error, _messages) = (webSocket.Data.HandshakeRequest, webSocket.Data.HandshakeResponse, webSocket.Data.Error, webSocket.Data.Messages);
                break;
            case FlowLayer.Tcp tcp:
                _error = tcp.Data.Error;
                break;
        }
    }

    // A handshake without answer is kept with status 0.
    private bool HasResponse => _response is { Status: > 0 };

    private bool IsHttp => _flow.Kind is FlowKind.Http or FlowKind.WebSocket;

    public bool Holds(FilterExpression.Term term) => term.Key switch
    {
        FilterKey.All => true,
        FilterKey.Word => _request is not null && (term.Matcher!.Matches(_request.Url.AsSpan())
            || _request.Method.Equals(term.Matcher.Value, StringComparison.OrdinalIgnoreCase)),
        FilterKey.Error => _error is not null || _response is { Status: >= 500 },
        FilterKey.HasResponse => HasResponse,
        FilterKey.NoResponse => IsHttp && !HasResponse,
        FilterKey.Http => IsHttp,
        FilterKey.WebSocket => _flow.Kind == FlowKind.WebSocket,
        FilterKey.Tcp => _flow.Kind is FlowKind.Tunnel or FlowKind.Connection,
        FilterKey.Udp or FilterKey.Dns => false,
        FilterKey.Tls => _flow.Network.Tls,
        FilterKey.Marked => !string.IsNullOrEmpty(_flow.Marker),
        FilterKey.Replay or FilterKey.ReplayedRequest => _flow.Tags.Contains("replay"),
        FilterKey.ReplayedResponse => _flow.Tags.Contains("replay_response"),
        FilterKey.Json => Contents().Any(x => HasJson(x, term)),
        _ when term.Range is { } range => Number(term.Key) is { } number && range.Has(number),
        FilterKey.Cookie when term.Name is null => Values(_request?.Headers, "cookie").Any(x => Compare(term, x)),
        FilterKey.SetCookie when term.Name is null => Values(_response?.Headers, "set-cookie").Any(x => Compare(term, x)),
        _ => Texts(term.Key, term.Name).Any(x => Compare(term, x)),
    };

    private static bool Compare(FilterExpression.Term term, string text) => term.Matcher?.Matches(text.AsSpan()) ?? true;

    private double? Number(FilterKey key) => key switch
    {
        FilterKey.Status => HasResponse ? _response!.Status : null,
        FilterKey.Port => Port(),
        FilterKey.Size => _flow.Octets.RequestBody + _flow.Octets.ResponseBody,
        FilterKey.RequestSize => _flow.Octets.RequestBody,
        FilterKey.ResponseSize => _flow.Octets.ResponseBody,
        FilterKey.Duration => _flow.Timings.TryGetValue("end", out var end) ? end / 1000.0 : null,
        _ => null,
    };

    private int? Port() => _request is not null && Uri.TryCreate(_request.Url, UriKind.Absolute, out var uri) ? uri.Port
        : _flow.Connection.Server?.Port ?? (_flow.Network.ServerPort > 0 ? _flow.Network.ServerPort : null);

    // All texts a key stands for: one of them must match.
    private IEnumerable<string> Texts(FilterKey key, string? name)
    {
        var tls = _flow.Connection.Client.Tls;
        return key switch
        {
            FilterKey.Url => Some(_request?.Url),
            FilterKey.Host or FilterKey.Domain => Some(Host()).Concat(key == FilterKey.Domain ? Values(_request?.Headers, "host").Select(WithoutPort) : []),
            FilterKey.Path => Some(PathAndQuery(), PathAndQuery()?.Split('?')[0]),
            FilterKey.Method => Some(_request?.Method),
            FilterKey.Scheme => Some(_request?.Url.Split(':')[0]),
            FilterKey.Query when name is null => Some(PathAndQuery() is { } path && path.Contains('?', StringComparison.Ordinal) ? path[(path.IndexOf('?', StringComparison.Ordinal) + 1)..] : null),
            FilterKey.Query => _request?.Query.Where(x => x[0] == name).Select(x => x[1]) ?? [],
            FilterKey.Version => Some(_request?.Version is "HTTP/2.0" ? "HTTP/2" : _request?.Version),
            FilterKey.Client => Some(_flow.Connection.Client.Remote),
            FilterKey.Server => Some(_flow.Network.ServerHost, _flow.Connection.Server?.Remote),
            FilterKey.Sni => Some(_flow.Network.Sni ?? tls?.Sni),
            FilterKey.Alpn => Some(tls?.Alpn),
            FilterKey.TlsVersion => Some(_flow.Network.TlsVersion ?? tls?.Version),
            FilterKey.Ja3 => Some(tls?.Ja3),
            FilterKey.Ja4 => Some(tls?.Ja4),
            FilterKey.Tag => _flow.Tags,
            FilterKey.Variable when name is not null => _flow.RuleVariables is { } variables && variables.TryGetValue(name, out var value) ? [value] : [],
            FilterKey.Variable or FilterKey.Metadata => _flow.RuleVariables is { Count: > 0 } all ? [string.Join('\n', all.Select(x => $"{x.Key}: {x.Value}")) + "\n"] : [],
            FilterKey.Comment => Some(_flow.Comment),
            FilterKey.Marker => Some(_flow.Marker),
            FilterKey.Header => Header(_request?.Headers, name).Concat(Header(_response?.Headers, name)),
            FilterKey.RequestHeader => Header(_request?.Headers, name),
            FilterKey.ResponseHeader => Header(_response?.Headers, name),
            FilterKey.ContentType => Types(_request?.Headers).Concat(Types(_response?.Headers)),
            FilterKey.RequestContentType => Types(_request?.Headers),
            FilterKey.ResponseContentType or FilterKey.Asset => Types(_response?.Headers),
            FilterKey.Cookie => _request?.Cookies.Where(x => x.Name == name).Select(x => x.Value) ?? [],
            FilterKey.SetCookie => _response?.Cookies.Where(x => x.Name == name).Select(x => x.Value) ?? [],
            FilterKey.Body => Contents(),
            FilterKey.RequestBody => RequestContents(),
            FilterKey.ResponseBody => ResponseContents(),
            _ => [],
        };
    }

    private IEnumerable<string> Contents() => RequestContents().Concat(ResponseContents());

    private IEnumerable<string> RequestContents() => Content(_request?.Body)
        .Concat(Content((_flow.Layer as FlowLayer.Tcp)?.Data.Up))
        .Concat(_messages.Where(x => x.Direction == "ClientToServer").SelectMany(x => Content(x.Content)));

    private IEnumerable<string> ResponseContents() => Content(_response?.Body)
        .Concat(Content((_flow.Layer as FlowLayer.Tcp)?.Data.Down))
        .Concat(_messages.Where(x => x.Direction == "ServerToClient").SelectMany(x => Content(x.Content)));

    private static IEnumerable<string> Content(FlowBody? body)
    {
        if (body is null || body.Encoding is not ("utf-8" or "base64"))
        {
            yield break;
        }

        yield return body.Content;

        // Octets that are no UTF-8 are looked at as such too, as in running flows.
        if (body.Encoding == "base64")
        {
            yield return Encoding.Latin1.GetString(Convert.FromBase64String(body.Content));
        }
    }

    private string? Host() => _request is not null && Uri.TryCreate(_request.Url, UriKind.Absolute, out var uri) ? uri.IdnHost.Trim('[', ']')
        : _flow.Network.ServerHost is { } server ? WithoutPort(server) : null;

    private string? PathAndQuery()
    {
        var slash = _request?.Url.IndexOf("://", StringComparison.Ordinal) is > 0 and var mark ? _request.Url.IndexOf('/', mark + 3) : -1;
        return slash < 0 ? null : _request!.Url[slash..];
    }

    private static string WithoutPort(string authority)
    {
        var colon = authority.LastIndexOf(':');
        return colon < 0 || authority.EndsWith(']') ? authority.Trim('[', ']') : authority[..colon].Trim('[', ']');
    }

    private static IEnumerable<string> Header(IReadOnlyList<string[]>? headers, string? name) =>
        headers is null ? []
        : name is not null ? Values(headers, name)
        : [string.Concat(headers.Select(x => $"{x[0]}: {x[1]}\r\n"))];

    private static IEnumerable<string> Values(IReadOnlyList<string[]>? headers, string name) =>
        headers?.Where(x => x[0].Equals(name, StringComparison.OrdinalIgnoreCase)).Select(x => x[1]) ?? [];

    private static IEnumerable<string> Types(IReadOnlyList<string[]>? headers) =>
        Values(headers, "content-type").SelectMany<string, string>(x => [x, x.Split(';')[0].Trim()]);

    private static IEnumerable<string> Some(params string?[] texts) => texts.OfType<string>();

    private static bool HasJson(string content, FilterExpression.Term term)
    {
        try
        {
            using var document = JsonDocument.Parse(content, new() { MaxDepth = Execution.RuleContext.MaxJsonDepth });
            return term.Path!.Select(document.RootElement).Any(x => term.Matcher is null
                || term.Matcher.Matches((x.Value.ValueKind == JsonValueKind.String ? x.Value.GetString()! : x.Value.GetRawText()).AsSpan()));
        }
        catch (JsonException)
        {
            return false;
        }
    }
}
