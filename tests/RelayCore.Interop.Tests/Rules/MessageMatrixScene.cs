using System.Diagnostics;
using System.Globalization;
using System.Text;
using System.Text.Json;
using RelayCore.Core.Flows;
using RelayCore.Interop.Tests.Harness;

namespace RelayCore.Interop.Tests.Rules;

/// <summary>What both ends of a WebSocket received, their closes included.</summary>
internal sealed record SocketResult(string[] Origin, string[] Client, string[] Extensions, double Milliseconds);

/// <summary>One Python that is client and origin of WebSockets, and one origin of streams, with the proxy between. One session at a time.</summary>
internal sealed class MessageMatrixScene : IAsyncDisposable
{
    // One process for all rows: a line of JSON in says what to send, one out what both ends received.
    private const string Script =
        """
        import asyncio, json, socket, sys, time, websockets
        def show(m): return m if isinstance(m, str) else "bin:" + m.decode("latin1")
        def tell(m): return m[4:].encode("latin1") if m.startswith("bin:") else m
        def ended(ws): return f"close {ws.close_code} {ws.close_reason}".strip()
        seen = None
        async def origin(ws, *_):
            got = []
            try:
                async for m in ws:
                    if m == "end":
                        await asyncio.sleep(.03)
                        await ws.close(1000, "bye")
                        break
                    got.append(show(m))
                    await ws.send(m)
            except websockets.ConnectionClosed:
                pass
            seen.set_result(got + [ended(ws)])
        def tunnel(port):
            s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
            s.sendall(f"CONNECT shop.test:{port} HTTP/1.1\r\nHost: shop.test:{port}\r\n\r\n".encode())
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                head += s.recv(1)
            return s
        async def client(port, case):
            deflate = "deflate" if case["deflate"] else None
            async with websockets.connect(f"ws://shop.test:{port}/socket", sock=tunnel(port), compression=deflate, ping_interval=None) as ws:
                got, begin = [], time.monotonic()
                async def receive():
                    try:
                        async for m in ws:
                            got.append(show(m))
                    except websockets.ConnectionClosed:
                        pass
                receiving = asyncio.create_task(receive())
                try:
                    for m in case["send"] + ["end"]:
                        if m.startswith("wait:"):
                            await asyncio.sleep(int(m[5:]) / 1000)
                        else:
                            await ws.send(tell(m))
                except websockets.ConnectionClosed:
                    pass
                await receiving
                return got + [ended(ws)], [x.name for x in ws.extensions], (time.monotonic() - begin) * 1000
        async def main():
            global seen
            async with websockets.serve(origin, "127.0.0.1", 0, compression="deflate", ping_interval=None) as server:
                port = server.sockets[0].getsockname()[1]
                print("ready", flush=True)
                while line := await asyncio.to_thread(sys.stdin.readline):
                    seen = asyncio.get_running_loop().create_future()
                    got, extensions, took = await asyncio.wait_for(client(port, json.loads(line)), 10)
                    print(json.dumps({"Client": got, "Origin": await asyncio.wait_for(seen, 10), "Extensions": extensions, "Milliseconds": took}), flush=True)
        asyncio.run(main())
        """;

    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(15);
    private readonly RunningProxy _proxy;
    private readonly TemporaryDirectory _directory = new();
    private RecordingOrigin _streams = null!;
    private Process? _python;
    private StreamMatrixCase _current = new("", "", "");
    private bool _isChunked;

    private MessageMatrixScene(RunningProxy proxy) => _proxy = proxy;

    public static async Task<MessageMatrixScene> StartAsync()
    {
        var scene = new MessageMatrixScene(await RunningProxy.StartAsync());
        scene._streams = RecordingOrigin.Start(scene.AnswerAsync);
        return scene;
    }

    public async Task<(SocketResult Result, Flow Flow)> RunAsync(MessageMatrixCase row, string stage, bool isCompressed)
    {
        var python = _python ??= await StartPythonAsync();
        _proxy.UseRules(row.Rules.Replace("STAGE", stage, StringComparison.Ordinal), _directory.Path);
        var seen = _proxy.List().Select(x => x.Id).ToHashSet();
        await python.StandardInput.WriteLineAsync(JsonSerializer.Serialize(new { send = row.Send, deflate = isCompressed }));
        await python.StandardInput.FlushAsync();
        var result = JsonSerializer.Deserialize<SocketResult>(await LineAsync(python))!;
        return (result, await _proxy.FinishedAsync(x => !seen.Contains(x.Id) && x.Kind == FlowKind.WebSocket));
    }

    public async Task<(ToolResult Result, string? Origin, double Milliseconds, Flow Flow)> RunAsync(StreamMatrixCase row, bool isChunked)
    {
        (_current, _isChunked) = (row, isChunked);
        _proxy.UseRules(row.Rules, _directory.Path);
        var seen = _proxy.List().Select(x => x.Id).ToHashSet();
        var requests = _streams.Requests.Count;
        List<string> arguments = ["-sS", "-N", "--noproxy", "", "--max-time", "15", "-x", _proxy.Url];
        if (row.Upload is { } upload)
        {
            arguments.AddRange(["-H", "Content-Type: application/x-ndjson", "-H", "Expect:", "--data-binary", "@" + _directory.Write("upload", Encoding.UTF8.GetBytes(upload))]);
            arguments.AddRange(isChunked ? ["-H", "Transfer-Encoding: chunked"] : []);
        }

        arguments.Add($"http://shop.test:{_streams.Port}/stream");
        var begin = Stopwatch.GetTimestamp();
        var result = await Tool.RunAsync(Tool.Require("curl", "curl"), arguments);
        var took = Stopwatch.GetElapsedTime(begin).TotalMilliseconds;
        var flow = await _proxy.FinishedAsync(x => !seen.Contains(x.Id) && x.Kind == FlowKind.Http);
        return (result, _streams.Requests.Skip(requests).Select(x => Encoding.UTF8.GetString(x.Body)).SingleOrDefault(), took, flow);
    }

    public async ValueTask DisposeAsync()
    {
        if (_python is { } python)
        {
            python.StandardInput.Close();
            if (!python.WaitForExit(2000))
            {
                python.Kill();
            }

            python.Dispose();
        }

        await _proxy.DisposeAsync();
        await _streams.DisposeAsync();
        _directory.Dispose();
    }

    private async Task<Process> StartPythonAsync()
    {
        const string system = "/usr/bin/python3"; // whose packages apt installs
        var path = File.Exists(system) ? system : Tool.Require("python3", "python3");
        Assert.SkipWhen((await Tool.RunAsync(path, ["-c", "import websockets"])).ExitCode != 0, "the Python package websockets is not installed: apt-get install python3-websockets");
        var python = Tool.Start(path, ["-W", "ignore", "-c", Script, _proxy.Port.ToString(CultureInfo.InvariantCulture)]);
        Assert.Equal("ready", await LineAsync(python));
        return python;
    }

    private static async Task<string> LineAsync(Process python)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        patience.CancelAfter(s_patience);
        var line = await python.StandardOutput.ReadLineAsync(patience.Token);
        Assert.True(line is not null, "the client ended" + (line is null ? ": " + await python.StandardError.ReadToEndAsync(patience.Token) : ""));
        return line!;
    }

    private async Task AnswerAsync(OriginRequest request, Stream stream)
    {
        var content = Encoding.UTF8.GetBytes(_current.Body);
        var type = _current.Upload is null ? "text/event-stream" : "application/x-ndjson";
        if (!_isChunked)
        {
            await stream.WriteAsync(Octets.Ascii($"HTTP/1.1 200 OK\r\nContent-Type: {type}\r\nContent-Length: {content.Length}\r\n\r\n"));
            await stream.WriteAsync(content);
            return;
        }

        // Pieces of odd sizes, so that nothing hides in their borders.
        await stream.WriteAsync(Octets.Ascii($"HTTP/1.1 200 OK\r\nContent-Type: {type}\r\nTransfer-Encoding: chunked\r\n\r\n"));
        foreach (var piece in content.Chunk(5))
        {
            await stream.WriteAsync((byte[])[.. Octets.Ascii(string.Create(CultureInfo.InvariantCulture, $"{piece.Length:x}\r\n")), .. piece, 13, 10]);
        }

        await stream.WriteAsync(Octets.Ascii("0\r\n\r\n"));
    }
}
