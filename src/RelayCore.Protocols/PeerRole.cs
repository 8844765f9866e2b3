namespace RelayCore.Protocols;

/// <summary>Which end of a connection a peer is, seen from the proxy: who sent the octets, or whose fault it was.</summary>
public enum PeerRole
{
    /// <summary>The one who opened the connection to us.</summary>
    Client,

    /// <summary>The origin (or the parent proxy) we opened a connection to.</summary>
    Server,
}
