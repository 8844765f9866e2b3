using CsCheck;
using RelayCore.Fuzz;
using RelayCore.Protocols.Grpc;
using Xunit;

namespace RelayCore.Protocols.Tests.Grpc;

public sealed class GrpcReaderTests
{
    private static readonly byte[] s_body = [0, 0, 0, 0, 2, 0xA, 0xB, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xC];

    [Fact]
    public void Read_EverySplitPoint_FindsTheSameMessages()
    {
        for (var first = 0; first <= s_body.Length; first++)
        {
            var reader = new GrpcReader(isWeb: false);
            var found = new List<(byte Flags, int Length)>();
            var open = 0;
            foreach (var part in (byte[][])[s_body[..first], s_body[first..]])
            {
                for (var piece = part.AsSpan(); !piece.IsEmpty;)
                {
                    var step = reader.Read(piece);
                    open += step.Length;
                    piece = piece[step.Length..];
                    if (step.Status == UnitStatus.Message)
                    {
                        found.Add((reader.Flags, open));
                        open = 0;
                    }
                }
            }

            Assert.Equal([((byte)0, 7), ((byte)1, 5), ((byte)0, 6)], found);
        }
    }

    [Theory]
    [InlineData(false, 0x02)]
    [InlineData(false, 0x80)]
    [InlineData(false, 0x81)]
    [InlineData(true, 0x40)]
    [InlineData(true, 0x82)]
    public void Read_UnknownFlags_AreInvalid(bool isWeb, byte flags)
    {
        var reader = new GrpcReader(isWeb);
        Assert.Equal(new UnitStep(UnitStatus.Message, 5), reader.Read([0, 0, 0, 0, 0, flags]));
        Assert.Equal(new UnitStep(UnitStatus.Invalid, 0), reader.Read([flags, 0, 0, 0, 0]));
        Assert.True(reader.IsBetween);
    }

    [Fact]
    public void Read_TrailersOfTheWebForm_AreAMessageWithTheirFlag()
    {
        var reader = new GrpcReader(isWeb: true);
        Assert.Equal(new UnitStep(UnitStatus.Message, 7), reader.Read([0x80, 0, 0, 0, 2, 1, 2]));
        Assert.Equal(GrpcReader.Trailers, reader.Flags);
    }

    [Fact]
    public void Read_LargestLength_NeedsMore()
    {
        var reader = new GrpcReader(isWeb: false);
        Assert.Equal(new UnitStep(UnitStatus.NeedMore, 8), reader.Read([0, 0xFF, 0xFF, 0xFF, 0xFF, 1, 2, 3]));
        Assert.Equal(new UnitStep(UnitStatus.NeedMore, 0), reader.Read([]));
        Assert.False(reader.IsBetween);
    }

    [Fact]
    public void WritePrefix_AnyMessages_ReadBackInAnyPieces() =>
        Gen.Select(Gen.Byte.Array[0, 40].List[0, 8], Gen.Int[0, int.MaxValue]).Sample((messages, seed) =>
        {
            var body = new List<byte>();
            foreach (var message in messages)
            {
                var prefix = new byte[GrpcReader.PrefixOctets];
                GrpcReader.WritePrefix(prefix, (byte)(message.Length & 1), message.Length);
                body.AddRange([.. prefix, .. message]);
            }

            var expected = string.Concat(messages.Select(x => $"0{x.Length & 1}000000{x.Length:X2}{Convert.ToHexString(x)}|"));
            Assert.Equal(expected, GrpcTarget.Read(body.ToArray(), new Random(seed), isWeb: false));
        });
}
