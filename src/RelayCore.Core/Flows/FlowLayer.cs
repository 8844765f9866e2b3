using System.Text.Json;
using System.Text.Json.Serialization;

namespace RelayCore.Core.Flows;

/// <summary>What was said, by protocol (model §1.2); in JSON <c>{"type":…,"data":…}</c>.</summary>
[JsonConverter(typeof(FlowLayerConverter))]
public abstract record FlowLayer
{
    private FlowLayer()
    {
    }

    /// <summary>A request and its response.</summary>
    /// <param name="Data">Both.</param>
    public sealed record Http(HttpLayer Data) : FlowLayer;

    /// <summary>A WebSocket.</summary>
    /// <param name="Data">Handshake and messages.</param>
    public sealed record WebSocket(WebSocketLayer Data) : FlowLayer;

    /// <summary>A raw tunnel, or a connection that carried nothing.</summary>
    /// <param name="Data">Octets both ways.</param>
    public sealed record Tcp(TcpLayer Data) : FlowLayer;

    /// <summary>A layer of a later version, kept as it came.</summary>
    /// <param name="Type">Its name.</param>
    /// <param name="Data">Its data.</param>
    public sealed record Other(string Type, JsonElement Data) : FlowLayer;
}

/// <summary>An HTTP exchange.</summary>
public sealed record HttpLayer
{
    /// <summary>The request as it left the proxy.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public FlowRequest? Request { get; init; }

    /// <summary>The final response as the client got it.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public FlowResponse? Response { get; init; }

    /// <summary>What went wrong.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public FlowError? Error { get; init; }

    /// <summary>Interim responses; absent when there were none.</summary>
    public IReadOnlyList<FlowResponse>? Informational { get; init; }

    /// <summary>Messages of the bodies (events, JSON lines, gRPC), the newest that fit; absent when there were none.</summary>
    public IReadOnlyList<FlowMessage>? Messages { get; init; }

    /// <summary>Messages there were; absent when there were none.</summary>
    public long? MessageCount { get; init; }

    /// <summary>Older messages that are kept but not in <see cref="Messages"/>; absent for none.</summary>
    public long? MessagesOmitted { get; init; }

    /// <summary>Messages that are not kept any more; absent for none.</summary>
    public long? MessagesDropped { get; init; }

    /// <summary>How a gRPC call ended; absent when it said nothing, and for everything else.</summary>
    public FlowGrpc? Grpc { get; init; }
}

/// <summary>How a gRPC call ended: by trailers, by a response that has nothing else, or by the last frame of gRPC-web.</summary>
/// <param name="Status">Code; 0 for OK.</param>
/// <param name="StatusName">Its name, e.g. <c>NOT_FOUND</c>; empty for an unknown code.</param>
/// <param name="Message">Text, percent-decoded; absent for none.</param>
public sealed record FlowGrpc(int Status, string StatusName, string? Message);

/// <summary>A WebSocket.</summary>
public sealed record WebSocketLayer
{
    /// <summary>The upgrade request.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public FlowRequest? HandshakeRequest { get; init; }

    /// <summary>The 101 response; status 0 until there is one.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public FlowResponse? HandshakeResponse { get; init; }

    /// <summary>Messages in order, the newest that fit.</summary>
    public IReadOnlyList<FlowMessage> Messages { get; init; } = [];

    /// <summary>Messages there were.</summary>
    public long MessageCount { get; init; }

    /// <summary>Older messages that are kept but not in <see cref="Messages"/>; absent for none.</summary>
    public long? MessagesOmitted { get; init; }

    /// <summary>Messages that are not kept any more; absent for none.</summary>
    public long? MessagesDropped { get; init; }

    /// <summary>Whether it is over.</summary>
    public required bool Closed { get; init; }

    /// <summary>Who closed it: <c>client</c>, <c>server</c> or <c>proxy</c>; absent while it is open.</summary>
    public string? ClosedBy { get; init; }

    /// <summary>Code it was closed with: 1005 for a close without code, 1006 for a connection that ended without a close; absent while it is open.</summary>
    public int? CloseCode { get; init; }

    /// <summary>Reason it was closed with.</summary>
    public string? CloseReason { get; init; }

    /// <summary>Octets from the client.</summary>
    public required long BytesUp { get; init; }

    /// <summary>Octets from the server.</summary>
    public required long BytesDown { get; init; }

    /// <summary>What went wrong.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public FlowError? Error { get; init; }
}

/// <summary>A tunnel, or a connection that carried nothing.</summary>
public sealed record TcpLayer
{
    /// <summary>Octets from the client.</summary>
    public required long BytesUp { get; init; }

    /// <summary>Octets from the server.</summary>
    public required long BytesDown { get; init; }

    /// <summary>The other end, <c>host:port</c>.</summary>
    public string? Target { get; init; }

    /// <summary>First octets from the client.</summary>
    public FlowBody? Up { get; init; }

    /// <summary>First octets from the server.</summary>
    public FlowBody? Down { get; init; }

    /// <summary>What went wrong.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public FlowError? Error { get; init; }
}

/// <summary>Writes and reads the tagged form of a layer.</summary>
internal sealed class FlowLayerConverter : JsonConverter<FlowLayer>
{
    public override FlowLayer? Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options)
    {
        using var document = JsonDocument.ParseValue(ref reader);
        var root = document.RootElement;
        var type = root.GetProperty("type").GetString() ?? throw new JsonException("The type of a layer is a string.");
        var data = root.GetProperty("data");
        return type switch
        {
            "Http" => new FlowLayer.Http(data.Deserialize(FlowJson.Default.HttpLayer) ?? new()),
            "WebSocket" => new FlowLayer.WebSocket(data.Deserialize(FlowJson.Default.WebSocketLayer) ?? throw new JsonException("A WebSocket layer has data.")),
            "Tcp" => new FlowLayer.Tcp(data.Deserialize(FlowJson.Default.TcpLayer) ?? throw new JsonException("A Tcp layer has data.")),
            _ => new FlowLayer.Other(type, data.Clone()),
        };
    }

    public override void Write(Utf8JsonWriter writer, FlowLayer value, JsonSerializerOptions options)
    {
        writer.WriteStartObject();
        switch (value)
        {
            case FlowLayer.Http http:
                writer.WriteString("type"u8, "Http"u8);
                writer.WritePropertyName("data"u8);
                JsonSerializer.Serialize(writer, http.Data, FlowJson.Default.HttpLayer);
                break;
            case FlowLayer.WebSocket socket:
                writer.WriteString("type"u8, "WebSocket"u8);
                writer.WritePropertyName("data"u8);
                JsonSerializer.Serialize(writer, socket.Data, FlowJson.Default.WebSocketLayer);
                break;
            case FlowLayer.Tcp tcp:
                writer.WriteString("type"u8, "Tcp"u8);
                writer.WritePropertyName("data"u8);
                JsonSerializer.Serialize(writer, tcp.Data, FlowJson.Default.TcpLayer);
                break;
            case FlowLayer.Other other:
                writer.WriteString("type"u8, other.Type);
                writer.WritePropertyName("data"u8);
                other.Data.WriteTo(writer);
                break;
        }

        writer.WriteEndObject();
    }
}
