using RelayCore.Core.Connections;
using RelayCore.Engine.Http.Exchanges;
using RelayCore.Engine.Transport;

namespace RelayCore.Engine.Upstream;

/// <summary>One open HTTP/1 connection to an origin or parent proxy, busy with one exchange or idle in its pool.</summary>
internal sealed class ServerChannel(OriginPool pool, DuplexTransport transport, ServerConnection facts)
{
    /// <summary>Octets received and not consumed. A field: it is a mutable struct.</summary>
    public ReceiveBuffer Input;

    public OriginPool Pool => pool;

    public DuplexTransport Transport => transport;

    /// <summary>The channel as a server stream, once an exchange used it as one; reused for those that follow.</summary>
    public Http1ServerStream? Stream { get; set; }

    public ServerConnection Facts => facts;

    /// <summary>Whether an exchange was completed on it before the present one.</summary>
    public bool IsReused { get; set; }

    /// <summary>Whether its last response had no body, so that octets may follow that nobody asked for: it is looked at before it is used again.</summary>
    public bool IsSuspect { get; set; }

    /// <summary>Whether it is authenticated as a whole (NTLM, Negotiate), so that it belongs to one client until it ends.</summary>
    public bool IsBound { get; set; }

    /// <summary>Monotonic timestamp since when it is idle.</summary>
    public long IdleSince { get; set; }

    /// <summary>Whether requests on it are sent in absolute form, because the peer is a proxy for plain HTTP.</summary>
    public bool IsToProxy { get; init; }

    /// <summary>Value of Proxy-Authorization to add, when <see cref="IsToProxy"/>.</summary>
    public byte[]? ProxyAuthorization { get; init; }

    /// <summary>Whether the parent proxy was left out because it failed, by option.</summary>
    public bool IsProxyBypassed { get; init; }
}
