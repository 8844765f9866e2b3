using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using RelayCore.Core.Flows;
using RelayCore.Core.Interception;
using RelayCore.Engine;
using RelayCore.Engine.Capture;
using RelayCore.Engine.Certificates;
using RelayCore.Engine.Messages;
using RelayCore.Engine.Policy;
using RelayCore.Engine.Transport;
using RelayCore.Formats;
using RelayCore.Protocols;
using RelayCore.Rules.Documents;
using RelayCore.Rules.Execution;
using RelayCore.Runtime.Flows;

namespace RelayCore.Interop.Tests.Harness;

/// <summary>
/// The proxy of this repository on a port of its own, with a new authority. Names under <c>.test</c> are this machine and no
/// others exist. A session that ended by
/// a defect of the program fails the test when it is disposed.
/// </summary>
internal sealed class RunningProxy : IAsyncDisposable, IFlowListener
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(10);

    private readonly TemporaryDirectory _directory;
    private readonly FlowStore _store;
    private readonly RootAuthority _authority;
    private readonly ECDsa _leafKey;
    private readonly ProxyEngine _engine;
    private readonly List<Exception> _failures = [];
    private readonly SemaphoreSlim _changed = new(0);
    private bool _isDisposed;

    private RunningProxy(EngineOptions options, RootAuthority authority, ECDsa leafKey, TemporaryDirectory directory)
    {
        (_authority, _leafKey, _directory) = (authority, leafKey, directory);
        _store = new(options.Limits, TimeProvider.System) { Listener = this };
        Flows = new(_store, ContentCodings.Instance);
        _engine = new(
            options, _store, new LeafCertificates(authority, leafKey, TimeProvider.System), ContentCodings.Instance, TimeProvider.System, resolver: new LocalNames())
        {
            OnInternalFailure = e =>
            {
                lock (_failures)
                {
                    _failures.Add(e);
                }
            },
        };
    }

    public FlowService Flows { get; }

    public MessageSessions Sessions => _engine.MessageSessions;

    public int Port => _engine.EndPoints[0].Port;

    /// <summary>As a proxy is written for most programs.</summary>
    public string Url => $"http://127.0.0.1:{Port}";

    public string Address => $"127.0.0.1:{Port}";

    /// <summary>PEM file of the authority clients have to trust.</summary>
    public string CaFile => _authority.CertificatePath;

    /// <param name="pki">Authority of the origins, trusted by the proxy; <see langword="null"/> for the system's roots only.</param>
    /// <param name="configure">Changes the options.</param>
    public static async Task<RunningProxy> StartAsync(TestPki? pki = null, Func<EngineOptions, EngineOptions>? configure = null)
    {
        var directory = new TemporaryDirectory();
        var authority = await RootAuthority.LoadOrCreateAsync(directory.Path, TimeProvider.System);
        var leafKey = await LeafKey.LoadOrCreateAsync(directory.Path, TimeProvider.System);
        var options = new EngineOptions { Listen = [new(IPAddress.Loopback, 0)], UpstreamRoots = pki is null ? [] : [pki.Root] };
        var proxy = new RunningProxy(configure is null ? options : configure(options), authority, leafKey, directory);
        await proxy._engine.StartAsync(CancellationToken.None);
        return proxy;
    }

    public static HostPattern Pattern(string text) =>
        HostPattern.TryParse(text, out var pattern, out var problem) ? pattern : throw new ArgumentException(problem, nameof(text));

    /// <summary>Puts rules in force for the exchanges that begin from now on.</summary>
    /// <param name="rules">JSON or YAML.</param>
    /// <param name="directory">Where the files they name are.</param>
    public void UseRules(string rules, string directory)
    {
        var problems = new RuleProblems();
        var document = RuleDocument.Parse(rules, "rules.yaml", problems, directory);
        var set = RuleSet.Compile(document.Rules, new() { Codings = ContentCodings.Instance, SandboxRoot = directory }, problems);
        Assert.False(problems.HasErrors, string.Join('\n', problems.Items));
        _engine.SetInterceptors(set.Rules.Count > 0 ? [new RuleInterceptor(set)] : []);
    }

    /// <summary>Waits for that many finished flows and returns all, oldest first. More than that fails.</summary>
    public async Task<IReadOnlyList<Flow>> FinishedAsync(int count)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        patience.CancelAfter(s_patience);
        while (true)
        {
            var all = List();
            var done = all.Where(x => x.CloseReason is not null).ToList();
            if (done.Count >= count && done.Count == all.Count)
            {
                Assert.True(done.Count == count, $"expected {count} flows, there are {done.Count}: {Describe(done)}");
                return done;
            }

            try
            {
                await _changed.WaitAsync(patience.Token);
            }
            catch (OperationCanceledException)
            {
                Assert.Fail($"expected {count} finished flows; there are {Describe(all)}");
            }
        }
    }

    /// <summary>The only flow, when it has finished.</summary>
    public async Task<Flow> OnlyFlowAsync() => (await FinishedAsync(1))[0];

    /// <summary>Waits for a finished flow of which something holds. For programs that ask for more than they are told to.</summary>
    public async Task<Flow> FinishedAsync(Func<Flow, bool> isMeant)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        patience.CancelAfter(s_patience);
        while (true)
        {
            var all = List();
            if (all.FirstOrDefault(x => x.CloseReason is not null && isMeant(x)) is { } found)
            {
                return found;
            }

            try
            {
                await _changed.WaitAsync(patience.Token);
            }
            catch (OperationCanceledException)
            {
                Assert.Fail($"the expected flow is not among {Describe(all)}");
            }
        }
    }

    /// <summary>Waits for a flow, finished or not, of which something holds.</summary>
    public async Task<Flow> FlowAsync(Func<Flow, bool> isMeant)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        patience.CancelAfter(s_patience);
        while (true)
        {
            var all = List();
            if (all.FirstOrDefault(isMeant) is { } found)
            {
                return found;
            }

            try
            {
                // Messages are announced in groups, so a look now and then is needed.
                await _changed.WaitAsync(TimeSpan.FromMilliseconds(50), patience.Token);
            }
            catch (OperationCanceledException)
            {
                Assert.Fail($"the expected flow is not among {Describe(all)}");
            }
        }
    }

    /// <summary>The messages of a running flow, to say something in them.</summary>
    public IMessageSession Session(Flow flow)
    {
        Assert.True(FlowId.TryParse(flow.Id, out var id));
        Assert.True(Sessions.TryGet(id, out var session), "the flow has no session of messages");
        return session;
    }

    /// <summary>Flows there are now, oldest first.</summary>
    public IReadOnlyList<Flow> List() =>
        [.. _store.List(new FlowQuery { Limit = int.MaxValue }).Reverse().Select(x => FlowId.TryParse(x.Id, out var id) ? Flows.Get(id) : null).OfType<Flow>()];

    /// <summary>The running session of messages of a flow.</summary>
    public IMessageSession Session(string id)
    {
        Assert.True(FlowId.TryParse(id, out var flow) && _engine.MessageSessions.TryGet(flow, out _), "the flow has no session");
        return _engine.MessageSessions.TryGet(flow, out var session) ? session : throw new InvalidOperationException();
    }

    /// <summary>Captured octets of a body as they were on the wire, transfer coding removed.</summary>
    public byte[] Body(Flow flow, PeerRole sender)
    {
        Assert.True(FlowId.TryParse(flow.Id, out var id));
        using var captured = _store.Find(id);
        return captured!.ReadBody(sender, sent: false, int.MaxValue);
    }

    public void FlowChanged(FlowId id, FlowChange change) => _changed.Release();

    public void MessageAppended(FlowId id, long number) => _changed.Release();

    public async ValueTask DisposeAsync()
    {
        if (_isDisposed)
        {
            return;
        }

        _isDisposed = true;
        await _engine.DisposeAsync();
        _store.Listener = null;
        _store.Dispose();
        _leafKey.Dispose();
        _authority.Dispose();
        _directory.Dispose();
        Assert.True(_failures.Count == 0, string.Join("\n", _failures));
    }

    private static string Describe(IEnumerable<Flow> flows) => string.Join("; ", flows.Select(x => x.Layer switch
    {
        FlowLayer.Http http => $"{http.Data.Request?.Method} {http.Data.Request?.Url} {http.Data.Response?.Status} {http.Data.Error?.Code} {http.Data.Error?.Detail} {x.CloseReason?.Reason}",
        FlowLayer.Tcp tcp => $"{x.Kind} {tcp.Data.Target} {tcp.Data.BytesUp}/{tcp.Data.BytesDown} {tcp.Data.Error?.Code} {tcp.Data.Error?.Detail} {x.CloseReason?.Reason}",
        _ => x.Kind.ToString(),
    }));

    private sealed class LocalNames : IResolver
    {
        public async ValueTask<IPAddress[]> ResolveAsync(string host, CancellationToken cancellationToken) =>
            host == "localhost" ? await Dns.GetHostAddressesAsync(host, cancellationToken)
            : host.EndsWith(".test", StringComparison.Ordinal) && !host.EndsWith(".missing.test", StringComparison.Ordinal) ? [IPAddress.Loopback]
            : throw new SocketException((int)SocketError.HostNotFound); // programs that phone home get nowhere
    }
}
