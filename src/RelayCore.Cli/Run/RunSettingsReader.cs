using System.CommandLine;
using System.Globalization;
using System.Net;
using RelayCore.Cli.Arguments;
using RelayCore.Cli.Rules;
using RelayCore.Core.Limits;
using RelayCore.Engine;
using RelayCore.Engine.Policy;
using RelayCore.Rules.Documents;
using RelayCore.Runtime.Rules;

namespace RelayCore.Cli.Run;

/// <summary>
/// Turns the command line of <c>run</c> into <see cref="RunSettings"/>. Precedence: option, environment, default. Every problem is collected, so that
/// a user corrects the line once. Opens no file.
/// </summary>
internal sealed class RunSettingsReader(RunOptions options, ParseResult line, CliEnvironment environment)
{
    private readonly List<string> _problems = [];

    /// <summary>What is wrong, a sentence each; empty when the settings can be used.</summary>
    public IReadOnlyList<string> Problems => _problems;

    /// <summary>Reads everything.</summary>
    /// <exception cref="CliException">There is no folder for the data directory.</exception>
    public RunSettings Read()
    {
        var (caCertificate, caKey) = ReadCa();
        var token = ReadToken();
        return new()
        {
            Listen = ReadListen(),
            DataDirectory = DataDirectory.Resolve(line.GetValue(options.DataDir), environment),
            CaCertificate = caCertificate,
            CaKey = caKey,
            Api = ReadApi(token),
            IsApiPortChosen = (line.GetValue(options.ApiPort) ?? environment["RELAY_API_PORT"]) is not null,
            ApiToken = token,
            UpstreamCa = line.GetValue(options.UpstreamCa) ?? [],
            InsecureUpstream = line.GetValue(options.InsecureUpstream),
            ClientCertificates = ReadClientCertificates(),
            PassThrough = ReadHosts("--passthrough", line.GetValue(options.PassThrough)),
            InterceptOnly = ReadHosts("--intercept-only", line.GetValue(options.InterceptOnly)),
            Upstream = ReadUpstream(),
            UpstreamBypass = ReadHosts("--upstream-bypass", line.GetValue(options.UpstreamBypass)),
            UpstreamFailOpen = line.GetValue(options.UpstreamFailOpen),
            ProxyAuth = ReadProxyAuth(),
            LenientHttp = line.GetValue(options.LenientHttp),
            Http2 = ReadHttp2(),
            Http2PriorKnowledge = ReadHosts("--h2c", line.GetValue(options.H2c)),
            StrictWebSocket = line.GetValue(options.StrictWebSocket),
            Limits = ReadLimits(),
            Rules = ReadRules(),
            ReadyFile = line.GetValue(options.ReadyFile) is { } file ? Path.GetFullPath(file) : null,
            Quiet = line.GetValue(options.Quiet),
        };
    }

    private RuleOptions ReadRules()
    {
        var problems = new RuleProblems();
        var specs = options.Mitmproxy.Read(line, problems);
        _problems.AddRange(problems.Items.Where(x => x.Severity == ProblemSeverity.Error).Select(x => $"{x.Message}{(x.Suggestion is null ? "" : " " + x.Suggestion)}"));
        return RuleSettings.Read(line, options.RulesEnvAllow, options.RulesRoot) with
        {
            Files = [.. (line.GetValue(options.Rules) ?? []).Select(Path.GetFullPath)],
            Texts = specs is null || problems.HasErrors ? [] : [("command line", specs)],
        };
    }

    private Http2Use ReadHttp2()
    {
        switch (line.GetValue(options.Http2)?.ToLowerInvariant())
        {
            case null or "mirror":
                return Http2Use.Mirror;
            case "always":
                return Http2Use.Always;
            case "never":
                return Http2Use.Never;
            case var other:
                _problems.Add($"--http2: '{other}' is none of mirror, always, never.");
                return Http2Use.Mirror;
        }
    }

    private List<IPEndPoint> ReadListen()
    {
        var texts = line.GetValue(options.Listen) is { Length: > 0 } given ? given
            : environment["RELAY_PROXY_LISTEN"] is { } variable ? variable.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries)
            : ["127.0.0.1:8080"];
        var endPoints = new List<IPEndPoint>();
        foreach (var text in texts)
        {
            if (!ListenAddress.TryParse(text, out var endPoint, out var problem))
            {
                _problems.Add($"--listen: '{text}' {problem}.");
            }
            else if (endPoint.Port != 0 && endPoints.Contains(endPoint))
            {
                _problems.Add($"--listen: {endPoint} is given twice.");
            }
            else
            {
                endPoints.Add(endPoint);
            }
        }

        return endPoints;
    }

    private (string? Certificate, string? Key) ReadCa()
    {
        // A pair from one place: an option never completes a variable.
        var (certificate, key) = (line.GetValue(options.CaCert), line.GetValue(options.CaKey));
        var (first, second) = ("--ca-cert", "--ca-key");
        if (certificate is null && key is null)
        {
            (certificate, key) = (environment["RELAY_CA_CERT"], environment["RELAY_CA_KEY"]);
            (first, second) = ("RELAY_CA_CERT", "RELAY_CA_KEY");
        }

        if ((certificate is null) != (key is null))
        {
            _problems.Add($"{(certificate is null ? second : first)} is given without {(certificate is null ? first : second)}; a CA needs both its certificate and its key.");
            return (null, null);
        }

        return (certificate, key);
    }

    private string? ReadToken()
    {
        if ((line.GetValue(options.ApiToken) ?? environment["RELAY_API_TOKEN"]) is not { } token)
        {
            return null;
        }

        // It travels in a header and in a cookie (RFC 6265 §4.1.1 cookie-octet).
        if (token.AsSpan().ContainsAnyExceptInRange('!', '~') || token.AsSpan().ContainsAny("\",;\\"))
        {
            _problems.Add("--api-token: a token has only visible ASCII characters, without quotes, comma, semicolon and backslash.");
        }

        return token;
    }

    private IPEndPoint? ReadApi(string? token)
    {
        var portText = line.GetValue(options.ApiPort) ?? environment["RELAY_API_PORT"];
        var bindText = line.GetValue(options.ApiBind);
        if (line.GetValue(options.NoApi))
        {
            if (line.GetValue(options.ApiPort) is not null || bindText is not null || line.GetValue(options.ApiToken) is not null)
            {
                _problems.Add("--no-api is given together with other options of the API; leave one of them out.");
            }

            return null;
        }

        var port = RunSettings.DefaultApiPort;
        if (portText is not null && (!int.TryParse(portText, NumberStyles.None, CultureInfo.InvariantCulture, out port) || port > 65535))
        {
            _problems.Add($"--api-port: '{portText}' is not a port; a port is 0 to 65535.");
        }

        var address = IPAddress.Loopback;
        if (bindText is not null)
        {
            if (!ListenAddress.TryParseHost(bindText, out var parsed))
            {
                _problems.Add($"--api-bind: '{bindText}' is not an IP address.");
            }
            else if (!IPAddress.IsLoopback(parsed) && token is null)
            {
                _problems.Add($"--api-bind: {parsed} lets other machines read decrypted traffic; give them a token with --api-token.");
            }
            else
            {
                address = parsed;
            }
        }

        return new(address, Math.Min(port, 65535));
    }

    private List<(HostPattern Hosts, string File)> ReadClientCertificates()
    {
        var certificates = new List<(HostPattern, string)>();
        foreach (var text in line.GetValue(options.ClientCert) ?? [])
        {
            var equals = text.IndexOf('=', StringComparison.Ordinal);
            if (equals < 1 || equals == text.Length - 1)
            {
                _problems.Add($"--client-cert: '{text}' is not HOSTGLOB=FILE, such as *.example.com=client.pfx.");
            }
            else if (!HostPattern.TryParse(text[..equals], out var hosts, out var problem))
            {
                _problems.Add($"--client-cert: {problem}");
            }
            else
            {
                certificates.Add((hosts, text[(equals + 1)..]));
            }
        }

        return certificates;
    }

    private List<HostPattern> ReadHosts(string option, string[]? texts)
    {
        var hosts = new List<HostPattern>();
        foreach (var text in (texts ?? []).SelectMany(x => x.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries)))
        {
            if (HostPattern.TryParse(text, out var pattern, out var problem))
            {
                hosts.Add(pattern);
            }
            else
            {
                _problems.Add($"{option}: {problem}");
            }
        }

        return hosts;
    }

    private UpstreamUrl? ReadUpstream()
    {
        var user = line.GetValue(options.UpstreamAuthUser);
        if (line.GetValue(options.Upstream) is not { } text)
        {
            foreach (var (given, option) in ((bool, string)[])
                [
                    (user is not null, "--upstream-auth-user"), (line.GetValue(options.UpstreamBypass) is { Length: > 0 }, "--upstream-bypass"),
                    (line.GetValue(options.UpstreamFailOpen), "--upstream-fail-open"),
                ])
            {
                if (given)
                {
                    _problems.Add($"{option} is given without --upstream; there is no parent proxy to apply it to.");
                }
            }

            return null;
        }

        if (!UpstreamUrl.TryParse(text, out var upstream, out var problem))
        {
            _problems.Add($"--upstream: '{WithoutUserInfo(text)}' {problem}.");
            return null;
        }

        if (user is null)
        {
            return upstream;
        }

        if (upstream.Credentials is not null)
        {
            _problems.Add("--upstream-auth-user is given, but the URL of --upstream has credentials too; leave one of them out.");
        }
        else if (user.Contains(':', StringComparison.Ordinal))
        {
            _problems.Add("--upstream-auth-user: a user name has no colon; the password goes into RELAYCORE_UPSTREAM_PASSWORD.");
        }
        else if (environment["RELAYCORE_UPSTREAM_PASSWORD"] is not { } password)
        {
            _problems.Add("--upstream-auth-user is given, but RELAYCORE_UPSTREAM_PASSWORD is not set; put the password there.");
        }
        else
        {
            return upstream with { Credentials = $"{user}:{password}" };
        }

        return upstream;
    }

    private string? ReadProxyAuth()
    {
        var text = line.GetValue(options.ProxyAuth);
        if (text is not null && text.IndexOf(':', StringComparison.Ordinal) < 1)
        {
            _problems.Add("--proxy-auth is not USER:PASSWORD.");
        }

        return text;
    }

    private EngineLimits ReadLimits()
    {
        var limits = EngineLimits.Default;
        limits = limits with
        {
            MaxClientConnections = ReadCount("--max-connections", line.GetValue(options.MaxConnections), limits.MaxClientConnections),
            MaxConnectionsPerClient = ReadCount("--max-connections-per-client", line.GetValue(options.MaxConnectionsPerClient), limits.MaxConnectionsPerClient),
            MaxServerConnectionsPerOrigin = ReadCount("--max-server-connections", line.GetValue(options.MaxServerConnections), limits.MaxServerConnectionsPerOrigin),
            MaxBodyCapture = ReadSize("--max-body-capture", line.GetValue(options.MaxBodyCapture), limits.MaxBodyCapture, 0, long.MaxValue),
            CaptureMemory = ReadSize("--capture-memory", line.GetValue(options.CaptureMemory), limits.CaptureMemory, 4L << 20, long.MaxValue),
        };
        if (line.GetValue(options.MaxHead) is { } head)
        {
            // A line cannot be longer than the head it is in, so the one option moves both.
            var octets = (int)ReadSize("--max-head", head, limits.Http1.MaxHeadOctets, 1024, 16 << 20);
            limits = limits with { Http1 = limits.Http1 with { MaxHeadOctets = octets, MaxLineOctets = octets } };
        }

        foreach (var text in line.GetValue(options.Timeout) ?? [])
        {
            limits = ReadTimeout(text, limits);
        }

        return limits;
    }

    private EngineLimits ReadTimeout(string text, EngineLimits limits)
    {
        var equals = text.IndexOf('=', StringComparison.Ordinal);
        if (equals < 1)
        {
            _problems.Add($"--timeout: '{text}' is not NAME=DURATION, such as idle=2m.");
            return limits;
        }

        var (name, value) = (text[..equals].ToLowerInvariant(), text[(equals + 1)..]);
        if (!DurationText.TryParse(value, out var duration, out var problem))
        {
            _problems.Add($"--timeout {name}: '{value}' {problem}.");
            return limits;
        }

        switch (name)
        {
            case "idle":
                return limits with { IdleTimeout = duration };
            case "head":
                return limits with { HeadTimeout = duration };
            case "body":
                return limits with { BodyTimeout = duration };
            case "connect":
                return limits with { ConnectTimeout = duration };
            case "handshake":
                return limits with { HandshakeTimeout = duration };
            case "first-byte":
                return limits with { FirstByteTimeout = duration };
            case "total":
                return limits with { TotalTimeout = duration };
            case "tunnel":
                return limits with { TunnelIdleTimeout = duration };
            case "websocket":
                return limits with { WebSocketIdleTimeout = duration };
            case "pool":
                return limits with { PoolIdleTimeout = duration };
            default:
                _problems.Add($"--timeout: there is no time-out '{name}'; there are idle, head, body, connect, handshake, first-byte, total, tunnel, websocket and pool.");
                return limits;
        }
    }

    private int ReadCount(string option, string? text, int otherwise)
    {
        if (text is null)
        {
            return otherwise;
        }

        if (!int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var count) || count < 1)
        {
            _problems.Add($"{option}: '{text}' is not a number of 1 or more.");
            return otherwise;
        }

        return count;
    }

    private long ReadSize(string option, string? text, long otherwise, long smallest, long largest)
    {
        if (text is null)
        {
            return otherwise;
        }

        if (!SizeText.TryParse(text, out var octets, out var problem))
        {
            _problems.Add($"{option}: '{text}' {problem}.");
            return otherwise;
        }

        if (octets < smallest || octets > largest)
        {
            _problems.Add(octets < smallest
                ? $"{option}: '{text}' is too small; the smallest value is {SizeText.Format(smallest)}."
                : $"{option}: '{text}' is too large; the largest value is {SizeText.Format(largest)}.");
            return otherwise;
        }

        return octets;
    }

    // A mistyped URL may still hold a password, and messages end in logs.
    private static string WithoutUserInfo(string url)
    {
        var at = url.LastIndexOf('@');
        var start = url.IndexOf("://", StringComparison.Ordinal) is >= 0 and var scheme ? scheme + 3 : 0;
        return at < start ? url : url[..start] + "…@" + url[(at + 1)..];
    }
}
