using System.Globalization;
using RelayCore.Protocols.Http2;

namespace RelayCore.Fuzz.Oracles;

/// <summary>
/// A second, slow reader of HTTP/2 frames: whole input at once, a table of what each type may be, lists instead of spans. Its answer is text,
/// one line per frame, field block or refusal.
/// </summary>
internal static class FrameOracle
{
    /// <summary>Everything of <paramref name="wire"/> up to its end or the first connection error.</summary>
    public static List<string> Read(byte[] wire, int maxFrameSize, Http2Limits limits)
    {
        var lines = new List<string>();
        List<byte>? block = null;
        var (blockStream, continuations) = (0L, 0);
        for (var at = 0; wire.Length - at >= 9;)
        {
            var length = (int)Number(wire, at, 3);
            var (type, flags, stream) = (wire[at + 3], wire[at + 4], Number(wire, at + 5, 4) % (1L << 31));
            var there = Math.Min(length, wire.Length - at - 9);
            var payload = wire.AsSpan(at + 9, there).ToArray();
            var error = Header(type, flags, stream, length, maxFrameSize);
            if (error is { OfStream: false })
            {
                return [.. lines, error.ToString()];
            }

            var inPieces = type is 0 or > 9 and not 0x10;
            if (there < length && !inPieces)
            {
                return [.. lines, "MORE"];
            }

            var padded = (flags & 8) != 0 && type is 0 or 1 or 5;
            if (padded && there < 1)
            {
                return [.. lines, "MORE"];
            }

            var pad = padded ? payload[0] : 0;
            var content = payload.Skip(padded ? 1 : 0).ToList();
            var factCount = type switch { 1 => (flags & 0x20) != 0 ? 5 : 0, 2 => length == 5 ? 5 : 0, 3 or 5 or 8 or 0x10 => 4, 7 => 8, _ => 0 };
            var facts = content.Take(factCount).ToArray();
            content = [.. content.Skip(factCount)];
            if (type is 5 or 7 or 8 or 0x10)
            {
                facts[0] %= 128; // the reserved bit means nothing
            }

            if (pad > length - (padded ? 1 : 0) - factCount)
            {
                return [.. lines, new Refusal(Http2Fault.PaddingTooLong, 1, false).ToString()];
            }

            error ??= Facts(type, stream, facts, content);
            if (error is { OfStream: false })
            {
                return [.. lines, error.ToString()];
            }

            if (inPieces && there < length && there <= (padded ? 1 : 0))
            {
                return [.. lines, "MORE"];
            }

            var contentLength = length - (padded ? 1 : 0) - factCount - pad;
            content = [.. content.Take(contentLength)];
            var line = Line(type, flags, stream, length, pad, Convert.ToHexString(facts), Convert.ToHexString([.. content]), there)
                + (error is null ? "" : " " + error);

            if (block is null ? type == 9 : type != 9 || stream != blockStream)
            {
                return [.. lines, new Refusal(block is null ? Http2Fault.UnexpectedContinuation : Http2Fault.FieldBlockInterrupted, 1, false).ToString()];
            }

            if (type is 1 or 5 or 9)
            {
                block = type == 9 ? block : [];
                (blockStream, continuations) = (stream, type == 9 ? continuations + 1 : 0);
                if (continuations > limits.MaxContinuations)
                {
                    return [.. lines, new Refusal(Http2Fault.TooManyContinuations, 11, false).ToString()];
                }

                block!.AddRange(content);
                if (block.Count > limits.MaxFieldBlockOctets)
                {
                    return [.. lines, new Refusal(Http2Fault.FieldBlockTooLarge, 11, false).ToString()];
                }
            }

            lines.Add(line);
            if (type is 1 or 5 or 9)
            {
                if ((flags & 4) != 0)
                {
                    lines.Add($"BLOCK {stream} {Convert.ToHexString([.. block!])}");
                    block = null;
                }
            }

            if (there < length)
            {
                return [.. lines, "MORE"];
            }

            at += 9 + length;
        }

        return [.. lines, "MORE"];
    }

    /// <summary>A frame as text.</summary>
    public static string Line(int type, int flags, long stream, int length, int pad, string facts, string content, int received) => string.Create(
        CultureInfo.InvariantCulture, $"{type:X2} {flags:X2} {stream} {length}/{received} pad {pad} [{facts}] [{content}]");

    /// <summary>A refusal as text.</summary>
    public static string Text(Http2Error error) => new Refusal(error.Fault, (int)error.Code, error.StreamId != 0).ToString();

    private static Refusal? Header(int type, int flags, long stream, int length, int maxFrameSize)
    {
        var never = new HashSet<int> { 4, 6, 7, 0x10 };
        var always = new HashSet<int> { 0, 1, 2, 3, 5, 9 };
        var padding = (flags & 8) >> 3;
        return always.Contains(type) && stream == 0 ? new(Http2Fault.StreamIdMissing, 1, false)
            : never.Contains(type) && stream > 0 ? new(Http2Fault.StreamIdNotAllowed, 1, false)
            : length > maxFrameSize ? new(Http2Fault.FrameTooLarge, 6, type == 0)
            : type == 2 && length != 5 ? new(Http2Fault.WrongLength, 6, true)
            : (type == 0 && length < padding) || (type == 1 && length < padding + ((flags & 0x20) != 0 ? 5 : 0)) || (type is 3 or 8 && length != 4)
                || (type == 4 && length % 6 > 0) || (type == 5 && length < padding + 4) || (type == 6 && length != 8) || (type == 7 && length < 8)
                || (type == 0x10 && length < 4)
                ? new(Http2Fault.WrongLength, 6, false)
            : type == 4 && (flags & 1) != 0 && length > 0 ? new(Http2Fault.SettingsAckWithPayload, 6, false)
            : null;
    }

    private static Refusal? Facts(int type, long stream, byte[] facts, List<byte> content)
    {
        var id = facts.Length == 0 ? -1 : Number(facts, 0, 4) % (1L << 31);
        return type switch
        {
            1 or 2 when id == stream => new(Http2Fault.SelfDependency, 1, true),
            5 when id == 0 || id % 2 == 1 => new(Http2Fault.InvalidPromisedStreamId, 1, false),
            8 when id == 0 => new(Http2Fault.ZeroIncrement, 1, stream > 0),
            0x10 when id == 0 => new(Http2Fault.InvalidPriorityUpdate, 1, false),
            4 => content.Chunk(6).Select(x => Setting(Number(x, 0, 2), Number(x, 2, 4))).FirstOrDefault(x => x is not null),
            _ => null,
        };
    }

    private static Refusal? Setting(long id, long value) => id switch
    {
        2 when value > 1 => new(Http2Fault.InvalidEnablePush, 1, false),
        4 when value > 0x7FFF_FFFF => new(Http2Fault.InvalidInitialWindowSize, 3, false),
        5 when value is < 16384 or > 16777215 => new(Http2Fault.InvalidMaxFrameSize, 1, false),
        8 when value > 1 => new(Http2Fault.InvalidEnableConnectProtocol, 1, false),
        9 when value > 1 => new(Http2Fault.InvalidNoRfc7540Priorities, 1, false),
        _ => null,
    };

    private static long Number(byte[] octets, int at, int count) => octets.Skip(at).Take(count).Aggregate(0L, (sum, x) => (sum * 256) + x);

    private sealed record Refusal(Http2Fault Fault, int Code, bool OfStream)
    {
        public override string ToString() => $"{(OfStream ? "stream" : "connection")} error {Fault} {(Http2ErrorCode)Code}";
    }
}
