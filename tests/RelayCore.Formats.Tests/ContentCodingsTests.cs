using System.IO.Compression;
using System.Text;
using CsCheck;
using Xunit;

namespace RelayCore.Formats.Tests;

public sealed class ContentCodingsTests
{
    private static readonly byte[] s_text = Encoding.UTF8.GetBytes(string.Concat(Enumerable.Range(0, 3000).Select(x => $"line {x * x} of the text; ")));

    // Runs, text-like and random octets, so that stored, fixed and dynamic blocks and long matches all come up.
    private static readonly Gen<byte[]> s_content = Gen.OneOf(
        Gen.Byte.Array[0, 3000],
        Gen.Byte[97, 102].Array[0, 60_000],
        Gen.Select(Gen.Byte, Gen.Int[0, 100_000]).Select((x, n) => Enumerable.Repeat(x, n).ToArray()),
        Gen.Select(Gen.Byte.Array[0, 300], Gen.Int[1, 200]).Select((x, n) => Enumerable.Repeat(x, n).SelectMany(y => y).ToArray()));

    [Theory]
    [InlineData("gzip")]
    [InlineData("x-gzip")]
    [InlineData("deflate")]
    [InlineData("br")]
    [InlineData("zstd")]
    [InlineData("identity")]
    [InlineData("gzip, br")]
    [InlineData("GZIP ,, deflate, zstd")]
    public void TryDecode_WhatEncodeMade_IsTheContent(string codings) =>
        s_content.Sample(
            content =>
            {
                var encoded = ContentCodings.Instance.Encode(content, codings);
                Assert.True(ContentCodings.Instance.TryDecode(encoded, codings, 1 << 24, out var decoded, out var problem), problem);
                Assert.Null(problem);
                Assert.True(decoded.Span.SequenceEqual(content));
            },
            iter: 60);

    [Theory]
    [InlineData(CompressionLevel.NoCompression)]
    [InlineData(CompressionLevel.Fastest)]
    [InlineData(CompressionLevel.Optimal)]
    [InlineData(CompressionLevel.SmallestSize)]
    public void TryDecode_OtherEncoders_AllForms(CompressionLevel level) =>
        s_content.Sample(
            content =>
            {
                foreach (var (coding, octets) in ((string, byte[])[])
                    [
                        ("gzip", Make(content, x => new GZipStream(x, level, true))),
                        ("deflate", Make(content, x => new ZLibStream(x, level, true))),
                        ("deflate", Make(content, x => new DeflateStream(x, level, true))),
                        ("br", Make(content, x => new BrotliStream(x, level, true))),
                    ])
                {
                    Assert.True(ContentCodings.Instance.TryDecode(octets, coding, 1 << 24, out var decoded, out var problem), $"{coding}: {problem}");
                    Assert.True(decoded.Span.SequenceEqual(content));
                }
            },
            iter: 40);

    [Theory]
    [InlineData("gzip")]
    [InlineData("deflate")]
    [InlineData("br")]
    [InlineData("zstd")]
    public void TryDecode_EveryTruncation_IsAPrefixAndSaysSo(string coding)
    {
        var encoded = ContentCodings.Instance.Encode(s_text, coding);
        for (var length = 1; length < encoded.Length; length += Math.Max(1, encoded.Length / 400))
        {
            Assert.False(ContentCodings.Instance.TryDecode(encoded[..length], coding, 1 << 24, out var decoded, out var problem));
            Assert.Contains(coding, problem, StringComparison.Ordinal);
            Assert.True(s_text.AsSpan().StartsWith(decoded.Span) || decoded.Span.SequenceEqual(encoded.Span[..length]), $"at {length}");
        }

        Assert.False(ContentCodings.Instance.TryDecode(encoded[..(encoded.Length / 2)], coding, 1 << 24, out var half, out _));
        if (coding != "zstd")
        {
            // A zstd frame of this size is one block, which is decoded whole or not at all.
            Assert.True(half.Length > s_text.Length / 4, $"{half.Length} of {s_text.Length}");
        }
    }

    [Theory]
    [InlineData("gzip")]
    [InlineData("deflate")]
    [InlineData("br")]
    [InlineData("zstd")]
    public void TryDecode_Damaged_NeverThrowsAndNeverExceedsTheBound(string coding)
    {
        var encoded = ContentCodings.Instance.Encode(s_text, coding);
        Gen.Select(Gen.Int[0, encoded.Length - 1], Gen.Byte, Gen.Int[0, 100_000]).Sample(
            (at, value, bound) =>
            {
                var damaged = encoded.ToArray();
                damaged[at] ^= value;
                ContentCodings.Instance.TryDecode(damaged, coding, bound, out var decoded, out var problem);

                // br and our zstd have no checksum: damage may decode to something else, which nobody can tell.
                Assert.True(problem is not null || coding is "br" or "zstd" || decoded.Span.SequenceEqual(s_text));
                Assert.True(decoded.Length <= bound || decoded.Span.SequenceEqual(damaged));
            },
            iter: 500);
    }

    [Theory]
    [InlineData("gzip")]
    [InlineData("deflate")]
    [InlineData("br")]
    [InlineData("zstd")]
    [InlineData("gzip, gzip")]
    public void TryDecode_Bomb_StopsAtTheBound(string coding)
    {
        var bomb = ContentCodings.Instance.Encode(new byte[50_000_000], coding);
        Assert.False(ContentCodings.Instance.TryDecode(bomb, coding, 1_000_000, out var decoded, out var problem));
        Assert.Equal(1_000_000, decoded.Length);
        Assert.Contains("1000000 octets", problem, StringComparison.Ordinal);
        Assert.True(ContentCodings.Instance.TryDecode(bomb, coding, 50_000_000, out decoded, out _));
        Assert.Equal(50_000_000, decoded.Length);
    }

    [Fact]
    public void TryDecode_SeveralGzipMembers_AreJoined()
    {
        var one = ContentCodings.Instance.Encode("one"u8.ToArray(), "gzip").ToArray();
        var two = ContentCodings.Instance.Encode("two"u8.ToArray(), "gzip").ToArray();
        Assert.True(ContentCodings.Instance.TryDecode((byte[])[.. one, .. two, 0, 0], "gzip", 100, out var decoded, out _));
        Assert.Equal("onetwo"u8.ToArray(), decoded.ToArray());
        Assert.False(ContentCodings.Instance.TryDecode((byte[])[.. one, 1, 2], "gzip", 100, out decoded, out var problem));
        Assert.Equal("one"u8.ToArray(), decoded.ToArray());
        Assert.Equal("gzip: 2 octets behind the end", problem);
    }

    [Fact]
    public void TryDecode_GzipWithEveryOptionalField_IsRead()
    {
        var plain = ContentCodings.Instance.Encode("x"u8.ToArray(), "gzip").ToArray();
        byte[] header = [0x1F, 0x8B, 8, 4 | 8 | 16 | 2, 0, 0, 0, 0, 0, 3, 2, 0, 7, 7, (byte)'n', 0, (byte)'c', 0, 9, 9];
        Assert.True(ContentCodings.Instance.TryDecode((byte[])[.. header, .. plain.AsSpan(10)], "gzip", 100, out var decoded, out var problem), problem);
        Assert.Equal("x"u8.ToArray(), decoded.ToArray());
        for (var length = 1; length < header.Length; length++)
        {
            Assert.False(ContentCodings.Instance.TryDecode(header.AsMemory(0, length), "gzip", 100, out _, out _));
        }
    }

    [Fact]
    public void TryDecode_WrongLabel_ShowsWhatWasReceived()
    {
        var html = "<html>not compressed at all</html>"u8.ToArray();
        foreach (var coding in (string[])["gzip", "deflate", "br", "zstd"])
        {
            Assert.False(ContentCodings.Instance.TryDecode(html, coding, 1000, out var decoded, out var problem), coding);
            Assert.Contains(coding, problem, StringComparison.Ordinal);
            Assert.NotEmpty(decoded.ToArray());
        }
    }

    [Fact]
    public void TryDecode_UnknownCoding_IsNamed()
    {
        Assert.False(ContentCodings.Instance.TryDecode("abc"u8.ToArray(), "compress", 10, out var decoded, out var problem));
        Assert.Contains("'compress'", problem, StringComparison.Ordinal);
        Assert.Equal("abc"u8.ToArray(), decoded.ToArray());
        Assert.Throws<NotSupportedException>(() => ContentCodings.Instance.Encode("abc"u8.ToArray(), "compress"));
    }

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData("identity")]
    public void TryDecode_NoCoding_IsTheSame(string? coding)
    {
        Assert.True(ContentCodings.Instance.TryDecode("abc"u8.ToArray(), coding, 3, out var decoded, out var problem));
        Assert.Equal(("abc", null), (Encoding.ASCII.GetString(decoded.Span), problem));
        Assert.False(ContentCodings.Instance.TryDecode("abcd"u8.ToArray(), coding, 3, out decoded, out _));
        Assert.Equal(3, decoded.Length);
    }

    private static byte[] Make(byte[] content, Func<Stream, Stream> open)
    {
        using var output = new MemoryStream();
        using (var stream = open(output))
        {
            stream.Write(content);
        }

        return output.ToArray();
    }
}
