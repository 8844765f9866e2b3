using System.Text.Json.Serialization;

namespace RelayCore.Core.Flows;

/// <summary>
/// One flow as everybody outside the engine sees it: API, events, scripts, recordings. Immutable; made on demand from what the capture
/// keeps. Contract: model §1, extended by addition. Unknown is absent, never 0.
/// </summary>
public sealed record Flow
{
    /// <summary>UUIDv7, lower case.</summary>
    public required string Id { get; init; }

    /// <summary>When it began; RFC 3339 UTC with microseconds.</summary>
    public required string StartTime { get; init; }

    /// <summary>When the last octet was delivered or it failed; <see langword="null"/> while it runs.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public string? EndTime { get; init; }

    /// <summary>Who talked to whom.</summary>
    public required FlowNetwork Network { get; init; }

    /// <summary>What was said.</summary>
    public required FlowLayer Layer { get; init; }

    /// <summary>Tags actors set.</summary>
    public IReadOnlyList<string> Tags { get; init; } = [];

    /// <summary>Retries and their causes; absent when there was none.</summary>
    public ResilienceTrace? ResilienceTrace { get; init; }

    /// <summary>Variables rules set; absent when there are none.</summary>
    public IReadOnlyDictionary<string, string>? RuleVariables { get; init; }

    /// <summary>Ids of rules that matched; absent when there are none.</summary>
    public IReadOnlyList<string>? MatchedRules { get; init; }

    /// <summary>What rules did; absent when none was considered.</summary>
    public RuleTrace? RuleTrace { get; init; }

    /// <summary>Marker in lists; absent without.</summary>
    public string? Marker { get; init; }

    /// <summary>Comment; absent without.</summary>
    public string? Comment { get; init; }

    /// <summary>Why it ended; absent while it runs.</summary>
    public FlowCloseReason? CloseReason { get; init; }

    /// <summary>What it is.</summary>
    public required FlowKind Kind { get; init; }

    /// <summary>The flow it is inside of, a CONNECT or an upgrade.</summary>
    public string? ParentId { get; init; }

    /// <summary>HTTP/2 stream towards the client; absent for HTTP/1.</summary>
    public long? StreamId { get; init; }

    /// <summary>HTTP/2 stream towards the server; absent for HTTP/1.</summary>
    public long? ServerStreamId { get; init; }

    /// <summary>Protocols from the outside in: <c>tcp</c>, <c>tls</c>, <c>http/1.1</c>.</summary>
    public IReadOnlyList<string> ProtocolStack { get; init; } = [];

    /// <summary>Both connections.</summary>
    public required FlowConnections Connection { get; init; }

    /// <summary>Microseconds since the start by the name of the point: <c>request_head</c>, <c>response_end</c>, …. Unknown points are absent.</summary>
    public IReadOnlyDictionary<string, long> Timings { get; init; } = new Dictionary<string, long>();

    /// <summary>Octets on the wire.</summary>
    public required FlowOctets Octets { get; init; }

    /// <summary>Whether something of a body or head is missing from the capture; then it is never to be taken for the whole.</summary>
    public bool Truncated { get; init; }

    /// <summary>Names of <see cref="FlowMarks"/>, snake_case.</summary>
    public IReadOnlyList<string> Marks { get; init; } = [];

    /// <summary>What was repaired in heads, snake_case names; absent when nothing was.</summary>
    public FlowRepairs? Repairs { get; init; }

    /// <summary>Changes actors made, in order; absent when there are none.</summary>
    public IReadOnlyList<FlowMutation>? Mutations { get; init; }
}

/// <summary>Addresses (model §1.1).</summary>
public sealed record FlowNetwork
{
    /// <summary>Address of the client.</summary>
    public required string ClientIp { get; init; }

    /// <summary>Port of the client.</summary>
    public required int ClientPort { get; init; }

    /// <summary>Address of the server; <c>0.0.0.0</c> when there was no connection.</summary>
    public required string ServerIp { get; init; }

    /// <summary>Port of the server; 0 when there was no connection.</summary>
    public required int ServerPort { get; init; }

    /// <summary><c>host:port</c> that was asked for.</summary>
    public string? ServerHost { get; init; }

    /// <summary><c>TCP</c>.</summary>
    public string Protocol { get; init; } = "TCP";

    /// <summary>Whether the client spoke TLS to us.</summary>
    public required bool Tls { get; init; }

    /// <summary>Version negotiated with the client, e.g. <c>TLSv1.3</c>.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public string? TlsVersion { get; init; }

    /// <summary>Server name the client asked for.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public string? Sni { get; init; }
}

/// <summary>Why a flow ended (model §4).</summary>
/// <param name="Reason">snake_case name of <see cref="Flows.CloseReason"/>.</param>
/// <param name="Kind">Which time-out.</param>
/// <param name="Detail">One line for a person.</param>
public sealed record FlowCloseReason(string Reason, string? Kind = null, string? Detail = null);

/// <summary>Retries (model §1).</summary>
/// <param name="RetryCount">How often the request was sent again.</param>
/// <param name="CircuitOpen">Whether a circuit breaker was open.</param>
/// <param name="BudgetExceeded">Whether the retry budget was used up.</param>
/// <param name="UpstreamErrors">What failed.</param>
public sealed record ResilienceTrace(int RetryCount, bool CircuitOpen, bool BudgetExceeded, IReadOnlyList<string> UpstreamErrors);

/// <summary>Octets on the wire; bodies without transfer coding.</summary>
public sealed record FlowOctets
{
    /// <summary>Request head as received.</summary>
    public long? RequestHead { get; init; }

    /// <summary>Request body as received, or from the client in a tunnel.</summary>
    public required long RequestBody { get; init; }

    /// <summary>Response head as received.</summary>
    public long? ResponseHead { get; init; }

    /// <summary>Response body as received, or from the server in a tunnel.</summary>
    public required long ResponseBody { get; init; }
}

/// <summary>Repairs by message.</summary>
/// <param name="Request">Of the request.</param>
/// <param name="Response">Of the response.</param>
public sealed record FlowRepairs(IReadOnlyList<string> Request, IReadOnlyList<string> Response);

/// <summary>A change, as shown.</summary>
/// <param name="Actor">Who.</param>
/// <param name="Stage">When, snake_case.</param>
/// <param name="Target">What.</param>
/// <param name="Before">Before; <see langword="null"/> when it did not exist.</param>
/// <param name="After">After; <see langword="null"/> when it was removed.</param>
/// <param name="AtUs">Microseconds since the start.</param>
public sealed record FlowMutation(
    string Actor,
    string Stage,
    string Target,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.Never)] string? Before,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.Never)] string? After,
    long AtUs);

/// <summary>What went wrong, with what to do about it.</summary>
public sealed record FlowError
{
    /// <summary>Stable code.</summary>
    public required string Code { get; init; }

    /// <summary>How far the flow got, snake_case.</summary>
    public required string Stage { get; init; }

    /// <summary>Class of failure, snake_case.</summary>
    public required string Kind { get; init; }

    /// <summary><c>client</c>, <c>server</c>, or <see langword="null"/>.</summary>
    public string? Blame { get; init; }

    /// <summary>A few words.</summary>
    public string? Title { get; init; }

    /// <summary>One line for a person.</summary>
    public required string Detail { get; init; }

    /// <summary>Whether sending it again may help.</summary>
    public bool Retryable { get; init; }

    /// <summary>Octets around the fault, hex.</summary>
    public string? Octets { get; init; }

    /// <summary>Offset within <see cref="Octets"/> of the octet at fault.</summary>
    public int? OctetsOffset { get; init; }

    /// <summary>Certificates the server presented, leaf first.</summary>
    public IReadOnlyList<string>? CertificateChain { get; init; }

    /// <summary>The clause it rests on.</summary>
    public string? Clause { get; init; }

    /// <summary>What to do, most likely first.</summary>
    public IReadOnlyList<string> NextSteps { get; init; } = [];
}
