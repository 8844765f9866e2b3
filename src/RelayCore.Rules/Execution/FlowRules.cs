using RelayCore.Protocols;
using RelayCore.Rules.Actions;

namespace RelayCore.Rules.Execution;

/// <summary>
/// What rules keep of one flow from stage to stage: actions put off to a later stage, edits of bodies on their way, the trace. Reused with its
/// session.
/// </summary>
public sealed class FlowRules
{
    /// <summary>Puts work off until a body stage of this flow (<c>SetResponseBody</c> at <c>ResponseHeaders</c>), and has the engine hold that body.</summary>
    /// <param name="stage"><see cref="RuleStage.RequestBody"/> or <see cref="RuleStage.ResponseBody"/>, not begun yet.</param>
    /// <param name="action">What to do then.</param>
    public void Later(RuleStage stage, RuleAction action) => throw new NotSupportedException("the executor is being written");

    /// <summary>Edits a body on its way; several run in the order they were added, on content without content coding, which is applied anew.</summary>
    /// <param name="sender">Whose body.</param>
    /// <param name="transform">The edit; disposed of when the body is over.</param>
    public void Transform(PeerRole sender, IBodyTransform transform) => throw new NotSupportedException("the executor is being written");
}
