using RelayCore.Rules.Documents;

namespace RelayCore.Rules.Filters;

/// <summary>How texts are compared (reference: rules §2): exact, contains, prefix, suffix, regex, glob. Immutable; regexes run in linear time.</summary>
public sealed class Matcher
{
    /// <summary>Compiles <c>{mode, value, ignore_case?}</c> or a plain string.</summary>
    /// <returns><see langword="null"/> when a regex or glob is bad, which is reported with the place of its value.</returns>
    public static Matcher? Compile(RuleNode node, bool ignoreCase, RuleProblems problems) => throw new NotSupportedException("filters are being written");
}
