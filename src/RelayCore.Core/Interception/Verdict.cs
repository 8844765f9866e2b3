using RelayCore.Core.Connections;

namespace RelayCore.Core.Interception;

/// <summary>What an interceptor decides. A terminal verdict ends the stage: later interceptors are not asked.</summary>
public abstract record Verdict
{
    private Verdict()
    {
    }

    /// <summary>Go on.</summary>
    public static Verdict Continue { get; } = new ContinueVerdict();

    /// <summary>Whether this ends the stage.</summary>
    public bool IsTerminal => this is not ContinueVerdict;

    /// <summary>Answers the client without (or instead of) the server; the server connection, if any, is released or closed.</summary>
    /// <param name="Status">200 to 999.</param>
    /// <param name="Fields">Field lines; framing is added by the writer.</param>
    /// <param name="Body">Body; empty for none.</param>
    public sealed record Respond(int Status, IReadOnlyList<KeyValuePair<string, string>> Fields, ReadOnlyMemory<byte> Body) : Verdict
    {
        /// <summary>Reason phrase; <see langword="null"/> for the registered one.</summary>
        public string? Reason { get; init; }
    }

    /// <summary>Refuses with 403 (or closes a tunnel), as the reference does for a policy drop.</summary>
    /// <param name="Reason">One line for the flow.</param>
    public sealed record Drop(string Reason) : Verdict;

    /// <summary>Resets the client connection (TCP RST), and the server's.</summary>
    /// <param name="Reason">One line for the flow.</param>
    public sealed record Abort(string Reason) : Verdict;

    /// <summary>Sends the request or tunnel somewhere else; Connect, ClientHello and RequestHead stages only.</summary>
    /// <param name="Target">Where.</param>
    public sealed record RedirectTarget(Origin Target) : Verdict;

    private sealed record ContinueVerdict : Verdict;
}

/// <summary>What to do with a TLS client (RFC 8446 §4.1.2).</summary>
public enum InterceptDecision
{
    /// <summary>No opinion; the host policy decides.</summary>
    Default,

    /// <summary>Decrypt.</summary>
    Intercept,

    /// <summary>Relay untouched.</summary>
    PassThrough,

    /// <summary>Close.</summary>
    Drop,
}
