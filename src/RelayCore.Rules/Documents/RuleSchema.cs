using System.Buffers;
using System.Text;
using System.Text.Json;
using RelayCore.Rules.Catalog;

namespace RelayCore.Rules.Documents;

/// <summary>
/// The JSON Schema (draft 2020-12) of rule files, made from the catalog, for editors: what each type takes, its stages, defaults and examples. It knows
/// form only; `rules validate` knows more.
/// </summary>
public static class RuleSchema
{
    /// <summary>Writes it.</summary>
    public static string Write() => Write(KnownTypes.Catalog);

    internal static string Write(KnownTypes types)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var writer = new Utf8JsonWriter(buffer, NodeText.Readable))
        {
            new SchemaWriter(writer, types).Document();
        }

        return Encoding.UTF8.GetString(buffer.WrittenSpan) + "\n";
    }
}
