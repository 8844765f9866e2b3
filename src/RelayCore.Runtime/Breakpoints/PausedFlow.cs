using System.Text.Json.Serialization;

namespace RelayCore.Runtime.Breakpoints;

/// <summary>A flow that waits for a person (reference: http-api §5, extended by addition).</summary>
public sealed record PausedFlow
{
    /// <summary>Key to resume it with.</summary>
    public required string Key { get; init; }

    /// <summary>The flow.</summary>
    public required string FlowId { get; init; }

    /// <summary>Where it waits: <c>request_headers</c>, <c>request_body</c>, <c>response_headers</c>, <c>response_body</c>, <c>ws_message</c>, ….</summary>
    public required string Phase { get; init; }

    /// <summary>URL of the request, or <c>host:port</c>.</summary>
    public required string Url { get; init; }

    /// <summary>Method of the request.</summary>
    public required string Method { get; init; }

    /// <summary>Since when, milliseconds since 1970 UTC.</summary>
    public required long CreatedAtMs { get; init; }

    /// <summary>When it goes on by itself.</summary>
    public long? ExpiresAtMs { get; init; }

    /// <summary>The rule that pauses it.</summary>
    public string? RuleId { get; init; }

    /// <summary>Status of the response, at a response.</summary>
    public int? Status { get; init; }

    /// <summary>Field lines of the message it is paused at, as <c>[name, value]</c>.</summary>
    public IReadOnlyList<string[]>? Headers { get; init; }

    /// <summary>Content of the body or message it is paused at; absent at heads.</summary>
    public PausedContent? Content { get; init; }

    /// <summary><c>ClientToServer</c> or <c>ServerToClient</c>, at a message.</summary>
    public string? Direction { get; init; }
}

/// <summary>Content, decoded.</summary>
/// <param name="Encoding"><c>utf-8</c> or <c>base64</c>.</param>
/// <param name="Content">The content, at most 16 KiB of it.</param>
/// <param name="Size">Octets of the whole.</param>
/// <param name="Truncated">Whether it is cut here.</param>
public sealed record PausedContent(string Encoding, string Content, long Size, bool Truncated);

/// <summary>Data of the event <c>intercept-resolved</c>.</summary>
/// <param name="Key">Key of the pause.</param>
/// <param name="FlowId">The flow.</param>
/// <param name="Phase">Where it waited.</param>
/// <param name="Action"><c>continue</c>, <c>drop</c>, <c>respond</c>, <c>timeout</c> or <c>cancelled</c>.</param>
/// <param name="Mutated">Whether something was changed.</param>
/// <param name="ModifiedFields">What.</param>
public sealed record InterceptResolved(string Key, string FlowId, string Phase, string Action, bool Mutated, IReadOnlyList<string> ModifiedFields);

/// <summary>Answer of <c>GET /intercepts</c>.</summary>
/// <param name="PendingCount">Exchanges that wait.</param>
/// <param name="WsPendingCount">Messages that wait.</param>
/// <param name="Items">All of them, the longest first.</param>
public sealed record PausedFlows(int PendingCount, int WsPendingCount, IReadOnlyList<PausedFlow> Items)
{
    /// <summary>Counts.</summary>
    public static PausedFlows Of(IReadOnlyList<PausedFlow> items)
    {
        var messages = items.Count(x => x.Direction is not null);
        return new(items.Count - messages, messages, items);
    }
}

/// <summary>JSON of breakpoints: snake_case.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(PausedFlow))]
[JsonSerializable(typeof(PausedFlows))]
[JsonSerializable(typeof(InterceptResolved))]
public sealed partial class BreakpointJson : JsonSerializerContext;
