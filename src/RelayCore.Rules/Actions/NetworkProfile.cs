using RelayCore.Core.Interception;
using RelayCore.Rules.Catalog;

namespace RelayCore.Rules.Actions;

/// <summary>Networks by name: what each message waits for, the rates of the exchange, how much goes missing.</summary>
internal static class NetworkProfile
{
    // One-way times: half of what a round trip takes. slow_3g and 3g as browsers' tools have them, the others from what such links are sold with.
    private static readonly (string Name, int Latency, int Up, int Down, double Loss)[] s_all =
    [
        ("slow_3g", 200, 400, 400, 0),
        ("3g", 75, 750, 1_600, 0),
        ("4g", 25, 9_000, 20_000, 0),
        ("edge", 250, 200, 240, 0),
        ("dial_up", 60, 33, 56, 0),
        ("satellite", 300, 1_000, 10_000, 0),
        ("lossy", 50, 1_000, 1_000, 0.01),
    ];

    /// <summary>Their names.</summary>
    public static IEnumerable<string> Names => s_all.Select(static x => x.Name);

    /// <summary>Makes the action.</summary>
    public static RuleAction Compile(ConfigReader config)
    {
        var name = config.Text("profile");
        var profile = s_all.First(x => x.Name.Equals(name, StringComparison.OrdinalIgnoreCase));
        var dice = Dice.Read(config);
        return new NetworkAction(WireAction.ReadDirection(config, WireDirection.Both), profile.Latency, profile.Up, profile.Down, profile.Loss, dice);
    }

    private sealed class NetworkAction(WireDirection direction, int latency, int up, int down, double loss, Dice dice) : RuleAction
    {
        private readonly WireAction _request = Half(WireDirection.Request, latency, up, loss, dice);
        private readonly WireAction _response = Half(WireDirection.Response, latency, down, loss, dice);

        public override async ValueTask<ActionResult> RunAsync(Execution.RuleContext context, CancellationToken cancellationToken)
        {
            var result = ActionResult.NoEffect("the request is sent already");
            if (direction != WireDirection.Response && (context.Stage & (RuleStage.RequestHeaders | RuleStage.RequestBody)) != 0)
            {
                result = await _request.RunAsync(context, cancellationToken).ConfigureAwait(false);
            }

            return direction == WireDirection.Request ? result : await _response.RunAsync(context, cancellationToken).ConfigureAwait(false);
        }

        private static WireAction Half(WireDirection which, int latency, int kbps, double loss, Dice dice) => new(which, context =>
        {
            var seed = loss > 0 ? dice.Next(context) : 0;
            var bucket = new TokenBucket(kbps * 125L, 0, context.Environment.Time);
            return x => x with
            {
                HeadDelay = TimingActions.Least(x.HeadDelay + TimingActions.Time(latency)),
                Paces = [.. x.Paces.Take(WireAction.MaxPaces - 1), bucket],
                LossRate = Math.Max(x.LossRate, loss),
                Seed = loss > 0 ? seed : x.Seed,
            };
        });
    }
}
