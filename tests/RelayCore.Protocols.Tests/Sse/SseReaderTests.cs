using CsCheck;
using RelayCore.Fuzz;
using RelayCore.Fuzz.Oracles;
using RelayCore.Protocols.Sse;
using RelayCore.Protocols.Tests.Http1;
using Xunit;

namespace RelayCore.Protocols.Tests.Sse;

public sealed class SseReaderTests
{
    private const string Stream = "\u00EF\u00BB\u00BF:hi\n\nid: 1\r\nevent: a\r\ndata: x\r\ndata:y\r\n\r\n: ping\rretry: 20\rdata\r\rdata: z\n\ndata: lost";

    public static TheoryData<string, string, string> Streams => new()
    {
        { "§9.2.6 one line", "data: a\n\n", "M9" },
        { "§9.2.5 CR alone ends lines", "data: a\r\rdata: b\r\r", "M9 M9" },
        { "§9.2.5 CRLF is one line end", "data: a\r\n\r\ndata: b\r\n\r\n", "M11 M11" },
        { "§9.2.5 mixed line ends", "data: a\n\r\ndata: b\r\n\rdata: c\r\n\n", "M10 M10 M10" },
        { "§9.2.5 LF CR LF CR are two blank lines", "data: a\n\r\n\r", "M10 F1" },
        { "§9.2.5 byte order mark", "\u00EF\u00BB\u00BFdata: a\n\n", "F3 M9" },
        { "§9.2.5 the mark counts at the start only", "\n\u00EF\u00BB\u00BFdata: a\n\n", "F1 M12" },
        { "§9.2.5 half a mark is a field name", "\u00EF\u00BBdata: a\n\n", "M11" },
        { "§9.2.6 comments in front are units of their own", ":\n: x\ndata: a\n\n", "F2 F4 M9" },
        { "§9.2.6 a comment within a block belongs to it", "data: a\n: x\ndata: b\n\n", "M21" },
        { "§9.2.6 blank lines", "\n\n\r\n\r", "F1 F1 F2 F1" },
        { "§9.2.6 a block without data", "id: 1\n\n", "M7" },
        { "§9.2.6 unterminated", "data: a\n", "N8" },
        { "§9.2.6 empty", "", "" },
    };

    [Theory]
    [MemberData(nameof(Streams))]
    public void Read_Stream_IsCutIntoUnits(string clause, string stream, string units)
    {
        var reader = default(SseReader);
        var octets = Heads.Octets(stream).AsSpan();
        var found = new List<string>();
        while (!octets.IsEmpty)
        {
            var step = reader.Read(octets);
            found.Add($"{step.Status.ToString()[..1]}{step.Length}");
            octets = octets[step.Length..];
        }

        Assert.True(units == string.Join(' ', found), $"{clause}: {string.Join(' ', found)}");
    }

    [Fact]
    public void Read_EverySplitPoint_FindsTheSameEvents()
    {
        var octets = Heads.Octets(Stream);
        var expected = SseOracle.Read(Stream);
        Assert.Equal([new("x\ny", "a", "1", null), new("", null, null, 20), new("z", null, null, null)], expected);
        for (var first = 0; first <= octets.Length; first++)
        {
            for (var second = first; second <= octets.Length; second++)
            {
                Assert.Equal(expected, SseTarget.Read(octets, [first, second - first, octets.Length - second]));
            }
        }
    }

    [Fact]
    public void Read_OneOctetPerSegment_FindsTheSameEvents() =>
        Assert.Equal(SseOracle.Read(Stream), SseTarget.Read(Heads.Octets(Stream), Enumerable.Repeat(1, Stream.Length)));

    [Fact]
    public void Read_CarriageReturnEndsTheOctets_TheEventIsNotHeldBack()
    {
        var reader = default(SseReader);
        Assert.Equal(new UnitStep(UnitStatus.Message, 9), reader.Read("data: a\r\r"u8));
        Assert.True(reader.IsBetween);
        Assert.Equal(new UnitStep(UnitStatus.Filler, 1), reader.Read("\n"u8));
        Assert.Equal(new UnitStep(UnitStatus.Message, 9), reader.Read("data: b\n\n"u8));
    }

    [Fact]
    public void Read_AnyStreamInAnyPieces_AgreesWithTheOracle() =>
        Gen.Select(Gen.OneOf("data: ", "data", "id: ", "event:", "retry: 5", ":", "\r", "\n", "\r\n", "\n\n", "x", " ", "\u00EF\u00BB\u00BF", "\0").List[0, 30], Gen.Int[0, int.MaxValue])
            .Sample((parts, seed) =>
            {
                var stream = string.Concat(parts);
                Assert.Equal(SseOracle.Read(stream), SseTarget.Read(Heads.Octets(stream), new Random(seed)));
            });
}
