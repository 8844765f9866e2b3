using RelayCore.Rules.Documents;

namespace RelayCore.Rules.Importing;

/// <summary>
/// A filter expression of mitmproxy: handed on as it is, as the filter <c>Expression</c>, after a look at which stages it can hold at. Only plain
/// conjunctions are judged; everything else is tried at every stage. What looks at a body that is not there at a stage does not hold in mitmproxy; it is
/// replaced by <c>(!~all)</c> there.
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
    private readonly List<(string Operator, int Begin, int End)> _bodyTerms = [];
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

    /// <summary>The filter of a rule at a stage.</summary>
    /// <returns><see langword="null"/> when it never holds there, or cannot be told there, which is reported.</returns>
    public RuleNode? Node(NodeFactory make, RuleStage stage, RuleProblems problems)
    {
        if (IsAll)
        {
            return make.Typed("All");
        }

        var text = Text;
        foreach (var (name, begin, end) in Enumerable.Reverse(_bodyTerms))
        {
            switch (Knows(name, stage))
            {
                case true:
                    continue;
                case false when _isConjunction:
                    return null;
                case false:
                    text = string.Concat(text.AsSpan(0, begin), "(!~all)", text.AsSpan(end));
                    break;
                default:
                    problems.Warning(
                        RuleCodes.ImportValue, Place, $"`{Text}` looks at the body of the request, which is gone at {stage}: the rule was not made for that stage",
                        "Tag the flow by a rule at RequestBody, and filter on the tag.");
                    return null;
            }
        }

        return make.Typed("Expression", make.Map(("expression", make.Text(text)), ("language", make.Text("mitmproxy"))));
    }

    /// <summary>Whether a filter on a body can be told at a stage; <see langword="false"/>: it does not hold; <see langword="null"/>: that body is gone.</summary>
    private static bool? Knows(string name, RuleStage stage) => (name, stage) switch
    {
        ("bq" or "b", RuleStage.RequestBody) or ("bs" or "b", RuleStage.ResponseBody) => true,
        (_, RuleStage.RequestHeaders or RuleStage.RequestBody) or ("bs", _) => false,
        _ => null,
    };

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

                    i = Math.Min(i + 1, Text.Length);
                    Word(ref isArgument, i);
                    break;
                case '~':
                    var begin = ++i;
                    while (i < Text.Length && char.IsAsciiLetterOrDigit(Text[i]))
                    {
                        i++;
                    }

                    _operators.Add(Text[begin..i]);
                    if (s_body.Contains(_operators[^1]))
                    {
                        _bodyTerms.Add((_operators[^1], begin - 1, i));
                    }

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

                    Word(ref isArgument, i);
                    break;
            }
        }
    }

    /// <summary>A word: the argument of the operator before it, or ~u without saying so.</summary>
    private void Word(ref bool isArgument, int end)
    {
        if (isArgument && s_body.Contains(_operators[^1]))
        {
            _bodyTerms[^1] = _bodyTerms[^1] with { End = end };
        }
        else if (!isArgument)
        {
            _operators.Add("u");
        }

        isArgument = false;
    }
}
