using System.Text;
using RelayCore.Fuzz.Oracles;
using RelayCore.Protocols;
using RelayCore.Protocols.WebSockets;

namespace RelayCore.Fuzz;

/// <summary>
/// WebSocket frames, in one piece and in pieces. The first octet of an input chooses the rules (bits: 1 server, 2 compression, 4 unknown
/// extension), the second the cuts.
/// </summary>
internal sealed class WebSocketFramesTarget : IFuzzTarget
{
    public string Name => "websocket-frames";

    public void Run(ReadOnlySpan<byte> input)
    {
        if (input.Length < 2)
        {
            return;
        }

        var wire = input[2..].ToArray();
        var rules = new WebSocketFrameRules((input[0] & 1) == 0 ? PeerRole.Client : PeerRole.Server, (input[0] & 2) != 0, (input[0] & 4) != 0);
        var random = new Random(input[1]);
        var cuts = new List<int>();
        for (var at = 0; at < wire.Length;)
        {
            cuts.Add(at = Math.Min(wire.Length, at + random.Next(1, random.Next(2, 40))));
        }

        var expected = WebSocketOracle.Trace(wire, rules);
        FindingException.ThrowIfDifferent(expected, Trace(wire, [wire.Length], rules), "frames");
        FindingException.ThrowIfDifferent(expected, Trace(wire, [.. cuts], rules), "frames in pieces");
        CheckText(wire, cuts);
    }

    /// <summary>Reads as a connection does, in receives that end at the cuts, and puts the parts of each frame together.</summary>
    internal static string Trace(byte[] wire, int[] cuts, WebSocketFrameRules rules)
    {
        var reader = new WebSocketFrameReader(rules);
        var trace = new StringBuilder();
        var at = 0;
        foreach (var cut in cuts)
        {
            while (true)
            {
                var step = reader.Read(wire.AsSpan(at, cut - at));
                if (step.Status == WebSocketStatus.NeedMore)
                {
                    break;
                }

                if (step.Status == WebSocketStatus.Invalid)
                {
                    return trace.Append("Invalid ").Append(step.Fault).ToString();
                }

                if (step.IsFrameStart)
                {
                    trace.Append('[').Append((int)reader.Header.Opcode).Append(" fin=").Append(reader.Header.IsFinal).Append(' ');
                }

                var payload = wire.AsSpan(at + step.PayloadStart, step.Consumed - step.PayloadStart).ToArray();
                WebSocketMask.Apply(payload, reader.Header.MaskingKey ?? 0, step.Offset);
                trace.Append(Convert.ToHexString(payload)).Append(step.IsFrameEnd ? ".]" : "");
                at += step.Consumed;
            }
        }

        return trace.Append("NeedMore").ToString();
    }

    private static void CheckText(byte[] octets, List<int> cuts)
    {
        var validator = default(Utf8Validator);
        var (at, isValid) = (0, true);
        foreach (var cut in cuts)
        {
            isValid = isValid && validator.TryAppend(octets.AsSpan(at..cut));
            at = cut;
        }

        FindingException.ThrowIfDifferent(System.Text.Unicode.Utf8.IsValid(octets), isValid && validator.IsComplete, "text");
    }
}
