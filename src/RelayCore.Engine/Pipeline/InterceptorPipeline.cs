using RelayCore.Core.Interception;

namespace RelayCore.Engine.Pipeline;

/// <summary>The interceptors in their order; immutable, swapped whole. Says for a host who wants what, so that a flow nobody wants costs nothing.</summary>
internal sealed class InterceptorPipeline
{
    public static readonly InterceptorPipeline None = new([]);

    private readonly IInterceptor[] _interceptors;
    private readonly InterceptorSet _everything;
    private readonly bool _hasFilters;

    public InterceptorPipeline(IReadOnlyList<IInterceptor> interceptors)
    {
        _interceptors = [.. interceptors];
        _hasFilters = _interceptors.Any(x => x.Needs.HostFilter is not null);
        _everything = new(_interceptors);
    }

    /// <summary>Who is interested in a host. Without filters always the same object.</summary>
    public InterceptorSet For(string host) =>
        !_hasFilters ? _everything : new([.. _interceptors.Where(x => x.Needs.HostFilter is null || x.Needs.HostFilter(host))]);
}

/// <summary>The interceptors interested in one host.</summary>
internal sealed class InterceptorSet
{
    public static readonly InterceptorSet Empty = new([]);

    public InterceptorSet(IInterceptor[] interceptors)
    {
        Interceptors = interceptors;
        foreach (var interceptor in interceptors)
        {
            Stages |= interceptor.Needs.Stages;
            OnDemand |= interceptor.Needs.OnDemand;
            MayWait |= interceptor.Needs.MayWait;
        }
    }

    public IInterceptor[] Interceptors { get; }

    public Stage Stages { get; }

    /// <summary>Stages somebody wants of flows that were marked.</summary>
    public Stage OnDemand { get; }

    public bool MayWait { get; }

    /// <summary>Whether somebody is called at one of the stages of every flow; for those that have nothing on demand.</summary>
    public bool Wants(Stage stage) => (Stages & stage) != 0;

    /// <summary>Whether somebody is called at one of the stages of this flow.</summary>
    public bool Wants(Stage stage, FlowContext flow) => ((Stages | (OnDemand & flow.Wanted)) & stage) != 0;

    /// <summary>Whether one interceptor is called at a stage of this flow.</summary>
    public static bool IsCalled(IInterceptor interceptor, Stage stage, FlowContext flow)
    {
        var needs = interceptor.Needs;
        return ((needs.Stages | (needs.OnDemand & flow.Wanted)) & stage) != 0;
    }

    /// <summary>How much of a body those hold who want it whole, and whether one of them refuses a larger one.</summary>
    public (long MaxBody, bool RefusesLarge) BodyNeeds(Stage stage, FlowContext flow)
    {
        var (max, refuses) = (0L, false);
        foreach (var interceptor in Interceptors)
        {
            if (IsCalled(interceptor, stage, flow))
            {
                max = Math.Max(max, interceptor.Needs.MaxBody);
                refuses |= interceptor.Needs.Breach == BodyBreach.Refuse;
            }
        }

        return (max, refuses);
    }
}
