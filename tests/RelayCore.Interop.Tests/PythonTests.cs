using System.Globalization;
using RelayCore.Interop.Tests.Harness;
using RelayCore.Protocols;

namespace RelayCore.Interop.Tests;

/// <summary>Python's clients, and its sockets where a client would not do what we want to see.</summary>
public sealed class PythonTests
{
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Urllib_GetAndPost_Arrive(bool isSecure)
    {
        using var pki = new TestPki();
        using var certificate = pki.Issue(["shop.test"]);
        await using var origin = RecordingOrigin.Start(x => RecordingOrigin.Ok([.. Octets.Ascii(x.Line + "|"), .. x.Body]), isSecure ? certificate : null);
        await using var proxy = await RunningProxy.StartAsync(pki);
        var url = $"{(isSecure ? "https" : "http")}://shop.test:{origin.Port}";

        var result = await PythonAsync(
            """
            import os, ssl, urllib.request
            context = ssl.create_default_context(cafile=os.environ["CA"])
            opener = urllib.request.build_opener(
                urllib.request.ProxyHandler({"http": os.environ["PROXY"], "https": os.environ["PROXY"]}), urllib.request.HTTPSHandler(context=context))
            print(opener.open(os.environ["URL"] + "/get").read().decode())
            print(opener.open(os.environ["URL"] + "/post", data=b"x" * 5).read().decode())
            """, proxy, url);

        Assert.Equal("GET /get HTTP/1.1|\nPOST /post HTTP/1.1|xxxxx\n", result.Succeeded().Text);
        var flows = await proxy.FinishedAsync(2);
        flows[0].Completed("GET", url + "/get", 200);
        flows[1].Completed("POST", url + "/post", 200);
        Assert.Equal("xxxxx", flows[1].Http().Request!.Body!.Content);
    }

    [Fact]
    public async Task HttpClient_TunnelWithChunkedBodyAndKeepAlive_UsesOneConnection()
    {
        using var pki = new TestPki();
        using var certificate = pki.Issue(["shop.test"]);
        await using var origin = RecordingOrigin.Start(x => RecordingOrigin.Ok(Octets.Hash(x.Body)), certificate);
        await using var proxy = await RunningProxy.StartAsync(pki);
        var url = $"https://shop.test:{origin.Port}";

        var result = await PythonAsync(
            """
            import http.client, os, ssl, urllib.parse
            url = urllib.parse.urlsplit(os.environ["URL"])
            proxy = urllib.parse.urlsplit(os.environ["PROXY"])
            c = http.client.HTTPSConnection(proxy.hostname, proxy.port, context=ssl.create_default_context(cafile=os.environ["CA"]))
            c.set_tunnel(url.hostname, url.port)
            for i in range(3):
                c.request("PUT", f"/{i}", body=iter([b"a" * 1000, b"b" * 2000]), encode_chunked=True)
                r = c.getresponse()
                print(r.status, r.read().decode())
            """, proxy, url);

        var hash = Octets.Hash([.. Enumerable.Repeat((byte)'a', 1000), .. Enumerable.Repeat((byte)'b', 2000)]);
        Assert.Equal(string.Concat(Enumerable.Repeat($"200 {hash}\n", 3)), result.Succeeded().Text);
        Assert.All(origin.Requests, x => Assert.Equal($"3E8\r\n{new string('a', 1000)}\r\n7D0\r\n{new string('b', 2000)}\r\n0\r\n\r\n", System.Text.Encoding.ASCII.GetString(x.RawBody)));
        Assert.Single((await proxy.FinishedAsync(3)).Select(x => x.Connection.Client.Id).Distinct());
    }

    [Fact]
    public async Task Requests_SessionWithCookiesAndStream_Works()
    {
        var available = await Tool.RunAsync(Tool.Require("python3", "python3"), ["-c", "import requests"]);
        Assert.SkipWhen(available.ExitCode != 0, "the Python package requests is not installed: apt-get install python3-requests");
        using var pki = new TestPki();
        using var certificate = pki.Issue(["shop.test"]);
        await using var origin = RecordingOrigin.Start(
            x => RecordingOrigin.Ok(x.Field("Cookie") ?? "none", "Set-Cookie: a=1; Path=/\r\nSet-Cookie: b=2; Path=/; Secure\r\n"), certificate);
        await using var proxy = await RunningProxy.StartAsync(pki);
        var url = $"https://shop.test:{origin.Port}/c";

        var result = await PythonAsync(
            """
            import os, requests
            s = requests.Session()
            s.verify = os.environ["CA"]
            s.proxies = {"http": os.environ["PROXY"], "https": os.environ["PROXY"]}
            print(s.get(os.environ["URL"]).text)
            print(b"".join(s.get(os.environ["URL"], stream=True).iter_content(3)).decode())
            """, proxy, url);

        Assert.Equal("none\na=1; b=2\n", result.Succeeded().Text);
        Assert.Equal(1, origin.Connections);
        var flows = await proxy.FinishedAsync(2);
        Assert.Equal(["a", "b"], flows[0].Completed("GET", url, 200).Response!.Cookies.Select(x => x.Name));
        Assert.Equal([("a", "1"), ("b", "2")], flows[1].Completed("GET", url, 200).Request!.Cookies.Select(x => (x.Name, x.Value)));
    }

    [Fact]
    public async Task RawSocket_PipelinedRequestsOctetByOctet_AreAnsweredInOrder()
    {
        await using var origin = RecordingOrigin.Start(x => RecordingOrigin.Ok(x.Target));
        await using var proxy = await RunningProxy.StartAsync();

        var result = await PythonAsync(
            """
            import os, socket, sys, urllib.parse
            url = urllib.parse.urlsplit(os.environ["URL"])
            proxy = urllib.parse.urlsplit(os.environ["PROXY"])
            s = socket.create_connection((proxy.hostname, proxy.port))
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            text = b"".join(f"GET {os.environ['URL']}/{i} HTTP/1.1\r\nHost: {url.netloc}\r\n\r\n".encode() for i in range(4))
            for octet in text:
                s.sendall(bytes([octet]))
            s.shutdown(socket.SHUT_WR)
            got = b""
            while part := s.recv(65536):
                got += part
            sys.stdout.buffer.write(got)
            """, proxy, $"http://shop.test:{origin.Port}");

        Assert.Equal(string.Concat(Enumerable.Range(0, 4).Select(x => $"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n/{x}")), result.Succeeded().Text);
        Assert.Equal(Enumerable.Range(0, 4).Select(x => $"GET /{x} HTTP/1.1"), origin.Requests.Select(x => x.Line));
        Assert.Equal(4, (await proxy.FinishedAsync(4)).Count(x => x.CloseReason!.Reason == "completed"));
    }

    [Fact]
    public async Task RawSocket_HalfClosedBehindTheRequest_StillGetsTheAnswer()
    {
        await using var origin = RecordingOrigin.Start(x => RecordingOrigin.Ok(Octets.Hash(x.Body)));
        await using var proxy = await RunningProxy.StartAsync();

        var result = await PythonAsync(
            """
            import os, socket, sys, urllib.parse
            url = urllib.parse.urlsplit(os.environ["URL"])
            proxy = urllib.parse.urlsplit(os.environ["PROXY"])
            s = socket.create_connection((proxy.hostname, proxy.port))
            body = b"z" * 300000
            s.sendall(f"POST {os.environ['URL']}/half HTTP/1.1\r\nHost: {url.netloc}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
            s.shutdown(socket.SHUT_WR)
            got = b""
            while part := s.recv(65536):
                got += part
            sys.stdout.buffer.write(got)
            """, proxy, $"http://shop.test:{origin.Port}");

        Assert.EndsWith("\r\n\r\n" + Octets.Hash([.. Enumerable.Repeat((byte)'z', 300_000)]), result.Succeeded().Text, StringComparison.Ordinal);
        var flow = await proxy.OnlyFlowAsync();
        flow.Completed("POST", $"http://shop.test:{origin.Port}/half", 200);
        Assert.Equal(300_000, proxy.Body(flow, PeerRole.Client).Length);
    }

    [Theory]
    [InlineData("GET / HTTP/1.1\\r\\nHost: a\\r\\nContent-Length: 1\\r\\nTransfer-Encoding: chunked\\r\\n\\r\\n0\\r\\n\\r\\n", "RC-HTTP-118")]
    [InlineData("GET / HTTP/1.1\\r\\nHost: a\\r\\nX : y\\r\\n\\r\\n", "RC-HTTP-112")]
    [InlineData("GET / HTTP/1.1\\nHost: a\\n\\n", "RC-HTTP-109")]
    public async Task RawSocket_AmbiguousRequest_IsRefusedAndNeverReachesAServer(string request, string code)
    {
        await using var origin = RecordingOrigin.Start(_ => RecordingOrigin.Ok("never"));
        await using var proxy = await RunningProxy.StartAsync();

        var result = await PythonAsync(
            $$"""
            import os, socket, sys, urllib.parse
            proxy = urllib.parse.urlsplit(os.environ["PROXY"])
            s = socket.create_connection((proxy.hostname, proxy.port))
            s.sendall(b"{{request}}".replace(b"GET /", b"GET " + os.environ["URL"].encode() + b"/"))
            got = b""
            while part := s.recv(65536):
                got += part
            sys.stdout.buffer.write(got)
            """, proxy, $"http://a.test:{origin.Port}");

        Assert.StartsWith("HTTP/1.1 400 Bad Request\r\n", result.Succeeded().Text, StringComparison.Ordinal);
        Assert.Contains($"X-Relay-Core-Error: {code}\r\n", result.Text, StringComparison.Ordinal);
        Assert.Contains("Connection: close\r\n", result.Text, StringComparison.Ordinal);
        Assert.Empty(origin.Requests);
        var error = (await proxy.OnlyFlowAsync()).Failed(code);
        Assert.StartsWith("RFC 9112", error.Clause, StringComparison.Ordinal);
        Assert.False(string.IsNullOrEmpty(error.Octets));
    }

    [Fact]
    public async Task Smtp_ThroughConnect_ServerSpeaksFirst()
    {
        await using var server = await ToolServer.StartAsync(
            Tool.Require("python3", "python3"),
            port =>
            [
                "-c",
                """
                import socketserver, sys
                class Mail(socketserver.StreamRequestHandler):
                    def handle(self):
                        self.wfile.write(b"220 mail.test ESMTP\r\n")
                        data = False
                        for line in self.rfile:
                            word = line[:4].upper()
                            if data:
                                if line == b".\r\n":
                                    data = False
                                    self.wfile.write(b"250 kept\r\n")
                            elif word == b"DATA":
                                data = True
                                self.wfile.write(b"354 go on\r\n")
                            elif word == b"QUIT":
                                self.wfile.write(b"221 bye\r\n")
                                return
                            else:
                                self.wfile.write(b"250 mail.test\r\n")
                socketserver.ThreadingTCPServer(("127.0.0.1", int(sys.argv[1])), Mail).serve_forever()
                """,
                port.ToString(CultureInfo.InvariantCulture),
            ]);
        await using var proxy = await RunningProxy.StartAsync();

        var result = await PythonAsync(
            """
            import os, smtplib, socket, urllib.parse
            url = urllib.parse.urlsplit(os.environ["URL"])
            proxy = urllib.parse.urlsplit(os.environ["PROXY"])
            class Tunnelled(smtplib.SMTP):
                def _get_socket(self, host, port, timeout):
                    s = socket.create_connection((proxy.hostname, proxy.port), timeout)
                    s.sendall(f"CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n".encode())
                    head = b""
                    while not head.endswith(b"\r\n\r\n"):
                        head += s.recv(1)
                    assert head.startswith(b"HTTP/1.1 200 "), head
                    return s
            with Tunnelled(url.hostname, url.port, local_hostname="me.test", timeout=15) as mail:
                print(mail.sendmail("a@me.test", ["b@mail.test"], "Subject: hello\r\n\r\n" + "line\r\n" * 1000))
            """, proxy, $"smtp://mail.test:{server.Port}");

        Assert.Equal("{}\n", result.Succeeded().Text);
        var flow = await proxy.OnlyFlowAsync();
        var tunnel = flow.Tcp();
        Assert.Equal($"mail.test:{server.Port}", tunnel.Target);
        Assert.Null(tunnel.Error);
        Assert.StartsWith("220 mail.test ESMTP\r\n", tunnel.Down!.Content, StringComparison.Ordinal);
        Assert.StartsWith("ehlo me.test\r\n", tunnel.Up!.Content, StringComparison.Ordinal);
        Assert.EndsWith("quit\r\n", tunnel.Up.Content, StringComparison.OrdinalIgnoreCase);
        Assert.Equal((tunnel.Up.Size, tunnel.Down.Size), (tunnel.BytesUp, tunnel.BytesDown));
        Assert.Equal("completed", flow.CloseReason!.Reason);
    }

    [Fact]
    public async Task RawTunnel_ClientHalfCloses_TheServersAnswerStillComes()
    {
        await using var server = RawServer.Start(async stream =>
        {
            using var all = new MemoryStream();
            await stream.CopyToAsync(all); // until the client's FIN has come through
            await stream.WriteAsync(Octets.Ascii(Octets.Hash(all.ToArray())));
        });
        await using var proxy = await RunningProxy.StartAsync();

        var result = await PythonAsync(
            """
            import os, socket, urllib.parse
            url = urllib.parse.urlsplit(os.environ["URL"])
            proxy = urllib.parse.urlsplit(os.environ["PROXY"])
            s = socket.create_connection((proxy.hostname, proxy.port))
            s.sendall(f"CONNECT {url.netloc} HTTP/1.1\r\nHost: {url.netloc}\r\n\r\n".encode())
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                head += s.recv(1)
            s.sendall(b"\x00\x01binary" * 100000)
            s.shutdown(socket.SHUT_WR)
            got = b""
            while part := s.recv(65536):
                got += part
            print(got.decode())
            """, proxy, $"tcp://raw.test:{server.Port}");

        var sent = Enumerable.Repeat(Octets.Ascii("\0\u0001binary"), 100_000).SelectMany(x => x).ToArray();
        Assert.Equal(Octets.Hash(sent) + "\n", result.Succeeded().Text);
        var tunnel = (await proxy.OnlyFlowAsync()).Tcp();
        Assert.Equal((800_000, 64), (tunnel.BytesUp, tunnel.BytesDown));
    }

    private static Task<ToolResult> PythonAsync(string script, RunningProxy proxy, string url) => Tool.RunAsync(
        Tool.Require("python3", "python3"), ["-c", script],
        new Dictionary<string, string?> { ["PROXY"] = proxy.Url, ["CA"] = proxy.CaFile, ["URL"] = url, ["PYTHONWARNINGS"] = "ignore" });
}
