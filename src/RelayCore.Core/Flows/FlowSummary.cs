using System.Text.Json.Serialization;

namespace RelayCore.Core.Flows;

/// <summary>A flow in one line of a list (model §5), extended by addition.</summary>
public sealed record FlowSummary
{
    /// <summary>UUIDv7.</summary>
    public required string Id { get; init; }

    /// <summary>Method; empty for tunnels and connections.</summary>
    public required string Method { get; init; }

    /// <summary>Absolute URL, or <c>host:port</c>.</summary>
    public required string Url { get; init; }

    /// <summary>Host.</summary>
    public required string Host { get; init; }

    /// <summary>Path without query.</summary>
    public required string Path { get; init; }

    /// <summary>Status of the final response; <see langword="null"/> without one.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public int? Status { get; init; }

    /// <summary>From the first octet to the last delivered, milliseconds; <see langword="null"/> while it runs.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public double? DurationMs { get; init; }

    /// <summary>Tags.</summary>
    public IReadOnlyList<string> Tags { get; init; } = [];

    /// <summary>Start, milliseconds since 1970 UTC.</summary>
    public required long StartTimeMs { get; init; }

    /// <summary>Whether it failed or the status is 500 or more.</summary>
    public required bool HasError { get; init; }

    /// <summary>Whether it is a WebSocket.</summary>
    public required bool IsWebsocket { get; init; }

    /// <summary>What it is.</summary>
    public required FlowKind Kind { get; init; }

    /// <summary><c>running</c>, <c>completed</c> or <c>errored</c>.</summary>
    public required string State { get; init; }

    /// <summary>Octets of the request body on the wire.</summary>
    public required long RequestSize { get; init; }

    /// <summary>Octets of the response body on the wire.</summary>
    public required long Size { get; init; }

    /// <summary>Content-Type of the response; absent without.</summary>
    public string? ContentType { get; init; }

    /// <summary>Fault code; absent without.</summary>
    public string? ErrorCode { get; init; }

    /// <summary>Whether the server connection was reused.</summary>
    public required bool ServerReused { get; init; }

    /// <summary>Whether something of it is missing from the capture.</summary>
    public required bool Truncated { get; init; }

    /// <summary>Number of the client's connection.</summary>
    public required long ClientConnection { get; init; }

    /// <summary>Messages there were so far; absent when there were none.</summary>
    public long? MessageCount { get; init; }

    /// <summary>The flow it is inside of.</summary>
    public string? ParentId { get; init; }
}

/// <summary>Which flows are wanted (model §5); everything is optional, and everything given must hold.</summary>
public sealed record FlowQuery
{
    /// <summary>Part of the host, without regard to case.</summary>
    public string? Host { get; init; }

    /// <summary>Part of path and query, without regard to case.</summary>
    public string? PathContains { get; init; }

    /// <summary>Method, without regard to case.</summary>
    public string? Method { get; init; }

    /// <summary>Smallest status.</summary>
    public int? StatusMin { get; init; }

    /// <summary>Largest status.</summary>
    public int? StatusMax { get; init; }

    /// <summary>Failed or status 500 and more; or neither.</summary>
    public bool? HasError { get; init; }

    /// <summary>WebSockets; or none.</summary>
    public bool? IsWebsocket { get; init; }

    /// <summary>How many at most; 1 to 200 after clamping.</summary>
    public int Limit { get; init; } = 50;

    /// <summary>How many to leave out first.</summary>
    public int Offset { get; init; }

    /// <summary>Only flows that began before this one; does not shift as traffic arrives.</summary>
    public FlowId? Cursor { get; init; }
}

/// <summary>One page of a list, newest first.</summary>
public sealed record FlowPage
{
    /// <summary>The flows.</summary>
    public required IReadOnlyList<FlowSummary> Items { get; init; }

    /// <summary>How many there are on this page.</summary>
    public required int Returned { get; init; }

    /// <summary>How many were asked for.</summary>
    public required int Limit { get; init; }

    /// <summary>How many were left out first.</summary>
    public required int Offset { get; init; }

    /// <summary>Cursor of the next page; <see langword="null"/> on the last.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public string? NextCursor { get; init; }

    /// <summary>Finished flows kept at the moment.</summary>
    public required long Stored { get; init; }

    /// <summary>Finished flows that had to go since the start.</summary>
    public required long Evicted { get; init; }

    /// <summary>Flows that could not be stored at all.</summary>
    public required long Dropped { get; init; }
}
