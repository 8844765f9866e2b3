using System.Globalization;

namespace RelayCore.Interop.Tests.Harness;

/// <summary>
/// A Node server with an event stream that is led by hand: each line said to it is a block written to every open stream, <c>end</c> ends them,
/// <c>reset</c> resets them. It also echoes NDJSON line by line.
/// </summary>
internal static class EventOrigin
{
    private const string Script =
        """
        const http = require('http'), https = require('https'), fs = require('fs'), zlib = require('zlib');
        const streams = new Set();
        const handle = (request, response) => {
            if (request.url === '/events') {
                response.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-store' });
                response.write(': open, last ' + (request.headers['last-event-id'] ?? 'none') + '\n\n');
                streams.add(response);
                console.log('stream ' + (request.headers['last-event-id'] ?? 'none'));
            } else if (request.url === '/lines') {
                response.writeHead(200, { 'Content-Type': 'application/x-ndjson' });
                let held = '';
                request.on('data', part => {
                    const lines = (held + part).split('\n');
                    held = lines.pop();
                    for (const line of lines) response.write(JSON.stringify({ got: JSON.parse(line) }) + '\n');
                });
                request.on('end', () => response.end());
            } else {
                response.writeHead(200, { 'Content-Type': 'text/html' });
                response.end('<!doctype html><link rel=icon href="data:,"><title>events</title>');
            }
        };
        const server = process.env.KEY
            ? https.createServer({ key: fs.readFileSync(process.env.KEY), cert: fs.readFileSync(process.env.CERT) }, handle) : http.createServer(handle);
        require('readline').createInterface({ input: process.stdin }).on('line', line => {
            for (const stream of streams) {
                if (line === 'end') stream.end();
                else if (line === 'reset') stream.socket.resetAndDestroy();
                else stream.write(JSON.parse(line));
            }
            if (line === 'end' || line === 'reset') streams.clear();
        });
        server.listen(+process.argv[1], '127.0.0.1');
        """;

    /// <param name="directory">For its key.</param>
    /// <param name="pki">Its authority; <see langword="null"/> for HTTP without TLS.</param>
    public static Task<ToolServer> StartAsync(TemporaryDirectory directory, TestPki? pki)
    {
        Dictionary<string, string?>? environment = null;
        if (pki is not null)
        {
            using var certificate = pki.Issue(["shop.test"]);
            var (file, key) = TestPki.Write(directory, "events", certificate);
            environment = new() { ["KEY"] = key, ["CERT"] = file };
        }

        return ToolServer.StartAsync(Tool.Require("node", "nodejs"), port => ["-e", Script, port.ToString(CultureInfo.InvariantCulture)], environment);
    }

    /// <summary>Has it write a block to its streams.</summary>
    public static Task WriteAsync(this ToolServer origin, string block) => origin.SayAsync(System.Text.Json.JsonSerializer.Serialize(block) + "\n");
}
