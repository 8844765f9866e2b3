using System.Globalization;

namespace RelayCore.Rules.Documents;

/// <summary>Makes nodes for what was translated from another form; they stand where the original stands.</summary>
internal sealed class NodeFactory(SourceLocation at)
{
    public RuleNode Text(string text) => new(NodeKind.Text, at, "$") { Text = text };

    public RuleNode Number(long number) => new(NodeKind.Number, at, "$") { Text = number.ToString(CultureInfo.InvariantCulture) };

    public RuleNode Boolean(bool value) => new(NodeKind.Boolean, at, "$") { Text = value ? "true" : "false" };

    public RuleNode Null() => new(NodeKind.Null, at, "$");

    public RuleNode List(params IEnumerable<RuleNode> items) => new(NodeKind.List, at, "$") { Items = [.. items] };

    public RuleNode Map(params IEnumerable<(string Name, RuleNode Value)> members) => new(NodeKind.Map, at, "$") { Members = [.. members.Select(x => (Text(x.Name), x.Value))] };

    /// <summary>A filter or action.</summary>
    public RuleNode Typed(string type, RuleNode? config = null) => config is null ? Map(("type", Text(type))) : Map(("type", Text(type)), ("config", config));

    /// <summary>A matcher.</summary>
    public RuleNode Matcher(string mode, string value) => Map(("mode", Text(mode)), ("value", Text(value)));

    /// <summary>Gives a tree its paths.</summary>
    public static RuleNode Root(RuleNode node, string path) => node with
    {
        Path = path,
        Items = [.. node.Items.Select((x, i) => Root(x, NodeBuilder.Item(path, i)))],
        Members = [.. node.Members.Select(x => (x.Name with { Path = NodeBuilder.Member(path, x.Name.Text) }, Root(x.Value, NodeBuilder.Member(path, x.Name.Text))))],
    };
}
