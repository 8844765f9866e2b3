using System.Text;

namespace RelayCore.Rules.Documents;

/// <summary>How a filter reads in one line: the name of a rule that has none, the subject of a lint finding.</summary>
internal static class FilterText
{
    private const int Max = 120;

    public static string Of(RuleNode filter)
    {
        var text = new StringBuilder();
        Filter(filter, text);
        return text.Length <= Max ? text.ToString() : string.Concat(text.ToString().AsSpan(0, Max - 1), "…");
    }

    private static void Filter(RuleNode filter, StringBuilder text)
    {
        // Long lists are cut anyway; what nobody sees need not be written.
        if (text.Length > Max)
        {
            return;
        }

        var (type, config) = (filter["type"]?.Text ?? "?", filter["config"]);
        switch (type)
        {
            case "And" or "Or" when config is { Kind: NodeKind.List }:
                text.Append('(');
                foreach (var (i, item) in config.Items.Index())
                {
                    text.Append(i == 0 ? "" : type == "And" ? " and " : " or ");
                    Filter(item, text);
                }

                text.Append(')');
                break;
            case "Not" when config is { Kind: NodeKind.Map }:
                text.Append("not ");
                Filter(config, text);
                break;
            default:
                text.Append(type);
                if (config is { IsNull: false })
                {
                    Config(config, text);
                }

                break;
        }
    }

    private static void Config(RuleNode node, StringBuilder text)
    {
        if (text.Length > Max)
        {
            return;
        }

        switch (node.Kind)
        {
            case NodeKind.Map when node["mode"] is { } mode && node["value"] is { } value:
                text.Append(' ').Append(mode.Text).Append(" \"").Append(value.Text).Append('"');
                break;
            case NodeKind.Map when node["type"] is { Kind: NodeKind.Text }:
                text.Append(' ');
                Filter(node, text);
                break;
            case NodeKind.Map:
                foreach (var (name, value) in node.Members)
                {
                    // The name of a field says more than the word "name".
                    text.Append(name.Text is "name" or "value" ? "" : " " + name.Text);
                    if (name.Text == "name")
                    {
                        text.Append(' ').Append(value.Text);
                    }
                    else if (!value.IsNull)
                    {
                        Config(value, text);
                    }
                }

                break;
            case NodeKind.List:
                foreach (var item in node.Items)
                {
                    Config(item, text);
                }

                break;
            case NodeKind.Text:
                text.Append(" \"").Append(node.Text).Append('"');
                break;
            default:
                text.Append(' ').Append(node.IsNull ? "null" : node.Text);
                break;
        }
    }
}
