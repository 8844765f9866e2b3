using RelayCore.Rules.Actions.Streams;
using RelayCore.Rules.Catalog;

namespace RelayCore.Rules.Actions;

/// <summary>Actions on bodies of any size, on their way.</summary>
internal static class StreamActions
{
    /// <summary>All of them.</summary>
    public static IReadOnlyList<ActionType> All { get; } =
    [
        new("TransformStream", RuleStage.RequestHeaders | RuleStage.ResponseHeaders,
            "Replaces texts and regex matches in the body that follows, of any size, without holding it; of the request or the response, as the stage says.",
            Shape.Of(new Property("replacements", PropertyKind.List,
                "Replacements. Texts one behind the other are one pass: the first place wins, there the longest text. Each regex is a pass on what the one before left.")
            {
                IsRequired = true,
                Items = new Property("replacement", PropertyKind.Object, "One replacement.")
                {
                    Shape = Shape.Of(
                        new Property("find", PropertyKind.Text, "A text, matched as its UTF-8 octets."),
                        new Property("pattern", PropertyKind.Text, "A linear-time regex over octets: beyond ASCII its characters are their UTF-8 octets; $ and \\z are not available."),
                        new Property("replacement", PropertyKind.Template, "What takes its place; $1 and ${name} are groups of a regex.") { Default = "\"\"" },
                        new Property("ignore_case", PropertyKind.Boolean, "Whether ASCII letters match in either case.") { Default = "false" },
                        new Property("max_match", PropertyKind.Integer, "Longest match of a regex, in octets; longer ones are left as they are, and twice as much is held back.")
                        {
                            Default = "4096", Min = 1, Max = TransformStream.LargestMaxMatch,
                        }),
                },
            }),
            TransformStream.Compile)
        {
            Example = """{"replacements":[{"find":"http://","replacement":"https://"},{"pattern":"id=(\\d{1,9})","replacement":"id=[$1]"}]}""",
        },
    ];
}
