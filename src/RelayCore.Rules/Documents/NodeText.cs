using System.Buffers;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace RelayCore.Rules.Documents;

/// <summary>Writes nodes as JSON.</summary>
internal static class NodeText
{
    /// <summary>Text people read: only what JSON itself demands is escaped.</summary>
    public static JsonWriterOptions Readable { get; } = new() { Indented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping, NewLine = "\n" };

    /// <summary>One line of JSON.</summary>
    public static string Json(RuleNode node)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var writer = new Utf8JsonWriter(buffer, new JsonWriterOptions { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping }))
        {
            Write(writer, node);
        }

        return Encoding.UTF8.GetString(buffer.WrittenSpan);
    }

    public static void Write(Utf8JsonWriter writer, RuleNode node)
    {
        switch (node.Kind)
        {
            case NodeKind.Map:
                writer.WriteStartObject();
                foreach (var (name, value) in node.Members)
                {
                    writer.WritePropertyName(name.Text);
                    Write(writer, value);
                }

                writer.WriteEndObject();
                break;
            case NodeKind.List:
                writer.WriteStartArray();
                foreach (var item in node.Items)
                {
                    Write(writer, item);
                }

                writer.WriteEndArray();
                break;
            case NodeKind.Number when !node.Text.AsSpan().ContainsAny("iInN"):
                writer.WriteRawValue(node.Text);
                break;
            case NodeKind.Boolean:
                writer.WriteBooleanValue(node.Text == "true");
                break;
            case NodeKind.Null:
                writer.WriteNullValue();
                break;
            default:
                // Infinity and NaN of YAML have no number in JSON; no property takes them either.
                writer.WriteStringValue(node.Text);
                break;
        }
    }
}
