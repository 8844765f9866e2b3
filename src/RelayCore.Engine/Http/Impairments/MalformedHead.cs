using System.Buffers.Text;
using System.Globalization;
using System.Text;
using RelayCore.Core.Interception;

namespace RelayCore.Engine.Http.Impairments;

/// <summary>Heads of HTTP/1 that break a rule on purpose.</summary>
internal static class MalformedHead
{
    private const int Excess = 1000;

    /// <summary>Writes a head anew.</summary>
    /// <param name="kind">What is to be wrong with it.</param>
    /// <param name="head">A right one, with its empty line.</param>
    /// <returns><see langword="null"/> when that cannot be wrong with it: there is no Content-Length, or the chunks are meant.</returns>
    public static byte[]? Write(MalformedFraming kind, ReadOnlySpan<byte> head)
    {
        switch (kind)
        {
            case MalformedFraming.BadStatusLine:
                // Neither a version nor a status or method can be read from it.
                return [.. "H?TP/x.y -- malformed"u8, .. head[head.IndexOf("\r\n"u8)..]];

            case MalformedFraming.ContentLengthLong or MalformedFraming.ContentLengthShort when FindLength(head, out var value, out var length):
                var wrong = kind == MalformedFraming.ContentLengthLong ? length + Excess : Math.Max(0, length - 1);
                return [.. head[..value.Start.Value], .. Digits(wrong), .. head[value.End.Value..]];

            case MalformedFraming.DoubleContentLength:
                var another = FindLength(head, out _, out var said) ? Line(said + 1) : [.. Line(0), .. Line(1)];
                return [.. head[..^2], .. another, .. "\r\n"u8];

            default:
                return null;
        }
    }

    private static bool FindLength(ReadOnlySpan<byte> head, out Range value, out long length)
    {
        (value, length) = (default, 0);
        for (var at = head.IndexOf("\r\n"u8) + 2; at < head.Length;)
        {
            var end = at + head[at..].IndexOf("\r\n"u8);
            var line = head[at..end];
            if (line.Length > 15 && line[14] == ':' && Ascii.EqualsIgnoreCase(line[..14], "Content-Length"u8))
            {
                var start = at + 15;
                while (start < end && head[start] is (byte)' ' or (byte)'\t')
                {
                    start++;
                }

                if (!Utf8Parser.TryParse(head[start..end], out length, out var used))
                {
                    return false;
                }

                value = start..(start + used);
                return true;
            }

            at = end + 2;
        }

        return false;
    }

    private static byte[] Line(long length) => [.. "Content-Length: "u8, .. Digits(length), .. "\r\n"u8];

    private static byte[] Digits(long number) => Encoding.ASCII.GetBytes(number.ToString(CultureInfo.InvariantCulture));
}
