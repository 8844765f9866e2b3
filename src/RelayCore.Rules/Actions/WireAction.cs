using RelayCore.Core.Interception;
using RelayCore.Rules.Catalog;
using RelayCore.Rules.Execution;

namespace RelayCore.Rules.Actions;

/// <summary>Which message of an exchange is meant.</summary>
internal enum WireDirection : byte
{
    /// <summary>On its way to the client.</summary>
    Response,

    /// <summary>On its way to the server.</summary>
    Request,

    /// <summary>Each of them.</summary>
    Both,
}

/// <summary>An action on the octets of a message on its way: adds to the <see cref="Impairment"/> of the exchange, which the engine applies.</summary>
/// <param name="direction">Which message.</param>
/// <param name="draw">Decides once for a flow; the result adds to what is there, and is <see langword="null"/> when it decided against it.</param>
internal sealed class WireAction(WireDirection direction, Func<RuleContext, Func<Impairment, Impairment>?> draw) : ImmediateAction
{
    /// <summary>Stages at which the response is still to come; the request is until its head is sent.</summary>
    public const RuleStage Stages = BeforeRequest | RuleStage.ResponseHeaders | RuleStage.ResponseBody;

    /// <summary>Rates one message may keep to at a time. Breach: the last one counts instead of the one before.</summary>
    public const int MaxPaces = 8;

    private const RuleStage BeforeRequest = RuleStage.RequestHeaders | RuleStage.RequestBody;

    /// <summary>The property that says which message is meant.</summary>
    public static Property Direction(string otherwise = "response") =>
        new("direction", PropertyKind.Choice, "Which message: the response to the client, the request to the server (from a request stage only), or both.")
        {
            Values = ["response", "request", "both"],
            Default = $"\"{otherwise}\"",
        };

    /// <summary>A number of octets.</summary>
    public static Property Octets(string name, string summary, long min, string? otherwise = null) =>
        new(name, PropertyKind.Integer, summary) { Min = min, Max = min == 0 ? 1_000_000_000_000 : 1_000_000_000, Default = otherwise };

    /// <summary>A probability.</summary>
    public static Property Probability(string name, string summary, string? otherwise = null) =>
        new(name, PropertyKind.Number, summary + " 0 to 1.") { Min = 0, Max = 1, Default = otherwise };

    /// <summary>The property that makes chance repeatable.</summary>
    public static Property Seed() =>
        new("seed", PropertyKind.Integer, "Makes chance repeatable: the n-th flow of the rule decides the same each time the rules are loaded.") { Min = 0, Max = long.MaxValue };

    /// <summary>Reads which message is meant; says so when that is gone at the rule's stage.</summary>
    public static WireDirection ReadDirection(ConfigReader config, WireDirection otherwise = WireDirection.Response)
    {
        var direction = config.Choice("direction", otherwise);
        if (direction == WireDirection.Request && (config.Scope.Stage & (BeforeRequest | RuleStage.Messages)) == 0)
        {
            config.Error("RULE-530", "direction", $"The request is sent already at {config.Scope.Stage}.", "Use the stage RequestHeaders, or the direction response.");
        }

        return direction;
    }

    /// <summary>Makes an action.</summary>
    public static WireAction Compile(ConfigReader config, Func<RuleContext, Func<Impairment, Impairment>?> draw, WireDirection otherwise = WireDirection.Response) =>
        new(ReadDirection(config, otherwise), draw);

    /// <summary>An impairment that does nothing yet, in the name of the rule.</summary>
    public static Impairment Begin(RuleContext context) => context.Rule is { } rule ? new() { Actor = $"rule:{rule.Id}" } : Impairment.None;

    /// <inheritdoc/>
    protected override ActionResult Run(RuleContext context)
    {
        if (context.Exchange is not { } exchange)
        {
            return ActionResult.Failed("there is no exchange at this stage");
        }

        if (draw(context) is not { } add)
        {
            return ActionResult.NoEffect("chance decided against it");
        }

        var isSent = (context.Stage & BeforeRequest) == 0;
        if (direction != WireDirection.Response && !isSent)
        {
            var added = add(exchange.RequestImpairment ?? Begin(context));
            exchange.RequestImpairment = added;
        }

        if (direction != WireDirection.Request)
        {
            var added = add(exchange.ResponseImpairment ?? Begin(context));
            if (added.Malformed != MalformedFraming.None && exchange.Request.MajorVersion == 2)
            {
                return ActionResult.Failed($"{added.Malformed} is framing of HTTP/1 and the client speaks HTTP/2");
            }

            exchange.ResponseImpairment = added;
        }

        return new(ActionOutcome.Done, add(Impairment.None).Describe());
    }
}

/// <summary>Chance for the flows of one action.</summary>
internal sealed class Dice
{
    private readonly ulong? _seed;
    private long _flows;

    private Dice(ulong? seed) => _seed = seed;

    /// <summary>Reads <c>seed</c>.</summary>
    public static Dice Read(ConfigReader config) => new(config.Has("seed") ? (ulong)config.Integer("seed") : null);

    /// <summary>A place in the numbers of a seed: 0 up to, not including, 1.</summary>
    public static double Chance(ulong seed, ulong place) => Impairment.Chance(seed, place);

    /// <summary>What decides for the next flow.</summary>
    public ulong Next(RuleContext context) =>
        _seed is { } seed ? Impairment.Mix(seed + ((ulong)Interlocked.Increment(ref _flows) * 0xA0761D6478BD642F)) : (ulong)context.Environment.Random.NextInt64();
}

/// <summary>A rate for each host. At most 4,096; beyond, those not at work are forgotten, and when all are, new hosts share one.</summary>
internal sealed class HostBuckets(long rate, long burst, TimeProvider time)
{
    internal const int Max = 4096;

    private readonly Lock _gate = new();
    private readonly Dictionary<string, TokenBucket> _buckets = new(StringComparer.OrdinalIgnoreCase);
    private readonly TokenBucket _rest = new(rate, burst, time);
    private long _sweptAt;

    /// <summary>The bucket of a host.</summary>
    public TokenBucket For(string host)
    {
        lock (_gate)
        {
            if (_buckets.TryGetValue(host, out var found))
            {
                return found;
            }

            if (_buckets.Count >= Max && time.GetElapsedTime(_sweptAt) > TimeSpan.FromSeconds(1))
            {
                _sweptAt = time.GetTimestamp();
                foreach (var idle in _buckets.Where(static x => x.Value.IsIdle).Select(static x => x.Key).ToList())
                {
                    _buckets.Remove(idle);
                }
            }

            return _buckets.Count >= Max ? _rest : _buckets[host] = new(rate, burst, time);
        }
    }
}
