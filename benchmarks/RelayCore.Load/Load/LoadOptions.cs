using System.Net;

namespace RelayCore.Load.Load;

/// <summary>How a request reaches its origin.</summary>
internal enum Route
{
    /// <summary>Absolute-form request to a forward proxy (RFC 9112 §3.2.2); http only.</summary>
    Forward,

    /// <summary>CONNECT through a forward proxy, then origin-form inside, under TLS for https.</summary>
    Connect,

    /// <summary>Origin-form directly to an origin or a reverse proxy, under TLS for https.</summary>
    Straight,
}

/// <summary>What is spoken on each connection.</summary>
internal enum LoadProtocol
{
    /// <summary>HTTP/1.1, one request at a time.</summary>
    Http1,

    /// <summary>HTTP/2 by ALPN, or with prior knowledge on http URLs; a number of requests at once.</summary>
    Http2,

    /// <summary>A WebSocket opened over HTTP/1.1: a text message goes out when the one before has come back.</summary>
    WebSocket,
}

/// <summary>One run of the generator.</summary>
internal sealed record LoadOptions
{
    public required Route Route { get; init; }

    /// <summary>Where connections go: the proxy, or the server itself for <see cref="Route.Straight"/>.</summary>
    public required IPEndPoint Via { get; init; }

    /// <summary>What is asked for; names the authority of CONNECT and Host.</summary>
    public required Uri Url { get; init; }

    /// <summary>PEM file of the only CA to trust; <see langword="null"/> accepts any certificate.</summary>
    public string? CaFile { get; init; }

    public LoadProtocol Protocol { get; init; }

    public int Connections { get; init; } = 100;

    /// <summary>Requests in flight on each connection, for <see cref="LoadProtocol.Http2"/>; fewer when the peer allows fewer.</summary>
    public int Streams { get; init; } = 32;

    /// <summary>Octets of each message, for <see cref="LoadProtocol.WebSocket"/>; at least 16.</summary>
    public int MessageOctets { get; init; } = 64;

    /// <summary>A new connection, and for https a full handshake, for each request.</summary>
    public bool NewConnections { get; init; }

    /// <summary>Octets of request body; 0 sends GET, otherwise POST with Content-Length.</summary>
    public long UploadOctets { get; init; }

    /// <summary>Content octets a response must have; -1 accepts any number.</summary>
    public long ExpectOctets { get; init; } = -1;

    /// <summary>Requests a second in all, sent on schedule; 0 is a closed loop, each connection sending as soon as it was answered.</summary>
    public double Rate { get; init; }

    public TimeSpan WarmUp { get; init; } = TimeSpan.FromSeconds(2);

    public TimeSpan Duration { get; init; } = TimeSpan.FromSeconds(8);

    /// <summary>Stop after this many requests instead of after <see cref="Duration"/>, which is then a time limit; 0 for no such number.</summary>
    public long Requests { get; init; }

    /// <summary>The run ends early when more requests than these failed.</summary>
    public long MostErrors { get; init; } = long.MaxValue;

    /// <summary>Root of the process tree whose CPU and memory are accounted; <see langword="null"/> for none.</summary>
    public int? Pid { get; init; }

    /// <summary>Receive buffer of one connection, in octets; heads must fit.</summary>
    public int BufferOctets { get; init; } = 64 * 1024;

    public static LoadOptions From(Arguments arguments)
    {
        var requests = arguments.Integer("--requests", 0);
        var options = new LoadOptions
        {
            Route = arguments.RequiredText("--route") switch
            {
                "forward" => Route.Forward,
                "connect" => Route.Connect,
                "straight" => Route.Straight,
                var other => throw new UsageException($"--route is forward, connect or straight, not '{other}'."),
            },
            Via = IPEndPoint.TryParse(arguments.RequiredText("--via"), out var via) && via.Port > 0
                ? via
                : throw new UsageException("--via must be ADDRESS:PORT, with a numeric address."),
            Url = Uri.TryCreate(arguments.RequiredText("--url"), UriKind.Absolute, out var url) && url.Scheme is "http" or "https"
                ? url!
                : throw new UsageException("--url must be an absolute http or https URL."),
            CaFile = arguments.Text("--ca"),
            Protocol = arguments.Text("--protocol") switch
            {
                null or "http1" => LoadProtocol.Http1,
                "http2" => LoadProtocol.Http2,
                "websocket" => LoadProtocol.WebSocket,
                var other => throw new UsageException($"--protocol is http1, http2 or websocket, not '{other}'."),
            },
            Streams = (int)arguments.Integer("--streams", 32, smallest: 1),
            MessageOctets = (int)arguments.Integer("--message", 64, smallest: WebSocketConnection.SmallestMessageOctets),
            Connections = (int)arguments.Integer("--connections", 100, smallest: 1),
            NewConnections = arguments.Flag("--new-connections"),
            UploadOctets = arguments.Integer("--upload", 0),
            ExpectOctets = arguments.Integer("--expect", -1),
            Rate = arguments.Number("--rate", 0),
            WarmUp = TimeSpan.FromSeconds(arguments.Number("--warmup", requests > 0 ? 0 : 2)),
            Duration = TimeSpan.FromSeconds(arguments.Number("--seconds", requests > 0 ? 600 : 8)),
            Requests = requests,
            MostErrors = arguments.Integer("--most-errors", long.MaxValue),
            Pid = arguments.Integer("--pid", 0) is > 0 and var pid ? (int)pid : null,
        };
        return options switch
        {
            { Route: Route.Forward, Url.Scheme: "https" } => throw new UsageException("--route forward is for http URLs; https goes by --route connect."),
            { Protocol: not LoadProtocol.Http1 } when options is not { Rate: 0, UploadOctets: 0, NewConnections: false } =>
                throw new UsageException("--rate, --upload and --new-connections are for --protocol http1."),
            { Protocol: not LoadProtocol.Http1, Route: Route.Forward } =>
                throw new UsageException("--protocol http2 and websocket go by --route connect or straight."),
            { MessageOctets: > WebSocketConnection.LargestMessageOctets } =>
                throw new UsageException($"--message is at most {WebSocketConnection.LargestMessageOctets}."),
            { Requests: > 0, Rate: > 0 } => throw new UsageException("--requests and --rate exclude each other."),
            { CaFile: not null } when !File.Exists(options.CaFile) => throw new UsageException($"--ca: there is no file {options.CaFile}."),
            _ => options,
        };
    }
}
