using System.Net;
using System.Text;
using RelayCore.Core.Connections;
using RelayCore.Core.Faults;
using RelayCore.Core.Messages;
using RelayCore.Engine;
using RelayCore.Engine.Http.Exchanges;
using RelayCore.Engine.Listeners;
using RelayCore.Protocols.Http2;
using RelayCore.Protocols.Http2.Hpack;
using RelayCore.Testing;
using Xunit;

namespace RelayCore.InMemory.Tests.Exchanges;

/// <summary>A proxy without listeners of its own for HTTP/2: runs exchanges of scripted client streams against origins of the in-memory network.</summary>
internal sealed class ExchangeHost : IAsyncDisposable
{
    private readonly List<Running> _all = [];
    private readonly ClientConnection _facts = new() { Id = 1, LocalEndPoint = new IPEndPoint(0x0100000A, 8080), RemoteEndPoint = new IPEndPoint(0x0100020A, 50000) };

    private ExchangeHost(TestProxy proxy, ExchangeScope scope) => (Proxy, Scope) = (proxy, scope);

    public TestProxy Proxy { get; }

    public ExchangeScope Scope { get; }

    /// <param name="configure">Options of the proxy.</param>
    /// <param name="tunnel">Where the tunnel goes that the client is inside of; <see langword="null"/> when it speaks to the proxy itself.</param>
    public static async Task<ExchangeHost> StartAsync(Func<EngineOptions, EngineOptions>? configure = null, Origin? tunnel = null) =>
        new(await TestProxy.StartAsync(configure).ConfigureAwait(false), new ExchangeScope { Origin = tunnel, IsIntercepted = tunnel is { IsSecure: true } });

    /// <summary>Starts an exchange.</summary>
    /// <param name="head">Fields, one a line, pseudo-fields first: <c>:method: GET</c>. Missing pseudo-fields are filled in for http://origin.test/.</param>
    /// <param name="body">What is there of the body at once; <see langword="null"/> for a request without.</param>
    /// <param name="isOpen">Whether more of the body follows.</param>
    public Running Start(string head, string? body = null, bool isOpen = false) => Start(head, client =>
    {
        if (body is not null)
        {
            client.Feed(body);
        }

        if (!isOpen)
        {
            client.End();
        }
    });

    public Running Start(string head, Action<ScriptedClient> prepare, FlowFault? fault = null)
    {
        var client = new ScriptedClient((2 * _all.Count) + 1);
        prepare(client);
        var running = new Running(new ExchangeRunner(Proxy.Engine.Context, _facts), client);
        _all.Add(running);
        Load(running.Runner.Exchange.Request, head);
        Proxy.Engine.Context.Sweeper.Add(running);
        running.Task = running.Runner.RunAsync(client, Scope, Proxy.Time.GetTimestamp(), fault).AsTask();
        return running;
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var running in _all)
        {
            if (!running.Task.IsCompleted)
            {
                running.Client.PeerResets(Http2ErrorCode.Cancel);
            }

            await running.Task.WaitAsync(TestPeer.Patience);
            Proxy.Engine.Context.Sweeper.Remove(running);
            running.Runner.Dispose();
        }

        Scope.Dispose();
        await Proxy.DisposeAsync();
    }

    private static void Load(RequestHead request, string head)
    {
        var fields = head.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries)
            .Select(x => x.Split(": ", 2)).Select(x => (Name: x[0], Value: x[1])).ToList();
        string[] pseudo = [":path", ":authority", ":scheme", ":method"];
        string[] values = ["/", "origin.test", "http", "GET"];
        var isConnect = fields.Contains((":method", "CONNECT")) && !fields.Exists(x => x.Name == ":protocol");
        for (var i = 0; i < 4; i++)
        {
            if (!fields.Exists(x => x.Name == pseudo[i]) && !(isConnect && pseudo[i] is ":path" or ":scheme"))
            {
                fields.Insert(0, (pseudo[i], values[i]));
            }
        }

        var encoder = new HpackEncoder();
        var block = new byte[16 * 1024];
        var at = 0;
        foreach (var (name, value) in fields)
        {
            at += encoder.Encode(block.AsSpan(at), Encoding.Latin1.GetBytes(name), Encoding.Latin1.GetBytes(value), false);
        }

        var error = new Http2HeadReader { AllowsExtendedConnect = true }.ReadRequest(block.AsSpan(0, at), request.Fields, out var line);
        Assert.False(error.IsError, error.ToString());
        request.Load(line);
    }

    /// <summary>An exchange that was started.</summary>
    internal sealed class Running(ExchangeRunner runner, ScriptedClient client) : IDeadlined
    {
        public ExchangeRunner Runner => runner;

        public ScriptedClient Client => client;

        public Task Task { get; set; } = Task.CompletedTask;

        /// <summary>Waits for the end; everything the client was sent.</summary>
        public async Task<string> EndAsync()
        {
            await Task.WaitAsync(TestPeer.Patience);
            return client.Sent;
        }

        public void Sweep(long now, bool isSecond) => runner.Sweep(now);
    }
}
