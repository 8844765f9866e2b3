using System.Text;
using System.Text.Json;
using RelayCore.Core.Interception;
using RelayCore.Protocols.Fields;

namespace RelayCore.Runtime.Breakpoints;

/// <summary>Reads the members of a decision. A <see cref="FormatException"/> has a sentence for whoever sent it.</summary>
internal static class ModificationReader
{
    public static string? Text(JsonElement json, string name) =>
        !json.TryGetProperty(name, out var value) || value.ValueKind == JsonValueKind.Null ? null
        : value.ValueKind == JsonValueKind.String ? value.GetString()
        : throw new FormatException($"{name} is a string.");

    public static string? Method(JsonElement json) =>
        Text(json, "method") is not { } method ? null
        : FieldSyntax.IsToken(Encoding.Latin1.GetBytes(method)) ? method
        : throw new FormatException("method is a token, such as POST (RFC 9110 §9.1).");

    public static string? Url(JsonElement json) =>
        Text(json, "url") is not { } url ? null
        : Uri.TryCreate(url, UriKind.Absolute, out var uri) && uri.Scheme is "http" or "https" ? url
        : throw new FormatException("url is an absolute http or https URL.");

    public static int? Status(JsonElement json, string name) =>
        !json.TryGetProperty(name, out var value) || value.ValueKind == JsonValueKind.Null ? null
        : value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out var status) && status is >= 200 and <= 999 ? status
        : throw new FormatException($"{name} is a final status, 200 to 999.");

    /// <summary>Octets by <c>name</c> as text or by <c>name_base64</c>.</summary>
    public static ReadOnlyMemory<byte>? Octets(JsonElement json, string name)
    {
        var (text, base64) = (Text(json, name), Text(json, name + "_base64"));
        if (text is not null && base64 is not null)
        {
            throw new FormatException($"{name} and {name}_base64 are both there; leave one of them out.");
        }

        if (base64 is null)
        {
            return text is null ? default(ReadOnlyMemory<byte>?) : Encoding.UTF8.GetBytes(text); // a bare null would become empty memory
        }

        var octets = new byte[base64.Length];
        return Convert.TryFromBase64String(base64, octets, out var length)
            ? octets.AsMemory(0, length)
            : throw new FormatException($"{name}_base64 is not base64.");
    }

    /// <summary>Edits by <c>prefix + "s"</c>, <c>_upserts</c> and <c>_deletes</c>.</summary>
    public static FieldEdits Edits(JsonElement json, string prefix)
    {
        var edits = new FieldEdits(Lines(json, prefix + "s"), Lines(json, prefix + "_upserts") ?? [], Names(json, prefix + "_deletes"));
        return edits.IsEmpty ? FieldEdits.None : edits;
    }

    public static Verdict.Respond? Respond(JsonElement json)
    {
        if (!json.TryGetProperty("respond", out var respond) || respond.ValueKind == JsonValueKind.Null)
        {
            return null;
        }

        if (respond.ValueKind != JsonValueKind.Object)
        {
            throw new FormatException("respond is an object {status, headers, body}.");
        }

        foreach (var member in respond.EnumerateObject())
        {
            if (member.Name is not ("status" or "headers" or "body" or "body_base64"))
            {
                throw new FormatException($"respond has no '{member.Name}'; it has status, headers, body and body_base64.");
            }
        }

        return new(Status(respond, "status") ?? 200, Lines(respond, "headers") ?? [], Octets(respond, "body") ?? default);
    }

    /// <summary>Field lines: a mapping, or a list of pairs where names repeat.</summary>
    private static List<KeyValuePair<string, string>>? Lines(JsonElement json, string name)
    {
        if (!json.TryGetProperty(name, out var value) || value.ValueKind == JsonValueKind.Null)
        {
            return null;
        }

        var lines = new List<KeyValuePair<string, string>>();
        if (value.ValueKind == JsonValueKind.Object)
        {
            foreach (var member in value.EnumerateObject())
            {
                lines.Add(Line(name, member.Name, member.Value));
            }
        }
        else if (value.ValueKind == JsonValueKind.Array)
        {
            foreach (var item in value.EnumerateArray())
            {
                lines.Add(item.ValueKind == JsonValueKind.Array && item.GetArrayLength() == 2 && item[0].ValueKind == JsonValueKind.String
                    ? Line(name, item[0].GetString()!, item[1])
                    : throw new FormatException($"{name} is a mapping of names to values, or a list of [name, value] pairs."));
            }
        }
        else
        {
            throw new FormatException($"{name} is a mapping of names to values, or a list of [name, value] pairs.");
        }

        return lines;
    }

    private static KeyValuePair<string, string> Line(string member, string name, JsonElement value)
    {
        if (!FieldSyntax.IsToken(Encoding.Latin1.GetBytes(name)))
        {
            throw new FormatException($"{member}: '{name}' is not a field name (RFC 9110 §5.1).");
        }

        if (value.ValueKind != JsonValueKind.String)
        {
            throw new FormatException($"{member}: the value of {name} is a string.");
        }

        var text = value.GetString()!;
        return text.All(static x => x <= '\u00ff') && FieldSyntax.IndexOfInvalidValueOctet(Encoding.Latin1.GetBytes(text)) < 0
            ? new(name, text)
            : throw new FormatException($"{member}: the value of {name} has line ends, control or non-Latin-1 characters (RFC 9110 §5.5).");
    }

    private static List<string> Names(JsonElement json, string name)
    {
        if (!json.TryGetProperty(name, out var value) || value.ValueKind == JsonValueKind.Null)
        {
            return [];
        }

        if (value.ValueKind != JsonValueKind.Array || value.EnumerateArray().Any(x => x.ValueKind != JsonValueKind.String))
        {
            throw new FormatException($"{name} is a list of field names.");
        }

        return [.. value.EnumerateArray().Select(x => x.GetString()!)];
    }
}
