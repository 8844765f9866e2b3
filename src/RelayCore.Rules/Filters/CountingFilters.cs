using System.Globalization;
using RelayCore.Rules.Catalog;
using RelayCore.Rules.Execution;

namespace RelayCore.Rules.Filters;

/// <summary>Filters of count, chance and time.</summary>
internal static class CountingFilters
{
    private const string Once = " Asked when everything else of its rule holds, once for each match.";

    /// <summary>All of them.</summary>
    public static IReadOnlyList<FilterType> All { get; } =
    [
        new("Probability", RuleStage.All, "Holds by chance." + Once,
            new() { Value = new("config", PropertyKind.Number, "How often, from 0 (never) to 1 (always).") { IsRequired = true, Min = 0, Max = 1 } }, Probability)
        {
            Example = "0.1",
        },
        new("NthMatch", RuleStage.All, "Holds for every n-th match, or for the n-th only." + Once + " Counting begins when the rules are loaded.", Shape.Of(
            new("every", PropertyKind.Integer, "Every so many-th match: the 3rd, 6th, 9th for 3.") { Min = 1 },
            new("n", PropertyKind.Integer, "This match only, from 1.") { Min = 1 }), NthMatch)
        {
            Example = """{"every":3}""",
        },
        new("FirstN", RuleStage.All, "Holds for the first matches." + Once + " Counting begins when the rules are loaded.",
            Shape.Of(new Property("count", PropertyKind.Integer, "How many.") { IsRequired = true, Min = 0 }), config =>
            {
                var count = config.Integer("count");
                return new CountCondition($"FirstN {count}", config.Scope.Stage, x => x <= count);
            })
        {
            Example = """{"count":5}""",
        },
        new("TimeWindow", RuleStage.All, "Holds at a time of day, on days of the week.", Shape.Of(
            new("from", PropertyKind.Text, "Begin, `HH:mm`.") { Default = "\"00:00\"" },
            new("to", PropertyKind.Text, "End, `HH:mm`, exclusive; before `from` it is on the next day. Absent: the end of the day."),
            new("days", PropertyKind.List, "Days it begins on: `mon` to `sun`; absent: every day.")
            {
                Items = new("day", PropertyKind.Choice, "A day.") { Values = TimeWindow.Days },
            },
            new("time_zone", PropertyKind.Text, "Time zone, e.g. `Europe/Berlin` or `UTC`; absent: the zone of the machine.")), Window)
        {
            Example = """{"from":"09:00","to":"17:30","days":["mon","tue","wed","thu","fri"],"time_zone":"UTC"}""",
        },
    ];

    private static ChanceCondition? Probability(ConfigReader config)
    {
        var chance = config.Number("config", double.NaN);
        if (chance is >= 0 and <= 1)
        {
            return new(chance, config.Scope.Stage);
        }

        config.Error("RULE-314", "config", "a probability is a number from 0 to 1.");
        return null;
    }

    private static CountCondition? NthMatch(ConfigReader config)
    {
        if (config.Has("every") == config.Has("n"))
        {
            config.Error("RULE-314", "every", "it needs every or n, and not both.", """Write {"every": 3} or {"n": 2}.""");
            return null;
        }

        var (every, n) = (config.Integer("every"), config.Integer("n"));
        return config.Has("every")
            ? new CountCondition($"NthMatch every {every}", config.Scope.Stage, x => x % every == 0)
            : new CountCondition($"NthMatch {n}", config.Scope.Stage, x => x == n);
    }

    private static Fact<TimeWindow>? Window(ConfigReader config)
    {
        var (from, to) = (Time("from", "00:00"), Time("to", "00:00"));
        var days = 0;
        foreach (var day in config["days"]?.Items ?? [])
        {
            var index = TimeWindow.Days.ToList().FindIndex(x => x.Equals(day.Text, StringComparison.OrdinalIgnoreCase));
            if (index < 0)
            {
                config.Scope.Problems.Error("RULE-314", day, $"'{day.Text}' is no day.", "Write mon, tue, wed, thu, fri, sat or sun.");
                return null;
            }

            days |= 1 << index;
        }

        var zone = TimeZoneInfo.Local;
        if (config.Has("time_zone") && !TimeZoneInfo.TryFindSystemTimeZoneById(config.Text("time_zone"), out zone!))
        {
            config.Error("RULE-318", "time_zone", $"this machine does not know the time zone '{config.Text("time_zone")}'.", "Write a name such as Europe/Berlin, or UTC.");
            return null;
        }

        return from is null || to is null ? null : new($"TimeWindow {from:HH\\:mm} to {to:HH\\:mm}", RuleStage.All, new(from.Value, to.Value, days == 0 ? 127 : days, zone),
            static (context, window) => window.Has(context.Environment.Time.GetUtcNow()));

        TimeOnly? Time(string name, string otherwise)
        {
            // 24:00 is how people write the end of a day.
            var text = config.Text(name, otherwise);
            if (TimeOnly.TryParseExact(text == "24:00" ? "00:00" : text, "HH:mm", CultureInfo.InvariantCulture, DateTimeStyles.None, out var time))
            {
                return time;
            }

            config.Error("RULE-314", name, $"'{text}' is no time of day.", "Write hours and minutes, e.g. 09:30.");
            return null;
        }
    }
}

/// <summary>Hours of the day, on days of the week on which they begin. Immutable.</summary>
/// <param name="From">Begin.</param>
/// <param name="To">End, exclusive; not after <paramref name="From"/> for one on the next day.</param>
/// <param name="OnDays">A bit for each of <see cref="Days"/>.</param>
/// <param name="Zone">Whose hours.</param>
internal sealed record TimeWindow(TimeOnly From, TimeOnly To, int OnDays, TimeZoneInfo Zone)
{
    /// <summary>Names of days.</summary>
    public static IReadOnlyList<string> Days { get; } = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

    public bool Has(DateTimeOffset now)
    {
        var local = TimeZoneInfo.ConvertTime(now, Zone);
        var time = TimeOnly.FromTimeSpan(local.TimeOfDay);
        var day = ((int)local.DayOfWeek + 6) % 7;
        return From < To
            ? IsOn(day) && time >= From && time < To
            : (IsOn(day) && time >= From) || (IsOn((day + 6) % 7) && time < To);

        bool IsOn(int index) => (OnDays & (1 << index)) != 0;
    }
}

/// <summary>A condition that changes by being asked: only at the rule's own stage, behind everything else of its rule.</summary>
internal abstract class CountingCondition(string text, RuleStage stage) : Condition
{
    public sealed override string Text => text;

    public sealed override RuleStage KnownAt => stage;

    internal sealed override bool Counts => true;

    public sealed override Truth Evaluate(RuleContext context)
    {
        if ((stage & context.Stage) == 0)
        {
            return Truth.Unknown;
        }

        if (Next(context))
        {
            return Truth.True;
        }

        context.Refusing = this;
        return Truth.False;
    }

    protected abstract bool Next(RuleContext context);
}

/// <summary>Holds by chance.</summary>
internal sealed class ChanceCondition(double chance, RuleStage stage)
    : CountingCondition(string.Create(CultureInfo.InvariantCulture, $"Probability {chance}"), stage)
{
    protected override bool Next(RuleContext context) => context.Environment.Random.NextDouble() < chance;
}

/// <summary>Holds for some matches, counted from 1 for the life of the rule set.</summary>
internal sealed class CountCondition(string text, RuleStage stage, Func<long, bool> holds) : CountingCondition(text, stage)
{
    private long _matches;

    protected override bool Next(RuleContext context) => holds(Interlocked.Increment(ref _matches));
}
