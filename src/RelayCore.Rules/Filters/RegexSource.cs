using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;

namespace RelayCore.Rules.Filters;

/// <summary>Where a pattern cannot be compiled, and why.</summary>
/// <param name="Offset">0-based, in characters of the pattern as written; -1 for the pattern as a whole.</param>
/// <param name="Message">What is wrong.</param>
internal sealed record PatternProblem(int Offset, string Message)
{
    /// <summary>The message with the place in it.</summary>
    public string Text => Offset < 0 ? Message : string.Create(CultureInfo.InvariantCulture, $"{Message} (column {Offset + 1} of the pattern)");
}

/// <summary>
/// Makes regexes that run in linear time of patterns as users write them: .NET's syntax, and what Rust and Python write otherwise. Not for what no
/// linear engine can do: looking around and back-references.
/// </summary>
internal static class RegexSource
{
    /// <summary>Longest pattern, in characters. Breach: a problem.</summary>
    public const int MaxPattern = 8 * 1024;

    // Counted repetitions are written out by the engine: a{1000}{1000} would be a million states.
    private const long MaxStates = 50_000;

    private const string Linear = "regexes here run in linear time, so that no message can stall the proxy; they have no ";

    /// <summary>Compiles a pattern.</summary>
    /// <param name="pattern">As written.</param>
    /// <param name="options">Case, lines; the rest is ours.</param>
    /// <param name="isPython">Whether it is in Python's syntax, where it differs.</param>
    /// <param name="problem">What is wrong, when the result is <see langword="null"/>.</param>
    public static Regex? Compile(string pattern, RegexOptions options, bool isPython, out PatternProblem? problem)
    {
        if (pattern.Length > MaxPattern)
        {
            problem = new(-1, string.Create(CultureInfo.InvariantCulture, $"the pattern has {pattern.Length} characters; at most {MaxPattern} are allowed"));
            return null;
        }

        problem = Check(pattern);
        if (problem is not null)
        {
            return null;
        }

        var source = Translate(pattern, isPython, out var offsets);
        try
        {
            return new Regex(source, options | RegexOptions.NonBacktracking | RegexOptions.CultureInvariant);
        }
        catch (RegexParseException exception)
        {
            var offset = Math.Clamp(exception.Offset, 0, offsets.Count - 1);
            problem = new(offsets[offset], Reason(exception.Message));
        }
        catch (NotSupportedException)
        {
            problem = new(-1, Linear + "construct that needs to go back");
        }

        return null;
    }

    // "Invalid pattern 'x(' at offset 2. Not enough )'s." The pattern and the place are said elsewhere.
    private static string Reason(string message)
    {
        var end = message.IndexOf(" at offset ", StringComparison.Ordinal);
        var dot = end < 0 ? -1 : message.IndexOf(". ", end, StringComparison.Ordinal);
        return dot < 0 ? message : char.ToLowerInvariant(message[dot + 2]) + message[(dot + 3)..].TrimEnd('.');
    }

    private static PatternProblem? Check(string pattern)
    {
        var outer = new Stack<long>();
        var (total, last) = (0L, 0L);
        for (var i = 0; i < pattern.Length; i++)
        {
            switch (pattern[i])
            {
                case '\\':
                    if (i + 1 < pattern.Length && pattern[i + 1] is (>= '1' and <= '9') or 'k')
                    {
                        return new(i, Linear + "back-references");
                    }

                    if (i + 1 < pattern.Length && pattern[i + 1] == 'G')
                    {
                        return new(i, Linear + @"\G");
                    }

                    i++;
                    Atom(1);
                    break;
                case '[':
                    i = ClassEnd(pattern, i);
                    Atom(1);
                    break;
                case '(':
                    if (Unsupported(pattern.AsSpan(i)) is { } what)
                    {
                        return new(i, Linear + what);
                    }

                    outer.Push(total);
                    (total, last) = (0, 0);
                    break;
                case ')':
                    last = Math.Max(total, 1);
                    total = (outer.TryPop(out var before) ? before : 0) + last;
                    break;
                case '{':
                    if (Count(pattern, ref i) is { } count)
                    {
                        total += last * (Math.Max(count, 1) - 1);
                        last *= Math.Max(count, 1);
                    }
                    else
                    {
                        Atom(1);
                    }

                    break;
                case '*' or '+' or '?' or '|':
                    break;
                default:
                    Atom(1);
                    break;
            }

            if (total > MaxStates)
            {
                return new(i, string.Create(CultureInfo.InvariantCulture, $"its counted repetitions make it larger than {MaxStates} states when written out"));
            }
        }

        return null;

        void Atom(long size) => (total, last) = (total + size, size);
    }

    private static string? Unsupported(ReadOnlySpan<char> group) =>
        group.StartsWith("(?=") || group.StartsWith("(?!") ? "look-ahead"
        : group.StartsWith("(?<=") || group.StartsWith("(?<!") ? "look-behind"
        : group.StartsWith("(?>") ? "atomic groups"
        : group.StartsWith("(?(") ? "conditions"
        : group.StartsWith("(?P=") ? "back-references"
        : null;

    private static int ClassEnd(string pattern, int start)
    {
        // A ] that comes first is a member.
        var i = start + 1;
        i += i < pattern.Length && pattern[i] == '^' ? 1 : 0;
        i += i < pattern.Length && pattern[i] == ']' ? 1 : 0;
        while (i < pattern.Length && pattern[i] != ']')
        {
            i += pattern[i] == '\\' ? 2 : 1;
        }

        return Math.Min(i, pattern.Length - 1);
    }

    // {n}, {n,} or {n,m}; anything else in braces is text.
    private static long? Count(string pattern, ref int at)
    {
        var end = pattern.IndexOf('}', at);
        if (end < 0)
        {
            return null;
        }

        var inside = pattern.AsSpan(at + 1, end - at - 1);
        var comma = inside.IndexOf(',');
        if (!Number(comma < 0 ? inside : inside[..comma], out var least))
        {
            return null;
        }

        var most = least;
        if (comma >= 0 && comma < inside.Length - 1 && !Number(inside[(comma + 1)..], out most))
        {
            return null;
        }

        at = end;
        return Math.Max(least, most);

        static bool Number(ReadOnlySpan<char> text, out long value)
        {
            var isNumber = text.Length > 0 && !text.ContainsAnyExceptInRange('0', '9');
            value = !isNumber ? 0 : text.Length > 9 ? int.MaxValue : long.Parse(text, NumberStyles.None, CultureInfo.InvariantCulture);
            return isNumber;
        }
    }

    // (?P<name>…) is how Rust and Python name a group; Python's \Z is \z here, and [ within a class is text there.
    private static string Translate(string pattern, bool isPython, out List<int> offsets)
    {
        var result = new StringBuilder(pattern.Length);
        var places = offsets = [];
        var classEnd = -1;
        for (var i = 0; i < pattern.Length; i++)
        {
            var character = pattern[i];
            if (character == '\\' && i + 1 < pattern.Length)
            {
                Put(character, i);
                i++;
                Put(isPython && pattern[i] == 'Z' && i > classEnd ? 'z' : pattern[i], i);
                continue;
            }

            if (character == '[')
            {
                if (i > classEnd)
                {
                    classEnd = ClassEnd(pattern, i);
                }
                else if (isPython)
                {
                    Put('\\', i);
                }
            }
            else if (character == 'P' && i > classEnd && i >= 2 && pattern[i - 1] == '?' && pattern[i - 2] == '(' && i + 1 < pattern.Length && pattern[i + 1] == '<')
            {
                continue;
            }

            Put(character, i);
        }

        places.Add(pattern.Length);
        return result.ToString();

        void Put(char character, int from)
        {
            result.Append(character);
            places.Add(from);
        }
    }
}
