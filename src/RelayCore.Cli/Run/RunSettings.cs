using System.Net;
using RelayCore.Cli.Arguments;
using RelayCore.Core.Limits;
using RelayCore.Engine;
using RelayCore.Engine.Policy;
using RelayCore.Runtime.Rules;

namespace RelayCore.Cli.Run;

/// <summary>What <c>run</c> was asked for: every value checked, no file opened yet.</summary>
internal sealed record RunSettings
{
    /// <summary>Port of the API unless told otherwise.</summary>
    public const int DefaultApiPort = 8082;

    /// <summary>Addresses of the proxy.</summary>
    public IReadOnlyList<IPEndPoint> Listen { get; init; } = [new(IPAddress.Loopback, 8080)];

    /// <summary>Folder of everything kept.</summary>
    public required string DataDirectory { get; init; }

    /// <summary>The user's own CA; both or neither.</summary>
    public string? CaCertificate { get; init; }

    /// <summary>Its key.</summary>
    public string? CaKey { get; init; }

    /// <summary>Address of the API; <see langword="null"/> for none.</summary>
    public IPEndPoint? Api { get; init; } = new(IPAddress.Loopback, DefaultApiPort);

    /// <summary>Whether the port of <see cref="Api"/> was asked for; the default gives way to a free one when it is taken.</summary>
    public bool IsApiPortChosen { get; init; }

    /// <summary>Token of the API; <see langword="null"/> for a random one.</summary>
    public string? ApiToken { get; init; }

    /// <summary>Files of roots trusted for servers.</summary>
    public IReadOnlyList<string> UpstreamCa { get; init; } = [];

    /// <summary>Servers' certificates are not verified.</summary>
    public bool InsecureUpstream { get; init; }

    /// <summary>Client certificates by host.</summary>
    public IReadOnlyList<(HostPattern Hosts, string File)> ClientCertificates { get; init; } = [];

    /// <summary>Hosts relayed undecrypted.</summary>
    public IReadOnlyList<HostPattern> PassThrough { get; init; } = [];

    /// <summary>When not empty, only these are decrypted.</summary>
    public IReadOnlyList<HostPattern> InterceptOnly { get; init; } = [];

    /// <summary>Parent proxy, its credentials included.</summary>
    public UpstreamUrl? Upstream { get; init; }

    /// <summary>Hosts reached without the parent proxy.</summary>
    public IReadOnlyList<HostPattern> UpstreamBypass { get; init; } = [];

    /// <summary>Go directly when the parent proxy is down.</summary>
    public bool UpstreamFailOpen { get; init; }

    /// <summary><c>user:password</c> clients must present.</summary>
    public string? ProxyAuth { get; init; }

    /// <summary>Repair requests instead of refusing them.</summary>
    public bool LenientHttp { get; init; }

    /// <summary>Whether HTTP/2 is spoken, and to which clients.</summary>
    public Http2Use Http2 { get; init; }

    /// <summary>Servers without TLS spoken to in HTTP/2.</summary>
    public IReadOnlyList<HostPattern> Http2PriorKnowledge { get; init; } = [];

    /// <summary>Refuse WebSocket handshakes that break the rules.</summary>
    public bool StrictWebSocket { get; init; }

    /// <summary>Bounds.</summary>
    public EngineLimits Limits { get; init; } = EngineLimits.Default;

    /// <summary>Rules: files, one-liners, what they may use.</summary>
    public RuleOptions Rules { get; init; } = new();

    /// <summary>File for the ready line.</summary>
    public string? ReadyFile { get; init; }

    /// <summary>No banner, no flow lines.</summary>
    public bool Quiet { get; init; }
}
