using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace RelayCore.Protocols.Tls;

/// <summary>
/// The JA4 fingerprint of a TLS client, such as <c>t13d1516h2_8daaf6152771_e5627efa2ab1</c>: a readable part (transport, version,
/// SNI, counts, ALPN), a hash of the sorted cipher suites, a hash of the sorted extensions and the signature algorithms.
/// GREASE is left out of every part.
/// </summary>
public static class Ja4
{
    private const int HashDigits = 12;
    private const int MaxCount = 99;
    private const string NoValues = "000000000000";

    /// <summary>The fingerprint: 36 characters.</summary>
    /// <param name="hello">The client's first message.</param>
    /// <param name="transport"><c>t</c> for TLS over TCP, <c>q</c> for QUIC, <c>d</c> for DTLS.</param>
    public static string Compute(ClientHello hello, char transport = 't')
    {
        ArgumentNullException.ThrowIfNull(hello);
        return string.Concat(Prefix(hello, transport), "_", Hash(Ciphers(hello)), "_", Hash(ExtensionsAndSignatures(hello)));
    }

    /// <summary>The same with the lists in place of their hashes (known as <c>JA4_r</c>).</summary>
    /// <inheritdoc cref="Compute"/>
    public static string Raw(ClientHello hello, char transport = 't')
    {
        ArgumentNullException.ThrowIfNull(hello);
        return string.Concat(Prefix(hello, transport), "_", Ciphers(hello), "_", ExtensionsAndSignatures(hello));
    }

    private static string Prefix(ClientHello hello, char transport) => string.Create(
        CultureInfo.InvariantCulture,
        $"{transport}{Version(hello.HighestVersion)}{(hello.HasExtension(TlsExtensions.ServerName) ? 'd' : 'i')}{Count(hello.CipherSuites):00}{Count(hello.Extensions):00}{Protocol(hello.ApplicationProtocols)}");

    private static string Version(ushort version) => version switch
    {
        0x0304 => "13",
        0x0303 => "12",
        0x0302 => "11",
        0x0301 => "10",
        0x0300 => "s3",
        0x0002 => "s2",
        0xFEFF => "d1",
        0xFEFD => "d2",
        0xFEFC => "d3",
        _ => "00",
    };

    private static int Count(ushort[] values)
    {
        var count = 0;
        foreach (var value in values)
        {
            count += TlsExtensions.IsGrease(value) ? 0 : 1;
        }

        return Math.Min(count, MaxCount);
    }

    /// <summary>First and last character of the preferred protocol; of its hexadecimal form when either is not alphanumeric.</summary>
    private static string Protocol(string[] protocols)
    {
        if (protocols.Length == 0)
        {
            return "00";
        }

        var name = protocols[0];
        if (!char.IsAsciiLetterOrDigit(name[0]) || !char.IsAsciiLetterOrDigit(name[^1]))
        {
            name = Convert.ToHexStringLower(Encoding.Latin1.GetBytes(name));
        }

        return string.Concat(name.AsSpan(0, 1), name.AsSpan(name.Length - 1));
    }

    private static string Ciphers(ClientHello hello)
    {
        var ciphers = (ushort[])hello.CipherSuites.Clone();
        Array.Sort(ciphers);
        return List(ciphers, includeNamed: true);
    }

    private static string ExtensionsAndSignatures(ClientHello hello)
    {
        var extensions = (ushort[])hello.Extensions.Clone();
        Array.Sort(extensions);
        var (list, signatures) = (List(extensions, includeNamed: false), List(hello.SignatureAlgorithms, includeNamed: true));
        return signatures.Length == 0 ? list : $"{list}_{signatures}";
    }

    /// <param name="values">Numbers in the order to write.</param>
    /// <param name="includeNamed">Whether server_name and ALPN, which the readable part shows already, belong to the list.</param>
    private static string List(ushort[] values, bool includeNamed)
    {
        var text = new StringBuilder(values.Length * 5);
        foreach (var value in values)
        {
            var isNamed = value is TlsExtensions.ServerName or TlsExtensions.ApplicationProtocols;
            if (!TlsExtensions.IsGrease(value) && (includeNamed || !isNamed))
            {
                text.Append(text.Length == 0 ? "" : ",").Append(CultureInfo.InvariantCulture, $"{value:x4}");
            }
        }

        return text.ToString();
    }

    private static string Hash(string list) => list.Length == 0 || list[0] == '_'
        ? NoValues
        : Convert.ToHexStringLower(SHA256.HashData(Encoding.ASCII.GetBytes(list)))[..HashDigits];
}
