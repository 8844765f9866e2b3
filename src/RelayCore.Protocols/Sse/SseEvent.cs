using System.Globalization;
using System.Text;

namespace RelayCore.Protocols.Sse;

/// <summary>The fields of one block of an event stream (WHATWG HTML §9.2.6). Ranges are relative to the block.</summary>
public readonly struct SseEvent
{
    private SseEvent(int dataLines, (int Start, int Length) data, (int Start, int Length)? id, (int Start, int Length)? name, long? retry) =>
        (DataLines, Data, Id, Name, RetryMilliseconds) = (dataLines, data, id, name, retry);

    /// <summary>Number of data fields. Without one nothing is dispatched, though id and retry take effect.</summary>
    public int DataLines { get; }

    /// <summary>Value of the data field when there is one only; several are put together by <see cref="Join"/>.</summary>
    public (int Start, int Length) Data { get; }

    /// <summary>Value of the last id field without NUL; empty resets the last event id; <see langword="null"/> without such a field.</summary>
    public (int Start, int Length)? Id { get; }

    /// <summary>Value of the last event field; <see langword="null"/> without one.</summary>
    public (int Start, int Length)? Name { get; }

    /// <summary>Value of the last retry field that is a number, in milliseconds; <see langword="null"/> without one.</summary>
    public long? RetryMilliseconds { get; }

    /// <summary>Reads the fields of a block.</summary>
    /// <param name="block">Octets of one <see cref="UnitStatus.Message"/> of <see cref="SseReader"/>, whole or the first part of it.</param>
    public static SseEvent Parse(ReadOnlySpan<byte> block)
    {
        var (lines, data, retry) = (0, (0, 0), default(long?));
        (int, int)? id = null, name = null;
        var at = 0;
        while (TryReadField(block, ref at, out var field, out var value))
        {
            switch (field)
            {
                case Field.Data:
                    (lines, data) = (lines + 1, value);
                    break;

                case Field.Event:
                    name = value;
                    break;

                case Field.Id when !block.Slice(value.Start, value.Length).Contains((byte)0):
                    id = value;
                    break;

                case Field.Retry when IsNumber(block.Slice(value.Start, value.Length), out var number):
                    retry = number;
                    break;
            }
        }

        return new(lines, data, id, name, retry);
    }

    /// <summary>Puts the data fields of a block together: their values with LF between them.</summary>
    /// <param name="block">As given to <see cref="Parse"/>.</param>
    /// <param name="destination">At least as long as the block.</param>
    /// <returns>Octets written.</returns>
    public static int Join(ReadOnlySpan<byte> block, Span<byte> destination)
    {
        var (at, written, lines) = (0, 0, 0);
        while (TryReadField(block, ref at, out var field, out var value))
        {
            if (field != Field.Data)
            {
                continue;
            }

            if (lines++ > 0)
            {
                destination[written++] = (byte)'\n';
            }

            block.Slice(value.Start, value.Length).CopyTo(destination[written..]);
            written += value.Length;
        }

        return written;
    }

    /// <summary>Text of a value; octets that are no UTF-8 become U+FFFD, as in a browser.</summary>
    public static string Text(ReadOnlySpan<byte> block, (int Start, int Length) value) => Encoding.UTF8.GetString(block.Slice(value.Start, value.Length));

    private enum Field : byte
    {
        None,
        Data,
        Event,
        Id,
        Retry,
    }

    private static bool TryReadField(ReadOnlySpan<byte> block, ref int at, out Field field, out (int Start, int Length) value)
    {
        (field, value) = (Field.None, default);
        if (at >= block.Length)
        {
            return false;
        }

        var start = at;
        var length = block[start..].IndexOfAny((byte)'\r', (byte)'\n');
        if (length < 0)
        {
            length = block.Length - start;
        }

        at = start + length + 1;
        if (at < block.Length && block[at - 1] == '\r' && block[at] == '\n')
        {
            at++;
        }

        var line = block.Slice(start, length);
        var colon = line.IndexOf((byte)':');
        var nameLength = colon < 0 ? length : colon;
        var skipped = colon < 0 ? length : colon + 1 < length && line[colon + 1] == ' ' ? colon + 2 : colon + 1;
        var name = line[..nameLength];
        field = name.SequenceEqual("data"u8) ? Field.Data
            : name.SequenceEqual("event"u8) ? Field.Event
            : name.SequenceEqual("id"u8) ? Field.Id
            : name.SequenceEqual("retry"u8) ? Field.Retry
            : Field.None;
        value = (start + skipped, length - skipped);
        return true;
    }

    private static bool IsNumber(ReadOnlySpan<byte> value, out long number)
    {
        number = 0;
        return !value.IsEmpty && value.IndexOfAnyExceptInRange((byte)'0', (byte)'9') < 0
            && long.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out number);
    }
}
