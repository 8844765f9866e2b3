using System.Globalization;
using System.Text.RegularExpressions;

namespace RelayCore.Fuzz.Oracles;

/// <summary>An event as a browser would dispatch it; texts are Latin-1 images of octets.</summary>
internal sealed record SseDispatch(string Data, string? Name, string? Id, long? Retry);

/// <summary>WHATWG HTML §9.2.6 read aloud: split the whole stream into lines, go through them, dispatch at each empty one.</summary>
internal static class SseOracle
{
    public static List<SseDispatch> Read(string stream)
    {
        if (stream.StartsWith("\u00EF\u00BB\u00BF", StringComparison.Ordinal))
        {
            stream = stream[3..];
        }

        var events = new List<SseDispatch>();
        var lines = Regex.Split(stream, "\r\n|\r|\n");
        var (data, name, id, retry) = ("", default(string), default(string), default(long?));
        foreach (var line in lines[..^1]) // what follows the last line end is an unterminated line
        {
            if (line.Length == 0)
            {
                if (data.Length > 0)
                {
                    events.Add(new(data[..^1], name, id, retry));
                }

                (data, name, id, retry) = ("", null, null, null);
                continue;
            }

            var colon = line.IndexOf(':', StringComparison.Ordinal);
            if (colon == 0)
            {
                continue;
            }

            var (field, value) = colon < 0 ? (line, "") : (line[..colon], line[(colon + 1)..]);
            value = value.StartsWith(' ') ? value[1..] : value;
            switch (field)
            {
                case "data":
                    data += value + "\n";
                    break;
                case "event":
                    name = value;
                    break;
                case "id" when !value.Contains('\0', StringComparison.Ordinal):
                    id = value;
                    break;
                case "retry" when value.Length > 0 && value.All(char.IsAsciiDigit) && long.TryParse(value, CultureInfo.InvariantCulture, out var number):
                    retry = number;
                    break;
            }
        }

        return events;
    }
}
