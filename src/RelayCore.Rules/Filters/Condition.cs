using RelayCore.Rules.Execution;

namespace RelayCore.Rules.Filters;

/// <summary>Result of a condition when not everything is known yet.</summary>
public enum Truth : byte
{
    /// <summary>It does not hold.</summary>
    False,

    /// <summary>It holds.</summary>
    True,

    /// <summary>It depends on what has not come yet: the body, the response.</summary>
    Unknown,
}

/// <summary>
/// A compiled filter. Immutable and safe for concurrent use; what differs between flows is in the <see cref="RuleContext"/>. Evaluating one allocates
/// nothing unless a regex has captures.
/// </summary>
public abstract class Condition
{
    /// <summary>How it reads in a trace, e.g. <c>Host Suffix ".example.com"</c>.</summary>
    public abstract string Text { get; }

    /// <summary>Stages at which what it looks at is there.</summary>
    public abstract RuleStage KnownAt { get; }

    /// <summary>Whether it is certain that it holds only for a host, for the index; <see langword="null"/> otherwise.</summary>
    public virtual HostHint? Host => null;

    /// <summary>The one method it holds for, for the index; <see langword="null"/> for any.</summary>
    public virtual string? Method => null;

    /// <summary>Prefix the path must have, for the index; <see langword="null"/> for any. Octets compare exactly.</summary>
    public virtual string? PathPrefix => null;

    /// <summary>Whether evaluating it changes it (a counter), so that it is asked last and once.</summary>
    internal virtual bool Counts => false;

    /// <summary>Evaluates it; at a stage of <see cref="KnownAt"/> never <see cref="Truth.Unknown"/>.</summary>
    public abstract Truth Evaluate(RuleContext context);

    /// <summary>The innermost condition that made this one false just now, for traces; asked right after <see cref="Evaluate"/> on the same context.</summary>
    public virtual Condition Failing(RuleContext context) => this;
}

/// <summary>A host that a condition demands. Host names compare without case.</summary>
/// <param name="Value">Lower case; for a suffix what comes at the end, e.g. <c>.example.com</c>.</param>
/// <param name="IsSuffix">Whether it is the end of the host only.</param>
public readonly record struct HostHint(string Value, bool IsSuffix);

/// <summary>A condition on one thing. Heirs say what and how.</summary>
public abstract class Leaf(string text, RuleStage knownAt) : Condition
{
    /// <inheritdoc/>
    public sealed override string Text => text;

    /// <inheritdoc/>
    public sealed override RuleStage KnownAt => knownAt;

    /// <inheritdoc/>
    public sealed override Truth Evaluate(RuleContext context) => (knownAt & context.Stage) == 0 ? Truth.Unknown : Holds(context) ? Truth.True : Truth.False;

    /// <summary>Whether it holds; only called where it is known.</summary>
    protected abstract bool Holds(RuleContext context);
}

/// <summary>Always.</summary>
public sealed class AllCondition : Condition
{
    /// <summary>The only one.</summary>
    public static AllCondition Instance { get; } = new();

    /// <inheritdoc/>
    public override string Text => "All";

    /// <inheritdoc/>
    public override RuleStage KnownAt => RuleStage.All;

    /// <inheritdoc/>
    public override Truth Evaluate(RuleContext context) => Truth.True;
}

/// <summary>All of several; none means true.</summary>
public sealed class AndCondition(IReadOnlyList<Condition> parts) : Condition
{
    // What counts comes last, so that it counts only what everything else lets through.
    private readonly Condition[] _parts = [.. parts.OrderBy(x => x.Counts)];

    /// <summary>Its parts, those that count last.</summary>
    public IReadOnlyList<Condition> Parts => _parts;

    internal override bool Counts => _parts is [.., { Counts: true }];

    /// <inheritdoc/>
    public override string Text { get; } = "(" + string.Join(" and ", parts.Select(x => x.Text)) + ")";

    /// <inheritdoc/>
    public override RuleStage KnownAt { get; } = parts.Aggregate(RuleStage.All, (known, x) => known & x.KnownAt);

    /// <inheritdoc/>
    public override HostHint? Host => _parts.Select(x => x.Host).OrderBy(x => x?.IsSuffix ?? true).FirstOrDefault(x => x is not null);

    /// <inheritdoc/>
    public override string? Method => _parts.Select(x => x.Method).FirstOrDefault(x => x is not null);

    /// <inheritdoc/>
    public override string? PathPrefix => _parts.Select(x => x.PathPrefix).OfType<string>().OrderByDescending(x => x.Length).FirstOrDefault();

    /// <inheritdoc/>
    public override Truth Evaluate(RuleContext context)
    {
        var result = Truth.True;
        foreach (var part in _parts)
        {
            if (result == Truth.Unknown && part.Counts)
            {
                return Truth.Unknown;
            }

            switch (part.Evaluate(context))
            {
                case Truth.False:
                    return Truth.False;
                case Truth.Unknown:
                    result = Truth.Unknown;
                    break;
            }
        }

        return result;
    }

    /// <inheritdoc/>
    public override Condition Failing(RuleContext context)
    {
        foreach (var part in _parts)
        {
            if (part.Counts)
            {
                return context.Refusing ?? part;
            }

            if (part.Evaluate(context) == Truth.False)
            {
                return part.Failing(context);
            }
        }

        return this;
    }
}

/// <summary>Any of several; none means false.</summary>
public sealed class OrCondition(IReadOnlyList<Condition> parts) : Condition
{
    private readonly Condition[] _parts = [.. parts.OrderBy(x => x.Counts)];

    /// <summary>Its parts, those that count last.</summary>
    public IReadOnlyList<Condition> Parts => _parts;

    internal override bool Counts => _parts is [.., { Counts: true }];

    /// <inheritdoc/>
    public override string Text { get; } = "(" + string.Join(" or ", parts.Select(x => x.Text)) + ")";

    /// <inheritdoc/>
    public override RuleStage KnownAt { get; } = parts.Aggregate(RuleStage.All, (known, x) => known & x.KnownAt);

    /// <inheritdoc/>
    public override Truth Evaluate(RuleContext context)
    {
        var result = Truth.False;
        foreach (var part in _parts)
        {
            if (result == Truth.Unknown && part.Counts)
            {
                return Truth.Unknown;
            }

            switch (part.Evaluate(context))
            {
                case Truth.True:
                    return Truth.True;
                case Truth.Unknown:
                    result = Truth.Unknown;
                    break;
            }
        }

        return result;
    }
}

/// <summary>The contrary.</summary>
public sealed class NotCondition(Condition part) : Condition
{
    /// <summary>What must not hold.</summary>
    public Condition Part => part;

    /// <inheritdoc/>
    public override string Text { get; } = "not " + part.Text;

    /// <inheritdoc/>
    public override RuleStage KnownAt => part.KnownAt;

    internal override bool Counts => part.Counts;

    /// <inheritdoc/>
    public override Truth Evaluate(RuleContext context) => part.Evaluate(context) switch
    {
        Truth.True => Truth.False,
        Truth.False => Truth.True,
        _ => Truth.Unknown,
    };
}
