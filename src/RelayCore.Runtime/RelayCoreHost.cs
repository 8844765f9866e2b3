using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text;
using RelayCore.Core.Interception;
using RelayCore.Engine;
using RelayCore.Engine.Capture;
using RelayCore.Engine.Certificates;
using RelayCore.Engine.Messages;
using RelayCore.Engine.Transport;
using RelayCore.Formats;
using RelayCore.Rules.Execution;
using RelayCore.Runtime.Breakpoints;
using RelayCore.Runtime.Events;
using RelayCore.Runtime.Flows;
using RelayCore.Runtime.Rules;

namespace RelayCore.Runtime;

/// <summary>
/// The whole proxy in one object: certificate authority, capture, engine. What the command line starts, and what a program embeds:
/// <code>
/// await using var host = await RelayCoreHost.StartAsync(new RelayCoreOptions
/// {
///     DataDirectory = "proxy-data",
///     Engine = new EngineOptions { Listen = [new IPEndPoint(IPAddress.Loopback, 0)], Interceptors = [new MyInterceptor()] },
/// });
/// Console.WriteLine($"proxy on {host.EndPoints[0]}, CA in {host.Authority.CertificatePath}");
/// </code>
/// </summary>
/// <remarks>
/// A program that wants the relay's full speed sets the environment variable <c>DOTNET_SYSTEM_NET_SOCKETS_INLINE_COMPLETIONS=1</c> before its first
/// socket; everything works without it.
/// </remarks>
public sealed class RelayCoreHost : IAsyncDisposable
{
    /// <summary>How long running exchanges may take to finish when the host is disposed without <see cref="StopAsync"/>.</summary>
    private static readonly TimeSpan s_defaultGrace = TimeSpan.FromSeconds(1.5);

    private readonly RelayCoreOptions _options;
    private readonly FlowStore _store;
    private readonly ECDsa _leafKey;
    private readonly ProxyEngine _engine;
    private readonly long _startedAt;
    private readonly IoWatchdog _watchdog;
    private Task? _stopping;

    private RelayCoreHost(RelayCoreOptions options, RootAuthority authority, ECDsa leafKey)
    {
        (_options, Authority, _leafKey) = (options, authority, leafKey);
        var (engine, time) = (options.Engine, options.Time);
        var codings = ContentCodings.Instance;
        _store = new(engine.Limits, time);
        Flows = new(_store, codings);
        Events = new(Flows, time);
        _store.Listener = Events;
        _engine = new(engine, _store, new LeafCertificates(authority, leafKey, time), codings, time) { OnInternalFailure = options.OnInternalFailure };
        Messages = new(_store, _engine.MessageSessions);
        Breakpoints = new(time, (name, json) => Events.Publish(name, json));
        Rules = new(options.Rules, options.DataDirectory, RuleEnvironment(), Apply, (name, json) => Events.Publish(name, json));
        _watchdog = new(time, stuck =>
        {
            Events.Publish("io-thread-stuck", Encoding.ASCII.GetBytes($$"""{"milliseconds":{{(long)stuck.TotalMilliseconds}}}"""));
            options.OnIoThreadStuck?.Invoke(stuck);
        });
        (_startedAt, StartedAt) = (time.GetTimestamp(), time.GetUtcNow());
    }

    /// <summary>Addresses bound, in the order of <see cref="EngineOptions.Listen"/>.</summary>
    public IReadOnlyList<IPEndPoint> EndPoints => _engine.EndPoints;

    /// <summary>The CA that signs what clients see.</summary>
    public RootAuthority Authority { get; }

    /// <summary>Captured flows: lists, single flows, bodies.</summary>
    public FlowService Flows { get; }

    /// <summary>Saying something in running sessions of messages.</summary>
    public MessageService Messages { get; }

    /// <summary>Rules in force.</summary>
    public RuleService Rules { get; }

    /// <summary>Flows that wait for a person.</summary>
    public BreakpointService Breakpoints { get; }

    /// <summary>What happens, as it happens.</summary>
    public EventLog Events { get; }

    /// <summary>Counters of the engine.</summary>
    public HostCounters Counters => new(_engine.ClientConnections, _engine.AcceptedConnections, _engine.InternalFailures, _watchdog.Reports);

    /// <summary>When it started, UTC.</summary>
    public DateTimeOffset StartedAt { get; }

    /// <summary>Since when it runs.</summary>
    public TimeSpan Uptime => _options.Time.GetElapsedTime(_startedAt);

    /// <summary>Where it is in its life.</summary>
    public HostPhase Phase => _stopping is null ? HostPhase.Running : _stopping.IsCompleted ? HostPhase.Stopped : HostPhase.Stopping;

    /// <summary>What it was started with.</summary>
    public RelayCoreOptions Options => _options;

    /// <summary>Where flows are recorded.</summary>
    internal FlowStore Store => _store;

    /// <summary>Running sessions of messages.</summary>
    internal MessageSessions MessageSessions => _engine.MessageSessions;

    /// <summary>Loads or makes the CA, loads the rules, binds every listener and accepts.</summary>
    /// <exception cref="RuleLoadException">A rule file cannot be used; nothing is bound.</exception>
    /// <exception cref="CertificateFileException">A CA file cannot be used; the message is a sentence for the user.</exception>
    /// <exception cref="ListenException">An address cannot be bound; nothing stays bound.</exception>
    public static async Task<RelayCoreHost> StartAsync(RelayCoreOptions options, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(options);
        var authority = await LoadAuthorityAsync(options, cancellationToken).ConfigureAwait(false);
        ECDsa leafKey;
        try
        {
            leafKey = await LeafKey.LoadOrCreateAsync(options.DataDirectory, options.Time, cancellationToken).ConfigureAwait(false);
        }
        catch
        {
            authority.Dispose();
            throw;
        }

        var host = new RelayCoreHost(options, authority, leafKey);
        try
        {
            host.Rules.Start();
            await host._engine.StartAsync(cancellationToken).ConfigureAwait(false);
            if (Environment.GetEnvironmentVariable("DOTNET_SYSTEM_NET_SOCKETS_INLINE_COMPLETIONS") == "1")
            {
                _ = host.WatchAsync();
            }

            return host;
        }
        catch
        {
            await host.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>Stops accepting, lets running exchanges finish for at most <paramref name="grace"/>, then resets the rest. Later calls wait for the first.</summary>
    public Task StopAsync(TimeSpan grace)
    {
        Breakpoints.Close(); // what waits for a person must not wait out the grace
        return _stopping ??= _engine.StopAsync(grace);
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await StopAsync(s_defaultGrace).ConfigureAwait(false);
        Rules.Dispose();
        await _watchdog.DisposeAsync().ConfigureAwait(false);
        await _engine.DisposeAsync().ConfigureAwait(false);
        _store.Dispose();
        _leafKey.Dispose();
        Authority.Dispose();
    }

    // Rules come first, then what the program brought (architecture §2).
    private void Apply(IInterceptor? rules) => _engine.SetInterceptors(rules is null ? _options.Engine.Interceptors : [rules, .. _options.Engine.Interceptors]);

    private RuleEnvironment RuleEnvironment() => new()
    {
        Time = _options.Time,
        Codings = ContentCodings.Instance,
        SandboxRoot = _options.Rules.SandboxRoot,
        EnvironmentAllowed = _options.Rules.EnvironmentAllowed,
        Breakpoints = Breakpoints,
        Functions = _options.Rules.Functions,
    };

    private async Task WatchAsync()
    {
        try
        {
            await _watchdog.StartAsync(Environment.ProcessorCount).ConfigureAwait(false);
        }
        catch (SocketException)
        {
            // Without loopback sockets there is no watching; the proxy itself does not depend on it.
        }
    }

    private static async Task<RootAuthority> LoadAuthorityAsync(RelayCoreOptions options, CancellationToken cancellationToken) =>
        options is { CaCertificateFile: { } certificate, CaKeyFile: { } key }
            ? RootAuthority.Load(certificate, key, options.Time)
            : await RootAuthority.LoadOrCreateAsync(options.DataDirectory, options.Time, cancellationToken).ConfigureAwait(false);
}

/// <summary>Counters of the engine at one moment.</summary>
/// <param name="ClientConnections">Client connections open now.</param>
/// <param name="AcceptedConnections">Client connections since the start.</param>
/// <param name="InternalFailures">Sessions that ended by a defect of the program.</param>
/// <param name="StuckIoThreads">Incidents of an I/O thread that was stuck for more than 100 ms.</param>
public readonly record struct HostCounters(int ClientConnections, long AcceptedConnections, long InternalFailures, long StuckIoThreads);

/// <summary>Where a host is in its life.</summary>
public enum HostPhase
{
    /// <summary>Accepts connections.</summary>
    Running,

    /// <summary>Finishes what is running.</summary>
    Stopping,

    /// <summary>Over.</summary>
    Stopped,
}
