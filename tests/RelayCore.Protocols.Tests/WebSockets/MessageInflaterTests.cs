using System.IO.Compression;
using System.Text;
using CsCheck;
using RelayCore.Protocols.WebSockets;
using Xunit;

namespace RelayCore.Protocols.Tests.WebSockets;

public sealed class MessageInflaterTests
{
    [Theory]
    [InlineData("F248CDC9C90700", "Hello")] // RFC 7692 §7.2.3.1
    [InlineData("000500FAFF48656C6C6F00", "Hello")] // §7.2.3.3, stored
    [InlineData("F348CDC9C9070000", "Hello")] // §7.2.3.4, BFINAL
    [InlineData("F24805000000FFFFCAC9C90700", "Hello")] // §7.2.3.5, two blocks
    [InlineData("00", "")] // §7.2.3.6
    public void Inflate_ExamplesOfTheRfc_AtEverySplitPoint(string hex, string expected)
    {
        byte[] wire = [.. Convert.FromHexString(hex), .. PerMessageDeflate.Tail];
        for (var split = 0; split <= wire.Length; split++)
        {
            var inflater = new MessageInflater();
            var text = Encoding.ASCII.GetString([.. Decode(inflater, wire.AsSpan(..split), 1), .. Decode(inflater, wire.AsSpan(split..), 3)]);
            Assert.Equal((expected, true), (text, inflater.IsAtBoundary));
        }
    }

    [Fact]
    public void Inflate_SecondMessageWithContextTakeover_RefersToTheFirst()
    {
        var inflater = new MessageInflater();
        Assert.Equal("Hello"u8.ToArray(), Decode(inflater, [.. Convert.FromHexString("F248CDC9C90700"), .. PerMessageDeflate.Tail], 64));
        Assert.Equal("Hello"u8.ToArray(), Decode(inflater, [.. Convert.FromHexString("F200110000"), .. PerMessageDeflate.Tail], 64)); // §7.2.3.2
        inflater.DropContext();
        Assert.Equal(InflateStatus.Damaged, inflater.Inflate(Convert.FromHexString("F200110000"), new byte[64], out _, out _));
    }

    [Fact]
    public void Inflate_BehindAFinalBlock_GoesOnWithTheWindow()
    {
        var inflater = new MessageInflater();
        Assert.Equal("Hello"u8.ToArray(), Decode(inflater, [.. Convert.FromHexString("F348CDC9C9070000"), .. PerMessageDeflate.Tail], 64));
        Assert.Equal("Hello"u8.ToArray(), Decode(inflater, [.. Convert.FromHexString("F200110000"), .. PerMessageDeflate.Tail], 64));
    }

    [Fact]
    public void Inflate_MessagesOfTheLibrary_AreWhatWasCompressed() =>
        Gen.Select(Messages, Gen.Int[1, 9000], Gen.Int[1, 9000], Gen.OneOf(Gen.Const(CompressionLevel.Fastest), Gen.Const(CompressionLevel.Optimal), Gen.Const(CompressionLevel.NoCompression)))
            .Sample((messages, piece, room, level) =>
            {
                var inflater = new MessageInflater();
                using var wire = new MemoryStream();
                using var deflate = new DeflateStream(wire, level);
                foreach (var message in messages)
                {
                    wire.SetLength(0);
                    deflate.Write(message);
                    deflate.Flush();
                    var octets = wire.ToArray();
                    var decoded = new List<byte>();
                    for (var i = 0; i < octets.Length; i += piece)
                    {
                        decoded.AddRange(Decode(inflater, octets.AsSpan(i, Math.Min(piece, octets.Length - i)), room));
                    }

                    if (!decoded.SequenceEqual(message) || !inflater.IsAtBoundary)
                    {
                        return false;
                    }
                }

                return inflater.WindowOctets <= 32 * 1024;
            }, iter: 300);

    [Fact]
    public void Inflate_SmallMessages_HoldASmallWindow()
    {
        var inflater = new MessageInflater();
        Assert.Equal(0, inflater.WindowOctets);
        Decode(inflater, [.. Convert.FromHexString("F248CDC9C90700"), .. PerMessageDeflate.Tail], 64);
        Assert.Equal(1024, inflater.WindowOctets);
    }

    [Theory]
    [InlineData("07")] // BTYPE 3
    [InlineData("0001000000")] // LEN is not the complement of NLEN
    [InlineData("F200110000")] // a match that reaches before the beginning
    [InlineData("FDFF")] // HLIT 31
    public void Inflate_Damaged_SaysSoAndStaysSo(string hex)
    {
        var inflater = new MessageInflater();
        byte[] wire = [.. Convert.FromHexString(hex), 0, 0, 0, 0, 0, 0];
        Assert.Equal(InflateStatus.Damaged, inflater.Inflate(wire, new byte[100], out _, out _));
        Assert.Equal(InflateStatus.Damaged, inflater.Inflate([0], new byte[1], out _, out _));
        Assert.False(inflater.IsAtBoundary);
    }

    private static Gen<byte[][]> Messages => Gen.OneOf(
        Gen.Byte.Array[1, 400],
        Gen.Select(Gen.Byte.Array[1, 40], Gen.Int[1, 900]).Select((x, times) => Enumerable.Repeat(x, times).SelectMany(y => y).ToArray()),
        Gen.Int[1, 40_000].Select(x => new byte[x])).Array[1, 6];

    private static byte[] Decode(MessageInflater inflater, ReadOnlySpan<byte> wire, int room)
    {
        var decoded = new List<byte>();
        var chunk = new byte[room];
        while (true)
        {
            var status = inflater.Inflate(wire, chunk, out var consumed, out var written);
            decoded.AddRange(chunk.AsSpan(0, written));
            wire = wire[consumed..];
            if (status != InflateStatus.NeedOutput)
            {
                Assert.Equal(InflateStatus.NeedInput, status);
                return [.. decoded];
            }
        }
    }
}
