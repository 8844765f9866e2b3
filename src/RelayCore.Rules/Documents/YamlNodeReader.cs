using YamlDotNet.Core;
using YamlDotNet.Core.Events;

namespace RelayCore.Rules.Documents;

/// <summary>
/// Reads YAML 1.2 (core schema) into nodes that know their line and column. Anchors, aliases and merge keys (<c>&lt;&lt;</c>) are written out; what
/// they repeat counts against the bounds of the file.
/// </summary>
internal sealed class YamlNodeReader
{
    private const string CoreTag = "tag:yaml.org,2002:";

    private readonly NodeBuilder _builder;
    private readonly Parser _parser;
    private readonly Dictionary<string, RuleNode?> _anchors = new(StringComparer.Ordinal);

    private YamlNodeReader(string text, NodeBuilder builder)
    {
        _builder = builder;
        _parser = new Parser(new Scanner(new StringReader(text), skipComments: true));
    }

    /// <summary>Reads all documents of a file.</summary>
    /// <exception cref="RuleFileException">It is not YAML, or beyond a bound.</exception>
    public static IReadOnlyList<RuleNode> Read(string text, NodeBuilder builder)
    {
        var reader = new YamlNodeReader(text, builder);
        try
        {
            return reader.Documents();
        }
        catch (YamlException fault)
        {
            var message = fault.InnerException is null ? fault.Message : fault.InnerException.Message;
            throw new RuleFileException(
                RuleCodes.Syntax, reader.At(fault.Start), "$", $"this is not YAML: {Lower(message.TrimEnd('.'))}", "Check indentation and quotes; a text with `: ` or ` #` in it needs quotes.");
        }
        catch (Exception fault) when (fault is InvalidOperationException or ArgumentException or FormatException)
        {
            // The library's parser has states it did not foresee, such as content behind "..." without "---".
            var place = reader._parser.Current is { } last ? reader.At(last.End) : builder.At(1, 1);
            throw new RuleFileException(RuleCodes.Syntax, place, "$", $"this is not YAML behind this place: {Lower(fault.Message.TrimEnd('.'))}", "Begin each further document with `---`.");
        }
    }

    private List<RuleNode> Documents()
    {
        var roots = new List<RuleNode>();
        while (_parser.MoveNext())
        {
            if (_parser.Current is DocumentStart)
            {
                _anchors.Clear();
                _parser.MoveNext();
                roots.Add(Value("$", 1));
            }
        }

        return roots;
    }

    /// <summary>The value the parser stands at; the parser stands at its last event afterwards.</summary>
    private RuleNode Value(string path, int depth)
    {
        var current = _parser.Current!;
        var at = At(current.Start);
        if (current is AnchorAlias alias)
        {
            return Repeat(alias, path, depth);
        }

        _builder.Count(1, at, path);
        var anchor = current is NodeEvent { Anchor.IsEmpty: false } node ? node.Anchor.Value : null;
        if (anchor is not null)
        {
            _anchors[anchor] = null;
        }

        var value = current switch
        {
            MappingStart => Map(at, path, depth),
            SequenceStart => List(at, path, depth),
            Scalar scalar => YamlScalar.Resolve(scalar, at, path),
            _ => throw new RuleFileException(RuleCodes.Syntax, at, path, "a value was expected here"),
        };
        if (current is MappingStart { Tag.IsEmpty: false } or SequenceStart { Tag.IsEmpty: false })
        {
            CheckTag(((NodeEvent)current).Tag, current is MappingStart ? "map" : "seq", at, path);
        }

        if (anchor is not null)
        {
            _anchors[anchor] = value;
        }

        return value;
    }

    private RuleNode Map(SourceLocation at, string path, int depth)
    {
        NodeBuilder.CheckDepth(depth, at, path);
        var members = new List<(RuleNode Name, RuleNode Value)>();
        var seen = new Dictionary<string, RuleNode>(StringComparer.Ordinal);
        var merges = new List<RuleNode>();
        for (_parser.MoveNext(); _parser.Current is not MappingEnd; _parser.MoveNext())
        {
            var place = At(_parser.Current!.Start);
            if (_parser.Current is not Scalar key)
            {
                throw new RuleFileException(RuleCodes.Syntax, place, path, "the name of a member must be a plain text");
            }

            var name = new RuleNode(NodeKind.Text, place, NodeBuilder.Member(path, key.Value)) { Text = key.Value };
            _parser.MoveNext();
            var value = Value(name.Path, depth + 1);
            if (key is { Value: "<<", Style: ScalarStyle.Plain })
            {
                merges.Add(value);
            }
            else
            {
                _builder.TryAddMember(members, seen, name, value);
            }
        }

        Merge(merges, members, seen, path, depth);
        return new(NodeKind.Map, at, path) { Members = members };
    }

    /// <summary>Adds what <c>&lt;&lt;</c> names and the mapping does not say itself.</summary>
    private void Merge(List<RuleNode> merges, List<(RuleNode Name, RuleNode Value)> members, Dictionary<string, RuleNode> seen, string path, int depth)
    {
        foreach (var source in merges.SelectMany(x => x.Kind == NodeKind.List ? x.Items : [x]))
        {
            if (source.Kind != NodeKind.Map)
            {
                throw new RuleFileException(RuleCodes.Syntax, source.Location, source.Path, "`<<` takes a mapping, or a list of them", "Write <<: *name, where &name marks a mapping.");
            }

            foreach (var (name, value) in source.Members)
            {
                if (seen.TryAdd(name.Text, name))
                {
                    var target = NodeBuilder.Member(path, name.Text);
                    members.Add((name with { Path = target }, Copy(value, target, depth + 1)));
                }
            }
        }
    }

    private RuleNode List(SourceLocation at, string path, int depth)
    {
        NodeBuilder.CheckDepth(depth, at, path);
        var items = new List<RuleNode>();
        for (_parser.MoveNext(); _parser.Current is not SequenceEnd; _parser.MoveNext())
        {
            items.Add(Value(NodeBuilder.Item(path, items.Count), depth + 1));
        }

        return new(NodeKind.List, at, path) { Items = items };
    }

    private RuleNode Repeat(AnchorAlias alias, string path, int depth)
    {
        var name = alias.Value.Value;
        if (!_anchors.TryGetValue(name, out var marked))
        {
            throw new RuleFileException(
                RuleCodes.Syntax, At(alias.Start), path, $"no anchor `&{name}` stands before this alias",
                NearestName.Hint(name, _anchors.Keys) ?? "An anchor belongs to one YAML document and must come first.");
        }

        return marked is null
            ? throw new RuleFileException(RuleCodes.Syntax, At(alias.Start), path, $"the alias `*{name}` is inside of what it repeats")
            : Copy(marked, path, depth);
    }

    /// <summary>The same values at another path; places stay those of the text.</summary>
    private RuleNode Copy(RuleNode node, string path, int depth)
    {
        _builder.Count(1, node.Location, path);
        if (node.Kind is NodeKind.List or NodeKind.Map)
        {
            NodeBuilder.CheckDepth(depth, node.Location, path);
        }

        return node with
        {
            Path = path,
            Items = node.Items.Count == 0 ? [] : [.. node.Items.Select((x, i) => Copy(x, NodeBuilder.Item(path, i), depth + 1))],
            Members = node.Members.Count == 0 ? [] : [.. node.Members.Select(x => Move(x.Name, x.Value, path, depth))],
        };
    }

    private (RuleNode Name, RuleNode Value) Move(RuleNode name, RuleNode value, string path, int depth)
    {
        var target = NodeBuilder.Member(path, name.Text);
        return (name with { Path = target }, Copy(value, target, depth + 1));
    }

    private static void CheckTag(TagName tag, string expected, SourceLocation at, string path)
    {
        if (!tag.IsNonSpecific && tag.Value != CoreTag + expected)
        {
            throw new RuleFileException(RuleCodes.Syntax, at, path, $"the tag `{tag.Value}` has no meaning in a rule file", "Remove it.");
        }
    }

    private SourceLocation At(Mark mark) => _builder.At(mark.Line, mark.Column);

    private static string Lower(string text) => text.Length == 0 ? text : char.ToLowerInvariant(text[0]) + text[1..];
}
