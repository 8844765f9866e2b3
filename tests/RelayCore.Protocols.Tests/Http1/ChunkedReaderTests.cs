using System.Globalization;
using System.Text;
using CsCheck;
using RelayCore.Fuzz;
using RelayCore.Fuzz.Oracles;
using RelayCore.Protocols.Http1;
using Xunit;

namespace RelayCore.Protocols.Tests.Http1;

public sealed class ChunkedReaderTests
{
    private const string Body = "5;name=value;q=\"a b\"\r\nhello\r\n00A \t;x\r\n0123456789\r\n0;last\r\nX-Sum: 1\r\nY: 2\r\n\r\n";

    private static readonly Http1Limits s_small = new() { MaxChunkLineOctets = 20, MaxTrailerOctets = 20 };

    public static TheoryData<string, string, Http1Fault> Refusals => new()
    {
        { "RFC 9112 §7.1 no digit", "\r\n", Http1Fault.InvalidChunkSize },
        { "RFC 9112 §7.1 not hexadecimal", "g\r\n", Http1Fault.InvalidChunkSize },
        { "RFC 9112 §7.1 0x", "0x5\r\nhello", Http1Fault.InvalidChunkSize },
        { "RFC 9112 §7.1 negative", "-1\r\n", Http1Fault.InvalidChunkSize },
        { "RFC 9112 §7.1 space before", " 5\r\nhello", Http1Fault.InvalidChunkSize },
        { "RFC 9112 §7.1 2^63", "8000000000000000\r\n", Http1Fault.InvalidChunkSize },
        { "RFC 9112 §7.1 2^64 + 5", "10000000000000005\r\nhello", Http1Fault.InvalidChunkSize },
        { "RFC 9112 §7.1 endless zeros", new string('0', 21), Http1Fault.InvalidChunkSize },
        { "RFC 9112 §2.2 LF alone", "5\nhello\r\n0\r\n\r\n", Http1Fault.InvalidChunkSize },
        { "RFC 9112 §7.1 space behind", "5 \r\nhello\r\n", Http1Fault.InvalidChunkExtension },
        { "RFC 9112 §7.1.1 no semicolon", "5 x\r\nhello\r\n", Http1Fault.InvalidChunkExtension },
        { "RFC 9112 §7.1.1 LF in an extension", "5;a\nhello\r\n", Http1Fault.InvalidChunkExtension },
        { "RFC 9112 §7.1.1 CR in an extension", "5;a\rb\r\nhello\r\n", Http1Fault.InvalidChunkExtension },
        { "RFC 9112 §7.1.1 CR behind the size", "5\rhello\r\n", Http1Fault.InvalidChunkExtension },
        { "RFC 9112 §7.1.1 control in an extension", "5;\0\r\nhello\r\n", Http1Fault.InvalidChunkExtension },
        { "RFC 9112 §7.1.1 long extension", "5;" + new string('a', 19), Http1Fault.InvalidChunkExtension },
        { "RFC 9112 §7.1 data longer than said", "5\r\nhello!\r\n", Http1Fault.MissingChunkEnd },
        { "RFC 9112 §7.1 LF behind the data", "5\r\nhello\n0\r\n\r\n", Http1Fault.MissingChunkEnd },
        { "RFC 9112 §7.1 CR without LF", "5\r\nhello\r0\r\n", Http1Fault.MissingChunkEnd },
        { "RFC 9112 §7.1.2 LF in trailers", "0\r\nX: a\n\r\n", Http1Fault.InvalidTrailer },
        { "RFC 9112 §7.1.2 LF ends the body", "0\r\n\n", Http1Fault.InvalidTrailer },
        { "RFC 9112 §7.1.2 large trailers", "0\r\nX: aaaaaaaaaaaaaaaa\r\n", Http1Fault.InvalidTrailer },
        { "RFC 9112 §7.1.2 endless trailer", "0\r\nX: aaaaaaaaaaaaaaaaaaaaa", Http1Fault.InvalidTrailer },
    };

    [Theory]
    [MemberData(nameof(Refusals))]
    public void Read_BrokenRule_NamesTheFaultAtAnySegmentation(string clause, string wire, Http1Fault expected)
    {
        var octets = Heads.Octets(wire);
        Assert.True(expected == ChunkedTarget.Decode(octets, null, s_small, lenient: false).Fault, clause);
        for (var seed = 0; seed < 50; seed++)
        {
            Assert.Equal(expected, ChunkedTarget.Decode(octets, new Random(seed), s_small, lenient: false).Fault);
        }
    }

    [Fact]
    public void Read_EverySplitPoint_FindsTheSameBody()
    {
        var octets = Heads.Octets(Body + "NEXT");
        var expected = new ChunkedOracle(ChunkedStatus.End, "hello0123456789", "X-Sum: 1\r\nY: 2\r\n\r\n", Body.Length);
        for (var first = 0; first <= octets.Length; first++)
        {
            for (var second = first; second <= octets.Length; second++)
            {
                Assert.Equal(expected, Decode(octets, [first, second, octets.Length]));
            }
        }
    }

    [Fact]
    public void Read_OneOctetPerSegment_FindsTheSameBody() => Assert.Equal(
        new ChunkedOracle(ChunkedStatus.End, "hello0123456789", "X-Sum: 1\r\nY: 2\r\n\r\n", Body.Length),
        Decode(Heads.Octets(Body), [.. Enumerable.Range(1, Body.Length)]));

    [Fact]
    public void Read_EveryTruncation_NeedsMore()
    {
        for (var length = 0; length < Body.Length; length++)
        {
            Assert.Equal(ChunkedStatus.NeedMore, Decode(Heads.Octets(Body[..length]), [length]).Status);
        }
    }

    [Fact]
    public void Read_SpaceBehindTheSize_IsAcceptedWhenLenient() => Assert.Equal(
        new ChunkedOracle(ChunkedStatus.End, "hello", "\r\n", 17),
        ChunkedTarget.Decode("5 \r\nhello\r\n0\t\r\n\r\n"u8, null, Http1Limits.Default, lenient: true).Result);

    [Fact]
    public void Read_LargestSize_IsNotMistakenForTheEnd()
    {
        var reader = new ChunkedReader(Http1Limits.Default, lenient: false);
        Assert.Equal(new ChunkedStep(ChunkedStatus.Data, 21, 18, 3), reader.Read("7FFFFFFFFFFFFFFF\r\nabc"u8));
        Assert.Equal(new ChunkedStep(ChunkedStatus.NeedMore, 0), reader.Read([]));
    }

    [Fact]
    public void Read_ExtensionsOnEveryOctetOfData_AreBoundedInAll()
    {
        var wire = Heads.Octets(string.Concat(Enumerable.Repeat("1;" + new string('a', 1000) + "\r\nx\r\n", 30)));
        var (result, fault) = ChunkedTarget.Decode(wire, null, Http1Limits.Default, lenient: false);
        Assert.Equal((ChunkedStatus.Invalid, Http1Fault.InvalidChunkExtension), (result.Status, fault));
        Assert.InRange(result.Data.Length, 15, 17);
    }

    [Fact]
    public void Read_SignatureOnEveryChunk_IsNeverTooMuch()
    {
        var chunk = "100;chunk-signature=" + new string('f', 64) + "\r\n" + new string('x', 256) + "\r\n";
        var wire = Heads.Octets(string.Concat(Enumerable.Repeat(chunk, 5000)) + "0\r\n\r\n");
        Assert.Equal(ChunkedStatus.End, ChunkedTarget.Decode(wire, null, Http1Limits.Default, lenient: false).Result.Status);
    }

    [Fact]
    public void Read_BehindTheEnd_IsTheProgramsFault()
    {
        var reader = new ChunkedReader(Http1Limits.Default, lenient: false);
        Assert.Equal(ChunkedStatus.End, reader.Read("0\r\n\r\n"u8).Status);
        Assert.Throws<InvalidOperationException>(() => reader.Read([]));
    }

    [Fact]
    public void Read_WhatWasEncodedInRandomPieces_IsTheSameInRandomSegments() =>
        Gen.Select(Gen.Byte.Array[0, 300], Gen.Int[1, 90].Array[1, 10], Gen.Bool, Gen.Int).Sample((data, pieces, upperCase, cuts) =>
        {
            var wire = new List<byte>();
            Span<byte> size = stackalloc byte[18];
            for (int at = 0, piece = 0; at < data.Length; piece++)
            {
                var length = Math.Min(pieces[piece % pieces.Length], data.Length - at);
                var line = Encoding.ASCII.GetString(size[..Http1HeadWriter.WriteChunkSize(size, length)]);
                wire.AddRange(Encoding.ASCII.GetBytes(upperCase ? line.ToUpperInvariant() : line));
                wire.AddRange(data.AsSpan(at, length));
                wire.AddRange("\r\n"u8);
                at += length;
            }

            wire.AddRange("0\r\n\r\n"u8);
            var octets = wire.ToArray();
            Assert.Equal(
                new ChunkedOracle(ChunkedStatus.End, Heads.Text(data), "\r\n", octets.Length),
                ChunkedTarget.Decode([.. octets, 1, 2, 3], new Random(cuts), Http1Limits.Default, lenient: false).Result);
        });

    [Theory]
    [InlineData(1, "1\r\n")]
    [InlineData(255, "ff\r\n")]
    [InlineData(int.MaxValue, "7fffffff\r\n")]
    public void WriteChunkSize_Length_IsHexadecimal(int length, string expected)
    {
        var destination = new byte[18];
        Assert.Equal(expected, Heads.Text(destination.AsSpan(0, Http1HeadWriter.WriteChunkSize(destination, length))));
    }

    private static ChunkedOracle Decode(byte[] octets, int[] ends)
    {
        var reader = new ChunkedReader(Http1Limits.Default, lenient: false);
        var (data, at) = (new StringBuilder(), 0);
        foreach (var end in ends)
        {
            while (true)
            {
                var step = reader.Read(octets.AsSpan(at, end - at));
                Assert.NotEqual(ChunkedStatus.Invalid, step.Status);
                var piece = Heads.Text(octets.AsSpan(at + step.Start, step.Length));
                at += step.Consumed;
                if (step.Status == ChunkedStatus.End)
                {
                    return new(ChunkedStatus.End, data.ToString(), piece, at);
                }

                data.Append(CultureInfo.InvariantCulture, $"{piece}");
                if (step.Status == ChunkedStatus.NeedMore)
                {
                    break;
                }
            }
        }

        return new(ChunkedStatus.NeedMore, data.ToString(), "", at);
    }
}
