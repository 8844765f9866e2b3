using System.Text.Json;
using RelayCore.Core.Flows;

namespace RelayCore.Engine.Capture;

/// <summary>What actors said of a flow, read from its record.</summary>
internal sealed class ContextContents
{
    public ContextContents(ReadOnlySpan<byte> section)
    {
        if (section.IsEmpty)
        {
            return;
        }

        var reader = new RecordReader(section);
        Tags = reader.Texts();
        for (var count = (int)reader.Number(); count > 0; count--)
        {
            var name = reader.Text() ?? "";
            Variables[name] = reader.Text() ?? "";
        }

        (Rules, Marker, Comment) = (reader.Texts(), reader.Text(), reader.Text());
    }

    public string[] Tags { get; } = [];

    public Dictionary<string, string> Variables { get; } = new(StringComparer.Ordinal);

    public string[] Rules { get; } = [];

    public string? Marker { get; }

    public string? Comment { get; }

    /// <summary>What rules did; <see langword="null"/> when none was considered.</summary>
    public static RuleTrace? ReadTrace(ReadOnlySpan<byte> section)
    {
        try
        {
            return section.IsEmpty ? null : JsonSerializer.Deserialize(section, FlowJson.Default.RuleTrace);
        }
        catch (JsonException)
        {
            return null; // the rest of the flow can still be shown
        }
    }
}
