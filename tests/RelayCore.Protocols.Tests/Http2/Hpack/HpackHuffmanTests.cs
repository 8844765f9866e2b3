using System.Buffers;
using System.Text;
using CsCheck;
using RelayCore.Protocols.Http2.Hpack;
using Xunit;

namespace RelayCore.Protocols.Tests.Http2.Hpack;

/// <summary>RFC 7541 §5.2 and Appendix B.</summary>
public sealed class HpackHuffmanTests
{
    [Theory]
    [InlineData("www.example.com", "f1e3c2e5f23a6ba0ab90f4ff")]
    [InlineData("no-cache", "a8eb10649cbf")]
    [InlineData("custom-key", "25a849e95ba97d7f")]
    [InlineData("custom-value", "25a849e95bb8e8b4bf")]
    [InlineData("302", "6402")]
    [InlineData("private", "aec3771a4b")]
    [InlineData("Mon, 21 Oct 2013 20:13:21 GMT", "d07abe941054d444a8200595040b8166e082a62d1bff")]
    [InlineData("https://www.example.com", "9d29ad171863c78f0b97c8e9ae82ae43d3")]
    [InlineData("foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1", "94e7821dd7f2e6c7b335dfdfcd5b3960d5af27087f3672c1ab270fb5291f9587316065c003ed4ee5b1063d5007")]
    public void Encode_ExamplesOfAppendixC_GiveTheOctets(string text, string hex)
    {
        var source = Encoding.ASCII.GetBytes(text);
        var destination = new byte[HpackHuffman.EncodedOctets(source)];
        Assert.Equal((hex, hex.Length / 2), (Blocks.Hex(destination.AsSpan(0, HpackHuffman.Encode(source, destination))), destination.Length));
    }

    // Codes at both ends of each length as Appendix B prints them; canonical order fixes the others.
    [Theory]
    [InlineData(0, "ffc7")] // 13 bits
    [InlineData(1, "ffffb1")] // 23
    [InlineData(2, "fffffe2f")] // 28
    [InlineData(9, "ffffea")] // 24
    [InlineData(10, "fffffff3")] // 30
    [InlineData(22, "fffffffb")]
    [InlineData('0', "07")] // 5
    [InlineData('t', "4f")]
    [InlineData(' ', "53")] // 6
    [InlineData('u', "b7")]
    [InlineData(':', "b9")] // 7
    [InlineData('z', "f7")]
    [InlineData('&', "f8")] // 8
    [InlineData('Z', "fd")]
    [InlineData('!', "fe3f")] // 10
    [InlineData('|', "ff9f")] // 11
    [InlineData('>', "ffbf")] // 12
    [InlineData('}', "fff7")] // 14
    [InlineData('{', "fffd")] // 15
    [InlineData('\\', "fffe1f")] // 19
    [InlineData(226, "fffedf")] // 20
    [InlineData(153, "fffee7")] // 21
    [InlineData(129, "ffff4b")] // 22
    [InlineData(199, "fffff67f")] // 25
    [InlineData(255, "fffffbbf")] // 26
    [InlineData(254, "fffffe1f")] // 27
    [InlineData(249, "ffffffef")]
    public void Encode_OneSymbol_IsTheCodeOfAppendixB(int symbol, string hex)
    {
        var destination = new byte[4];
        Assert.Equal(hex, Blocks.Hex(destination.AsSpan(0, HpackHuffman.Encode([(byte)symbol], destination))));
    }

    [Fact]
    public void Decode_WhatEncodeWrote_IsTheSame() =>
        Gen.OneOf(Gen.Byte.Array[0, 100], Gen.Char[' ', '~'].Array[0, 300].Select(x => x.Select(y => (byte)y).ToArray()), Gen.OneOf<byte>(10, 22, 0, (byte)'a', 249).Array[0, 60])
            .Sample(source =>
            {
                var encoded = new byte[HpackHuffman.EncodedOctets(source)];
                Assert.Equal(encoded.Length, HpackHuffman.Encode(source, encoded));
                var decoded = new byte[HpackHuffman.MaxDecodedOctets(encoded.Length)];
                Assert.Equal(OperationStatus.Done, HpackHuffman.Decode(encoded, decoded, out var written));
                Assert.Equal(source, decoded[..written]);

                // Exactly as much room as needed is enough, one octet less is not.
                Assert.Equal(OperationStatus.Done, HpackHuffman.Decode(encoded, decoded.AsSpan(0, source.Length), out _));
                Assert.True(source.Length == 0 || HpackHuffman.Decode(encoded, decoded.AsSpan(0, source.Length - 1), out _) == OperationStatus.DestinationTooSmall);
            });

    [Fact]
    public void Decode_AnyOctets_AgreesWithBitByBit() =>
        Gen.OneOf(Gen.Byte.Array[0, 24], Gen.OneOf<byte>(0xFF, 0xFE, 0xFF, 0xF7, 0x00).Array[0, 24]).Sample(source =>
        {
            var destination = new byte[HpackHuffman.MaxDecodedOctets(source.Length)];
            var status = HpackHuffman.Decode(source, destination, out var written);
            var expected = BitByBit(source);
            Assert.Equal(expected is null ? OperationStatus.InvalidData : OperationStatus.Done, status);
            Assert.True(expected is null || expected.AsSpan().SequenceEqual(destination.AsSpan(0, written)));
        }, iter: 20_000);

    [Theory]
    [InlineData("§5.2 padding of 8 bits", "07ff")]
    [InlineData("§5.2 padding of zeros", "00")] // "0" and 000
    [InlineData("§5.2 padding of zeros", "06")]
    [InlineData("§5.2 EOS", "ffffffff")]
    [InlineData("§5.2 EOS behind symbols", "07ffffffff07070707070707070707")]
    [InlineData("§5.2 beginning of a long code", "ffff")]
    public void Decode_BrokenPadding_IsRefused(string clause, string hex) =>
        Assert.True(HpackHuffman.Decode(Convert.FromHexString(hex), new byte[64], out _) == OperationStatus.InvalidData, clause);

    /// <summary>The slow and obvious way: a code is looked for among all of them after each bit.</summary>
    private static byte[]? BitByBit(byte[] source)
    {
        var (result, code, bits) = (new List<byte>(), 0UL, 0);
        foreach (var octet in source)
        {
            for (var bit = 7; bit >= 0; bit--)
            {
                (code, bits) = ((code << 1) | (uint)((octet >> bit) & 1), bits + 1);
                if (bits == 30 && code == 0x3FFFFFFF)
                {
                    return null; // EOS
                }

                if (s_codes.TryGetValue((code, bits), out var symbol))
                {
                    result.Add(symbol);
                    (code, bits) = (0, 0);
                }
            }
        }

        return bits < 8 && code == (1UL << bits) - 1 ? [.. result] : null;
    }

    private static readonly Dictionary<(ulong Code, int Bits), byte> s_codes = Codes();

    // From what Encode writes for each symbol twice: the length is where the padding of ones cannot explain the second.
    private static Dictionary<(ulong Code, int Bits), byte> Codes()
    {
        var codes = new Dictionary<(ulong, int), byte>();
        for (var symbol = 0; symbol < 256; symbol++)
        {
            var eight = Enumerable.Repeat((byte)symbol, 8).ToArray(); // eight codes end at an octet, so that their octets are the bits of one
            var octets = new byte[32];
            var bits = HpackHuffman.Encode(eight, octets);
            var code = 0UL;
            for (var bit = 0; bit < bits; bit++)
            {
                code = (code << 1) | (uint)((octets[bit / 8] >> (7 - (bit % 8))) & 1);
            }

            codes.Add((code, bits), (byte)symbol);
        }

        return codes;
    }
}
