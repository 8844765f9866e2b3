using CsCheck;
using RelayCore.Fuzz;
using RelayCore.Protocols.Fields;
using RelayCore.Protocols.Http1;
using Xunit;

namespace RelayCore.Protocols.Tests.Http1;

public sealed class Http1HeadReaderTests
{
    private const string Typical =
        "GET /index.html?q=1 HTTP/1.1\r\nHost: www.example.com\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101 Firefox/140.0\r\n"
        + "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\nAccept-Language: en-US,en;q=0.5\r\n"
        + "Accept-Encoding: gzip, deflate, br, zstd\r\nReferer: https://www.example.com/start\r\nCookie: a=1; b=2; c=3\r\n"
        + "Upgrade-Insecure-Requests: 1\r\nSec-Fetch-Dest: document\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Site: same-origin\r\n"
        + "Cache-Control: max-age=0\r\n\r\n";

    // Pieces that matter to framing and routing, put together at random: more of them reach deep code than of random octets.
    private static readonly Gen<string> s_piece = Gen.OneOf(
        "GET ", "HEAD ", "CONNECT ", "OPTIONS ", "/", "*", "http://u:p@h/", "http://a\\@b/", "https://[::1]:8/?x#y", "h:443", " HTTP/1.1\r\n", " HTTP/1.0\r\n", "HTTP/1.1 200 OK\r\n",
        "HTTP/1.0 204\r\n", "HTTP/1.7 304 \u0001\r\n", "Host: a\r\n", "Host: [::ffff:1.2.3.4]:80\r\n", "Host: b\u00FC\r\n", "Host:\r\n", "Content-Length: 5\r\n", "Content-Length: 5, 5\r\n",
        "Content-Length: 99999999999999999999\r\n", "Transfer-Encoding: chunked\r\n", "Transfer-Encoding: gzip, chunked\r\n", "Transfer-Encoding", ": ", ":", " ", "\t", "\r\n", "\n", "\r",
        "\0", "\u007F", "\u00A0", ",", "chunked", "gzip", "X-A: 1\r\n", "X-B:  2 \r\n", "X[c]: 3\r\n", "junk\r\n", " fold\r\n", "\r\n ", "Connection: X-A, close, TE\r\n", "Connection: host\r\n",
        "Proxy-Connection: keep-alive\r\n", "TE: trailers\r\n", "Upgrade: h2c\r\n", "\r\n\r\n");

    [Fact]
    public void Read_HeadsOfRandomPieces_AgreesWithTheOracle() =>
        Gen.Select(Gen.Byte[0, 15], Gen.Byte, s_piece.Array[1, 14]).Sample(
            (mode, cuts, pieces) => new Http1HeadTarget().Run([mode, cuts, .. Heads.Octets(string.Concat(pieces) + "\r\n\r\n")]), iter: 20_000);

    [Fact]
    public void ReadChunked_BodiesOfRandomPieces_AgreesWithTheOracle() =>
        Gen.Select(Gen.Byte[0, 7], Gen.Byte, Gen.OneOf("5", "0", "1", "a", "F", ";", "x", " ", "\t", "\r\n", "\r", "\n", "\0", "hello", "5\r\nhello\r\n", "0\r\n\r\n", "X: 1\r\n", "7fffffffffffffff", "8").Array[1, 14])
            .Sample((mode, cuts, pieces) => new ChunkedTarget().Run([mode, cuts, .. Heads.Octets(string.Concat(pieces))]), iter: 20_000);

    [Fact]
    public void FindEnd_EverySplitPointAndOneOctetPerSegment_FindsTheSameEnd()
    {
        var octets = Heads.Octets(Typical + "GET /next");
        for (var split = 0; split < octets.Length; split++)
        {
            var scanned = 0;
            var first = Http1HeadReader.FindEnd(octets.AsSpan(0, split), ref scanned, Http1Limits.Default, Http1Repairs.None, out _);
            Assert.Equal(split < Typical.Length ? 0 : Typical.Length, first);
            Assert.InRange(scanned, 0, split);
            Assert.Equal(Typical.Length, Http1HeadReader.FindEnd(octets, ref scanned, Http1Limits.Default, Http1Repairs.None, out _));
        }

        var at = 0;
        for (var length = 0; length < Typical.Length; length++)
        {
            Assert.Equal(0, Http1HeadReader.FindEnd(octets.AsSpan(0, length), ref at, Http1Limits.Default, Http1Repairs.None, out _));
        }

        Assert.Equal(Typical.Length, Http1HeadReader.FindEnd(octets.AsSpan(0, Typical.Length), ref at, Http1Limits.Default, Http1Repairs.None, out _));
    }

    [Fact]
    public void FindEnd_EveryRefusal_IsTheSameAtEverySplitPoint()
    {
        var limits = new Http1Limits { MaxHeadOctets = 200, MaxLineOctets = 100 };
        foreach (var wire in RefusalTests.StrictRequests.Select(x => Heads.Octets(x.Data.Item2)))
        {
            var whole = 0;
            var expected = (Http1HeadReader.FindEnd(wire, ref whole, limits, Http1Repairs.None, out var error), error);
            for (var split = 0; split < wire.Length; split++)
            {
                var scanned = 0;
                var result = Http1HeadReader.FindEnd(wire.AsSpan(0, split), ref scanned, limits, Http1Repairs.None, out error);
                result = result == 0 ? Http1HeadReader.FindEnd(wire, ref scanned, limits, Http1Repairs.None, out error) : result;
                Assert.Equal(expected, (result, error));
            }
        }
    }

    [Fact]
    public void ReadRequest_UntouchedHead_IsForwardedOctetForOctet() => Assert.Equal(Typical, Heads.Request(Typical).Forwarded());

    [Fact]
    public void ReadRequest_AnyValidFields_AreForwardedOctetForOctetWithoutHopByHop()
    {
        var name = Gen.String[Gen.Char["!#$%&'*+-.^_`|~0189AZaz"], 1, 12].Select(x => "X" + x);
        var value = Gen.OneOf(Gen.Char['\u0021', '\u007E'], Gen.Char['\u0080', '\u00FF'], Gen.OneOf(' ', '\t')).Array[0, 20].Select(x => new string(x));
        var line = Gen.Select(name, value, (n, v) => $"{n}:{v}\r\n");
        var hopByHop = Gen.OneOf("Connection: close\r\n", "keep-alive: 5\r\n", "TE: trailers\r\n", "Proxy-Authorization: Basic x\r\n", "Upgrade: x\r\n");
        Gen.OneOf(line, line, line, hopByHop).Array[0, 20].Sample(lines =>
        {
            var kept = lines.Where(x => x[0] == 'X');
            Assert.Equal(
                "GET / HTTP/1.1\r\nHost: a\r\n" + string.Concat(kept) + "\r\n", Heads.Request("GET / HTTP/1.1\r\nHost: a\r\n" + string.Concat(lines) + "\r\n").Forwarded());
            Assert.Equal("HTTP/1.1 200 OK\r\n" + string.Concat(kept) + "\r\n", Heads.Response("HTTP/1.1 200 OK\r\n" + string.Concat(lines) + "\r\n").Forwarded());
        });
    }

    [Theory]
    [InlineData("HTTP/1.1 200 OK\r\n\r\n", 200, "OK", 1)]
    [InlineData("HTTP/1.0 404 Not Found here\r\n\r\n", 404, "Not Found here", 0)]
    [InlineData("HTTP/1.1 999 \r\n\r\n", 999, "", 1)]
    [InlineData("HTTP/1.9 200 \u00E9\r\n\r\n", 200, "\u00E9", 1)]
    public void ReadResponse_StatusLine_IsTakenApart(string wire, int status, string reason, int minorVersion)
    {
        var octets = Heads.Octets(wire);
        var error = Http1HeadReader.ReadResponse(octets, Http1Limits.Default, Http1Repairs.None, new FieldSection(), out var line, out _);
        Assert.Equal(default, error);
        Assert.Equal((status, reason, minorVersion), (line.Status, Heads.Text(octets.AsSpan(line.ReasonStart, line.ReasonLength)), line.MinorVersion));
    }

    [Fact]
    public void ReadTrailers_SectionOfAChunkedBody_IsRead()
    {
        var fields = new FieldSection();
        var error = Http1HeadReader.ReadTrailers("X-Sum: 1\r\nY:2\r\n\r\n"u8, Http1Limits.Default, Http1Repairs.None, fields, out var repairs);
        Assert.Equal((default, Http1Repairs.None), (error, repairs));
        Assert.Equal([new("X-Sum", "1"), new("Y", "2")], fields.ToList());
    }

    [Fact]
    public void ReadAndWrite_TypicalHead_AllocatesNothing()
    {
        var octets = Heads.Octets(Typical.Replace("Cache-Control: max-age=0", "Connection: keep-alive, TE, Upgrade, HTTP2-Settings", StringComparison.Ordinal));
        var (fields, destination) = (new FieldSection(), new byte[4096]);
        var written = 0;
        for (var warm = 0; warm < 200; warm++)
        {
            written = ReadAndWrite(octets, fields, destination);
        }

        // The runtime may allocate once in between, while it compiles anew what is hot; what a head costs would be there every time.
        var allocated = long.MaxValue;
        for (var attempt = 0; attempt < 5 && allocated > 0; attempt++)
        {
            var before = GC.GetAllocatedBytesForCurrentThread();
            for (var i = 0; i < 1000; i++)
            {
                written += ReadAndWrite(octets, fields, destination);
            }

            allocated = GC.GetAllocatedBytesForCurrentThread() - before;
        }

        Assert.Equal(0, allocated);
        Assert.True(written > 0 && fields.Count == 12);
    }

    private static int ReadAndWrite(byte[] octets, FieldSection fields, byte[] destination)
    {
        var scanned = 0;
        var end = Http1HeadReader.FindEnd(octets, ref scanned, Http1Limits.Default, Http1Repairs.None, out _);
        var head = octets.AsSpan(0, end);
        var error = Http1HeadReader.ReadRequest(head, Http1Limits.Default, Http1Repairs.None, fields, out var line, out var repairs);
        var (method, target) = (line.MethodLength, (line.TargetStart, line.TargetLength));
        var isTarget = RequestTarget.TryRead(head.Slice(target.TargetStart, target.TargetLength), head[..method], out var parts);
        var host = HostField.Check(fields, line.MinorVersion, parts.Form, out _, out _);
        var fault = Http1Framing.OfRequest(fields, line.MinorVersion, Http1Repairs.None, out _, ref repairs);
        if (error.IsError || !isTarget || host != Http1Fault.None || fault != Http1Fault.None)
        {
            throw new InvalidOperationException();
        }

        var at = Http1HeadWriter.WriteRequestLine(destination, head[..method], head.Slice(target.TargetStart, target.TargetLength), line.MinorVersion);
        return at + Http1HeadWriter.WriteFields(destination.AsSpan(at), fields, HopByHop.Read(fields), ConnectionOptions.TrailersAccepted);
    }
}
