using RelayCore.Protocols;

namespace RelayCore.Core.Faults;

/// <summary>How far a flow got.</summary>
public enum FaultStage : byte
{
    /// <summary>The client connection, before any message.</summary>
    Connection,

    /// <summary>TLS with the client.</summary>
    ClientTls,

    /// <summary>The request.</summary>
    Request,

    /// <summary>Name look-up, connect, proxy handshake and TLS towards the server.</summary>
    Connect,

    /// <summary>The response.</summary>
    Response,

    /// <summary>A tunnel or message session.</summary>
    Tunnel,
}

/// <summary>Class of failure; also the metric tag.</summary>
public enum FaultKind : byte
{
    /// <summary>A peer broke the protocol.</summary>
    Protocol,

    /// <summary>Input ended in the middle.</summary>
    Truncated,

    /// <summary>The connection failed.</summary>
    Transport,

    /// <summary>A time-out.</summary>
    Timeout,

    /// <summary>TLS failed.</summary>
    Tls,

    /// <summary>A limit was reached.</summary>
    Limit,

    /// <summary>A policy, rule, script or missing permission.</summary>
    Policy,

    /// <summary>The proxy itself.</summary>
    Internal,
}

/// <summary>Why a flow ended other than by completing. A value, because a broken peer is an ordinary event.</summary>
/// <param name="Code">Stable code, <c>RC-AREA-NNN</c>; see <see cref="FaultCatalog"/>.</param>
/// <param name="Stage">How far the flow got.</param>
/// <param name="Kind">The class of failure.</param>
/// <param name="Blame">The peer at fault, or <see langword="null"/> for the proxy itself or nobody.</param>
/// <param name="Detail">One line for a person; never field values or content.</param>
/// <param name="IsRetryable">Whether sending the request again is safe and may help.</param>
public sealed record FlowFault(string Code, FaultStage Stage, FaultKind Kind, PeerRole? Blame, string Detail, bool IsRetryable = false)
{
    /// <summary>Octets around the fault, at most 64, for the flow's record only.</summary>
    public ReadOnlyMemory<byte> Octets { get; init; }

    /// <summary>Offset within <see cref="Octets"/> of the octet at fault, or -1.</summary>
    public int OctetsOffset { get; init; } = -1;

    /// <summary>Certificates the server presented, subject and issuer a line, leaf first; only for failed verification.</summary>
    public IReadOnlyList<string> CertificateChain { get; init; } = [];
}
