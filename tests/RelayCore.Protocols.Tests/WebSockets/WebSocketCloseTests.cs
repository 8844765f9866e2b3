using RelayCore.Protocols.WebSockets;
using Xunit;

namespace RelayCore.Protocols.Tests.WebSockets;

public sealed class WebSocketCloseTests
{
    [Theory]
    [InlineData("", WebSocketFault.None, 1005)]
    [InlineData("03", WebSocketFault.BadCloseCode, 1005)]
    [InlineData("03E8", WebSocketFault.None, 1000)]
    [InlineData("03E8627965", WebSocketFault.None, 1000)]
    [InlineData("03E8C3", WebSocketFault.BadCloseReason, 1000)]
    [InlineData("03EB", WebSocketFault.None, 1003)]
    [InlineData("03EF", WebSocketFault.None, 1007)]
    [InlineData("03F6", WebSocketFault.None, 1014)]
    [InlineData("0BB8", WebSocketFault.None, 3000)]
    [InlineData("1387", WebSocketFault.None, 4999)]
    [InlineData("0000", WebSocketFault.BadCloseCode, 0)]
    [InlineData("03E7", WebSocketFault.BadCloseCode, 999)]
    [InlineData("03EC", WebSocketFault.BadCloseCode, 1004)]
    [InlineData("03ED", WebSocketFault.BadCloseCode, 1005)]
    [InlineData("03EE", WebSocketFault.BadCloseCode, 1006)]
    [InlineData("03F7", WebSocketFault.BadCloseCode, 1015)]
    [InlineData("03F8", WebSocketFault.BadCloseCode, 1016)]
    [InlineData("07CF", WebSocketFault.BadCloseCode, 1999)]
    [InlineData("0BB7", WebSocketFault.BadCloseCode, 2999)]
    [InlineData("1388", WebSocketFault.BadCloseCode, 5000)]
    [InlineData("FFFF", WebSocketFault.BadCloseCode, 65535)]
    public void Read_Payload_FollowsTheRules(string hex, WebSocketFault expected, int code)
    {
        var fault = WebSocketClose.Read(Convert.FromHexString(hex), out var read, out _);
        Assert.Equal((expected, code), (fault, read));
    }

    [Theory]
    [InlineData(1005, "", 0)]
    [InlineData(1000, "", 2)]
    [InlineData(4000, "gr\u00fc\u00df", 8)]
    public void Write_ThenRead_IsTheSame(int code, string reason, int octets)
    {
        var payload = new byte[125];
        var written = WebSocketClose.Write(code, reason, payload);
        Assert.Equal(octets, written);
        Assert.Equal(WebSocketFault.None, WebSocketClose.Read(payload.AsSpan(0, written), out var read, out var text));
        Assert.Equal((code, reason), (read, WebSocketClose.ReasonText(text)));
    }

    [Fact]
    public void Write_ReasonTooLong_IsCutBetweenCharacters()
    {
        var payload = new byte[125];
        var written = WebSocketClose.Write(1000, new string('\u20ac', 60), payload);
        Assert.Equal(2 + 123, written);
        Assert.Equal(WebSocketFault.None, WebSocketClose.Read(payload.AsSpan(0, written), out _, out var reason));
        Assert.Equal(new string('\u20ac', 41), WebSocketClose.ReasonText(reason));
    }

    [Fact]
    public void CloseCode_OfEveryFault_MayBeSent() =>
        Assert.All(Enum.GetValues<WebSocketFault>(), x => Assert.True(WebSocketClose.MayBeSent(x.CloseCode())));
}
