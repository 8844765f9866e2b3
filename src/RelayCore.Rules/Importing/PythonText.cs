using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;

namespace RelayCore.Rules.Importing;

/// <summary>Python's notations that mitmproxy's specs are written in: byte escapes, regexes, replacements.</summary>
internal static class PythonText
{
    /// <summary>Decodes escapes as <c>codecs.escape_decode</c>: what it does not know stays, backslash and all.</summary>
    /// <returns><see langword="null"/> with the reason when an escape is incomplete.</returns>
    public static byte[]? Unescape(string text, out string? problem)
    {
        problem = null;
        var source = Encoding.UTF8.GetBytes(text);
        var result = new List<byte>(source.Length);
        for (var i = 0; i < source.Length; i++)
        {
            if (source[i] != '\\')
            {
                result.Add(source[i]);
                continue;
            }

            if (++i == source.Length)
            {
                problem = "a backslash at the end escapes nothing";
                return null;
            }

            var c = (char)source[i];
            if (c is >= '0' and <= '7')
            {
                var value = 0;
                var end = Math.Min(i + 3, source.Length);
                for (; i < end && source[i] is >= (byte)'0' and <= (byte)'7'; i++)
                {
                    value = (value * 8) + source[i] - '0';
                }

                i--;
                result.Add((byte)value);
            }
            else if (c == 'x')
            {
                if (i + 2 >= source.Length || !char.IsAsciiHexDigit((char)source[i + 1]) || !char.IsAsciiHexDigit((char)source[i + 2]))
                {
                    problem = "\\x must be followed by two hexadecimal digits";
                    return null;
                }

                result.Add(byte.Parse(source.AsSpan(i + 1, 2), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture));
                i += 2;
            }
            else if (c != '\n')
            {
                var at = "\\'\"abfnrtv".IndexOf(c, StringComparison.Ordinal);
                if (at < 0)
                {
                    result.Add((byte)'\\');
                }

                result.Add(at < 0 ? source[i] : (byte)"\\'\"\a\b\f\n\r\t\v"[at]);
            }
        }

        return [.. result];
    }

    /// <summary>Translates a regex of Python's <c>re</c> to one that runs in linear time.</summary>
    /// <param name="pattern">The regex.</param>
    /// <param name="isBytes">Whether it is one of bytes: classes such as <c>\w</c> are ASCII and a dot takes line feeds, as modify_body has it.</param>
    /// <param name="problem">Why there is none.</param>
    public static Regex? Translate(string pattern, bool isBytes, out string? problem)
    {
        var text = new StringBuilder(isBytes ? "(?s)" : "");
        var inClass = false;
        for (var i = 0; i < pattern.Length; i++)
        {
            var rest = pattern.AsSpan(i);
            if (rest[0] == '\\' && rest.Length > 1)
            {
                text.Append(Escape(rest[1], inClass, isBytes));
                i++;
            }
            else if (inClass)
            {
                // [ in a class means itself in Python and may begin a subtraction in .NET.
                text.Append(rest[0] == '[' ? "\\[" : rest[..1]);
                inClass = rest[0] != ']';
            }
            else if (rest[0] == '[')
            {
                inClass = true;
                var head = rest.StartsWith("[^]") ? 3 : rest.StartsWith("[]") ? 2 : rest.StartsWith("[^") ? 2 : 1;
                text.Append(head == 3 ? "[^\\]" : rest.StartsWith("[]") ? "[\\]" : rest[..head]);
                i += head - 1;
            }
            else if (rest.StartsWith("(?P<"))
            {
                text.Append("(?<");
                i += 3;
            }
            else if (rest.StartsWith("{,"))
            {
                text.Append("{0,");
                i++;
            }
            else
            {
                text.Append(rest[0]);
            }
        }

        try
        {
            problem = null;
            return new(text.ToString(), RegexOptions.NonBacktracking | RegexOptions.CultureInvariant);
        }
        catch (Exception fault) when (fault is ArgumentException or NotSupportedException)
        {
            problem = fault is NotSupportedException ? "regexes run in linear time here and have no look-around, back-references or atomic groups" : fault.Message;
            return null;
        }
    }

    /// <summary>Translates a replacement of <c>re.sub</c>, with <c>\1</c> and <c>\g&lt;name&gt;</c>, to one of .NET.</summary>
    public static string? Replacement(string text, Regex regex, out string? problem)
    {
        problem = null;
        var result = new StringBuilder();
        for (var i = 0; i < text.Length; i++)
        {
            if (text[i] != '\\')
            {
                result.Append(text[i] == '$' ? "$$" : text[i].ToString());
                continue;
            }

            if (++i == text.Length)
            {
                problem = "a backslash at the end escapes nothing";
                return null;
            }

            string? group = null;
            if (text[i] is >= '1' and <= '9')
            {
                group = i + 1 < text.Length && char.IsAsciiDigit(text[i + 1]) ? text[i..(++i + 1)] : text[i].ToString();
            }
            else if (text[i] == 'g')
            {
                var end = i + 1 < text.Length && text[i + 1] == '<' ? text.IndexOf('>', i) : -1;
                if (end < 0)
                {
                    problem = "\\g must be followed by <name>";
                    return null;
                }

                (group, i) = (text[(i + 2)..end], end);
            }

            if (group is not null)
            {
                if (regex.GroupNumberFromName(group) < 0)
                {
                    problem = $"the regex has no group {group}";
                    return null;
                }

                result.Append("${").Append(group).Append('}');
                continue;
            }

            var at = "\\abfnrtv0".IndexOf(text[i], StringComparison.Ordinal);
            if (at < 0 && char.IsAsciiLetter(text[i]))
            {
                problem = $"\\{text[i]} is no escape of a replacement";
                return null;
            }

            result.Append(at < 0 ? "\\" + text[i] : "\\\a\b\f\n\r\t\v\0"[at].ToString());
        }

        return result.ToString();
    }

    private static string Escape(char c, bool inClass, bool isBytes) => c switch
    {
        'Z' when !inClass => "\\z",
        'd' when isBytes => inClass ? "0-9" : "[0-9]",
        'w' when isBytes => inClass ? "a-zA-Z0-9_" : "[a-zA-Z0-9_]",
        's' when isBytes => inClass ? " \\t\\n\\r\\f\\v" : "[ \\t\\n\\r\\f\\v]",
        'D' when isBytes && !inClass => "[^0-9]",
        'W' when isBytes && !inClass => "[^a-zA-Z0-9_]",
        'S' when isBytes && !inClass => "[^ \\t\\n\\r\\f\\v]",
        _ => "\\" + c,
    };
}
