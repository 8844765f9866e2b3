using System.Globalization;
using System.Numerics;
using System.Text;
using System.Text.RegularExpressions;
using RelayCore.Protocols.Http1;

namespace RelayCore.Fuzz.Oracles;

/// <summary>A second decoder of the chunked transfer coding (RFC 9112 §7.1) for comparison: whole input, strings, regular expressions.</summary>
/// <param name="Status">NeedMore, End or Invalid.</param>
/// <param name="Data">Data so far.</param>
/// <param name="Trailers">The trailer section with its empty line, at the end.</param>
/// <param name="Consumed">Octets of the body, at the end.</param>
internal sealed record ChunkedOracle(ChunkedStatus Status, string Data, string Trailers = "", int Consumed = 0)
{
    public static ChunkedOracle Read(string wire, Http1Limits limits, bool lenient)
    {
        var data = new StringBuilder();
        var (at, excess) = (0, new BigInteger(0));
        while (true)
        {
            var lineFeed = wire.IndexOf('\n', at);
            var line = lineFeed < 0 ? wire[at..] : wire[at..lineFeed];
            if (line.Length > limits.MaxChunkLineOctets || !IsSizeLine(line, lineFeed >= 0, lenient))
            {
                return new(ChunkedStatus.Invalid, data.ToString());
            }

            var size = BigInteger.Parse("0" + Regex.Match(line, @"\A[0-9A-Fa-f]*").Value, NumberStyles.HexNumber, CultureInfo.InvariantCulture);
            if (size > long.MaxValue)
            {
                return new(ChunkedStatus.Invalid, data.ToString());
            }

            if (lineFeed < 0)
            {
                return new(ChunkedStatus.NeedMore, data.ToString());
            }

            excess = BigInteger.Max(0, excess + line.Length + 1 - 32 - size);
            if (excess > 4 * limits.MaxChunkLineOctets)
            {
                return new(ChunkedStatus.Invalid, data.ToString());
            }

            at = lineFeed + 1;
            if (size == 0)
            {
                return ReadTrailers(wire, at, data.ToString(), limits);
            }

            var length = (int)BigInteger.Min(size, wire.Length - at);
            data.Append(wire, at, length);
            at += length;
            var end = wire[at..Math.Min(at + 2, wire.Length)];
            if (length < size || end is "" or "\r")
            {
                return new(ChunkedStatus.NeedMore, data.ToString());
            }

            if (end != "\r\n")
            {
                return new(ChunkedStatus.Invalid, data.ToString());
            }

            at += 2;
        }
    }

    private static bool IsSizeLine(string line, bool isComplete, bool lenient) => isComplete
        ? Regex.IsMatch(line, @"\A[0-9A-Fa-f]+(?:[ \t]*;[^\x00-\x08\x0A-\x1F\x7F]*)?\r\z")
            || (lenient && Regex.IsMatch(line, @"\A[0-9A-Fa-f]+[ \t]*\r\z"))
        : Regex.IsMatch(line, @"\A[0-9A-Fa-f]*\z") || Regex.IsMatch(line, @"\A[0-9A-Fa-f]+(?:[ \t;][^\r]*)?\r?\z", RegexOptions.Singleline);

    private static ChunkedOracle ReadTrailers(string wire, int start, string data, Http1Limits limits)
    {
        var lineStart = start;
        for (var i = start; i < wire.Length; i++)
        {
            if (i - start + 1 > limits.MaxTrailerOctets)
            {
                return new(ChunkedStatus.Invalid, data);
            }

            if (wire[i] != '\n')
            {
                continue;
            }

            if (i == lineStart || wire[i - 1] != '\r')
            {
                return new(ChunkedStatus.Invalid, data);
            }

            if (i == lineStart + 1)
            {
                return new(ChunkedStatus.End, data, wire[start..(i + 1)], i + 1);
            }

            lineStart = i + 1;
        }

        return new(ChunkedStatus.NeedMore, data);
    }
}
