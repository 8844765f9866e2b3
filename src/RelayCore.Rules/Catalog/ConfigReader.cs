using System.Globalization;
using RelayCore.Rules.Documents;
using RelayCore.Rules.Execution;
using RelayCore.Rules.Filters;
using RelayCore.Rules.Templates;

namespace RelayCore.Rules.Catalog;

/// <summary>
/// Reads the config of one filter or action while it is compiled. Its shape was checked before (names, kinds, ranges, what must be there), so
/// reading needs no checks; what only the type knows is reported by <see cref="Error"/>.
/// </summary>
/// <param name="node">The config; <see langword="null"/> when there is none.</param>
/// <param name="scope">The rule it is part of.</param>
public sealed class ConfigReader(RuleNode? node, CompileScope scope)
{
    private static readonly RuleNode s_nothing = new(NodeKind.Null, new("", 0, 0), "$");

    /// <summary>The rule it is part of.</summary>
    public CompileScope Scope => scope;

    /// <summary>The config itself.</summary>
    public RuleNode Node => node ?? scope.Rule.Node ?? s_nothing;

    /// <summary>A member; the config itself for its own shape's value, by the name <c>config</c>; <see langword="null"/> when absent.</summary>
    public RuleNode? this[string name] => name == "config" && node is not { Kind: NodeKind.Map } ? node : node?[name];

    /// <summary>Whether a member is there and not <c>null</c>.</summary>
    public bool Has(string name) => this[name] is { IsNull: false };

    /// <summary>A string.</summary>
    public string Text(string name, string otherwise = "") => this[name] is { IsNull: false } found ? found.Text : otherwise;

    /// <summary>An integer.</summary>
    public long Integer(string name, long otherwise = 0) =>
        this[name] is { IsNull: false } found ? long.Parse(found.Text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture) : otherwise;

    /// <summary>A number.</summary>
    public double Number(string name, double otherwise = 0) =>
        this[name] is { IsNull: false } found ? double.Parse(found.Text, NumberStyles.Float, CultureInfo.InvariantCulture) : otherwise;

    /// <summary>A boolean.</summary>
    public bool Boolean(string name, bool otherwise = false) => this[name] is { IsNull: false } found ? found.Text == "true" : otherwise;

    /// <summary>A choice, as an enumeration whose members are the choices without underscores.</summary>
    public T Choice<T>(string name, T otherwise)
        where T : struct, Enum =>
        this[name] is { IsNull: false } found ? Enum.Parse<T>(found.Text.Replace("_", "", StringComparison.Ordinal), ignoreCase: true) : otherwise;

    /// <summary>A template; unknown variables in it are reported.</summary>
    public Template Template(string name, string otherwise = "") =>
        this[name] is { IsNull: false } found ? Templates.Template.Parse(found, scope) : Templates.Template.Literal(otherwise);

    /// <summary>A matcher; a bad regex or glob in it is reported.</summary>
    /// <returns><see langword="null"/> when absent, <c>null</c>, or reported.</returns>
    public Matcher? Matcher(string name, bool ignoreCase = false) =>
        this[name] is { IsNull: false } found ? Filters.Matcher.Compile(found, ignoreCase, scope.Problems) : null;

    /// <summary>A matcher of a filter: the groups of a regex become captures of the rule.</summary>
    /// <returns><see langword="null"/> when absent, <c>null</c>, or reported.</returns>
    public Matcher? CapturingMatcher(string name, bool ignoreCase = false) =>
        this[name] is { IsNull: false } found ? Filters.Matcher.Compile(found, ignoreCase, scope.Problems, scope.Captures) : null;

    /// <summary>The config itself as a matcher of a filter.</summary>
    /// <returns><see langword="null"/> when it was reported.</returns>
    public Matcher? CapturingMatcher(bool ignoreCase = false) => Filters.Matcher.Compile(Node, ignoreCase, scope.Problems, scope.Captures);

    /// <summary>Field lines: name and template, in order, names may repeat.</summary>
    public IReadOnlyList<(string Name, Template Value)> Fields(string name)
    {
        var fields = new List<(string, Template)>();
        if (this[name] is { } found)
        {
            foreach (var (key, value) in found.Members)
            {
                fields.Add((key.Text, Templates.Template.Parse(value, scope)));
            }

            foreach (var item in found.Items)
            {
                fields.Add((item.Items[0].Text, Templates.Template.Parse(item.Items[1], scope)));
            }
        }

        return fields;
    }

    /// <summary>Readers of the items of a list of objects.</summary>
    public IEnumerable<ConfigReader> Items(string name) => this[name]?.Items.Select(x => new ConfigReader(x, scope)) ?? [];

    /// <summary>A reader of a member that is an object.</summary>
    public ConfigReader Object(string name) => new(this[name], scope);

    /// <summary>A path: absolute, or from the folder of the rule file.</summary>
    public string FilePath(string name) => Path.GetFullPath(Text(name), scope.BaseDirectory);

    /// <summary>Reports something wrong with a member, or with the config when <paramref name="name"/> is not there.</summary>
    public void Error(string code, string name, string message, string? suggestion = null) => scope.Problems.Error(code, this[name] ?? Node, message, suggestion);
}

/// <summary>The rule that is being compiled.</summary>
/// <param name="Rule">The rule.</param>
/// <param name="Environment">What rules may use.</param>
/// <param name="Problems">Where problems go.</param>
public sealed record CompileScope(RuleDefinition Rule, RuleEnvironment Environment, RuleProblems Problems)
{
    /// <summary>Where the rule runs.</summary>
    public RuleStage Stage => Rule.Stage;

    /// <summary>Folder relative paths start from.</summary>
    public string BaseDirectory => Rule.BaseDirectory.Length > 0 ? Rule.BaseDirectory : System.Environment.CurrentDirectory;

    /// <summary>Names that <c>SetVariable</c> of some rule of the set gives a value, so that templates may use them.</summary>
    public IReadOnlySet<string> Variables { get; init; } = new HashSet<string>();

    /// <summary>Names of the groups of this rule's regexes, which its templates may use.</summary>
    public ISet<string> Captures { get; init; } = new HashSet<string>();

    /// <summary>Whether a template of the rule uses a capture; set by templates, for <see cref="CompiledRule.UsesCaptures"/>.</summary>
    public bool UsesCaptures { get; set; }

    /// <summary>Compiles a nested filter.</summary>
    public Func<RuleNode, Condition?> CompileFilter { get; init; } = static _ => null;
}
