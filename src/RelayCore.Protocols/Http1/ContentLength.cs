using System.Buffers.Text;

namespace RelayCore.Protocols.Http1;

/// <summary>The value of Content-Length (RFC 9110 §8.6).</summary>
internal static class ContentLength
{
    /// <summary>Reads one or more digits that fit 63 bits.</summary>
    /// <param name="text">The octets.</param>
    /// <param name="value">The number; -1 when it is none.</param>
    public static bool TryRead(ReadOnlySpan<byte> text, out long value)
    {
        value = -1;
        if (text.IndexOfAnyExceptInRange((byte)'0', (byte)'9') < 0 && Utf8Parser.TryParse(text, out long number, out var consumed) && consumed == text.Length)
        {
            value = number;
        }

        return value >= 0;
    }
}
