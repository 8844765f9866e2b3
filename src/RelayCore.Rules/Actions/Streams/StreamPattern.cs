using System.Text;

namespace RelayCore.Rules.Actions.Streams;

/// <summary>
/// Makes of a pattern for text one for octets: a character beyond ASCII becomes its UTF-8 octets, each a character of Latin-1. What cannot be seen in a
/// stream, or not octet by octet, is refused.
/// </summary>
internal static class StreamPattern
{
    /// <summary>Rewrites a pattern.</summary>
    /// <returns>Whether it can be used; otherwise the problem says why not.</returns>
    public static bool TryRewrite(string pattern, out string rewritten, out string? problem)
    {
        (rewritten, problem) = ("", null);
        var (result, inClass) = (new StringBuilder(pattern.Length), false);
        for (var i = 0; i < pattern.Length && problem is null; i++)
        {
            var c = pattern[i];
            if (c == '\\' && i + 1 < pattern.Length)
            {
                problem = !inClass && pattern[i + 1] is 'z' or 'Z' ? $"\\{pattern[i + 1]} asks for the end of a body that is still on its way"
                    : pattern[i + 1] is 'p' or 'P' ? $"\\{pattern[i + 1]} is about characters; a stream is matched octet by octet"
                    : null;
                result.Append(c).Append(pattern[++i]);
            }
            else if (c == '$' && !inClass)
            {
                problem = "$ asks for the end of a body that is still on its way";
            }
            else if (c < 0x80)
            {
                inClass = c == '[' || (inClass && c != ']');
                result.Append(c);
            }
            else if (inClass)
            {
                problem = $"'{c}' in [] is several octets of UTF-8; write (?:{c}|…) instead";
            }
            else
            {
                var length = char.IsHighSurrogate(c) && i + 1 < pattern.Length ? 2 : 1;
                result.Append("(?-i:").Append(Encoding.Latin1.GetString(Encoding.UTF8.GetBytes(pattern.Substring(i, length)))).Append(')');
                i += length - 1;
            }
        }

        rewritten = result.ToString();
        return problem is null;
    }
}
