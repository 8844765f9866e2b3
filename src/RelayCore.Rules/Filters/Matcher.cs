using System.Buffers;
using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;
using System.Text.Unicode;
using RelayCore.Rules.Documents;
using RelayCore.Rules.Execution;

namespace RelayCore.Rules.Filters;

/// <summary>How a <see cref="Matcher"/> compares.</summary>
public enum MatcherMode : byte
{
    /// <summary>The whole text.</summary>
    Exact,

    /// <summary>A part of it.</summary>
    Contains,

    /// <summary>Its begin.</summary>
    Prefix,

    /// <summary>Its end.</summary>
    Suffix,

    /// <summary>A regular expression, found anywhere.</summary>
    Regex,

    /// <summary>The whole text, by a glob.</summary>
    Glob,
}

/// <summary>
/// How texts are compared (reference: rules §2): exact, contains, prefix, suffix, regex, glob. Immutable; regexes run in linear time. Octets are text
/// in UTF-8, or in Latin-1 when they are not valid UTF-8. Comparing allocates nothing.
/// </summary>
public sealed class Matcher
{
    private readonly byte[] _octets;
    private readonly bool _isAscii;
    private readonly MatcherMode _how;
    private readonly string _operand;
    private readonly Regex? _regex;

    private Matcher(MatcherMode mode, string value, bool ignoreCase, MatcherMode how, string operand, Regex? regex)
    {
        (Mode, Value, IgnoreCase) = (mode, value, ignoreCase);
        (_how, _operand, _regex) = (how, operand, regex);
        _octets = Encoding.UTF8.GetBytes(operand);
        _isAscii = Ascii.IsValid(_octets);
    }

    /// <summary>How, as written.</summary>
    public MatcherMode Mode { get; }

    /// <summary>With what, as written.</summary>
    public string Value { get; }

    /// <summary>Whether letters of both cases are equal.</summary>
    public bool IgnoreCase { get; }

    /// <summary>How it reads: <c>Suffix ".example.com"</c>.</summary>
    public string Text => $"{Mode} \"{Value}\"{(IgnoreCase ? " (ignoring case)" : "")}";

    /// <summary>The text it demands at the begin, for indices; <see langword="null"/> when there is none or case does not matter.</summary>
    internal string? CertainPrefix => _regex is null && !IgnoreCase && _how is MatcherMode.Exact or MatcherMode.Prefix ? _operand : null;

    /// <summary>The comparison it comes down to (a glob may be a suffix), and with what; <see langword="null"/> for a regex.</summary>
    internal (MatcherMode Mode, string Value)? Plain => _regex is null ? (_how, _operand) : null;

    /// <summary>Names of a regex's groups, numbers included; empty for anything else.</summary>
    internal IReadOnlyList<string> GroupNames => Mode == MatcherMode.Regex ? _regex!.GetGroupNames() : [];

    /// <summary>Compiles <c>{mode, value, ignore_case?}</c> or a plain string.</summary>
    /// <returns><see langword="null"/> when a regex or glob is bad, which is reported with the place of its value.</returns>
    public static Matcher? Compile(RuleNode node, bool ignoreCase, RuleProblems problems) => Compile(node, ignoreCase, problems, null);

    /// <summary>Compiles <c>{mode, value, ignore_case?}</c> or a plain string.</summary>
    /// <param name="node">The matcher as written.</param>
    /// <param name="ignoreCase">Whether case never matters for what is compared, as for hosts; otherwise the matcher decides.</param>
    /// <param name="problems">Where problems go.</param>
    /// <param name="captures">Where the names of a regex's groups go; <see langword="null"/> when nobody wants them.</param>
    /// <returns><see langword="null"/> when it was reported.</returns>
    public static Matcher? Compile(RuleNode node, bool ignoreCase, RuleProblems problems, ISet<string>? captures)
    {
        ArgumentNullException.ThrowIfNull(node);
        ArgumentNullException.ThrowIfNull(problems);
        if (node.Kind is NodeKind.Text or NodeKind.Number or NodeKind.Boolean)
        {
            return Create(MatcherMode.Exact, node.Text, ignoreCase, out _);
        }

        var value = node["value"];
        if (node["mode"] is not { } mode || !Enum.TryParse<MatcherMode>(mode.Text, ignoreCase: true, out var how) || char.IsAsciiDigit(mode.Text[0]) || value is null)
        {
            problems.Error(
                "RULE-310", node["mode"] ?? node, "a matcher is a text, or {mode, value} with one of the modes Exact, Contains, Prefix, Suffix, Regex, Glob.",
                """Write {"mode": "Contains", "value": "…"}.""");
            return null;
        }

        var matcher = Create(how, value.Text, ignoreCase || node["ignore_case"]?.Text == "true", out var problem);
        if (matcher is null)
        {
            problems.Error(how == MatcherMode.Regex ? "RULE-311" : "RULE-312", value, $"the {(how == MatcherMode.Regex ? "regex" : "glob")} cannot be used: {problem!.Text}.");
        }
        else
        {
            captures?.UnionWith(matcher.GroupNames);
        }

        return matcher;
    }

    /// <summary>Makes a matcher of parts.</summary>
    /// <returns><see langword="null"/> when the pattern is bad.</returns>
    internal static Matcher? Create(MatcherMode mode, string value, bool ignoreCase, out PatternProblem? problem, RegexOptions options = default, bool isPython = false)
    {
        problem = null;
        var caseless = ignoreCase ? RegexOptions.IgnoreCase : RegexOptions.None;
        if (mode == MatcherMode.Regex)
        {
            return RegexSource.Compile(value, options | caseless, isPython, out problem) is { } regex ? new(mode, value, ignoreCase, mode, value, regex) : null;
        }

        if (mode != MatcherMode.Glob)
        {
            return new(mode, value, ignoreCase, mode, value, null);
        }

        // Most globs are a text with a star at one end, which needs no regex.
        var (starts, ends) = (value.StartsWith('*'), value.Length > 1 && value.EndsWith('*'));
        var middle = value[(starts ? 1 : 0)..^(ends ? 1 : 0)];
        if (middle.AsSpan().IndexOfAny(@"*?[\") < 0)
        {
            var how = (starts, ends) switch
            {
                (true, true) => MatcherMode.Contains,
                (true, false) => MatcherMode.Suffix,
                (false, true) => MatcherMode.Prefix,
                _ => MatcherMode.Exact,
            };
            return new(mode, value, ignoreCase, how, middle, null);
        }

        if (value.Length > RegexSource.MaxPattern)
        {
            problem = new(-1, string.Create(CultureInfo.InvariantCulture, $"it has {value.Length} characters; at most {RegexSource.MaxPattern} are allowed"));
            return null;
        }

        return GlobSource.ToRegex(value, out problem) is { } source
            && RegexSource.Compile(source, RegexOptions.Singleline | caseless, isPython: false, out problem) is { } made
            ? new(mode, value, ignoreCase, mode, value, made) : null;
    }

    /// <summary>Whether octets match.</summary>
    /// <param name="octets">What is compared.</param>
    /// <param name="context">Takes captures when its rule uses them.</param>
    public bool Matches(ReadOnlySpan<byte> octets, RuleContext? context = null)
    {
        if (_regex is null && _isAscii)
        {
            return IgnoreCase ? MatchesIgnoringCase(octets) : MatchesOctets(octets);
        }

        // Rented arrays come back, so that in the long run nothing is allocated.
        var rented = octets.Length <= 256 ? null : ArrayPool<char>.Shared.Rent(octets.Length);
        var buffer = rented is null ? stackalloc char[256] : rented;
        try
        {
            var length = Utf8.IsValid(octets) ? Encoding.UTF8.GetChars(octets, buffer) : Encoding.Latin1.GetChars(octets, buffer);
            return Matches(buffer[..length], context);
        }
        finally
        {
            if (rented is not null)
            {
                ArrayPool<char>.Shared.Return(rented);
            }
        }
    }

    /// <summary>Whether a text matches.</summary>
    /// <param name="text">What is compared.</param>
    /// <param name="context">Takes captures when its rule uses them.</param>
    public bool Matches(ReadOnlySpan<char> text, RuleContext? context = null)
    {
        if (_regex is not null)
        {
            if (!_regex.IsMatch(text))
            {
                return false;
            }

            if (Mode == MatcherMode.Regex && context is { Rule.UsesCaptures: true })
            {
                Capture(text.ToString(), context);
            }

            return true;
        }

        var comparison = IgnoreCase ? StringComparison.OrdinalIgnoreCase : StringComparison.Ordinal;
        return _how switch
        {
            MatcherMode.Contains => text.Contains(_operand, comparison),
            MatcherMode.Prefix => text.StartsWith(_operand, comparison),
            MatcherMode.Suffix => text.EndsWith(_operand, comparison),
            _ => text.Equals(_operand, comparison),
        };
    }

    private void Capture(string text, RuleContext context)
    {
        var match = _regex!.Match(text);
        foreach (Group group in match.Groups)
        {
            if (group.Success)
            {
                context.Capture(group.Name, group.Value);
            }
        }
    }

    private bool MatchesOctets(ReadOnlySpan<byte> octets) => _how switch
    {
        MatcherMode.Contains => octets.IndexOf(_octets) >= 0,
        MatcherMode.Prefix => octets.StartsWith(_octets),
        MatcherMode.Suffix => octets.EndsWith(_octets),
        _ => octets.SequenceEqual(_octets),
    };

    private bool MatchesIgnoringCase(ReadOnlySpan<byte> octets) => _how switch
    {
        MatcherMode.Contains => ContainsIgnoringCase(octets, _octets),
        MatcherMode.Prefix => octets.Length >= _octets.Length && EqualsIgnoringCase(octets[.._octets.Length], _octets),
        MatcherMode.Suffix => octets.Length >= _octets.Length && EqualsIgnoringCase(octets[^_octets.Length..], _octets),
        _ => EqualsIgnoringCase(octets, _octets),
    };

    // Octets beyond ASCII never equal those of the operand, which is ASCII.
    private static bool EqualsIgnoringCase(ReadOnlySpan<byte> octets, ReadOnlySpan<byte> operand) => Ascii.EqualsIgnoreCase(octets, operand);

    private static bool ContainsIgnoringCase(ReadOnlySpan<byte> octets, ReadOnlySpan<byte> operand)
    {
        if (operand.IsEmpty)
        {
            return true;
        }

        var (lower, upper) = ((byte)char.ToLowerInvariant((char)operand[0]), (byte)char.ToUpperInvariant((char)operand[0]));
        while (octets.Length >= operand.Length)
        {
            var at = octets[..(octets.Length - operand.Length + 1)].IndexOfAny(lower, upper);
            if (at < 0)
            {
                return false;
            }

            if (EqualsIgnoringCase(octets.Slice(at, operand.Length), operand))
            {
                return true;
            }

            octets = octets[(at + 1)..];
        }

        return false;
    }
}
