using System.Net;
using RelayCore.Engine.Capture;

namespace RelayCore.Engine;

/// <summary>The data plane: listeners, sessions, upstream. Start nothing before <see cref="StartAsync"/>.</summary>
public sealed class ProxyEngine : IAsyncDisposable
{
    /// <summary>An engine that is not started.</summary>
    public ProxyEngine(EngineOptions options, FlowStore store, TimeProvider time)
    {
        _ = (options, store, time);
    }

    /// <summary>Addresses bound, in the order of <see cref="EngineOptions.Listen"/>; after <see cref="StartAsync"/>.</summary>
    public IReadOnlyList<IPEndPoint> EndPoints { get; } = [];

    /// <summary>Binds every listener, then accepts.</summary>
    /// <exception cref="ListenException">An address cannot be bound; nothing stays bound.</exception>
    public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    /// <summary>Stops accepting, lets running exchanges finish for at most <paramref name="grace"/>, then resets the rest.</summary>
    public Task StopAsync(TimeSpan grace) => Task.CompletedTask;

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => default;
}

/// <summary>An address that cannot be bound.</summary>
public sealed class ListenException : Exception
{
    /// <summary>Says which and why.</summary>
    public ListenException(IPEndPoint endPoint, string message, Exception? inner)
        : base(message, inner) => EndPoint = endPoint;

    /// <summary>The address.</summary>
    public IPEndPoint EndPoint { get; }

    /// <summary>Whether somebody else has the port.</summary>
    public bool IsInUse => InnerException is System.Net.Sockets.SocketException { SocketErrorCode: System.Net.Sockets.SocketError.AddressAlreadyInUse };
}
