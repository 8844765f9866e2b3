using RelayCore.Core.Interception;
using RelayCore.Rules.Catalog;
using RelayCore.Rules.Execution;
using RelayCore.Rules.Templates;

namespace RelayCore.Rules.Actions;

/// <summary>Actions on the flow as a whole: drop, abort, tag, mark, comment, variables, breakpoints, calls.</summary>
internal static class FlowActions
{
    /// <summary>Stages at which a flow can still be stopped.</summary>
    internal const RuleStage BeforeEnd = RuleStage.All & ~RuleStage.Completed;

    /// <summary>Largest value of a variable, in characters: 256 of them live as long as the flow.</summary>
    private const int MaxVariable = 64 * 1024;

    private static readonly Shape s_pause = Shape.Of(
        new Property("timeout_ms", PropertyKind.Integer, "Milliseconds after which the flow goes on unchanged.")
        {
            Min = 1,
            Max = 86_400_000,
            Default = "60000",
        });

    /// <summary>All of them.</summary>
    public static IReadOnlyList<ActionType> All { get; } =
    [
        new("Drop", BeforeEnd, "Refuses the request with 403, closes a connection or tunnel, or discards a message.", Shape.None, _ => new Drop())
        {
            IsTerminal = true,
        },
        new("Abort", BeforeEnd, "Resets the client's connection, and the server's: TCP RST, or RST_STREAM in HTTP/2. A session of messages is closed.",
            Shape.None, _ => new Abort())
        {
            IsTerminal = true,
        },
        new("Tag", RuleStage.All, "Adds the tag key:value to the flow; at most 64 tags.",
            Shape.Of(HeaderActions.Template("key", "Before the colon."), HeaderActions.Template("value", "Behind it.")),
            c => new Tag(c.Template("key"), c.Template("value")))
        {
            Example = """{"key":"team","value":"web"}""",
        },
        new("SetVariable", RuleStage.All, "Sets a variable, which templates know as {{name}} and {{variable.name}} until the flow ends.",
            Shape.Of(
                new Property("name", PropertyKind.Text, "Name of the variable.") { IsRequired = true },
                HeaderActions.Template("value", "Its value; at most 64 Ki characters.")),
            SetVariable.Compile)
        {
            Example = """{"name":"who","value":"{{client.ip}}"}""",
        },
        new("Inspect", BeforeEnd, "Pauses the flow until a person decides or the time is over.", s_pause, c => new Pause(c)),
        new("Breakpoint", BeforeEnd, "Pauses the flow until a person decides or the time is over; another name of Inspect.", s_pause, c => new Pause(c))
        {
            Example = """{"timeout_ms":60000}""",
        },
        new("Mark", RuleStage.All, "Marks the flow in lists.", Shape.Of(HeaderActions.Template("marker", "The marker, e.g. an emoji; at most 64 characters.")),
            c => new Mark(c.Template("marker")))
        {
            Example = """{"marker":"★"}""",
        },
        new("Comment", RuleStage.All, "Comments on the flow; a later comment replaces it.",
            Shape.Of(HeaderActions.Template("text", "The comment; at most 4,096 characters.")), c => new Comment(c.Template("text")))
        {
            Example = """{"text":"from {{client.ip}}"}""",
        },
        new("CallScript", BeforeEnd, "Calls a function of a script or program by name, which may edit the flow and decide over it.",
            Shape.Of(new Property("name", PropertyKind.Text, "Name of the function.") { IsRequired = true }), CallScript.Compile)
        {
            Example = """{"name":"sign"}""",
        },
    ];

    /// <summary>A verdict as the end of the stage; a message it would refuse goes no further.</summary>
    internal static ActionResult End(RuleContext context, Verdict verdict, string? detail = null)
    {
        if (verdict is Verdict.Drop or Verdict.Abort or Verdict.Respond)
        {
            context.Message?.Drop();
        }

        return ActionResult.Terminal(verdict, detail);
    }

    // Not between the two halves of a character: an emoji is two.
    private static string Cut(string text, int length) =>
        text.Length <= length ? text : text[..(char.IsHighSurrogate(text[length - 1]) ? length - 1 : length)];

    private sealed class Drop : ImmediateAction
    {
        protected override ActionResult Run(RuleContext context) => End(context, new Verdict.Drop($"dropped by rule {context.Rule.Id}"));
    }

    private sealed class Abort : ImmediateAction
    {
        protected override ActionResult Run(RuleContext context)
        {
            // Within messages there is no stage of the connection any more; 1008 is what a WebSocket calls a policy.
            context.Messages?.Session.TryClose(1008, "aborted by policy");
            return End(context, new Verdict.Abort($"aborted by rule {context.Rule.Id}"));
        }
    }

    private sealed class Tag(Template key, Template value) : ImmediateAction
    {
        protected override ActionResult Run(RuleContext context)
        {
            context.Flow.SetTag(Cut($"{key.Expand(context)}:{value.Expand(context)}", 1024));
            return ActionResult.Done;
        }
    }

    private sealed class SetVariable(string name, Template value) : ImmediateAction
    {
        private static readonly System.Buffers.SearchValues<char> s_notInName = System.Buffers.SearchValues.Create("{} \t\r\n");

        public static SetVariable? Compile(ConfigReader config)
        {
            var name = config.Text("name");
            if (name.Length is 0 or > 128 || name.AsSpan().ContainsAny(s_notInName))
            {
                config.Error("RULE-419", "name", $"'{name}' is not a name of a variable: 1 to 128 characters without spaces and braces.");
                return null;
            }

            if (TemplateVariables.IsBuiltIn(name))
            {
                config.Scope.Problems.Warning("RULE-407", config["name"]!, $"'{{{{{name}}}}}' is a variable of its own, which hides this one.",
                    $"Write '{{{{variable.{name}}}}}' where this one is meant, or take another name.");
            }

            return new(name, config.Template("value"));
        }

        protected override ActionResult Run(RuleContext context)
        {
            var text = value.Expand(context);
            if (text.Length > MaxVariable)
            {
                return ActionResult.Failed($"a value of {text.Length} characters is more than a variable holds, {MaxVariable}");
            }

            context.Flow.SetVariable(name, text);
            return ActionResult.Done;
        }
    }

    private sealed class Pause(ConfigReader config) : RuleAction
    {
        private readonly TimeSpan _timeout = TimeSpan.FromMilliseconds(config.Integer("timeout_ms", 60_000));

        public override async ValueTask<ActionResult> RunAsync(RuleContext context, CancellationToken cancellationToken)
        {
            if (context.Environment.Breakpoints is not { } breakpoints)
            {
                return ActionResult.NoEffect("nobody can answer a breakpoint here");
            }

            var (verdict, detail) = await breakpoints.PauseAsync(context, Key(context), _timeout, cancellationToken).ConfigureAwait(false);
            return verdict.IsTerminal ? End(context, verdict, detail) : new(ActionOutcome.Done, detail);
        }

        private static string Key(RuleContext context) => context.Stage switch
        {
            RuleStage.Connect => $"{context.Flow.Id}:connect",
            RuleStage.ClientHello => $"{context.Flow.Id}:client_hello",
            RuleStage.RequestHeaders => $"{context.Flow.Id}:request_headers",
            RuleStage.RequestBody => $"{context.Flow.Id}:request_body",
            RuleStage.ResponseHeaders => $"{context.Flow.Id}:response_headers",
            RuleStage.ResponseBody => $"{context.Flow.Id}:response_body",
            _ => FormattableString.Invariant($"{context.Flow.Id}:ws_msg:{context.Environment.Memory.NextPause()}"),
        };
    }

    private sealed class Mark(Template marker) : ImmediateAction
    {
        protected override ActionResult Run(RuleContext context)
        {
            context.Flow.Marker = Cut(marker.Expand(context), 64);
            return ActionResult.Done;
        }
    }

    private sealed class Comment(Template text) : ImmediateAction
    {
        protected override ActionResult Run(RuleContext context)
        {
            context.Flow.Comment = Cut(text.Expand(context), 4096);
            return ActionResult.Done;
        }
    }

    private sealed class CallScript(string name) : RuleAction
    {
        public static CallScript? Compile(ConfigReader config)
        {
            var name = config.Text("name");
            if (config.Scope.Environment.Functions is not { } functions)
            {
                config.Error("RULE-417", "name", "There are no functions that rules could call.",
                    "Load a script that defines them, or register them in the program.");
                return null;
            }

            if (!functions.Contains(name))
            {
                config.Error("RULE-417", "name", $"There is no function '{name}' that rules could call.", "It must be defined before the rules are loaded.");
                return null;
            }

            return new(name);
        }

        public override async ValueTask<ActionResult> RunAsync(RuleContext context, CancellationToken cancellationToken)
        {
            // Scripts may be loaded anew while the rules stay.
            if (context.Environment.Functions is not { } functions || !functions.Contains(name))
            {
                return ActionResult.Failed($"the function '{name}' is gone");
            }

            var verdict = await functions.CallAsync(name, context, cancellationToken).ConfigureAwait(false);
            return verdict.IsTerminal ? End(context, verdict) : ActionResult.Done;
        }
    }
}
