using System.Buffers;
using System.Text;
using RelayCore.Protocols;
using RelayCore.Protocols.Grpc;

namespace RelayCore.Fuzz;

/// <summary>
/// gRPC and gRPC-web bodies, in one piece and in pieces. The first octet of an input chooses the mode (bits: 1 gRPC-web, 2 the text form), the second
/// the cuts.
/// </summary>
internal sealed class GrpcTarget : IFuzzTarget
{
    public string Name => "grpc";

    public void Run(ReadOnlySpan<byte> input)
    {
        if (input.Length < 2)
        {
            return;
        }

        var (mode, cuts) = (input[0], new Random(input[1]));
        var wire = input[2..].ToArray();
        if ((mode & 2) != 0)
        {
            var decoded = DecodeSlowly(wire);
            FindingException.ThrowIfDifferent(Convert.ToHexString(decoded), Convert.ToHexString(Decode(wire, null)), "octets");
            FindingException.ThrowIfDifferent(Convert.ToHexString(decoded), Convert.ToHexString(Decode(wire, cuts)), "octets in pieces");
            wire = decoded;
        }

        var isWeb = (mode & 1) != 0;
        var expected = ReadSlowly(wire, isWeb);
        FindingException.ThrowIfDifferent(expected, Read(wire, null, isWeb), "messages");
        FindingException.ThrowIfDifferent(expected, Read(wire, cuts, isWeb), "messages in pieces");
        FindingException.ThrowIfDifferent(GrpcStatus.TryParse(wire, out var status), status.Code >= 0, "status");
    }

    /// <summary>Flags and content of each message, and what became of the rest.</summary>
    internal static string Read(ReadOnlySpan<byte> wire, Random? cuts, bool isWeb)
    {
        var reader = new GrpcReader(isWeb);
        var (result, unit) = (new StringBuilder(), new List<byte>());
        while (!wire.IsEmpty)
        {
            var piece = wire[..Math.Min(wire.Length, cuts?.Next(1, 9) ?? wire.Length)];
            wire = wire[piece.Length..];
            while (!piece.IsEmpty)
            {
                var step = reader.Read(piece);
                if (step.Status == UnitStatus.Invalid)
                {
                    return result.Append("invalid").ToString();
                }

                unit.AddRange(piece[..step.Length]);
                piece = piece[step.Length..];
                if (step.Status == UnitStatus.Message)
                {
                    FindingException.ThrowIfDifferent(unit[0], reader.Flags, "flags");
                    result.Append(Convert.ToHexString(unit.ToArray())).Append('|');
                    unit.Clear();
                }

                FindingException.ThrowIfDifferent(unit.Count == 0, reader.IsBetween, "between");
            }
        }

        return result.Append(unit.Count == 0 ? "" : "open").ToString();
    }

    /// <summary>Decodes as the proxy does: runs, with up to three characters carried over.</summary>
    internal static byte[] Decode(ReadOnlySpan<byte> text, Random? cuts)
    {
        var (octets, held) = (new List<byte>(), Array.Empty<byte>());
        while (!text.IsEmpty)
        {
            var piece = text[..Math.Min(text.Length, cuts?.Next(1, 9) ?? text.Length)];
            text = text[piece.Length..];
            held = [.. held, .. piece];
            OperationStatus status;
            var output = new byte[held.Length];
            while ((status = GrpcWebText.Decode(held, output, out var consumed, out var written)) == OperationStatus.Done)
            {
                octets.AddRange(output.AsSpan(0, written));
                held = held[consumed..];
            }

            if (status == OperationStatus.InvalidData)
            {
                break;
            }

            FindingException.ThrowIfDifferent(true, held.Length < 4, "fewer than four characters left");
        }

        return [.. octets];
    }

    // Quantum by quantum; a broken one ends it.
    private static byte[] DecodeSlowly(ReadOnlySpan<byte> text)
    {
        var octets = new List<byte>();
        for (var i = 0; i + 4 <= text.Length; i += 4)
        {
            var quantum = Encoding.Latin1.GetString(text.Slice(i, 4));
            if (quantum.Any(x => !char.IsAsciiLetterOrDigit(x) && x is not ('+' or '/' or '=')))
            {
                return [.. octets];
            }

            try
            {
                var decoded = Convert.FromBase64String(quantum);
                if (Convert.ToBase64String(decoded) != quantum)
                {
                    return [.. octets]; // bits behind the end that are not zero (RFC 4648 §3.5)
                }

                octets.AddRange(decoded);
            }
            catch (FormatException)
            {
                return [.. octets];
            }
        }

        return [.. octets];
    }

    private static string ReadSlowly(byte[] wire, bool isWeb)
    {
        var result = new StringBuilder();
        var at = 0;
        while (at < wire.Length)
        {
            if ((wire[at] & (isWeb ? 0x7E : 0xFE)) != 0)
            {
                return result.Append("invalid").ToString();
            }

            if (wire.Length - at < 5)
            {
                return result.Append("open").ToString();
            }

            long length = ((long)wire[at + 1] << 24) + (wire[at + 2] << 16) + (wire[at + 3] << 8) + wire[at + 4];
            if (wire.Length - at - 5 < length)
            {
                return result.Append("open").ToString();
            }

            result.Append(Convert.ToHexString(wire, at, (int)length + 5)).Append('|');
            at += (int)length + 5;
        }

        return result.ToString();
    }
}
