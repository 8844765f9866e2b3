using System.Buffers;
using System.Globalization;
using System.Text;

namespace RelayCore.Protocols.Sse;

/// <summary>Writes events of an event stream (WHATWG HTML §9.2.5), lines ended by LF.</summary>
public static class SseWriter
{
    /// <summary>Whether an event can be written with these fields: neither may contain a line end, and an id no NUL.</summary>
    public static bool CanWrite(string? id, string? name) =>
        (id is null || id.AsSpan().IndexOfAny('\r', '\n', '\0') < 0) && (name is null || name.AsSpan().IndexOfAny('\r', '\n') < 0);

    /// <summary>Writes one event with its empty line.</summary>
    /// <param name="output">Where to.</param>
    /// <param name="id">The id field; <see langword="null"/> for none.</param>
    /// <param name="name">The event field; <see langword="null"/> for none.</param>
    /// <param name="retryMilliseconds">The retry field; <see langword="null"/> for none.</param>
    /// <param name="data">The data; each CRLF, CR or LF in it begins a new data field, and reads as LF at the other end.</param>
    /// <exception cref="ArgumentException">A field cannot be written; see <see cref="CanWrite"/>.</exception>
    public static void Write(IBufferWriter<byte> output, string? id, string? name, long? retryMilliseconds, ReadOnlySpan<byte> data)
    {
        ArgumentNullException.ThrowIfNull(output);
        if (!CanWrite(id, name))
        {
            throw new ArgumentException("An event's id and name have no line ends, and its id no NUL.");
        }

        WriteField(output, "id"u8, id);
        WriteField(output, "event"u8, name);
        if (retryMilliseconds is { } retry)
        {
            WriteField(output, "retry"u8, retry.ToString(CultureInfo.InvariantCulture));
        }

        while (true)
        {
            var end = data.IndexOfAny((byte)'\r', (byte)'\n');
            output.Write("data: "u8);
            output.Write(end < 0 ? data : data[..end]);
            output.Write("\n"u8);
            if (end < 0)
            {
                break;
            }

            data = data[(end + (data[end..].StartsWith("\r\n"u8) ? 2 : 1))..];
        }

        output.Write("\n"u8);
    }

    private static void WriteField(IBufferWriter<byte> output, ReadOnlySpan<byte> name, string? value)
    {
        if (value is not null)
        {
            output.Write(name);
            output.Write(": "u8);
            output.Write(Encoding.UTF8.GetBytes(value));
            output.Write("\n"u8);
        }
    }
}
