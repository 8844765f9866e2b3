using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace RelayCore.Protocols.Tls;

/// <summary>
/// The JA3 fingerprint of a TLS client: five lists of decimal numbers without GREASE, and their MD5. It changes whenever a
/// client shuffles its extensions (Chromium does); <see cref="Ja4"/> does not.
/// </summary>
public static class Ja3
{
    /// <summary>The text that is hashed: <c>version,ciphers,extensions,groups,point formats</c>, numbers joined by hyphens.</summary>
    public static string Text(ClientHello hello)
    {
        ArgumentNullException.ThrowIfNull(hello);
        var text = new StringBuilder(256).Append(CultureInfo.InvariantCulture, $"{hello.LegacyVersion}");
        Append(text, hello.CipherSuites);
        Append(text, hello.Extensions);
        Append(text, hello.SupportedGroups);
        text.Append(',').AppendJoin('-', hello.EcPointFormats);
        return text.ToString();
    }

    /// <summary>The fingerprint as people compare it: 32 lower-case hexadecimal digits.</summary>
    public static string Hash(ClientHello hello)
    {
#pragma warning disable CA5351 // The fingerprint is defined as an MD5; nothing is protected by it.
        return Convert.ToHexStringLower(MD5.HashData(Encoding.ASCII.GetBytes(Text(hello))));
#pragma warning restore CA5351
    }

    private static void Append(StringBuilder text, ushort[] values)
    {
        var separator = ',';
        foreach (var value in values)
        {
            if (!TlsExtensions.IsGrease(value))
            {
                text.Append(separator).Append(CultureInfo.InvariantCulture, $"{value}");
                separator = '-';
            }
        }

        if (separator == ',')
        {
            text.Append(',');
        }
    }
}
