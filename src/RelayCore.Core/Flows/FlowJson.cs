using System.Text.Json;
using System.Text.Json.Serialization;

namespace RelayCore.Core.Flows;

/// <summary>JSON of the flow model: snake_case, absent instead of null except where the contract says null.</summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    Converters = [typeof(FlowKindConverter)])]
[JsonSerializable(typeof(Flow))]
[JsonSerializable(typeof(HttpLayer))]
[JsonSerializable(typeof(WebSocketLayer))]
[JsonSerializable(typeof(TcpLayer))]
[JsonSerializable(typeof(FlowSummary))]
[JsonSerializable(typeof(FlowPage))]
[JsonSerializable(typeof(RuleTrace))]
[JsonSerializable(typeof(FlowMessage))]
[JsonSerializable(typeof(IReadOnlyList<FlowMessage>))]
public sealed partial class FlowJson : JsonSerializerContext;

/// <summary>Kinds in snake_case.</summary>
internal sealed class FlowKindConverter() : JsonStringEnumConverter<FlowKind>(JsonNamingPolicy.SnakeCaseLower, allowIntegerValues: false);
