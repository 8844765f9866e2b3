using System.Globalization;
using RelayCore.Core.Flows;
using RelayCore.Engine;
using RelayCore.Interop.Tests.Harness;

namespace RelayCore.Interop.Tests;

/// <summary>Node's HTTP/2, which gives a program every frame's worth of control, as client and as server.</summary>
public sealed class NodeHttp2Tests
{
    /// <summary>What every script begins with: sessions through a CONNECT, or through a CONNECT that is a stream of HTTP/2 to the proxy.</summary>
    private const string Prelude =
        """
        const http = require('http'), http2 = require('http2'), tls = require('tls'), fs = require('fs'), crypto = require('crypto'), { once } = require('events');
        const proxy = new URL(process.env.PROXY), base = new URL(process.env.URL), ca = fs.readFileSync(process.env.CA);
        const connect = () => new Promise((ok, no) => http.request({ host: proxy.hostname, port: proxy.port, method: 'CONNECT', path: base.host })
            .on('connect', (response, socket) => response.statusCode === 200 ? ok(socket) : no(new Error('CONNECT ' + response.statusCode))).on('error', no).end());
        const toProxy = () => http2.connect('https://localhost:' + proxy.port, { ca });
        const connectIn = async (outer, authority = base.host, fields = {}) => {
            const stream = outer.request({ ':method': 'CONNECT', ':authority': authority, ...fields });
            const [head] = await once(stream, 'response');
            if (head[':status'] !== 200) throw new Error('CONNECT ' + head[':status']);
            return stream;
        };
        const secure = async (socket, protocols = ['h2'], roots = ca) => {
            const wrapped = tls.connect({ socket, servername: base.hostname, ca: roots, ALPNProtocols: protocols });
            await once(wrapped, 'secureConnect');
            return wrapped;
        };
        const open = async (socket, options = {}) => {
            const inner = base.protocol === 'https:' ? await secure(socket ?? await connect()) : socket ?? await connect();
            const session = http2.connect(base.origin, { createConnection: () => inner, ...options });
            await once(session, 'connect');
            return session;
        };
        const finish = stream => new Promise((ok, no) => {
            const result = { status: 0, interim: [], body: '', trailers: null };
            stream.setEncoding('latin1');
            stream.on('response', x => { result.status = x[':status']; result.fields = x; }).on('headers', x => result.interim.push([x[':status'], x.link ?? '']))
                .on('trailers', x => { result.trailers = { ...x }; }).on('data', x => { result.body += x; }).on('error', no).on('end', () => ok(result));
        });
        const get = (session, path, fields = {}) => finish(session.request({ ':path': path, ...fields }));
        const main = async (run) => { try { await run(); process.exit(0); } catch (e) { console.error(e); process.exit(1); } };

        """;

    private const string Server =
        """
        const http = require('http'), https = require('https'), http2 = require('http2'), fs = require('fs'), crypto = require('crypto');
        const waiting = {};
        const closed = name => waiting[name] ??= (() => { const x = {}; x.promise = new Promise(ok => { x.ok = ok; }); return x; })();
        let refused = false;
        const handle = async (request, response) => {
            const path = request.url;
            if (path === '/hints') {
                response.writeEarlyHints({ link: '</style.css>; rel=preload; as=style' });
                return response.end('hinted');
            }
            if (path === '/push') {
                if (!response.stream.pushAllowed) return response.end('push is not allowed');
                response.stream.pushStream({ ':path': '/pushed' }, (e, push) => { push.respond({ ':status': 200 }); push.end('pushed'); });
                return response.end('pushed');
            }
            if (path === '/refuse-once' && !refused) { refused = true; return response.stream.close(http2.constants.NGHTTP2_REFUSED_STREAM); }
            if (path.startsWith('/reset/')) {
                response.writeHead(200, { 'content-length': 100 });
                response.write('begun');
                return setImmediate(() => response.stream.close(+path.slice(7)));
            }
            if (path.startsWith('/wait/')) {
                response.write('begun');
                const close = () => closed(path.slice(6)).ok(response.stream ? response.stream.rstCode : 'closed');
                return response.stream ? response.stream.on('close', close) : response.on('close', close);
            }
            if (path.startsWith('/closed/')) return response.end(String(await closed(path.slice(8)).promise));
            if (path === '/goaway') { response.stream.session.goaway(0, response.stream.id); return response.end('last'); }
            if (path === '/chat') {
                request.on('data', x => response.write(x.toString('latin1').toUpperCase())).on('end', () => response.end());
                return;
            }
            const hash = crypto.createHash('sha256');
            for await (const part of request) hash.update(part);
            if (path === '/echo') response.setHeader('trailer', 'x-sum');
            response.write(JSON.stringify({
                hash: hash.digest('hex').slice(0, 16), trailers: request.trailers, te: request.headers.te ?? null, cookie: request.headers.cookie ?? null,
                host: request.headers.host ?? request.authority, version: request.httpVersion,
            }));
            if (path === '/echo') response.addTrailers({ 'x-sum': 'of the answer' });
            response.end();
        };
        const secret = process.env.KEY ? { key: fs.readFileSync(process.env.KEY), cert: fs.readFileSync(process.env.CERT) } : null;
        const server = process.env.VERSION === '1' ? (secret ? https.createServer(secret, handle) : http.createServer(handle))
            : secret ? http2.createSecureServer({ allowHTTP1: true, ...secret }, handle) : http2.createServer(handle);
        server.listen(+process.argv[1], '127.0.0.1');
        """;

    [Theory]
    [InlineData(1, true)]
    [InlineData(2, true)]
    [InlineData(2, false)]
    public async Task TrailersHintsAndCookies_OfAnHttp2Client_AreTranslatedForItsServer(int serverVersion, bool isSecure)
    {
        await using var set = await StartAsync(serverVersion, isSecure);

        var result = await set.RunAsync(
            """
            main(async () => {
                const session = await open();
                const post = session.request({ ':method': 'POST', ':path': '/echo', te: 'trailers', trailer: 'x-check', cookie: ['a=1', 'b=2', 'c=3'] }, { waitForTrailers: true });
                post.on('wantTrailers', () => post.sendTrailers({ 'x-check': 'of the request' }));
                post.write('part 1, '); post.end('part 2');
                const echo = await finish(post), hints = await get(session, '/hints');
                console.log(echo.status, echo.body, JSON.stringify(echo.trailers));
                console.log(hints.status, hints.body, JSON.stringify(hints.interim));
            });
            """);

        Assert.Equal(
            $$"""200 {"hash":"{{Octets.Hash("part 1, part 2"u8)[..16]}}","trailers":{"x-check":"of the request"},"te":"trailers","cookie":"a=1; b=2; c=3","host":"{{set.Authority}}","version":"{{(serverVersion == 2 ? "2.0" : "1.1")}}"} {"x-sum":"of the answer"}"""
            + "\n" + """200 hinted [[103,"</style.css>; rel=preload; as=style"]]""" + "\n",
            result.Succeeded().Text);
        var flows = await set.Proxy.FinishedAsync(2);
        var echo = flows[0].Completed("POST", set.Url + "/echo", 200);
        Assert.Equal([["x-check", "of the request"]], echo.Request!.Trailers!);
        Assert.Equal("x-sum: of the answer", string.Join(": ", Assert.Single(echo.Response!.Trailers!)));
        Assert.Equal([("a", "1"), ("b", "2"), ("c", "3")], echo.Request.Cookies.Select(x => (x.Name, x.Value)));
        Assert.Equal([103], flows[1].Completed("GET", set.Url + "/hints", 200).Informational!.Select(x => x.Status));
        Assert.All(flows, x => x.Spoke(2, serverVersion));
        Assert.Equal([1, 3], flows.Select(x => x.StreamId!.Value));
    }

    [Fact]
    public async Task TrailersAndHints_OfAnHttp2Server_ReachAnHttp1Client()
    {
        await using var set = await StartAsync(serverVersion: 2, isSecure: false);

        var result = await set.RunAsync(
            """
            main(async () => {
                const ask = (method, path, fields, body) => new Promise((ok, no) => {
                    const interim = [];
                    const request = http.request({ host: proxy.hostname, port: proxy.port, method, path: base.origin + path, headers: { Host: base.host, ...fields } });
                    request.on('information', x => interim.push([x.statusCode, x.headers.link])).on('error', no).on('response', async response => {
                        let all = '';
                        for await (const part of response) all += part;
                        ok([response.statusCode, all, JSON.stringify(response.trailers), JSON.stringify(interim)].join(' '));
                    });
                    body?.(request);
                    request.end();
                });
                console.log(await ask('PUT', '/echo', { Trailer: 'X-Check', TE: 'trailers', Connection: 'TE', Cookie: 'a=1; b=2' },
                    x => { x.write('part 1, '); x.write('part 2'); x.addTrailers({ 'X-Check': 'of the request' }); }));
                console.log(await ask('GET', '/hints', {}));
            });
            """);

        Assert.Equal(
            $$"""200 {"hash":"{{Octets.Hash("part 1, part 2"u8)[..16]}}","trailers":{"x-check":"of the request"},"te":"trailers","cookie":"a=1; b=2","host":"{{set.Authority}}","version":"2.0"} {"x-sum":"of the answer"} []"""
            + "\n" + """200 hinted {} [[103,"</style.css>; rel=preload; as=style"]]""" + "\n",
            result.Succeeded().Text);
        var flows = await set.Proxy.FinishedAsync(2);
        Assert.All(flows, x => x.Spoke(1, 2));
        Assert.Equal([["x-sum", "of the answer"]], flows[0].Http().Response!.Trailers!);
    }

    [Theory]
    [InlineData(1, true)]
    [InlineData(2, true)]
    [InlineData(2, false)]
    public async Task Stream_FullDuplex_AnswersEachPartBeforeTheNext(int serverVersion, bool isSecure)
    {
        await using var set = await StartAsync(serverVersion, isSecure);

        var result = await set.RunAsync(
            """
            main(async () => {
                const session = await open(), stream = session.request({ ':method': 'POST', ':path': '/chat' });
                for (const part of ['first', 'second', 'third']) {
                    stream.write(part);
                    console.log(String((await once(stream, 'data'))[0]));
                }
                stream.end(); stream.resume();
                await once(stream, 'end');
                console.log('end', stream.rstCode);
            });
            """);

        Assert.Equal("FIRST\nSECOND\nTHIRD\nend 0\n", result.Succeeded().Text);
        var http = (await set.Proxy.OnlyFlowAsync()).Completed("POST", set.Url + "/chat", 200);
        Assert.Equal(("firstsecondthird", "FIRSTSECONDTHIRD"), (http.Request!.Body!.Content, http.Response!.Body!.Content));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public async Task ClientsReset_ReachesTheServerWithItsCode(int serverVersion)
    {
        await using var set = await StartAsync(serverVersion, isSecure: true);

        var result = await set.RunAsync(
            """
            main(async () => {
                const session = await open();
                for (const code of [8, 11]) {
                    const stream = session.request({ ':path': '/wait/' + code });
                    await once(stream, 'data');
                    stream.on('error', () => {}).close(code);
                    console.log(code, (await get(session, '/closed/' + code)).body);
                }
            });
            """);

        Assert.Equal(serverVersion == 2 ? "8 8\n11 11\n" : "8 closed\n11 closed\n", result.Succeeded().Text);
        var flows = await set.Proxy.FinishedAsync(4);
        foreach (var flow in flows.Where(x => x.Http().Request!.Url.Contains("/wait/", StringComparison.Ordinal)))
        {
            Assert.Equal("client", flow.Http().Error!.Blame);
            Assert.Equal("begun", flow.Http().Response!.Body!.Content);
        }

        Assert.Single(flows.Select(x => x.Connection.Client.Id).Distinct());
    }

    [Fact]
    public async Task ServersReset_ReachesTheClientWithItsCode()
    {
        await using var set = await StartAsync(serverVersion: 2, isSecure: true);

        var result = await set.RunAsync(
            """
            main(async () => {
                const session = await open();
                for (const code of [1, 2, 8, 11]) {
                    const stream = session.request({ ':path': '/reset/' + code });
                    let failure = 'none';
                    stream.on('error', e => { failure = e.code; }).resume();
                    await new Promise(ok => stream.on('close', ok));
                    console.log(code, stream.rstCode, failure);
                }
                console.log((await get(session, '/after')).status);
            });
            """);

        // Node tells a program of a CANCEL by the end alone.
        Assert.Equal("1 1 ERR_HTTP2_STREAM_ERROR\n2 2 ERR_HTTP2_STREAM_ERROR\n8 8 none\n11 11 ERR_HTTP2_STREAM_ERROR\n200\n", result.Succeeded().Text);
        var flows = await set.Proxy.FinishedAsync(5);
        Assert.All(flows.Take(4), x => Assert.Equal("server", x.Http().Error!.Blame));
        flows[4].Completed("GET", set.Url + "/after", 200);
    }

    [Fact]
    public async Task RefusedStreamAndGoAway_AreSentAgainElsewhereUnseen()
    {
        await using var set = await StartAsync(serverVersion: 2, isSecure: true);

        var result = await set.RunAsync(
            """
            main(async () => {
                const session = await open();
                console.log((await get(session, '/refuse-once')).status);
                for (let i = 0; i < 3; i++) console.log((await get(session, '/goaway')).body, (await get(session, '/after')).status);
            });
            """);

        Assert.Equal("200\nlast 200\nlast 200\nlast 200\n", result.Succeeded().Text);
        var flows = await set.Proxy.FinishedAsync(7);
        Assert.All(flows, x => Assert.Equal("completed", x.CloseReason!.Reason));
        Assert.Single(flows.Select(x => x.Connection.Client.Id).Distinct());
        Assert.Equal(4, flows.Select(x => x.Connection.Server!.Id).Distinct().Count()); // each GOAWAY cost one connection
    }

    [Fact]
    public async Task Push_IsNotAllowed()
    {
        await using var set = await StartAsync(serverVersion: 2, isSecure: true);

        var result = await set.RunAsync(
            """
            main(async () => {
                const session = await open();
                session.on('stream', () => console.log('a pushed stream'));
                console.log((await get(session, '/push')).body);
            });
            """);

        Assert.Equal("push is not allowed\n", result.Succeeded().Text);
        (await set.Proxy.OnlyFlowAsync()).Completed("GET", set.Url + "/push", 200);
    }

    [Fact]
    public async Task Connect_OverHttp2ToTheProxy_CarriesSeveralTunnelsInOneConnection()
    {
        await using var set = await StartAsync(serverVersion: 2, isSecure: true);

        var result = await set.RunAsync(
            """
            main(async () => {
                const outer = toProxy();
                const first = await open(await connectIn(outer)), second = await open(await connectIn(outer));
                const answers = await Promise.all([get(first, '/a'), get(second, '/b'), get(first, '/c'), get(second, '/d')]);
                console.log(answers.map(x => x.status).join(' '), outer.alpnProtocol);
                const old = await secure(await connectIn(outer), ['http/1.1']);
                http.get({ createConnection: () => old, path: '/old', headers: { Host: base.host } }, async response => {
                    let all = '';
                    for await (const part of response) all += part;
                    console.log(old.alpnProtocol, response.statusCode, JSON.parse(all).version);
                    const large = crypto.randomBytes(5000000);
                    const upload = first.request({ ':method': 'PUT', ':path': '/up' });
                    upload.end(large);
                    console.log(JSON.parse((await finish(upload)).body).hash === crypto.createHash('sha256').update(large).digest('hex').slice(0, 16));
                    const plain = outer.request({ ':path': '/plain', ':scheme': 'https', ':authority': base.host });
                    console.log((await finish(plain)).status);
                    process.exit(0);
                });
                await new Promise(() => {});
            });
            """);

        Assert.Equal("200 200 200 200 h2\nhttp/1.1 200 1.1\ntrue\n200\n", result.Succeeded().Text);
        var flows = await set.Proxy.FinishedAsync(7);
        Assert.All(flows, x => Assert.Equal("completed", x.CloseReason!.Reason));
        Assert.All(flows.Take(6), x => Assert.Equal(set.Authority, x.Connection.Client.TunnelAuthority));
        Assert.Equal((1, 1), (flows.Count(x => x.StreamId is null), flows.Count(x => x.Connection.Client.TunnelAuthority is null)));
    }

    [Fact]
    public async Task Connect_OverHttp2ToTheProxy_AsksForCredentialsAndPassesThrough()
    {
        await using var set = await StartAsync(
            serverVersion: 2, isSecure: true, x => x with { ProxyCredentials = "kid:secret", PassThrough = [RunningProxy.Pattern("shop.test")] });

        var result = await set.RunAsync(
            """
            main(async () => {
                const outer = toProxy();
                await connectIn(outer).catch(e => console.log(e.message));
                const stream = await connectIn(outer, base.host, { 'proxy-authorization': 'Basic ' + btoa('kid:secret') });
                const inner = await secure(stream, ['h2'], fs.readFileSync(process.env.ORIGIN_CA));
                const session = http2.connect(base.origin, { createConnection: () => inner });
                console.log((await get(session, '/through')).status);
                session.close();
                await once(session, 'close');
            });
            """);

        Assert.Equal("CONNECT 407\n200\n", result.Succeeded().Text);
        var flows = await set.Proxy.FinishedAsync(2);
        flows[0].Failed("RC-AUTH-001");
        Assert.Equal((FlowKind.Tunnel, set.Authority), (flows[1].Kind, flows[1].Tcp().Target));
        Assert.Contains("passed_through", flows[1].Marks);
    }

    private static async Task<Setting> StartAsync(int serverVersion, bool isSecure, Func<EngineOptions, EngineOptions>? configure = null)
    {
        var node = Tool.Require("node", "nodejs");
        var (directory, pki) = (new TemporaryDirectory(), new TestPki());
        using var certificate = pki.Issue(["shop.test"]);
        var (file, key) = TestPki.Write(directory, "node", certificate);
        var environment = new Dictionary<string, string?> { ["VERSION"] = serverVersion.ToString(CultureInfo.InvariantCulture) };
        if (isSecure)
        {
            (environment["KEY"], environment["CERT"]) = (key, file);
        }

        var server = await ToolServer.StartAsync(node, port => ["-e", Server, port.ToString(CultureInfo.InvariantCulture)], environment);
        var proxy = await RunningProxy.StartAsync(pki, x => (configure ?? (y => y))(x with
        {
            Http2 = serverVersion == 1 ? Http2Use.Always : Http2Use.Mirror,
            Http2PriorKnowledge = serverVersion == 2 && !isSecure ? [RunningProxy.Pattern("shop.test")] : [],
        }));
        return new(node, directory.Write("origin-ca.pem", pki.Root.ExportCertificatePem()), directory, pki, server, proxy, $"{(isSecure ? "https" : "http")}://shop.test:{server.Port}");
    }

    private sealed record Setting(string Node, string OriginCa, TemporaryDirectory Directory, TestPki Pki, ToolServer Server, RunningProxy Proxy, string Url) : IAsyncDisposable
    {
        public string Authority => $"shop.test:{Server.Port}";

        public Task<ToolResult> RunAsync(string script) => Tool.RunAsync(
            Node, ["-e", Prelude + script],
            new Dictionary<string, string?> { ["PROXY"] = Proxy.Url, ["CA"] = Proxy.CaFile, ["ORIGIN_CA"] = OriginCa, ["URL"] = Url });

        public async ValueTask DisposeAsync()
        {
            await Proxy.DisposeAsync();
            await Server.DisposeAsync();
            Pki.Dispose();
            Directory.Dispose();
        }
    }
}
