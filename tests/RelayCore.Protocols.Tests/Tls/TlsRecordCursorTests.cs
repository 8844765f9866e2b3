using CsCheck;
using RelayCore.Protocols.Tls;
using Xunit;

namespace RelayCore.Protocols.Tests.Tls;

public sealed class TlsRecordCursorTests
{
    private static readonly Gen<(byte Type, int Length)[]> s_records = Gen.Select(Gen.Byte, Gen.OneOf(Gen.Int[0, 8], Gen.Int[250, 260], Gen.Int[16_380, 16_640])).Array[1, 6];

    [Fact]
    public void EveryPiecing_TellsTheRecordsThatWerePutIn() =>
        Gen.Select(s_records, Gen.Int[1, 40_000].Array[1, 8], Gen.Int[0, 40_000]).Sample((records, pieces, reach) =>
        {
            var (wire, ends) = Wire(records);
            var cursor = new TlsRecordCursor();
            for (var (position, piece) = (0, 0); position < wire.Length; piece++)
            {
                var ahead = wire.AsSpan(position, Math.Min(reach, wire.Length - position));
                var start = position;
                var current = ends.TakeWhile(x => x <= start).Count();
                var isWhole = ends[current] <= position + ahead.Length;
                Assert.Equal(isWhole, cursor.EndsWithin(ahead, out var octets, out var type));
                Assert.Equal(isWhole ? (ends[current] - position, records[current].Type) : (0, 0), (octets, type));

                var passed = Math.Min(pieces[piece % pieces.Length], wire.Length - position);
                cursor.Pass(wire.AsSpan(position, passed));
                position += passed;
            }

            Assert.False(cursor.EndsWithin([], out _, out _));
        });

    [Fact]
    public void EverySplitOfShortRecords_OctetByOctetToo_TellsTheEnd()
    {
        (byte, int)[] records = [(22, 0), (23, 1), (21, 300), (23, 5)];
        var (wire, ends) = Wire(records);
        for (var split = 0; split < wire.Length; split++)
        {
            var (atOnce, slowly) = (new TlsRecordCursor(), new TlsRecordCursor());
            atOnce.Pass(wire.AsSpan(0, split));
            for (var i = 0; i < split; i++)
            {
                slowly.Pass(wire.AsSpan(i, 1));
            }

            var end = ends.First(x => x > split);
            foreach (var cursor in (TlsRecordCursor[])[atOnce, slowly])
            {
                Assert.False(cursor.EndsWithin(wire.AsSpan(split, end - split - 1), out _, out _));
                Assert.True(cursor.EndsWithin(wire.AsSpan(split), out var octets, out var type));
                Assert.Equal((end - split, records[Array.IndexOf(ends, end)].Item1), (octets, type));
            }
        }
    }

    private static (byte[] Octets, int[] Ends) Wire((byte Type, int Length)[] records)
    {
        var octets = new List<byte>();
        var ends = new List<int>();
        foreach (var (type, length) in records)
        {
            octets.AddRange([type, 3, 3, (byte)(length >> 8), (byte)length]);
            octets.AddRange(Enumerable.Repeat((byte)0xEE, length));
            ends.Add(octets.Count);
        }

        return ([.. octets], [.. ends]);
    }
}
