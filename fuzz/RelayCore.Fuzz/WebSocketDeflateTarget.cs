using System.IO.Compression;
using RelayCore.Protocols.WebSockets;

namespace RelayCore.Fuzz;

/// <summary>
/// A compressed message, decoded in pieces into small rooms, against the library's decoder. The first octet of an input chooses cuts and
/// rooms. The library does not go on behind a final block, so inputs are compared up to there.
/// </summary>
internal sealed class WebSocketDeflateTarget : IFuzzTarget
{
    private const int MaxOutput = 1 << 20;

    public string Name => "websocket-deflate";

    public void Run(ReadOnlySpan<byte> input)
    {
        if (input.IsEmpty)
        {
            return;
        }

        var wire = input[1..].ToArray();
        var whole = Decode(wire, null);
        var pieces = Decode(wire, new Random(input[0]));
        FindingException.ThrowIfDifferent(Convert.ToHexString(whole.Output), Convert.ToHexString(pieces.Output), "message in pieces");
        FindingException.ThrowIfDifferent(whole.Status, pieces.Status, "status in pieces");

        // The two look at different numbers of bits before they say that something is wrong: empty blocks behind it bring both to it.
        byte[] padded = [.. wire, .. Enumerable.Repeat(PerMessageDeflate.Tail.ToArray(), 100).SelectMany(x => x)];
        var (output, isDamaged) = Library(padded);
        var own = Decode(padded, null);
        if (own.Output.Length >= MaxOutput || output.Length >= MaxOutput)
        {
            return;
        }

        var common = Math.Min(output.Length, own.Output.Length);
        FindingException.ThrowIfDifferent(Convert.ToHexString(output.AsSpan(0, common)), Convert.ToHexString(own.Output.AsSpan(0, common)), "message");
        if (!own.PassedFinal)
        {
            FindingException.ThrowIfDifferent(isDamaged, own.Status == InflateStatus.Damaged, "damage");
            FindingException.ThrowIfDifferent(true, isDamaged || output.Length == own.Output.Length, "length");
        }
    }

    private static (byte[] Output, InflateStatus Status, bool PassedFinal) Decode(byte[] wire, Random? cuts)
    {
        var inflater = new MessageInflater();
        var output = new MemoryStream();
        var at = 0;
        InflateStatus status;
        do
        {
            var length = Math.Min(wire.Length - at, cuts?.Next(0, 9) ?? wire.Length);
            var room = new byte[cuts?.Next(1, 70) ?? 4096];
            status = inflater.Inflate(wire.AsSpan(at, length), room, out var consumed, out var written);
            at += consumed;
            output.Write(room, 0, written);
        }
        while (status != InflateStatus.Damaged && (at < wire.Length || status == InflateStatus.NeedOutput) && output.Length < MaxOutput);

        return (output.ToArray(), status, inflater.HasPassedFinalBlock);
    }

    private static (byte[] Output, bool IsDamaged) Library(byte[] wire)
    {
        var output = new MemoryStream();
        try
        {
            using var stream = new DeflateStream(new MemoryStream(wire), CompressionMode.Decompress);
            var room = new byte[4096];
            for (int read; (read = stream.Read(room)) > 0 && output.Length < MaxOutput;)
            {
                output.Write(room, 0, read);
            }

            return (output.ToArray(), false);
        }
        catch (InvalidDataException)
        {
            return (output.ToArray(), true);
        }
    }
}
