using RelayCore.Protocols.Fields;
using RelayCore.Protocols.Http1;
using RelayCore.Protocols.Http2;
using RelayCore.Protocols.Http2.Hpack;
using RelayCore.Protocols.Tests.Http1;
using RelayCore.Protocols.Tests.Http2.Hpack;
using Xunit;

namespace RelayCore.Protocols.Tests.Http2;

public sealed class Http2HeadWriterTests
{
    [Theory]
    [InlineData("", ":method,:scheme,:authority,:path")]
    [InlineData("m,a,s,p", ":method,:authority,:scheme,:path")]
    [InlineData("p,m", ":path,:method,:scheme,:authority")]
    [InlineData("m,m,x,,s,a,p", ":method,:scheme,:authority,:path")]
    public void WriteRequest_Order_IsTheClients(string order, string expected) =>
        Assert.Equal(expected, string.Join(',', Write(new(), order: order).Select(x => x[..x.IndexOf(": ", 1, StringComparison.Ordinal)])));

    [Theory]
    [InlineData("CONNECT", "", "m,a", ":method: CONNECT|:authority: a")]
    [InlineData("CONNECT", "websocket", "m,o,s,p,a", ":method: CONNECT|:protocol: websocket|:scheme: https|:path: /p|:authority: a")]
    [InlineData("CONNECT", "websocket", "", ":method: CONNECT|:scheme: https|:authority: a|:path: /p|:protocol: websocket")]
    public void WriteRequest_Connect_HasThePseudoFieldsOfItsKind(string method, string protocol, string order, string expected) =>
        Assert.Equal(expected, string.Join('|', Write(new(), order, method, protocol)));

    [Theory]
    [InlineData("Accept: */*\r\nX-Mixed-CASE: Value\r\n", "accept: */*|x-mixed-case: Value")]
    [InlineData("Connection: close, X-A\r\nX-A: 1\r\nKeep-Alive: 1\r\nProxy-Connection: x\r\nUpgrade: h2c\r\nHTTP2-Settings: x\r\nX-B: 2\r\n", "x-b: 2")]
    [InlineData("Transfer-Encoding: chunked\r\nX: 1\r\n", "x: 1")]
    [InlineData("Proxy-Authorization: Basic x\r\nX: 1\r\n", "x: 1")]
    [InlineData("TE: gzip\r\nConnection: TE\r\n", "")]
    [InlineData("TE: gzip, trailers\r\nConnection: TE\r\nTE: trailers\r\nX: 1\r\n", "te: trailers|x: 1")]
    [InlineData("Cookie: a=1; b=2;c=3; d\r\n", "!cookie: a=1|!cookie: b=2;c=3|!cookie: d")]
    [InlineData("Cookie: a=1;  b=2\r\n", "!cookie: a=1;  b=2")]
    [InlineData("Cookie: a=1; ; b=2\r\n", "!cookie: a=1; ; b=2")]
    [InlineData("Cookie: a=1; b=2; \r\n", "!cookie: a=1|!cookie: b=2;")]
    [InlineData("Content-Length: 5\r\n", "content-length: 5")]
    [InlineData("Expect: 100-continue\r\nTrailer: x\r\n", "expect: 100-continue|trailer: x")]
    public void WriteRequest_LinesOfHttp1_AreThoseOfHttp2(string lines, string expected)
    {
        var fields = Heads.Request("GET / HTTP/1.1\r\nHost: a\r\n" + lines + "\r\n", Http1Repairs.Response).Fields;
        Assert.Equal(expected, string.Join('|', Write(fields).Skip(4)));
    }

    [Fact]
    public void WriteRequest_LinesOfHttp2_GoOnAsTheyCame()
    {
        string[] list = [":method: GET", ":authority: a", ":scheme: https", ":path: /p", "host: a", "cookie: a=0123456789012345678; b=1", "!cookie: c", "te: trailers", "!x-secret: s", "x: 1", "x: 1"];
        var (error, fields, line, _) = Http2HeadReaderTests.Request(list);
        Assert.Equal(default, error);
        Assert.Equal(list, Write(fields, line.PseudoOrder, keepsHost: true));
        Assert.Equal(list.Where(x => x != "host: a"), Write(fields, line.PseudoOrder, keepsHost: false));
    }

    [Fact]
    public void WriteRequest_LinesAnInterceptorWrote_AreLowerCaseToo()
    {
        var (_, fields, _, _) = Http2HeadReaderTests.Request([":method: GET", ":authority: a", ":scheme: https", ":path: /p", "x-a: 1", "!x-b: 2"]);
        fields.Set("X-B", "changed");
        fields.Add("X-New", "n");
        fields.Add("Cookie", "a=1; b=2");
        fields.Add("Connection", "close");
        Assert.Equal(["x-a: 1", "!x-b: changed", "x-new: n", "!cookie: a=1", "!cookie: b=2"], Write(fields).Skip(4));
    }

    [Fact]
    public void WriteResponse_LineHttp2CannotCarry_IsLeftOutAndCounted()
    {
        var fields = Heads.Response("HTTP/1.1 200 OK\r\nX y: 1\r\nSet-Cookie: a=1; Path=/\r\nSet-Cookie: b=2; Path=/\r\nX: 2\r\n\r\n").Fields;
        Assert.Equal(4, fields.Count);
        var (writer, destination) = (new Http2HeadWriter(new()), new byte[Http2HeadWriter.Bound(fields)]);
        var block = destination.AsSpan(0, writer.WriteResponse(destination, 204, fields, HopByHop.Read(fields)));
        Assert.Equal([":status: 204", "set-cookie: a=1; Path=/", "set-cookie: b=2; Path=/", "x: 2"], Blocks.Decode(new(), block).Fields);
        Assert.Equal(1, writer.Dropped);
    }

    [Fact]
    public void WriteTrailers_FramingAndRouting_IsLeftOut()
    {
        var fields = new FieldSection();
        Assert.False(Http1HeadReader.ReadTrailers("X-Sum: 1\r\nContent-Length: 5\r\nHost: a\r\nTransfer-Encoding: x\r\nConnection: y\r\n\r\n"u8, Http1Limits.Default, default, fields, out _).IsError);
        var (writer, destination) = (new Http2HeadWriter(new()), new byte[Http2HeadWriter.Bound(fields)]);
        Assert.Equal(["x-sum: 1"], Blocks.Decode(new(), destination.AsSpan(0, writer.WriteTrailers(destination, fields))).Fields);
    }

    [Fact]
    public void WriteTrailers_NothingLeft_WritesNothingAndKeepsTheSizeUpdate()
    {
        var fields = new FieldSection();
        Http1HeadReader.ReadTrailers("Host: a\r\n\r\n"u8, Http1Limits.Default, default, fields, out _);
        var writer = new Http2HeadWriter(new());
        writer.Encoder.SetPeerMaxTableOctets(0);
        var destination = new byte[1000];
        Assert.Equal(0, writer.WriteTrailers(destination, fields));
        Assert.Equal("2088", Blocks.Hex(destination.AsSpan(0, writer.WriteResponse(destination, 200, new(), default))));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(3)]
    public void Bound_ManyCookiesOfOneOctet_IsEnough(int length)
    {
        var fields = new FieldSection();
        for (var count = 1; count < 200; count += 13)
        {
            fields.Clear();
            fields.AddUnlogged("Cookie"u8, Heads.Octets(string.Join("; ", Enumerable.Repeat(new string('^', length), count))));
            Assert.NotEmpty(Write(fields)); // the destination has exactly the bound
        }
    }

    private static List<string> Write(FieldSection fields, string order = "", string method = "GET", string protocol = "", bool keepsHost = false)
    {
        var parts = new Http2RequestParts
        {
            Method = Heads.Octets(method),
            IsSecure = true,
            Authority = "a"u8,
            Path = "/p"u8,
            Protocol = Heads.Octets(protocol),
            Order = order,
            KeepsHost = keepsHost,
        };
        var destination = new byte[Http2HeadWriter.Bound(parts, fields)];
        var (error, list) = Blocks.Decode(new(), destination.AsSpan(0, new Http2HeadWriter(new()).WriteRequest(destination, parts, fields, HopByHop.Read(fields))));
        Assert.Equal(HpackError.None, error);
        return list;
    }
}
