using System.Globalization;
using System.Text;
using RelayCore.Core.Interception;
using RelayCore.Rules.Catalog;
using RelayCore.Rules.Execution;
using RelayCore.Rules.Templates;

namespace RelayCore.Rules.Actions;

/// <summary>Actions that limit rates.</summary>
internal static class LimitActions
{
    /// <summary>All of them.</summary>
    public static IReadOnlyList<ActionType> All { get; } =
    [
        new("RateLimit", FlowActions.BeforeEnd,
            "Lets so many through in a window, by a token bucket for each key; beyond it answers 429 with Retry-After, or closes the connection, "
            + "or discards the message.",
            Shape.Of(
                HeaderActions.Template(
                    "key", "Whom it limits; flows with the same text share a bucket. At most 10,000 keys are kept, the one not used for longest starts anew."),
                new("limit", PropertyKind.Integer, "Flows in a window, and at once after a rest.") { IsRequired = true, Min = 1, Max = 1_000_000_000 },
                new("window_ms", PropertyKind.Integer, "Milliseconds in which an empty bucket fills.") { IsRequired = true, Min = 1, Max = 86_400_000 }),
            c => new RateLimit(c))
        {
            Example = """{"key":"{{client.ip}}:{{request.host}}","limit":30,"window_ms":60000}""",
        },
    ];

    private sealed class RateLimit(ConfigReader config) : ImmediateAction
    {
        // A bucket belongs to a rule, not to the text of its key: two rules with the same key do not disturb each other.
        private readonly string _owner = ActionPlace.Of(config);
        private readonly Template _key = config.Template("key");
        private readonly long _limit = config.Integer("limit", 1);
        private readonly TimeSpan _window = TimeSpan.FromMilliseconds(config.Integer("window_ms", 1));

        protected override ActionResult Run(RuleContext context)
        {
            var key = _key.Expand(context);
            if (key.Length > 1024)
            {
                return ActionResult.Failed("the key is longer than 1,024 characters");
            }

            var bucket = context.Environment.Memory.Bucket(_owner, key, _limit);
            if (bucket.TryTake(_limit, _window, context.Environment.Time, out var remaining, out var wait))
            {
                return new(ActionOutcome.Done, FormattableString.Invariant($"{remaining} of {_limit} left"));
            }

            var reason = $"rate limit of rule {context.Rule.Id} exceeded";
            var answers = context.Exchange is not null && context.Message is null || context.Connect?.Request is not null;
            return FlowActions.End(context, answers ? Answer(wait) : new Verdict.Drop(reason), reason);
        }

        private Verdict.Respond Answer(TimeSpan wait)
        {
            var seconds = Math.Max(1, (long)Math.Ceiling(wait.TotalSeconds)).ToString(CultureInfo.InvariantCulture);
            var limit = _limit.ToString(CultureInfo.InvariantCulture);
            var detail = FormattableString.Invariant($"More than {limit} requests in {_window.TotalMilliseconds} ms. Try again in {seconds} s.");
            var body = $$"""{"type":"about:blank","title":"Too Many Requests","status":429,"detail":"{{detail}}"}""";
            return new(429,
            [
                new("Content-Type", "application/problem+json"),
                new("Retry-After", seconds),
                new("RateLimit-Limit", limit),
                new("RateLimit-Remaining", "0"),
                new("RateLimit-Reset", seconds),
            ], Encoding.UTF8.GetBytes(body));
        }
    }
}
