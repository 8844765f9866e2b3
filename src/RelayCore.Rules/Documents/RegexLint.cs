namespace RelayCore.Rules.Documents;

/// <summary>
/// Certain mistakes in regexes, found without a parser: only patterns made of literals, classes and anchors in one sequence are judged, because there a
/// contradiction anywhere is one of the whole.
/// </summary>
internal static class RegexLint
{
    /// <returns>Why no text matches; <see langword="null"/> when that is not certain.</returns>
    public static string? NeverMatches(string pattern)
    {
        // Groups, alternatives and options change what an anchor next to a letter means.
        if (pattern.AsSpan().ContainsAny('(', '|', '{') || pattern.Contains("[^", StringComparison.Ordinal) && HasNestedClass(pattern))
        {
            return null;
        }

        var hasText = false;
        var atEnd = false;
        for (var i = 0; i < pattern.Length; i++)
        {
            var atom = Atom(pattern, ref i);
            var isOptional = i + 1 < pattern.Length && pattern[i + 1] is '*' or '?';
            if (i + 1 < pattern.Length && pattern[i + 1] is '*' or '?' or '+')
            {
                i++;
                i += i + 1 < pattern.Length && pattern[i + 1] == '?' ? 1 : 0;
            }

            switch (atom)
            {
                case "^" or "\\A" when hasText && !isOptional:
                    return $"`{atom}` is the begin of the text, and stands behind something that must come first";
                case "$" or "\\z" or "\\Z" when !isOptional:
                    atEnd = true;
                    break;
                case "[^\\s\\S]" or "[^\\S\\s]" or "[^\\d\\D]" or "[^\\D\\d]" or "[^\\w\\W]" or "[^\\W\\w]" when !isOptional:
                    return $"`{atom}` is a class without characters";
                case "^" or "$" or "\\A" or "\\z" or "\\Z" or "\\b" or "\\B" or "\\G":
                    break;
                default:
                    // $ is also before a last line feed; what can be one is no contradiction.
                    if (atEnd && !isOptional && IsNoLineFeed(atom))
                    {
                        return $"`{atom}` must come behind the end of the text";
                    }

                    hasText |= !isOptional;
                    break;
            }
        }

        return null;
    }

    /// <summary>Whether one of the outermost alternatives is empty.</summary>
    public static bool HasEmptyAlternative(string pattern)
    {
        if (!pattern.Contains('|', StringComparison.Ordinal))
        {
            return false;
        }

        var (depth, begin) = (0, 0);
        for (var i = 0; i < pattern.Length; i++)
        {
            switch (pattern[i])
            {
                case '\\':
                    i++;
                    break;
                case '[':
                    i = ClassEnd(pattern, i);
                    break;
                case '(':
                    depth++;
                    break;
                case ')':
                    depth--;
                    break;
                case '|' when depth == 0:
                    if (i == begin)
                    {
                        return true;
                    }

                    begin = i + 1;
                    break;
            }
        }

        return begin == pattern.Length;
    }

    private static bool HasNestedClass(string pattern) => pattern.Contains("-[", StringComparison.Ordinal);

    /// <summary>The atom that begins at a place; the place is its last character afterwards.</summary>
    private static string Atom(string pattern, ref int at)
    {
        var begin = at;
        at = pattern[at] switch
        {
            '\\' => Math.Min(at + 1, pattern.Length - 1),
            '[' => Math.Min(ClassEnd(pattern, at), pattern.Length - 1),
            _ => at,
        };
        return pattern[begin..(at + 1)];
    }

    private static int ClassEnd(string pattern, int at)
    {
        // A ] right behind [ or [^ is a character of the class.
        for (var i = at + (at + 1 < pattern.Length && pattern[at + 1] == '^' ? 3 : 2); i < pattern.Length; i++)
        {
            if (pattern[i] == ']' && !IsEscaped(pattern, at, i))
            {
                return i;
            }
        }

        return pattern.Length - 1;
    }

    private static bool IsEscaped(string pattern, int from, int at)
    {
        var slashes = 0;
        while (at - 1 - slashes > from && pattern[at - 1 - slashes] == '\\')
        {
            slashes++;
        }

        return slashes % 2 == 1;
    }

    private static bool IsNoLineFeed(string atom) =>
        (atom.Length == 1 && atom[0] is not ('\n' or '\r' or '.')) || (atom.Length == 2 && atom[0] == '\\' && (atom[1] is 'd' or 'w' || !char.IsAsciiLetterOrDigit(atom[1])));
}
