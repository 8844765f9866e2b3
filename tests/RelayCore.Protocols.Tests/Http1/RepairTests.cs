using RelayCore.Protocols.Http1;
using Xunit;

namespace RelayCore.Protocols.Tests.Http1;

/// <summary>What each repair does to the octets that are forwarded, and that it is refused where it is not allowed.</summary>
public sealed class RepairTests
{
    private const string Ok = "HTTP/1.1 200 OK\r\n";
    private const string Post = "POST / HTTP/1.1\r\nHost: a\r\n";

    public static TheoryData<Http1Repairs, string, string> Responses => new()
    {
        { Http1Repairs.BareLineFeed, "HTTP/1.1 200 OK\nX:a\nY:b\nZ:c\r\n\n", Ok + "X: a\r\nY: b\r\nZ:c\r\n\r\n" },
        { Http1Repairs.BareCarriageReturn, Ok + "X: a\rb\r\nY:c\r\n\r\n", Ok + "X: a b\r\nY:c\r\n\r\n" },
        { Http1Repairs.BareCarriageReturn, Ok + "X: \r\r\n\r\n", Ok + "X: \r\n\r\n" },
        { Http1Repairs.ObsoleteFolding, Ok + "X: a\r\n b\r\n\t c \r\nY:d\r\n\r\n", Ok + "X: a b c\r\nY:d\r\n\r\n" },
        { Http1Repairs.ObsoleteFolding, Ok + "X:\r\n b\r\n \r\n\r\n", Ok + "X: b\r\n\r\n" },
        { Http1Repairs.ObsoleteFolding | Http1Repairs.BareCarriageReturn, Ok + "X: a\r\n b\rc\r\n\r\n", Ok + "X: a b c\r\n\r\n" },
        { Http1Repairs.ObsoleteFolding | Http1Repairs.ControlOctets, Ok + "X: a\r\n b\u0001\r\n\r\n", Ok + "X: a b\u0001\r\n\r\n" },
        { Http1Repairs.ObsoleteFolding | Http1Repairs.LineWithoutColon, Ok + "X: a\r\njunk\r\n b\r\nY:c\r\n\r\n", Ok + "X: a\r\nY:c\r\n\r\n" },
        { Http1Repairs.SpaceBeforeColon, Ok + "Content-Length \t:5\r\n\r\n", Ok + "Content-Length: 5\r\n\r\n" },
        { Http1Repairs.ControlOctets, Ok + "X:a\u000Bb\u007F\r\n\r\n", Ok + "X:a\u000Bb\u007F\r\n\r\n" },
        { Http1Repairs.ControlOctets, "HTTP/1.1 200 O\u0001K\r\n\r\n", "HTTP/1.1 200 O\u0001K\r\n\r\n" },
        { Http1Repairs.FieldName, Ok + "X[y]:1\r\nX Y:2\r\nX\u00E9:3\r\n\r\n", Ok + "X[y]:1\r\nX Y:2\r\nX\u00E9:3\r\n\r\n" },
        { Http1Repairs.LineWithoutColon, Ok + "A:1\r\n<html>\r\nB:2\r\n\r\n", Ok + "A:1\r\nB:2\r\n\r\n" },
        { Http1Repairs.LineWithoutColon | Http1Repairs.BareCarriageReturn, Ok + "\r\r\nB:2\r\n\r\n", Ok + "B:2\r\n\r\n" },
        { Http1Repairs.ReasonPhrase, "HTTP/1.1 200\r\n\r\n", "HTTP/1.1 200 \r\n\r\n" },
        { Http1Repairs.LengthAndTransferEncoding, Ok + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\ncontent-length: x\r\n\r\n", Ok + "Transfer-Encoding: chunked\r\n\r\n" },
        { Http1Repairs.DuplicateContentLength, Ok + "Content-Length: 5\r\nX:1\r\nContent-Length: 5\r\n\r\n", Ok + "Content-Length: 5\r\nX:1\r\n\r\n" },
        { Http1Repairs.DuplicateContentLength, Ok + "Content-Length: 05, 5\r\n\r\n", Ok + "Content-Length: 5\r\n\r\n" },
        { Http1Repairs.TransferEncodingInHttp10, "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" },
    };

    public static TheoryData<Http1Repairs, string, string> Requests => new()
    {
        { Http1Repairs.BareLineFeed, "POST / HTTP/1.1\nHost:a\nX:b\n\n", "POST / HTTP/1.1\r\nHost: a\r\nX: b\r\n\r\n" },
        { Http1Repairs.ObsoleteFolding, Post + "X: a\r\n b\r\n\r\n", Post + "X: a b\r\n\r\n" },
        { Http1Repairs.ControlOctets, Post + "X:\u0001\r\n\r\n", Post + "X:\u0001\r\n\r\n" },
        { Http1Repairs.DuplicateContentLength, Post + "Content-Length: 5\r\nContent-Length: 5, 5\r\n\r\n", Post + "Content-Length: 5\r\n\r\n" },
        { Http1Repairs.RequestLineSpace, "POST  /   HTTP/1.1  \r\nHost: a\r\n\r\n", Post + "\r\n" },
    };

    [Theory]
    [MemberData(nameof(Responses))]
    public void ReadResponse_Repaired_ForwardsWhatItMeansAndSaysSo(Http1Repairs repairs, string wire, string forwarded)
    {
        var read = Heads.Response(wire);
        Assert.Equal((Http1Fault.None, repairs, forwarded), (read.Fault, read.Repairs, read.Forwarded()));
    }

    [Theory]
    [MemberData(nameof(Requests))]
    public void ReadRequest_Repaired_ForwardsWhatItMeansAndSaysSo(Http1Repairs repairs, string wire, string forwarded)
    {
        var read = Heads.Request(wire, Http1Repairs.LenientRequest);
        Assert.Equal((Http1Fault.None, repairs, forwarded), (read.Fault, read.Repairs, read.Forwarded()));
    }

    [Fact]
    public void Http1Repairs_OneOfThoseNeededNotAllowed_IsRefused()
    {
        foreach (var (response, row) in Responses.Select(x => (true, x.Data)).Concat(Requests.Select(x => (false, x.Data))))
        {
            foreach (var repair in Enum.GetValues<Http1Repairs>().Where(x => x != Http1Repairs.None && (row.Item1 & x) == x))
            {
                var read = response ? Heads.Response(row.Item2, Http1Repairs.Response & ~repair) : Heads.Request(row.Item2, Http1Repairs.LenientRequest & ~repair);
                Assert.True(read.Fault != Http1Fault.None, $"{repair} was not needed for {row.Item2}");
            }
        }
    }

    [Fact]
    public void Http1Repairs_EachOfTheCodec_HasARow()
    {
        var rows = Responses.Concat(Requests).Aggregate(Http1Repairs.None, (all, row) => all | row.Data.Item1);
        Assert.Equal(Http1Repairs.Response | Http1Repairs.LenientRequest, rows);
    }

    [Fact]
    public void ReadResponse_HeadOfFolds_CostsMemoryOnceNotSquared()
    {
        var wire = Heads.Octets(Ok + "X: a\r\n" + string.Concat(Enumerable.Repeat(" b\r\n", 60_000)) + "\r\n");
        var fields = new Protocols.Fields.FieldSection();
        var before = GC.GetAllocatedBytesForCurrentThread();
        var error = Http1HeadReader.ReadResponse(wire, Http1Limits.Default, Http1Repairs.Response, fields, out _, out _);
        var allocated = GC.GetAllocatedBytesForCurrentThread() - before;
        Assert.False(error.IsError);
        Assert.Equal(1 + (2 * 60_000), fields.Value(0).Length);
        Assert.InRange(allocated, 0, 2_000_000);
    }
}
