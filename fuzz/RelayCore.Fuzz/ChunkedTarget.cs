using System.Text;
using RelayCore.Fuzz.Oracles;
using RelayCore.Protocols.Http1;

namespace RelayCore.Fuzz;

/// <summary>
/// Chunked bodies, fed in one piece and in pieces. The first octet of an input chooses the mode (bits: 2 lenient, 4 small limits), the
/// second the cuts.
/// </summary>
internal sealed class ChunkedTarget : IFuzzTarget
{
    private static readonly Http1Limits s_small = new() { MaxChunkLineOctets = 40, MaxTrailerOctets = 32 };

    public string Name => "chunked";

    public void Run(ReadOnlySpan<byte> input)
    {
        if (input.Length < 2)
        {
            return;
        }

        var (mode, cuts) = (input[0], input[1]);
        var wire = input[2..];
        var limits = (mode & 4) == 0 ? Http1Limits.Default : s_small;
        var lenient = (mode & 2) != 0;
        var expected = ChunkedOracle.Read(Encoding.Latin1.GetString(wire), limits, lenient);
        var (whole, wholeError) = Decode(wire, null, limits, lenient);
        var (pieces, piecesError) = Decode(wire, new Random(cuts), limits, lenient);
        FindingException.ThrowIfDifferent(expected, whole, "body");
        FindingException.ThrowIfDifferent(expected, pieces, "body in pieces");
        FindingException.ThrowIfDifferent(wholeError, piecesError, "fault in pieces");
    }

    /// <summary>Reads as a connection does: a buffer that receives pieces and drops what was consumed.</summary>
    internal static (ChunkedOracle Result, Http1Fault Fault) Decode(ReadOnlySpan<byte> wire, Random? cuts, Http1Limits limits, bool lenient)
    {
        var reader = new ChunkedReader(limits, lenient);
        var data = new StringBuilder();
        var (at, received) = (0, 0);
        do
        {
            received = Math.Min(wire.Length, received + (cuts?.Next(1, cuts.Next(2, 40)) ?? wire.Length));
            while (true)
            {
                var window = wire[at..received];
                var step = reader.Read(window);
                if (step.Status == ChunkedStatus.Invalid)
                {
                    return (new(ChunkedStatus.Invalid, data.ToString()), step.Error.Fault);
                }

                if (step.Status == ChunkedStatus.End)
                {
                    var trailers = Encoding.Latin1.GetString(window.Slice(step.Start, step.Length));
                    return (new(ChunkedStatus.End, data.ToString(), trailers, at + step.Consumed), Http1Fault.None);
                }

                at += step.Consumed;
                if (step.Status == ChunkedStatus.NeedMore)
                {
                    break;
                }

                data.Append(Encoding.Latin1.GetString(window.Slice(step.Start, step.Length)));
            }
        }
        while (received < wire.Length);

        return (new(ChunkedStatus.NeedMore, data.ToString()), Http1Fault.None);
    }
}
