using System.Text;
using RelayCore.Load.Http;
using Xunit;

namespace RelayCore.Load.Tests.Http;

/// <summary>The reader against blocks spelled out octet by octet, and against the blocks we write ourselves.</summary>
public sealed class HpackFieldReaderTests
{
    [Fact]
    public void TryRead_HuffmanResponsesThatEvict_FindsEachStatus()
    {
        // The responses of RFC 7541 Appendix C.6; its table of 256 octets is set by the size update in front.
        var reader = new HpackFieldReader(":status"u8);
        Assert.Equal("302", Read(reader, "3FE101" + "488264025885AEC3771A4B6196D07ABE941054D444A8200595040B8166E082A62D1BFF6E919D29AD171863C78F0B97C8E9AE82AE43D3"));
        Assert.Equal("307", Read(reader, "4883640EFFC1C0BF"));
        Assert.Equal(
            "200",
            Read(reader, "88C16196D07ABE941054D444A8200595040B8166E084A62D1BFFC05A839BD9AB77AD94E7821DD7F2E6C7B335DFDFCD5B3960D5AF27087F3672C1AB270FB5291F9587316065C003ED4EE5B1063D5007"));
    }

    [Fact]
    public void TryRead_PlainRequestsOfOneConnection_FindsEachPath()
    {
        // The requests of RFC 7541 Appendix C.3.
        var reader = new HpackFieldReader(":path"u8);
        Assert.Equal("/", Read(reader, "828684410F7777772E6578616D706C652E636F6D"));
        Assert.Equal("/", Read(reader, "828684BE58086E6F2D6361636865"));
        Assert.Equal("/index.html", Read(reader, "828785BF400A637573746F6D2D6B65790C637573746F6D2D76616C7565"));
    }

    [Theory]
    [InlineData("80")] // index 0
    [InlineData("C0")] // beyond the table
    [InlineData("FF")] // an integer that does not end
    [InlineData("FFFFFFFFFFFF01")] // a huge one
    [InlineData("3FE21F")] // a table larger than announced
    [InlineData("0085F2B24A")] // a string longer than the block
    [InlineData("408165")] // a Huffman string whose padding is not ones
    [InlineData("0084FFFFFFFF0131")] // a Huffman string with its end inside
    public void TryRead_Malformed_IsRefused(string block) => Assert.False(new HpackFieldReader(":status"u8).TryRead(Convert.FromHexString(block)));

    [Fact]
    public void TryRead_NoSuchField_GivesNothing()
    {
        var reader = new HpackFieldReader(":status"u8);
        Assert.Equal("200", Read(reader, "88"));
        Assert.Equal("", Read(reader, "82"));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Request_FirstAndRepeated_SaysThePathEachTime(bool isAdded)
    {
        var path = "/" + new string('x', 200);
        var reader = new HpackFieldReader(":path"u8);
        for (var i = 0; i < 3; i++)
        {
            var block = isAdded && i > 0 ? HpackBlocks.RepeatedRequest("https") : HpackBlocks.Request("https", "127.0.0.1:8443", path, isAdded);
            Assert.Equal(path, Read(reader, Convert.ToHexString(block)));
        }
    }

    [Fact]
    public void Response_ChangingLengths_RepeatsTheLatest()
    {
        var reader = new HpackFieldReader("content-length"u8);
        foreach (var length in new[] { "1024", "99999999", "2" })
        {
            Assert.Equal(length, Read(reader, Convert.ToHexString(HpackBlocks.Response(length, isAdded: true))));
            Assert.Equal(length, Read(reader, Convert.ToHexString(HpackBlocks.RepeatedResponse)));
        }
    }

    private static string Read(HpackFieldReader reader, string block)
    {
        Assert.True(reader.TryRead(Convert.FromHexString(block)));
        return Encoding.ASCII.GetString(reader.Value.Span);
    }
}
