using RelayCore.Protocols.Http1;
using Xunit;

namespace RelayCore.Protocols.Tests.Http1;

/// <summary>RFC 9112 §6.3, item by item.</summary>
public sealed class Http1FramingTests
{
    [Theory]
    [InlineData("", BodyFramingKind.None, 0)]
    [InlineData("Content-Length: 0\r\n", BodyFramingKind.Length, 0)]
    [InlineData("Content-Length: 9223372036854775807\r\n", BodyFramingKind.Length, long.MaxValue)]
    [InlineData("Content-Length: 0000000000000000000000005\r\n", BodyFramingKind.Length, 5)]
    [InlineData("Transfer-Encoding: Chunked\r\n", BodyFramingKind.Chunked, 0)]
    [InlineData("Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n", BodyFramingKind.Chunked, 0)]
    public void OfRequest_Valid_HasOneMeaning(string lines, BodyFramingKind kind, long length)
    {
        var read = Heads.Request("POST / HTTP/1.1\r\nHost: a\r\n" + lines + "\r\n");
        Assert.Equal((Http1Fault.None, new BodyFraming(kind, length)), (read.Fault, read.Framing));
    }

    [Theory]
    [InlineData("item 1: HEAD", "HEAD", "200", "Content-Length: 5\r\n", BodyFramingKind.None)]
    [InlineData("item 1: HEAD and a broken length", "HEAD", "200", "Content-Length: x\r\n", BodyFramingKind.None)]
    [InlineData("item 1: 1xx", "GET", "103", "Content-Length: 5\r\n", BodyFramingKind.None)]
    [InlineData("item 1: 204", "GET", "204", "Transfer-Encoding: chunked\r\n", BodyFramingKind.None)]
    [InlineData("item 1: 304", "GET", "304", "Content-Length: 5\r\n", BodyFramingKind.None)]
    [InlineData("item 2: 2xx to CONNECT", "CONNECT", "200", "Transfer-Encoding: chunked\r\n", BodyFramingKind.None)]
    [InlineData("item 2: other to CONNECT", "CONNECT", "407", "Transfer-Encoding: chunked\r\n", BodyFramingKind.Chunked)]
    [InlineData("item 4: chunked", "GET", "200", "Transfer-Encoding: gzip, chunked\r\n", BodyFramingKind.Chunked)]
    [InlineData("item 4: not chunked", "GET", "200", "Transfer-Encoding: gzip\r\n", BodyFramingKind.UntilClose)]
    [InlineData("item 6: length", "GET", "404", "Content-Length: 0\r\n", BodyFramingKind.Length)]
    [InlineData("item 8: neither", "GET", "200", "", BodyFramingKind.UntilClose)]
    [InlineData("method names have case", "head", "200", "", BodyFramingKind.UntilClose)]
    public void OfResponse_Valid_HasOneMeaning(string item, string method, string status, string lines, BodyFramingKind kind)
    {
        var read = Heads.Response($"HTTP/1.1 {status} x\r\n{lines}\r\n", requestMethod: method);
        Assert.True((read.Fault, read.Framing.Kind) == (Http1Fault.None, kind), $"{item}: {read.Fault} {read.Framing}");
    }

    [Theory]
    [InlineData(BodyFramingKind.None, 0, true, 0)]
    [InlineData(BodyFramingKind.Length, 0, true, 0)]
    [InlineData(BodyFramingKind.Length, 5, false, 5)]
    [InlineData(BodyFramingKind.Chunked, 0, false, -1)]
    [InlineData(BodyFramingKind.UntilClose, 0, false, -1)]
    public void KnownLength_Framing_IsWhatTheHeadSays(BodyFramingKind kind, long length, bool isEmpty, long known)
    {
        var framing = new BodyFraming(kind, length);
        Assert.Equal((isEmpty, known), (framing.IsEmpty, framing.KnownLength));
    }
}
