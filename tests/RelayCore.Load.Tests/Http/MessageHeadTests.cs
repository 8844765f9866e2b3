using System.Buffers;
using System.Text;
using RelayCore.Load.Http;
using Xunit;

namespace RelayCore.Load.Tests.Http;

public sealed class MessageHeadTests
{
    [Theory]
    [InlineData("HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n", 200, 12, false, false)]
    [InlineData("HTTP/1.1 502 \r\ncontent-length:0\r\nCONNECTION: Close\r\n\r\n", 502, 0, false, true)]
    [InlineData("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\nConnection: keep-alive\r\n\r\n", 200, -1, true, false)]
    [InlineData("POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n", 0, 5, false, false)]
    [InlineData("HTTP/1.1 200 OK\r\n\r\n", 200, -1, false, false)]
    public void TryRead_WholeHead_TellsFraming(string wire, int status, long contentLength, bool isChunked, bool isClose)
    {
        var octets = Encoding.ASCII.GetBytes(wire);
        Assert.Equal(OperationStatus.Done, MessageHead.TryRead([.. octets, .. "body"u8], out var head));
        Assert.Equal(new MessageHead(octets.Length, status, contentLength, isChunked, isClose), head);
    }

    [Theory]
    [InlineData("HTTP/1.1 abc\r\n\r\n")]
    [InlineData("HTTP/1.1 200 OK\r\nContent-Length: 1x\r\n\r\n")]
    [InlineData("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n")]
    [InlineData("HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n")]
    public void TryRead_UntrustworthyFraming_IsRefused(string wire) =>
        Assert.Equal(OperationStatus.InvalidData, MessageHead.TryRead(Encoding.ASCII.GetBytes(wire), out _));

    [Fact]
    public void TryRead_EveryPrefix_NeedsMoreData()
    {
        var wire = "HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n"u8;
        for (var length = 0; length < wire.Length; length++)
        {
            Assert.Equal(OperationStatus.NeedMoreData, MessageHead.TryRead(wire[..length], out _));
        }
    }
}
