namespace RelayCore.Rules.Documents;

/// <content>The keywords of JSON Schema.</content>
internal sealed partial class SchemaWriter
{
    private void Simple(string name, string type, string description, string? otherwise = null)
    {
        Begin(name);
        Say("type", type);
        Say("description", description);
        if (otherwise is not null)
        {
            Raw("default", otherwise);
        }

        End();
    }

    private void AnyRequired(params string[] names)
    {
        writer.WriteStartArray("anyOf");
        foreach (var name in names)
        {
            writer.WriteStartObject();
            Strings("required", [name]);
            writer.WriteEndObject();
        }

        writer.WriteEndArray();
    }

    private void ReferenceOr(string name, bool orNull)
    {
        if (!orNull)
        {
            Reference(name);
            return;
        }

        writer.WriteStartArray("anyOf");
        writer.WriteStartObject();
        Reference(name);
        writer.WriteEndObject();
        writer.WriteStartObject();
        Say("type", "null");
        writer.WriteEndObject();
        writer.WriteEndArray();
    }

    private void Type(string name, bool orNull)
    {
        if (orNull)
        {
            Strings("type", [name, "null"]);
        }
        else
        {
            Say("type", name);
        }
    }

    private void Strings(string name, IEnumerable<string> values)
    {
        writer.WriteStartArray(name);
        foreach (var value in values)
        {
            writer.WriteStringValue(value);
        }

        writer.WriteEndArray();
    }

    private void Number(string name, double? value)
    {
        if (value is { } number)
        {
            writer.WriteNumber(name, number);
        }
    }

    private void Raw(string name, string json)
    {
        writer.WritePropertyName(name);
        writer.WriteRawValue(json);
    }

    private void Say(string name, string text) => writer.WriteString(name, text);

    private void Reference(string name) => writer.WriteString("$ref", $"#/$defs/{name}");

    private void Closed() => writer.WriteBoolean("additionalProperties", false);

    private void Begin(string name) => writer.WriteStartObject(name);

    private void End() => writer.WriteEndObject();
}
