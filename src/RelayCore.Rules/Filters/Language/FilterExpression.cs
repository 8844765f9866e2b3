using RelayCore.Core.Flows;
using RelayCore.Rules.Filters.JsonPaths;

namespace RelayCore.Rules.Filters.Language;

/// <summary>Languages filters are written in.</summary>
public enum FilterLanguage : byte
{
    /// <summary>RelayCore's own.</summary>
    Relay,

    /// <summary>mitmproxy's.</summary>
    Mitmproxy,
}

/// <summary>What is wrong with a filter.</summary>
/// <param name="Source">The filter.</param>
/// <param name="Offset">0-based, in characters.</param>
/// <param name="Message">What is wrong.</param>
/// <param name="Suggestion">What to write instead; <see langword="null"/> when the message says it.</param>
public sealed record FilterProblem(string Source, int Offset, string Message, string? Suggestion)
{
    /// <summary>The message, with the filter and a mark under the place, on three lines.</summary>
    public string Display
    {
        get
        {
            // Around the place, so that the mark stays below it in a narrow window too.
            var start = Math.Max(0, Offset - 60);
            var line = Source.Substring(start, Math.Min(120, Source.Length - start)).ReplaceLineEndings(" ").Replace('\t', ' ');
            return $"{Message}{(Suggestion is null ? "" : ". " + Suggestion)}\n  {line}\n  {new string(' ', Offset - start)}^";
        }
    }
}

/// <summary>A filter of the filter language, read; for lists of flows, and compiled to a condition for rules. Immutable.</summary>
public abstract class FilterExpression
{
    /// <summary>Longest filter, in characters. Breach: a problem.</summary>
    internal const int MaxLength = 16 * 1024;

    /// <summary>Deepest nesting. Breach: a problem.</summary>
    internal const int MaxDepth = 128;

    private protected FilterExpression()
    {
    }

    /// <summary>Stages of a rule at which all of it can be told.</summary>
    public abstract RuleStage Stages { get; }

    /// <summary>Reads a filter.</summary>
    /// <param name="text">The filter; empty for all flows in our own language.</param>
    /// <param name="language">Its language.</param>
    /// <param name="problem">What is wrong, when the result is <see langword="null"/>.</param>
    public static FilterExpression? TryParse(string text, FilterLanguage language, out FilterProblem? problem)
    {
        ArgumentNullException.ThrowIfNull(text);
        problem = null;
        try
        {
            return text.Length > MaxLength ? throw new FilterSyntaxException(0, $"the filter is longer than {MaxLength} characters")
                : language == FilterLanguage.Mitmproxy ? new MitmproxyFilterParser(text).ParseWhole()
                : new RelayFilterParser(text).ParseWhole();
        }
        catch (FilterSyntaxException exception)
        {
            problem = new(text, Math.Min(exception.Offset, text.Length), exception.Message, exception.Suggestion);
            return null;
        }
    }

    /// <summary>Whether a stored flow is wanted. What a flow does not have matches nothing.</summary>
    public bool Matches(Flow flow)
    {
        ArgumentNullException.ThrowIfNull(flow);
        return Matches(new StoredFlow(flow));
    }

    /// <summary>Compiles it for the flows of a rule.</summary>
    /// <param name="stage">The rule's stage: what depends on the side looks at the one of the stage.</param>
    public Condition Compile(RuleStage stage) => LiveFilter.Compile(this, stage);

    internal abstract bool Matches(StoredFlow flow);

    internal sealed class And(IReadOnlyList<FilterExpression> parts) : FilterExpression
    {
        public IReadOnlyList<FilterExpression> Parts => parts;

        public override RuleStage Stages { get; } = parts.Aggregate(RuleStage.All, (known, x) => known & x.Stages);

        internal override bool Matches(StoredFlow flow) => parts.All(x => x.Matches(flow));
    }

    internal sealed class Or(IReadOnlyList<FilterExpression> parts) : FilterExpression
    {
        public IReadOnlyList<FilterExpression> Parts => parts;

        public override RuleStage Stages { get; } = parts.Aggregate(RuleStage.All, (known, x) => known & x.Stages);

        internal override bool Matches(StoredFlow flow) => parts.Any(x => x.Matches(flow));
    }

    internal sealed class Not(FilterExpression part) : FilterExpression
    {
        public FilterExpression Part => part;

        public override RuleStage Stages => part.Stages;

        internal override bool Matches(StoredFlow flow) => !part.Matches(flow);
    }

    /// <summary>A term.</summary>
    /// <param name="key">What it looks at.</param>
    /// <param name="source">As written, for traces.</param>
    internal sealed class Term(FilterKey key, string source) : FilterExpression
    {
        public FilterKey Key => key;

        public string Source => source;

        /// <summary>Name of a field, cookie, parameter or variable; <see langword="null"/> for all of them.</summary>
        public string? Name { get; init; }

        /// <summary>How texts compare; <see langword="null"/> for presence, and for numbers.</summary>
        public Matcher? Matcher { get; init; }

        /// <summary>Range of a number.</summary>
        public Interval? Range { get; init; }

        /// <summary>A JSON path.</summary>
        public JsonPath? Path { get; init; }

        /// <summary>Whether a response that is not there yet is no error but nothing, as in mitmproxy.</summary>
        public bool IsLenient { get; init; }

        public override RuleStage Stages => LiveFilter.StagesOf(this);

        internal override bool Matches(StoredFlow flow) => flow.Holds(this);
    }
}

/// <summary>A filter cannot be read.</summary>
internal sealed class FilterSyntaxException(int offset, string message, string? suggestion = null) : Exception(message)
{
    public int Offset => offset;

    public string? Suggestion => suggestion;
}
