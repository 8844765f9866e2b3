using CsCheck;
using RelayCore.Protocols.WebSockets;
using Xunit;

namespace RelayCore.Protocols.Tests.WebSockets;

public sealed class PerMessageDeflateTests
{
    [Theory]
    [InlineData("permessage-deflate", 1)]
    [InlineData("PerMessage-Deflate ; client_max_window_bits", 1)]
    [InlineData("permessage-deflate; client_max_window_bits; server_max_window_bits=\"10\", permessage-deflate; client_max_window_bits", 2)]
    [InlineData("x, permessage-deflate; server_no_context_takeover; client_no_context_takeover, y; a=b", 1)]
    [InlineData("permessage-deflate; server_max_window_bits", 0)]
    [InlineData("permessage-deflate; server_max_window_bits=7", 0)]
    [InlineData("permessage-deflate; server_max_window_bits=16", 0)]
    [InlineData("permessage-deflate; server_max_window_bits=08", 0)]
    [InlineData("permessage-deflate; client_max_window_bits=", 0)]
    [InlineData("permessage-deflate; server_no_context_takeover=1", 0)]
    [InlineData("permessage-deflate; server_no_context_takeover; server_no_context_takeover", 0)]
    [InlineData("permessage-deflate; client_max_window_bits; client_max_window_bits=9", 0)]
    [InlineData("permessage-deflate; unknown", 0)]
    [InlineData("permessage-deflate2", 0)]
    public void ReadOffers_Field_TakesTheValidOnes(string value, int expected) =>
        Assert.Equal(expected, PerMessageDeflate.ReadOffers(WebSocketHandshakeTests.Fields("Sec-WebSocket-Extensions: " + value)).Count);

    [Fact]
    public void ReadResponse_Parameters_AreTakenOver()
    {
        var agreed = PerMessageDeflate.ReadResponse(WebSocketHandshakeTests.Fields(
            "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; client_max_window_bits=9; server_max_window_bits=12"));
        Assert.Equal(new(new DeflateParameters(true, false, 12, 9), false), agreed);
        Assert.True(agreed.Deflate!.Value.NoContextTakeover(PeerRole.Server) && !agreed.Deflate!.Value.NoContextTakeover(PeerRole.Client));
        Assert.Equal((12, 9), (agreed.Deflate!.Value.WindowBits(PeerRole.Server), agreed.Deflate!.Value.WindowBits(PeerRole.Client)));
    }

    [Theory]
    [InlineData("permessage-deflate; client_max_window_bits")] // §7.1.2.2: a value is needed in a response
    [InlineData("permessage-deflate, permessage-deflate")]
    [InlineData("x-webkit-deflate-frame")]
    public void ReadResponse_Other_IsUnknown(string value) =>
        Assert.True(PerMessageDeflate.ReadResponse(WebSocketHandshakeTests.Fields("Sec-WebSocket-Extensions: " + value)).HasUnknown);

    [Fact]
    public void Accept_AnyOffer_IsAllowedByTheOfferAndReadBack() =>
        Gen.Select(Gen.Bool, Gen.Bool, Gen.Int[7, 15], Gen.Bool, Gen.Int[8, 15]).Sample((serverNo, clientNo, serverBits, hasClient, clientBits) =>
        {
            var offer = new DeflateOffer(serverNo, clientNo, serverBits == 7 ? null : serverBits, hasClient, clientBits);
            var agreed = offer.Accept();
            var read = PerMessageDeflate.ReadResponse(WebSocketHandshakeTests.Fields("Sec-WebSocket-Extensions: " + agreed));
            return offer.Allows(agreed) && read == new WebSocketExtensions(agreed, false);
        });

    [Theory]
    [InlineData(false, 15, false, 15, true)]
    [InlineData(true, 10, false, 15, true)]
    [InlineData(false, 15, true, 15, false)]
    [InlineData(true, 15, true, 15, true)]
    [InlineData(false, 12, false, 11, false)]
    public void IsReadableUnder_TwoAgreements_ComparesTheSendersWindow(bool no, int bits, bool otherNo, int otherBits, bool expected) =>
        Assert.Equal(expected, new DeflateParameters(no, false, bits).IsReadableUnder(new(otherNo, false, otherBits), PeerRole.Server));
}
