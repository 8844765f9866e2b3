namespace RelayCore.Core.Interception;

/// <summary>
/// Where an interceptor that acts for several says for whom, so that what each of them changed is recorded under its own name. Given by the pipeline
/// with <see cref="FlowContext.ActorLog"/> or <see cref="Message.ActorLog"/> for the time of a call.
/// </summary>
public interface IActorLog
{
    /// <summary>Records what was changed since the call began, or since this was last called, as done by an actor; a verdict that follows is its too.</summary>
    /// <param name="actor">Its name, e.g. <c>rule:block-ads</c>.</param>
    void Acted(string actor);
}
