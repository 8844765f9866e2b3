using System.Globalization;

namespace RelayCore.Rules.Documents;

/// <summary>A file that cannot be read further; what is wrong and where.</summary>
internal sealed class RuleFileException(string code, SourceLocation location, string path, string message, string? suggestion = null) : Exception(message)
{
    public RuleProblem Problem { get; } = new(ProblemSeverity.Error, code, location, path, message) { Suggestion = suggestion };
}

/// <summary>Bounds of one file and what both readers of files share. Breach of any: the file is refused with the place.</summary>
internal sealed class NodeBuilder(string file, RuleProblems problems)
{
    /// <summary>Largest file, in octets.</summary>
    public const int MaxOctets = 16 * 1024 * 1024;

    /// <summary>Deepest nesting of lists and mappings.</summary>
    public const int MaxDepth = 64;

    /// <summary>Most values in a file; what an alias repeats counts again.</summary>
    public const int MaxNodes = 100_000;

    private int _nodes;

    public RuleProblems Problems => problems;

    public SourceLocation At(long line, long column) => new(file, (int)Math.Max(1, line), (int)Math.Max(1, column));

    /// <summary>Counts values.</summary>
    public void Count(int nodes, SourceLocation at, string path)
    {
        _nodes += nodes;
        if (_nodes > MaxNodes)
        {
            throw new RuleFileException(RuleCodes.Bound, at, path, $"a rule file has at most {MaxNodes:N0} values", "Split it, or use fewer aliases.");
        }
    }

    /// <summary>Checks the nesting of a list or mapping.</summary>
    public static void CheckDepth(int depth, SourceLocation at, string path)
    {
        if (depth > MaxDepth)
        {
            throw new RuleFileException(RuleCodes.Bound, at, path, $"lists and mappings may be nested at most {MaxDepth} deep");
        }
    }

    /// <summary>Gathers members and reports names that repeat: the second is left out.</summary>
    public bool TryAddMember(List<(RuleNode Name, RuleNode Value)> members, Dictionary<string, RuleNode> seen, RuleNode name, RuleNode value)
    {
        if (seen.TryGetValue(name.Text, out var first))
        {
            problems.Error(
                RuleCodes.DuplicateMember,
                name,
                $"`{name.Text}` is given twice, first at line {first.Location.Line.ToString(CultureInfo.InvariantCulture)}",
                "Remove one; field lines of one name are written as a list of pairs: [[\"Set-Cookie\", \"a=1\"], [\"Set-Cookie\", \"b=2\"]].");
            return false;
        }

        seen.Add(name.Text, name);
        members.Add((name, value));
        return true;
    }

    /// <summary>Path of a member.</summary>
    public static string Member(string path, string name)
    {
        var plain = name.Length > 0 && !char.IsAsciiDigit(name[0]);
        foreach (var c in name)
        {
            plain &= char.IsAsciiLetterOrDigit(c) || c == '_';
        }

        return plain ? $"{path}.{name}" : $"{path}['{name.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("'", "\\'", StringComparison.Ordinal)}']";
    }

    /// <summary>Path of an item.</summary>
    public static string Item(string path, int index) => string.Create(CultureInfo.InvariantCulture, $"{path}[{index}]");
}
