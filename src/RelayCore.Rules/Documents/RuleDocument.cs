using RelayCore.Rules.Catalog;

namespace RelayCore.Rules.Documents;

/// <summary>
/// What rule files say: rules whose form is right, tests, and the files read. Accepted are a list of rules, one rule, <c>{rules: […]}</c>, groups,
/// <c>include</c> (files only), <c>tests</c>, and the old array of breakpoints. At most 10,000 rules; includes at most 8 deep.
/// </summary>
public sealed class RuleDocument
{
    internal RuleDocument(RuleLoader loader) =>
        (Rules, Tests, Files, Folders) = ([.. loader.Rules], [.. loader.Tests], [.. loader.Files], [.. loader.Folders]);

    /// <summary>Rules without errors of form, in the order of the files.</summary>
    public IReadOnlyList<RuleDefinition> Rules { get; }

    /// <summary>The tests, each a mapping with <c>given</c> and <c>expect</c>.</summary>
    public IReadOnlyList<RuleNode> Tests { get; }

    /// <summary>Full paths of all files that were read or should have been, for watching.</summary>
    public IReadOnlyList<string> Files { get; }

    /// <summary>Full paths of the folders in which patterns of <c>include</c> looked for files, for watching.</summary>
    public IReadOnlyList<string> Folders { get; }

    /// <summary>Reads a file and what it includes.</summary>
    /// <param name="path">The file; JSON or YAML.</param>
    /// <param name="problems">Takes everything that is wrong.</param>
    public static RuleDocument Load(string path, RuleProblems problems) => Load([path], problems);

    /// <summary>Reads several files as one set: an id of a later file replaces that of an earlier.</summary>
    /// <param name="paths">The files, in order.</param>
    /// <param name="problems">Takes everything that is wrong.</param>
    public static RuleDocument Load(IEnumerable<string> paths, RuleProblems problems) => Load(paths, problems, KnownTypes.Catalog);

    /// <summary>Reads a text.</summary>
    /// <param name="text">JSON or YAML.</param>
    /// <param name="name">Name for messages.</param>
    /// <param name="problems">Takes everything that is wrong.</param>
    /// <param name="baseDirectory">Folder relative paths start from; <see langword="null"/>: it is no file's text and may not include files.</param>
    public static RuleDocument Parse(string text, string name, RuleProblems problems, string? baseDirectory = null) =>
        FromNodes(RuleFile.Parse(text, name, problems), problems, baseDirectory);

    /// <summary>Takes nodes that were read already.</summary>
    /// <param name="roots">Values as they stand at the root of a file.</param>
    /// <param name="problems">Takes everything that is wrong.</param>
    /// <param name="baseDirectory">Folder relative paths start from; <see langword="null"/>: they are no file's and may not include files.</param>
    public static RuleDocument FromNodes(IReadOnlyList<RuleNode> roots, RuleProblems problems, string? baseDirectory = null) =>
        FromNodes(roots, problems, baseDirectory, KnownTypes.Catalog);

    internal static RuleDocument Load(IEnumerable<string> paths, RuleProblems problems, KnownTypes types)
    {
        var loader = new RuleLoader(types, problems);
        foreach (var path in paths)
        {
            loader.File(path);
        }

        return new(loader);
    }

    internal static RuleDocument FromNodes(IReadOnlyList<RuleNode> roots, RuleProblems problems, string? baseDirectory, KnownTypes types)
    {
        var loader = new RuleLoader(types, problems);
        loader.Roots(roots, baseDirectory);
        return new(loader);
    }
}
