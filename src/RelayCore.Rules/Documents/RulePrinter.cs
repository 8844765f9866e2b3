using System.Buffers;
using System.Text;
using System.Text.Json;

namespace RelayCore.Rules.Documents;

/// <summary>Writes rules as the reference shows them: every field there, defaults written out; what was read from it is the same rule again.</summary>
public static class RulePrinter
{
    /// <summary>A JSON array of rules.</summary>
    public static string Json(IEnumerable<RuleDefinition> rules)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var writer = new Utf8JsonWriter(buffer, NodeText.Readable))
        {
            writer.WriteStartArray();
            foreach (var rule in rules)
            {
                writer.WriteStartObject();
                WriteMembers(writer, rule);
                writer.WriteEndObject();
            }

            writer.WriteEndArray();
        }

        return Encoding.UTF8.GetString(buffer.WrittenSpan) + "\n";
    }

    /// <summary>A YAML list of rules.</summary>
    public static string Yaml(IEnumerable<RuleDefinition> rules) => YamlNodeWriter.Write(new NodeFactory(default).List(rules.Select(Node)));

    /// <summary>Writes the members of one rule into an object that was begun, so that the caller can add its own.</summary>
    public static void WriteMembers(Utf8JsonWriter writer, RuleDefinition rule)
    {
        foreach (var (name, value) in Node(rule).Members)
        {
            writer.WritePropertyName(name.Text);
            NodeText.Write(writer, value);
        }
    }

    /// <summary>The rule as a mapping with all members.</summary>
    internal static RuleNode Node(RuleDefinition rule)
    {
        var make = new NodeFactory(rule.Node.Location);
        return make.Map(
            ("id", make.Text(rule.Id)),
            ("name", make.Text(rule.Name)),
            ("active", make.Boolean(rule.IsActive)),
            ("stage", make.Text(rule.Stage.ToString())),
            ("priority", make.Number(rule.Priority)),
            ("termination", make.Text(rule.Stops ? "Stop" : "Continue")),
            ("filter", rule.Filter),
            ("actions", make.List(rule.Actions)),
            ("constraints", rule.Timeout is { } timeout ? make.Map(("timeout_ms", make.Number((long)timeout.TotalMilliseconds))) : make.Null()));
    }
}
