using System.Buffers;
using System.Text;
using RelayCore.Fuzz.Oracles;
using RelayCore.Protocols;
using RelayCore.Protocols.Sse;

namespace RelayCore.Fuzz;

/// <summary>Event streams, in one piece and in pieces; what was read is written and read again. The first octet of an input chooses the cuts.</summary>
internal sealed class SseTarget : IFuzzTarget
{
    public string Name => "sse";

    public void Run(ReadOnlySpan<byte> input)
    {
        if (input.IsEmpty)
        {
            return;
        }

        var wire = input[1..];
        var expected = SseOracle.Read(Encoding.Latin1.GetString(wire));
        Compare(expected, Read(wire, default(Random)), "events");
        Compare(expected, Read(wire, new Random(input[0])), "events in pieces");
        var written = new ArrayBufferWriter<byte>();
        foreach (var (data, name, id, retry) in expected)
        {
            if (SseWriter.CanWrite(id, name))
            {
                SseWriter.Write(written, Utf8(id), Utf8(name), retry, Encoding.Latin1.GetBytes(data));
            }
        }

        Compare(expected.FindAll(x => SseWriter.CanWrite(x.Id, x.Name)), SseOracle.Read(Encoding.Latin1.GetString(written.WrittenSpan)), "events written", asUtf8: true);
    }

    /// <summary>Reads as the proxy does: units are collected from pieces, and together they are the stream.</summary>
    internal static List<SseDispatch> Read(ReadOnlySpan<byte> wire, Random? cuts)
    {
        var pieces = new List<int>();
        for (var at = 0; at < wire.Length;)
        {
            pieces.Add(Math.Min(wire.Length - at, cuts?.Next(1, cuts.Next(2, 20)) ?? wire.Length));
            at += pieces[^1];
        }

        return Read(wire, pieces);
    }

    internal static List<SseDispatch> Read(ReadOnlySpan<byte> wire, IEnumerable<int> pieces)
    {
        var reader = default(SseReader);
        var events = new List<SseDispatch>();
        var (unit, total) = (new List<byte>(), 0);
        foreach (var length in pieces)
        {
            var piece = wire.Slice(total, length);
            total += length;
            while (!piece.IsEmpty)
            {
                if (reader.IsBetween != (unit.Count == 0))
                {
                    throw new FindingException("the reader is between units and one is open, or the reverse.");
                }

                var step = reader.Read(piece);
                unit.AddRange(piece[..step.Length]);
                piece = piece[step.Length..];
                if (step.Status == UnitStatus.NeedMore)
                {
                    FindingException.ThrowIfDifferent(0, piece.Length, "octets left by a step that needs more");
                    continue;
                }

                FindingException.ThrowIfDifferent(true, step.Length > 0, "progress");
                if (step.Status == UnitStatus.Message)
                {
                    Add(events, unit.ToArray());
                }

                unit.Clear();
            }
        }

        return events;
    }

    private static void Add(List<SseDispatch> events, byte[] block)
    {
        var parsed = SseEvent.Parse(block);
        var joined = new byte[block.Length];
        var data = joined[..SseEvent.Join(block, joined)];
        if (parsed.DataLines == 1)
        {
            FindingException.ThrowIfDifferent(Latin1(data), Latin1(block.AsSpan(parsed.Data.Start, parsed.Data.Length)), "single data line");
        }

        if (parsed.DataLines > 0)
        {
            events.Add(new(Latin1(data), Value(block, parsed.Name), Value(block, parsed.Id), parsed.RetryMilliseconds));
        }
    }

    private static void Compare(List<SseDispatch> expected, List<SseDispatch> actual, string what, bool asUtf8 = false)
    {
        FindingException.ThrowIfDifferent(expected.Count, actual.Count, what);
        for (var i = 0; i < expected.Count; i++)
        {
            var wanted = asUtf8 ? expected[i] with { Id = Latin1Of(Utf8(expected[i].Id)), Name = Latin1Of(Utf8(expected[i].Name)) } : expected[i];
            FindingException.ThrowIfDifferent(wanted, actual[i], $"{what}, number {i}");
        }
    }

    private static string? Value(byte[] block, (int Start, int Length)? value) => value is { } x ? Latin1(block.AsSpan(x.Start, x.Length)) : null;

    private static string Latin1(ReadOnlySpan<byte> octets) => Encoding.Latin1.GetString(octets);

    private static string? Utf8(string? latin1) => latin1 is null ? null : Encoding.UTF8.GetString(Encoding.Latin1.GetBytes(latin1));

    private static string? Latin1Of(string? text) => text is null ? null : Encoding.Latin1.GetString(Encoding.UTF8.GetBytes(text));
}
