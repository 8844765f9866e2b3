using RelayCore.Rules.Catalog;
using RelayCore.Rules.Execution;

namespace RelayCore.Rules.Actions;

/// <summary>Times drawn from a distribution; the n-th time of a seed is always the same.</summary>
/// <param name="kind">Which.</param>
/// <param name="milliseconds">Its place.</param>
/// <param name="jitter">Its width.</param>
/// <param name="dice">Chance.</param>
internal sealed class Latency(Latency.Kind kind, double milliseconds, double jitter, Dice dice)
{
    /// <summary>A distribution.</summary>
    internal enum Kind : byte
    {
        /// <summary>Always the same.</summary>
        Fixed,

        /// <summary>All of a range alike.</summary>
        Uniform,

        /// <summary>A bell.</summary>
        Normal,

        /// <summary>Most near the least, few far above it; shape 3.</summary>
        Pareto,
    }

    /// <summary>Reads it.</summary>
    public static Latency Read(ConfigReader config, string name)
    {
        var milliseconds = config.Number(name);
        return new(config.Choice("distribution", Kind.Fixed), milliseconds, config.Number("jitter_ms", milliseconds / 2), Dice.Read(config));
    }

    /// <summary>The next time: 0 to an hour.</summary>
    public TimeSpan Next(RuleContext context)
    {
        if (kind == Kind.Fixed)
        {
            return TimingActions.Time(milliseconds);
        }

        var seed = dice.Next(context);
        var (first, second) = (Dice.Chance(seed, 0), Dice.Chance(seed, 1));
        var drawn = kind switch
        {
            Kind.Uniform => milliseconds + (jitter * ((2 * first) - 1)),
            Kind.Normal => milliseconds + (jitter * Math.Sqrt(-2 * Math.Log(1 - first)) * Math.Cos(2 * Math.PI * second)), // Box-Muller
            _ => milliseconds + (jitter * (Math.Pow(1 - first, -1.0 / 3) - 1)),
        };
        return TimingActions.Time(drawn);
    }
}
