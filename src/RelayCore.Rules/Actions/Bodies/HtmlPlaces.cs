using System.Buffers;

namespace RelayCore.Rules.Actions.Bodies;

/// <summary>Where markup goes.</summary>
internal enum HtmlPosition
{
    HeadStart,
    HeadEnd,
    BodyStart,
    BodyEnd,
}

/// <summary>
/// Finds the tags around head and body in an HTML document, as the tokenizer of the HTML standard (§13.2.5) would: not in comments, attribute values,
/// scripts and other raw text. One pass, nothing kept.
/// </summary>
internal static class HtmlPlaces
{
    private static readonly SearchValues<char> s_tagOrQuote = SearchValues.Create(">\"'");
    private static readonly string[] s_raw = ["script", "style", "textarea", "title", "xmp", "iframe", "noembed", "noframes"];

    /// <summary>Offset at which markup is to be put.</summary>
    public static int Find(ReadOnlySpan<char> html, HtmlPosition position)
    {
        // Where a tag is missing the parser would imply it: a head behind <html> or the doctype, a body behind the head, their ends at the end.
        var (htmlEnd, headStart, headEnd, bodyTag, bodyStart, bodyEnd, closing) = (-1, -1, -1, -1, -1, -1, -1);
        var doctypeEnd = 0;
        var at = 0;
        while (at < html.Length && html[at..].IndexOf('<') is var next and >= 0)
        {
            var tag = at + next;
            var rest = html[tag..];
            if (rest.StartsWith("<!--"))
            {
                at = tag + CommentLength(rest);
                continue;
            }

            var isEnd = rest.Length > 1 && rest[1] == '/';
            var name = Name(rest[(isEnd ? 2 : 1)..]);
            if (name.IsEmpty && !(rest.Length > 1 && rest[1] is '!' or '?' or '/'))
            {
                at = tag + 1;
                continue;
            }

            at = tag + (name.IsEmpty ? MarkupLength(rest) : TagLength(rest));
            if (name.IsEmpty)
            {
                doctypeEnd = headStart < 0 && bodyTag < 0 && htmlEnd < 0 ? at : doctypeEnd;
            }
            else if (Is(name, "html"))
            {
                (htmlEnd, closing) = isEnd ? (htmlEnd, tag) : (htmlEnd < 0 ? at : htmlEnd, closing);
            }
            else if (Is(name, "head") && headEnd < 0 && bodyTag < 0)
            {
                (headStart, headEnd) = isEnd ? (headStart, tag) : (headStart < 0 ? at : headStart, headEnd);
            }
            else if (Is(name, "body"))
            {
                bodyEnd = isEnd ? tag : bodyEnd;
                (bodyTag, bodyStart) = isEnd || bodyTag >= 0 ? (bodyTag, bodyStart) : (tag, at);
            }
            else if (!isEnd && RawName(name) is { } raw)
            {
                at += RawLength(html[at..], raw);
            }
        }

        var top = headStart >= 0 ? headStart : htmlEnd >= 0 ? htmlEnd : doctypeEnd;
        return position switch
        {
            HtmlPosition.HeadStart => top,
            HtmlPosition.HeadEnd => headEnd >= 0 ? headEnd : bodyTag >= 0 ? bodyTag : top,
            HtmlPosition.BodyStart => bodyStart >= 0 ? bodyStart : headEnd >= 0 ? headEnd + TagLength(html[headEnd..]) : top,
            _ => bodyEnd >= 0 ? bodyEnd : closing >= 0 ? closing : html.Length,
        };
    }

    private static ReadOnlySpan<char> Name(ReadOnlySpan<char> text)
    {
        var length = 0;
        while (length < text.Length && text[length] is not (' ' or '\t' or '\n' or '\f' or '\r' or '/' or '>'))
        {
            length++;
        }

        return length > 0 && char.IsAsciiLetter(text[0]) ? text[..length] : default;
    }

    // To the end of a tag; a > within quotes is not it.
    private static int TagLength(ReadOnlySpan<char> text)
    {
        for (var at = 1; at < text.Length;)
        {
            var next = text[at..].IndexOfAny(s_tagOrQuote);
            if (next < 0)
            {
                break;
            }

            at += next;
            if (text[at] == '>')
            {
                return at + 1;
            }

            // A quote opens a value only behind an equals sign; elsewhere it is part of a name.
            var isValue = text[..at].TrimEnd().EndsWith("=");
            var close = isValue ? text[(at + 1)..].IndexOf(text[at]) : -1;
            if (isValue && close < 0)
            {
                break;
            }

            at += close + 2;
        }

        return text.Length;
    }

    private static int MarkupLength(ReadOnlySpan<char> text) => text.IndexOf('>') is var end and >= 0 ? end + 1 : text.Length;

    private static int CommentLength(ReadOnlySpan<char> text)
    {
        // §13.2.5.43: <!--> and <!---> are whole comments.
        if (text.StartsWith("<!-->") || text.StartsWith("<!--->"))
        {
            return text.IndexOf('>') + 1;
        }

        var (plain, odd) = (text[4..].IndexOf("-->"), text[4..].IndexOf("--!>"));
        return odd >= 0 && (plain < 0 || odd < plain) ? 4 + odd + 4 : plain >= 0 ? 4 + plain + 3 : text.Length;
    }

    private static string? RawName(ReadOnlySpan<char> name)
    {
        foreach (var raw in s_raw)
        {
            if (Is(name, raw))
            {
                return raw;
            }
        }

        return null;
    }

    private static int RawLength(ReadOnlySpan<char> text, string name)
    {
        for (var at = 0; text[at..].IndexOf("</") is var next and >= 0;)
        {
            at += next + 2;
            if (Is(Name(text[at..]), name))
            {
                return at - 2;
            }
        }

        return text.Length;
    }

    private static bool Is(ReadOnlySpan<char> name, string what) => name.Equals(what, StringComparison.OrdinalIgnoreCase);
}
