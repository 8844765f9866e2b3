using System.Text;
using RelayCore.Load.Http;
using Xunit;

namespace RelayCore.Load.Tests.Http;

public sealed class BodyCounterTests
{
    private static readonly MessageHead s_chunked = new(0, 200, -1, IsChunked: true, IsClose: false);

    [Theory]
    [InlineData("5\r\nhello\r\n0\r\n\r\n", 5)]
    [InlineData("A;x=y\r\n0123456789\r\n1 \r\n!\r\n0\r\nTrailer: v\r\nOther: w\r\n\r\n", 11)]
    [InlineData("0\r\n\r\n", 0)]
    public void Consume_ChunkedAtEverySplit_CountsContentAndStopsAtItsEnd(string wire, long content)
    {
        byte[] octets = [.. Encoding.ASCII.GetBytes(wire), .. "next"u8];
        for (var split = 0; split <= octets.Length; split++)
        {
            var body = BodyCounter.For(s_chunked, isRequest: false);
            var used = body.Consume(octets.AsSpan(0, split));
            used += body.Consume(octets.AsSpan(used, octets.Length - used));
            Assert.Equal((true, content, wire.Length), (body.IsComplete, body.ContentOctets, used));
        }
    }

    [Theory]
    [InlineData("x\r\n")]
    [InlineData("\r\n")]
    [InlineData("1\r\nab")]
    [InlineData("1111111111111111\r\n")]
    public void Consume_BrokenChunking_IsBroken(string wire)
    {
        var body = BodyCounter.For(s_chunked, isRequest: false);
        body.Consume(Encoding.ASCII.GetBytes(wire));
        Assert.True(body.IsBroken);
        Assert.False(body.IsComplete);
    }

    [Fact]
    public void Consume_ContentLength_LeavesWhatFollows()
    {
        var body = BodyCounter.For(new(0, 200, ContentLength: 3, false, false), isRequest: false);
        Assert.Equal(2, body.Consume("ab"u8));
        Assert.False(body.IsComplete);
        Assert.Equal(1, body.Consume("cd"u8));
        Assert.True(body.IsComplete);
    }

    [Fact]
    public void For_NoFraming_EndsARequestAtOnceAndAResponseWithItsConnection()
    {
        var head = new MessageHead(0, 200, -1, false, false);
        Assert.True(BodyCounter.For(head, isRequest: true).IsComplete);
        Assert.True(BodyCounter.For(head, isRequest: false).EndsWithConnection);
        Assert.True(BodyCounter.For(head with { Status = 204 }, isRequest: false).IsComplete);
    }
}
