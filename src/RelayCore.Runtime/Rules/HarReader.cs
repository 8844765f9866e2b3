using System.Text;
using System.Text.Json;

namespace RelayCore.Runtime.Rules;

/// <summary>Reads the exchanges of a HAR 1.2 file, as far as rules look at them.</summary>
public static class HarReader
{
    /// <summary>Largest file, in octets. Breach: it is refused.</summary>
    public const long MaxOctets = 256L * 1024 * 1024;

    /// <summary>Reads a file.</summary>
    /// <exception cref="FormatException">It is no HAR file, or too large; the message is a sentence.</exception>
    /// <exception cref="IOException">It cannot be read.</exception>
    public static IReadOnlyList<DryRunInput> Read(string path)
    {
        using var stream = File.OpenRead(path);
        if (stream.Length > MaxOctets)
        {
            throw new FormatException($"{path} has {stream.Length} octets; a HAR file may have {MaxOctets}.");
        }

        try
        {
            using var document = JsonDocument.Parse(stream, new() { AllowTrailingCommas = true, CommentHandling = JsonCommentHandling.Skip });
            return Object(document.RootElement, "log") is { } log && log.TryGetProperty("entries", out var entries) && entries.ValueKind == JsonValueKind.Array
                ? [.. entries.EnumerateArray().Select((x, i) => Entry(x, $"{path}: log.entries[{i}]"))]
                : throw new FormatException($"{path} is no HAR file: it has no list log.entries.");
        }
        catch (JsonException error)
        {
            throw new FormatException($"{path} is not JSON: {error.Message}", error);
        }
    }

    private static DryRunInput Entry(JsonElement entry, string place)
    {
        if (Object(entry, "request") is not { } request || Text(request, "url") is not { Length: > 0 } url)
        {
            throw new FormatException($"{place} has no request with a url.");
        }

        var response = Object(entry, "response");
        var status = response is { } r && r.TryGetProperty("status", out var number) && number.TryGetInt32(out var code) ? code : 0;
        var notes = new List<string>();
        return new()
        {
            Method = Text(request, "method") ?? "GET",
            Url = url,
            IsHttp2 = Text(request, "httpVersion") is { } version && (version.Contains('2', StringComparison.Ordinal) || version.Equals("h3", StringComparison.OrdinalIgnoreCase)),
            Headers = Lines(request, place),
            Body = Content(Object(request, "postData"), place),
            Response = response is { } found && status is >= 100 and <= 999
                ? new(status, Lines(found, place), ResponseContent(found, place, notes)) { Reason = Text(found, "statusText") }
                : null,
            ServerAddress = Text(entry, "serverIPAddress"),
            Notes = notes,
        };
    }

    private static ReadOnlyMemory<byte> ResponseContent(JsonElement response, string place, List<string> notes)
    {
        var content = Object(response, "content");
        if (content is { } found && !found.TryGetProperty("text", out _) && found.TryGetProperty("size", out var size) && size.TryGetInt64(out var octets) && octets > 0)
        {
            notes.Add($"The file does not hold the content of the response ({octets} octets); rules that look at it see nothing.");
        }

        return Content(content, place);
    }

    private static ReadOnlyMemory<byte> Content(JsonElement? holder, string place)
    {
        if (holder is not { } found || Text(found, "text") is not { } text)
        {
            return default;
        }

        if (Text(found, "encoding") is not "base64")
        {
            return Encoding.UTF8.GetBytes(text);
        }

        var content = new byte[text.Length];
        return Convert.TryFromBase64String(text, content, out var length)
            ? content.AsMemory(0, length)
            : throw new FormatException($"{place} has content that is not base64, as its encoding says.");
    }

    private static List<KeyValuePair<string, string>> Lines(JsonElement message, string place)
    {
        var lines = new List<KeyValuePair<string, string>>();
        if (message.TryGetProperty("headers", out var headers) && headers.ValueKind == JsonValueKind.Array)
        {
            foreach (var header in headers.EnumerateArray())
            {
                var name = Text(header, "name") ?? throw new FormatException($"{place} has a header without name.");

                // Browsers join lines of one name by line ends.
                foreach (var value in (Text(header, "value") ?? "").Split('\n'))
                {
                    lines.Add(new(name, value.Trim('\r', ' ', '\t')));
                }
            }
        }

        return lines;
    }

    private static JsonElement? Object(JsonElement json, string name) =>
        json.ValueKind == JsonValueKind.Object && json.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.Object ? value : null;

    private static string? Text(JsonElement json, string name) =>
        json.ValueKind == JsonValueKind.Object && json.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;
}
