using RelayCore.Protocols.Http1;
using Xunit;

namespace RelayCore.Protocols.Tests.Http1;

/// <summary>One row per refusal, with the clause that it enforces.</summary>
public sealed class RefusalTests
{
    private const string Get = "GET / HTTP/1.1\r\nHost: a\r\n";
    private const string Post = "POST / HTTP/1.1\r\nHost: a\r\n";
    private const string Ok = "HTTP/1.1 200 OK\r\n";

    private static readonly Http1Limits s_small = new() { MaxHeadOctets = 200, MaxLineOctets = 100, MaxFields = 3 };

    public static TheoryData<string, string, Http1Fault> StrictRequests => new()
    {
        { "RFC 9112 §3 no version (HTTP/0.9)", "GET /\r\n\r\n", Http1Fault.MalformedRequestLine },
        { "RFC 9112 §3 method alone", "GET\r\n\r\n", Http1Fault.MalformedRequestLine },
        { "RFC 9112 §3 two spaces", "GET  / HTTP/1.1\r\nHost: a\r\n\r\n", Http1Fault.MalformedRequestLine },
        { "RFC 9112 §3 space behind", "GET / HTTP/1.1 \r\nHost: a\r\n\r\n", Http1Fault.MalformedRequestLine },
        { "RFC 9112 §3.2 space in the target", "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", Http1Fault.MalformedRequestLine },
        { "RFC 9112 §2.3 version in lower case", "GET / http/1.1\r\nHost: a\r\n\r\n", Http1Fault.MalformedRequestLine },
        { "RFC 9112 §2.3 version of two digits", "GET / HTTP/1.10\r\nHost: a\r\n\r\n", Http1Fault.MalformedRequestLine },
        { "RFC 9112 §2.2 CR CR LF", "GET / HTTP/1.1\r\r\nHost: a\r\n\r\n", Http1Fault.MalformedRequestLine },
        { "RFC 9110 §9.1 HTAB for SP", "GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n", Http1Fault.InvalidMethod },
        { "RFC 9110 §9.1 no method", " / HTTP/1.1\r\nHost: a\r\n\r\n", Http1Fault.InvalidMethod },
        { "RFC 9110 §9.1 method with a colon", "GET: / HTTP/1.1\r\nHost: a\r\n\r\n", Http1Fault.InvalidMethod },
        { "RFC 9112 §3.2 control in the target", "GET /\u0001 HTTP/1.1\r\nHost: a\r\n\r\n", Http1Fault.InvalidTarget },
        { "RFC 9112 §3.2 CR in the target", "GET /\r HTTP/1.1\r\nHost: a\r\n\r\n", Http1Fault.InvalidTarget },
        { "RFC 9112 §3.2 HTAB in the target", "GET /\t HTTP/1.1\r\nHost: a\r\n\r\n", Http1Fault.InvalidTarget },
        { "RFC 9112 §3.2 fragment", "GET /#a HTTP/1.1\r\nHost: a\r\n\r\n", Http1Fault.InvalidTarget },
        { "RFC 9112 §3.2 no form", "GET a HTTP/1.1\r\nHost: a\r\n\r\n", Http1Fault.InvalidTarget },
        { "RFC 9112 §3.2.4 asterisk without OPTIONS", "GET * HTTP/1.1\r\nHost: a\r\n\r\n", Http1Fault.InvalidTarget },
        { "RFC 9110 §9.3.6 CONNECT without port", "CONNECT a HTTP/1.1\r\nHost: a\r\n\r\n", Http1Fault.InvalidTarget },
        { "RFC 9110 §2.5 major version", "GET / HTTP/2.0\r\nHost: a\r\n\r\n", Http1Fault.UnsupportedVersion },
        { "RFC 9110 §2.5 minor version", "GET / HTTP/1.2\r\nHost: a\r\n\r\n", Http1Fault.UnsupportedVersion },
        { "RFC 9112 §2.2 LF ends the request line", "GET / HTTP/1.1\nHost: a\r\n\r\n", Http1Fault.BareLineFeed },
        { "RFC 9112 §2.2 LF ends a field line", Get + "X: a\n\r\n", Http1Fault.BareLineFeed },
        { "RFC 9112 §2.2 LF ends the head", Get + "\n", Http1Fault.BareLineFeed },
        { "RFC 9112 §2.2 CR in a value", Get + "X: a\rTransfer-Encoding: chunked\r\n\r\n", Http1Fault.BareCarriageReturn },
        { "RFC 9112 §2.2 CR CR LF behind a value", Get + "X: a\r\r\n\r\n", Http1Fault.BareCarriageReturn },
        { "RFC 9112 §5.2 folding by SP", Get + "X: a\r\n b\r\n\r\n", Http1Fault.ObsoleteFolding },
        { "RFC 9112 §5.2 folding by HTAB", Get + "Transfer-Encoding:\r\n\tchunked\r\n\r\n", Http1Fault.ObsoleteFolding },
        { "RFC 9112 §5.2 line of white space", Get + " \r\n\r\n", Http1Fault.ObsoleteFolding },
        { "RFC 9112 §5.1 SP before the colon", Post + "Transfer-Encoding : chunked\r\n\r\n", Http1Fault.SpaceBeforeColon },
        { "RFC 9112 §5.1 HTAB before the colon", Post + "Content-Length\t: 1\r\n\r\n", Http1Fault.SpaceBeforeColon },
        { "RFC 9112 §2.2 SP before the first field", "GET / HTTP/1.1\r\n Host: a\r\n\r\n", Http1Fault.SpaceAfterStartLine },
        { "RFC 9112 §5 no colon", Get + "X\r\n\r\n", Http1Fault.InvalidFieldName },
        { "RFC 9112 §5 no name", Get + ": x\r\n\r\n", Http1Fault.InvalidFieldName },
        { "RFC 9110 §5.1 control in a name", Get + "Transfer-Encoding\u000B: chunked\r\n\r\n", Http1Fault.InvalidFieldName },
        { "RFC 9110 §5.1 obs-text in a name", Get + "X\u00A0: a\r\n\r\n", Http1Fault.InvalidFieldName },
        { "RFC 9110 §5.1 SP in a name", Get + "X Y: a\r\n\r\n", Http1Fault.InvalidFieldName },
        { "RFC 9112 §2.2 CR in a name", Get + "X\rY: a\r\n\r\n", Http1Fault.InvalidFieldName },
        { "RFC 9110 §5.5 NUL", Get + "X: a\0b\r\n\r\n", Http1Fault.InvalidFieldValue },
        { "RFC 9110 §5.5 VT", Post + "Transfer-Encoding: \u000Bchunked\r\n\r\n", Http1Fault.InvalidFieldValue },
        { "RFC 9110 §5.5 DEL", Get + "X: \u007F\r\n\r\n", Http1Fault.InvalidFieldValue },
        { "RFC 9110 §8.6 negative", Post + "Content-Length: -1\r\n\r\n", Http1Fault.InvalidContentLength },
        { "RFC 9110 §8.6 sign", Post + "Content-Length: +1\r\n\r\n", Http1Fault.InvalidContentLength },
        { "RFC 9110 §8.6 hexadecimal", Post + "Content-Length: 0x1\r\n\r\n", Http1Fault.InvalidContentLength },
        { "RFC 9110 §8.6 empty", Post + "Content-Length: \r\n\r\n", Http1Fault.InvalidContentLength },
        { "RFC 9110 §8.6 list of one", Post + "Content-Length: 1,\r\n\r\n", Http1Fault.InvalidContentLength },
        { "RFC 9110 §8.6 list of none", Post + "Content-Length: ,\r\n\r\n", Http1Fault.InvalidContentLength },
        { "RFC 9110 §8.6 two numbers", Post + "Content-Length: 1 2\r\n\r\n", Http1Fault.InvalidContentLength },
        { "RFC 9110 §8.6 2^63", Post + "Content-Length: 9223372036854775808\r\n\r\n", Http1Fault.InvalidContentLength },
        { "RFC 9110 §8.6 2^64", Post + "Content-Length: 18446744073709551616\r\n\r\n", Http1Fault.InvalidContentLength },
        { "RFC 9112 §6.3 (5) two that differ", Post + "Content-Length: 1\r\nContent-Length: 2\r\n\r\n", Http1Fault.DuplicateContentLength },
        { "RFC 9112 §6.3 (5) two that agree", Post + "Content-Length: 1\r\nContent-Length: 1\r\n\r\n", Http1Fault.DuplicateContentLength },
        { "RFC 9112 §6.3 (5) a list that agrees", Post + "Content-Length: 1, 1\r\n\r\n", Http1Fault.DuplicateContentLength },
        { "RFC 9112 §6.1 CL.TE", Post + "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n", Http1Fault.LengthAndTransferEncoding },
        { "RFC 9112 §6.1 TE.CL", Post + "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n", Http1Fault.LengthAndTransferEncoding },
        { "RFC 9112 §6.1 TE.CL of zero", Post + "Transfer-Encoding: chunked\r\ncontent-length: 0\r\n\r\n", Http1Fault.LengthAndTransferEncoding },
        { "RFC 9112 §7 unknown coding", Post + "Transfer-Encoding: xchunked\r\n\r\n", Http1Fault.InvalidTransferEncoding },
        { "RFC 9112 §7 identity", Post + "Transfer-Encoding: identity\r\n\r\n", Http1Fault.InvalidTransferEncoding },
        { "RFC 9112 §6.1 empty", Post + "Transfer-Encoding:\r\n\r\n", Http1Fault.InvalidTransferEncoding },
        { "RFC 9112 §6.1 chunked twice", Post + "Transfer-Encoding: chunked, chunked\r\n\r\n", Http1Fault.InvalidTransferEncoding },
        { "RFC 9112 §6.1 TE.TE", Post + "Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n", Http1Fault.InvalidTransferEncoding },
        { "RFC 9112 §6.3 (4) chunked not last", Post + "Transfer-Encoding: chunked, gzip\r\n\r\n", Http1Fault.InvalidTransferEncoding },
        { "RFC 9112 §6.3 (4) chunked missing", Post + "Transfer-Encoding: gzip\r\n\r\n", Http1Fault.InvalidTransferEncoding },
        { "RFC 9112 §7 parameter", Post + "Transfer-Encoding: chunked;x=1\r\n\r\n", Http1Fault.InvalidTransferEncoding },
        { "RFC 9112 §6.1 empty member", Post + "Transfer-Encoding: ,chunked\r\n\r\n", Http1Fault.InvalidTransferEncoding },
        { "RFC 9112 §7 quoted", Post + "Transfer-Encoding: \"chunked\"\r\n\r\n", Http1Fault.InvalidTransferEncoding },
        { "RFC 9112 §6.1 HTTP/1.0", "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", Http1Fault.TransferEncodingInHttp10 },
        { "RFC 9112 §3.2 no Host", "GET / HTTP/1.1\r\n\r\n", Http1Fault.MissingHost },
        { "RFC 9112 §3.2 two Hosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", Http1Fault.DuplicateHost },
        { "RFC 9112 §3.2 Host with user", "GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", Http1Fault.InvalidHost },
        { "RFC 9112 §3.2 Host with path", "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", Http1Fault.InvalidHost },
        { "RFC 9112 §3.2 empty Host", "GET / HTTP/1.1\r\nHost:\r\n\r\n", Http1Fault.InvalidHost },
        { "RFC 9112 §3.2 list of Hosts", "GET / HTTP/1.1\r\nHost: a,b\r\n\r\n", Http1Fault.InvalidHost },
        { "RFC 6585 §5 too many fields", Get + "A: 1\r\nB: 2\r\nC: 3\r\n\r\n", Http1Fault.TooManyFields },
        { "RFC 9112 §3 long line", "GET /" + new string('a', 100) + " HTTP/1.1\r\nHost: a\r\n\r\n", Http1Fault.LineTooLong },
        { "RFC 6585 §5 large head", Get + "A: " + new string('a', 90) + "\r\nB: " + new string('b', 90) + "\r\n\r\n", Http1Fault.HeadTooLarge },
    };

    public static TheoryData<string, string, Http1Fault> LenientRequests => new()
    {
        { "RFC 9112 §2.2 CR in a value", Get + "X: a\rb\r\n\r\n", Http1Fault.BareCarriageReturn },
        { "RFC 9112 §5.2 CR in a fold", Get + "X: a\r\n b\rc\r\n\r\n", Http1Fault.BareCarriageReturn },
        { "RFC 9110 §5.5 NUL in a fold", Get + "X: a\r\n b\0c\r\n\r\n", Http1Fault.InvalidFieldValue },
        { "RFC 9110 §5.5 NUL", Get + "X: a\0\r\n\r\n", Http1Fault.InvalidFieldValue },
        { "RFC 9112 §5.1 SP before the colon", Get + "X : a\r\n\r\n", Http1Fault.SpaceBeforeColon },
        { "RFC 9112 §2.2 SP before the first field", "GET / HTTP/1.1\r\n Host: a\r\n\r\n", Http1Fault.SpaceAfterStartLine },
        { "RFC 9112 §5 no colon", Get + "X\r\n\r\n", Http1Fault.InvalidFieldName },
        { "RFC 9110 §5.1 brackets in a name", Get + "X[y]: a\r\n\r\n", Http1Fault.InvalidFieldName },
        { "RFC 9112 §6.3 (5) two that differ", Post + "Content-Length: 1\r\nContent-Length: 2\r\n\r\n", Http1Fault.DuplicateContentLength },
        { "RFC 9112 §6.1 both", Post + "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n", Http1Fault.LengthAndTransferEncoding },
        { "RFC 9112 §6.1 VT before chunked", Post + "Transfer-Encoding: \u000Bchunked\r\n\r\n", Http1Fault.InvalidTransferEncoding },
        { "RFC 9112 §6.1 chunked folded twice", Post + "Transfer-Encoding: chunked\r\n chunked\r\n\r\n", Http1Fault.InvalidTransferEncoding },
        { "RFC 9110 §8.6 folded", Post + "Content-Length: 1\r\n 2\r\n\r\n", Http1Fault.InvalidContentLength },
        { "RFC 9112 §6.1 HTTP/1.0", "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", Http1Fault.TransferEncodingInHttp10 },
        { "RFC 9112 §3 HTTP/0.9", "GET /  \r\n\r\n", Http1Fault.MalformedRequestLine },
        { "RFC 9112 §3 HTAB in the request line", "GET \t/ HTTP/1.1\r\nHost: a\r\n\r\n", Http1Fault.InvalidTarget },
        { "RFC 9112 §3 space in the target", "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", Http1Fault.MalformedRequestLine },
        { "RFC 9112 §3.2 VT in the Host", "GET / HTTP/1.1\r\nHost: a\u000B\r\n\r\n", Http1Fault.InvalidHost },
    };

    public static TheoryData<string, string, Http1Fault> Responses => new()
    {
        { "RFC 9112 §4 other protocol", "ICY 200 OK\r\n\r\n", Http1Fault.MalformedStatusLine },
        { "RFC 9112 §4 two digits", "HTTP/1.1 20 OK\r\n\r\n", Http1Fault.MalformedStatusLine },
        { "RFC 9112 §4 four digits", "HTTP/1.1 2000 OK\r\n\r\n", Http1Fault.MalformedStatusLine },
        { "RFC 9110 §15 below 100", "HTTP/1.1 099 OK\r\n\r\n", Http1Fault.MalformedStatusLine },
        { "RFC 9112 §4 not digits", "HTTP/1.1 2x0 OK\r\n\r\n", Http1Fault.MalformedStatusLine },
        { "RFC 9112 §4 NUL in the reason", "HTTP/1.1 200 O\0K\r\n\r\n", Http1Fault.MalformedStatusLine },
        { "RFC 9112 §4 CR in the reason", "HTTP/1.1 200 O\rK\r\n\r\n", Http1Fault.MalformedStatusLine },
        { "RFC 9112 §4 CR behind a tolerated octet", "HTTP/1.1 200 O\u0001\rK\r\n\r\n", Http1Fault.MalformedStatusLine },
        { "RFC 9112 §4 empty", "\r\n\r\n", Http1Fault.MalformedStatusLine },
        { "RFC 9110 §2.5 major version", "HTTP/2.0 200 OK\r\n\r\n", Http1Fault.UnsupportedVersion },
        { "RFC 9112 §2.2 SP before the first field", Ok + " X: a\r\n\r\n", Http1Fault.SpaceAfterStartLine },
        { "RFC 9110 §5.5 NUL", Ok + "X: a\0\r\n\r\n", Http1Fault.InvalidFieldValue },
        { "RFC 9110 §5.5 NUL in a dropped line", Ok + "X\0\r\n\r\n", Http1Fault.InvalidFieldValue },
        { "RFC 9112 §5 no name", Ok + ": a\r\n\r\n", Http1Fault.InvalidFieldName },
        { "RFC 9110 §5.1 CR in a name", Ok + "X\rY: a\r\n\r\n", Http1Fault.InvalidFieldName },
        { "RFC 9110 §5.1 DEL in a name", Ok + "X\u007F: a\r\n\r\n", Http1Fault.InvalidFieldName },
        { "RFC 9112 §6.1 framing in disguise", Ok + "Transfer-Encoding\u00A0: chunked\r\n\r\n", Http1Fault.InvalidFieldName },
        { "RFC 9110 §8.6 framing in disguise", Ok + "(Content-Length): 5\r\n\r\n", Http1Fault.InvalidFieldName },
        { "RFC 9110 §8.6 not a number", Ok + "Content-Length: x\r\n\r\n", Http1Fault.InvalidContentLength },
        { "RFC 9110 §8.6 2^63", Ok + "Content-Length: 9223372036854775808\r\n\r\n", Http1Fault.InvalidContentLength },
        { "RFC 9112 §6.3 (5) two that differ", Ok + "Content-Length: 1\r\nContent-Length: 2\r\n\r\n", Http1Fault.DuplicateContentLength },
        { "RFC 9112 §6.3 (5) a list that differs", Ok + "Content-Length: 1, 2\r\n\r\n", Http1Fault.DuplicateContentLength },
        { "RFC 9112 §7 unknown coding", Ok + "Transfer-Encoding: x\r\n\r\n", Http1Fault.InvalidTransferEncoding },
        { "RFC 9112 §6.1 chunked twice", Ok + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", Http1Fault.InvalidTransferEncoding },
        { "RFC 9112 §6.1 CL with an unknown coding", Ok + "Content-Length: 1\r\nTransfer-Encoding: x\r\n\r\n", Http1Fault.InvalidTransferEncoding },
    };

    [Theory]
    [MemberData(nameof(StrictRequests))]
    public void ReadRequest_BrokenRule_NamesTheFault(string clause, string wire, Http1Fault expected)
    {
        var limits = expected is Http1Fault.TooManyFields or Http1Fault.LineTooLong or Http1Fault.HeadTooLarge ? s_small : null;
        var actual = Heads.Request(wire, limits: limits).Fault;
        Assert.True(expected == actual, $"{clause}: {actual}");
    }

    [Theory]
    [MemberData(nameof(LenientRequests))]
    public void ReadRequest_BrokenRuleThatLeniencyDoesNotCover_NamesTheFault(string clause, string wire, Http1Fault expected)
    {
        var actual = Heads.Request(wire, Http1Repairs.LenientRequest).Fault;
        Assert.True(expected == actual, $"{clause}: {actual}");
    }

    [Theory]
    [MemberData(nameof(Responses))]
    public void ReadResponse_BrokenRuleThatToleranceDoesNotCover_NamesTheFault(string clause, string wire, Http1Fault expected)
    {
        var actual = Heads.Response(wire).Fault;
        Assert.True(expected == actual, $"{clause}: {actual}");
    }

    [Fact]
    public void Http1Fault_EachOfThem_HasARow()
    {
        var rows = StrictRequests.Concat(LenientRequests).Concat(Responses).Select(x => x.Data.Item3).Concat(ChunkedReaderTests.Refusals.Select(x => x.Data.Item3));
        Assert.Empty(Enum.GetValues<Http1Fault>().Except(rows).Except([Http1Fault.None]));
    }

    [Fact]
    public void FindEnd_BareLineFeedRefused_ReadersRefuseItToo()
    {
        var fields = new Protocols.Fields.FieldSection();
        var request = Http1HeadReader.ReadRequest("GET / HTTP/1.1\nHost: a\r\n\r\n"u8, Http1Limits.Default, Http1Repairs.None, fields, out _, out _);
        var response = Http1HeadReader.ReadResponse("HTTP/1.1 200 OK\r\nX: a\n\r\n"u8, Http1Limits.Default, Http1Repairs.None, fields, out _, out _);
        var trailers = Http1HeadReader.ReadTrailers("X: a\r\n\n"u8, Http1Limits.Default, Http1Repairs.None, fields, out _);
        Assert.Equal(
            (new Http1Error(Http1Fault.BareLineFeed, 14), new Http1Error(Http1Fault.BareLineFeed, 21), new Http1Error(Http1Fault.BareLineFeed, 6)),
            (request, response, trailers));
    }

    [Fact]
    public void ReadRequest_HeadWithoutEnd_IsTheProgramsFault() => Assert.Throws<ArgumentException>(
        () => Http1HeadReader.ReadRequest("GET / HTTP/1.1"u8, Http1Limits.Default, Http1Repairs.None, new(), out _, out _));

    [Theory]
    [InlineData(50, 48, "GET /", Http1Fault.LineTooLong)]
    [InlineData(48, 50, "GET /", Http1Fault.HeadTooLarge)]
    public void FindEnd_EndlessLine_IsRefusedAtTheLimitNotBefore(int maxHead, int maxLine, string start, Http1Fault expected)
    {
        var (scanned, limits) = (0, new Http1Limits { MaxHeadOctets = maxHead, MaxLineOctets = maxLine });
        var octets = Heads.Octets(start + new string('a', 100));
        var limit = Math.Min(maxHead, maxLine);
        Assert.Equal(0, Http1HeadReader.FindEnd(octets.AsSpan(0, limit), ref scanned, limits, Http1Repairs.None, out _));
        Assert.Equal(-1, Http1HeadReader.FindEnd(octets.AsSpan(0, limit + 1), ref scanned, limits, Http1Repairs.None, out var error));
        Assert.Equal(expected, error.Fault);
    }
}
