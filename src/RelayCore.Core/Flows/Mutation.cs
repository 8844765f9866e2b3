namespace RelayCore.Core.Flows;

/// <summary>One change an actor made to a message, recorded by the pipeline.</summary>
/// <param name="Actor">Who: <c>rule:&lt;id&gt;</c>, <c>script:&lt;name&gt;</c>, or the name of a native interceptor.</param>
/// <param name="Stage">When.</param>
/// <param name="Target">What: <c>request.method</c>, <c>request.url</c>, <c>request.headers.&lt;name&gt;</c>, <c>request.body</c>, <c>response.status</c>, ….</param>
/// <param name="Before">Value before; <see langword="null"/> when it did not exist. Bodies: their length in octets as text.</param>
/// <param name="After">Value after; <see langword="null"/> when it was removed.</param>
/// <param name="AtMicroseconds">Microseconds since the flow started.</param>
public sealed record Mutation(string Actor, Interception.Stage Stage, string Target, string? Before, string? After, long AtMicroseconds);

/// <summary>Why a flow ended (reference: model §4).</summary>
public enum CloseReason : byte
{
    /// <summary>Still open.</summary>
    None,

    /// <summary>The last octet was delivered.</summary>
    Completed,

    /// <summary>The client ended it.</summary>
    ClientClosed,

    /// <summary>The server ended it before it was complete, or could not be reached.</summary>
    UpstreamClosed,

    /// <summary>A time-out; the fault says which.</summary>
    Timeout,

    /// <summary>A reset, by a peer or by an abort verdict.</summary>
    Reset,

    /// <summary>A rule, script, policy or limit.</summary>
    PolicyDrop,

    /// <summary>A peer broke the protocol.</summary>
    ParserError,

    /// <summary>TLS failed.</summary>
    TlsError,
}
