using System.Buffers;
using System.IO.Compression;
using System.Text;
using CsCheck;
using Xunit;

namespace RelayCore.Formats.Tests;

public sealed class StreamDecodersTests
{
    public static TheoryData<string> Codings => ["gzip", "x-gzip", "deflate", "bare deflate", "br", "zstd"];

    [Theory]
    [MemberData(nameof(Codings))]
    public void Decode_AnyContentInAnyPieces_ComesOutWhole(string coding) =>
        Gen.Select(Gen.Byte.Array[0, 3000], Gen.Int[1, 700], Gen.Int[1, 900]).Sample((content, piece, room) =>
        {
            var whole = content.Concat(content).ToArray();
            Assert.Equal(whole, Decode(coding, Encode(coding, [whole]), piece, room));
        }, iter: 100);

    [Theory]
    [MemberData(nameof(Codings))]
    public void Decode_FlushedStream_GivesWhatIsThereAtOnce(string coding)
    {
        using var decoder = ContentCodings.Instance.CreateDecoder(coding.Split(' ')[^1])!;
        var parts = new[] { "data: one\n\n", "data: two\n\n", "data: three\n\n" };
        var seen = new List<byte>();
        using var encoded = new MemoryStream();
        using var encoder = Open(coding, encoded);
        var at = 0;
        foreach (var part in parts)
        {
            encoder.Write(Encoding.ASCII.GetBytes(part));
            encoder.Flush();
            seen.Clear();
            Feed(decoder, encoded.ToArray().AsSpan(at), 4096, seen);
            at = (int)encoded.Length;
            Assert.Equal(part, Encoding.ASCII.GetString([.. seen]));
        }
    }

    [Theory]
    [MemberData(nameof(Codings))]
    public void Decode_Damaged_IsInvalidAndStaysSo(string coding)
    {
        var encoded = Encode(coding, [new byte[5000]]);
        encoded.AsSpan(coding is "gzip" or "x-gzip" ? 10 : 0).Fill(0xFF);
        using var decoder = ContentCodings.Instance.CreateDecoder(coding.Split(' ')[^1])!;
        Assert.Equal(OperationStatus.InvalidData, Feed(decoder, encoded, 100, []));
        Assert.Equal(OperationStatus.InvalidData, Feed(decoder, [1, 2, 3, 4], 100, []));
    }

    [Theory]
    [InlineData("gzip")]
    [InlineData("zstd")]
    public void Decode_MembersOneBehindTheOther_AreOneStream(string coding) =>
        Assert.Equal("onetwo", Encoding.ASCII.GetString(Decode(coding, [.. Encode(coding, ["one"u8.ToArray()]), .. Encode(coding, ["two"u8.ToArray()])], 7, 5)));

    [Fact]
    public void Decode_ZstdWithAWindowAbove8MiB_IsInvalid()
    {
        // RFC 8878 §3.1.1.1: no single segment, no sizes; window descriptor with exponent 14 is 16 MiB.
        byte[] frame = [0x28, 0xB5, 0x2F, 0xFD, 0x00, 14 << 3, 0x01, 0x00, 0x00];
        using var decoder = ContentCodings.Instance.CreateDecoder("zstd")!;
        Assert.Equal(OperationStatus.InvalidData, Feed(decoder, frame, 100, []));
    }

    [Theory]
    [InlineData("")]
    [InlineData("identity")]
    [InlineData("compress")]
    [InlineData("gzip, br")]
    public void CreateDecoder_NotOneKnownCoding_IsNone(string coding) => Assert.Null(ContentCodings.Instance.CreateDecoder(coding));

    private static byte[] Decode(string coding, byte[] encoded, int piece, int room)
    {
        using var decoder = ContentCodings.Instance.CreateDecoder(coding.Split(' ')[^1])!;
        var output = new List<byte>();
        for (var at = 0; at < encoded.Length; at += piece)
        {
            Assert.NotEqual(OperationStatus.InvalidData, Feed(decoder, encoded.AsSpan(at, Math.Min(piece, encoded.Length - at)), room, output));
        }

        return [.. output];
    }

    private static OperationStatus Feed(Core.Messages.IContentDecoder decoder, ReadOnlySpan<byte> source, int room, List<byte> output)
    {
        var buffer = new byte[room];
        OperationStatus status;
        do
        {
            status = decoder.Decode(source, buffer, out var consumed, out var written);
            output.AddRange(buffer.AsSpan(0, written));
            source = source[consumed..];
            Assert.True(status != OperationStatus.NeedMoreData || source.IsEmpty);
        }
        while (status == OperationStatus.DestinationTooSmall);

        return status;
    }

    private static byte[] Encode(string coding, byte[][] parts)
    {
        using var output = new MemoryStream();
        using (var stream = Open(coding, output))
        {
            foreach (var part in parts)
            {
                stream.Write(part);
            }
        }

        return output.ToArray();
    }

    private static Stream Open(string coding, Stream output) => coding switch
    {
        "gzip" or "x-gzip" => new GZipStream(output, CompressionLevel.Fastest, leaveOpen: true),
        "deflate" => new ZLibStream(output, CompressionLevel.Fastest, leaveOpen: true),
        "bare deflate" => new DeflateStream(output, CompressionLevel.Fastest, leaveOpen: true),
        "br" => new BrotliStream(output, CompressionLevel.Fastest, leaveOpen: true),
        _ => new ZstdSharp.CompressionStream(output, 3, leaveOpen: true),
    };
}
