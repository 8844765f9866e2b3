using RelayCore.Rules.Catalog;
using RelayCore.Rules.Documents;
using RelayCore.Rules.Execution;

namespace RelayCore.Rules.Filters;

/// <summary>A condition made of a function of the flow and what it is compared with; the function captures nothing, so that evaluating allocates nothing.</summary>
/// <typeparam name="T">What it is compared with.</typeparam>
/// <param name="text">How it reads.</param>
/// <param name="knownAt">Where it is known.</param>
/// <param name="argument">What it is compared with.</param>
/// <param name="holds">The comparison; <see langword="static"/>.</param>
internal sealed class Fact<T>(string text, RuleStage knownAt, T argument, Func<RuleContext, T, bool> holds) : Leaf(text, knownAt)
{
    public HostHint? HostIs { get; init; }

    public string? MethodIs { get; init; }

    public string? PathBegins { get; init; }

    public override HostHint? Host => HostIs;

    public override string? Method => MethodIs;

    public override string? PathPrefix => PathBegins;

    protected override bool Holds(RuleContext context) => holds(context, argument);
}

/// <summary>A name and a matcher on its values; <see langword="null"/> for presence.</summary>
/// <param name="Name">The name.</param>
/// <param name="Octets">The name, Latin-1.</param>
/// <param name="Value">Matcher on values.</param>
internal sealed record Named(string Name, byte[] Octets, Matcher? Value)
{
    public static Named Of(string name, Matcher? value) => new(name, System.Text.Encoding.UTF8.GetBytes(name), value);
}

/// <summary>An inclusive range.</summary>
/// <param name="Min">Smallest.</param>
/// <param name="Max">Largest.</param>
internal sealed record Interval(double Min, double Max)
{
    public bool Has(double value) => value >= Min && value <= Max;
}

/// <summary>Parts of <see cref="FilterType"/>s that many have in common.</summary>
internal static class FilterParts
{
    /// <summary>Everywhere but at the two stages before there is a request.</summary>
    public const RuleStage Request = RuleStage.FromRequest;

    /// <summary>Where the final response may be there.</summary>
    public const RuleStage Response = RuleStage.FromResponse | RuleStage.Messages;

    /// <summary><c>{name, value}</c>.</summary>
    public static Shape NamedShape(string what) => Shape.Of(
        new("name", PropertyKind.Text, $"Name of the {what}.") { IsRequired = true },
        new("value", PropertyKind.Matcher, $"Matcher on the value; `null` or absent: any {what} of that name.") { MayBeNull = true, Default = "null" });

    /// <summary><c>{min, max}</c>.</summary>
    public static Shape SizeShape(string what) => Shape.Of(
        new("min", PropertyKind.Any, $"Smallest {what}: octets, or a text with unit such as `10KiB` or `2MB`.") { Default = "0" },
        new("max", PropertyKind.Any, $"Largest {what}, inclusive; absent: no limit."));

    /// <summary>A filter whose config is a matcher.</summary>
    public static FilterType Matching(
        string name, RuleStage stages, string summary, string example, Func<RuleContext, Matcher, bool> holds, bool ignoreCase = false) =>
        new(name, stages, summary, Shape.Single(PropertyKind.Matcher, "Matcher; a plain string is an exact one."), config =>
            config.CapturingMatcher(ignoreCase) is { } matcher ? new Fact<Matcher>($"{name} {matcher.Text}", stages, matcher, holds) : null)
        {
            Example = example,
        };

    /// <summary>A filter whose config is <c>{name, value}</c>.</summary>
    public static FilterType OfNamed(string name, RuleStage stages, string what, string summary, string example, Func<RuleContext, Named, bool> holds) =>
        new(name, stages, summary, NamedShape(what), config => ReadNamed(config) is { } named
            ? new Fact<Named>($"{name} {named.Name}{(named.Value is null ? "" : " " + named.Value.Text)}", stages, named, holds) : null)
        {
            Example = example,
        };

    /// <summary>A filter whose config is <c>{min, max}</c> in octets.</summary>
    public static FilterType Sized(string name, RuleStage stages, string summary, string example, Func<RuleContext, Interval, bool> holds) =>
        new(name, stages, summary, SizeShape("number of octets"), config => ReadSizes(config) is { } sizes
            ? new Fact<Interval>($"{name} {Describe(sizes, "octets")}", stages, sizes, holds) : null)
        {
            Example = example,
        };

    public static Named? ReadNamed(ConfigReader config)
    {
        var value = config.CapturingMatcher("value");
        return config.Has("value") && value is null ? null : Named.Of(config.Text("name"), value);
    }

    public static Interval? ReadSizes(ConfigReader config)
    {
        var (min, max) = (Read("min", 0), Read("max", double.PositiveInfinity));
        if (min is null || max is null)
        {
            return null;
        }

        if (!config.Has("min") && !config.Has("max"))
        {
            config.Error("RULE-314", "min", "it needs min, max or both.", """Write {"min": "10KiB"}.""");
            return null;
        }

        return Ordered(config, min.Value, max.Value);

        double? Read(string name, double otherwise)
        {
            if (!config.Has(name))
            {
                return otherwise;
            }

            var text = config.Text(name);
            if (Units.Octets(text) is { } octets)
            {
                return octets;
            }

            config.Error("RULE-314", name, $"'{text}' is no size.", "Write octets, or a number with unit: 512B, 10KiB, 1.5MB, 2GiB.");
            return null;
        }
    }

    public static Interval? Ordered(ConfigReader config, double min, double max)
    {
        if (min <= max)
        {
            return new(min, max);
        }

        config.Error("RULE-314", "max", "max is smaller than min, so that nothing can match.");
        return null;
    }

    public static string Describe(Interval range, string unit) => FormattableString.Invariant(
        range.Min == range.Max ? $"= {range.Min} {unit}"
        : double.IsPositiveInfinity(range.Max) ? $">= {range.Min} {unit}"
        : range.Min <= 0 ? (FormattableString)$"<= {range.Max} {unit}" : $"{range.Min} to {range.Max} {unit}").TrimEnd();

    /// <summary>Texts of a config that is a text or a list of them.</summary>
    public static IEnumerable<RuleNode> Texts(ConfigReader config) => config.Node.Kind == NodeKind.List ? config.Node.Items : [config.Node];
}
