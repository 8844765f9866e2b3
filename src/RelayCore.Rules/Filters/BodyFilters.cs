using System.Runtime.InteropServices;
using System.Text.Json;
using RelayCore.Rules.Catalog;
using RelayCore.Rules.Execution;
using RelayCore.Rules.Filters.JsonPaths;
using static RelayCore.Rules.Filters.FilterParts;

namespace RelayCore.Rules.Filters;

/// <summary>Filters of bodies: text, size, JSON, GraphQL.</summary>
internal static class BodyFilters
{
    private const RuleStage Contents = RuleStage.RequestBody | RuleStage.ResponseBody | RuleStage.Messages;

    /// <summary>All of them.</summary>
    public static IReadOnlyList<FilterType> All { get; } =
    [
        Matching("RequestBody", RuleStage.RequestBody, "The content of the request body, decoded; of one that is no UTF-8 also its base64.",
            """{"mode":"Contains","value":"password"}""", static (context, matcher) => Facts.Content(context, context.Body?.Content, matcher)),
        Matching("ResponseBody", RuleStage.ResponseBody, "The content of the response body, decoded; of one that is no UTF-8 also its base64.",
            """{"mode":"Regex","value":"(?i)internal server error"}""", static (context, matcher) => Facts.Content(context, context.Body?.Content, matcher)),
        Sized("RequestBodySize", RuleStage.RequestBody | RuleStage.Completed, "Octets of the request body on the wire, without transfer coding.", """{"min":"1MiB"}""",
            static (context, sizes) => sizes.Has(context.Stage == RuleStage.Completed ? context.Exchange?.RequestBodyOctets ?? 0 : context.Body?.Octets.Length ?? 0)),
        Sized("ResponseBodySize", RuleStage.ResponseBody | RuleStage.Completed, "Octets of the response body on the wire, without transfer coding.", """{"max":"64KiB"}""",
            static (context, sizes) => sizes.Has(context.Stage == RuleStage.Completed ? context.Exchange?.ResponseBodyOctets ?? 0 : context.Body?.Octets.Length ?? 0)),
        new("Size", Contents | RuleStage.Completed, "Octets of what the stage is about: the body on the wire, the message, both bodies together at Completed.",
            SizeShape("number of octets"), Size)
        {
            Example = """{"min":"10KiB","max":"1MiB"}""",
        },
        new("JsonPath", Contents, "A JSON path (RFC 9535) on the content: something it names must be there, and match.", Shape.Of(
            new("path", PropertyKind.Text, "The path, beginning with `$`.") { IsRequired = true },
            new("value", PropertyKind.Matcher, "Matcher on the text of what it names: a string as it is, anything else as JSON; absent: it must be there.") { MayBeNull = true },
            new("side", PropertyKind.Choice, "Which content; absent: the one of the stage.") { Values = ["request", "response", "message"] }), Json)
        {
            Example = """{"path":"$.user.roles[?@ == 'admin']"}""",
        },
        new("GraphQL", RuleStage.RequestHeaders | RuleStage.RequestBody | RuleStage.Messages,
            "A GraphQL operation: in a body of `application/json` or `application/graphql`, the query of a GET, or a WebSocket message.", Shape.Of(
                new("operation", PropertyKind.Matcher, "Matcher on the name of the operation.") { MayBeNull = true },
                new("type", PropertyKind.Choice, "What it is.") { Values = ["query", "mutation", "subscription"] },
                new("field", PropertyKind.Matcher, "Matcher on any of its outermost fields.") { MayBeNull = true }), GraphQl)
        {
            Example = """{"operation":"GetUser","type":"query"}""",
        },
    ];

    /// <summary>A value as text: a string without quotes, anything else as the document has it.</summary>
    internal static bool Matches(JsonElement element, RuleContext context, Matcher matcher)
    {
        var raw = JsonMarshal.GetRawUtf8Value(element);
        return element.ValueKind != JsonValueKind.String ? matcher.Matches(raw, context)
            : raw.Contains((byte)'\\') ? matcher.Matches(element.GetString().AsSpan(), context)
            : matcher.Matches(raw[1..^1], context);
    }

    internal static Condition JsonCondition(JsonPath path, Matcher? matcher, RuleStage known, string name = "JsonPath") =>
        new Fact<(JsonPath Path, Matcher? Matcher)>($"{name} {path.Text}{(matcher is null ? "" : " " + matcher.Text)}", known, (path, matcher), static (context, test) =>
            context.Json is { } root && test.Path.Any(root, (context, test.Matcher), static (element, x) => x.Matcher is null || Matches(element, x.context, x.Matcher)));

    internal static Fact<Interval> SizeCondition(Interval sizes) =>
        new($"Size {Describe(sizes, "octets")}", Contents | RuleStage.Completed, sizes, static (context, sizes) => sizes.Has(
            context.Message?.Content.Length ?? context.Body?.Octets.Length ?? (context.Exchange is { } exchange ? exchange.RequestBodyOctets + exchange.ResponseBodyOctets : 0)));

    private static Fact<Interval>? Size(ConfigReader config) => ReadSizes(config) is { } sizes ? SizeCondition(sizes) : null;

    private static Condition? Json(ConfigReader config)
    {
        var matcher = config.CapturingMatcher("value");
        if (JsonPath.TryParse(config.Text("path"), out var problem) is not { } path)
        {
            config.Error("RULE-315", "path", $"the JSON path cannot be used: {problem}.", "Write for example $.user.name, $..id or $.items[?@.price < 10].");
            return null;
        }

        var known = config.Text("side").ToLowerInvariant() switch
        {
            "request" => RuleStage.RequestBody,
            "response" => RuleStage.ResponseBody,
            "message" => RuleStage.Messages,
            _ => Contents,
        };
        if ((known & config.Scope.Stage) == 0)
        {
            config.Error("RULE-316", "side", $"that content is not there at stage {config.Scope.Stage}.", $"Set the rule's stage to {known}, or leave side out.");
            return null;
        }

        return config.Has("value") && matcher is null ? null : JsonCondition(path, matcher, known);
    }

    private static GraphQlCondition? GraphQl(ConfigReader config)
    {
        var (operation, field) = (config.CapturingMatcher("operation"), config.CapturingMatcher("field"));
        return (config.Has("operation") && operation is null) || (config.Has("field") && field is null)
            ? null : new GraphQlCondition(operation, config.Has("type") ? config.Text("type").ToLowerInvariant() : null, field, config.Scope.Stage);
    }
}
