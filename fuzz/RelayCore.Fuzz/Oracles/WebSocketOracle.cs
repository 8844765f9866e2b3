using System.Text;
using RelayCore.Protocols;
using RelayCore.Protocols.WebSockets;

namespace RelayCore.Fuzz.Oracles;

/// <summary>Reads frames the slow way: everything is there, one octet after the other, straight from RFC 6455 §5.2.</summary>
internal static class WebSocketOracle
{
    /// <summary>Every frame as <c>[opcode fin= payload in hex, a dot when it is whole]</c>, then how it ends.</summary>
    public static string Trace(byte[] wire, WebSocketFrameRules rules)
    {
        var trace = new StringBuilder();
        var at = 0;
        var open = false;
        while (true)
        {
            var bits = new Queue<int>(wire.Skip(at).Take(2).SelectMany(x => Enumerable.Range(0, 8).Select(i => (x >> (7 - i)) & 1)));
            if (bits.Count < 16)
            {
                return trace.Append("NeedMore").ToString();
            }

            int Take(int count) => Enumerable.Range(0, count).Aggregate(0, (x, _) => (x * 2) + bits.Dequeue());
            var (fin, rsv1, rsv2, rsv3, opcode, mask, length7) = (Take(1) == 1, Take(1) == 1, Take(1) == 1, Take(1) == 1, Take(4), Take(1) == 1, Take(7));
            var isControl = opcode >= 8;
            string? fault = null;
            if (!rules.AllowsAnything)
            {
                fault = rsv2 || rsv3 || (rsv1 && !rules.AllowsCompression) ? "ReservedBitSet"
                    : opcode is not (0 or 1 or 2 or 8 or 9 or 10) ? "UnknownOpcode"
                    : rsv1 && opcode is not (1 or 2) ? "MisplacedCompression"
                    : null;
            }

            fault ??= mask != (rules.Sender == PeerRole.Client) ? "WrongMasking" : isControl && (!fin || length7 > 125) ? "BadControlFrame" : null;
            if (fault is not null)
            {
                return trace.Append("Invalid ").Append(fault).ToString();
            }

            var extra = length7 == 126 ? 2 : length7 == 127 ? 8 : 0;
            var start = at + 2 + extra + (mask ? 4 : 0);
            if (wire.Length < start)
            {
                return trace.Append("NeedMore").ToString();
            }

            var length = extra == 0 ? new System.Numerics.BigInteger(length7) : new(wire.AsSpan(at + 2, extra), isUnsigned: true, isBigEndian: true);
            if ((extra == 2 && length < 126) || (extra == 8 && (length < 65536 || length > long.MaxValue)))
            {
                return trace.Append("Invalid BadLength").ToString();
            }

            if (!rules.AllowsAnything && !isControl && (opcode == 0) != open)
            {
                return trace.Append(opcode == 0 ? "Invalid UnexpectedContinuation" : "Invalid MessageInMessage").ToString();
            }

            var isWhole = wire.Length - start >= length;
            if (isControl && !isWhole)
            {
                return trace.Append("NeedMore").ToString();
            }

            var payload = wire.Skip(start).Take(isWhole ? (int)length : wire.Length).Select((x, i) => mask ? (byte)(x ^ wire[start - 4 + (i % 4)]) : x).ToArray();
            trace.Append('[').Append(opcode).Append(" fin=").Append(fin).Append(' ').Append(Convert.ToHexString(payload)).Append(isWhole ? ".]" : "");
            if (!isWhole)
            {
                return trace.Append("NeedMore").ToString();
            }

            open = isControl ? open : !fin;
            at = start + (int)length;
        }
    }
}
