using System.Globalization;
using System.Net;
using System.Security.Cryptography;
using RelayCore.Api;
using RelayCore.Cli.Discovery;
using RelayCore.Cli.Rules;
using RelayCore.Engine;
using RelayCore.Engine.Certificates;
using RelayCore.Runtime;
using RelayCore.Runtime.Rules;

namespace RelayCore.Cli.Run;

/// <summary>One life of the proxy as a process: start, announce, wait for a signal, drain, leave nothing behind.</summary>
internal sealed class ProxyProcess(RunSettings settings, CliEnvironment environment)
{
    /// <summary>All of it, API included, is gone this long after the first signal.</summary>
    private static readonly TimeSpan s_stopWithin = TimeSpan.FromSeconds(1.8);

    /// <summary>What running exchanges get of that to finish.</summary>
    private static readonly TimeSpan s_grace = TimeSpan.FromSeconds(1.4);

    /// <summary>Defects told on standard error; a broken peer that hits one again and again must not fill a log.</summary>
    private const int MaxDefectsTold = 10;

    private Manifest? _manifest;
    private int _defects;

    /// <summary>Runs until a signal.</summary>
    /// <returns>The exit code.</returns>
    /// <exception cref="CliException">It could not start, or failed.</exception>
    public async Task<int> RunAsync()
    {
        using var signals = new StopSignals(code =>
        {
            RemoveTraces();
            Environment.Exit(code);
        });
        DataDirectory.Prepare(settings.DataDirectory);
        RemoveReadyFile(); // of an earlier life: whoever waits for the file must not find that one
        var options = HostOptions();
        await using var api = BindApi();
        if (api is not null)
        {
            options = options with { Engine = options.Engine with { CaptureExclude = ControlAuthorities(api.EndPoint) } };
        }

        await using var host = await StartHostAsync(options);
        try
        {
            api?.Start(host);
            Announce(host, api);
            var lines = settings.Quiet || !environment.IsTerminal ? null : FlowLines.Start(host, environment);
            if (api is null || await Task.WhenAny(signals.Asked, api.Completion) == signals.Asked)
            {
                await signals.Asked;
            }
            else
            {
                await api.Completion;
                throw new CliException("The control API has ended by itself.");
            }

            await StopAsync(host, api, lines);
            return ExitCode.Success;
        }
        finally
        {
            RemoveTraces();
        }
    }

    private RelayCoreOptions HostOptions() => new()
    {
        DataDirectory = settings.DataDirectory,
        CaCertificateFile = settings.CaCertificate,
        CaKeyFile = settings.CaKey,
        Time = environment.Time,
        Rules = settings.Rules with { OnChange = TellRules },
        OnInternalFailure = e => environment.Error.WriteLine($"relay: a connection ended by a defect of the proxy, please report it: {e.GetType().Name}: {e.Message}"),
        OnIoThreadStuck = stuck => environment.Error.WriteLine(
            string.Create(CultureInfo.InvariantCulture, $"relay: an I/O thread is stuck for {stuck.TotalMilliseconds:F0} ms; something blocks or computes there")),
        Engine = new()
        {
            Listen = settings.Listen,
            Limits = settings.Limits,
            LenientHttp = settings.LenientHttp,
            Http2 = settings.Http2,
            Http2PriorKnowledge = settings.Http2PriorKnowledge,
            StrictWebSocket = settings.StrictWebSocket,
            PassThrough = settings.PassThrough,
            InterceptOnly = settings.InterceptOnly,
            UpstreamRoots = settings.UpstreamCa.Count == 0 ? [] : UpstreamFiles.ReadRoots(settings.UpstreamCa),
            InsecureUpstream = settings.InsecureUpstream,
            ClientCertificates = UpstreamFiles.ReadClientCertificates(settings.ClientCertificates),
            UpstreamProxy = settings.Upstream is { } url
                ? new(url.IsSecure, url.Host, url.Port, url.Credentials, settings.UpstreamBypass, settings.UpstreamFailOpen)
                : null,
            ProxyCredentials = settings.ProxyAuth,
        },
    };

    private ApiServer? BindApi()
    {
        if (settings.Api is not { } endPoint)
        {
            return null;
        }

        var options = new ApiOptions
        {
            Listen = endPoint,
            Token = settings.ApiToken ?? Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(32)),
            EngineVersion = ProductVersion.Text,
            OnInternalFailure = TellDefect,
        };
        try
        {
            return ApiServer.Bind(options);
        }
        catch (ListenException error) when (error.IsInUse && !settings.IsApiPortChosen)
        {
            // Nobody asked for this port: a second proxy takes another one and says which.
            var api = ApiServer.Bind(options with { Listen = new(endPoint.Address, 0) });
            environment.Error.WriteLine($"note: port {endPoint.Port} is in use{By(endPoint)}; the API is on port {api.EndPoint.Port}.");
            return api;
        }
        catch (ListenException error)
        {
            throw Refusal(error, "--api-port");
        }
    }

    private async Task<RelayCoreHost> StartHostAsync(RelayCoreOptions options)
    {
        try
        {
            return await RelayCoreHost.StartAsync(options);
        }
        catch (ListenException error)
        {
            throw Refusal(error, "--listen");
        }
        catch (CertificateFileException error)
        {
            throw new CliException(error.Message, inner: error);
        }
        catch (RuleLoadException error)
        {
            // The problems were told already, each with its place.
            throw new CliException($"The rules cannot be used: {ProblemText.Count(error.Problems)}; nothing is started.", ExitCode.Usage, error);
        }
    }

    private static CliException Refusal(ListenException error, string option)
    {
        var reason = error.InnerException is System.Net.Sockets.SocketException socket
            ? socket.SocketErrorCode switch
            {
                System.Net.Sockets.SocketError.AddressAlreadyInUse => $"Port {error.EndPoint.Port} of {error.EndPoint.Address} is in use{By(error.EndPoint)}",
                System.Net.Sockets.SocketError.AddressNotAvailable => $"{error.EndPoint.Address} is not an address of this machine",
                System.Net.Sockets.SocketError.AccessDenied => $"Port {error.EndPoint.Port} of {error.EndPoint.Address} may only be used by root",
                _ => $"{error.EndPoint} cannot be bound: {socket.Message}",
            }
            : $"{error.EndPoint} cannot be bound";
        return new($"{reason}; choose another with {option}.", inner: error);
    }

    private static string By(IPEndPoint endPoint) => PortHolder.Find(endPoint) is { } holder ? $" by {holder}" : "";

    private void Announce(RelayCoreHost host, ApiServer? api)
    {
        var other = Manifest.TryFind(settings.DataDirectory, out var found, out _) ? found : null;
        _manifest = new()
        {
            Pid = Environment.ProcessId,
            PidStartTicks = ProcessIdentity.StartTicks(Environment.ProcessId),
            EngineVersion = ProductVersion.Text,
            ApiPort = api?.EndPoint.Port ?? 0,
            ApiUrl = api?.Url,
            ProxyPort = host.EndPoints.Count > 0 ? host.EndPoints[0].Port : null,
            Proxy = [.. host.EndPoints.Select(x => x.ToString())],
            Token = api?.Token,
            StartedAtMilliseconds = host.StartedAt.ToUnixTimeMilliseconds(),
            DataDirectory = settings.DataDirectory,
        };
        var ready = new ReadyLine(_manifest.Proxy, api?.Url, api?.Token, host.Authority.CertificatePath, Environment.ProcessId, settings.DataDirectory).ToUtf8();
        try
        {
            _manifest.Write(settings.DataDirectory);
            if (settings.ReadyFile is { } file)
            {
                AtomicFile.Write(file, ready, isPrivate: true); // it holds the token
            }
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new CliException($"{settings.ReadyFile ?? settings.DataDirectory} cannot be written: {error.Message}", inner: error);
        }

        if (!environment.IsTerminal)
        {
            using var output = environment.OpenOutput();
            output.Write(ready);
            output.Flush();
        }
        else if (!settings.Quiet)
        {
            Banner.Write(host, api, settings, environment);
        }

        Warnings.Write(host.EndPoints, api?.EndPoint, settings, environment.Error);
        if (other is not null && other.Pid != Environment.ProcessId)
        {
            environment.Error.WriteLine($"note: another proxy (pid {other.Pid}) uses this data directory; `flows` now shows this one.");
        }
    }

    private async Task StopAsync(RelayCoreHost host, ApiServer? api, FlowLines? lines)
    {
        if (environment.IsTerminal && !settings.Quiet)
        {
            environment.Error.WriteLine("stopping; Ctrl-C again stops at once");
        }

        var all = Task.WhenAll(host.StopAsync(s_grace), api?.StopAsync() ?? Task.CompletedTask);
        if (await Task.WhenAny(all, Task.Delay(s_stopWithin, environment.Time)) != all)
        {
            // Whatever hangs, the promise is two seconds.
            RemoveTraces();
            Environment.Exit(ExitCode.Success);
        }

        await all;
        if (lines is not null)
        {
            await lines.DisposeAsync();
        }
    }

    private void TellRules(RuleSetChange change)
    {
        switch (change.Operation)
        {
            case "loaded" or "load_failed":
                ProblemText.Write(change.Problems, environment.Error);
                break;
            case "reloaded":
                ProblemText.Write(change.Problems, environment.Error);
                environment.Error.WriteLine($"note: the rules changed: {ProblemText.Words(change.RuleCount, "rule")} now.");
                break;
            case "reload_failed":
                ProblemText.Write(change.Problems, environment.Error);
                environment.Error.WriteLine($"warning: the new rules cannot be used; the {ProblemText.Words(change.RuleCount, "rule")} before stay in force.");
                break;
        }
    }

    // The peer got a plain answer or a closed connection; whoever runs the proxy gets the name of it.
    private void TellDefect(Exception error)
    {
        if (environment["RELAY_LOG"] == "debug")
        {
            environment.Error.WriteLine($"debug: {error}");
        }
        else if (Interlocked.Increment(ref _defects) <= MaxDefectsTold)
        {
            environment.Error.WriteLine(
                $"warning: a connection failed by a defect of the proxy ({error.GetType().Name}: {Text.Printable.Line(error.Message)}); "
                + "please report it, with the output of RELAY_LOG=debug.");
        }
    }

    private void RemoveTraces()
    {
        if (_manifest is { } manifest)
        {
            manifest.Remove(settings.DataDirectory);
            RemoveReadyFile();
        }
    }

    private void RemoveReadyFile()
    {
        if (settings.ReadyFile is { } file)
        {
            try
            {
                File.Delete(file);
            }
            catch (Exception error) when (error is IOException or UnauthorizedAccessException)
            {
                // Writing it fails too, and says so.
            }
        }
    }

    // Names under which a client may ask the proxy for our own API.
    private static IReadOnlyList<string> ControlAuthorities(IPEndPoint endPoint) =>
    [
        .. new[] { endPoint.ToString(), $"127.0.0.1:{endPoint.Port}", $"[::1]:{endPoint.Port}", $"localhost:{endPoint.Port}" }.Distinct(),
    ];
}
