using System.Text.RegularExpressions;
using RelayCore.Core.Connections;
using RelayCore.Core.Interception;
using RelayCore.Core.Messages;
using RelayCore.Protocols.Http1;
using RelayCore.Rules.Actions.Headers;
using RelayCore.Rules.Actions.Targets;
using RelayCore.Rules.Catalog;
using RelayCore.Rules.Execution;
using RelayCore.Rules.Templates;

namespace RelayCore.Rules.Actions;

/// <summary>Actions on start line and target: method, URL, path, status, map remote.</summary>
internal static class TargetActions
{
    private const RuleStage OnRequest = RuleStage.RequestHeaders | RuleStage.RequestBody;

    /// <summary>All of them.</summary>
    public static IReadOnlyList<ActionType> All { get; } =
    [
        new("SetRequestMethod", RuleStage.RequestHeaders, "Changes the method of the request; HEAD stays HEAD, because its responses have no body.",
            Shape.Of(HeaderActions.Template("method", "A token (RFC 9110 §9.1), taken as it is: methods have case. Not CONNECT.")), SetMethod.Compile)
        {
            Example = """{"method":"POST"}""",
        },
        new("SetRequestUrl", RuleStage.RequestHeaders, "Sends the request to another URL: origin, Host field, path and query. A URL that is none fails.",
            Shape.Of(HeaderActions.Template("url", "Absolute URL with http, https, ws or wss.")), SetRequestUrl.Compile)
        {
            Example = """{"url":"https://other.example/api{{request.path}}"}""",
        },
        new("SetPath", OnRequest, "Changes the path of the request; the query stays unless the new path brings one.",
            Shape.Of(HeaderActions.Template("path", "Begins with '/'; may have a query.")), c => new SetPath(c.Template("path")))
        {
            Example = """{"path":"/v2{{request.path}}"}""",
        },
        new("ReplaceInPath", OnRequest, "Replaces what a regex matches in the path, without the query.", Replacement("path"),
            c => ReplaceInTarget.Compile(c, isUrl: false))
        {
            Example = """{"pattern":"^/v1/(.*)","replacement":"/v2/$1"}""",
        },
        new("ReplaceInUrl", RuleStage.RequestHeaders, "Replaces what a regex matches in the whole URL; the Host field follows.", Replacement("URL"),
            c => ReplaceInTarget.Compile(c, isUrl: true))
        {
            Example = """{"pattern":"//www\\.","replacement":"//"}""",
        },
        new("SetResponseStatus", RuleStage.ResponseHeaders | RuleStage.ResponseBody, "Changes the status of the response, and its reason phrase with it; to or from 204 and 304 the response goes without body.",
            Shape.Of(
                new Property("status", PropertyKind.Integer, "Status code.") { IsRequired = true, Min = 200, Max = 999 },
                HeaderActions.Template("reason", "Reason phrase; the registered one when absent.", isRequired: false)),
            c => new SetStatus((int)c.Integer("status", 200), c.Has("reason") ? FieldValue.Read(c, "reason") : null))
        {
            Example = """{"status":503}""",
        },
        MapRemote.Type,
    ];

    /// <summary>Points a request to a URL.</summary>
    internal static ActionResult SetUrl(RequestHead request, string url, bool preservesHost)
    {
        if (TargetUrl.Read(url, out var problem) is not { } target)
        {
            return ActionResult.Failed(problem!);
        }

        request.Path = target.PathAndQuery;
        SetOrigin(request, target.Origin, preservesHost);
        return new(ActionOutcome.Done, request.Url);
    }

    /// <summary>Points a request to an origin.</summary>
    internal static void SetOrigin(RequestHead request, Origin origin, bool preservesHost)
    {
        // The same origin keeps where it was to be dialed to.
        if (origin with { DialHost = request.Origin.DialHost, Route = request.Origin.Route } != request.Origin)
        {
            request.Redirect(origin);
        }

        if (!preservesHost)
        {
            request.Fields.Set("Host", origin.Authority);
        }
    }

    private static Shape Replacement(string what) => Shape.Of(
        new("pattern", PropertyKind.Text, "Regex, run in linear time.") { IsRequired = true },
        HeaderActions.Template("replacement", $"What comes instead in the {what}; $1 or ${{name}} for what a group matched, $$ for a dollar sign."),
        new("ignore_case", PropertyKind.Boolean, "Whether letters match without case.") { Default = "false" });

    private sealed class SetMethod(Template method) : ImmediateAction
    {
        public static SetMethod? Compile(ConfigReader config)
        {
            var template = config.Template("method");
            if (template.IsConstant && Problem(template.Expand(null!)) is { } problem)
            {
                config.Error("RULE-415", "method", problem + ".");
                return null;
            }

            return new(template);
        }

        protected override ActionResult Run(RuleContext context)
        {
            var name = method.Expand(context);
            if (Problem(name) is { } problem)
            {
                return ActionResult.Failed(problem);
            }

            if (context.Exchange!.Request is var request && request.TargetForm is RequestTargetForm.Authority or RequestTargetForm.Asterisk)
            {
                return ActionResult.NoEffect($"the target of {request.Method} goes with no other method");
            }

            // A response to HEAD has no body whatever its fields say (RFC 9112 §6.3): client and server would see its end at different places.
            if ((name == "HEAD") != request.MethodOctets.SequenceEqual("HEAD"u8))
            {
                return ActionResult.Failed($"{request.Method} cannot become {name}: responses to HEAD have no body, so that client and server would disagree where they end");
            }

            request.Method = name;
            return ActionResult.Done;
        }

        private static string? Problem(string name) =>
            FieldName.Problem(name) is not null ? $"'{name}' is not a method: it must be a token (RFC 9110 §9.1)"
            : name == "CONNECT" ? "CONNECT asks for a tunnel, which no other request can become" : null;
    }

    private sealed class SetRequestUrl(Template url) : ImmediateAction
    {
        public static SetRequestUrl? Compile(ConfigReader config)
        {
            var template = config.Template("url");
            if (template.IsConstant && TargetUrl.Read(template.Expand(null!), out var problem) is null)
            {
                config.Error("RULE-414", "url", problem! + ".", "For example \"https://other.example/path\".");
                return null;
            }

            return new(template);
        }

        protected override ActionResult Run(RuleContext context) => SetUrl(context.Exchange!.Request, url.Expand(context), preservesHost: false);
    }

    private sealed class SetPath(Template path) : ImmediateAction
    {
        protected override ActionResult Run(RuleContext context) => SetTo(context.Exchange!.Request, path.Expand(context));

        internal static ActionResult SetTo(RequestHead request, string text)
        {
            if (request.PathOctets is not [(byte)'/', ..])
            {
                return ActionResult.NoEffect("the request has no path");
            }

            var changed = TargetUrl.Escape(text);
            if (!changed.StartsWith('/') || changed.Contains('#', StringComparison.Ordinal))
            {
                return ActionResult.Failed($"'{(text.Length > 200 ? text[..200] : text)}' is not a path: it must begin with '/' and have no '#'");
            }

            var old = request.Path;
            var mark = old.IndexOf('?', StringComparison.Ordinal);
            request.Path = mark < 0 || changed.Contains('?', StringComparison.Ordinal) ? changed : changed + old[mark..];
            return ActionResult.Done;
        }
    }

    private sealed class ReplaceInTarget(Regex regex, Template replacement, bool isUrl) : ImmediateAction
    {
        public static ReplaceInTarget? Compile(ConfigReader config, bool isUrl) =>
            LinearRegex.Compile(config, "pattern", config.Boolean("ignore_case")) is { } regex ? new(regex, config.Template("replacement"), isUrl) : null;

        protected override ActionResult Run(RuleContext context)
        {
            var request = context.Exchange!.Request;
            if (request.PathOctets is not [(byte)'/', ..])
            {
                return ActionResult.NoEffect("the request has no path");
            }

            var text = isUrl ? request.Url : request.Path.Split('?')[0];
            if (!regex.IsMatch(text))
            {
                return ActionResult.NoEffect($"the pattern matches nothing in {text}");
            }

            var replaced = regex.Replace(text, replacement.Expand(context, null, isReplacement: true));
            return replaced == text ? ActionResult.NoEffect("the replacement is what was there")
                : isUrl ? SetUrl(request, replaced, preservesHost: false) : SetPath.SetTo(request, replaced);
        }
    }

    private sealed class SetStatus(int status, FieldValue? reason) : ImmediateAction
    {
        protected override ActionResult Run(RuleContext context)
        {
            var (request, response) = (context.Exchange!.Request, context.Exchange.Response);
            var phrase = reason?.For(context);
            if (response.Status == 101)
            {
                return ActionResult.Failed("a switch of protocols cannot have another status; refuse it with Drop or MockResponse");
            }

            // 204 and 304 never have a body (RFC 9112 §6.3), so what the server framed does not fit any more and the head is sent anew without one.
            if ((response.Status is 204 or 304) != (status is 204 or 304) && !request.MethodOctets.SequenceEqual("HEAD"u8))
            {
                return ActionResult.Terminal(
                    new Verdict.Respond(status, [.. response.Fields.ToList().Where(x => FieldName.Problem(x.Key) is null)], default) { Reason = phrase },
                    FormattableString.Invariant($"sent without body, because of {response.Status} and {status} only one has one"));
            }

            response.Status = status;
            if (phrase is not null)
            {
                response.Reason = phrase;
            }

            return ActionResult.Done;
        }
    }
}
