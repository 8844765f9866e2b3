using System.Text;

namespace RelayCore.Cli.Text;

/// <summary>Text of strangers on a terminal: captured traffic may hold escape sequences, and a terminal obeys them.</summary>
internal static class Printable
{
    /// <summary>Every control character, line ends and bidirectional overrides included, as a visible escape.</summary>
    public static string Line(string text) => Escape(text, keepLines: false);

    /// <summary>As <see cref="Line"/>, but tabs and line ends stay (CRLF becomes LF).</summary>
    public static string Block(string text) => Escape(text, keepLines: true);

    /// <summary>Cuts to a width in characters, with an ellipsis.</summary>
    public static string Cut(string text, int width) => text.Length <= width ? text : width < 1 ? "" : text[..(width - 1)] + "…";

    private static string Escape(string text, bool keepLines)
    {
        var first = IndexOfUnsafe(text, keepLines);
        if (first < 0)
        {
            return text;
        }

        var builder = new StringBuilder(text, 0, first, text.Length + 16);
        for (var i = first; i < text.Length; i++)
        {
            var c = text[i];
            if (keepLines && c == '\r' && i + 1 < text.Length && text[i + 1] == '\n')
            {
                continue;
            }

            if (IsUnsafe(c, keepLines))
            {
                _ = c < 0x100 ? builder.Append("\\x").Append(((int)c).ToString("x2", null)) : builder.Append("\\u").Append(((int)c).ToString("x4", null));
            }
            else
            {
                builder.Append(c);
            }
        }

        return builder.ToString();
    }

    private static int IndexOfUnsafe(string text, bool keepLines)
    {
        for (var i = 0; i < text.Length; i++)
        {
            if (IsUnsafe(text[i], keepLines))
            {
                return i;
            }
        }

        return -1;
    }

    private static bool IsUnsafe(char c, bool keepLines) => c switch
    {
        '\n' or '\t' => !keepLines,
        < ' ' or (>= '\x7f' and <= '\x9f') => true,
        '\u2028' or '\u2029' or (>= '\u202a' and <= '\u202e') or (>= '\u2066' and <= '\u2069') => true,
        _ => false,
    };
}
