using RelayCore.Fuzz;
using RelayCore.Protocols.WebSockets;
using Xunit;

namespace RelayCore.Protocols.Tests.WebSockets;

public sealed class WebSocketFrameReaderTests
{
    // §5.7 and what fragmentation allows; unmasked, as from a server.
    private const string Everything =
        "810548656C6C6F" + "010348656C" + "8900" + "80026C6F" + "827E0100" + Payload256 + "0100" + "000141" + "8A0142" + "8000" + "880203E8";

    private const string Payload256 =
        "000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F202122232425262728292A2B2C2D2E2F303132333435363738393A3B3C3D3E3F" +
        "404142434445464748494A4B4C4D4E4F505152535455565758595A5B5C5D5E5F606162636465666768696A6B6C6D6E6F707172737475767778797A7B7C7D7E7F" +
        "808182838485868788898A8B8C8D8E8F909192939495969798999A9B9C9D9E9FA0A1A2A3A4A5A6A7A8A9AAABACADAEAFB0B1B2B3B4B5B6B7B8B9BABBBCBDBEBF" +
        "C0C1C2C3C4C5C6C7C8C9CACBCCCDCECFD0D1D2D3D4D5D6D7D8D9DADBDCDDDEDFE0E1E2E3E4E5E6E7E8E9EAEBECEDEEEFF0F1F2F3F4F5F6F7F8F9FAFBFCFDFEFF";

    [Fact]
    public void Read_EverySplitPointAndOneOctetAtATime_FindsTheSameFrames()
    {
        var wire = Convert.FromHexString(Everything);
        var whole = WebSocketFramesTarget.Trace(wire, [wire.Length], new(PeerRole.Server));
        Assert.Contains("[1 fin=True 48656C6C6F.]", whole, StringComparison.Ordinal);
        Assert.EndsWith("[8 fin=True 03E8.]NeedMore", whole, StringComparison.Ordinal);
        for (var split = 0; split < wire.Length; split++)
        {
            Assert.Equal(whole, WebSocketFramesTarget.Trace(wire, [split, wire.Length], new(PeerRole.Server)));
        }

        Assert.Equal(whole, WebSocketFramesTarget.Trace(wire, [.. Enumerable.Range(1, wire.Length)], new(PeerRole.Server)));
    }

    [Theory]
    [InlineData("§5.4 continuation first", "8000", WebSocketFault.UnexpectedContinuation)]
    [InlineData("§5.4 continuation behind a whole message", "8100" + "0000", WebSocketFault.UnexpectedContinuation)]
    [InlineData("§5.4 text in a text", "0100" + "8100", WebSocketFault.MessageInMessage)]
    [InlineData("§5.4 binary in a text, a ping between", "010161" + "8900" + "8200", WebSocketFault.MessageInMessage)]
    public void Read_BrokenSequence_NamesTheFault(string clause, string wire, WebSocketFault expected)
    {
        var trace = WebSocketFramesTarget.Trace(Convert.FromHexString(wire), [wire.Length / 2], new(PeerRole.Server));
        Assert.True(trace.EndsWith("Invalid " + expected, StringComparison.Ordinal), $"{clause}: {trace}");
    }

    [Fact]
    public void Read_PartOfAFrame_ComesAtOnce()
    {
        var reader = new WebSocketFrameReader(new(PeerRole.Server));
        var step = reader.Read([0x81, 0x05, (byte)'a']);
        Assert.Equal((WebSocketStatus.Frame, 3, 2, true, false), (step.Status, step.Consumed, step.PayloadStart, step.IsFrameStart, step.IsFrameEnd));
        Assert.True(reader.IsInFrame && reader.IsInMessage);
        step = reader.Read("bcde\x81"u8);
        Assert.Equal((4, 0, 1L, false, true), (step.Consumed, step.PayloadStart, step.Offset, step.IsFrameStart, step.IsFrameEnd));
        Assert.False(reader.IsInFrame || reader.IsInMessage);
    }

    [Fact]
    public void Read_PartOfAControlFrame_WaitsForItsEnd()
    {
        var reader = new WebSocketFrameReader(new(PeerRole.Server));
        Assert.Equal(WebSocketStatus.NeedMore, reader.Read([0x89, 0x02, 1]).Status);
        Assert.Equal(4, reader.Read([0x89, 0x02, 1, 2, 3]).Consumed);
    }

    [Fact]
    public void Read_UnknownExtension_LetsEverythingButTheLengthsPass()
    {
        var trace = WebSocketFramesTarget.Trace(Convert.FromHexString("F30161" + "8B00" + "F000"), [7], new(PeerRole.Server, AllowsAnything: true));
        Assert.Equal("[3 fin=True 61.][11 fin=True .][0 fin=True .]NeedMore", trace);
    }
}
