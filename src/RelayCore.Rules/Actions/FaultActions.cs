using RelayCore.Core.Interception;
using RelayCore.Rules.Catalog;
using RelayCore.Rules.Execution;

namespace RelayCore.Rules.Actions;

/// <summary>Actions that break things on purpose.</summary>
internal static class FaultActions
{
    private static readonly string[] s_malformed =
        ["content_length_long", "content_length_short", "double_content_length", "bad_chunk_size", "missing_last_chunk", "bad_status_line"];

    private static readonly Property s_kind = new("kind", PropertyKind.Choice, "What is wrong with it.") { IsRequired = true, Values = s_malformed };

    private static readonly Shape s_fault = Shape.Of(
        new Property("weight", PropertyKind.Number, "How likely it is among the others.") { Min = 0, Max = 1_000_000, Default = "1" },
        WireAction.Direction(),
        TimingActions.Milliseconds("delay_ms", "Wait before the head."),
        new Property("kbps", PropertyKind.Integer, "Rate of the body, kilobits a second.") { Min = 1, Max = 1_000_000_000 },
        WireAction.Octets("stall_after_octets", "Octets of the body behind which nothing comes any more.", 0),
        TimingActions.Milliseconds("stall_ms", "How long that lasts; without it until somebody gives up."),
        WireAction.Octets("truncate_after_octets", "Octets of the body behind which the message ends in order.", 0),
        WireAction.Octets("reset_after_octets", "Octets of the body behind which the receiver is reset.", 0),
        WireAction.Probability("corrupt_rate", "Probability of a wrong bit for each octet of the body."),
        WireAction.Probability("loss_rate", "Probability for each 1,460 octets of the body to be left out."),
        new Property("malformed", PropertyKind.Choice, "Framing that is wrong; HTTP/1 only.") { Values = s_malformed },
        new Property("abort", PropertyKind.Boolean, "Resets the client's connection at once.") { Default = "false" });

    /// <summary>All of them.</summary>
    public static IReadOnlyList<ActionType> All { get; } =
    [
        new("TruncateBody", WireAction.Stages,
            "Ends a message in order behind so many octets of its body: by FIN in HTTP/1, by END_STREAM in HTTP/2. A length said before stays, and a shorter body comes whole.",
            Shape.Of(WireAction.Octets("after_octets", "Octets of the body that are sent.", 0) with { IsRequired = true }, WireAction.Direction()),
            c =>
            {
                var after = c.Integer("after_octets");
                return WireAction.Compile(c, _ => x => x with { TruncateAfter = after });
            })
        {
            Example = """{"after_octets":10}""",
        },
        new("ResetConnection", WireAction.Stages,
            "Resets the receiver: by RST in HTTP/1, by RST_STREAM in HTTP/2; at once, or behind so many octets of a body. A shorter body comes whole.",
            Shape.Of(WireAction.Octets("after_octets", "Octets of the body that are sent before; without it the client is reset at once.", 0), WireAction.Direction()),
            c =>
            {
                var after = c.Integer("after_octets");
                return c.Has("after_octets") ? WireAction.Compile(c, _ => x => x with { ResetAfter = after }) : new Abort();
            })
        {
            Example = """{"after_octets":10}""",
        },
        new("CorruptBody", WireAction.Stages, "Turns single bits of a body. Framing and lengths stay right.",
            Shape.Of(WireAction.Probability("rate", "Probability of a wrong bit for each octet.") with { IsRequired = true }, WireAction.Seed(), WireAction.Direction()),
            c =>
            {
                var (rate, dice) = (c.Number("rate"), Dice.Read(c));
                return WireAction.Compile(c, context =>
                {
                    var seed = dice.Next(context);
                    return x => x with { CorruptRate = rate, Seed = seed };
                });
            })
        {
            Example = """{"rate":0.2,"seed":7}""",
        },
        new("DropBodyPieces", WireAction.Stages,
            "Leaves pieces of a body out. Chunks and frames stay whole; a body of a length said before lacks octets, and its connection ends behind it.",
            Shape.Of(
                WireAction.Probability("rate", "Probability for each piece to be left out.") with { IsRequired = true },
                WireAction.Octets("piece_octets", "Octets of a piece.", 1, "1460"),
                WireAction.Seed(),
                WireAction.Direction()),
            c =>
            {
                var (rate, piece, dice) = (c.Number("rate"), (int)c.Integer("piece_octets", 1460), Dice.Read(c));
                return WireAction.Compile(c, context =>
                {
                    var seed = dice.Next(context);
                    return x => x with { LossRate = rate, LossPieceOctets = piece, Seed = seed };
                });
            })
        {
            Example = """{"rate":0.5,"piece_octets":10,"seed":3}""",
        },
        new("MalformedFraming", WireAction.Stages, "Sends framing of HTTP/1 that is wrong; the connection ends behind it. Fails for clients that speak HTTP/2.",
            Shape.Of(s_kind, WireAction.Direction()),
            c =>
            {
                var kind = c.Choice("kind", MalformedFraming.None);
                return WireAction.Compile(c, _ => x => x with { Malformed = kind });
            })
        {
            Example = """{"kind":"content_length_long"}""",
        },
        new("Fault", WireAction.Stages, "With a probability, does one of several faults, drawn by weight. The properties of a fault count together.",
            Shape.Of(
                new Property("faults", PropertyKind.List, "What may happen.")
                {
                    IsRequired = true,
                    Items = new("fault", PropertyKind.Object, "One fault.") { Shape = s_fault },
                },
                WireAction.Probability("probability", "Probability that something happens at all.", "1"),
                WireAction.Seed()),
            CompileFault)
        {
            Example = """{"probability":0.5,"seed":1,"faults":[{"truncate_after_octets":10},{"delay_ms":500,"kbps":64,"weight":2},{"abort":true}]}""",
        },
    ];

    private static Fault? CompileFault(ConfigReader config)
    {
        var faults = new List<(double Upto, Func<ulong, RuleAction> Action)>();
        var total = 0.0;
        foreach (var item in config.Items("faults"))
        {
            total += item.Number("weight", 1);
            faults.Add((total, OneFault(item)));
        }

        if (total <= 0)
        {
            config.Error("RULE-531", "faults", "There is no fault that could happen.", "List at least one with a weight above 0.");
            return null;
        }

        return new Fault(faults, total, config.Number("probability", 1), Dice.Read(config));
    }

    private static Func<ulong, RuleAction> OneFault(ConfigReader c)
    {
        if (c.Boolean("abort"))
        {
            var abort = new Abort();
            return _ => abort;
        }

        var direction = WireAction.ReadDirection(c);
        var (delay, kbps, malformed) = (TimingActions.Time(c.Number("delay_ms")), c.Integer("kbps"), c.Choice("malformed", MalformedFraming.None));
        var (stall, stallFor) = (Place("stall_after_octets"), c.Has("stall_ms") ? TimingActions.Time(c.Number("stall_ms")) : Timeout.InfiniteTimeSpan);
        var (cut, reset) = (Place("truncate_after_octets"), Place("reset_after_octets"));
        var (corrupt, loss) = (c.Number("corrupt_rate"), c.Number("loss_rate"));
        return seed => new WireAction(direction, context =>
            x => x with
            {
                HeadDelay = TimingActions.Least(x.HeadDelay + delay),
                Paces = kbps > 0 ? [.. x.Paces.Take(WireAction.MaxPaces - 1), new(kbps * 125, 0, context.Environment.Time)] : x.Paces,
                StallAfter = stall ?? x.StallAfter,
                StallFor = stall is null ? x.StallFor : stallFor,
                TruncateAfter = cut ?? x.TruncateAfter,
                ResetAfter = reset ?? x.ResetAfter,
                CorruptRate = Math.Max(corrupt, x.CorruptRate),
                LossRate = Math.Max(loss, x.LossRate),
                Seed = corrupt + loss > 0 ? seed : x.Seed,
                Malformed = malformed == MalformedFraming.None ? x.Malformed : malformed,
            });

        long? Place(string name) => c.Has(name) ? c.Integer(name) : null;
    }

    private sealed class Fault(List<(double Upto, Func<ulong, RuleAction> Action)> faults, double total, double probability, Dice dice) : RuleAction
    {
        public override ValueTask<ActionResult> RunAsync(RuleContext context, CancellationToken cancellationToken)
        {
            var seed = dice.Next(context);
            if (Dice.Chance(seed, 0) >= probability)
            {
                return new(ActionResult.NoEffect("chance decided against it"));
            }

            var at = Dice.Chance(seed, 1) * total;
            return faults.First(x => at < x.Upto).Action(seed).RunAsync(context, cancellationToken);
        }
    }

    private sealed class Abort : ImmediateAction
    {
        protected override ActionResult Run(RuleContext context)
        {
            var reason = $"reset by rule {context.Rule?.Id}";
            return ActionResult.Terminal(new Verdict.Abort(reason), reason);
        }
    }
}
