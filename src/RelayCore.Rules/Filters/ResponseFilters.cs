using System.Globalization;
using RelayCore.Rules.Catalog;
using static RelayCore.Rules.Filters.FilterParts;

namespace RelayCore.Rules.Filters;

/// <summary>Filters of the response: status, fields, media type, sizes, duration.</summary>
internal static class ResponseFilters
{
    /// <summary>All of them.</summary>
    public static IReadOnlyList<FilterType> All { get; } =
    [
        new("StatusCode", Response, "The status code of the response.",
            new() { Value = new("config", PropertyKind.Integer, "The status code.") { IsRequired = true, Min = 100, Max = 999 } },
            config => Status("StatusCode", config.Integer("config"), config.Integer("config")))
        {
            Example = "404",
        },
        new("StatusRange", Response, "A range or class of status codes.",
            Shape.Single(PropertyKind.Any, "A class `4xx`, a range `500-599`, a code, or `{min, max}`."), StatusRange)
        {
            Example = "\"5xx\"",
        },
        OfNamed("ResponseHeader", Response, "field", "A field of the response, its name without case; any line of that name.",
            """{"name":"etag","value":null}""", static (context, named) => Facts.Field(context, Facts.ResponseFields(context), named)),
        OfNamed("SetCookie", Response, "cookie", "A cookie the response sets; any occurrence.", """{"name":"session"}""", Facts.SetCookie),
        Matching("ResponseContentType", Response, "The media type of the response body, without parameters; case never matters.", "\"text/html\"",
            static (context, matcher) => Facts.MediaType(context, Facts.ResponseFields(context), matcher), ignoreCase: true),
        new("ContentType", Request, "The media type of the message the stage is about: the request's at request stages, else the response's; case never matters.",
            Shape.Single(PropertyKind.Matcher, "Matcher on the media type, without parameters."), ContentType)
        {
            Example = """{"mode":"Contains","value":"json"}""",
        },
        new("Duration", RuleStage.Completed, "How long the exchange took, from the request head to its end.", Shape.Of(
            new("min_ms", PropertyKind.Number, "Shortest, in milliseconds.") { Min = 0, Default = "0" },
            new("max_ms", PropertyKind.Number, "Longest, in milliseconds; absent: no limit.") { Min = 0 }), Duration)
        {
            Example = """{"min_ms":1000}""",
        },
    ];

    internal static Condition Status(string name, double min, double max)
    {
        var range = new Interval(min, max);
        return new Fact<Interval>($"{name} {Describe(range, "")}", Response, range, static (context, range) =>
            context.Exchange is { HasResponse: true } exchange && range.Has(exchange.Response.Status));
    }

    /// <summary>Reads <c>4xx</c>, <c>500-599</c> or <c>404</c>.</summary>
    internal static Interval? ReadStatus(string text)
    {
        if (text is [>= '1' and <= '9' and var digit, 'x' or 'X', 'x' or 'X'])
        {
            return new((digit - '0') * 100, ((digit - '0') * 100) + 99);
        }

        var dash = text.IndexOf('-', StringComparison.Ordinal);
        return Code(dash < 0 ? text : text[..dash]) is { } min && Code(dash < 0 ? text : text[(dash + 1)..]) is { } max && min <= max ? new(min, max) : null;

        static int? Code(string code) => int.TryParse(code, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number is >= 100 and <= 999 ? number : null;
    }

    internal static Fact<Interval> DurationCondition(Interval range) =>
        new($"Duration {Describe(range, "ms")}", RuleStage.Completed, range, static (context, range) =>
            range.Has(context.Environment.Time.GetElapsedTime(context.Flow.StartedAt).TotalMilliseconds));

    private static Condition? StatusRange(ConfigReader config)
    {
        var node = config.Node;
        var range = node["min"] is null && node["max"] is null
            ? ReadStatus(node.Text)
            : ReadStatus($"{node["min"]?.Text ?? "100"}-{node["max"]?.Text ?? "999"}");
        if (range is not null)
        {
            return Status("StatusRange", range.Min, range.Max);
        }

        config.Error("RULE-314", "config", $"'{node.Text}' is no range of status codes.", """Write "4xx", "500-599" or {"min": 500, "max": 599}.""");
        return null;
    }

    private static Fact<Matcher>? ContentType(ConfigReader config)
    {
        if (config.CapturingMatcher(ignoreCase: true) is not { } matcher)
        {
            return null;
        }

        var isRequest = (config.Scope.Stage & (RuleStage.RequestHeaders | RuleStage.RequestBody)) != 0;
        return new Fact<Matcher>($"ContentType {matcher.Text}", isRequest ? Request : Response, matcher, isRequest
            ? static (context, matcher) => Facts.MediaType(context, Facts.RequestFields(context), matcher)
            : static (context, matcher) => Facts.MediaType(context, Facts.ResponseFields(context), matcher));
    }

    private static Fact<Interval>? Duration(ConfigReader config) =>
        Ordered(config, config.Number("min_ms"), config.Number("max_ms", double.PositiveInfinity)) is { } range ? DurationCondition(range) : null;
}
