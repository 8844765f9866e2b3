using System.Globalization;
using System.Net;
using System.Text;
using RelayCore.Core.Connections;
using RelayCore.Core.Flows;
using RelayCore.Core.Interception;
using RelayCore.Core.Messages;
using RelayCore.Protocols.Fields;
using RelayCore.Protocols.Http1;
using RelayCore.Protocols.Http2;

namespace RelayCore.Runtime.Rules;

/// <summary>Makes the engine's own objects of an input: its heads are written as HTTP/1 and read by the codec, so that rules see what they would see.</summary>
internal static class DryRunExchange
{
    private const Http1Repairs AllRepairs = (Http1Repairs)ushort.MaxValue; // what was captured passed once already

    private static readonly Http1Limits s_limits = new() { MaxHeadOctets = 16 << 20, MaxLineOctets = 16 << 20, MaxFields = 100_000 };

    /// <summary>The exchange, its request loaded.</summary>
    /// <exception cref="FormatException">The input cannot be an HTTP request; the message is a sentence.</exception>
    public static Exchange Create(DryRunInput input, ClientConnection client, TimeProvider time)
    {
        var (origin, path) = Split(input.Url);
        var exchange = new Exchange();
        exchange.Begin(FlowId.Create(time.GetUtcNow()), client);
        exchange.StartedAt = time.GetTimestamp();
        var text = new StringBuilder().Append(input.Method).Append(' ');
        var (authorityStart, pathStart) = (0, text.Length);
        if (input.IsHttp2)
        {
            text.Append(origin.Scheme).Append("://");
            authorityStart = text.Length;
            text.Append(origin.Authority);
            pathStart = text.Length;
        }

        text.Append(path).Append(" HTTP/1.1\r\n");
        if (!input.IsHttp2 && !input.Headers.Any(x => x.Key.Equals("Host", StringComparison.OrdinalIgnoreCase)))
        {
            text.Append("Host: ").Append(origin.Authority).Append("\r\n");
        }

        Append(text, input.Headers);
        var head = Encoding.Latin1.GetBytes(text.ToString());
        var request = exchange.Request;
        var error = Http1HeadReader.ReadRequest(head, s_limits, AllRepairs, request.Fields, out var line, out _);
        if (error.IsError || !RequestTarget.TryRead(head.AsSpan(line.TargetStart, line.TargetLength), head.AsSpan(0, line.MethodLength), out var target))
        {
            throw new FormatException($"The request {input.Method} {input.Url} is not HTTP{(error.IsError ? $": {error.Fault}" : ": its target has none of the forms of RFC 9112 §3.2")}.");
        }

        if (input.IsHttp2)
        {
            request.Load(new Http2RequestLine
            {
                MethodLength = line.MethodLength,
                Form = RequestTargetForm.Absolute,
                IsSecure = origin.IsSecure,
                AuthorityStart = authorityStart,
                AuthorityLength = origin.Authority.Length,
                HasAuthority = true,
                PathStart = pathStart,
                PathLength = path.Length,
                PseudoOrder = "m,a,s,p",
            });
        }
        else
        {
            request.Load(line, target);
        }

        request.Load(origin);
        return exchange;
    }

    /// <summary>The input, with the handshake its messages need when it does not say one.</summary>
    public static DryRunInput Complete(DryRunInput input) =>
        input.Messages is [{ Type: <= MessageType.Close }, ..] && !input.IsHttp2 && !input.Headers.Any(x => x.Key.Equals("Upgrade", StringComparison.OrdinalIgnoreCase))
            ? input with { Headers = [.. input.Headers, new("Connection", "Upgrade"), new("Upgrade", "websocket")] }
            : input;

    /// <summary>Loads the response.</summary>
    /// <exception cref="FormatException">It cannot be an HTTP response.</exception>
    public static void LoadResponse(Exchange exchange, DryRunResponse response, bool isHttp2)
    {
        var text = new StringBuilder().Append(CultureInfo.InvariantCulture, $"HTTP/1.1 {response.Status} {response.Reason ?? ReasonPhrases.Get(response.Status)}\r\n");
        Append(text, response.Headers);
        var head = Encoding.Latin1.GetBytes(text.ToString());
        var error = Http1HeadReader.ReadResponse(head, s_limits, AllRepairs, exchange.Response.Fields, out var line, out _);
        if (error.IsError)
        {
            throw new FormatException($"The response {response.Status} is not HTTP: {error.Fault}.");
        }

        exchange.Response.Load(line);
        if (isHttp2)
        {
            exchange.Response.Load(new Http2StatusLine(response.Status, -1));
        }

        exchange.HasResponse = true;
    }

    /// <summary>The client's connection.</summary>
    public static ClientConnection Client(DryRunInput input)
    {
        var loopback = new IPEndPoint(IPAddress.Loopback, 8080);
        return new()
        {
            Id = 1,
            LocalEndPoint = loopback,
            Listener = loopback,
            RemoteEndPoint = new IPEndPoint(IPAddress.TryParse(input.ClientAddress, out var address) ? address : IPAddress.Loopback, 50000),
            Tls = input.Tls ?? (IsSecure(input.Url) ? new TlsFacts { Version = "TLSv1.3", ServerName = Split(input.Url).Origin.Host } : null),
        };
    }

    /// <summary>The server's connection.</summary>
    public static ServerConnection Server(DryRunInput input)
    {
        var origin = Split(input.Url).Origin;
        return new()
        {
            Id = 1,
            Host = origin.Host,
            Port = origin.Port,
            RemoteEndPoint = input.ServerAddress is { } text && IPAddress.TryParse(text, out var address) ? new IPEndPoint(address, origin.Port) : null,
        };
    }

    /// <summary>Origin and target of a URL, the target exactly as written.</summary>
    /// <exception cref="FormatException">It is no absolute http or https URL.</exception>
    public static (Origin Origin, string Path) Split(string url)
    {
        if (!Uri.TryCreate(url, UriKind.Absolute, out var uri) || uri.Scheme is not ("http" or "https" or "ws" or "wss") || uri.IdnHost.Length == 0)
        {
            throw new FormatException($"'{url}' is not an absolute http or https URL.");
        }

        var authority = url.IndexOf("://", StringComparison.Ordinal) + 3;
        var end = url.AsSpan(authority).IndexOfAny('/', '?', '#');
        var path = end < 0 ? "/" : url[(authority + end)..];
        path = path.IndexOf('#', StringComparison.Ordinal) is >= 0 and var fragment ? path[..fragment] : path;
        path = path.StartsWith('/') ? path : "/" + path;
        if (path.Any(x => x is <= ' ' or > '~'))
        {
            path = uri.PathAndQuery; // a person wrote it; browsers escape it too
        }

        return (new(uri.Scheme is "https" or "wss", uri.IdnHost.Trim('[', ']'), uri.Port), path);
    }

    private static bool IsSecure(string url) => Split(url).Origin.IsSecure;

    private static void Append(StringBuilder text, IReadOnlyList<KeyValuePair<string, string>> lines)
    {
        foreach (var (name, value) in lines)
        {
            if (name.StartsWith(':'))
            {
                continue; // HAR files list pseudo-fields among the headers
            }

            if (!FieldSyntax.IsToken(Encoding.Latin1.GetBytes(name)) || value.AsSpan().ContainsAny("\r\n\0"))
            {
                throw new FormatException($"'{name}' is not a field name, or its value has line ends (RFC 9110 §5).");
            }

            text.Append(name).Append(": ").Append(value).Append("\r\n");
        }

        text.Append("\r\n");
    }
}
