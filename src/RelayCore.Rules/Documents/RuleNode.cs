namespace RelayCore.Rules.Documents;

/// <summary>What a value of a rule file is.</summary>
public enum NodeKind
{
    /// <summary><c>null</c>.</summary>
    Null,

    /// <summary><c>true</c> or <c>false</c>.</summary>
    Boolean,

    /// <summary>A number; its text as written.</summary>
    Number,

    /// <summary>A string.</summary>
    Text,

    /// <summary>A list.</summary>
    List,

    /// <summary>A mapping; names in the order of the file.</summary>
    Map,
}

/// <summary>A value of a rule file, JSON or YAML alike, with the place it stands at. Immutable.</summary>
/// <param name="Kind">What it is.</param>
/// <param name="Location">Where it stands.</param>
/// <param name="Path">JSON path from the root of its file, e.g. <c>$[0].filter.config.value</c>.</param>
public sealed record RuleNode(NodeKind Kind, SourceLocation Location, string Path)
{
    /// <summary>Text of a scalar: unescaped for a string, as written for a number, <c>true</c> or <c>false</c> for a boolean; empty otherwise.</summary>
    public string Text { get; init; } = "";

    /// <summary>Items of a list.</summary>
    public IReadOnlyList<RuleNode> Items { get; init; } = [];

    /// <summary>Members of a mapping, each name a text node of its own place.</summary>
    public IReadOnlyList<(RuleNode Name, RuleNode Value)> Members { get; init; } = [];

    /// <summary>The member with a name; <see langword="null"/> when there is none.</summary>
    public RuleNode? this[string name]
    {
        get
        {
            foreach (var (key, value) in Members)
            {
                if (key.Text == name)
                {
                    return value;
                }
            }

            return null;
        }
    }

    /// <summary>Whether it is absent in effect.</summary>
    public bool IsNull => Kind == NodeKind.Null;
}

/// <summary>A place in a rule file.</summary>
/// <param name="File">Path as given, or a name for what is no file: <c>API</c>, <c>command line</c>.</param>
/// <param name="Line">1-based.</param>
/// <param name="Column">1-based, in characters.</param>
public readonly record struct SourceLocation(string File, int Line, int Column)
{
    /// <summary><c>file:line:column</c>, as editors and compilers write it.</summary>
    public override string ToString() => string.Create(System.Globalization.CultureInfo.InvariantCulture, $"{File}:{Line}:{Column}");
}
