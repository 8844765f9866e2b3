using System.Globalization;
using System.Text;

namespace RelayCore.Rules.Actions.Headers;

/// <summary>
/// Name-value pairs joined by <c>&amp;</c>: a query or a urlencoded form. An edit changes only its own pair; the rest stays as written. Names compare
/// decoded (percent-encoding, <c>+</c> as space).
/// </summary>
internal static class PairText
{
    /// <summary>Value of the first pair with a name, decoded; <see langword="null"/> when there is none.</summary>
    public static string? Get(string pairs, string name)
    {
        foreach (var range in pairs.AsSpan().Split('&'))
        {
            var pair = pairs.AsSpan()[range];
            if (Is(pair, name))
            {
                var equals = pair.IndexOf('=');
                return equals < 0 ? "" : Decode(pair[(equals + 1)..]);
            }
        }

        return null;
    }

    /// <summary>Sets the first pair with a name and removes further ones; appends one when there is none.</summary>
    /// <param name="pairs">The pairs.</param>
    /// <param name="name">Name, not encoded.</param>
    /// <param name="value">Value, not encoded.</param>
    /// <param name="isForm">Whether a space is written as <c>+</c>.</param>
    public static string Set(string pairs, string name, string value, bool isForm)
    {
        var written = Write(name, value, isForm);
        var result = new StringBuilder(pairs.Length + written.Length + 1);
        var isSet = false;
        foreach (var range in pairs.AsSpan().Split('&'))
        {
            var pair = pairs.AsSpan()[range];
            if (pairs.Length == 0 || (Is(pair, name) && isSet))
            {
                continue;
            }

            Separate(result);
            if (Is(pair, name))
            {
                // The name stays as it was written.
                var equals = pair.IndexOf('=');
                result.Append(equals < 0 ? pair : pair[..equals]).Append('=').Append(Encode(value, isForm));
                isSet = true;
            }
            else
            {
                result.Append(pair);
            }
        }

        if (!isSet)
        {
            Separate(result);
            result.Append(written);
        }

        return result.ToString();
    }

    /// <summary>Appends a pair.</summary>
    public static string Add(string pairs, string name, string value, bool isForm) =>
        pairs.Length == 0 ? Write(name, value, isForm) : $"{pairs}&{Write(name, value, isForm)}";

    /// <summary>Removes all pairs with a name.</summary>
    /// <returns>How many there were.</returns>
    public static int Delete(ref string pairs, string name)
    {
        var result = new StringBuilder(pairs.Length);
        var deleted = 0;
        var isFirst = true;
        foreach (var range in pairs.AsSpan().Split('&'))
        {
            var pair = pairs.AsSpan()[range];
            if (Is(pair, name))
            {
                deleted++;
                continue;
            }

            if (!isFirst)
            {
                result.Append('&');
            }

            isFirst = false;
            result.Append(pair);
        }

        pairs = deleted == 0 ? pairs : result.ToString();
        return deleted;
    }

    /// <summary>Decodes percent-encoding and <c>+</c>; what is no encoding stays.</summary>
    public static string Decode(ReadOnlySpan<char> text) =>
        text.ContainsAny('%', '+') ? Uri.UnescapeDataString(text.ToString().Replace('+', ' ')) : text.ToString();

    private static void Separate(StringBuilder result)
    {
        if (result.Length > 0)
        {
            result.Append('&');
        }
    }

    private static bool Is(ReadOnlySpan<char> pair, string name)
    {
        var equals = pair.IndexOf('=');
        var written = equals < 0 ? pair : pair[..equals];
        return written.ContainsAny('%', '+') ? Decode(written) == name : written.SequenceEqual(name) && !pair.IsEmpty;
    }

    private static string Write(string name, string value, bool isForm) =>
        string.Create(CultureInfo.InvariantCulture, $"{Encode(name, isForm)}={Encode(value, isForm)}");

    private static string Encode(string text, bool isForm)
    {
        var encoded = Uri.EscapeDataString(text);
        return isForm ? encoded.Replace("%20", "+", StringComparison.Ordinal) : encoded;
    }
}
