using System.Text.Json;
using System.Text.Json.Serialization;
using Microsoft.AspNetCore.Http;
using RelayCore.Engine.Capture;
using RelayCore.Runtime;

namespace RelayCore.Api.Endpoints;

/// <summary><c>GET /version</c> and <c>GET /status</c>.</summary>
internal sealed class StatusEndpoints(RelayCoreHost host, string version)
{
    private static readonly string[] s_capabilities = ["flows", "rules", "intercepts", "mock", "status", "events", "messages"];

    public Task VersionAsync(HttpContext context) =>
        Answer.JsonAsync(context, new VersionAnswer { EngineVersion = version, Capabilities = s_capabilities }, ApiJson.Default.VersionAnswer);

    public Task StatusAsync(HttpContext context) => Answer.JsonAsync(context, Snapshot(), ApiJson.Default.StatusAnswer);

    /// <summary>What <c>GET /status</c> answers now, as JSON.</summary>
    public byte[] SnapshotJson() => JsonSerializer.SerializeToUtf8Bytes(Snapshot(), ApiJson.Default.StatusAnswer);

    private StatusAnswer Snapshot() => new()
    {
        Phase = host.Phase switch { HostPhase.Running => "running", HostPhase.Stopping => "stopping", _ => "stopped" },
        Running = host.Phase == HostPhase.Running,
        Port = host.EndPoints.Count > 0 ? host.EndPoints[0].Port : null,
        Uptime = (long)host.Uptime.TotalSeconds,
        Proxy = [.. host.EndPoints.Select(x => x.ToString())],
        StartedAt = host.StartedAt,
        CaCertificate = host.Authority.CertificatePath,
        DataDirectory = host.Options.DataDirectory,
        EngineVersion = version,
        Connections = Connections(host.Counters),
        Capture = Capture(host.Flows.Statistics),
        LastEvent = host.Events.LastNumber,
    };

    private static ConnectionsAnswer Connections(HostCounters counters) => new()
    {
        Open = counters.ClientConnections,
        Accepted = counters.AcceptedConnections,
        InternalFailures = counters.InternalFailures,
        StuckIoThreads = counters.StuckIoThreads,
    };

    private static CaptureAnswer Capture(CaptureStatistics capture) => new()
    {
        Stored = capture.Live,
        Running = capture.Running,
        Evicted = capture.Evicted,
        Dropped = capture.Dropped,
        Truncated = capture.Truncated,
        MemoryUsed = capture.MemoryUsed,
        MemoryLimit = capture.MemoryLimit,
    };
}

/// <summary>Answer of <c>GET /version</c>.</summary>
internal sealed record VersionAnswer
{
    [JsonPropertyName("engine_version")]
    public required string EngineVersion { get; init; }

    [JsonPropertyName("api_version")]
    public string ApiVersion { get; init; } = "1";

    [JsonPropertyName("capabilities")]
    public required IReadOnlyList<string> Capabilities { get; init; }
}

/// <summary>Answer of <c>GET /status</c>.</summary>
internal sealed record StatusAnswer
{
    [JsonPropertyName("phase")]
    public required string Phase { get; init; }

    [JsonPropertyName("running")]
    public required bool Running { get; init; }

    /// <summary>Port of the first listener.</summary>
    [JsonPropertyName("port")]
    public int? Port { get; init; }

    /// <summary>Seconds.</summary>
    [JsonPropertyName("uptime")]
    public required long Uptime { get; init; }

    [JsonPropertyName("last_error")]
    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public string? LastError { get; init; }

    /// <summary>Every listener, host:port.</summary>
    [JsonPropertyName("proxy")]
    public required IReadOnlyList<string> Proxy { get; init; }

    [JsonPropertyName("started_at")]
    public required DateTimeOffset StartedAt { get; init; }

    [JsonPropertyName("ca_cert")]
    public required string CaCertificate { get; init; }

    [JsonPropertyName("data_dir")]
    public required string DataDirectory { get; init; }

    [JsonPropertyName("engine_version")]
    public required string EngineVersion { get; init; }

    /// <summary>Client connections.</summary>
    [JsonPropertyName("connections")]
    public required ConnectionsAnswer Connections { get; init; }

    /// <summary>Captured flows.</summary>
    [JsonPropertyName("capture")]
    public required CaptureAnswer Capture { get; init; }

    /// <summary>Number of the newest event.</summary>
    [JsonPropertyName("last_event")]
    public required long LastEvent { get; init; }
}

/// <summary>Client connections.</summary>
internal sealed record ConnectionsAnswer
{
    [JsonPropertyName("open")]
    public required int Open { get; init; }

    [JsonPropertyName("accepted")]
    public required long Accepted { get; init; }

    /// <summary>Sessions that ended by a defect of the proxy.</summary>
    [JsonPropertyName("internal_failures")]
    public required long InternalFailures { get; init; }

    public required long StuckIoThreads { get; init; }
}

/// <summary>The capture; nothing goes without being counted here.</summary>
internal sealed record CaptureAnswer
{
    /// <summary>Finished flows that can be read.</summary>
    [JsonPropertyName("stored")]
    public required long Stored { get; init; }

    [JsonPropertyName("running")]
    public required int Running { get; init; }

    /// <summary>Finished flows that had to go for newer ones.</summary>
    [JsonPropertyName("evicted")]
    public required long Evicted { get; init; }

    /// <summary>Flows that could not be stored at all.</summary>
    [JsonPropertyName("dropped")]
    public required long Dropped { get; init; }

    /// <summary>Flows stored with part of a body or head missing.</summary>
    [JsonPropertyName("truncated")]
    public required long Truncated { get; init; }

    /// <summary>Octets.</summary>
    [JsonPropertyName("memory_used")]
    public required long MemoryUsed { get; init; }

    /// <summary>Octets.</summary>
    [JsonPropertyName("memory_limit")]
    public required long MemoryLimit { get; init; }
}
