using System.Globalization;
using System.Text;
using RelayCore.Core.Flows;
using RelayCore.Core.Interception;
using RelayCore.Interop.Tests.Harness;
using RelayCore.Protocols;

namespace RelayCore.Interop.Tests;

/// <summary>
/// Foreign WebSocket clients and servers with the proxy between: Python websockets, Node ws and Chromium. The cases follow the chapters of
/// the Autobahn suite, which is not to be had here; docs/websocket-conformance.md says which is where.
/// </summary>
public sealed class WebSocketTests
{
    private const string PythonServer =
        """
        import asyncio, os, ssl, sys, websockets
        async def echo(socket):
            try:
                async for message in socket:
                    await socket.send(message)
            except websockets.ConnectionClosed:
                pass
            print("closed", socket.close_code, socket.close_reason, flush=True)
        async def main():
            context = None
            if "KEY" in os.environ:
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                context.load_cert_chain(os.environ["CERT"], os.environ["KEY"])
            async with websockets.serve(
                    echo, "127.0.0.1", int(sys.argv[1]), ssl=context, max_size=2**26, subprotocols=["two"],
                    compression=None if os.environ["DEFLATE"] == "no" else "deflate"):
                await asyncio.Future()
        asyncio.run(main())
        """;

    private const string NodeServer =
        """
        const fs = require('fs'), http = require('http'), https = require('https'), { WebSocketServer } = require('ws');
        const page = (request, response) => { response.setHeader('Content-Type', 'text/html'); response.end("<!doctype html><link rel=icon href='data:,'>"); };
        const server = process.env.KEY
            ? https.createServer({ key: fs.readFileSync(process.env.KEY), cert: fs.readFileSync(process.env.CERT) }, page) : http.createServer(page);
        const deflate = { no: false, yes: { threshold: 0 }, small: { threshold: 0, serverMaxWindowBits: 10, clientMaxWindowBits: 9 },
            fresh: { threshold: 0, serverNoContextTakeover: true, clientNoContextTakeover: true } };
        new WebSocketServer({ server, perMessageDeflate: deflate[process.env.DEFLATE], handleProtocols: offered => offered.has('two') ? 'two' : false, maxPayload: 1 << 26 })
            .on('connection', socket => socket
                .on('message', (data, isBinary) => socket.send(data, { binary: isBinary }))
                .on('close', (code, reason) => console.log('closed', code, reason.toString()))
                .on('error', error => console.log('error', error.message)));
        server.listen(+process.argv[1], '127.0.0.1');
        """;

    private const string PythonClient =
        """
        import asyncio, os, random, socket, ssl, urllib.parse, websockets
        url, proxy = urllib.parse.urlsplit(os.environ["URL"]), urllib.parse.urlsplit(os.environ["PROXY"])
        context = ssl.create_default_context(cafile=os.environ["CA"])
        def tunnel():
            s = socket.create_connection((proxy.hostname, proxy.port))
            s.sendall(f"CONNECT {url.netloc} HTTP/1.1\r\nHost: {url.netloc}\r\n\r\n".encode())
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                head += s.recv(1)
            return s
        def connect(**more):
            if url.scheme == "wss":
                more |= {"ssl": context, "server_hostname": url.hostname}
            return websockets.connect(os.environ["URL"], sock=tunnel(), max_size=2**26, ping_interval=None, **more)
        async def echoes(ws, message):
            await ws.send(message)
            whole = message if isinstance(message, (str, bytes)) else type(message[0])().join(message)
            assert await ws.recv() == whole, repr(whole[:80])
        def text(n):
            return "".join(random.choice("abcdefgh \u00fc\u20ac\U0001f600") for _ in range(n))

        """;

    private const string Conformance =
        """
        async def main():
            random.seed(1)
            deflate = None if os.environ["DEFLATE"] == "no" else "deflate"
            async with connect(compression=deflate, subprotocols=["one", "two"]) as ws:
                assert ws.subprotocol == "two", ws.subprotocol
                # 1 Framing
                for n in (0, 1, 125, 126, 127, 128, 65535, 65536):
                    await echoes(ws, "*" * n); await echoes(ws, bytes(random.randbytes(n)))
                # 2 Pings and pongs
                for payload in (b"", b"hello", b"\xfe" * 125):
                    await (await ws.ping(payload))
                await ws.pong(b"unsolicited"); await echoes(ws, "behind a pong")
                await asyncio.gather(*[await ws.ping(bytes([i])) for i in range(10)])
                # 5 Fragmentation
                await echoes(ws, ["fragment1", "fragment2"]); await echoes(ws, [b"f"] * 50); await echoes(ws, ["", "", "x", ""])
                # 6 UTF-8, cut within characters by the fragments of the other side
                for t in ("Hello-\u00b5@\u00df\u00f6\u00e4\u00fc\u00e0\u00e1-UTF-8!!", "\u03ba\u1f79\u03c3\u03bc\u03b5", "\ufffe\uffff\U0010ffff", "\x00", text(5000)):
                    await echoes(ws, t)
                # 9 Large messages, 10 automatic fragmentation
                for n in (1 << 16, 1 << 20, 1 << 22):
                    await echoes(ws, random.randbytes(n)); await echoes(ws, "x" * n)
                big = random.randbytes(65536)
                await echoes(ws, [big[i:i + 1300] for i in range(0, len(big), 1300)])
                # 12, 13 Compression of many messages of all sizes
                for n in list(range(0, 70)) + [256, 1024, 4096, 8192, 16384, 32768, 65536, 131072]:
                    await echoes(ws, text(n)); await echoes(ws, ("{\"key\": %d}" % n) * n)
                print("extensions", ",".join(x.name for x in ws.extensions))
            # 7 Close
            for code, reason in ((1000, ""), (1000, "reason"), (1001, ""), (1003, ""), (1007, ""), (1011, ""), (3000, ""), (3999, "own"), (4000, ""), (4999, "x" * 123)):
                ws = await connect(compression=deflate)
                await ws.close(code, reason)
                assert (ws.close_code, ws.close_reason) == (code, reason) or os.environ["SERVER"] == "node", (ws.close_code, ws.close_reason)
                print(ws.close_code)
        asyncio.run(main())
        """;

    [Theory]
    [InlineData("python", false, "no")]
    [InlineData("python", true, "yes")]
    [InlineData("node", false, "yes")]
    [InlineData("node", true, "no")]
    [InlineData("node", true, "small")]
    [InlineData("node", false, "fresh")]
    public async Task Conformance_PythonClient_EverythingComesBackTheSame(string server, bool isSecure, string deflate)
    {
        foreach (var shows in new[] { false, true })
        {
            await using var set = await StartAsync(server, isSecure, deflate, shows ? new Actor() : null);

            var result = (await set.PythonAsync(Conformance)).Succeeded();

            Assert.Equal([deflate == "no" ? "extensions " : "extensions permessage-deflate", "1000", "1000", "1001", "1003", "1007", "1011", "3000", "3999", "4000", "4999"],
                result.Text.TrimEnd('\n').Split('\n'));
            var flows = await set.Proxy.FinishedAsync(11);
            Assert.All(flows, x => Assert.Equal(FlowKind.WebSocket, x.Kind));
            Assert.All(flows, x => Assert.Null(Socket(x).Error));
            Assert.Contains(flows, x => (Socket(x).ClosedBy, Socket(x).CloseCode) == ("client", 1000)); // flows of one millisecond have no order
            Assert.Contains(flows, x => Socket(x).CloseReason == new string('x', 123));
            Assert.Equal(deflate != "no", flows.Any(x => Socket(x).Messages.Any(y => y.Compressed)));
            await set.Server.WaitForAsync("closed 4999 " + new string('x', 123));
        }
    }

    // Chapters 3, 4, 6 and 7: what no endpoint may send. The foreign server is told by the proxy, and the client too.
    [Theory]
    [InlineData("python")]
    [InlineData("node")]
    public async Task Conformance_BrokenFrames_EndBothEndsWithTheCode(string server)
    {
        (string Frames, int Code)[] cases =
        [
            ("C1", 1002), ("B1", 1002), ("83", 1002), ("8B", 1002), ("09", 1002), ("00", 1002), ("80", 1002), // first octets: RSV, opcodes, fragmented ping, continuation
            ("81C328", 1007), ("81CEBAE1BDB9CF83CEBCCEB5EDA080", 1007), ("81F4908080", 1007), // text that is not UTF-8
            ("8803", 1002), ("88" + "03E7", 1002), ("8803EC", 1002), ("8803ED", 1002), ("8807CF", 1002), ("881388", 1002), ("8803E8FF", 1007),
        ];
        await using var set = await StartAsync(server, isSecure: false, "no");
        foreach (var (frames, code) in cases)
        {
            var payload = Convert.FromHexString(frames)[1..];
            var result = await set.PythonAsync(
                $"""
                s = tunnel()
                s.sendall(f"GET / HTTP/1.1\r\nHost: {"{url.netloc}"}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n".encode())
                head = b""
                while not head.endswith(b"\r\n\r\n"):
                    head += s.recv(1)
                assert head.startswith(b"HTTP/1.1 101"), head
                payload = bytes.fromhex("{Convert.ToHexString(payload)}")
                s.sendall(bytes([0x{frames[..2]}, 0x80 | len(payload), 0, 0, 0, 0]) + payload)
                got = b""
                while part := s.recv(65536):
                    got += part
                print(got[0], got[2] * 256 + got[3])
                """);
            Assert.True(result.Succeeded().Text == $"136 {code}\n", $"{frames}: {result.Text}");
            await set.Server.WaitForAsync($"closed {code} ");
        }

        Assert.All(await set.Proxy.FinishedAsync(cases.Length), x => Assert.Equal("client", Socket(x).Error!.Blame));
    }

    [Theory]
    [InlineData("yes")]
    [InlineData("small")]
    [InlineData("fresh")]
    public async Task Actor_ChangesCompressedMessages_BothEndsStayReadable(string deflate)
    {
        await using var set = await StartAsync("node", isSecure: true, deflate, new Actor
        {
            Change = static text => text.StartsWith("change", StringComparison.Ordinal) ? $"changed {text.Length}" : text.StartsWith("drop", StringComparison.Ordinal) ? null : text,
        });

        var result = await set.PythonAsync(
            """
            async def main():
                async with connect(compression="deflate") as ws:
                    for round in range(30):
                        await ws.send("change me " + "x" * round)
                        assert await ws.recv() == f"changed {10 + round}"
                        await ws.send("drop me, a long text that later ones refer to " + str(round))
                        for n in (0, 1, 10, 1000, 9000):
                            await echoes(ws, "a long text that later ones refer to " + str(round) + text(n))
                    print("ok")
            asyncio.run(main())
            """);

        Assert.Equal("ok\n", result.Succeeded().Text);
        var socket = Socket(await set.Proxy.OnlyFlowAsync());
        Assert.Null(socket.Error);
        Assert.Equal((30, 30), (socket.Messages.Count(x => x.Changed), socket.Messages.Count(x => x.Dropped)));
    }

    [Fact]
    public async Task Chromium_PageWithASocket_EchoesGetsInjectedMessagesAndIsClosed()
    {
        await using var set = await StartAsync("node", isSecure: true, "yes");
        await using var browser = await Browser.StartAsync(set.Proxy, trusts: true);
        await browser.Page.GotoAsync(set.Url.Replace("wss:", "https:", StringComparison.Ordinal) + "/");

        var first = await browser.Page.EvaluateAsync<string>(
            """
            async () => {
                const ws = window.ws = new WebSocket(location.origin.replace('https', 'wss'), ['one', 'two']);
                ws.binaryType = 'arraybuffer';
                const queue = window.queue = [], waiting = window.waiting = [];
                ws.onmessage = e => waiting.length ? waiting.shift()(e.data) : queue.push(e.data);
                window.next = () => new Promise(ok => queue.length ? ok(queue.shift()) : waiting.push(ok));
                window.ended = new Promise(ok => ws.onclose = e => ok(e.code + ' ' + e.reason + ' ' + e.wasClean));
                await new Promise((ok, no) => { ws.onopen = ok; ws.onerror = no; });
                for (const n of [0, 1, 125, 126, 65535, 65536, 1 << 20]) {
                    ws.send('ü'.repeat(n)); if (await next() !== 'ü'.repeat(n)) return 'text ' + n;
                    ws.send(new Uint8Array(n)); if ((await next()).byteLength !== n) return 'binary ' + n;
                }
                return ws.protocol + ' ' + ws.extensions;
            }
            """);

        Assert.StartsWith("two permessage-deflate", first, StringComparison.Ordinal);
        var running = Assert.Single(set.Proxy.List(), x => x.Kind == FlowKind.WebSocket);
        var session = set.Proxy.Session(running.Id);
        Assert.True(session.TryInject(PeerRole.Server, new(MessageType.Text, "from outside"u8.ToArray())));
        Assert.Equal("from outside", await browser.Page.EvaluateAsync<string>("next()"));
        Assert.Equal("still", await browser.Page.EvaluateAsync<string>("ws.send('still'), next()"));
        Assert.True(session.TryClose(4002, "that was it"));
        Assert.Equal("4002 that was it true", await browser.Page.EvaluateAsync<string>("ended"));
        await set.Server.WaitForAsync("closed 4002 that was it");
        var socket = Socket(await set.Proxy.FinishedAsync(x => x.Kind == FlowKind.WebSocket));
        Assert.Equal(("proxy", 4002), (socket.ClosedBy, socket.CloseCode));
        Assert.Null(socket.Error);

        // The page closes, and one that goes away without a word.
        Assert.Equal("3456 own true", await browser.Page.EvaluateAsync<string>(
            "new Promise(ok => { const ws = new WebSocket(location.origin.replace('https', 'wss')); ws.onopen = () => ws.close(3456, 'own'); ws.onclose = e => ok(e.code + ' ' + e.reason + ' ' + e.wasClean); })"));
        await set.Server.WaitForAsync("closed 3456 own");
    }

    private static async Task<Setting> StartAsync(string server, bool isSecure, string deflate, IInterceptor? actor = null)
    {
        // The system's own, whose packages apt installs; another one may come first in the path.
        const string system = "/usr/bin/python3";
        var python = File.Exists(system) ? system : Tool.Require("python3", "python3");
        var available = await Tool.RunAsync(python, ["-c", "import websockets"]);
        Assert.SkipWhen(available.ExitCode != 0, "the Python package websockets is not installed: apt-get install python3-websockets");
        Assert.SkipWhen(server == "node" && !Directory.Exists("/usr/share/nodejs/ws"), "the Node package ws is not installed: apt-get install node-ws");
        var (directory, pki) = (new TemporaryDirectory(), new TestPki());
        using var certificate = pki.Issue(["shop.test"]);
        var (file, key) = TestPki.Write(directory, "server", certificate);
        var environment = new Dictionary<string, string?> { ["DEFLATE"] = deflate, ["NODE_PATH"] = "/usr/share/nodejs" };
        if (isSecure)
        {
            (environment["KEY"], environment["CERT"]) = (key, file);
        }

        string Port(int port) => port.ToString(CultureInfo.InvariantCulture);
        var running = server == "python"
            ? await ToolServer.StartAsync(python, port => ["-c", PythonServer, Port(port)], environment)
            : await ToolServer.StartAsync(Tool.Require("node", "nodejs"), port => ["-e", NodeServer, Port(port)], environment);
        var proxy = await RunningProxy.StartAsync(pki, x => actor is null ? x : x with { Interceptors = [actor] });
        environment["SERVER"] = server;
        return new(python, directory, pki, running, proxy, $"{(isSecure ? "wss" : "ws")}://shop.test:{running.Port}", environment);
    }

    private static WebSocketLayer Socket(Flow flow) => Assert.IsType<FlowLayer.WebSocket>(flow.Layer).Data;

    private sealed record Setting(
        string Python, TemporaryDirectory Directory, TestPki Pki, ToolServer Server, RunningProxy Proxy, string Url, Dictionary<string, string?> Environment) : IAsyncDisposable
    {
        public Task<ToolResult> PythonAsync(string script) => Tool.RunAsync(
            Python, ["-c", PythonClient + script],
            new Dictionary<string, string?>(Environment) { ["PROXY"] = Proxy.Url, ["CA"] = Proxy.CaFile, ["URL"] = Url, ["PYTHONWARNINGS"] = "ignore" });

        public async ValueTask DisposeAsync()
        {
            await Proxy.DisposeAsync();
            await Server.DisposeAsync();
            Pki.Dispose();
            Directory.Dispose();
        }
    }

    /// <summary>Looks at every message of the client, and changes or drops those it is told to.</summary>
    private sealed class Actor : IInterceptor
    {
        public Func<string, string?>? Change { get; init; }

        public string Name => "actor";

        public InterceptorNeeds Needs { get; } = new() { Stages = Stage.Message | Stage.ControlMessage };

        public ValueTask OnMessageAsync(MessageContext context, Message message, CancellationToken cancellationToken)
        {
            if (Change is not null && message.Sender == PeerRole.Client && message.Type == MessageType.Text)
            {
                var before = Encoding.UTF8.GetString(message.Content.Span);
                var after = Change(before);
                if (after is null)
                {
                    message.Drop();
                }
                else if (after != before)
                {
                    message.Replace(Encoding.UTF8.GetBytes(after));
                }
            }

            return default;
        }
    }
}
