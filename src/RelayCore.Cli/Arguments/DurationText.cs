using System.Diagnostics.CodeAnalysis;
using System.Globalization;

namespace RelayCore.Cli.Arguments;

/// <summary>Durations as people write them: <c>30s</c>, <c>500ms</c>, <c>5m</c>, <c>2h</c>, <c>never</c>.</summary>
internal static class DurationText
{
    /// <summary>Longest duration a timer takes, and more than anybody means.</summary>
    private static readonly TimeSpan s_longest = TimeSpan.FromDays(24);

    /// <summary>Reads a duration.</summary>
    /// <param name="text">A number, fractions allowed, and a unit: <c>ms</c>, <c>s</c>, <c>m</c>, <c>h</c>, <c>d</c>; or <c>never</c>.</param>
    /// <param name="duration">More than 0 and at most 24 days, or <see cref="Timeout.InfiniteTimeSpan"/>.</param>
    /// <param name="problem">What is wrong, as the end of a sentence that began with the text.</param>
    public static bool TryParse(string text, out TimeSpan duration, [NotNullWhen(false)] out string? problem)
    {
        (duration, problem) = (Timeout.InfiniteTimeSpan, null);
        var (number, unit) = Quantity.Split(text);
        if (number.Length == 0 && unit is "never" or "none")
        {
            return true;
        }

        double? milliseconds = unit switch
        {
            "ms" => 1,
            "s" or "sec" => 1000,
            "m" or "min" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => null,
        };
        if (milliseconds is null || !double.TryParse(number, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var value))
        {
            problem = "is not a duration; write a number and a unit, such as 500ms, 30s, 5m, 2h, or never";
            return false;
        }

        var total = value * milliseconds.Value;
        if (total < 1 || total > s_longest.TotalMilliseconds)
        {
            problem = "is out of range; a duration is 1ms to 24d, or never";
            return false;
        }

        duration = TimeSpan.FromMilliseconds(total);
        return true;
    }
}
