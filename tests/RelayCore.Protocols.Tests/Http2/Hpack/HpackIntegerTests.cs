using CsCheck;
using RelayCore.Protocols.Http2.Hpack;
using Xunit;

namespace RelayCore.Protocols.Tests.Http2.Hpack;

/// <summary>RFC 7541 §5.1.</summary>
public sealed class HpackIntegerTests
{
    [Theory]
    [InlineData("§C.1.1", 5, 10, "0a")]
    [InlineData("§C.1.2", 5, 1337, "1f9a0a")]
    [InlineData("§C.1.3", 8, 42, "2a")]
    [InlineData("largest", 7, int.MaxValue, "7f80ffffff07")]
    public void Write_Examples_GiveTheOctets(string clause, int prefix, int value, string hex)
    {
        var destination = new byte[HpackInteger.MaxOctets];
        var length = HpackInteger.Write(destination, 0, (1 << prefix) - 1, value);
        Assert.Equal((clause, hex), (clause, Blocks.Hex(destination.AsSpan(0, length))));
    }

    [Fact]
    public void Read_WhatWriteWrote_IsTheSameAndEveryPrefixIsTruncated() =>
        Gen.Select(Gen.Int[1, 8], Gen.OneOf(Gen.Int[0, 300], Gen.Int[0, int.MaxValue], Gen.Const(int.MaxValue)), Gen.Byte).Sample((prefix, value, above) =>
        {
            var mask = (1 << prefix) - 1;
            var octets = new byte[HpackInteger.MaxOctets];
            var length = HpackInteger.Write(octets, above & ~mask, mask, value);
            Assert.Equal(above & ~mask, octets[0] & ~mask);
            for (var cut = 0; cut < length; cut++)
            {
                var end = 0;
                Assert.Equal(HpackError.Truncated, HpackInteger.Read(octets.AsSpan(0, cut), ref end, mask, out _));
            }

            var at = 0;
            Assert.Equal((HpackError.None, value, length), (HpackInteger.Read(octets.AsSpan(0, length), ref at, mask, out var read), read, at));
        });

    [Theory]
    [InlineData("7f81ffffff07")] // 2^31
    [InlineData("7fffffffffff00")]
    [InlineData("7f808080808000")] // zeros without end
    [InlineData("7fffffffffffffffffffff7f")]
    public void Read_MoreThanAnIntegerMayHave_IsRefused(string hex)
    {
        var at = 0;
        Assert.Equal(HpackError.IntegerTooLarge, HpackInteger.Read(Convert.FromHexString(hex), ref at, 0x7F, out _));
    }
}
