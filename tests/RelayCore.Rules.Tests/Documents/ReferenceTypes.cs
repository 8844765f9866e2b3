using RelayCore.Rules.Catalog;

namespace RelayCore.Rules.Tests.Documents;

/// <summary>Types with the shapes and stages of the reference (rules §2, §3), so that reading is tested whatever the catalog holds. Nothing here compiles.</summary>
internal static class ReferenceTypes
{
    private const RuleStage Response = RuleStage.ResponseHeaders | RuleStage.ResponseBody | RuleStage.WebSocketMessage;

    public static KnownTypes All { get; } = new(
        new[]
        {
            Filter("All", RuleStage.All, Shape.None),
            Filter("SrcIp", RuleStage.All, Shape.Single(PropertyKind.Text, "IP or CIDR."), "\"10.0.0.0/8\""),
            Filter("DstPort", RuleStage.All, Single(new("config", PropertyKind.Integer, "Port.") { IsRequired = true, Min = 0, Max = 65535 })),
            Filter("Protocol", RuleStage.All, Single(new("config", PropertyKind.Choice, "Protocol.") { IsRequired = true, Values = ["TCP", "UDP"] })),
            Filter("TransparentMode", RuleStage.All, Shape.Single(PropertyKind.Boolean, "Whether it is transparent.")),
            Matcher("Url", RuleStage.FromRequest),
            Matcher("Host", RuleStage.All),
            Matcher("Path", RuleStage.FromRequest),
            Matcher("Method", RuleStage.FromRequest),
            Filter("RequestHeader", RuleStage.FromRequest, Named()),
            Filter("ResponseHeader", Response, Named()),
            Filter("StatusCode", Response, Single(new("config", PropertyKind.Integer, "Status.") { IsRequired = true, Min = 100, Max = 999 }), "404"),
            Matcher("ResponseBody", RuleStage.ResponseBody),
            Matcher("WebSocketMessage", RuleStage.WebSocketMessage),
            Filter("Duration", RuleStage.Completed, Shape.Of(new Property("min_ms", PropertyKind.Integer, "Shortest, in milliseconds.") { Min = 0 })),
            Filter("Probability", RuleStage.All, Single(new("config", PropertyKind.Number, "From 0 to 1.") { IsRequired = true, Min = 0, Max = 1 })),
            Filter("Sni", RuleStage.ClientHello, Shape.Single(PropertyKind.Matcher, "The name asked for.")),
            Filter("Expression", RuleStage.All, Shape.Single(PropertyKind.Any, "Filter.")) with { StagesOf = static x => x.Text == "status:404" ? RuleStage.FromResponse : RuleStage.All },
            Filter("And", RuleStage.All, Filters()),
            Filter("Or", RuleStage.All, Filters()),
            Filter("Not", RuleStage.All, Shape.Single(PropertyKind.Filter, "What must not hold.")),
        }.ToDictionary(x => x.Name),
        new[]
        {
            Action("Drop", RuleStage.All, Shape.None) with { IsTerminal = true },
            Action("Inspect", RuleStage.All, Shape.None),
            Action("Delay", RuleStage.All, Shape.Of(new Property("ms", PropertyKind.Integer, "How long, in milliseconds.") { IsRequired = true, Min = 0, Max = 3_600_000 })) with { Example = "{\"ms\": 250}" },
            Action("Throttle", RuleStage.All, Shape.Of(new Property("kbps", PropertyKind.Integer, "Kilobits in a second.") { IsRequired = true, Min = 1 })),
            Action("Tag", RuleStage.All, Texts("key", "value")),
            Action("SetVariable", RuleStage.All, Texts("name", "value")),
            Action("RateLimit", RuleStage.All, Shape.Of(
                new Property("key", PropertyKind.Template, "What is counted.") { IsRequired = true },
                new Property("limit", PropertyKind.Integer, "How many.") { IsRequired = true, Min = 1 },
                new Property("window_ms", PropertyKind.Integer, "In how long.") { IsRequired = true, Min = 1 })),
            Action("MockResponse", RuleStage.RequestHeaders | RuleStage.RequestBody, Shape.Of(
                new Property("status", PropertyKind.Integer, "Status.") { IsRequired = true, Min = 100, Max = 999 },
                new Property("headers", PropertyKind.Fields, "Field lines."),
                new Property("body", PropertyKind.BodySource, "Body."))) with { IsTerminal = true },
            Action("MapLocal", RuleStage.RequestHeaders, Shape.Of(
                new Property("path", PropertyKind.Text, "File.") { IsRequired = true }, new Property("content_type", PropertyKind.Text, "Media type."))) with { IsTerminal = true },
            Action("MapRemote", RuleStage.RequestHeaders, Shape.Of(
                new Property("url", PropertyKind.Template, "Where to.") { IsRequired = true }, new Property("preserve_host", PropertyKind.Boolean, "Whether Host stays.") { Default = "false" })),
            Action("Redirect", RuleStage.RequestHeaders, Shape.Of(
                new Property("location", PropertyKind.Template, "Where to.") { IsRequired = true }, new Property("status", PropertyKind.Integer, "Status.") { Default = "302", Min = 300, Max = 399 })) with { IsTerminal = true },
            Action("AddRequestHeader", RuleStage.RequestHeaders, Texts("name", "value")),
            Action("AddResponseHeader", RuleStage.ResponseHeaders, Texts("name", "value")),
            Action("UpdateRequestHeader", RuleStage.RequestHeaders, Shape.Of(
                new Property("name", PropertyKind.Text, "Field.") { IsRequired = true }, new Property("value", PropertyKind.Template, "Value.") { IsRequired = true },
                new Property("add_if_missing", PropertyKind.Boolean, "Whether it is added.") { Default = "false" })),
            Action("DeleteResponseHeader", RuleStage.ResponseHeaders, Texts("name")),
            Action("SetResponseBody", RuleStage.ResponseHeaders | RuleStage.ResponseBody, Shape.Of(new Property("body", PropertyKind.BodySource, "The body.") { IsRequired = true })),
            Action("TransformResponseBody", RuleStage.ResponseBody, Transform()),
            Action("TransformRequestBody", RuleStage.RequestBody, Transform()),
            Action("MockWebSocketMessage", RuleStage.WebSocketMessage, Shape.Of(
                new Property("direction", PropertyKind.Choice, "Direction.") { IsRequired = true, Values = ["Incoming", "Outgoing"] },
                new Property("message", PropertyKind.Template, "Content.") { IsRequired = true })),
            Action("DropWebSocketMessage", RuleStage.WebSocketMessage, Shape.None) with { IsTerminal = true },
            Action("DropMessage", RuleStage.Messages, Shape.None) with { IsTerminal = true },
        }.ToDictionary(x => x.Name));

    private static FilterType Filter(string name, RuleStage stages, Shape shape, string? example = null) => new(name, stages, $"{name}.", shape, static _ => null) { Example = example };

    private static FilterType Matcher(string name, RuleStage stages) => Filter(name, stages, Shape.Single(PropertyKind.Matcher, "What it must be."), "{\"mode\": \"Contains\", \"value\": \"x\"}");

    private static ActionType Action(string name, RuleStage stages, Shape shape) => new(name, stages, $"{name}.", shape, static _ => null);

    private static Shape Single(Property property) => new() { Value = property };

    private static Shape Filters() => Single(new("config", PropertyKind.List, "Filters.") { IsRequired = true, Items = new("item", PropertyKind.Filter, "Filter.") });

    private static Shape Named() => Shape.Of(
        new Property("name", PropertyKind.Text, "Field.") { IsRequired = true }, new Property("value", PropertyKind.Matcher, "Null: it is there.") { IsRequired = true, MayBeNull = true });

    private static Shape Texts(params string[] names) => Shape.Of([.. names.Select(x => new Property(x, PropertyKind.Template, $"The {x}.") { IsRequired = true })]);

    private static Shape Transform() => Shape.Of(new Property("transform", PropertyKind.Object, "The edit.")
    {
        IsRequired = true,
        Shape = Shape.Of(
            new Property("type", PropertyKind.Choice, "Kind.") { IsRequired = true, Values = ["RegexReplace", "JsonPathSet", "JsonPathDelete"] },
            new Property("config", PropertyKind.Any, "Its config.") { IsRequired = true }),
    });
}
