using System.Globalization;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using RelayCore.Interop.Tests.Harness;

namespace RelayCore.Interop.Tests;

/// <summary>Python: httpx as a client people use, and the protocol library h2 where a peer has to do what no client or server does by itself.</summary>
public sealed class PythonHttp2Tests
{
    [Fact]
    public async Task Httpx_SessionAndConcurrency_UseOneConnection()
    {
        using var pki = new TestPki();
        using var certificate = pki.Issue(["shop.test"]);
        await using var origin = await KestrelOrigin.StartAsync(EchoAsync, HttpProtocols.Http1AndHttp2, certificate);
        await using var proxy = await RunningProxy.StartAsync(pki);
        var url = $"https://shop.test:{origin.Port}";

        var result = await Tool.RunAsync(
            await PythonAsync("httpx", "python3-httpx"), ["-c",
            """
            import asyncio, os, httpx
            proxy, url, ca = os.environ["PROXY"], os.environ["URL"], os.environ["CA"]
            with httpx.Client(http2=True, proxies=proxy, verify=ca) as c:
                for r in (c.get(url + "/1"), c.post(url + "/2", content=b"x" * 100000), c.head(url + "/3")):
                    print(r.http_version, r.status_code, len(r.content))
            async def main():
                async with httpx.AsyncClient(http2=True, proxies=proxy, verify=ca, timeout=20) as c:
                    await c.get(url + "/first")     # it opens a connection for each request that finds none
                    answers = await asyncio.gather(*[c.post(f"{url}/{i}", content=b"y" * i * 100) for i in range(60)])
                    print(all(r.http_version == "HTTP/2" and r.content == b"y" * i * 100 for i, r in enumerate(answers)))
            asyncio.run(main())
            """], new Dictionary<string, string?> { ["PROXY"] = proxy.Url, ["URL"] = url, ["CA"] = proxy.CaFile });

        Assert.Equal("HTTP/2 200 0\nHTTP/2 200 100000\nHTTP/2 200 0\nTrue\n", result.Succeeded().Text);
        var flows = await proxy.FinishedAsync(64);
        Assert.All(flows, x => x.Spoke(2, 2));
        Assert.Equal(2, flows.Select(x => x.Connection.Client.Id).Distinct().Count());
        Assert.Single(flows.Select(x => x.Connection.Server!.Id).Distinct());
    }

    [Fact]
    public async Task H2Client_PingsSettingsPriorityAndUnknownFrames_AreAnsweredInTheMiddleOfItAll()
    {
        using var pki = new TestPki();
        using var certificate = pki.Issue(["shop.test"]);
        await using var origin = await KestrelOrigin.StartAsync(EchoAsync, HttpProtocols.Http1AndHttp2, certificate);
        await using var proxy = await RunningProxy.StartAsync(pki);

        var result = await Tool.RunAsync(
            await PythonAsync("h2", "python3-h2"), ["-c",
            """
            import os, socket, ssl, urllib.parse, h2.config, h2.connection, h2.events, h2.settings
            url, proxy = urllib.parse.urlsplit(os.environ["URL"]), urllib.parse.urlsplit(os.environ["PROXY"])
            s = socket.create_connection((proxy.hostname, proxy.port))
            s.sendall(f"CONNECT {url.netloc} HTTP/1.1\r\nHost: {url.netloc}\r\n\r\n".encode())
            assert b" 200 " in s.recv(4096)
            context = ssl.create_default_context(cafile=os.environ["CA"])
            context.set_alpn_protocols(["h2"])
            s = context.wrap_socket(s, server_hostname=url.hostname)
            s.settimeout(15)
            c = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True))
            c.initiate_connection()
            head = lambda path, method="GET": [(":method", method), (":authority", url.netloc), (":scheme", "https"), (":path", path)]
            seen, bodies = [], {}
            def flush(): s.sendall(c.data_to_send())
            def until(done):
                while not done():
                    for e in c.receive_data(s.recv(65536)):
                        if isinstance(e, h2.events.DataReceived):
                            bodies[e.stream_id] = bodies.get(e.stream_id, b"") + e.data
                            c.acknowledge_received_data(e.flow_controlled_length, e.stream_id)
                        elif isinstance(e, h2.events.PingAckReceived): seen.append("pong " + e.ping_data.decode())
                        elif isinstance(e, h2.events.StreamEnded): seen.append(f"end {e.stream_id}")
                        elif isinstance(e, h2.events.SettingsAcknowledged): seen.append("settings")
                        elif isinstance(e, (h2.events.ConnectionTerminated, h2.events.StreamReset)): seen.append(repr(e))
                    flush()
            c.send_headers(1, head("/1", "POST")); c.send_data(1, b"first ")
            c.ping(b"12345678"); flush()
            until(lambda: "pong 12345678" in seen)
            s.sendall(b"\0\0\4\x77\xff\0\0\0\1abcd")                    # a type nobody knows, on an open stream
            c.update_settings({h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: 20, h2.settings.SettingCodes.HEADER_TABLE_SIZE: 0}); flush()
            until(lambda: seen.count("settings") == 2)
            c.send_headers(3, head("/3"), priority_weight=7, priority_depends_on=1, end_stream=True)
            c.prioritize(1, weight=200, depends_on=0, exclusive=True)
            c.send_data(1, b"second", end_stream=True); flush()
            until(lambda: "end 1" in seen and "end 3" in seen)
            c.send_headers(5, head("/5", "POST")); c.send_data(5, b"z" * 5000, end_stream=True); flush()
            until(lambda: "end 5" in seen)                              # through a window of 20 octets
            print(bodies[1], len(bodies[5]), [x for x in seen if not x.startswith(("end", "pong", "settings"))])
            c.close_connection(); flush()
            """], new Dictionary<string, string?> { ["PROXY"] = proxy.Url, ["URL"] = $"https://shop.test:{origin.Port}", ["CA"] = proxy.CaFile });

        Assert.Equal("b'first second' 5000 []\n", result.Succeeded().Text);
        var flows = await proxy.FinishedAsync(3);
        Assert.Equal([1, 3, 5], flows.Select(x => x.StreamId!.Value).Order());
        Assert.All(flows, x => Assert.Equal("completed", x.CloseReason!.Reason));
    }

    [Fact]
    public async Task H2Server_ThatLeavesInTheMiddle_LosesNothing()
    {
        var python = await PythonAsync("h2", "python3-h2");
        using var pki = new TestPki();
        using var certificate = pki.Issue(["shop.test"]);
        using var directory = new TemporaryDirectory();
        var (file, key) = TestPki.Write(directory, "server", certificate);

        // On the first three connections GOAWAY comes with the fourth request and names the third: the fourth was never processed.
        await using var server = await ToolServer.StartAsync(python, port => ["-u", "-c",
            """
            import socket, ssl, sys, threading, h2.config, h2.connection, h2.events
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(sys.argv[2], sys.argv[3])
            context.set_alpn_protocols(["h2", "http/1.1"])
            def serve(s, number):
                s = context.wrap_socket(s, server_side=True)
                c = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False))
                c.initiate_connection(); s.sendall(c.data_to_send())
                count = 0
                while data := s.recv(65536):
                    for e in c.receive_data(data):
                        if isinstance(e, h2.events.RequestReceived):
                            count += 1
                            if count == 4 and number < 3:
                                c.close_connection(last_stream_id=e.stream_id - 2)
                                s.sendall(c.data_to_send())
                                while s.recv(65536): pass
                                return
                            path = dict(e.headers)[b":path"]
                            c.send_headers(e.stream_id, [(":status", "103"), ("link", "<a>")])
                            c.send_headers(e.stream_id, [(":status", "200"), ("x-count", str(count))])
                            c.send_data(e.stream_id, path, pad_length=20)
                            c.send_headers(e.stream_id, [("x-trailer", "yes")], end_stream=True)
                    s.sendall(c.data_to_send())
            def guarded(s, number):
                try: serve(s, number)
                except (OSError, ssl.SSLError): pass
            listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
            listener.accept()[0].close()    # whoever looked whether it is ready
            for number in range(1000): threading.Thread(target=guarded, args=(listener.accept()[0], number), daemon=True).start()
            """, port.ToString(CultureInfo.InvariantCulture), file, key]);
        await using var proxy = await RunningProxy.StartAsync(pki);

        var result = await Tool.RunAsync(
            Tool.Require("h2load", "nghttp2"), ["-n", "60", "-c", "2", "-m", "5", $"--connect-to={proxy.Address}", $"https://shop.test:{server.Port}/x"]);

        Assert.True(result.Succeeded().Text.Contains("60 done, 60 succeeded, 0 failed, 0 errored, 0 timeout", StringComparison.Ordinal),
            result.Text + server.Said + string.Join("\n", proxy.List().Select(x => x.Http().Error?.Detail).OfType<string>().Distinct()));
        var flows = await proxy.FinishedAsync(60);
        Assert.All(flows, x => x.Completed("GET", $"https://shop.test:{server.Port}/x", 200));
        Assert.All(flows, x => Assert.Equal([["x-trailer", "yes"]], x.Http().Response!.Trailers!));
        Assert.All(flows, x => Assert.Equal([103], x.Http().Informational!.Select(y => y.Status)));
        Assert.InRange(flows.Count(x => x.Marks.Contains("retried")), 1, 60);
    }

    private static async Task EchoAsync(HttpContext context)
    {
        using var body = new MemoryStream();
        await context.Request.Body.CopyToAsync(body);
        await context.Response.Body.WriteAsync(body.ToArray());
    }

    /// <summary>A Python that has the module: there may be one of the system beside others.</summary>
    private static async Task<string> PythonAsync(string module, string package)
    {
        foreach (var candidate in (string[])[Tool.Require("python3", "python3"), "/usr/bin/python3"])
        {
            if (File.Exists(candidate) && (await Tool.RunAsync(candidate, ["-c", $"import h2, {module}"])).ExitCode == 0)
            {
                return candidate;
            }
        }

        Assert.Skip($"the Python package {module} is not installed: apt-get install {package} python3-h2");
        return "";
    }
}
