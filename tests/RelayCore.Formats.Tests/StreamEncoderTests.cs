using System.Buffers;
using System.Diagnostics;
using System.Text;
using CsCheck;
using Xunit;

namespace RelayCore.Formats.Tests;

public sealed class StreamEncoderTests
{
    public static TheoryData<string> Codings => ["gzip", "x-gzip", "deflate", "br", "zstd"];

    [Theory]
    [MemberData(nameof(Codings))]
    public void Encode_EverySplit_DecodesToTheWhole(string coding)
    {
        var content = Encoding.UTF8.GetBytes("{\"name\":\"Ä-ä\",\"items\":[1,2,3,1,2,3,1,2,3]}");
        for (var split = 0; split <= content.Length; split++)
        {
            Assert.Equal(content, Decode(coding, Encode(coding, content[..split], content[split..])));
            Assert.Equal(content, Decode(coding, Encode(coding, content[..split], content[split..], [])));
        }
    }

    [Theory]
    [MemberData(nameof(Codings))]
    public void Encode_AnyContentInAnyPieces_DecodesToTheWhole(string coding) =>
        Gen.Select(Gen.Byte.Array[0, 20_000], Gen.Int[1, 5000]).Sample((content, piece) =>
            Assert.Equal(content, Decode(coding, Encode(coding, [.. content.Chunk(piece)]))), iter: 60);

    [Theory]
    [MemberData(nameof(Codings))]
    public void Encode_EachPiece_IsDecodableBeforeTheNext(string coding)
    {
        using var encoder = ContentCodings.Instance.CreateEncoder(coding)!;
        using var decoder = ContentCodings.Instance.CreateDecoder(coding)!;
        foreach (var part in new[] { "data: one\n\n", "data: two\n\n", "data: two\n\n", "x" })
        {
            var output = new ArrayBufferWriter<byte>();
            encoder.Encode(Encoding.ASCII.GetBytes(part), isLast: false, output);
            var seen = new byte[100];
            var (rest, length) = (output.WrittenMemory, 0);
            OperationStatus status;
            do
            {
                status = decoder.Decode(rest.Span, seen.AsSpan(length), out var consumed, out var written);
                (rest, length) = (rest[consumed..], length + written);
            }
            while (status == OperationStatus.DestinationTooSmall);
            Assert.Equal(part, Encoding.ASCII.GetString(seen, 0, length));
        }
    }

    [Theory]
    [MemberData(nameof(Codings))]
    public void Encode_NoContent_IsAWholeEmptyStream(string coding)
    {
        var encoded = Encode(coding, []);
        Assert.NotEmpty(encoded);
        Assert.Empty(Decode(coding, encoded));
        Assert.Equal(encoded, ContentCodings.Instance.Encode(default, coding).ToArray());
    }

    [Theory]
    [MemberData(nameof(Codings))]
    public void Encode_EmptyPieceInTheMiddle_AddsNothing(string coding)
    {
        using var encoder = ContentCodings.Instance.CreateEncoder(coding)!;
        var output = new ArrayBufferWriter<byte>();
        encoder.Encode("one"u8, isLast: false, output);
        var before = output.WrittenCount;
        encoder.Encode([], isLast: false, output);
        Assert.Equal(before, output.WrittenCount);
        encoder.Encode([], isLast: true, output);
        Assert.Equal("one"u8.ToArray(), Decode(coding, output.WrittenSpan.ToArray()));
    }

    [Theory]
    [MemberData(nameof(Codings))]
    public void Encode_BehindTheEnd_IsRefused(string coding)
    {
        using var encoder = ContentCodings.Instance.CreateEncoder(coding)!;
        encoder.Encode("x"u8, isLast: true, new ArrayBufferWriter<byte>());
        Assert.Throws<InvalidOperationException>(() => encoder.Encode("y"u8, isLast: true, new ArrayBufferWriter<byte>()));
    }

    [Theory]
    [MemberData(nameof(Codings))]
    public void Dispose_InTheMiddle_WritesNothing(string coding)
    {
        var output = new ArrayBufferWriter<byte>();
        var encoder = ContentCodings.Instance.CreateEncoder(coding)!;
        encoder.Encode("one"u8, isLast: false, output);
        var before = output.WrittenCount;
        encoder.Dispose();
        encoder.Dispose();
        Assert.Equal(before, output.WrittenCount);
    }

    [Theory]
    [InlineData("")]
    [InlineData("identity")]
    [InlineData("compress")]
    [InlineData("gzip, br")]
    public void CreateEncoder_NotOneKnownCoding_IsNone(string coding) => Assert.Null(ContentCodings.Instance.CreateEncoder(coding));

    /// <summary>What we write in pieces, other programs read: zlib by Python, Zstandard by its own tool.</summary>
    [Theory]
    [InlineData("gzip", "gzip", "-dc")]
    [InlineData("gzip", "python3", "-c", "import sys,zlib; sys.stdout.buffer.write(zlib.decompress(sys.stdin.buffer.read(), 31))")]
    [InlineData("deflate", "python3", "-c", "import sys,zlib; sys.stdout.buffer.write(zlib.decompress(sys.stdin.buffer.read()))")]
    [InlineData("br", "brotli", "-dc")]
    [InlineData("zstd", "zstd", "-dc")]
    public async Task Encode_ForeignDecoder_ReadsIt(string coding, string program, params string[] arguments)
    {
        foreach (var content in new[] { [], "a"u8.ToArray(), [.. Enumerable.Range(0, 300_000).Select(x => (byte)(x * x >> 7))] })
        {
            Assert.Equal(content, await RunAsync(program, arguments, Encode(coding, [.. content.Chunk(70_000)])));
        }
    }

    private static async Task<byte[]> RunAsync(string program, string[] arguments, byte[] input)
    {
        Process? process = null;
        try
        {
            process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardInput = true, RedirectStandardOutput = true });
        }
        catch (System.ComponentModel.Win32Exception)
        {
            Assert.Skip($"{program} is not installed; it would check what we encode.");
        }

        using (process)
        {
            using var output = new MemoryStream();
            var reading = process!.StandardOutput.BaseStream.CopyToAsync(output, TestContext.Current.CancellationToken);
            await process.StandardInput.BaseStream.WriteAsync(input, TestContext.Current.CancellationToken);
            process.StandardInput.Close();
            await reading;
            await process.WaitForExitAsync(TestContext.Current.CancellationToken);
            Assert.Equal(0, process.ExitCode);
            return output.ToArray();
        }
    }

    private static byte[] Encode(string coding, params byte[][] pieces)
    {
        using var encoder = ContentCodings.Instance.CreateEncoder(coding)!;
        var output = new ArrayBufferWriter<byte>();
        for (var i = 0; i < Math.Max(pieces.Length, 1); i++)
        {
            encoder.Encode(pieces.Length == 0 ? [] : pieces[i], i >= pieces.Length - 1, output);
        }

        return output.WrittenSpan.ToArray();
    }

    private static byte[] Decode(string coding, byte[] encoded)
    {
        Assert.True(ContentCodings.Instance.TryDecode(encoded, coding, 1 << 20, out var content, out var problem), problem);
        return content.ToArray();
    }
}
