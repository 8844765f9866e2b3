using RelayCore.Core.Connections;
using RelayCore.Core.Flows;
using RelayCore.Engine.Pipeline;
using RelayCore.Engine.Upstream;

namespace RelayCore.Engine.Http.Exchanges;

/// <summary>
/// What the exchanges of one client connection have in common, or of one tunnel inside it. One object per connection, handed to each of its
/// <see cref="ExchangeRunner"/>s. Routing happens where exchanges are started, so that only one thread at a time is in here.
/// </summary>
internal sealed class ExchangeScope : IDisposable
{
    private byte[] _lastAuthority = [];
    private bool _lastIsSecure;
    private OriginPool? _lastPool;
    private OriginPool? _interceptorsFor;
    private InterceptorPipeline? _lastPipeline;

    /// <summary>Where its requests go whatever they name; <see langword="null"/> when the client speaks HTTP to the proxy itself, so that each request names its origin.</summary>
    public Origin? Origin { get; init; }

    /// <summary>The flow its exchanges are inside of; empty for none.</summary>
    public FlowId Parent { get; init; }

    /// <summary>Whether TLS with the client was decrypted.</summary>
    public bool IsIntercepted { get; init; }

    /// <summary>Server connections that are authenticated for this client (NTLM, Negotiate).</summary>
    public PinnedChannels Pins { get; } = new();

    /// <summary>Interceptors of the origin chosen last.</summary>
    public InterceptorSet Interceptors { get; private set; } = InterceptorSet.Empty;

    /// <summary>Whether the origin chosen last is our own control port.</summary>
    public bool IsExcluded { get; private set; }

    /// <summary>Ends pinned server connections; when the client's connection ends.</summary>
    public void Dispose() => Pins.Dispose();

    /// <summary>The pool found last, when it is for the same authority: clients rarely change it, and finding it anew costs a string and two look-ups.</summary>
    public OriginPool? Recall(bool isSecure, ReadOnlySpan<byte> authority) =>
        _lastPool is not null && _lastIsSecure == isSecure && authority.SequenceEqual(_lastAuthority) ? _lastPool : null;

    /// <summary>Finds the pool of an origin and remembers it for the authority.</summary>
    public OriginPool Remember(EngineContext engine, Origin origin, ReadOnlySpan<byte> authority)
    {
        if (_lastPool is null || _lastPool.Origin != origin)
        {
            _lastPool = engine.Pool.For(origin);
        }

        (_lastAuthority, _lastIsSecure) = (authority.ToArray(), origin.IsSecure);
        return _lastPool;
    }

    /// <summary>The pool of a tunnel's origin.</summary>
    public OriginPool OwnPool(EngineContext engine) => _lastPool ??= engine.Pool.For(Origin!);

    /// <summary>Brings <see cref="Interceptors"/> and <see cref="IsExcluded"/> up to date.</summary>
    public void Use(EngineContext engine, OriginPool pool)
    {
        var pipeline = engine.Pipeline; // read once: it is replaced while we run
        if (!ReferenceEquals(_interceptorsFor, pool) || !ReferenceEquals(_lastPipeline, pipeline))
        {
            (_interceptorsFor, _lastPipeline) = (pool, pipeline);
            Interceptors = pipeline.For(pool.Origin.Host);
            IsExcluded = engine.Options.CaptureExclude.Contains(pool.Origin.HostAndPort);
        }
    }
}
