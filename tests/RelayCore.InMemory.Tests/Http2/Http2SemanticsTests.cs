using System.Text;
using RelayCore.Protocols.Http2;
using RelayCore.Testing;
using Xunit;
using static RelayCore.InMemory.Tests.Http2.Http2Scene;

namespace RelayCore.InMemory.Tests.Http2;

/// <summary>RFC 9113 §8: messages, whole and malformed, in both directions and between the versions.</summary>
public sealed class Http2SemanticsTests
{
    private static readonly (string Clause, (string, string)[] Fields)[] s_malformedRequests =
    [
        ("§8.2 upper case", [.. Get(), ("X-Upper", "1")]),
        ("§8.2.1 empty name", [.. Get(), ("", "1")]),
        ("§8.2.1 space in a name", [.. Get(), ("a b", "1")]),
        ("§8.2.1 LF in a value", [.. Get(), ("x", "a\nb")]),
        ("§8.2.1 CR in a value", [.. Get(), ("x", "a\rb")]),
        ("§8.2.1 NUL in a value", [.. Get(), ("x", "a\0b")]),
        ("§8.2.1 space before a value", [.. Get(), ("x", " a")]),
        ("§8.2.1 tab behind a value", [.. Get(), ("x", "a\t")]),
        ("§8.2.2 Connection", [.. Get(), ("connection", "close")]),
        ("§8.2.2 Proxy-Connection", [.. Get(), ("proxy-connection", "keep-alive")]),
        ("§8.2.2 Keep-Alive", [.. Get(), ("keep-alive", "timeout=1")]),
        ("§8.2.2 Transfer-Encoding", [.. Get(), ("transfer-encoding", "chunked")]),
        ("§8.2.2 Upgrade", [.. Get(), ("upgrade", "websocket")]),
        ("§8.2.2 TE gzip", [.. Get(), ("te", "gzip")]),
        ("§8.3 unknown pseudo-field", [.. Get(), (":x", "1")]),
        ("§8.3 pseudo-field of responses", [.. Get(), (":status", "200")]),
        ("§8.3 pseudo-field behind a field", [(":method", "GET"), (":scheme", "http"), ("x", "1"), (":authority", "origin.test"), (":path", "/")]),
        ("§8.3 pseudo-field twice", [.. Get(), (":path", "/b")]),
        ("§8.3.1 no :method", [(":scheme", "http"), (":authority", "origin.test"), (":path", "/")]),
        ("§8.3.1 no :scheme", [(":method", "GET"), (":authority", "origin.test"), (":path", "/")]),
        ("§8.3.1 no :path", [(":method", "GET"), (":scheme", "http"), (":authority", "origin.test")]),
        ("§8.3.1 empty :path", [(":method", "GET"), (":scheme", "http"), (":authority", "origin.test"), (":path", "")]),
        ("§8.3.1 :path without a slash", [(":method", "GET"), (":scheme", "http"), (":authority", "origin.test"), (":path", "a")]),
        ("§8.3.1 user information", [(":method", "GET"), (":scheme", "http"), (":authority", "a@origin.test"), (":path", "/")]),
        ("§8.3.1 Host names another", [.. Get(), ("host", "other.test")]),
        ("§8.5 CONNECT with :path", [(":method", "CONNECT"), (":authority", "origin.test:80"), (":path", "/")]),
        ("§8.5 CONNECT with :scheme", [(":method", "CONNECT"), (":authority", "origin.test:80"), (":scheme", "http")]),
        ("§8.5 CONNECT without port", [(":method", "CONNECT"), (":authority", "origin.test")]),
        ("RFC 8441 §4 :protocol with GET", [.. Get(), (":protocol", "websocket")]),
        ("§8.1.1 Content-Length of no body", [.. Get(), ("content-length", "1")]),
        ("§8.1.1 Content-Length that is no number", [.. Get(), ("content-length", "+0")]),
        ("§8.1.1 Content-Length twice", [.. Get(), ("content-length", "0"), ("content-length", "0")]),
    ];

    private static readonly (string Clause, (string, string)[] Fields)[] s_malformedResponses =
    [
        ("§8.3.2 no :status", [("x", "1")]),
        ("§8.3.2 :status of two digits", [(":status", "20")]),
        ("§8.3.2 :status twice", [(":status", "200"), (":status", "200")]),
        ("§8.3 pseudo-field of requests", [(":status", "200"), (":path", "/")]),
        ("§8.3 pseudo-field behind a field", [("x", "1"), (":status", "200")]),
        ("§8.6 101", [(":status", "101")]),
        ("§8.2 upper case", [(":status", "200"), ("X-Upper", "1")]),
        ("§8.2.1 LF in a value", [(":status", "200"), ("x", "a\nb")]),
        ("§8.2.2 Connection", [(":status", "200"), ("connection", "close")]),
        ("§8.2.2 Transfer-Encoding", [(":status", "200"), ("transfer-encoding", "chunked")]),
        ("§8.1.1 Content-Length of no body", [(":status", "200"), ("content-length", "1")]),
        ("§8.1 interim response that ends the stream", [(":status", "103")]),
    ];

    private static (string, string)[] Get() => [(":method", "GET"), (":scheme", "http"), (":authority", "origin.test"), (":path", "/")];

    public static TheoryData<string> MalformedRequests => new(s_malformedRequests.Select(x => x.Clause));

    public static TheoryData<string> MalformedResponses => new(s_malformedResponses.Select(x => x.Clause));

    [Theory]
    [MemberData(nameof(MalformedRequests))]
    public async Task Request_Malformed_IsAStreamErrorThatNoServerSees(string clause)
    {
        await using var proxy = await TestProxy.StartAsync();
        var origin = proxy.Origin();
        var client = await ClientAsync(proxy);
        await client.HeadersAsync(1, true, s_malformedRequests.Single(x => x.Clause == clause).Fields);
        await AssertResetAsync(client, 1, Http2ErrorCode.ProtocolError);
        Assert.Empty(proxy.Network.Connects);
        var error = (await proxy.FlowAsync()).Error()!;
        Assert.Equal(("client", "protocol"), (error.Blame, error.Kind));
        await client.GetAsync(3, "/still", scheme: "http");
        var server = await ServerAsync(origin);
        await server.HeadersAsync((await server.ReadAsync(Http2FrameType.Headers)).StreamId, true, (":status", "204"));
        Assert.Equal("204", (await client.ReadAsync(Http2FrameType.Headers))[":status"]);
        client.Peer.Close();
    }

    [Theory]
    [MemberData(nameof(MalformedResponses))]
    public async Task Response_Malformed_IsResetAndTheClientGets502(string clause)
    {
        await using var proxy = await TestProxy.StartAsync();
        var (client, server, request) = await GetAsync(proxy, proxy.Origin());
        await server.HeadersAsync(request.StreamId, true, s_malformedResponses.Single(x => x.Clause == clause).Fields);
        await AssertResetOrClosedAsync(server, request.StreamId);
        var answer = await client.ReadAsync(Http2FrameType.Headers);
        Assert.Equal(("502", "RC-H2-004"), (answer[":status"], answer["x-relay-core-error"]));
        Assert.NotEmpty((await client.ReadAsync(Http2FrameType.Data)).Text);
        Assert.Equal("server", (await proxy.FlowAsync()).Error()!.Blame);
        await AssertServesAsync(client, server, 3);
        client.Peer.Close();
    }

    // When the server ended the stream itself there is nothing to reset on its side.
    private static async Task AssertResetOrClosedAsync(Http2Peer server, int id)
    {
        await server.FrameAsync(Http2FrameType.Ping, 0, 0, new byte[8]);
        Http2TestFrame frame;
        do
        {
            frame = await server.ReadAsync();
        }
        while (frame.Type is Http2FrameType.Settings or Http2FrameType.WindowUpdate);
        if (frame.Type == Http2FrameType.RstStream)
        {
            Assert.Equal((id, Http2ErrorCode.ProtocolError), (frame.StreamId, frame.Code));
            frame = await server.ReadAsync();
        }

        Assert.Equal(Http2FrameType.Ping, frame.Type);
    }

    [Fact]
    public async Task Request_DataBeyondContentLength_IsMalformed()
    {
        await using var proxy = await TestProxy.StartAsync();
        var (client, server, request) = await PostAsync(proxy, proxy.Origin(), ("content-length", "3"));
        await client.DataAsync(1, "abcd", ends: false);
        await AssertResetAsync(client, 1, Http2ErrorCode.ProtocolError);
        Assert.Equal(request.StreamId, (await server.ReadAsync(Http2FrameType.RstStream)).StreamId);
        Assert.Equal("RC-H2-002", (await proxy.FlowAsync()).Error()!.Code);
        client.Peer.Close();
    }

    [Fact]
    public async Task Request_LessThanContentLength_IsMalformed()
    {
        await using var proxy = await TestProxy.StartAsync();
        var (client, server, request) = await PostAsync(proxy, proxy.Origin(), ("content-length", "3"));
        await client.DataAsync(1, "ab", ends: true);
        await AssertResetAsync(client, 1, Http2ErrorCode.ProtocolError);
        Http2TestFrame frame;
        while ((frame = await server.ReadAsync()).Type != Http2FrameType.RstStream)
        {
            Assert.False(frame.Ends, "the server took a part for the whole");
        }

        Assert.Equal(request.StreamId, frame.StreamId);
        client.Peer.Close();
    }

    [Theory]
    [InlineData("abcd", false)]
    [InlineData("abcd", true)]
    [InlineData("ab", true)]
    public async Task Response_NotOfContentLength_IsNotTakenForWhole(string body, bool ends)
    {
        await using var proxy = await TestProxy.StartAsync();
        var (client, server, request) = await GetAsync(proxy, proxy.Origin());
        await server.HeadersAsync(request.StreamId, false, Ok(("content-length", "3")));
        Assert.Equal("200", (await client.ReadAsync(Http2FrameType.Headers))[":status"]);
        await server.DataAsync(request.StreamId, body, ends);
        Http2TestFrame frame;
        while ((frame = await client.ReadAsync()).Type != Http2FrameType.RstStream)
        {
            Assert.False(frame.Ends);
        }

        Assert.NotNull((await proxy.FlowAsync()).Error());
        client.Peer.Close();
    }

    [Fact]
    public async Task Response_Interim_AllComeInOrderAndAreRecorded()
    {
        await using var proxy = await TestProxy.StartAsync();
        var (client, server, request) = await GetAsync(proxy, proxy.Origin());
        await server.HeadersAsync(request.StreamId, false, (":status", "103"), ("link", "</a>"));
        await server.HeadersAsync(request.StreamId, false, (":status", "103"), ("link", "</b>"));
        await server.HeadersAsync(request.StreamId, true, Ok());
        Assert.Equal("</a>", (await client.ReadAsync(Http2FrameType.Headers))["link"]);
        Assert.Equal("</b>", (await client.ReadAsync(Http2FrameType.Headers))["link"]);
        var last = await client.ReadAsync(Http2FrameType.Headers);
        Assert.Equal(("200", true), (last[":status"], last.Ends));
        Assert.Equal([103, 103], (await proxy.FlowAsync()).Http().Informational!.Select(x => x.Status));
        client.Peer.Close();
    }

    [Fact]
    public async Task Expect_100Continue_LetsTheBodyCome()
    {
        await using var proxy = await TestProxy.StartAsync();
        var (client, server, request) = await PostAsync(proxy, proxy.Origin(), ("expect", "100-continue"), ("content-length", "4"));
        Assert.Equal("100-continue", request["expect"]);
        await server.HeadersAsync(request.StreamId, false, (":status", "100"));
        Assert.Equal("100", (await client.ReadAsync(Http2FrameType.Headers))[":status"]);
        await client.DataAsync(1, "body", ends: true);
        var data = await server.ReadAsync(Http2FrameType.Data);
        Assert.Equal(("body", true), (data.Text, data.Ends));
        await server.HeadersAsync(request.StreamId, true, (":status", "204"));
        Assert.Equal("204", (await client.ReadAsync(Http2FrameType.Headers))[":status"]);
        client.Peer.Close();
    }

    [Fact]
    public async Task Trailers_OfBothSides_GoOnAndAreRecorded()
    {
        await using var proxy = await TestProxy.StartAsync();
        var (client, server, request) = await PostAsync(proxy, proxy.Origin(), ("te", "trailers"));
        Assert.Equal("trailers", request["te"]);
        await client.DataAsync(1, "abc", ends: false);
        Assert.Equal("abc", (await server.ReadAsync(Http2FrameType.Data)).Text);
        await client.HeadersAsync(1, true, ("x-sum", "1"));
        var trailers = await server.ReadAsync(Http2FrameType.Headers);
        Assert.Equal(("1", true), (trailers["x-sum"], trailers.Ends));
        await server.HeadersAsync(request.StreamId, false, Ok());
        await server.HeadersAsync(request.StreamId, true, ("grpc-status", "0"));
        Assert.False((await client.ReadAsync(Http2FrameType.Headers)).Ends);
        var end = await client.ReadAsync(Http2FrameType.Headers);
        Assert.Equal(("0", true), (end["grpc-status"], end.Ends));
        var flow = await proxy.FlowAsync();
        Assert.Equal([["x-sum", "1"]], flow.Http().Request!.Trailers);
        Assert.Equal([["grpc-status", "0"]], flow.Http().Response!.Trailers);
        client.Peer.Close();
    }

    [Fact]
    public async Task Fields_NeverIndexed_StayNeverIndexed()
    {
        await using var proxy = await TestProxy.StartAsync();
        var origin = proxy.Origin();
        var client = await ClientAsync(proxy);
        await client.GetAsync(1, scheme: "http", fields: [("authorization", "Bearer x"), ("x-plain", "1")]);
        var server = await ServerAsync(origin);
        var fields = (await server.ReadAsync(Http2FrameType.Headers)).Fields;
        Assert.True(fields.Single(x => x.Name == "authorization").NeverIndexed);
        Assert.False(fields.Single(x => x.Name == "x-plain").NeverIndexed);
        client.Peer.Close();
    }

    [Fact]
    public async Task Request_AsteriskAndHead_AreKept()
    {
        await using var proxy = await TestProxy.StartAsync();
        var origin = proxy.Origin();
        var client = await ClientAsync(proxy);
        await client.HeadersAsync(1, true, (":method", "OPTIONS"), (":scheme", "http"), (":authority", "origin.test"), (":path", "*"));
        var server = await ServerAsync(origin);
        var options = await server.ReadAsync(Http2FrameType.Headers);
        Assert.Equal(("OPTIONS", "*"), (options[":method"], options[":path"]));
        await server.HeadersAsync(options.StreamId, true, (":status", "204"));
        await client.ReadAsync(Http2FrameType.Headers);
        await client.HeadersAsync(3, true, (":method", "HEAD"), (":scheme", "http"), (":authority", "origin.test"), (":path", "/"));
        var head = await server.ReadAsync(Http2FrameType.Headers);
        await server.HeadersAsync(head.StreamId, true, Ok(("content-length", "1000")));
        var answer = await client.ReadAsync(Http2FrameType.Headers);
        Assert.Equal(("1000", true), (answer["content-length"], answer.Ends));
        client.Peer.Close();
    }

    [Fact]
    public async Task Request_HostInsteadOfAuthority_IsServed()
    {
        await using var proxy = await TestProxy.StartAsync();
        var origin = proxy.Origin();
        var client = await ClientAsync(proxy);
        await client.HeadersAsync(1, true, (":method", "GET"), (":scheme", "http"), (":path", "/"), ("host", "origin.test"));
        var server = await ServerAsync(origin);
        var request = await server.ReadAsync(Http2FrameType.Headers);
        Assert.Equal("origin.test", request["host"] ?? request[":authority"]);
        client.Peer.Close();
    }

    [Fact]
    public async Task Body_Padded_ComesWithoutPaddingAndOpensTheWindowByAll()
    {
        await using var proxy = await StartWithAsync(x => x with { InitialStreamWindow = 1000, MaxStreamWindow = 1000 });
        var (client, server, request) = await PostAsync(proxy, proxy.Origin());
        for (var i = 0; i < 20; i++)
        {
            var payload = new byte[1 + 100 + 99];
            payload[0] = 99;
            payload.AsSpan(1, 100).Fill((byte)'p');
            await client.FrameAsync(Http2FrameType.Data, Http2FrameFlags.Padded, 1, payload);
            Assert.Equal(new string('p', 100), (await server.ReadAsync(Http2FrameType.Data)).Text);
            await client.Peer.ProxyReceivesAsync();
        }

        await client.FrameAsync(Http2FrameType.Data, Http2FrameFlags.EndStream, 1, []);
        Assert.True((await server.ReadAsync(Http2FrameType.Data)).Ends);
        Assert.Equal(2000, (int)await CountAsync(proxy, server, client, request));
        client.Peer.Close();
    }

    private static async Task<long> CountAsync(TestProxy proxy, Http2Peer server, Http2Peer client, Http2TestFrame request)
    {
        await server.HeadersAsync(request.StreamId, true, (":status", "204"));
        await client.ReadAsync(Http2FrameType.Headers);
        return (await proxy.FlowAsync()).Octets.RequestBody;
    }

    [Fact]
    public async Task Block_InContinuations_IsOneSection()
    {
        await using var proxy = await TestProxy.StartAsync();
        var origin = proxy.Origin();
        var client = await ClientAsync(proxy);
        var block = client.Block([.. Get(), ("x-long", new string('v', 3000))]);
        await client.FrameAsync(Http2FrameType.Headers, Http2FrameFlags.EndStream, 1, block.AsSpan(0, 5));
        await client.FrameAsync(Http2FrameType.Continuation, 0, 1, block.AsSpan(5, 1000));
        await client.FrameAsync(Http2FrameType.Continuation, 0, 1, []);
        await client.FrameAsync(Http2FrameType.Continuation, Http2FrameFlags.EndHeaders, 1, block.AsSpan(1005));
        var server = await ServerAsync(origin);
        var request = await server.ReadAsync(Http2FrameType.Headers);
        Assert.Equal(3000, request["x-long"]!.Length);
        Assert.True(request.Ends);
        client.Peer.Close();
    }

    // The four combinations.

    [Fact]
    public async Task Http1Client_Http2Server_IsTranslated()
    {
        await using var proxy = await TestProxy.StartAsync(x => x with { Http2PriorKnowledge = [Pattern("origin.test")] });
        var origin = proxy.Origin();
        var client = proxy.Connect();
        await client.SendAsync("POST http://origin.test/p?q HTTP/1.1\r\nHost: origin.test\r\nX-Case: Kept\r\nCookie: a=1; b=2\r\nConnection: keep-alive, x-hop\r\nX-Hop: 1\r\nTE: trailers, gzip\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nSum: 1\r\n\r\n");
        var server = await ServerAsync(origin);
        var request = await server.ReadAsync(Http2FrameType.Headers);
        Assert.Equal(
            [(":method", "POST"), (":scheme", "http"), (":authority", "origin.test"), (":path", "/p?q")],
            request.Fields.Take(4).Select(x => (x.Name, x.Value)));
        Assert.Equal("Kept", request["x-case"]);
        Assert.Equal(["a=1", "b=2"], request.Fields.Where(x => x.Name == "cookie").Select(x => x.Value));
        Assert.All((string[])["connection", "x-hop", "transfer-encoding", "host", "keep-alive"], x => Assert.Null(request[x]));
        Assert.True(request["te"] is null or "trailers");
        var body = new StringBuilder();
        Http2TestFrame frame;
        while ((frame = await server.ReadAsync()).Type != Http2FrameType.Headers)
        {
            body.Append(frame.Type == Http2FrameType.Data ? frame.Text : "");
        }

        Assert.Equal(("abc", "1", true), (body.ToString(), frame["sum"], frame.Ends));
        await server.HeadersAsync(request.StreamId, false, Ok(("set-cookie", "a"), ("set-cookie", "b"), ("x-r", "1")));
        await server.DataAsync(request.StreamId, "xyz", ends: false);
        await server.HeadersAsync(request.StreamId, true, ("t", "2"));
        var answer = await client.ReadMessageAsync();
        Assert.StartsWith("HTTP/1.1 200 OK\r\n", answer, StringComparison.Ordinal);
        Assert.Contains("\r\nset-cookie: a\r\nset-cookie: b\r\nx-r: 1\r\n", answer, StringComparison.OrdinalIgnoreCase);
        Assert.EndsWith("3\r\nxyz\r\n0\r\nt: 2\r\n\r\n", answer, StringComparison.Ordinal);
        var flow = await proxy.FlowAsync();
        Assert.Equal(("HTTP/1.1", "HTTP/2"), (flow.Http().Request!.Version, flow.Http().Response!.Version));
        Assert.Null(flow.StreamId);
        Assert.Equal(1L, flow.ServerStreamId);
        client.Close();
    }

    [Fact]
    public async Task Http1Client_Http2ServerInterim_ComesAsInterim()
    {
        await using var proxy = await TestProxy.StartAsync(x => x with { Http2PriorKnowledge = [Pattern("origin.test")] });
        var origin = proxy.Origin();
        var client = proxy.Connect();
        await client.SendAsync("GET http://origin.test/ HTTP/1.1\r\nHost: origin.test\r\n\r\n");
        var server = await ServerAsync(origin);
        var request = await server.ReadAsync(Http2FrameType.Headers);
        await server.HeadersAsync(request.StreamId, false, (":status", "103"), ("link", "</a>"));
        Assert.StartsWith("HTTP/1.1 103 ", await client.ReadHeadAsync(), StringComparison.Ordinal);
        await server.HeadersAsync(request.StreamId, true, Ok(("content-length", "0")));
        Assert.Contains("content-length: 0", await client.ReadHeadAsync(), StringComparison.OrdinalIgnoreCase);
        client.Close();
    }

    [Fact]
    public async Task Http2Client_Http1Server_LengthMismatchAndInterimAndHopFields()
    {
        await using var proxy = await TestProxy.StartAsync();
        var origin = proxy.Origin();
        var client = new Http2Peer(proxy.Connect());
        await client.OpenAsClientAsync();
        await client.HeadersAsync(1, false, Post(("content-length", "3")));
        await client.DataAsync(1, "abc", ends: true);
        var server = await origin.AcceptAsync();
        Assert.Equal("POST / HTTP/1.1\r\nHost: origin.test\r\ncontent-length: 3\r\n\r\nabc", await server.ReadMessageAsync());
        await server.SendAsync("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: x-hop\r\nX-Hop: 1\r\nSet-Cookie: a\r\nSet-Cookie: b\r\n\r\nab");
        Assert.Equal("103", (await client.ReadAsync(Http2FrameType.Headers))[":status"]);
        var head = await client.ReadAsync(Http2FrameType.Headers);
        Assert.Equal((null, 2), (head["x-hop"], head.Fields.Count(x => x.Name == "set-cookie")));
        Assert.Equal("ab", (await client.ReadAsync(Http2FrameType.Data)).Text);
        server.Close();
        await AssertResetAsync(client, 1, Http2ErrorCode.InternalError);
        Assert.Equal("RC-HTTP-309", (await proxy.FlowAsync()).Error()!.Code);
        client.Peer.Close();
    }

    [Fact]
    public async Task Fingerprint_OfTheClient_IsInTheFlow()
    {
        await using var proxy = await TestProxy.StartAsync();
        var origin = proxy.Origin();
        var client = new Http2Peer(proxy.Connect());
        await client.OpenAsClientAsync(new Http2Setting(Http2SettingId.HeaderTableSize, 65536), new Http2Setting(Http2SettingId.InitialWindowSize, 6291456));
        await client.WindowAsync(0, 15663105);
        await client.FrameAsync(Http2FrameType.Priority, 0, 3, [0, 0, 0, 0, 200]);
        await client.HeadersAsync(5, true, (":method", "GET"), (":authority", "origin.test"), (":scheme", "http"), (":path", "/"));
        var server = await origin.AcceptAsync();
        await server.ReadHeadAsync();
        await server.SendAsync("HTTP/1.1 204 No Content\r\n\r\n");
        await client.ReadAsync(Http2FrameType.Headers);
        var http2 = (await proxy.FlowAsync()).Connection.Client.Http2!;
        Assert.Equal(("1:65536;4:6291456", 15663105L, "m,a,s,p"), (http2.Settings, http2.WindowUpdate, http2.PseudoFields));
        Assert.StartsWith("3:0:0:", http2.Priority, StringComparison.Ordinal);
        Assert.Equal($"{http2.Settings}|{http2.WindowUpdate}|{http2.Priority}|{http2.PseudoFields}", http2.Fingerprint);
        client.Peer.Close();
    }

    [Fact]
    public async Task Request_FieldsTooLarge_Is431OnTheStream()
    {
        await using var proxy = await StartWithAsync(x => x with { MaxFieldSectionOctets = 2048 });
        proxy.Origin();
        var client = await ClientAsync(proxy);
        await client.GetAsync(1, scheme: "http", fields: [("x-large", new string('a', 4000))]);
        var answer = await client.ReadAsync(Http2FrameType.Headers);
        Assert.Equal(("431", "RC-H2-003"), (answer[":status"], answer["x-relay-core-error"]));
        client.Peer.Close();
    }

    [Fact]
    public async Task Response_FieldsTooLarge_Is502()
    {
        await using var proxy = await StartWithAsync(x => x with { MaxFieldSectionOctets = 2048 });
        var (client, server, request) = await GetAsync(proxy, proxy.Origin());
        await server.HeadersAsync(request.StreamId, true, Ok(("x-large", new string('a', 4000))));
        Assert.Equal("502", (await client.ReadAsync(Http2FrameType.Headers))[":status"]);
        Assert.Equal("RC-H2-004", (await proxy.FlowAsync()).Error()!.Code);
        client.Peer.Close();
    }
}
