using System.Net;

namespace RelayCore.Api;

/// <summary>What the control API is started with.</summary>
public sealed record ApiOptions
{
    /// <summary>Address; port 0 takes a free one. Default 127.0.0.1:8082.</summary>
    public IPEndPoint Listen { get; init; } = new(IPAddress.Loopback, 8082);

    /// <summary>Bearer token; visible ASCII.</summary>
    public required string Token { get; init; }

    /// <summary>Version told to clients.</summary>
    public string EngineVersion { get; init; } = "0.0.0";

    /// <summary>How often an event stream that has nothing to say says so, for proxies and clients with idle time-outs. Default 15 s.</summary>
    public TimeSpan KeepAlive { get; init; } = TimeSpan.FromSeconds(15);

    /// <summary>Told of a request that failed by a defect of the program; the client only gets a 500.</summary>
    public Action<Exception>? OnInternalFailure { get; init; }
}
