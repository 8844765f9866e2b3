using RelayCore.Rules.Documents;

namespace RelayCore.Rules.Importing;

/// <summary>
/// A filter expression of mitmproxy: handed on as it is, as the filter <c>Expression</c>, after a look at which stages it can hold at. Only plain
/// conjunctions are judged; everything else is tried at every stage, where what is not known yet does not hold.
/// </summary>
internal sealed record MitmproxyFilter(string Text, RuleNode Place)
{
    private static readonly string[] s_body = ["b", "bq", "bs"];
    private static readonly string[] s_response = ["s", "c", "hs", "ts", "bs", "a"];

    /// <summary>What header fields decide, so that an edit of them may change the answer.</summary>
    private static readonly string[] s_fields = ["h", "hq", "hs", "t", "tq", "ts", "d", "u", "a"];

    /// <summary>Operators that stand alone; the others take the next word.</summary>
    private static readonly string[] s_unary = ["a", "all", "dns", "http", "tcp", "udp", "e", "marked", "q", "s", "replay", "replayq", "replays", "websocket"];

    private readonly List<string> _operators = [];
    private bool _isConjunction = true;

    /// <summary>No filter: everything.</summary>
    public static MitmproxyFilter All(RuleNode place) => new("", place);

    /// <summary>Whether it holds for everything.</summary>
    public bool IsAll => Text.Length == 0 || Text.Trim() == "~all";

    /// <summary>Whether it looks at content, which the stages of heads do not have.</summary>
    public bool NeedsBody => _operators.Any(s_body.Contains);

    /// <summary>Whether it looks at header fields, or at what they say.</summary>
    public bool LooksAtFields => _operators.Any(s_fields.Contains);

    /// <summary>Whether it may hold before there is a response.</summary>
    public bool AtRequest => !_isConjunction || !_operators.Any(s_response.Contains);

    /// <summary>Whether it may hold once there is a response.</summary>
    public bool AtResponse => !_isConjunction || !_operators.Contains("q");

    /// <summary>Reads one: only its words; the rule's own check reads the rest.</summary>
    public static MitmproxyFilter? Parse(SpecPart part, RuleProblems problems)
    {
        if (string.IsNullOrWhiteSpace(part.Text))
        {
            problems.Error(RuleCodes.ImportSyntax, part.Node, "the filter is empty", "For everything leave it out, with its separator.");
            return null;
        }

        var filter = new MitmproxyFilter(part.Text, part.Node);
        filter.Words();
        return filter;
    }

    /// <summary>The filter of a rule.</summary>
    public RuleNode Node(NodeFactory make) =>
        IsAll ? make.Typed("All") : make.Typed("Expression", make.Map(("expression", make.Text(Text)), ("language", make.Text("mitmproxy"))));

    private void Words()
    {
        var isArgument = false;
        for (var i = 0; i < Text.Length;)
        {
            switch (Text[i])
            {
                case '"' or '\'':
                    for (var quote = Text[i++]; i < Text.Length && Text[i] != quote; i++)
                    {
                        i += Text[i] == '\\' ? 1 : 0;
                    }

                    i++;
                    Word(ref isArgument);
                    break;
                case '~':
                    var begin = ++i;
                    while (i < Text.Length && char.IsAsciiLetterOrDigit(Text[i]))
                    {
                        i++;
                    }

                    _operators.Add(Text[begin..i]);
                    isArgument = !s_unary.Contains(_operators[^1]);
                    break;
                case '!' or '|':
                    _isConjunction = false;
                    i++;
                    break;
                case ' ' or '\t' or '&' or '(' or ')':
                    i++;
                    break;
                default:
                    // A bare word goes on to the next blank: | and ! in it belong to its regex.
                    while (i < Text.Length && !char.IsWhiteSpace(Text[i]) && !"()~'\"".Contains(Text[i], StringComparison.Ordinal))
                    {
                        i++;
                    }

                    i += i < Text.Length && char.IsWhiteSpace(Text[i]) ? 1 : 0;
                    Word(ref isArgument);
                    break;
            }
        }
    }

    /// <summary>A word: the argument of the operator before it, or ~u without saying so.</summary>
    private void Word(ref bool isArgument)
    {
        if (!isArgument)
        {
            _operators.Add("u");
        }

        isArgument = false;
    }
}
