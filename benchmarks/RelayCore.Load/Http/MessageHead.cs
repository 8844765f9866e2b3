using System.Buffers;
using System.Buffers.Text;

namespace RelayCore.Load.Http;

/// <summary>What a load generator or a discarding origin must know of an HTTP/1.1 head, and nothing more.</summary>
/// <param name="Octets">Length of the head including the empty line.</param>
/// <param name="Status">Status code of a response; 0 for a request.</param>
/// <param name="ContentLength">Value of Content-Length in octets; -1 when absent.</param>
/// <param name="IsChunked"><see langword="true"/> when Transfer-Encoding ends in <c>chunked</c>.</param>
/// <param name="IsClose"><see langword="true"/> when Connection announces <c>close</c>.</param>
internal readonly record struct MessageHead(int Octets, int Status, long ContentLength, bool IsChunked, bool IsClose)
{
    /// <summary>Reads a head from the start of <paramref name="source"/>.</summary>
    /// <returns>
    /// <see cref="OperationStatus.Done"/>; <see cref="OperationStatus.NeedMoreData"/> to be called again with a longer
    /// <paramref name="source"/>; or <see cref="OperationStatus.InvalidData"/> when the framing cannot be trusted.
    /// </returns>
    /// <remarks>RFC 9112 §2 to §6, for peers known to be well behaved: field lines that do not frame the message are not looked at.</remarks>
    public static OperationStatus TryRead(ReadOnlySpan<byte> source, out MessageHead head)
    {
        head = default;
        var end = source.IndexOf("\r\n\r\n"u8);
        if (end < 0)
        {
            return OperationStatus.NeedMoreData;
        }

        var lines = source[..(end + 2)];
        var lineEnd = lines.IndexOf((byte)'\n');
        if (!TryReadStatus(lines[..lineEnd], out var status))
        {
            return OperationStatus.InvalidData;
        }

        var (contentLength, isChunked, isClose) = (-1L, false, false);
        for (lines = lines[(lineEnd + 1)..]; !lines.IsEmpty; lines = lines[(lineEnd + 1)..])
        {
            lineEnd = lines.IndexOf((byte)'\n');
            var line = lines[..(lineEnd - 1)];
            if ((line[0] | 0x20) == 'c' && TryValue(line, "content-length:"u8, out var value))
            {
                if (contentLength >= 0 || !Utf8Parser.TryParse(value, out contentLength, out var used) || used != value.Length || contentLength < 0)
                {
                    return OperationStatus.InvalidData;
                }
            }
            else if ((line[0] | 0x20) == 't' && TryValue(line, "transfer-encoding:"u8, out value))
            {
                isChunked = EndsWithToken(value, "chunked"u8);
            }
            else if ((line[0] | 0x20) == 'c' && TryValue(line, "connection:"u8, out value))
            {
                isClose = EndsWithToken(value, "close"u8);
            }
        }

        head = new(end + 4, status, contentLength, isChunked, isClose);
        return OperationStatus.Done;
    }

    /// <summary>Finds a field that does not concern the framing.</summary>
    /// <param name="head">A whole head.</param>
    /// <param name="lowerName">Its name in lower case, with the colon.</param>
    /// <param name="value">The first such field's value, without the space around it.</param>
    public static bool TryField(ReadOnlySpan<byte> head, ReadOnlySpan<byte> lowerName, out ReadOnlySpan<byte> value)
    {
        value = default;
        for (var lineEnd = head.IndexOf((byte)'\n'); lineEnd >= 0; lineEnd = head.IndexOf((byte)'\n'))
        {
            head = head[(lineEnd + 1)..];
            if (TryValue(head[..Math.Max(0, head.IndexOf((byte)'\r'))], lowerName, out value))
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>The target between the first two spaces of a request line; empty when there are none.</summary>
    public static ReadOnlySpan<byte> Target(ReadOnlySpan<byte> head)
    {
        var rest = head[(head.IndexOf((byte)' ') + 1)..];
        return rest[..Math.Max(0, rest.IndexOf((byte)' '))];
    }

    private static bool TryReadStatus(ReadOnlySpan<byte> startLine, out int status)
    {
        status = 0;
        return !startLine.StartsWith("HTTP/"u8)
            || (startLine.Length > 12 && Utf8Parser.TryParse(startLine.Slice(9, 3), out status, out var used) && used == 3);
    }

    private static bool TryValue(ReadOnlySpan<byte> line, ReadOnlySpan<byte> lowerName, out ReadOnlySpan<byte> value)
    {
        value = default;
        if (line.Length < lowerName.Length || !System.Text.Ascii.EqualsIgnoreCase(line[..lowerName.Length], lowerName))
        {
            return false;
        }

        value = line[lowerName.Length..].Trim(" \t"u8);
        return true;
    }

    private static bool EndsWithToken(ReadOnlySpan<byte> value, ReadOnlySpan<byte> token) =>
        value.Length >= token.Length && System.Text.Ascii.EqualsIgnoreCase(value[^token.Length..], token);
}
