using System.Text.Json.Serialization;

namespace RelayCore.Load.Load;

/// <summary>What one run measured. MB are 10^6 octets of content, without heads and framing.</summary>
internal sealed record LoadReport
{
    public required string Route { get; init; }

    /// <summary>Name of a <see cref="LoadProtocol"/>.</summary>
    public string Protocol { get; init; } = nameof(LoadProtocol.Http1);

    public required string Url { get; init; }

    public required int Connections { get; init; }

    /// <summary>Requests in flight on each connection; absent where there is one.</summary>
    public int? Streams { get; init; }

    /// <summary>Length of the measured window.</summary>
    public required double Seconds { get; init; }

    /// <summary>Good responses, or WebSocket messages come back.</summary>
    public required long Requests { get; init; }

    public required double ReqPerSecond { get; init; }

    public required double MbPerSecond { get; init; }

    /// <summary>CPU of the proxy's process tree within the window; absent without --pid, as is whatever derives from it.</summary>
    public double? CpuSeconds { get; init; }

    public double? CoresUsed { get; init; }

    public double? ReqPerCpuSecond { get; init; }

    public double? MbPerCpuSecond { get; init; }

    /// <summary>Percentiles of whole exchanges, from when a request was sent or, at a fixed rate, was due.</summary>
    public required double P50Ms { get; init; }

    public required double P99Ms { get; init; }

    [JsonPropertyName("p999Ms")]
    public required double P999Ms { get; init; }

    public required double MaxMs { get; init; }

    public double? RssBeforeMb { get; init; }

    public double? RssAfterMb { get; init; }

    public double? PeakRssMb { get; init; }

    /// <summary>Connections opened within the window.</summary>
    public required long ConnectionsOpened { get; init; }

    /// <summary>Failed requests of the whole run, warm-up included.</summary>
    public required long Errors { get; init; }

    public required Dictionary<string, long> ErrorsByKind { get; init; }

    public string? FirstError { get; init; }

    /// <summary>At a fixed rate: requests due that no connection was free to send when the run ended.</summary>
    public long? Backlog { get; init; }

    /// <summary>What the generator itself used in the window.</summary>
    public required double GeneratorCpuSeconds { get; init; }

    /// <summary>What the generator itself allocated in the window, in octets.</summary>
    public required long GeneratorAllocatedOctets { get; init; }
}

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(LoadReport))]
[JsonSerializable(typeof(IdleReport))]
internal sealed partial class ReportJson : JsonSerializerContext;
