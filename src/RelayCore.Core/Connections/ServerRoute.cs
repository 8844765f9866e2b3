using System.Security.Cryptography.X509Certificates;

namespace RelayCore.Core.Connections;

/// <summary>
/// How a server is reached when that is not as ever. Requests are what they were: host, authority and path stay. Immutable and compared by value,
/// because connections are never shared between routes.
/// </summary>
public sealed record ServerRoute
{
    /// <summary>Name or IP literal dialed instead of the origin's host; <see langword="null"/> for that.</summary>
    public string? Host { get; init; }

    /// <summary>Port dialed instead of the origin's, 1 to 65535; <see langword="null"/> for that.</summary>
    public int? Port { get; init; }

    /// <summary>Hops a packet of ours may go, 1 to 255 (RFC 791 §3.2, RFC 8200 §3); <see langword="null"/> for the system's.</summary>
    public int? TimeToLive { get; init; }

    /// <summary>Name asked for in TLS, which the certificate must be for; <see langword="null"/> for the origin's host.</summary>
    public string? ServerName { get; init; }

    /// <summary>Major version of HTTP spoken with the server, 1 or 2; <see langword="null"/> to agree on one.</summary>
    public int? HttpVersion { get; init; }

    /// <summary>Certificate shown to the server, with its key; <see langword="null"/> for the one options name.</summary>
    public X509Certificate2? ClientCertificate { get; init; }

    /// <summary>Parent proxy to go through; <see langword="null"/> for the one options name, unless <see cref="IsDirect"/>.</summary>
    public ParentProxy? Proxy { get; init; }

    /// <summary>Whether no parent proxy is used.</summary>
    public bool IsDirect { get; init; }

    /// <summary>Whether any certificate of the server will do.</summary>
    public bool SkipsVerification { get; init; }

    /// <summary>The route for another server than the one it was meant for: without what is that one's own.</summary>
    public ServerRoute ForOtherServer() => this with { Host = null, Port = null, ServerName = null };
}

/// <summary>A parent proxy of a route.</summary>
/// <param name="IsSecure">TLS to the proxy.</param>
/// <param name="Host">Its host.</param>
/// <param name="Port">Its port.</param>
/// <param name="Credentials">user:password for Basic, or <see langword="null"/>.</param>
public sealed record ParentProxy(bool IsSecure, string Host, int Port, string? Credentials);
