using System.Text;
using System.Text.RegularExpressions;

namespace RelayCore.Rules.Filters;

/// <summary>
/// Globs as regexes: <c>*</c> and <c>**</c> any characters (<c>/</c> too, as in the reference), <c>**/</c> whole segments or none, <c>?</c> one
/// character, <c>[a-z]</c> one of several, <c>[!a-z]</c> one other, <c>\</c> takes the next character as it is.
/// </summary>
internal static class GlobSource
{
    /// <summary>The regex of a glob.</summary>
    /// <param name="glob">As written.</param>
    /// <param name="problem">What is wrong, when the result is <see langword="null"/>.</param>
    public static string? ToRegex(string glob, out PatternProblem? problem)
    {
        problem = null;
        var result = new StringBuilder(@"\A");
        for (var i = 0; i < glob.Length; i++)
        {
            switch (glob[i])
            {
                case '*':
                    var start = i;
                    while (i + 1 < glob.Length && glob[i + 1] == '*')
                    {
                        i++;
                    }

                    if (i > start && i + 1 < glob.Length && glob[i + 1] == '/' && (start == 0 || glob[start - 1] == '/'))
                    {
                        i++;
                        result.Append("(?:.*/)?");
                    }
                    else
                    {
                        result.Append(".*");
                    }

                    break;
                case '?':
                    result.Append('.');
                    break;
                case '[':
                    var end = ClassEnd(glob, i);
                    if (end < 0)
                    {
                        problem = new(i, "the '[' is never closed; write [[] for the character itself");
                        return null;
                    }

                    AppendClass(result, glob.AsSpan(i + 1, end - i - 1));
                    i = end;
                    break;
                case '\\':
                    if (i + 1 == glob.Length)
                    {
                        problem = new(i, "nothing follows the '\\'; write \\\\ for the character itself");
                        return null;
                    }

                    i++;
                    result.Append(Regex.Escape(glob[i].ToString()));
                    break;
                default:
                    result.Append(Regex.Escape(glob[i].ToString()));
                    break;
            }
        }

        return result.Append(@"\z").ToString();
    }

    private static int ClassEnd(string glob, int start)
    {
        var i = start + 1;
        i += i < glob.Length && glob[i] is '!' or '^' ? 1 : 0;
        return i + 1 < glob.Length ? glob.IndexOf(']', i + 1) : -1;
    }

    private static void AppendClass(StringBuilder result, ReadOnlySpan<char> members)
    {
        result.Append('[');
        if (members.Length > 1 && members[0] is '!' or '^')
        {
            result.Append('^');
            members = members[1..];
        }

        foreach (var member in members)
        {
            if (member is '\\' or ']' or '[' or '^')
            {
                result.Append('\\');
            }

            result.Append(member);
        }

        result.Append(']');
    }
}
