using System.Text.Json.Serialization;

namespace RelayCore.Core.Flows;

/// <summary>A request as shown (model §1.2): as it left the proxy; <see cref="Received"/> has what an actor changed.</summary>
public sealed record FlowRequest
{
    /// <summary>The method.</summary>
    public required string Method { get; init; }

    /// <summary>The absolute URL.</summary>
    public required string Url { get; init; }

    /// <summary><c>HTTP/1.1</c>.</summary>
    public required string Version { get; init; }

    /// <summary>Field lines as <c>[name, value]</c>: order, case and duplicates kept; Latin-1.</summary>
    public IReadOnlyList<string[]> Headers { get; init; } = [];

    /// <summary>Cookies sent.</summary>
    public IReadOnlyList<FlowCookie> Cookies { get; init; } = [];

    /// <summary>Query parameters as <c>[name, value]</c>, percent-decoded.</summary>
    public IReadOnlyList<string[]> Query { get; init; } = [];

    /// <summary>Body; <see langword="null"/> when it has none.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public FlowBody? Body { get; init; }

    /// <summary>Trailer fields; absent when there are none.</summary>
    public IReadOnlyList<string[]>? Trailers { get; init; }

    /// <summary>The request as the client sent it; absent when nobody changed it.</summary>
    public FlowRequest? Received { get; init; }
}

/// <summary>A response as shown: as the client got it; <see cref="Received"/> has what an actor changed.</summary>
public sealed record FlowResponse
{
    /// <summary>Status code.</summary>
    public required int Status { get; init; }

    /// <summary>Status code and reason phrase, e.g. <c>200 OK</c>.</summary>
    public required string StatusText { get; init; }

    /// <summary><c>HTTP/1.1</c>.</summary>
    public required string Version { get; init; }

    /// <summary>Field lines as <c>[name, value]</c>.</summary>
    public IReadOnlyList<string[]> Headers { get; init; } = [];

    /// <summary>Cookies set, one for each Set-Cookie.</summary>
    public IReadOnlyList<FlowCookie> Cookies { get; init; } = [];

    /// <summary>Body; <see langword="null"/> when it has none.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public FlowBody? Body { get; init; }

    /// <summary>Times; absent for interim responses.</summary>
    public FlowTiming? Timing { get; init; }

    /// <summary>Trailer fields; absent when there are none.</summary>
    public IReadOnlyList<string[]>? Trailers { get; init; }

    /// <summary>The response as the server sent it; absent when nobody changed it.</summary>
    public FlowResponse? Received { get; init; }
}

/// <summary>Times of a response in milliseconds since the request began; <see langword="null"/> for unknown.</summary>
/// <param name="TimeToFirstByte">To the response head.</param>
/// <param name="TimeToLastByte">To the last octet received.</param>
/// <param name="ConnectTimeMs">Name look-up and TCP connect; unknown on a reused connection.</param>
/// <param name="SslTimeMs">TLS handshake with the server.</param>
public sealed record FlowTiming(
    [property: JsonIgnore(Condition = JsonIgnoreCondition.Never)] double? TimeToFirstByte,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.Never)] double? TimeToLastByte,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.Never)] double? ConnectTimeMs,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.Never)] double? SslTimeMs);

/// <summary>A cookie (model §1.2).</summary>
public sealed record FlowCookie
{
    /// <summary>Name.</summary>
    public required string Name { get; init; }

    /// <summary>Value.</summary>
    public required string Value { get; init; }

    /// <summary>Path attribute.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public string? Path { get; init; }

    /// <summary>Domain attribute.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public string? Domain { get; init; }

    /// <summary>Expires attribute as it came.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public string? Expires { get; init; }

    /// <summary>HttpOnly attribute.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public bool? HttpOnly { get; init; }

    /// <summary>Secure attribute.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public bool? Secure { get; init; }
}

/// <summary>A body as shown: its content, decoded. The octets as captured are to be had by the body endpoints.</summary>
public sealed record FlowBody
{
    /// <summary><c>utf-8</c> when the content is valid UTF-8, otherwise <c>base64</c>.</summary>
    public required string Encoding { get; init; }

    /// <summary>Content, content codings removed, as text or base64.</summary>
    public required string Content { get; init; }

    /// <summary>Octets of the whole body on the wire, transfer coding removed.</summary>
    public required long Size { get; init; }

    /// <summary>Octets of it that are captured.</summary>
    public required long Captured { get; init; }

    /// <summary>Whether the capture is not the whole body.</summary>
    public bool Truncated { get; init; }

    /// <summary>Value of Content-Encoding; absent without.</summary>
    public string? ContentEncoding { get; init; }

    /// <summary>Why the content is not decoded whole; absent when it is.</summary>
    public string? DecodingProblem { get; init; }

    /// <summary>Whether <see cref="Content"/> was cut for this answer; the body endpoints have the rest.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public bool ContentTruncated { get; init; }
}
