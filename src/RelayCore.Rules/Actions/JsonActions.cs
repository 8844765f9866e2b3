using RelayCore.Rules.Actions.Bodies;
using RelayCore.Rules.Catalog;

namespace RelayCore.Rules.Actions;

/// <summary>Short forms for the edit of JSON that is wanted most.</summary>
internal static class JsonActions
{
    /// <summary>All of them.</summary>
    public static IReadOnlyList<ActionType> All { get; } =
    [
        Set("SetJsonRequest", RuleStage.RequestBody, "request"),
        Set("SetJsonResponse", RuleStage.ResponseBody, "response"),
    ];

    private static ActionType Set(string name, RuleStage stage, string side) =>
        new(name, stage, $"Sets one value of the JSON in the {side} body, as the transform JsonPathSet does.",
            Shape.Of(
                new Property("path", PropertyKind.Template, "$.a.b[0]['c'], with .* and [*], [-1], and [-] behind the end; what is missing is made.") { IsRequired = true },
                new Property("value", PropertyKind.Any, "The value; a string is read as JSON when it is JSON.") { IsRequired = true, MayBeNull = true }),
            c => JsonPathEdit.From(c, isDelete: false) is { } edit ? new TransformBody(edit) : null)
        {
            Example = """{"path":"$.user.plan","value":"pro"}""",
        };
}
