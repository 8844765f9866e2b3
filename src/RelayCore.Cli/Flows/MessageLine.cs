using System.Globalization;
using RelayCore.Cli.Arguments;
using RelayCore.Cli.Text;
using RelayCore.Core.Flows;

namespace RelayCore.Cli.Flows;

/// <summary>A message in one line: time, direction, kind, size, the start of what it says, and what was done to it.</summary>
internal static class MessageLine
{
    /// <summary>Formats one.</summary>
    /// <param name="message">The message.</param>
    /// <param name="width">Columns of the terminal; the content is cut to fit.</param>
    /// <param name="style">Colour.</param>
    /// <param name="zone">Time zone of the time.</param>
    public static string Format(FlowMessage message, int width, Style style, TimeZoneInfo zone)
    {
        var time = DateTimeOffset.TryParse(message.Timestamp, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var at)
            ? TimeZoneInfo.ConvertTime(at, zone).ToString("HH:mm:ss.fff", CultureInfo.InvariantCulture)
            : "";
        var arrow = message.Direction == "ClientToServer" ? "→" : "←";
        var kind = message.Opcode.PadRight(6);
        var size = SizeText.Format(message.Content.Size).PadLeft(9);
        var notes = string.Join(", ", Notes(message));
        notes = notes.Length == 0 ? "" : $"  [{notes}]";
        var head = $"{time} {arrow} {kind} {size}  ";
        var text = Printable.Cut(Text(message), width == int.MaxValue ? width : Math.Max(16, width - head.Length - notes.Length - 1));
        return $"{style.Dim(time)} {style.Cyan(arrow)} {style.Bold(kind)} {size}  {text}{style.Yellow(notes)}".TrimEnd();
    }

    private static string Text(FlowMessage message)
    {
        if (message.CloseCode is { } code)
        {
            return string.Create(CultureInfo.InvariantCulture, $"{code} {Printable.Line(message.CloseReason ?? "")}").TrimEnd();
        }

        var fields = message.Event is { } named
            ? string.Concat(
                named.Event is null ? "" : $"event {Printable.Line(named.Event)}: ",
                named.Id is null ? "" : $"id {Printable.Line(named.Id)}: ",
                named.Retry is null ? "" : string.Create(CultureInfo.InvariantCulture, $"retry {named.Retry}: "))
            : "";

        // A line shows some hundred characters; the rest of a megabyte need not be made printable.
        var content = message.Content.Content;
        content = content.Length > 4096 ? content[..4096] : content;
        return fields + (message.Content.Encoding == "base64" ? Hex(content) : Printable.Line(content));
    }

    private static string Hex(string base64)
    {
        var octets = new byte[base64.Length];
        return Convert.TryFromBase64String(base64[..(base64.Length & ~3)], octets, out var length) ? Convert.ToHexStringLower(octets.AsSpan(0, length)) : "";
    }

    private static IEnumerable<string> Notes(FlowMessage message)
    {
        (bool Holds, string Note)[] notes =
        [
            (message.Injected, "injected"), (message.Dropped, "dropped"), (message.Changed, "changed"), (message.Compressed, "compressed"),
            (message.Content.Truncated, "cut"), (message.Incomplete, "incomplete"),
        ];
        return notes.Where(x => x.Holds).Select(x => x.Note);
    }
}
