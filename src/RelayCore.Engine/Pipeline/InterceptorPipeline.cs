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
            MayWait |= interceptor.Needs.MayWait;
            if ((interceptor.Needs.Stages & (Stage.RequestBody | Stage.ResponseBody)) != 0)
            {
                MaxBody = Math.Max(MaxBody, interceptor.Needs.MaxBody);
                RefuseLarge |= interceptor.Needs.Breach == BodyBreach.Refuse;
            }
        }
    }

    public IInterceptor[] Interceptors { get; }

    public Stage Stages { get; }

    public bool MayWait { get; }

    public long MaxBody { get; }

    public bool RefuseLarge { get; }

    public bool Wants(Stage stage) => (Stages & stage) != 0;
}
