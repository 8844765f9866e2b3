using RelayCore.Rules.Catalog;
using RelayCore.Rules.Documents;
using RelayCore.Rules.Filters.Language;

namespace RelayCore.Rules.Filters;

/// <summary>Filters in the filter language, and those made of filters.</summary>
internal static class ExpressionFilters
{
    /// <summary>All of them.</summary>
    public static IReadOnlyList<FilterType> All { get; } =
    [
        .. LogicFilters.All,
        new("Expression", RuleStage.All, "A filter in the filter language (docs/filter-language.md), or in mitmproxy's.",
            Shape.Single(PropertyKind.Any, "The filter, or `{expression, language}` with the language `relay` or `mitmproxy`."), Compile)
        {
            Example = "\"host:*.example.com and (method:POST or path:/admin)\"",
            StagesOf = static x => Read(x, out _)?.Stages ?? RuleStage.All,
        },
    ];

    /// <summary>Reads the config of an expression; for whoever has to know its stages before it is compiled.</summary>
    /// <param name="config">A text, or <c>{expression, language?}</c>.</param>
    /// <param name="problem">What is wrong, when the result is <see langword="null"/>.</param>
    public static FilterExpression? Read(RuleNode config, out string? problem)
    {
        var (text, language) = (config, FilterLanguage.Relay);
        if (config.Kind == NodeKind.Map)
        {
            if (config["expression"] is not { } expression)
            {
                problem = "it needs a text, or {expression, language}";
                return null;
            }

            if (config["language"] is { } name && !Enum.TryParse(name.Text, ignoreCase: true, out language))
            {
                problem = $"there is no filter language '{name.Text}'; there are relay and mitmproxy";
                return null;
            }

            text = expression;
        }

        var result = FilterExpression.TryParse(text.Text, language, out var found);
        problem = found?.Display;
        return result;
    }

    private static Condition? Compile(ConfigReader config)
    {
        if (Read(config.Node, out var problem) is not { } expression)
        {
            config.Error("RULE-317", config.Has("expression") ? "expression" : "config", $"the filter cannot be read: {problem}");
            return null;
        }

        // A reader of a text that is no matcher has its groups from the terms.
        foreach (var matcher in Matchers(expression))
        {
            config.Scope.Captures.UnionWith(matcher.GroupNames);
        }

        if ((expression.Stages & config.Scope.Stage) != 0)
        {
            return expression.Compile(config.Scope.Stage);
        }

        var unknown = Terms(expression).First(x => (x.Stages & config.Scope.Stage) == 0);
        config.Error(
            "RULE-316", "config", $"'{unknown.Source}' cannot be told at stage {config.Scope.Stage}.", $"It can at {unknown.Stages}: set the rule's stage to one of them.");
        return null;
    }

    private static IEnumerable<Matcher> Matchers(FilterExpression expression) => Terms(expression).Select(x => x.Matcher).OfType<Matcher>();

    private static IEnumerable<FilterExpression.Term> Terms(FilterExpression expression) => expression switch
    {
        FilterExpression.And and => and.Parts.SelectMany(Terms),
        FilterExpression.Or or => or.Parts.SelectMany(Terms),
        FilterExpression.Not not => Terms(not.Part),
        _ => [(FilterExpression.Term)expression],
    };
}
