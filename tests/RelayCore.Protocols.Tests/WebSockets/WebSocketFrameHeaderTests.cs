using System.Buffers;
using CsCheck;
using RelayCore.Protocols.WebSockets;
using Xunit;

namespace RelayCore.Protocols.Tests.WebSockets;

public sealed class WebSocketFrameHeaderTests
{
    [Theory]
    [InlineData("§5.2 RSV1 without extension", "C180", PeerRole.Client, false, WebSocketFault.ReservedBitSet)]
    [InlineData("§5.2 RSV2", "A180", PeerRole.Client, true, WebSocketFault.ReservedBitSet)]
    [InlineData("§5.2 RSV3", "9100", PeerRole.Server, true, WebSocketFault.ReservedBitSet)]
    [InlineData("§5.2 RSV1 to 3", "F100", PeerRole.Server, true, WebSocketFault.ReservedBitSet)]
    [InlineData("§5.2 opcode 3", "8380", PeerRole.Client, false, WebSocketFault.UnknownOpcode)]
    [InlineData("§5.2 opcode 7", "8700", PeerRole.Server, true, WebSocketFault.UnknownOpcode)]
    [InlineData("§5.2 opcode 11", "8B80", PeerRole.Client, false, WebSocketFault.UnknownOpcode)]
    [InlineData("§5.2 opcode 15", "8F00", PeerRole.Server, false, WebSocketFault.UnknownOpcode)]
    [InlineData("§5.1 unmasked client", "8100", PeerRole.Client, false, WebSocketFault.WrongMasking)]
    [InlineData("§5.1 masked server", "8180", PeerRole.Server, false, WebSocketFault.WrongMasking)]
    [InlineData("§5.5 fragmented ping", "0980", PeerRole.Client, false, WebSocketFault.BadControlFrame)]
    [InlineData("§5.5 close of 126", "88FE", PeerRole.Client, false, WebSocketFault.BadControlFrame)]
    [InlineData("§5.5 pong of 64 bit length", "8A7F", PeerRole.Server, false, WebSocketFault.BadControlFrame)]
    [InlineData("§5.2 long form of 125", "827E007D", PeerRole.Server, false, WebSocketFault.BadLength)]
    [InlineData("§5.2 longest form of 65535", "827F000000000000FFFF", PeerRole.Server, false, WebSocketFault.BadLength)]
    [InlineData("§5.2 highest bit", "827F8000000000000000", PeerRole.Server, false, WebSocketFault.BadLength)]
    [InlineData("RFC 7692 §6.1 RSV1 on a continuation", "C080", PeerRole.Client, true, WebSocketFault.MisplacedCompression)]
    [InlineData("RFC 7692 §6.1 RSV1 on a ping", "C980", PeerRole.Client, true, WebSocketFault.MisplacedCompression)]
    internal void TryRead_BrokenRule_NamesTheFault(string clause, string wire, PeerRole sender, bool compression, WebSocketFault expected)
    {
        var status = WebSocketFrameHeader.TryRead(Convert.FromHexString(wire), new(sender, compression), out _, out var consumed, out var fault);
        Assert.True((status, fault, consumed) == (OperationStatus.InvalidData, expected, 0), $"{clause}: {status} {fault}");
    }

    [Fact]
    public void TryRead_RefusedFaults_AreAllCovered()
    {
        var rows = typeof(WebSocketFrameHeaderTests).GetMethod(nameof(TryRead_BrokenRule_NamesTheFault), System.Reflection.BindingFlags.Instance | System.Reflection.BindingFlags.NonPublic)!
            .GetCustomAttributes(typeof(InlineDataAttribute), false).Cast<InlineDataAttribute>().Select(x => (WebSocketFault)x.Data[4]!).ToHashSet();
        Assert.Empty(Enum.GetValues<WebSocketFault>().Except(rows).Except(
        [
            WebSocketFault.None, WebSocketFault.UnexpectedContinuation, WebSocketFault.MessageInMessage, WebSocketFault.InvalidUtf8,
            WebSocketFault.BadCloseCode, WebSocketFault.BadCloseReason, WebSocketFault.BadCompression,
        ]));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(125)]
    [InlineData(126)]
    [InlineData(127)]
    [InlineData(65535)]
    [InlineData(65536)]
    [InlineData(long.MaxValue)]
    public void Write_EveryLengthForm_IsReadBackAtEverySplitPoint(long length)
    {
        foreach (var key in new uint?[] { null, 0x01020304 })
        {
            var header = new WebSocketFrameHeader(WebSocketOpcode.Binary, true, 0, length, key);
            var wire = new byte[WebSocketFrameHeader.MaxOctets];
            var written = header.Write(wire);
            Assert.Equal(header.Octets, written);
            var rules = new WebSocketFrameRules(key is null ? PeerRole.Server : PeerRole.Client);
            for (var split = 0; split < written; split++)
            {
                Assert.Equal(OperationStatus.NeedMoreData, WebSocketFrameHeader.TryRead(wire.AsSpan(0, split), rules, out _, out _, out _));
            }

            Assert.Equal(OperationStatus.Done, WebSocketFrameHeader.TryRead(wire.AsSpan(0, written), rules, out var read, out var consumed, out _));
            Assert.Equal((header, written), (read, consumed));
        }
    }

    [Fact]
    public void WriteThenRead_AnyHeader_IsTheSame() =>
        Gen.Select(Gen.Byte[0, 2].Select(x => (WebSocketOpcode)x), Gen.Bool, Gen.Long[0, long.MaxValue], Gen.UInt, Gen.Bool, Gen.Bool)
            .Sample((opcode, final, length, key, masked, compressed) =>
            {
                var header = new WebSocketFrameHeader(
                    opcode, final, compressed && opcode != WebSocketOpcode.Continuation ? WebSocketFrameHeader.Compressed : 0, length, masked ? key : null);
                var wire = new byte[WebSocketFrameHeader.MaxOctets];
                header.Write(wire);
                WebSocketFrameHeader.TryRead(wire, new(masked ? PeerRole.Client : PeerRole.Server, true), out var read, out var consumed, out _);
                return read == header && consumed == header.Octets;
            });
}
