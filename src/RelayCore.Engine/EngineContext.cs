using System.Net;
using RelayCore.Core.Limits;
using RelayCore.Core.Messages;
using RelayCore.Engine.Capture;
using RelayCore.Engine.Certificates;
using RelayCore.Engine.Http.Exchanges;
using RelayCore.Engine.Listeners;
using RelayCore.Engine.Messages;
using RelayCore.Engine.Pipeline;
using RelayCore.Engine.Upstream;

namespace RelayCore.Engine;

/// <summary>What all sessions share.</summary>
internal sealed class EngineContext
{
    public required EngineOptions Options { get; init; }

    public required TimeProvider Time { get; init; }

    public required FlowStore Store { get; init; }

    public required ServerPool Pool { get; init; }

    public required Connector Connector { get; init; }

    /// <summary>Where exchanges get the server's side from.</summary>
    public IServerStreams Servers { get; set; } = null!;

    public required LeafCertificates Leaves { get; init; }

    public required DeadlineSweeper Sweeper { get; init; }

    public required IContentCodings Codings { get; init; }

    /// <summary>Running sessions of messages.</summary>
    public MessageSessions MessageSessions { get; } = new();

    /// <summary>The interceptors; swapped whole, an exchange keeps what it began with.</summary>
    public required InterceptorPipeline Pipeline { get; set; }

    /// <summary>Local ends of our own connections to servers, to notice when we are our own client.</summary>
    public required OwnEndPoints OwnEndPoints { get; init; }

    /// <summary>Whether the engine is stopping: connections end with their present exchange.</summary>
    public bool IsDraining { get; set; }

    /// <summary>Cancelled when running exchanges are given up.</summary>
    public required CancellationToken Stopping { get; init; }

    public EngineLimits Limits => Options.Limits;

    /// <summary>Told of a defect of the program that ended a session or an exchange.</summary>
    public Action<Exception>? OnFailure { get; set; }

    /// <summary>A number for a client connection, tunnels in streams included.</summary>
    public long NextClientId() => Interlocked.Increment(ref _lastClient);

    private long _lastClient;
}

/// <summary>Addresses of this proxy itself.</summary>
internal sealed class OwnEndPoints
{
    private readonly List<IPEndPoint> _listeners = [];

    public void Add(IPEndPoint listener) => _listeners.Add(listener);

    /// <summary>Whether connecting there would reach one of our listeners.</summary>
    public bool IsListener(IPEndPoint endPoint)
    {
        foreach (var listener in _listeners)
        {
            if (listener.Port == endPoint.Port && (listener.Address.Equals(endPoint.Address) || (IsAny(listener.Address) && IsLocal(endPoint.Address))
                || (IsAny(endPoint.Address) && IPAddress.IsLoopback(listener.Address))))
            {
                return true;
            }
        }

        return false;
    }

    private static bool IsAny(IPAddress address) => address.Equals(IPAddress.Any) || address.Equals(IPAddress.IPv6Any);

    private static bool IsLocal(IPAddress address)
    {
        if (IPAddress.IsLoopback(address) || IsAny(address))
        {
            return true;
        }

        foreach (var network in System.Net.NetworkInformation.NetworkInterface.GetAllNetworkInterfaces())
        {
            foreach (var own in network.GetIPProperties().UnicastAddresses)
            {
                if (own.Address.Equals(address))
                {
                    return true;
                }
            }
        }

        return false;
    }
}
