using System.Text;
using RelayCore.Protocols.Fields;

namespace RelayCore.Rules.Actions.Headers;

/// <summary>The cookies of a request, <c>a=1; b=2</c>, in one Cookie line or several (RFC 6265 §4.2, RFC 9113 §8.2.3). Names compare with case.</summary>
internal static class CookieText
{
    /// <summary>Value of the first cookie with a name, quotes included; <see langword="null"/> when there is none.</summary>
    public static string? Get(FieldSection fields, string name)
    {
        for (var line = fields.IndexOf(KnownField.Cookie); line >= 0; line = fields.IndexOf(KnownField.Cookie, line + 1))
        {
            var value = Encoding.Latin1.GetString(fields.Value(line));
            foreach (var range in value.AsSpan().Split(';'))
            {
                if (Is(value.AsSpan()[range], name, out var found))
                {
                    return found.ToString();
                }
            }
        }

        return null;
    }

    /// <summary>Sets the first cookie with a name and removes further ones; appends it to the last line, or as a line, when there is none.</summary>
    public static void Set(FieldSection fields, string name, string value)
    {
        var isSet = false;
        var last = -1;
        for (var line = fields.IndexOf(KnownField.Cookie); line >= 0; line = fields.IndexOf(KnownField.Cookie, line + 1))
        {
            var text = Encoding.Latin1.GetString(fields.Value(line));
            var edited = Edit(text, name, isSet ? null : value, out var found);
            isSet |= found > 0;
            if (found == 0)
            {
                last = line;
            }
            else if (edited.Length == 0)
            {
                fields.RemoveAt(line--);
            }
            else
            {
                fields.SetValue(line, edited);
                last = line;
            }
        }

        if (isSet)
        {
            return;
        }

        if (last >= 0)
        {
            fields.SetValue(last, $"{Encoding.Latin1.GetString(fields.Value(last))}; {name}={value}");
        }
        else
        {
            fields.Add("Cookie", $"{name}={value}");
        }
    }

    /// <summary>Removes all cookies with a name, and lines that are empty then.</summary>
    /// <returns>How many there were.</returns>
    public static int Delete(FieldSection fields, string name)
    {
        var deleted = 0;
        for (var line = fields.IndexOf(KnownField.Cookie); line >= 0; line = fields.IndexOf(KnownField.Cookie, line + 1))
        {
            var edited = Edit(Encoding.Latin1.GetString(fields.Value(line)), name, null, out var found);
            deleted += found;
            if (found == 0)
            {
                continue;
            }

            if (edited.Length == 0)
            {
                fields.RemoveAt(line--);
            }
            else
            {
                fields.SetValue(line, edited);
            }
        }

        return deleted;
    }

    /// <summary>Index of the first character that may not stand in a cookie's value (RFC 6265 §4.1.1, as lenient as servers are), or -1.</summary>
    public static int IndexOfInvalid(string value) => value.AsSpan().IndexOfAnyExceptInRange('\u0020', '\u00FF') is var control && control >= 0
        ? control : value.AsSpan().IndexOfAny(';', '\u007F');

    private static string Edit(string cookies, string name, string? value, out int found)
    {
        found = 0;
        var kept = new StringBuilder(cookies.Length);
        foreach (var range in cookies.AsSpan().Split(';'))
        {
            var pair = cookies.AsSpan()[range].Trim(' ');
            if (Is(pair, name, out _))
            {
                found++;
                if (value is not null)
                {
                    kept.Append(kept.Length > 0 ? "; " : "").Append(name).Append('=').Append(value);
                    value = null;
                }
            }
            else if (!pair.IsEmpty)
            {
                kept.Append(kept.Length > 0 ? "; " : "").Append(pair);
            }
        }

        return kept.ToString();
    }

    private static bool Is(ReadOnlySpan<char> pair, string name, out ReadOnlySpan<char> value)
    {
        var equals = pair.IndexOf('=');
        value = equals < 0 ? default : pair[(equals + 1)..].Trim(" \t");
        return equals >= 0 && pair[..equals].Trim(" \t").SequenceEqual(name);
    }
}
