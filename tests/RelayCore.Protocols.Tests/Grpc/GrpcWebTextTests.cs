using System.Buffers;
using System.Text;
using CsCheck;
using RelayCore.Fuzz;
using RelayCore.Protocols.Grpc;
using Xunit;

namespace RelayCore.Protocols.Tests.Grpc;

public sealed class GrpcWebTextTests
{
    [Theory]
    [InlineData("QUJD", 4, "ABC")]
    [InlineData("QUJDRA==RUY=", 8, "ABCD")]
    [InlineData("QQ==QUJD", 4, "A")]
    [InlineData("QUJDQUI", 4, "ABC")]
    [InlineData("QUJDQU!C", 4, "ABC")]
    [InlineData("QUJDQ UJDRA==", 4, "ABC")]
    public void Decode_Run_EndsBehindItsPadding(string text, int consumed, string octets)
    {
        var output = new byte[64];
        Assert.Equal(OperationStatus.Done, GrpcWebText.Decode(Encoding.ASCII.GetBytes(text), output, out var taken, out var written));
        Assert.Equal((consumed, octets), (taken, Encoding.ASCII.GetString(output, 0, written)));
    }

    [Theory]
    [InlineData("", OperationStatus.NeedMoreData)]
    [InlineData("QUJ", OperationStatus.NeedMoreData)]
    [InlineData("Q=JD", OperationStatus.InvalidData)]
    [InlineData("====", OperationStatus.InvalidData)]
    [InlineData("QUJ!", OperationStatus.InvalidData)]
    [InlineData("QU\nJD", OperationStatus.InvalidData)]
    public void Decode_NoRun_SaysWhy(string text, OperationStatus expected)
    {
        Assert.Equal(expected, GrpcWebText.Decode(Encoding.ASCII.GetBytes(text), new byte[64], out var consumed, out var written));
        Assert.Equal((0, 0), (consumed, written));
    }

    [Fact]
    public void Decode_AnySegmentsInAnyPieces_GivesTheirOctets() =>
        Gen.Select(Gen.Byte.Array[0, 20].List[0, 8], Gen.Int[0, int.MaxValue]).Sample((segments, seed) =>
        {
            var text = Encoding.ASCII.GetBytes(string.Concat(segments.Select(Convert.ToBase64String)));
            Assert.Equal(segments.SelectMany(x => x), GrpcTarget.Decode(text, new Random(seed)));
        });
}
