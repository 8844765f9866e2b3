using System.Globalization;
using System.Text;
using System.Text.Json;
using RelayCore.Core.Interception;
using RelayCore.Core.Messages;
using RelayCore.Rules.Actions.Answers;
using RelayCore.Rules.Actions.Headers;
using RelayCore.Rules.Actions.Targets;
using RelayCore.Rules.Catalog;
using RelayCore.Rules.Execution;
using RelayCore.Rules.Templates;

namespace RelayCore.Rules.Actions;

/// <summary>Actions that answer instead of the server: mock, sequence, redirect.</summary>
internal static class AnswerActions
{
    private const RuleStage Answerable = RuleStage.RequestHeaders | RuleStage.RequestBody | RuleStage.ResponseHeaders | RuleStage.ResponseBody;

    private static readonly Property[] s_answer =
    [
        new("status", PropertyKind.Integer, "Status code.") { Min = 200, Max = 999, Default = "200" },
        new("reason", PropertyKind.Template, "Reason phrase; the registered one when absent."),
        new("headers", PropertyKind.Fields, "Field lines; Content-Type goes by the kind of body when it is absent. Content-Length is always right."),
        new("body", PropertyKind.BodySource, "Body: a text with variables, a file that is read again when it changed, or base64."),
    ];

    private static readonly Dictionary<string, int> s_kinds = new(StringComparer.OrdinalIgnoreCase)
    {
        ["bad_request"] = 400,
        ["unauthorized"] = 401,
        ["forbidden"] = 403,
        ["not_found"] = 404,
        ["conflict"] = 409,
        ["gone"] = 410,
        ["too_many_requests"] = 429,
        ["server_error"] = 500,
        ["bad_gateway"] = 502,
        ["unavailable"] = 503,
        ["gateway_timeout"] = 504,
    };

    /// <summary>All of them.</summary>
    public static IReadOnlyList<ActionType> All { get; } =
    [
        new("MockResponse", Answerable, "Answers with a response of the rule; the server is not asked, or its answer not used.",
            Shape.Of(s_answer), c => new Mock(new(c)))
        {
            Example = """{"status":503,"headers":{"Retry-After":"5"},"body":{"type":"Text","value":"busy"}}""",
            IsTerminal = true,
        },
        new("MockSequence", Answerable, "Answers with one response of a list after the other, counted over all flows the rule matches.",
            Shape.Of(
                new("responses", PropertyKind.List, "The responses, as in MockResponse.")
                {
                    IsRequired = true,
                    Items = new("response", PropertyKind.Object, "One of them.") { Shape = Shape.Of(s_answer) },
                },
                new("after", PropertyKind.Choice, "Behind the last one: the last again, all of them again, or the request goes on.")
                {
                    Values = ["last", "cycle", "continue"],
                    Default = "\"last\"",
                }),
            Sequence.Compile)
        {
            Example = """{"responses":[{"status":503},{"status":200,"body":"OK"}],"after":"last"}""",
        },
        new("Redirect", Answerable, "Answers with a redirection; the server is not asked.",
            Shape.Of(
                HeaderActions.Template("location", "Where: a URL, absolute or from the request's."),
                new("status", PropertyKind.Integer, "A redirection: 300, 301, 302, 303, 305, 307, 308.") { Min = 300, Max = 399, Default = "302" }),
            Redirection.Compile)
        {
            Example = """{"location":"https://other.example{{request.path}}","status":302}""",
            IsTerminal = true,
        },
        new("ErrorResponse", Answerable, "Answers with an error as application/problem+json (RFC 9457).",
            Shape.Of(
                new("kind", PropertyKind.Choice, "Which error.") { IsRequired = true, Values = [.. s_kinds.Keys] },
                HeaderActions.Template("detail", "What a person should know.", isRequired: false)),
            c => new Error(s_kinds[c.Text("kind")], c.Template("detail")))
        {
            Example = """{"kind":"unavailable","detail":"down for a test"}""",
            IsTerminal = true,
        },
    ];

    /// <summary>A response of a rule.</summary>
    private sealed class Answer
    {
        private readonly int _status;
        private readonly FieldValue? _reason;
        private readonly AnswerFields _fields;
        private readonly AnswerBody? _body;
        private readonly bool _addsType;

        public Answer(ConfigReader config)
        {
            _status = (int)config.Integer("status", 200);
            _reason = config.Has("reason") ? FieldValue.Read(config, "reason") : null;
            _fields = AnswerFields.Read(config, "headers");
            var body = AnswerBody.Read(config, "body");
            if (_status is 204 or 205 or 304 && body is not null)
            {
                config.Scope.Problems.Warning(
                    "RULE-412", config["body"]!, $"A response with status {_status} has no body (RFC 9110 §15); this one is left out.");
                body = null;
            }

            _body = body;
            _addsType = body is not null && !_fields.Has("Content-Type");
        }

        public ValueTask<ActionResult> RunAsync(RuleContext context, CancellationToken cancellationToken) =>
            _body is null or { IsImmediate: true } ? new(Make(context, _body?.Get(context) ?? default)) : ReadAsync(context, cancellationToken);

        private async ValueTask<ActionResult> ReadAsync(RuleContext context, CancellationToken cancellationToken)
        {
            try
            {
                return Make(context, await _body!.GetAsync(context, cancellationToken).ConfigureAwait(false));
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                return ActionResult.Failed(e.Message);
            }
        }

        private ActionResult Make(RuleContext context, ReadOnlyMemory<byte> body)
        {
            var fields = _fields.For(context);
            if (_addsType)
            {
                fields.Insert(0, new("Content-Type", _body!.MediaType));
            }

            var answer = new Verdict.Respond(_status, fields, body) { Reason = _reason?.For(context) };
            return ActionResult.Terminal(answer, FormattableString.Invariant($"answered with {_status}"));
        }
    }

    private sealed class Mock(Answer answer) : RuleAction
    {
        public override ValueTask<ActionResult> RunAsync(RuleContext context, CancellationToken cancellationToken) => answer.RunAsync(context, cancellationToken);
    }

    private sealed class Sequence(IReadOnlyList<Answer> answers, Sequence.After after, string place) : RuleAction
    {
        internal enum After
        {
            Last,
            Cycle,
            Continue,
        }

        public static Sequence? Compile(ConfigReader config)
        {
            Answer[] answers = [.. config.Items("responses").Select(x => new Answer(x))];
            if (answers.Length == 0)
            {
                config.Error("RULE-419", "responses", "A sequence needs a response at least.");
                return null;
            }

            return new(answers, config.Choice("after", After.Last), "sequence\0" + ActionPlace.Of(config));
        }

        public override ValueTask<ActionResult> RunAsync(RuleContext context, CancellationToken cancellationToken)
        {
            var index = context.Environment.Memory.Count(place) - 1;
            if (index >= answers.Count)
            {
                if (after == After.Continue)
                {
                    return new(ActionResult.NoEffect("the sequence is over"));
                }

                index = after == After.Cycle ? index % answers.Count : answers.Count - 1;
            }

            return answers[(int)index].RunAsync(context, cancellationToken);
        }
    }

    private sealed class Redirection(Template location, int status) : ImmediateAction
    {
        public static Redirection? Compile(ConfigReader config)
        {
            var status = (int)config.Integer("status", 302);
            if (status is not (300 or 301 or 302 or 303 or 305 or 307 or 308))
            {
                config.Error("RULE-415", "status", $"{status} is not a redirection.",
                    "301 and 308 are permanent, 302, 303 and 307 are not; 307 and 308 keep method and body.");
                return null;
            }

            return new(config.Template("location"), status);
        }

        protected override ActionResult Run(RuleContext context)
        {
            // A Location is a URI reference, so that what is no ASCII is percent-encoded; a line end could not be sent at all.
            var text = location.Expand(context);
            if (text.Length == 0 || text.AsSpan().ContainsAny('\r', '\n', '\0'))
            {
                return ActionResult.Failed(text.Length == 0 ? "the location is empty" : "the location has a line end");
            }

            var target = TargetUrl.Escape(text.Trim());
            return ActionResult.Terminal(new Verdict.Respond(status, [new("Location", target)], default), $"redirected to {target}");
        }
    }

    private sealed class Error(int status, Template detail) : ImmediateAction
    {
        protected override ActionResult Run(RuleContext context)
        {
            var text = detail.Expand(context);
            var more = text.Length == 0 ? "" : $",\"detail\":\"{JsonEncodedText.Encode(text)}\"";
            var body = string.Create(
                CultureInfo.InvariantCulture, $$"""{"type":"about:blank","title":"{{ReasonPhrases.Get(status)}}","status":{{status}}{{more}}}""");
            return ActionResult.Terminal(new Verdict.Respond(status, [new("Content-Type", "application/problem+json")], Encoding.UTF8.GetBytes(body)));
        }
    }
}
