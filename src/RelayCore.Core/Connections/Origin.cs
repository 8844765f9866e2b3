using System.Globalization;

namespace RelayCore.Core.Connections;

/// <summary>Where a request goes: scheme, host, port (RFC 9110 §4.3.1).</summary>
/// <param name="IsSecure">https or http.</param>
/// <param name="Host">Lower-case host name or IP literal without brackets; A-labels.</param>
/// <param name="Port">1 to 65535.</param>
public sealed record Origin(bool IsSecure, string Host, int Port)
{
    /// <summary>Host to connect to when it is another than <see cref="Host"/>: the address of a CONNECT whose ClientHello names a server.</summary>
    public string? DialHost { get; init; }

    /// <summary>How it is reached, when not as ever; part of its identity, so that connections of one route serve no other.</summary>
    public ServerRoute? Route { get; init; }

    /// <summary><c>http</c> or <c>https</c>.</summary>
    public string Scheme => IsSecure ? "https" : "http";

    /// <summary>Port the scheme implies.</summary>
    public int DefaultPort => IsSecure ? 443 : 80;

    /// <summary><c>host</c> or <c>host:port</c> when the port is not the scheme's; IPv6 in brackets.</summary>
    public string Authority { get; } = Format(Host, Port == (IsSecure ? 443 : 80) ? -1 : Port);

    /// <summary><c>host:port</c>, always with port.</summary>
    public string HostAndPort { get; } = Format(Host, Port);

    /// <summary><c>scheme://authority</c>.</summary>
    public override string ToString() => $"{Scheme}://{Authority}";

    /// <summary>Writes an authority; brackets an IPv6 literal.</summary>
    /// <param name="host">Host.</param>
    /// <param name="port">Port, or -1 for none.</param>
    public static string Format(string host, int port)
    {
        var bracketed = host.Contains(':', StringComparison.Ordinal) ? $"[{host}]" : host;
        return port < 0 ? bracketed : string.Create(CultureInfo.InvariantCulture, $"{bracketed}:{port}");
    }
}
