using System.Diagnostics;
using System.Net;
using System.Text.Json;
using RelayCore.Load.Load;

namespace RelayCore.Load.Compare;

/// <summary>What a workload needs of the proxy it is about to measure.</summary>
/// <param name="Tls">Clients speak TLS, and so does the origin.</param>
/// <param name="Http2">Clients choose HTTP/2 by ALPN, and so may the proxy towards the origin.</param>
/// <param name="OriginPort">Where the origin listens; only reverse proxies are told.</param>
/// <param name="LargeBodies">Bodies are too large to hold in memory.</param>
/// <param name="KeepFlows">What was captured is to stay in memory.</param>
/// <param name="Rules">What is done to each exchange.</param>
internal sealed record PeerSetup(bool Tls, bool Http2, int OriginPort, bool LargeBodies, bool KeepFlows, RuleLoad Rules);

/// <summary>A proxy that runs: where it listens, how to go through it and whom to trust.</summary>
internal sealed record RunningPeer(ChildProcess Process, Route PlainRoute, int Port, string? ClientCa) : IAsyncDisposable
{
    public IPEndPoint EndPoint => new(IPAddress.Loopback, Port);

    public Route RouteFor(bool tls) => tls && PlainRoute == Route.Forward ? Route.Connect : PlainRoute;

    public ValueTask DisposeAsync() => Process.DisposeAsync();
}

/// <summary>One of the proxies compared.</summary>
internal abstract class Peer(string name)
{
    private static int s_starts;

    public string Name { get; } = name;

    /// <summary>Whether the workload is one for this peer.</summary>
    public virtual bool TakesPartIn(Workload workload) => true;

    /// <summary>The first line of what the program says when asked for its version.</summary>
    public abstract Task<string> VersionAsync(CancellationToken cancellationToken);

    /// <summary>Starts the program and returns at once; <see cref="WaitUntilReadyAsync"/> tells when it serves.</summary>
    public abstract RunningPeer Launch(Testbed bed, PeerSetup setup);

    public virtual Task<RunningPeer> WaitUntilReadyAsync(RunningPeer running, CancellationToken cancellationToken) =>
        WaitUntilListeningAsync(running, cancellationToken);

    public async Task<RunningPeer> StartAsync(Testbed bed, PeerSetup setup, CancellationToken cancellationToken)
    {
        var running = Launch(bed, setup);
        try
        {
            return await WaitUntilReadyAsync(running, cancellationToken);
        }
        catch (BenchmarkException error)
        {
            await running.DisposeAsync();
            throw new BenchmarkException($"{Name} did not start: {error.Message}");
        }
        catch
        {
            await running.DisposeAsync();
            throw;
        }
    }

    /// <summary>A new folder for each start: no peer finds what an earlier run left.</summary>
    protected string NewFolder(Testbed bed) =>
        Directory.CreateDirectory(Path.Combine(bed.Directory, $"{Name}-{Interlocked.Increment(ref s_starts)}")).FullName;

    protected static async Task<string> FirstLineAsync(string program, string argument, CancellationToken cancellationToken)
    {
        using var process = Process.Start(new ProcessStartInfo("/bin/sh", ["-c", "\"$0\" \"$1\" 2>&1 </dev/null", program, argument]) { RedirectStandardOutput = true })!;
        var line = await process.StandardOutput.ReadLineAsync(cancellationToken);
        await process.StandardOutput.ReadToEndAsync(cancellationToken);
        return line ?? $"{program}: version unknown";
    }

    private static async Task<RunningPeer> WaitUntilListeningAsync(RunningPeer running, CancellationToken cancellationToken)
    {
        await Testbed.WaitUntilListeningAsync(running.Process, running.Port, cancellationToken);
        return running;
    }
}

/// <summary>RelayCore, by a command line with the places <c>{port}</c>, <c>{dir}</c>, <c>{ca}</c> and <c>{ready}</c>.</summary>
/// <param name="command">The command line.</param>
/// <param name="hasRules">Whether it is given the rules of the workload; the one without takes part only where there are rules, to compare with.</param>
internal sealed class RelayPeer(string command, bool hasRules = true) : Peer(hasRules ? "relay" : PlainName)
{
    public const string PlainName = "relay-plain";
    public const string DefaultCommand =
        "./relay run -l 127.0.0.1:{port} --api-port 0 --data-dir {dir} --upstream-ca {ca} --ready-file {ready} --quiet";

    private static readonly TimeSpan s_timeToBuildAndStart = TimeSpan.FromMinutes(5);

    /// <summary>Whether the first word of the command can be run.</summary>
    public bool IsPresent(string projectRoot)
    {
        var program = Program;
        return program.Contains('/', StringComparison.Ordinal)
            ? File.Exists(Path.Combine(projectRoot, program))
            : (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':').Any(folder => File.Exists(Path.Combine(folder, program)));
    }

    public string Program => command.TrimStart().Split(' ', 2)[0];

    public override bool TakesPartIn(Workload workload) => hasRules || workload.Rules != RuleLoad.None;

    public override Task<string> VersionAsync(CancellationToken cancellationToken) => Task.FromResult($"{Name}: `{command}`");

    public override RunningPeer Launch(Testbed bed, PeerSetup setup)
    {
        var (folder, port) = (NewFolder(bed), Testbed.FreePort());
        var line = command
            .Replace("{port}", port.ToString(System.Globalization.CultureInfo.InvariantCulture), StringComparison.Ordinal)
            .Replace("{dir}", Path.Combine(folder, "data"), StringComparison.Ordinal)
            .Replace("{ca}", bed.Certificates.Ca, StringComparison.Ordinal)
            .Replace("{ready}", Path.Combine(folder, "ready.json"), StringComparison.Ordinal);
        if (hasRules && setup.Rules != RuleLoad.None)
        {
            var rules = Path.Combine(folder, "rules.json");
            File.WriteAllText(rules, Rules(setup.Rules));
            line += $" --rules {rules}";
        }

        var process = ChildProcess.Start(bed, Path.GetFileName(folder), ["/bin/sh", "-c", $"exec {line}"]);
        return new(process, Route.Forward, port, Path.Combine(folder, "data", "ca_cert.pem"));
    }

    public override async Task<RunningPeer> WaitUntilReadyAsync(RunningPeer running, CancellationToken cancellationToken)
    {
        var file = Path.Combine(Path.GetDirectoryName(Path.GetDirectoryName(running.ClientCa!))!, "ready.json");
        var started = Stopwatch.GetTimestamp();
        while (true)
        {
            if (File.Exists(file) && TryParse(await File.ReadAllTextAsync(file, cancellationToken)) is { } pid)
            {
                // CPU and memory are read by this id: a launcher that stays as a parent would still be counted, one that detaches would not.
                return pid == running.Process.Id ? running : throw new BenchmarkException($"its ready file names process {pid}, but process {running.Process.Id} was started.");
            }

            if (running.Process.HasEnded || Stopwatch.GetElapsedTime(started) > s_timeToBuildAndStart)
            {
                throw new BenchmarkException($"no ready file; {running.Process.LastWords()}");
            }

            await Task.Delay(5, cancellationToken);
        }
    }

    private static string Rules(RuleLoad load) => load == RuleLoad.HeaderEachWay
        ? """
          [{"stage":"RequestHeaders","filter":{"type":"All"},"actions":[{"type":"AddRequestHeader","config":{"name":"X-Bench","value":"1"}}]},
           {"stage":"ResponseHeaders","filter":{"type":"All"},"actions":[{"type":"AddResponseHeader","config":{"name":"X-Bench","value":"1"}}]}]
          """
        : "[" + string.Join(',', Enumerable.Range(0, 1000).Select(i => $$$"""
            {"id":"h{{{i}}}","stage":"RequestHeaders","filter":{"type":"Host","config":"h{{{i}}}.example.com"},"actions":[{"type":"AddRequestHeader","config":{"name":"X-Bench","value":"1"}}]}
            """)) + "]";

    private static int? TryParse(string ready)
    {
        try
        {
            using var json = JsonDocument.Parse(ready);
            return json.RootElement.GetProperty("pid").GetInt32();
        }
        catch (JsonException)
        {
            return null; // still being written
        }
    }
}

/// <summary>mitmproxy without a console. Bodies above 1 MB are streamed where its default would not end; flows are kept by its own view.</summary>
internal sealed class MitmdumpPeer() : Peer("mitmdump")
{
    public override bool TakesPartIn(Workload workload) => workload.Rules != RuleLoad.ThousandHosts;

    public override Task<string> VersionAsync(CancellationToken cancellationToken) => FirstLineAsync("mitmdump", "--version", cancellationToken);

    public override RunningPeer Launch(Testbed bed, PeerSetup setup)
    {
        var (folder, port) = (NewFolder(bed), Testbed.FreePort());
        List<string> command =
        [
            "mitmdump", "-q", "--listen-host", "127.0.0.1", "-p", $"{port}",
            "--set", $"confdir={folder}", "--set", $"ssl_verify_upstream_trusted_ca={bed.Certificates.Ca}",
        ];
        if (setup.LargeBodies)
        {
            command.AddRange(["--set", "stream_large_bodies=1m"]);
        }

        if (setup.KeepFlows)
        {
            var script = Path.Combine(folder, "keep.py");
            File.WriteAllText(script, "from mitmproxy.addons.view import View\n\naddons = [View()]\n");
            command.AddRange(["-s", script]);
        }

        if (setup.Rules == RuleLoad.HeaderEachWay)
        {
            var script = Path.Combine(folder, "header.py");
            File.WriteAllText(script, "def request(flow):\n    flow.request.headers.add('X-Bench', '1')\n\n\ndef response(flow):\n    flow.response.headers.add('X-Bench', '1')\n");
            command.AddRange(["-s", script]);
        }

        return new(ChildProcess.Start(bed, Path.GetFileName(folder), command), Route.Forward, port, Path.Combine(folder, "mitmproxy-ca-cert.pem"));
    }
}

/// <summary>haproxy as a reverse proxy with pooled upstream connections; for TLS it decrypts with one fixed certificate and encrypts again.</summary>
internal sealed class HaproxyPeer() : Peer("haproxy")
{
    public override bool TakesPartIn(Workload workload) => workload.Rules != RuleLoad.ThousandHosts;

    public override Task<string> VersionAsync(CancellationToken cancellationToken) => FirstLineAsync("haproxy", "-v", cancellationToken);

    public override RunningPeer Launch(Testbed bed, PeerSetup setup)
    {
        var (folder, port) = (NewFolder(bed), Testbed.FreePort());
        var certificates = bed.Certificates;
        var configuration = Path.Combine(folder, "haproxy.cfg");
        var alpn = setup.Http2 ? " alpn h2,http/1.1" : "";
        File.WriteAllText(
            configuration,
            $"""
            global
              nbthread 2
              maxconn 12000
              no strict-limits
            defaults
              mode http
              http-reuse always
              timeout connect 10s
              timeout client 1h
              timeout server 1h
              timeout http-keep-alive 1h
              timeout tunnel 1h
            frontend clients
              bind 127.0.0.1:{port}{(setup.Tls ? $" ssl crt {certificates.Bundle}{alpn}" : "")}
              {(setup.Rules == RuleLoad.HeaderEachWay ? "http-request add-header X-Bench 1" : "")}
              {(setup.Rules == RuleLoad.HeaderEachWay ? "http-response add-header X-Bench 1" : "")}
              default_backend origin
            backend origin
              server origin 127.0.0.1:{setup.OriginPort}{(setup.Tls ? $" ssl verify required ca-file {certificates.Ca}{alpn}" : "")}

            """);
        return new(ChildProcess.Start(bed, Path.GetFileName(folder), ["haproxy", "-db", "-f", configuration]), Route.Straight, port, certificates.Ca);
    }
}

/// <summary>nginx as a reverse proxy for HTTP/2, which it speaks with clients only; upstream it keeps HTTP/1.1 connections.</summary>
internal sealed class NginxPeer() : Peer("nginx")
{
    public override bool TakesPartIn(Workload workload) => workload is { Kind: WorkloadKind.Load, Protocol: LoadProtocol.Http2, Tls: true };

    public override Task<string> VersionAsync(CancellationToken cancellationToken) => FirstLineAsync("nginx", "-v", cancellationToken);

    public override RunningPeer Launch(Testbed bed, PeerSetup setup)
    {
        var (folder, port) = (NewFolder(bed), Testbed.FreePort());
        var certificates = bed.Certificates;
        var configuration = Path.Combine(folder, "nginx.conf");
        File.WriteAllText(
            configuration,
            $$"""
            {{(Environment.UserName == "root" ? "user root;" : "")}}
            daemon off;
            worker_processes 2;
            pid {{folder}}/nginx.pid;
            error_log {{folder}}/nginx-error.log;
            events { worker_connections 4096; }
            http {
              access_log off;
              tcp_nodelay on;
              keepalive_requests 1000000000;
              keepalive_timeout 3600s;
              client_body_temp_path {{folder}}/body;
              proxy_temp_path {{folder}}/proxy;
              fastcgi_temp_path {{folder}}/fastcgi;
              uwsgi_temp_path {{folder}}/uwsgi;
              scgi_temp_path {{folder}}/scgi;
              upstream origin {
                server 127.0.0.1:{{setup.OriginPort}};
                keepalive 256;
                keepalive_requests 1000000000;
              }
              server {
                listen 127.0.0.1:{{port}} ssl http2;
                ssl_certificate {{certificates.Leaf}};
                ssl_certificate_key {{certificates.Key}};
                ssl_protocols TLSv1.3;
                location / {
                  proxy_pass https://origin;
                  proxy_http_version 1.1;
                  proxy_set_header Connection "";
                  proxy_ssl_protocols TLSv1.3;
                  proxy_ssl_verify on;
                  proxy_ssl_trusted_certificate {{certificates.Ca}};
                  proxy_ssl_name localhost;
                }
              }
            }
            """);
        return new(
            ChildProcess.Start(bed, Path.GetFileName(folder), ["nginx", "-c", configuration, "-e", $"{folder}/nginx-error.log"]),
            Route.Straight, port, certificates.Ca);
    }
}
