using System.Text;
using RelayCore.Protocols.Fields;
using RelayCore.Protocols.Http1;
using RelayCore.Protocols.Http2;
using RelayCore.Protocols.Http2.Hpack;
using RelayCore.Protocols.Tests.Http2.Hpack;
using Xunit;

namespace RelayCore.Protocols.Tests.Http2;

public sealed class Http2HeadReaderTests
{
    private static readonly string[] s_get = [":method: GET", ":scheme: https", ":authority: a.example", ":path: /p?q"];

    [Theory]
    [InlineData(":method: GET|:scheme: https|:authority: a.example|:path: /p?q|accept: */*|x: 1|x: 2", "GET https://a.example/p?q HTTP/2.0\r\naccept: */*\r\nx: 1\r\nx: 2\r\n\r\n", RequestTargetForm.Absolute, "m,s,a,p")]
    [InlineData(":path: /|:authority: a:8080|:scheme: http|:method: POST", "POST http://a:8080/ HTTP/2.0\r\n\r\n", RequestTargetForm.Absolute, "p,a,s,m")]
    [InlineData(":method: GET|:path: /|:scheme: https|host: b", "GET / HTTP/2.0\r\nhost: b\r\n\r\n", RequestTargetForm.Origin, "m,p,s")]
    [InlineData(":method: OPTIONS|:scheme: https|:authority: a.example|:path: *", "OPTIONS * HTTP/2.0\r\n\r\n", RequestTargetForm.Asterisk, "m,s,a,p")]
    [InlineData(":method: CONNECT|:authority: a.example:443", "CONNECT a.example:443 HTTP/2.0\r\n\r\n", RequestTargetForm.Authority, "m,a")]
    [InlineData(":method: CONNECT|:protocol: websocket|:scheme: https|:path: /chat|:authority: a", "CONNECT https://a/chat HTTP/2.0\r\n\r\n", RequestTargetForm.Absolute, "m,o,s,p,a")]
    [InlineData(":method: GET|:scheme: HTTPS|:authority: [::1]:8443|:path: /|host: [::1]:8443", "GET HTTPS://[::1]:8443/ HTTP/2.0\r\nhost: [::1]:8443\r\n\r\n", RequestTargetForm.Absolute, "m,s,a,p")]
    [InlineData(":method: GET|:scheme: https|:authority: A.example:443|:path: /|host: a.example", "GET https://A.example:443/ HTTP/2.0\r\nhost: a.example\r\n\r\n", RequestTargetForm.Absolute, "m,s,a,p")]
    public void ReadRequest_WellFormed_IsAHeadOfLines(string list, string head, RequestTargetForm form, string order)
    {
        var (error, fields, line, _) = Request(list.Split('|'));
        Assert.Equal(default, error);
        Assert.Equal((head, form, order), (Http1.Heads.Text(fields.Received), line.Form, line.PseudoOrder));
        string Value(string name) => list.Split('|').FirstOrDefault(x => x.StartsWith(name + ": ", StringComparison.Ordinal))?[(name.Length + 2)..] ?? "";
        Assert.Equal(
            (Value(":method"), Value(":authority") is "" ? Value("host") : Value(":authority"), Value(":path"), Value(":protocol")),
            (Http1.Heads.Text(fields.Octets(0, line.MethodLength)), Http1.Heads.Text(fields.Octets(line.AuthorityStart, line.AuthorityLength)),
                Http1.Heads.Text(fields.Octets(line.PathStart, line.PathLength)), Http1.Heads.Text(fields.Octets(line.ProtocolStart, line.ProtocolLength))));
        Assert.Equal((Value(":scheme").Length == 5, Value(":authority").Length > 0), (line.IsSecure, line.HasAuthority));
    }

    [Theory]
    [InlineData("X-Upper: 1", Http2FieldFault.UpperCaseFieldName, "RFC 9113 §8.2.1")]
    [InlineData(": 1", Http2FieldFault.InvalidFieldName, "RFC 9113 §8.2.1")]
    [InlineData("a b: 1", Http2FieldFault.InvalidFieldName, "RFC 9113 §8.2.1")]
    [InlineData("a\u00e9: 1", Http2FieldFault.InvalidFieldName, "RFC 9113 §8.2.1")]
    [InlineData("a\u0000: 1", Http2FieldFault.InvalidFieldName, "RFC 9113 §8.2.1")]
    [InlineData("x: a\u0000b", Http2FieldFault.InvalidFieldValue, "RFC 9113 §8.2.1")]
    [InlineData("x: a\rb", Http2FieldFault.InvalidFieldValue, "RFC 9113 §8.2.1")]
    [InlineData("x: a\nb: c", Http2FieldFault.InvalidFieldValue, "RFC 9113 §8.2.1")]
    [InlineData("x: a\u0001b", Http2FieldFault.InvalidFieldValue, "RFC 9113 §8.2.1")]
    [InlineData("x:  a", Http2FieldFault.SpaceAroundValue, "RFC 9113 §8.2.1")]
    [InlineData("x: a\t", Http2FieldFault.SpaceAroundValue, "RFC 9113 §8.2.1")]
    [InlineData("x:  ", Http2FieldFault.SpaceAroundValue, "RFC 9113 §8.2.1")]
    [InlineData("connection: close", Http2FieldFault.ConnectionSpecificField, "RFC 9113 §8.2.2")]
    [InlineData("proxy-connection: keep-alive", Http2FieldFault.ConnectionSpecificField, "RFC 9113 §8.2.2")]
    [InlineData("keep-alive: timeout=1", Http2FieldFault.ConnectionSpecificField, "RFC 9113 §8.2.2")]
    [InlineData("transfer-encoding: chunked", Http2FieldFault.ConnectionSpecificField, "RFC 9113 §8.2.2")]
    [InlineData("upgrade: h2c", Http2FieldFault.ConnectionSpecificField, "RFC 9113 §8.2.2")]
    [InlineData("te: gzip", Http2FieldFault.InvalidTE, "RFC 9113 §8.2.2")]
    [InlineData("te: trailers, gzip", Http2FieldFault.InvalidTE, "RFC 9113 §8.2.2")]
    [InlineData(":path: /", Http2FieldFault.DuplicatePseudoField, "RFC 9113 §8.3")]
    [InlineData(":status: 200", Http2FieldFault.UnknownPseudoField, "RFC 9113 §8.3")]
    [InlineData(":other: 1", Http2FieldFault.UnknownPseudoField, "RFC 9113 §8.3")]
    [InlineData(":Method: GET", Http2FieldFault.UnknownPseudoField, "RFC 9113 §8.3")]
    [InlineData("host: b.example", Http2FieldFault.HostMismatch, "RFC 9113 §8.3.1")]
    [InlineData("host: a.example:80", Http2FieldFault.HostMismatch, "RFC 9113 §8.3.1")]
    [InlineData("host: ", Http2FieldFault.HostMismatch, "RFC 9113 §8.3.1")]
    [InlineData("content-length: ", Http2FieldFault.InvalidContentLength, "RFC 9113 §8.1.1, RFC 9110 §8.6")]
    [InlineData("content-length: +1", Http2FieldFault.InvalidContentLength, "RFC 9113 §8.1.1, RFC 9110 §8.6")]
    [InlineData("content-length: 1, 1", Http2FieldFault.InvalidContentLength, "RFC 9113 §8.1.1, RFC 9110 §8.6")]
    [InlineData("content-length: 9223372036854775808", Http2FieldFault.InvalidContentLength, "RFC 9113 §8.1.1, RFC 9110 §8.6")]
    public void ReadRequest_MalformedField_NamesTheFaultAndKeepsTheTable(string field, Http2FieldFault fault, string clause)
    {
        var (encoder, reader) = (new HpackEncoder(), new Http2HeadReader());
        for (var round = 0; round < 3; round++)
        {
            var (error, _, _, _) = Request([.. s_get, field, "y-later: " + round], reader, encoder);
            Assert.Equal((fault, fault == Http2FieldFault.HostMismatch ? -1 : 4, clause, false), (error.Fault, error.Field, error.Clause, error.IsConnectionError));
            Assert.Equal((encoder.TableCount, encoder.TableOctets), (reader.Decoder.TableCount, reader.Decoder.TableOctets));
            var (next, fields, _, _) = Request([.. s_get, "y-later: " + round], reader, encoder);
            Assert.Equal((default, "GET https://a.example/p?q HTTP/2.0\r\ny-later: " + round + "\r\n\r\n"), (next, Http1.Heads.Text(fields.Received)));
        }
    }

    [Theory]
    [InlineData(":scheme: https|:authority: a|:path: /", Http2FieldFault.MissingMethod)]
    [InlineData(":method: GET|:authority: a|:path: /", Http2FieldFault.MissingScheme)]
    [InlineData(":method: GET|:scheme: https|:authority: a", Http2FieldFault.MissingPath)]
    [InlineData(":method: GET|:scheme: https|:authority: a|x: 1", Http2FieldFault.MissingPath)]
    [InlineData(":method: GET|:scheme: https|:path: /", Http2FieldFault.MissingAuthority)]
    [InlineData("x: 1", Http2FieldFault.MissingMethod)]
    [InlineData("", Http2FieldFault.MissingMethod)]
    [InlineData(":method: GET|:scheme: https|x: 1|:path: /|:authority: a", Http2FieldFault.LatePseudoField)]
    [InlineData(":method: GET|:scheme: https|:path: |:authority: a", Http2FieldFault.InvalidPath)]
    [InlineData(":method: GET|:scheme: https|:path: p|:authority: a", Http2FieldFault.InvalidPath)]
    [InlineData(":method: GET|:scheme: https|:path: *|:authority: a", Http2FieldFault.InvalidPath)]
    [InlineData(":method: GET|:scheme: https|:path: /a b|:authority: a", Http2FieldFault.InvalidPath)]
    [InlineData(":method: GET|:scheme: https|:path: /a#b|:authority: a", Http2FieldFault.InvalidPath)]
    [InlineData(":method: GET|:scheme: https|:path: /a\r\nx: 1|:authority: a", Http2FieldFault.InvalidPath)]
    [InlineData(":method: GET / HTTP/1.1|:scheme: https|:path: /|:authority: a", Http2FieldFault.InvalidMethod)]
    [InlineData(":method: |:scheme: https|:path: /|:authority: a", Http2FieldFault.InvalidMethod)]
    [InlineData(":method: GET|:scheme: ftp|:path: /|:authority: a", Http2FieldFault.UnsupportedScheme)]
    [InlineData(":method: GET|:scheme: https://x|:path: /|:authority: a", Http2FieldFault.UnsupportedScheme)]
    [InlineData(":method: GET|:scheme: https|:path: /|:authority: ", Http2FieldFault.InvalidAuthority)]
    [InlineData(":method: GET|:scheme: https|:path: /|:authority: a/b", Http2FieldFault.InvalidAuthority)]
    [InlineData(":method: GET|:scheme: https|:path: /|:authority: a:0", Http2FieldFault.InvalidAuthority)]
    [InlineData(":method: GET|:scheme: https|:path: /|:authority: u:p@a", Http2FieldFault.UserInfoInAuthority)]
    [InlineData(":method: GET|:scheme: https|:path: /|host: a@b", Http2FieldFault.UserInfoInAuthority)]
    [InlineData(":method: GET|:scheme: https|:path: /|host: ", Http2FieldFault.InvalidAuthority)]
    [InlineData(":method: GET|:scheme: https|:path: /|host: a|host: a", Http2FieldFault.DuplicateHost)]
    [InlineData(":method: GET|:scheme: https|:path: /|:authority: a|content-length: 1|content-length: 1", Http2FieldFault.DuplicateContentLength)]
    [InlineData(":method: CONNECT|:scheme: https|:authority: a:443", Http2FieldFault.ConnectWithSchemeOrPath)]
    [InlineData(":method: CONNECT|:path: /|:authority: a:443", Http2FieldFault.ConnectWithSchemeOrPath)]
    [InlineData(":method: CONNECT", Http2FieldFault.MissingAuthority)]
    [InlineData(":method: CONNECT|host: a:443", Http2FieldFault.MissingAuthority)]
    [InlineData(":method: CONNECT|:authority: a", Http2FieldFault.InvalidAuthority)]
    [InlineData(":method: GET|:protocol: websocket|:scheme: https|:path: /|:authority: a", Http2FieldFault.UnexpectedProtocol)]
    [InlineData(":method: CONNECT|:protocol: websocket|:path: /|:authority: a", Http2FieldFault.MissingScheme)]
    [InlineData(":method: CONNECT|:protocol: websocket|:scheme: https|:path: /|host: a", Http2FieldFault.MissingAuthority)]
    public void ReadRequest_MalformedPseudoFields_NamesTheFault(string list, Http2FieldFault fault)
    {
        var (error, fields, _, _) = Request(list.Length == 0 ? [] : list.Split('|'));
        Assert.Equal((fault, false), (error.Fault, error.IsConnectionError));
        Assert.EndsWith("\r\n\r\n", Http1.Heads.Text(fields.Received), StringComparison.Ordinal); // for the record
    }

    [Fact]
    public void ReadRequest_ProtocolThatWasNotOffered_IsRefused()
    {
        var reader = new Http2HeadReader { AllowsExtendedConnect = false };
        string[] list = [":method: CONNECT", ":protocol: websocket", ":scheme: https", ":path: /", ":authority: a"];
        Assert.Equal((Http2FieldFault.UnexpectedProtocol, "RFC 8441 §4"), (Request(list, reader).Error.Fault, Request(list, reader).Error.Clause));
    }

    [Fact]
    public void ReadRequest_LineNeverIndexed_IsRemembered()
    {
        var (error, fields, _, _) = Request([.. s_get, "!x-secret: 1", "x-open: 2", "authorization: Basic x"]);
        Assert.Equal((default, true, false, true), (error, fields.IsNeverIndexed(0), fields.IsNeverIndexed(1), fields.IsNeverIndexed(2)));
        fields.SetValue(0, "2");
        Assert.True(fields.IsNeverIndexed(0));
    }

    [Fact]
    public void ReadRequest_KnownFieldFromTheTable_IsKnownAgain()
    {
        var (encoder, reader) = (new HpackEncoder(), new Http2HeadReader());
        string[] list = [.. s_get, "content-type: text/plain", "te: trailers", "content-length: 77", "x-other: 1"];
        for (var round = 0; round < 4; round++)
        {
            var (error, fields, line, _) = Request(list, reader, encoder);
            Assert.Equal((default, 77, KnownField.ContentType, KnownField.TE, KnownField.ContentLength, KnownField.None),
                (error, line.ContentLength, fields.Known(0), fields.Known(1), fields.Known(2), fields.Known(3)));
        }

        // A rule about the message holds for a field that was seen before, too.
        Assert.Equal(Http2FieldFault.DuplicateContentLength, Request([.. list, "content-length: 77"], reader, encoder).Error.Fault);
    }

    [Fact]
    public void ReadRequest_TooMuch_IsAFaultOfItsOwn()
    {
        var (encoder, reader) = (new HpackEncoder(), new Http2HeadReader(maxListOctets: 500, maxFields: 5));
        var many = Request([.. s_get, .. Enumerable.Range(0, 6).Select(x => $"{(char)('a' + x)}: 1")], reader, encoder);
        Assert.Equal((Http2FieldFault.TooManyFields, true), (many.Error.Fault, many.Error.IsTooLarge));
        var large = Request([.. s_get, "x: " + new string('x', 500)], reader, encoder);
        Assert.Equal((Http2FieldFault.ListTooLarge, true, false), (large.Error.Fault, large.Error.IsTooLarge, large.Error.IsConnectionError));
        Assert.Equal(default, Request(s_get, reader, encoder).Error);
    }

    [Fact]
    public void ReadRequest_UndecodableBlock_IsAnErrorOfTheConnection()
    {
        var error = new Http2HeadReader().ReadRequest([0x82, 0xFF, 0xFF], new(), out _);
        Assert.Equal((Http2FieldFault.Compression, true, HpackError.Truncated), (error.Fault, error.IsConnectionError, error.Compression));
        Assert.Equal(Http2FieldFault.Compression, new Http2HeadReader().Discard([0x80]).Fault);
    }

    [Theory]
    [InlineData(":status: 200|x: 1", Http2FieldFault.None, "HTTP/2.0 200 \r\nx: 1\r\n\r\n", 200)]
    [InlineData(":status: 103", Http2FieldFault.None, "HTTP/2.0 103 \r\n\r\n", 103)]
    [InlineData(":status: 200|x: a\u0001b", Http2FieldFault.None, "HTTP/2.0 200 \r\nx: a\u0001b\r\n\r\n", 200)]
    [InlineData(":status: 101", Http2FieldFault.InvalidStatus, null, 0)]
    [InlineData(":status: 20", Http2FieldFault.InvalidStatus, null, 0)]
    [InlineData(":status: 099", Http2FieldFault.InvalidStatus, null, 0)]
    [InlineData(":status: 2000", Http2FieldFault.InvalidStatus, null, 0)]
    [InlineData("x: 1", Http2FieldFault.MissingStatus, null, 0)]
    [InlineData(":status: 200|:status: 200", Http2FieldFault.DuplicatePseudoField, null, 200)]
    [InlineData(":status: 200|:path: /", Http2FieldFault.UnknownPseudoField, null, 200)]
    [InlineData(":status: 200|x: 1|:status: 200", Http2FieldFault.DuplicatePseudoField, null, 200)]
    [InlineData("x: 1|:status: 200", Http2FieldFault.LatePseudoField, null, 0)]
    [InlineData(":status: 200|x: a\rb", Http2FieldFault.InvalidFieldValue, null, 200)]
    [InlineData(":status: 200|transfer-encoding: chunked", Http2FieldFault.ConnectionSpecificField, null, 200)]
    [InlineData(":status: 200|te: trailers", Http2FieldFault.ConnectionSpecificField, null, 200)]
    [InlineData(":status: 200|content-length: x", Http2FieldFault.InvalidContentLength, null, 200)]
    public void ReadResponse_List_IsAHeadOrAFault(string list, Http2FieldFault fault, string? head, int status)
    {
        var fields = new FieldSection();
        var error = new Http2HeadReader().ReadResponse(Blocks.Encode(new(), list.Split('|')), fields, out var line);
        Assert.Equal((fault, status), (error.Fault, line.Status));
        Assert.True(head is null || head == Http1.Heads.Text(fields.Received), Http1.Heads.Text(fields.Received));
    }

    [Theory]
    [InlineData("grpc-status: 0|grpc-message: ", Http2FieldFault.None)]
    [InlineData(":status: 200", Http2FieldFault.PseudoFieldInTrailers)]
    [InlineData("x: 1|:path: /", Http2FieldFault.PseudoFieldInTrailers)]
    [InlineData("connection: x", Http2FieldFault.ConnectionSpecificField)]
    [InlineData("X: 1", Http2FieldFault.UpperCaseFieldName)]
    public void ReadTrailers_List_IsLinesOrAFault(string list, Http2FieldFault fault)
    {
        var fields = new FieldSection();
        var error = new Http2HeadReader().ReadTrailers(Blocks.Encode(new(), list.Split('|')), fields);
        Assert.Equal(fault, error.Fault);
        Assert.True(error.IsError || Http1.Heads.Text(fields.Received) == list.Replace("|", "\r\n", StringComparison.Ordinal) + "\r\n\r\n");
    }

    [Fact]
    public void ReadRequest_EntryThatATrailerMade_IsCheckedLikeAnyOther()
    {
        var (encoder, reader) = (new HpackEncoder(), new Http2HeadReader());
        Assert.Equal(default, reader.ReadTrailers(Blocks.Encode(encoder, "user-agent: a\u0001b"), new()));
        Assert.Equal(Http2FieldFault.InvalidFieldValue, Request([.. s_get, "user-agent: a\u0001b"], reader, encoder).Error.Fault);
    }

    [Fact]
    public void ReadRequest_EveryOctetInNameAndValue_IsTakenAsTheRfcSays()
    {
        for (var octet = 0; octet < 256; octet++)
        {
            var character = (char)octet;
            var isName = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz".Contains(character, StringComparison.Ordinal);
            var block = Block([.. s_get.Select(Split), ($"x{character}", "1")]);
            Assert.True(new Http2HeadReader().ReadRequest(block, new(), out _).IsError != isName, $"name {octet:x2}");
            var isValue = octet is '\t' or >= ' ' and not 0x7F;
            block = Block([.. s_get.Select(Split), ("x", $"a{character}b")]);
            Assert.True(new Http2HeadReader().ReadRequest(block, new(), out _).IsError != isValue, $"value {octet:x2}");
        }
    }

    private static (string Name, string Value) Split(string field) =>
        field.IndexOf(": ", 1, StringComparison.Ordinal) is var colon ? (field[..colon], field[(colon + 2)..]) : default;

    private static byte[] Block(IEnumerable<(string Name, string Value)> fields)
    {
        var (encoder, block) = (new HpackEncoder(), new List<byte>());
        foreach (var (name, value) in fields)
        {
            var destination = new byte[HpackEncoder.Bound(name.Length, value.Length)];
            block.AddRange(destination.AsSpan(0, encoder.Encode(destination, Encoding.Latin1.GetBytes(name), Encoding.Latin1.GetBytes(value), false)));
        }

        return [.. block];
    }

    internal static (Http2FieldError Error, FieldSection Fields, Http2RequestLine Line, Http2HeadReader Reader) Request(
        IEnumerable<string> list, Http2HeadReader? reader = null, HpackEncoder? encoder = null)
    {
        reader ??= new() { AllowsExtendedConnect = true };
        var fields = new FieldSection();
        var error = reader.ReadRequest(Blocks.Encode(encoder ?? new(), list), fields, out var line);
        return (error, fields, line, reader);
    }
}
