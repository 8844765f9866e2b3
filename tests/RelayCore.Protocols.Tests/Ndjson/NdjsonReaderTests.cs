using System.Text;
using CsCheck;
using RelayCore.Protocols.Ndjson;
using Xunit;

namespace RelayCore.Protocols.Tests.Ndjson;

public sealed class NdjsonReaderTests
{
    private const string Lines = "{\"a\":1}\n\n{\"b\":2}\r\n \t\r\n[]\nlast";

    [Fact]
    public void Read_EverySplitPoint_FindsTheSameLines()
    {
        for (var first = 0; first <= Lines.Length; first++)
        {
            for (var second = first; second <= Lines.Length; second++)
            {
                Assert.Equal(["{\"a\":1}", "{\"b\":2}", "[]", "last"], Read(Lines, [first, second - first, Lines.Length - second]));
            }
        }
    }

    [Fact]
    public void Read_AnyTextInAnyPieces_FindsItsLines() =>
        Gen.Select(Gen.OneOf("\n", "\r\n", "\r", " ", "{}", "x").List[0, 20], Gen.Int[1, 5]).Sample((parts, size) =>
        {
            var text = string.Concat(parts);
            var pieces = new List<int>();
            for (var at = 0; at < text.Length; at += size)
            {
                pieces.Add(Math.Min(size, text.Length - at));
            }

            var lines = text.Split('\n');
            var expected = lines.Select((x, i) => i < lines.Length - 1 && x.EndsWith('\r') ? x[..^1] : x).Where(x => x.Trim(' ', '\t', '\r').Length > 0);
            Assert.Equal(expected, Read(text, pieces));
        });

    private static List<string> Read(string text, IEnumerable<int> pieces)
    {
        var reader = default(NdjsonReader);
        var (lines, line, total) = (new List<string>(), new List<byte>(), 0);
        var octets = Encoding.UTF8.GetBytes(text);
        foreach (var length in pieces)
        {
            var piece = octets.AsSpan(total, length);
            total += length;
            while (!piece.IsEmpty)
            {
                Assert.Equal(line.Count == 0, reader.IsBetween);
                var step = reader.Read(piece);
                line.AddRange(piece[..step.Length]);
                piece = piece[step.Length..];
                if (step.Status == UnitStatus.NeedMore)
                {
                    continue;
                }

                if (step.Status == UnitStatus.Message)
                {
                    lines.Add(Text(line));
                }

                line.Clear();
            }
        }

        Assert.Equal(line.Count == 0, reader.IsBetween);
        if (reader.HasText)
        {
            lines.Add(Text(line));
        }

        return lines;
    }

    private static string Text(List<byte> line)
    {
        var octets = line.ToArray();
        return Encoding.UTF8.GetString(octets, 0, NdjsonReader.TextLength(octets));
    }
}
