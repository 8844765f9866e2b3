using System.Text;
using RelayCore.Core.Messages;
using RelayCore.Protocols.Http1;
using RelayCore.Protocols.Http2;
using RelayCore.Protocols.Http2.Hpack;
using Xunit;

namespace RelayCore.Engine.Tests.Messages;

/// <summary>Heads of either version as interceptors see and leave them, written for either version.</summary>
public sealed class HeadTranslationTests
{
    [Fact]
    public void Load_Http2Request_IsWhatInterceptorsKnow()
    {
        var request = Http2([":method: POST", ":scheme: https", ":authority: a.example:8443", ":path: /p?q", "x: 1"]);
        Assert.Equal(("POST", "/p?q", 2, 1, "m,s,a,p", RequestTargetForm.Absolute), (request.Method, request.Path, request.MajorVersion, request.MinorVersion, request.PseudoOrder, request.TargetForm));
        Assert.Equal(("a.example:8443", true, ""), (Text(request.AuthorityOctets), request.HasAuthority, Text(request.ProtocolOctets)));
    }

    [Fact]
    public void Load_Http1AfterHttp2_ForgetsTheOther()
    {
        var request = Http2([":method: CONNECT", ":protocol: websocket", ":scheme: https", ":authority: a", ":path: /p"]);
        Assert.Equal("websocket", Text(request.ProtocolOctets));
        Load(request, "GET /q HTTP/1.0\r\n\r\n");
        Assert.Equal((1, 0, "", false, "", "", "/q"),
            (request.MajorVersion, request.MinorVersion, request.PseudoOrder, request.HasAuthority, Text(request.AuthorityOctets), Text(request.ProtocolOctets), request.Path));
    }

    [Theory]
    [InlineData(":method: GET|:authority: a|:scheme: https|:path: /p|x: 1")]
    [InlineData(":method: GET|:authority: a|:scheme: https|:path: /p|host: a|cookie: a=0123456789012345678|cookie: b=0123456789012345678")]
    [InlineData(":method: OPTIONS|:scheme: https|:authority: a|:path: *")]
    [InlineData(":method: CONNECT|:authority: a:443|x: 1")]
    [InlineData(":method: CONNECT|:protocol: websocket|:scheme: https|:authority: a|:path: /p|sec-websocket-version: 13")]
    public void WriteHttp2Request_UntouchedHttp2_IsAsItCame(string list) => Assert.Equal(list, string.Join('|', Http2(Http2(list.Split('|')))));

    [Fact]
    public void WriteHttp2Request_HostInsteadOfAuthority_BecomesTheAuthority() =>
        Assert.Equal([":method: GET", ":scheme: https", ":path: /p", ":authority: b", "x: 1"], Http2(Http2([":method: GET", ":scheme: https", ":path: /p", "host: b", "x: 1"])));

    [Fact]
    public void WriteHttp2Request_EditedByAnInterceptor_HasTheEdits()
    {
        var request = Http2([":method: GET", ":path: /p", ":scheme: https", ":authority: a", "host: a", "x: 1"]);
        request.Method = "PUT";
        request.Url = "http://other.example:81/new?x";
        Assert.Equal([":method: PUT", ":path: /new?x", ":scheme: http", ":authority: other.example:81", "x: 1"], Http2(request));
    }

    [Fact]
    public void WriteHttp2Request_RedirectedWithoutHost_KeepsTheAuthority()
    {
        var request = Http2([":method: GET", ":scheme: https", ":authority: a", ":path: /p"]);
        request.Redirect(new(false, "127.0.0.1", 8080));
        Assert.Equal([":method: GET", ":scheme: http", ":authority: a", ":path: /p"], Http2(request));
    }

    [Theory]
    [InlineData("GET /p?q HTTP/1.1\r\nHost: b:81\r\nAccept: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n", ":method: GET|:scheme: https|:authority: b:81|:path: /p?q|accept: x")]
    [InlineData("OPTIONS * HTTP/1.1\r\nHost: b\r\n\r\n", ":method: OPTIONS|:scheme: https|:authority: b|:path: *")]
    [InlineData("CONNECT c:443 HTTP/1.1\r\nHost: c:443\r\n\r\n", ":method: CONNECT|:authority: c:443")]
    [InlineData("GET /p HTTP/1.0\r\n\r\n", ":method: GET|:scheme: https|:authority: origin.example|:path: /p")]
    public void WriteHttp2Request_OfHttp1_HasPseudoFields(string head, string expected)
    {
        var request = new RequestHead();
        Load(request, head);
        Assert.Equal(expected, string.Join('|', Http2(request)));
    }

    [Fact]
    public void WriteHttp1Response_OfHttp2_HasTheRegisteredReason()
    {
        var response = new ResponseHead();
        var error = new Http2HeadReader().ReadResponse(Block([":status: 404", "x: 1", "content-length: 3"]), response.Fields, out var line);
        response.Load(line);
        Assert.Equal((default, 404, 2, 3), (error, response.Status, response.MajorVersion, line.ContentLength));
        var destination = new byte[response.Http1Bound()];
        Assert.Equal("HTTP/1.1 404 Not Found\r\nx: 1\r\ncontent-length: 3\r\nConnection: close\r\n\r\n",
            Text(destination.AsSpan(0, response.WriteHttp1Response(destination, default, ConnectionOptions.Close, isChunked: false, 1))));
        response.Status = 418;
        Assert.StartsWith("HTTP/1.0 418 \r\n", Text(destination.AsSpan(0, response.WriteHttp1Response(destination, default, ConnectionOptions.None, isChunked: false, 0))), StringComparison.Ordinal);
    }

    [Fact]
    public void WriteHttp2Response_OfHttp1_HasStatusAndLowerCaseNames()
    {
        var response = new ResponseHead();
        Http1HeadReader.ReadResponse("HTTP/1.1 200 Fine\r\nContent-Type: a\r\nKeep-Alive: 5\r\nConnection: keep-alive\r\n\r\n"u8, Http1Limits.Default, default, response.Fields, out var line, out _);
        response.Load(line);
        var writer = new Http2HeadWriter(new());
        var destination = new byte[Http2HeadWriter.Bound(response.Fields)];
        Assert.Equal([":status: 200", "content-type: a"], Decode(destination.AsSpan(0, writer.WriteHttp2Response(destination, response, HopByHop.Read(response.Fields)))));
    }

    private static RequestHead Http2(string[] list)
    {
        var request = new RequestHead();
        var error = new Http2HeadReader { AllowsExtendedConnect = true }.ReadRequest(Block(list), request.Fields, out var line);
        Assert.Equal(default, error);
        request.Load(line);
        request.Load(new Core.Connections.Origin(true, "origin.example", 443));
        return request;
    }

    private static void Load(RequestHead request, string head)
    {
        var octets = Encoding.Latin1.GetBytes(head);
        Assert.False(Http1HeadReader.ReadRequest(octets, Http1Limits.Default, default, request.Fields, out var line, out _).IsError);
        Assert.True(RequestTarget.TryRead(octets.AsSpan(line.TargetStart, line.TargetLength), octets.AsSpan(0, line.MethodLength), out var target));
        request.Load(line, target);
        request.Load(new Core.Connections.Origin(true, "origin.example", 443));
    }

    private static List<string> Http2(RequestHead request)
    {
        var destination = new byte[request.Http2Bound()];
        return Decode(destination.AsSpan(0, new Http2HeadWriter(new()).WriteHttp2Request(destination, request, HopByHop.Read(request.Fields))));
    }

    private static byte[] Block(string[] list)
    {
        var (encoder, block) = (new HpackEncoder(), new List<byte>());
        foreach (var field in list)
        {
            var colon = field.IndexOf(": ", 1, StringComparison.Ordinal);
            var destination = new byte[HpackEncoder.Bound(field.Length, field.Length)];
            var length = encoder.Encode(destination, Encoding.Latin1.GetBytes(field[..colon]), Encoding.Latin1.GetBytes(field[(colon + 2)..]), false);
            block.AddRange(destination.AsSpan(0, length));
        }

        return [.. block];
    }

    private static List<string> Decode(ReadOnlySpan<byte> block)
    {
        var sink = new Lines([]);
        Assert.Equal(HpackError.None, new HpackDecoder().Decode(block, ref sink));
        return sink.Fields;
    }

    private static string Text(ReadOnlySpan<byte> octets) => Encoding.Latin1.GetString(octets);

    private readonly struct Lines(List<string> fields) : IHpackSink
    {
        public List<string> Fields { get; } = fields;

        public void Field(scoped ReadOnlySpan<byte> name, scoped ReadOnlySpan<byte> value, bool neverIndexed, ref byte note) => Fields.Add($"{Text(name)}: {Text(value)}");
    }
}
