using System.Diagnostics.CodeAnalysis;
using System.Text;

namespace RelayCore.Rules.Actions.Bodies;

/// <summary>
/// Content as text, and back. In the charset its Content-Type names, otherwise UTF-8; what is not text in that charset is taken as octets (Latin-1),
/// so that going there and back never changes an octet that was not edited.
/// </summary>
internal readonly struct ContentText
{
    private readonly Encoding _encoding;

    private ContentText(string text, Encoding encoding) => (Text, _encoding) = (text, encoding);

    /// <summary>The text.</summary>
    public string Text { get; }

    /// <summary>Reads content.</summary>
    /// <param name="content">Without content coding.</param>
    /// <param name="contentType">Value of Content-Type, if any.</param>
    public static ContentText Read(ReadOnlyMemory<byte> content, string? contentType)
    {
        var encoding = OfType(contentType) ?? OfMark(content.Span) ?? Strict(Encoding.UTF8);
        if (!encoding.Equals(Encoding.Latin1))
        {
            try
            {
                var text = encoding.GetString(content.Span);

                // Some charsets spell one character in several ways; then only octets are safe.
                if (encoding.CodePage == Encoding.UTF8.CodePage || encoding.GetBytes(text).AsSpan().SequenceEqual(content.Span))
                {
                    return new(text, encoding);
                }
            }
            catch (DecoderFallbackException)
            {
            }
            catch (EncoderFallbackException)
            {
            }
        }

        return new(Encoding.Latin1.GetString(content.Span), Strict(Encoding.Latin1));
    }

    /// <summary>The octets of an edited text.</summary>
    /// <returns>Whether the charset has all its characters.</returns>
    public bool TryWrite(string text, out byte[] octets, [NotNullWhen(false)] out string? problem)
    {
        try
        {
            (octets, problem) = (_encoding.GetBytes(text), null);
            return true;
        }
        catch (EncoderFallbackException error)
        {
            (octets, problem) = ([], $"the character U+{(error.CharUnknown == 0 ? error.CharUnknownHigh : error.CharUnknown) + 0:X4} does not exist in {_encoding.WebName}, the charset of the content");
            return false;
        }
    }

    /// <summary>The octets of a text that becomes the content: in the charset of the Content-Type when that has all its characters, otherwise UTF-8.</summary>
    public static byte[] Encode(string text, string? contentType)
    {
        if (OfType(contentType) is { } encoding)
        {
            try
            {
                return encoding.GetBytes(text);
            }
            catch (EncoderFallbackException)
            {
            }
        }

        return Encoding.UTF8.GetBytes(text);
    }

    /// <summary>Type and subtype of a Content-Type, lower case; empty without.</summary>
    public static string MediaType(string? contentType) => (contentType ?? "").Split(';', 2)[0].Trim().ToLowerInvariant();

    /// <summary>The charset a name stands for; <see langword="null"/> for an unknown one.</summary>
    public static Encoding? Named(string name)
    {
        try
        {

            return Strict(CodePagesEncodingProvider.Instance.GetEncoding(name) ?? Encoding.GetEncoding(name));
        }
        catch (ArgumentException)
        {
            return null;
        }
    }

    private static Encoding? OfType(string? contentType)
    {
        foreach (var parameter in (contentType ?? "").Split(';').Skip(1))
        {
            var pair = parameter.Split('=', 2);
            if (pair.Length == 2 && pair[0].Trim().Equals("charset", StringComparison.OrdinalIgnoreCase))
            {
                return Named(pair[1].Trim().Trim('"'));
            }
        }

        return null;
    }

    private static Encoding? OfMark(ReadOnlySpan<byte> content) => content switch
    {
        [0xFF, 0xFE, ..] => Named("utf-16"),
        [0xFE, 0xFF, ..] => Named("utf-16BE"),
        _ => null,
    };

    private static Encoding Strict(Encoding encoding)
    {
        var strict = (Encoding)encoding.Clone();
        (strict.DecoderFallback, strict.EncoderFallback) = (DecoderFallback.ExceptionFallback, EncoderFallback.ExceptionFallback);
        return strict;
    }
}
