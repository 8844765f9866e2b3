using RelayCore.Rules.Documents;

namespace RelayCore.Rules.Importing;

/// <summary>mitmproxy's options that are rules, as its command line and <c>config.yaml</c> have them.</summary>
public sealed record MitmproxyOptions
{
    /// <summary><c>modify_headers</c>: <c>[/filter]/name/[@]value</c>.</summary>
    public IReadOnlyList<string> ModifyHeaders { get; init; } = [];

    /// <summary><c>modify_body</c>: <c>[/filter]/regex/[@]replacement</c>.</summary>
    public IReadOnlyList<string> ModifyBody { get; init; } = [];

    /// <summary><c>map_local</c>: <c>[/filter]/url-regex/path</c>.</summary>
    public IReadOnlyList<string> MapLocal { get; init; } = [];

    /// <summary><c>map_remote</c>: <c>[/filter]/url-regex/replacement</c>.</summary>
    public IReadOnlyList<string> MapRemote { get; init; } = [];

    /// <summary><c>block_list</c>: <c>/filter/status</c>.</summary>
    public IReadOnlyList<string> BlockList { get; init; } = [];

    /// <summary><c>anticache</c>.</summary>
    public bool AntiCache { get; init; }

    /// <summary><c>anticomp</c>.</summary>
    public bool AntiCompression { get; init; }

    /// <summary><c>stickycookie</c>: a filter; <see langword="null"/> for off.</summary>
    public string? StickyCookie { get; init; }

    /// <summary><c>stickyauth</c>: a filter; <see langword="null"/> for off.</summary>
    public string? StickyAuth { get; init; }

    /// <summary>Reads a <c>config.yaml</c> of mitmproxy. Options that are no rules are named in a warning each.</summary>
    /// <param name="path">The file.</param>
    /// <param name="problems">Takes what is wrong.</param>
    public static MitmproxyOptions Read(string path, RuleProblems problems) => Read(RuleFile.Read(path, problems), problems);

    /// <summary>Reads the text of a <c>config.yaml</c>.</summary>
    /// <param name="text">YAML.</param>
    /// <param name="name">Name for messages.</param>
    /// <param name="problems">Takes what is wrong.</param>
    public static MitmproxyOptions Parse(string text, string name, RuleProblems problems) => Read(RuleFile.Parse(text, name, problems), problems);

    private static MitmproxyOptions Read(IReadOnlyList<RuleNode> roots, RuleProblems problems)
    {
        var options = new MitmproxyOptions();
        foreach (var root in roots.Where(x => !x.IsNull))
        {
            if (root.Kind != NodeKind.Map)
            {
                problems.Error(RuleCodes.ImportValue, root, $"a configuration of mitmproxy is a mapping of options, not {RuleReader.Describe(root)}", "Give the path of its config.yaml.");
                continue;
            }

            foreach (var (name, value) in root.Members)
            {
                options = options.With(name, value, problems);
            }
        }

        return options;
    }

    private MitmproxyOptions With(RuleNode name, RuleNode value, RuleProblems problems)
    {
        switch (name.Text)
        {
            case "modify_headers":
                return this with { ModifyHeaders = Texts(value, problems) };
            case "modify_body":
                return this with { ModifyBody = Texts(value, problems) };
            case "map_local":
                return this with { MapLocal = Texts(value, problems) };
            case "map_remote":
                return this with { MapRemote = Texts(value, problems) };
            case "block_list":
                return this with { BlockList = Texts(value, problems) };
            case "anticache":
                return this with { AntiCache = Boolean(value, problems) };
            case "anticomp":
                return this with { AntiCompression = Boolean(value, problems) };
            case "stickycookie":
                return this with { StickyCookie = Text(value, problems) };
            case "stickyauth":
                return this with { StickyAuth = Text(value, problems) };
            default:
                problems.Warning(RuleCodes.ImportSkipped, name, $"the option `{name.Text}` is no rule; it was not imported");
                return this;
        }
    }

    private static List<string> Texts(RuleNode node, RuleProblems problems)
    {
        if (node.Kind is not (NodeKind.List or NodeKind.Null))
        {
            problems.Error(RuleCodes.ImportValue, node, $"a list of texts was expected here, not {RuleReader.Describe(node)}", "Write each rule behind a hyphen on a line of its own.");
        }

        return [.. node.Items.Select(x => Text(x, problems)).OfType<string>()];
    }

    private static string? Text(RuleNode node, RuleProblems problems)
    {
        if (node.Kind is not (NodeKind.Text or NodeKind.Null))
        {
            problems.Error(RuleCodes.ImportValue, node, $"a text was expected here, not {RuleReader.Describe(node)}", "Write it in quotes.");
        }

        return node.Kind == NodeKind.Text ? node.Text : null;
    }

    private static bool Boolean(RuleNode node, RuleProblems problems)
    {
        if (node.Kind != NodeKind.Boolean)
        {
            problems.Error(RuleCodes.ImportValue, node, $"true or false was expected here, not {RuleReader.Describe(node)}");
        }

        return node.Text == "true";
    }
}
