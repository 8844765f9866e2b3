using RelayCore.Core.Interception;
using RelayCore.Core.Messages;
using RelayCore.Rules;
using RelayCore.Rules.Execution;
using RelayCore.Rules.Filters;

namespace RelayCore.Runtime.Rules;

/// <summary>
/// For each rule the first condition that does not hold, asked of the filters themselves: the trace leaves out rules that the index excluded and what is
/// beyond its bound. Rules that hit something are not asked, so that filters that count do not count twice.
/// </summary>
internal sealed class DryRunFailures(RuleSet set, RuleEnvironment environment)
{
    private readonly Dictionary<string, string> _failing = new(StringComparer.Ordinal);
    private RuleStage _reached;

    /// <summary>The condition; <see langword="null"/> when the filter holds or the stage did not come.</summary>
    public string? Of(CompiledRule rule) => _failing.GetValueOrDefault(rule.Id);

    /// <summary>Whether a stage came.</summary>
    public bool Reached(RuleStage stage) => (_reached & stage) != 0;

    /// <summary>Asks behind a stage.</summary>
    public void Note(RuleStage stage, FlowContext flow, Exchange? exchange = null, Message? message = null) => Ask(new()
    {
        Stage = stage,
        Flow = flow,
        Environment = environment,
        Exchange = exchange ?? flow as Exchange,
        Connect = flow as ConnectContext,
        Hello = flow as ClientHelloContext,
        Messages = flow as MessageContext,
        Message = message,
    });

    /// <summary>Asks behind a body stage.</summary>
    public void Note(RuleStage stage, Exchange exchange, MessageBody body) =>
        Ask(new() { Stage = stage, Flow = exchange, Environment = environment, Exchange = exchange, Body = body });

    private void Ask(RuleContext context)
    {
        _reached |= context.Stage;
        foreach (var rule in set.Rules.Where(x => x.Definition.Stage == context.Stage && x.Hits == 0))
        {
            if (context.Flow.RuleState is FlowRules state)
            {
                context.State = state;
            }

            context.BeginRule(rule);
            if (rule.Filter.Evaluate(context) == Truth.False)
            {
                _failing[rule.Id] = rule.Filter.Failing(context).Text;
            }
        }
    }
}
