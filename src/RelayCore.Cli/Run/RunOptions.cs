using System.CommandLine;
using RelayCore.Cli.Rules;

namespace RelayCore.Cli.Run;

/// <summary>The options of <c>run</c> as the command line sees them. Values stay text here; <see cref="RunSettingsReader"/> judges them.</summary>
internal sealed class RunOptions
{
    public Option<string[]> Listen { get; } = new("--listen", "-l")
    {
        Description = "Address to listen on; repeatable; port 0 takes a free one (RELAY_PROXY_LISTEN) [default: 127.0.0.1:8080]",
        HelpName = "ADDR",
    };

    public Option<string?> CaCert { get; } = new("--ca-cert") { Description = "Your own CA certificate, PEM; needs --ca-key (RELAY_CA_CERT)", HelpName = "FILE" };

    public Option<string?> CaKey { get; } = new("--ca-key") { Description = "Key of --ca-cert, PEM, not encrypted (RELAY_CA_KEY)", HelpName = "FILE" };

    public Option<string?> DataDir { get; } = DataDirOption();

    public Option<string?> ApiPort { get; } = new("--api-port")
    {
        Description = "Port of the control API; 0 takes a free one (RELAY_API_PORT) [default: 8082, or a free one when it is taken]",
        HelpName = "PORT",
    };

    public Option<string?> ApiBind { get; } = new("--api-bind")
    {
        Description = "Address of the control API; other than loopback only with --api-token [default: 127.0.0.1]",
        HelpName = "ADDR",
    };

    public Option<string?> ApiToken { get; } = new("--api-token") { Description = "Bearer token of the API (RELAY_API_TOKEN) [default: random]", HelpName = "TOKEN" };

    public Option<bool> NoApi { get; } = new("--no-api") { Description = "No control API" };

    public Option<string[]> UpstreamCa { get; } = new("--upstream-ca")
    {
        Description = "PEM file of roots trusted for servers beside the system's; repeatable",
        HelpName = "FILE",
    };

    public Option<bool> InsecureUpstream { get; } = new("--insecure-upstream") { Description = "Do not verify the certificates of servers (dangerous)" };

    public Option<string[]> ClientCert { get; } = new("--client-cert")
    {
        Description = "Certificate to present to matching servers that ask for one, PFX or PEM with key; repeatable",
        HelpName = "HOSTGLOB=FILE",
    };

    public Option<string[]> PassThrough { get; } = new("--passthrough")
    {
        Description = "Hosts to relay without decrypting; repeatable",
        HelpName = "HOSTGLOB",
        AllowMultipleArgumentsPerToken = true,
    };

    public Option<string[]> InterceptOnly { get; } = new("--intercept-only")
    {
        Description = "Decrypt only these hosts; repeatable",
        HelpName = "HOSTGLOB",
        AllowMultipleArgumentsPerToken = true,
    };

    public Option<string?> Upstream { get; } = new("--upstream")
    {
        Description = "Parent proxy, http://[user:password@]host:port or https://…",
        HelpName = "URL",
    };

    public Option<string?> UpstreamAuthUser { get; } = new("--upstream-auth-user")
    {
        Description = "User for the parent proxy; the password comes from RELAYCORE_UPSTREAM_PASSWORD",
        HelpName = "USER",
    };

    public Option<string[]> UpstreamBypass { get; } = new("--upstream-bypass")
    {
        Description = "Hosts and networks reached without the parent proxy, e.g. *.corp.example or 10.0.0.0/8; repeatable, commas allowed",
        HelpName = "HOSTGLOB",
        AllowMultipleArgumentsPerToken = true,
    };

    public Option<bool> UpstreamFailOpen { get; } = new("--upstream-fail-open") { Description = "Go directly when the parent proxy cannot be reached" };

    public Option<string?> ProxyAuth { get; } = new("--proxy-auth") { Description = "Credentials clients must present (407, Basic)", HelpName = "USER:PASSWORD" };

    public Option<bool> LenientHttp { get; } = new("--lenient-http") { Description = "Repair malformed requests that have one meaning instead of refusing them" };

    public Option<string?> Http2 { get; } = new("--http2")
    {
        Description = "HTTP/2 towards clients: mirror (what their server speaks), always (if they offer it; translated) or never [default: mirror]",
        HelpName = "USE",
    };

    public Option<string[]> H2c { get; } = new("--h2c")
    {
        Description = "Servers without TLS that speak HTTP/2 without being asked (prior knowledge); repeatable, commas allowed",
        HelpName = "HOSTGLOB",
        AllowMultipleArgumentsPerToken = true,
    };

    public Option<bool> StrictWebSocket { get; } = new("--strict-websocket") { Description = "Refuse WebSocket handshakes that break RFC 6455" };

    public Option<string[]> Timeout { get; } = new("--timeout")
    {
        Description = "A time-out: idle, head, body, connect, handshake, first-byte, total, tunnel, websocket or pool, as 500ms, 30s, 5m or never; repeatable",
        HelpName = "NAME=DURATION",
    };

    public Option<string?> MaxConnections { get; } = new("--max-connections") { Description = "Client connections in all [default: 20000]", HelpName = "N" };

    public Option<string?> MaxConnectionsPerClient { get; } = new("--max-connections-per-client")
    {
        Description = "Client connections from one address [default: 12000]",
        HelpName = "N",
    };

    public Option<string?> MaxServerConnections { get; } = new("--max-server-connections") { Description = "Connections to one origin [default: 512]", HelpName = "N" };

    public Option<string?> MaxHead { get; } = new("--max-head") { Description = "Largest message head [default: 256k]", HelpName = "SIZE" };

    public Option<string?> MaxBodyCapture { get; } = new("--max-body-capture")
    {
        Description = "Octets of each body that are kept; the rest flows uncaptured and marked [default: 10m]",
        HelpName = "SIZE",
    };

    public Option<string?> CaptureMemory { get; } = new("--capture-memory")
    {
        Description = "Memory for captured traffic, at least 4m; the oldest flows go first [default: 256m]",
        HelpName = "SIZE",
    };

    public Option<string[]> Rules { get; } = new("--rules")
    {
        Description = "Rule file, JSON or YAML; watched, a new version takes effect at once; repeatable",
        HelpName = "FILE",
    };

    public Option<string[]> RulesEnvAllow { get; } = RuleSettings.EnvironmentOption();

    public Option<string?> RulesRoot { get; } = RuleSettings.RootOption();

    public MitmproxyArguments Mitmproxy { get; } = new();

    public Option<string?> ReadyFile { get; } = new("--ready-file")
    {
        Description = "File to write the ready line to, once every listener is bound; removed on exit",
        HelpName = "PATH",
    };

    public Option<bool> Quiet { get; } = new("--quiet", "-q") { Description = "No banner and no flow lines" };

    public IEnumerable<Option> All =>
    [
        Listen, CaCert, CaKey, DataDir, ApiPort, ApiBind, ApiToken, NoApi, UpstreamCa, InsecureUpstream, ClientCert, PassThrough, InterceptOnly,
        Upstream, UpstreamAuthUser, UpstreamBypass, UpstreamFailOpen, ProxyAuth, LenientHttp, Http2, H2c, StrictWebSocket, Timeout, MaxConnections, MaxConnectionsPerClient,
        MaxServerConnections, MaxHead, MaxBodyCapture, CaptureMemory, Rules, RulesEnvAllow, RulesRoot, .. Mitmproxy.All, ReadyFile, Quiet,
    ];

    /// <summary>The option every command with files has.</summary>
    public static Option<string?> DataDirOption() => new("--data-dir")
    {
        Description = "Folder of CA, manifest and data (RELAY_DATA_DIR) [default: ~/.relay-core]",
        HelpName = "DIR",
    };
}
