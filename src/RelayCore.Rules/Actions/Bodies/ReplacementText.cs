using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;
using RelayCore.Rules.Catalog;
using RelayCore.Rules.Documents;
using RelayCore.Rules.Execution;
using RelayCore.Rules.Templates;

namespace RelayCore.Rules.Actions.Bodies;

/// <summary>
/// What takes the place of a regex match: text with variables, and <c>$1</c>, <c>${name}</c>, <c>$0</c> for groups, <c>$$</c> for a dollar. Groups are
/// found when it is compiled, so that a <c>$</c> in the value of a variable is only a <c>$</c>.
/// </summary>
internal sealed class ReplacementText
{
    private readonly List<(Template? Text, int Group)> _parts = [];

    private ReplacementText()
    {
    }

    /// <summary>Compiles; a group the regex does not have is reported.</summary>
    public static ReplacementText? Compile(RuleNode node, Regex regex, CompileScope scope)
    {
        var result = new ReplacementText();
        var (text, literal, at) = (node.Text, new StringBuilder(), 0);
        while (at < text.Length)
        {
            var rest = text.AsSpan(at);
            if (rest.StartsWith("{{{{", StringComparison.Ordinal))
            {
                literal.Append("{{{{"); // two braces, as templates write them
                at += 4;
            }
            else if (rest.StartsWith("{{", StringComparison.Ordinal) && !rest.StartsWith("{{{", StringComparison.Ordinal) && text.IndexOf("}}", at, StringComparison.Ordinal) is var close and > 0)
            {
                literal.Append(text, at, close + 2 - at); // a variable; its own $ is not ours
                at = close + 2;
            }
            else if (text[at] == '$' && Reference(text, at, out var name, out var length))
            {
                if (name == "$")
                {
                    literal.Append('$');
                }
                else if (ContentRegex.Group(regex, name) is var group and >= 0)
                {
                    result.Add(literal, node, scope);
                    result._parts.Add((null, group));
                }
                else
                {
                    scope.Problems.Error("RULE-502", node, $"The replacement uses the group '{name}', which the pattern does not have.",
                        $"Its groups are {string.Join(", ", regex.GetGroupNames())}; a plain dollar is written $$.");
                    return null;
                }

                at += length;
            }
            else
            {
                literal.Append(text[at++]);
            }
        }

        result.Add(literal, node, scope);
        return result;
    }

    /// <summary>Fills in the variables of a flow, once for all matches: texts, and numbers of groups where the text is <see langword="null"/>.</summary>
    public (string? Text, int Group)[] Expand(RuleContext context)
    {
        var parts = new (string?, int)[_parts.Count];
        for (var i = 0; i < parts.Length; i++)
        {
            parts[i] = (_parts[i].Text?.Expand(context), _parts[i].Group);
        }

        return parts;
    }

    private void Add(StringBuilder literal, RuleNode node, CompileScope scope)
    {
        if (literal.Length > 0)
        {
            _parts.Add((Template.Parse(node with { Text = literal.ToString() }, scope), 0));
            literal.Clear();
        }
    }

    private static bool Reference(string text, int at, out string name, out int length)
    {
        (name, length) = ("", 0);
        var rest = text.AsSpan(at + 1);
        if (rest.IsEmpty)
        {
            return false;
        }

        if (rest[0] is '$' or '&')
        {
            (name, length) = (rest[0] == '$' ? "$" : "0", 2);
            return true;
        }

        if (rest[0] == '{' && rest.IndexOf('}') is var close and > 1 && !rest.StartsWith("{{", StringComparison.Ordinal))
        {
            (name, length) = (rest[1..close].ToString(), close + 2);
            return true;
        }

        var digits = rest.IndexOfAnyExceptInRange('0', '9');
        digits = digits < 0 ? rest.Length : digits;
        if (digits is 0 or > 3)
        {
            return false;
        }

        (name, length) = (int.Parse(rest[..digits], CultureInfo.InvariantCulture).ToString(CultureInfo.InvariantCulture), digits + 1);
        return true;
    }
}
