using System.Text.RegularExpressions;
using RelayCore.Rules.Catalog;
using RelayCore.Rules.Execution;
using RelayCore.Rules.Templates;

namespace RelayCore.Rules.Actions.Targets;

/// <summary>Sends the request to another server.</summary>
/// <param name="url">Where; with a pattern what replaces each of its matches in the URL.</param>
/// <param name="pattern">What to replace in the URL; <see langword="null"/> to go by <paramref name="path"/>.</param>
/// <param name="path">What becomes of the path; <see langword="null"/> to decide by the target.</param>
/// <param name="preservesHost">Whether the Host field stays.</param>
internal sealed class MapRemote(Template url, Regex? pattern, MapRemote.PathMode? path, bool preservesHost) : ImmediateAction
{
    /// <summary>What becomes of the path.</summary>
    internal enum PathMode
    {
        /// <summary>Path and query of the request.</summary>
        Keep,

        /// <summary>Path of the target, and its query; the request's query when it has none.</summary>
        Replace,

        /// <summary>Path of the target with that of the request behind it.</summary>
        Append,
    }

    public static ActionType Type { get; } = new("MapRemote", RuleStage.RequestHeaders,
        "Sends the request to another server. A target without path keeps path and query of the request; one with a path replaces the path, "
        + "and the query if it has one.",
        Shape.Of(
            HeaderActions.Template(
                "url", "Absolute URL with http, https, ws or wss. With a pattern: what replaces each match in the URL, $1 for what a group matched."),
            new("preserve_host", PropertyKind.Boolean, "Whether the Host field stays as the client sent it.") { Default = "false" },
            new("path", PropertyKind.Choice, "What becomes of the path: keep, replace, or append that of the request to that of the target.")
            {
                Values = ["keep", "replace", "append"],
            },
            new("pattern", PropertyKind.Text, "Regex on the whole URL, run in linear time; then 'path' has no meaning."),
            new("ignore_case", PropertyKind.Boolean, "Whether the pattern matches letters without case.") { Default = "false" }),
        Compile)
    {
        Example = """{"url":"https://staging.example:8443","preserve_host":false}""",
    };

    protected override ActionResult Run(RuleContext context)
    {
        var request = context.Exchange!.Request;
        if (request.PathOctets is not [(byte)'/', ..])
        {
            return ActionResult.NoEffect("the request has no path");
        }

        if (pattern is not null)
        {
            var before = request.Url;
            if (!pattern.IsMatch(before))
            {
                return ActionResult.NoEffect("the pattern does not match the URL");
            }

            var after = pattern.Replace(before, url.Expand(context, null, isReplacement: true));
            return TargetActions.SetUrl(request, after, preservesHost);
        }

        if (TargetUrl.Read(url.Expand(context), out var problem) is not { } target)
        {
            return ActionResult.Failed(problem!);
        }

        var old = request.Path;
        var mark = old.IndexOf('?', StringComparison.Ordinal);
        var (oldPath, oldQuery) = mark < 0 ? (old, null) : (old[..mark], old[(mark + 1)..]);
        var mode = path ?? (target.HasPath ? PathMode.Replace : PathMode.Keep);
        var (newPath, newQuery) = mode switch
        {
            PathMode.Keep => (oldPath, oldQuery),
            PathMode.Replace => (target.Path.Length == 0 ? "/" : target.Path, target.Query ?? oldQuery),
            _ => (target.Path.TrimEnd('/') + oldPath, Joined(target.Query, oldQuery)),
        };
        request.Path = newQuery is null ? newPath : $"{newPath}?{newQuery}";
        TargetActions.SetOrigin(request, target.Origin, preservesHost);
        return new(ActionOutcome.Done, request.Url);
    }

    private static MapRemote? Compile(ConfigReader config)
    {
        var regex = config.Has("pattern") ? LinearRegex.Compile(config, "pattern", config.Boolean("ignore_case")) : null;
        var target = config.Template("url");
        if (config.Has("pattern"))
        {
            return regex is null ? null : new(target, regex, null, config.Boolean("preserve_host"));
        }

        if (target.IsConstant && TargetUrl.Read(target.Expand(null!), out var problem) is null)
        {
            config.Error("RULE-414", "url", problem! + ".", "For example \"https://staging.example:8443\".");
            return null;
        }

        return new(target, null, config.Has("path") ? config.Choice("path", PathMode.Keep) : null, config.Boolean("preserve_host"));
    }

    private static string? Joined(string? first, string? second) => first is null ? second : second is null ? first : $"{first}&{second}";
}
