using System.Text.Json.Serialization;
using RelayCore.Load.Load;

namespace RelayCore.Load.Compare;

/// <summary>One measurement of one peer.</summary>
internal sealed record Row(string Workload, string Variant, string Peer, int Round)
{
    /// <summary>Why there is no measurement; then nothing else is set.</summary>
    public string? Failure { get; init; }

    public LoadReport? Load { get; init; }

    public IdleReport? Idle { get; init; }

    public StartFacts? Start { get; init; }

    public MemoryFacts? Memory { get; init; }
}

/// <summary>From process start. MB are 10^6 octets.</summary>
internal sealed record StartFacts(double FirstAnswerMs, double IdleRssMb, double IdlePssMb, double CpuSeconds);

/// <summary>Resident size in octets around some traffic. Peak is within it.</summary>
internal sealed record MemoryFacts(long BeforeOctets, long AfterOctets, long PeakOctets, long Flows, double CpuSeconds)
{
    public double GrowthMib => (PeakOctets - BeforeOctets) / 1048576.0;

    public double KbPerFlow => Flows == 0 ? 0 : (AfterOctets - BeforeOctets) / 1000.0 / Flows;
}

/// <summary>Everything one comparison found.</summary>
internal sealed record Comparison(Dictionary<string, string> Conditions, List<Row> Rows);

[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull, WriteIndented = true)]
[JsonSerializable(typeof(Comparison))]
internal sealed partial class ComparisonJson : JsonSerializerContext;
