using System.Net;

namespace RelayCore.Protocols.Tls;

/// <summary>What can be a DNS host name in SNI and certificates.</summary>
public static class HostName
{
    private const int MaxLength = 253; // RFC 1035 §2.3.4 without the root label and its dot
    private const int MaxLabelLength = 63;

    /// <summary>
    /// Whether <paramref name="name"/> is 1 to 253 characters in labels of 1 to 63 ASCII letters, digits, underscores (names in use
    /// have them) and inner hyphens (RFC 952, RFC 1123 §2.1), and neither an IP literal nor ended by a dot.
    /// </summary>
    public static bool IsValid(ReadOnlySpan<char> name)
    {
        if (name.Length is 0 or > MaxLength || IPAddress.TryParse(name, out _))
        {
            return false;
        }

        foreach (var label in name.Split('.'))
        {
            if (!IsLabel(name[label]))
            {
                return false;
            }
        }

        return true;
    }

    private static bool IsLabel(ReadOnlySpan<char> label)
    {
        if (label.Length is 0 or > MaxLabelLength || label[0] == '-' || label[^1] == '-')
        {
            return false;
        }

        foreach (var character in label)
        {
            if (!char.IsAsciiLetterOrDigit(character) && character is not ('-' or '_'))
            {
                return false;
            }
        }

        return true;
    }
}
