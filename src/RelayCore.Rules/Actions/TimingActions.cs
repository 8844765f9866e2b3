using RelayCore.Core.Interception;
using RelayCore.Protocols;
using RelayCore.Rules.Catalog;
using RelayCore.Rules.Execution;

namespace RelayCore.Rules.Actions;

/// <summary>Actions that delay and throttle.</summary>
internal static class TimingActions
{
    /// <summary>Longest wait that may be asked for, in milliseconds: what an <see cref="Impairment"/> waits at most.</summary>
    internal const double MaxWait = 3_600_000;

    /// <summary>All of them.</summary>
    public static IReadOnlyList<ActionType> All { get; } =
    [
        new("Delay", RuleStage.All, "Waits before the flow goes on, for a fixed time or one drawn anew for each flow.",
            Shape.Of([Milliseconds("ms", "How long; the middle of a uniform or normal distribution, the least of a pareto one.") with { IsRequired = true }, .. LatencyShape()]),
            c => new Delay(Latency.Read(c, "ms")))
        {
            Example = """{"ms":250,"distribution":"uniform","jitter_ms":100,"seed":1}""",
        },
        new("Throttle", RuleStage.All,
            "Limits a rate to kbps * 125 octets a second: of both bodies of the exchange, each for itself, of all to one host, or of all. At the message stages it holds messages "
            + "back to that rate. Has no effect on what is not an exchange, and behind its end.",
            Shape.Of(
                new Property("kbps", PropertyKind.Integer, "Kilobits a second; 1 is 125 octets a second.") { IsRequired = true, Min = 1, Max = 1_000_000_000 },
                new Property("scope", PropertyKind.Choice, "Who shares the rate: nobody, all exchanges with the host (4,096 hosts, the others together), or all.")
                {
                    Values = ["flow", "host", "shared"],
                    Default = "\"flow\"",
                },
                WireAction.Direction("both"),
                new Property("burst", PropertyKind.Integer, "Octets that may go at once behind a pause.") { Min = 0, Max = 1_000_000_000, Default = "0" }),
            Throttle.Compile)
        {
            Example = """{"kbps":64,"scope":"host"}""",
        },
        new("SlowHeaders", WireAction.Stages, "Sends a head a few octets at a time. In HTTP/2, which has no pieces, the head comes as late as its last piece would.",
            Shape.Of(
                WireAction.Octets("piece_octets", "Octets of a piece.", 1, "1"),
                Milliseconds("interval_ms", "Wait between two pieces.", "100"),
                WireAction.Direction()),
            c =>
            {
                var (piece, interval) = ((int)c.Integer("piece_octets", 1), Time(c.Number("interval_ms", 100)));
                return WireAction.Compile(c, _ => x => x with { HeadPieceOctets = piece, HeadInterval = interval });
            })
        {
            Example = """{"piece_octets":10,"interval_ms":20}""",
        },
        new("SlowBody", WireAction.Stages, "Sends a body a few octets at a time.",
            Shape.Of(
                WireAction.Octets("piece_octets", "Octets of a piece.", 1, "1"),
                Milliseconds("interval_ms", "Wait between two pieces.", "100"),
                WireAction.Direction()),
            c =>
            {
                var (piece, interval) = ((int)c.Integer("piece_octets", 1), Time(c.Number("interval_ms", 100)));
                return WireAction.Compile(c, _ => x => x with { BodyPieceOctets = piece, BodyInterval = interval });
            })
        {
            Example = """{"piece_octets":16,"interval_ms":20}""",
        },
        new("Latency", WireAction.Stages, "Sends a head, and all that follows, later: the server or client is not asked earlier or later for that, only this message waits.",
            Shape.Of([Milliseconds("ms", "How long; see Delay.") with { IsRequired = true }, .. LatencyShape(), WireAction.Direction()]),
            c =>
            {
                var latency = Latency.Read(c, "ms");
                return WireAction.Compile(c, context =>
                {
                    var delay = latency.Next(context);
                    return x => x with { HeadDelay = Least(x.HeadDelay + delay) };
                });
            })
        {
            Example = """{"ms":120,"distribution":"normal","jitter_ms":30,"seed":1}""",
        },
        new("Stall", WireAction.Stages, "Stops sending within a body, for a while or until somebody gives up (an hour at most).",
            Shape.Of(
                WireAction.Octets("after_octets", "Octets of the body that are sent before.", 0, "0"),
                Milliseconds("ms", "How long; without it until somebody gives up."),
                WireAction.Direction()),
            c =>
            {
                var (after, time) = (c.Integer("after_octets"), c.Has("ms") ? Time(c.Number("ms")) : Timeout.InfiniteTimeSpan);
                return WireAction.Compile(c, _ => x => x with { StallAfter = after, StallFor = time });
            })
        {
            Example = """{"after_octets":10,"ms":500}""",
        },
        new("NetworkProfile", WireAction.Stages, "Sends a message as over a slow network: late, at a rate, with some of it missing for lossy.",
            Shape.Of(
                new Property("profile", PropertyKind.Choice, "Which network.") { IsRequired = true, Values = [.. NetworkProfile.Names] },
                WireAction.Direction("both"),
                WireAction.Seed()),
            NetworkProfile.Compile)
        {
            Example = """{"profile":"3g"}""",
        },
    ];

    /// <summary>A number of milliseconds.</summary>
    internal static Property Milliseconds(string name, string summary, string? otherwise = null) =>
        new(name, PropertyKind.Number, summary + " Milliseconds, at most an hour.") { Min = 0, Max = MaxWait, Default = otherwise };

    /// <summary>The time of a number of milliseconds.</summary>
    internal static TimeSpan Time(double milliseconds) => TimeSpan.FromMilliseconds(Math.Clamp(milliseconds, 0, MaxWait));

    internal static TimeSpan Least(TimeSpan time) => time < Impairment.MaxWait ? time : Impairment.MaxWait;

    private static Property[] LatencyShape() =>
    [
        new("distribution", PropertyKind.Choice, "How the time is drawn; uniform and normal reach jitter_ms below and above, pareto has a long tail above.")
        {
            Values = ["fixed", "uniform", "normal", "pareto"],
            Default = "\"fixed\"",
        },
        Milliseconds("jitter_ms", "Half the width of a uniform distribution, the standard deviation of a normal one, the scale of a pareto one; half of ms unless said."),
        WireAction.Seed(),
    ];

    private sealed class Delay(Latency latency) : RuleAction
    {
        public override ValueTask<ActionResult> RunAsync(RuleContext context, CancellationToken cancellationToken)
        {
            var time = latency.Next(context);
            return time <= TimeSpan.Zero ? new(ActionResult.Done) : WaitAsync(time, context.Environment.Time, cancellationToken);
        }

        private static async ValueTask<ActionResult> WaitAsync(TimeSpan time, TimeProvider clock, CancellationToken cancellationToken)
        {
            await Task.Delay(time, clock, cancellationToken).ConfigureAwait(false);
            return new(ActionOutcome.Done, FormattableString.Invariant($"waited {time.TotalMilliseconds:0.###} ms"));
        }
    }

    private sealed class Throttle(long rate, long burst, WireDirection direction, HostBuckets? hosts, TokenBucket? shared) : RuleAction
    {
        public static Throttle Compile(ConfigReader config)
        {
            var (rate, burst, time) = (config.Integer("kbps", 1) * 125, config.Integer("burst"), config.Scope.Environment.Time);
            var direction = WireAction.ReadDirection(config, WireDirection.Both);
            return config.Text("scope", "flow").ToUpperInvariant() switch
            {
                "HOST" => new Throttle(rate, burst, direction, new(rate, burst, time), null),
                "SHARED" => new Throttle(rate, burst, direction, null, new(rate, burst, time)),
                _ => new Throttle(rate, burst, direction, null, null),
            };
        }

        public override ValueTask<ActionResult> RunAsync(RuleContext context, CancellationToken cancellationToken)
        {
            if (context.Message is { } message)
            {
                return direction is WireDirection.Both || (direction == WireDirection.Request) == (message.Sender == PeerRole.Client)
                    ? HoldAsync(context, message.Content.Length, cancellationToken)
                    : new(ActionResult.NoEffect("the message goes the other way"));
            }

            if (context.Exchange is not { } exchange || (context.Stage & WireAction.Stages) == 0)
            {
                return new(ActionResult.NoEffect(context.Stage == RuleStage.Completed ? "the exchange is over" : "only bodies of exchanges and messages are throttled"));
            }

            var isBefore = (context.Stage & (RuleStage.RequestHeaders | RuleStage.RequestBody)) != 0;
            if (direction != WireDirection.Response && isBefore)
            {
                exchange.RequestImpairment = Paced(context, exchange.RequestImpairment);
            }

            if (direction != WireDirection.Request)
            {
                exchange.ResponseImpairment = Paced(context, exchange.ResponseImpairment);
            }

            return new(direction == WireDirection.Request && !isBefore ? ActionResult.NoEffect("the request is sent already")
                : new ActionResult(ActionOutcome.Done, FormattableString.Invariant($"{rate} octets/s")));
        }

        private Impairment Paced(RuleContext context, Impairment? before)
        {
            var impairment = before ?? WireAction.Begin(context);
            return impairment with { Paces = [.. impairment.Paces.Take(WireAction.MaxPaces - 1), BucketOf(context)] };
        }

        private TokenBucket BucketOf(RuleContext context) =>
            shared ?? hosts?.For(context.Exchange?.Request.Origin.Host ?? "") ?? new TokenBucket(rate, burst, context.Environment.Time);

        // A message has gone when its last octet could have.
        private async ValueTask<ActionResult> HoldAsync(RuleContext context, int octets, CancellationToken cancellationToken)
        {
            var (bucket, time) = (BucketOf(context), context.Environment.Time);
            while (octets > 0)
            {
                var piece = Math.Min(octets, bucket.Quantum);
                var wait = time.GetElapsedTime(time.GetTimestamp(), bucket.Take(piece));
                if (wait > TimeSpan.Zero)
                {
                    await Task.Delay(wait, time, cancellationToken).ConfigureAwait(false);
                }

                octets -= piece;
            }

            return new(ActionOutcome.Done, FormattableString.Invariant($"{rate} octets/s"));
        }
    }
}
