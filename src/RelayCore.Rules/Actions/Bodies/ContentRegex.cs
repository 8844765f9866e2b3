using System.Globalization;
using System.Text.RegularExpressions;
using RelayCore.Rules.Catalog;

namespace RelayCore.Rules.Actions.Bodies;

/// <summary>Compiles the regexes of edits: linear-time, culture-free; Python's and Rust's <c>(?P&lt;name&gt;</c> is understood.</summary>
internal static class ContentRegex
{
    /// <summary>Longest pattern, in characters.</summary>
    public const int MaxPattern = 16 * 1024;

    /// <summary>Compiles the member <paramref name="name"/>.</summary>
    /// <param name="config">The config.</param>
    /// <param name="name">Member.</param>
    /// <param name="rewrite">Changes the pattern before; <see langword="null"/> for what was reported.</param>
    /// <returns><see langword="null"/> for a bad pattern; reported.</returns>
    public static Regex? Compile(ConfigReader config, string name, Func<string, string?>? rewrite = null)
    {
        var pattern = config.Text(name);
        if (pattern.Length is 0 or > MaxPattern)
        {
            config.Error("RULE-501", name, pattern.Length == 0 ? "The pattern is empty; it would match everywhere." : $"The pattern has {pattern.Length} characters; at most {MaxPattern} are allowed.");
            return null;
        }

        pattern = pattern.Replace("(?P<", "(?<", StringComparison.Ordinal);
        if ((rewrite is null ? pattern : rewrite(pattern)) is not { } final)
        {
            return null;
        }

        try
        {
            return new(final, RegexOptions.NonBacktracking | RegexOptions.CultureInvariant | (config.Boolean("ignore_case") ? RegexOptions.IgnoreCase : 0));
        }
        catch (NotSupportedException error)
        {
            config.Error("RULE-501", name, $"The pattern uses what a linear-time regex cannot do: {error.Message}", "Look-around, back-references and atomic groups are not available; write it without.");
        }
        catch (ArgumentException error)
        {
            config.Error("RULE-501", name, $"The pattern is not a regex: {error.Message}");
        }

        return null;
    }

    /// <summary>
    /// The group a reference means. Numbers count opening parentheses, as the reference's and Python's regexes do; .NET numbers named groups behind
    /// all others.
    /// </summary>
    /// <returns>Its .NET number, or -1.</returns>
    public static int Group(Regex regex, string reference)
    {
        if (!int.TryParse(reference, NumberStyles.None, CultureInfo.InvariantCulture, out var number))
        {
            return regex.GroupNumberFromName(reference);
        }

        var (pattern, inClass, count, unnamed) = (regex.ToString(), false, 0, 0);
        for (var i = 0; i < pattern.Length && number > 0; i++)
        {
            switch (pattern[i])
            {
                case '\\':
                    i++;
                    break;
                case '[':
                    inClass = true;
                    break;
                case ']':
                    inClass = false;
                    break;
                case '(' when !inClass:
                    var rest = pattern.AsSpan(i + 1);
                    var isNamed = rest.StartsWith("?<", StringComparison.Ordinal) || rest.StartsWith("?'", StringComparison.Ordinal);
                    if (!isNamed && rest.StartsWith("?", StringComparison.Ordinal))
                    {
                        break;
                    }

                    unnamed += isNamed ? 0 : 1;
                    if (++count == number)
                    {
                        var end = isNamed ? rest[2..].IndexOfAny('>', '\'') : 0;
                        return isNamed ? regex.GroupNumberFromName(rest.Slice(2, Math.Max(end, 0)).ToString()) : unnamed;
                    }

                    break;
            }
        }

        return number == 0 ? 0 : -1;
    }
}
