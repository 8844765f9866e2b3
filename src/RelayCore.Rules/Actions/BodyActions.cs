using RelayCore.Rules.Actions.Bodies;
using RelayCore.Rules.Catalog;

namespace RelayCore.Rules.Actions;

/// <summary>Actions on whole bodies. All see and set content without content coding; it leaves in the coding it came in.</summary>
internal static class BodyActions
{
    private static readonly Property s_body = new("body", PropertyKind.BodySource, "The octets: {type: Text|File|Base64, value}, or a text; may be empty.") { IsRequired = true };

    /// <summary>All of them.</summary>
    public static IReadOnlyList<ActionType> All { get; } =
    [
        new("SetRequestBody", RuleStage.RequestHeaders | RuleStage.RequestBody, "Replaces the content of the request body, in the content coding it has.", Shape.Of(s_body), Set)
        {
            Example = """{"body":{"type":"Text","value":"{\"user\":\"test\"}"}}""",
        },
        new("SetResponseBody", RuleStage.ResponseHeaders | RuleStage.ResponseBody, "Replaces the content of the response body, in the content coding it has.", Shape.Of(s_body), Set)
        {
            Example = """{"body":{"type":"Text","value":"maintenance"}}""",
        },
        Transform("TransformRequestBody", RuleStage.RequestBody, "request", """{"transform":{"type":"RegexReplace","config":{"pattern":"foo(\\d)","replacement":"bar$1"}}}"""),
        Transform("TransformResponseBody", RuleStage.ResponseBody, "response", """{"transform":{"type":"JsonPathSet","config":{"path":"$.user.plan","value":"\"pro\""}}}"""),
        Extend("AppendRequestBody", RuleStage.RequestBody, "Adds to the end of the request's content.", isBefore: false),
        Extend("PrependRequestBody", RuleStage.RequestBody, "Adds to the beginning of the request's content.", isBefore: true),
        Extend("AppendResponseBody", RuleStage.ResponseBody, "Adds to the end of the response's content.", isBefore: false),
        Extend("PrependResponseBody", RuleStage.ResponseBody, "Adds to the beginning of the response's content.", isBefore: true),
        new("InjectHtml", RuleStage.ResponseBody, "Puts markup into an HTML document (text/html, application/xhtml+xml); other types stay as they are.",
            Shape.Of(
                new Property("html", PropertyKind.Template, "The markup.") { IsRequired = true },
                new Property("position", PropertyKind.Choice, "Where; a document without the tag gets it where the tag would be.")
                {
                    Values = ["head_start", "head_end", "body_start", "body_end"], Default = "\"body_end\"",
                },
                new Property("adjust_csp", PropertyKind.Boolean, "Whether Content-Security-Policy is widened by exactly the scripts and styles of the markup.") { Default = "false" }),
            c => new InjectHtml(c.Template("html"), c.Choice("position", HtmlPosition.BodyEnd), c.Boolean("adjust_csp")))
        {
            Example = """{"html":"<script src=\"https://dev.example/probe.js\"></script>","position":"head_start","adjust_csp":true}""",
        },
        new("ChangeCompression", RuleStage.RequestBody | RuleStage.ResponseBody, "Codes the content anew and sets or removes Content-Encoding; a response gets Vary, and its ETag becomes weak.",
            Shape.Of(new Property("encoding", PropertyKind.Choice, "The content coding.") { IsRequired = true, Values = ["identity", "gzip", "br", "zstd", "deflate"] }),
            c => new ChangeCompression(c.Text("encoding").ToLowerInvariant() is var coding and not "identity" ? coding : null))
        {
            Example = """{"encoding":"identity"}""",
        },
    ];

    private static ActionType Transform(string name, RuleStage stage, string side, string example) =>
        new(name, stage, $"Edits the content of the {side} body; what is not meant keeps its octets.", Shape.Of(ContentTransform.Property),
            c => ContentTransform.Compile(c.Object("transform")) is { } transform ? new TransformBody(transform) : null)
        {
            Example = example,
        };

    private static ActionType Extend(string name, RuleStage stage, string summary, bool isBefore) =>
        new(name, stage, summary, Shape.Of(s_body), c => BodySource.Compile(c["body"]!, c.Scope) is { } source ? new ExtendBody(source, isBefore) : null)
        {
            Example = """{"body":{"type":"Text","value":"more"}}""",
        };

    private static SetBody? Set(ConfigReader config) => BodySource.Compile(config["body"]!, config.Scope) is { } source ? new(source) : null;
}
