using System.Buffers;
using RelayCore.Formats;
using RelayCore.Rules;
using RelayCore.Rules.Actions;
using RelayCore.Rules.Documents;
using RelayCore.Rules.Execution;
using RelayCore.Rules.Filters;

namespace RelayCore.InMemory.Tests.Rules;

/// <summary>Rules whose actions are functions of the test, so that what is tested is how rules run in a proxy.</summary>
internal static class HandmadeRules
{
    public static RuleInterceptor Of(params (string Id, RuleStage Stage, Func<RuleContext, ActionResult> Does)[] rules) =>
        Of(AllCondition.Instance, rules);

    public static RuleInterceptor Of(Condition filter, params (string Id, RuleStage Stage, Func<RuleContext, ActionResult> Does)[] rules)
    {
        var nothing = new RuleNode(NodeKind.Null, new("test", 1, 1), "$");
        return new(new RuleSet(
            [.. rules.Select(x => new CompiledRule(new(x.Id, x.Id, x.Stage, nothing, [], nothing), filter, [("Do", new Function(x.Does))]))],
            new RuleEnvironment { Codings = new ContentCodings() }));
    }

    public static ActionResult Done(Action does)
    {
        does();
        return ActionResult.Done;
    }

    private sealed class Function(Func<RuleContext, ActionResult> does) : ImmediateAction
    {
        protected override ActionResult Run(RuleContext context) => does(context);
    }

    /// <summary>An action for later.</summary>
    internal sealed class SetBody(string text) : ImmediateAction
    {
        protected override ActionResult Run(RuleContext context)
        {
            context.Body!.ReplaceContent(System.Text.Encoding.ASCII.GetBytes(text));
            return ActionResult.Done;
        }
    }

    /// <summary>Makes letters large and adds a mark at the end.</summary>
    internal sealed class Upper : IBodyTransform
    {
        public int MaxHeld => 0;

        public void Transform(ReadOnlySpan<byte> input, bool isLast, IBufferWriter<byte> output)
        {
            foreach (var octet in input)
            {
                output.Write([octet is >= (byte)'a' and <= (byte)'z' ? (byte)(octet - 32) : octet]);
            }

            if (isLast)
            {
                output.Write("!"u8);
            }
        }

        public void Dispose()
        {
        }
    }
}
