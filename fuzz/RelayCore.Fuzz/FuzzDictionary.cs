using System.Globalization;

namespace RelayCore.Fuzz;

/// <summary>Dictionaries in the format of afl: one <c>"token"</c> per line, with <c>\\</c>, <c>\"</c> and <c>\xNN</c>; <c>#</c> begins a comment.</summary>
internal static class FuzzDictionary
{
    public static List<byte[]> Read(string path)
    {
        var entries = new List<byte[]>();
        foreach (var line in File.ReadLines(path))
        {
            var (first, last) = (line.IndexOf('"', StringComparison.Ordinal), line.LastIndexOf('"'));
            if (line.StartsWith('#') || last <= first)
            {
                continue;
            }

            entries.Add(Unescape(line[(first + 1)..last]));
        }

        return entries;
    }

    private static byte[] Unescape(string text)
    {
        var octets = new List<byte>();
        for (var i = 0; i < text.Length; i++)
        {
            if (text[i] != '\\')
            {
                octets.Add((byte)text[i]);
            }
            else if (text[i + 1] == 'x')
            {
                octets.Add(byte.Parse(text.AsSpan(i + 2, 2), NumberStyles.HexNumber, CultureInfo.InvariantCulture));
                i += 3;
            }
            else
            {
                octets.Add((byte)text[++i]);
            }
        }

        return [.. octets];
    }
}
