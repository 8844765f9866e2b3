using System.Buffers;
using RelayCore.Core.Interception;
using RelayCore.Rules.Execution;

namespace RelayCore.Rules.Actions;

/// <summary>A compiled action. Immutable and safe for concurrent use; what differs between flows is in the <see cref="RuleContext"/>.</summary>
public abstract class RuleAction
{
    /// <summary>Does it. Completes synchronously unless it waits by purpose (a delay, a breakpoint, a file).</summary>
    /// <param name="context">The flow; valid until the task ends.</param>
    /// <param name="cancellationToken">The flow is given up, or the time of the rule is over.</param>
    /// <remarks>An exception is a failed action: the message is as it was before the rule.</remarks>
    public abstract ValueTask<ActionResult> RunAsync(RuleContext context, CancellationToken cancellationToken);
}

/// <summary>An action that never waits.</summary>
public abstract class ImmediateAction : RuleAction
{
    /// <inheritdoc/>
    public sealed override ValueTask<ActionResult> RunAsync(RuleContext context, CancellationToken cancellationToken) => new(Run(context));

    /// <summary>Does it.</summary>
    protected abstract ActionResult Run(RuleContext context);
}

/// <summary>How an action went.</summary>
public enum ActionOutcome : byte
{
    /// <summary>It did what it says.</summary>
    Done,

    /// <summary>There was nothing to do: no such field, not JSON.</summary>
    NoEffect,

    /// <summary>It could not; the rest of the rule is skipped, the following rules go on.</summary>
    Failed,

    /// <summary>It decided the stage.</summary>
    Terminal,
}

/// <summary>Result of an action.</summary>
/// <param name="Outcome">How it went.</param>
/// <param name="Detail">One line for the trace; why, when it did nothing or failed.</param>
/// <param name="Verdict">The decision of <see cref="ActionOutcome.Terminal"/>.</param>
public readonly record struct ActionResult(ActionOutcome Outcome, string? Detail = null, Verdict? Verdict = null)
{
    /// <summary>It did what it says.</summary>
    public static ActionResult Done => default;

    /// <summary>There was nothing to do.</summary>
    public static ActionResult NoEffect(string why) => new(ActionOutcome.NoEffect, why);

    /// <summary>It could not.</summary>
    public static ActionResult Failed(string why) => new(ActionOutcome.Failed, why);

    /// <summary>It decided the stage.</summary>
    public static ActionResult Terminal(Verdict verdict, string? detail = null) => new(ActionOutcome.Terminal, detail, verdict);
}

/// <summary>An edit of a body on its way, for one flow and one direction: keeps what a match may need over the border of pieces, and no more.</summary>
public interface IBodyTransform : IDisposable
{
    /// <summary>Largest number of octets it holds back.</summary>
    int MaxHeld { get; }

    /// <summary>Takes a piece.</summary>
    /// <param name="input">Content of the body; empty at the end when that brought none.</param>
    /// <param name="isLast">Whether nothing follows.</param>
    /// <param name="output">What goes on.</param>
    void Transform(ReadOnlySpan<byte> input, bool isLast, IBufferWriter<byte> output);
}
