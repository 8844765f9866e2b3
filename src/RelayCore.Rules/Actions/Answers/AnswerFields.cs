using System.Text;
using RelayCore.Protocols.Fields;
using RelayCore.Rules.Actions.Headers;
using RelayCore.Rules.Catalog;
using RelayCore.Rules.Documents;
using RelayCore.Rules.Execution;

namespace RelayCore.Rules.Actions.Answers;

/// <summary>Field lines of an answer made here, in order. Immutable.</summary>
internal sealed class AnswerFields
{
    private readonly List<(string Name, FieldValue Value)> _fields = [];

    /// <summary>Reads a member: a mapping, or a list of pairs where names repeat.</summary>
    public static AnswerFields Read(ConfigReader config, string member)
    {
        var fields = new AnswerFields();
        foreach (var (name, value) in config[member]?.Members ?? [])
        {
            fields.Add(name, value, config);
        }

        foreach (var item in config[member]?.Items ?? [])
        {
            fields.Add(item.Items[0], item.Items[1], config);
        }

        return fields;
    }

    /// <summary>Whether there is a field of that name.</summary>
    public bool Has(string name) => _fields.Exists(x => x.Name.Equals(name, StringComparison.OrdinalIgnoreCase));

    /// <summary>The lines for a flow.</summary>
    public List<KeyValuePair<string, string>> For(RuleContext context)
    {
        var lines = new List<KeyValuePair<string, string>>(_fields.Count + 1);
        foreach (var (name, value) in _fields)
        {
            lines.Add(new(name, value.For(context)));
        }

        return lines;
    }

    private void Add(RuleNode name, RuleNode value, ConfigReader config)
    {
        var problems = config.Scope.Problems;
        if (!Ascii.IsValid(name.Text) || !FieldSyntax.IsToken(Encoding.ASCII.GetBytes(name.Text)))
        {
            problems.Error("RULE-410", name, $"'{name.Text}' is not a field name: it must be a token (RFC 9110 §5.1).");
            return;
        }

        // Answers are often copied from a recording, so this is no error.
        if (FieldName.Problem(name.Text) is { } problem)
        {
            problems.Warning("RULE-408", name, problem, "It is left out.");
            return;
        }

        _fields.Add((name.Text, FieldValue.Read(value, config.Scope)));
    }
}
