using CsCheck;
using RelayCore.Protocols.Http2.Hpack;
using Xunit;

namespace RelayCore.Protocols.Tests.Http2.Hpack;

public sealed class HpackDecoderTests
{
    private static readonly string[] s_request1 = [":method: GET", ":scheme: http", ":path: /", ":authority: www.example.com"];
    private static readonly string[] s_request2 = [.. s_request1, "cache-control: no-cache"];
    private static readonly string[] s_request3 = [":method: GET", ":scheme: https", ":path: /index.html", ":authority: www.example.com", "custom-key: custom-value"];
    private static readonly string[] s_response1 = [":status: 302", "cache-control: private", "date: Mon, 21 Oct 2013 20:13:21 GMT", "location: https://www.example.com"];
    private static readonly string[] s_response2 = [":status: 307", "cache-control: private", "date: Mon, 21 Oct 2013 20:13:21 GMT", "location: https://www.example.com"];

    private static readonly string[] s_response3 =
    [
        ":status: 200", "cache-control: private", "date: Mon, 21 Oct 2013 20:13:22 GMT", "location: https://www.example.com", "content-encoding: gzip",
        "set-cookie: foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1",
    ];

    [Theory]
    [InlineData("§C.2.1", "400a637573746f6d2d6b65790d637573746f6d2d686561646572", "custom-key: custom-header", 55)]
    [InlineData("§C.2.2", "040c2f73616d706c652f70617468", ":path: /sample/path", 0)]
    [InlineData("§C.2.3", "100870617373776f726406736563726574", "!password: secret", 0)]
    [InlineData("§C.2.4", "82", ":method: GET", 0)]
    public void Decode_RepresentationsOfAppendixC_GiveFieldAndTable(string clause, string hex, string field, int tableOctets)
    {
        var decoder = new HpackDecoder();
        var (error, fields) = Blocks.Decode(decoder, hex);
        Assert.Equal((clause, HpackError.None, field, tableOctets), (clause, error, string.Join('\n', fields), decoder.TableOctets));
    }

    [Theory]
    [InlineData("§C.3", "828684410f7777772e6578616d706c652e636f6d", "828684be58086e6f2d6361636865", "828785bf400a637573746f6d2d6b65790c637573746f6d2d76616c7565")]
    [InlineData("§C.4", "828684418cf1e3c2e5f23a6ba0ab90f4ff", "828684be5886a8eb10649cbf", "828785bf408825a849e95ba97d7f8925a849e95bb8e8b4bf")]
    public void Decode_RequestsOfAppendixC_GiveListsAndTable(string clause, string first, string second, string third)
    {
        var decoder = new HpackDecoder();
        AssertBlock(clause, decoder, first, s_request1, 57);
        AssertBlock(clause, decoder, second, s_request2, 110);
        AssertBlock(clause, decoder, third, s_request3, 164);
    }

    [Theory]
    [InlineData("§C.5",
        "4803333032580770726976617465611d4d6f6e2c203231204f637420323031332032303a31333a323120474d546e1768747470733a2f2f7777772e6578616d706c652e636f6d",
        "4803333037c1c0bf",
        "88c1611d4d6f6e2c203231204f637420323031332032303a31333a323220474d54c05a04677a69707738666f6f3d4153444a4b48514b425a584f5157454f50495541585157454f49553b206d61782d6167653d333630303b2076657273696f6e3d31")]
    [InlineData("§C.6",
        "488264025885aec3771a4b6196d07abe941054d444a8200595040b8166e082a62d1bff6e919d29ad171863c78f0b97c8e9ae82ae43d3",
        "4883640effc1c0bf",
        "88c16196d07abe941054d444a8200595040b8166e084a62d1bffc05a839bd9ab77ad94e7821dd7f2e6c7b335dfdfcd5b3960d5af27087f3672c1ab270fb5291f9587316065c003ed4ee5b1063d5007")]
    public void Decode_ResponsesOfAppendixCWithATableOf256_Evict(string clause, string first, string second, string third)
    {
        var decoder = new HpackDecoder();
        decoder.SetMaxTableOctets(256);
        Assert.Equal(HpackError.None, Blocks.Decode(decoder, "3fe101").Error);
        AssertBlock(clause, decoder, first, s_response1, 222);
        AssertBlock(clause, decoder, second, s_response2, 222);
        AssertBlock(clause, decoder, third, s_response3, 215);
    }

    [Theory]
    [InlineData("§6.1 index 0", "80", HpackError.InvalidIndex)]
    [InlineData("§2.3.3 index beyond the tables", "be", HpackError.InvalidIndex)]
    [InlineData("§2.3.3 name beyond the tables", "7f0001 61", HpackError.InvalidIndex)]
    [InlineData("§2.3.3 far beyond", "ffffffffff06", HpackError.InvalidIndex)]
    [InlineData("§5.1", "ff80808080808080", HpackError.IntegerTooLarge)]
    [InlineData("§5.1 length", "007fffffffffff", HpackError.IntegerTooLarge)]
    [InlineData("§5.2 string ends early", "40 0a 6375", HpackError.Truncated)]
    [InlineData("§5.2 EOS", "00 84 ffffffff 00", HpackError.InvalidHuffman)]
    [InlineData("§5.2 EOS in a value", "00 01 61 84 ffffffff", HpackError.InvalidHuffman)]
    [InlineData("§6.3 above the limit", "3fe21f", HpackError.SizeUpdateTooLarge)]
    [InlineData("§4.2 behind a field", "82 20", HpackError.MisplacedSizeUpdate)]
    public void Decode_BrokenRule_NamesIt(string clause, string hex, HpackError expected)
    {
        var (error, _) = Blocks.Decode(new HpackDecoder(), hex);
        Assert.True((error, error.IsFatal()) == (expected, true), $"{clause}: {error}");
    }

    [Fact]
    public void Decode_EveryPrefixOfABlock_IsTruncatedOrEndsBetweenFields()
    {
        var block = Convert.FromHexString("488264025885aec3771a4b6196d07abe941054d444a8200595040b8166e082a62d1bff6e919d29ad171863c78f0b97c8e9ae82ae43d3");
        int[] ends = [0, 4, 11, 35, 54];
        for (var length = 0; length <= block.Length; length++)
        {
            var (error, fields) = Blocks.Decode(new HpackDecoder(), block.AsSpan(0, length));
            var whole = ends.Count(x => x > 0 && x <= length);
            Assert.Equal((length, ends.Contains(length) ? HpackError.None : HpackError.Truncated, whole), (length, error, fields.Count));
        }
    }

    [Fact]
    public void SetMaxTableOctets_BelowTheTable_MustBeFollowedByAnUpdate()
    {
        var decoder = new HpackDecoder();
        decoder.SetMaxTableOctets(100);
        decoder.SetMaxTableOctets(4096);
        Assert.Equal(HpackError.MissingSizeUpdate, Blocks.Decode(decoder, "82").Error); // RFC 9113 §4.3.1

        decoder = new HpackDecoder();
        decoder.SetMaxTableOctets(100);
        decoder.SetMaxTableOctets(4096);
        Assert.Equal(HpackError.MissingSizeUpdate, Blocks.Decode(decoder, "3fe11f 82").Error); // the smallest first, RFC 7541 §4.2

        decoder = new HpackDecoder();
        decoder.SetMaxTableOctets(100);
        decoder.SetMaxTableOctets(4096);
        Assert.Equal(HpackError.None, Blocks.Decode(decoder, "3f45 3fe11f 82").Error);
        Assert.Equal(4096, decoder.TableBound);
        Assert.Equal(HpackError.None, Blocks.Decode(decoder, "82").Error);
    }

    [Fact]
    public void SetMaxTableOctets_Above_AllowsTheUpdateAndDoesNotDemandIt()
    {
        var decoder = new HpackDecoder();
        Assert.Equal(HpackError.SizeUpdateTooLarge, Blocks.Decode(decoder, "3fe13f").Error);
        decoder = new HpackDecoder();
        decoder.SetMaxTableOctets(8192);
        Assert.Equal(HpackError.None, Blocks.Decode(decoder, "82").Error);
        Assert.Equal(HpackError.None, Blocks.Decode(decoder, "3fe13f").Error);
        Assert.Equal(8192, decoder.TableBound);
    }

    [Fact]
    public void Decode_NameOfAnEntryThatItEvicts_IsStillRight()
    {
        // RFC 7541 §4.4: the new entry may refer to the name of one that goes for it.
        var decoder = new HpackDecoder();
        decoder.SetMaxTableOctets(80);
        var (error, fields) = Blocks.Decode(decoder, "3f31 400a637573746f6d2d6b657901 61 7e 1e" + string.Concat(Enumerable.Repeat("62", 30)) + "be");
        Assert.Equal(HpackError.None, error);
        Assert.Equal(["custom-key: a", "custom-key: " + new string('b', 30), "custom-key: " + new string('b', 30)], fields);
        Assert.Equal((1, 72), (decoder.TableCount, decoder.TableOctets));
    }

    [Fact]
    public void Decode_EntryLargerThanTheTable_EmptiesIt()
    {
        var decoder = new HpackDecoder();
        decoder.SetMaxTableOctets(64);
        var (error, fields) = Blocks.Decode(decoder, "3f21 4001610162 400163 7f00" + string.Concat(Enumerable.Repeat("64", 127)));
        Assert.Equal((HpackError.None, 2, 0), (error, fields.Count, decoder.TableCount));
    }

    [Fact]
    public void Decode_ListOverTheLimit_KeepsTheTableRight()
    {
        var fields = Enumerable.Range(0, 40).Select(x => $"x-{x}: {new string((char)('a' + (x % 26)), x)}").ToArray();
        var (encoder, strict, lax) = (new HpackEncoder(), new HpackDecoder(500), new HpackDecoder());
        for (var round = 0; round < 3; round++)
        {
            var block = Blocks.Encode(encoder, fields);
            Assert.Equal(HpackError.None, Blocks.Decode(lax, block).Error);
            var (error, reported) = Blocks.Decode(strict, block);
            Assert.Equal((HpackError.ListTooLarge, false), (error, error.IsFatal()));
            Assert.Equal(fields[..reported.Count], reported);
            Assert.InRange(reported.Sum(x => x.Length - 2 + 32), 400, 500);
            Assert.Equal((lax.TableCount, lax.TableOctets), (strict.TableCount, strict.TableOctets));
        }

        var small = Blocks.Encode(encoder, fields[..5]);
        Assert.Equal((HpackError.None, string.Join('\n', fields[..5])), Join(Blocks.Decode(strict, small)));
    }

    [Fact]
    public void Decode_ThousandsOfReferencesToALargeEntry_StopsAtTheLimit()
    {
        // The HPACK bomb: 4,000 octets in the table, one octet for each copy of them.
        var decoder = new HpackDecoder(64 * 1024);
        byte[] value = [.. Enumerable.Repeat((byte)'a', 4000)];
        byte[] block = [0x40, 1, (byte)'x', 0x7F, 0xA1, 0x1E, .. value, .. Enumerable.Repeat((byte)0xBE, 16_000)];
        var (error, fields) = Blocks.Decode(decoder, block);
        Assert.Equal((HpackError.ListTooLarge, 16), (error, fields.Count));
    }

    [Fact]
    public void Decode_StringOverAllLimits_IsNotDecoded()
    {
        var decoder = new HpackDecoder(1000);
        byte[] block = [0x00, 1, (byte)'x', 0xFF, .. Length(100_000 - 127), .. Enumerable.Repeat((byte)0x1F, 100_000), 0x82];
        var (error, fields) = Blocks.Decode(decoder, block);
        Assert.Equal((HpackError.ListTooLarge, 0), (error, fields.Count));
        Assert.InRange(decoder.HeldOctets, 0, 16 * 1024);
    }

    [Fact]
    public void Decode_AnyOctets_KeepsTheTableInItsBounds() =>
        Gen.Select(Gen.Byte.Array[0, 200].Array[1, 8], Gen.Int[0, 5000]).Sample((blocks, size) =>
        {
            var decoder = new HpackDecoder(2000);
            decoder.SetMaxTableOctets(size);
            foreach (var block in blocks)
            {
                var (error, _) = Blocks.Decode(decoder, block);
                Assert.InRange(decoder.TableOctets, 0, Math.Max(size, 4096));
                if (error.IsFatal())
                {
                    return;
                }
            }
        }, iter: 5_000);

    private static byte[] Length(int value)
    {
        var octets = new byte[HpackInteger.MaxOctets];
        return octets[1..HpackInteger.Write(octets, 0, 0, value)];
    }

    private static (HpackError Error, string Fields) Join((HpackError Error, List<string> Fields) result) => (result.Error, string.Join('\n', result.Fields));

    private static void AssertBlock(string clause, HpackDecoder decoder, string hex, string[] expected, int tableOctets)
    {
        var (error, fields) = Blocks.Decode(decoder, hex);
        Assert.Equal((clause, HpackError.None, string.Join('\n', expected), tableOctets), (clause, error, string.Join('\n', fields), decoder.TableOctets));
    }
}
