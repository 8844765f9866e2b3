using System.Text.Json.Serialization;

namespace RelayCore.Core.Flows;

/// <summary>
/// A message as shown (model §1.2, extended by addition): of a WebSocket, an event stream, a stream of JSON lines or gRPC. As it left the
/// proxy; <see cref="Received"/> has what an actor changed.
/// </summary>
public sealed record FlowMessage
{
    /// <summary>Id of the flow and <see cref="Number"/>, joined by a colon; the same message always has the same.</summary>
    public required string Id { get; init; }

    /// <summary>Position in the flow, from 1; a gap where one could not be kept.</summary>
    public required long Number { get; init; }

    /// <summary>When its last octet arrived; RFC 3339 UTC with microseconds.</summary>
    public required string Timestamp { get; init; }

    /// <summary><c>ClientToServer</c> or <c>ServerToClient</c>.</summary>
    public required string Direction { get; init; }

    /// <summary><c>Text</c>, <c>Binary</c>, <c>Ping</c>, <c>Pong</c>, <c>Close</c>; <c>Event</c>, <c>Line</c>, <c>GrpcMessage</c>.</summary>
    public required string Opcode { get; init; }

    /// <summary>Content, decompressed. Of an event the data field; a close has encoding <c>none</c>.</summary>
    public required FlowBody Content { get; init; }

    /// <summary>Octets on the wire as received, framing included; 0 when injected.</summary>
    public required long WireSize { get; init; }

    /// <summary>Code of a close; 1005 for a close without one.</summary>
    public int? CloseCode { get; init; }

    /// <summary>Reason of a close.</summary>
    public string? CloseReason { get; init; }

    /// <summary>Fields of an event beside its data; absent when it has none.</summary>
    public FlowEventFields? Event { get; init; }

    /// <summary>Whether an actor put it there.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public bool Injected { get; init; }

    /// <summary>Whether it went no further.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public bool Dropped { get; init; }

    /// <summary>Whether an actor changed it.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public bool Changed { get; init; }

    /// <summary>Whether it was compressed as received.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public bool Compressed { get; init; }

    /// <summary>Whether its session ended before it was complete.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public bool Incomplete { get; init; }

    /// <summary>As received; absent when nobody changed it.</summary>
    public FlowMessageView? Received { get; init; }
}

/// <summary>A message as received, when it left otherwise.</summary>
public sealed record FlowMessageView
{
    /// <summary>What it was.</summary>
    public required string Opcode { get; init; }

    /// <summary>Content, decompressed.</summary>
    public required FlowBody Content { get; init; }

    /// <summary>Code of a close.</summary>
    public int? CloseCode { get; init; }

    /// <summary>Reason of a close.</summary>
    public string? CloseReason { get; init; }

    /// <summary>Fields of an event.</summary>
    public FlowEventFields? Event { get; init; }
}

/// <summary>Fields of a server-sent event beside its data; absent ones were not sent.</summary>
/// <param name="Id">Its id.</param>
/// <param name="Event">Its name.</param>
/// <param name="Retry">Reconnection time, milliseconds.</param>
public sealed record FlowEventFields(string? Id, string? Event, long? Retry);
