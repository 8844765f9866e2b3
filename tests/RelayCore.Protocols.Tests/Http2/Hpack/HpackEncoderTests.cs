using CsCheck;
using RelayCore.Protocols.Http2.Hpack;
using Xunit;

namespace RelayCore.Protocols.Tests.Http2.Hpack;

public sealed class HpackEncoderTests
{
    private static readonly string[] s_request =
    [
        ":method: GET", ":scheme: https", ":authority: www.example.com", ":path: /articles/?page=2", "user-agent: Mozilla/5.0 (X11; Linux x86_64)", "accept: */*",
        "accept-encoding: gzip, deflate, br", "accept-language: en-US", "x-custom: 1234567890", "cookie: session=0123456789abcdef0123456789abcdef",
    ];

    [Fact]
    public void Encode_RepeatedList_IsOneOctetForEachField()
    {
        var encoder = new HpackEncoder();
        Blocks.Encode(encoder, s_request);
        Blocks.Encode(encoder, s_request);
        Assert.Equal(s_request.Length, Blocks.Encode(encoder, s_request).Length);
    }

    [Theory]
    [InlineData("§7.1.3 credentials", "authorization: Bearer 0123456789abcdef0123456789abcdef", 0x10)]
    [InlineData("§7.1.3 credentials", "proxy-authorization: Basic dXNlcjpwYXNz", 0x10)]
    [InlineData("§7.1.3 short cookie", "cookie: id=12345", 0x10)]
    [InlineData("§6.2.3 as it came", "!x-secret: 0123456789abcdef0123456789abcdef", 0x10)]
    [InlineData("varies", ":path: /search?q=a", 0x00)]
    [InlineData("varies", "content-length: 12345", 0x00)]
    [InlineData("varies", "x-request-id: 0b5c0f6a-8a4e-4e0a-9a55-b7a8ef3c4b0e", 0x00)]
    [InlineData("stays", "user-agent: curl/8.0", 0x40)]
    [InlineData("stays", ":authority: www.example.com", 0x40)]
    [InlineData("static", ":method: GET", 0x82)]
    public void Encode_Field_IsIndexedAsItsKindDeserves(string reason, string field, byte pattern)
    {
        var encoder = new HpackEncoder();
        var first = Blocks.Encode(encoder, field)[0];
        Assert.True((first & (pattern == 0x40 ? 0xC0 : pattern < 0x20 ? 0xF0 : 0xFF)) == pattern, $"{reason}: {first:x2}");
    }

    [Theory]
    [InlineData("authorization: Bearer 0123456789abcdef0123456789abcdef")]
    [InlineData("!x-secret: 0123456789abcdef0123456789abcdef")]
    public void Encode_NeverIndexed_LeavesNothingInTheTableHoweverOften(string field)
    {
        var encoder = new HpackEncoder();
        for (var i = 0; i < 5; i++)
        {
            var (error, fields) = Blocks.Decode(new HpackDecoder(), Blocks.Encode(encoder, field));
            Assert.Equal((HpackError.None, "!" + field.TrimStart('!'), 0), (error, Assert.Single(fields), encoder.TableCount));
        }
    }

    [Fact]
    public void Encode_DifferentValues_DoNotPushOutWhatRepeats()
    {
        var (encoder, decoder) = (new HpackEncoder(), new HpackDecoder());
        for (var i = 0; i < 500; i++)
        {
            string[] fields = [.. s_request[..3], $":path: /item/{i}?q={i}", .. s_request[4..], $"x-request-id: {i:x32}", $"content-length: {i}"];
            var block = Blocks.Encode(encoder, fields);
            Assert.Equal(fields, Blocks.Decode(decoder, block).Fields);
            Assert.True(i < 2 || block.Length < 64, $"block {i} has {block.Length} octets");
        }
    }

    [Fact]
    public void Encode_FieldOfMoreThanHalfTheTable_IsNotIndexed()
    {
        var encoder = new HpackEncoder();
        for (var i = 0; i < 3; i++)
        {
            Blocks.Encode(encoder, "server: " + new string('s', 2100));
        }

        Assert.Equal(0, encoder.TableCount);
    }

    [Fact]
    public void SetPeerMaxTableOctets_DownAndUp_SaysTheSmallestFirst()
    {
        var encoder = new HpackEncoder();
        Blocks.Encode(encoder, s_request);
        encoder.SetPeerMaxTableOctets(2000);
        encoder.SetPeerMaxTableOctets(100);
        encoder.SetPeerMaxTableOctets(3000);
        Assert.Equal((true, 3000), (encoder.TableOctets <= 100, encoder.TableBound));
        Assert.Equal("3f45" + "3f9917" + "82", Blocks.Hex(Blocks.Encode(encoder, ":method: GET"))); // RFC 7541 §4.2
        Assert.Equal("82", Blocks.Hex(Blocks.Encode(encoder, ":method: GET")));
    }

    [Fact]
    public void SetPeerMaxTableOctets_AboveWhatThisEndKeeps_SaysNothing()
    {
        var encoder = new HpackEncoder();
        encoder.SetPeerMaxTableOctets(65_536);
        Assert.Equal(("82", 4096), (Blocks.Hex(Blocks.Encode(encoder, ":method: GET")), encoder.TableBound));
    }

    [Fact]
    public void SetPeerMaxTableOctets_Zero_UsesNoTable()
    {
        var encoder = new HpackEncoder();
        encoder.SetPeerMaxTableOctets(0);
        var decoder = new HpackDecoder();
        decoder.SetMaxTableOctets(0);
        for (var i = 0; i < 3; i++)
        {
            Assert.Equal((HpackError.None, string.Join('\n', s_request)), Join(Blocks.Decode(decoder, Blocks.Encode(encoder, s_request))));
            Assert.Equal((0, 0), (encoder.TableCount, decoder.TableCount));
        }
    }

    [Fact]
    public void Encode_ThenDecode_IsTheSameForAnyListsAndTableSizes()
    {
        var name = Gen.OneOf(Gen.OneOf(":path", "cookie", "accept", "user-agent", "x-a", "x-b", "authorization", "date", "etag"), Gen.Char['a', 'z'].Array[1, 40].Select(x => new string(x)));
        var value = Gen.OneOf(Gen.OneOf("", "GET", "/", "gzip, deflate"), Gen.Char['\u0020', '\u00ff'].Array[0, 60].Select(x => new string(x)), Gen.Int[0, 9].Select(x => new string((char)('a' + x), 10 * x)));
        var field = Gen.Select(name, value, Gen.Int[0, 9]).Select(x => $"{(x.Item3 == 0 ? "!" : "")}{x.Item1}: {x.Item2}");
        var step = Gen.Select(Gen.OneOf(Gen.Const(-1), Gen.Int[0, 300], Gen.Int[0, 20_000]).Array[0, 3], field.Array[0, 20]);
        Gen.Select(step.Array[1, 30], Gen.OneOf(0, 100, 4096, 16_384)).Sample((steps, own) =>
        {
            var (encoder, decoder) = (new HpackEncoder(own), new HpackDecoder());
            foreach (var (sizes, fields) in steps)
            {
                foreach (var size in sizes.Where(x => x >= 0))
                {
                    encoder.SetPeerMaxTableOctets(size);
                    decoder.SetMaxTableOctets(size);
                }

                var (error, decoded) = Blocks.Decode(decoder, Blocks.Encode(encoder, fields));
                Assert.Equal(HpackError.None, error);
                Assert.Equal(fields.Select(x => x.TrimStart('!')), decoded.Select(x => x.TrimStart('!')));
                Assert.Equal((encoder.TableCount, encoder.TableOctets), (decoder.TableCount, decoder.TableOctets));
                Assert.All(fields.Zip(decoded), x => Assert.True(!x.First.StartsWith('!') || x.Second.StartsWith('!'), x.First));
            }
        }, iter: 2_000);
    }

    [Fact]
    public void Encode_AndDecode_AllocateNothing()
    {
        var (encoder, decoder, destination) = (new HpackEncoder(), new HpackDecoder(), new byte[4096]);
        var fields = s_request.Append("x-never: 0123").Select(x => x.Split(": ", 2)).Select(x => (Http1.Heads.Octets(x[0]), Http1.Heads.Octets(x[1]))).ToArray();
        var sink = new Counter();
        var failures = 0;
        void Round(int number)
        {
            var at = encoder.Begin(destination);
            foreach (var (name, value) in fields)
            {
                at += encoder.Encode(destination.AsSpan(at), name, value, false);
            }

            Span<byte> varying = stackalloc byte[12];
            number.TryFormat(varying, out var length, default, System.Globalization.CultureInfo.InvariantCulture);
            at += encoder.Encode(destination.AsSpan(at), "user-agent"u8, varying[..length], false);
            failures += decoder.Decode(destination.AsSpan(0, at), ref sink) == HpackError.None ? 0 : 1;
        }

        for (var i = 0; i < 500; i++)
        {
            Round(i);
        }

        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var i = 0; i < 500; i++)
        {
            Round(i);
        }

        Assert.Equal((0, 0), (GC.GetAllocatedBytesForCurrentThread() - before, failures));
        Assert.Equal(1000 * (fields.Length + 1), sink.Fields);
    }

    private static (HpackError Error, string Fields) Join((HpackError Error, List<string> Fields) result) => (result.Error, string.Join('\n', result.Fields));

    private struct Counter : IHpackSink
    {
        public int Fields;

        public void Field(scoped ReadOnlySpan<byte> name, scoped ReadOnlySpan<byte> value, bool neverIndexed, ref byte note) => Fields++;
    }
}
