using System.Globalization;
using RelayCore.Core.Flows;
using RelayCore.Interop.Tests.Harness;

namespace RelayCore.Interop.Tests;

/// <summary>Node as the client, and as the origin where Node has what others lack: trailers, streams under control, upgrades.</summary>
public sealed class NodeTests
{
    /// <summary>What every script begins with: a request through the proxy, in absolute form or inside a CONNECT.</summary>
    private const string Prelude =
        """
        const http = require('http'), https = require('https'), tls = require('tls'), fs = require('fs');
        const proxy = new URL(process.env.PROXY), base = new URL(process.env.URL);
        const connect = () => new Promise((ok, no) => http.request({ host: proxy.hostname, port: proxy.port, method: 'CONNECT', path: base.host })
            .on('connect', (response, socket) => response.statusCode === 200 ? ok(socket) : no(new Error('CONNECT ' + response.statusCode))).on('error', no).end());
        class Tunnel extends https.Agent {
            createConnection(options, callback) {
                connect().then(socket => {
                    const secure = tls.connect({ socket, servername: base.hostname, ca: fs.readFileSync(process.env.CA) }, () => callback(null, secure));
                    secure.on('error', callback);
                }, callback);
            }
        }
        const plain = new http.Agent({ keepAlive: true }), secure = new Tunnel({ keepAlive: true });
        const request = (path, options = {}) => base.protocol === 'https:'
            ? https.request({ agent: secure, host: base.hostname, port: base.port, path, ...options })
            : http.request({ agent: plain, host: proxy.hostname, port: proxy.port, path: base.origin + path, ...options, headers: { Host: base.host, ...options.headers } });
        const respond = r => new Promise((ok, no) => r.on('response', ok).on('error', no));
        const text = async response => { let all = ''; for await (const part of response) all += part; return all; };

        """;

    private const string Server =
        """
        const http = require('http'), https = require('https'), fs = require('fs'), crypto = require('crypto');
        let stream = null;
        const handle = async (request, response) => {
            if (request.url === '/stream') { response.write('one'); stream = response; return; }
            if (request.url === '/more') { stream.end('two'); response.end('sent'); return; }
            const hash = crypto.createHash('sha256');
            for await (const part of request) hash.update(part);
            const fields = JSON.stringify({ hash: hash.digest('hex'), trailers: request.trailers, te: request.headers['te'] ?? null });
            response.writeHead(200, { Trailer: 'X-Sum', 'Transfer-Encoding': 'chunked' });
            response.write(fields);
            response.addTrailers({ 'X-Sum': 'of the answer' });
            response.end();
        };
        const server = process.env.KEY
            ? https.createServer({ key: fs.readFileSync(process.env.KEY), cert: fs.readFileSync(process.env.CERT) }, handle) : http.createServer(handle);
        server.on('upgrade', (request, socket) => {
            socket.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: ' + request.headers.upgrade + '\r\nConnection: Upgrade\r\n\r\nready:');
            socket.on('data', part => socket.write(part.toString('latin1').toUpperCase(), 'latin1'));
            socket.on('end', () => socket.end('bye'));
        });
        server.listen(+process.argv[1], '127.0.0.1');
        """;

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Agent_KeepAlive_SendsSeveralRequestsOnOneConnection(bool isSecure)
    {
        await using var set = await StartAsync(isSecure);

        var result = await set.RunAsync(
            """
            (async () => {
                for (let i = 0; i < 5; i++) {
                    const r = request('/echo', { method: 'POST' });
                    r.end('x'.repeat(i));
                    const response = await respond(r);
                    console.log(response.statusCode, JSON.parse(await text(response)).hash.slice(0, 8));
                }
                process.exit(0);
            })();
            """);

        Assert.Equal(string.Concat(Enumerable.Range(0, 5).Select(x => $"200 {Octets.Hash(Octets.Ascii(new string('x', x)))[..8]}\n")), result.Succeeded().Text);
        var flows = await set.Proxy.FinishedAsync(5);
        Assert.Single(flows.Select(x => x.Connection.Client.Id).Distinct());
        Assert.Single(flows.Select(x => x.Connection.Server!.Id).Distinct());
        Assert.All(flows, x => x.Completed("POST", set.Url + "/echo", 200));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Stream_FirstPart_ArrivesBeforeTheSecondIsSent(bool isSecure)
    {
        await using var set = await StartAsync(isSecure);

        // The origin sends the second part only when asked to by a client that has seen the first.
        var result = await set.RunAsync(
            """
            (async () => {
                const r = request('/stream'); r.end();
                const response = await respond(r);
                response.on('end', () => process.exit(0)).on('data', async part => {
                    console.log(part.toString());
                    if (part.toString() !== 'one') return;
                    const more = request('/more'); more.end();
                    await text(await respond(more));
                });
            })();
            """);

        Assert.Equal("one\ntwo\n", result.Succeeded().Text);
        Assert.Equal("onetwo", (await set.Proxy.FinishedAsync(2)).Single(x => x.Http().Request!.Url.EndsWith("/stream", StringComparison.Ordinal)).Http().Response!.Body!.Content);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Trailers_BothWays_Survive(bool isSecure)
    {
        await using var set = await StartAsync(isSecure);

        var result = await set.RunAsync(
            """
            (async () => {
                const r = request('/trailers', { method: 'PUT', headers: { Trailer: 'X-Check', TE: 'trailers', Connection: 'keep-alive, TE' } });
                r.write('part 1, '); r.write('part 2'); r.addTrailers({ 'X-Check': 'of the request' }); r.end();
                const response = await respond(r);
                console.log(await text(response), JSON.stringify(response.trailers));
                process.exit(0);
            })();
            """);

        Assert.Equal(
            $$"""{"hash":"{{Octets.Hash("part 1, part 2"u8)}}","trailers":{"x-check":"of the request"},"te":"trailers"} {"x-sum":"of the answer"}""" + "\n",
            result.Succeeded().Text);
        var http = (await set.Proxy.OnlyFlowAsync()).Completed("PUT", set.Url + "/trailers", 200);
        Assert.Equal([["X-Check", "of the request"]], http.Request!.Trailers!);
        Assert.Equal([["X-Sum", "of the answer"]], http.Response!.Trailers!);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Upgrade_IsRelayedRawBothWaysWithHalfClose(bool isSecure)
    {
        await using var set = await StartAsync(isSecure);

        var result = await set.RunAsync(
            """
            const r = request('/socket', { headers: { Connection: 'Upgrade', Upgrade: 'chat/1' } });
            r.on('upgrade', (response, socket, head) => {
                let got = head.toString('latin1');
                socket.on('data', part => { got += part.toString('latin1'); });
                socket.on('end', () => { console.log(response.statusCode, got); process.exit(0); });
                socket.end('hello from the client');
            });
            r.end();
            """);

        Assert.Equal("101 ready:HELLO FROM THE CLIENTbye\n", result.Succeeded().Text);
        var flows = await set.Proxy.FinishedAsync(2);
        flows[0].Completed("GET", set.Url + "/socket", 101);
        Assert.Contains("upgraded", flows[0].Marks);
        Assert.Equal((FlowKind.Tunnel, flows[0].Id), (flows[1].Kind, flows[1].ParentId));
        Assert.Equal(("hello from the client", "ready:HELLO FROM THE CLIENTbye"), (flows[1].Tcp().Up!.Content, flows[1].Tcp().Down!.Content));
    }

    [Fact]
    public async Task Upload_Streamed_HasBackPressureAndTheSameHash()
    {
        await using var set = await StartAsync(isSecure: true);

        var result = await set.RunAsync(
            """
            (async () => {
                const crypto = require('crypto'), hash = crypto.createHash('sha256');
                const r = request('/up', { method: 'POST' });
                for (let i = 0; i < 200; i++) {
                    const part = crypto.randomBytes(50000); hash.update(part);
                    if (!r.write(part)) await new Promise(ok => r.once('drain', ok));
                }
                r.end();
                const sent = hash.digest('hex'), answer = JSON.parse(await text(await respond(r)));
                console.log(sent === answer.hash ? 'same' : sent + ' ' + answer.hash);
                process.exit(0);
            })();
            """);

        Assert.Equal("same\n", result.Succeeded().Text);
        Assert.Equal(10_000_000, (await set.Proxy.OnlyFlowAsync()).Octets.RequestBody);
    }

    private static async Task<Setting> StartAsync(bool isSecure)
    {
        var node = Tool.Require("node", "nodejs");
        var (directory, pki) = (new TemporaryDirectory(), new TestPki());
        using var certificate = pki.Issue(["shop.test"]);
        var (file, key) = TestPki.Write(directory, "node", certificate);
        var server = await ToolServer.StartAsync(
            node, port => ["-e", Server, port.ToString(CultureInfo.InvariantCulture)],
            isSecure ? new Dictionary<string, string?> { ["KEY"] = key, ["CERT"] = file } : null);
        return new(node, directory, pki, server, await RunningProxy.StartAsync(pki), $"{(isSecure ? "https" : "http")}://shop.test:{server.Port}");
    }

    private sealed record Setting(string Node, TemporaryDirectory Directory, TestPki Pki, ToolServer Server, RunningProxy Proxy, string Url) : IAsyncDisposable
    {
        public Task<ToolResult> RunAsync(string script) => Tool.RunAsync(
            Node, ["-e", Prelude + script], new Dictionary<string, string?> { ["PROXY"] = Proxy.Url, ["CA"] = Proxy.CaFile, ["URL"] = Url });

        public async ValueTask DisposeAsync()
        {
            await Proxy.DisposeAsync();
            await Server.DisposeAsync();
            Pki.Dispose();
            Directory.Dispose();
        }
    }
}
