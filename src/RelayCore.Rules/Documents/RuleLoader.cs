using System.Globalization;
using RelayCore.Rules.Catalog;

namespace RelayCore.Rules.Documents;

/// <summary>Walks files, their groups and what they include, and gathers rules and tests. For one load.</summary>
internal sealed class RuleLoader(KnownTypes types, RuleProblems problems)
{
    /// <summary>Most rules of one load. Breach: an error.</summary>
    public const int MaxRules = 10_000;

    /// <summary>Deepest chain of includes. Breach: an error.</summary>
    public const int MaxIncludes = 8;

    private static readonly string[] s_container = ["rules", "groups", "include", "tests", "id", "name", "active"];

    private readonly Dictionary<string, int> _places = new(StringComparer.Ordinal);
    private readonly Dictionary<string, int> _copies = new(StringComparer.Ordinal);
    private readonly HashSet<string> _read = new(StringComparer.Ordinal);

    public List<RuleDefinition> Rules { get; } = [];

    public List<RuleNode> Tests { get; } = [];

    public List<string> Files { get; } = [];

    public HashSet<string> Folders { get; } = new(StringComparer.Ordinal);

    /// <summary>Reads a file of its own.</summary>
    public void File(string path) => Include(path, new(new(NodeKind.Null, new(path, 1, 1), "$"), [], "", null), [], isActive: true);

    /// <summary>Reads values that are at the root of something.</summary>
    public void Roots(IReadOnlyList<RuleNode> roots, string? baseDirectory)
    {
        foreach (var root in roots)
        {
            Root(root, new(root, [], baseDirectory ?? "", baseDirectory), [], isActive: true);
        }
    }

    /// <summary>Where the walk is.</summary>
    /// <param name="From">The value that led here.</param>
    /// <param name="Chain">Full paths of the files that include one another, outermost first.</param>
    /// <param name="BaseDirectory">Full path of the folder rules start from.</param>
    /// <param name="Folder">That folder as given, for includes; <see langword="null"/> where there are none.</param>
    private sealed record Place(RuleNode From, IReadOnlyList<string> Chain, string BaseDirectory, string? Folder);

    private void Include(string path, Place place, IReadOnlyList<string> groups, bool isActive)
    {
        string full;
        try
        {
            full = Path.GetFullPath(path);
        }
        catch (Exception fault) when (fault is ArgumentException or NotSupportedException or PathTooLongException)
        {
            problems.Error(RuleCodes.Unreadable, place.From, $"cannot read `{path}`: {fault.Message}");
            return;
        }

        if (place.Chain.Contains(full))
        {
            var chain = place.Chain.SkipWhile(x => x != full).Append(full).Select(x => Path.GetRelativePath(Path.GetDirectoryName(full)!, x));
            problems.Error(RuleCodes.Include, place.From, $"files include one another in a circle: {string.Join(" -> ", chain)}", "Remove one of these includes.");
        }
        else if (place.Chain.Count > MaxIncludes)
        {
            problems.Error(RuleCodes.Include, place.From, string.Create(CultureInfo.InvariantCulture, $"includes are at most {MaxIncludes} deep"), "Include the file from the first file.");
        }
        else if (_read.Add(full))
        {
            // A file that two others include counts once.
            Files.Add(full);
            if (RuleFile.TryReadOctets(path, place.From.Location, place.From.Path, problems) is { } octets)
            {
                foreach (var root in RuleFile.Parse(octets, path, problems))
                {
                    Root(root, new(root, [.. place.Chain, full], Path.GetDirectoryName(full)!, Path.GetDirectoryName(path) ?? ""), groups, isActive);
                }
            }
        }
    }

    private void Root(RuleNode node, Place place, IReadOnlyList<string> groups, bool isActive)
    {
        switch (node.Kind)
        {
            case NodeKind.List:
                foreach (var item in node.Items)
                {
                    Entry(item, place, groups, isActive);
                }

                break;
            case NodeKind.Null:
                // An empty YAML document.
                break;
            default:
                Entry(node, place, groups, isActive);
                break;
        }
    }

    /// <summary>An item of a list of rules, or the root itself: a rule, a group, an include, an old breakpoint.</summary>
    private void Entry(RuleNode node, Place place, IReadOnlyList<string> groups, bool isActive)
    {
        if (node.Kind != NodeKind.Map)
        {
            problems.Error(RuleCodes.Root, node, $"a rule was expected here, not {RuleReader.Describe(node)}", "A rule is {\"filter\": {\"type\": …}, \"actions\": [{\"type\": …}]}.");
        }
        else if (LegacyBreakpoint.Is(node))
        {
            foreach (var rule in LegacyBreakpoint.Translate(node, problems))
            {
                Rule(rule, place, groups, isActive);
            }
        }
        else if (node["rules"] is null && node["groups"] is null && node["include"] is null && node["tests"] is null)
        {
            Rule(node, place, groups, isActive);
        }
        else if (node["filter"] is not null || node["actions"] is not null)
        {
            var wrong = node.Members.First(x => x.Name.Text is "rules" or "groups" or "include" or "tests").Name;
            problems.Error(RuleCodes.Root, wrong, $"`{wrong.Text}` cannot stand inside of a rule", "Write {\"rules\": [the rule], …}.");
        }
        else
        {
            Container(node, place, groups, isActive);
        }
    }

    private void Container(RuleNode node, Place place, IReadOnlyList<string> groups, bool isActive)
    {
        var title = Label(node, "name") ?? Label(node, "id");
        var inner = title is null ? groups : [.. groups, title];
        if (node["active"] is { IsNull: false } active)
        {
            if (active.Kind != NodeKind.Boolean)
            {
                problems.Error(RuleCodes.WrongKind, active, $"`active` is true or false, not {RuleReader.Describe(active)}");
            }

            isActive &= active.Text == "true";
        }

        foreach (var (name, value) in node.Members)
        {
            switch (name.Text)
            {
                case "rules" or "groups":
                    if (IsList(name.Text, value))
                    {
                        Root(value, place, inner, isActive);
                    }

                    break;
                case "include":
                    Includes(value, place, inner, isActive);
                    break;
                case "tests":
                    AddTests(value);
                    break;
                default:
                    // Editors want $schema; x-… is where YAML keeps its anchors.
                    if (!s_container.Contains(name.Text) && name.Text != "$schema" && !name.Text.StartsWith("x-", StringComparison.Ordinal))
                    {
                        problems.Error(
                            RuleCodes.UnknownMember, name, $"a rule file or group has no `{name.Text}`",
                            NearestName.Hint(name.Text, s_container) ?? $"It has {string.Join(", ", s_container)}; names that begin with x- are yours.");
                    }

                    break;
            }
        }
    }

    private string? Label(RuleNode node, string name)
    {
        if (node[name] is not { IsNull: false } label)
        {
            return null;
        }

        if (label.Kind != NodeKind.Text)
        {
            problems.Error(RuleCodes.WrongKind, label, $"`{name}` is a text, not {RuleReader.Describe(label)}", label.Kind == NodeKind.Number ? $"Write it in quotes: \"{label.Text}\"." : null);
        }

        return label.Text;
    }

    private void Includes(RuleNode node, Place place, IReadOnlyList<string> groups, bool isActive)
    {
        foreach (var item in node.Kind == NodeKind.List ? node.Items : [node])
        {
            if (item is not { Kind: NodeKind.Text, Text.Length: > 0 })
            {
                problems.Error(RuleCodes.WrongKind, item, $"`include` takes a path or a pattern, not {RuleReader.Describe(item)}", "Write include: more.yaml, or include: [rules/*.yaml].");
            }
            else if (place.Folder is null)
            {
                problems.Error(RuleCodes.Include, item, "only files may include files", "Send the rules themselves.");
            }
            else if (IncludePattern.Is(item.Text))
            {
                Pattern(item, place, groups, isActive);
            }
            else
            {
                Include(Path.Combine(place.Folder, item.Text), place with { From = item }, groups, isActive);
            }
        }
    }

    private void Pattern(RuleNode item, Place place, IReadOnlyList<string> groups, bool isActive)
    {
        List<string> found;
        try
        {
            found = IncludePattern.Expand(place.Folder!, item.Text, Folders);
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException or ArgumentException)
        {
            problems.Error(RuleCodes.Include, item, $"cannot look for `{item.Text}`: {fault.Message}");
            return;
        }

        // A pattern in a folder of rules names the file it stands in, too.
        var self = place.Chain.Count > 0 ? place.Chain[^1] : null;
        found.RemoveAll(x => Path.GetFullPath(x) == self);
        if (found.Count == 0)
        {
            problems.Warning(RuleCodes.Include, item, $"no file matches `{item.Text}`", $"It was looked for from the folder `{(place.Folder!.Length == 0 ? "." : place.Folder)}`.");
        }
        else if (found.Count > IncludePattern.MaxFiles)
        {
            problems.Error(RuleCodes.Include, item, string.Create(CultureInfo.InvariantCulture, $"`{item.Text}` names more than {IncludePattern.MaxFiles} files"), "Use a narrower pattern.");
        }
        else
        {
            foreach (var path in found)
            {
                Include(path, place with { From = item }, groups, isActive);
            }
        }
    }

    private void AddTests(RuleNode node)
    {
        if (!IsList("tests", node))
        {
            return;
        }

        foreach (var test in node.Items)
        {
            if (test.Kind != NodeKind.Map)
            {
                problems.Error(RuleCodes.WrongKind, test, $"a test is a mapping, not {RuleReader.Describe(test)}", "Write {\"name\": …, \"given\": {…}, \"expect\": {…}}.");
                continue;
            }

            foreach (var name in (string[])["given", "expect"])
            {
                if (test[name] is not { Kind: NodeKind.Map })
                {
                    problems.Error(RuleCodes.MissingMember, test[name] ?? test, $"a test needs `{name}`, a mapping", "Write {\"name\": …, \"given\": {\"url\": …}, \"expect\": {\"matched\": [\"id\"]}}.");
                }
            }

            Tests.Add(test);
        }
    }

    private bool IsList(string name, RuleNode node)
    {
        if (node.Kind is NodeKind.List or NodeKind.Null)
        {
            return node.Kind == NodeKind.List;
        }

        problems.Error(RuleCodes.WrongKind, node, $"`{name}` is a list, not {RuleReader.Describe(node)}", "Put it into [ ].");
        return false;
    }

    private void Rule(RuleNode node, Place place, IReadOnlyList<string> groups, bool isActive)
    {
        if (Rules.Count >= MaxRules)
        {
            // Said once; the rest would say the same.
            if (!_places.ContainsKey(""))
            {
                _places.Add("", -1);
                problems.Error(RuleCodes.Bound, node, string.Create(CultureInfo.InvariantCulture, $"at most {MaxRules} rules are allowed"), "One rule with a regex or Or serves many hosts.");
            }

            return;
        }

        if (RuleReader.Read(node, types, problems) is not { } rule)
        {
            return;
        }

        rule = rule with { Groups = groups, IsActive = rule.IsActive && isActive, BaseDirectory = place.BaseDirectory };
        if (_places.TryGetValue(rule.Id, out var earlier))
        {
            if (node["id"] is { IsNull: false } id)
            {
                problems.Add(new(ProblemSeverity.Warning, RuleCodes.DuplicateId, id.Location, id.Path, $"the id `{rule.Id}` was given before, at {Rules[earlier].Node.Location}; this rule replaces that one")
                {
                    RuleId = rule.Id,
                    Suggestion = "Give it an id of its own, or remove one of the two.",
                });
                Rules[earlier] = rule;
                return;
            }

            rule = rule with { Id = Free(rule.Id) };
        }

        _places.Add(rule.Id, Rules.Count);
        Rules.Add(rule);
    }

    /// <summary>Two rules that say the same get ids of their own.</summary>
    private string Free(string id)
    {
        string free;
        do
        {
            // Counted per id, so that thousands of equal rules are not compared with one another.
            var copies = _copies[id] = _copies.GetValueOrDefault(id, 1) + 1;
            free = string.Create(CultureInfo.InvariantCulture, $"{id}-{copies}");
        }
        while (_places.ContainsKey(free));

        return free;
    }
}
