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
}
