using System.Text.Json;
using System.Text.RegularExpressions;

namespace RelayCore.Runtime.Rules;

/// <summary>Rules made from a few words (reference: rules §8).</summary>
public sealed partial class RuleService
{
    private static readonly (string Phase, string[] Stages)[] s_phases =
    [
        ("request", ["RequestHeaders"]), ("response", ["ResponseHeaders"]), ("both", ["RequestHeaders", "ResponseHeaders"]),
        ("request_body", ["RequestBody"]), ("response_body", ["ResponseBody"]), ("ws_message", ["WebSocketMessage"]),
    ];

    /// <summary>Phases a breakpoint may be set at.</summary>
    public static IReadOnlyList<string> Phases { get; } = [.. s_phases.Select(x => x.Phase)];

    /// <summary>Answers requests of a URL: stage RequestHeaders, priority 200, Stop.</summary>
    /// <param name="urlPattern">A regex that the URL is searched for, or a part of it when it is no regex.</param>
    /// <param name="status">Status of the answer.</param>
    /// <param name="body">Its content.</param>
    /// <param name="contentType">Its Content-Type.</param>
    public RuleUpdate Mock(string urlPattern, int status, string body, string contentType)
    {
        var id = $"api-mock-{Guid.NewGuid()}";
        return Upsert(Json(writer =>
        {
            WriteHead(writer, id, $"mock {urlPattern}", "RequestHeaders", 200, urlPattern);
            writer.WriteStartArray("actions");
            writer.WriteStartObject();
            writer.WriteString("type", "MockResponse");
            writer.WriteStartObject("config");
            writer.WriteNumber("status", status);
            writer.WriteStartObject("headers");
            writer.WriteString("Content-Type", contentType);
            writer.WriteEndObject();
            writer.WriteStartObject("body");
            writer.WriteString("type", "Text");
            writer.WriteString("value", body);
            writer.WriteEndObject();
            writer.WriteEndObject();
            writer.WriteEndObject();
            writer.WriteEndArray();
        }));
    }

    /// <summary>Pauses flows of a URL until a person decides: priority 100, Stop.</summary>
    /// <param name="urlPattern">A regex that the URL is searched for, or a part of it when it is no regex.</param>
    /// <param name="phase">One of <see cref="Phases"/>.</param>
    /// <param name="timeoutMilliseconds">After which it goes on; <see langword="null"/> for the action's own default.</param>
    /// <returns><see cref="RuleOutcome.Invalid"/> naming the phases for an unknown one.</returns>
    public RuleUpdate Intercept(string urlPattern, string phase, long? timeoutMilliseconds = null)
    {
        var stages = Array.Find(s_phases, x => x.Phase == phase).Stages;
        if (stages is null)
        {
            return new(RuleOutcome.Invalid, $"There is no phase '{phase}'; there are {string.Join(", ", Phases)}.", new());
        }

        var id = $"api-intercept-{Guid.NewGuid()}";
        var rules = stages.Select((stage, i) => Json(writer =>
        {
            WriteHead(writer, stages.Length == 1 ? id : $"{id}-{i}", $"breakpoint {urlPattern}", stage, 100, urlPattern);
            writer.WriteStartArray("actions");
            writer.WriteStartObject();
            writer.WriteString("type", "Inspect");
            if (timeoutMilliseconds is { } timeout)
            {
                writer.WriteStartObject("config");
                writer.WriteNumber("timeout_ms", timeout);
                writer.WriteEndObject();
            }

            writer.WriteEndObject();
            writer.WriteEndArray();
        }));
        return Upsert($"[{string.Join(',', rules)}]");
    }

    private static string Json(Action<Utf8JsonWriter> members)
    {
        using var buffer = new MemoryStream();
        using (var writer = new Utf8JsonWriter(buffer))
        {
            writer.WriteStartObject();
            members(writer);
            writer.WriteEndObject();
        }

        return System.Text.Encoding.UTF8.GetString(buffer.GetBuffer(), 0, (int)buffer.Length);
    }

    private static void WriteHead(Utf8JsonWriter writer, string id, string name, string stage, int priority, string urlPattern)
    {
        writer.WriteString("id", id);
        writer.WriteString("name", name);
        writer.WriteBoolean("active", true);
        writer.WriteString("stage", stage);
        writer.WriteNumber("priority", priority);
        writer.WriteString("termination", "Stop");
        writer.WriteStartObject("filter");
        writer.WriteString("type", "Url");
        writer.WriteStartObject("config");
        writer.WriteString("mode", IsRegex(urlPattern) ? "Regex" : "Contains");
        writer.WriteString("value", urlPattern);
        writer.WriteEndObject();
        writer.WriteEndObject();
    }

    private static bool IsRegex(string pattern)
    {
        try
        {
            _ = new Regex(pattern, RegexOptions.NonBacktracking | RegexOptions.CultureInvariant);
            return true;
        }
        catch (Exception error) when (error is ArgumentException or NotSupportedException)
        {
            return false;
        }
    }
}
